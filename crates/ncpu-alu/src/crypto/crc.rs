//! `CRC32B/H/W/X` and `CRC32CB/CH/CW/CX`.

use crate::{Alu, Word};

/// The polynomial of IEEE 802.3, 0x04C11DB7, lowest power in the highest bit.
const IEEE: u64 = 0xedb8_8320;
/// Castagnoli's polynomial, 0x1EDC6F41, likewise.
const CASTAGNOLI: u64 = 0x82f6_3b78;

/// `CRC32*`: the checksum `acc` continued by the low `bits` (8, 16, 32 or 64) of `value`. No
/// initial or final complement.
#[inline]
pub fn crc32<A: Alu>(alu: &A, acc: u64, value: u64, bits: u32) -> u64 {
    update(alu, IEEE, acc, value, bits)
}

/// `CRC32C*`: as [`crc32`] with Castagnoli's polynomial.
#[inline]
pub fn crc32c<A: Alu>(alu: &A, acc: u64, value: u64, bits: u32) -> u64 {
    update(alu, CASTAGNOLI, acc, value, bits)
}

#[inline(always)]
fn update<A: Alu>(alu: &A, polynomial: u64, acc: u64, value: u64, bits: u32) -> u64 {
    let value = value & u64::MAX >> (64 - bits.clamp(1, 64));
    // The remainder of all bits at once: the checksum meets the first 32 bits of the value, and
    // whatever of it lies beyond the value is shifted down with the rest.
    let mut remainder = Word::new(alu, acc & 0xffff_ffff) ^ value;
    for _ in 0..bits.min(64) {
        let odd = remainder.lit(0) - (remainder & 1);
        remainder = (remainder >> 1) ^ (odd & polynomial);
    }
    remainder.get()
}
