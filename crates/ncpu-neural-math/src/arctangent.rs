//! The angle of a point.

use crate::float::{Magnitude, magnitude, round};
use crate::network::{FRACTION, Network};

/// pi with 61 fraction bits, rounded to nearest.
const PI: u64 = 0x6487_ed51_10b4_611a;
/// Fraction bits of angles that are put together.
const ANGLE: i32 = 61;
/// Fraction bits of a ratio's significand.
const RATIO: i32 = 32;

/// A ratio between 0 and 1: `significand * 2^-(RATIO + down)`; the significand is zero or in
/// (2^31, 2^33).
#[derive(Clone, Copy)]
struct Ratio {
    significand: u64,
    down: u32,
}

/// The angle of the smaller coordinate's side.
#[derive(Clone, Copy)]
struct Angle {
    /// At most 2^63.
    significand: u64,
    exponent: i32,
}

impl Angle {
    /// With [`ANGLE`] fraction bits; at most pi/4.
    #[inline]
    fn fixed(self) -> u64 {
        self.significand.unbounded_shr((-ANGLE - self.exponent) as u32)
    }
}

/// Divides the smaller by the larger. The result is low by less than a relative 2^-31.
#[inline]
fn ratio(small: Magnitude, large: Magnitude) -> Ratio {
    let significand = (u64::from(small.significand) << RATIO) / u64::from(large.significand);
    Ratio { significand, down: (large.exponent - small.exponent) as u32 }
}

/// The network's input for a ratio: its square.
#[inline]
fn input(ratio: Ratio) -> i32 {
    // 31 fraction bits, so that the square of one fits.
    let root = ratio.significand.unbounded_shr(ratio.down + 1);
    ((root * root) >> (62 - FRACTION)) as i32
}

/// The arctangent of a ratio: the ratio times the network's output.
#[inline]
fn arctangent(network: &Network, ratio: Ratio) -> Angle {
    let significand = ratio.significand * network.evaluate(input(ratio)) as u64;
    Angle { significand, exponent: -RATIO - 30 - ratio.down as i32 }
}

/// The angle of the point (x, y) from the positive x axis, between -pi and pi, within
/// [`crate::Function::bound`]; NaN if one of them is. Zeros and infinities as in C (ISO C23 F.10.1.4).
///
/// The network gives `atan(q) / q` as a function of `q^2`, where `q` is the smaller coordinate divided
/// by the larger, by absolute value; octants are folded.
#[inline]
pub fn atan2(network: &Network, y: f32, x: f32) -> f32 {
    if x.is_nan() || y.is_nan() {
        return f32::NAN;
    }
    let steep = y.abs() > x.abs();
    let (small, large) = if steep { (x, y) } else { (y, x) };
    let ratio = match (magnitude(small), magnitude(large)) {
        _ if small.is_infinite() => Ratio { significand: 1 << RATIO, down: 0 },
        _ if large.is_infinite() => Ratio { significand: 0, down: 0 },
        (Some(small), Some(large)) => ratio(small, large),
        _ => Ratio { significand: 0, down: 0 },
    };
    let angle = arctangent(network, ratio);
    let negative = y.is_sign_negative();
    match (steep, x.is_sign_negative()) {
        (false, false) => round(negative, angle.significand, angle.exponent),
        (true, false) => round(negative, PI / 2 - angle.fixed(), -ANGLE),
        (true, true) => round(negative, PI / 2 + angle.fixed(), -ANGLE),
        (false, true) => round(negative, PI - angle.fixed(), -ANGLE),
    }
}
