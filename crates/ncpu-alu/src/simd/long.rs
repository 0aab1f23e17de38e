//! Operations whose results have lanes twice as wide as one or both operands.

use super::{Esize, V, operations, poly, swar};
use crate::{Alu, Word};

operations! {
    /// Narrow `n` and `m`, wide result; some add to or subtract from a wide `d`.
    Long {
        Saddl "saddl" "n + m, signed.";
        Uaddl "uaddl" "n + m, unsigned.";
        Ssubl "ssubl" "n - m, signed.";
        Usubl "usubl" "n - m, unsigned.";
        Smull "smull" "n × m, signed.";
        Umull "umull" "n × m, unsigned.";
        Smlal "smlal" "d + n × m, signed.";
        Umlal "umlal" "d + n × m, unsigned.";
        Smlsl "smlsl" "d - n × m, signed.";
        Umlsl "umlsl" "d - n × m, unsigned.";
        Sabdl "sabdl" "|n - m|, signed.";
        Uabdl "uabdl" "|n - m|, unsigned.";
        Sabal "sabal" "d + |n - m|, signed.";
        Uabal "uabal" "d + |n - m|, unsigned.";
        Sqdmull "sqdmull" "2 × n × m, saturated.";
        Sqdmlal "sqdmlal" "d + SQDMULL, saturated.";
        Sqdmlsl "sqdmlsl" "d - SQDMULL, saturated.";
        Pmull "pmull" "polynomial product, 8-bit or 64-bit lanes.";
    }
}

impl Long {
    const fn is_signed(self) -> bool {
        !matches!(
            self,
            Long::Uaddl
                | Long::Usubl
                | Long::Umull
                | Long::Umlal
                | Long::Umlsl
                | Long::Uabdl
                | Long::Uabal
                | Long::Pmull
        )
    }
}

/// An operation on the lanes of `n` and `m`, of size `e`, into lanes twice as wide, with a wide
/// accumulator `d`. `PMULL` with `e` = D gives the 128-bit product of the two halves.
#[inline]
pub fn long<A: Alu>(alu: &A, op: Long, e: Esize, d: V, n: u64, m: u64, qc: &mut bool) -> V {
    if op == Long::Pmull && e == Esize::D {
        return super::carryless_mul(alu, n, m);
    }
    let wide = e.double();
    let n = swar::widen(e, op.is_signed(), n);
    let m = swar::widen(e, op.is_signed(), m);
    let mut half = |d: u64, n: u64, m: u64| {
        let [d, n, m] = [d, n, m].map(|x| Word::new(alu, x));
        // The operands are extended, so that differences have their true sign in the wide lane.
        let distance = || swar::abs(wide, swar::sub(wide, n, m));
        let mut doubled = || {
            let product = swar::mul(wide, n, m);
            swar::sqadd(wide, product, product, qc)
        };
        let result = match op {
            Long::Saddl | Long::Uaddl => swar::add(wide, n, m),
            Long::Ssubl | Long::Usubl => swar::sub(wide, n, m),
            Long::Smull | Long::Umull => swar::mul(wide, n, m),
            Long::Smlal | Long::Umlal => swar::add(wide, d, swar::mul(wide, n, m)),
            Long::Smlsl | Long::Umlsl => swar::sub(wide, d, swar::mul(wide, n, m)),
            Long::Sabdl | Long::Uabdl => distance(),
            Long::Sabal | Long::Uabal => swar::add(wide, d, distance()),
            Long::Sqdmull => doubled(),
            Long::Sqdmlal => {
                let product = doubled();
                swar::sqadd(wide, d, product, qc)
            }
            Long::Sqdmlsl => {
                let product = doubled();
                swar::sqsub(wide, d, product, qc)
            }
            Long::Pmull => poly::mul8(wide, n, m),
        };
        result.get()
    };
    [half(d[0], n[0], m[0]), half(d[1], n[1], m[1])]
}

operations! {
    /// Wide `n`, narrow `m`, wide result.
    Wide {
        Saddw "saddw" "n + m, signed.";
        Uaddw "uaddw" "n + m, unsigned.";
        Ssubw "ssubw" "n - m, signed.";
        Usubw "usubw" "n - m, unsigned.";
    }
}

/// An operation on the wide lanes of `n` and the lanes of `m`, of size `e`, extended.
#[inline]
pub fn wide<A: Alu>(alu: &A, op: Wide, e: Esize, n: V, m: u64) -> V {
    let m = swar::widen(e, matches!(op, Wide::Saddw | Wide::Ssubw), m);
    swar::halves(alu, n, m, |n, m| match op {
        Wide::Saddw | Wide::Uaddw => swar::add(e.double(), n, m),
        Wide::Ssubw | Wide::Usubw => swar::sub(e.double(), n, m),
    })
}
