//! AF_UNIX (`unix(7)`): names, and finding the socket that a name means.

use super::address::{SockAddr, UnixName};
use super::{
    Socket, calls, drop_peer, is_full, join, mark, notify, peer_of, set_peer, state, wait,
};
use crate::abi::socket::{AF_UNIX, AF_UNSPEC, SHUTDOWN_MASK};
use crate::image::Kernel;
use crate::rom::{S_IFMT, S_IFSOCK};
use crate::vfs::{self, AT_FDCWD, Node};
use crate::{Errno, SysResult};

/// bind(2): makes a node at a path, or takes an abstract name; an address without a name asks for a
/// free abstract one.
pub(super) fn bind(k: &mut Kernel<'_>, socket: usize, address: &SockAddr) -> Result<(), Errno> {
    let name = UnixName::parse(address)?;
    if name.length == 0 {
        return autobind(k, socket);
    }
    if k.sockets[socket].name.length != 0 {
        return Err(Errno::EINVAL);
    }
    if name.is_path() {
        let node = match vfs::make_node(k, AT_FDCWD, name.get(), S_IFSOCK | 0o777, 0) {
            Err(Errno::EEXIST) => return Err(Errno::EADDRINUSE),
            other => other?,
        };
        vfs::hold(k, node);
        k.sockets[socket].node = node.0;
    } else if by_name(k, &name, k.sockets[socket].kind).is_some() {
        return Err(Errno::EADDRINUSE);
    }
    k.sockets[socket].name = name;
    Ok(())
}

/// Gives a socket without a name a free abstract one of five hexadecimal digits.
pub(super) fn autobind(k: &mut Kernel<'_>, socket: usize) -> Result<(), Errno> {
    const NAMES: u32 = 1 << 20;
    if k.sockets[socket].name.length != 0 {
        return Ok(());
    }
    // There are fewer sockets than names.
    for _ in 0..=k.sockets.len() {
        let number = k.header.serial % NAMES;
        k.header.serial = k.header.serial.wrapping_add(1);
        let mut name = [0; 6];
        for (index, digit) in name[1..].iter_mut().enumerate() {
            *digit = b"0123456789abcdef"[(number >> (16 - 4 * index)) as usize & 15];
        }
        let name = UnixName::new(&name);
        if by_name(k, &name, k.sockets[socket].kind).is_none() {
            k.sockets[socket].name = name;
            return Ok(());
        }
    }
    Err(Errno::ENOSPC)
}

fn is_bound(s: &Socket) -> bool {
    // A connection that was accepted has the name of the listening socket, but is not found by it.
    let hidden = s.marks & (mark::DEAD | mark::ACCEPTED) != 0;
    s.state != state::FREE && s.family == AF_UNIX && !hidden
}

/// The socket with an abstract name: each type of socket has its own names.
fn by_name(k: &Kernel<'_>, name: &UnixName, kind: u32) -> Option<usize> {
    k.sockets.iter().position(|s| is_bound(s) && s.kind == kind && s.name == *name)
}

/// The socket that `address` means for a socket of type `kind`; ECONNREFUSED when there is none,
/// EPROTOTYPE when it is of another type.
pub(super) fn find(k: &mut Kernel<'_>, address: &SockAddr, kind: u32) -> Result<usize, Errno> {
    let name = UnixName::parse(address)?;
    let found = match name.length {
        0 => return Err(Errno::EINVAL),
        _ if name.is_path() => {
            let node = vfs::resolve(k, AT_FDCWD, name.get(), vfs::FOLLOW)?;
            vfs::allowed(k, node, 2)?;
            if vfs::status(k, node)?.mode & S_IFMT != S_IFSOCK {
                return Err(Errno::ECONNREFUSED);
            }
            by_node(k, node)
        }
        _ => by_name(k, &name, kind),
    };
    let socket = found.ok_or(Errno::ECONNREFUSED)?;
    if k.sockets[socket].kind == kind { Ok(socket) } else { Err(Errno::EPROTOTYPE) }
}

fn by_node(k: &Kernel<'_>, node: Node) -> Option<usize> {
    k.sockets.iter().position(|s| is_bound(s) && s.node == node.0)
}

/// Whether datagrams of `socket` may go to `other`: a socket that is itself connected takes them
/// from its peer only.
pub(super) fn may_send(k: &Kernel<'_>, socket: usize, other: usize) -> bool {
    k.sockets[other].peer == 0 || peer_of(k, other) == Some(socket)
}

/// connect(2) of a datagram socket.
pub(super) fn associate(
    k: &mut Kernel<'_>,
    socket: usize,
    address: &SockAddr,
) -> Result<(), Errno> {
    match address.family() {
        None => return Err(Errno::EINVAL),
        Some(AF_UNSPEC) => {
            drop_peer(k, socket);
            k.sockets[socket].state = state::OPEN;
            notify(k, socket);
            return Ok(());
        }
        _ => {}
    }
    let kind = k.sockets[socket].kind;
    let other = find(k, address, kind)?;
    if !may_send(k, socket, other) {
        return Err(Errno::EPERM);
    }
    set_peer(k, socket, other);
    k.sockets[socket].state = state::CONNECTED;
    notify(k, socket);
    Ok(())
}

/// connect(2) of a stream or a seqpacket socket.
pub(super) fn connect(
    k: &mut Kernel<'_>,
    socket: usize,
    address: &SockAddr,
    nonblocking: bool,
) -> SysResult {
    let s = k.sockets[socket];
    let listener = find(k, address, s.kind)?;
    let l = &k.sockets[listener];
    if l.state != state::LISTENING || l.shutdown == SHUTDOWN_MASK {
        return Err(Errno::ECONNREFUSED.into());
    }
    if is_full(k, listener) {
        if nonblocking {
            return Err(Errno::EAGAIN.into());
        }
        return Err(wait(k, listener, s.timeouts[1]));
    }
    match s.state {
        state::OPEN => {}
        state::CONNECTED => return Err(Errno::EISCONN.into()),
        _ => return Err(Errno::EINVAL.into()),
    }
    k.sockets[socket].owner = calls::effective(k);
    join(k, socket, listener)?;
    Ok(0)
}
