//! Compiled modules kept between runs.
//!
//! A file is found by all that went into it: the PTX, the driver that compiled it, the card and the
//! options. It ends with a digest, since the driver takes what it is given: a file that was cut short
//! or altered counts as absent and is written anew. Files appear under their name when complete, so
//! that concurrent runs at worst do the same work twice. Nothing here is an error: without a usable
//! folder every run compiles.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

/// Files of other programs' versions are removed after this time.
const KEPT: Duration = Duration::from_secs(60 * 24 * 60 * 60);
const DIGEST: usize = 32;
const SUFFIX: &str = ".cubin";

/// What a compiled module is found by.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    module: &'static str,
    digest: [u8; DIGEST],
}

impl Key {
    /// A key for a module made from these parts.
    pub(crate) fn new(module: &'static str, parts: &[&[u8]]) -> Key {
        let mut digest = Sha256::new();
        for part in parts {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
        Key { module, digest: digest.finalize().into() }
    }

    fn file_name(&self) -> String {
        let mut name = format!("{}-", self.module);
        for byte in &self.digest[..16] {
            write!(name, "{byte:02x}").expect("strings take everything");
        }
        name + SUFFIX
    }

    /// What a file ends with.
    fn seal(&self, module: &[u8]) -> [u8; DIGEST] {
        Sha256::new().chain_update(self.digest).chain_update(module).finalize().into()
    }
}

/// A folder of compiled modules, or none.
#[derive(Debug)]
pub(crate) struct Cache(Option<PathBuf>);

impl Cache {
    /// In a folder, else the user's.
    pub(crate) fn new(folder: Option<PathBuf>) -> Cache {
        Cache(folder.or_else(users_folder))
    }

    /// Whether there is a file for the module, whole or not.
    pub(crate) fn has(&self, key: &Key) -> bool {
        self.0.as_ref().is_some_and(|folder| folder.join(key.file_name()).exists())
    }

    /// The compiled module, if it is there and whole.
    pub(crate) fn load(&self, key: &Key) -> Option<Vec<u8>> {
        let mut bytes = fs::read(self.0.as_ref()?.join(key.file_name())).ok()?;
        let length = bytes.len().checked_sub(DIGEST)?;
        let whole = bytes[length..] == key.seal(&bytes[..length]);
        bytes.truncate(length);
        whole.then_some(bytes)
    }

    /// Keeps a compiled module, if that can be done.
    pub(crate) fn store(&self, key: &Key, module: &[u8]) {
        if let Some(folder) = &self.0 {
            // A full disk or a folder that cannot be written costs the next run time, no more.
            let _ = write(folder, key, module);
            tidy(folder);
        }
    }
}

fn write(folder: &Path, key: &Key, module: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    fs::create_dir_all(folder)?;
    let mut file =
        tempfile::Builder::new().prefix(".compiling-").suffix(SUFFIX).tempfile_in(folder)?;
    file.write_all(module)?;
    file.write_all(&key.seal(module))?;
    file.persist(folder.join(key.file_name()))?;
    Ok(())
}

/// Removes old files, so that the folder does not grow with each version.
fn tidy(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let ours = entry.file_name().to_str().is_some_and(|name| name.ends_with(SUFFIX));
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        let age = modified.ok().and_then(|modified| modified.elapsed().ok());
        if ours && age.is_some_and(|age| age > KEPT) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// `$XDG_CACHE_HOME/ncpu`, else `~/.cache/ncpu` (XDG Base Directory Specification: a relative path is
/// to be ignored).
fn users_folder() -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(cache.join("ncpu"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{File, FileTimes};
    use std::time::SystemTime;

    const MODULE: &[u8] = b"\x7FELF machine code";

    fn cache() -> (tempfile::TempDir, Cache, Key) {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(Some(folder.path().join("made/when/needed")));
        let key = Key::new("run", &[b"ptx", b"driver 525"]);
        (folder, cache, key)
    }

    fn path(cache: &Cache, key: &Key) -> PathBuf {
        cache.0.as_ref().unwrap().join(key.file_name())
    }

    #[test]
    fn a_stored_module_is_found_by_its_key_alone() {
        let (_folder, cache, key) = cache();
        assert_eq!(cache.load(&key), None);
        assert!(!cache.has(&key));
        cache.store(&key, MODULE);
        assert!(cache.has(&key));
        assert_eq!(cache.load(&key).as_deref(), Some(MODULE));
        assert_eq!(cache.load(&Key::new("run", &[b"ptx", b"driver 530"])), None);
        assert_eq!(cache.load(&Key::new("run", &[b"ptxd", b"river 525"])), None);
    }

    #[test]
    fn a_damaged_file_counts_as_absent_and_is_replaced() {
        let (_folder, cache, key) = cache();
        cache.store(&key, MODULE);
        let path = path(&cache, &key);
        let whole = fs::read(&path).unwrap();
        for position in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[position] ^= 1;
            fs::write(&path, damaged).unwrap();
            assert_eq!(cache.load(&key), None, "byte {position}");
            fs::write(&path, &whole[..position]).unwrap();
            assert_eq!(cache.load(&key), None, "cut to {position} bytes");
        }
        cache.store(&key, MODULE);
        assert_eq!(cache.load(&key).as_deref(), Some(MODULE));
    }

    #[test]
    fn a_file_under_another_key_is_not_taken() {
        let (_folder, cache, key) = cache();
        let other = Key::new("run", &[b"other ptx"]);
        cache.store(&key, MODULE);
        fs::rename(path(&cache, &key), path(&cache, &other)).unwrap();
        assert_eq!(cache.load(&other), None);
    }

    #[test]
    fn an_unusable_folder_is_no_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let key = Key::new("run", &[b"ptx"]);
        for cache in [Cache::new(Some(file.path().join("below a file"))), Cache(None)] {
            cache.store(&key, MODULE);
            assert_eq!(cache.load(&key), None);
        }
    }

    #[test]
    fn old_files_go_when_a_new_one_comes() {
        let (_folder, cache, key) = cache();
        let old = Key::new("run", &[b"old ptx"]);
        cache.store(&old, MODULE);
        let foreign = cache.0.as_ref().unwrap().join("notes.txt");
        fs::write(&foreign, "not ours").unwrap();
        let long_ago = FileTimes::new().set_modified(SystemTime::now() - 2 * KEPT);
        for path in [&path(&cache, &old), &foreign] {
            File::options().write(true).open(path).unwrap().set_times(long_ago).unwrap();
        }
        cache.store(&key, MODULE);
        assert_eq!(cache.load(&old), None);
        assert_eq!(cache.load(&key).as_deref(), Some(MODULE));
        assert!(foreign.exists());
    }
}
