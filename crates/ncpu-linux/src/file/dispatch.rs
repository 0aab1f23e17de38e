//! What an operation on an open file means for its kind.

use super::{File, device, io, kind, lock, may_read, may_write, table};
use crate::image::Kernel;
use crate::ipc::{epoll, eventfd, inotify, pipe, signalfd, timerfd};
use crate::tty::{self, console};
use crate::user::{Dest, Source};
use crate::vfs::{self, Node};
use crate::{Errno, SysResult, net};

/// EPOLLIN, EPOLLOUT, EPOLLRDNORM and EPOLLWRNORM.
const ALWAYS_READY: u32 = 0x145;
/// EPOLLNVAL.
const INVALID: u32 = 0x20;
/// EPOLLERR.
const ERROR: u32 = 8;

/// Reads from an open file, at its position or at `position`. EBADF when it is not open for reading.
pub fn read(
    k: &mut Kernel<'_>,
    file: usize,
    to: &mut Dest<'_>,
    position: Option<u64>,
) -> SysResult {
    let f = k.files[file];
    if !may_read(&f) {
        return Err(Errno::EBADF.into());
    }
    match f.kind {
        kind::REGULAR => io::read_regular(k, file, to, position),
        kind::DIRECTORY => Err(Errno::EISDIR.into()),
        kind::DEVICE => device::read(k, &f, to),
        kind::PIPE_READ | kind::PIPE_BOTH => pipe::read(k, file, to),
        kind::SOCKET => net::read(k, file, to),
        kind::TTY | kind::PTY_MASTER => tty::read(k, file, to),
        kind::HOST_INPUT => console::read(k, file, to),
        kind::EVENT => eventfd::read(k, file, to),
        kind::TIMER => timerfd::read(k, file, to),
        kind::SIGNAL => signalfd::read(k, file, to),
        kind::INOTIFY => inotify::read(k, file, to),
        kind::PIPE_WRITE | kind::HOST_OUTPUT => Err(Errno::EBADF.into()),
        _ => Err(Errno::EINVAL.into()),
    }
}

/// Writes to an open file, at its position or at `position`. EBADF when it is not open for writing.
///
/// A kind that has to wait after a part was written counts that part in the call's `call_progress`:
/// the caller skips it in the source when the call runs again and adds it to the result.
pub fn write(
    k: &mut Kernel<'_>,
    file: usize,
    from: &mut Source<'_>,
    position: Option<u64>,
) -> SysResult {
    let f = k.files[file];
    if !may_write(&f) {
        return Err(Errno::EBADF.into());
    }
    match f.kind {
        kind::REGULAR => io::write_regular(k, file, from, position),
        kind::DEVICE => device::write(k, &f, from),
        kind::PIPE_WRITE | kind::PIPE_BOTH => pipe::write(k, file, from),
        kind::SOCKET => net::write(k, file, from),
        kind::TTY | kind::PTY_MASTER => tty::write(k, file, from),
        kind::HOST_OUTPUT => console::write(k, file, from),
        kind::EVENT => eventfd::write(k, file, from),
        kind::DIRECTORY | kind::PIPE_READ | kind::HOST_INPUT => Err(Errno::EBADF.into()),
        _ => Err(Errno::EINVAL.into()),
    }
}

/// What the file is ready for, as EPOLL* bits.
pub fn poll(k: &mut Kernel<'_>, file: usize) -> u32 {
    match k.files[file].kind {
        kind::PIPE_READ | kind::PIPE_WRITE | kind::PIPE_BOTH => pipe::poll(k, file),
        kind::SOCKET => net::poll(k, file),
        kind::TTY | kind::PTY_MASTER => tty::poll(k, file),
        kind::HOST_INPUT | kind::HOST_OUTPUT => console::poll(k, file),
        kind::EVENT => eventfd::poll(k, file),
        kind::TIMER => timerfd::poll(k, file),
        kind::SIGNAL => signalfd::poll(k, file),
        kind::EPOLL => epoll::poll(k, file),
        kind::INOTIFY => inotify::poll(k, file),
        kind::PIDFD => crate::process::pidfd::poll(k, file),
        kind::PATH => INVALID,
        0 => ERROR,
        _ => ALWAYS_READY,
    }
}

/// `ioctl(2)` of the kind; ENOTTY for what it does not know.
pub fn ioctl(k: &mut Kernel<'_>, file: usize, request: u32, argument: u64) -> SysResult {
    match k.files[file].kind {
        kind::REGULAR => io::ioctl(k, file, request, argument),
        kind::DEVICE => device::ioctl(k, file, request, argument),
        kind::PIPE_READ | kind::PIPE_WRITE | kind::PIPE_BOTH => {
            pipe::ioctl(k, file, request, argument)
        }
        kind::SOCKET => net::ioctl(k, file, request, argument),
        kind::TTY | kind::PTY_MASTER => tty::ioctl(k, file, request, argument),
        kind::HOST_INPUT | kind::HOST_OUTPUT => console::ioctl(k, file, request, argument),
        kind::EVENT => eventfd::ioctl(k, file, request, argument),
        kind::TIMER => timerfd::ioctl(k, file, request, argument),
        kind::SIGNAL => signalfd::ioctl(k, file, request, argument),
        kind::EPOLL => epoll::ioctl(k, file, request, argument),
        kind::INOTIFY => inotify::ioctl(k, file, request, argument),
        _ => Err(Errno::ENOTTY.into()),
    }
}

/// Drops a reference to an open file; the last one closes it.
pub fn release(k: &mut Kernel<'_>, file: usize) {
    let Some(f) = k.files.get_mut(file) else { return };
    f.references = f.references.saturating_sub(1);
    if f.references != 0 {
        return;
    }
    let f = *f;
    lock::released(k, file);
    epoll::forget(k, file);
    close(k, file, &f);
    if f.node != 0 {
        let node = Node(f.node);
        if f.kind != kind::PATH {
            closed_event(k, node, may_write(&f));
        }
        vfs::drop_node(k, node);
    }
    table::free(k, file);
}

fn closed_event(k: &mut Kernel<'_>, node: Node, wrote: bool) {
    const CLOSE_WRITE: u32 = 8;
    const CLOSE_NOWRITE: u32 = 16;
    vfs::open::event(k, node, if wrote { CLOSE_WRITE } else { CLOSE_NOWRITE });
}

fn close(k: &mut Kernel<'_>, file: usize, f: &File) {
    match f.kind {
        kind::REGULAR => io::close_regular(k, file),
        kind::PIPE_READ | kind::PIPE_WRITE | kind::PIPE_BOTH => pipe::close(k, file),
        kind::SOCKET => net::close(k, file),
        kind::TTY => tty::close(k, file),
        kind::PTY_MASTER => {
            tty::close(k, file);
            if !tty::pts_exists(k, f.object) {
                vfs::mount::remove_terminal(k, f.object);
            }
        }
        kind::HOST_INPUT | kind::HOST_OUTPUT => console::close(k, file),
        kind::EVENT => eventfd::close(k, file),
        kind::TIMER => timerfd::close(k, file),
        kind::SIGNAL => signalfd::close(k, file),
        kind::EPOLL => epoll::close(k, file),
        kind::INOTIFY => inotify::close(k, file),
        _ => {}
    }
}
