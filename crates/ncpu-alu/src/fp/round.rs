//! Rounding and packing of results.

use super::operand::Number;
use super::{FPCR_AHP, FPSR_IOC, FPSR_IXC, FPSR_OFC, FPSR_UFC, Format, Fp, Half};
use crate::{Alu, Word};

/// How a result that lies between two representable values is rounded (Arm ARM, `FPRounding`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// To nearest, ties to even.
    NearestEven,
    /// Towards plus infinity.
    TowardPositive,
    /// Towards minus infinity.
    TowardNegative,
    /// Towards zero.
    TowardZero,
    /// To nearest, ties away from zero.
    NearestAway,
    /// Towards zero, then the last bit set if anything was lost, so that a second rounding to a
    /// narrower format is right.
    ToOdd,
}

impl Rounding {
    /// The mode in `FPCR.RMode`.
    #[inline(always)]
    pub fn from_fpcr(fpcr: u32) -> Self {
        match fpcr >> 22 & 3 {
            0 => Rounding::NearestEven,
            1 => Rounding::TowardPositive,
            2 => Rounding::TowardNegative,
            _ => Rounding::TowardZero,
        }
    }

    /// Whether a magnitude cut to an integer that is `odd`, with the binary fraction `tail` (as
    /// `tail / 2^64`, below one) cut off, has to be incremented.
    #[inline(always)]
    pub(super) fn increments<A: Alu>(self, sign: bool, odd: bool, tail: Word<'_, A>) -> bool {
        const HALF: u64 = 1 << 63;
        match self {
            Rounding::NearestEven => tail.lit(HALF) < tail || (odd && tail == HALF),
            Rounding::NearestAway => tail >= HALF,
            Rounding::TowardPositive => !sign && !tail.is_zero(),
            Rounding::TowardNegative => sign && !tail.is_zero(),
            Rounding::TowardZero | Rounding::ToOdd => false,
        }
    }

    /// Whether a magnitude above the largest finite one becomes infinity.
    #[inline(always)]
    pub(super) fn overflows_to_infinity(self, sign: bool) -> bool {
        match self {
            Rounding::NearestEven | Rounding::NearestAway => true,
            Rounding::TowardPositive => !sign,
            Rounding::TowardNegative => sign,
            Rounding::TowardZero | Rounding::ToOdd => false,
        }
    }
}

/// `value >> amount` with every lost bit or-ed into bit 0; any unsigned amount.
#[inline(always)]
pub(super) fn shift_right_sticky<'a, A: Alu>(
    value: Word<'a, A>,
    amount: Word<'a, A>,
) -> Word<'a, A> {
    if amount.is_zero() {
        value
    } else if amount < 64 {
        let lost = value << (amount.lit(64) - amount).get();
        (value >> amount.get()) | (!lost.is_zero()) as u64
    } else {
        value.lit((!value.is_zero()) as u64)
    }
}

impl<'a, A: Alu> Fp<'a, A> {
    /// `FPRound` in FPCR's mode.
    #[inline(always)]
    pub(super) fn round<F: Format>(&mut self, number: Number<'a, A>) -> u64 {
        let flush = self.flushes::<F>();
        self.round_with::<F>(number, self.rounding(), flush, false)
    }

    /// `FPRoundCV`: half-precision results honour AHP and are never flushed.
    pub(super) fn round_for_conversion<F: Format>(
        &mut self,
        number: Number<'a, A>,
        mode: Rounding,
    ) -> u64 {
        let half = F::BITS == Half::BITS;
        let flush = !half && self.flushes::<F>();
        let alternative = half && self.fpcr & FPCR_AHP != 0;
        self.round_with::<F>(number, mode, flush, alternative)
    }

    /// `FPRoundBase`. Tininess is detected before rounding.
    #[inline(always)]
    fn round_with<F: Format>(
        &mut self,
        number: Number<'a, A>,
        mode: Rounding,
        flush: bool,
        alternative: bool,
    ) -> u64 {
        let Number { sign, exponent, mut significand } = number;
        let mut field = exponent + F::BIAS;
        let tiny = field.lt_signed(field.lit(1));
        if tiny {
            if flush {
                self.raise(FPSR_UFC);
                return F::signed(sign, 0);
            }
            significand = shift_right_sticky(significand, field.lit(1) - field);
            field = field.lit(1);
        }

        let mut magnitude = significand >> (63 - F::FRAC_BITS as u64);
        let tail = significand << (F::FRAC_BITS as u64 + 1);
        let mut inexact = !tail.is_zero();
        if tiny && inexact {
            self.raise(FPSR_UFC);
        }
        let odd = magnitude.get() & 1 != 0;
        if mode.increments(sign, odd, tail) {
            magnitude = magnitude + 1;
        }
        if mode == Rounding::ToOdd && inexact {
            magnitude = magnitude | 1;
        }

        // The hidden one, or a carry into or out of it, adds itself to the exponent field.
        let packed = ((field - 1) << F::FRAC_BITS as u64) + magnitude;
        let limit = if alternative { F::EXP_MAX + 1 } else { F::EXP_MAX };
        let too_large = !field.lt_signed(field.lit(limit)) || packed >= limit << F::FRAC_BITS;
        let mut magnitude = packed.get();
        if too_large {
            if alternative {
                self.raise(FPSR_IOC);
                inexact = false;
                magnitude = F::MASK & !F::SIGN;
            } else {
                self.raise(FPSR_OFC);
                inexact = true;
                let to_infinity = mode.overflows_to_infinity(sign);
                magnitude = if to_infinity { F::INFINITY } else { F::MAX_NORMAL };
            }
        }
        if inexact {
            self.raise(FPSR_IXC);
        }
        F::signed(sign, magnitude)
    }

    /// The zero that an exact cancellation gives (IEEE 754-2019 §6.3).
    #[inline(always)]
    pub(super) fn cancelled<F: Format>(&self) -> u64 {
        F::signed(self.rounding() == Rounding::TowardNegative, 0)
    }
}
