//! Networks on all pairs of operands of 16 bits.

#![allow(unsafe_code)]

use crate::error::{GpuError, Result};
use crate::plain::{Allocations, BLOCK, Plain, pointer};
use ncpu_cuda::Device;
use ncpu_gpu_kernel::neural::{Checked, Pairs};
use ncpu_neural_alu::Cells;
use ncpu_neural_alu::pairs::{Compared, Counts, Operands, Wrong};
use std::mem::offset_of;
use std::time::{Duration, Instant};

/// Most threads: as many as reside on a large card.
const THREADS: u32 = 1 << 18;
/// Shortest and longest that a launch should take: less is lost in starting it, and the display, Ctrl-C and
/// other users of the card wait for more.
const SHORT: Duration = Duration::from_millis(2);
const LONG: Duration = Duration::from_millis(5);
/// Most first operands of a launch, of which each has at most 2^16 pairs.
const MOST_FIRSTS: u32 = 1 << 10;

/// What networks give for pairs of operands.
#[derive(Clone, Debug)]
pub struct CheckedPairs {
    /// Results that are right: all of them, if none is wrong; else those of the launches up to that one.
    pub right: Counts,
    /// The first that is wrong.
    pub wrong: Option<Wrong>,
}

// SAFETY: integers, and addresses that the host does not use.
unsafe impl Plain for Pairs {}
// SAFETY: integers only.
unsafe impl Plain for Checked {}
// SAFETY: integers only.
unsafe impl Plain for Cells {}

/// Gives networks pairs of operands of 16 bits, in launches of some milliseconds, and compares every result
/// with Rust's operators. Ends after the launch that finds a wrong one. `tell` hears how many more first operands
/// are through.
///
/// # Errors
/// When a call of the driver fails, or the threads have not compared what they were given.
pub fn check_pairs(
    device: &impl Device,
    cells: &Cells,
    operands: &Operands,
    tell: impl FnMut(u32),
) -> Result<CheckedPairs> {
    let mut memory = Allocations::default();
    let checked = check(device, &mut memory, cells, operands, tell);
    memory.free(device);
    checked
}

/// The same, in memory that is given back afterwards.
fn check(
    device: &impl Device,
    memory: &mut Allocations,
    cells: &Cells,
    operands: &Operands,
    mut tell: impl FnMut(u32),
) -> Result<CheckedPairs> {
    let mut left = operands.firsts.len() as u32;
    let seconds = operands.seconds.len() as u32;
    let threads = (u64::from(left) * u64::from(seconds)).min(THREADS.into()) as u32;
    if threads == 0 {
        return Ok(CheckedPairs { right: Counts::default(), wrong: None });
    }
    let bytes = size_of::<Checked>() * threads as usize;
    let found = memory.alloc(device, bytes as u64)?;
    let cells = memory.put(device, cells.bytes())?;
    let record = memory.alloc(device, size_of::<Pairs>() as u64)?;
    let (mut first, mut firsts) = (u32::from(*operands.firsts.start()), 1);
    let mut is_wrong = 0u32;
    while left > 0 && is_wrong == 0 {
        firsts = firsts.clamp(1, MOST_FIRSTS.min(left));
        let pairs = Pairs {
            cells: pointer(cells),
            first,
            second: (*operands.seconds.start()).into(),
            seconds,
            count: firsts * seconds,
            threads,
            is_wrong: 0.into(),
            found: pointer(found),
        };
        let start = Instant::now();
        device.upload(record, pairs.bytes())?;
        // SAFETY: the record leads to what was allocated above, with a place for each thread.
        unsafe { device.launch("ncpu_neural_pairs", threads, BLOCK, record)? };
        let flag = record + offset_of!(Pairs, is_wrong) as u64;
        let mut word = [0; 4];
        device.download(flag, &mut word)?;
        is_wrong = u32::from_le_bytes(word);
        tell(firsts);
        (first, left) = (first + firsts, left - firsts);
        let took = start.elapsed();
        if took > LONG {
            firsts /= 2;
        } else if took < SHORT {
            firsts *= 2;
        }
    }
    let mut all = vec![0; bytes];
    device.download(found, &mut all)?;
    let checked = gather(&all)?;
    let expected = operands.results();
    if checked.wrong.is_some() != (is_wrong != 0) {
        return Err(GpuError::Damaged);
    }
    // That nothing is wrong means little where nothing was compared.
    if checked.wrong.is_none() && checked.right != expected {
        let [found, expected] = [checked.right, expected].map(|counts| counts.total());
        return Err(GpuError::Unchecked { found, expected });
    }
    Ok(checked)
}

/// What all threads have found together.
fn gather(all: &[u8]) -> Result<CheckedPairs> {
    let (mut right, mut first) = (Counts::default(), None::<Wrong>);
    for bytes in all.chunks_exact(size_of::<Checked>()) {
        let mut found = Checked::default();
        found.bytes_mut().copy_from_slice(bytes);
        right.add(&found.right);
        let Checked { wrong, a, b, result, expected, .. } = found;
        let Some(number) = wrong.checked_sub(1) else { continue };
        let compared = *Compared::ALL.get(number as usize).ok_or(GpuError::Damaged)?;
        // Of one pair, a thread has only the first that is wrong.
        if first.is_none_or(|first| (a, b) < (first.a, first.b)) {
            first = Some(Wrong { compared, a, b, found: result, expected });
        }
    }
    Ok(CheckedPairs { right, wrong: first })
}
