//! The pool of 4 KiB frames behind every machine's physical pages.
//!
//! Frames are reference-counted: forking a machine shares its frames, and the first write to a
//! shared frame copies it ([`crate::mem::Mem`] does that). The pool may serve many machines and
//! many threads at once. All access to frame contents in the machine crates goes through pointers
//! handed out here.

use crate::addr::{FrameId, PAGE_SHIFT, PAGE_SIZE};
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

/// A handle to a frame pool; copies refer to the same pool.
#[derive(Clone, Copy)]
pub struct FramePool {
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
        FramePool { frames, counts, capacity, state, rom, rom_pages }
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

    /// Frames in use by all machines.
    pub fn used(&self) -> u32 {
        self.state().used.load(Ordering::Relaxed)
    }

    /// Pages of the root file system image.
    pub fn rom_pages(&self) -> u32 {
        self.rom_pages
    }

    /// A zeroed frame with reference count 1, or `None` when the pool is used up.
    pub fn alloc(&self) -> Option<FrameId> {
        let (frame, recycled) = self.take()?;
        if recycled {
            // SAFETY: the frame was just taken off the free list, so no one else refers to it.
            unsafe { self.frames.add((frame.0 as usize) << PAGE_SHIFT).write_bytes(0, PAGE_SIZE) };
        }
        Some(frame)
    }

    /// A frame with reference count 1 that holds a copy of `source`.
    pub fn alloc_copy(&self, source: FrameId) -> Option<FrameId> {
        let (frame, _) = self.take()?;
        // SAFETY: `take` gave an unshared frame; `source` is another, valid one.
        unsafe {
            self.frames
                .add((frame.0 as usize) << PAGE_SHIFT)
                .copy_from_nonoverlapping(self.pointer(source), PAGE_SIZE)
        };
        Some(frame)
    }

    fn take(&self) -> Option<(FrameId, bool)> {
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

    /// Adds a reference.
    pub fn share(&self, frame: FrameId) {
        if frame.0 < FrameId::ROM {
            self.count(frame).fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Drops a reference; the last one frees the frame.
    pub fn release(&self, frame: FrameId) {
        if frame.0 >= FrameId::ROM || self.count(frame).fetch_sub(1, Ordering::AcqRel) != 1 {
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
        frame.0 < FrameId::ROM && self.count(frame).load(Ordering::Acquire) == 1
    }

    /// Address of the frame's first byte. Writing is allowed to who holds the only reference.
    pub fn pointer(&self, frame: FrameId) -> *mut u8 {
        if frame.0 >= FrameId::ROM {
            let page = frame.0 - FrameId::ROM;
            assert!(page < self.rom_pages);
            // SAFETY: in range by the assertion.
            unsafe { self.rom.add((page as usize) << PAGE_SHIFT).cast_mut() }
        } else {
            assert!(frame.0 < self.capacity);
            // SAFETY: in range by the assertion.
            unsafe { self.frames.add((frame.0 as usize) << PAGE_SHIFT) }
        }
    }
}
