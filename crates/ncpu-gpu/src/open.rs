//! The card that machines run on.

use ncpu_cuda::{Cuda, CudaError, Options, Ptx};
use ncpu_gpu_kernel::STACK_BYTES;

/// Registers of a thread that interprets: with 64, half of the threads that a multiprocessor can hold
/// reside on it.
const RUN_REGISTERS: u32 = 64;

/// Opens the first card with the machine's modules, from the cache if they have been compiled for it.
///
/// # Errors
/// When there is no driver or no card, either is too old, or a call of the driver fails.
pub fn open() -> Result<Cuda, CudaError> {
    let run = Ptx { max_registers: Some(RUN_REGISTERS), ..Ptx::RUN };
    open_with(&[run, Ptx::ALONE, Ptx::SERVICE, Ptx::EXACT])
}

/// As [`open`], with the modules of machines whose arithmetic is that of networks.
///
/// # Errors
/// As for [`open`].
pub fn open_neural() -> Result<Cuda, CudaError> {
    open_with(&[Ptx::NEURAL, Ptx::SERVICE])
}

fn open_with(modules: &[Ptx]) -> Result<Cuda, CudaError> {
    let options = Options { stack_bytes: Some(STACK_BYTES), ..Options::default() };
    Cuda::open(0, modules, &options)
}
