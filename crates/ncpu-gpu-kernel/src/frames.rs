//! Frames are laid out anew when lanes begin to go ways of their own, or do the same again.
//!
//! A block has a frame of each lane of a warp: [`BLOCK`] words, as a table of lanes and their words, or of words
//! and the lanes that have them ([`BlockLayout`]).

use crate::batch::{Batch, WARP};
use crate::forking::copy;
use core::sync::atomic::{AtomicU32, Ordering};
use ncpu_machine::{BlockLayout, PAGE_SIZE, warp};

/// Words of a frame.
const FRAME: usize = PAGE_SIZE / size_of::<u64>();
/// Words of a block.
const BLOCK: usize = FRAME * WARP as usize;
/// Words that are fetched before the first is needed.
const GROUP: usize = 8;

/// Lays those blocks out as [`Batch::block_layout`] says that lanes have for [`Batch::moving`], which is not how
/// they are, and says whether they have more after these. With the first ones, all lanes forget their translations.
/// [`Batch::movers`] warps do it.
///
/// # Safety
/// The batch must be complete, and no lane run.
pub unsafe fn lay_out(batch: &Batch, thread: u32) {
    let (mover, place) = (thread / WARP, (thread % WARP) as usize);
    if mover >= batch.movers || warp::is_missing() && place != 0 {
        return;
    }
    let threads = if warp::is_missing() { 1 } else { WARP as usize };
    let groups = batch.lanes.div_ceil(WARP);
    let [first, end] = batch.moving;
    // SAFETY: the caller's promise; each mover has its own blocks, and each thread its own words of them.
    unsafe {
        // Blocks are taken in the order of their numbers.
        let block = |group: u32, number: u32| {
            let block = batch.blocks.add((group * batch.frame_limit + number) as usize);
            (*block).load(Ordering::Relaxed).checked_sub(1)
        };
        for index in (mover..groups * (end - first)).step_by(batch.movers as usize) {
            if let Some(block) = block(index % groups, first + index / groups) {
                let block = batch.block_memory.cast::<u64>().add(block as usize * BLOCK);
                let aside = batch.moved.cast::<u64>().add(mover as usize * BLOCK);
                transpose(block, aside, batch.block_layout, place, threads);
            }
        }
        for group in (mover..groups).step_by(batch.movers as usize) {
            if end < batch.frame_limit && block(group, end).is_some() {
                AtomicU32::from_ptr(&raw mut (*batch.round).moving).store(1, Ordering::Relaxed);
            }
            for lane in (place as u32..WARP).step_by(threads).map(|lane| group * WARP + lane) {
                // Number 0 is no frame.
                if first == 1 && lane < batch.lanes {
                    batch.memory(lane).flush_translations();
                }
            }
        }
    }
}

/// Lays a block out as `layout` says, by way of the room `aside`; this thread does the words from `place` on, at
/// a distance of `threads`.
///
/// # Safety
/// Both must be valid for a block's words, and all `threads` must do this.
unsafe fn transpose(
    block: *mut u64,
    aside: *mut u64,
    layout: BlockLayout,
    place: usize,
    threads: usize,
) {
    let columns = if layout == BlockLayout::Pieces { FRAME } else { WARP as usize };
    let rows = BLOCK / columns;
    // SAFETY: the caller's promise.
    unsafe {
        copy(block, aside, BLOCK, place, threads);
        warp::meet();
        for first in (place..BLOCK).step_by(GROUP * threads) {
            let mut words = [0; GROUP];
            for (step, word) in words.iter_mut().enumerate() {
                let index = first + step * threads;
                *word = aside.add(index % columns * rows + index / columns).read();
            }
            for (step, word) in words.into_iter().enumerate() {
                block.add(first + step * threads).write(word);
            }
        }
        warp::meet();
    }
}
