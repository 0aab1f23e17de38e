//! Registers of lanes on their way from images into the threads' own memory, and back.
//!
//! A machine's registers are in one piece, of its image or a [`Kept`](crate::batch::Kept), so that a word of each of a
//! warp's lanes is in a sector of 32 bytes of its own. The threads of a whole warp copy such sectors: four threads take
//! four words of one of their lanes after the other, and then exchange them.

use core::mem::MaybeUninit;
use core::ops::Range;
use core::ptr;
use ncpu_machine::{Aside, Core, Vectors, warp};
use ncpu_uop::slot;

/// Words of a sector, and threads that copy it.
const SECTOR: usize = 4;
/// Whole sectors with the general registers; the slots after them are in no use.
const GENERAL: Range<usize> = 0..(slot::EXCLUSIVE_ADDR as usize + 1).next_multiple_of(SECTOR);
/// The vector registers.
const VECTORS: Range<usize> = slot::v(0) as usize..slot::COUNT;
/// The program counter.
const PC: Range<usize> = slot::COUNT..slot::COUNT + 1;
const _: () = assert!(PC.end * size_of::<u64>() == size_of::<Core>());

/// Vector registers of a lane. Most programs seldom need them, so they stay where they are until it does, unless one of
/// its warp has needed some lately.
pub(crate) struct Late {
    from: Aside<*const u64>,
    state: Aside<State>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// They have not been copied.
    There,
    /// They have been copied.
    Here,
    /// They have been copied, and may have been changed.
    Needed,
}

impl Late {
    /// Whether they were needed.
    pub(crate) fn were_needed(&self) -> bool {
        self.state.get() == State::Needed
    }
}

impl Vectors for Late {
    #[inline(always)]
    fn need(&mut self, slots: *mut u64) {
        if self.state.get() == State::Needed {
            return;
        }
        if self.state.get() == State::There {
            // SAFETY: `load` was given a place that stays valid, and the slots are those of a core.
            unsafe { copy(slots, self.from.get(), VECTORS) };
        }
        self.state.set(State::Needed);
    }
}

/// Copies the registers of the thread's lane from its image, or its [`Kept`](crate::batch::Kept), unless it is not
/// active, when they are anything. With `MEET`, all threads of the warp do this at the same time, and vector registers
/// come late, unless `soon` says that they will be needed.
///
/// # Safety
/// `image` must be valid, also if the lane is not active, and stay so while the vector registers may be needed.
#[inline(always)]
pub(crate) unsafe fn load<const MEET: bool>(
    core: &mut MaybeUninit<Core>,
    image: *const Core,
    active: bool,
    soon: bool,
) -> Late {
    if cfg!(not(target_arch = "nvptx64")) {
        // What is used before it is there is found out.
        core.write(Core { slots: [0xbad0_bad0_bad0_bad0; slot::COUNT], pc: 0 });
    }
    let is_whole = MEET && is_whole();
    let (core, image) = (core.as_mut_ptr().cast::<u64>(), image.cast::<u64>().cast_mut());
    let mut late = Late { from: Aside::new(image), state: Aside::new(State::There) };
    // SAFETY: the caller's promise.
    unsafe {
        if is_whole {
            let images = Images::of(image);
            images.load(core, GENERAL);
            if warp::lanes_that(active && soon) != 0 {
                images.load(core, VECTORS);
                late.state.set(State::Here);
            }
            copy(core, image, PC);
        } else if active {
            copy(core, image, GENERAL);
            copy(core, image, PC);
            if !MEET {
                late.need(core);
            }
        }
    }
    late
}

/// Copies them back, for these lanes of the warp; the vector registers if they were needed.
///
/// # Safety
/// Both must be valid, and `image` no other thread's than those of the warp.
#[inline(always)]
pub(crate) unsafe fn store<const MEET: bool>(
    image: *mut Core,
    core: *const Core,
    lanes: u32,
    late: &Late,
) {
    let (core, image) = (core.cast::<u64>().cast_mut(), image.cast::<u64>());
    let is_active = lanes >> warp::lane() & 1 != 0;
    // SAFETY: the caller's promise.
    unsafe {
        if MEET && is_whole() {
            let images = Images::of(image);
            images.store(core, GENERAL, lanes);
            let needed = lanes & warp::lanes_that(late.were_needed());
            if needed != 0 {
                images.store(core, VECTORS, needed);
            }
        } else if is_active {
            copy(image, core, GENERAL);
            if late.were_needed() {
                copy(image, core, VECTORS);
            }
        }
        if is_active {
            copy(image, core, PC);
        }
    }
}

/// Copies registers from one place to another, unless they are the same.
///
/// # Safety
/// Both must be valid.
pub(crate) unsafe fn move_to(to: *mut Core, from: *const Core) {
    if !ptr::eq(to, from) {
        // SAFETY: the caller's promise.
        unsafe { copy(to.cast(), from.cast(), 0..PC.end) };
    }
}

/// The images of those lanes that the thread copies words of.
struct Images {
    /// Which of the words it copies.
    place: usize,
    images: [*mut u64; SECTOR],
}

impl Images {
    fn of(image: *mut u64) -> Images {
        let place = warp::lane() as usize % SECTOR;
        let first = warp::lane() - place as u32;
        let image = |lane| address_of(lane, image);
        Images {
            place,
            images: [image(first), image(first + 1), image(first + 2), image(first + 3)],
        }
    }

    #[inline(always)]
    unsafe fn load(&self, core: *mut u64, words: Range<usize>) {
        for first in words.step_by(SECTOR) {
            // SAFETY: the caller's promise.
            unsafe {
                let words = self.images.map(|image| image.add(first + self.place).read());
                core.add(first).cast::<[u64; SECTOR]>().write(transposed(words));
            }
        }
    }

    #[inline(always)]
    unsafe fn store(&self, core: *const u64, words: Range<usize>, lanes: u32) {
        let stored = lanes >> (warp::lane() as usize - self.place);
        for first in words.step_by(SECTOR) {
            // SAFETY: the caller's promise.
            unsafe {
                let [a, b, c, d] = transposed(core.add(first).cast::<[u64; SECTOR]>().read());
                // (Compilers for GPUs keep the state of an iteration over them in memory.)
                let put = |lane: usize, word| {
                    if stored >> lane & 1 != 0 {
                        self.images[lane].add(first + self.place).write(word);
                    }
                };
                put(0, a);
                put(1, b);
                put(2, c);
                put(3, d);
            }
        }
    }
}

/// Whether all threads of the warp are there.
fn is_whole() -> bool {
    warp::lanes_that(true) == u32::MAX
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

/// Copies words one by one. (What compilers for GPUs make of an assignment is a loop over bytes.)
///
/// # Safety
/// Both must be valid for these words.
#[inline(always)]
unsafe fn copy(to: *mut u64, from: *const u64, words: Range<usize>) {
    for index in words {
        // SAFETY: the caller's promise.
        unsafe { to.add(index).write(from.add(index).read_volatile()) };
    }
}
