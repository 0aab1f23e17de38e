//! The input queue of a terminal: what programs read from.
//!
//! A ring of 4,096 bytes in a page, and a bit for each that says whether a line ends there. An end
//! of file is such an end on a byte that is not part of the line (a zero).

use crate::abi::fcntl::O_NONBLOCK;
use crate::abi::termios::{cc, local};
use crate::image::Kernel;
use crate::user::Dest;
use crate::{Block, Channel, Errno, SysResult};
use ncpu_machine::{PAGE_SIZE, Ppn};

/// Bytes of the ring.
pub(super) const SIZE: u32 = PAGE_SIZE as u32;

/// The byte in the place of an end of file.
pub(super) const END_OF_FILE: u8 = 0;

/// Nanoseconds of a unit of VTIME.
const TENTH: u64 = 100_000_000;

/// The byte at position `at` of the queue.
pub(super) fn byte(k: &Kernel<'_>, tty: usize, at: u32) -> u8 {
    let mut byte = [0];
    k.mem.read_page(Ppn(k.ttys[tty].input), (at % SIZE) as usize, &mut byte);
    byte[0]
}

/// Whether a line ends at position `at`.
pub(super) fn is_mark(k: &Kernel<'_>, tty: usize, at: u32) -> bool {
    let at = at % SIZE;
    k.mem.read_word(Ppn(k.ttys[tty].marks), (at / 64) as usize) >> (at % 64) & 1 != 0
}

/// Says whether a line ends at position `at`.
pub(super) fn set_mark(k: &mut Kernel<'_>, tty: usize, at: u32, mark: bool) {
    let page = Ppn(k.ttys[tty].marks);
    let at = at % SIZE;
    let (word, bit) = ((at / 64) as usize, 1 << (at % 64));
    let old = k.mem.read_word(page, word);
    let new = if mark { old | bit } else { old & !bit };
    if new != old {
        // The page belongs to the terminal alone; only a forked machine without memory fails here,
        // and then the line simply does not end.
        let _ = k.mem.write_word(page, word, new);
    }
}

/// Appends a byte; there must be room.
pub(super) fn put(k: &mut Kernel<'_>, tty: usize, byte: u8, mark: bool) {
    let head = k.ttys[tty].head;
    if k.mem.write_page(Ppn(k.ttys[tty].input), (head % SIZE) as usize, &[byte]) {
        set_mark(k, tty, head, mark);
        k.ttys[tty].head = head.wrapping_add(1);
    }
}

/// Bytes in the queue.
pub(super) fn len(k: &Kernel<'_>, tty: usize) -> u32 {
    k.ttys[tty].head.wrapping_sub(k.ttys[tty].tail)
}

/// Whether reads return lines.
pub(super) fn is_canonical(k: &Kernel<'_>, tty: usize) -> bool {
    k.ttys[tty].termios.lflag & (local::ICANON | local::EXTPROC) == local::ICANON
}

/// Whether poll reports input: a line, or as many bytes as VMIN asks for without a timer.
pub(super) fn is_readable(k: &Kernel<'_>, tty: usize) -> bool {
    let t = &k.ttys[tty];
    if is_canonical(k, tty) {
        return t.line_end != t.tail;
    }
    let [time, min] = [t.termios.cc[cc::VTIME], t.termios.cc[cc::VMIN]];
    len(k, tty) >= if time == 0 { u32::from(min).max(1) } else { 1 }
}

/// Bytes for FIONREAD.
pub(super) fn readable_bytes(k: &Kernel<'_>, tty: usize) -> u32 {
    let t = &k.ttys[tty];
    if !is_canonical(k, tty) {
        return len(k, tty);
    }
    let lines = t.line_end.wrapping_sub(t.tail);
    let at = |n: u32| t.tail.wrapping_add(n);
    let is_end = |n: &u32| is_mark(k, tty, at(*n)) && byte(k, tty, at(*n)) == END_OF_FILE;
    lines - (0..lines).filter(is_end).count() as u32
}

/// Forgets all input.
pub(super) fn clear(k: &mut Kernel<'_>, tty: usize) {
    let t = &mut k.ttys[tty];
    (t.tail, t.line_end) = (t.head, t.head);
    (t.literal, t.erasing) = (0, 0);
    for word in 0..(SIZE / 64) as usize {
        // As in `set_mark`.
        let _ = k.mem.write_word(Ppn(k.ttys[tty].marks), word, 0);
    }
}

/// Adapts the queue to new attributes: what has been typed becomes a line, or plain bytes.
pub(super) fn change_mode(k: &mut Kernel<'_>, tty: usize) {
    let canonical = k.ttys[tty].termios.lflag & local::ICANON != 0;
    let t = &k.ttys[tty];
    let (head, tail) = (t.head, t.tail);
    for at in 0..head.wrapping_sub(tail) {
        set_mark(k, tty, tail.wrapping_add(at), false);
    }
    if canonical && head != tail {
        set_mark(k, tty, head.wrapping_sub(1), true);
        k.ttys[tty].line_end = head;
    } else {
        k.ttys[tty].line_end = tail;
    }
    let t = &mut k.ttys[tty];
    (t.literal, t.erasing) = (0, 0);
}

/// read(2) on a terminal, after the checks.
pub(super) fn read(k: &mut Kernel<'_>, file: usize, tty: usize, dest: &mut Dest<'_>) -> SysResult {
    if dest.room() == 0 {
        return Ok(0);
    }
    let wait = if is_canonical(k, tty) {
        (k.ttys[tty].line_end == k.ttys[tty].tail).then_some(None)
    } else {
        raw_wait(k, file, tty, dest.room())
    };
    if let Some(deadline) = wait {
        let t = &k.ttys[tty];
        if t.used == 2 && t.master_open == 0 {
            return Err(Errno::EIO.into());
        }
        if k.files[file].flags & O_NONBLOCK != 0 {
            return Err(Errno::EAGAIN.into());
        }
        return Err(Block::Sleep(Channel::Tty(tty as u32), deadline));
    }
    let total = take(k, tty, dest)?;
    // The master may be waiting for room.
    super::wake(k, tty, 1);
    Ok(total)
}

/// Whether a read without line editing has to wait, and until when (`termios(3)`, the four cases of
/// MIN and TIME). Bytes stay in the queue until the read is satisfied.
fn raw_wait(k: &mut Kernel<'_>, file: usize, tty: usize, room: u64) -> Option<Option<u64>> {
    let available = len(k, tty);
    let control = k.ttys[tty].termios.cc;
    let (min, time) = (u32::from(control[cc::VMIN]), u64::from(control[cc::VTIME]) * TENTH);
    let enough = u64::from(available) >= room.min(u64::from(min.max(1)));
    if enough || (available != 0 && k.files[file].flags & O_NONBLOCK != 0) {
        return None;
    }
    if min == 0 && time == 0 {
        return None;
    }
    if time == 0 {
        return Some(None);
    }
    if min == 0 {
        let deadline = k.call_deadline(time);
        return (k.now() < deadline).then_some(Some(deadline));
    }
    // A timer between bytes, which starts with the first one: `call_state` has the bytes seen and
    // when the timer runs out.
    let (now, task) = (k.now(), k.current());
    let [seen, deadline] = &mut k.tasks[task].call_state;
    if available == 0 {
        *seen = 0;
        return Some(None);
    }
    if *seen != u64::from(available) {
        *seen = u64::from(available);
        *deadline = now.saturating_add(time);
    }
    (now < *deadline).then_some(Some(*deadline))
}

/// Moves a line, or all there is, to the reader.
fn take(k: &mut Kernel<'_>, tty: usize, dest: &mut Dest<'_>) -> Result<u64, Errno> {
    let canonical = is_canonical(k, tty);
    let t = &k.ttys[tty];
    let end = if canonical { t.line_end } else { t.head };
    let mut at = t.tail;
    let mut buffer = [0; 256];
    let mut total = 0;
    let mut over = false;
    while !over {
        let mut filled = 0;
        while at != end {
            let mark = canonical && is_mark(k, tty, at);
            let value = byte(k, tty, at);
            if mark && value == END_OF_FILE {
                // Taken with the bytes before it even if they fill the reader's buffer.
                at = at.wrapping_add(1);
                over = true;
                break;
            }
            if filled == buffer.len() || filled as u64 == dest.room() {
                break;
            }
            buffer[filled] = value;
            filled += 1;
            at = at.wrapping_add(1);
            if mark {
                over = true;
                break;
            }
        }
        if filled != 0 {
            dest.put(k, &buffer[..filled])?;
            total += filled as u64;
        }
        over |= filled < buffer.len() || dest.room() == 0;
        k.ttys[tty].tail = at;
    }
    if !canonical {
        k.ttys[tty].line_end = at;
    }
    Ok(total)
}
