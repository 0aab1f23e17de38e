//! Entry points: what each thread of a launch does.
//!
//! Each takes the address of the [`Batch`] and is launched with at least as many threads as there is
//! work for; threads beyond that do nothing.

use crate::batch::{Batch, LIFTS, WARP};
use crate::{execute, forking, lifting, serving};
use ncpu_machine::{LaneRegisters, NEAR, StopAfter};

macro_rules! entries {
    ($($(#[doc = $doc:literal])* $name:ident $feature:literal |$batch:ident, $thread:ident| $body:expr;)*) => {
        $(
            $(#[doc = $doc])*
            ///
            /// # Safety
            /// The batch must be complete and used by nothing else; see [`crate::entry`].
            #[cfg(all(target_arch = "nvptx64", feature = $feature))]
            #[unsafe(no_mangle)]
            pub unsafe extern "ptx-kernel" fn $name(batch: *const Batch) {
                // SAFETY: the caller's promise.
                unsafe {
                    let ($batch, $thread) = (&*batch, this_thread());
                    $body
                }
            }
        )*

        /// Names of all entry points.
        pub const NAMES: &[&str] = &[$(stringify!($name)),*];

        /// What one thread of the entry point `name` does, on the host; false if there is none of this
        /// name.
        ///
        /// # Safety
        /// The batch must be complete and used by nothing else meanwhile.
        pub unsafe fn call(name: &str, batch: *const Batch, thread: u32) -> bool {
            match name {
                $(stringify!($name) => {
                    // SAFETY: the caller's promise.
                    unsafe {
                        let ($batch, $thread) = (&*batch, thread);
                        $body
                    }
                })*
                _ => return false,
            }
            true
        }
    };
}

/// Number of this thread in its launch.
#[cfg(target_arch = "nvptx64")]
#[inline(always)]
fn this_thread() -> u32 {
    use core::arch::nvptx::{_block_dim_x, _block_idx_x, _thread_idx_x};
    // SAFETY: reading these registers has no conditions.
    unsafe { (_block_idx_x() * _block_dim_x() + _thread_idx_x()) as u32 }
}

/// Shared memory that a warp needs for its lanes' registers, in bytes.
pub const SHARED_BYTES: u32 = (NEAR as u32 * WARP) * 8;

/// Room for a lane's near registers: none on a GPU, where they are in shared memory.
#[derive(Default)]
struct Near {
    #[cfg(not(target_arch = "nvptx64"))]
    words: Words,
}

#[cfg(not(target_arch = "nvptx64"))]
struct Words([u64; NEAR * WARP as usize]);

#[cfg(not(target_arch = "nvptx64"))]
impl Default for Words {
    fn default() -> Self {
        Words([0; NEAR * WARP as usize])
    }
}

impl Near {
    /// A place for the lane's registers, which must not be used for longer than `self`.
    ///
    /// # Safety
    /// The batch must be complete. On a GPU, blocks must be whole warps with [`SHARED_BYTES`] of shared
    /// memory for each.
    #[inline(always)]
    unsafe fn registers(&mut self, batch: &Batch, lane: u32) -> LaneRegisters {
        #[cfg(target_arch = "nvptx64")]
        let near = {
            let first: *mut u64;
            // SAFETY: it gives an address.
            unsafe {
                core::arch::asm!(
                    "{{ .reg .u64 near; mov.u64 near, ncpu_near; cvta.shared.u64 {first}, near; }}",
                    first = out(reg64) first,
                    options(pure, nomem, nostack),
                );
            }
            // SAFETY: reading this register has no conditions.
            let thread = unsafe { core::arch::nvptx::_thread_idx_x() } as u32;
            let (warp, place) = (thread / WARP, thread % WARP);
            first.wrapping_add((warp * NEAR as u32 * WARP + place) as usize)
        };
        #[cfg(not(target_arch = "nvptx64"))]
        let near = self.words.0.as_mut_ptr();
        // SAFETY: the caller's promise.
        unsafe { LaneRegisters::new(near, batch.vectors(lane)) }
    }
}

/// The shared memory of a block: how much there is, the launch says.
#[cfg(all(target_arch = "nvptx64", any(feature = "run", feature = "exact")))]
core::arch::global_asm!(".extern .shared .align 16 .b8 ncpu_near[];");

entries! {
    /// Every lane executes.
    ncpu_execute "run" |batch, lane| {
        if lane < batch.whole_warps() {
            let mut near = Near::default();
            execute::execute(batch, lane, near.registers(batch, lane), &mut ());
        }
    };
    /// Every lane executes, at most a round's instructions to the last one, wherever that is.
    ncpu_execute_exactly "exact" |batch, lane| {
        if lane < batch.whole_warps() {
            let mut near = Near::default();
            let registers = near.registers(batch, lane);
            execute::execute(batch, lane, registers, &mut StopAfter(batch.slice.into()));
        }
    };
    /// Every lane that ended its slice is served.
    ncpu_serve "service" |batch, lane| {
        if lane < batch.lanes {
            serving::serve(batch, lane);
        }
    };
    /// First step of lifting.
    ncpu_lift_decode "service" |batch, thread| {
        if thread < lifting::WORD_THREADS {
            lifting::decode(batch, thread);
        }
    };
    /// Second step of lifting.
    ncpu_lift_place "service" |batch, page| {
        if page < LIFTS {
            lifting::place(batch, page);
        }
    };
    /// Third step of lifting.
    ncpu_lift_emit "service" |batch, thread| {
        if thread < lifting::WORD_THREADS {
            lifting::emit(batch, thread);
        }
    };
    /// Last step of lifting.
    ncpu_lift_end "service" |batch, page| {
        if page < LIFTS {
            lifting::end(batch, page);
        }
    };
    /// All lifted code is dropped.
    ncpu_lift_clear "service" |batch, thread| {
        if thread == 0 {
            lifting::clear(batch);
        }
    };
    /// Every lane forgets what code is where.
    ncpu_lift_forget "service" |batch, lane| {
        if lane < batch.lanes {
            lifting::forget(batch, lane);
        }
    };
    /// Chosen lanes become forks of the template.
    ncpu_fork "service" |batch, thread| forking::fork(batch, thread);
    /// Chosen lanes are bound to their new memory.
    ncpu_bind "service" |batch, thread| forking::bind(batch, thread);
    /// State hashes of chosen lanes.
    ncpu_hash "service" |batch, thread| forking::hash(batch, thread);
    /// Pages of a lane, for the host.
    ncpu_gather "service" |batch, thread| forking::gather(batch, thread);
}
