//! Operations on one operand, lane by lane.

use super::{Esize, operations, swar};
use crate::{Alu, Word};

operations! {
    /// One operand `n`; the pairwise-long sums may add to an accumulator `d` of wide lanes.
    Un {
        Abs "abs" "|n|; the most negative value stays.";
        Neg "neg" "-n.";
        Sqabs "sqabs" "|n|, saturated.";
        Sqneg "sqneg" "-n, saturated.";
        Cls "cls" "bits after the sign bit that are equal to it, up to the first that is not.";
        Clz "clz" "leading zero bits.";
        Cnt "cnt" "one bits of each byte.";
        Not "not" "complement.";
        Rbit "rbit" "each byte's bits in reverse order.";
        Rev16 "rev16" "bytes in reverse order within 16 bits.";
        Rev32 "rev32" "lanes in reverse order within 32 bits.";
        Rev64 "rev64" "lanes in reverse order within 64 bits.";
        Cmgt0 "cmgt0" "all ones where n > 0.";
        Cmge0 "cmge0" "all ones where n ≥ 0.";
        Cmeq0 "cmeq0" "all ones where n = 0.";
        Cmle0 "cmle0" "all ones where n ≤ 0.";
        Cmlt0 "cmlt0" "all ones where n < 0.";
        Saddlp "saddlp" "sums of neighbours, in lanes twice as wide, signed.";
        Uaddlp "uaddlp" "sums of neighbours, in lanes twice as wide, unsigned.";
        Sadalp "sadalp" "d + SADDLP.";
        Uadalp "uadalp" "d + UADDLP.";
    }
}

/// One 64-bit half of a lane-wise operation on `n`, with accumulator `d`.
///
/// `CNT`, `NOT` and `RBIT` ignore `e`. For the pairwise-long sums `e` is the size of `n`'s lanes.
#[inline]
pub fn un<A: Alu>(alu: &A, op: Un, e: Esize, d: u64, n: u64, qc: &mut bool) -> u64 {
    let (d, n) = (Word::new(alu, d), Word::new(alu, n));
    let zero = n.lit(0);
    let result = match op {
        Un::Abs => swar::abs(e, n),
        Un::Neg => swar::sub(e, zero, n),
        Un::Sqabs => saturate_lowest(e, n, swar::abs(e, n), qc),
        Un::Sqneg => saturate_lowest(e, n, swar::sub(e, zero, n), qc),
        Un::Cls => n.lit(e.map(n.get(), |x| {
            // A one ends the differences with the neighbour below, which the lowest bit lacks.
            let unused = 64 - e.bits();
            let x = n.lit(x << unused);
            ((x ^ (x.get() << 1)) | 1 << unused).leading_zeros()
        })),
        Un::Clz => n.lit(e.map(n.get(), |x| {
            // A one just below the lane ends the count, unless the lane is the whole word.
            let unused = 64 - e.bits();
            n.lit(x << unused | (1 << unused) >> 1).leading_zeros()
        })),
        Un::Cnt => byte_popcounts(n),
        Un::Not => !n,
        Un::Rbit => n.lit(alu.rbit(n.get()).swap_bytes()),
        Un::Rev16 => n.lit(reverse(e, Esize::H, n.get())),
        Un::Rev32 => n.lit(reverse(e, Esize::S, n.get())),
        Un::Rev64 => n.lit(reverse(e, Esize::D, n.get())),
        Un::Cmgt0 => swar::lt_signed(e, zero, n),
        Un::Cmge0 => !swar::sign_mask(e, n),
        Un::Cmeq0 => !swar::nonzero(e, n),
        Un::Cmle0 => !swar::lt_signed(e, zero, n),
        Un::Cmlt0 => swar::sign_mask(e, n),
        Un::Saddlp => neighbours(e, true, n),
        Un::Uaddlp => neighbours(e, false, n),
        Un::Sadalp => swar::add(e.double(), d, neighbours(e, true, n)),
        Un::Uadalp => swar::add(e.double(), d, neighbours(e, false, n)),
    };
    result.get()
}

/// The most negative lanes of `n`, whose results are themselves, become the most positive value.
#[inline(always)]
fn saturate_lowest<'a, A: Alu>(
    e: Esize,
    n: Word<'a, A>,
    result: Word<'a, A>,
    qc: &mut bool,
) -> Word<'a, A> {
    let lowest = !swar::ne(e, n, n.lit(e.high_bits()));
    swar::saturate(lowest, !n, result, qc)
}

/// One bits of every byte, by sums of neighbours of 1, 2 and 4 bits.
#[inline(always)]
fn byte_popcounts<A: Alu>(n: Word<'_, A>) -> Word<'_, A> {
    let pairs = n - ((n >> 1) & 0x5555_5555_5555_5555);
    let nibbles = (pairs & 0x3333_3333_3333_3333) + ((pairs >> 2) & 0x3333_3333_3333_3333);
    (nibbles + (nibbles >> 4)) & 0x0f0f_0f0f_0f0f_0f0f
}

/// Lanes of size `e` in reverse order within each `container`. Bits are only moved.
#[inline(always)]
const fn reverse(e: Esize, container: Esize, x: u64) -> u64 {
    let mut x = x;
    let mut size = e;
    while (size as u8) < container as u8 {
        let wide = size.double();
        let low = wide.low_halves();
        x = (x & low) << size.bits() | x >> size.bits() & low;
        size = wide;
    }
    x
}

/// Sums of neighbouring lanes in lanes twice as wide.
#[inline(always)]
pub(super) fn neighbours<A: Alu>(e: Esize, signed: bool, n: Word<'_, A>) -> Word<'_, A> {
    let wide = e.double();
    let extend =
        |x: u64| n.lit(if signed { swar::extend_in_place(e, x) } else { x & wide.low_halves() });
    swar::add(wide, extend(n.get()), extend(n.get() >> (wide.bits() / 2)))
}
