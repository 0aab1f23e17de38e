//! AF_NETLINK with NETLINK_ROUTE, as far as the C library asks about interfaces and addresses
//! (`netlink(7)`, `rtnetlink(7)`): dumps of links, addresses and (empty) routes.

use super::address::{Endpoint, SockAddr};
use super::interface::{FLAGS, HARDWARE, MTU, NAME, QUEUE_LENGTH};
use super::notify;
use super::options::LOOPBACK_INDEX;
use super::queue::{self, Credentials, Envelope};
use super::transfer::Outgoing;
use crate::Errno;
use crate::abi::socket::{AF_INET, AF_INET6, AF_NETLINK, AF_UNSPEC, SOCKADDR_NL_BYTES};
use crate::image::Kernel;
use crate::user::Source;

/// NETLINK_ROUTE.
pub(super) const ROUTE: u32 = 0;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_MULTI: u16 = 2;
const NLM_F_ACK: u16 = 4;
const NLM_F_DUMP: u16 = 0x300;
const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;
const RTM_GETROUTE: u16 = 26;
const RTM_GETNEIGH: u16 = 30;
const RTM_GETRULE: u16 = 34;
/// Bytes of `struct nlmsghdr`.
const HEADER: usize = 16;

/// The address of the socket with this port number.
pub(super) fn name(port: u32) -> SockAddr {
    let mut out = SockAddr { len: SOCKADDR_NL_BYTES, ..SockAddr::NONE };
    out.bytes[0] = AF_NETLINK as u8;
    out.bytes[4..8].copy_from_slice(&port.to_le_bytes());
    out
}

/// Port and groups in an address.
fn parse(address: &SockAddr) -> Result<(u32, u32), Errno> {
    if address.len < SOCKADDR_NL_BYTES || address.family() != Some(AF_NETLINK) {
        return Err(Errno::EINVAL);
    }
    let word = |at: usize| {
        let b = &address.bytes;
        u32::from_le_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]])
    };
    Ok((word(4), word(8)))
}

/// bind(2): the port asked for, or the process number, or some other number.
pub(super) fn bind(k: &mut Kernel<'_>, socket: usize, address: &SockAddr) -> Result<(), Errno> {
    let (port, _) = parse(address)?;
    let bound = k.sockets[socket].local.port;
    if bound != 0 {
        return if port == 0 || port == bound { Ok(()) } else { Err(Errno::EINVAL) };
    }
    if port != 0 && is_taken(k, port) {
        return Err(Errno::EADDRINUSE);
    }
    if port == 0 {
        autobind(k, socket);
    } else {
        k.sockets[socket].local.port = port;
    }
    Ok(())
}

fn is_taken(k: &Kernel<'_>, port: u32) -> bool {
    k.sockets
        .iter()
        .any(|s| s.state != super::state::FREE && s.family == AF_NETLINK && s.local.port == port)
}

fn autobind(k: &mut Kernel<'_>, socket: usize) {
    if k.sockets[socket].local.port != 0 {
        return;
    }
    let mut port = k.processes[k.current_process()].pid;
    // As Linux does when the process number is taken: large numbers, downwards.
    let mut next = (-4097i32) as u32;
    while is_taken(k, port) {
        port = next;
        next -= 1;
    }
    k.sockets[socket].local.port = port;
}

/// connect(2): the kernel is the only one to talk to.
pub(super) fn connect(k: &mut Kernel<'_>, socket: usize, address: &SockAddr) -> Result<(), Errno> {
    if address.family() != Some(AF_UNSPEC) && parse(address)?.0 != 0 {
        return Err(Errno::ECONNREFUSED);
    }
    autobind(k, socket);
    Ok(())
}

/// A message that is being written: a header, a fixed part, attributes.
struct Writer {
    bytes: [u8; 1024],
    len: usize,
    /// Where the current message starts.
    start: usize,
}

impl Writer {
    fn put(&mut self, bytes: &[u8]) {
        let end = self.len + bytes.len();
        // Everything that is written here has a fixed size that fits.
        if let Some(slot) = self.bytes.get_mut(self.len..end) {
            slot.copy_from_slice(bytes);
            self.len = end;
        }
    }

    fn begin(&mut self, kind: u16, flags: u16, sequence: u32, port: u32) {
        self.start = self.len;
        self.put(&[0; 4]);
        self.put(&kind.to_le_bytes());
        self.put(&flags.to_le_bytes());
        self.put(&sequence.to_le_bytes());
        self.put(&port.to_le_bytes());
    }

    fn attribute(&mut self, kind: u16, data: &[u8]) {
        self.put(&(4 + data.len() as u16).to_le_bytes());
        self.put(&kind.to_le_bytes());
        self.put(data);
        self.put(&[0; 3][..data.len().next_multiple_of(4) - data.len()]);
    }

    fn end(&mut self) {
        let len = (self.len - self.start) as u32;
        self.bytes[self.start..self.start + 4].copy_from_slice(&len.to_le_bytes());
    }
}

/// A request: the fields of its `struct nlmsghdr`, and the family that it is about.
struct Request {
    header: [u8; HEADER],
    kind: u16,
    flags: u16,
    sequence: u32,
    family: u32,
}

/// Serves the request in a message; the answer goes to the queue of the socket.
pub(super) fn send(
    k: &mut Kernel<'_>,
    socket: usize,
    from: &mut Outgoing<'_, '_>,
) -> Result<u64, Errno> {
    let len = from.left();
    let mut raw = [0; HEADER + 4];
    let known = raw.len().min(len as usize);
    from.take(k, &mut raw[..known])?;
    autobind(k, socket);
    if known < HEADER {
        return Ok(len);
    }
    let mut header = [0; HEADER];
    header.copy_from_slice(&raw[..HEADER]);
    let request = Request {
        header,
        kind: u16::from_le_bytes([raw[4], raw[5]]),
        flags: u16::from_le_bytes([raw[6], raw[7]]),
        sequence: u32::from_le_bytes([raw[8], raw[9], raw[10], raw[11]]),
        family: raw[HEADER].into(),
    };
    let port = k.sockets[socket].local.port;
    let mut out = Writer { bytes: [0; 1024], len: 0, start: 0 };
    let dump = request.flags & NLM_F_DUMP == NLM_F_DUMP;
    let mut error = Errno::EOPNOTSUPP;
    let served = match request.kind {
        RTM_GETLINK if dump || names_loopback(k, from)? => {
            link(&mut out, &request, port, dump);
            true
        }
        RTM_GETLINK => {
            error = Errno::ENODEV;
            false
        }
        RTM_GETADDR if dump => {
            addresses(&mut out, &request, port);
            true
        }
        RTM_GETROUTE | RTM_GETNEIGH | RTM_GETRULE if dump => true,
        _ => false,
    };
    if served {
        if out.len != 0 {
            answer(k, socket, &out)?;
        }
        if dump {
            out.len = 0;
            out.begin(NLMSG_DONE, NLM_F_MULTI, request.sequence, port);
            out.put(&[0; 4]);
            out.end();
            answer(k, socket, &out)?;
        }
    }
    if !served || (request.flags & NLM_F_ACK != 0 && !dump) {
        let code = if served { 0 } else { -i32::from(error.0 as i16) };
        out.len = 0;
        out.begin(NLMSG_ERROR, 0, request.sequence, port);
        out.put(&code.to_le_bytes());
        out.put(&request.header);
        out.end();
        answer(k, socket, &out)?;
    }
    Ok(len)
}

/// Whether a request for one link asks for the loopback interface: by its index, which follows the
/// family and type in `struct ifinfomsg`, or by its name in the first attribute.
fn names_loopback(k: &mut Kernel<'_>, from: &mut Outgoing<'_, '_>) -> Result<bool, Errno> {
    const IFLA_IFNAME: u8 = 3;
    const IFLA_ALT_IFNAME: u8 = 53;
    let mut raw = [0; 19];
    let known = raw.len().min(from.left() as usize);
    from.take(k, &mut raw[..known])?;
    let index = u32::from_le_bytes([raw[0], raw[1], raw[2], raw[3]]);
    if index != 0 {
        return Ok(index == LOOPBACK_INDEX);
    }
    let named = matches!(raw[14], IFLA_IFNAME | IFLA_ALT_IFNAME);
    Ok(named && raw[16..19] == *b"lo\0")
}

fn answer(k: &mut Kernel<'_>, socket: usize, out: &Writer) -> Result<(), Errno> {
    let envelope = Envelope {
        source: &name(0),
        destination: Endpoint::ANY6,
        credentials: Credentials::default(),
        rights: &[],
    };
    let mut source = Source::Kernel(&out.bytes[..out.len]);
    queue::push(k, socket, &envelope, &mut Outgoing::Plain(&mut source), out.len as u32)?;
    notify(k, socket);
    Ok(())
}

/// The link of the loopback interface (`struct ifinfomsg` and IFLA_* attributes).
fn link(out: &mut Writer, request: &Request, port: u32, dump: bool) {
    const IFLA_ADDRESS: u16 = 1;
    const IFLA_BROADCAST: u16 = 2;
    const IFLA_IFNAME: u16 = 3;
    const IFLA_MTU: u16 = 4;
    const IFLA_QDISC: u16 = 6;
    const IFLA_TXQLEN: u16 = 13;
    const IFLA_OPERSTATE: u16 = 16;
    const IFLA_LINKMODE: u16 = 17;
    // IFF_LOWER_UP besides what the ioctl shows.
    const LOWER_UP: u32 = 1 << 16;
    let flags = if dump { NLM_F_MULTI } else { 0 };
    out.begin(RTM_NEWLINK, flags, request.sequence, port);
    out.put(&[0, 0]);
    out.put(&HARDWARE.to_le_bytes());
    out.put(&LOOPBACK_INDEX.to_le_bytes());
    out.put(&(FLAGS | LOWER_UP).to_le_bytes());
    out.put(&[0; 4]);
    out.attribute(IFLA_IFNAME, &NAME[..3]);
    out.attribute(IFLA_TXQLEN, &QUEUE_LENGTH.to_le_bytes());
    out.attribute(IFLA_OPERSTATE, &[0]);
    out.attribute(IFLA_LINKMODE, &[0]);
    out.attribute(IFLA_MTU, &MTU.to_le_bytes());
    out.attribute(IFLA_ADDRESS, &[0; 6]);
    out.attribute(IFLA_BROADCAST, &[0; 6]);
    out.attribute(IFLA_QDISC, b"noqueue\0");
    out.end();
}

/// The addresses of the loopback interface (`struct ifaddrmsg` and IFA_* attributes).
fn addresses(out: &mut Writer, request: &Request, port: u32) {
    const IFA_ADDRESS: u16 = 1;
    const IFA_LOCAL: u16 = 2;
    const IFA_LABEL: u16 = 3;
    const IFA_CACHEINFO: u16 = 6;
    const IFA_FLAGS: u16 = 8;
    const IFA_F_PERMANENT: u8 = 0x80;
    const SCOPE_HOST: u8 = 254;
    // Valid and preferred for ever, made and changed at boot.
    let mut lifetime = [0; 16];
    lifetime[..8].fill(0xff);
    let permanent = u32::from(IFA_F_PERMANENT).to_le_bytes();
    let begin = |out: &mut Writer, family: u32, prefix: u8| {
        out.begin(RTM_NEWADDR, NLM_F_MULTI, request.sequence, port);
        out.put(&[family as u8, prefix, IFA_F_PERMANENT, SCOPE_HOST]);
        out.put(&LOOPBACK_INDEX.to_le_bytes());
    };
    if [AF_UNSPEC, AF_INET].contains(&request.family) {
        begin(out, AF_INET, 8);
        out.attribute(IFA_ADDRESS, &[127, 0, 0, 1]);
        out.attribute(IFA_LOCAL, &[127, 0, 0, 1]);
        out.attribute(IFA_LABEL, &NAME[..3]);
        out.attribute(IFA_FLAGS, &permanent);
        out.attribute(IFA_CACHEINFO, &lifetime);
        out.end();
    }
    if [AF_UNSPEC, AF_INET6].contains(&request.family) {
        begin(out, AF_INET6, 128);
        let mut loopback = [0; 16];
        loopback[15] = 1;
        out.attribute(IFA_ADDRESS, &loopback);
        out.attribute(IFA_CACHEINFO, &lifetime);
        out.attribute(IFA_FLAGS, &permanent);
        out.end();
    }
}
