//! A file tree without contents, for one layer while it is read and for the merged image.

use std::collections::BTreeMap;

use super::path;

/// Index of a node in its [`Tree`].
pub(crate) type Id = u32;

/// The root of every tree.
pub(crate) const ROOT: Id = 0;

/// Links followed in one look-up before it is a loop; Linux's own limit.
const MAX_LINKS: usize = 40;

/// One entry.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    Directory(Directory),
    /// A regular file; the number means something to the tree's owner, and is shared by hard links.
    File(u32),
    /// A symbolic link with its target as written.
    Link(Box<[u8]>),
    /// A device or a pipe.
    Device,
    /// Only in the tree of one layer: the name is removed from lower layers.
    Whiteout,
    /// Only in the tree of one layer: a hard link to a path that the layer does not hold.
    HardLink(Box<[u8]>),
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Directory {
    pub(crate) children: BTreeMap<Box<[u8]>, Id>,
    /// Only in the tree of one layer: hides what lower layers hold here.
    pub(crate) opaque: bool,
}

/// Nodes are never freed, only unlinked: a tree lives as long as one layer is read or one image is merged.
#[derive(Debug)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
}

/// Why a path leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// A component is missing.
    Missing,
    /// A component that is not the last is no directory.
    NotADirectory,
    /// Too many links.
    Loop,
}

/// Where a look-up ended.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) id: Id,
    /// The path without links.
    pub(crate) path: Vec<u8>,
    /// Whether a link was followed on the way.
    pub(crate) linked: bool,
}

impl Default for Tree {
    fn default() -> Self {
        Self { nodes: vec![Node::Directory(Directory::default())] }
    }
}

impl Tree {
    pub(crate) fn node(&self, id: Id) -> &Node {
        &self.nodes[id as usize]
    }

    /// The directory behind `id`; `None` when it is something else.
    pub(crate) fn directory(&self, id: Id) -> Option<&Directory> {
        match self.node(id) {
            Node::Directory(directory) => Some(directory),
            _ => None,
        }
    }

    pub(crate) fn directory_mut(&mut self, id: Id) -> Option<&mut Directory> {
        match &mut self.nodes[id as usize] {
            Node::Directory(directory) => Some(directory),
            _ => None,
        }
    }

    pub(crate) fn child(&self, parent: Id, name: &[u8]) -> Option<Id> {
        self.directory(parent)?.children.get(name).copied()
    }

    /// Adds a node that nothing links to yet.
    pub(crate) fn add(&mut self, node: Node) -> Id {
        // Entries are limited far below u32::MAX before they come here.
        let id = Id::try_from(self.nodes.len()).unwrap_or(Id::MAX);
        self.nodes.push(node);
        id
    }

    /// Links `node` as `name` in `parent`, in place of what was there. Does nothing when `parent` is no directory.
    pub(crate) fn put(&mut self, parent: Id, name: &[u8], node: Node) -> Id {
        let id = self.add(node);
        self.link(parent, name, id);
        id
    }

    pub(crate) fn link(&mut self, parent: Id, name: &[u8], id: Id) {
        if let Some(directory) = self.directory_mut(parent) {
            match directory.children.get_mut(name) {
                Some(child) => *child = id,
                None => {
                    directory.children.insert(name.into(), id);
                }
            }
        }
    }

    pub(crate) fn remove(&mut self, parent: Id, name: &[u8]) -> Option<Id> {
        self.directory_mut(parent)?.children.remove(name)
    }

    /// Walks `path` from the root, links included as the kernel follows them; the last component is followed only if
    /// `follow`.
    pub(crate) fn find(&self, path: &[u8], follow: bool) -> Result<Found, Lost> {
        let mut walk = Walk { tree: self, stack: Vec::new(), links: 0 };
        let parts: Vec<&[u8]> = path::components(path).collect();
        for (index, part) in parts.iter().enumerate() {
            let last = index + 1 == parts.len();
            walk.step(part, !last || follow)?;
        }
        Ok(walk.found())
    }

    /// All entries below `from` in the order of their paths, depth first; `visit` gets path and node.
    pub(crate) fn visit<'a>(&'a self, from: Id, prefix: &[u8], visit: &mut dyn FnMut(&[u8], &'a Node)) {
        let mut path = prefix.to_vec();
        let Some(directory) = self.directory(from) else { return };
        let mut open = vec![(path.len(), directory.children.iter())];
        while let Some((length, children)) = open.last_mut() {
            let Some((name, id)) = children.next() else {
                open.pop();
                continue;
            };
            path.truncate(*length);
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name);
            let node = self.node(*id);
            visit(&path, node);
            if let Node::Directory(directory) = node {
                open.push((path.len(), directory.children.iter()));
            }
        }
    }
}

struct Walk<'a> {
    tree: &'a Tree,
    stack: Vec<(Id, Vec<u8>)>,
    links: usize,
}

impl Walk<'_> {
    fn here(&self) -> Id {
        self.stack.last().map_or(ROOT, |(id, _)| *id)
    }

    fn found(self) -> Found {
        let linked = self.links > 0;
        let id = self.here();
        let names: Vec<Vec<u8>> = self.stack.into_iter().map(|(_, name)| name).collect();
        Found { id, path: names.join(&b'/'), linked }
    }

    fn step(&mut self, part: &[u8], follow: bool) -> Result<(), Lost> {
        // Targets still to walk, nearest last: recursion would let a hostile image choose our stack.
        let mut pending: Vec<(Vec<u8>, bool)> = vec![(part.to_vec(), follow)];
        while let Some((part, follow)) = pending.pop() {
            match part.as_slice() {
                b"." => continue,
                b".." => {
                    self.stack.pop();
                    continue;
                }
                _ => {}
            }
            let directory = self.tree.directory(self.here()).ok_or(Lost::NotADirectory)?;
            let id = *directory.children.get(part.as_slice()).ok_or(Lost::Missing)?;
            match self.tree.node(id) {
                Node::Link(target) if follow => {
                    self.links += 1;
                    if self.links > MAX_LINKS {
                        return Err(Lost::Loop);
                    }
                    if target.starts_with(b"/") {
                        self.stack.clear();
                    }
                    let parts: Vec<&[u8]> = path::components(target).collect();
                    pending.extend(parts.iter().rev().map(|part| (part.to_vec(), true)));
                }
                _ => self.stack.push((id, part)),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed_as_the_kernel_does() {
        let mut tree = Tree::default();
        let usr = tree.put(ROOT, b"usr", Node::Directory(Directory::default()));
        let lib = tree.put(usr, b"lib", Node::Directory(Directory::default()));
        tree.put(lib, b"os-release", Node::File(7));
        tree.put(ROOT, b"lib", Node::Link(b"../../usr/lib".as_slice().into()));
        tree.put(ROOT, b"loop", Node::Link(b"loop".as_slice().into()));
        let etc = tree.put(ROOT, b"etc", Node::Directory(Directory::default()));
        tree.put(etc, b"os-release", Node::Link(b"/lib/os-release".as_slice().into()));
        let found = tree.find(b"etc/os-release", true).unwrap();
        assert_eq!((found.path.as_slice(), found.linked), (b"usr/lib/os-release".as_slice(), true));
        assert_eq!(tree.find(b"etc/os-release", false).unwrap().path, b"etc/os-release");
        assert_eq!(tree.find(b"loop/x", true).unwrap_err(), Lost::Loop);
        assert_eq!(tree.find(b"usr/lib/os-release/x", true).unwrap_err(), Lost::NotADirectory);
        assert_eq!(tree.find(b"usr/none", true).unwrap_err(), Lost::Missing);
    }
}
