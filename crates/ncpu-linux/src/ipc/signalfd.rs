//! Signals as records (`signalfd(2)`).
//!
//! The set of signals is `state[0]` of the open file. Whoever reads gets its own signals, whatever
//! process made the descriptor.

use super::{install, new_file};
use crate::abi::fcntl::{O_CLOEXEC, O_NONBLOCK, O_RDWR};
use crate::abi::poll::EPOLLIN;
use crate::file::{self, kind};
use crate::image::Kernel;
use crate::signal::{self, Info, KERNEL_ONLY};
use crate::user::{Dest, Source};
use crate::{Block, Channel, Errno, SysResult};

/// Bytes of `struct signalfd_siginfo`.
const BYTES: usize = 128;

/// signalfd4(2).
pub fn signalfd4(k: &mut Kernel<'_>, fd: i32, mask: u64, size: u64, flags: u32) -> SysResult {
    if size != 8 {
        return Err(Errno::EINVAL.into());
    }
    let mask: u64 = k.read_record(mask)?;
    if flags & !(O_CLOEXEC | O_NONBLOCK) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let mask = mask & !KERNEL_ONLY;
    if fd == -1 {
        let file = new_file(k, kind::SIGNAL, O_RDWR | flags & O_NONBLOCK, 0)?;
        k.files[file].state[0] = mask;
        return install(k, file, flags);
    }
    let file = file::get(k, fd)?;
    match k.files[file].kind {
        kind::SIGNAL => {}
        kind::PATH => return Err(Errno::EBADF.into()),
        _ => return Err(Errno::EINVAL.into()),
    }
    k.files[file].state[0] = mask;
    let process = k.current_process() as u32;
    k.wake(Channel::Signal(process));
    Ok(fd as u64)
}

/// `struct signalfd_siginfo` of a signal, from its `siginfo_t`.
fn record(info: &Info) -> [u8; BYTES] {
    let details = info.to_user();
    let mut out = [0; BYTES];
    let mut copy = |to: usize, from: usize, len: usize| {
        out[to..to + len].copy_from_slice(&details[from..from + len]);
    };
    // Signal, error, code.
    copy(0, 0, 4);
    copy(4, 4, 4);
    copy(8, 8, 4);
    match (info.code, info.signal) {
        (signal::SI_TIMER, _) => {
            // Timer, overrun, value as a number and as a pointer.
            copy(24, 16, 4);
            copy(32, 20, 4);
            copy(44, 24, 4);
            copy(48, 24, 8);
        }
        (1.., signal::SIGIO) => {
            // Events, descriptor.
            copy(28, 16, 4);
            copy(20, 24, 4);
        }
        (1..signal::SI_KERNEL, number) if signal::SYNCHRONOUS & signal::bit(number) != 0 => {
            copy(72, 16, 8);
        }
        (code, number) => {
            // Process and user.
            copy(12, 16, 4);
            copy(16, 20, 4);
            if number == signal::SIGCHLD && code > 0 {
                // Exit status, user time, system time.
                copy(40, 24, 4);
                copy(56, 32, 8);
                copy(64, 40, 8);
            } else if code < 0 {
                copy(44, 24, 4);
                copy(48, 24, 8);
            }
        }
    }
    out
}

/// Takes pending signals of the set, as many as fit; sleeps until there is one.
pub fn read(k: &mut Kernel<'_>, file: usize, dest: &mut Dest<'_>) -> SysResult {
    if dest.room() < BYTES as u64 {
        return Err(Errno::EINVAL.into());
    }
    let (task, mask) = (k.current(), k.files[file].state[0]);
    let mut total = 0;
    while dest.room() >= BYTES as u64 {
        let Some(info) = signal::dequeue(k, task, mask) else { break };
        match dest.put(k, &record(&info)) {
            Ok(()) => total += BYTES as u64,
            Err(_) if total != 0 => break,
            Err(errno) => return Err(errno.into()),
        }
    }
    if total != 0 {
        return Ok(total);
    }
    if k.files[file].flags & O_NONBLOCK != 0 {
        return Err(Errno::EAGAIN.into());
    }
    Err(Block::Sleep(Channel::Signal(k.current_process() as u32), None))
}

/// Signals are not written.
pub fn write(_k: &mut Kernel<'_>, _file: usize, _source: &mut Source<'_>) -> SysResult {
    Err(Errno::EINVAL.into())
}

/// Ready events.
pub fn poll(k: &mut Kernel<'_>, file: usize) -> u32 {
    let t = &k.tasks[k.current()];
    let pending = t.pending | k.processes[t.process as usize].pending;
    if pending & k.files[file].state[0] != 0 { EPOLLIN } else { 0 }
}

/// ioctl(2): there is none.
pub fn ioctl(_k: &mut Kernel<'_>, _file: usize, _request: u32, _arg: u64) -> SysResult {
    Err(Errno::ENOTTY.into())
}

/// The last reference to the open file is gone; there is nothing besides it.
pub fn close(_k: &mut Kernel<'_>, _file: usize) {}
