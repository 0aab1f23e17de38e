//! Making, removing and linking names.

use super::dir;
use super::inode::{self, Place};
use super::walk::{self, EMPTY_PATH, FOLLOW, Found, Last, PARENT};
use super::{Node, access, data, hostfs, mount};
use crate::image::Kernel;
use crate::ipc::inotify::notify;
use crate::rom::{S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK};
use crate::scratch::{PageScratch, zeroed};
use crate::{Errno, SysResult};

/// inotify(7) event bits.
pub(super) mod event {
    pub(crate) const MOVED_FROM: u32 = 0x40;
    pub(crate) const MOVED_TO: u32 = 0x80;
    pub(crate) const CREATE: u32 = 0x100;
    pub(crate) const DELETE: u32 = 0x200;
    pub(crate) const MOVE_SELF: u32 = 0x800;
    pub(crate) const ATTRIB: u32 = 4;
    pub(crate) const ISDIR: u32 = 1 << 30;
}

/// Most links of a node, as on ext4.
const LINK_MAX: u32 = 65_000;

pub(super) fn is_directory(mode: u32) -> bool {
    mode & S_IFMT == S_IFDIR
}

/// Makes a node with this mode under a new name in a directory of the image or the overlay. The
/// caller has checked that the name is free and that it may be made.
pub(crate) fn create(
    k: &mut Kernel<'_>,
    dir: Node,
    name: &[u8],
    mode: u32,
    device: u32,
) -> Result<Node, Errno> {
    let parent = inode::view(k, dir).ok_or(Errno::ENOENT)?;
    if parent.links == 0 {
        return Err(Errno::ENOENT);
    }
    let node = inode::create(k, mode, mount::of(k, dir) as u32)?;
    let at = inode::change(k, node)?;
    k.inodes[at].links = if is_directory(mode) { 2 } else { 1 };
    k.inodes[at].device = device;
    if parent.mode & access::S_ISGID != 0 {
        // inode(7): the group comes from the directory, and directories pass the bit on.
        k.inodes[at].gid = parent.gid;
        if is_directory(mode) {
            k.inodes[at].mode |= access::S_ISGID;
        }
    }
    if let Err(error) = dir::put(k, dir, name, node) {
        k.inodes[at].links = 0;
        inode::collect(k, node);
        return Err(error);
    }
    if is_directory(mode) {
        add_links(k, dir, 1);
    }
    let directory = if is_directory(mode) { event::ISDIR } else { 0 };
    notify(k, dir, node, event::CREATE | directory, 0, name);
    Ok(node)
}

/// Changes the link count of a node that has a record or can get one.
pub(super) fn add_links(k: &mut Kernel<'_>, node: Node, change: i32) {
    if let Ok(at) = inode::change(k, node) {
        let now = k.wall_time();
        k.inodes[at].links = k.inodes[at].links.saturating_add_signed(change);
        k.inodes[at].times[2] = now;
    }
}

/// Removes a name of a node; the last one frees it once nothing uses it.
pub(crate) fn unlink(k: &mut Kernel<'_>, dir: Node, name: &[u8], node: Node) -> Result<(), Errno> {
    let at = inode::change(k, node)?;
    dir::remove(k, dir, name)?;
    let directory = is_directory(k.inodes[at].mode);
    forget_link(k, dir, name, node);
    let kind = if directory { event::ISDIR } else { 0 };
    notify(k, dir, node, event::DELETE | kind, 0, name);
    Ok(())
}

/// Counts a removed name: a directory goes with its only one.
pub(super) fn forget_link(k: &mut Kernel<'_>, dir: Node, name: &[u8], node: Node) {
    let Some(at) = inode::record(k, node) else { return };
    if is_directory(k.inodes[at].mode) {
        add_links(k, node, -2);
        add_links(k, dir, -1);
    } else {
        add_links(k, node, -1);
    }
    let gone = k.inodes[at].links == 0;
    if gone && k.inodes[at].references != 0 {
        dir::remember(k, at, dir, name);
    }
    if !is_directory(k.inodes[at].mode) {
        notify(k, Node::NONE, node, event::ATTRIB, 0, &[]);
    }
    inode::collect(k, node);
}

/// The file mode creation mask applied.
pub(crate) fn masked(k: &Kernel<'_>, mode: u32) -> u32 {
    mode & !k.processes[k.current_process()].umask
}

/// The name at the end of a path under which something is to be made; EEXIST if it is taken.
fn vacant(k: &mut Kernel<'_>, found: &Found, directory: bool) -> Result<(), Errno> {
    if found.last != Last::Name || found.node != Node::NONE {
        return Err(Errno::EEXIST);
    }
    if found.slash && !directory {
        return Err(Errno::ENOENT);
    }
    if let Place::Proc = found.dir.place() {
        return Err(Errno::EPERM);
    }
    access::may_change_dir(k, found.dir)
}

/// Makes a node of any kind at a path for the current process, as mknod(2) does: for sockets, whose
/// number goes to `device`.
pub fn make_node(
    k: &mut Kernel<'_>,
    dirfd: i32,
    path: &[u8],
    mode: u32,
    device: u32,
) -> Result<Node, Errno> {
    let found = walk::walk(k, dirfd, path, PARENT)?;
    vacant(k, &found, false)?;
    let mode = masked(k, mode);
    if let Place::Host(_) = found.dir.place() {
        return hostfs::create(k, found.dir, found.name.get(), mode);
    }
    create(k, found.dir, found.name.get(), mode, device)
}

/// `mknodat(2)`.
pub fn mknodat(k: &mut Kernel<'_>, dirfd: i32, path: u64, mode: u32, device: u32) -> SysResult {
    let kind = match mode & S_IFMT {
        0 => S_IFREG,
        kind @ (S_IFREG | S_IFIFO | S_IFSOCK | S_IFCHR | S_IFBLK) => kind,
        S_IFDIR => return Err(Errno::EPERM.into()),
        _ => return Err(Errno::EINVAL.into()),
    };
    let found = walk::user_walk(k, dirfd, path, PARENT)?;
    vacant(k, &found, false)?;
    let is_device = matches!(kind, S_IFCHR | S_IFBLK);
    if is_device && !access::is_privileged(k) {
        return Err(Errno::EPERM.into());
    }
    let mode = kind | masked(k, mode & 0o7777);
    if let Place::Host(_) = found.dir.place() {
        if kind != S_IFREG {
            return Err(Errno::EPERM.into());
        }
        hostfs::create(k, found.dir, found.name.get(), mode)?;
        return Ok(0);
    }
    create(k, found.dir, found.name.get(), mode, if is_device { device } else { 0 })?;
    Ok(0)
}

/// `mkdirat(2)`.
pub fn mkdirat(k: &mut Kernel<'_>, dirfd: i32, path: u64, mode: u32) -> SysResult {
    let found = walk::user_walk(k, dirfd, path, PARENT)?;
    vacant(k, &found, true)?;
    let mode = S_IFDIR | masked(k, mode & 0o1777);
    if let Place::Host(_) = found.dir.place() {
        hostfs::mkdir(k, found.dir, found.name.get(), mode)?;
        return Ok(0);
    }
    let links = inode::view(k, found.dir).map_or(0, |dir| dir.links);
    if links >= LINK_MAX {
        return Err(Errno::EMLINK.into());
    }
    create(k, found.dir, found.name.get(), mode, 0)?;
    Ok(0)
}

/// `symlinkat(2)`.
pub fn symlinkat(k: &mut Kernel<'_>, target: u64, dirfd: i32, path: u64) -> SysResult {
    let mut scratch = PageScratch::uninit();
    let buffer = zeroed(&mut scratch);
    let target = k.read_string(target, buffer)?;
    if target.is_empty() {
        return Err(Errno::ENOENT.into());
    }
    let found = walk::user_walk(k, dirfd, path, PARENT)?;
    vacant(k, &found, false)?;
    if let Place::Host(_) = found.dir.place() {
        hostfs::symlink(k, found.dir, found.name.get(), target)?;
        return Ok(0);
    }
    let node = create(k, found.dir, found.name.get(), S_IFLNK | 0o777, 0)?;
    if let Err(error) = data::write_node(k, node, 0, target) {
        unlink(k, found.dir, found.name.get(), node)?;
        return Err(error.into());
    }
    Ok(0)
}

/// `linkat(2)`.
pub fn linkat(
    k: &mut Kernel<'_>,
    from_dirfd: i32,
    from: u64,
    to_dirfd: i32,
    to: u64,
    flags: u32,
) -> SysResult {
    const SYMLINK_FOLLOW: u32 = 0x400;
    const AT_EMPTY_PATH: u32 = 0x1000;
    if flags & !(SYMLINK_FOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let mut walk_flags = 0;
    if flags & SYMLINK_FOLLOW != 0 {
        walk_flags |= FOLLOW;
    }
    if flags & AT_EMPTY_PATH != 0 {
        if !access::is_privileged(k) {
            return Err(Errno::ENOENT.into());
        }
        walk_flags |= EMPTY_PATH;
    }
    let node = walk::user_path(k, from_dirfd, from, walk_flags)?;
    let found = walk::user_walk(k, to_dirfd, to, PARENT)?;
    vacant(k, &found, false)?;
    if !same_mount(k, node, found.dir) {
        return Err(Errno::EXDEV.into());
    }
    let mode = walk::mode(k, node)?;
    if is_directory(mode) {
        return Err(Errno::EPERM.into());
    }
    if let Place::Host(_) = node.place() {
        return Err(Errno::EPERM.into());
    }
    let at = inode::change(k, node)?;
    let links = k.inodes[at].links;
    if links == 0 && k.inodes[at].flags & super::inode_flags::UNNAMED == 0 {
        return Err(Errno::ENOENT.into());
    }
    if links >= LINK_MAX {
        return Err(Errno::EMLINK.into());
    }
    dir::put(k, found.dir, found.name.get(), node)?;
    k.inodes[at].flags &= !super::inode_flags::UNNAMED;
    add_links(k, node, 1);
    notify(k, found.dir, node, event::CREATE, 0, found.name.get());
    notify(k, Node::NONE, node, event::ATTRIB, 0, &[]);
    Ok(0)
}

pub(super) fn same_mount(k: &Kernel<'_>, a: Node, b: Node) -> bool {
    mount::of(k, a) == mount::of(k, b)
}

/// Whether anything is mounted on a node, or it is a mounted root.
pub(super) fn is_mount_point(k: &Kernel<'_>, node: Node) -> bool {
    k.mounts.iter().any(|mount| mount.kind != 0 && (mount.point == node.0 || mount.root == node.0))
}

/// `unlinkat(2)`.
pub fn unlinkat(k: &mut Kernel<'_>, dirfd: i32, path: u64, flags: u32) -> SysResult {
    const AT_REMOVEDIR: u32 = 0x200;
    if flags & !AT_REMOVEDIR != 0 {
        return Err(Errno::EINVAL.into());
    }
    let rmdir = flags & AT_REMOVEDIR != 0;
    let found = walk::user_walk(k, dirfd, path, PARENT)?;
    match found.last {
        Last::Name => {}
        Last::Dot if rmdir => return Err(Errno::EINVAL.into()),
        Last::DotDot if rmdir => return Err(Errno::ENOTEMPTY.into()),
        Last::Root if rmdir => return Err(Errno::EBUSY.into()),
        _ => return Err(Errno::EISDIR.into()),
    }
    let node = found.node;
    if node == Node::NONE {
        return Err(Errno::ENOENT.into());
    }
    let mode = walk::mode(k, node)?;
    if is_mount_point(k, node) && rmdir {
        return Err(Errno::EBUSY.into());
    }
    mount::writable(k, found.dir)?;
    if let Place::Proc = found.dir.place() {
        return Err(Errno::EPERM.into());
    }
    access::may_remove(k, found.dir, node)?;
    match (rmdir, is_directory(mode)) {
        (true, false) => return Err(Errno::ENOTDIR.into()),
        (false, true) => return Err(Errno::EISDIR.into()),
        (false, false) if found.slash => return Err(Errno::ENOTDIR.into()),
        _ => {}
    }
    if let Place::Host(_) = node.place() {
        hostfs::unlink(k, found.dir, found.name.get(), rmdir)?;
        return Ok(0);
    }
    if rmdir && !dir::is_empty(k, node) {
        return Err(Errno::ENOTEMPTY.into());
    }
    unlink(k, found.dir, found.name.get(), node)?;
    Ok(0)
}
