//! MUXLEQ and SUBLEQ: computers of one or two instructions, described in `docs/muxleq.md`.
//!
//! - [`image`]     the cells that a machine starts with, and `.dec` files of them
//! - [`translate`] an image to an ARM64 program that is such a machine
//! - [`assemble`]  text to an image
//! - [`forth`]     Forth to that text: how the Forth of `guest/forth` is built

pub mod assemble;
pub mod forth;
pub mod image;
mod lines;
pub mod translate;

pub use image::Image;

/// Which of the two computers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Computer {
    /// Subtract and branch, and merge bits under a mask.
    Muxleq,
    /// Subtract and branch.
    Subleq,
}
