//! The console: byte rings between the guest's standard streams and the host.
//!
//! `header.console` counts the bytes ever written to and taken from the input ring and the output
//! ring; a position modulo the ring's length is an index. Input is plain bytes. Output is records: a
//! stream number (1 or 2), a zero, the length in two bytes, and the bytes. A record is extended
//! while the host has not taken it, so that echoed characters do not each cost a header.
//!
//! Input that is no terminal is like a file: all of it is there from the start, only fetched when it is
//! needed. A call that looks at it without waiting, when the ring is empty, therefore [`ask`]s the host
//! for more, and virtual time stands still meanwhile. With [`LIVE`] input, and when the host paces the
//! clock, such a call sees what has come.
//!
//! When the console is a terminal, it is terminal 0 (`/dev/pts/0`): input goes straight through its
//! line discipline and the input ring stays empty.

use super::{discipline, job};
use crate::abi::fcntl::{O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY};
use crate::abi::poll::{EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDNORM, EPOLLWRNORM};
use crate::abi::termios::FIONREAD;
use crate::file::{self, File, kind};
use crate::image::Kernel;
use crate::ipc::epoll;
use crate::process::{Task, state};
use crate::scratch::{Scratch, zeroed};
use crate::user::{Dest, Source};
use crate::{Block, Channel, Errno, SysResult, copy, vfs};
use core::ops::Range;

/// In `header.console_flags`: the host has closed standard input.
pub const CLOSED: u32 = 1;
/// In `header.console_flags`: the standard streams are a terminal.
pub const TERMINAL: u32 = 2;
/// In `header.console_flags`: input comes when it comes, and the host gives it unasked.
pub const LIVE: u32 = 4;
/// In `header.console_flags`: nothing goes on before the host has given input or closed it.
const ASKED: u32 = 8;
/// In `header.inside_line`: execution was cut inside a line at whose end the host takes output.
pub const OUTPUT_DUE: u32 = 2;
/// Index of the terminal that the console is.
pub const INDEX: usize = 0;

const HEADER: usize = 4;
/// Bytes moved at a time.
const CHUNK: usize = 2048;

/// The open file of a standard stream (0, 1 or 2) of the first process, with a reference for the
/// caller. A console terminal is one open file for all three, and the controlling terminal of the
/// current process. The file system must be mounted.
pub fn open_standard(k: &mut Kernel<'_>, stream: u32) -> Result<usize, Errno> {
    if k.header.console_flags & TERMINAL != 0 {
        return open_terminal(k);
    }
    let file = file::alloc(k)?;
    let f = &mut k.files[file];
    if stream == 0 {
        (f.kind, f.flags) = (kind::HOST_INPUT, O_RDONLY);
    } else {
        (f.kind, f.flags, f.object) = (kind::HOST_OUTPUT, O_WRONLY, stream);
    }
    Ok(file)
}

fn open_terminal(k: &mut Kernel<'_>) -> Result<usize, Errno> {
    let is_open = |f: &File| f.references != 0 && f.kind == kind::TTY && f.object == INDEX as u32;
    if let Some(file) = k.files.iter().position(is_open) {
        file::share(k, file);
        return Ok(file);
    }
    let file = file::alloc(k)?;
    if let Err(errno) = super::open_console(k, file, O_RDWR) {
        file::release(k, file);
        return Err(errno);
    }
    // The name is missing only in a machine without room for it, where ttyname(3) then fails.
    if let Ok(node) = vfs::mount::add_terminal(k, INDEX as u32) {
        vfs::hold(k, node);
        k.files[file].node = node.0;
    }
    let process = k.current_process();
    job::adopt(k, process, INDEX);
    Ok(file)
}

/// Where in a ring the `len` bytes are, no more than it has, that follow `at` bytes: up to its end, and
/// from its start on.
fn ring_parts(size: usize, at: u64, len: usize) -> (Range<usize>, Range<usize>) {
    let start = (at % size as u64) as usize;
    let front = len.min(size - start);
    (start..start + front, 0..len - front)
}

fn input_bytes(k: &Kernel<'_>) -> usize {
    let [written, taken, ..] = k.header.console;
    written.wrapping_sub(taken) as usize
}

/// Reads standard input from the host; sleeps until there is some, 0 when it has ended.
pub fn read(k: &mut Kernel<'_>, file: usize, dest: &mut Dest<'_>) -> SysResult {
    if k.files[file].kind != kind::HOST_INPUT {
        return Err(Errno::EBADF.into());
    }
    let mut total = 0;
    let mut scratch = Scratch::<{ CHUNK / 8 }>::uninit();
    let buffer = zeroed(&mut scratch);
    while dest.room() != 0 && input_bytes(k) != 0 {
        let len = (dest.room().min(CHUNK as u64) as usize).min(input_bytes(k));
        // More than the ring holds can only be counted in a forged image.
        let len = len.min(k.console_in.len());
        let taken = k.header.console[1];
        let (front, back) = ring_parts(k.console_in.len(), taken, len);
        let (to, rest) = buffer[..len].split_at_mut(front.len());
        copy(to, &k.console_in[front]);
        copy(rest, &k.console_in[back]);
        match dest.put(k, &buffer[..len]) {
            Ok(()) => {}
            Err(_) if total != 0 => break,
            Err(errno) => return Err(errno.into()),
        }
        k.header.console[1] = taken.wrapping_add(len as u64);
        total += len as u64;
    }
    if total != 0 || dest.room() == 0 || k.header.console_flags & CLOSED != 0 {
        return Ok(total);
    }
    if k.files[file].flags & O_NONBLOCK != 0 {
        ask(k)?;
        return Err(Errno::EAGAIN.into());
    }
    Err(Block::Sleep(Channel::Console, None))
}

/// Has the host asked for input if it has any that the machine does not know of yet. The call sleeps
/// for it and starts again; no signal interrupts it, as it would not have slept on Linux.
pub(crate) fn ask(k: &mut Kernel<'_>) -> Result<(), Block> {
    let known = CLOSED | TERMINAL | LIVE;
    if k.header.console_flags & known != 0 || k.header.paced != 0 || input_bytes(k) != 0 {
        return Ok(());
    }
    k.header.console_flags |= ASKED;
    Err(Block::SleepOnce(Channel::Host, None))
}

/// Whether a call has asked for input.
pub(crate) fn is_asked(k: &Kernel<'_>) -> bool {
    k.header.console_flags & (ASKED | CLOSED) == ASKED
}

/// The host has answered with bytes or the end of input.
fn answer(k: &mut Kernel<'_>) {
    if k.header.console_flags & ASKED != 0 {
        k.header.console_flags &= !ASKED;
        k.wake(Channel::Host);
    }
}

/// Says whether input comes when it comes, and the host gives it unasked.
pub fn set_live(k: &mut Kernel<'_>, live: bool) {
    k.header.console_flags &= !LIVE;
    if live {
        k.header.console_flags |= LIVE;
    }
}

/// Writes to standard output or error of the host; sleeps while the ring is full.
pub fn write(k: &mut Kernel<'_>, file: usize, source: &mut Source<'_>) -> SysResult {
    if k.files[file].kind != kind::HOST_OUTPUT {
        return Err(Errno::EBADF.into());
    }
    let stream = k.files[file].object as u8;
    let mut total = 0;
    let mut scratch = Scratch::<{ CHUNK / 8 }>::uninit();
    let buffer = zeroed(&mut scratch);
    while source.left() != 0 {
        let len = source.left().min(CHUNK as u64).min(output_room(k) as u64) as usize;
        if len == 0 {
            if k.files[file].flags & O_NONBLOCK != 0 {
                return if total != 0 { Ok(total) } else { Err(Errno::EAGAIN.into()) };
            }
            let task = k.current();
            k.tasks[task].call_progress += total;
            return Err(Block::Sleep(Channel::Console, None));
        }
        match source.take(k, &mut buffer[..len]) {
            Ok(()) => {}
            Err(_) if total != 0 => break,
            Err(errno) => return Err(errno.into()),
        }
        append(k, stream, &buffer[..len]);
        total += len as u64;
    }
    Ok(total)
}

/// Bytes that one more record of output can have.
pub(super) fn output_room(k: &Kernel<'_>) -> usize {
    let [_, _, written, taken] = k.header.console;
    k.console_out.len().saturating_sub(written.wrapping_sub(taken) as usize + HEADER)
}

/// Appends output for the host; what does not fit is lost.
pub(super) fn append(k: &mut Kernel<'_>, stream: u8, bytes: &[u8]) {
    let size = k.console_out.len() as u64;
    let bytes = &bytes[..bytes.len().min(output_room(k)).min(usize::from(u16::MAX))];
    if bytes.is_empty() {
        return;
    }
    let [_, _, written, taken] = k.header.console;
    let last = k.header.console_record;
    let ring = &mut *k.console_out;
    let (mut start, mut len) = (written, 0);
    if last >= taken && last < written && ring[(last % size) as usize] == stream {
        let old = written - last - HEADER as u64;
        if old + bytes.len() as u64 <= u64::from(u16::MAX) {
            (start, len) = (last, old);
        }
    }
    let total = len + bytes.len() as u64;
    let header = [stream, 0, total as u8, (total >> 8) as u8];
    for (at, &byte) in (start..).zip(&header) {
        ring[(at % size) as usize] = byte;
    }
    let (front, back) = ring_parts(ring.len(), start + HEADER as u64 + len, bytes.len());
    let (to_front, to_back) = bytes.split_at(front.len());
    copy(&mut ring[front], to_front);
    copy(&mut ring[back], to_back);
    k.header.console_record = start;
    k.header.console[2] = start + HEADER as u64 + total;
}

/// Ready events. As with a pipe, the end of input is a hang-up.
pub fn poll(k: &mut Kernel<'_>, file: usize) -> u32 {
    let mut events = 0;
    if k.files[file].kind == kind::HOST_INPUT {
        if input_bytes(k) != 0 {
            events |= EPOLLIN | EPOLLRDNORM;
        }
        if k.header.console_flags & CLOSED != 0 {
            events |= EPOLLHUP;
        }
    } else if output_room(k) != 0 {
        events |= EPOLLOUT | EPOLLWRNORM;
    }
    events
}

/// ioctl(2): the streams are no terminals.
pub fn ioctl(k: &mut Kernel<'_>, file: usize, request: u32, arg: u64) -> SysResult {
    if request == FIONREAD && k.files[file].kind == kind::HOST_INPUT {
        ask(k)?;
        let bytes = input_bytes(k) as u32;
        k.write_record(arg, &bytes)?;
        return Ok(0);
    }
    Err(Errno::ENOTTY.into())
}

/// The last reference to the open file is gone; the rings stay.
pub fn close(_k: &mut Kernel<'_>, _file: usize) {}

/// Whether the output ring holds bytes for the host.
pub fn output_waiting(k: &Kernel<'_>) -> bool {
    let [_, _, written, taken] = k.header.console;
    written != taken
}

/// Whether a task may go on once the host has drained the output ring.
pub fn waits_for_room(k: &Kernel<'_>) -> bool {
    output_waiting(k) && (k.is_anyone_on(Channel::Console) || k.is_anyone_on(Channel::Any))
}

/// In `call_state[0]` of a task that polls: whether input from the host is among what it waits for.
pub(crate) const POLLS_INPUT: u64 = 1;

/// Whether an open file gets its input from the host.
pub(crate) fn takes_input(k: &Kernel<'_>, file: usize) -> bool {
    let f = &k.files[file];
    match f.kind {
        kind::HOST_INPUT => true,
        kind::TTY => k.header.console_flags & TERMINAL != 0 && f.object == INDEX as u32,
        kind::EPOLL => epoll::takes_input(k, file),
        _ => false,
    }
}

/// Whether a sleeping task would look again if the host gave input or closed it: a reader or a
/// poller of what takes input from the host.
pub fn waits_for_input(k: &Kernel<'_>) -> bool {
    if k.header.console_flags & CLOSED != 0 {
        return false;
    }
    let end = k.header.task_end as usize;
    let any = Channel::Any.key();
    let polls = |t: &Task| t.channel == any && t.call_state[0] == POLLS_INPUT;
    if k.tasks[..end].iter().any(|t| t.state == state::SLEEPING && polls(t)) {
        return true;
    }
    if k.header.console_flags & TERMINAL != 0 {
        return k.is_anyone_on(Channel::Tty(INDEX as u32));
    }
    // Those who wait for room have been woken once the ring is drained.
    k.is_anyone_on(Channel::Console) && !output_waiting(k)
}

/// Bytes of standard input that the host has given since boot.
pub fn input_given(k: &Kernel<'_>) -> u64 {
    k.header.console[0]
}

/// How many bytes [`push_input`] would accept now.
pub fn input_room(k: &Kernel<'_>) -> usize {
    if k.header.console_flags & CLOSED != 0 {
        return 0;
    }
    if k.header.console_flags & TERMINAL == 0 {
        return k.console_in.len().saturating_sub(input_bytes(k));
    }
    if k.ttys[INDEX].used == 0 { 0 } else { discipline::room(k, INDEX) }
}

/// Appends bytes from the host to standard input; returns how many were accepted.
pub fn push_input(k: &mut Kernel<'_>, bytes: &[u8]) -> usize {
    if k.header.console_flags & CLOSED != 0 {
        return 0;
    }
    if k.header.console_flags & TERMINAL != 0 {
        super::ensure_console(k);
        let len = discipline::receive(k, INDEX, bytes);
        // Past the ring, whose counts still say how much the host has given.
        k.header.console[0] = k.header.console[0].wrapping_add(len as u64);
        k.header.console[1] = k.header.console[1].wrapping_add(len as u64);
        return len;
    }
    let len = bytes.len().min(input_room(k));
    let written = k.header.console[0];
    let (front, back) = ring_parts(k.console_in.len(), written, len);
    let (to_front, to_back) = bytes[..len].split_at(front.len());
    copy(&mut k.console_in[front], to_front);
    copy(&mut k.console_in[back], to_back);
    k.header.console[0] = written.wrapping_add(len as u64);
    if len != 0 {
        answer(k);
        k.wake(Channel::Console);
    }
    len
}

/// Ends standard input. A console terminal is hung up, as if its line was cut.
pub fn close_input(k: &mut Kernel<'_>) {
    if k.header.console_flags & CLOSED != 0 {
        return;
    }
    k.header.console_flags |= CLOSED;
    if k.header.console_flags & TERMINAL != 0 {
        hang_up(k);
    }
    answer(k);
    k.wake(Channel::Console);
}

/// Hands everything in the output ring to the host, record by record: stream (1 or 2) and bytes. A
/// record that wraps round the end of the ring comes in two parts.
pub fn drain_output(k: &mut Kernel<'_>, take: impl FnMut(u8, &[u8])) {
    let [_, _, written, taken] = k.header.console;
    if taken != written {
        peek_output(k, take);
        k.header.console[3] = written;
        k.wake(Channel::Console);
    }
}

/// Shows everything in the output ring, as [`drain_output`] hands it to the host, and leaves it there.
pub fn peek_output(k: &Kernel<'_>, mut take: impl FnMut(u8, &[u8])) {
    let [_, _, written, mut at] = k.header.console;
    let size = k.console_out.len();
    // More than the ring holds can only be counted in a forged image.
    while (1..=size as u64).contains(&written.wrapping_sub(at)) {
        let byte = |n: u64| k.console_out[(at.wrapping_add(n) % size as u64) as usize];
        let stream = byte(0);
        let len = usize::from(u16::from_le_bytes([byte(2), byte(3)]));
        let start = (at.wrapping_add(HEADER as u64) % size as u64) as usize;
        let front = len.min(size - start);
        take(stream, &k.console_out[start..start + front]);
        if front != len {
            take(stream, &k.console_out[..len - front]);
        }
        at = at.wrapping_add((HEADER + len) as u64);
    }
}

/// Sets the size of the console terminal.
pub fn set_window_size(k: &mut Kernel<'_>, rows: u16, columns: u16) {
    if k.header.console_flags & TERMINAL == 0 {
        return;
    }
    super::ensure_console(k);
    job::resize(k, INDEX, [rows, columns, 0, 0]);
}

/// Hangs up the console terminal.
pub fn hang_up(k: &mut Kernel<'_>) {
    if k.header.console_flags & TERMINAL != 0 && k.ttys[INDEX].used != 0 {
        job::hang_up(k, INDEX);
    }
}
