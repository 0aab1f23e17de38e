//! poll(2) and select(2).
//!
//! Both look at all their files and sleep on any event when none is ready. The signal mask of ppoll
//! and pselect6 is installed at the first try, and taken back when the call ends.

use crate::abi::poll::{
    EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLPRI, EPOLLRDBAND, EPOLLRDNORM, EPOLLWRBAND,
    EPOLLWRNORM, POLLNVAL, PollFd,
};
use crate::file;
use crate::image::Kernel;
use crate::tty::console;
use crate::{Block, Channel, Errno, SysResult, signal, time};

const RLIMIT_NOFILE: usize = 7;

fn read_timeout(k: &mut Kernel<'_>, address: u64) -> Result<u64, Errno> {
    let timespec = k.read_record(address)?;
    time::nanoseconds(timespec)
}

/// Installs the signal mask at `address` (if not 0) for the time of the call.
pub(super) fn enter_mask(k: &mut Kernel<'_>, address: u64, size: u64) -> Result<(), Errno> {
    if address == 0 {
        return Ok(());
    }
    if size != 8 {
        return Err(Errno::EINVAL);
    }
    if k.tasks[k.current()].has_saved_mask == 0 {
        let mask = k.read_record(address)?;
        signal::set_temporary_mask(k, mask);
    }
    Ok(())
}

/// Remembers whether the call waits for input from the host. One that will not wait asks for it.
pub(super) fn note_input(
    k: &mut Kernel<'_>,
    polls_input: bool,
    timeout: Option<u64>,
) -> Result<(), Block> {
    let task = k.current();
    k.tasks[task].call_state[0] = if polls_input { console::POLLS_INPUT } else { 0 };
    if polls_input && timeout == Some(0) { console::ask(k) } else { Ok(()) }
}

/// Ends a try of a polling call: with `ready` if that is not zero or the time is over, else it
/// sleeps. `timeout` is in nanoseconds, `None` for no end.
pub(super) fn finish(k: &mut Kernel<'_>, ready: u64, timeout: Option<u64>) -> SysResult {
    if ready == 0 && timeout != Some(0) {
        let deadline = timeout.map(|timeout| k.call_deadline(timeout));
        if deadline.is_none_or(|deadline| k.now() < deadline) {
            return Err(Block::SleepOnce(Channel::Any, deadline));
        }
    }
    Ok(ready)
}

/// Writes what is left of the timeout back, as the system calls (not the C library) do.
fn write_remaining(k: &mut Kernel<'_>, address: u64, timeout: Option<u64>) {
    let Some(timeout) = timeout.filter(|&timeout| timeout != 0) else { return };
    let left = k.call_deadline(timeout).saturating_sub(k.now());
    // As in Linux, the result of the call stands even if this cannot be written.
    let _ = k.write_record(address, &time::timespec(left));
}

/// ppoll(2).
pub fn ppoll(
    k: &mut Kernel<'_>,
    fds: u64,
    count: u32,
    timeout: u64,
    mask: u64,
    mask_size: u64,
) -> SysResult {
    let limit = if timeout == 0 {
        None
    } else if k.tasks[k.current()].call_deadline != 0 {
        // A later try: another thread may have changed the record since, the deadline stands.
        Some(1)
    } else {
        Some(read_timeout(k, timeout)?)
    };
    enter_mask(k, mask, mask_size)?;
    let result = scan(k, fds, count, limit).and_then(|ready| finish(k, ready, limit));
    if !is_waiting(&result) {
        write_remaining(k, timeout, limit);
    }
    result
}

const fn is_waiting(result: &SysResult) -> bool {
    matches!(result, Err(Block::SleepOnce(..)))
}

fn scan(k: &mut Kernel<'_>, fds: u64, count: u32, timeout: Option<u64>) -> SysResult {
    if u64::from(count) > k.processes[k.current_process()].limits[RLIMIT_NOFILE][0] {
        return Err(Errno::EINVAL.into());
    }
    let (mut ready, mut polls_input) = (0, false);
    for index in 0..u64::from(count) {
        let address = fds.wrapping_add(index * size_of::<PollFd>() as u64);
        let entry: PollFd = k.read_record(address)?;
        let mut events = 0;
        if entry.fd >= 0 {
            events = match file::get(k, entry.fd) {
                Ok(file) => {
                    let wanted = u32::from(entry.events);
                    polls_input |= wanted & SETS[0] != 0 && console::takes_input(k, file);
                    file::poll(k, file) & (wanted | EPOLLERR | EPOLLHUP)
                }
                Err(_) => POLLNVAL,
            };
        }
        ready += u64::from(events != 0);
        if events != u32::from(entry.revents) {
            k.write_record(address.wrapping_add(6), &(events as u16))?;
        }
    }
    note_input(k, polls_input, timeout)?;
    Ok(ready)
}

/// Descriptors that select can name: those of a table.
const WORDS: usize = file::DESCRIPTORS / 64;
/// Events that make a descriptor ready in the three sets.
const SETS: [u32; 3] = [
    EPOLLRDNORM | EPOLLRDBAND | EPOLLIN | EPOLLHUP | EPOLLERR,
    EPOLLWRNORM | EPOLLWRBAND | EPOLLOUT | EPOLLERR,
    EPOLLPRI,
];

/// pselect6(2).
pub fn pselect6(
    k: &mut Kernel<'_>,
    count: i32,
    read: u64,
    write: u64,
    except: u64,
    timeout: u64,
    mask: u64,
) -> SysResult {
    let limit = if timeout == 0 {
        None
    } else if k.tasks[k.current()].call_deadline != 0 {
        Some(1)
    } else {
        Some(read_timeout(k, timeout)?)
    };
    if mask != 0 {
        let [address, size] = k.read_record::<[u64; 2]>(mask)?;
        enter_mask(k, address, size)?;
    }
    let sets = [read, write, except];
    let result = select(k, count, sets, limit).and_then(|ready| finish(k, ready, limit));
    if !is_waiting(&result) {
        write_remaining(k, timeout, limit);
    }
    result
}

fn select(k: &mut Kernel<'_>, count: i32, sets: [u64; 3], timeout: Option<u64>) -> SysResult {
    if count < 0 {
        return Err(Errno::EINVAL.into());
    }
    let count = (count as usize).min(file::DESCRIPTORS);
    let words = count.div_ceil(64);
    let mut wanted = [[0u64; WORDS]; 3];
    for (set, &address) in wanted.iter_mut().zip(&sets) {
        for (index, word) in set[..words].iter_mut().enumerate() {
            if address != 0 {
                *word = k.read_record(address.wrapping_add(8 * index as u64))?;
            }
        }
    }
    let mut found = [[0u64; WORDS]; 3];
    let (mut ready, mut polls_input) = (0, false);
    for fd in 0..count {
        let (word, bit) = (fd / 64, 1u64 << (fd % 64));
        if (wanted[0][word] | wanted[1][word] | wanted[2][word]) & bit == 0 {
            continue;
        }
        let file = file::get(k, fd as i32)?;
        let events = file::poll(k, file);
        polls_input |= wanted[0][word] & bit != 0 && console::takes_input(k, file);
        for set in 0..3 {
            if wanted[set][word] & bit != 0 && events & SETS[set] != 0 {
                found[set][word] |= bit;
                ready += 1;
            }
        }
    }
    note_input(k, polls_input, timeout)?;
    let over = k.tasks[k.current()].call_deadline;
    if ready != 0 || timeout == Some(0) || (over != 0 && k.now() >= over) {
        for (set, &address) in found.iter().zip(&sets) {
            for (index, word) in set[..words].iter().enumerate() {
                if address != 0 {
                    k.write_record(address.wrapping_add(8 * index as u64), word)?;
                }
            }
        }
    }
    Ok(ready)
}
