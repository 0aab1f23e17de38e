//! 64-bit arithmetic that is composed of trained networks.
//!
//! - [`cell`]      which small networks there are: their names, inputs and outputs
//! - [`network`]   a cell's weights and its evaluation in integers, as they come from a weight file
//! - [`schedule`]  the same sums for 64 instances at a time: weights turned into additions of bit planes
//! - [`domain`]    what a composition is written on: cells, and wiring by constants
//! - [`adder`], [`compare`], [`shift`], [`count`], [`multiply`], [`divide`]: the compositions
//! - [`bits`]      the domain that evaluates networks on planes of 64 bits
//! - [`alu`]       the compositions as the machine's arithmetic unit
//! - [`pairs`]     the compositions for small operands, beside Rust's operators
//!
//! A composition is one source for every domain: the machine evaluates it with the networks of a weight
//! file, and the proof runs it on symbolic planes with each cell replaced by what was proved of it.
//! Wiring moves bits between positions that the source fixes; nothing that depends on data is decided
//! outside of a cell.
//!
//! What does not belong here: reading weight files, specifications, training, proofs (`ncpu-neural`).
#![no_std]
#![forbid(unsafe_code)]

pub mod adder;
pub mod alu;
pub mod bits;
pub mod cell;
pub mod compare;
pub mod count;
pub mod divide;
pub mod domain;
pub mod multiply;
pub mod network;
pub mod pairs;
pub mod schedule;
pub mod shift;

pub use alu::{NeuralAlu, Operation, Tallies};
pub use bits::{BitSliced, Bits};
pub use cell::CellId;
pub use domain::Domain;
pub use network::Network;
pub use schedule::Cells;
