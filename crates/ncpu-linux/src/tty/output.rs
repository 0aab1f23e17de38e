//! Output processing, and where the processed bytes go: the console ring, or a ring that the master
//! of a pseudo-terminal reads.

use crate::abi::termios::{input, output as mode};
use crate::image::Kernel;
use crate::user::Source;
use crate::{Channel, Errno, SysResult};
use ncpu_machine::{PAGE_SIZE, Ppn};

/// Pages of the ring between slave and master.
pub(super) const PAGES: usize = 4;
const SIZE: u32 = (PAGES * PAGE_SIZE) as u32;
/// Bytes that one byte becomes at most: a tab of eight spaces.
const GROWTH: usize = 8;
/// Bytes processed at a time.
const CHUNK: usize = 256;

/// Whether a byte is a control character, to the kernel's tables.
pub(super) const fn is_control(byte: u8) -> bool {
    byte < 0x20 || byte == 0x7f
}

/// Whether a byte continues a UTF-8 character, on a terminal that knows about them.
pub(super) fn is_continuation(k: &Kernel<'_>, tty: usize, byte: u8) -> bool {
    k.ttys[tty].termios.iflag & input::IUTF8 != 0 && byte & 0xc0 == 0x80
}

/// Bytes that can be sent now.
pub(super) fn room(k: &Kernel<'_>, tty: usize) -> usize {
    let t = &k.ttys[tty];
    if t.used == 1 {
        super::console::output_room(k)
    } else {
        (SIZE - t.written.wrapping_sub(t.taken)) as usize
    }
}

/// Sends bytes as they are; what does not fit is lost.
pub(super) fn send(k: &mut Kernel<'_>, tty: usize, bytes: &[u8]) {
    if k.ttys[tty].used == 1 {
        return super::console::append(k, 1, bytes);
    }
    let bytes = &bytes[..bytes.len().min(room(k, tty))];
    let mut done = 0;
    while done < bytes.len() {
        let at = (k.ttys[tty].written % SIZE) as usize;
        let (index, offset) = (at / PAGE_SIZE, at % PAGE_SIZE);
        let len = (PAGE_SIZE - offset).min(bytes.len() - done);
        if k.ttys[tty].output[index] == 0 {
            let Some(page) = k.mem.alloc() else { return };
            k.ttys[tty].output[index] = page.0;
        }
        let page = Ppn(k.ttys[tty].output[index]);
        if !k.mem.write_page(page, offset, &bytes[done..done + len]) {
            return;
        }
        k.ttys[tty].written = k.ttys[tty].written.wrapping_add(len as u32);
        done += len;
    }
}

/// Takes bytes for the master out of the ring; returns how many.
pub(super) fn receive(k: &mut Kernel<'_>, tty: usize, out: &mut [u8]) -> usize {
    let mut done = 0;
    while done < out.len() {
        let t = &k.ttys[tty];
        let at = (t.taken % SIZE) as usize;
        let (index, offset) = (at / PAGE_SIZE, at % PAGE_SIZE);
        let available = t.written.wrapping_sub(t.taken) as usize;
        let len = (PAGE_SIZE - offset).min(available).min(out.len() - done);
        if len == 0 {
            break;
        }
        k.mem.read_page(Ppn(t.output[index]), offset, &mut out[done..done + len]);
        k.ttys[tty].taken = k.ttys[tty].taken.wrapping_add(len as u32);
        done += len;
    }
    done
}

/// Bytes on the way to the terminal, gathered so that they are sent together.
pub(super) struct Sender {
    bytes: [u8; CHUNK],
    len: usize,
}

impl Sender {
    /// Nothing gathered yet.
    pub(super) const fn new() -> Sender {
        Sender { bytes: [0; CHUNK], len: 0 }
    }

    /// Adds a byte as it is.
    pub(super) fn put(&mut self, k: &mut Kernel<'_>, tty: usize, byte: u8) {
        if self.len == CHUNK {
            self.flush(k, tty);
        }
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    /// Sends what has been gathered.
    pub(super) fn flush(&mut self, k: &mut Kernel<'_>, tty: usize) {
        if self.len != 0 {
            send(k, tty, &self.bytes[..self.len]);
            self.len = 0;
        }
    }

    /// Forgets what has been gathered.
    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    /// Adds a byte after output processing (`termios(3)`, `c_oflag`).
    pub(super) fn process(&mut self, k: &mut Kernel<'_>, tty: usize, byte: u8) {
        let oflag = k.ttys[tty].termios.oflag;
        let has = |flag| oflag & flag != 0;
        if !has(mode::OPOST) {
            return self.put(k, tty, byte);
        }
        let mut byte = byte;
        match byte {
            b'\n' => {
                if has(mode::ONLRET) || has(mode::ONLCR) {
                    k.ttys[tty].column = 0;
                }
                if has(mode::ONLCR) {
                    self.put(k, tty, b'\r');
                }
                k.ttys[tty].line_column = k.ttys[tty].column;
            }
            b'\r' => {
                if has(mode::ONOCR) && k.ttys[tty].column == 0 {
                    return;
                }
                if has(mode::OCRNL) {
                    byte = b'\n';
                }
                if !has(mode::OCRNL) || has(mode::ONLRET) {
                    (k.ttys[tty].column, k.ttys[tty].line_column) = (0, 0);
                }
            }
            b'\t' => {
                let spaces = 8 - k.ttys[tty].column % 8;
                k.ttys[tty].column = k.ttys[tty].column.wrapping_add(spaces);
                if oflag & mode::XTABS == mode::XTABS {
                    for _ in 0..spaces {
                        self.put(k, tty, b' ');
                    }
                    return;
                }
            }
            8 => k.ttys[tty].column = k.ttys[tty].column.saturating_sub(1),
            _ if is_control(byte) => {}
            _ => {
                if has(mode::OLCUC) {
                    byte = byte.to_ascii_uppercase();
                }
                if !is_continuation(k, tty, byte) {
                    k.ttys[tty].column = k.ttys[tty].column.wrapping_add(1);
                }
            }
        }
        self.put(k, tty, byte);
    }
}

/// Forgets what the master has not read.
pub(super) fn clear(k: &mut Kernel<'_>, tty: usize) {
    k.ttys[tty].taken = k.ttys[tty].written;
}

/// write(2) on a terminal, after the checks.
pub(super) fn write(
    k: &mut Kernel<'_>,
    file: usize,
    tty: usize,
    source: &mut Source<'_>,
) -> SysResult {
    let mut buffer = [0; CHUNK];
    let mut total = 0;
    while source.left() != 0 {
        let t = &k.ttys[tty];
        if t.used == 2 && t.master_open == 0 {
            return Err(Errno::EIO.into());
        }
        let len = source.left().min(CHUNK as u64).min((room(k, tty) / GROWTH) as u64) as usize;
        if len == 0 || t.stopped != 0 {
            wake_reader(k, tty, total);
            let t = &k.ttys[tty];
            let ring_is_full = t.used == 1 && t.stopped == 0;
            let channel = if ring_is_full { Channel::Console } else { Channel::Tty(tty as u32) };
            return super::wait_to_write(k, file, total, channel);
        }
        match source.take(k, &mut buffer[..len]) {
            Ok(()) => {}
            Err(_) if total != 0 => break,
            Err(errno) => return Err(errno.into()),
        }
        let mut sender = Sender::new();
        for &byte in &buffer[..len] {
            sender.process(k, tty, byte);
        }
        sender.flush(k, tty);
        total += len as u64;
    }
    wake_reader(k, tty, total);
    Ok(total)
}

fn wake_reader(k: &mut Kernel<'_>, tty: usize, total: u64) {
    if total != 0 && k.ttys[tty].used == 2 {
        super::wake(k, tty, 1);
    }
}

/// Starts or stops output.
pub(super) fn set_stopped(k: &mut Kernel<'_>, tty: usize, stopped: bool) {
    const TIOCPKT_STOP: u32 = 4;
    const TIOCPKT_START: u32 = 8;
    if (k.ttys[tty].stopped != 0) == stopped {
        return;
    }
    k.ttys[tty].stopped = u32::from(stopped);
    let (event, opposite) =
        if stopped { (TIOCPKT_STOP, TIOCPKT_START) } else { (TIOCPKT_START, TIOCPKT_STOP) };
    if k.ttys[tty].packet != 0 {
        let events = &mut k.ttys[tty].packet_events;
        *events = *events & !opposite | event;
    }
    super::wake(k, tty, 1);
}
