//! A scenario as a command line of `ncpu`.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;
use tempfile::TempDir;

use super::child::{self, Input, Outcome};
use super::file::Scenario;

/// The report's name in the folder of a run.
const REPORT: &str = "report.json";

/// A way to start `ncpu`.
#[derive(Clone)]
pub(super) struct Machine {
    pub(super) ncpu: PathBuf,
    pub(super) rootfs: PathBuf,
    pub(super) engine: Option<String>,
    pub(super) alu: Option<String>,
    /// The time limit of one run.
    pub(super) limit: Duration,
}

/// What of `ncpu run --report json` has to be the same in every run.
#[derive(Deserialize, PartialEq, Eq, Debug)]
pub(super) struct Report {
    pub(super) instructions: u64,
    state_hash: serde_json::Value,
}

/// One run: what it printed, and its report unless it was killed.
pub(super) struct Run {
    pub(super) outcome: Outcome,
    pub(super) report: Option<Report>,
}

impl Run {
    /// Says what of `other` differs from this run, under its name.
    pub(super) fn compare(&self, other: &Run, name: &str, complaints: &mut String) {
        let (a, b) = (&self.outcome, &other.outcome);
        for (stream, a, b) in [("stdout", &a.stdout, &b.stdout), ("stderr", &a.stderr, &b.stderr)] {
            if a != b {
                complaints.push_str(&difference(name, stream, a, b));
            }
        }
        if (a.exit, a.timed_out) != (b.exit, b.timed_out) {
            complaints.push_str(&format!("{name}: exit {}, not {}\n", b.exit, a.exit));
        }
        if self.report != other.report {
            complaints.push_str(&format!("{name}: {:?}, not {:?}\n", other.report, self.report));
        }
    }
}

/// Says where two outputs part.
fn difference(name: &str, stream: &str, expected: &[u8], actual: &[u8]) -> String {
    let same = expected.iter().zip(actual).take_while(|(a, b)| a == b).count();
    format!(
        "{name}: {stream} differs at byte {same} of {}; {} bytes came\n",
        expected.len(),
        actual.len()
    )
}

impl Machine {
    /// Runs a scenario from its start, with more options for `ncpu run`.
    pub(super) fn run(&self, scenario: &Scenario, options: &[&OsStr]) -> Result<Run> {
        let folder = TempDir::new()?;
        let mut command = self.command("run", &folder);
        command.args(["-w", scenario.workdir()]).args(options);
        for (key, value) in scenario.environment() {
            command.args(["-e", &format!("{key}={value}")]);
        }
        command.arg("--").args(scenario.argv());
        self.finish(command, Input::Bytes(scenario.stdin.as_bytes()), &folder)
    }

    /// Goes on from a snapshot; `stdin` is the whole input of the run that it was taken in.
    pub(super) fn resume(&self, snapshot: &Path, stdin: File) -> Result<Run> {
        let folder = TempDir::new()?;
        let mut command = self.command("resume", &folder);
        command.arg(snapshot);
        self.finish(command, Input::File(stdin), &folder)
    }

    /// The beginning of a command line that writes a report into `folder`.
    fn command(&self, verb: &str, folder: &TempDir) -> Command {
        let mut command = Command::new(&self.ncpu);
        command.arg(verb).arg("--rootfs").arg(&self.rootfs);
        for (option, value) in [("--engine", &self.engine), ("--alu", &self.alu)] {
            if let Some(value) = value {
                command.args([option, value]);
            }
        }
        if self.alu.is_some() {
            command.arg("--weights").arg(crate::root().join("models/alu"));
        }
        command.args(["--report", "json", "--report-file"]).arg(folder.path().join(REPORT));
        command
    }

    fn finish(&self, mut command: Command, input: Input<'_>, folder: &TempDir) -> Result<Run> {
        let outcome = child::run(&mut command, input, self.limit)?;
        let report = if outcome.timed_out {
            None
        } else {
            Some(read_report(&folder.path().join(REPORT)).with_context(|| {
                format!("ncpu said: {}", String::from_utf8_lossy(&outcome.stderr).trim_end())
            })?)
        };
        Ok(Run { outcome, report })
    }
}

fn read_report(path: &Path) -> Result<Report> {
    let text = fs::read_to_string(path).context("ncpu wrote no report")?;
    serde_json::from_str(&text).context("ncpu's report is not as expected")
}
