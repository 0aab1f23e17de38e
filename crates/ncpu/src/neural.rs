//! `ncpu train alu` and `ncpu verify alu`.

use crate::cli::{Engine, TrainAluArguments, VerifyAluArguments};
use crate::report::tell;
use anyhow::ensure;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ncpu_cuda::{Cuda, Device};
use ncpu_gpu::{Emulation, check_pairs};
use ncpu_neural::verify::{Progress, STEPS, VerifyError};
use ncpu_neural::weights::Certificate;
use ncpu_neural::{Weights, verify as proof};
use ncpu_neural_alu::Cells;
use ncpu_neural_alu::pairs::{Compared, Counts, Operands, Wrong};
use std::io::{self, IsTerminal, Write};
use std::num::NonZeroUsize;
use std::path::Path;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

/// Exit status when something was refuted.
pub(crate) const REFUTED: u8 = 1;

/// How a bar shows steps.
const STEPS_DONE: &str = "{bar:30} {pos}/{len} {msg}";
/// How a bar shows operands.
const OPERANDS_DONE: &str = "{wide_bar} {pos}/{len} first operands of 16 bits, {eta} left";

/// A bar of so many steps on standard error, if that is a terminal.
pub(crate) fn bar(steps: u64, template: &str) -> ProgressBar {
    let target = if io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(Some(steps), target);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

/// Trains the networks.
#[cfg(feature = "train")]
pub(crate) fn train(arguments: &TrainAluArguments) -> anyhow::Result<u8> {
    use anyhow::Context;
    use ncpu_neural::train::{curves, train};

    let TrainAluArguments { out, seed } = arguments;
    let start = Instant::now();
    let bar = bar(ncpu_neural_alu::CellId::COUNT as u64, STEPS_DONE);
    let mut lines = Vec::new();
    let (weights, ways) = train(*seed, |cell, training| {
        bar.inc(1);
        bar.set_message(cell.name());
        lines.push(format!(
            "{:12} {:4} parameters, {:5} steps, attempt {:2}, margin {}/2",
            cell.name(),
            training.parameters,
            training.steps,
            training.attempt,
            training.margin
        ));
    })?;
    bar.finish_and_clear();
    weights.write(out)?;
    for (name, text) in [("curves.csv", curves::table(&ways)), ("curves.svg", curves::chart(&ways))]
    {
        let path = out.join(name);
        std::fs::write(&path, text).with_context(|| path.display().to_string())?;
    }
    let mut stdout = io::stdout().lock();
    for line in lines {
        writeln!(stdout, "{line}")?;
    }
    writeln!(
        stdout,
        "networks {}\nwritten to {} in {:.1} s; prove them with: ncpu verify alu --weights {}",
        ncpu_neural::digest::digest(&weights.networks),
        out.display(),
        start.elapsed().as_secs_f64(),
        out.display()
    )?;
    Ok(0)
}

/// Says how to get what this build lacks.
#[cfg(not(feature = "train"))]
pub(crate) fn train(_: &TrainAluArguments) -> anyhow::Result<u8> {
    anyhow::bail!(
        "this build cannot train: build it with `cargo build --release --features train`, which \
         includes Burn; trained weights are in models/alu"
    )
}

/// Proves the networks.
pub(crate) fn verify(arguments: &VerifyAluArguments) -> anyhow::Result<u8> {
    let VerifyAluArguments { weights: folder, check, verbose, exhaustive, .. } = arguments;
    // Before the proof: that there is no GPU is to be known at once.
    let checker = exhaustive.then(|| Checker::open(arguments.engine)).transpose()?;
    let start = Instant::now();
    let mut weights = Weights::read(folder)?;
    let steps = bar(STEPS as u64, STEPS_DONE);
    let mut shown = Vec::new();
    let result = proof::verify(&weights, folder, |progress| {
        steps.inc(1);
        shown.push(progress);
    });
    steps.finish_and_clear();
    let refute = |refuted| {
        tell!("ncpu: {}: refuted: {refuted}", folder.display());
        Ok(REFUTED)
    };
    let certificate = match result {
        Ok(certificate) => certificate,
        Err(VerifyError::Refuted(refuted)) => return refute(refuted),
        Err(error) => return Err(error.into()),
    };
    let mut stdout = io::stdout().lock();
    if *verbose {
        for progress in &shown {
            writeln!(stdout, "{}", line(progress))?;
        }
    }
    tell(&mut stdout, &certificate, &shown, start.elapsed())?;
    if let Some(checker) = checker {
        let firsts = arguments.first_operands.clone().unwrap_or(Operands::ALL.firsts);
        let operands = Operands { firsts, ..Operands::ALL };
        let cells = weights.cells(folder)?;
        let (start, bar) = (Instant::now(), bar(operands.firsts.len() as u64, OPERANDS_DONE));
        let result = checker.check(&cells, &operands, &bar);
        bar.finish_and_clear();
        let right = match result? {
            Ok(right) => right,
            Err(wrong) => return refute(wrong.into()),
        };
        if *verbose {
            for &compared in Compared::ALL {
                let (name, count) = (compared.name(), right.of(compared));
                writeln!(stdout, "{name:17} on operands of 16 bits: {count} results equal")?;
            }
        }
        let (took, on) = (start.elapsed().as_secs_f64(), checker.describe());
        let (which, count) = (which(&operands), right.total());
        writeln!(stdout, "networks on {which}: {count} results equal ({took:.0} s; {on})")?;
    }
    if *check {
        for (card, family) in weights.cards.iter().zip(ncpu_neural::weights::FAMILIES) {
            ensure!(
                card.certificate.as_ref() == Some(&certificate),
                "{} has another certificate than this proof gives",
                family.path(folder).display()
            );
        }
        writeln!(stdout, "the weight files in {} have this certificate", folder.display())?;
        return Ok(0);
    }
    for card in &mut weights.cards {
        card.certificate = Some(certificate.clone());
    }
    weights.write(folder)?;
    writeln!(stdout, "certificate written into the weight files in {}", folder.display())?;
    Ok(0)
}

/// What runs the networks on operands of 16 bits.
enum Checker {
    Cpu(NonZeroUsize),
    Gpu(Box<Cuda>),
    GpuEmulated(Emulation),
}

impl Checker {
    fn open(engine: Engine) -> anyhow::Result<Checker> {
        let cores = || Checker::Cpu(available_parallelism().unwrap_or(NonZeroUsize::MIN));
        let gpu =
            || ncpu_gpu::open(ncpu_gpu::Purpose::Neural).map(|card| Checker::Gpu(Box::new(card)));
        Ok(match engine {
            Engine::Cpu => cores(),
            Engine::Gpu => gpu()?,
            Engine::GpuEmulated => Checker::GpuEmulated(Emulation::default()),
            Engine::Auto => {
                let checker = gpu().unwrap_or_else(|error| {
                    tell!("ncpu: no GPU: {error}");
                    cores()
                });
                tell!("ncpu: operands of 16 bits: {}", checker.describe());
                checker
            }
        })
    }

    fn describe(&self) -> String {
        match self {
            Checker::Cpu(cores) => format!("threads of the processor: {cores}"),
            Checker::Gpu(card) => card.describe(),
            Checker::GpuEmulated(emulation) => emulation.describe(),
        }
    }

    /// Compares all results; gives their numbers, or the first that is wrong.
    fn check(
        &self,
        cells: &Cells,
        operands: &Operands,
        bar: &ProgressBar,
    ) -> anyhow::Result<Result<Counts, Wrong>> {
        let tell = |firsts: u32| bar.inc(firsts.into());
        let checked = match self {
            Checker::Cpu(cores) => {
                return Ok(proof::pairs_of_16_bits(cells, operands, *cores, || tell(1)));
            }
            Checker::Gpu(card) => check_pairs(&**card, cells, operands, tell),
            Checker::GpuEmulated(emulation) => check_pairs(emulation, cells, operands, tell),
        }?;
        Ok(checked.wrong.map_or(Ok(checked.right), Err))
    }
}

/// Which operands of 16 bits they are, in words.
fn which(operands: &Operands) -> String {
    if *operands == Operands::ALL {
        return "all operands of 16 bits".into();
    }
    let (first, last) = (operands.firsts.start(), operands.firsts.end());
    format!("operands of 16 bits, the first from {first} to {last}")
}

/// One step of the proof.
fn line(progress: &Progress) -> String {
    let ms = |took: &Duration| format!("{:.1} ms", took.as_secs_f64() * 1e3);
    match progress {
        Progress::Cell(result) => format!(
            "cell {:12} right on all {:3} inputs, margin {}/2, {} parameters, {} additions",
            result.cell.name(),
            result.inputs,
            result.margin,
            result.parameters,
            result.additions
        ),
        Progress::Theorem { name, statement, took } => {
            format!("{name:17} for all operands: {statement} ({})", ms(took))
        }
        Progress::Runs { what, results, took } => {
            format!("{what}: {results} results equal ({})", ms(took))
        }
    }
}

/// The theorem, and what it rests on.
fn tell(
    out: &mut impl Write,
    certificate: &Certificate,
    shown: &[Progress],
    took: Duration,
) -> io::Result<()> {
    let (mut cells, mut theorems, mut results) = (0, 0, 0);
    for progress in shown {
        match progress {
            Progress::Cell(_) => cells += 1,
            Progress::Theorem { .. } => theorems += 1,
            Progress::Runs { results: more, .. } => results += more,
        }
    }
    let Certificate { networks, cell_inputs, margin, .. } = certificate;
    write!(
        out,
        "\
Theorem. With these networks, every operation of the neural ALU gives, for all operands, what Rust's
operation on integers of 64 (or 32) bits gives.
  networks   {networks}
  cells      {cells}, evaluated on all of their {cell_inputs} inputs; smallest margin {margin}/2
  theorems   {theorems}, on compositions of cells for all operands, by binary decision diagrams;
             multiplication and division follow from theirs by induction (docs/neural.md)
  compared   {results} results with Rust's operators and between each other
  rests on   the Rust compiler; the crate biodivine-lib-bdd; that planes are wired as diagrams are, and that
             the references are Rust's operators (both compared, not proved); the induction's text
  time       {:.2} s
",
        took.as_secs_f64()
    )
}

/// The networks of a folder, proved.
pub(crate) fn open(folder: &Path) -> anyhow::Result<ncpu_neural::Certified> {
    Ok(Weights::certified(folder)?)
}
