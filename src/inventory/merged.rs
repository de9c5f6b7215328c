//! The tree of the running image, layer put upon layer as overlayfs does.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashMap},
};

use serde::Serialize;

use super::{Presence, Skipped};
use crate::{
    layer::{
        Directory as Group, FileFact, Fragment, Unread, limits,
        path::{self, escape, unescape},
        tree::{Directory, Found, Id, Node, PLAIN_FILE, ROOT, Tree, has},
    },
    package::Package,
};

/// `merge steps`: what all look-ups of one merge may cost. A big image of real life takes some thousand.
const MERGE_STEPS: u64 = 20_000_000;

/// Why fragments do not make an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A fragment names something no layer can hold.
    #[error("fragment of layer {layer}: {text:?} is no {what}")]
    Form {
        /// Position of the layer.
        layer: usize,
        /// `path`, `name` or `link target`.
        what: &'static str,
        /// As sent.
        text: String,
    },
    /// A hard link to a file that is in no layer.
    #[error("layer {layer}: {path:?} is a hard link to {target:?}, which no layer holds")]
    HardLink {
        /// Position of the layer.
        layer: usize,
        /// The link.
        path: String,
        /// Its target.
        target: String,
    },
    /// A limit.
    #[error(transparent)]
    Limit(#[from] limits::Exceeded),
}

/// One entry of the merged image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Entry {
    /// From the image's root, without a leading slash, [escaped](path::escape).
    pub path: String,
    /// What it is.
    pub kind: EntryKind,
    /// Where a link leads, as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

/// What an entry of the merged image is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EntryKind {
    /// A directory.
    Directory,
    /// A regular file, hard links included.
    File,
    /// A symbolic link.
    Link,
    /// A device or a pipe.
    Device,
}

/// What the bytes of a file said.
#[derive(Debug, Clone, Copy)]
pub(super) enum Said<'a> {
    Nothing,
    Fact(&'a FileFact),
    Unread(&'a Unread),
}

/// A file of the merged tree: what it said, since which layer it has said that at its place, and whose file it is said
/// to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct File<'a> {
    pub(super) said: Said<'a>,
    pub(super) since: usize,
    pub(super) owner: Option<&'a str>,
}

/// Packages with the layer that brought them.
pub(super) type Packages = BTreeMap<(Package, usize), Presence>;

/// A hard link to a lower layer: where it is, its name, and what it leads to.
type HardLink<'a> = (&'a Group, &'a str, Node<'a>, Option<File<'a>>);

pub(super) struct Merged<'a> {
    fragments: &'a [&'a Fragment],
    pub(super) tree: Tree<'a>,
    files: Vec<File<'a>>,
    /// By layer: directory, name.
    said: Vec<HashMap<&'a str, HashMap<&'a str, Said<'a>>>>,
}

impl<'a> Merged<'a> {
    pub(super) fn new(fragments: &'a [&'a Fragment]) -> Self {
        let said = fragments.iter().map(|fragment| {
            let facts = fragment.facts.iter().map(|fact| (&fact.paths, Said::Fact(fact)));
            let unread = fragment.unread.iter().map(|unread| (&unread.paths, Said::Unread(unread)));
            let mut directories: HashMap<&str, HashMap<&str, Said<'_>>> = HashMap::new();
            for (paths, said) in facts.chain(unread) {
                for path in paths {
                    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
                    directories.entry(directory).or_default().insert(name, said);
                }
            }
            directories
        });
        let said = said.collect();
        Self { fragments, tree: Tree::with_steps(MERGE_STEPS), files: Vec::new(), said }
    }

    /// Puts one layer upon what is there.
    pub(super) fn apply(&mut self, layer: usize) -> Result<(), Error> {
        let fragments = self.fragments;
        let Some(fragment) = fragments.get(layer) else { return Ok(()) };
        // What an opaque directory hid, for files that were there before and are there again.
        let mut hidden: HashMap<Id, Id> = HashMap::new();
        let mut last = Vec::new();
        // Each layer is applied once, and nobody asks for its word again.
        let said = self.said.get_mut(layer).map(std::mem::take).unwrap_or_default();
        // Hard links of a layer to what only lower layers hold mean those layers as they were before this one.
        let links = self.hard_links(layer, fragment)?;
        for group in &fragment.directories {
            let id = self.directory(layer, &group.path, &mut hidden, &mut last)?;
            if group.opaque {
                self.hide(id, &mut hidden);
            }
            for name in &group.whiteouts {
                self.tree.remove(id, &part(layer, name)?);
            }
            check_files(layer, &group.files)?;
            let mut telling = Vec::new();
            for (name, said) in said.get(group.path.as_str()).into_iter().flatten() {
                if has(&group.files, name) {
                    let name = part(layer, name)?;
                    let before = self.before(id, &name, *said, &hidden);
                    let owner = match said {
                        Said::Fact(fact) => fact.owner.as_deref(),
                        _ => None,
                    };
                    let since = before.map_or(layer, |before| before.since);
                    // A layer that only touched it has no list that names it.
                    let owner = owner.or(before.and_then(|before| before.owner));
                    telling.push((name, File { said: *said, since, owner }));
                }
            }
            self.tree.add_plain(id, &group.files);
            for (name, file) in telling {
                self.put_file(id, &name, file);
            }
            for (name, target) in &group.links {
                let target = unescape(target).ok_or_else(|| form(layer, "link target", target))?;
                self.tree.put(id, &part(layer, name)?, Node::Link(target.into()));
            }
            for name in &group.devices {
                self.tree.put(id, &part(layer, name)?, Node::Device);
            }
        }
        for (group, name, node, file) in links {
            let id = self.directory(layer, &group.path, &mut hidden, &mut Vec::new())?;
            match file {
                Some(file) => {
                    let name = part(layer, name)?;
                    // A file may be linked to its own name, or to a copy of it.
                    let before = self.before(id, &name, file.said, &hidden);
                    let since = before.map_or(layer, |before| before.since);
                    self.put_file(id, &name, File { since, ..file });
                }
                None => {
                    self.tree.put(id, &part(layer, name)?, node);
                }
            }
        }
        Ok(())
    }

    /// What the hard links of a layer lead to in the layers below.
    fn hard_links(&self, layer: usize, fragment: &'a Fragment) -> Result<Vec<HardLink<'a>>, Error> {
        let mut links = Vec::new();
        for group in &fragment.directories {
            for (name, target) in &group.hard_links {
                let raw = unescape(target).ok_or_else(|| form(layer, "link target", target))?;
                let lost =
                    || Error::HardLink { layer, path: join(&group.path, name), target: target.clone() };
                let found = self.tree.find(&raw, false).map_err(|_| lost())?;
                match self.tree.node(found.id) {
                    Node::Directory(_) => return Err(lost()),
                    node => links.push((group, name.as_str(), node.clone(), self.file(found.id))),
                }
            }
        }
        Ok(links)
    }

    /// The file that said the same at this place before this layer.
    fn before(&self, parent: Id, name: &[u8], said: Said<'_>, hidden: &HashMap<Id, Id>) -> Option<File<'a>> {
        let before = self.tree.child(parent, name);
        let before =
            before.or_else(|| hidden.get(&parent).and_then(|hidden| self.tree.child(*hidden, name)))?;
        self.file(before).filter(|old| same(old.said, said))
    }

    fn put_file(&mut self, parent: Id, name: &[u8], file: File<'a>) {
        let number = u32::try_from(self.files.len()).unwrap_or(u32::MAX);
        self.files.push(file);
        self.tree.put(parent, name, Node::File(number));
    }

    /// The directory of a group, made where it is not there; in place of anything that is none.
    fn directory(
        &mut self,
        layer: usize,
        path: &'a str,
        hidden: &mut HashMap<Id, Id>,
        last: &mut Vec<(&'a str, Id)>,
    ) -> Result<Id, Error> {
        // Groups are sorted: most of the way is the way to the last one.
        let shared = path.split('/').zip(last.iter()).take_while(|(text, (known, _))| text == known).count();
        last.truncate(shared);
        let mut at = last.last().map_or(ROOT, |(_, id)| *id);
        for text in path.split('/').skip(shared).filter(|_| !path.is_empty()) {
            let name = part(layer, text)?;
            let ghost = hidden.get(&at).and_then(|ghost| self.tree.child(*ghost, &name));
            at = match self.tree.child(at, &name) {
                Some(child) if self.tree.directory(child).is_some() => child,
                _ => {
                    let made = self.tree.put(at, &name, Node::Directory(Directory::default()));
                    if let Some(ghost) = ghost {
                        hidden.insert(made, ghost);
                    }
                    made
                }
            };
            last.push((text, at));
        }
        Ok(at)
    }

    /// Empties a directory for the layers above, and remembers what was there.
    fn hide(&mut self, id: Id, hidden: &mut HashMap<Id, Id>) {
        if let Some(directory) = self.tree.directory_mut(id) {
            let directory = std::mem::take(directory);
            hidden.insert(id, self.tree.add(Node::Directory(directory)));
        }
    }

    /// Whether all look-ups were walked to their end: what they found is nothing to build on otherwise.
    pub(super) fn hold(&self) -> Result<(), Error> {
        let name = "merge steps";
        match self.tree.spend(0) {
            true => Ok(()),
            false => Err(limits::Exceeded { name, limit: MERGE_STEPS }.into()),
        }
    }

    /// The file behind a node; `None` for anything else.
    pub(super) fn file(&self, id: Id) -> Option<File<'a>> {
        match self.tree.node(id) {
            Node::File(PLAIN_FILE) => Some(File { said: Said::Nothing, since: 0, owner: None }),
            Node::File(number) => self.files.get(*number as usize).copied(),
            _ => None,
        }
    }

    /// Follows `path` to a file.
    pub(super) fn find_file(&self, path: &str) -> Option<(Found, File<'a>)> {
        let found = self.tree.find(path.as_bytes(), true).ok()?;
        let file = self.file(found.id)?;
        Some((found, file))
    }

    /// Names of everything in a directory, links included.
    pub(super) fn entries(&self, id: Id) -> Vec<Vec<u8>> {
        let Some(directory) = self.tree.directory(id) else { return Vec::new() };
        let there = directory.children.iter().filter(|(_, id)| !matches!(self.tree.node(**id), Node::Gone));
        let plain: BTreeSet<&str> = directory.plain_names(|_| true).collect();
        there.map(|(name, _)| name.to_vec()).chain(plain.into_iter().filter_map(unescape)).collect()
    }

    /// Names of the files of a directory that are `wanted`, escaped; links are none.
    pub(super) fn names(&self, id: Id, wanted: impl Fn(&[u8]) -> bool) -> Vec<String> {
        let Some(directory) = self.tree.directory(id) else { return Vec::new() };
        let told = directory.children.iter().filter(|(name, _)| wanted(name));
        let told = told.filter(|(_, id)| matches!(self.tree.node(**id), Node::File(_)));
        let plain: BTreeSet<&str> = directory.plain_names(|name| wanted(name.as_bytes())).collect();
        told.map(|(name, _)| escape(name)).chain(plain.into_iter().map(str::to_owned)).collect()
    }

    pub(super) fn listing(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        let plain = |whole: &[u8], directory: &Directory<'a>| {
            let whole = escape(whole);
            let entry = |name| Entry { path: join(&whole, name), kind: EntryKind::File, target: None };
            directory.plain_names(|_| true).map(entry).collect::<Vec<_>>()
        };
        entries.extend(self.tree.directory(ROOT).map(|root| plain(b"", root)).unwrap_or_default());
        self.tree.visit(ROOT, &mut |whole, node| {
            let (kind, target) = match node {
                Node::Directory(directory) => {
                    entries.extend(plain(whole, directory));
                    (EntryKind::Directory, None)
                }
                Node::File(_) => (EntryKind::File, None),
                Node::Link(target) => (EntryKind::Link, Some(escape(target))),
                Node::Device | Node::Whiteout | Node::HardLink(_) | Node::Gone => (EntryKind::Device, None),
            };
            entries.push(Entry { path: escape(whole), kind, target });
        });
        entries.sort_unstable();
        entries.dedup();
        entries
    }
}

/// Whether two files say the same of the same thing.
fn same(old: Said<'_>, new: Said<'_>) -> bool {
    match (old, new) {
        (Said::Fact(old), Said::Fact(new)) => old.fact == new.fact,
        _ => false,
    }
}

pub(super) fn skip(name: &str, what: impl Into<String>, why: impl Into<String>) -> Skipped {
    Skipped { name: name.to_owned(), what: what.into(), why: why.into() }
}

pub(super) fn join(directory: &str, name: &str) -> String {
    if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") }
}

/// Whether a fragment is of a form that can be merged, in one pass. Where its hard links lead is not asked: to other
/// layers, which only the merge knows.
pub fn check(fragment: &Fragment) -> Result<(), Error> {
    for group in &fragment.directories {
        let path = group.path.split('/').filter(|_| !group.path.is_empty());
        let linked = group.links.keys().chain(group.hard_links.keys()).map(String::as_str);
        let named = group.devices.iter().chain(&group.whiteouts).map(String::as_str);
        for text in path.chain(linked).chain(named) {
            part(0, text)?;
        }
        check_files(0, &group.files)?;
        for target in group.links.values().chain(group.hard_links.values()) {
            unescape(target).ok_or_else(|| form(0, "link target", target))?;
        }
    }
    Ok(())
}

/// One component as a sender wrote it.
fn part(layer: usize, text: &str) -> Result<Cow<'_, [u8]>, Error> {
    let bytes = match text.contains('\\') {
        true => Cow::Owned(unescape(text).ok_or_else(|| form(layer, "name", text))?),
        false => Cow::Borrowed(text.as_bytes()),
    };
    let unfit = bytes.is_empty()
        || bytes.len() > path::NAME_BYTES
        || bytes.iter().any(|byte| matches!(byte, b'/' | 0))
        || matches!(&*bytes, b"." | b"..");
    if unfit { Err(form(layer, "name", text)) } else { Ok(bytes) }
}

/// Names of files come sorted, each once: they are searched in without being copied.
fn check_files(layer: usize, files: &[String]) -> Result<(), Error> {
    for name in files {
        part(layer, name)?;
    }
    match files.windows(2).find(|pair| pair[0] >= pair[1]) {
        Some(pair) => Err(form(layer, "name in order", &pair[1])),
        None => Ok(()),
    }
}

fn form(layer: usize, what: &'static str, text: &str) -> Error {
    Error::Form { layer, what, text: text.chars().take(200).collect() }
}
