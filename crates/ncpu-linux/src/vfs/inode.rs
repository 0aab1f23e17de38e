//! Records of nodes: allocation, shadows of image inodes, references.
//!
//! An image inode gets a record while something refers to it or once it has been changed. The record
//! of an unchanged one goes away with the last reference, so that reading a tree leaves no trace.

use super::{Inode, Node, data, dir, inode_flags};
use crate::Errno;
use crate::image::Kernel;
use crate::ipc::inotify::notify;
use crate::rom::{Ino, RomInode, S_IFDIR, S_IFMT};

/// What a node number stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Nothing.
    None,
    /// An inode of the root file system image.
    Rom(Ino),
    /// A record of its own.
    Overlay(usize),
    /// A file of /proc.
    Proc,
    /// A file of a host folder.
    Host(usize),
}

impl Node {
    /// What the number stands for.
    pub(crate) const fn place(self) -> Place {
        match self.0 >> 30 {
            0 if self.0 == 0 => Place::None,
            0 => Place::Rom(Ino(self.0)),
            1 => Place::Overlay((self.0 & !Node::OVERLAY) as usize),
            2 => Place::Proc,
            _ => Place::Host((self.0 & !Node::HOST) as usize),
        }
    }

    /// The node of a record that is no shadow.
    pub(crate) const fn overlay(index: usize) -> Node {
        Node(Node::OVERLAY | index as u32)
    }
}

/// A time of the image as nanoseconds since 1970 (two's complement for earlier ones).
fn nanoseconds(inode: &RomInode) -> u64 {
    (inode.mtime_s as u64).wrapping_mul(1_000_000_000).wrapping_add(u64::from(inode.mtime_ns))
}

/// The record that an unchanged image inode would have.
fn pristine(ino: Ino, inode: &RomInode) -> Inode {
    let time = nanoseconds(inode);
    Inode {
        mode: inode.mode,
        uid: inode.uid,
        gid: inode.gid,
        links: inode.nlink,
        origin: ino.0,
        device: inode.rdev,
        size: inode.size,
        origin_size: inode.size,
        times: [time; 3],
        parent: inode.parent,
        ..Inode::default()
    }
}

fn hash_of(k: &Kernel<'_>, ino: Ino) -> usize {
    ino.0.wrapping_mul(0x9e37_79b1) as usize % k.shadow_hash.len().max(1)
}

/// The node that record `at` belongs to.
pub(crate) const fn node_of(inode: &Inode, at: usize) -> Node {
    if inode.origin != 0 { Node(inode.origin) } else { Node::overlay(at) }
}

/// Index of the node's record, if it has one.
pub(crate) fn record(k: &Kernel<'_>, node: Node) -> Option<usize> {
    match node.place() {
        Place::Overlay(index) => k.inodes.get(index).filter(|i| i.mode != 0).map(|_| index),
        Place::Rom(ino) => {
            let mut next = *k.shadow_hash.get(hash_of(k, ino))?;
            while let Some(index) = next.checked_sub(1) {
                let inode = k.inodes.get(index as usize)?;
                if inode.origin == ino.0 {
                    return Some(index as usize);
                }
                next = inode.chain;
            }
            None
        }
        _ => None,
    }
}

/// The state of a node of the image or the overlay.
pub(crate) fn view(k: &Kernel<'_>, node: Node) -> Option<Inode> {
    if let Some(index) = record(k, node) {
        return Some(k.inodes[index]);
    }
    match node.place() {
        Place::Rom(ino) => k.rom.inode(ino).map(|inode| pristine(ino, &inode)),
        _ => None,
    }
}

/// A record that is all zero but for what the caller sets at once: the mode must not stay zero.
fn alloc(k: &mut Kernel<'_>) -> Result<usize, Errno> {
    let state = &mut k.header.vfs;
    let index = match state.inode_free.checked_sub(1) {
        Some(free) => {
            state.inode_free = k.inodes[free as usize].chain;
            free
        }
        None if (state.inode_fresh as usize) < k.inodes.len() => {
            state.inode_fresh += 1;
            state.inode_fresh - 1
        }
        None => return Err(Errno::ENOSPC),
    };
    state.inode_used += 1;
    k.inodes[index as usize] = Inode::default();
    Ok(index as usize)
}

/// A new node without a name, owned by the current process; ENOSPC.
pub(crate) fn create(k: &mut Kernel<'_>, mode: u32, filesystem: u32) -> Result<Node, Errno> {
    let now = k.wall_time();
    let (uid, gid) = super::access::file_owner(k);
    let index = alloc(k)?;
    k.inodes[index] = Inode {
        mode,
        uid,
        gid,
        times: [now; 3],
        flags: inode_flags::CHANGED,
        filesystem,
        ..Inode::default()
    };
    Ok(Node::overlay(index))
}

/// The record of a node, made if the image inode has none yet.
fn ensure(k: &mut Kernel<'_>, node: Node) -> Result<usize, Errno> {
    if let Some(index) = record(k, node) {
        return Ok(index);
    }
    let Place::Rom(ino) = node.place() else { return Err(Errno::ESTALE) };
    let inode = k.rom.inode(ino).ok_or(Errno::ESTALE)?;
    let index = alloc(k)?;
    let head = hash_of(k, ino);
    k.inodes[index] = pristine(ino, &inode);
    k.inodes[index].chain = k.shadow_hash[head];
    k.shadow_hash[head] = index as u32 + 1;
    Ok(index)
}

/// The record of a node that is about to be changed; ENOSPC when there is no room for one.
pub(crate) fn change(k: &mut Kernel<'_>, node: Node) -> Result<usize, Errno> {
    let index = ensure(k, node)?;
    k.inodes[index].flags |= inode_flags::CHANGED;
    Ok(index)
}

/// Adds a reference to a node (open files, mappings, working directories, executables).
pub fn hold(k: &mut Kernel<'_>, node: Node) {
    match node.place() {
        // Without room for a record the reference goes uncounted: it only matters to a file that
        // is changed and deleted while in use.
        Place::Rom(_) | Place::Overlay(_) => {
            if let Ok(index) = ensure(k, node) {
                k.inodes[index].references = k.inodes[index].references.saturating_add(1);
            }
        }
        Place::Host(index) => super::hostfs::hold(k, index),
        _ => {}
    }
}

/// Drops a reference; the last one of a node without links frees it.
pub fn drop_node(k: &mut Kernel<'_>, node: Node) {
    if let Place::Host(index) = node.place() {
        super::hostfs::release(k, index);
    }
    if let Some(index) = record(k, node) {
        let inode = &mut k.inodes[index];
        inode.references = inode.references.saturating_sub(1);
        collect(k, node);
    }
}

/// Frees the record of a node that nothing refers to and that says nothing.
pub(crate) fn collect(k: &mut Kernel<'_>, node: Node) {
    let mut node = node;
    // A deleted directory may have been kept only for what was in it, and so on upwards.
    while let Some(directory) = free(k, node) {
        node = Node::overlay(directory);
        let inode = &mut k.inodes[directory];
        inode.references = inode.references.saturating_sub(1);
    }
}

/// As [`collect`]; the directory of which a reference is to be dropped now, if there is one.
fn free(k: &mut Kernel<'_>, node: Node) -> Option<usize> {
    let index = record(k, node)?;
    let inode = k.inodes[index];
    let needed = inode.links != 0 && inode.flags & inode_flags::CHANGED != 0;
    if inode.references != 0 || needed {
        return None;
    }
    if inode.links == 0 {
        /// inotify(7): the node itself was deleted.
        const DELETE_SELF: u32 = 0x400;
        notify(k, Node::NONE, node, DELETE_SELF, 0, &[]);
    }
    let kept = dir::kept(k, node);
    dir::free_entries(k, index);
    if inode.mode & S_IFMT != S_IFDIR {
        data::free(k, index);
    }
    if inode.origin != 0 {
        unchain(k, Ino(inode.origin), index);
    }
    k.inodes[index] = Inode::default();
    k.inodes[index].chain = k.header.vfs.inode_free;
    k.header.vfs.inode_free = index as u32 + 1;
    k.header.vfs.inode_used -= 1;
    kept.filter(|&directory| k.inodes[directory].mode != 0)
}

fn unchain(k: &mut Kernel<'_>, ino: Ino, index: usize) {
    let head = hash_of(k, ino);
    let after = k.inodes[index].chain;
    let mut next = k.shadow_hash[head];
    if next == index as u32 + 1 {
        k.shadow_hash[head] = after;
        return;
    }
    while let Some(at) = next.checked_sub(1) {
        next = k.inodes[at as usize].chain;
        if next == index as u32 + 1 {
            k.inodes[at as usize].chain = after;
            return;
        }
    }
}

/// Sets the modification and change time of a node to now.
pub(crate) fn touch(k: &mut Kernel<'_>, index: usize) {
    let now = k.wall_time();
    k.inodes[index].times[1] = now;
    k.inodes[index].times[2] = now;
}
