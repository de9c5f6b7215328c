//! Packages of programming languages: metadata at the places where programs look for what is installed.

use std::collections::HashMap;

use super::{
    Inventory, LockFile, LockFiles,
    merged::{File, Merged, Packages, Said, join, skip},
    whose::{is_copy, is_gem, is_of_tests, is_own, is_test_data},
};
use crate::{
    layer::{
        FileFact,
        path::{escape, unescape},
        tree::{Id, Node, ROOT},
    },
    package::{Fact, Form, Locks, Package, Place, is_lock_file, is_python_metadata},
};

/// Directories beside a manifest that hold what was installed for it.
const INSTALLED_BESIDE: [(&str, &str); 3] =
    [("package.json", "node_modules"), ("composer.json", "vendor/composer"), ("Gemfile", "vendor/bundle")];

/// Adds the packages of languages to those of the system, and says where there may be others that are not read.
pub(super) fn look(
    merged: &Merged<'_>,
    lock_files: LockFiles,
    packages: &mut Packages,
    inventory: &mut Inventory,
) {
    let mut system: HashMap<String, Vec<(Package, usize)>> = HashMap::new();
    for (package, layer) in packages.keys() {
        system.entry(package.name.clone()).or_default().push((package.clone(), *layer));
    }
    let mut search = Search {
        merged,
        packages,
        system,
        lock_files,
        inventory,
        claimed: Claims::default(),
        linked: vec![(ROOT, Place::Plain, Vec::new())],
    };
    while let Some((id, place, path)) = search.linked.pop() {
        search.walk(id, place, path);
    }
}

/// A walk over directories, each under every name that makes a place of it, and under each such name once: whatever
/// links there are, the work is linear.
struct Search<'m, 'a, 'o> {
    merged: &'m Merged<'a>,
    packages: &'o mut Packages,
    /// Packages of the system, by name.
    system: HashMap<String, Vec<(Package, usize)>>,
    lock_files: LockFiles,
    /// Gets the lock files, and what was skipped.
    inventory: &'o mut Inventory,
    claimed: Claims,
    /// Claimed and not walked yet: directories behind links, with their real paths.
    linked: Vec<(Id, Place, Vec<u8>)>,
}

/// Which places a directory was claimed as: a bit for each, by the directory's number.
#[derive(Default)]
struct Claims(Vec<u32>);

impl Claims {
    /// Whether nobody has claimed this before.
    fn claim(&mut self, id: Id, place: Place) -> bool {
        let at = id as usize;
        if self.0.len() <= at {
            self.0.resize(at + 1, 0);
        }
        let bit = 1 << place as u32;
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
        // From the root every directory comes by under its own name, below those above it.
        let locks = (from == ROOT && self.lock_files == LockFiles::Counted).then(Locks::default);
        let locks = self.directory(from, place, &path, locks);
        let mut open = vec![(path.len(), place, locks, directory.children.iter())];
        while let Some((length, place, locks, children)) = open.last_mut() {
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
                        let locks = self.directory(*id, place, &path, locks.map(Locks::enter));
                        open.push((path.len(), place, locks, directory.children.iter()));
                    }
                }
                Node::Link(_) => self.link(*place, name, &path),
                _ => {}
            }
        }
    }

    /// What a link's own name makes of its target. Under a plain name the target means what it means at its own place.
    fn link(&mut self, place: Place, name: &[u8], path: &[u8]) {
        let (target, form) = (place.enter(name), place.tells(name));
        // What lies in a package is of it under that package's own name only.
        let target = if target == Place::NodePart { Place::Plain } else { target };
        if target == Place::Plain && form.is_none() {
            return;
        }
        let Ok(found) = self.merged.tree.find(path, true) else { return };
        match self.merged.file(found.id) {
            Some(file) if is_python_metadata(name) => self.take(escape(&found.path), file, target),
            Some(file) => {
                match form {
                    // By its own name or content it would have been read.
                    Some(Form::Jar) if matches!(file.said, Said::Nothing) => {
                        let why =
                            "a link that is named as an archive, to a file that is none by name or start";
                        self.inventory.skipped.push(skip("package-metadata", escape(path), why));
                    }
                    Some(form) => self.file_of(form, escape(&found.path), file),
                    None => {}
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

    /// The files of one directory, whose lock files come on top of those above it, where these are asked for.
    fn directory(&mut self, id: Id, place: Place, path: &[u8], locks: Option<Locks>) -> Option<Locks> {
        let mut told = false;
        for name in place.metadata() {
            told |= self.metadata(id, place, path, name);
        }
        if place == Place::Python
            && !told
            && !self.merged.entries(id).is_empty()
            && !is_of_tests(&escape(path))
        {
            let why = "it is of an installed package, and has no metadata that tells which".to_owned();
            self.inventory.skipped.push(skip("package-metadata", escape(path), why));
        }
        let locks = locks.map(|locks| self.manifests(id, place, path, locks));
        self.anywhere(id, path);
        let matters = |name: &[u8]| place.tells(name).is_some() || is_python_metadata(name);
        for name in self.merged.names(id, matters) {
            if let Some(form) = place.tells(name.as_bytes()) {
                let file = unescape(&name).and_then(|name| self.merged.tree.child(id, &name));
                if let Some(file) = file.and_then(|file| self.merged.file(file)) {
                    self.file_of(form, join(&escape(path), &name), file);
                }
            } else {
                self.metadata(id, Place::Python, path, &name);
            }
        }
        locks
    }

    /// Says which manifests of a directory ask for packages whose versions nothing names, and what is not pinned.
    fn manifests(&mut self, id: Id, place: Place, path: &[u8], mut locks: Locks) -> Locks {
        let merged = self.merged;
        let Some(directory) = merged.tree.directory(id) else { return locks };
        let mut asking = Vec::new();
        for (name, child) in &directory.children {
            let Some(file) = merged.file(*child) else { continue };
            let name = || escape(name);
            match file.said {
                Said::Fact(FileFact { fact: Fact::Locked { is_partial, unpinned, .. }, .. }) => {
                    locks.add(&name());
                    if !unpinned.is_none() {
                        let (names, more) =
                            (unpinned.first.join(", "), unpinned.count.saturating_sub(unpinned.first.len()));
                        let more = if more == 0 { "" } else { ", …" };
                        let why = format!("{} without one version: {names}{more}", unpinned.count);
                        asking.push((name(), file, "unpinned", Some(why)));
                    }
                    if *is_partial {
                        asking.push((name(), file, "manifest-without-lock", None));
                    }
                }
                Said::Fact(FileFact { fact: Fact::Node { is_partial: true, .. }, .. })
                    if place.metadata().is_empty() =>
                {
                    asking.push((name(), file, "manifest-without-lock", None));
                }
                Said::Unread(_) => locks.add(&name()),
                _ => {}
            }
        }
        for (manifest, directory) in INSTALLED_BESIDE {
            let mut beside = directory.split('/').map(str::as_bytes);
            if beside.try_fold(id, |id, name| merged.tree.child(id, name)).is_some() {
                locks.add_installed(manifest);
            }
        }
        for (name, file, skipped, why) in asking {
            let path = join(&escape(path), &name);
            let wanted = || {
                let locks = locks.wanted(&name)?;
                Some(format!("it asks for packages, and no file that names their versions is there: {locks}"))
            };
            let is_of_system = file.owner.is_some_and(|owner| self.system.contains_key(owner));
            let matters = is_own(&path) && !is_gem(&path) && !is_test_data(&path) && !is_of_system;
            if let Some(why) = why.or_else(wanted).filter(|_| matters) {
                self.inventory.skipped.push(skip(skipped, path, why));
            }
        }
        locks
    }

    /// Files of a directory that tell of packages wherever they lie, and lock files.
    fn anywhere(&mut self, id: Id, path: &[u8]) {
        let merged = self.merged;
        let Some(directory) = merged.tree.directory(id) else { return };
        for (name, child) in &directory.children {
            let Some(file) = merged.file(*child) else { continue };
            let path = || join(&escape(path), &escape(name));
            match file.said {
                Said::Nothing => {}
                Said::Fact(FileFact { fact: Fact::Installed { form, packages }, .. }) if form.anywhere() => {
                    self.found(&path(), file, packages);
                }
                // A manifest that names none is no news of its own.
                Said::Fact(FileFact { fact: Fact::Locked { packages, is_partial: true, .. }, .. })
                    if packages.is_empty() => {}
                Said::Fact(FileFact { fact: Fact::Locked { packages, .. }, .. }) => {
                    // Beside a file that names all modules of a build, `go.sum` names many that are in none.
                    let spare = **name == *b"go.sum" && self.is_told_by(id, b"go.mod");
                    self.lock_file(path(), file, packages, !spare);
                }
                Said::Fact(_) => {}
                Said::Unread(unread) => {
                    let path = path();
                    if is_lock_file(&path) {
                        if self.lock_files == LockFiles::Counted && is_own(&path) {
                            self.inventory.skipped.push(skip("lock-file", path, unread.why.clone()));
                        }
                    } else if unread.anywhere {
                        self.inventory.skipped.push(skip("package-metadata", path, unread.why.clone()));
                    }
                }
            }
        }
    }

    /// Whether a lock file of this name is in the directory and names all that the project needs.
    fn is_told_by(&self, directory: Id, name: &[u8]) -> bool {
        let beside = self.merged.tree.child(directory, name).and_then(|id| self.merged.file(id));
        matches!(
            beside.map(|file| file.said),
            Some(Said::Fact(FileFact { fact: Fact::Locked { is_partial: false, .. }, .. }))
        )
    }

    fn lock_file(&mut self, path: String, file: File<'_>, packages: &[Package], counts: bool) {
        if counts && self.lock_files == LockFiles::Counted && is_own(&path) {
            self.found(&path, file, packages);
        }
        self.inventory.lock_files.push(LockFile { path, layer: file.since, packages: packages.len() });
    }

    /// A file whose name says that it is of `form`.
    fn file_of(&mut self, form: Form, path: String, file: File<'_>) {
        match file.said {
            Said::Fact(FileFact { fact: Fact::Installed { form: found, packages }, .. })
                if *found == form =>
            {
                self.found(&path, file, packages);
            }
            Said::Unread(unread) => {
                self.inventory.skipped.push(skip("package-metadata", path, unread.why.clone()));
            }
            // Others than .NET end the names of their files so; an archive that is none holds nothing that could run.
            _ if matches!(form, Form::Nuget | Form::Jar) => {}
            _ => {
                let why = "it is named as one that holds or names packages, and is none";
                self.inventory.skipped.push(skip("package-metadata", path, why));
            }
        }
    }

    /// Adds the packages of a file, as what they are to the system package that brought the file, if one did.
    ///
    /// The image says itself whose its files are, and could hide a package so. It is believed only where the system's
    /// package is there and came no earlier than the file.
    ///
    /// Where a lower layer brought the file and a later one the list, as when a root file system is copied in parts,
    /// both are counted, and matched: lists are no part of a fragment, which they would outweigh; and a layer that could
    /// claim what lies below it could make an identity of it, which has no layer, path or missing feed to be said.
    fn found(&mut self, path: &str, file: File<'_>, packages: &[Package]) {
        let named = file.owner.and_then(|owner| self.system.get(owner)).into_iter().flatten();
        let owners: Vec<_> = named.filter(|(_, layer)| *layer >= file.since).cloned().collect();
        for owner in &owners {
            let presence = self.packages.entry(owner.clone()).or_default();
            presence.identities.extend(packages.iter().cloned());
        }
        if owners.is_empty() {
            for package in packages {
                let presence = self.packages.entry((package.clone(), file.since)).or_default();
                presence.paths.insert(path.to_owned());
            }
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
            None if place.must_tell() && !is_of_tests(&text) => {
                self.inventory.skipped.push(skip(
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
                Said::Fact(FileFact { fact: Fact::Node { package, .. }, .. }),
                Place::NodePackage | Place::NodeHidden,
            ) => self.found(&path, file, std::slice::from_ref(package)),
            (
                Said::Fact(FileFact { fact: Fact::Node { package, is_private: false, .. }, .. }),
                Place::NodePart,
            ) if is_copy(&path, package) => {
                self.found(&path, file, std::slice::from_ref(package));
            }
            (_, Place::NodePart) => {}
            _ if is_of_tests(&path) => {}
            (Said::Unread(unread), _) => {
                self.inventory.skipped.push(skip("package-metadata", path, unread.why.clone()));
            }
            _ if place.must_tell() => {
                let why = "it is where an installed package tells its name, and none was read from it";
                self.inventory.skipped.push(skip("package-metadata", path, why));
            }
            _ => {}
        }
    }
}
