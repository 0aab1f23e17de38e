//! Users, groups and capabilities (`credentials(7)`, `capabilities(7)`).

use super::{Process, attribute};
use crate::image::Kernel;
use crate::{Errno, SysResult};

/// Send signals to anyone.
pub const CAP_KILL: u32 = 5;
/// Change groups.
pub const CAP_SETGID: u32 = 6;
/// Change users.
pub const CAP_SETUID: u32 = 7;
/// Drop from the bounding set.
pub const CAP_SETPCAP: u32 = 8;
/// Restart the machine.
pub const CAP_SYS_BOOT: u32 = 22;
/// Raise scheduling priorities.
pub const CAP_SYS_NICE: u32 = 23;
/// Exceed resource limits.
pub const CAP_SYS_RESOURCE: u32 = 24;
/// Set the clock.
pub const CAP_SYS_TIME: u32 = 25;
/// Administrate the system.
pub const CAP_SYS_ADMIN: u32 = 21;
/// Last capability of Linux 6.1.
const CAP_LAST: u32 = 40;
const ALL: u64 = (1 << (CAP_LAST + 1)) - 1;

/// Indices of [`Process::capabilities`].
const EFFECTIVE: usize = 0;
const PERMITTED: usize = 1;
const INHERITABLE: usize = 2;
const BOUNDING: usize = 3;
const AMBIENT: usize = 4;

/// Indices of the identities in [`super::Credentials`].
const REAL: usize = 0;
const EFFECTIVE_ID: usize = 1;
const SAVED: usize = 2;
const FILE_SYSTEM: usize = 3;

/// Capabilities of root's processes.
pub const ROOT_CAPABILITIES: [u64; 5] = [ALL, ALL, 0, ALL, 0];

/// No change, as an argument.
const KEEP: u32 = u32::MAX;

/// Whether the current process has a capability.
pub fn capable(k: &Kernel<'_>, capability: u32) -> bool {
    k.processes[k.current_process()].capabilities[EFFECTIVE] >> capability & 1 != 0
}

/// What execve makes of the capabilities of a program without file capabilities
/// (`capabilities(7)`, "Transformation of capabilities during execve()").
pub(super) fn capabilities_after_exec(p: &mut Process) {
    let [_, _, inheritable, bounding, ambient] = p.capabilities;
    let [real, effective, ..] = p.credentials.uid;
    p.capabilities[PERMITTED] = match (real, effective) {
        (0, _) | (_, 0) => inheritable | bounding,
        _ => ambient,
    };
    p.capabilities[EFFECTIVE] = if effective == 0 { p.capabilities[PERMITTED] } else { ambient };
}

/// Sets users and adjusts capabilities (`capabilities(7)`, "Effect of user ID changes").
fn set_users(k: &mut Kernel<'_>, new: [u32; 4]) {
    let p = k.process();
    let old = core::mem::replace(&mut p.credentials.uid, new);
    let had_root = old[..FILE_SYSTEM].contains(&0);
    if had_root && !new[..FILE_SYSTEM].contains(&0) {
        if p.attributes[attribute::KEEP_CAPABILITIES] == 0 {
            p.capabilities[PERMITTED] = 0;
        }
        p.capabilities[EFFECTIVE] = 0;
        p.capabilities[AMBIENT] = 0;
    }
    if old[EFFECTIVE_ID] == 0 && new[EFFECTIVE_ID] != 0 {
        p.capabilities[EFFECTIVE] = 0;
    } else if old[EFFECTIVE_ID] != 0 && new[EFFECTIVE_ID] == 0 {
        p.capabilities[EFFECTIVE] = p.capabilities[PERMITTED];
    }
    if old != new {
        p.attributes[attribute::DEATH_SIGNAL] = 0;
    }
}

/// The identities after setuid or setgid; EPERM.
fn set_one(old: [u32; 4], id: u32, privileged: bool) -> Result<[u32; 4], Errno> {
    if id == KEEP {
        return Err(Errno::EINVAL);
    }
    if privileged {
        return Ok([id; 4]);
    }
    if id != old[REAL] && id != old[SAVED] {
        return Err(Errno::EPERM);
    }
    Ok([old[REAL], id, old[SAVED], id])
}

/// The identities after setreuid or setregid; EPERM.
fn set_two(old: [u32; 4], real: u32, effective: u32, privileged: bool) -> Result<[u32; 4], Errno> {
    let [old_real, old_effective, old_saved, _] = old;
    if !privileged {
        let real_allowed = [KEEP, old_real, old_effective].contains(&real);
        let effective_allowed = [KEEP, old_real, old_effective, old_saved].contains(&effective);
        if !real_allowed || !effective_allowed {
            return Err(Errno::EPERM);
        }
    }
    let mut new = old;
    if real != KEEP {
        new[REAL] = real;
    }
    if effective != KEEP {
        new[EFFECTIVE_ID] = effective;
    }
    if real != KEEP || effective != KEEP && effective != old_real {
        new[SAVED] = new[EFFECTIVE_ID];
    }
    new[FILE_SYSTEM] = new[EFFECTIVE_ID];
    Ok(new)
}

/// The identities after setresuid or setresgid; EPERM.
fn set_three(old: [u32; 4], wanted: [u32; 3], privileged: bool) -> Result<[u32; 4], Errno> {
    let mut new = old;
    for (place, id) in wanted.into_iter().enumerate() {
        if id == KEEP {
            continue;
        }
        if !privileged && !old[..FILE_SYSTEM].contains(&id) {
            return Err(Errno::EPERM);
        }
        new[place] = id;
    }
    new[FILE_SYSTEM] = new[EFFECTIVE_ID];
    Ok(new)
}

/// setuid(2).
pub fn setuid(k: &mut Kernel<'_>, id: u32) -> SysResult {
    let new = set_one(k.process().credentials.uid, id, capable(k, CAP_SETUID))?;
    set_users(k, new);
    Ok(0)
}

/// setgid(2).
pub fn setgid(k: &mut Kernel<'_>, id: u32) -> SysResult {
    let new = set_one(k.process().credentials.gid, id, capable(k, CAP_SETGID))?;
    k.process().credentials.gid = new;
    Ok(0)
}

/// setreuid(2).
pub fn setreuid(k: &mut Kernel<'_>, real: u32, effective: u32) -> SysResult {
    let new = set_two(k.process().credentials.uid, real, effective, capable(k, CAP_SETUID))?;
    set_users(k, new);
    Ok(0)
}

/// setregid(2).
pub fn setregid(k: &mut Kernel<'_>, real: u32, effective: u32) -> SysResult {
    let new = set_two(k.process().credentials.gid, real, effective, capable(k, CAP_SETGID))?;
    k.process().credentials.gid = new;
    Ok(0)
}

/// setresuid(2).
pub fn setresuid(k: &mut Kernel<'_>, real: u32, effective: u32, saved: u32) -> SysResult {
    let wanted = [real, effective, saved];
    let new = set_three(k.process().credentials.uid, wanted, capable(k, CAP_SETUID))?;
    set_users(k, new);
    Ok(0)
}

/// setresgid(2).
pub fn setresgid(k: &mut Kernel<'_>, real: u32, effective: u32, saved: u32) -> SysResult {
    let wanted = [real, effective, saved];
    let new = set_three(k.process().credentials.gid, wanted, capable(k, CAP_SETGID))?;
    k.process().credentials.gid = new;
    Ok(0)
}

fn write_three(k: &mut Kernel<'_>, ids: [u32; 4], to: [u64; 3]) -> SysResult {
    for (address, id) in to.into_iter().zip(ids) {
        k.write_record(address, &id)?;
    }
    Ok(0)
}

/// getresuid(2).
pub fn getresuid(k: &mut Kernel<'_>, real: u64, effective: u64, saved: u64) -> SysResult {
    let ids = k.process().credentials.uid;
    write_three(k, ids, [real, effective, saved])
}

/// getresgid(2).
pub fn getresgid(k: &mut Kernel<'_>, real: u64, effective: u64, saved: u64) -> SysResult {
    let ids = k.process().credentials.gid;
    write_three(k, ids, [real, effective, saved])
}

/// setfsuid(2): returns the old one whether it could be set or not.
pub fn setfsuid(k: &mut Kernel<'_>, id: u32) -> SysResult {
    let allowed = capable(k, CAP_SETUID);
    let ids = &mut k.process().credentials.uid;
    let old = ids[FILE_SYSTEM];
    if id != KEEP && (allowed || ids.contains(&id)) {
        ids[FILE_SYSTEM] = id;
    }
    Ok(u64::from(old))
}

/// setfsgid(2): returns the old one whether it could be set or not.
pub fn setfsgid(k: &mut Kernel<'_>, id: u32) -> SysResult {
    let allowed = capable(k, CAP_SETGID);
    let ids = &mut k.process().credentials.gid;
    let old = ids[FILE_SYSTEM];
    if id != KEEP && (allowed || ids.contains(&id)) {
        ids[FILE_SYSTEM] = id;
    }
    Ok(u64::from(old))
}

/// getuid(2).
pub fn getuid(k: &mut Kernel<'_>) -> SysResult {
    Ok(u64::from(k.process().credentials.uid[REAL]))
}

/// geteuid(2).
pub fn geteuid(k: &mut Kernel<'_>) -> SysResult {
    Ok(u64::from(k.process().credentials.uid[EFFECTIVE_ID]))
}

/// getgid(2).
pub fn getgid(k: &mut Kernel<'_>) -> SysResult {
    Ok(u64::from(k.process().credentials.gid[REAL]))
}

/// getegid(2).
pub fn getegid(k: &mut Kernel<'_>) -> SysResult {
    Ok(u64::from(k.process().credentials.gid[EFFECTIVE_ID]))
}

/// getgroups(2).
pub fn getgroups(k: &mut Kernel<'_>, size: i32, list: u64) -> SysResult {
    let c = k.process().credentials;
    let count = (c.group_count as usize).min(c.groups.len());
    if size < 0 || size != 0 && (size as usize) < count {
        return Err(Errno::EINVAL.into());
    }
    if size != 0 {
        for (n, group) in c.groups[..count].iter().enumerate() {
            k.write_record(list.wrapping_add(4 * n as u64), group)?;
        }
    }
    Ok(count as u64)
}

/// setgroups(2); a process has room for 31 groups.
pub fn setgroups(k: &mut Kernel<'_>, size: i32, list: u64) -> SysResult {
    if !capable(k, CAP_SETGID) {
        return Err(Errno::EPERM.into());
    }
    let mut groups = [0u32; 31];
    let count = usize::try_from(size).ok().filter(|&count| count <= groups.len());
    let count = count.ok_or(Errno::EINVAL)?;
    for (n, group) in groups[..count].iter_mut().enumerate() {
        *group = k.read_record(list.wrapping_add(4 * n as u64))?;
    }
    // Linux keeps and shows them sorted.
    groups[..count].sort_unstable();
    let c = &mut k.process().credentials;
    c.group_count = count as u32;
    c.groups = groups;
    Ok(0)
}

/// Versions of the capability interface, and the number of 32-bit words of each set.
fn words_of_version(version: u32) -> Option<usize> {
    match version {
        0x1998_0330 => Some(1),
        0x2007_1026 | 0x2008_0522 => Some(2),
        _ => None,
    }
}

/// Reads the header of capget and capset: number of words and process; EINVAL after writing the
/// version that the kernel prefers.
fn capability_header(k: &mut Kernel<'_>, header: u64, data: u64) -> Result<(usize, i32), Errno> {
    const PREFERRED: u32 = 0x2008_0522;
    let [version, pid] = k.read_record::<[u32; 2]>(header)?;
    match words_of_version(version) {
        Some(_) if (pid as i32) < 0 && data != 0 => Err(Errno::EINVAL),
        Some(words) => Ok((words, pid as i32)),
        None => {
            k.write_record(header, &PREFERRED)?;
            Err(Errno::EINVAL)
        }
    }
}

/// capget(2).
pub fn capget(k: &mut Kernel<'_>, header: u64, data: u64) -> SysResult {
    let (words, pid) = match capability_header(k, header, data) {
        // Asking for the version only.
        Err(Errno::EINVAL) if data == 0 => return Ok(0),
        result => result?,
    };
    let process = match pid {
        0 => k.current_process(),
        pid => super::by_pid(k, pid as u32).ok_or(Errno::ESRCH)?,
    };
    let sets = k.processes[process].capabilities;
    if data == 0 {
        return Ok(0);
    }
    for word in 0..words {
        let at = data.wrapping_add(12 * word as u64);
        for (n, set) in sets[..=INHERITABLE].iter().enumerate() {
            let half = (set >> (32 * word)) as u32;
            k.write_record(at.wrapping_add(4 * n as u64), &half)?;
        }
    }
    Ok(0)
}

/// capset(2).
pub fn capset(k: &mut Kernel<'_>, header: u64, data: u64) -> SysResult {
    let (words, pid) = capability_header(k, header, data)?;
    if pid != 0 && pid as u32 != k.process().pid {
        return Err(Errno::EPERM.into());
    }
    let mut new = [0u64; 3];
    for word in 0..words {
        let at = data.wrapping_add(12 * word as u64);
        for (n, set) in new.iter_mut().enumerate() {
            let half = k.read_record::<u32>(at.wrapping_add(4 * n as u64))?;
            *set |= u64::from(half) << (32 * word);
        }
    }
    let [effective, permitted, inheritable] = new.map(|set| set & ALL);
    let old = k.process().capabilities;
    let raises = |new: u64, allowed: u64| new & !allowed != 0;
    if raises(permitted, old[PERMITTED])
        || raises(effective, permitted)
        || raises(inheritable, old[INHERITABLE] | old[BOUNDING])
        || !capable(k, CAP_SETPCAP) && raises(inheritable, old[INHERITABLE] | old[PERMITTED])
    {
        return Err(Errno::EPERM.into());
    }
    let p = k.process();
    p.capabilities[..=INHERITABLE].copy_from_slice(&[effective, permitted, inheritable]);
    p.capabilities[AMBIENT] &= permitted & inheritable;
    Ok(0)
}

/// PR_CAPBSET_READ.
pub(super) fn in_bounding_set(k: &mut Kernel<'_>, capability: u64) -> Result<bool, Errno> {
    if capability > u64::from(CAP_LAST) {
        return Err(Errno::EINVAL);
    }
    Ok(k.process().capabilities[BOUNDING] >> capability & 1 != 0)
}

/// PR_CAPBSET_DROP.
pub(super) fn drop_from_bounding_set(k: &mut Kernel<'_>, capability: u64) -> Result<(), Errno> {
    if !capable(k, CAP_SETPCAP) {
        return Err(Errno::EPERM);
    }
    if capability > u64::from(CAP_LAST) {
        return Err(Errno::EINVAL);
    }
    k.process().capabilities[BOUNDING] &= !(1 << capability);
    Ok(())
}

/// PR_CAP_AMBIENT.
pub(super) fn ambient(k: &mut Kernel<'_>, what: u64, capability: u64) -> SysResult {
    const IS_SET: u64 = 1;
    const RAISE: u64 = 2;
    const LOWER: u64 = 3;
    const CLEAR_ALL: u64 = 4;
    let sets = &mut k.process().capabilities;
    if what == CLEAR_ALL && capability == 0 {
        sets[AMBIENT] = 0;
        return Ok(0);
    }
    if capability > u64::from(CAP_LAST) {
        return Err(Errno::EINVAL.into());
    }
    let bit = 1 << capability;
    match what {
        IS_SET => Ok(u64::from(sets[AMBIENT] & bit != 0)),
        RAISE if sets[PERMITTED] & sets[INHERITABLE] & bit == 0 => Err(Errno::EPERM.into()),
        RAISE => {
            sets[AMBIENT] |= bit;
            Ok(0)
        }
        LOWER => {
            sets[AMBIENT] &= !bit;
            Ok(0)
        }
        _ => Err(Errno::EINVAL.into()),
    }
}
