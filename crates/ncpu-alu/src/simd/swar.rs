//! All lanes of a 64-bit word at once, with whole-word operations of the ALU.
//!
//! The techniques are those of H. S. Warren, *Hacker's Delight*, 2nd ed., §2-18: carries are kept
//! from crossing lanes by clearing or setting the top bit of each lane and putting it right
//! afterwards. A *mask* has every bit of a lane equal.

use super::{Esize, V};
use crate::{Alu, Word};

/// Lane-wise sum.
#[inline(always)]
pub(super) fn add<'a, A: Alu>(e: Esize, a: Word<'a, A>, b: Word<'a, A>) -> Word<'a, A> {
    if e == Esize::D {
        return a + b;
    }
    let high = e.high_bits();
    ((a & !high) + (b & !high)) ^ ((a ^ b) & high)
}

/// Lane-wise difference.
#[inline(always)]
pub(super) fn sub<'a, A: Alu>(e: Esize, a: Word<'a, A>, b: Word<'a, A>) -> Word<'a, A> {
    if e == Esize::D {
        return a - b;
    }
    let high = e.high_bits();
    ((a | high) - (b & !high)) ^ (!(a ^ b) & high)
}

/// Lane-wise product, low bits.
#[inline(always)]
pub(super) fn mul<'a, A: Alu>(e: Esize, a: Word<'a, A>, b: Word<'a, A>) -> Word<'a, A> {
    let alu = a.alu();
    a.lit(e.map2(a.get(), b.get(), |x, y| alu.mul(x, y)))
}

/// The mask of lanes whose top bit is set.
#[inline(always)]
pub(super) fn sign_mask<A: Alu>(e: Esize, a: Word<'_, A>) -> Word<'_, A> {
    let top = a & e.high_bits();
    // A set top bit, less the same bit moved to the bottom, is all ones below the top.
    (top - (top >> (e.bits() - 1) as u64)) | top
}

/// The mask of lanes whose lowest bit is set.
#[inline(always)]
pub(super) fn low_bit_mask<A: Alu>(e: Esize, a: Word<'_, A>) -> Word<'_, A> {
    sign_mask(e, a << (e.bits() - 1) as u64)
}

/// The mask of lanes with `a < b`, unsigned.
#[inline(always)]
pub(super) fn lt_unsigned<'a, A: Alu>(e: Esize, a: Word<'a, A>, b: Word<'a, A>) -> Word<'a, A> {
    // The borrow out of a subtraction, as a function of the operands' and the difference's top bits.
    let borrow = (!a & b) | (!(a ^ b) & sub(e, a, b));
    sign_mask(e, borrow)
}

/// The mask of lanes with `a < b`, signed.
#[inline(always)]
pub(super) fn lt_signed<'a, A: Alu>(e: Esize, a: Word<'a, A>, b: Word<'a, A>) -> Word<'a, A> {
    let high = e.high_bits();
    lt_unsigned(e, a ^ high, b ^ high)
}

/// The mask of lanes with `a < b`.
#[inline(always)]
pub(super) fn lt<'a, A: Alu>(
    e: Esize,
    signed: bool,
    a: Word<'a, A>,
    b: Word<'a, A>,
) -> Word<'a, A> {
    if signed { lt_signed(e, a, b) } else { lt_unsigned(e, a, b) }
}

/// Lane-wise greater value.
#[inline(always)]
pub(super) fn max<'a, A: Alu>(
    e: Esize,
    signed: bool,
    a: Word<'a, A>,
    b: Word<'a, A>,
) -> Word<'a, A> {
    select(lt(e, signed, a, b), b, a)
}

/// Lane-wise lesser value.
#[inline(always)]
pub(super) fn min<'a, A: Alu>(
    e: Esize,
    signed: bool,
    a: Word<'a, A>,
    b: Word<'a, A>,
) -> Word<'a, A> {
    select(lt(e, signed, a, b), a, b)
}

/// The mask of lanes that are not zero.
#[inline(always)]
pub(super) fn nonzero<A: Alu>(e: Esize, a: Word<'_, A>) -> Word<'_, A> {
    let low = !e.high_bits();
    sign_mask(e, ((a & low) + low) | a)
}

/// The mask of lanes with `a != b`.
#[inline(always)]
pub(super) fn ne<'a, A: Alu>(e: Esize, a: Word<'a, A>, b: Word<'a, A>) -> Word<'a, A> {
    nonzero(e, a ^ b)
}

/// Bits of `a` where `mask` is one, of `b` where it is zero.
#[inline(always)]
pub(super) fn select<'a, A: Alu>(mask: Word<'a, A>, a: Word<'a, A>, b: Word<'a, A>) -> Word<'a, A> {
    b ^ ((a ^ b) & mask)
}

/// Lane-wise absolute value; the most negative value stays.
#[inline(always)]
pub(super) fn abs<A: Alu>(e: Esize, a: Word<'_, A>) -> Word<'_, A> {
    let sign = sign_mask(e, a);
    sub(e, a ^ sign, sign)
}

/// Lane-wise `|a - b|`.
#[inline(always)]
pub(super) fn abs_diff<'a, A: Alu>(
    e: Esize,
    signed: bool,
    a: Word<'a, A>,
    b: Word<'a, A>,
) -> Word<'a, A> {
    let negative = lt(e, signed, a, b);
    sub(e, sub(e, a, b) ^ negative, negative)
}

/// Notes in `qc` whether any lane is marked, and gives `saturated` there and `value` elsewhere.
#[inline(always)]
pub(super) fn saturate<'a, A: Alu>(
    marked: Word<'a, A>,
    saturated: Word<'a, A>,
    value: Word<'a, A>,
    qc: &mut bool,
) -> Word<'a, A> {
    *qc |= !marked.is_zero();
    select(marked, saturated, value)
}

/// The most negative value where `a` is negative, the most positive elsewhere.
#[inline(always)]
pub(super) fn signed_limit<A: Alu>(e: Esize, a: Word<'_, A>) -> Word<'_, A> {
    sign_mask(e, a) ^ !e.high_bits()
}

/// Lane-wise signed sum, saturated.
#[inline(always)]
pub(super) fn sqadd<'a, A: Alu>(
    e: Esize,
    a: Word<'a, A>,
    b: Word<'a, A>,
    qc: &mut bool,
) -> Word<'a, A> {
    let sum = add(e, a, b);
    let overflow = sign_mask(e, !(a ^ b) & (a ^ sum));
    saturate(overflow, signed_limit(e, a), sum, qc)
}

/// Lane-wise signed difference, saturated.
#[inline(always)]
pub(super) fn sqsub<'a, A: Alu>(
    e: Esize,
    a: Word<'a, A>,
    b: Word<'a, A>,
    qc: &mut bool,
) -> Word<'a, A> {
    let difference = sub(e, a, b);
    let overflow = sign_mask(e, (a ^ b) & (a ^ difference));
    saturate(overflow, signed_limit(e, a), difference, qc)
}

/// Lane-wise unsigned sum, saturated.
#[inline(always)]
pub(super) fn uqadd<'a, A: Alu>(
    e: Esize,
    a: Word<'a, A>,
    b: Word<'a, A>,
    qc: &mut bool,
) -> Word<'a, A> {
    let sum = add(e, a, b);
    let carry = lt_unsigned(e, sum, a);
    saturate(carry, a.lit(u64::MAX), sum, qc)
}

/// Lane-wise shift left by `n` bits, 0 to width - 1.
#[inline(always)]
pub(super) fn shl<A: Alu>(e: Esize, a: Word<'_, A>, n: u32) -> Word<'_, A> {
    (a & e.splat(e.mask() >> (n & 63))) << n as u64
}

/// Lane-wise logical shift right by `n` bits, 0 to width.
#[inline(always)]
pub(super) fn ushr<A: Alu>(e: Esize, a: Word<'_, A>, n: u32) -> Word<'_, A> {
    if n >= e.bits() {
        return a.lit(0);
    }
    (a >> n as u64) & e.splat(e.mask() >> n)
}

/// Lane-wise arithmetic shift right by `n` bits, 0 to width.
#[inline(always)]
pub(super) fn sshr<A: Alu>(e: Esize, a: Word<'_, A>, n: u32) -> Word<'_, A> {
    let n = n.min(e.bits() - 1);
    if e == Esize::D {
        return a.ashr(n as u64);
    }
    let sign = a.lit(e.high_bits() >> n);
    sub(e, ushr(e, a, n) ^ sign, sign)
}

/// The bit below the result of a shift right by `n` bits, 1 to width: adding it to the shifted
/// lane rounds exactly, with no wider sum than the lane.
#[inline(always)]
pub(super) fn round_bit<A: Alu>(e: Esize, a: Word<'_, A>, n: u32) -> Word<'_, A> {
    (a >> (n.wrapping_sub(1) & 63) as u64) & e.low_bits()
}

/// The four 8-bit, two 16-bit or one 32-bit lanes in the low half of `x`, each zero-extended to
/// twice its width `e`. Bits are only moved.
#[inline(always)]
pub(super) const fn spread(e: Esize, x: u64) -> u64 {
    let x = x & 0xffff_ffff;
    match e {
        Esize::B => {
            let x = (x | x << 16) & 0x0000_ffff_0000_ffff;
            (x | x << 8) & 0x00ff_00ff_00ff_00ff
        }
        Esize::H => (x | x << 16) & 0x0000_ffff_0000_ffff,
        Esize::S | Esize::D => x,
    }
}

/// The low half, `e` wide, of every lane twice as wide, side by side in the low half of the result;
/// undoes [`spread`]. Bits are only moved.
#[inline(always)]
pub(super) const fn compress(e: Esize, x: u64) -> u64 {
    let x = x & e.double().low_halves();
    match e {
        Esize::B => {
            let x = (x | x >> 8) & 0x0000_ffff_0000_ffff;
            (x | x >> 16) & 0xffff_ffff
        }
        Esize::H => (x | x >> 16) & 0xffff_ffff,
        Esize::S | Esize::D => x,
    }
}

/// The low half, `e` wide, of every lane twice as wide, sign-extended in place. Bits are only
/// copied.
#[inline(always)]
pub(super) const fn extend_in_place(e: Esize, x: u64) -> u64 {
    let wide = e.double();
    let x = x & wide.low_halves();
    let half = wide.bits() / 2;
    let sign = x & (wide.low_bits() << (half - 1));
    // For every lane: 2^width - 2^(width/2), which is its upper half all ones.
    x | (sign << 1 << half).wrapping_sub(sign << 1)
}

/// Every lane of `x` extended to twice its width.
#[inline(always)]
pub(super) const fn widen(e: Esize, signed: bool, x: u64) -> V {
    let v = [spread(e, x), spread(e, x >> 32)];
    if signed { [extend_in_place(e, v[0]), extend_in_place(e, v[1])] } else { v }
}

/// The low half of every lane of `v`, which are twice as wide as `e`.
#[inline(always)]
pub(super) const fn truncate(e: Esize, v: V) -> u64 {
    compress(e, v[0]) | compress(e, v[1]) << 32
}

/// `f` on both halves of two vectors.
#[inline(always)]
pub(super) fn halves<'a, A: Alu>(
    alu: &'a A,
    n: V,
    m: V,
    mut f: impl FnMut(Word<'a, A>, Word<'a, A>) -> Word<'a, A>,
) -> V {
    [
        f(Word::new(alu, n[0]), Word::new(alu, m[0])).get(),
        f(Word::new(alu, n[1]), Word::new(alu, m[1])).get(),
    ]
}
