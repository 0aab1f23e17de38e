//! A64, the 64-bit Arm instruction set: decoding by declarative tables and lifting to micro-ops.
//!
//! `tables/*.decode` list every encoding that the machine knows, a row each. The build script makes
//! a decision tree of them that calls one handler of [`lift`]'s lifter per row, with the row's
//! fields as arguments; the handler emits the micro-ops. Whatever no row matches, and whatever a
//! handler declines, is an unallocated word and lifts to [`Op::Undefined`](ncpu_uop::Op).
//!
//! The architecture is ARMv8.0-A as programs at EL0 see it, with the features that [`features`]
//! announces. Not here: what micro-ops compute, pages of code, and text disassembly.
#![no_std]
#![forbid(unsafe_code)]

pub mod features;
mod lift;
mod table;

pub use lift::{Lifted, lift};
pub use table::{Field, ROWS, Row};
