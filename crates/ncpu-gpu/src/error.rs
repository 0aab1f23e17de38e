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
    #[error("{}", too_much(*lanes, *needed, *free, *most))]
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

fn too_much(lanes: u32, needed: u64, free: u64, most: u64) -> String {
    let [needed, free] = [needed, free].map(|bytes| format!("{} MiB", bytes.div_ceil(1 << 20)));
    if lanes == 1 {
        return format!("the machine needs {needed} of GPU memory, {free} are free (see --mem)");
    }
    format!(
        "{lanes} machines need {needed} of GPU memory, {free} are free; at most {most} of this size fit \
         (see --lanes and --mem)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_memory_names_the_options_that_help() {
        let error = |lanes| GpuError::Memory { lanes, needed: 5 << 20, free: 3 << 20, most: 2 };
        let one = "the machine needs 5 MiB of GPU memory, 3 MiB are free (see --mem)";
        assert_eq!(error(1).to_string(), one);
        let many = "4 machines need 5 MiB of GPU memory, 3 MiB are free; at most 2 of this size fit \
                    (see --lanes and --mem)";
        assert_eq!(error(4).to_string(), many);
    }
}
