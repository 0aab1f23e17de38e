//! Operations whose results have lanes half as wide as the operands. Here [`Esize`] is always the
//! size of the result's lanes.

use super::{Esize, V, operations, shift, swar};
use crate::{Alu, Word};

operations! {
    /// The high half of each lane of a wide sum or difference.
    NarrowHigh {
        Addhn "addhn" "n + m.";
        Raddhn "raddhn" "n + m, rounded.";
        Subhn "subhn" "n - m.";
        Rsubhn "rsubhn" "n - m, rounded.";
    }
}

/// The high halves, `e` wide, of the lanes of a sum or difference of `n` and `m`.
#[inline]
pub fn narrow_high<A: Alu>(alu: &A, op: NarrowHigh, e: Esize, n: V, m: V) -> u64 {
    let wide = e.double();
    let half = wide.bits() / 2;
    let round = wide.low_bits() << (half - 1);
    let high = swar::halves(alu, n, m, |n, m| {
        let value = match op {
            NarrowHigh::Addhn | NarrowHigh::Raddhn => swar::add(wide, n, m),
            NarrowHigh::Subhn | NarrowHigh::Rsubhn => swar::sub(wide, n, m),
        };
        let value = match op {
            NarrowHigh::Addhn | NarrowHigh::Subhn => value,
            NarrowHigh::Raddhn | NarrowHigh::Rsubhn => swar::add(wide, value, n.lit(round)),
        };
        n.lit(value.get() >> half)
    });
    swar::truncate(e, high)
}

operations! {
    /// Wide lanes to lanes half as wide.
    Narrow {
        Xtn "xtn" "low half.";
        Sqxtn "sqxtn" "saturated, signed.";
        Uqxtn "uqxtn" "saturated, unsigned.";
        Sqxtun "sqxtun" "signed, saturated as unsigned.";
    }
}

/// The lanes of `n`, twice as wide as `e`, narrowed.
#[inline]
pub fn narrow<A: Alu>(alu: &A, op: Narrow, e: Esize, n: V, qc: &mut bool) -> u64 {
    let wide = e.double();
    let low = wide.low_halves();
    let narrowed = n.map(|half| {
        let x = Word::new(alu, half);
        let fits = match op {
            Narrow::Xtn => return half,
            Narrow::Sqxtn => x.lit(swar::extend_in_place(e, half)),
            Narrow::Uqxtn | Narrow::Sqxtun => x.lit(half & low),
        };
        // In the low half: the greatest value that the narrow lane holds, or the least.
        let limit = match op {
            Narrow::Xtn | Narrow::Uqxtn => x.lit(low),
            Narrow::Sqxtn => {
                swar::sign_mask(wide, x) ^ (low & !(wide.high_bits() >> (wide.bits() / 2)))
            }
            Narrow::Sqxtun => !swar::sign_mask(wide, x),
        };
        swar::saturate(swar::ne(wide, fits, x), limit, x, qc).get()
    });
    swar::truncate(e, narrowed)
}

operations! {
    /// Shifts right by an immediate from wide lanes to lanes half as wide.
    ShiftNarrow {
        Shrn "shrn" "low half.";
        Rshrn "rshrn" "rounded, low half.";
        Sqshrn "sqshrn" "saturated, signed.";
        Uqshrn "uqshrn" "saturated, unsigned.";
        Sqshrun "sqshrun" "signed, saturated as unsigned.";
        Sqrshrn "sqrshrn" "rounded, saturated, signed.";
        Uqrshrn "uqrshrn" "rounded, saturated, unsigned.";
        Sqrshrun "sqrshrun" "rounded, signed, saturated as unsigned.";
    }
}

/// The lanes of `n`, twice as wide as `e`, shifted right by `amount`, 1 to `e`'s width, and
/// narrowed.
#[inline]
pub fn shift_narrow<A: Alu>(
    alu: &A,
    op: ShiftNarrow,
    e: Esize,
    n: V,
    amount: u32,
    qc: &mut bool,
) -> u64 {
    use ShiftNarrow::*;
    let wide = e.double();
    let signed = matches!(op, Sqshrn | Sqshrun | Sqrshrn | Sqrshrun);
    let shifted = n.map(|half| {
        let x = Word::new(alu, half);
        let shifted = match op {
            Shrn | Uqshrn => swar::ushr(wide, x, amount),
            Sqshrn | Sqshrun => swar::sshr(wide, x, amount),
            Rshrn | Uqrshrn | Sqrshrn | Sqrshrun => shift::rounded(wide, signed, x, amount),
        };
        shifted.get()
    });
    let narrowing = match op {
        Shrn | Rshrn => Narrow::Xtn,
        Sqshrn | Sqrshrn => Narrow::Sqxtn,
        Uqshrn | Uqrshrn => Narrow::Uqxtn,
        Sqshrun | Sqrshrun => Narrow::Sqxtun,
    };
    narrow(alu, narrowing, e, shifted, qc)
}
