//! Sending (`send(2)`).

use super::address::{Endpoint, SockAddr};
use super::queue::{self, Credentials, Envelope};
use super::transfer::Outgoing;
use super::{
    Socket, calls, drop_peer, inet, is_nonblocking, netlink, notify, of_file, options, peer_of,
    state, unix, wait,
};
use crate::abi::socket::{
    AF_INET6, AF_NETLINK, AF_UNIX, MSG_DONTWAIT, MSG_NOSIGNAL, MSG_OOB, RCV_SHUTDOWN,
    SEND_SHUTDOWN, SHUTDOWN_MASK, SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM,
};
use crate::image::Kernel;
use crate::signal::{self, Info};
use crate::{Block, Errno, SysResult};

/// Datagrams that may wait at an AF_UNIX socket that is not connected to their sender, less one
/// (`/proc/sys/net/unix/max_dgram_qlen`).
const MAX_DGRAM_QLEN: u32 = 10;
/// Most data of a UDP datagram over IPv4: 65,535 less the headers of IP and UDP.
const MAX_UDP4: u64 = 65_507;
/// The same over IPv6, whose own header does not count.
const MAX_UDP6: u64 = 65_527;
/// What a datagram takes of the send buffer besides its data (af_unix.c).
const DATAGRAM_SLACK: u64 = 32;
/// The user and group of a message whose sender did not say (`overflowuid`).
const OVERFLOW_ID: u32 = 65534;

/// What to send besides the data.
pub(super) struct Message<'a> {
    /// Where to, or none for the peer.
    pub(super) name: &'a SockAddr,
    /// MSG_*.
    pub(super) flags: u32,
    /// Open files to hand over.
    pub(super) rights: &'a [u32],
    /// Credentials that the sender states.
    pub(super) credentials: Option<Credentials>,
    /// Whether an earlier try of the call has sent a part.
    pub(super) begun: bool,
}

/// Sends what write(2) and its relatives write. A part that was sent before it has to sleep is
/// counted in the progress of the call.
pub(super) fn write(k: &mut Kernel<'_>, file: usize, from: &mut Outgoing<'_, '_>) -> SysResult {
    let begun = k.task().call_progress != 0;
    let message =
        Message { name: &SockAddr::NONE, flags: 0, rights: &[], credentials: None, begun };
    let mut done = 0;
    let result = send(k, file, &message, from, &mut done);
    if let Err(Block::Sleep(..) | Block::SleepOnce(..)) = result {
        k.task().call_progress += done;
    }
    result
}

/// Sends a message; `done` counts what was sent when the result is to sleep.
pub(super) fn send(
    k: &mut Kernel<'_>,
    file: usize,
    message: &Message<'_>,
    from: &mut Outgoing<'_, '_>,
    done: &mut u64,
) -> SysResult {
    let socket = of_file(k, file);
    if message.flags & MSG_OOB != 0 {
        return Err(Errno::EOPNOTSUPP.into());
    }
    let nonblocking = is_nonblocking(k, file) || message.flags & MSG_DONTWAIT != 0;
    let s = &k.sockets[socket];
    match (s.family, s.kind) {
        (AF_NETLINK, _) => netlink::send(k, socket, from).map_err(Into::into),
        (_, SOCK_STREAM) => {
            let result = stream(k, socket, message, from, nonblocking, done);
            if *done != 0
                && let Some(peer) = peer_of(k, socket)
            {
                notify(k, peer);
            }
            match result {
                Err(Block::Error(_)) if *done != 0 || message.begun => Ok(*done),
                Err(Block::Error(Errno::EPIPE)) => {
                    if message.flags & MSG_NOSIGNAL == 0 {
                        broken_pipe(k);
                    }
                    Err(Errno::EPIPE.into())
                }
                other => other,
            }
        }
        (AF_UNIX, _) => unix_packet(k, socket, message, from, nonblocking),
        _ => udp(k, socket, message, from).map_err(Into::into),
    }
}

fn broken_pipe(k: &mut Kernel<'_>) {
    let task = k.current();
    let pid = k.processes[k.current_process()].pid;
    signal::send_task(k, task, Info { signal: signal::SIGPIPE, pid, ..Info::default() });
}

/// Who a message of an AF_UNIX socket is from. Only where one side has asked for credentials, so that
/// a stream does not fall apart where no one looks at them.
fn sender(k: &Kernel<'_>, message: &Message<'_>, socket: usize, other: usize) -> Credentials {
    let asks = |s: &Socket| s.option(options::PASSCRED) != 0;
    match message.credentials {
        Some(stated) => stated,
        None if asks(&k.sockets[socket]) || asks(&k.sockets[other]) => calls::real(k),
        None => Credentials { pid: 0, uid: OVERFLOW_ID, gid: OVERFLOW_ID },
    }
}

/// How much the queue of `peer` may count for when `s` sends into it.
fn capacity(s: &Socket, peer: &Socket) -> u32 {
    let own = s.option(options::SNDBUF);
    if s.family == AF_UNIX { own } else { own.saturating_add(peer.option(options::RCVBUF)) }
}

/// Whether poll(2) calls the socket writable: for AF_UNIX when a quarter of the buffer is used at
/// most, for TCP two thirds.
pub(super) fn has_room(k: &Kernel<'_>, socket: usize) -> bool {
    let s = &k.sockets[socket];
    let Some(peer) = peer_of(k, socket) else { return true };
    let p = &k.sockets[peer];
    let (used, capacity) = (u64::from(p.charge), u64::from(capacity(s, p)));
    if s.is_tcp() {
        return used * 3 <= capacity * 2;
    }
    let mutual = peer_of(k, peer) == Some(socket);
    if s.kind == SOCK_DGRAM && !mutual { p.packets <= MAX_DGRAM_QLEN } else { used * 4 <= capacity }
}

/// Why nothing can be sent into a stream, if so.
fn refusal(k: &mut Kernel<'_>, socket: usize) -> Option<Errno> {
    let s = &mut k.sockets[socket];
    if s.family == AF_UNIX {
        if s.state != state::CONNECTED {
            return Some(Errno::ENOTCONN);
        }
        if s.shutdown & SEND_SHUTDOWN != 0 {
            return Some(Errno::EPIPE);
        }
        let gone = peer_of(k, socket).is_none_or(|peer| {
            let p = &k.sockets[peer];
            p.is_dead() || p.shutdown & RCV_SHUTDOWN != 0
        });
        return gone.then_some(Errno::EPIPE);
    }
    let over = s.shutdown & SEND_SHUTDOWN != 0 || s.state != state::CONNECTED;
    match s.take_error() {
        Some(errno) => Some(errno),
        None if over || s.peer == 0 => Some(Errno::EPIPE),
        None => None,
    }
}

fn stream(
    k: &mut Kernel<'_>,
    socket: usize,
    message: &Message<'_>,
    from: &mut Outgoing<'_, '_>,
    nonblocking: bool,
    done: &mut u64,
) -> SysResult {
    let s = k.sockets[socket];
    if s.family == AF_UNIX && message.name.len != 0 {
        let connected = s.state == state::CONNECTED;
        return Err(if connected { Errno::EISCONN } else { Errno::EOPNOTSUPP }.into());
    }
    if s.state == state::CONNECTING {
        return Err(if nonblocking {
            Errno::EAGAIN.into()
        } else {
            wait(k, socket, s.timeouts[1])
        });
    }
    loop {
        if let Some(errno) = refusal(k, socket) {
            return Err(errno.into());
        }
        let Some(peer) = peer_of(k, socket) else { return Err(Errno::EPIPE.into()) };
        if from.left() == 0 {
            return Ok(*done);
        }
        if k.sockets[peer].is_dead() {
            // Over TCP only the answer to these bytes tells that nobody is there any more.
            *done += from.left();
            let s = &mut k.sockets[socket];
            s.error = Errno::EPIPE.0.into();
            s.state = state::CLOSED;
            s.shutdown = SHUTDOWN_MASK;
            drop_peer(k, socket);
            notify(k, socket);
            return Ok(*done);
        }
        if k.sockets[peer].charge >= capacity(&s, &k.sockets[peer]) {
            if nonblocking {
                return Err(Errno::EAGAIN.into());
            }
            return Err(wait(k, peer, s.timeouts[1]));
        }
        let credentials = if s.family == AF_UNIX {
            sender(k, message, socket, peer)
        } else {
            Credentials::default()
        };
        let first = *done == 0 && !message.begun;
        let envelope = Envelope {
            source: &SockAddr::NONE,
            destination: Endpoint::ANY6,
            credentials,
            rights: if first { message.rights } else { &[] },
        };
        *done += u64::from(queue::append(k, peer, &envelope, from)?);
    }
}

/// Sends a datagram or a packet of a seqpacket socket of AF_UNIX.
fn unix_packet(
    k: &mut Kernel<'_>,
    socket: usize,
    message: &Message<'_>,
    from: &mut Outgoing<'_, '_>,
    nonblocking: bool,
) -> SysResult {
    let s = k.sockets[socket];
    if s.kind == SOCK_SEQPACKET && s.state != state::CONNECTED {
        return Err(Errno::ENOTCONN.into());
    }
    let named = message.name.len != 0 && s.kind == SOCK_DGRAM;
    let other = if named {
        unix::find(k, message.name, s.kind)?
    } else {
        peer_of(k, socket).ok_or(Errno::ENOTCONN)?
    };
    if s.option(options::PASSCRED) != 0 {
        unix::autobind(k, socket)?;
    }
    let len = from.left();
    if len > u64::from(s.option(options::SNDBUF)).saturating_sub(DATAGRAM_SLACK) {
        return Err(Errno::EMSGSIZE.into());
    }
    if let Some(errno) = k.sockets[socket].take_error() {
        return Err(errno.into());
    }
    if s.shutdown & SEND_SHUTDOWN != 0 {
        return Err(Errno::EPIPE.into());
    }
    if k.sockets[other].is_dead() && s.kind == SOCK_DGRAM {
        drop_peer(k, socket);
        k.sockets[socket].state = state::OPEN;
        return Err(Errno::ECONNREFUSED.into());
    }
    if !unix::may_send(k, socket, other) && s.kind == SOCK_DGRAM {
        return Err(Errno::EPERM.into());
    }
    if k.sockets[other].is_dead() || k.sockets[other].shutdown & RCV_SHUTDOWN != 0 {
        return Err(Errno::EPIPE.into());
    }
    let o = &k.sockets[other];
    let mutual = peer_of(k, other) == Some(socket);
    let full = if mutual || other == socket {
        o.charge >= s.option(options::SNDBUF)
    } else {
        o.packets > MAX_DGRAM_QLEN
    };
    if full {
        if nonblocking {
            return Err(Errno::EAGAIN.into());
        }
        return Err(wait(k, other, s.timeouts[1]));
    }
    let own_name = k.sockets[socket].name;
    let source = if own_name.length != 0 { SockAddr::unix(own_name.get()) } else { SockAddr::NONE };
    let envelope = Envelope {
        source: &source,
        destination: Endpoint::ANY6,
        credentials: sender(k, message, socket, other),
        rights: message.rights,
    };
    queue::push(k, other, &envelope, from, len as u32)?;
    notify(k, other);
    Ok(len)
}

fn udp(
    k: &mut Kernel<'_>,
    socket: usize,
    message: &Message<'_>,
    from: &mut Outgoing<'_, '_>,
) -> Result<u64, Errno> {
    let s = k.sockets[socket];
    let len = from.left();
    let end = if message.name.len != 0 {
        inet::destination(k, socket, message.name)?
    } else if s.state == state::CONNECTED {
        s.remote
    } else {
        return Err(Errno::EDESTADDRREQ);
    };
    if end.port == 0 {
        return Err(Errno::EINVAL);
    }
    let most = if s.family == AF_INET6 && !end.is_v4() { MAX_UDP6 } else { MAX_UDP4 };
    if len > most {
        return Err(Errno::EMSGSIZE);
    }
    if let Some(errno) = k.sockets[socket].take_error() {
        return Err(errno);
    }
    if s.shutdown & SEND_SHUTDOWN != 0 {
        return Err(Errno::EPIPE);
    }
    inet::autobind(k, socket)?;
    let source = inet::source(&k.sockets[socket], &end);
    let Some(receiver) = inet::find(k, SOCK_DGRAM, &end, &source) else {
        // "Port unreachable" comes back, which only a connected socket is told of (udp(7)).
        if s.state == state::CONNECTED {
            k.sockets[socket].error = Errno::ECONNREFUSED.0.into();
            notify(k, socket);
        }
        return Ok(len);
    };
    let r = &k.sockets[receiver];
    // Datagrams that do not fit are lost.
    if r.charge >= r.option(options::RCVBUF) {
        return Ok(len);
    }
    let envelope = Envelope {
        source: &SockAddr::inet(r.family, &source),
        destination: end,
        credentials: Credentials::default(),
        rights: &[],
    };
    queue::push(k, receiver, &envelope, from, len as u32)?;
    notify(k, receiver);
    Ok(len)
}
