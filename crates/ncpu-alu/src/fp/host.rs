//! Shortcuts through the host's floating point.
//!
//! The host rounds to nearest, keeps denormals and does not tell which exceptions occurred; the
//! callers have checked that FPCR asks for the same rounding and no flushing. A shortcut is taken
//! only where the result is a number and no flag can be missed:
//!
//! - *inexact* either is set in FPSR already (`inexact_already`), or the operation is shown exact;
//! - *underflow* cannot occur above the smallest normal exponent, nor in any sum (IEEE 754: a tiny
//!   sum is exact);
//! - *overflow*, *division by zero* and *invalid* give an infinity or a NaN, which is never accepted.
//!
//! `None` sends the caller to the integer algorithm. Half precision always goes there.

use super::{Double, Format, Half, Single};
use core::cmp::Ordering;

macro_rules! shortcuts {
    ($module:ident, $float:ident, $bits:ident, $format:ident) => {
        mod $module {
            use super::*;

            type F = $format;

            /// Whether the exponent is above the smallest normal one and the value is finite.
            #[inline(always)]
            pub(super) fn clearly_normal(x: $float) -> bool {
                F::exponent(x.to_bits() as u64).wrapping_sub(2) < F::EXP_MAX - 2
            }

            /// Whether the exact product of two numbers fits the significand, by the zeros at the
            /// end of both.
            #[inline(always)]
            pub(super) fn product_fits(x: $float, y: $float) -> bool {
                let hidden = 1 << F::FRAC_BITS;
                let zeros = |v: $float| (v.to_bits() | hidden).trailing_zeros();
                zeros(x) + zeros(y) > F::FRAC_BITS
            }

            /// The rounding error of a finite sum, exactly (Knuth, TAOCP volume 2, §4.2.2, theorem B).
            #[inline(always)]
            pub(super) fn sum_error(x: $float, y: $float, sum: $float) -> $float {
                let part = sum - x;
                (x - (sum - part)) + (y - part)
            }

            #[inline(always)]
            fn accept(x: $float) -> Option<u64> {
                Some(x.to_bits() as u64)
            }

            #[inline(always)]
            pub(super) fn add(
                a: u64,
                b: u64,
                subtract: bool,
                inexact_already: bool,
            ) -> Option<u64> {
                let x = $float::from_bits(a as $bits);
                let y = $float::from_bits(b as $bits);
                let y = if subtract { -y } else { y };
                let sum = x + y;
                let no_flag = sum.is_finite() && (inexact_already || sum_error(x, y, sum) == 0.0);
                if no_flag { accept(sum) } else { None }
            }

            #[inline(always)]
            pub(super) fn mul(a: u64, b: u64, inexact_already: bool) -> Option<u64> {
                let x = $float::from_bits(a as $bits);
                let y = $float::from_bits(b as $bits);
                let product = x * y;
                let exact_zero = product == 0.0 && (x == 0.0 || y == 0.0);
                let no_flag = clearly_normal(product) && (inexact_already || product_fits(x, y));
                if no_flag || exact_zero { accept(product) } else { None }
            }

            #[inline(always)]
            pub(super) fn div(a: u64, b: u64, inexact_already: bool) -> Option<u64> {
                let x = $float::from_bits(a as $bits);
                let y = $float::from_bits(b as $bits);
                let quotient = x / y;
                let exact = || clearly_normal(x) && product_fits(quotient, y) && quotient * y == x;
                let exact_zero = quotient == 0.0 && x == 0.0;
                let no_flag = clearly_normal(quotient) && (inexact_already || exact());
                if no_flag || exact_zero { accept(quotient) } else { None }
            }

            /// The square root of a number that is positive (never underflows).
            #[inline(always)]
            pub(super) fn sqrt(a: u64, inexact_already: bool) -> Option<u64> {
                let x = $float::from_bits(a as $bits);
                // Rounding a double-precision root to single once more is harmless (Figueroa, "When
                // is double rounding innocuous?", 1995).
                let root = standard::sqrt(x as f64)? as $float;
                let exact = || clearly_normal(x) && product_fits(root, root) && root * root == x;
                let no_flag = clearly_normal(root) && (inexact_already || exact());
                if no_flag { accept(root) } else { None }
            }

            #[inline(always)]
            pub(super) fn compare(a: u64, b: u64) -> Option<Ordering> {
                $float::from_bits(a as $bits).partial_cmp(&$float::from_bits(b as $bits))
            }

            /// Truncation to a signed 64-bit integer, where that is in range.
            #[inline(always)]
            pub(super) fn truncate(a: u64, inexact_already: bool) -> Option<i64> {
                const LIMIT: $float = (1_u64 << 62) as $float;
                let x = $float::from_bits(a as $bits);
                if !(-LIMIT < x && x < LIMIT) {
                    return None;
                }
                let integer = x as i64;
                (inexact_already || integer as $float == x).then_some(integer)
            }

            #[inline(always)]
            pub(super) fn from_int(integer: i64, may_round: bool) -> Option<u64> {
                let exact = integer.unsigned_abs() >> (F::FRAC_BITS + 1) == 0;
                if exact || may_round { accept(integer as $float) } else { None }
            }

            #[inline(always)]
            pub(super) fn from_double(x: f64, inexact_already: bool) -> Option<u64> {
                let narrow = x as $float;
                let no_flag = clearly_normal(narrow) && (inexact_already || narrow as f64 == x);
                if no_flag || x == 0.0 { accept(narrow) } else { None }
            }
        }
    };
}

shortcuts!(single, f32, u32, Single);
shortcuts!(double, f64, u64, Double);

/// `z + x * y` in single precision: the product is exact in double precision.
#[inline(always)]
fn mul_add_single(z: u64, x: u64, y: u64, inexact_already: bool) -> Option<u64> {
    let [x, y, z] = [x, y, z].map(|v| f32::from_bits(v as u32) as f64);
    let product = x * y;
    let sum = product + z;
    // Rounding twice errs only where the first rounding gave a tie of the second.
    const LOST: u64 = u64::MAX >> (64 - (Double::FRAC_BITS - Single::FRAC_BITS));
    if sum.to_bits() & LOST == LOST / 2 + 1 {
        return None;
    }
    let exact_so_far = inexact_already || double::sum_error(product, z, sum) == 0.0;
    if exact_so_far { single::from_double(sum, inexact_already) } else { None }
}

/// `z + x * y` in double precision.
#[inline(always)]
fn mul_add_double(z: u64, x: u64, y: u64, inexact_already: bool) -> Option<u64> {
    let [x, y, z] = [x, y, z].map(f64::from_bits);
    if inexact_already
        && let Some(sum) = standard::mul_add(x, y, z)
        && double::clearly_normal(sum)
    {
        return Some(sum.to_bits());
    }
    let product = x * y;
    let product_exact =
        (double::clearly_normal(product) && double::product_fits(x, y)) || x == 0.0 || y == 0.0;
    let sum = product + z;
    let sum_exact = || double::sum_error(product, z, sum) == 0.0;
    let no_flag = product_exact && sum.is_finite() && (inexact_already || sum_exact());
    no_flag.then_some(sum.to_bits())
}

/// Correctly rounded operations that only the standard library offers.
#[cfg(feature = "std")]
mod standard {
    extern crate std;

    #[inline(always)]
    pub(super) fn sqrt(x: f64) -> Option<f64> {
        Some(x.sqrt())
    }

    #[inline(always)]
    pub(super) fn mul_add(x: f64, y: f64, z: f64) -> Option<f64> {
        Some(x.mul_add(y, z))
    }
}

/// GPUs have instructions for them (PTX ISA, `sqrt.rn` and `fma.rn`).
#[cfg(all(not(feature = "std"), target_arch = "nvptx64"))]
mod standard {
    use core::f64::math;

    #[inline(always)]
    pub(super) fn sqrt(x: f64) -> Option<f64> {
        Some(math::sqrt(x))
    }

    #[inline(always)]
    pub(super) fn mul_add(x: f64, y: f64, z: f64) -> Option<f64> {
        Some(math::mul_add(x, y, z))
    }
}

/// Elsewhere, the integer algorithms serve.
#[cfg(not(any(feature = "std", target_arch = "nvptx64")))]
mod standard {
    #[inline(always)]
    pub(super) fn sqrt(_: f64) -> Option<f64> {
        None
    }

    #[inline(always)]
    pub(super) fn mul_add(_: f64, _: f64, _: f64) -> Option<f64> {
        None
    }
}

/// The same shortcut in the format that the caller computes in.
macro_rules! in_format {
    ($format:ident, $name:ident($($argument:expr),*)) => {
        match $format::BITS {
            Single::BITS => single::$name($($argument),*),
            Double::BITS => double::$name($($argument),*),
            _ => None,
        }
    };
}

#[inline(always)]
pub(super) fn add<F: Format>(a: u64, b: u64, inexact_already: bool) -> Option<u64> {
    in_format!(F, add(a, b, false, inexact_already))
}

#[inline(always)]
pub(super) fn sub<F: Format>(a: u64, b: u64, inexact_already: bool) -> Option<u64> {
    in_format!(F, add(a, b, true, inexact_already))
}

#[inline(always)]
pub(super) fn mul<F: Format>(a: u64, b: u64, inexact_already: bool) -> Option<u64> {
    in_format!(F, mul(a, b, inexact_already))
}

#[inline(always)]
pub(super) fn div<F: Format>(a: u64, b: u64, inexact_already: bool) -> Option<u64> {
    in_format!(F, div(a, b, inexact_already))
}

#[inline(always)]
pub(super) fn sqrt<F: Format>(a: u64, inexact_already: bool) -> Option<u64> {
    in_format!(F, sqrt(a, inexact_already))
}

/// `z + x * y`.
#[inline(always)]
pub(super) fn mul_add<F: Format>(z: u64, x: u64, y: u64, inexact_already: bool) -> Option<u64> {
    match F::BITS {
        Single::BITS => mul_add_single(z, x, y, inexact_already),
        Double::BITS => mul_add_double(z, x, y, inexact_already),
        _ => None,
    }
}

#[inline(always)]
pub(super) fn compare<F: Format>(a: u64, b: u64) -> Option<Ordering> {
    in_format!(F, compare(a, b))
}

/// Rounding is towards zero; what does not fit the integer saturates elsewhere.
#[inline(always)]
pub(super) fn to_int<F: Format>(
    a: u64,
    width: u32,
    signed: bool,
    inexact_already: bool,
) -> Option<u64> {
    let integer = in_format!(F, truncate(a, inexact_already))?;
    let all = u64::MAX >> (64 - width);
    let fits = if signed {
        integer << (64 - width) >> (64 - width) == integer
    } else {
        integer >= 0 && integer as u64 <= all
    };
    fits.then_some(integer as u64 & all)
}

/// `may_round` says that the host's rounding is wanted and inexactness known.
#[inline(always)]
pub(super) fn from_int<F: Format>(integer: u64, signed: bool, may_round: bool) -> Option<u64> {
    if !signed && integer >> 63 != 0 {
        return None;
    }
    in_format!(F, from_int(integer as i64, may_round))
}

#[inline(always)]
pub(super) fn convert<From: Format, To: Format>(a: u64, inexact_already: bool) -> Option<u64> {
    if From::BITS == Half::BITS {
        return None;
    }
    let x = if From::BITS == Single::BITS {
        f32::from_bits(a as u32) as f64
    } else {
        f64::from_bits(a)
    };
    in_format!(To, from_double(x, inexact_already))
}
