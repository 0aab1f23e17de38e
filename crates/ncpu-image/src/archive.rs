//! Tar archives: plain ones become a tree, container layers are applied to one.
//!
//! The library reads headers, long names and sparse maps; here are the limits that untrusted
//! archives need. Contents always go to the image and names to the tree, so an archive cannot write
//! anywhere else whatever it says.

use std::cell::Cell;
use std::fmt;
use std::io::{self, BufRead, Read};

use ncpu_linux::rom::{S_IFBLK, S_IFCHR, is_name, makedev};
use tar::{Archive, Entry, EntryType};

use crate::compression;
use crate::error::TreeError;
use crate::tree::{Attributes, Body, Tree, components};
use crate::writer::{WriteError, Writer};

/// Bytes between two entries' contents: their headers with long names and attributes. The library
/// keeps these in memory.
const MAX_HEADERS: u64 = 4 << 20;

/// Entries of one archive, each of which takes memory; Debian's largest archives have a tenth.
const MAX_ENTRIES: u64 = 8 << 20;

/// Prefix of a name that a layer removes, and the rest of the name that removes all of a directory.
const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..opq";

/// What is wrong with an archive, and where.
#[derive(Debug)]
pub struct EntryError {
    /// Name of the entry, or of the one before if the trouble lies between entries; empty at the
    /// start.
    pub entry: String,
    /// Offset of the entry's header, or of the trouble between entries, in the decompressed archive.
    pub offset: u64,
    /// The trouble.
    pub problem: EntryProblem,
}

impl fmt::Display for EntryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let EntryError { entry, offset, problem } = self;
        match entry.as_str() {
            "" => write!(f, "at byte {offset}: {problem}"),
            entry => write!(f, "entry {entry:?} at byte {offset}: {problem}"),
        }
    }
}

impl std::error::Error for EntryError {}

/// What can be wrong with an entry of an archive.
#[derive(Debug, thiserror::Error)]
pub enum EntryProblem {
    /// The archive cannot be read, decompressed or understood.
    #[error("{0}")]
    Read(io::Error),
    /// The archive ends in the middle.
    #[error("the archive is cut short")]
    Truncated,
    /// The entry's name cannot be placed.
    #[error(transparent)]
    Name(#[from] TreeError),
    /// A header field has an impossible value.
    #[error("impossible {0}")]
    Field(&'static str),
    /// A kind of entry that has no meaning in a root file system.
    #[error("entries of type {0:?} are not supported")]
    Type(char),
    /// GNU's sparse format for pax archives.
    #[error("sparse files in pax format are not supported (use tar --format=gnu)")]
    PaxSparse,
    /// A whiteout without a usable name.
    #[error("whiteout of an impossible name")]
    Whiteout,
    /// Too many entries.
    #[error("more than {MAX_ENTRIES} entries")]
    TooMany,
    /// The root file system outgrew its limit.
    #[error("the root file system needs more than {0} bytes")]
    TooLarge(u64),
    /// The image cannot be written.
    #[error("cannot write the image: {0}")]
    Write(io::Error),
}

/// What an archive is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A whole tree. It must end with the marker that POSIX asks for, or it may have been cut.
    Whole,
    /// A layer of a container image: `.wh.` names remove (OCI image specification, layer.md), and as
    /// its digest vouches for it, the end marker may be missing, as some builders leave it.
    Layer,
}

/// Reads an archive, compressed or not, into the tree.
pub(crate) fn unpack(
    source: impl BufRead,
    role: Role,
    limit: u64,
    tree: &mut Tree,
    writer: &mut Writer,
) -> Result<(), EntryError> {
    let gauge = Gauge::default();
    let mut at = Place::default();
    let result = unpack_entries(source, role, limit, tree, writer, &gauge, &mut at);
    result.map_err(|problem| EntryError {
        entry: at.entry,
        offset: at.header.unwrap_or(gauge.read.get()),
        problem,
    })
}

/// Where reading has got to, for messages.
#[derive(Default)]
struct Place {
    entry: String,
    /// Offset of the header of the entry being read; none between entries.
    header: Option<u64>,
}

fn unpack_entries(
    source: impl BufRead,
    role: Role,
    limit: u64,
    tree: &mut Tree,
    writer: &mut Writer,
    gauge: &Gauge,
    at: &mut Place,
) -> Result<(), EntryProblem> {
    let decoder = compression::decoder(source).map_err(EntryProblem::Read)?;
    gauge.limit.set(limit);
    let mut archive = Archive::new(Metered { source: decoder, gauge });
    let mut entries = archive.entries().map_err(EntryProblem::Read)?;
    let mut count = 0;
    loop {
        gauge.headers.set(Some(MAX_HEADERS));
        at.header = None;
        let Some(entry) = entries.next() else { break };
        let mut entry = entry.map_err(|error| gauge.problem(error))?;
        gauge.headers.set(None);
        at.header = Some(entry.raw_header_position());
        at.entry = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        count += 1;
        if count > MAX_ENTRIES {
            return Err(EntryProblem::TooMany);
        }
        place(&mut entry, role, tree, writer).map_err(|problem| match problem {
            EntryProblem::Read(error) => gauge.problem(error),
            problem => problem,
        })?;
        // Contents that the entry's type has no use for, so that the gauge sees only headers next.
        io::copy(&mut entry, &mut io::sink()).map_err(|error| gauge.problem(error))?;
    }
    gauge.headers.set(None);
    if gauge.ended.get() && role == Role::Whole {
        return Err(EntryProblem::Truncated);
    }
    // To the end, where gzip, xz and zstd have their checksums.
    let mut rest = archive.into_inner();
    io::copy(&mut rest, &mut io::sink()).map_err(|error| gauge.problem(error))?;
    Ok(())
}

fn place(
    entry: &mut Entry<'_, impl Read>,
    role: Role,
    tree: &mut Tree,
    writer: &mut Writer,
) -> Result<(), EntryProblem> {
    let kind = entry.header().entry_type();
    if kind.is_pax_global_extensions() || kind.as_byte() == b'V' {
        return Ok(());
    }
    let name = entry.path_bytes().into_owned();
    let path = components(&name)?;
    if role == Role::Layer
        && let Some((last, parents)) = path.split_last()
    {
        match last.strip_prefix(WHITEOUT) {
            Some(OPAQUE) => {
                tree.make_opaque(parents);
                return Ok(());
            }
            // Other names with the prefix twice are bookkeeping of AUFS.
            _ if path.iter().any(|name| name.starts_with(b".wh..wh.")) => return Ok(()),
            Some(hidden) if is_name(hidden) => {
                tree.white_out(parents, hidden);
                return Ok(());
            }
            Some(_) => return Err(EntryProblem::Whiteout),
            None => {}
        }
    }
    let attributes = attributes(entry)?;
    let body = match kind {
        // Before POSIX a directory was a file whose name ends in a slash.
        EntryType::Regular if name.ends_with(b"/") => Body::directory(),
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
            let size = entry.size();
            Body::File(writer.append(entry, size)?)
        }
        EntryType::Directory => Body::directory(),
        EntryType::Link => {
            let target = entry.link_name_bytes().ok_or(EntryProblem::Field("link target"))?;
            tree.hard_link(&path, &components(&target)?)?;
            return Ok(());
        }
        EntryType::Symlink => {
            let target = entry.link_name_bytes().ok_or(EntryProblem::Field("link target"))?;
            Body::symlink(&target)?
        }
        EntryType::Char => Body::Device(S_IFCHR, device(entry)?),
        EntryType::Block => Body::Device(S_IFBLK, device(entry)?),
        EntryType::Fifo => Body::Fifo,
        other => return Err(EntryProblem::Type(char::from(other.as_byte()))),
    };
    tree.insert(&path, attributes, body)?;
    Ok(())
}

fn attributes(entry: &mut Entry<'_, impl Read>) -> Result<Attributes, EntryProblem> {
    let header = entry.header();
    let raw = header.as_old();
    let field = |raw: &[u8], value: io::Result<u64>, name| match value {
        // Writers leave out what a pax header says, or what they do not know.
        _ if raw.iter().all(|byte| matches!(byte, b' ' | 0)) => Ok(0),
        value => value.map_err(|_| EntryProblem::Field(name)),
    };
    let owner = |raw: &[u8], id, name| {
        u32::try_from(field(raw, id, name)?).map_err(|_| EntryProblem::Field(name))
    };
    let mut attributes = Attributes {
        mode: field(&raw.mode, header.mode().map(u64::from), "mode")? as u32 & 0o7777,
        uid: owner(&raw.uid, header.uid(), "owner")?,
        gid: owner(&raw.gid, header.gid(), "group")?,
        mtime_s: field(&raw.mtime, header.mtime(), "time")? as i64,
        mtime_ns: 0,
    };
    let Some(extensions) = entry.pax_extensions().map_err(EntryProblem::Read)? else {
        return Ok(attributes);
    };
    for extension in extensions {
        let extension = extension.map_err(EntryProblem::Read)?;
        let key = extension.key_bytes();
        if key.starts_with(b"GNU.sparse.") {
            return Err(EntryProblem::PaxSparse);
        }
        if key == b"mtime" {
            (attributes.mtime_s, attributes.mtime_ns) =
                pax_time(extension.value_bytes()).ok_or(EntryProblem::Field("time"))?;
        }
    }
    Ok(attributes)
}

fn device(entry: &Entry<'_, impl Read>) -> Result<u32, EntryProblem> {
    let header = entry.header();
    match (header.device_major(), header.device_minor()) {
        (Ok(Some(major)), Ok(Some(minor))) if major < 1 << 12 && minor < 1 << 20 => {
            Ok(makedev(major, minor))
        }
        _ => Err(EntryProblem::Field("device number")),
    }
}

/// Seconds with an optional fraction, possibly negative, as whole seconds rounded down and
/// nanoseconds (POSIX.1-2017, pax, "pax Extended Header File Times").
fn pax_time(text: &[u8]) -> Option<(i64, u32)> {
    let text = str::from_utf8(text).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = format!("{:0<9.9}", fraction);
    let nanoseconds: u32 = digits.parse().ok()?;
    if whole.starts_with('-') && nanoseconds > 0 {
        return Some((seconds.checked_sub(1)?, 1_000_000_000 - nanoseconds));
    }
    Some((seconds, nanoseconds))
}

/// What has been read of an archive, and what may be.
#[derive(Default)]
struct Gauge {
    read: Cell<u64>,
    limit: Cell<u64>,
    /// Bytes left for headers while headers are read.
    headers: Cell<Option<u64>>,
    /// The source has ended.
    ended: Cell<bool>,
}

impl Gauge {
    /// Tells the end of the source apart from other trouble that the library reports.
    fn problem(&self, error: io::Error) -> EntryProblem {
        let exhausted = self.read.get() >= self.limit.get();
        match error.kind() {
            _ if self.ended.get() => EntryProblem::Truncated,
            io::ErrorKind::UnexpectedEof => EntryProblem::Truncated,
            io::ErrorKind::FileTooLarge if exhausted => EntryProblem::TooLarge(self.limit.get()),
            _ => EntryProblem::Read(error),
        }
    }
}

struct Metered<'a, R> {
    source: R,
    gauge: &'a Gauge,
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let gauge = self.gauge;
        let left = gauge.limit.get() - gauge.read.get();
        let allowed = gauge.headers.get().map_or(left, |headers| headers.min(left));
        if allowed == 0 {
            let what = if left == 0 { "archive too large" } else { "headers too large" };
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
        }
        let want = buffer.len().min(usize::try_from(allowed).unwrap_or(usize::MAX));
        let got = self.source.read(&mut buffer[..want])?;
        if got == 0 && want > 0 {
            gauge.ended.set(true);
        }
        gauge.read.set(gauge.read.get() + got as u64);
        gauge.headers.set(gauge.headers.get().map(|headers| headers - got as u64));
        Ok(got)
    }
}

impl From<WriteError> for EntryProblem {
    fn from(error: WriteError) -> EntryProblem {
        match error {
            WriteError::Read(error) => EntryProblem::Read(error),
            WriteError::Short => EntryProblem::Truncated,
            WriteError::Write(error) => EntryProblem::Write(error),
            WriteError::Full(limit) => EntryProblem::TooLarge(limit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::pax_time;

    #[test]
    fn pax_times_round_down() {
        assert_eq!(pax_time(b"1700000000"), Some((1_700_000_000, 0)));
        assert_eq!(pax_time(b"1.5"), Some((1, 500_000_000)));
        assert_eq!(pax_time(b"1.0000000019"), Some((1, 1)));
        assert_eq!(pax_time(b"-1.25"), Some((-2, 750_000_000)));
        assert_eq!(pax_time(b"-0.25"), Some((-1, 750_000_000)));
        assert_eq!(pax_time(b"1.x"), None);
        assert_eq!(pax_time(b""), None);
    }
}
