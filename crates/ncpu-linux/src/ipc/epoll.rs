//! Interest lists (`epoll(7)`).
//!
//! An instance is an open file whose `state` holds the first and the last entry of its list. There
//! is no list of ready entries: waiting looks at every file of the list. An entry that was reported
//! moves to the end, so that all get their turn, and the order is the same in every run.
//!
//! An edge is a change of the file's activity count (data has come, room was made), or an event that
//! was not there when the entry was last looked at.

use super::{install, new_file, poll};
use crate::abi::fcntl::{O_CLOEXEC, O_RDWR};
use crate::abi::poll::{
    EPOLLERR, EPOLLET, EPOLLEXCLUSIVE, EPOLLHUP, EPOLLIN, EPOLLONESHOT, EPOLLOUT, EPOLLRDNORM,
    EPOLLWAKEUP, EpollEvent,
};
use crate::file::{self, kind};
use crate::image::{Kernel, Record};
use crate::tty::console;
use crate::user::{Dest, Source};
use crate::{Errno, SysResult, net, time};

const EPOLL_CTL_ADD: i32 = 1;
const EPOLL_CTL_DEL: i32 = 2;
const EPOLL_CTL_MOD: i32 = 3;

/// Bits of an entry that are no events.
const PRIVATE: u32 = EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE;
/// What may come with EPOLLEXCLUSIVE.
const EXCLUSIVE_OK: u32 =
    EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE;
/// Instances that may be nested in one another (EP_MAX_NESTS).
const MAX_NESTS: u32 = 4;
/// EP_MAX_EVENTS.
const MAX_EVENTS: i32 = i32::MAX / size_of::<EpollEvent>() as i32;

/// An entry of an interest list.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct EpollItem {
    /// Open file of the instance (index + 1), 0 when free.
    pub epoll: u32,
    /// Open file that is watched (index).
    pub file: u32,
    /// Descriptor that it was added with.
    pub fd: i32,
    /// Events and flags.
    pub events: u32,
    /// The program's value.
    pub data: u64,
    /// Activity count of the file when it was last reported.
    pub activity: u64,
    /// Events that were there when it was last looked at, for edges.
    pub seen: u32,
    /// Next entry of the list (index + 1).
    pub next: u32,
}

// SAFETY: integers only.
unsafe impl Record for EpollItem {}

/// epoll_create1(2).
pub fn epoll_create1(k: &mut Kernel<'_>, flags: u32) -> SysResult {
    if flags & !O_CLOEXEC != 0 {
        return Err(Errno::EINVAL.into());
    }
    let file = new_file(k, kind::EPOLL, O_RDWR, 0)?;
    install(k, file, flags)
}

fn usable(k: &Kernel<'_>, fd: i32) -> Result<usize, Errno> {
    let file = file::get(k, fd)?;
    if k.files[file].kind == kind::PATH { Err(Errno::EBADF) } else { Ok(file) }
}

/// The entry after `item` in its list.
fn next(k: &Kernel<'_>, item: usize) -> Option<usize> {
    (k.epoll_items[item].next as usize).checked_sub(1)
}

fn first(k: &Kernel<'_>, epoll: usize) -> Option<usize> {
    (k.files[epoll].state[0] as usize).checked_sub(1)
}

fn find(k: &Kernel<'_>, epoll: usize, file: usize, fd: i32) -> Option<usize> {
    let mut item = first(k, epoll);
    while let Some(index) = item {
        let entry = &k.epoll_items[index];
        if entry.file == file as u32 && entry.fd == fd {
            break;
        }
        item = next(k, index);
    }
    item
}

fn append(k: &mut Kernel<'_>, epoll: usize, item: usize) {
    k.epoll_items[item].next = 0;
    match (k.files[epoll].state[1] as usize).checked_sub(1) {
        Some(last) => k.epoll_items[last].next = item as u32 + 1,
        None => k.files[epoll].state[0] = item as u64 + 1,
    }
    k.files[epoll].state[1] = item as u64 + 1;
}

/// Takes an entry out of its list; the record stays.
fn unlink(k: &mut Kernel<'_>, epoll: usize, item: usize) {
    let after = k.epoll_items[item].next;
    let mut before = None;
    let mut at = first(k, epoll);
    while let Some(index) = at.filter(|&index| index != item) {
        before = Some(index);
        at = next(k, index);
    }
    match before {
        Some(before) => k.epoll_items[before].next = after,
        None => k.files[epoll].state[0] = u64::from(after),
    }
    if k.files[epoll].state[1] == item as u64 + 1 {
        k.files[epoll].state[1] = before.map_or(0, |before| before as u64 + 1);
    }
}

fn remove(k: &mut Kernel<'_>, epoll: usize, item: usize) {
    unlink(k, epoll, item);
    let file = k.epoll_items[item].file as usize;
    k.files[file].watchers = k.files[file].watchers.saturating_sub(1);
    k.epoll_items[item] = EpollItem::default();
}

/// Removes an open file that is about to be gone from all interest lists.
pub fn forget(k: &mut Kernel<'_>, file: usize) {
    if k.files[file].watchers == 0 {
        return;
    }
    for item in 0..k.epoll_items.len() {
        let entry = &k.epoll_items[item];
        if entry.epoll != 0 && entry.file == file as u32 {
            let epoll = entry.epoll as usize - 1;
            remove(k, epoll, item);
        }
    }
}

/// Levels of instances below one; `None` when there are more than `limit`, or a loop.
fn height(k: &Kernel<'_>, epoll: usize, limit: u32) -> Option<u32> {
    let limit = limit.checked_sub(1)?;
    let mut most = 0;
    let mut item = first(k, epoll);
    while let Some(index) = item {
        let file = k.epoll_items[index].file as usize;
        if k.files[file].kind == kind::EPOLL {
            most = most.max(height(k, file, limit)? + 1);
        }
        item = next(k, index);
    }
    Some(most)
}

/// Levels of instances above one.
fn depth(k: &Kernel<'_>, epoll: usize, limit: u32) -> Option<u32> {
    let limit = limit.checked_sub(1)?;
    let mut most = 0;
    for entry in k.epoll_items.iter() {
        if entry.epoll != 0 && entry.file == epoll as u32 {
            most = most.max(depth(k, entry.epoll as usize - 1, limit)? + 1);
        }
    }
    Some(most)
}

/// Whether `target` can be reached from `from`. The nesting is limited, so this ends.
fn reaches(k: &Kernel<'_>, from: usize, target: usize) -> bool {
    let mut item = first(k, from);
    while let Some(index) = item {
        let file = k.epoll_items[index].file as usize;
        if file == target || (k.files[file].kind == kind::EPOLL && reaches(k, file, target)) {
            return true;
        }
        item = next(k, index);
    }
    false
}

/// epoll_ctl(2).
pub fn epoll_ctl(k: &mut Kernel<'_>, epfd: i32, operation: i32, fd: i32, event: u64) -> SysResult {
    let mut event = match operation {
        EPOLL_CTL_DEL => EpollEvent::default(),
        _ => k.read_record(event)?,
    };
    let epoll = usable(k, epfd)?;
    let file = usable(k, fd)?;
    if matches!(k.files[file].kind, kind::REGULAR | kind::DIRECTORY) {
        return Err(Errno::EPERM.into());
    }
    if epoll == file || k.files[epoll].kind != kind::EPOLL {
        return Err(Errno::EINVAL.into());
    }
    let is_nested = k.files[file].kind == kind::EPOLL;
    if event.events & EPOLLEXCLUSIVE != 0 {
        let allowed = operation == EPOLL_CTL_ADD && event.events & !EXCLUSIVE_OK == 0 && !is_nested;
        if !allowed {
            return Err(Errno::EINVAL.into());
        }
    }
    if operation == EPOLL_CTL_ADD && is_nested {
        let levels = depth(k, epoll, MAX_NESTS + 1).zip(height(k, file, MAX_NESTS + 1));
        let fits = levels.is_some_and(|(above, below)| above + below < MAX_NESTS);
        if !fits || reaches(k, file, epoll) {
            return Err(Errno::ELOOP.into());
        }
    }
    event.events |= EPOLLERR | EPOLLHUP;
    let item = find(k, epoll, file, fd);
    match (operation, item) {
        (EPOLL_CTL_ADD, Some(_)) => return Err(Errno::EEXIST.into()),
        (EPOLL_CTL_DEL | EPOLL_CTL_MOD, None) => return Err(Errno::ENOENT.into()),
        (EPOLL_CTL_ADD, None) => {
            let free = k.epoll_items.iter().position(|item| item.epoll == 0);
            let item = free.ok_or(Errno::ENOSPC)?;
            k.epoll_items[item] = EpollItem {
                epoll: epoll as u32 + 1,
                file: file as u32,
                fd,
                events: event.events,
                data: event.data,
                ..EpollItem::default()
            };
            append(k, epoll, item);
            k.files[file].watchers += 1;
        }
        (EPOLL_CTL_DEL, Some(item)) => remove(k, epoll, item),
        (EPOLL_CTL_MOD, Some(item)) => {
            let entry = &mut k.epoll_items[item];
            if entry.events & EPOLLEXCLUSIVE != 0 {
                return Err(Errno::EINVAL.into());
            }
            (entry.events, entry.data) = (event.events, event.data);
            // What is ready now counts as new.
            entry.seen = 0;
        }
        _ => return Err(Errno::EINVAL.into()),
    }
    // A waiter has to look at the new list.
    k.wake(crate::Channel::File(epoll as u32));
    Ok(0)
}

/// A number that changes whenever something happens to a file that can make it ready again.
fn activity(k: &Kernel<'_>, file: usize) -> u64 {
    let f = &k.files[file];
    match f.kind {
        kind::PIPE_READ => u64::from(k.pipes[f.object as usize].activity[0]),
        kind::PIPE_WRITE => u64::from(k.pipes[f.object as usize].activity[1]),
        kind::PIPE_BOTH => {
            let [read, write] = k.pipes[f.object as usize].activity;
            u64::from(read) << 32 | u64::from(write)
        }
        kind::EVENT | kind::TIMER => f.offset,
        kind::TTY => u64::from(k.ttys[f.object as usize].activity[0]),
        kind::PTY_MASTER => u64::from(k.ttys[f.object as usize].activity[1]),
        kind::INOTIFY => u64::from(k.inotifies[f.object as usize].activity),
        kind::SOCKET => net::activity(k, file),
        kind::HOST_INPUT => k.header.console[0],
        kind::HOST_OUTPUT => k.header.console[3],
        _ => 0,
    }
}

/// What an entry reports now, and all that its file is ready for.
fn ready(k: &mut Kernel<'_>, item: usize) -> (u32, u32) {
    let entry = k.epoll_items[item];
    if entry.events & !PRIVATE == 0 {
        // Disarmed by EPOLLONESHOT.
        return (0, 0);
    }
    let events = file::poll(k, entry.file as usize) & entry.events & !PRIVATE;
    let is_edge = entry.events & EPOLLET == 0
        || entry.seen == 0
        || events & !entry.seen != 0
        || activity(k, entry.file as usize) != entry.activity;
    (if is_edge { events } else { 0 }, events)
}

/// Whether an entry waits for input from the host.
pub(crate) fn takes_input(k: &Kernel<'_>, epoll: usize) -> bool {
    let mut item = first(k, epoll);
    while let Some(index) = item {
        let entry = &k.epoll_items[index];
        if entry.events & EPOLLIN != 0 && console::takes_input(k, entry.file as usize) {
            return true;
        }
        item = next(k, index);
    }
    false
}

/// Reports ready entries into the array at `out`.
fn collect(k: &mut Kernel<'_>, epoll: usize, out: u64, room: i32) -> Result<u64, Errno> {
    let mut count = 0;
    let last = (k.files[epoll].state[1] as usize).checked_sub(1);
    let mut at = first(k, epoll);
    while let Some(item) = at {
        if count == room as u64 {
            break;
        }
        at = next(k, item).filter(|_| Some(item) != last);
        let (report, events) = ready(k, item);
        if report == 0 {
            k.epoll_items[item].seen = events;
            continue;
        }
        let record = EpollEvent { events: report, padding: 0, data: k.epoll_items[item].data };
        let address = out.wrapping_add(count * size_of::<EpollEvent>() as u64);
        match k.write_record(address, &record) {
            Ok(()) => count += 1,
            Err(_) if count != 0 => break,
            Err(errno) => return Err(errno),
        }
        let activity = activity(k, k.epoll_items[item].file as usize);
        let entry = &mut k.epoll_items[item];
        (entry.seen, entry.activity) = (events, activity);
        if entry.events & EPOLLONESHOT != 0 {
            entry.events &= PRIVATE;
        }
        unlink(k, epoll, item);
        append(k, epoll, item);
    }
    Ok(count)
}

fn wait(k: &mut Kernel<'_>, epfd: i32, events: u64, max: i32, timeout: Option<u64>) -> SysResult {
    if !(1..=MAX_EVENTS).contains(&max) {
        return Err(Errno::EINVAL.into());
    }
    let epoll = usable(k, epfd)?;
    if k.files[epoll].kind != kind::EPOLL {
        return Err(Errno::EINVAL.into());
    }
    let polls_input = takes_input(k, epoll);
    poll::note_input(k, polls_input, timeout)?;
    let count = collect(k, epoll, events, max)?;
    poll::finish(k, count, timeout)
}

/// epoll_pwait(2); the timeout is in milliseconds, negative for none.
pub fn epoll_pwait(
    k: &mut Kernel<'_>,
    epfd: i32,
    events: u64,
    max: i32,
    timeout: i32,
    mask: u64,
    mask_size: u64,
) -> SysResult {
    poll::enter_mask(k, mask, mask_size)?;
    let timeout = u64::try_from(timeout).ok().map(|timeout| timeout * 1_000_000);
    wait(k, epfd, events, max, timeout)
}

/// epoll_pwait2(2); the timeout is a `struct timespec`.
pub fn epoll_pwait2(
    k: &mut Kernel<'_>,
    epfd: i32,
    events: u64,
    max: i32,
    timeout: u64,
    mask: u64,
    mask_size: u64,
) -> SysResult {
    let limit = match timeout {
        0 => None,
        address => {
            let timespec = k.read_record(address)?;
            Some(time::nanoseconds(timespec)?)
        }
    };
    poll::enter_mask(k, mask, mask_size)?;
    wait(k, epfd, events, max, limit)
}

/// Instances are not read.
pub fn read(_k: &mut Kernel<'_>, _file: usize, _dest: &mut Dest<'_>) -> SysResult {
    Err(Errno::EINVAL.into())
}

/// Instances are not written.
pub fn write(_k: &mut Kernel<'_>, _file: usize, _source: &mut Source<'_>) -> SysResult {
    Err(Errno::EINVAL.into())
}

/// Ready events: an instance is readable when it has something to report.
pub fn poll(k: &mut Kernel<'_>, file: usize) -> u32 {
    let mut item = first(k, file);
    while let Some(index) = item {
        if ready(k, index).0 != 0 {
            return EPOLLIN | EPOLLRDNORM;
        }
        item = next(k, index);
    }
    0
}

/// ioctl(2): there is none.
pub fn ioctl(_k: &mut Kernel<'_>, _file: usize, _request: u32, _arg: u64) -> SysResult {
    Err(Errno::ENOTTY.into())
}

/// The last reference to the open file is gone.
pub fn close(k: &mut Kernel<'_>, file: usize) {
    while let Some(item) = first(k, file) {
        remove(k, file, item);
    }
}
