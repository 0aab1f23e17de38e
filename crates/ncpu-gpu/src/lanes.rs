//! Machines in device memory.

#![allow(unsafe_code)]

use crate::error::{GpuError, Result};
use crate::memory::{
    BLOCK_ENTRY, CODE_PAGES, CODE_UOPS, GATHER, Plan, frame_limit, image_pages, image_stride,
    most_lanes, movers, movers_bytes, needed, output_room, places_bytes,
};
use ncpu_cuda::{Device, Mark, Timings};
use ncpu_engine::batch::{DeviceFigures, ModuleOpening, Opening};
use ncpu_engine::{Machine, Pool};
use ncpu_gpu_kernel::batch::{LIFTS, WARP, state};
use ncpu_gpu_kernel::packed::PackedNetworks;
use ncpu_gpu_kernel::{Batch, Exchange, Given, Lane, Lift, Round, lifting};
use ncpu_linux::{Layout, is_zero};
use ncpu_machine::code::{CodeStore, DirectoryEntry, Draft, Lookup};
use ncpu_machine::mem::{Page, Tlb};
use ncpu_machine::{BlockLayout, BlockState, PAGE_SIZE};
use ncpu_neural_alu::Tallies;
use ncpu_uop::Uop;
use std::mem::offset_of;
use std::ops::Range;
use std::ptr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Threads of a block: whole warps.
pub(crate) const BLOCK: u32 = 128;
/// Lanes whose output is fetched at a time.
const OUTPUTS: usize = 1024;
/// Bytes between two parts that are copied along, which takes no longer than another call.
const COPIED_ALONG: usize = 1 << 16;
/// Warps that make forks, at least: enough for the speed of the device's memory.
const FORKING: u32 = 1 << 13;

/// A record that is plain bytes, with the same layout on the device.
///
/// # Safety
/// It must be `repr(C)`, and every bit pattern that the device writes be a value.
pub(crate) unsafe trait Plain: Sized {
    fn bytes(&self) -> &[u8] {
        // SAFETY: plain data. (Padding is never looked at.)
        unsafe { std::slice::from_raw_parts(ptr::from_ref(self).cast(), size_of::<Self>()) }
    }
    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(ptr::from_mut(self).cast(), size_of::<Self>()) }
    }
}

// SAFETY: integers, and addresses that the host does not use.
unsafe impl Plain for Batch {}
// SAFETY: integers only.
unsafe impl Plain for Lane {}
// SAFETY: integers only.
unsafe impl Plain for Given {}
// SAFETY: integers only.
unsafe impl Plain for Round {}
// SAFETY: integers only.
unsafe impl Plain for BlockState {}
// SAFETY: integers, and addresses that the host does not use.
unsafe impl Plain for CodeStore {}
// SAFETY: integers only.
unsafe impl Plain for Exchange {}
// SAFETY: integers only.
unsafe impl Plain for PackedNetworks {}
// SAFETY: integers only.
unsafe impl Plain for Tallies {}

pub(crate) fn pointer<T>(address: u64) -> *mut T {
    ptr::without_provenance_mut(address as usize)
}

/// The numbers of so many lanes.
fn in_order(lanes: u32) -> Vec<u8> {
    (0..lanes).flat_map(u32::to_le_bytes).collect()
}

/// Time that a device spent on lanes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    /// Executing guest instructions.
    pub executing: Duration,
    /// Serving system calls, faults and signals, and scheduling.
    pub serving: Duration,
    /// Lifting code.
    pub lifting: Duration,
}

/// A round on its way.
pub(crate) struct Begun {
    start: Mark,
    executed: Mark,
    served: Mark,
}

/// Machines of one template in the memory of a device.
pub struct Lanes<D: Device> {
    device: D,
    layout: Layout,
    pool: Arc<Pool>,
    lanes: u32,
    record: Batch,
    /// Where the record is.
    batch: u64,
    allocations: Vec<u64>,
    /// Tables of blocks, and blocks.
    groups: u32,
    blocks: u32,
    /// The template.
    own: Flat,
    /// Frames that are staged.
    staged: u32,
    /// Rounds launched, and what they took.
    rounds: u64,
    spent: Spent,
    /// What making and fetching machines took.
    memory: Duration,
    fetching: Duration,
    /// Whether any lane is to be executed exactly.
    exact: bool,
    /// Lanes of warps whose lanes are at different places.
    apart: u32,
    /// Whether lanes go ways of their own, from 0, when they have not for long, to [`LONG`].
    rounds_apart: u32,
    dirty: bool,
}

/// Warps of a multiprocessor from which on lanes fill the warps up: lanes that go ways of their own wait
/// less for each other in fewer to a warp, but where all go the same way, more warps are no faster
/// (docs/measurements/lanes.md).
const BUSY: u32 = 4;

/// Lanes of a warp, for so many that have a machine on so many multiprocessors.
fn width(lanes: u32, processors: u32) -> u32 {
    lanes.div_ceil(BUSY * processors).next_power_of_two().min(WARP)
}

/// The part of all lanes that may be in warps whose lanes are at different places before they are grouped anew.
const APART: u32 = 8;

/// Rounds in which lanes do the same before frames are laid out for that, and what a round counts in which they
/// go ways of their own. (To lay them out takes as long as some rounds.)
const LONG: u32 = 16;
const PARTING: u32 = 4;

/// Warps of a multiprocessor that serve at a time, for the registers that serving takes.
const SERVING: u32 = 8;

impl<D: Device> Lanes<D> {
    /// Puts a template, from which lanes are forked, and room for the lanes into device memory.
    ///
    /// # Errors
    /// When there is not enough memory, or a call of the driver fails.
    pub fn new(device: D, template: &mut Machine, plan: &Plan) -> Result<Lanes<D>> {
        let start = Instant::now();
        let layout = *template.layout();
        let pool = Arc::clone(template.pool());
        let own = Flat::of(template);
        let lanes = plan.lanes;
        let warps = u64::from(lanes.div_ceil(WARP));
        let groups = if plan.spread { warps } else { lanes.into() };
        let blocks = plan.frames / if plan.spread { WARP.into() } else { 1 };
        let (free, _) = device.memory()?;
        let block_bytes = PAGE_SIZE as u64 * if plan.spread { u64::from(WARP) } else { 1 };
        let needed = needed(template, plan);
        if needed > free {
            let frames = plan.frames / u64::from(lanes).max(1);
            let most = most_lanes(template, plan, frames, free);
            return Err(GpuError::Memory { lanes, needed, free, most });
        }
        let mut this = Lanes {
            layout,
            pool,
            lanes,
            // SAFETY: all zero is a record of null pointers and numbers.
            record: unsafe { std::mem::zeroed() },
            batch: 0,
            allocations: Vec::new(),
            groups: groups as u32,
            blocks: blocks as u32,
            own,
            staged: 0,
            rounds: 0,
            spent: Spent::default(),
            memory: Duration::ZERO,
            fetching: Duration::ZERO,
            exact: false,
            apart: 0,
            rounds_apart: 0,
            dirty: true,
            device,
        };
        let rom = Arc::clone(&this.pool);
        let rom = rom.root().bytes();
        let frame_limit = frame_limit(&layout);
        let shared_frames = this.own.frames() + plan.staged;
        let shared = this.alloc(u64::from(shared_frames) * PAGE_SIZE as u64)?;
        this.device.upload(shared, &this.own.frames)?;
        let room = |count: u64, bytes: usize| count * bytes as u64;
        this.batch = this.alloc(size_of::<Batch>() as u64)?;
        let output_capacity = output_room(&layout, plan);
        let output = this.alloc(output_capacity * u64::from(lanes))?;
        let template = this.alloc(image_stride(&layout))?;
        for part in used_parts(this.own.image.chunks(PAGE_SIZE).map(|part| !is_zero(part))) {
            let (start, end) = (part.start, part.end.min(this.own.image.len()));
            this.device.upload(template + start as u64, &this.own.image[start..end])?;
        }
        let directory = this.alloc(room(CODE_PAGES.into(), size_of::<DirectoryEntry>()))?;
        // One more than the store knows: a lane fetches a micro-op ahead.
        let area = this.alloc(room(CODE_UOPS + 1, size_of::<Uop>()))?;
        let (area, directory) = (pointer(area), pointer(directory));
        // SAFETY: only the device uses the store, whose parts are as large as said.
        let store = unsafe { CodeStore::new(area, CODE_UOPS as u32, directory, CODE_PAGES) };
        let record = Batch {
            lanes,
            block_layout: if plan.spread { BlockLayout::Spread } else { BlockLayout::Single },
            width: width(lanes, this.device.processors()),
            layout,
            images: pointer(this.alloc(image_stride(&layout) * u64::from(lanes))?),
            image_stride: image_stride(&layout),
            template: pointer(template),
            translations: pointer(this.spread_words(warps, Tlb::words(true))?),
            lookups: pointer(this.spread_words(warps, Lookup::words(true))?),
            records: pointer(this.alloc(room(lanes.into(), size_of::<Lane>()))?),
            rom: pointer(this.put(rom)?),
            rom_pages: (rom.len() / PAGE_SIZE) as u32,
            shared_frames,
            shared: pointer(shared),
            frame_limit: frame_limit as u32,
            slice: 0,
            blocks: pointer(this.alloc(groups * frame_limit * BLOCK_ENTRY)?),
            block_memory: pointer(this.alloc(blocks * block_bytes)?),
            block_state: pointer(this.put(BlockState::new(blocks as u32, groups as u32).bytes())?),
            store: pointer(this.put(store.bytes())?),
            networks: ptr::null(),
            tallies: ptr::null_mut(),
            lifts: pointer(this.alloc(room(LIFTS.into(), size_of::<Lift>()))?),
            drafts: pointer(this.alloc(room(LIFTS.into(), size_of::<Draft>()))?),
            round: pointer(this.alloc(size_of::<Round>() as u64)?),
            order: pointer(this.put(&in_order(lanes))?),
            places: pointer(this.alloc(places_bytes(lanes))?),
            waiting: pointer(this.alloc(room(lanes.into(), 4))?),
            stopped: pointer(this.alloc(room(lanes.into(), 4))?),
            chosen: pointer(this.alloc(room(lanes.into(), 4))?),
            fresh: pointer(this.alloc(size_of::<Lane>() as u64)?),
            given: pointer(this.alloc(room(lanes.into(), size_of::<Given>()))?),
            fork_warps: 1,
            output: pointer(output),
            output_capacity,
            occupied: pointer(this.alloc(room(image_pages(&layout) as u64, 4))?),
            chosen_count: 0,
            rows: ptr::null(),
            row_pitch: 0,
            row_width: 0,
            gather_count: 0,
            gather: pointer(this.alloc(room(GATHER, 4))?),
            gathered: pointer(this.alloc(room(GATHER, PAGE_SIZE))?),
            movers: movers(plan),
            moved: pointer(this.alloc(movers_bytes(plan))?),
        };
        this.record = record;
        // Caches are invalid until they are flushed.
        this.send()?;
        this.launch("ncpu_lift_forget", lanes)?;
        this.device.synchronize()?;
        this.memory = start.elapsed();
        Ok(this)
    }

    /// Has networks do the arithmetic from now on. The device must have been opened for them
    /// ([`crate::Purpose`]).
    ///
    /// # Errors
    /// When there is not enough memory, or a call of the driver fails.
    pub fn use_networks(&mut self, networks: &PackedNetworks) -> Result<()> {
        self.record.networks = pointer(self.put(networks.bytes())?);
        let bytes = u64::from(self.lanes) * size_of::<Tallies>() as u64;
        self.record.tallies = pointer(self.alloc(bytes)?);
        self.send()
    }

    /// What networks have computed for all lanes; `None` without networks.
    ///
    /// # Errors
    /// When a call of the driver fails.
    pub fn tallies(&self) -> Result<Option<Tallies>> {
        if self.record.tallies.is_null() {
            return Ok(None);
        }
        let (mut one, mut all) = (Tallies::default(), Tallies::default());
        let mut bytes = vec![0; self.lanes as usize * size_of::<Tallies>()];
        self.device.download(self.record.tallies.addr() as u64, &mut bytes)?;
        for lane in bytes.chunks_exact(size_of::<Tallies>()) {
            one.bytes_mut().copy_from_slice(lane);
            all.add(&one);
        }
        Ok(Some(all))
    }

    fn alloc(&mut self, bytes: u64) -> Result<u64> {
        let address = self.device.alloc(bytes.max(256))?;
        self.allocations.push(address);
        Ok(address)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<u64> {
        let address = self.alloc(bytes.len() as u64)?;
        self.device.upload(address, bytes)?;
        Ok(address)
    }

    fn spread_words(&mut self, warps: u64, words: usize) -> Result<u64> {
        self.alloc(warps * words as u64 * u64::from(WARP) * 8)
    }

    /// Makes the device's record that of the host.
    fn send(&mut self) -> Result<()> {
        self.device.upload(self.batch, self.record.bytes())?;
        self.dirty = false;
        Ok(())
    }

    fn launch(&self, entry: &'static str, threads: u32) -> Result<()> {
        // SAFETY: every entry point takes the batch, whose parts live as long as `self`.
        Ok(unsafe { self.device.launch(entry, threads, BLOCK, self.batch) }?)
    }

    /// The device.
    pub fn device(&self) -> &D {
        &self.device
    }

    /// How many lanes there are.
    pub fn count(&self) -> u32 {
        self.lanes
    }

    /// The device, and the rounds so far with what they took.
    pub fn figures(&self) -> DeviceFigures {
        let Spent { executing, serving, lifting } = self.spent;
        DeviceFigures {
            device: self.device.describe(),
            opening: opening(self.device.opening(), self.memory, self.fetching),
            rounds: self.rounds,
            executing_seconds: executing.as_secs_f64(),
            serving_seconds: serving.as_secs_f64(),
            lifting_seconds: lifting.as_secs_f64(),
            system_calls: 0,
            host_stops: 0,
        }
    }

    /// Pages of code lifted so far.
    ///
    /// # Errors
    /// When a call of the driver fails.
    pub fn lifted_pages(&self) -> Result<u64> {
        // SAFETY: all zero is a store without any room.
        let mut store: CodeStore = unsafe { std::mem::zeroed() };
        self.device.download(self.record.store.addr() as u64, store.bytes_mut())?;
        Ok(store.lifted_pages().into())
    }

    /// Takes memory of the device for as long as the lanes live, and gives its address.
    ///
    /// # Errors
    /// When there is not enough memory.
    pub fn room(&mut self, bytes: u64) -> Result<u64> {
        self.alloc(bytes)
    }

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

    fn choose(&mut self, lanes: &[u32]) -> Result<()> {
        let bytes: Vec<u8> = lanes.iter().flat_map(|lane| lane.to_le_bytes()).collect();
        self.device.upload(self.record.chosen.addr() as u64, &bytes)?;
        self.record.chosen_count = lanes.len() as u32;
        self.send()
    }

    /// Lets every lane execute up to `slice` instructions and be served, and lifts the code that was
    /// missing. A lane that comes to its limit stops there, to the instruction. Says what has come of it
    /// and what it took.
    ///
    /// # Errors
    /// When a call of the driver fails.
    pub fn round(&mut self, slice: u32) -> Result<(Round, Spent)> {
        let begun = self.begin(slice, self.lanes)?;
        self.finish(&begun)
    }

    /// The first half of [`Lanes::round`]: the device has been told what to do. So many lanes have a machine
    /// that has not ended.
    ///
    /// # Errors
    /// When a call of the driver fails.
    pub(crate) fn begin(&mut self, slice: u32, alive: u32) -> Result<Begun> {
        // Warps of one lane have an interpreter of their own, which is not loaded for those that are left.
        let width = match self.record.width {
            1 => 1,
            _ => width(alive, self.device.processors()).max(2),
        };
        let is_spread_anew = width != self.record.width;
        if self.record.slice != slice || self.dirty || is_spread_anew {
            (self.record.slice, self.record.width) = (slice, width);
            self.send()?;
        }
        let at = self.record.round.addr() as u64;
        self.device.fill(at, 0, size_of::<Round>() as u64)?;
        let start = self.device.mark()?;
        let are_apart = self.apart > self.lanes / APART;
        // In that order, lanes that execute nothing come last in their region.
        if is_spread_anew || are_apart {
            self.group()?;
        }
        self.rounds_apart = match are_apart {
            true => LONG.min(self.rounds_apart + PARTING),
            false => self.rounds_apart.saturating_sub(1),
        };
        match (self.rounds_apart, self.record.block_layout) {
            (LONG, BlockLayout::Spread) => self.lay_out(BlockLayout::Pieces)?,
            (0, BlockLayout::Pieces) => self.lay_out(BlockLayout::Spread)?,
            _ => {}
        }
        self.execute()?;
        let executed = self.device.mark()?;
        let servers = self.lanes.min(SERVING * self.device.processors());
        self.launch("ncpu_serve", servers * WARP)?;
        let served = self.device.mark()?;
        Ok(Begun { start, executed, served })
    }

    /// The second half: it has done it.
    ///
    /// # Errors
    /// When a call of the driver fails.
    pub(crate) fn finish(&mut self, begun: &Begun) -> Result<(Round, Spent)> {
        let Begun { start, executed, served } = *begun;
        let at = self.record.round.addr() as u64;
        let mut round = Round::default();
        self.device.download(at, round.bytes_mut())?;
        self.rounds += 1;
        self.exact = round.exact != 0;
        self.apart = round.apart;
        let mut spent = Spent {
            executing: self.between(start, executed)?,
            serving: self.between(executed, served)?,
            lifting: Duration::ZERO,
        };
        if round.lifting != 0 {
            self.launch("ncpu_lift_decode", lifting::WORD_THREADS)?;
            self.launch("ncpu_lift_place", LIFTS)?;
            self.launch("ncpu_lift_emit", lifting::WORD_THREADS)?;
            self.launch("ncpu_lift_end", LIFTS)?;
            let lifted = self.device.mark()?;
            self.device.download(at, round.bytes_mut())?;
            spent.lifting = self.between(served, lifted)?;
        }
        self.spent.executing += spent.executing;
        self.spent.serving += spent.serving;
        self.spent.lifting += spent.lifting;
        if round.full != 0 {
            self.drop_code()?;
        }
        Ok((round, spent))
    }

    /// Has warps execute those lanes together that are near each other in the code. This has no part in any
    /// result.
    ///
    /// # Errors
    /// When a call of the driver fails.
    pub fn group(&self) -> Result<()> {
        let places = self.record.places.addr() as u64;
        self.device.fill(places, 0, places_bytes(self.lanes))?;
        self.launch("ncpu_count", self.lanes)?;
        self.launch("ncpu_arrange", self.lanes)
    }

    /// Lays the frames of all lanes out: in pieces where lanes go ways of their own, else spread, and then in the
    /// order of their memory. This has no part in any result.
    ///
    /// # Errors
    /// When a call of the driver fails.
    ///
    /// # Panics
    /// When blocks are single frames.
    pub fn lay_out(&mut self, layout: BlockLayout) -> Result<()> {
        assert!(self.record.movers != 0, "blocks are single frames");
        if self.record.block_layout == layout {
            return Ok(());
        }
        self.record.block_layout = layout;
        self.send()?;
        if layout == BlockLayout::Spread {
            self.device.upload(self.record.order.addr() as u64, &in_order(self.lanes))?;
        }
        self.launch("ncpu_lay_out", self.record.movers * WARP)
    }

    /// All lanes, as warps execute them.
    ///
    /// # Errors
    /// When a call of the driver fails.
    pub fn order(&self) -> Result<Vec<u32>> {
        self.numbers(self.record.order.addr() as u64, self.lanes)
    }

    /// Numbers that are somewhere in the device's memory.
    fn numbers(&self, at: u64, count: u32) -> Result<Vec<u32>> {
        let mut bytes = vec![0; 4 * count as usize];
        self.device.download(at, &mut bytes)?;
        let (numbers, _) = bytes.as_chunks();
        Ok(numbers.iter().copied().map(u32::from_le_bytes).collect())
    }

    fn execute(&self) -> Result<()> {
        if !self.record.networks.is_null() {
            return self.launch("ncpu_execute_neural", self.lanes * WARP);
        }
        let threads = self.record.threads();
        let execute = if self.record.width == 1 { "ncpu_execute_alone" } else { "ncpu_execute" };
        self.launch(execute, threads)?;
        if self.exact {
            self.launch("ncpu_execute_exactly", threads)?;
        }
        Ok(())
    }

    fn between(&self, from: Mark, to: Mark) -> Result<Duration> {
        let milliseconds = self.device.elapsed(&from, &to)?;
        Ok(Duration::from_secs_f32(milliseconds.max(0.0) / 1e3))
    }

    /// The lanes that stopped in the last round, in order.
    ///
    /// # Errors
    /// When a call of the driver fails.
    pub fn stopped(&self, round: &Round) -> Result<Vec<u32>> {
        let mut lanes = self.numbers(self.record.stopped.addr() as u64, round.stopped)?;
        lanes.sort_unstable();
        Ok(lanes)
    }

    fn image_address(&self, lane: u32) -> u64 {
        self.record.images.addr() as u64 + u64::from(lane) * self.record.image_stride
    }

    fn record_address(&self, lane: u32) -> u64 {
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

    fn drop_code(&self) -> Result<()> {
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

    /// Makes a stopped lane go on with this record.
    ///
    /// # Errors
    /// When a call of the driver fails.
    pub fn resume(&self, lane: u32, record: &Lane) -> Result<()> {
        let record = Lane { state: state::SERVE, ..*record };
        Ok(self.device.upload(self.record_address(lane), record.bytes())?)
    }

    /// Leaves a lane without a machine.
    ///
    /// # Errors
    /// When a call of the driver fails.
    pub fn clear(&self, lane: u32) -> Result<()> {
        let at = self.record_address(lane) + offset_of!(Lane, state) as u64;
        Ok(self.device.upload(at, &state::EMPTY.to_le_bytes())?)
    }

    /// Computes the state hashes of lanes, which are then in their records.
    ///
    /// # Errors
    /// When a call of the driver fails.
    pub fn hash(&mut self, lanes: &[u32]) -> Result<()> {
        self.choose(lanes)?;
        self.launch("ncpu_hash", lanes.len() as u32 * WARP)
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

    /// A copy of a lane's machine on the host, in the template's pool.
    ///
    /// # Errors
    /// When the host has no memory for it, or a call of the driver fails.
    pub fn fetch(&mut self, lane: u32) -> Result<Machine> {
        let start = Instant::now();
        self.choose(&[lane])?;
        let parts = self.occupied()?;
        let at = self.image_address(lane);
        let (pool, layout) = (Arc::clone(&self.pool), self.layout);
        let device = &self.device;
        let fill = |image: &mut [u8]| {
            for part in parts {
                let (start, end) = (part.start, part.end.min(image.len()));
                device.download(at + start as u64, &mut image[start..end])?;
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

impl<D: Device> Drop for Lanes<D> {
    fn drop(&mut self) {
        for &address in &self.allocations {
            self.device.free(address);
        }
    }
}

fn opening(timings: Option<Timings>, memory: Duration, fetching: Duration) -> Opening {
    let timings = timings.unwrap_or_default();
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let modules = timings.modules.iter().map(|module| ModuleOpening {
        name: module.module,
        cached: module.cached,
        obtain_ms: ms(module.obtain),
        load_ms: ms(module.load),
        bytes: module.bytes,
    });
    Opening {
        library_ms: ms(timings.library),
        init_ms: ms(timings.init),
        card_ms: ms(timings.card),
        context_ms: ms(timings.context),
        stack_ms: ms(timings.stack),
        load_ms: ms(timings.load),
        modules: modules.collect(),
        open_ms: ms(timings.total),
        memory_ms: ms(memory),
        fetch_ms: ms(fetching),
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
fn used_parts(are_used: impl Iterator<Item = bool>) -> Vec<Range<usize>> {
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
struct Flat {
    image: Vec<u8>,
    frames: Vec<u8>,
}

impl Flat {
    fn of(machine: &mut Machine) -> Flat {
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
    fn frames(&self) -> u32 {
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
