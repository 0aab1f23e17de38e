//! Conversions between formats, to and from integers and fixed point, and rounding to integral.

use super::operand::{Class, Number};
use super::round::shift_right_sticky;
use super::{FPCR_AHP, FPCR_DN, FPSR_IOC, FPSR_IXC, Format, Fp, Half, Rounding, host};
use crate::{Alu, Word};

impl<'a, A: Alu> Fp<'a, A> {
    /// `value` in another format, rounded as FPCR says (`FPConvert`).
    #[inline(always)]
    pub fn convert<From: Format, To: Format>(&mut self, value: u64) -> u64 {
        if self.host_rounds_alike()
            && let Some(result) = host::convert::<From, To>(value, self.inexact_already())
        {
            return result;
        }
        self.convert_exactly::<From, To>(value, self.rounding())
    }

    /// `value` in another format, rounded to odd: FCVTXN.
    pub fn convert_to_odd<From: Format, To: Format>(&mut self, value: u64) -> u64 {
        self.convert_exactly::<From, To>(value, Rounding::ToOdd)
    }

    #[inline(never)]
    fn convert_exactly<From: Format, To: Format>(&mut self, value: u64, mode: Rounding) -> u64 {
        let x = self.unpack_for_conversion::<From>(value);
        let alternative = To::BITS == Half::BITS && self.fpcr & FPCR_AHP != 0;
        match x.class {
            Class::Quiet | Class::Signalling => {
                if x.class == Class::Signalling || alternative {
                    self.raise(FPSR_IOC);
                }
                if alternative {
                    To::signed(x.sign(), 0)
                } else if self.fpcr & FPCR_DN != 0 {
                    To::DEFAULT_NAN
                } else {
                    // Sign and the leading payload bits are kept.
                    let payload = From::fraction(value) << (64 - From::FRAC_BITS);
                    To::signed(x.sign(), To::DEFAULT_NAN | payload >> (64 - To::FRAC_BITS))
                }
            }
            Class::Infinity if alternative => {
                self.raise(FPSR_IOC);
                To::signed(x.sign(), To::MASK & !To::SIGN)
            }
            Class::Infinity => To::signed(x.sign(), To::INFINITY),
            Class::Zero => To::signed(x.sign(), 0),
            Class::Finite => self.round_for_conversion::<To>(x.number, mode),
        }
    }

    /// `value * 2^fraction_bits` rounded to an integer of `width` bits (at most 64) and saturated
    /// (`FPToFixed`). `fraction_bits` is at most 64; the bits above `width` are zero.
    #[inline(always)]
    pub fn convert_to_int<F: Format>(
        &mut self,
        value: u64,
        fraction_bits: u32,
        width: u32,
        signed: bool,
        mode: Rounding,
    ) -> u64 {
        if fraction_bits == 0
            && mode == Rounding::TowardZero
            && A::HOST_FLOAT
            && !self.flushes::<F>()
            && let Some(result) = host::to_int::<F>(value, width, signed, self.inexact_already())
        {
            return result;
        }
        self.convert_to_int_exactly::<F>(value, fraction_bits, width, signed, mode)
    }

    #[inline(never)]
    fn convert_to_int_exactly<F: Format>(
        &mut self,
        value: u64,
        fraction_bits: u32,
        width: u32,
        signed: bool,
        mode: Rounding,
    ) -> u64 {
        let all = u64::MAX >> (64 - width);
        let x = self.unpack::<F>(value);
        let negative = x.sign();
        let largest = match (signed, negative) {
            (true, true) => 1 << (width - 1),
            (true, false) => all >> 1,
            (false, true) => 0,
            (false, false) => all,
        };
        let (magnitude, inexact) = match x.class {
            Class::Quiet | Class::Signalling => {
                self.raise(FPSR_IOC);
                return 0;
            }
            Class::Zero => return 0,
            Class::Infinity => (None, false),
            Class::Finite => {
                let scaled =
                    Number { exponent: x.number.exponent + fraction_bits as u64, ..x.number };
                integral(scaled, mode)
            }
        };
        let magnitude = match magnitude {
            Some(magnitude) if magnitude <= largest => {
                if inexact {
                    self.raise(FPSR_IXC);
                }
                magnitude
            }
            _ => {
                self.raise(FPSR_IOC);
                self.word(largest)
            }
        };
        let result = if negative { self.word(0) - magnitude } else { magnitude };
        result.get() & all
    }

    /// The integer in the low `width` bits of `value`, divided by `2^fraction_bits` (`FixedToFP`).
    #[inline(always)]
    pub fn convert_from_int<F: Format>(
        &mut self,
        value: u64,
        fraction_bits: u32,
        width: u32,
        signed: bool,
    ) -> u64 {
        if fraction_bits == 0
            && let Some(result) = self.convert_from_int_at_once::<F>(value, width, signed)
        {
            return result;
        }
        self.convert_from_int_exactly::<F>(extended(value, width, signed), fraction_bits, signed)
    }

    /// [`Fp::convert_from_int`] without fraction bits, if the host gives it and it raises no flag that is
    /// not raised already.
    #[inline(always)]
    pub fn convert_from_int_at_once<F: Format>(
        &self,
        value: u64,
        width: u32,
        signed: bool,
    ) -> Option<u64> {
        if !A::HOST_FLOAT {
            return None;
        }
        let may_round = self.host_rounds_alike() && self.inexact_already();
        host::from_int::<F>(extended(value, width, signed), signed, may_round)
    }

    #[inline(never)]
    fn convert_from_int_exactly<F: Format>(
        &mut self,
        integer: u64,
        fraction_bits: u32,
        signed: bool,
    ) -> u64 {
        let sign = signed && integer >> 63 != 0;
        let integer = self.word(integer);
        let magnitude = if sign { integer.lit(0) - integer } else { integer };
        if magnitude.is_zero() {
            return 0;
        }
        let zeros = magnitude.leading_zeros();
        let exponent = self.word(63) - zeros - fraction_bits as u64;
        self.round::<F>(Number { sign, exponent, significand: magnitude << zeros })
    }

    /// `value` rounded to an integral value of its format (`FPRoundInt`); with `exact` a change is
    /// inexact (FRINTX), else it goes unnoticed.
    #[inline(never)]
    pub fn round_int<F: Format>(&mut self, value: u64, mode: Rounding, exact: bool) -> u64 {
        let x = self.unpack::<F>(value);
        match x.class {
            Class::Quiet | Class::Signalling => return self.nan::<F>(&x),
            Class::Infinity => return x.bits,
            Class::Zero => return F::signed(x.sign(), 0),
            Class::Finite => {}
        }
        let largest_fractional = self.word(F::FRAC_BITS as u64);
        if !x.number.exponent.lt_signed(largest_fractional) {
            return x.bits;
        }
        let (magnitude, inexact) = integral(x.number, mode);
        if inexact && exact {
            self.raise(FPSR_IXC);
        }
        match magnitude {
            Some(magnitude) if !magnitude.is_zero() => {
                let zeros = magnitude.leading_zeros();
                let exponent = self.word(63) - zeros;
                let significand = magnitude << zeros;
                self.round::<F>(Number { exponent, significand, ..x.number })
            }
            _ => F::signed(x.sign(), 0),
        }
    }
}

/// The magnitude of a number rounded to an integer, `None` from 2^64 up, and whether it changed.
#[inline(always)]
fn integral<'a, A: Alu>(number: Number<'a, A>, mode: Rounding) -> (Option<Word<'a, A>>, bool) {
    let Number { sign, exponent, significand } = number;
    let zero = significand.lit(0);
    if !exponent.lt_signed(zero.lit(64)) {
        return (None, false);
    }
    let shift = zero.lit(63) - exponent;
    let (whole, tail) = if shift.is_zero() {
        (significand, zero)
    } else if shift < 64 {
        (significand >> shift.get(), significand << (zero.lit(64) - shift).get())
    } else {
        (zero, shift_right_sticky(significand, shift - 64))
    };
    let odd = whole.get() & 1 != 0;
    // A number with a fraction is below 2^63, so the increment cannot carry out.
    let rounded = if mode.increments(sign, odd, tail) { whole + 1 } else { whole };
    (Some(rounded), !tail.is_zero())
}

/// The low `width` bits as an integer of 64.
#[inline(always)]
const fn extended(value: u64, width: u32, signed: bool) -> u64 {
    let unused = 64 - width;
    if signed { ((value << unused) as i64 >> unused) as u64 } else { value << unused >> unused }
}
