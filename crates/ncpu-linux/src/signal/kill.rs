//! kill(2) and its relatives.

use super::send::{self, Target};
use super::{Info, SI_TKILL, SI_USER, SIGCONT, SIGMAX};
use crate::image::Kernel;
use crate::process::{self, ALIVE, DEAD, identity};
use crate::{Errno, SysResult};

/// Whether the current process may send `signal` to `process`; EPERM.
pub fn check_permission(k: &mut Kernel<'_>, process: usize, signal: u32) -> Result<(), Errno> {
    let own = k.current_process();
    let [from, to] = [&k.processes[own], &k.processes[process]];
    let [real, effective, ..] = from.credentials.uid;
    let [target_real, _, target_saved, _] = to.credentials.uid;
    let same_user = [real, effective].iter().any(|&id| id == target_real || id == target_saved);
    if own == process
        || same_user
        || signal == SIGCONT && from.session == to.session
        || identity::capable(k, identity::CAP_KILL)
    {
        Ok(())
    } else {
        Err(Errno::EPERM)
    }
}

fn check_signal(signal: i32) -> Result<u32, Errno> {
    if (0..=SIGMAX as i32).contains(&signal) { Ok(signal as u32) } else { Err(Errno::EINVAL) }
}

fn sender(k: &mut Kernel<'_>, signal: u32, code: i32) -> Info {
    let p = k.process();
    Info::user(signal, code, p.pid, p.credentials.uid[0])
}

/// The process that a positive number means: a process, or that of a thread.
fn find(k: &Kernel<'_>, pid: u32) -> Option<usize> {
    process::by_pid(k, pid)
        .or_else(|| process::task_by_tid(k, pid).map(|task| k.tasks[task].process as usize))
}

/// Checks the permission and sends; nothing is sent for signal 0.
pub fn deliver_to(k: &mut Kernel<'_>, target: Target, info: Info) -> Result<(), Errno> {
    let process = match target {
        Target::Task(task) => k.tasks[task].process as usize,
        Target::Process(process) => process,
    };
    check_permission(k, process, info.signal)?;
    if info.signal == 0 { Ok(()) } else { send::send(k, target, info) }
}

/// kill(2).
pub fn kill(k: &mut Kernel<'_>, pid: i32, signal: i32) -> SysResult {
    let signal = check_signal(signal)?;
    let info = sender(k, signal, SI_USER);
    if pid > 0 {
        let process = find(k, pid as u32).ok_or(Errno::ESRCH)?;
        deliver_to(k, Target::Process(process), info)?;
        return Ok(0);
    }
    if pid == i32::MIN {
        return Err(Errno::ESRCH.into());
    }
    let own = k.current_process();
    let group = if pid == 0 { k.processes[own].group } else { pid.unsigned_abs() };
    let everyone = pid == -1;
    let init = k.header.first_is_init;
    let mut result = Err(Errno::ESRCH);
    for process in 0..k.processes.len() {
        let p = &k.processes[process];
        let meant = if everyone {
            p.state == ALIVE && p.pid > init && process != own
        } else {
            p.state != DEAD && p.group == group
        };
        if meant {
            match deliver_to(k, Target::Process(process), info) {
                Ok(()) => result = Ok(0),
                // To everyone, what is not permitted is passed over.
                Err(_) if everyone => result = Ok(0),
                Err(errno) if result.is_err() => result = Err(errno),
                Err(_) => {}
            }
        }
    }
    Ok(result?)
}

fn send_to_thread(k: &mut Kernel<'_>, group: Option<u32>, tid: i32, info: Info) -> SysResult {
    let task = process::task_by_tid(k, tid as u32).ok_or(Errno::ESRCH)?;
    let process = k.tasks[task].process as usize;
    if group.is_some_and(|group| k.processes[process].pid != group) {
        return Err(Errno::ESRCH.into());
    }
    deliver_to(k, Target::Task(task), info)?;
    Ok(0)
}

/// tkill(2).
pub fn tkill(k: &mut Kernel<'_>, tid: i32, signal: i32) -> SysResult {
    if tid <= 0 {
        return Err(Errno::EINVAL.into());
    }
    let signal = check_signal(signal)?;
    let info = sender(k, signal, SI_TKILL);
    send_to_thread(k, None, tid, info)
}

/// tgkill(2).
pub fn tgkill(k: &mut Kernel<'_>, group: i32, tid: i32, signal: i32) -> SysResult {
    if group <= 0 || tid <= 0 {
        return Err(Errno::EINVAL.into());
    }
    let signal = check_signal(signal)?;
    let info = sender(k, signal, SI_TKILL);
    send_to_thread(k, Some(group as u32), tid, info)
}

/// Reads the details that a program gives; EPERM when it pretends to be the kernel or kill(2)
/// towards someone else.
pub fn read_info(
    k: &mut Kernel<'_>,
    signal: i32,
    address: u64,
    to_itself: bool,
) -> Result<Info, Errno> {
    let mut bytes = [0; Info::BYTES];
    k.read_user(address, &mut bytes)?;
    let signal = check_signal(signal)?;
    let info = Info::from_user(signal, &bytes);
    if (info.code >= 0 || info.code == SI_TKILL) && !to_itself {
        return Err(Errno::EPERM);
    }
    Ok(info)
}

/// rt_sigqueueinfo(2).
pub fn rt_sigqueueinfo(k: &mut Kernel<'_>, pid: i32, signal: i32, info: u64) -> SysResult {
    let to_itself = pid as u32 == k.process().pid;
    let info = read_info(k, signal, info, to_itself)?;
    let process = find(k, pid as u32).ok_or(Errno::ESRCH)?;
    deliver_to(k, Target::Process(process), info)?;
    Ok(0)
}

/// rt_tgsigqueueinfo(2).
pub fn rt_tgsigqueueinfo(
    k: &mut Kernel<'_>,
    group: i32,
    tid: i32,
    signal: i32,
    info: u64,
) -> SysResult {
    if group <= 0 || tid <= 0 {
        return Err(Errno::EINVAL.into());
    }
    let to_itself = tid as u32 == k.task().tid;
    let info = read_info(k, signal, info, to_itself)?;
    send_to_thread(k, Some(group as u32), tid, info)
}
