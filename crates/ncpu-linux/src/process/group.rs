//! Process groups and sessions (`setpgid(2)`, `setsid(2)`, `credentials(7)`).

use super::{ALIVE, DEAD, NO_PARENT, attribute, by_pid, exit};
use crate::image::Kernel;
use crate::{Errno, SysResult};

/// Whether no member of the group (other than `ignored`) has a parent in another group of the same
/// session, who could continue it (POSIX.1-2017, 3.243 Orphaned Process Group).
pub fn is_orphaned(kernel: &Kernel<'_>, group: u32, ignored: Option<usize>) -> bool {
    !kernel.processes.iter().enumerate().any(|(index, p)| {
        p.state == ALIVE
            && p.group == group
            && Some(index) != ignored
            && p.parent != NO_PARENT
            && p.adopted == 0
            && kernel.processes[p.parent as usize].group != group
            && kernel.processes[p.parent as usize].session == p.session
    })
}

/// When `process` ends, or loses `parent`, its group may become orphaned; stopped members are then
/// told with SIGHUP and SIGCONT (`_exit(2)` in POSIX.1-2017).
pub(super) fn hang_up_if_orphaned(kernel: &mut Kernel<'_>, process: usize, parent: u32) {
    if parent == NO_PARENT {
        return;
    }
    let p = &kernel.processes[process];
    let above = &kernel.processes[parent as usize];
    let (group, ends) = (p.group, p.state != ALIVE);
    let adopted = p.adopted != 0 && above.pid == 1;
    if above.group == group || above.session != p.session || adopted {
        return;
    }
    let ignored = if ends { Some(process) } else { None };
    let stopped =
        kernel.processes.iter().any(|p| p.state == ALIVE && p.group == group && p.stopped != 0);
    if stopped && is_orphaned(kernel, group, ignored) {
        exit::hang_up_group(kernel, group);
    }
}

/// The process that a call means: 0 is the caller; ESRCH.
fn named(k: &Kernel<'_>, pid: i32) -> Result<usize, Errno> {
    if pid == 0 { Ok(k.current_process()) } else { by_pid(k, pid as u32).ok_or(Errno::ESRCH) }
}

/// getpid(2).
pub fn getpid(k: &mut Kernel<'_>) -> SysResult {
    Ok(u64::from(k.process().pid))
}

/// gettid(2).
pub fn gettid(k: &mut Kernel<'_>) -> SysResult {
    Ok(u64::from(k.task().tid))
}

/// getppid(2).
pub fn getppid(k: &mut Kernel<'_>) -> SysResult {
    match k.process().parent {
        NO_PARENT => Ok(0),
        parent => Ok(u64::from(k.processes[parent as usize].pid)),
    }
}

/// setpgid(2).
pub fn setpgid(k: &mut Kernel<'_>, pid: i32, group: i32) -> SysResult {
    if group < 0 {
        return Err(Errno::EINVAL.into());
    }
    let own = k.current_process();
    let process = named(k, pid)?;
    let caller_session = k.processes[own].session;
    let p = &k.processes[process];
    let group = if group == 0 { p.pid } else { group as u32 };
    if process != own {
        if p.parent as usize != own {
            return Err(Errno::ESRCH.into());
        }
        if p.session != caller_session {
            return Err(Errno::EPERM.into());
        }
        if p.attributes[attribute::EXECUTED] != 0 {
            return Err(Errno::EACCES.into());
        }
    }
    if p.session == p.pid {
        return Err(Errno::EPERM.into());
    }
    let exists = |k: &Kernel<'_>| {
        k.processes
            .iter()
            .any(|p| p.state != DEAD && p.group == group && p.session == caller_session)
    };
    if group != p.pid && !exists(k) {
        return Err(Errno::EPERM.into());
    }
    k.processes[process].group = group;
    Ok(0)
}

/// getpgid(2).
pub fn getpgid(k: &mut Kernel<'_>, pid: i32) -> SysResult {
    let process = named(k, pid)?;
    Ok(u64::from(k.processes[process].group))
}

/// getsid(2).
pub fn getsid(k: &mut Kernel<'_>, pid: i32) -> SysResult {
    let process = named(k, pid)?;
    Ok(u64::from(k.processes[process].session))
}

/// setsid(2).
pub fn setsid(k: &mut Kernel<'_>) -> SysResult {
    let pid = k.process().pid;
    if k.processes.iter().any(|p| p.state != DEAD && p.group == pid) {
        return Err(Errno::EPERM.into());
    }
    let p = k.process();
    p.group = pid;
    p.session = pid;
    p.terminal = 0;
    Ok(u64::from(pid))
}
