//! Which files are whose: what a system's package manager put there is its package, whatever language it is written in.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use super::{Error, Fact, lossy};

/// Where dpkg keeps a list of each package's files.
const DPKG_INFO: &str = "var/lib/dpkg/info/";
/// The same in images without dpkg: hashes with paths.
const DPKG_PARTS: &str = "var/lib/dpkg/status.d/";

/// Files that never tell of a package, which are most of a system's.
const MUTE: [&str; 6] = [
    "usr/share/doc/",
    "usr/share/man/",
    "usr/share/locale/",
    "usr/share/zoneinfo/",
    "usr/share/icons/",
    "usr/include/",
];

/// Most files that are kept of a layer's lists; a whole system has some hundred thousand. A file beyond them has no owner,
/// and what it tells counts. They take 18 MiB; a few more would take twice as much.
const MOST_FILES: usize = 900_000;

/// Bytes of a path; PATH_MAX of Linux.
const MOST_PATH_BYTES: usize = 4096;

/// Names of system packages by the path of a file, from the image's root without a leading slash.
///
/// Lists are long and few of their files tell of anything: of a path only its hash is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Owned {
    /// In the order in which they came.
    packages: Vec<String>,
    /// Position in `packages`, by the hash of a path.
    files: HashMap<u64, u32>,
}

impl Owned {
    /// Says that the file at `path` is of `package`; files of one package come one after the other.
    pub(super) fn add(&mut self, path: &str, package: &str) {
        let path = path.trim_start_matches("./").trim_start_matches('/');
        if path.is_empty() || MUTE.iter().any(|mute| path.starts_with(mute)) || self.files.len() >= MOST_FILES
        {
            return;
        }
        if self.packages.last().is_none_or(|last| last != package) {
            self.packages.push(package.to_owned());
        }
        let package = u32::try_from(self.packages.len() - 1).unwrap_or(u32::MAX);
        self.files.insert(hash(path), package);
    }

    /// Says it of the file called `name` in `directory`.
    pub(super) fn add_in(&mut self, directory: &str, name: &str, package: &str) {
        if directory.len() + name.len() < MOST_PATH_BYTES {
            self.add(&format!("{directory}/{name}"), package);
        }
    }

    /// Takes what another list says.
    pub(crate) fn append(&mut self, other: Self) {
        if self.files.is_empty() {
            *self = other;
            return;
        }
        let before = u32::try_from(self.packages.len()).unwrap_or(u32::MAX);
        self.packages.extend(other.packages);
        let room = MOST_FILES.saturating_sub(self.files.len());
        let moved = other.files.into_iter().map(|(file, package)| (file, package.saturating_add(before)));
        if moved.len() <= room {
            self.files.extend(moved);
        }
    }

    /// The package of the file at `path`. Where `/lib` and its kin are links into `/usr`, lists still name the links.
    pub(crate) fn owner(&self, path: &str) -> Option<&str> {
        let of = |path: &str| self.files.get(&hash(path));
        let package = of(path).or_else(|| of(path.strip_prefix("usr/")?))?;
        self.packages.get(*package as usize).map(String::as_str)
    }
}

/// The same in every run: it decides what a fragment says.
fn hash(path: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    hasher.finish()
}

/// By place: the lists of dpkg.
pub(super) fn recognise(path: &str, _head: &[u8]) -> bool {
    path.strip_prefix(DPKG_INFO).is_some_and(|name| name.ends_with(".list"))
}

/// Reads a list: a path on each line. Directories among them own nothing.
pub(super) fn read(path: &str, bytes: &[u8]) -> Result<Option<Fact>, Error> {
    Ok(package(path).map(|package| {
        let mut owned = Owned::default();
        for line in bytes.split(|byte| *byte == b'\n') {
            owned.add(&lossy(line), package);
        }
        Fact::DpkgFiles { owned }
    }))
}

/// The package that a list of dpkg is of: `NAME.list`, `NAME:ARCH.list`, `NAME.md5sums`.
pub(super) fn package(path: &str) -> Option<&str> {
    let name = path.strip_prefix(DPKG_INFO).or_else(|| path.strip_prefix(DPKG_PARTS))?;
    let (name, _) = name.rsplit_once('.')?;
    name.split(':').next().filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_dpkg() {
        let path = "var/lib/dpkg/info/python3-six:all.list";
        assert!(recognise(path, b"") && !recognise("srv/info/python3-six.list", b""));
        let text = b"/.\n/usr\n/usr/lib/python3/dist-packages/six.egg-info\n/lib/a.jar\n/usr/share/doc/x\n";
        let Some(Fact::DpkgFiles { owned }) = read(path, text).unwrap() else { panic!() };
        assert_eq!(owned.owner("usr/lib/python3/dist-packages/six.egg-info"), Some("python3-six"));
        assert_eq!(owned.owner("usr/lib/a.jar"), Some("python3-six"));
        assert_eq!(owned.owner("usr/share/doc/x"), None);
        assert_eq!(owned.owner("usr/lib/python3"), None);
        let mut both = owned.clone();
        let mut other = Owned::default();
        other.add("opt/x", "x");
        both.append(other);
        assert_eq!((both.owner("opt/x"), both.owner("lib/a.jar")), (Some("x"), Some("python3-six")));
    }
}
