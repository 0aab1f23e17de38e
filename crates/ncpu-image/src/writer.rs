//! Writes an image: file contents as they come, then the tables, then the header.
//!
//! Contents that a later entry or layer replaced leave gaps, which are closed at the end, so that an
//! image holds only what its tree names.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use ncpu_linux::rom::{self, HASH_SEED, Header, PAGE, RomDirent, RomInode};

use crate::config::ImageConfig;
use crate::error::ImageError;
use crate::tree::{Body, Extent, NodeId, Tree};

/// Bytes copied at a time, a multiple of the page size.
const CHUNK: usize = 64 * PAGE;

/// Why contents or tables could not be written.
#[derive(Debug)]
pub(crate) enum WriteError {
    /// The source cannot be read.
    Read(io::Error),
    /// The source ended early.
    Short,
    /// The image cannot be written.
    Write(io::Error),
    /// The image would exceed its limit in bytes.
    Full(u64),
}

impl WriteError {
    /// The error for the user, who knows the source by its path.
    pub(crate) fn reading(self, source: &Path) -> ImageError {
        match self {
            WriteError::Read(error) => ImageError::io(source, error),
            WriteError::Short => ImageError::Changed { path: source.to_owned() },
            WriteError::Write(error) => ImageError::Write { error },
            WriteError::Full(limit) => ImageError::TooLarge { limit },
        }
    }
}

/// An image being written.
#[derive(Debug)]
pub(crate) struct Writer {
    file: File,
    next_page: u32,
    limit: u64,
    buffer: Box<[u8]>,
}

impl Writer {
    /// Starts an image of at most `limit` bytes in an empty file.
    pub(crate) fn new(file: File, limit: u64) -> Writer {
        Writer { file, next_page: 1, limit, buffer: vec![0; CHUNK].into() }
    }

    /// Appends the `size` bytes that `source` must hold.
    pub(crate) fn append(
        &mut self,
        source: &mut dyn Read,
        size: u64,
    ) -> Result<Extent, WriteError> {
        if size == 0 {
            return Ok(Extent::default());
        }
        let first = self.next_page;
        let start = u64::from(first) * PAGE as u64;
        let end = start.checked_add(size).filter(|&end| end <= self.limit);
        let next_page = end.and_then(|end| u32::try_from(end.div_ceil(PAGE as u64)).ok());
        let Some(next_page) = next_page else { return Err(WriteError::Full(self.limit)) };
        let mut content = HASH_SEED;
        let mut done = 0;
        while done < size {
            let want = (size - done).min(CHUNK as u64) as usize;
            let got = read_full(source, &mut self.buffer[..want]).map_err(WriteError::Read)?;
            if got < want {
                return Err(WriteError::Short);
            }
            let padded = want.next_multiple_of(PAGE);
            self.buffer[want..padded].fill(0);
            let chunk = &self.buffer[..padded];
            content = rom::hash(content, chunk);
            // The file is fresh, so what is not written reads as zeros, and takes no room.
            if chunk.iter().any(|&byte| byte != 0) {
                self.file.write_all_at(chunk, start + done).map_err(WriteError::Write)?;
            }
            done += want as u64;
        }
        self.next_page = next_page;
        Ok(Extent { first, size, content })
    }

    /// Access to contents appended before and later.
    pub(crate) fn contents(&self) -> io::Result<Contents> {
        Ok(Contents { file: self.file.try_clone()? })
    }

    /// Writes tables and header, and gives the file back.
    pub(crate) fn finish(
        mut self,
        tree: &mut Tree,
        config: &ImageConfig,
    ) -> Result<File, WriteError> {
        let numbering = Numbering::of(tree, self.limit)?;
        self.close_gaps(tree, &numbering.order)?;
        let tables = Tables::of(tree, &numbering, config)
            .filter(|tables| self.fits(tables))
            .ok_or(WriteError::Full(self.limit))?;
        let mut header = Header::lay_out(
            self.next_page - 1,
            tables.inode_count,
            tables.dirent_count,
            tables.string_bytes,
        )
        .ok_or(WriteError::Full(self.limit))?;
        (header.config, header.config_bytes) = tables.config;
        let mut body = tables.inodes;
        for section in [tables.dirents, tables.strings] {
            body.resize(body.len().next_multiple_of(PAGE), 0);
            body.extend(section);
        }
        body.resize(body.len().next_multiple_of(PAGE), 0);
        header.hash = rom::metadata_hash(&header.encode(), &body);

        let write = || -> io::Result<()> {
            // Cut first: closing gaps can leave old contents where the tables' padding goes.
            self.file.set_len(u64::from(header.inode_page) * PAGE as u64)?;
            self.file.set_len(u64::from(header.total_pages) * PAGE as u64)?;
            self.file.write_all_at(&body, u64::from(header.inode_page) * PAGE as u64)?;
            self.file.write_all_at(&header.encode(), 0)
        };
        write().map_err(WriteError::Write)?;
        Ok(self.file)
    }

    fn fits(&self, tables: &Tables) -> bool {
        let sections = [&tables.inodes, &tables.dirents, &tables.strings];
        let bytes: u64 =
            sections.iter().map(|section| section.len().next_multiple_of(PAGE) as u64).sum();
        u64::from(self.next_page) * PAGE as u64 + bytes <= self.limit
    }

    /// Moves the contents that the tree still names down over those that it does not.
    fn close_gaps(&mut self, tree: &mut Tree, order: &[NodeId]) -> Result<(), WriteError> {
        let mut extents = BTreeMap::new();
        for &id in order {
            if let Body::File(extent) = tree.node(id).body
                && extent.size > 0
            {
                extents.insert(extent.first, (id, extent));
            }
        }
        let mut to = 1;
        for (from, (id, extent)) in extents {
            // The sum of live pages is at most `next_page`.
            let pages = extent.size.div_ceil(PAGE as u64) as u32;
            if to < from {
                self.move_pages(from, to, pages).map_err(WriteError::Write)?;
                tree.node_mut(id).body = Body::File(Extent { first: to, ..extent });
            }
            to += pages;
        }
        self.next_page = to;
        Ok(())
    }

    fn move_pages(&mut self, from: u32, to: u32, pages: u32) -> io::Result<()> {
        let per_chunk = (CHUNK / PAGE) as u32;
        // The file ends at the last page that is not zero; extend it so that all can be read.
        let end = u64::from(self.next_page) * PAGE as u64;
        if self.file.metadata()?.len() < end {
            self.file.set_len(end)?;
        }
        let mut done = 0;
        while done < pages {
            let count = (pages - done).min(per_chunk);
            let chunk = &mut self.buffer[..count as usize * PAGE];
            self.file.read_exact_at(chunk, u64::from(from + done) * PAGE as u64)?;
            self.file.write_all_at(chunk, u64::from(to + done) * PAGE as u64)?;
            done += count;
        }
        Ok(())
    }
}

/// The contents in an image being written.
#[derive(Debug)]
pub(crate) struct Contents {
    file: File,
}

impl Contents {
    pub(crate) fn reader(&self, extent: Extent) -> ExtentReader<'_> {
        ExtentReader {
            file: &self.file,
            at: u64::from(extent.first) * PAGE as u64,
            left: extent.size,
        }
    }
}

/// Reads one file's contents.
pub(crate) struct ExtentReader<'a> {
    file: &'a File,
    at: u64,
    left: u64,
}

impl Read for ExtentReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let want = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let mut got = self.file.read_at(&mut buffer[..want], self.at)?;
        if got == 0 && want > 0 {
            // Past the last page written: zeros that were never stored.
            buffer[..want].fill(0);
            got = want;
        }
        self.at += got as u64;
        self.left -= got as u64;
        Ok(got)
    }
}

/// Canonical inode numbers: directories breadth first, names in order.
struct Numbering {
    /// Node of each inode number, 1 first.
    order: Vec<NodeId>,
    /// Inode number of each node, or zero.
    number: Vec<u32>,
    /// Names of each node.
    names: Vec<u32>,
}

impl Numbering {
    fn of(tree: &Tree, limit: u64) -> Result<Numbering, WriteError> {
        if u32::try_from(tree.node_count()).is_err() {
            return Err(WriteError::Full(limit));
        }
        let mut order = vec![Tree::ROOT];
        let mut number = vec![0; tree.node_count()];
        let mut names = vec![0u32; tree.node_count()];
        number[Tree::ROOT.index()] = 1;
        let mut next = 0;
        while let Some(&directory) = order.get(next) {
            for (_, node) in tree.children(directory) {
                names[node.index()] = names[node.index()].saturating_add(1);
                if number[node.index()] == 0 {
                    order.push(node);
                    number[node.index()] = order.len() as u32;
                }
            }
            next += 1;
        }
        Ok(Numbering { order, number, names })
    }
}

/// The sections behind the contents.
struct Tables {
    inodes: Vec<u8>,
    inode_count: u32,
    dirents: Vec<u8>,
    dirent_count: u32,
    strings: Vec<u8>,
    string_bytes: u32,
    config: (u32, u32),
}

impl Tables {
    /// `None` if something does not fit the format's 32-bit fields.
    fn of(tree: &Tree, numbering: &Numbering, config: &ImageConfig) -> Option<Tables> {
        let mut inodes = Vec::with_capacity(numbering.order.len() * rom::INODE_BYTES);
        let mut dirents = Vec::new();
        let mut strings = Vec::new();
        let mut dirent_count = 0u32;
        let mut parents = vec![0; tree.node_count()];
        parents[Tree::ROOT.index()] = 1;
        for &id in &numbering.order {
            let node = tree.node(id);
            let attributes = node.attributes;
            let mut inode = RomInode {
                mode: node.body.kind() | (attributes.mode & 0o7777),
                uid: attributes.uid,
                gid: attributes.gid,
                nlink: numbering.names[id.index()],
                mtime_s: attributes.mtime_s,
                mtime_ns: attributes.mtime_ns,
                ..RomInode::default()
            };
            match &node.body {
                Body::Directory(children) => {
                    inode.nlink = 2;
                    inode.first = dirent_count;
                    inode.count = u32::try_from(children.len()).ok()?;
                    inode.parent = parents[id.index()];
                    for (name, link) in children {
                        let kind = tree.node(link.node).body.kind();
                        if kind == rom::S_IFDIR {
                            inode.nlink += 1;
                            parents[link.node.index()] = numbering.number[id.index()];
                        }
                        let entry = RomDirent {
                            name: u32::try_from(strings.len()).ok()?,
                            name_len: u16::try_from(name.len()).ok()?,
                            kind: (kind >> 12) as u8,
                            ino: rom::Ino(numbering.number[link.node.index()]),
                        };
                        dirents.extend(entry.encode());
                        strings.extend(&**name);
                    }
                    dirent_count = dirent_count.checked_add(inode.count)?;
                }
                Body::File(extent) => {
                    inode.size = extent.size;
                    inode.first = extent.first;
                    inode.content = if extent.size == 0 { HASH_SEED } else { extent.content };
                }
                Body::Symlink(target) => {
                    inode.size = target.len() as u64;
                    inode.first = u32::try_from(strings.len()).ok()?;
                    inode.count = u32::try_from(target.len()).ok()?;
                    strings.extend(&**target);
                }
                Body::Device(_, rdev) => inode.rdev = *rdev,
                Body::Fifo | Body::Socket => {}
            }
            inodes.extend(inode.encode());
        }
        let json = config.to_json();
        let config = (u32::try_from(strings.len()).ok()?, u32::try_from(json.len()).ok()?);
        strings.extend(json);
        Some(Tables {
            inode_count: u32::try_from(numbering.order.len()).ok()?,
            string_bytes: u32::try_from(strings.len()).ok()?,
            inodes,
            dirents,
            dirent_count,
            strings,
            config,
        })
    }
}

/// Reads until the buffer is full or the source ends.
fn read_full(source: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while got < buffer.len() {
        match source.read(&mut buffer[got..]) {
            Ok(0) => break,
            Ok(count) => got += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(got)
}
