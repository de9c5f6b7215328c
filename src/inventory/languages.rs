//! Packages of programming languages: metadata at the places where programs look for what is installed.

use std::collections::{BTreeMap, HashSet};

use super::{
    Skipped,
    merged::{File, Merged, Packages, Said, join, skip},
};
use crate::{
    layer::{
        FileFact,
        path::{escape, unescape},
        tree::{Id, Node, ROOT},
    },
    package::{Fact, Place, is_python_metadata},
};

/// Adds the packages of Python and Node, and says where there may be others that are not read.
pub(super) fn look(merged: &Merged<'_>, packages: &mut Packages, skipped: &mut Vec<Skipped>) {
    let mut search = Search {
        merged,
        packages,
        skipped,
        claimed: Claims::default(),
        linked: vec![(ROOT, Place::Plain, Vec::new())],
        counted: HashSet::new(),
        unread: BTreeMap::new(),
    };
    while let Some((id, place, path)) = search.linked.pop() {
        search.walk(id, place, path);
    }
    for (kind, (first, count)) in search.unread {
        let files = if count == 1 { "file" } else { "files" };
        let why = format!("{count} {files} of a kind that is not read yet");
        skipped.push(skip(&format!("unread:{kind}"), first, why));
    }
}

/// A walk over directories, each under every name that makes a place of it, and under each such name once: whatever
/// links there are, the work is linear.
struct Search<'m, 'a, 'o> {
    merged: &'m Merged<'a>,
    packages: &'o mut Packages,
    skipped: &'o mut Vec<Skipped>,
    claimed: Claims,
    /// Claimed and not walked yet: directories behind links, with their real paths.
    linked: Vec<(Id, Place, Vec<u8>)>,
    counted: HashSet<(Id, &'static str)>,
    /// By kind: the first file, and how many there are.
    unread: BTreeMap<&'static str, (String, usize)>,
}

/// Which places a directory was claimed as: a bit for each, by the directory's number.
#[derive(Default)]
struct Claims(Vec<u16>);

impl Claims {
    /// Whether nobody has claimed this before.
    fn claim(&mut self, id: Id, place: Place) -> bool {
        let at = id as usize;
        if self.0.len() <= at {
            self.0.resize(at + 1, 0);
        }
        let bit = 1 << place as u16;
        let first = self.0[at] & bit == 0;
        self.0[at] |= bit;
        first
    }
}

impl Search<'_, '_, '_> {
    /// Walks `from`, which is claimed, and all below it that is not.
    fn walk(&mut self, from: Id, place: Place, mut path: Vec<u8>) {
        let tree = &self.merged.tree;
        let Some(directory) = tree.directory(from) else { return };
        self.directory(from, place, &path);
        let mut open = vec![(path.len(), place, directory.children.iter())];
        while let Some((length, place, children)) = open.last_mut() {
            let Some((name, id)) = children.next() else {
                open.pop();
                continue;
            };
            path.truncate(*length);
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name);
            match tree.node(*id) {
                Node::Directory(directory) => {
                    let place = place.enter(name);
                    if self.claimed.claim(*id, place) {
                        self.directory(*id, place, &path);
                        open.push((path.len(), place, directory.children.iter()));
                    }
                }
                Node::Link(_) => self.link(*place, name, &path),
                _ => {}
            }
        }
    }

    /// What a link's own name makes of its target. Under a plain name the target means what it means at its own place.
    fn link(&mut self, place: Place, name: &[u8], path: &[u8]) {
        let (target, kind) = (place.enter(name), place.unread(name));
        if target == Place::Plain && kind.is_none() {
            return;
        }
        let Ok(found) = self.merged.tree.find(path, true) else { return };
        match self.merged.file(found.id) {
            Some(file) if is_python_metadata(name) => self.take(escape(&found.path), file, target),
            Some(_) => {
                let real = found.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
                if let Some(kind) = kind.filter(|kind| Place::Plain.unread(real) != Some(kind)) {
                    self.count(kind, escape(path), 1);
                }
            }
            None if target == Place::Plain || self.merged.tree.directory(found.id).is_none() => {}
            None => {
                if self.claimed.claim(found.id, target) {
                    self.linked.push((found.id, target, found.path));
                }
            }
        }
    }

    /// The files of one directory.
    fn directory(&mut self, id: Id, place: Place, path: &[u8]) {
        let mut told = false;
        for name in place.metadata() {
            told |= self.metadata(id, place, path, name);
        }
        if place == Place::Python && !told && !self.merged.entries(id).is_empty() {
            let why = "it is of an installed package, and has no metadata that tells which".to_owned();
            self.skipped.push(skip("package-metadata", escape(path), why));
        }
        let matters = |name: &[u8]| place.unread(name).is_some() || is_python_metadata(name);
        let mut kinds: BTreeMap<&'static str, (String, usize)> = BTreeMap::new();
        for name in self.merged.names(id, matters) {
            match place.unread(name.as_bytes()) {
                Some(kind) => {
                    let (first, count) = kinds.entry(kind).or_insert_with(|| (name.clone(), 0));
                    *count += 1;
                    if name < *first {
                        *first = name;
                    }
                }
                None => {
                    self.metadata(id, Place::Python, path, &name);
                }
            }
        }
        for (kind, (first, count)) in kinds {
            if self.counted.insert((id, kind)) {
                self.count(kind, join(&escape(path), &first), count);
            }
        }
    }

    fn count(&mut self, kind: &'static str, path: String, count: usize) {
        let (first, sum) = self.unread.entry(kind).or_insert_with(|| (path.clone(), 0));
        *sum += count;
        if path < *first {
            *first = path;
        }
    }

    /// Takes the file `name` of a directory, links followed; `false` when there is none.
    fn metadata(&mut self, directory: Id, place: Place, path: &[u8], name: &str) -> bool {
        let tree = &self.merged.tree;
        let Some(raw) = unescape(name) else { return false };
        let Some(id) = tree.child(directory, &raw) else { return false };
        let text = join(&escape(path), name);
        if let Some(file) = self.merged.file(id) {
            self.take(text, file, place);
            return true;
        }
        if !matches!(tree.node(id), Node::Link(_)) {
            return false;
        }
        let whole = [path, b"/", &raw].concat();
        match tree.find(&whole, true).ok().and_then(|found| Some((self.merged.file(found.id)?, found))) {
            Some((file, found)) => self.take(escape(&found.path), file, place),
            None if place.must_tell() => {
                self.skipped.push(skip(
                    "package-metadata",
                    text,
                    "a link that leads to no file of the image",
                ));
            }
            None => {}
        }
        true
    }

    fn take(&mut self, path: String, file: File<'_>, place: Place) {
        match (file.said, place) {
            (Said::Fact(FileFact { fact: Fact::Python { package }, .. }), Place::Python)
            | (
                Said::Fact(FileFact { fact: Fact::Node { package }, .. }),
                Place::NodePackage | Place::NodeHidden,
            ) => {
                self.packages.entry((package.clone(), file.since)).or_default().insert(path);
            }
            (Said::Unread(unread), _) => {
                self.skipped.push(skip("package-metadata", path, unread.why.clone()))
            }
            _ if place.must_tell() => {
                let why = "it is where an installed package tells its name, and none was read from it";
                self.skipped.push(skip("package-metadata", path, why));
            }
            _ => {}
        }
    }
}
