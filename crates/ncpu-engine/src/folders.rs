//! Host folders mounted in a machine: the server of [`ncpu_linux::host`]'s requests.
//!
//! A path is walked name by name from the folder's descriptor, following no link, so that neither
//! `..`, nor links, nor changes made meanwhile lead out of the folder. Files of the user who runs the
//! machine belong to root inside it, as in rootless containers.

use ncpu_linux::Kernel;
use ncpu_linux::host::{Request, STAT_BYTES, Stat, operation};
use ncpu_machine::{PAGE_SIZE, Ppn};
use rustix::fs::{
    self, AtFlags, Dir, FileType, Mode, OFlags, RenameFlags, Timespec, Timestamps, UTIME_OMIT,
};
use rustix::io::{self, pread, pwrite};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Longest name of a file.
const NAME_MAX: usize = 255;

struct Folder {
    root: OwnedFd,
    read_only: bool,
}

/// A directory listing that is being read in pieces.
struct Listing {
    folder: u64,
    path: Vec<u8>,
    /// Type and name, in the order of the names.
    entries: Vec<(u8, Vec<u8>)>,
}

/// The folders that a machine may use, by number.
#[derive(Default)]
pub struct Folders {
    folders: Vec<Folder>,
    listing: Option<Listing>,
    served: u64,
}

/// What a request answers with: the value and bytes for the page.
type Answer = Result<(i64, Vec<u8>), io::Errno>;

impl Folders {
    /// Opens a folder and returns its number.
    ///
    /// # Errors
    /// When it cannot be opened or is not a folder.
    pub fn add(&mut self, path: &Path, read_only: bool) -> std::io::Result<u32> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = fs::open(path, flags, Mode::empty())?;
        self.folders.push(Folder { root, read_only });
        Ok(self.folders.len() as u32 - 1)
    }

    /// Requests answered so far: round trips to the host.
    pub fn served(&self) -> u64 {
        self.served
    }

    /// Answers every request that waits.
    pub fn serve(&mut self, kernel: &mut Kernel<'_>) {
        for task in 0..kernel.requests.len() {
            let request = kernel.requests[task];
            if request.operation == 0 || request.done != 0 {
                continue;
            }
            let mut page = [0; PAGE_SIZE];
            kernel.mem.read_page(Ppn(request.page), 0, &mut page);
            let (result, bytes) = self.respond(&request, &page);
            kernel.answer(task, result, &bytes);
        }
    }

    /// The result of a request and the bytes for its page.
    pub fn respond(&mut self, request: &Request, page: &[u8; PAGE_SIZE]) -> (i64, Vec<u8>) {
        self.served += 1;
        self.answer(request, page)
            .unwrap_or_else(|errno| (-i64::from(errno.raw_os_error()), Vec::new()))
    }

    fn answer(&mut self, request: &Request, page: &[u8]) -> Answer {
        let [number, a, b, c, _] = request.arguments;
        let mut strings = page.split(|&byte| byte == 0);
        let path = strings.next().unwrap_or_default();
        let second = strings.next().unwrap_or_default();
        let folder = usize::try_from(number).ok().and_then(|n| self.folders.get(n));
        let folder = folder.ok_or(io::Errno::NODEV)?;
        let changes = !matches!(
            request.operation,
            operation::STAT | operation::READ | operation::READ_DIR | operation::READ_LINK
        );
        if changes && folder.read_only {
            return Err(io::Errno::ROFS);
        }
        if request.operation == operation::READ_DIR {
            return self.list(number, path, a);
        }
        let place = Place::find(&folder.root, path)?;
        match request.operation {
            operation::STAT => Ok((0, place.status()?.to_vec())),
            operation::READ => {
                let mut bytes = vec![0; usize::try_from(b).unwrap_or(usize::MAX).min(PAGE_SIZE)];
                let count = pread(&place.open(OFlags::RDONLY)?, &mut bytes[..], a)?;
                bytes.truncate(count);
                Ok((count as i64, bytes))
            }
            operation::WRITE => {
                let start = usize::try_from(c).map_err(|_| io::Errno::INVAL)?;
                let end = usize::try_from(b).ok().and_then(|b| start.checked_add(b));
                let bytes = end.and_then(|end| page.get(start..end)).ok_or(io::Errno::INVAL)?;
                Ok((pwrite(&place.open(OFlags::WRONLY)?, bytes, a)? as i64, Vec::new()))
            }
            operation::CREATE => {
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
                let mode = Mode::from_raw_mode(a as u32 & 0o7777);
                let (parent, name) = place.named()?;
                fs::openat(parent, name, flags | OFlags::CLOEXEC, mode)?;
                Ok((0, place.status()?.to_vec()))
            }
            operation::MKDIR => {
                let (parent, name) = place.named()?;
                done(fs::mkdirat(parent, name, Mode::from_raw_mode(a as u32 & 0o7777)))
            }
            operation::SYMLINK => {
                let (parent, name) = place.named()?;
                done(fs::symlinkat(second, parent, name))
            }
            operation::READ_LINK => {
                let (parent, name) = place.named()?;
                let target = fs::readlinkat(parent, name, Vec::new())?.into_bytes();
                if target.len() > PAGE_SIZE {
                    return Err(io::Errno::NAMETOOLONG);
                }
                Ok((target.len() as i64, target))
            }
            operation::UNLINK => {
                let (parent, name) = place.named()?;
                let flags = if a == 1 { AtFlags::REMOVEDIR } else { AtFlags::empty() };
                done(fs::unlinkat(parent, name, flags))
            }
            operation::RENAME => {
                let flags = RenameFlags::from_bits(a as u32).ok_or(io::Errno::INVAL)?;
                let target = Place::find(&folder.root, second)?;
                let ((old_parent, old), (new_parent, new)) = (place.named()?, target.named()?);
                done(fs::renameat_with(old_parent, old, new_parent, new, flags))
            }
            operation::TRUNCATE => done(fs::ftruncate(place.open(OFlags::WRONLY)?, a)),
            operation::CHMOD => {
                let mode = Mode::from_raw_mode(a as u32 & 0o7777);
                done(fs::fchmod(place.open(OFlags::RDONLY)?, mode))
            }
            operation::SET_TIMES => {
                let time = |nanoseconds: u64, set: bool| Timespec {
                    tv_sec: (nanoseconds / 1_000_000_000) as i64,
                    tv_nsec: if set { (nanoseconds % 1_000_000_000) as i64 } else { UTIME_OMIT },
                };
                let times = Timestamps {
                    last_access: time(a, c & 1 != 0),
                    last_modification: time(b, c & 2 != 0),
                };
                match place.named() {
                    Ok((parent, name)) => {
                        done(fs::utimensat(parent, name, &times, AtFlags::SYMLINK_NOFOLLOW))
                    }
                    Err(_) => done(fs::futimens(&place.parent, &times)),
                }
            }
            _ => Err(io::Errno::NOSYS),
        }
    }

    /// A piece of a directory's listing, from entry `skip` on. The listing is read when it is asked
    /// for from its start, and kept for what follows.
    fn list(&mut self, number: u64, path: &[u8], skip: u64) -> Answer {
        let current = |l: &Listing| l.folder == number && l.path == path;
        if skip == 0 || !self.listing.as_ref().is_some_and(current) {
            let folder = &self.folders[number as usize];
            let place = Place::find(&folder.root, path)?;
            let mut entries = Vec::new();
            for entry in Dir::read_from(place.open(OFlags::RDONLY | OFlags::DIRECTORY)?)? {
                let entry = entry?;
                let name = entry.file_name().to_bytes().to_vec();
                if name != b"." && name != b".." && name.len() <= NAME_MAX {
                    entries.push((dirent_type(entry.file_type()), name));
                }
            }
            entries.sort_by(|(_, a), (_, b)| a.cmp(b));
            self.listing = Some(Listing { folder: number, path: path.to_vec(), entries });
        }
        let entries = self.listing.as_ref().map_or(&[][..], |listing| &listing.entries);
        let mut bytes = Vec::new();
        let mut count = 0;
        for (kind, name) in entries.iter().skip(usize::try_from(skip).unwrap_or(usize::MAX)) {
            if bytes.len() + 2 + name.len() > PAGE_SIZE {
                break;
            }
            bytes.extend_from_slice(&[name.len() as u8, *kind]);
            bytes.extend_from_slice(name);
            count += 1;
        }
        Ok((count, bytes))
    }
}

fn done(result: io::Result<()>) -> Answer {
    result.map(|()| (0, Vec::new()))
}

/// `DT_*` of a file type.
fn dirent_type(kind: FileType) -> u8 {
    match kind {
        FileType::Fifo => 1,
        FileType::CharacterDevice => 2,
        FileType::Directory => 4,
        FileType::BlockDevice => 6,
        FileType::RegularFile => 8,
        FileType::Symlink => 10,
        FileType::Socket => 12,
        _ => 0,
    }
}

/// A file in a folder: an opened directory and a name in it, or the folder itself.
struct Place {
    parent: OwnedFd,
    name: Option<CString>,
}

impl Place {
    /// Walks to the directory of `path`, following no links.
    fn find(root: &OwnedFd, path: &[u8]) -> Result<Place, io::Errno> {
        let mut parent = root.try_clone().map_err(|_| io::Errno::MFILE)?;
        let mut names = path.split(|&byte| byte == b'/').filter(|name| !name.is_empty()).peekable();
        let mut last = None;
        while let Some(name) = names.next() {
            if name == b"." || name == b".." || name.len() > NAME_MAX {
                return Err(io::Errno::INVAL);
            }
            let name = CString::new(name).map_err(|_| io::Errno::INVAL)?;
            if names.peek().is_none() {
                last = Some(name);
            } else {
                let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                parent = fs::openat(&parent, &name, flags, Mode::empty())?;
            }
        }
        Ok(Place { parent, name: last })
    }

    /// The directory and the name; the folder itself has none.
    fn named(&self) -> Result<(BorrowedFd<'_>, &CStr), io::Errno> {
        let name = self.name.as_deref().ok_or(io::Errno::BUSY)?;
        Ok((self.parent.as_fd(), name))
    }

    /// Opens the file itself: never a link, and without waiting for the other end of a FIFO.
    fn open(&self, flags: OFlags) -> Result<OwnedFd, io::Errno> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let name = self.name.as_deref().unwrap_or(c".");
        let file = fs::openat(&self.parent, name, flags, Mode::empty())?;
        match FileType::from_raw_mode(fs::fstat(&file)?.st_mode) {
            FileType::RegularFile | FileType::Directory => Ok(file),
            _ => Err(io::Errno::NXIO),
        }
    }

    fn status(&self) -> Result<[u8; STAT_BYTES], io::Errno> {
        let stat = match &self.name {
            Some(name) => fs::statat(&self.parent, name, AtFlags::SYMLINK_NOFOLLOW)?,
            None => fs::fstat(&self.parent)?,
        };
        let own = rustix::process::geteuid().as_raw();
        let own_group = rustix::process::getegid().as_raw();
        let time = |seconds: i64, nanoseconds: u64| {
            (seconds.max(0) as u64).wrapping_mul(1_000_000_000).wrapping_add(nanoseconds)
        };
        Ok(Stat {
            mode: stat.st_mode,
            uid: if stat.st_uid == own { 0 } else { stat.st_uid },
            gid: if stat.st_gid == own_group { 0 } else { stat.st_gid },
            links: stat.st_nlink as u32,
            size: stat.st_size as u64,
            ino: stat.st_ino,
            blocks: stat.st_blocks as u64,
            times: [
                time(stat.st_atime, stat.st_atime_nsec),
                time(stat.st_mtime, stat.st_mtime_nsec),
                time(stat.st_ctime, stat.st_ctime_nsec),
            ],
        }
        .encode())
    }
}
