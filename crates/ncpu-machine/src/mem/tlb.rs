//! The software TLB: virtual page to frame and rights.
//!
//! An entry is two pairs of words, for reading and for writing: the address of the virtual page that may
//! be accessed so, and where the bytes are. That is the host address of the frame less the virtual address
//! of the page, so that a hit costs one addition; in a spread table, the frame as [`FrameBytes`].

use crate::addr::{PAGE_SHIFT, PAGE_SIZE};
use crate::frame::FrameBytes;
use crate::words::{LaneWords, PAIR, pair};

/// Pairs of an entry.
const READ: usize = 0;
const WRITE: usize = 1;
/// Words of an entry.
const ENTRY: usize = 2 * PAIR;

const PAGE_MASK: u64 = PAGE_SIZE as u64 - 1;

/// Entries; a power of two. Flushing costs a lane of a GPU more than a few misses.
const fn entries(spread: bool) -> usize {
    if spread { 64 } else { 512 }
}

/// Direct-mapped translations of the current address space.
#[derive(Clone, Copy)]
pub struct Tlb<'m>(LaneWords<'m>);

impl<'m> Tlb<'m> {
    /// Words that a table takes for each lane.
    pub const fn words(spread: bool) -> usize {
        ENTRY * entries(spread)
    }

    /// A table in these words, at least [`Tlb::words`] of them. Flush it before its first use.
    pub const fn new(words: LaneWords<'m>) -> Self {
        Tlb(words)
    }

    pub(crate) const fn is_spread(self) -> bool {
        self.0.is_spread()
    }

    pub(crate) const fn first(self) -> *mut u64 {
        self.0.first()
    }

    /// A tag that no address looked up in entry `index` can match: a page that belongs to the
    /// neighbouring entry.
    const fn invalid(index: usize) -> u64 {
        ((index ^ 1) as u64) << PAGE_SHIFT
    }

    fn index(self, address: u64) -> usize {
        (address >> PAGE_SHIFT) as usize & (entries(self.is_spread()) - 1)
    }

    fn set(self, index: usize, read: u64, write: u64, bytes: u64) {
        let at = index * ENTRY;
        // SAFETY: `index` is below the number of entries.
        unsafe {
            self.0.set(at + PAIR * READ, read);
            self.0.set(at + PAIR * READ + 1, bytes);
            self.0.set(at + PAIR * WRITE, write);
            self.0.set(at + PAIR * WRITE + 1, bytes);
        }
    }

    /// Forgets everything.
    #[cfg_attr(target_arch = "nvptx64", inline(never))]
    pub fn flush(self) {
        for index in 0..entries(self.is_spread()) {
            self.set(index, Self::invalid(index), Self::invalid(index), 0);
        }
    }

    /// Forgets the translation of one page.
    pub(crate) fn flush_page(self, address: u64) {
        let index = self.index(address);
        self.set(index, Self::invalid(index), Self::invalid(index), 0);
    }

    /// Makes the next store to any page take the slow path, where copy-on-write and code
    /// invalidation are decided.
    #[cfg_attr(target_arch = "nvptx64", inline(never))]
    pub(crate) fn forbid_writes(self) {
        for index in 0..entries(self.is_spread()) {
            // SAFETY: below the number of entries.
            unsafe { self.0.set(index * ENTRY + PAIR * WRITE, Self::invalid(index)) };
        }
    }

    /// Enters a translation; `writable` only if stores may go straight to the frame.
    pub(crate) fn insert(self, page: u64, frame: FrameBytes, writable: bool) {
        let index = self.index(page);
        let bytes =
            if self.is_spread() { frame.to_bits() } else { frame.to_bits().wrapping_sub(page) };
        self.set(index, page, if writable { page } else { Self::invalid(index) }, bytes);
    }

    /// The frame behind `address`, if there is an entry for it with the right.
    #[inline]
    pub(crate) fn frame(self, address: u64, write: bool) -> Option<FrameBytes> {
        let at = self.index(address) * ENTRY + PAIR * if write { WRITE } else { READ };
        // SAFETY: the index is below the number of entries.
        let (tag, bytes) = unsafe { (self.0.get(at), self.0.get(at + 1)) };
        let page = address & !PAGE_MASK;
        (tag == page).then(|| {
            FrameBytes::from_bits(if self.is_spread() { bytes } else { bytes.wrapping_add(page) })
        })
    }
}

/// Where numbers of `SIZE` bytes are that follow each other.
#[derive(Clone, Copy)]
pub(crate) struct Place<const SPREAD: bool, const SIZE: u64> {
    /// What a [`Tlb`] has for their page.
    bytes: u64,
    address: u64,
}

impl<const SPREAD: bool, const SIZE: u64> Place<SPREAD, SIZE> {
    /// Where number `index` is.
    #[inline(always)]
    pub(crate) fn at(self, index: usize) -> *mut u8 {
        let distance = SIZE as usize * index;
        if !SPREAD {
            let first = self.bytes.wrapping_add(self.address) as usize;
            return core::ptr::with_exposed_provenance_mut(first.wrapping_add(distance));
        }
        let frame = FrameBytes::from_bits(self.bytes);
        let offset = (self.address & PAGE_MASK) as usize;
        if SIZE == 8 {
            frame.at(offset).wrapping_add(frame.at(distance).addr() - frame.at(0).addr())
        } else {
            frame.at(offset + distance)
        }
    }
}

/// Where `COUNT` numbers of `SIZE` bytes (a power of two, at most 8) from `address` on are, if the TLB whose words
/// start at `first` says so and they are within the page, each in one piece: aligned where frames are spread.
///
/// # Safety
/// `first` must be that of a [`Tlb`] that is spread as `SPREAD` says.
#[inline(always)]
pub(crate) unsafe fn place<
    const SPREAD: bool,
    const WRITES: bool,
    const SIZE: u64,
    const COUNT: usize,
>(
    first: *const u64,
    address: u64,
) -> Option<Place<SPREAD, SIZE>> {
    const { assert!(SIZE.is_power_of_two() && SIZE <= 8) };
    let index = (address >> PAGE_SHIFT) as usize & (entries(SPREAD) - 1);
    // SAFETY: the index is below the number of entries.
    let (tag, bytes) =
        unsafe { pair::<SPREAD>(first, 2 * index + if WRITES { WRITE } else { READ }) };
    let difference = address ^ tag;
    let is_hit = if SPREAD && COUNT == 1 {
        // Aligned addresses of the page differ from the tag in these bits only.
        difference & !(PAGE_MASK - (SIZE - 1)) == 0
    } else {
        difference <= PAGE_SIZE as u64 - SIZE * COUNT as u64
            && (!SPREAD || difference.is_multiple_of(SIZE))
    };
    is_hit.then_some(Place { bytes, address })
}
