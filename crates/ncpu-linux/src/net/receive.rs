//! Receiving (`recv(2)`).

use super::address::{Endpoint, SockAddr};
use super::queue::{self, Credentials, Packet, Rights};
use super::transfer::Incoming;
use super::{
    calls, has_boundaries, is_nonblocking, notify, of_file, options, peer_of, send, state, wait,
    wake,
};
use crate::abi::socket::{
    AF_UNIX, MSG_DONTWAIT, MSG_ERRQUEUE, MSG_OOB, MSG_PEEK, MSG_TRUNC, MSG_WAITALL, RCV_SHUTDOWN,
    SCM_MAX_FD, SOCK_SEQPACKET,
};
use crate::image::Kernel;
use crate::{Block, Errno, SysResult, file};

/// What came with the data.
pub(super) struct Received {
    /// Address of the sender, none for streams over IP.
    pub(super) name: SockAddr,
    /// MSG_TRUNC.
    pub(super) flags: u32,
    /// Who sent it.
    pub(super) credentials: Option<Credentials>,
    /// Open files, each with a reference that is now the receiver's.
    pub(super) rights: Rights,
    /// How many.
    pub(super) rights_count: usize,
    /// When it was sent, and where to; none for streams.
    pub(super) datagram: Option<(u64, Endpoint)>,
}

impl Received {
    /// Nothing yet.
    pub(super) const fn new() -> Received {
        Received {
            name: SockAddr::NONE,
            flags: 0,
            credentials: None,
            rights: [0; SCM_MAX_FD],
            rights_count: 0,
            datagram: None,
        }
    }

    /// Drops the open files from number `from` on.
    pub(super) fn drop_rights(&mut self, k: &mut Kernel<'_>, from: usize) {
        for &file in &self.rights[from.min(self.rights_count)..self.rights_count] {
            file::release(k, file as usize);
        }
        self.rights_count = self.rights_count.min(from);
    }

    /// Takes over what travels with a packet; a packet that stays in the queue keeps its own
    /// references.
    fn take_rights(&mut self, k: &mut Kernel<'_>, packet: &mut Packet, peek: bool) {
        if !packet.has_rights() {
            return;
        }
        self.drop_rights(k, 0);
        self.rights_count = packet.rights(k, &mut self.rights);
        if peek {
            for &file in &self.rights[..self.rights_count] {
                file::share(k, file as usize);
            }
        } else {
            packet.clear_rights(k);
        }
    }
}

/// Reads for read(2) and its relatives.
pub(super) fn read(k: &mut Kernel<'_>, file: usize, into: &mut Incoming<'_, '_>) -> SysResult {
    let mut got = Received::new();
    let result = receive(k, file, 0, into, &mut got, 0, &mut 0);
    got.drop_rights(k, 0);
    result
}

/// Receives into `into`. An earlier try of the call has received `before` bytes already; `done`
/// counts those of this one when the result is to sleep.
pub(super) fn receive(
    k: &mut Kernel<'_>,
    file: usize,
    flags: u32,
    into: &mut Incoming<'_, '_>,
    got: &mut Received,
    before: u64,
    done: &mut u64,
) -> SysResult {
    let socket = of_file(k, file);
    let s = k.sockets[socket];
    if flags & MSG_OOB != 0 {
        // There is no urgent data to read.
        return Err(if s.is_tcp() { Errno::EINVAL } else { Errno::EOPNOTSUPP }.into());
    }
    if flags & MSG_ERRQUEUE != 0 && s.is_inet() {
        return Err(Errno::EAGAIN.into());
    }
    let nonblocking = is_nonblocking(k, file) || flags & MSG_DONTWAIT != 0;
    if has_boundaries(s.kind) || !matches!(s.family, AF_UNIX) && !s.is_tcp() {
        return packet(k, socket, flags, into, got, nonblocking);
    }
    let had_room = peer_of(k, socket).is_none_or(|peer| send::has_room(k, peer));
    let result = stream(k, socket, flags, into, got, nonblocking, before, done);
    if *done != 0 {
        wake(k, socket);
        if !had_room
            && let Some(peer) = peer_of(k, socket)
            && send::has_room(k, peer)
        {
            notify(k, peer);
        }
    }
    if s.family == AF_UNIX
        && let Some(name) = calls::remote_name(k, socket)
        && name.len > 2
    {
        got.name = name;
    }
    match result {
        Err(Block::Error(_)) if *done + before != 0 => Ok(*done),
        other => other,
    }
}

/// Whether an empty stream is at its end; an error if it is not in a state to be read.
fn at_end(k: &mut Kernel<'_>, socket: usize) -> Result<bool, Errno> {
    let s = &mut k.sockets[socket];
    // The error of a write after the end has come does not concern reading.
    let ended = s.is_tcp() && s.error == Errno::EPIPE.0.into();
    if !ended && let Some(errno) = s.take_error() {
        return Err(errno);
    }
    if s.shutdown & RCV_SHUTDOWN != 0 || s.state == state::CLOSED {
        return Ok(true);
    }
    if s.is_tcp() && !matches!(s.state, state::CONNECTED | state::CONNECTING) {
        return Err(Errno::ENOTCONN);
    }
    Ok(false)
}

#[expect(clippy::too_many_arguments, reason = "the state of one call, passed through")]
fn stream(
    k: &mut Kernel<'_>,
    socket: usize,
    flags: u32,
    into: &mut Incoming<'_, '_>,
    got: &mut Received,
    nonblocking: bool,
    before: u64,
    done: &mut u64,
) -> SysResult {
    let s = k.sockets[socket];
    if s.family == AF_UNIX && s.state != state::CONNECTED {
        return Err(Errno::EINVAL.into());
    }
    let passes_credentials = s.option(options::PASSCRED) != 0;
    let discard = flags & MSG_TRUNC != 0 && s.is_tcp();
    let peek = flags & MSG_PEEK != 0;
    let wanted = into.room().saturating_add(before);
    let least = if flags & MSG_WAITALL != 0 && !peek {
        wanted
    } else {
        wanted.min(s.option(options::RCVLOWAT).into())
    };
    let mut next = queue::front(k, socket);
    loop {
        let Some(mut packet) = next else {
            if *done + before >= least.max(1) || (peek && *done != 0) {
                return Ok(*done);
            }
            if at_end(k, socket)? {
                return Ok(*done);
            }
            if nonblocking {
                return Err(Errno::EAGAIN.into());
            }
            return Err(wait(k, socket, s.timeouts[0]));
        };
        let other_sender = got.credentials.is_some_and(|from| from != packet.credentials);
        if passes_credentials && other_sender {
            return Ok(*done);
        }
        if s.family == AF_UNIX {
            got.credentials = Some(packet.credentials);
        }
        let count = u64::from(packet.left()).min(into.room()) as u32;
        if discard {
            into.skip(k, count.into())?;
        } else {
            packet.copy(k, 0, count, into)?;
        }
        *done += u64::from(count);
        let has_rights = packet.has_rights();
        got.take_rights(k, &mut packet, peek);
        if peek {
            next = queue::after(k, &packet);
        } else {
            queue::consume(k, socket, count);
            next = queue::front(k, socket);
        }
        // Descriptors come with the last byte that a call returns, never in the middle.
        if has_rights || into.room() == 0 {
            return Ok(*done);
        }
    }
}

/// There is room in the queue of `socket` again: its peers may send.
fn tell_senders(k: &mut Kernel<'_>, socket: usize) {
    for sender in 0..k.sockets.len() {
        if peer_of(k, sender) == Some(socket) && send::has_room(k, sender) {
            notify(k, sender);
        }
    }
}

fn packet(
    k: &mut Kernel<'_>,
    socket: usize,
    flags: u32,
    into: &mut Incoming<'_, '_>,
    got: &mut Received,
    nonblocking: bool,
) -> SysResult {
    let s = k.sockets[socket];
    if s.kind == SOCK_SEQPACKET && s.state != state::CONNECTED {
        return Err(Errno::ENOTCONN.into());
    }
    if let Some(errno) = k.sockets[socket].take_error() {
        return Err(errno.into());
    }
    let Some(mut packet) = queue::front(k, socket) else {
        if s.shutdown & RCV_SHUTDOWN != 0 {
            return Ok(0);
        }
        if nonblocking {
            return Err(Errno::EAGAIN.into());
        }
        return Err(wait(k, socket, s.timeouts[0]));
    };
    let len = packet.left();
    let count = u64::from(len).min(into.room()) as u32;
    let copied = packet.copy(k, 0, count, into);
    got.name = packet.source(k);
    if s.family == AF_UNIX {
        got.credentials = Some(packet.credentials);
    }
    got.datagram = Some((packet.time, packet.destination));
    if count < len {
        got.flags |= MSG_TRUNC;
    }
    got.take_rights(k, &mut packet, flags & MSG_PEEK != 0);
    if flags & MSG_PEEK == 0 {
        queue::pop(k, socket);
        if s.family == AF_UNIX {
            tell_senders(k, socket);
        }
        wake(k, socket);
    }
    copied?;
    Ok(if flags & MSG_TRUNC != 0 { len } else { count }.into())
}
