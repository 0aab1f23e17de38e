//! The host side of the machine.
//!
//! [`Machine`] owns what a machine needs of the host (its image, frames, caches) and lends it as an
//! [`ncpu_linux::Kernel`]; [`drive()`](drive) runs it to its end against a [`Host`], which is what the
//! machine sees of the outside: console input and output, and mounted folders. What it drives may be
//! anywhere: an engine that runs machines elsewhere implements [`Driven`].
//! [`state_hash()`](state_hash) and [`snapshot`] make machines comparable and durable. [`batch`] runs
//! many that start alike.
//!
//! Not here: what the guest can do (`ncpu-linux`), how images are made (`ncpu-image`), and the command
//! line (`ncpu`).

pub mod batch;
mod drive;
mod driven;
mod export;
mod folders;
mod hash;
mod machine;
pub mod snapshot;

pub use drive::{Ending, Host, Input, Pause, Reason, Rules, drive, drive_machine};
pub use driven::{Driven, Fault, Status};
pub use export::export;
pub use folders::Folders;
pub use hash::state_hash;
pub use machine::{Boot, BootError, Machine, Pool, Program, User, boot};
pub use snapshot::SnapshotError;
