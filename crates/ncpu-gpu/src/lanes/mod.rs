//! Machines in device memory.
//!
//! - [`machines`]   machines that lanes are given, and that come back from them
//! - [`rounds`]     lanes execute and are served
//! - [`results`]    what has become of them

#![allow(unsafe_code)]

mod machines;
mod results;
mod rounds;

pub use rounds::Spent;

use crate::error::{GpuError, Result};
use crate::memory::{
    BLOCK_ENTRY, CODE_PAGES, CODE_UOPS, GATHER, Plan, frame_limit, image_pages, image_stride,
    most_lanes, movers, movers_bytes, needed, output_room, places_bytes,
};
use crate::plain::{Allocations, BLOCK, Plain, pointer};
use machines::{Flat, used_parts};
use ncpu_cuda::{Device, Timings};
use ncpu_engine::batch::{DeviceFigures, ModuleOpening, Opening};
use ncpu_engine::{Machine, Pool};
use ncpu_gpu_kernel::batch::{Kept, LIFTS, WARP};
use ncpu_gpu_kernel::packed::PackedNetworks;
use ncpu_gpu_kernel::{Batch, Given, Lane, Lift, Round};
use ncpu_linux::{Layout, is_zero};
use ncpu_machine::code::{CodeStore, DirectoryEntry, Draft, Lookup};
use ncpu_machine::mem::Tlb;
use ncpu_machine::{BlockLayout, BlockState, PAGE_SIZE};
use ncpu_neural_alu::Tallies;
use ncpu_uop::Uop;
use rounds::width;
use std::ptr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Machines of one template in the memory of a device.
pub struct Lanes<D: Device> {
    device: D,
    layout: Layout,
    pool: Arc<Pool>,
    lanes: u32,
    record: Batch,
    /// Where the record is.
    batch: u64,
    allocations: Allocations,
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
    /// Whether lanes go ways of their own, from 0, when they have not for long, to [`rounds::LONG`].
    rounds_apart: u32,
    /// Whether warps execute lanes in the order of their memory.
    is_in_order: bool,
}

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
            allocations: Allocations::default(),
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
            is_in_order: true,
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
            kept: pointer(this.alloc(room(lanes.into(), size_of::<Kept>()))?),
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
            moving: [0; 2],
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
        self.allocations.alloc(&self.device, bytes)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<u64> {
        self.allocations.put(&self.device, bytes)
    }

    fn spread_words(&mut self, warps: u64, words: usize) -> Result<u64> {
        self.alloc(warps * words as u64 * u64::from(WARP) * 8)
    }

    /// Makes the device's record that of the host.
    fn send(&self) -> Result<()> {
        Ok(self.device.upload(self.batch, self.record.bytes())?)
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
}

impl<D: Device> Drop for Lanes<D> {
    fn drop(&mut self) {
        self.allocations.free(&self.device);
    }
}

/// The numbers of so many lanes.
fn in_order(lanes: u32) -> Vec<u8> {
    (0..lanes).flat_map(u32::to_le_bytes).collect()
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
