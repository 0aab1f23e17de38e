//! Gradient descent with Burn.

use super::curves::Curve;
use super::plan::Plan;
use super::rounding;
use crate::random::Random;
use crate::specification::specification;
use burn_autodiff::Autodiff;
use burn_ndarray::{NdArray, NdArrayDevice};
use burn_tensor::{Tensor, TensorData};
use ncpu_neural_alu::{CellId, Network};

type Real = Autodiff<NdArray<f32>>;

/// For the model card.
pub(super) const OPTIMISER: &str = "Adam (rate 0.1, betas 0.9 and 0.999), squared hinge loss, \
    straight-through hidden neurons with the slope of a softsign of growing steepness, \
    teacher forcing of earlier outputs";

const RATE: f32 = 0.1;
const BETAS: (f32, f32) = (0.9, 0.999);
const EPSILON: f32 = 1e-8;
/// Steps in which hidden neurons learn too.
const SOFT_STEPS: u32 = 600;
/// Most steps with the hidden neurons rounded.
const HARD_STEPS: u32 = 6000;
/// Steps of these after which an attempt with a larger loss than [`HOPELESS`] is given up.
const PATIENCE: u32 = 800;
const HOPELESS: f32 = 0.4;
/// Every output's sum has the right sign and this absolute value: enough is learned.
const LEARNED: f32 = 0.9;
/// Steepness of the hidden neurons at the end of the soft steps.
const STEEPEST: f32 = 8.0;
/// Steps between two points of a curve.
const POINTS: u32 = 10;

/// The seed of one attempt at a cell.
pub(super) fn seed(cell: CellId, seed: u64, attempt: u32) -> u64 {
    let mut random = Random(seed ^ (cell as u64) << 32 ^ u64::from(attempt) << 48);
    random.next()
}

/// Adam (Kingma and Ba 2015) for one tensor.
struct Parameters {
    values: Vec<f32>,
    shape: [usize; 3],
    first: Vec<f32>,
    second: Vec<f32>,
    steps: i32,
}

impl Parameters {
    fn random(shape: [usize; 3], random: &mut Random) -> Parameters {
        let count = shape.iter().product();
        let values = (0..count).map(|_| random.signed_unit()).collect();
        Parameters { values, shape, first: vec![0.0; count], second: vec![0.0; count], steps: 0 }
    }

    fn tensor(&self) -> Tensor<Real, 3> {
        constant(self.values.clone(), self.shape).require_grad()
    }

    fn update(&mut self, gradients: &[f32]) {
        self.steps += 1;
        let correction = |beta: f32| 1.0 - (0..self.steps).fold(1.0, |power, _| power * beta);
        let (first_part, second_part) = (correction(BETAS.0), correction(BETAS.1));
        for (i, &gradient) in gradients.iter().enumerate() {
            self.first[i] = BETAS.0 * self.first[i] + (1.0 - BETAS.0) * gradient;
            self.second[i] = BETAS.1 * self.second[i] + (1.0 - BETAS.1) * (gradient * gradient);
            let (first, second) = (self.first[i] / first_part, self.second[i] / second_part);
            self.values[i] -= RATE * first / (second.sqrt() + EPSILON);
        }
    }
}

fn constant(values: Vec<f32>, shape: [usize; 3]) -> Tensor<Real, 3> {
    Tensor::from_data(TensorData::new(values, shape), &NdArrayDevice::Cpu)
}

fn real(bit: bool) -> f32 {
    f32::from(u8::from(bit))
}

/// Neuron sums of sources and weights that broadcast to `[rows, neurons, sources]`, as
/// `[rows, neurons, 1]`.
fn sums(sources: Tensor<Real, 3>, weights: Tensor<Real, 3>) -> Tensor<Real, 3> {
    (sources * weights).sum_dim(2)
}

/// The truth table of a cell, as its plan sees it.
struct Table<'a> {
    plan: &'a Plan,
    /// The bits of each input.
    inputs: Vec<Vec<bool>>,
    /// The outputs for each.
    outputs: Vec<Vec<bool>>,
}

impl Table<'_> {
    fn new(cell: CellId, plan: &Plan) -> Table<'_> {
        let bits = |value: u32, count: usize| (0..count).map(move |i| value >> i & 1 == 1);
        let all = 0..1u32 << cell.inputs();
        let inputs = all.clone().map(|input| bits(input, cell.inputs()).collect()).collect();
        let outputs = all.map(|input| bits(specification(cell, input), cell.outputs()).collect());
        Table { plan, outputs: outputs.collect(), inputs }
    }

    fn rows(&self) -> usize {
        self.inputs.len()
    }

    fn outputs(&self) -> usize {
        self.outputs[0].len()
    }

    /// Sources of hidden neurons: `[rows, neurons, sources and one]`, with one neuron for all that see
    /// the same.
    fn hidden_sources(&self) -> Tensor<Real, 3> {
        let seen = if self.plan.shared { &self.plan.hidden[..] } else { &self.plan.hidden[..1] };
        let mut values = Vec::new();
        for row in &self.inputs {
            for sources in seen {
                values.extend(sources.iter().map(|&i| real(row[i])));
                values.push(1.0);
            }
        }
        constant(values, [self.rows(), seen.len(), seen[0].len() + 1])
    }

    /// Sources of outputs before and after the hidden neurons, `[rows, 1, sources]`: shortcuts; and
    /// outputs as they should be, and one.
    fn output_sources(&self) -> (Option<Tensor<Real, 3>>, Tensor<Real, 3>) {
        let shortcuts = self.plan.shortcuts.then(|| {
            let values = self.inputs.iter().flatten().map(|&bit| real(bit)).collect();
            constant(values, [self.rows(), 1, self.inputs[0].len()])
        });
        let mut values = Vec::new();
        for row in &self.outputs {
            values.extend(row.iter().map(|&bit| real(bit)));
            values.push(1.0);
        }
        (shortcuts, constant(values, [self.rows(), 1, self.outputs() + 1]))
    }

    /// Which sources an output sees: `[1, outputs, sources]`.
    fn mask(&self) -> Tensor<Real, 3> {
        let always = self.always();
        let mut values = Vec::new();
        for output in 0..self.outputs() {
            values.extend(std::iter::repeat_n(1.0, always));
            values
                .extend((0..self.outputs()).map(|other| real(self.plan.cascade && other < output)));
            values.push(1.0);
        }
        constant(values, [1, self.outputs(), always + self.outputs() + 1])
    }

    /// Sources that every output sees.
    fn always(&self) -> usize {
        let shortcuts = if self.plan.shortcuts { self.inputs[0].len() } else { 0 };
        shortcuts + self.plan.hidden.len()
    }

    /// 1 for what should fire and -1 for what should not: `[rows, outputs, 1]`.
    fn signs(&self) -> Tensor<Real, 3> {
        let values = self.outputs.iter().flatten().map(|&bit| 2.0 * real(bit) - 1.0).collect();
        constant(values, [self.rows(), self.outputs(), 1])
    }
}

/// Trains a plan from the weights that `seed` gives; `None` if no integers do what was learned.
pub(super) fn descend(cell: CellId, plan: &Plan, seed: u64) -> Option<(Network, Curve)> {
    let mut random = Random(seed);
    let table = Table::new(cell, plan);
    let count = plan.hidden.len();
    let mut hidden = plan.hidden.first().map(|sources| {
        let shape = [1, if plan.shared { 1 } else { count }, sources.len() + 1];
        Parameters::random(shape, &mut random)
    });
    let sources = table.always() + table.outputs() + 1;
    let mut outputs = Parameters::random([1, table.outputs(), sources], &mut random);
    let mut curve = Curve::new(cell.name());
    let (shortcuts, rest) = table.output_sources();
    let (mask, signs) = (table.mask(), table.signs());
    let loss_of = |fired: Option<Tensor<Real, 3>>, weights: &Tensor<Real, 3>| {
        let parts = shortcuts.iter().cloned().chain(fired).chain([rest.clone()]);
        let all = Tensor::cat(parts.collect(), 2);
        let agreement = sums(all, weights.clone() * mask.clone()) * signs.clone();
        let missing = (agreement.clone().neg() + 1.0).clamp_min(0.0);
        (missing.powi_scalar(2).mean(), agreement.inner().min().into_scalar())
    };

    if let Some(hidden) = &mut hidden {
        let seen = table.hidden_sources();
        for step in 0..SOFT_STEPS {
            let steepness = 1.0 + (STEEPEST - 1.0) * step as f32 / SOFT_STEPS as f32;
            let (hidden_weights, output_weights) = (hidden.tensor(), outputs.tensor());
            let sums = sums(seen.clone(), hidden_weights.clone()) * steepness;
            // Straight through: the decision forwards, a soft one's slope backwards (Bengio, Leonard
            // and Courville 2013).
            let fired = (sums.clone() / (sums.clone().abs() + 1.0) + 1.0) * 0.5;
            let decided = sums.greater_elem(0.0).float();
            let fired = fired.clone() + (decided - fired).detach();
            let fired = fired.reshape([table.rows(), 1, count]);
            let (loss, margin) = loss_of(Some(fired), &output_weights);
            if step % POINTS == 0 {
                curve.push(step, loss.clone().into_scalar(), margin);
            }
            let gradients = loss.backward();
            hidden.update(&numbers(hidden_weights.grad(&gradients)?));
            outputs.update(&numbers(output_weights.grad(&gradients)?));
        }
    }

    // Hidden neurons are rounded to decide as they do, and the outputs learn from what they say.
    let mut network = Network::new(cell.inputs()).ok()?;
    let mut fired: Vec<Vec<bool>> = vec![Vec::new(); table.rows()];
    for (neuron, sources) in plan.hidden.iter().enumerate() {
        let hidden = hidden.as_ref()?;
        let width = sources.len() + 1;
        let own = if plan.shared { 0 } else { neuron * width };
        let (weights, bias) = hidden.values[own..own + width].split_at(sources.len());
        let rows: Vec<Vec<bool>> =
            table.inputs.iter().map(|row| sources.iter().map(|&i| row[i]).collect()).collect();
        let decisions: Vec<bool> = rows
            .iter()
            .map(|row| {
                let terms = row.iter().zip(weights).map(|(&bit, weight)| real(bit) * weight);
                terms.fold(bias[0], |sum, term| sum + term) > 0.0
            })
            .collect();
        let (integers, bias) = rounding::round(weights, &rows, &decisions)?;
        let mut all = vec![0; cell.inputs() + neuron];
        for (&source, &weight) in sources.iter().zip(&integers) {
            all[source] = weight;
        }
        network.push(&all, bias).ok()?;
        for (fired, decision) in fired.iter_mut().zip(decisions) {
            fired.push(decision);
        }
    }
    let hard = (count > 0).then(|| {
        let values = fired.iter().flatten().map(|&bit| real(bit)).collect();
        constant(values, [table.rows(), 1, count])
    });
    let soft = if hidden.is_some() { SOFT_STEPS } else { 0 };
    for step in soft..soft + HARD_STEPS {
        let weights = outputs.tensor();
        let (loss, margin) = loss_of(hard.clone(), &weights);
        let size = loss.clone().into_scalar();
        let learned = margin > LEARNED;
        if step % POINTS == 0 || learned {
            curve.push(step, size, margin);
        }
        if learned {
            break;
        }
        if step == soft + PATIENCE && size > HOPELESS {
            return None;
        }
        let gradients = loss.backward();
        outputs.update(&numbers(weights.grad(&gradients)?));
    }

    let always = table.always();
    let shortcut_count = always - count;
    for output in 0..table.outputs() {
        let rows: Vec<Vec<bool>> = (0..table.rows())
            .map(|row| {
                let inputs = &table.inputs[row][..shortcut_count];
                let before = &table.outputs[row][..if plan.cascade { output } else { 0 }];
                inputs.iter().chain(&fired[row]).chain(before).copied().collect()
            })
            .collect();
        let targets: Vec<bool> = table.outputs.iter().map(|row| row[output]).collect();
        let own = &outputs.values[output * sources..(output + 1) * sources];
        let width = rows[0].len();
        let (integers, bias) = rounding::round(&own[..width], &rows, &targets)?;
        let (from_inputs, from_others) = integers.split_at(shortcut_count);
        let mut all = from_inputs.to_vec();
        all.resize(cell.inputs(), 0);
        all.extend(from_others);
        all.resize(cell.inputs() + network.neurons(), 0);
        network.push(&all, bias).ok()?;
    }
    Some((network, curve))
}

fn numbers(tensor: Tensor<NdArray<f32>, 3>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}
