//! `atan2`: pairs of arguments are too many to try, so that its bound is an argument over the network,
//! which is tried on every input that it can have.
//!
//! Let `q` be the smaller coordinate divided by the larger, by absolute value.
//!
//! 1. The integer division gives 32 or 33 bits, rounded down: `q` is low by less than a relative 2^-31.
//! 2. The network's input is low of `q^2` by less than 2^-29: `q` cut to 31 fraction bits is low by less
//!    than 2^-31, its square by less than 2^-30, and that is cut to 30 fraction bits.
//! 3. The derivative of `atan(sqrt t) / sqrt t` is between -1/3 and 0 on [0, 1], and its value at least
//!    pi/4: this changes it by less than a relative `2^-29 / 3 / (pi/4)`.
//! 4. The network's own relative error `n` is measured on all `2^30 + 1` inputs.
//! 5. The product of ratio and output is exact. So the angle has a relative error below `e`, the sum of
//!    these, times 1 + 2^-20 for their products.
//! 6. A result of the first octant is the angle, correctly rounded: half a unit more. Its value is less
//!    than 2^24 of its units, so that the error is below `1/2 + 2^24 e` units. In other octants, the angle
//!    is at most pi/4 and the result at least that, so that the same holds with `2^-36` for constants and
//!    cuts of 2^-61.
//!
//! Pairs that cover all octants and exponents are compared directly besides.

use super::reference::units;
use super::sweep::{Worst, sweep};
use crate::network::{FRACTION, ONE};
use crate::{NetworkId, Networks};
use core::f64::consts::FRAC_PI_4;

/// Inputs of the network.
pub(super) const INPUTS: u64 = ONE as u64 + 1;
/// Pairs that are compared besides.
pub(super) const PAIRS: u64 = 1 << 24;

/// What is known of `atan2`.
pub(super) struct Measured {
    /// No result has a larger error, in units of the last place.
    pub(super) bound: f64,
    /// Where the network's relative error is largest.
    pub(super) network: Worst,
    /// The worst of the pairs.
    pub(super) pair: Worst,
}

/// The arguments (y, x) of a pair: mostly anywhere, at times with near exponents, where the angle is far
/// from the axes, and at times special.
pub(super) fn pair(number: u64) -> (f32, f32) {
    // SplitMix64 (Steele, Lea and Flood 2014).
    let mut z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    let (y, x) = ((z >> 32) as u32, z as u32);
    const SPECIAL: [u32; 7] = [0, 1, 0x80_0000, 0x3f80_0000, 0x7f7f_ffff, 0x7f80_0000, 0x7fc0_0000];
    let special = |bits: u32| bits & 1 << 31 | SPECIAL[(bits % 7) as usize];
    let (y, x) = match number % 8 {
        0 | 1 => (y, x),
        2..=6 => {
            let exponent = ((x >> 23 & 0xff) + (y >> 23) % 17).saturating_sub(8).min(254);
            (y & 0x807f_ffff | exponent << 23, x)
        }
        _ if number & 8 == 0 => (special(y), x),
        _ => (special(y), special(x)),
    };
    (f32::from_bits(y), f32::from_bits(x))
}

/// The relative error of the network at an input.
fn relative(networks: &Networks, t: u64) -> f64 {
    let output = networks.get(NetworkId::Atan).evaluate(t as i32) as f64 / ONE as f64;
    let q = (t as f64 / ONE as f64).sqrt();
    let exact = if t == 0 { 1.0 } else { libm::atan(q) / q };
    (output / exact - 1.0).abs()
}

pub(super) fn measure(
    networks: &Networks,
    step: u64,
    threads: usize,
    done: impl Fn(u64) + Sync,
) -> Measured {
    let [network] = sweep(0..INPUTS, step, threads, |t| [relative(networks, t)], &done);
    let compare = |number| {
        let (y, x) = pair(number);
        [units(networks.atan2(y, x), libm::atan2(y.into(), x.into()))]
    };
    let [pair] = sweep(0..PAIRS, step, threads, compare, &done);
    let division = 1.0 / (1u64 << 31) as f64;
    let input = 2.0 / (1u64 << FRACTION) as f64 / 3.0 / FRAC_PI_4;
    let angle = (network.error + division + input) * (1.0 + 1.0 / (1 << 20) as f64);
    let bound = 0.5 + (1 << 24) as f64 * angle + 1.0 / (1u64 << 36) as f64;
    Measured { bound, network, pair }
}
