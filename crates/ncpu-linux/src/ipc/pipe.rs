//! Pipes and open FIFOs (`pipe(7)`).
//!
//! A pipe is a ring of slots, each a physical page with the range of it that holds unread bytes.
//! The ring itself is a physical page of 512 words, so that the capacity is only a limit on how many
//! slots may be in use and can change at any time. As in Linux, a write starts a new page unless
//! its odd bytes fit behind the last one; a write of up to [`PIPE_BUF`] bytes therefore lies in one
//! slot and is atomic.

use super::fifo::{self, READER, WRITER, has_opener};
use super::new_file;
use crate::abi::fcntl::{O_CLOEXEC, O_DIRECT, O_EXCL, O_NONBLOCK, O_WRONLY};
use crate::abi::poll::{EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDNORM, EPOLLWRNORM};
use crate::abi::termios::FIONREAD;
use crate::file::{self, kind};
use crate::image::{Kernel, Record};
use crate::scratch::{PageScratch, zeroed};
use crate::signal::{self, Info};
use crate::user::{Dest, Source};
use crate::{Block, Channel, Errno, SysResult};
use ncpu_machine::{PAGE_SIZE, Ppn};

pub use super::fifo::open_fifo;

/// Writes of at most this many bytes are atomic.
pub const PIPE_BUF: usize = PAGE_SIZE;
/// Slots of a new pipe (64 KiB).
const DEFAULT_SLOTS: u32 = 16;
/// Most slots, `/proc/sys/fs/pipe-max-size` (1 MiB).
const MAX_SLOTS: u32 = 256;
/// Words of the ring page.
const RING: u32 = 512;

/// A pipe or an open FIFO.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Pipe {
    /// 1 when in use.
    pub used: u32,
    /// Node of a FIFO, 0 for a pipe.
    pub node: u32,
    /// Open files that can read.
    pub readers: u32,
    /// Open files that can write.
    pub writers: u32,
    /// Page of the slots.
    pub ring: u32,
    /// Slots that may be in use at once.
    pub slots: u32,
    /// Slots ever filled.
    pub filled: u32,
    /// Slots ever emptied.
    pub emptied: u32,
    /// Times that it was opened for writing.
    pub writer_opens: u32,
    /// `writer_opens` + 1 when a reader opened it without a writer and without waiting: the missing
    /// writer is no hang-up until one has come.
    pub quiet: u32,
    /// Changes that can make it readable, and writable, again: for edge-triggered epoll.
    pub activity: [u32; 2],
}

// SAFETY: integers only.
unsafe impl Record for Pipe {}

impl Pipe {
    const fn in_use(&self) -> u32 {
        self.filled.wrapping_sub(self.emptied)
    }
}

/// Unread bytes in one page.
#[derive(Clone, Copy)]
struct Slot {
    page: Ppn,
    start: usize,
    len: usize,
    /// Written with O_DIRECT: one read gets it, whole or cut.
    packet: bool,
}

impl Slot {
    const PACKET: u64 = 1 << 63;

    fn decode(word: u64) -> Slot {
        Slot {
            page: Ppn(word as u32),
            start: (word >> 32) as usize & 0xfff,
            len: (word >> 44) as usize & 0x1fff,
            packet: word & Self::PACKET != 0,
        }
    }

    fn encode(self) -> u64 {
        let packet = if self.packet { Self::PACKET } else { 0 };
        u64::from(self.page.0) | (self.start as u64) << 32 | (self.len as u64) << 44 | packet
    }
}

fn slot(k: &Kernel<'_>, pipe: usize, number: u32) -> Slot {
    Slot::decode(k.mem.read_word(Ppn(k.pipes[pipe].ring), (number % RING) as usize))
}

#[must_use]
fn set_slot(k: &mut Kernel<'_>, pipe: usize, number: u32, slot: Slot) -> bool {
    k.mem.write_word(Ppn(k.pipes[pipe].ring), (number % RING) as usize, slot.encode())
}

/// Tells those who wait that the pipe may be readable (0) or writable (1) again.
fn changed(k: &mut Kernel<'_>, pipe: usize, side: usize) {
    k.pipes[pipe].activity[side] = k.pipes[pipe].activity[side].wrapping_add(1);
    k.wake(Channel::Pipe(pipe as u32));
}

/// Drops the oldest slot and its page.
fn drop_first(k: &mut Kernel<'_>, pipe: usize) {
    let first = slot(k, pipe, k.pipes[pipe].emptied);
    k.mem.release(first.page);
    k.pipes[pipe].emptied = k.pipes[pipe].emptied.wrapping_add(1);
}

pub(super) fn create(k: &mut Kernel<'_>, node: u32) -> Result<usize, Errno> {
    let free = k.pipes.iter().position(|pipe| pipe.used == 0);
    let pipe = match free.or_else(|| fifo::reclaim(k)) {
        Some(pipe) => pipe,
        None => return Err(Errno::ENFILE),
    };
    let ring = k.mem.alloc().ok_or(Errno::ENOMEM)?;
    k.pipes[pipe] = Pipe { used: 1, node, ring: ring.0, slots: DEFAULT_SLOTS, ..Pipe::default() };
    Ok(pipe)
}

pub(super) fn destroy(k: &mut Kernel<'_>, pipe: usize) {
    while k.pipes[pipe].in_use() != 0 {
        drop_first(k, pipe);
    }
    k.mem.release(Ppn(k.pipes[pipe].ring));
    k.pipes[pipe] = Pipe::default();
}

/// pipe2(2).
pub fn pipe2(k: &mut Kernel<'_>, descriptors: u64, flags: u32) -> SysResult {
    const O_NOTIFICATION_PIPE: u32 = O_EXCL;
    if flags & !(O_CLOEXEC | O_NONBLOCK | O_DIRECT | O_NOTIFICATION_PIPE) != 0 {
        return Err(Errno::EINVAL.into());
    }
    if flags & O_NOTIFICATION_PIPE != 0 {
        return Err(Errno::ENOPKG.into());
    }
    let pipe = create(k, 0)?;
    let status = flags & (O_NONBLOCK | O_DIRECT);
    let made = new_file(k, kind::PIPE_READ, status, pipe as u32).and_then(|reader| {
        match new_file(k, kind::PIPE_WRITE, status | O_WRONLY, pipe as u32) {
            Ok(writer) => Ok((reader, writer)),
            Err(errno) => {
                // Not yet a reader of the pipe: closing it must not count.
                k.files[reader].kind = kind::PATH;
                file::release(k, reader);
                Err(errno)
            }
        }
    });
    let (reader, writer) = match made {
        Ok(files) => files,
        Err(errno) => {
            destroy(k, pipe);
            return Err(errno.into());
        }
    };
    let p = &mut k.pipes[pipe];
    (p.readers, p.writers) = (1, 1);
    let close_on_exec = flags & O_CLOEXEC != 0;
    let read_end = match file::install(k, reader, close_on_exec, 0) {
        Ok(fd) => fd,
        Err(errno) => {
            file::release(k, reader);
            file::release(k, writer);
            return Err(errno.into());
        }
    };
    let write_end = match file::install(k, writer, close_on_exec, 0) {
        Ok(fd) => fd,
        Err(errno) => {
            super::uninstall(k, read_end);
            file::release(k, writer);
            return Err(errno.into());
        }
    };
    if let Err(errno) = k.write_record(descriptors, &[read_end, write_end]) {
        super::uninstall(k, read_end);
        super::uninstall(k, write_end);
        return Err(errno.into());
    }
    Ok(0)
}

pub(super) fn has_readers(k: &Kernel<'_>, pipe: usize) -> bool {
    let p = &k.pipes[pipe];
    p.readers != 0 || (p.node != 0 && has_opener(k, pipe, READER))
}

pub(super) fn has_writers(k: &Kernel<'_>, pipe: usize) -> bool {
    let p = &k.pipes[pipe];
    p.writers != 0 || (p.node != 0 && has_opener(k, pipe, WRITER))
}

pub(super) fn is_used(k: &Kernel<'_>, pipe: usize) -> bool {
    has_readers(k, pipe) || has_writers(k, pipe)
}

pub(super) fn free_if_unused(k: &mut Kernel<'_>, pipe: usize) {
    if !is_used(k, pipe) {
        destroy(k, pipe);
    }
}

fn pipe_of(k: &Kernel<'_>, file: usize) -> usize {
    k.files[file].object as usize
}

/// Reads what is there, up to the end of a packet.
pub fn read(k: &mut Kernel<'_>, file: usize, dest: &mut Dest<'_>) -> SysResult {
    if dest.room() == 0 {
        return Ok(0);
    }
    let pipe = pipe_of(k, file);
    let mut total = 0;
    let mut scratch = PageScratch::uninit();
    let buffer = zeroed(&mut scratch);
    let mut failure = None;
    while dest.room() != 0 && k.pipes[pipe].in_use() != 0 {
        let number = k.pipes[pipe].emptied;
        let mut first = slot(k, pipe, number);
        let len = dest.room().min(first.len as u64) as usize;
        k.mem.read_page(first.page, first.start, &mut buffer[..len]);
        if let Err(errno) = dest.put(k, &buffer[..len]) {
            failure = Some(errno);
            break;
        }
        total += len as u64;
        if len == first.len || first.packet {
            drop_first(k, pipe);
            if first.packet {
                break;
            }
        } else {
            first.start += len;
            first.len -= len;
            if !set_slot(k, pipe, number, first) {
                failure = Some(Errno::ENOMEM);
                break;
            }
        }
    }
    if total != 0 {
        changed(k, pipe, 1);
        return Ok(total);
    }
    if let Some(errno) = failure {
        return Err(errno.into());
    }
    if !has_writers(k, pipe) {
        return Ok(0);
    }
    if k.files[file].flags & O_NONBLOCK != 0 {
        return Err(Errno::EAGAIN.into());
    }
    Err(Block::Sleep(Channel::Pipe(pipe as u32), None))
}

/// Writes all of the source, unless O_NONBLOCK is set and the pipe becomes full.
pub fn write(k: &mut Kernel<'_>, file: usize, source: &mut Source<'_>) -> SysResult {
    if source.left() == 0 {
        return Ok(0);
    }
    let pipe = pipe_of(k, file);
    let packet = k.files[file].flags & O_DIRECT != 0;
    let mut total = 0;
    let result = fill(k, pipe, packet, source, &mut total);
    if total != 0 {
        changed(k, pipe, 0);
    }
    let task = k.current();
    let begun = k.tasks[task].call_progress != 0;
    match result {
        Ok(()) => Ok(total),
        Err(Errno::EAGAIN) if k.files[file].flags & O_NONBLOCK == 0 => {
            k.tasks[task].call_progress += total;
            Err(Block::Sleep(Channel::Pipe(pipe as u32), None))
        }
        Err(errno) => {
            if errno == Errno::EPIPE {
                let pid = k.processes[k.current_process()].pid;
                let info = Info { signal: signal::SIGPIPE, pid, ..Info::default() };
                signal::send_task(k, task, info);
            }
            if total != 0 || begun { Ok(total) } else { Err(errno.into()) }
        }
    }
}

/// Moves bytes into the pipe until the source is empty or the pipe is full (EAGAIN).
fn fill(
    k: &mut Kernel<'_>,
    pipe: usize,
    packet: bool,
    source: &mut Source<'_>,
    total: &mut u64,
) -> Result<(), Errno> {
    let mut scratch = PageScratch::uninit();
    let buffer = zeroed(&mut scratch);
    if !has_readers(k, pipe) {
        return Err(Errno::EPIPE);
    }
    let odd = source.left() as usize % PAGE_SIZE;
    if odd != 0 && k.pipes[pipe].in_use() != 0 {
        let number = k.pipes[pipe].filled.wrapping_sub(1);
        let mut last = slot(k, pipe, number);
        let end = last.start + last.len;
        // A page that tee(2) shares must not change for the other pipe.
        let own = k.mem.references(last.page) == 1;
        if !packet && !last.packet && own && end + odd <= PAGE_SIZE {
            source.take(k, &mut buffer[..odd])?;
            last.len += odd;
            if !k.mem.write_page(last.page, end, &buffer[..odd]) || !set_slot(k, pipe, number, last)
            {
                return Err(Errno::ENOMEM);
            }
            *total += odd as u64;
        }
    }
    while source.left() != 0 {
        let p = &k.pipes[pipe];
        if p.in_use() >= p.slots {
            return Err(Errno::EAGAIN);
        }
        let number = p.filled;
        let len = source.left().min(PAGE_SIZE as u64) as usize;
        source.take(k, &mut buffer[..len])?;
        let page = k.mem.alloc().ok_or(Errno::ENOMEM)?;
        let new = Slot { page, start: 0, len, packet };
        if !k.mem.write_page(page, 0, &buffer[..len]) || !set_slot(k, pipe, number, new) {
            k.mem.release(page);
            return Err(Errno::ENOMEM);
        }
        k.pipes[pipe].filled = number.wrapping_add(1);
        *total += len as u64;
    }
    Ok(())
}

/// Copies unread bytes from `offset` on without taking them; returns how many (for tee(2)).
pub fn peek(k: &Kernel<'_>, file: usize, offset: u64, out: &mut [u8]) -> usize {
    let pipe = pipe_of(k, file);
    let (mut skip, mut done) = (offset, 0);
    let mut number = k.pipes[pipe].emptied;
    while number != k.pipes[pipe].filled && done < out.len() {
        let slot = slot(k, pipe, number);
        number = number.wrapping_add(1);
        if skip >= slot.len as u64 {
            skip -= slot.len as u64;
            continue;
        }
        let start = skip as usize;
        skip = 0;
        let len = (slot.len - start).min(out.len() - done);
        k.mem.read_page(slot.page, slot.start + start, &mut out[done..done + len]);
        done += len;
    }
    done
}

/// Unread bytes (FIONREAD).
pub fn unread(k: &Kernel<'_>, file: usize) -> u64 {
    let pipe = pipe_of(k, file);
    let p = &k.pipes[pipe];
    (0..p.in_use()).map(|n| slot(k, pipe, p.emptied.wrapping_add(n)).len as u64).sum()
}

/// Bytes that fit into free slots now.
pub fn room(k: &Kernel<'_>, file: usize) -> u64 {
    let p = &k.pipes[pipe_of(k, file)];
    u64::from(p.slots.saturating_sub(p.in_use())) * PAGE_SIZE as u64
}

/// Ready events.
pub fn poll(k: &mut Kernel<'_>, file: usize) -> u32 {
    let pipe = pipe_of(k, file);
    let p = &k.pipes[pipe];
    let file_kind = k.files[file].kind;
    let mut events = 0;
    if file_kind != kind::PIPE_WRITE {
        if p.in_use() != 0 {
            events |= EPOLLIN | EPOLLRDNORM;
        }
        if !has_writers(k, pipe) && p.quiet != p.writer_opens.wrapping_add(1) {
            events |= EPOLLHUP;
        }
    }
    if file_kind != kind::PIPE_READ {
        if p.in_use() < p.slots {
            events |= EPOLLOUT | EPOLLWRNORM;
        }
        if !has_readers(k, pipe) {
            events |= EPOLLERR;
        }
    }
    events
}

/// ioctl(2).
pub fn ioctl(k: &mut Kernel<'_>, file: usize, request: u32, arg: u64) -> SysResult {
    match request {
        FIONREAD => {
            let bytes = unread(k, file) as u32;
            k.write_record(arg, &bytes)?;
            Ok(0)
        }
        _ => Err(Errno::ENOTTY.into()),
    }
}

/// The last reference to the open file is gone.
pub fn close(k: &mut Kernel<'_>, file: usize) {
    let pipe = pipe_of(k, file);
    let file_kind = k.files[file].kind;
    let p = &mut k.pipes[pipe];
    if file_kind != kind::PIPE_WRITE {
        p.readers = p.readers.saturating_sub(1);
    }
    if file_kind != kind::PIPE_READ {
        p.writers = p.writers.saturating_sub(1);
    }
    free_if_unused(k, pipe);
    changed(k, pipe, 0);
    changed(k, pipe, 1);
}

/// F_GETPIPE_SZ: the capacity in bytes; EBADF when the file is no pipe.
pub fn capacity(k: &Kernel<'_>, file: usize) -> Result<u64, Errno> {
    if !is_pipe(k, file) {
        return Err(Errno::EBADF);
    }
    Ok(u64::from(k.pipes[pipe_of(k, file)].slots) * PAGE_SIZE as u64)
}

/// F_SETPIPE_SZ: rounds up to a power of two of pages and returns the new capacity.
pub fn set_capacity(k: &mut Kernel<'_>, file: usize, bytes: u32) -> Result<u64, Errno> {
    if !is_pipe(k, file) {
        return Err(Errno::EBADF);
    }
    if bytes > 1 << 31 {
        return Err(Errno::EINVAL);
    }
    let slots = bytes.div_ceil(PAGE_SIZE as u32).max(1).next_power_of_two();
    if slots > MAX_SLOTS {
        return Err(Errno::EPERM);
    }
    let pipe = pipe_of(k, file);
    if k.pipes[pipe].in_use() > slots {
        return Err(Errno::EBUSY);
    }
    k.pipes[pipe].slots = slots;
    k.wake(Channel::Pipe(pipe as u32));
    Ok(u64::from(slots) * PAGE_SIZE as u64)
}

fn is_pipe(k: &Kernel<'_>, file: usize) -> bool {
    matches!(k.files[file].kind, kind::PIPE_READ | kind::PIPE_WRITE | kind::PIPE_BOTH)
}
