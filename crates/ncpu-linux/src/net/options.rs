//! Socket options (`getsockopt(2)`, `socket(7)`, `ip(7)`, `ipv6(7)`, `tcp(7)`).
//!
//! Options that are a number which a program sets and reads are rows of one table. The others are in
//! the two calls.

use super::{Socket, calls, get, state};
use crate::abi::socket::{
    AF_INET, AF_INET6, AF_NETLINK, AF_UNIX, SOCK_STREAM, SOL_IP, SOL_IPV6, SOL_NETLINK, SOL_SOCKET,
    SOL_TCP, SOL_UDP,
};
use crate::image::Kernel;
use crate::vfs::access;
use crate::{Errno, SysResult};

/// Index of the loopback interface.
pub const LOOPBACK_INDEX: u32 = 1;

/// Default size of buffers (`/proc/sys/net/core/{r,w}mem_default`), and the most that can be asked
/// for.
const BUFFER: u32 = 212_992;
/// Default size of the buffers of TCP (`/proc/sys/net/ipv4/tcp_{w,r}mem`).
const TCP_SEND_BUFFER: u32 = 16_384;
const TCP_RECEIVE_BUFFER: u32 = 131_072;
/// Least size of buffers (include/net/sock.h).
const LEAST_SEND_BUFFER: u32 = 4608;
const LEAST_RECEIVE_BUFFER: u32 = 2304;
/// What connections over the loopback interface carry in a segment: its MTU of 65,536 bytes less the
/// headers of IP and TCP, but not more than 32 KiB and options.
const LOOPBACK_MSS: u32 = 65_483;
/// The same before a connection is made.
const DEFAULT_MSS: u32 = 536;
const LOOPBACK_MTU: u32 = 65_536;

const SO_TYPE: u32 = 3;
const SO_ERROR: u32 = 4;
const SO_SNDBUF: u32 = 7;
const SO_RCVBUF: u32 = 8;
const SO_LINGER: u32 = 13;
const SO_BSDCOMPAT: u32 = 14;
const SO_PEERCRED: u32 = 17;
const SO_SNDLOWAT: u32 = 19;
const SO_RCVTIMEO: u32 = 20;
const SO_SNDTIMEO: u32 = 21;
const SO_BINDTODEVICE: u32 = 25;
const SO_PEERNAME: u32 = 28;
/// `SO_TIMESTAMP` and the type of its control message.
pub(super) const SO_TIMESTAMP: u32 = 29;
const SO_ACCEPTCONN: u32 = 30;
const SO_SNDBUFFORCE: u32 = 32;
const SO_RCVBUFFORCE: u32 = 33;
/// `SO_TIMESTAMPNS` and the type of its control message.
pub(super) const SO_TIMESTAMPNS: u32 = 35;
const SO_PROTOCOL: u32 = 38;
const SO_DOMAIN: u32 = 39;
const SO_COOKIE: u32 = 57;
const SO_RCVTIMEO_NEW: u32 = 66;
const SO_SNDTIMEO_NEW: u32 = 67;
/// `IP_PKTINFO` and the type of its control message.
pub(super) const IP_PKTINFO: u32 = 8;
const IP_MTU: u32 = 14;
const IPV6_MTU: u32 = 24;
/// Type of the control message that `IPV6_RECVPKTINFO` asks for.
pub(super) const IPV6_PKTINFO: u32 = 50;
const TCP_MAXSEG: u32 = 2;
const TCP_INFO: u32 = 11;
const TCP_CONGESTION: u32 = 13;

/// Multicast membership of IPv4 and IPv6: the loopback interface takes part in none.
const IP_ADD_MEMBERSHIP: u32 = 35;
const IP_DROP_MEMBERSHIP: u32 = 36;
const IPV6_ADD_MEMBERSHIP: u32 = 20;
const IPV6_DROP_MEMBERSHIP: u32 = 21;

/// An option that is a number.
struct Number {
    level: u32,
    name: u32,
    default: u32,
    least: i32,
    most: i32,
}

/// The values of a switch: whatever is not zero is one.
const fn is_switch(row: &Number) -> bool {
    row.least == 0 && row.most == 1
}

macro_rules! numbers {
    ($($(#[$doc:meta])* $level:ident $name:literal $constant:ident = $default:expr,
        $least:literal..=$most:expr;)*) => {
        #[derive(Clone, Copy)]
        #[expect(non_camel_case_types, clippy::upper_case_acronyms, reason = "names of options")]
        enum Index { $($constant,)* COUNT }
        /// Number of options that a socket keeps.
        pub const COUNT: usize = Index::COUNT as usize;
        $($(#[$doc])* #[allow(dead_code, reason = "some are only set and read back")]
        pub(super) const $constant: usize = Index::$constant as usize;)*
        const NUMBERS: [Number; COUNT] = [$(
            Number { level: $level, name: $name, default: $default, least: $least, most: $most },
        )*];
    };
}

numbers! {
    SOL_SOCKET 1 DEBUG = 0, 0..=1;
    SOL_SOCKET 2 REUSEADDR = 0, 0..=1;
    SOL_SOCKET 5 DONTROUTE = 0, 0..=1;
    SOL_SOCKET 6 BROADCAST = 0, 0..=1;
    SOL_SOCKET 7 SNDBUF = BUFFER, 0..=i32::MAX;
    SOL_SOCKET 8 RCVBUF = BUFFER, 0..=i32::MAX;
    SOL_SOCKET 9 KEEPALIVE = 0, 0..=1;
    SOL_SOCKET 10 OOBINLINE = 0, 0..=1;
    SOL_SOCKET 11 NO_CHECK = 0, 0..=1;
    SOL_SOCKET 12 PRIORITY = 0, 0..=6;
    SOL_SOCKET 15 REUSEPORT = 0, 0..=1;
    SOL_SOCKET 16 PASSCRED = 0, 0..=1;
    SOL_SOCKET 18 RCVLOWAT = 1, 0..=i32::MAX;
    SOL_SOCKET 29 TIMESTAMP = 0, 0..=1;
    SOL_SOCKET 35 TIMESTAMPNS = 0, 0..=1;
    SOL_SOCKET 36 MARK = 0, -2147483648..=i32::MAX;
    SOL_SOCKET 40 RXQ_OVFL = 0, 0..=1;
    SOL_IP 1 TOS = 0, 0..=255;
    SOL_IP 2 TTL = 64, 1..=255;
    SOL_IP 6 RECVOPTS = 0, 0..=1;
    SOL_IP 8 PKTINFO = 0, 0..=1;
    SOL_IP 10 MTU_DISCOVER = 1, 0..=5;
    SOL_IP 11 RECVERR = 0, 0..=1;
    SOL_IP 15 FREEBIND = 0, 0..=1;
    SOL_IP 24 BIND_ADDRESS_NO_PORT = 0, 0..=1;
    SOL_IP 33 MULTICAST_TTL = 1, 0..=255;
    SOL_IP 34 MULTICAST_LOOP = 1, 0..=1;
    SOL_IPV6 16 UNICAST_HOPS = 64, -1..=255;
    SOL_IPV6 18 MULTICAST_HOPS = 1, -1..=255;
    SOL_IPV6 19 MULTICAST_LOOP6 = 1, 0..=1;
    SOL_IPV6 23 MTU_DISCOVER6 = 1, 0..=5;
    SOL_IPV6 25 RECVERR6 = 0, 0..=1;
    SOL_IPV6 26 V6ONLY = 0, 0..=1;
    SOL_IPV6 49 RECVPKTINFO = 0, 0..=1;
    SOL_IPV6 62 DONTFRAG = 0, 0..=1;
    SOL_IPV6 67 TCLASS = 0, -1..=255;
    SOL_TCP 1 NODELAY = 0, 0..=1;
    SOL_TCP 2 MAXSEG = 0, 88..=32767;
    SOL_TCP 3 CORK = 0, 0..=1;
    SOL_TCP 4 KEEPIDLE = 7200, 1..=32767;
    SOL_TCP 5 KEEPINTVL = 75, 1..=32767;
    SOL_TCP 6 KEEPCNT = 9, 1..=127;
    SOL_TCP 7 SYNCNT = 6, 1..=127;
    SOL_TCP 8 LINGER2 = 60, -1..=i32::MAX;
    SOL_TCP 9 DEFER_ACCEPT = 0, 0..=i32::MAX;
    SOL_TCP 10 WINDOW_CLAMP = 0, 0..=i32::MAX;
    SOL_TCP 12 QUICKACK = 1, 0..=1;
    SOL_TCP 18 USER_TIMEOUT = 0, 0..=i32::MAX;
    SOL_TCP 25 NOTSENT_LOWAT = 0, -1..=i32::MAX;
    SOL_UDP 1 UDP_CORK = 0, 0..=1;
    SOL_SOCKET 13 LINGER = 0, 0..=1;
    SOL_SOCKET 13 LINGER_SECONDS = 0, 0..=i32::MAX;
    SOL_NETLINK 3 NETLINK_PKTINFO = 0, 0..=1;
    SOL_NETLINK 10 CAP_ACK = 0, 0..=1;
    SOL_NETLINK 11 EXT_ACK = 0, 0..=1;
    SOL_NETLINK 12 GET_STRICT_CHECK = 0, 0..=1;
}

/// Gives the options of a new socket their defaults.
pub(super) fn set_defaults(s: &mut Socket) {
    for (value, row) in s.options.iter_mut().zip(&NUMBERS) {
        *value = row.default;
    }
    if s.is_tcp() {
        s.options[SNDBUF] = TCP_SEND_BUFFER;
        s.options[RCVBUF] = TCP_RECEIVE_BUFFER;
    }
}

/// Whether closing throws away what is not sent and resets the connection (SO_LINGER with no time).
pub(super) fn lingers_zero(s: &Socket) -> bool {
    s.options[LINGER] != 0 && s.options[LINGER_SECONDS] == 0
}

/// The row of an option that the socket has.
fn row(s: &Socket, level: u32, name: u32) -> Option<usize> {
    let applies = match level {
        SOL_SOCKET => true,
        SOL_IP => s.is_inet(),
        SOL_IPV6 => s.family == AF_INET6,
        SOL_TCP => s.is_tcp(),
        SOL_UDP => s.is_inet() && !s.is_tcp(),
        SOL_NETLINK => s.family == AF_NETLINK,
        _ => false,
    };
    if !applies {
        return None;
    }
    NUMBERS.iter().position(|row| row.level == level && row.name == name)
}

/// What an unknown option of `level` fails with.
fn unknown(s: &Socket, level: u32) -> Errno {
    let has_levels = s.is_inet();
    match level {
        SOL_SOCKET | SOL_IP | SOL_IPV6 | SOL_TCP | SOL_UDP | SOL_NETLINK if has_levels => {
            Errno::ENOPROTOOPT
        }
        SOL_SOCKET => Errno::ENOPROTOOPT,
        SOL_NETLINK if s.family == AF_NETLINK => Errno::ENOPROTOOPT,
        _ if s.family == AF_UNIX => Errno::EOPNOTSUPP,
        _ => Errno::ENOPROTOOPT,
    }
}

/// setsockopt(2).
pub fn setsockopt(
    k: &mut Kernel<'_>,
    fd: i32,
    level: u32,
    name: u32,
    value: u64,
    len: u32,
) -> SysResult {
    let (_, socket) = get(k, fd)?;
    if (len as i32) < 0 {
        return Err(Errno::EINVAL.into());
    }
    let s = k.sockets[socket];
    match (level, name) {
        (SOL_SOCKET, SO_TYPE | SO_ERROR | SO_ACCEPTCONN | SO_PROTOCOL | SO_DOMAIN) => {
            return Err(Errno::ENOPROTOOPT.into());
        }
        (SOL_SOCKET, SO_BSDCOMPAT) => return Ok(0),
        (SOL_SOCKET, SO_SNDBUF | SO_RCVBUF | SO_SNDBUFFORCE | SO_RCVBUFFORCE) => {
            let wanted = read_int(k, value, len)?;
            set_buffer(k, socket, name, wanted)?;
            return Ok(0);
        }
        (SOL_SOCKET, SO_LINGER) => {
            if len < 8 {
                return Err(Errno::EINVAL.into());
            }
            let [on, seconds]: [u32; 2] = k.read_record(value)?;
            let s = &mut k.sockets[socket];
            s.options[LINGER] = (on != 0).into();
            s.options[LINGER_SECONDS] = seconds;
            return Ok(0);
        }
        (SOL_SOCKET, SO_RCVTIMEO | SO_SNDTIMEO | SO_RCVTIMEO_NEW | SO_SNDTIMEO_NEW) => {
            if len < 16 {
                return Err(Errno::EINVAL.into());
            }
            let [seconds, microseconds]: [i64; 2] = k.read_record(value)?;
            if !(0..1_000_000).contains(&microseconds) {
                return Err(Errno::EDOM.into());
            }
            // A negative time is no waiting at all (sock_set_timeout).
            let limit = if seconds < 0 {
                1
            } else {
                (seconds as u64)
                    .saturating_mul(1_000_000_000)
                    .saturating_add(microseconds as u64 * 1000)
            };
            let sends = matches!(name, SO_SNDTIMEO | SO_SNDTIMEO_NEW);
            k.sockets[socket].timeouts[usize::from(sends)] = limit;
            return Ok(0);
        }
        (SOL_SOCKET, SO_BINDTODEVICE) => return set_device(k, value, len),
        (SOL_IP, IP_ADD_MEMBERSHIP) | (SOL_IPV6, IPV6_ADD_MEMBERSHIP) if s.is_inet() => {
            return Err(Errno::ENODEV.into());
        }
        (SOL_IP, IP_DROP_MEMBERSHIP) | (SOL_IPV6, IPV6_DROP_MEMBERSHIP) if s.is_inet() => {
            return Err(Errno::EADDRNOTAVAIL.into());
        }
        (SOL_TCP, TCP_CONGESTION) if s.is_tcp() => {
            let mut wanted = [0; 16];
            let len = (len as usize).min(wanted.len() - 1);
            k.read_user(value, &mut wanted[..len])?;
            let end = wanted.iter().position(|&byte| byte == 0).unwrap_or(len);
            let known = matches!(&wanted[..end], b"cubic" | b"reno");
            return if known { Ok(0) } else { Err(Errno::ENOENT.into()) };
        }
        _ => {}
    }
    let Some(index) = row(&s, level, name) else { return Err(unknown(&s, level).into()) };
    let wanted = if level == SOL_IP && (1..4).contains(&len) {
        // IPv4 options may be one byte (ip_sockglue.c).
        let mut byte = [0];
        k.read_user(value, &mut byte)?;
        i32::from(byte[0])
    } else {
        read_int(k, value, len)?
    };
    set_number(k, socket, index, wanted)?;
    Ok(0)
}

fn read_int(k: &mut Kernel<'_>, value: u64, len: u32) -> Result<i32, Errno> {
    if len < 4 {
        return Err(Errno::EINVAL);
    }
    k.read_record::<u32>(value).map(|value| value as i32)
}

fn set_buffer(k: &mut Kernel<'_>, socket: usize, name: u32, wanted: i32) -> Result<(), Errno> {
    let force = matches!(name, SO_SNDBUFFORCE | SO_RCVBUFFORCE);
    if force && !access::is_privileged(k) {
        return Err(Errno::EPERM);
    }
    let most = if force { i32::MAX as u32 / 2 } else { BUFFER };
    // A negative size is a huge one (socket(7) does not say so, sock_setsockopt does).
    let wanted = (wanted as u32).min(most) * 2;
    let options = &mut k.sockets[socket].options;
    if matches!(name, SO_SNDBUF | SO_SNDBUFFORCE) {
        options[SNDBUF] = wanted.max(LEAST_SEND_BUFFER);
    } else {
        options[RCVBUF] = wanted.max(LEAST_RECEIVE_BUFFER);
    }
    super::notify(k, socket);
    Ok(())
}

fn set_device(k: &mut Kernel<'_>, value: u64, len: u32) -> SysResult {
    let mut name = [0; 16];
    let len = (len as usize).min(name.len() - 1);
    k.read_user(value, &mut name[..len])?;
    let end = name.iter().position(|&byte| byte == 0).unwrap_or(len);
    match &name[..end] {
        b"" | b"lo" => Ok(0),
        _ => Err(Errno::ENODEV.into()),
    }
}

fn set_number(k: &mut Kernel<'_>, socket: usize, index: usize, wanted: i32) -> Result<(), Errno> {
    let s = k.sockets[socket];
    let rule = &NUMBERS[index];
    let value = if is_switch(rule) { i32::from(wanted != 0) } else { wanted };
    let privileged = access::is_privileged(k);
    match index {
        DEBUG if value != 0 && !privileged => return Err(Errno::EACCES),
        MARK if !privileged => return Err(Errno::EPERM),
        PRIORITY if !(0..=6).contains(&value) => return Err(Errno::EPERM),
        // A negative mark means as much as possible, and none is one.
        RCVLOWAT => {
            let value = if value < 0 { i32::MAX } else { value.max(1) };
            k.sockets[socket].options[index] = value as u32;
            super::notify(k, socket);
            return Ok(());
        }
        V6ONLY if s.local.port != 0 => return Err(Errno::EINVAL),
        TTL | UNICAST_HOPS | MULTICAST_HOPS if value == -1 => {
            k.sockets[socket].options[index] = rule.default;
            return Ok(());
        }
        MAXSEG if value == 0 => {
            k.sockets[socket].options[index] = 0;
            return Ok(());
        }
        // The two lowest bits of the type of service are not the program's (RFC 3168).
        TOS if s.is_tcp() => {
            k.sockets[socket].options[index] = value as u32 & 0xfc;
            return Ok(());
        }
        TOS => {
            k.sockets[socket].options[index] = value as u32 & 0xff;
            return Ok(());
        }
        _ => {}
    }
    if value < rule.least || value > rule.most {
        return Err(Errno::EINVAL);
    }
    k.sockets[socket].options[index] = value as u32;
    Ok(())
}

/// Bytes that an option's value takes at most here.
const VALUE: usize = 256;

/// getsockopt(2).
pub fn getsockopt(
    k: &mut Kernel<'_>,
    fd: i32,
    level: u32,
    name: u32,
    value: u64,
    len_ptr: u64,
) -> SysResult {
    let (_, socket) = get(k, fd)?;
    let room = k.read_record::<u32>(len_ptr)? as i32;
    if room < 0 {
        return Err(Errno::EINVAL.into());
    }
    let mut out = [0; VALUE];
    let len = value_of(k, socket, level, name, room as usize, &mut out)?;
    let len = len.min(room as usize);
    k.write_user(value, &out[..len])?;
    k.write_record(len_ptr, &(len as u32))?;
    Ok(0)
}

/// Writes the value of an option into `out` and returns its length.
fn value_of(
    k: &mut Kernel<'_>,
    socket: usize,
    level: u32,
    name: u32,
    room: usize,
    out: &mut [u8; VALUE],
) -> Result<usize, Errno> {
    let s = k.sockets[socket];
    let connected = s.state == state::CONNECTED;
    let number = match (level, name) {
        (SOL_SOCKET, SO_TYPE) => s.kind,
        (SOL_SOCKET, SO_DOMAIN) => s.family,
        (SOL_SOCKET, SO_PROTOCOL) => s.protocol,
        (SOL_SOCKET, SO_ACCEPTCONN) => (s.state == state::LISTENING).into(),
        (SOL_SOCKET, SO_ERROR) => core::mem::take(&mut k.sockets[socket].error),
        (SOL_SOCKET, SO_SNDLOWAT) => 1,
        (SOL_SOCKET, SO_BSDCOMPAT) => 0,
        (SOL_SOCKET, SO_LINGER) => {
            return Ok(words(out, &[s.options[LINGER], s.options[LINGER_SECONDS]]));
        }
        (SOL_SOCKET, SO_RCVTIMEO | SO_SNDTIMEO | SO_RCVTIMEO_NEW | SO_SNDTIMEO_NEW) => {
            let sends = matches!(name, SO_SNDTIMEO | SO_SNDTIMEO_NEW);
            let limit = s.timeouts[usize::from(sends)];
            out[..8].copy_from_slice(&(limit / 1_000_000_000).to_le_bytes());
            out[8..16].copy_from_slice(&(limit % 1_000_000_000 / 1000).to_le_bytes());
            return Ok(16);
        }
        (SOL_SOCKET, SO_PEERCRED) => {
            let of = s.peer_owner;
            return Ok(words(out, &[of.pid, of.uid, of.gid]));
        }
        (SOL_SOCKET, SO_PEERNAME) => {
            let name = calls::remote_name(k, socket).ok_or(Errno::ENOTCONN)?;
            if name.len < room {
                return Err(Errno::EINVAL);
            }
            out[..name.len].copy_from_slice(name.get());
            return Ok(name.len);
        }
        (SOL_SOCKET, SO_COOKIE) => {
            if room != 8 {
                return Err(Errno::EINVAL);
            }
            return Ok(words(out, &[socket as u32 + 1, 0]));
        }
        (SOL_SOCKET, SO_BINDTODEVICE) => return Ok(0),
        (SOL_IP, IP_MTU) if s.family == AF_INET && connected => LOOPBACK_MTU,
        (SOL_IPV6, IPV6_MTU) if s.family == AF_INET6 && connected => LOOPBACK_MTU,
        (SOL_IP, IP_MTU) | (SOL_IPV6, IPV6_MTU) if s.is_inet() => return Err(Errno::ENOTCONN),
        (SOL_TCP, TCP_MAXSEG) if s.is_tcp() => match s.options[MAXSEG] {
            _ if connected => LOOPBACK_MSS,
            0 => DEFAULT_MSS,
            wanted => wanted,
        },
        (SOL_TCP, TCP_CONGESTION) if s.is_tcp() => {
            out[..5].copy_from_slice(b"cubic");
            return Ok(16);
        }
        (SOL_TCP, TCP_INFO) if s.is_tcp() => return Ok(tcp_info(k, socket, out)),
        _ => match row(&s, level, name) {
            Some(index) => s.options[index],
            None => return Err(unknown(&s, level)),
        },
    };
    // IPv4 options that are small are one byte where there is room for no more.
    if level == SOL_IP && (1..4).contains(&room) && number < 256 {
        out[0] = number as u8;
        return Ok(1);
    }
    Ok(words(out, &[number]))
}

fn words(out: &mut [u8; VALUE], values: &[u32]) -> usize {
    for (slot, value) in out.chunks_exact_mut(4).zip(values) {
        slot.copy_from_slice(&value.to_le_bytes());
    }
    4 * values.len()
}

/// `struct tcp_info` (include/uapi/linux/tcp.h): the state, segment sizes and the like of a connection
/// that loses nothing.
fn tcp_info(k: &Kernel<'_>, socket: usize, out: &mut [u8; VALUE]) -> usize {
    /// Bytes that Linux 6.1 has.
    const BYTES: usize = 232;
    let s = &k.sockets[socket];
    let listed = super::next(k, socket, s.family, SOCK_STREAM);
    out[0] = listed.map_or(0, |listed| listed.tcp_state) as u8;
    let mut word = |at: usize, value: u32| out[at..at + 4].copy_from_slice(&value.to_le_bytes());
    // Retransmission timeout and delayed acknowledgement in microseconds; segment sizes.
    word(8, 200_000);
    word(12, 40_000);
    word(16, LOOPBACK_MSS);
    word(20, DEFAULT_MSS);
    // Unacknowledged segments of a listening socket are those that wait to be accepted.
    word(24, s.waiting);
    word(28, if s.state == state::LISTENING { s.backlog } else { 0 });
    word(60, LOOPBACK_MTU);
    // Congestion window and its threshold.
    word(76, i32::MAX as u32);
    word(80, 10);
    BYTES
}
