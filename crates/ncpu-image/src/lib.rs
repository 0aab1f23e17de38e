//! Root file systems for nCPU machines.
//!
//! A machine reads its root file system from one immutable image, mapped by the host and shared by
//! all machines (the format is [`ncpu_linux::rom`]). This crate makes such images on the host, from
//!
//! - a directory,
//! - a tar archive, plain or compressed by gzip, xz or zstd,
//! - a container image for `linux/arm64`: an OCI layout as a directory or in an archive, or what
//!   `docker save` writes,
//! - nothing: a small built-in tree.
//!
//! ```text
//! path ─► source ─► archive / directory / oci ─► tree + writer ─► image file ─► map ─► RootImage
//!                                                                  ▲ cache
//! ```
//!
//! File contents are streamed into the image file as they are read; names and attributes are
//! gathered in a tree, which is checked, numbered and written at the end. Nothing from an archive
//! ever becomes a host path. The same source gives the same bytes.
//!
//! Extended attributes and access control lists are not kept; the machine has none.

#![deny(unsafe_code)]

mod archive;
mod builtin;
mod cache;
mod compression;
mod config;
mod directory;
mod error;
mod map;
mod oci;
mod paths;
mod source;
mod tree;
mod writer;

use std::fs::File;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use ncpu_linux::rom::{Rom, RomError};

pub use archive::{EntryError, EntryProblem};
pub use config::ImageConfig;
pub use error::{ImageError, TreeError};
pub use oci::OciError;
pub use paths::{Paths, paths};

use source::Source;
use writer::Writer;

/// Whom the files of a tree belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owners {
    /// To those whom the source names.
    Keep,
    /// To root, all of them.
    Root,
}

/// Where images are kept between runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Cache {
    /// In `$XDG_CACHE_HOME/ncpu/rootfs` or `~/.cache/ncpu/rootfs`; nowhere if that cannot be
    /// written.
    #[default]
    Default,
    /// In this directory.
    Directory(PathBuf),
    /// Nowhere: each image is a temporary file without a name.
    None,
}

/// How to read a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Owners of the files. If not given, archives and container images keep theirs, and a directory
    /// keeps its own when packed by root, who alone could have made the right ones; anyone else's
    /// files become root's.
    pub owners: Option<Owners>,
    /// Where to keep images.
    pub cache: Cache,
    /// Most bytes that an image may take, and that an archive may decompress to.
    pub max_bytes: u64,
    /// Which image to take of several in a container archive, by its tag as the archive has it.
    pub reference: Option<String>,
}

impl Default for Options {
    fn default() -> Options {
        Options { owners: None, cache: Cache::Default, max_bytes: 64 << 30, reference: None }
    }
}

/// A root file system, mapped and checked.
#[derive(Debug)]
pub struct RootImage {
    map: Mmap,
    config: ImageConfig,
}

impl RootImage {
    /// The bytes of the image, which [`Rom::check`] has accepted.
    pub fn bytes(&self) -> &[u8] {
        &self.map
    }

    /// The reader over the image.
    ///
    /// # Errors
    /// Only if someone wrote into the mapped file since it was checked.
    pub fn rom(&self) -> Result<Rom<'_>, RomError> {
        Rom::open(&self.map)
    }

    /// How a container image wants to be run; empty for other sources.
    pub fn config(&self) -> &ImageConfig {
        &self.config
    }

    fn map(file: &File, path: &Path) -> Result<RootImage, ImageError> {
        let map = map::map(file).map_err(|error| ImageError::io(path, error))?;
        let damaged = |error| ImageError::Damaged { path: path.to_owned(), error };
        let rom = Rom::check(&map).map_err(damaged)?;
        let config = ImageConfig::from_json(rom.config())
            .map_err(|error| ImageError::Config { path: path.to_owned(), error })?;
        Ok(RootImage { map, config })
    }
}

/// Opens a root file system: an image as it is, anything else through the cache.
///
/// An image that the user names is mapped where it lies: it must not be written to while machines
/// use it.
///
/// # Errors
/// See [`ImageError`]; each says which file or entry is to blame.
pub fn open(path: &Path, options: &Options) -> Result<RootImage, ImageError> {
    let source = Source::identify(path, options)?;
    match source.key(path, options)? {
        Some(key) => cache::obtain(&options.cache, &key, |file| source.pack(path, options, file)),
        None => {
            let file = File::open(path).map_err(|error| ImageError::io(path, error))?;
            RootImage::map(&file, path)
        }
    }
}

/// Packs a source into an image file at `out`, which appears there when it is complete.
///
/// # Errors
/// See [`ImageError`].
pub fn build(path: &Path, out: &Path, options: &Options) -> Result<RootImage, ImageError> {
    let source = Source::identify(path, options)?;
    cache::write(out, 0o644, |file| source.pack(path, options, file))
}

/// The root file system of a machine that was given none: the directories and the few files in
/// `/etc` that programs expect.
///
/// # Errors
/// Only if the host cannot hold a temporary file.
pub fn builtin() -> Result<RootImage, ImageError> {
    builtin_with(&[])
}

/// The built-in root file system with host files added, given as (guest path, host path): owned by
/// root, mode 0755, dated at the epoch, so that the image depends on their contents alone.
///
/// # Errors
/// A host file that cannot be read, or a guest path that cannot be placed.
pub fn builtin_with(files: &[(&Path, &Path)]) -> Result<RootImage, ImageError> {
    let path = Path::new("built-in root file system");
    let file = memory_file().map_err(|error| ImageError::io(path, error))?;
    let mut writer = Writer::new(file, Options::default().max_bytes);
    let mut tree = builtin::tree(files, &mut writer)?;
    let file =
        writer.finish(&mut tree, &ImageConfig::default()).map_err(|error| error.reading(path))?;
    RootImage::map(&file, path)
}

/// A file without a name, in memory where the host can.
fn memory_file() -> std::io::Result<File> {
    match rustix::fs::memfd_create("ncpu-rootfs", rustix::fs::MemfdFlags::CLOEXEC) {
        Ok(fd) => Ok(File::from(fd)),
        Err(_) => tempfile::tempfile(),
    }
}
