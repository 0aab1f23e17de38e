//! Machines as the lanes of a GPU: its entry points, and what they do.
//!
//! This crate holds no logic of the machine. It says how a [`Batch`] of machines lies in device memory,
//! and what one thread of each entry point does with it. A round is: every lane executes
//! ([`execute`]), then every lane that ended its slice is served ([`serving`]); pages of code that were
//! missing are lifted ([`lifting`]). Where lanes of warps go ways of their own, they are put into an order
//! that has those together that are near each other ([`grouping`]), and their frames are laid out for that
//! ([`frames`]). All of it is ordinary Rust that runs on
//! the host's processor as well, where the same entry points are called thread by thread ([`entry`]).
//!
//! For `nvptx64-nvidia-cuda`, the features `run` and `service` choose the entry points: executing gets
//! a module of its own, for the rest would cost it registers.
#![no_std]
#![cfg_attr(target_arch = "nvptx64", allow(internal_features))]
#![cfg_attr(
    target_arch = "nvptx64",
    feature(abi_ptx, abi_unadjusted, asm_experimental_arch, link_llvm_intrinsics, stdarch_nvptx)
)]

pub mod batch;
pub mod entry;
pub mod execute;
pub mod exit;
pub mod forking;
pub mod frames;
pub mod grouping;
pub mod lifting;
pub mod neural;
pub mod packed;
mod registers;
pub mod serving;
mod stack;

pub use batch::{Batch, Given, Lane, Lift, Round};
pub use serving::Exchange;
pub use stack::STACK_BYTES;

/// Comparing slices calls this by name; nothing else on the GPU provides it.
///
/// # Safety
/// Both pointers must be valid for `count` bytes.
#[cfg(target_arch = "nvptx64")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, count: usize) -> i32 {
    for index in 0..count {
        // SAFETY: the caller's promise.
        let (x, y) = unsafe { (a.add(index).read_volatile(), b.add(index).read_volatile()) };
        if x != y {
            return i32::from(x) - i32::from(y);
        }
    }
    0
}
