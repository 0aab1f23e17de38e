//! Tables of one lane that the interpreter looks into all the time.
//!
//! On a GPU, 32 machines run side by side as the lanes of a warp. Where neighbouring lanes look at the
//! same place of their own tables, their words should lie side by side, so that one access of the
//! hardware serves them all. Such tables are *spread*: every two words of a lane, which are looked at
//! together, are followed by the same two of the other lanes of its warp.

use core::marker::PhantomData;

/// Logarithm of the lanes that spread tables and frames are shared by.
pub const SPREAD_SHIFT: u32 = 5;
/// Words of a lane that lie side by side in spread tables.
pub const PAIR: usize = 2;

/// Pair `index` of the words of one lane that start at `first`, spread as `SPREAD` says.
///
/// # Safety
/// The table must have these words.
#[inline(always)]
pub(crate) unsafe fn pair<const SPREAD: bool>(first: *const u64, index: usize) -> (u64, u64) {
    let at = first.wrapping_add((PAIR * index) << if SPREAD { SPREAD_SHIFT } else { 0 });
    // In one access: a compiler would fetch the second word later, when it is needed.
    #[cfg(target_arch = "nvptx64")]
    if SPREAD {
        let (first, second);
        // SAFETY: the caller's promise; spread tables are in global memory, and aligned.
        unsafe {
            core::arch::asm!(
                "ld.global.v2.b64 {{{first}, {second}}}, [{at}];",
                first = out(reg64) first,
                second = out(reg64) second,
                at = in(reg64) at,
                options(pure, readonly, nostack),
            );
        }
        return (first, second);
    }
    // SAFETY: the caller's promise.
    unsafe { (at.read(), at.add(1).read()) }
}

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
    /// else: word `i` is `first.add(i)`, or, where they are spread, the word `i % PAIR` of those at
    /// `first.add((i - i % PAIR) << SPREAD_SHIFT)`, which is a multiple of 16.
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
        let half = index % PAIR;
        self.first
            .wrapping_add(((index - half) << if self.spread { SPREAD_SHIFT } else { 0 }) + half)
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
