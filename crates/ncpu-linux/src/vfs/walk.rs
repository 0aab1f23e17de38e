//! Path resolution (path_resolution(7), openat2(2)).

use super::dir::{self, Name};
use super::inode::Place;
use super::{AT_FDCWD, Node, access, mount};
use crate::image::Kernel;
use crate::rom::{S_IFDIR, S_IFLNK, S_IFMT};
use crate::scratch::{PageScratch, zeroed};
use crate::{Errno, file};

/// A symbolic link at the end of the path is followed.
pub const FOLLOW: u32 = 1;
/// An empty path names the directory descriptor itself (AT_EMPTY_PATH).
pub const EMPTY_PATH: u32 = 2;
/// The last name need not exist.
pub const CREATE: u32 = 4;
/// The last name need not exist and is not followed, whatever comes behind it: for what makes or
/// removes names.
pub const PARENT: u32 = 8 | CREATE;
/// RESOLVE_NO_XDEV: no mount point may be crossed.
pub const NO_XDEV: u32 = 1 << 8;
/// RESOLVE_NO_MAGICLINKS: links of /proc that are no paths are not followed.
pub const NO_MAGICLINKS: u32 = 2 << 8;
/// RESOLVE_NO_SYMLINKS: no symbolic link is followed.
pub const NO_SYMLINKS: u32 = 4 << 8;
/// RESOLVE_BENEATH: the path may not leave the starting directory.
pub const BENEATH: u32 = 8 << 8;
/// RESOLVE_IN_ROOT: the starting directory is the root.
pub const IN_ROOT: u32 = 16 << 8;

/// Longest path with its terminator.
pub const PATH_MAX: usize = 4096;
/// Links followed in one resolution.
const MAX_LINKS: u32 = 40;

/// How a path ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Last {
    /// With a name.
    Name,
    /// With `.`, or it is empty.
    Dot,
    /// With `..`.
    DotDot,
    /// It is the root.
    Root,
}

/// What a path leads to.
pub struct Found {
    /// Directory that the last name is looked up in.
    pub dir: Node,
    /// The node, [`Node::NONE`] if there is none (with [`CREATE`] only).
    pub node: Node,
    /// The last name.
    pub name: Name,
    /// How the path ends.
    pub last: Last,
    /// Whether slashes follow the last name.
    pub slash: bool,
    /// Open file that a link of /proc leads to, where that is no node.
    pub file: Option<usize>,
}

/// The rest of a path, at the end of a buffer, so that link targets can be put in front of it.
struct Rest<'b> {
    bytes: &'b mut [u8],
    start: usize,
}

impl<'b> Rest<'b> {
    /// Nothing.
    fn new(scratch: &'b mut PageScratch) -> Rest<'b> {
        let bytes = zeroed(scratch);
        Rest { start: bytes.len(), bytes }
    }

    fn get(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// Makes room for `count` bytes in front.
    fn open(&mut self, count: usize) -> Result<&mut [u8], Errno> {
        // One byte is the terminator's.
        let start = self.start.checked_sub(count).filter(|&start| start != 0);
        let start = start.ok_or(Errno::ENAMETOOLONG)?;
        let end = core::mem::replace(&mut self.start, start);
        Ok(&mut self.bytes[start..end])
    }

    fn push(&mut self, path: &[u8]) -> Result<(), Errno> {
        self.open(path.len())?.copy_from_slice(path);
        Ok(())
    }

    /// Skips slashes; whether there were any.
    fn skip_slashes(&mut self) -> bool {
        let count = self.get().iter().take_while(|&&byte| byte == b'/').count();
        self.start += count;
        count != 0
    }

    /// Takes the name in front.
    fn take(&mut self) -> Result<Name, Errno> {
        let length = self.get().iter().position(|&byte| byte == b'/');
        let length = length.unwrap_or(self.get().len());
        let name = Name::new(&self.get()[..length])?;
        self.start += length;
        Ok(name)
    }
}

/// The mode of a node.
pub(crate) fn mode(k: &mut Kernel<'_>, node: Node) -> Result<u32, Errno> {
    super::status(k, node).map(|status| status.mode)
}

/// Whether a node is a directory.
pub(crate) fn is_dir(k: &mut Kernel<'_>, node: Node) -> Result<bool, Errno> {
    mode(k, node).map(|mode| mode & S_IFMT == S_IFDIR)
}

/// The node of a directory descriptor, for a path that is looked up from it.
pub(crate) fn start(k: &mut Kernel<'_>, dirfd: i32) -> Result<Node, Errno> {
    if dirfd == AT_FDCWD {
        return Ok(Node(k.processes[k.current_process()].cwd));
    }
    let file = file::get(k, dirfd)?;
    Ok(Node(k.files[file].node))
}

/// Looks a name up in a directory of any kind.
pub(crate) fn lookup(k: &mut Kernel<'_>, dir: Node, name: &[u8]) -> Result<Option<Node>, Errno> {
    match dir.place() {
        Place::Proc => super::proc::lookup(k, dir, name),
        Place::Host(_) => super::hostfs::lookup(k, dir, name),
        _ => Ok(dir::lookup(k, dir, name)),
    }
}

/// The parent of a directory, across mount points; the root's own is itself.
pub(crate) fn parent(k: &Kernel<'_>, node: Node) -> Node {
    let mut node = node;
    for _ in 0..k.mounts.len() {
        match mount::covering(k, node) {
            Some(point) => node = point,
            None => break,
        }
    }
    match node.place() {
        Place::Proc => super::proc::parent(k, node),
        Place::Host(_) => super::hostfs::parent(k, node),
        _ => dir::parent(k, node).unwrap_or(node),
    }
}

/// Walks `path` from `dirfd`.
pub fn walk(k: &mut Kernel<'_>, dirfd: i32, path: &[u8], flags: u32) -> Result<Found, Errno> {
    let root = Node(k.processes[k.current_process()].root);
    if path.is_empty() {
        if flags & EMPTY_PATH == 0 {
            return Err(Errno::ENOENT);
        }
        let (node, file) = if dirfd == AT_FDCWD {
            (start(k, dirfd)?, None)
        } else {
            let file = file::get(k, dirfd)?;
            (Node(k.files[file].node), Some(file))
        };
        let name = Name::EMPTY;
        return Ok(Found { dir: node, node, name, last: Last::Dot, slash: false, file });
    }
    let base = if path[0] != b'/' || flags & (BENEATH | IN_ROOT) != 0 {
        let base = start(k, dirfd)?;
        if base == Node::NONE || !is_dir(k, base)? {
            return Err(Errno::ENOTDIR);
        }
        base
    } else {
        root
    };
    let confined = flags & (BENEATH | IN_ROOT) != 0;
    let top = if confined { base } else { root };
    walk_from(k, base, top, path, flags)
}

fn walk_from(
    k: &mut Kernel<'_>,
    base: Node,
    top: Node,
    path: &[u8],
    flags: u32,
) -> Result<Found, Errno> {
    let mut scratch = PageScratch::uninit();
    let mut rest = Rest::new(&mut scratch);
    rest.push(path)?;
    let mut node = base;
    let mut links = 0;
    let mut found = Found {
        dir: base,
        node: base,
        name: Name::EMPTY,
        last: Last::Dot,
        slash: false,
        file: None,
    };
    let to_top = |node: &mut Node| {
        if flags & BENEATH != 0 {
            return Err(Errno::EXDEV);
        }
        *node = top;
        Ok(())
    };
    if rest.get().first() == Some(&b'/') {
        to_top(&mut node)?;
        found.last = Last::Root;
    }
    loop {
        rest.skip_slashes();
        if rest.get().is_empty() {
            found.node = node;
            return Ok(found);
        }
        found.file = None;
        if !is_dir(k, node)? {
            return Err(Errno::ENOTDIR);
        }
        access::allowed(k, node, access::EXECUTE)?;
        let name = rest.take()?;
        found.slash = rest.skip_slashes();
        let is_last = rest.get().is_empty();
        found.dir = node;
        found.name = name;
        match name.get() {
            b"." => {
                found.last = Last::Dot;
                continue;
            }
            b".." => {
                found.last = Last::DotDot;
                if node == top {
                    if flags & BENEATH != 0 {
                        return Err(Errno::EXDEV);
                    }
                } else {
                    if flags & NO_XDEV != 0 && mount::covering(k, node).is_some() {
                        return Err(Errno::EXDEV);
                    }
                    node = mount::top(k, parent(k, node));
                }
                continue;
            }
            _ => found.last = Last::Name,
        }
        let Some(child) = lookup(k, node, name.get())? else {
            if is_last && flags & CREATE != 0 {
                found.node = Node::NONE;
                return Ok(found);
            }
            return Err(Errno::ENOENT);
        };
        let is_link = mode(k, child)? & S_IFMT == S_IFLNK;
        let follow = !is_last || flags & PARENT != PARENT && (found.slash || flags & FOLLOW != 0);
        if is_link && follow {
            links += 1;
            if links > MAX_LINKS || flags & NO_SYMLINKS != 0 {
                return Err(Errno::ELOOP);
            }
            if let Some((target, file)) = super::proc::jump(k, child)? {
                if flags & NO_MAGICLINKS != 0 {
                    return Err(Errno::ELOOP);
                }
                if flags & (BENEATH | IN_ROOT) != 0 {
                    return Err(Errno::EXDEV);
                }
                node = target;
                found.file = file;
                if is_last {
                    // Nothing may be created or removed through such a link.
                    found.last = Last::Dot;
                    found.node = node;
                    if found.slash && (node == Node::NONE || !is_dir(k, node)?) {
                        return Err(Errno::ENOTDIR);
                    }
                    return Ok(found);
                }
                if node == Node::NONE {
                    return Err(Errno::ENOTDIR);
                }
                continue;
            }
            if !is_last || found.slash {
                rest.push(b"/")?;
            }
            // The target goes through the free front of the buffer.
            let free = rest.start;
            let length = read_link(k, child, &mut rest.bytes[..free])?;
            if length == 0 {
                return Err(Errno::ENOENT);
            }
            let absolute = rest.bytes[0] == b'/';
            rest.bytes.copy_within(..length, free - length);
            rest.start = free - length;
            if rest.start == 0 {
                return Err(Errno::ENAMETOOLONG);
            }
            if absolute {
                to_top(&mut node)?;
                found.last = Last::Root;
            }
            continue;
        }
        let crossed = mount::top(k, child);
        if crossed != child && flags & NO_XDEV != 0 {
            return Err(Errno::EXDEV);
        }
        node = crossed;
        if is_last {
            if found.slash && flags & PARENT != PARENT && !is_dir(k, node)? {
                return Err(Errno::ENOTDIR);
            }
            found.node = node;
            return Ok(found);
        }
    }
}

/// The target of a symbolic link; bytes of it that fit `out`.
pub fn read_link(k: &mut Kernel<'_>, node: Node, out: &mut [u8]) -> Result<usize, Errno> {
    match node.place() {
        Place::Proc => super::proc::read_link(k, node, out),
        Place::Host(_) => super::hostfs::read_link(k, node, out),
        Place::Rom(ino) => {
            let target = k.rom.symlink(ino);
            let length = target.len().min(out.len());
            out[..length].copy_from_slice(&target[..length]);
            Ok(length)
        }
        _ => super::data::read_kept(k, node, 0, out),
    }
}

/// The node that `path` names, from directory descriptor `dirfd`; ENOENT if there is none.
pub fn resolve(k: &mut Kernel<'_>, dirfd: i32, path: &[u8], flags: u32) -> Result<Node, Errno> {
    let found = walk(k, dirfd, path, flags & !CREATE)?;
    if found.node == Node::NONE { Err(Errno::ENOENT) } else { Ok(found.node) }
}

/// As [`walk`], with the path in user memory.
pub fn user_walk(k: &mut Kernel<'_>, dirfd: i32, path: u64, flags: u32) -> Result<Found, Errno> {
    let mut scratch = PageScratch::uninit();
    let buffer = zeroed(&mut scratch);
    // Linux takes a null pointer for the empty path only in later versions: EFAULT.
    let path = k.read_string(path, buffer)?;
    walk(k, dirfd, path, flags)
}

/// As [`resolve`], with the path in user memory.
pub fn user_path(k: &mut Kernel<'_>, dirfd: i32, path: u64, flags: u32) -> Result<Node, Errno> {
    let found = user_walk(k, dirfd, path, flags & !CREATE)?;
    if found.node == Node::NONE { Err(Errno::ENOENT) } else { Ok(found.node) }
}
