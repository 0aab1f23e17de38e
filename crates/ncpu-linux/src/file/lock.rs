//! File locks: flock(2), record locks of fcntl(2) and those of open file descriptions.

use super::{kind, may_read, may_write, table};
use crate::abi::fcntl::*;
use crate::image::{Kernel, Record};
use crate::process::{Process, state};
use crate::vfs::{self, Node};
use crate::{Block, Channel, Errno, SysResult};

/// A lock that is held, or (`waits` set) that someone waits for.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Lock {
    /// Node, 0 when the record is free.
    pub node: u32,
    /// One of [`style`].
    pub style: u32,
    /// Descriptor table (index + 1), or open file (index + 1).
    pub owner: u32,
    /// 0 shared, 1 exclusive.
    pub exclusive: u32,
    /// First byte.
    pub start: u64,
    /// Byte after the last, `u64::MAX` for no end.
    pub end: u64,
}

// SAFETY: integers only.
unsafe impl Record for Lock {}

/// Kinds of locks: each conflicts with its own kind, and the latter two with each other.
pub mod style {
    /// flock(2), owned by an open file.
    pub const FLOCK: u32 = 1;
    /// fcntl(2) F_SETLK, owned by a process: that is, as in Linux, by its descriptor table.
    pub const POSIX: u32 = 2;
    /// fcntl(2) F_OFD_SETLK, owned by an open file.
    pub const OFD: u32 = 3;
}

const F_RDLCK: i16 = 0;
const F_WRLCK: i16 = 1;
const F_UNLCK: i16 = 2;

impl Lock {
    fn same_owner(&self, other: &Lock) -> bool {
        self.style == other.style && self.owner == other.owner
    }

    fn conflicts(&self, other: &Lock) -> bool {
        let flock = self.style == style::FLOCK;
        self.node == other.node
            && flock == (other.style == style::FLOCK)
            && !self.same_owner(other)
            && (self.exclusive | other.exclusive) != 0
            && self.start < other.end
            && other.start < self.end
    }
}

fn conflict(k: &Kernel<'_>, wanted: &Lock) -> Option<Lock> {
    k.locks.iter().find(|lock| lock.node != 0 && lock.conflicts(wanted)).copied()
}

/// Sets `[start, end)` of the owner's locks on the node to what `wanted` says, or to unlocked.
fn assign(k: &mut Kernel<'_>, wanted: &Lock, locked: bool) -> Result<(), Errno> {
    // At most one lock is split in two, and one is added.
    let free = k.locks.iter().filter(|lock| lock.node == 0).take(2).count();
    if free < 2 {
        return Err(Errno::ENOLCK);
    }
    let (mut start, mut end) = (wanted.start, wanted.end);
    for index in 0..k.locks.len() {
        let lock = k.locks[index];
        if lock.node != wanted.node || !lock.same_owner(wanted) {
            continue;
        }
        if locked && lock.exclusive == wanted.exclusive && lock.start <= end && start <= lock.end {
            // Like locks that touch become one.
            start = start.min(lock.start);
            end = end.max(lock.end);
            k.locks[index] = Lock::default();
        } else if lock.start < wanted.end && wanted.start < lock.end {
            let front = lock.start < wanted.start;
            let back = wanted.end < lock.end;
            k.locks[index] = match (front, back) {
                (true, _) => Lock { end: wanted.start, ..lock },
                (false, true) => Lock { start: wanted.end, ..lock },
                (false, false) => Lock::default(),
            };
            if front && back {
                insert(k, Lock { start: wanted.end, ..lock })?;
            }
        }
    }
    if locked {
        insert(k, Lock { start, end, ..*wanted })?;
    }
    k.wake(Channel::Lock(wanted.node));
    Ok(())
}

fn insert(k: &mut Kernel<'_>, lock: Lock) -> Result<(), Errno> {
    let free = k.locks.iter_mut().find(|lock| lock.node == 0).ok_or(Errno::ENOLCK)?;
    *free = lock;
    Ok(())
}

fn drop_where(k: &mut Kernel<'_>, gone: impl Fn(&Lock) -> bool) {
    for index in 0..k.locks.len() {
        let lock = k.locks[index];
        if lock.node != 0 && gone(&lock) {
            k.locks[index] = Lock::default();
            k.wake(Channel::Lock(lock.node));
        }
    }
}

/// A descriptor of `table` for `file` is being closed: the record locks that its process has on the
/// file go, whichever descriptor they were set through (fcntl(2)).
pub(super) fn closed(k: &mut Kernel<'_>, table: usize, file: usize) {
    let node = k.files[file].node;
    if node == 0 || k.locks.iter().all(|lock| lock.node != node) {
        return;
    }
    let owner = table as u32 + 1;
    drop_where(k, |lock| lock.node == node && lock.style == style::POSIX && lock.owner == owner);
}

/// An open file is being closed for good: the locks that it owns go.
pub(super) fn released(k: &mut Kernel<'_>, file: usize) {
    let (node, owner) = (k.files[file].node, file as u32 + 1);
    if node != 0 {
        drop_where(k, |lock| {
            lock.node == node && lock.style != style::POSIX && lock.owner == owner
        });
    }
}

/// `flock(2)`.
pub fn flock(k: &mut Kernel<'_>, fd: i32, operation: u32) -> SysResult {
    const SHARED: u32 = 1;
    const EXCLUSIVE: u32 = 2;
    const NONBLOCK: u32 = 4;
    const UNLOCK: u32 = 8;
    /// LOCK_MAND, which Linux ignores since 5.18.
    const MANDATORY: u32 = 32;
    if operation & MANDATORY != 0 {
        return Ok(0);
    }
    let what = operation & !NONBLOCK;
    if !matches!(what, SHARED | EXCLUSIVE | UNLOCK) {
        return Err(Errno::EINVAL.into());
    }
    let file = table::get_usable(k, fd)?;
    let node = k.files[file].node;
    if node == 0 {
        // Nobody else can have it open.
        return Ok(0);
    }
    let wanted = Lock {
        node,
        style: style::FLOCK,
        owner: file as u32 + 1,
        exclusive: u32::from(what == EXCLUSIVE),
        start: 0,
        end: u64::MAX,
    };
    if what != UNLOCK && conflict(k, &wanted).is_some() {
        if operation & NONBLOCK != 0 {
            return Err(Errno::EAGAIN.into());
        }
        // A conversion first gives up what is held (flock(2)). Who holds nothing must wake no one: two
        // that wait would wake each other for ever.
        let held = |lock: &Lock| {
            lock.node == node && lock.style == style::FLOCK && lock.owner == wanted.owner
        };
        if k.locks.iter().any(held) {
            assign(k, &wanted, false)?;
        }
        return Err(Block::Sleep(Channel::Lock(node), None));
    }
    assign(k, &wanted, what != UNLOCK)?;
    Ok(0)
}

/// `struct flock`.
struct Flock {
    kind: i16,
    whence: i16,
    start: i64,
    length: i64,
    pid: i32,
}

const FLOCK_BYTES: usize = 32;

fn read_flock(k: &mut Kernel<'_>, address: u64) -> Result<Flock, Errno> {
    let mut bytes = [0; FLOCK_BYTES];
    k.read_user(address, &mut bytes)?;
    let half = |at: usize| i16::from_le_bytes([bytes[at], bytes[at + 1]]);
    let long = |at: usize| {
        let mut field = [0; 8];
        field.copy_from_slice(&bytes[at..at + 8]);
        i64::from_le_bytes(field)
    };
    Ok(Flock {
        kind: half(0),
        whence: half(2),
        start: long(8),
        length: long(16),
        pid: long(24) as i32,
    })
}

fn write_flock(k: &mut Kernel<'_>, address: u64, lock: &Flock) -> Result<(), Errno> {
    let mut bytes = [0; FLOCK_BYTES];
    bytes[..2].copy_from_slice(&lock.kind.to_le_bytes());
    bytes[2..4].copy_from_slice(&lock.whence.to_le_bytes());
    bytes[8..16].copy_from_slice(&lock.start.to_le_bytes());
    bytes[16..24].copy_from_slice(&lock.length.to_le_bytes());
    bytes[24..28].copy_from_slice(&lock.pid.to_le_bytes());
    k.write_user(address, &bytes)
}

/// The range that a `struct flock` means: EINVAL before the start of the file, EOVERFLOW beyond all
/// positions.
fn range(k: &mut Kernel<'_>, file: usize, lock: &Flock) -> Result<(u64, u64), Errno> {
    let base = match lock.whence {
        0 => 0,
        1 => k.files[file].offset as i64,
        2 => vfs::status(k, Node(k.files[file].node))?.size as i64,
        _ => return Err(Errno::EINVAL),
    };
    let start = base.checked_add(lock.start).ok_or(Errno::EOVERFLOW)?;
    let (start, end) = match lock.length {
        0 => (start, None),
        length if length > 0 => (start, Some(start.checked_add(length).ok_or(Errno::EOVERFLOW)?)),
        length => (start.checked_add(length).ok_or(Errno::EINVAL)?, Some(start)),
    };
    let start = u64::try_from(start).map_err(|_| Errno::EINVAL)?;
    Ok((start, end.map_or(u64::MAX, |end| end as u64)))
}

/// Whether waiting for `holder` would close a circle of processes that wait for each other.
fn would_deadlock(k: &Kernel<'_>, me: u32, holder: &Lock) -> bool {
    let mut holder = *holder;
    for _ in 0..k.processes.len() {
        if holder.style != style::POSIX {
            return false;
        }
        if holder.owner == me {
            return true;
        }
        // What is the holder waiting for?
        let waiting = k.lock_waits.iter().zip(&*k.tasks).find(|(wait, task)| {
            wait.node != 0
                && wait.owner == holder.owner
                && task.state == state::SLEEPING
                && task.channel == Channel::Lock(wait.node).key()
        });
        let Some(next) = waiting.and_then(|(wait, _)| conflict(k, wait)) else { return false };
        holder = next;
    }
    false
}

/// F_GETLK, F_SETLK, F_SETLKW and their OFD forms.
pub(super) fn control(k: &mut Kernel<'_>, file: usize, command: u32, argument: u64) -> SysResult {
    let task = k.current();
    k.lock_waits[task] = Lock::default();
    let mut request = read_flock(k, argument)?;
    let ofd = matches!(command, F_OFD_GETLK | F_OFD_SETLK | F_OFD_SETLKW);
    if ofd && request.pid != 0 {
        return Err(Errno::EINVAL.into());
    }
    let f = k.files[file];
    if f.node == 0 || !matches!(f.kind, kind::REGULAR | kind::DIRECTORY | kind::DEVICE) {
        return Err(Errno::EINVAL.into());
    }
    let (start, end) = range(k, file, &request)?;
    let wanted = Lock {
        node: f.node,
        style: if ofd { style::OFD } else { style::POSIX },
        owner: if ofd { file as u32 + 1 } else { k.processes[k.current_process()].fd_table + 1 },
        exclusive: u32::from(request.kind == F_WRLCK),
        start,
        end,
    };
    if !matches!(request.kind, F_RDLCK | F_WRLCK | F_UNLCK) {
        return Err(Errno::EINVAL.into());
    }
    if matches!(command, F_GETLK | F_OFD_GETLK) {
        if request.kind == F_UNLCK {
            return Err(Errno::EINVAL.into());
        }
        match conflict(k, &wanted) {
            None => request.kind = F_UNLCK,
            Some(lock) => {
                request.kind = if lock.exclusive != 0 { F_WRLCK } else { F_RDLCK };
                request.whence = 0;
                request.start = lock.start as i64;
                request.length =
                    if lock.end == u64::MAX { 0 } else { (lock.end - lock.start) as i64 };
                request.pid = match lock.style {
                    style::POSIX => {
                        let holder = |p: &&Process| p.state == 1 && p.fd_table + 1 == lock.owner;
                        k.processes.iter().find(holder).map_or(-1, |p| p.pid as i32)
                    }
                    _ => -1,
                };
            }
        }
        write_flock(k, argument, &request)?;
        return Ok(0);
    }
    match request.kind {
        F_RDLCK if !may_read(&f) => return Err(Errno::EBADF.into()),
        F_WRLCK if !may_write(&f) => return Err(Errno::EBADF.into()),
        F_UNLCK => {
            assign(k, &wanted, false)?;
            return Ok(0);
        }
        _ => {}
    }
    if let Some(holder) = conflict(k, &wanted) {
        if matches!(command, F_SETLK | F_OFD_SETLK) {
            return Err(Errno::EAGAIN.into());
        }
        if !ofd && would_deadlock(k, wanted.owner, &holder) {
            return Err(Errno::EDEADLK.into());
        }
        k.lock_waits[task] = wanted;
        return Err(Block::Sleep(Channel::Lock(f.node), None));
    }
    assign(k, &wanted, true)?;
    Ok(0)
}
