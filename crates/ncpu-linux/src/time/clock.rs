//! Reading and setting clocks.

use super::{nanoseconds, read_timeval, timespec, timeval};
use crate::abi::time::*;
use crate::image::Kernel;
use crate::process::{self, identity};
use crate::{Errno, SysResult};

/// What a clock number means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// The wall clock.
    Wall,
    /// Time since boot.
    Boot,
    /// CPU time of a process (index).
    Process(usize),
    /// CPU time of a thread (index).
    Thread(usize),
}

/// The clock with this number; EINVAL.
pub fn find(k: &Kernel<'_>, number: i32) -> Result<Clock, Errno> {
    Ok(match number {
        CLOCK_REALTIME | CLOCK_REALTIME_COARSE | CLOCK_REALTIME_ALARM | CLOCK_TAI => Clock::Wall,
        CLOCK_MONOTONIC
        | CLOCK_MONOTONIC_RAW
        | CLOCK_MONOTONIC_COARSE
        | CLOCK_BOOTTIME
        | CLOCK_BOOTTIME_ALARM => Clock::Boot,
        CLOCK_PROCESS_CPUTIME_ID => Clock::Process(k.current_process()),
        CLOCK_THREAD_CPUTIME_ID => Clock::Thread(k.current()),
        // clock_getcpuclockid(3), pthread_getcpuclockid(3): a complemented number, a thread bit, and
        // which of three kinds, all the same here.
        number if number < 0 && number & 3 != 3 => {
            let id = !(number >> 3) as u32;
            if number & 4 != 0 {
                let own = k.current_process();
                let task = if id == 0 { Some(k.current()) } else { process::task_by_tid(k, id) };
                let task = task.filter(|&task| k.tasks[task].process as usize == own);
                Clock::Thread(task.ok_or(Errno::EINVAL)?)
            } else if id == 0 {
                Clock::Process(k.current_process())
            } else {
                Clock::Process(process::by_pid(k, id).ok_or(Errno::EINVAL)?)
            }
        }
        _ => return Err(Errno::EINVAL),
    })
}

/// What a clock shows.
pub fn read(k: &Kernel<'_>, clock: Clock) -> u64 {
    match clock {
        Clock::Wall => k.wall_time(),
        Clock::Boot => k.now(),
        Clock::Process(process) => process::user_time(k, process),
        Clock::Thread(task) => k.tasks[task].user_time,
    }
}

/// clock_gettime(2).
pub fn clock_gettime(k: &mut Kernel<'_>, clock: i32, time: u64) -> SysResult {
    let clock = find(k, clock)?;
    let now = read(k, clock);
    k.write_record(time, &timespec(now))?;
    Ok(0)
}

/// clock_getres(2): every clock counts nanoseconds; the coarse ones promise a tick of 4 ms.
pub fn clock_getres(k: &mut Kernel<'_>, clock: i32, resolution: u64) -> SysResult {
    const COARSE: u64 = 4_000_000;
    find(k, clock)?;
    let coarse = matches!(clock, CLOCK_REALTIME_COARSE | CLOCK_MONOTONIC_COARSE);
    if resolution != 0 {
        k.write_record(resolution, &timespec(if coarse { COARSE } else { 1 }))?;
    }
    Ok(0)
}

fn set(k: &mut Kernel<'_>, wall: u64) -> SysResult {
    if !identity::capable(k, identity::CAP_SYS_TIME) {
        return Err(Errno::EPERM.into());
    }
    let now = k.now();
    if wall < now {
        return Err(Errno::EINVAL.into());
    }
    k.header.boot_time = wall - now;
    Ok(0)
}

/// clock_settime(2): only the wall clock can be set.
pub fn clock_settime(k: &mut Kernel<'_>, clock: i32, time: u64) -> SysResult {
    if clock != CLOCK_REALTIME {
        return Err(Errno::EINVAL.into());
    }
    let wall = nanoseconds(k.read_record(time)?)?;
    set(k, wall)
}

/// gettimeofday(2).
pub fn gettimeofday(k: &mut Kernel<'_>, time: u64, zone: u64) -> SysResult {
    if time != 0 {
        let wall = k.wall_time();
        k.write_record(time, &timeval(wall))?;
    }
    if zone != 0 {
        k.write_record(zone, &[0i32; 2])?;
    }
    Ok(0)
}

/// settimeofday(2).
pub fn settimeofday(k: &mut Kernel<'_>, time: u64, zone: u64) -> SysResult {
    if zone != 0 {
        k.read_record::<[i32; 2]>(zone)?;
    }
    if time == 0 {
        return Ok(0);
    }
    let wall = read_timeval(k, time)?;
    set(k, wall)
}

/// adjtimex(2).
pub fn adjtimex(k: &mut Kernel<'_>, buffer: u64) -> SysResult {
    clock_adjtime(k, CLOCK_REALTIME, buffer)
}

/// clock_adjtime(2): tells the state of a clock that nothing disciplines; it cannot be tuned.
pub fn clock_adjtime(k: &mut Kernel<'_>, clock: i32, buffer: u64) -> SysResult {
    const BYTES: usize = 208;
    const STA_UNSYNC: u64 = 0x40;
    const TIME_ERROR: u64 = 5;
    if clock != CLOCK_REALTIME {
        return Err(Errno::EOPNOTSUPP.into());
    }
    if k.read_record::<u32>(buffer)? != 0 {
        return Err(Errno::EPERM.into());
    }
    let [seconds, micros] = timeval(k.wall_time());
    let mut out = [0u8; BYTES];
    let fields = [
        (24, 16_000_000), // maxerror
        (32, 16_000_000), // esterror
        (40, STA_UNSYNC),
        (48, 2),          // constant
        (56, 1),          // precision
        (64, 32_768_000), // tolerance
        (72, seconds as u64),
        (80, micros as u64),
        (88, 10_000), // tick
    ];
    for (at, value) in fields {
        out[at..at + 8].copy_from_slice(&u64::to_le_bytes(value));
    }
    k.write_user(buffer, &out)?;
    Ok(TIME_ERROR)
}
