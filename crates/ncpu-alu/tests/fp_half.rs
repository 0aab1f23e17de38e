//! Half precision against exact arithmetic in double precision and a table of all its values.

mod integer_alu;

use integer_alu::IntegerAlu;
use ncpu_alu::fp::{Double, FPCR_AHP, FPSR_IOC, FPSR_IXC, FPSR_OFC, Fp, Half, Rounding};

const FINITE: u64 = 0x7c00;

/// The value of a finite, positive half by IEEE 754-2019 §3.4.
fn value(bits: u64) -> f64 {
    let (exponent, fraction) = (bits >> 10, (bits & 0x3ff) as f64);
    if exponent == 0 {
        fraction * 2f64.powi(-24)
    } else {
        (1024.0 + fraction) * 2f64.powi(exponent as i32 - 25)
    }
}

fn signed_value(bits: u64) -> f64 {
    if bits & 0x8000 != 0 { -value(bits & 0x7fff) } else { value(bits) }
}

/// Rounds by looking for the neighbours among all halves. Overflow is not its business.
struct Table(Vec<f64>);

impl Table {
    fn new() -> Self {
        Table((0..FINITE).map(value).collect())
    }

    fn round(&self, x: f64, mode: Rounding) -> u64 {
        let magnitude = x.abs();
        let below = self.0.partition_point(|&v| v <= magnitude) - 1;
        let above = below + (self.0[below] != magnitude) as usize;
        let up = match mode {
            _ if above == below => false,
            Rounding::TowardPositive => x > 0.0,
            Rounding::TowardNegative => x < 0.0,
            Rounding::TowardZero => false,
            Rounding::NearestEven => {
                let (down, up) = (magnitude - self.0[below], self.0[above] - magnitude);
                up < down || (up == down && below % 2 == 1)
            }
            other => panic!("FPCR cannot select {other:?}"),
        };
        let rounded = if up { above } else { below } as u64;
        rounded | if x.is_sign_negative() { 0x8000 } else { 0 }
    }
}

const MODES: [Rounding; 4] = [
    Rounding::NearestEven,
    Rounding::TowardPositive,
    Rounding::TowardNegative,
    Rounding::TowardZero,
];

/// A unit with each of FPCR's rounding modes.
fn units() -> [(Fp<'static, IntegerAlu>, Rounding); 4] {
    [0, 1, 2, 3].map(|mode| (Fp::new(&IntegerAlu, mode << 22, 0), MODES[mode as usize]))
}

fn finite_halves() -> impl Iterator<Item = u64> {
    (0..FINITE).chain(0x8000..0x8000 + FINITE)
}

#[test]
fn every_half_widens_exactly_and_comes_back() {
    let mut fp = Fp::new(&IntegerAlu, 0, 0);
    for bits in finite_halves() {
        let wide = fp.convert::<Half, Double>(bits);
        assert_eq!(wide, signed_value(bits).to_bits(), "{bits:x}");
        assert_eq!(fp.convert::<Double, Half>(wide), bits);
    }
    assert_eq!(fp.fpsr, 0);
}

/// In the alternative format the largest exponent is one more binade (Arm ARM, A1.4.2).
#[test]
fn alternative_halves_have_no_infinities() {
    let mut fp = Fp::new(&IntegerAlu, FPCR_AHP, 0);
    for bits in FINITE..0x8000 {
        let wide = fp.convert::<Half, Double>(bits);
        assert_eq!(f64::from_bits(wide), value(bits), "{bits:x}");
        assert_eq!(fp.convert::<Double, Half>(wide), bits);
    }
    assert_eq!(fp.fpsr, 0);
    assert_eq!(fp.convert::<Double, Half>(131072f64.to_bits()), 0x7fff);
    assert_eq!(fp.fpsr, FPSR_IOC);
}

#[test]
fn narrowing_rounds_to_the_right_neighbour() {
    let table = Table::new();
    for (mut fp, mode) in units() {
        for bits in 0..FINITE - 1 {
            let (low, high) = (value(bits), value(bits + 1));
            let middle = (low + high) / 2.0;
            let inside = [low.next_up(), middle.next_down(), middle, middle.next_up()];
            for x in inside.into_iter().flat_map(|x| [x, -x]) {
                let expected = table.round(x, mode);
                assert_eq!(fp.convert::<Double, Half>(x.to_bits()), expected, "{x:e} {mode:?}");
            }
        }
    }
    let mut fp = Fp::new(&IntegerAlu, 0, 0);
    assert_eq!(fp.convert::<Double, Half>(65519f64.to_bits()), 0x7bff);
    assert_eq!(fp.fpsr, FPSR_IXC);
    assert_eq!(fp.convert::<Double, Half>(65520f64.to_bits()), 0x7c00);
    assert_eq!(fp.fpsr, FPSR_IXC | FPSR_OFC);
}

/// A double-precision root of a half is never so close to a midpoint that it would mislead.
#[test]
fn square_roots_of_all_halves() {
    let table = Table::new();
    for (mut fp, mode) in units() {
        for bits in 0..FINITE {
            let expected = table.round(value(bits).sqrt(), mode);
            assert_eq!(fp.sqrt::<Half>(bits), expected, "{bits:x} {mode:?}");
        }
    }
}

#[test]
fn all_halves_to_integers_and_integral_values() {
    type Rule = fn(f64) -> f64;
    let rules: [(Rounding, Rule); 5] = [
        (Rounding::NearestEven, f64::round_ties_even),
        (Rounding::NearestAway, f64::round),
        (Rounding::TowardPositive, f64::ceil),
        (Rounding::TowardNegative, f64::floor),
        (Rounding::TowardZero, f64::trunc),
    ];
    let table = Table::new();
    for (mode, rule) in rules {
        for bits in finite_halves() {
            let x = signed_value(bits);
            let integral = rule(x);
            let fits = |low: f64, high: f64| low <= integral && integral <= high;
            let flags = |fits: bool| match (fits, integral == x) {
                (false, _) => FPSR_IOC,
                (true, false) => FPSR_IXC,
                (true, true) => 0,
            };

            let mut fp = Fp::new(&IntegerAlu, 0, 0);
            let result = fp.convert_to_int::<Half>(bits, 0, 16, true, mode);
            let expected = (integral as i16 as u16 as u64, flags(fits(-32768.0, 32767.0)));
            assert_eq!((result, fp.fpsr), expected, "{x:e} {mode:?}");

            let mut fp = Fp::new(&IntegerAlu, 0, 0);
            let result = fp.convert_to_int::<Half>(bits, 0, 32, false, mode);
            let expected = (integral as u32 as u64, flags(fits(0.0, u32::MAX as f64)));
            assert_eq!((result, fp.fpsr), expected, "{x:e} {mode:?}");

            let mut fp = Fp::new(&IntegerAlu, 0, 0);
            let result = fp.round_int::<Half>(bits, mode, true);
            let expected = table.round(integral, Rounding::TowardZero);
            assert_eq!((result, fp.fpsr), (expected, flags(true)), "{x:e} {mode:?}");
        }
    }
}

#[test]
fn integers_to_halves() {
    let table = Table::new();
    for (mut fp, mode) in units() {
        for integer in 0..65504 {
            let expected = table.round(integer as f64, mode);
            assert_eq!(fp.convert_from_int::<Half>(integer, 0, 64, true), expected);
            let expected = table.round(-(integer as f64) / 1024.0, mode);
            if integer != 0 {
                let negative = integer.wrapping_neg();
                assert_eq!(fp.convert_from_int::<Half>(negative, 10, 32, true), expected);
            }
        }
    }
}

/// Sums and products of halves are exact in double precision.
#[test]
fn sums_and_products_of_pairs() {
    let table = Table::new();
    let largest = value(FINITE - 1);
    for (mut fp, mode) in units() {
        for a in (0..FINITE).step_by(61) {
            for b in finite_halves().step_by(67) {
                let (x, y) = (value(a), signed_value(b));
                if x + y != 0.0 && (x + y).abs() <= largest {
                    assert_eq!(fp.add::<Half>(a, b), table.round(x + y, mode), "{x:e} + {y:e}");
                }
                if (x * y).abs() <= largest {
                    assert_eq!(fp.mul::<Half>(a, b), table.round(x * y, mode), "{x:e} * {y:e}");
                }
            }
        }
    }
}
