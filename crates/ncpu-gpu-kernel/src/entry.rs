//! Entry points: what each thread of a launch does.
//!
//! Each takes the address of the [`Batch`] and is launched with at least as many threads as there is
//! work for; threads beyond that do nothing.

use crate::batch::{Batch, LIFTS, state};
use crate::{execute, forking, lifting, serving};

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

entries! {
    /// Every lane executes.
    ncpu_execute "run" |batch, thread| {
        if let Some(lane) = batch.lane_of(thread) {
            execute::execute::<_, true>(batch, lane, state::RUN, &mut ());
        }
    };
    /// Every lane executes, none waits for another: for warps of one lane.
    ncpu_execute_alone "alone" |batch, thread| {
        if let Some(lane) = batch.lane_of(thread) {
            execute::execute::<_, false>(batch, lane, state::RUN, &mut ());
        }
    };
    /// Every lane that is near its limit executes, and stops there, wherever that is.
    ncpu_execute_exactly "exact" |batch, thread| {
        if let Some(lane) = batch.lane_of(thread) {
            execute::execute_exactly(batch, lane);
        }
    };
    /// Every lane that waits is served.
    ncpu_serve "service" |batch, thread| {
        if let Some(lane) = batch.served_by(thread) {
            serving::serve(batch, lane);
        }
    };
    /// Chosen lanes go on, as their output has been taken.
    ncpu_resume "service" |batch, thread| serving::resume(batch, thread);
    /// Chosen lanes are told to stop at once.
    ncpu_cut "service" |batch, thread| serving::cut(batch, thread);
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
