//! Operations between lanes of one vector: neighbours, and all lanes to one.

use super::{Esize, Permute, V, operations, permute, swar, unary};
use crate::{Alu, Word};

operations! {
    /// Operations on neighbouring lanes of the concatenation of two vectors.
    Pair {
        Addp "addp" "sums.";
        Smaxp "smaxp" "the greater, signed.";
        Sminp "sminp" "the lesser, signed.";
        Umaxp "umaxp" "the greater, unsigned.";
        Uminp "uminp" "the lesser, unsigned.";
    }
}

/// An operation on neighbouring lanes of `m:n`, results in the same order. `q` says whether the
/// vectors are 128 bits; if not, only their low halves count and the result's high half is zero.
///
/// The scalar `ADDP` is [`super::Bin::Add`] on the two halves.
#[inline]
pub fn pair<A: Alu>(alu: &A, op: Pair, e: Esize, q: bool, n: V, m: V) -> V {
    let even = permute(Permute::Uzp1, e, q, n, m);
    let odd = permute(Permute::Uzp2, e, q, n, m);
    swar::halves(alu, even, odd, |even, odd| combine(op, e, even, odd))
}

/// The operation, lane by lane.
#[inline]
fn combine<'a, A: Alu>(op: Pair, e: Esize, a: Word<'a, A>, b: Word<'a, A>) -> Word<'a, A> {
    match op {
        Pair::Addp => swar::add(e, a, b),
        Pair::Smaxp => swar::max(e, true, a, b),
        Pair::Sminp => swar::min(e, true, a, b),
        Pair::Umaxp => swar::max(e, false, a, b),
        Pair::Uminp => swar::min(e, false, a, b),
    }
}

operations! {
    /// Reductions of all lanes to one.
    Across {
        Addv "addv" "sum, modulo the lane.";
        Saddlv "saddlv" "sum in a lane twice as wide, signed.";
        Uaddlv "uaddlv" "sum in a lane twice as wide, unsigned.";
        Smaxv "smaxv" "the greatest, signed.";
        Sminv "sminv" "the least, signed.";
        Umaxv "umaxv" "the greatest, unsigned.";
        Uminv "uminv" "the least, unsigned.";
    }
}

/// All lanes of `n` reduced to one, zero-extended; `q` says whether the high half counts.
#[inline]
pub fn across<A: Alu>(alu: &A, op: Across, e: Esize, q: bool, n: V) -> u64 {
    let (size, step) = match op {
        Across::Addv => (e, Pair::Addp),
        Across::Saddlv | Across::Uaddlv => (e.double(), Pair::Addp),
        Across::Smaxv => (e, Pair::Smaxp),
        Across::Sminv => (e, Pair::Sminp),
        Across::Umaxv => (e, Pair::Umaxp),
        Across::Uminv => (e, Pair::Uminp),
    };
    let [low, high] = n.map(|half| {
        let half = Word::new(alu, half);
        match op {
            Across::Saddlv => unary::neighbours(e, true, half),
            Across::Uaddlv => unary::neighbours(e, false, half),
            _ => half,
        }
    });
    // Every step is associative and commutative, so that folding in halves is exact.
    let mut folded = if q { combine(step, size, low, high) } else { low };
    let mut distance = 32;
    while distance >= size.bits() {
        folded = combine(step, size, folded, folded.lit(folded.get() >> distance));
        distance /= 2;
    }
    size.trunc(folded.get())
}
