//! What can go wrong with a GPU.

use std::fmt;

use crate::driver::version;

/// A result of this crate.
pub type Result<T, E = CudaError> = std::result::Result<T, E>;

/// What can go wrong with a GPU.
#[derive(Debug, thiserror::Error)]
pub enum CudaError {
    /// The driver's library cannot be loaded.
    #[error(
        "no NVIDIA driver: cannot load {} ({reason}); --engine cpu gives the same results",
        tried.join(" or ")
    )]
    NoDriver {
        /// Names that were tried.
        tried: &'static [&'static str],
        /// What the dynamic linker said about the last.
        reason: String,
    },
    /// The driver sees no such device.
    #[error(
        "no GPU {ordinal}: the NVIDIA driver finds {count}; --engine cpu gives the same results"
    )]
    NoDevice {
        /// Number of the device that was asked for, from 0.
        ordinal: u32,
        /// How many there are.
        count: u32,
    },
    /// The driver's version is too low.
    #[error(
        "the NVIDIA driver is too old: it supports CUDA {}, and {} is needed (driver 525 or later)",
        version(*found),
        version(*needed)
    )]
    DriverTooOld {
        /// CUDA version that the driver supports, as 1000 × major + 10 × minor.
        found: u32,
        /// CUDA version that is needed, likewise.
        needed: u32,
    },
    /// The driver lacks a function.
    #[error("the NVIDIA driver has no function {function}: it is too old or damaged")]
    NoFunction {
        /// The function.
        function: &'static str,
    },
    /// The device has too little free memory.
    #[error("out of GPU memory: {asked} bytes asked for, {free} free")]
    OutOfMemory {
        /// Bytes asked for.
        asked: u64,
        /// Bytes free.
        free: u64,
    },
    /// The PTX is for newer cards.
    #[error(
        "module {module} is for cards of compute capability {}.{} or later, and this one has {}.{}",
        target / 10, target % 10, capability / 10, capability % 10
    )]
    CardTooOld {
        /// The module.
        module: &'static str,
        /// What its PTX is for, as 10 × major + minor.
        target: u32,
        /// What the card has, likewise.
        capability: u32,
    },
    /// The embedded PTX cannot be read.
    #[error("module {module} is damaged: {reason}")]
    Damaged {
        /// The module.
        module: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The driver does not compile the PTX.
    #[error("the NVIDIA driver rejects module {module}: {failure}{}", on_new_lines(log))]
    PtxRejected {
        /// The module.
        module: &'static str,
        /// What the driver said.
        failure: Failure,
        /// Its compiler's messages.
        log: String,
    },
    /// No module has this kernel.
    #[error("no kernel {entry} in the modules")]
    NoKernel {
        /// The kernel.
        entry: &'static str,
    },
    /// A kernel could not be started, or ended badly; nothing more can be done with the device.
    #[error("kernel {kernel} failed: {failure}")]
    Launch {
        /// The kernel that was launched last.
        kernel: &'static str,
        /// Where it showed and what the driver said.
        failure: Failure,
    },
    /// A copy or fill reaches outside of what was allocated.
    #[error("{bytes} bytes at {address:#x} are not within an allocation on the GPU")]
    NotAllocated {
        /// First address.
        address: u64,
        /// Length.
        bytes: u64,
    },
    /// A mark is from the future, or too old.
    #[error("mark {number} is not one of the latest {}", crate::MARKS_KEPT)]
    NoMark {
        /// The mark.
        number: u64,
    },
    /// A driver call failed otherwise.
    #[error(transparent)]
    Call(#[from] Failure),
}

/// A driver call that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The function.
    pub call: &'static str,
    /// Its result, a `CUresult`.
    pub code: u32,
    /// The driver's name for the result.
    pub name: String,
    /// The driver's explanation.
    pub text: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.call, self.text, self.name)
    }
}

impl std::error::Error for Failure {}

fn on_new_lines(log: &str) -> String {
    log.lines().map(|line| format!("\n  {line}")).collect()
}
