//! The auxiliary vector (`getauxval(3)`; include/uapi/linux/auxvec.h, arm64's asm/auxvec.h).

/// End of the vector.
pub const AT_NULL: u64 = 0;
/// Program headers of the program.
pub const AT_PHDR: u64 = 3;
/// Size of a program header.
pub const AT_PHENT: u64 = 4;
/// Number of program headers.
pub const AT_PHNUM: u64 = 5;
/// Page size.
pub const AT_PAGESZ: u64 = 6;
/// Base address of the interpreter.
pub const AT_BASE: u64 = 7;
/// Flags.
pub const AT_FLAGS: u64 = 8;
/// Entry point of the program.
pub const AT_ENTRY: u64 = 9;
/// Real user.
pub const AT_UID: u64 = 11;
/// Effective user.
pub const AT_EUID: u64 = 12;
/// Real group.
pub const AT_GID: u64 = 13;
/// Effective group.
pub const AT_EGID: u64 = 14;
/// Name of the platform.
pub const AT_PLATFORM: u64 = 15;
/// Processor features.
pub const AT_HWCAP: u64 = 16;
/// Frequency of `times(2)`.
pub const AT_CLKTCK: u64 = 17;
/// Whether the program has more rights than its caller.
pub const AT_SECURE: u64 = 23;
/// Address of 16 random bytes.
pub const AT_RANDOM: u64 = 25;
/// More processor features.
pub const AT_HWCAP2: u64 = 26;
/// Name that the program was executed by.
pub const AT_EXECFN: u64 = 31;
/// Smallest alternate signal stack.
pub const AT_MINSIGSTKSZ: u64 = 51;
