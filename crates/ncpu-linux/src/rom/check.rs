//! What must hold for an image to be used, all of it checked once.

use core::fmt;

use super::Rom;
use super::format::*;

/// What is wrong with an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// The file does not start with [`MAGIC`] and a whole header.
    NotAnImage,
    /// The format version is not [`VERSION`].
    Version,
    /// The sections overlap, leave gaps, or do not end at the end of the file.
    Sections,
    /// The file's length is not what the header says.
    Length,
    /// The metadata hash differs.
    Hash,
    /// There is no root directory at the start of the inode table.
    Root,
    /// The mode has unknown type or permission bits.
    Mode,
    /// A time's nanoseconds are not below 1e9.
    Time,
    /// The link count is impossible.
    Links,
    /// A field that this type of inode does not use is not zero.
    Unused,
    /// A file's pages are outside the contents.
    Extent,
    /// A symbolic link's target is empty, too long, outside the string section, or holds a NUL.
    Target,
    /// A directory's entries do not follow those of the directory before.
    Entries,
    /// A name is empty, too long, outside the string section, `.`, `..`, or holds `/` or NUL.
    Name,
    /// A directory's names are not strictly ascending.
    Order,
    /// An entry's inode number breaks the canonical numbering.
    Number,
    /// An entry's type is not its inode's.
    Kind,
    /// A directory's parent is not the directory that names it.
    Parent,
    /// Inodes or entries that nothing names.
    Unreachable,
    /// A file's contents do not have the hash in its inode.
    Contents,
}

impl Damage {
    /// The damage in words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Damage::NotAnImage => "not an nCPU root file system image",
            Damage::Version => "unknown format version",
            Damage::Sections => "sections out of place",
            Damage::Length => "length differs from the header's",
            Damage::Hash => "metadata hash differs",
            Damage::Root => "no root directory",
            Damage::Mode => "impossible mode",
            Damage::Time => "impossible time",
            Damage::Links => "impossible link count",
            Damage::Unused => "unused field not zero",
            Damage::Extent => "file pages out of range",
            Damage::Target => "bad symbolic link target",
            Damage::Entries => "directory entries out of place",
            Damage::Name => "bad file name",
            Damage::Order => "names out of order",
            Damage::Number => "inode numbers out of order",
            Damage::Kind => "entry type differs from the inode's",
            Damage::Parent => "wrong parent directory",
            Damage::Unreachable => "records that nothing names",
            Damage::Contents => "file contents differ from their hash",
        }
    }
}

/// Why an image was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RomError {
    /// What is wrong.
    pub damage: Damage,
    /// Offset in the image of the record that shows it.
    pub offset: u64,
}

impl RomError {
    pub(super) const fn new(damage: Damage, offset: usize) -> RomError {
        RomError { damage, offset: offset as u64 }
    }
}

impl fmt::Display for RomError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {})", self.damage.as_str(), self.offset)
    }
}

impl core::error::Error for RomError {}

impl<'a> Rom<'a> {
    /// Validates the whole metadata and gives the reader. Linear in the metadata; file contents are
    /// not read (see [`Rom::check_contents`]).
    ///
    /// # Errors
    /// The first damage found and where.
    pub fn check(bytes: &'a [u8]) -> Result<Rom<'a>, RomError> {
        let rom = Rom::open(bytes)?;
        let header = &rom.header;
        let tables = bytes.get(Header::byte_of(header.inode_page)..).unwrap_or(&[]);
        if metadata_hash(&header.encode(), tables) != header.hash {
            return Err(RomError::new(Damage::Hash, HASH_OFFSET));
        }
        match rom.inode(Ino::ROOT) {
            Some(root) if root.is_dir() && root.parent == Ino::ROOT.0 => {}
            _ => return Err(RomError::new(Damage::Root, header.inode_offset(0))),
        }
        let mut next_dirent = 0u32;
        let mut next_ino = Ino::ROOT.0 + 1;
        for index in 0..header.inode_count {
            let at = header.inode_offset(index);
            let Some(record) = rom.record(at) else {
                return Err(RomError::new(Damage::Sections, at));
            };
            let inode = RomInode::decode(record);
            if inode.encode() != *record {
                return Err(RomError::new(Damage::Unused, at));
            }
            rom.check_inode(&inode).map_err(|damage| RomError::new(damage, at))?;
            if !inode.is_dir() {
                continue;
            }
            // A directory must have been named by one before it, or its entries would be its own
            // ancestors.
            if index + 1 >= next_ino || inode.first != next_dirent {
                return Err(RomError::new(Damage::Entries, at));
            }
            next_ino = rom.check_directory(Ino(index + 1), &inode, next_ino)?;
            next_dirent += inode.count;
        }
        if next_dirent != header.dirent_count {
            return Err(RomError::new(Damage::Unreachable, header.dirent_offset(next_dirent)));
        }
        if u64::from(next_ino) != u64::from(header.inode_count) + 1 {
            return Err(RomError::new(Damage::Unreachable, header.inode_offset(next_ino - 1)));
        }
        Ok(rom)
    }

    /// Checks every file's contents against the hash in its inode, which reads the whole image.
    ///
    /// # Errors
    /// The offset of the first file that differs.
    pub fn check_contents(&self) -> Result<(), RomError> {
        for number in 1..=self.header.inode_count {
            let Some(inode) = self.inode(Ino(number)).filter(RomInode::is_file) else { continue };
            let start = Header::byte_of(inode.first);
            let end = (inode.pages() as usize).checked_mul(PAGE).and_then(|n| n.checked_add(start));
            let pages = end.and_then(|end| self.bytes.get(start..end));
            let tail = |pages: &[u8]| {
                pages.get(inode.size as usize..).is_some_and(|tail| tail.iter().all(|&b| b == 0))
            };
            if !pages.is_some_and(|pages| hash(HASH_SEED, pages) == inode.content && tail(pages)) {
                return Err(RomError::new(Damage::Contents, start));
            }
        }
        Ok(())
    }

    fn check_inode(&self, inode: &RomInode) -> Result<(), Damage> {
        let require = |holds: bool, damage| if holds { Ok(()) } else { Err(damage) };
        require(inode.mode & !(S_IFMT | 0o7777) == 0, Damage::Mode)?;
        require(inode.mtime_ns < 1_000_000_000, Damage::Time)?;
        require(inode.nlink > 0, Damage::Links)?;
        let kind = inode.kind();
        let is_device = matches!(kind, S_IFCHR | S_IFBLK);
        require(inode.rdev == 0 || is_device, Damage::Unused)?;
        require(inode.parent == 0 || kind == S_IFDIR, Damage::Unused)?;
        require(inode.content == 0 || kind == S_IFREG, Damage::Unused)?;
        match kind {
            S_IFREG => {
                require(inode.count == 0, Damage::Unused)?;
                let end = u64::from(inode.first).checked_add(inode.pages());
                let in_range = match (inode.size, inode.first) {
                    (0, first) => first == 0,
                    (_, 0) => false,
                    _ => end.is_some_and(|end| end <= u64::from(self.header.inode_page)),
                };
                require(in_range, Damage::Extent)
            }
            S_IFDIR => {
                require(inode.size == 0, Damage::Unused)?;
                let end = inode.first.checked_add(inode.count);
                require(end.is_some_and(|end| end <= self.header.dirent_count), Damage::Entries)
            }
            S_IFLNK => {
                let len = inode.count as usize;
                require(
                    inode.size == u64::from(inode.count) && (1..=TARGET_MAX).contains(&len),
                    Damage::Target,
                )?;
                let target = self.string(inode.first, inode.count).ok_or(Damage::Target)?;
                require(!target.contains(&0), Damage::Target)
            }
            S_IFIFO | S_IFCHR | S_IFBLK | S_IFSOCK => {
                require(inode.size == 0 && inode.first == 0 && inode.count == 0, Damage::Unused)
            }
            _ => Err(Damage::Mode),
        }
    }

    /// Checks the entries of one directory and returns the inode number that the next new entry must
    /// have.
    fn check_directory(
        &self,
        dir: Ino,
        inode: &RomInode,
        mut next_ino: u32,
    ) -> Result<u32, RomError> {
        let mut previous: &[u8] = &[];
        let mut subdirectories = 0u32;
        for index in inode.first..inode.first + inode.count {
            let at = self.header.dirent_offset(index);
            let fail = |damage| RomError::new(damage, at);
            let record = self.record(at).ok_or(fail(Damage::Entries))?;
            let entry = RomDirent::decode(record);
            if entry.encode() != *record {
                return Err(fail(Damage::Unused));
            }
            let name = self.name(&entry).filter(|name| is_name(name)).ok_or(fail(Damage::Name))?;
            if name <= previous {
                return Err(fail(Damage::Order));
            }
            previous = name;
            let child = self.inode(entry.ino).ok_or(fail(Damage::Number))?;
            if entry.kind != child.dirent_type() {
                return Err(fail(Damage::Kind));
            }
            if entry.ino.0 == next_ino {
                next_ino += 1;
            } else if entry.ino.0 > next_ino || child.is_dir() {
                return Err(fail(Damage::Number));
            }
            if child.is_dir() {
                if child.parent != dir.0 {
                    return Err(fail(Damage::Parent));
                }
                subdirectories += 1;
            }
        }
        if u64::from(inode.nlink) != u64::from(subdirectories) + 2 {
            return Err(RomError::new(Damage::Links, self.header.inode_offset(dir.0 - 1)));
        }
        Ok(next_ino)
    }
}
