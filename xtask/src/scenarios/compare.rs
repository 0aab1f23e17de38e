//! Comparing: scenarios run by `ncpu run`, their output held against the recording.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::Selection;
use super::child::Outcome;
use super::file::{self, Expectation, Scenario};
use super::machine::Machine;
use super::snapshot;
use crate::guests::Suite;

/// Arguments of `cargo xtask scenarios run`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Only the scenarios that this suite of guests can run [default: what guests/rootfs holds]
    #[arg(long, value_enum)]
    suite: Option<Suite>,
    /// Passed to `ncpu run --engine`
    #[arg(long)]
    engine: Option<String>,
    /// Passed to `ncpu run --alu`
    #[arg(long)]
    alu: Option<String>,
    /// The binary; without it, cargo builds target/release/ncpu
    #[arg(long)]
    ncpu: Option<PathBuf>,
    /// The root file system: whatever `ncpu run --rootfs` takes
    #[arg(long)]
    rootfs: Option<PathBuf>,
    /// The folder of scenario files [default: tests/scenarios]
    #[arg(long)]
    folder: Option<PathBuf>,
    /// How many scenarios run at once
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    jobs: u32,
    /// The time limit of one run, in seconds of the host's time
    #[arg(long, default_value_t = 300)]
    timeout: u64,
    /// Run each scenario twice and compare instruction counts and state hashes too
    #[arg(long)]
    twice: bool,
    /// Run each scenario with this `ncpu run --engine` too, and compare outputs, instruction counts and
    /// state hashes
    #[arg(long, value_name = "ENGINE", group = "others")]
    beside: Option<String>,
    /// Run each scenario with this `ncpu run --alu` too, and compare in the same way
    #[arg(long, value_name = "ALU", group = "others")]
    beside_alu: Option<String>,
    /// Leave scenarios out that take more instructions than this there
    #[arg(long, value_name = "COUNT", requires = "others")]
    up_to: Option<u64>,
    /// Only so many scenarios, evenly spread over those that are selected
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    sample: Option<u32>,
    /// Run each scenario again with a snapshot taken in its middle, and go on from the snapshot
    #[arg(long)]
    snapshots: bool,
    /// Print one line for every scenario, not only for failures
    #[arg(long, short)]
    verbose: bool,
}

/// One scenario in the queue.
struct Job {
    group: String,
    path: String,
    scenario: Scenario,
    expected: Expectation,
}

/// Runs and compares; `Ok(false)` says that scenarios failed.
pub(super) fn run(args: &Args) -> Result<bool> {
    let mut jobs = queue(args)?;
    if let Some(count) = args.sample {
        jobs = sample(jobs, count as usize);
    }
    ensure!(!jobs.is_empty(), "no scenario matches");
    let ncpu = match &args.ncpu {
        Some(path) => path.clone(),
        None => build_ncpu()?,
    };
    ensure!(ncpu.exists(), "{} does not exist", ncpu.display());
    let rootfs = match &args.rootfs {
        Some(path) => path.clone(),
        None => crate::root().join("guests/rootfs"),
    };
    let machine = Machine {
        ncpu,
        rootfs,
        engine: args.engine.clone(),
        alu: args.alu.clone(),
        limit: Duration::from_secs(args.timeout),
    };

    let next = AtomicUsize::new(0);
    let summary: Mutex<BTreeMap<&str, (u32, u32)>> = Mutex::new(BTreeMap::new());
    let failures: Mutex<Vec<&str>> = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..args.jobs {
            scope.spawn(|| {
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let Some((complaints, took)) = examine(args, &machine, job) else {
                        continue;
                    };
                    // One lock around the printing keeps a scenario's lines together.
                    let mut summary = summary.lock().expect("no thread panics with the lock");
                    let counts = summary.entry(&job.group).or_default();
                    if complaints.is_empty() {
                        counts.0 += 1;
                        if args.verbose {
                            println!("ok      {} {took:.2?}", job.path);
                        }
                    } else {
                        counts.1 += 1;
                        failures.lock().expect("as above").push(&job.path);
                        println!("FAILED  {}\n{}", job.path, complaints.trim_end());
                    }
                }
            });
        }
    });

    let summary = summary.into_inner().expect("the threads have ended");
    let (mut passed, mut failed) = (0, 0);
    for (group, (good, bad)) in &summary {
        println!("{group:14} {good:4} passed {bad:4} failed");
        passed += good;
        failed += bad;
    }
    let mut failures = failures.into_inner().expect("the threads have ended");
    failures.sort_unstable();
    for path in failures {
        println!("failed: {path}");
    }
    println!("{passed} passed, {failed} failed");
    Ok(failed == 0)
}

/// Every recorded scenario that is selected and that the guests here can run.
fn queue(args: &Args) -> Result<Vec<Job>> {
    let guests = crate::root().join("guests");
    let held = crate::guests::installed_suite(&guests);
    ensure!(
        args.rootfs.is_some() || held.is_some(),
        "guests/rootfs is missing or incomplete; run `cargo xtask guests` first"
    );
    let mut jobs = Vec::new();
    for group in file::load_all(args.folder.as_deref())? {
        if args.suite.is_some_and(|suite| group.suite > suite) {
            continue;
        }
        if args.rootfs.is_none() && held.is_some_and(|held| group.suite > held) {
            println!("skipping {}: needs `cargo xtask guests --suite full`", group.name);
            continue;
        }
        for scenario in &group.scenarios {
            let path = group.path(scenario);
            if !args.selection.admits(&path) {
                continue;
            }
            let expected = scenario.expected().with_context(|| {
                format!("{path} has no recording; run `cargo xtask scenarios record {path}`")
            })?;
            let (group, scenario) = (group.name.clone(), scenario.clone());
            jobs.push(Job { group, path, scenario, expected });
        }
    }
    Ok(jobs)
}

/// At most `count` of them, one from each of as many shares.
fn sample<T>(all: Vec<T>, count: usize) -> Vec<T> {
    let (length, count) = (all.len(), count.min(all.len()));
    let mut shares = (0..count).map(|share| share * length / count).peekable();
    let numbered = all.into_iter().enumerate();
    numbered.filter_map(|(n, one)| shares.next_if_eq(&n).map(|_| one)).collect()
}

/// Runs one scenario and says what was not as expected: nothing, if all was. `None` says that it takes
/// too long.
fn examine(args: &Args, machine: &Machine, job: &Job) -> Option<(String, Duration)> {
    let failed = |error| Some((format!("{error:#}\n"), Duration::ZERO));
    let beside = args.beside.clone().or(args.beside_alu.clone());
    let other = match beside {
        None => None,
        Some(name) => {
            let mut other = machine.clone();
            match &args.beside_alu {
                Some(alu) => other.alu = Some(alu.clone()),
                None => other.engine = Some(name.clone()),
            }
            // One more shows that there are too many.
            let fuel = args.up_to.map(|most| OsString::from((most + 1).to_string()));
            let cut = fuel.iter().flat_map(|fuel| [OsStr::new("--fuel"), fuel]);
            match other.run(&job.scenario, &cut.collect::<Vec<_>>()) {
                Ok(run) => Some((format!("on {name}"), run)),
                Err(error) => return failed(error.context(format!("on {name}"))),
            }
        }
    };
    let instructions = other.as_ref().and_then(|(_, run)| Some(run.report.as_ref()?.instructions));
    if args.up_to.is_some_and(|most| instructions > Some(most)) {
        return None;
    }
    let mut complaints = String::new();
    let first = match machine.run(&job.scenario, &[]) {
        Ok(result) => result,
        Err(error) => return failed(error),
    };
    describe(&mut complaints, job, &first.outcome);
    if let Some((name, other)) = &other
        && complaints.is_empty()
    {
        first.compare(other, name, &mut complaints);
    }
    if args.twice && complaints.is_empty() {
        match machine.run(&job.scenario, &[]) {
            Err(error) => complaints.push_str(&format!("second run: {error:#}\n")),
            Ok(second) => first.compare(&second, "second run", &mut complaints),
        }
    }
    if args.snapshots
        && complaints.is_empty()
        && let Err(error) = snapshot::examine(machine, &job.scenario, &first, &mut complaints)
    {
        complaints.push_str(&format!("with a snapshot: {error:#}\n"));
    }
    if let Some(deviation) = job.scenario.deviation.as_ref().filter(|_| !complaints.is_empty()) {
        complaints.push_str(&format!("(it has a known deviation: {})\n", deviation.why));
    }
    Some((complaints, first.outcome.took))
}

fn describe(complaints: &mut String, job: &Job, outcome: &Outcome) {
    if outcome.timed_out {
        complaints.push_str(&format!("killed after {:.0?}\n", outcome.took));
    }
    if !outcome.timed_out {
        complaints.push_str(&job.expected.differences(outcome));
    }
}

/// Builds the binary the way a user would.
fn build_ncpu() -> Result<PathBuf> {
    let root = crate::root();
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--release", "--package", "ncpu"])
        .current_dir(&root)
        .status()
        .context("cannot start cargo")?;
    ensure!(status.success(), "ncpu did not build");
    let target = match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root.join(folder),
        None => root.join("target"),
    };
    Ok(target.join("release/ncpu"))
}

#[cfg(test)]
mod tests {
    use super::sample;

    #[test]
    fn a_sample_is_spread_evenly() {
        assert_eq!(sample((0..10).collect(), 4), [0, 2, 5, 7]);
        assert_eq!(sample((0..3).collect(), 9), [0, 1, 2]);
    }
}
