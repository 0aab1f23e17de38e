//! Sockets inside the machine: AF_UNIX, and AF_INET and AF_INET6 over the loopback interface.
//!
//! A socket is a record with a receive queue ([`queue`]); sending puts bytes or packets into the
//! queue of the receiver. Two connected sockets name each other as peers. A listening socket has a
//! list of sockets that are connected but not yet accepted. Nothing travels outside the machine: a
//! packet to an address that is not the machine's own fails with ENETUNREACH, as on a host whose
//! only interface is `lo`.
//!
//! | module | what |
//! |---|---|
//! | [`address`] | names and end points |
//! | [`queue`] | packets and byte streams in pages |
//! | [`transfer`] | scattered message data |
//! | [`unix`], [`inet`], [`netlink`] | what differs between the families |
//! | [`connection`] | peers, waiting connections, and their ends |
//! | [`calls`] | making, naming and connecting sockets |
//! | [`send`], [`receive`] | moving data |
//! | [`message`] | the system calls of messages, and control data |
//! | [`options`], [`interface`] | socket options; ioctl |
//!
//! Whoever reads a queue or waits for room in it sleeps on the channel of the socket that the queue
//! belongs to, and so do those who wait to accept from a listening socket or to be let in by it.
//!
//! Not here: TIME_WAIT (a port is free once its sockets are closed), routing, raw packets, and urgent
//! data.

mod address;
pub mod calls;
mod connection;
mod inet;
mod interface;
pub mod message;
mod netlink;
pub mod options;
mod queue;
mod receive;
mod send;
mod transfer;
mod unix;

pub use address::{Endpoint, UnixName};
pub use connection::close;
pub use interface::ioctl;
pub use queue::Credentials;

use crate::abi::fcntl::O_NONBLOCK;
use crate::abi::poll::{
    EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLRDNORM, EPOLLWRNORM,
};
use crate::abi::socket::{
    AF_INET, AF_INET6, RCV_SHUTDOWN, SEND_SHUTDOWN, SHUTDOWN_MASK, SOCK_DGRAM, SOCK_SEQPACKET,
    SOCK_STREAM,
};
use crate::file::kind;
use crate::image::{Kernel, Record};
use crate::user::{Dest, Source};
use crate::vfs;
use crate::{Block, Channel, Errno, SysResult};
use connection::{
    bury, close_buried, drop_peer, hang_up, is_full, join, peer_of, reset, set_peer,
    stop_listening, take_embryo,
};
use transfer::{Incoming, Outgoing, Vector};

/// States of a socket.
pub mod state {
    /// The record is free.
    pub const FREE: u32 = 0;
    /// Not connected.
    pub const OPEN: u32 = 1;
    /// It accepts connections.
    pub const LISTENING: u32 = 2;
    /// It waits for room in the list of a listening socket (TCP).
    pub const CONNECTING: u32 = 3;
    /// It has a peer.
    pub const CONNECTED: u32 = 4;
    /// Its connection was reset or is over in both directions (TCP).
    pub const CLOSED: u32 = 5;
}

/// Bits of [`Socket::marks`].
pub mod mark {
    /// The open file is gone.
    pub const DEAD: u32 = 1;
    /// connect(2) said EINPROGRESS; the next one tells the outcome.
    pub const IN_PROGRESS: u32 = 2;
    /// The program chose the local address.
    pub const ADDRESS_BOUND: u32 = 4;
    /// The program chose the local port.
    pub const PORT_BOUND: u32 = 8;
    /// It waits to be accepted.
    pub const EMBRYO: u32 = 16;
    /// It was made for a listening socket.
    pub const ACCEPTED: u32 = 32;
}

/// A socket.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Socket {
    /// One of [`state`].
    pub state: u32,
    /// AF_*.
    pub family: u32,
    /// SOCK_*.
    pub kind: u32,
    /// IPPROTO_*, or the protocol of netlink.
    pub protocol: u32,
    /// The open file or the list of the listening socket (1), and each socket that it is the peer of.
    pub references: u32,
    /// Bits of [`mark`].
    pub marks: u32,
    /// The peer (index + 1), 0 for none.
    pub peer: u32,
    /// RCV_SHUTDOWN, SEND_SHUTDOWN.
    pub shutdown: u32,
    /// Error number to report at the next occasion (SO_ERROR).
    pub error: u32,
    /// First packet of the receive queue, a page number.
    pub first: u32,
    /// Last packet.
    pub last: u32,
    /// Packets in the queue.
    pub packets: u32,
    /// Bytes of data in the queue.
    pub bytes: u32,
    /// What the queue counts for in its limit.
    pub charge: u32,
    /// Connections that may wait to be accepted, less one.
    pub backlog: u32,
    /// Counts what may have made it ready: data or connections that came, room that was made, changes
    /// of state.
    pub activity: u32,
    /// Connections that wait.
    pub waiting: u32,
    /// The first of them (index + 1), the last, and the next one after this socket in such a list.
    pub list: [u32; 3],
    /// Node of a socket bound to a path.
    pub node: u32,
    /// User that made it.
    pub uid: u32,
    /// Order of arrival at a listening socket without room.
    pub order: u64,
    /// Local end point (IP); process number in `port` for netlink.
    pub local: Endpoint,
    /// Remote end point.
    pub remote: Endpoint,
    /// Name (AF_UNIX).
    pub name: UnixName,
    /// Who connected it or made it listen.
    pub owner: Credentials,
    /// The same of the peer.
    pub peer_owner: Credentials,
    /// Time limits for receiving and sending in nanoseconds, 0 for none.
    pub timeouts: [u64; 2],
    /// Options, see [`options`].
    pub options: [u32; options::COUNT],
}

// SAFETY: integers only.
unsafe impl Record for Socket {}

/// Images are hashed as bytes: there must be none between the fields.
const _: () = assert!(
    size_of::<Socket>()
        == 22 * 4
            + 8
            + 2 * size_of::<Endpoint>()
            + size_of::<UnixName>()
            + 2 * size_of::<Credentials>()
            + 16
            + 4 * options::COUNT
);

impl Socket {
    const FREE: Socket = Socket {
        state: state::FREE,
        family: 0,
        kind: 0,
        protocol: 0,
        references: 0,
        marks: 0,
        peer: 0,
        shutdown: 0,
        error: 0,
        first: 0,
        last: 0,
        packets: 0,
        bytes: 0,
        charge: 0,
        backlog: 0,
        waiting: 0,
        activity: 0,
        list: [0; 3],
        node: 0,
        uid: 0,
        order: 0,
        local: Endpoint::ANY6,
        remote: Endpoint::ANY6,
        name: UnixName::NONE,
        owner: Credentials { pid: 0, uid: 0, gid: 0 },
        peer_owner: Credentials { pid: 0, uid: 0, gid: 0 },
        timeouts: [0; 2],
        options: [0; options::COUNT],
    };

    /// Whether the open file is gone.
    fn is_dead(&self) -> bool {
        self.marks & mark::DEAD != 0
    }

    fn is_inet(&self) -> bool {
        matches!(self.family, AF_INET | AF_INET6)
    }

    fn is_tcp(&self) -> bool {
        self.is_inet() && self.kind == SOCK_STREAM
    }

    /// Whether it is of a type that connects.
    fn is_connecting_type(&self) -> bool {
        matches!(self.kind, SOCK_STREAM | SOCK_SEQPACKET)
    }

    fn option(&self, index: usize) -> u32 {
        self.options[index]
    }

    /// Takes the pending error.
    fn take_error(&mut self) -> Option<Errno> {
        let error = core::mem::take(&mut self.error);
        (error != 0).then_some(Errno(error as u16))
    }
}

/// The socket of an open file, EBADF-proof: an index that is always in the table.
fn of_file(k: &Kernel<'_>, file: usize) -> usize {
    (k.files[file].object as usize).min(k.sockets.len().saturating_sub(1))
}

/// The open file and socket of a descriptor; EBADF, ENOTSOCK.
fn get(k: &Kernel<'_>, fd: i32) -> Result<(usize, usize), Errno> {
    let file = crate::file::get(k, fd)?;
    match k.files[file].kind {
        kind::SOCKET => Ok((file, of_file(k, file))),
        kind::PATH => Err(Errno::EBADF),
        _ => Err(Errno::ENOTSOCK),
    }
}

/// A socket without an open file yet, with one reference; ENFILE when there are too many.
fn create(k: &mut Kernel<'_>, family: u32, kind: u32, protocol: u32) -> Result<usize, Errno> {
    let socket = k.sockets.iter().position(|s| s.state == state::FREE).ok_or(Errno::ENFILE)?;
    let (uid, _) = vfs::access::file_owner(k);
    let local = if family == AF_INET { Endpoint::ANY4 } else { Endpoint::ANY6 };
    let mut s = Socket {
        state: state::OPEN,
        family,
        kind,
        protocol,
        references: 1,
        local,
        remote: local,
        uid,
        owner: Credentials::NOBODY,
        peer_owner: Credentials::NOBODY,
        ..Socket::FREE
    };
    options::set_defaults(&mut s);
    k.sockets[socket] = s;
    Ok(socket)
}

/// Wakes those who wait for a queue to be read or filled.
fn wake(k: &mut Kernel<'_>, socket: usize) {
    k.wake(Channel::Socket(socket as u32));
}

/// Something has happened to a socket that makes it worth another look.
fn notify(k: &mut Kernel<'_>, socket: usize) {
    let s = &mut k.sockets[socket];
    s.activity = s.activity.wrapping_add(1);
    wake(k, socket);
}

/// A number that changes whenever something happens to a socket that can make it ready again.
pub fn activity(k: &Kernel<'_>, file: usize) -> u64 {
    k.sockets[of_file(k, file)].activity.into()
}

/// Reads from the open file.
pub fn read(k: &mut Kernel<'_>, file: usize, dest: &mut Dest<'_>) -> SysResult {
    if dest.room() == 0 {
        return Ok(0);
    }
    receive::read(k, file, &mut Incoming::Plain(dest))
}

/// Writes to the open file.
pub fn write(k: &mut Kernel<'_>, file: usize, source: &mut Source<'_>) -> SysResult {
    send::write(k, file, &mut Outgoing::Plain(source))
}

/// readv(2): one message goes to all the pieces.
pub fn readv(k: &mut Kernel<'_>, file: usize, iov: u64, count: u64) -> SysResult {
    let vector = Vector::new(k, iov, count).map_err(piece_error)?;
    let mut into = Incoming::Vector(vector);
    if into.room() == 0 {
        return Ok(0);
    }
    receive::read(k, file, &mut into)
}

/// writev(2): all the pieces are one message.
pub fn writev(k: &mut Kernel<'_>, file: usize, iov: u64, count: u64) -> SysResult {
    let vector = Vector::new(k, iov, count).map_err(piece_error)?;
    let mut from = Outgoing::Vector(vector);
    let before = k.task().call_progress;
    from.skip(k, before)?;
    send::write(k, file, &mut from).map(|count| before + count)
}

/// readv and writev fail with EINVAL where messages fail with EMSGSIZE.
fn piece_error(errno: Errno) -> Errno {
    if errno == Errno::EMSGSIZE { Errno::EINVAL } else { errno }
}

/// Whether the call may not sleep.
fn is_nonblocking(k: &Kernel<'_>, file: usize) -> bool {
    k.files[file].flags & O_NONBLOCK != 0
}

/// Sleeps on `channel` for as long as the time limit `timeout` of the socket allows, 0 for any time:
/// EAGAIN after that. A call with a limit is not restarted after a signal handler (signal(7)).
fn wait(k: &mut Kernel<'_>, channel: usize, timeout: u64) -> Block {
    let channel = Channel::Socket(channel as u32);
    if timeout == 0 {
        return Block::Sleep(channel, None);
    }
    let deadline = k.call_deadline(timeout);
    if k.now() >= deadline {
        return Errno::EAGAIN.into();
    }
    Block::SleepOnce(channel, Some(deadline))
}

/// Ready events (`EPOLLIN`, ...).
pub fn poll(k: &mut Kernel<'_>, file: usize) -> u32 {
    let socket = of_file(k, file);
    let s = k.sockets[socket];
    let mut events = 0;
    if s.error != 0 {
        events |= EPOLLERR;
    }
    if s.state == state::LISTENING {
        return if s.waiting != 0 { events | EPOLLIN | EPOLLRDNORM } else { events };
    }
    if s.shutdown == SHUTDOWN_MASK {
        events |= EPOLLHUP;
    }
    if s.shutdown & RCV_SHUTDOWN != 0 {
        events |= EPOLLIN | EPOLLRDNORM | EPOLLRDHUP;
    }
    if s.is_connecting_type() && matches!(s.state, state::OPEN | state::CLOSED) {
        events |= EPOLLHUP;
    }
    if s.state == state::CONNECTING {
        return events;
    }
    let enough = if s.is_tcp() { s.option(options::RCVLOWAT).max(1) } else { 1 };
    let readable = if s.kind == SOCK_STREAM { s.bytes >= enough } else { s.packets != 0 };
    if readable {
        events |= EPOLLIN | EPOLLRDNORM;
    }
    // A TCP socket that cannot send any more does not wait to say so.
    let over = s.is_tcp() && s.shutdown & SEND_SHUTDOWN != 0;
    if over || send::has_room(k, socket) {
        events |= EPOLLOUT | EPOLLWRNORM;
    }
    events
}

/// What /proc/net shows of a socket.
#[derive(Clone, Copy, Debug)]
pub struct Listed {
    /// Index in the table.
    pub socket: usize,
    /// The record.
    pub record: Socket,
    /// Its state as the number that /proc/net/tcp and the like show.
    pub tcp_state: u32,
}

/// The first socket at or after index `from` of the family and type, for /proc/net/{unix,tcp,udp}.
/// `kind` 0 stands for any type.
pub fn next(k: &Kernel<'_>, from: usize, family: u32, kind: u32) -> Option<Listed> {
    // include/net/tcp_states.h
    const ESTABLISHED: u32 = 1;
    const SYN_SENT: u32 = 2;
    const CLOSE: u32 = 7;
    const CLOSE_WAIT: u32 = 8;
    const LISTEN: u32 = 10;
    let socket = (from..k.sockets.len()).find(|&socket| {
        let s = &k.sockets[socket];
        s.state != state::FREE && !s.is_dead() && s.family == family && [0, s.kind].contains(&kind)
    })?;
    let record = k.sockets[socket];
    let tcp_state = match record.state {
        state::LISTENING => LISTEN,
        state::CONNECTING => SYN_SENT,
        state::CONNECTED if record.is_tcp() && record.shutdown & RCV_SHUTDOWN != 0 => CLOSE_WAIT,
        state::CONNECTED => ESTABLISHED,
        _ => CLOSE,
    };
    Some(Listed { socket, record, tcp_state })
}

/// Whether the type is one that keeps the boundaries of messages.
const fn has_boundaries(kind: u32) -> bool {
    kind == SOCK_DGRAM || kind == SOCK_SEQPACKET
}
