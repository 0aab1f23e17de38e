//! What the machine asks of the host.
//!
//! A task that needs the host fills a [`Request`] in its own slot of the request table, counts it in
//! the header's `host_requests`, and sleeps on [`crate::Channel::Host`]. The host looks at requests
//! when [`crate::Kernel::step`] returns: for each with an `operation` and `done` 0 it puts the answer
//! in, sets `done` to 1, takes 1 from `host_requests`, and wakes the task. Bytes travel in one
//! physical page owned by the request, from its start; the host writes an answer's bytes over the
//! question's and sets `length`.
//!
//! All [`operation`]s are about files of mounted host folders. A file is named by its path from the
//! folder's root: names joined by `/`, without `.`, `..` or symbolic links to follow (the guest
//! resolves links itself), empty for the root. The host must not follow a link in any part of a path,
//! and must not leave the folder.

use crate::{Channel, Errno, Kernel};
use ncpu_machine::Ppn;

/// A request of one task, or (operation 0) none.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Request {
    /// An operation number, 0 for none.
    pub operation: u32,
    /// 0 while waiting, 1 once answered.
    pub done: u32,
    /// Arguments; the first is the number of the folder ([`crate::vfs::mount::mount_host`]).
    pub arguments: [u64; 5],
    /// Result: a value, or a negated error number.
    pub result: i64,
    /// Physical page for bytes in either direction.
    pub page: u32,
    /// Bytes of it in use.
    pub length: u32,
    /// What the answer is to, for the task to recognise it.
    pub key: u64,
}

impl Kernel<'_> {
    /// Answers the request of a task: its result, and bytes for its page.
    pub fn answer(&mut self, task: usize, mut result: i64, bytes: &[u8]) {
        let page = Ppn(self.requests[task].page);
        if !bytes.is_empty() && !self.mem.write_page(page, 0, bytes) {
            result = -i64::from(Errno::ENOMEM.0);
        }
        let request = &mut self.requests[task];
        request.length = bytes.len() as u32;
        request.result = result;
        request.done = 1;
        self.header.host_requests = self.header.host_requests.saturating_sub(1);
        self.wake(Channel::Host);
    }
}

/// Operations. Each says its arguments after the first, what the page holds (a path ends with a zero
/// byte), the result, and what the page holds then.
pub mod operation {
    /// Attributes of a file, links not followed. Page: path. Result 0; page: [`super::STAT_BYTES`]
    /// bytes as [`super::Stat`] encodes them.
    pub const STAT: u32 = 1;
    /// Reads from a regular file. Arguments: offset, bytes (at most a page). Page: path. Result:
    /// bytes read, 0 at the end; page: the bytes.
    pub const READ: u32 = 2;
    /// Writes to a regular file. Arguments: offset, bytes, where they start in the page. Page: path,
    /// then the bytes. Result: bytes written.
    pub const WRITE: u32 = 3;
    /// Lists a directory in the byte order of its names, without `.` and `..`. Argument: how many
    /// entries to skip. Page: path. Result: how many entries the page holds, 0 at the end; page: for
    /// each a byte with the length of its name, one with its type (`DT_*`), and the name.
    pub const READ_DIR: u32 = 4;
    /// Makes an empty regular file that does not exist yet (EEXIST). Argument: permission bits.
    /// Page: path. Result 0; page: its attributes.
    pub const CREATE: u32 = 5;
    /// Makes a directory. Argument: permission bits. Page: path. Result 0.
    pub const MKDIR: u32 = 6;
    /// Makes a symbolic link. Page: path, then the target and a zero byte. Result 0.
    pub const SYMLINK: u32 = 7;
    /// Reads a symbolic link. Page: path. Result: length of the target; page: the target.
    pub const READ_LINK: u32 = 8;
    /// Removes a name. Argument: 1 for an empty directory, 0 for anything else. Page: path. Result 0.
    pub const UNLINK: u32 = 9;
    /// Renames within the folder. Argument: flags of renameat2(2). Page: old path, new path. Result 0.
    pub const RENAME: u32 = 10;
    /// Sets the size of a regular file. Argument: size. Page: path. Result 0.
    pub const TRUNCATE: u32 = 11;
    /// Sets permission bits. Argument: the bits. Page: path. Result 0.
    pub const CHMOD: u32 = 12;
    /// Sets times. Arguments: access and modification time in nanoseconds since 1970, and which to
    /// set (bit 0 and bit 1). Page: path; a link is not followed. Result 0.
    pub const SET_TIMES: u32 = 13;
}

/// Attributes of a host file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stat {
    /// Type and permission bits.
    pub mode: u32,
    /// Owner as the guest should see it.
    pub uid: u32,
    /// Group as the guest should see it.
    pub gid: u32,
    /// Hard links.
    pub links: u32,
    /// Bytes.
    pub size: u64,
    /// Inode number on the host.
    pub ino: u64,
    /// 512-byte blocks.
    pub blocks: u64,
    /// Access, modification and change time, nanoseconds since 1970.
    pub times: [u64; 3],
}

/// Bytes of an encoded [`Stat`].
pub const STAT_BYTES: usize = 64;

impl Stat {
    /// The attributes as they travel: fields in order, little-endian.
    pub fn encode(&self) -> [u8; STAT_BYTES] {
        let mut bytes = [0; STAT_BYTES];
        let words = [self.mode, self.uid, self.gid, self.links];
        for (place, word) in bytes[..16].chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        let [access, modification, change] = self.times;
        let longs = [self.size, self.ino, self.blocks, access, modification, change];
        for (place, long) in bytes[16..].chunks_exact_mut(8).zip(longs) {
            place.copy_from_slice(&long.to_le_bytes());
        }
        bytes
    }

    /// The attributes that [`Stat::encode`] encoded.
    pub fn decode(bytes: &[u8; STAT_BYTES]) -> Stat {
        let word = |n: usize| {
            let at = 4 * n;
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let long = |n: usize| u64::from(word(4 + 2 * n)) | u64::from(word(5 + 2 * n)) << 32;
        Stat {
            mode: word(0),
            uid: word(1),
            gid: word(2),
            links: word(3),
            size: long(0),
            ino: long(1),
            blocks: long(2),
            times: [long(3), long(4), long(5)],
        }
    }
}
