//! The state hash: one number for everything that a machine is.

use crate::Layout;
use core::hash::Hasher;
use ncpu_machine::mem::Mem;
use siphasher::sip128::{Hasher128, SipHasher13};

const BLOCK: usize = 4096;

/// A 128-bit hash of a machine's whole state: every table and every page of memory. Frame numbers, which
/// depend on who else shares the pool, do not count; the bytes in the frames do.
#[derive(Default)]
pub struct StateHasher(SipHasher13);

impl StateHasher {
    /// Takes in the tables of an image: first of all.
    pub fn image(&mut self, image: &[u8], layout: &Layout) {
        let pages = layout.page_table();
        self.sparse(&image[..pages.start]);
        self.sparse(&image[pages.end..]);
    }

    /// Takes in the memory of the same machine, and gives the hash.
    pub fn memory(mut self, mem: &Mem<'_>) -> u128 {
        mem.for_each_page(|page, references, bytes| {
            self.0.write_u32(page.0);
            self.0.write_u32(references);
            self.0.write(bytes);
        });
        self.0.finish128().as_u128()
    }

    /// Hashes the blocks that are not all zero, with their positions.
    fn sparse(&mut self, bytes: &[u8]) {
        for (index, block) in bytes.chunks(BLOCK).enumerate() {
            if block.iter().any(|&b| b != 0) {
                self.0.write_u64(index as u64);
                self.0.write(block);
            }
        }
    }
}
