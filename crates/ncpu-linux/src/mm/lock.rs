//! Locking memory (`mlock(2)`, `mlockall(2)`). Nothing is ever swapped out here, so what is left is
//! bringing pages in, and the limits.

use super::{MAX_MAPPINGS, TASK_SIZE, flag, limit, list, map};
use crate::abi::mman::*;
use crate::image::Kernel;
use crate::{Errno, SysResult};
use ncpu_machine::mem::untag;

/// Whether `bytes` more may be locked by a mapping made with MAP_LOCKED.
///
/// # Errors
/// EPERM when locking is not allowed at all, EAGAIN when it is too much.
pub(super) fn check(k: &Kernel<'_>, mm: usize, bytes: u64) -> Result<(), Errno> {
    if super::is_capable(k, super::CAP_IPC_LOCK) {
        return Ok(());
    }
    match super::resource_limit(k, mm, limit::MEMLOCK) {
        0 => Err(Errno::EPERM),
        limit if locked(k, mm).saturating_add(bytes) > limit => Err(Errno::EAGAIN),
        _ => Ok(()),
    }
}

/// Bytes that are locked.
fn locked(k: &Kernel<'_>, mm: usize) -> u64 {
    list::mappings(k, mm, 0).filter(|vma| vma.has(flag::LOCKED)).map(|v| v.end - v.start).sum()
}

/// The whole pages of a range.
fn range(address: u64, len: u64) -> Result<(u64, u64), Errno> {
    let address = untag(address);
    let start = super::page_down(address);
    let end = len.checked_add(address - start).and_then(super::page_up);
    let end = end.and_then(|len| start.checked_add(len)).ok_or(Errno::EINVAL)?;
    Ok((start, end))
}

/// Sets or clears the lock on a range; ENOMEM where nothing is mapped.
fn apply(k: &mut Kernel<'_>, mm: usize, start: u64, end: u64, lock: u64) -> Result<(), Errno> {
    let mut at = start;
    let mut result = Ok(());
    while at < end {
        let Some(index) = list::containing(k, mm, at) else {
            result = Err(Errno::ENOMEM);
            break;
        };
        let vma = k.vmas[index];
        let stop = vma.end.min(end);
        let flags = vma.flags & !(flag::LOCKED | flag::LOCK_ON_FAULT) | lock;
        if flags != vma.flags {
            if k.mms[mm].count + 2 > MAX_MAPPINGS {
                return Err(Errno::ENOMEM);
            }
            list::split(k, mm, at)?;
            list::split(k, mm, stop)?;
            let index = list::containing(k, mm, at).ok_or(Errno::ENOMEM)?;
            k.vmas[index].flags = flags;
        }
        at = stop;
    }
    list::merge(k, mm, start, end);
    result
}

/// mlock.
pub fn mlock(k: &mut Kernel<'_>, address: u64, len: u64) -> SysResult {
    mlock2(k, address, len, 0)
}

/// mlock2.
pub fn mlock2(k: &mut Kernel<'_>, address: u64, len: u64, flags: u32) -> SysResult {
    if flags & !MLOCK_ONFAULT != 0 {
        return Err(Errno::EINVAL.into());
    }
    let mm = super::current(k);
    let limit = super::resource_limit(k, mm, limit::MEMLOCK);
    if limit == 0 && !super::is_capable(k, super::CAP_IPC_LOCK) {
        return Err(Errno::EPERM.into());
    }
    let (start, end) = range(address, len)?;
    let already: u64 = list::mappings(k, mm, start)
        .take_while(|vma| vma.start < end)
        .filter(|vma| vma.has(flag::LOCKED))
        .map(|vma| vma.end.min(end) - vma.start.max(start))
        .sum();
    let wanted = locked(k, mm).saturating_add(end - start - already);
    if wanted > limit && !super::is_capable(k, super::CAP_IPC_LOCK) {
        return Err(Errno::ENOMEM.into());
    }
    let on_fault = flags & MLOCK_ONFAULT != 0;
    let lock = flag::LOCKED | if on_fault { flag::LOCK_ON_FAULT } else { 0 };
    apply(k, mm, start, end, lock)?;
    if !on_fault {
        map::populate(k, mm, start, end);
    }
    Ok(0)
}

/// munlock.
pub fn munlock(k: &mut Kernel<'_>, address: u64, len: u64) -> SysResult {
    let mm = super::current(k);
    let (start, end) = range(address, len)?;
    apply(k, mm, start, end, 0)?;
    Ok(0)
}

/// mlockall.
pub fn mlockall(k: &mut Kernel<'_>, flags: u32) -> SysResult {
    if flags == 0 || flags & !(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0 || flags == MCL_ONFAULT
    {
        return Err(Errno::EINVAL.into());
    }
    let mm = super::current(k);
    let limit = super::resource_limit(k, mm, limit::MEMLOCK);
    if !super::is_capable(k, super::CAP_IPC_LOCK) {
        if limit == 0 {
            return Err(Errno::EPERM.into());
        }
        if flags & MCL_CURRENT != 0 && k.mms[mm].usage[0] > limit {
            return Err(Errno::ENOMEM.into());
        }
    }
    let on_fault = if flags & MCL_ONFAULT != 0 { flag::LOCK_ON_FAULT } else { 0 };
    let lock = flag::LOCKED | on_fault;
    k.mms[mm].future_flags = if flags & MCL_FUTURE != 0 { lock as u32 } else { 0 };
    if flags & MCL_CURRENT != 0 {
        lock_all(k, mm, lock);
    }
    Ok(0)
}

/// munlockall.
pub fn munlockall(k: &mut Kernel<'_>) -> SysResult {
    let mm = super::current(k);
    k.mms[mm].future_flags = 0;
    lock_all(k, mm, 0);
    Ok(0)
}

fn lock_all(k: &mut Kernel<'_>, mm: usize, lock: u64) {
    let mut at = 0;
    while let Some(index) = list::find(k, mm, at) {
        let vma = &mut k.vmas[index];
        vma.flags = vma.flags & !(flag::LOCKED | flag::LOCK_ON_FAULT) | lock;
        let (start, end) = (vma.start, vma.end);
        if lock & (flag::LOCKED | flag::LOCK_ON_FAULT) == flag::LOCKED {
            map::populate(k, mm, start, end);
        }
        at = end;
    }
    list::merge(k, mm, 0, TASK_SIZE);
}
