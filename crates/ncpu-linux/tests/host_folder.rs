//! Host folders: what a program sees of files that a (made-up) host answers for, one request at a
//! time.

mod support;

use ncpu_linux::host::{Stat, operation};
use ncpu_linux::{Block, Channel, Errno, vfs};
use std::collections::BTreeMap;
use support::{Program, boot};

const OPENAT: u32 = 56;
const CLOSE: u32 = 57;
const READ: u32 = 63;
const WRITE: u32 = 64;
const GETDENTS64: u32 = 61;
const MKDIRAT: u32 = 34;
const UNLINKAT: u32 = 35;
const SYMLINKAT: u32 = 36;
const RENAMEAT: u32 = 38;
const FSTATAT: u32 = 79;
const READLINKAT: u32 = 78;
const AT_FDCWD: u64 = -100i64 as u64;
const O_WRONLY: u64 = 1;
const O_RDWR: u64 = 2;
const O_CREAT: u64 = 0o100;
const O_TRUNC: u64 = 0o1000;
const O_DIRECTORY: u64 = 0o40000;

/// A file of the host.
#[derive(Clone)]
enum Entry {
    Directory,
    File(Vec<u8>),
    Link(String),
}

/// A folder of the host: paths from its root; the root itself is the empty path.
struct Host {
    files: BTreeMap<String, Entry>,
    /// Counts changes, in place of a clock.
    time: u64,
    /// Requests answered.
    answered: u32,
}

impl Host {
    fn new(files: &[(&str, Entry)]) -> Host {
        let mut all = BTreeMap::from([(String::new(), Entry::Directory)]);
        all.extend(files.iter().map(|(path, entry)| (path.to_string(), entry.clone())));
        Host { files: all, time: 1, answered: 0 }
    }

    fn stat(&self, path: &str) -> Result<Stat, Errno> {
        let (mode, size) = match self.files.get(path).ok_or(Errno::ENOENT)? {
            Entry::Directory => (0o40755, 4096),
            Entry::File(bytes) => (0o100644, bytes.len() as u64),
            Entry::Link(target) => (0o120777, target.len() as u64),
        };
        Ok(Stat { mode, links: 1, size, ino: 7, times: [self.time; 3], ..Stat::default() })
    }

    fn serve(
        &mut self,
        what: u32,
        [folder, a, b, c, _]: [u64; 5],
        page: &[u8],
    ) -> Result<(u64, Vec<u8>), Errno> {
        assert_eq!(folder, 3, "the number that the folder was mounted with");
        let mut strings = page.split(|&byte| byte == 0);
        let mut string = || String::from_utf8(strings.next().unwrap().to_vec()).unwrap();
        let path = string();
        self.time += u64::from(!matches!(
            what,
            operation::STAT | operation::READ | operation::READ_DIR | operation::READ_LINK
        ));
        match what {
            operation::STAT => Ok((0, self.stat(&path)?.encode().to_vec())),
            operation::READ => {
                let Some(Entry::File(bytes)) = self.files.get(&path) else {
                    return Err(Errno::ENOENT);
                };
                let start = (a as usize).min(bytes.len());
                let part = &bytes[start..(start + b as usize).min(bytes.len())];
                Ok((part.len() as u64, part.to_vec()))
            }
            operation::WRITE => {
                let Some(Entry::File(bytes)) = self.files.get_mut(&path) else {
                    return Err(Errno::ENOENT);
                };
                let (offset, count, start) = (a as usize, b as usize, c as usize);
                bytes.resize(bytes.len().max(offset + count), 0);
                bytes[offset..offset + count].copy_from_slice(&page[start..start + count]);
                Ok((b, Vec::new()))
            }
            operation::READ_DIR => {
                let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
                let inside = self.files.iter().filter_map(|(path, entry)| {
                    let name = path.strip_prefix(&prefix)?;
                    (!name.is_empty() && !name.contains('/')).then_some((name, entry))
                });
                let (mut count, mut bytes) = (0, Vec::new());
                // Two at a time, so that the listing takes several answers.
                for (name, entry) in inside.skip(a as usize).take(2) {
                    let kind = match entry {
                        Entry::Directory => 4,
                        Entry::File(_) => 8,
                        Entry::Link(_) => 10,
                    };
                    bytes.extend([name.len() as u8, kind]);
                    bytes.extend(name.as_bytes());
                    count += 1;
                }
                Ok((count, bytes))
            }
            operation::CREATE => {
                self.files.insert(path.clone(), Entry::File(Vec::new()));
                Ok((0, self.stat(&path)?.encode().to_vec()))
            }
            operation::MKDIR => {
                self.files.insert(path, Entry::Directory);
                Ok((0, Vec::new()))
            }
            operation::SYMLINK => {
                let target = string();
                self.files.insert(path, Entry::Link(target));
                Ok((0, Vec::new()))
            }
            operation::READ_LINK => match self.files.get(&path) {
                Some(Entry::Link(target)) => Ok((target.len() as u64, target.as_bytes().to_vec())),
                _ => Err(Errno::EINVAL),
            },
            operation::UNLINK => {
                self.files.remove(&path).ok_or(Errno::ENOENT)?;
                Ok((0, Vec::new()))
            }
            operation::RENAME => {
                let to = string();
                let entry = self.files.remove(&path).ok_or(Errno::ENOENT)?;
                self.files.insert(to, entry);
                Ok((0, Vec::new()))
            }
            operation::TRUNCATE => {
                let Some(Entry::File(bytes)) = self.files.get_mut(&path) else {
                    return Err(Errno::ENOENT);
                };
                bytes.resize(a as usize, 0);
                Ok((0, Vec::new()))
            }
            other => panic!("operation {other}"),
        }
    }

    /// Answers the request of the current task, as the engine does.
    fn answer(&mut self, p: &mut Program<'_, '_>) {
        let task = p.k.current();
        let request = p.k.requests[task];
        assert_eq!((request.done, p.k.header.host_requests), (0, 1));
        let page = ncpu_machine::Ppn(request.page);
        let mut bytes = vec![0; request.length as usize];
        p.k.mem.read_page(page, 0, &mut bytes);
        let answer = self.serve(request.operation, request.arguments, &bytes);
        let request = &mut p.k.requests[task];
        match answer {
            Ok((value, bytes)) => {
                request.result = value as i64;
                request.length = bytes.len() as u32;
                assert!(p.k.mem.write_page(page, 0, &bytes));
            }
            Err(errno) => request.result = -i64::from(errno.0),
        }
        p.k.requests[task].done = 1;
        p.k.header.host_requests -= 1;
        self.answered += 1;
    }

    /// Makes a system call and answers for it until it ends.
    fn call(
        &mut self,
        p: &mut Program<'_, '_>,
        number: u32,
        arguments: &[u64],
    ) -> Result<u64, Errno> {
        // A program retires instructions between calls.
        let task = p.k.current();
        p.k.tasks[task].user_time += 1;
        let mut result = p.call(number, arguments);
        for _ in 0..1000 {
            match result {
                Err(Block::Sleep(Channel::Host, None)) => self.answer(p),
                Err(Block::Error(errno)) => return Err(errno),
                Ok(value) => return Ok(value),
                other => panic!("{other:?}"),
            }
            result = p.again(number, arguments);
        }
        panic!("call {number} never ends");
    }

    fn open(&mut self, p: &mut Program<'_, '_>, path: &str, flags: u64) -> Result<u64, Errno> {
        let path = p.put(0, format!("{path}\0").as_bytes());
        self.call(p, OPENAT, &[AT_FDCWD, path, flags, 0o644])
    }

    fn read(&mut self, p: &mut Program<'_, '_>, fd: u64, count: u64) -> Vec<u8> {
        let buffer = p.buffer;
        let count = self.call(p, READ, &[fd, buffer, count]).unwrap();
        p.get(0, count as usize)
    }
}

/// Mounts the folder on /host of a machine and runs the test there.
fn with_host(
    files: &[(&str, Entry)],
    read_only: bool,
    test: impl FnOnce(&mut Program<'_, '_>, &mut Host),
) {
    boot(false, |p| {
        vfs::mount::mount_host(p.k, 3, b"/host", read_only).unwrap();
        test(p, &mut Host::new(files));
    });
}

fn file(bytes: &[u8]) -> Entry {
    Entry::File(bytes.to_vec())
}

#[test]
fn reads_across_pages_and_follows_links() {
    let long: Vec<u8> = (0..10_000u32).map(|n| (n % 251) as u8).collect();
    let files = [
        ("d", Entry::Directory),
        ("d/long", file(&long)),
        ("link", Entry::Link("d/long".into())),
        ("out", Entry::Link("/tmp".into())),
    ];
    with_host(&files, false, |p, host| {
        let fd = host.open(p, "/host/link", 0).unwrap();
        assert_eq!(host.read(p, fd, 9_000), &long[..9_000]);
        assert_eq!(host.read(p, fd, 9_000), &long[9_000..]);
        assert_eq!(host.read(p, fd, 9_000), []);
        // An absolute link is the guest's: it leads into its own tree.
        assert!(host.open(p, "/host/out", O_DIRECTORY).is_ok());
        assert_eq!(host.open(p, "/host/none", 0), Err(Errno::ENOENT));
        assert_eq!(host.open(p, "/host/d/long/x", 0), Err(Errno::ENOTDIR));
        // `..` at the folder's root leads back to the guest.
        assert!(host.open(p, "/host/../tmp", O_DIRECTORY).is_ok());
    });
}

#[test]
fn sees_what_the_host_changes() {
    with_host(&[("f", file(b"one"))], false, |p, host| {
        let fd = host.open(p, "/host/f", 0).unwrap();
        assert_eq!(host.read(p, fd, 10), b"one");
        host.files.insert("f".into(), file(b"one and two"));
        host.time += 1;
        assert_eq!(host.read(p, fd, 100), b" and two");
    });
}

#[test]
fn creates_writes_truncates_and_removes() {
    with_host(&[], false, |p, host| {
        let fd = host.open(p, "/host/new", O_CREAT | O_RDWR).unwrap();
        let bytes = p.put(100, b"some text");
        assert_eq!(host.call(p, WRITE, &[fd, bytes, 9]), Ok(9));
        let bytes = p.put(100, b", more");
        assert_eq!(host.call(p, WRITE, &[fd, bytes, 6]), Ok(6));
        assert!(matches!(&host.files["new"], Entry::File(b) if b == b"some text, more"));
        host.call(p, CLOSE, &[fd]).unwrap();
        let fd = host.open(p, "/host/new", O_WRONLY | O_TRUNC).unwrap();
        assert!(matches!(&host.files["new"], Entry::File(b) if b.is_empty()));
        host.call(p, CLOSE, &[fd]).unwrap();
        let path = p.put(0, b"/host/sub\0");
        assert_eq!(host.call(p, MKDIRAT, &[AT_FDCWD, path, 0o755]), Ok(0));
        assert_eq!(host.call(p, MKDIRAT, &[AT_FDCWD, path, 0o755]), Err(Errno::EEXIST));
        let from = p.put(0, b"/host/new\0");
        let to = p.put(100, b"/host/sub/moved\0");
        assert_eq!(host.call(p, RENAMEAT, &[AT_FDCWD, from, AT_FDCWD, to]), Ok(0));
        assert!(host.files.contains_key("sub/moved"));
        assert_eq!(host.open(p, "/host/new", 0), Err(Errno::ENOENT));
        let target = p.put(0, b"moved\0");
        let link = p.put(100, b"/host/sub/link\0");
        assert_eq!(host.call(p, SYMLINKAT, &[target, AT_FDCWD, link]), Ok(0));
        assert_eq!(host.call(p, READLINKAT, &[AT_FDCWD, link, p.buffer, 100]), Ok(5));
        assert_eq!(p.get(0, 5), b"moved");
        assert_eq!(host.call(p, UNLINKAT, &[AT_FDCWD, link, 0]), Ok(0));
        assert!(!host.files.contains_key("sub/link"));
        // Not into the guest's own tree.
        let from = p.put(0, b"/host/sub/moved\0");
        let to = p.put(100, b"/tmp/moved\0");
        let result = host.call(p, RENAMEAT, &[AT_FDCWD, from, AT_FDCWD, to]);
        assert_eq!(result, Err(Errno::EXDEV));
    });
}

#[test]
fn lists_a_directory() {
    let files: Vec<(String, Entry)> = (0..9).map(|n| (format!("f{n}"), file(b"x"))).collect();
    let files: Vec<(&str, Entry)> = files.iter().map(|(n, e)| (n.as_str(), e.clone())).collect();
    with_host(&files, false, |p, host| {
        let fd = host.open(p, "/host", O_DIRECTORY).unwrap();
        let buffer = p.buffer;
        let mut names = Vec::new();
        loop {
            // Room for a few entries at a time.
            let count = host.call(p, GETDENTS64, &[fd, buffer, 100]).unwrap();
            if count == 0 {
                break;
            }
            let bytes = p.get(0, count as usize);
            let mut at = 0;
            while at < bytes.len() {
                let length = u16::from_le_bytes([bytes[at + 16], bytes[at + 17]]) as usize;
                let name = bytes[at + 19..at + length].split(|&b| b == 0).next().unwrap();
                names.push((String::from_utf8(name.to_vec()).unwrap(), bytes[at + 18]));
                at += length;
            }
        }
        let mut expected = vec![(".".to_string(), 4), ("..".to_string(), 4)];
        expected.extend((0..9).map(|n| (format!("f{n}"), 8)));
        assert_eq!(names, expected);
    });
}

#[test]
fn lists_a_directory_below_the_root() {
    let files = [("sub", Entry::Directory), ("sub/a", file(b"x")), ("sub/b", file(b"y"))];
    with_host(&files, false, |p, host| {
        let fd = host.open(p, "/host/sub", O_DIRECTORY).unwrap();
        let buffer = p.buffer;
        // `.`, `..`, `a` and `b`, with 24 bytes for each.
        assert_eq!(host.call(p, GETDENTS64, &[fd, buffer, 4096]), Ok(4 * 24));
    });
}

#[test]
fn a_read_only_folder_stays_as_it_is() {
    with_host(&[("f", file(b"one"))], true, |p, host| {
        assert_eq!(host.open(p, "/host/f", O_RDWR), Err(Errno::EROFS));
        assert_eq!(host.open(p, "/host/new", O_CREAT | O_RDWR), Err(Errno::EROFS));
        let path = p.put(0, b"/host/f\0");
        assert_eq!(host.call(p, UNLINKAT, &[AT_FDCWD, path, 0]), Err(Errno::EROFS));
        let (path, out) = (p.put(0, b"/host/f\0"), p.buffer + 1000);
        assert_eq!(host.call(p, FSTATAT, &[AT_FDCWD, path, out, 0]), Ok(0));
        assert!(matches!(&host.files["f"], Entry::File(b) if b == b"one"));
    });
}
