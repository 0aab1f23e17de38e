//! nanosleep(2) and clock_nanosleep(2).

use super::clock::{self, Clock};
use super::{at_wall_time, read_timeout, timespec};
use crate::abi::time::*;
use crate::image::Kernel;
use crate::{Block, Channel, Errno, SysResult, signal};

/// nanosleep(2).
pub fn nanosleep(k: &mut Kernel<'_>, time: u64, rest: u64) -> SysResult {
    clock_nanosleep(k, CLOCK_MONOTONIC, 0, time, rest)
}

/// clock_nanosleep(2).
pub fn clock_nanosleep(
    k: &mut Kernel<'_>,
    number: i32,
    flags: u32,
    time: u64,
    rest: u64,
) -> SysResult {
    let absolute = flags & TIMER_ABSTIME != 0;
    if k.task().call_deadline == 0 {
        let clock = match (number, clock::find(k, number)?) {
            (CLOCK_THREAD_CPUTIME_ID, _) => return Err(Errno::EINVAL.into()),
            (CLOCK_MONOTONIC_RAW | CLOCK_REALTIME_COARSE | CLOCK_MONOTONIC_COARSE, _)
            | (_, Clock::Process(_) | Clock::Thread(_)) => return Err(Errno::EOPNOTSUPP.into()),
            (_, clock) => clock,
        };
        let time = read_timeout(k, time)?;
        let deadline = match (absolute, clock) {
            (false, _) => k.now().saturating_add(time),
            (true, Clock::Wall) => at_wall_time(k, time),
            (true, _) => time,
        };
        k.task().call_deadline = deadline.max(1);
    }
    let deadline = k.task().call_deadline;
    let now = k.now();
    if now >= deadline {
        return Ok(0);
    }
    if !absolute && rest != 0 && signal::is_pending(k, k.current()) {
        k.write_record(rest, &timespec(deadline - now))?;
    }
    Err(Block::SleepOnce(Channel::Time, Some(deadline)))
}
