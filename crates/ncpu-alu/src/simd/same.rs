//! Operations on lanes of one size: two operands and, for some, the destination as a third.

use super::{Esize, operations, poly, swar};
use crate::{Alu, Word};

operations! {
    /// Two operands `n` and `m`, accumulator or old destination `d`, all lanes of one size.
    Bin {
        Add "add" "n + m.";
        Sub "sub" "n - m.";
        Mul "mul" "n × m, low bits.";
        Mla "mla" "d + n × m.";
        Mls "mls" "d - n × m.";
        Cmgt "cmgt" "all ones where n > m, signed.";
        Cmge "cmge" "all ones where n ≥ m, signed.";
        Cmeq "cmeq" "all ones where n = m.";
        Cmhi "cmhi" "all ones where n > m, unsigned.";
        Cmhs "cmhs" "all ones where n ≥ m, unsigned.";
        Cmtst "cmtst" "all ones where n and m share a one bit.";
        Smax "smax" "the greater, signed.";
        Smin "smin" "the lesser, signed.";
        Umax "umax" "the greater, unsigned.";
        Umin "umin" "the lesser, unsigned.";
        Sabd "sabd" "|n - m|, signed.";
        Uabd "uabd" "|n - m|, unsigned.";
        Saba "saba" "d + |n - m|, signed.";
        Uaba "uaba" "d + |n - m|, unsigned.";
        Shadd "shadd" "(n + m) / 2 rounded down, signed.";
        Uhadd "uhadd" "(n + m) / 2 rounded down, unsigned.";
        Srhadd "srhadd" "(n + m) / 2 rounded up, signed.";
        Urhadd "urhadd" "(n + m) / 2 rounded up, unsigned.";
        Shsub "shsub" "(n - m) / 2 rounded down, signed.";
        Uhsub "uhsub" "(n - m) / 2 rounded down, unsigned.";
        Sqadd "sqadd" "n + m, saturated, signed.";
        Uqadd "uqadd" "n + m, saturated, unsigned.";
        Sqsub "sqsub" "n - m, saturated, signed.";
        Uqsub "uqsub" "n - m, saturated, unsigned.";
        Suqadd "suqadd" "signed d + unsigned n, saturated as signed; m is not used.";
        Usqadd "usqadd" "unsigned d + signed n, saturated as unsigned; m is not used.";
        Sshl "sshl" "n shifted left by m (right if negative), signed.";
        Ushl "ushl" "n shifted left by m (right if negative), unsigned.";
        Srshl "srshl" "as SSHL, rounding.";
        Urshl "urshl" "as USHL, rounding.";
        Sqshl "sqshl" "as SSHL, saturated.";
        Uqshl "uqshl" "as USHL, saturated.";
        Sqrshl "sqrshl" "as SSHL, rounding and saturated.";
        Uqrshl "uqrshl" "as USHL, rounding and saturated.";
        Sqdmulh "sqdmulh" "high half of 2 × n × m, saturated.";
        Sqrdmulh "sqrdmulh" "high half of 2 × n × m, rounded, saturated.";
        Sqrdmlah "sqrdmlah" "d + 2 × n × m as a fraction, rounded, saturated.";
        Sqrdmlsh "sqrdmlsh" "d - 2 × n × m as a fraction, rounded, saturated.";
        Pmul "pmul" "polynomial product of 8-bit lanes, low bits.";
        And "and" "n and m.";
        Bic "bic" "n and not m.";
        Orr "orr" "n or m.";
        Orn "orn" "n or not m.";
        Eor "eor" "n exclusive-or m.";
        Bsl "bsl" "n where d is one, m where it is zero.";
        Bit "bit" "n where m is one, d where it is zero.";
        Bif "bif" "n where m is zero, d where it is one.";
        Sdot "sdot" "32-bit d + sum of the four signed byte products.";
        Udot "udot" "32-bit d + sum of the four unsigned byte products.";
    }
}

/// One 64-bit half of a lane-wise operation on `n` and `m` with accumulator `d`.
///
/// Bitwise operations ignore `e`; the dot products work on 32-bit accumulators whatever it says.
#[inline]
pub fn bin<A: Alu>(alu: &A, op: Bin, e: Esize, d: u64, n: u64, m: u64, qc: &mut bool) -> u64 {
    let [d, n, m] = [d, n, m].map(|x| Word::new(alu, x));
    let high = e.high_bits();
    let result = match op {
        Bin::Add => swar::add(e, n, m),
        Bin::Sub => swar::sub(e, n, m),
        Bin::Mul => swar::mul(e, n, m),
        Bin::Mla => swar::add(e, d, swar::mul(e, n, m)),
        Bin::Mls => swar::sub(e, d, swar::mul(e, n, m)),
        Bin::Cmgt => swar::lt_signed(e, m, n),
        Bin::Cmge => !swar::lt_signed(e, n, m),
        Bin::Cmeq => !swar::ne(e, n, m),
        Bin::Cmhi => swar::lt_unsigned(e, m, n),
        Bin::Cmhs => !swar::lt_unsigned(e, n, m),
        Bin::Cmtst => swar::nonzero(e, n & m),
        Bin::Smax => swar::max(e, true, n, m),
        Bin::Smin => swar::min(e, true, n, m),
        Bin::Umax => swar::max(e, false, n, m),
        Bin::Umin => swar::min(e, false, n, m),
        Bin::Sabd => swar::abs_diff(e, true, n, m),
        Bin::Uabd => swar::abs_diff(e, false, n, m),
        Bin::Saba => swar::add(e, d, swar::abs_diff(e, true, n, m)),
        Bin::Uaba => swar::add(e, d, swar::abs_diff(e, false, n, m)),
        // Adding half the range to signed operands makes them unsigned and adds as much to the mean.
        Bin::Shadd => half_sum(e, n ^ high, m ^ high) ^ high,
        Bin::Uhadd => half_sum(e, n, m),
        Bin::Srhadd => half_sum_up(e, n ^ high, m ^ high) ^ high,
        Bin::Urhadd => half_sum_up(e, n, m),
        Bin::Shsub => half_difference(e, n ^ high, m ^ high),
        Bin::Uhsub => half_difference(e, n, m),
        Bin::Sqadd => swar::sqadd(e, n, m, qc),
        Bin::Uqadd => swar::uqadd(e, n, m, qc),
        Bin::Sqsub => swar::sqsub(e, n, m, qc),
        Bin::Uqsub => {
            let borrow = swar::lt_unsigned(e, n, m);
            swar::saturate(borrow, n.lit(0), swar::sub(e, n, m), qc)
        }
        // Only the upper limit can be passed; half the range above, it is the unsigned limit.
        Bin::Suqadd => swar::uqadd(e, d ^ high, n, qc) ^ high,
        Bin::Usqadd => {
            let sum = swar::add(e, d, n);
            let negative = swar::sign_mask(e, n);
            let carry = swar::lt_unsigned(e, sum, d);
            // A carry is overflow after adding, its absence underflow after subtracting.
            swar::saturate(carry ^ negative, !negative, sum, qc)
        }
        Bin::Sshl => shift_by_lanes(e, true, false, n, m),
        Bin::Ushl => shift_by_lanes(e, false, false, n, m),
        Bin::Srshl => shift_by_lanes(e, true, true, n, m),
        Bin::Urshl => shift_by_lanes(e, false, true, n, m),
        Bin::Sqshl => saturating_shift_by_lanes(e, true, false, n, m, qc),
        Bin::Uqshl => saturating_shift_by_lanes(e, false, false, n, m, qc),
        Bin::Sqrshl => saturating_shift_by_lanes(e, true, true, n, m, qc),
        Bin::Uqrshl => saturating_shift_by_lanes(e, false, true, n, m, qc),
        Bin::Sqdmulh => fraction_product(e, Fraction::Truncated, d, n, m, qc),
        Bin::Sqrdmulh => fraction_product(e, Fraction::Rounded, d, n, m, qc),
        Bin::Sqrdmlah => fraction_product(e, Fraction::Added, d, n, m, qc),
        Bin::Sqrdmlsh => fraction_product(e, Fraction::Subtracted, d, n, m, qc),
        Bin::Pmul => poly::mul8(e, n, m),
        Bin::And => n & m,
        Bin::Bic => n & !m,
        Bin::Orr => n | m,
        Bin::Orn => n | !m,
        Bin::Eor => n ^ m,
        Bin::Bsl => swar::select(d, n, m),
        Bin::Bit => swar::select(m, n, d),
        Bin::Bif => swar::select(m, d, n),
        Bin::Sdot => swar::add(Esize::S, d, dot(true, n, m)),
        Bin::Udot => swar::add(Esize::S, d, dot(false, n, m)),
    };
    result.get()
}

/// Half of every lane of `a ^ b`; with the common bits added it is the mean.
#[inline(always)]
fn half_of_differing<'a, A: Alu>(e: Esize, a: Word<'a, A>, b: Word<'a, A>) -> Word<'a, A> {
    ((a ^ b) & !e.low_bits()) >> 1
}

/// Mean rounded down, unsigned: no lane carries, so one whole-word sum serves.
#[inline(always)]
fn half_sum<'a, A: Alu>(e: Esize, a: Word<'a, A>, b: Word<'a, A>) -> Word<'a, A> {
    (a & b) + half_of_differing(e, a, b)
}

/// Mean rounded up, unsigned.
#[inline(always)]
fn half_sum_up<'a, A: Alu>(e: Esize, a: Word<'a, A>, b: Word<'a, A>) -> Word<'a, A> {
    (a | b) - half_of_differing(e, a, b)
}

/// Half of the difference, rounded down, modulo the lane.
#[inline(always)]
fn half_difference<'a, A: Alu>(e: Esize, a: Word<'a, A>, b: Word<'a, A>) -> Word<'a, A> {
    swar::sub(e, half_of_differing(e, a, b), !a & b)
}

/// Lanes of `n` shifted by the signed low byte of the lanes of `m`.
#[inline(always)]
fn shift_by_lanes<'a, A: Alu>(
    e: Esize,
    signed: bool,
    round: bool,
    n: Word<'a, A>,
    m: Word<'a, A>,
) -> Word<'a, A> {
    n.lit(e.map2(n.get(), m.get(), |x, amount| {
        let x = n.lit(if signed { e.sext(x) } else { x });
        let left = n.lit(amount & 0x7f);
        if amount & 0x80 != 0 {
            shift_right(signed, round, x, n.lit(0x80) - left)
        } else if left < e.bits() as u64 {
            (x << left.get()).get()
        } else {
            0
        }
    }))
}

/// `x` shifted right by 1 to 128 bits, rounded to nearest with halves up if asked.
#[inline(always)]
fn shift_right<'a, A: Alu>(signed: bool, round: bool, x: Word<'a, A>, by: Word<'a, A>) -> u64 {
    let shifted = |by: Word<'a, A>| match (by < 64, signed) {
        (true, true) => x.ashr(by.get()),
        (true, false) => x >> by.get(),
        (false, true) => x.ashr(63),
        (false, false) => x.lit(0),
    };
    if round { (shifted(by) + (shifted(by - 1) & 1)).get() } else { shifted(by).get() }
}

/// As [`shift_by_lanes`], saturated. Shifts right cannot pass the limits.
#[inline(always)]
fn saturating_shift_by_lanes<'a, A: Alu>(
    e: Esize,
    signed: bool,
    round: bool,
    n: Word<'a, A>,
    m: Word<'a, A>,
    qc: &mut bool,
) -> Word<'a, A> {
    let extend = |x: u64| n.lit(if signed { e.sext(x) } else { e.trunc(x) });
    n.lit(e.map2(n.get(), m.get(), |lane, amount| {
        let x = extend(lane);
        let left = n.lit(amount & 0x7f);
        if amount & 0x80 != 0 {
            return shift_right(signed, round, x, n.lit(0x80) - left);
        }
        if left < e.bits() as u64 {
            let shifted = extend((x << left.get()).get());
            let back = if signed { shifted.ashr(left.get()) } else { shifted >> left.get() };
            if back == x {
                return shifted.get();
            }
        } else if x.is_zero() {
            return 0;
        }
        *qc = true;
        if signed { swar::signed_limit(e, n.lit(lane)).get() } else { u64::MAX }
    }))
}

/// What becomes of the product in the fixed-point multiplications.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fraction {
    Truncated,
    Rounded,
    Added,
    Subtracted,
}

/// `(d << w) ± 2 × n × m` for lanes of `w` bits, its high half saturated. All of it is done at half
/// the value, `(d << (w - 1)) ± n × m`, which fits 64 bits for lanes up to 32.
#[inline]
fn fraction_product<'a, A: Alu>(
    e: Esize,
    kind: Fraction,
    d: Word<'a, A>,
    n: Word<'a, A>,
    m: Word<'a, A>,
    qc: &mut bool,
) -> Word<'a, A> {
    let by = (e.bits() - 1) as u64;
    n.lit(e.map3(d.get(), n.get(), m.get(), |d, x, y| {
        let product = n.lit(e.sext(x)) * n.lit(e.sext(y));
        let accumulator = n.lit(e.sext(d)) << by;
        let value = match kind {
            Fraction::Truncated | Fraction::Rounded => product,
            Fraction::Added => accumulator + product,
            Fraction::Subtracted => accumulator - product,
        };
        let round = match kind {
            Fraction::Truncated => n.lit(0),
            _ => (value >> (by - 1)) & 1,
        };
        let high = value.ashr(by) + round;
        if high == e.sext(high.get()) {
            return high.get();
        }
        *qc = true;
        // Only the sign counts; it is moved to the top of the lane.
        swar::signed_limit(e, n.lit(high.get() >> (64 - e.bits()))).get()
    }))
}

/// For each 32-bit lane the sum of its four byte products, modulo 2^32.
#[inline(always)]
fn dot<'a, A: Alu>(signed: bool, n: Word<'a, A>, m: Word<'a, A>) -> Word<'a, A> {
    let nv = swar::widen(Esize::B, signed, n.get());
    let mv = swar::widen(Esize::B, signed, m.get());
    let sum = |x: u64, y: u64| {
        let products = swar::mul(Esize::H, n.lit(x), n.lit(y)).get();
        let [low, high] = swar::widen(Esize::H, signed, products).map(|x| n.lit(x));
        let sums = swar::add(Esize::S, low, high);
        swar::add(Esize::S, sums, n.lit(sums.get() >> 32)).get() & 0xffff_ffff
    };
    n.lit(sum(nv[0], mv[0]) | sum(nv[1], mv[1]) << 32)
}
