//! Running a machine against a host.

use crate::folders::Folders;
use ncpu_alu::Alu;
use ncpu_linux::tty::console;
use ncpu_linux::{Kernel, Stop};
use ncpu_machine::{PAGE_SIZE, StopAfter};
use std::io;
use std::time::{Duration, Instant};

/// What the host has for the guest's standard input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// So many bytes were put into the buffer.
    Bytes(usize),
    /// There will never be any more.
    End,
    /// The wait was over before anything came.
    Nothing,
    /// The user asked to leave the machine.
    Quit,
}

/// What a machine sees of the outside.
pub trait Host {
    /// Takes bytes of the guest's standard output (1) or error (2).
    ///
    /// # Errors
    /// What the host's stream said; a broken pipe ends the machine quietly.
    fn output(&mut self, stream: u8, bytes: &[u8]) -> io::Result<()>;

    /// Gets bytes for standard input. Called when nothing else can run: it may block, at most for
    /// `wait` if that is given. An empty buffer says that the guest takes no bytes at the moment,
    /// and is no end of input.
    ///
    /// # Errors
    /// What the host's stream said.
    fn input(&mut self, buffer: &mut [u8], wait: Option<Duration>) -> io::Result<Input>;

    /// Looks for input without waiting; only an interactive host has any.
    ///
    /// # Errors
    /// What the host's stream said.
    fn poll_input(&mut self, buffer: &mut [u8]) -> io::Result<Input> {
        let _ = buffer;
        Ok(Input::Nothing)
    }

    /// The size of the user's terminal, when it has changed: rows and columns.
    fn window_size(&mut self) -> Option<(u16, u16)> {
        None
    }
}

/// When to give up.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules {
    /// Most instructions to retire, counted from the machine's boot.
    pub fuel: Option<u64>,
    /// Instruction to pause before, counted from the machine's boot. Output that the host has not
    /// taken yet stays in the machine, so that a copy of it made now goes on as the machine itself
    /// would.
    pub pause: Option<u64>,
    /// Longest time to run.
    pub timeout: Option<Duration>,
}

/// Why a drive ended.
#[derive(Debug)]
pub enum Reason {
    /// The first process ended with this wait status.
    Ended(u32),
    /// The instruction to pause before is reached.
    Paused,
    /// The fuel is used up.
    Fuel,
    /// The time is over.
    Timeout,
    /// Every task waits for something that cannot happen.
    Deadlock,
    /// The reader of standard output is gone.
    BrokenPipe,
    /// The user left.
    Quit,
    /// A stream of the host failed.
    Stream(io::Error),
}

/// How a drive ended.
#[derive(Debug)]
pub struct Ending {
    /// Why.
    pub reason: Reason,
    /// How long it took.
    pub wall: Duration,
    /// How often the machine stopped for the host to answer requests.
    pub round_trips: u64,
}

/// Instructions between two looks at the host.
pub const SLICE: u64 = 10_000_000;
/// The same with a terminal: a few milliseconds, so that a busy guest can be interrupted.
const TERMINAL_SLICE: u64 = 1_000_000;
/// Most instructions of a straight line, which ends with its page at the latest.
const LONGEST_LINE: u64 = (PAGE_SIZE / 4) as u64;
/// In `header.inside_line`: execution was cut inside a line at whose end the host takes output.
const OUTPUT_DUE: u32 = 2;

/// Runs a booted machine until it ends or a rule says stop.
pub fn drive<A: Alu>(
    kernel: &mut Kernel<'_>,
    alu: &A,
    host: &mut dyn Host,
    folders: &mut Folders,
    rules: Rules,
) -> Ending {
    let mut drive = Drive {
        host,
        folders,
        rules,
        start: Instant::now(),
        clock: kernel.now(),
        buffer: vec![0; 1 << 16],
        round_trips: 0,
    };
    let reason = match drive.until_end(kernel, alu) {
        Err(reason @ Reason::Paused) => reason,
        result => match result.and(drive.flush(kernel)) {
            Ok(()) => Reason::Ended(kernel.header.exit_status),
            Err(reason) => reason,
        },
    };
    Ending { reason, wall: drive.start.elapsed(), round_trips: drive.round_trips }
}

fn stream_failed(error: io::Error) -> Reason {
    if error.kind() == io::ErrorKind::BrokenPipe {
        Reason::BrokenPipe
    } else {
        Reason::Stream(error)
    }
}

struct Drive<'h> {
    host: &'h mut dyn Host,
    folders: &'h mut Folders,
    rules: Rules,
    start: Instant,
    /// The machine's clock at the start, in nanoseconds.
    clock: u64,
    buffer: Vec<u8>,
    round_trips: u64,
}

impl Drive<'_> {
    fn until_end<A: Alu>(&mut self, kernel: &mut Kernel<'_>, alu: &A) -> Result<(), Reason> {
        loop {
            if kernel.header.paced != 0 {
                let real = u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX);
                let due = self.clock.saturating_add(real);
                kernel.header.skipped += due.saturating_sub(kernel.now());
            }
            if let Some((rows, columns)) = self.host.window_size() {
                console::set_window_size(kernel, rows, columns);
            }
            let stop = self.step(kernel, alu)?;
            self.flush(kernel)?;
            if self.rules.timeout.is_some_and(|limit| self.start.elapsed() >= limit) {
                return Err(Reason::Timeout);
            }
            match stop {
                Stop::Budget | Stop::Observer | Stop::Output => {
                    let room = console::input_room(kernel).min(self.buffer.len());
                    let got = self.host.poll_input(&mut self.buffer[..room]);
                    self.give(kernel, got)?;
                }
                Stop::Host => {
                    self.round_trips += 1;
                    self.folders.serve(kernel);
                }
                Stop::Input | Stop::Idle => self.wait_for_input(kernel)?,
                // At a terminal, there is still someone who can interrupt.
                Stop::Deadlock if has_terminal(kernel) => self.wait_for_input(kernel)?,
                Stop::Deadlock => return Err(Reason::Deadlock),
                Stop::Ended(_) => return Ok(()),
            }
        }
    }

    /// Runs to the next multiple of a slice, where the host takes output whoever drives the machine
    /// and however often it was paused; or to a limit before that, which has to be met exactly.
    ///
    /// The multiple is met at the end of a straight line. When a limit cuts that very line, the
    /// machine keeps in mind that output is due at its end.
    fn step<A: Alu>(&mut self, kernel: &mut Kernel<'_>, alu: &A) -> Result<Stop, Reason> {
        let start = kernel.header.retired;
        let slice = if has_terminal(kernel) { TERMINAL_SLICE } else { SLICE };
        let left = match kernel.header.inside_line {
            OUTPUT_DUE => 0,
            _ => slice - start % slice,
        };
        let until = |limit: Option<u64>| limit.map_or(u64::MAX, |n| n.saturating_sub(start));
        let (pause, fuel) = (until(self.rules.pause), until(self.rules.fuel));
        let limit = pause.min(fuel);
        let reached = || if pause == limit { Reason::Paused } else { Reason::Fuel };
        if limit == 0 {
            return Err(reached());
        }
        if limit > left + LONGEST_LINE {
            return Ok(kernel.step(alu, &mut (), left));
        }
        let mut done = 0;
        let stop = loop {
            let mut observer = StopAfter(limit - done);
            let stop = kernel.step(alu, &mut observer, left.min(limit).saturating_sub(done));
            done = kernel.header.retired - start;
            // The observer has counted an instruction that faulted each time that it was tried.
            if stop != Stop::Observer || done >= limit {
                break stop;
            }
        };
        match stop {
            Stop::Observer => {
                if done >= left {
                    kernel.header.inside_line = OUTPUT_DUE;
                }
                Err(reached())
            }
            Stop::Ended(_) => Ok(stop),
            Stop::Budget if done >= left => Ok(stop),
            _ if done >= limit => Err(reached()),
            _ => Ok(stop),
        }
    }

    fn flush(&mut self, kernel: &mut Kernel<'_>) -> Result<(), Reason> {
        let mut result = Ok(());
        console::drain_output(kernel, |stream, bytes| {
            if result.is_ok() {
                result = self.host.output(stream, bytes).map_err(stream_failed);
            }
        });
        result
    }

    fn give(&self, kernel: &mut Kernel<'_>, input: io::Result<Input>) -> Result<(), Reason> {
        match input.map_err(stream_failed)? {
            Input::Bytes(count) => _ = console::push_input(kernel, &self.buffer[..count]),
            Input::End => console::close_input(kernel),
            Input::Nothing => {}
            Input::Quit => return Err(Reason::Quit),
        }
        Ok(())
    }

    /// The machine is idle and would go on with input. Virtual time stands still meanwhile, unless
    /// the host paces it, when a timer may come first.
    fn wait_for_input(&mut self, kernel: &mut Kernel<'_>) -> Result<(), Reason> {
        let deadline = kernel.header.next_deadline;
        let until_timer = (kernel.header.paced != 0 && deadline != u64::MAX)
            .then(|| Duration::from_nanos(deadline.saturating_sub(kernel.now())));
        let limit = self.rules.timeout;
        let until_timeout = limit.map(|limit| limit.saturating_sub(self.start.elapsed()));
        let wait = match (until_timer, until_timeout) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let room = console::input_room(kernel).min(self.buffer.len());
        let got = self.host.input(&mut self.buffer[..room], wait);
        self.give(kernel, got)
    }
}

fn has_terminal(kernel: &Kernel<'_>) -> bool {
    let flags = kernel.header.console_flags;
    flags & (console::TERMINAL | console::CLOSED) == console::TERMINAL
}
