//! The card that machines run on.

use ncpu_cuda::{Cuda, CudaError, Options, Ptx};
use ncpu_gpu_kernel::STACK_BYTES;
use std::io;
use std::thread::{Builder, JoinHandle};

/// What a card is opened for, which says what it needs from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// One machine.
    One,
    /// Many machines.
    Many,
    /// Machines whose arithmetic is that of networks.
    Neural,
}

/// Opens the first card with the machine's modules, from the cache if they have been compiled for it.
///
/// # Errors
/// When there is no driver or no card, either is too old, or a call of the driver fails.
pub fn open(purpose: Purpose) -> Result<Cuda, CudaError> {
    let (now, later): (&[Ptx], &[Ptx]) = match purpose {
        Purpose::One => (&[Ptx::ALONE, Ptx::SERVICE], &[Ptx::EXACT]),
        Purpose::Many => (&[Ptx::RUN, Ptx::SERVICE], &[Ptx::ALONE, Ptx::EXACT]),
        Purpose::Neural => (&[Ptx::NEURAL, Ptx::SERVICE], &[]),
    };
    let stack_bytes = Some(STACK_BYTES);
    Cuda::open(0, now, &Options { stack_bytes, later: later.to_vec(), ..Options::default() })
}

/// A card that is being opened on a thread of its own: the driver takes some tenths of a second.
#[derive(Debug)]
pub struct Opening(Option<JoinHandle<Result<Cuda, CudaError>>>);

impl Opening {
    /// Begins to open the card.
    ///
    /// # Errors
    /// When the host gives no thread.
    pub fn begin(purpose: Purpose) -> io::Result<Opening> {
        let thread = Builder::new().name("open-gpu".into()).spawn(move || open(purpose))?;
        Ok(Opening(Some(thread)))
    }

    /// Waits until the card is open.
    ///
    /// # Errors
    /// As for [`open`].
    pub fn wait(mut self) -> Result<Cuda, CudaError> {
        match self.0.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => unreachable!("only this and `drop` take the thread"),
        }
    }
}

impl Drop for Opening {
    /// The process must not end while the driver is being initialised.
    fn drop(&mut self) {
        _ = self.0.take().map(JoinHandle::join);
    }
}
