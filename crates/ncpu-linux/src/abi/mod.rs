//! Numbers and record layouts of the arm64 Linux ABI.

pub mod errno;
pub mod fcntl;
pub mod stat;
pub mod auxv;
pub mod elf;
pub mod mman;
pub mod socket;
pub mod poll;
pub mod termios;
pub mod sched;
pub mod signal;
pub mod time;
pub mod wait;
