//! Cases on the lanes of a GPU.
//!
//! The runner is an ordinary program, so each lane is a machine that runs it, with some cases of one
//! row as its standard input. Whatever a machine does is compared with the same machine on the CPU
//! engine, bit by bit: what the runner saw of each case, the number of instructions and the state
//! hash. Signals, their frames and code that changes are thus part of the comparison, and nothing is
//! explained away. Against qemu, the [known](crate::known) differences count as for the interpreter.

use crate::case::Case;
use crate::qemu::DATA_BYTES;
use anyhow::{Context, Result};
use ncpu_cuda::Device;
use ncpu_engine::batch::{self, BatchEngine, CpuBatch, Finished, Rules, Template};
use ncpu_engine::{Boot, Pool, Program};
use ncpu_gpu::GpuBatch;
use ncpu_linux::Limits;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::thread::available_parallelism;

/// Instructions that no machine comes near.
const FUEL: u64 = 1 << 40;

/// Small machines.
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

/// The runner as a machine, which others are forked from.
pub(crate) struct Guest {
    template: Template,
    rules: Rules,
    cores: NonZeroUsize,
}

impl Guest {
    /// Boots it.
    pub(crate) fn boot(runner: &Path) -> Result<Guest> {
        let root = ncpu_image::builtin_with(&[(Path::new("/bin/runner"), runner)])?;
        let cores = available_parallelism()?;
        let pool = Pool::new(root, Template::frames(LIMITS, cores.get() + 2))?;
        let program = Program {
            path: b"/bin/runner".to_vec(),
            arguments: vec![b"runner".to_vec()],
            ..Program::default()
        };
        let template = Template::boot(&pool, LIMITS, Boot::default(), program)?;
        Ok(Guest { template, rules: Rules { fuel: Some(FUEL), ..Rules::default() }, cores })
    }

    /// The engine of the host's processor.
    pub(crate) fn on_cpu(&mut self) -> Result<CpuBatch> {
        Ok(CpuBatch::new(self.template.fork()?, self.rules, self.cores))
    }

    /// The engine of a device, for up to `lanes` machines at a time.
    pub(crate) fn on_lanes<D: Device>(&mut self, device: D, lanes: u32) -> Result<GpuBatch<D>> {
        let lanes = NonZeroU32::new(lanes).context("no lanes")?;
        Ok(GpuBatch::new(device, self.template.fork()?, self.rules, Some(lanes), None)?)
    }
}

/// What becomes of machines with these inputs, in their order.
pub(crate) fn ends(engine: &mut dyn BatchEngine, inputs: &[Vec<u8>]) -> Result<Vec<Finished>> {
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
