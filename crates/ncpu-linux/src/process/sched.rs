//! Scheduling parameters. The machine has one CPU and runs its tasks in turn whatever their policy;
//! parameters are kept and checked as Linux does.

use super::{ALIVE, Credentials, by_pid, identity, state, task_by_tid};
use crate::abi::sched::*;
use crate::abi::time::SECOND;
use crate::image::Kernel;
use crate::kernel::QUANTUM;
use crate::{Errno, SysResult, time};

/// The task that a call means: 0 is the caller; ESRCH.
fn named(k: &Kernel<'_>, pid: i32) -> Result<usize, Errno> {
    if pid < 0 { Err(Errno::EINVAL) } else { found(k, pid) }
}

/// As [`named`], for the calls that look negative ids up like others; ESRCH.
fn found(k: &Kernel<'_>, pid: i32) -> Result<usize, Errno> {
    match pid {
        0 => Ok(k.current()),
        pid => task_by_tid(k, pid as u32).ok_or(Errno::ESRCH),
    }
}

/// Whether the caller owns the task or may change anyone's; EPERM.
fn check_owner(k: &Kernel<'_>, task: usize) -> Result<(), Errno> {
    let own = k.processes[k.current_process()].credentials.uid[1];
    let Credentials { uid, .. } = k.processes[k.tasks[task].process as usize].credentials;
    if own == uid[0] || own == uid[1] || identity::capable(k, identity::CAP_SYS_NICE) {
        Ok(())
    } else {
        Err(Errno::EPERM)
    }
}

/// sched_yield(2).
pub fn sched_yield(k: &mut Kernel<'_>) -> SysResult {
    k.header.reschedule = 1;
    Ok(0)
}

fn check_policy(policy: u32, priority: u32) -> Result<(), Errno> {
    let valid = match policy & !SCHED_RESET_ON_FORK {
        SCHED_FIFO | SCHED_RR => (1..=99).contains(&priority),
        SCHED_OTHER | SCHED_BATCH | SCHED_IDLE => priority == 0,
        _ => false,
    };
    if valid { Ok(()) } else { Err(Errno::EINVAL) }
}

fn set_policy(k: &mut Kernel<'_>, task: usize, policy: u32, priority: u32) -> SysResult {
    check_policy(policy, priority)?;
    check_owner(k, task)?;
    if priority > k.tasks[task].priority && !identity::capable(k, identity::CAP_SYS_NICE) {
        let limits = &k.processes[k.tasks[task].process as usize].limits;
        if u64::from(priority) > limits[super::limits::REAL_TIME][0] {
            return Err(Errno::EPERM.into());
        }
    }
    (k.tasks[task].policy, k.tasks[task].priority) = (policy, priority);
    Ok(0)
}

/// sched_setscheduler(2).
pub fn sched_setscheduler(k: &mut Kernel<'_>, pid: i32, policy: i32, parameter: u64) -> SysResult {
    if policy < 0 || parameter == 0 {
        return Err(Errno::EINVAL.into());
    }
    let priority = k.read_record::<u32>(parameter)?;
    let task = named(k, pid)?;
    set_policy(k, task, policy as u32, priority)
}

/// sched_setparam(2).
pub fn sched_setparam(k: &mut Kernel<'_>, pid: i32, parameter: u64) -> SysResult {
    if parameter == 0 {
        return Err(Errno::EINVAL.into());
    }
    let priority = k.read_record::<u32>(parameter)?;
    let task = named(k, pid)?;
    let policy = k.tasks[task].policy;
    set_policy(k, task, policy, priority)
}

/// sched_getscheduler(2).
pub fn sched_getscheduler(k: &mut Kernel<'_>, pid: i32) -> SysResult {
    Ok(u64::from(k.tasks[named(k, pid)?].policy))
}

/// sched_getparam(2).
pub fn sched_getparam(k: &mut Kernel<'_>, pid: i32, parameter: u64) -> SysResult {
    if parameter == 0 {
        return Err(Errno::EINVAL.into());
    }
    let priority = k.tasks[named(k, pid)?].priority;
    k.write_record(parameter, &priority)?;
    Ok(0)
}

/// Bytes of a CPU mask that the kernel uses (`nr_cpu_ids` rounded up to a word).
const MASK_BYTES: u64 = 8;

/// sched_setaffinity(2).
pub fn sched_setaffinity(k: &mut Kernel<'_>, pid: i32, size: u32, mask: u64) -> SysResult {
    let mut bytes = [0; MASK_BYTES as usize];
    let size = u64::from(size).min(MASK_BYTES) as usize;
    k.read_user(mask, &mut bytes[..size])?;
    let task = found(k, pid)?;
    check_owner(k, task)?;
    // There is CPU 0 only.
    if bytes[0] & 1 == 0 {
        return Err(Errno::EINVAL.into());
    }
    k.tasks[task].affinity = 1;
    Ok(0)
}

/// sched_getaffinity(2).
pub fn sched_getaffinity(k: &mut Kernel<'_>, pid: i32, size: u32, mask: u64) -> SysResult {
    if u64::from(size) < MASK_BYTES || u64::from(size) % MASK_BYTES != 0 {
        return Err(Errno::EINVAL.into());
    }
    let affinity = k.tasks[found(k, pid)?].affinity;
    k.write_record(mask, &affinity)?;
    Ok(MASK_BYTES)
}

/// sched_get_priority_max(2).
pub fn sched_get_priority_max(_k: &mut Kernel<'_>, policy: u32) -> SysResult {
    match policy {
        SCHED_FIFO | SCHED_RR => Ok(99),
        SCHED_OTHER | SCHED_BATCH | SCHED_IDLE | SCHED_DEADLINE => Ok(0),
        _ => Err(Errno::EINVAL.into()),
    }
}

/// sched_get_priority_min(2).
pub fn sched_get_priority_min(_k: &mut Kernel<'_>, policy: u32) -> SysResult {
    match policy {
        SCHED_FIFO | SCHED_RR => Ok(1),
        SCHED_OTHER | SCHED_BATCH | SCHED_IDLE | SCHED_DEADLINE => Ok(0),
        _ => Err(Errno::EINVAL.into()),
    }
}

/// sched_rr_get_interval(2).
pub fn sched_rr_get_interval(k: &mut Kernel<'_>, pid: i32, interval: u64) -> SysResult {
    let quantum = match k.tasks[named(k, pid)?].policy {
        SCHED_FIFO => 0,
        _ => QUANTUM as u64,
    };
    k.write_record(interval, &time::timespec(quantum % SECOND))?;
    Ok(0)
}

/// Bytes of the first version of `struct sched_attr`, and of the present one.
const ATTRIBUTES: [u32; 2] = [48, 56];

/// sched_setattr(2).
pub fn sched_setattr(k: &mut Kernel<'_>, pid: i32, attributes: u64, flags: u32) -> SysResult {
    const RESET_ON_FORK: u64 = 1;
    const KEEP_POLICY: u64 = 8;
    const KEEP_PARAMETERS: u64 = 16;
    if attributes == 0 || flags != 0 {
        return Err(Errno::EINVAL.into());
    }
    let size = k.read_record::<u32>(attributes)?;
    let size = if size == 0 { ATTRIBUTES[0] } else { size };
    if !(ATTRIBUTES[0]..=4096).contains(&size) {
        k.write_record(attributes, &ATTRIBUTES[1])?;
        return Err(Errno::E2BIG.into());
    }
    let policy = k.read_record::<u32>(attributes.wrapping_add(4))?;
    let flags = k.read_record::<u64>(attributes.wrapping_add(8))?;
    let [nice, priority] = k.read_record::<[u32; 2]>(attributes.wrapping_add(16))?;
    let task = named(k, pid)?;
    let t = &k.tasks[task];
    let policy = if flags & KEEP_POLICY != 0 { t.policy } else { policy };
    let priority = if flags & KEEP_PARAMETERS != 0 { t.priority } else { priority };
    if flags & !(RESET_ON_FORK | KEEP_POLICY | KEEP_PARAMETERS) != 0 || policy > SCHED_DEADLINE {
        return Err(Errno::EINVAL.into());
    }
    let reset = if flags & RESET_ON_FORK != 0 { SCHED_RESET_ON_FORK } else { 0 };
    set_policy(k, task, policy | reset, priority)?;
    if matches!(policy, SCHED_OTHER | SCHED_BATCH) && flags & KEEP_PARAMETERS == 0 {
        let process = k.tasks[task].process as usize;
        set_nice(k, process, nice as i32)?;
    }
    Ok(0)
}

/// sched_getattr(2).
pub fn sched_getattr(
    k: &mut Kernel<'_>,
    pid: i32,
    attributes: u64,
    size: u32,
    flags: u32,
) -> SysResult {
    if attributes == 0 || flags != 0 || !(ATTRIBUTES[0]..=4096).contains(&size) {
        return Err(Errno::EINVAL.into());
    }
    let t = k.tasks[named(k, pid)?];
    let nice = k.processes[t.process as usize].nice.wrapping_sub(20);
    let size = size.min(ATTRIBUTES[1]);
    let mut out = [0u8; ATTRIBUTES[1] as usize];
    let reset = u32::from(t.policy & SCHED_RESET_ON_FORK != 0);
    let fields = [(0, size), (4, t.policy & !SCHED_RESET_ON_FORK), (8, reset), (16, nice)];
    for (at, value) in fields.into_iter().chain([(20, t.priority)]) {
        out[at..at + 4].copy_from_slice(&u32::to_le_bytes(value));
    }
    k.write_user(attributes, &out[..size as usize])?;
    Ok(0)
}

/// Sets a process's nice value; EACCES without the right to raise its priority.
fn set_nice(k: &mut Kernel<'_>, process: usize, nice: i32) -> Result<(), Errno> {
    let biased = (nice.clamp(-20, 19) + 20) as u32;
    let own = k.processes[k.current_process()].credentials.uid[1];
    let p = &k.processes[process];
    let privileged = identity::capable(k, identity::CAP_SYS_NICE);
    if own != p.credentials.uid[0] && own != p.credentials.uid[1] && !privileged {
        return Err(Errno::EPERM);
    }
    let lowest = 40u64.saturating_sub(p.limits[super::limits::NICE][0].min(40));
    if biased < p.nice && !privileged && u64::from(biased) < lowest {
        return Err(Errno::EACCES);
    }
    k.processes[process].nice = biased;
    Ok(())
}

const PRIO_PROCESS: i32 = 0;
const PRIO_PGRP: i32 = 1;
const PRIO_USER: i32 = 2;

/// Whether getpriority and setpriority with these arguments are about the process.
fn is_meant(k: &Kernel<'_>, process: usize, which: i32, who: u32) -> bool {
    let own = &k.processes[k.current_process()];
    let p = &k.processes[process];
    p.state == ALIVE
        && match which {
            PRIO_PROCESS if who == 0 => process == k.current_process(),
            PRIO_PROCESS => {
                let task = task_by_tid(k, who).map(|task| k.tasks[task].process as usize);
                task.or(by_pid(k, who)) == Some(process)
            }
            PRIO_PGRP => p.group == if who == 0 { own.group } else { who },
            _ => p.credentials.uid[0] == if who == 0 { own.credentials.uid[0] } else { who },
        }
}

/// getpriority(2); the kernel returns 20 minus the nice value.
pub fn getpriority(k: &mut Kernel<'_>, which: i32, who: u32) -> SysResult {
    if !(PRIO_PROCESS..=PRIO_USER).contains(&which) {
        return Err(Errno::EINVAL.into());
    }
    let nicest = (0..k.processes.len())
        .filter(|&process| is_meant(k, process, which, who))
        .map(|process| k.processes[process].nice)
        .min()
        .ok_or(Errno::ESRCH)?;
    Ok(u64::from(40 - nicest.min(39)))
}

/// setpriority(2).
pub fn setpriority(k: &mut Kernel<'_>, which: i32, who: u32, nice: i32) -> SysResult {
    if !(PRIO_PROCESS..=PRIO_USER).contains(&which) {
        return Err(Errno::EINVAL.into());
    }
    let mut result = Err(Errno::ESRCH);
    for process in 0..k.processes.len() {
        if is_meant(k, process, which, who) {
            match set_nice(k, process, nice) {
                Ok(()) if result == Err(Errno::ESRCH) => result = Ok(0),
                Ok(()) => {}
                Err(errno) => result = Err(errno),
            }
        }
    }
    Ok(result?)
}

/// The class in the high bits of an I/O priority.
const IOPRIO_CLASS_SHIFT: u32 = 13;

fn check_io_target(k: &Kernel<'_>, which: i32, who: i32) -> Result<usize, Errno> {
    const IOPRIO_WHO_PROCESS: i32 = 1;
    const IOPRIO_WHO_USER: i32 = 3;
    match which {
        IOPRIO_WHO_PROCESS => Ok(k.tasks[found(k, who)?].process as usize),
        2..=IOPRIO_WHO_USER => Ok(k.current_process()),
        _ => Err(Errno::EINVAL),
    }
}

/// ioprio_set(2).
pub fn ioprio_set(k: &mut Kernel<'_>, which: i32, who: i32, priority: u32) -> SysResult {
    let (class, level) =
        (priority >> IOPRIO_CLASS_SHIFT, priority & ((1 << IOPRIO_CLASS_SHIFT) - 1));
    let valid = match class {
        0 => level == 0,
        1 | 2 => level < 8,
        3 => true,
        _ => false,
    };
    if !valid {
        return Err(Errno::EINVAL.into());
    }
    if class == 1 && !identity::capable(k, identity::CAP_SYS_NICE) {
        return Err(Errno::EPERM.into());
    }
    let process = check_io_target(k, which, who)?;
    k.processes[process].io_priority = priority;
    Ok(0)
}

/// ioprio_get(2).
pub fn ioprio_get(k: &mut Kernel<'_>, which: i32, who: i32) -> SysResult {
    let process = check_io_target(k, which, who)?;
    Ok(u64::from(k.processes[process].io_priority))
}

/// getcpu(2): CPU 0 of node 0.
pub fn getcpu(k: &mut Kernel<'_>, cpu: u64, node: u64, _cache: u64) -> SysResult {
    for address in [cpu, node] {
        if address != 0 {
            k.write_record(address, &0u32)?;
        }
    }
    Ok(0)
}

/// Tasks that can run, for the load in sysinfo and /proc.
pub fn runnable(k: &Kernel<'_>) -> usize {
    let end = k.header.task_end as usize;
    k.tasks[..end].iter().filter(|t| t.state == state::RUNNABLE).count()
}
