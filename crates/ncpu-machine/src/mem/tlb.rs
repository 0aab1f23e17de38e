//! The software TLB: virtual page to host pointer and rights.

use crate::addr::PAGE_SHIFT;

/// Entries; a power of two.
pub const ENTRIES: usize = 512;

/// One translation. A tag is the address of a virtual page, so that for an address in that page
/// `address ^ tag` is the offset in the page and for any other address it is at least a page.
#[derive(Clone, Copy)]
#[repr(C, align(32))]
pub struct Entry {
    /// Virtual page that may be read through this entry.
    pub read: u64,
    /// Virtual page that may be written.
    pub write: u64,
    /// Host address of the frame, less the virtual address of the page.
    pub bias: *mut u8,
}

/// Direct-mapped translations of the current address space.
pub struct Tlb(pub [Entry; ENTRIES]);

impl Tlb {
    /// The entry number for `address`.
    #[inline(always)]
    pub const fn index(address: u64) -> usize {
        (address >> PAGE_SHIFT) as usize & (ENTRIES - 1)
    }

    /// A tag that no address looked up in entry `index` can match: a page that belongs to the
    /// neighbouring entry.
    const fn invalid(index: usize) -> u64 {
        ((index ^ 1) as u64) << PAGE_SHIFT
    }

    /// Forgets everything.
    pub fn flush(&mut self) {
        for (index, entry) in self.0.iter_mut().enumerate() {
            let tag = Self::invalid(index);
            *entry = Entry { read: tag, write: tag, bias: core::ptr::null_mut() };
        }
    }

    /// Forgets the translation of one page.
    pub fn flush_page(&mut self, address: u64) {
        let index = Self::index(address);
        let tag = Self::invalid(index);
        self.0[index] = Entry { read: tag, write: tag, bias: core::ptr::null_mut() };
    }

    /// Makes the next store to any page take the slow path, where copy-on-write and code
    /// invalidation are decided.
    pub fn forbid_writes(&mut self) {
        for (index, entry) in self.0.iter_mut().enumerate() {
            entry.write = Self::invalid(index);
        }
    }

    /// Enters a translation; `writable` only if stores may go straight to the frame.
    pub fn insert(&mut self, page: u64, host: *mut u8, writable: bool) {
        let index = Self::index(page);
        self.0[index] = Entry {
            read: page,
            write: if writable { page } else { Self::invalid(index) },
            bias: host.wrapping_sub(page as usize),
        };
    }
}
