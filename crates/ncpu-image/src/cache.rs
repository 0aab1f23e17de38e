//! Images kept between runs, so that a source is packed once.
//!
//! A file's name is a hash of the source's path followed by a hash of what the source was like, so a
//! changed source gets a new image, and the image of its former state is removed. Images are written
//! under another name and renamed when complete, which makes concurrent runs safe: at worst they do
//! the same work twice. A mapped image that is removed or replaced lives on until it is unmapped.

use std::fs::{self, DirEntry, File, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use crate::error::ImageError;
use crate::oci::hex;
use crate::{Cache, RootImage};

/// Changes when packing the same source would give other bytes.
const PACKING: u32 = 1;

/// How the names of images in the making start.
const TEMPORARY: &str = ".packing-";

/// What an image is found by.
#[derive(Debug)]
pub(crate) struct Key {
    source: String,
    state: String,
}

impl Key {
    /// A key for the source at a path, read with options that matter, in a certain state.
    pub(crate) fn new(path: &Path, options: &str, state: &[u8]) -> Key {
        let mut source = Sha256::new();
        source.update(path.as_os_str().as_bytes());
        source.update([0]);
        source.update(options);
        let version = [PACKING, ncpu_linux::rom::VERSION].map(u32::to_le_bytes);
        let state = Sha256::new().chain_update(version.as_flattened()).chain_update(state);
        Key { source: hex(&source.finalize()[..8]), state: hex(&state.finalize()[..16]) }
    }

    fn file_name(&self) -> String {
        format!("{}-{}.rootfs", self.source, self.state)
    }
}

/// The image for a key: from the cache if it is there and whole, else packed.
pub(crate) fn obtain(
    cache: &Cache,
    key: &Key,
    pack: impl FnOnce(File) -> Result<File, ImageError>,
) -> Result<RootImage, ImageError> {
    let Some(directory) = directory(cache)? else {
        let path = PathBuf::from("temporary file");
        let file = tempfile::tempfile().map_err(|error| ImageError::io(&path, error))?;
        return RootImage::map(&pack(file)?, &path);
    };
    let path = directory.join(key.file_name());
    if let Ok(file) = File::open(&path)
        && let Ok(image) = RootImage::map(&file, &path)
    {
        return Ok(image);
    }
    let image = write(&path, 0o444, pack)?;
    tidy(&directory, key);
    Ok(image)
}

/// Writes an image to a path, where it appears when it is complete.
pub(crate) fn write(
    path: &Path,
    mode: u32,
    pack: impl FnOnce(File) -> Result<File, ImageError>,
) -> Result<RootImage, ImageError> {
    let failed = |error| ImageError::io(path, error);
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let temporary = temporary(directory).map_err(failed)?;
    let file = pack(temporary.as_file().try_clone().map_err(failed)?)?;
    let image = RootImage::map(&file, path)?;
    file.set_permissions(Permissions::from_mode(mode)).map_err(failed)?;
    temporary.persist(path).map_err(|error| failed(error.error))?;
    Ok(image)
}

fn temporary(directory: &Path) -> std::io::Result<NamedTempFile> {
    tempfile::Builder::new().prefix(TEMPORARY).suffix(".rootfs").tempfile_in(directory)
}

/// The directory to keep images in, made if need be. A directory that the user named must be usable;
/// the default one need not be.
fn directory(cache: &Cache) -> Result<Option<PathBuf>, ImageError> {
    match cache {
        Cache::None => Ok(None),
        Cache::Directory(path) => {
            fs::create_dir_all(path).map_err(|error| ImageError::io(path, error))?;
            Ok(Some(path.clone()))
        }
        Cache::Default => {
            let usable =
                |path: &PathBuf| fs::create_dir_all(path).is_ok() && temporary(path).is_ok();
            Ok(default_directory().filter(usable))
        }
    }
}

/// `$XDG_CACHE_HOME/ncpu/rootfs`, else `~/.cache/ncpu/rootfs` (XDG Base Directory Specification: a
/// relative path is to be ignored).
pub(crate) fn default_directory() -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(cache.join("ncpu").join("rootfs"))
}

/// Removes the images of former states of a source, and what interrupted runs left behind. Failing
/// to is no reason to stop.
fn tidy(directory: &Path, key: &Key) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    let source = format!("{}-", key.source);
    let current = key.file_name();
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.as_bytes();
        let former = name.starts_with(source.as_bytes()) && name != current.as_bytes();
        if former || (name.starts_with(TEMPORARY.as_bytes()) && is_abandoned(&entry)) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// No packing pauses for a day.
fn is_abandoned(entry: &DirEntry) -> bool {
    let modified = entry.metadata().and_then(|metadata| metadata.modified());
    let age = modified.ok().and_then(|modified| modified.elapsed().ok());
    age.is_some_and(|age| age > Duration::from_secs(24 * 60 * 60))
}
