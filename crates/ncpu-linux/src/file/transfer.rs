//! Transfers from file to file: sendfile(2), copy_file_range(2), splice(2), tee(2), vmsplice(2).
//!
//! Bytes go through a kernel buffer. Data taken from a pipe cannot be put back, so a splice out of a
//! pipe takes only what its destination accepts at once.

use super::{dispatch, io, kind, may_read, may_write, table};
use crate::abi::fcntl::{O_APPEND, O_NONBLOCK};
use crate::image::Kernel;
use crate::ipc::pipe;
use crate::scratch::{PageScratch, zeroed};
use crate::user::{Dest, Source};
use crate::vfs::{self, Node};
use crate::{Block, Channel, Errno, SysResult};

/// Bytes moved at a time.
const CHUNK: usize = 4096;
/// EPOLLOUT.
const WRITABLE: u32 = 4;
/// EPOLLERR.
const ERROR: u32 = 8;

fn is_pipe(k: &Kernel<'_>, file: usize) -> bool {
    matches!(k.files[file].kind, kind::PIPE_READ | kind::PIPE_WRITE | kind::PIPE_BOTH)
}

/// An offset in user memory that a call reads and moves on.
fn offset_at(k: &mut Kernel<'_>, address: u64) -> Result<Option<u64>, Errno> {
    if address == 0 {
        return Ok(None);
    }
    let offset: i64 = k.read_record(address)?;
    u64::try_from(offset).map(Some).map_err(|_| Errno::EINVAL)
}

/// Moves up to `count` bytes. Stops at the end of the input, when either side would wait after
/// something was moved, or when the output takes less than it is given (and the input's position
/// goes back to what was written, where it has one).
fn copy(
    k: &mut Kernel<'_>,
    from: usize,
    mut from_at: Option<u64>,
    to: usize,
    mut to_at: Option<u64>,
    count: u64,
) -> SysResult {
    let mut scratch = PageScratch::uninit();
    let buffer = zeroed(&mut scratch);
    let mut done = 0u64;
    let seekable = k.files[from].kind == kind::REGULAR;
    let task = k.current();
    while done < count {
        let mut wanted = (count - done).min(CHUNK as u64) as usize;
        let start = from_at.unwrap_or(k.files[from].offset);
        if !seekable && k.files[to].kind != kind::REGULAR {
            // Only as much as is certain to be accepted.
            match room(k, to) {
                0 if done == 0 => {
                    // Let the destination say how it waits, by writing nothing to it.
                    return wait_for_room(k, to);
                }
                0 => break,
                room => wanted = wanted.min(room as usize),
            }
        }
        let read = dispatch::read(k, from, &mut Dest::Kernel(&mut buffer[..wanted], 0), from_at);
        let length = match read {
            Ok(0) => break,
            Ok(length) => length,
            Err(_) if done != 0 => break,
            Err(error) => return Err(error),
        };
        let bytes = &buffer[..length as usize];
        let result = dispatch::write(k, to, &mut Source::Kernel(bytes), to_at);
        let (written, end) = match result {
            Ok(written) => (written, written < length),
            Err(error @ (Block::Sleep(..) | Block::SleepOnce(..))) => {
                // What the destination took of this piece counts as moved, and the rest is read
                // again.
                let partial = core::mem::take(&mut k.tasks[task].call_progress);
                if partial == 0 && done == 0 {
                    rewind(k, from, from_at, start, seekable);
                    return Err(error);
                }
                (partial, true)
            }
            Err(error) if done == 0 => {
                rewind(k, from, from_at, start, seekable);
                return Err(error);
            }
            Err(_) => (0, true),
        };
        done += written;
        from_at = from_at.map(|at| at + written);
        to_at = to_at.map(|at| at + written);
        if end {
            rewind(k, from, from_at, start + written, seekable);
            break;
        }
    }
    Ok(done)
}

fn rewind(k: &mut Kernel<'_>, file: usize, at: Option<u64>, position: u64, seekable: bool) {
    if seekable && at.is_none() {
        k.files[file].offset = position;
    }
}

/// Bytes that a file accepts without waiting; a pipe says how many, others at least one piece when
/// they are ready.
fn room(k: &mut Kernel<'_>, file: usize) -> u64 {
    if is_pipe(k, file) {
        return pipe::room(k, file);
    }
    if dispatch::poll(k, file) & WRITABLE != 0 { CHUNK as u64 } else { 0 }
}

fn wait_for_room(k: &mut Kernel<'_>, file: usize) -> SysResult {
    if k.files[file].flags & O_NONBLOCK != 0 {
        return Err(Errno::EAGAIN.into());
    }
    if !is_pipe(k, file) {
        return Err(Block::Sleep(Channel::Any, None));
    }
    if dispatch::poll(k, file) & ERROR != 0 {
        // Nobody reads any more: the pipe says so itself (EPIPE, SIGPIPE).
        return dispatch::write(k, file, &mut Source::Kernel(&[0]), None);
    }
    Err(Block::Sleep(Channel::Pipe(k.files[file].object), None))
}

/// `sendfile(2)`.
pub fn sendfile(k: &mut Kernel<'_>, out: i32, input: i32, offset: u64, count: u64) -> SysResult {
    let start = offset_at(k, offset)?;
    let from = table::get_usable(k, input)?;
    let to = table::get_usable(k, out)?;
    if !may_read(&k.files[from]) || !may_write(&k.files[to]) {
        return Err(Errno::EBADF.into());
    }
    if !matches!(k.files[from].kind, kind::REGULAR | kind::DEVICE) {
        let errno = if start.is_some() { Errno::ESPIPE } else { Errno::EINVAL };
        return Err(errno.into());
    }
    if k.files[to].kind == kind::REGULAR && k.files[to].flags & O_APPEND != 0 {
        return Err(Errno::EINVAL.into());
    }
    let done = copy(k, from, start, to, None, count.min(io::MAX_COUNT))?;
    if let Some(start) = start {
        k.write_record(offset, &(start + done))?;
    }
    Ok(done)
}

/// `copy_file_range(2)`.
pub fn copy_file_range(
    k: &mut Kernel<'_>,
    input: i32,
    in_offset: u64,
    out: i32,
    out_offset: u64,
    count: u64,
    flags: u32,
) -> SysResult {
    let from = table::get_usable(k, input)?;
    let to = table::get_usable(k, out)?;
    let from_at = offset_at(k, in_offset)?;
    let to_at = offset_at(k, out_offset)?;
    if flags != 0 {
        return Err(Errno::EINVAL.into());
    }
    let (f, t) = (k.files[from], k.files[to]);
    if f.kind == kind::DIRECTORY || t.kind == kind::DIRECTORY {
        return Err(Errno::EISDIR.into());
    }
    if f.kind != kind::REGULAR || t.kind != kind::REGULAR {
        return Err(Errno::EINVAL.into());
    }
    if !may_read(&f) || !may_write(&t) || t.flags & O_APPEND != 0 {
        return Err(Errno::EBADF.into());
    }
    let start = from_at.unwrap_or(f.offset);
    let target = to_at.unwrap_or(t.offset);
    let size = vfs::status(k, Node(f.node))?.size;
    let count = count.min(io::MAX_COUNT).min(size.saturating_sub(start));
    if f.node == t.node && start < target.saturating_add(count) && target < start + count {
        return Err(Errno::EINVAL.into());
    }
    let done = copy(k, from, from_at, to, to_at, count)?;
    if from_at.is_some() {
        k.write_record(in_offset, &(start + done))?;
    }
    if to_at.is_some() {
        k.write_record(out_offset, &(target + done))?;
    }
    Ok(done)
}

/// SPLICE_F_MOVE, _NONBLOCK, _MORE, _GIFT.
const SPLICE_FLAGS: u32 = 15;
const SPLICE_NONBLOCK: u32 = 2;

/// `splice(2)`.
pub fn splice(
    k: &mut Kernel<'_>,
    input: i32,
    in_offset: u64,
    out: i32,
    out_offset: u64,
    count: u64,
    flags: u32,
) -> SysResult {
    if count == 0 {
        return Ok(0);
    }
    if flags & !SPLICE_FLAGS != 0 {
        return Err(Errno::EINVAL.into());
    }
    let from = table::get_usable(k, input)?;
    let to = table::get_usable(k, out)?;
    if !may_read(&k.files[from]) || !may_write(&k.files[to]) {
        return Err(Errno::EBADF.into());
    }
    let (in_pipe, out_pipe) = (is_pipe(k, from), is_pipe(k, to));
    if in_pipe && in_offset != 0 || out_pipe && out_offset != 0 {
        return Err(Errno::ESPIPE.into());
    }
    let same = in_pipe && out_pipe && k.files[from].object == k.files[to].object;
    let append = !out_pipe && k.files[to].flags & O_APPEND != 0;
    if !in_pipe && !out_pipe || same || append {
        return Err(Errno::EINVAL.into());
    }
    let from_at = offset_at(k, in_offset)?;
    let to_at = offset_at(k, out_offset)?;
    let from_file = k.files[from];
    let positioned = |f: &super::File| matches!(f.kind, kind::REGULAR | kind::DEVICE);
    if from_at.is_some() && !positioned(&from_file) || to_at.is_some() && !positioned(&k.files[to])
    {
        return Err(Errno::ESPIPE.into());
    }
    let count = count.min(io::MAX_COUNT);
    let result = copy(k, from, from_at, to, to_at, count);
    let done = match result {
        Err(Block::Sleep(..) | Block::SleepOnce(..)) if flags & SPLICE_NONBLOCK != 0 => {
            return Err(Errno::EAGAIN.into());
        }
        result => result?,
    };
    if let Some(start) = from_at {
        k.write_record(in_offset, &(start + done))?;
    }
    if let Some(start) = to_at {
        k.write_record(out_offset, &(start + done))?;
    }
    Ok(done)
}

/// `tee(2)`.
pub fn tee(k: &mut Kernel<'_>, input: i32, out: i32, count: u64, flags: u32) -> SysResult {
    if flags & !SPLICE_FLAGS != 0 {
        return Err(Errno::EINVAL.into());
    }
    if count == 0 {
        return Ok(0);
    }
    let from = table::get_usable(k, input)?;
    let to = table::get_usable(k, out)?;
    if !may_read(&k.files[from]) || !may_write(&k.files[to]) {
        return Err(Errno::EBADF.into());
    }
    let pipes = is_pipe(k, from) && is_pipe(k, to);
    if !pipes || k.files[from].object == k.files[to].object {
        return Err(Errno::EINVAL.into());
    }
    let mut scratch = PageScratch::uninit();
    let buffer = zeroed(&mut scratch);
    let mut done = 0u64;
    while done < count {
        let wanted = (count - done).min(CHUNK as u64).min(pipe::room(k, to)) as usize;
        let length = pipe::peek(k, from, done, &mut buffer[..wanted]);
        if length == 0 {
            break;
        }
        match dispatch::write(k, to, &mut Source::Kernel(&buffer[..length]), None) {
            Ok(written) => {
                done += written;
                if written < length as u64 {
                    break;
                }
            }
            Err(_) if done != 0 => break,
            Err(error) => return Err(error),
        }
    }
    if done != 0 {
        return Ok(done);
    }
    let result = if pipe::unread(k, from) == 0 {
        // Waits, or finds the end, as a read would.
        dispatch::read(k, from, &mut Dest::Kernel(&mut buffer[..1], 0), None)
    } else {
        wait_for_room(k, to)
    };
    match result {
        Err(Block::Sleep(..)) if flags & SPLICE_NONBLOCK != 0 => Err(Errno::EAGAIN.into()),
        result => result,
    }
}

/// `vmsplice(2)`: pages are copied, as a pipe may do with them at any time.
pub fn vmsplice(k: &mut Kernel<'_>, fd: i32, vector: u64, pieces: u64, flags: u32) -> SysResult {
    if flags & !SPLICE_FLAGS != 0 {
        return Err(Errno::EINVAL.into());
    }
    let file = table::get_usable(k, fd)?;
    if !is_pipe(k, file) {
        return Err(Errno::EBADF.into());
    }
    let result = if may_write(&k.files[file]) {
        io::writev(k, fd, vector, pieces)
    } else {
        io::readv(k, fd, vector, pieces)
    };
    match result {
        Err(Block::Sleep(..)) if flags & SPLICE_NONBLOCK != 0 => Err(Errno::EAGAIN.into()),
        result => result,
    }
}
