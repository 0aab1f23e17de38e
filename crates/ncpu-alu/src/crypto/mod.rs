//! Instructions that serve one algorithm: AES, SHA-1, SHA-256 and cyclic redundancy checks.
//!
//! All work on whole registers ([`crate::simd::V`] or a general register) and are made of the
//! ALU's operations only; there are no tables. Polynomial multiplication, which serves GCM, is
//! [`crate::simd::carryless_mul`].

mod aes;
mod crc;
mod sha1;
mod sha256;

pub use aes::{aesd, aese, aesimc, aesmc};
pub use crc::{crc32, crc32c};
pub use sha1::{Sha1Choice, sha1_rounds, sha1h, sha1su0, sha1su1};
pub use sha256::{sha256h, sha256h2, sha256su0, sha256su1};

use crate::simd::V;
use crate::{Alu, Word};

/// The four 32-bit lanes of a vector.
#[inline(always)]
fn words<'a, A: Alu>(alu: &'a A, v: V) -> [Word<'a, A>; 4] {
    [v[0] & 0xffff_ffff, v[0] >> 32, v[1] & 0xffff_ffff, v[1] >> 32].map(|x| Word::new(alu, x))
}

/// The vector of four 32-bit lanes, high bits dropped.
#[inline(always)]
fn vector<A: Alu>(w: [Word<'_, A>; 4]) -> V {
    let w = w.map(|x| x.get() & 0xffff_ffff);
    [w[0] | w[1] << 32, w[2] | w[3] << 32]
}

/// Rotation of a 32-bit value to the right.
#[inline(always)]
fn rotate_right<A: Alu>(x: Word<'_, A>, n: u64) -> Word<'_, A> {
    x.lit(x.alu().ror32(x.get() & 0xffff_ffff, n))
}
