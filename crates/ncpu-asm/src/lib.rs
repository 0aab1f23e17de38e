//! Front ends besides A64: nCPU assembly, and the one-instruction computers MUXLEQ and SUBLEQ.
//!
//! ```text
//! text ─► asm::assemble ─► words ─► asm::translate ─┐
//!                                                   ├─► a64 ─► elf ─► any engine, any ALU
//! .dec ─► cells::Image ──► cells::machine ──────────┘
//! ```
//!
//! Both become static ARM64 Linux programs. So they run wherever A64 does, with every engine, ALU and
//! observer, and nothing about them is known below this crate. The programs keep exact counts of the
//! *guest's* instructions, and write [`asm::record`]s of their state to standard error.
//!
//! - [`asm`]    nCPU assembly: instructions, assembler, translation
//! - [`cells`]  MUXLEQ and SUBLEQ: images, machine, assembler, and the Forth that is built with it
//! - [`source`] where in a text something is wrong, and how that is shown
//!
//! Not here: how a program is put into a machine and run (that is the command line, in `ncpu`).

#![forbid(unsafe_code)]

mod a64;
pub mod asm;
pub mod cells;
mod elf;
pub mod source;
