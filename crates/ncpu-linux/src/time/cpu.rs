//! What depends on CPU time: virtual and profiling timers, timers on CPU clocks, RLIMIT_CPU.

use super::clock::Clock;
use super::{interval, timer};
use crate::abi::time::SECOND;
use crate::image::Kernel;
use crate::process::{self, limits};
use crate::signal::{self, Info, SIGKILL, SIGXCPU};

/// Interval timers on CPU time.
const INTERVALS: [usize; 2] = [1, 2];

/// Instructions that a process may run before [`expire`] has to look at it.
pub fn budget(k: &Kernel<'_>, process: usize) -> u64 {
    match k.processes[process].cpu_deadline {
        u64::MAX => u64::MAX,
        deadline => deadline.saturating_sub(process::user_time(k, process)),
    }
}

/// Fires what is due for the process that has just run.
pub fn expire(k: &mut Kernel<'_>, process: usize) {
    if k.processes[process].cpu_deadline > process::user_time(k, process) {
        return;
    }
    for which in INTERVALS {
        interval::fire(k, process, which);
    }
    timer::expire_cpu(k, process);
    let used = process::user_time(k, process);
    let [soft, hard] = k.processes[process].limits[limits::CPU].map(limit_time);
    if used >= hard {
        signal::send_process(k, process, Info::kernel(SIGKILL));
    } else if used >= soft {
        // The signal comes again every second until the hard limit.
        k.processes[process].limits[limits::CPU][0] = used / SECOND + 1;
        signal::send_process(k, process, Info::kernel(SIGXCPU));
    }
    arm(k, process);
}

fn limit_time(seconds: u64) -> u64 {
    if seconds == limits::INFINITY { u64::MAX } else { seconds.max(1).saturating_mul(SECOND) }
}

/// Computes when [`expire`] is needed next.
pub fn arm(k: &mut Kernel<'_>, process: usize) {
    let used = process::user_time(k, process);
    let [soft, hard] = k.processes[process].limits[limits::CPU].map(limit_time);
    let mut deadline = soft.min(if used >= hard { u64::MAX } else { hard });
    for which in INTERVALS {
        match k.processes[process].timers[which][0] {
            0 => {}
            expiry => deadline = deadline.min(expiry),
        }
    }
    let end = k.header.timer_end as usize;
    for timer in k.timers[..end].iter().filter(|t| t.owner as usize == process + 1 && t.expiry != 0)
    {
        match timer.clock(k) {
            Some(Clock::Process(other)) if other == process => {
                deadline = deadline.min(timer.expiry);
            }
            Some(Clock::Thread(task)) => {
                // The process uses at least as much time as its thread.
                let left = timer.expiry.saturating_sub(k.tasks[task].user_time);
                deadline = deadline.min(used.saturating_add(left));
            }
            _ => {}
        }
    }
    k.processes[process].cpu_deadline = deadline;
}
