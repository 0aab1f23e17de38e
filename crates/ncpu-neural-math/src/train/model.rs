//! The network in real numbers, with gradients by Burn.

use burn_autodiff::Autodiff;
use burn_ndarray::{NdArray, NdArrayDevice};
use burn_tensor::{Tensor, TensorData};

type Plain = NdArray<f64>;
type Real = Autodiff<Plain>;

/// Parameters of a network with one hidden layer of rectified power units.
#[derive(Clone, Debug)]
pub(super) struct Model {
    pub(super) slopes: Vec<f64>,
    pub(super) biases: Vec<f64>,
    pub(super) weights: Vec<f64>,
    pub(super) bias: f64,
}

/// Outputs at some inputs, and their derivatives.
pub(super) struct Linearised {
    pub(super) outputs: Vec<f64>,
    /// A row for each input: by slopes, biases, weights, and the output's bias.
    pub(super) jacobian: Vec<f64>,
}

fn tensor(values: Vec<f64>, shape: [usize; 2]) -> Tensor<Real, 2> {
    Tensor::from_data(TensorData::new(values, shape), &NdArrayDevice::Cpu)
}

fn numbers(tensor: Tensor<Plain, 2>) -> Vec<f64> {
    tensor.into_data().to_vec().expect("the backend's numbers are f64")
}

impl Model {
    pub(super) fn units(&self) -> usize {
        self.slopes.len()
    }

    pub(super) fn parameters(&self) -> usize {
        3 * self.units() + 1
    }

    /// Takes a step in all parameters, in the order of a Jacobian's row.
    pub(super) fn step(&self, by: &[f64]) -> Model {
        let units = self.units();
        let add = |values: &[f64], by: &[f64]| values.iter().zip(by).map(|(v, d)| v + d).collect();
        Model {
            slopes: add(&self.slopes, &by[..units]),
            biases: add(&self.biases, &by[units..2 * units]),
            weights: add(&self.weights, &by[2 * units..3 * units]),
            bias: self.bias + by[3 * units],
        }
    }

    /// The output as a sum over units of tensors `[inputs, units]`.
    fn output(
        inputs: Tensor<Real, 2>,
        slopes: Tensor<Real, 2>,
        biases: Tensor<Real, 2>,
        weights: Tensor<Real, 2>,
        bias: Tensor<Real, 2>,
    ) -> Tensor<Real, 2> {
        let open = (inputs * slopes + biases).clamp_min(0.0);
        let square = open.clone() * open.clone();
        let power = square.clone() * square * open;
        (power * weights).sum_dim(1) + bias
    }

    /// Evaluates the network and its gradient at every input.
    ///
    /// Each input has parameters of its own, of equal values, so that one backward pass of the outputs'
    /// sum gives the gradient of every output.
    pub(super) fn linearise(&self, inputs: &[f64]) -> Linearised {
        let (rows, units) = (inputs.len(), self.units());
        let own = |values: &[f64]| tensor(values.repeat(rows), [rows, units]).require_grad();
        let slopes = own(&self.slopes);
        let biases = own(&self.biases);
        let weights = own(&self.weights);
        let bias = tensor(vec![self.bias; rows], [rows, 1]).require_grad();
        let outputs = Model::output(
            tensor(inputs.to_vec(), [rows, 1]),
            slopes.clone(),
            biases.clone(),
            weights.clone(),
            bias.clone(),
        );
        let gradients = outputs.clone().sum().backward();
        let of = |tensor: &Tensor<Real, 2>| {
            numbers(tensor.grad(&gradients).expect("every parameter is in the output"))
        };
        let parts = [of(&slopes), of(&biases), of(&weights)];
        let last = of(&bias);
        let mut jacobian = Vec::with_capacity(rows * self.parameters());
        for row in 0..rows {
            for part in &parts {
                jacobian.extend_from_slice(&part[row * units..(row + 1) * units]);
            }
            jacobian.push(last[row]);
        }
        Linearised { outputs: numbers(outputs.inner()), jacobian }
    }
}

#[cfg(test)]
mod tests {
    use super::Model;

    fn model() -> Model {
        Model {
            slopes: vec![1.0, -0.5, 0.75],
            biases: vec![-0.25, 0.5, 0.125],
            weights: vec![3.0, -2.0, 0.5],
            bias: 0.25,
        }
    }

    #[test]
    fn outputs_are_sums_of_fifth_powers() {
        let outputs = model().linearise(&[0.0, 0.75]).outputs;
        // 0: -2/32 + 0.5/32768 + 1/4; 3/4: 3/32 - 2/32768 + 0.5 (11/16)^5 + 1/4, all exact.
        assert_eq!(outputs[0], -0.0625 + 0.5 / 32768.0 + 0.25);
        let last = 0.5 * 161_051.0 / 1_048_576.0;
        assert_eq!(outputs[1], 0.093_75 - 2.0 / 32768.0 + last + 0.25);
    }

    #[test]
    fn gradients_are_differences() {
        let (model, inputs, small) = (model(), [0.1, 0.6, 0.9], 1e-6);
        let size = model.parameters();
        let jacobian = model.linearise(&inputs).jacobian;
        for parameter in 0..size {
            let moved = |by: f64| {
                let mut step = vec![0.0; size];
                step[parameter] = by;
                model.step(&step).linearise(&inputs).outputs
            };
            let (up, down) = (moved(small), moved(-small));
            for row in 0..inputs.len() {
                let difference = (up[row] - down[row]) / (2.0 * small);
                let gradient = jacobian[row * size + parameter];
                assert!((gradient - difference).abs() < 1e-8, "{parameter} at {row}");
            }
        }
    }
}
