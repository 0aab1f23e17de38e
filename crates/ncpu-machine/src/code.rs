//! Lifted code: pages of guest instructions as micro-ops, kept per (frame, virtual page).
//!
//! A page is lifted whole on first execution. Its code is an entry table (guest instruction index
//! to micro-op index, so that every aligned word can be jumped to) and the micro-ops in address
//! order. All of this is derived from frames and can be dropped at any time between two lookups;
//! when the area is full, everything is dropped.

use crate::addr::{FrameId, PAGE_SHIFT, PAGE_SIZE};
use ncpu_a64::{Lifted, lift};
use ncpu_uop::{Op, Uop};

/// Guest instructions in a page.
pub const WORDS: usize = PAGE_SIZE / 4;
/// Most micro-ops that a page can need: eight an instruction and the page's end.
const MAX_UOPS: usize = WORDS * 8 + 1;
/// Bytes of an entry table, rounded up to whole micro-ops.
const ENTRY_UOPS: usize = (WORDS * 2) / size_of::<Uop>();
/// Entries of the lookup table by virtual page; a power of two.
const LOOKUP: usize = 256;

/// The code of one lifted page: `entries` then `uops`, valid until the cache is next changed.
#[derive(Clone, Copy)]
pub struct PageCode {
    pub(crate) entries: *const u16,
    pub(crate) uops: *const Uop,
}

/// A lifted page in the directory.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct DirectoryEntry {
    /// Virtual address of the page.
    page: u64,
    /// Frame that it was lifted from; 0 when the entry is unused, [`DROPPED`] when given up.
    frame: u32,
    /// Where its code is: index of a micro-op in the area.
    at: u32,
}

const DROPPED: u32 = u32::MAX;

/// Lookup from virtual page to code in the current address space.
#[derive(Clone, Copy)]
pub struct LookupEntry {
    pub(crate) page: u64,
    pub(crate) code: PageCode,
}

/// Direct-mapped [`LookupEntry`]s.
pub struct Lookup(pub(crate) [LookupEntry; LOOKUP]);

impl Lookup {
    /// The entry number for `address`.
    #[inline(always)]
    pub(crate) const fn index(address: u64) -> usize {
        (address >> PAGE_SHIFT) as usize & (LOOKUP - 1)
    }

    fn flush(&mut self) {
        let code = PageCode { entries: core::ptr::null(), uops: core::ptr::null() };
        // No page address is odd, so nothing matches.
        self.0.fill(LookupEntry { page: 1, code });
    }
}

/// The cache of lifted pages of one machine.
pub struct CodeCache<'m> {
    area: *mut Uop,
    capacity: usize,
    used: usize,
    directory: &'m mut [DirectoryEntry],
    entries: usize,
    pub(crate) lookup: &'m mut Lookup,
    /// Pages lifted since the cache was made.
    pub lifted_pages: u64,
    _area: core::marker::PhantomData<&'m mut [Uop]>,
}

impl<'m> CodeCache<'m> {
    /// Smallest useful area in micro-ops: one page of the largest code.
    pub const MIN_AREA: usize = ENTRY_UOPS + MAX_UOPS;

    /// An empty cache over `area` (`capacity` micro-ops, at least [`CodeCache::MIN_AREA`], contents
    /// of no matter) and a `directory` whose length is a power of two.
    ///
    /// # Safety
    /// `area` must be valid for `capacity` micro-ops for the life of the cache, and unshared.
    ///
    /// # Panics
    /// When the area or the directory is too small.
    pub unsafe fn new(
        area: *mut Uop,
        capacity: usize,
        directory: &'m mut [DirectoryEntry],
        lookup: &'m mut Lookup,
    ) -> Self {
        assert!(capacity >= Self::MIN_AREA && directory.len().is_power_of_two());
        directory.fill(DirectoryEntry::default());
        lookup.flush();
        CodeCache {
            area,
            capacity,
            used: 0,
            directory,
            entries: 0,
            lookup,
            lifted_pages: 0,
            _area: core::marker::PhantomData,
        }
    }

    fn slots(&self, frame: FrameId) -> impl Iterator<Item = usize> + use<> {
        let mask = self.directory.len() - 1;
        let start = frame.0.wrapping_mul(0x9e37_79b9) as usize;
        (0..=mask).map(move |step| (start.wrapping_add(step)) & mask)
    }

    fn page_code(&self, at: u32) -> PageCode {
        // SAFETY: directory entries hold offsets of pages inside the area.
        unsafe {
            let base = self.area.add(at as usize);
            PageCode { entries: base.cast::<u16>(), uops: base.add(ENTRY_UOPS) }
        }
    }

    /// The code of `page` lifted from `frame`; makes it the current one for that address.
    pub(crate) fn find(&mut self, frame: FrameId, page: u64) -> Option<PageCode> {
        for slot in self.slots(frame) {
            let entry = self.directory[slot];
            if entry.frame == frame.0 && entry.page == page {
                let code = self.page_code(entry.at);
                self.lookup.0[Lookup::index(page)] = LookupEntry { page, code };
                return Some(code);
            }
            if entry.frame == 0 {
                break;
            }
        }
        None
    }

    /// Whether any code was lifted from `frame`.
    pub(crate) fn has_frame(&self, frame: FrameId) -> bool {
        for slot in self.slots(frame) {
            match self.directory[slot].frame {
                0 => break,
                found if found == frame.0 => return true,
                _ => {}
            }
        }
        false
    }

    /// Drops code lifted from `frame`. Micro-ops now running stay where they are.
    pub(crate) fn drop_frame(&mut self, frame: FrameId) {
        let mut dropped = false;
        for slot in self.slots(frame) {
            match self.directory[slot].frame {
                0 => break,
                found if found == frame.0 => {
                    self.directory[slot].frame = DROPPED;
                    dropped = true;
                }
                _ => {}
            }
        }
        if dropped {
            self.lookup.flush();
        }
    }

    /// Forgets which code belongs to which virtual page.
    pub(crate) fn flush_lookup(&mut self) {
        self.lookup.flush();
    }

    /// Drops everything.
    fn clear(&mut self) {
        self.directory.fill(DirectoryEntry::default());
        self.lookup.flush();
        self.used = 0;
        self.entries = 0;
    }

    /// Lifts a page of instruction words at virtual address `page`.
    pub(crate) fn lift(&mut self, frame: FrameId, page: u64, words: &[u32; WORDS]) -> PageCode {
        // A quarter of the directory stays empty so that probes end soon.
        if self.capacity - self.used < Self::MIN_AREA
            || self.entries >= self.directory.len() / 4 * 3
        {
            self.clear();
        }
        let at = self.used as u32;
        // SAFETY: the space for the largest page was checked above.
        let (entries, uops) = unsafe {
            let base = self.area.add(self.used);
            (
                core::slice::from_raw_parts_mut(base.cast::<u16>(), WORDS),
                core::slice::from_raw_parts_mut(base.add(ENTRY_UOPS), MAX_UOPS),
            )
        };
        let count = lift_page(page, words, entries, uops);
        self.used += ENTRY_UOPS + count;
        self.lifted_pages += 1;
        for slot in self.slots(frame) {
            if self.directory[slot].frame == 0 {
                self.directory[slot] = DirectoryEntry { page, frame: frame.0, at };
                self.entries += 1;
                break;
            }
        }
        let code = self.page_code(at);
        self.lookup.0[Lookup::index(page)] = LookupEntry { page, code };
        code
    }
}

/// Lifts every word of a page and returns the number of micro-ops written.
fn lift_page(page: u64, words: &[u32; WORDS], entries: &mut [u16], uops: &mut [Uop]) -> usize {
    let mut lifted = Lifted::default();
    let mut count = 0;
    let mut previous = 0;
    for (index, &word) in words.iter().enumerate() {
        lift(word, page + 4 * index as u64, &mut lifted);
        entries[index] = count as u16;
        let start = count;
        for uop in lifted.uops() {
            uops[count] = Uop { at: uop.at | index as u16, ..*uop };
            count += 1;
        }
        // A comparison and the branch after it also get a fused form, in front of the pair.
        if index > 0
            && count == start + 1
            && start == previous + 1
            && let Some(fused) = fuse(page, &uops[previous], &uops[start])
        {
            uops.copy_within(previous..count, previous + 1);
            uops[previous] = fused;
            entries[index] += 1;
            count += 1;
        }
        previous = entries[index] as usize;
    }
    uops[count] = Uop { at: WORDS as u16, ..Uop::new(Op::PageEnd) };
    count += 1;
    for uop in &mut uops[..count] {
        resolve_branch(page, entries, uop);
    }
    count
}

/// The index of the instruction at `target` if it is in the page.
fn index_in(page: u64, target: u64) -> Option<usize> {
    let offset = target.wrapping_sub(page);
    (offset < PAGE_SIZE as u64).then_some(offset as usize / 4)
}

/// Turns a branch with an address into a branch within the page where its target is there.
fn resolve_branch(page: u64, entries: &[u16], uop: &mut Uop) {
    let inner = match uop.op {
        Op::JumpOut => Op::JumpIn,
        Op::LinkOut => Op::LinkIn,
        Op::CondOut => Op::CondIn,
        Op::ZeroOut => Op::ZeroIn,
        Op::ZeroOutW => Op::ZeroInW,
        Op::NonZeroOut => Op::NonZeroIn,
        Op::NonZeroOutW => Op::NonZeroInW,
        Op::BitClearOut => Op::BitClearIn,
        Op::BitSetOut => Op::BitSetIn,
        // Fused branches were given a target in the page; it is an instruction index until now.
        Op::SubSCondIn | Op::SubSWCondIn | Op::SubSICondIn | Op::SubSIWCondIn => {
            let index = uop.imm as u32 as usize;
            uop.imm = uop.imm & 0xffff << 48 | entries[index] as u64 | (index as u64) << 32;
            return;
        }
        _ => return,
    };
    if let Some(index) = index_in(page, uop.imm) {
        uop.op = inner;
        uop.imm = entries[index] as u64 | (index as u64) << 32;
    }
}

/// The fused form of a flag-setting subtraction and a conditional branch within the page.
fn fuse(page: u64, first: &Uop, second: &Uop) -> Option<Uop> {
    if second.op != Op::CondOut {
        return None;
    }
    let target = index_in(page, second.imm)? as u64;
    let at = (first.at & Uop::FIRST) | Uop::FUSED | second.index();
    let fused = Uop { at, imm: target | second.branch_mask() << 48, ..*first };
    match first.op {
        Op::SubS => Some(Uop { op: Op::SubSCondIn, ..fused }),
        Op::SubSW => Some(Uop { op: Op::SubSWCondIn, ..fused }),
        Op::SubSI if first.imm < 256 => {
            Some(Uop { op: Op::SubSICondIn, rb: first.imm as u8, ..fused })
        }
        Op::SubSIW if first.imm < 256 => {
            Some(Uop { op: Op::SubSIWCondIn, rb: first.imm as u8, ..fused })
        }
        _ => None,
    }
}
