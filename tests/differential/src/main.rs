//! Compares every instruction form with qemu-aarch64.
//!
//! For each row of the decode tables, cases are generated: instruction words with random fields
//! that the [`rules`] make meaningful, and registers and memory of corner-case [`operands`]. A batch
//! of them is executed by a small program under [`qemu`] and by a [`machine`], and everything that
//! a program could see is [compared](compare). Differences that are [`known`] are counted; any
//! other one fails its row.
//!
//! With `--engine`, that program runs on the [`lanes`] of a GPU and on the CPU engine, which have to
//! [agree](parity) in everything.

mod case;
mod compare;
mod known;
mod lanes;
mod layout;
mod machine;
mod operands;
mod parity;
mod qemu;
mod report;
mod rules;
mod soft;
mod unannounced;

use anyhow::{Context, Result, ensure};
use case::Case;
use clap::{Parser, ValueEnum};
use compare::Seen;
use lanes::Guest;
use layout::BATCH;
use machine::{Arithmetic, Machine, Mode};
use ncpu_a64::{ROWS, Row};
use ncpu_cuda::Device;
use ncpu_gpu::Emulation;
use ncpu_neural::Weights;
use operands::Rng;
use parity::Plan;
use qemu::{DATA_BYTES, Qemu, Tools};
use report::RowResult;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Compares every instruction form of the machine with qemu-aarch64.
#[derive(Parser)]
#[command(name = "differential")]
struct Options {
    /// Cases for each row of the decode tables
    #[arg(long, value_name = "N", default_value_t = 200)]
    cases: u64,
    /// Only rows whose name matches; `*` stands for anything
    #[arg(long, value_name = "GLOB", default_value = "*")]
    row: String,
    /// Seed of fields and operands
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What computes: the host's arithmetic, the same with floating point by integer algorithms alone, or
    /// trained networks
    #[arg(long, value_enum, default_value_t = AluChoice::Native)]
    alu: AluChoice,
    /// Folder with the weights of --alu neural
    #[arg(long, value_name = "DIR", default_value = "models/alu")]
    weights: PathBuf,
    /// Compare a GPU's lanes, or their emulation, with the CPU engine instead
    #[arg(long, value_enum, conflicts_with_all = ["alu", "observed"])]
    engine: Option<EngineChoice>,
    /// Machines at a time, with --engine
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..))]
    lanes: u32,
    /// The emulator [default: qemu-aarch64 or qemu-aarch64-static on PATH]
    #[arg(long, value_name = "FILE")]
    qemu: Option<PathBuf>,
    /// With --engine, do not compare with qemu as well
    #[arg(long, requires = "engine", conflicts_with = "qemu")]
    no_qemu: bool,
    /// Print a line for each row
    #[arg(long)]
    rows: bool,
    /// Run with an observer, which executes fused micro-ops one by one
    #[arg(long)]
    observed: bool,
    /// Also so many words chosen at random, most of them unallocated
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    random: u64,
    /// Threads
    #[arg(long, value_name = "N", default_value_t = 2)]
    jobs: usize,
    /// Also write the result to this file, as Markdown
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum AluChoice {
    Native,
    Soft,
    Neural,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum EngineChoice {
    /// Lanes on the host's processor
    Lanes,
    /// The first NVIDIA GPU
    Gpu,
}

/// What cases are made from.
#[derive(Clone, Copy)]
enum Source {
    Row(&'static Row),
    Random,
}

impl Source {
    fn name(self) -> &'static str {
        match self {
            Source::Row(row) => row.name,
            Source::Random => "random words",
        }
    }

    /// The processor model that qemu is given.
    fn model(self) -> &'static str {
        if self.name() == "DC_ZVA" { qemu::SMALL_BLOCKS } else { qemu::MAX }
    }

    fn case(self, index: usize, rng: &mut Rng) -> Case {
        match self {
            Source::Row(row) => rules::case(row, index, rng),
            Source::Random => rules::random_word(index, rng),
        }
    }
}

/// What the data area holds at first.
fn data_area() -> Box<[u8; DATA_BYTES]> {
    let mut rng = Rng::new("data area", 0);
    let mut data = Box::new([0; DATA_BYTES]);
    data.fill_with(|| rng.next() as u8);
    data
}

/// Both sides on one processor model.
struct Pair {
    qemu: Qemu,
    machine: Machine,
}

impl Pair {
    fn new(tools: &Tools, model: &str, mode: Mode) -> Result<Pair> {
        let data = data_area();
        Ok(Pair { qemu: Qemu::start(tools, model, &data)?, machine: Machine::new(&data, mode) })
    }

    /// Runs `count` cases.
    fn compare(&mut self, source: Source, count: u64, seed: u64) -> Result<RowResult> {
        let mut rng = Rng::new(source.name(), seed);
        let mut result = RowResult::of(source.name());
        while result.cases < count {
            let size = (count - result.cases).min(BATCH as u64) as usize;
            let batch: Vec<Case> = (0..size).map(|index| source.case(index, &mut rng)).collect();
            let (theirs, data) = self.qemu.run(&batch).with_context(|| result.name)?;
            self.machine.load(&batch);
            for (before, qemu) in batch.iter().zip(&theirs) {
                let ours = self.machine.execute(before);
                result.cases += 1;
                result.undefined += (ours.signal == 4) as u64;
                result.faults += (qemu.signal != 4 && qemu.signal != 5) as u64;
                if let Some(seen) = Seen::find(result.name, before, &ours, qemu) {
                    result.add(&seen);
                    self.machine.set_window(qemu);
                }
            }
            ensure!(self.machine.data() == data, "{}: a store outside of its window", result.name);
        }
        Ok(result)
    }
}

/// `name` matches `glob`, in which `*` stands for any characters.
fn matches(glob: &str, name: &str) -> bool {
    match glob.split_once('*') {
        None => glob == name,
        Some((head, tail)) => name.strip_prefix(head).is_some_and(|rest| {
            (0..=rest.len()).any(|at| rest.is_char_boundary(at) && matches(tail, &rest[at..]))
        }),
    }
}

/// Compares the interpreter with qemu.
fn against_qemu(
    options: &Options,
    tools: &Tools,
    work: &[(Source, u64)],
) -> Result<Vec<RowResult>> {
    let alu = match options.alu {
        AluChoice::Native => Arithmetic::Native,
        AluChoice::Soft => Arithmetic::Soft,
        // They are needed as long as the program runs.
        AluChoice::Neural => {
            Arithmetic::Neural(Box::leak(Weights::certified(&options.weights)?.cells))
        }
    };
    let mode = Mode { alu, observed: options.observed };
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    let worker = || -> Result<()> {
        let mut pair = Pair::new(tools, qemu::MAX, mode)?;
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(&(source, count)) = work.get(index) else { return Ok(()) };
            let result = match source.model() {
                qemu::MAX => pair.compare(source, count, options.seed)?,
                model => Pair::new(tools, model, mode)?.compare(source, count, options.seed)?,
            };
            results.lock().expect("no worker panics with the lock").push((index, result));
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..options.jobs.max(1)).map(|_| scope.spawn(worker)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("a worker panicked"))
    })?;
    let mut results = results.into_inner().expect("the workers are gone");
    results.sort_by_key(|(index, _)| *index);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

/// Compares lanes with the CPU engine; what they were compared with, and the results.
fn against_cpu(
    options: &Options,
    engine: EngineChoice,
    runner: &Path,
    work: &[(Source, u64)],
) -> Result<(String, Vec<RowResult>)> {
    let tools = match options.no_qemu {
        true => None,
        false => Some(Tools::new(options.qemu.as_deref(), runner)?),
    };
    let plan = Plan {
        work,
        seed: options.seed,
        lanes: options.lanes,
        threads: options.jobs,
        tools: tools.as_ref(),
    };
    let mut guest = Guest::boot(runner)?;
    let (device, rows) = match engine {
        EngineChoice::Lanes => {
            let device = Emulation::default();
            (device.describe(), plan.run(&mut guest, device)?)
        }
        EngineChoice::Gpu => {
            let device = ncpu_gpu::open(ncpu_gpu::Purpose::Many)?;
            (device.describe(), plan.run(&mut guest, device)?)
        }
    };
    let qemu = tools.map_or_else(String::new, |tools| format!(" and {}", tools.version));
    Ok((format!("the CPU engine{qemu}, on {device}"), rows))
}

fn try_main(options: &Options) -> Result<bool> {
    let folder =
        std::env::current_exe()?.parent().context("no target folder")?.join("differential-runner");
    let mut work: Vec<(Source, u64)> = ROWS
        .iter()
        .filter(|row| matches(&options.row, row.name))
        .map(|row| (Source::Row(row), options.cases))
        .collect();
    if options.random > 0 && options.row == "*" {
        work.push((Source::Random, options.random));
    }
    ensure!(!work.is_empty(), "no row matches '{}'", options.row);
    let runner = qemu::runner(&folder)?;
    let (peer, rows) = match options.engine {
        Some(engine) => against_cpu(options, engine, &runner, &work)?,
        None => {
            let tools = Tools::new(options.qemu.as_deref(), &runner)?;
            let rows = against_qemu(options, &tools, &work)?;
            (tools.version, rows)
        }
    };
    for row in &rows {
        if row.unexplained > 0 {
            println!("{}: {} of {} differ", row.name, row.unexplained, row.cases);
        } else if !row.passed() {
            println!("{}: no case was an allocated instruction", row.name);
        } else if options.rows {
            let (cases, undefined, faults) = (row.cases, row.undefined, row.faults);
            println!("{}: {cases} cases, {undefined} undefined, {faults} faults", row.name);
        }
    }

    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let command = format!("cargo run --release -p differential -- {}", arguments.join(" "));
    let text = report::markdown(&rows, command.trim(), &peer, options.seed);
    if let Some(path) = &options.report {
        write_report(path, &text)?;
    }
    print!("{text}");
    let failed = rows.iter().filter(|row| !row.passed()).count();
    println!("{} passed, {failed} failed", rows.len() - failed);
    Ok(failed == 0)
}

fn write_report(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| path.display().to_string())
}

fn main() -> ExitCode {
    match try_main(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("differential: {error:#}");
            ExitCode::from(2)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn globs() {
        assert!(matches("*", "ADD_imm"));
        assert!(matches("ADD*", "ADD_imm"));
        assert!(matches("*_imm", "ADD_imm"));
        assert!(matches("A*_*m", "ADD_imm"));
        assert!(!matches("ADD", "ADD_imm"));
        assert!(!matches("SUB*", "ADD_imm"));
    }
}
