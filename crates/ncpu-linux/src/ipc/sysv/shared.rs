//! Shared memory segments (`shmget(2)`, `shmop(2)`, `shmctl(2)`).
//!
//! A segment is a nameless file, and attaching it is mapping the file. How often it is attached is
//! the number of its mappings.

use super::*;
use crate::abi::mman::MAP_FIXED;
use crate::mm::map::{self, Request};
use crate::mm::{self, flag};
use crate::rom::S_IFREG;
use crate::vfs::{self, Node};
use crate::{SysResult, vfs::data};

const SHM_RDONLY: u32 = 0o10000;
const SHM_RND: u32 = 0o20000;
const SHM_REMAP: u32 = 0o40000;
const SHM_EXEC: u32 = 0o100000;
const SHM_HUGETLB: u32 = 0o4000;
/// In the mode: the segment goes when it is detached by all.
const SHM_DEST: u32 = 0o1000;
const SHM_LOCK: i32 = 11;
const SHM_UNLOCK: i32 = 12;

const PAGE: u64 = 4096;

/// shmget(2).
pub fn shmget(k: &mut Kernel<'_>, key: i32, size: u64, flags: u32) -> SysResult {
    collect(k);
    if flags & SHM_HUGETLB != 0 {
        return Err(Errno::EINVAL.into());
    }
    let (segment, is_new) = get(k, kind::MEMORY, key, flags)?;
    if !is_new {
        if size > k.sysv_objects[segment].bytes {
            return Err(Errno::EINVAL.into());
        }
        return Ok(id(k, segment));
    }
    match create(k, size) {
        Ok(node) => {
            let pid = k.processes[k.current_process()].pid;
            let o = &mut k.sysv_objects[segment];
            (o.first, o.bytes, o.sender) = (node.0, size, pid);
            Ok(id(k, segment))
        }
        Err(errno) => {
            free(k, segment);
            Err(errno.into())
        }
    }
}

fn create(k: &mut Kernel<'_>, size: u64) -> Result<Node, Errno> {
    let limit = u64::from(k.mem.limit_pages()) * PAGE;
    if size == 0 {
        return Err(Errno::EINVAL);
    }
    if size > limit {
        return Err(Errno::ENOMEM);
    }
    let node = vfs::open::anonymous(k, S_IFREG | 0o777)?;
    if let Err(errno) = data::truncate(k, node, size.next_multiple_of(PAGE)) {
        vfs::drop_node(k, node);
        return Err(errno);
    }
    Ok(node)
}

/// How often a segment is attached.
fn attachments(k: &Kernel<'_>, segment: usize) -> u64 {
    let node = k.sysv_objects[segment].first;
    k.vmas.iter().filter(|vma| vma.end != 0 && vma.node == node).count() as u64
}

/// Frees segments that were removed and are attached no longer.
pub(super) fn collect(k: &mut Kernel<'_>) {
    for segment in 0..k.sysv_objects.len() {
        let o = &k.sysv_objects[segment];
        if o.kind == kind::MEMORY && o.mode & SHM_DEST != 0 && attachments(k, segment) == 0 {
            vfs::drop_node(k, Node(k.sysv_objects[segment].first));
            free(k, segment);
        }
    }
}

/// shmat(2).
pub fn shmat(k: &mut Kernel<'_>, number: i32, address: u64, flags: u32) -> SysResult {
    collect(k);
    let mut address = address;
    if !address.is_multiple_of(PAGE) {
        if flags & SHM_RND == 0 {
            return Err(Errno::EINVAL.into());
        }
        address -= address % PAGE;
    }
    if address == 0 && flags & SHM_REMAP != 0 {
        return Err(Errno::EINVAL.into());
    }
    let segment = lookup(k, kind::MEMORY, number)?;
    let writable = flags & SHM_RDONLY == 0;
    let mut wanted = if writable { READ | WRITE } else { READ };
    let mut access = flag::SHARED | flag::READ;
    if writable {
        access |= flag::WRITE | flag::MAY_WRITE;
    }
    if flags & SHM_EXEC != 0 {
        wanted |= 0o111;
        access |= flag::EXEC;
    }
    check(k, segment, wanted)?;
    let o = &k.sysv_objects[segment];
    let (node, len) = (Node(o.first), o.bytes.next_multiple_of(PAGE));
    let space = mm::current(k);
    if address != 0 && flags & SHM_REMAP == 0 {
        let end = address.checked_add(len).ok_or(Errno::EINVAL)?;
        let overlaps = |vma: &mm::Vma| vma.start < end && vma.end > address;
        if mm::mappings(k, space, address).any(overlaps) {
            return Err(Errno::EINVAL.into());
        }
    }
    let placement = if address != 0 { MAP_FIXED } else { 0 };
    let request = Request { address, len, flags: access, placement, node, offset: 0 };
    let start = map::map(k, space, &request)?;
    touched(k, segment, 0);
    Ok(start)
}

/// Notes the time and the process of an attachment (0) or detachment (1).
fn touched(k: &mut Kernel<'_>, segment: usize, which: usize) {
    let (now, pid) = (seconds(k), k.processes[k.current_process()].pid);
    let o = &mut k.sysv_objects[segment];
    o.times[which] = now;
    o.receiver = pid;
}

/// shmdt(2).
pub fn shmdt(k: &mut Kernel<'_>, address: u64) -> SysResult {
    let space = mm::current(k);
    let is_segment = |k: &Kernel<'_>, vma: &mm::Vma| {
        k.sysv_objects.iter().position(|o| o.kind == kind::MEMORY && o.first == vma.node)
    };
    let found = mm::mappings(k, space, address)
        .take_while(|vma| vma.start == address)
        .find_map(|vma| is_segment(k, vma).filter(|_| vma.offset == 0).map(|s| (vma.node, s)));
    let Some((node, segment)) = found.filter(|_| address.is_multiple_of(PAGE)) else {
        return Err(Errno::EINVAL.into());
    };
    // Parts of it may have other rights by now; what was unmapped from it is left alone.
    let len = k.sysv_objects[segment].bytes.next_multiple_of(PAGE);
    let end = address.saturating_add(len);
    let mut at = address;
    while at < end {
        let part = mm::mappings(k, space, at)
            .take_while(|part| part.start < end)
            .find(|part| part.node == node && part.start.wrapping_sub(part.offset) == address);
        let Some(part) = part.map(|part| (part.start, part.end)) else { break };
        map::unmap(k, space, part.0, part.1)?;
        at = part.1;
    }
    touched(k, segment, 1);
    collect(k);
    Ok(0)
}

/// shmctl(2).
pub fn shmctl(k: &mut Kernel<'_>, number: i32, command: i32, buffer: u64) -> SysResult {
    collect(k);
    let segment = lookup(k, kind::MEMORY, number)?;
    match command {
        IPC_RMID => {
            check_owner(k, segment)?;
            let o = &mut k.sysv_objects[segment];
            // The key can be used for another one at once.
            o.mode |= SHM_DEST;
            o.key = IPC_PRIVATE;
            collect(k);
        }
        IPC_SET => set_status(k, buffer, segment)?,
        IPC_STAT => {
            check(k, segment, READ)?;
            let o = k.sysv_objects[segment];
            let [attached, detached, changed] = o.times;
            let pids = u64::from(o.sender) | u64::from(o.receiver) << 32;
            let count = attachments(k, segment);
            let fields = [o.bytes, attached, detached, changed, pids, count, 0, 0];
            write_status(k, buffer, segment, &fields)?;
        }
        // Memory is never swapped out.
        SHM_LOCK | SHM_UNLOCK => check_owner(k, segment)?,
        _ => return Err(Errno::EINVAL.into()),
    }
    Ok(0)
}
