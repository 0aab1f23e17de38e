//! Multiplication and addition with one rounding.

use super::operand::{Class, Number, Operand};
use super::{FPSR_IOC, Format, Fp, host};
use crate::{Alu, Word};

/// An unsigned 128-bit integer in two words.
struct Wide<'a, A> {
    high: Word<'a, A>,
    low: Word<'a, A>,
}

impl<'a, A: Alu> Wide<'a, A> {
    /// Shift right with every lost bit or-ed into bit 0; any unsigned amount.
    #[inline(always)]
    fn shift_right_sticky(self, amount: Word<'a, A>) -> Self {
        let Wide { high, low } = self;
        let zero = high.lit(0);
        if amount.is_zero() {
            self
        } else if amount < 64 {
            let n = amount.get();
            let up = (amount.lit(64) - amount).get();
            let lost = !(low << up).is_zero();
            Wide { high: high >> n, low: (high << up) | (low >> n) | lost as u64 }
        } else if amount == 64 {
            Wide { high: zero, low: high | (!low.is_zero()) as u64 }
        } else if amount < 128 {
            let n = (amount - 64).get();
            let up = (amount.lit(128) - amount).get();
            let lost = !((high << up) | low).is_zero();
            Wide { high: zero, low: (high >> n) | lost as u64 }
        } else {
            Wide { high: zero, low: zero.lit((!(high | low).is_zero()) as u64) }
        }
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        let low = self.low + other.low;
        let carry = (low < self.low) as u64;
        Wide { high: self.high + other.high + carry, low }
    }

    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        let borrow = (self.low < other.low) as u64;
        Wide { high: self.high - other.high - borrow, low: self.low - other.low }
    }

    #[inline(always)]
    fn less_than(&self, other: &Self) -> bool {
        self.high < other.high || (self.high == other.high && self.low < other.low)
    }
}

impl<'a, A: Alu> Fp<'a, A> {
    /// `addend + a * b` with one rounding (`FPMulAdd`).
    #[inline(always)]
    pub fn mul_add<F: Format>(&mut self, addend: u64, a: u64, b: u64) -> u64 {
        if self.host_rounds_alike()
            && let Some(sum) = host::mul_add::<F>(addend, a, b, self.inexact_already())
        {
            return sum;
        }
        self.mul_add_exactly::<F>(addend, a, b)
    }

    #[inline(never)]
    fn mul_add_exactly<F: Format>(&mut self, addend: u64, a: u64, b: u64) -> u64 {
        let z = self.unpack::<F>(addend);
        let x = self.unpack::<F>(a);
        let y = self.unpack::<F>(b);
        let undefined = undefined_product(&x, &y);
        if let Some(nan) = self.first_nan::<F, 3>([&z, &x, &y]) {
            // The invalid product outranks a quiet addend.
            if undefined && z.class == Class::Quiet {
                return self.invalid::<F>();
            }
            return nan;
        }
        let sign = self.product_sign(x.sign(), y.sign());
        let infinite = x.is_infinite() || y.is_infinite();
        if undefined || (infinite && z.is_infinite() && sign != z.sign()) {
            self.raise(FPSR_IOC);
            return F::DEFAULT_NAN;
        }
        if z.is_infinite() {
            return z.bits;
        }
        if infinite {
            return F::signed(sign, F::INFINITY);
        }
        let zero = x.is_zero() || y.is_zero();
        match (zero, z.is_zero()) {
            (true, true) if sign == z.sign() => F::signed(sign, 0),
            (true, true) => self.cancelled::<F>(),
            (true, false) => z.bits,
            (false, true) => self.mul_add_numbers::<F>(None, x.number, y.number, 0),
            (false, false) => self.mul_add_numbers::<F>(Some(z.number), x.number, y.number, 0),
        }
    }

    /// `2 - a * b` (`FPRecipStepFused`).
    pub fn recip_step<F: Format>(&mut self, a: u64, b: u64) -> u64 {
        self.newton_step::<F>(a, b, F::TWO, 1 << 63, 0)
    }

    /// `(3 - a * b) / 2` (`FPRSqrtStepFused`).
    pub fn rsqrt_step<F: Format>(&mut self, a: u64, b: u64) -> u64 {
        self.newton_step::<F>(a, b, F::ONE_POINT_FIVE, 3 << 62, 1)
    }

    /// `(c - a * b) / 2^halvings`, where `c` is `significand * 2^-62`; `at_zero` when the product
    /// is zero or undefined.
    #[inline(never)]
    fn newton_step<F: Format>(
        &mut self,
        a: u64,
        b: u64,
        at_zero: u64,
        significand: u64,
        halvings: u64,
    ) -> u64 {
        let x = self.unpack::<F>(self.neg::<F>(a));
        let y = self.unpack::<F>(b);
        if let Some(nan) = self.first_nan::<F, 2>([&x, &y]) {
            return nan;
        }
        if x.is_zero() || y.is_zero() {
            return at_zero;
        }
        if x.is_infinite() || y.is_infinite() {
            return F::signed(self.product_sign(x.sign(), y.sign()), F::INFINITY);
        }
        let constant =
            Number { sign: false, exponent: self.word(1), significand: self.word(significand) };
        self.mul_add_numbers::<F>(Some(constant), x.number, y.number, halvings)
    }

    /// `(addend + x * y) / 2^halvings`.
    ///
    /// Product and addend are 128-bit integers with room for a carry at the top. At least twenty of
    /// their low bits are zero before they are aligned, so a sticky bit appears only at distances
    /// where the sum loses at most two leading bits, far above it.
    #[inline(always)]
    fn mul_add_numbers<F: Format>(
        &mut self,
        addend: Option<Number<'a, A>>,
        x: Number<'a, A>,
        y: Number<'a, A>,
        halvings: u64,
    ) -> u64 {
        let mut sign = self.product_sign(x.sign, y.sign);
        let mut exponent = x.exponent + y.exponent + 1;
        let high = x.significand.mul_high(y.significand);
        let low = x.significand * y.significand;
        let mut sum = Wide { high: high >> 1, low: (high << 63) | (low >> 1) };
        if let Some(z) = addend {
            let mut other = Wide { high: z.significand >> 1, low: z.significand.lit(0) };
            if z.exponent.lt_signed(exponent) {
                other = other.shift_right_sticky(exponent - z.exponent);
            } else {
                sum = sum.shift_right_sticky(z.exponent - exponent);
                exponent = z.exponent;
            }
            sum = if sign == z.sign {
                sum.plus(other)
            } else if sum.less_than(&other) {
                sign = z.sign;
                other.minus(sum)
            } else {
                sum.minus(other)
            };
        }
        if sum.high.is_zero() {
            if sum.low.is_zero() {
                return self.cancelled::<F>();
            }
            sum = Wide { high: sum.low, low: sum.high };
            exponent = exponent - 64;
        }
        let zeros = sum.high.leading_zeros();
        let mut significand = sum.high << zeros;
        if zeros != 0 {
            significand = significand | (sum.low >> (64 - zeros));
        }
        significand = significand | (!(sum.low << zeros).is_zero()) as u64;
        exponent = exponent + 1 - zeros - halvings;
        self.round::<F>(Number { sign, exponent, significand })
    }
}

/// Whether the product is infinity times zero.
#[inline(always)]
fn undefined_product<A>(x: &Operand<'_, A>, y: &Operand<'_, A>) -> bool {
    (x.is_infinite() && y.is_zero()) || (x.is_zero() && y.is_infinite())
}
