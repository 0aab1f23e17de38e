//! Flags of open(2), commands of fcntl(2) and their relatives (arm64 has its own O_DIRECTORY,
//! O_NOFOLLOW, O_DIRECT and O_LARGEFILE: arch/arm64/include/uapi/asm/fcntl.h).

macro_rules! numbers {
    ($($name:ident $value:literal;)*) => {
        $(#[doc = concat!("`", stringify!($name), "`.")] pub const $name: u32 = $value;)*
    };
}

numbers! {
    O_ACCMODE 3;
    O_RDONLY 0;
    O_WRONLY 1;
    O_RDWR 2;
    O_CREAT 0o100;
    O_EXCL 0o200;
    O_NOCTTY 0o400;
    O_TRUNC 0o1000;
    O_APPEND 0o2000;
    O_NONBLOCK 0o4000;
    O_DSYNC 0o10000;
    O_ASYNC 0o20000;
    O_DIRECTORY 0o40000;
    O_NOFOLLOW 0o100000;
    O_DIRECT 0o200000;
    O_LARGEFILE 0o400000;
    O_NOATIME 0o1000000;
    O_CLOEXEC 0o2000000;
    O_SYNC 0o4010000;
    O_PATH 0o10000000;
    O_TMPFILE 0o20040000;

    F_DUPFD 0;
    F_GETFD 1;
    F_SETFD 2;
    F_GETFL 3;
    F_SETFL 4;
    F_GETLK 5;
    F_SETLK 6;
    F_SETLKW 7;
    F_SETOWN 8;
    F_GETOWN 9;
    F_SETSIG 10;
    F_GETSIG 11;
    F_SETOWN_EX 15;
    F_GETOWN_EX 16;
    F_OFD_GETLK 36;
    F_OFD_SETLK 37;
    F_OFD_SETLKW 38;
    F_SETLEASE 1024;
    F_GETLEASE 1025;
    F_NOTIFY 1026;
    F_DUPFD_CLOEXEC 1030;
    F_SETPIPE_SZ 1031;
    F_GETPIPE_SZ 1032;
    F_ADD_SEALS 1033;
    F_GET_SEALS 1034;

    F_SEAL_SEAL 1;
    F_SEAL_SHRINK 2;
    F_SEAL_GROW 4;
    F_SEAL_WRITE 8;
    F_SEAL_FUTURE_WRITE 16;

    AT_SYMLINK_NOFOLLOW 0x100;
    AT_EACCESS 0x200;
    AT_SYMLINK_FOLLOW 0x400;
    AT_NO_AUTOMOUNT 0x800;
    AT_EMPTY_PATH 0x1000;
    AT_STATX_SYNC_TYPE 0x6000;
}
