//! Addition, multiplication, division and square root.

use super::operand::{Class, Number, Operand};
use super::round::shift_right_sticky;
use super::{FPSR_DZC, Format, Fp, host};
use crate::Alu;

impl<'a, A: Alu> Fp<'a, A> {
    /// `a + b` (`FPAdd`).
    #[inline(always)]
    pub fn add<F: Format>(&mut self, a: u64, b: u64) -> u64 {
        if self.host_rounds_alike()
            && let Some(sum) = host::add::<F>(a, b, self.inexact_already())
        {
            return sum;
        }
        self.add_exactly::<F>(a, b, false)
    }

    /// `a - b` (`FPSub`).
    #[inline(always)]
    pub fn sub<F: Format>(&mut self, a: u64, b: u64) -> u64 {
        if self.host_rounds_alike()
            && let Some(difference) = host::sub::<F>(a, b, self.inexact_already())
        {
            return difference;
        }
        self.add_exactly::<F>(a, b, true)
    }

    /// `a * b` (`FPMul`).
    #[inline(always)]
    pub fn mul<F: Format>(&mut self, a: u64, b: u64) -> u64 {
        if self.host_rounds_alike()
            && let Some(product) = host::mul::<F>(a, b, self.inexact_already())
        {
            return product;
        }
        self.mul_exactly::<F>(a, b, false)
    }

    /// `a * b`, except that infinity times zero is two with the product's sign (`FPMulX`).
    #[inline(always)]
    pub fn mulx<F: Format>(&mut self, a: u64, b: u64) -> u64 {
        self.mul_exactly::<F>(a, b, true)
    }

    /// `a / b` (`FPDiv`).
    #[inline(always)]
    pub fn div<F: Format>(&mut self, a: u64, b: u64) -> u64 {
        if self.host_rounds_alike()
            && let Some(quotient) = host::div::<F>(a, b, self.inexact_already())
        {
            return quotient;
        }
        self.div_exactly::<F>(a, b)
    }

    #[inline(never)]
    fn add_exactly<F: Format>(&mut self, a: u64, b: u64, subtract: bool) -> u64 {
        let x = self.unpack::<F>(a);
        let mut y = self.unpack::<F>(b);
        // A NaN keeps its sign in a subtraction.
        if let Some(nan) = self.first_nan::<F, 2>([&x, &y]) {
            return nan;
        }
        y.number.sign = self.product_sign(y.sign(), subtract);
        match (x.class, y.class) {
            (Class::Infinity, Class::Infinity) if x.sign() != y.sign() => self.invalid::<F>(),
            (Class::Infinity, _) => F::signed(x.sign(), F::INFINITY),
            (_, Class::Infinity) => F::signed(y.sign(), F::INFINITY),
            (Class::Zero, Class::Zero) if x.sign() == y.sign() => F::signed(x.sign(), 0),
            (Class::Zero, Class::Zero) => self.cancelled::<F>(),
            (Class::Zero, _) => F::signed(y.sign(), self.abs::<F>(y.bits)),
            (_, Class::Zero) => x.bits,
            _ => self.add_numbers::<F>(x.number, y.number),
        }
    }

    fn add_numbers<F: Format>(&mut self, x: Number<'a, A>, y: Number<'a, A>) -> u64 {
        let (large, small) = if x.exponent.lt_signed(y.exponent) { (y, x) } else { (x, y) };
        // One bit of room for the carry. Significands end at least ten bits above bit 0, so the
        // sticky bit is used only at distances where the sum loses at most one leading bit.
        let above = large.significand >> 1;
        let below = shift_right_sticky(small.significand >> 1, large.exponent - small.exponent);
        let mut sign = large.sign;
        let sum = if large.sign == small.sign {
            above + below
        } else if above < below {
            sign = small.sign;
            below - above
        } else {
            above - below
        };
        if sum.is_zero() {
            return self.cancelled::<F>();
        }
        let zeros = sum.leading_zeros();
        let exponent = large.exponent + 1 - zeros;
        self.round::<F>(Number { sign, exponent, significand: sum << zeros })
    }

    #[inline(never)]
    fn mul_exactly<F: Format>(&mut self, a: u64, b: u64, extended: bool) -> u64 {
        let x = self.unpack::<F>(a);
        let y = self.unpack::<F>(b);
        if let Some(nan) = self.first_nan::<F, 2>([&x, &y]) {
            return nan;
        }
        let sign = self.product_sign(x.sign(), y.sign());
        match (x.class, y.class) {
            (Class::Infinity, Class::Zero) | (Class::Zero, Class::Infinity) => {
                if extended {
                    F::signed(sign, F::TWO)
                } else {
                    self.invalid::<F>()
                }
            }
            (Class::Infinity, _) | (_, Class::Infinity) => F::signed(sign, F::INFINITY),
            (Class::Zero, _) | (_, Class::Zero) => F::signed(sign, 0),
            _ => {
                let (x, y) = (x.number, y.number);
                let high = x.significand.mul_high(y.significand);
                let low = x.significand * y.significand;
                let product = high | (!low.is_zero()) as u64;
                // Both leading ones are at bit 63: the product's is at bit 63 or 62.
                let zeros = product.leading_zeros();
                let exponent = x.exponent + y.exponent + 1 - zeros;
                self.round::<F>(Number { sign, exponent, significand: product << zeros })
            }
        }
    }

    #[inline(never)]
    fn div_exactly<F: Format>(&mut self, a: u64, b: u64) -> u64 {
        let x = self.unpack::<F>(a);
        let y = self.unpack::<F>(b);
        if let Some(nan) = self.first_nan::<F, 2>([&x, &y]) {
            return nan;
        }
        let sign = self.product_sign(x.sign(), y.sign());
        match (x.class, y.class) {
            (Class::Infinity, Class::Infinity) | (Class::Zero, Class::Zero) => self.invalid::<F>(),
            (Class::Infinity, _) => F::signed(sign, F::INFINITY),
            (_, Class::Zero) => {
                self.raise(FPSR_DZC);
                F::signed(sign, F::INFINITY)
            }
            (Class::Zero, _) | (_, Class::Infinity) => F::signed(sign, 0),
            _ => self.div_numbers::<F>(sign, x.number, y.number),
        }
    }

    /// Long division in the largest digits for which a digit's dividend fits a word.
    fn div_numbers<F: Format>(&mut self, sign: bool, x: Number<'a, A>, y: Number<'a, A>) -> u64 {
        let digit_bits = 63 - F::FRAC_BITS as u64;
        // The quotient, a bit shorter when x < y, needs a guard bit too; the remainder is sticky.
        let digits = (F::FRAC_BITS as u64 + 3).div_ceil(digit_bits);
        let divisor = y.significand >> digit_bits;
        let dividend = x.significand >> digit_bits;
        let (mut quotient, mut remainder) = if dividend < divisor {
            (self.word(0), dividend)
        } else {
            (self.word(1), dividend - divisor)
        };
        for _ in 0..digits {
            let partial = remainder << digit_bits;
            let digit = partial.quotient(divisor);
            quotient = (quotient << digit_bits) + digit;
            remainder = partial - digit * divisor;
        }
        let quotient = quotient | (!remainder.is_zero()) as u64;
        let zeros = quotient.leading_zeros();
        let exponent = x.exponent - y.exponent + (63 - digits * digit_bits) - zeros;
        self.round::<F>(Number { sign, exponent, significand: quotient << zeros })
    }

    /// Square root (`FPSqrt`).
    #[inline(always)]
    pub fn sqrt<F: Format>(&mut self, a: u64) -> u64 {
        if self.host_rounds_alike()
            && let Some(root) = host::sqrt::<F>(a, self.inexact_already())
        {
            return root;
        }
        self.sqrt_exactly::<F>(a)
    }

    #[inline(never)]
    fn sqrt_exactly<F: Format>(&mut self, a: u64) -> u64 {
        let x = self.unpack::<F>(a);
        match x.class {
            Class::Quiet | Class::Signalling => self.nan::<F>(&x),
            Class::Zero => F::signed(x.sign(), 0),
            _ if x.sign() => self.invalid::<F>(),
            Class::Infinity => F::INFINITY,
            Class::Finite => self.sqrt_number::<F>(&x),
        }
    }

    /// The schoolbook method, one root bit a step.
    fn sqrt_number<F: Format>(&mut self, x: &Operand<'a, A>) -> u64 {
        let Number { exponent, significand, .. } = x.number;
        // Radicand r in [1, 4) with an even exponent; its integer part starts the remainder, and two
        // more of its fraction bits enter at each step.
        let odd = exponent.get() & 1 != 0;
        let mut root = self.word(1);
        let (mut remainder, mut fraction) = if odd {
            ((significand >> 62) - 1, significand << 2)
        } else {
            (self.word(0), significand << 1)
        };
        // One guard bit below the fraction, and the remainder is sticky.
        let steps = F::FRAC_BITS as u64 + 1;
        for _ in 0..steps {
            remainder = (remainder << 2) | (fraction >> 62);
            fraction = fraction << 2;
            let trial = (root << 2) | 1;
            root = root << 1;
            if remainder >= trial {
                remainder = remainder - trial;
                root = root | 1;
            }
        }
        let sticky = !remainder.is_zero() as u64;
        let significand = (root << (63 - steps)) | sticky;
        self.round::<F>(Number { sign: false, exponent: exponent.ashr(1), significand })
    }
}
