//! Socket addresses: the names of AF_UNIX sockets and the end points of IP.

use crate::Errno;
use crate::abi::socket::{
    AF_INET, AF_INET6, AF_UNIX, SOCKADDR_BYTES, SOCKADDR_IN_BYTES, SOCKADDR_IN6_BYTES,
    SOCKADDR_UN_BYTES,
};
use crate::image::Kernel;

/// An IP address and port. IPv4 addresses are kept in their IPv4-mapped form (RFC 4291 §2.5.5.2), so
/// that one comparison serves both families.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Endpoint {
    /// The address.
    pub address: [u8; 16],
    /// The port, 0 for none.
    pub port: u32,
    /// Scope of an IPv6 address.
    pub scope: u32,
}

impl Endpoint {
    /// `::`.
    pub(super) const ANY6: Endpoint = Endpoint { address: [0; 16], port: 0, scope: 0 };
    /// `0.0.0.0`.
    pub(super) const ANY4: Endpoint = Endpoint::v4([0; 4], 0);

    /// An IPv4 end point.
    pub(super) const fn v4(a: [u8; 4], port: u32) -> Endpoint {
        let address = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a[0], a[1], a[2], a[3]];
        Endpoint { address, port, scope: 0 }
    }

    /// Whether this is an IPv4 address.
    pub(super) fn is_v4(&self) -> bool {
        self.address[..10] == [0; 10] && self.address[10..12] == [0xff; 2]
    }

    /// Whether this stands for all addresses of its family.
    pub(super) fn is_any(&self) -> bool {
        self.address == Self::ANY6.address || self.address == Self::ANY4.address
    }

    /// Whether this is an address of this machine: 127.0.0.0/8 or `::1`.
    pub(super) fn is_local(&self) -> bool {
        if self.is_v4() {
            return self.address[12] == 127;
        }
        self.address[..15] == [0; 15] && self.address[15] == 1
    }

    /// Whether this is a multicast or the limited broadcast address.
    pub(super) fn is_group(&self) -> bool {
        if self.is_v4() {
            return self.address[12] >> 4 == 14 || self.address[12..] == [255; 4];
        }
        self.address[0] == 0xff
    }

    /// The four bytes of an IPv4 address.
    pub(super) fn ipv4(&self) -> [u8; 4] {
        [self.address[12], self.address[13], self.address[14], self.address[15]]
    }

    /// The address of this machine that packets to `self` leave from: the one of the loopback
    /// interface.
    pub(super) fn loopback(&self) -> [u8; 16] {
        if self.is_v4() {
            return Endpoint::v4([127, 0, 0, 1], 0).address;
        }
        let mut address = [0; 16];
        address[15] = 1;
        address
    }

    /// Where packets to this address go: an unspecified address means this machine, as Linux has it,
    /// and whatever is not of this machine has no route.
    pub(super) fn route(mut self) -> Result<Endpoint, Errno> {
        if self.is_any() {
            self.address = self.loopback();
        }
        if self.is_local() { Ok(self) } else { Err(Errno::ENETUNREACH) }
    }
}

/// A socket address as bytes, as user memory has it.
#[derive(Clone, Copy)]
pub(super) struct SockAddr {
    pub(super) bytes: [u8; SOCKADDR_BYTES],
    pub(super) len: usize,
}

impl SockAddr {
    /// No address.
    pub(super) const NONE: SockAddr = SockAddr { bytes: [0; SOCKADDR_BYTES], len: 0 };

    /// The bytes.
    pub(super) fn get(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Reads an address from user memory. EINVAL when it is longer than any.
    pub(super) fn read(k: &mut Kernel<'_>, address: u64, len: u32) -> Result<SockAddr, Errno> {
        if len as usize > SOCKADDR_BYTES {
            return Err(Errno::EINVAL);
        }
        let mut out = SockAddr { len: len as usize, ..SockAddr::NONE };
        k.read_user(address, &mut out.bytes[..len as usize])?;
        Ok(out)
    }

    /// The family; `None` when it is too short to have one.
    pub(super) fn family(&self) -> Option<u32> {
        (self.len >= 2).then(|| u32::from(u16::from_le_bytes([self.bytes[0], self.bytes[1]])))
    }

    /// An address of AF_UNIX.
    pub(super) fn unix(name: &[u8]) -> SockAddr {
        let mut out = SockAddr { len: 2, ..SockAddr::NONE };
        out.bytes[0] = AF_UNIX as u8;
        let len = name.len().min(SOCKADDR_UN_BYTES - 2);
        out.bytes[2..2 + len].copy_from_slice(&name[..len]);
        out.len += len;
        // A path is followed by its terminator, an abstract name is not.
        if len != 0 && name[0] != 0 {
            out.len += 1;
        }
        out
    }

    /// An address of an IP family.
    pub(super) fn inet(family: u32, end: &Endpoint) -> SockAddr {
        let mut out = SockAddr::NONE;
        let b = &mut out.bytes;
        b[0] = family as u8;
        b[2..4].copy_from_slice(&(end.port as u16).to_be_bytes());
        if family == AF_INET {
            b[4..8].copy_from_slice(&end.ipv4());
            out.len = SOCKADDR_IN_BYTES;
        } else {
            b[8..24].copy_from_slice(&end.address);
            b[24..28].copy_from_slice(&end.scope.to_le_bytes());
            out.len = SOCKADDR_IN6_BYTES;
        }
        out
    }

    /// The end point that this is for a socket of `family`. EINVAL when it is too short,
    /// EAFNOSUPPORT for an address of another family.
    pub(super) fn endpoint(&self, family: u32) -> Result<Endpoint, Errno> {
        // RFC 2133 had no scope in the address of IPv6.
        const SOCKADDR_IN6_SHORT: usize = 24;
        let least = if family == AF_INET { SOCKADDR_IN_BYTES } else { SOCKADDR_IN6_SHORT };
        if self.len < least {
            return Err(Errno::EINVAL);
        }
        if self.family() != Some(family) {
            return Err(Errno::EAFNOSUPPORT);
        }
        let b = &self.bytes;
        let port = u32::from(u16::from_be_bytes([b[2], b[3]]));
        if family == AF_INET {
            return Ok(Endpoint::v4([b[4], b[5], b[6], b[7]], port));
        }
        let mut end = Endpoint { port, ..Endpoint::ANY6 };
        end.address.copy_from_slice(&b[8..24]);
        if self.len >= SOCKADDR_IN6_BYTES {
            end.scope = u32::from_le_bytes([b[24], b[25], b[26], b[27]]);
        }
        Ok(end)
    }

    /// As [`SockAddr::endpoint`] for sending and connecting, where an IPv6 socket also takes the
    /// address of an IPv4 one.
    pub(super) fn destination(&self, family: u32) -> Result<Endpoint, Errno> {
        let v4 = family == AF_INET6 && self.family() == Some(AF_INET);
        self.endpoint(if v4 { AF_INET } else { family })
    }

    /// Writes the address to user memory as getsockname(2) and accept(2) do: cut to the room that
    /// `len_ptr` tells, with the real length put there.
    pub(super) fn write(&self, k: &mut Kernel<'_>, ptr: u64, len_ptr: u64) -> Result<(), Errno> {
        let room: i32 = k.read_record::<u32>(len_ptr)? as i32;
        if room < 0 {
            return Err(Errno::EINVAL);
        }
        let len = (room as usize).min(self.len);
        k.write_user(ptr, &self.bytes[..len])?;
        k.write_record(len_ptr, &(self.len as u32))
    }
}

/// Name of an AF_UNIX socket: a path, an abstract name (starting with a zero byte) or none (empty).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct UnixName {
    /// Bytes in use.
    pub length: u32,
    /// The name, zeros behind it.
    pub bytes: [u8; 108],
}

impl UnixName {
    /// No name.
    pub(super) const NONE: UnixName = UnixName { length: 0, bytes: [0; 108] };

    /// A name of at most 108 bytes.
    pub(super) fn new(name: &[u8]) -> UnixName {
        let length = name.len().min(108);
        let mut out = UnixName { length: length as u32, ..UnixName::NONE };
        out.bytes[..length].copy_from_slice(&name[..length]);
        out
    }

    /// The name in a socket address: up to the terminator for a path, all of it for an abstract one.
    /// EINVAL for an address of another family or a bad length.
    pub(super) fn parse(address: &SockAddr) -> Result<UnixName, Errno> {
        if address.len < 2 || address.len > SOCKADDR_UN_BYTES || address.family() != Some(AF_UNIX) {
            return Err(Errno::EINVAL);
        }
        let name = &address.bytes[2..address.len];
        if name.first().is_some_and(|&first| first != 0) {
            let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
            return Ok(UnixName::new(&name[..end]));
        }
        Ok(UnixName::new(name))
    }

    /// The bytes.
    pub(super) fn get(&self) -> &[u8] {
        &self.bytes[..(self.length as usize).min(108)]
    }

    /// Whether this is a path.
    pub(super) fn is_path(&self) -> bool {
        self.length != 0 && self.bytes[0] != 0
    }
}
