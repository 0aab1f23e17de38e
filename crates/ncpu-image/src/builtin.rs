//! The root file system of a machine that was given none.

use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::error::ImageError;
use crate::tree::{Attributes, Body, Tree, components};
use crate::writer::Writer;

const DIRECTORIES: &[(&str, u32)] = &[
    ("dev", 0o755),
    ("etc", 0o755),
    ("home", 0o755),
    ("mnt", 0o755),
    ("opt", 0o755),
    ("proc", 0o555),
    ("root", 0o700),
    ("run", 0o755),
    ("srv", 0o755),
    ("sys", 0o555),
    ("tmp", 0o1777),
    ("usr/bin", 0o755),
    ("usr/lib", 0o755),
    ("usr/local/bin", 0o755),
    ("usr/sbin", 0o755),
    ("usr/share", 0o755),
    ("var/cache", 0o755),
    ("var/lib", 0o755),
    ("var/log", 0o755),
    ("var/tmp", 0o1777),
];

/// The merged `/usr` that distributions have had since 2019.
const LINKS: &[(&str, &str)] = &[
    ("bin", "usr/bin"),
    ("lib", "usr/lib"),
    ("sbin", "usr/sbin"),
    ("var/run", "/run"),
    ("etc/mtab", "/proc/self/mounts"),
];

const FILES: &[(&str, &str)] = &[
    (
        "etc/passwd",
        "root:x:0:0:root:/root:/bin/sh\n\
         nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    ),
    ("etc/group", "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n"),
    ("etc/hostname", "ncpu\n"),
    ("etc/hosts", "127.0.0.1\tlocalhost ncpu\n::1\tlocalhost ip6-localhost ip6-loopback\n"),
    (
        "etc/nsswitch.conf",
        "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\n",
    ),
    ("etc/resolv.conf", ""),
];

/// The tree, and the host files to add as (guest path, host path), executable by everyone.
pub(crate) fn tree(files: &[(&Path, &Path)], writer: &mut Writer) -> Result<Tree, ImageError> {
    let mut tree = Tree::new();
    let mut put = |writer: &mut Writer, guest: &Path, mode, body: Added<'_>| {
        let at_guest = |error| ImageError::GuestPath { guest: guest.to_owned(), error };
        // A guest path may be written as the guest sees it.
        let name = guest.as_os_str().as_bytes();
        let name = &name[name.iter().take_while(|&&byte| byte == b'/').count()..];
        let path = components(name).map_err(at_guest)?;
        let body = match body {
            Added::Directory => Body::directory(),
            Added::Link(target) => Body::symlink(target.as_bytes()).map_err(at_guest)?,
            Added::Text(text) => Body::File(
                writer
                    .append(&mut text.as_bytes(), text.len() as u64)
                    .map_err(|error| error.reading(guest))?,
            ),
            Added::Host(host) => {
                let mut file = File::open(host).map_err(|error| ImageError::io(host, error))?;
                let metadata = file.metadata().map_err(|error| ImageError::io(host, error))?;
                if !metadata.is_file() {
                    let error = std::io::Error::other("not a regular file");
                    return Err(ImageError::io(host, error));
                }
                Body::File(
                    writer
                        .append(&mut file, metadata.len())
                        .map_err(|error| error.reading(host))?,
                )
            }
        };
        tree.insert(&path, Attributes::plain(mode), body).map_err(at_guest).map(drop)
    };
    for (path, mode) in DIRECTORIES {
        put(writer, Path::new(path), *mode, Added::Directory)?;
    }
    for (path, target) in LINKS {
        put(writer, Path::new(path), 0o777, Added::Link(target))?;
    }
    for (path, text) in FILES {
        put(writer, Path::new(path), 0o644, Added::Text(text))?;
    }
    for (guest, host) in files {
        put(writer, guest, 0o755, Added::Host(host))?;
    }
    Ok(tree)
}

enum Added<'a> {
    Directory,
    Link(&'a str),
    Text(&'a str),
    Host(&'a Path),
}
