//! The compositions on soft bits, through which gradients flow.
//!
//! A plane is a tensor of 64 numbers between 0 and 1, the lowest position first, in a row for each of the
//! words that are computed together; one row stands for any number of alike ones. A neuron's threshold
//! becomes a logistic function of its sum, as steep as the caller asks. Wiring stays what it is. The source
//! of the operations is the machine's own ([`ncpu_neural_alu::Operation::compute`]).
//!
//! With [`Form::StraightThrough`], neurons fire as the machine's do, so that results are exact, and have the
//! gradient of the soft form (Bengio, Léonard and Courville 2013, straight-through estimator).

use burn_autodiff::Autodiff;
use burn_ndarray::{NdArray, NdArrayDevice};
use burn_tensor::{Tensor, TensorData};
use ncpu_neural_alu::{CellId, Domain, Network};
use std::ops::Range;

/// Numbers whose gradients are known.
pub type Real = Autodiff<NdArray<f64>>;

/// Rows of 64 soft bits.
pub type Plane = Tensor<Real, 2>;

/// Positions of a plane.
const POSITIONS: usize = 64;

const DEVICE: NdArrayDevice = NdArrayDevice::Cpu;

/// What a neuron does with its sum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Form {
    /// The logistic function of the sum times a steepness.
    Soft(f64),
    /// A step, with the gradient of the soft form of this steepness.
    StraightThrough(f64),
    /// Each cell's expected outputs, if its inputs are independent bits with these probabilities: what the
    /// network says of each input, weighted. Exact on bits, where a derivative is what the network's
    /// output changes by when one input of the cell does.
    Expected,
}

/// The domain of soft bits.
pub struct SoftBits<'n> {
    networks: &'n [Network; CellId::COUNT],
    form: Form,
}

impl<'n> SoftBits<'n> {
    /// Soft bits for these networks, which are in the order of [`CellId::ALL`].
    pub fn new(networks: &'n [Network; CellId::COUNT], form: Form) -> SoftBits<'n> {
        SoftBits { networks, form }
    }

    fn fire(&self, sum: Plane, steepness: f64, is_exact: bool) -> Plane {
        // (Burn's own logistic function rounds to single precision.)
        let soft = ((sum.clone() * -steepness).exp() + 1.0).recip();
        if !is_exact {
            return soft;
        }
        let step = plane(sum.into_data().iter::<f64>().map(|sum| f64::from(u8::from(sum > 0.0))));
        // The value of the step, and the gradient of the soft form.
        soft.clone() + (step - soft.detach())
    }
}

/// A plane of these numbers, row after row.
///
/// # Panics
/// When they do not fill rows of 64.
pub fn plane(numbers: impl IntoIterator<Item = f64>) -> Plane {
    let numbers: Vec<f64> = numbers.into_iter().collect();
    let (rows, rest) = (numbers.len() / POSITIONS, numbers.len() % POSITIONS);
    assert_eq!(rest, 0, "a row has 64 positions");
    Tensor::from_data(TensorData::new(numbers, [rows, POSITIONS]), &DEVICE)
}

/// The bits of words, a row each.
pub fn bits(words: &[u64]) -> Plane {
    let row = |word: &u64| {
        let word = *word;
        (0..POSITIONS).map(move |position| (word >> position & 1) as f64)
    };
    plane(words.iter().flat_map(row))
}

/// The words whose bits are nearest to a plane's rows.
pub fn nearest(plane: &Plane) -> Vec<u64> {
    let numbers: Vec<f64> = plane.to_data().iter().collect();
    let word = |row: &[f64]| {
        let set = row.iter().enumerate().filter(|&(_, &number)| number > 0.5);
        set.fold(0, |word, (position, _)| word | 1 << position)
    };
    numbers.chunks(POSITIONS).map(word).collect()
}

impl Domain for SoftBits<'_> {
    type Plane = Plane;

    fn cell<const I: usize, const O: usize>(
        &mut self,
        cell: CellId,
        inputs: [&Plane; I],
    ) -> [Plane; O] {
        let network = &self.networks[cell as usize];
        let (steepness, is_exact) = match self.form {
            Form::Soft(steepness) => (steepness, false),
            Form::StraightThrough(steepness) => (steepness, true),
            Form::Expected => return expected(network, inputs),
        };
        let mut seen = inputs.map(Plane::clone).to_vec();
        for neuron in 0..network.neurons() {
            let bias = f64::from(network.bias(neuron)) / 2.0;
            let terms = network.weights(neuron).iter().zip(&seen);
            let terms = terms.filter(|&(&weight, _)| weight != 0);
            let sum = terms.fold(constant(bias), |sum, (&weight, plane)| {
                sum + plane.clone() * f64::from(weight)
            });
            seen.push(self.fire(sum, steepness, is_exact));
        }
        let first = seen.len() - O;
        std::array::from_fn(|output| seen[first + output].clone())
    }

    fn constant(&mut self, word: u64) -> Plane {
        bits(&[word])
    }

    fn up(&mut self, plane: &Plane, by: u32) -> Plane {
        let by = by as usize;
        moved(plane, 0..POSITIONS - by, by..POSITIONS)
    }

    fn down(&mut self, plane: &Plane, by: u32) -> Plane {
        let by = by as usize;
        moved(plane, by..POSITIONS, 0..POSITIONS - by)
    }

    fn splice(&mut self, mask: u64, inside: &Plane, outside: &Plane) -> Plane {
        inside.clone() * bits(&[mask]) + outside.clone() * bits(&[!mask])
    }

    fn spread(&mut self, plane: &Plane, position: u32) -> Plane {
        let (position, rows) = (position as usize, plane.dims()[0]);
        plane.clone().slice([0..rows, position..position + 1]).repeat_dim(1, POSITIONS)
    }

    fn reverse(&mut self, plane: &Plane) -> Plane {
        plane.clone().flip([1])
    }
}

/// The sum of a network's outputs over all inputs, weighted with their probabilities.
fn expected<const I: usize, const O: usize>(network: &Network, inputs: [&Plane; I]) -> [Plane; O] {
    let outputs = |input| network.outputs(network.evaluate(input).0, O);
    let outputs: Vec<u32> = (0..1 << I).map(outputs).collect();
    std::array::from_fn(|output| {
        let fires = |&outputs: &u32| Part::Known(f64::from(outputs >> output & 1));
        let mut parts: Vec<Part> = outputs.iter().map(fires).collect();
        for plane in inputs {
            // Inputs that differ in this one stand beside each other.
            parts = parts.chunks(2).map(|pair| pair[0].or(&pair[1], plane)).collect();
        }
        parts.swap_remove(0).plane()
    })
}

/// A plane, or a number that all of its positions are known to have.
enum Part {
    Known(f64),
    Plane(Plane),
}

impl Part {
    /// This one where `plane` is 0, the other where it is 1, and in proportion between.
    fn or(&self, other: &Part, plane: &Plane) -> Part {
        match (self, other) {
            (Part::Known(a), Part::Known(b)) if a == b => Part::Known(*a),
            (Part::Known(a), Part::Known(b)) => Part::Plane(plane.clone() * (b - a) + *a),
            (a, b) => {
                let (a, b) = (a.plane(), b.plane());
                Part::Plane(a.clone() + plane.clone() * (b - a))
            }
        }
    }

    fn plane(&self) -> Plane {
        match self {
            Part::Known(number) => constant(*number),
            Part::Plane(plane) => plane.clone(),
        }
    }
}

fn constant(number: f64) -> Plane {
    plane([number; POSITIONS])
}

/// Positions of each row at others; zeros elsewhere.
fn moved(plane: &Plane, from: Range<usize>, to: Range<usize>) -> Plane {
    let rows = plane.dims()[0];
    // (Burn 0.18 gives wrong gradients for a concatenation of which only some parts have one.)
    let kept = plane.clone().slice([0..rows, from]);
    Tensor::zeros([rows, POSITIONS], &DEVICE).slice_assign([0..rows, to], kept)
}
