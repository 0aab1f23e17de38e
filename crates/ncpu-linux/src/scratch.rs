//! Buffers on the stack.

use core::mem::MaybeUninit;

/// Storage of `WORDS` times eight bytes, for [`zeroed`].
pub(crate) type Scratch<const WORDS: usize> = MaybeUninit<[u64; WORDS]>;

/// Storage of a page.
pub(crate) type PageScratch = Scratch<{ ncpu_machine::PAGE_SIZE / 8 }>;

/// The bytes of some storage, zero at first. (Compilers for GPUs make a loop over bytes of an array that
/// is written so, which takes them longer than most system calls.)
#[inline(always)]
pub(crate) fn zeroed<const WORDS: usize>(scratch: &mut Scratch<WORDS>) -> &mut [u8] {
    if cfg!(target_arch = "nvptx64") {
        let first = scratch.as_mut_ptr().cast::<u64>();
        for index in 0..WORDS {
            // SAFETY: within the array. (What is volatile is not made such a loop.)
            unsafe { first.add(index).write_volatile(0) };
        }
    } else {
        scratch.write([0; WORDS]);
    }
    // SAFETY: all words have been written, and bytes need no alignment.
    unsafe { core::slice::from_raw_parts_mut(scratch.as_mut_ptr().cast(), 8 * WORDS) }
}
