//! Comparison, minimum and maximum.
//!
//! These need no unpacking: as sign and magnitude, the bits of numbers are in numeric order.

use super::operand::{Class, Operand};
use super::{FPSR_IOC, Format, Fp, host};
use crate::{Alu, Nzcv};

/// Flags of the four outcomes of a comparison (Arm ARM, `FPCompare`).
const LESS: Nzcv = 0b1000;
const EQUAL: Nzcv = 0b0110;
const GREATER: Nzcv = 0b0010;
const UNORDERED: Nzcv = 0b0011;

impl<'a, A: Alu> Fp<'a, A> {
    /// Flags of comparing `a` with `b` (`FPCompare`): FCMP, or FCMPE where quiet NaNs signal too.
    #[inline(always)]
    pub fn compare<F: Format>(&mut self, a: u64, b: u64, signal_nans: bool) -> Nzcv {
        match self.compare_at_once::<F>(a, b) {
            Some(flags) => flags,
            None => self.compare_exactly::<F>(a, b, signal_nans),
        }
    }

    /// [`Fp::compare`], if the host gives it: neither is a NaN.
    #[inline(always)]
    pub fn compare_at_once<F: Format>(&self, a: u64, b: u64) -> Option<Nzcv> {
        if !self.host_rounds_alike() {
            return None;
        }
        host::compare::<F>(a, b).map(|order| match order {
            core::cmp::Ordering::Less => LESS,
            core::cmp::Ordering::Equal => EQUAL,
            core::cmp::Ordering::Greater => GREATER,
        })
    }

    /// Whether `a == b`; quiet NaNs do not signal (`FPCompareEQ`).
    #[inline(always)]
    pub fn compare_eq<F: Format>(&mut self, a: u64, b: u64) -> bool {
        self.compare::<F>(a, b, false) == EQUAL
    }

    /// Whether `a >= b`; every NaN signals (`FPCompareGE`).
    #[inline(always)]
    pub fn compare_ge<F: Format>(&mut self, a: u64, b: u64) -> bool {
        matches!(self.compare::<F>(a, b, true), EQUAL | GREATER)
    }

    /// Whether `a > b`; every NaN signals (`FPCompareGT`).
    #[inline(always)]
    pub fn compare_gt<F: Format>(&mut self, a: u64, b: u64) -> bool {
        self.compare::<F>(a, b, true) == GREATER
    }

    #[inline(never)]
    fn compare_exactly<F: Format>(&mut self, a: u64, b: u64, signal_nans: bool) -> Nzcv {
        let x = self.unpack::<F>(a);
        let y = self.unpack::<F>(b);
        if x.is_nan() || y.is_nan() {
            if signal_nans || x.class == Class::Signalling || y.class == Class::Signalling {
                self.raise(FPSR_IOC);
            }
            UNORDERED
        } else if self.less::<F>(&x, &y) {
            LESS
        } else if self.less::<F>(&y, &x) {
            GREATER
        } else {
            EQUAL
        }
    }

    /// `x < y`, neither a NaN. The class counts, not the bits, where an input was flushed to zero.
    fn less<F: Format>(&self, x: &Operand<'a, A>, y: &Operand<'a, A>) -> bool {
        if x.is_zero() && y.is_zero() {
            return false;
        }
        if x.sign() != y.sign() {
            return x.sign();
        }
        let magnitude =
            |v: &Operand<'a, A>| self.word(if v.is_zero() { 0 } else { self.abs::<F>(v.bits) });
        let (p, q) = (magnitude(x), magnitude(y));
        if x.sign() { q < p } else { p < q }
    }

    /// The larger operand, a NaN if there is one; `+0` is above `-0` (`FPMax`).
    pub fn max<F: Format>(&mut self, a: u64, b: u64) -> u64 {
        self.extreme::<F>(a, b, false)
    }

    /// The smaller operand, a NaN if there is one; `-0` is below `+0` (`FPMin`).
    pub fn min<F: Format>(&mut self, a: u64, b: u64) -> u64 {
        self.extreme::<F>(a, b, true)
    }

    /// As [`Fp::max`], but a number wins over a quiet NaN (`FPMaxNum`).
    pub fn max_num<F: Format>(&mut self, a: u64, b: u64) -> u64 {
        let (a, b) = numbers_first::<F>(a, b, F::INFINITY | F::SIGN);
        self.extreme::<F>(a, b, false)
    }

    /// As [`Fp::min`], but a number wins over a quiet NaN (`FPMinNum`).
    pub fn min_num<F: Format>(&mut self, a: u64, b: u64) -> u64 {
        let (a, b) = numbers_first::<F>(a, b, F::INFINITY);
        self.extreme::<F>(a, b, true)
    }

    #[inline(never)]
    fn extreme<F: Format>(&mut self, a: u64, b: u64, least: bool) -> u64 {
        let x = self.unpack::<F>(a);
        let y = self.unpack::<F>(b);
        if let Some(nan) = self.first_nan::<F, 2>([&x, &y]) {
            return nan;
        }
        let first = if least { self.less::<F>(&x, &y) } else { self.less::<F>(&y, &x) };
        let chosen = if first { &x } else { &y };
        if chosen.is_zero() {
            let sign = if least { x.sign() | y.sign() } else { x.sign() & y.sign() };
            return F::signed(sign, 0);
        }
        chosen.bits
    }
}

/// A single quiet NaN is replaced by the value that cannot win.
fn numbers_first<F: Format>(a: u64, b: u64, losing: u64) -> (u64, u64) {
    let quiet = |v: u64| F::exponent(v) == F::EXP_MAX && v & F::QUIET != 0;
    match (quiet(a), quiet(b)) {
        (true, false) => (losing, b),
        (false, true) => (a, losing),
        _ => (a, b),
    }
}
