//! Copying an address space.

use super::tables::{self, Cursor, FILE_PAGE};
use super::{flag, list};
use crate::Errno;
use crate::image::Kernel;
use crate::vfs::{self, Node};
use ncpu_machine::Ppn;
use ncpu_machine::mem::walk::Descriptor;

/// Makes a copy of an address space; private memory is copied when one of the two writes to it.
///
/// # Errors
/// ENOMEM.
pub fn fork(k: &mut Kernel<'_>, from: usize) -> Result<usize, Errno> {
    let to = super::new(k)?;
    let parent = k.mms[from];
    let child = k.mms[to];
    k.mms[to] = super::Mm {
        references: 1,
        root: child.root,
        first: 0,
        count: 0,
        usage: [0; 2],
        hint: 0,
        future_flags: 0,
        ..parent
    };
    let result = copy_mappings(k, from, to);
    // Descriptors of the parent have lost the right to write.
    tables::flush(k, from);
    if let Err(errno) = result {
        super::release(k, to);
        return Err(errno);
    }
    Ok(to)
}

fn copy_mappings(k: &mut Kernel<'_>, from: usize, to: usize) -> Result<(), Errno> {
    let mut next = k.mms[from].first;
    let mut last = 0;
    while next != 0 {
        let vma = k.vmas[next as usize - 1];
        next = vma.next;
        if vma.has(flag::DONT_FORK) {
            continue;
        }
        let copy = super::Vma { flags: vma.flags & !(flag::LOCKED | flag::LOCK_ON_FAULT), ..vma };
        last = list::insert(k, to, last, copy)? as u32 + 1;
        if !vma.is_anonymous() {
            vfs::hold(k, Node(vma.node));
        }
        // Pages of files are found again by faults, which most children that execute another
        // program never take.
        if vma.flags & (flag::SHARED | flag::WIPE_ON_FORK | flag::VDSO) == 0 {
            copy_pages(k, from, to, vma.start, vma.end)?;
        }
    }
    Ok(())
}

/// Shares the private pages of a range.
fn copy_pages(
    k: &mut Kernel<'_>,
    from: usize,
    to: usize,
    start: u64,
    end: u64,
) -> Result<(), Errno> {
    let mut cursor = Cursor::new(k, from, start, end);
    let mut target = (Ppn::NONE, Ppn::NONE);
    while let Some((address, descriptor, table, index)) = cursor.next(&k.mem) {
        if descriptor.0 & FILE_PAGE != 0 {
            continue;
        }
        if target.0 != table {
            target = (table, tables::table(k, to, address).ok_or(Errno::ENOMEM)?);
        }
        let shared = descriptor.0 | Descriptor::READ_ONLY | Descriptor::COPY_ON_WRITE;
        if shared != descriptor.0 && !k.mem.write_word(table, index, shared) {
            return Err(Errno::ENOMEM);
        }
        if !k.mem.write_word(target.1, index, shared) {
            return Err(Errno::ENOMEM);
        }
        k.mem.share(descriptor.target());
        k.mms[to].usage[1] += 1;
    }
    Ok(())
}
