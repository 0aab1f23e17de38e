//! The one unsafe act of this crate: mapping an image.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;

use memmap2::Mmap;

/// Maps a file for reading.
pub(crate) fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the mapping must not change while it is borrowed. Images are written under temporary
    // names, made read-only, renamed or never named at all, and replaced by renaming, not by
    // writing; an image that the user names has to be left alone while it runs, as `open` says.
    unsafe { Mmap::map(file) }
}
