//! The state hash: one number for everything that a machine is.

use crate::machine::Machine;
use siphasher::sip128::{Hasher128, SipHasher13};
use std::hash::Hasher;

const BLOCK: usize = 4096;

/// A 128-bit hash of the machine's whole state: every table and every page of memory. Frame numbers,
/// which depend on who else shares the pool, do not count; the bytes in the frames do.
pub fn state_hash(machine: &mut Machine) -> u128 {
    let mut hasher = SipHasher13::new();
    let pages = machine.layout().page_table();
    hash_sparse(&mut hasher, &machine.image()[..pages.start]);
    hash_sparse(&mut hasher, &machine.image()[pages.end..]);
    machine.with_kernel(|kernel| {
        kernel.mem.for_each_page(|page, references, bytes| {
            hasher.write_u32(page.0);
            hasher.write_u32(references);
            hasher.write(bytes);
        });
    });
    hasher.finish128().as_u128()
}

/// Hashes the blocks that are not all zero, with their positions.
fn hash_sparse(hasher: &mut SipHasher13, bytes: &[u8]) {
    for (index, block) in bytes.chunks(BLOCK).enumerate() {
        if block.iter().any(|&b| b != 0) {
            hasher.write_usize(index);
            hasher.write(block);
        }
    }
}
