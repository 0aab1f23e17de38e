//! Memory policies (`set_mempolicy(2)`, `get_mempolicy(2)`, `mbind(2)`) of a machine with one node:
//! they are checked and reported, and every one has the same effect.

use super::{PAGE, list};
use crate::image::Kernel;
use crate::{Errno, SysResult};
use ncpu_machine::mem::untag;

const MPOL_DEFAULT: u32 = 0;
const MPOL_PREFERRED: u32 = 1;
const MPOL_BIND: u32 = 2;
const MPOL_INTERLEAVE: u32 = 3;
const MPOL_LOCAL: u32 = 4;
const MPOL_PREFERRED_MANY: u32 = 5;
const MPOL_F_STATIC_NODES: u32 = 1 << 15;
const MPOL_F_RELATIVE_NODES: u32 = 1 << 14;
const MPOL_F_NUMA_BALANCING: u32 = 1 << 13;
/// get_mempolicy: the node instead of the mode.
const MPOL_F_NODE: u32 = 1;
/// get_mempolicy: of the mapping at the address.
const MPOL_F_ADDR: u32 = 2;
/// get_mempolicy: the nodes that may be used.
const MPOL_F_MEMS_ALLOWED: u32 = 4;

/// Reads a set of nodes; only node 0 exists.
fn nodes(k: &mut Kernel<'_>, mask: u64, max: u64) -> Result<bool, Errno> {
    // The count is one more than the number of bits (`get_nodes` in mm/mempolicy.c).
    let bits = max.wrapping_sub(1);
    if mask == 0 || bits == 0 || max == 0 {
        return Ok(false);
    }
    if bits > PAGE * 8 {
        return Err(Errno::EINVAL);
    }
    let mut any = false;
    for index in 0..bits.div_ceil(64) {
        let word: u64 = k.read_record(mask + 8 * index)?;
        let word = if bits - 64 * index < 64 { word & ((1 << (bits % 64)) - 1) } else { word };
        if word & !u64::from(index == 0) != 0 {
            return Err(Errno::EINVAL);
        }
        any |= word != 0;
    }
    Ok(any)
}

/// Checks a policy.
fn check(k: &mut Kernel<'_>, mode: u32, mask: u64, max: u64) -> Result<(), Errno> {
    const FLAGS: u32 = MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES | MPOL_F_NUMA_BALANCING;
    let flags = mode & FLAGS;
    let mode = mode & !FLAGS;
    if mode > MPOL_PREFERRED_MANY
        || flags & MPOL_F_STATIC_NODES != 0 && flags & MPOL_F_RELATIVE_NODES != 0
        || flags & MPOL_F_NUMA_BALANCING != 0 && mode != MPOL_BIND
    {
        return Err(Errno::EINVAL);
    }
    let any = nodes(k, mask, max)?;
    match mode {
        MPOL_DEFAULT if any || flags != 0 => Err(Errno::EINVAL),
        MPOL_LOCAL if any => Err(Errno::EINVAL),
        MPOL_PREFERRED if !any && flags != 0 => Err(Errno::EINVAL),
        MPOL_BIND | MPOL_INTERLEAVE | MPOL_PREFERRED_MANY if !any => Err(Errno::EINVAL),
        _ => Ok(()),
    }
}

/// set_mempolicy.
pub fn set_mempolicy(k: &mut Kernel<'_>, mode: u32, mask: u64, max: u64) -> SysResult {
    check(k, mode, mask, max)?;
    let mm = super::current(k);
    k.mms[mm].policy = mode;
    Ok(0)
}

/// mbind.
pub fn mbind(
    k: &mut Kernel<'_>,
    address: u64,
    len: u64,
    mode: u32,
    mask: u64,
    max: u64,
    flags: u32,
) -> SysResult {
    const STRICT_OR_MOVE: u32 = 7;
    let start = untag(address);
    if flags & !STRICT_OR_MOVE != 0 || !start.is_multiple_of(PAGE) {
        return Err(Errno::EINVAL.into());
    }
    let end = super::page_up(len).and_then(|len| start.checked_add(len)).ok_or(Errno::EINVAL)?;
    check(k, mode, mask, max)?;
    let mm = super::current(k);
    let mut at = start;
    while at < end {
        let index = list::containing(k, mm, at).ok_or(Errno::EFAULT)?;
        at = k.vmas[index].end;
    }
    Ok(0)
}

/// get_mempolicy.
pub fn get_mempolicy(
    k: &mut Kernel<'_>,
    mode: u64,
    mask: u64,
    max: u64,
    address: u64,
    flags: u32,
) -> SysResult {
    if flags & !(MPOL_F_NODE | MPOL_F_ADDR | MPOL_F_MEMS_ALLOWED) != 0
        || flags & MPOL_F_MEMS_ALLOWED != 0 && flags & (MPOL_F_NODE | MPOL_F_ADDR) != 0
        || flags & MPOL_F_ADDR == 0 && flags & MPOL_F_MEMS_ALLOWED == 0 && address != 0
        || mask != 0 && max == 0
    {
        return Err(Errno::EINVAL.into());
    }
    let mm = super::current(k);
    let policy = k.mms[mm].policy;
    let value = match flags {
        _ if flags & MPOL_F_MEMS_ALLOWED != 0 => 0,
        _ if flags & MPOL_F_ADDR != 0 => {
            list::containing(k, mm, untag(address)).ok_or(Errno::EFAULT)?;
            if flags & MPOL_F_NODE != 0 { 0 } else { MPOL_DEFAULT }
        }
        _ if flags & MPOL_F_NODE != 0 => {
            if policy & 0xff != MPOL_INTERLEAVE {
                return Err(Errno::EINVAL.into());
            }
            0
        }
        _ => policy,
    };
    if mode != 0 {
        k.write_record(mode, &value)?;
    }
    if mask != 0 {
        let names_node =
            flags & MPOL_F_MEMS_ALLOWED != 0 || !matches!(policy & 0xff, MPOL_DEFAULT | MPOL_LOCAL);
        let words = max.div_ceil(64).min(PAGE / 8);
        for index in 0..words {
            k.write_record(mask + 8 * index, &u64::from(index == 0 && names_node))?;
        }
    }
    Ok(0)
}
