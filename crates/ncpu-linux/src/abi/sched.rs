//! Flags of `clone(2)` and `clone3(2)`, scheduling policies.

/// Share memory.
pub const CLONE_VM: u64 = 0x100;
/// Share working directory, root and umask.
pub const CLONE_FS: u64 = 0x200;
/// Share descriptors.
pub const CLONE_FILES: u64 = 0x400;
/// Share signal actions.
pub const CLONE_SIGHAND: u64 = 0x800;
/// Give the parent a descriptor of the child.
pub const CLONE_PIDFD: u64 = 0x1000;
/// The parent waits until the child executes a program or ends.
pub const CLONE_VFORK: u64 = 0x4000;
/// The child's parent is the caller's parent.
pub const CLONE_PARENT: u64 = 0x8000;
/// A new thread of the same process.
pub const CLONE_THREAD: u64 = 0x1_0000;
/// A new mount namespace.
pub const CLONE_NEWNS: u64 = 0x2_0000;
/// Set the child's thread pointer.
pub const CLONE_SETTLS: u64 = 0x8_0000;
/// Store the child's number in the parent's memory.
pub const CLONE_PARENT_SETTID: u64 = 0x10_0000;
/// Clear the child's number when it ends, and wake a futex.
pub const CLONE_CHILD_CLEARTID: u64 = 0x20_0000;
/// Ignored for long; refused together with CLONE_PIDFD.
pub const CLONE_DETACHED: u64 = 0x40_0000;
/// Store the child's number in its own memory.
pub const CLONE_CHILD_SETTID: u64 = 0x100_0000;
/// clone3: reset the child's handlers.
pub const CLONE_CLEAR_SIGHAND: u64 = 1 << 32;
/// clone3: place the child in a control group.
pub const CLONE_INTO_CGROUP: u64 = 1 << 33;
/// clone3: a new time namespace.
pub const CLONE_NEWTIME: u64 = 0x80;
/// New cgroup, UTS, IPC, user, PID and network namespaces.
pub const CLONE_NEW: u64 = 0x7e00_0000;
/// The exit signal in the flags of clone.
pub const CSIGNAL: u64 = 0xff;

/// Time sharing.
pub const SCHED_OTHER: u32 = 0;
/// Real time, first in first out.
pub const SCHED_FIFO: u32 = 1;
/// Real time, round robin.
pub const SCHED_RR: u32 = 2;
/// Batch jobs.
pub const SCHED_BATCH: u32 = 3;
/// Very low priority jobs.
pub const SCHED_IDLE: u32 = 5;
/// Deadline scheduling.
pub const SCHED_DEADLINE: u32 = 6;
/// Children start with SCHED_OTHER.
pub const SCHED_RESET_ON_FORK: u32 = 0x4000_0000;
