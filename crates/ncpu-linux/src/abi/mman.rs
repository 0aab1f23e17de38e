//! Memory mapping (`mmap(2)`, asm-generic/mman-common.h and asm-generic/mman.h).

/// The mapping can be read.
pub const PROT_READ: u32 = 1;
/// The mapping can be written.
pub const PROT_WRITE: u32 = 2;
/// The mapping can be executed.
pub const PROT_EXEC: u32 = 4;
/// mprotect: from the start of a mapping that grows down.
pub const PROT_GROWSDOWN: u32 = 0x0100_0000;
/// mprotect: to the end of a mapping that grows up.
pub const PROT_GROWSUP: u32 = 0x0200_0000;

/// Stores reach the file and other processes.
pub const MAP_SHARED: u32 = 1;
/// Stores are the process's own.
pub const MAP_PRIVATE: u32 = 2;
/// As MAP_SHARED, but unknown flags are errors.
pub const MAP_SHARED_VALIDATE: u32 = 3;
/// Mask of the type of the mapping.
pub const MAP_TYPE: u32 = 0xf;
/// Exactly at the address, replacing what is there.
pub const MAP_FIXED: u32 = 0x10;
/// No file.
pub const MAP_ANONYMOUS: u32 = 0x20;
/// Grows down when the page below it is touched.
pub const MAP_GROWSDOWN: u32 = 0x100;
/// Ignored.
pub const MAP_DENYWRITE: u32 = 0x800;
/// Ignored.
pub const MAP_EXECUTABLE: u32 = 0x1000;
/// Locked in memory.
pub const MAP_LOCKED: u32 = 0x2000;
/// No commitment of memory.
pub const MAP_NORESERVE: u32 = 0x4000;
/// Pages are brought in at once.
pub const MAP_POPULATE: u32 = 0x8000;
/// With MAP_POPULATE: not if that would block.
pub const MAP_NONBLOCK: u32 = 0x1_0000;
/// A stack; no effect.
pub const MAP_STACK: u32 = 0x2_0000;
/// Huge pages.
pub const MAP_HUGETLB: u32 = 0x4_0000;
/// Synchronous faults of DAX files.
pub const MAP_SYNC: u32 = 0x8_0000;
/// Exactly at the address; EEXIST when something is there.
pub const MAP_FIXED_NOREPLACE: u32 = 0x10_0000;
/// Mask and shift of the logarithm of the huge page size.
pub const MAP_HUGE_SHIFT: u32 = 26;

/// mremap: the mapping may move.
pub const MREMAP_MAYMOVE: u32 = 1;
/// mremap: to exactly this address.
pub const MREMAP_FIXED: u32 = 2;
/// mremap: the old range stays mapped, but empty.
pub const MREMAP_DONTUNMAP: u32 = 4;

/// msync: schedule the writing.
pub const MS_ASYNC: u32 = 1;
/// msync: drop other cached copies.
pub const MS_INVALIDATE: u32 = 2;
/// msync: write now.
pub const MS_SYNC: u32 = 4;

/// mlockall: what is mapped now.
pub const MCL_CURRENT: u32 = 1;
/// mlockall: what will be mapped.
pub const MCL_FUTURE: u32 = 2;
/// mlockall: pages when they are touched.
pub const MCL_ONFAULT: u32 = 4;
/// mlock2: pages when they are touched.
pub const MLOCK_ONFAULT: u32 = 1;

/// Advice of `madvise(2)`.
pub mod advice {
    #![allow(missing_docs)]
    pub const NORMAL: i32 = 0;
    pub const RANDOM: i32 = 1;
    pub const SEQUENTIAL: i32 = 2;
    pub const WILLNEED: i32 = 3;
    pub const DONTNEED: i32 = 4;
    pub const FREE: i32 = 8;
    pub const REMOVE: i32 = 9;
    pub const DONTFORK: i32 = 10;
    pub const DOFORK: i32 = 11;
    pub const MERGEABLE: i32 = 12;
    pub const UNMERGEABLE: i32 = 13;
    pub const HUGEPAGE: i32 = 14;
    pub const NOHUGEPAGE: i32 = 15;
    pub const DONTDUMP: i32 = 16;
    pub const DODUMP: i32 = 17;
    pub const WIPEONFORK: i32 = 18;
    pub const KEEPONFORK: i32 = 19;
    pub const COLD: i32 = 20;
    pub const PAGEOUT: i32 = 21;
    pub const POPULATE_READ: i32 = 22;
    pub const POPULATE_WRITE: i32 = 23;
    pub const DONTNEED_LOCKED: i32 = 24;
}
