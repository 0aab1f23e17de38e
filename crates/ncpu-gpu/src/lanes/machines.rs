//! Machines that lanes are given, and that come back from them.

#![allow(unsafe_code)]

use super::Lanes;
use crate::error::Result;
use crate::memory::{BLOCK_ENTRY, GATHER, image_pages};
use crate::plain::{BLOCK, Plain};
use ncpu_cuda::Device;
use ncpu_engine::Machine;
use ncpu_gpu_kernel::batch::WARP;
use ncpu_gpu_kernel::{Batch, Given, Lane};
use ncpu_linux::{Layout, is_zero};
use ncpu_machine::mem::Page;
use ncpu_machine::{BlockState, Core, PAGE_SIZE};
use std::mem::offset_of;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

/// Bytes between two parts that are copied along, which takes no longer than another call.
const COPIED_ALONG: usize = 1 << 16;
/// Warps that make forks, at least: enough for the speed of the device's memory.
const FORKING: u32 = 1 << 13;

impl<D: Device> Lanes<D> {
    /// Makes lanes forks of the template, with copies of this record; what the host has no part in is
    /// set. Each lane gets the input of the same place.
    ///
    /// # Errors
    /// When a call of the driver fails.
    ///
    /// # Panics
    /// When there are not as many inputs as lanes.
    pub fn fork(&mut self, lanes: &[u32], record: &Lane, given: &[Given]) -> Result<()> {
        assert_eq!(lanes.len(), given.len(), "an input for each lane");
        let count = lanes.len() as u32;
        self.record.fork_warps = FORKING.div_ceil(count.max(1)).min(image_pages(&self.layout));
        self.choose(lanes)?;
        self.device.upload(self.record.fresh.addr() as u64, record.bytes())?;
        // SAFETY: integers without padding.
        let given = unsafe {
            std::slice::from_raw_parts(given.as_ptr().cast(), std::mem::size_of_val(given))
        };
        self.device.upload(self.record.given.addr() as u64, given)?;
        self.launch("ncpu_fork", count * self.record.fork_warps * WARP)?;
        self.launch("ncpu_bind", count)
    }

    pub(super) fn choose(&mut self, lanes: &[u32]) -> Result<()> {
        let bytes: Vec<u8> = lanes.iter().flat_map(|lane| lane.to_le_bytes()).collect();
        self.device.upload(self.record.chosen.addr() as u64, &bytes)?;
        self.record.chosen_count = lanes.len() as u32;
        self.send()
    }

    /// Leaves all lanes without a machine, and their frames to whoever needs them.
    ///
    /// # Errors
    /// When a call of the driver fails.
    pub fn clear_all(&mut self) -> Result<()> {
        let records = u64::from(self.lanes) * size_of::<Lane>() as u64;
        self.device.fill(self.record_address(0), 0, records)?;
        let frames = u64::from(self.groups * self.record.frame_limit) * BLOCK_ENTRY;
        self.device.fill(self.record.blocks.addr() as u64, 0, frames)?;
        let state = BlockState::new(self.blocks, self.groups);
        self.device.upload(self.record.block_state.addr() as u64, state.bytes())?;
        self.exact = false;
        self.staged = 0;
        self.drop_code()
    }

    pub(super) fn drop_code(&self) -> Result<()> {
        self.launch("ncpu_lift_clear", 1)?;
        self.launch("ncpu_lift_forget", self.lanes)
    }

    /// Puts the pages of a machine of its own into device memory that the template does not have, and
    /// gives the machine's image, for [`Lanes::place`]. `None` if there is no room beside the others.
    ///
    /// # Errors
    /// When a call of the driver fails.
    pub fn stage(&mut self, machine: &mut Machine) -> Result<Option<Vec<u8>>> {
        let first = self.own.frames() + self.staged;
        let mut image = machine.image().to_vec();
        let mut frames = Vec::new();
        machine.with_kernel(|kernel| {
            kernel.mem.for_each_page(0, 1, |page, _, bytes| {
                let entry = frame_entry(&self.layout, page.0);
                let known = self.own.frame(entry).filter(|&frame| self.own.bytes(frame) == bytes);
                let frame = known.unwrap_or_else(|| {
                    let frame = first + (frames.len() / PAGE_SIZE) as u32;
                    frames.extend_from_slice(bytes);
                    frame
                });
                image[entry..entry + 4].copy_from_slice(&frame.to_le_bytes());
            });
        });
        let count = (frames.len() / PAGE_SIZE) as u32;
        if first + count > self.record.shared_frames {
            return Ok(None);
        }
        let at = self.record.shared.addr() as u64 + u64::from(first) * PAGE_SIZE as u64;
        if count != 0 {
            self.device.upload(at, &frames)?;
        }
        self.staged += count;
        Ok(Some(image))
    }

    /// Makes a lane that has just been forked, and not run, the machine with this image.
    ///
    /// # Errors
    /// When a call of the driver fails.
    pub fn place(&self, lane: u32, image: &[u8]) -> Result<()> {
        Ok(self.device.upload(self.image_address(lane), image)?)
    }

    /// Gives the room for staged pages back. No lane may run a machine that was staged.
    ///
    /// # Errors
    /// When a call of the driver fails.
    pub fn unstage(&mut self) -> Result<()> {
        if self.staged != 0 {
            self.staged = 0;
            // Code from those frames is known by their numbers, which others get now.
            self.drop_code()?;
        }
        Ok(())
    }

    /// A copy of a lane's machine on the host, in the template's pool.
    ///
    /// # Errors
    /// When the host has no memory for it, or a call of the driver fails.
    pub fn fetch(&mut self, lane: u32) -> Result<Machine> {
        let start = Instant::now();
        self.choose(&[lane])?;
        let parts = self.occupied()?;
        let at = self.image_address(lane);
        let running = self.lane(lane)?;
        let kept = self.record.kept.wrapping_add(lane as usize).addr() as u64;
        let (pool, layout) = (Arc::clone(&self.pool), self.layout);
        let device = &self.device;
        let fill = |image: &mut [u8]| {
            for part in parts {
                let (start, end) = (part.start, part.end.min(image.len()));
                device.download(at + start as u64, &mut image[start..end])?;
            }
            if running.kept != 0 {
                let core = layout.core(running.task as usize);
                device.download(kept, &mut image[core..core + size_of::<Core>()])?;
            }
            Ok(())
        };
        // The record is sent again for each group of pages.
        let (record, batch) = (&mut self.record, self.batch);
        let gather = |pages: &[u32]| -> Result<Vec<u8>> {
            let mut bytes = vec![0; pages.len() * PAGE_SIZE];
            let groups = bytes.chunks_mut(GATHER as usize * PAGE_SIZE);
            for (pages, bytes) in pages.chunks(GATHER as usize).zip(groups) {
                gather(device, record, batch, pages, bytes)?;
            }
            Ok(bytes)
        };
        let machine = Machine::rebuild(&pool, &layout, fill, gather);
        self.fetching += start.elapsed();
        machine
    }

    /// The parts of the chosen lane's image that are not all zero.
    fn occupied(&self) -> Result<Vec<Range<usize>>> {
        let at = self.record.occupied.addr() as u64;
        let pages = image_pages(&self.layout);
        let mut marks = vec![0; 4 * pages as usize];
        self.device.fill(at, 0, marks.len() as u64)?;
        self.launch("ncpu_scan", pages * WARP)?;
        self.device.download(at, &mut marks)?;
        Ok(used_parts(marks.chunks(4).map(|mark| mark != [0; 4])))
    }
}

/// Fetches pages of the chosen lane, whose record is at `batch`.
fn gather<D: Device>(
    device: &D,
    record: &mut Batch,
    batch: u64,
    pages: &[u32],
    to: &mut [u8],
) -> Result<()> {
    let list: Vec<u8> = pages.iter().flat_map(|page| page.to_le_bytes()).collect();
    device.upload(record.gather.addr() as u64, &list)?;
    record.gather_count = pages.len() as u32;
    device.upload(batch, record.bytes())?;
    // SAFETY: the entry point takes the batch, whose parts are there.
    unsafe { device.launch("ncpu_gather", pages.len() as u32 * WARP, BLOCK, batch)? };
    Ok(device.download(record.gathered.addr() as u64, to)?)
}

/// The bytes of the 4 KiB that are in use, in parts that are far enough from each other to be copied by
/// themselves.
pub(super) fn used_parts(are_used: impl Iterator<Item = bool>) -> Vec<Range<usize>> {
    let mut parts: Vec<Range<usize>> = Vec::new();
    for (page, _) in are_used.enumerate().filter(|&(_, is_used)| is_used) {
        let (start, end) = (page * PAGE_SIZE, (page + 1) * PAGE_SIZE);
        match parts.last_mut() {
            Some(last) if start - last.end <= COPIED_ALONG => last.end = end,
            _ => parts.push(start..end),
        }
    }
    parts
}

/// A machine's image with its frames numbered from 1, and these frames, with frame 0 first.
pub(super) struct Flat {
    pub(super) image: Vec<u8>,
    pub(super) frames: Vec<u8>,
}

impl Flat {
    pub(super) fn of(machine: &mut Machine) -> Flat {
        let mut image = vec![0; machine.image().len()];
        for (to, from) in image.chunks_mut(PAGE_SIZE).zip(machine.image().chunks(PAGE_SIZE)) {
            if !is_zero(from) {
                to.copy_from_slice(from);
            }
        }
        let layout = *machine.layout();
        let mut frames = vec![0; PAGE_SIZE];
        machine.with_kernel(|kernel| {
            kernel.mem.for_each_page(0, 1, |page, _, bytes| {
                let number = (frames.len() / PAGE_SIZE) as u32;
                let at = frame_entry(&layout, page.0);
                image[at..at + 4].copy_from_slice(&number.to_le_bytes());
                frames.extend_from_slice(bytes);
            });
        });
        Flat { image, frames }
    }

    /// How many frames there are, counting frame 0.
    pub(super) fn frames(&self) -> u32 {
        (self.frames.len() / PAGE_SIZE) as u32
    }

    /// The frame at an entry of the page table, if it is in use.
    fn frame(&self, entry: usize) -> Option<u32> {
        let number = u32::from_le_bytes(*self.image[entry..].first_chunk()?);
        (1..self.frames()).contains(&number).then_some(number)
    }

    fn bytes(&self, frame: u32) -> &[u8] {
        &self.frames[frame as usize * PAGE_SIZE..][..PAGE_SIZE]
    }
}

/// Where in an image the frame number of a physical page is.
fn frame_entry(layout: &Layout, page: u32) -> usize {
    layout.page_table().start + page as usize * size_of::<Page>() + offset_of!(Page, frame)
}
