//! Page-locked memory that copies go through.
//!
//! The card reads and writes page-locked memory at the bus's full speed and without the driver waiting
//! for it; ordinary memory the driver would copy piece by piece itself, with a wait for each. Two
//! halves alternate, so that one is copied by the host while the card copies the other.

use std::ffi::{c_uint, c_void};
use std::ptr::null_mut;
use std::thread::available_parallelism;

use cudarc::driver::sys::{CU_MEMHOSTALLOC_PORTABLE, CUevent, CUstream, CUstream_flags};

use crate::Failure;
use crate::driver::Driver;

/// Bytes in a half: at 25 GB/s 40 µs, against about 5 µs to start a copy.
pub(crate) const HALF: usize = 1 << 20;

struct Half {
    bytes: *mut u8,
    /// Follows the last copy from or to this half.
    done: CUevent,
    /// A copy that reads this half may not have ended.
    pending: bool,
}

/// Page-locked memory in two halves of so many bytes.
fn halves(driver: &Driver, size: usize, event_flags: u32) -> Result<[Half; 2], Failure> {
    let mut memory: *mut c_void = null_mut();
    // SAFETY: it writes one pointer.
    unsafe { driver.host_alloc(&mut memory, 2 * size, CU_MEMHOSTALLOC_PORTABLE)? };
    let half = |index: usize| {
        let mut done: CUevent = null_mut();
        // SAFETY: it writes one handle.
        unsafe { driver.event_create(&mut done, event_flags)? };
        Ok(Half { bytes: memory.cast::<u8>().wrapping_add(index * size), done, pending: false })
    };
    Ok([half(0)?, half(1)?])
}

/// Bytes in a half of [`Bulk`]: long enough for several threads to fill it.
const BULK: usize = 16 << 20;
/// Threads that fill a half, and the bytes that are worth one.
const COPIERS: usize = 8;
const WORTH: usize = 1 << 20;

/// Page-locked memory for large uploads, with a stream of its own: they go beside other work. Several
/// threads copy to it, for one does not keep up with the bus.
pub(crate) struct Bulk {
    stream: CUstream,
    halves: [Half; 2],
    current: usize,
    threads: usize,
}

impl Bulk {
    /// Allocates in the current context, with events of these flags. All goes with the context.
    pub(crate) fn new(driver: &Driver, event_flags: u32) -> Result<Bulk, Failure> {
        let mut stream = null_mut();
        let flags = CUstream_flags::CU_STREAM_NON_BLOCKING as c_uint;
        // SAFETY: it writes one handle.
        unsafe { driver.stream_create(&mut stream, flags)? };
        let threads = available_parallelism().map_or(1, |threads| threads.get().min(COPIERS));
        Ok(Bulk { stream, halves: halves(driver, BULK, event_flags)?, current: 0, threads })
    }

    /// Copies parts to the device, each to its offset from `to`, in order, `length` bytes with all that is
    /// between them. They are there when this returns.
    ///
    /// # Safety
    /// The range must be allocated on the device, and the context current.
    pub(crate) unsafe fn upload(
        &mut self,
        driver: &Driver,
        to: u64,
        parts: &[(usize, &[u8])],
        length: usize,
    ) -> Result<(), Failure> {
        for start in (0..length).step_by(BULK) {
            let count = BULK.min(length - start);
            let half = &mut self.halves[self.current];
            if half.pending {
                // SAFETY: the event is of this context.
                unsafe { driver.event_synchronize(half.done)? };
            }
            // SAFETY: the half has that many bytes, which no copy reads any more.
            let bytes = unsafe { std::slice::from_raw_parts_mut(half.bytes, count) };
            let piece = count.div_ceil(self.threads).max(WORTH);
            std::thread::scope(|scope| {
                let mut pieces = bytes.chunks_mut(piece).zip((start..).step_by(piece));
                let first = pieces.next();
                for (bytes, start) in pieces {
                    scope.spawn(move || fill(bytes, start, parts));
                }
                if let Some((bytes, start)) = first {
                    fill(bytes, start, parts);
                }
            });
            half.pending = true;
            // SAFETY: the half stays as it is until `done`; the range is the caller's promise.
            unsafe {
                driver.copy_to_device(to + start as u64, half.bytes.cast(), count, self.stream)?;
                driver.event_record(half.done, self.stream)?;
            }
            self.current ^= 1;
        }
        // SAFETY: the stream is of this context.
        unsafe { driver.stream_synchronize(self.stream) }
    }
}

/// Fills the bytes from offset `start` on with what parts have there.
pub(crate) fn fill(bytes: &mut [u8], start: usize, parts: &[(usize, &[u8])]) {
    let first = parts.partition_point(|(at, part)| at + part.len() <= start);
    for &(at, part) in &parts[first..] {
        let from = start.saturating_sub(at);
        let to = (at + from).saturating_sub(start);
        if to >= bytes.len() {
            break;
        }
        let part = part.get(from..).unwrap_or_default();
        let count = part.len().min(bytes.len() - to);
        bytes[to..to + count].copy_from_slice(&part[..count]);
    }
}

/// Page-locked memory for the copies of one stream, which must be the same in all calls.
pub(crate) struct Staging {
    halves: [Half; 2],
    current: usize,
    /// How much of the current half is taken by uploads.
    used: usize,
}

impl Staging {
    /// Allocates in the current context, with events of these flags. Both go with the context.
    pub(crate) fn new(driver: &Driver, event_flags: u32) -> Result<Staging, Failure> {
        Ok(Staging { halves: halves(driver, HALF, event_flags)?, current: 0, used: 0 })
    }

    /// Copies bytes to the device; they are taken when this returns.
    ///
    /// # Safety
    /// The range must be allocated on the device, and the context current.
    pub(crate) unsafe fn upload(
        &mut self,
        driver: &Driver,
        stream: CUstream,
        mut to: u64,
        mut bytes: &[u8],
    ) -> Result<(), Failure> {
        while !bytes.is_empty() {
            if self.used == HALF {
                self.current ^= 1;
                self.used = 0;
            }
            let half = &mut self.halves[self.current];
            if self.used == 0 && half.pending {
                // SAFETY: the event is of this context.
                unsafe { driver.event_synchronize(half.done)? };
                half.pending = false;
            }
            let (piece, rest) = bytes.split_at(bytes.len().min(HALF - self.used));
            let place = half.bytes.wrapping_add(self.used);
            // SAFETY: the piece fits behind `used`, and no copy reads from there: those of the last
            // round have ended, and those of this one read what is before.
            unsafe { place.copy_from_nonoverlapping(piece.as_ptr(), piece.len()) };
            self.used += piece.len();
            half.pending = true;
            // SAFETY: the memory stays as it is until `done`; the range is the caller's promise.
            unsafe {
                driver.copy_to_device(to, place.cast(), piece.len(), stream)?;
                if self.used == HALF {
                    driver.event_record(half.done, stream)?;
                }
            }
            to += piece.len() as u64;
            bytes = rest;
        }
        Ok(())
    }

    /// Copies bytes from the device.
    ///
    /// # Safety
    /// The range must be allocated on the device, and the context current.
    pub(crate) unsafe fn download(
        &mut self,
        driver: &Driver,
        stream: CUstream,
        from: u64,
        to: &mut [u8],
    ) -> Result<(), Failure> {
        let length = to.len();
        // The stream keeps these copies behind the uploads that read the same memory.
        let start = |halves: &[Half; 2], offset: usize| {
            let half = &halves[offset / HALF % 2];
            let piece = HALF.min(length - offset);
            // SAFETY: the caller's promise, and a half takes a piece; the event is of this context.
            unsafe {
                driver.copy_to_host(half.bytes.cast(), from + offset as u64, piece, stream)?;
                driver.event_record(half.done, stream)
            }
        };
        if length > 0 {
            start(&self.halves, 0)?;
        }
        for offset in (0..length).step_by(HALF) {
            if offset + HALF < length {
                start(&self.halves, offset + HALF)?;
            }
            let half = &self.halves[offset / HALF % 2];
            let part = &mut to[offset..length.min(offset + HALF)];
            // SAFETY: the half holds the piece once the copy to it has ended.
            unsafe {
                driver.event_synchronize(half.done)?;
                part.as_mut_ptr().copy_from_nonoverlapping(half.bytes, part.len());
            }
        }
        if length > 0 {
            // What was uploaded before has arrived.
            self.halves.iter_mut().for_each(|half| half.pending = false);
            self.used = 0;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::fill;

    #[test]
    fn pieces_are_filled_with_what_parts_have_there() {
        let parts: [&[u8]; 4] = [b"abcde", b"", b"fgh", b"ijklmnopq"];
        let parts: Vec<_> = [0, 8, 8, 16].into_iter().zip(parts).collect();
        let whole = b"abcde...fgh.....ijklmnopq";
        for piece in 1..=whole.len() {
            let mut bytes = [b'.'; 25];
            for (index, bytes) in bytes.chunks_mut(piece).enumerate() {
                fill(bytes, index * piece, &parts);
            }
            assert_eq!(&bytes, whole, "pieces of {piece}");
        }
    }
}
