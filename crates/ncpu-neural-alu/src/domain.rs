//! What compositions are written on.

use crate::cell::CellId;

/// Planes of 64 positions, the cells that compute with them, and wiring.
///
/// A cell is evaluated at all positions of its input planes at once, each on its own. Wiring only
/// moves bits: where to is a constant of the source.
pub trait Domain {
    /// One bit at each of 64 positions.
    type Plane: Clone;

    /// Evaluates a cell at every position.
    fn cell<const I: usize, const O: usize>(
        &mut self,
        cell: CellId,
        inputs: [&Self::Plane; I],
    ) -> [Self::Plane; O];

    /// A plane with these bits.
    fn constant(&mut self, bits: u64) -> Self::Plane;

    /// Moves bits `by` positions up; zeros follow. `by` is below 64.
    fn up(&mut self, plane: &Self::Plane, by: u32) -> Self::Plane;

    /// Moves bits `by` positions down; zeros follow. `by` is below 64.
    fn down(&mut self, plane: &Self::Plane, by: u32) -> Self::Plane;

    /// The positions of `mask` from `inside`, the others from `outside`.
    fn splice(&mut self, mask: u64, inside: &Self::Plane, outside: &Self::Plane) -> Self::Plane;

    /// The bit at `position`, at all positions.
    fn spread(&mut self, plane: &Self::Plane, position: u32) -> Self::Plane;

    /// Position `i` at position `63 - i`.
    fn reverse(&mut self, plane: &Self::Plane) -> Self::Plane;

    /// A cell with one output.
    #[inline(always)]
    fn bit<const I: usize>(&mut self, cell: CellId, inputs: [&Self::Plane; I]) -> Self::Plane {
        let [output] = self.cell(cell, inputs);
        output
    }

    /// The complement.
    #[inline(always)]
    fn not(&mut self, plane: &Self::Plane) -> Self::Plane {
        self.bit(CellId::NotA, [plane, plane])
    }

    /// The positions of `mask`; zeros elsewhere.
    #[inline(always)]
    fn keep(&mut self, mask: u64, plane: &Self::Plane) -> Self::Plane {
        let zero = self.constant(0);
        self.splice(mask, plane, &zero)
    }

    /// The bit at `position`, at position 0; zeros elsewhere.
    #[inline(always)]
    fn take(&mut self, plane: &Self::Plane, position: u32) -> Self::Plane {
        let moved = self.down(plane, position);
        self.keep(1, &moved)
    }
}

/// A mask of the lowest `width` positions, `width` in 1..=64.
pub const fn low(width: u32) -> u64 {
    u64::MAX >> (64 - width)
}

/// A plane of zeros with given bits in the lowest positions: `bits[0]` in position 0 and so on, each
/// taken from the position that stands beside it.
pub fn gather<D: Domain, const N: usize>(d: &mut D, bits: [(&D::Plane, u32); N]) -> D::Plane {
    let mut all = d.constant(0);
    for (to, (plane, from)) in (0..).zip(bits) {
        let moved = if from >= to { d.down(plane, from - to) } else { d.up(plane, to - from) };
        all = d.splice(1 << to, &moved, &all);
    }
    all
}
