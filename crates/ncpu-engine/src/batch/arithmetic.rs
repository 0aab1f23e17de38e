//! What computes the results of a batch's machines.

use ncpu_alu::{Alu, NativeAlu};
use ncpu_neural_alu::{BitSliced, Cells, NeuralAlu, Tallies};
use std::sync::{Mutex, PoisonError};

/// Gives each machine an arithmetic unit, on whatever thread it runs.
pub trait Arithmetic: Sync {
    /// A machine's unit.
    type Unit<'a>: Alu
    where
        Self: 'a;

    /// The unit of a new machine.
    fn unit(&self) -> Self::Unit<'_>;

    /// Takes note of what the unit of a machine that has ended computed.
    fn note(&self, unit: &Self::Unit<'_>);

    /// What networks have computed so far, if they do.
    fn tallies(&self) -> Option<Tallies>;
}

impl Arithmetic for NativeAlu {
    type Unit<'a> = NativeAlu;

    fn unit(&self) -> NativeAlu {
        NativeAlu
    }

    fn note(&self, _: &NativeAlu) {}

    fn tallies(&self) -> Option<Tallies> {
        None
    }
}

/// Networks for all machines.
pub struct Networks {
    cells: Box<Cells>,
    tallies: Mutex<Tallies>,
}

impl Networks {
    /// Arithmetic by these cells.
    pub fn new(cells: Box<Cells>) -> Networks {
        Networks { cells, tallies: Mutex::default() }
    }
}

impl Arithmetic for Networks {
    type Unit<'a> = NeuralAlu<BitSliced<'a>>;

    fn unit(&self) -> NeuralAlu<BitSliced<'_>> {
        NeuralAlu::new(&self.cells)
    }

    fn note(&self, unit: &NeuralAlu<BitSliced<'_>>) {
        // Nothing panics with the lock held.
        self.tallies.lock().unwrap_or_else(PoisonError::into_inner).add(&unit.tallies());
    }

    fn tallies(&self) -> Option<Tallies> {
        Some(*self.tallies.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
