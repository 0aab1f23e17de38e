//! nCPU assembly, described in `docs/asm.md`.
//!
//! - [`isa`]        the instructions: one table
//! - [`assemble()`] text to words
//! - [`translate()`] words to an ARM64 program that does the same and counts its instructions
//! - [`record`]     what that program tells about its state

mod assemble;
pub mod isa;
mod lexer;
pub mod record;
mod translate;

pub use assemble::{Program, assemble};
pub use translate::{TranslateError, Watch, translate};
