//! The records of an image and their bytes.

/// First bytes of every image.
pub const MAGIC: [u8; 8] = *b"NCPUROOT";
/// Version of the format described here.
pub const VERSION: u32 = 1;
/// Bytes in a page; every section starts on a multiple of it.
pub const PAGE: usize = 4096;
/// Bytes of the header at the start of page 0.
pub const HEADER_BYTES: usize = 128;
/// Bytes of one inode record.
pub const INODE_BYTES: usize = 64;
/// Bytes of one directory entry.
pub const DIRENT_BYTES: usize = 12;
/// Longest name of a directory entry, as `NAME_MAX` in `man 0p limits.h`.
pub const NAME_MAX: usize = 255;
/// Longest target of a symbolic link: `PATH_MAX` less its terminator.
pub const TARGET_MAX: usize = 4095;

/// Mask of the file type in a mode (`man 7 inode`).
pub const S_IFMT: u32 = 0o170_000;
/// FIFO.
pub const S_IFIFO: u32 = 0o010_000;
/// Character device.
pub const S_IFCHR: u32 = 0o020_000;
/// Directory.
pub const S_IFDIR: u32 = 0o040_000;
/// Block device.
pub const S_IFBLK: u32 = 0o060_000;
/// Regular file.
pub const S_IFREG: u32 = 0o100_000;
/// Symbolic link.
pub const S_IFLNK: u32 = 0o120_000;
/// Socket.
pub const S_IFSOCK: u32 = 0o140_000;

/// An inode number. The root directory is 1; zero names nothing, as programs that read directories
/// expect (`man 3 readdir`).
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ino(pub u32);

impl Ino {
    /// The root directory.
    pub const ROOT: Ino = Ino(1);
}

/// One inode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RomInode {
    /// Type and permission bits as in `st_mode`.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Number of links: entries that name a file, or 2 + subdirectories for a directory.
    pub nlink: u32,
    /// Bytes of a regular file or of a symbolic link's target, else zero.
    pub size: u64,
    /// Modification time, whole seconds since the epoch.
    pub mtime_s: i64,
    /// Modification time, nanoseconds below 1e9.
    pub mtime_ns: u32,
    /// Device number of a device node in Linux's 32-bit encoding ([`makedev`]), else zero.
    pub rdev: u32,
    /// Regular file: page number in the image of its first byte (zero if empty). Directory: index of
    /// its first entry. Symbolic link: offset of its target in the string section. Else zero.
    pub first: u32,
    /// Directory: number of entries. Symbolic link: bytes of the target. Else zero.
    pub count: u32,
    /// Directory: its parent, which is itself for the root. Else zero.
    pub parent: u32,
    /// Regular file: [`hash`] of its contents padded with zeros to whole pages. Else zero. The
    /// metadata hash thereby stands for the contents too.
    pub content: u64,
}

impl RomInode {
    /// The type bits of the mode, one of the `S_IF*` constants.
    pub const fn kind(&self) -> u32 {
        self.mode & S_IFMT
    }

    /// Whether this is a directory.
    pub const fn is_dir(&self) -> bool {
        self.kind() == S_IFDIR
    }

    /// Whether this is a regular file.
    pub const fn is_file(&self) -> bool {
        self.kind() == S_IFREG
    }

    /// Whether this is a symbolic link.
    pub const fn is_symlink(&self) -> bool {
        self.kind() == S_IFLNK
    }

    /// The `DT_*` value of a directory entry for this inode, which is the type bits shifted down
    /// (`man 3 readdir`, `IFTODT` in `<dirent.h>`).
    pub const fn dirent_type(&self) -> u8 {
        (self.kind() >> 12) as u8
    }

    /// Pages of contents in the image.
    pub const fn pages(&self) -> u64 {
        if self.is_file() { self.size.div_ceil(PAGE as u64) } else { 0 }
    }

    /// The record as it lies in the image.
    pub fn encode(&self) -> [u8; INODE_BYTES] {
        let mut record = [0; INODE_BYTES];
        put32(&mut record, 0, self.mode);
        put32(&mut record, 4, self.uid);
        put32(&mut record, 8, self.gid);
        put32(&mut record, 12, self.nlink);
        put64(&mut record, 16, self.size);
        put64(&mut record, 24, self.mtime_s as u64);
        put32(&mut record, 32, self.mtime_ns);
        put32(&mut record, 36, self.rdev);
        put32(&mut record, 40, self.first);
        put32(&mut record, 44, self.count);
        put32(&mut record, 48, self.parent);
        put64(&mut record, 56, self.content);
        record
    }

    pub(super) fn decode(record: &[u8; INODE_BYTES]) -> RomInode {
        RomInode {
            mode: get32(record, 0),
            uid: get32(record, 4),
            gid: get32(record, 8),
            nlink: get32(record, 12),
            size: get64(record, 16),
            mtime_s: get64(record, 24) as i64,
            mtime_ns: get32(record, 32),
            rdev: get32(record, 36),
            first: get32(record, 40),
            count: get32(record, 44),
            parent: get32(record, 48),
            content: get64(record, 56),
        }
    }
}

/// One directory entry as it lies in the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RomDirent {
    /// Offset of the name in the string section.
    pub name: u32,
    /// Bytes of the name.
    pub name_len: u16,
    /// `DT_*` type of the inode.
    pub kind: u8,
    /// The inode named.
    pub ino: Ino,
}

impl RomDirent {
    /// The record as it lies in the image.
    pub fn encode(&self) -> [u8; DIRENT_BYTES] {
        let mut record = [0; DIRENT_BYTES];
        put32(&mut record, 0, self.name);
        let [low, high] = self.name_len.to_le_bytes();
        record[4] = low;
        record[5] = high;
        record[6] = self.kind;
        put32(&mut record, 8, self.ino.0);
        record
    }

    pub(super) fn decode(record: &[u8; DIRENT_BYTES]) -> RomDirent {
        RomDirent {
            name: get32(record, 0),
            name_len: u16::from_le_bytes([record[4], record[5]]),
            kind: record[6],
            ino: Ino(get32(record, 8)),
        }
    }
}

/// The header: where the sections lie. Page numbers count from the start of the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// First page of the inode table, and the end of the file contents, which start at page 1.
    pub inode_page: u32,
    /// Number of inodes.
    pub inode_count: u32,
    /// First page of the directory table.
    pub dirent_page: u32,
    /// Number of directory entries.
    pub dirent_count: u32,
    /// First page of the string section.
    pub string_page: u32,
    /// Bytes of the string section.
    pub string_bytes: u32,
    /// Pages of the whole file.
    pub total_pages: u32,
    /// Offset in the string section of the start-up defaults that came with the tree, which the
    /// machine does not read: for a container image, JSON with its environment and command.
    pub config: u32,
    /// Bytes of the start-up defaults.
    pub config_bytes: u32,
    /// [`metadata_hash`] of the image.
    pub hash: u64,
}

/// Offset of the hash in the header; the bytes before it are hashed, those after it are zero.
pub(super) const HASH_OFFSET: usize = 48;

impl Header {
    /// Lays out the sections behind `data_pages` pages of contents. `None` if the page numbers do
    /// not fit 32 bits. The start-up defaults and the hash are left zero.
    pub fn lay_out(
        data_pages: u32,
        inode_count: u32,
        dirent_count: u32,
        string_bytes: u32,
    ) -> Option<Header> {
        let inode_page = data_pages.checked_add(1)?;
        let dirent_page = inode_page.checked_add(pages_of(inode_count, INODE_BYTES))?;
        let string_page = dirent_page.checked_add(pages_of(dirent_count, DIRENT_BYTES))?;
        let total_pages = string_page.checked_add(pages_of(string_bytes, 1))?;
        Some(Header {
            inode_page,
            inode_count,
            dirent_page,
            dirent_count,
            string_page,
            string_bytes,
            total_pages,
            ..Header::default()
        })
    }

    /// The header as it lies in the image.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        put32(&mut bytes, 8, VERSION);
        put32(&mut bytes, 12, self.inode_page);
        put32(&mut bytes, 16, self.inode_count);
        put32(&mut bytes, 20, self.dirent_page);
        put32(&mut bytes, 24, self.dirent_count);
        put32(&mut bytes, 28, self.string_page);
        put32(&mut bytes, 32, self.string_bytes);
        put32(&mut bytes, 36, self.total_pages);
        put32(&mut bytes, 40, self.config);
        put32(&mut bytes, 44, self.config_bytes);
        put64(&mut bytes, HASH_OFFSET, self.hash);
        bytes
    }

    pub(super) fn decode(bytes: &[u8; HEADER_BYTES]) -> Header {
        Header {
            inode_page: get32(bytes, 12),
            inode_count: get32(bytes, 16),
            dirent_page: get32(bytes, 20),
            dirent_count: get32(bytes, 24),
            string_page: get32(bytes, 28),
            string_bytes: get32(bytes, 32),
            total_pages: get32(bytes, 36),
            config: get32(bytes, 40),
            config_bytes: get32(bytes, 44),
            hash: get64(bytes, HASH_OFFSET),
        }
    }

    pub(super) fn byte_of(page: u32) -> usize {
        page as usize * PAGE
    }

    pub(super) fn inode_offset(&self, index: u32) -> usize {
        Self::byte_of(self.inode_page) + index as usize * INODE_BYTES
    }

    pub(super) fn dirent_offset(&self, index: u32) -> usize {
        Self::byte_of(self.dirent_page) + index as usize * DIRENT_BYTES
    }

    pub(super) fn string_offset(&self, offset: u32) -> usize {
        Self::byte_of(self.string_page) + offset as usize
    }
}

/// Whether `name` can be a directory entry's name.
pub fn is_name(name: &[u8]) -> bool {
    !name.is_empty()
        && name.len() <= NAME_MAX
        && name != b"."
        && name != b".."
        && !name.iter().any(|&byte| byte == b'/' || byte == 0)
}

/// A device number in Linux's 32-bit encoding, as `st_rdev` carries it: `new_encode_dev` in the
/// kernel's `include/linux/kdev_t.h`. `major` is below 2^12 and `minor` below 2^20.
pub const fn makedev(major: u32, minor: u32) -> u32 {
    (minor & 0xff) | ((major & 0xfff) << 8) | ((minor & 0xfff00) << 12)
}

/// Start value of [`hash`]: the offset basis of 64-bit FNV-1a.
pub const HASH_SEED: u64 = 0xcbf2_9ce4_8422_2325;

/// Continues hash `state` over `bytes`, which are zero-padded to a multiple of 8. This is FNV-1a
/// over 64-bit words with a shift to bring high bits down: fast, and enough to notice damage.
pub fn hash(mut state: u64, bytes: &[u8]) -> u64 {
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let mut mix = |word: u64| {
        state = (state ^ word).wrapping_mul(PRIME);
        state ^= state >> 32;
    };
    let (words, rest) = bytes.as_chunks::<8>();
    for &word in words {
        mix(u64::from_le_bytes(word));
    }
    if !rest.is_empty() {
        let mut word = [0; 8];
        for (to, from) in word.iter_mut().zip(rest) {
            *to = *from;
        }
        mix(u64::from_le_bytes(word));
    }
    state
}

/// Hash of an image's header up to its hash field and of all pages behind the file contents.
pub fn metadata_hash(header: &[u8; HEADER_BYTES], tables: &[u8]) -> u64 {
    hash(hash(HASH_SEED, &header[..HASH_OFFSET]), tables)
}

const fn pages_of(count: u32, record: usize) -> u32 {
    // A record is at most 64 bytes, so 2^32 records fill at most 2^26 pages.
    (count as u64 * record as u64).div_ceil(PAGE as u64) as u32
}

pub(super) fn get32<const N: usize>(bytes: &[u8; N], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn get64<const N: usize>(bytes: &[u8; N], at: usize) -> u64 {
    u64::from(get32(bytes, at)) | u64::from(get32(bytes, at + 4)) << 32
}

fn put32<const N: usize>(bytes: &mut [u8; N], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

fn put64<const N: usize>(bytes: &mut [u8; N], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}
