//! Single and double precision, rounding to nearest, against the floating point of the machine that
//! runs the test; and the host's shortcuts against the integer algorithms, flags included.

mod integer_alu;

use integer_alu::IntegerAlu;
use ncpu_alu::fp::{Double, FPSR_IXC, Format, Fp, Rounding, Single};
use ncpu_alu::{Alu, NativeAlu};

/// SplitMix64 (Steele, Lea and Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A value of format `F`: any class, exponents mostly near that of `near` or of one, and
    /// significands that are short, long or next to a power of two.
    fn value<F: Format>(&mut self, near: u64) -> u64 {
        let fraction = match self.next() % 5 {
            0 => self.next(),
            1 => 0,
            2 => self.next() << (self.next() % F::FRAC_BITS as u64),
            3 => u64::MAX >> (self.next() % 64),
            _ => u64::MAX << (self.next() % F::FRAC_BITS as u64),
        };
        let spread = self.next() % (2 * F::FRAC_BITS as u64 + 4);
        let around = |e: u64| e.wrapping_add(spread).wrapping_sub(F::FRAC_BITS as u64 + 2);
        let exponent = match self.next() % 8 {
            0 => self.next(),
            1 => self.next() % 3,
            2 => F::EXP_MAX - self.next() % 3,
            3 | 4 => around(F::BIAS),
            _ => around(F::exponent(near)),
        };
        let magnitude = (exponent & F::EXP_MAX) << F::FRAC_BITS | (fraction & F::FRAC_MASK);
        F::signed(self.next() & 1 != 0, magnitude)
    }
}

fn is_nan<F: Format>(bits: u64) -> bool {
    bits & F::MASK & !F::SIGN > F::INFINITY
}

macro_rules! against_the_host {
    ($test:ident, $format:ident, $float:ident, $bits:ident) => {
        /// Same bits, except that a NaN need only be a NaN: hosts choose other payloads.
        #[test]
        fn $test() {
            let alu = IntegerAlu;
            let mut fp = Fp::new(&alu, 0, 0);
            let mut random = Random(1);
            let from = |bits: u64| $float::from_bits(bits as $bits);
            let same = |ours: u64, host: $float, what: &str, operands: [u64; 3]| {
                let agree = if host.is_nan() {
                    is_nan::<$format>(ours)
                } else {
                    ours == host.to_bits() as u64
                };
                assert!(agree, "{what} {operands:x?} gave {ours:x}, the host {:x}", host.to_bits());
            };
            for _ in 0..300_000 {
                let a = random.value::<$format>(0);
                let b = random.value::<$format>(a);
                let (x, y) = (from(a), from(b));
                // An addend near the product, where cancellation happens.
                let c = random.value::<$format>((x * y).to_bits() as u64);
                let z = from(c);
                let operands = [a, b, c];
                same(fp.add::<$format>(a, b), x + y, "add", operands);
                same(fp.sub::<$format>(a, b), x - y, "sub", operands);
                same(fp.mul::<$format>(a, b), x * y, "mul", operands);
                same(fp.div::<$format>(a, b), x / y, "div", operands);
                same(fp.sqrt::<$format>(a), x.sqrt(), "sqrt", operands);
                same(fp.mul_add::<$format>(c, a, b), x.mul_add(y, z), "mul_add", operands);
                let order = fp.compare::<$format>(a, b, false);
                let expected = match x.partial_cmp(&y) {
                    Some(std::cmp::Ordering::Less) => 0b1000,
                    Some(std::cmp::Ordering::Equal) => 0b0110,
                    Some(std::cmp::Ordering::Greater) => 0b0010,
                    None => 0b0011,
                };
                assert_eq!(order, expected, "compare {operands:x?}");
                let to_zero = Rounding::TowardZero;
                let truncated = fp.convert_to_int::<$format>(a, 0, 64, true, to_zero);
                assert_eq!(truncated, x as i64 as u64, "convert_to_int {a:x}");
                let truncated = fp.convert_to_int::<$format>(a, 0, 32, false, to_zero);
                assert_eq!(truncated, x as u32 as u64, "convert_to_int {a:x}");
                let integer = random.next() >> (c % 64);
                let converted = fp.convert_from_int::<$format>(integer, 0, 64, true);
                same(converted, integer as i64 as $float, "convert_from_int", [integer, 0, 0]);
                let converted = fp.convert_from_int::<$format>(integer, 0, 64, false);
                same(converted, integer as $float, "convert_from_int", [integer, 0, 0]);
            }
        }
    };
}
against_the_host!(single_precision_rounds_as_the_host_does, Single, f32, u32);
against_the_host!(double_precision_rounds_as_the_host_does, Double, f64, u64);

#[test]
fn formats_convert_as_the_host_does() {
    let alu = IntegerAlu;
    let mut fp = Fp::new(&alu, 0, 0);
    let mut random = Random(2);
    for _ in 0..300_000 {
        let wide = random.value::<Double>(0);
        let narrow = f64::from_bits(wide) as f32;
        if !narrow.is_nan() {
            assert_eq!(fp.convert::<Double, Single>(wide), narrow.to_bits() as u64, "{wide:x}");
            let back = (narrow as f64).to_bits();
            assert_eq!(fp.convert::<Single, Double>(narrow.to_bits() as u64), back, "{narrow:e}");
        }
    }
}

type Operation<'a, A> = &'a dyn Fn(&mut Fp<A>) -> u64;

/// Result and FPSR of everything that has a shortcut.
fn outcomes<F: Format, A: Alu>(alu: &A, fpcr: u32, fpsr: u32, v: [u64; 3]) -> Vec<(u64, u32)> {
    let [a, b, c] = v;
    let operations: [Operation<A>; 12] = [
        &|fp| fp.add::<F>(a, b),
        &|fp| fp.sub::<F>(a, b),
        &|fp| fp.mul::<F>(a, b),
        &|fp| fp.div::<F>(a, b),
        &|fp| fp.sqrt::<F>(a),
        &|fp| fp.mul_add::<F>(c, a, b),
        &|fp| fp.compare::<F>(a, b, false),
        &|fp| fp.convert::<F, Single>(a),
        &|fp| fp.convert::<F, Double>(a),
        &|fp| fp.convert_to_int::<F>(a, 0, 64, false, Rounding::TowardZero),
        &|fp| fp.convert_to_int::<F>(a, 0, 32, true, Rounding::TowardZero),
        &|fp| fp.convert_from_int::<F>(a, 0, 64, true),
    ];
    operations
        .iter()
        .map(|operation| {
            let mut fp = Fp::new(alu, fpcr, fpsr);
            (operation(&mut fp), fp.fpsr)
        })
        .collect()
}

fn shortcuts_agree<F: Format>(seed: u64) {
    let mut random = Random(seed);
    for _ in 0..100_000 {
        let a = random.value::<F>(0);
        let b = random.value::<F>(a);
        // The product's exponent, where it has one.
        let product = F::exponent(a).wrapping_add(F::exponent(b)).wrapping_sub(F::BIAS);
        let c = random.value::<F>((product & F::EXP_MAX) << F::FRAC_BITS);
        // Half of the runs to nearest and without flushing, where the shortcuts apply.
        let fpcr = if random.next() & 1 == 0 { 0 } else { (random.next() as u32) & 0x07c8_0000 };
        for fpsr in [0, FPSR_IXC] {
            let host = outcomes::<F, _>(&NativeAlu, fpcr, fpsr, [a, b, c]);
            let integer = outcomes::<F, _>(&IntegerAlu, fpcr, fpsr, [a, b, c]);
            assert_eq!(host, integer, "{:x?} FPCR {fpcr:x} FPSR {fpsr:x}", [a, b, c]);
        }
    }
}

#[test]
fn shortcuts_change_no_bit_and_no_flag_in_single_precision() {
    shortcuts_agree::<Single>(3);
}

#[test]
fn shortcuts_change_no_bit_and_no_flag_in_double_precision() {
    shortcuts_agree::<Double>(4);
}
