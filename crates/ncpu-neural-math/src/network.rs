//! A network: one number in, one hidden layer of rectified power units, one number out.
//!
//! `y = c + sum_j v_j max(0, w_j t + b_j)^5`: rectified power units (Li, Tang and Yu 2020, "Better
//! approximations of high dimensional smooth functions by deep neural networks with rectified power
//! units"). The error of `n` plain rectified units falls as `1/n^2`, that of fifth powers as `1/n^6`: a
//! dozen do what would take thousands.
//!
//! All numbers are integers with a fixed number of fraction bits, so that results do not depend on the
//! machine.

use core::fmt;

/// Fraction bits of inputs, of the hidden layer's weights and biases, and of outputs.
pub const FRACTION: u32 = 30;
/// One, with [`FRACTION`] fraction bits.
pub const ONE: i64 = 1 << FRACTION;
/// Fraction bits of the output's weights and bias.
pub const OUTPUT_FRACTION: u32 = 40;
/// Most hidden units.
pub const MAX_UNITS: usize = 16;

/// Fraction bits of the hidden units' values: those of a product of an input and a weight.
const UNIT_FRACTION: u32 = 2 * FRACTION;

/// A hidden unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unit {
    /// Weight of the input, [`FRACTION`] fraction bits.
    pub slope: i32,
    /// Bias, [`FRACTION`] fraction bits.
    pub bias: i32,
    /// Weight of the unit in the output, [`OUTPUT_FRACTION`] fraction bits.
    pub weight: i64,
}

/// A network whose evaluation is known not to overflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    units: [Unit; MAX_UNITS],
    count: usize,
    bias: i64,
    domain: [i32; 2],
}

/// Why numbers are not a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkError {
    /// No units, or more than [`MAX_UNITS`].
    Units(usize),
    /// Least and greatest input are not in order, or beyond 0 and 1.
    Domain([i32; 2]),
    /// A unit's sum exceeds 1 somewhere in the domain.
    Unit {
        /// The unit.
        unit: usize,
        /// Its largest sum, twice [`FRACTION`] fraction bits.
        largest: i64,
    },
    /// The output may be beyond 2^20 for some input.
    Output,
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            NetworkError::Units(count) => {
                write!(f, "{count} units; a network has 1 to {MAX_UNITS}")
            }
            NetworkError::Domain([least, greatest]) => {
                write!(f, "inputs from {least} to {greatest}; they have to be in 0 to {ONE}")
            }
            NetworkError::Unit { unit, largest } => {
                write!(f, "unit {unit} reaches {largest}, more than one (2^{UNIT_FRACTION})")
            }
            NetworkError::Output => f.write_str("the output's weights are too large"),
        }
    }
}

impl core::error::Error for NetworkError {}

/// A product, rounded down, where the second factor has [`UNIT_FRACTION`] fraction bits.
#[inline(always)]
fn scale(a: i64, b: i64) -> i64 {
    ((i128::from(a) * i128::from(b)) >> UNIT_FRACTION) as i64
}

impl Unit {
    /// The weighted sum, [`UNIT_FRACTION`] fraction bits.
    #[inline(always)]
    fn sum(&self, t: i32) -> i64 {
        i64::from(self.slope) * i64::from(t) + (i64::from(self.bias) << FRACTION)
    }

    /// Its value at an input, [`UNIT_FRACTION`] fraction bits; in a valid network, from 0 to 1.
    #[inline(always)]
    fn value(&self, t: i32) -> i64 {
        let open = self.sum(t).max(0);
        let square = scale(open, open);
        scale(scale(square, square), open)
    }
}

impl Network {
    /// A network for inputs in `domain`, [`FRACTION`] fraction bits, whose output has a bias with
    /// [`OUTPUT_FRACTION`] fraction bits.
    ///
    /// # Errors
    /// When the numbers are out of range, so that a sum could overflow for an input of the domain.
    pub fn new(units: &[Unit], bias: i64, domain: [i32; 2]) -> Result<Network, NetworkError> {
        let count = units.len();
        if count == 0 || count > MAX_UNITS {
            return Err(NetworkError::Units(count));
        }
        let [least, greatest] = domain;
        if least < 0 || least > greatest || i64::from(greatest) > ONE {
            return Err(NetworkError::Domain(domain));
        }
        // A sum is monotone in the input, so that its extremes are at the ends. It has less than 63
        // bits: a product is at most 2^61, a bias at most 2^61.
        for (unit, numbers) in units.iter().enumerate() {
            let largest = numbers.sum(least).max(numbers.sum(greatest));
            if largest > 1 << UNIT_FRACTION {
                return Err(NetworkError::Unit { unit, largest });
            }
        }
        let weights: i128 = units.iter().map(|unit| i128::from(unit.weight).abs()).sum();
        if weights + i128::from(bias).abs() > 1 << (OUTPUT_FRACTION + 20) {
            return Err(NetworkError::Output);
        }
        let mut all = [Unit::default(); MAX_UNITS];
        all[..count].copy_from_slice(units);
        Ok(Network { units: all, count, bias, domain })
    }

    /// The hidden units.
    #[inline]
    pub fn units(&self) -> &[Unit] {
        &self.units[..self.count]
    }

    /// Bias of the output, [`OUTPUT_FRACTION`] fraction bits.
    pub fn bias(&self) -> i64 {
        self.bias
    }

    /// Least and greatest input.
    pub fn domain(&self) -> [i32; 2] {
        self.domain
    }

    /// Weights and biases.
    pub fn parameters(&self) -> usize {
        3 * self.count + 1
    }

    /// The output for an input, both with [`FRACTION`] fraction bits. An input beyond the domain is
    /// taken for the nearest one inside.
    #[inline]
    pub fn evaluate(&self, t: i32) -> i64 {
        let t = t.clamp(self.domain[0], self.domain[1]);
        let mut sum = self.bias + (1 << (OUTPUT_FRACTION - FRACTION - 1));
        for unit in self.units() {
            sum += scale(unit.weight, unit.value(t));
        }
        sum >> (OUTPUT_FRACTION - FRACTION)
    }
}

#[cfg(test)]
mod tests {
    use super::{Network, NetworkError, ONE, OUTPUT_FRACTION, Unit};

    const HALF: i32 = ONE as i32 / 2;

    fn output(value: i64) -> i64 {
        value << OUTPUT_FRACTION
    }

    /// 3 - 64 max(0, t/2 + 0)^5 + 32 max(0, 1/2 - t)^5, by hand.
    #[test]
    fn it_is_a_sum_of_fifth_powers() {
        let units = [
            Unit { slope: HALF, bias: 0, weight: output(-64) },
            Unit { slope: -2 * HALF, bias: HALF, weight: output(32) },
        ];
        let network = Network::new(&units, output(3), [0, ONE as i32]).expect("it is valid");
        // t = 0: 3 + 32/32; t = 1/2: 3 - 64/1024; t = 1: 3 - 64/32.
        assert_eq!(network.evaluate(0), 4 * ONE);
        assert_eq!(network.evaluate(HALF), 3 * ONE - ONE / 16);
        assert_eq!(network.evaluate(2 * HALF), ONE);
        assert_eq!(network.parameters(), 7);
    }

    #[test]
    fn what_could_overflow_is_no_network() {
        let domain = [0, ONE as i32];
        let unit = |slope, bias, weight| [Unit { slope, bias, weight }];
        assert_eq!(Network::new(&[], 0, domain), Err(NetworkError::Units(0)));
        assert_eq!(Network::new(&[Unit::default(); 17], 0, domain), Err(NetworkError::Units(17)));
        let backwards = [HALF, 0];
        assert_eq!(
            Network::new(&unit(0, 0, 0), 0, backwards),
            Err(NetworkError::Domain(backwards))
        );
        let largest = (ONE + 1) << 30;
        assert_eq!(
            Network::new(&unit(HALF, HALF + 1, 0), 0, domain),
            Err(NetworkError::Unit { unit: 0, largest })
        );
        assert_eq!(
            Network::new(&unit(HALF, HALF, output(1 << 20)), 1, domain),
            Err(NetworkError::Output)
        );
        assert!(Network::new(&unit(HALF, HALF, output(1 << 20)), 0, domain).is_ok());
        assert!(Network::new(&unit(i32::MIN, i32::MIN, 1), i64::MIN, domain).is_err());
    }
}
