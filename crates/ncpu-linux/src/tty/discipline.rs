//! The line discipline: what becomes of each byte of input (`termios(3)`, "Canonical and
//! noncanonical mode").
//!
//! The byte is translated, may stop or start the output, may be a signal, may edit the line that is
//! being typed, or is queued; and it is echoed. Echo passes through output processing.

use super::output::{self, Sender, is_continuation, is_control};
use super::{job, queue};
use crate::abi::termios::{cc, input, local};
use crate::image::Kernel;
use crate::signal::{SIGINT, SIGQUIT, SIGTSTP};

const DISABLED: u8 = 0;
const BACKSPACE: u8 = 8;

/// How many bytes would be accepted now. A full line without an end still takes a byte, so that
/// its end can come; what is too much of it is lost.
pub(super) fn room(k: &Kernel<'_>, tty: usize) -> usize {
    let free = (queue::SIZE - 1).saturating_sub(queue::len(k, tty)) as usize;
    // A marked 0xff takes two places.
    let free = if k.ttys[tty].termios.iflag & input::PARMRK != 0 { free / 2 } else { free };
    if free == 0 && is_endless(k, tty) { 1 } else { free }
}

fn is_endless(k: &Kernel<'_>, tty: usize) -> bool {
    let t = &k.ttys[tty];
    t.termios.lflag & local::ICANON != 0 && t.line_end == t.tail
}

/// Takes bytes that were typed; returns how many were accepted.
pub(super) fn receive(k: &mut Kernel<'_>, tty: usize, bytes: &[u8]) -> usize {
    let mut editor = Editor { tty, echo: Sender::new() };
    let mut accepted = 0;
    for &byte in bytes {
        if room(k, tty) == 0 {
            break;
        }
        if queue::len(k, tty) >= queue::SIZE {
            // The line is too long: the last byte is replaced.
            k.ttys[tty].head = k.ttys[tty].head.wrapping_sub(1);
        }
        editor.byte(k, byte);
        accepted += 1;
    }
    editor.echo.flush(k, tty);
    if accepted != 0 {
        super::wake(k, tty, 0);
        super::wake(k, tty, 1);
    }
    accepted
}

/// Sends a signal to the foreground group and, unless NOFLSH says otherwise, flushes the queues.
pub(super) fn interrupt(k: &mut Kernel<'_>, tty: usize, signal: u32) {
    job::signal_foreground(k, tty, signal);
    if k.ttys[tty].termios.lflag & local::NOFLSH == 0 {
        queue::clear(k, tty);
        output::clear(k, tty);
        super::pty::report(k, tty, super::pty::FLUSH_READ | super::pty::FLUSH_WRITE);
    }
}

/// The state of one delivery of input.
struct Editor {
    tty: usize,
    echo: Sender,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Erase {
    Character,
    Word,
    Line,
}

impl Editor {
    fn lflag(&self, k: &Kernel<'_>, flag: u32) -> bool {
        k.ttys[self.tty].termios.lflag & flag != 0
    }

    fn iflag(&self, k: &Kernel<'_>, flag: u32) -> bool {
        k.ttys[self.tty].termios.iflag & flag != 0
    }

    /// Whether `byte` is the special character at `position`.
    fn is(&self, k: &Kernel<'_>, byte: u8, position: usize) -> bool {
        byte != DISABLED && k.ttys[self.tty].termios.cc[position] == byte
    }

    fn byte(&mut self, k: &mut Kernel<'_>, byte: u8) {
        let mut byte = byte;
        if self.iflag(k, input::ISTRIP) {
            byte &= 0x7f;
        }
        if k.ttys[self.tty].literal != 0 {
            k.ttys[self.tty].literal = 0;
            return self.plain(k, byte);
        }
        if self.iflag(k, input::IUCLC) && self.lflag(k, local::IEXTEN) {
            byte = byte.to_ascii_lowercase();
        }
        if self.lflag(k, local::EXTPROC) {
            return self.queue(k, byte, false);
        }
        if self.iflag(k, input::IXON) {
            if self.is(k, byte, cc::VSTART) {
                return output::set_stopped(k, self.tty, false);
            }
            if self.is(k, byte, cc::VSTOP) {
                return output::set_stopped(k, self.tty, true);
            }
        }
        if self.lflag(k, local::ISIG) {
            for (position, signal) in
                [(cc::VINTR, SIGINT), (cc::VQUIT, SIGQUIT), (cc::VSUSP, SIGTSTP)]
            {
                if self.is(k, byte, position) {
                    return self.signal(k, byte, signal);
                }
            }
        }
        if self.iflag(k, input::IXON) && self.iflag(k, input::IXANY) {
            output::set_stopped(k, self.tty, false);
        }
        match byte {
            b'\r' if self.iflag(k, input::IGNCR) => return,
            b'\r' if self.iflag(k, input::ICRNL) => byte = b'\n',
            b'\n' if self.iflag(k, input::INLCR) => byte = b'\r',
            _ => {}
        }
        if self.lflag(k, local::ICANON) && self.edit(k, byte) {
            return;
        }
        self.plain(k, byte);
    }

    /// Echoes and queues a byte without a meaning of its own.
    fn plain(&mut self, k: &mut Kernel<'_>, byte: u8) {
        if self.lflag(k, local::ECHO) {
            self.finish_erasing(k);
            if byte == b'\n' {
                self.echo.process(k, self.tty, byte);
            } else {
                self.begin_line(k);
                self.echo_byte(k, byte);
            }
        }
        self.queue(k, byte, false);
    }

    fn queue(&mut self, k: &mut Kernel<'_>, byte: u8, mark: bool) {
        if byte == 0xff && self.iflag(k, input::PARMRK) {
            queue::put(k, self.tty, byte, false);
        }
        queue::put(k, self.tty, byte, mark);
    }

    fn signal(&mut self, k: &mut Kernel<'_>, byte: u8, signal: u32) {
        if !self.lflag(k, local::NOFLSH) {
            self.echo.clear();
        }
        interrupt(k, self.tty, signal);
        if self.iflag(k, input::IXON) {
            output::set_stopped(k, self.tty, false);
        }
        if self.lflag(k, local::ECHO) {
            self.echo_byte(k, byte);
        }
    }

    /// Line editing; false when the byte is nothing special.
    fn edit(&mut self, k: &mut Kernel<'_>, byte: u8) -> bool {
        let extended = self.lflag(k, local::IEXTEN);
        let echo = self.lflag(k, local::ECHO);
        if self.is(k, byte, cc::VERASE) {
            self.erase(k, Erase::Character);
        } else if self.is(k, byte, cc::VKILL) {
            self.erase(k, Erase::Line);
        } else if extended && self.is(k, byte, cc::VWERASE) {
            self.erase(k, Erase::Word);
        } else if extended && self.is(k, byte, cc::VLNEXT) {
            k.ttys[self.tty].literal = 1;
            if echo {
                self.finish_erasing(k);
                if self.lflag(k, local::ECHOCTL) {
                    self.echo.process(k, self.tty, b'^');
                    self.echo.process(k, self.tty, BACKSPACE);
                }
            }
        } else if extended && echo && self.is(k, byte, cc::VREPRINT) {
            self.finish_erasing(k);
            self.echo_byte(k, byte);
            self.echo.process(k, self.tty, b'\n');
            let (start, end) = (k.ttys[self.tty].line_end, k.ttys[self.tty].head);
            for n in 0..end.wrapping_sub(start) {
                let byte = queue::byte(k, self.tty, start.wrapping_add(n));
                self.echo_byte(k, byte);
            }
        } else if byte == b'\n' {
            if echo || self.lflag(k, local::ECHONL) {
                self.echo.process(k, self.tty, byte);
            }
            self.end_line(k, byte);
        } else if self.is(k, byte, cc::VEOF) {
            self.end_line(k, queue::END_OF_FILE);
        } else if self.is(k, byte, cc::VEOL) || (extended && self.is(k, byte, cc::VEOL2)) {
            if echo {
                self.begin_line(k);
                self.echo_byte(k, byte);
            }
            self.end_line(k, byte);
        } else {
            return false;
        }
        true
    }

    fn end_line(&mut self, k: &mut Kernel<'_>, byte: u8) {
        self.queue(k, byte, true);
        k.ttys[self.tty].line_end = k.ttys[self.tty].head;
    }

    /// Remembers where the line begins on the screen, for erasing tabs.
    fn begin_line(&mut self, k: &mut Kernel<'_>) {
        let t = &mut k.ttys[self.tty];
        if t.line_end == t.head {
            t.line_column = t.column;
        }
    }

    fn echo_byte(&mut self, k: &mut Kernel<'_>, byte: u8) {
        if self.lflag(k, local::ECHOCTL) && is_control(byte) && byte != b'\t' {
            self.echo.put(k, self.tty, b'^');
            self.echo.put(k, self.tty, byte ^ 0o100);
            k.ttys[self.tty].column = k.ttys[self.tty].column.wrapping_add(2);
        } else {
            self.echo.process(k, self.tty, byte);
        }
    }

    fn finish_erasing(&mut self, k: &mut Kernel<'_>) {
        if k.ttys[self.tty].erasing != 0 {
            k.ttys[self.tty].erasing = 0;
            self.echo.process(k, self.tty, b'/');
        }
    }

    /// Removes the last character, word, or all of the line that is being typed.
    fn erase(&mut self, k: &mut Kernel<'_>, what: Erase) {
        let tty = self.tty;
        let start = k.ttys[tty].line_end;
        if k.ttys[tty].head == start {
            return;
        }
        let echo = self.lflag(k, local::ECHO);
        if what == Erase::Line {
            let wipes = local::ECHOK | local::ECHOKE | local::ECHOE;
            if !echo {
                k.ttys[tty].head = start;
                return;
            }
            if k.ttys[tty].termios.lflag & wipes != wipes {
                k.ttys[tty].head = start;
                self.finish_erasing(k);
                let kill = k.ttys[tty].termios.cc[cc::VKILL];
                self.echo_byte(k, kill);
                if self.lflag(k, local::ECHOK) {
                    self.echo.process(k, tty, b'\n');
                }
                return;
            }
        }
        let mut in_word = false;
        while k.ttys[tty].head != start {
            let end = k.ttys[tty].head;
            let mut head = end.wrapping_sub(1);
            while is_continuation(k, tty, queue::byte(k, tty, head)) && head != start {
                head = head.wrapping_sub(1);
            }
            let byte = queue::byte(k, tty, head);
            if is_continuation(k, tty, byte) {
                // Half a character is left alone.
                break;
            }
            if what == Erase::Word {
                if is_word(byte) {
                    in_word = true;
                } else if in_word {
                    break;
                }
            }
            k.ttys[tty].head = head;
            if echo {
                self.echo_erased(k, what, head, end);
            }
            if what == Erase::Character {
                break;
            }
        }
        if k.ttys[tty].head == start && echo {
            self.finish_erasing(k);
        }
    }

    /// Shows that the character at queue positions `head` to `end` is gone.
    fn echo_erased(&mut self, k: &mut Kernel<'_>, what: Erase, head: u32, end: u32) {
        let tty = self.tty;
        let byte = queue::byte(k, tty, head);
        if self.lflag(k, local::ECHOPRT) {
            if k.ttys[tty].erasing == 0 {
                self.echo.process(k, tty, b'\\');
                k.ttys[tty].erasing = 1;
            }
            self.echo_byte(k, byte);
            for n in 1..end.wrapping_sub(head) {
                let byte = queue::byte(k, tty, head.wrapping_add(n));
                self.echo.process(k, tty, byte);
            }
        } else if what == Erase::Character && !self.lflag(k, local::ECHOE) {
            let erase = k.ttys[tty].termios.cc[cc::VERASE];
            self.echo_byte(k, erase);
        } else if byte == b'\t' {
            self.erase_tab(k, head);
        } else if is_control(byte) {
            if self.lflag(k, local::ECHOCTL) {
                self.wipe(k);
                self.wipe(k);
            }
        } else {
            self.wipe(k);
        }
    }

    fn wipe(&mut self, k: &mut Kernel<'_>) {
        for byte in [BACKSPACE, b' ', BACKSPACE] {
            self.echo.process(k, self.tty, byte);
        }
    }

    /// Moves the cursor back over a tab at queue position `at`: its width follows from what is in
    /// front of it, up to another tab or the begin of the line.
    fn erase_tab(&mut self, k: &mut Kernel<'_>, at: u32) {
        let tty = self.tty;
        let (mut width, mut at) = (k.ttys[tty].line_column, at);
        while at != k.ttys[tty].line_end {
            at = at.wrapping_sub(1);
            let byte = queue::byte(k, tty, at);
            if byte == b'\t' {
                width = width.wrapping_sub(k.ttys[tty].line_column);
                break;
            } else if is_control(byte) {
                width += if self.lflag(k, local::ECHOCTL) { 2 } else { 0 };
            } else if !is_continuation(k, tty, byte) {
                width += 1;
            }
        }
        for _ in 0..8 - width % 8 {
            self.echo.put(k, tty, BACKSPACE);
            k.ttys[tty].column = k.ttys[tty].column.saturating_sub(1);
        }
    }
}

/// Whether a byte belongs to a word: letters and digits of ISO 8859-1 (as in the kernel's tables,
/// where any lead byte of UTF-8 but 0xd7 counts) and the underscore.
const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || (byte >= 0xc0 && byte != 0xd7 && byte != 0xf7)
}
