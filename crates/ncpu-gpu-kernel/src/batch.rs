//! Records that the host and the lanes share.
//!
//! A [`Batch`] lies in device memory and is all that an entry point is given. Every machine is one lane:
//! its image, its part of the spread tables, its frames, and a [`Lane`] record that says what is to be
//! done next. Whatever the host reads or writes has a fixed layout (`repr(C)`), for the host and the
//! GPU have different compilers.

use crate::grouping::Places;
use crate::packed::PackedNetworks;
use core::sync::atomic::AtomicU32;
use ncpu_linux::{Kernel, Layout, rom::Rom};
use ncpu_machine::code::{CodeCache, CodeSource, CodeStore, Draft, Lookup};
use ncpu_machine::mem::{Mem, Page, PageAllocator, Tlb};
use ncpu_machine::{
    BlockLayout, BlockState, Core, FramePool, LaneFrameState, LaneFrames, LaneWords, Outcome,
    PAGE_SIZE, PAIR, SPREAD_SHIFT,
};
use ncpu_neural_alu::Tallies;

/// Lanes of a warp.
pub const WARP: u32 = 1 << SPREAD_SHIFT;
/// Pages that are lifted at a time.
pub const LIFTS: u32 = 64;

/// What a lane does next.
pub mod state {
    /// It has no machine.
    pub const EMPTY: u32 = 0;
    /// Execute the rest of its slice.
    pub const RUN: u32 = 1;
    /// Serve what ended its slice.
    pub const SERVE: u32 = 2;
    /// Nothing, until the host has looked at it.
    pub const STOPPED: u32 = 3;
    /// Execute the rest of its slice, and stop in front of the instruction that the limit names.
    pub const EXACT: u32 = 4;
}

/// Why a lane stopped: [`ncpu_linux::Stop`] as numbers.
pub mod stop {
    /// An attended lane has come to where output is taken.
    pub const BUDGET: u32 = 1;
    /// A file of a host folder is needed.
    pub const HOST: u32 = 2;
    /// Output has to be taken before the lane can go on.
    pub const OUTPUT: u32 = 3;
    /// The guest waits for input that the lane does not have.
    pub const INPUT: u32 = 4;
    /// Nothing can run before the next deadline, and the host paces the clock.
    pub const IDLE: u32 = 5;
    /// Every task waits for something that cannot happen.
    pub const DEADLOCK: u32 = 6;
    /// The first process has ended.
    pub const ENDED: u32 = 7;
    /// The limit is reached, to the instruction.
    pub const LIMIT: u32 = 8;
}

/// What a lane is told and tells. The parts that the host writes are marked so.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Lane {
    /// One of [`state`]. Host: makes a stopped lane go on with [`state::SERVE`].
    pub state: u32,
    /// One of [`stop`], 0 while it runs.
    pub stop: u32,
    /// The task whose slice is executed.
    pub task: u32,
    /// Whether the last round needed vector registers.
    pub vectors: u32,
    /// Whether the task's registers are in [`Batch::kept`] instead of the image.
    pub kept: u32,
    /// What ended the slice, in the encoding of [`crate::exit`]; 0 for nothing to serve.
    pub exit: [u64; 3],
    /// Whether the slice has still to be taken note of.
    pub pending: u32,
    /// Instructions of the slice.
    pub budget: u64,
    /// The virtual counter at its start.
    pub counter: u64,
    /// Instructions of the slice retired so far.
    pub retired: u64,
    /// Micro-ops of the slice retired so far.
    pub uops: u64,
    /// Host: stop when exactly so many instructions have retired since boot.
    pub limit: u64,
    /// Host: output is taken at every multiple of this many instructions.
    pub stride: u64,
    /// The next such multiple; 0 when it has to be found. Host: where it wants to be asked, if that is
    /// elsewhere.
    pub until: u64,
    /// Host: whether it decides itself when the machine sees anything of it, and is asked whenever there
    /// is nothing to execute. What the lane is told then takes effect when it goes on.
    pub attended: u32,
    /// Wait status of the first process once it has ended.
    pub exit_status: u32,
    /// Host: nanoseconds by which the clock is to be ahead of what it is, before anything else.
    pub skip: u64,
    /// Host: size of the terminal to be set: rows, columns from bit 16, and bit 32; 0 for no change.
    pub window: u64,
    /// Address of the lane's standard input, as it was given.
    pub input: u64,
    /// Bytes of it.
    pub input_length: u64,
    /// Bytes of it given to the machine so far.
    pub input_taken: u64,
    /// Host: whether input ends there.
    pub input_ends: u32,
    /// Bytes that the machine would take now.
    pub input_room: u32,
    /// Address of room for output; records of [`ncpu_linux::tty::console`].
    pub output: u64,
    /// Bytes of that room, more than the machine's console holds.
    pub output_capacity: u64,
    /// Bytes of it in use. Host: takes them at every stop and sets this to 0.
    pub output_length: u64,
    /// Host: 1 if it has taken the output that an attended lane has shown: it stays in the machine until
    /// then.
    pub output_taken: u32,
    /// Whether the machine was cut inside a line at whose end output is due.
    pub output_due: u32,
    /// Host: address of room for a request of each task to the host; 0 for none.
    pub requests: u64,
    /// Requests in it: on the way out waiting, on the way in answered.
    pub request_count: u32,
    /// The lane's frames.
    pub frames: LaneFrameState,
    /// Pages of code lifted from them.
    pub own_pages: u32,
    /// Console flags of the machine, see [`ncpu_linux::tty::console`].
    pub console_flags: u32,
    /// Whether the clock of the machine is paced by the host.
    pub paced: u32,
    /// Host: whether the limit is a pause, at which output that is not due yet stays in the machine.
    pub pauses: u32,
    /// Instructions retired since boot.
    pub total: u64,
    /// Nanoseconds since boot.
    pub now: u64,
    /// Next deadline of the machine.
    pub next_deadline: u64,
    /// State hash, once the host asked for it.
    pub hash: [u64; 2],
    /// System calls served on the GPU so far.
    pub calls: u64,
}

/// What each fork is given beside the record that all of them share.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Given {
    /// Address of its standard input, a multiple of 8.
    pub input: u64,
    /// Bytes of it.
    pub input_length: u64,
}

/// A page that waits to be lifted.
#[repr(C)]
pub struct Lift {
    /// Number that stands for the page, 0 for none.
    pub tag: core::sync::atomic::AtomicU64,
    /// What is to be lifted.
    pub source: CodeSource,
    /// Where its code goes; [`u32::MAX`] while there is no room.
    pub at: u32,
}

/// What the host has to know after a round.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Round {
    /// 1 if any lane has more to execute.
    pub running: u32,
    /// 1 if any page waits to be lifted.
    pub lifting: u32,
    /// 1 if the store of lifted code has no room.
    pub full: u32,
    /// Lanes that have stopped since the last round, in [`Batch::stopped`].
    pub stopped: u32,
    /// 1 if any lane is to be executed exactly.
    pub exact: u32,
    /// Lanes that wait to be served, in [`Batch::waiting`], or were.
    pub waiting: u32,
    /// How many of them have been taken up; more where nothing was left.
    pub served: u32,
    /// Lanes of warps whose lanes were not all at the same place in the end.
    pub apart: u32,
    /// 1 if lanes have frames after those that were laid out.
    pub moving: u32,
}

/// Registers, in whole sectors of memory.
#[repr(C, align(32))]
pub struct Kept(Core);

/// Many machines, and what they share.
#[repr(C)]
pub struct Batch {
    /// Number of lanes.
    pub lanes: u32,
    /// How frames lie in blocks.
    pub block_layout: BlockLayout,
    /// Lanes that a warp executes, a power of two up to [`WARP`]. (Their memory is spread over [`WARP`]
    /// lanes, whatever this is.)
    pub width: u32,
    /// Where tables are in an image.
    pub layout: Layout,
    /// Images of all lanes.
    pub images: *mut u8,
    /// Bytes from one to the next.
    pub image_stride: u64,
    /// Registers of lanes that have more to execute. They are copied in each round, and images are far from each
    /// other.
    pub kept: *mut Kept,
    /// The image that machines are forked from.
    pub template: *const u8,
    /// Spread words of the TLBs.
    pub translations: *mut u64,
    /// Spread words of the lookup tables for code.
    pub lookups: *mut u64,
    /// Records of the lanes.
    pub records: *mut Lane,
    /// The root file system image.
    pub rom: *const u8,
    /// Its pages.
    pub rom_pages: u32,
    /// Frames that all lanes share, counting frame 0.
    pub shared_frames: u32,
    /// Their bytes.
    pub shared: *mut u8,
    /// Frame numbers of a lane, counting number 0.
    pub frame_limit: u32,
    /// Instructions that a lane executes in a round.
    pub slice: u32,
    /// Blocks of each warp's frame numbers.
    pub blocks: *const AtomicU32,
    /// Memory of all blocks.
    pub block_memory: *mut u8,
    /// What is taken of it.
    pub block_state: *const BlockState,
    /// Lifted code.
    pub store: *const CodeStore,
    /// Networks for arithmetic; null if it is the GPU's own.
    pub networks: *const PackedNetworks,
    /// What they have computed for each lane.
    pub tallies: *mut Tallies,
    /// [`LIFTS`] pages that wait to be lifted.
    pub lifts: *mut Lift,
    /// As many drafts.
    pub drafts: *mut Draft,
    /// What this round has come to.
    pub round: *mut Round,
    /// All lanes, as warps execute them: the first ones those of the first warp.
    pub order: *mut u32,
    /// Where lanes are, for each region of them.
    pub places: *const Places,
    /// Lanes that wait to be served; room for all.
    pub waiting: *mut u32,
    /// Lanes that have stopped; room for all.
    pub stopped: *mut u32,
    /// Lanes that a fork, a hash or a collection is for; room for all.
    pub chosen: *const u32,
    /// The record that forks start with.
    pub fresh: *const Lane,
    /// What each of them is given.
    pub given: *const Given,
    /// Warps that make a fork together.
    pub fork_warps: u32,
    /// Room for output of all lanes.
    pub output: *mut u8,
    /// Bytes of each lane's.
    pub output_capacity: u64,
    /// A word for each 4 KiB of an image, and of no use but to look at one lane.
    pub occupied: *mut u32,
    /// How many lanes are chosen.
    pub chosen_count: u32,
    /// A table whose rows are to be collected, one of each lane.
    pub rows: *const u8,
    /// Bytes from one row to the next.
    pub row_pitch: u64,
    /// Bytes that are wanted of each.
    pub row_width: u64,
    /// How many pages are to be gathered.
    pub gather_count: u32,
    /// Physical pages to be gathered.
    pub gather: *const u32,
    /// Where they go, and rows that are collected.
    pub gathered: *mut u8,
    /// Warps that lay frames out anew.
    pub movers: u32,
    /// Room for a block of each of them.
    pub moved: *mut u8,
    /// Frame numbers whose frames they lay out: the first one, and the one after the last.
    pub moving: [u32; 2],
}

impl Batch {
    /// # Safety
    /// `lane` must be below the number of lanes, and no other thread may use its record meanwhile.
    pub(crate) unsafe fn record<'b>(&self, lane: u32) -> &'b mut Lane {
        // SAFETY: the caller's promise.
        unsafe { &mut *self.records.add(lane as usize) }
    }

    /// Threads of a launch in which lanes execute.
    pub const fn threads(&self) -> u32 {
        self.lanes.div_ceil(self.width) * WARP
    }

    /// The lane that is a thread's of such a launch.
    ///
    /// # Safety
    /// The order must be complete.
    pub(crate) unsafe fn lane_of(&self, thread: u32) -> Option<u32> {
        let place = thread % WARP;
        let number = thread / WARP * self.width + place;
        // SAFETY: the order has a lane for each number below theirs.
        let lane = || unsafe { *self.order.add(number as usize) };
        (place < self.width && number < self.lanes).then(lane)
    }

    pub(crate) fn image(&self, lane: u32) -> *mut u8 {
        self.images.wrapping_add(lane as usize * self.image_stride as usize)
    }

    fn words(&self, table: *mut u64, words: usize, lane: u32) -> *mut u64 {
        let (warp, place) = (lane / WARP, lane % WARP);
        table.wrapping_add(((warp as usize * words) << SPREAD_SHIFT) + PAIR * place as usize)
    }

    /// Where the registers are of the task that a lane executes.
    #[inline(always)]
    pub(crate) fn core(&self, lane: u32, record: &Lane) -> *mut Core {
        match record.kept {
            0 => self.image(lane).wrapping_add(self.layout.core(record.task as usize)).cast(),
            _ => self.kept.wrapping_add(lane as usize).cast(),
        }
    }

    /// The frames that the lane has.
    ///
    /// # Safety
    /// `lane` must be below the number of lanes.
    pub(crate) unsafe fn pool(&self, lane: u32) -> FramePool {
        let warp = lane / if self.block_layout == BlockLayout::Single { 1 } else { WARP };
        // SAFETY: all parts are valid for the life of the batch.
        unsafe {
            let frames = LaneFrames {
                blocks: self.blocks.add(self.frame_limit as usize * warp as usize),
                limit: self.frame_limit,
                state: &raw mut (*self.records.add(lane as usize)).frames,
                memory: self.block_memory,
                shared: self.block_state,
                warp,
                lane: lane % WARP,
                layout: self.block_layout,
            };
            FramePool::of_lane(frames, self.shared, self.shared_frames, self.rom, self.rom_pages)
        }
    }

    /// The lane's memory, with its caches as they were left.
    ///
    /// # Safety
    /// No other thread may use the lane meanwhile, and nothing its memory in another way.
    unsafe fn mem<'b>(
        &'b self,
        lane: u32,
        allocator: &'b mut PageAllocator,
        pages: &'b mut [Page],
    ) -> Mem<'b> {
        // SAFETY: the parts are valid for the life of the batch, and this thread's alone.
        unsafe {
            let words = |table, words| LaneWords::from_raw(self.words(table, words, lane), true);
            let tlb = Tlb::new(words(self.translations, Tlb::words(true)));
            let lookup = Lookup::new(words(self.lookups, Lookup::words(true)));
            let own_pages =
                AtomicU32::from_ptr(&raw mut (*self.records.add(lane as usize)).own_pages);
            let code = CodeCache::of_lane(&*self.store, lookup, lane, own_pages);
            Mem::resume(self.pool(lane), allocator, pages, tlb, code)
        }
    }

    /// The lane's memory alone.
    ///
    /// # Safety
    /// As for [`Batch::mem`].
    pub(crate) unsafe fn memory(&self, lane: u32) -> Mem<'_> {
        let (allocator, pages) = self.layout.memory(self.image(lane));
        // SAFETY: both are in the lane's image.
        unsafe { self.mem(lane, &mut *allocator, &mut *pages) }
    }

    /// The lane's machine; `None` when the root file system image is damaged.
    ///
    /// # Safety
    /// As for [`Batch::mem`].
    pub(crate) unsafe fn kernel(&self, lane: u32) -> Option<Kernel<'_>> {
        // SAFETY: the image and the root file system are valid for the life of the batch.
        unsafe {
            let rom = core::slice::from_raw_parts(self.rom, self.rom_pages as usize * PAGE_SIZE);
            let rom = Rom::open(rom).ok()?;
            Some(
                self.layout.view(self.image(lane), rom, |allocator, pages| {
                    self.mem(lane, allocator, pages)
                }),
            )
        }
    }
}

impl Lane {
    /// What was executed of the slice.
    pub(crate) fn outcome(&self) -> Outcome {
        Outcome { exit: crate::exit::decode(self.exit), retired: self.retired, uops: self.uops }
    }
}
