//! From real weights to integers.
//!
//! The hidden layer is rounded first. The output layer then learns anew, with the rounded hidden layer
//! below it, before it is rounded too.

use super::descent::{largest, reweigh};
use super::model::Model;
use super::plan::Plan;
use super::squares;
use crate::network::{FRACTION, Network, NetworkError, ONE, OUTPUT_FRACTION, Unit};

/// Rounds in which the output layer learns.
const ROUNDS: u32 = 200;
/// How near a unit's sum and weights come to the largest that a network may have, 1 and 2.
const NEARLY: f64 = 1.0 - 1.0 / (1 << 24) as f64;

/// An input or output as a real number.
fn real(value: i64, fraction: u32) -> f64 {
    value as f64 / (1u64 << fraction) as f64
}

/// A unit's slope and bias as integers, scaled such that its value is at most one; the output's weight
/// makes up for it.
fn hidden(slope: f64, bias: f64, domain: [i32; 2]) -> Unit {
    let most =
        domain.map(|t| slope * real(t.into(), FRACTION) + bias).into_iter().fold(0.0, f64::max);
    let limits = [1.0 / most, 2.0 / slope.abs(), 2.0 / bias.abs()];
    let scale = NEARLY * limits.into_iter().fold(f64::MAX, f64::min);
    let integer = |value: f64| (value * scale * ONE as f64).round() as i32;
    Unit { slope: integer(slope), bias: integer(bias), weight: 0 }
}

/// The value of a unit of which only slope and bias are known.
fn value(unit: &Unit, t: i32) -> f64 {
    let sum = i64::from(unit.slope) * i64::from(t) + (i64::from(unit.bias) << FRACTION);
    let open = real(sum.max(0), 2 * FRACTION);
    let square = open * open;
    square * square * open
}

/// The network of integers for a model.
pub(super) fn round(plan: &Plan, model: &Model) -> Result<Network, NetworkError> {
    let domain = plan.id.domain();
    let layer = model.slopes.iter().zip(&model.biases);
    let mut units: Vec<Unit> = layer.map(|(&slope, &bias)| hidden(slope, bias, domain)).collect();
    // Outputs are linear in the weights: the Jacobian is the units' values, and 1 for the bias.
    let size = units.len() + 1;
    let rows = plan.inputs().flat_map(|t| {
        units.iter().map(move |unit| value(unit, t)).chain([1.0]).collect::<Vec<f64>>()
    });
    let jacobian: Vec<f64> = rows.collect();
    let wanted = plan.outputs();
    let errors = |by: &[f64]| -> Vec<f64> {
        let output =
            |row: &[f64]| row.iter().zip(by).map(|(value, weight)| value * weight).sum::<f64>();
        jacobian.chunks(size).zip(&wanted).map(|(row, wanted)| output(row) - wanted).collect()
    };
    let mut weights = vec![1.0; wanted.len()];
    let negative: Vec<f64> = wanted.iter().map(|wanted| -wanted).collect();
    let mut best = (f64::MAX, Vec::new());
    for _ in 0..ROUNDS {
        let by = squares::step(size, &jacobian, &negative, &weights, 0.0);
        let left = errors(&by);
        reweigh(&mut weights, &left, units.len());
        let most = largest(&left);
        if most < best.0 {
            best = (most, by);
        }
    }
    let integer = |value: f64| (value * (1u64 << OUTPUT_FRACTION) as f64).round() as i64;
    for (unit, &weight) in units.iter_mut().zip(&best.1) {
        unit.weight = integer(weight);
    }
    let bias = best.1.last().copied().map_or(0, integer);
    Network::new(&units, bias, domain)
}

/// The largest error of a network on the samples.
pub(super) fn error(plan: &Plan, network: &Network) -> f64 {
    let outputs = plan.inputs().map(|t| real(network.evaluate(t), FRACTION));
    let errors: Vec<f64> =
        outputs.zip(plan.outputs()).map(|(output, wanted)| output - wanted).collect();
    largest(&errors)
}
