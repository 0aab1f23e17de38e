//! Descriptors and open files.
//!
//! [`table`] keeps descriptors, [`io`] reads and writes; an operation goes by
//! the kind of file: regular files and devices here, everything else in the module of its kind.

pub mod control;
pub mod device;
pub mod directory;
mod dispatch;
pub mod io;
pub mod lock;
pub mod table;
pub mod transfer;

use crate::abi::fcntl::{O_ACCMODE, O_RDONLY, O_WRONLY};
use crate::image::Record;

pub use dispatch::{ioctl, poll, read, release, write};
pub use table::{
    alloc, boot, close, close_on_exec, fork_table, get, install, new_table, release_table, share,
};

/// Descriptors in a table (the hard limit of RLIMIT_NOFILE).
pub const DESCRIPTORS: usize = 1024;

/// Kinds of open files.
pub mod kind {
    /// A regular file of any file system.
    pub const REGULAR: u32 = 1;
    /// A directory.
    pub const DIRECTORY: u32 = 2;
    /// A character device (number in `device`).
    pub const DEVICE: u32 = 3;
    /// The reading end of a pipe or FIFO (index in `object`).
    pub const PIPE_READ: u32 = 4;
    /// The writing end of a pipe or FIFO.
    pub const PIPE_WRITE: u32 = 5;
    /// Both ends of a FIFO.
    pub const PIPE_BOTH: u32 = 6;
    /// A socket (index in `object`).
    pub const SOCKET: u32 = 7;
    /// A terminal (index in `object`).
    pub const TTY: u32 = 8;
    /// The controlling side of a pseudo-terminal.
    pub const PTY_MASTER: u32 = 9;
    /// Standard input from the host, when it is not a terminal.
    pub const HOST_INPUT: u32 = 10;
    /// Standard output or error of the host (1 or 2 in `object`).
    pub const HOST_OUTPUT: u32 = 11;
    /// eventfd.
    pub const EVENT: u32 = 12;
    /// timerfd.
    pub const TIMER: u32 = 13;
    /// signalfd.
    pub const SIGNAL: u32 = 14;
    /// epoll.
    pub const EPOLL: u32 = 15;
    /// inotify.
    pub const INOTIFY: u32 = 16;
    /// A file opened with O_PATH.
    pub const PATH: u32 = 17;
    /// pidfd (process index in `object`).
    pub const PIDFD: u32 = 18;
}

/// A descriptor table.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct FdTable {
    /// Processes that use it, 0 when free.
    pub references: u32,
    /// Keeps the record free of padding.
    pub reserved: u32,
    /// Open file (index + 1) of each descriptor, 0 when closed; [`FdTable::CLOSE_ON_EXEC`] on top.
    pub entries: [u32; DESCRIPTORS],
}

impl FdTable {
    /// Set in an entry whose descriptor is closed by execve.
    pub const CLOSE_ON_EXEC: u32 = 1 << 31;
}

/// An open file description.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct File {
    /// Descriptors (and kernel users) that refer to it, 0 when free.
    pub references: u32,
    /// One of [`kind`].
    pub kind: u32,
    /// O_* status flags and access mode.
    pub flags: u32,
    /// Node, for what has one.
    pub node: u32,
    /// Index of the pipe, socket, terminal, ...
    pub object: u32,
    /// Device number, for devices.
    pub device: u32,
    /// Position.
    pub offset: u64,
    /// State of small kinds kept in the file itself (event counter, timer expiry and interval, ...).
    pub state: [u64; 3],
    /// Owner of O_ASYNC and locks: a process number, or a negated group.
    pub owner: i32,
    /// Signal for O_ASYNC (F_SETSIG), 0 for SIGIO.
    pub signal: u32,
    /// Entries of epoll interest lists that name it.
    pub watchers: u32,
    /// Keeps the record free of padding.
    pub reserved: u32,
}

// SAFETY: integers only.
unsafe impl Record for FdTable {}
// SAFETY: integers only.
unsafe impl Record for File {}

/// Whether the open file may be read.
pub const fn may_read(file: &File) -> bool {
    file.flags & O_ACCMODE != O_WRONLY && file.kind != kind::PATH
}

/// Whether the open file may be written.
pub const fn may_write(file: &File) -> bool {
    file.flags & O_ACCMODE != O_RDONLY && file.kind != kind::PATH
}
