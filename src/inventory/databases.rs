//! The package databases of the system, found where the system looks for them, links followed.

use std::collections::{BTreeMap, HashMap};

use super::{
    Presence, Skipped,
    merged::{File, Merged, Packages, Said, skip},
};
use crate::{
    layer::{FileFact, path::escape, tree::Id},
    package::{Ecosystem, Fact, OLDER_FILES, OsRelease, Package, Source},
};

/// Where dpkg keeps its database.
const DPKG: &str = "var/lib/dpkg/status";
/// Where images without dpkg keep a file per package instead.
const DPKG_PARTS: &str = "var/lib/dpkg/status.d";
/// What chisel writes in place of both, and where.
const CHISEL: (&str, &str) = ("var/lib/chisel", "var/lib/chisel/manifest.wall");
/// Where apk keeps its database; the second since Alpine 3.23.
const APK: [&str; 2] = ["lib/apk/db/installed", "usr/lib/apk/db/installed"];
/// Where opkg keeps its database.
const OPKG: [&str; 2] = ["usr/lib/opkg/status", "var/lib/opkg/status"];
/// Where pacman keeps a directory per package, and in it a file that names the package.
const PACMAN: &str = "var/lib/pacman/local";
/// Package databases that are not read yet, by where they are kept: a file, or a directory with anything in it.
const NOT_READ: [(&str, &str); 4] =
    [("portage", "var/db/pkg"), ("xbps", "var/db/xbps"), ("nix", "nix/store"), ("guix", "gnu/store")];
/// Where rpm keeps its database.
const RPM: [&str; 3] = ["var/lib/rpm", "usr/lib/sysimage/rpm", "usr/share/rpm"];
/// The names that it has had, one for each of three forms.
const RPM_FILES: [&str; 3] = ["rpmdb.sqlite", "Packages.db", "Packages"];
/// Files beside it: without it, they say that there was one.
const RPM_TRACES: [&str; 3] = ["rpmdb.sqlite-wal", "Index.db", "Name"];
/// Changes that are not in it yet.
const RPM_JOURNAL: &str = "rpmdb.sqlite-wal";
/// os-release(5) names both, in this order.
pub(super) const OS_RELEASE: [&str; 2] = ["etc/os-release", "usr/lib/os-release"];

/// Systems that keep their release in a file of one line.
const RELEASES: [(&str, &str); 2] = [("debian", "etc/debian_version"), ("alpine", "etc/alpine-release")];

/// What reading a package of a database again costs, in steps of the merge.
const PACKAGE_STEPS: usize = 4;

/// What a source inside a package costs, in steps of the merge: all packages of one name get the name's sources.
const SOURCE_STEPS: usize = 50;

/// Files of databases: real path and file.
pub(super) type Files<'a> = Vec<(String, File<'a>)>;

/// The databases, watched layer by layer for the start of each package's last unbroken presence, whichever file names it.
#[derive(Default)]
pub(super) struct Databases<'a> {
    /// Place and identity of the facts seen after the last layer.
    last: Vec<(Id, usize)>,
    /// Layer, and position in `last`.
    since: HashMap<&'a Package, (usize, usize)>,
    /// The last layer that left packages of a system in its database.
    pub(super) had: BTreeMap<Ecosystem, usize>,
}

impl<'a> Databases<'a> {
    /// Looks at the databases as they are after `layer`.
    pub(super) fn look(&mut self, merged: &Merged<'a>, layer: usize) {
        let mut files: Vec<(Id, File<'a>)> = Vec::new();
        each(merged, |id, _, file| files.push((id, file)));
        let identity = |(id, file): &(Id, File<'a>)| match file.said {
            Said::Fact(fact) => (*id, std::ptr::from_ref(fact).addr()),
            _ => (*id, 0),
        };
        let had = files.iter().filter_map(|(_, file)| Some((packages(*file).first()?.ecosystem, layer)));
        self.had.extend(had);
        // A link that each layer turns to another big database is a few bytes.
        let cost = files.iter().map(|(_, file)| PACKAGE_STEPS * packages(*file).len()).sum();
        if !files.iter().map(identity).eq(self.last.iter().copied()) && merged.tree.spend(cost) {
            let mut since = HashMap::with_capacity(self.since.len());
            for (index, (_, file)) in files.iter().enumerate() {
                for package in packages(*file) {
                    let first = self.since.get(package).map_or(layer, |(first, _)| *first);
                    since.entry(package).or_insert((first, index));
                }
            }
            self.since = since;
            self.last = files.iter().map(identity).collect();
        }
    }

    /// The packages after the last layer.
    pub(super) fn packages(&self, merged: &Merged<'a>) -> Packages {
        let mut files: Files<'a> = Vec::with_capacity(self.last.len());
        each(merged, |_, path, file| files.push((path(), file)));
        let owned = |(package, (since, at)): (&&Package, &(usize, usize))| {
            let (path, file) = files.get(*at).map(|(path, file)| (path.clone(), *file)).unzip();
            let sources = file.map(|file| built_using(file, &package.name)).unwrap_or_default();
            let mut presence = Presence { paths: path.into_iter().collect(), ..Presence::default() };
            if merged.tree.spend(SOURCE_STEPS * sources.len()) {
                presence.built_using.extend(sources.iter().cloned());
            }
            (((*package).clone(), *since), presence)
        };
        self.since.iter().map(owned).collect()
    }
}

/// The files of all databases, with their paths.
pub(super) fn files<'a>(merged: &Merged<'a>) -> Files<'a> {
    let mut files: Files<'a> = Vec::new();
    each(merged, |_, path, file| files.push((path(), file)));
    files
}

/// What `os-release` says, or without one the files that were there before it.
pub(super) fn os(merged: &Merged<'_>) -> Option<OsRelease> {
    let fact = |path: &str| match merged.find_file(path)?.1.said {
        Said::Fact(fact) => Some(&fact.fact),
        _ => None,
    };
    let names = |path: &&str| match fact(path)? {
        Fact::OsRelease(release) => Some(release.clone()),
        _ => None,
    };
    let numbers = |(id, path): &(&str, &str)| match fact(path)? {
        Fact::Release { version } => {
            Some(OsRelease { id: (*id).to_owned(), version: version.clone(), ..OsRelease::default() })
        }
        _ => None,
    };
    // Where there is one that cannot be read, that is said, and nothing else takes its place.
    if OS_RELEASE.iter().any(|path| merged.find_file(path).is_some()) {
        return OS_RELEASE.iter().find_map(names);
    }
    OLDER_FILES.iter().find_map(names).or_else(|| RELEASES.iter().find_map(numbers))
}

fn is_dpkg(fact: &Fact) -> bool {
    matches!(fact, Fact::Dpkg { .. })
}

fn is_apk(fact: &Fact) -> bool {
    matches!(fact, Fact::Apk { .. })
}

fn is_rpm(fact: &Fact) -> bool {
    matches!(fact, Fact::Rpm { .. })
}

fn is_opkg(fact: &Fact) -> bool {
    matches!(fact, Fact::Opkg { .. })
}

fn is_alpm(fact: &Fact) -> bool {
    matches!(fact, Fact::Alpm { .. })
}

fn is_os_release(fact: &Fact) -> bool {
    matches!(fact, Fact::OsRelease(_))
}

/// A file as what belongs at its place; what says something else, as a link may make it, says nothing there.
fn fitting<'a>(file: File<'a>, fits: fn(&Fact) -> bool) -> File<'a> {
    match file.said {
        Said::Fact(fact) if !fits(&fact.fact) => File { said: Said::Nothing, ..file },
        _ => file,
    }
}

/// Databases that are there and could not be read: a clean result without them would be a lie.
pub(super) fn unread(merged: &Merged<'_>, files: &Files<'_>, skipped: &mut Vec<Skipped>) {
    for (kind, path) in NOT_READ {
        if merged.tree.find(path.as_bytes(), true).is_ok_and(|found| holds(merged, found.id)) {
            let why = format!("package databases of {kind} are not read yet");
            skipped.push(skip("package-database", path, why));
        }
    }
    let chisel = merged.tree.find(CHISEL.0.as_bytes(), true);
    match merged.find_file(CHISEL.1) {
        Some((found, File { said: Said::Fact(_), .. })) => {
            let why = "it does not say of which sources its packages are, and advisories speak of sources";
            skipped.push(skip("package-database", escape(&found.path), why));
        }
        None if chisel.is_ok_and(|found| holds(merged, found.id)) => {
            let why = "it is of chisel, and holds no manifest";
            skipped.push(skip("package-database", CHISEL.0, why));
        }
        _ => {}
    }
    if let Ok(directory) = merged.tree.find(PACMAN.as_bytes(), true) {
        for name in merged.entries(directory.id) {
            let package = [&directory.path, b"/".as_slice(), &name].concat();
            let is_directory =
                merged.tree.find(&package, true).is_ok_and(|found| merged.tree.directory(found.id).is_some());
            if is_directory && merged.tree.find(&[&package, b"/desc".as_slice()].concat(), true).is_err() {
                let why = "it is of a package, and has no file that tells which";
                skipped.push(skip("package-database", escape(&package), why));
            }
        }
    }
    for directory in RPM {
        let there = |name: &str| merged.find_file(&format!("{directory}/{name}"));
        if RPM_FILES.into_iter().all(|name| there(name).is_none())
            && let Some(name) = RPM_TRACES.into_iter().find(|name| there(name).is_some())
        {
            let why = "it belongs to a database of rpm, which is not beside it";
            skipped.push(skip("package-database", format!("{directory}/{name}"), why));
        }
        if let Some((_, File { said: Said::Unread(unread), .. })) = there(RPM_JOURNAL) {
            skipped.push(skip("package-database", format!("{directory}/{RPM_JOURNAL}"), unread.why.clone()));
        }
    }
    let os = OS_RELEASE.iter().find_map(|path| merged.find_file(path));
    let os = os.map(|(found, file)| (escape(&found.path), fitting(file, is_os_release)));
    for (path, file) in files.iter().cloned().chain(os) {
        match file.said {
            Said::Fact(_) => {}
            Said::Unread(unread) => skipped.push(skip("package-database", path, unread.why.clone())),
            Said::Nothing => {
                let why = "it is where a package database belongs, and it is not of that form";
                skipped.push(skip("package-database", path, why));
            }
        }
    }
}

/// Whether there is a file, or a directory that holds anything.
fn holds(merged: &Merged<'_>, id: Id) -> bool {
    merged.tree.directory(id).is_none() || !merged.entries(id).is_empty()
}

/// The packages that a file of a database names.
pub(super) fn packages<'a>(file: File<'a>) -> &'a [Package] {
    match file.said {
        Said::Fact(fact) => match &fact.fact {
            Fact::Dpkg { packages, .. }
            | Fact::Apk { packages, .. }
            | Fact::Rpm { packages, .. }
            | Fact::Opkg { packages } => packages,
            Fact::Alpm { package } => std::slice::from_ref(package),
            _ => &[],
        },
        _ => &[],
    }
}

/// The sources that a package of this name holds compiled parts of.
fn built_using<'a>(file: File<'a>, name: &str) -> &'a [Source] {
    match file.said {
        Said::Fact(FileFact { fact: Fact::Dpkg { built_using, .. }, .. }) => {
            built_using.get(name).map_or(&[], Vec::as_slice)
        }
        _ => &[],
    }
}

/// Every file of a database, in a fixed order: its place, its path where that is asked for, and what it says as a file of
/// that place.
fn each<'a>(merged: &Merged<'a>, mut take: impl FnMut(Id, &dyn Fn() -> String, File<'a>)) {
    let mut known: Vec<(Id, bool)> = Vec::new();
    let mut whole = |path: &str, fits: fn(&Fact) -> bool| {
        if let Some((found, file)) = merged.find_file(path) {
            let file = fitting(file, fits);
            let one = (found.id, matches!(file.said, Said::Fact(_)));
            if !known.contains(&one) {
                known.push(one);
                take(found.id, &|| escape(&found.path), file);
            }
        }
    };
    whole(DPKG, is_dpkg);
    whole(CHISEL.1, is_dpkg);
    for path in APK {
        whole(path, is_apk);
    }
    for path in OPKG {
        whole(path, is_opkg);
    }
    for directory in RPM {
        for name in RPM_FILES {
            whole(&format!("{directory}/{name}"), is_rpm);
        }
    }
    for (directory, file, fits) in
        [(DPKG_PARTS, "", is_dpkg as fn(&Fact) -> bool), (PACMAN, "/desc", is_alpm)]
    {
        let Ok(directory) = merged.tree.find(directory.as_bytes(), true) else { continue };
        for name in merged.entries(directory.id) {
            let path = || [&directory.path, b"/".as_slice(), &name, file.as_bytes()].concat();
            // Nearly all are files right here: to walk to each from the root would be most of the work.
            if let Some(id) = merged.tree.child(directory.id, &name)
                && let Some(file) = merged.file(id).filter(|_| file.is_empty())
            {
                take(id, &|| escape(&path()), fitting(file, fits));
            } else if let Ok(found) = merged.tree.find(&path(), true)
                && let Some(file) = merged.file(found.id)
            {
                take(found.id, &|| escape(&found.path), fitting(file, fits));
            }
        }
    }
}
