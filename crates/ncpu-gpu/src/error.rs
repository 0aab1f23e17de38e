//! What can go wrong with machines on a GPU.

use ncpu_cuda::CudaError;
use ncpu_engine::BootError;

/// A result of this crate.
pub type Result<T, E = GpuError> = std::result::Result<T, E>;

/// What can go wrong with machines on a GPU.
#[derive(Debug, thiserror::Error)]
pub enum GpuError {
    /// The GPU or its driver.
    #[error(transparent)]
    Cuda(#[from] CudaError),
    /// A machine could not be made on the host.
    #[error(transparent)]
    Boot(#[from] BootError),
    /// A machine needs more memory than is left.
    #[error("the GPU has not enough memory for the machine, its files and its input")]
    NoRoom,
    /// A round was in vain.
    #[error("a machine on the GPU neither runs nor says why: its memory is damaged")]
    Stuck,
    /// What a thread says of a wrong result means nothing.
    #[error("the GPU says that a result is wrong, but not which: its memory is damaged")]
    Damaged,
    /// Results are neither right nor wrong.
    #[error("the GPU compared {found} results, not {expected}")]
    Unchecked {
        /// Results compared.
        found: u64,
        /// Results that there are.
        expected: u64,
    },
    /// The machines need more memory than there is.
    #[error(
        "{lanes} machines need {} of GPU memory, {} are free; at most {most} of this size fit \
         (see --lanes and --mem)",
        mebibytes(*needed), mebibytes(*free)
    )]
    Memory {
        /// Machines asked for.
        lanes: u32,
        /// Bytes that they need.
        needed: u64,
        /// Bytes free.
        free: u64,
        /// Machines that fit.
        most: u64,
    },
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}
