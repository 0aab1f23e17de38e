//! Machines made, looked at and compared: forks of the batch's template, state hashes, and pages
//! gathered for the host.

use crate::batch::{Batch, Lane, WARP, state};
use core::mem::offset_of;
use core::slice;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use ncpu_linux::StateHasher;
use ncpu_machine::{PAGE_SIZE, warp};

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

/// Makes each chosen lane a fork of the template: [`Batch::fork_warps`] warps for each. The lane's frames
/// are dropped, and its record is replaced by the one in `fresh`.
///
/// # Safety
/// The batch must be complete, and no lane run.
pub unsafe fn fork(batch: &Batch, thread: u32) {
    let threads = batch.fork_warps * WARP;
    let (at, place) = (thread / threads, (thread % threads) as usize);
    if at >= batch.chosen_count {
        return;
    }
    // SAFETY: the caller's promise; each thread has its own words.
    unsafe {
        let lane = *batch.chosen.add(at as usize);
        let (from, to) = (batch.template.cast::<u64>(), batch.image(lane).cast::<u64>());
        copy(from, to, batch.layout.bytes() / WORD, place, threads as usize);
        let (from, to) =
            (batch.fresh.cast::<u32>(), batch.records.add(lane as usize).cast::<u32>());
        for index in (place..size_of::<Lane>() / 4).step_by(threads as usize) {
            // Code of frames that the lane has used before is dropped when they are used again.
            if index != offset_of!(Lane, own_pages) / 4 {
                to.add(index).write(from.add(index).read());
            }
        }
    }
}

/// Copies the words from `place` on that are `threads` apart.
///
/// # Safety
/// Both must have so many words, and be apart.
#[inline(always)]
pub(crate) unsafe fn copy(
    from: *const u64,
    to: *mut u64,
    words: usize,
    place: usize,
    threads: usize,
) {
    let mut index = place;
    // SAFETY: the caller's promise.
    unsafe {
        // Eight words are fetched before the first is needed, for each takes a while to come. (A loop is
        // left as one where code is to be small.)
        while index + 7 * threads < words {
            let (from, to) = (from.add(index), to.add(index));
            let read = |step: usize| from.add(step * threads).read();
            let write = |step: usize, word| to.add(step * threads).write(word);
            let [a, b, c, d] = [read(0), read(1), read(2), read(3)];
            let [e, f, g, h] = [read(4), read(5), read(6), read(7)];
            write(0, a);
            write(1, b);
            write(2, c);
            write(3, d);
            write(4, e);
            write(5, f);
            write(6, g);
            write(7, h);
            index += 8 * threads;
        }
        while index < words {
            to.add(index).write(from.add(index).read());
            index += threads;
        }
    }
}

/// What has to follow [`fork`], with one thread for each chosen lane: it gets what it is given, and
/// translations of the machine that was there before are forgotten.
///
/// # Safety
/// As for [`fork`].
pub unsafe fn bind(batch: &Batch, at: u32) {
    // SAFETY: the caller's promise; each thread has its own lane.
    unsafe {
        if at < batch.chosen_count {
            let lane = *batch.chosen.add(at as usize);
            let given = *batch.given.add(at as usize);
            let record = batch.record(lane);
            (record.input, record.input_length) = (given.input, given.input_length);
            record.output_capacity = batch.output_capacity;
            record.output = batch.output.addr() as u64 + u64::from(lane) * batch.output_capacity;
            record.state = state::SERVE;
            batch.memory(lane).flush_translations();
        }
    }
}

/// Marks which 4 KiB of the first chosen lane's image are not all zero: [`WARP`] threads for each.
///
/// # Safety
/// As for [`fork`].
pub unsafe fn scan(batch: &Batch, thread: u32) {
    let (at, place) = ((thread / WARP) as usize, (thread % WARP) as usize);
    let words = (batch.layout.bytes() / WORD).saturating_sub(at * PAGE_SIZE / WORD);
    if words == 0 {
        return;
    }
    // SAFETY: the caller's promise; of the marks, all threads write the same.
    unsafe {
        let from = batch.image(*batch.chosen).cast::<u64>().add(at * PAGE_SIZE / WORD);
        let mut any = 0;
        for index in (place..words.min(PAGE_SIZE / WORD)).step_by(WARP as usize) {
            any |= from.add(index).read();
        }
        if any != 0 {
            AtomicU32::from_ptr(batch.occupied.add(at)).store(1, Ordering::Relaxed);
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
        warp::meet();
        let mut hasher = StateHasher::share(place as usize, WARP as usize);
        hasher.image(slice::from_raw_parts(batch.image(lane), batch.layout.bytes()), &batch.layout);
        hasher.memory(&batch.memory(lane));
        for (index, sum) in hasher.sums().into_iter().enumerate() {
            let half = AtomicU64::from_ptr(hash.cast::<u64>().add(index));
            half.fetch_add(sum, Ordering::Relaxed);
        }
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

/// Copies the chosen lanes' rows of a table side by side: [`WARP`] threads for each.
///
/// # Safety
/// As for [`fork`].
pub unsafe fn collect(batch: &Batch, thread: u32) {
    let (at, place) = ((thread / WARP) as usize, (thread % WARP) as usize);
    if at >= batch.chosen_count as usize {
        return;
    }
    let width = batch.row_width as usize;
    // SAFETY: the caller's promise; nothing is written but the thread's own bytes.
    unsafe {
        let lane = *batch.chosen.add(at) as usize;
        let from = batch.rows.add(lane * batch.row_pitch as usize);
        let to = batch.gathered.add(at * width);
        for index in (place..width).step_by(WARP as usize) {
            to.add(index).write(from.add(index).read());
        }
    }
}
