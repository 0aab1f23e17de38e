//! The machine: frames, translation, cores and the interpreter.
//!
//! A machine is plain data. Its registers are [`Core`]s, its memory a table of physical pages
//! ([`mem::Page`]) over a [`FramePool`] shared by all machines, translated by ARMv8 tables that live
//! in that memory ([`mem::walk`]). [`run()`](run) executes it: pages of guest instructions are lifted to
//! micro-ops on first execution ([`code`]) and interpreted, with the arithmetic of an
//! [`ncpu_alu::Alu`] and under an [`Observer`].
//!
//! Everything here is `no_std` without allocation or statics, because the same source is compiled
//! for GPUs. Not here: what an operating system does (that is `ncpu-linux`), and where the memory
//! comes from (`ncpu-engine`).
#![no_std]
#![cfg_attr(target_arch = "nvptx64", allow(internal_features))]
#![cfg_attr(
    target_arch = "nvptx64",
    feature(abi_unadjusted, asm_experimental_arch, link_llvm_intrinsics, stdarch_nvptx)
)]

pub mod addr;
pub mod code;
mod cpu;
mod exec;
mod frame;
mod lane;
pub mod mem;
mod observe;
mod pool;
mod run;
mod scalar;
mod structures;
pub mod warp;
mod words;

pub use addr::{Access, Fault, FaultKind, FrameId, PAGE_SIZE, Ppn};
pub use cpu::{Core, Vectors};
pub use frame::FrameBytes;
pub use lane::Aside;
pub use mem::Mem;
pub use observe::{Flow, Observer, StopAfter};
pub use pool::{BlockLayout, BlockState, FramePool, LaneFrameState, LaneFrames, PoolState};
pub use run::{Exit, Outcome, interpret, run};
pub use words::{LaneWords, PAIR, SPREAD_SHIFT};
