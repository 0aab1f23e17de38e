//! What the host knows of machines on lanes.

use ncpu_cuda::{CudaError, Device};
use ncpu_engine::batch::{Captured, Case, Finished, Outcome};
use ncpu_gpu_kernel::Lane;
use ncpu_gpu_kernel::batch::stop;
use ncpu_gpu_kernel::serving::for_each_output;
use std::collections::HashMap;

/// A machine on a lane.
pub(super) struct Running {
    pub(super) case: Case,
    /// The wave that its input is in.
    pub(super) wave: u64,
    /// Whether it was made on the host.
    pub(super) is_own: bool,
    /// Whether it has been told to stop, as its time is over.
    pub(super) is_late: bool,
    stdout: Captured,
    stderr: Captured,
}

impl Running {
    pub(super) fn new(case: Case, wave: u64, is_own: bool) -> Running {
        let (stdout, stderr) = Default::default();
        Running { case, wave, is_own, is_late: false, stdout, stderr }
    }

    /// Takes records of output, of which `limit` bytes a stream are kept.
    pub(super) fn take(&mut self, output: &[u8], limit: usize) {
        for_each_output(output, |stream, bytes| {
            let captured = if stream == 2 { &mut self.stderr } else { &mut self.stdout };
            captured.append(bytes, limit);
        });
    }

    pub(super) fn finished(self, outcome: Outcome, instructions: u64, hash: u128) -> Finished {
        let Running { case, stdout, stderr, .. } = self;
        let (index, label) = (case.index, case.label);
        Finished { index, label, outcome, instructions, state_hash: hash, stdout, stderr }
    }
}

/// How a machine has ended whose lane has stopped with this record.
pub(super) fn outcome(record: &Lane, is_late: bool) -> Outcome {
    match record.stop {
        stop::ENDED => Outcome::ended(record.exit_status),
        stop::LIMIT if is_late => Outcome::Timeout,
        stop::LIMIT => Outcome::Fuel,
        stop::DEADLOCK => Outcome::Deadlock,
        // Machines of a batch have no host folders, and a clock of their own.
        other => Outcome::Failed(format!("the machine asks the host for something ({other})")),
    }
}

/// The inputs of machines that were made together.
#[derive(Default)]
pub(super) struct Waves {
    /// Address of each wave's input, and how many of its machines run.
    waves: HashMap<u64, (u64, usize)>,
    last: u64,
}

impl Waves {
    /// Puts the inputs of so many machines on the device, and gives the wave's number.
    pub(super) fn add(
        &mut self,
        device: &impl Device,
        input: &[u8],
        machines: usize,
    ) -> Result<u64, CudaError> {
        let address = device.alloc(input.len().max(1) as u64)?;
        self.last += 1;
        self.waves.insert(self.last, (address, machines));
        device.upload(address, input)?;
        Ok(self.last)
    }

    /// Where a wave's input is.
    pub(super) fn address(&self, wave: u64) -> u64 {
        self.waves.get(&wave).map_or(0, |&(address, _)| address)
    }

    /// A machine of the wave has ended.
    pub(super) fn end(&mut self, wave: u64, device: &impl Device) {
        let Some((address, machines)) = self.waves.get_mut(&wave) else { return };
        *machines -= 1;
        if *machines == 0 {
            device.free(*address);
            self.waves.remove(&wave);
        }
    }

    /// Nothing runs any more.
    pub(super) fn free_all(&mut self, device: &impl Device) {
        for (_, (address, _)) in self.waves.drain() {
            device.free(address);
        }
    }
}
