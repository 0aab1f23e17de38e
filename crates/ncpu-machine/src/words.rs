//! Tables of one lane that the interpreter looks into all the time.
//!
//! On a GPU, 32 machines run side by side as the lanes of a warp. Where neighbouring lanes look at the
//! same place of their own tables, their words should lie side by side, so that one access of the
//! hardware serves them all. Such tables are *spread*: word `i` of a lane is followed by word `i` of
//! the other lanes of its warp.

use core::marker::PhantomData;

/// Logarithm of the lanes that spread tables and frames are shared by.
pub const SPREAD_SHIFT: u32 = 5;

/// 64-bit words of one lane, in one piece or spread.
#[derive(Clone, Copy)]
pub struct LaneWords<'m> {
    first: *mut u64,
    spread: bool,
    _memory: PhantomData<&'m mut [u64]>,
}

impl LaneWords<'_> {
    /// The words from `first` on.
    ///
    /// # Safety
    /// Every word that is used through the result must be valid for its life and used by nothing
    /// else: word `i` is `first.add(i)`, or `first.add(i << SPREAD_SHIFT)` where they are spread.
    pub const unsafe fn from_raw(first: *mut u64, spread: bool) -> Self {
        LaneWords { first, spread, _memory: PhantomData }
    }

    pub(crate) const fn is_spread(self) -> bool {
        self.spread
    }

    /// Where word 0 is.
    pub(crate) const fn first(self) -> *mut u64 {
        self.first
    }

    #[inline(always)]
    fn place(self, index: usize) -> *mut u64 {
        self.first.wrapping_add(index << if self.spread { SPREAD_SHIFT } else { 0 })
    }

    /// # Safety
    /// The table must have this word.
    #[inline(always)]
    pub(crate) unsafe fn get(self, index: usize) -> u64 {
        // SAFETY: the caller's promise, and that of `from_raw`.
        unsafe { self.place(index).read() }
    }

    /// # Safety
    /// The table must have this word.
    #[inline(always)]
    pub(crate) unsafe fn set(self, index: usize, value: u64) {
        // SAFETY: the caller's promise, and that of `from_raw`.
        unsafe { self.place(index).write(value) }
    }
}
