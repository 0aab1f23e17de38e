//! Renaming: renameat2(2).

use super::dir::{self, Name};
use super::inode::{self, Place};
use super::tree::{add_links, event, forget_link, is_directory, is_mount_point, same_mount};
use super::walk::{self, Found, Last, PARENT};
use super::{Node, access, hostfs};
use crate::image::Kernel;
use crate::ipc::inotify::notify;
use crate::{Errno, SysResult};

/// RENAME_NOREPLACE.
const NOREPLACE: u32 = 1;
/// RENAME_EXCHANGE.
const EXCHANGE: u32 = 2;
/// RENAME_WHITEOUT.
const WHITEOUT: u32 = 4;

/// `renameat(2)`.
pub fn renameat(k: &mut Kernel<'_>, from_fd: i32, from: u64, to_fd: i32, to: u64) -> SysResult {
    renameat2(k, from_fd, from, to_fd, to, 0)
}

/// `renameat2(2)`.
pub fn renameat2(
    k: &mut Kernel<'_>,
    from_fd: i32,
    from: u64,
    to_fd: i32,
    to: u64,
    flags: u32,
) -> SysResult {
    if flags & !(NOREPLACE | EXCHANGE | WHITEOUT) != 0
        || flags & EXCHANGE != 0 && flags & (NOREPLACE | WHITEOUT) != 0
        || flags & WHITEOUT != 0
    {
        return Err(Errno::EINVAL.into());
    }
    let old = user_name(k, from_fd, from)?;
    let new = user_name(k, to_fd, to)?;
    if !same_mount(k, old.dir, new.dir) {
        return Err(Errno::EXDEV.into());
    }
    if old.last != Last::Name {
        return Err(Errno::EBUSY.into());
    }
    if new.last != Last::Name {
        return Err(if flags & NOREPLACE != 0 { Errno::EEXIST } else { Errno::EBUSY }.into());
    }
    if old.node == Node::NONE {
        return Err(Errno::ENOENT.into());
    }
    if flags & NOREPLACE != 0 && new.node != Node::NONE {
        return Err(Errno::EEXIST.into());
    }
    if flags & EXCHANGE != 0 && new.node == Node::NONE {
        return Err(Errno::ENOENT.into());
    }
    let old_dir = is_directory(walk::mode(k, old.node)?);
    let exchange = flags & EXCHANGE != 0;
    if !old_dir && (old.slash || !exchange && new.slash) {
        return Err(Errno::ENOTDIR.into());
    }
    // Not into a directory below itself, nor over one above.
    if old_dir && is_within(k, new.dir, old.node) {
        return Err(Errno::EINVAL.into());
    }
    if new.node != Node::NONE && is_within(k, old.dir, new.node) {
        return Err(if exchange { Errno::EINVAL } else { Errno::ENOTEMPTY }.into());
    }
    if old.node == new.node && !matches!(old.node.place(), Place::Host(_)) {
        return Ok(0);
    }
    access::may_remove(k, old.dir, old.node)?;
    if new.node == Node::NONE {
        access::may_change_dir(k, new.dir)?;
    } else {
        access::may_remove(k, new.dir, new.node)?;
    }
    if is_mount_point(k, old.node) || new.node != Node::NONE && is_mount_point(k, new.node) {
        return Err(Errno::EBUSY.into());
    }
    if old_dir && old.dir != new.dir {
        // Its `..` changes.
        access::allowed(k, old.node, access::WRITE)?;
    }
    if let Place::Host(_) = old.dir.place() {
        hostfs::rename(k, old.dir, old.name.get(), new.dir, new.name.get(), flags)?;
        return Ok(0);
    }
    if let Place::Proc = old.dir.place() {
        return Err(Errno::EPERM.into());
    }
    if exchange {
        swap(k, &old, &new)?;
    } else {
        replace(k, &old, &new, old_dir)?;
    }
    Ok(0)
}

fn user_name(k: &mut Kernel<'_>, dirfd: i32, path: u64) -> Result<Found, Errno> {
    walk::user_walk(k, dirfd, path, PARENT)
}

/// Whether `node` is `ancestor` or below it.
pub(super) fn is_within(k: &Kernel<'_>, node: Node, ancestor: Node) -> bool {
    let mut node = node;
    loop {
        if node == ancestor {
            return true;
        }
        let parent = walk::parent(k, node);
        if parent == node {
            return false;
        }
        node = parent;
    }
}

fn replace(k: &mut Kernel<'_>, old: &Found, new: &Found, old_dir: bool) -> Result<(), Errno> {
    if new.node != Node::NONE {
        match (old_dir, is_directory(walk::mode(k, new.node)?)) {
            (true, false) => return Err(Errno::ENOTDIR),
            (false, true) => return Err(Errno::EISDIR),
            (true, true) if !dir::is_empty(k, new.node) => return Err(Errno::ENOTEMPTY),
            _ => {}
        }
        inode::change(k, new.node)?;
    }
    let at = inode::change(k, old.node)?;
    let old_parent = k.inodes[at].parent;
    dir::put(k, new.dir, new.name.get(), old.node)?;
    if let Err(error) = dir::remove(k, old.dir, old.name.get()) {
        // Undo: the new name was put, so an entry to change exists.
        if new.node == Node::NONE {
            dir::remove(k, new.dir, new.name.get())?;
        } else {
            dir::put(k, new.dir, new.name.get(), new.node)?;
        }
        k.inodes[at].parent = old_parent;
        return Err(error);
    }
    if new.node != Node::NONE {
        forget_link(k, new.dir, new.name.get(), new.node);
    }
    let now = k.wall_time();
    k.inodes[at].times[2] = now;
    if old_dir && old.dir != new.dir {
        add_links(k, old.dir, -1);
        add_links(k, new.dir, 1);
    }
    moved(k, old, new, &old.name, &new.name, old.node, old_dir);
    Ok(())
}

fn swap(k: &mut Kernel<'_>, old: &Found, new: &Found) -> Result<(), Errno> {
    inode::change(k, old.node)?;
    inode::change(k, new.node)?;
    dir::put(k, new.dir, new.name.get(), old.node)?;
    if let Err(error) = dir::put(k, old.dir, old.name.get(), new.node) {
        dir::put(k, new.dir, new.name.get(), new.node)?;
        return Err(error);
    }
    let old_dir = is_directory(walk::mode(k, old.node)?);
    let new_dir = is_directory(walk::mode(k, new.node)?);
    if old_dir != new_dir && old.dir != new.dir {
        let change = if old_dir { 1 } else { -1 };
        add_links(k, old.dir, -change);
        add_links(k, new.dir, change);
    }
    moved(k, old, new, &old.name, &new.name, old.node, old_dir);
    moved(k, new, old, &new.name, &old.name, new.node, new_dir);
    Ok(())
}

fn moved(
    k: &mut Kernel<'_>,
    old: &Found,
    new: &Found,
    from: &Name,
    to: &Name,
    node: Node,
    directory: bool,
) {
    let kind = if directory { event::ISDIR } else { 0 };
    k.header.serial = k.header.serial.wrapping_add(1);
    let cookie = k.header.serial;
    notify(k, old.dir, node, event::MOVED_FROM | kind, cookie, from.get());
    notify(k, new.dir, node, event::MOVED_TO | kind, cookie, to.get());
    notify(k, Node::NONE, node, event::MOVE_SELF, 0, &[]);
}
