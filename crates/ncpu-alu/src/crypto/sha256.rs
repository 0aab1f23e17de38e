//! SHA-256 (FIPS 180-4, §6.2) in steps of four rounds: `SHA256H`, `SHA256H2`, `SHA256SU0`,
//! `SHA256SU1`.

use super::{rotate_right, vector, words};
use crate::simd::V;
use crate::{Alu, Word};

/// Four rounds on `abcd` and `efgh` with the sums of schedule and round constant in `wk`; the new
/// `abcd` and `efgh` (Arm ARM, shared pseudocode `SHA256hash`).
#[inline(always)]
fn rounds<A: Alu>(alu: &A, abcd: V, efgh: V, wk: V) -> (V, V) {
    let [mut a, mut b, mut c, mut d] = words(alu, abcd);
    let [mut e, mut f, mut g, mut h] = words(alu, efgh);
    for w in words(alu, wk) {
        let choose = ((f ^ g) & e) ^ g;
        let majority = (a & b) | ((a | b) & c);
        let sum1 = rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25);
        let sum0 = rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22);
        let t1 = h + sum1 + choose + w;
        let t2 = sum0 + majority;
        (h, g, f, e, d, c, b, a) = (g, f, e, d + t1, c, b, a, t1 + t2);
    }
    (vector([a, b, c, d]), vector([e, f, g, h]))
}

/// `SHA256H`: the new `abcd` after four rounds.
#[inline]
pub fn sha256h<A: Alu>(alu: &A, abcd: V, efgh: V, wk: V) -> V {
    rounds(alu, abcd, efgh, wk).0
}

/// `SHA256H2`: the new `efgh` after four rounds; note the order of the operands.
#[inline]
pub fn sha256h2<A: Alu>(alu: &A, efgh: V, abcd: V, wk: V) -> V {
    rounds(alu, abcd, efgh, wk).1
}

/// The function σ0 (`rotations` 7, 18, shift 3) or σ1 (17, 19, shift 10) of FIPS 180-4, §4.1.2.
#[inline(always)]
fn sigma<A: Alu>(x: Word<'_, A>, rotations: [u64; 2], shift: u64) -> Word<'_, A> {
    rotate_right(x, rotations[0]) ^ rotate_right(x, rotations[1]) ^ ((x & 0xffff_ffff) >> shift)
}

/// `SHA256SU0`: four words of the schedule, first part.
#[inline]
pub fn sha256su0<A: Alu>(alu: &A, d: V, n: V) -> V {
    let (d, n) = (words(alu, d), words(alu, n));
    let next = [d[1], d[2], d[3], n[0]].map(|x| sigma(x, [7, 18], 3));
    vector([d[0] + next[0], d[1] + next[1], d[2] + next[2], d[3] + next[3]])
}

/// `SHA256SU1`: four words of the schedule, second part.
#[inline]
pub fn sha256su1<A: Alu>(alu: &A, d: V, n: V, m: V) -> V {
    let (d, n, m) = (words(alu, d), words(alu, n), words(alu, m));
    let sigma1 = |x| sigma(x, [17, 19], 10);
    let w0 = d[0] + n[1] + sigma1(m[2]);
    let w1 = d[1] + n[2] + sigma1(m[3]);
    // The last two words need the first two of this very step.
    vector([w0, w1, d[2] + n[3] + sigma1(w0), d[3] + m[0] + sigma1(w1)])
}
