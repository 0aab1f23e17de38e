//! Opening files: open(2), openat2(2), memfd_create(2).

use super::inode::{self, Place};
use super::walk::{self, CREATE, FOLLOW, Found, Last};
use super::{Node, access, data, dir, hostfs, inode_flags, mount, tree};
use crate::abi::fcntl::*;
use crate::file::{self, device, kind};
use crate::image::Kernel;
use crate::ipc::{inotify::notify, pipe};
use crate::rom::{S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK};
use crate::{Block, Errno, SysResult};

/// IN_OPEN, IN_MODIFY.
const EVENT_OPEN: u32 = 0x20;
pub(crate) const EVENT_MODIFY: u32 = 2;
/// The event is of a directory (IN_ISDIR).
pub(crate) const EVENT_DIRECTORY: u32 = 1 << 30;

/// All flags that open(2) knows.
const KNOWN: u32 = O_ACCMODE
    | O_CREAT
    | O_EXCL
    | O_NOCTTY
    | O_TRUNC
    | O_APPEND
    | O_NONBLOCK
    | O_ASYNC
    | O_DIRECTORY
    | O_NOFOLLOW
    | O_DIRECT
    | O_LARGEFILE
    | O_NOATIME
    | O_CLOEXEC
    | O_SYNC
    | O_PATH
    | O_TMPFILE;
/// What of it stays with the open file (F_GETFL).
const STATUS: u32 = O_ACCMODE
    | O_APPEND
    | O_NONBLOCK
    | O_ASYNC
    | O_DIRECT
    | O_LARGEFILE
    | O_NOATIME
    | O_SYNC
    | O_DIRECTORY
    | O_NOFOLLOW
    | O_PATH;
/// The bit of O_TMPFILE that is not O_DIRECTORY.
const TMPFILE_BIT: u32 = O_TMPFILE & !O_DIRECTORY;

/// `openat(2)`; unknown flags are ignored.
pub fn openat(k: &mut Kernel<'_>, dirfd: i32, path: u64, flags: u32, mode: u32) -> SysResult {
    let mut flags = flags & KNOWN | O_LARGEFILE;
    if flags & O_PATH != 0 {
        flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    }
    let mode = if flags & (O_CREAT | TMPFILE_BIT) != 0 { mode & 0o7777 } else { 0 };
    open(k, dirfd, path, flags, mode, 0)
}

/// `openat2(2)`.
pub fn openat2(k: &mut Kernel<'_>, dirfd: i32, path: u64, how: u64, size: u64) -> SysResult {
    const SIZE: u64 = 24;
    const RESOLVE: u64 = 0x1f;
    const CACHED: u64 = 0x20;
    if size < SIZE {
        return Err(Errno::EINVAL.into());
    }
    if size > 4096 {
        return Err(Errno::E2BIG.into());
    }
    let flags: u64 = k.read_record(how)?;
    let mode: u64 = k.read_record(how.wrapping_add(8))?;
    let resolve: u64 = k.read_record(how.wrapping_add(16))?;
    for offset in SIZE..size {
        if k.read_record::<u8>(how.wrapping_add(offset))? != 0 {
            return Err(Errno::E2BIG.into());
        }
    }
    let known = u64::from(KNOWN);
    let creates = flags & u64::from(O_CREAT | TMPFILE_BIT) != 0;
    let path_only = u64::from(O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    const BOTH: u64 = 0x18;
    if flags & !known != 0
        || resolve & !(RESOLVE | CACHED) != 0
        || resolve & BOTH == BOTH
        || mode & !0o7777 != 0
        || mode != 0 && !creates
        || flags & u64::from(O_PATH) != 0 && flags & !path_only != 0
    {
        return Err(Errno::EINVAL.into());
    }
    if resolve & CACHED != 0 {
        // Only what needs no waiting; nothing that changes the tree may be asked for.
        if creates || flags & u64::from(O_TRUNC) != 0 {
            return Err(Errno::EAGAIN.into());
        }
    }
    let walk_flags = ((resolve & RESOLVE) as u32) << 8;
    open(k, dirfd, path, flags as u32 | O_LARGEFILE, mode as u32, walk_flags)
}

fn open(
    k: &mut Kernel<'_>,
    dirfd: i32,
    path: u64,
    flags: u32,
    mode: u32,
    resolve: u32,
) -> SysResult {
    if flags & TMPFILE_BIT != 0 {
        if flags & O_TMPFILE != O_TMPFILE || flags & O_ACCMODE == O_RDONLY || flags & O_CREAT != 0 {
            return Err(Errno::EINVAL.into());
        }
    } else if flags & (O_CREAT | O_DIRECTORY) == O_CREAT | O_DIRECTORY {
        return Err(Errno::EINVAL.into());
    }
    let file = file::alloc(k)?;
    let result = open_as(k, file, dirfd, path, flags, mode, resolve)
        .and_then(|()| Ok(file::install(k, file, flags & O_CLOEXEC != 0, 0)?));
    match result {
        Ok(fd) => {
            let node = Node(k.files[file].node);
            if node != Node::NONE && flags & O_PATH == 0 {
                event(k, node, EVENT_OPEN);
            }
            Ok(fd as u64)
        }
        Err(error) => {
            file::release(k, file);
            Err(error)
        }
    }
}

/// Reports an inotify event on a node, also under its name.
pub(crate) fn event(k: &mut Kernel<'_>, node: Node, mask: u32) {
    let end = (k.header.vfs.file_end as usize).min(k.files.len());
    if !k.files[..end].iter().any(|file| file.references != 0 && file.kind == kind::INOTIFY) {
        return;
    }
    let is_directory = walk::mode(k, node).is_ok_and(|mode| mode & S_IFMT == S_IFDIR);
    let mask = if is_directory { mask | EVENT_DIRECTORY } else { mask };
    let parent = match node.place() {
        Place::Overlay(_) => inode::view(k, node).map_or(Node::NONE, |inode| Node(inode.parent)),
        Place::Rom(_) => dir::parent(k, node).unwrap_or(Node::NONE),
        _ => Node::NONE,
    };
    let name = match parent {
        Node::NONE => None,
        parent => dir::name_of(k, parent, node),
    };
    match name {
        Some(name) => notify(k, parent, node, mask, 0, name.get()),
        None => notify(k, Node::NONE, node, mask, 0, &[]),
    }
}

/// Fills `file` with what the path names.
fn open_as(
    k: &mut Kernel<'_>,
    file: usize,
    dirfd: i32,
    path: u64,
    flags: u32,
    mode: u32,
    resolve: u32,
) -> Result<(), Block> {
    let mut walk_flags = resolve;
    // O_EXCL with O_CREAT does not follow a link at the end either.
    let exclusive = flags & (O_CREAT | O_EXCL) == O_CREAT | O_EXCL;
    if flags & O_NOFOLLOW == 0 && !exclusive {
        walk_flags |= FOLLOW;
    }
    if flags & O_CREAT != 0 {
        walk_flags |= CREATE;
    }
    // A FIFO that was waited for must not be created or truncated again: nothing here does so, since
    // waiting happens with existing FIFOs only.
    let found = walk::user_walk(k, dirfd, path, walk_flags)?;
    if flags & TMPFILE_BIT != 0 {
        return Ok(temporary(k, file, &found, flags, mode)?);
    }
    if flags & O_CREAT != 0 {
        if found.slash {
            return Err(Errno::EISDIR.into());
        }
        if found.node == Node::NONE && found.file.is_none() {
            let node = make(k, &found, mode)?;
            return Ok(fill(k, file, node, kind::REGULAR, flags)?);
        }
        if exclusive {
            return Err(Errno::EEXIST.into());
        }
    }
    if let Some(other) = found.file
        && found.node == Node::NONE
    {
        return reopen(k, file, other, flags);
    }
    open_node(k, file, found.node, flags)
}

fn make(k: &mut Kernel<'_>, found: &Found, mode: u32) -> Result<Node, Errno> {
    if found.last != Last::Name {
        return Err(Errno::EEXIST);
    }
    if let Place::Proc = found.dir.place() {
        return Err(Errno::EACCES);
    }
    access::may_change_dir(k, found.dir)?;
    let mode = S_IFREG | tree::masked(k, mode & 0o7777);
    if let Place::Host(_) = found.dir.place() {
        return hostfs::create(k, found.dir, found.name.get(), mode);
    }
    tree::create(k, found.dir, found.name.get(), mode, 0)
}

fn temporary(
    k: &mut Kernel<'_>,
    file: usize,
    found: &Found,
    flags: u32,
    mode: u32,
) -> Result<(), Errno> {
    let dir = found.node;
    if dir == Node::NONE || !walk::is_dir(k, dir)? {
        return Err(Errno::ENOTDIR);
    }
    access::may_change_dir(k, dir)?;
    if matches!(dir.place(), Place::Proc | Place::Host(_)) {
        return Err(Errno::EOPNOTSUPP);
    }
    let mode = S_IFREG | tree::masked(k, mode & 0o7777);
    let filesystem = mount::of(k, dir) as u32;
    let node = inode::create(k, mode, filesystem)?;
    if flags & O_EXCL == 0 {
        let at = inode::change(k, node)?;
        k.inodes[at].flags |= inode_flags::UNNAMED;
    }
    fill(k, file, node, kind::REGULAR, flags)
}

/// Binds `file` to a node.
fn fill(k: &mut Kernel<'_>, file: usize, node: Node, kind: u32, flags: u32) -> Result<(), Errno> {
    inode::hold(k, node);
    let f = &mut k.files[file];
    f.node = node.0;
    f.kind = kind;
    f.flags = flags & STATUS;
    Ok(())
}

/// Opens again what a link in /proc/PID/fd leads to: a pipe, or nothing else that has no node.
fn reopen(k: &mut Kernel<'_>, file: usize, other: usize, flags: u32) -> Result<(), Block> {
    let o = k.files[other];
    match o.kind {
        kind::PIPE_READ | kind::PIPE_WRITE | kind::PIPE_BOTH => {
            // Both ends are open already or not, so that nothing needs to be waited for.
            let end = &mut k.pipes[o.object as usize];
            let kind = match flags & O_ACCMODE {
                O_RDONLY => kind::PIPE_READ,
                O_WRONLY => kind::PIPE_WRITE,
                _ => kind::PIPE_BOTH,
            };
            end.readers += u32::from(kind != kind::PIPE_WRITE);
            end.writers += u32::from(kind != kind::PIPE_READ);
            let f = &mut k.files[file];
            f.kind = kind;
            f.object = o.object;
            f.flags = flags & STATUS;
            Ok(())
        }
        kind::HOST_INPUT | kind::HOST_OUTPUT => {
            let f = &mut k.files[file];
            f.kind = o.kind;
            f.object = o.object;
            f.flags = flags & STATUS;
            Ok(())
        }
        kind::TTY => {
            let f = &mut k.files[file];
            f.flags = flags & STATUS;
            Ok(device::open_terminal(k, file, o.device, flags)?)
        }
        _ => Err(Errno::ENXIO.into()),
    }
}

/// Opens an existing node.
fn open_node(k: &mut Kernel<'_>, file: usize, node: Node, flags: u32) -> Result<(), Block> {
    let status = super::status(k, node)?;
    let what = status.mode & S_IFMT;
    if flags & O_DIRECTORY != 0 && what != S_IFDIR {
        return Err(Errno::ENOTDIR.into());
    }
    if flags & O_PATH != 0 {
        return Ok(fill(k, file, node, kind::PATH, flags)?);
    }
    let access = flags & O_ACCMODE;
    let writes = access != O_RDONLY || flags & O_TRUNC != 0;
    match what {
        S_IFLNK => return Err(Errno::ELOOP.into()),
        S_IFDIR if writes || flags & O_CREAT != 0 => return Err(Errno::EISDIR.into()),
        S_IFSOCK => return Err(Errno::ENXIO.into()),
        _ => {}
    }
    let mut mask = match access {
        O_RDONLY => access::READ,
        O_WRONLY => access::WRITE,
        _ => access::READ | access::WRITE,
    };
    if flags & O_TRUNC != 0 {
        mask |= access::WRITE;
    }
    if what == S_IFCHR && mount::has(k, node, mount::NODEV) {
        return Err(Errno::EACCES.into());
    }
    access::allowed(k, node, mask)?;
    if flags & O_NOATIME != 0 {
        access::owns(k, status.uid)?;
    }
    match what {
        S_IFDIR => fill(k, file, node, kind::DIRECTORY, flags)?,
        S_IFREG => {
            if writes && is_executing(k, node) {
                return Err(Errno::ETXTBSY.into());
            }
            if let Some(at) = inode::record(k, node)
                && k.inodes[at].seals & F_SEAL_WRITE != 0
                && writes
            {
                return Err(Errno::EPERM.into());
            }
            if flags & O_TRUNC != 0 && !matches!(node.place(), Place::Proc) {
                // A file that is empty already keeps its times only if nothing asks for a change:
                // open(2) marks them with O_TRUNC all the same.
                data::truncate(k, node, 0)?;
                event(k, node, EVENT_MODIFY);
            }
            fill(k, file, node, kind::REGULAR, flags)?;
        }
        S_IFIFO => {
            let (kind, object) = pipe::open_fifo(k, node, flags)?;
            fill(k, file, node, kind, flags)?;
            k.files[file].object = object;
        }
        S_IFCHR => {
            fill(k, file, node, kind::DEVICE, flags)?;
            k.files[file].device = status.rdev;
            device::open(k, file, status.rdev, flags)?;
        }
        S_IFBLK => return Err(Errno::ENXIO.into()),
        _ => return Err(Errno::ENXIO.into()),
    }
    Ok(())
}

/// Whether a process runs the program in this node.
pub(super) fn is_executing(k: &Kernel<'_>, node: Node) -> bool {
    k.processes.iter().any(|process| process.state == 1 && process.executable == node.0)
}

/// Whether a regular file is open for writing. That of memfd_create(2) counts for none.
pub(crate) fn is_open_for_writing(k: &Kernel<'_>, node: Node) -> bool {
    let end = (k.header.vfs.file_end as usize).min(k.files.len());
    let writes = |f: &file::File| {
        f.references != 0 && f.kind == kind::REGULAR && f.node == node.0 && file::may_write(f)
    };
    let is_memory =
        |inode: super::Inode| inode.seals != 0 || inode.flags & inode_flags::SEALABLE != 0;
    k.files[..end].iter().any(writes) && !inode::view(k, node).is_some_and(is_memory)
}

/// Opens a regular file for the kernel, without a descriptor and without checking rights: a file
/// with one reference.
pub fn open_kernel(k: &mut Kernel<'_>, node: Node, flags: u32) -> Result<usize, Errno> {
    let file = file::alloc(k)?;
    fill(k, file, node, kind::REGULAR, flags)?;
    Ok(file)
}

/// `memfd_create(2)`.
pub fn memfd_create(k: &mut Kernel<'_>, name: u64, flags: u32) -> SysResult {
    const CLOEXEC: u32 = 1;
    const ALLOW_SEALING: u32 = 2;
    /// Longest name, so that `memfd:` and it fit a file name.
    const NAME_MAX: usize = 249;
    if flags & !(CLOEXEC | ALLOW_SEALING) != 0 {
        return Err(Errno::EINVAL.into());
    }
    const PREFIX: &[u8] = b"memfd:";
    let mut buffer = [0; PREFIX.len() + NAME_MAX + 1];
    buffer[..PREFIX.len()].copy_from_slice(PREFIX);
    let length = k
        .read_string(name, &mut buffer[PREFIX.len()..])
        .map_err(|error| if error == Errno::ENAMETOOLONG { Errno::EINVAL } else { error })?
        .len();
    let file = file::alloc(k)?;
    let result = memfd(k, file, &buffer[..PREFIX.len() + length], flags & ALLOW_SEALING != 0)
        .and_then(|()| file::install(k, file, flags & CLOEXEC != 0, 0));
    match result {
        Ok(fd) => Ok(fd as u64),
        Err(error) => {
            file::release(k, file);
            Err(error.into())
        }
    }
}

fn memfd(k: &mut Kernel<'_>, file: usize, name: &[u8], sealable: bool) -> Result<(), Errno> {
    let node = anonymous(k, S_IFREG | 0o777)?;
    let at = inode::change(k, node)?;
    dir::remember(k, at, Node::ROOT, name);
    if sealable {
        k.inodes[at].flags |= inode_flags::SEALABLE;
    } else {
        k.inodes[at].seals = F_SEAL_SEAL;
    }
    let result = fill(k, file, node, kind::REGULAR, O_RDWR | O_LARGEFILE);
    inode::drop_node(k, node);
    result
}

/// A node without a name and with one reference.
pub fn anonymous(k: &mut Kernel<'_>, mode: u32) -> Result<Node, Errno> {
    let node = inode::create(k, mode, 0)?;
    inode::hold(k, node);
    Ok(node)
}
