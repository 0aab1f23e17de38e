//! Directories: looking names up, making and removing them, listing.

use super::request::{Question, ask, ask_about, command};
use super::{FREE, HostNode, alloc, cached, changed, index_of, learn, node_of, refresh, stamp};
use crate::Errno;
use crate::host::operation;
use crate::image::Kernel;
use crate::scratch::{PageScratch, zeroed};
use crate::vfs::dir::{Listed, Name};
use crate::vfs::{Node, data, inode};

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

pub(crate) fn create(k: &mut Kernel<'_>, dir: Node, name: &[u8], mode: u32) -> Result<Node, Errno> {
    let dir = index_of(k, dir)?;
    let index = child(k, dir, name)?;
    let arguments = [u64::from(mode & 0o7777), 0, 0, 0];
    let answer = ask_about(k, index, &[], operation::CREATE, arguments)?;
    learn(k, index, answer)?;
    Ok(node_of(index))
}

pub(crate) fn mkdir(k: &mut Kernel<'_>, dir: Node, name: &[u8], mode: u32) -> Result<(), Errno> {
    let dir = index_of(k, dir)?;
    let arguments = [u64::from(mode & 0o7777), 0, 0, 0];
    command(k, dir, name, operation::MKDIR, arguments)?;
    Ok(())
}

#[inline(never)]
pub(crate) fn symlink(
    k: &mut Kernel<'_>,
    dir: Node,
    name: &[u8],
    target: &[u8],
) -> Result<(), Errno> {
    let dir = index_of(k, dir)?;
    let mut scratch = PageScratch::uninit();
    let mut question = Question::new(&mut scratch);
    question.path(k, dir, name)?;
    question.append(target.len() + 1)?[..target.len()].copy_from_slice(target);
    ask(k, dir, operation::SYMLINK, [0; 4], question.get())?.value(k);
    Ok(())
}

pub(crate) fn unlink(
    k: &mut Kernel<'_>,
    dir: Node,
    name: &[u8],
    directory: bool,
) -> Result<(), Errno> {
    let dir = index_of(k, dir)?;
    let arguments = [u64::from(directory), 0, 0, 0];
    command(k, dir, name, operation::UNLINK, arguments)?;
    Ok(())
}

#[inline(never)]
pub(crate) fn rename(
    k: &mut Kernel<'_>,
    dir: Node,
    name: &[u8],
    to: Node,
    to_name: &[u8],
    flags: u32,
) -> Result<(), Errno> {
    let (dir, to) = (index_of(k, dir)?, index_of(k, to)?);
    let mut scratch = PageScratch::uninit();
    let mut question = Question::new(&mut scratch);
    question.path(k, dir, name)?;
    question.path(k, to, to_name)?;
    ask(k, dir, operation::RENAME, [u64::from(flags), 0, 0, 0], question.get())?.value(k);
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

/// The entry of a directory at or after `position` (2 is the first).
pub(crate) fn next(k: &mut Kernel<'_>, dir: Node, position: u64) -> Result<Option<Listed>, Errno> {
    let index = index_of(k, dir)?;
    let cache = listing(k, index)?;
    let entry = position.max(2) - 2;
    let at = entry * LISTING_SLOT;
    let mut slot = [0; LISTING_SLOT as usize];
    if data::read_kept(k, cache, at, &mut slot)? != slot.len() || slot[0] == 0 {
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
#[inline(never)]
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
        let answer = ask_about(k, index, &[], operation::READ_DIR, [known, 0, 0, 0])?;
        let count = answer.value;
        let mut scratch = PageScratch::uninit();
        let bytes = zeroed(&mut scratch);
        let length = answer.finish(k, bytes);
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
