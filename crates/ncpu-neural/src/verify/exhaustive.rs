//! Runs of the networks themselves, and of the references, beside Rust's operators: all operands of 8 or
//! 16 bits, and operands of 64 bits that are corner cases or random.

use super::Refuted;
use super::reference as r;
use super::reference::Plain;
use super::symbolic::{Plane, Space};
use ncpu_alu::{Alu, NativeAlu};
use ncpu_neural_alu::domain::Domain;
use ncpu_neural_alu::shift::{Kind, shift};
use ncpu_neural_alu::{BitSliced, Bits, Cells, NeuralAlu, adder, compare, count, divide, multiply};
use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

/// How many operands of 64 bits.
const SAMPLES: u64 = 20_000;

fn refuted(name: &'static str, a: u64, b: u64, found: u64, expected: u64) -> Result<(), Refuted> {
    if found == expected { Ok(()) } else { Err(Refuted::Run { name, a, b, found, expected }) }
}

/// A function that gives networks all pairs of operands of a width, of which the first is `a`, and tells the
/// number of results.
macro_rules! all_pairs {
    ($name:ident, $width:literal, $unsigned:ty, $signed:ty, $wide:ty, $wide_signed:ty) => {
        fn $name(cells: &Cells, a: $unsigned) -> Result<u64, Refuted> {
            const W: u32 = $width;
            let evaluator = BitSliced::new(cells);
            let d = &mut Bits::new(&evaluator);
            let mut results = 0;
            for b in 0..=<$unsigned>::MAX {
                let (x, y) = (u64::from(a), u64::from(b));
                let (s, t) = (a as $signed, b as $signed);
                let mut check = |name, found: u64, expected: u64| {
                    results += 1;
                    refuted(name, x, y, found, expected)
                };
                for carry in [0, 1] {
                    let [sum, flags] = adder::add_with_flags::<_, W>(d, &x, &y, &carry);
                    let wide = <$wide>::from(a) + <$wide>::from(b) + carry as $wide;
                    let signed =
                        <$wide_signed>::from(s) + <$wide_signed>::from(t) + carry as $wide_signed;
                    let expected = u64::from(wide as $unsigned);
                    check("add_with_carry", sum, expected)?;
                    let [n, z] = [expected >> (W - 1), u64::from(expected == 0)];
                    let overflow = <$wide_signed>::from(signed as $signed) != signed;
                    let [c, v] = [u64::from(wide >> W), u64::from(overflow)];
                    check("flags", flags, n << 3 | z << 2 | c << 1 | v)?;
                }
                let mask = u64::from(<$unsigned>::MAX);
                let difference = adder::subtract::<_, W>(d, &x, &y).sum & mask;
                check("sub", difference, a.wrapping_sub(b).into())?;
                check("eq", compare::equal::<_, W>(d, &x, &y), (a == b).into())?;
                check("ltu", compare::less::<_, W>(d, &x, &y), (a < b).into())?;
                check("lts", compare::less_signed::<_, W>(d, &x, &y), (s < t).into())?;
                let n = u32::from(b);
                let expected = [
                    (Kind::Left, a.wrapping_shl(n)),
                    (Kind::Right, a.wrapping_shr(n)),
                    (Kind::RightSigned, s.wrapping_shr(n) as $unsigned),
                    (Kind::Rotate, a.rotate_right(n)),
                ];
                for (kind, expected) in expected {
                    check("shift", shift::<_, W>(d, kind, &x, &y), expected.into())?;
                }
                let product = multiply::product::<_, W, false>(d, &x, &y)[0];
                check("mul", product, x * y)?;
                let signed = <$wide_signed>::from(s) * <$wide_signed>::from(t);
                let high = multiply::signed_high::<_, W>(d, &(product >> W), &x, &y);
                check("smulh", high, u64::from((signed >> W) as $unsigned))?;
                let quotient = divide::quotient::<_, W>(d, &x, &y);
                check("udiv", quotient, a.checked_div(b).unwrap_or(0).into())?;
                let expected = if b == 0 { 0 } else { s.wrapping_div(t) as $unsigned };
                check("sdiv", divide::quotient_signed::<_, W>(d, &x, &y), expected.into())?;
                if b == 0 {
                    check("clz", count::leading_zeros::<_, W>(d, &x), a.leading_zeros().into())?;
                    check("popcount", count::ones::<_, W>(d, &x), a.count_ones().into())?;
                }
            }
            Ok(results)
        }
    };
}

all_pairs!(pairs_of_8_bits, 8, u8, i8, u16, i16);
all_pairs!(pairs_of_16_bits, 16, u16, i16, u32, i32);

/// All operands of 8 bits through the networks. Gives the number of results.
pub(super) fn eight_bits(cells: &Cells) -> Result<u64, Refuted> {
    (0..=u8::MAX).map(|a| pairs_of_8_bits(cells, a)).sum()
}

/// All operands of 16 bits through the networks, on so many threads. Gives the number of results; `tell`
/// hears, on any thread, of each first operand of [`u16::MAX`] + 1 that is through.
pub(super) fn sixteen_bits(
    cells: &Cells,
    threads: NonZeroUsize,
    tell: &(impl Fn() + Sync),
) -> Result<u64, Refuted> {
    let next = AtomicU32::new(0);
    let run = || -> Result<u64, Refuted> {
        let mut results = 0;
        while let Ok(a) = u16::try_from(next.fetch_add(1, Ordering::Relaxed)) {
            // What is refuted keeps the others from going on.
            results += pairs_of_16_bits(cells, a)
                .inspect_err(|_| next.store(u32::from(u16::MAX) + 1, Ordering::Relaxed))?;
            tell();
        }
        Ok(results)
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (1..threads.get()).map(|_| scope.spawn(run)).collect();
        let own = run();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .chain([own])
            .sum()
    })
}

/// Operands that are likely to be wrong, then random ones (xorshift64*; Vigna 2016).
fn operands() -> impl Iterator<Item = (u64, u64)> {
    let corners = [
        0,
        1,
        2,
        0x7f,
        0x80,
        0xff,
        u64::MAX,
        1 << 63,
        (1 << 63) - 1,
        1 << 32,
        u32::MAX.into(),
        1 << 31,
    ];
    let pairs = corners.into_iter().flat_map(move |a| corners.into_iter().map(move |b| (a, b)));
    let mut state = 1u64;
    let mut random = move || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    };
    pairs.chain((0..SAMPLES).map(move |_| {
        // Of all lengths.
        let (a, b, lengths) = (random(), random(), random());
        (a >> (lengths & 63), b >> (lengths >> 6 & 63))
    }))
}

/// Operands of 64 bits through the networks. Gives the number of results.
pub(super) fn sixty_four_bits(cells: &Cells) -> Result<u64, Refuted> {
    let (ours, native) = (&NeuralAlu::new(cells), &NativeAlu);
    let mut results = 0;
    for (a, b) in operands() {
        let mut check = |name, found: u64, expected: u64| {
            results += 1;
            refuted(name, a, b, found, expected)
        };
        macro_rules! words {
            ($($name:ident($($operand:expr),*);)*) => {
                $(check(stringify!($name), ours.$name($($operand),*), native.$name($($operand),*))?;)*
            };
        }
        words! {
            add(a, b); sub(a, b); mul(a, b); umulh(a, b); smulh(a, b); udiv(a, b); sdiv(a, b);
            and(a, b); or(a, b); xor(a, b); not(a); shl(a, b); lshr(a, b); ashr(a, b); ror(a, b);
            ror32(a, b); clz(a); rbit(a); popcount(a);
        }
        for carry in [false, true] {
            let (found, expected) =
                (ours.add_with_carry(a, b, carry), native.add_with_carry(a, b, carry));
            check("add_with_carry", found.0, expected.0)?;
            check("flags", found.1, expected.1)?;
            let (found, expected) =
                (ours.add_with_carry32(a, b, carry), native.add_with_carry32(a, b, carry));
            check("add_with_carry32", found.0, expected.0)?;
            check("flags32", found.1, expected.1)?;
        }
        check("eq", ours.eq(a, b).into(), Alu::eq(native, a, b).into())?;
        check("eq", ours.eq(a, a).into(), 1)?;
        check("ltu", ours.ltu(a, b).into(), native.ltu(a, b).into())?;
        check("lts", ours.lts(a, b).into(), native.lts(a, b).into())?;
    }
    Ok(results)
}

/// The wiring of the machine's planes beside that of planes of diagrams, for planes with one position set,
/// with all but one, and random ones.
pub(super) fn wiring(cells: &Cells) -> Result<u64, Refuted> {
    let evaluator = BitSliced::new(cells);
    let (machine, mut symbolic) = (&mut Bits::new(&evaluator), &Space::new(&[]));
    let ones = (0..64).map(|position| (1u64 << position, !(1u64 << position)));
    let mut results = 0;
    for (a, b) in ones.chain(operands().take(200)) {
        let (x, y) = (symbolic.constant(a), symbolic.constant(b));
        let mut check = |name, found: u64, expected: Plane| {
            results += 1;
            let bits: Vec<bool> = expected.iter().map(|bit| bit.is_true()).collect();
            refuted(name, a, b, found, number(&bits))
        };
        check("constant", machine.constant(a), x.clone())?;
        check("reverse", machine.reverse(&a), symbolic.reverse(&x))?;
        for by in 0..64 {
            check("up", machine.up(&a, by), symbolic.up(&x, by))?;
            check("down", machine.down(&a, by), symbolic.down(&x, by))?;
            check("spread", machine.spread(&a, by), symbolic.spread(&x, by))?;
            let mask = b.rotate_left(by);
            check("splice", machine.splice(mask, &a, &b), symbolic.splice(mask, &x, &y))?;
        }
    }
    Ok(results)
}

fn bits(value: u64, width: usize) -> Vec<bool> {
    (0..width).map(|i| value >> i & 1 == 1).collect()
}

fn number(bits: &[bool]) -> u64 {
    bits.iter().rev().fold(0, |value, &bit| value << 1 | u64::from(bit))
}

/// The references beside Rust's operators, on all operands of 8 bits and those of 64.
pub(super) fn references() -> Result<u64, Refuted> {
    let l = &Plain;
    let mut results = 0;
    let small = (0..256).flat_map(|a| (0..256).map(move |b| (a, b, 8)));
    for (a, b, width) in small.chain(operands().map(|(a, b)| (a, b, 64))) {
        let mut check = |name, found: &[bool], expected: u64| {
            results += 1;
            let expected = if width == 8 { expected & 0xff } else { expected };
            refuted(name, a, b, number(found), expected)
        };
        let (x, y) = (&bits(a, width)[..], &bits(b, width)[..]);
        // Sign extended, so that Rust's operators of 64 bits serve both widths.
        let extended = |value: u64| if width == 8 { value as i8 as i64 } else { value as i64 };
        let (sa, sb) = (extended(a), extended(b));
        for carry in [false, true] {
            let (sum, out) = r::add(l, x, y, &carry);
            let wide = u128::from(a) + u128::from(b) + u128::from(carry);
            check("add", &sum, wide as u64)?;
            let flags = r::flags(l, (x, y), (&sum, &out));
            let signed = i128::from(sa) + i128::from(sb) + i128::from(carry);
            let fits = i128::from(extended(wide as u64)) == signed;
            let zero = number(&sum) == 0;
            let expected = [!fits, wide >> width & 1 == 1, zero, sum[width - 1]];
            check("flags", &flags, number(&expected))?;
        }
        check("sub", &r::subtract(l, x, y), a.wrapping_sub(b))?;
        check("eq", &[r::equal(l, x, y)], (a == b).into())?;
        check("ltu", &[r::less(l, x, y)], (a < b).into())?;
        check("lts", &[r::less_signed(l, x, y)], (sa < sb).into())?;
        let by = b as usize % width;
        check("shl", &r::left(l, x, by), a << by)?;
        check("lshr", &r::right::<Plain>(x, by, &false), a >> by)?;
        check("ashr", &r::right::<Plain>(x, by, &x[width - 1]), (sa >> by) as u64)?;
        let rotated = if width == 8 {
            (a as u8).rotate_right(by as u32).into()
        } else {
            a.rotate_right(by as u32)
        };
        check("ror", &r::rotated::<Plain>(x, by), rotated)?;
        let zeros = u64::from(a.leading_zeros()) - (64 - width as u64);
        check("clz", &r::leading_zeros(l, x, width), zeros)?;
        check("popcount", &r::ones(l, x, width), a.count_ones().into())?;
        check("times", &r::times(l, x, b.into()), a.wrapping_mul(b))?;
        check("negated", &r::negated_if(l, x, &true), a.wrapping_neg())?;
        check("not negated", &r::negated_if(l, x, &false), a)?;
        if let (Some(expected), Some(rest)) = (a.checked_div(b), a.checked_rem(b)) {
            let (quotient, remainder) = r::divided(l, x, y);
            check("quotient", &quotient, expected)?;
            check("remainder", &remainder, rest)?;
        }
    }
    Ok(results)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Weights;
    use std::path::Path;

    #[test]
    fn pairs_of_16_bits_with_corners() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/alu");
        let cells = Weights::read(&folder).unwrap().cells(&folder).unwrap();
        for a in [1, 0x8000] {
            // Four of each pair with a carry, twelve of each without, two of each first operand.
            assert_eq!(pairs_of_16_bits(&cells, a).unwrap(), 16 << 16 | 2);
        }
    }
}
