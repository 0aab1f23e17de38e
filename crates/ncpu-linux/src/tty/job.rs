//! Sessions, foreground groups, and hang-up (`credentials(7)`, "Process group and session").

use super::device;
use crate::abi::termios::WindowSize;
use crate::image::Kernel;
use crate::process::{ALIVE, group};
use crate::signal::{
    Info, SIG_IGN, SIGCONT, SIGHUP, SIGTTIN, SIGTTOU, SIGWINCH, send_group, send_process,
};
use crate::{Block, Errno};

/// Whether `process` leads its session.
pub(super) fn is_leader(k: &Kernel<'_>, process: usize) -> bool {
    k.processes[process].session == k.processes[process].pid
}

/// Makes the terminal the controlling one of a session, with the group of `process` in front.
pub(super) fn adopt(k: &mut Kernel<'_>, process: usize, tty: usize) {
    let p = &mut k.processes[process];
    p.terminal = tty as u32 + 1;
    (k.ttys[tty].session, k.ttys[tty].group) = (p.session, p.group);
}

/// What opening a terminal without O_NOCTTY does.
pub(super) fn adopt_if_leader(k: &mut Kernel<'_>, tty: usize) {
    let process = k.current_process();
    if is_leader(k, process) && k.processes[process].terminal == 0 && k.ttys[tty].session == 0 {
        adopt(k, process, tty);
    }
}

/// Takes the terminal away from all processes of its session.
pub(super) fn forget(k: &mut Kernel<'_>, tty: usize) {
    for p in k.processes.iter_mut().filter(|p| p.terminal == tty as u32 + 1) {
        p.terminal = 0;
    }
    (k.ttys[tty].session, k.ttys[tty].group) = (0, 0);
}

/// Whether the calling process may read from the terminal now: a background process gets SIGTTIN,
/// or EIO when that would not stop it.
pub(super) fn check_read(k: &mut Kernel<'_>, tty: usize) -> Result<(), Block> {
    check(k, tty, SIGTTIN)
}

/// Whether the calling process may change the terminal now: a background process gets SIGTTOU
/// unless it ignores or blocks it.
pub(super) fn check_change(k: &mut Kernel<'_>, tty: usize) -> Result<(), Block> {
    check(k, tty, SIGTTOU)
}

fn check(k: &mut Kernel<'_>, tty: usize, signal: u32) -> Result<(), Block> {
    let process = k.current_process();
    let p = &k.processes[process];
    let foreground = k.ttys[tty].group;
    if p.terminal != tty as u32 + 1 || foreground == 0 || p.group == foreground {
        return Ok(());
    }
    let own = p.group;
    let is_blocked = k.tasks[k.current()].blocked >> (signal - 1) & 1 != 0;
    if is_blocked || p.actions[signal as usize - 1].handler == SIG_IGN {
        return if signal == SIGTTIN { Err(Errno::EIO.into()) } else { Ok(()) };
    }
    if group::is_orphaned(k, own, None) {
        return Err(Errno::EIO.into());
    }
    send_group(k, own, Info::kernel(signal));
    Err(Block::Interrupted)
}

/// Sends a signal to the foreground group.
pub(super) fn signal_foreground(k: &mut Kernel<'_>, tty: usize, signal: u32) {
    let group = k.ttys[tty].group;
    if group != 0 {
        send_group(k, group, Info::kernel(signal));
    }
}

/// Sets the window size; the foreground group gets SIGWINCH when it changes.
pub(super) fn resize(k: &mut Kernel<'_>, tty: usize, window: WindowSize) {
    if k.ttys[tty].window != window {
        k.ttys[tty].window = window;
        signal_foreground(k, tty, SIGWINCH);
    }
}

/// Cuts the line: open files are dead from now on, the session leader and the foreground group get
/// SIGHUP and SIGCONT, and the session loses its terminal.
pub(super) fn hang_up(k: &mut Kernel<'_>, tty: usize) {
    let (session, foreground) = (k.ttys[tty].session, k.ttys[tty].group);
    k.ttys[tty].hangups = k.ttys[tty].hangups.wrapping_add(1);
    k.ttys[tty].stopped = 0;
    super::queue::clear(k, tty);
    if session != 0 {
        for process in 0..k.processes.len() {
            let p = &k.processes[process];
            if p.state == ALIVE && p.pid == session && p.session == session {
                send_process(k, process, Info::kernel(SIGHUP));
                send_process(k, process, Info::kernel(SIGCONT));
            }
        }
        if foreground != 0 {
            send_group(k, foreground, Info::kernel(SIGHUP));
        }
    }
    forget(k, tty);
    super::wake(k, tty, 0);
    super::wake(k, tty, 1);
}

/// What the end of the session leader `process` (index) does to its controlling terminal: the
/// foreground group gets SIGHUP, and the session loses the terminal. Nothing when it is no leader.
pub fn leader_exits(k: &mut Kernel<'_>, process: usize) {
    if is_leader(k, process) {
        disassociate(k, process, true);
    }
}

/// Parts a session from its terminal, because the leader ends or gives it up (TIOCNOTTY).
pub(super) fn disassociate(k: &mut Kernel<'_>, process: usize, is_exit: bool) {
    let Some(tty) = k.processes[process].terminal.checked_sub(1) else { return };
    let tty = tty as usize % super::TERMINALS;
    signal_foreground(k, tty, SIGHUP);
    if !is_exit {
        signal_foreground(k, tty, SIGCONT);
    }
    forget(k, tty);
    super::wake(k, tty, 0);
}

/// Device number (`st_rdev`) of the controlling terminal of a process (index), 0 for none.
pub fn controlling_device(k: &Kernel<'_>, process: usize) -> u32 {
    k.processes[process].terminal.checked_sub(1).map_or(0, device)
}

/// Foreground process group of the controlling terminal of a process (index), -1 for none.
pub fn controlling_group(k: &Kernel<'_>, process: usize) -> i32 {
    match k.processes[process].terminal.checked_sub(1) {
        Some(tty) => k.ttys[tty as usize % super::TERMINALS].group as i32,
        None => -1,
    }
}
