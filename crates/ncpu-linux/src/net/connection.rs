//! Connections: sockets as peers of each other, the list of a listening socket, and how they end.

use super::{Socket, create, inet, mark, notify, of_file, options, queue, state, wake};
use crate::Errno;
use crate::abi::socket::{AF_UNIX, RCV_SHUTDOWN, SHUTDOWN_MASK};
use crate::image::Kernel;
use crate::vfs::{self, Node};

/// Makes `peer` the peer of `socket`.
pub(super) fn set_peer(k: &mut Kernel<'_>, socket: usize, peer: usize) {
    k.sockets[peer].references += 1;
    drop_peer(k, socket);
    k.sockets[socket].peer = peer as u32 + 1;
}

/// Takes the peer of `socket` away.
pub(super) fn drop_peer(k: &mut Kernel<'_>, socket: usize) {
    if let Some(peer) = core::mem::take(&mut k.sockets[socket].peer).checked_sub(1) {
        drop_reference(k, peer as usize);
    }
}

/// The peer, dead or alive.
pub(super) fn peer_of(k: &Kernel<'_>, socket: usize) -> Option<usize> {
    k.sockets[socket].peer.checked_sub(1).map(|peer| peer as usize)
}

pub(super) fn drop_reference(k: &mut Kernel<'_>, socket: usize) {
    let s = &mut k.sockets[socket];
    s.references = s.references.saturating_sub(1);
    if s.references == 0 {
        // A dead socket has an empty queue and no peer.
        *s = Socket::FREE;
    }
}

/// The last reference to the open file is gone.
///
/// Packets in its queue may hold the last references to other sockets. Those are only put on a list
/// here and closed one after the other by the outermost call, so that a chain of sockets in each
/// other's queues takes no stack.
pub fn close(k: &mut Kernel<'_>, file: usize) {
    bury(k, of_file(k, file));
    close_buried(k);
}

/// Closes what [`bury`] has put on the list, unless that is already being done.
pub(super) fn close_buried(k: &mut Kernel<'_>) {
    if core::mem::replace(&mut k.header.sockets_closing, 1) != 0 {
        return;
    }
    while let Some(socket) = k.header.sockets_buried.checked_sub(1) {
        let socket = socket as usize;
        k.header.sockets_buried = core::mem::take(&mut k.sockets[socket].list[2]);
        finish(k, socket);
    }
    k.header.sockets_closing = 0;
}

/// Puts a socket on the list of those to be closed.
pub(super) fn bury(k: &mut Kernel<'_>, socket: usize) {
    let s = &mut k.sockets[socket];
    if s.state == state::FREE || s.is_dead() {
        return;
    }
    s.marks |= mark::DEAD;
    s.list[2] = core::mem::replace(&mut k.header.sockets_buried, socket as u32 + 1);
}

/// Closes a socket that nobody can reach any more.
pub(super) fn finish(k: &mut Kernel<'_>, socket: usize) {
    stop_listening(k, socket);
    let s = k.sockets[socket];
    let unread = !queue::is_empty(k, socket) || s.marks & mark::EMBRYO != 0;
    while !queue::is_empty(k, socket) {
        queue::pop(k, socket);
    }
    if s.is_connecting_type() && s.state == state::CONNECTED {
        hang_up(k, socket, unread);
    }
    let node = core::mem::take(&mut k.sockets[socket].node);
    if node != 0 {
        vfs::drop_node(k, Node(node));
    }
    drop_peer(k, socket);
    wake(k, socket);
    drop_reference(k, socket);
}

/// Tells the peer of a connection that this side is closed. `unread` data makes that a reset.
pub(super) fn hang_up(k: &mut Kernel<'_>, socket: usize, unread: bool) {
    let Some(peer) = peer_of(k, socket) else { return };
    if peer_of(k, peer) != Some(socket) {
        return;
    }
    let abort = options::lingers_zero(&k.sockets[socket]);
    let p = &mut k.sockets[peer];
    if p.family == AF_UNIX {
        p.shutdown = SHUTDOWN_MASK;
        if unread {
            p.error = Errno::ECONNRESET.0.into();
        }
    } else if unread || abort {
        reset(p);
    } else {
        p.shutdown |= RCV_SHUTDOWN;
    }
    notify(k, peer);
}

/// What a reset does to a TCP socket (RFC 9293 §3.10.7.4; Linux: EPIPE when the other side had
/// already ended its stream).
pub(super) fn reset(s: &mut Socket) {
    let ended = s.shutdown & RCV_SHUTDOWN != 0;
    s.error = if ended { Errno::EPIPE.0 } else { Errno::ECONNRESET.0 }.into();
    s.shutdown = SHUTDOWN_MASK;
    s.state = state::CLOSED;
}

/// Drops the connections that wait to be accepted and refuses those that wait for room.
pub(super) fn stop_listening(k: &mut Kernel<'_>, socket: usize) {
    if k.sockets[socket].state != state::LISTENING {
        return;
    }
    k.sockets[socket].state = state::OPEN;
    while let Some(child) = take_embryo(k, socket) {
        // The child never had an open file: it is closed like one that was.
        k.sockets[child].marks |= mark::EMBRYO;
        bury(k, child);
    }
    inet::refuse_waiting(k, socket);
    close_buried(k);
    notify(k, socket);
}

/// Takes the first connection from the list of a listening socket.
pub(super) fn take_embryo(k: &mut Kernel<'_>, listener: usize) -> Option<usize> {
    let child = k.sockets[listener].list[0].checked_sub(1)? as usize;
    let next = core::mem::take(&mut k.sockets[child].list[2]);
    k.sockets[child].marks &= !mark::EMBRYO;
    let l = &mut k.sockets[listener];
    l.list[0] = next;
    if next == 0 {
        l.list[1] = 0;
    }
    l.waiting -= 1;
    Some(child)
}

/// Whether a listening socket has no room for one more connection.
pub(super) fn is_full(k: &Kernel<'_>, listener: usize) -> bool {
    k.sockets[listener].waiting > k.sockets[listener].backlog
}

/// Connects `socket` to `listener`: makes the socket that will be accepted and puts it in the list.
pub(super) fn join(k: &mut Kernel<'_>, socket: usize, listener: usize) -> Result<(), Errno> {
    let l = k.sockets[listener];
    let child = create(k, l.family, l.kind, l.protocol).map_err(|_| Errno::ENOBUFS)?;
    let s = k.sockets[socket];
    let c = &mut k.sockets[child];
    c.state = state::CONNECTED;
    c.marks = mark::EMBRYO | mark::ACCEPTED;
    c.uid = l.uid;
    c.options = l.options;
    c.timeouts = l.timeouts;
    (c.local, c.remote) = (s.remote, s.local);
    c.name = l.name;
    (c.owner, c.peer_owner) = (l.owner, s.owner);
    k.sockets[socket].peer_owner = l.owner;
    k.sockets[socket].state = state::CONNECTED;
    set_peer(k, socket, child);
    set_peer(k, child, socket);
    let l = &mut k.sockets[listener];
    match core::mem::replace(&mut l.list[1], child as u32 + 1) {
        0 => l.list[0] = child as u32 + 1,
        last => k.sockets[last as usize - 1].list[2] = child as u32 + 1,
    }
    k.sockets[listener].waiting += 1;
    notify(k, listener);
    notify(k, socket);
    Ok(())
}
