//! The master side of a pseudo-terminal (`pty(7)`).

use super::{discipline, output};
use crate::abi::fcntl::O_NONBLOCK;
use crate::image::Kernel;
use crate::scratch::{Scratch, zeroed};
use crate::user::{Dest, Source};
use crate::{Block, Channel, Errno, SysResult};

/// Packet mode: the input queue was flushed.
pub(super) const FLUSH_READ: u32 = 1;
/// Packet mode: the output queue was flushed.
pub(super) const FLUSH_WRITE: u32 = 2;

const CHUNK: usize = 512;

/// Reports an event to a master in packet mode.
pub(super) fn report(k: &mut Kernel<'_>, tty: usize, events: u32) {
    if k.ttys[tty].packet != 0 {
        k.ttys[tty].packet_events |= events;
        super::wake(k, tty, 1);
    }
}

/// Reads what was written to the terminal; EIO once the other side is closed.
pub(super) fn read(k: &mut Kernel<'_>, file: usize, tty: usize, dest: &mut Dest<'_>) -> SysResult {
    if dest.room() == 0 {
        return Ok(0);
    }
    let packet = k.ttys[tty].packet != 0;
    if packet && k.ttys[tty].packet_events != 0 {
        let events = core::mem::take(&mut k.ttys[tty].packet_events);
        dest.put(k, &[events as u8])?;
        return Ok(1);
    }
    let t = &k.ttys[tty];
    if t.written == t.taken {
        if t.slave_closed != 0 {
            return Err(Errno::EIO.into());
        }
        if k.files[file].flags & O_NONBLOCK != 0 {
            return Err(Errno::EAGAIN.into());
        }
        return Err(Block::Sleep(Channel::Tty(tty as u32), None));
    }
    let mut total = 0;
    if packet {
        // TIOCPKT_DATA.
        dest.put(k, &[0])?;
        total += 1;
    }
    let mut scratch = Scratch::<{ CHUNK / 8 }>::uninit();
    let buffer = zeroed(&mut scratch);
    while dest.room() != 0 {
        let len = dest.room().min(CHUNK as u64) as usize;
        let before = k.ttys[tty].taken;
        let len = output::receive(k, tty, &mut buffer[..len]);
        if len == 0 {
            break;
        }
        if let Err(errno) = dest.put(k, &buffer[..len]) {
            k.ttys[tty].taken = before;
            if total == 0 {
                return Err(errno.into());
            }
            break;
        }
        total += len as u64;
    }
    super::wake(k, tty, 0);
    Ok(total)
}

/// Types bytes into the terminal; sleeps while its input queue is full.
pub(super) fn write(
    k: &mut Kernel<'_>,
    file: usize,
    tty: usize,
    source: &mut Source<'_>,
) -> SysResult {
    let mut scratch = Scratch::<{ CHUNK / 8 }>::uninit();
    let buffer = zeroed(&mut scratch);
    let mut total = 0;
    while source.left() != 0 {
        if k.ttys[tty].slave_closed != 0 {
            return if total != 0 { Ok(total) } else { Err(Errno::EIO.into()) };
        }
        let len = source.left().min(CHUNK as u64).min(discipline::room(k, tty) as u64) as usize;
        if len == 0 {
            return super::wait_to_write(k, file, total, Channel::Tty(tty as u32));
        }
        match source.take(k, &mut buffer[..len]) {
            Ok(()) => {}
            Err(_) if total != 0 => break,
            Err(errno) => return Err(errno.into()),
        }
        discipline::receive(k, tty, &buffer[..len]);
        total += len as u64;
    }
    Ok(total)
}
