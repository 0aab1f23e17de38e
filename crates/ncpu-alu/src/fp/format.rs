//! The three interchange formats and where their fields are.

mod sealed {
    pub trait Sealed {}
}

/// An IEEE 754 binary interchange format held in the low bits of a `u64`.
///
/// The functions only move bits to and from their fields; bits above the format are ignored.
pub trait Format: sealed::Sealed {
    /// Width of the exponent field.
    const EXP_BITS: u32;
    /// Width of the trailing significand (fraction) field.
    const FRAC_BITS: u32;

    /// Width of the whole format.
    const BITS: u32 = 1 + Self::EXP_BITS + Self::FRAC_BITS;
    /// All bits of the format.
    const MASK: u64 = u64::MAX >> (64 - Self::BITS);
    /// The sign bit.
    const SIGN: u64 = 1 << (Self::BITS - 1);
    /// The largest value of the exponent field, which marks infinities and NaNs.
    const EXP_MAX: u64 = (1 << Self::EXP_BITS) - 1;
    /// Exponent bias.
    const BIAS: u64 = Self::EXP_MAX >> 1;
    /// All bits of the fraction field.
    const FRAC_MASK: u64 = (1 << Self::FRAC_BITS) - 1;
    /// The fraction bit that tells quiet NaNs (1) from signalling ones (0).
    const QUIET: u64 = 1 << (Self::FRAC_BITS - 1);
    /// Positive infinity.
    const INFINITY: u64 = Self::EXP_MAX << Self::FRAC_BITS;
    /// The default NaN: positive, quiet, no payload (Arm ARM DDI 0487, `FPDefaultNaN`).
    const DEFAULT_NAN: u64 = Self::INFINITY | Self::QUIET;
    /// The largest finite value.
    const MAX_NORMAL: u64 = Self::INFINITY - 1;
    /// 1.5, the answer of `FPRSqrtStepFused` to infinity times zero.
    const ONE_POINT_FIVE: u64 = Self::BIAS << Self::FRAC_BITS | Self::QUIET;
    /// 2.0, the answer of `FPMulX` and `FPRecipStepFused` to infinity times zero.
    const TWO: u64 = (Self::BIAS + 1) << Self::FRAC_BITS;

    /// Whether the sign bit is set.
    #[inline(always)]
    fn sign(bits: u64) -> bool {
        bits & Self::SIGN != 0
    }
    /// The biased exponent field.
    #[inline(always)]
    fn exponent(bits: u64) -> u64 {
        bits >> Self::FRAC_BITS & Self::EXP_MAX
    }
    /// The fraction field.
    #[inline(always)]
    fn fraction(bits: u64) -> u64 {
        bits & Self::FRAC_MASK
    }
    /// `magnitude` with the given sign.
    #[inline(always)]
    fn signed(sign: bool, magnitude: u64) -> u64 {
        if sign { magnitude | Self::SIGN } else { magnitude }
    }
}

/// binary16.
#[derive(Clone, Copy, Debug)]
pub struct Half;
/// binary32.
#[derive(Clone, Copy, Debug)]
pub struct Single;
/// binary64.
#[derive(Clone, Copy, Debug)]
pub struct Double;

impl sealed::Sealed for Half {}
impl sealed::Sealed for Single {}
impl sealed::Sealed for Double {}

impl Format for Half {
    const EXP_BITS: u32 = 5;
    const FRAC_BITS: u32 = 10;
}
impl Format for Single {
    const EXP_BITS: u32 = 8;
    const FRAC_BITS: u32 = 23;
}
impl Format for Double {
    const EXP_BITS: u32 = 11;
    const FRAC_BITS: u32 = 52;
}
