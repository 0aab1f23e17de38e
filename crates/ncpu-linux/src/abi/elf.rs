//! ELF64 for AArch64 (System V ABI, "Object Files"; ELF for the Arm 64-bit Architecture, AAELF64).

/// `e_ident` starts with this.
pub const MAGIC: [u8; 4] = [0x7f, b'E', b'L', b'F'];
/// Executable at fixed addresses.
pub const ET_EXEC: u16 = 2;
/// Shared object or position-independent executable.
pub const ET_DYN: u16 = 3;
/// AArch64.
pub const EM_AARCH64: u16 = 183;
/// Segment to load.
pub const PT_LOAD: u32 = 1;
/// Path of the interpreter.
pub const PT_INTERP: u32 = 3;
/// The program headers themselves.
pub const PT_PHDR: u32 = 6;
/// Stack permissions.
pub const PT_GNU_STACK: u32 = 0x6474_e551;
/// Executable segment.
pub const PF_X: u32 = 1;
/// Writable segment.
pub const PF_W: u32 = 2;
/// Readable segment.
pub const PF_R: u32 = 4;
/// Bytes of a file header.
pub const HEADER_BYTES: usize = 64;
/// Bytes of a program header.
pub const PROGRAM_HEADER_BYTES: usize = 56;

/// The fields of a file header that loading uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Kind of file, ET_*.
    pub kind: u16,
    /// Entry point.
    pub entry: u64,
    /// Offset of the program headers.
    pub program_headers: u64,
    /// Number of program headers.
    pub count: u16,
}

impl Header {
    /// Decodes the header of a file that an AArch64 kernel can execute; `None` for any other.
    pub fn decode(bytes: &[u8; HEADER_BYTES]) -> Option<Header> {
        let kind = half(bytes, 16);
        if bytes[..4] != MAGIC
            || !matches!(kind, ET_EXEC | ET_DYN)
            || half(bytes, 18) != EM_AARCH64
            || half(bytes, 54) as usize != PROGRAM_HEADER_BYTES
        {
            return None;
        }
        Some(Header {
            kind,
            entry: xword(bytes, 24),
            program_headers: xword(bytes, 32),
            count: half(bytes, 56),
        })
    }
}

/// A program header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProgramHeader {
    /// PT_*.
    pub kind: u32,
    /// PF_*.
    pub flags: u32,
    /// Offset in the file.
    pub offset: u64,
    /// Virtual address.
    pub address: u64,
    /// Bytes in the file.
    pub file_size: u64,
    /// Bytes in memory.
    pub memory_size: u64,
    /// Alignment.
    pub alignment: u64,
}

impl ProgramHeader {
    /// Decodes a program header.
    pub fn decode(bytes: &[u8; PROGRAM_HEADER_BYTES]) -> ProgramHeader {
        ProgramHeader {
            kind: word(bytes, 0),
            flags: word(bytes, 4),
            offset: xword(bytes, 8),
            address: xword(bytes, 16),
            file_size: xword(bytes, 32),
            memory_size: xword(bytes, 40),
            alignment: xword(bytes, 48),
        }
    }
}

fn half<const N: usize>(bytes: &[u8; N], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn word<const N: usize>(bytes: &[u8; N], at: usize) -> u32 {
    u32::from(half(bytes, at)) | u32::from(half(bytes, at + 2)) << 16
}

fn xword<const N: usize>(bytes: &[u8; N], at: usize) -> u64 {
    u64::from(word(bytes, at)) | u64::from(word(bytes, at + 4)) << 32
}
