//! What a path names, and how it becomes an image.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use ncpu_linux::rom;
use sha2::Digest;

use crate::archive::{self, EntryError, EntryProblem, Role};
use crate::cache::Key;
use crate::compression::{self, Compression};
use crate::config::ImageConfig;
use crate::directory::{self, Survey};
use crate::error::ImageError;
use crate::oci::{self, Store};
use crate::tree::Tree;
use crate::writer::Writer;
use crate::{Options, Owners};

/// Other formats that people may try, by their first bytes.
const OTHER_FORMATS: &[(&[u8], &str)] = &[
    (b"BZh", "compressed by bzip2, which is not supported"),
    (b"PK\x03\x04", "a zip archive"),
    (b"hsqs", "a squashfs image"),
    (b"!<arch>\n", "an ar archive, such as a Debian package"),
    (b"070701", "a cpio archive"),
    (b"\x7fELF", "a program"),
];

/// A source, told apart by its contents.
#[derive(Debug)]
pub(crate) enum Source {
    /// An image, ready to be mapped.
    Image(File),
    /// A tar archive of a tree or of a container image.
    Archive(File),
    /// A directory that holds a tree.
    Directory(Survey),
    /// A directory that holds a container image.
    Layout(PathBuf),
}

impl Source {
    /// Looks at what a path names.
    pub(crate) fn identify(path: &Path, options: &Options) -> Result<Source, ImageError> {
        let failed = |error| ImageError::io(path, error);
        let unrecognized = |what| ImageError::Unrecognized { path: path.to_owned(), what };
        let metadata = fs::metadata(path).map_err(failed)?;
        if metadata.is_dir() {
            if path.join("oci-layout").is_file() && path.join("index.json").is_file() {
                return Ok(Source::Layout(path.to_owned()));
            }
            let owners = options.owners.unwrap_or_else(|| {
                if rustix::process::geteuid().is_root() { Owners::Keep } else { Owners::Root }
            });
            return Ok(Source::Directory(directory::survey(path, owners)?));
        }
        if !metadata.is_file() {
            return Err(unrecognized("neither a file nor a directory"));
        }
        let file = File::open(path).map_err(failed)?;
        let mut start = [0; 16];
        let got = file.read_at(&mut start, 0).map_err(failed)?;
        let start = &start[..got];
        if start.starts_with(&rom::MAGIC) {
            return Ok(Source::Image(file));
        }
        if start.is_empty() {
            return Err(unrecognized("an empty file"));
        }
        if let Some((_, what)) = OTHER_FORMATS.iter().find(|(magic, _)| start.starts_with(magic)) {
            return Err(unrecognized(what));
        }
        // What is compressed is looked into when it is packed: zstd can take a while to show its
        // first byte, and the cache may know the file.
        if Compression::detect(start) == Compression::None {
            require_tar(&file, path, "none of the formats known")?;
        }
        Ok(Source::Archive(file))
    }

    /// What the cache finds the image by; none for an image.
    pub(crate) fn key(&self, path: &Path, options: &Options) -> Result<Option<Key>, ImageError> {
        let failed = |error| ImageError::io(path, error);
        let state = match self {
            Source::Image(_) => return Ok(None),
            Source::Archive(file) => {
                let metadata = file.metadata().map_err(failed)?;
                [
                    metadata.size(),
                    metadata.mtime() as u64,
                    metadata.mtime_nsec() as u64,
                    metadata.ctime() as u64,
                    metadata.ctime_nsec() as u64,
                    metadata.dev(),
                    metadata.ino(),
                ]
                .map(u64::to_le_bytes)
                .as_flattened()
                .to_vec()
            }
            Source::Directory(survey) => survey.fingerprint.clone().finalize().to_vec(),
            Source::Layout(root) => oci::identity(root)?,
        };
        let path = path.canonicalize().map_err(failed)?;
        let effective = match self {
            Source::Directory(survey) => Some(survey.owners),
            _ => options.owners,
        };
        let options = format!("{effective:?} {:?}", options.reference);
        Ok(Some(Key::new(&path, &options, &state)))
    }

    /// Packs the source into an empty file, and gives that back.
    pub(crate) fn pack(
        self,
        path: &Path,
        options: &Options,
        image: File,
    ) -> Result<File, ImageError> {
        let limit = options.max_bytes;
        let reference = options.reference.as_deref();
        let (mut tree, config, writer) = match self {
            Source::Image(mut source) => {
                let mut image = image;
                source.seek(SeekFrom::Start(0)).map_err(|error| ImageError::io(path, error))?;
                std::io::copy(&mut source, &mut image)
                    .map_err(|error| ImageError::Write { error })?;
                return Ok(image);
            }
            Source::Directory(survey) => {
                let mut writer = Writer::new(image, limit);
                (survey.pack(&mut writer)?, ImageConfig::default(), writer)
            }
            Source::Layout(root) => {
                let mut writer = Writer::new(image, limit);
                let store = Store::Directory(root);
                let (tree, config) = oci::pack(&store, path, reference, limit, &mut writer)?;
                (tree, config, writer)
            }
            Source::Archive(file) => pack_archive(&file, path, options, image)?,
        };
        if options.owners == Some(Owners::Root) {
            tree.give_to_root();
        }
        writer.finish(&mut tree, &config).map_err(|error| error.reading(path))
    }
}

/// An archive's own tree, or that of the container image which it turns out to hold.
fn pack_archive(
    file: &File,
    path: &Path,
    options: &Options,
    image: File,
) -> Result<(Tree, ImageConfig, Writer), ImageError> {
    require_tar(file, path, "compressed, but not a tar archive inside")?;
    let limit = options.max_bytes;
    let source = buffered(file).map_err(|error| ImageError::io(path, error))?;
    let mut writer = Writer::new(image, limit);
    let mut tree = Tree::new();
    archive::unpack(source, Role::Whole, limit, &mut tree, &mut writer)
        .map_err(|error| ImageError::Archive { archive: path.display().to_string(), error })?;
    // A container image's layers go behind its blobs, which then are gaps to close.
    let contents = writer.contents().map_err(|error| ImageError::Write { error })?;
    let store = Store::Archive(&tree, contents);
    if store.is_layout() {
        let reference = options.reference.as_deref();
        let (tree, config) = oci::pack(&store, path, reference, limit, &mut writer)?;
        return Ok((tree, config, writer));
    }
    Ok((tree, ImageConfig::default(), writer))
}

fn buffered(file: &File) -> std::io::Result<impl BufRead> {
    let mut file = file.try_clone()?;
    file.seek(SeekFrom::Start(0))?;
    Ok(BufReader::with_capacity(1 << 16, file))
}

/// Refuses a stream that does not start, decompressed, with a tar header, which its checksum tells.
fn require_tar(file: &File, path: &Path, what: &'static str) -> Result<(), ImageError> {
    let unrecognized = || ImageError::Unrecognized { path: path.to_owned(), what };
    let mut start = Vec::new();
    buffered(file)
        .and_then(compression::decoder)
        .and_then(|decoder| decoder.take(512).read_to_end(&mut start))
        .map_err(|error| {
            let problem = match error.kind() {
                ErrorKind::UnexpectedEof => EntryProblem::Truncated,
                _ => EntryProblem::Read(error),
            };
            let error = EntryError { entry: String::new(), offset: 0, problem };
            ImageError::Archive { archive: path.display().to_string(), error }
        })?;
    let block: &[u8; 512] = start.first_chunk().ok_or_else(unrecognized)?;
    // The checksum field, bytes 148 to 155, counts as spaces (POSIX.1-2017, pax, "ustar Interchange
    // Format").
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    let field: u32 = block[148..156].iter().map(|&byte| u32::from(byte)).sum();
    match tar::Header::from_byte_slice(block).cksum() {
        Ok(stored) if stored == sum - field + 8 * u32::from(b' ') => Ok(()),
        _ => Err(unrecognized()),
    }
}
