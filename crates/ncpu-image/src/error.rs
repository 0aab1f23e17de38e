//! What can go wrong on the way from a source to an image.

use std::io;
use std::path::PathBuf;

use ncpu_linux::rom::RomError;

use crate::archive::EntryError;
use crate::oci::OciError;

/// Why there is no root file system.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The host refused to read or write a file.
    #[error("{}: {error}", path.display())]
    Io {
        /// The host file.
        path: PathBuf,
        /// What the host said.
        error: io::Error,
    },
    /// The host refused to write the image.
    #[error("cannot write the root file system image: {error}")]
    Write {
        /// What the host said.
        error: io::Error,
    },
    /// The path names something that is none of the kinds read here.
    #[error(
        "{}: {what}; a root file system is a directory, a tar archive (plain, gzip, xz or zstd), \
         an OCI image layout or an nCPU image", path.display()
    )]
    Unrecognized {
        /// The host file.
        path: PathBuf,
        /// What it is instead, as far as can be told.
        what: &'static str,
    },
    /// An nCPU image that is damaged.
    #[error("{}: {error}", path.display())]
    Damaged {
        /// The host file.
        path: PathBuf,
        /// The damage and its place.
        error: RomError,
    },
    /// A directory changed while it was packed.
    #[error("{}: changed while it was being packed", path.display())]
    Changed {
        /// The file that is no longer what it was.
        path: PathBuf,
    },
    /// A tar archive that cannot be used.
    #[error("{archive}: {error}")]
    Archive {
        /// The archive: a path, or a path and a layer.
        archive: String,
        /// The entry and the trouble with it.
        error: EntryError,
    },
    /// A container image that cannot be used.
    #[error("{}: {error}", path.display())]
    Oci {
        /// The layout or archive.
        path: PathBuf,
        /// The trouble with it.
        error: OciError,
    },
    /// The start-up defaults inside an nCPU image are not what was once written there.
    #[error("{}: start-up defaults: {error}", path.display())]
    Config {
        /// The host file.
        path: PathBuf,
        /// What is wrong with the JSON.
        error: serde_json::Error,
    },
    /// A file for the built-in root file system has an unusable guest path.
    #[error("{}: {error}", guest.display())]
    GuestPath {
        /// The path inside the machine.
        guest: PathBuf,
        /// The trouble with it.
        error: TreeError,
    },
    /// The image would exceed `Options::max_bytes` or what the format can address.
    #[error("the root file system needs more than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
}

impl ImageError {
    pub(crate) fn io(path: impl Into<PathBuf>, error: impl Into<io::Error>) -> ImageError {
        ImageError::Io { path: path.into(), error: error.into() }
    }
}

/// Why a name cannot be placed in the tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// The name starts with `/`.
    #[error("the name is absolute (archive the tree with relative names: tar -C DIR -c .)")]
    Absolute,
    /// The name has a `..` component.
    #[error("the name has a \"..\" component, which could lead outside")]
    ParentComponent,
    /// The name holds a NUL.
    #[error("the name holds a NUL")]
    Nul,
    /// A component is longer than `NAME_MAX`, or the whole longer than `PATH_MAX`.
    #[error("the name is too long")]
    NameTooLong,
    /// Directories nested deeper than any program could name.
    #[error("directories are nested too deeply")]
    TooDeep,
    /// A parent of the name is neither a directory nor a link to one.
    #[error("{0:?} is not a directory")]
    NotADirectory(String),
    /// The parents of the name lead through too many symbolic links.
    #[error("too many symbolic links on the way")]
    TooManyLinks,
    /// The top of the tree must be a directory.
    #[error("the top of the tree can only be a directory")]
    Top,
    /// The target of a hard link is not there.
    #[error("hard link to {0:?}, which is not there")]
    NoTarget(String),
    /// The target of a hard link is a directory.
    #[error("hard link to {0:?}, which is a directory")]
    DirectoryTarget(String),
    /// A symbolic link's target is empty, holds a NUL or is longer than `PATH_MAX`.
    #[error("symbolic link with an impossible target")]
    Target,
}
