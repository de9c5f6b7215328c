//! The inventory: all fragments of an image merged, bottom to top.

mod databases;
mod evidence;
mod languages;
mod merged;
mod weight;
mod whose;

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use merged::{Entry, EntryKind, Error, check};
pub use weight::Weight;

use crate::{
    image::Image,
    layer::Fragment,
    package::{OsRelease, Package, Source},
};

/// The packages of the running image.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Inventory {
    /// What `/etc/os-release` says, links followed.
    pub os: Option<OsRelease>,
    /// Sorted by package, then layer.
    pub packages: Vec<Installed>,
    /// Lock files and manifests, sorted by path.
    pub lock_files: Vec<LockFile>,
    /// Regular files in all layers, whether they survive or not.
    pub files: u64,
    /// Bytes of all layers, uncompressed.
    pub size_bytes: u64,
    /// What of the running image could not be read.
    pub skipped: Vec<Skipped>,
    /// Who gave it and in which form, where the image itself was not looked into.
    pub given: Option<String>,
}

impl Inventory {
    /// What to say where there is no package: nothing found is nothing known.
    ///
    /// Programs that came without a package manager are not looked into. An image without files is as suspicious: nobody
    /// runs one. An inventory that says so itself is believed.
    pub fn no_packages(&self, image: &Image) -> Option<Skipped> {
        let (what, files) = (image.digest().to_string(), self.files);
        let why = match &self.given {
            Some(given) => format!("no package of a kind that is read is in the inventory {given}"),
            None => format!("no package of a kind that is read was found in {files} files"),
        };
        let is_said = self.skipped.iter().any(|skipped| skipped.name == "no-packages");
        let name = "no-packages".to_owned();
        (self.packages.is_empty() && !is_said).then_some(Skipped { name, what, why })
    }
}

/// One package of the running image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Installed {
    /// The package.
    pub package: Package,
    /// Position of the layer that brought it: the start of its last unbroken presence.
    pub layer: usize,
    /// The files it was read from, sorted, from the image's root without a leading slash.
    pub paths: Vec<String>,
    /// What the files of a system's package are in their own languages, sorted: `python3-six` is `six`, too. It is one
    /// package all the same, and the distribution's advisories speak of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identities: Vec<Package>,
    /// Sources of which it holds compiled parts, sorted: `Built-Using` and `Static-Built-Using` of a Debian package.
    /// Packages of one name, as those of two architectures, share them.
    ///
    /// To be read, and never a finding: which parts are in it nobody says, and advisories name the packages of a source,
    /// not what was built with it; where it matters the distribution builds the package anew, as its own next version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub built_using: Vec<Source>,
}

/// How a package is there: all of an [`Installed`] but what tells it from others.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    /// The files that it was read from.
    pub(crate) paths: BTreeSet<String>,
    /// What its files are in their own languages.
    pub(crate) identities: BTreeSet<Package>,
    /// Sources of which it holds compiled parts.
    pub(crate) built_using: BTreeSet<Source>,
}

impl Presence {
    /// The package as it is there.
    pub(crate) fn of(self, package: Package, layer: usize) -> Installed {
        Installed {
            package,
            layer,
            paths: self.paths.into_iter().collect(),
            identities: self.identities.into_iter().collect(),
            built_using: self.built_using.into_iter().collect(),
        }
    }
}

/// A lock file or a manifest that was read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct LockFile {
    /// From the image's root, without a leading slash.
    pub path: String,
    /// Position of its layer.
    pub layer: usize,
    /// How many packages it names.
    pub packages: usize,
}

/// What the packages of lock files are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockFiles {
    /// Not there: what an image was built from is not what it holds.
    Reported,
    /// The project's, which is what a directory is looked into for.
    Counted,
}

/// Something that was not looked at. Exit code 3 unless allowed by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Skipped {
    /// The name to allow it by, such as `foreign-layer` or `advisories:Debian:12`.
    pub name: String,
    /// What it is: a layer's diff ID, a path, a platform.
    pub what: String,
    /// Why it was not looked at.
    pub why: String,
}

impl LockFiles {
    /// What they are in an image, or in a directory that is given as one.
    pub fn of(image: &Image) -> Self {
        if image.is_directory() { Self::Counted } else { Self::Reported }
    }
}

impl Skipped {
    /// Whether `allowed` means this: its name, or `NAME:WHAT` for this one alone.
    pub fn is_meant(&self, allowed: &str) -> bool {
        let rest = allowed.strip_prefix(&self.name);
        rest.is_some_and(|rest| rest.is_empty() || rest.strip_prefix(':') == Some(&self.what))
    }
}

/// Merges fragments, bottom to top, as overlayfs stacks layers.
pub fn merge(fragments: &[&Fragment], lock_files: LockFiles) -> Result<Inventory, Error> {
    let mut weight = Weight::default();
    fragments.iter().try_for_each(|fragment| weight.add(fragment))?;
    let mut merged = merged::Merged::new(fragments);
    let mut databases = databases::Databases::default();
    for layer in 0..fragments.len() {
        merged.apply(layer)?;
        databases.look(&merged, layer);
        merged.hold()?;
    }
    let mut inventory = Inventory {
        os: databases::os(&merged),
        files: fragments.iter().map(|fragment| fragment.files).sum(),
        size_bytes: fragments.iter().map(|fragment| fragment.size_bytes).sum(),
        ..Inventory::default()
    };
    let files = databases::files(&merged);
    let mut found = databases.packages(&merged);
    databases::unread(&merged, &files, &mut inventory.skipped);
    let system: Vec<&Package> = found.keys().map(|(package, _)| package).collect();
    evidence::weigh(&merged, &databases, &files, inventory.os.as_ref(), &system, &mut inventory.skipped);
    languages::look(&merged, lock_files, &mut found, &mut inventory);
    merged.hold()?;
    let installed = found.into_iter().map(|((package, layer), presence)| presence.of(package, layer));
    inventory.packages = installed.collect();
    inventory.lock_files.sort_unstable();
    inventory.lock_files.dedup();
    inventory.skipped.sort_unstable();
    inventory.skipped.dedup();
    Ok(inventory)
}

/// Every entry of the merged image, sorted by path: what a container of the image would see.
pub fn listing(fragments: &[&Fragment]) -> Result<Vec<Entry>, Error> {
    let mut merged = merged::Merged::new(fragments);
    for layer in 0..fragments.len() {
        merged.apply(layer)?;
    }
    merged.hold()?;
    Ok(merged.listing())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        digest::Digest,
        layer::{ANALYZER, Directory, FileFact, SCHEMA},
        package::{Ecosystem, Fact},
    };

    /// A layer with dpkg's database: versions of one package, and how many sources are inside it.
    fn layer(versions: usize, sources: usize) -> Fragment {
        let package = |version: usize| Package::new(Ecosystem::Deb, "a", version.to_string());
        let source = |at: usize| Source { name: format!("s{at}"), version: "1".to_owned() };
        let fact = Fact::Dpkg {
            packages: (0..versions).map(package).chain([Package::new(Ecosystem::Deb, "b", "1")]).collect(),
            removed: Vec::new(),
            owned: Default::default(),
            built_using: [("a".to_owned(), (0..sources).map(source).collect())].into(),
        };
        let (path, name) = ("var/lib/dpkg", "status");
        Fragment {
            schema: SCHEMA,
            analyzer: ANALYZER.to_owned(),
            diff_id: Digest::of(b""),
            files: 1,
            size_bytes: 1,
            directories: vec![Directory {
                path: path.to_owned(),
                files: vec![name.to_owned()],
                ..Directory::default()
            }],
            facts: vec![FileFact { paths: vec![format!("{path}/{name}")], owner: None, fact }],
            unread: Vec::new(),
        }
    }

    #[test]
    fn packages_of_an_image_are_bounded() {
        let name = |merged: Result<Inventory, Error>| match merged {
            Err(Error::Limit(exceeded)) => exceeded.name,
            _ => "",
        };
        let big = layer(99_999, 0);
        assert_eq!(name(merge(&[&big; 6], LockFiles::Reported)), "image packages");
        let mut linked = layer(999, 0);
        let long = format!("{}/status", "d/".repeat(2000));
        linked.facts[0].paths = vec![long; 80];
        assert_eq!(name(merge(&[&linked], LockFiles::Reported)), "image package text");
    }

    #[test]
    fn sources_inside_packages() {
        let merged = merge(&[&layer(2, 3)], LockFiles::Reported).unwrap();
        let counts: Vec<_> = merged.packages.iter().map(|one| one.built_using.len()).collect();
        assert_eq!(counts, [3, 3, 0]);
        let line = serde_json::to_string(&merged.packages).unwrap();
        assert_eq!(line.matches("built_using").count(), 2, "{line}");
        // A list for each of many packages of one name is more than what the file weighs.
        let error = merge(&[&layer(1000, 1000)], LockFiles::Reported).unwrap_err().to_string();
        assert!(error.contains("`merge steps`"), "{error}");
    }
}
