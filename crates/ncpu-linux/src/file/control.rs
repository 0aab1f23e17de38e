//! fcntl(2), ioctl(2), and the calls about whole files that only check their arguments here.

use super::{dispatch, kind, lock, may_read, may_write, table};
use crate::abi::fcntl::*;
use crate::image::Kernel;
use crate::ipc::pipe;
use crate::vfs::inode::{self, Place};
use crate::vfs::{Node, inode_flags};
use crate::{Errno, SysResult};

/// What F_SETFL can change.
const SETTABLE: u32 = O_APPEND | O_NONBLOCK | O_ASYNC | O_DIRECT | O_NOATIME;
/// All F_SEAL_* bits.
const SEALS: u32 = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE;

/// `fcntl(2)`.
pub fn fcntl(k: &mut Kernel<'_>, fd: i32, command: u32, argument: u64) -> SysResult {
    let file = table::get(k, fd)?;
    let f = k.files[file];
    let is_path = f.kind == kind::PATH;
    if is_path && !matches!(command, F_DUPFD | F_DUPFD_CLOEXEC | F_GETFD | F_SETFD | F_GETFL) {
        return Err(Errno::EBADF.into());
    }
    match command {
        F_DUPFD | F_DUPFD_CLOEXEC => {
            let lowest = argument as u32;
            let limit = k.processes[k.current_process()].limits[7][0].min(1 << 20);
            if u64::from(lowest) >= limit {
                return Err(Errno::EINVAL.into());
            }
            table::duplicate(k, fd, lowest as i32, command == F_DUPFD_CLOEXEC)
        }
        F_GETFD => Ok(u64::from(table::closes_on_exec(k, fd)?)),
        F_SETFD => {
            table::set_close_on_exec(k, fd, argument & 1 != 0)?;
            Ok(0)
        }
        F_GETFL => Ok(u64::from(f.flags)),
        F_SETFL => {
            let argument = argument as u32;
            k.files[file].flags = f.flags & !SETTABLE | argument & SETTABLE;
            Ok(0)
        }
        F_GETLK | F_SETLK | F_SETLKW | F_OFD_GETLK | F_OFD_SETLK | F_OFD_SETLKW => {
            lock::control(k, file, command, argument)
        }
        F_SETOWN => {
            k.files[file].owner = argument as i32;
            Ok(0)
        }
        F_GETOWN => Ok(f.owner as i64 as u64),
        F_SETOWN_EX => {
            let [kind, id]: [i32; 2] = k.read_record(argument)?;
            k.files[file].owner = match kind {
                0 | 1 => id,
                2 => id.wrapping_neg(),
                _ => return Err(Errno::EINVAL.into()),
            };
            Ok(0)
        }
        F_GETOWN_EX => {
            let owner = if f.owner < 0 { [2, f.owner.wrapping_neg()] } else { [1, f.owner] };
            k.write_record(argument, &owner)?;
            Ok(0)
        }
        F_GETSIG => Ok(u64::from(f.signal)),
        F_SETSIG => {
            if argument > 64 {
                return Err(Errno::EINVAL.into());
            }
            k.files[file].signal = argument as u32;
            Ok(0)
        }
        F_SETPIPE_SZ | F_GETPIPE_SZ => {
            if !matches!(f.kind, kind::PIPE_READ | kind::PIPE_WRITE | kind::PIPE_BOTH) {
                return Err(Errno::EBADF.into());
            }
            if command == F_GETPIPE_SZ {
                Ok(pipe::capacity(k, file)?)
            } else {
                Ok(pipe::set_capacity(k, file, argument as u32)?)
            }
        }
        F_ADD_SEALS => add_seals(k, file, argument as u32),
        F_GET_SEALS => {
            let at = memfd_record(k, file)?;
            Ok(u64::from(k.inodes[at].seals))
        }
        F_GETLEASE => {
            const F_UNLCK: u64 = 2;
            Ok(F_UNLCK)
        }
        F_NOTIFY => {
            const DN_MULTISHOT: u64 = 0x8000_0000;
            // There is no dnotify, as in a Linux without CONFIG_DNOTIFY, but no events to ask for
            // takes away what there is.
            if argument & !DN_MULTISHOT == 0 { Ok(0) } else { Err(Errno::EINVAL.into()) }
        }
        _ => Err(Errno::EINVAL.into()),
    }
}

/// The record of a file made by memfd_create; EINVAL for others.
fn memfd_record(k: &Kernel<'_>, file: usize) -> Result<usize, Errno> {
    let at = inode::record(k, Node(k.files[file].node)).ok_or(Errno::EINVAL)?;
    let inode = &k.inodes[at];
    let is_memfd = inode.flags & inode_flags::SEALABLE != 0 || inode.seals != 0;
    if is_memfd { Ok(at) } else { Err(Errno::EINVAL) }
}

fn add_seals(k: &mut Kernel<'_>, file: usize, seals: u32) -> SysResult {
    if !may_write(&k.files[file]) {
        return Err(Errno::EPERM.into());
    }
    if seals & !SEALS != 0 {
        return Err(Errno::EINVAL.into());
    }
    let at = memfd_record(k, file)?;
    if k.inodes[at].seals & F_SEAL_SEAL != 0 {
        return Err(Errno::EPERM.into());
    }
    if seals & F_SEAL_WRITE != 0 && is_mapped_writable(k, Node(k.files[file].node)) {
        return Err(Errno::EBUSY.into());
    }
    k.inodes[at].seals |= seals;
    Ok(0)
}

/// Whether any mapping is shared and writable.
fn is_mapped_writable(k: &Kernel<'_>, node: Node) -> bool {
    const PROT_WRITE: u64 = 2;
    k.vmas.iter().any(|vma| {
        vma.end != 0
            && vma.node == node.0
            && vma.flags & PROT_WRITE != 0
            && vma.flags & crate::mm::flag::SHARED != 0
    })
}

/// ioctl(2) requests that are the same for all kinds.
mod request {
    pub(super) const FIOCLEX: u32 = 0x5451;
    pub(super) const FIONCLEX: u32 = 0x5450;
    pub(super) const FIONBIO: u32 = 0x5421;
    pub(super) const FIOASYNC: u32 = 0x5452;
    pub(super) const FIGETBSZ: u32 = 2;
    pub(super) const FICLONE: u32 = 0x4004_9409;
}

/// `ioctl(2)`.
pub fn ioctl(k: &mut Kernel<'_>, fd: i32, request: u32, argument: u64) -> SysResult {
    let file = table::get_usable(k, fd)?;
    match request {
        request::FIOCLEX | request::FIONCLEX => {
            table::set_close_on_exec(k, fd, request == request::FIOCLEX)?;
            Ok(0)
        }
        request::FIONBIO | request::FIOASYNC => {
            let on: u32 = k.read_record(argument)?;
            let flag = if request == request::FIONBIO { O_NONBLOCK } else { O_ASYNC };
            let flags = &mut k.files[file].flags;
            *flags = if on != 0 { *flags | flag } else { *flags & !flag };
            Ok(0)
        }
        request::FIGETBSZ if k.files[file].node != 0 => {
            k.write_record(argument, &4096u32)?;
            Ok(0)
        }
        request::FICLONE => Err(Errno::EOPNOTSUPP.into()),
        _ => dispatch::ioctl(k, file, request, argument),
    }
}

/// Whether the kind of file has contents that could be synchronised.
fn is_stored(k: &Kernel<'_>, file: usize) -> bool {
    matches!(k.files[file].kind, kind::REGULAR | kind::DIRECTORY)
}

/// `fsync(2)` and `fdatasync(2)`: what is written is as durable as the machine.
pub fn fsync(k: &mut Kernel<'_>, fd: i32) -> SysResult {
    let file = table::get_usable(k, fd)?;
    if is_stored(k, file) { Ok(0) } else { Err(Errno::EINVAL.into()) }
}

/// `sync(2)`.
pub fn sync(k: &mut Kernel<'_>) -> SysResult {
    let _ = k;
    Ok(0)
}

/// `syncfs(2)`.
pub fn syncfs(k: &mut Kernel<'_>, fd: i32) -> SysResult {
    table::get_usable(k, fd)?;
    Ok(0)
}

/// `sync_file_range(2)`.
pub fn sync_file_range(
    k: &mut Kernel<'_>,
    fd: i32,
    offset: i64,
    length: i64,
    flags: u32,
) -> SysResult {
    let file = table::get_usable(k, fd)?;
    if flags & !7 != 0 || offset < 0 || length < 0 || offset.checked_add(length).is_none() {
        return Err(Errno::EINVAL.into());
    }
    if is_stored(k, file) { Ok(0) } else { Err(Errno::ESPIPE.into()) }
}

/// `posix_fadvise(2)`: advice is checked and has no effect.
pub fn fadvise64(k: &mut Kernel<'_>, fd: i32, offset: i64, length: i64, advice: u32) -> SysResult {
    let _ = offset;
    let file = table::get_usable(k, fd)?;
    match k.files[file].kind {
        kind::PIPE_READ | kind::PIPE_WRITE | kind::PIPE_BOTH => Err(Errno::ESPIPE.into()),
        _ if length < 0 || advice > 5 => Err(Errno::EINVAL.into()),
        _ => Ok(0),
    }
}

/// `readahead(2)`: everything is in memory already.
pub fn readahead(k: &mut Kernel<'_>, fd: i32, offset: i64, count: u64) -> SysResult {
    let _ = (offset, count);
    let file = table::get_usable(k, fd)?;
    let f = k.files[file];
    if !may_read(&f) {
        return Err(Errno::EBADF.into());
    }
    let readable = f.kind == kind::REGULAR && !matches!(Node(f.node).place(), Place::Proc);
    if readable { Ok(0) } else { Err(Errno::EINVAL.into()) }
}
