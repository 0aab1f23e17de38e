//! Events of poll(2) and epoll(7), and the records that carry them (asm-generic `poll.h`,
//! `eventpoll.h`). The event bits of the two are the same numbers.

use crate::user::UserRecord;

/// There is data to read.
pub const EPOLLIN: u32 = 0x001;
/// There is some exceptional condition (packet mode of a pseudo-terminal, urgent data).
pub const EPOLLPRI: u32 = 0x002;
/// Writing is possible.
pub const EPOLLOUT: u32 = 0x004;
/// Error condition; always reported.
pub const EPOLLERR: u32 = 0x008;
/// Hang-up; always reported.
pub const EPOLLHUP: u32 = 0x010;
/// The descriptor is not open (poll only).
pub const POLLNVAL: u32 = 0x020;
/// As [`EPOLLIN`].
pub const EPOLLRDNORM: u32 = 0x040;
/// Priority data can be read.
pub const EPOLLRDBAND: u32 = 0x080;
/// As [`EPOLLOUT`].
pub const EPOLLWRNORM: u32 = 0x100;
/// Priority data may be written.
pub const EPOLLWRBAND: u32 = 0x200;
/// The peer closed its writing half.
pub const EPOLLRDHUP: u32 = 0x2000;
/// Wake one of several waiting epoll instances only.
pub const EPOLLEXCLUSIVE: u32 = 1 << 28;
/// Keep the system awake while the event is handled.
pub const EPOLLWAKEUP: u32 = 1 << 29;
/// Disable the entry after one report.
pub const EPOLLONESHOT: u32 = 1 << 30;
/// Report changes only.
pub const EPOLLET: u32 = 1 << 31;

/// `struct pollfd`.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct PollFd {
    /// Descriptor; negative ones are skipped.
    pub fd: i32,
    /// Requested events.
    pub events: u16,
    /// Returned events.
    pub revents: u16,
}

/// `struct epoll_event`, which is not packed on arm64.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct EpollEvent {
    /// Events.
    pub events: u32,
    /// Alignment of `data`.
    pub padding: u32,
    /// The program's own value.
    pub data: u64,
}

// SAFETY: integers without padding between them.
unsafe impl UserRecord for PollFd {}
// SAFETY: integers without padding between them.
unsafe impl UserRecord for EpollEvent {}
