//! Registers of lanes on their way from images into the threads' own memory, and back.
//!
//! A machine's registers are in one piece of its image, so that a word of each of a warp's lanes is in a sector of
//! 32 bytes of its own. The threads of a whole warp copy such sectors: four threads take four words of one of their
//! lanes after the other, and then exchange them.

use core::mem::MaybeUninit;
use ncpu_machine::{Core, warp};

/// Words of a sector, and threads that copy it.
const SECTOR: usize = 4;
/// Words of the registers.
const WORDS: usize = size_of::<Core>() / size_of::<u64>();
/// Those of them that are copied in sectors.
const TOGETHER: usize = WORDS - WORDS % SECTOR;

/// Copies the registers of the thread's lane from its image, unless it is not active, when they are anything. With
/// `MEET`, all threads of the warp do this at the same time.
///
/// # Safety
/// `image` must be valid, also if the lane is not active.
#[inline(always)]
pub(crate) unsafe fn load<const MEET: bool>(
    core: &mut MaybeUninit<Core>,
    image: *const Core,
    active: bool,
) {
    let is_whole = MEET && is_whole();
    if !is_whole && !active {
        core.write(Core::default());
        return;
    }
    let (core, image) = (core.as_mut_ptr().cast::<u64>(), image.cast::<u64>().cast_mut());
    // SAFETY: the caller's promise.
    unsafe {
        if is_whole {
            let (place, images) = (place(), all(|lane| address_of(lane, image)));
            for first in (0..TOGETHER).step_by(SECTOR) {
                let words = images.map(|image| image.add(first + place).read());
                core.add(first).cast::<[u64; SECTOR]>().write(transposed(words));
            }
        }
        copy(core, image, if is_whole { TOGETHER } else { 0 });
    }
}

/// Copies them back, likewise.
///
/// # Safety
/// Both must be valid, and `image` no other thread's than those of the warp.
#[inline(always)]
pub(crate) unsafe fn store<const MEET: bool>(image: *mut Core, core: *const Core, active: bool) {
    let (core, image) = (core.cast::<u64>().cast_mut(), image.cast::<u64>());
    let is_whole = MEET && is_whole();
    // SAFETY: the caller's promise.
    unsafe {
        if is_whole {
            let (place, images) = (place(), all(|lane| address_of(lane, image)));
            let lanes = warp::lanes_that(active) >> (warp::lane() as usize - place);
            for first in (0..TOGETHER).step_by(SECTOR) {
                let words = transposed(core.add(first).cast::<[u64; SECTOR]>().read());
                for lane in 0..SECTOR {
                    if lanes >> lane & 1 != 0 {
                        images[lane].add(first + place).write(words[lane]);
                    }
                }
            }
        }
        if active {
            copy(image, core, if is_whole { TOGETHER } else { 0 });
        }
    }
}

/// Whether all threads of the warp are there.
fn is_whole() -> bool {
    warp::lanes_that(true) == u32::MAX
}

/// The thread's place among those that copy together.
fn place() -> usize {
    warp::lane() as usize % SECTOR
}

fn all<T>(of: impl Fn(u32) -> T) -> [T; SECTOR] {
    let first = warp::lane() - place() as u32;
    [of(first), of(first + 1), of(first + 2), of(first + 3)]
}

/// What `image` is for a lane.
fn address_of(lane: u32, image: *mut u64) -> *mut u64 {
    let address = of_lane(lane, image.expose_provenance() as u64);
    core::ptr::with_exposed_provenance_mut(address as usize)
}

fn of_lane(lane: u32, word: u64) -> u64 {
    let low = warp::word_of(lane, word as u32);
    let high = warp::word_of(lane, (word >> 32) as u32);
    u64::from(high) << 32 | u64::from(low)
}

/// Word `n` of what the `m`th of the threads has becomes word `m` of what the `n`th has.
#[inline(always)]
fn transposed(words: [u64; SECTOR]) -> [u64; SECTOR] {
    let [a, b, c, d] = words;
    let ([a, b], [c, d]) = (exchanged(1, a, b), exchanged(1, c, d));
    let ([a, c], [b, d]) = (exchanged(2, a, c), exchanged(2, b, d));
    [a, b, c, d]
}

/// What is left when two threads, whose places differ in a bit, have exchanged the first one's second word and the
/// second one's first.
#[inline(always)]
fn exchanged(bit: u32, first: u64, second: u64) -> [u64; 2] {
    // Without branches: a compiler that knows nothing of warps would have a word passed on in each of them.
    let is_second = 0u64.wrapping_sub(u64::from(warp::lane() & bit != 0));
    let choose = |second: u64, first: u64| first ^ is_second & (first ^ second);
    let (passed, kept) = (choose(first, second), choose(second, first));
    let other = of_lane(warp::lane() ^ bit, passed);
    [choose(other, kept), choose(kept, other)]
}

/// Copies words from `first` on one by one. (What compilers for GPUs make of an assignment is a loop over bytes.)
///
/// # Safety
/// Both must be valid for all words.
#[inline(always)]
unsafe fn copy(to: *mut u64, from: *const u64, first: usize) {
    for index in first..WORDS {
        // SAFETY: the caller's promise.
        unsafe { to.add(index).write(from.add(index).read_volatile()) };
    }
}
