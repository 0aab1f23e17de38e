//! Signals: sending, queueing, masks, delivery to handlers, default actions.
//!
//! A signal is a bit in the pending set of a task or a process, and usually a [`Queued`] record with
//! its details. Standard signals are pending at most once; real-time signals queue. [`send`] decides
//! whether a signal is ignored, makes it pending and wakes who has to look; [`deliver()`](deliver) acts
//! on pending signals when a task is about to return to user mode; [`frame`] builds what a handler
//! returns through.

pub mod calls;
mod deliver;
pub mod frame;
mod info;
pub mod kill;
pub mod send;

pub use crate::abi::signal::*;
pub use deliver::{deliver, dequeue, is_pending, set_temporary_mask};
pub use info::Info;
pub use send::{force, send_group, send_process, send_task};

use crate::image::Record;

/// A queued signal's details; `owner` 0 is a free record.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Queued {
    /// Task index + 1, or process index + 1 with [`Queued::PROCESS`].
    pub owner: u32,
    /// Keeps the record free of padding.
    pub reserved: u32,
    /// Order of arrival.
    pub order: u64,
    /// The details.
    pub info: Info,
}

impl Queued {
    /// Set in the owner when the signal is pending for a process.
    pub const PROCESS: u32 = 1 << 31;
}

// SAFETY: integers only.
unsafe impl Record for Queued {}
