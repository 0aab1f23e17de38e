//! TCP and UDP over the loopback interface (`ip(7)`, `ipv6(7)`, `tcp(7)`, `udp(7)`).
//!
//! A connection is made by finding the listening socket: there are no segments, and a stream's bytes
//! go straight into the queue of the other side.

use super::address::{Endpoint, SockAddr};
use super::{Socket, drop_peer, is_full, join, mark, notify, options, reset, state};
use crate::abi::socket::{AF_INET, AF_INET6, AF_UNSPEC, RCV_SHUTDOWN, SEND_SHUTDOWN, SOCK_STREAM};
use crate::image::Kernel;
use crate::vfs;
use crate::{Block, Channel, Errno, SysResult};

/// Ports given out to sockets that ask for none (`/proc/sys/net/ipv4/ip_local_port_range`).
const EPHEMERAL: core::ops::RangeInclusive<u32> = 32768..=60999;
/// Ports below this are for root (`ip_unprivileged_port_start`).
const UNPRIVILEGED: u32 = 1024;
/// How long a connection attempt waits for a listening socket to have room: what six
/// retransmissions of a SYN take (`tcp_syn_retries` in tcp(7)).
const CONNECT_TIMEOUT: u64 = 127_000_000_000;

/// Whether a packet to `end` could reach a socket bound to the local address of `s`.
fn covers(s: &Socket, end: &Endpoint) -> bool {
    if s.local.address == end.address {
        return true;
    }
    if !s.local.is_any() {
        return false;
    }
    if s.local.is_v4() {
        return end.is_v4();
    }
    !end.is_v4() || s.option(options::V6ONLY) == 0
}

/// Whether two sockets on one port would both be meant by some address.
fn overlap(a: &Socket, b: &Socket) -> bool {
    covers(a, &b.local) || covers(b, &a.local)
}

/// Whether `s` with `local` may not have its port because of another socket. `listens`: it is about
/// to listen.
fn conflicts(k: &Kernel<'_>, socket: usize, local: &Endpoint, listens: bool) -> bool {
    let mut s = k.sockets[socket];
    s.local = *local;
    k.sockets.iter().enumerate().any(|(index, other)| {
        if index == socket
            || other.state == state::FREE
            || other.is_dead()
            || !other.is_inet()
            || other.kind != s.kind
            || other.local.port != s.local.port
            || !overlap(&s, other)
        {
            return false;
        }
        let both = |option| s.option(option) != 0 && other.option(option) != 0;
        if both(options::REUSEPORT) && s.uid == other.uid {
            return false;
        }
        let listening = other.state == state::LISTENING;
        // Sockets that share a port may do so until one listens.
        let shared = both(options::REUSEADDR) && !(s.kind == SOCK_STREAM && listening);
        (listening || !listens) && !shared
    })
}

/// A free port; EADDRINUSE when all are taken.
fn ephemeral(k: &mut Kernel<'_>, socket: usize, local: &Endpoint) -> Result<u32, Errno> {
    for _ in EPHEMERAL {
        let last = k.header.ephemeral_port;
        let port = if EPHEMERAL.contains(&(last + 1)) { last + 1 } else { *EPHEMERAL.start() };
        k.header.ephemeral_port = port;
        let used = k
            .sockets
            .iter()
            .any(|s| s.state != state::FREE && !s.is_dead() && s.is_inet() && s.local.port == port);
        if !used && !conflicts(k, socket, &Endpoint { port, ..*local }, false) {
            return Ok(port);
        }
    }
    Err(Errno::EADDRINUSE)
}

/// Gives the socket a port if it has none.
pub(super) fn autobind(k: &mut Kernel<'_>, socket: usize) -> Result<(), Errno> {
    let local = k.sockets[socket].local;
    if local.port == 0 {
        k.sockets[socket].local.port = ephemeral(k, socket, &local)?;
    }
    Ok(())
}

/// bind(2).
pub(super) fn bind(k: &mut Kernel<'_>, socket: usize, address: &SockAddr) -> Result<(), Errno> {
    let s = k.sockets[socket];
    let end = match address.endpoint(s.family) {
        // Old programs leave the family out for the unspecified address.
        Err(Errno::EAFNOSUPPORT)
            if s.family == AF_INET
                && address.family() == Some(AF_UNSPEC)
                && address.bytes[4..8] == [0; 4] =>
        {
            let mut named = *address;
            named.bytes[0] = AF_INET as u8;
            named.endpoint(AF_INET)?
        }
        other => other?,
    };
    if s.family == AF_INET6 && end.is_v4() && s.option(options::V6ONLY) != 0 {
        return Err(Errno::EINVAL);
    }
    let usable = end.is_any() || end.is_local() || end.is_group();
    if !usable && s.option(options::FREEBIND) == 0 {
        return Err(Errno::EADDRNOTAVAIL);
    }
    if end.port != 0 && end.port < UNPRIVILEGED && !vfs::access::is_privileged(k) {
        return Err(Errno::EACCES);
    }
    if s.state != state::OPEN || s.local.port != 0 {
        return Err(Errno::EINVAL);
    }
    let mut end = end;
    if end.port == 0 {
        end.port = ephemeral(k, socket, &end)?;
    } else {
        if conflicts(k, socket, &end, false) {
            return Err(Errno::EADDRINUSE);
        }
        k.sockets[socket].marks |= mark::PORT_BOUND;
    }
    if !end.is_any() {
        k.sockets[socket].marks |= mark::ADDRESS_BOUND;
    }
    k.sockets[socket].local = end;
    Ok(())
}

/// listen(2), with the state and type already checked.
pub(super) fn listen(k: &mut Kernel<'_>, socket: usize) -> Result<(), Errno> {
    autobind(k, socket)?;
    let local = k.sockets[socket].local;
    if conflicts(k, socket, &local, true) { Err(Errno::EADDRINUSE) } else { Ok(()) }
}

/// The socket that a packet or connection from `source` to `end` reaches: one that is connected to
/// `source`, else one bound to the very address, else one bound to all addresses.
pub(super) fn find(k: &Kernel<'_>, kind: u32, end: &Endpoint, source: &Endpoint) -> Option<usize> {
    let mut best = None;
    let mut best_score = 0;
    for (index, s) in k.sockets.iter().enumerate() {
        if s.state == state::FREE
            || s.is_dead()
            || s.kind != kind
            || !s.is_inet()
            || s.local.port != end.port
            || end.port == 0
            || !covers(s, end)
            || (kind == SOCK_STREAM && s.state != state::LISTENING)
        {
            continue;
        }
        let mut score = 1;
        if kind != SOCK_STREAM && s.state == state::CONNECTED {
            if s.remote.address != source.address || s.remote.port != source.port {
                continue;
            }
            score += 4;
        }
        if s.local.address == end.address {
            score += 2;
        }
        if s.local.is_v4() == end.is_v4() {
            score += 1;
        }
        if score > best_score {
            (best, best_score) = (Some(index), score);
        }
    }
    best
}

/// Where `socket` sends to when told `address`: a routable end point that its family can reach.
pub(super) fn destination(
    k: &Kernel<'_>,
    socket: usize,
    address: &SockAddr,
) -> Result<Endpoint, Errno> {
    let s = &k.sockets[socket];
    let end = address.destination(s.family)?;
    if s.family == AF_INET6 {
        if end.is_v4() && s.option(options::V6ONLY) != 0 {
            return Err(Errno::ENETUNREACH);
        }
        // A socket bound to an IPv4 address cannot reach IPv6, nor the other way round.
        if s.marks & mark::ADDRESS_BOUND != 0 && end.is_v4() != s.local.is_v4() && !end.is_any() {
            return Err(if end.is_v4() { Errno::EINVAL } else { Errno::ENETUNREACH });
        }
    }
    end.route()
}

/// The address that a packet to `end` leaves with.
pub(super) fn source(s: &Socket, end: &Endpoint) -> Endpoint {
    let address = if s.local.is_any() { end.loopback() } else { s.local.address };
    Endpoint { address, ..s.local }
}

/// Forgets the remote end point and whatever of the local one the program did not choose.
fn disconnect(k: &mut Kernel<'_>, socket: usize) {
    drop_peer(k, socket);
    let s = &mut k.sockets[socket];
    let any = if s.family == AF_INET { Endpoint::ANY4 } else { Endpoint::ANY6 };
    s.remote = any;
    s.state = state::OPEN;
    s.shutdown = 0;
    s.error = 0;
    if s.marks & mark::ADDRESS_BOUND == 0 {
        s.local.address = any.address;
    }
    if s.marks & mark::PORT_BOUND == 0 {
        s.local.port = 0;
    }
    s.marks &= !mark::IN_PROGRESS;
    notify(k, socket);
}

/// connect(2) of a datagram socket: sets where it sends to and what it receives from.
pub(super) fn associate(
    k: &mut Kernel<'_>,
    socket: usize,
    address: &SockAddr,
) -> Result<(), Errno> {
    match address.family() {
        None => return Err(Errno::EINVAL),
        Some(AF_UNSPEC) => {
            disconnect(k, socket);
            return Ok(());
        }
        _ => {}
    }
    let end = destination(k, socket, address)?;
    autobind(k, socket)?;
    let s = &mut k.sockets[socket];
    s.local = source(s, &end);
    s.remote = end;
    s.state = state::CONNECTED;
    Ok(())
}

/// connect(2) of a stream socket.
pub(super) fn connect(
    k: &mut Kernel<'_>,
    socket: usize,
    address: &SockAddr,
    nonblocking: bool,
) -> SysResult {
    match address.family() {
        None => return Err(Errno::EINVAL.into()),
        Some(AF_UNSPEC) => {
            if k.sockets[socket].state == state::CONNECTED {
                super::hang_up(k, socket, true);
            }
            disconnect(k, socket);
            return Ok(0);
        }
        _ => {}
    }
    let s = &mut k.sockets[socket];
    match s.state {
        state::CONNECTED if s.marks & mark::IN_PROGRESS != 0 => {
            s.marks &= !mark::IN_PROGRESS;
            return Ok(0);
        }
        state::CONNECTED | state::LISTENING => return Err(Errno::EISCONN.into()),
        state::CONNECTING => return wait_for_room(k, socket, nonblocking),
        state::CLOSED => {
            let error = s.take_error();
            if s.marks & mark::IN_PROGRESS != 0 || error.is_some() {
                disconnect(k, socket);
                return Err(error.unwrap_or(Errno::ECONNABORTED).into());
            }
            return Err(Errno::EISCONN.into());
        }
        _ => {}
    }
    let end = destination(k, socket, address)?;
    autobind(k, socket)?;
    let owner = super::calls::effective(k);
    let s = &mut k.sockets[socket];
    s.local = source(s, &end);
    s.remote = end;
    s.owner = owner;
    let result = attempt(k, socket);
    if nonblocking && result != Err(Errno::EAGAIN) {
        // The answer to a SYN is looked at only when the call is over, even on loopback: the
        // outcome shows in poll, SO_ERROR and the next connect.
        let s = &mut k.sockets[socket];
        s.marks |= mark::IN_PROGRESS;
        if let Err(errno) = result {
            s.state = state::CLOSED;
            s.shutdown = RCV_SHUTDOWN | SEND_SHUTDOWN;
            s.error = errno.0.into();
        }
        return Err(Errno::EINPROGRESS.into());
    }
    match result {
        Ok(()) => Ok(0),
        Err(Errno::EAGAIN) => {
            let order = k.next_order();
            let s = &mut k.sockets[socket];
            s.state = state::CONNECTING;
            s.order = order;
            wait_for_room(k, socket, nonblocking)
        }
        Err(errno) => {
            disconnect(k, socket);
            Err(errno.into())
        }
    }
}

/// Connects to the listening socket: ECONNREFUSED without one, EAGAIN when it has no room.
fn attempt(k: &mut Kernel<'_>, socket: usize) -> Result<(), Errno> {
    let s = &k.sockets[socket];
    let (end, source) = (s.remote, s.local);
    let listener = find(k, SOCK_STREAM, &end, &source).ok_or(Errno::ECONNREFUSED)?;
    if is_full(k, listener) {
        return Err(Errno::EAGAIN);
    }
    join(k, socket, listener)
}

/// Waits in connect(2) until the listening socket lets this one in.
fn wait_for_room(k: &mut Kernel<'_>, socket: usize, nonblocking: bool) -> SysResult {
    if nonblocking {
        let s = &mut k.sockets[socket];
        let first = s.marks & mark::IN_PROGRESS == 0;
        s.marks |= mark::IN_PROGRESS;
        return Err(if first { Errno::EINPROGRESS } else { Errno::EALREADY }.into());
    }
    // Once the attempt is over, the next try of the call finds another state.
    k.sockets[socket].marks |= mark::IN_PROGRESS;
    let limit = k.sockets[socket].timeouts[1];
    let deadline = k.call_deadline(if limit == 0 { CONNECT_TIMEOUT } else { limit });
    if k.now() >= deadline {
        if limit == 0 {
            disconnect(k, socket);
            return Err(Errno::ETIMEDOUT.into());
        }
        return Err(Errno::EINPROGRESS.into());
    }
    let channel = Channel::Socket(socket as u32);
    Err(if limit == 0 {
        Block::Sleep(channel, Some(deadline))
    } else {
        Block::SleepOnce(channel, Some(deadline))
    })
}

/// The socket that has waited longest for room at `listener`.
fn first_waiting(k: &Kernel<'_>, listener: usize) -> Option<usize> {
    let l = &k.sockets[listener];
    let waits = |s: &Socket| {
        s.state == state::CONNECTING
            && !s.is_dead()
            && s.remote.port == l.local.port
            && covers(l, &s.remote)
    };
    let all = k.sockets.iter().enumerate().filter(|(_, s)| waits(s));
    all.min_by_key(|(_, s)| s.order).map(|(index, _)| index)
}

/// Lets sockets in that wait for room at a listening socket.
pub(super) fn admit_waiting(k: &mut Kernel<'_>, listener: usize) {
    while k.sockets[listener].is_tcp() && !is_full(k, listener) {
        let Some(socket) = first_waiting(k, listener) else { return };
        if join(k, socket, listener).is_err() {
            return;
        }
    }
}

/// Refuses the sockets that wait for room at a socket that no longer listens.
pub(super) fn refuse_waiting(k: &mut Kernel<'_>, listener: usize) {
    while k.sockets[listener].is_tcp()
        && let Some(socket) = first_waiting(k, listener)
    {
        let s = &mut k.sockets[socket];
        reset(s);
        s.error = Errno::ECONNREFUSED.0.into();
        notify(k, socket);
    }
}
