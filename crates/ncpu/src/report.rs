//! The report on a run. Its fields are described in `docs/report.md` and stay as they are; new ones
//! may be added.

use crate::cli::ReportFormat;
use anyhow::Context;
use ncpu_engine::batch::{DeviceFigures, Opening};
use ncpu_linux::Kernel;
use ncpu_neural::weights::Certificate;
use ncpu_neural_alu::alu::Tally;
use ncpu_neural_alu::{Operation, Tallies};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Version of the report's form; fields that are added do not change it.
const SCHEMA: u32 = 1;

static START: OnceLock<Instant> = OnceLock::new();

/// Notes when the process started.
pub(crate) fn process_starts() {
    START.get_or_init(Instant::now);
}

/// Seconds since then.
pub(crate) fn process_seconds() -> f64 {
    START.get().map_or(0.0, |start| start.elapsed().as_secs_f64())
}

/// How a run ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct End {
    /// `exited`, `signalled`, or what cut the run: `fuel`, `timeout`, ...
    pub(crate) reason: &'static str,
    /// Exit status of `ncpu`.
    pub(crate) status: u8,
    /// Number of the signal that ended the program.
    pub(crate) signal: Option<u8>,
}

impl End {
    pub(crate) fn exited(status: u8) -> End {
        End { reason: "exited", status, signal: None }
    }

    pub(crate) fn signalled(signal: u8) -> End {
        End { reason: "signalled", status: 128 + signal, signal: Some(signal) }
    }

    pub(crate) fn cut(reason: &'static str, status: u8) -> End {
        End { reason, status, signal: None }
    }
}

/// Physical pages of 4 KiB.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Pages {
    used: u32,
    peak: u32,
    limit: u32,
}

/// What was counted.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Figures {
    pub(crate) instructions: u64,
    micro_ops: u64,
    /// Calls by name.
    system_calls: BTreeMap<String, u32>,
    /// Calls that returned ENOSYS because they are not implemented, by name.
    unimplemented: BTreeMap<String, u32>,
    page_faults: u64,
    page_copies: u64,
    context_switches: u64,
    /// Pages of code that were lifted to micro-ops.
    lifted_pages: u64,
    /// How often the machine stopped for the host to answer requests.
    host_round_trips: u64,
    pages: Pages,
    /// The machine's clock, since its boot.
    virtual_seconds: f64,
    wall_seconds: f64,
    /// Millions of instructions in a second of wall time.
    mips: f64,
}

/// A line of a report in text.
pub(crate) fn line(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    value: &dyn fmt::Display,
) -> fmt::Result {
    writeln!(f, "{name:18} {value}")
}

/// What a GPU adds.
pub(crate) fn device(f: &mut fmt::Formatter<'_>, figures: &DeviceFigures) -> fmt::Result {
    let DeviceFigures { device, opening, rounds, system_calls, host_stops, .. } = figures;
    line(f, "GPU", device)?;
    let Opening { init_ms, context_ms, stack_ms, load_ms, open_ms, memory_ms, .. } = opening;
    let parts = format_args!(
        "{open_ms:.0} ms: driver {init_ms:.0}, context {context_ms:.0}, stacks {stack_ms:.0}, modules \
         {load_ms:.0}; and memory {memory_ms:.0} ms"
    );
    line(f, "  opening", &parts)?;
    line(f, "rounds", rounds)?;
    for (name, seconds) in [
        ("  executing", figures.executing_seconds),
        ("  serving", figures.serving_seconds),
        ("  lifting", figures.lifting_seconds),
    ] {
        line(f, name, &format_args!("{seconds:.3} s"))?;
    }
    line(f, "calls served", &format_args!("{system_calls}, {host_stops} host stops"))
}

/// What networks computed.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct NeuralFigures {
    /// Digest of the networks, which their certificate is about.
    networks: String,
    /// Results of networks by operation.
    results: BTreeMap<&'static str, u64>,
    by_network: u64,
    /// Results that are an operand's bits in another order.
    by_wiring: u64,
    /// Results that were asked for and came from neither.
    by_native_arithmetic: u64,
    /// Evaluations of cells, each of 64 instances.
    cell_evaluations: u64,
}

impl NeuralFigures {
    /// Nothing was computed yet.
    pub(crate) fn new(certificate: &Certificate) -> NeuralFigures {
        NeuralFigures { networks: certificate.networks.clone(), ..NeuralFigures::default() }
    }

    /// Adds what a unit has computed.
    pub(crate) fn add(&mut self, tallies: &Tallies) {
        for &operation in Operation::ALL {
            let Tally { asked, by_network, by_wiring } = tallies.of(operation);
            if by_network > 0 {
                *self.results.entry(operation.name()).or_default() += by_network;
            }
            self.by_network += by_network;
            self.by_wiring += by_wiring;
            self.by_native_arithmetic += asked - by_network - by_wiring;
        }
        self.cell_evaluations += tallies.evaluated;
    }
}

impl fmt::Display for NeuralFigures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let results: Vec<_> =
            self.results.iter().map(|(name, count)| format!("{name} {count}")).collect();
        line(f, "networks", &self.networks)?;
        line(f, "neural results", &results.join(", "))?;
        let NeuralFigures { by_network, by_wiring, by_native_arithmetic, .. } = self;
        let counts = format_args!(
            "{by_network} by network, {by_wiring} by wiring, {by_native_arithmetic} by native arithmetic"
        );
        line(f, "results", &counts)?;
        let cells = format_args!("{}, 64 instances each", self.cell_evaluations);
        line(f, "cells evaluated", &cells)
    }
}

fn by_name(counts: &[u32]) -> BTreeMap<String, u32> {
    let name = |number: usize| match ncpu_linux::table::name(number as u32) {
        Some(name) => name.to_owned(),
        None => format!("#{number}"),
    };
    let counts = counts.iter().enumerate().filter(|&(_, &count)| count != 0);
    counts.map(|(number, &count)| (name(number), count)).collect()
}

impl Figures {
    /// Gathers the figures of a machine.
    pub(crate) fn of(
        kernel: &Kernel<'_>,
        wall: Duration,
        host_round_trips: u64,
        lifted_pages: u64,
    ) -> Figures {
        let header = &kernel.header;
        let counters = &header.counters;
        let wall_seconds = wall.as_secs_f64();
        Figures {
            instructions: header.retired,
            micro_ops: counters.uops,
            system_calls: by_name(&counters.calls),
            unimplemented: by_name(&counters.missing),
            page_faults: counters.faults,
            page_copies: counters.copies,
            context_switches: counters.switches,
            lifted_pages,
            host_round_trips,
            pages: Pages {
                used: kernel.mem.used_pages(),
                peak: kernel.mem.peak_pages(),
                limit: kernel.mem.limit_pages(),
            },
            virtual_seconds: kernel.now() as f64 / 1e9,
            wall_seconds,
            mips: header.retired as f64 / 1e6 / wall_seconds.max(1e-9),
        }
    }
}

/// A report.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    schema: u32,
    engine: &'static str,
    alu: &'static str,
    program: Vec<String>,
    exit: End,
    #[serde(flatten)]
    figures: Figures,
    /// From the start of the process to this report.
    process_seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    gpu: Option<DeviceFigures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    neural: Option<NeuralFigures>,
    /// 128 bits in hexadecimal.
    state_hash: String,
    /// What `--repeat` adds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) runs: Option<Runs>,
}

impl Report {
    /// The report on one run.
    pub(crate) fn new(
        program: Vec<String>,
        engine: &'static str,
        exit: End,
        figures: Figures,
        (gpu, neural): (Option<DeviceFigures>, Option<NeuralFigures>),
        hash: u128,
    ) -> Report {
        Report {
            schema: SCHEMA,
            engine,
            alu: if neural.is_some() { "neural" } else { "native" },
            program,
            exit,
            figures,
            process_seconds: process_seconds(),
            gpu,
            neural,
            state_hash: format!("{hash:032x}"),
            runs: None,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figures = &self.figures;
        let calls = |f: &mut fmt::Formatter<'_>, name: &str, calls: &BTreeMap<String, u32>| {
            let mut sorted: Vec<_> = calls.iter().collect();
            sorted.sort_by_key(|&(name, &count)| (std::cmp::Reverse(count), name));
            let words: Vec<_> = sorted.iter().map(|(name, n)| format!("{name} {n}")).collect();
            if words.is_empty() { Ok(()) } else { line(f, name, &words.join(", ")) }
        };
        line(f, "program", &self.program.join(" "))?;
        line(f, "engine", &format_args!("{}, {} ALU", self.engine, self.alu))?;
        match self.exit.signal {
            Some(signal) => line(f, "ended", &format_args!("by signal {signal}"))?,
            None => {
                let End { reason, status, .. } = self.exit;
                line(f, "ended", &format_args!("{reason}, status {status}"))?;
            }
        }
        line(f, "instructions", &figures.instructions)?;
        line(f, "micro-ops", &figures.micro_ops)?;
        line(f, "wall time", &format_args!("{:.3} s", figures.wall_seconds))?;
        line(f, "speed", &format_args!("{:.1} MIPS", figures.mips))?;
        line(f, "virtual time", &format_args!("{:.9} s", figures.virtual_seconds))?;
        calls(f, "system calls", &figures.system_calls)?;
        calls(f, "unimplemented", &figures.unimplemented)?;
        line(f, "page faults", &figures.page_faults)?;
        line(f, "page copies", &figures.page_copies)?;
        line(f, "context switches", &figures.context_switches)?;
        let Pages { used, peak, limit } = figures.pages;
        line(f, "pages", &format_args!("{used} used, {peak} peak, {limit} limit"))?;
        line(f, "lifted pages", &figures.lifted_pages)?;
        line(f, "host round trips", &figures.host_round_trips)?;
        if let Some(figures) = &self.gpu {
            device(f, figures)?;
        }
        if let Some(neural) = &self.neural {
            neural.fmt(f)?;
        }
        line(f, "state hash", &self.state_hash)?;
        match &self.runs {
            Some(runs) => runs.fmt(f),
            None => Ok(()),
        }
    }
}

/// The least, middle and most of a figure over several runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    min: f64,
    median: f64,
    max: f64,
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Spread {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let at = |index: usize| values.get(index).copied().unwrap_or(0.0);
        let median = if values.len() % 2 == 1 {
            at(middle)
        } else {
            (at(middle.max(1) - 1) + at(middle)) / 2.0
        };
        Spread { min: at(0), median, max: at(values.len().max(1) - 1) }
    }
}

/// What was the same in all runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Same {
    exit: bool,
    instructions: bool,
    state_hash: bool,
    output: bool,
}

/// Several runs, compared.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Runs {
    count: usize,
    wall_seconds: Spread,
    mips: Spread,
    identical: Same,
}

impl Runs {
    /// Compares reports, each with a hash of the run's output.
    pub(crate) fn of(reports: &[(Report, u64)]) -> Runs {
        let pairs = || reports.iter().zip(reports.get(1..).unwrap_or(&[]));
        Runs {
            count: reports.len(),
            wall_seconds: Spread::of(reports.iter().map(|(r, _)| r.figures.wall_seconds)),
            mips: Spread::of(reports.iter().map(|(r, _)| r.figures.mips)),
            identical: Same {
                exit: pairs().all(|((a, _), (b, _))| a.exit == b.exit),
                instructions: pairs()
                    .all(|((a, _), (b, _))| a.figures.instructions == b.figures.instructions),
                state_hash: pairs().all(|((a, _), (b, _))| a.state_hash == b.state_hash),
                output: pairs().all(|((_, a), (_, b))| a == b),
            },
        }
    }
}

impl fmt::Display for Runs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Spread { min, median, max } = self.wall_seconds;
        writeln!(f, "{:18} {}", "runs", self.count)?;
        writeln!(f, "{:18} {min:.3} s least, {median:.3} s median, {max:.3} s most", "wall time")?;
        let Spread { min, median, max } = self.mips;
        writeln!(f, "{:18} {min:.1} least, {median:.1} median, {max:.1} most", "MIPS")?;
        let Same { exit, instructions, state_hash, output } = self.identical;
        let word = |same: bool| if same { "identical" } else { "DIFFERENT" };
        writeln!(
            f,
            "{:18} status {}, output {}, instructions {}, state {}",
            "comparison",
            word(exit),
            word(output),
            word(instructions),
            word(state_hash)
        )
    }
}

/// Says a line on standard error, whose reader may be gone, as in `ncpu ... 2>&1 | head -1`.
macro_rules! tell {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        // Nobody is there to hear of a failure.
        _ = writeln!(std::io::stderr(), $($text)*);
    }};
}
pub(crate) use tell;

/// Writes a report to a file, or to standard error.
pub(crate) fn write(
    report: &(impl Serialize + fmt::Display),
    format: ReportFormat,
    file: Option<&Path>,
) -> anyhow::Result<()> {
    let text = match format {
        ReportFormat::Json => serde_json::to_string(report)? + "\n",
        ReportFormat::Text => report.to_string(),
    };
    match file {
        Some(path) => std::fs::write(path, text)
            .with_context(|| format!("cannot write the report {}", path.display())),
        None => {
            tell!("{}", text.trim_end());
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Spread;

    #[test]
    fn the_median_of_an_even_count_is_between_the_middle_two() {
        let spread = Spread::of([4.0, 1.0, 3.0, 2.0].into_iter());
        assert_eq!(spread, Spread { min: 1.0, median: 2.5, max: 4.0 });
        let spread = Spread::of([3.0, 1.0, 2.0].into_iter());
        assert_eq!(spread, Spread { min: 1.0, median: 2.0, max: 3.0 });
    }
}
