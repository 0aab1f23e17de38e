//! Machines made, looked at and compared: forks of the batch's template, state hashes, and pages
//! gathered for the host.

use crate::batch::{Batch, Lane, WARP, state};
use core::slice;
use core::sync::atomic::{AtomicU64, Ordering};
use ncpu_linux::StateHasher;
use ncpu_machine::PAGE_SIZE;

/// Bytes that are moved at a time.
const WORD: usize = size_of::<u64>();

/// The lane that a group of threads works for, and the thread's place in the group.
///
/// # Safety
/// The batch must be complete.
unsafe fn chosen(batch: &Batch, thread: u32) -> Option<(u32, u32)> {
    let at = thread / WARP;
    // SAFETY: below the number of chosen lanes.
    (at < batch.chosen_count).then(|| (unsafe { *batch.chosen.add(at as usize) }, thread % WARP))
}

/// Makes each chosen lane a fork of the template: [`WARP`] threads for each. The lane's frames are
/// dropped, and its record is replaced by the one of the same place in `fresh`.
///
/// # Safety
/// The batch must be complete, and no lane run.
pub unsafe fn fork(batch: &Batch, thread: u32) {
    // SAFETY: the caller's promise; each thread has its own words, and the first one the rest.
    unsafe {
        let Some((lane, place)) = chosen(batch, thread) else { return };
        let (from, to) = (batch.template.cast::<u64>(), batch.image(lane).cast::<u64>());
        for index in (place as usize..batch.layout.bytes() / WORD).step_by(WARP as usize) {
            to.add(index).write(from.add(index).read());
        }
        if place == 0 {
            let record = batch.record(lane);
            // Code of frames that the lane has used before is dropped when they are used again.
            let own_pages = record.own_pages;
            let fresh = &*batch.fresh.add((thread / WARP) as usize);
            *record = Lane { own_pages, state: state::SERVE, ..*fresh };
        }
    }
}

/// What has to follow [`fork`], with one thread for each chosen lane: translations of the machine that
/// was there before are forgotten.
///
/// # Safety
/// As for [`fork`].
pub unsafe fn bind(batch: &Batch, at: u32) {
    // SAFETY: the caller's promise; each thread has its own lane.
    unsafe {
        if at < batch.chosen_count {
            batch.memory(*batch.chosen.add(at as usize)).flush_translations();
        }
    }
}

/// Computes the state hash of each chosen lane: [`WARP`] threads for each.
///
/// # Safety
/// As for [`fork`].
pub unsafe fn hash(batch: &Batch, thread: u32) {
    // SAFETY: the caller's promise. The threads of a warp only read the lane, and add to the same two
    // words of its record.
    unsafe {
        let Some((lane, place)) = chosen(batch, thread) else { return };
        let hash = &raw mut (*batch.records.add(lane as usize)).hash;
        if place == 0 {
            hash.write([0; 2]);
        }
        meet();
        let mut hasher = StateHasher::share(place as usize, WARP as usize);
        hasher.image(slice::from_raw_parts(batch.image(lane), batch.layout.bytes()), &batch.layout);
        hasher.memory(&batch.memory(lane));
        for (index, sum) in hasher.sums().into_iter().enumerate() {
            let half = AtomicU64::from_ptr(hash.cast::<u64>().add(index));
            half.fetch_add(sum, Ordering::Relaxed);
        }
    }
}

/// Waits for the other threads of the warp, and sees what they have written. (On the host, threads run
/// one after the other.)
#[inline(always)]
fn meet() {
    #[cfg(target_arch = "nvptx64")]
    {
        unsafe extern "unadjusted" {
            #[link_name = "llvm.nvvm.bar.warp.sync"]
            fn sync(lanes: u32);
        }
        // SAFETY: all lanes take part.
        unsafe { sync(u32::MAX) }
    }
}

/// Copies pages of the first chosen lane to where the host can fetch them: [`WARP`] threads for each.
///
/// # Safety
/// As for [`fork`].
pub unsafe fn gather(batch: &Batch, thread: u32) {
    let (at, place) = ((thread / WARP) as usize, (thread % WARP) as usize);
    if at >= batch.gather_count as usize {
        return;
    }
    // SAFETY: the caller's promise; nothing is written but the thread's own words.
    unsafe {
        let lane = *batch.chosen;
        let (_, pages) = batch.layout.memory(batch.image(lane));
        let page =
            pages.cast::<ncpu_machine::mem::Page>().add(*batch.gather.add(at) as usize).read();
        let bytes = batch.pool(lane).bytes(page.frame());
        let to = batch.gathered.add(at * PAGE_SIZE).cast::<u64>();
        for index in (place..PAGE_SIZE / WORD).step_by(WARP as usize) {
            to.add(index).write(bytes.read_word(index).to_le());
        }
    }
}
