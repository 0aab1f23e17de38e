//! `xtask gpu-check`: everything that has to be shown on a machine with an NVIDIA GPU.
//!
//! Such a machine has a driver and nothing else of ours: no compiler, no root file system, no network.
//! [`pack`] puts what is needed into one folder, and the check runs from there. Each suite is a file:
//!
//! - [`instructions`] the cases of every decode row on lanes, by `differential`
//! - [`scenarios`]    real programs, one lane each, beside the CPU engine
//! - [`lanes`]        real programs on thousands of lanes, each with another input, beside the CPU engine
//! - [`round_trips`]  what a shell pipeline on ten thousand lanes asks of the host
//! - [`speed`]        programs for many machines beside qemu, packets, forks, start-up
//! - [`curve`]        speed from one lane to the most that fit, with a picture
//! - [`inputs`]       what is said to bad input
//!
//! They drive `ncpu` as a user would ([`batch`]), and each returns a section of the report, which is
//! written anew after every suite: a run that is cut off leaves what it had.

mod batch;
mod chart;
mod curve;
mod inputs;
mod instructions;
mod lanes;
mod neural;
pub(crate) mod pack;
mod round_trips;
mod scenarios;
mod speed;

use crate::bench::processor;
use crate::scenarios::child::{self, Input, Outcome};
use anyhow::{Context as _, Result, ensure};
use clap::{Args as ClapArgs, ValueEnum};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};
use tempfile::TempDir;

/// Options of `xtask gpu-check`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// The folder that gpu-pack made [default: the one that this program is in]
    #[arg(long)]
    folder: Option<PathBuf>,
    /// The ncpu to check [default: that of the folder]
    #[arg(long)]
    ncpu: Option<PathBuf>,
    /// The program that compares instructions [default: that of the folder]
    #[arg(long)]
    differential: Option<PathBuf>,
    /// The peer, qemu-aarch64-static [default: that of the folder]
    #[arg(long)]
    qemu: Option<PathBuf>,
    /// Programs for many machines, as in target/batch [default: those of the folder]
    #[arg(long)]
    programs: Option<PathBuf>,
    /// Root file system of the real programs [default: that of the folder]
    #[arg(long)]
    rootfs: Option<PathBuf>,
    /// Write the report to this file, and what belongs to it beside it
    #[arg(long, default_value = "docs/measurements/gpu.md")]
    out: PathBuf,
    /// Only this suite; may be given again
    #[arg(long, value_enum)]
    only: Vec<Suite>,
    /// Passed to `ncpu --engine`
    #[arg(long, default_value = "gpu")]
    engine: String,
    /// Few lanes and little work, to try the check itself
    #[arg(long)]
    small: bool,
}

/// A part of the check.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Suite {
    Instructions,
    Inputs,
    RoundTrips,
    Lanes,
    Speed,
    Curve,
    Scenarios,
    Neural,
}

impl Suite {
    fn run(self, check: &Check, section: &mut Section) -> Result<()> {
        match self {
            Suite::Instructions => instructions::run(check, section),
            Suite::Inputs => inputs::run(check, section),
            Suite::RoundTrips => round_trips::run(check, section),
            Suite::Lanes => lanes::run(check, section),
            Suite::Speed => speed::run(check, section),
            Suite::Curve => curve::run(check, section),
            Suite::Scenarios => scenarios::run(check, section),
            Suite::Neural => neural::run(check, section),
        }
    }
}

/// A part of the report.
#[derive(Default)]
struct Section {
    text: String,
    /// Said beside the verdict.
    note: String,
    /// What is wrong; nothing, if the suite passed.
    failures: Vec<String>,
}

impl Section {
    /// Adds a line, and says it at once: a run that is cut off inside a suite has said what it had.
    fn line(&mut self, line: impl AsRef<str>) {
        eprintln!("{}", line.as_ref());
        self.text.push_str(line.as_ref());
        self.text.push('\n');
    }

    fn fail(&mut self, what: impl Into<String>) {
        self.failures.push(what.into());
    }
}

/// Where everything is.
struct Check {
    ncpu: PathBuf,
    differential: PathBuf,
    forking: PathBuf,
    opening: PathBuf,
    neural: PathBuf,
    weights: PathBuf,
    qemu: PathBuf,
    programs: PathBuf,
    rootfs: PathBuf,
    scenario_files: PathBuf,
    /// Pictures and tables go beside the report.
    out: PathBuf,
    engine: String,
    small: bool,
    /// For inputs and results.
    scratch: TempDir,
}

impl Check {
    fn new(args: &Args) -> Result<Check> {
        let folder = match &args.folder {
            Some(folder) => folder.clone(),
            None => {
                std::env::current_exe()?.parent().context("this program is in no folder")?.into()
            }
        };
        let found = |given: &Option<PathBuf>, name: &str| {
            given.clone().unwrap_or_else(|| folder.join(name))
        };
        let check = Check {
            ncpu: found(&args.ncpu, "ncpu"),
            differential: found(&args.differential, "differential"),
            forking: folder.join("forking"),
            opening: folder.join("opening"),
            neural: folder.join("neural"),
            weights: folder.join("models/alu"),
            qemu: found(&args.qemu, "qemu-aarch64-static"),
            programs: found(&args.programs, "batch"),
            rootfs: found(&args.rootfs, pack::ROOTFS),
            scenario_files: folder.join("scenarios"),
            out: args.out.clone(),
            engine: args.engine.clone(),
            small: args.small,
            scratch: TempDir::new()?,
        };
        ensure!(
            check.ncpu.exists(),
            "{} is missing: cargo xtask gpu-pack makes the folder that this runs from",
            check.ncpu.display()
        );
        Ok(check)
    }

    /// The number for a real check, or the one for a try.
    fn pick<T>(&self, real: T, small: T) -> T {
        if self.small { small } else { real }
    }

    /// Runs a command to its end, which has to come within so many seconds.
    fn command(&self, command: &mut Command, seconds: u64) -> Result<Outcome> {
        let outcome = child::run(command, Input::Bytes(&[]), Duration::from_secs(seconds))?;
        let name = command.get_program().to_string_lossy().into_owned();
        ensure!(!outcome.timed_out, "{name}: not done after {seconds} s");
        Ok(outcome)
    }
}

/// Runs the suites and writes the report; false if one failed.
pub(crate) fn run(args: &Args) -> Result<bool> {
    let check = Check::new(args)?;
    let head = head(&check)?;
    let suites: Vec<Suite> = match args.only.is_empty() {
        true => Suite::value_variants().to_vec(),
        false => args.only.clone(),
    };
    if let Some(folder) = args.out.parent() {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    let (mut verdicts, mut sections) = (String::new(), String::new());
    let mut all_passed = true;
    for suite in suites {
        let name = suite.to_possible_value().map(|value| value.get_name().to_owned());
        let name = name.unwrap_or_default();
        eprintln!("== {name}");
        let start = Instant::now();
        let mut section = Section::default();
        if let Err(error) = suite.run(&check, &mut section) {
            section.fail(format!("{error:#}"));
        }
        let seconds = start.elapsed().as_secs_f64();
        let verdict = if section.failures.is_empty() { "PASS" } else { "FAIL" };
        all_passed &= section.failures.is_empty();
        eprintln!("== {name}: {verdict}{}, {seconds:.1} s", section.note);
        writeln!(verdicts, "| {name} | {verdict}{} | {seconds:.1} |", section.note)?;
        write!(sections, "\n{}", section.text)?;
        for failure in &section.failures {
            eprintln!("{failure}");
            writeln!(sections, "\nFAIL: {failure}")?;
        }
        let text =
            format!("{head}| suite | result | seconds |\n|---|---|---|\n{verdicts}{sections}");
        std::fs::write(&args.out, &text).with_context(|| args.out.display().to_string())?;
    }
    print!("{}", std::fs::read_to_string(&args.out)?);
    Ok(all_passed)
}

/// Title, machine, time and command.
fn head(check: &Check) -> Result<String> {
    // Where files are on this machine is no one else's business.
    let shown = |argument: String| match Path::new(&argument).file_name() {
        Some(name) if argument.starts_with('/') => name.to_string_lossy().into_owned(),
        _ => argument,
    };
    let arguments: Vec<String> = std::env::args().skip(1).map(shown).collect();
    let card = Command::new("nvidia-smi")
        .args(["--query-gpu=name,driver_version,memory.total,clocks.max.sm"])
        .arg("--format=csv,noheader")
        .output();
    let card = match card {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).trim().replace('\n', "; ")
        }
        _ => "unknown (nvidia-smi does not run)".to_owned(),
    };
    let version = check.command(Command::new(&check.ncpu).arg("--version"), 10)?;
    Ok(format!(
        "# On a GPU\n\nCommand: `xtask {}`, engine `{}`, {}, {}.\n\
         GPU: {card}. Processor: {}, {} threads.\n\n",
        arguments.join(" "),
        check.engine,
        String::from_utf8_lossy(&version.stdout).trim(),
        humantime::format_rfc3339_seconds(SystemTime::now()),
        processor(),
        std::thread::available_parallelism()?,
    ))
}

/// The file's name beside the report.
fn beside(out: &Path, suffix: &str) -> PathBuf {
    let stem = out.file_stem().unwrap_or_default().to_string_lossy();
    out.with_file_name(format!("{stem}{suffix}"))
}
