//! Weight files, training and proof of the neural ALU.
//!
//! - [`specification`] what each cell has to compute
//! - [`weights`]       weight files: safetensors with a model card
//! - [`digest`]        what of the networks a certificate is about
//! - [`verify`]        the proof: each cell on every input, and each operation for all operands
//! - `train`           gradient descent, with the feature of that name
//! - `soft`            the compositions on soft bits, with their gradients; with the same feature, as
//! - `program`         straight-line programs of A64 words on any planes, and
//! - `invert`          their inputs by descent
//!
//! Networks, their evaluation and their composition are `ncpu-neural-alu`'s.
#![forbid(unsafe_code)]

pub mod digest;
#[cfg(feature = "train")]
pub mod invert;
#[cfg(feature = "train")]
pub mod program;
#[cfg(feature = "train")]
mod random;
#[cfg(feature = "train")]
pub mod soft;
pub mod specification;
#[cfg(feature = "train")]
pub mod train;
pub mod verify;
pub mod weights;

pub use weights::{Certified, Weights, WeightsError};
