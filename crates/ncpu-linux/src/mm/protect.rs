//! Changing rights (`mprotect(2)`).

use super::tables::{self, Cursor, FILE_PAGE};
use super::{PAGE, flag, list};
use crate::abi::mman::*;
use crate::image::Kernel;
use crate::{Errno, SysResult};
use ncpu_machine::mem::untag;
use ncpu_machine::mem::walk::Descriptor;

/// Brings the descriptors of a mapping in line with its flags.
pub(super) fn rewrite(k: &mut Kernel<'_>, mm: usize, index: usize) {
    let vma = k.vmas[index];
    let mut cursor = Cursor::new(k, mm, vma.start, vma.end);
    while let Some((_, old, table, index)) = cursor.next(&k.mem) {
        let ask = old.0 & Descriptor::COPY_ON_WRITE != 0;
        let bits = tables::attributes(&vma, ask) | old.0 & FILE_PAGE;
        let new = Descriptor::page(old.target(), bits);
        if new != old && !k.mem.write_word(table, index, new.0) {
            // Only a frame pool that is used up while tables are shared with a forked machine.
            break;
        }
    }
    tables::flush(k, mm);
}

/// mprotect.
pub fn mprotect(k: &mut Kernel<'_>, address: u64, len: u64, prot: u32) -> SysResult {
    const PROT_SEM: u32 = 8;
    let start = untag(address);
    let grows = prot & (PROT_GROWSDOWN | PROT_GROWSUP);
    let prot = prot & !grows;
    if grows == PROT_GROWSDOWN | PROT_GROWSUP || !start.is_multiple_of(PAGE) {
        return Err(Errno::EINVAL.into());
    }
    if len == 0 {
        return Ok(0);
    }
    let end = super::page_up(len).and_then(|len| start.checked_add(len));
    let end = end.filter(|&end| end > start).ok_or(Errno::ENOMEM)?;
    if prot & !(PROT_READ | PROT_WRITE | PROT_EXEC | PROT_SEM) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let mm = super::current(k);
    let index = list::find(k, mm, start).ok_or(Errno::ENOMEM)?;
    let first = k.vmas[index];
    let mut at = start;
    if grows == PROT_GROWSDOWN {
        if first.start >= end {
            return Err(Errno::ENOMEM.into());
        }
        if !first.has(flag::GROWS_DOWN) {
            return Err(Errno::EINVAL.into());
        }
        at = first.start;
    } else if first.start > start {
        return Err(Errno::ENOMEM.into());
    } else if grows == PROT_GROWSUP {
        return Err(Errno::EINVAL.into());
    }
    let rights = u64::from(prot) & flag::ACCESS;
    let from = at;
    let result = change(k, mm, &mut at, end, rights);
    list::merge(k, mm, from, end);
    result.map(|()| 0).map_err(Into::into)
}

/// Changes the rights from `at` on, mapping by mapping, up to the first that cannot be changed.
fn change(k: &mut Kernel<'_>, mm: usize, at: &mut u64, end: u64, rights: u64) -> Result<(), Errno> {
    while *at < end {
        let index = list::containing(k, mm, *at).ok_or(Errno::ENOMEM)?;
        let vma = k.vmas[index];
        let writes = rights & flag::WRITE != 0;
        if writes && !vma.has(flag::MAY_WRITE) {
            return Err(Errno::EACCES);
        }
        if rights & flag::EXEC != 0 && vma.has(flag::NEVER_EXEC) {
            return Err(Errno::EACCES);
        }
        let stop = vma.end.min(end);
        let flags = vma.flags & !flag::ACCESS | rights;
        if flags != vma.flags {
            let becomes_data = super::Vma { flags, ..vma }.is_data() && !vma.is_data();
            if becomes_data && !list::may_have_data(k, mm, stop - *at) {
                return Err(Errno::ENOMEM);
            }
            list::split(k, mm, *at)?;
            list::split(k, mm, stop)?;
            let index = list::containing(k, mm, *at).ok_or(Errno::ENOMEM)?;
            k.vmas[index].flags = flags;
            rewrite(k, mm, index);
        }
        *at = stop;
    }
    Ok(())
}
