//! /proc: files that are computed from their number (proc(5)).
//!
//! A node of /proc is 30 bits below [`Node::PROC`]: whether it belongs to a thread (bit 29), the
//! process or task it is about (index + 1 in bits 16 to 28; 0 for what concerns the whole machine),
//! a row of `system::TABLE` or `process::TABLE` (bits 10 to 15, or 0 to 15 for the whole
//! machine), and for links of `fd` and `fdinfo` the descriptor (bits 0 to 9).
//!
//! Text is generated into an anonymous node when a file is read from its start, and served from
//! there, so that a reader in several steps sees one state.

mod memory;
mod mounts;
mod net;
mod process;
mod system;

use super::dir::{Listed, Name};
use super::text::{self, Text};
use super::{Node, Status, access, data, mount, open, path};
use crate::Errno;
use crate::file::{self, DESCRIPTORS, kind};
use crate::image::Kernel;
use crate::mm;
use crate::rom::{S_IFDIR, S_IFLNK, S_IFMT, S_IFREG};
use crate::user::{Dest, Source};
use crate::vfs::stat::object_number;
use process::P;
use system::G;

/// The root of /proc.
pub(crate) const ROOT: Node = Node(Node::PROC);

/// Process or thread that a node is about.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Subject {
    process: usize,
    /// Set for what is below `task`.
    task: Option<usize>,
}

/// What a node of /proc is.
#[derive(Clone, Copy)]
enum Item {
    /// A row of the table of the whole machine.
    System(G),
    /// A row of the table of a process or thread, and the descriptor it is about.
    Process(Subject, P, u32),
}

const THREAD: u32 = 1 << 29;
const SUBJECT_SHIFT: u32 = 16;
const ROW_SHIFT: u32 = 10;

const fn system_node(row: G) -> Node {
    Node(Node::PROC | row as u32)
}

fn process_node(subject: Subject, row: P, descriptor: u32) -> Node {
    let (bit, index) = match subject.task {
        Some(task) => (THREAD, task),
        None => (0, subject.process),
    };
    let subject = (index as u32 + 1) << SUBJECT_SHIFT;
    Node(Node::PROC | bit | subject | (row as u32) << ROW_SHIFT | descriptor)
}

/// What the number stands for; ENOENT when the process or thread is gone.
fn item(k: &Kernel<'_>, node: Node) -> Result<Item, Errno> {
    let number = node.0 & !Node::PROC;
    let index = (number & (THREAD - 1)) >> SUBJECT_SHIFT;
    let Some(index) = index.checked_sub(1) else {
        let row = system::TABLE.get(number as usize).ok_or(Errno::ENOENT)?;
        return Ok(Item::System(row.row));
    };
    let index = index as usize;
    let subject = if number & THREAD != 0 {
        let task = k.tasks.get(index).filter(|task| task.state != 0).ok_or(Errno::ENOENT)?;
        Subject { process: task.process as usize, task: Some(index) }
    } else {
        Subject { process: index, task: None }
    };
    k.processes.get(subject.process).filter(|p| p.state != 0).ok_or(Errno::ENOENT)?;
    let row = (number >> ROW_SHIFT & 63) as usize;
    let row = process::TABLE.get(row).ok_or(Errno::ENOENT)?;
    Ok(Item::Process(subject, row.row, number & 1023))
}

/// The open file of a descriptor of a process.
fn descriptor(k: &Kernel<'_>, subject: Subject, fd: u32) -> Option<usize> {
    let p = &k.processes[subject.process];
    if p.state != 1 {
        return None;
    }
    file::table::entry(k, p.fd_table as usize, fd as i32).map(|(file, _)| file)
}

pub(crate) fn lookup(k: &mut Kernel<'_>, dir: Node, name: &[u8]) -> Result<Option<Node>, Errno> {
    Ok(match item(k, dir)? {
        Item::System(parent) => {
            let row = system::TABLE.iter().find(|e| e.parent == Some(parent) && e.name == name);
            match row {
                Some(entry) => Some(system_node(entry.row)),
                None if parent == G::Root => text::parse(name)
                    .and_then(|pid| crate::process::by_pid(k, pid))
                    .map(|process| process_node(Subject { process, task: None }, P::Dir, 0)),
                None => None,
            }
        }
        Item::Process(subject, P::Fd, _) => text::parse(name)
            .filter(|&fd| (fd as usize) < DESCRIPTORS && descriptor(k, subject, fd).is_some())
            .map(|fd| process_node(subject, P::FdLink, fd)),
        Item::Process(subject, P::Fdinfo, _) => text::parse(name)
            .filter(|&fd| (fd as usize) < DESCRIPTORS && descriptor(k, subject, fd).is_some())
            .map(|fd| process_node(subject, P::FdinfoFile, fd)),
        Item::Process(subject, P::Task, _) => text::parse(name)
            .and_then(|tid| crate::process::task_by_tid(k, tid))
            .filter(|&task| k.tasks[task].process as usize == subject.process)
            .map(|task| process_node(Subject { task: Some(task), ..subject }, P::Dir, 0)),
        Item::Process(subject, parent, _) => process::TABLE
            .iter()
            .find(|e| e.parent == Some(parent) && e.name == name && e.is_for(subject))
            .map(|entry| process_node(subject, entry.row, 0)),
    })
}

pub(crate) fn parent(k: &Kernel<'_>, node: Node) -> Node {
    match item(k, node) {
        Ok(Item::System(row)) => system_node(system::TABLE[row as usize].parent.unwrap_or(G::Root)),
        Ok(Item::Process(subject, P::Dir, _)) => match subject.task {
            Some(_) => process_node(Subject { task: None, ..subject }, P::Task, 0),
            None => ROOT,
        },
        Ok(Item::Process(subject, row, _)) => {
            let parent = process::TABLE[row as usize].parent.unwrap_or(P::Dir);
            process_node(subject, parent, 0)
        }
        Err(_) => ROOT,
    }
}

fn number_name(number: u32) -> Option<Name> {
    let mut digits = [0; 10];
    Name::new(text::decimal(u64::from(number), &mut digits)).ok()
}

pub(crate) fn name_of(k: &Kernel<'_>, node: Node) -> Option<Name> {
    match item(k, node).ok()? {
        Item::System(row) => Name::new(system::TABLE[row as usize].name).ok(),
        Item::Process(subject, P::Dir, _) => number_name(match subject.task {
            Some(task) => k.tasks[task].tid,
            None => k.processes[subject.process].pid,
        }),
        Item::Process(_, P::FdLink | P::FdinfoFile, fd) => number_name(fd),
        Item::Process(_, row, _) => Name::new(process::TABLE[row as usize].name).ok(),
    }
}

/// The entry of a directory at or after `position`. Positions: 2 and up, rows of the table first,
/// then numbers (process or thread numbers in ascending order, or descriptors).
pub(crate) fn next(k: &mut Kernel<'_>, dir: Node, position: u64) -> Result<Option<Listed>, Errno> {
    const ROWS: u64 = 256;
    let row = position.max(2) - 2;
    let what = item(k, dir)?;
    let listed = |next: u64, node: Node, name: Option<Name>| {
        name.map(|name| Listed { next: next + 3, node, name, kind: 0 })
    };
    if row < ROWS {
        let start = row as usize;
        let found = match what {
            Item::System(parent) => system::TABLE
                .iter()
                .skip(start)
                .find(|entry| entry.parent == Some(parent))
                .map(|entry| (entry.row as u64, system_node(entry.row), entry.name)),
            Item::Process(subject, parent, _) => process::TABLE
                .iter()
                .skip(start)
                .find(|e| e.parent == Some(parent) && e.is_for(subject) && !e.name.is_empty())
                .map(|e| (e.row as u64, process_node(subject, e.row, 0), e.name)),
        };
        if let Some((row, node, name)) = found {
            return Ok(listed(row, node, Name::new(name).ok()));
        }
    }
    let from = row.saturating_sub(ROWS) as u32;
    let found = match what {
        Item::System(G::Root) => k
            .processes
            .iter()
            .enumerate()
            .filter(|(_, p)| p.state != 0 && p.pid >= from)
            .min_by_key(|(_, p)| p.pid)
            .map(|(process, p)| (p.pid, process_node(Subject { process, task: None }, P::Dir, 0))),
        Item::Process(subject, P::Task, _) => k
            .tasks
            .iter()
            .enumerate()
            .filter(|(_, t)| t.state != 0 && t.process as usize == subject.process && t.tid >= from)
            .min_by_key(|(_, t)| t.tid)
            .map(|(task, t)| {
                (t.tid, process_node(Subject { task: Some(task), ..subject }, P::Dir, 0))
            }),
        Item::Process(subject, which @ (P::Fd | P::Fdinfo), _) => {
            let row = if which == P::Fd { P::FdLink } else { P::FdinfoFile };
            (from..DESCRIPTORS as u32)
                .find(|&fd| descriptor(k, subject, fd).is_some())
                .map(|fd| (fd, process_node(subject, row, fd)))
        }
        _ => None,
    };
    Ok(found.and_then(|(number, node)| listed(ROWS + u64::from(number), node, number_name(number))))
}

pub(crate) fn status(k: &mut Kernel<'_>, node: Node) -> Result<Status, Errno> {
    let what = item(k, node)?;
    let (mode, (uid, gid), start) = match what {
        Item::System(row) => (system::TABLE[row as usize].mode, (0, 0), 0),
        Item::Process(subject, row, _) => {
            let p = &k.processes[subject.process];
            let owner = (p.credentials.uid[1], p.credentials.gid[1]);
            (process::TABLE[row as usize].mode, owner, p.start_time)
        }
    };
    let time = k.header.boot_time.wrapping_add(start);
    let kind = mode & S_IFMT;
    Ok(Status {
        mode,
        uid,
        gid,
        links: if kind == S_IFDIR { 2 } else { 1 },
        size: if kind == S_IFLNK { 64 } else { 0 },
        device: mount::device(k, node),
        rdev: 0,
        ino: u64::from(node.0),
        times: [time; 3],
        blocks: 0,
    })
}

/// Whether the current process may look into another one (ptrace(2), access mode checking); EACCES.
fn may_inspect(k: &Kernel<'_>, process: usize) -> Result<(), Errno> {
    let who = access::credentials(k);
    let p = &k.processes[process];
    let same = [p.credentials.uid[0], p.credentials.uid[1], p.credentials.uid[2]]
        .iter()
        .all(|&uid| uid == who.uid[3]);
    if same || access::is_privileged(k) { Ok(()) } else { Err(Errno::EACCES) }
}

/// Where a link leads that is no path: a node, or an open file without one.
pub(crate) fn jump(k: &mut Kernel<'_>, node: Node) -> Result<Option<(Node, Option<usize>)>, Errno> {
    if node.place() != super::inode::Place::Proc {
        return Ok(None);
    }
    let Item::Process(subject, row, fd) = item(k, node)? else { return Ok(None) };
    let p = &k.processes[subject.process];
    let target = match row {
        P::Exe => p.executable,
        P::Cwd => p.cwd,
        P::Root => p.root,
        P::FdLink => {
            may_inspect(k, subject.process)?;
            let file = descriptor(k, subject, fd).ok_or(Errno::ENOENT)?;
            return Ok(Some((Node(k.files[file].node), Some(file))));
        }
        _ => return Ok(None),
    };
    may_inspect(k, subject.process)?;
    // A process that has ended has none of them.
    if p.state != 1 || target == 0 {
        return Err(Errno::ENOENT);
    }
    Ok(Some((Node(target), None)))
}

fn fill(out: &mut [u8], parts: &[&[u8]]) -> usize {
    let mut at = 0;
    for part in parts {
        let count = part.len().min(out.len() - at);
        out[at..at + count].copy_from_slice(&part[..count]);
        at += count;
    }
    at
}

pub(crate) fn read_link(k: &mut Kernel<'_>, node: Node, out: &mut [u8]) -> Result<usize, Errno> {
    let (mut first, mut second) = ([0; 10], [0; 10]);
    match item(k, node)? {
        Item::System(G::SelfLink) => {
            let pid = k.processes[k.current_process()].pid;
            Ok(fill(out, &[text::decimal(u64::from(pid), &mut first)]))
        }
        Item::System(G::ThreadSelf) => {
            let pid = k.processes[k.current_process()].pid;
            let tid = k.tasks[k.current()].tid;
            let pid = text::decimal(u64::from(pid), &mut first);
            let tid = text::decimal(u64::from(tid), &mut second);
            Ok(fill(out, &[pid, b"/task/", tid]))
        }
        Item::System(G::Mounts) => Ok(fill(out, &[b"self/mounts"])),
        Item::System(G::Net) => Ok(fill(out, &[b"self/net"])),
        Item::System(_) => Err(Errno::EINVAL),
        Item::Process(_, P::FdLink | P::Exe | P::Cwd | P::Root, _) => {
            let (target, file) = jump(k, node)?.ok_or(Errno::EINVAL)?;
            match file {
                Some(file) if target == Node::NONE => Ok(describe(k, file, out)),
                _ => {
                    let length = path::path_of(k, target, out)?.len();
                    Ok(length)
                }
            }
        }
        Item::Process(_, row, _) => {
            let name = process::TABLE[row as usize].name;
            // Namespaces: one of each, with Linux's initial numbers.
            let number = process::namespace(row).ok_or(Errno::EINVAL)?;
            let kind = name.strip_suffix(b"_for_children").unwrap_or(name);
            let number = text::decimal(number, &mut first);
            Ok(fill(out, &[kind, b":[", number, b"]"]))
        }
    }
}

/// What a link in `fd` says of an open file without a node.
fn describe(k: &Kernel<'_>, file: usize, out: &mut [u8]) -> usize {
    let f = k.files[file];
    let mut digits = [0; 20];
    let number = text::decimal(object_number(&f, file), &mut digits);
    match f.kind {
        kind::PIPE_READ
        | kind::PIPE_WRITE
        | kind::PIPE_BOTH
        | kind::HOST_INPUT
        | kind::HOST_OUTPUT => fill(out, &[b"pipe:[", number, b"]"]),
        kind::SOCKET => fill(out, &[b"socket:[", number, b"]"]),
        kind::TTY if f.device >> 8 & 0xfff == 5 => fill(out, &[b"/dev/console"]),
        kind::TTY => {
            let mut digits = [0; 10];
            fill(out, &[b"/dev/pts/", text::decimal(u64::from(f.device & 0xff), &mut digits)])
        }
        kind::PTY_MASTER => fill(out, &[b"/dev/ptmx"]),
        kind::EVENT => fill(out, &[b"anon_inode:[eventfd]"]),
        kind::TIMER => fill(out, &[b"anon_inode:[timerfd]"]),
        kind::SIGNAL => fill(out, &[b"anon_inode:[signalfd]"]),
        kind::EPOLL => fill(out, &[b"anon_inode:[eventpoll]"]),
        kind::INOTIFY => fill(out, &[b"anon_inode:inotify"]),
        kind::PIDFD => fill(out, &[b"anon_inode:[pidfd]"]),
        _ => fill(out, &[b"anon_inode:[unknown]"]),
    }
}

/// Reads an open file of /proc.
pub(crate) fn read(
    k: &mut Kernel<'_>,
    file: usize,
    offset: u64,
    to: &mut Dest<'_>,
) -> Result<u64, Errno> {
    let node = Node(k.files[file].node);
    let what = item(k, node).map_err(|_| Errno::ESRCH)?;
    if let Item::Process(subject, P::Mem, _) = what {
        return read_memory(k, subject, offset, to);
    }
    if to.room() == 0 {
        return Ok(0);
    }
    let held = Node(k.files[file].state[0] as u32);
    let contents = if held == Node::NONE {
        let fresh = open::anonymous(k, S_IFREG | 0o400).map_err(|_| Errno::ENOMEM)?;
        k.files[file].state[0] = u64::from(fresh.0);
        fresh
    } else {
        held
    };
    if held == Node::NONE || offset == 0 {
        data::truncate(k, contents, 0)?;
        let mut writer = Text::new(contents);
        match what {
            Item::System(row) => system::write(k, row, &mut writer),
            Item::Process(subject, row, fd) => process::write(k, subject, row, fd, &mut writer)?,
        }
        writer.finish(k).map_err(|_| Errno::ENOMEM)?;
    }
    data::read(k, contents, offset, to)
}

fn read_memory(
    k: &mut Kernel<'_>,
    subject: Subject,
    offset: u64,
    to: &mut Dest<'_>,
) -> Result<u64, Errno> {
    may_inspect(k, subject.process)?;
    if k.processes[subject.process].state != 1 {
        return Ok(0);
    }
    let mut buffer = [0; 1024];
    let mut done = 0u64;
    while to.room() != 0 {
        let length = to.room().min(buffer.len() as u64) as usize;
        let address = offset.wrapping_add(done);
        let mm = k.processes[subject.process].mm as usize;
        match mm::read_other(k, mm, address, &mut buffer[..length]) {
            Ok(count) if count != 0 => {
                to.put(k, &buffer[..count])?;
                done += count as u64;
            }
            _ if done != 0 => break,
            _ => return Err(Errno::EIO),
        }
    }
    Ok(done)
}

/// Writes to a file of /proc: memory, names, and settings that have an effect.
pub(crate) fn write(
    k: &mut Kernel<'_>,
    node: Node,
    offset: u64,
    from: &mut Source<'_>,
) -> Result<u64, Errno> {
    let what = item(k, node).map_err(|_| Errno::ESRCH)?;
    let mut buffer = [0; 1024];
    if let Item::Process(subject, P::Mem, _) = what {
        may_inspect(k, subject.process)?;
        let mut done = 0u64;
        while from.left() != 0 {
            let length = from.left().min(buffer.len() as u64) as usize;
            from.take(k, &mut buffer[..length])?;
            let mm = k.processes[subject.process].mm as usize;
            match mm::write_other(k, mm, offset.wrapping_add(done), &buffer[..length]) {
                Ok(count) => {
                    done += count as u64;
                    if count < length {
                        break;
                    }
                }
                Err(_) if done != 0 => break,
                Err(_) => return Err(Errno::EIO),
            }
        }
        return Ok(done);
    }
    let length = from.left();
    let taken = length.min(buffer.len() as u64) as usize;
    from.take(k, &mut buffer[..taken])?;
    let line = &buffer[..taken];
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    match what {
        Item::System(row) => system::set(k, row, line)?,
        Item::Process(subject, row, _) => process::set(k, subject, row, line)?,
    }
    Ok(length)
}

/// The last reference to an open file of /proc is gone.
pub(crate) fn close(k: &mut Kernel<'_>, file: usize) {
    let contents = core::mem::take(&mut k.files[file].state[0]);
    if contents != 0 {
        super::drop_node(k, Node(contents as u32));
    }
}
