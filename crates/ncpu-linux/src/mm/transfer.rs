//! Copying between processes (`process_vm_readv(2)`).

use super::{CAP_SYS_PTRACE, TASK_SIZE, is_capable, read_other, write_other};
use crate::image::Kernel;
use crate::scratch::{Scratch, zeroed};
use crate::{Errno, SysResult, process};

/// Ranges in one call (UIO_MAXIOV).
const MAX_RANGES: u64 = 1024;

/// process_vm_readv.
pub fn process_vm_readv(
    k: &mut Kernel<'_>,
    pid: i32,
    local: u64,
    local_count: u64,
    remote: u64,
    remote_count: u64,
    flags: u64,
) -> SysResult {
    copy(k, pid, [local, local_count], [remote, remote_count], flags, false)
}

/// process_vm_writev.
pub fn process_vm_writev(
    k: &mut Kernel<'_>,
    pid: i32,
    local: u64,
    local_count: u64,
    remote: u64,
    remote_count: u64,
    flags: u64,
) -> SysResult {
    copy(k, pid, [local, local_count], [remote, remote_count], flags, true)
}

/// A walk over an array of `struct iovec`.
struct Ranges {
    next: u64,
    left: u64,
    at: u64,
    len: u64,
}

impl Ranges {
    fn new([array, count]: [u64; 2]) -> Result<Ranges, Errno> {
        if count > MAX_RANGES {
            return Err(Errno::EINVAL);
        }
        Ok(Ranges { next: array, left: count, at: 0, len: 0 })
    }

    /// Goes on to bytes that are left; false at the end.
    fn fill(&mut self, k: &mut Kernel<'_>) -> Result<bool, Errno> {
        while self.len == 0 {
            if self.left == 0 {
                return Ok(false);
            }
            [self.at, self.len] = k.read_record(self.next)?;
            self.next = self.next.wrapping_add(16);
            self.left -= 1;
        }
        Ok(true)
    }

    fn advance(&mut self, count: u64) {
        self.at = self.at.wrapping_add(count);
        self.len -= count;
    }

    /// Checks all ranges before anything is copied.
    fn check(&self, k: &mut Kernel<'_>, inside: bool) -> Result<(), Errno> {
        for index in 0..self.left {
            let [at, len]: [u64; 2] = k.read_record(self.next.wrapping_add(16 * index))?;
            if len > i64::MAX as u64 {
                return Err(Errno::EINVAL);
            }
            if inside && (at > TASK_SIZE || len > TASK_SIZE - at) {
                return Err(Errno::EFAULT);
            }
        }
        Ok(())
    }
}

fn copy(
    k: &mut Kernel<'_>,
    pid: i32,
    local: [u64; 2],
    remote: [u64; 2],
    flags: u64,
    write: bool,
) -> SysResult {
    if flags != 0 {
        return Err(Errno::EINVAL.into());
    }
    let (mut local, mut remote) = (Ranges::new(local)?, Ranges::new(remote)?);
    local.check(k, true)?;
    remote.check(k, false)?;
    let target = u32::try_from(pid).ok().and_then(|pid| process::by_pid(k, pid));
    let target = target.filter(|&target| k.processes[target].state == process::ALIVE);
    let target = target.ok_or(Errno::ESRCH)?;
    if !may_access(k, target) {
        return Err(Errno::EPERM.into());
    }
    let mm = k.processes[target].mm as usize;
    let mut scratch = Scratch::<{ 2048 / 8 }>::uninit();
    let buffer = zeroed(&mut scratch);
    let mut done = 0;
    while local.fill(k)? && remote.fill(k)? {
        let count = local.len.min(remote.len).min(buffer.len() as u64);
        let bytes = &mut buffer[..count as usize];
        let moved = if write {
            k.read_user(local.at, bytes).and_then(|()| write_other(k, mm, remote.at, bytes))
        } else {
            read_other(k, mm, remote.at, bytes)
                .and_then(|moved| k.write_user(local.at, &bytes[..moved]).map(|()| moved))
        };
        match moved {
            Ok(moved) => {
                done += moved as u64;
                if moved as u64 != count {
                    break;
                }
            }
            Err(errno) if done == 0 => return Err(errno.into()),
            Err(_) => break,
        }
        local.advance(count);
        remote.advance(count);
    }
    Ok(done)
}

/// Whether the current process may look into another (ptrace(2), "Ptrace access mode checking",
/// PTRACE_MODE_ATTACH_REALCREDS).
fn may_access(k: &Kernel<'_>, target: usize) -> bool {
    let me = k.current_process();
    if me == target || is_capable(k, CAP_SYS_PTRACE) {
        return true;
    }
    let (mine, theirs) = (&k.processes[me], &k.processes[target]);
    let (uid, gid) = (mine.credentials.uid[0], mine.credentials.gid[0]);
    theirs.credentials.uid[..3].iter().all(|&id| id == uid)
        && theirs.credentials.gid[..3].iter().all(|&id| id == gid)
        && theirs.attributes[process::attribute::DUMPABLE] == 1
}
