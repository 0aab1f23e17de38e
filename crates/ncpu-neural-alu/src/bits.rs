//! Planes of 64 bits, and networks evaluated on them.

use crate::cell::CellId;
use crate::domain::Domain;
use crate::schedule::{Cells, Registers};

/// What evaluates networks.
pub trait Evaluate {
    /// Evaluates a cell's network at 64 positions.
    fn evaluate<const I: usize, const O: usize>(&self, cell: CellId, inputs: [u64; I]) -> [u64; O];
}

/// Networks evaluated in additions of planes.
pub struct BitSliced<'a> {
    cells: &'a Cells,
    registers: Registers,
}

impl<'a> BitSliced<'a> {
    /// An evaluator of the networks in `cells`, with room for their sums.
    pub fn new(cells: &'a Cells) -> BitSliced<'a> {
        BitSliced { cells, registers: Registers::default() }
    }
}

impl Evaluate for BitSliced<'_> {
    #[inline(always)]
    fn evaluate<const I: usize, const O: usize>(&self, cell: CellId, inputs: [u64; I]) -> [u64; O] {
        self.cells.evaluate(cell, &self.registers, inputs)
    }
}

/// The domain of the machine: every cell is its network's arithmetic, 64 instances at a time.
pub struct Bits<'a, E> {
    evaluator: &'a E,
    evaluated: u64,
}

impl<'a, E: Evaluate> Bits<'a, E> {
    /// Planes for the networks of an evaluator.
    #[inline(always)]
    pub fn new(evaluator: &'a E) -> Bits<'a, E> {
        Bits { evaluator, evaluated: 0 }
    }

    /// How many planes of cells were evaluated.
    #[inline(always)]
    pub fn evaluated(&self) -> u64 {
        self.evaluated
    }
}

impl<E: Evaluate> Domain for Bits<'_, E> {
    type Plane = u64;

    #[inline(always)]
    fn cell<const I: usize, const O: usize>(
        &mut self,
        cell: CellId,
        inputs: [&u64; I],
    ) -> [u64; O] {
        self.evaluated += 1;
        self.evaluator.evaluate(cell, inputs.map(|plane| *plane))
    }

    #[inline(always)]
    fn constant(&mut self, bits: u64) -> u64 {
        bits
    }

    #[inline(always)]
    fn up(&mut self, plane: &u64, by: u32) -> u64 {
        plane << by
    }

    #[inline(always)]
    fn down(&mut self, plane: &u64, by: u32) -> u64 {
        plane >> by
    }

    #[inline(always)]
    fn splice(&mut self, mask: u64, inside: &u64, outside: &u64) -> u64 {
        inside & mask | outside & !mask
    }

    #[inline(always)]
    fn spread(&mut self, plane: &u64, position: u32) -> u64 {
        0u64.wrapping_sub(plane >> position & 1)
    }

    #[inline(always)]
    fn reverse(&mut self, plane: &u64) -> u64 {
        plane.reverse_bits()
    }
}
