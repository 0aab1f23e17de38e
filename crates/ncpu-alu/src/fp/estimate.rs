//! The table-driven estimates and the exponent step.
//!
//! Arm publishes the tables as integer formulas (`RecipEstimate`, `RecipSqrtEstimate`): an estimate
//! has eight fraction bits and is a pure function of nine bits of the operand.

use super::operand::{Class, Number};
use super::{FPSR_DZC, FPSR_IXC, FPSR_OFC, FPSR_UFC, Format, Fp};
use crate::{Alu, Word};

/// `RecipEstimate`: for `x` in 256..512, standing for `x / 512`, the reciprocal times 256.
fn recip_estimate<A: Alu>(x: Word<'_, A>) -> Word<'_, A> {
    let rounded = (x << 1) + 1;
    (x.lit(1 << 19).quotient(rounded) + 1) >> 1
}

/// `RecipSqrtEstimate`: for `x` in 128..512, standing for `x / 512`, the reciprocal of the square
/// root times 256.
fn rsqrt_estimate<A: Alu>(x: Word<'_, A>) -> Word<'_, A> {
    let rounded = if x < 256 { (x << 1) + 1 } else { (x | 1) << 1 };
    // The largest b with rounded * b^2 < 2^28, which is in 512..1024, a bit at a time.
    let mut root = x.lit(512);
    for bit in (0..9).rev() {
        let trial = root | 1 << bit;
        if rounded * trial * trial < 1 << 28 {
            root = trial;
        }
    }
    (root + 1) >> 1
}

/// `UnsignedRecipEstimate` of a 32-bit fixed-point number (URECPE).
pub fn unsigned_recip_estimate<A: Alu>(alu: &A, value: u64) -> u64 {
    if value >> 31 & 1 == 0 {
        return 0xffff_ffff;
    }
    let estimate = recip_estimate(Word::new(alu, value >> 23 & 0x1ff));
    (estimate.get() & 0x1ff) << 23
}

/// `UnsignedRSqrtEstimate` of a 32-bit fixed-point number (URSQRTE).
pub fn unsigned_rsqrt_estimate<A: Alu>(alu: &A, value: u64) -> u64 {
    if value >> 30 & 3 == 0 {
        return 0xffff_ffff;
    }
    let estimate = rsqrt_estimate(Word::new(alu, value >> 23 & 0x1ff));
    (estimate.get() & 0x1ff) << 23
}

impl<'a, A: Alu> Fp<'a, A> {
    /// Estimate of `1 / value` (`FPRecipEstimate`, FRECPE).
    #[inline(never)]
    pub fn recip_estimate<F: Format>(&mut self, value: u64) -> u64 {
        let x = self.unpack::<F>(value);
        let sign = x.sign();
        match x.class {
            Class::Quiet | Class::Signalling => return self.nan::<F>(&x),
            Class::Infinity => return F::signed(sign, 0),
            Class::Zero => {
                self.raise(FPSR_DZC);
                return F::signed(sign, F::INFINITY);
            }
            Class::Finite => {}
        }
        let Number { exponent, significand, .. } = x.number;
        // The reciprocal of anything below 2^-(bias + 1) overflows.
        if exponent.lt_signed(self.word(0) - (F::BIAS + 1)) {
            self.raise(FPSR_OFC | FPSR_IXC);
            let to_infinity = self.rounding().overflows_to_infinity(sign);
            return F::signed(sign, if to_infinity { F::INFINITY } else { F::MAX_NORMAL });
        }
        // That of 2^(bias - 1) and above is denormal.
        if self.flushes::<F>() && !exponent.lt_signed(self.word(F::BIAS - 1)) {
            self.raise(FPSR_UFC);
            return F::signed(sign, 0);
        }
        let estimate = recip_estimate(significand >> 55);
        // Exponent field of the result, whose leading one is the estimate's bit 8.
        let field = self.word(F::BIAS) - 1 - exponent;
        self.assemble::<F>(sign, field, estimate)
    }

    /// `estimate / 256 * 2^(field - bias)`, where `field` may be 0 or -1 for a denormal.
    fn assemble<F: Format>(&self, sign: bool, field: Word<'a, A>, estimate: Word<'a, A>) -> u64 {
        let mut fraction = self.word((estimate.get() & 0xff) << (F::FRAC_BITS - 8));
        let mut field = field;
        if field.lt_signed(field.lit(1)) {
            let hidden = 1 << F::FRAC_BITS as u64;
            fraction = (fraction | hidden) >> (field.lit(1) - field).get();
            field = field.lit(0);
        }
        F::signed(sign, field.get() << F::FRAC_BITS | fraction.get())
    }

    /// Estimate of `1 / sqrt(value)` (`FPRSqrtEstimate`, FRSQRTE).
    #[inline(never)]
    pub fn rsqrt_estimate<F: Format>(&mut self, value: u64) -> u64 {
        let x = self.unpack::<F>(value);
        match x.class {
            Class::Quiet | Class::Signalling => return self.nan::<F>(&x),
            Class::Zero => {
                self.raise(FPSR_DZC);
                return F::signed(x.sign(), F::INFINITY);
            }
            _ if x.sign() => return self.invalid::<F>(),
            Class::Infinity => return 0,
            Class::Finite => {}
        }
        let Number { exponent, significand, .. } = x.number;
        // Scaled to [1/4, 1) by an even power of two.
        let odd = exponent.get() & 1 != 0;
        let scaled = significand >> if odd { 55 } else { 56 };
        let estimate = rsqrt_estimate(scaled);
        let field = self.word(F::BIAS) - 1 - exponent.ashr(1);
        self.assemble::<F>(false, field, estimate)
    }

    /// The power of two whose exponent is the complement of the operand's (`FPRecpX`, FRECPX).
    #[inline(never)]
    pub fn recip_exponent<F: Format>(&mut self, value: u64) -> u64 {
        let x = self.unpack::<F>(value);
        if x.is_nan() {
            return self.nan::<F>(&x);
        }
        let field = self.word(F::exponent(value));
        let result = if field.is_zero() { self.word(F::EXP_MAX - 1) } else { field ^ F::EXP_MAX };
        F::signed(x.sign(), result.get() << F::FRAC_BITS)
    }
}
