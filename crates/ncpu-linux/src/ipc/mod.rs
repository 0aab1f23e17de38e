//! Pipes, event, timer and signal descriptors, epoll, poll, inotify, System V IPC.
//!
//! Each kind of open file has the functions `read`, `write`, `poll`, `ioctl` and `close` that
//! [`crate::file`] calls. A transfer that has to sleep in the middle adds what it has moved to the
//! task's `call_progress` and sleeps; on the next try the caller starts behind those bytes and adds
//! them to the result.
//!
//! There are no wait queues: who changes a state wakes its [`crate::Channel`], and what polls sleeps
//! on [`crate::Channel::Any`] and looks at all its files again.

pub mod epoll;
pub mod eventfd;
mod fifo;
pub mod inotify;
pub mod pipe;
pub mod poll;
pub mod signalfd;
pub mod sysv;
pub mod timerfd;

use crate::abi::fcntl::O_CLOEXEC;
use crate::file::{self, FdTable};
use crate::image::Kernel;
use crate::{Errno, SysResult};

/// A new open file of this kind with one reference.
fn new_file(k: &mut Kernel<'_>, kind: u32, flags: u32, object: u32) -> Result<usize, Errno> {
    let file = file::alloc(k)?;
    let f = &mut k.files[file];
    (f.kind, f.flags, f.object) = (kind, flags, object);
    Ok(file)
}

/// Gives a new open file a descriptor, or drops it.
fn install(k: &mut Kernel<'_>, file: usize, flags: u32) -> SysResult {
    match file::install(k, file, flags & O_CLOEXEC != 0, 0) {
        Ok(fd) => Ok(fd as u64),
        Err(errno) => {
            file::release(k, file);
            Err(errno.into())
        }
    }
}

/// Takes a descriptor that was just installed away again.
fn uninstall(k: &mut Kernel<'_>, fd: i32) {
    let table = k.processes[k.current_process()].fd_table as usize;
    let Some(entry) = k.fd_tables[table].entries.get_mut(fd as usize) else { return };
    let number = core::mem::take(entry) & !FdTable::CLOSE_ON_EXEC;
    if number != 0 {
        file::release(k, number as usize - 1);
    }
}
