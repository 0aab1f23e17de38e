//! Square root: that of the significand by the network, half of the exponent beside it.

use crate::float::{magnitude, round};
use crate::network::Network;

/// The square root of 2 with 31 fraction bits, rounded to nearest.
const SQRT_2: u64 = 0xb504_f334;

/// The square root, within [`crate::Function::bound`] for every `x`; NaN below zero. As IEEE 754 has
/// it, the root of -0 is -0.
///
/// With `x = t 4^h` or `x = 2 t 4^h`, `t` in [1/2, 1), the network gives the root of `t`.
#[inline]
pub fn sqrt(network: &Network, x: f32) -> f32 {
    let Some(m) = magnitude(x) else { return x };
    if x.is_nan() || x.is_sign_negative() {
        return f32::NAN;
    }
    if x.is_infinite() {
        return x;
    }
    let exponent = m.exponent + 24;
    let root = network.evaluate((m.significand << 6) as i32) as u64;
    let factor = if exponent & 1 == 1 { SQRT_2 } else { 1 << 31 };
    round(false, root * factor, (exponent >> 1) - 61)
}
