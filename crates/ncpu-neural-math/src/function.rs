//! Tables: the networks, and the functions with what is claimed of them.

use crate::network::{Network, ONE};
use crate::{arctangent, exponential, root, sine};

/// A network with a fixed task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum NetworkId {
    /// `sin(pi r / 2) / r` for `t = 4 r^2`.
    Sin,
    /// `cos(pi r / 2)` for `t = 4 r^2`.
    Cos,
    /// The square root of `t`.
    Sqrt,
    /// 2 to the power of `t`.
    Exp,
    /// `log(1 + s) / s` for `t = s + 1/4`.
    Log,
    /// `atan(q) / q` for `t = q^2`.
    Atan,
}

impl NetworkId {
    /// All networks, in the order of their numbers.
    pub const ALL: [NetworkId; 6] = [
        NetworkId::Sin,
        NetworkId::Cos,
        NetworkId::Sqrt,
        NetworkId::Exp,
        NetworkId::Log,
        NetworkId::Atan,
    ];
    /// Number of networks.
    pub const COUNT: usize = NetworkId::ALL.len();

    /// Its name in weight files.
    pub const fn name(self) -> &'static str {
        match self {
            NetworkId::Sin => "sin",
            NetworkId::Cos => "cos",
            NetworkId::Sqrt => "sqrt",
            NetworkId::Exp => "exp",
            NetworkId::Log => "log",
            NetworkId::Atan => "atan",
        }
    }

    /// What it computes, as a formula.
    pub const fn formula(self) -> &'static str {
        match self {
            NetworkId::Sin => "sin(pi r / 2) / r, t = 4 r^2",
            NetworkId::Cos => "cos(pi r / 2), t = 4 r^2",
            NetworkId::Sqrt => "sqrt(t)",
            NetworkId::Exp => "2^t",
            NetworkId::Log => "log(1 + s) / s, t = s + 1/4",
            NetworkId::Atan => "atan(q) / q, t = q^2",
        }
    }

    /// Least and greatest input, [`crate::network::FRACTION`] fraction bits.
    pub const fn domain(self) -> [i32; 2] {
        let one = ONE as i32;
        match self {
            NetworkId::Sqrt => [one / 2, one],
            NetworkId::Log => [0, one / 4 * 3],
            NetworkId::Sin | NetworkId::Cos | NetworkId::Exp | NetworkId::Atan => [0, one],
        }
    }
}

/// The networks of all functions, in the order of [`NetworkId::ALL`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Networks(pub [Network; NetworkId::COUNT]);

/// An elementary function of single-precision numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Function {
    /// Sine.
    Sin,
    /// Cosine.
    Cos,
    /// Square root.
    Sqrt,
    /// Exponential function.
    Exp,
    /// Natural logarithm.
    Log,
    /// Angle of a point (y, x).
    Atan2,
}

impl Function {
    /// All functions.
    pub const ALL: [Function; 6] = [
        Function::Sin,
        Function::Cos,
        Function::Sqrt,
        Function::Exp,
        Function::Log,
        Function::Atan2,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Function::Sin => "sin",
            Function::Cos => "cos",
            Function::Sqrt => "sqrt",
            Function::Exp => "exp",
            Function::Log => "log",
            Function::Atan2 => "atan2",
        }
    }

    /// The arguments that the bound is for.
    pub const fn range(self) -> &'static str {
        match self {
            Function::Sin | Function::Cos => "every finite x",
            Function::Sqrt => "every x",
            Function::Exp => "every x",
            Function::Log => "every x",
            Function::Atan2 => "every y and x",
        }
    }

    /// The networks that it uses.
    pub const fn networks(self) -> &'static [NetworkId] {
        match self {
            Function::Sin | Function::Cos => &[NetworkId::Sin, NetworkId::Cos],
            Function::Sqrt => &[NetworkId::Sqrt],
            Function::Exp => &[NetworkId::Exp],
            Function::Log => &[NetworkId::Log],
            Function::Atan2 => &[NetworkId::Atan],
        }
    }

    /// What is claimed: the largest error of a result, in units of the last place of the exact value.
    ///
    /// A unit is `2^(floor(log2 |exact|) - 23)`, or 2^-149 where that is larger. Rounding an exact value
    /// to single precision costs up to half a unit.
    pub const fn bound(self) -> f64 {
        match self {
            Function::Sin | Function::Cos | Function::Exp => 0.55,
            Function::Sqrt => 0.58,
            Function::Log => 0.6,
            Function::Atan2 => 0.65,
        }
    }
}

impl Networks {
    /// A network.
    #[inline]
    pub fn get(&self, id: NetworkId) -> &Network {
        &self.0[id as usize]
    }

    /// Sine: [`sine::sin`].
    #[inline]
    pub fn sin(&self, x: f32) -> f32 {
        sine::sin(self.get(NetworkId::Sin), self.get(NetworkId::Cos), x)
    }

    /// Cosine: [`sine::cos`].
    #[inline]
    pub fn cos(&self, x: f32) -> f32 {
        sine::cos(self.get(NetworkId::Sin), self.get(NetworkId::Cos), x)
    }

    /// Square root: [`root::sqrt`].
    #[inline]
    pub fn sqrt(&self, x: f32) -> f32 {
        root::sqrt(self.get(NetworkId::Sqrt), x)
    }

    /// Exponential function: [`exponential::exp`].
    #[inline]
    pub fn exp(&self, x: f32) -> f32 {
        exponential::exp(self.get(NetworkId::Exp), x)
    }

    /// Natural logarithm: [`exponential::log`].
    #[inline]
    pub fn log(&self, x: f32) -> f32 {
        exponential::log(self.get(NetworkId::Log), x)
    }

    /// Angle of a point: [`arctangent::atan2`].
    #[inline]
    pub fn atan2(&self, y: f32, x: f32) -> f32 {
        arctangent::atan2(self.get(NetworkId::Atan), y, x)
    }

    /// Any of the functions; `atan2` has the arguments (y, x), others do not use `x`.
    pub fn evaluate(&self, function: Function, y: f32, x: f32) -> f32 {
        match function {
            Function::Sin => self.sin(y),
            Function::Cos => self.cos(y),
            Function::Sqrt => self.sqrt(y),
            Function::Exp => self.exp(y),
            Function::Log => self.log(y),
            Function::Atan2 => self.atan2(y, x),
        }
    }
}
