//! The Linux personality of the machine.
//!
//! A machine image ([`image`]) is a header and tables of plain records; a [`Kernel`] is a view over
//! one image for the time it runs, with its memory and root file system. [`Kernel::step`] executes
//! tasks and serves their system calls ([`table`]) until the slice is over, the machine is done, or
//! it needs the host ([`Stop`]). Everything that a program can observe (time, entropy, scheduling,
//! directory order) is a function of the image and of the input given to it.
//!
//! | folder | what |
//! |---|---|
//! | [`abi`] | numbers and record layouts of the arm64 Linux ABI |
//! | [`mm`] | address spaces, mappings, page faults |
//! | [`exec`] | loading programs |
//! | [`process`] | tasks, process tree, scheduling, waiting, credentials, limits |
//! | [`signal`] | sending, queueing and delivering signals |
//! | [`vfs`] | nodes, paths, directories, regular files, mounts, /proc and /dev |
//! | [`mod@file`] | descriptors, open files, and what is common to all kinds of them |
//! | [`ipc`] | pipes, event, timer and signal descriptors, epoll, poll, inotify |
//! | [`net`] | sockets inside the machine |
//! | [`tty`] | terminals and the console |
//! | [`time`] | clocks and timers |
//! | [`entropy`] | the seeded generator |
//!
//! Not here: anything about the host. The host fills and drains the console rings, answers
//! [`host`] requests, and boots the machine.
#![no_std]

pub mod abi;
mod bytes;
pub mod entropy;
pub mod exec;
pub mod file;
mod hash;
pub mod host;
pub mod image;
pub mod ipc;
mod kernel;
pub mod mm;
pub mod net;
pub mod process;
pub mod rom;
mod scratch;
pub mod signal;
pub mod table;
pub mod time;
pub mod tty;
pub mod user;
pub mod vfs;
mod wait;

pub use abi::errno::Errno;
pub use bytes::{copy, is_zero};
pub use hash::StateHasher;
pub use image::{Kernel, Layout, Limits};
pub use kernel::{LONGEST_LINE, Slice, Stop};
pub use wait::{Block, Channel, SysResult};
