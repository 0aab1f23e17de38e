//! Moving and resizing mappings (`mremap(2)`).

use super::tables::{self, Cursor};
use super::{MAX_MAPPINGS, PAGE, TASK_SIZE, Vma, flag, list, lock, map};
use crate::abi::mman::{MREMAP_DONTUNMAP, MREMAP_FIXED, MREMAP_MAYMOVE};
use crate::image::Kernel;
use crate::vfs::{self, Node};
use crate::{Errno, SysResult};
use ncpu_machine::mem::untag;

/// What is moved or resized.
#[derive(Clone, Copy)]
struct Move {
    from: u64,
    old_len: u64,
    new_len: u64,
    keep: bool,
}

/// mremap.
pub fn mremap(
    k: &mut Kernel<'_>,
    address: u64,
    old_len: u64,
    new_len: u64,
    flags: u32,
    new_address: u64,
) -> SysResult {
    let from = untag(address);
    let may_move = flags & MREMAP_MAYMOVE != 0;
    let keep = flags & MREMAP_DONTUNMAP != 0;
    if flags & !(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP) != 0
        || (flags & MREMAP_FIXED != 0 && !may_move)
        || (keep && (!may_move || old_len != new_len))
        || !from.is_multiple_of(PAGE)
    {
        return Err(Errno::EINVAL.into());
    }
    let old_len = super::page_up(old_len).unwrap_or(0);
    let new_len = super::page_up(new_len).unwrap_or(0);
    if new_len == 0 {
        return Err(Errno::EINVAL.into());
    }
    let mm = super::current(k);
    list::containing(k, mm, from).ok_or(Errno::EFAULT)?;
    let mut what = Move { from, old_len, new_len, keep };
    if flags & (MREMAP_FIXED | MREMAP_DONTUNMAP) != 0 {
        let exact = flags & MREMAP_FIXED != 0;
        return to_address(k, mm, &mut what, new_address, exact).map_err(Into::into);
    }
    if old_len >= new_len {
        // Shrinking in place.
        let end = from.checked_add(old_len).filter(|&end| end <= TASK_SIZE).ok_or(Errno::EINVAL)?;
        if old_len != new_len {
            map::unmap(k, mm, from + new_len, end)?;
        }
        return Ok(from);
    }
    let vma = check(k, mm, &what)?;
    if old_len == vma.end - from {
        let end = vma.end + (new_len - old_len);
        if end <= TASK_SIZE && end > vma.end && map::is_free(k, mm, vma.end, end) {
            extend(k, mm, &vma, end)?;
            return Ok(from);
        }
    }
    if !may_move {
        return Err(Errno::ENOMEM.into());
    }
    let to = map::find_free(k, mm, new_len)?;
    Ok(relocate(k, mm, &what, to)?)
}

/// The mapping that is to be resized, if that is allowed (`vma_to_resize` in mm/mremap.c).
fn check(k: &mut Kernel<'_>, mm: usize, what: &Move) -> Result<Vma, Errno> {
    let index = list::containing(k, mm, what.from).ok_or(Errno::EFAULT)?;
    let vma = k.vmas[index];
    if what.old_len == 0 && !vma.has(flag::SHARED) {
        return Err(Errno::EINVAL);
    }
    if what.old_len > vma.end - what.from {
        return Err(Errno::EFAULT);
    }
    let grows = what.new_len.saturating_sub(what.old_len);
    if grows == 0 {
        return Ok(vma);
    }
    if vma.has(flag::VDSO) {
        return Err(Errno::EFAULT);
    }
    if vma.has(flag::LOCKED) {
        lock::check(k, mm, grows).map_err(|_| Errno::EAGAIN)?;
    }
    if !list::may_grow(k, mm, grows, vma.is_data()) || grows / PAGE > map::total_pages(k) {
        return Err(Errno::ENOMEM);
    }
    // The length is known to be reasonable by now.
    vma.offset.checked_add(what.from - vma.start + what.new_len).ok_or(Errno::EINVAL)?;
    Ok(vma)
}

fn extend(k: &mut Kernel<'_>, mm: usize, vma: &Vma, end: u64) -> Result<(), Errno> {
    let offset = if vma.is_anonymous() { 0 } else { vma.offset + (vma.end - vma.start) };
    if !vma.is_anonymous() {
        vfs::hold(k, Node(vma.node));
    }
    let tail = Vma { start: vma.end, end, offset, ..*vma };
    let added = map::add(k, mm, tail);
    if added.is_err() && !vma.is_anonymous() {
        vfs::drop_node(k, Node(vma.node));
    }
    if added.is_ok() && vma.has(flag::LOCKED) && !vma.has(flag::LOCK_ON_FAULT) {
        map::populate(k, mm, tail.start, end);
    }
    added
}

/// MREMAP_FIXED and MREMAP_DONTUNMAP (`mremap_to`).
fn to_address(
    k: &mut Kernel<'_>,
    mm: usize,
    what: &mut Move,
    to: u64,
    exact: bool,
) -> Result<u64, Errno> {
    let old_end = what.from.saturating_add(what.old_len);
    if !to.is_multiple_of(PAGE)
        || what.new_len > TASK_SIZE
        || to > TASK_SIZE - what.new_len
        || (old_end > to && to + what.new_len > what.from)
    {
        return Err(Errno::EINVAL);
    }
    if k.mms[mm].count + 2 >= MAX_MAPPINGS - 3 {
        return Err(Errno::ENOMEM);
    }
    if exact {
        map::unmap(k, mm, to, to + what.new_len)?;
    }
    if what.old_len > what.new_len {
        if old_end > TASK_SIZE {
            return Err(Errno::EINVAL);
        }
        map::unmap(k, mm, what.from + what.new_len, old_end)?;
        what.old_len = what.new_len;
    }
    let vma = check(k, mm, what)?;
    if what.keep && !list::may_grow(k, mm, what.old_len, vma.is_data()) {
        return Err(Errno::ENOMEM);
    }
    let placement = if exact { crate::abi::mman::MAP_FIXED } else { 0 };
    let to = map::place(k, mm, to, what.new_len, placement)?;
    relocate(k, mm, what, to)
}

/// Moves the pages to a free range and removes the old one.
fn relocate(k: &mut Kernel<'_>, mm: usize, what: &Move, to: u64) -> Result<u64, Errno> {
    let index = list::containing(k, mm, what.from).ok_or(Errno::EFAULT)?;
    let vma = k.vmas[index];
    let offset = if vma.is_anonymous() { 0 } else { vma.offset + (what.from - vma.start) };
    if !vma.is_anonymous() {
        vfs::hold(k, Node(vma.node));
    }
    let moved = Vma { start: to, end: to + what.new_len, offset, ..vma };
    if let Err(errno) = map::add(k, mm, moved) {
        if !vma.is_anonymous() {
            vfs::drop_node(k, Node(vma.node));
        }
        return Err(errno);
    }
    let old_end = what.from + what.old_len;
    let mut cursor = Cursor::new(k, mm, what.from, old_end);
    while let Some((address, descriptor, table, index)) = cursor.next(&k.mem) {
        let page = descriptor.target();
        k.mem.share(page);
        let bits = descriptor.0 & !ncpu_machine::mem::walk::Descriptor::page(page, 0).0;
        if !tables::set(k, mm, to + (address - what.from), page, bits) {
            map::unmap(k, mm, to, to + what.new_len)?;
            return Err(Errno::ENOMEM);
        }
        if k.mem.write_word(table, index, 0) {
            k.mem.release(page);
            k.mms[mm].usage[1] -= 1;
        }
    }
    tables::flush(k, mm);
    if k.mms[mm].sigreturn >= what.from && k.mms[mm].sigreturn < old_end {
        k.mms[mm].sigreturn = k.mms[mm].sigreturn - what.from + to;
    }
    if !what.keep && what.old_len != 0 {
        map::unmap(k, mm, what.from, old_end)?;
    }
    if vma.has(flag::LOCKED) && !vma.has(flag::LOCK_ON_FAULT) {
        map::populate(k, mm, to, to + what.new_len);
    }
    Ok(to)
}
