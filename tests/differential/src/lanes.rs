//! Cases on the lanes of a GPU.
//!
//! The runner is an ordinary program, so each lane is a machine that runs it, with some cases of one
//! row as its standard input. Whatever a machine does is compared with the same machine on the CPU
//! engine, bit by bit: what the runner saw of each case, the number of instructions and the state
//! hash. Signals, their frames and code that changes are thus part of the comparison, and nothing is
//! explained away. Against qemu, the [known](crate::known) differences count as for the interpreter.

use crate::case::Case;
use crate::qemu::DATA_BYTES;
use anyhow::{Context, Result, bail, ensure};
use ncpu_cuda::Device;
use ncpu_engine::batch::{
    self, BatchEngine, Captured, CpuBatch, Finished, Outcome, Rules, Template,
};
use ncpu_engine::{Boot, Pool, Program};
use ncpu_gpu::{Lanes, Plan};
use ncpu_gpu_kernel::Lane;
use ncpu_gpu_kernel::batch::stop;
use ncpu_linux::Limits;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::thread::available_parallelism;

/// Most instructions of a lane in one launch.
const SLICE: u32 = 1 << 16;
/// Instructions after which a driver looks at a machine anyway.
const STRIDE: u64 = 10_000_000;
/// Instructions that no machine comes near.
const FUEL: u64 = 1 << 40;
/// Pages of the runner beside its cases: its own, those that it maps, and their tables.
const PAGES: u64 = 96;
/// Bytes of a record's header in a lane's room for output.
const HEADER: usize = 4;

const LIMITS: Limits = Limits {
    pages: 512,
    tasks: 4,
    mappings: 64,
    files: 16,
    inodes: 64,
    dentries: 64,
    objects: 4,
    console: 1 << 14,
};

/// The runner's standard input for cases that run after each other.
pub(crate) fn input(data: &[u8; DATA_BYTES], cases: &[Case]) -> Vec<u8> {
    let mut bytes = data.to_vec();
    bytes.extend((cases.len() as u64).to_le_bytes());
    bytes.extend(cases.iter().flat_map(|case| case.as_bytes()));
    bytes
}

/// The cases after execution, and the data area.
pub(crate) fn output(bytes: &[u8], cases: usize) -> Result<(Vec<Case>, &[u8; DATA_BYTES])> {
    let (after, data) =
        bytes.split_at_checked(cases * Case::BYTES).context("the runner ended early")?;
    let data = data.try_into().context("the runner wrote no data area")?;
    Ok((after.as_chunks().0.iter().map(Case::from_bytes).collect(), data))
}

/// The runner as a machine.
pub(crate) struct Guest {
    template: Template,
    rules: Rules,
}

impl Guest {
    /// Boots it.
    pub(crate) fn boot(runner: &Path) -> Result<Guest> {
        let root = ncpu_image::builtin_with(&[(Path::new("/bin/runner"), runner)])?;
        let cores = available_parallelism()?.get();
        let pool = Pool::new(root, Template::frames(LIMITS, cores))?;
        let program = Program {
            path: b"/bin/runner".to_vec(),
            arguments: vec![b"runner".to_vec()],
            ..Program::default()
        };
        let template = Template::boot(&pool, LIMITS, Boot::default(), program)?;
        Ok(Guest { template, rules: Rules { fuel: Some(FUEL), ..Rules::default() } })
    }

    /// What becomes of machines with these inputs on the host's processor.
    pub(crate) fn on_cpu(&mut self, inputs: &[Vec<u8>]) -> Result<Vec<Finished>> {
        let cores = available_parallelism()?;
        let mut engine = CpuBatch::new(self.template.fork()?, self.rules, cores);
        let mut cases = inputs.iter().enumerate().map(|(index, input)| batch::Case {
            index: index as u64,
            input: input.clone(),
            ..batch::Case::default()
        });
        let mut ends = Vec::with_capacity(inputs.len());
        let mut sink = |finished| {
            ends.push(finished);
            Ok(())
        };
        engine.run(&mut cases, &AtomicBool::new(false), &mut sink)?;
        ends.sort_by_key(|finished| finished.index);
        Ok(ends)
    }

    /// Lanes of a device for machines that are given up to `longest` bytes.
    pub(crate) fn lanes<D: Device>(
        &mut self,
        device: D,
        lanes: u32,
        longest: usize,
    ) -> Result<Lanes<D>> {
        // The cases are in the runner's memory, and may be copied once.
        let pages = PAGES + 2 * longest.div_ceil(4096) as u64;
        let plan = Plan {
            lanes,
            spread: lanes > 1,
            frames: u64::from(lanes.next_multiple_of(32)) * pages,
            output: (longest + longest / 64 + (64 << 10)) as u64,
            has_folders: false,
        };
        Ok(Lanes::new(device, self.template.machine(), &plan)?)
    }
}

/// What becomes of machines with these inputs, one on each lane.
pub(crate) fn on_lanes<D: Device>(
    lanes: &mut Lanes<D>,
    inputs: &[Vec<u8>],
) -> Result<Vec<Finished>> {
    let whole = inputs.concat();
    let at = lanes.device().alloc(whole.len() as u64)?;
    lanes.device().upload(at, &whole)?;
    let mut next = at;
    let records: Vec<Lane> = inputs
        .iter()
        .map(|input| {
            let (input, input_length) = (next, input.len() as u64);
            next += input_length;
            let ends = Lane { limit: FUEL, stride: STRIDE, input_ends: 1, ..Lane::default() };
            Lane { input, input_length, ..ends }
        })
        .collect();
    let all: Vec<u32> = (0..inputs.len() as u32).collect();
    lanes.fork(&all, &records)?;
    let mut running = all.len();
    while running > 0 {
        running -= lanes.round(SLICE, false)?.stopped as usize;
    }
    lanes.device().free(at);
    lanes.hash(&all)?;
    let records = lanes.records(&all)?;
    all.iter().zip(&records).map(|(&lane, record)| end(lanes, lane, record)).collect()
}

fn end<D: Device>(lanes: &Lanes<D>, lane: u32, record: &Lane) -> Result<Finished> {
    let outcome = match (record.stop, record.exit_status) {
        (stop::ENDED, status) if status & 0x7f == 0 => Outcome::Exited((status >> 8) as u8),
        (stop::ENDED, status) => Outcome::Signalled((status & 0x7f) as u8),
        (stop::DEADLOCK, _) => Outcome::Deadlock,
        (stop, _) => bail!("lane {lane} stopped for reason {stop}"),
    };
    ensure!(record.output_lost == 0, "lane {lane} has no room for its output");
    let mut bytes = vec![0; record.output_length as usize];
    lanes.device().download(lanes.output(lane).0, &mut bytes)?;
    let (mut stdout, mut stderr) = (Captured::default(), Captured::default());
    let mut rest = &bytes[..];
    while let Some((header, body)) = rest.split_first_chunk::<HEADER>() {
        let count = u16::from_le_bytes([header[2], header[3]]).into();
        let (body, after) = body.split_at_checked(count).context("a record of output is torn")?;
        let stream = if header[0] == 2 { &mut stderr } else { &mut stdout };
        stream.bytes.extend_from_slice(body);
        stream.written += count as u64;
        rest = after;
    }
    let [low, high] = record.hash.map(u128::from);
    Ok(Finished {
        index: lane.into(),
        label: String::new(),
        outcome,
        instructions: record.total,
        state_hash: low | high << 64,
        stdout,
        stderr,
    })
}
