//! Integer micro-ops that take more than a line.

use ncpu_alu::{Alu, Nzcv, crypto};
use ncpu_uop::Op;

/// Low 64 bits of `high:low >> amount`, `amount` below 64.
pub(crate) fn extract<A: Alu>(alu: &A, high: u64, low: u64, amount: u64) -> u64 {
    if amount == 0 {
        return low;
    }
    alu.or(alu.lshr(low, amount), alu.shl(high, 64 - amount))
}

/// Number of bits after the sign bit that equal it.
pub(crate) fn leading_sign_bits<A: Alu>(alu: &A, value: u64) -> u64 {
    alu.clz(alu.xor(value, alu.ashr(value, 63)) << 1 | 1)
}

/// Flags that a conditional comparison sets when its condition holds.
pub(crate) fn compare_flags<A: Alu>(alu: &A, op: Op, a: u64, b: u64) -> Nzcv {
    match op {
        Op::Ccmp => alu.add_with_carry(a, alu.not(b), true).1,
        Op::CcmpW => alu.add_with_carry32(a, alu.not(b), true).1,
        Op::Ccmn => alu.add_with_carry(a, b, false).1,
        _ => alu.add_with_carry32(a, b, false).1,
    }
}

/// `CRC32*` and `CRC32C*`; `kind` is `rc` of [`Op::Crc32`]. Out of line: its loops would take the run
/// loop's registers.
#[inline(never)]
pub(crate) fn checksum<A: Alu>(alu: &A, sum: u64, value: u64, kind: u8) -> u64 {
    let bits = 8 << (kind & 3);
    if kind & 4 == 0 {
        crypto::crc32(alu, sum, value, bits)
    } else {
        crypto::crc32c(alu, sum, value, bits)
    }
}

/// `SETF8` and `SETF16`: N, Z and V of the low `bits` bits; C is kept (Arm ARM C6.2, SETF8).
pub(crate) fn set_flags<A: Alu>(alu: &A, nzcv: Nzcv, value: u64, bits: u32) -> Nzcv {
    let [n, above] = [bits - 1, bits].map(|bit| value >> bit & 1);
    let z = alu.eq(value & ((1 << bits) - 1), 0) as u64;
    n << 3 | z << 2 | nzcv & 2 | alu.xor(n, above)
}
