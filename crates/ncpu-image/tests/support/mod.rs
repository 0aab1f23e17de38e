//! What the tests share: sources in temporary directories, and images read back.

#![allow(dead_code, reason = "each test uses its part")]

use std::path::{Path, PathBuf};

use ncpu_image::{Cache, ImageError, Options, RootImage};
use ncpu_linux::rom::{Ino, Rom, RomInode};
use tempfile::TempDir;

pub(crate) fn scratch() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

pub(crate) fn uncached() -> Options {
    Options { cache: Cache::None, ..Options::default() }
}

pub(crate) fn open(path: &Path) -> Result<RootImage, ImageError> {
    ncpu_image::open(path, &uncached())
}

pub(crate) fn write(directory: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = directory.path().join(name);
    std::fs::write(&path, bytes).expect("a writable temporary directory");
    path
}

/// The inode at a path, without following links.
pub(crate) fn find(rom: Rom<'_>, path: &str) -> Option<Ino> {
    path.split('/')
        .filter(|name| !name.is_empty())
        .try_fold(rom.root(), |dir, name| rom.lookup(dir, name.as_bytes()))
}

pub(crate) fn inode(rom: Rom<'_>, path: &str) -> RomInode {
    let ino = find(rom, path).unwrap_or_else(|| panic!("{path} is missing"));
    rom.inode(ino).expect("an inode for an entry")
}

pub(crate) fn contents<'a>(rom: Rom<'a>, path: &str) -> &'a [u8] {
    rom.contents(find(rom, path).unwrap_or_else(|| panic!("{path} is missing")))
}

pub(crate) fn symlink<'a>(rom: Rom<'a>, path: &str) -> &'a [u8] {
    rom.symlink(find(rom, path).unwrap_or_else(|| panic!("{path} is missing")))
}

/// All names in the image.
pub(crate) fn names(rom: Rom<'_>) -> Vec<String> {
    ncpu_image::paths(rom).map(|(path, _)| String::from_utf8(path).expect("UTF-8 names")).collect()
}

/// One entry of an archive to be made.
pub(crate) struct Entry<'a> {
    pub(crate) kind: tar::EntryType,
    pub(crate) name: &'a str,
    pub(crate) link: &'a str,
    pub(crate) data: &'a [u8],
    pub(crate) mode: u32,
    pub(crate) device: (u32, u32),
}

pub(crate) fn file<'a>(name: &'a str, data: &'a [u8]) -> Entry<'a> {
    Entry { kind: tar::EntryType::Regular, name, link: "", data, mode: 0o644, device: (0, 0) }
}

pub(crate) fn dir(name: &str) -> Entry<'_> {
    Entry { kind: tar::EntryType::Directory, mode: 0o755, ..file(name, b"") }
}

pub(crate) fn link<'a>(name: &'a str, target: &'a str) -> Entry<'a> {
    Entry { kind: tar::EntryType::Symlink, link: target, mode: 0o777, ..file(name, b"") }
}

pub(crate) fn hard_link<'a>(name: &'a str, target: &'a str) -> Entry<'a> {
    Entry { kind: tar::EntryType::Link, link: target, ..file(name, b"") }
}

/// A tar archive with names written as they are, however hostile.
pub(crate) fn tar(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut archive = Vec::new();
    for entry in entries {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(entry.kind);
        header.set_mode(entry.mode);
        header.set_uid(7);
        header.set_gid(8);
        header.set_mtime(1_700_000_000);
        header.set_size(entry.data.len() as u64);
        header.set_device_major(entry.device.0).expect("a GNU header");
        header.set_device_minor(entry.device.1).expect("a GNU header");
        let raw = header.as_mut_bytes();
        raw[..entry.name.len()].copy_from_slice(entry.name.as_bytes());
        raw[157..157 + entry.link.len()].copy_from_slice(entry.link.as_bytes());
        header.set_cksum();
        archive.extend(header.as_bytes());
        archive.extend(entry.data);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.resize(archive.len() + 1024, 0);
    archive
}
