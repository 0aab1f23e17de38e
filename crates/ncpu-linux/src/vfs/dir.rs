//! Directories: the image's entries, less the hidden ones, and those of the overlay.
//!
//! Positions (`d_off`): 0 is `.`, 1 is `..`, then come the image's entries in name order, then those
//! of the overlay in the order in which they were added. A position once given to a name stays its
//! own, so that a directory can be read while it changes.

use super::inode::{self, Place};
use super::{Dentry, Node};
use crate::Errno;
use crate::image::Kernel;
use crate::rom::{Ino, S_IFDIR, S_IFMT};

/// Longest name.
pub(crate) const NAME_MAX: usize = 255;

/// A name in a buffer of its own.
#[derive(Clone, Copy)]
pub struct Name {
    bytes: [u8; NAME_MAX],
    length: u8,
}

impl Name {
    /// The empty name.
    pub const EMPTY: Name = Name { bytes: [0; NAME_MAX], length: 0 };

    /// A copy of `name`; ENAMETOOLONG.
    pub fn new(name: &[u8]) -> Result<Name, Errno> {
        let mut copy = Name::EMPTY;
        copy.bytes.get_mut(..name.len()).ok_or(Errno::ENAMETOOLONG)?.copy_from_slice(name);
        copy.length = name.len() as u8;
        Ok(copy)
    }

    /// The name.
    pub fn get(&self) -> &[u8] {
        &self.bytes[..self.length as usize]
    }
}

fn hash_of(k: &Kernel<'_>, dir: Node, name: &[u8]) -> usize {
    // FNV-1a, 32 bits.
    let mut hash = 0x811c_9dc5 ^ dir.0.wrapping_mul(0x9e37_79b1);
    for &byte in name {
        hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    (hash ^ (hash >> 15)) as usize % k.dentry_hash.len().max(1)
}

/// The overlay's entry of this name, also if it only hides one of the image.
fn find(k: &Kernel<'_>, dir: Node, name: &[u8]) -> Option<usize> {
    let mut next = *k.dentry_hash.get(hash_of(k, dir, name))?;
    while let Some(index) = next.checked_sub(1) {
        let entry = k.dentries.get(index as usize)?;
        if entry.parent == dir.0 && entry.name.get(..entry.length as usize) == Some(name) {
            return Some(index as usize);
        }
        next = entry.chain;
    }
    None
}

/// Whether a name of a directory was given at run time.
pub(crate) fn is_overlaid(k: &Kernel<'_>, dir: Node, name: &[u8]) -> bool {
    find(k, dir, name).is_some()
}

/// The image's directory that shows through, if the directory is one of the image.
fn image_of(dir: Node) -> Option<Ino> {
    match dir.place() {
        Place::Rom(ino) => Some(ino),
        _ => None,
    }
}

/// The node that `name` has in a directory of the image or the overlay.
pub(crate) fn lookup(k: &Kernel<'_>, dir: Node, name: &[u8]) -> Option<Node> {
    match find(k, dir, name) {
        Some(index) => Some(Node(k.dentries[index].node)).filter(|&node| node != Node::NONE),
        None => k.rom.lookup(image_of(dir)?, name).map(|ino| Node(ino.0)),
    }
}

fn alloc(k: &mut Kernel<'_>) -> Result<usize, Errno> {
    let state = &mut k.header.vfs;
    let index = match state.dentry_free.checked_sub(1) {
        Some(free) => {
            state.dentry_free = k.dentries[free as usize].chain;
            free
        }
        None if (state.dentry_fresh as usize) < k.dentries.len() => {
            state.dentry_fresh += 1;
            state.dentry_fresh - 1
        }
        None => return Err(Errno::ENOSPC),
    };
    Ok(index as usize)
}

/// Puts entry `index` at the end of its directory's list with the next position.
fn append(k: &mut Kernel<'_>, at: usize, index: usize) {
    let dir = &mut k.inodes[at];
    let last = dir.last_entry;
    k.dentries[index].position = dir.next_position;
    k.dentries[index].previous = last;
    k.dentries[index].next = 0;
    dir.next_position = dir.next_position.wrapping_add(1);
    dir.last_entry = index as u32 + 1;
    match last.checked_sub(1) {
        Some(last) => k.dentries[last as usize].next = index as u32 + 1,
        None => dir.first_entry = index as u32 + 1,
    }
}

fn detach(k: &mut Kernel<'_>, at: usize, index: usize) {
    let Dentry { previous, next, .. } = k.dentries[index];
    match previous.checked_sub(1) {
        Some(previous) => k.dentries[previous as usize].next = next,
        None => k.inodes[at].first_entry = next,
    }
    match next.checked_sub(1) {
        Some(next) => k.dentries[next as usize].previous = previous,
        None => k.inodes[at].last_entry = previous,
    }
}

/// Sets what `name` names in a directory, [`Node::NONE`] to hide the image's entry. Nothing is
/// changed on failure.
fn set(k: &mut Kernel<'_>, dir: Node, name: &[u8], node: Node) -> Result<(), Errno> {
    if name.len() > NAME_MAX {
        return Err(Errno::ENAMETOOLONG);
    }
    let at = inode::change(k, dir)?;
    let index = match find(k, dir, name) {
        Some(index) => {
            if k.dentries[index].node == 0 {
                // A new file under an old name is listed as a new one.
                detach(k, at, index);
                append(k, at, index);
            }
            index
        }
        None => {
            let index = alloc(k)?;
            let head = hash_of(k, dir, name);
            let entry = &mut k.dentries[index];
            *entry = Dentry {
                parent: dir.0,
                node: 0,
                chain: k.dentry_hash[head],
                next: 0,
                previous: 0,
                position: 0,
                length: name.len() as u32,
                name: [0; 256],
            };
            entry.name[..name.len()].copy_from_slice(name);
            k.dentry_hash[head] = index as u32 + 1;
            append(k, at, index);
            index
        }
    };
    k.dentries[index].node = node.0;
    inode::touch(k, at);
    Ok(())
}

/// Makes `name` name `node`, in place of what it named before.
pub(crate) fn put(k: &mut Kernel<'_>, dir: Node, name: &[u8], node: Node) -> Result<(), Errno> {
    set(k, dir, name, node)?;
    if let Some(at) = inode::record(k, node) {
        k.inodes[at].parent = dir.0;
    }
    Ok(())
}

/// Removes a name that exists.
pub(crate) fn remove(k: &mut Kernel<'_>, dir: Node, name: &[u8]) -> Result<(), Errno> {
    let hidden = image_of(dir).and_then(|ino| k.rom.lookup(ino, name)).is_some();
    match find(k, dir, name) {
        Some(index) if !hidden => {
            let at = inode::change(k, dir)?;
            detach(k, at, index);
            free_entry(k, index);
            inode::touch(k, at);
            Ok(())
        }
        _ => set(k, dir, name, Node::NONE),
    }
}

fn free_entry(k: &mut Kernel<'_>, index: usize) {
    let Dentry { parent, chain, length, name, .. } = k.dentries[index];
    let name = name.get(..length as usize).unwrap_or(&[]);
    let head = hash_of(k, Node(parent), name);
    let this = index as u32 + 1;
    if k.dentry_hash[head] == this {
        k.dentry_hash[head] = chain;
    } else {
        let mut next = k.dentry_hash[head];
        while let Some(at) = next.checked_sub(1) {
            next = k.dentries[at as usize].chain;
            if next == this {
                k.dentries[at as usize].chain = chain;
                break;
            }
        }
    }
    let free = k.header.vfs.dentry_free;
    k.dentries[index].parent = 0;
    k.dentries[index].node = 0;
    k.dentries[index].chain = free;
    k.header.vfs.dentry_free = this;
}

/// Keeps the last name of a file that is used on without one, for /proc. Without room it is lost.
///
/// The directory that it was in is kept as long, since `..` leads there too.
pub(crate) fn remember(k: &mut Kernel<'_>, at: usize, parent: Node, name: &[u8]) {
    let node = inode::node_of(&k.inodes[at], at);
    if remembered(k, node).is_some() || name.len() > NAME_MAX {
        return;
    }
    let first = k.inodes[at].first_entry;
    let Ok(index) = alloc(k) else {
        // Another directory may take the place of one that is not kept.
        k.inodes[at].parent = 0;
        return;
    };
    let entry = &mut k.dentries[index];
    *entry = Dentry {
        parent: parent.0,
        node: 0,
        chain: 0,
        next: first,
        previous: 0,
        position: 0,
        length: name.len() as u32,
        name: [0; 256],
    };
    entry.name[..name.len()].copy_from_slice(name);
    if let Some(first) = first.checked_sub(1) {
        k.dentries[first as usize].previous = index as u32 + 1;
    }
    k.inodes[at].first_entry = index as u32 + 1;
    k.inodes[at].parent = parent.0;
    if let Place::Overlay(directory) = parent.place() {
        k.inodes[directory].references = k.inodes[directory].references.saturating_add(1);
    }
}

/// The entry with the last name of what has none any more: no entry of its own, which only hide
/// names of the image by then.
fn last_name<'k>(k: &'k Kernel<'_>, node: Node) -> Option<&'k Dentry> {
    let inode = k.inodes.get(inode::record(k, node)?)?;
    let entry = k.dentries.get(inode.first_entry.checked_sub(1)? as usize)?;
    (entry.parent != node.0).then_some(entry)
}

/// The last name of a node that has none any more.
pub(crate) fn remembered(k: &Kernel<'_>, node: Node) -> Option<Name> {
    let entry = last_name(k, node)?;
    Name::new(entry.name.get(..entry.length as usize)?).ok()
}

/// The directory that is kept for the remembered name of a node; its number in the overlay.
pub(super) fn kept(k: &Kernel<'_>, node: Node) -> Option<usize> {
    match Node(last_name(k, node)?.parent).place() {
        Place::Overlay(directory) => Some(directory),
        _ => None,
    }
}

/// Frees all entries of a directory, or the remembered name of a node, that goes away.
pub(crate) fn free_entries(k: &mut Kernel<'_>, at: usize) {
    let mut next = core::mem::take(&mut k.inodes[at].first_entry);
    k.inodes[at].last_entry = 0;
    while let Some(index) = next.checked_sub(1) {
        next = k.dentries[index as usize].next;
        free_entry(k, index as usize);
    }
}

/// An entry as [`next`] gives it.
pub(crate) struct Listed {
    /// Position behind it.
    pub next: u64,
    /// What it names.
    pub node: Node,
    /// Its name.
    pub name: Name,
    /// Its type (`DT_*`) where the directory says it, else 0.
    pub kind: u32,
}

/// Positions `.` and `..`.
const DOTS: u64 = 2;

/// The first entry at or after `position`, not counting `.` and `..`. `hint` speeds up the next call
/// of the same walk; it is zero in the first.
pub(crate) fn next(k: &Kernel<'_>, dir: Node, position: u64, hint: &mut u32) -> Option<Listed> {
    let mut position = position.max(DOTS);
    let image = image_of(dir);
    let count = image.and_then(|ino| k.rom.inode(ino)).map_or(0, |inode| u64::from(inode.count));
    if let Some(ino) = image {
        while position < DOTS + count {
            let (name, child, _) = k.rom.entry(ino, (position - DOTS) as u32)?;
            position += 1;
            // An overlay entry of the same name hides it or stands for it.
            if find(k, dir, name).is_none() {
                return Some(Listed {
                    next: position,
                    node: Node(child.0),
                    name: Name::new(name).ok()?,
                    kind: 0,
                });
            }
        }
    }
    let start = DOTS + count;
    let directory = k.inodes.get(inode::record(k, dir)?)?;
    let mut next = if *hint != 0 { *hint } else { directory.first_entry };
    while let Some(index) = next.checked_sub(1) {
        let entry = k.dentries.get(index as usize)?;
        let at = start + u64::from(entry.position);
        if at >= position && entry.node != 0 {
            *hint = next;
            return Some(Listed {
                next: at + 1,
                node: Node(entry.node),
                name: Name::new(entry.name.get(..entry.length as usize)?).ok()?,
                kind: 0,
            });
        }
        next = entry.next;
    }
    None
}

/// Whether a directory has no entries but `.` and `..`.
pub(crate) fn is_empty(k: &Kernel<'_>, dir: Node) -> bool {
    next(k, dir, 0, &mut 0).is_none()
}

/// The name that `node` has in `dir`.
pub(crate) fn name_of(k: &Kernel<'_>, dir: Node, node: Node) -> Option<Name> {
    let (mut position, mut hint) = (0, 0);
    while let Some(entry) = next(k, dir, position, &mut hint) {
        if entry.node == node {
            return Some(entry.name);
        }
        position = entry.next;
    }
    None
}

/// The directory that names `node`.
pub(crate) fn parent(k: &Kernel<'_>, node: Node) -> Option<Node> {
    let inode = inode::view(k, node)?;
    if inode.parent != 0 {
        return Some(Node(inode.parent));
    }
    if inode.mode & S_IFMT == S_IFDIR {
        return None;
    }
    // An image file does not know its directory: look for the first that names it.
    let ino = image_of(node)?;
    (1..=k.rom.inode_count()).map(Ino).find_map(|dir| {
        let inode = k.rom.inode(dir).filter(|inode| inode.is_dir())?;
        (0..inode.count)
            .any(|index| k.rom.entry(dir, index).is_some_and(|(_, child, _)| child == ino))
            .then_some(Node(dir.0))
    })
}
