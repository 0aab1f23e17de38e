//! Runs of the networks themselves, and of the references, beside Rust's operators: all operands of 8 or
//! 16 bits, and operands of 64 bits that are corner cases or random.

use super::Refuted;
use super::reference as r;
use super::reference::Plain;
use super::symbolic::{Plane, Space};
use ncpu_alu::{Alu, NativeAlu};
use ncpu_neural_alu::domain::Domain;
use ncpu_neural_alu::pairs::{self, Counts, Operands, Wrong};
use ncpu_neural_alu::{BitSliced, Bits, Cells, NeuralAlu};
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

/// How many operands of 64 bits.
const SAMPLES: u64 = 20_000;

fn refuted(name: &'static str, a: u64, b: u64, found: u64, expected: u64) -> Result<(), Refuted> {
    if found == expected { Ok(()) } else { Err(Refuted::Run { name, a, b, found, expected }) }
}

/// All operands of 8 bits through the networks. Gives the number of results.
pub(super) fn eight_bits(cells: &Cells) -> Result<u64, Refuted> {
    let evaluator = BitSliced::new(cells);
    let mut results = 0;
    for (a, b) in (0..=u8::MAX).flat_map(|a| (0..=u8::MAX).map(move |b| (a, b))) {
        pairs::of_8_bits(&mut Bits::new(&evaluator), a, b, |compared, found, expected| {
            results += 1;
            refuted(compared.name(), a.into(), b.into(), found, expected)
        })?;
    }
    Ok(results)
}

/// A first operand of 16 bits through the networks, with each of the second ones.
fn with_all(cells: &Cells, a: u16, seconds: RangeInclusive<u16>) -> Result<Counts, Wrong> {
    let evaluator = BitSliced::new(cells);
    let mut right = Counts::default();
    for b in seconds {
        pairs::of_16_bits(&mut Bits::new(&evaluator), a, b, |compared, found, expected| {
            if found != expected {
                return Err(Wrong { compared, a, b, found, expected });
            }
            right.bump(compared, 1);
            Ok(())
        })?;
    }
    Ok(right)
}

/// Operands of 16 bits through the networks, on so many threads. Gives the numbers of results, or the first
/// that is wrong; `tell` hears, on any thread, of each first operand that is through.
pub(super) fn sixteen_bits(
    cells: &Cells,
    operands: &Operands,
    threads: NonZeroUsize,
    tell: &(impl Fn() + Sync),
) -> Result<Counts, Wrong> {
    let past = u32::from(*operands.firsts.end()) + 1;
    let next = AtomicU32::new((*operands.firsts.start()).into());
    let run = || -> Result<Counts, Wrong> {
        let mut right = Counts::default();
        loop {
            let a = next.fetch_add(1, Ordering::Relaxed);
            let Some(a) = u16::try_from(a).ok().filter(|_| a < past) else { return Ok(right) };
            // What is wrong keeps the others from going on. All before it have been begun, and end.
            let more = with_all(cells, a, operands.seconds.clone())
                .inspect_err(|_| next.store(past, Ordering::Relaxed))?;
            right.add(&more);
            tell();
        }
    };
    let results: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (1..threads.get()).map(|_| scope.spawn(run)).collect();
        let own = run();
        let others = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        others.chain([own]).collect()
    });
    let mut right = Counts::default();
    let mut first: Option<Wrong> = None;
    for result in results {
        match result {
            Ok(more) => right.add(&more),
            Err(wrong) if first.is_none_or(|first| wrong.a < first.a) => first = Some(wrong),
            Err(_) => {}
        }
    }
    first.map_or(Ok(right), Err)
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
        let operands = Operands { firsts: 0x7fff..=0x8000, seconds: 0..=u16::MAX };
        let through = AtomicU32::new(0);
        let tell = || _ = through.fetch_add(1, Ordering::Relaxed);
        let right = sixteen_bits(&cells, &operands, NonZeroUsize::MIN, &tell).unwrap();
        // Four of each pair with a carry, twelve of each without, two of each first operand.
        assert_eq!(right.total(), 2 * (16 << 16 | 2));
        assert_eq!(right, operands.results());
        assert_eq!(through.into_inner(), 2);
    }

    #[test]
    fn all_pairs_of_16_bits_are_69_billion_results() {
        assert_eq!(Operands::ALL.results().total(), 16 * (1 << 32) + 2 * (1 << 16));
    }
}
