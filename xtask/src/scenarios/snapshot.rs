//! A scenario again, with a snapshot from its middle.
//!
//! Three more runs: one that takes a snapshot and goes on, one that takes it and ends there, and one
//! that goes on from it. All have to tell the same story as the first.

use std::ffi::OsStr;
use std::fs::{self, File};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use super::file::Scenario;
use super::machine::{Machine, Run};

/// Runs a scenario whose first, undisturbed run is known, and says what differs.
pub(super) fn examine(
    machine: &Machine,
    scenario: &Scenario,
    first: &Run,
    complaints: &mut String,
) -> Result<()> {
    let instructions = first.report.as_ref().context("there is no report")?.instructions;
    let middle = (instructions / 2).to_string();
    let folder = TempDir::new()?;
    let [path, again, stdin] = ["snapshot", "again", "stdin"].map(|name| folder.path().join(name));
    fs::write(&stdin, &scenario.stdin)?;

    let [at, to, stop] = ["--snapshot-at", "--snapshot", "--stop"].map(OsStr::new);
    let options = [at, OsStr::new(&middle), to];
    let whole = machine.run(scenario, &[&options[..], &[path.as_ref()]].concat())?;
    first.compare(&whole, "run with a snapshot", complaints);

    let front = machine.run(scenario, &[&options[..], &[again.as_ref(), stop]].concat())?;
    ensure!(fs::read(&path)? == fs::read(&again)?, "two snapshots at instruction {middle} differ");
    let reached = front.report.as_ref().map(|report| report.instructions.to_string());
    ensure!(reached.as_ref() == Some(&middle), "it was taken at {reached:?}, not {middle}");

    let mut rest = machine.resume(&again, File::open(&stdin)?)?;
    rest.outcome.stdout.splice(0..0, front.outcome.stdout);
    rest.outcome.stderr.splice(0..0, front.outcome.stderr);
    first.compare(&rest, "run from the snapshot", complaints);
    Ok(())
}
