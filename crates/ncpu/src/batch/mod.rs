//! `ncpu batch`: a program in many machines.
//!
//! - [`apart`]    refuses to write over inputs
//! - [`cases`]    inputs: a folder, lines of JSON, a range of numbers
//! - [`engine`]   what runs the machines
//! - [`reading`]  reads ahead
//! - [`results`]  rows: written as lines of JSON or Parquet, and found again by `--resume`
//! - [`lines`]    the former
//! - `parquet`    the latter, if this build has it
//! - [`figures`]  counts, the report and the progress bar
//!
//! Inputs are read some way ahead, as lanes become free, and rows are written as machines end, so that neither has to
//! fit memory, and what was written when something goes wrong is good.

mod apart;
mod cases;
mod engine;
mod figures;
mod lines;
#[cfg(feature = "parquet")]
mod parquet;
mod reading;
mod results;

use crate::cli::{AluKind, BatchArguments};
use crate::neural;
use crate::report::{self, NeuralFigures, tell};
use crate::run::{Guest, limits, root_of_snapshot, status};
use anyhow::{Context, ensure};
use cases::Source;
use engine::{Choice, Origin};
use figures::{BatchReport, Progress, Tally};
use ncpu_engine::batch::{BatchError, Case, Cases, Finished, Outcome, Rules, compact_limits};
use reading::Reading;
use results::Results;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::cell::RefCell;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

/// Failures that are told one by one.
const MOST_TOLD: u64 = 10;

/// Runs a batch and returns the status to end with.
pub(crate) fn batch(arguments: &BatchArguments) -> anyhow::Result<u8> {
    let opening = engine::begin(&arguments.execution)?;
    let (root, program, origin) = match &arguments.snapshot {
        Some(path) => {
            let (program, rest) = match &arguments.command[..] {
                [program, rest @ ..] => (Some(Path::new(program)), rest),
                [] => (None, &[][..]),
            };
            let rootfs = arguments.guest.rootfs.as_deref();
            ensure!(
                rest.is_empty() && (rootfs.is_none() || program.is_none()),
                "the program of a snapshot runs already: give no arguments, and with --rootfs no program"
            );
            let root = root_of_snapshot(rootfs, program)?;
            (root, vec![path.display().to_string()], Origin::Snapshot(path))
        }
        None => {
            let (root, guest) = match Guest::open(&arguments.guest, &arguments.command, false)? {
                Ok(opened) => opened,
                Err(status) => return Ok(status),
            };
            let name = guest.name(&arguments.command);
            let limits = limits(&arguments.guest, compact_limits(arguments.mem));
            (root, name, Origin::Boot(Box::new(guest), limits))
        }
    };
    let rules = Rules {
        fuel: arguments.execution.fuel,
        timeout: arguments.execution.timeout,
        output: arguments.output_limit,
    };
    let source = Source::open(arguments)?;
    apart::check(arguments, &source)?;
    let networks = match arguments.execution.alu {
        AluKind::Native => None,
        AluKind::Neural => Some(neural::open(&arguments.execution.weights)?),
    };
    let certificate = networks.as_ref().map(|networks| networks.certificate.clone());
    let choice = Choice {
        engine: arguments.execution.engine,
        networks,
        lanes: arguments.lanes,
        machines: source.count(),
        opening,
    };
    let mut engine = match engine::start(root, &origin, rules, choice)? {
        Ok(engine) => engine,
        Err(status) => return Ok(status),
    };
    let count = source.count();
    let (results, earlier) = results::open(arguments.out.as_deref(), arguments.resume, count)?;
    let signals = Signals::catch().context("cannot catch signals")?;
    let left = count.map(|count| count.saturating_sub(earlier.len()));
    let earlier = Arc::new(earlier);
    let recorder = RefCell::new(Recorder {
        results,
        tally: Tally::default(),
        progress: Progress::new(left, arguments.out.is_some()),
        lost: None,
    });
    let mut fatal = None;
    let start = Instant::now();
    let mut reading =
        Reading::start(source, Arc::clone(&earlier)).context("cannot start a thread")?;
    let outcome = {
        let mut cases = Left {
            reading: &mut reading,
            stop: &signals.stop,
            recorder: &recorder,
            fatal: &mut fatal,
        };
        let mut sink = |finished| recorder.borrow_mut().record(finished);
        engine.run(&mut cases, &signals.stop, &mut sink)
    };
    let wall = start.elapsed();
    let Recorder { results, tally, progress, lost } = recorder.into_inner();
    progress.end();
    let outcome = lost.map_or(outcome, |error| Err(BatchError::Sink(error)));
    let name = || match &arguments.out {
        Some(path) => format!("cannot write {}", path.display()),
        None => "cannot write to standard output".to_owned(),
    };
    let (written, outcome) = match outcome {
        Err(BatchError::Sink(error)) => (results.abandon(), Err(BatchError::Sink(error))),
        outcome => match results.finish() {
            Ok(written) => (written, outcome.map(|_| ())),
            Err((written, error)) => (written, outcome.and(Err(BatchError::Sink(error)))),
        },
    };
    let kept = earlier.len() + written;
    let early = || format!("the batch ended early, with {kept} results kept");
    let has_reader = match outcome {
        Ok(()) => true,
        Err(BatchError::Sink(error)) if error.kind() == io::ErrorKind::BrokenPipe => false,
        Err(BatchError::Sink(error)) => {
            return Err(error)
                .with_context(|| format!("{}; the {kept} results before are kept", name()));
        }
        Err(error) => return Err(error).with_context(early),
    };
    if let Some(error) = fatal {
        return Err(error.context(early()));
    }
    let signal = signals.caught();
    let neural = certificate.map(|certificate| {
        let mut figures = NeuralFigures::new(&certificate);
        figures.add(&engine.tallies().unwrap_or_default());
        figures
    });
    let seen = (earlier.len(), signal.is_some() || !has_reader);
    let report = BatchReport::new((&*engine, neural), program, &tally, seen, wall);
    tell!("{}", report.summary());
    if let Some(format) = arguments.report.format {
        report::write(&report, format, arguments.report.file.as_deref())?;
    }
    // The end of the process gives back in one go what a GPU has.
    std::mem::forget(engine);
    let all = tally.and(&earlier.tally);
    Ok(match signal {
        Some(signal) => status::SIGNAL + signal,
        None if !has_reader => status::BROKEN_PIPE,
        None if all.failed != 0 => status::FAILED,
        None if all.cut() != 0 => status::CUT,
        None => 0,
    })
}

/// Cases that have no result yet. Those that cannot be read are recorded as failed.
struct Left<'b> {
    reading: &'b mut Reading,
    stop: &'b AtomicBool,
    recorder: &'b RefCell<Recorder>,
    /// Why there are no more, if there should be.
    fatal: &'b mut Option<anyhow::Error>,
}

impl Left<'_> {
    fn read(&mut self, patience: Duration) -> anyhow::Result<Poll<Option<Case>>> {
        loop {
            match self.reading.next(self.stop, patience)? {
                Poll::Ready(Some(Ok(case))) => return Ok(Poll::Ready(Some(case))),
                Poll::Ready(Some(Err(failed))) => {
                    // The recorder knows why.
                    if self.recorder.borrow_mut().record(*failed).is_err() {
                        return Ok(Poll::Ready(None));
                    }
                }
                Poll::Ready(None) => return Ok(Poll::Ready(None)),
                Poll::Pending => return Ok(Poll::Pending),
            }
        }
    }
}

impl Cases for Left<'_> {
    fn next_case(&mut self, patience: Duration) -> Poll<Option<Case>> {
        self.read(patience).unwrap_or_else(|error| {
            *self.fatal = Some(error);
            Poll::Ready(None)
        })
    }
}

/// Takes each end of a machine.
struct Recorder {
    results: Box<dyn Results>,
    tally: Tally,
    progress: Progress,
    /// The first reason why a row could not be written.
    lost: Option<io::Error>,
}

impl Recorder {
    fn record(&mut self, finished: Finished) -> io::Result<()> {
        self.tally.add(&finished);
        self.progress.advance(&self.tally);
        if let Outcome::Failed(why) = &finished.outcome {
            if self.tally.failed <= MOST_TOLD {
                self.progress.tell(&format!("ncpu: {}: {why}", finished.label));
            } else if self.tally.failed == MOST_TOLD + 1 {
                self.progress.tell("ncpu: more have failed; their rows say why");
            }
        }
        self.results.push(finished).map_err(|error| {
            let kind = error.kind();
            self.lost.get_or_insert(error);
            kind.into()
        })
    }
}

/// Ctrl-C and SIGTERM, which end the batch in good order; a second one ends it at once.
struct Signals {
    stop: Arc<AtomicBool>,
    number: Arc<AtomicUsize>,
}

impl Signals {
    fn catch() -> io::Result<Signals> {
        let signals = Signals { stop: Arc::default(), number: Arc::default() };
        for signal in [SIGINT, SIGTERM] {
            // In this order: at the first signal, there is no stop yet.
            let status = i32::from(status::SIGNAL) + signal;
            flag::register_conditional_shutdown(signal, status, Arc::clone(&signals.stop))?;
            flag::register_usize(signal, Arc::clone(&signals.number), signal as usize)?;
            flag::register(signal, Arc::clone(&signals.stop))?;
        }
        Ok(signals)
    }

    fn caught(&self) -> Option<u8> {
        Some(self.number.load(Ordering::Relaxed) as u8).filter(|&number| number != 0)
    }
}
