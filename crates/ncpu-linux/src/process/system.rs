//! Calls about the machine as a whole.

use super::{DEAD, exit, identity, sched};
use crate::abi::time::SECOND;
use crate::image::Kernel;
use crate::{Block, Errno, SysResult};
use ncpu_machine::PAGE_SIZE;

/// Bytes of each field of `struct utsname`.
const FIELD: usize = 65;
/// Name of the machine when none was set.
const HOST_NAME: &[u8] = b"ncpu";
/// NIS domain name when none was set, as in Linux.
const DOMAIN_NAME: &[u8] = b"(none)";
/// Kernel release.
pub const RELEASE: &[u8] = b"6.1.0-ncpu";
/// Kernel version.
pub const VERSION: &[u8] = b"#1 SMP";

/// A name without its padding, or its default.
fn name<'n>(stored: &'n [u8; 64], default: &'static [u8]) -> &'n [u8] {
    let end = stored.iter().position(|&byte| byte == 0).unwrap_or(stored.len());
    if end == 0 { default } else { &stored[..end] }
}

/// The host name.
pub fn host_name<'k>(k: &'k Kernel<'_>) -> &'k [u8] {
    name(&k.header.host_name, HOST_NAME)
}

/// Sets the host name, of which 64 bytes count.
pub fn set_host_name(k: &mut Kernel<'_>, new: &[u8]) {
    let length = new.len().min(64);
    k.header.host_name = [0; 64];
    k.header.host_name[..length].copy_from_slice(&new[..length]);
}

/// uname(2).
pub fn uname(k: &mut Kernel<'_>, out: u64) -> SysResult {
    let mut buffer = [0u8; 6 * FIELD];
    let fields = [
        b"Linux",
        host_name(k),
        RELEASE,
        VERSION,
        b"aarch64",
        name(&k.header.domain_name, DOMAIN_NAME),
    ];
    for (place, field) in buffer.chunks_exact_mut(FIELD).zip(fields) {
        place[..field.len()].copy_from_slice(field);
    }
    k.write_user(out, &buffer)?;
    Ok(0)
}

fn read_name(k: &mut Kernel<'_>, address: u64, length: i32) -> Result<[u8; 64], Errno> {
    if !identity::capable(k, identity::CAP_SYS_ADMIN) {
        return Err(Errno::EPERM);
    }
    let mut new = [0; 64];
    let length = usize::try_from(length).ok().filter(|&n| n <= new.len()).ok_or(Errno::EINVAL)?;
    k.read_user(address, &mut new[..length])?;
    Ok(new)
}

/// sethostname(2).
pub fn sethostname(k: &mut Kernel<'_>, address: u64, length: i32) -> SysResult {
    k.header.host_name = read_name(k, address, length)?;
    Ok(0)
}

/// setdomainname(2).
pub fn setdomainname(k: &mut Kernel<'_>, address: u64, length: i32) -> SysResult {
    k.header.domain_name = read_name(k, address, length)?;
    Ok(0)
}

/// sysinfo(2).
pub fn sysinfo(k: &mut Kernel<'_>, out: u64) -> SysResult {
    const BYTES: usize = 112;
    const LOAD_SHIFT: u32 = 16;
    let mut buffer = [0u8; BYTES];
    let total = u64::from(k.mem.limit_pages());
    let free = total.saturating_sub(u64::from(k.mem.used_pages()));
    let [total, free] = [total, free].map(|pages| pages * PAGE_SIZE as u64);
    let load = (sched::runnable(k) as u64) << LOAD_SHIFT;
    let processes = k.processes.iter().filter(|p| p.state != DEAD).count() as u64;
    // Uptime, three loads, total and free memory, processes, and the unit of memory. There are no
    // shared, buffer, swap and high memory.
    let fields = [
        (0, k.now() / SECOND),
        (8, load),
        (16, load),
        (24, load),
        (32, total),
        (40, free),
        (80, processes),
        (104, 1),
    ];
    for (at, value) in fields {
        buffer[at..at + 8].copy_from_slice(&u64::to_le_bytes(value));
    }
    k.write_user(out, &buffer)?;
    Ok(0)
}

/// umask(2).
pub fn umask(k: &mut Kernel<'_>, mask: u32) -> SysResult {
    let old = core::mem::replace(&mut k.process().umask, mask & 0o777);
    Ok(u64::from(old))
}

/// personality(2).
pub fn personality(k: &mut Kernel<'_>, persona: u32) -> SysResult {
    const QUERY: u32 = u32::MAX;
    let old = k.process().personality;
    if persona != QUERY {
        k.process().personality = persona;
    }
    Ok(u64::from(old))
}

/// reboot(2): whatever is asked for but disabling Ctrl-Alt-Delete, the machine ends.
pub fn reboot(
    k: &mut Kernel<'_>,
    magic: u32,
    magic2: u32,
    command: u32,
    _argument: u64,
) -> SysResult {
    const MAGIC: u32 = 0xfee1_dead;
    const MAGIC2: [u32; 4] = [672_274_793, 85_072_278, 369_367_448, 537_993_216];
    const RESTART: u32 = 0x0123_4567;
    const HALT: u32 = 0xcdef_0123;
    const CAD: [u32; 2] = [0x89ab_cdef, 0];
    const POWER_OFF: u32 = 0x4321_fedc;
    if !identity::capable(k, identity::CAP_SYS_BOOT) {
        return Err(Errno::EPERM.into());
    }
    if magic != MAGIC || !MAGIC2.contains(&magic2) {
        return Err(Errno::EINVAL.into());
    }
    match command {
        RESTART | HALT | POWER_OFF => {
            exit::end_machine(k, 0);
            Err(Block::NoReturn)
        }
        command if CAD.contains(&command) => Ok(0),
        _ => Err(Errno::EINVAL.into()),
    }
}

/// syslog(2): there is no kernel log for programs.
pub fn syslog(_k: &mut Kernel<'_>, _action: i32, _buffer: u64, _length: i32) -> SysResult {
    Err(Errno::EPERM.into())
}

/// acct(2), quotactl(2), swapon(2) and others that a container's root may not use.
pub fn not_permitted(_k: &mut Kernel<'_>) -> SysResult {
    Err(Errno::EPERM.into())
}

/// seccomp(2): filters are not available, as in a kernel without CONFIG_SECCOMP_FILTER.
pub fn seccomp(_k: &mut Kernel<'_>, _operation: u32, _flags: u32, _argument: u64) -> SysResult {
    Err(Errno::EINVAL.into())
}

/// restart_syscall(2): there is never a call to restart, since calls restart themselves.
pub fn restart_syscall(_k: &mut Kernel<'_>) -> SysResult {
    Err(Errno::EINTR.into())
}
