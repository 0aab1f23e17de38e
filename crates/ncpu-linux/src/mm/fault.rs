//! Page faults: demand-zero pages, pages of files, copy-on-write, growth of the stack.

use super::tables::{self, FILE_PAGE};
use super::{Denied, GUARD_GAP, MIN_ADDRESS, PAGE, TASK_SIZE, Vma, flag, limit, list};
use crate::Errno;
use crate::image::Kernel;
use crate::vfs::{self, Node};
use ncpu_machine::mem::untag;
use ncpu_machine::mem::walk::Descriptor;
use ncpu_machine::{Access, Ppn};

/// Pages brought in together when a page of an image file is read: an aligned group, so that one
/// level-3 table holds it (Linux's `fault_around_bytes` is 64 KiB too).
const AROUND: u64 = 16;

/// Makes `access` to the page at `address` of the current address space possible, after the processor
/// could not do it.
pub fn fault(k: &mut Kernel<'_>, address: u64, access: Access) -> Result<(), Denied> {
    let mm = super::current(k);
    let address = untag(address);
    k.header.counters.faults += 1;
    let root = Ppn(k.mms[mm].root);
    if k.mem.translate(root, address, access).is_ok() {
        // The tables allow it, so it was the page's frame that could not be had.
        return Err(Denied::OutOfMemory);
    }
    touch(k, mm, address, access).map(|_| ())
}

/// Makes `access` to the page at `address` possible and returns the page.
pub(super) fn touch(
    k: &mut Kernel<'_>,
    mm: usize,
    address: u64,
    access: Access,
) -> Result<Ppn, Denied> {
    if address >= TASK_SIZE {
        return Err(Denied::NotMapped);
    }
    let address = super::page_down(address);
    let index = match list::find(k, mm, address) {
        Some(index) if k.vmas[index].start <= address => index,
        Some(index) if k.vmas[index].has(flag::GROWS_DOWN) => {
            grow_down(k, mm, index, address)?;
            index
        }
        _ => return Err(Denied::NotMapped),
    };
    let vma = k.vmas[index];
    // As on processors without "enhanced privileged access never", every right implies reading
    // (arch/arm64/mm/fault.c, do_page_fault).
    let needed = match access {
        Access::Read => flag::ACCESS,
        Access::Write => flag::WRITE,
        Access::Execute => flag::EXEC,
    };
    if vma.flags & needed == 0 {
        return Err(Denied::NoRight);
    }
    let root = Ppn(k.mms[mm].root);
    match k.mem.descriptor(root, address) {
        Some((present, ..)) if present.is_valid() => {
            if present.allows(access) {
                return Ok(present.target());
            }
            if access == Access::Write {
                return make_writable(k, mm, &vma, address, present);
            }
            let ask = present.0 & Descriptor::COPY_ON_WRITE != 0;
            let bits = tables::attributes(&vma, ask) | present.0 & FILE_PAGE;
            let page = present.target();
            k.mem.share(page);
            enter(k, mm, address, page, bits)
        }
        _ => bring_in(k, mm, &vma, address, access),
    }
}

/// Serves a store to a page that is there, but not writable.
fn make_writable(
    k: &mut Kernel<'_>,
    mm: usize,
    vma: &Vma,
    address: u64,
    present: Descriptor,
) -> Result<Ppn, Denied> {
    let page = present.target();
    let bits = tables::attributes(vma, false);
    if vma.has(flag::SHARED) {
        let page = file_page(k, vma, address, true)?;
        return enter(k, mm, address, page, bits | FILE_PAGE);
    }
    if k.mem.references(page) == 1 {
        k.mem.share(page);
        return enter(k, mm, address, page, bits);
    }
    let copy = k.mem.alloc_copy(page).ok_or(Denied::OutOfMemory)?;
    k.header.counters.copies += 1;
    enter(k, mm, address, copy, bits)
}

/// Serves an access to a page that is not there.
fn bring_in(
    k: &mut Kernel<'_>,
    mm: usize,
    vma: &Vma,
    address: u64,
    access: Access,
) -> Result<Ppn, Denied> {
    if vma.has(flag::VDSO) {
        let page = Ppn(k.header.vdso);
        k.mem.share(page);
        return enter(k, mm, address, page, tables::attributes(vma, true) | FILE_PAGE);
    }
    if vma.is_anonymous() {
        let page = k.mem.alloc().ok_or(Denied::OutOfMemory)?;
        return enter(k, mm, address, page, tables::attributes(vma, false));
    }
    let write = access == Access::Write;
    if write && vma.has(flag::SHARED) {
        let page = file_page(k, vma, address, true)?;
        return enter(k, mm, address, page, tables::attributes(vma, false) | FILE_PAGE);
    }
    let page = file_page(k, vma, address, false)?;
    if write {
        let copy = k.mem.alloc_copy(page);
        k.mem.release(page);
        let copy = copy.ok_or(Denied::OutOfMemory)?;
        k.header.counters.copies += 1;
        return enter(k, mm, address, copy, tables::attributes(vma, false));
    }
    let bits = tables::attributes(vma, true) | FILE_PAGE;
    enter(k, mm, address, page, bits)?;
    if page.is_rom() {
        fault_around(k, mm, vma, address, bits);
    }
    Ok(page)
}

/// Maps the neighbours of a page of the image, which are there for the taking.
fn fault_around(k: &mut Kernel<'_>, mm: usize, vma: &Vma, address: u64, bits: u64) {
    let first = (address & !(AROUND * PAGE - 1)).max(vma.start);
    let end = ((address & !(AROUND * PAGE - 1)) + AROUND * PAGE).min(vma.end);
    let root = Ppn(k.mms[mm].root);
    for at in (first..end).step_by(PAGE as usize) {
        let Some((present, ..)) = k.mem.descriptor(root, at) else { return };
        if present.is_valid() {
            continue;
        }
        let Ok(page) = file_page(k, vma, at, false) else { return };
        if !tables::set(k, mm, at, page, bits) {
            return;
        }
    }
}

/// The page of the mapped file at `address`, with a reference.
fn file_page(k: &mut Kernel<'_>, vma: &Vma, address: u64, write: bool) -> Result<Ppn, Denied> {
    vfs::map_page(k, Node(vma.node), vma.file_page(address), write).map_err(|errno| match errno {
        Errno::ENOSPC | Errno::ENOMEM => Denied::OutOfMemory,
        Errno::HOST_WAIT => Denied::Wait,
        _ => Denied::BeyondFile,
    })
}

fn enter(k: &mut Kernel<'_>, mm: usize, address: u64, page: Ppn, bits: u64) -> Result<Ppn, Denied> {
    if tables::set(k, mm, address, page, bits) { Ok(page) } else { Err(Denied::OutOfMemory) }
}

/// Extends the mapping `index`, which grows down, to the page at `address` (`expand_downwards` in
/// mm/mmap.c).
fn grow_down(k: &mut Kernel<'_>, mm: usize, index: usize, address: u64) -> Result<(), Denied> {
    let vma = k.vmas[index];
    let size = vma.end - address;
    let growth = vma.start - address;
    if address < MIN_ADDRESS
        || size > super::resource_limit(k, mm, limit::STACK)
        || !list::may_grow(k, mm, growth, false)
    {
        return Err(Denied::NotMapped);
    }
    let (previous, _) = list::around(k, mm, address);
    if previous != 0 {
        let below = &k.vmas[previous as usize - 1];
        if !below.has(flag::GROWS_DOWN)
            && below.flags & flag::ACCESS != 0
            && address - below.end < GUARD_GAP
        {
            return Err(Denied::NotMapped);
        }
    }
    k.vmas[index].start = address;
    k.mms[mm].usage[0] += growth;
    Ok(())
}
