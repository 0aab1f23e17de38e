//! Terminals and the console.
//!
//! A [`Tty`] is a terminal with its line discipline: the console ([`console`], index 0) or the slave
//! side of a pseudo-terminal. Its index is its number in `/dev/pts`.
//!
//! ```text
//! host or master --> discipline --> input queue --> read
//!                        | echo
//! host or master <-- output <----------------------- write
//! ```
//!
//! [`discipline`] edits and queues input, [`output`] processes output, [`queue`] is what programs
//! read from, [`pty`] is the master's side, [`job`] is sessions, groups and hang-up, and [`control`]
//! is ioctl(2).

pub mod console;
mod control;
mod discipline;
mod job;
mod output;
mod pty;
mod queue;

pub use control::ioctl;
pub use job::{controlling_device, controlling_group, leader_exits};

use crate::abi::fcntl::{O_ACCMODE, O_NOCTTY, O_NONBLOCK, O_WRONLY};
use crate::abi::poll::{EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLPRI, EPOLLRDNORM, EPOLLWRNORM};
use crate::abi::termios::{Termios, WindowSize};
use crate::file::kind;
use crate::image::{Kernel, Record};
use crate::rom::makedev;
use crate::user::{Dest, Source};
use crate::{Block, Channel, Errno, SysResult};
use ncpu_machine::Ppn;

/// Terminals that a machine can have.
pub const TERMINALS: usize = 64;
/// Major number of `/dev/pts/N`.
const PTS_MAJOR: u32 = 136;

/// A terminal.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Tty {
    /// 0 free, 1 the console, 2 a pseudo-terminal.
    pub used: u32,
    /// Whether the master side is open (always, for the console).
    pub master_open: u32,
    /// Open files of the slave side.
    pub slaves: u32,
    /// Whether the slave side was open once and is not any more.
    pub slave_closed: u32,
    /// Whether the slave side cannot be opened (TIOCSPTLCK).
    pub locked: u32,
    /// TIOCEXCL.
    pub exclusive: u32,
    /// Times that it was hung up; files that were opened before are dead.
    pub hangups: u32,
    /// Session that it controls, 0 for none.
    pub session: u32,
    /// Foreground process group, 0 for none.
    pub group: u32,
    /// Whether output is stopped (STOP character, TCOOFF).
    pub stopped: u32,
    /// Attributes.
    pub termios: Termios,
    /// Rows, columns, and both in pixels.
    pub window: WindowSize,
    /// Page of the input queue, a ring.
    pub input: u32,
    /// Page of the bits that mark ends of lines in it.
    pub marks: u32,
    /// Bytes ever put into the input queue, less those erased.
    pub head: u32,
    /// Bytes ever read from it.
    pub tail: u32,
    /// End of the last complete line in it.
    pub line_end: u32,
    /// Whether the next character is taken literally.
    pub literal: u32,
    /// Whether the echo is inside a `\.../` of ECHOPRT.
    pub erasing: u32,
    /// Column of the cursor.
    pub column: u32,
    /// Column where the line that is edited began.
    pub line_column: u32,
    /// Pages of what the master reads, a ring; allocated on first use.
    pub output: [u32; output::PAGES],
    /// Bytes ever put into that ring.
    pub written: u32,
    /// Bytes ever read from it.
    pub taken: u32,
    /// Whether the master is in packet mode (TIOCPKT).
    pub packet: u32,
    /// TIOCPKT_* events for the master.
    pub packet_events: u32,
    /// Changes that make the slave, and the master, readable or writable, for edge-triggered epoll.
    pub activity: [u32; 2],
    /// Keeps the record free of padding.
    pub reserved: u32,
}

// SAFETY: integers only.
unsafe impl Record for Tty {}

fn index_of(k: &Kernel<'_>, file: usize) -> usize {
    k.files[file].object as usize % TERMINALS
}

fn is_master(k: &Kernel<'_>, file: usize) -> bool {
    k.files[file].kind == kind::PTY_MASTER
}

/// Whether the terminal was hung up after the file was opened.
fn is_dead(k: &Kernel<'_>, file: usize) -> bool {
    k.files[file].state[0] != u64::from(k.ttys[index_of(k, file)].hangups)
}

/// Tells everybody who waits for the terminal that something has changed: input for the slave
/// (0), output for the master (1).
fn wake(k: &mut Kernel<'_>, tty: usize, side: usize) {
    k.ttys[tty].activity[side] = k.ttys[tty].activity[side].wrapping_add(1);
    k.wake(Channel::Tty(tty as u32));
}

fn create(k: &mut Kernel<'_>, tty: usize, used: u32) -> Result<(), Errno> {
    let input = k.mem.alloc().ok_or(Errno::ENOMEM)?;
    let Some(marks) = k.mem.alloc() else {
        k.mem.release(input);
        return Err(Errno::ENOMEM);
    };
    let window = if used == 1 { k.ttys[tty].window } else { [0; 4] };
    k.ttys[tty] = Tty {
        used,
        master_open: 1,
        termios: Termios::STANDARD,
        window,
        input: input.0,
        marks: marks.0,
        ..Tty::default()
    };
    Ok(())
}

fn destroy(k: &mut Kernel<'_>, tty: usize) {
    let t = k.ttys[tty];
    for page in [t.input, t.marks].iter().chain(&t.output) {
        if *page != 0 {
            k.mem.release(Ppn(*page));
        }
    }
    k.ttys[tty] = Tty::default();
}

/// Makes the console terminal on first use.
fn ensure_console(k: &mut Kernel<'_>) {
    if k.header.console_flags & console::TERMINAL != 0 && k.ttys[console::INDEX].used == 0 {
        // Without memory it is tried again at the next use.
        let _ = create(k, console::INDEX, 1);
    }
}

/// Opens `/dev/ptmx`: makes a pseudo-terminal and sets the kind and object of `file`.
pub fn open_master(k: &mut Kernel<'_>, file: usize) -> Result<(), Errno> {
    let is_console = |tty| tty == console::INDEX && k.header.console_flags & console::TERMINAL != 0;
    let tty = (0..k.ttys.len())
        .find(|&tty| k.ttys[tty].used == 0 && !is_console(tty))
        .ok_or(Errno::ENOSPC)?;
    create(k, tty, 2)?;
    k.ttys[tty].locked = 1;
    let f = &mut k.files[file];
    (f.kind, f.object, f.state[0]) = (kind::PTY_MASTER, tty as u32, 0);
    Ok(())
}

/// Opens `/dev/pts/N` with the flags of open(2); without O_NOCTTY it may become the controlling
/// terminal.
pub fn open_slave(k: &mut Kernel<'_>, file: usize, number: u32, flags: u32) -> Result<(), Errno> {
    ensure_console(k);
    let tty = number as usize;
    if !pts_exists(k, number) || k.ttys[tty].used == 0 {
        return Err(Errno::ENXIO);
    }
    if k.ttys[tty].locked != 0 {
        return Err(Errno::EIO);
    }
    let root = k.processes[k.current_process()].credentials.uid[1] == 0;
    if k.ttys[tty].exclusive != 0 && !root {
        return Err(Errno::EBUSY);
    }
    let hangups = u64::from(k.ttys[tty].hangups);
    let f = &mut k.files[file];
    (f.kind, f.object, f.device) = (kind::TTY, number, device(number));
    f.state[0] = hangups;
    let t = &mut k.ttys[tty];
    t.slaves += 1;
    t.slave_closed = 0;
    // Only a file that can be read makes a controlling terminal.
    if flags & O_NOCTTY == 0 && flags & O_ACCMODE != O_WRONLY {
        job::adopt_if_leader(k, tty);
    }
    Ok(())
}

/// Opens `/dev/tty`: the controlling terminal of the calling process.
pub fn open_controlling(k: &mut Kernel<'_>, file: usize) -> Result<(), Errno> {
    let terminal = k.processes[k.current_process()].terminal;
    let number = terminal.checked_sub(1).ok_or(Errno::ENXIO)?;
    // The lock and TIOCEXCL are for new users of the terminal.
    let tty = number as usize % TERMINALS;
    let (locked, exclusive) = (k.ttys[tty].locked, k.ttys[tty].exclusive);
    (k.ttys[tty].locked, k.ttys[tty].exclusive) = (0, 0);
    let result = open_slave(k, file, number, O_NOCTTY);
    (k.ttys[tty].locked, k.ttys[tty].exclusive) = (locked, exclusive);
    result
}

/// Opens `/dev/console`, which never becomes a controlling terminal by that. EIO when the standard
/// streams are no terminal.
pub fn open_console(k: &mut Kernel<'_>, file: usize, flags: u32) -> Result<(), Errno> {
    if k.header.console_flags & console::TERMINAL == 0 {
        return Err(Errno::EIO);
    }
    k.files[file].flags |= flags & O_ACCMODE;
    open_slave(k, file, console::INDEX as u32, flags | O_NOCTTY)
}

/// Whether `/dev/pts/N` exists.
pub fn pts_exists(k: &Kernel<'_>, number: u32) -> bool {
    let is_console =
        number as usize == console::INDEX && k.header.console_flags & console::TERMINAL != 0;
    is_console || k.ttys.get(number as usize).is_some_and(|t| t.used != 0 && t.master_open != 0)
}

/// Device number of terminal `number` (`st_rdev` of `/dev/pts/N`).
pub const fn device(number: u32) -> u32 {
    makedev(PTS_MAJOR, number)
}

/// Reads from a terminal or from the master of a pseudo-terminal.
pub fn read(k: &mut Kernel<'_>, file: usize, dest: &mut Dest<'_>) -> SysResult {
    let tty = index_of(k, file);
    if is_master(k, file) {
        return pty::read(k, file, tty, dest);
    }
    if is_dead(k, file) {
        return Ok(0);
    }
    job::check_read(k, tty)?;
    queue::read(k, file, tty, dest)
}

/// Writes to a terminal or to the master of a pseudo-terminal.
pub fn write(k: &mut Kernel<'_>, file: usize, source: &mut Source<'_>) -> SysResult {
    let tty = index_of(k, file);
    if is_master(k, file) {
        return pty::write(k, file, tty, source);
    }
    if is_dead(k, file) {
        return Err(Errno::EIO.into());
    }
    if k.ttys[tty].termios.lflag & crate::abi::termios::local::TOSTOP != 0 {
        job::check_change(k, tty)?;
    }
    output::write(k, file, tty, source)
}

/// What a write returns that has to wait with `total` bytes moved in this try.
fn wait_to_write(k: &mut Kernel<'_>, file: usize, total: u64, channel: Channel) -> SysResult {
    let task = k.current();
    if k.files[file].flags & O_NONBLOCK != 0 {
        let begun = total != 0 || k.tasks[task].call_progress != 0;
        return if begun { Ok(total) } else { Err(Errno::EAGAIN.into()) };
    }
    k.tasks[task].call_progress += total;
    Err(Block::Sleep(channel, None))
}

/// Ready events.
pub fn poll(k: &mut Kernel<'_>, file: usize) -> u32 {
    let tty = index_of(k, file);
    let t = &k.ttys[tty];
    let mut events = 0;
    if is_master(k, file) {
        if t.written != t.taken {
            events |= EPOLLIN | EPOLLRDNORM;
        }
        if t.packet != 0 && t.packet_events != 0 {
            events |= EPOLLIN | EPOLLRDNORM | EPOLLPRI;
        }
        if t.slave_closed != 0 {
            events |= EPOLLHUP;
        }
        if discipline::room(k, tty) != 0 {
            events |= EPOLLOUT | EPOLLWRNORM;
        }
        return events;
    }
    if is_dead(k, file) {
        return EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLRDNORM | EPOLLWRNORM;
    }
    if queue::is_readable(k, tty) {
        events |= EPOLLIN | EPOLLRDNORM;
    }
    if t.stopped == 0 && output::room(k, tty) != 0 {
        events |= EPOLLOUT | EPOLLWRNORM;
    }
    events
}

/// The last reference to the open file is gone.
pub fn close(k: &mut Kernel<'_>, file: usize) {
    let tty = index_of(k, file);
    if is_master(k, file) {
        k.ttys[tty].master_open = 0;
        job::hang_up(k, tty);
    } else {
        let t = &mut k.ttys[tty];
        t.slaves = t.slaves.saturating_sub(1);
        t.slave_closed = u32::from(t.slaves == 0);
    }
    let t = &k.ttys[tty];
    if t.used == 2 && t.master_open == 0 && t.slaves == 0 {
        job::forget(k, tty);
        destroy(k, tty);
    }
    wake(k, tty, 0);
    wake(k, tty, 1);
}
