//! Machines on disk.
//!
//! A snapshot is a header, the non-zero blocks of the machine's image, the pages of its memory, and a
//! checksum over all of it, deflated. Frame numbers are left out: each page carries its bytes. The
//! root file system is not part of it, only its identity, which must match on restoring.

use crate::machine::{BootError, Machine, Pool};
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use ncpu_linux::Limits;
use ncpu_machine::mem::Page;
use ncpu_machine::{PAGE_SIZE, Ppn};
use siphasher::sip128::{Hasher128, SipHasher13};
use std::hash::Hasher;
use std::io::{self, Read, Write};
use std::sync::Arc;

const MAGIC: [u8; 8] = *b"NCPUSNAP";
const VERSION: u32 = 1;
/// Ends the list of image blocks and the list of pages.
const END: u32 = u32::MAX;

/// Why a snapshot could not be written or restored.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The file could not be read or written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is not a snapshot.
    #[error("not an nCPU snapshot (it does not start with {:?})", String::from_utf8_lossy(&MAGIC))]
    Magic,
    /// It is of another version.
    #[error("snapshot version {0}, but this program reads version {VERSION}")]
    Version(u32),
    /// It was made with another root file system.
    #[error(
        "the snapshot belongs to root file system {wanted:016x}, not {given:016x}: give the same --rootfs as when it was made"
    )]
    Root {
        /// Identity of the root file system that the snapshot was made with.
        wanted: u64,
        /// Identity of the one given.
        given: u64,
    },
    /// Its contents make no sense.
    #[error("the snapshot is damaged: {0}")]
    Damaged(&'static str),
    /// The machine could not be made.
    #[error(transparent)]
    Boot(#[from] BootError),
}

/// Writes through to `inner` and hashes what passes.
struct Hashing<T> {
    inner: T,
    hasher: SipHasher13,
}

impl<T> Hashing<T> {
    fn new(inner: T) -> Self {
        Hashing { inner, hasher: SipHasher13::new() }
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hasher.write(&bytes[..count]);
        Ok(count)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.write(&buffer[..count]);
        Ok(count)
    }
}

fn identity(pool: &Pool) -> Result<u64, SnapshotError> {
    let rom = pool.root().rom().map_err(|_| SnapshotError::Damaged("root file system image"))?;
    Ok(rom.identity())
}

/// Writes the machine's state.
///
/// # Errors
/// When writing fails.
pub fn save(machine: &mut Machine, to: impl Write) -> Result<(), SnapshotError> {
    let mut out = Hashing::new(DeflateEncoder::new(to, Compression::fast()));
    let plain = out.inner.get_mut();
    plain.write_all(&MAGIC)?;
    plain.write_all(&VERSION.to_le_bytes())?;
    out.write_all(&identity(machine.pool())?.to_le_bytes())?;
    for limit in machine.limits().to_array() {
        out.write_all(&limit.to_le_bytes())?;
    }
    let frames = machine.layout().page_table();
    for (index, block) in machine.image().chunks(PAGE_SIZE).enumerate() {
        let mut copy = [0; PAGE_SIZE];
        copy[..block.len()].copy_from_slice(block);
        forget_frames(&mut copy, index * PAGE_SIZE, &frames);
        if !ncpu_linux::is_zero(&copy) {
            out.write_all(&(index as u32).to_le_bytes())?;
            out.write_all(&copy)?;
        }
    }
    out.write_all(&END.to_le_bytes())?;
    let mut result = Ok(());
    machine.with_kernel(|kernel| {
        kernel.mem.for_each_page(0, 1, |page, _, bytes| {
            if result.is_ok() {
                result = out.write_all(&page.0.to_le_bytes()).and_then(|()| out.write_all(bytes));
            }
        });
    });
    result?;
    out.write_all(&END.to_le_bytes())?;
    let hash = out.hasher.finish128().as_u128();
    out.inner.write_all(&hash.to_le_bytes())?;
    out.inner.finish()?.flush()?;
    Ok(())
}

/// Clears the frame numbers of pages in use in the part of an image that starts at `at`.
fn forget_frames(block: &mut [u8; PAGE_SIZE], at: usize, table: &std::ops::Range<usize>) {
    const RECORD: usize = size_of::<Page>();
    let first = table.start.max(at).next_multiple_of(RECORD);
    for record in (first..table.end.min(at + PAGE_SIZE)).step_by(RECORD) {
        let record = record - at;
        // The references are in the second half of a record, see `Page`.
        if block[record + 4..record + RECORD] != [0; 4] {
            block[record..record + 4].fill(0);
        }
    }
}

fn read_array<const N: usize>(from: &mut impl Read) -> Result<[u8; N], SnapshotError> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes).map_err(|error| {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            SnapshotError::Damaged("it ends early")
        } else {
            SnapshotError::Damaged("it cannot be decompressed")
        }
    })?;
    Ok(bytes)
}

fn read_u32(from: &mut impl Read) -> Result<u32, SnapshotError> {
    Ok(u32::from_le_bytes(read_array(from)?))
}

/// Reads the blocks of an image, and counts the pages that have to follow.
fn read_image(machine: &mut Machine, from: &mut impl Read) -> Result<u64, SnapshotError> {
    loop {
        let index = read_u32(from)?;
        if index == END {
            break;
        }
        let block: [u8; PAGE_SIZE] = read_array(from)?;
        let Some(target) = machine.image_mut().chunks_mut(PAGE_SIZE).nth(index as usize) else {
            return Err(SnapshotError::Damaged("a block lies outside the image"));
        };
        target.copy_from_slice(&block[..target.len()]);
    }
    machine
        .with_kernel(|kernel| kernel.mem.count_unbacked())
        .ok_or(SnapshotError::Damaged("the records of its memory contradict each other"))
}

/// Reads what comes first in a snapshot: the identity of the root file system and the table sizes.
fn read_start<R: Read>(
    mut from: R,
) -> Result<(u64, Limits, Hashing<DeflateDecoder<R>>), SnapshotError> {
    let mut start = [0; 12];
    from.read_exact(&mut start).map_err(|_| SnapshotError::Magic)?;
    let (magic, version) = start.split_at(8);
    if magic != MAGIC {
        return Err(SnapshotError::Magic);
    }
    let version = version.iter().rev().fold(0, |n, &byte| n << 8 | u32::from(byte));
    if version != VERSION {
        return Err(SnapshotError::Version(version));
    }
    let mut from = Hashing::new(DeflateDecoder::new(from));
    let root = u64::from_le_bytes(read_array(&mut from)?);
    let mut limits = Limits::default().to_array();
    for limit in &mut limits {
        *limit = read_u32(&mut from)?;
    }
    let limits =
        Limits::from_array(limits).ok_or(SnapshotError::Damaged("table sizes out of range"))?;
    Ok((root, limits, from))
}

/// The table sizes of a snapshot's machine: its pool needs as many frames as it has pages.
///
/// # Errors
/// When the snapshot cannot be read or is not one.
pub fn limits(from: impl Read) -> Result<Limits, SnapshotError> {
    read_start(from).map(|(_, limits, _)| limits)
}

/// Makes a machine in `pool` from a snapshot.
///
/// The checksum tells accidents, not forgery. The records of memory are checked, so that no snapshot
/// reaches frames of another machine or memory of the host; the other tables are believed. A machine
/// whose tables contradict each other may panic as it runs, or keep its driver busy, which has to
/// expect that ([`std::panic::catch_unwind`]); it can be dropped all the same.
///
/// # Errors
/// When the snapshot cannot be read, is not one, is damaged, or belongs to another root file system.
pub fn restore(pool: &Arc<Pool>, from: impl Read) -> Result<Machine, SnapshotError> {
    let (wanted, limits, mut from) = read_start(from)?;
    let given = identity(pool)?;
    if wanted != given {
        return Err(SnapshotError::Root { wanted, given });
    }
    let mut machine = Machine::new(pool, limits)?;
    let mut missing = match read_image(&mut machine, &mut from) {
        Ok(missing) => missing,
        Err(error) => {
            // Frame numbers in it are not the machine's to give back.
            machine.image_mut().fill(0);
            return Err(error);
        }
    };
    loop {
        let page = read_u32(&mut from)?;
        if page == END {
            break;
        }
        let bytes = read_array(&mut from)?;
        if !machine.with_kernel(|kernel| kernel.mem.restore_page(Ppn(page), &bytes)) {
            return Err(SnapshotError::Damaged("a page is not in use, or memory is used up"));
        }
        missing -= 1;
    }
    if missing != 0 {
        return Err(SnapshotError::Damaged("pages are missing"));
    }
    let hash = from.hasher.finish128().as_u128();
    if read_array(&mut from.inner)? != hash.to_le_bytes() {
        return Err(SnapshotError::Damaged("its checksum is wrong"));
    }
    Ok(machine)
}
