//! The proof that the neural ALU computes what Rust's integers do.
//!
//! 1. [`cells`]: the network of each cell is evaluated on *every* input, in integers and as the machine
//!    evaluates it, and compared with the cell's specification.
//! 2. [`theorems`]: each operation of 64 bits, composed of cells with their specifications, is equal to
//!    a [reference](mod@reference) for all operands: both are made into binary decision diagrams, which are the same
//!    exactly when the functions are.
//! 3. [`induction`]: multiplication and division are too large for that; they follow by induction from
//!    steps that are checked in the same way.
//! 4. [`exhaustive`]: beside the proof, the references are compared with Rust's operators, and so are
//!    the networks, on all operands of 8 bits and on many of 64.
//!
//! What this rests on: the Rust compiler; `biodivine-lib-bdd`; that planes of the machine are wired as
//! those of diagrams are, and that the references are Rust's operators, both of which is compared but not
//! proved; and the arithmetic in [`induction`]'s text.

mod cells;
mod exhaustive;
mod induction;
mod reference;
mod symbolic;
mod theorems;

use crate::digest::digest;
use crate::weights::{Certificate, Weights, WeightsError};
pub use cells::CellResult;
use ncpu_neural_alu::pairs::{Counts, Operands, Wrong};
use ncpu_neural_alu::{CellId, Cells, Network};
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::{Duration, Instant};

/// What was found to be wrong.
#[derive(Debug, thiserror::Error)]
pub enum Refuted {
    /// A network's outputs.
    #[error(
        "cell {cell} is wrong on the input {input:#b} (the first input in the lowest bit): \
         {found:#b}, not {expected:#b}"
    )]
    Cell {
        /// The cell.
        cell: &'static str,
        /// Its inputs.
        input: u32,
        /// What it should give.
        expected: u32,
        /// What it gives.
        found: u32,
    },
    /// The outputs of a network on planes.
    #[error(
        "cell {cell} on planes is wrong on the input {input:#b} at position {position}: {found:#b}, \
         not {expected:#b}"
    )]
    Planes {
        /// The cell.
        cell: &'static str,
        /// Its inputs.
        input: u32,
        /// The position.
        position: u32,
        /// What it should give.
        expected: u32,
        /// What it gives.
        found: u32,
    },
    /// A composition.
    #[error("{name}: bit {bit} is wrong for {operands}")]
    Operation {
        /// The theorem.
        name: &'static str,
        /// The result's bit.
        bit: usize,
        /// Operands for which it is.
        operands: String,
    },
    /// A result.
    #[error("{name} of {a:#x} and {b:#x} is {found:#x}, not {expected:#x}")]
    Run {
        /// The operation.
        name: &'static str,
        /// The first operand.
        a: u64,
        /// The second operand.
        b: u64,
        /// The result.
        found: u64,
        /// The right one.
        expected: u64,
    },
}

impl From<Wrong> for Refuted {
    fn from(wrong: Wrong) -> Refuted {
        let Wrong { compared, a, b, found, expected } = wrong;
        Refuted::Run { name: compared.name(), a: a.into(), b: b.into(), found, expected }
    }
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The weights cannot be read.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// Something is wrong.
    #[error(transparent)]
    Refuted(#[from] Refuted),
}

/// What was shown, as it is shown.
#[derive(Clone, Debug)]
pub enum Progress {
    /// A cell is right on every input.
    Cell(CellResult),
    /// A theorem holds.
    Theorem {
        /// Its name.
        name: &'static str,
        /// What holds.
        statement: &'static str,
        /// How long the proof took.
        took: Duration,
    },
    /// Results were compared with Rust's operators.
    Runs {
        /// What was compared.
        what: &'static str,
        /// How many results.
        results: u64,
        /// How long it took.
        took: Duration,
    },
}

/// Evaluates all cells on every input. The theorems are about cells as they are specified, so that they
/// hold for any networks that pass.
///
/// # Errors
/// The first input that goes wrong.
pub fn check_cells(
    networks: &[Network; CellId::COUNT],
    machine: &Cells,
) -> Result<Vec<CellResult>, Refuted> {
    let all = CellId::ALL.iter().zip(networks);
    all.map(|(&cell, network)| cells::check(cell, network, machine)).collect()
}

/// Number of steps that [`verify`] tells of.
pub const STEPS: usize = CellId::COUNT + theorems::THEOREMS.len() + induction::STEPS.len() + 4;

/// Gives the networks pairs of operands of 16 bits, on so many threads, and compares every result with
/// Rust's operators; gives their numbers. All pairs take hours. `tell` hears, on any thread, of each first
/// operand that is through.
///
/// # Errors
/// The first result that is wrong.
pub fn pairs_of_16_bits(
    cells: &Cells,
    operands: &Operands,
    threads: NonZeroUsize,
    tell: impl Fn() + Sync,
) -> Result<Counts, Wrong> {
    exhaustive::sixteen_bits(cells, operands, threads, &tell)
}

/// Proves weights right; `tell` hears of each step. `folder` is for errors.
///
/// # Errors
/// What is wrong, with the input that goes wrong.
pub fn verify(
    weights: &Weights,
    folder: &Path,
    mut tell: impl FnMut(Progress),
) -> Result<Certificate, VerifyError> {
    let machine = weights.cells(folder)?;
    let (mut margin, mut cell_inputs) = (u32::MAX, 0);
    for result in check_cells(&weights.networks, &machine)? {
        margin = margin.min(result.margin);
        cell_inputs += result.inputs;
        tell(Progress::Cell(result));
    }
    let mut proved = std::collections::BTreeMap::new();
    for theorem in theorems::THEOREMS.iter().chain(induction::STEPS) {
        let start = Instant::now();
        (theorem.prove)(theorem.name)?;
        let (name, statement) = (theorem.name, theorem.statement);
        tell(Progress::Theorem { name, statement, took: start.elapsed() });
        proved.insert(name.to_owned(), statement.to_owned());
    }
    let mut runs = |what, run: &dyn Fn() -> Result<u64, Refuted>| -> Result<(), Refuted> {
        let start = Instant::now();
        let results = run()?;
        tell(Progress::Runs { what, results, took: start.elapsed() });
        Ok(())
    };
    runs("references and Rust's operators", &exhaustive::references)?;
    runs("wiring of planes and of diagrams", &|| exhaustive::wiring(&machine))?;
    runs("networks on all operands of 8 bits", &|| exhaustive::eight_bits(&machine))?;
    runs("networks on operands of 64 bits", &|| exhaustive::sixty_four_bits(&machine))?;
    Ok(Certificate {
        networks: digest(&weights.networks),
        checker: format!("ncpu-neural {}, biodivine-lib-bdd 0.6", env!("CARGO_PKG_VERSION")),
        cell_inputs,
        margin,
        theorems: proved,
    })
}
