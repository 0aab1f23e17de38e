//! Changing attributes, checking access, links, sizes.

use super::inode::{self, Place};
use super::walk::{self, EMPTY_PATH, FOLLOW};
use super::{AT_FDCWD, Node, access, data, hostfs, mount, open};
use crate::abi::fcntl::{
    AT_EACCESS, AT_EMPTY_PATH, AT_SYMLINK_FOLLOW, AT_SYMLINK_NOFOLLOW, F_SEAL_GROW, F_SEAL_SHRINK,
};
use crate::file;
use crate::image::Kernel;
use crate::rom::{S_IFDIR, S_IFLNK, S_IFMT, S_IFREG};
use crate::scratch::{PageScratch, zeroed};
use crate::{Errno, SysResult};

/// IN_ATTRIB.
const ATTRIB: u32 = 4;

/// The node of a descriptor that is not O_PATH only; what has none gives EINVAL.
fn node_of(k: &Kernel<'_>, fd: i32) -> Result<Node, Errno> {
    let file = file::get(k, fd)?;
    if k.files[file].kind == file::kind::PATH {
        return Err(Errno::EBADF);
    }
    match k.files[file].node {
        0 => Err(Errno::EINVAL),
        node => Ok(Node(node)),
    }
}

fn changed(k: &mut Kernel<'_>, node: Node) {
    open::event(k, node, ATTRIB);
}

fn set_mode(k: &mut Kernel<'_>, node: Node, mode: u32) -> SysResult {
    mount::writable(k, node)?;
    let status = super::status(k, node)?;
    access::owns(k, status.uid)?;
    let mut mode = mode & 0o7777;
    let who = access::credentials(k);
    if !access::in_group(&who, status.gid) && !access::is_privileged(k) {
        mode &= !access::S_ISGID;
    }
    match node.place() {
        Place::Proc => return Err(Errno::EPERM.into()),
        Place::Host(_) => return Ok(hostfs::chmod(k, node, mode).map(|()| 0)?),
        _ => {}
    }
    let now = k.wall_time();
    let at = inode::change(k, node)?;
    k.inodes[at].mode = k.inodes[at].mode & S_IFMT | mode;
    k.inodes[at].times[2] = now;
    changed(k, node);
    Ok(0)
}

/// `fchmod(2)`.
pub fn fchmod(k: &mut Kernel<'_>, fd: i32, mode: u32) -> SysResult {
    let node = node_of(k, fd)?;
    set_mode(k, node, mode)
}

/// `fchmodat(2)`; the system call has no flags.
pub fn fchmodat(k: &mut Kernel<'_>, dirfd: i32, path: u64, mode: u32) -> SysResult {
    let node = walk::user_path(k, dirfd, path, FOLLOW)?;
    set_mode(k, node, mode)
}

fn set_owner(k: &mut Kernel<'_>, node: Node, uid: u32, gid: u32) -> SysResult {
    const UNCHANGED: u32 = u32::MAX;
    mount::writable(k, node)?;
    let status = super::status(k, node)?;
    if !access::is_privileged(k) {
        let who = access::credentials(k);
        let mine = who.uid[3] == status.uid;
        let user_kept = uid == UNCHANGED || mine && uid == status.uid;
        let group_kept =
            gid == UNCHANGED || mine && (gid == status.gid || access::in_group(&who, gid));
        if !user_kept || !group_kept {
            return Err(Errno::EPERM.into());
        }
    }
    match node.place() {
        Place::Proc => return Err(Errno::EPERM.into()),
        Place::Host(_) => {
            // A host folder's owners are what the mount shows.
            let same =
                (uid == UNCHANGED || uid == status.uid) && (gid == UNCHANGED || gid == status.gid);
            return if same { Ok(0) } else { Err(Errno::EPERM.into()) };
        }
        _ => {}
    }
    let now = k.wall_time();
    let at = inode::change(k, node)?;
    let inode = &mut k.inodes[at];
    if uid != UNCHANGED {
        inode.uid = uid;
    }
    if gid != UNCHANGED {
        inode.gid = gid;
    }
    // chown(2): set-ID bits of executables are lost.
    if inode.mode & S_IFMT != S_IFDIR {
        let group = if inode.mode & 0o010 != 0 { access::S_ISGID } else { 0 };
        inode.mode &= !(access::S_ISUID | group);
    }
    inode.times[2] = now;
    changed(k, node);
    Ok(0)
}

/// `fchown(2)`.
pub fn fchown(k: &mut Kernel<'_>, fd: i32, uid: u32, gid: u32) -> SysResult {
    let file = file::get(k, fd)?;
    match k.files[file].kind {
        file::kind::PATH => Err(Errno::EBADF.into()),
        _ if k.files[file].node == 0 => Ok(0),
        _ => set_owner(k, Node(k.files[file].node), uid, gid),
    }
}

/// `fchownat(2)`.
pub fn fchownat(
    k: &mut Kernel<'_>,
    dirfd: i32,
    path: u64,
    uid: u32,
    gid: u32,
    flags: u32,
) -> SysResult {
    if flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let node = walk::user_path(k, dirfd, path, walk_flags(flags))?;
    set_owner(k, node, uid, gid)
}

fn walk_flags(flags: u32) -> u32 {
    let follow = if flags & AT_SYMLINK_NOFOLLOW == 0 { FOLLOW } else { 0 };
    let empty = if flags & AT_EMPTY_PATH != 0 { EMPTY_PATH } else { 0 };
    follow | empty
}

/// `utimensat(2)`.
pub fn utimensat(k: &mut Kernel<'_>, dirfd: i32, path: u64, times: u64, flags: u32) -> SysResult {
    const NOW: i64 = 0x3fff_ffff;
    const OMIT: i64 = 0x3fff_fffe;
    let times = match times {
        0 => [[0, NOW]; 2],
        address => {
            let access: [i64; 2] = k.read_record(address)?;
            let modification: [i64; 2] = k.read_record(address.wrapping_add(16))?;
            [access, modification]
        }
    };
    let valid = |time: &[i64; 2]| matches!(time[1], NOW | OMIT | 0..=999_999_999);
    if !times.iter().all(valid) || flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL.into());
    }
    if times[0][1] == OMIT && times[1][1] == OMIT {
        return Ok(0);
    }
    let node = if path == 0 && dirfd != AT_FDCWD {
        if flags & !AT_EMPTY_PATH != 0 {
            return Err(Errno::EINVAL.into());
        }
        node_of(k, dirfd)?
    } else {
        walk::user_path(k, dirfd, path, walk_flags(flags))?
    };
    mount::writable(k, node)?;
    let owner = super::status(k, node)?.uid;
    if access::owns(k, owner).is_err() {
        if times[0][1] != NOW || times[1][1] != NOW {
            return Err(Errno::EPERM.into());
        }
        access::allowed(k, node, access::WRITE)?;
    }
    let now = k.wall_time();
    let value = |[seconds, nanoseconds]: [i64; 2]| match nanoseconds {
        NOW => Some(now),
        OMIT => None,
        _ => Some(seconds.wrapping_mul(1_000_000_000).wrapping_add(nanoseconds) as u64),
    };
    match node.place() {
        Place::Proc => return Err(Errno::EPERM.into()),
        Place::Host(_) => {
            hostfs::set_times(k, node, value(times[0]), value(times[1]))?;
            return Ok(0);
        }
        _ => {}
    }
    let at = inode::change(k, node)?;
    let inode = &mut k.inodes[at];
    inode.times[0] = value(times[0]).unwrap_or(inode.times[0]);
    inode.times[1] = value(times[1]).unwrap_or(inode.times[1]);
    inode.times[2] = now;
    changed(k, node);
    Ok(0)
}

/// `faccessat(2)` without flags.
pub fn faccessat(k: &mut Kernel<'_>, dirfd: i32, path: u64, mask: u32) -> SysResult {
    faccessat2(k, dirfd, path, mask, 0)
}

/// `faccessat2(2)`.
pub fn faccessat2(k: &mut Kernel<'_>, dirfd: i32, path: u64, mask: u32, flags: u32) -> SysResult {
    if mask & !7 != 0 || flags & !(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let found = walk::user_walk(k, dirfd, path, walk_flags(flags))?;
    if mask == 0 || found.node == Node::NONE {
        return Ok(0);
    }
    if mask & access::EXECUTE != 0
        && mount::has(k, found.node, mount::NOEXEC)
        && walk::mode(k, found.node)? & S_IFMT == S_IFREG
    {
        return Err(Errno::EACCES.into());
    }
    let mut who = access::credentials(k);
    if flags & AT_EACCESS == 0 {
        who.uid[3] = who.uid[0];
        who.gid[3] = who.gid[0];
    }
    access::allowed_for(k, found.node, mask, &who)?;
    Ok(0)
}

/// `readlinkat(2)`: an empty path names a link opened with O_PATH.
pub fn readlinkat(k: &mut Kernel<'_>, dirfd: i32, path: u64, buffer: u64, size: i32) -> SysResult {
    if size <= 0 {
        return Err(Errno::EINVAL.into());
    }
    let found = walk::user_walk(k, dirfd, path, EMPTY_PATH)?;
    if found.node == Node::NONE || walk::mode(k, found.node)? & S_IFMT != S_IFLNK {
        let empty = found.name.get().is_empty() && found.file.is_some();
        return Err(if empty { Errno::ENOENT } else { Errno::EINVAL }.into());
    }
    let mut scratch = PageScratch::uninit();
    let target = zeroed(&mut scratch);
    let length = walk::read_link(k, found.node, target)?.min(size as usize);
    k.write_user(buffer, &target[..length])?;
    Ok(length as u64)
}

/// Checks a new size against the process's limit (EFBIG with SIGXFSZ) and the file's seals (EPERM),
/// then sets it.
fn set_size(k: &mut Kernel<'_>, node: Node, size: i64) -> SysResult {
    let size = u64::try_from(size).map_err(|_| Errno::EINVAL)?;
    file::io::check_size(k, size)?;
    if let Some(at) = inode::record(k, node) {
        let inode = &k.inodes[at];
        let sealed = |seal: u32| inode.seals & seal != 0;
        if sealed(F_SEAL_SHRINK) && size < inode.size || sealed(F_SEAL_GROW) && size > inode.size {
            return Err(Errno::EPERM.into());
        }
    }
    data::truncate(k, node, size)?;
    open::event(k, node, open::EVENT_MODIFY);
    Ok(0)
}

/// `truncate(2)`.
pub fn truncate(k: &mut Kernel<'_>, path: u64, size: i64) -> SysResult {
    if size < 0 {
        return Err(Errno::EINVAL.into());
    }
    let node = walk::user_path(k, AT_FDCWD, path, FOLLOW)?;
    match walk::mode(k, node)? & S_IFMT {
        S_IFREG => {}
        S_IFDIR => return Err(Errno::EISDIR.into()),
        _ => return Err(Errno::EINVAL.into()),
    }
    access::allowed(k, node, access::WRITE)?;
    if let Place::Proc = node.place() {
        return Err(Errno::EPERM.into());
    }
    if open::is_executing(k, node) {
        return Err(Errno::ETXTBSY.into());
    }
    set_size(k, node, size)
}

/// `ftruncate(2)`.
pub fn ftruncate(k: &mut Kernel<'_>, fd: i32, size: i64) -> SysResult {
    if size < 0 {
        return Err(Errno::EINVAL.into());
    }
    let file = file::get(k, fd)?;
    let f = k.files[file];
    if f.kind == file::kind::PATH {
        return Err(Errno::EBADF.into());
    }
    if f.kind != file::kind::REGULAR || !file::may_write(&f) {
        return Err(Errno::EINVAL.into());
    }
    if let Place::Proc = Node(f.node).place() {
        return Err(Errno::EINVAL.into());
    }
    set_size(k, Node(f.node), size)
}

/// `fallocate(2)`.
pub fn fallocate(k: &mut Kernel<'_>, fd: i32, mode: u32, offset: i64, length: i64) -> SysResult {
    const KEEP_SIZE: u32 = 1;
    const PUNCH_HOLE: u32 = 2;
    const ZERO_RANGE: u32 = 0x10;
    let file = file::get(k, fd)?;
    let f = k.files[file];
    if offset < 0 || length <= 0 {
        return Err(Errno::EINVAL.into());
    }
    if mode & !(KEEP_SIZE | PUNCH_HOLE | ZERO_RANGE) != 0
        || mode & (PUNCH_HOLE | ZERO_RANGE) == PUNCH_HOLE | ZERO_RANGE
        || mode & (PUNCH_HOLE | KEEP_SIZE) == PUNCH_HOLE
    {
        return Err(Errno::EOPNOTSUPP.into());
    }
    if f.kind == file::kind::PATH || !file::may_write(&f) {
        return Err(Errno::EBADF.into());
    }
    match f.kind {
        file::kind::REGULAR => {}
        file::kind::PIPE_READ | file::kind::PIPE_WRITE | file::kind::PIPE_BOTH => {
            return Err(Errno::ESPIPE.into());
        }
        _ => return Err(Errno::ENODEV.into()),
    }
    let node = Node(f.node);
    if matches!(node.place(), Place::Proc | Place::Host(_)) {
        return Err(Errno::EOPNOTSUPP.into());
    }
    let end = offset.checked_add(length).ok_or(Errno::EFBIG)? as u64;
    let (from, to) = (offset as u64, end);
    let inode = inode::view(k, node).ok_or(Errno::ESTALE)?;
    if mode & KEEP_SIZE == 0 && end > inode.size {
        file::io::check_size(k, end)?;
        if inode.seals & F_SEAL_GROW != 0 {
            return Err(Errno::EPERM.into());
        }
    }
    if mode & (PUNCH_HOLE | ZERO_RANGE) != 0 {
        if inode.seals & crate::abi::fcntl::F_SEAL_WRITE != 0 {
            return Err(Errno::EPERM.into());
        }
        data::punch(k, node, from, to.min(inode.size.max(from)))?;
    }
    if mode & PUNCH_HOLE == 0 {
        data::reserve(k, node, from, to)?;
    }
    if mode & KEEP_SIZE == 0 && end > inode.size {
        let at = inode::change(k, node)?;
        k.inodes[at].size = end;
        inode::touch(k, at);
    }
    open::event(k, node, open::EVENT_MODIFY);
    Ok(0)
}

/// `getxattr(2)` and its relatives on a path that is followed: no file system here has extended
/// attributes.
pub fn xattr(k: &mut Kernel<'_>, path: u64) -> SysResult {
    walk::user_path(k, AT_FDCWD, path, FOLLOW)?;
    Err(Errno::EOPNOTSUPP.into())
}

/// As [`xattr`], not following a link at the end.
pub fn lxattr(k: &mut Kernel<'_>, path: u64) -> SysResult {
    walk::user_path(k, AT_FDCWD, path, 0)?;
    Err(Errno::EOPNOTSUPP.into())
}

/// As [`xattr`], on a descriptor.
pub fn fxattr(k: &mut Kernel<'_>, fd: i32) -> SysResult {
    file::get(k, fd)?;
    Err(Errno::EOPNOTSUPP.into())
}

/// `listxattr(2)`: there are none.
pub fn listxattr(k: &mut Kernel<'_>, path: u64) -> SysResult {
    walk::user_path(k, AT_FDCWD, path, FOLLOW)?;
    Ok(0)
}

/// `llistxattr(2)`.
pub fn llistxattr(k: &mut Kernel<'_>, path: u64) -> SysResult {
    walk::user_path(k, AT_FDCWD, path, 0)?;
    Ok(0)
}

/// `flistxattr(2)`.
pub fn flistxattr(k: &mut Kernel<'_>, fd: i32) -> SysResult {
    file::get(k, fd)?;
    Ok(0)
}

/// `name_to_handle_at(2)`: no file system here can be opened by handle.
pub fn name_to_handle_at(
    k: &mut Kernel<'_>,
    dirfd: i32,
    path: u64,
    handle: u64,
    mount: u64,
    flags: u32,
) -> SysResult {
    let _ = (handle, mount);
    if flags & !(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let follow = if flags & AT_SYMLINK_FOLLOW != 0 { FOLLOW } else { 0 };
    let empty = if flags & AT_EMPTY_PATH != 0 { EMPTY_PATH } else { 0 };
    walk::user_path(k, dirfd, path, follow | empty)?;
    Err(Errno::EOPNOTSUPP.into())
}
