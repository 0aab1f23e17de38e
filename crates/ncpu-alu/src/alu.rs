//! The integer operations that everything else is built from.

/// Condition flags in the low four bits: N = 8, Z = 4, C = 2, V = 1 (the top nibble of `NZCV`).
pub type Nzcv = u64;

/// A 64-bit integer arithmetic unit.
///
/// Every method is total: division by zero gives zero and the signed overflow `MIN / -1` wraps, as
/// A64 defines (Arm ARM DDI 0487, C6.2 SDIV and UDIV). Operands of the 32-bit forms are taken
/// from, and results returned in, the low half with the high half zero.
pub trait Alu {
    /// `a + b` modulo 2^64.
    fn add(&self, a: u64, b: u64) -> u64;
    /// `a - b` modulo 2^64.
    fn sub(&self, a: u64, b: u64) -> u64;
    /// `a + b + carry` with the flags of the 64-bit sum (Arm ARM, shared pseudocode `AddWithCarry`).
    fn add_with_carry(&self, a: u64, b: u64, carry: bool) -> (u64, Nzcv);
    /// The 32-bit form of [`Alu::add_with_carry`].
    fn add_with_carry32(&self, a: u64, b: u64, carry: bool) -> (u64, Nzcv);
    /// Low 64 bits of the product.
    fn mul(&self, a: u64, b: u64) -> u64;
    /// High 64 bits of the unsigned product.
    fn umulh(&self, a: u64, b: u64) -> u64;
    /// High 64 bits of the signed product.
    fn smulh(&self, a: u64, b: u64) -> u64;
    /// Unsigned quotient; zero when `b` is zero.
    fn udiv(&self, a: u64, b: u64) -> u64;
    /// Signed quotient, rounded towards zero; zero when `b` is zero; `MIN / -1 = MIN`.
    fn sdiv(&self, a: u64, b: u64) -> u64;
    /// Bitwise and.
    fn and(&self, a: u64, b: u64) -> u64;
    /// Bitwise or.
    fn or(&self, a: u64, b: u64) -> u64;
    /// Bitwise exclusive or.
    fn xor(&self, a: u64, b: u64) -> u64;
    /// Bitwise complement.
    fn not(&self, a: u64) -> u64;
    /// Logical shift left by `n` modulo 64.
    fn shl(&self, a: u64, n: u64) -> u64;
    /// Logical shift right by `n` modulo 64.
    fn lshr(&self, a: u64, n: u64) -> u64;
    /// Arithmetic shift right by `n` modulo 64.
    fn ashr(&self, a: u64, n: u64) -> u64;
    /// Rotate right by `n` modulo 64.
    fn ror(&self, a: u64, n: u64) -> u64;
    /// Rotate the low 32 bits right by `n` modulo 32.
    fn ror32(&self, a: u64, n: u64) -> u64;
    /// Leading zero bits of the 64-bit value; 64 for zero.
    fn clz(&self, a: u64) -> u64;
    /// Bits in reverse order.
    fn rbit(&self, a: u64) -> u64;
    /// Number of one bits.
    fn popcount(&self, a: u64) -> u64;
    /// `a == b`.
    fn eq(&self, a: u64, b: u64) -> bool;
    /// `a < b`, unsigned.
    fn ltu(&self, a: u64, b: u64) -> bool;
    /// `a < b`, signed.
    fn lts(&self, a: u64, b: u64) -> bool;

    /// Whether the host's IEEE 754 adder, multiplier, divider and square root may stand in for the
    /// integer algorithms of [`crate::fp`] where both give the same bits and flags. Only an ALU whose
    /// arithmetic *is* the host's says yes.
    const HOST_FLOAT: bool = false;
}
