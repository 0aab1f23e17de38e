//! Options of `wait4(2)` and `waitid(2)`.

/// Do not wait.
pub const WNOHANG: u32 = 1;
/// Report stopped children (also WSTOPPED).
pub const WUNTRACED: u32 = 2;
/// Report ended children (waitid).
pub const WEXITED: u32 = 4;
/// Report continued children.
pub const WCONTINUED: u32 = 8;
/// Leave the child waitable.
pub const WNOWAIT: u32 = 0x0100_0000;
/// Only children of the calling thread.
pub const WNOTHREAD: u32 = 0x2000_0000;
/// All children, whatever their exit signal.
pub const WALL: u32 = 0x4000_0000;
/// Only children with an exit signal other than SIGCHLD.
pub const WCLONE: u32 = 0x8000_0000;

/// waitid: any child.
pub const P_ALL: i32 = 0;
/// waitid: a process.
pub const P_PID: i32 = 1;
/// waitid: members of a process group.
pub const P_PGID: i32 = 2;
/// waitid: the process of a descriptor.
pub const P_PIDFD: i32 = 3;
