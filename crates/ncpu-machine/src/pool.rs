//! The 4 KiB frames behind every machine's physical pages.
//!
//! Forking a machine shares its frames, and the first write to a shared frame copies it
//! ([`crate::mem::Mem`] does that). There are two kinds of frames, beside the pages of the root file
//! system image. *Shared* frames are reference-counted and may be any machine's; a machine on the
//! host's processor has no others. *Local* frames ([`LaneFrames`]) are those of one lane of a GPU; its
//! machines share the frames of the snapshot that they were forked from, which live as long as they
//! do, and take new ones from their own. All access to frame contents in the machine crates goes
//! through [`FrameBytes`] handed out here.

use crate::addr::{FrameId, PAGE_SHIFT, PAGE_SIZE};
use crate::frame::FrameBytes;
use crate::words::SPREAD_SHIFT;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Shared allocation state of a pool; all zero is an empty pool of nothing yet allocated.
#[repr(C)]
#[derive(Default)]
pub struct PoolState {
    /// Frames ever handed out, counting the reserved frame 0.
    fresh: AtomicU32,
    /// Frames now in use.
    used: AtomicU32,
    /// Free list: frame number in the low half, a change counter against ABA in the high half.
    free: AtomicU64,
}

/// Which of a lane's frames are in use; all zero is none.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct LaneFrameState {
    /// Frames ever handed out, counting the reserved frame 0.
    fresh: u32,
    /// First free frame, 0 if there is none; its first word has the next one.
    free: u32,
    /// Frames in use.
    used: u32,
    /// 1 once there was no block for a frame.
    starved: u32,
}

impl LaneFrameState {
    /// Whether the lane has been refused a frame because of what others have taken.
    pub const fn is_starved(&self) -> bool {
        self.starved != 0
    }
}

impl LaneFrameState {
    /// Frames in use.
    pub const fn used(&self) -> u32 {
        self.used
    }
}

/// How the frames of a block lie.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockLayout {
    /// A block is one frame, and a warp one machine.
    Single,
    /// Every word of a lane's frame is followed by the same word of the other lanes: one access of the hardware
    /// serves lanes that do the same.
    Spread,
    /// Lanes have their frames one after the other: what each of them uses is together.
    Pieces,
}

/// How many blocks of local frames there are and how many are taken. Where there are many, each warp has its
/// own for its first frame numbers, side by side with those of its neighbours: warps whose lanes are near each
/// other are so in memory. The others are for whoever needs them.
#[repr(C)]
#[derive(Debug, Default)]
pub struct BlockState {
    taken: AtomicU32,
    /// Blocks that are for whoever needs them.
    capacity: u32,
    warps: u32,
    /// Frame numbers from 1 on for which each warp has a block.
    rows: u32,
}

impl BlockState {
    /// Most frame numbers for which each warp has a block, and the part of all blocks that these may be.
    const ROWS: u32 = 8;
    const PART: u32 = 8;

    /// Nothing taken yet of so many blocks for so many warps.
    pub const fn new(blocks: u32, warps: u32) -> Self {
        let rows = blocks / (Self::PART * warps);
        let rows = if rows < Self::ROWS { rows } else { Self::ROWS };
        BlockState { taken: AtomicU32::new(0), capacity: blocks - rows * warps, warps, rows }
    }

    /// The block for a warp's frame `number`, if there is one left.
    fn take(&self, warp: u32, number: u32) -> Option<u32> {
        if number <= self.rows {
            return Some((number - 1) * self.warps + warp);
        }
        let block = self.taken.fetch_add(1, Ordering::Relaxed);
        if block >= self.capacity {
            self.taken.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(self.rows * self.warps + block)
    }
}

/// The local frames of one lane. Memory for them comes in blocks of one frame for each lane of the
/// warp, shared by all warps; a warp takes its block `n` when one of its lanes first needs its frame
/// `n`, and keeps it.
#[derive(Clone, Copy)]
pub struct LaneFrames {
    /// Block of each frame number of this warp, plus 1; 0 while it has none.
    pub blocks: *const AtomicU32,
    /// Frame numbers that a lane can have, counting the reserved number 0.
    pub limit: u32,
    /// The lane's allocation state.
    pub state: *mut LaneFrameState,
    /// The memory of all blocks.
    pub memory: *mut u8,
    /// What is taken of it.
    pub shared: *const BlockState,
    /// The warp's number.
    pub warp: u32,
    /// The lane's number in its warp.
    pub lane: u32,
    /// How frames lie in blocks.
    pub layout: BlockLayout,
}

impl LaneFrames {
    /// A block is being taken by another lane of the warp.
    const TAKING: u32 = u32::MAX;

    /// Of no lane: every frame is shared.
    pub const NONE: LaneFrames = LaneFrames {
        blocks: core::ptr::null(),
        limit: 0,
        state: core::ptr::null_mut(),
        memory: core::ptr::null_mut(),
        shared: core::ptr::null(),
        warp: 0,
        lane: 0,
        layout: BlockLayout::Single,
    };

    /// The block of frame `number`, taken now if the warp has none. Its number is all that lanes tell each
    /// other so.
    #[cfg_attr(target_arch = "nvptx64", inline(never))]
    fn block(&self, number: u32) -> Option<u32> {
        // SAFETY: the table has `limit` entries, and `number` is below.
        let entry = unsafe { &*self.blocks.add(number as usize) };
        loop {
            match entry.compare_exchange(0, Self::TAKING, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => {}
                Err(Self::TAKING) => {
                    core::hint::spin_loop();
                    continue;
                }
                Err(block) => return Some(block - 1),
            }
            // SAFETY: valid for the life of the handle.
            let block = unsafe { &*self.shared }.take(self.warp, number);
            entry.store(block.map_or(0, |block| block + 1), Ordering::Relaxed);
            return block;
        }
    }

    #[cfg_attr(target_arch = "nvptx64", inline(never))]
    fn bytes(&self, number: u32) -> FrameBytes {
        assert!(number < self.limit);
        // SAFETY: in range by the assertion. A frame in use has a block.
        let block = unsafe { &*self.blocks.add(number as usize) }.load(Ordering::Relaxed) - 1;
        let shared = if self.layout == BlockLayout::Single { 0 } else { SPREAD_SHIFT };
        let block = self.memory.wrapping_add((block as usize) << (PAGE_SHIFT + shared));
        let lane = self.lane as usize;
        match self.layout {
            BlockLayout::Single => FrameBytes::whole(block),
            BlockLayout::Spread => FrameBytes::spread(block.wrapping_add(8 * lane)),
            BlockLayout::Pieces => FrameBytes::whole(block.wrapping_add(PAGE_SIZE * lane)),
        }
    }

    /// A frame of any contents.
    #[cfg_attr(target_arch = "nvptx64", inline(never))]
    fn take(&self) -> Option<u32> {
        // SAFETY: valid for the life of the handle, and this lane's alone.
        let state = unsafe { &mut *self.state };
        let number = match state.free {
            0 => {
                // Number 0 is reserved, so the first fresh frame is 1.
                let fresh = state.fresh + 1;
                if fresh >= self.limit {
                    return None;
                }
                if self.block(fresh).is_none() {
                    state.starved = 1;
                    return None;
                }
                state.fresh = fresh;
                fresh
            }
            free => {
                // SAFETY: a free frame is this lane's, and nothing reads it.
                state.free = unsafe { self.bytes(free).read_word(0) } as u32;
                free
            }
        };
        state.used += 1;
        Some(number)
    }

    #[cfg_attr(target_arch = "nvptx64", inline(never))]
    fn release(&self, number: u32) {
        // SAFETY: valid for the life of the handle, and this lane's alone.
        let state = unsafe { &mut *self.state };
        // SAFETY: the frame was the lane's, and nothing refers to it any more.
        unsafe { self.bytes(number).write_word(0, u64::from(state.free)) };
        state.free = number;
        state.used -= 1;
    }
}

/// A handle to a frame pool; copies refer to the same pool.
#[derive(Clone, Copy)]
pub struct FramePool {
    lane: LaneFrames,
    frames: *mut u8,
    /// Per frame: its reference count, or, when free, the next free frame.
    counts: *const AtomicU32,
    capacity: u32,
    state: *const PoolState,
    rom: *const u8,
    rom_pages: u32,
}

// SAFETY: the shared state is only touched through atomics; frame contents are reached through raw
// pointers whose exclusive use is the caller's obligation (reference count 1).
unsafe impl Send for FramePool {}
// SAFETY: as above.
unsafe impl Sync for FramePool {}

impl FramePool {
    /// Builds a handle over raw memory.
    ///
    /// # Safety
    /// `frames` must be valid for `capacity` frames, zero-filled and page-aligned; `counts` must
    /// point to as many zeroed counters, `state` to a [`PoolState`], `rom` to `rom_pages` readable
    /// pages. All must outlive every copy of the handle, and nothing else may write to them.
    pub unsafe fn from_raw(
        frames: *mut u8,
        counts: *const AtomicU32,
        capacity: u32,
        state: *const PoolState,
        rom: *const u8,
        rom_pages: u32,
    ) -> Self {
        FramePool { lane: LaneFrames::NONE, frames, counts, capacity, state, rom, rom_pages }
    }

    /// The pool of one lane: the shared frames are those of a snapshot and never freed.
    ///
    /// # Safety
    /// As [`FramePool::from_raw`], without counters and state; and the parts of `lane` must be valid,
    /// and used by no other lane where they are not shared by the warp.
    pub unsafe fn of_lane(
        lane: LaneFrames,
        frames: *mut u8,
        capacity: u32,
        rom: *const u8,
        rom_pages: u32,
    ) -> Self {
        let (counts, state) = (core::ptr::null(), core::ptr::null());
        FramePool { lane, frames, counts, capacity, state, rom, rom_pages }
    }

    fn is_lane(&self) -> bool {
        self.lane.limit != 0
    }

    fn state(&self) -> &PoolState {
        // SAFETY: `from_raw` requires it to be valid for the life of the handle.
        unsafe { &*self.state }
    }

    fn count(&self, frame: FrameId) -> &AtomicU32 {
        assert!(frame.0 < self.capacity);
        // SAFETY: in range by the assertion.
        unsafe { &*self.counts.add(frame.0 as usize) }
    }

    /// Frames in use by all machines or, where frames are a lane's own, by this one.
    pub fn used(&self) -> u32 {
        if self.is_lane() {
            // SAFETY: valid for the life of the handle, and this lane's alone.
            return unsafe { (*self.lane.state).used };
        }
        self.state().used.load(Ordering::Relaxed)
    }

    /// Pages of the root file system image.
    pub fn rom_pages(&self) -> u32 {
        self.rom_pages
    }

    /// A zeroed frame that is the machine's alone, or `None` when the pool is used up.
    #[cfg_attr(target_arch = "nvptx64", inline(never))]
    pub fn alloc(&self) -> Option<FrameId> {
        let (frame, recycled) = self.take()?;
        if recycled {
            // SAFETY: the frame was just taken, so no one else refers to it.
            unsafe { self.bytes(frame).clear() };
        }
        Some(frame)
    }

    /// A frame that is the machine's alone and holds a copy of `source`.
    #[cfg_attr(target_arch = "nvptx64", inline(never))]
    pub fn alloc_copy(&self, source: FrameId) -> Option<FrameId> {
        let (frame, _) = self.take()?;
        // SAFETY: `take` gave an unshared frame; `source` is another, valid one.
        unsafe { self.bytes(frame).copy_from(self.bytes(source)) };
        Some(frame)
    }

    /// A frame, and whether it may hold anything but zeros.
    fn take(&self) -> Option<(FrameId, bool)> {
        if self.is_lane() {
            return Some((FrameId(FrameId::LOCAL + self.lane.take()?), true));
        }
        let state = self.state();
        let mut head = state.free.load(Ordering::Acquire);
        let taken = loop {
            let first = head as u32;
            if first == 0 {
                // Frame 0 is reserved, so the first fresh frame is 1.
                let fresh = state.fresh.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
                if fresh >= self.capacity {
                    state.fresh.fetch_sub(1, Ordering::Relaxed);
                    return None;
                }
                break (FrameId(fresh), false);
            }
            let next = self.count(FrameId(first)).load(Ordering::Relaxed) as u64;
            let new = ((head >> 32).wrapping_add(1) << 32) | next;
            match state.free.compare_exchange_weak(head, new, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => break (FrameId(first), true),
                Err(now) => head = now,
            }
        };
        self.count(taken.0).store(1, Ordering::Relaxed);
        state.used.fetch_add(1, Ordering::Relaxed);
        Some(taken)
    }

    /// Adds a reference to a shared frame. A lane's frames have one each.
    pub fn share(&self, frame: FrameId) {
        if frame.0 < FrameId::LOCAL && !self.is_lane() {
            self.count(frame).fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Drops a reference; the last one frees the frame.
    pub fn release(&self, frame: FrameId) {
        if frame.is_local() {
            return self.lane.release(frame.0 - FrameId::LOCAL);
        }
        if frame.0 >= FrameId::LOCAL
            || self.is_lane()
            || self.count(frame).fetch_sub(1, Ordering::AcqRel) != 1
        {
            return;
        }
        let state = self.state();
        state.used.fetch_sub(1, Ordering::Relaxed);
        let mut head = state.free.load(Ordering::Acquire);
        loop {
            self.count(frame).store(head as u32, Ordering::Relaxed);
            let new = ((head >> 32).wrapping_add(1) << 32) | frame.0 as u64;
            match state.free.compare_exchange_weak(head, new, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    /// Whether this is the only reference, so that the frame may be written in place.
    pub fn is_exclusive(&self, frame: FrameId) -> bool {
        if self.is_lane() {
            return frame.is_local();
        }
        frame.0 < FrameId::LOCAL && self.count(frame).load(Ordering::Acquire) == 1
    }

    /// Where the frame's bytes are. Writing is allowed to who holds the only reference.
    pub fn bytes(&self, frame: FrameId) -> FrameBytes {
        if frame.0 >= FrameId::ROM {
            let page = frame.0 - FrameId::ROM;
            assert!(page < self.rom_pages);
            FrameBytes::whole(self.rom.wrapping_add((page as usize) << PAGE_SHIFT).cast_mut())
        } else if frame.is_local() {
            self.lane.bytes(frame.0 - FrameId::LOCAL)
        } else {
            assert!(frame.0 < self.capacity);
            FrameBytes::whole(self.frames.wrapping_add((frame.0 as usize) << PAGE_SHIFT))
        }
    }
}
