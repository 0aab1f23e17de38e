//! Exponential function and natural logarithm.

use crate::float::{magnitude, round};
use crate::network::{FRACTION, Network};

/// log2(e) with 62 fraction bits, rounded to nearest.
const LOG2_E: u64 = 0x5c55_1d94_ae0b_f85e;
/// ln(2) with 54 fraction bits, rounded to nearest.
const LN_2: i64 = 0x2c_5c85_fdf4_73de;
/// Fraction bits of an argument divided by ln(2).
const WIDE: i32 = 40;

/// e to the power of `x`, within [`crate::Function::bound`] for every `x`: infinity and zero where the
/// result is beyond single precision.
///
/// With `x log2(e) = k + f`, `k` an integer and `f` in [0, 1), the network gives `2^f`.
#[inline]
pub fn exp(network: &Network, x: f32) -> f32 {
    if x.is_nan() {
        return f32::NAN;
    }
    if x.abs() >= 128.0 {
        return if x.is_sign_negative() { 0.0 } else { f32::INFINITY };
    }
    let scaled = magnitude(x).map_or(0, |m| {
        let product = u128::from(m.significand) * u128::from(LOG2_E);
        // The exponent is at most -17, so that this shifts to the right.
        product.unbounded_shr((62 - WIDE - m.exponent) as u32) as i64
    });
    let scaled = if x.is_sign_negative() { -scaled } else { scaled };
    let (whole, fraction) = (scaled >> WIDE, scaled & ((1 << WIDE) - 1));
    let t = (fraction >> (WIDE - FRACTION as i32)) as i32;
    round(false, network.evaluate(t) as u64, whole as i32 - FRACTION as i32)
}

/// The natural logarithm, within [`crate::Function::bound`] for every `x`: minus infinity of zeros, NaN
/// below.
///
/// With `x = 2^k (1 + s)`, `s` in [-1/4, 1/2), the network gives `log(1 + s) / s` as a function of
/// `s + 1/4`, which keeps logarithms of numbers near one accurate.
#[inline]
pub fn log(network: &Network, x: f32) -> f32 {
    let Some(m) = magnitude(x) else { return f32::NEG_INFINITY };
    if x.is_nan() || x.is_sign_negative() {
        return f32::NAN;
    }
    if x.is_infinite() {
        return x;
    }
    let upper = i32::from(m.significand >= 3 << 22);
    let exponent = m.exponent + 23 + upper;
    // 24 fraction bits.
    let s = ((m.significand as i32) << (1 - upper)) - (1 << 24);
    let t = (s + (1 << 22)) << (FRACTION - 24);
    // Both terms have 54 fraction bits.
    let sum = i64::from(exponent) * LN_2 + i64::from(s) * network.evaluate(t);
    round(sum < 0, sum.unsigned_abs(), -54)
}
