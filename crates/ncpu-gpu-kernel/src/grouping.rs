//! Lanes that are near each other in the code are put into the same warps, where they execute together
//! what they would execute one after the other.
//!
//! Which threads execute which lanes has no part in any result. Where lanes are is counted in
//! [`PLACES`] ranges of addresses, and their numbers are then written in the order of these. That is done for
//! each [`REGION`] of lanes by itself, whose memory is near each other, too.

use crate::batch::{Batch, state};
use core::sync::atomic::{AtomicU32, Ordering};

/// Lanes that are put into an order among themselves.
pub const REGION: u32 = 2048;
/// Ranges of addresses of [`RANGE`] instructions, in which those of a larger program come again and again;
/// and after them the place of lanes that execute nothing.
pub const PLACES: u32 = 4096;
/// Instructions of a range.
const RANGE: u64 = 2;
/// Places whose lanes are also counted together.
const PART: u32 = 64;

/// Lanes of a region at each place, in each part, and those of each place that have their number already. All
/// zero at first.
#[repr(C)]
#[derive(Debug)]
pub struct Places {
    lanes: [AtomicU32; PLACES as usize],
    parts: [AtomicU32; (PLACES / PART) as usize],
    numbered: [AtomicU32; PLACES as usize],
}

/// Counts the thread's lane where it is.
///
/// # Safety
/// The batch must be complete, and no lane execute meanwhile.
pub unsafe fn count(batch: &Batch, lane: u32) {
    if lane >= batch.lanes {
        return;
    }
    // SAFETY: the caller's promise; other threads use the counts in this way only.
    unsafe {
        let (places, place) = (&*batch.places.add((lane / REGION) as usize), place(batch, lane));
        places.lanes[place as usize].fetch_add(1, Ordering::Relaxed);
        places.parts[(place / PART) as usize].fetch_add(1, Ordering::Relaxed);
    }
}

/// Gives the thread's lane its number in the order, once all have been counted.
///
/// # Safety
/// As for [`count`].
pub unsafe fn arrange(batch: &Batch, lane: u32) {
    if lane >= batch.lanes {
        return;
    }
    // SAFETY: the caller's promise; every lane gets a number of its own among those of its region.
    unsafe {
        let region = lane / REGION;
        let (places, place) = (&*batch.places.add(region as usize), place(batch, lane));
        let part = place / PART;
        let mut before = region * REGION;
        for part in 0..part {
            before += places.parts[part as usize].load(Ordering::Relaxed);
        }
        for place in part * PART..place {
            before += places.lanes[place as usize].load(Ordering::Relaxed);
        }
        let number = before + places.numbered[place as usize].fetch_add(1, Ordering::Relaxed);
        batch.order.add(number as usize).write(lane);
    }
}

/// Where a lane is.
///
/// # Safety
/// As for [`count`].
unsafe fn place(batch: &Batch, lane: u32) -> u32 {
    // SAFETY: the caller's promise; a lane that executes has a task.
    unsafe {
        let record = batch.record(lane);
        if record.state != state::RUN {
            return PLACES - 1;
        }
        let pc = (*batch.core(lane, record)).pc;
        (pc / (4 * RANGE) % u64::from(PLACES - 1)) as u32
    }
}
