//! Sockets, as socket(7), unix(7), tcp(7), udp(7) and netlink(7) say. What they leave open was seen on
//! Linux 6.18 with the same calls from C.

mod support;

use ncpu_linux::{Block, Errno, SysResult, net};
use support::{Program, boot};

const AF_UNIX: u64 = 1;
const AF_INET: u64 = 2;
const AF_INET6: u64 = 10;
const AF_NETLINK: u64 = 16;
const STREAM: u64 = 1;
const DGRAM: u64 = 2;
const SEQPACKET: u64 = 5;
const NONBLOCK: u64 = 0o4000;
const DONTWAIT: u64 = 0x40;
const PEEK: u64 = 2;
const TRUNC: u64 = 0x20;
const WAITALL: u64 = 0x100;
const SOL_SOCKET: u64 = 1;
const POLLIN: u16 = 1;
const POLLOUT: u16 = 4;
const POLLERR: u16 = 8;
const POLLHUP: u16 = 16;
const POLLRDHUP: u16 = 0x2000;
const ALL: u16 = POLLIN | POLLOUT | POLLRDHUP;
const SIGPIPE: u32 = 13;
/// Where tests put socket addresses and headers of messages.
const ADDRESS: u64 = 0x1000;
const HEADER: u64 = 0x1100;
const PIECES: u64 = 0x1200;
const CONTROL: u64 = 0x1400;
const DATA: u64 = 0x2000;

/// An IPv4 address.
fn ip4(address: [u8; 4], port: u16) -> Vec<u8> {
    let mut out = vec![2, 0];
    out.extend(port.to_be_bytes());
    out.extend(address);
    out.extend([0; 8]);
    out
}

/// An IPv6 address of which only the last byte is not zero.
fn ip6(last: u8, port: u16) -> Vec<u8> {
    let mut out = vec![10, 0];
    out.extend(port.to_be_bytes());
    out.extend([0; 19]);
    out.push(last);
    out.extend([0; 4]);
    out
}

/// An AF_UNIX address.
fn unix(name: &[u8]) -> Vec<u8> {
    [&[1, 0], name].concat()
}

trait Sockets {
    fn socket(&mut self, family: u64, kind: u64) -> u64;
    fn pair(&mut self, kind: u64) -> (u64, u64);
    fn name(&mut self, number: u32, fd: u64, address: &[u8]) -> SysResult;
    fn bind(&mut self, fd: u64, address: &[u8]) -> SysResult;
    fn connect(&mut self, fd: u64, address: &[u8]) -> SysResult;
    fn listener(&mut self, address: &[u8], backlog: u64) -> (u64, u16);
    fn accept(&mut self, fd: u64) -> SysResult;
    fn local(&mut self, fd: u64) -> Vec<u8>;
    fn remote(&mut self, fd: u64) -> Result<Vec<u8>, Errno>;
    fn send(&mut self, fd: u64, bytes: &[u8], flags: u64) -> SysResult;
    fn send_to(&mut self, fd: u64, bytes: &[u8], address: &[u8]) -> SysResult;
    fn recv(&mut self, fd: u64, len: u64, flags: u64) -> Result<Vec<u8>, Block>;
    fn close(&mut self, fd: u64);
    fn option(&mut self, fd: u64, level: u64, name: u64) -> Result<u32, Errno>;
    fn set(&mut self, fd: u64, level: u64, name: u64, value: u32) -> SysResult;
    fn send_files(&mut self, fd: u64, bytes: &[u8], files: &[u64]) -> SysResult;
    fn receive_files(&mut self, fd: u64, room: u64) -> (Vec<u8>, Vec<u64>, u32);
    fn sockets_in_use(&self) -> usize;
}

impl Sockets for Program<'_, '_> {
    fn socket(&mut self, family: u64, kind: u64) -> u64 {
        self.ok(198, &[family, kind, 0])
    }

    fn pair(&mut self, kind: u64) -> (u64, u64) {
        let out = self.buffer;
        self.ok(199, &[AF_UNIX, kind, 0, out]);
        (self.get32(0).into(), self.get32(4).into())
    }

    fn name(&mut self, number: u32, fd: u64, address: &[u8]) -> SysResult {
        let at = self.put(ADDRESS, address);
        self.call(number, &[fd, at, address.len() as u64])
    }

    fn bind(&mut self, fd: u64, address: &[u8]) -> SysResult {
        self.name(200, fd, address)
    }

    fn connect(&mut self, fd: u64, address: &[u8]) -> SysResult {
        self.name(203, fd, address)
    }

    fn listener(&mut self, address: &[u8], backlog: u64) -> (u64, u16) {
        let fd = self.socket(address[0].into(), STREAM);
        assert_eq!(self.bind(fd, address), Ok(0));
        self.ok(201, &[fd, backlog]);
        let name = self.local(fd);
        (fd, u16::from_be_bytes([name[2], name[3]]))
    }

    fn accept(&mut self, fd: u64) -> SysResult {
        self.call(202, &[fd, 0, 0])
    }

    fn local(&mut self, fd: u64) -> Vec<u8> {
        let len = self.put(ADDRESS + 128, &128u32.to_le_bytes());
        let at = self.buffer + ADDRESS;
        self.ok(204, &[fd, at, len]);
        let len = self.get32(ADDRESS + 128);
        self.get(ADDRESS, len as usize)
    }

    fn remote(&mut self, fd: u64) -> Result<Vec<u8>, Errno> {
        let len = self.put(ADDRESS + 128, &128u32.to_le_bytes());
        let at = self.buffer + ADDRESS;
        match self.call(205, &[fd, at, len]) {
            Ok(_) => {
                let len = self.get32(ADDRESS + 128);
                Ok(self.get(ADDRESS, len as usize))
            }
            Err(Block::Error(errno)) => Err(errno),
            Err(other) => panic!("{other:?}"),
        }
    }

    fn send(&mut self, fd: u64, bytes: &[u8], flags: u64) -> SysResult {
        let at = self.put(DATA, bytes);
        self.call(206, &[fd, at, bytes.len() as u64, flags, 0, 0])
    }

    fn send_to(&mut self, fd: u64, bytes: &[u8], address: &[u8]) -> SysResult {
        let to = self.put(ADDRESS, address);
        let at = self.put(DATA, bytes);
        self.call(206, &[fd, at, bytes.len() as u64, 0, to, address.len() as u64])
    }

    fn recv(&mut self, fd: u64, len: u64, flags: u64) -> Result<Vec<u8>, Block> {
        let at = self.buffer + DATA;
        let count = self.call(207, &[fd, at, len, flags, 0, 0])?;
        Ok(self.get(DATA, count.min(len) as usize))
    }

    fn close(&mut self, fd: u64) {
        self.ok(57, &[fd]);
    }

    fn option(&mut self, fd: u64, level: u64, name: u64) -> Result<u32, Errno> {
        let len = self.put(ADDRESS + 4, &4u32.to_le_bytes());
        let at = self.buffer + ADDRESS;
        match self.call(209, &[fd, level, name, at, len]) {
            Ok(_) => Ok(self.get32(ADDRESS)),
            Err(Block::Error(errno)) => Err(errno),
            Err(other) => panic!("{other:?}"),
        }
    }

    fn set(&mut self, fd: u64, level: u64, name: u64, value: u32) -> SysResult {
        let at = self.put(ADDRESS, &value.to_le_bytes());
        self.call(208, &[fd, level, name, at, 4])
    }

    fn send_files(&mut self, fd: u64, bytes: &[u8], files: &[u64]) -> SysResult {
        let data = self.put(DATA, bytes);
        let pieces = self.put(PIECES, &words(&[data, bytes.len() as u64]));
        let len = 16 + 4 * files.len() as u64;
        let mut control = words(&[len, 1 | 1 << 32]);
        files.iter().for_each(|&file| control.extend((file as u32).to_le_bytes()));
        let control = self.put(CONTROL, &control);
        let header = self.put(HEADER, &words(&[0, 0, pieces, 1, control, len, 0]));
        self.call(211, &[fd, header, 0])
    }

    /// Data, descriptors and flags.
    fn receive_files(&mut self, fd: u64, room: u64) -> (Vec<u8>, Vec<u64>, u32) {
        let (data, control) = (self.buffer + DATA, self.buffer + CONTROL);
        let pieces = self.put(PIECES, &words(&[data, 4096]));
        let header = self.put(HEADER, &words(&[0, 0, pieces, 1, control, room, 0]));
        let count = self.ok(212, &[fd, header, 0]);
        let used = self.get32(HEADER + 40);
        let files = match used {
            0 => 0,
            _ => (self.get32(CONTROL) - 16) / 4,
        };
        let files = (0..files).map(|n| self.get32(CONTROL + 16 + 4 * u64::from(n)).into());
        let files = files.collect();
        (self.get(DATA, count as usize), files, self.get32(HEADER + 48))
    }

    fn sockets_in_use(&self) -> usize {
        self.k.sockets.iter().filter(|s| s.state != net::state::FREE).count()
    }
}

fn words(values: &[u64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn error<T>(errno: Errno) -> Result<T, Block> {
    Err(Block::Error(errno))
}

#[test]
fn families_and_types_that_do_not_exist() {
    boot(false, |p| {
        for (family, kind, protocol, errno) in [
            (99, STREAM, 0, Errno::EAFNOSUPPORT),
            (17, 3, 0, Errno::EAFNOSUPPORT),
            (AF_INET, 77, 0, Errno::EINVAL),
            (AF_INET, SEQPACKET, 0, Errno::ESOCKTNOSUPPORT),
            (AF_INET, STREAM, 17, Errno::EPROTONOSUPPORT),
            (AF_INET, 3, 1, Errno::EPERM),
            (AF_UNIX, STREAM, 6, Errno::EPROTONOSUPPORT),
            (AF_UNIX, 4, 0, Errno::ESOCKTNOSUPPORT),
        ] {
            assert_eq!(p.error(198, &[family, kind, protocol]), errno, "{family} {kind}");
        }
        assert_eq!(p.sockets_in_use(), 0);
    });
}

#[test]
fn a_stream_has_no_message_boundaries() {
    boot(false, |p| {
        let (a, b) = p.pair(STREAM);
        assert_eq!(p.send(a, b"hello ", 0), Ok(6));
        assert_eq!(p.send(a, b"world", 0), Ok(5));
        assert_eq!(p.ioctl(b, 0x541b, 0), Ok(11));
        assert_eq!(p.recv(b, 3, PEEK).unwrap(), b"hel");
        assert_eq!(p.recv(b, 100, 0).unwrap(), b"hello world");
        assert_eq!(p.recv(b, 1, DONTWAIT), error(Errno::EAGAIN));
        assert!(matches!(p.recv(b, 1, 0), Err(Block::Sleep(..))));
    });
}

#[test]
fn long_streams_arrive_whole() {
    boot(false, |p| {
        let (a, b) = p.pair(STREAM);
        let bytes: Vec<u8> = (0..60_000u32).map(|n| (n * 7 + n / 251) as u8).collect();
        let (first, rest) = bytes.split_at(10_001);
        assert_eq!(p.send(a, first, 0), Ok(10_001));
        assert_eq!(p.recv(b, 4097, 0).unwrap(), &bytes[..4097]);
        assert_eq!(p.send(a, rest, 0), Ok(49_999));
        assert_eq!(p.recv(b, 60_000, 0).unwrap(), &bytes[4097..]);
    });
}

#[test]
fn a_full_stream_blocks_and_goes_on() {
    boot(false, |p| {
        let (a, b) = p.pair(STREAM);
        let data = p.put(DATA, &[5; 200_000]);
        let before = p.k.mem.used_pages();
        assert_eq!(p.ok(206, &[a, data, 100_000, 0, 0, 0]), 100_000);
        p.sleeps(206, &[a, data, 200_000, 0, 0, 0]);
        let task = p.k.current();
        let kept = (p.k.tasks[task].call_progress, p.k.tasks[task].call_state);
        assert!(kept.0 > 0 && kept.0 < 200_000);
        assert_eq!(p.poll(a, POLLOUT), 0);
        assert_eq!(p.recv(b, 100_000, 0).unwrap().len(), 100_000);
        assert_eq!(p.recv(b, 100_000, 0).unwrap().len() as u64, kept.0);
        (p.k.tasks[task].call_progress, p.k.tasks[task].call_state) = kept;
        assert_eq!(p.again(206, &[a, data, 200_000, 0, 0, 0]), Ok(200_000));
        assert_eq!(p.recv(b, 200_000, 0).unwrap().len() as u64, 200_000 - kept.0);
        assert_eq!(p.poll(a, POLLOUT), POLLOUT);
        assert_eq!(p.k.mem.used_pages(), before);
    });
}

#[test]
fn shutdown_and_close_of_a_stream() {
    boot(false, |p| {
        let (a, b) = p.pair(STREAM);
        assert_eq!(p.poll(a, ALL), POLLOUT);
        p.ok(210, &[a, 1]);
        assert_eq!(p.recv(b, 1, 0).unwrap(), b"");
        assert_eq!(p.poll(b, ALL), ALL);
        assert_eq!(p.send(a, b"x", 0x4000), error(Errno::EPIPE));
        assert!(!p.is_pending(SIGPIPE));
        assert_eq!(p.send(a, b"x", 0), error(Errno::EPIPE));
        assert!(p.is_pending(SIGPIPE));
        assert_eq!(p.send(b, b"back", 0), Ok(4));
        p.close(b);
        assert_eq!(p.poll(a, ALL), ALL | POLLHUP);
        assert_eq!(p.recv(a, 9, 0).unwrap(), b"back");
        assert_eq!(p.recv(a, 9, 0).unwrap(), b"");
        p.close(a);
        assert_eq!(p.sockets_in_use(), 0);
    });
}

#[test]
fn closing_with_unread_data_resets() {
    boot(false, |p| {
        let (a, b) = p.pair(STREAM);
        assert_eq!(p.send(a, b"unread", 0), Ok(6));
        p.close(b);
        assert_eq!(p.poll(a, ALL), ALL | POLLERR | POLLHUP);
        assert_eq!(p.recv(a, 1, 0), error(Errno::ECONNRESET));
        assert_eq!(p.recv(a, 1, 0).unwrap(), b"");
    });
}

#[test]
fn datagrams_keep_their_ends() {
    boot(false, |p| {
        let (a, b) = p.pair(DGRAM);
        for message in [&b"one"[..], b"", b"three"] {
            assert_eq!(p.send(a, message, 0), Ok(message.len() as u64));
        }
        let at = p.buffer + DATA;
        assert_eq!(p.ok(207, &[b, at, 2, PEEK | TRUNC, 0, 0]), 3);
        assert_eq!(p.recv(b, 2, 0).unwrap(), b"on");
        assert_eq!(p.recv(b, 9, 0).unwrap(), b"");
        assert_eq!(p.recv(b, 9, 0).unwrap(), b"three");
        let long: Vec<u8> = (0..60_000u32).map(|n| (n % 253) as u8).collect();
        assert_eq!(p.send(a, &long, 0), Ok(60_000));
        assert_eq!(p.recv(b, 70_000, 0).unwrap(), long);
        // The send buffer of 212,992 bytes less 32.
        let at = p.buffer;
        assert_eq!(p.error(206, &[a, at, 212_961, 0, 0, 0]), Errno::EMSGSIZE);
        p.close(b);
        assert_eq!(p.send(a, b"x", 0), error(Errno::ECONNREFUSED));
        assert_eq!(p.send(a, b"x", 0), error(Errno::ENOTCONN));
    });
}

#[test]
fn pieces_are_gathered_into_one_datagram() {
    boot(false, |p| {
        let (a, b) = p.pair(DGRAM);
        let data = p.put(DATA, b"abcde");
        let pieces = p.put(PIECES, &words(&[data, 2, 0, 0, data + 2, 3]));
        assert_eq!(p.ok(66, &[a, pieces, 3]), 5);
        let pieces = p.put(PIECES, &words(&[data + 100, 1, data + 200, 9]));
        assert_eq!(p.ok(65, &[b, pieces, 2]), 5);
        assert_eq!((p.get(DATA + 100, 1), p.get(DATA + 200, 4)), (b"a".to_vec(), b"bcde".to_vec()));
    });
}

#[test]
fn ten_datagrams_and_one_wait_at_a_socket() {
    boot(false, |p| {
        let server = p.socket(AF_UNIX, DGRAM);
        assert_eq!(p.bind(server, &unix(b"\0log")), Ok(0));
        let client = p.socket(AF_UNIX, DGRAM | NONBLOCK);
        for _ in 0..11 {
            assert_eq!(p.send_to(client, b"x", &unix(b"\0log")), Ok(1));
        }
        assert_eq!(p.send_to(client, b"x", &unix(b"\0log")), error(Errno::EAGAIN));
        assert_eq!(p.connect(client, &unix(b"\0log")), Ok(0));
        assert_eq!(p.poll(client, POLLOUT), 0);
        assert_eq!(p.recv(server, 1, 0).unwrap(), b"x");
        assert_eq!(p.poll(client, POLLOUT), POLLOUT);
    });
}

#[test]
fn names_of_unix_sockets() {
    boot(false, |p| {
        let a = p.socket(AF_UNIX, STREAM);
        assert_eq!(p.error(201, &[a, 1]), Errno::EINVAL);
        assert_eq!(p.bind(a, &unix(b"\0name")), Ok(0));
        assert_eq!(p.bind(a, &unix(b"\0other")), error(Errno::EINVAL));
        assert_eq!(p.local(a), unix(b"\0name"));
        let b = p.socket(AF_UNIX, STREAM);
        assert_eq!(p.bind(b, &unix(b"\0name")), error(Errno::EADDRINUSE));
        assert_eq!(p.connect(b, &unix(b"\0name")), error(Errno::ECONNREFUSED));
        // Types have names of their own.
        let c = p.socket(AF_UNIX, DGRAM);
        assert_eq!(p.connect(c, &unix(b"\0name")), error(Errno::ECONNREFUSED));
        assert_eq!(p.bind(c, &unix(b"\0name")), Ok(0));
        // Without a name: a zero byte and five digits.
        assert_eq!(p.bind(b, &unix(b"")), Ok(0));
        assert_eq!(p.local(b).len(), 8);
        p.close(a);
        let d = p.socket(AF_UNIX, STREAM);
        assert_eq!(p.bind(d, &unix(b"\0name")), Ok(0));
    });
}

#[test]
fn a_path_is_a_node() {
    boot(false, |p| {
        let path = unix(b"/s\0");
        let a = p.socket(AF_UNIX, STREAM);
        assert_eq!(p.connect(a, &path), error(Errno::ENOENT));
        assert_eq!(p.bind(a, &path), Ok(0));
        assert_eq!(p.local(a), path);
        let b = p.socket(AF_UNIX, STREAM);
        assert_eq!(p.bind(b, &path), error(Errno::EADDRINUSE));
        assert_eq!(p.connect(b, &path), error(Errno::ECONNREFUSED));
        assert_eq!(p.open("/s", 2), error(Errno::ENXIO));
        p.ok(201, &[a, 1]);
        let c = p.socket(AF_UNIX, DGRAM);
        assert_eq!(p.connect(c, &path), error(Errno::EPROTOTYPE));
        assert_eq!(p.connect(b, &path), Ok(0));
        p.close(a);
        let d = p.socket(AF_UNIX, STREAM);
        assert_eq!(p.connect(d, &path), error(Errno::ECONNREFUSED));
    });
}

#[test]
fn a_listening_socket_has_room_for_one_more_than_its_backlog() {
    boot(false, |p| {
        let a = p.socket(AF_UNIX, STREAM);
        assert_eq!(p.bind(a, &unix(b"\0l")), Ok(0));
        p.ok(201, &[a, 0]);
        assert_eq!(p.poll(a, ALL), 0);
        let b = p.socket(AF_UNIX, STREAM);
        assert_eq!(p.connect(b, &unix(b"\0l")), Ok(0));
        assert_eq!(p.poll(a, ALL), POLLIN);
        let c = p.socket(AF_UNIX, STREAM | NONBLOCK);
        assert_eq!(p.connect(c, &unix(b"\0l")), error(Errno::EAGAIN));
        let d = p.socket(AF_UNIX, STREAM);
        assert!(matches!(p.connect(d, &unix(b"\0l")), Err(Block::Sleep(..))));
        let s = p.accept(a).unwrap();
        assert_eq!(p.local(s), unix(b"\0l"));
        assert_eq!(p.remote(b), Ok(unix(b"\0l")));
        assert_eq!(p.connect(c, &unix(b"\0l")), Ok(0));
        p.close(a);
        // Never accepted.
        assert_eq!(p.recv(c, 1, 0), error(Errno::ECONNRESET));
        assert_eq!(p.send(b, b"x", 0), Ok(1));
        assert_eq!(p.recv(s, 1, 0).unwrap(), b"x");
    });
}

#[test]
fn descriptors_travel() {
    boot(false, |p| {
        let (a, b) = p.pair(STREAM);
        let (reader, writer) = p.pipe(0);
        assert_eq!(p.send(a, b"pre", 0), Ok(3));
        assert_eq!(p.send_files(a, b"F", &[writer]), Ok(1));
        assert_eq!(p.send(a, b"post", 0), Ok(4));
        p.close(writer);
        // What comes before them is joined, what comes after is not.
        let (data, files, flags) = p.receive_files(b, 24);
        assert_eq!((&data[..], files.len(), flags), (&b"preF"[..], 1, 0));
        assert_eq!(p.write(files[0], b"via"), Ok(3));
        assert_eq!(p.read(reader, 9), b"via");
        assert_eq!(p.recv(b, 9, 0).unwrap(), b"post");
        assert_eq!(p.send_files(a, b"x", &[999]), error(Errno::EBADF));
    });
}

#[test]
fn descriptors_that_nobody_takes_are_closed() {
    boot(false, |p| {
        let (a, b) = p.pair(DGRAM);
        let (reader, writer) = p.pipe(0);
        assert_eq!(p.send_files(a, b"x", &[writer]), Ok(1));
        assert_eq!(p.send_files(a, b"y", &[writer, reader]), Ok(1));
        assert_eq!(p.send_files(a, b"z", &[writer]), Ok(1));
        p.close(writer);
        assert_eq!(p.poll(reader, POLLIN), 0);
        assert_eq!(p.recv(b, 1, 0).unwrap(), b"x");
        // Room for one of the two: MSG_CTRUNC.
        let (data, files, flags) = p.receive_files(b, 20);
        assert_eq!((&data[..], files.len(), flags), (&b"y"[..], 1, 8));
        p.close(files[0]);
        p.close(b);
        assert_eq!(p.poll(reader, POLLIN), POLLHUP);
    });
}

#[test]
fn sockets_in_each_others_queues_are_all_closed() {
    boot(false, |p| {
        let files = p.k.files.iter().filter(|f| f.references != 0).count();
        let (mut a, mut b) = p.pair(STREAM);
        for _ in 0..5 {
            let (c, d) = p.pair(STREAM);
            assert_eq!(p.send_files(c, b"x", &[a, b]), Ok(1));
            p.close(a);
            p.close(b);
            (a, b) = (c, d);
        }
        assert_eq!(p.sockets_in_use(), 12);
        p.close(a);
        p.close(b);
        assert_eq!(p.sockets_in_use(), 0);
        assert_eq!(p.k.files.iter().filter(|f| f.references != 0).count(), files);
    });
}

#[test]
fn credentials_of_the_sender_and_the_peer() {
    boot(false, |p| {
        let (a, b) = p.pair(STREAM);
        assert_eq!(p.set(b, SOL_SOCKET, 16, 1), Ok(0));
        assert_eq!(p.send(a, b"c", 0), Ok(1));
        let (data, control) = (p.buffer + DATA, p.buffer + CONTROL);
        let pieces = p.put(PIECES, &words(&[data, 9]));
        let header = p.put(HEADER, &words(&[0, 0, pieces, 1, control, 64, 0]));
        assert_eq!(p.ok(212, &[b, header, 0]), 1);
        // cmsghdr of 28 bytes, SCM_CREDENTIALS; process 1, root.
        assert_eq!(p.get(HEADER + 40, 8), words(&[32]));
        assert_eq!(p.get(CONTROL, 16), words(&[28, 1 | 2 << 32]));
        assert_eq!(p.get(CONTROL + 16, 12), [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let len = p.put(ADDRESS + 16, &12u32.to_le_bytes());
        let at = p.buffer + ADDRESS;
        p.ok(209, &[a, SOL_SOCKET, 17, at, len]);
        assert_eq!(p.get(ADDRESS, 12), [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    });
}

#[test]
fn tcp_over_loopback() {
    boot(false, |p| {
        let (a, port) = p.listener(&ip4([127, 0, 0, 1], 0), 5);
        assert_eq!(port, 32768);
        let c = p.socket(AF_INET, STREAM);
        assert_eq!(p.poll(c, ALL), POLLOUT | POLLHUP);
        assert_eq!(p.recv(c, 1, 0), error(Errno::ENOTCONN));
        assert_eq!(p.remote(c), Err(Errno::ENOTCONN));
        assert_eq!(p.connect(c, &ip4([0; 4], port)), Ok(0));
        assert_eq!(p.connect(c, &ip4([0; 4], port)), error(Errno::EISCONN));
        let s = p.accept(a).unwrap();
        assert_eq!(p.remote(c), Ok(ip4([127, 0, 0, 1], port)));
        assert_eq!(p.remote(s), Ok(p.local(c)));
        assert_eq!(p.send(c, b"abcd", 0), Ok(4));
        // MSG_TRUNC throws bytes away.
        let at = p.buffer + DATA;
        assert_eq!(p.ok(207, &[s, at, 2, TRUNC, 0, 0]), 2);
        assert_eq!(p.recv(s, 9, 0).unwrap(), b"cd");
        p.ok(210, &[c, 1]);
        assert_eq!(p.recv(s, 9, 0).unwrap(), b"");
        assert_eq!(p.send(s, b"late", 0), Ok(4));
        assert_eq!(p.recv(c, 9, 0).unwrap(), b"late");
        p.close(s);
        assert_eq!(p.recv(c, 9, 0).unwrap(), b"");
        assert_eq!(p.poll(c, ALL), ALL | POLLHUP);
        assert_eq!(p.connect(c, &ip4([127, 0, 0, 1], port)), error(Errno::EISCONN));
    });
}

#[test]
fn tcp_resets() {
    boot(false, |p| {
        let (a, port) = p.listener(&ip4([127, 0, 0, 1], 0), 5);
        let to = ip4([127, 0, 0, 1], port);
        let c = p.socket(AF_INET, STREAM);
        assert_eq!(p.connect(c, &to), Ok(0));
        let s = p.accept(a).unwrap();
        assert_eq!(p.send(c, b"unread", 0), Ok(6));
        p.close(s);
        assert_eq!(p.recv(c, 1, 0), error(Errno::ECONNRESET));
        assert_eq!(p.recv(c, 1, 0).unwrap(), b"");
        assert_eq!(p.send(c, b"x", 0), error(Errno::EPIPE));
        // After an orderly close the first bytes still leave; the answer to them is a reset.
        let c = p.socket(AF_INET, STREAM);
        assert_eq!(p.connect(c, &to), Ok(0));
        let s = p.accept(a).unwrap();
        p.close(s);
        assert_eq!(p.send(c, b"x", 0), Ok(1));
        assert_eq!(p.send(c, b"x", 0), error(Errno::EPIPE));
        // SO_LINGER with no time makes any close a reset.
        let c = p.socket(AF_INET, STREAM);
        assert_eq!(p.connect(c, &to), Ok(0));
        let s = p.accept(a).unwrap();
        let linger = p.put(ADDRESS, &words(&[1]));
        p.ok(208, &[s, SOL_SOCKET, 13, linger, 8]);
        p.close(s);
        assert_eq!(p.option(c, SOL_SOCKET, 4), Ok(Errno::ECONNRESET.0.into()));
    });
}

#[test]
fn connecting_without_waiting() {
    boot(false, |p| {
        let (a, port) = p.listener(&ip4([127, 0, 0, 1], 0), 5);
        let to = ip4([127, 0, 0, 1], port);
        let c = p.socket(AF_INET, STREAM | NONBLOCK);
        assert_eq!(p.connect(c, &to), error(Errno::EINPROGRESS));
        assert_eq!(p.poll(c, ALL), POLLOUT);
        assert_eq!(p.option(c, SOL_SOCKET, 4), Ok(0));
        assert_eq!(p.connect(c, &to), Ok(0));
        assert_eq!(p.connect(c, &to), error(Errno::EISCONN));
        p.close(a);
        let c = p.socket(AF_INET, STREAM | NONBLOCK);
        assert_eq!(p.connect(c, &to), error(Errno::EINPROGRESS));
        assert_eq!(p.poll(c, ALL), ALL | POLLERR | POLLHUP);
        assert_eq!(p.option(c, SOL_SOCKET, 4), Ok(Errno::ECONNREFUSED.0.into()));
        let c = p.socket(AF_INET, STREAM);
        assert_eq!(p.connect(c, &to), error(Errno::ECONNREFUSED));
    });
}

#[test]
fn a_full_tcp_listener_makes_connections_wait() {
    boot(false, |p| {
        let (a, port) = p.listener(&ip4([127, 0, 0, 1], 0), 0);
        let to = ip4([127, 0, 0, 1], port);
        let first = p.socket(AF_INET, STREAM);
        assert_eq!(p.connect(first, &to), Ok(0));
        let second = p.socket(AF_INET, STREAM | NONBLOCK);
        assert_eq!(p.connect(second, &to), error(Errno::EINPROGRESS));
        assert_eq!(p.connect(second, &to), error(Errno::EALREADY));
        assert_eq!(p.poll(second, ALL), 0);
        let third = p.socket(AF_INET, STREAM);
        assert!(matches!(p.connect(third, &to), Err(Block::Sleep(..))));
        p.accept(a).unwrap();
        assert_eq!(p.poll(second, ALL), POLLOUT);
        p.close(a);
        let at = p.buffer + ADDRESS;
        assert_eq!(p.again(203, &[third, at, 16]), error(Errno::ECONNREFUSED));
    });
}

#[test]
fn addresses_and_ports() {
    boot(false, |p| {
        let a = p.socket(AF_INET, STREAM);
        assert_eq!(p.bind(a, &ip4([10, 1, 2, 3], 0)), error(Errno::EADDRNOTAVAIL));
        assert_eq!(p.bind(a, &ip4([127, 0, 0, 1], 0)[..8]), error(Errno::EINVAL));
        assert_eq!(p.connect(a, &ip4([93, 184, 216, 34], 80)), error(Errno::ENETUNREACH));
        assert_eq!(p.bind(a, &ip4([127, 0, 0, 1], 8080)), Ok(0));
        assert_eq!(p.bind(a, &ip4([127, 0, 0, 1], 8081)), error(Errno::EINVAL));
        let b = p.socket(AF_INET, STREAM);
        assert_eq!(p.bind(b, &ip4([0; 4], 8080)), error(Errno::EADDRINUSE));
        assert_eq!(p.bind(b, &ip4([127, 0, 0, 2], 8080)), Ok(0));
        let c = p.socket(AF_INET, STREAM);
        for fd in [a, c] {
            assert_eq!(p.set(fd, SOL_SOCKET, 2, 1), Ok(0));
        }
        assert_eq!(p.bind(c, &ip4([127, 0, 0, 1], 8080)), Ok(0));
        p.ok(201, &[a, 1]);
        assert_eq!(p.error(201, &[c, 1]), Errno::EADDRINUSE);
        // UDP has ports of its own.
        let d = p.socket(AF_INET, DGRAM);
        assert_eq!(p.bind(d, &ip4([127, 0, 0, 1], 8080)), Ok(0));
    });
}

#[test]
fn ipv6_and_mapped_addresses() {
    boot(false, |p| {
        let (a, port) = p.listener(&ip6(0, 0), 5);
        let c = p.socket(AF_INET, STREAM);
        assert_eq!(p.connect(c, &ip4([127, 0, 0, 1], port)), Ok(0));
        let s = p.accept(a).unwrap();
        let mapped = p.remote(s).unwrap();
        assert_eq!(mapped[8..24], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 127, 0, 0, 1]);
        let c = p.socket(AF_INET6, STREAM);
        assert_eq!(p.connect(c, &ip6(1, port)), Ok(0));
        let b = p.socket(AF_INET, STREAM);
        assert_eq!(p.bind(b, &ip4([0; 4], port)), error(Errno::EADDRINUSE));
        p.close(a);
        let only6 = p.socket(AF_INET6, STREAM);
        assert_eq!(p.set(only6, 41, 26, 1), Ok(0));
        assert_eq!(p.bind(only6, &ip6(0, 9000)), Ok(0));
        assert_eq!(p.bind(b, &ip4([0; 4], 9000)), Ok(0));
    });
}

#[test]
fn udp_over_loopback() {
    boot(false, |p| {
        let a = p.socket(AF_INET, DGRAM);
        assert_eq!(p.bind(a, &ip4([127, 0, 0, 1], 5000)), Ok(0));
        let to = ip4([127, 0, 0, 1], 5000);
        let c = p.socket(AF_INET, DGRAM);
        assert_eq!(p.send(c, b"x", 0), error(Errno::EDESTADDRREQ));
        assert_eq!(p.send_to(c, b"hi", &to), Ok(2));
        let len = p.put(ADDRESS + 128, &128u32.to_le_bytes());
        let (at, from) = (p.buffer + DATA, p.buffer + ADDRESS);
        assert_eq!(p.ok(207, &[a, at, 9, 0, from, len]), 2);
        // From the loopback address, with the first ephemeral port.
        assert_eq!(p.get(ADDRESS, 16), ip4([127, 0, 0, 1], 32768));
        assert_eq!(p.local(c), ip4([0; 4], 32768));
        assert_eq!(p.connect(c, &to), Ok(0));
        assert_eq!(p.local(c), ip4([127, 0, 0, 1], 32768));
        let at = p.buffer;
        assert_eq!(p.ok(206, &[c, at, 65_507, 0, 0, 0]), 65_507);
        assert_eq!(p.error(206, &[c, at, 65_508, 0, 0, 0]), Errno::EMSGSIZE);
        p.close(a);
        assert_eq!(p.send(c, b"x", 0), Ok(1));
        assert_eq!(p.recv(c, 1, DONTWAIT), error(Errno::ECONNREFUSED));
        assert_eq!(p.recv(c, 1, DONTWAIT), error(Errno::EAGAIN));
        assert_eq!(p.send_to(c, b"x", &ip4([8, 8, 8, 8], 53)), error(Errno::ENETUNREACH));
    });
}

#[test]
fn options_of_sockets() {
    boot(false, |p| {
        let a = p.socket(AF_INET, STREAM);
        for (level, name, value) in [
            (SOL_SOCKET, 3, 1),      // SO_TYPE
            (SOL_SOCKET, 39, 2),     // SO_DOMAIN
            (SOL_SOCKET, 38, 6),     // SO_PROTOCOL
            (SOL_SOCKET, 18, 1),     // SO_RCVLOWAT
            (0, 2, 64),              // IP_TTL
            (6, 2, 536),             // TCP_MAXSEG
            (6, 4, 7200),            // TCP_KEEPIDLE
            (SOL_SOCKET, 7, 16_384), // SO_SNDBUF
        ] {
            assert_eq!(p.option(a, level, name), Ok(value), "{level} {name}");
        }
        assert_eq!(p.set(a, SOL_SOCKET, 9, 7), Ok(0));
        assert_eq!(p.option(a, SOL_SOCKET, 9), Ok(1));
        // Buffers are doubled, and have a least size.
        assert_eq!(p.set(a, SOL_SOCKET, 8, 100_000), Ok(0));
        assert_eq!(p.option(a, SOL_SOCKET, 8), Ok(200_000));
        assert_eq!(p.set(a, SOL_SOCKET, 7, 1), Ok(0));
        assert_eq!(p.option(a, SOL_SOCKET, 7), Ok(4608));
        assert_eq!(p.set(a, SOL_SOCKET, 3, 1), error(Errno::ENOPROTOOPT));
        assert_eq!(p.set(a, SOL_SOCKET, 999, 1), error(Errno::ENOPROTOOPT));
        assert_eq!(p.set(a, 0, 2, 300), error(Errno::EINVAL));
        assert_eq!(p.set(a, 6, 4, 0), error(Errno::EINVAL));
        let u = p.socket(AF_UNIX, STREAM);
        assert_eq!(p.set(u, 6, 1, 1), error(Errno::EOPNOTSUPP));
        assert_eq!(p.error(208, &[0, 1, 2, 0, 4]), Errno::ENOTSOCK);
    });
}

#[test]
fn a_time_limit_for_receiving() {
    boot(false, |p| {
        let (a, b) = p.pair(STREAM);
        let limit = p.put(ADDRESS, &words(&[0, 20_000]));
        p.ok(208, &[a, SOL_SOCKET, 20, limit, 16]);
        let at = p.buffer + DATA;
        let Err(Block::SleepOnce(_, Some(deadline))) = p.call(207, &[a, at, 1, 0, 0, 0]) else {
            panic!("it does not wait for the limit");
        };
        assert_eq!(deadline, p.k.now() + 20_000_000);
        p.k.header.skipped += 20_000_000;
        assert_eq!(p.again(207, &[a, at, 1, 0, 0, 0]), error(Errno::EAGAIN));
        // What has come before the limit is not lost.
        assert_eq!(p.send(b, b"ab", 0), Ok(2));
        assert!(matches!(p.call(207, &[a, at, 5, WAITALL, 0, 0]), Err(Block::SleepOnce(..))));
        p.k.header.skipped += 20_000_000;
        assert_eq!(p.again(207, &[a, at, 5, WAITALL, 0, 0]), Ok(2));
    });
}

#[test]
fn several_messages_in_one_call() {
    boot(false, |p| {
        let (a, b) = p.pair(DGRAM);
        let data = p.put(DATA, b"onetwo!");
        let pieces = p.put(PIECES, &words(&[data, 3, data + 3, 4]));
        let mut headers = Vec::new();
        for n in 0..2 {
            headers.extend(words(&[0, 0, pieces + 16 * n, 1, 0, 0, 0, 0]));
        }
        let vector = p.put(HEADER, &headers);
        assert_eq!(p.ok(269, &[a, vector, 2, 0]), 2);
        assert_eq!((p.get32(HEADER + 56), p.get32(HEADER + 120)), (3, 4));
        let room = p.put(PIECES, &words(&[data, 100, data + 100, 100]));
        assert_eq!(room, pieces);
        assert_eq!(p.ok(243, &[b, vector, 2, 0x10000, 0]), 2);
        assert_eq!(p.get(DATA + 100, 4), b"two!");
        assert_eq!(p.error(243, &[b, vector, 2, DONTWAIT, 0]), Errno::EAGAIN);
    });
}

#[test]
fn netlink_knows_the_loopback_interface() {
    boot(false, |p| {
        let fd = p.socket(AF_NETLINK, 3);
        // RTM_GETADDR with NLM_F_REQUEST | NLM_F_DUMP, sequence 7, AF_INET.
        let mut request = 20u32.to_le_bytes().to_vec();
        request.extend(22u16.to_le_bytes());
        request.extend(0x301u16.to_le_bytes());
        request.extend(words(&[7]));
        request.extend([2, 0, 0, 0]);
        assert_eq!(p.send(fd, &request, 0), Ok(20));
        let answer = p.recv(fd, 4096, 0).unwrap();
        let len = u32::from_le_bytes(answer[..4].try_into().unwrap());
        assert_eq!(len as usize, answer.len());
        // RTM_NEWADDR, NLM_F_MULTI, the sequence, and our port: the process number.
        assert_eq!(answer[4..16], [20, 0, 2, 0, 7, 0, 0, 0, 1, 0, 0, 0]);
        // AF_INET, 8 bits, permanent, RT_SCOPE_HOST, interface 1; IFA_ADDRESS 127.0.0.1.
        assert_eq!(answer[16..24], [2, 8, 128, 254, 1, 0, 0, 0]);
        assert_eq!(answer[24..32], [8, 0, 1, 0, 127, 0, 0, 1]);
        let done = p.recv(fd, 4096, 0).unwrap();
        assert_eq!(done[4..6], [3, 0]);
        assert_eq!(p.recv(fd, 1, DONTWAIT), error(Errno::EAGAIN));
    });
}

#[test]
fn tables_that_are_full() {
    boot(false, |p| {
        let before = p.k.mem.used_pages();
        let mut made = Vec::new();
        let errno = loop {
            match p.call(198, &[AF_UNIX, DGRAM, 0]) {
                Ok(fd) => made.push(fd),
                Err(Block::Error(errno)) => break errno,
                Err(other) => panic!("{other:?}"),
            }
        };
        assert!(matches!(errno, Errno::EMFILE | Errno::ENFILE));
        assert!(made.len() > 10);
        for fd in made {
            p.close(fd);
        }
        assert_eq!(p.sockets_in_use(), 0);
        assert_eq!(p.k.mem.used_pages(), before);
    });
}
