//! SHA-1 (FIPS 180-4, §6.1) in steps of four rounds: `SHA1C`, `SHA1P`, `SHA1M`, `SHA1H`,
//! `SHA1SU0`, `SHA1SU1`.

use super::{rotate_right, vector, words};
use crate::simd::V;
use crate::{Alu, Word};

/// The function of a group of rounds, by instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Sha1Choice {
    /// `SHA1C`: choose.
    Choose,
    /// `SHA1P`: parity.
    Parity,
    /// `SHA1M`: majority.
    Majority,
}

/// `SHA1C`, `SHA1P` and `SHA1M`: four rounds on the state `abcd` and `e` (a 32-bit value), with the
/// sums of schedule and round constant in `wk`. The new `abcd`; the new `e` is [`sha1h`] of the
/// old `a`.
#[inline]
pub fn sha1_rounds<A: Alu>(alu: &A, f: Sha1Choice, abcd: V, e: u64, wk: V) -> V {
    let [mut a, mut b, mut c, mut d] = words(alu, abcd);
    let mut e = Word::new(alu, e);
    for w in words(alu, wk) {
        let mixed = match f {
            Sha1Choice::Choose => ((c ^ d) & b) ^ d,
            Sha1Choice::Parity => b ^ c ^ d,
            Sha1Choice::Majority => (b & c) | ((b | c) & d),
        };
        let sum = e + rotate_right(a, 27) + mixed + w;
        (e, d, c, b, a) = (d, c, rotate_right(b, 2), a, sum);
    }
    vector([a, b, c, d])
}

/// `SHA1H`: a 32-bit value rotated left by 30.
#[inline]
pub fn sha1h<A: Alu>(alu: &A, n: u64) -> u64 {
    rotate_right(Word::new(alu, n), 2).get()
}

/// `SHA1SU0`: the exclusive-or part of four words of the schedule.
#[inline]
pub fn sha1su0<A: Alu>(alu: &A, d: V, n: V, m: V) -> V {
    let (d, n, m) = (words(alu, d), words(alu, n), words(alu, m));
    vector([d[0] ^ d[2] ^ m[0], d[1] ^ d[3] ^ m[1], d[2] ^ n[0] ^ m[2], d[3] ^ n[1] ^ m[3]])
}

/// `SHA1SU1`: the rest of four words of the schedule.
#[inline]
pub fn sha1su1<A: Alu>(alu: &A, d: V, n: V) -> V {
    let (d, n) = (words(alu, d), words(alu, n));
    let rotated = |x| rotate_right(x, 31);
    let first = rotated(d[0] ^ n[1]);
    // The last word needs the first of this very step.
    let last = rotated(d[3]) ^ rotated(first);
    vector([first, rotated(d[1] ^ n[2]), rotated(d[2] ^ n[3]), last])
}
