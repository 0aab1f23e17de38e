//! Folders of the host, mounted live.
//!
//! A node stands for a path in a folder: it is made when a name is looked up and kept while it is
//! used. What is known of it (attributes, contents) holds for one system call: each call asks again,
//! and a file whose size or times have changed loses its cached pages. A call that needs several
//! answers runs again from its start after each, and finds those that it has had already in the
//! nodes.
//!
//! [`directory`] has the calls on names, [`request`] what travels.
//!
//! Limits that follow: a file that is renamed or removed on the host, or removed by the guest while
//! it is open, is gone for those who have it open (ENOENT); one write moves at most about a page; a
//! mapping is a private copy of the pages at the time they are first touched.

mod directory;
mod request;

pub(crate) use directory::{create, lookup, mkdir, next, rename, symlink, unlink};

use super::dir::Name;
use super::{Node, Status, data, inode, mount, open};
use crate::Errno;
use crate::host::{STAT_BYTES, Stat, operation};
use crate::image::{Kernel, Record};
use crate::rom::S_IFREG;
use crate::scratch::{PageScratch, zeroed};
use crate::user::{Dest, Source};
use crate::vfs::inode::Place;
use ncpu_machine::{PAGE_SIZE, Ppn};
use request::{Answer, Question, ask, ask_about, command};

/// A file of a host folder.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct HostNode {
    /// Index of the mount + 1, 0 when the record is free.
    pub mount: u32,
    /// Directory (index + 1), 0 for the folder's root.
    pub parent: u32,
    /// Open files, mappings, working directories and nodes below.
    pub references: u32,
    /// 1 when there is no such file.
    pub gone: u32,
    /// Node of the overlay that holds cached pages, 0 for none.
    pub cache: u32,
    /// Length of the name.
    pub length: u32,
    /// Type and permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Hard links.
    pub links: u32,
    /// Bytes.
    pub size: u64,
    /// Inode number on the host.
    pub ino: u64,
    /// 512-byte blocks.
    pub blocks: u64,
    /// Access, modification and change time.
    pub times: [u64; 3],
    /// The call for which this is known, see `stamp`.
    pub stamp: u64,
    /// The name.
    pub name: [u8; 256],
}

// SAFETY: integers only.
unsafe impl Record for HostNode {}

const FREE: HostNode = HostNode {
    mount: 0,
    parent: 0,
    references: 0,
    gone: 0,
    cache: 0,
    length: 0,
    mode: 0,
    uid: 0,
    gid: 0,
    links: 0,
    size: 0,
    ino: 0,
    blocks: 0,
    times: [0; 3],
    stamp: 0,
    name: [0; 256],
};

impl HostNode {
    fn get_name(&self) -> &[u8] {
        self.name.get(..self.length as usize).unwrap_or(&[])
    }
}

const PAGE: u64 = PAGE_SIZE as u64;
/// Pages that one read asks for at most.
const READ_PAGES: u64 = 64;

const fn node_of(index: usize) -> Node {
    Node(Node::HOST | index as u32)
}

fn index_of(k: &Kernel<'_>, node: Node) -> Result<usize, Errno> {
    match node.place() {
        Place::Host(index) if k.host_nodes.get(index).is_some_and(|n| n.mount != 0) => Ok(index),
        _ => Err(Errno::ESTALE),
    }
}

/// A number for the present system call (or fault) of the task: before the next one, the task
/// retires an instruction.
fn stamp(k: &Kernel<'_>) -> u64 {
    let task = k.current();
    (task as u64 + 1) << 48 ^ k.tasks[task].user_time
}

/// Makes a record, if need be in place of one that nothing refers to and that this call has not
/// asked about.
fn alloc(k: &mut Kernel<'_>, record: HostNode) -> Result<usize, Errno> {
    let stamp = stamp(k);
    let index = match k.host_nodes.iter().position(|node| node.mount == 0) {
        Some(index) => index,
        None => {
            let idle = |node: &HostNode| node.references == 0 && node.stamp != stamp;
            let index = k.host_nodes.iter().position(idle).ok_or(Errno::ENFILE)?;
            free(k, index);
            index
        }
    };
    if let Some(parent) = (record.parent as usize).checked_sub(1) {
        k.host_nodes[parent].references += 1;
    }
    k.host_nodes[index] = record;
    Ok(index)
}

fn free(k: &mut Kernel<'_>, index: usize) {
    drop_cache(k, index);
    if let Some(parent) = (k.host_nodes[index].parent as usize).checked_sub(1) {
        let parent = &mut k.host_nodes[parent];
        parent.references = parent.references.saturating_sub(1);
    }
    k.host_nodes[index] = FREE;
}

fn drop_cache(k: &mut Kernel<'_>, index: usize) {
    let cache = core::mem::take(&mut k.host_nodes[index].cache);
    if cache != 0 {
        inode::drop_node(k, Node(cache));
    }
}

/// The root of the folder mounted at `mount` (an index).
pub(crate) fn root(k: &mut Kernel<'_>, mount: u32) -> Result<Node, Errno> {
    let free = k.host_nodes.iter().position(|node| node.mount == 0).ok_or(Errno::ENFILE)?;
    k.host_nodes[free] = HostNode { mount: mount + 1, references: 1, ..FREE };
    Ok(node_of(free))
}

/// Counts a reference to a node.
pub(crate) fn hold(k: &mut Kernel<'_>, index: usize) {
    if let Some(node) = k.host_nodes.get_mut(index) {
        node.references = node.references.saturating_add(1);
    }
}

/// Drops a reference to a node.
pub(crate) fn release(k: &mut Kernel<'_>, index: usize) {
    if let Some(node) = k.host_nodes.get_mut(index) {
        node.references = node.references.saturating_sub(1);
    }
}

/// Index of the mount of a node.
pub(crate) fn mount_of(k: &Kernel<'_>, node: Node) -> usize {
    index_of(k, node).map_or(0, |index| k.host_nodes[index].mount as usize - 1)
}

pub(crate) fn parent(k: &Kernel<'_>, node: Node) -> Node {
    match index_of(k, node).map(|index| k.host_nodes[index].parent) {
        Ok(0) | Err(_) => node,
        Ok(parent) => node_of(parent as usize - 1),
    }
}

pub(crate) fn name_of(k: &Kernel<'_>, node: Node) -> Option<Name> {
    Name::new(k.host_nodes[index_of(k, node).ok()?].get_name()).ok()
}

/// Takes attributes over into a record; cached pages go when the file has changed.
fn learn(k: &mut Kernel<'_>, index: usize, answer: Answer) -> Result<(), Errno> {
    let mut bytes = [0; STAT_BYTES];
    if answer.finish(k, &mut bytes) != STAT_BYTES {
        return Err(Errno::EIO);
    }
    let stat = Stat::decode(&bytes);
    let stamp = stamp(k);
    let node = &k.host_nodes[index];
    let before = [node.size, node.ino, node.times[1], node.times[2]];
    if before != [stat.size, stat.ino, stat.times[1], stat.times[2]] {
        drop_cache(k, index);
    }
    let node = &mut k.host_nodes[index];
    node.gone = 0;
    node.mode = stat.mode;
    node.uid = stat.uid;
    node.gid = stat.gid;
    node.links = stat.links;
    node.size = stat.size;
    node.ino = stat.ino;
    node.blocks = stat.blocks;
    node.times = stat.times;
    node.stamp = stamp;
    Ok(())
}

/// Makes sure that a node's attributes are those of this call; ENOENT when the file is gone.
fn refresh(k: &mut Kernel<'_>, index: usize) -> Result<(), Errno> {
    let stamp = stamp(k);
    if k.host_nodes[index].stamp != stamp {
        match ask_about(k, index, &[], operation::STAT, [0; 4]) {
            Ok(answer) => learn(k, index, answer)?,
            Err(Errno::ENOENT | Errno::ENOTDIR) => {
                k.host_nodes[index].gone = 1;
                k.host_nodes[index].stamp = stamp;
            }
            Err(error) => return Err(error),
        }
    }
    if k.host_nodes[index].gone != 0 { Err(Errno::ENOENT) } else { Ok(()) }
}

pub(crate) fn status(k: &mut Kernel<'_>, node: Node) -> Result<Status, Errno> {
    let index = index_of(k, node)?;
    refresh(k, index)?;
    let device = mount::device(k, node);
    let n = &k.host_nodes[index];
    Ok(Status {
        mode: n.mode,
        uid: n.uid,
        gid: n.gid,
        links: n.links,
        size: n.size,
        device,
        rdev: 0,
        ino: n.ino,
        times: n.times,
        blocks: n.blocks,
    })
}

#[inline(never)]
pub(crate) fn read_link(k: &mut Kernel<'_>, node: Node, out: &mut [u8]) -> Result<usize, Errno> {
    let index = index_of(k, node)?;
    // The target is kept like a page of contents, for a path with several links.
    let cache = cached(k, index)?;
    if inode::record(k, cache).is_some_and(|at| k.inodes[at].size == 0) {
        let answer = ask_about(k, index, &[], operation::READ_LINK, [0; 4])?;
        let mut scratch = PageScratch::uninit();
        let target = zeroed(&mut scratch);
        let length = answer.finish(k, target);
        data::write_node(k, cache, 0, &target[..length])?;
    }
    data::read_kept(k, cache, 0, out)
}

/// The overlay node that holds what has been read of the file.
fn cached(k: &mut Kernel<'_>, index: usize) -> Result<Node, Errno> {
    refresh(k, index)?;
    if k.host_nodes[index].cache == 0 {
        let cache = open::anonymous(k, S_IFREG | 0o600).map_err(|_| Errno::ENOMEM)?;
        k.host_nodes[index].cache = cache.0;
    }
    Ok(Node(k.host_nodes[index].cache))
}

/// Brings a page of the file into its cache.
#[inline(never)]
fn fetch(k: &mut Kernel<'_>, index: usize, page: u64) -> Result<Node, Errno> {
    let cache = cached(k, index)?;
    if data::has_page(k, cache, page) {
        return Ok(cache);
    }
    let answer = ask_about(k, index, &[], operation::READ, [page * PAGE, PAGE, 0, 0])?;
    let mut scratch = PageScratch::uninit();
    let bytes = zeroed(&mut scratch);
    answer.finish(k, bytes);
    data::write_node(k, cache, page * PAGE, bytes)?;
    Ok(cache)
}

pub(crate) fn read(
    k: &mut Kernel<'_>,
    node: Node,
    offset: u64,
    to: &mut Dest<'_>,
) -> Result<u64, Errno> {
    let index = index_of(k, node)?;
    refresh(k, index)?;
    let size = k.host_nodes[index].size;
    let first = offset / PAGE;
    let end = offset.saturating_add(to.room()).min(size).min((first + READ_PAGES) * PAGE);
    if offset >= end {
        return Ok(0);
    }
    let mut cache = Node::NONE;
    for page in first..end.div_ceil(PAGE) {
        cache = fetch(k, index, page)?;
    }
    let count = end - offset;
    // The cache holds whole pages: no more than up to the end of the file.
    match to {
        Dest::User(address, left) => {
            let mut part = Dest::User(*address, count);
            let done = data::read(k, cache, offset, &mut part)?;
            *address += done;
            *left -= done;
            Ok(done)
        }
        Dest::Kernel(buffer, filled) => {
            let end = *filled + count as usize;
            let mut part = Dest::Kernel(&mut buffer[..end], *filled);
            let done = data::read(k, cache, offset, &mut part)?;
            *filled += done as usize;
            Ok(done)
        }
    }
}

#[inline(never)]
pub(crate) fn write(
    k: &mut Kernel<'_>,
    node: Node,
    offset: u64,
    from: &mut Source<'_>,
) -> Result<u64, Errno> {
    let index = index_of(k, node)?;
    let mut scratch = PageScratch::uninit();
    let mut question = Question::new(&mut scratch);
    question.path(k, index, &[])?;
    let start = question.length;
    let count = from.left().min((PAGE_SIZE - start) as u64) as usize;
    from.take(k, question.append(count)?)?;
    let arguments = [offset, count as u64, start as u64, 0];
    let written = ask(k, index, operation::WRITE, arguments, question.get())?.value(k);
    changed(k, index);
    Ok(written.min(count as u64))
}

/// What is known of a node is no longer so.
fn changed(k: &mut Kernel<'_>, index: usize) {
    drop_cache(k, index);
    k.host_nodes[index].stamp = 0;
}

pub(crate) fn truncate(k: &mut Kernel<'_>, node: Node, size: u64) -> Result<(), Errno> {
    let index = index_of(k, node)?;
    if k.host_nodes[index].size == size && k.host_nodes[index].stamp == stamp(k) {
        // Also when the call runs again after it was done.
        return Ok(());
    }
    command(k, index, &[], operation::TRUNCATE, [size, 0, 0, 0])?;
    drop_cache(k, index);
    k.host_nodes[index].size = size;
    Ok(())
}

/// The page of a file for a mapping, a copy of the host's.
pub(crate) fn map_page(k: &mut Kernel<'_>, node: Node, page: u64) -> Result<Ppn, Errno> {
    let index = index_of(k, node)?;
    refresh(k, index)?;
    if page >= k.host_nodes[index].size.div_ceil(PAGE) {
        return Err(Errno::ENXIO);
    }
    let cache = fetch(k, index, page)?;
    data::map_page(k, cache, page, false)
}

pub(crate) fn chmod(k: &mut Kernel<'_>, node: Node, mode: u32) -> Result<(), Errno> {
    let index = index_of(k, node)?;
    let arguments = [u64::from(mode & 0o7777), 0, 0, 0];
    command(k, index, &[], operation::CHMOD, arguments)?;
    k.host_nodes[index].stamp = 0;
    Ok(())
}

pub(crate) fn set_times(
    k: &mut Kernel<'_>,
    node: Node,
    access: Option<u64>,
    modification: Option<u64>,
) -> Result<(), Errno> {
    let index = index_of(k, node)?;
    let which = u64::from(access.is_some()) | u64::from(modification.is_some()) << 1;
    let arguments = [access.unwrap_or(0), modification.unwrap_or(0), which, 0];
    command(k, index, &[], operation::SET_TIMES, arguments)?;
    k.host_nodes[index].stamp = 0;
    Ok(())
}
