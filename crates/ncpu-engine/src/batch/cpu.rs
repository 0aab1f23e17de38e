//! Batches on this computer's processor: a machine a thread.

use super::{
    Arithmetic, BatchEngine, BatchError, Case, CaseStreams, Cases, Finished, Outcome, Rules, Sink,
    Summary, Template, guarded,
};
use crate::drive::{self, drive};
use crate::folders::Folders;
use crate::hash::state_hash;
use crate::machine::Machine;
use ncpu_alu::NativeAlu;
use ncpu_neural_alu::Tallies;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::task::Poll;
use std::thread;
use std::time::Duration;

/// Cases taken for each lane: the one it runs and the one it runs next.
const TAKEN: usize = 2;
/// How often a wait for a case looks whether the batch is to stop, and one for a machine's end whether a case has
/// come.
const LOOK: Duration = Duration::from_millis(20);

/// Runs machines on threads of this process.
pub struct CpuBatch<A = NativeAlu> {
    template: Template,
    rules: Rules,
    lanes: NonZeroUsize,
    arithmetic: A,
}

impl CpuBatch {
    /// An engine with so many lanes, each a thread. The template's pool needs
    /// [`Template::frames`].
    pub fn new(template: Template, rules: Rules, lanes: NonZeroUsize) -> CpuBatch {
        CpuBatch { template, rules, lanes, arithmetic: NativeAlu }
    }

    /// The same with other arithmetic.
    pub fn with<A: Arithmetic>(self, arithmetic: A) -> CpuBatch<A> {
        let CpuBatch { template, rules, lanes, .. } = self;
        CpuBatch { template, rules, lanes, arithmetic }
    }
}

impl<A: Arithmetic> BatchEngine for CpuBatch<A> {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn lanes(&self) -> usize {
        self.lanes.get()
    }

    fn tallies(&self) -> Option<Tallies> {
        self.arithmetic.tallies()
    }

    fn run(
        &mut self,
        cases: &mut dyn Cases,
        stop: &AtomicBool,
        sink: &mut Sink<'_>,
    ) -> Result<Summary, BatchError> {
        // Set when no one wants results any more, whatever the reason.
        let abandoned = AtomicBool::new(false);
        let is_stopped = || stop.load(Ordering::Relaxed) || abandoned.load(Ordering::Relaxed);
        let (rules, arithmetic) = (self.rules, &self.arithmetic);
        let templates =
            (0..self.lanes.get()).map(|_| self.template.fork()).collect::<Result<Vec<_>, _>>()?;
        let (give, taken) = channel();
        let taken = Mutex::new(taken);
        let (end, ends) = channel();
        thread::scope(|scope| {
            // Whichever way this scope is left, the threads find that there is nothing to do.
            let give = give;
            for mut template in templates {
                let (end, taken, is_stopped) = (end.clone(), &taken, &is_stopped);
                let lane = move || {
                    while let Some(case) = next(taken) {
                        let ended = run_case(&mut template, case, arithmetic, &rules, is_stopped);
                        if end.send(ended).is_err() {
                            break;
                        }
                    }
                };
                thread::Builder::new().spawn_scoped(scope, lane).map_err(BatchError::Thread)?;
            }
            drop(end);
            let mut summary = Summary::default();
            let (mut waiting, mut is_over, mut result) = (0, false, Ok(()));
            loop {
                while waiting < TAKEN * self.lanes.get() && !is_over && !is_stopped() {
                    let patience = if waiting == 0 { LOOK } else { Duration::ZERO };
                    match cases.next_case(patience) {
                        Poll::Ready(Some(case)) => match give.send(case) {
                            Ok(()) => waiting += 1,
                            Err(_) => is_over = true,
                        },
                        Poll::Ready(None) => is_over = true,
                        Poll::Pending => break,
                    }
                }
                if waiting == 0 {
                    if is_over || is_stopped() {
                        break;
                    }
                    continue;
                }
                let end = match ends.recv_timeout(LOOK) {
                    Ok(end) => end,
                    Err(RecvTimeoutError::Timeout) => continue,
                    Err(RecvTimeoutError::Disconnected) => break,
                };
                waiting -= 1;
                let Some(finished) = end else {
                    summary.stopped = true;
                    continue;
                };
                if result.is_err() {
                    continue;
                }
                summary.finished += 1;
                summary.instructions += finished.instructions;
                result = sink(finished);
                abandoned.fetch_or(result.is_err(), Ordering::Relaxed);
            }
            result.map_err(BatchError::Sink)?;
            summary.stopped |= is_stopped();
            Ok(summary)
        })
    }
}

/// The next case, once there is one; `None` when there will be no more.
fn next(taken: &Mutex<Receiver<Case>>) -> Option<Case> {
    // Nothing panics with the lock held.
    taken.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

/// Runs the machine of a case; `None` if it was stopped before its end.
fn run_case(
    template: &mut Template,
    case: Case,
    arithmetic: &impl Arithmetic,
    rules: &Rules,
    is_stopped: &dyn Fn() -> bool,
) -> Option<Finished> {
    if is_stopped() {
        return None;
    }
    let failed = |why: String| Some(Finished::failed(case.index, case.label.clone(), why));
    let mut machine = match guarded(|| template.prepare(&case)) {
        Ok(Ok(machine)) => machine,
        Ok(Err(error)) => return failed(error.to_string()),
        Err(panic) => return failed(panic),
    };
    let result = guarded(|| finish(&mut machine, &case, arithmetic, rules, is_stopped));
    // What made the machine panic may do so again.
    let dropped = guarded(|| drop(machine));
    match result.and_then(|finished| dropped.map(|()| finished)) {
        Ok(finished) => finished,
        Err(panic) => failed(panic),
    }
}

/// Drives a machine to its end.
fn finish(
    machine: &mut Machine,
    case: &Case,
    arithmetic: &impl Arithmetic,
    rules: &Rules,
    is_stopped: &dyn Fn() -> bool,
) -> Option<Finished> {
    let unit = arithmetic.unit();
    let mut streams = CaseStreams::new(&case.input, rules, is_stopped);
    let limits = drive::Rules { fuel: rules.fuel, timeout: rules.timeout, pause: None };
    let (ending, instructions) = machine.with_kernel(|kernel| {
        let ending = drive(kernel, &unit, &mut streams, &mut Folders::default(), limits);
        (ending, kernel.header.retired)
    });
    arithmetic.note(&unit);
    Some(Finished {
        index: case.index,
        label: case.label.clone(),
        outcome: Outcome::of(&ending.reason)?,
        instructions,
        state_hash: state_hash(machine),
        stdout: streams.stdout,
        stderr: streams.stderr,
    })
}
