//! Machines as the lanes of a GPU: the host's side.
//!
//! [`Lanes`] puts a template machine and room for many forks of it into the memory of a
//! [`Device`](ncpu_cuda::Device), and runs them in rounds: all lanes execute, those that need it are
//! served, missing code is lifted. What happens in a round is `ncpu-gpu-kernel`'s; what machines are
//! given and what becomes of their ends is decided here.
//!
//! - [`lanes`]      machines in device memory
//! - [`memory`]     how much of it they take
//! - [`pace`]       how many instructions a round has
//! - [`batch`]      many machines with inputs of their own
//! - [`single`]     one machine, driven like one on the host's processor
//! - [`plain`]      records that are the same on both sides, and memory for them
//! - [`pairs`]      networks on all pairs of operands of 16 bits
//! - [`mod@open`]   the card
//! - [`emulation`]  a device on the host's processor, for tests

mod batch;
mod emulation;
mod error;
mod lanes;
mod memory;
mod open;
mod pace;
mod pairs;
mod plain;
mod single;

pub use batch::{GpuBatch, plan_batch};
pub use emulation::Emulation;
pub use error::{GpuError, Result};
pub use lanes::{Lanes, Spent};
pub use memory::{Plan, most_lanes};
pub use open::{Opening, Purpose, open};
pub use pairs::{CheckedPairs, check_pairs};
pub use single::GpuMachine;
