//! Batches on a GPU: a machine a lane.
//!
//! Cases wait until lanes are free, then as many lanes as there are get their machines and inputs in a
//! few calls (a *wave*). All lanes go on in rounds, during which the inputs
//! of the next wave are copied. Those that have stopped have come to their end, whose
//! output and hash are fetched together, or have filled their room for output and go on once it is
//! taken. Nothing else needs the host: the whole input is on the device from the start.
//!
//! - [`plan`]     how many lanes there are, and how much memory
//! - [`running`]  what the host knows of a machine on a lane

mod plan;
mod running;

use crate::error::{GpuError, Result};
use crate::lanes::Lanes;
use crate::memory::Plan;
use crate::pace::Pace;
use ncpu_cuda::{CudaError, Device};
use ncpu_engine::batch::{
    BatchEngine, BatchError, Case, CaseError, Cases, DeviceFigures, Finished, Rules, SLICE, Sink,
    Summary, Template, guarded,
};
use ncpu_gpu_kernel::batch::{WARP, stop};
use ncpu_gpu_kernel::packed::PackedNetworks;
use ncpu_gpu_kernel::{Given, Lane};
use ncpu_neural_alu::Tallies;
pub use plan::plan_batch;
use running::{Inputs, Running, outcome, room};
use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

/// Bytes of input that a wave has, unless a single case has more: they are copied during a round.
const WAVE_BYTES: usize = 64 << 20;
/// Most machines of a wave that are made on the host: it takes a millisecond each, for which the other
/// lanes wait.
const WAVE_OWN: usize = 32;
/// A wave is made when one lane in so many is free, so that few calls make many machines.
const WAVE_PART: usize = 16;
/// So long a wave waits for its cases when no machine runs, before it is looked whether the batch is to stop. A
/// machine that runs waits for none.
const FIRST: Duration = Duration::from_millis(100);
/// Machines that have stopped are looked at when one lane in so many has, or once the first of them has waited so
/// long, so that few calls fetch what many have come to: some take a millisecond.
const STOPPED_PART: usize = 32;
const STOPPED_WAIT: Duration = Duration::from_millis(40);

/// Runs machines on the lanes of a device.
pub struct GpuBatch<D: Device> {
    template: Template,
    rules: Rules,
    lanes: Lanes<D>,
    /// Whether lanes may have something left of a batch before.
    used: bool,
    calls: u64,
    host_stops: u64,
    name: &'static str,
}

impl<D: Device> GpuBatch<D> {
    /// An engine with so many lanes, or as many as `cases` (if their number is known) and the device
    /// suggest. The template's pool needs frames for the template and for one machine more.
    ///
    /// # Errors
    /// When the device has not enough memory, or a call of the driver fails.
    pub fn new(
        device: D,
        mut template: Template,
        rules: Rules,
        lanes: Option<NonZeroU32>,
        cases: Option<u64>,
    ) -> Result<GpuBatch<D>> {
        let (free, _) = device.memory()?;
        let plan = plan_batch(template.machine(), lanes.map(NonZeroU32::get), cases, free)?;
        GpuBatch::planned(device, template, rules, &plan)
    }

    /// The same with lanes and memory as the plan says.
    ///
    /// # Errors
    /// As [`GpuBatch::new`].
    pub fn planned(
        device: D,
        mut template: Template,
        rules: Rules,
        plan: &Plan,
    ) -> Result<GpuBatch<D>> {
        let lanes = Lanes::new(device, template.machine(), plan)?;
        Ok(GpuBatch { template, rules, lanes, used: false, calls: 0, host_stops: 0, name: "gpu" })
    }
}

impl<D: Device> GpuBatch<D> {
    /// Has networks do the arithmetic; see [`Lanes::use_networks`].
    ///
    /// # Errors
    /// As for [`Lanes::use_networks`].
    pub fn use_networks(&mut self, networks: &PackedNetworks) -> Result<()> {
        self.lanes.use_networks(networks)
    }

    /// The engine under another name than `gpu`, for reports.
    pub fn named(self, name: &'static str) -> GpuBatch<D> {
        GpuBatch { name, ..self }
    }
}

impl<D: Device> BatchEngine for GpuBatch<D> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn lanes(&self) -> usize {
        self.lanes.count() as usize
    }

    fn device(&self) -> Option<DeviceFigures> {
        Some(DeviceFigures {
            system_calls: self.calls,
            host_stops: self.host_stops,
            ..self.lanes.figures()
        })
    }

    fn tallies(&self) -> Option<Tallies> {
        // A GPU that has failed is reported elsewhere.
        self.lanes.tallies().ok().flatten()
    }

    fn run(
        &mut self,
        cases: &mut dyn Cases,
        stop: &AtomicBool,
        sink: &mut Sink<'_>,
    ) -> Result<Summary, BatchError> {
        if std::mem::replace(&mut self.used, true) {
            self.lanes.clear_all()?;
        }
        let width = self.lanes.count();
        let mut work = Work {
            cases,
            is_over: false,
            sink,
            stop,
            waiting: VecDeque::new(),
            running: (0..width).map(|_| None).collect(),
            free: (0..width).rev().collect(),
            count: 0,
            own: 0,
            is_staged_full: false,
            width,
            again: Vec::new(),
            inputs: Inputs::default(),
            next: None,
            started: 0,
            stopped: Vec::new(),
            stopped_since: None,
            is_output_waited_for: false,
            deadlines: VecDeque::new(),
            pace: Pace::new(),
            summary: Summary::default(),
            engine: self,
        };
        let result = work.until_over();
        let summary = work.summary;
        work.inputs.free_all(work.engine.lanes.device());
        result.map(|()| summary)
    }
}

impl From<GpuError> for BatchError {
    fn from(error: GpuError) -> BatchError {
        BatchError::Engine(Box::new(error))
    }
}

/// One batch on its way.
struct Work<'w, 'c, 's, D: Device> {
    engine: &'w mut GpuBatch<D>,
    cases: &'w mut (dyn Cases + 'c),
    /// Whether the last case was taken.
    is_over: bool,
    sink: &'w mut Sink<'s>,
    stop: &'w AtomicBool,
    /// Cases that were taken and wait for a lane.
    waiting: VecDeque<Case>,
    /// Machines by lane.
    running: Vec<Option<Running>>,
    /// Lanes without a machine, the lowest last.
    free: Vec<u32>,
    /// Machines that run.
    count: usize,
    /// Those of them that were made on the host.
    own: usize,
    /// Whether there is no room for what is another's own before all of those have ended.
    is_staged_full: bool,
    /// Lanes that are used, from 0 on.
    width: u32,
    /// Cases whose machines were refused memory that others had.
    again: Vec<Case>,
    inputs: Inputs,
    /// Cases whose inputs are on the device already.
    next: Option<Wave>,
    /// Machines that were started so far.
    started: u64,
    /// Lanes that have stopped and were not looked at since the first of them did, and when that was.
    stopped: Vec<u32>,
    stopped_since: Option<Instant>,
    /// Whether some of those that were looked at last have more to print.
    is_output_waited_for: bool,
    /// When machines have had their time, in order: the lane, and the number of its machine.
    deadlines: VecDeque<(Instant, u32, u64)>,
    pace: Pace,
    summary: Summary,
}

/// Cases whose inputs are on the device: the piece of memory, and the address of the first.
struct Wave {
    cases: Vec<Case>,
    piece: u64,
    address: u64,
}

/// A machine that a lane is about to get.
struct Start {
    lane: u32,
    case: Case,
    /// The image, where the machine was made on the host.
    image: Option<Vec<u8>>,
}

impl<D: Device> Work<'_, '_, '_, D> {
    fn until_over(&mut self) -> Result<(), BatchError> {
        loop {
            if self.is_stopped() {
                self.summary.stopped = true;
                return self.look_at_stopped();
            }
            self.start()?;
            if self.count != 0 {
                self.round()?;
            } else if !self.again.is_empty() {
                self.narrow()?;
            } else if self.is_over && self.waiting.is_empty() {
                break;
            }
        }
        self.summary.stopped = self.is_stopped();
        Ok(())
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// The next case, if there is one or one comes by then.
    fn next_case(&mut self, until: Instant) -> Option<Case> {
        if self.is_over || !self.waiting.is_empty() {
            return self.waiting.pop_front();
        }
        match self.cases.next_case(until.saturating_duration_since(Instant::now())) {
            Poll::Ready(case) => {
                self.is_over = case.is_none();
                case
            }
            Poll::Pending => None,
        }
    }

    fn hand_over(&mut self, finished: Finished) -> Result<(), BatchError> {
        self.summary.finished += 1;
        self.summary.instructions += finished.instructions;
        (self.sink)(finished).map_err(BatchError::Sink)
    }

    /// Gives machines to free lanes, if it is worth it.
    fn start(&mut self) -> Result<(), BatchError> {
        // Machines that were refused memory get it when the others are through.
        if !self.again.is_empty() {
            return Ok(());
        }
        if let Some(Wave { cases, piece, address }) = self.next.take() {
            self.free.sort_unstable_by(|a, b| b.cmp(a));
            let lanes = self.free.split_off(self.free.len() - cases.len());
            let starts = lanes.into_iter().rev().zip(cases);
            let wave = starts.map(|(lane, case)| Start { lane, case, image: None }).collect();
            return self.fork(wave, piece, address);
        }
        if self.count != 0 && !self.is_worth_it() {
            return Ok(());
        }
        self.free.sort_unstable_by(|a, b| b.cmp(a));
        let mut wave = Vec::new();
        let (mut bytes, mut own) = (0, 0);
        let until = Instant::now() + if self.count == 0 { FIRST } else { Duration::ZERO };
        while bytes < WAVE_BYTES && own < WAVE_OWN && !self.is_stopped() {
            let Some(&lane) = self.free.last() else { break };
            let Some(case) = self.next_case(until) else { break };
            let mut image = None;
            if !is_mere_fork(&case) {
                image = match self.prepare(&case, !wave.is_empty())? {
                    Prepared::Image(image) => Some(image),
                    Prepared::Later => {
                        self.waiting.push_front(case);
                        break;
                    }
                    Prepared::Never(why) => {
                        self.hand_over(Finished::failed(case.index, case.label, why))?;
                        continue;
                    }
                };
                own += 1;
                self.own += 1;
            }
            bytes += case.input.len();
            self.free.pop();
            wave.push(Start { lane, case, image });
        }
        self.launch(wave)
    }

    /// Whether so many lanes are free that a wave is worth making.
    fn is_worth_it(&self) -> bool {
        self.free.len() >= (self.width as usize / WAVE_PART).max(1)
    }

    /// Puts the inputs of the next wave on the device, while it executes.
    fn collect(&mut self) -> Result<(), BatchError> {
        if self.next.is_some() || !self.again.is_empty() || !self.is_worth_it() {
            return Ok(());
        }
        let (mut cases, mut bytes, now) = (Vec::new(), 0, Instant::now());
        while bytes < WAVE_BYTES && cases.len() < self.free.len() && !self.is_stopped() {
            let Some(case) = self.next_case(now) else { break };
            if !is_mere_fork(&case) {
                self.waiting.push_front(case);
                break;
            }
            bytes += case.input.len();
            cases.push(case);
        }
        if cases.is_empty() {
            return Ok(());
        }
        let inputs: Vec<&[u8]> = cases.iter().map(|case| &*case.input).collect();
        match self.inputs.add(self.engine.lanes.device(), &inputs) {
            Ok((piece, address)) => self.next = Some(Wave { cases, piece, address }),
            // Less may fit when the lanes are looked at again.
            Err(CudaError::OutOfMemory { .. }) => self.wait(cases),
            Err(error) => return Err(GpuError::from(error).into()),
        }
        Ok(())
    }

    /// Has cases wait in front of all others.
    fn wait(&mut self, cases: Vec<Case>) {
        for case in cases.into_iter().rev() {
            self.waiting.push_front(case);
        }
    }

    /// Makes the machine of a case that is no mere fork, and puts what is its own on the device.
    fn prepare(&mut self, case: &Case, is_wave_begun: bool) -> Result<Prepared, BatchError> {
        let engine = &mut *self.engine;
        if self.own == 0 && !is_wave_begun {
            engine.lanes.unstage()?;
            self.is_staged_full = false;
        }
        if self.is_staged_full {
            return Ok(Prepared::Later);
        }
        let template = &mut engine.template;
        let made = guarded(|| template.prepare(case)).map_err(CaseFailure::Panic);
        let mut machine = match made.and_then(|made| made.map_err(CaseFailure::Case)) {
            Ok(machine) => machine,
            Err(failure) => return Ok(Prepared::Never(failure.to_string())),
        };
        Ok(match engine.lanes.stage(&mut machine)? {
            Some(image) => Prepared::Image(image),
            None if self.own != 0 => {
                self.is_staged_full = true;
                Prepared::Later
            }
            None => Prepared::Never(GpuError::NoRoom.to_string()),
        })
    }

    /// Makes the machines of a wave, and puts their inputs on the device.
    fn launch(&mut self, wave: Vec<Start>) -> Result<(), BatchError> {
        if wave.is_empty() {
            return Ok(());
        }
        let inputs: Vec<&[u8]> = wave.iter().map(|start| &*start.case.input).collect();
        match self.inputs.add(self.engine.lanes.device(), &inputs) {
            Ok((piece, address)) => self.fork(wave, piece, address),
            Err(CudaError::OutOfMemory { .. }) => self.launch_less(wave),
            Err(error) => Err(GpuError::from(error).into()),
        }
    }

    /// Makes the machines of a wave whose inputs are in a piece of memory, from this address on.
    fn fork(&mut self, wave: Vec<Start>, piece: u64, mut input: u64) -> Result<(), BatchError> {
        let lanes = &mut self.engine.lanes;
        let numbers: Vec<u32> = wave.iter().map(|start| start.lane).collect();
        let limit = self.engine.rules.fuel.unwrap_or(u64::MAX);
        let record = Lane { limit, stride: SLICE, input_ends: 1, ..Lane::default() };
        let given: Vec<Given> = wave
            .iter()
            .map(|start| {
                let input_length = start.case.input.len() as u64;
                let given = Given { input, input_length };
                input += room(&start.case.input);
                given
            })
            .collect();
        lanes.fork(&numbers, &record, &given)?;
        let deadline = self.engine.rules.timeout.map(|timeout| Instant::now() + timeout);
        for Start { lane, case, image } in wave {
            if let Some(image) = &image {
                lanes.place(lane, image)?;
            }
            self.started += 1;
            let running = Running::new(case, piece, self.started, image.is_some());
            self.running[lane as usize] = Some(running);
            self.count += 1;
            self.deadlines.extend(deadline.map(|deadline| (deadline, lane, self.started)));
        }
        Ok(())
    }

    /// What happens when there is no memory for the input of a wave: half of it, or nothing before other
    /// machines have ended.
    fn launch_less(&mut self, mut wave: Vec<Start>) -> Result<(), BatchError> {
        let rest = wave.split_off(wave.len() / 2);
        let is_single = wave.is_empty();
        for start in rest.into_iter().rev() {
            self.own -= usize::from(start.image.is_some());
            self.free.push(start.lane);
            self.waiting.push_front(start.case);
        }
        if !is_single {
            return self.launch(wave);
        }
        if self.count == 0
            && let Some(case) = self.waiting.pop_front()
        {
            let why = GpuError::NoRoom.to_string();
            self.hand_over(Finished::failed(case.index, case.label, why))?;
        }
        Ok(())
    }

    fn round(&mut self) -> Result<(), BatchError> {
        self.cut_late()?;
        if self.count == 0 {
            return Ok(());
        }
        let begun = self.engine.lanes.begin(self.pace.slice(), self.count as u32)?;
        let collected = self.collect();
        let (round, spent) = self.engine.lanes.finish(&begun)?;
        collected?;
        self.pace.after(&round, &spent, self.count.saturating_sub(self.stopped.len()) as u32);
        if round.stopped != 0 {
            self.stopped.extend(self.engine.lanes.stopped(&round)?);
            self.stopped_since.get_or_insert_with(Instant::now);
        }
        let enough = (self.width as usize / STOPPED_PART).max(1).min(self.count);
        let wait = if self.is_output_waited_for { Duration::ZERO } else { STOPPED_WAIT };
        let is_long = |since: Instant| since.elapsed() >= wait;
        if self.stopped.len() >= enough || self.stopped_since.is_some_and(is_long) {
            self.look_at_stopped()?;
        }
        Ok(())
    }

    /// Takes the output of lanes that have stopped. Some of them go on, the machines of others have come to their
    /// end.
    fn look_at_stopped(&mut self) -> Result<(), BatchError> {
        let mut stopped = std::mem::take(&mut self.stopped);
        self.stopped_since = None;
        if stopped.is_empty() {
            return Ok(());
        }
        stopped.sort_unstable();
        let lanes = &mut self.engine.lanes;
        let records = lanes.records(&stopped)?;
        let lengths = stopped.iter().zip(&records);
        let lengths: Vec<_> = lengths.map(|(&lane, record)| (lane, record.output_length)).collect();
        let (running, limit) = (&mut self.running, self.engine.rules.output);
        lanes.outputs(&lengths, |at, output| {
            if let Some(running) = &mut running[stopped[at] as usize] {
                running.take(output, limit);
            }
        })?;
        let (mut full, mut ends) = (Vec::new(), Vec::new());
        for (&lane, record) in stopped.iter().zip(records) {
            if self.running[lane as usize].is_none() {
                continue;
            }
            if record.stop == stop::OUTPUT {
                full.push(lane);
            } else {
                ends.push((lane, record));
            }
        }
        self.is_output_waited_for = !full.is_empty();
        if !full.is_empty() {
            self.engine.host_stops += full.len() as u64;
            lanes.resume_all(&full)?;
        }
        self.end(ends)
    }

    /// Has machines stop that have had their time.
    fn cut_late(&mut self) -> Result<(), BatchError> {
        let now = Instant::now();
        if self.deadlines.front().is_some_and(|&(deadline, ..)| deadline <= now) {
            self.look_at_stopped()?;
        }
        let mut late = Vec::new();
        while let Some(&(deadline, lane, number)) = self.deadlines.front() {
            let running = self.running[lane as usize].as_mut();
            let running = running.filter(|running| running.number == number && !running.is_late);
            if running.is_some() && deadline > now {
                break;
            }
            self.deadlines.pop_front();
            if let Some(running) = running {
                running.is_late = true;
                late.push(lane);
            }
        }
        if !late.is_empty() {
            self.engine.lanes.cut(&late)?;
        }
        Ok(())
    }

    /// Hands over machines that have come to their end, and frees their lanes.
    fn end(&mut self, ends: Vec<(u32, Lane)>) -> Result<(), BatchError> {
        let lanes = &mut self.engine.lanes;
        let numbers: Vec<u32> = ends.iter().map(|&(lane, _)| lane).collect();
        let hashes = lanes.hashes(&numbers)?;
        for ((lane, record), state_hash) in ends.into_iter().zip(hashes) {
            let Some(running) = self.running[lane as usize].take() else { continue };
            self.engine.calls += record.calls;
            self.inputs.end(running.piece, self.engine.lanes.device());
            self.count -= 1;
            self.own -= usize::from(running.is_own);
            if lane < self.width {
                self.free.push(lane);
            }
            if !record.frames.is_starved() {
                let outcome = outcome(&record, running.is_late);
                self.hand_over(running.finished(outcome, record.total, state_hash))?;
            } else if self.width > WARP {
                self.again.push(running.case);
            } else {
                let Case { index, label, .. } = running.case;
                self.hand_over(Finished::failed(index, label, GpuError::NoRoom.to_string()))?;
            }
        }
        Ok(())
    }

    /// Gives half as many lanes all the memory, for cases whose machines were refused some.
    fn narrow(&mut self) -> Result<(), BatchError> {
        self.engine.lanes.clear_all()?;
        self.width = (self.width / 2).next_multiple_of(WARP);
        self.free = (0..self.width).rev().collect();
        if let Some(Wave { cases, piece, .. }) = self.next.take() {
            for _ in &cases {
                self.inputs.end(piece, self.engine.lanes.device());
            }
            self.wait(cases);
        }
        self.waiting.extend(self.again.drain(..));
        Ok(())
    }
}

/// Whether a machine for the case need not be made on the host.
fn is_mere_fork(case: &Case) -> bool {
    Template::is_forked_for(case) && case.files.is_empty()
}

/// What has become of a case that is no mere fork.
enum Prepared {
    /// A machine with this image.
    Image(Vec<u8>),
    /// There is no room for it now.
    Later,
    /// There is no machine; why.
    Never(String),
}

/// Why a machine could not be made.
#[derive(Debug, thiserror::Error)]
enum CaseFailure {
    #[error(transparent)]
    Case(CaseError),
    #[error("{0}")]
    Panic(String),
}
