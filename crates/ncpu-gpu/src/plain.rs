//! Records that are the same bytes on the host and on a device, and memory for them.

#![allow(unsafe_code)]

use crate::error::Result;
use ncpu_cuda::Device;
use ncpu_gpu_kernel::packed::PackedNetworks;
use ncpu_gpu_kernel::{Batch, Exchange, Given, Lane, Round};
use ncpu_machine::BlockState;
use ncpu_machine::code::CodeStore;
use ncpu_neural_alu::Tallies;
use std::ptr;

/// Threads of a block: whole warps.
pub(crate) const BLOCK: u32 = 128;

/// A record that is plain bytes, with the same layout on the device.
///
/// # Safety
/// It must be `repr(C)`, and every bit pattern that the device writes be a value.
pub(crate) unsafe trait Plain: Sized {
    fn bytes(&self) -> &[u8] {
        // SAFETY: plain data. (Padding is never looked at.)
        unsafe { std::slice::from_raw_parts(ptr::from_ref(self).cast(), size_of::<Self>()) }
    }
    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(ptr::from_mut(self).cast(), size_of::<Self>()) }
    }
}

// SAFETY: integers, and addresses that the host does not use.
unsafe impl Plain for Batch {}
// SAFETY: integers only.
unsafe impl Plain for Lane {}
// SAFETY: integers only.
unsafe impl Plain for Given {}
// SAFETY: integers only.
unsafe impl Plain for Round {}
// SAFETY: integers only.
unsafe impl Plain for BlockState {}
// SAFETY: integers, and addresses that the host does not use.
unsafe impl Plain for CodeStore {}
// SAFETY: integers only.
unsafe impl Plain for Exchange {}
// SAFETY: integers only.
unsafe impl Plain for PackedNetworks {}
// SAFETY: integers only.
unsafe impl Plain for Tallies {}

pub(crate) fn pointer<T>(address: u64) -> *mut T {
    ptr::without_provenance_mut(address as usize)
}

/// Memory that was taken of a device.
#[derive(Default)]
pub(crate) struct Allocations(Vec<u64>);

impl Allocations {
    /// Takes memory, and gives its address.
    pub(crate) fn alloc(&mut self, device: &impl Device, bytes: u64) -> Result<u64> {
        let address = device.alloc(bytes.max(256))?;
        self.0.push(address);
        Ok(address)
    }

    /// Takes memory for some bytes, which are then there.
    pub(crate) fn put(&mut self, device: &impl Device, bytes: &[u8]) -> Result<u64> {
        let address = self.alloc(device, bytes.len() as u64)?;
        device.upload(address, bytes)?;
        Ok(address)
    }

    /// Gives all of it back.
    pub(crate) fn free(&mut self, device: &impl Device) {
        self.0.drain(..).for_each(|address| device.free(address));
    }
}
