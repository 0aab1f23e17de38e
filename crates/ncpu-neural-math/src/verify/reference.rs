//! What results are compared with: double precision functions of the library `libm`, whose errors, of
//! about one unit in the last of 53 bits, are 2^-28 of a unit in the last place of single precision.

use crate::Function;

/// The value of a function in double precision; `atan2` has the arguments (y, x), others do not use `x`.
pub fn exact(function: Function, y: f64, x: f64) -> f64 {
    match function {
        Function::Sin => libm::sin(y),
        Function::Cos => libm::cos(y),
        Function::Sqrt => y.sqrt(),
        Function::Exp => libm::exp(y),
        Function::Log => libm::log(y),
        Function::Atan2 => libm::atan2(y, x),
    }
}

/// The error of a result in units of the last place of the exact value, `2^(floor(log2 |exact|) - 23)`,
/// or 2^-149 where that is larger; infinite if one of them is not a number and the other is, or if an
/// infinity or the sign of a zero is wrong.
///
/// An infinity that results from a finite value counts as 2^128, as it does in rounding (IEEE 754-2019
/// §4.3.1), and exact values beyond count as that too.
#[inline]
pub fn units(result: f32, exact: f64) -> f64 {
    const TOP: f64 = (1u128 << 127) as f64 * 2.0;
    if exact.is_nan() || result.is_nan() {
        return if exact.is_nan() && result.is_nan() { 0.0 } else { f64::INFINITY };
    }
    if exact.is_infinite() {
        return if f64::from(result) == exact { 0.0 } else { f64::INFINITY };
    }
    if result == 0.0 && result.is_sign_negative() != exact.is_sign_negative() {
        return f64::INFINITY;
    }
    let result = f64::from(result).clamp(-TOP, TOP);
    let exact = exact.clamp(-TOP, TOP);
    let exponent = (exact.to_bits() >> 52 & 0x7ff).max(1023 - 126);
    // 2^-(exponent - 1023 - 23)
    let reciprocal = f64::from_bits((2046 + 23 - exponent) << 52);
    (result - exact).abs() * reciprocal
}

#[cfg(test)]
mod tests {
    use super::units;

    #[test]
    fn units_are_those_of_the_exact_value() {
        assert_eq!(units(1.0, 1.0), 0.0);
        // Above 1, a unit is 2^-23, below 2^-24.
        assert_eq!(units(1.0, 1.0 + 2f64.powi(-24)), 0.5);
        assert_eq!(units(1.0, 1.0 - 2f64.powi(-25)), 0.5);
        assert_eq!(units(-3.0, -3.0 - 2f64.powi(-21)), 2.0);
        assert_eq!(units(0.0, 2f64.powi(-151)), 0.25);
        assert_eq!(units(f32::from_bits(1), 2f64.powi(-150)), 0.5);
        assert_eq!(units(f32::INFINITY, f64::from(f32::MAX)), 1.0);
        assert_eq!(units(f32::INFINITY, 1e300), 0.0);
        assert_eq!(units(f32::NAN, f64::NAN), 0.0);
        for (result, exact) in [
            (0.0, -0.0),
            (-0.0, 1e-60),
            (f32::NAN, 0.0),
            (0.0, f64::NAN),
            (f32::MAX, f64::INFINITY),
            (f32::NEG_INFINITY, f64::INFINITY),
        ] {
            assert_eq!(units(result, exact), f64::INFINITY, "{result} for {exact}");
        }
    }
}
