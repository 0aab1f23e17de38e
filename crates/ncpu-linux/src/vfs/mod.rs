//! Nodes, paths, directories, regular files, mounts, /proc and /dev.
//!
//! A node is named by a [`Node`] number that never changes while anything refers to it:
//!
//! - a file of the root file system image keeps the number of its image inode, also after it has
//!   been changed (its changed state is then an [`Inode`] record found through `shadow`);
//! - a file made at run time has the number of its [`Inode`] record, with [`Node::OVERLAY`];
//! - files of /proc are computed from their number ([`Node::PROC`]);
//! - files of mounted host folders have numbers given out on look-up ([`Node::HOST`]).
//!
//! | module | what |
//! |---|---|
//! | [`walk`], `path` | from a path to a node, and back |
//! | `inode`, `data`, `dir` | records, contents and entries of image and overlay |
//! | [`tree`], [`rename`], [`cwd`], [`open`], [`attr`], [`stat`] | the calls on paths and nodes |
//! | [`mount`], [`access`] | mounts; permissions |
//! | `provide` | files that are put into a machine before it starts |
//! | [`proc`], [`hostfs`] | the file systems that are not records |
//!
//! Functions that may need the host fail with [`crate::Errno::HOST_WAIT`], which makes the system
//! call sleep and run again. Access times are not kept (`noatime`).

pub mod access;
pub mod attr;
pub mod changes;
pub mod cwd;
pub(crate) mod data;
pub(crate) mod dir;
pub mod hostfs;
pub(crate) mod inode;
pub mod mount;
pub mod open;
mod path;
pub mod proc;
mod provide;
pub mod rename;
pub mod stat;
pub(crate) mod text;
pub mod tree;
pub mod walk;

use crate::image::Record;

pub use access::allowed;
pub use cwd::enter;
pub use data::{map_page, read_node};
pub use inode::{drop_node, hold};
pub use mount::boot;
pub use path::path_of;
pub use provide::provide_file;
pub use stat::status;
pub use tree::make_node;
pub use walk::{EMPTY_PATH, FOLLOW, read_link, resolve, user_path};

/// The current directory as a directory descriptor.
pub const AT_FDCWD: i32 = -100;
/// Attributes of a node, as stat(2) reports them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Status {
    /// Type and permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Hard links.
    pub links: u32,
    /// Bytes.
    pub size: u64,
    /// Device number of the file system.
    pub device: u32,
    /// Device number of a device node.
    pub rdev: u32,
    /// Inode number.
    pub ino: u64,
    /// Access, modification and change time, nanoseconds since 1970.
    pub times: [u64; 3],
    /// 512-byte blocks in use.
    pub blocks: u64,
}

/// A file, directory or other node of the file tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Node(pub u32);

impl Node {
    /// No node.
    pub const NONE: Node = Node(0);
    /// The root directory of the image.
    pub const ROOT: Node = Node(1);
    /// Set on nodes made at run time; the low bits are the index of the [`Inode`].
    pub const OVERLAY: u32 = 1 << 30;
    /// Set on nodes of /proc.
    pub const PROC: u32 = 1 << 31;
    /// Set (both bits) on nodes of host mounts.
    pub const HOST: u32 = 3 << 30;
}

/// Allocation state of the file system's tables.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct State {
    /// Records of the table of inodes that were ever used are below this.
    pub inode_fresh: u32,
    /// First free inode record that was used before (index + 1, linked by `chain`).
    pub inode_free: u32,
    /// Inode records in use.
    pub inode_used: u32,
    /// Directory entries that were ever used are below this.
    pub dentry_fresh: u32,
    /// First free directory entry that was used before (index + 1, linked by `chain`).
    pub dentry_free: u32,
    /// Open files that were ever used are below this.
    pub file_end: u32,
    /// Mounts in use are below this index.
    pub mount_end: u32,
    /// First open file that may be free.
    pub file_hint: u32,
}

/// A node's writable state.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Inode {
    /// Type and permission bits; 0 when the record is free.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Hard links.
    pub links: u32,
    /// Open files, mappings and working directories that refer to it.
    pub references: u32,
    /// Image inode that it shadows, 0 for a node made at run time.
    pub origin: u32,
    /// Next record in the chain of shadowed image inodes with the same hash (index + 1).
    pub chain: u32,
    /// Device number of device nodes; index of the pipe or socket of FIFOs and sockets.
    pub device: u32,
    /// Size in bytes.
    pub size: u64,
    /// Bytes of the origin that still show through where no page is in `pages`.
    pub origin_size: u64,
    /// Access, modification and change time, nanoseconds since 1970.
    pub times: [u64; 3],
    /// Root of the tree of data pages: a physical page of 1,024 entries, 0 for none.
    pub pages: u32,
    /// Levels of that tree.
    pub levels: u32,
    /// Pages of its own.
    pub page_count: u32,
    /// Directory that names it; the last one to do so, when there are several.
    pub parent: u32,
    /// First directory entry (index + 1), for directories.
    pub first_entry: u32,
    /// Entries ever added, for directories: the source of their positions.
    pub next_position: u32,
    /// Last directory entry (index + 1), for directories.
    pub last_entry: u32,
    /// Bits of [`inode_flags`].
    pub flags: u32,
    /// Index of the mount that the node belongs to.
    pub filesystem: u32,
    /// F_SEAL_* bits of a memfd.
    pub seals: u32,
    /// Keeps the record free of padding.
    pub reserved: u32,
}

/// Bits of [`Inode::flags`].
pub mod inode_flags {
    /// The record says something that the image inode does not (always set for new nodes).
    pub const CHANGED: u32 = 1;
    /// Seals can be added (memfd_create with MFD_ALLOW_SEALING).
    pub const SEALABLE: u32 = 2;
    /// It has no name yet (O_TMPFILE) and may get one by linkat.
    pub const UNNAMED: u32 = 4;
}

/// A name in a directory of the overlay: a new one, or one that hides a name of the image.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Dentry {
    /// Directory, 0 when the record is free.
    pub parent: u32,
    /// Node, or 0 when the name is hidden (deleted from the image's directory).
    pub node: u32,
    /// Next entry with the same hash (index + 1).
    pub chain: u32,
    /// Next entry of the directory (index + 1).
    pub next: u32,
    /// Previous entry of the directory (index + 1).
    pub previous: u32,
    /// Position for getdents64.
    pub position: u32,
    /// Length of the name.
    pub length: u32,
    /// The name.
    pub name: [u8; 256],
}

/// A mounted file system.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Mount {
    /// Directory that is covered, 0 for the root.
    pub point: u32,
    /// Root of what is mounted.
    pub root: u32,
    /// One of [`mount::kind`], 0 when the record is free.
    pub kind: u32,
    /// MS_* flags.
    pub flags: u32,
    /// Number for the host, for host folders.
    pub host: u32,
    /// Device number in stat results.
    pub device: u32,
}

// SAFETY: integers only.
unsafe impl Record for State {}
// SAFETY: integers only.
unsafe impl Record for Inode {}
// SAFETY: integers only.
unsafe impl Record for Dentry {}
// SAFETY: integers only.
unsafe impl Record for Mount {}
