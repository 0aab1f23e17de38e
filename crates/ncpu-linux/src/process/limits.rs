//! Resource limits and usage (`getrlimit(2)`, `getrusage(2)`, `times(2)`).

use super::{DEAD, attribute, by_pid, identity, user_time};
use crate::file::DESCRIPTORS;
use crate::image::{Kernel, Limits};
use crate::time;
use crate::{Errno, SysResult};

/// RLIMIT_CPU.
pub const CPU: usize = 0;
/// RLIMIT_FSIZE.
pub const FILE_SIZE: usize = 1;
/// RLIMIT_STACK.
pub const STACK: usize = 3;
/// RLIMIT_CORE.
pub const CORE: usize = 4;
/// RLIMIT_NPROC.
pub const PROCESSES: usize = 6;
/// RLIMIT_NOFILE.
pub const FILES: usize = 7;
/// RLIMIT_MEMLOCK.
pub const LOCKED: usize = 8;
/// RLIMIT_SIGPENDING.
pub const SIGNALS: usize = 11;
/// RLIMIT_MSGQUEUE.
pub const MESSAGES: usize = 12;
/// RLIMIT_NICE.
pub const NICE: usize = 13;
/// RLIMIT_RTPRIO.
pub const REAL_TIME: usize = 14;
/// RLIM_INFINITY.
pub const INFINITY: u64 = u64::MAX;

/// Nanoseconds in a clock tick (`sysconf(_SC_CLK_TCK)` is 100).
pub const NANOSECONDS_PER_TICK: u64 = 10_000_000;

/// Limits of the first process: those of Linux, with what the machine's tables can hold.
pub fn defaults(limits: &Limits) -> [[u64; 2]; 16] {
    let tasks = u64::from(limits.tasks);
    let mut out = [[INFINITY; 2]; 16];
    out[STACK] = [8 << 20, INFINITY];
    out[CORE] = [0, INFINITY];
    out[PROCESSES] = [tasks; 2];
    out[FILES] = [DESCRIPTORS as u64; 2];
    out[LOCKED] = [8 << 20; 2];
    out[SIGNALS] = [4 * tasks; 2];
    out[MESSAGES] = [819_200; 2];
    out[NICE] = [0; 2];
    out[REAL_TIME] = [0; 2];
    out
}

/// Sets a limit of a process.
fn set(k: &mut Kernel<'_>, process: usize, resource: usize, new: [u64; 2]) -> Result<(), Errno> {
    let [soft, hard] = new;
    let old = k.processes[process].limits[resource];
    if soft > hard {
        return Err(Errno::EINVAL);
    }
    if hard > old[1] && !identity::capable(k, identity::CAP_SYS_RESOURCE)
        || resource == FILES && hard > DESCRIPTORS as u64
    {
        return Err(Errno::EPERM);
    }
    k.processes[process].limits[resource] = new;
    if resource == CPU {
        time::cpu::arm(k, process);
    }
    Ok(())
}

fn check(resource: u32) -> Result<usize, Errno> {
    if resource < 16 { Ok(resource as usize) } else { Err(Errno::EINVAL) }
}

/// getrlimit(2).
pub fn getrlimit(k: &mut Kernel<'_>, resource: u32, out: u64) -> SysResult {
    let limit = k.process().limits[check(resource)?];
    k.write_record(out, &limit)?;
    Ok(0)
}

/// setrlimit(2).
pub fn setrlimit(k: &mut Kernel<'_>, resource: u32, new: u64) -> SysResult {
    let new = k.read_record::<[u64; 2]>(new)?;
    let process = k.current_process();
    set(k, process, check(resource)?, new)?;
    Ok(0)
}

/// prlimit(2).
pub fn prlimit64(k: &mut Kernel<'_>, pid: i32, resource: u32, new: u64, old: u64) -> SysResult {
    let resource = check(resource)?;
    let new = if new == 0 { None } else { Some(k.read_record::<[u64; 2]>(new)?) };
    let own = k.current_process();
    let process = match pid {
        0 => own,
        pid => by_pid(k, pid as u32).ok_or(Errno::ESRCH)?,
    };
    if process != own && !identity::capable(k, identity::CAP_SYS_RESOURCE) {
        let mine = k.processes[own].credentials;
        let theirs = k.processes[process].credentials;
        if theirs.uid[..3].iter().any(|&id| id != mine.uid[0])
            || theirs.gid[..3].iter().any(|&id| id != mine.gid[0])
        {
            return Err(Errno::EPERM.into());
        }
    }
    let before = k.processes[process].limits[resource];
    if let Some(new) = new {
        set(k, process, resource, new)?;
    }
    if old != 0 {
        k.write_record(old, &before)?;
    }
    Ok(0)
}

/// Bytes of `struct rusage`.
const USAGE: usize = 144;

fn usage(time: u64, resident: u64) -> [u8; USAGE] {
    let mut out = [0; USAGE];
    let [seconds, micros] = time::timeval(time);
    out[..8].copy_from_slice(&seconds.to_le_bytes());
    out[8..16].copy_from_slice(&micros.to_le_bytes());
    // `ru_maxrss`, in KiB.
    out[32..40].copy_from_slice(&(resident * 4).to_le_bytes());
    out
}

fn resident(k: &Kernel<'_>, process: usize) -> u64 {
    k.mms[k.processes[process].mm as usize].usage[1]
}

/// `struct rusage` of a child and its children, as wait4 gives it.
pub fn usage_of_child(k: &Kernel<'_>, process: usize) -> [u8; USAGE] {
    usage(user_time(k, process) + k.processes[process].ended_time[1], 0)
}

/// getrusage(2).
pub fn getrusage(k: &mut Kernel<'_>, who: i32, out: u64) -> SysResult {
    const RUSAGE_SELF: i32 = 0;
    const RUSAGE_CHILDREN: i32 = -1;
    const RUSAGE_THREAD: i32 = 1;
    let process = k.current_process();
    let (time, resident) = match who {
        RUSAGE_SELF => (user_time(k, process), resident(k, process)),
        RUSAGE_CHILDREN => (k.processes[process].ended_time[1], 0),
        RUSAGE_THREAD => (k.task().user_time, resident(k, process)),
        _ => return Err(Errno::EINVAL.into()),
    };
    k.write_user(out, &usage(time, resident))?;
    Ok(0)
}

/// times(2).
pub fn times(k: &mut Kernel<'_>, out: u64) -> SysResult {
    let process = k.current_process();
    if out != 0 {
        let own = user_time(k, process) / NANOSECONDS_PER_TICK;
        let children = k.processes[process].ended_time[1] / NANOSECONDS_PER_TICK;
        // User and system time, and those of waited-for children.
        k.write_record(out, &[own, 0, children, 0])?;
    }
    Ok(k.now() / NANOSECONDS_PER_TICK)
}

/// Whether the process may be looked into by others (PR_SET_DUMPABLE), for /proc.
pub fn is_dumpable(k: &Kernel<'_>, process: usize) -> bool {
    let p = &k.processes[process];
    p.state != DEAD && p.attributes[attribute::DUMPABLE] == 1
}
