//! The current directory and the root of a process: chdir(2), chroot(2), getcwd(2).

use super::walk::{self, FOLLOW};
use super::{AT_FDCWD, Node, access, inode};
use crate::image::Kernel;
use crate::scratch::{PageScratch, zeroed};
use crate::{Errno, SysResult};

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
    let mut scratch = PageScratch::uninit();
    let path = zeroed(&mut scratch);
    let cwd = Node(k.processes[k.current_process()].cwd);
    if inode::view(k, cwd).is_some_and(|inode| inode.links == 0) {
        return Err(Errno::ENOENT.into());
    }
    let length = super::path_of(k, cwd, &mut path[..walk::PATH_MAX - 1])?.len();
    if size < length as u64 + 1 {
        return Err(Errno::ERANGE.into());
    }
    k.write_user(buffer, &path[..=length])?;
    Ok(length as u64 + 1)
}
