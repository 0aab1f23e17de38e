//! Actions, masks, alternate stacks, and waiting for signals.

use super::{IGNORED_SIGNALS, KERNEL_ONLY, MINSIGSTKSZ, SA_KNOWN, SIG_DFL, SIG_IGN, SIGMAX};
use super::{SS_AUTODISARM, SS_DISABLE, SS_ONSTACK, bit, dequeue, frame, is_pending, send};
use crate::image::Kernel;
use crate::process::Action;
use crate::time;
use crate::{Block, Channel, Errno, SysResult};

/// Bytes of the kernel's `sigset_t`, which every call is told.
const SET_BYTES: u64 = 8;

fn check_set(size: u64) -> Result<(), Errno> {
    if size == SET_BYTES { Ok(()) } else { Err(Errno::EINVAL) }
}

/// rt_sigaction(2).
pub fn rt_sigaction(k: &mut Kernel<'_>, signal: i32, new: u64, old: u64, size: u64) -> SysResult {
    check_set(size)?;
    let action = if new == 0 { None } else { Some(k.read_record::<[u64; 4]>(new)?) };
    let signal = signal as u32;
    if !(1..=SIGMAX).contains(&signal) || action.is_some() && KERNEL_ONLY & bit(signal) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let index = signal as usize - 1;
    let before = k.process().actions[index];
    if let Some([handler, flags, restorer, mask]) = action {
        let mask = mask & !KERNEL_ONLY;
        k.process().actions[index] = Action { handler, flags: flags & SA_KNOWN, mask, restorer };
        // POSIX: setting a signal's action to ignore discards it where it is pending.
        let ignored =
            handler == SIG_IGN || handler == SIG_DFL && IGNORED_SIGNALS & bit(signal) != 0;
        if ignored {
            let process = k.current_process();
            send::cancel(k, process, bit(signal));
        }
    }
    if old != 0 {
        k.write_record(old, &[before.handler, before.flags, before.restorer, before.mask])?;
    }
    Ok(0)
}

/// rt_sigprocmask(2).
pub fn rt_sigprocmask(k: &mut Kernel<'_>, how: i32, new: u64, old: u64, size: u64) -> SysResult {
    const SIG_BLOCK: i32 = 0;
    const SIG_UNBLOCK: i32 = 1;
    const SIG_SETMASK: i32 = 2;
    check_set(size)?;
    let before = k.task().blocked;
    if new != 0 {
        let set: u64 = k.read_record::<u64>(new)? & !KERNEL_ONLY;
        let after = match how {
            SIG_BLOCK => before | set,
            SIG_UNBLOCK => before & !set,
            SIG_SETMASK => set,
            _ => return Err(Errno::EINVAL.into()),
        };
        k.task().blocked = after;
    }
    if old != 0 {
        k.write_record(old, &before)?;
    }
    Ok(0)
}

/// rt_sigpending(2).
pub fn rt_sigpending(k: &mut Kernel<'_>, set: u64, size: u64) -> SysResult {
    if size > SET_BYTES {
        return Err(Errno::EINVAL.into());
    }
    let pending = (k.task().pending | k.process().pending) & k.task().blocked;
    k.write_user(set, &pending.to_le_bytes()[..size as usize])?;
    Ok(0)
}

/// rt_sigsuspend(2).
pub fn rt_sigsuspend(k: &mut Kernel<'_>, mask: u64, size: u64) -> SysResult {
    check_set(size)?;
    let mask = k.read_record::<u64>(mask)?;
    super::set_temporary_mask(k, mask);
    Err(Block::SleepOnce(Channel::Time, None))
}

/// rt_sigtimedwait(2).
pub fn rt_sigtimedwait(
    k: &mut Kernel<'_>,
    set: u64,
    info: u64,
    timeout: u64,
    size: u64,
) -> SysResult {
    check_set(size)?;
    let set = k.read_record::<u64>(set)? & !KERNEL_ONLY;
    let deadline = match timeout {
        0 => None,
        _ => {
            let wait = time::read_timeout(k, timeout)?;
            Some(k.call_deadline(wait))
        }
    };
    let task = k.current();
    if let Some(taken) = dequeue(k, task, set) {
        if info != 0 {
            k.write_user(info, &taken.to_user())?;
        }
        return Ok(u64::from(taken.signal));
    }
    if deadline.is_some_and(|deadline| k.now() >= deadline) {
        return Err(Errno::EAGAIN.into());
    }
    if is_pending(k, task) {
        return Err(Block::InterruptedNoRestart);
    }
    let process = k.current_process() as u32;
    Err(Block::SleepOnce(Channel::Signal(process), deadline))
}

/// sigaltstack(2).
pub fn sigaltstack(k: &mut Kernel<'_>, new: u64, old: u64) -> SysResult {
    let task = k.current();
    let sp = k.cores[task].sp();
    let before = k.tasks[task].alternate_stack;
    if new != 0 {
        let [base, flags] = k.read_record::<[u64; 2]>(new)?;
        let size = k.read_record::<u64>(new.wrapping_add(16))?;
        set_alternate_stack(k, task, [base, size, u64::from(flags as u32)], sp)?;
    }
    if old != 0 {
        let flags = frame::stack_flags(before, sp);
        k.write_record(old, &[before[0], u64::from(flags)])?;
        k.write_record(old.wrapping_add(16), &before[1])?;
    }
    Ok(0)
}

/// Sets the alternate stack (base, size, flags) of a task whose stack pointer is `sp`.
pub(super) fn set_alternate_stack(
    k: &mut Kernel<'_>,
    task: usize,
    stack: [u64; 3],
    sp: u64,
) -> Result<(), Errno> {
    let [base, size, flags] = stack;
    let before = k.tasks[task].alternate_stack;
    if before[1] != 0 && frame::stack_flags(before, sp) & SS_ONSTACK != 0 {
        return Err(Errno::EPERM);
    }
    let flags = flags as u32;
    match flags & !SS_AUTODISARM {
        SS_DISABLE => k.tasks[task].alternate_stack = [0, 0, u64::from(flags)],
        0 | SS_ONSTACK => {
            if size < MINSIGSTKSZ {
                return Err(Errno::ENOMEM);
            }
            k.tasks[task].alternate_stack = [base, size, u64::from(flags)];
        }
        _ => return Err(Errno::EINVAL),
    }
    Ok(())
}
