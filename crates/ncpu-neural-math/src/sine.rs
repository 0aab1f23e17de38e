//! Sine and cosine of any finite number.
//!
//! The argument is divided by pi/2 exactly enough for every single-precision number, with as many bits
//! of 2/pi as its exponent asks for (Payne and Hanek 1983). With `r` the distance from the nearest whole
//! number of quarter turns, networks give `sin(pi r / 2) / r` and `cos(pi r / 2)` as functions of
//! `4 r^2`, in which both are smooth; the first keeps sines of small angles accurate.

use crate::float::{Magnitude, magnitude, round};
use crate::network::Network;

/// The first 256 bits of 2/pi after the binary point.
const TWO_OVER_PI: [u64; 4] =
    [0xa2f9_836e_4e44_1529, 0xfc27_57d1_f534_ddc0, 0xdb62_9599_3c43_9041, 0xfe51_63ab_debb_c561];
/// Bits after the binary point that a window into them has.
const WINDOW: i32 = 94;
/// Below 2 to this, a number is its sine but for a relative error of 2^-30.
const SMALL: i32 = -14;

/// A number of quarter turns, and what is left: between -1/2 and 1/2, with 64 fraction bits.
struct Turns {
    quarters: u32,
    rest: i64,
}

/// `floor(2/pi * 2^shift)` modulo 2^96.
#[inline]
fn window(shift: i32) -> u128 {
    if shift <= 0 {
        return 0;
    }
    // The window's last bit is bit `shift` after the point, counted from one.
    let (word, bit) = ((shift as usize - 1) / 64, (shift as u32 - 1) % 64);
    let at = |word: usize| u128::from(TWO_OVER_PI.get(word).copied().unwrap_or(0));
    let before = |back: usize| if word >= back { at(word - back) } else { 0 };
    let low = before(1) << 64 | before(0);
    let value = low >> (63 - bit) | before(2).unbounded_shl(65 + bit);
    value & ((1 << 96) - 1)
}

/// Divides by pi/2. The error of the rest is below 2^-63.
#[inline]
fn turns(m: Magnitude) -> Turns {
    // significand * 2^exponent * 2/pi; multiples of 4 do not matter.
    let product = (u128::from(m.significand) * window(m.exponent + WINDOW)) & ((1 << 96) - 1);
    let fraction = (product >> (WINDOW - 64)) as u64;
    let quarters = (product >> WINDOW) as u32;
    Turns { quarters: quarters + (fraction >> 63) as u32, rest: fraction as i64 }
}

/// The sine of an angle in quarter turns.
#[inline]
fn folded(sin: &Network, cos: &Network, Turns { quarters, rest }: Turns) -> f32 {
    let negative = quarters & 2 != 0;
    let size = rest.unsigned_abs();
    let root = size >> 32;
    let t = ((root * root) >> 32) as i32;
    if quarters & 1 == 1 {
        return round(negative, cos.evaluate(t) as u64, -30);
    }
    // 32 bits of the angle from its first one.
    let zeros = size.leading_zeros();
    let leading = size.unbounded_shl(zeros) >> 32;
    round(negative ^ (rest < 0), leading * sin.evaluate(t) as u64, -62 - zeros as i32)
}

/// The sine, within [`crate::Function::bound`] for every finite `x`; NaN for others.
///
/// That of `-x` is that of `x` with the other sign.
#[inline]
pub fn sin(sin: &Network, cos: &Network, x: f32) -> f32 {
    let Some(m) = magnitude(x) else { return x };
    if !x.is_finite() {
        return f32::NAN;
    }
    if m.exponent + 24 <= SMALL {
        return x;
    }
    let sine = folded(sin, cos, turns(m));
    if x.is_sign_negative() { -sine } else { sine }
}

/// The cosine, within [`crate::Function::bound`] for every finite `x`; NaN for others.
///
/// That of `-x` is that of `x`: only the magnitude is used.
#[inline]
pub fn cos(sin: &Network, cos: &Network, x: f32) -> f32 {
    let Some(m) = magnitude(x) else { return 1.0 };
    if !x.is_finite() {
        return f32::NAN;
    }
    let Turns { quarters, rest } = turns(m);
    folded(sin, cos, Turns { quarters: quarters + 1, rest })
}
