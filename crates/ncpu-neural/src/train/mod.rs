//! Training: each cell by gradient descent on its whole truth table, then rounded to integers.
//!
//! - [`plan`]     which neurons a cell has and what they see; smaller plans come first
//! - [`descent`]  gradient descent with Burn
//! - [`rounding`] from real weights to integers
//! - [`curves`]   loss and margin over the steps, as a table and as a chart
//!
//! Everything is seeded and, in the descent, made of additions, multiplications, divisions, comparisons
//! and square roots in a fixed order, which IEEE 754 defines to the last bit: no exponential function
//! and no matrix product, whose results depend on the host.

pub mod curves;
mod descent;
mod plan;
mod rounding;

use crate::specification::specification;
use crate::weights::{Card, FAMILIES, FORMAT, Training, Weights};
use curves::Curve;
use ncpu_neural_alu::schedule::additions;
use ncpu_neural_alu::{CellId, Network};
use std::collections::BTreeMap;

/// Attempts at a plan, from different initial weights.
const ATTEMPTS: u32 = 16;

/// Why a cell has no network.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// No attempt gave a network that is right on every input.
    #[error(
        "cell {cell}: no attempt with seed {seed} was right on every input; try another --seed"
    )]
    Failed {
        /// The cell.
        cell: &'static str,
        /// The seed.
        seed: u64,
    },
}

/// A cell that was trained.
struct Trained {
    network: Network,
    training: Training,
    curve: Curve,
}

/// Trains all cells; `seed` sets the initial weights, and `done` is told of each cell. Gives the weights,
/// without a certificate, and how each was reached.
///
/// # Errors
/// When a cell cannot be trained with this seed.
pub fn train(
    seed: u64,
    mut done: impl FnMut(CellId, &Training),
) -> Result<(Weights, Vec<Curve>), TrainError> {
    let mut networks = BTreeMap::new();
    let mut cards = Vec::new();
    let mut curves = Vec::new();
    for family in FAMILIES {
        let mut cells = BTreeMap::new();
        for &cell in family.cells {
            let Trained { network, training, curve } = cell_of(cell, seed)?;
            done(cell, &training);
            cells.insert(cell.name().to_owned(), training);
            networks.insert(cell, network);
            curves.push(curve);
        }
        cards.push(Card {
            format: FORMAT.to_owned(),
            description: format!("nCPU neural ALU, {} cells: threshold networks", family.name),
            cells,
            certificate: None,
        });
    }
    let networks: Vec<Network> = networks.into_values().collect();
    let networks = networks.try_into().map(Box::new).expect("families hold every cell once");
    Ok((Weights { networks, cards }, curves))
}

/// Trains a cell: of the attempts at the first plan with which one is right on every input, the network
/// with the fewest parameters, and of those the one with the fewest additions.
fn cell_of(cell: CellId, seed: u64) -> Result<Trained, TrainError> {
    let mut best: Option<(_, Trained)> = None;
    for plan in plan::plans(cell) {
        for attempt in 0..ATTEMPTS {
            let first = descent::seed(cell, seed, attempt);
            let Some((network, curve)) = descent::descend(cell, &plan, first) else { continue };
            let Some(margin) = margin(cell, &network) else { continue };
            let Some(additions) = additions(&network) else { continue };
            let size = (network.parameters(), additions);
            if best.as_ref().is_some_and(|(least, _)| *least <= size) {
                continue;
            }
            let training = Training {
                architecture: plan.describe(),
                data: format!("all {} inputs", 1 << cell.inputs()),
                seed,
                attempt,
                optimiser: descent::OPTIMISER.to_owned(),
                steps: curve.steps(),
                parameters: network.parameters(),
                margin,
            };
            best = Some((size, Trained { network, training, curve }));
        }
        if best.is_some() {
            break;
        }
    }
    best.map(|(_, trained)| trained).ok_or(TrainError::Failed { cell: cell.name(), seed })
}

/// The smallest margin over all inputs, if the network is right on each.
fn margin(cell: CellId, network: &Network) -> Option<u32> {
    (0..1 << cell.inputs()).try_fold(u32::MAX, |least, input| {
        let (neurons, margin) = network.evaluate(input);
        let right = network.outputs(neurons, cell.outputs()) == specification(cell, input);
        right.then_some(least.min(margin))
    })
}
