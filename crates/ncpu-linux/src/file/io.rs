//! Reading, writing and seeking.

use super::{File, dispatch, kind, may_read, may_write, table};
use crate::abi::fcntl::{F_SEAL_FUTURE_WRITE, F_SEAL_GROW, F_SEAL_WRITE, O_APPEND};
use crate::image::Kernel;
use crate::signal::{self, Info};
use crate::user::{Dest, Source};
use crate::vfs::inode::{self, Place};
use crate::vfs::{self, Node, data, proc};
use crate::{Block, Errno, SysResult};

/// Most bytes that one call transfers (MAX_RW_COUNT).
pub(super) const MAX_COUNT: u64 = 0x7fff_f000;
/// RLIMIT_FSIZE's index in the limits of a process.
const RLIMIT_FSIZE: usize = 1;
/// Most pieces of a vectored transfer (IOV_MAX).
const IOV_MAX: u64 = 1024;
/// IN_ACCESS and IN_MODIFY.
pub(super) const EVENT_ACCESS: u32 = 1;
const EVENT_MODIFY: u32 = 2;

/// Checks the new size of a file against the process's limit: EFBIG, with SIGXFSZ.
pub(crate) fn check_size(k: &mut Kernel<'_>, size: u64) -> Result<(), Errno> {
    let limit = k.processes[k.current_process()].limits[RLIMIT_FSIZE][0];
    if size <= limit { Ok(()) } else { Err(too_big(k)) }
}

fn too_big(k: &mut Kernel<'_>) -> Errno {
    const SIGXFSZ: u32 = 25;
    let task = k.current();
    signal::send_task(k, task, Info { signal: SIGXFSZ, ..Info::default() });
    Errno::EFBIG
}

/// Reads a regular file at its position, which moves, or at `position`.
pub(super) fn read_regular(
    k: &mut Kernel<'_>,
    file: usize,
    to: &mut Dest<'_>,
    position: Option<u64>,
) -> SysResult {
    let offset = position.unwrap_or(k.files[file].offset);
    let node = Node(k.files[file].node);
    let count = match node.place() {
        Place::Proc => proc::read(k, file, offset, to)?,
        _ => data::read(k, node, offset, to)?,
    };
    if position.is_none() {
        k.files[file].offset = offset + count;
    }
    if count != 0 {
        vfs::open::event(k, node, EVENT_ACCESS);
    }
    Ok(count)
}

/// Writes a regular file at its position, which moves, at `position`, or at its end (O_APPEND).
pub(super) fn write_regular(
    k: &mut Kernel<'_>,
    file: usize,
    from: &mut Source<'_>,
    position: Option<u64>,
) -> SysResult {
    let f = k.files[file];
    let node = Node(f.node);
    if let Place::Proc = node.place() {
        let offset = position.unwrap_or(f.offset);
        let count = proc::write(k, node, offset, from)?;
        if position.is_none() {
            k.files[file].offset = offset + count;
        }
        return Ok(count);
    }
    vfs::mount::writable(k, node)?;
    let size = match inode::view(k, node) {
        Some(inode) => inode.size,
        None => vfs::status(k, node)?.size,
    };
    let offset = if f.flags & O_APPEND != 0 { size } else { position.unwrap_or(f.offset) };
    let wanted = from.left();
    if wanted == 0 {
        return Ok(0);
    }
    if let Some(at) = inode::record(k, node) {
        let seals = k.inodes[at].seals;
        let grows = offset.saturating_add(wanted) > size;
        if seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE) != 0 || seals & F_SEAL_GROW != 0 && grows {
            return Err(Errno::EPERM.into());
        }
    }
    let limit = k.processes[k.current_process()].limits[RLIMIT_FSIZE][0];
    if offset >= limit {
        return Err(too_big(k).into());
    }
    let room = (i64::MAX as u64).saturating_sub(offset).min(limit - offset);
    if room == 0 {
        return Err(Errno::EFBIG.into());
    }
    let count = if wanted > room {
        // Up to the limit; what is behind it stays in the source.
        let mut front = match from {
            Source::User(address, _) => Source::User(*address, room),
            Source::Kernel(bytes) => Source::Kernel(&bytes[..room as usize]),
        };
        data::write(k, node, offset, &mut front)?
    } else {
        data::write(k, node, offset, from)?
    };
    if position.is_none() {
        k.files[file].offset = offset + count;
    }
    vfs::open::event(k, node, EVENT_MODIFY);
    Ok(count)
}

/// ioctl(2) of regular files: FIONREAD is what is left to read.
pub(super) fn ioctl(k: &mut Kernel<'_>, file: usize, request: u32, argument: u64) -> SysResult {
    const FIONREAD: u32 = 0x541b;
    if request != FIONREAD {
        return Err(Errno::ENOTTY.into());
    }
    let f = k.files[file];
    let size = vfs::status(k, Node(f.node))?.size;
    k.write_record(argument, &(size.wrapping_sub(f.offset) as u32))?;
    Ok(0)
}

/// The last reference to an open regular file is gone.
pub(super) fn close_regular(k: &mut Kernel<'_>, file: usize) {
    if let Place::Proc = Node(k.files[file].node).place() {
        proc::close(k, file);
    }
}

/// Whether the kind of file has positions.
fn has_positions(f: &File) -> bool {
    matches!(f.kind, kind::REGULAR | kind::DIRECTORY | kind::DEVICE)
}

fn reader(k: &Kernel<'_>, fd: i32) -> Result<usize, Errno> {
    let file = table::get_usable(k, fd)?;
    if may_read(&k.files[file]) { Ok(file) } else { Err(Errno::EBADF) }
}

fn writer(k: &Kernel<'_>, fd: i32) -> Result<usize, Errno> {
    let file = table::get_usable(k, fd)?;
    if may_write(&k.files[file]) { Ok(file) } else { Err(Errno::EBADF) }
}

fn checked_position(k: &Kernel<'_>, file: usize, position: i64) -> Result<u64, Errno> {
    let position = u64::try_from(position).map_err(|_| Errno::EINVAL)?;
    if has_positions(&k.files[file]) { Ok(position) } else { Err(Errno::ESPIPE) }
}

/// Checks a buffer as `access_ok` does, EFAULT, and gives how much of it one call transfers.
fn checked_buffer(address: u64, count: u64) -> Result<u64, Errno> {
    let start = address & ((1 << 56) - 1);
    let end = start.checked_add(count).ok_or(Errno::EFAULT)?;
    if end > ncpu_machine::mem::walk::USER_END {
        return Err(Errno::EFAULT);
    }
    Ok(count.min(MAX_COUNT))
}

/// `read(2)`.
pub fn read(k: &mut Kernel<'_>, fd: i32, buffer: u64, count: u64) -> SysResult {
    let file = reader(k, fd)?;
    let count = checked_buffer(buffer, count)?;
    dispatch::read(k, file, &mut Dest::User(buffer, count), None)
}

/// `pread64(2)`.
pub fn pread64(k: &mut Kernel<'_>, fd: i32, buffer: u64, count: u64, position: i64) -> SysResult {
    if position < 0 {
        return Err(Errno::EINVAL.into());
    }
    let file = reader(k, fd)?;
    let position = checked_position(k, file, position)?;
    let count = checked_buffer(buffer, count)?;
    dispatch::read(k, file, &mut Dest::User(buffer, count), Some(position))
}

/// Writes one piece, going on behind what an earlier try of the call has written.
fn write_piece(
    k: &mut Kernel<'_>,
    file: usize,
    buffer: u64,
    count: u64,
    position: Option<u64>,
) -> SysResult {
    let task = k.current();
    let written = k.tasks[task].call_progress.min(count);
    let mut source = Source::User(buffer.wrapping_add(written), count - written);
    if written != 0 && written == count {
        return Ok(written);
    }
    dispatch::write(k, file, &mut source, position).map(|count| count + written)
}

/// `write(2)`.
pub fn write(k: &mut Kernel<'_>, fd: i32, buffer: u64, count: u64) -> SysResult {
    let file = writer(k, fd)?;
    let count = checked_buffer(buffer, count)?;
    write_piece(k, file, buffer, count, None)
}

/// `pwrite64(2)`.
pub fn pwrite64(k: &mut Kernel<'_>, fd: i32, buffer: u64, count: u64, position: i64) -> SysResult {
    if position < 0 {
        return Err(Errno::EINVAL.into());
    }
    let file = writer(k, fd)?;
    let position = checked_position(k, file, position)?;
    let count = checked_buffer(buffer, count)?;
    write_piece(k, file, buffer, count, Some(position))
}

/// Checks a vector of pieces and gives the sum of their lengths.
fn check_vector(k: &mut Kernel<'_>, vector: u64, pieces: u64) -> Result<u64, Errno> {
    if pieces > IOV_MAX {
        return Err(Errno::EINVAL);
    }
    let mut total = 0u64;
    for index in 0..pieces {
        let [base, length]: [u64; 2] = k.read_record(vector.wrapping_add(16 * index))?;
        if (length as i64) < 0 {
            return Err(Errno::EINVAL);
        }
        checked_buffer(base, length)?;
        total = (total + length).min(MAX_COUNT);
    }
    Ok(total)
}

/// Reads piece after piece, until one is not filled.
fn read_vector(
    k: &mut Kernel<'_>,
    file: usize,
    vector: u64,
    pieces: u64,
    position: Option<u64>,
) -> SysResult {
    let total = check_vector(k, vector, pieces)?;
    if k.files[file].kind == kind::SOCKET {
        return crate::net::readv(k, file, vector, pieces);
    }
    let mut done = 0;
    for index in 0..pieces {
        let [base, length]: [u64; 2] = k.read_record(vector.wrapping_add(16 * index))?;
        let length = length.min(total - done);
        if length == 0 {
            continue;
        }
        let at = position.map(|position| position.saturating_add(done));
        match dispatch::read(k, file, &mut Dest::User(base, length), at) {
            Ok(count) => {
                done += count;
                if count < length {
                    break;
                }
            }
            Err(_) if done != 0 => break,
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Writes piece after piece. When the call has to wait, the pieces written so far are in
/// `call_progress`, and skipped when it runs again.
fn write_vector(
    k: &mut Kernel<'_>,
    file: usize,
    vector: u64,
    pieces: u64,
    position: Option<u64>,
) -> SysResult {
    let total = check_vector(k, vector, pieces)?;
    if k.files[file].kind == kind::SOCKET {
        return crate::net::writev(k, file, vector, pieces);
    }
    let task = k.current();
    let before = k.tasks[task].call_progress;
    let (mut seen, mut done) = (0u64, before);
    for index in 0..pieces {
        let [base, length]: [u64; 2] = k.read_record(vector.wrapping_add(16 * index))?;
        let length = length.min(total - seen);
        let skip = before.saturating_sub(seen).min(length);
        seen += length;
        if skip == length {
            continue;
        }
        let at = position.map(|position| position.saturating_add(done));
        let mut source = Source::User(base.wrapping_add(skip), length - skip);
        match dispatch::write(k, file, &mut source, at) {
            Ok(count) => {
                done += count;
                if count < length - skip {
                    break;
                }
            }
            Err(error @ (Block::Sleep(..) | Block::SleepOnce(..))) => {
                // The kind has added what it wrote of this piece.
                k.tasks[task].call_progress += done - before;
                return Err(error);
            }
            Err(_) if done != 0 => break,
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// `readv(2)`.
pub fn readv(k: &mut Kernel<'_>, fd: i32, vector: u64, pieces: u64) -> SysResult {
    let file = reader(k, fd)?;
    read_vector(k, file, vector, pieces, None)
}

/// `writev(2)`.
pub fn writev(k: &mut Kernel<'_>, fd: i32, vector: u64, pieces: u64) -> SysResult {
    let file = writer(k, fd)?;
    write_vector(k, file, vector, pieces, None)
}

/// `preadv(2)`; the position comes in the low half, which holds all 64 bits here.
pub fn preadv(k: &mut Kernel<'_>, fd: i32, vector: u64, pieces: u64, position: i64) -> SysResult {
    if position < 0 {
        return Err(Errno::EINVAL.into());
    }
    let file = reader(k, fd)?;
    let position = checked_position(k, file, position)?;
    read_vector(k, file, vector, pieces, Some(position))
}

/// `pwritev(2)`.
pub fn pwritev(k: &mut Kernel<'_>, fd: i32, vector: u64, pieces: u64, position: i64) -> SysResult {
    if position < 0 {
        return Err(Errno::EINVAL.into());
    }
    let file = writer(k, fd)?;
    let position = checked_position(k, file, position)?;
    write_vector(k, file, vector, pieces, Some(position))
}

/// RWF_HIPRI, RWF_DSYNC, RWF_SYNC: nothing is slower or less durable here than with them.
const RWF_HINTS: u32 = 7;
/// RWF_NOWAIT.
const RWF_NOWAIT: u32 = 8;
/// RWF_APPEND.
const RWF_APPEND: u32 = 16;

/// `preadv2(2)`: position -1 is the file's own.
pub fn preadv2(
    k: &mut Kernel<'_>,
    fd: i32,
    vector: u64,
    pieces: u64,
    position: i64,
    high: u64,
    flags: u32,
) -> SysResult {
    let _ = high;
    let file = reader(k, fd)?;
    let position = match position {
        -1 => None,
        position => Some(checked_position(k, file, position)?),
    };
    if flags & !(RWF_HINTS | RWF_NOWAIT) != 0 {
        return Err(Errno::EOPNOTSUPP.into());
    }
    let result = read_vector(k, file, vector, pieces, position);
    match result {
        Err(Block::Sleep(..) | Block::SleepOnce(..)) if flags & RWF_NOWAIT != 0 => {
            Err(Errno::EAGAIN.into())
        }
        result => result,
    }
}

/// `pwritev2(2)`.
pub fn pwritev2(
    k: &mut Kernel<'_>,
    fd: i32,
    vector: u64,
    pieces: u64,
    position: i64,
    high: u64,
    flags: u32,
) -> SysResult {
    let _ = high;
    let file = writer(k, fd)?;
    let mut position = match position {
        -1 => None,
        position => Some(checked_position(k, file, position)?),
    };
    if flags & !(RWF_HINTS | RWF_APPEND) != 0 {
        return Err(Errno::EOPNOTSUPP.into());
    }
    if flags & RWF_APPEND != 0 && k.files[file].kind == kind::REGULAR {
        position = Some(vfs::status(k, Node(k.files[file].node))?.size);
    }
    write_vector(k, file, vector, pieces, position)
}

/// `lseek(2)`.
pub fn lseek(k: &mut Kernel<'_>, fd: i32, offset: i64, whence: u32) -> SysResult {
    const SET: u32 = 0;
    const CUR: u32 = 1;
    const END: u32 = 2;
    const DATA: u32 = 3;
    const HOLE: u32 = 4;
    let file = table::get_usable(k, fd)?;
    let f = k.files[file];
    if !has_positions(&f) {
        return Err(Errno::ESPIPE.into());
    }
    if whence > HOLE {
        return Err(Errno::EINVAL.into());
    }
    if f.kind == kind::DEVICE {
        // null(4), zero(4): every position is the start.
        return Ok(0);
    }
    let node = Node(f.node);
    let position = match whence {
        SET => offset,
        CUR => (f.offset as i64).checked_add(offset).ok_or(Errno::EOVERFLOW)?,
        END if f.kind == kind::DIRECTORY => return Err(Errno::EINVAL.into()),
        END => {
            let size = vfs::status(k, node)?.size as i64;
            size.checked_add(offset).ok_or(Errno::EOVERFLOW)?
        }
        DATA | HOLE if f.kind == kind::DIRECTORY => return Err(Errno::EINVAL.into()),
        _ => {
            let offset = u64::try_from(offset).map_err(|_| Errno::ENXIO)?;
            match node.place() {
                Place::Proc | Place::Host(_) => {
                    let size = vfs::status(k, node)?.size;
                    if offset >= size {
                        return Err(Errno::ENXIO.into());
                    }
                    (if whence == DATA { offset } else { size }) as i64
                }
                _ => data::seek(k, node, offset, whence == HOLE)? as i64,
            }
        }
    };
    let position = u64::try_from(position).map_err(|_| Errno::EINVAL)?;
    k.files[file].offset = position;
    Ok(position)
}
