//! Entry points over the machine for GPUs.
//!
//! This crate holds no logic of its own. [`step`] is the machine's main loop with the native ALU,
//! under a name that a GPU module can export; compiling it for `nvptx64-nvidia-cuda` proves that the
//! whole machine, operating system included, still needs nothing that a GPU lacks. Launching it
//! there is not built yet.
#![no_std]
#![cfg_attr(all(target_arch = "nvptx64", feature = "service"), feature(abi_ptx))]

use ncpu_alu::NativeAlu;
use ncpu_linux::{Kernel, Stop};

/// Runs one machine for about `budget` instructions; see [`Kernel::step`].
///
/// # Safety
/// `kernel` and `stop` must be valid, and `kernel` used by this lane alone.
#[cfg(all(target_arch = "nvptx64", feature = "service"))]
#[unsafe(no_mangle)]
pub unsafe extern "ptx-kernel" fn ncpu_step(kernel: *mut Kernel<'_>, stop: *mut Stop, budget: u64) {
    // SAFETY: the caller's promise.
    unsafe { stop.write(step(&mut *kernel, budget)) };
}

/// Runs a machine with the native ALU and no observer.
pub fn step(kernel: &mut Kernel<'_>, budget: u64) -> Stop {
    kernel.step(&NativeAlu, &mut (), budget)
}

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
