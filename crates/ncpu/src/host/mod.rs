//! What a machine sees of this process.
//!
//! - [`streams`]   standard streams that are files, pipes, or a terminal that stays as it is
//! - [`terminal`]  the user's terminal, handed to the guest

mod streams;
mod terminal;

pub(crate) use streams::{Streams, Tape};
pub(crate) use terminal::{Interruption, Terminal};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::BorrowedFd;
use rustix::fs::{FileType, SeekFrom, fstat, seek};
use rustix::io::Errno;
use std::io;
use std::time::{Duration, Instant};

/// Whether standard input is a terminal.
pub(crate) fn stdin_is_terminal() -> bool {
    rustix::termios::isatty(rustix::stdio::stdin())
}

/// Moves standard input past `taken` bytes that a machine has had already, if it is a regular file at
/// its start. Of anything else, only what comes next can be had.
pub(crate) fn skip_input(taken: u64) -> io::Result<()> {
    let stdin = rustix::stdio::stdin();
    let is_file = fstat(stdin).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_file());
    if is_file && seek(stdin, SeekFrom::Current(0))? == 0 {
        seek(stdin, SeekFrom::Start(taken))?;
    }
    Ok(())
}

/// Waits until something is ready, at most for `wait`; `false` when that is over, or when a signal
/// came.
fn wait_for(fds: &mut [PollFd<'_>], wait: Option<Duration>) -> io::Result<bool> {
    let limit = wait.and_then(|wait| Timespec::try_from(wait).ok());
    match poll(fds, limit.as_ref()) {
        Ok(count) => Ok(count != 0),
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Waits until `fd` is readable, at most until `deadline`.
fn readable(fd: BorrowedFd<'_>, deadline: Option<Instant>) -> io::Result<bool> {
    loop {
        let wait = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        if wait_for(&mut [PollFd::new(&fd, PollFlags::IN)], wait)? {
            return Ok(true);
        }
        if wait.is_some_and(|wait| wait.is_zero()) {
            return Ok(false);
        }
    }
}

/// Writes all bytes, also to a stream that someone has made non-blocking. `interrupted` is asked
/// when a signal came.
fn write_all(
    fd: BorrowedFd<'_>,
    mut bytes: &[u8],
    mut interrupted: impl FnMut() -> io::Result<()>,
) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(fd, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR) => interrupted()?,
            Err(Errno::AGAIN) => {
                if !wait_for(&mut [PollFd::new(&fd, PollFlags::OUT)], None)? {
                    interrupted()?;
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The descriptor for the guest's standard output (1) or error (2).
fn stream(number: u8) -> BorrowedFd<'static> {
    if number == 2 { rustix::stdio::stderr() } else { rustix::stdio::stdout() }
}
