//! Shifts by an immediate, lane by lane and widening. Narrowing shifts are in `narrow`.

use super::{Esize, V, operations, swar};
use crate::{Alu, Word};

operations! {
    /// Shifts of `n` by an immediate, lanes of one size; some add to or insert in `d`.
    Shift {
        Sshr "sshr" "right, signed.";
        Ushr "ushr" "right, unsigned.";
        Srshr "srshr" "right, rounded, signed.";
        Urshr "urshr" "right, rounded, unsigned.";
        Ssra "ssra" "d + SSHR.";
        Usra "usra" "d + USHR.";
        Srsra "srsra" "d + SRSHR.";
        Ursra "ursra" "d + URSHR.";
        Shl "shl" "left.";
        Sli "sli" "left, keeping d's bits below.";
        Sri "sri" "right, keeping d's bits above.";
        Sqshl "sqshl" "left, saturated, signed.";
        Uqshl "uqshl" "left, saturated, unsigned.";
        Sqshlu "sqshlu" "left, signed, saturated as unsigned.";
    }
}

/// One 64-bit half of a shift of `n` by `amount`, with accumulator or old destination `d`.
///
/// `amount` is 1 to the lane's width for shifts right, 0 to width - 1 for shifts left.
#[inline]
pub fn shift<A: Alu>(
    alu: &A,
    op: Shift,
    e: Esize,
    d: u64,
    n: u64,
    amount: u32,
    qc: &mut bool,
) -> u64 {
    let (d, n) = (Word::new(alu, d), Word::new(alu, n));
    let result = match op {
        Shift::Sshr => swar::sshr(e, n, amount),
        Shift::Ushr => swar::ushr(e, n, amount),
        Shift::Srshr => rounded(e, true, n, amount),
        Shift::Urshr => rounded(e, false, n, amount),
        Shift::Ssra => swar::add(e, d, swar::sshr(e, n, amount)),
        Shift::Usra => swar::add(e, d, swar::ushr(e, n, amount)),
        Shift::Srsra => swar::add(e, d, rounded(e, true, n, amount)),
        Shift::Ursra => swar::add(e, d, rounded(e, false, n, amount)),
        Shift::Shl => swar::shl(e, n, amount),
        Shift::Sli => {
            let written = swar::shl(e, n.lit(u64::MAX), amount);
            swar::select(written, swar::shl(e, n, amount), d)
        }
        Shift::Sri => {
            let written = swar::ushr(e, n.lit(u64::MAX), amount);
            swar::select(written, swar::ushr(e, n, amount), d)
        }
        Shift::Sqshl => {
            let shifted = swar::shl(e, n, amount);
            let lost = swar::ne(e, swar::sshr(e, shifted, amount), n);
            swar::saturate(lost, swar::signed_limit(e, n), shifted, qc)
        }
        Shift::Uqshl => {
            let shifted = swar::shl(e, n, amount);
            let lost = swar::ne(e, swar::ushr(e, shifted, amount), n);
            swar::saturate(lost, n.lit(u64::MAX), shifted, qc)
        }
        Shift::Sqshlu => {
            let shifted = swar::shl(e, n, amount);
            let negative = swar::sign_mask(e, n);
            let lost = swar::ne(e, swar::ushr(e, shifted, amount), n);
            swar::saturate(lost | negative, !negative, shifted, qc)
        }
    };
    result.get()
}

/// Shift right by 1 to width, rounded to nearest with halves up.
#[inline(always)]
pub(super) fn rounded<A: Alu>(e: Esize, signed: bool, n: Word<'_, A>, by: u32) -> Word<'_, A> {
    let shifted = if signed { swar::sshr(e, n, by) } else { swar::ushr(e, n, by) };
    swar::add(e, shifted, swar::round_bit(e, n, by))
}

operations! {
    /// Shifts left into lanes twice as wide (by 0: `SXTL`, `UXTL`).
    ShiftLong {
        Sshll "sshll" "signed.";
        Ushll "ushll" "unsigned.";
    }
}

/// The lanes of `n`, extended to twice the width and shifted left by `amount`, 0 to `e`'s width - 1.
#[inline]
pub fn shift_long<A: Alu>(alu: &A, op: ShiftLong, e: Esize, n: u64, amount: u32) -> V {
    swar::widen(e, op == ShiftLong::Sshll, n)
        .map(|half| swar::shl(e.double(), Word::new(alu, half), amount).get())
}

/// `SHLL` shifts by the lane's whole width, which moves it to the upper half of the wide lane.
#[inline]
pub const fn shll(e: Esize, n: u64) -> V {
    let v = swar::widen(e, false, n);
    [v[0] << (e.bits() & 63), v[1] << (e.bits() & 63)]
}
