//! The same machines on the lanes of a GPU and on the CPU engine.

use crate::case::Case;
use crate::compare::Seen;
use crate::lanes::{self, Guest};
use crate::layout::BATCH;
use crate::operands::Rng;
use crate::qemu::{DATA_BYTES, Qemu, Tools};
use crate::report::RowResult;
use crate::{Source, data_area};
use anyhow::{Context, Result, ensure};
use ncpu_cuda::Device;
use ncpu_engine::batch::{Finished, Outcome};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Cases that one machine executes.
struct Job {
    /// Place of their row in the list of work.
    place: usize,
    source: Source,
    cases: Vec<Case>,
}

/// What to run, and how.
pub(crate) struct Plan<'p> {
    /// What cases are made from, with their number.
    pub(crate) work: &'p [(Source, u64)],
    /// Seed of fields and operands.
    pub(crate) seed: u64,
    /// Machines at a time.
    pub(crate) lanes: u32,
    /// Threads that compare with qemu.
    pub(crate) threads: usize,
    /// qemu, to compare with as well.
    pub(crate) tools: Option<&'p Tools>,
}

impl Plan<'_> {
    /// The same cases as those that the interpreter is given.
    fn jobs(&self) -> impl Iterator<Item = Job> {
        let seed = self.seed;
        self.work.iter().enumerate().flat_map(move |(place, &(source, count))| {
            let mut rng = Rng::new(source.name(), seed);
            let mut left = count as usize;
            std::iter::from_fn(move || {
                let size = left.min(BATCH);
                left -= size;
                let cases = (0..size).map(|index| source.case(index, &mut rng)).collect();
                (size > 0).then_some(Job { place, source, cases })
            })
        })
    }

    /// Runs everything; a result for each row, in order.
    pub(crate) fn run<D: Device>(&self, guest: &mut Guest, device: D) -> Result<Vec<RowResult>> {
        let data = data_area();
        let machines: u64 = self.work.iter().map(|(_, count)| count.div_ceil(BATCH as u64)).sum();
        let count = machines.min(self.lanes.into()) as u32;
        let (mut lanes, mut cpu) = (guest.on_lanes(device, count)?, guest.on_cpu()?);
        let rows = self.work.iter().map(|(source, _)| Mutex::new(RowResult::of(source.name())));
        let rows: Vec<_> = rows.collect();
        let mut jobs = self.jobs();
        loop {
            let wave: Vec<Job> = jobs.by_ref().take(count as usize).collect();
            if wave.is_empty() {
                break;
            }
            let inputs: Vec<_> = wave.iter().map(|job| lanes::input(&data, &job.cases)).collect();
            let ours = lanes::ends(&mut lanes, &inputs)?;
            let theirs = lanes::ends(&mut cpu, &inputs)?;
            let is_whole = ours.len() == wave.len() && theirs.len() == wave.len();
            ensure!(is_whole, "a machine is missing");
            let next = AtomicUsize::new(0);
            let worker = || -> Result<()> {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = wave.get(index) else { return Ok(()) };
                    let result = job
                        .compare(&ours[index], &theirs[index], self.tools, &data)
                        .context(job.source.name())?;
                    let row = rows[job.place].lock();
                    row.unwrap_or_else(PoisonError::into_inner).merge(&result);
                }
            };
            std::thread::scope(|scope| {
                let threads: Vec<_> =
                    (0..self.threads.max(1)).map(|_| scope.spawn(worker)).collect();
                threads.into_iter().try_for_each(|thread| thread.join().expect("no panic"))
            })?;
        }
        Ok(rows.into_iter().map(|row| row.into_inner().expect("no worker panicked")).collect())
    }
}

impl Job {
    fn compare(
        &self,
        ours: &Finished,
        cpu: &Finished,
        tools: Option<&Tools>,
        data: &[u8; DATA_BYTES],
    ) -> Result<RowResult> {
        let mut result = RowResult::of(self.source.name());
        result.cases = self.cases.len() as u64;
        let (expected, data_there) = lanes::output(&cpu.stdout.bytes, self.cases.len())
            .with_context(|| format!("on the CPU engine it ended with {:?}", cpu.outcome))?;
        ensure!(cpu.outcome == Outcome::Exited(0), "the runner ended with {:?}", cpu.outcome);
        result.undefined = expected.iter().filter(|case| case.signal == 4).count() as u64;
        let faults = expected.iter().filter(|case| case.signal != 4 && case.signal != 5);
        result.faults = faults.count() as u64;
        if ours != cpu {
            self.differences(ours, cpu, &expected, &mut result);
        }
        if let Some(tools) = tools {
            let (theirs, data_under_qemu) =
                Qemu::start(tools, self.source.model(), data)?.run(&self.cases)?;
            let mut agree = true;
            for ((before, ours), qemu) in self.cases.iter().zip(&expected).zip(&theirs) {
                if let Some(seen) = Seen::find(result.name, before, ours, qemu) {
                    // What it stored elsewhere than in its window may differ from here on.
                    agree = false;
                    result.add(&seen);
                }
            }
            ensure!(!agree || *data_there == *data_under_qemu, "a store outside of its window");
        }
        Ok(result)
    }

    /// Files every case that differs, or one difference for all if it is none of a case.
    fn differences(
        &self,
        ours: &Finished,
        cpu: &Finished,
        expected: &[Case],
        result: &mut RowResult,
    ) {
        let name = result.name;
        match lanes::output(&ours.stdout.bytes, self.cases.len()) {
            Ok((after, _)) => {
                for ((before, ours), cpu) in self.cases.iter().zip(&after).zip(expected) {
                    if let Some(seen) = Seen::find(name, before, ours, cpu) {
                        result.unequal(&Seen { peer: "cpu", ..seen });
                    }
                }
            }
            Err(error) => println!("{name}: {error:#}: {:?}", ours.outcome),
        }
        if result.unexplained == 0 {
            result.unexplained = 1;
            let state = |end: &Finished| {
                format!(
                    "{:?}, {} instructions, {:032x}",
                    end.outcome, end.instructions, end.state_hash
                )
            };
            println!("{name}: the lane ended with {}, cpu {}", state(ours), state(cpu));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ncpu_a64::ROWS;
    use ncpu_engine::batch::Captured;

    fn ended(cases: &[Case], state_hash: u128) -> Finished {
        let mut bytes: Vec<u8> = cases.iter().flat_map(|case| case.as_bytes()).collect();
        bytes.extend([0; DATA_BYTES]);
        let stdout = Captured { written: bytes.len() as u64, bytes };
        Finished {
            outcome: Outcome::Exited(0),
            stdout,
            state_hash,
            ..Finished::failed(0, String::new(), String::new())
        }
    }

    fn compared(change: fn(&mut Case), state_hash: u128) -> u64 {
        let cases = vec![Case::new(); 3];
        let mut changed = cases.clone();
        change(&mut changed[1]);
        let job = Job { place: 0, source: Source::Row(&ROWS[0]), cases: cases.clone() };
        let (ours, cpu) = (ended(&changed, state_hash), ended(&cases, 1));
        job.compare(&ours, &cpu, None, &[0; DATA_BYTES]).unwrap().unexplained
    }

    #[test]
    fn a_lane_may_differ_in_nothing() {
        assert_eq!(compared(|_| {}, 1), 0);
        assert_eq!(compared(|case| case.fpsr ^= 1, 2), 1);
        assert_eq!(compared(|case| case.v[0] ^= 1 << 51, 2), 1);
        assert_eq!(compared(|_| {}, 2), 1);
    }
}
