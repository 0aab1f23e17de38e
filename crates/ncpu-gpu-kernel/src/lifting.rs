//! Between rounds: pages that lanes have asked for are lifted, by one thread for each word.

use crate::batch::{Batch, LIFTS, Lift};
use core::sync::atomic::{AtomicU32, Ordering};
use ncpu_machine::code::{Draft, WORDS};

/// Threads of [`decode`] and [`emit`].
pub const WORD_THREADS: u32 = LIFTS * WORDS as u32;
const NO_ROOM: u32 = u32::MAX;

/// # Safety
/// The batch must be complete, and `page` below [`LIFTS`].
unsafe fn wanted(batch: &Batch, page: u32) -> Option<(*mut Lift, *mut Draft)> {
    // SAFETY: the caller's promise.
    unsafe {
        let lift = batch.lifts.add(page as usize);
        ((*lift).tag.load(Ordering::Relaxed) != 0).then(|| (lift, batch.drafts.add(page as usize)))
    }
}

/// First step, for each word of each page.
///
/// # Safety
/// The batch must be complete, and no lane run.
pub unsafe fn decode(batch: &Batch, thread: u32) {
    let (page, index) = (thread / WORDS as u32, thread as usize % WORDS);
    // SAFETY: the caller's promise; each thread has its own word.
    unsafe {
        if let Some((lift, draft)) = wanted(batch, page) {
            let source = &(*lift).source;
            Draft::decode::<true>(draft, source.page, index, source.word(index));
        }
    }
}

/// Second step, for each page.
///
/// # Safety
/// As for [`decode`].
pub unsafe fn place(batch: &Batch, page: u32) {
    // SAFETY: the caller's promise; each thread has its own page.
    unsafe {
        let Some((lift, draft)) = wanted(batch, page) else { return };
        let store = &*batch.store;
        if !store.has_room(LIFTS) {
            (*batch.round).full = 1;
            (*lift).at = NO_ROOM;
            return;
        }
        let source = (*lift).source;
        let count = Draft::place(draft, source.page);
        (*lift).at = store.file(&source, count);
        if let Some(lane) = source.key.owner.checked_sub(1) {
            let record = batch.records.add(lane as usize);
            AtomicU32::from_ptr(&raw mut (*record).own_pages).fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Third step, for each word of each page.
///
/// # Safety
/// As for [`decode`].
pub unsafe fn emit(batch: &Batch, thread: u32) {
    let (page, index) = (thread / WORDS as u32, thread as usize % WORDS);
    // SAFETY: the caller's promise; each thread has its own word.
    unsafe {
        if let Some((lift, draft)) = wanted(batch, page)
            && (*lift).at != NO_ROOM
        {
            (*batch.store).emit(&(*lift).source, draft, (*lift).at, index);
        }
    }
}

/// Last step, for each page: its place on the list is free again.
///
/// # Safety
/// As for [`decode`].
pub unsafe fn end(batch: &Batch, page: u32) {
    // SAFETY: the caller's promise.
    unsafe { (*batch.lifts.add(page as usize)).tag.store(0, Ordering::Relaxed) };
}

/// Drops all lifted code. One thread does; the lanes' lookup tables have to be flushed as well.
///
/// # Safety
/// As for [`decode`].
pub unsafe fn clear(batch: &Batch) {
    // SAFETY: the caller's promise.
    unsafe { (*batch.store).clear() };
}

/// Forgets, for one lane, what code is where.
///
/// # Safety
/// As for [`decode`].
pub unsafe fn forget(batch: &Batch, lane: u32) {
    // SAFETY: the caller's promise.
    unsafe {
        batch.memory(lane).flush_translations();
        batch.record(lane).own_pages = 0;
    }
}
