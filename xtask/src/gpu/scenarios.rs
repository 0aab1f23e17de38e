//! Real programs, one machine on one lane each, beside the CPU engine and what they did under qemu.

use super::{Check, Section};
use crate::guests::Suite;
use crate::scenarios::file;
use anyhow::{Context, Result};
use std::process::Command;

/// Scenarios of more instructions are left out, for a lane executes some millions a second.
const MOST: u64 = 4_000_000;
/// Scenarios that are run whatever they take.
const ALWAYS: &[&str] = &["python-core/strings"];
/// The least number that counts.
const LEAST: u32 = 100;

pub(super) fn run(check: &Check, section: &mut Section) -> Result<()> {
    section.line("## Real programs on one lane\n");
    section.line(format!(
        "`xtask scenarios run --engine {} --beside cpu`: output and status have to be those recorded \
         under qemu; output, instruction count and state hash those of the CPU engine. Scenarios of \
         up to {MOST} instructions, and {}.\n",
        check.engine,
        ALWAYS.join(", "),
    ));
    section.line("| group | passed | failed |\n|---|---|---|");
    let most = check.pick(MOST, 300_000).to_string();
    // Each group by itself: what is cut later has shown what it did.
    let groups = file::load_all(Some(&check.scenario_files))?;
    let (mut passed, mut failed) = (0, 0);
    for group in groups.iter().filter(|group| group.suite == Suite::Smoke) {
        let filter = format!("{}/", group.name);
        let (more, bad) = scenarios(check, section, &[&filter, "--up-to", &most])?;
        (passed, failed) = (passed + more, failed + bad);
    }
    if !check.small {
        let (more, bad) = scenarios(check, section, ALWAYS)?;
        (passed, failed) = (passed + more, failed + bad);
    }
    section.line(format!("\n{passed} passed, {failed} failed."));
    if failed > 0 {
        section.fail(format!("{failed} scenarios failed"));
    }
    if passed < LEAST && !check.small {
        section.fail(format!("{passed} scenarios are fewer than {LEAST}"));
    }
    Ok(())
}

/// Runs scenarios; how many passed and failed.
fn scenarios(check: &Check, section: &mut Section, arguments: &[&str]) -> Result<(u32, u32)> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["scenarios", "run", "--suite", "smoke", "--beside", "cpu", "--jobs", "8"]);
    command.args(["--engine", &check.engine, "--timeout", "120"]).args(arguments);
    command.arg("--ncpu").arg(&check.ncpu).arg("--rootfs").arg(&check.rootfs);
    command.arg("--folder").arg(&check.scenario_files);
    let outcome = check.command(&mut command, 240)?;
    let stdout = String::from_utf8_lossy(&outcome.stdout);
    let mut counts = None;
    for line in stdout.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [group, passed, "passed", failed, "failed"] => {
                section.line(format!("| {group} | {passed} | {failed} |"));
            }
            [passed, "passed,", failed, "failed"] => {
                counts = Some((passed.parse()?, failed.parse()?));
            }
            _ => {}
        }
    }
    let counts = counts.with_context(|| {
        format!("{stdout}\n{}", String::from_utf8_lossy(&outcome.stderr).trim_end())
    })?;
    if counts.1 > 0 {
        section.fail(stdout.into_owned());
    }
    Ok(counts)
}
