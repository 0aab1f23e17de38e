//! Descent towards the least maximal error: Levenberg's and Marquardt's steps (Marquardt 1963), and
//! weights of samples that grow where the error is large (after Lawson 1961).

use super::curves::Curve;
use super::model::Model;
use super::plan::Plan;
use super::squares;
use crate::NetworkId;
use crate::network::ONE;

/// For the model card.
pub(super) const OPTIMISER: &str = "Levenberg-Marquardt in double precision on gradients by automatic \
    differentiation: 10 steps on the output layer, then all parameters, damping divided by 3 or \
    multiplied by 4; from a third of the steps on, samples weighted towards the least maximal error \
    (Lawson); best of several attempts";

/// Inputs that are trained on, evenly over the domain.
pub(super) const SAMPLES: usize = 512;
/// Steps of an attempt.
pub(super) const STEPS: u32 = 8000;
/// Steps in which only the output layer learns, so that the others start near it.
const OUTPUT_STEPS: u32 = 10;
/// Steps with equal weights for all samples.
const EVEN_STEPS: u32 = STEPS / 3;
/// Damping at first, after [`OUTPUT_STEPS`], and when it has become hopelessly large.
const DAMPING: [f64; 3] = [1e-24, 1e-2, 1e-4];
const LEAST_DAMPING: f64 = 1e-24;
const HOPELESS_DAMPING: f64 = 1.0;
/// How strongly samples' weights follow the error.
const POWER: f64 = 0.5;
/// Steps between two points of a curve.
const POINTS: u32 = 100;

/// A generator of 64-bit numbers (SplitMix64; Steele, Lea and Flood 2014).
struct Random(u64);

impl Random {
    /// Evenly between -1 and 1.
    fn signed_unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        (z >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

/// The largest absolute value.
pub(super) fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |most, value| value.abs().max(most))
}

/// Multiplies samples' weights by a power of the largest error near them; their mean is one again.
pub(super) fn reweigh(weights: &mut [f64], residuals: &[f64], units: usize) {
    let near = residuals.len() / units / 2;
    let most = largest(residuals);
    for (i, weight) in weights.iter_mut().enumerate() {
        let around = i.saturating_sub(near)..(i + near + 1).min(residuals.len());
        *weight *= libm::pow(largest(&residuals[around]) / most + 1e-3, POWER);
    }
    let mean = weights.iter().sum::<f64>() / weights.len() as f64;
    weights.iter_mut().for_each(|weight| *weight /= mean);
}

fn loss(residuals: &[f64], weights: &[f64]) -> f64 {
    residuals.iter().zip(weights).map(|(r, weight)| weight * r * r).sum()
}

/// Units that open at places spread over the domain, every other one to the left, with small random
/// weights.
fn initial(id: NetworkId, units: usize, random: &mut Random) -> Model {
    let [low, high] = id.domain().map(|t| f64::from(t) / ONE as f64);
    let gap = (high - low) / (units as f64 - 1.0);
    let slopes: Vec<f64> = (0..units).map(|j| if j % 2 == 0 { 1.0 } else { -1.0 }).collect();
    let biases = slopes
        .iter()
        .enumerate()
        .map(|(j, slope)| -slope * (low + gap * (j as f64 + 0.25 * random.signed_unit())))
        .collect();
    let weights = (0..units).map(|_| 0.1 * random.signed_unit()).collect();
    Model { slopes, biases, weights, bias: 0.0 }
}

/// Trains a network from the initial weights of an attempt: the best on the way.
pub(super) fn descend(plan: &Plan, seed: u64, attempt: u32, curve: &mut Curve) -> Model {
    let Plan { id, units } = *plan;
    let inputs: Vec<f64> = plan.inputs().map(|t| f64::from(t) / ONE as f64).collect();
    let wanted = plan.outputs();
    let errors = |outputs: &[f64]| -> Vec<f64> {
        outputs.iter().zip(&wanted).map(|(output, wanted)| output - wanted).collect()
    };
    let mut random = Random(seed ^ (id as u64) << 32 ^ u64::from(attempt) << 48);
    let mut model = initial(id, units, &mut random);
    let mut weights = vec![1.0; inputs.len()];
    let mut now = model.linearise(&inputs);
    let mut residuals = errors(&now.outputs);
    let mut best = (largest(&residuals), model.clone());
    let [mut damping, ..] = DAMPING;
    for step in 0..STEPS {
        if step == OUTPUT_STEPS {
            damping = DAMPING[1];
        }
        if step < OUTPUT_STEPS {
            for row in now.jacobian.chunks_mut(model.parameters()) {
                row[..2 * units].fill(0.0);
            }
        }
        let by = squares::step(model.parameters(), &now.jacobian, &residuals, &weights, damping);
        let next = model.step(&by);
        let there = next.linearise(&inputs);
        let left = errors(&there.outputs);
        let better = loss(&left, &weights) < loss(&residuals, &weights);
        if better {
            (model, now, residuals) = (next, there, left);
            damping = (damping / 3.0).max(LEAST_DAMPING);
        } else {
            damping *= 4.0;
        }
        let hopeless = damping > HOPELESS_DAMPING;
        if step > EVEN_STEPS && (better || hopeless) {
            reweigh(&mut weights, &residuals, units);
        }
        if step > EVEN_STEPS && hopeless {
            damping = DAMPING[2];
        }
        let most = largest(&residuals);
        if most < best.0 {
            best = (most, model.clone());
        }
        if step % POINTS == 0 || step + 1 == STEPS {
            curve.push(step + 1, best.0);
        }
    }
    best.1
}
