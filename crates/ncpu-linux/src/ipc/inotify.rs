//! File system events (`inotify(7)`).
//!
//! An instance has a list of watches and a queue of events. The queue is a chain of pages, each with
//! the number of the next page and the bytes in use in its first word, then events as programs read
//! them.

use super::{install, new_file};
use crate::abi::fcntl::{O_CLOEXEC, O_NONBLOCK, O_RDONLY};
use crate::abi::poll::{EPOLLIN, EPOLLRDNORM};
use crate::abi::termios::FIONREAD;
use crate::file::{self, kind};
use crate::image::{Kernel, Record};
use crate::rom::{S_IFDIR, S_IFMT};
use crate::user::{Dest, Source};
use crate::vfs::{self, Node};
use crate::{Block, Channel, Errno, SysResult};
use ncpu_machine::{PAGE_SIZE, Ppn};

const DELETE_SELF: u32 = 0x400;
const ALL_EVENTS: u32 = 0xfff;
const UNMOUNT: u32 = 0x2000;
const OVERFLOW: u32 = 0x4000;
const IGNORED: u32 = 0x8000;
const ONLYDIR: u32 = 0x0100_0000;
const DONT_FOLLOW: u32 = 0x0200_0000;
const EXCL_UNLINK: u32 = 0x0400_0000;
const MASK_CREATE: u32 = 0x1000_0000;
const MASK_ADD: u32 = 0x2000_0000;
const ISDIR: u32 = 0x4000_0000;
const ONESHOT: u32 = 0x8000_0000;
/// Events of a directory that do not concern the node itself: moved from, moved to, create, delete.
const ENTRY_EVENTS: u32 = 0x40 | 0x80 | 0x100 | 0x200;
/// Events of the node alone: delete self, move self, unmount.
const SELF_EVENTS: u32 = DELETE_SELF | 0x800 | UNMOUNT;
const ALL_BITS: u32 = ALL_EVENTS
    | UNMOUNT
    | OVERFLOW
    | IGNORED
    | ONLYDIR
    | DONT_FOLLOW
    | EXCL_UNLINK
    | MASK_CREATE
    | MASK_ADD
    | ISDIR
    | ONESHOT;

/// `/proc/sys/fs/inotify/max_queued_events`.
const MAX_QUEUED: u32 = 16384;
/// Bytes of `struct inotify_event` without the name.
const EVENT: usize = 16;
/// Longest name with its padding.
const NAME: usize = 256;
/// Where events start in a page.
const START: usize = 8;

/// An instance.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Inotify {
    /// 1 when in use.
    pub used: u32,
    /// Open file (index).
    pub file: u32,
    /// First watch (index + 1).
    pub first: u32,
    /// Last watch descriptor given out.
    pub last_watch: i32,
    /// First page of the queue, 0 for none.
    pub head: u32,
    /// Where the next event to read starts in it.
    pub head_at: u32,
    /// Last page of the queue.
    pub tail: u32,
    /// Where the last event starts in it.
    pub last_at: u32,
    /// Events in the queue.
    pub count: u32,
    /// Bytes in the queue.
    pub bytes: u32,
    /// Events ever queued, for edge-triggered epoll.
    pub activity: u32,
    /// Keeps the record free of padding.
    pub reserved: u32,
}

/// A watch.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Watch {
    /// Instance (index + 1), 0 when free.
    pub instance: u32,
    /// Watch descriptor.
    pub descriptor: i32,
    /// Node.
    pub node: u32,
    /// Events and flags.
    pub mask: u32,
    /// Next watch of the instance (index + 1).
    pub next: u32,
    /// Keeps the record free of padding.
    pub reserved: u32,
}

// SAFETY: integers only.
unsafe impl Record for Inotify {}
// SAFETY: integers only.
unsafe impl Record for Watch {}

/// inotify_init1(2).
pub fn inotify_init1(k: &mut Kernel<'_>, flags: u32) -> SysResult {
    if flags & !(O_CLOEXEC | O_NONBLOCK) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let free = k.inotifies.iter().position(|instance| instance.used == 0);
    let instance = free.ok_or(Errno::EMFILE)?;
    let status = O_RDONLY | flags & O_NONBLOCK;
    let file = new_file(k, kind::INOTIFY, status, instance as u32)?;
    k.inotifies[instance] = Inotify { used: 1, file: file as u32, ..Inotify::default() };
    install(k, file, flags)
}

/// The instance of a descriptor: EBADF, EINVAL.
fn instance(k: &Kernel<'_>, fd: i32) -> Result<usize, Errno> {
    let file = file::get(k, fd)?;
    match k.files[file].kind {
        kind::INOTIFY => Ok(k.files[file].object as usize),
        kind::PATH => Err(Errno::EBADF),
        _ => Err(Errno::EINVAL),
    }
}

/// The first watch of an instance for which `matches`.
fn find(k: &Kernel<'_>, instance: usize, matches: impl Fn(&Watch) -> bool) -> Option<usize> {
    let mut at = k.inotifies[instance].first;
    while let Some(watch) = (at as usize).checked_sub(1) {
        if matches(&k.watches[watch]) {
            return Some(watch);
        }
        at = k.watches[watch].next;
    }
    None
}

/// inotify_add_watch(2).
pub fn inotify_add_watch(k: &mut Kernel<'_>, fd: i32, path: u64, mask: u32) -> SysResult {
    const AT_FDCWD: i32 = -100;
    if mask & ALL_BITS == 0 {
        return Err(Errno::EINVAL.into());
    }
    let instance = instance(k, fd)?;
    if mask & (MASK_ADD | MASK_CREATE) == MASK_ADD | MASK_CREATE {
        return Err(Errno::EINVAL.into());
    }
    let follow = if mask & DONT_FOLLOW != 0 { 0 } else { vfs::FOLLOW };
    let node = vfs::user_path(k, AT_FDCWD, path, follow)?;
    if mask & ONLYDIR != 0 && vfs::status(k, node)?.mode & S_IFMT != S_IFDIR {
        return Err(Errno::ENOTDIR.into());
    }
    vfs::allowed(k, node, 4)?;
    let events = mask & (ALL_EVENTS | UNMOUNT | ONESHOT | EXCL_UNLINK);
    if let Some(watch) = find(k, instance, |watch| watch.node == node.0) {
        if mask & MASK_CREATE != 0 {
            return Err(Errno::EEXIST.into());
        }
        let w = &mut k.watches[watch];
        w.mask = if mask & MASK_ADD != 0 { w.mask | events } else { events };
        return Ok(w.descriptor as u64);
    }
    let free = k.watches.iter().position(|watch| watch.instance == 0);
    let watch = free.ok_or(Errno::ENOSPC)?;
    let i = &mut k.inotifies[instance];
    i.last_watch = i.last_watch.checked_add(1).ok_or(Errno::ENOSPC)?;
    k.watches[watch] = Watch {
        instance: instance as u32 + 1,
        descriptor: i.last_watch,
        node: node.0,
        mask: events,
        next: i.first,
        reserved: 0,
    };
    i.first = watch as u32 + 1;
    Ok(k.watches[watch].descriptor as u64)
}

/// inotify_rm_watch(2).
pub fn inotify_rm_watch(k: &mut Kernel<'_>, fd: i32, descriptor: i32) -> SysResult {
    let instance = instance(k, fd)?;
    let watch = find(k, instance, |watch| watch.descriptor == descriptor).ok_or(Errno::EINVAL)?;
    remove(k, watch);
    Ok(0)
}

/// Removes a watch and says so.
fn remove(k: &mut Kernel<'_>, watch: usize) {
    let Watch { instance, descriptor, next, .. } = k.watches[watch];
    let instance = instance as usize - 1;
    match find(k, instance, |other| other.next == watch as u32 + 1) {
        Some(before) => k.watches[before].next = next,
        None => k.inotifies[instance].first = next,
    }
    k.watches[watch] = Watch::default();
    queue(k, instance, descriptor, IGNORED, 0, &[]);
}

/// Reports an event on `node`, which has `name` in the directory `dir` (either node may be
/// [`Node::NONE`]). Watches of the directory get it with the name, those of the node without. When
/// the node is gone, or its file system, its watches go too; all of them hear of the latter.
pub fn notify(k: &mut Kernel<'_>, dir: Node, node: Node, mask: u32, cookie: u32, name: &[u8]) {
    if k.inotifies.iter().all(|instance| instance.used == 0) {
        return;
    }
    for watch in 0..k.watches.len() {
        let w = k.watches[watch];
        let wanted = (w.mask | UNMOUNT) & mask & ALL_BITS & !ISDIR != 0;
        let gone = mask & (DELETE_SELF | UNMOUNT) != 0;
        if w.instance == 0 || !wanted && !gone {
            continue;
        }
        let for_dir = dir != Node::NONE && w.node == dir.0 && mask & SELF_EVENTS == 0;
        let for_node = node != Node::NONE && w.node == node.0 && mask & ENTRY_EVENTS == 0;
        if !for_dir && !for_node {
            continue;
        }
        let name = if for_dir { name } else { &[] };
        if wanted {
            queue(k, w.instance as usize - 1, w.descriptor, mask, cookie, name);
        }
        if w.mask & ONESHOT != 0 || gone {
            remove(k, watch);
        }
    }
}

fn word(k: &Kernel<'_>, page: Ppn, at: usize) -> u32 {
    let mut bytes = [0; 4];
    k.mem.read_page(page, at, &mut bytes);
    u32::from_le_bytes(bytes)
}

/// Whether the last event of the queue is this one; it is then not queued again.
fn is_repeated(k: &Kernel<'_>, instance: usize, event: &[u8]) -> bool {
    let i = &k.inotifies[instance];
    if i.count == 0 || i.tail == 0 || i.last_at as usize + event.len() > PAGE_SIZE {
        return false;
    }
    let (page, at) = (Ppn(i.tail), i.last_at as usize);
    let mut last = [0; EVENT + NAME];
    let last = &mut last[..event.len()];
    k.mem.read_page(page, at, last);
    // All but the cookie.
    last[..8] == event[..8] && last[12..] == event[12..]
}

/// Queues an event. A full queue takes one more, which says that some were lost.
fn queue(
    k: &mut Kernel<'_>,
    instance: usize,
    descriptor: i32,
    mask: u32,
    cookie: u32,
    name: &[u8],
) {
    let i = &k.inotifies[instance];
    if i.count > MAX_QUEUED {
        return;
    }
    if i.count == MAX_QUEUED {
        return store(k, instance, &header(-1, OVERFLOW, 0, 0));
    }
    let name = &name[..name.len().min(NAME - 1)];
    // The name is padded with NULs, at least one, to a multiple of the record.
    let padded = if name.is_empty() { 0 } else { (name.len() + 1).next_multiple_of(EVENT) };
    let mut event = [0; EVENT + NAME];
    event[..EVENT].copy_from_slice(&header(descriptor, mask, cookie, padded));
    event[EVENT..EVENT + name.len()].copy_from_slice(name);
    let event = &event[..EVENT + padded];
    if mask & IGNORED != 0 || !is_repeated(k, instance, event) {
        store(k, instance, event);
    }
}

fn header(descriptor: i32, mask: u32, cookie: u32, name: usize) -> [u8; EVENT] {
    let mut bytes = [0; EVENT];
    let words = [descriptor as u32, mask, cookie, name as u32];
    for (to, word) in bytes.chunks_exact_mut(4).zip(words) {
        to.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

/// Appends the bytes of an event. Without memory it is lost, like one that does not fit the queue.
fn store(k: &mut Kernel<'_>, instance: usize, event: &[u8]) {
    let tail = Ppn(k.inotifies[instance].tail);
    let mut page = tail;
    let mut at = if tail == Ppn::NONE { PAGE_SIZE } else { word(k, tail, 4) as usize };
    if at + event.len() > PAGE_SIZE {
        let Some(fresh) = k.mem.alloc() else { return };
        if tail != Ppn::NONE && !k.mem.write_page(tail, 0, &fresh.0.to_le_bytes()) {
            return k.mem.release(fresh);
        }
        let i = &mut k.inotifies[instance];
        if tail == Ppn::NONE {
            (i.head, i.head_at) = (fresh.0, START as u32);
        }
        i.tail = fresh.0;
        (page, at) = (fresh, START);
    }
    let end = (at + event.len()) as u32;
    if !k.mem.write_page(page, at, event) || !k.mem.write_page(page, 4, &end.to_le_bytes()) {
        return;
    }
    let i = &mut k.inotifies[instance];
    i.last_at = at as u32;
    i.count += 1;
    i.bytes += event.len() as u32;
    i.activity = i.activity.wrapping_add(1);
    let file = i.file;
    k.wake(Channel::File(file));
}

/// Where the next event to read is and how long; frees pages that have been read.
fn front(k: &mut Kernel<'_>, instance: usize) -> Option<(Ppn, usize, usize)> {
    loop {
        let i = k.inotifies[instance];
        let page = Ppn(i.head);
        if page == Ppn::NONE {
            return None;
        }
        let (at, end) = (i.head_at as usize, word(k, page, 4) as usize);
        if at >= START && at + EVENT <= end && end <= PAGE_SIZE {
            let len = EVENT + word(k, page, at + 12) as usize;
            return Some((page, at, len.min(end - at).min(EVENT + NAME)));
        }
        let next = if i.head == i.tail { 0 } else { word(k, page, 0) };
        k.mem.release(page);
        let i = &mut k.inotifies[instance];
        (i.head, i.head_at) = (next, START as u32);
        if next == 0 {
            (i.tail, i.count, i.bytes) = (0, 0, 0);
        }
    }
}

/// Reads whole events, as many as fit; sleeps until there is one.
pub fn read(k: &mut Kernel<'_>, file: usize, dest: &mut Dest<'_>) -> SysResult {
    let instance = k.files[file].object as usize;
    let mut total = 0;
    let mut buffer = [0; EVENT + NAME];
    while let Some((page, at, len)) = front(k, instance) {
        if dest.room() < len as u64 {
            if total == 0 {
                return Err(Errno::EINVAL.into());
            }
            break;
        }
        k.mem.read_page(page, at, &mut buffer[..len]);
        match dest.put(k, &buffer[..len]) {
            Ok(()) => {}
            Err(_) if total != 0 => break,
            Err(errno) => return Err(errno.into()),
        }
        let i = &mut k.inotifies[instance];
        i.head_at += len as u32;
        i.count = i.count.saturating_sub(1);
        i.bytes = i.bytes.saturating_sub(len as u32);
        total += len as u64;
    }
    if total != 0 {
        return Ok(total);
    }
    if k.files[file].flags & O_NONBLOCK != 0 {
        return Err(Errno::EAGAIN.into());
    }
    Err(Block::Sleep(Channel::File(file as u32), None))
}

/// Events are not written.
pub fn write(_k: &mut Kernel<'_>, _file: usize, _source: &mut Source<'_>) -> SysResult {
    Err(Errno::EINVAL.into())
}

/// Ready events.
pub fn poll(k: &mut Kernel<'_>, file: usize) -> u32 {
    let instance = k.files[file].object as usize;
    if k.inotifies[instance].count != 0 { EPOLLIN | EPOLLRDNORM } else { 0 }
}

/// ioctl(2): the bytes that can be read.
pub fn ioctl(k: &mut Kernel<'_>, file: usize, request: u32, arg: u64) -> SysResult {
    if request != FIONREAD {
        return Err(Errno::ENOTTY.into());
    }
    let bytes = k.inotifies[k.files[file].object as usize].bytes;
    k.write_record(arg, &bytes)?;
    Ok(0)
}

/// The last reference to the open file is gone.
pub fn close(k: &mut Kernel<'_>, file: usize) {
    let instance = k.files[file].object as usize;
    for watch in k.watches.iter_mut().filter(|watch| watch.instance == instance as u32 + 1) {
        *watch = Watch::default();
    }
    let mut page = k.inotifies[instance].head;
    while page != 0 {
        let next = if page == k.inotifies[instance].tail { 0 } else { word(k, Ppn(page), 0) };
        k.mem.release(Ppn(page));
        page = next;
    }
    k.inotifies[instance] = Inotify::default();
}
