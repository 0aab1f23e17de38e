//! The rounds' first half: every lane executes guest instructions.

use crate::batch::{Batch, LIFTS, state};
use crate::{exit, registers};
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicU32, Ordering};
use ncpu_alu::{Alu, NativeAlu};
use ncpu_machine::code::CodeSource;
use ncpu_machine::{Aside, Exit, Observer, StopAfter, Vectors, interpret, warp};

/// Executes up to a round's instructions of the lane's slice, and none after the lane's limit, if that is
/// what the lane is to do.
///
/// # Safety
/// The batch must be complete, and no other thread may use the lane.
#[inline(always)]
pub unsafe fn execute_exactly(batch: &Batch, lane: u32) {
    // SAFETY: the caller's promise.
    unsafe {
        let record = batch.record(lane);
        let left = record.limit.saturating_sub(record.total + record.retired);
        let observer = &mut StopAfter(left);
        execute::<_, _, false, false>(batch, lane, state::EXACT, &NativeAlu, observer);
    }
}

/// Executes up to a round's instructions of the lane's slice if its state is `wanted`; `MEET` is
/// [`interpret`]'s. `TOGETHER` says that all threads of the warp do this for the same lane, of which the first
/// one says what has come of it.
///
/// # Safety
/// The batch must be complete, and no other thread may use the lane. With `MEET`, all lanes of a warp must
/// do this at the same time.
#[inline(always)]
pub unsafe fn execute<A: Alu, O: Observer, const MEET: bool, const TOGETHER: bool>(
    batch: &Batch,
    lane: u32,
    wanted: u32,
    alu: &A,
    observer: &mut O,
) {
    // SAFETY: the caller's promise. The registers are copied, as a thread's own memory is faster.
    unsafe {
        let record = batch.record(lane);
        let active = record.state == wanted;
        let is_first = !TOGETHER || warp::lane() == 0;
        if wanted == state::RUN && record.state == state::SERVE && is_first {
            let from = batch.core(lane, record);
            record.kept = 0;
            registers::move_to(batch.core(lane, record), from);
            wait(batch, lane);
        }
        if !MEET && !active {
            return;
        }
        let mut core = MaybeUninit::uninit();
        let (from, soon) = (batch.core(lane, record), record.vectors != 0);
        let mut late = registers::load::<MEET>(&mut core, from, active, soon);
        let core = core.assume_init_mut();
        let mut mem = batch.memory(lane);
        if TOGETHER {
            mem.execute_together();
        }
        let left = record.budget.saturating_sub(record.retired);
        let budget = left.min(u64::from(batch.slice));
        mem.counter = record.counter + record.retired;
        if TOGETHER {
            // All have read the record.
            warp::meet();
        }
        // All that is needed afterwards is found again by the lane's number.
        let lane = Aside::new(lane);
        let outcome = interpret::<_, _, _, true, MEET>(
            core, &mut mem, alu, observer, &mut late, budget, active,
        );
        let lane = lane.get();
        let record = batch.record(lane);
        let active = record.state == wanted;
        let is_first = !TOGETHER || warp::lane() == 0;
        let lanes = match MEET {
            true => warp::lanes_that(active),
            false => u32::from(active && is_first) << warp::lane(),
        };
        if MEET && are_apart(lanes, core.pc as u32) && warp::next_lane(lanes, 0) == warp::lane() {
            let apart = AtomicU32::from_ptr(&raw mut (*batch.round).apart);
            apart.fetch_add(lanes.count_ones(), Ordering::Relaxed);
        }
        let retired = record.retired + outcome.retired;
        let (mut exit, mut goes_on) = (outcome.exit, false);
        if lanes >> warp::lane() & 1 != 0 {
            let round = &mut *batch.round;
            if exit == Exit::Unlifted {
                match mem.request_code(core.pc) {
                    Ok(source) => {
                        request(batch, &source);
                        round.lifting = 1;
                        goes_on = true;
                    }
                    // It could be executed a moment ago; execution will find out again.
                    Err(fault) => exit = Exit::Fault(fault),
                }
            } else if exit == Exit::Budget {
                goes_on = retired < record.budget;
            }
            if goes_on {
                round.running = 1;
            }
            if wanted == state::EXACT {
                round.exact = 1;
            }
            let from = batch.core(lane, record);
            record.kept = goes_on.into();
            if batch.core(lane, record) != from {
                late.need(core.slots.as_mut_ptr());
            }
        }
        registers::store::<MEET>(batch.core(lane, record), core, lanes, &late);
        // A compiler that knew this before would have the registers stored in branches.
        if lanes >> warp::lane() & 1 == 0 {
            return;
        }
        record.vectors = late.were_needed().into();
        record.retired = retired;
        record.uops += outcome.uops;
        if goes_on {
            return;
        }
        record.exit = exit::encode(exit);
        record.state = state::SERVE;
        record.pending = 1;
        wait(batch, lane);
    }
}

/// Whether these lanes of the warp are at different places.
fn are_apart(lanes: u32, place: u32) -> bool {
    let differs = place != warp::word_of(warp::next_lane(lanes, 0), place);
    lanes & warp::lanes_that(differs) != 0
}

/// Puts a lane on the list of those that wait to be served.
///
/// # Safety
/// The batch must be complete, and the lane not be on the list.
unsafe fn wait(batch: &Batch, lane: u32) {
    // SAFETY: the caller's promise; other lanes touch the number in this way only.
    unsafe {
        let waiting = AtomicU32::from_ptr(&raw mut (*batch.round).waiting);
        let at = waiting.fetch_add(1, Ordering::Relaxed);
        batch.waiting.add(at as usize).write(lane);
    }
}

/// Puts a page on the list of those to be lifted, unless it is there or the list is full, when the lane
/// will come back in the next round.
///
/// # Safety
/// The batch must be complete.
unsafe fn request(batch: &Batch, source: &CodeSource) {
    // Two pages with the same tag wait for each other; that costs a round.
    let owner = u64::from(source.key.owner) << 40;
    let tag = ((source.page >> 12) << 32 | u64::from(source.key.frame)) ^ owner | 1 << 63;
    let start = (tag ^ tag >> 32).wrapping_mul(0x9e37_79b9) as u32;
    for step in 0..8 {
        let at = start.wrapping_add(step) % LIFTS;
        // SAFETY: below the length of the list.
        let lift = unsafe { batch.lifts.add(at as usize) };
        // SAFETY: as above.
        let claim = unsafe { &(*lift).tag };
        match claim.compare_exchange(0, tag, Ordering::Relaxed, Ordering::Relaxed) {
            // SAFETY: the claim makes the rest of the record this thread's.
            Ok(_) => return unsafe { (*lift).source = *source },
            Err(other) if other == tag => return,
            Err(_) => {}
        }
    }
}
