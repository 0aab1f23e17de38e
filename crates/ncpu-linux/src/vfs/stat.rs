//! Attributes of nodes and file systems, and the calls that report them.

use super::inode::{self, Place};
use super::mount::{self, kind};
use super::walk::{self, EMPTY_PATH, FOLLOW};
use super::{AT_FDCWD, Node, Status};
use crate::abi::fcntl::{AT_EMPTY_PATH, AT_NO_AUTOMOUNT, AT_STATX_SYNC_TYPE, AT_SYMLINK_NOFOLLOW};
use crate::abi::stat::{self, Fields};
use crate::file::{self, kind as file_kind};
use crate::image::Kernel;
use crate::rom::{S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK, makedev};
use crate::{Errno, SysResult};

const PAGE: u64 = 4096;
/// 512-byte blocks of a page.
const BLOCKS: u64 = 8;
/// Device numbers of the kernel's own mounts (pipes, sockets, anonymous nodes).
const PIPE_DEVICE: u32 = makedev(0, 12);
const SOCKET_DEVICE: u32 = makedev(0, 8);
const ANONYMOUS_DEVICE: u32 = makedev(0, 14);

/// The attributes of a node; ESTALE when it is gone.
pub fn status(k: &mut Kernel<'_>, node: Node) -> Result<Status, Errno> {
    match node.place() {
        Place::None => return Err(Errno::ENOENT),
        Place::Proc => return super::proc::status(k, node),
        Place::Host(_) => return super::hostfs::status(k, node),
        _ => {}
    }
    let inode = inode::view(k, node).ok_or(Errno::ESTALE)?;
    let kind = inode.mode & S_IFMT;
    let (size, blocks) = match kind {
        S_IFDIR => (PAGE, BLOCKS),
        S_IFREG => {
            let origin = inode.origin_size.div_ceil(PAGE);
            let mut pages = u64::from(inode.page_count) + origin;
            if origin != 0 {
                // Pages of its own mostly replace those of the image.
                pages = pages.min(inode.size.div_ceil(PAGE).max(u64::from(inode.page_count)));
            }
            (inode.size, pages * BLOCKS)
        }
        S_IFLNK => (inode.size, 0),
        _ => (0, 0),
    };
    Ok(Status {
        mode: inode.mode,
        uid: inode.uid,
        gid: inode.gid,
        links: inode.links,
        size,
        device: mount::device(k, node),
        rdev: if kind == S_IFREG { 0 } else { device_number(&inode, kind) },
        ino: u64::from(node.0),
        times: inode.times,
        blocks,
    })
}

fn device_number(inode: &super::Inode, kind: u32) -> u32 {
    if matches!(kind, S_IFCHR | crate::rom::S_IFBLK) { inode.device } else { 0 }
}

/// The attributes of an open file.
pub(crate) fn file_status(k: &mut Kernel<'_>, file: usize) -> Result<Status, Errno> {
    let f = k.files[file];
    if f.node != 0 {
        return status(k, Node(f.node));
    }
    let (mode, device) = match f.kind {
        file_kind::PIPE_READ
        | file_kind::PIPE_WRITE
        | file_kind::PIPE_BOTH
        | file_kind::HOST_INPUT
        | file_kind::HOST_OUTPUT => (S_IFIFO | 0o600, PIPE_DEVICE),
        file_kind::SOCKET => (S_IFSOCK | 0o777, SOCKET_DEVICE),
        file_kind::TTY | file_kind::PTY_MASTER => (S_IFCHR | 0o620, mount::device(k, Node::ROOT)),
        _ => (0o600, ANONYMOUS_DEVICE),
    };
    let rdev = match f.kind {
        file_kind::TTY => f.device,
        file_kind::PTY_MASTER => makedev(5, 2),
        _ => 0,
    };
    let (uid, gid) = super::access::file_owner(k);
    Ok(Status {
        mode,
        uid,
        gid,
        links: 1,
        size: 0,
        device,
        rdev,
        ino: object_number(&f, file),
        times: [k.header.boot_time; 3],
        blocks: 0,
    })
}

/// Inode number of what has no node: both ends of a pipe have the same.
pub(crate) fn object_number(f: &file::File, file: usize) -> u64 {
    const FIRST: u64 = 1 << 32;
    let number = match f.kind {
        file_kind::PIPE_READ | file_kind::PIPE_WRITE | file_kind::PIPE_BOTH => {
            (1 << 16) + u64::from(f.object)
        }
        file_kind::SOCKET => (2 << 16) + u64::from(f.object),
        file_kind::TTY | file_kind::PTY_MASTER => (3 << 16) + u64::from(f.object),
        file_kind::HOST_INPUT | file_kind::HOST_OUTPUT => (4 << 16) + u64::from(f.object),
        _ => (5 << 16) + file as u64,
    };
    FIRST + number
}

/// Seconds and nanoseconds of a time.
pub(crate) const fn split(time: u64) -> (u64, u32) {
    const SECOND: i64 = 1_000_000_000;
    let time = time as i64;
    (time.div_euclid(SECOND) as u64, time.rem_euclid(SECOND) as u32)
}

/// A device number as `st_dev` and `st_rdev` carry it.
fn write_stat(k: &mut Kernel<'_>, address: u64, s: &Status) -> SysResult {
    let mut bytes = [0; stat::STAT_BYTES];
    let mut fields = Fields::new(&mut bytes);
    fields.long(u64::from(s.device)).long(s.ino).word(s.mode).word(s.links);
    fields.word(s.uid).word(s.gid).long(u64::from(s.rdev)).long(0).long(s.size);
    fields.word(PAGE as u32).word(0).long(s.blocks);
    for time in s.times {
        let (seconds, nanoseconds) = split(time);
        fields.long(seconds).long(u64::from(nanoseconds));
    }
    k.write_user(address, &bytes)?;
    Ok(0)
}

/// `fstat(2)`.
pub fn fstat(k: &mut Kernel<'_>, fd: i32, address: u64) -> SysResult {
    let file = file::get(k, fd)?;
    let status = file_status(k, file)?;
    write_stat(k, address, &status)
}

/// What a path and AT_* flags name: the attributes of a node or an open file without one.
fn status_at(k: &mut Kernel<'_>, dirfd: i32, path: u64, flags: u32) -> Result<Status, Errno> {
    let mut walk_flags = if flags & AT_SYMLINK_NOFOLLOW == 0 { FOLLOW } else { 0 };
    if flags & AT_EMPTY_PATH != 0 {
        walk_flags |= EMPTY_PATH;
    }
    let found = walk::user_walk(k, dirfd, path, walk_flags)?;
    match found.file {
        Some(file) => file_status(k, file),
        None => status(k, found.node),
    }
}

/// `fstatat(2)`.
pub fn fstatat(k: &mut Kernel<'_>, dirfd: i32, path: u64, address: u64, flags: u32) -> SysResult {
    let known = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE;
    if flags & !known != 0 {
        return Err(Errno::EINVAL.into());
    }
    let status = status_at(k, dirfd, path, flags)?;
    write_stat(k, address, &status)
}

/// `statx(2)`.
pub fn statx(
    k: &mut Kernel<'_>,
    dirfd: i32,
    path: u64,
    flags: u32,
    mask: u32,
    address: u64,
) -> SysResult {
    let known = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE;
    if mask & stat::STATX_RESERVED != 0
        || flags & !known != 0
        || flags & AT_STATX_SYNC_TYPE == AT_STATX_SYNC_TYPE
    {
        return Err(Errno::EINVAL.into());
    }
    let s = status_at(k, dirfd, path, flags)?;
    let major = |device: u32| (device >> 8) & 0xfff;
    let minor = |device: u32| (device & 0xff) | ((device >> 12) & 0xfff00);
    let mount = k.mounts.iter().position(|m| m.kind != 0 && m.device == s.device).unwrap_or(0);
    let is_root = k.mounts.iter().any(|m| m.kind != 0 && u64::from(m.root) == s.ino);
    let mut bytes = [0; stat::STATX_BYTES];
    let mut fields = Fields::new(&mut bytes);
    fields.word(stat::STATX_BASIC_STATS | stat::STATX_MNT_ID).word(PAGE as u32);
    fields.long(if is_root { stat::STATX_ATTR_MOUNT_ROOT } else { 0 });
    fields.word(s.links).word(s.uid).word(s.gid).half(s.mode as u16).half(0);
    fields.long(s.ino).long(s.size).long(s.blocks).long(stat::STATX_ATTR_MOUNT_ROOT);
    let mut time = |time: Option<u64>| {
        let (seconds, nanoseconds) = time.map_or((0, 0), split);
        fields.long(seconds).word(nanoseconds).word(0);
    };
    // Access, birth (not kept), change, modification.
    time(Some(s.times[0]));
    time(None);
    time(Some(s.times[2]));
    time(Some(s.times[1]));
    fields.word(major(s.rdev)).word(minor(s.rdev));
    fields.word(major(s.device)).word(minor(s.device));
    fields.long(mount as u64 + FIRST_MOUNT_ID);
    k.write_user(address, &bytes)?;
    Ok(0)
}

/// Mount numbers as /proc/self/mountinfo shows them start here.
pub(crate) const FIRST_MOUNT_ID: u64 = 21;

/// Magic numbers of statfs(2).
const fn magic(kind: u32) -> u64 {
    match kind {
        kind::TMPFS => 0x0102_1994,
        kind::PROC => 0x9fa0,
        kind::DEVPTS => 0x1cd1,
        kind::SYSFS => 0x6265_6572,
        // What the root is comes nearest to an overlay.
        _ => 0x794c_7630,
    }
}

fn write_statfs(k: &mut Kernel<'_>, address: u64, node: Option<Node>) -> SysResult {
    let at = node.map(|node| mount::of(k, node));
    let mount = at.and_then(|at| k.mounts.get(at)).copied();
    let mut bytes = [0; stat::STATFS_BYTES];
    let mut fields = Fields::new(&mut bytes);
    // Pipes and sockets: no mount of the tree, and nothing to count.
    const PIPEFS: u64 = 0x5049_5045;
    const NAME_MAX: u64 = 255;
    const ST_VALID: u64 = 0x20;
    fields.long(mount.map_or(PIPEFS, |mount| magic(mount.kind))).long(PAGE);
    let stores = mount.is_some_and(|m| matches!(m.kind, kind::ROOT | kind::TMPFS | kind::BIND));
    if stores {
        let pages = u64::from(k.mem.limit_pages());
        let free = pages - u64::from(k.mem.used_pages()).min(pages);
        let image = match at {
            Some(0) => u64::from(k.rom.header().total_pages),
            _ => 0,
        };
        let inodes = k.inodes.len() as u64;
        let free_inodes = inodes - u64::from(k.header.vfs.inode_used).min(inodes);
        fields.long(pages + image).long(free).long(free);
        fields.long(inodes + u64::from(k.rom.inode_count())).long(free_inodes);
    } else {
        fields.long(0).long(0).long(0).long(0).long(0);
    }
    let device = mount.map_or(PIPE_DEVICE, |mount| mount.device);
    let flags = mount.map_or(0, |mount| u64::from(mount.flags & mount::SHOWN));
    fields.word(device).word(0).long(NAME_MAX).long(PAGE).long(flags | ST_VALID);
    k.write_user(address, &bytes)?;
    Ok(0)
}

/// `statfs(2)`.
pub fn statfs(k: &mut Kernel<'_>, path: u64, address: u64) -> SysResult {
    let node = walk::user_path(k, AT_FDCWD, path, FOLLOW)?;
    write_statfs(k, address, Some(node))
}

/// `fstatfs(2)`.
pub fn fstatfs(k: &mut Kernel<'_>, fd: i32, address: u64) -> SysResult {
    let file = file::get(k, fd)?;
    let node = Node(k.files[file].node);
    write_statfs(k, address, (node != Node::NONE).then_some(node))
}
