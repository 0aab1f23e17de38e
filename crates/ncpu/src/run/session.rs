//! One machine from its start to its end.

use super::engine::Engine;
use super::{export, status};
use crate::cli::DriveOptions;
use crate::host::Interruption;
use crate::report::{End, Figures, Report, tell};
use anyhow::{Context, bail};
use ncpu_engine::batch::DeviceFigures;
use ncpu_engine::{Folders, Host, Machine, Reason, Rules, snapshot, state_hash};
use std::path::Path;
use std::time::Duration;

/// A machine that was booted, or the status for one whose program could not be executed.
pub(super) enum Started {
    Machine(Box<Machine>),
    Not(u8),
}

/// A booted machine and how to drive it.
pub(super) struct Session<'a> {
    pub(super) options: &'a DriveOptions,
    pub(super) engine: Box<dyn Engine>,
    pub(super) machine: Machine,
    /// Whether its standard input is live.
    pub(super) live: bool,
    /// The host folders that it may use.
    pub(super) folders: Folders,
    /// The command line, for the report.
    pub(super) program: Vec<String>,
}

/// How a session ended.
pub(super) struct Outcome {
    pub(super) reason: Reason,
    figures: Figures,
    gpu: Option<DeviceFigures>,
    /// Whether `--stop` ended it.
    stopped: bool,
    /// Whether it ended before the snapshot that was wanted.
    missed: bool,
}

impl Session<'_> {
    /// Drives the machine until it ends or a rule says stop.
    pub(super) fn run(&mut self, host: &mut dyn Host) -> anyhow::Result<Outcome> {
        let mut rules = Rules {
            fuel: self.options.execution.fuel,
            pause: self.options.snapshot_at,
            timeout: self.options.execution.timeout,
        };
        let (mut wall, mut round_trips, mut host_stops) = (Duration::ZERO, 0, 0);
        let (reason, stopped) = loop {
            let (machine, folders) = (&mut self.machine, &mut self.folders);
            let ending = self.engine.drive(machine, self.live, host, folders, rules)?;
            wall += ending.wall;
            round_trips += ending.round_trips;
            host_stops += ending.host_stops;
            if !matches!(ending.reason, Reason::Paused) {
                break (ending.reason, false);
            }
            if let Some(path) = &self.options.snapshot {
                self.save(path)?;
            }
            if self.options.stop {
                break (Reason::Paused, true);
            }
            rules.pause = None;
            rules.timeout = rules.timeout.map(|limit| limit.saturating_sub(ending.wall));
        };
        let lifted_pages = self.engine.lifted_pages();
        let figures =
            self.machine.with_kernel(|kernel| Figures::of(kernel, wall, round_trips, lifted_pages));
        let gpu = self.engine.gpu().map(|gpu| DeviceFigures { host_stops, ..gpu });
        let missed = rules.pause.is_some() && !stopped;
        if missed {
            tell!(
                "ncpu: no snapshot was written: the run ended after {} instructions",
                figures.instructions
            );
        }
        if let Some(path) = &self.options.export {
            export::to_file(&mut self.machine, path)?;
        }
        Ok(Outcome { reason, figures, gpu, stopped, missed })
    }

    /// Writes a snapshot, which appears under its name when it is complete.
    fn save(&mut self, path: &Path) -> anyhow::Result<()> {
        export::write_whole(path, |out| Ok(snapshot::save(&mut self.machine, out)?))
            .with_context(|| format!("cannot write the snapshot {}", path.display()))
    }

    /// The figures, with the hash of the state that the machine is in.
    pub(super) fn report(&mut self, outcome: &Outcome) -> Report {
        let hash = state_hash(&mut self.machine);
        let (program, engine) = (self.program.clone(), self.engine.name());
        let figures = outcome.figures.clone();
        let (gpu, neural) = (outcome.gpu.clone(), self.engine.neural());
        Report::new(program, engine, outcome.end(), figures, (gpu, neural), hash)
    }

    /// Says which system calls were made but are not there.
    pub(super) fn list_missing(&mut self) {
        self.machine.with_kernel(|kernel| {
            for (number, &count) in kernel.header.counters.missing.iter().enumerate() {
                if count != 0 {
                    let name = ncpu_linux::table::name(number as u32).unwrap_or("unknown");
                    let calls = if count == 1 { "call" } else { "calls" };
                    tell!(
                        "ncpu: system call {number} ({name}) is not implemented: {count} {calls} \
                         returned ENOSYS"
                    );
                }
            }
        });
    }
}

impl Outcome {
    pub(super) fn end(&self) -> End {
        match &self.reason {
            Reason::Ended(status) if status & 0x7f == 0 => End::exited((status >> 8) as u8),
            Reason::Ended(wait) => End::signalled((wait & 0x7f) as u8),
            Reason::Paused => End::cut("stopped", 0),
            Reason::Fuel => End::cut("fuel", status::CUT),
            Reason::Timeout => End::cut("timeout", status::CUT),
            Reason::Deadlock => End::cut("deadlock", status::FAILED),
            Reason::BrokenPipe => End::cut("broken-pipe", status::BROKEN_PIPE),
            Reason::Quit => End::cut("quit", status::SIGNAL + 2),
            Reason::Stream(_) => End::cut("stream-error", status::FAILED),
            Reason::Engine(_) => End::cut("engine-error", status::FAILED),
        }
    }

    /// Says why the run ended, if not by itself, and gives the status to end with.
    pub(super) fn tell(self, options: &DriveOptions) -> anyhow::Result<u8> {
        let end = self.end();
        match self.reason {
            Reason::Fuel => tell!(
                "ncpu: stopped: the fuel of {} instructions is used up",
                options.execution.fuel.unwrap_or(0)
            ),
            // The cursor is wherever the guest left it.
            Reason::Quit => tell!("\nncpu: ended by Ctrl-]"),
            Reason::Timeout => tell!("ncpu: stopped: the time limit is over"),
            Reason::Deadlock => {
                bail!("stopped: every task of the machine waits for something that cannot happen")
            }
            Reason::Stream(error) => match Interruption::of(&error) {
                Some(interruption) => interruption.end_process(),
                None => return Err(error).context("standard streams"),
            },
            Reason::Engine(error) => bail!(
                "the engine failed, after {} instructions at the last look: {error}",
                self.figures.instructions
            ),
            Reason::Ended(_) if self.missed => return Ok(status::FAILED),
            _ => {}
        }
        Ok(if self.stopped { 0 } else { end.status })
    }
}
