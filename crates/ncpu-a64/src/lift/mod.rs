//! Lifting: one handler for each kind of encoding, one topic a file.
//!
//! A handler gets the fields of its row in the order of the pattern and emits at most eight
//! micro-ops; `None` means that the word is unallocated. An instruction that can fault has no
//! effect before its faulting micro-op, except on the lifters' temporaries.
// Handlers take the fields of an encoding, which has up to nine.
#![allow(clippy::too_many_arguments)]

mod atomic;
mod branch;
mod crypto;
mod float;
mod float_simd;
mod immediate;
mod logical;
mod memory;
mod register;
mod simd;
pub(crate) mod simd_arguments;
mod simd_element;
mod simd_long;
mod simd_memory;
mod simd_move;
mod simd_shift;
mod system;

use ncpu_uop::{Op, Slot, Uop, slot};

/// Most micro-ops that one instruction lifts to.
const MOST: usize = 8;

/// The micro-ops of one instruction.
#[derive(Clone, Copy, Debug)]
pub struct Lifted {
    uops: [Uop; MOST],
    len: usize,
}

impl Lifted {
    /// No micro-ops.
    pub const fn new() -> Self {
        Lifted { uops: [Uop::new(Op::Nop); MOST], len: 0 }
    }

    /// The micro-ops, one to eight of them after [`lift`].
    #[inline]
    pub fn uops(&self) -> &[Uop] {
        self.uops.get(..self.len).unwrap_or(&[])
    }
}

impl Default for Lifted {
    fn default() -> Self {
        Self::new()
    }
}

/// Lifts the instruction `word` at address `pc` into `out`, which loses what it held. An
/// unallocated word becomes one [`Op::Undefined`] with the word as immediate. The first micro-op
/// carries [`Uop::FIRST`]; the index bits of [`Uop::at`] are zero.
pub fn lift(word: u32, pc: u64, out: &mut Lifted) {
    out.len = 0;
    let mut lifter = Lifter { pc, out };
    if crate::table::decode(&mut lifter, word).is_none() || lifter.out.len == 0 {
        out.len = 1;
        out.uops[0] = Uop { imm: word as u64, ..Uop::new(Op::Undefined) };
    }
    out.uops[0].at |= Uop::FIRST;
}

/// An instruction being lifted.
pub(crate) struct Lifter<'a> {
    /// Its address.
    pub(crate) pc: u64,
    out: &'a mut Lifted,
}

impl Lifter<'_> {
    /// Appends a micro-op; `None` when there is no room.
    #[inline]
    pub(crate) fn emit(&mut self, uop: Uop) -> Option<()> {
        *self.out.uops.get_mut(self.out.len)? = uop;
        self.out.len += 1;
        Some(())
    }

    /// Makes the last micro-op write `rd`.
    fn redirect(&mut self, rd: Slot) -> Option<()> {
        self.out.uops.get_mut(self.out.len.checked_sub(1)?)?.rd = rd;
        Some(())
    }

    /// Appends `op rd, ra, rb`.
    #[inline]
    pub(crate) fn emit3(&mut self, op: Op, rd: Slot, ra: Slot, rb: Slot) -> Option<()> {
        self.emit(Uop { rd, ra, rb, ..Uop::new(op) })
    }

    /// Appends `op rd, ra, #imm`.
    #[inline]
    pub(crate) fn emit_imm(&mut self, op: Op, rd: Slot, ra: Slot, imm: u64) -> Option<()> {
        self.emit(Uop { rd, ra, imm, ..Uop::new(op) })
    }
}

/// The first temporary.
const T0: Slot = slot::TEMP[0];

/// The 64-bit operation or its 32-bit form, as the `sf` bit says.
#[inline]
const fn sized(sf: u32, x: Op, w: Op) -> Op {
    if sf == 0 { w } else { x }
}

/// X register `n` as a source: 31 is the zero register.
#[inline]
pub(crate) const fn source(n: u32) -> Slot {
    slot::x_or_zero(n as u8)
}

/// X register `n` as a destination: 31 is the zero register.
#[inline]
pub(crate) const fn dest(n: u32) -> Slot {
    slot::x_or_sink(n as u8)
}

/// X register `n`, or the stack pointer for 31.
#[inline]
pub(crate) const fn or_sp(n: u32) -> Slot {
    (n & 31) as Slot
}

/// Vector register `n`.
#[inline]
pub(crate) const fn vector(n: u32) -> Slot {
    slot::v(n as u8)
}

/// The `width` low bits of `value` as a signed number (`width` 1 to 32).
#[inline]
pub(crate) const fn signed(value: u32, width: u32) -> i64 {
    ((value << (32 - width)) as i32 >> (32 - width)) as i64
}

/// The number with the `width` low bits set (`width` 0 to 64).
#[inline]
pub(crate) const fn ones(width: u32) -> u64 {
    if width == 0 { 0 } else { u64::MAX >> (64 - width) }
}
