//! Interval timers (`setitimer(2)`).

use super::{cpu, read_timeval, repeat, timeval};
use crate::image::Kernel;
use crate::process::{self, ALIVE};
use crate::signal::{self, Info, SIGALRM, SIGPROF, SIGVTALRM};
use crate::{Errno, SysResult};

/// Real time; the others, virtual and profiling time, are both CPU time here.
const REAL: usize = 0;
/// The signal of each timer.
const SIGNALS: [u32; 3] = [SIGALRM, SIGVTALRM, SIGPROF];

fn clock(k: &Kernel<'_>, process: usize, which: usize) -> u64 {
    if which == REAL { k.now() } else { process::user_time(k, process) }
}

/// Fires the real-time timers that are due.
pub(super) fn expire(k: &mut Kernel<'_>) {
    for process in 0..k.processes.len() {
        if k.processes[process].state == ALIVE && k.processes[process].timers[REAL][0] != 0 {
            fire(k, process, REAL);
        }
    }
}

/// Fires a timer if it is due.
pub(super) fn fire(k: &mut Kernel<'_>, process: usize, which: usize) {
    let [expiry, interval] = k.processes[process].timers[which];
    if expiry == 0 {
        return;
    }
    let (count, next) = repeat(clock(k, process, which), expiry, interval);
    if count != 0 {
        k.processes[process].timers[which][0] = next;
        signal::send_process(k, process, Info::kernel(SIGNALS[which]));
    }
}

pub(super) fn next_deadline(k: &Kernel<'_>) -> u64 {
    let armed = k.processes.iter().filter(|p| p.state == ALIVE && p.timers[REAL][0] != 0);
    armed.map(|p| p.timers[REAL][0]).min().unwrap_or(u64::MAX)
}

fn write(k: &mut Kernel<'_>, address: u64, [expiry, interval]: [u64; 2], now: u64) -> SysResult {
    // A timer that is armed never shows zero.
    let left = if expiry == 0 { 0 } else { expiry.saturating_sub(now).max(1000) };
    k.write_record(address, &timeval(interval))?;
    k.write_record(address.wrapping_add(16), &timeval(left))?;
    Ok(0)
}

/// getitimer(2).
pub fn getitimer(k: &mut Kernel<'_>, which: u32, value: u64) -> SysResult {
    let which = which as usize;
    if which >= SIGNALS.len() {
        return Err(Errno::EINVAL.into());
    }
    let process = k.current_process();
    let timer = k.processes[process].timers[which];
    let now = clock(k, process, which);
    write(k, value, timer, now)
}

/// setitimer(2).
pub fn setitimer(k: &mut Kernel<'_>, which: u32, new: u64, old: u64) -> SysResult {
    let which = which as usize;
    // A null pointer disarms the timer, as it always has in Linux.
    let [interval, value] = match new {
        0 => [0; 2],
        _ => [read_timeval(k, new)?, read_timeval(k, new.wrapping_add(16))?],
    };
    if which >= SIGNALS.len() {
        return Err(Errno::EINVAL.into());
    }
    let process = k.current_process();
    let now = clock(k, process, which);
    let before = k.processes[process].timers[which];
    let expiry = if value == 0 { 0 } else { now.saturating_add(value) };
    k.processes[process].timers[which] = [expiry, interval];
    if which != REAL {
        cpu::arm(k, process);
    } else if expiry != 0 {
        super::announce(k, expiry);
    }
    if old != 0 {
        write(k, old, before, now)?;
    }
    Ok(0)
}
