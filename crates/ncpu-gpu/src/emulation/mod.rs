//! A device on the host's processor: the same entry points, called thread by thread.
//!
//! It is for tests of everything but the GPU itself, and slow.

#![allow(unsafe_code)]

mod warp;

use ncpu_cuda::{CudaError, Device, Mark, Result};
use ncpu_gpu_kernel::batch::WARP;
use ncpu_gpu_kernel::entry;
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ptr;
use std::slice;
use std::time::Instant;

const ALIGNMENT: u64 = 256;

/// Memory and threads of the host that stand for those of a GPU.
pub struct Emulation {
    /// Marks count nanoseconds from here.
    start: Instant,
    /// By address.
    allocations: RefCell<BTreeMap<u64, Allocation>>,
    /// Whether lanes of a warp execute side by side.
    warps: bool,
}

struct Allocation {
    bytes: u64,
    /// What the host's allocator gave. It gives memory that is zero and untouched only if it need not
    /// align it.
    start: u64,
    layout: Layout,
}

fn pointer(address: u64) -> *mut u8 {
    ptr::with_exposed_provenance_mut(address as usize)
}

impl Default for Emulation {
    fn default() -> Self {
        Emulation { start: Instant::now(), allocations: RefCell::default(), warps: false }
    }
}

impl Emulation {
    /// An emulation in which the lanes of a warp wait for each other as on a GPU, which takes a thousand times
    /// as long.
    pub fn with_warps() -> Self {
        let mut emulation = Emulation::default();
        emulation.warps = true;
        emulation
    }

    /// Panics unless the range lies in one allocation: the emulation is for tests.
    fn check(&self, at: u64, bytes: usize) {
        let allocations = self.allocations.borrow();
        let found = allocations.range(..=at).next_back();
        let inside = found.is_some_and(|(start, found)| at + bytes as u64 <= start + found.bytes);
        assert!(inside, "{bytes} bytes at {at:#x} are not in one allocation");
    }
}

impl Device for Emulation {
    fn describe(&self) -> String {
        "emulation of a GPU on the host's processor".into()
    }

    fn processors(&self) -> u32 {
        1
    }

    fn memory(&self) -> Result<(u64, u64)> {
        Ok((1 << 34, 1 << 34))
    }

    fn alloc(&self, bytes: u64) -> Result<u64> {
        let out_of_memory = CudaError::OutOfMemory { asked: bytes, free: 0 };
        let layout = Layout::from_size_align((bytes + ALIGNMENT) as usize, 1);
        let Ok(layout) = layout else { return Err(out_of_memory) };
        // SAFETY: the size is not zero.
        let at = unsafe { alloc_zeroed(layout) };
        if at.is_null() {
            return Err(out_of_memory);
        }
        let start = at.expose_provenance() as u64;
        let address = start.next_multiple_of(ALIGNMENT);
        self.allocations.borrow_mut().insert(address, Allocation { bytes, start, layout });
        Ok(address)
    }

    fn free(&self, address: u64) {
        let found = self.allocations.borrow_mut().remove(&address);
        if let Some(Allocation { start, layout, .. }) = found {
            // SAFETY: allocated by `alloc` with this layout, and forgotten now.
            unsafe { dealloc(pointer(start), layout) };
        }
    }

    fn upload(&self, to: u64, bytes: &[u8]) -> Result<()> {
        self.check(to, bytes.len());
        // SAFETY: inside an allocation, which is no Rust object.
        unsafe { pointer(to).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        Ok(())
    }

    fn download(&self, from: u64, bytes: &mut [u8]) -> Result<()> {
        self.check(from, bytes.len());
        // SAFETY: inside an allocation.
        bytes.copy_from_slice(unsafe { slice::from_raw_parts(pointer(from), bytes.len()) });
        Ok(())
    }

    fn fill(&self, at: u64, byte: u8, bytes: u64) -> Result<()> {
        self.check(at, bytes as usize);
        // SAFETY: inside an allocation.
        unsafe { pointer(at).write_bytes(byte, bytes as usize) };
        Ok(())
    }

    unsafe fn launch(
        &self,
        entry: &'static str,
        threads: u32,
        _block: u32,
        parameter: u64,
    ) -> Result<()> {
        self.check(parameter, 1);
        let call = |thread| {
            // SAFETY: the caller's promise; one thread runs at a time.
            let known = unsafe { entry::call(entry, pointer(parameter).cast(), thread) };
            assert!(known, "no entry point {entry}");
        };
        if self.warps && matches!(entry, "ncpu_execute" | "ncpu_execute_neural") {
            for warp in 0..threads.div_ceil(WARP) {
                warp::run(|lane| call(warp * WARP + lane));
            }
        } else {
            (0..threads).for_each(call);
        }
        Ok(())
    }

    fn synchronize(&self) -> Result<()> {
        Ok(())
    }

    fn mark(&self) -> Result<Mark> {
        Ok(Mark(self.start.elapsed().as_nanos() as u64))
    }

    fn elapsed(&self, from: &Mark, to: &Mark) -> Result<f32> {
        Ok((to.0 - from.0) as f32 / 1e6)
    }
}

impl Drop for Emulation {
    fn drop(&mut self) {
        let addresses: Vec<u64> = self.allocations.borrow().keys().copied().collect();
        addresses.into_iter().for_each(|address| self.free(address));
    }
}
