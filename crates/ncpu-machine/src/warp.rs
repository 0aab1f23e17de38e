//! What the lanes of a GPU's warp tell each other. All that have not returned have to take part, at the same
//! place in the code. Elsewhere, there is one lane, unless warps are emulated ([`emulation`]).

/// The word of a lane, which must not have returned.
#[inline(always)]
pub fn word_of(lane: u32, word: u32) -> u32 {
    #[cfg(target_arch = "nvptx64")]
    {
        unsafe extern "unadjusted" {
            #[link_name = "llvm.nvvm.shfl.sync.idx.i32"]
            fn shuffle(lanes: u32, word: u32, from: u32, clamp: u32) -> u32;
        }
        // SAFETY: all lanes take part that have not returned; others are not waited for (PTX ISA,
        // `shfl.sync`).
        unsafe { shuffle(u32::MAX, word, lane, 31) }
    }
    #[cfg(not(target_arch = "nvptx64"))]
    {
        use emulation::{Question, ask};
        ask(Question::WordOf, word).map_or(word, |said| said.words[lane as usize % 32])
    }
}

/// The lanes that say so, a bit for each.
#[inline(always)]
pub fn lanes_that(say: bool) -> u32 {
    #[cfg(target_arch = "nvptx64")]
    {
        unsafe extern "unadjusted" {
            #[link_name = "llvm.nvvm.vote.ballot.sync"]
            fn ballot(lanes: u32, say: bool) -> u32;
        }
        // SAFETY: as in `word_of`.
        unsafe { ballot(u32::MAX, say) }
    }
    #[cfg(not(target_arch = "nvptx64"))]
    {
        use emulation::{Question, ask};
        ask(Question::LanesThat, say.into()).map_or(say.into(), |said| {
            let bits = said.words.iter().zip(0..).map(|(&word, lane)| word << lane);
            bits.sum::<u32>() & said.present
        })
    }
}

/// Waits for all threads of the warp, and sees what they have written.
#[inline(always)]
pub fn meet() {
    #[cfg(target_arch = "nvptx64")]
    {
        unsafe extern "unadjusted" {
            #[link_name = "llvm.nvvm.bar.warp.sync"]
            fn meet(lanes: u32);
        }
        // SAFETY: as in `word_of`.
        unsafe { meet(u32::MAX) }
    }
    #[cfg(not(target_arch = "nvptx64"))]
    emulation::ask(emulation::Question::Meet, 0);
}

/// The number of this lane in its warp.
#[inline(always)]
pub fn lane() -> u32 {
    #[cfg(target_arch = "nvptx64")]
    // SAFETY: reading this register has no conditions.
    return unsafe { core::arch::nvptx::_thread_idx_x() } as u32 % 32;
    #[cfg(not(target_arch = "nvptx64"))]
    emulation::ask(emulation::Question::Meet, 0).map_or(0, |said| said.lane)
}

/// Whether there is one lane, for warps are not emulated.
#[inline(always)]
pub fn is_missing() -> bool {
    #[cfg(target_arch = "nvptx64")]
    return false;
    #[cfg(not(target_arch = "nvptx64"))]
    emulation::ask(emulation::Question::Meet, 0).is_none()
}

/// The first of some lanes from one on, after the last of which the first one comes again.
#[inline(always)]
pub fn next_lane(lanes: u32, from: u32) -> u32 {
    let above = lanes & u32::MAX << (from % 32);
    if above != 0 { above.trailing_zeros() } else { lanes.trailing_zeros() }
}

/// Warps whose lanes are threads of the host.
#[cfg(not(target_arch = "nvptx64"))]
pub mod emulation {
    use core::mem::transmute;
    use core::ptr::null_mut;
    use core::sync::atomic::{AtomicPtr, Ordering};

    /// What lanes have come to.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Question {
        /// [`super::word_of`]
        WordOf,
        /// [`super::lanes_that`]
        LanesThat,
        /// [`super::meet`]
        Meet,
    }

    /// What all lanes have said.
    #[derive(Clone, Copy, Debug, Default)]
    pub struct Said {
        /// Words, by lane.
        pub words: [u32; 32],
        /// The lanes that have not returned, a bit for each.
        pub present: u32,
        /// The lane that asks.
        pub lane: u32,
    }

    /// Has all lanes of the calling thread's warp tell each other their words; `None` if it is in none.
    pub type Exchange = fn(Question, u32) -> Option<Said>;

    static EXCHANGE: AtomicPtr<()> = AtomicPtr::new(null_mut());

    /// Has lanes that are threads of a warp use this.
    pub fn use_exchange(exchange: Exchange) {
        EXCHANGE.store(exchange as *mut (), Ordering::Relaxed);
    }

    #[inline(always)]
    pub(super) fn ask(question: Question, word: u32) -> Option<Said> {
        let exchange = EXCHANGE.load(Ordering::Relaxed);
        if exchange.is_null() {
            return None;
        }
        // SAFETY: what is stored is a function of this type, which needs nothing that was written before.
        unsafe { transmute::<*mut (), Exchange>(exchange)(question, word) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_come_one_after_the_other() {
        assert_eq!(next_lane(0b1010_0010, 0), 1);
        assert_eq!(next_lane(0b1010_0010, 2), 5);
        assert_eq!(next_lane(0b1010_0010, 8), 1);
        assert_eq!(next_lane(1 << 31, 31), 31);
        assert_eq!(next_lane(1 << 31 | 1, 32), 0);
    }
}
