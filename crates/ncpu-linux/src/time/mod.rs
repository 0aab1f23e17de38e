//! Clocks and timers.
//!
//! All times are virtual nanoseconds since boot; the wall clock is a constant ahead of them. CPU
//! time is the number of instructions that a thread or process has retired. Whoever has something
//! due lowers `next_deadline` in the header; [`expire`] does what is due and computes it anew. What
//! depends on CPU time cannot become due while a process does not run, and is checked after it ran
//! ([`cpu::expire`]).

pub mod clock;
pub mod cpu;
pub mod interval;
pub mod sleep;
pub mod timer;

pub use timer::Timer;

use crate::abi::time::SECOND;
use crate::image::Kernel;
use crate::process::state;
use crate::{Errno, ipc};

/// Wakes and fires everything that is due, and computes the next deadline.
pub fn expire(kernel: &mut Kernel<'_>) {
    let now = kernel.now();
    let end = kernel.header.task_end as usize;
    for task in &mut kernel.tasks[..end] {
        if task.state == state::SLEEPING && task.deadline <= now {
            task.state = state::RUNNABLE;
        }
    }
    interval::expire(kernel);
    timer::expire(kernel);
    ipc::timerfd::expire(kernel);
    let sleepers = kernel.tasks[..end].iter().filter(|task| task.state == state::SLEEPING);
    let next = sleepers.map(|task| task.deadline).min().unwrap_or(u64::MAX);
    kernel.header.next_deadline = next
        .min(interval::next_deadline(kernel))
        .min(timer::next_deadline(kernel))
        .min(ipc::timerfd::next_deadline(kernel));
}

/// Something is due at `deadline`.
pub fn announce(kernel: &mut Kernel<'_>, deadline: u64) {
    kernel.header.next_deadline = kernel.header.next_deadline.min(deadline);
}

/// Nanoseconds of a `timespec`; EINVAL for what is none.
pub fn nanoseconds([seconds, fraction]: [i64; 2]) -> Result<u64, Errno> {
    if seconds < 0 || !(0..SECOND as i64).contains(&fraction) {
        return Err(Errno::EINVAL);
    }
    Ok((seconds as u64).saturating_mul(SECOND).saturating_add(fraction as u64))
}

/// A `timespec` of this many nanoseconds.
pub const fn timespec(nanoseconds: u64) -> [i64; 2] {
    [(nanoseconds / SECOND) as i64, (nanoseconds % SECOND) as i64]
}

/// A `timeval` of this many nanoseconds.
pub const fn timeval(nanoseconds: u64) -> [i64; 2] {
    [(nanoseconds / SECOND) as i64, (nanoseconds % SECOND / 1000) as i64]
}

/// Reads a `timespec` in nanoseconds; EINVAL for what is none, EFAULT.
pub fn read_timeout(kernel: &mut Kernel<'_>, address: u64) -> Result<u64, Errno> {
    nanoseconds(kernel.read_record(address)?)
}

/// Reads a `timeval` in nanoseconds; EINVAL for what is none, EFAULT.
pub fn read_timeval(kernel: &mut Kernel<'_>, address: u64) -> Result<u64, Errno> {
    let [seconds, micros] = kernel.read_record::<[i64; 2]>(address)?;
    if !(0..1_000_000).contains(&micros) {
        return Err(Errno::EINVAL);
    }
    nanoseconds([seconds, micros * 1000])
}

/// The virtual time at which the wall clock shows this many nanoseconds since 1970.
pub fn at_wall_time(kernel: &Kernel<'_>, wall: u64) -> u64 {
    wall.saturating_sub(kernel.header.boot_time)
}

/// Expiries of a timer that was due at `expiry` and repeats every `interval` (0: never): how many
/// there are by `now`, and when the next one is (0: never).
pub fn repeat(now: u64, expiry: u64, interval: u64) -> (u64, u64) {
    if now < expiry {
        return (0, expiry);
    }
    if interval == 0 {
        return (1, 0);
    }
    let count = (now - expiry) / interval + 1;
    (count, expiry.saturating_add(count.saturating_mul(interval)))
}
