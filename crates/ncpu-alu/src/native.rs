//! The ALU that is Rust's own integer arithmetic.

use crate::{Alu, Nzcv};

/// Rust's integer arithmetic; zero-sized, and free once inlined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NativeAlu;

impl Alu for NativeAlu {
    #[inline(always)]
    fn add(&self, a: u64, b: u64) -> u64 {
        a.wrapping_add(b)
    }
    #[inline(always)]
    fn sub(&self, a: u64, b: u64) -> u64 {
        a.wrapping_sub(b)
    }
    #[inline(always)]
    fn add_with_carry(&self, a: u64, b: u64, carry: bool) -> (u64, Nzcv) {
        // With carry it is the subtraction of the complement, whose flags hosts have at hand; C says
        // that there was no borrow.
        let ((sum, c), v) = if carry {
            let (sum, borrow) = a.overflowing_sub(!b);
            ((sum, !borrow), (a as i64).overflowing_sub(!b as i64).1)
        } else {
            (a.overflowing_add(b), (a as i64).overflowing_add(b as i64).1)
        };
        let nzcv = (sum >> 63) << 3 | ((sum == 0) as u64) << 2 | (c as u64) << 1 | v as u64;
        (sum, nzcv)
    }
    #[inline(always)]
    fn add_with_carry32(&self, a: u64, b: u64, carry: bool) -> (u64, Nzcv) {
        let (a, b) = (a as u32, b as u32);
        let ((sum, c), v) = if carry {
            let (sum, borrow) = a.overflowing_sub(!b);
            ((sum, !borrow), (a as i32).overflowing_sub(!b as i32).1)
        } else {
            (a.overflowing_add(b), (a as i32).overflowing_add(b as i32).1)
        };
        let sum = sum as u64;
        let nzcv = (sum >> 31) << 3 | ((sum == 0) as u64) << 2 | (c as u64) << 1 | v as u64;
        (sum, nzcv)
    }
    #[inline(always)]
    fn mul(&self, a: u64, b: u64) -> u64 {
        a.wrapping_mul(b)
    }
    #[inline(always)]
    fn umulh(&self, a: u64, b: u64) -> u64 {
        ((a as u128 * b as u128) >> 64) as u64
    }
    #[inline(always)]
    fn smulh(&self, a: u64, b: u64) -> u64 {
        ((a as i64 as i128 * b as i64 as i128) >> 64) as u64
    }
    #[inline(always)]
    fn udiv(&self, a: u64, b: u64) -> u64 {
        a.checked_div(b).unwrap_or(0)
    }
    #[inline(always)]
    fn sdiv(&self, a: u64, b: u64) -> u64 {
        if b == 0 { 0 } else { (a as i64).wrapping_div(b as i64) as u64 }
    }
    #[inline(always)]
    fn and(&self, a: u64, b: u64) -> u64 {
        a & b
    }
    #[inline(always)]
    fn or(&self, a: u64, b: u64) -> u64 {
        a | b
    }
    #[inline(always)]
    fn xor(&self, a: u64, b: u64) -> u64 {
        a ^ b
    }
    #[inline(always)]
    fn not(&self, a: u64) -> u64 {
        !a
    }
    #[inline(always)]
    fn shl(&self, a: u64, n: u64) -> u64 {
        a.wrapping_shl(n as u32)
    }
    #[inline(always)]
    fn lshr(&self, a: u64, n: u64) -> u64 {
        a.wrapping_shr(n as u32)
    }
    #[inline(always)]
    fn ashr(&self, a: u64, n: u64) -> u64 {
        (a as i64).wrapping_shr(n as u32) as u64
    }
    #[inline(always)]
    fn ror(&self, a: u64, n: u64) -> u64 {
        a.rotate_right(n as u32 & 63)
    }
    #[inline(always)]
    fn ror32(&self, a: u64, n: u64) -> u64 {
        (a as u32).rotate_right(n as u32 & 31) as u64
    }
    #[inline(always)]
    fn clz(&self, a: u64) -> u64 {
        a.leading_zeros() as u64
    }
    #[inline(always)]
    fn rbit(&self, a: u64) -> u64 {
        a.reverse_bits()
    }
    #[inline(always)]
    fn popcount(&self, a: u64) -> u64 {
        a.count_ones() as u64
    }
    #[inline(always)]
    fn eq(&self, a: u64, b: u64) -> bool {
        a == b
    }
    #[inline(always)]
    fn ltu(&self, a: u64, b: u64) -> bool {
        a < b
    }
    #[inline(always)]
    fn lts(&self, a: u64, b: u64) -> bool {
        (a as i64) < (b as i64)
    }

    const HOST_FLOAT: bool = true;
}
