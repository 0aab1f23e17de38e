//! A host directory as the source.
//!
//! Everything is opened relative to the descriptor of its directory and without following links, so
//! nothing outside the directory is read even if it changes meanwhile. Names are taken in byte order.
//! Directories on another file system are taken as empty: they are mount points, such as `/proc` of
//! a chroot in use.

use std::collections::HashMap;
use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use ncpu_linux::rom;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use sha2::{Digest, Sha256};

use crate::Owners;
use crate::error::{ImageError, TreeError};
use crate::tree::{Attributes, Body, Extent, MAX_DEPTH, NodeId, Tree};
use crate::writer::Writer;

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC)
    .union(OFlags::NONBLOCK);
const FILE: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY);

/// A directory's names and attributes, with its files still to be read.
#[derive(Debug)]
pub(crate) struct Survey {
    root: PathBuf,
    pub(crate) owners: Owners,
    tree: Tree,
    files: Vec<FoundFile>,
    /// Hash over all that was seen, for the cache.
    pub(crate) fingerprint: Sha256,
}

#[derive(Debug)]
struct FoundFile {
    node: NodeId,
    /// Directories from the top, and the name.
    path: Vec<CString>,
    identity: (u64, u64),
    size: u64,
}

/// Walks a directory.
pub(crate) fn survey(root: &Path, owners: Owners) -> Result<Survey, ImageError> {
    let fd = rustix::fs::open(root, DIRECTORY & !OFlags::NOFOLLOW, Mode::empty())
        .map_err(|error| ImageError::io(root, error))?;
    let stat = rustix::fs::fstat(&fd).map_err(|error| ImageError::io(root, error))?;
    let mut walk = Walk {
        survey: Survey {
            root: root.to_owned(),
            owners,
            tree: Tree::new(),
            files: Vec::new(),
            fingerprint: Sha256::new(),
        },
        device: stat.st_dev,
        path: Vec::new(),
        hard_links: HashMap::new(),
    };
    walk.survey.tree.node_mut(Tree::ROOT).attributes = walk.attributes(&stat);
    walk.note(&stat, b"");
    walk.directory(fd.as_fd(), Tree::ROOT)?;
    Ok(walk.survey)
}

impl Survey {
    /// Reads the files into the image.
    pub(crate) fn pack(self, writer: &mut Writer) -> Result<Tree, ImageError> {
        let Survey { root, mut tree, files, .. } = self;
        let top = rustix::fs::open(&root, DIRECTORY & !OFlags::NOFOLLOW, Mode::empty())
            .map_err(|error| ImageError::io(&root, error))?;
        // Files of one directory come in a row.
        let mut parent: Option<(Vec<CString>, OwnedFd)> = None;
        for file in files {
            let host = || host_path(&root, &file.path);
            let Some((name, parents)) = file.path.split_last() else { continue };
            if parent.as_ref().is_none_or(|(path, _)| path != parents) {
                let fd =
                    open_directory(&top, parents).map_err(|error| ImageError::io(host(), error))?;
                parent = Some((parents.to_vec(), fd));
            }
            let directory = parent.as_ref().map_or(top.as_fd(), |(_, fd)| fd.as_fd());
            let fd = rustix::fs::openat(directory, name, FILE, Mode::empty())
                .map_err(|error| ImageError::io(host(), error))?;
            let stat = rustix::fs::fstat(&fd).map_err(|error| ImageError::io(host(), error))?;
            if identity(&stat) != file.identity || stat.st_size as u64 != file.size {
                return Err(ImageError::Changed { path: host() });
            }
            let extent = writer
                .append(&mut File::from(fd), file.size)
                .map_err(|error| error.reading(&host()))?;
            tree.node_mut(file.node).body = Body::File(extent);
        }
        Ok(tree)
    }
}

struct Walk {
    survey: Survey,
    device: u64,
    path: Vec<CString>,
    hard_links: HashMap<(u64, u64), NodeId>,
}

impl Walk {
    fn directory(&mut self, fd: BorrowedFd<'_>, parent: NodeId) -> Result<(), ImageError> {
        if self.path.len() >= MAX_DEPTH {
            return Err(self.error(io::Error::other(TreeError::TooDeep)));
        }
        let mut names = Vec::new();
        for entry in Dir::read_from(fd).map_err(|error| self.error(error))? {
            let entry = entry.map_err(|error| self.error(error))?;
            if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
                names.push(entry.file_name().to_owned());
            }
        }
        names.sort_unstable();
        let mut subdirectories = Vec::new();
        for name in names {
            self.path.push(name.clone());
            let stat = rustix::fs::statat(fd, &name, AtFlags::SYMLINK_NOFOLLOW)
                .map_err(|error| self.error(error))?;
            let node = self.entry(fd, parent, &name, &stat)?;
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory
                && stat.st_dev == self.device
            {
                subdirectories.push((name, node));
            }
            self.path.pop();
        }
        for (name, node) in subdirectories {
            self.path.push(name.clone());
            let child = rustix::fs::openat(fd, &name, DIRECTORY, Mode::empty())
                .map_err(|error| self.error(error))?;
            self.directory(child.as_fd(), node)?;
            self.path.pop();
        }
        Ok(())
    }

    fn entry(
        &mut self,
        fd: BorrowedFd<'_>,
        parent: NodeId,
        name: &CString,
        stat: &Stat,
    ) -> Result<NodeId, ImageError> {
        let kind = FileType::from_raw_mode(stat.st_mode);
        let shared = kind != FileType::Directory && stat.st_nlink > 1;
        if shared && let Some(&node) = self.hard_links.get(&identity(stat)) {
            self.survey.tree.set_link(parent, name.to_bytes(), node);
            self.note(stat, b"");
            return Ok(node);
        }
        let mut target = Vec::new();
        let body = match kind {
            FileType::Directory => Body::directory(),
            FileType::RegularFile => Body::File(Extent::default()),
            FileType::Symlink => {
                target = rustix::fs::readlinkat(fd, name, Vec::new())
                    .map_err(|error| self.error(error))?
                    .into_bytes();
                Body::symlink(&target).map_err(|error| self.error(io::Error::other(error)))?
            }
            FileType::CharacterDevice => Body::Device(rom::S_IFCHR, self.device_number(stat)?),
            FileType::BlockDevice => Body::Device(rom::S_IFBLK, self.device_number(stat)?),
            FileType::Fifo => Body::Fifo,
            FileType::Socket => Body::Socket,
            FileType::Unknown => return Err(self.error(io::Error::other("unknown file type"))),
        };
        let attributes = self.attributes(stat);
        let node = self.survey.tree.insert_in(parent, name.to_bytes(), attributes, body);
        if kind == FileType::RegularFile {
            self.survey.files.push(FoundFile {
                node,
                path: self.path.clone(),
                identity: identity(stat),
                size: stat.st_size as u64,
            });
        }
        if shared {
            self.hard_links.insert(identity(stat), node);
        }
        self.note(stat, &target);
        Ok(node)
    }

    fn attributes(&self, stat: &Stat) -> Attributes {
        let (uid, gid) = match self.survey.owners {
            Owners::Keep => (stat.st_uid, stat.st_gid),
            Owners::Root => (0, 0),
        };
        Attributes {
            mode: stat.st_mode & 0o7777,
            uid,
            gid,
            mtime_s: stat.st_mtime,
            mtime_ns: stat.st_mtime_nsec as u32,
        }
    }

    /// The C library's device numbers agree with the kernel's 32-bit encoding where that reaches.
    fn device_number(&self, stat: &Stat) -> Result<u32, ImageError> {
        u32::try_from(stat.st_rdev)
            .map_err(|_| self.error(io::Error::other("device number out of range")))
    }

    /// Adds what a change of the file would change to the fingerprint.
    fn note(&mut self, stat: &Stat, target: &[u8]) {
        let hash = &mut self.survey.fingerprint;
        for name in &self.path {
            hash.update(name.to_bytes());
            hash.update(b"/");
        }
        hash.update([0]);
        hash.update(target);
        hash.update([0]);
        for field in [
            u64::from(stat.st_mode),
            u64::from(stat.st_uid),
            u64::from(stat.st_gid),
            stat.st_size as u64,
            stat.st_rdev,
            stat.st_dev,
            stat.st_ino,
            stat.st_mtime as u64,
            stat.st_mtime_nsec,
            stat.st_ctime as u64,
            stat.st_ctime_nsec,
        ] {
            hash.update(field.to_le_bytes());
        }
    }

    fn error(&self, error: impl Into<io::Error>) -> ImageError {
        ImageError::io(host_path(&self.survey.root, &self.path), error)
    }
}

fn identity(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

fn open_directory(top: &OwnedFd, path: &[CString]) -> rustix::io::Result<OwnedFd> {
    let mut fd = rustix::fs::openat(top, c".", DIRECTORY, Mode::empty())?;
    for name in path {
        fd = rustix::fs::openat(&fd, name, DIRECTORY, Mode::empty())?;
    }
    Ok(fd)
}

fn host_path(root: &Path, path: &[CString]) -> PathBuf {
    let mut host = root.to_owned();
    host.extend(path.iter().map(|name| OsStr::from_bytes(name.to_bytes())));
    host
}
