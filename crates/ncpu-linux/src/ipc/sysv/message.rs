//! Message queues (`msgget(2)`, `msgop(2)`, `msgctl(2)`).
//!
//! A message is a chain of pages, and a queue a chain of messages. A page begins with the number of
//! the next message, of the message's next page, the message's length, and its type.

use super::*;
use crate::{Block, SysResult};
use ncpu_machine::{PAGE_SIZE, Ppn};

/// Bytes of a message at most (MSGMAX).
const MAX_MESSAGE: u64 = 8192;
/// Bytes of a queue at most, by default (MSGMNB).
const MAX_QUEUE: u64 = 16384;
/// Where the text begins in a page.
const TEXT: usize = 24;

const MSG_NOERROR: u32 = 0o10000;
const MSG_EXCEPT: u32 = 0o20000;
const MSG_COPY: u32 = 0o40000;

/// A message's first page: the next message, the next page, length and type.
struct Message {
    page: Ppn,
    next: u32,
    more: u32,
    len: u64,
    class: i64,
}

fn load(k: &Kernel<'_>, page: u32) -> Message {
    let page = Ppn(page);
    let (links, len) = (k.mem.read_word(page, 0), k.mem.read_word(page, 1));
    let class = k.mem.read_word(page, 2) as i64;
    Message { page, next: links as u32, more: (links >> 32) as u32, len, class }
}

fn link(k: &mut Kernel<'_>, page: Ppn, next: u32, more: u32) -> bool {
    k.mem.write_word(page, 0, u64::from(next) | u64::from(more) << 32)
}

fn free_pages(k: &mut Kernel<'_>, first: u32) {
    let mut page = first;
    while page != 0 {
        let more = load(k, page).more;
        k.mem.release(Ppn(page));
        page = more;
    }
}

/// msgget(2).
pub fn msgget(k: &mut Kernel<'_>, key: i32, flags: u32) -> SysResult {
    let (queue, is_new) = get(k, kind::MESSAGES, key, flags)?;
    if is_new {
        k.sysv_objects[queue].limit = MAX_QUEUE;
    }
    Ok(id(k, queue))
}

/// msgsnd(2).
pub fn msgsnd(k: &mut Kernel<'_>, number: i32, message: u64, len: u64, flags: u32) -> SysResult {
    let class: i64 = k.read_record(message)?;
    if len > MAX_MESSAGE || class < 1 {
        return Err(Errno::EINVAL.into());
    }
    let queue = lookup_again(k, kind::MESSAGES, number)?;
    check(k, queue, WRITE)?;
    let o = &k.sysv_objects[queue];
    if o.bytes + len > o.limit || u64::from(o.count) + 1 > o.limit {
        if flags & IPC_NOWAIT != 0 {
            return Err(Errno::EAGAIN.into());
        }
        return Err(Block::SleepOnce(Channel::SystemV(queue as u32), None));
    }
    let first = copy_in(k, message.wrapping_add(8), len, class)?;
    let last = k.sysv_objects[queue].last;
    if last != 0 {
        let tail = load(k, last);
        if !link(k, tail.page, first, tail.more) {
            free_pages(k, first);
            return Err(Errno::ENOMEM.into());
        }
    }
    let (now, pid) = (seconds(k), k.processes[k.current_process()].pid);
    let o = &mut k.sysv_objects[queue];
    if last == 0 {
        o.first = first;
    }
    o.last = first;
    o.count += 1;
    o.bytes += len;
    o.sender = pid;
    o.times[0] = now;
    k.wake(Channel::SystemV(queue as u32));
    Ok(0)
}

/// Makes the pages of a message out of user memory.
fn copy_in(k: &mut Kernel<'_>, address: u64, len: u64, class: i64) -> Result<u32, Errno> {
    let (mut first, mut done) = (0, 0);
    let mut buffer = [0; PAGE_SIZE - TEXT];
    // From the end, so that each page can name the one after it.
    let pages = len.div_ceil(buffer.len() as u64).max(1);
    for part in (0..pages).rev() {
        let start = part * buffer.len() as u64;
        let text = &mut buffer[..(len - done - start) as usize];
        done += text.len() as u64;
        let result = k.read_user(address.wrapping_add(start), text).and_then(|()| {
            let page = k.mem.alloc().ok_or(Errno::ENOMEM)?;
            let stored = link(k, page, 0, first)
                && k.mem.write_word(page, 1, len)
                && k.mem.write_word(page, 2, class as u64)
                && k.mem.write_page(page, TEXT, text);
            first = page.0;
            if stored { Ok(()) } else { Err(Errno::ENOMEM) }
        });
        if let Err(errno) = result {
            free_pages(k, first);
            return Err(errno);
        }
    }
    Ok(first)
}

/// The first message that a receiver wants, and the one before it.
fn find(k: &Kernel<'_>, queue: usize, class: i64, except: bool) -> Option<(u32, Message)> {
    let (mut before, mut at) = (0, k.sysv_objects[queue].first);
    let mut best: Option<(u32, Message)> = None;
    while at != 0 {
        let message = load(k, at);
        let next = message.next;
        let wanted = match class {
            0 => true,
            1.. => (message.class == class) != except,
            _ => message.class <= class.saturating_neg(),
        };
        if wanted && best.as_ref().is_none_or(|(_, best)| message.class < best.class) {
            best = Some((before, message));
            if class >= 0 {
                break;
            }
        }
        (before, at) = (at, next);
    }
    best
}

/// msgrcv(2).
pub fn msgrcv(
    k: &mut Kernel<'_>,
    number: i32,
    address: u64,
    room: u64,
    class: i64,
    flags: u32,
) -> SysResult {
    if flags & MSG_COPY != 0 {
        return Err(Errno::ENOSYS.into());
    }
    if (room as i64) < 0 {
        return Err(Errno::EINVAL.into());
    }
    let queue = lookup_again(k, kind::MESSAGES, number)?;
    check(k, queue, READ)?;
    let Some((before, message)) = find(k, queue, class, flags & MSG_EXCEPT != 0) else {
        if flags & IPC_NOWAIT != 0 {
            return Err(Errno::ENOMSG.into());
        }
        return Err(Block::SleepOnce(Channel::SystemV(queue as u32), None));
    };
    if message.len > room && flags & MSG_NOERROR == 0 {
        return Err(Errno::E2BIG.into());
    }
    if before != 0 {
        let previous = load(k, before);
        if !link(k, previous.page, message.next, previous.more) {
            return Err(Errno::ENOMEM.into());
        }
    }
    let (now, pid) = (seconds(k), k.processes[k.current_process()].pid);
    let o = &mut k.sysv_objects[queue];
    if before == 0 {
        o.first = message.next;
    }
    if o.last == message.page.0 {
        o.last = before;
    }
    o.count -= 1;
    o.bytes -= message.len;
    o.receiver = pid;
    o.times[1] = now;
    k.wake(Channel::SystemV(queue as u32));
    let len = message.len.min(room);
    let result = copy_out(k, &message, address, len);
    free_pages(k, message.page.0);
    result?;
    Ok(len)
}

fn copy_out(k: &mut Kernel<'_>, message: &Message, address: u64, len: u64) -> Result<(), Errno> {
    k.write_record(address, &message.class)?;
    let mut buffer = [0; PAGE_SIZE - TEXT];
    let (mut page, mut done) = (message.page.0, 0);
    while done < len && page != 0 {
        let text = &mut buffer[..];
        let count = (len - done).min(text.len() as u64);
        let text = &mut text[..count as usize];
        k.mem.read_page(Ppn(page), TEXT, text);
        k.write_user(address.wrapping_add(8 + done), text)?;
        done += count;
        page = load(k, page).more;
    }
    Ok(())
}

/// msgctl(2).
pub fn msgctl(k: &mut Kernel<'_>, number: i32, command: i32, buffer: u64) -> SysResult {
    let queue = lookup(k, kind::MESSAGES, number)?;
    match command {
        IPC_RMID => {
            check_owner(k, queue)?;
            let mut at = k.sysv_objects[queue].first;
            while at != 0 {
                let next = load(k, at).next;
                free_pages(k, at);
                at = next;
            }
            free(k, queue);
        }
        IPC_SET => {
            // `msg_qbytes` is behind the permissions, three times, and two counts.
            let limit: u64 = k.read_record(buffer.wrapping_add(PERM as u64 + 40))?;
            if limit > MAX_QUEUE && !capable(k, CAP_SYS_RESOURCE) {
                return Err(Errno::EPERM.into());
            }
            set_status(k, buffer, queue)?;
            k.sysv_objects[queue].limit = limit;
            k.wake(Channel::SystemV(queue as u32));
        }
        IPC_STAT => {
            check(k, queue, READ)?;
            let o = k.sysv_objects[queue];
            let pids = u64::from(o.sender) | u64::from(o.receiver) << 32;
            let [sent, received, changed] = o.times;
            let fields = [sent, received, changed, o.bytes, o.count.into(), o.limit, pids, 0, 0];
            write_status(k, buffer, queue, &fields)?;
        }
        _ => return Err(Errno::EINVAL.into()),
    }
    Ok(0)
}

const CAP_SYS_RESOURCE: u32 = 24;
