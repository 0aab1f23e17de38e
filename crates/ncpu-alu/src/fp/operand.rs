//! Unpacking of operands, and NaNs.

use super::{FPCR_AHP, FPCR_DN, FPSR_IDC, FPSR_IOC, Format, Fp, Half};
use crate::{Alu, Word};

/// What kind of value the bits are. The NaNs are the last two.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    Zero,
    Finite,
    Infinity,
    Quiet,
    Signalling,
}

/// A non-zero finite number: `significand * 2^(exponent - 63)`, negated if `sign`, with bit 63 of
/// the significand set. The exponent is in two's complement. Bit 0 may be a sticky bit that stands
/// for any non-zero remainder below.
pub(super) struct Number<'a, A> {
    pub(super) sign: bool,
    pub(super) exponent: Word<'a, A>,
    pub(super) significand: Word<'a, A>,
}

impl<A> Clone for Number<'_, A> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}
impl<A> Copy for Number<'_, A> {}

/// An unpacked operand. The number is meaningful in class `Finite`, its sign in all classes.
pub(super) struct Operand<'a, A> {
    pub(super) class: Class,
    pub(super) bits: u64,
    pub(super) number: Number<'a, A>,
}

impl<A> Operand<'_, A> {
    #[inline(always)]
    pub(super) fn sign(&self) -> bool {
        self.number.sign
    }
    #[inline(always)]
    pub(super) fn is_nan(&self) -> bool {
        self.class >= Class::Quiet
    }
    #[inline(always)]
    pub(super) fn is_infinite(&self) -> bool {
        self.class == Class::Infinity
    }
    #[inline(always)]
    pub(super) fn is_zero(&self) -> bool {
        self.class == Class::Zero
    }
}

impl<'a, A: Alu> Fp<'a, A> {
    /// `FPUnpack`: half precision is IEEE's whatever AHP says.
    #[inline(always)]
    pub(super) fn unpack<F: Format>(&mut self, bits: u64) -> Operand<'a, A> {
        let flush = self.flushes::<F>();
        self.unpack_with::<F>(bits, flush, false)
    }

    /// `FPUnpackCV`: conversions between formats honour AHP and never flush half precision.
    pub(super) fn unpack_for_conversion<F: Format>(&mut self, bits: u64) -> Operand<'a, A> {
        let half = F::BITS == Half::BITS;
        let flush = !half && self.flushes::<F>();
        let alternative = half && self.fpcr & FPCR_AHP != 0;
        self.unpack_with::<F>(bits, flush, alternative)
    }

    #[inline(always)]
    fn unpack_with<F: Format>(
        &mut self,
        bits: u64,
        flush: bool,
        alternative: bool,
    ) -> Operand<'a, A> {
        let field = self.word(F::exponent(bits));
        let fraction = self.word(F::fraction(bits));
        let mut class = Class::Finite;
        let mut exponent = field - F::BIAS;
        // The hidden one joins the fraction at the top of the word.
        let mut significand = self.word(1 << 63 | fraction.get() << (63 - F::FRAC_BITS));
        if field.is_zero() {
            if fraction.is_zero() {
                class = Class::Zero;
            } else if flush {
                self.note_flushed_input::<F>();
                class = Class::Zero;
            } else {
                let zeros = fraction.leading_zeros();
                exponent = self.word(64 - F::FRAC_BITS as u64) - F::BIAS - zeros;
                significand = fraction << zeros;
            }
        } else if !alternative && field == F::EXP_MAX {
            class = if fraction.is_zero() {
                Class::Infinity
            } else if bits & F::QUIET != 0 {
                Class::Quiet
            } else {
                Class::Signalling
            };
        }
        let number = Number { sign: F::sign(bits), exponent, significand };
        Operand { class, bits: bits & F::MASK, number }
    }

    /// Half-precision inputs are flushed without a flag (Arm ARM, `FPUnpackBase`).
    #[inline(always)]
    pub(super) fn note_flushed_input<F: Format>(&mut self) {
        if F::BITS != Half::BITS {
            self.raise(FPSR_IDC);
        }
    }

    /// `FPProcessNaN`: the quieted operand, or the default NaN.
    pub(super) fn nan<F: Format>(&mut self, operand: &Operand<'a, A>) -> u64 {
        if operand.class == Class::Signalling {
            self.raise(FPSR_IOC);
        }
        if self.fpcr & FPCR_DN != 0 { F::DEFAULT_NAN } else { operand.bits | F::QUIET }
    }

    /// `FPProcessNaNs` and `FPProcessNaNs3`: the first signalling NaN, else the first quiet one.
    #[inline(always)]
    pub(super) fn first_nan<F: Format, const N: usize>(
        &mut self,
        operands: [&Operand<'a, A>; N],
    ) -> Option<u64> {
        if !operands.iter().any(|x| x.is_nan()) {
            return None;
        }
        let signalling = operands.iter().find(|x| x.class == Class::Signalling);
        let chosen = signalling.or(operands.iter().find(|x| x.is_nan()))?;
        Some(self.nan::<F>(chosen))
    }
}
