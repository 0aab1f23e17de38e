//! The compositions on soft bits, through which gradients flow.
//!
//! A plane is a tensor of 64 numbers between 0 and 1, the lowest position first. A neuron's threshold
//! becomes a logistic function of its sum, as steep as the caller asks. Wiring stays what it is. The source
//! of the operations is the machine's own ([`ncpu_neural_alu::Operation::compute`]).
//!
//! With [`Form::StraightThrough`], neurons fire as the machine's do, so that results are exact, and have the
//! gradient of the soft form (Bengio, Léonard and Courville 2013, straight-through estimator).

#![expect(clippy::single_range_in_vec_init, reason = "Burn takes a range for each dimension")]

use burn_autodiff::Autodiff;
use burn_ndarray::{NdArray, NdArrayDevice};
use burn_tensor::{Tensor, TensorData};
use ncpu_neural_alu::{CellId, Domain, Network};

/// Numbers whose gradients are known.
pub type Real = Autodiff<NdArray<f64>>;

/// 64 soft bits.
pub type Plane = Tensor<Real, 1>;

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

    fn fire(&self, sum: Plane) -> Plane {
        let (steepness, is_exact) = match self.form {
            Form::Soft(steepness) => (steepness, false),
            Form::StraightThrough(steepness) => (steepness, true),
        };
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

/// A plane of these numbers.
///
/// # Panics
/// When there are not 64.
pub fn plane(numbers: impl IntoIterator<Item = f64>) -> Plane {
    let numbers: Vec<f64> = numbers.into_iter().collect();
    assert_eq!(numbers.len(), POSITIONS, "a plane has 64 positions");
    Tensor::from_data(TensorData::new(numbers, [POSITIONS]), &DEVICE)
}

/// The bits of a word as a plane.
pub fn bits(word: u64) -> Plane {
    plane((0..POSITIONS).map(|position| (word >> position & 1) as f64))
}

/// The word whose bits are nearest to a plane.
pub fn nearest(plane: &Plane) -> u64 {
    let numbers = plane.to_data();
    let set = numbers.iter::<f64>().enumerate().filter(|&(_, number)| number > 0.5);
    set.fold(0, |word, (position, _)| word | 1 << position)
}

impl Domain for SoftBits<'_> {
    type Plane = Plane;

    fn cell<const I: usize, const O: usize>(
        &mut self,
        cell: CellId,
        inputs: [&Plane; I],
    ) -> [Plane; O] {
        let network = &self.networks[cell as usize];
        let mut seen = inputs.map(Plane::clone).to_vec();
        for neuron in 0..network.neurons() {
            let bias = f64::from(network.bias(neuron)) / 2.0;
            let terms = network.weights(neuron).iter().zip(&seen);
            let terms = terms.filter(|&(&weight, _)| weight != 0);
            let sum = terms.fold(constant(bias), |sum, (&weight, plane)| {
                sum + plane.clone() * f64::from(weight)
            });
            seen.push(self.fire(sum));
        }
        let first = seen.len() - O;
        std::array::from_fn(|output| seen[first + output].clone())
    }

    fn constant(&mut self, word: u64) -> Plane {
        bits(word)
    }

    fn up(&mut self, plane: &Plane, by: u32) -> Plane {
        let by = by as usize;
        // (Burn 0.18 gives wrong gradients for a concatenation of which only some parts have one.)
        let kept = plane.clone().slice([0..POSITIONS - by]);
        constant(0.0).slice_assign([by..POSITIONS], kept)
    }

    fn down(&mut self, plane: &Plane, by: u32) -> Plane {
        let by = by as usize;
        let kept = plane.clone().slice([by..POSITIONS]);
        constant(0.0).slice_assign([0..POSITIONS - by], kept)
    }

    fn splice(&mut self, mask: u64, inside: &Plane, outside: &Plane) -> Plane {
        inside.clone() * bits(mask) + outside.clone() * bits(!mask)
    }

    fn spread(&mut self, plane: &Plane, position: u32) -> Plane {
        let position = position as usize;
        plane.clone().slice([position..position + 1]).repeat_dim(0, POSITIONS)
    }

    fn reverse(&mut self, plane: &Plane) -> Plane {
        plane.clone().flip([0])
    }
}

fn constant(number: f64) -> Plane {
    plane([number; POSITIONS])
}
