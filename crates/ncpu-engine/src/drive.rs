//! Running a machine against a host.

use crate::driven::{Driven, Fault, OnHost, Status};
use crate::folders::Folders;
use ncpu_alu::Alu;
use ncpu_linux::{Kernel, LONGEST_LINE, Stop};
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

    /// Whether something has come for which the machine should be stopped before its slice is over. It
    /// is asked every few milliseconds by engines that need long for a slice. What is the same in every
    /// run never depends on it: only a host that has input unasked, or signals, ever says yes. `room`
    /// is how many bytes of input the guest would take.
    ///
    /// # Errors
    /// What the host's stream said.
    fn has_news(&mut self, room: usize) -> io::Result<bool> {
        let _ = room;
        Ok(false)
    }

    /// The size of the user's terminal, when it has changed: rows and columns.
    fn window_size(&mut self) -> Option<(u16, u16)> {
        None
    }
}

/// Where to pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// Before the instruction of this number, counted from the machine's boot.
    At(u64),
    /// When the machine waits for input.
    Input,
}

/// When to give up.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules {
    /// Most instructions to retire, counted from the machine's boot.
    pub fuel: Option<u64>,
    /// Where to pause. Output that the host has not taken yet stays in the machine, so that a copy of it
    /// made now goes on as the machine itself would.
    pub pause: Option<Pause>,
    /// Longest time to run.
    pub timeout: Option<Duration>,
}

/// Why a drive ended.
#[derive(Debug)]
pub enum Reason {
    /// The first process ended with this wait status.
    Ended(u32),
    /// It has come to where it was to pause.
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
    /// The engine failed.
    Engine(Fault),
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
    /// How often it stopped for anything that only the host could do: the requests, and waiting for
    /// input or real time.
    pub host_stops: u64,
}

/// Instructions between two looks at the host.
pub const SLICE: u64 = 10_000_000;
/// The same with a terminal: a few milliseconds, so that a busy guest can be interrupted.
const TERMINAL_SLICE: u64 = 1_000_000;
/// How far a clock that the host paces may fall behind while the machine runs.
const LATEST_CLOCK: Duration = Duration::from_millis(20);

/// Runs a booted machine on the host's processor until it ends or a rule says stop.
pub fn drive<A: Alu>(
    kernel: &mut Kernel<'_>,
    alu: &A,
    host: &mut dyn Host,
    folders: &mut Folders,
    rules: Rules,
) -> Ending {
    drive_machine(&mut OnHost { kernel, alu }, host, folders, rules)
}

/// Runs a booted machine, wherever it is, until it ends or a rule says stop.
pub fn drive_machine(
    machine: &mut dyn Driven,
    host: &mut dyn Host,
    folders: &mut Folders,
    rules: Rules,
) -> Ending {
    let mut drive = Drive {
        clock: machine.status().now,
        machine,
        host,
        folders,
        rules,
        start: Instant::now(),
        buffer: vec![0; 1 << 16],
        round_trips: 0,
        host_stops: 0,
    };
    let reason = match drive.until_end() {
        Err(reason @ Reason::Paused) => reason,
        result => match result.and(drive.flush()) {
            Ok(()) => Reason::Ended(drive.machine.status().exit_status),
            Err(reason) => reason,
        },
    };
    let Drive { start, round_trips, host_stops, .. } = drive;
    Ending { reason, wall: start.elapsed(), round_trips, host_stops }
}

fn stream_failed(error: io::Error) -> Reason {
    if error.kind() == io::ErrorKind::BrokenPipe {
        Reason::BrokenPipe
    } else {
        Reason::Stream(error)
    }
}

struct Drive<'h> {
    machine: &'h mut dyn Driven,
    host: &'h mut dyn Host,
    folders: &'h mut Folders,
    rules: Rules,
    start: Instant,
    /// The machine's clock at the start, in nanoseconds.
    clock: u64,
    buffer: Vec<u8>,
    round_trips: u64,
    host_stops: u64,
}

impl Drive<'_> {
    fn until_end(&mut self) -> Result<(), Reason> {
        loop {
            let status = self.machine.status();
            if status.is_paced {
                let real = u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX);
                let due = self.clock.saturating_add(real);
                self.machine.skip(due.saturating_sub(status.now));
            }
            if let Some((rows, columns)) = self.host.window_size() {
                self.machine.set_window_size(rows, columns);
            }
            let stop = self.step()?;
            self.flush()?;
            self.host_stops += matches!(stop, Stop::Host | Stop::Input | Stop::Idle) as u64;
            match stop {
                Stop::Budget | Stop::Observer | Stop::Output => {
                    let room = self.machine.status().input_room.min(self.buffer.len());
                    let got = self.host.poll_input(&mut self.buffer[..room]);
                    self.give(got)?;
                }
                Stop::Host => {
                    self.round_trips += 1;
                    self.machine.serve(self.folders).map_err(Reason::Engine)?;
                }
                Stop::Input if self.rules.pause == Some(Pause::Input) => {
                    return Err(Reason::Paused);
                }
                Stop::Input | Stop::Idle => self.wait_for_input()?,
                // At a terminal, there is still someone who can interrupt.
                Stop::Deadlock if self.machine.status().has_terminal() => {
                    self.host_stops += 1;
                    self.wait_for_input()?;
                }
                Stop::Deadlock => return Err(Reason::Deadlock),
                Stop::Ended(_) => return Ok(()),
            }
            if self.rules.timeout.is_some_and(|limit| self.start.elapsed() >= limit) {
                return Err(Reason::Timeout);
            }
        }
    }

    /// Runs to the next multiple of a slice, where the host takes output whoever drives the machine
    /// and however often it was paused; or to a limit before that, which has to be met exactly.
    ///
    /// The multiple is met at the end of a straight line. When a limit cuts that very line, the
    /// machine keeps in mind that output is due at its end.
    fn step(&mut self) -> Result<Stop, Reason> {
        let status = self.machine.status();
        let start = status.retired;
        let slice = if status.has_terminal() { TERMINAL_SLICE } else { SLICE };
        let left = if status.is_output_due { 0 } else { slice - start % slice };
        let until = |limit: Option<u64>| limit.map_or(u64::MAX, |n| n.saturating_sub(start));
        let pause = match self.rules.pause {
            Some(Pause::At(at)) => Some(at),
            Some(Pause::Input) | None => None,
        };
        let (pause, fuel) = (until(pause), until(self.rules.fuel));
        let limit = pause.min(fuel);
        let reached = || if pause == limit { Reason::Paused } else { Reason::Fuel };
        if limit == 0 {
            return Err(reached());
        }
        let near = (limit <= left + LONGEST_LINE).then_some(limit);
        let mut failed = None;
        let (begin, host) = (Instant::now(), &mut *self.host);
        let (room, timeout) = (status.input_room, self.rules.timeout);
        let mut look = || {
            let news = host.has_news(room).unwrap_or_else(|error| {
                failed = Some(error);
                true
            });
            let late = status.is_paced && begin.elapsed() >= LATEST_CLOCK;
            news || late || timeout.is_some_and(|limit| self.start.elapsed() >= limit)
        };
        let stop = self.machine.advance(left, near, &mut look).map_err(Reason::Engine)?;
        if let Some(error) = failed {
            return Err(stream_failed(error));
        }
        if near.is_none() {
            return Ok(stop);
        }
        let done = self.machine.status().retired - start;
        match stop {
            Stop::Observer => Err(reached()),
            Stop::Ended(_) => Ok(stop),
            Stop::Budget if done >= left => Ok(stop),
            _ if done >= limit => Err(reached()),
            _ => Ok(stop),
        }
    }

    fn flush(&mut self) -> Result<(), Reason> {
        let mut result = Ok(());
        let host = &mut *self.host;
        self.machine.drain_output(&mut |stream, bytes| {
            if result.is_ok() {
                result = host.output(stream, bytes).map_err(stream_failed);
            }
        });
        result
    }

    fn give(&mut self, input: io::Result<Input>) -> Result<(), Reason> {
        match input.map_err(stream_failed)? {
            Input::Bytes(count) => self.machine.push_input(&self.buffer[..count]),
            Input::End => self.machine.close_input(),
            Input::Nothing => {}
            Input::Quit => return Err(Reason::Quit),
        }
        Ok(())
    }

    /// The machine is idle and would go on with input. Virtual time stands still meanwhile, unless
    /// the host paces it, when a timer may come first.
    fn wait_for_input(&mut self) -> Result<(), Reason> {
        let Status { next_deadline, now, is_paced, input_room, .. } = self.machine.status();
        let until_timer = (is_paced && next_deadline != u64::MAX)
            .then(|| Duration::from_nanos(next_deadline.saturating_sub(now)));
        let limit = self.rules.timeout;
        let until_timeout = limit.map(|limit| limit.saturating_sub(self.start.elapsed()));
        let wait = match (until_timer, until_timeout) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let room = input_room.min(self.buffer.len());
        let got = self.host.input(&mut self.buffer[..room], wait);
        self.give(got)
    }
}
