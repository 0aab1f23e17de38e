//! Translation tables: filling in, clearing and freeing descriptors.

use super::{PAGE, Vma, flag};
use crate::image::Kernel;
use crate::vfs::Node;
use ncpu_machine::Ppn;
use ncpu_machine::mem::Mem;
use ncpu_machine::mem::walk::{Descriptor, table_index};

/// Software bit: the page belongs to the mapped file and can be mapped again from there.
pub(super) const FILE_PAGE: u64 = 1 << 57;
/// Bytes that one level-3 table translates.
const BLOCK: u64 = 512 * PAGE;

/// Attribute bits of a descriptor in `vma`; `ask` when a store must fault first.
pub(super) const fn attributes(vma: &Vma, ask: bool) -> u64 {
    let mut bits = 0;
    if vma.flags & flag::ACCESS != 0 {
        bits |= Descriptor::USER;
    }
    if !vma.has(flag::EXEC) {
        bits |= Descriptor::NO_EXECUTE;
    }
    if ask {
        bits |= Descriptor::COPY_ON_WRITE;
    }
    if ask || !vma.has(flag::WRITE) {
        bits |= Descriptor::READ_ONLY;
    }
    if vma.has(flag::SHARED) {
        bits |= Descriptor::SHARED;
    }
    bits
}

/// The level-3 table for `address`, made if it is missing; `None` when memory is used up.
pub(super) fn table(k: &mut Kernel<'_>, mm: usize, address: u64) -> Option<Ppn> {
    let mut table = Ppn(k.mms[mm].root);
    for level in 1..3 {
        let index = table_index(level, address);
        let entry = Descriptor(k.mem.read_word(table, index));
        table = if entry.is_valid() {
            entry.target()
        } else {
            let new = k.mem.alloc()?;
            if !k.mem.write_word(table, index, new.address() | Descriptor::VALID) {
                k.mem.release(new);
                return None;
            }
            new
        };
    }
    Some(table)
}

/// Enters a page, whose reference it takes over, in place of what is there; false when memory is
/// used up (the reference is then dropped).
#[must_use]
pub(super) fn set(k: &mut Kernel<'_>, mm: usize, address: u64, page: Ppn, bits: u64) -> bool {
    let index = table_index(3, address);
    let Some(table) = table(k, mm, address) else {
        k.mem.release(page);
        return false;
    };
    let old = Descriptor(k.mem.read_word(table, index));
    if !k.mem.write_word(table, index, Descriptor::page(page, bits).0) {
        k.mem.release(page);
        return false;
    }
    if old.is_valid() {
        k.mem.release(old.target());
        flush_page(k, mm, address);
    } else {
        k.mms[mm].usage[1] += 1;
    }
    true
}

/// Walks over the valid level-3 descriptors of a range.
pub(super) struct Cursor {
    root: Ppn,
    at: u64,
    end: u64,
    table: Ppn,
}

impl Cursor {
    /// Over the pages of `start..end`.
    pub(super) fn new(k: &Kernel<'_>, mm: usize, start: u64, end: u64) -> Cursor {
        Cursor { root: Ppn(k.mms[mm].root), at: start, end, table: Ppn::NONE }
    }

    /// The next valid descriptor: its address, itself, and where it is.
    pub(super) fn next(&mut self, mem: &Mem<'_>) -> Option<(u64, Descriptor, Ppn, usize)> {
        while self.at < self.end {
            if self.table == Ppn::NONE || self.at.is_multiple_of(BLOCK) {
                let mut table = self.root;
                for level in 1..3 {
                    let entry = Descriptor(mem.read_word(table, table_index(level, self.at)));
                    if !entry.is_valid() {
                        let step = if level == 1 { 512 * BLOCK } else { BLOCK };
                        self.at = (self.at & !(step - 1)) + step;
                        table = Ppn::NONE;
                        break;
                    }
                    table = entry.target();
                }
                self.table = table;
                if table == Ppn::NONE {
                    continue;
                }
            }
            let (address, index) = (self.at, table_index(3, self.at));
            self.at += PAGE;
            let descriptor = Descriptor(mem.read_word(self.table, index));
            if descriptor.is_valid() {
                return Some((address, descriptor, self.table, index));
            }
        }
        None
    }
}

/// Drops all pages of a range.
pub(super) fn clear(k: &mut Kernel<'_>, mm: usize, start: u64, end: u64) {
    clear_if(k, mm, start, end, |_| true);
}

/// Drops the pages of a range whose descriptor is as wanted.
fn clear_if(
    k: &mut Kernel<'_>,
    mm: usize,
    start: u64,
    end: u64,
    wanted: impl Fn(Descriptor) -> bool,
) {
    let mut cursor = Cursor::new(k, mm, start, end);
    let mut cleared = 0;
    while let Some((_, descriptor, table, index)) = cursor.next(&k.mem) {
        // Without memory for a copy of the table the page stays; it is not reachable by mappings.
        if wanted(descriptor) && k.mem.write_word(table, index, 0) {
            k.mem.release(descriptor.target());
            cleared += 1;
        }
    }
    if cleared != 0 {
        k.mms[mm].usage[1] -= cleared;
        flush(k, mm);
    }
}

/// Frees the level-3 tables that no mapping needs after `start..end` was unmapped: `floor` is the end
/// of the mapping before and `ceiling` the start of the one after.
pub(super) fn free_unused(
    k: &mut Kernel<'_>,
    mm: usize,
    start: u64,
    end: u64,
    floor: u64,
    ceiling: u64,
) {
    let first = (start & !(BLOCK - 1)).max(floor.next_multiple_of(BLOCK));
    let last = end.next_multiple_of(BLOCK).min(ceiling & !(BLOCK - 1));
    let mut at = first;
    while at < last {
        let root = Ppn(k.mms[mm].root);
        let upper = Descriptor(k.mem.read_word(root, table_index(1, at)));
        if !upper.is_valid() {
            at = (at & !(512 * BLOCK - 1)) + 512 * BLOCK;
            continue;
        }
        let index = table_index(2, at);
        let entry = Descriptor(k.mem.read_word(upper.target(), index));
        if entry.is_valid() && k.mem.write_word(upper.target(), index, 0) {
            k.mem.release(entry.target());
        }
        at += BLOCK;
    }
}

/// Frees all tables of an address space without pages.
pub(super) fn free_all(k: &mut Kernel<'_>, mm: usize) {
    let root = Ppn(k.mms[mm].root);
    for first in 0..512 {
        let upper = Descriptor(k.mem.read_word(root, first));
        if !upper.is_valid() {
            continue;
        }
        for second in 0..512 {
            let lower = Descriptor(k.mem.read_word(upper.target(), second));
            if lower.is_valid() {
                k.mem.release(lower.target());
            }
        }
        k.mem.release(upper.target());
    }
    k.mem.release(root);
}

/// Forgets cached translations of an address space.
pub(super) fn flush(k: &mut Kernel<'_>, mm: usize) {
    if k.mem.root().0 == k.mms[mm].root {
        k.mem.flush_translations();
    }
}

/// Forgets the cached translation of one page.
pub(super) fn flush_page(k: &mut Kernel<'_>, mm: usize, address: u64) {
    if k.mem.root().0 == k.mms[mm].root {
        k.mem.flush_translation(address);
    }
}

/// Removes translations of pages `first..end` of a file from every address space, because the file
/// has got other pages there or, with `truncated`, has ended: then also private copies go.
pub fn forget_pages(k: &mut Kernel<'_>, node: Node, first: u64, end: u64, truncated: bool) {
    for mm in 0..k.mms.len() {
        if k.mms[mm].references == 0 {
            continue;
        }
        let mut next = k.mms[mm].first;
        while next != 0 {
            let vma = k.vmas[next as usize - 1];
            next = vma.next;
            let from = vma.offset / PAGE;
            let pages = (vma.end - vma.start) / PAGE;
            let low = first.max(from);
            let high = end.min(from.saturating_add(pages));
            if vma.node == node.0 && low < high {
                let start = vma.start + (low - from) * PAGE;
                let stop = vma.start + (high - from) * PAGE;
                clear_if(k, mm, start, stop, |d| truncated || d.0 & FILE_PAGE != 0);
            }
        }
    }
}
