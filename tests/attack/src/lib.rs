//! Hostile input for everything that reads untrusted bytes.
//!
//! Each target has `case`, which makes a case from a seed and checks it, and `fuzz`, which takes a
//! coverage-guided fuzzer's bytes (see `fuzz/`). What a case may do: be refused with an error, or run
//! and end. What it may not: panic, hang, lose frames of the pool, or ask anything of the host.
//!
//! - [`elf`]       programs whose headers lie
//! - [`archive`]   tar archives and container images
//! - [`rootfs`]    root file system images
//! - [`snapshot`]  snapshot files, with the right checksum too
//! - [`code`]      random instructions and system calls (`calls`)
//! - [`text`]      sources in assembly and Forth, and images of cells
//!
//! The tests run each target for a bounded number of cases, and try what a program can do to exhaust
//! its machine. The command `attack` runs a target for as long as one likes.

pub mod archive;
mod calls;
pub mod code;
pub mod elf;
pub mod machine;
mod mutate;
pub mod program;
pub mod random;
pub mod rootfs;
pub mod snapshot;
pub mod text;
