//! /proc/net: the sockets of the machine, as net/ipv4/tcp_ipv4.c and its relatives print them.

use super::Text;
use super::process::P;
use crate::image::Kernel;
use crate::net;

const AF_UNIX: u32 = 1;
const AF_INET: u32 = 2;
const AF_INET6: u32 = 10;
const SOCK_STREAM: u32 = 1;
const SOCK_DGRAM: u32 = 2;
/// Inode numbers of sockets, see `object_number` of `vfs::stat`.
const FIRST_INODE: u64 = (1 << 32) + (2 << 16);

/// Generates the table of a protocol.
pub(super) fn write(k: &mut Kernel<'_>, row: P, w: &mut Text) {
    let (family, kind) = match row {
        P::NetTcp => (AF_INET, SOCK_STREAM),
        P::NetTcp6 => (AF_INET6, SOCK_STREAM),
        P::NetUdp => (AF_INET, SOCK_DGRAM),
        P::NetUdp6 => (AF_INET6, SOCK_DGRAM),
        _ => return unix(k, w),
    };
    let remote: &[u8] = match family {
        AF_INET => b"local_address rem_address   ",
        _ => b"local_address                         remote_address                        ",
    };
    w.put(k, if kind == SOCK_STREAM { b"  sl  " } else { b"   sl  " }).put(k, remote);
    w.put(k, b"st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode");
    if kind == SOCK_DGRAM {
        w.put(k, b" ref pointer drops");
    }
    w.put(k, b"\n");
    let (mut from, mut number) = (0, 0);
    while let Some(listed) = net::next(k, from, family, kind) {
        from = listed.socket + 1;
        let s = &listed.record;
        w.right(k, number, if kind == SOCK_STREAM { 4 } else { 5 }).put(k, b": ");
        for end in [&s.local, &s.remote] {
            endpoint(k, w, family, end);
            w.put(k, b" ");
        }
        let inode = FIRST_INODE + listed.socket as u64;
        upper(k, w, u64::from(listed.tcp_state), 2);
        w.put(k, b" 00000000:");
        upper(k, w, u64::from(s.bytes), 8);
        w.put(k, b" 00:00000000 00000000 ").right(k, u64::from(s.uid), 5);
        w.put(k, b"        0 ").dec(k, inode).put(k, b" 1 0000000000000000 0\n");
        number += 1;
    }
}

/// An address as 32-bit words in the byte order of the machine, and a port.
fn endpoint(k: &mut Kernel<'_>, w: &mut Text, family: u32, end: &net::Endpoint) {
    let bytes = if family == AF_INET { &end.address[12..] } else { &end.address[..] };
    for word in bytes.chunks_exact(4) {
        upper(k, w, u64::from(u32::from_le_bytes([word[0], word[1], word[2], word[3]])), 8);
    }
    w.put(k, b":");
    upper(k, w, u64::from(end.port), 4);
}

/// A hexadecimal number with capital letters.
fn upper(k: &mut Kernel<'_>, w: &mut Text, value: u64, width: u32) {
    for digit in (0..width).rev() {
        let digit = b"0123456789ABCDEF"[(value >> (4 * digit) & 15) as usize];
        w.put(k, &[digit]);
    }
}

/// `unix`, as net/unix/af_unix.c prints it.
fn unix(k: &mut Kernel<'_>, w: &mut Text) {
    /// SO_ACCEPTCON.
    const LISTENING: u64 = 1 << 16;
    w.put(k, b"Num       RefCount Protocol Flags    Type St Inode Path\n");
    let mut from = 0;
    while let Some(listed) = net::next(k, from, AF_UNIX, 0) {
        from = listed.socket + 1;
        let s = &listed.record;
        let listens = s.state == net::state::LISTENING;
        // SS_UNCONNECTED 1, SS_CONNECTED 3.
        let state = if s.state == net::state::CONNECTED { 3 } else { 1 };
        w.put(k, b"0000000000000000: ");
        upper(k, w, u64::from(s.references), 8);
        w.put(k, b" 00000000 ");
        upper(k, w, if listens { LISTENING } else { 0 }, 8);
        w.put(k, b" ");
        upper(k, w, u64::from(s.kind), 4);
        w.put(k, b" ");
        upper(k, w, state, 2);
        w.put(k, b" ").right(k, FIRST_INODE + listed.socket as u64, 5);
        let length = (s.name.length as usize).min(s.name.bytes.len());
        if length != 0 {
            w.put(k, b" ");
            for &byte in &s.name.bytes[..length] {
                // Abstract names start with a zero byte, which is shown so.
                w.put(k, &[if byte == 0 { b'@' } else { byte }]);
            }
        }
        w.put(k, b"\n");
    }
}
