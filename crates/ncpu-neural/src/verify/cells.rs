//! Cells on every input.

use super::Refuted;
use crate::specification::specification;
use ncpu_neural_alu::schedule::Registers;
use ncpu_neural_alu::{CellId, Cells, Network};

/// What evaluating a cell on all its inputs showed.
#[derive(Clone, Copy, Debug)]
pub struct CellResult {
    /// The cell.
    pub cell: CellId,
    /// Number of inputs.
    pub inputs: u64,
    /// Weights that are not zero, and biases.
    pub parameters: usize,
    /// Additions of planes that an evaluation takes.
    pub additions: usize,
    /// Smallest distance of a sum from zero, in halves.
    pub margin: u32,
}

/// Evaluates a cell's network in integers on every input, and compares it with its specification; and the
/// additions of planes that the machine makes of it, at every position, with the integers.
pub(super) fn check(cell: CellId, network: &Network, cells: &Cells) -> Result<CellResult, Refuted> {
    let count = 1u32 << cell.inputs();
    let mut margin = u32::MAX;
    for input in 0..count {
        let (neurons, least) = network.evaluate(input);
        let (found, expected) =
            (network.outputs(neurons, cell.outputs()), specification(cell, input));
        if found != expected {
            return Err(Refuted::Cell { cell: cell.name(), input, expected, found });
        }
        margin = margin.min(least);
    }
    for first in 0..count {
        // Position `p` has input `first + p`, so that each input is at each position once.
        let inputs: [u64; 8] = std::array::from_fn(|bit| {
            (0..64).fold(0, |plane, position| {
                let input = (first + position) % count;
                plane | u64::from(input >> bit & 1) << position
            })
        });
        let planes = planes(cell, cells, inputs);
        for position in 0..64 {
            let input = (first + position) % count;
            let (found, expected) =
                ((planes >> position).bits(cell.outputs()), specification(cell, input));
            if found != expected {
                return Err(Refuted::Planes {
                    cell: cell.name(),
                    input,
                    position,
                    expected,
                    found,
                });
            }
        }
    }
    Ok(CellResult {
        cell,
        inputs: count.into(),
        parameters: network.parameters(),
        additions: cells.steps(cell),
        margin,
    })
}

/// Output planes of a cell.
#[derive(Clone, Copy)]
struct Planes([u64; 8]);

impl std::ops::Shr<u32> for Planes {
    type Output = Planes;
    fn shr(self, by: u32) -> Planes {
        Planes(self.0.map(|plane| plane >> by))
    }
}

impl Planes {
    /// The lowest position of the first planes.
    fn bits(self, count: usize) -> u32 {
        let planes = self.0[..count].iter().enumerate();
        planes.fold(0, |bits, (i, plane)| bits | ((plane & 1) as u32) << i)
    }
}

fn planes(cell: CellId, cells: &Cells, inputs: [u64; 8]) -> Planes {
    // Inputs beyond the cell's own are read by none of its steps; all eight output places exist.
    Planes(cells.evaluate::<8, 8>(cell, &Registers::default(), inputs))
}
