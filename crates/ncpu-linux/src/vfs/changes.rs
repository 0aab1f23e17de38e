//! What the overlay changed in a directory: for exporting it.

use super::dir::{self, Name};
use super::inode;
use super::{Node, mount};
use crate::image::Kernel;

/// An entry of a directory, or of what the image had there.
#[derive(Clone, Copy)]
pub struct Change {
    /// Where to go on.
    pub next: u64,
    /// What the name stands for; [`Node::NONE`] when it hides a name of the image.
    pub node: Node,
    /// The name.
    pub name: Name,
    /// Whether the entry, or the node's own state, differs from the image.
    pub changed: bool,
    /// Whether the name was given at run time.
    pub new: bool,
}

/// The next entry of a directory from `position` on (0 at first): those that still are, then the
/// names of the image that are hidden. Directories that something is mounted on are left out.
pub fn next(k: &Kernel<'_>, directory: Node, position: u64) -> Option<Change> {
    const HIDDEN: u64 = 1 << 40;
    let mut position = position;
    while position < HIDDEN {
        let Some(listed) = dir::next(k, directory, position, &mut 0) else {
            position = HIDDEN;
            break;
        };
        position = listed.next;
        if mount::top(k, listed.node) != listed.node {
            continue;
        }
        let new = dir::is_overlaid(k, directory, listed.name.get());
        let changed = new || inode::record(k, listed.node).is_some();
        return Some(Change { next: position, node: listed.node, name: listed.name, changed, new });
    }
    let hidden = k.dentries.get((position - HIDDEN) as usize..)?;
    let index = hidden.iter().position(|entry| entry.parent == directory.0 && entry.node == 0)?;
    let entry = &hidden[index];
    Some(Change {
        next: position + index as u64 + 1,
        node: Node::NONE,
        name: Name::new(entry.name.get(..entry.length as usize)?).ok()?,
        changed: true,
        new: false,
    })
}
