//! Numbers and record layouts of the arm64 Linux ABI.

pub mod auxv;
pub mod elf;
pub mod errno;
pub mod fcntl;
pub mod mman;
pub mod poll;
pub mod sched;
pub mod signal;
pub mod socket;
pub mod stat;
pub mod termios;
pub mod time;
pub mod wait;
