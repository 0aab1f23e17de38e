//! ioctl(2) on terminals (`ioctl_tty(2)`).
//!
//! Attributes, window size and job control of a pseudo-terminal can be asked of either side.

use super::{index_of, is_dead, is_master, job, output, pty, queue};
use crate::abi::fcntl::{O_ACCMODE, O_WRONLY};
use crate::abi::termios::*;
use crate::image::Kernel;
use crate::{Block, Errno, SysResult};

/// TCSETS and its relatives: which fields and what happens to the queues.
#[derive(Clone, Copy)]
struct Change {
    has_speeds: bool,
    flush: bool,
}

/// ioctl(2).
pub fn ioctl(k: &mut Kernel<'_>, file: usize, request: u32, arg: u64) -> SysResult {
    let tty = index_of(k, file);
    let master = is_master(k, file);
    if !master && is_dead(k, file) {
        let errno = if request == TIOCSPGRP { Errno::ENOTTY } else { Errno::EIO };
        return Err(errno.into());
    }
    match request {
        TCGETS => {
            let termios = k.ttys[tty].termios;
            write_termios(k, arg, &termios)?;
        }
        TCGETS2 => {
            let termios = k.ttys[tty].termios;
            k.write_record(arg, &termios)?;
        }
        TCSETS | TCSETSW | TCSETSF => {
            let change = Change { has_speeds: false, flush: request == TCSETSF };
            set_termios(k, tty, master, arg, change)?;
        }
        TCSETS2 | TCSETSW2 | TCSETSF2 => {
            let change = Change { has_speeds: true, flush: request == TCSETSF2 };
            set_termios(k, tty, master, arg, change)?;
        }
        TIOCGWINSZ => {
            let [rows, columns, x, y] = k.ttys[tty].window.map(u64::from);
            k.write_record(arg, &(rows | columns << 16 | x << 32 | y << 48))?;
        }
        TIOCSWINSZ => {
            let size: u64 = k.read_record(arg)?;
            job::resize(k, tty, core::array::from_fn(|n| (size >> (16 * n)) as u16));
        }
        TCSBRK | TCSBRKP => check_change(k, tty, master)?,
        TCXONC => {
            check_change(k, tty, master)?;
            flow(k, tty, arg)?;
        }
        TCFLSH => {
            check_change(k, tty, master)?;
            flush(k, tty, master, arg)?;
        }
        FIONREAD => {
            let t = &k.ttys[tty];
            let bytes = if master {
                t.written.wrapping_sub(t.taken)
            } else {
                queue::readable_bytes(k, tty)
            };
            k.write_record(arg, &bytes)?;
        }
        // Output is on the other side as soon as it is written.
        TIOCOUTQ => k.write_record(arg, &0u32)?,
        // Feeding input to others' terminals is refused, as with `dev.tty.legacy_tiocsti` off.
        TIOCSTI => return Err(Errno::EPERM.into()),
        TIOCGETD => k.write_record(arg, &0u32)?,
        TIOCSETD => {
            if k.read_record::<u32>(arg)? != 0 {
                return Err(Errno::EINVAL.into());
            }
        }
        TIOCEXCL => k.ttys[tty].exclusive = 1,
        TIOCNXCL => k.ttys[tty].exclusive = 0,
        TIOCGEXCL => {
            let exclusive = k.ttys[tty].exclusive;
            k.write_record(arg, &exclusive)?;
        }
        TIOCGDEV => {
            // Masters are the character devices with major number 128.
            let number = tty as u32;
            let device =
                if master { crate::rom::makedev(128, number) } else { super::device(number) };
            k.write_record(arg, &device)?;
        }
        TIOCGPTN | TIOCSPTLCK | TIOCGPTLCK | TIOCPKT | TIOCGPKT | TIOCSIG if master => {
            return master_only(k, tty, request, arg);
        }
        TIOCGPGRP | TIOCSPGRP | TIOCGSID | TIOCSCTTY | TIOCNOTTY => {
            return job_control(k, file, tty, request, arg);
        }
        _ => return Err(Errno::ENOTTY.into()),
    }
    Ok(0)
}

fn check_change(k: &mut Kernel<'_>, tty: usize, master: bool) -> Result<(), Block> {
    if master { Ok(()) } else { job::check_change(k, tty) }
}

fn write_termios(k: &mut Kernel<'_>, address: u64, termios: &Termios) -> Result<(), Errno> {
    let mut bytes = [0; Termios::OLD_BYTES];
    for (at, flags) in
        [termios.iflag, termios.oflag, termios.cflag, termios.lflag].into_iter().enumerate()
    {
        bytes[4 * at..4 * at + 4].copy_from_slice(&flags.to_le_bytes());
    }
    bytes[16] = termios.line;
    bytes[17..].copy_from_slice(&termios.cc);
    k.write_user(address, &bytes)
}

fn read_termios(k: &mut Kernel<'_>, address: u64) -> Result<Termios, Errno> {
    let mut bytes = [0; Termios::OLD_BYTES];
    k.read_user(address, &mut bytes)?;
    let word =
        |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let mut termios = Termios {
        iflag: word(0),
        oflag: word(4),
        cflag: word(8),
        lflag: word(12),
        line: bytes[16],
        ..Termios::default()
    };
    termios.cc.copy_from_slice(&bytes[17..]);
    Ok(termios)
}

fn set_termios(
    k: &mut Kernel<'_>,
    tty: usize,
    master: bool,
    address: u64,
    change: Change,
) -> Result<(), Block> {
    check_change(k, tty, master)?;
    let mut new =
        if change.has_speeds { k.read_record(address)? } else { read_termios(k, address)? };
    let old = k.ttys[tty].termios;
    // The speed is what `cflag` says, unless that leaves it to the fields (BOTHER).
    match speed(new.cflag) {
        Some(speed) => (new.ispeed, new.ospeed) = (speed, speed),
        None if change.has_speeds => {}
        None => (new.ispeed, new.ospeed) = (old.ispeed, old.ospeed),
    }
    // A pseudo-terminal has eight bits and no parity (`pty_set_termios` in the kernel).
    new.cflag = new.cflag & !(0o60 | 0o400) | 0o60 | 0o200;
    if change.flush {
        queue::clear(k, tty);
    }
    k.ttys[tty].termios = new;
    if (old.lflag ^ new.lflag) & (local::ICANON | local::EXTPROC) != 0 {
        queue::change_mode(k, tty);
    }
    if old.iflag & !new.iflag & input::IXON != 0 {
        output::set_stopped(k, tty, false);
    }
    report_flow(k, tty, &old);
    super::wake(k, tty, 0);
    super::wake(k, tty, 1);
    Ok(())
}

/// Tells a master in packet mode whether the usual ^S and ^Q work now.
fn report_flow(k: &mut Kernel<'_>, tty: usize, old: &Termios) {
    const TIOCPKT_NOSTOP: u32 = 16;
    const TIOCPKT_DOSTOP: u32 = 32;
    let works = |t: &Termios| {
        t.iflag & input::IXON != 0 && t.cc[cc::VSTOP] == 0o23 && t.cc[cc::VSTART] == 0o21
    };
    let (before, after) = (works(old), works(&k.ttys[tty].termios));
    if before != after {
        k.ttys[tty].packet_events &= !(TIOCPKT_NOSTOP | TIOCPKT_DOSTOP);
        pty::report(k, tty, if after { TIOCPKT_DOSTOP } else { TIOCPKT_NOSTOP });
    }
}

/// TCXONC: suspend or resume output; send STOP or START.
fn flow(k: &mut Kernel<'_>, tty: usize, action: u64) -> Result<(), Errno> {
    let control = k.ttys[tty].termios.cc;
    match action {
        0 => output::set_stopped(k, tty, true),
        1 => output::set_stopped(k, tty, false),
        2 | 3 => {
            let byte = control[if action == 2 { cc::VSTOP } else { cc::VSTART }];
            if byte != 0 {
                output::send(k, tty, &[byte]);
                super::wake(k, tty, 1);
            }
        }
        _ => return Err(Errno::EINVAL),
    }
    Ok(())
}

/// TCFLSH: input, output or both, as this side sees them.
fn flush(k: &mut Kernel<'_>, tty: usize, master: bool, which: u64) -> Result<(), Errno> {
    let (input, output) = match which {
        0 => (true, false),
        1 => (false, true),
        2 => (true, true),
        _ => return Err(Errno::EINVAL),
    };
    let (typed, written) = if master { (output, input) } else { (input, output) };
    if typed {
        queue::clear(k, tty);
        pty::report(k, tty, pty::FLUSH_READ);
    }
    if written {
        output::clear(k, tty);
        pty::report(k, tty, pty::FLUSH_WRITE);
    }
    super::wake(k, tty, 0);
    super::wake(k, tty, 1);
    Ok(())
}

fn master_only(k: &mut Kernel<'_>, tty: usize, request: u32, arg: u64) -> SysResult {
    match request {
        TIOCGPTN => k.write_record(arg, &(tty as u32))?,
        TIOCSPTLCK => k.ttys[tty].locked = u32::from(k.read_record::<u32>(arg)? != 0),
        TIOCGPTLCK => {
            let locked = k.ttys[tty].locked;
            k.write_record(arg, &locked)?;
        }
        TIOCPKT => {
            let packet = k.read_record::<u32>(arg)? != 0;
            let t = &mut k.ttys[tty];
            if packet && t.packet == 0 {
                t.packet_events = 0;
            }
            t.packet = u32::from(packet);
        }
        TIOCGPKT => {
            let packet = k.ttys[tty].packet;
            k.write_record(arg, &packet)?;
        }
        _ => {
            if !(1..=64).contains(&arg) {
                return Err(Errno::EINVAL.into());
            }
            job::signal_foreground(k, tty, arg as u32);
        }
    }
    Ok(0)
}

fn job_control(k: &mut Kernel<'_>, file: usize, tty: usize, request: u32, arg: u64) -> SysResult {
    let process = k.current_process();
    let p = &k.processes[process];
    let (pid, session) = (p.pid, p.session);
    let is_own = p.terminal == tty as u32 + 1;
    let is_hidden = !is_master(k, file) && !is_own;
    match request {
        TIOCGPGRP => {
            if is_hidden {
                return Err(Errno::ENOTTY.into());
            }
            let group = k.ttys[tty].group;
            k.write_record(arg, &group)?;
        }
        TIOCGSID => {
            let owner = k.ttys[tty].session;
            if is_hidden || owner == 0 {
                return Err(Errno::ENOTTY.into());
            }
            k.write_record(arg, &owner)?;
        }
        TIOCSPGRP => {
            match job::check_change(k, tty) {
                Err(Block::Error(Errno::EIO)) => return Err(Errno::ENOTTY.into()),
                result => result?,
            }
            let group: i32 = k.read_record(arg)?;
            if group < 0 {
                return Err(Errno::EINVAL.into());
            }
            if !is_own || k.ttys[tty].session != session {
                return Err(Errno::ENOTTY.into());
            }
            let member = k.processes.iter().find(|p| p.state != 0 && p.group == group as u32);
            match member {
                None => return Err(Errno::ESRCH.into()),
                Some(member) if member.session != session => return Err(Errno::EPERM.into()),
                Some(_) => k.ttys[tty].group = group as u32,
            }
            // Readers that were in the background may go on.
            super::wake(k, tty, 0);
        }
        TIOCSCTTY => {
            let is_leader = session == pid;
            let owner = k.ttys[tty].session;
            if is_leader && owner == session {
                return Ok(0);
            }
            if !is_leader || k.processes[process].terminal != 0 || is_master(k, file) {
                return Err(Errno::EPERM.into());
            }
            let is_root = k.processes[process].credentials.uid[1] == 0;
            if owner != 0 {
                // Root may take it from another session.
                if arg != 1 || !is_root {
                    return Err(Errno::EPERM.into());
                }
                job::forget(k, tty);
            }
            if k.files[file].flags & O_ACCMODE == O_WRONLY && !is_root {
                return Err(Errno::EPERM.into());
            }
            job::adopt(k, process, tty);
        }
        _ => {
            if !is_own {
                return Err(Errno::ENOTTY.into());
            }
            if session == pid {
                job::disassociate(k, process, false);
            }
            k.processes[process].terminal = 0;
        }
    }
    Ok(0)
}
