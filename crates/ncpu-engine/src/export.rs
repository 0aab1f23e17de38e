//! What a machine changed in its root file system, as a tar archive.
//!
//! The archive is a layer in the sense of the OCI image specification: files that are new or
//! changed, whole, and an empty `.wh.NAME` for each name of the root file system image that was
//! removed. What is mounted (/proc, /dev, host folders) is left out.

use ncpu_linux::rom::{S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG};
use ncpu_linux::vfs::{self, Node, Status, changes};
use ncpu_linux::{Errno, Kernel};
use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::path::Path;
use tar::{Builder, EntryType, Header};

/// A directory that is being walked.
struct Level {
    node: Node,
    path: Vec<u8>,
    position: u64,
    /// Whether everything below is new: the directory was moved here.
    whole: bool,
}

/// Writes the changes of a machine's overlay.
///
/// # Errors
/// When writing fails.
pub fn export(kernel: &mut Kernel<'_>, out: impl Write) -> io::Result<()> {
    let mut archive = Builder::new(out);
    let mut links = HashMap::new();
    let mut levels = vec![Level { node: Node::ROOT, path: Vec::new(), position: 0, whole: false }];
    while let Some(level) = levels.last_mut() {
        let Some(change) = changes::next(kernel, level.node, level.position) else {
            levels.pop();
            continue;
        };
        level.position = change.next;
        let whole = level.whole || change.new;
        let mut path = level.path.clone();
        if change.node == Node::NONE {
            path.extend_from_slice(b".wh.");
            path.extend_from_slice(change.name.get());
            append(&mut archive, &path, &mut header(EntryType::Regular, None), io::empty())?;
            continue;
        }
        path.extend_from_slice(change.name.get());
        let status = vfs::status(kernel, change.node).map_err(error)?;
        if whole || change.changed {
            write_node(kernel, &mut archive, &mut links, change.node, &path, &status)?;
        }
        if status.mode & S_IFMT == S_IFDIR {
            path.push(b'/');
            levels.push(Level { node: change.node, path, position: 0, whole });
        }
    }
    archive.into_inner()?.flush()
}

fn error(errno: Errno) -> io::Error {
    io::Error::from_raw_os_error(i32::from(errno.0))
}

fn header(kind: EntryType, status: Option<&Status>) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(0);
    if let Some(status) = status {
        header.set_mode(status.mode & 0o7777);
        header.set_uid(u64::from(status.uid));
        header.set_gid(u64::from(status.gid));
        header.set_mtime(status.times[1] / 1_000_000_000);
    } else {
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
    }
    header
}

fn path_from(bytes: &[u8]) -> &Path {
    use std::os::unix::ffi::OsStrExt;
    Path::new(std::ffi::OsStr::from_bytes(bytes))
}

fn append(
    archive: &mut Builder<impl Write>,
    path: &[u8],
    header: &mut Header,
    data: impl Read,
) -> io::Result<()> {
    archive.append_data(header, path_from(path), data)
}

fn write_node(
    kernel: &mut Kernel<'_>,
    archive: &mut Builder<impl Write>,
    links: &mut HashMap<u32, Vec<u8>>,
    node: Node,
    path: &[u8],
    status: &Status,
) -> io::Result<()> {
    let kind = status.mode & S_IFMT;
    if kind != S_IFDIR && status.links > 1 {
        if let Some(first) = links.get(&node.0) {
            let mut header = header(EntryType::Link, Some(status));
            return archive.append_link(&mut header, path_from(path), path_from(first));
        }
        links.insert(node.0, path.to_vec());
    }
    match kind {
        S_IFREG => {
            let mut header = header(EntryType::Regular, Some(status));
            header.set_size(status.size);
            let data = Contents { kernel, node, offset: 0 }.take(status.size);
            append(archive, path, &mut header, data)
        }
        S_IFLNK => {
            let mut target = vec![0; 4096];
            let length = vfs::read_link(kernel, node, &mut target).map_err(error)?;
            let mut header = header(EntryType::Symlink, Some(status));
            archive.append_link(&mut header, path_from(path), path_from(&target[..length]))
        }
        S_IFCHR | S_IFBLK => {
            let kind = if kind == S_IFCHR { EntryType::Char } else { EntryType::Block };
            let mut header = header(kind, Some(status));
            // Linux's 32-bit encoding, `new_encode_dev` in include/linux/kdev_t.h.
            header.set_device_major(status.rdev >> 8 & 0xfff)?;
            header.set_device_minor(status.rdev & 0xff | status.rdev >> 12 & 0xf_ff00)?;
            append(archive, path, &mut header, io::empty())
        }
        S_IFDIR => {
            append(archive, path, &mut header(EntryType::Directory, Some(status)), io::empty())
        }
        S_IFIFO => append(archive, path, &mut header(EntryType::Fifo, Some(status)), io::empty()),
        // A socket has no meaning without the process that listens; tar has no type for it.
        _ => Ok(()),
    }
}

/// A regular file of the machine as a reader.
struct Contents<'k, 'm> {
    kernel: &'k mut Kernel<'m>,
    node: Node,
    offset: u64,
}

impl Read for Contents<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = vfs::read_node(self.kernel, self.node, self.offset, buffer).map_err(error)?;
        self.offset += count as u64;
        Ok(count)
    }
}
