//! Counts of a batch, its report, and the progress bar.

use crate::report::{self, NeuralFigures, line, tell};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ncpu_engine::batch::{BatchEngine, DeviceFigures, Finished, Outcome};
use serde::Serialize;
use std::fmt;
use std::io::{self, IsTerminal};
use std::time::Duration;

/// Version of the report's form; fields that are added do not change it.
const SCHEMA: u32 = 1;

/// What reports and rows call the ends of a machine.
pub(super) fn ended(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Exited(_) => "exited",
        Outcome::Signalled(_) => "signalled",
        Outcome::Fuel => "fuel",
        Outcome::Timeout => "timeout",
        Outcome::Deadlock => "deadlock",
        Outcome::Failed(_) => "failed",
    }
}

/// How many machines ended in which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Tally {
    exited: u64,
    signalled: u64,
    fuel: u64,
    timeout: u64,
    deadlock: u64,
    pub(super) failed: u64,
    #[serde(skip)]
    instructions: u64,
}

impl Tally {
    /// Counts one more.
    pub(super) fn add(&mut self, finished: &Finished) {
        self.instructions += finished.instructions;
        self.count(ended(&finished.outcome));
    }

    /// Counts one more that ended as a row says; whether that is a way to end.
    pub(super) fn count(&mut self, ended: &str) -> bool {
        let field = match ended {
            "exited" => &mut self.exited,
            "signalled" => &mut self.signalled,
            "fuel" => &mut self.fuel,
            "timeout" => &mut self.timeout,
            "deadlock" => &mut self.deadlock,
            "failed" => &mut self.failed,
            _ => return false,
        };
        *field += 1;
        true
    }

    fn ways(&self) -> [(&'static str, u64); 6] {
        [
            ("exited", self.exited),
            ("signalled", self.signalled),
            ("out of fuel", self.fuel),
            ("out of time", self.timeout),
            ("deadlocked", self.deadlock),
            ("failed", self.failed),
        ]
    }

    /// All machines.
    pub(super) fn all(&self) -> u64 {
        self.ways().iter().map(|(_, count)| count).sum()
    }

    /// Those that did not come to an end of their own.
    pub(super) fn cut(&self) -> u64 {
        self.fuel + self.timeout + self.deadlock
    }

    /// These and others.
    pub(super) fn and(&self, other: &Tally) -> Tally {
        Tally {
            exited: self.exited + other.exited,
            signalled: self.signalled + other.signalled,
            fuel: self.fuel + other.fuel,
            timeout: self.timeout + other.timeout,
            deadlock: self.deadlock + other.deadlock,
            failed: self.failed + other.failed,
            instructions: self.instructions + other.instructions,
        }
    }
}

/// The report on a batch. Its fields are described in `docs/report.md`.
#[derive(Clone, Debug, Serialize)]
pub(super) struct BatchReport {
    schema: u32,
    engine: &'static str,
    alu: &'static str,
    lanes: usize,
    program: Vec<String>,
    machines: u64,
    ended: Tally,
    earlier: u64,
    stopped: bool,
    instructions: u64,
    wall_seconds: f64,
    process_seconds: f64,
    machines_per_second: f64,
    instructions_per_second: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    gpu: Option<DeviceFigures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    neural: Option<NeuralFigures>,
}

impl BatchReport {
    pub(super) fn new(
        (engine, neural): (&dyn BatchEngine, Option<NeuralFigures>),
        program: Vec<String>,
        tally: &Tally,
        (earlier, stopped): (u64, bool),
        wall: Duration,
    ) -> BatchReport {
        let wall_seconds = wall.as_secs_f64();
        let a_second = |count: u64| count as f64 / wall_seconds.max(1e-9);
        BatchReport {
            schema: SCHEMA,
            engine: engine.name(),
            alu: if neural.is_some() { "neural" } else { "native" },
            lanes: engine.lanes(),
            program,
            machines: tally.all(),
            ended: *tally,
            earlier,
            stopped,
            instructions: tally.instructions,
            wall_seconds,
            process_seconds: report::process_seconds(),
            machines_per_second: a_second(tally.all()),
            instructions_per_second: a_second(tally.instructions),
            gpu: engine.device(),
            neural,
        }
    }

    /// One line that says it all.
    pub(super) fn summary(&self) -> String {
        let ways = self.ended.ways().into_iter().filter(|&(_, count)| count != 0);
        let ways: Vec<_> = ways.map(|(way, count)| format!("{count} {way}")).collect();
        let none = if self.stopped { "none has ended" } else { "nothing to do" };
        let earlier = match self.earlier {
            0 => String::new(),
            earlier => format!(", besides {earlier} before"),
        };
        format!(
            "ncpu: {}{} machines in {:.3} s{earlier}: {}; {} instructions, {} MIPS",
            if self.stopped { "stopped after " } else { "" },
            self.machines,
            self.wall_seconds,
            if ways.is_empty() { none.to_owned() } else { ways.join(", ") },
            self.instructions,
            (self.instructions_per_second / 1e6).round(),
        )
    }
}

impl fmt::Display for BatchReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        line(f, "program", &self.program.join(" "))?;
        line(f, "engine", &format_args!("{}, {} lanes", self.engine, self.lanes))?;
        line(f, "alu", &self.alu)?;
        line(f, "machines", &self.machines)?;
        for (way, count) in self.ended.ways() {
            line(f, &format!("  {way}"), &count)?;
        }
        line(f, "earlier machines", &self.earlier)?;
        line(f, "instructions", &self.instructions)?;
        line(f, "wall time", &format_args!("{:.3} s", self.wall_seconds))?;
        line(f, "machines a second", &format_args!("{:.1}", self.machines_per_second))?;
        line(f, "speed", &format_args!("{:.1} MIPS", self.instructions_per_second / 1e6))?;
        if let Some(figures) = &self.gpu {
            report::device(f, figures)?;
        }
        if let Some(neural) = &self.neural {
            neural.fmt(f)?;
        }
        Ok(())
    }
}

/// The progress bar, if there is a terminal that has nothing else to show.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// Progress towards so many machines.
    pub(super) fn new(count: Option<u64>, results_elsewhere: bool) -> Progress {
        let visible =
            io::stderr().is_terminal() && (results_elsewhere || !io::stdout().is_terminal());
        let target =
            if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let (bar, form) = match count {
            Some(count) => (
                ProgressBar::with_draw_target(Some(count), target),
                "{wide_bar} {pos}/{len} machines, {per_sec}, {msg}, {eta} left",
            ),
            None => (
                ProgressBar::with_draw_target(None, target),
                "{spinner} {pos} machines in {elapsed}, {per_sec}, {msg}",
            ),
        };
        // A form that is wrong leaves the default one.
        if let Ok(style) = ProgressStyle::with_template(form) {
            bar.set_style(style);
        }
        Progress(bar)
    }

    /// One more machine has ended.
    pub(super) fn advance(&self, tally: &Tally) {
        if self.0.is_hidden() {
            return;
        }
        self.0.inc(1);
        let seconds = self.0.elapsed().as_secs_f64().max(1e-9);
        self.0.set_message(format!("{:.0} MIPS", tally.instructions as f64 / 1e6 / seconds));
    }

    /// Writes a line above the bar.
    pub(super) fn tell(&self, line: &str) {
        self.0.suspend(|| tell!("{line}"));
    }

    /// Removes the bar.
    pub(super) fn end(self) {
        self.0.finish_and_clear();
    }
}
