//! Operators for values that are computed by an [`Alu`].

use crate::Alu;
use core::cmp::Ordering;
use core::ops::{Add, BitAnd, BitOr, BitXor, Mul, Not, Shl, Shr, Sub};

/// A 64-bit unsigned value bound to the ALU that computes with it.
///
/// `+`, `-`, `*`, `&`, `|`, `^`, `!`, `<<`, `>>` (logical) and comparisons (unsigned) are that ALU's
/// operations modulo 2^64, so algorithms read like integer code and still have no arithmetic of
/// their own.
pub struct Word<'a, A>(u64, &'a A);

impl<A> Clone for Word<'_, A> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}
impl<A> Copy for Word<'_, A> {}

impl<'a, A: Alu> Word<'a, A> {
    /// Binds `value` to `alu`.
    #[inline(always)]
    pub fn new(alu: &'a A, value: u64) -> Self {
        Word(value, alu)
    }
    /// The plain value.
    #[inline(always)]
    pub fn get(self) -> u64 {
        self.0
    }
    /// The ALU that this value is bound to.
    #[inline(always)]
    pub fn alu(self) -> &'a A {
        self.1
    }
    /// `value` bound to the same ALU.
    #[inline(always)]
    pub fn lit(self, value: u64) -> Self {
        Word(value, self.1)
    }
    /// High 64 bits of the unsigned product.
    #[inline(always)]
    pub fn mul_high(self, rhs: Self) -> Self {
        Word(self.1.umulh(self.0, rhs.0), self.1)
    }
    /// Arithmetic shift right, `n < 64`.
    #[inline(always)]
    pub fn ashr(self, n: u64) -> Self {
        Word(self.1.ashr(self.0, n), self.1)
    }
    /// Leading zero bits.
    #[inline(always)]
    pub fn leading_zeros(self) -> u64 {
        self.1.clz(self.0)
    }
    /// Unsigned quotient; zero when `rhs` is zero.
    #[inline(always)]
    pub fn quotient(self, rhs: Self) -> Self {
        Word(self.1.udiv(self.0, rhs.0), self.1)
    }
    /// Signed `self < rhs`.
    #[inline(always)]
    pub fn lt_signed(self, rhs: Self) -> bool {
        self.1.lts(self.0, rhs.0)
    }
    /// Whether every bit is zero.
    #[inline(always)]
    pub fn is_zero(self) -> bool {
        self.1.eq(self.0, 0)
    }
}

macro_rules! binary {
    ($($op:ident $method:ident $alu:ident;)*) => {$(
        impl<A: Alu> $op for Word<'_, A> {
            type Output = Self;
            #[inline(always)]
            fn $method(self, rhs: Self) -> Self {
                Word(self.1.$alu(self.0, rhs.0), self.1)
            }
        }
        impl<A: Alu> $op<u64> for Word<'_, A> {
            type Output = Self;
            #[inline(always)]
            fn $method(self, rhs: u64) -> Self {
                Word(self.1.$alu(self.0, rhs), self.1)
            }
        }
    )*};
}
binary! {
    Add add add;
    Sub sub sub;
    Mul mul mul;
    BitAnd bitand and;
    BitOr bitor or;
    BitXor bitxor xor;
    Shl shl shl;
    Shr shr lshr;
}

impl<A: Alu> Not for Word<'_, A> {
    type Output = Self;
    #[inline(always)]
    fn not(self) -> Self {
        Word(self.1.not(self.0), self.1)
    }
}

impl<A: Alu> PartialEq for Word<'_, A> {
    #[inline(always)]
    fn eq(&self, rhs: &Self) -> bool {
        self.1.eq(self.0, rhs.0)
    }
}
impl<A: Alu> PartialEq<u64> for Word<'_, A> {
    #[inline(always)]
    fn eq(&self, rhs: &u64) -> bool {
        self.1.eq(self.0, *rhs)
    }
}
impl<A: Alu> PartialOrd for Word<'_, A> {
    #[inline(always)]
    fn partial_cmp(&self, rhs: &Self) -> Option<Ordering> {
        self.partial_cmp(&rhs.0)
    }
    #[inline(always)]
    fn lt(&self, rhs: &Self) -> bool {
        self.1.ltu(self.0, rhs.0)
    }
}
impl<A: Alu> PartialOrd<u64> for Word<'_, A> {
    #[inline(always)]
    fn partial_cmp(&self, rhs: &u64) -> Option<Ordering> {
        Some(if self.1.ltu(self.0, *rhs) {
            Ordering::Less
        } else if self.1.eq(self.0, *rhs) {
            Ordering::Equal
        } else {
            Ordering::Greater
        })
    }
    #[inline(always)]
    fn lt(&self, rhs: &u64) -> bool {
        self.1.ltu(self.0, *rhs)
    }
}
