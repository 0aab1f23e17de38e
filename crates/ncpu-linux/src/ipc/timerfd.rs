//! Timer descriptors (`timerfd_create(2)`).
//!
//! In the open file: `state` is the next expiry, the interval and the expiries not yet read,
//! `object` the clock, `device` whether the expiry is a time of the wall clock (else virtual time),
//! and `offset` counts expiries for edge-triggered epoll.

use super::{install, new_file};
use crate::abi::fcntl::{O_CLOEXEC, O_NONBLOCK, O_RDWR};
use crate::abi::poll::EPOLLIN;
use crate::abi::time::{
    CLOCK_BOOTTIME, CLOCK_BOOTTIME_ALARM, CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_REALTIME_ALARM,
};
use crate::file::{self, kind};
use crate::image::Kernel;
use crate::user::{Dest, Source};
use crate::{Block, Channel, Errno, SysResult, time};

const TFD_TIMER_ABSTIME: u32 = 1;
const TFD_TIMER_CANCEL_ON_SET: u32 = 2;
const TFD_IOC_SET_TICKS: u32 = 0x4008_5400;

/// Positions in `state`.
const EXPIRY: usize = 0;
const INTERVAL: usize = 1;
const TICKS: usize = 2;

/// timerfd_create(2).
pub fn timerfd_create(k: &mut Kernel<'_>, clock: i32, flags: u32) -> SysResult {
    let known = matches!(
        clock,
        CLOCK_REALTIME
            | CLOCK_MONOTONIC
            | CLOCK_BOOTTIME
            | CLOCK_REALTIME_ALARM
            | CLOCK_BOOTTIME_ALARM
    );
    if flags & !(O_CLOEXEC | O_NONBLOCK) != 0 || !known {
        return Err(Errno::EINVAL.into());
    }
    let is_alarm = matches!(clock, CLOCK_REALTIME_ALARM | CLOCK_BOOTTIME_ALARM);
    if is_alarm && k.processes[k.current_process()].credentials.uid[1] != 0 {
        return Err(Errno::EPERM.into());
    }
    let file = new_file(k, kind::TIMER, O_RDWR | flags & O_NONBLOCK, clock as u32)?;
    install(k, file, flags)
}

fn timer(k: &Kernel<'_>, fd: i32) -> Result<usize, Errno> {
    let file = file::get(k, fd)?;
    match k.files[file].kind {
        kind::TIMER => Ok(file),
        kind::PATH => Err(Errno::EBADF),
        _ => Err(Errno::EINVAL),
    }
}

/// When the timer expires in virtual time, `u64::MAX` for never.
fn deadline(k: &Kernel<'_>, file: usize) -> u64 {
    let f = &k.files[file];
    match f.state[EXPIRY] {
        0 => u64::MAX,
        expiry if f.device != 0 => expiry.saturating_sub(k.header.boot_time),
        expiry => expiry,
    }
}

/// Counts the expiries up to now.
fn update(k: &mut Kernel<'_>, file: usize) {
    let (now, due) = (k.now(), deadline(k, file));
    if due > now {
        return;
    }
    let f = &mut k.files[file];
    let interval = f.state[INTERVAL];
    // A timer without interval is disarmed.
    let (ticks, expiry) = match (now - due).checked_div(interval) {
        Some(periods) => {
            let ticks = periods.saturating_add(1);
            (ticks, f.state[EXPIRY].saturating_add(ticks.saturating_mul(interval)))
        }
        None => (1, 0),
    };
    f.state[TICKS] = f.state[TICKS].saturating_add(ticks);
    f.state[EXPIRY] = expiry;
    f.offset = f.offset.wrapping_add(1);
    k.wake(Channel::File(file as u32));
}

/// Interval and time left, as in `struct itimerspec`.
fn setting(k: &mut Kernel<'_>, file: usize) -> [i64; 4] {
    update(k, file);
    let due = deadline(k, file);
    // A wall clock set far back or ahead can leave it overdue even now.
    let left = if due == u64::MAX { 0 } else { due.saturating_sub(k.now()) };
    let [seconds, fraction] = time::timespec(k.files[file].state[INTERVAL]);
    let [left_seconds, left_fraction] = time::timespec(left);
    [seconds, fraction, left_seconds, left_fraction]
}

fn write_setting(k: &mut Kernel<'_>, address: u64, setting: [i64; 4]) -> Result<(), Errno> {
    k.write_record(address, &setting.map(|field| field as u64))
}

/// timerfd_settime(2).
pub fn timerfd_settime(k: &mut Kernel<'_>, fd: i32, flags: u32, new: u64, old: u64) -> SysResult {
    let [a, b, c, d] = k.read_record::<[u64; 4]>(new)?.map(|field| field as i64);
    if flags & !(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let (interval, value) = (time::nanoseconds([a, b])?, time::nanoseconds([c, d])?);
    let file = timer(k, fd)?;
    let before = setting(k, file);
    let is_wall = matches!(k.files[file].object as i32, CLOCK_REALTIME | CLOCK_REALTIME_ALARM);
    let absolute = flags & TFD_TIMER_ABSTIME != 0;
    let now = k.now();
    let f = &mut k.files[file];
    f.device = u32::from(absolute && is_wall);
    f.state = [0; 3];
    if value != 0 {
        let expiry = if absolute { value } else { now.saturating_add(value) };
        f.state[EXPIRY] = expiry.max(1);
        f.state[INTERVAL] = interval;
        let due = deadline(k, file);
        time::announce(k, due);
    }
    update(k, file);
    if old != 0 {
        write_setting(k, old, before)?;
    }
    Ok(0)
}

/// timerfd_gettime(2).
pub fn timerfd_gettime(k: &mut Kernel<'_>, fd: i32, current: u64) -> SysResult {
    let file = timer(k, fd)?;
    let setting = setting(k, file);
    write_setting(k, current, setting)?;
    Ok(0)
}

/// Reads and clears the number of expiries; sleeps until there is one.
pub fn read(k: &mut Kernel<'_>, file: usize, dest: &mut Dest<'_>) -> SysResult {
    if dest.room() < 8 {
        return Err(Errno::EINVAL.into());
    }
    update(k, file);
    let ticks = core::mem::take(&mut k.files[file].state[TICKS]);
    if ticks != 0 {
        dest.put(k, &ticks.to_le_bytes())?;
        return Ok(8);
    }
    if k.files[file].flags & O_NONBLOCK != 0 {
        return Err(Errno::EAGAIN.into());
    }
    Err(Block::Sleep(Channel::File(file as u32), None))
}

/// Timers are not written to.
pub fn write(_k: &mut Kernel<'_>, _file: usize, _source: &mut Source<'_>) -> SysResult {
    Err(Errno::EINVAL.into())
}

/// Ready events.
pub fn poll(k: &mut Kernel<'_>, file: usize) -> u32 {
    update(k, file);
    if k.files[file].state[TICKS] != 0 { EPOLLIN } else { 0 }
}

/// ioctl(2): sets the number of expiries.
pub fn ioctl(k: &mut Kernel<'_>, file: usize, request: u32, arg: u64) -> SysResult {
    if request != TFD_IOC_SET_TICKS {
        return Err(Errno::ENOTTY.into());
    }
    let ticks: u64 = k.read_record(arg)?;
    if ticks == 0 {
        return Err(Errno::EINVAL.into());
    }
    k.files[file].state[TICKS] = ticks;
    k.files[file].offset = k.files[file].offset.wrapping_add(1);
    k.wake(Channel::File(file as u32));
    Ok(0)
}

/// The last reference to the open file is gone; there is nothing besides it.
pub fn close(_k: &mut Kernel<'_>, _file: usize) {}

/// Open files are below this index.
fn file_end(k: &Kernel<'_>) -> usize {
    (k.header.vfs.file_end as usize).min(k.files.len())
}

fn is_armed(file: &file::File) -> bool {
    file.kind == kind::TIMER && file.references != 0 && file.state[EXPIRY] != 0
}

/// When the next timer descriptor expires (virtual nanoseconds), `u64::MAX` for never.
pub fn next_deadline(k: &Kernel<'_>) -> u64 {
    let armed = (0..file_end(k)).filter(|&file| is_armed(&k.files[file]));
    armed.map(|file| deadline(k, file)).min().unwrap_or(u64::MAX)
}

/// Counts expiries that are due and wakes who waits for them.
pub fn expire(k: &mut Kernel<'_>) {
    for file in 0..file_end(k) {
        if is_armed(&k.files[file]) {
            update(k, file);
        }
    }
}
