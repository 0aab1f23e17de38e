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
    /// The piece of memory that its input is in.
    pub(super) piece: u64,
    /// Tells it from the machines that the lane had before.
    pub(super) number: u64,
    /// Whether it was made on the host.
    pub(super) is_own: bool,
    /// Whether it has been told to stop, as its time is over.
    pub(super) is_late: bool,
    stdout: Captured,
    stderr: Captured,
}

impl Running {
    pub(super) fn new(case: Case, piece: u64, number: u64, is_own: bool) -> Running {
        let (stdout, stderr) = Default::default();
        Running { case, piece, number, is_own, is_late: false, stdout, stderr }
    }

    /// Takes records of output, of which `limit` bytes a stream are kept.
    pub(super) fn take(&mut self, output: &[u8], limit: usize) {
        if self.stdout.bytes.is_empty() {
            self.stdout.bytes.reserve(output.len().min(limit));
        }
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

/// What the addresses of inputs are multiples of, so that words are copied from there.
const INPUT_ALIGNMENT: u64 = 8;

/// Bytes from an input to the one that follows it.
pub(super) fn room(input: &[u8]) -> u64 {
    (input.len() as u64).next_multiple_of(INPUT_ALIGNMENT)
}

/// Memory for inputs is taken in pieces of so many bytes, or as many times as much as is needed if that is
/// less: the driver may let all other work end first.
const PIECE: u64 = 512 << 20;
const TIMES: u64 = 8;

/// The inputs of machines.
#[derive(Default)]
pub(super) struct Inputs {
    /// Address of each piece of memory, and how many machines have their input there.
    pieces: HashMap<u64, (u64, usize)>,
    /// Number of the last piece, and how much of it is taken and there is.
    last: u64,
    used: u64,
    size: u64,
}

impl Inputs {
    /// Puts the inputs of machines on the device; the number of the piece and the address of the first.
    /// Each of the others follows in its [`room`].
    pub(super) fn add(
        &mut self,
        device: &impl Device,
        inputs: &[&[u8]],
    ) -> Result<(u64, u64), CudaError> {
        let bytes = inputs.iter().map(|input| room(input)).sum::<u64>().max(1);
        if self.size - self.used < bytes {
            if self.drop_empty(self.last, device) {
                (self.used, self.size) = (0, 0);
            }
            let wanted = (TIMES * bytes).min(PIECE).max(bytes);
            let (address, size) = match device.reserve(wanted) {
                Err(CudaError::OutOfMemory { .. }) => (device.reserve(bytes)?, bytes),
                reserved => (reserved?, wanted),
            };
            self.last += 1;
            (self.used, self.size) = (0, size);
            self.pieces.insert(self.last, (address, 0));
        }
        let Some((start, machines)) = self.pieces.get_mut(&self.last) else {
            unreachable!("the last piece stays as long as there is room in it")
        };
        let address = *start + self.used;
        device.upload_parts(address, inputs, INPUT_ALIGNMENT)?;
        *machines += inputs.len();
        self.used += bytes;
        Ok((self.last, address))
    }

    /// A machine with an input in this piece has ended.
    pub(super) fn end(&mut self, piece: u64, device: &impl Device) {
        let Some((_, machines)) = self.pieces.get_mut(&piece) else { return };
        *machines -= 1;
        if piece != self.last {
            self.drop_empty(piece, device);
        } else if *machines == 0 {
            self.used = 0;
        }
    }

    /// Frees the piece if no machine has its input there; whether it did.
    fn drop_empty(&mut self, piece: u64, device: &impl Device) -> bool {
        let Some(&(address, 0)) = self.pieces.get(&piece) else { return false };
        device.free(address);
        self.pieces.remove(&piece).is_some()
    }

    /// Nothing runs any more.
    pub(super) fn free_all(&mut self, device: &impl Device) {
        for (_, (address, _)) in self.pieces.drain() {
            device.free(address);
        }
        (self.used, self.size) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::{Inputs, room};
    use crate::Emulation;
    use ncpu_cuda::Device;

    #[test]
    fn inputs_follow_each_other_and_memory_is_used_again() {
        let device = Emulation::default();
        let mut inputs = Inputs::default();
        let (first, address) =
            inputs.add(&device, &[b"one", b"", b"twenty bytes of input"]).unwrap();
        assert_eq!(address % 8, 0);
        let mut bytes = [0; 3];
        device.download(address, &mut bytes).unwrap();
        assert_eq!(&bytes, b"one");
        let mut bytes = [0; 21];
        device.download(address + room(b"one") + room(b""), &mut bytes).unwrap();
        assert_eq!(&bytes, b"twenty bytes of input");

        let (second, behind) = inputs.add(&device, &[b"more"]).unwrap();
        assert_eq!((second, behind), (first, address + 8 + 24));
        (0..4).for_each(|_| inputs.end(first, &device));
        assert_eq!(inputs.add(&device, &[b"again"]).unwrap(), (first, address));

        let large = [7; 1000];
        let (third, elsewhere) = inputs.add(&device, &[&large]).unwrap();
        assert_ne!(third, first);
        let mut bytes = [0; 1000];
        device.download(elsewhere, &mut bytes).unwrap();
        assert_eq!(bytes, large);
        let mut bytes = [0; 5];
        device.download(address, &mut bytes).unwrap();
        assert_eq!(&bytes, b"again");
        inputs.end(first, &device);
        assert_eq!(inputs.pieces.len(), 1, "the first piece is free");
        inputs.end(third, &device);
        inputs.free_all(&device);
        assert!(inputs.pieces.is_empty());
    }
}
