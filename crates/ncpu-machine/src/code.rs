//! Lifted code: pages of guest instructions as micro-ops, kept per (frame, virtual page).
//!
//! A page is lifted whole on first execution. Its code is an entry table (guest instruction index
//! to micro-op index, so that every aligned word can be jumped to) and the micro-ops in address
//! order. All of this is derived from frames and can be dropped at any time while no interpreter
//! runs; when the area is full, everything is dropped.
//!
//! A [`CodeStore`] serves one machine on the host's processor, and all lanes of a GPU. Interpreters
//! only read it: what they miss is lifted between their runs, there by many threads at once, one for
//! each word ([`Draft`]).

use crate::addr::{FrameId, PAGE_SHIFT, PAGE_SIZE};
use crate::frame::FrameBytes;
use crate::words::{LaneWords, pair};
use core::slice;
use core::sync::atomic::{AtomicU32, Ordering};
use ncpu_a64::{Lifted, lift};
use ncpu_uop::{Op, Role, Uop};

/// Guest instructions in a page.
pub const WORDS: usize = PAGE_SIZE / 4;
/// Most micro-ops of an instruction.
const LONGEST: usize = 8;
/// Most micro-ops that a page can need: those of its instructions and the page's end. (A fused form
/// takes the place of two instructions of one micro-op each.)
const MAX_UOPS: usize = WORDS * LONGEST + 1;
/// Bytes of an entry table, rounded up to whole micro-ops.
const ENTRY_UOPS: usize = (WORDS * 2) / size_of::<Uop>();

/// The code of one lifted page: the entry table, then the micro-ops.
#[derive(Clone, Copy)]
pub(crate) struct PageCode(*const Uop);

impl PageCode {
    #[inline(always)]
    pub(crate) fn entries(self) -> *const u16 {
        self.0.cast()
    }

    #[inline(always)]
    pub(crate) fn uops(self) -> *const Uop {
        self.0.wrapping_add(ENTRY_UOPS)
    }
}

/// What code was lifted from: a frame and, if that is a lane's own, the lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct CodeKey {
    /// Number of the lane plus 1; 0 for frames that machines share.
    pub owner: u32,
    /// The frame.
    pub frame: u32,
}

/// A page of guest instructions that is to be lifted.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct CodeSource {
    /// What its code will be filed under, together with the page.
    pub key: CodeKey,
    /// Virtual address of the page.
    pub page: u64,
    /// The instructions.
    pub bytes: FrameBytes,
}

impl CodeSource {
    /// Instruction word `index`, below [`WORDS`].
    ///
    /// # Safety
    /// The frame must be live.
    pub unsafe fn word(&self, index: usize) -> u32 {
        // SAFETY: the caller's promise.
        let pair = unsafe { self.bytes.read_word(index / 2) };
        (pair >> (32 * (index & 1))) as u32
    }
}

/// A lifted page in the directory.
#[derive(Debug, Default)]
#[repr(C)]
pub struct DirectoryEntry {
    /// Virtual address of the page.
    page: u64,
    /// Frame that it was lifted from; 0 when the entry is unused, [`DROPPED`] when given up.
    frame: AtomicU32,
    /// The lane that the frame belongs to, see [`CodeKey`].
    owner: u32,
    /// Where its code is: index of a micro-op in the area.
    at: u32,
    reserved: u32,
}

const DROPPED: u32 = u32::MAX;

/// Lookup from virtual page to code in the current address space: direct-mapped, two words an entry,
/// the page's address and where its code is.
#[derive(Clone, Copy)]
pub struct Lookup<'m>(LaneWords<'m>);

/// A word that is no page's address.
const NO_PAGE: u64 = 1;

impl<'m> Lookup<'m> {
    const fn entries(spread: bool) -> usize {
        if spread { 64 } else { 256 }
    }

    /// Words that a table takes for each lane.
    pub const fn words(spread: bool) -> usize {
        2 * Self::entries(spread)
    }

    /// A table in these words, at least [`Lookup::words`] of them. Flush it before its first use.
    pub const fn new(words: LaneWords<'m>) -> Self {
        Lookup(words)
    }

    fn set(self, page: u64, code: PageCode) {
        let count = Self::entries(self.0.is_spread());
        let at = 2 * ((page >> PAGE_SHIFT) as usize & (count - 1));
        // SAFETY: below the number of words.
        unsafe {
            self.0.set(at, page);
            self.0.set(at + 1, code.0.expose_provenance() as u64);
        }
    }

    #[cfg_attr(target_arch = "nvptx64", inline(never))]
    fn flush(self) {
        for index in 0..Self::entries(self.0.is_spread()) {
            // SAFETY: below the number of words.
            unsafe { self.0.set(2 * index, NO_PAGE) };
        }
    }

    pub(crate) const fn first(self) -> *const u64 {
        self.0.first()
    }
}

/// The code of the page that holds `pc`, if the [`Lookup`] whose words start at `first` has it.
///
/// # Safety
/// `first` must be that of a table that is spread as `SPREAD` says.
#[inline(always)]
pub(crate) unsafe fn look_up<const SPREAD: bool>(first: *const u64, pc: u64) -> Option<PageCode> {
    let index = (pc >> PAGE_SHIFT) as usize & (Lookup::entries(SPREAD) - 1);
    // SAFETY: below the number of words.
    let (tag, code) = unsafe { pair::<SPREAD>(first, index) };
    (tag == pc & !(PAGE_SIZE as u64 - 1))
        .then(|| PageCode(core::ptr::with_exposed_provenance(code as usize)))
}

/// How much of its memory a [`CodeStore`] uses, for another one that goes on with it.
#[derive(Clone, Copy, Debug, Default)]
pub struct CodeExtent {
    used: u32,
    entries: u32,
}

/// Lifted pages, for one machine or for all lanes of a GPU.
#[repr(C)]
pub struct CodeStore {
    area: *mut Uop,
    capacity: u32,
    /// Micro-ops of the area in use.
    used: AtomicU32,
    directory: *mut DirectoryEntry,
    /// Entries of the directory, a power of two.
    slots: u32,
    /// Entries in use, given up or not.
    entries: AtomicU32,
    /// Pages lifted since the store was made.
    lifted: AtomicU32,
}

impl CodeStore {
    /// Smallest useful area in micro-ops: one page of the largest code.
    pub const MIN_AREA: usize = ENTRY_UOPS + MAX_UOPS;

    /// An empty store over `area` (`capacity` micro-ops, at least [`CodeStore::MIN_AREA`], contents of
    /// no matter) and a zeroed `directory` of `slots` entries, a power of two.
    ///
    /// # Safety
    /// Both must be valid for the life of the store and used by nothing else.
    ///
    /// # Panics
    /// When the area is too small or the directory's size is no power of two.
    pub unsafe fn new(
        area: *mut Uop,
        capacity: u32,
        directory: *mut DirectoryEntry,
        slots: u32,
    ) -> Self {
        // SAFETY: the caller's promise.
        unsafe { CodeStore::go_on(area, capacity, directory, slots, CodeExtent::default()) }
    }

    /// A store that goes on with what another one of the same memory had when it was left with this extent
    /// ([`CodeStore::leave`]).
    ///
    /// # Safety
    /// Both must be valid for the life of the store and used by nothing else, and be as they were left.
    ///
    /// # Panics
    /// As [`CodeStore::new`].
    pub unsafe fn go_on(
        area: *mut Uop,
        capacity: u32,
        directory: *mut DirectoryEntry,
        slots: u32,
        extent: CodeExtent,
    ) -> Self {
        assert!(capacity as usize >= Self::MIN_AREA && slots.is_power_of_two());
        CodeStore {
            area,
            capacity,
            used: AtomicU32::new(extent.used),
            directory,
            slots,
            entries: AtomicU32::new(extent.entries),
            lifted: AtomicU32::new(0),
        }
    }

    /// Gives up code of frames whose contents may change, so that other machines of the same pool can go on with the
    /// rest. `start` is the extent that the store began with.
    ///
    /// # Safety
    /// Nothing else may use the store any more.
    pub unsafe fn leave(self, mut start: CodeExtent) -> CodeExtent {
        let lifted = self.lifted.into_inner();
        let end = CodeExtent { used: self.used.into_inner(), entries: self.entries.into_inner() };
        // Code from before the start is of the root file system already.
        if lifted == 0 {
            return end;
        }
        // SAFETY: the caller has the directory for itself.
        let entries = unsafe { slice::from_raw_parts_mut(self.directory, self.slots as usize) };
        if end.entries != start.entries + lifted {
            // All was dropped in between, and it began anew.
            start = CodeExtent::default();
        }
        let is_new = |entry: &DirectoryEntry| start.used <= entry.at;
        let frame = |entry: &DirectoryEntry| entry.frame.load(Ordering::Relaxed);
        let stays = |entry: &DirectoryEntry| (FrameId::ROM..DROPPED).contains(&frame(entry));
        let does_any_stay = entries.iter().any(|entry| is_new(entry) && stays(entry));
        for entry in entries.iter_mut().filter(|entry| frame(entry) != 0 && is_new(entry)) {
            if !does_any_stay {
                // All is as it was at the start: nothing from before was looked for beyond these.
                *entry = DirectoryEntry::default();
            } else if !stays(entry) {
                entry.frame = AtomicU32::new(DROPPED);
            }
        }
        if does_any_stay { end } else { start }
    }

    /// The entries where code of `key` may be, in the order of looking.
    fn probe(&self, key: CodeKey) -> impl Iterator<Item = *mut DirectoryEntry> + use<'_> {
        let mask = self.slots - 1;
        let start = (key.frame ^ key.owner.rotate_left(15)).wrapping_mul(0x9e37_79b9);
        (0..=mask).map(move |step| {
            self.directory.wrapping_add((start.wrapping_add(step) & mask) as usize)
        })
    }

    #[cfg_attr(target_arch = "nvptx64", inline(never))]
    fn find(&self, key: CodeKey, page: u64) -> Option<PageCode> {
        for entry in self.probe(key) {
            // SAFETY: in the directory; pages are entered only while no one looks.
            let entry = unsafe { &*entry };
            match entry.frame.load(Ordering::Relaxed) {
                0 => break,
                frame if frame == key.frame && entry.owner == key.owner && entry.page == page => {
                    return Some(self.code(entry.at));
                }
                _ => {}
            }
        }
        None
    }

    #[cfg_attr(target_arch = "nvptx64", inline(never))]
    fn has(&self, key: CodeKey) -> bool {
        self.probe(key)
            // SAFETY: as in `find`.
            .map(|entry| unsafe { &*entry })
            .map(|entry| (entry.frame.load(Ordering::Relaxed), entry.owner))
            .take_while(|&(frame, _)| frame != 0)
            .any(|(frame, owner)| frame == key.frame && owner == key.owner)
    }

    /// Gives up code of `key`; says whether there was any.
    #[cfg_attr(target_arch = "nvptx64", inline(never))]
    fn give_up(&self, key: CodeKey) -> bool {
        let mut found = false;
        for entry in self.probe(key) {
            // SAFETY: as in `find`.
            let entry = unsafe { &*entry };
            match entry.frame.load(Ordering::Relaxed) {
                0 => break,
                frame if frame == key.frame && entry.owner == key.owner => {
                    entry.frame.store(DROPPED, Ordering::Relaxed);
                    found = true;
                }
                _ => {}
            }
        }
        found
    }

    fn code(&self, at: u32) -> PageCode {
        PageCode(self.area.wrapping_add(at as usize))
    }

    /// Whether `pages` more pages of any kind fit.
    pub fn has_room(&self, pages: u32) -> bool {
        let (used, entries) =
            (self.used.load(Ordering::Relaxed), self.entries.load(Ordering::Relaxed));
        // A quarter of the directory stays empty so that probes end soon.
        u64::from(self.capacity - used) >= u64::from(pages) * Self::MIN_AREA as u64
            && entries + pages <= self.slots / 4 * 3
    }

    /// Drops everything. Whoever has looked something up must forget it.
    ///
    /// # Safety
    /// Nothing else may use the store meanwhile.
    pub unsafe fn clear(&self) {
        for index in 0..self.slots as usize {
            // SAFETY: in the directory, which the caller has for itself.
            unsafe { self.directory.add(index).write(DirectoryEntry::default()) };
        }
        self.used.store(0, Ordering::Relaxed);
        self.entries.store(0, Ordering::Relaxed);
    }

    /// Pages lifted so far.
    pub fn lifted_pages(&self) -> u32 {
        self.lifted.load(Ordering::Relaxed)
    }

    /// Takes room for a page that needs `count` micro-ops and files it: the second step of lifting.
    /// There must be room ([`CodeStore::has_room`]). Returns where the code goes.
    ///
    /// # Safety
    /// No interpreter may use the store; other pages may be filed at the same time.
    pub unsafe fn file(&self, source: &CodeSource, count: u32) -> u32 {
        let at = self.used.fetch_add(ENTRY_UOPS as u32 + count, Ordering::Relaxed);
        for entry in self.probe(source.key) {
            // SAFETY: in the directory; the exchange below makes it this thread's.
            let frame = unsafe { &(*entry).frame };
            let order = Ordering::Relaxed;
            if frame.compare_exchange(0, source.key.frame, order, order).is_ok() {
                // SAFETY: as above.
                unsafe {
                    (*entry).page = source.page;
                    (*entry).owner = source.key.owner;
                    (*entry).at = at;
                }
                break;
            }
        }
        self.entries.fetch_add(1, Ordering::Relaxed);
        self.lifted.fetch_add(1, Ordering::Relaxed);
        at
    }

    /// Writes the code of word `index` of a drafted page that was filed at `at`: the third step of
    /// lifting, for every word.
    ///
    /// # Safety
    /// `at` must be what [`CodeStore::file`] returned for the page, and the draft be placed.
    pub unsafe fn emit(&self, source: &CodeSource, draft: *const Draft, at: u32, index: usize) {
        let code = self.code(at);
        // SAFETY: the draft is complete, and not changed any more; the area has room for the page.
        unsafe {
            emit(source.page, &*draft, index, code.0.cast_mut().cast(), code.uops().cast_mut())
        }
    }
}

/// A machine's view of a [`CodeStore`], with its own lookup table.
pub struct CodeCache<'m> {
    store: &'m CodeStore,
    lookup: Lookup<'m>,
    /// What the machine's own frames are filed under.
    owner: u32,
    /// Pages lifted from frames of the lane's own; while there are none, none need to be looked for.
    own_pages: Option<&'m AtomicU32>,
}

impl<'m> CodeCache<'m> {
    /// The view of the only machine that uses the store.
    pub fn new(store: &'m CodeStore, lookup: Lookup<'m>) -> Self {
        CodeCache { store, lookup, owner: 0, own_pages: None }
    }

    /// The view of one of many lanes; `own_pages` counts the pages lifted from its own frames.
    pub fn of_lane(
        store: &'m CodeStore,
        lookup: Lookup<'m>,
        lane: u32,
        own_pages: &'m AtomicU32,
    ) -> Self {
        CodeCache { store, lookup, owner: lane + 1, own_pages: Some(own_pages) }
    }

    /// A place in the store that can be read, for an interpreter that has not entered any page yet.
    pub(crate) fn nowhere(&self) -> PageCode {
        self.store.code(0)
    }

    pub(crate) fn lookup(&self) -> Lookup<'m> {
        self.lookup
    }

    pub(crate) fn key(&self, frame: FrameId) -> CodeKey {
        CodeKey { owner: if frame.is_local() { self.owner } else { 0 }, frame: frame.0 }
    }

    /// Whether there can be code of a frame that stores reach.
    fn may_have(&self) -> bool {
        self.own_pages.is_none_or(|pages| pages.load(Ordering::Relaxed) != 0)
    }

    /// The code lifted from `key` for `page`; makes it the current one for that address.
    pub(crate) fn find(&self, key: CodeKey, page: u64) -> Option<PageCode> {
        let code = self.store.find(key, page)?;
        self.lookup.set(page, code);
        Some(code)
    }

    /// Whether any code was lifted from `frame`.
    pub(crate) fn has_frame(&self, frame: FrameId) -> bool {
        self.may_have() && self.store.has(self.key(frame))
    }

    /// Drops code lifted from `frame`. Micro-ops now running stay where they are.
    pub(crate) fn drop_frame(&self, frame: FrameId) {
        if self.may_have() && self.store.give_up(self.key(frame)) {
            self.lookup.flush();
        }
    }

    /// Forgets which code belongs to which virtual page.
    pub(crate) fn flush_lookup(&self) {
        self.lookup.flush();
    }

    /// Pages lifted since the store was made.
    pub(crate) fn lifted_pages(&self) -> u64 {
        self.store.lifted_pages().into()
    }

    /// Lifts a page into a store that this machine alone uses.
    pub(crate) fn lift(&self, source: &CodeSource) {
        debug_assert!(self.own_pages.is_none());
        if !self.store.has_room(1) {
            // SAFETY: the machine is the only user, and its interpreter does not run.
            unsafe { self.store.clear() };
            self.lookup.flush();
        }
        let mut draft = core::mem::MaybeUninit::<Draft>::uninit();
        let draft = draft.as_mut_ptr();
        // SAFETY: the three steps of lifting in their order; the source is a live frame.
        unsafe {
            for index in 0..WORDS {
                Draft::decode::<false>(draft, source.page, index, source.word(index));
            }
            let count = Draft::place(draft, source.page);
            let at = self.store.file(source, count);
            for index in 0..WORDS {
                self.store.emit(source, draft, at, index);
            }
        }
    }
}

/// A page that is being lifted: each word by itself, then the place of each.
#[repr(C)]
pub struct Draft {
    uops: [[Uop; LONGEST]; WORDS],
    lengths: [u8; WORDS],
    vectors: [Vectors; WORDS],
    entries: [u16; WORDS],
}

/// What is known of a word for [`Uop::VECTORS`].
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Vectors {
    /// It names none, and the next word follows.
    No,
    /// It names some.
    Yes,
    /// It is a branch.
    End,
}

impl Draft {
    /// Lifts word `index` of a page: the first step of lifting, for every word in any order. `MARK` says whether
    /// [`Uop::VECTORS`] is wanted.
    ///
    /// # Safety
    /// `draft` must be valid for writing, and no other thread at the same word.
    pub unsafe fn decode<const MARK: bool>(draft: *mut Draft, page: u64, index: usize, word: u32) {
        let mut lifted = Lifted::default();
        lift(word, page + 4 * index as u64, &mut lifted);
        for (n, uop) in lifted.uops().iter().enumerate() {
            // SAFETY: in bounds, and this thread's alone.
            unsafe { (*draft).uops[index][n] = Uop { at: uop.at | index as u16, ..*uop } };
        }
        let uops = lifted.uops();
        let vectors = if !MARK {
            Vectors::End
        } else if uops.iter().any(Uop::names_vector) {
            Vectors::Yes
        } else if uops.iter().any(|uop| uop.op.roles().contains(&Role::Branch)) {
            Vectors::End
        } else {
            Vectors::No
        };
        // SAFETY: as above.
        unsafe {
            (*draft).lengths[index] = uops.len() as u8;
            (*draft).vectors[index] = vectors;
        }
    }

    /// Finds the place of every word and returns how many micro-ops the page has: the part of the
    /// second step that comes before [`CodeStore::file`].
    ///
    /// # Safety
    /// Every word must have been decoded; no one else may use the draft.
    pub unsafe fn place(draft: *mut Draft, page: u64) -> u32 {
        // SAFETY: the caller's promise.
        let draft = unsafe { &mut *draft };
        let mut count = 0;
        for index in 0..WORDS {
            draft.entries[index] = count as u16;
            count +=
                u32::from(draft.lengths[index]) + u32::from(draft.fused(page, index).is_some());
        }
        // The page's end.
        count + 1
    }

    /// [`Uop::VECTORS`] if it is that of a word, else zero.
    fn vectors(&self, index: usize) -> u16 {
        match self.vectors[index..].iter().find(|&&vectors| vectors != Vectors::No) {
            Some(Vectors::Yes) => Uop::VECTORS,
            _ => 0,
        }
    }

    /// The fused form of word `index` and the one after it, which stands in front of both.
    #[cfg_attr(target_arch = "nvptx64", inline(never))]
    fn fused(&self, page: u64, index: usize) -> Option<Uop> {
        let is_alone = |n: usize| self.lengths.get(n) == Some(&1);
        let (first, second) = (self.uops.get(index)?[0], self.uops.get(index + 1)?[0]);
        if is_alone(index) && is_alone(index + 1) { fuse(page, &first, &second) } else { None }
    }
}

/// Writes the entry and the micro-ops of word `index`.
///
/// # Safety
/// `entries` must be valid for [`WORDS`] entries and `uops` for the micro-ops of the page.
unsafe fn emit(page: u64, draft: &Draft, index: usize, entries: *mut u16, uops: *mut Uop) {
    let place = draft.entries[index];
    // SAFETY: below `WORDS`.
    unsafe { entries.add(index).write(place) };
    let (mut at, vectors) = (usize::from(place), draft.vectors(index));
    let mut put = |mut uop: Uop| {
        uop.at |= vectors;
        resolve_branch(page, &draft.entries, &mut uop);
        // SAFETY: the page has as many micro-ops as `Draft::place` counted.
        unsafe { uops.add(at).write(uop) };
        at += 1;
    };
    if let Some(fused) = draft.fused(page, index) {
        put(fused);
    }
    draft.uops[index][..usize::from(draft.lengths[index]).min(LONGEST)]
        .iter()
        .for_each(|uop| put(*uop));
    if index == WORDS - 1 {
        put(Uop { at: WORDS as u16, ..Uop::new(Op::PageEnd) });
    }
}

/// The index of the instruction at `target` if it is in the page.
fn index_in(page: u64, target: u64) -> Option<usize> {
    let offset = target.wrapping_sub(page);
    (offset < PAGE_SIZE as u64).then_some(offset as usize / 4)
}

/// Turns a branch with an address into a branch within the page where its target is there.
fn resolve_branch(page: u64, entries: &[u16; WORDS], uop: &mut Uop) {
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
