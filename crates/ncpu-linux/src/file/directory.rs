//! Reading directories: getdents64(2).

use crate::image::Kernel;
use crate::rom::S_IFMT;
use crate::vfs::dir::{self, Listed};
use crate::vfs::inode::Place;
use crate::vfs::{self, Node, hostfs, proc, walk};
use crate::{Errno, SysResult};

/// Bytes of `struct linux_dirent64` before the name.
const HEADER: usize = 19;

/// `getdents64(2)`.
pub fn getdents64(k: &mut Kernel<'_>, fd: i32, buffer: u64, size: u32) -> SysResult {
    let file = super::table::get_usable(k, fd)?;
    if k.files[file].kind != super::kind::DIRECTORY {
        return Err(Errno::ENOTDIR.into());
    }
    let dir = Node(k.files[file].node);
    if vfs::status(k, dir)?.links == 0 {
        return Err(Errno::ENOENT.into());
    }
    let size = u64::from(size).min(i32::MAX as u64);
    let (mut done, mut hint) = (0u64, 0);
    // The file's own position moves at the end, since the call may have to wait and run again.
    let mut position = k.files[file].offset;
    loop {
        let entry = match next(k, dir, position, &mut hint) {
            Ok(Some(entry)) => entry,
            Err(error) if done == 0 || error == Errno::HOST_WAIT => return Err(error.into()),
            _ => break,
        };
        let mut record = [0; HEADER + dir::NAME_MAX + 8];
        let name = entry.name.get();
        let length = (HEADER + name.len() + 1).next_multiple_of(8);
        if done + length as u64 > size {
            if done == 0 {
                return Err(Errno::EINVAL.into());
            }
            break;
        }
        // An entry whose node has gone meanwhile is of unknown type.
        let kind = match entry.kind {
            0 => match walk::mode(k, entry.node) {
                Err(Errno::HOST_WAIT) => return Err(Errno::HOST_WAIT.into()),
                mode => mode.map_or(0, |mode| (mode & S_IFMT) >> 12),
            },
            kind => kind,
        };
        record[..8].copy_from_slice(&u64::from(entry.node.0).to_le_bytes());
        record[8..16].copy_from_slice(&entry.next.to_le_bytes());
        record[16..18].copy_from_slice(&(length as u16).to_le_bytes());
        record[18] = kind as u8;
        record[HEADER..HEADER + name.len()].copy_from_slice(name);
        if let Err(error) = k.write_user(buffer.wrapping_add(done), &record[..length]) {
            if done == 0 {
                return Err(error.into());
            }
            break;
        }
        done += length as u64;
        position = entry.next;
    }
    k.files[file].offset = position;
    vfs::open::event(k, dir, super::io::EVENT_ACCESS);
    Ok(done)
}

/// The entry of a directory at or after `position`.
fn next(
    k: &mut Kernel<'_>,
    dir: Node,
    position: u64,
    hint: &mut u32,
) -> Result<Option<Listed>, Errno> {
    match position {
        0 => return Ok(Some(Listed { next: 1, node: dir, name: dir::Name::new(b".")?, kind: 0 })),
        1 => {
            let node = walk::parent(k, dir);
            return Ok(Some(Listed { next: 2, node, name: dir::Name::new(b"..")?, kind: 0 }));
        }
        _ => {}
    }
    match dir.place() {
        Place::Proc => proc::next(k, dir, position),
        Place::Host(_) => hostfs::next(k, dir, position),
        // What is listed is the name's own node, also where something is mounted on it.
        _ => Ok(dir::next(k, dir, position, hint)),
    }
}
