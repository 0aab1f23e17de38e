//! Entry points: what each thread of a launch does.
//!
//! Each takes the address of a record, of the [`Batch`] unless it says otherwise, and is launched with at
//! least as many threads as there is work for; threads beyond that do nothing.

use crate::batch::{Batch, LIFTS, state};
use crate::neural::{Chains, Pairs};
use crate::{execute, forking, frames, grouping, lifting, neural, serving};
use ncpu_alu::NativeAlu;

macro_rules! entries {
    ($($(#[doc = $doc:literal])* $name:ident $feature:literal |$record:ident: $type:ty, $thread:ident| $body:expr;)*) => {
        $(
            $(#[doc = $doc])*
            ///
            /// # Safety
            /// The record must be complete and used by nothing else; see [`crate::entry`].
            #[cfg(all(target_arch = "nvptx64", feature = $feature))]
            #[unsafe(no_mangle)]
            pub unsafe extern "ptx-kernel" fn $name(record: *const $type) {
                // SAFETY: the caller's promise.
                unsafe {
                    let ($record, $thread) = (&*record, this_thread());
                    $body
                }
            }
        )*

        /// What one thread of the entry point `name` does, on the host; false if there is none of this
        /// name.
        ///
        /// # Safety
        /// The record must be the entry point's, complete, and used by nothing else meanwhile.
        pub unsafe fn call(name: &str, record: *const (), thread: u32) -> bool {
            match name {
                $(stringify!($name) => {
                    // SAFETY: the caller's promise.
                    unsafe {
                        let ($record, $thread) = (&*record.cast::<$type>(), thread);
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
    ncpu_execute "run" |batch: Batch, thread| {
        if let Some(lane) = batch.lane_of(thread) {
            execute::execute::<_, _, true, false>(batch, lane, state::RUN, &NativeAlu, &mut ());
        }
    };
    /// Every lane executes, none waits for another: for warps of one lane.
    ncpu_execute_alone "alone" |batch: Batch, thread| {
        if let Some(lane) = batch.lane_of(thread) {
            execute::execute::<_, _, false, false>(batch, lane, state::RUN, &NativeAlu, &mut ());
        }
    };
    /// Every lane that is near its limit executes, and stops there, wherever that is.
    ncpu_execute_exactly "exact" |batch: Batch, thread| {
        if let Some(lane) = batch.lane_of(thread) {
            execute::execute_exactly(batch, lane);
        }
    };
    /// Every lane executes, exactly where it is near its limit, with arithmetic by networks.
    ncpu_execute_neural "neural" |batch: Batch, thread| neural::execute(batch, thread);
    /// Chains of results of networks; takes the address of [`Chains`].
    ncpu_neural_chain "neural" |chains: Chains, thread| neural::chain(chains, thread);
    /// All results of pairs of operands of 16 bits; takes the address of [`Pairs`].
    ncpu_neural_pairs "neural" |pairs: Pairs, thread| neural::check(pairs, thread);
    /// Every lane that waits is served.
    ncpu_serve "service" |batch: Batch, thread| serving::serve_waiting(batch, thread);
    /// First step of putting lanes into an order.
    ncpu_count "service" |batch: Batch, thread| grouping::count(batch, thread);
    /// Last step of it.
    ncpu_arrange "service" |batch: Batch, thread| grouping::arrange(batch, thread);
    /// Frames are laid out as the record says.
    ncpu_lay_out "service" |batch: Batch, thread| frames::lay_out(batch, thread);
    /// Chosen lanes go on, as their output has been taken.
    ncpu_resume "service" |batch: Batch, thread| serving::resume(batch, thread);
    /// Chosen lanes are told to stop at once.
    ncpu_cut "service" |batch: Batch, thread| serving::cut(batch, thread);
    /// First step of lifting.
    ncpu_lift_decode "service" |batch: Batch, thread| {
        if thread < lifting::WORD_THREADS {
            lifting::decode(batch, thread);
        }
    };
    /// Second step of lifting.
    ncpu_lift_place "service" |batch: Batch, page| {
        if page < LIFTS {
            lifting::place(batch, page);
        }
    };
    /// Third step of lifting.
    ncpu_lift_emit "service" |batch: Batch, thread| {
        if thread < lifting::WORD_THREADS {
            lifting::emit(batch, thread);
        }
    };
    /// Last step of lifting.
    ncpu_lift_end "service" |batch: Batch, page| {
        if page < LIFTS {
            lifting::end(batch, page);
        }
    };
    /// All lifted code is dropped.
    ncpu_lift_clear "service" |batch: Batch, thread| {
        if thread == 0 {
            lifting::clear(batch);
        }
    };
    /// Every lane forgets what code is where.
    ncpu_lift_forget "service" |batch: Batch, lane| {
        if lane < batch.lanes {
            lifting::forget(batch, lane);
        }
    };
    /// Chosen lanes become forks of the template.
    ncpu_fork "service" |batch: Batch, thread| forking::fork(batch, thread);
    /// Chosen lanes are bound to their new memory.
    ncpu_bind "service" |batch: Batch, thread| forking::bind(batch, thread);
    /// Which parts of a lane's image are in use.
    ncpu_scan "service" |batch: Batch, thread| forking::scan(batch, thread);
    /// State hashes of chosen lanes.
    ncpu_hash "service" |batch: Batch, thread| forking::hash(batch, thread);
    /// Rows of chosen lanes, for the host.
    ncpu_collect "service" |batch: Batch, thread| forking::collect(batch, thread);
    /// Pages of a lane, for the host.
    ncpu_gather "service" |batch: Batch, thread| forking::gather(batch, thread);
}
