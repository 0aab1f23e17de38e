//! The bytes of a frame, wherever they are.

use crate::addr::PAGE_SIZE;
use crate::words::SPREAD_SHIFT;

/// Whether a frame in one piece is copied as such. Compilers for GPUs make a loop over bytes of that.
const BY_PIECES: bool = !cfg!(target_arch = "nvptx64");
/// Words that are copied at a time, for what is far away takes a while to come.
const GROUP: usize = 4;

/// Stores a word as little-endian bytes. Where a compiler for GPUs does not know that a place is aligned,
/// it stores byte by byte.
///
/// # Safety
/// The place must be valid for eight bytes.
#[inline(always)]
unsafe fn put(to: *mut u64, word: u64) {
    let word = word.to_le();
    // SAFETY: the caller's promise.
    unsafe { if to.is_aligned() { to.write(word) } else { to.write_unaligned(word) } }
}

/// Loads a word from little-endian bytes; see [`put`].
///
/// # Safety
/// As for [`put`].
#[inline(always)]
unsafe fn take(from: *const u64) -> u64 {
    // SAFETY: the caller's promise.
    u64::from_le(unsafe { if from.is_aligned() { from.read() } else { from.read_unaligned() } })
}

/// Where the 4,096 bytes of a frame are: in one piece, or spread, with every eight bytes followed by
/// those of the frames of the other lanes of the warp ([`crate::words`]).
///
/// One word: the address, with the lowest bit set if the frame is spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct FrameBytes(u64);

impl FrameBytes {
    /// A frame in one piece that starts at `first`, which is a multiple of 8.
    pub fn whole(first: *mut u8) -> Self {
        FrameBytes(first.expose_provenance() as u64)
    }

    /// A spread frame whose first eight bytes are at `first`, a multiple of 8.
    pub fn spread(first: *mut u8) -> Self {
        FrameBytes(first.expose_provenance() as u64 | 1)
    }

    pub(crate) const fn to_bits(self) -> u64 {
        self.0
    }

    pub(crate) const fn from_bits(bits: u64) -> Self {
        FrameBytes(bits)
    }

    const fn is_spread(self) -> bool {
        self.0 & 1 != 0
    }

    /// Where the byte at `offset` (below 4,096) is, and the bytes after it up to the next multiple of
    /// eight or, in a frame in one piece, to its end.
    #[inline(always)]
    pub(crate) fn at(self, offset: usize) -> *mut u8 {
        let offset = offset as u32;
        let shift = (self.0 as u32 & 1) * SPREAD_SHIFT;
        let place = ((offset & !7) << shift) + (offset & 7);
        let first = self.0 & !1;
        core::ptr::with_exposed_provenance_mut((first + u64::from(place)) as usize)
    }

    /// The aligned 64-bit word `index` (below 512).
    ///
    /// # Safety
    /// The frame must be live, and not be written meanwhile.
    pub unsafe fn read_word(self, index: usize) -> u64 {
        debug_assert!(index < PAGE_SIZE / 8);
        // SAFETY: within the frame, and aligned.
        u64::from_le(unsafe { self.at(8 * index).cast::<u64>().read() })
    }

    /// Sets the aligned 64-bit word `index` (below 512).
    ///
    /// # Safety
    /// The frame must be live and this machine's alone.
    pub(crate) unsafe fn write_word(self, index: usize, value: u64) {
        debug_assert!(index < PAGE_SIZE / 8);
        // SAFETY: within the frame, and aligned.
        unsafe { self.at(8 * index).cast::<u64>().write(value.to_le()) }
    }

    /// The little-endian number in `size` (1, 2, 4 or 8) bytes at `offset`, if they are in the frame.
    ///
    /// # Safety
    /// The frame must be live, and not be written meanwhile.
    #[inline(always)]
    pub(crate) unsafe fn load(self, offset: usize, size: u64) -> Option<u64> {
        if offset + size as usize > PAGE_SIZE {
            return None;
        }
        let at = self.at(offset);
        // SAFETY: within the frame, and in one piece or in aligned words.
        Some(unsafe {
            match size {
                _ if !BY_PIECES || self.is_spread() => {
                    let (index, shift, bits) =
                        (offset / 8, 8 * (offset as u32 % 8), 8 * size as u32);
                    let mut number = self.read_word(index) >> shift;
                    if shift + bits > 64 {
                        number |= self.read_word(index + 1) << (64 - shift);
                    }
                    number & u64::MAX >> (64 - bits)
                }
                1 => at.read() as u64,
                2 => u16::from_le(at.cast::<u16>().read_unaligned()) as u64,
                4 => u32::from_le(at.cast::<u32>().read_unaligned()) as u64,
                _ => u64::from_le(at.cast::<u64>().read_unaligned()),
            }
        })
    }

    /// Stores the low `size` (1, 2, 4 or 8) bytes of `value` at `offset`, if they are in the frame.
    ///
    /// # Safety
    /// The frame must be live and this machine's alone.
    #[inline(always)]
    pub(crate) unsafe fn store(self, offset: usize, size: u64, value: u64) -> bool {
        if offset + size as usize > PAGE_SIZE {
            return false;
        }
        let at = self.at(offset);
        // SAFETY: within the frame, and in one piece or in aligned words.
        unsafe {
            match size {
                _ if !BY_PIECES || self.is_spread() => {
                    let (index, shift, bits) =
                        (offset / 8, 8 * (offset as u32 % 8), 8 * size as u32);
                    let mask = u64::MAX >> (64 - bits);
                    let word = self.read_word(index) & !(mask << shift);
                    self.write_word(index, word | (value & mask) << shift);
                    if shift + bits > 64 {
                        let word = self.read_word(index + 1) & !(mask >> (64 - shift));
                        self.write_word(index + 1, word | (value & mask) >> (64 - shift));
                    }
                }
                1 => at.write(value as u8),
                2 => at.cast::<u16>().write_unaligned((value as u16).to_le()),
                4 => at.cast::<u32>().write_unaligned((value as u32).to_le()),
                _ => at.cast::<u64>().write_unaligned(value.to_le()),
            }
        }
        true
    }

    /// Copies bytes out of the frame.
    ///
    /// # Safety
    /// The frame must be live and not be written meanwhile; the range must lie within it.
    #[cfg_attr(target_arch = "nvptx64", inline(never))]
    pub unsafe fn read(self, offset: usize, out: &mut [u8]) {
        if BY_PIECES && !self.is_spread() {
            // SAFETY: the caller's promise; `out` is not part of a frame.
            unsafe { out.as_mut_ptr().copy_from_nonoverlapping(self.at(offset), out.len()) };
            return;
        }
        let part = |at: usize, out: &mut [u8]| {
            // SAFETY: the caller's promise.
            let word = unsafe { self.read_word(at / 8) }.to_le_bytes();
            out.iter_mut().zip(&word[at % 8..]).for_each(|(to, from)| *to = *from);
        };
        let head = (offset.wrapping_neg() % 8).min(out.len());
        let (head, rest) = out.split_at_mut(head);
        if !head.is_empty() {
            part(offset, head);
        }
        let mut index = offset.div_ceil(8);
        let (groups, rest) = rest.as_chunks_mut::<{ 8 * GROUP }>();
        for group in groups {
            // SAFETY: the caller's promise.
            let [a, b, c, d] = unsafe { self.read_words(index) };
            let to = group.as_mut_ptr().cast::<u64>();
            // SAFETY: the group has room for four words.
            unsafe {
                put(to, a);
                put(to.add(1), b);
                put(to.add(2), c);
                put(to.add(3), d);
            }
            index += GROUP;
        }
        for piece in rest.chunks_mut(8) {
            part(8 * index, piece);
            index += 1;
        }
    }

    /// Copies bytes into the frame.
    ///
    /// # Safety
    /// The frame must be live and this machine's alone; the range must lie within it.
    #[cfg_attr(target_arch = "nvptx64", inline(never))]
    pub unsafe fn write(self, offset: usize, bytes: &[u8]) {
        if BY_PIECES && !self.is_spread() {
            // SAFETY: the caller's promise; `bytes` is not part of a frame.
            unsafe { self.at(offset).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
            return;
        }
        let part = |at: usize, bytes: &[u8]| {
            // SAFETY: the caller's promise.
            let mut word = unsafe { self.read_word(at / 8) }.to_le_bytes();
            word[at % 8..].iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
            // SAFETY: the caller's promise.
            unsafe { self.write_word(at / 8, u64::from_le_bytes(word)) };
        };
        let (head, rest) = bytes.split_at((offset.wrapping_neg() % 8).min(bytes.len()));
        if !head.is_empty() {
            part(offset, head);
        }
        let mut index = offset.div_ceil(8);
        let (words, rest) = rest.as_chunks::<8>();
        for word in words {
            // SAFETY: the caller's promise, and eight bytes.
            unsafe { self.write_word(index, take(word.as_ptr().cast())) };
            index += 1;
        }
        if !rest.is_empty() {
            part(8 * index, rest);
        }
    }

    /// Makes the whole frame a copy of another one.
    ///
    /// # Safety
    /// Both must be live, this one this machine's alone, and they must not be the same.
    #[cfg_attr(target_arch = "nvptx64", inline(never))]
    pub unsafe fn copy_from(self, other: FrameBytes) {
        for index in (0..PAGE_SIZE / 8).step_by(2 * GROUP) {
            // SAFETY: the caller's promise.
            unsafe {
                let [a, b, c, d] = other.read_words(index);
                let [e, f, g, h] = other.read_words(index + GROUP);
                self.write_word(index, a);
                self.write_word(index + 1, b);
                self.write_word(index + 2, c);
                self.write_word(index + 3, d);
                self.write_word(index + 4, e);
                self.write_word(index + 5, f);
                self.write_word(index + 6, g);
                self.write_word(index + 7, h);
            }
        }
    }

    /// The aligned words from `index` on, which are all fetched before the first is needed.
    ///
    /// # Safety
    /// As for [`FrameBytes::read_word`], for each of them.
    #[inline(always)]
    unsafe fn read_words(self, index: usize) -> [u64; GROUP] {
        // SAFETY: the caller's promise. (A loop is left as one where code is to be small.)
        unsafe {
            [
                self.read_word(index),
                self.read_word(index + 1),
                self.read_word(index + 2),
                self.read_word(index + 3),
            ]
        }
    }

    /// Makes every byte zero.
    ///
    /// # Safety
    /// The frame must be live and this machine's alone.
    #[cfg_attr(target_arch = "nvptx64", inline(never))]
    pub unsafe fn clear(self) {
        for index in 0..PAGE_SIZE / 8 {
            // SAFETY: the caller's promise.
            unsafe { self.write_word(index, 0) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_where_their_bytes_are() {
        let mut words = [0u64; (PAGE_SIZE / 8) << SPREAD_SHIFT];
        let first = words.as_mut_ptr().cast();
        for frame in [FrameBytes::whole(first), FrameBytes::spread(first)] {
            let mut expected: [u8; PAGE_SIZE] =
                core::array::from_fn(|at| (at * 7 + at / 256) as u8);
            // SAFETY: the words are those of a frame, and of others beside it.
            unsafe { frame.write(0, &expected) };
            for (at, size) in (0..PAGE_SIZE).flat_map(|at| [1, 2, 4, 8].map(|size| (at, size))) {
                let is_inside = at + size as usize <= PAGE_SIZE;
                let value = 0x0123_4567_89ab_cdef_u64.wrapping_mul(at as u64 + size);
                // SAFETY: as above.
                let (before, stored) =
                    unsafe { (frame.load(at, size), frame.store(at, size, value)) };
                assert_eq!(
                    (before.is_some(), stored),
                    (is_inside, is_inside),
                    "{size} bytes at {at}"
                );
                if let Some(before) = before {
                    let bytes = &mut expected[at..at + size as usize];
                    assert_eq!(before.to_le_bytes()[..bytes.len()], *bytes, "{size} bytes at {at}");
                    bytes.copy_from_slice(&value.to_le_bytes()[..bytes.len()]);
                }
            }
            let mut found = [0; PAGE_SIZE];
            // SAFETY: as above.
            unsafe { frame.read(0, &mut found) };
            assert!(found == expected);
        }
    }
}
