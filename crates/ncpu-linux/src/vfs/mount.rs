//! Mounts: which directory is covered by which tree, and the calls about it.

use super::inode::{self, Place};
use super::walk::{self, FOLLOW};
use super::{AT_FDCWD, Mount, Node, access, rename, tree};
use crate::image::Kernel;
use crate::ipc::inotify::notify;
use crate::rom::{S_IFCHR, S_IFDIR, S_IFLNK, makedev};
use crate::{Errno, SysResult};

/// Kinds of mounts.
pub mod kind {
    /// The root: image and overlay.
    pub const ROOT: u32 = 1;
    /// tmpfs.
    pub const TMPFS: u32 = 2;
    /// proc.
    pub const PROC: u32 = 3;
    /// devpts.
    pub const DEVPTS: u32 = 4;
    /// A folder of the host.
    pub const HOST: u32 = 5;
    /// A directory that is mounted elsewhere too (MS_BIND).
    pub const BIND: u32 = 6;
    /// sysfs, which is empty here.
    pub const SYSFS: u32 = 7;
}

/// MS_RDONLY.
pub const RDONLY: u32 = 1;
/// MS_NOSUID: set-user-ID and set-group-ID bits do nothing.
pub(crate) const NOSUID: u32 = 2;
/// MS_NODEV: devices cannot be opened.
pub(crate) const NODEV: u32 = 4;
/// MS_NOEXEC: files cannot be executed, nor mapped for execution.
pub(crate) const NOEXEC: u32 = 8;
/// MS_REMOUNT.
const REMOUNT: u32 = 32;
/// MS_BIND.
const BIND: u32 = 4096;
/// MS_MOVE.
const MOVE: u32 = 8192;
/// MS_REC, MS_UNBINDABLE, MS_PRIVATE, MS_SLAVE, MS_SHARED: propagation, of which there is none.
const REC: u32 = 16384;
const PROPAGATION: u32 = 0xf << 17;
/// Flags that statfs(2) shows with the same bits: the above, MS_NOATIME, MS_NODIRATIME.
pub(super) const SHOWN: u32 = 0xc00 | RDONLY | NOSUID | NODEV | NOEXEC;
/// Flags that are kept: also MS_RELATIME.
const KEPT: u32 = 0x0020_0000 | SHOWN;

/// In the flags of a mount of proc: not the one that says where the only tree of /proc is. A mount
/// inside of that tree could not, nor could more than one.
const ALIAS: u32 = 1 << 31;

/// Minor number of the first mount's device; the major number is 0, as for all file systems without
/// a disk.
const FIRST_MINOR: u32 = 20;

/// The tree that covers a directory in the end, or the directory itself.
pub(crate) fn top(k: &Kernel<'_>, node: Node) -> Node {
    let end = (k.header.vfs.mount_end as usize).min(k.mounts.len());
    let mut node = node;
    // Mounts on one point stack: the last covers the others, which cover nothing themselves.
    for mount in &k.mounts[..end] {
        if mount.kind != 0 && mount.point == node.0 && mount.root != node.0 {
            node = Node(mount.root);
        }
    }
    node
}

/// The directory that is covered by the tree with this root.
pub(crate) fn covering(k: &Kernel<'_>, node: Node) -> Option<Node> {
    let end = (k.header.vfs.mount_end as usize).min(k.mounts.len());
    let found = k.mounts[..end].iter().rfind(|mount| {
        let is_place = !matches!(mount.kind, 0 | kind::BIND) && mount.flags & ALIAS == 0;
        is_place && mount.root == node.0 && mount.point != 0
    });
    found.map(|mount| Node(mount.point))
}

/// Index of the mount that a node belongs to.
pub(crate) fn of(k: &Kernel<'_>, node: Node) -> usize {
    match node.place() {
        Place::Overlay(index) => k.inodes.get(index).map_or(0, |inode| inode.filesystem as usize),
        Place::Proc => k.mounts.iter().position(|mount| mount.kind == kind::PROC).unwrap_or(0),
        Place::Host(_) => super::hostfs::mount_of(k, node),
        _ => 0,
    }
}

/// Whether the node's mount has one of the flags.
pub(crate) fn has(k: &Kernel<'_>, node: Node, flags: u32) -> bool {
    k.mounts.get(of(k, node)).is_some_and(|mount| mount.flags & flags != 0)
}

/// EROFS when the node's mount is read-only.
pub(crate) fn writable(k: &Kernel<'_>, node: Node) -> Result<(), Errno> {
    if has(k, node, RDONLY) { Err(Errno::EROFS) } else { Ok(()) }
}

/// Device number of the file system that a node belongs to.
pub(crate) fn device(k: &Kernel<'_>, node: Node) -> u32 {
    k.mounts.get(of(k, node)).map_or(0, |mount| mount.device)
}

fn free_slot(k: &mut Kernel<'_>) -> Result<usize, Errno> {
    let slot = k.mounts.iter().position(|mount| mount.kind == 0).ok_or(Errno::ENOSPC)?;
    k.header.vfs.mount_end = k.header.vfs.mount_end.max(slot as u32 + 1);
    Ok(slot)
}

/// Mounts a new file system of the kind on a directory; ENOSPC. The root of tmpfs is made with
/// `mode`.
fn attach(
    k: &mut Kernel<'_>,
    point: Node,
    what: u32,
    flags: u32,
    mode: u32,
) -> Result<Node, Errno> {
    let slot = free_slot(k)?;
    let mut flags = flags;
    let root = match what {
        kind::PROC => {
            let root = super::proc::ROOT;
            if covering(k, root).is_some() || rename::is_within(k, point, root) {
                flags |= ALIAS;
            }
            root
        }
        _ => {
            let root = inode::create(k, S_IFDIR | mode, slot as u32)?;
            let at = inode::change(k, root)?;
            k.inodes[at].links = 2;
            root
        }
    };
    k.mounts[slot] = Mount {
        point: point.0,
        root: root.0,
        kind: what,
        flags,
        host: 0,
        device: makedev(0, FIRST_MINOR + slot as u32),
    };
    inode::hold(k, point);
    inode::hold(k, root);
    Ok(root)
}

/// Finds or makes a directory of the root for a mount.
fn directory(k: &mut Kernel<'_>, parent: Node, name: &[u8], mode: u32) -> Result<Node, Errno> {
    match super::dir::lookup(k, parent, name) {
        Some(node) => Ok(node),
        None => tree::create(k, parent, name, S_IFDIR | mode, 0),
    }
}

/// Character devices of /dev: name, major, minor, permissions (as Linux makes them, see
/// Documentation/admin-guide/devices.txt).
const DEVICES: [(&[u8], u32, u32, u32); 9] = [
    (b"null", 1, 3, 0o666),
    (b"zero", 1, 5, 0o666),
    (b"full", 1, 7, 0o666),
    (b"random", 1, 8, 0o666),
    (b"urandom", 1, 9, 0o666),
    (b"kmsg", 1, 11, 0o644),
    (b"tty", 5, 0, 0o666),
    (b"console", 5, 1, 0o600),
    (b"ptmx", 5, 2, 0o666),
];

const LINKS: [(&[u8], &[u8]); 4] = [
    (b"fd", b"/proc/self/fd"),
    (b"stdin", b"/proc/self/fd/0"),
    (b"stdout", b"/proc/self/fd/1"),
    (b"stderr", b"/proc/self/fd/2"),
];

/// Mounts what every machine has: the root, /proc, /sys, /dev with its devices, /dev/pts, /dev/shm;
/// makes /tmp. What does not fit in the machine's tables is left out.
pub fn boot(k: &mut Kernel<'_>) {
    k.mounts[0] = Mount {
        point: 0,
        root: Node::ROOT.0,
        kind: kind::ROOT,
        flags: 0,
        host: 0,
        device: makedev(0, FIRST_MINOR),
    };
    k.header.vfs.mount_end = 1;
    // A machine too small for these goes on without them; programs see ENOENT.
    let _ = boot_mounts(k);
}

fn boot_mounts(k: &mut Kernel<'_>) -> Result<(), Errno> {
    let root = Node::ROOT;
    directory(k, root, b"tmp", 0o1777)?;
    let point = directory(k, root, b"proc", 0o555)?;
    attach(k, point, kind::PROC, 0, 0)?;
    let point = directory(k, root, b"sys", 0o555)?;
    attach(k, point, kind::SYSFS, RDONLY, 0o555)?;
    let point = directory(k, root, b"dev", 0o755)?;
    let dev = attach(k, point, kind::TMPFS, 0, 0o755)?;
    for (name, major, minor, mode) in DEVICES {
        tree::create(k, dev, name, S_IFCHR | mode, makedev(major, minor))?;
    }
    for (name, target) in LINKS {
        let link = tree::create(k, dev, name, S_IFLNK | 0o777, 0)?;
        super::data::write_node(k, link, 0, target)?;
    }
    let point = directory(k, dev, b"pts", 0o755)?;
    let pts = attach(k, point, kind::DEVPTS, 0, 0o755)?;
    tree::create(k, pts, b"ptmx", S_IFCHR, makedev(5, 2))?;
    let point = directory(k, dev, b"shm", 0o1777)?;
    attach(k, point, kind::TMPFS, 0, 0o1777)?;
    Ok(())
}

fn of_kind(k: &Kernel<'_>, what: u32) -> Option<Node> {
    k.mounts.iter().find(|mount| mount.kind == what).map(|mount| Node(mount.root))
}

/// Puts the pseudo-terminal with this number into /dev/pts, owned by the current process.
pub fn add_terminal(k: &mut Kernel<'_>, number: u32) -> Result<Node, Errno> {
    const FIRST_MAJOR: u32 = 136;
    let pts = of_kind(k, kind::DEVPTS).ok_or(Errno::ENOSPC)?;
    let mut digits = [0; 10];
    let name = super::text::decimal(u64::from(number), &mut digits);
    let device = makedev(FIRST_MAJOR + (number >> 8), number & 0xff);
    tree::create(k, pts, name, S_IFCHR | 0o620, device)
}

/// Takes the pseudo-terminal with this number out of /dev/pts.
pub fn remove_terminal(k: &mut Kernel<'_>, number: u32) {
    let mut digits = [0; 10];
    let name = super::text::decimal(u64::from(number), &mut digits);
    if let Some(pts) = of_kind(k, kind::DEVPTS)
        && let Some(node) = super::dir::lookup(k, pts, name)
    {
        // Removing a name of an overlay directory needs no memory.
        let _ = tree::unlink(k, pts, name, node);
    }
}

/// Mounts host folder `host` on the directory at `path`, which is made if it does not exist. For
/// the machine's boot.
pub fn mount_host(
    k: &mut Kernel<'_>,
    host: u32,
    path: &[u8],
    read_only: bool,
) -> Result<(), Errno> {
    let mut point = Node::ROOT;
    for name in path.split(|&byte| byte == b'/').filter(|name| !name.is_empty()) {
        point = match super::dir::lookup(k, point, name) {
            Some(node) => top(k, node),
            None => tree::create(k, point, name, S_IFDIR | 0o755, 0)?,
        };
        if inode::view(k, point).is_none_or(|inode| inode.mode & S_IFDIR == 0) {
            return Err(Errno::ENOTDIR);
        }
    }
    let slot = free_slot(k)?;
    let root = super::hostfs::root(k, slot as u32)?;
    k.mounts[slot] = Mount {
        point: point.0,
        root: root.0,
        kind: kind::HOST,
        flags: if read_only { RDONLY } else { 0 },
        host,
        device: makedev(0, FIRST_MINOR + slot as u32),
    };
    inode::hold(k, point);
    Ok(())
}

/// `mount(2)`: tmpfs, proc, sysfs, devpts and bind mounts; for root only.
///
/// The parent of a bind mount's root is that of the directory itself, since nodes do not know
/// through which mount they were reached.
pub fn mount(
    k: &mut Kernel<'_>,
    source: u64,
    target: u64,
    filesystem: u64,
    flags: u64,
    data: u64,
) -> SysResult {
    let mut name = [0; 32];
    let name: &[u8] = match filesystem {
        0 => &[],
        address => k.read_string(address, &mut name).map_err(|error| match error {
            Errno::ENAMETOOLONG => Errno::ENODEV,
            error => error,
        })?,
    };
    let mode = if data == 0 { None } else { mode_option(k, data)? };
    let point = walk::user_path(k, AT_FDCWD, target, FOLLOW)?;
    if !access::is_privileged(k) {
        return Err(Errno::EPERM.into());
    }
    // An old magic number in the upper half means nothing (mount(2)).
    let flags = if flags as u32 & 0xffff_0000 == 0xc0ed_0000 {
        flags as u32 & 0xffff
    } else {
        flags as u32
    };
    if flags & REMOUNT != 0 {
        let at = (0..k.mounts.len())
            .rfind(|&at| k.mounts[at].kind != 0 && k.mounts[at].root == point.0)
            .ok_or(Errno::EINVAL)?;
        k.mounts[at].flags = flags & KEPT | k.mounts[at].flags & ALIAS;
        return Ok(0);
    }
    if flags & PROPAGATION != 0 {
        return Ok(0);
    }
    if flags & MOVE != 0 {
        return Err(Errno::EINVAL.into());
    }
    if inode::view(k, point).is_some_and(|inode| inode.links == 0) {
        return Err(Errno::ENOENT.into());
    }
    if flags & BIND != 0 {
        let root = walk::user_path(k, AT_FDCWD, source, FOLLOW)?;
        if walk::is_dir(k, root)? != walk::is_dir(k, point)? {
            return Err(Errno::ENOTDIR.into());
        }
        let slot = free_slot(k)?;
        let device = device(k, root);
        let flags = flags & (KEPT | REC);
        let (point_number, root_number) = (point.0, root.0);
        k.mounts[slot] = Mount {
            point: point_number,
            root: root_number,
            kind: kind::BIND,
            flags,
            host: 0,
            device,
        };
        inode::hold(k, point);
        inode::hold(k, root);
        return Ok(0);
    }
    let what = match name {
        b"tmpfs" | b"ramfs" | b"devtmpfs" => kind::TMPFS,
        b"proc" => kind::PROC,
        b"sysfs" => kind::SYSFS,
        b"devpts" => kind::DEVPTS,
        _ => return Err(Errno::ENODEV.into()),
    };
    if !walk::is_dir(k, point)? {
        return Err(Errno::ENOTDIR.into());
    }
    attach(k, point, what, flags & KEPT, mode.unwrap_or(0o1777))?;
    Ok(0)
}

/// The octal number of `mode=` in the options of tmpfs.
fn mode_option(k: &mut Kernel<'_>, data: u64) -> Result<Option<u32>, Errno> {
    let mut options = [0; 256];
    let options = k.read_string(data, &mut options).map_err(|error| match error {
        Errno::ENAMETOOLONG => Errno::EINVAL,
        error => error,
    })?;
    let Some(digits) = options.split(|&b| b == b',').find_map(|o| o.strip_prefix(b"mode=")) else {
        return Ok(None);
    };
    let valid = digits.len() <= 5 && digits.iter().all(|digit| (b'0'..=b'7').contains(digit));
    let value = digits.iter().fold(0, |value, &digit| 8 * value + u32::from(digit & 7));
    if valid { Ok(Some(value & 0o7777)) } else { Err(Errno::EINVAL) }
}

/// `umount2(2)`.
pub fn umount2(k: &mut Kernel<'_>, target: u64, flags: u32) -> SysResult {
    const DETACH: u32 = 2;
    const EXPIRE: u32 = 4;
    const NOFOLLOW: u32 = 8;
    if flags & !(1 | DETACH | EXPIRE | NOFOLLOW) != 0 {
        return Err(Errno::EINVAL.into());
    }
    if !access::is_privileged(k) {
        return Err(Errno::EPERM.into());
    }
    let follow = if flags & NOFOLLOW != 0 { 0 } else { FOLLOW };
    let node = walk::user_path(k, AT_FDCWD, target, follow)?;
    let at = (1..k.mounts.len())
        .rfind(|&at| k.mounts[at].kind != 0 && k.mounts[at].root == node.0)
        .ok_or(Errno::EINVAL)?;
    let mount = k.mounts[at];
    let fresh = matches!(mount.kind, kind::TMPFS | kind::DEVPTS | kind::SYSFS);
    if fresh && is_busy(k, at) {
        return Err(Errno::EBUSY.into());
    }
    k.mounts[at] = Mount::default();
    inode::drop_node(k, Node(mount.point));
    inode::drop_node(k, Node(mount.root));
    if fresh {
        // Nothing refers to its nodes any more but their own directories.
        for index in 0..k.inodes.len() {
            if k.inodes[index].mode != 0 && k.inodes[index].filesystem == at as u32 {
                /// inotify(7): the file system is unmounted.
                const UNMOUNT: u32 = 0x2000;
                let node = Node::overlay(index);
                notify(k, Node::NONE, node, UNMOUNT, 0, &[]);
                k.inodes[index].links = 0;
                inode::collect(k, node);
            }
        }
    }
    Ok(0)
}

/// Whether anything but the mount itself refers to nodes of the file system.
fn is_busy(k: &Kernel<'_>, at: usize) -> bool {
    let root = k.mounts[at].root;
    k.inodes.iter().enumerate().any(|(index, inode)| {
        let own = u32::from(Node::overlay(index).0 == root);
        inode.mode != 0 && inode.filesystem == at as u32 && inode.references > own
    })
}

/// `pivot_root(2)`: the root of a machine cannot be exchanged.
pub fn pivot_root(k: &mut Kernel<'_>, new: u64, old: u64) -> SysResult {
    let _ = (new, old);
    let errno = if access::is_privileged(k) { Errno::EINVAL } else { Errno::EPERM };
    Err(errno.into())
}
