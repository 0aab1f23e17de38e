//! How a system call ends, and what a task can sleep on.

use crate::Errno;

/// What a sleeping task waits for. Waking a channel makes every task that sleeps on it run its
/// system call again from the start; the call looks at the state anew and may sleep again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Nothing but time or a signal.
    Time,
    /// Any event at all: what poll and its relatives sleep on. Every wake-up reaches it.
    Any,
    /// A pipe (index), its readers and writers.
    Pipe(u32),
    /// A socket (index).
    Socket(u32),
    /// A terminal (index).
    Tty(u32),
    /// An event, timer or signal descriptor (open-file index).
    File(u32),
    /// A change of state of a child of the process (index).
    Child(u32),
    /// The end of a vfork child's use of the parent's memory (process index of the child).
    Vfork(u32),
    /// A futex: physical page and offset in it, or private address space and address.
    Futex(u64),
    /// A file lock on the node.
    Lock(u32),
    /// Room in the console output ring, or input in the ring.
    Console,
    /// The host's answer to this task's request.
    Host,
    /// The arrival of any signal, blocked or not, for the process (index) or a thread of it.
    Signal(u32),
    /// A System V object (index).
    SystemV(u32),
}

impl Channel {
    /// One number for each channel, as kept in a task.
    pub const fn key(self) -> u64 {
        let (kind, value) = match self {
            Channel::Time => (1, 0),
            Channel::Any => (2, 0),
            Channel::Pipe(n) => (3, n as u64),
            Channel::Socket(n) => (4, n as u64),
            Channel::Tty(n) => (5, n as u64),
            Channel::File(n) => (6, n as u64),
            Channel::Child(n) => (7, n as u64),
            Channel::Vfork(n) => (8, n as u64),
            Channel::Futex(n) => (9, n),
            Channel::Lock(n) => (10, n as u64),
            Channel::Console => (11, 0),
            Channel::Host => (12, 0),
            Channel::Signal(n) => (13, n as u64),
            Channel::SystemV(n) => (14, n as u64),
        };
        (kind << 58) | value
    }
}

/// A system call that did not end with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// It failed.
    Error(Errno),
    /// It sleeps on the channel until woken or, if given, until the deadline (virtual nanoseconds
    /// since boot), and is then called again.
    Sleep(Channel, Option<u64>),
    /// As `Sleep`, but after a signal handler the call fails with EINTR even with SA_RESTART (poll,
    /// nanosleep, sigsuspend, ...; `signal(7)`).
    SleepOnce(Channel, Option<u64>),
    /// It was interrupted by a signal; it is restarted if the handler has SA_RESTART, else EINTR.
    Interrupted,
    /// It was interrupted and must not be restarted after a handler, only after a stop.
    InterruptedNoRestart,
    /// The task's registers have been replaced (execve, rt_sigreturn) or the task is gone: no result
    /// is written.
    NoReturn,
}

impl From<Errno> for Block {
    fn from(errno: Errno) -> Self {
        if errno == Errno::HOST_WAIT {
            return Block::Sleep(Channel::Host, None);
        }
        Block::Error(errno)
    }
}

/// Result of a system call.
pub type SysResult = Result<u64, Block>;
