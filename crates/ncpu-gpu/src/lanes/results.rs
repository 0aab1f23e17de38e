//! What has become of lanes, and what they are told for it.

use super::Lanes;
use crate::error::Result;
use crate::memory::GATHER;
use crate::plain::{Plain, pointer};
use ncpu_cuda::Device;
use ncpu_gpu_kernel::batch::{WARP, state};
use ncpu_gpu_kernel::{Lane, Round};
use ncpu_machine::PAGE_SIZE;
use std::mem::offset_of;

/// Lanes whose output is fetched at a time.
const OUTPUTS: usize = 1024;
/// Machines whose state hashes a launch computes: some milliseconds' work where they are small.
const HASHES: usize = 4096;

impl<D: Device> Lanes<D> {
    /// The lanes that stopped in the last round, in order.
    ///
    /// # Errors
    /// When a call of the driver fails.
    pub fn stopped(&self, round: &Round) -> Result<Vec<u32>> {
        let mut lanes = self.numbers(self.record.stopped.addr() as u64, round.stopped)?;
        lanes.sort_unstable();
        Ok(lanes)
    }

    pub(super) fn image_address(&self, lane: u32) -> u64 {
        self.record.images.addr() as u64 + u64::from(lane) * self.record.image_stride
    }

    pub(super) fn record_address(&self, lane: u32) -> u64 {
        self.record.records.addr() as u64 + u64::from(lane) * size_of::<Lane>() as u64
    }

    /// The record of a lane.
    ///
    /// # Errors
    /// When a call of the driver fails.
    pub fn lane(&self, lane: u32) -> Result<Lane> {
        let mut record = Lane::default();
        self.device.download(self.record_address(lane), record.bytes_mut())?;
        Ok(record)
    }

    /// The records of some lanes.
    ///
    /// # Errors
    /// When a call of the driver fails.
    pub fn records(&mut self, lanes: &[u32]) -> Result<Vec<Lane>> {
        const BYTES: usize = size_of::<Lane>();
        let bytes = self.rows(self.record_address(0), BYTES, BYTES, lanes)?;
        let record = |bytes: &[u8]| {
            let mut record = Lane::default();
            record.bytes_mut().copy_from_slice(bytes);
            record
        };
        Ok(bytes.chunks_exact(BYTES).map(record).collect())
    }

    /// Shows what is in some lanes' rooms for output, whose lengths are given: each with its place in the
    /// list.
    ///
    /// # Errors
    /// When a call of the driver fails.
    pub fn outputs(
        &mut self,
        lanes: &[(u32, u64)],
        mut show: impl FnMut(usize, &[u8]),
    ) -> Result<()> {
        for (group, lanes) in lanes.chunks(OUTPUTS).enumerate() {
            let longest = lanes.iter().map(|&(_, length)| length).max();
            let longest = longest.unwrap_or(0).min(self.record.output_capacity) as usize;
            if longest == 0 {
                continue;
            }
            let numbers: Vec<u32> = lanes.iter().map(|&(lane, _)| lane).collect();
            let output = self.record.output.addr() as u64;
            let pitch = self.record.output_capacity as usize;
            let rows = self.rows(output, pitch, longest, &numbers)?;
            for (at, (row, &(_, length))) in rows.chunks_exact(longest).zip(lanes).enumerate() {
                show(group * OUTPUTS + at, &row[..length as usize]);
            }
        }
        Ok(())
    }

    /// The first `width` bytes of each of these lanes' rows of a table, which are `pitch` bytes apart.
    fn rows(&mut self, table: u64, pitch: usize, width: usize, lanes: &[u32]) -> Result<Vec<u8>> {
        const ROOM: usize = GATHER as usize * PAGE_SIZE;
        let mut all = vec![0; lanes.len() * width];
        if width > ROOM {
            for (row, &lane) in all.chunks_exact_mut(width).zip(lanes) {
                self.device.download(table + u64::from(lane) * pitch as u64, row)?;
            }
            return Ok(all);
        }
        self.record.rows = pointer(table);
        (self.record.row_pitch, self.record.row_width) = (pitch as u64, width as u64);
        let each = ROOM / width;
        for (rows, lanes) in all.chunks_mut(each * width).zip(lanes.chunks(each)) {
            self.choose(lanes)?;
            self.launch("ncpu_collect", lanes.len() as u32 * WARP)?;
            self.device.download(self.record.gathered.addr() as u64, rows)?;
        }
        Ok(all)
    }

    /// Lets stopped lanes go on whose output has been taken.
    ///
    /// # Errors
    /// When a call of the driver fails.
    pub fn resume_all(&mut self, lanes: &[u32]) -> Result<()> {
        self.choose(lanes)?;
        self.launch("ncpu_resume", lanes.len() as u32)
    }

    /// Has lanes that have not stopped do so in the next round, as if they were at their limit.
    ///
    /// # Errors
    /// When a call of the driver fails.
    pub fn cut(&mut self, lanes: &[u32]) -> Result<()> {
        self.choose(lanes)?;
        self.launch("ncpu_cut", lanes.len() as u32)
    }

    /// Makes a stopped lane go on with this record.
    ///
    /// # Errors
    /// When a call of the driver fails.
    pub fn resume(&self, lane: u32, record: &Lane) -> Result<()> {
        let record = Lane { state: state::SERVE, ..*record };
        Ok(self.device.upload(self.record_address(lane), record.bytes())?)
    }

    /// Computes the state hashes of lanes, which are then in their records.
    ///
    /// # Errors
    /// When a call of the driver fails.
    pub fn hash(&mut self, lanes: &[u32]) -> Result<()> {
        for lanes in lanes.chunks(HASHES) {
            self.choose(lanes)?;
            self.launch("ncpu_hash", lanes.len() as u32 * WARP)?;
        }
        Ok(())
    }

    /// The state hashes of lanes.
    ///
    /// # Errors
    /// When a call of the driver fails.
    pub fn hashes(&mut self, lanes: &[u32]) -> Result<Vec<u128>> {
        if lanes.is_empty() {
            return Ok(Vec::new());
        }
        self.hash(lanes)?;
        let table = self.record_address(0) + offset_of!(Lane, hash) as u64;
        let bytes = self.rows(table, size_of::<Lane>(), size_of::<u128>(), lanes)?;
        Ok(bytes.as_chunks().0.iter().copied().map(u128::from_le_bytes).collect())
    }
}
