//! The system calls of messages, and their control data (`sendmsg(2)`, `cmsg(3)`).

use super::address::SockAddr;
use super::queue::{Credentials, Rights};
use super::receive::{self, Received};
use super::send::{self, Message};
use super::transfer::{Incoming, Outgoing, Vector};
use super::{get, options};
use crate::abi::socket::{
    AF_INET6, AF_UNIX, CMSGHDR_BYTES, MAX_RW_COUNT, MMSGHDR_BYTES, MSG_CMSG_CLOEXEC,
    MSG_CONTROLLEN, MSG_CTRUNC, MSG_DONTWAIT, MSG_FLAGS, MSG_NAMELEN, MSG_WAITFORONE, MSGHDR_BYTES,
    SCM_CREDENTIALS, SCM_MAX_FD, SCM_RIGHTS, SOCKADDR_BYTES, SOL_IP, SOL_IPV6, SOL_SOCKET,
    UIO_MAXIOV,
};
use crate::image::Kernel;
use crate::user::{Dest, Source};
use crate::vfs::access;
use crate::{Block, Errno, SysResult, file};

/// Most control data of a message (`/proc/sys/net/core/optmem_max`).
const OPTMEM_MAX: u64 = 20480;

/// Runs a part of a call that counts what it moved, and keeps the count when it has to sleep.
fn resumable(
    k: &mut Kernel<'_>,
    before: u64,
    action: impl FnOnce(&mut Kernel<'_>, &mut u64) -> SysResult,
) -> SysResult {
    let mut done = 0;
    match action(k, &mut done) {
        Ok(count) => Ok(before + count),
        Err(block @ (Block::Sleep(..) | Block::SleepOnce(..))) => {
            k.task().call_progress = before + done;
            Err(block)
        }
        Err(block) => Err(block),
    }
}

/// sendto(2).
pub fn sendto(
    k: &mut Kernel<'_>,
    fd: i32,
    data: u64,
    len: u64,
    flags: u32,
    address: u64,
    address_len: u32,
) -> SysResult {
    let (file, _) = get(k, fd)?;
    let name = match address {
        0 => SockAddr::NONE,
        _ => SockAddr::read(k, address, address_len)?,
    };
    let before = k.task().call_progress;
    let mut source = Source::User(data, len.min(MAX_RW_COUNT));
    let mut from = Outgoing::Plain(&mut source);
    from.skip(k, before)?;
    let message =
        Message { name: &name, flags, rights: &[], credentials: None, begun: before != 0 };
    resumable(k, before, |k, done| send::send(k, file, &message, &mut from, done))
}

/// recvfrom(2).
pub fn recvfrom(
    k: &mut Kernel<'_>,
    fd: i32,
    data: u64,
    len: u64,
    flags: u32,
    address: u64,
    len_ptr: u64,
) -> SysResult {
    let (file, _) = get(k, fd)?;
    let before = k.task().call_progress;
    let mut dest = Dest::User(data, len.min(MAX_RW_COUNT));
    let mut into = Incoming::Plain(&mut dest);
    into.skip(k, before)?;
    let mut got = Received::new();
    let result = resumable(k, before, |k, done| {
        receive::receive(k, file, flags, &mut into, &mut got, before, done)
    });
    got.drop_rights(k, 0);
    let count = result?;
    if address != 0 {
        got.name.write(k, address, len_ptr)?;
    }
    Ok(count)
}

/// `struct msghdr`.
struct Header {
    name: u64,
    name_len: u32,
    iov: u64,
    pieces: u64,
    control: u64,
    control_len: u64,
}

impl Header {
    fn read(k: &mut Kernel<'_>, at: u64) -> Result<Header, Errno> {
        let mut raw = [0; MSGHDR_BYTES as usize];
        k.read_user(at, &mut raw)?;
        let word = |index: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&raw[8 * index..8 * index + 8]);
            u64::from_le_bytes(bytes)
        };
        let name_len = word(1) as u32;
        if (name_len as i32) < 0 {
            return Err(Errno::EINVAL);
        }
        Ok(Header {
            name: word(0),
            name_len: name_len.min(SOCKADDR_BYTES as u32),
            iov: word(2),
            pieces: word(3),
            control: word(4),
            control_len: word(5),
        })
    }
}

/// Control data of a message to send.
struct Control {
    rights: Rights,
    count: usize,
    credentials: Option<Credentials>,
}

impl Control {
    const fn new() -> Control {
        Control { rights: [0; SCM_MAX_FD], count: 0, credentials: None }
    }

    fn read(&mut self, k: &mut Kernel<'_>, header: &Header, family: u32) -> Result<(), Errno> {
        if header.control == 0 {
            return Ok(());
        }
        if header.control_len > OPTMEM_MAX {
            return Err(Errno::ENOBUFS);
        }
        let mut at = 0;
        while header.control_len.saturating_sub(at) >= CMSGHDR_BYTES as u64 {
            let place = header.control.wrapping_add(at);
            let [len, number]: [u64; 2] = k.read_record(place)?;
            let (level, kind) = (number as u32, (number >> 32) as u32);
            if len < CMSGHDR_BYTES as u64 || len > header.control_len - at {
                return Err(Errno::EINVAL);
            }
            let data = place.wrapping_add(CMSGHDR_BYTES as u64);
            let bytes = len - CMSGHDR_BYTES as u64;
            match (family, level, kind) {
                (AF_UNIX, SOL_SOCKET, SCM_RIGHTS) => self.add_rights(k, data, bytes)?,
                (AF_UNIX, SOL_SOCKET, SCM_CREDENTIALS) => self.state(k, data, bytes)?,
                (AF_UNIX, SOL_SOCKET, _) => return Err(Errno::EINVAL),
                // The interface and the hop limit: there is one interface and no hop.
                (AF_UNIX, ..) | (_, SOL_IP | SOL_IPV6, _) => {}
                (_, SOL_SOCKET, SCM_RIGHTS | SCM_CREDENTIALS) => {}
                _ => return Err(Errno::EINVAL),
            }
            at += len.next_multiple_of(8);
        }
        Ok(())
    }

    fn add_rights(&mut self, k: &mut Kernel<'_>, data: u64, bytes: u64) -> Result<(), Errno> {
        let count = (bytes / 4) as usize;
        if count > SCM_MAX_FD - self.count {
            return Err(Errno::EINVAL);
        }
        for index in 0..count {
            let fd = k.read_record::<u32>(data.wrapping_add(4 * index as u64))? as i32;
            self.rights[self.count] = file::get(k, fd)? as u32;
            self.count += 1;
        }
        Ok(())
    }

    /// Credentials that the sender states: its own, or any with root's privileges (unix(7)).
    fn state(&mut self, k: &mut Kernel<'_>, data: u64, bytes: u64) -> Result<(), Errno> {
        if bytes != 12 {
            return Err(Errno::EINVAL);
        }
        let pid: u32 = k.read_record(data)?;
        let [uid, gid]: [u32; 2] = k.read_record(data.wrapping_add(4))?;
        let p = &k.processes[k.current_process()];
        let who = p.credentials;
        let own = pid == p.pid && who.uid[..3].contains(&uid) && who.gid[..3].contains(&gid);
        if !own && !access::is_privileged(k) {
            return Err(Errno::EPERM);
        }
        if crate::process::by_pid(k, pid).is_none() {
            return Err(Errno::ESRCH);
        }
        self.credentials = Some(Credentials { pid, uid, gid });
        Ok(())
    }
}

/// Sends the message at `at`, of which an earlier try has sent `before` bytes.
fn send_one(
    k: &mut Kernel<'_>,
    fd: i32,
    at: u64,
    flags: u32,
    before: u64,
    done: &mut u64,
) -> SysResult {
    let (file, socket) = get(k, fd)?;
    let header = Header::read(k, at)?;
    let name = match header.name {
        0 => SockAddr::NONE,
        name => SockAddr::read(k, name, header.name_len)?,
    };
    let mut from = Outgoing::Vector(Vector::new(k, header.iov, header.pieces)?);
    let mut control = Control::new();
    let family = k.sockets[socket].family;
    control.read(k, &header, family)?;
    from.skip(k, before)?;
    let message = Message {
        name: &name,
        flags,
        rights: &control.rights[..control.count],
        credentials: control.credentials,
        begun: before != 0,
    };
    send::send(k, file, &message, &mut from, done)
}

/// sendmsg(2).
pub fn sendmsg(k: &mut Kernel<'_>, fd: i32, message: u64, flags: u32) -> SysResult {
    let before = k.task().call_progress;
    resumable(k, before, |k, done| send_one(k, fd, message, flags, before, done))
}

/// Control data that goes to the receiver.
struct ControlOut {
    at: u64,
    room: u64,
    used: u64,
    flags: u32,
}

impl ControlOut {
    /// Appends a message, cut to the room there is.
    fn put(&mut self, k: &mut Kernel<'_>, level: u32, kind: u32, data: &[u8]) -> Result<(), Errno> {
        let header = CMSGHDR_BYTES as u64;
        if self.at == 0 || self.room < header {
            self.flags |= MSG_CTRUNC;
            return Ok(());
        }
        let mut len = header + data.len() as u64;
        if len > self.room {
            self.flags |= MSG_CTRUNC;
            len = self.room;
        }
        let number = u64::from(level) | u64::from(kind) << 32;
        k.write_record(self.at, &[len, number])?;
        k.write_user(self.at.wrapping_add(header), &data[..(len - header) as usize])?;
        self.advance(len);
        Ok(())
    }

    fn advance(&mut self, len: u64) {
        let space = len.next_multiple_of(8).min(self.room);
        self.at = self.at.wrapping_add(space);
        self.room -= space;
        self.used += space;
    }

    /// Gives the received open files descriptors, as many as there is room for, and drops the rest.
    fn put_rights(
        &mut self,
        k: &mut Kernel<'_>,
        got: &mut Received,
        close_on_exec: bool,
    ) -> Result<(), Errno> {
        let header = CMSGHDR_BYTES as u64;
        let fit = if self.at == 0 { 0 } else { self.room.saturating_sub(header) / 4 };
        let mut done = 0;
        while done < got.rights_count && (done as u64) < fit {
            let file = got.rights[done] as usize;
            let Ok(fd) = file::install(k, file, close_on_exec, 0) else { break };
            let place = self.at.wrapping_add(header + 4 * done as u64);
            done += 1;
            if k.write_record(place, &(fd as u32)).is_err() {
                break;
            }
        }
        if done < got.rights_count {
            self.flags |= MSG_CTRUNC;
        }
        got.drop_rights(k, done);
        got.rights_count = 0;
        if done != 0 {
            let len = header + 4 * done as u64;
            let number = u64::from(SOL_SOCKET) | u64::from(SCM_RIGHTS) << 32;
            k.write_record(self.at, &[len, number])?;
            self.advance(len);
        }
        Ok(())
    }

    /// What the options of the socket ask for besides descriptors.
    fn put_requested(
        &mut self,
        k: &mut Kernel<'_>,
        socket: usize,
        got: &Received,
    ) -> Result<(), Errno> {
        let s = k.sockets[socket];
        if s.option(options::PASSCRED) != 0
            && let Some(from) = got.credentials
        {
            let mut data = [0; 12];
            for (slot, word) in data.chunks_exact_mut(4).zip([from.pid, from.uid, from.gid]) {
                slot.copy_from_slice(&word.to_le_bytes());
            }
            self.put(k, SOL_SOCKET, SCM_CREDENTIALS, &data)?;
        }
        let Some((time, to)) = got.datagram else { return Ok(()) };
        let nanoseconds = s.option(options::TIMESTAMPNS) != 0;
        if nanoseconds || s.option(options::TIMESTAMP) != 0 {
            let unit = if nanoseconds { 1 } else { 1000 };
            let kind = if nanoseconds { options::SO_TIMESTAMPNS } else { options::SO_TIMESTAMP };
            let mut data = [0; 16];
            data[..8].copy_from_slice(&(time / 1_000_000_000).to_le_bytes());
            data[8..].copy_from_slice(&(time % 1_000_000_000 / unit).to_le_bytes());
            self.put(k, SOL_SOCKET, kind, &data)?;
        }
        if to.is_v4() && s.option(options::PKTINFO) != 0 {
            // struct in_pktinfo: interface, local address, destination in the header.
            let mut data = [0; 12];
            data[..4].copy_from_slice(&options::LOOPBACK_INDEX.to_le_bytes());
            data[4..8].copy_from_slice(&to.ipv4());
            data[8..].copy_from_slice(&to.ipv4());
            self.put(k, SOL_IP, options::IP_PKTINFO, &data)?;
        }
        if s.family == AF_INET6 && s.option(options::RECVPKTINFO) != 0 {
            let mut data = [0; 20];
            data[..16].copy_from_slice(&to.address);
            data[16..].copy_from_slice(&options::LOOPBACK_INDEX.to_le_bytes());
            self.put(k, SOL_IPV6, options::IPV6_PKTINFO, &data)?;
        }
        Ok(())
    }
}

/// Receives into the message at `at`, of which an earlier try has filled `before` bytes.
fn receive_one(
    k: &mut Kernel<'_>,
    fd: i32,
    at: u64,
    flags: u32,
    before: u64,
    done: &mut u64,
) -> SysResult {
    let (file, socket) = get(k, fd)?;
    let header = Header::read(k, at)?;
    let mut into = Incoming::Vector(Vector::new(k, header.iov, header.pieces)?);
    into.skip(k, before)?;
    let mut got = Received::new();
    let result = receive::receive(k, file, flags, &mut into, &mut got, before, done);
    let delivered = match result {
        // Descriptors of a part that is kept for later cannot be kept with it.
        Err(_) => Ok(()),
        Ok(_) => deliver(k, socket, &header, at, flags, &mut got),
    };
    got.drop_rights(k, 0);
    delivered?;
    result
}

/// Tells the receiver what came with the data.
fn deliver(
    k: &mut Kernel<'_>,
    socket: usize,
    header: &Header,
    at: u64,
    flags: u32,
    got: &mut Received,
) -> Result<(), Errno> {
    let mut control = ControlOut {
        at: header.control,
        room: header.control_len,
        used: 0,
        flags: got.flags | flags & MSG_CMSG_CLOEXEC,
    };
    control.put_requested(k, socket, got)?;
    control.put_rights(k, got, flags & MSG_CMSG_CLOEXEC != 0)?;
    if header.name != 0 {
        let len = (header.name_len as usize).min(got.name.len);
        k.write_user(header.name, &got.name.bytes[..len])?;
        k.write_record(at.wrapping_add(MSG_NAMELEN), &(got.name.len as u32))?;
    }
    k.write_record(at.wrapping_add(MSG_FLAGS), &control.flags)?;
    k.write_record(at.wrapping_add(MSG_CONTROLLEN), &control.used)
}

/// recvmsg(2).
pub fn recvmsg(k: &mut Kernel<'_>, fd: i32, message: u64, flags: u32) -> SysResult {
    let before = k.task().call_progress;
    resumable(k, before, |k, done| receive_one(k, fd, message, flags, before, done))
}

/// Runs `one` for up to `count` messages at `vector`. The progress of the call is the number of
/// finished messages; the part of the one that sleeps is in the call's own state.
fn several(
    k: &mut Kernel<'_>,
    vector: u64,
    count: u32,
    mut one: impl FnMut(&mut Kernel<'_>, u64, u64, u64, &mut u64) -> SysResult,
) -> SysResult {
    let count = u64::from(count).min(UIO_MAXIOV);
    let mut index = k.task().call_progress;
    while index < count {
        let at = vector.wrapping_add(MMSGHDR_BYTES * index);
        let before = k.task().call_state[1];
        let mut done = 0;
        match one(k, index, at, before, &mut done) {
            Ok(transferred) => {
                let len = (before + transferred) as u32;
                k.write_record(at.wrapping_add(MSGHDR_BYTES), &len)?;
                index += 1;
                let task = k.task();
                task.call_progress = index;
                task.call_state[1] = 0;
            }
            Err(block @ (Block::Sleep(..) | Block::SleepOnce(..))) => {
                k.task().call_state[1] = before + done;
                return Err(block);
            }
            Err(block) if index == 0 => return Err(block),
            Err(_) => return Ok(index),
        }
    }
    Ok(index)
}

/// sendmmsg(2).
pub fn sendmmsg(k: &mut Kernel<'_>, fd: i32, vector: u64, count: u32, flags: u32) -> SysResult {
    get(k, fd)?;
    several(k, vector, count, |k, _, at, before, done| send_one(k, fd, at, flags, before, done))
}

/// recvmmsg(2). As in Linux, the time limit is looked at only after a message has come.
pub fn recvmmsg(
    k: &mut Kernel<'_>,
    fd: i32,
    vector: u64,
    count: u32,
    flags: u32,
    timeout: u64,
) -> SysResult {
    get(k, fd)?;
    let mut deadline = None;
    if timeout != 0 {
        let [seconds, nanoseconds]: [u64; 2] = k.read_record(timeout)?;
        if nanoseconds >= 1_000_000_000 || (seconds as i64) < 0 {
            return Err(Errno::EINVAL.into());
        }
        let limit = seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds);
        deadline = Some(k.call_deadline(limit));
    }
    several(k, vector, count, |k, index, at, before, done| {
        let late = index != 0 && deadline.is_some_and(|deadline| k.now() >= deadline);
        let only_one = index != 0 && flags & MSG_WAITFORONE != 0;
        if late {
            return Err(Errno::EAGAIN.into());
        }
        let flags = if only_one { flags | MSG_DONTWAIT } else { flags };
        receive_one(k, fd, at, flags & !MSG_WAITFORONE, before, done)
    })
}
