//! Single-precision numbers apart, and back together.

/// The absolute value of a finite number that is not zero: `significand * 2^exponent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Magnitude {
    /// From 2^23 up to, but not including, 2^24.
    pub(crate) significand: u32,
    pub(crate) exponent: i32,
}

/// Takes a finite number apart. Zero has no [`Magnitude`].
#[inline]
pub(crate) fn magnitude(x: f32) -> Option<Magnitude> {
    let bits = x.to_bits() & 0x7fff_ffff;
    if bits == 0 {
        return None;
    }
    let field = (bits >> 23) as i32;
    let fraction = bits & 0x7f_ffff;
    if field == 0 {
        let shift = fraction.leading_zeros() - 8;
        return Some(Magnitude { significand: fraction << shift, exponent: -149 - shift as i32 });
    }
    Some(Magnitude { significand: fraction | 0x80_0000, exponent: field - 150 })
}

/// The number nearest to `magnitude * 2^exponent`, ties to even, with a sign; infinity when it is too
/// large (IEEE 754-2019 §4.3.1).
#[inline]
pub(crate) fn round(negative: bool, magnitude: u64, exponent: i32) -> f32 {
    let sign = u32::from(negative) << 31;
    if magnitude == 0 {
        return f32::from_bits(sign);
    }
    let high = magnitude << magnitude.leading_zeros();
    // The number is in [1, 2) times 2 to this.
    let scale = exponent + 63 - magnitude.leading_zeros() as i32;
    if scale > 127 {
        return f32::from_bits(sign | 0x7f80_0000);
    }
    // Bits to drop: all but 24, or more for subnormal numbers.
    let drop = 40 + (-126 - scale).max(0);
    if drop > 64 {
        return f32::from_bits(sign);
    }
    let (kept, rest) = if drop == 64 { (0, high) } else { (high >> drop, high << (64 - drop)) };
    let half = 1 << 63;
    let up = rest > half || (rest == half && kept & 1 == 1);
    let kept = kept as u32 + u32::from(up);
    // A carry into the exponent's field is right: the significand is then a power of two.
    let field = if scale < -126 { 0 } else { (scale + 126) as u32 };
    f32::from_bits(sign | (kept + (field << 23)))
}

#[cfg(test)]
mod tests {
    use super::{magnitude, round};

    /// Rust's conversion of integers and of doubles rounds to nearest, ties to even.
    #[test]
    fn rounding_is_that_of_the_language() {
        let mut x = 1u64;
        for i in 0..200_000 {
            x = x.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            let number = x >> (i % 64);
            assert_eq!(round(false, number, 0), number as f32, "{number}");
            let (short, exponent) = (number >> 11, i % 300 - 200);
            let exact = short as f64 * f64::from(exponent).exp2();
            assert_eq!(round(true, short, exponent), -exact as f32, "{short} * 2^{exponent}");
        }
    }

    #[test]
    fn numbers_come_apart_and_together() {
        for bits in (0..0x7f80_0000).step_by(997) {
            let x = f32::from_bits(bits);
            let back = magnitude(x).map_or(0.0, |m| {
                assert!((1 << 23..1 << 24).contains(&m.significand));
                round(false, u64::from(m.significand), m.exponent)
            });
            assert_eq!(back.to_bits(), bits);
        }
    }
}
