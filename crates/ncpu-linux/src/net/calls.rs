//! Making, naming, connecting and shutting down sockets.

use super::address::SockAddr;
use super::queue::Credentials;
use super::{
    close_buried, create, get, inet, is_nonblocking, mark, netlink, notify, peer_of, set_peer,
    state, stop_listening, take_embryo, unix, wait, wake,
};
use crate::abi::fcntl::{O_NONBLOCK, O_RDWR};
use crate::abi::socket::{
    AF_INET, AF_INET6, AF_NETLINK, AF_UNIX, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_TCP, IPPROTO_UDP,
    RCV_SHUTDOWN, SEND_SHUTDOWN, SHUTDOWN_MASK, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_RAW,
    SOCK_SEQPACKET, SOCK_STREAM, SOCK_TYPE_MASK,
};
use crate::file::{self, kind};
use crate::image::Kernel;
use crate::{Errno, SysResult};

/// Longest list of a listening socket (`/proc/sys/net/core/somaxconn`).
const SOMAXCONN: u32 = 4096;

/// Process, effective user and group of the caller, for SO_PEERCRED.
pub(super) fn effective(k: &Kernel<'_>) -> Credentials {
    let p = &k.processes[k.current_process()];
    Credentials { pid: p.pid, uid: p.credentials.uid[1], gid: p.credentials.gid[1] }
}

/// Process, real user and group of the caller, for SCM_CREDENTIALS.
pub(super) fn real(k: &Kernel<'_>) -> Credentials {
    let p = &k.processes[k.current_process()];
    Credentials { pid: p.pid, uid: p.credentials.uid[0], gid: p.credentials.gid[0] }
}

/// The protocol of a new socket, or why there can be none.
fn protocol(family: u32, kind: u32, protocol: u32) -> Result<u32, Errno> {
    match family {
        AF_UNIX => match (kind, protocol) {
            (_, p) if p != 0 && p != AF_UNIX => Err(Errno::EPROTONOSUPPORT),
            (SOCK_STREAM | SOCK_DGRAM | SOCK_SEQPACKET | SOCK_RAW, _) => Ok(0),
            _ => Err(Errno::ESOCKTNOSUPPORT),
        },
        AF_INET | AF_INET6 => match (kind, protocol) {
            (SOCK_STREAM, 0 | IPPROTO_TCP) => Ok(IPPROTO_TCP),
            (SOCK_DGRAM, 0 | IPPROTO_UDP) => Ok(IPPROTO_UDP),
            // Echo sockets need a group range (icmp(7)) that is empty by default.
            (SOCK_DGRAM, IPPROTO_ICMP) if family == AF_INET => Err(Errno::EACCES),
            (SOCK_DGRAM, IPPROTO_ICMPV6) if family == AF_INET6 => Err(Errno::EACCES),
            (SOCK_STREAM | SOCK_DGRAM, 0..=255) => Err(Errno::EPROTONOSUPPORT),
            (SOCK_RAW, 1..=255) => Err(Errno::EPERM),
            (SOCK_RAW, 0) => Err(Errno::EPROTONOSUPPORT),
            (SOCK_STREAM | SOCK_DGRAM | SOCK_RAW, _) => Err(Errno::EINVAL),
            _ => Err(Errno::ESOCKTNOSUPPORT),
        },
        AF_NETLINK => match (kind, protocol) {
            (SOCK_RAW | SOCK_DGRAM, netlink::ROUTE) => Ok(netlink::ROUTE),
            (SOCK_RAW | SOCK_DGRAM, _) => Err(Errno::EPROTONOSUPPORT),
            _ => Err(Errno::ESOCKTNOSUPPORT),
        },
        _ => Err(Errno::EAFNOSUPPORT),
    }
}

/// A socket with the type and flags of socket(2), by family.
fn new_socket(k: &mut Kernel<'_>, family: u32, kind: u32, number: u32) -> Result<usize, Errno> {
    let flags = kind & !SOCK_TYPE_MASK;
    let kind = kind & SOCK_TYPE_MASK;
    if flags & !(SOCK_NONBLOCK | SOCK_CLOEXEC) != 0 {
        return Err(Errno::EINVAL);
    }
    // AF_MAX and SOCK_MAX of include/linux.
    if family >= 46 {
        return Err(Errno::EAFNOSUPPORT);
    }
    if kind >= 11 {
        return Err(Errno::EINVAL);
    }
    let protocol = protocol(family, kind, number)?;
    // Raw sockets of AF_UNIX are datagram sockets (net/unix/af_unix.c, for old programs).
    let kind = if family == AF_UNIX && kind == SOCK_RAW { SOCK_DGRAM } else { kind };
    create(k, family, kind, protocol)
}

/// An open file of kind `PATH`, which means nothing when it is closed, until it becomes a socket's.
fn new_file(k: &mut Kernel<'_>, flags: u32) -> Result<usize, Errno> {
    let file = file::alloc(k)?;
    let f = &mut k.files[file];
    f.kind = kind::PATH;
    f.flags = O_RDWR | (flags & O_NONBLOCK);
    Ok(file)
}

/// Gives a socket an open file and a descriptor; it is closed when that fails.
fn open(k: &mut Kernel<'_>, socket: usize, flags: u32) -> Result<i32, Errno> {
    let file = match new_file(k, flags) {
        Ok(file) => file,
        Err(errno) => {
            super::bury(k, socket);
            close_buried(k);
            return Err(errno);
        }
    };
    k.files[file].kind = kind::SOCKET;
    k.files[file].object = socket as u32;
    file::install(k, file, flags & SOCK_CLOEXEC != 0, 0).inspect_err(|_| file::release(k, file))
}

/// socket(2).
pub fn socket(k: &mut Kernel<'_>, family: u32, kind: u32, protocol: u32) -> SysResult {
    let socket = new_socket(k, family, kind, protocol)?;
    Ok(open(k, socket, kind)? as u64)
}

/// socketpair(2).
pub fn socketpair(
    k: &mut Kernel<'_>,
    family: u32,
    kind: u32,
    protocol: u32,
    descriptors: u64,
) -> SysResult {
    let first = new_socket(k, family, kind, protocol)?;
    if family != AF_UNIX {
        super::bury(k, first);
        close_buried(k);
        return Err(Errno::EOPNOTSUPP.into());
    }
    let first_fd = open(k, first, kind)?;
    let second = new_socket(k, family, kind, protocol)
        .and_then(|second| open(k, second, kind).map(|fd| (second, fd)));
    let (second, second_fd) = match second {
        Ok(second) => second,
        Err(errno) => {
            file::close(k, first_fd)?;
            return Err(errno.into());
        }
    };
    let owner = effective(k);
    set_peer(k, first, second);
    set_peer(k, second, first);
    for socket in [first, second] {
        let s = &mut k.sockets[socket];
        s.state = state::CONNECTED;
        (s.owner, s.peer_owner) = (owner, owner);
    }
    if let Err(errno) = k.write_record(descriptors, &[first_fd, second_fd]) {
        file::close(k, first_fd)?;
        file::close(k, second_fd)?;
        return Err(errno.into());
    }
    Ok(0)
}

/// bind(2).
pub fn bind(k: &mut Kernel<'_>, fd: i32, address: u64, len: u32) -> SysResult {
    let (_, socket) = get(k, fd)?;
    let address = SockAddr::read(k, address, len)?;
    match k.sockets[socket].family {
        AF_UNIX => unix::bind(k, socket, &address)?,
        AF_NETLINK => netlink::bind(k, socket, &address)?,
        _ => inet::bind(k, socket, &address)?,
    }
    Ok(0)
}

/// listen(2).
pub fn listen(k: &mut Kernel<'_>, fd: i32, backlog: u32) -> SysResult {
    let (_, socket) = get(k, fd)?;
    let s = k.sockets[socket];
    if !s.is_connecting_type() {
        return Err(Errno::EOPNOTSUPP.into());
    }
    if !matches!(s.state, state::OPEN | state::LISTENING) {
        return Err(Errno::EINVAL.into());
    }
    if s.family == AF_UNIX {
        if s.name.length == 0 {
            return Err(Errno::EINVAL.into());
        }
    } else if s.state == state::OPEN {
        inet::listen(k, socket)?;
    }
    let owner = effective(k);
    let s = &mut k.sockets[socket];
    s.backlog = backlog.min(SOMAXCONN);
    s.state = state::LISTENING;
    s.owner = owner;
    // A longer list may let someone in.
    inet::admit_waiting(k, socket);
    notify(k, socket);
    Ok(0)
}

/// accept(2).
pub fn accept(k: &mut Kernel<'_>, fd: i32, address: u64, len_ptr: u64) -> SysResult {
    accept4(k, fd, address, len_ptr, 0)
}

/// accept4(2).
pub fn accept4(k: &mut Kernel<'_>, fd: i32, address: u64, len_ptr: u64, flags: u32) -> SysResult {
    if flags & !(SOCK_NONBLOCK | SOCK_CLOEXEC) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let (file, listener) = get(k, fd)?;
    let l = k.sockets[listener];
    if !l.is_connecting_type() {
        return Err(Errno::EOPNOTSUPP.into());
    }
    if l.state != state::LISTENING {
        return Err(Errno::EINVAL.into());
    }
    if l.waiting == 0 {
        if is_nonblocking(k, file) {
            return Err(Errno::EAGAIN.into());
        }
        return Err(wait(k, listener, l.timeouts[0]));
    }
    // The descriptor first: without one the connection stays in the list.
    let new = new_file(k, flags)?;
    let new_fd = match file::install(k, new, flags & SOCK_CLOEXEC != 0, 0) {
        Ok(new_fd) => new_fd,
        Err(errno) => {
            file::release(k, new);
            return Err(errno.into());
        }
    };
    let Some(child) = take_embryo(k, listener) else {
        file::close(k, new_fd)?;
        return Err(Errno::EAGAIN.into());
    };
    k.files[new].kind = kind::SOCKET;
    k.files[new].object = child as u32;
    inet::admit_waiting(k, listener);
    wake(k, listener);
    if address != 0 {
        // Also of a connection that is over already.
        let c = &k.sockets[child];
        let name = match c.family {
            AF_UNIX => remote_name(k, child).unwrap_or(SockAddr::unix(&[])),
            family => SockAddr::inet(family, &c.remote),
        };
        if let Err(errno) = name.write(k, address, len_ptr) {
            file::close(k, new_fd)?;
            return Err(errno.into());
        }
    }
    Ok(new_fd as u64)
}

/// connect(2).
pub fn connect(k: &mut Kernel<'_>, fd: i32, address: u64, len: u32) -> SysResult {
    let (file, socket) = get(k, fd)?;
    let address = SockAddr::read(k, address, len)?;
    let nonblocking = is_nonblocking(k, file);
    let s = &k.sockets[socket];
    match (s.family, s.is_connecting_type()) {
        (AF_UNIX, true) => unix::connect(k, socket, &address, nonblocking),
        (AF_UNIX, false) => unix::associate(k, socket, &address).map(|()| 0).map_err(Into::into),
        (AF_NETLINK, _) => netlink::connect(k, socket, &address).map(|()| 0).map_err(Into::into),
        (_, true) => {
            let result = inet::connect(k, socket, &address, nonblocking);
            if result == Ok(0) {
                k.sockets[socket].marks &= !mark::IN_PROGRESS;
            }
            result
        }
        (_, false) => inet::associate(k, socket, &address).map(|()| 0).map_err(Into::into),
    }
}

/// The local address of a socket.
pub(super) fn local_name(k: &Kernel<'_>, socket: usize) -> SockAddr {
    let s = &k.sockets[socket];
    match s.family {
        AF_UNIX => SockAddr::unix(s.name.get()),
        AF_NETLINK => netlink::name(s.local.port),
        family => SockAddr::inet(family, &s.local),
    }
}

/// The address of what a socket is connected to, if anything.
pub(super) fn remote_name(k: &Kernel<'_>, socket: usize) -> Option<SockAddr> {
    let s = &k.sockets[socket];
    match s.family {
        AF_UNIX => peer_of(k, socket).map(|peer| local_name(k, peer)),
        AF_NETLINK => Some(netlink::name(0)),
        family => (s.state == state::CONNECTED).then(|| SockAddr::inet(family, &s.remote)),
    }
}

/// getsockname(2).
pub fn getsockname(k: &mut Kernel<'_>, fd: i32, address: u64, len_ptr: u64) -> SysResult {
    let (_, socket) = get(k, fd)?;
    local_name(k, socket).write(k, address, len_ptr)?;
    Ok(0)
}

/// getpeername(2).
pub fn getpeername(k: &mut Kernel<'_>, fd: i32, address: u64, len_ptr: u64) -> SysResult {
    let (_, socket) = get(k, fd)?;
    let name = remote_name(k, socket).ok_or(Errno::ENOTCONN)?;
    name.write(k, address, len_ptr)?;
    Ok(0)
}

/// shutdown(2).
pub fn shutdown(k: &mut Kernel<'_>, fd: i32, how: u32) -> SysResult {
    let (_, socket) = get(k, fd)?;
    // SHUT_RD, SHUT_WR and SHUT_RDWR are one less than the halves that they mean.
    let halves = match how {
        0..=2 => how + 1,
        _ => return Err(Errno::EINVAL.into()),
    };
    let s = k.sockets[socket];
    match s.family {
        AF_NETLINK => return Err(Errno::EOPNOTSUPP.into()),
        AF_UNIX => {
            k.sockets[socket].shutdown |= halves;
            if s.is_connecting_type()
                && let Some(peer) = peer_of(k, socket)
                && peer_of(k, peer) == Some(socket)
            {
                // What one side does not read, the other cannot send.
                k.sockets[peer].shutdown |= (halves & 1) << 1 | halves >> 1;
                notify(k, peer);
            }
        }
        _ => shutdown_inet(k, socket, halves)?,
    }
    notify(k, socket);
    Ok(0)
}

fn shutdown_inet(k: &mut Kernel<'_>, socket: usize, halves: u32) -> Result<(), Errno> {
    let s = k.sockets[socket];
    match s.state {
        state::LISTENING => {
            if halves & RCV_SHUTDOWN != 0 {
                stop_listening(k, socket);
            }
            Ok(())
        }
        state::CONNECTED => {
            k.sockets[socket].shutdown |= halves;
            if s.is_tcp()
                && halves & SEND_SHUTDOWN != 0
                && let Some(peer) = peer_of(k, socket)
                && !k.sockets[peer].is_dead()
            {
                k.sockets[peer].shutdown |= RCV_SHUTDOWN;
                notify(k, peer);
            }
            Ok(())
        }
        _ => {
            if s.kind == SOCK_DGRAM {
                k.sockets[socket].shutdown |= halves & SHUTDOWN_MASK;
            }
            Err(Errno::ENOTCONN)
        }
    }
}
