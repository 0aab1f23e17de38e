//! The state hash: one number for everything that a machine is.

use crate::{Layout, is_zero};
use core::hash::Hasher;
use ncpu_machine::mem::Mem;
use siphasher::sip128::{Hasher128, SipHasher13};

const BLOCK: usize = 4096;

/// A 128-bit hash of a machine's whole state: every table and every page of memory. Frame numbers, which
/// depend on who else shares the pool, do not count; the bytes in the frames do.
///
/// It is the sum of hashes of blocks and pages with their places, each half for itself, so that several
/// threads can each take a share.
pub struct StateHasher {
    share: usize,
    shares: usize,
    sums: [u64; 2],
}

impl Default for StateHasher {
    fn default() -> Self {
        StateHasher::share(0, 1)
    }
}

impl StateHasher {
    /// A hasher of one of so many shares of a machine.
    pub const fn share(share: usize, shares: usize) -> StateHasher {
        StateHasher { share, shares, sums: [0; 2] }
    }

    /// Takes in the tables of an image: the blocks that are not all zero.
    pub fn image(&mut self, image: &[u8], layout: &Layout) {
        let pages = layout.page_table();
        for (part, bytes) in [&image[..pages.start], &image[pages.end..]].into_iter().enumerate() {
            let blocks = bytes.chunks(BLOCK).enumerate();
            for (index, block) in blocks.skip(self.share).step_by(self.shares) {
                if !is_zero(block) {
                    self.add([part as u32, index as u32, 0], block);
                }
            }
        }
    }

    /// Takes in the memory of the same machine.
    pub fn memory(&mut self, mem: &Mem<'_>) {
        mem.for_each_page(self.share, self.shares, |page, references, bytes| {
            self.add([2, page.0, references], bytes);
        });
    }

    /// The sums of the share. Those of all shares together are the hash.
    pub const fn sums(&self) -> [u64; 2] {
        self.sums
    }

    /// The hash, of a hasher that took everything.
    pub fn hash(&self) -> u128 {
        u128::from(self.sums[0]) | u128::from(self.sums[1]) << 64
    }

    fn add(&mut self, place: [u32; 3], bytes: &[u8]) {
        let mut hasher = SipHasher13::new();
        for number in place {
            hasher.write_u32(number);
        }
        hasher.write(bytes);
        let hash = hasher.finish128();
        for (sum, half) in self.sums.iter_mut().zip([hash.h1, hash.h2]) {
            *sum = sum.wrapping_add(half);
        }
    }
}
