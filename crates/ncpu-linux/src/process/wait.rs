//! Waiting for children.

use super::{ALIVE, DEAD, REPORT_CONTINUED, REPORT_STOPPED, ZOMBIE, exit, limits, pidfd};
use crate::abi::wait::*;
use crate::image::Kernel;
use crate::signal::{CLD_CONTINUED, CLD_EXITED, CLD_KILLED, CLD_STOPPED, Info, SIGCHLD, SIGCONT};
use crate::{Block, Channel, Errno, SysResult};

/// Wait status of a continued process.
pub const CONTINUED: u32 = 0xffff;

/// Wait status of a process that exits with `code`.
pub const fn exited(code: i32) -> u32 {
    (code as u32 & 0xff) << 8
}

/// Wait status of a process stopped by `signal`.
pub const fn stopped(signal: u32) -> u32 {
    signal << 8 | 0x7f
}

/// The signal that ended a process with this wait status, 0 for none.
pub const fn signal_of(status: u32) -> u32 {
    status & 0x7f
}

/// Which children a call is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    Any,
    Process(u32),
    Group(u32),
    Record(usize),
}

/// What a child has to tell.
struct Event {
    process: usize,
    code: i32,
    status: u32,
}

fn matches(k: &Kernel<'_>, child: usize, which: Which, options: u32) -> bool {
    let c = &k.processes[child];
    let of_kind = options & WALL != 0 || (c.exit_signal != SIGCHLD) == (options & WCLONE != 0);
    let meant = match which {
        Which::Any => true,
        Which::Process(pid) => c.pid == pid,
        Which::Group(group) => c.group == group,
        Which::Record(record) => child == record,
    };
    let is_child = c.parent as usize == k.current_process() && c.adopted == 0;
    c.state != DEAD && is_child && of_kind && meant
}

fn event(k: &Kernel<'_>, process: usize, options: u32) -> Option<Event> {
    let p = &k.processes[process];
    let (code, status) = match (p.state, p.report) {
        (ZOMBIE, _) if options & WEXITED != 0 => {
            let code = if signal_of(p.status) == 0 { CLD_EXITED } else { CLD_KILLED };
            (code, p.status)
        }
        (ALIVE, REPORT_STOPPED) if options & WUNTRACED != 0 => (CLD_STOPPED, p.status),
        (ALIVE, REPORT_CONTINUED) if options & WCONTINUED != 0 => (CLD_CONTINUED, p.status),
        _ => return None,
    };
    Some(Event { process, code, status })
}

/// Finds a child with something to tell, the oldest first, or waits for one; `None` when there is
/// none and the call does not wait.
fn find(k: &mut Kernel<'_>, which: Which, options: u32) -> Result<Option<Event>, Block> {
    let mut any = false;
    let mut best: Option<(u64, Event)> = None;
    for child in 0..k.processes.len() {
        if !matches(k, child, which, options) {
            continue;
        }
        any = true;
        let birth = k.processes[child].birth;
        if best.as_ref().is_none_or(|(oldest, _)| birth < *oldest)
            && let Some(event) = event(k, child, options)
        {
            best = Some((birth, event));
        }
    }
    match best {
        Some((_, event)) => Ok(Some(event)),
        None if !any => Err(Errno::ECHILD.into()),
        None if options & WNOHANG != 0 => Ok(None),
        None => Err(Block::Sleep(Channel::Child(k.current_process() as u32), None)),
    }
}

/// Marks an event as told; a zombie is gone with it.
fn consume(k: &mut Kernel<'_>, event: &Event) {
    let child = &mut k.processes[event.process];
    if child.state == ZOMBIE {
        let time = child.ended_time[0] + child.ended_time[1];
        k.process().ended_time[1] += time;
        exit::release(k, event.process);
    } else {
        child.report = 0;
    }
}

/// wait4(2).
pub fn wait4(k: &mut Kernel<'_>, pid: i32, status: u64, options: u32, usage: u64) -> SysResult {
    if options & !(WNOHANG | WUNTRACED | WCONTINUED | WNOTHREAD | WCLONE | WALL) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let which = match pid {
        i32::MIN => return Err(Errno::ESRCH.into()),
        -1 => Which::Any,
        0 => Which::Group(k.process().group),
        pid if pid < 0 => Which::Group(pid.unsigned_abs()),
        pid => Which::Process(pid as u32),
    };
    let Some(event) = find(k, which, options | WEXITED)? else { return Ok(0) };
    let child = k.processes[event.process].pid;
    let used = limits::usage_of_child(k, event.process);
    consume(k, &event);
    if status != 0 {
        k.write_record(status, &event.status)?;
    }
    if usage != 0 {
        k.write_user(usage, &used)?;
    }
    Ok(u64::from(child))
}

/// waitid(2).
pub fn waitid(
    k: &mut Kernel<'_>,
    kind: i32,
    id: i32,
    info: u64,
    options: u32,
    usage: u64,
) -> SysResult {
    const KNOWN: u32 =
        WNOHANG | WNOWAIT | WEXITED | WUNTRACED | WCONTINUED | WNOTHREAD | WCLONE | WALL;
    let mut options = options;
    if options & !KNOWN != 0 || options & (WEXITED | WUNTRACED | WCONTINUED) == 0 {
        return Err(Errno::EINVAL.into());
    }
    let which = match kind {
        P_ALL => Which::Any,
        P_PID if id > 0 => Which::Process(id as u32),
        P_PGID if id > 0 => Which::Group(id as u32),
        P_PGID if id == 0 => Which::Group(k.process().group),
        P_PIDFD if id >= 0 => {
            let (record, no_wait) = pidfd::process_of(k, id)?;
            if no_wait {
                options |= WNOHANG;
            }
            Which::Record(record.ok_or(Errno::ECHILD)?)
        }
        _ => return Err(Errno::EINVAL.into()),
    };
    let found = match find(k, which, options) {
        // A non-blocking descriptor says so.
        Ok(None) if kind == P_PIDFD && k.task().call_arguments[3] as u32 & WNOHANG == 0 => {
            return Err(Errno::EAGAIN.into());
        }
        found => found?,
    };
    let mut details = Info::default();
    let mut used = None;
    if let Some(event) = found {
        let child = &k.processes[event.process];
        let status = match event.code {
            CLD_EXITED => event.status >> 8 & 0xff,
            CLD_KILLED => signal_of(event.status),
            CLD_STOPPED => event.status >> 8,
            _ => SIGCONT,
        };
        details = Info {
            signal: SIGCHLD,
            code: event.code,
            errno: 0,
            pid: child.pid,
            uid: child.credentials.uid[0],
            status: status as i32,
            value: 0,
        };
        used = Some(limits::usage_of_child(k, event.process));
        if options & WNOWAIT == 0 {
            consume(k, &event);
        }
    }
    if let Some(used) = used
        && usage != 0
    {
        k.write_user(usage, &used)?;
    }
    if info != 0 {
        // Only the members up to `si_status` are written.
        let bytes = details.to_user();
        k.write_user(info, &bytes[..12])?;
        k.write_user(info.wrapping_add(16), &bytes[16..28])?;
    }
    Ok(0)
}
