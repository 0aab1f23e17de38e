//! AArch64 floating point, bit for bit (Arm ARM DDI 0487, part J1, "Shared Pseudocode", `FP*`).
//!
//! An operation unpacks its operands into sign, exponent and a significand whose leading one is at
//! bit 63 (`operand.rs`), computes a result that is exact or carries a sticky bit, and hands it to the
//! one function that rounds, flushes, overflows and packs (`round.rs`). Exponents and significands
//! are [`Word`]s, so every one of these steps is the ALU's. Only an ALU that declares
//! [`Alu::HOST_FLOAT`] may skip them, for operands where the host's own operation provably gives the
//! same bits and flags (`host.rs`).
//!
//! The control register's rounding mode, flush-to-zero (FZ, FZ16), default-NaN (DN) and alternative
//! half-precision (AHP) bits are honoured; exceptions only accumulate in the status register, as the
//! trap enable bits read as zero. `FPCR.{AH, FIZ, NEP}` (Armv8.7) do not exist here.
//!
//! What does not belong here: lanes and registers, and the choice of operands. An instruction that
//! negates a factor, or rounds in a mode of its own, says so at the call.

mod arithmetic;
mod compare;
mod convert;
mod estimate;
mod format;
mod fused;
mod host;
mod operand;
mod round;

pub use estimate::{unsigned_recip_estimate, unsigned_rsqrt_estimate};
pub use format::{Double, Format, Half, Single};
pub use round::Rounding;

use crate::{Alu, Word};

/// FPCR bit 19: flush half-precision denormals to zero.
pub const FPCR_FZ16: u32 = 1 << 19;
/// FPCR bits 23:22: rounding mode.
pub const FPCR_RMODE: u32 = 3 << 22;
/// FPCR bit 24: flush single- and double-precision denormals to zero.
pub const FPCR_FZ: u32 = 1 << 24;
/// FPCR bit 25: every NaN result is the default NaN.
pub const FPCR_DN: u32 = 1 << 25;
/// FPCR bit 26: half precision means the alternative format in conversions.
pub const FPCR_AHP: u32 = 1 << 26;

/// FPSR bit 0: invalid operation.
pub const FPSR_IOC: u32 = 1 << 0;
/// FPSR bit 1: division by zero.
pub const FPSR_DZC: u32 = 1 << 1;
/// FPSR bit 2: overflow.
pub const FPSR_OFC: u32 = 1 << 2;
/// FPSR bit 3: underflow.
pub const FPSR_UFC: u32 = 1 << 3;
/// FPSR bit 4: inexact.
pub const FPSR_IXC: u32 = 1 << 4;
/// FPSR bit 7: input denormal flushed to zero.
pub const FPSR_IDC: u32 = 1 << 7;

/// A floating-point unit: an ALU with the control and status registers that apply to it.
///
/// Operands and results are raw bits in the low bits of a `u64`; the rest of a result is zero.
pub struct Fp<'a, A> {
    alu: &'a A,
    /// The control register.
    pub fpcr: u32,
    /// The status register; operations set bits and never clear any.
    pub fpsr: u32,
}

impl<'a, A: Alu> Fp<'a, A> {
    /// A unit over `alu` with the given registers.
    #[inline(always)]
    pub fn new(alu: &'a A, fpcr: u32, fpsr: u32) -> Self {
        Fp { alu, fpcr, fpsr }
    }

    /// The rounding mode that FPCR selects.
    #[inline(always)]
    pub fn rounding(&self) -> Rounding {
        Rounding::from_fpcr(self.fpcr)
    }

    #[inline(always)]
    fn word(&self, value: u64) -> Word<'a, A> {
        Word::new(self.alu, value)
    }

    #[inline(always)]
    fn raise(&mut self, flags: u32) {
        self.fpsr |= flags;
    }

    /// Whether denormals of this format are flushed to zero.
    #[inline(always)]
    fn flushes<F: Format>(&self) -> bool {
        let control = if F::BITS == Half::BITS { FPCR_FZ16 } else { FPCR_FZ };
        self.fpcr & control != 0
    }

    /// Whether the host may compute in place of the ALU where it rounds to nearest.
    #[inline(always)]
    fn host_rounds_alike(&self) -> bool {
        A::HOST_FLOAT && self.fpcr & (FPCR_RMODE | FPCR_FZ) == 0
    }

    /// `z + x * y` (without `z`: `x * y`, without `y`: `x + z`), if the host gives it and it raises no flag
    /// that is not raised already. A few instructions, for where the whole operation would be too much.
    #[inline(always)]
    pub fn at_once<F: Format>(&self, z: Option<u64>, x: u64, y: Option<u64>) -> Option<u64> {
        if !self.host_rounds_alike() || !self.inexact_already() {
            return None;
        }
        match (z, y) {
            (Some(z), Some(y)) => host::mul_add::<F>(z, x, y, true),
            (Some(z), None) => host::add::<F>(x, z, true),
            (None, Some(y)) => host::mul::<F>(x, y, true),
            (None, None) => None,
        }
    }

    /// The value with its sign bit cleared (`FPAbs`); no NaN is touched otherwise.
    #[inline(always)]
    pub fn abs<F: Format>(&self, value: u64) -> u64 {
        self.alu.and(value, F::MASK & !F::SIGN)
    }

    /// The value with its sign bit inverted (`FPNeg`); no NaN is touched otherwise.
    #[inline(always)]
    pub fn neg<F: Format>(&self, value: u64) -> u64 {
        self.alu.xor(value & F::MASK, F::SIGN)
    }

    /// The sign of a product or a quotient.
    #[inline(always)]
    fn product_sign(&self, x: bool, y: bool) -> bool {
        self.alu.xor(x.into(), y.into()) != 0
    }

    #[inline(always)]
    fn inexact_already(&self) -> bool {
        self.fpsr & FPSR_IXC != 0
    }

    fn invalid<F: Format>(&mut self) -> u64 {
        self.raise(FPSR_IOC);
        F::DEFAULT_NAN
    }
}
