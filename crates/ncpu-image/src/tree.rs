//! The tree being assembled: what a source says, before it is numbered and written.
//!
//! Names are resolved inside the tree only. A symbolic link among the parents of a name is followed
//! as a process inside the root file system would follow it, so that an archive may say `lib/x` when
//! `lib` is a link to `usr/lib`; nothing here ever touches a host path.
//!
//! Later entries replace earlier ones: a directory over a directory keeps the contents, anything
//! else replaces what was there with everything below it.

use std::collections::BTreeMap;

use ncpu_linux::rom::{self, NAME_MAX, TARGET_MAX};

use crate::error::TreeError;

/// Links followed before the kernel gives up with `ELOOP` (`man 7 path_resolution`).
const MAX_FOLLOWS: usize = 40;

/// Deepest nesting of directories. Names alone allow twice that; links among the parents of names
/// would allow any depth.
pub(crate) const MAX_DEPTH: usize = 1024;

/// Permissions, owner and time of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attributes {
    /// Permission bits, without the type.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) mtime_s: i64,
    pub(crate) mtime_ns: u32,
}

impl Attributes {
    /// Owned by root and dated at the epoch.
    pub(crate) const fn plain(mode: u32) -> Attributes {
        Attributes { mode, uid: 0, gid: 0, mtime_s: 0, mtime_ns: 0 }
    }
}

/// Where a file's contents lie in the image, and their hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) first: u32,
    pub(crate) size: u64,
    pub(crate) content: u64,
}

/// A place in the tree's node table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeId(usize);

/// A name's node and the layer that put it there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    pub(crate) node: NodeId,
    layer: u32,
}

/// What a node is.
#[derive(Debug)]
pub(crate) enum Body {
    Directory(BTreeMap<Box<[u8]>, Link>),
    File(Extent),
    Symlink(Box<[u8]>),
    /// Character or block device by its `S_IF*` type, and its number.
    Device(u32, u32),
    Fifo,
    Socket,
}

impl Body {
    pub(crate) fn directory() -> Body {
        Body::Directory(BTreeMap::new())
    }

    /// A symbolic link, if Linux could hold its target.
    pub(crate) fn symlink(target: &[u8]) -> Result<Body, TreeError> {
        if target.is_empty() || target.len() > TARGET_MAX || target.contains(&0) {
            return Err(TreeError::Target);
        }
        Ok(Body::Symlink(target.into()))
    }

    /// The `S_IF*` type.
    pub(crate) fn kind(&self) -> u32 {
        match self {
            Body::Directory(_) => rom::S_IFDIR,
            Body::File(_) => rom::S_IFREG,
            Body::Symlink(_) => rom::S_IFLNK,
            Body::Device(kind, _) => *kind,
            Body::Fifo => rom::S_IFIFO,
            Body::Socket => rom::S_IFSOCK,
        }
    }
}

/// One inode to be.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) attributes: Attributes,
    pub(crate) body: Body,
}

/// The tree. Nodes that lost their last name stay in the table and are not written.
#[derive(Debug)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
    layer: u32,
}

impl Tree {
    /// A tree of one empty directory.
    pub(crate) fn new() -> Tree {
        let root = Node { attributes: Attributes::plain(0o755), body: Body::directory() };
        Tree { nodes: vec![root], layer: 0 }
    }

    /// The top directory.
    pub(crate) const ROOT: NodeId = NodeId(0);

    /// Number of nodes ever made, which bounds every [`NodeId::index`].
    pub(crate) fn node_count(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    pub(crate) fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id.0]
    }

    /// The names in a directory; none in anything else.
    pub(crate) fn children(&self, id: NodeId) -> impl Iterator<Item = (&[u8], NodeId)> {
        let children = match &self.node(id).body {
            Body::Directory(children) => Some(children),
            _ => None,
        };
        children.into_iter().flatten().map(|(name, link)| (&**name, link.node))
    }

    /// Gives everything to root.
    pub(crate) fn give_to_root(&mut self) {
        for node in &mut self.nodes {
            (node.attributes.uid, node.attributes.gid) = (0, 0);
        }
    }

    /// What is inserted from here on belongs to the next layer of a container image.
    pub(crate) fn begin_layer(&mut self) {
        self.layer += 1;
    }

    /// Puts a node under a name whose parents may be missing: they become plain directories.
    pub(crate) fn insert(
        &mut self,
        path: &[&[u8]],
        attributes: Attributes,
        body: Body,
    ) -> Result<NodeId, TreeError> {
        let Some((name, parents)) = path.split_last() else {
            let Body::Directory(_) = body else { return Err(TreeError::Top) };
            self.node_mut(Tree::ROOT).attributes = attributes;
            return Ok(Tree::ROOT);
        };
        let parent = self.make_directories(parents)?;
        Ok(self.insert_in(parent, name, attributes, body))
    }

    /// Puts a node under a name of a directory.
    pub(crate) fn insert_in(
        &mut self,
        parent: NodeId,
        name: &[u8],
        attributes: Attributes,
        body: Body,
    ) -> NodeId {
        if let Some(old) = self.child(parent, name)
            && let (Body::Directory(_), Body::Directory(_)) = (&self.node(old).body, &body)
        {
            self.node_mut(old).attributes = attributes;
            self.set_link(parent, name, old);
            return old;
        }
        let node = NodeId(self.nodes.len());
        self.nodes.push(Node { attributes, body });
        self.set_link(parent, name, node);
        node
    }

    /// Gives the file at `target` a further name.
    pub(crate) fn hard_link(&mut self, path: &[&[u8]], target: &[&[u8]]) -> Result<(), TreeError> {
        let shown = || String::from_utf8_lossy(&target.join(&b'/')).into_owned();
        let node = self.find(target, false).ok_or_else(|| TreeError::NoTarget(shown()))?;
        if let Body::Directory(_) = self.node(node).body {
            return Err(TreeError::DirectoryTarget(shown()));
        }
        let Some((name, parents)) = path.split_last() else { return Err(TreeError::Top) };
        let parent = self.make_directories(parents)?;
        self.set_link(parent, name, node);
        Ok(())
    }

    /// Gives a node of this tree a further name in a directory.
    pub(crate) fn set_link(&mut self, parent: NodeId, name: &[u8], node: NodeId) {
        let link = Link { node, layer: self.layer };
        if let Body::Directory(children) = &mut self.node_mut(parent).body {
            children.insert(name.into(), link);
        }
    }

    /// The node at a path, following symbolic links among its parents, and at its end if asked to.
    pub(crate) fn find(&self, path: &[&[u8]], follow_last: bool) -> Option<NodeId> {
        let mut walk = Walk::new(path);
        while let Some(name) = walk.next() {
            let node = self.child(walk.here(), &name)?;
            match &self.node(node).body {
                Body::Symlink(target) if follow_last || !walk.pending.is_empty() => {
                    walk.follow(target).ok()?;
                }
                Body::Directory(_) => walk.stack.push(node),
                _ if walk.pending.is_empty() => return Some(node),
                _ => return None,
            }
        }
        Some(walk.here())
    }

    /// Removes what lower layers have under a name (`.wh.name` in a layer).
    pub(crate) fn white_out(&mut self, directory: &[&[u8]], name: &[u8]) {
        let Some(parent) = self.find(directory, true) else { return };
        let Some(child) = self.child(parent, name) else { return };
        if !self.strip(parent, name, child)
            && let Body::Directory(children) = &mut self.node_mut(parent).body
        {
            children.remove(name);
        }
    }

    /// Removes everything that lower layers have in a directory (`.wh..wh..opq` in a layer).
    pub(crate) fn make_opaque(&mut self, directory: &[&[u8]]) {
        let Some(parent) = self.find(directory, true) else { return };
        self.strip_children(parent);
    }

    /// Removes what lower layers have below a name, and says whether the name itself stays.
    fn strip(&mut self, parent: NodeId, name: &[u8], child: NodeId) -> bool {
        let inside = self.strip_children(child);
        let Body::Directory(siblings) = &self.node(parent).body else { return false };
        inside || siblings.get(name).is_some_and(|link| link.layer == self.layer)
    }

    fn strip_children(&mut self, directory: NodeId) -> bool {
        let names: Vec<(Box<[u8]>, NodeId)> =
            self.children(directory).map(|(name, node)| (name.into(), node)).collect();
        let mut any = false;
        for (name, node) in names {
            if self.strip(directory, &name, node) {
                any = true;
            } else if let Body::Directory(children) = &mut self.node_mut(directory).body {
                children.remove(&name);
            }
        }
        any
    }

    fn child(&self, directory: NodeId, name: &[u8]) -> Option<NodeId> {
        match &self.node(directory).body {
            Body::Directory(children) => children.get(name).map(|link| link.node),
            _ => None,
        }
    }

    fn make_directories(&mut self, path: &[&[u8]]) -> Result<NodeId, TreeError> {
        let mut walk = Walk::new(path);
        while let Some(name) = walk.next() {
            let here = walk.here();
            let node = match self.child(here, &name) {
                Some(node) => node,
                None if name.len() > NAME_MAX => return Err(TreeError::NameTooLong),
                None if walk.stack.len() >= MAX_DEPTH => return Err(TreeError::TooDeep),
                None => self.insert_in(here, &name, Attributes::plain(0o755), Body::directory()),
            };
            match &self.node(node).body {
                Body::Directory(_) => walk.stack.push(node),
                Body::Symlink(target) => walk.follow(target)?,
                _ => {
                    let name = String::from_utf8_lossy(&name).into_owned();
                    return Err(TreeError::NotADirectory(name));
                }
            }
        }
        if walk.stack.len() > MAX_DEPTH { Err(TreeError::TooDeep) } else { Ok(walk.here()) }
    }
}

impl NodeId {
    /// Position in the node table.
    pub(crate) fn index(self) -> usize {
        self.0
    }
}

/// Path resolution in progress: the directories from the top to here, and the names still to come,
/// next one last.
struct Walk {
    stack: Vec<NodeId>,
    pending: Vec<Box<[u8]>>,
    follows: usize,
}

impl Walk {
    fn new(path: &[&[u8]]) -> Walk {
        let pending = path.iter().rev().map(|&name| name.into()).collect();
        Walk { stack: vec![Tree::ROOT], pending, follows: 0 }
    }

    fn here(&self) -> NodeId {
        self.stack.last().copied().unwrap_or(Tree::ROOT)
    }

    /// The next name that is not `.` or `..`; `..` at the top stays there.
    fn next(&mut self) -> Option<Box<[u8]>> {
        loop {
            let name = self.pending.pop()?;
            match &*name {
                b"" | b"." => {}
                b".." => {
                    if self.stack.len() > 1 {
                        self.stack.pop();
                    }
                }
                _ => return Some(name),
            }
        }
    }

    fn follow(&mut self, target: &[u8]) -> Result<(), TreeError> {
        self.follows += 1;
        if self.follows > MAX_FOLLOWS {
            return Err(TreeError::TooManyLinks);
        }
        if target.starts_with(b"/") {
            self.stack.truncate(1);
        }
        self.pending.extend(target.split(|&byte| byte == b'/').rev().map(Box::from));
        Ok(())
    }
}

/// Splits a relative name into its components, of which none is `.` or `..`; the empty list is the
/// top of the tree.
pub(crate) fn components(name: &[u8]) -> Result<Vec<&[u8]>, TreeError> {
    if name.starts_with(b"/") {
        return Err(TreeError::Absolute);
    }
    if name.len() > TARGET_MAX {
        return Err(TreeError::NameTooLong);
    }
    if name.contains(&0) {
        return Err(TreeError::Nul);
    }
    let mut components = Vec::new();
    for component in name.split(|&byte| byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." => return Err(TreeError::ParentComponent),
            _ if component.len() > NAME_MAX => return Err(TreeError::NameTooLong),
            _ => components.push(component),
        }
    }
    Ok(components)
}
