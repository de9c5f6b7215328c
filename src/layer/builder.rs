//! Entries of one layer put into a tree, as overlayfs-backed container engines unpack them: later entries replace
//! earlier ones, links made by the layer are followed, links of lower layers are not there. What engines do not agree
//! on is refused.

use super::{
    Fragment, Limits, finish, limits,
    path::{self, escape},
    tree::{Directory, Found, Id, Lost, Node, PLAIN, Tree},
};
use crate::{
    digest::Digest,
    package::{self, Fact},
};

/// Prefix of a whiteout; OCI image-spec, `layer.md`.
const WHITEOUT: &[u8] = b".wh.";
/// The opaque marker.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Prefix of what AUFS kept for itself.
const AUFS: &[u8] = b".wh..wh.";

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A directory; merges with one that is there.
    Directory,
    /// A regular file.
    File(Contents),
    /// A symbolic link and its target, as written.
    Link(Vec<u8>),
    /// A hard link and the path of its target, as written.
    HardLink(Vec<u8>),
    /// A device or a pipe.
    Device,
}

/// What was learnt from a file's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contents {
    /// Nothing that matters.
    Plain,
    /// A fact.
    Fact(Fact),
    /// It matters and could not be read.
    Unread {
        /// Why not.
        why: String,
        /// Whether it matters wherever it lies.
        anywhere: bool,
    },
}

impl Contents {
    /// What an analyser said of a file.
    pub fn said(said: Result<Option<Fact>, package::Error>) -> Self {
        match said {
            Ok(Some(fact)) => Self::Fact(fact),
            Ok(None) => Self::Plain,
            Err(error) => Self::Unread { anywhere: error.matters_anywhere(), why: error.shown() },
        }
    }

    /// Over the limit on its size. Of all that is skipped these alone have a way out, so it is said here.
    pub fn too_big(read: &package::Read, exceeded: &limits::Exceeded) -> Self {
        let anywhere = matches!(read, package::Read::Parts(_));
        let way_out = Limits::way_out(exceeded.name).map(|way| format!("; {way} sets it"));
        Self::Unread { why: format!("{exceeded}{}", way_out.unwrap_or_default()), anywhere }
    }
}

/// Why an entry was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Its path.
    #[error(transparent)]
    Path(#[from] path::Error),
    /// Something on the way to it is no directory.
    #[error("a parent of it is not a directory")]
    ParentNotADirectory,
    /// A link on the way to it leads nowhere or in a circle.
    #[error("a link on the way to it leads nowhere")]
    ParentLost,
    /// The root is a directory, always.
    #[error("the root of the image is given as something other than a directory")]
    Root,
    /// A hard link to a directory.
    #[error("hard link to a directory, {0:?}")]
    HardLinkToDirectory(String),
    /// Engines do not agree on what is left.
    #[error("the layer brings {0:?} and a whiteout of it; container engines do not agree on what is left")]
    WhiteoutOfOwnEntry(String),
    /// Engines do not agree on which directory is meant.
    #[error("whiteout through a link of the same layer; container engines do not agree on what it removes")]
    WhiteoutThroughLink,
    /// Overlayfs and others differ.
    #[error("opaque marker in the root; container engines do not agree on what it hides")]
    OpaqueRoot,
    /// Neither a whiteout nor a name.
    #[error("the whiteout prefix without a name, or inside a path")]
    WhiteoutForm,
    /// A limit.
    #[error(transparent)]
    Limit(#[from] limits::Exceeded),
}

/// Collects the entries of one layer.
#[derive(Debug)]
pub struct Builder {
    tree: Tree<'static>,
    files: Vec<Contents>,
    limits: Limits,
    entries: u64,
    names_bytes: u64,
    packages: u64,
    package_text_bytes: u64,
    /// The directory of the last entry, and its path without links: neighbours follow each other.
    last: Option<(Vec<u8>, Found)>,
}

impl Builder {
    /// An empty layer.
    pub fn new(limits: &Limits) -> Self {
        Self {
            tree: Tree::default(),
            files: Vec::new(),
            limits: limits.clone(),
            entries: 0,
            names_bytes: 0,
            packages: 0,
            package_text_bytes: 0,
            last: None,
        }
    }

    /// Takes one entry of a layer's tar: the raw name, whiteouts included.
    pub fn layer_entry(&mut self, raw: &[u8], kind: Kind) -> Result<(), Refused> {
        let clean = path::clean(raw, self.limits.path_bytes)?;
        let Some((directory, name)) = path::split(&clean) else {
            return if kind == Kind::Directory { Ok(()) } else { Err(Refused::Root) };
        };
        if path::components(directory).any(|part| part.starts_with(WHITEOUT)) {
            return Err(Refused::WhiteoutForm);
        }
        match name.strip_prefix(WHITEOUT) {
            None => self.entry(&clean, kind),
            Some(_) if name == OPAQUE => self.opaque(directory),
            // `.wh..wh.aufs` and its kin, which no engine shows to a container; directories would hold entries.
            Some(_) if name.starts_with(AUFS) && directory.is_empty() && kind != Kind::Directory => Ok(()),
            Some(b"" | b"." | b"..") => Err(Refused::WhiteoutForm),
            Some(hidden) if hidden.starts_with(WHITEOUT) => Err(Refused::WhiteoutForm),
            Some(hidden) => self.whiteout(directory, hidden),
        }
    }

    /// Takes one entry as it is named: no whiteouts. `clean` comes from [`path::clean`].
    pub fn entry(&mut self, clean: &[u8], kind: Kind) -> Result<(), Refused> {
        let Some((directory, name)) = path::split(clean) else {
            return if kind == Kind::Directory { Ok(()) } else { Err(Refused::Root) };
        };
        let target_bytes = match &kind {
            Kind::Link(target) | Kind::HardLink(target) => target.len(),
            _ => 0,
        };
        self.count(clean.len() + target_bytes)?;
        let parent = self.parent(directory)?;
        if let Some(id) = self.tree.child(parent, name) {
            match (self.tree.node(id), &kind) {
                (Node::Directory(_), Kind::Directory) => return Ok(()),
                (Node::Whiteout, Kind::Directory) => return Err(Refused::WhiteoutOfOwnEntry(escape(clean))),
                // Engines remove first: a hard link to its own path then has no target.
                _ => self.tree.remove(parent, name),
            };
            self.last = None;
        }
        let id = match kind {
            // Nearly all entries: memory for each would be most of what a layer costs.
            Kind::File(Contents::Plain) => PLAIN,
            Kind::HardLink(target) => self.hard_link(&target)?,
            Kind::Directory => self.tree.add(Node::Directory(Directory::default())),
            Kind::Device => self.tree.add(Node::Device),
            Kind::Link(target) => self.tree.add(Node::Link(target.into())),
            Kind::File(contents) => {
                self.weigh(&contents)?;
                let number = u32::try_from(self.files.len()).unwrap_or(u32::MAX);
                self.files.push(contents);
                self.tree.add(Node::File(number))
            }
        };
        self.tree.link(parent, name, id);
        Ok(())
    }

    /// The path of an entry of a layer as a container sees it: cleaned, links of the layer followed on the way, which is
    /// made where it is missing. What a file is may hang on its path.
    pub fn real_path(&mut self, raw: &[u8]) -> Result<Vec<u8>, Refused> {
        let clean = path::clean(raw, self.limits.path_bytes)?;
        let Some((directory, name)) = path::split(&clean) else { return Ok(clean) };
        self.parent(directory)?;
        let parent = self.last.as_ref().map_or(directory, |(_, found)| &found.path);
        Ok(if parent.is_empty() { name.to_vec() } else { [parent, b"/", name].concat() })
    }

    fn count(&mut self, bytes: usize) -> Result<(), limits::Exceeded> {
        self.entries += 1;
        self.names_bytes += bytes as u64;
        limits::hold("layer entries", self.entries, self.limits.layer_entries)?;
        limits::hold("layer names", self.names_bytes, self.limits.layer_names_bytes)
    }

    fn weigh(&mut self, contents: &Contents) -> Result<(), limits::Exceeded> {
        let Contents::Fact(fact) = contents else { return Ok(()) };
        let (packages, text_bytes) = fact.weight();
        self.packages += packages;
        self.package_text_bytes += text_bytes;
        limits::hold("layer packages", self.packages, self.limits.layer_packages)?;
        limits::hold("layer package text", self.package_text_bytes, self.limits.layer_package_text_bytes)
    }

    /// The directory at `path`, made with its parents where it is missing, links followed as far as they lead.
    fn parent(&mut self, path: &[u8]) -> Result<Id, Refused> {
        if let Some((last, found)) = &self.last
            && last == path
        {
            return Ok(found.id);
        }
        let found = match self.tree.find(path, true) {
            Ok(found) => {
                if found.path.len() > self.limits.path_bytes {
                    return Err(path::Error::Length(found.path.len(), self.limits.path_bytes).into());
                }
                self.tree.directory(found.id).ok_or(Refused::ParentNotADirectory)?;
                found
            }
            Err(Lost::Missing) => self.make(path)?,
            Err(Lost::NotADirectory) => return Err(Refused::ParentNotADirectory),
            Err(Lost::Loop) => return Err(Refused::ParentLost),
        };
        let id = found.id;
        self.last = Some((path.to_vec(), found));
        Ok(id)
    }

    fn make(&mut self, path: &[u8]) -> Result<Found, Refused> {
        // The root is never missing.
        let Some((above, name)) = path::split(path) else { return Err(Refused::Root) };
        // Recursion is bounded by the path's length; real paths are a few components deep.
        let mut missing = vec![name];
        let mut above = above;
        let mut at = loop {
            match self.tree.find(above, true) {
                Ok(found) => break found,
                Err(Lost::Missing) => match path::split(above) {
                    Some((higher, name)) => {
                        missing.push(name);
                        above = higher;
                    }
                    None => return Err(Refused::ParentLost),
                },
                Err(Lost::NotADirectory) => return Err(Refused::ParentNotADirectory),
                Err(Lost::Loop) => return Err(Refused::ParentLost),
            }
        };
        for name in missing.into_iter().rev() {
            match self.tree.child(at.id, name) {
                // A link that leads nowhere: mkdir(2) says it exists, and nothing can be put below it.
                Some(_) => return Err(Refused::ParentLost),
                None if self.tree.directory(at.id).is_none() => return Err(Refused::ParentNotADirectory),
                None => at.id = self.tree.put(at.id, name, Node::Directory(Directory::default())),
            }
            if !at.path.is_empty() {
                at.path.push(b'/');
            }
            at.path.extend_from_slice(name);
            self.count(at.path.len())?;
            if at.path.len() > self.limits.path_bytes {
                return Err(path::Error::Length(at.path.len(), self.limits.path_bytes).into());
            }
        }
        Ok(at)
    }

    /// The node of a hard link: its target's, where the layer holds that.
    fn hard_link(&mut self, target: &[u8]) -> Result<Id, Refused> {
        // Engines take the target from the root, with or without a leading slash.
        let from_root = target.iter().position(|byte| *byte != b'/').map_or(target, |start| &target[start..]);
        let clean = path::clean(from_root, self.limits.path_bytes)?;
        match self.tree.find(&clean, false) {
            Ok(found) => match self.tree.node(found.id) {
                Node::Directory(_) => Err(Refused::HardLinkToDirectory(escape(&clean))),
                Node::Whiteout => Err(Refused::WhiteoutOfOwnEntry(escape(&clean))),
                _ => Ok(found.id),
            },
            Err(Lost::Missing) if !clean.is_empty() => Ok(self.tree.add(Node::HardLink(clean.into()))),
            Err(_) => Err(Refused::ParentLost),
        }
    }

    /// The directory of a whiteout or marker, which must be the one its path spells.
    fn spelled_parent(&mut self, directory: &[u8]) -> Result<Id, Refused> {
        let id = self.parent(directory)?;
        match &self.last {
            Some((_, found)) if found.linked => Err(Refused::WhiteoutThroughLink),
            _ => Ok(id),
        }
    }

    fn opaque(&mut self, directory: &[u8]) -> Result<(), Refused> {
        if directory.is_empty() {
            return Err(Refused::OpaqueRoot);
        }
        self.count(directory.len())?;
        let id = self.spelled_parent(directory)?;
        if let Some(directory) = self.tree.directory_mut(id) {
            directory.opaque = true;
        }
        Ok(())
    }

    fn whiteout(&mut self, directory: &[u8], hidden: &[u8]) -> Result<(), Refused> {
        self.count(directory.len() + hidden.len())?;
        let parent = self.spelled_parent(directory)?;
        match self.tree.child(parent, hidden).map(|id| self.tree.node(id)) {
            None => {
                self.tree.put(parent, hidden, Node::Whiteout);
            }
            Some(Node::Whiteout) => {}
            Some(_) => {
                let whole = [directory, b"/", hidden].concat();
                return Err(Refused::WhiteoutOfOwnEntry(escape(&whole)));
            }
        }
        Ok(())
    }

    /// The fragment of all entries taken.
    pub fn finish(self, diff_id: Digest, size_bytes: u64) -> Fragment {
        finish::fragment(self.tree, self.files, self.limits.analyzer(), diff_id, size_bytes)
    }
}
