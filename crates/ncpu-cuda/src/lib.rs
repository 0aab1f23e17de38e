//! Memory and kernels of an NVIDIA GPU, through the driver alone.
//!
//! [`Device`] is what an engine of many threads needs: memory by address, copies, kernels by name,
//! in order. [`Cuda`] implements it over the CUDA driver API, which is loaded when it is first opened:
//! building and running without a GPU needs nothing of CUDA. An emulation on the host can implement
//! it too, which is how engines are tested without a GPU.
//!
//! A module goes from PTX to machine code once: [`Cuda::open`] has the driver compile it, keeps the
//! result in the user's cache folder, and takes it from there the next time.
//!
//! What the kernels do does not belong here; all they share with this crate is that each takes one
//! parameter, the device address of a record.

mod cache;
mod cuda;
mod device;
mod driver;
mod error;
mod link;
mod ptx;
mod staging;

pub use cuda::{Card, Cuda, KernelUse, ModuleTiming, Options, Timings, Waiting};
pub use device::{Device, MARKS_KEPT, Mark};
pub use error::{CudaError, Failure, Result};
pub use ptx::{Ptx, Text};
