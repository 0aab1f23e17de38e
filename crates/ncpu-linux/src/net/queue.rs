//! Receive queues: packets in pages of the machine.
//!
//! A packet is a chain of pages. The first one starts with a header, followed by the sender's
//! address, the open files that travel with it, and data; the others start with the number of the
//! next page. A stream is a queue of packets too, of one page each: bytes are added to the last one
//! as long as they come from the same sender without descriptors, and taken from the first one.

use super::address::{Endpoint, SockAddr};
use super::transfer::{Incoming, Outgoing};
use crate::abi::socket::SCM_MAX_FD;
use crate::image::Kernel;
use crate::scratch::{PageScratch, zeroed};
use crate::{Errno, file};
use ncpu_machine::{PAGE_SIZE, Ppn};

/// Bytes of a packet's header.
const HEADER: usize = 80;
/// Where the header has the number of the chain's second page; what is before it is rewritten as a
/// whole.
const HEADER_LINK: usize = 72;
/// Bytes before the data of a page that continues a chain.
const LINK: usize = 8;
/// What a packet counts for in the limit of its queue, besides its data: about what Linux's buffer
/// heads do.
const OVERHEAD: u32 = 768;
/// Descriptors that travel with a packet, as indices of open files.
pub(super) type Rights = [u32; SCM_MAX_FD];

/// Process, user and group of a sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Credentials {
    /// Process number.
    pub pid: u32,
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

impl Credentials {
    /// What SO_PEERCRED says where there is no peer.
    pub(super) const NOBODY: Credentials = Credentials { pid: 0, uid: u32::MAX, gid: u32::MAX };
}

/// What comes with the data of a packet.
pub(super) struct Envelope<'a> {
    /// Address of the sender, none for streams.
    pub(super) source: &'a SockAddr,
    /// Where it was sent to, for IP.
    pub(super) destination: Endpoint,
    /// Who sent it.
    pub(super) credentials: Credentials,
    /// Open files to hand over.
    pub(super) rights: &'a [u32],
}

/// The header of a packet.
#[derive(Clone, Copy)]
pub(super) struct Packet {
    pub(super) page: Ppn,
    next: u32,
    last: u32,
    /// Bytes of data, and how many of them have been taken.
    length: u32,
    taken: u32,
    /// Where data starts in the first page.
    start: u32,
    rights: u32,
    source: u32,
    pub(super) credentials: Credentials,
    /// When it was sent, in nanoseconds since 1970.
    pub(super) time: u64,
    pub(super) destination: Endpoint,
}

impl Packet {
    fn load(k: &Kernel<'_>, page: Ppn) -> Packet {
        let mut raw = [0; HEADER];
        k.mem.read_page(page, 0, &mut raw);
        let word = |at: usize| u32::from_le_bytes([raw[at], raw[at + 1], raw[at + 2], raw[at + 3]]);
        let mut destination = Endpoint { port: word(48), scope: word(52), ..Endpoint::ANY6 };
        destination.address.copy_from_slice(&raw[56..72]);
        Packet {
            page,
            next: word(0),
            last: word(4),
            length: word(8),
            taken: word(12),
            start: word(16),
            rights: word(20),
            source: word(24),
            credentials: Credentials { pid: word(28), uid: word(32), gid: word(36) },
            time: u64::from(word(40)) | u64::from(word(44)) << 32,
            destination,
        }
    }

    fn store(&self, k: &mut Kernel<'_>) -> Result<(), Errno> {
        let mut raw = [0; HEADER];
        let words = [
            self.next,
            self.last,
            self.length,
            self.taken,
            self.start,
            self.rights,
            self.source,
            self.credentials.pid,
            self.credentials.uid,
            self.credentials.gid,
            self.time as u32,
            (self.time >> 32) as u32,
            self.destination.port,
            self.destination.scope,
        ];
        for (slot, word) in raw.chunks_exact_mut(4).zip(words) {
            slot.copy_from_slice(&word.to_le_bytes());
        }
        raw[56..72].copy_from_slice(&self.destination.address);
        if k.mem.write_page(self.page, 0, &raw[..HEADER_LINK]) {
            Ok(())
        } else {
            Err(Errno::ENOBUFS)
        }
    }

    /// Bytes not yet taken.
    pub(super) const fn left(&self) -> u32 {
        self.length - self.taken
    }

    /// Whether descriptors travel with it.
    pub(super) const fn has_rights(&self) -> bool {
        self.rights != 0
    }

    /// What it counts for in its queue.
    const fn charge(&self) -> u32 {
        self.left() + OVERHEAD
    }

    /// Address of the sender.
    pub(super) fn source(&self, k: &Kernel<'_>) -> SockAddr {
        let mut out = SockAddr::NONE;
        out.len = (self.source as usize).min(out.bytes.len());
        let len = out.len;
        k.mem.read_page(self.page, HEADER, &mut out.bytes[..len]);
        out
    }

    /// The open files that travel with it; returns how many.
    pub(super) fn rights(&self, k: &Kernel<'_>, out: &mut Rights) -> usize {
        let count = (self.rights as usize).min(SCM_MAX_FD);
        let start = HEADER + (self.source as usize).next_multiple_of(8);
        for (index, slot) in out[..count].iter_mut().enumerate() {
            let mut raw = [0; 4];
            k.mem.read_page(self.page, start + 4 * index, &mut raw);
            *slot = u32::from_le_bytes(raw);
        }
        count
    }

    /// Says that its open files now belong to someone else.
    pub(super) fn clear_rights(&mut self, k: &mut Kernel<'_>) {
        self.rights = 0;
        // The page was written when the packet was made, so that it is the machine's own.
        let _ = self.store(k);
    }

    /// Copies `count` bytes from `skip` on (beyond what has been taken) to `to`.
    pub(super) fn copy(
        &self,
        k: &mut Kernel<'_>,
        skip: u32,
        count: u32,
        to: &mut Incoming<'_, '_>,
    ) -> Result<(), Errno> {
        let mut scratch = PageScratch::uninit();
        let buffer = zeroed(&mut scratch);
        let (mut page, mut start) = (self.page, self.start as usize);
        let mut left = count.min(self.left().saturating_sub(skip)) as usize;
        let mut skip = (self.taken + skip) as usize;
        while left != 0 {
            let here = PAGE_SIZE - start;
            if skip < here {
                let len = (here - skip).min(left);
                k.mem.read_page(page, start + skip, &mut buffer[..len]);
                to.put(k, &buffer[..len])?;
                left -= len;
                skip = 0;
            } else {
                skip -= here;
            }
            if left != 0 {
                page = follow(k, page, self.page);
                if page == Ppn::NONE {
                    return Err(Errno::EIO);
                }
                start = LINK;
            }
        }
        Ok(())
    }
}

/// Offset of the number of the next page of the chain: in the header for the first page.
const fn link_offset(page: Ppn, first: Ppn) -> usize {
    if page.0 == first.0 { HEADER_LINK } else { 0 }
}

/// The page after `page` in the chain that starts with `first`.
fn follow(k: &Kernel<'_>, page: Ppn, first: Ppn) -> Ppn {
    let mut raw = [0; 4];
    k.mem.read_page(page, link_offset(page, first), &mut raw);
    Ppn(u32::from_le_bytes(raw))
}

/// Frees the pages of a packet.
fn free_chain(k: &mut Kernel<'_>, first: Ppn) {
    let mut page = first;
    while page != Ppn::NONE {
        let next = follow(k, page, first);
        k.mem.release(page);
        page = next;
    }
}

/// Makes a packet of `count` bytes of `from`. ENOBUFS when memory is used up.
fn build(
    k: &mut Kernel<'_>,
    envelope: &Envelope<'_>,
    from: &mut Outgoing<'_, '_>,
    count: u32,
) -> Result<Packet, Errno> {
    let first = k.mem.alloc().ok_or(Errno::ENOBUFS)?;
    let packet = fill(k, first, envelope, from, count);
    if packet.is_err() {
        free_chain(k, first);
    }
    packet
}

fn fill(
    k: &mut Kernel<'_>,
    first: Ppn,
    envelope: &Envelope<'_>,
    from: &mut Outgoing<'_, '_>,
    count: u32,
) -> Result<Packet, Errno> {
    let source = envelope.source.get();
    let rights = HEADER + source.len().next_multiple_of(8);
    let start = (rights + 4 * envelope.rights.len()).next_multiple_of(8);
    // An empty header first: a chain that is given up in the middle must end somewhere.
    let mut written = k.mem.write_page(first, 0, &[0; HEADER]);
    written &= k.mem.write_page(first, HEADER, source);
    for (index, file) in envelope.rights.iter().enumerate() {
        written &= k.mem.write_page(first, rights + 4 * index, &file.to_le_bytes());
    }
    let mut scratch = PageScratch::uninit();
    let buffer = zeroed(&mut scratch);
    let (mut page, mut at) = (first, start);
    let mut left = count as usize;
    loop {
        let len = left.min(PAGE_SIZE - at);
        from.take(k, &mut buffer[..len])?;
        written &= k.mem.write_page(page, at, &buffer[..len]);
        if !written {
            return Err(Errno::ENOBUFS);
        }
        left -= len;
        if left == 0 {
            break;
        }
        let next = k.mem.alloc().ok_or(Errno::ENOBUFS)?;
        written &= k.mem.write_page(next, 0, &[0; LINK]);
        if !k.mem.write_page(page, link_offset(page, first), &next.0.to_le_bytes()) {
            k.mem.release(next);
            return Err(Errno::ENOBUFS);
        }
        (page, at) = (next, LINK);
    }
    Ok(Packet {
        page: first,
        next: 0,
        last: page.0,
        length: count,
        taken: 0,
        start: start as u32,
        rights: envelope.rights.len() as u32,
        source: source.len() as u32,
        credentials: envelope.credentials,
        time: k.wall_time(),
        destination: envelope.destination,
    })
}

/// Whether any packet waits.
pub(super) fn is_empty(k: &Kernel<'_>, socket: usize) -> bool {
    k.sockets[socket].first == 0
}

/// The first packet.
pub(super) fn front(k: &Kernel<'_>, socket: usize) -> Option<Packet> {
    let first = k.sockets[socket].first;
    (first != 0).then(|| Packet::load(k, Ppn(first)))
}

/// The packet behind `packet`.
pub(super) fn after(k: &Kernel<'_>, packet: &Packet) -> Option<Packet> {
    (packet.next != 0).then(|| Packet::load(k, Ppn(packet.next)))
}

/// Adds one packet of `count` bytes to the queue of `socket`, with a reference to each open file
/// that travels with it.
pub(super) fn push(
    k: &mut Kernel<'_>,
    socket: usize,
    envelope: &Envelope<'_>,
    from: &mut Outgoing<'_, '_>,
    count: u32,
) -> Result<(), Errno> {
    let packet = build(k, envelope, from, count)?;
    let linked = packet.store(k).and_then(|()| match k.sockets[socket].last {
        0 => Ok(()),
        last => {
            let mut last = Packet::load(k, Ppn(last));
            last.next = packet.page.0;
            last.store(k)
        }
    });
    if let Err(errno) = linked {
        free_chain(k, packet.page);
        return Err(errno);
    }
    for &file in envelope.rights {
        file::share(k, file as usize);
    }
    let s = &mut k.sockets[socket];
    if s.first == 0 {
        s.first = packet.page.0;
    }
    s.last = packet.page.0;
    s.packets += 1;
    s.bytes += count;
    s.charge += packet.charge();
    Ok(())
}

/// Adds bytes to a stream, a page at most; returns how many.
pub(super) fn append(
    k: &mut Kernel<'_>,
    socket: usize,
    envelope: &Envelope<'_>,
    from: &mut Outgoing<'_, '_>,
) -> Result<u32, Errno> {
    let wanted = from.left().min(PAGE_SIZE as u64) as u32;
    if k.sockets[socket].last != 0 && envelope.rights.is_empty() {
        let mut last = Packet::load(k, Ppn(k.sockets[socket].last));
        let end = last.start + last.length;
        let count = wanted.min((PAGE_SIZE as u32).saturating_sub(end));
        if last.rights == 0 && last.credentials == envelope.credentials && count != 0 {
            let mut scratch = PageScratch::uninit();
            let buffer = zeroed(&mut scratch);
            let bytes = &mut buffer[..count as usize];
            from.take(k, bytes)?;
            if !k.mem.write_page(last.page, end as usize, bytes) {
                return Err(Errno::ENOBUFS);
            }
            last.length += count;
            last.store(k)?;
            let s = &mut k.sockets[socket];
            s.bytes += count;
            s.charge += count;
            return Ok(count);
        }
    }
    let start = (HEADER + 4 * envelope.rights.len()).next_multiple_of(8) as u32;
    let count = wanted.min(PAGE_SIZE as u32 - start);
    push(k, socket, envelope, from, count)?;
    Ok(count)
}

/// Takes `count` bytes from the front of a stream's first packet, and the packet when it is empty.
pub(super) fn consume(k: &mut Kernel<'_>, socket: usize, count: u32) {
    let Some(mut packet) = front(k, socket) else { return };
    if count >= packet.left() {
        return pop(k, socket);
    }
    packet.taken += count;
    // The page was written when the packet was made, so that it is the machine's own.
    let _ = packet.store(k);
    let s = &mut k.sockets[socket];
    s.bytes -= count;
    s.charge -= count;
}

/// Removes the first packet; open files that are still with it are dropped.
pub(super) fn pop(k: &mut Kernel<'_>, socket: usize) {
    let Some(packet) = front(k, socket) else { return };
    let s = &mut k.sockets[socket];
    s.first = packet.next;
    if packet.next == 0 {
        s.last = 0;
    }
    s.packets -= 1;
    s.bytes -= packet.left();
    s.charge -= packet.charge();
    let mut rights = [0; SCM_MAX_FD];
    let count = packet.rights(k, &mut rights);
    free_chain(k, packet.page);
    for &file in &rights[..count] {
        file::release(k, file as usize);
    }
}
