//! Advice and questions about mappings: `madvise(2)`, `mincore(2)`, `msync(2)`, `membarrier(2)`.

use super::{PAGE, TASK_SIZE, Vma, fault, flag, list, tables};
use crate::abi::mman::{MS_ASYNC, MS_INVALIDATE, MS_SYNC, advice};
use crate::image::Kernel;
use crate::{Errno, SysResult};
use ncpu_machine::mem::untag;
use ncpu_machine::{Access, Ppn};

/// madvise.
pub fn madvise(k: &mut Kernel<'_>, address: u64, len: u64, advice: i32) -> SysResult {
    let mm = super::current(k);
    Ok(advise(k, mm, untag(address), len, advice)?)
}

fn advise(k: &mut Kernel<'_>, mm: usize, start: u64, len: u64, advice: i32) -> Result<u64, Errno> {
    if !matches!(advice, advice::NORMAL..=advice::DONTNEED | advice::FREE..=advice::DONTNEED_LOCKED)
        || !start.is_multiple_of(PAGE)
    {
        return Err(Errno::EINVAL);
    }
    let end = super::page_up(len).and_then(|len| start.checked_add(len)).ok_or(Errno::EINVAL)?;
    let mut at = start;
    let mut gap = false;
    while at < end {
        let Some(index) = list::find(k, mm, at).filter(|&index| k.vmas[index].start < end) else {
            gap = true;
            break;
        };
        let vma = k.vmas[index];
        if vma.start > at {
            gap = true;
            at = vma.start;
        }
        let stop = vma.end.min(end);
        apply(k, mm, &vma, at, stop, advice)?;
        at = stop;
    }
    if gap { Err(Errno::ENOMEM) } else { Ok(0) }
}

/// Follows advice about a part of one mapping.
fn apply(
    k: &mut Kernel<'_>,
    mm: usize,
    vma: &Vma,
    start: u64,
    end: u64,
    advice: i32,
) -> Result<(), Errno> {
    let require = |holds: bool| if holds { Ok(()) } else { Err(Errno::EINVAL) };
    let private_anonymous = vma.is_anonymous() && !vma.has(flag::SHARED);
    let (clear, set) = match advice {
        advice::DONTNEED | advice::DONTNEED_LOCKED | advice::FREE => {
            require(advice != advice::FREE || private_anonymous)?;
            require(advice != advice::DONTNEED || !vma.has(flag::LOCKED))?;
            tables::clear(k, mm, start, end);
            return Ok(());
        }
        advice::REMOVE => {
            require(!vma.has(flag::LOCKED) && !vma.is_anonymous())?;
            if !vma.has(flag::SHARED | flag::WRITE) {
                return Err(Errno::EACCES);
            }
            let from = vma.file_page(start) * PAGE;
            crate::vfs::data::punch(k, crate::vfs::Node(vma.node), from, from + (end - start))?;
            return Ok(());
        }
        advice::POPULATE_READ | advice::POPULATE_WRITE => {
            let access = if advice == advice::POPULATE_READ { Access::Read } else { Access::Write };
            let needed = if access == Access::Read { flag::ACCESS } else { flag::WRITE };
            require(vma.flags & needed != 0)?;
            for at in (start..end).step_by(PAGE as usize) {
                fault::touch(k, mm, at, access).map_err(|denied| match denied {
                    super::Denied::OutOfMemory => Errno::ENOMEM,
                    _ => Errno::EFAULT,
                })?;
            }
            return Ok(());
        }
        advice::NORMAL => (flag::RANDOM | flag::SEQUENTIAL, 0),
        advice::RANDOM => (flag::SEQUENTIAL, flag::RANDOM),
        advice::SEQUENTIAL => (flag::RANDOM, flag::SEQUENTIAL),
        advice::DONTFORK => (0, flag::DONT_FORK),
        advice::DOFORK => (flag::DONT_FORK, 0),
        advice::WIPEONFORK => {
            require(private_anonymous)?;
            (0, flag::WIPE_ON_FORK)
        }
        advice::KEEPONFORK => (flag::WIPE_ON_FORK, 0),
        advice::DONTDUMP => (0, flag::DONT_DUMP),
        advice::DODUMP => (flag::DONT_DUMP, 0),
        advice::HUGEPAGE => (flag::NO_HUGE_PAGE, flag::HUGE_PAGE),
        advice::NOHUGEPAGE => (flag::HUGE_PAGE, flag::NO_HUGE_PAGE),
        advice::MERGEABLE => (0, flag::MERGEABLE),
        advice::UNMERGEABLE => (flag::MERGEABLE, 0),
        // WILLNEED, COLD and PAGEOUT ask for nothing that is observable.
        _ => return Ok(()),
    };
    let flags = vma.flags & !clear | set;
    if flags != vma.flags {
        list::split(k, mm, start)?;
        list::split(k, mm, end)?;
        if let Some(index) = list::containing(k, mm, start) {
            k.vmas[index].flags = flags;
        }
        list::merge(k, mm, start, end);
    }
    Ok(())
}

/// mincore.
pub fn mincore(k: &mut Kernel<'_>, address: u64, len: u64, vector: u64) -> SysResult {
    let start = untag(address);
    if !start.is_multiple_of(PAGE) {
        return Err(Errno::EINVAL.into());
    }
    if start > TASK_SIZE || len > TASK_SIZE - start {
        return Err(Errno::ENOMEM.into());
    }
    let mm = super::current(k);
    let root = Ppn(k.mms[mm].root);
    let pages = len.div_ceil(PAGE);
    let mut bytes = [0; 512];
    let mut done = 0;
    while done < pages {
        let count = (pages - done).min(bytes.len() as u64) as usize;
        for (index, byte) in bytes[..count].iter_mut().enumerate() {
            let at = start + (done + index as u64) * PAGE;
            let mapping = list::containing(k, mm, at).ok_or(Errno::ENOMEM)?;
            // The pages of files are always at hand.
            let present = !k.vmas[mapping].is_anonymous()
                || k.mem.descriptor(root, at).is_some_and(|(entry, ..)| entry.is_valid());
            *byte = u8::from(present);
        }
        k.write_user(vector.wrapping_add(done), &bytes[..count])?;
        done += count as u64;
    }
    Ok(0)
}

/// msync. Shared mappings and reads of a file use the same pages, so nothing has to be written.
pub fn msync(k: &mut Kernel<'_>, address: u64, len: u64, flags: u32) -> SysResult {
    let start = untag(address);
    if flags & !(MS_ASYNC | MS_INVALIDATE | MS_SYNC) != 0
        || !start.is_multiple_of(PAGE)
        || flags & (MS_ASYNC | MS_SYNC) == MS_ASYNC | MS_SYNC
    {
        return Err(Errno::EINVAL.into());
    }
    let end = super::page_up(len).and_then(|len| start.checked_add(len)).ok_or(Errno::ENOMEM)?;
    let mm = super::current(k);
    let mut at = start;
    let mut gap = false;
    while at < end {
        let Some(index) = list::find(k, mm, at).filter(|&index| k.vmas[index].start < end) else {
            gap = true;
            break;
        };
        let vma = &k.vmas[index];
        gap |= vma.start > at;
        if flags & MS_INVALIDATE != 0 && vma.has(flag::LOCKED) {
            return Err(Errno::EBUSY.into());
        }
        at = vma.end;
    }
    if gap { Err(Errno::ENOMEM.into()) } else { Ok(0) }
}

/// membarrier. One thread runs at a time and every switch orders all memory, so that a barrier has
/// nothing left to do; registration is checked as Linux does.
pub fn membarrier(k: &mut Kernel<'_>, command: i32, flags: u32, _cpu: i32) -> SysResult {
    const GLOBAL: u32 = 1;
    const GLOBAL_EXPEDITED: u32 = 2;
    const REGISTER_GLOBAL_EXPEDITED: u32 = 4;
    const PRIVATE_EXPEDITED: u32 = 8;
    const REGISTER_PRIVATE_EXPEDITED: u32 = 16;
    const SYNC_CORE: u32 = 32;
    const REGISTER_SYNC_CORE: u32 = 64;
    const ALL: u32 = 127;
    if flags != 0 {
        return Err(Errno::EINVAL.into());
    }
    let mm = super::current(k);
    match command as u32 {
        0 => Ok(u64::from(ALL)),
        GLOBAL | GLOBAL_EXPEDITED => Ok(0),
        register
        @ (REGISTER_GLOBAL_EXPEDITED | REGISTER_PRIVATE_EXPEDITED | REGISTER_SYNC_CORE) => {
            k.mms[mm].barriers |= register;
            Ok(0)
        }
        barrier @ (PRIVATE_EXPEDITED | SYNC_CORE) => {
            // The registration of each is the next bit.
            let registered = k.mms[mm].barriers & barrier << 1 != 0;
            if registered { Ok(0) } else { Err(Errno::EPERM.into()) }
        }
        _ => Err(Errno::EINVAL.into()),
    }
}
