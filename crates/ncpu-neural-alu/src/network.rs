//! A cell's network: a cascade of threshold neurons with integer weights.
//!
//! Neuron `j` sees the inputs and the neurons before it (a fully connected cascade; Fahlman and
//! Lebiere 1990) and fires when `sum_i w_ji x_i + b_j > 0`. Weights are integers and biases odd numbers
//! of halves, so that no sum is ever zero. The last neurons are the outputs.

use core::fmt;

/// Most inputs of a cell.
pub const MAX_INPUTS: usize = 8;
/// Most neurons of a cell.
pub const MAX_NEURONS: usize = 24;
/// Most weights of a neuron.
pub const MAX_FAN_IN: usize = MAX_INPUTS + MAX_NEURONS - 1;
/// Largest weight, and the largest sum of a neuron's weights, by absolute value.
pub const MAX_WEIGHT: i32 = 1 << 12;

/// The weights of a cell. Not valid before it has its outputs' neurons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    inputs: usize,
    neurons: usize,
    weights: [[i16; MAX_FAN_IN]; MAX_NEURONS],
    biases: [i16; MAX_NEURONS],
}

/// Why numbers are not a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkError {
    /// More inputs than [`MAX_INPUTS`].
    Inputs(usize),
    /// More neurons than [`MAX_NEURONS`].
    Neurons(usize),
    /// A neuron with another number of weights than inputs and neurons before it.
    FanIn {
        /// The neuron.
        neuron: usize,
        /// Its number of weights.
        weights: usize,
    },
    /// A neuron's weights, in sum and by absolute value, are beyond [`MAX_WEIGHT`].
    Weights {
        /// The neuron.
        neuron: usize,
    },
    /// A neuron's bias is even, or beyond [`MAX_WEIGHT`] halves.
    Bias {
        /// The neuron.
        neuron: usize,
        /// The bias in halves.
        bias: i16,
    },
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            NetworkError::Inputs(count) => {
                write!(f, "{count} inputs; a cell has at most {MAX_INPUTS}")
            }
            NetworkError::Neurons(count) => {
                write!(f, "{count} neurons; a cell has at most {MAX_NEURONS}")
            }
            NetworkError::FanIn { neuron, weights } => {
                write!(f, "neuron {neuron} has {weights} weights")
            }
            NetworkError::Weights { neuron } => {
                write!(f, "the weights of neuron {neuron} are beyond {MAX_WEIGHT} in sum")
            }
            NetworkError::Bias { neuron, bias } => {
                write!(f, "the bias of neuron {neuron} is {bias} halves, not a small odd number")
            }
        }
    }
}

impl core::error::Error for NetworkError {}

impl Network {
    /// A network without neurons.
    ///
    /// # Errors
    /// When there are too many inputs.
    pub fn new(inputs: usize) -> Result<Network, NetworkError> {
        if inputs > MAX_INPUTS {
            return Err(NetworkError::Inputs(inputs));
        }
        let weights = [[0; MAX_FAN_IN]; MAX_NEURONS];
        Ok(Network { inputs, neurons: 0, weights, biases: [0; MAX_NEURONS] })
    }

    /// Adds a neuron: a weight for each input and for each neuron before it, and the bias in halves.
    ///
    /// # Errors
    /// When they are not as [`NetworkError`] says.
    pub fn push(&mut self, weights: &[i16], bias: i16) -> Result<(), NetworkError> {
        let neuron = self.neurons;
        if neuron == MAX_NEURONS {
            return Err(NetworkError::Neurons(neuron + 1));
        }
        if weights.len() != self.inputs + neuron {
            return Err(NetworkError::FanIn { neuron, weights: weights.len() });
        }
        if weights.iter().map(|&w| i32::from(w).abs()).sum::<i32>() > MAX_WEIGHT {
            return Err(NetworkError::Weights { neuron });
        }
        if bias % 2 == 0 || i32::from(bias).abs() > MAX_WEIGHT {
            return Err(NetworkError::Bias { neuron, bias });
        }
        self.weights[neuron][..weights.len()].copy_from_slice(weights);
        self.biases[neuron] = bias;
        self.neurons += 1;
        Ok(())
    }

    /// Number of inputs.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Number of neurons, those of the outputs included.
    pub fn neurons(&self) -> usize {
        self.neurons
    }

    /// Weights of a neuron: of the inputs, then of the neurons before it.
    pub fn weights(&self, neuron: usize) -> &[i16] {
        &self.weights[neuron][..self.inputs + neuron]
    }

    /// Bias of a neuron, in halves.
    pub fn bias(&self, neuron: usize) -> i16 {
        self.biases[neuron]
    }

    /// Weights that are not zero, and biases.
    pub fn parameters(&self) -> usize {
        let weights = (0..self.neurons).flat_map(|neuron| self.weights(neuron));
        weights.filter(|&&weight| weight != 0).count() + self.neurons
    }

    /// Evaluates the network on the bits of `input`, the first in the lowest bit: all neurons, the
    /// first in the lowest bit, and the smallest distance of a sum from zero, in halves.
    pub fn evaluate(&self, input: u32) -> (u32, u32) {
        let (mut seen, mut margin) = (u64::from(input), u32::MAX);
        for neuron in 0..self.neurons {
            let mut sum = i32::from(self.biases[neuron]);
            for (i, &weight) in self.weights(neuron).iter().enumerate() {
                sum += 2 * i32::from(weight) * (seen >> i & 1) as i32;
            }
            seen |= u64::from(sum > 0) << (self.inputs + neuron);
            margin = margin.min(sum.unsigned_abs());
        }
        ((seen >> self.inputs) as u32, margin)
    }

    /// The last `count` neurons of those that [`Network::evaluate`] gives.
    pub fn outputs(&self, neurons: u32, count: usize) -> u32 {
        neurons >> (self.neurons - count)
    }
}
