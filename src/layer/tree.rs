//! A file tree without contents, for one layer while it is read and for the merged image.

use std::{borrow::Cow, cell::Cell, collections::BTreeMap};

use super::path;

/// Index of a node in its [`Tree`].
pub(crate) type Id = u32;

/// The root of every tree.
pub(crate) const ROOT: Id = 0;

/// The node of every file of which nothing is known but that it is there.
pub(crate) const PLAIN: Id = 1;

/// The number of such a file.
pub(crate) const PLAIN_FILE: u32 = u32::MAX;

/// Links followed in one look-up before it is a loop; Linux's own limit.
const MAX_LINKS: usize = 40;

/// One entry.
#[derive(Debug, Clone)]
pub(crate) enum Node<'a> {
    Directory(Directory<'a>),
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
    /// Only in a merged tree: the name is gone, though a list of plain files still has it.
    Gone,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Directory<'a> {
    pub(crate) children: BTreeMap<Box<[u8]>, Id>,
    /// Only in a merged tree: names of files of which nothing is known but that they are there, as fragments list
    /// them: [escaped](path::escape), sorted. Nearly all files of an image are of this kind, and a node for each would
    /// be most of the cost of a merge. A child of the same name counts, not the list.
    pub(crate) plain: Vec<&'a [String]>,
    /// Only in the tree of one layer: hides what lower layers hold here.
    pub(crate) opaque: bool,
}

/// Nodes are never freed, only unlinked: a tree lives as long as one layer is read or one image is merged.
#[derive(Debug)]
pub(crate) struct Tree<'a> {
    nodes: Vec<Node<'a>>,
    /// What look-ups may still cost: components walked, lists searched. A link is a few bytes and may lead through forty
    /// long ones, a name is a few bytes and may be searched in a list of each layer: the cost has no bound in the size of
    /// the tree.
    steps: Cell<u64>,
}

/// Why a path leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// A component is missing.
    Missing,
    /// A component that is not the last is no directory.
    NotADirectory,
    /// Too many links, or the tree's steps are spent.
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

impl Default for Tree<'_> {
    fn default() -> Self {
        Self::with_steps(u64::MAX)
    }
}

impl<'a> Directory<'a> {
    fn has_plain(&self, name: &[u8]) -> bool {
        if self.plain.is_empty() {
            return false;
        }
        let text = match std::str::from_utf8(name) {
            Ok(text) if !text.contains('\\') => Cow::Borrowed(text),
            _ => Cow::Owned(path::escape(name)),
        };
        self.plain.iter().any(|files| has(files, &text))
    }

    /// Names of the plain files that are there and are `wanted`, escaped; one that several layers list comes as often.
    pub(crate) fn plain_names(&self, wanted: impl Fn(&str) -> bool) -> impl Iterator<Item = &'a str> {
        let names = self.plain.iter().flat_map(|files| files.iter().map(String::as_str));
        let there = |name: &str| path::unescape(name).is_some_and(|name| !self.children.contains_key(&*name));
        names.filter(move |name| wanted(name) && there(name))
    }
}

/// Whether a sorted list has a name.
pub(crate) fn has(files: &[String], name: &str) -> bool {
    files.binary_search_by(|file| file.as_str().cmp(name)).is_ok()
}

impl<'a> Tree<'a> {
    /// An empty tree; when look-ups have cost so many steps, they lead nowhere.
    pub(crate) fn with_steps(steps: u64) -> Self {
        let nodes = vec![Node::Directory(Directory::default()), Node::File(PLAIN_FILE)];
        Self { nodes, steps: Cell::new(steps) }
    }

    /// Takes steps off what is left; `false` when nothing is.
    pub(crate) fn spend(&self, steps: usize) -> bool {
        self.steps.set(self.steps.get().saturating_sub(steps as u64));
        self.steps.get() > 0
    }

    pub(crate) fn node(&self, id: Id) -> &Node<'a> {
        &self.nodes[id as usize]
    }

    /// Takes the children out of the directory behind `id`.
    pub(crate) fn take_children(&mut self, id: Id) -> BTreeMap<Box<[u8]>, Id> {
        self.directory_mut(id).map(|directory| std::mem::take(&mut directory.children)).unwrap_or_default()
    }

    /// The directory behind `id`; `None` when it is something else.
    pub(crate) fn directory(&self, id: Id) -> Option<&Directory<'a>> {
        match self.node(id) {
            Node::Directory(directory) => Some(directory),
            _ => None,
        }
    }

    pub(crate) fn directory_mut(&mut self, id: Id) -> Option<&mut Directory<'a>> {
        match &mut self.nodes[id as usize] {
            Node::Directory(directory) => Some(directory),
            _ => None,
        }
    }

    pub(crate) fn child(&self, parent: Id, name: &[u8]) -> Option<Id> {
        let directory = self.directory(parent)?;
        match directory.children.get(name) {
            Some(id) => Some(*id).filter(|id| !matches!(self.node(*id), Node::Gone)),
            None => (self.spend(directory.plain.len()) && directory.has_plain(name)).then_some(PLAIN),
        }
    }

    /// Adds a sorted list of plain files to a directory, in place of what has one of their names.
    pub(crate) fn add_plain(&mut self, parent: Id, files: &'a [String]) {
        if let Some(directory) = self.directory_mut(parent)
            && !files.is_empty()
        {
            // By the shorter side: a big directory may get a file in each of many layers.
            if files.len() < directory.children.len() {
                for name in files.iter().filter_map(|name| path::unescape(name)) {
                    directory.children.remove(&*name);
                }
            } else {
                directory.children.retain(|name, _| !has(files, &path::escape(name)));
            }
            directory.plain.push(files);
        }
    }

    /// Adds a node that nothing links to yet.
    pub(crate) fn add(&mut self, node: Node<'a>) -> Id {
        // Entries are limited far below u32::MAX before they come here.
        let id = Id::try_from(self.nodes.len()).unwrap_or(Id::MAX);
        self.nodes.push(node);
        id
    }

    /// Links `node` as `name` in `parent`, in place of what was there. Does nothing when `parent` is no directory.
    pub(crate) fn put(&mut self, parent: Id, name: &[u8], node: Node<'a>) -> Id {
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

    pub(crate) fn remove(&mut self, parent: Id, name: &[u8]) {
        let listed = self
            .directory(parent)
            .is_some_and(|directory| self.spend(directory.plain.len()) && directory.has_plain(name));
        if let Some(directory) = self.directory_mut(parent) {
            directory.children.remove(name);
        }
        if listed {
            self.put(parent, name, Node::Gone);
        }
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

    /// All entries below `from` that have a node, in the order of their paths, depth first; `visit` gets path and node.
    pub(crate) fn visit<'b>(&'b self, from: Id, visit: &mut dyn FnMut(&[u8], &'b Node<'a>)) {
        let mut path = Vec::new();
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
            if !matches!(node, Node::Gone) {
                visit(&path, node);
            }
            if let Node::Directory(directory) = node {
                open.push((path.len(), directory.children.iter()));
            }
        }
    }
}

struct Walk<'a> {
    tree: &'a Tree<'a>,
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

    fn spend(&self, steps: usize) -> Result<(), Lost> {
        if self.tree.spend(steps) { Ok(()) } else { Err(Lost::Loop) }
    }

    fn step(&mut self, part: &[u8], follow: bool) -> Result<(), Lost> {
        // Targets still to walk, nearest last: recursion would let a hostile image choose our stack.
        let mut pending: Vec<(Vec<u8>, bool)> = vec![(part.to_vec(), follow)];
        while let Some((part, follow)) = pending.pop() {
            self.spend(1)?;
            // Of `.` and `..` too: neither leads out of a file.
            self.tree.directory(self.here()).ok_or(Lost::NotADirectory)?;
            match part.as_slice() {
                b"." => continue,
                b".." => {
                    self.stack.pop();
                    continue;
                }
                _ => {}
            }
            let id = self.tree.child(self.here(), &part).ok_or(Lost::Missing)?;
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
                    self.spend(parts.len())?;
                    // A slash behind the last name wants a directory, as a dot does.
                    pending.extend(target.ends_with(b"/").then(|| (b".".to_vec(), true)));
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
        let plain = ["a".to_owned(), r"b\\c".to_owned()];
        tree.put(lib, b"a", Node::Device);
        tree.add_plain(lib, &plain);
        for name in [b"a".as_slice(), br"b\c"] {
            assert!(matches!(tree.child(lib, name).map(|id| tree.node(id)), Some(Node::File(PLAIN_FILE))));
        }
        tree.remove(lib, b"a");
        assert_eq!(tree.child(lib, b"a"), None);
        assert_eq!(tree.directory(lib).unwrap().plain_names(|_| true).collect::<Vec<_>>(), [r"b\\c"]);
        tree.put(ROOT, b"loop", Node::Link(b"loop".as_slice().into()));
        let etc = tree.put(ROOT, b"etc", Node::Directory(Directory::default()));
        tree.put(etc, b"os-release", Node::Link(b"/lib/os-release".as_slice().into()));
        let found = tree.find(b"etc/os-release", true).unwrap();
        assert_eq!((found.path.as_slice(), found.linked), (b"usr/lib/os-release".as_slice(), true));
        assert_eq!(tree.find(b"etc/os-release", false).unwrap().path, b"etc/os-release");
        assert_eq!(tree.find(b"loop/x", true).unwrap_err(), Lost::Loop);
        assert_eq!(tree.find(b"usr/lib/os-release/x", true).unwrap_err(), Lost::NotADirectory);
        assert_eq!(tree.find(b"usr/none", true).unwrap_err(), Lost::Missing);
        for target in
            [b"usr/lib/os-release/../b".as_slice(), b"usr/lib/os-release/.", b"/usr/lib/os-release/"]
        {
            tree.put(ROOT, b"through", Node::Link(target.into()));
            assert_eq!(tree.find(b"through", true).unwrap_err(), Lost::NotADirectory);
        }
        tree.put(ROOT, b"slash", Node::Link(b"usr/lib/".as_slice().into()));
        assert_eq!(tree.find(b"slash/os-release", true).unwrap().path, b"usr/lib/os-release");
    }

    #[test]
    fn look_ups_end_when_the_steps_are_spent() {
        let mut tree = Tree::with_steps(5);
        tree.put(ROOT, b"a", Node::Link(b"b".as_slice().into()));
        tree.put(ROOT, b"b", Node::Device);
        assert!(tree.find(b"a", true).is_ok() && tree.spend(0));
        assert_eq!(tree.find(b"a", true).unwrap_err(), Lost::Loop);
        assert!(!tree.spend(0));
    }
}
