//! Permissions: who may do what with a node (path_resolution(7), credentials(7)).

use super::Node;
use crate::image::Kernel;
use crate::process::Credentials;
use crate::rom::{S_IFDIR, S_IFMT, S_IFREG};
use crate::{Errno, vfs};

/// Mask bit of [`allowed`]: execute a file, search a directory.
pub const EXECUTE: u32 = 1;
/// Mask bit of [`allowed`]: write.
pub const WRITE: u32 = 2;
/// Mask bit of [`allowed`]: read.
pub const READ: u32 = 4;

/// Set-user-ID bit.
pub const S_ISUID: u32 = 0o4000;
/// Set-group-ID bit.
pub const S_ISGID: u32 = 0o2000;
/// Sticky bit.
pub const S_ISVTX: u32 = 0o1000;

const EFFECTIVE: usize = 1;
const FILE_SYSTEM: usize = 3;

/// Credentials of the running process; root's while the machine boots.
pub(crate) fn credentials(k: &Kernel<'_>) -> Credentials {
    k.tasks
        .get(k.header.current as usize)
        .and_then(|task| k.processes.get(task.process as usize))
        .map_or(Credentials::default(), |process| process.credentials)
}

/// User and group that own what the running process makes.
pub(crate) fn file_owner(k: &Kernel<'_>) -> (u32, u32) {
    let who = credentials(k);
    (who.uid[FILE_SYSTEM], who.gid[FILE_SYSTEM])
}

/// Whether the running process has root's privileges over files (CAP_FOWNER, CAP_CHOWN, ...).
pub(crate) fn is_privileged(k: &Kernel<'_>) -> bool {
    credentials(k).uid[EFFECTIVE] == 0
}

/// Whether `who` belongs to a group, with its file-system group and supplementary ones.
pub(crate) fn in_group(who: &Credentials, gid: u32) -> bool {
    let count = (who.group_count as usize).min(who.groups.len());
    who.gid[FILE_SYSTEM] == gid || who.groups[..count].contains(&gid)
}

/// Whether the running process owns the node or has root's privileges; EPERM.
pub(crate) fn owns(k: &Kernel<'_>, uid: u32) -> Result<(), Errno> {
    if credentials(k).uid[FILE_SYSTEM] == uid || is_privileged(k) {
        Ok(())
    } else {
        Err(Errno::EPERM)
    }
}

/// Whether the current process may access the node: `mask` of 4 (read), 2 (write), 1 (execute).
/// EACCES, or EROFS for writing a file of a read-only mount.
pub fn allowed(k: &mut Kernel<'_>, node: Node, mask: u32) -> Result<(), Errno> {
    let who = credentials(k);
    allowed_for(k, node, mask, &who)
}

/// As [`allowed`], for other credentials.
pub(crate) fn allowed_for(
    k: &mut Kernel<'_>,
    node: Node,
    mask: u32,
    who: &Credentials,
) -> Result<(), Errno> {
    let status = vfs::status(k, node)?;
    let kind = status.mode & S_IFMT;
    if mask & WRITE != 0 && matches!(kind, S_IFREG | S_IFDIR) {
        vfs::mount::writable(k, node)?;
    }
    let uid = who.uid[FILE_SYSTEM];
    if uid == 0 {
        // CAP_DAC_OVERRIDE: only execution of what nobody may execute is refused.
        let executable = kind == S_IFDIR || status.mode & 0o111 != 0;
        return if mask & EXECUTE == 0 || executable { Ok(()) } else { Err(Errno::EACCES) };
    }
    let shift = match () {
        () if uid == status.uid => 6,
        () if in_group(who, status.gid) => 3,
        () => 0,
    };
    if (status.mode >> shift) & mask == mask { Ok(()) } else { Err(Errno::EACCES) }
}

/// Whether the current process may add names to a directory or remove them.
pub(crate) fn may_change_dir(k: &mut Kernel<'_>, dir: Node) -> Result<(), Errno> {
    allowed(k, dir, WRITE | EXECUTE)
}

/// Whether the current process may remove `node` from `dir`, of which the sticky bit says that only
/// the owners of either may; EPERM.
pub(crate) fn may_remove(k: &mut Kernel<'_>, dir: Node, node: Node) -> Result<(), Errno> {
    may_change_dir(k, dir)?;
    let directory = vfs::status(k, dir)?;
    if directory.mode & S_ISVTX == 0 {
        return Ok(());
    }
    let owner = vfs::status(k, node)?.uid;
    owns(k, owner).or_else(|error| {
        let uid = credentials(k).uid[FILE_SYSTEM];
        if uid == directory.uid { Ok(()) } else { Err(error) }
    })
}

/// After a change of its contents by someone without privileges a file loses its set-ID bits.
pub(crate) fn drop_privilege_bits(k: &mut Kernel<'_>, at: usize) {
    let mode = k.inodes[at].mode;
    if mode & S_IFMT != S_IFREG || mode & (S_ISUID | S_ISGID) == 0 || is_privileged(k) {
        return;
    }
    let group = if mode & 0o010 != 0 { S_ISGID } else { 0 };
    k.inodes[at].mode = mode & !(S_ISUID | group);
}
