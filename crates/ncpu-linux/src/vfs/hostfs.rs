//! Folders of the host, mounted live.
//!
//! A node stands for a path in a folder: it is made when a name is looked up and kept while it is
//! used. What is known of it (attributes, contents) holds for one system call: each call asks again,
//! and a file whose size or times have changed loses its cached pages. A call that needs several
//! answers runs again from its start after each, and finds those that it has had already in the
//! nodes.
//!
//! Limits that follow: a file that is renamed or removed on the host, or removed by the guest while
//! it is open, is gone for those who have it open (ENOENT); one write moves at most about a page; a
//! mapping is a private copy of the pages at the time they are first touched.

use super::dir::{Listed, Name};
use super::{Node, Status, data, inode, mount, open};
use crate::Errno;
use crate::host::{Request, STAT_BYTES, Stat, operation};
use crate::image::{Kernel, Record};
use crate::rom::{HASH_SEED, S_IFREG, hash};
use crate::user::{Dest, Source};
use crate::vfs::inode::Place;
use ncpu_machine::{PAGE_SIZE, Ppn};

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

/// A path for the host, written from the end of a buffer, and what follows it.
struct Question {
    bytes: [u8; PAGE_SIZE],
    length: usize,
}

impl Question {
    /// The path of a node, and of a name below it if that is not empty.
    fn new(k: &Kernel<'_>, index: usize, name: &[u8]) -> Result<Question, Errno> {
        let mut question = Question { bytes: [0; PAGE_SIZE], length: 0 };
        question.path(k, index, name)?;
        Ok(question)
    }

    /// Appends a path and its terminator.
    fn path(&mut self, k: &Kernel<'_>, index: usize, name: &[u8]) -> Result<(), Errno> {
        // Once to measure, once to write back to front.
        let mut total = name.len();
        let mut at = index;
        while let Some(above) = (k.host_nodes[at].parent as usize).checked_sub(1) {
            total += k.host_nodes[at].get_name().len() + usize::from(total != 0);
            at = above;
        }
        let end = self.length + total;
        if end + 1 >= self.bytes.len() {
            return Err(Errno::ENAMETOOLONG);
        }
        let mut start = end - name.len();
        self.bytes[start..end].copy_from_slice(name);
        at = index;
        while let Some(above) = (k.host_nodes[at].parent as usize).checked_sub(1) {
            if start != end {
                start -= 1;
                self.bytes[start] = b'/';
            }
            let name = k.host_nodes[at].get_name();
            start -= name.len();
            self.bytes[start..start + name.len()].copy_from_slice(name);
            at = above;
        }
        self.bytes[end] = 0;
        self.length = end + 1;
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), Errno> {
        let end = self.length + bytes.len();
        self.bytes.get_mut(self.length..end).ok_or(Errno::ENAMETOOLONG)?.copy_from_slice(bytes);
        self.length = end;
        Ok(())
    }

    fn get(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// An answer of the host. Its page is the caller's.
struct Answer {
    value: u64,
    page: Ppn,
    length: usize,
}

impl Answer {
    /// Copies the bytes out and gives the page back.
    fn finish(self, k: &mut Kernel<'_>, out: &mut [u8]) -> usize {
        let length = self.length.min(out.len());
        k.mem.read_page(self.page, 0, &mut out[..length]);
        k.mem.release(self.page);
        length
    }
}

/// The host's answer to a question, if it is there; else asks, and the call waits.
fn ask(
    k: &mut Kernel<'_>,
    index: usize,
    what: u32,
    arguments: [u64; 4],
    question: &[u8],
) -> Result<Answer, Errno> {
    let task = k.current();
    let mount = k.host_nodes[index].mount as usize - 1;
    let host = u64::from(k.mounts[mount].host);
    let [a, b, c, d] = arguments;
    let arguments = [host, a, b, c, d];
    let mut key = hash(HASH_SEED, question);
    for value in [u64::from(what), stamp(k)].iter().chain(&arguments) {
        key = hash(key, &value.to_le_bytes());
    }
    let request = k.requests[task];
    if request.operation != 0 {
        if request.done == 0 && request.key == key {
            return Err(Errno::HOST_WAIT);
        }
        k.requests[task] = Request::default();
        if request.done == 0 {
            k.header.host_requests = k.header.host_requests.saturating_sub(1);
        } else if request.key == key {
            let page = Ppn(request.page);
            if request.result < 0 {
                k.mem.release(page);
                return Err(Errno(request.result.unsigned_abs() as u16));
            }
            let length = (request.length as usize).min(PAGE_SIZE);
            return Ok(Answer { value: request.result as u64, page, length });
        }
        k.mem.release(Ppn(request.page));
    }
    let page = k.mem.alloc().ok_or(Errno::ENOMEM)?;
    if !k.mem.write_page(page, 0, question) {
        k.mem.release(page);
        return Err(Errno::ENOMEM);
    }
    k.requests[task] = Request {
        operation: what,
        done: 0,
        arguments,
        result: 0,
        page: page.0,
        length: question.len() as u32,
        key,
    };
    k.header.host_requests += 1;
    Err(Errno::HOST_WAIT)
}

/// As [`ask`], for answers without bytes.
fn command(
    k: &mut Kernel<'_>,
    index: usize,
    what: u32,
    arguments: [u64; 4],
    question: &[u8],
) -> Result<u64, Errno> {
    let answer = ask(k, index, what, arguments, question)?;
    k.mem.release(answer.page);
    Ok(answer.value)
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
        let question = Question::new(k, index, &[])?;
        match ask(k, index, operation::STAT, [0; 4], question.get()) {
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

/// The record of a name in a directory, made if needed.
fn child(k: &mut Kernel<'_>, dir: usize, name: &[u8]) -> Result<usize, Errno> {
    let parent = dir as u32 + 1;
    let known = k
        .host_nodes
        .iter()
        .position(|node| node.mount != 0 && node.parent == parent && node.get_name() == name);
    if let Some(index) = known {
        return Ok(index);
    }
    let mut record =
        HostNode { mount: k.host_nodes[dir].mount, parent, length: name.len() as u32, ..FREE };
    record.name.get_mut(..name.len()).ok_or(Errno::ENAMETOOLONG)?.copy_from_slice(name);
    alloc(k, record)
}

pub(crate) fn lookup(k: &mut Kernel<'_>, dir: Node, name: &[u8]) -> Result<Option<Node>, Errno> {
    let dir = index_of(k, dir)?;
    let index = child(k, dir, name)?;
    match refresh(k, index) {
        Ok(()) => Ok(Some(node_of(index))),
        Err(Errno::ENOENT) => Ok(None),
        Err(error) => Err(error),
    }
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

pub(crate) fn read_link(k: &mut Kernel<'_>, node: Node, out: &mut [u8]) -> Result<usize, Errno> {
    let index = index_of(k, node)?;
    // The target is kept like a page of contents, for a path with several links.
    let cache = cached(k, index)?;
    if inode::record(k, cache).is_some_and(|at| k.inodes[at].size == 0) {
        let question = Question::new(k, index, &[])?;
        let answer = ask(k, index, operation::READ_LINK, [0; 4], question.get())?;
        let mut target = [0; PAGE_SIZE];
        let length = answer.finish(k, &mut target);
        data::write_node(k, cache, 0, &target[..length])?;
    }
    data::read_node(k, cache, 0, out)
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
fn fetch(k: &mut Kernel<'_>, index: usize, page: u64) -> Result<Node, Errno> {
    let cache = cached(k, index)?;
    if data::has_page(k, cache, page) {
        return Ok(cache);
    }
    let question = Question::new(k, index, &[])?;
    let answer = ask(k, index, operation::READ, [page * PAGE, PAGE, 0, 0], question.get())?;
    let mut bytes = [0; PAGE_SIZE];
    answer.finish(k, &mut bytes);
    data::write_node(k, cache, page * PAGE, &bytes)?;
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

pub(crate) fn write(
    k: &mut Kernel<'_>,
    node: Node,
    offset: u64,
    from: &mut Source<'_>,
) -> Result<u64, Errno> {
    let index = index_of(k, node)?;
    let mut question = Question::new(k, index, &[])?;
    let start = question.length;
    let count = from.left().min((PAGE_SIZE - start) as u64) as usize;
    let mut bytes = [0; PAGE_SIZE];
    from.take(k, &mut bytes[..count])?;
    question.append(&bytes[..count])?;
    let arguments = [offset, count as u64, start as u64, 0];
    let written = command(k, index, operation::WRITE, arguments, question.get())?;
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
    let question = Question::new(k, index, &[])?;
    command(k, index, operation::TRUNCATE, [size, 0, 0, 0], question.get())?;
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

pub(crate) fn create(k: &mut Kernel<'_>, dir: Node, name: &[u8], mode: u32) -> Result<Node, Errno> {
    let dir = index_of(k, dir)?;
    let index = child(k, dir, name)?;
    let question = Question::new(k, index, &[])?;
    let arguments = [u64::from(mode & 0o7777), 0, 0, 0];
    let answer = ask(k, index, operation::CREATE, arguments, question.get())?;
    learn(k, index, answer)?;
    Ok(node_of(index))
}

pub(crate) fn mkdir(k: &mut Kernel<'_>, dir: Node, name: &[u8], mode: u32) -> Result<(), Errno> {
    let dir = index_of(k, dir)?;
    let question = Question::new(k, dir, name)?;
    let arguments = [u64::from(mode & 0o7777), 0, 0, 0];
    command(k, dir, operation::MKDIR, arguments, question.get())?;
    Ok(())
}

pub(crate) fn symlink(
    k: &mut Kernel<'_>,
    dir: Node,
    name: &[u8],
    target: &[u8],
) -> Result<(), Errno> {
    let dir = index_of(k, dir)?;
    let mut question = Question::new(k, dir, name)?;
    question.append(target)?;
    question.append(&[0])?;
    command(k, dir, operation::SYMLINK, [0; 4], question.get())?;
    Ok(())
}

pub(crate) fn unlink(
    k: &mut Kernel<'_>,
    dir: Node,
    name: &[u8],
    directory: bool,
) -> Result<(), Errno> {
    let dir = index_of(k, dir)?;
    let question = Question::new(k, dir, name)?;
    let arguments = [u64::from(directory), 0, 0, 0];
    command(k, dir, operation::UNLINK, arguments, question.get())?;
    Ok(())
}

pub(crate) fn rename(
    k: &mut Kernel<'_>,
    dir: Node,
    name: &[u8],
    to: Node,
    to_name: &[u8],
    flags: u32,
) -> Result<(), Errno> {
    let (dir, to) = (index_of(k, dir)?, index_of(k, to)?);
    let mut question = Question::new(k, dir, name)?;
    question.path(k, to, to_name)?;
    command(k, dir, operation::RENAME, [u64::from(flags), 0, 0, 0], question.get())?;
    // The file is known under its new name; what was there is gone for those who have it open.
    let old = child(k, dir, name)?;
    let replaced = child(k, to, to_name)?;
    changed(k, old);
    changed(k, replaced);
    let moved = k.host_nodes[old];
    let target = k.host_nodes[replaced];
    k.host_nodes[old].name = target.name;
    k.host_nodes[old].length = target.length;
    k.host_nodes[old].parent = target.parent;
    k.host_nodes[replaced].name = moved.name;
    k.host_nodes[replaced].length = moved.length;
    k.host_nodes[replaced].parent = moved.parent;
    Ok(())
}

pub(crate) fn chmod(k: &mut Kernel<'_>, node: Node, mode: u32) -> Result<(), Errno> {
    let index = index_of(k, node)?;
    let question = Question::new(k, index, &[])?;
    let arguments = [u64::from(mode & 0o7777), 0, 0, 0];
    command(k, index, operation::CHMOD, arguments, question.get())?;
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
    let question = Question::new(k, index, &[])?;
    let which = u64::from(access.is_some()) | u64::from(modification.is_some()) << 1;
    let arguments = [access.unwrap_or(0), modification.unwrap_or(0), which, 0];
    command(k, index, operation::SET_TIMES, arguments, question.get())?;
    k.host_nodes[index].stamp = 0;
    Ok(())
}

/// The entry of a directory at or after `position` (2 is the first).
pub(crate) fn next(k: &mut Kernel<'_>, dir: Node, position: u64) -> Result<Option<Listed>, Errno> {
    let index = index_of(k, dir)?;
    let cache = listing(k, index)?;
    let entry = position.max(2) - 2;
    let at = entry * LISTING_SLOT;
    let mut slot = [0; LISTING_SLOT as usize];
    if data::read_node(k, cache, at, &mut slot)? != slot.len() || slot[0] == 0 {
        return Ok(None);
    }
    let name = slot.get(2..2 + slot[0] as usize).ok_or(Errno::EIO)?;
    let child = child(k, index, name)?;
    let kind = u32::from(slot[1]);
    Ok(Some(Listed { next: entry + 3, node: node_of(child), name: Name::new(name)?, kind }))
}

/// Bytes for each entry of a listing: the length of its name, its type, and the name.
const LISTING_SLOT: u64 = 257;

/// The listing of a directory, kept until the directory changes. Its node's access time is 1 when it
/// is whole; until then its change time is the stamp of the call that asks for it.
fn listing(k: &mut Kernel<'_>, index: usize) -> Result<Node, Errno> {
    const WHOLE: u64 = 1;
    let cache = cached(k, index)?;
    let at = inode::record(k, cache).ok_or(Errno::EIO)?;
    if k.inodes[at].times[0] == WHOLE {
        return Ok(cache);
    }
    if k.inodes[at].times[2] != stamp(k) {
        data::truncate(k, cache, 0)?;
        k.inodes[at].times[2] = stamp(k);
    }
    loop {
        let known = k.inodes[at].size / LISTING_SLOT;
        let question = Question::new(k, index, &[])?;
        let answer = ask(k, index, operation::READ_DIR, [known, 0, 0, 0], question.get())?;
        let count = answer.value;
        let mut bytes = [0; PAGE_SIZE];
        let length = answer.finish(k, &mut bytes);
        let mut rest = &bytes[..length];
        for entry in 0..count {
            let size = 2 + usize::from(*rest.first().ok_or(Errno::EIO)?);
            if size == 2 || size > rest.len() {
                return Err(Errno::EIO);
            }
            let (front, behind) = rest.split_at(size);
            let mut slot = [0; LISTING_SLOT as usize];
            slot[..size].copy_from_slice(front);
            data::write_node(k, cache, (known + entry) * LISTING_SLOT, &slot)?;
            rest = behind;
        }
        k.inodes[at].times[2] = stamp(k);
        if count == 0 {
            k.inodes[at].times[0] = WHOLE;
            return Ok(cache);
        }
    }
}
