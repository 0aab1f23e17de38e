//! The read-only root file system image: its format, and the reader that the machine uses.
//!
//! One immutable file holds a whole tree. The host maps it, every machine shares it, and a GPU gets
//! it as one copy of bytes. This module is the only definition of the format; the packer in
//! `ncpu-image` writes through the `encode` functions here.
//!
//! ```text
//! page 0            header, 128 bytes, the rest zero
//! page 1 ..         file contents: each file one run of whole pages, the tail of its last page zero
//! inode_page ..     inode table: 64-byte records, number 1 (the root directory) first
//! dirent_page ..    directory entries: 12-byte records, one run per directory
//! string_page ..    names and symbolic link targets, no terminators
//! ```
//!
//! Everything is little-endian and every section starts on a 4 KiB page, so that file pages can be
//! mapped as they lie.
//!
//! Numbering is canonical, which makes a tree checkable in one linear pass without memory of its
//! own. The runs of the directory table follow each other in the order of their directories' inode
//! numbers, and a reader that walks that table from its start meets inodes in the order 2, 3, 4, ...
//! An entry that names an inode already met is a hard link and cannot be a directory. It follows
//! that every inode is reachable, that every directory but the root is named exactly once, by a
//! directory with a lower number, and hence that there are no cycles.
//!
//! [`Rom::check`] validates all metadata once. The accessors of [`Rom`] read with checked indices
//! all the same: a wrong inode number from elsewhere gives `None` or an empty slice, not a panic.

mod check;
mod format;

use core::cmp::Ordering;

pub use check::{Damage, RomError};
pub use format::*;

/// A root file system image.
#[derive(Clone, Copy, Debug)]
pub struct Rom<'a> {
    bytes: &'a [u8],
    header: Header,
}

impl<'a> Rom<'a> {
    /// The reader over an image that passed [`Rom::check`] before, perhaps on another machine: only
    /// the header is looked at. On unchecked bytes the accessors are still safe, but what they say
    /// about the tree may be nonsense.
    ///
    /// # Errors
    /// A header that is not an image's, or sections that do not fit the bytes.
    pub fn open(bytes: &'a [u8]) -> Result<Rom<'a>, RomError> {
        let raw: &[u8; HEADER_BYTES] =
            bytes.first_chunk().ok_or(RomError::new(Damage::NotAnImage, 0))?;
        if raw[..8] != MAGIC {
            return Err(RomError::new(Damage::NotAnImage, 0));
        }
        if get32(raw, 8) != VERSION {
            return Err(RomError::new(Damage::Version, 8));
        }
        let header = Header::decode(raw);
        let laid_out = header.inode_page.checked_sub(1).and_then(|data_pages| {
            Header::lay_out(
                data_pages,
                header.inode_count,
                header.dirent_count,
                header.string_bytes,
            )
        });
        let Header { config, config_bytes, hash, .. } = header;
        let expected = laid_out.map(|laid_out| Header { config, config_bytes, hash, ..laid_out });
        if header.inode_count == u32::MAX || expected != Some(header) {
            return Err(RomError::new(Damage::Sections, 12));
        }
        if bytes.len() as u64 != u64::from(header.total_pages) * PAGE as u64 {
            return Err(RomError::new(Damage::Length, 36));
        }
        if raw[HASH_OFFSET + 8..].iter().any(|&byte| byte != 0) {
            return Err(RomError::new(Damage::Unused, HASH_OFFSET + 8));
        }
        let rom = Rom { bytes, header };
        match rom.string(config, config_bytes) {
            Some(_) => Ok(rom),
            None => Err(RomError::new(Damage::Sections, 40)),
        }
    }

    /// The header.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The start-up defaults that came with the tree, opaque here; empty if there are none.
    pub fn config(&self) -> &'a [u8] {
        self.string(self.header.config, self.header.config_bytes).unwrap_or(&[])
    }

    /// A number that stands for the whole image, names, attributes and contents. It guards against
    /// accidents, not against forgery.
    pub const fn identity(&self) -> u64 {
        self.header.hash
    }

    /// Number of inodes; valid numbers are 1 to this.
    pub const fn inode_count(&self) -> u32 {
        self.header.inode_count
    }

    /// The root directory.
    pub const fn root(&self) -> Ino {
        Ino::ROOT
    }

    /// The inode with this number, if there is one.
    pub fn inode(&self, ino: Ino) -> Option<RomInode> {
        let index = ino.0.checked_sub(1).filter(|&index| index < self.header.inode_count)?;
        self.record(self.header.inode_offset(index)).map(RomInode::decode)
    }

    /// The inode that `name` has in directory `dir`, by binary search. `.` and `..` are not stored:
    /// see [`RomInode::parent`].
    pub fn lookup(&self, dir: Ino, name: &[u8]) -> Option<Ino> {
        let dir = self.inode(dir).filter(RomInode::is_dir)?;
        let (mut low, mut high) = (0, dir.count);
        while low < high {
            let middle = low + (high - low) / 2;
            let entry = self.dirent(dir.first.checked_add(middle)?)?;
            match self.name(&entry)?.cmp(name) {
                Ordering::Equal => return Some(entry.ino),
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// Entry `index` of directory `dir` in name order: name, inode and `DT_*` type. `None` past the
    /// last.
    pub fn entry(&self, dir: Ino, index: u32) -> Option<(&'a [u8], Ino, u8)> {
        let dir = self.inode(dir).filter(|inode| inode.is_dir() && index < inode.count)?;
        let entry = self.dirent(dir.first.checked_add(index)?)?;
        Some((self.name(&entry)?, entry.ino, entry.kind))
    }

    /// The target of a symbolic link; empty for anything else.
    pub fn symlink(&self, ino: Ino) -> &'a [u8] {
        self.inode(ino)
            .filter(RomInode::is_symlink)
            .and_then(|inode| self.string(inode.first, inode.count))
            .unwrap_or(&[])
    }

    /// Where a regular file's contents lie: first page in the image and bytes. `None` for anything
    /// else.
    pub fn data(&self, ino: Ino) -> Option<(u32, u64)> {
        let inode = self.inode(ino).filter(RomInode::is_file)?;
        Some((inode.first, inode.size))
    }

    /// A regular file's contents; empty for anything else.
    pub fn contents(&self, ino: Ino) -> &'a [u8] {
        self.data(ino)
            .and_then(|(first, size)| {
                let start = Header::byte_of(first);
                self.bytes.get(start..start.checked_add(usize::try_from(size).ok()?)?)
            })
            .unwrap_or(&[])
    }

    /// One page of the image.
    pub fn page(&self, page: u32) -> Option<&'a [u8; PAGE]> {
        self.bytes.get(Header::byte_of(page)..)?.first_chunk()
    }

    fn dirent(&self, index: u32) -> Option<RomDirent> {
        if index >= self.header.dirent_count {
            return None;
        }
        self.record(self.header.dirent_offset(index)).map(RomDirent::decode)
    }

    fn record<const N: usize>(&self, offset: usize) -> Option<&'a [u8; N]> {
        self.bytes.get(offset..)?.first_chunk()
    }

    fn name(&self, entry: &RomDirent) -> Option<&'a [u8]> {
        self.string(entry.name, u32::from(entry.name_len))
    }

    fn string(&self, offset: u32, len: u32) -> Option<&'a [u8]> {
        let end = offset.checked_add(len).filter(|&end| end <= self.header.string_bytes)?;
        self.bytes.get(self.header.string_offset(offset)..self.header.string_offset(end))
    }
}
