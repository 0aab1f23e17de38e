//! The machine's arithmetic, as pure functions.
//!
//! Everything that computes a value from guest data is here and goes through one trait, [`Alu`]:
//! integer operations are its methods; floating point ([`fp`]), SIMD lanes ([`simd`]) and the
//! cryptographic instructions ([`crypto`]) are written once on top of it, with [`Word`] giving them
//! ordinary operators. [`NativeAlu`] maps the methods to Rust's own integers and disappears when
//! inlined; another implementation (trained networks, symbolic values, counters) replaces every
//! arithmetic result of the machine without touching the rest.
//!
//! What does not belong here: registers, memory, decoding, control flow of the guest. Moving bits to
//! fixed places (taking a lane out of a vector, an exponent out of a float) is wiring, not
//! arithmetic, and may use Rust's operators directly.
#![no_std]
#![cfg_attr(target_arch = "nvptx64", feature(core_float_math))]
#![forbid(unsafe_code)]

mod alu;
pub mod crypto;
pub mod fp;
mod native;
pub mod simd;
mod word;

pub use alu::{Alu, Nzcv};
pub use native::NativeAlu;
pub use word::Word;
