//! The package databases of the system, found where the system looks for them, links followed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{
    Skipped,
    merged::{File, Merged, Packages, Said, skip},
};
use crate::{
    layer::path::{escape, unescape},
    package::{Fact, OsRelease, Package},
};

/// Where dpkg keeps its database.
const DPKG: &str = "var/lib/dpkg/status";
/// Where images without dpkg keep a file per package instead.
const DPKG_PARTS: &str = "var/lib/dpkg/status.d";
/// Where apk keeps its database; the second since Alpine 3.23.
const APK: [&str; 2] = ["lib/apk/db/installed", "usr/lib/apk/db/installed"];
/// Package databases that are not read yet, by where they are kept.
const NOT_READ: [(&str, &str); 9] = [
    ("rpm", "var/lib/rpm/rpmdb.sqlite"),
    ("rpm", "var/lib/rpm/Packages"),
    ("rpm", "var/lib/rpm/Packages.db"),
    ("rpm", "usr/lib/sysimage/rpm/rpmdb.sqlite"),
    ("rpm", "usr/lib/sysimage/rpm/Packages"),
    ("rpm", "usr/lib/sysimage/rpm/Packages.db"),
    ("pacman", "var/lib/pacman/local"),
    ("opkg", "usr/lib/opkg/status"),
    ("opkg", "var/lib/opkg/status"),
];
/// os-release(5) names both, in this order.
const OS_RELEASE: [&str; 2] = ["etc/os-release", "usr/lib/os-release"];

/// The system's packages, watched layer by layer for the start of their last unbroken presence.
#[derive(Default)]
pub(super) struct Databases {
    /// Identity of the facts seen after the last layer.
    last: Vec<(String, usize)>,
    since: HashMap<Package, usize>,
    paths: BTreeMap<Package, String>,
}

impl Databases {
    /// Looks at the databases as they are after `layer`.
    pub(super) fn look(&mut self, merged: &Merged<'_>, layer: usize) {
        let files = files(merged);
        let identity: Vec<(String, usize)> = files
            .iter()
            .map(|(path, file)| match file.said {
                Said::Fact(fact) => (path.clone(), std::ptr::from_ref(fact).addr()),
                _ => (path.clone(), 0),
            })
            .collect();
        if identity == self.last {
            return;
        }
        self.last = identity;
        let mut paths = BTreeMap::new();
        for (path, file) in &files {
            let Said::Fact(fact) = file.said else { continue };
            if let Fact::Dpkg { packages } | Fact::Apk { packages } = &fact.fact {
                paths.extend(packages.iter().map(|package| (package.clone(), path.clone())));
            }
        }
        self.since.retain(|package, _| paths.contains_key(package));
        for package in paths.keys() {
            if !self.since.contains_key(package) {
                self.since.insert(package.clone(), layer);
            }
        }
        self.paths = paths;
    }

    /// The packages after the last layer.
    pub(super) fn packages(&self) -> Packages {
        let mut packages = Packages::new();
        for (package, path) in &self.paths {
            let since = self.since.get(package).copied().unwrap_or_default();
            packages.entry((package.clone(), since)).or_default().insert(path.clone());
        }
        packages
    }

    /// What `os-release` says.
    pub(super) fn os(&self, merged: &Merged<'_>) -> Option<OsRelease> {
        OS_RELEASE.iter().find_map(|path| match merged.find_file(path)?.1.said {
            Said::Fact(fact) => match &fact.fact {
                Fact::OsRelease(release) => Some(release.clone()),
                _ => None,
            },
            _ => None,
        })
    }

    /// Databases that are there and could not be read: a clean result without them would be a lie.
    pub(super) fn unread(&self, merged: &Merged<'_>, skipped: &mut Vec<Skipped>) {
        for (kind, path) in NOT_READ {
            if merged.tree.find(path.as_bytes(), true).is_ok() {
                let why = format!("package databases of {kind} are not read yet");
                skipped.push(skip("package-database", path.to_owned(), why));
            }
        }
        if let Some(os) = self.os(merged)
            && files(merged).is_empty()
        {
            let why = "the image names its system, and no package database of it was found".to_owned();
            skipped.push(skip(
                "package-database",
                format!("{} {}", os.id, os.version).trim().to_owned(),
                why,
            ));
        }
        let os = OS_RELEASE.iter().filter_map(|path| merged.find_file(path)).take(1);
        let os = os.map(|(found, file)| (escape(&found.path), file));
        for (path, file) in files(merged).into_iter().chain(os) {
            match file.said {
                Said::Fact(_) => {}
                Said::Unread(unread) => skipped.push(skip("package-database", path, unread.why.clone())),
                Said::Nothing if path.ends_with(".md5sums") => {}
                Said::Nothing => {
                    let why = "it is where a package database belongs, and it is not of that form".to_owned();
                    skipped.push(skip("package-database", path, why));
                }
            }
        }
    }
}

/// The files of all databases: real path and file, in a fixed order.
fn files<'a>(merged: &Merged<'a>) -> Vec<(String, File<'a>)> {
    let mut files: Vec<(String, File<'a>)> = Vec::new();
    let mut add = |path: &str| {
        if let Some((found, file)) = merged.find_file(path) {
            let path = escape(&found.path);
            if files.iter().all(|(known, _)| *known != path) {
                files.push((path, file));
            }
        }
    };
    add(DPKG);
    APK.iter().for_each(|path| add(path));
    let parts = merged.tree.find(DPKG_PARTS.as_bytes(), true).ok();
    if let Some((found, directory)) =
        parts.and_then(|found| merged.tree.directory(found.id).map(|directory| (found, directory)))
    {
        let plain = directory.plain_names().into_iter().filter_map(unescape);
        let names: BTreeSet<Vec<u8>> =
            directory.children.keys().map(|name| name.to_vec()).chain(plain).collect();
        for name in names {
            let mut path = found.path.clone();
            path.push(b'/');
            path.extend_from_slice(&name);
            if let Some((found, file)) =
                merged.tree.find(&path, true).ok().and_then(|f| Some((f.clone(), merged.file(f.id)?)))
            {
                files.push((escape(&found.path), file));
            }
        }
    }
    files
}
