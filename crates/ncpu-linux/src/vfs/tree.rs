//! Making, removing, linking and renaming names.

use super::dir::{self, Name};
use super::inode::{self, Place};
use super::walk::{self, EMPTY_PATH, FOLLOW, Found, Last, PARENT};
use super::{AT_FDCWD, Node, access, data, hostfs, mount};
use crate::image::Kernel;
use crate::ipc::inotify::notify;
use crate::rom::{S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK};
use crate::{Errno, SysResult};

/// inotify(7) event bits.
mod event {
    pub(super) const MOVED_FROM: u32 = 0x40;
    pub(super) const MOVED_TO: u32 = 0x80;
    pub(super) const CREATE: u32 = 0x100;
    pub(super) const DELETE: u32 = 0x200;
    pub(super) const MOVE_SELF: u32 = 0x800;
    pub(super) const ATTRIB: u32 = 4;
    pub(super) const ISDIR: u32 = 1 << 30;
}

/// Most links of a node, as on ext4.
const LINK_MAX: u32 = 65_000;

fn is_directory(mode: u32) -> bool {
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
fn add_links(k: &mut Kernel<'_>, node: Node, change: i32) {
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
fn forget_link(k: &mut Kernel<'_>, dir: Node, name: &[u8], node: Node) {
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
    let mut buffer = [0; walk::PATH_MAX];
    let target = k.read_string(target, &mut buffer)?;
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

fn same_mount(k: &Kernel<'_>, a: Node, b: Node) -> bool {
    mount::of(k, a) == mount::of(k, b)
}

/// Whether anything is mounted on a node, or it is a mounted root.
fn is_mount_point(k: &Kernel<'_>, node: Node) -> bool {
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

/// `chdir(2)`.
pub fn chdir(k: &mut Kernel<'_>, path: u64) -> SysResult {
    let node = walk::user_path(k, AT_FDCWD, path, FOLLOW)?;
    set_directory(k, node)?;
    Ok(0)
}

/// Makes a directory the current one by its path.
pub fn enter(k: &mut Kernel<'_>, path: &[u8]) -> Result<(), Errno> {
    let node = walk::resolve(k, AT_FDCWD, path, FOLLOW)?;
    set_directory(k, node)
}

/// `fchdir(2)`.
pub fn fchdir(k: &mut Kernel<'_>, fd: i32) -> SysResult {
    let file = crate::file::get(k, fd)?;
    let node = Node(k.files[file].node);
    if node == Node::NONE {
        return Err(Errno::ENOTDIR.into());
    }
    set_directory(k, node)?;
    Ok(0)
}

fn enterable(k: &mut Kernel<'_>, node: Node) -> Result<(), Errno> {
    if !walk::is_dir(k, node)? {
        return Err(Errno::ENOTDIR);
    }
    access::allowed(k, node, access::EXECUTE)
}

fn set_directory(k: &mut Kernel<'_>, node: Node) -> Result<(), Errno> {
    enterable(k, node)?;
    inode::hold(k, node);
    let process = k.current_process();
    let old = core::mem::replace(&mut k.processes[process].cwd, node.0);
    inode::drop_node(k, Node(old));
    Ok(())
}

/// `chroot(2)`.
pub fn chroot(k: &mut Kernel<'_>, path: u64) -> SysResult {
    let node = walk::user_path(k, AT_FDCWD, path, FOLLOW)?;
    enterable(k, node)?;
    if !access::is_privileged(k) {
        return Err(Errno::EPERM.into());
    }
    inode::hold(k, node);
    let process = k.current_process();
    let old = core::mem::replace(&mut k.processes[process].root, node.0);
    inode::drop_node(k, Node(old));
    Ok(0)
}

/// `getcwd(2)`: the length with the terminator.
pub fn getcwd(k: &mut Kernel<'_>, buffer: u64, size: u64) -> SysResult {
    let mut path = [0; walk::PATH_MAX];
    let cwd = Node(k.processes[k.current_process()].cwd);
    if inode::view(k, cwd).is_some_and(|inode| inode.links == 0) {
        return Err(Errno::ENOENT.into());
    }
    let length = super::path::path_of(k, cwd, &mut path[..walk::PATH_MAX - 1])?.len();
    if size < length as u64 + 1 {
        return Err(Errno::ERANGE.into());
    }
    k.write_user(buffer, &path[..=length])?;
    Ok(length as u64 + 1)
}
