//! How much of a device's memory lanes take.

use ncpu_engine::Machine;
use ncpu_gpu_kernel::batch::{Kept, LIFTS, WARP};
use ncpu_gpu_kernel::grouping::{Places, REGION};
use ncpu_gpu_kernel::{Given, Lane, Lift};
use ncpu_linux::Layout;
use ncpu_machine::PAGE_SIZE;
use ncpu_machine::code::{Draft, Lookup};
use ncpu_machine::mem::{Page, Tlb};
use ncpu_neural_alu::Tallies;
use ncpu_uop::Uop;
use std::sync::atomic::AtomicU32;

/// Micro-ops that the store of lifted code has room for, and pages.
pub(crate) const CODE_UOPS: u64 = 8 << 20;
pub(crate) const CODE_PAGES: u32 = 1 << 14;
/// Pages gathered at a time.
pub(crate) const GATHER: u64 = 2048;
/// Bytes for each frame number of a warp.
pub(crate) const BLOCK_ENTRY: u64 = size_of::<AtomicU32>() as u64;
/// Warps that lay frames out, at most.
const MOVERS: u32 = 1 << 10;

/// How many lanes, and what of the device's memory they get.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Lanes.
    pub lanes: u32,
    /// Whether lanes of a warp have their frames side by side. For one lane that wastes memory.
    pub spread: bool,
    /// Frames of all lanes together.
    pub frames: u64,
    /// Frames for what machines that are staged have beside those of the template.
    pub staged: u32,
    /// Bytes of room for each lane's output; four times what the machine's console holds at least.
    pub output: u64,
}

/// Bytes that a plan needs for each lane beside its frames.
fn lane_bytes(layout: &Layout, plan: &Plan) -> u64 {
    let words = Tlb::words(true) + Lookup::words(true);
    let records = size_of::<Lane>() + size_of::<Given>() + size_of::<Tallies>();
    let records = (records + size_of::<Kept>()) as u64 + 16;
    let blocks = frame_limit(layout) * BLOCK_ENTRY;
    let blocks = if plan.spread { blocks / u64::from(WARP) + 1 } else { blocks };
    image_stride(layout) + 8 * words as u64 + records + blocks + output_room(layout, plan)
}

/// Frame numbers that a lane can have, counting number 0.
pub(crate) fn frame_limit(layout: &Layout) -> u64 {
    (layout.page_table().len() / size_of::<Page>()) as u64
}

pub(crate) fn output_room(layout: &Layout, plan: &Plan) -> u64 {
    plan.output.max(4 * u64::from(layout.limits().console))
}

/// Bytes of what is counted of so many lanes to put them into an order.
pub(crate) fn places_bytes(lanes: u32) -> u64 {
    u64::from(lanes.div_ceil(REGION)) * size_of::<Places>() as u64
}

pub(crate) fn image_pages(layout: &Layout) -> u32 {
    layout.bytes().div_ceil(PAGE_SIZE) as u32
}

pub(crate) fn image_stride(layout: &Layout) -> u64 {
    (layout.bytes() as u64).next_multiple_of(256)
}

/// Bytes that are needed whatever the number of lanes: lifted code and what it is made in, the root file
/// system, the template, and frames beside it.
fn fixed_bytes(template: &Machine, plan: &Plan) -> u64 {
    let drafts = u64::from(LIFTS) * (size_of::<Lift>() + size_of::<Draft>()) as u64;
    let code = CODE_UOPS * size_of::<Uop>() as u64 + drafts + GATHER * PAGE_SIZE as u64;
    let root = template.pool().root().bytes().len() as u64;
    let frames = u64::from(template.pool().used()) + u64::from(plan.staged) + 1;
    // What allocations are rounded up by.
    let rounding = 64 << 20;
    let moved = movers_bytes(plan);
    code + root + image_stride(template.layout()) + frames * PAGE_SIZE as u64 + moved + rounding
}

/// Warps that lay frames out anew.
pub(crate) fn movers(plan: &Plan) -> u32 {
    if plan.spread { plan.lanes.div_ceil(WARP).min(MOVERS) } else { 0 }
}

pub(crate) fn movers_bytes(plan: &Plan) -> u64 {
    u64::from(movers(plan) * WARP) * PAGE_SIZE as u64
}

/// The most lanes, with `frames` frames each, that fit into `bytes`.
pub fn most_lanes(template: &Machine, plan: &Plan, frames: u64, bytes: u64) -> u64 {
    let each = lane_bytes(template.layout(), plan) + frames * PAGE_SIZE as u64;
    bytes.saturating_sub(fixed_bytes(template, plan)) / each
}

/// Bytes that a plan needs.
pub(crate) fn needed(template: &Machine, plan: &Plan) -> u64 {
    let lanes = u64::from(plan.lanes) * lane_bytes(template.layout(), plan);
    fixed_bytes(template, plan) + lanes + plan.frames * PAGE_SIZE as u64
}

/// The frames for all lanes that fit into `bytes` beside everything else.
pub(crate) fn most_frames(template: &Machine, plan: &Plan, bytes: u64) -> u64 {
    let lanes = u64::from(plan.lanes) * lane_bytes(template.layout(), plan);
    bytes.saturating_sub(fixed_bytes(template, plan) + lanes) / PAGE_SIZE as u64
}
