//! A machine's memory: physical pages over the shared frame pool, translation, and the derived
//! caches (TLB, lifted code) that must agree with them.
//!
//! State that belongs to the machine is in two tables, [`Page`] per physical page and
//! [`PageAllocator`]; everything else here can be rebuilt from them. Whatever changes the bytes of a
//! frame goes through [`Mem::write_access`], which un-shares the frame and drops code lifted from it.

pub mod tlb;
pub mod walk;

pub use crate::addr::Fault;
use crate::addr::{Access, FaultKind, FrameId, PAGE_SIZE, Ppn};
use crate::code::CodeCache;
use crate::pool::FramePool;
pub use tlb::Tlb;

/// A physical page of a machine.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Page {
    /// The frame that holds its bytes (when `references` is not zero), else the next free page.
    pub frame: u32,
    /// How many translation tables and kernel tables refer to the page.
    pub references: u32,
}

/// Allocation state of a machine's physical pages; all zero is a machine without any.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct PageAllocator {
    /// Pages that have ever been allocated are below this, counting the reserved page 0.
    pub fresh: u32,
    /// First page of the free list, 0 if empty.
    pub free: u32,
    /// Pages in use.
    pub used: u32,
    /// Most pages ever in use at once.
    pub peak: u32,
    /// Root table of the current address space.
    pub root: u32,
    /// Keeps the layout free of padding.
    pub reserved: u32,
}

/// A machine's memory, bound to its pool and caches for the time it runs.
pub struct Mem<'m> {
    pool: FramePool,
    allocator: &'m mut PageAllocator,
    pages: &'m mut [Page],
    pub(crate) tlb: &'m mut Tlb,
    pub(crate) code: CodeCache<'m>,
}

impl<'m> Mem<'m> {
    /// Binds a machine's page table to a pool and to caches, which are flushed.
    pub fn new(
        pool: FramePool,
        allocator: &'m mut PageAllocator,
        pages: &'m mut [Page],
        tlb: &'m mut Tlb,
        code: CodeCache<'m>,
    ) -> Self {
        tlb.flush();
        Mem { pool, allocator, pages, tlb, code }
    }

    /// Pages in use by this machine.
    pub fn used_pages(&self) -> u32 {
        self.allocator.used
    }

    /// Most pages in use at once since boot.
    pub fn peak_pages(&self) -> u32 {
        self.allocator.peak
    }

    /// Pages that the machine may have in use at once.
    pub fn limit_pages(&self) -> u32 {
        self.pages.len() as u32 - 1
    }

    /// Pages of code lifted since the memory was bound; pages whose code was dropped count again.
    pub fn lifted_pages(&self) -> u64 {
        self.code.lifted_pages
    }

    /// Whether `page` is a RAM page in use or a page of the root file system image.
    pub fn is_mapped(&self, page: Ppn) -> bool {
        if page.is_rom() {
            page.0 - Ppn::ROM.0 < self.pool.rom_pages()
        } else {
            self.pages.get(page.0 as usize).is_some_and(|p| p.references != 0)
        }
    }

    fn frame(&self, page: Ppn) -> FrameId {
        if page.is_rom() {
            FrameId(FrameId::ROM + (page.0 - Ppn::ROM.0))
        } else {
            // The record of a free page holds the next free one: no frame of this machine's.
            let page = self.pages[page.0 as usize];
            FrameId(if page.references == 0 { 0 } else { page.frame })
        }
    }

    /// A zeroed page with one reference; `None` when the machine's memory or the pool is used up.
    pub fn alloc(&mut self) -> Option<Ppn> {
        let page = match self.allocator.free {
            0 => {
                let fresh = self.allocator.fresh + 1;
                if fresh as usize >= self.pages.len() {
                    return None;
                }
                fresh
            }
            free => free,
        };
        let frame = self.pool.alloc()?;
        self.code.drop_frame(frame);
        if page == self.allocator.free {
            self.allocator.free = self.pages[page as usize].frame;
        } else {
            self.allocator.fresh = page;
        }
        self.allocator.used += 1;
        self.allocator.peak = self.allocator.peak.max(self.allocator.used);
        self.pages[page as usize] = Page { frame: frame.0, references: 1 };
        Some(Ppn(page))
    }

    /// A new page that holds a copy of `source`.
    pub fn alloc_copy(&mut self, source: Ppn) -> Option<Ppn> {
        let page = self.alloc()?;
        let from = self.pool.pointer(self.frame(source));
        let to = self.pool.pointer(self.frame(page));
        // SAFETY: two different frames, the second one just allocated and unshared.
        unsafe { to.copy_from_nonoverlapping(from, PAGE_SIZE) };
        Some(page)
    }

    /// Adds a reference to a page. Pages of the root file system image are not counted.
    pub fn share(&mut self, page: Ppn) {
        if page.is_rom() {
            return;
        }
        let entry = &mut self.pages[page.0 as usize];
        // The record of a free page holds no frame. Only tables that contradict each other name one.
        if entry.references != 0 {
            entry.references = entry.references.saturating_add(1);
        }
    }

    /// Drops a reference; the last one frees the page. The caller flushes translations to it.
    pub fn release(&mut self, page: Ppn) {
        if page.is_rom() {
            return;
        }
        let entry = &mut self.pages[page.0 as usize];
        let Some(rest) = entry.references.checked_sub(1) else { return };
        entry.references = rest;
        if rest == 0 {
            let frame = FrameId(entry.frame);
            entry.frame = self.allocator.free;
            self.allocator.free = page.0;
            self.allocator.used -= 1;
            self.code.drop_frame(frame);
            self.pool.release(frame);
        }
    }

    /// References to a RAM page; `u32::MAX` for pages of the root file system image.
    pub fn references(&self, page: Ppn) -> u32 {
        if page.is_rom() { u32::MAX } else { self.pages[page.0 as usize].references }
    }

    /// Makes the page's frame this machine's own and free of lifted code, and returns its address;
    /// `None` when a copy was needed and the pool is used up, or the page is read-only for good.
    fn write_access(&mut self, page: Ppn) -> Option<*mut u8> {
        if page.is_rom() || !self.is_mapped(page) {
            return None;
        }
        let frame = self.frame(page);
        if !self.pool.is_exclusive(frame) {
            let copy = self.pool.alloc_copy(frame)?;
            self.code.drop_frame(copy);
            self.pages[page.0 as usize].frame = copy.0;
            self.pool.release(frame);
            // Other virtual pages may be bound to the old frame.
            self.tlb.flush();
            self.code.flush_lookup();
            return Some(self.pool.pointer(copy));
        }
        self.code.drop_frame(frame);
        Some(self.pool.pointer(frame))
    }

    /// Reads the aligned 64-bit word `index` (0 to 511) of a page.
    pub fn read_word(&self, page: Ppn, index: usize) -> u64 {
        let words = self.pool.pointer(self.frame(page)).cast::<u64>();
        // SAFETY: a frame holds 512 words.
        unsafe { u64::from_le(words.add(index & 511).read()) }
    }

    /// Writes the aligned 64-bit word `index` (0 to 511) of a page; false when memory is used up.
    #[must_use]
    pub fn write_word(&mut self, page: Ppn, index: usize, value: u64) -> bool {
        let Some(words) = self.write_access(page) else { return false };
        // SAFETY: `write_access` gave this machine's own frame, which holds 512 words.
        unsafe { words.cast::<u64>().add(index & 511).write(value.to_le()) };
        true
    }

    /// Copies bytes out of a page. `offset + out.len()` must not exceed the page.
    pub fn read_page(&self, page: Ppn, offset: usize, out: &mut [u8]) {
        assert!(offset <= PAGE_SIZE && out.len() <= PAGE_SIZE - offset);
        let from = self.pool.pointer(self.frame(page));
        // SAFETY: within the frame by the assertion; `out` is not part of the pool.
        unsafe { out.as_mut_ptr().copy_from_nonoverlapping(from.add(offset), out.len()) };
    }

    /// Copies bytes into a page; false when memory is used up or the page is read-only for good.
    #[must_use]
    pub fn write_page(&mut self, page: Ppn, offset: usize, bytes: &[u8]) -> bool {
        assert!(offset <= PAGE_SIZE && bytes.len() <= PAGE_SIZE - offset);
        let Some(to) = self.write_access(page) else { return false };
        // SAFETY: within this machine's own frame by the assertion.
        unsafe { to.add(offset).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        true
    }

    /// Copies between two pages of the machine; false when memory is used up or the destination is
    /// read-only for good. Both ranges must lie within their pages.
    #[must_use]
    pub fn copy_page(
        &mut self,
        to: Ppn,
        to_offset: usize,
        from: Ppn,
        from_offset: usize,
        len: usize,
    ) -> bool {
        assert!(to_offset <= PAGE_SIZE && len <= PAGE_SIZE - to_offset);
        assert!(from_offset <= PAGE_SIZE && len <= PAGE_SIZE - from_offset);
        let Some(target) = self.write_access(to) else { return false };
        let source = self.pool.pointer(self.frame(from));
        // SAFETY: both ranges are within their frames; `copy_from` allows overlap.
        unsafe { target.add(to_offset).copy_from(source.add(from_offset), len) };
        true
    }

    /// Root table of the current address space.
    pub fn root(&self) -> Ppn {
        Ppn(self.allocator.root)
    }

    /// Switches to another address space and forgets cached translations.
    pub fn set_root(&mut self, root: Ppn) {
        if self.allocator.root != root.0 {
            self.allocator.root = root.0;
            self.flush_translations();
        }
    }

    /// Forgets all cached translations (after tables changed).
    pub fn flush_translations(&mut self) {
        self.tlb.flush();
        self.code.flush_lookup();
    }

    /// Forgets the cached translation of one page (after its descriptor changed).
    pub fn flush_translation(&mut self, address: u64) {
        self.tlb.flush_page(address);
        self.code.flush_lookup();
    }

    /// Drops code lifted from the page that `address` translates to (`IC IVAU`).
    pub fn drop_code_at(&mut self, address: u64) {
        if let Ok(page) = self.translate(self.root(), untag(address), Access::Execute) {
            let frame = self.frame(page);
            self.code.drop_frame(frame);
        }
    }

    /// Host address of the byte at `address` after checking the right and refilling the TLB.
    #[inline]
    pub(crate) fn resolve(&mut self, address: u64, access: Access) -> Result<*mut u8, Fault> {
        let entry = &self.tlb.0[Tlb::index(address)];
        let tag = if access == Access::Write { entry.write } else { entry.read };
        if (address ^ tag) < PAGE_SIZE as u64 && access != Access::Execute {
            return Ok(entry.bias.wrapping_add(address as usize));
        }
        self.refill(address, access)
    }

    /// Enters the translation of `address` into the TLB.
    #[cold]
    #[inline(never)]
    fn refill(&mut self, address: u64, access: Access) -> Result<*mut u8, Fault> {
        let untagged = untag(address);
        let page = self
            .translate(self.root(), untagged, access)
            .map_err(|fault| Fault { address, ..fault })?;
        let base = address & !(PAGE_SIZE as u64 - 1);
        let offset = (address - base) as usize;
        let host = if access == Access::Write {
            let no_memory = Fault { address, access, kind: FaultKind::OutOfMemory };
            let host = self.write_access(page).ok_or(no_memory)?;
            self.tlb.insert(base, host, true);
            host
        } else {
            let frame = self.frame(page);
            let host = self.pool.pointer(frame);
            let writable = self.pool.is_exclusive(frame)
                && !self.code.has_frame(frame)
                && self.translate(self.root(), untagged, Access::Write).is_ok();
            self.tlb.insert(base, host, writable);
            host
        };
        Ok(host.wrapping_add(offset))
    }

    /// Checks that `len` bytes (at most a page) at `address` can be accessed.
    pub fn probe(&mut self, address: u64, len: u64, access: Access) -> Result<(), Fault> {
        self.resolve(address, access)?;
        let last = address.wrapping_add(len.saturating_sub(1));
        if (address ^ last) >= PAGE_SIZE as u64 {
            self.resolve(last & !(PAGE_SIZE as u64 - 1), access)?;
        }
        Ok(())
    }

    /// A load of `size` (1, 2, 4 or 8) bytes.
    #[inline]
    pub(crate) fn load(&mut self, address: u64, size: u64) -> Result<u64, Fault> {
        let entry = &self.tlb.0[Tlb::index(address)];
        if (address ^ entry.read) > PAGE_SIZE as u64 - size {
            return self.load_slow(address, size);
        }
        let host = entry.bias.wrapping_add(address as usize);
        // SAFETY: the entry maps this page to a live frame, and the access is within the page.
        Ok(unsafe {
            match size {
                1 => host.read() as u64,
                2 => u16::from_le(host.cast::<u16>().read_unaligned()) as u64,
                4 => u32::from_le(host.cast::<u32>().read_unaligned()) as u64,
                _ => u64::from_le(host.cast::<u64>().read_unaligned()),
            }
        })
    }

    /// A store of `size` (1, 2, 4 or 8) bytes.
    #[inline]
    pub(crate) fn store(&mut self, address: u64, size: u64, value: u64) -> Result<(), Fault> {
        let entry = &self.tlb.0[Tlb::index(address)];
        if (address ^ entry.write) > PAGE_SIZE as u64 - size {
            return self.store_slow(address, size, value);
        }
        let host = entry.bias.wrapping_add(address as usize);
        // SAFETY: the entry maps this page to a frame of this machine alone, and the access is
        // within the page.
        unsafe {
            match size {
                1 => host.write(value as u8),
                2 => host.cast::<u16>().write_unaligned((value as u16).to_le()),
                4 => host.cast::<u32>().write_unaligned((value as u32).to_le()),
                _ => host.cast::<u64>().write_unaligned(value.to_le()),
            }
        }
        Ok(())
    }

    /// A load of `size` (1, 2, 4 or 8) bytes that missed the TLB or crosses a page.
    #[cold]
    #[inline(never)]
    pub(crate) fn load_slow(&mut self, address: u64, size: u64) -> Result<u64, Fault> {
        let offset = address & (PAGE_SIZE as u64 - 1);
        let first = (PAGE_SIZE as u64 - offset).min(size);
        let mut bytes = [0u8; 8];
        let host = self.resolve(address, Access::Read)?;
        // SAFETY: `resolve` gives a readable byte, and `first` bytes remain in its page.
        unsafe { bytes.as_mut_ptr().copy_from_nonoverlapping(host, first as usize) };
        if first < size {
            let host = self.resolve(address.wrapping_add(first), Access::Read)?;
            // SAFETY: as above; the rest fits in the next page.
            unsafe {
                bytes
                    .as_mut_ptr()
                    .add(first as usize)
                    .copy_from_nonoverlapping(host, (size - first) as usize)
            };
        }
        Ok(u64::from_le_bytes(bytes))
    }

    /// A store of `size` (1, 2, 4 or 8) bytes that missed the TLB or crosses a page. Both pages are
    /// checked before anything is written.
    #[cold]
    #[inline(never)]
    pub(crate) fn store_slow(&mut self, address: u64, size: u64, value: u64) -> Result<(), Fault> {
        self.probe(address, size, Access::Write)?;
        let offset = address & (PAGE_SIZE as u64 - 1);
        let first = (PAGE_SIZE as u64 - offset).min(size);
        let bytes = value.to_le_bytes();
        let host = self.resolve(address, Access::Write)?;
        // SAFETY: `resolve` gives this machine's own frame, with `first` bytes left in the page.
        unsafe { host.copy_from_nonoverlapping(bytes.as_ptr(), first as usize) };
        if first < size {
            let host = self.resolve(address.wrapping_add(first), Access::Write)?;
            // SAFETY: as above; the rest fits in the next page.
            unsafe {
                host.copy_from_nonoverlapping(
                    bytes.as_ptr().add(first as usize),
                    (size - first) as usize,
                )
            };
        }
        Ok(())
    }

    /// Copies from the current address space; on a fault, the bytes before it have been copied.
    pub fn read_user(&mut self, address: u64, out: &mut [u8]) -> Result<(), Fault> {
        let mut done = 0;
        while done < out.len() {
            let at = address.wrapping_add(done as u64);
            let len = (PAGE_SIZE - (at as usize & (PAGE_SIZE - 1))).min(out.len() - done);
            let host = self.resolve(at, Access::Read)?;
            // SAFETY: `len` bytes remain in the page; `out` is not part of the pool.
            unsafe { out[done..].as_mut_ptr().copy_from_nonoverlapping(host, len) };
            done += len;
        }
        Ok(())
    }

    /// Copies into the current address space; on a fault, the bytes before it have been copied.
    pub fn write_user(&mut self, address: u64, bytes: &[u8]) -> Result<(), Fault> {
        let mut done = 0;
        while done < bytes.len() {
            let at = address.wrapping_add(done as u64);
            let len = (PAGE_SIZE - (at as usize & (PAGE_SIZE - 1))).min(bytes.len() - done);
            let host = self.resolve(at, Access::Write)?;
            // SAFETY: `len` bytes remain in the page of this machine's own frame.
            unsafe { host.copy_from_nonoverlapping(bytes[done..].as_ptr(), len) };
            done += len;
        }
        Ok(())
    }

    /// Lifted code of the page that holds `address`.
    #[cold]
    #[inline(never)]
    pub(crate) fn code_page(&mut self, address: u64) -> Result<crate::code::PageCode, Fault> {
        let page = self.translate(self.root(), address, Access::Execute)?;
        let frame = self.frame(page);
        let base = address & !(PAGE_SIZE as u64 - 1);
        if let Some(code) = self.code.find(frame, base) {
            return Ok(code);
        }
        // Stores to the page must from now on be noticed.
        self.tlb.forbid_writes();
        let source = self.pool.pointer(frame);
        let words = core::array::from_fn(|index| {
            // SAFETY: a frame holds 1,024 instruction words.
            unsafe { u32::from_le(source.cast::<u32>().add(index).read()) }
        });
        Ok(self.code.lift(frame, base, &words))
    }

    /// Adds a pool reference for every page in use: the allocation tables have been copied, for a
    /// second machine that shares the frames.
    pub fn share_all(&mut self) {
        for number in 1..=self.allocator.fresh as usize {
            if self.pages[number].references != 0 {
                self.pool.share(FrameId(self.pages[number].frame));
            }
        }
        // Frames that were this machine's own are shared now.
        self.tlb.forbid_writes();
    }

    /// Gives every frame back to the pool; the machine must not run again.
    pub fn release_all(&mut self) {
        for page in self.pages.iter_mut().skip(1).take(self.allocator.fresh as usize) {
            // A snapshot that was refused halfway leaves pages without a frame.
            if core::mem::take(&mut page.references) != 0 && page.frame != 0 {
                self.pool.release(FrameId(page.frame));
            }
        }
    }

    /// Pages whose record says that they are in use, all without a frame yet, as in a snapshot. `None`
    /// when the records contradict each other: a frame number in them would be another machine's, and
    /// a wrong free list would hand out pages in use.
    pub fn count_unbacked(&self) -> Option<u64> {
        let fresh = self.allocator.fresh as usize;
        let (used, rest) = self.pages.get(1..)?.split_at_checked(fresh)?;
        let free_of_records = |page: &Page| page.frame == 0 && page.references == 0;
        if !self.pages.first().is_some_and(free_of_records) || !rest.iter().all(free_of_records) {
            return None;
        }
        let backed = |page: &Page| page.references != 0 && page.frame != 0;
        let unused = used.iter().filter(|page| page.references == 0).count();
        if used.iter().any(backed) || self.allocator.used as usize != fresh - unused {
            return None;
        }
        // A list without cycles that ends in 0 passes each unused page once.
        let mut next = self.allocator.free as usize;
        for _ in 0..unused {
            let page = self.pages.get(next).filter(|_| (1..=fresh).contains(&next))?;
            if page.references != 0 {
                return None;
            }
            next = page.frame as usize;
        }
        (next == 0).then_some((fresh - unused) as u64)
    }

    /// Gives the page, whose record says that it is in use, a frame with these bytes: a step of
    /// restoring a snapshot. False when the pool is used up or the page is not in use.
    #[must_use]
    pub fn restore_page(&mut self, page: Ppn, bytes: &[u8; PAGE_SIZE]) -> bool {
        match self.pages.get_mut(page.0 as usize) {
            Some(entry)
                if entry.references != 0 && entry.frame == 0 && page.0 <= self.allocator.fresh =>
            {
                let Some(frame) = self.pool.alloc() else { return false };
                entry.frame = frame.0;
            }
            _ => return false,
        }
        self.write_page(page, 0, bytes)
    }

    /// Calls `visit` with each page in use, in order, its references and its bytes: what a state
    /// hash covers and a snapshot stores.
    pub fn for_each_page(&self, mut visit: impl FnMut(Ppn, u32, &[u8; PAGE_SIZE])) {
        for number in 1..=self.allocator.fresh {
            let references = self.pages[number as usize].references;
            if references != 0 {
                let page = Ppn(number);
                let bytes = self.pool.pointer(self.frame(page)).cast::<[u8; PAGE_SIZE]>();
                // SAFETY: a page in use has a frame, which no one writes during the call.
                visit(page, references, unsafe { &*bytes });
            }
        }
    }
}

/// The address without its tag: user addresses ignore the top byte (TBI0, as Linux sets it).
#[inline(always)]
pub const fn untag(address: u64) -> u64 {
    address & ((1 << 56) - 1)
}
