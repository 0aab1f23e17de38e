//! Frames are laid out anew when lanes begin to go ways of their own, or do the same again.
//!
//! A block has a frame of each lane of a warp: [`BLOCK`] words, as a table of lanes and their words, or of words
//! and the lanes that have them ([`BlockLayout`]).

use crate::batch::{Batch, WARP};
use crate::forking::copy;
use core::sync::atomic::Ordering;
use ncpu_machine::{BlockLayout, PAGE_SIZE, warp};

/// Words of a frame.
const FRAME: usize = PAGE_SIZE / size_of::<u64>();
/// Words of a block.
const BLOCK: usize = FRAME * WARP as usize;
/// Words that are fetched before the first is needed.
const GROUP: usize = 8;

/// Lays all blocks out as [`Batch::block_layout`] says, which is not how they are, and has all lanes forget their
/// translations. [`Batch::movers`] warps do it.
///
/// # Safety
/// The batch must be complete, and no lane run.
pub unsafe fn lay_out(batch: &Batch, thread: u32) {
    let (mover, place) = (thread / WARP, (thread % WARP) as usize);
    if mover >= batch.movers || warp::is_missing() && place != 0 {
        return;
    }
    let threads = if warp::is_missing() { 1 } else { WARP as usize };
    let columns = if batch.block_layout == BlockLayout::Pieces { FRAME } else { WARP as usize };
    let rows = BLOCK / columns;
    // SAFETY: the caller's promise; each mover has its own block, and each thread its own words of it.
    unsafe {
        let aside = batch.moved.cast::<u64>().add(mover as usize * BLOCK);
        for group in (mover..batch.lanes.div_ceil(WARP)).step_by(batch.movers as usize) {
            let blocks = batch.blocks.add((group * batch.frame_limit) as usize);
            // Number 0 is no frame. Blocks are taken in the order of their numbers.
            for number in 1..batch.frame_limit as usize {
                let Some(block) = (*blocks.add(number)).load(Ordering::Relaxed).checked_sub(1)
                else {
                    break;
                };
                let block = batch.block_memory.cast::<u64>().add(block as usize * BLOCK);
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
            for lane in (place as u32..WARP).step_by(threads).map(|lane| group * WARP + lane) {
                if lane < batch.lanes {
                    batch.memory(lane).flush_translations();
                }
            }
        }
    }
}
