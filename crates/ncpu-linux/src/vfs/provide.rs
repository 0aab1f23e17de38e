//! Files that whoever starts a machine puts into it.

use super::walk::{self, CREATE, FOLLOW, Last};
use super::{AT_FDCWD, Node, access, data, inode, tree};
use crate::Errno;
use crate::image::Kernel;
use crate::process::identity;
use crate::rom::{S_IFDIR, S_IFMT, S_IFREG};

/// Puts a regular file at an absolute path, with directories on the way to it (mode 0755) as
/// needed. It belongs to the user of the current process, who need not be allowed to make it. A
/// file that is there is replaced, also where an open file or a mapping shows it.
///
/// # Errors
/// EINVAL for a path that is not absolute or does not end with a name; EISDIR, ENOTDIR, ELOOP,
/// ENAMETOOLONG; EPERM in what is mounted; ENOSPC when tables or memory are full.
pub fn provide_file(k: &mut Kernel<'_>, path: &[u8], mode: u32, bytes: &[u8]) -> Result<(), Errno> {
    let process = k.current_process();
    let (credentials, capabilities) =
        (k.processes[process].credentials, k.processes[process].capabilities);
    // Of root's privileges only those over files are used, and nothing runs meanwhile.
    k.processes[process].credentials.uid = [0; 4];
    k.processes[process].capabilities = identity::ROOT_CAPABILITIES;
    let result = put(k, path, mode & 0o7777, bytes, [credentials.uid[1], credentials.gid[1]]);
    k.processes[process].credentials = credentials;
    k.processes[process].capabilities = capabilities;
    result
}

fn put(
    k: &mut Kernel<'_>,
    path: &[u8],
    mode: u32,
    bytes: &[u8],
    owner: [u32; 2],
) -> Result<(), Errno> {
    if path.first() != Some(&b'/') || path.contains(&0) {
        return Err(Errno::EINVAL);
    }
    for end in (1..path.len()).filter(|&end| path[end] == b'/') {
        if walk::walk(k, AT_FDCWD, &path[..end], FOLLOW | CREATE)?.node == Node::NONE {
            make(k, &path[..end], S_IFDIR | 0o755, owner)?;
        }
    }
    let found = walk::walk(k, AT_FDCWD, path, FOLLOW | CREATE)?;
    let node = match found.node {
        Node::NONE => make(k, path, S_IFREG, owner)?,
        node => node,
    };
    match walk::mode(k, node)? & S_IFMT {
        S_IFREG => {}
        S_IFDIR => return Err(Errno::EISDIR),
        _ => return Err(Errno::EINVAL),
    }
    let at = match node.place() {
        inode::Place::Rom(_) | inode::Place::Overlay(_) => inode::change(k, node)?,
        _ => return Err(Errno::EPERM),
    };
    k.inodes[at].mode = S_IFREG | mode;
    [k.inodes[at].uid, k.inodes[at].gid] = owner;
    data::truncate(k, node, 0)?;
    data::write_node(k, node, 0, bytes)?;
    // Writing has taken set-user-ID bits away.
    k.inodes[at].mode = S_IFREG | mode;
    Ok(())
}

/// Makes what the walk did not find.
fn make(k: &mut Kernel<'_>, path: &[u8], mode: u32, owner: [u32; 2]) -> Result<Node, Errno> {
    let found = walk::walk(k, AT_FDCWD, path, FOLLOW | CREATE)?;
    if found.last != Last::Name || found.slash {
        return Err(Errno::EINVAL);
    }
    if !matches!(found.dir.place(), inode::Place::Rom(_) | inode::Place::Overlay(_)) {
        return Err(Errno::EPERM);
    }
    access::may_change_dir(k, found.dir)?;
    let node = tree::create(k, found.dir, found.name.get(), mode, 0)?;
    let at = inode::change(k, node)?;
    [k.inodes[at].uid, k.inodes[at].gid] = owner;
    Ok(node)
}
