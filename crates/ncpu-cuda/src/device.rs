//! What an engine needs of something that runs many threads.

use crate::{Result, Timings};

/// How many of the latest marks can still be asked about.
pub const MARKS_KEPT: u64 = 64;

/// A point in a device's order of work; see [`Device::mark`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(pub u64);

/// Memory and kernels of something that runs many threads.
///
/// Copies, fills, kernels and marks happen in the order in which they are asked for. A failure of a
/// kernel shows at a later call, at the latest at [`Device::synchronize`].
///
/// Addresses are the device's; those that copies and fills are given must lie within one allocation.
pub trait Device {
    /// Name, abilities and driver in one line, for reports.
    fn describe(&self) -> String;

    /// How long opening it took, if it had to be opened.
    fn opening(&self) -> Option<Timings> {
        None
    }

    /// How many multiprocessors run threads.
    fn processors(&self) -> u32;

    /// Bytes of memory: free, and in total.
    fn memory(&self) -> Result<(u64, u64)>;

    /// Allocates zero-filled memory and gives its address, aligned to 256 bytes.
    fn alloc(&self, bytes: u64) -> Result<u64>;

    /// As [`Device::alloc`], but what the memory holds is of no matter.
    fn reserve(&self, bytes: u64) -> Result<u64> {
        self.alloc(bytes)
    }

    /// Frees an allocation by its address, when the work before has ended. Anything else is ignored.
    fn free(&self, address: u64);

    /// Copies bytes to the device. They are taken before this returns.
    fn upload(&self, to: u64, bytes: &[u8]) -> Result<()>;

    /// Copies parts to the device, the first to `to` and each of the others to the next multiple of
    /// `alignment` behind the one before. They are taken before this returns, and copied beside work that was
    /// asked for before, which must not use that memory. What is between them is of no matter.
    fn upload_parts(&self, mut to: u64, parts: &[&[u8]], alignment: u64) -> Result<()> {
        for part in parts {
            self.upload(to, part)?;
            to += (part.len() as u64).next_multiple_of(alignment);
        }
        Ok(())
    }

    /// Waits for the work so far and copies bytes from the device.
    fn download(&self, from: u64, bytes: &mut [u8]) -> Result<()>;

    /// Fills memory with a byte.
    fn fill(&self, at: u64, byte: u8, bytes: u64) -> Result<()>;

    /// Runs a kernel in at least `threads` threads, in whole blocks of `block`; it has to leave alone
    /// what threads beyond the number would touch. Returns at once.
    ///
    /// # Safety
    /// `parameter` must be the address of the record that this kernel takes, and what the record
    /// leads to must stay allocated until the kernel has ended.
    unsafe fn launch(
        &self,
        entry: &'static str,
        threads: u32,
        block: u32,
        parameter: u64,
    ) -> Result<()>;

    /// Waits until all work has ended.
    fn synchronize(&self) -> Result<()>;

    /// Marks this point in the order of work. The latest [`MARKS_KEPT`] marks can be asked about.
    fn mark(&self) -> Result<Mark>;

    /// Waits for the later mark and gives the milliseconds that the work between took.
    fn elapsed(&self, from: &Mark, to: &Mark) -> Result<f32>;
}
