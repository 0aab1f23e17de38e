//! Opening FIFOs (`fifo(7)`).
//!
//! An open FIFO is a pipe that belongs to a node. A task that waits for the other side to be opened
//! is found by what its system call remembers, so that nothing is left behind when a signal ends the
//! wait. It counts as having the FIFO open, since the other side may open, write and close before
//! it runs again.

use super::pipe::{create, destroy, free_if_unused, has_readers, has_writers, is_used};
use crate::abi::fcntl::O_NONBLOCK;
use crate::file::kind;
use crate::image::Kernel;
use crate::process::NO_CALL;
use crate::vfs::Node;
use crate::{Block, Channel, Errno};

/// In `call_state[0]` of a task that waits in open(2) of a FIFO: this, the side, and the pipe.
const OPENING: u64 = 0xf1f0 << 48;
pub(super) const READER: u64 = 0;
pub(super) const WRITER: u64 = 1;

const fn opener(pipe: usize, side: u64) -> u64 {
    OPENING | side << 32 | pipe as u64
}

/// Whether a task waits to open this side, or has been let in and not run since.
pub(super) fn has_opener(k: &Kernel<'_>, pipe: usize, side: u64) -> bool {
    let end = k.header.task_end as usize;
    let mark = opener(pipe, side);
    k.tasks[..end].iter().any(|t| t.state != 0 && t.call != NO_CALL && t.call_state[0] == mark)
}

/// Lets the tasks in that wait to open this side.
fn admit(k: &mut Kernel<'_>, pipe: usize, side: u64) {
    let end = k.header.task_end as usize;
    let mark = opener(pipe, side);
    for t in &mut k.tasks[..end] {
        if t.state != 0 && t.call != NO_CALL && t.call_state[0] == mark {
            t.call_state[1] = 1;
        }
    }
}

/// Opens the FIFO at `node` with the access mode and O_NONBLOCK of `flags`, and returns the kind and
/// object of the open file. Without O_NONBLOCK, it sleeps until the other side is open too.
pub fn open_fifo(k: &mut Kernel<'_>, node: Node, flags: u32) -> Result<(u32, u32), Block> {
    let found = k.pipes.iter().position(|pipe| pipe.used != 0 && pipe.node == node.0);
    let pipe = match found {
        Some(pipe) if is_used(k, pipe) => pipe,
        // All its openers gave up waiting because of a signal.
        Some(pipe) => {
            destroy(k, pipe);
            create(k, node.0)?
        }
        None => create(k, node.0)?,
    };
    let result = open_side(k, pipe, flags);
    if !matches!(result, Err(Block::Sleep(..))) {
        let task = k.current();
        if k.tasks[task].call_state[0] & OPENING == OPENING {
            k.tasks[task].call_state = [0; 2];
        }
        free_if_unused(k, pipe);
    }
    result.map(|kind| (kind, pipe as u32))
}

fn open_side(k: &mut Kernel<'_>, pipe: usize, flags: u32) -> Result<u32, Block> {
    let task = k.current();
    let admitted = k.tasks[task].call_state[1] != 0;
    let mut enter = |side: u64| {
        let mark = opener(pipe, side);
        let t = &mut k.tasks[task];
        if t.call_state[0] == mark && admitted {
            return Ok(());
        }
        if t.call_state[0] == mark {
            t.call_state = [0; 2];
        }
        let has_peer = if side == READER { has_writers(k, pipe) } else { has_readers(k, pipe) };
        if has_peer {
            return Ok(());
        }
        if flags & O_NONBLOCK != 0 {
            if side == WRITER {
                return Err(Errno::ENXIO.into());
            }
            k.pipes[pipe].quiet = k.pipes[pipe].writer_opens.wrapping_add(1);
            return Ok(());
        }
        k.tasks[task].call_state = [mark, 0];
        Err(Block::Sleep(Channel::Pipe(pipe as u32), None))
    };
    let kind = match flags & 3 {
        0 => {
            enter(READER)?;
            k.pipes[pipe].readers += 1;
            admit(k, pipe, WRITER);
            kind::PIPE_READ
        }
        1 => {
            enter(WRITER)?;
            k.pipes[pipe].writers += 1;
            admit(k, pipe, READER);
            kind::PIPE_WRITE
        }
        _ => {
            k.pipes[pipe].readers += 1;
            k.pipes[pipe].writers += 1;
            admit(k, pipe, READER);
            admit(k, pipe, WRITER);
            kind::PIPE_BOTH
        }
    };
    if kind != kind::PIPE_READ {
        k.pipes[pipe].writer_opens = k.pipes[pipe].writer_opens.wrapping_add(1);
    }
    k.wake(Channel::Pipe(pipe as u32));
    Ok(kind)
}

/// Frees a FIFO whose only openers gave up waiting because of a signal.
pub(super) fn reclaim(k: &mut Kernel<'_>) -> Option<usize> {
    let unused = |&pipe: &usize| k.pipes[pipe].node != 0 && !is_used(k, pipe);
    let pipe = (0..k.pipes.len()).find(unused)?;
    destroy(k, pipe);
    Some(pipe)
}
