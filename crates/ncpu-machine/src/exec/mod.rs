//! Vector and floating-point micro-ops on the register file.
//!
//! The run loop hands over a whole [`Uop`]: [`vector`] takes the `V*` operations, [`float`] the `F*`
//! operations and the conversions between floats and integers. The most frequent ones, which the
//! loop calls itself, are in [`hot`]. Arithmetic is `ncpu_alu`'s; what is here is which lanes of
//! which slots an operation reads and writes.
//!
//! Whatever writes fewer than 128 bits of a vector register zeroes the rest, unless the operation
//! names a lane or the high half. Memory is not touched here, and nothing depends on the values of
//! operands except through the ALU, so no operation can fail; a micro-op that no lifter makes
//! (a family's member that does not exist) does nothing.

pub(crate) mod convert;
mod crypto;
mod float;
pub(crate) mod hot;
mod permute;
#[cfg(test)]
mod tests;
mod vector;

pub(crate) use float::float;
pub(crate) use vector::vector;

use ncpu_alu::simd::{Esize, V};
use ncpu_uop::{Lanes, Slot, slot};

/// The register slots of a core.
pub(crate) type Slots = [u64; slot::COUNT];

/// FPSR bit 27: an integer operation saturated.
const FPSR_QC: u64 = 1 << 27;

/// The value of a slot. Slots are below [`slot::COUNT`]; the mask tells the compiler.
#[inline(always)]
fn read(regs: &Slots, slot: Slot) -> u64 {
    regs[slot as usize & (slot::COUNT - 1)]
}

#[inline(always)]
fn write(regs: &mut Slots, slot: Slot, value: u64) {
    regs[slot as usize & (slot::COUNT - 1)] = value;
}

/// The vector in a slot and the slot after it.
#[inline(always)]
fn read_v(regs: &Slots, slot: Slot) -> V {
    [read(regs, slot), read(regs, slot.wrapping_add(1))]
}

#[inline(always)]
fn write_v(regs: &mut Slots, slot: Slot, value: V) {
    write(regs, slot, value[0]);
    write(regs, slot.wrapping_add(1), value[1]);
}

/// Element size of packed lanes.
#[inline(always)]
fn esize(lanes: Lanes) -> Esize {
    Esize::from_code(lanes.log2())
}
