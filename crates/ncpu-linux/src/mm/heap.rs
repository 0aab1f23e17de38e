//! The heap (`brk(2)`).

use super::{PAGE, TASK_SIZE, Vma, flag, limit, list, map};
use crate::SysResult;
use crate::image::Kernel;
use ncpu_machine::mem::untag;

/// brk: the new end of the heap, or the present one when that cannot be.
pub fn brk(k: &mut Kernel<'_>, address: u64) -> SysResult {
    let mm = super::current(k);
    let wanted = untag(address);
    let [start, end] = k.mms[mm].heap;
    if wanted < start || wanted >= TASK_SIZE {
        return Ok(end);
    }
    let code = k.mms[mm].code;
    let data = (wanted - start).saturating_add(code[3].saturating_sub(code[2]));
    if data > super::resource_limit(k, mm, limit::DATA) {
        return Ok(end);
    }
    let old = end.next_multiple_of(PAGE);
    let new = wanted.next_multiple_of(PAGE);
    if new < old && map::unmap(k, mm, new, old).is_err() {
        return Ok(end);
    }
    if new > old && !extend(k, mm, old, new) {
        return Ok(end);
    }
    k.mms[mm].heap[1] = wanted;
    Ok(wanted)
}

fn extend(k: &mut Kernel<'_>, mm: usize, old: u64, new: u64) -> bool {
    let (_, next) = list::around(k, mm, old);
    if next != 0 && k.vmas[next as usize - 1].guarded_start() < new + PAGE {
        return false;
    }
    if !list::may_grow(k, mm, new - old, true) || (new - old) / PAGE > map::total_pages(k) {
        return false;
    }
    let flags = flag::READ | flag::WRITE | flag::MAY_WRITE | u64::from(k.mms[mm].future_flags);
    map::add(k, mm, Vma { start: old, end: new, flags, ..Vma::default() }).is_ok()
}
