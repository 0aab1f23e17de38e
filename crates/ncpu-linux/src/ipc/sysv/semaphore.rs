//! Semaphore sets (`semget(2)`, `semop(2)`, `semctl(2)`).
//!
//! The values of a set are the words of one page: the value in the low half, the process that
//! changed it last in the high half.

use super::*;
use crate::user::UserRecord;
use crate::{Block, SysResult, time};
use ncpu_machine::Ppn;

/// Semaphores in a set at most: what fits a page.
const SEMMSL: u32 = 512;
/// Operations in a call at most.
const SEMOPM: usize = 500;
/// Largest value.
const SEMVMX: i64 = 32767;

const SEM_UNDO: u16 = 0x1000;
const GETPID: i32 = 11;
const GETVAL: i32 = 12;
const GETALL: i32 = 13;
const GETNCNT: i32 = 14;
const GETZCNT: i32 = 15;
const SETVAL: i32 = 16;
const SETALL: i32 = 17;

/// What the end of a process adds to a semaphore.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Undo {
    /// Process (index + 1), 0 when free.
    pub process: u32,
    /// Semaphore set (index).
    pub set: u32,
    /// Semaphore in the set.
    pub number: u32,
    /// What is added.
    pub adjustment: i32,
}

// SAFETY: integers only.
unsafe impl Record for Undo {}

/// `struct sembuf`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
struct Operation {
    number: u16,
    change: i16,
    flags: u16,
}

// SAFETY: integers without padding.
unsafe impl UserRecord for Operation {}

fn value(k: &Kernel<'_>, set: usize, number: u32) -> (i64, u32) {
    let word = k.mem.read_word(Ppn(k.sysv_objects[set].first), number as usize);
    (word as u32 as i64, (word >> 32) as u32)
}

fn store(k: &mut Kernel<'_>, set: usize, number: u32, value: i64, pid: u32) -> Result<(), Errno> {
    let word = value as u64 & 0xffff | u64::from(pid) << 32;
    let page = Ppn(k.sysv_objects[set].first);
    if k.mem.write_word(page, number as usize, word) { Ok(()) } else { Err(Errno::ENOMEM) }
}

/// semget(2).
pub fn semget(k: &mut Kernel<'_>, key: i32, count: i32, flags: u32) -> SysResult {
    let count = u32::try_from(count).map_err(|_| Errno::EINVAL)?;
    if count > SEMMSL {
        return Err(Errno::EINVAL.into());
    }
    let (set, is_new) = get(k, kind::SEMAPHORES, key, flags)?;
    if is_new {
        let page = if count == 0 { Err(Errno::EINVAL) } else { k.mem.alloc().ok_or(Errno::ENOMEM) };
        match page {
            Ok(page) => (k.sysv_objects[set].first, k.sysv_objects[set].count) = (page.0, count),
            Err(errno) => {
                free(k, set);
                return Err(errno.into());
            }
        }
    } else if count > k.sysv_objects[set].count {
        return Err(Errno::EINVAL.into());
    }
    Ok(id(k, set))
}

/// semop(2).
pub fn semop(k: &mut Kernel<'_>, number: i32, operations: u64, count: u64) -> SysResult {
    semtimedop(k, number, operations, count, 0)
}

/// semtimedop(2).
pub fn semtimedop(
    k: &mut Kernel<'_>,
    number: i32,
    operations: u64,
    count: u64,
    timeout: u64,
) -> SysResult {
    if count == 0 {
        return Err(Errno::EINVAL.into());
    }
    if count > SEMOPM as u64 {
        return Err(Errno::E2BIG.into());
    }
    let mut buffer = [Operation::default(); SEMOPM];
    let list = &mut buffer[..count as usize];
    for (at, operation) in (0u64..).zip(list.iter_mut()) {
        *operation = k.read_record(operations.wrapping_add(6 * at))?;
    }
    let limit = match timeout {
        0 => None,
        address => {
            let timespec = k.read_record(address)?;
            Some(time::nanoseconds(timespec)?)
        }
    };
    let set = lookup_again(k, kind::SEMAPHORES, number)?;
    let size = k.sysv_objects[set].count;
    if list.iter().any(|operation| u32::from(operation.number) >= size) {
        return Err(Errno::EFBIG.into());
    }
    let alters = list.iter().any(|operation| operation.change != 0);
    check(k, set, if alters { WRITE } else { READ })?;
    let blocked = match attempt(k, set, list)? {
        None => {
            k.sysv_objects[set].times[0] = seconds(k);
            if alters {
                k.wake(Channel::SystemV(set as u32));
            }
            return Ok(0);
        }
        Some(blocked) => blocked,
    };
    if u32::from(blocked.flags) & IPC_NOWAIT != 0 {
        return Err(Errno::EAGAIN.into());
    }
    let deadline = limit.map(|limit| k.call_deadline(limit));
    if deadline.is_some_and(|deadline| k.now() >= deadline) {
        return Err(Errno::EAGAIN.into());
    }
    // For GETNCNT and GETZCNT.
    let waits_for_zero = u64::from(blocked.change == 0);
    let task = k.current();
    k.tasks[task].call_state[1] = waits_for_zero << 32 | u64::from(blocked.number);
    Err(Block::SleepOnce(Channel::SystemV(set as u32), deadline))
}

/// Does all operations, or none and returns the one that has to wait.
fn attempt(k: &mut Kernel<'_>, set: usize, list: &[Operation]) -> Result<Option<Operation>, Errno> {
    let pid = k.processes[k.current_process()].pid;
    let mut done = 0;
    let mut result = Ok(None);
    for operation in list {
        let (old, _) = value(k, set, operation.number.into());
        let new = old + i64::from(operation.change);
        if new < 0 || (operation.change == 0 && old != 0) {
            result = Ok(Some(*operation));
            break;
        }
        if new > SEMVMX {
            result = Err(Errno::ERANGE);
            break;
        }
        if operation.flags & SEM_UNDO != 0
            && let Err(errno) =
                adjust(k, set, operation.number.into(), operation.change.saturating_neg())
        {
            result = Err(errno);
            break;
        }
        store(k, set, operation.number.into(), new, pid)?;
        done += 1;
    }
    if result != Ok(None) {
        for operation in list[..done].iter().rev() {
            let (value, pid) = value(k, set, operation.number.into());
            store(k, set, operation.number.into(), value - i64::from(operation.change), pid)?;
            if operation.flags & SEM_UNDO != 0 {
                adjust(k, set, operation.number.into(), operation.change)?;
            }
        }
    }
    result
}

/// Adds to what the end of the current process does to a semaphore.
fn adjust(k: &mut Kernel<'_>, set: usize, number: u32, change: i16) -> Result<(), Errno> {
    let process = k.current_process() as u32 + 1;
    let is_it = |u: &Undo| u.process == process && u.set == set as u32 && u.number == number;
    let found = k.sysv_undos.iter().position(is_it);
    let free = || k.sysv_undos.iter().position(|u| u.process == 0);
    let at = found.or_else(free).ok_or(Errno::ENOSPC)?;
    let before = if found.is_some() { k.sysv_undos[at].adjustment } else { 0 };
    let adjustment = before.saturating_add(change.into());
    k.sysv_undos[at] = if adjustment == 0 {
        Undo::default()
    } else {
        Undo { process, set: set as u32, number, adjustment }
    };
    Ok(())
}

/// Adds the adjustments of a process that ends.
pub(super) fn undo(k: &mut Kernel<'_>, process: usize) {
    let pid = k.processes[process].pid;
    for at in 0..k.sysv_undos.len() {
        let u = k.sysv_undos[at];
        if u.process != process as u32 + 1 {
            continue;
        }
        k.sysv_undos[at] = Undo::default();
        let set = u.set as usize;
        let new = (value(k, set, u.number).0 + i64::from(u.adjustment)).clamp(0, SEMVMX);
        // The page is written only by its own machine; a fork of it without memory loses this.
        let _ = store(k, set, u.number, new, pid);
        k.wake(Channel::SystemV(u.set));
    }
}

fn forget(k: &mut Kernel<'_>, set: usize, number: Option<u32>) {
    for u in k.sysv_undos.iter_mut().filter(|u| u.process != 0 && u.set == set as u32) {
        if number.is_none_or(|number| u.number == number) {
            *u = Undo::default();
        }
    }
}

/// Tasks that wait for a semaphore to grow, or to become zero.
fn waiters(k: &Kernel<'_>, set: usize, number: u32, for_zero: bool) -> u64 {
    let end = k.header.task_end as usize;
    let key = Channel::SystemV(set as u32).key();
    let state = u64::from(for_zero) << 32 | u64::from(number);
    let waits = |t: &&crate::process::Task| {
        t.state == crate::process::state::SLEEPING && t.channel == key && t.call_state[1] == state
    };
    k.tasks[..end].iter().filter(waits).count() as u64
}

/// semctl(2).
pub fn semctl(k: &mut Kernel<'_>, number: i32, index: i32, command: i32, arg: u64) -> SysResult {
    let set = lookup(k, kind::SEMAPHORES, number)?;
    let size = k.sysv_objects[set].count;
    let pid = k.processes[k.current_process()].pid;
    match command {
        IPC_RMID => {
            check_owner(k, set)?;
            forget(k, set, None);
            k.mem.release(Ppn(k.sysv_objects[set].first));
            free(k, set);
            return Ok(0);
        }
        IPC_SET => {
            set_status(k, arg, set)?;
            return Ok(0);
        }
        IPC_STAT => {
            check(k, set, READ)?;
            let o = k.sysv_objects[set];
            write_status(k, arg, set, &[o.times[0], o.times[2], o.count.into(), 0, 0])?;
            return Ok(0);
        }
        GETALL => {
            check(k, set, READ)?;
            for number in 0..size {
                let value = value(k, set, number).0 as u16;
                k.write_record(arg.wrapping_add(2 * u64::from(number)), &value)?;
            }
            return Ok(0);
        }
        SETALL => {
            check(k, set, WRITE)?;
            for number in 0..size {
                let value: u16 = k.read_record(arg.wrapping_add(2 * u64::from(number)))?;
                if i64::from(value) > SEMVMX {
                    return Err(Errno::ERANGE.into());
                }
                store(k, set, number, value.into(), pid)?;
            }
            forget(k, set, None);
        }
        GETPID | GETVAL | GETNCNT | GETZCNT | SETVAL => {
            let number = u32::try_from(index).ok().filter(|&number| number < size);
            let number = number.ok_or(Errno::EINVAL)?;
            check(k, set, if command == SETVAL { WRITE } else { READ })?;
            match command {
                GETPID => return Ok(value(k, set, number).1.into()),
                GETVAL => return Ok(value(k, set, number).0 as u64),
                GETNCNT => return Ok(waiters(k, set, number, false)),
                GETZCNT => return Ok(waiters(k, set, number, true)),
                _ => {
                    let value = i64::from(arg as i32);
                    if !(0..=SEMVMX).contains(&value) {
                        return Err(Errno::ERANGE.into());
                    }
                    store(k, set, number, value, pid)?;
                    forget(k, set, Some(number));
                }
            }
        }
        _ => return Err(Errno::EINVAL.into()),
    }
    k.sysv_objects[set].times[2] = seconds(k);
    k.wake(Channel::SystemV(set as u32));
    Ok(0)
}
