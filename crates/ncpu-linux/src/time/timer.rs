//! POSIX timers (`timer_create(2)`).

use super::clock::{self, Clock};
use super::{announce, at_wall_time, cpu, read_timeout, repeat, timespec};
use crate::abi::time::*;
use crate::image::{Kernel, Record};
use crate::process;
use crate::signal::send::{self, Target};
use crate::signal::{Info, SI_TIMER, SIGALRM, SIGMAX};
use crate::{Errno, SysResult};

/// A timer of a process.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Timer {
    /// Process (index + 1), 0 when the record is free.
    pub owner: u32,
    /// Number that the program knows it by.
    pub id: u32,
    /// Kind of clock: 0 wall, 1 boot, 2 CPU time of a process, 3 of a thread.
    pub clock: u32,
    /// Number of the process or thread of a CPU clock.
    pub subject: u32,
    /// SIGEV_*.
    pub notify: u32,
    /// Signal to send.
    pub signal: u32,
    /// Thread number to send it to, with SIGEV_THREAD_ID.
    pub thread: u32,
    /// Expiries beyond the one that the last signal told of.
    pub overrun: u32,
    /// `si_value`.
    pub value: u64,
    /// Next expiry in the clock's time (virtual time for the wall clock), 0 when disarmed.
    pub expiry: u64,
    /// Nanoseconds between expiries, 0 for one only.
    pub interval: u64,
}

// SAFETY: integers only.
unsafe impl Record for Timer {}

const WALL: u32 = 0;
const BOOT: u32 = 1;
const PROCESS: u32 = 2;
const THREAD: u32 = 3;

impl Timer {
    /// The clock that it runs by, if what it measures still exists.
    pub(super) fn clock(&self, k: &Kernel<'_>) -> Option<Clock> {
        match self.clock {
            WALL => Some(Clock::Wall),
            BOOT => Some(Clock::Boot),
            PROCESS => process::by_pid(k, self.subject).map(Clock::Process),
            _ => process::task_by_tid(k, self.subject).map(Clock::Thread),
        }
    }

    /// The present time in the unit of `expiry`.
    fn now(&self, k: &Kernel<'_>) -> u64 {
        match self.clock(k) {
            Some(Clock::Wall | Clock::Boot) => k.now(),
            Some(clock) => clock::read(k, clock),
            None => 0,
        }
    }

    const fn is_cpu(&self) -> bool {
        self.clock >= PROCESS
    }
}

/// Fires the timer if it is due.
fn fire(k: &mut Kernel<'_>, index: usize) {
    let timer = k.timers[index];
    if timer.owner == 0 || timer.expiry == 0 {
        return;
    }
    let (count, next) = repeat(timer.now(k), timer.expiry, timer.interval);
    if count == 0 {
        return;
    }
    k.timers[index].expiry = next;
    let extra = (count - 1).min(i32::MAX as u64) as u32;
    if timer.notify == SIGEV_NONE {
        return;
    }
    let process = timer.owner as usize - 1;
    let target = if timer.notify == SIGEV_THREAD_ID {
        match process::task_by_tid(k, timer.thread) {
            Some(task) if k.tasks[task].process as usize == process => Target::Task(task),
            _ => return,
        }
    } else {
        Target::Process(process)
    };
    // A timer has one signal under way at a time; further expiries are its overrun.
    if let Some(pending) = send::pending_from_timer(k, target, timer.signal, timer.id) {
        pending.uid = pending.uid.saturating_add(extra + 1).min(i32::MAX as u32);
        k.timers[index].overrun = pending.uid;
        return;
    }
    k.timers[index].overrun = extra;
    let info = Info {
        signal: timer.signal,
        code: SI_TIMER,
        pid: timer.id,
        uid: extra,
        value: timer.value,
        ..Info::default()
    };
    // A signal that cannot be queued is lost, as in Linux.
    let _ = send::send(k, target, info);
}

/// Fires the timers that are due, except those on CPU clocks.
pub(super) fn expire(k: &mut Kernel<'_>) {
    for index in 0..k.header.timer_end as usize {
        if !k.timers[index].is_cpu() {
            fire(k, index);
        }
    }
}

/// Fires the timers of a process on CPU clocks that are due.
pub(super) fn expire_cpu(k: &mut Kernel<'_>, process: usize) {
    for index in 0..k.header.timer_end as usize {
        if k.timers[index].is_cpu() && k.timers[index].owner as usize == process + 1 {
            fire(k, index);
        }
    }
}

pub(super) fn next_deadline(k: &Kernel<'_>) -> u64 {
    let end = k.header.timer_end as usize;
    let armed = k.timers[..end].iter().filter(|t| t.owner != 0 && !t.is_cpu() && t.expiry != 0);
    armed.map(|t| t.expiry).min().unwrap_or(u64::MAX)
}

/// Removes all timers of a process, when it executes a program or ends.
pub fn delete_all(k: &mut Kernel<'_>, process: usize) {
    let end = k.header.timer_end as usize;
    for timer in k.timers[..end].iter_mut().filter(|t| t.owner as usize == process + 1) {
        *timer = Timer::default();
    }
}

fn own(k: &Kernel<'_>, id: i32) -> Result<usize, Errno> {
    let owner = k.header.current;
    let owner = k.tasks[owner as usize].process + 1;
    let end = k.header.timer_end as usize;
    k.timers[..end].iter().position(|t| t.owner == owner && t.id == id as u32).ok_or(Errno::EINVAL)
}

/// timer_create(2).
pub fn timer_create(k: &mut Kernel<'_>, clock: i32, event: u64, id: u64) -> SysResult {
    if matches!(clock, CLOCK_MONOTONIC_RAW | CLOCK_REALTIME_COARSE | CLOCK_MONOTONIC_COARSE) {
        return Err(Errno::EOPNOTSUPP.into());
    }
    let (kind, subject) = match clock::find(k, clock)? {
        Clock::Wall => (WALL, 0),
        Clock::Boot => (BOOT, 0),
        Clock::Process(process) => (PROCESS, k.processes[process].pid),
        Clock::Thread(task) => (THREAD, k.tasks[task].tid),
    };
    let process = k.current_process();
    let serial = k.processes[process].timer_serial;
    let mut timer = Timer {
        owner: process as u32 + 1,
        id: serial,
        clock: kind,
        subject,
        notify: SIGEV_SIGNAL,
        signal: SIGALRM,
        value: u64::from(serial),
        ..Timer::default()
    };
    if event != 0 {
        timer.value = k.read_record(event)?;
        let [signal, notify] = k.read_record::<[u32; 2]>(event.wrapping_add(8))?;
        (timer.signal, timer.notify) = (signal, notify);
        timer.thread = k.read_record(event.wrapping_add(16))?;
        match notify {
            SIGEV_NONE => {}
            SIGEV_SIGNAL | SIGEV_THREAD if (1..=SIGMAX).contains(&signal) => {}
            SIGEV_THREAD_ID if (1..=SIGMAX).contains(&signal) => {
                let task = process::task_by_tid(k, timer.thread);
                if task.is_none_or(|task| k.tasks[task].process as usize != process) {
                    return Err(Errno::EINVAL.into());
                }
            }
            _ => return Err(Errno::EINVAL.into()),
        }
    }
    let place = k.timers.iter().position(|t| t.owner == 0).ok_or(Errno::EAGAIN)?;
    k.write_record(id, &serial)?;
    k.timers[place] = timer;
    k.header.timer_end = k.header.timer_end.max(place as u32 + 1);
    k.processes[process].timer_serial = serial.wrapping_add(1) & i32::MAX as u32;
    Ok(0)
}

fn write(k: &mut Kernel<'_>, address: u64, timer: Timer) -> SysResult {
    let left = match timer.expiry {
        0 => 0,
        // A timer that is armed never shows zero.
        expiry => expiry.saturating_sub(timer.now(k)).max(1),
    };
    k.write_record(address, &timespec(timer.interval))?;
    k.write_record(address.wrapping_add(16), &timespec(left))?;
    Ok(0)
}

/// timer_settime(2).
pub fn timer_settime(k: &mut Kernel<'_>, id: i32, flags: u32, new: u64, old: u64) -> SysResult {
    if new == 0 {
        return Err(Errno::EINVAL.into());
    }
    let interval = read_timeout(k, new)?;
    let value = read_timeout(k, new.wrapping_add(16))?;
    let index = own(k, id)?;
    let before = k.timers[index];
    let expiry = match (value, flags & TIMER_ABSTIME != 0) {
        (0, _) => 0,
        (value, false) => before.now(k).saturating_add(value),
        (value, true) if before.clock == WALL => at_wall_time(k, value).max(1),
        (value, true) => value,
    };
    let timer = &mut k.timers[index];
    (timer.expiry, timer.interval, timer.overrun) = (expiry, interval, 0);
    if before.is_cpu() {
        let process = k.current_process();
        cpu::arm(k, process);
    } else if expiry != 0 {
        announce(k, expiry);
    }
    if old != 0 {
        write(k, old, before)?;
    }
    Ok(0)
}

/// timer_gettime(2).
pub fn timer_gettime(k: &mut Kernel<'_>, id: i32, value: u64) -> SysResult {
    let timer = k.timers[own(k, id)?];
    write(k, value, timer)
}

/// timer_getoverrun(2).
pub fn timer_getoverrun(k: &mut Kernel<'_>, id: i32) -> SysResult {
    Ok(u64::from(k.timers[own(k, id)?].overrun))
}

/// timer_delete(2).
pub fn timer_delete(k: &mut Kernel<'_>, id: i32) -> SysResult {
    let index = own(k, id)?;
    k.timers[index] = Timer::default();
    Ok(0)
}
