//! How many lanes a batch gets, and how much memory.

use crate::error::{GpuError, Result};
use crate::memory::{Plan, most_frames, most_lanes, needed};
use ncpu_engine::Machine;
use ncpu_gpu_kernel::batch::WARP;
use ncpu_machine::PAGE_SIZE;

/// The most lanes that are made unasked: enough to hide all that a card waits for.
const MOST_LANES: u64 = 1 << 17;
/// Frames that lanes made unasked get at least, if the machine's memory is not less: a MiB, which a
/// shell's pipeline does not use up.
const USUAL_FRAMES: u64 = 256;
/// Frames that any lane gets at least: what a small static program writes to.
const LEAST_FRAMES: u64 = 24;
/// Frames for each lane for what machines with arguments or files of their own have beside the
/// template's, and the part of the memory, one in so many, that they take at most. One machine's fit.
const STAGED: u32 = 8;
const STAGED_PART: u64 = 32;
/// The part of the free memory, one in so many, that is left for inputs and the stacks of threads.
const SPARE: u64 = 8;

/// Plans for `lanes`, or for as many as `cases` and the `free` bytes of memory suggest.
///
/// A lane's frames come from a pool, which is smaller than what all of them together may use: but there
/// is enough for the lanes of one warp at least.
///
/// # Errors
/// When so many lanes do not fit; how many do.
pub fn plan_batch(
    template: &Machine,
    lanes: Option<u32>,
    cases: Option<u64>,
    free: u64,
) -> Result<Plan> {
    let usable = free - free / SPARE;
    let count = lanes.unwrap_or_else(|| {
        let pages = u64::from(template.layout().limits().pages);
        let wanted = cases.unwrap_or(u64::MAX).clamp(1, MOST_LANES) as u32;
        let plan = bare_plan(template, wanted, usable);
        let fit = most_lanes(template, &plan, pages.min(USUAL_FRAMES), usable);
        wanted.min(fit as u32).max(1)
    });
    match plan_lanes(template, count, usable) {
        // So few machines of this size fit that those of a warp have to share frames.
        Err(GpuError::Memory { most, .. }) if lanes.is_none() && most > 0 => {
            plan_lanes(template, most as u32, usable)
        }
        planned => planned,
    }
}

/// A plan for so many lanes without frames.
fn bare_plan(template: &Machine, lanes: u32, usable: u64) -> Plan {
    let pages = template.layout().limits().pages;
    let most_staged = (usable / STAGED_PART / PAGE_SIZE as u64).min(1 << 24).max(pages.into());
    let staged = lanes.saturating_mul(STAGED).clamp(pages, most_staged as u32);
    Plan { lanes, spread: lanes > 1, frames: 0, staged, output: 0 }
}

fn plan_lanes(template: &Machine, lanes: u32, usable: u64) -> Result<Plan> {
    let pages = u64::from(template.layout().limits().pages);
    let plan = bare_plan(template, lanes, usable);
    let warp = if plan.spread { u64::from(WARP) } else { 1 };
    let whole = u64::from(lanes).next_multiple_of(warp);
    let frames = (whole * pages).min(most_frames(template, &plan, usable) / warp * warp);
    let each = LEAST_FRAMES.min(pages);
    let least = (whole * each).max(warp * pages);
    if frames >= least {
        return Ok(Plan { frames, ..plan });
    }
    let beside_warp = usable.saturating_sub(warp * pages * PAGE_SIZE as u64);
    let most = most_lanes(template, &plan, 0, beside_warp);
    let most = most.min(most_lanes(template, &plan, each, usable));
    // Where there is not enough for a warp, there may be for one machine.
    let one = most_lanes(template, &bare_plan(template, 1, usable), pages, usable).min(1);
    let most = (most / warp * warp).max(one);
    let needed = needed(template, &Plan { frames: least, ..plan });
    Err(GpuError::Memory { lanes, needed, free: usable, most })
}
