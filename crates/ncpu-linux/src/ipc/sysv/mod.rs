//! System V semaphores, message queues and shared memory (`sysvipc(7)`).
//!
//! An object of any of the three kinds is a record of one table. Its identifier is its index plus the
//! table's length times a number that changes when the record is used again, so that old identifiers
//! stay invalid.

pub mod message;
pub mod semaphore;
pub mod shared;

use crate::image::{Kernel, Record};
use crate::process::identity::capable;
use crate::{Channel, Errno};

/// Kinds of objects.
mod kind {
    pub(super) const SEMAPHORES: u32 = 1;
    pub(super) const MESSAGES: u32 = 2;
    pub(super) const MEMORY: u32 = 3;
}

const IPC_PRIVATE: i32 = 0;
const IPC_CREAT: u32 = 0o1000;
const IPC_EXCL: u32 = 0o2000;
const IPC_NOWAIT: u32 = 0o4000;
const IPC_RMID: i32 = 0;
const IPC_SET: i32 = 1;
const IPC_STAT: i32 = 2;

const READ: u32 = 0o444;
const WRITE: u32 = 0o222;

const CAP_SYS_ADMIN: u32 = 21;
const CAP_IPC_OWNER: u32 = 15;

/// A semaphore set, message queue or shared memory segment.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Object {
    /// One of the kinds, 0 when free.
    pub kind: u32,
    /// Key.
    pub key: i32,
    /// How often the record was used before.
    pub sequence: u32,
    /// Permission bits, and SHM_DEST.
    pub mode: u32,
    /// Owner: user and group.
    pub owner: [u32; 2],
    /// Who made it: user and group.
    pub creator: [u32; 2],
    /// Page of semaphore values, first message, or node of a segment.
    pub first: u32,
    /// Last message.
    pub last: u32,
    /// Semaphores, or messages.
    pub count: u32,
    /// Process that sent last, or made the segment.
    pub sender: u32,
    /// Process that received last, or attached or detached last.
    pub receiver: u32,
    /// Keeps the record free of padding.
    pub reserved: u32,
    /// Bytes of messages, or of the segment.
    pub bytes: u64,
    /// Most bytes of messages.
    pub limit: u64,
    /// Times in seconds: of the last operation, receipt or detachment, and change.
    pub times: [u64; 3],
}

// SAFETY: integers only.
unsafe impl Record for Object {}

fn id(k: &Kernel<'_>, index: usize) -> u64 {
    let number = u64::from(k.sysv_objects[index].sequence) * k.sysv_objects.len() as u64;
    (number + index as u64) & i32::MAX as u64
}

/// The object of a kind with this identifier; EINVAL.
fn lookup(k: &Kernel<'_>, kind: u32, number: i32) -> Result<usize, Errno> {
    let number = u64::try_from(number).map_err(|_| Errno::EINVAL)?;
    let index = (number % k.sysv_objects.len() as u64) as usize;
    let matches = k.sysv_objects[index].kind == kind && id(k, index) == number;
    if matches { Ok(index) } else { Err(Errno::EINVAL) }
}

/// As [`lookup`], in a call that may have slept: the object may be gone by now, which is EIDRM.
fn lookup_again(k: &mut Kernel<'_>, kind: u32, number: i32) -> Result<usize, Errno> {
    let task = k.current();
    let has_slept = core::mem::replace(&mut k.tasks[task].call_state[0], 1) != 0;
    lookup(k, kind, number).map_err(|errno| if has_slept { Errno::EIDRM } else { errno })
}

/// Checks rights (permission bits for anyone) of the caller; EACCES.
fn check(k: &Kernel<'_>, index: usize, wanted: u32) -> Result<(), Errno> {
    let o = &k.sysv_objects[index];
    let c = &k.processes[k.current_process()].credentials;
    let wanted = wanted >> 6 | wanted >> 3 | wanted;
    let count = (c.group_count as usize).min(c.groups.len());
    let is_member = |group: u32| c.gid[1] == group || c.groups[..count].contains(&group);
    let granted = if c.uid[1] == o.creator[0] || c.uid[1] == o.owner[0] {
        o.mode >> 6
    } else if is_member(o.creator[1]) || is_member(o.owner[1]) {
        o.mode >> 3
    } else {
        o.mode
    };
    if wanted & !granted & 7 != 0 && !capable(k, CAP_IPC_OWNER) {
        return Err(Errno::EACCES);
    }
    Ok(())
}

/// Checks that the caller may change or remove the object; EPERM.
fn check_owner(k: &Kernel<'_>, index: usize) -> Result<(), Errno> {
    let o = &k.sysv_objects[index];
    let user = k.processes[k.current_process()].credentials.uid[1];
    let is_owner = user == o.owner[0] || user == o.creator[0];
    if is_owner || capable(k, CAP_SYS_ADMIN) { Ok(()) } else { Err(Errno::EPERM) }
}

/// What semget, msgget and shmget have in common: the object with this key, or a fresh record for
/// the caller to complete (`true`).
fn get(k: &mut Kernel<'_>, kind: u32, key: i32, flags: u32) -> Result<(usize, bool), Errno> {
    if key != IPC_PRIVATE {
        let found = k.sysv_objects.iter().position(|o| o.kind == kind && o.key == key);
        if let Some(index) = found {
            if flags & (IPC_CREAT | IPC_EXCL) == IPC_CREAT | IPC_EXCL {
                return Err(Errno::EEXIST);
            }
            check(k, index, flags & 0o777)?;
            return Ok((index, false));
        }
        if flags & IPC_CREAT == 0 {
            return Err(Errno::ENOENT);
        }
    }
    let index = k.sysv_objects.iter().position(|o| o.kind == 0).ok_or(Errno::ENOSPC)?;
    let c = &k.processes[k.current_process()].credentials;
    let owner = [c.uid[1], c.gid[1]];
    let sequence = k.sysv_objects[index].sequence;
    let times = [0, 0, seconds(k)];
    k.sysv_objects[index] = Object {
        kind,
        key,
        sequence,
        mode: flags & 0o777,
        owner,
        creator: owner,
        times,
        ..Object::default()
    };
    Ok((index, true))
}

/// Frees a record; its identifier becomes invalid, and who waits for it learns that.
fn free(k: &mut Kernel<'_>, index: usize) {
    let sequence = k.sysv_objects[index].sequence.wrapping_add(1);
    k.sysv_objects[index] = Object { sequence, ..Object::default() };
    k.wake(Channel::SystemV(index as u32));
}

fn seconds(k: &Kernel<'_>) -> u64 {
    k.wall_time() / crate::abi::time::SECOND
}

/// Bytes of `struct ipc64_perm` (asm-generic `ipcbuf.h`).
const PERM: usize = 48;

/// `struct ipc64_perm` and the 64-bit fields that follow it, written to user memory.
fn write_status(
    k: &mut Kernel<'_>,
    address: u64,
    index: usize,
    fields: &[u64],
) -> Result<(), Errno> {
    let o = k.sysv_objects[index];
    let words = [
        o.key as u32,
        o.owner[0],
        o.owner[1],
        o.creator[0],
        o.creator[1],
        o.mode,
        o.sequence & 0xffff,
    ];
    let mut bytes = [0; 120];
    for (to, word) in bytes.chunks_exact_mut(4).zip(words) {
        to.copy_from_slice(&word.to_le_bytes());
    }
    for (to, field) in bytes[PERM..].chunks_exact_mut(8).zip(fields) {
        to.copy_from_slice(&field.to_le_bytes());
    }
    k.write_user(address, &bytes[..PERM + 8 * fields.len()])
}

/// IPC_SET: owner and permission bits from a status record.
fn set_status(k: &mut Kernel<'_>, address: u64, index: usize) -> Result<(), Errno> {
    let mut bytes = [0; PERM];
    k.read_user(address, &mut bytes)?;
    check_owner(k, index)?;
    let word =
        |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let now = seconds(k);
    let o = &mut k.sysv_objects[index];
    o.owner = [word(4), word(8)];
    o.mode = o.mode & !0o777 | word(20) & 0o777;
    o.times[2] = now;
    Ok(())
}

/// What the end of a process undoes and frees.
pub fn process_ends(k: &mut Kernel<'_>, process: usize) {
    semaphore::undo(k, process);
    shared::collect(k);
}
