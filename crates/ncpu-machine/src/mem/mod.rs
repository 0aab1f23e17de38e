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
use crate::code::{CodeCache, CodeSource, PageCode};
use crate::frame::FrameBytes;
use crate::pool::FramePool;
use crate::warp;
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

impl Page {
    /// The frame that holds the page's bytes, or frame 0 if the page is free.
    pub const fn frame(self) -> FrameId {
        // The record of a free page holds the next free one: no frame of this machine's.
        FrameId(if self.references == 0 { 0 } else { self.frame })
    }
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
    pub(crate) tlb: Tlb<'m>,
    pub(crate) code: CodeCache<'m>,
    fault: Option<Fault>,
    /// What is loaded or stored out of line.
    pub(crate) numbers: [u64; 4],
    /// The virtual counter when the interpreter began.
    pub counter: u64,
    is_executed_together: bool,
}

impl<'m> Mem<'m> {
    /// Binds a machine's page table to a pool and to caches, which are flushed.
    pub fn new(
        pool: FramePool,
        allocator: &'m mut PageAllocator,
        pages: &'m mut [Page],
        tlb: Tlb<'m>,
        code: CodeCache<'m>,
    ) -> Self {
        let mem = Self::resume(pool, allocator, pages, tlb, code);
        mem.flush_translations();
        mem
    }

    /// Binds a machine's page table again to the pool and caches that it was bound to before, with
    /// no change made to any of them since.
    pub fn resume(
        pool: FramePool,
        allocator: &'m mut PageAllocator,
        pages: &'m mut [Page],
        tlb: Tlb<'m>,
        code: CodeCache<'m>,
    ) -> Self {
        Mem {
            pool,
            allocator,
            pages,
            tlb,
            code,
            fault: None,
            numbers: [0; 4],
            counter: 0,
            is_executed_together: false,
        }
    }

    /// Says that all threads of a GPU's warp execute the machine, each the same. They have to meet between
    /// any load and the stores after it, which computing the address of a store does where the arithmetic
    /// unit is one that they compute with together.
    pub fn execute_together(&mut self) {
        self.is_executed_together = true;
    }

    /// Waits until all threads that execute the machine have come here, if there are several.
    fn meet(&self) {
        if self.is_executed_together {
            warp::meet();
        }
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
        self.code.lifted_pages()
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
            self.pages[page.0 as usize].frame()
        }
    }

    /// A zeroed page with one reference; `None` when the machine's memory or the pool is used up.
    #[cfg_attr(target_arch = "nvptx64", inline(never))]
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
    #[cfg_attr(target_arch = "nvptx64", inline(never))]
    pub fn alloc_copy(&mut self, source: Ppn) -> Option<Ppn> {
        let page = self.alloc()?;
        let from = self.pool.bytes(self.frame(source));
        // SAFETY: two different frames, the second one just allocated and unshared.
        unsafe { self.pool.bytes(self.frame(page)).copy_from(from) };
        Some(page)
    }

    /// Adds a reference to a page. Pages of the root file system image are not counted.
    #[cfg_attr(target_arch = "nvptx64", inline(never))]
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
    #[cfg_attr(target_arch = "nvptx64", inline(never))]
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

    /// Makes the page's frame this machine's own and free of lifted code, and returns its bytes;
    /// `None` when a copy was needed and the pool is used up, or the page is read-only for good.
    #[cfg_attr(target_arch = "nvptx64", inline(never))]
    fn write_access(&mut self, page: Ppn) -> Option<FrameBytes> {
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
            return Some(self.pool.bytes(copy));
        }
        self.code.drop_frame(frame);
        Some(self.pool.bytes(frame))
    }

    /// Reads the aligned 64-bit word `index` (0 to 511) of a page.
    #[cfg_attr(target_arch = "nvptx64", inline(never))]
    pub fn read_word(&self, page: Ppn, index: usize) -> u64 {
        // SAFETY: a page's frame is live, and no one writes it during the call.
        unsafe { self.pool.bytes(self.frame(page)).read_word(index & 511) }
    }

    /// Writes the aligned 64-bit word `index` (0 to 511) of a page; false when memory is used up.
    #[cfg_attr(target_arch = "nvptx64", inline(never))]
    #[must_use]
    pub fn write_word(&mut self, page: Ppn, index: usize, value: u64) -> bool {
        let Some(frame) = self.write_access(page) else { return false };
        // SAFETY: `write_access` gave this machine's own frame.
        unsafe { frame.write_word(index & 511, value) };
        true
    }

    /// Copies bytes out of a page. `offset + out.len()` must not exceed the page.
    #[cfg_attr(target_arch = "nvptx64", inline(never))]
    pub fn read_page(&self, page: Ppn, offset: usize, out: &mut [u8]) {
        assert!(offset <= PAGE_SIZE && out.len() <= PAGE_SIZE - offset);
        // SAFETY: within the frame by the assertion; no one writes it during the call.
        unsafe { self.pool.bytes(self.frame(page)).read(offset, out) };
    }

    /// Copies bytes into a page; false when memory is used up or the page is read-only for good.
    #[cfg_attr(target_arch = "nvptx64", inline(never))]
    #[must_use]
    pub fn write_page(&mut self, page: Ppn, offset: usize, bytes: &[u8]) -> bool {
        assert!(offset <= PAGE_SIZE && bytes.len() <= PAGE_SIZE - offset);
        let Some(to) = self.write_access(page) else { return false };
        // SAFETY: within this machine's own frame by the assertion.
        unsafe { to.write(offset, bytes) };
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
    pub fn flush_translations(&self) {
        self.tlb.flush();
        self.code.flush_lookup();
    }

    /// Forgets the cached translation of one page (after its descriptor changed).
    #[cfg_attr(target_arch = "nvptx64", inline(never))]
    pub fn flush_translation(&mut self, address: u64) {
        self.tlb.flush_page(address);
        self.code.flush_lookup();
    }

    /// Drops code lifted from the page that `address` translates to (`IC IVAU`).
    #[cfg_attr(target_arch = "nvptx64", inline(never))]
    pub fn drop_code_at(&mut self, address: u64) {
        self.meet();
        if let Ok(page) = self.translate(self.root(), untag(address), Access::Execute) {
            let frame = self.frame(page);
            self.code.drop_frame(frame);
        }
    }

    /// The frame behind `address` after checking the right and refilling the TLB.
    #[inline]
    pub(crate) fn resolve(&mut self, address: u64, access: Access) -> Result<FrameBytes, Fault> {
        match self.tlb.frame(address, access == Access::Write) {
            Some(frame) if access != Access::Execute => Ok(frame),
            _ if self.is_executed_together => self.refill_together(address, access),
            _ => self.refill(address, access),
        }
    }

    /// [`Mem::refill`] by the first of the threads that execute the machine, for all of them.
    #[cold]
    #[inline(never)]
    fn refill_together(&mut self, address: u64, access: Access) -> Result<FrameBytes, Fault> {
        warp::meet();
        let done =
            if warp::lane() == 0 { self.refill(address, access).map(|_| ()) } else { Ok(()) };
        warp::meet();
        let done = warp::word_of(0, done.map_or_else(|fault| 1 + fault.kind as u32, |()| 0));
        if let Some(kind) = FaultKind::ALL.into_iter().find(|&kind| 1 + kind as u32 == done) {
            return Err(Fault { address, access, kind });
        }
        let entered = self.tlb.frame(address, access == Access::Write);
        Ok(entered.expect("the first thread has just entered it"))
    }

    /// Enters the translation of `address` into the TLB.
    #[cold]
    #[inline(never)]
    fn refill(&mut self, address: u64, access: Access) -> Result<FrameBytes, Fault> {
        let untagged = untag(address);
        let page = self
            .translate(self.root(), untagged, access)
            .map_err(|fault| Fault { address, ..fault })?;
        let base = address & !(PAGE_SIZE as u64 - 1);
        if access == Access::Write {
            let no_memory = Fault { address, access, kind: FaultKind::OutOfMemory };
            let bytes = self.write_access(page).ok_or(no_memory)?;
            self.tlb.insert(base, bytes, true);
            return Ok(bytes);
        }
        let frame = self.frame(page);
        let bytes = self.pool.bytes(frame);
        let writable = self.pool.is_exclusive(frame)
            && !self.code.has_frame(frame)
            && self.translate(self.root(), untagged, Access::Write).is_ok();
        self.tlb.insert(base, bytes, writable);
        Ok(bytes)
    }

    /// Checks that `len` bytes (at most a page) at `address` can be accessed.
    #[cfg_attr(target_arch = "nvptx64", inline(never))]
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
        let frame = self.resolve(address, Access::Read)?;
        // SAFETY: a translation leads to a live frame.
        match unsafe { frame.load(address as usize & (PAGE_SIZE - 1), size) } {
            Some(value) => Ok(value),
            None => self.load_parts(address, size),
        }
    }

    /// A store of `size` (1, 2, 4 or 8) bytes. Both pages are checked before anything is written.
    #[inline]
    pub(crate) fn store(&mut self, address: u64, size: u64, value: u64) -> Result<(), Fault> {
        self.meet();
        let frame = self.resolve(address, Access::Write)?;
        // SAFETY: a translation for writing leads to this machine's own frame.
        if unsafe { frame.store(address as usize & (PAGE_SIZE - 1), size, value) } {
            return Ok(());
        }
        self.probe(address, size, Access::Write)?;
        self.write_user(address, &value.to_le_bytes()[..size.min(8) as usize])
    }

    #[cold]
    #[inline(never)]
    fn load_parts(&mut self, address: u64, size: u64) -> Result<u64, Fault> {
        let mut bytes = [0; 8];
        self.read_user(address, &mut bytes[..size.min(8) as usize])?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// [`Mem::load`] of so many numbers that follow each other into [`Mem::numbers`], where the TLB has no entry,
    /// or they are not in one piece. The fault, if there is one, is left for [`Mem::fault`]: a result in memory
    /// would cost the interpreter more.
    #[cold]
    #[inline(never)]
    pub(crate) fn load_slow(&mut self, address: u64, size: u64, count: usize) {
        self.fault = None;
        for index in 0..count {
            match self.load(address.wrapping_add(size * index as u64), size) {
                Ok(number) => self.numbers[index] = number,
                Err(fault) => return self.fault = Some(fault),
            }
        }
    }

    /// [`Mem::store`] likewise, of all or none of them.
    #[cold]
    #[inline(never)]
    pub(crate) fn store_slow(&mut self, address: u64, size: u64, count: usize) {
        let mut result = Ok(());
        if count > 1 {
            result = self.probe(address, size * count as u64, Access::Write);
        }
        for index in 0..count {
            let address = address.wrapping_add(size * index as u64);
            result = result.and_then(|()| self.store(address, size, self.numbers[index]));
        }
        self.note(result);
    }

    /// Leaves a fault, if there is one, for [`Mem::fault`].
    pub(crate) fn note(&mut self, result: Result<(), Fault>) {
        self.fault = result.err();
    }

    /// The fault of the last access that may have left one.
    #[inline(always)]
    pub(crate) fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// Copies from the current address space; on a fault, the bytes before it have been copied.
    #[cfg_attr(target_arch = "nvptx64", inline(never))]
    pub fn read_user(&mut self, address: u64, out: &mut [u8]) -> Result<(), Fault> {
        let mut done = 0;
        while done < out.len() {
            let at = address.wrapping_add(done as u64);
            let offset = at as usize & (PAGE_SIZE - 1);
            let len = (PAGE_SIZE - offset).min(out.len() - done);
            let frame = self.resolve(at, Access::Read)?;
            // SAFETY: `len` bytes remain in the page of a live frame.
            unsafe { frame.read(offset, &mut out[done..done + len]) };
            done += len;
        }
        Ok(())
    }

    /// Copies into the current address space; on a fault, the bytes before it have been copied.
    #[cfg_attr(target_arch = "nvptx64", inline(never))]
    pub fn write_user(&mut self, address: u64, bytes: &[u8]) -> Result<(), Fault> {
        let mut done = 0;
        while done < bytes.len() {
            let at = address.wrapping_add(done as u64);
            let offset = at as usize & (PAGE_SIZE - 1);
            let len = (PAGE_SIZE - offset).min(bytes.len() - done);
            let frame = self.resolve(at, Access::Write)?;
            // SAFETY: `len` bytes remain in the page of this machine's own frame.
            unsafe { frame.write(offset, &bytes[done..done + len]) };
            done += len;
        }
        Ok(())
    }

    /// The page of code that holds `address`, which must be executable, and what it is lifted from.
    #[cfg_attr(target_arch = "nvptx64", inline(never))]
    fn code_source(&self, address: u64) -> Result<CodeSource, Fault> {
        let page = self.translate(self.root(), address, Access::Execute)?;
        let frame = self.frame(page);
        let key = self.code.key(frame);
        let page = address & !(PAGE_SIZE as u64 - 1);
        Ok(CodeSource { key, page, bytes: self.pool.bytes(frame) })
    }

    /// Lifted code of the page that holds `address`; `None` when it was not lifted yet.
    #[cold]
    #[inline(never)]
    pub(crate) fn code_page(&mut self, address: u64) -> Result<Option<PageCode>, Fault> {
        // None looks it up while another enters it.
        self.meet();
        let source = self.code_source(address)?;
        Ok(self.code.find(source.key, source.page))
    }

    /// What has to be lifted for execution to go on at `address`. Stores to the page are noticed from
    /// now on.
    ///
    /// # Errors
    /// When the address cannot be executed.
    pub fn request_code(&mut self, address: u64) -> Result<CodeSource, Fault> {
        let source = self.code_source(address)?;
        self.tlb.forbid_writes();
        Ok(source)
    }

    /// Lifts the page of code that holds `address`. Nothing happens if it cannot be executed, which
    /// execution finds out by itself.
    pub fn lift(&mut self, address: u64) {
        if let Ok(source) = self.request_code(address) {
            self.code.lift(&source);
        }
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

    /// Forgets the frames of all pages in use, which are another pool's, and visits these pages: the
    /// first step of restoring a machine. [`Mem::restore_page`] is the second, for each.
    pub fn unback(&mut self, mut visit: impl FnMut(Ppn)) {
        let pages = self.pages.iter_mut().enumerate();
        for (number, page) in pages.take(self.allocator.fresh as usize + 1) {
            if page.references != 0 {
                page.frame = 0;
                visit(Ppn(number as u32));
            }
        }
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

    /// Calls `visit` with pages in use, in order, their references and their bytes: what a state hash
    /// covers and a snapshot stores. Of all pages, every `step`th is looked at, after the `first` ones.
    pub fn for_each_page(
        &self,
        first: usize,
        step: usize,
        mut visit: impl FnMut(Ppn, u32, &[u8; PAGE_SIZE]),
    ) {
        for number in (1..=self.allocator.fresh).skip(first).step_by(step) {
            let references = self.pages[number as usize].references;
            if references != 0 {
                let page = Ppn(number);
                let mut bytes = [0; PAGE_SIZE];
                self.read_page(page, 0, &mut bytes);
                visit(page, references, &bytes);
            }
        }
    }
}

/// The address without its tag: user addresses ignore the top byte (TBI0, as Linux sets it).
#[inline(always)]
pub const fn untag(address: u64) -> u64 {
    address & ((1 << 56) - 1)
}
