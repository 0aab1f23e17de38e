//! Comparing: scenarios run by `ncpu run`, their output held against the recording.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use std::{fs, thread};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::Selection;
use super::child::{self, Outcome};
use super::file::{self, Expectation, Scenario};
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
    /// How many scenarios run at once
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    jobs: u32,
    /// The time limit of one run, in seconds of the host's time
    #[arg(long, default_value_t = 300)]
    timeout: u64,
    /// Run each scenario twice and compare instruction counts and state hashes too
    #[arg(long)]
    twice: bool,
    /// Print one line for every scenario, not only for failures
    #[arg(long, short)]
    verbose: bool,
}

/// What `--twice` compares of `ncpu run --report json`.
#[derive(Deserialize, PartialEq, Eq, Debug)]
struct Report {
    instructions: u64,
    state_hash: serde_json::Value,
}

/// One scenario in the queue.
struct Job {
    group: String,
    path: String,
    scenario: Scenario,
    expected: Expectation,
}

/// A way to start `ncpu`.
struct Machine<'a> {
    ncpu: PathBuf,
    rootfs: PathBuf,
    args: &'a Args,
}

/// Runs and compares; `Ok(false)` says that scenarios failed.
pub(super) fn run(args: &Args) -> Result<bool> {
    let jobs = queue(args)?;
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
    let machine = Machine { ncpu, rootfs, args };

    let next = AtomicUsize::new(0);
    let summary: Mutex<BTreeMap<&str, (u32, u32)>> = Mutex::new(BTreeMap::new());
    let failures: Mutex<Vec<&str>> = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..args.jobs {
            scope.spawn(|| {
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (complaints, took) = examine(&machine, job);
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
    for group in file::load_all()? {
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

/// Runs one scenario and says what was not as expected: nothing, if all was.
fn examine(machine: &Machine, job: &Job) -> (String, Duration) {
    let mut complaints = String::new();
    let (outcome, report) = match machine.run(&job.scenario, 0) {
        Ok(result) => result,
        Err(error) => return (format!("{error:#}\n"), Duration::ZERO),
    };
    describe(&mut complaints, job, &outcome);
    if machine.args.twice && complaints.is_empty() {
        match machine.run(&job.scenario, 1) {
            Err(error) => complaints.push_str(&format!("second run: {error:#}\n")),
            Ok((second, second_report)) => {
                describe(&mut complaints, job, &second);
                if report != second_report {
                    complaints.push_str(&format!(
                        "two runs differ:\n  {report:?}\n  {second_report:?}\n"
                    ));
                }
            }
        }
    }
    if let Some(deviation) = job.scenario.deviation.as_ref().filter(|_| !complaints.is_empty()) {
        complaints.push_str(&format!("(it has a known deviation: {})\n", deviation.why));
    }
    (complaints, outcome.took)
}

fn describe(complaints: &mut String, job: &Job, outcome: &Outcome) {
    if outcome.timed_out {
        complaints.push_str(&format!("killed after {:.0?}\n", outcome.took));
    }
    if !outcome.timed_out {
        complaints.push_str(&job.expected.differences(outcome));
    }
}

impl Machine<'_> {
    /// Runs a scenario once; `attempt` tells the report files of two runs apart.
    fn run(&self, scenario: &Scenario, attempt: u32) -> Result<(Outcome, Option<Report>)> {
        let mut command = Command::new(&self.ncpu);
        command.arg("run").arg("--rootfs").arg(&self.rootfs).args(["-w", scenario.workdir()]);
        for (key, value) in scenario.environment() {
            command.args(["-e", &format!("{key}={value}")]);
        }
        for (option, value) in [("--engine", &self.args.engine), ("--alu", &self.args.alu)] {
            if let Some(value) = value {
                command.args([option, value]);
            }
        }
        let report = std::env::temp_dir().join(format!(
            "ncpu-report-{}-{:?}-{attempt}.json",
            std::process::id(),
            thread::current().id()
        ));
        if self.args.twice {
            command.args(["--report", "json", "--report-file"]).arg(&report);
        }
        command.arg("--").args(scenario.argv());
        let limit = Duration::from_secs(self.args.timeout);
        let outcome = child::run(&mut command, scenario.stdin.as_bytes(), limit)?;
        let report = if self.args.twice && !outcome.timed_out {
            let parsed = read_report(&report);
            // A run that failed early leaves none behind.
            _ = fs::remove_file(&report);
            Some(parsed?)
        } else {
            None
        };
        Ok((outcome, report))
    }
}

fn read_report(path: &Path) -> Result<Report> {
    let text = fs::read_to_string(path).context("ncpu wrote no report")?;
    serde_json::from_str(&text).context("ncpu's report is not as expected")
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
