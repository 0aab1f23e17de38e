//! The mappings of an address space: a list sorted by address, in records of one table.
//!
//! Programs have some hundred mappings, and the one looked for is mostly the one found last, which
//! each address space remembers.

use super::{MAX_MAPPINGS, Vma};
use crate::image::Kernel;
use crate::vfs::{self, Node};
use crate::{Errno, mm};

/// The first mapping that ends after `address`, by index.
pub(super) fn find(k: &mut Kernel<'_>, mm: usize, address: u64) -> Option<usize> {
    let record = &k.mms[mm];
    let mut next = match record.hint {
        0 => record.first,
        hint if k.vmas[hint as usize - 1].start <= address => hint,
        _ => record.first,
    };
    while next != 0 {
        let vma = &k.vmas[next as usize - 1];
        if vma.end > address {
            k.mms[mm].hint = next;
            return Some(next as usize - 1);
        }
        next = vma.next;
    }
    None
}

/// The mapping that contains `address`, by index.
pub fn containing(k: &mut Kernel<'_>, mm: usize, address: u64) -> Option<usize> {
    find(k, mm, address).filter(|&index| k.vmas[index].start <= address)
}

/// The mappings in address order, starting with the first that ends after `address`.
pub fn mappings<'k>(
    k: &'k Kernel<'_>,
    mm: usize,
    address: u64,
) -> impl Iterator<Item = &'k Vma> + use<'k> {
    let vmas: &'k [Vma] = k.vmas;
    let mut next = k.mms[mm].first;
    core::iter::from_fn(move || {
        let vma = vmas.get((next as usize).checked_sub(1)?)?;
        next = vma.next;
        Some(vma)
    })
    .skip_while(move |vma| vma.end <= address)
}

/// Links around `address`: the last mapping that ends at or before it, and the first that ends after
/// it (index + 1, 0 for none).
pub(super) fn around(k: &Kernel<'_>, mm: usize, address: u64) -> (u32, u32) {
    let record = &k.mms[mm];
    let (mut previous, mut next) = match record.hint {
        0 => (0, record.first),
        hint if k.vmas[hint as usize - 1].end <= address => (hint, k.vmas[hint as usize - 1].next),
        _ => (0, record.first),
    };
    while next != 0 && k.vmas[next as usize - 1].end <= address {
        previous = next;
        next = k.vmas[next as usize - 1].next;
    }
    (previous, next)
}

/// Enters a mapping after `previous` (index + 1, 0 for the front); takes over the caller's
/// reference to the node. ENOMEM when there are too many.
pub(super) fn insert(
    k: &mut Kernel<'_>,
    mm: usize,
    previous: u32,
    mut vma: Vma,
) -> Result<usize, Errno> {
    if k.mms[mm].count >= MAX_MAPPINGS {
        return Err(Errno::ENOMEM);
    }
    let index = match k.header.mapping_free {
        0 => {
            let fresh = k.header.mapping_fresh as usize;
            if fresh >= k.vmas.len() {
                return Err(Errno::ENOMEM);
            }
            k.header.mapping_fresh += 1;
            fresh
        }
        free => {
            k.header.mapping_free = k.vmas[free as usize - 1].next;
            free as usize - 1
        }
    };
    let link = index as u32 + 1;
    vma.next = match previous {
        0 => core::mem::replace(&mut k.mms[mm].first, link),
        previous => core::mem::replace(&mut k.vmas[previous as usize - 1].next, link),
    };
    k.mms[mm].count += 1;
    k.mms[mm].usage[0] += vma.end - vma.start;
    k.vmas[index] = vma;
    Ok(index)
}

/// Takes the mapping after `previous` out of the list and drops its reference to the node.
pub(super) fn remove_after(k: &mut Kernel<'_>, mm: usize, previous: u32) {
    let link = match previous {
        0 => k.mms[mm].first,
        previous => k.vmas[previous as usize - 1].next,
    };
    if link == 0 {
        return;
    }
    let vma = k.vmas[link as usize - 1];
    match previous {
        0 => k.mms[mm].first = vma.next,
        previous => k.vmas[previous as usize - 1].next = vma.next,
    }
    let record = &mut k.mms[mm];
    record.count -= 1;
    record.usage[0] -= vma.end - vma.start;
    if record.hint == link {
        record.hint = previous;
    }
    free_record(k, link as usize - 1);
    if vma.node != Node::NONE.0 {
        vfs::drop_node(k, Node(vma.node));
    }
}

/// Puts a record on the free list.
pub(super) fn free_record(k: &mut Kernel<'_>, index: usize) {
    k.vmas[index] = Vma { next: k.header.mapping_free, ..Vma::default() };
    k.header.mapping_free = index as u32 + 1;
}

/// Makes sure that no mapping crosses `address`.
pub(super) fn split(k: &mut Kernel<'_>, mm: usize, address: u64) -> Result<(), Errno> {
    let Some(index) = containing(k, mm, address) else { return Ok(()) };
    let vma = k.vmas[index];
    if vma.start == address {
        return Ok(());
    }
    let upper = Vma {
        start: address,
        offset: if vma.is_anonymous() { 0 } else { vma.offset + (address - vma.start) },
        // A stack grows at its lower end only.
        ..vma
    };
    insert(k, mm, index as u32 + 1, upper)?;
    k.vmas[index].end = address;
    k.mms[mm].usage[0] -= upper.end - upper.start;
    if vma.node != Node::NONE.0 {
        vfs::hold(k, Node(vma.node));
    }
    Ok(())
}

/// Makes mappings that touch each other and are alike one, from the one before `start` to the one at
/// `end`.
pub(super) fn merge(k: &mut Kernel<'_>, mm: usize, start: u64, end: u64) {
    let (previous, next) = around(k, mm, start);
    let mut link = if previous != 0 { previous } else { next };
    while link != 0 && k.vmas[link as usize - 1].start < end {
        let vma = k.vmas[link as usize - 1];
        let Some(&after) = k.vmas.get((vma.next as usize).wrapping_sub(1)) else { return };
        let alike = vma.end == after.start
            && vma.flags == after.flags
            && vma.node == after.node
            && (vma.is_anonymous() || vma.offset + (vma.end - vma.start) == after.offset);
        if alike {
            remove_after(k, mm, link);
            k.vmas[link as usize - 1].end = after.end;
            k.mms[mm].usage[0] += after.end - after.start;
        } else {
            link = vma.next;
        }
    }
}

/// Whether `bytes` more can be mapped under RLIMIT_AS and, for private writable memory, RLIMIT_DATA.
pub(super) fn may_grow(k: &Kernel<'_>, mm: usize, bytes: u64, data: bool) -> bool {
    let used = k.mms[mm].usage[0];
    if used.saturating_add(bytes) > mm::resource_limit(k, mm, mm::limit::AS) {
        return false;
    }
    !data || may_have_data(k, mm, bytes)
}

/// Whether RLIMIT_DATA allows `bytes` more of private writable memory.
pub(super) fn may_have_data(k: &Kernel<'_>, mm: usize, bytes: u64) -> bool {
    let limit = mm::resource_limit(k, mm, mm::limit::DATA);
    limit == u64::MAX
        || mappings(k, mm, 0)
            .filter(|vma| vma.is_data())
            .fold(bytes, |sum, vma| sum.saturating_add(vma.end - vma.start))
            <= limit
}
