//! Records of stat(2), statx(2) and statfs(2) on arm64 (asm-generic/stat.h, linux/stat.h,
//! asm-generic/statfs.h).

/// Bytes of `struct stat`.
pub const STAT_BYTES: usize = 128;
/// Bytes of `struct statx`.
pub const STATX_BYTES: usize = 256;
/// Bytes of `struct statfs`.
pub const STATFS_BYTES: usize = 120;

/// STATX_BASIC_STATS: what a statx of an ordinary file system fills in.
pub const STATX_BASIC_STATS: u32 = 0x7ff;
/// STATX_BTIME.
pub const STATX_BTIME: u32 = 0x800;
/// STATX_MNT_ID.
pub const STATX_MNT_ID: u32 = 0x1000;
/// STATX__RESERVED.
pub const STATX_RESERVED: u32 = 0x8000_0000;
/// STATX_ATTR_MOUNT_ROOT.
pub const STATX_ATTR_MOUNT_ROOT: u64 = 0x2000;

/// Writes little-endian fields at growing offsets.
pub struct Fields<'b> {
    bytes: &'b mut [u8],
    at: usize,
}

impl<'b> Fields<'b> {
    /// A writer from the start of `bytes`.
    pub fn new(bytes: &'b mut [u8]) -> Self {
        Fields { bytes, at: 0 }
    }

    fn put(&mut self, field: &[u8]) -> &mut Self {
        if let Some(room) = self.bytes.get_mut(self.at..self.at + field.len()) {
            room.copy_from_slice(field);
        }
        self.at += field.len();
        self
    }

    /// A 16-bit field.
    pub fn half(&mut self, value: u16) -> &mut Self {
        self.put(&value.to_le_bytes())
    }

    /// A 32-bit field.
    pub fn word(&mut self, value: u32) -> &mut Self {
        self.put(&value.to_le_bytes())
    }

    /// A 64-bit field.
    pub fn long(&mut self, value: u64) -> &mut Self {
        self.put(&value.to_le_bytes())
    }
}
