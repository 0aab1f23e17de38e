//! ioctl of sockets (`netdevice(7)`, `tcp(7)`, `unix(7)`) and the only network interface, `lo`.

use super::{of_file, options, peer_of, queue};
use crate::abi::socket::AF_INET;
use crate::image::Kernel;
use crate::vfs::access;
use crate::{Errno, SysResult};

/// Unread bytes (SIOCINQ): of the next datagram, or of a stream.
const FIONREAD: u32 = 0x541b;
/// Bytes sent and not yet read (SIOCOUTQ).
const TIOCOUTQ: u32 = 0x5411;
const FIOSETOWN: u32 = 0x8901;
const SIOCSPGRP: u32 = 0x8902;
const FIOGETOWN: u32 = 0x8903;
const SIOCGPGRP: u32 = 0x8904;
const SIOCATMARK: u32 = 0x8905;
const SIOCGSTAMP: u32 = 0x8906;
const SIOCGIFNAME: u32 = 0x8910;
const SIOCGIFCONF: u32 = 0x8912;
const SIOCGIFFLAGS: u32 = 0x8913;
const SIOCSIFFLAGS: u32 = 0x8914;
const SIOCGIFADDR: u32 = 0x8915;
const SIOCSIFADDR: u32 = 0x8916;
const SIOCGIFDSTADDR: u32 = 0x8917;
const SIOCGIFBRDADDR: u32 = 0x8919;
const SIOCGIFNETMASK: u32 = 0x891b;
const SIOCGIFMETRIC: u32 = 0x891d;
const SIOCGIFMTU: u32 = 0x8921;
const SIOCGIFHWADDR: u32 = 0x8927;
const SIOCGIFINDEX: u32 = 0x8933;
const SIOCGIFTXQLEN: u32 = 0x8942;

/// IFF_UP, IFF_LOOPBACK and IFF_RUNNING.
pub(super) const FLAGS: u32 = 0x49;
/// MTU of the interface.
pub(super) const MTU: u32 = 65_536;
/// Length of its transmit queue.
pub(super) const QUEUE_LENGTH: u32 = 1000;
/// ARPHRD_LOOPBACK.
pub(super) const HARDWARE: u16 = 772;
/// Its name.
pub(super) const NAME: [u8; 16] = *b"lo\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// Bytes of `struct ifreq`.
const IFREQ: usize = 40;

/// ioctl(2).
pub fn ioctl(k: &mut Kernel<'_>, file: usize, request: u32, arg: u64) -> SysResult {
    let socket = of_file(k, file);
    let s = k.sockets[socket];
    let number = match request {
        FIONREAD => unread(k, socket)?,
        TIOCOUTQ => peer_of(k, socket).map_or(0, |peer| k.sockets[peer].bytes),
        FIOGETOWN | SIOCGPGRP => k.files[file].owner as u32,
        FIOSETOWN | SIOCSPGRP => {
            k.files[file].owner = k.read_record::<u32>(arg)? as i32;
            return Ok(0);
        }
        // There is no urgent data, so that the mark is never reached.
        SIOCATMARK if s.is_tcp() => 0,
        SIOCATMARK => return Err(Errno::ENOTTY.into()),
        SIOCGSTAMP => return Err(Errno::ENOENT.into()),
        SIOCGIFCONF => return list(k, arg),
        SIOCGIFNAME => {
            let mut raw = [0; IFREQ];
            k.read_user(arg, &mut raw)?;
            if raw[16..20] != options::LOOPBACK_INDEX.to_le_bytes() {
                return Err(Errno::ENODEV.into());
            }
            k.write_user(arg, &NAME)?;
            return Ok(0);
        }
        SIOCSIFFLAGS | SIOCSIFADDR => {
            let privileged = access::is_privileged(k);
            return Err(if privileged { Errno::EOPNOTSUPP } else { Errno::EPERM }.into());
        }
        _ => return attribute(k, request, arg),
    };
    k.write_record(arg, &number)?;
    Ok(0)
}

fn unread(k: &Kernel<'_>, socket: usize) -> Result<u32, Errno> {
    let s = &k.sockets[socket];
    if s.state == super::state::LISTENING {
        return Err(Errno::EINVAL);
    }
    // The packets of a seqpacket socket count together (unix_inq_len).
    if s.is_connecting_type() {
        return Ok(s.bytes);
    }
    Ok(queue::front(k, socket).map_or(0, |packet| packet.left()))
}

/// A `struct sockaddr_in` without a port.
fn address(ipv4: [u8; 4]) -> [u8; 16] {
    let mut out = [0; 16];
    out[0] = AF_INET as u8;
    out[4..8].copy_from_slice(&ipv4);
    out
}

/// SIOCGIFCONF: the interfaces that have an IPv4 address.
fn list(k: &mut Kernel<'_>, arg: u64) -> SysResult {
    let [len, buffer]: [u64; 2] = k.read_record(arg)?;
    let len = len as u32;
    let mut used = IFREQ as u32;
    if buffer != 0 {
        used = 0;
        if len as i32 >= IFREQ as i32 {
            let mut raw = [0; IFREQ];
            raw[..16].copy_from_slice(&NAME);
            raw[16..32].copy_from_slice(&address([127, 0, 0, 1]));
            k.write_user(buffer, &raw)?;
            used = IFREQ as u32;
        }
    }
    k.write_record(arg, &used)?;
    Ok(0)
}

/// Requests about one interface, named in the `struct ifreq` at `arg`.
fn attribute(k: &mut Kernel<'_>, request: u32, arg: u64) -> SysResult {
    let mut value = [0; 16];
    let mut set = |bytes: &[u8]| value[..bytes.len()].copy_from_slice(bytes);
    match request {
        SIOCGIFFLAGS => set(&(FLAGS as u16).to_le_bytes()),
        SIOCGIFADDR | SIOCGIFDSTADDR => set(&address([127, 0, 0, 1])),
        SIOCGIFBRDADDR => set(&address([0; 4])),
        SIOCGIFNETMASK => set(&address([255, 0, 0, 0])),
        SIOCGIFMETRIC => {}
        SIOCGIFMTU => set(&MTU.to_le_bytes()),
        SIOCGIFHWADDR => set(&HARDWARE.to_le_bytes()),
        SIOCGIFINDEX => set(&options::LOOPBACK_INDEX.to_le_bytes()),
        SIOCGIFTXQLEN => set(&QUEUE_LENGTH.to_le_bytes()),
        _ => return Err(Errno::ENOTTY.into()),
    }
    let mut name = [0; 16];
    k.read_user(arg, &mut name)?;
    let end = name.iter().position(|&byte| byte == 0).unwrap_or(15);
    // An alias ("lo:1") is the interface too.
    let base = name[..end].split(|&byte| byte == b':').next().unwrap_or(&[]);
    if base != b"lo" {
        return Err(Errno::ENODEV.into());
    }
    k.write_user(arg.wrapping_add(16), &value)?;
    Ok(0)
}
