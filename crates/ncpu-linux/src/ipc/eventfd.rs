//! Event counters (`eventfd(2)`).
//!
//! The counter is `state[0]` of the open file, the semaphore flag its `object`; `offset` counts the
//! changes, for edge-triggered epoll.

use super::{install, new_file};
use crate::abi::fcntl::{O_CLOEXEC, O_NONBLOCK, O_RDWR};
use crate::abi::poll::{EPOLLERR, EPOLLIN, EPOLLOUT};
use crate::file::kind;
use crate::image::Kernel;
use crate::user::{Dest, Source};
use crate::{Block, Channel, Errno, SysResult};

const EFD_SEMAPHORE: u32 = 1;
/// Largest counter that a write can make.
const MAX: u64 = u64::MAX - 1;

/// eventfd2(2).
pub fn eventfd2(k: &mut Kernel<'_>, count: u32, flags: u32) -> SysResult {
    if flags & !(EFD_SEMAPHORE | O_CLOEXEC | O_NONBLOCK) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let status = O_RDWR | flags & O_NONBLOCK;
    let file = new_file(k, kind::EVENT, status, flags & EFD_SEMAPHORE)?;
    k.files[file].state[0] = u64::from(count);
    install(k, file, flags)
}

fn changed(k: &mut Kernel<'_>, file: usize) {
    k.files[file].offset = k.files[file].offset.wrapping_add(1);
    k.wake(Channel::File(file as u32));
}

fn wait(k: &Kernel<'_>, file: usize) -> SysResult {
    if k.files[file].flags & O_NONBLOCK != 0 {
        return Err(Errno::EAGAIN.into());
    }
    Err(Block::Sleep(Channel::File(file as u32), None))
}

/// Reads the counter and clears it, or takes one from a semaphore.
pub fn read(k: &mut Kernel<'_>, file: usize, dest: &mut Dest<'_>) -> SysResult {
    if dest.room() < 8 {
        return Err(Errno::EINVAL.into());
    }
    let count = k.files[file].state[0];
    if count == 0 {
        return wait(k, file);
    }
    let taken = if k.files[file].object != 0 { 1 } else { count };
    k.files[file].state[0] = count - taken;
    changed(k, file);
    dest.put(k, &taken.to_le_bytes())?;
    Ok(8)
}

/// Adds to the counter; sleeps while it would overflow.
pub fn write(k: &mut Kernel<'_>, file: usize, source: &mut Source<'_>) -> SysResult {
    if source.left() < 8 {
        return Err(Errno::EINVAL.into());
    }
    let mut bytes = [0; 8];
    source.take(k, &mut bytes)?;
    let value = u64::from_le_bytes(bytes);
    if value == u64::MAX {
        return Err(Errno::EINVAL.into());
    }
    let count = k.files[file].state[0];
    if value > MAX.saturating_sub(count) {
        return wait(k, file);
    }
    k.files[file].state[0] = count + value;
    changed(k, file);
    Ok(8)
}

/// Ready events.
pub fn poll(k: &mut Kernel<'_>, file: usize) -> u32 {
    let count = k.files[file].state[0];
    let readable = if count > 0 { EPOLLIN } else { 0 };
    let writable = if count < MAX { EPOLLOUT } else { 0 };
    let overflown = if count == u64::MAX { EPOLLERR } else { 0 };
    readable | writable | overflown
}

/// ioctl(2): there is none.
pub fn ioctl(_k: &mut Kernel<'_>, _file: usize, _request: u32, _arg: u64) -> SysResult {
    Err(Errno::ENOTTY.into())
}

/// The last reference to the open file is gone; there is nothing besides it.
pub fn close(_k: &mut Kernel<'_>, _file: usize) {}
