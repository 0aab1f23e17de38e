//! Sockets (`socket(7)`, `unix(7)`, `ip(7)`, `tcp(7)`, `netlink(7)`; asm-generic/socket.h).

/// No family: dissolves an association.
pub const AF_UNSPEC: u32 = 0;
/// Local communication.
pub const AF_UNIX: u32 = 1;
/// IPv4.
pub const AF_INET: u32 = 2;
/// IPv6.
pub const AF_INET6: u32 = 10;
/// Kernel user interface device.
pub const AF_NETLINK: u32 = 16;

/// Byte stream.
pub const SOCK_STREAM: u32 = 1;
/// Datagrams.
pub const SOCK_DGRAM: u32 = 2;
/// Raw packets.
pub const SOCK_RAW: u32 = 3;
/// Connected, with record boundaries.
pub const SOCK_SEQPACKET: u32 = 5;
/// Mask of the type in socket(2).
pub const SOCK_TYPE_MASK: u32 = 0xf;
/// O_NONBLOCK of the new open file.
pub const SOCK_NONBLOCK: u32 = 0o4000;
/// O_CLOEXEC of the new descriptor.
pub const SOCK_CLOEXEC: u32 = 0o2000000;

/// Transmission Control Protocol.
pub const IPPROTO_TCP: u32 = 6;
/// User Datagram Protocol.
pub const IPPROTO_UDP: u32 = 17;
/// Internet Control Message Protocol.
pub const IPPROTO_ICMP: u32 = 1;
/// ICMP for IPv6.
pub const IPPROTO_ICMPV6: u32 = 58;
/// UDP-Lite.
pub const IPPROTO_UDPLITE: u32 = 136;

/// Out-of-band data.
pub const MSG_OOB: u32 = 0x1;
/// Leave the data in the queue.
pub const MSG_PEEK: u32 = 0x2;
/// Control data did not fit.
pub const MSG_CTRUNC: u32 = 0x8;
/// The datagram did not fit; as a flag, its real length is the result.
pub const MSG_TRUNC: u32 = 0x20;
/// Do not wait.
pub const MSG_DONTWAIT: u32 = 0x40;
/// End of a record.
pub const MSG_EOR: u32 = 0x80;
/// Wait for the whole of a request.
pub const MSG_WAITALL: u32 = 0x100;
/// Queued errors instead of data.
pub const MSG_ERRQUEUE: u32 = 0x2000;
/// No SIGPIPE.
pub const MSG_NOSIGNAL: u32 = 0x4000;
/// recvmmsg: do not wait after the first message.
pub const MSG_WAITFORONE: u32 = 0x10000;
/// Received descriptors are closed by execve.
pub const MSG_CMSG_CLOEXEC: u32 = 0x4000_0000;

/// shutdown(2): reception, and the half of a socket that has been shut down for it.
pub const RCV_SHUTDOWN: u32 = 1;
/// The half of a socket for sending.
pub const SEND_SHUTDOWN: u32 = 2;
/// Both halves.
pub const SHUTDOWN_MASK: u32 = 3;

/// Level of socket options and of control messages of all families.
pub const SOL_SOCKET: u32 = 1;
/// Level of IPv4.
pub const SOL_IP: u32 = 0;
/// Level of TCP.
pub const SOL_TCP: u32 = 6;
/// Level of UDP.
pub const SOL_UDP: u32 = 17;
/// Level of IPv6.
pub const SOL_IPV6: u32 = 41;
/// Level of netlink.
pub const SOL_NETLINK: u32 = 270;

/// Control message: descriptors.
pub const SCM_RIGHTS: u32 = 1;
/// Control message: process, user and group.
pub const SCM_CREDENTIALS: u32 = 2;
/// Most descriptors of a message.
pub const SCM_MAX_FD: usize = 253;

/// Bytes of `struct sockaddr_storage`.
pub const SOCKADDR_BYTES: usize = 128;
/// Bytes of `struct sockaddr_un`.
pub const SOCKADDR_UN_BYTES: usize = 110;
/// Bytes of `struct sockaddr_in`.
pub const SOCKADDR_IN_BYTES: usize = 16;
/// Bytes of `struct sockaddr_in6`.
pub const SOCKADDR_IN6_BYTES: usize = 28;
/// Bytes of `struct sockaddr_nl`.
pub const SOCKADDR_NL_BYTES: usize = 12;

/// Most pieces of a scattered message (UIO_MAXIOV).
pub const UIO_MAXIOV: u64 = 1024;
/// Most bytes of one transfer (MAX_RW_COUNT).
pub const MAX_RW_COUNT: u64 = 0x7fff_f000;

/// `struct msghdr`, as eight-byte words: name, its length, pieces, their number, control data, its
/// length, flags.
pub const MSGHDR_BYTES: u64 = 56;
/// `struct mmsghdr`: a `msghdr` and the length that was transferred.
pub const MMSGHDR_BYTES: u64 = 64;
/// Offset of `msg_namelen` in `struct msghdr`.
pub const MSG_NAMELEN: u64 = 8;
/// Offset of `msg_controllen` in `struct msghdr`.
pub const MSG_CONTROLLEN: u64 = 40;
/// Offset of `msg_flags` in `struct msghdr`.
pub const MSG_FLAGS: u64 = 48;
/// Bytes of `struct cmsghdr`: length (8), level (4) and type (4).
pub const CMSGHDR_BYTES: usize = 16;
