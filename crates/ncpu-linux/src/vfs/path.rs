//! From a node back to its path.

use super::dir;
use super::inode::{self, Place};
use super::{Node, hostfs, mount, proc};
use crate::Errno;
use crate::image::Kernel;

/// What follows the path of a node without links.
const DELETED: &[u8] = b" (deleted)";

/// The absolute path of a node as the current process sees it, written into `out` (which it may use
/// whole); ` (deleted)` follows when the node has no name any more, `(unreachable)` precedes when it
/// is outside the root, as in proc(5). ERANGE when it does not fit.
///
/// A file with several links may be given under another name than the one that was used.
pub fn path_of<'b>(k: &mut Kernel<'_>, node: Node, out: &'b mut [u8]) -> Result<&'b [u8], Errno> {
    let root = k
        .tasks
        .get(k.header.current as usize)
        .and_then(|task| k.processes.get(task.process as usize))
        .map_or(Node::ROOT, |process| Node(process.root));
    let mut start = out.len();
    let mut node = node;
    let gone = inode::view(k, node).is_some_and(|inode| inode.links == 0);
    if gone {
        prepend(out, &mut start, DELETED)?;
    }
    let bottom = start;
    loop {
        if node == root {
            break;
        }
        if let Some(point) = mount::covering(k, node) {
            node = point;
            continue;
        }
        if node == Node::ROOT {
            prepend(out, &mut start, b"(unreachable)")?;
            break;
        }
        let (parent, name) = match node.place() {
            Place::Proc => proc::name_of(k, node).map(|name| (proc::parent(k, node), name)),
            Place::Host(_) => hostfs::name_of(k, node).map(|name| (hostfs::parent(k, node), name)),
            _ => dir::parent(k, node).and_then(|parent| {
                let name = dir::remembered(k, node).or_else(|| dir::name_of(k, parent, node));
                Some((parent, name?))
            }),
        }
        .unwrap_or((root, dir::Name::new(b"?")?));
        prepend(out, &mut start, name.get())?;
        prepend(out, &mut start, b"/")?;
        if parent == node {
            break;
        }
        node = parent;
    }
    if start == bottom {
        prepend(out, &mut start, b"/")?;
    }
    let length = out.len() - start;
    out.copy_within(start.., 0);
    Ok(&out[..length])
}

fn prepend(out: &mut [u8], start: &mut usize, bytes: &[u8]) -> Result<(), Errno> {
    let at = start.checked_sub(bytes.len()).ok_or(Errno::ERANGE)?;
    out[at..*start].copy_from_slice(bytes);
    *start = at;
    Ok(())
}
