//! Many machines that start alike.
//!
//! A [`Template`] is a machine that is ready to run. Each [`Case`] makes a machine of its own from
//! it: a fork with its own standard input and files, or, where it has arguments of its own, one
//! that is booted with them. A [`BatchEngine`] runs such machines, as many at a time as it has
//! lanes, until the cases are used up, and hands over each machine's end as a [`Finished`], in any
//! order. What a case gives depends on nothing but the template, the case and the [`Rules`]: not
//! on the engine, its lanes, or the other cases. It is what the machine alone would have given.
//!
//! - [`template`]    from a case to a machine
//! - [`streams`]     what such a machine sees as its standard streams
//! - [`cpu`]         the engine of this computer's processor
//! - [`arithmetic`]  what computes its results
//! - [`panic`]       panics that are a case's end and not the batch's
//!
//! Not here: where cases come from and results go, which is up to the caller.

mod arithmetic;
mod cpu;
mod panic;
mod streams;
mod template;

pub use crate::drive::SLICE;
pub use arithmetic::{Arithmetic, Networks};
pub use cpu::CpuBatch;
pub use panic::guarded;
pub use streams::CaseStreams;
pub use template::{CaseError, Template};

use crate::drive::Reason;
use crate::machine::BootError;
use ncpu_linux::Limits;
use ncpu_neural_alu::Tallies;
use serde::Serialize;
use std::error::Error;
use std::io;
use std::sync::atomic::AtomicBool;
use std::task::Poll;
use std::time::Duration;

/// Small tables, for machines of which there are many: room for a shell with its pipelines, or an
/// interpreter such as Python. `pages` is the size of the memory.
pub const fn compact_limits(pages: u32) -> Limits {
    Limits {
        pages,
        tasks: 32,
        mappings: 1024,
        files: 256,
        inodes: 1024,
        dentries: 1024,
        objects: 32,
        console: 4096,
    }
}

/// What one machine of a batch is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Case {
    /// Tells the results apart.
    pub index: u64,
    /// A name for people.
    pub label: String,
    /// The whole of standard input.
    pub input: Vec<u8>,
    /// Arguments to replace the program's, without its name.
    pub arguments: Option<Vec<Vec<u8>>>,
    /// Variables to set on top of the program's environment, as `NAME=value`.
    pub environment: Vec<Vec<u8>>,
    /// Files to put into its root file system.
    pub files: Vec<GuestFile>,
}

/// A file to put into a machine before it runs; see [`ncpu_linux::vfs::provide_file`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestFile {
    /// Absolute path inside the machine.
    pub path: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
    /// Contents.
    pub bytes: Vec<u8>,
}

/// What holds for every machine of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Most instructions of a machine, counted from its boot.
    pub fuel: Option<u64>,
    /// Longest time that a machine may take.
    pub timeout: Option<Duration>,
    /// Bytes to keep of standard output, and as many of standard error.
    pub output: usize,
}

impl Default for Rules {
    /// No bounds but one MiB of output.
    fn default() -> Self {
        Rules { fuel: None, timeout: None, output: 1 << 20 }
    }
}

/// How a machine of a batch ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The first process exited with this status.
    Exited(u8),
    /// This signal ended the first process.
    Signalled(u8),
    /// The fuel is used up.
    Fuel,
    /// The time is over.
    Timeout,
    /// Every task waits for something that cannot happen.
    Deadlock,
    /// There was no machine, or nothing can be said of it; why.
    Failed(String),
}

impl Outcome {
    /// From the wait status of the first process, as in `man 2 wait4`.
    pub const fn ended(status: u32) -> Outcome {
        match status & 0x7f {
            0 => Outcome::Exited((status >> 8) as u8),
            signal => Outcome::Signalled(signal as u8),
        }
    }

    /// From the reason for which a drive ended; `None` if the host ended it.
    pub fn of(reason: &Reason) -> Option<Outcome> {
        Some(match reason {
            Reason::Ended(status) => Outcome::ended(*status),
            Reason::Fuel => Outcome::Fuel,
            Reason::Timeout => Outcome::Timeout,
            Reason::Deadlock => Outcome::Deadlock,
            Reason::Stream(error) => Outcome::Failed(error.to_string()),
            Reason::Engine(error) => Outcome::Failed(error.to_string()),
            Reason::Paused | Reason::BrokenPipe | Reason::Quit => return None,
        })
    }
}

/// The start of what a machine wrote to a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captured {
    /// The bytes that were kept.
    pub bytes: Vec<u8>,
    /// How many there were.
    pub written: u64,
}

impl Captured {
    /// Whether more was written than is kept.
    pub fn is_truncated(&self) -> bool {
        self.written > self.bytes.len() as u64
    }

    /// Keeps of `more` what fits `limit`.
    pub fn append(&mut self, more: &[u8], limit: usize) {
        let room = limit.saturating_sub(self.bytes.len()).min(more.len());
        self.bytes.extend_from_slice(&more[..room]);
        self.written += more.len() as u64;
    }
}

/// The end of one machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// The case's index.
    pub index: u64,
    /// The case's label.
    pub label: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Instructions retired since its boot.
    pub instructions: u64,
    /// Hash of the state it ended in; 0 if it failed.
    pub state_hash: u128,
    /// Standard output.
    pub stdout: Captured,
    /// Standard error.
    pub stderr: Captured,
}

impl Finished {
    /// The end of a case that no machine was run for.
    pub fn failed(index: u64, label: String, why: String) -> Finished {
        Finished {
            index,
            label,
            outcome: Outcome::Failed(why),
            instructions: 0,
            state_hash: 0,
            stdout: Captured::default(),
            stderr: Captured::default(),
        }
    }
}

/// What a batch did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Cases whose end was handed over.
    pub finished: u64,
    /// Instructions that their machines have retired.
    pub instructions: u64,
    /// Whether it was asked to stop before it was over.
    pub stopped: bool,
}

/// Why a batch could not go on. What was handed over before is good.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// The lanes could not be made.
    #[error(transparent)]
    Boot(#[from] BootError),
    /// The host could not give threads.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// The engine cannot go on.
    #[error(transparent)]
    Engine(Box<dyn Error + Send + Sync>),
    /// A result could not be handed over.
    #[error(transparent)]
    Sink(io::Error),
}

/// Milliseconds that it took to have a device and machines on it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Opening {
    /// Loading the driver's library.
    pub library_ms: f64,
    /// `cuInit`.
    pub init_ms: f64,
    /// Asking what the card is.
    pub card_ms: f64,
    /// Making the context.
    pub context_ms: f64,
    /// Having stacks set aside.
    pub stack_ms: f64,
    /// Loading the modules that are needed from the start.
    pub load_ms: f64,
    /// Modules one by one, also those that were needed later.
    pub modules: Vec<ModuleOpening>,
    /// All of the above but what was loaded later.
    pub open_ms: f64,
    /// Memory for the machines, and the template in it.
    pub memory_ms: f64,
    /// Copying machines back to the host, if that was wanted.
    pub fetch_ms: f64,
}

/// Milliseconds that a module of a device took.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ModuleOpening {
    /// Its name.
    pub name: &'static str,
    /// Whether it had been compiled before.
    pub cached: bool,
    /// Reading or compiling it.
    pub obtain_ms: f64,
    /// Loading it onto the device.
    pub load_ms: f64,
    /// Bytes of its machine code.
    pub bytes: usize,
}

/// What an engine with a device of its own has done so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct DeviceFigures {
    /// The device and its driver, in one line.
    pub device: String,
    /// What came before.
    pub opening: Opening,
    /// Rounds of executing, serving and lifting.
    pub rounds: u64,
    /// Seconds that it spent executing guest instructions.
    pub executing_seconds: f64,
    /// Seconds that it spent on system calls, faults, signals and scheduling.
    pub serving_seconds: f64,
    /// Seconds that it spent lifting code.
    pub lifting_seconds: f64,
    /// System calls that the device has served.
    pub system_calls: u64,
    /// How often a machine stopped for something that only the host can do.
    pub host_stops: u64,
}

/// Where an engine takes cases from.
pub trait Cases {
    /// The next case, or `Ready(None)` after the last one, when it is not asked for another. `Pending` if none has
    /// come in so long.
    fn next_case(&mut self, patience: Duration) -> Poll<Option<Case>>;
}

/// An iterator is waited for, however long it takes.
impl<I: Iterator<Item = Case>> Cases for I {
    fn next_case(&mut self, _: Duration) -> Poll<Option<Case>> {
        Poll::Ready(self.next())
    }
}

/// Takes each end of a machine.
pub type Sink<'s> = dyn FnMut(Finished) -> io::Result<()> + 's;

/// Runs batches.
pub trait BatchEngine {
    /// `cpu` or `gpu`.
    fn name(&self) -> &'static str;

    /// How many machines run at a time.
    fn lanes(&self) -> usize;

    /// Figures of its device, if it has one.
    fn device(&self) -> Option<DeviceFigures> {
        None
    }

    /// What networks have computed so far, if they do the arithmetic.
    fn tallies(&self) -> Option<Tallies>;

    /// Runs a machine for each case. Cases are taken as lanes become free, and each end goes to
    /// `sink` as it comes: both are called on the caller's thread. A case that fails is an end too.
    ///
    /// When `stop` is set, no case is taken any more and machines that run are given up, within
    /// some 100 ms; ends that are there are handed over still.
    ///
    /// # Errors
    /// When lanes cannot be made, or the sink fails, whose error is passed on.
    fn run(
        &mut self,
        cases: &mut dyn Cases,
        stop: &AtomicBool,
        sink: &mut Sink<'_>,
    ) -> Result<Summary, BatchError>;
}
