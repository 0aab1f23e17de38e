//! Products of polynomials over {0, 1}: additions without carries.

use super::{Esize, V, swar};
use crate::{Alu, Word};

/// Lane-wise polynomial product of the low eight bits of `b`'s lanes with `a`'s lanes, cut to the
/// lane (Arm ARM, shared pseudocode `PolynomialMult`).
#[inline(always)]
pub(super) fn mul8<'a, A: Alu>(e: Esize, a: Word<'a, A>, b: Word<'a, A>) -> Word<'a, A> {
    let mut product = a.lit(0);
    for i in 0..8 {
        let chosen = swar::low_bit_mask(e, (b >> i) & e.low_bits());
        product = product ^ (chosen & swar::shl(e, a, i as u32));
    }
    product
}

/// The 128-bit polynomial product of two 64-bit polynomials (`PMULL` and `PMULL2`, 1Q forms).
#[inline]
pub fn carryless_mul<A: Alu>(alu: &A, a: u64, b: u64) -> V {
    let (a, b) = (Word::new(alu, a), Word::new(alu, b));
    let low = low_product(a, b);
    // Reversing both operands reverses the 127-bit product, so its high part comes out low.
    let reversed = low_product(reverse(a), reverse(b));
    [low.get(), (reverse(reversed) >> 1).get()]
}

fn reverse<A: Alu>(a: Word<'_, A>) -> Word<'_, A> {
    a.lit(a.alu().rbit(a.get()))
}

/// The low 64 bits of the polynomial product, by integer products of operands with holes: with
/// only every fourth bit present a column sums at most 16 ones, so its carries stay in the three
/// bits above it, which are dropped. (The column of 16 is the topmost; its carry leaves the word.)
#[inline(always)]
fn low_product<'a, A: Alu>(a: Word<'a, A>, b: Word<'a, A>) -> Word<'a, A> {
    const HOLES: u64 = 0x1111_1111_1111_1111;
    let mut product = a.lit(0);
    for k in 0..4 {
        let mut class = a.lit(0);
        for i in 0..4 {
            let j = (k + 4 - i) % 4;
            class = class ^ ((a & (HOLES << i)) * (b & (HOLES << j)));
        }
        product = product | (class & (HOLES << k));
    }
    product
}
