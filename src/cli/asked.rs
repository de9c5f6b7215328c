//! What the checkout asks for, beside what the image holds: only this machine has the checkout.
//!
//! Findings get a place by it and no verdict depends on it, so that what cannot be read here is passed over.

use std::{
    collections::{BTreeSet, VecDeque},
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use stella::{
    package::is_lock_file,
    report::{Checkout, ScanResult, Text},
};

use super::{
    image::{Opened, OpenedImage},
    log::Log,
    settings::{BaseSettings, Dockerfile, Links, checkout, open_regular},
};

/// Files and directories of a checkout that are looked at.
const MOST_ENTRIES: usize = 50_000;
/// Directories in one another.
const MOST_DEPTH: usize = 12;
/// Bytes of all lock files.
const MOST_BYTES: u64 = 64 << 20;

/// Directories of what was installed or built: the checkout asks for nothing there.
const NOT_ASKED_FOR: [&str; 6] =
    ["bower_components", "node_modules", "site-packages", "target", "vendor", "venv"];

/// Directories beside what an image is built from: what is asked for there counts only where the image's Dockerfile lies there
/// too, or names it.
const BESIDE: [&str; 8] = ["doc", "docs", "example", "examples", "fixtures", "test", "testdata", "tests"];

/// Writes into a result where the checkout has what was found: the lines of each layer, and what asks for each package.
///
/// Any image may hold the packages that a lock file of the checkout names, so that lock files are looked at only for
/// - an image that a Dockerfile of the checkout agrees with;
/// - an image that the caller gives `--dockerfile` for, whether it agrees or not: what jib, ko or Bazel built agrees with none;
/// - a directory (`dir:`), whose lock files are what was looked at;
/// - an SBOM that says of a package that it was read from a lock file, and then that lock file alone.
pub fn place(
    settings: &BaseSettings,
    opened: &Opened,
    image: &OpenedImage,
    result: &mut ScanResult,
    log: Log,
) {
    for (layer, written) in result.image.layers.iter_mut().zip(&image.written) {
        layer.written.clone_from(written);
    }
    result.image.base_argument.clone_from(&image.base_argument);
    let is_sbom = opened.inventory().is_some();
    let is_of_image = |file: &&Dockerfile| !is_sbom && (file.of_caller || !image.written.is_empty());
    let dockerfile = settings.dockerfile.as_ref().filter(is_of_image);
    let mut findings = result.findings.iter().filter(|judged| judged.finding.layer.base != Some(true));
    let mut lock_files = LockFiles { room: MOST_BYTES, log };
    let lock_files = if findings.all(|judged| judged.finding.package.ecosystem.is_system()) {
        Vec::new()
    } else if let Some(directory) = opened.taken_for.strip_prefix("dir:") {
        lock_files.below(directory.into(), Path::new(directory), None)
    } else if is_sbom {
        lock_files.said(result)
    } else if let Some(dockerfile) = dockerfile
        && let Some(root) = checkout::root(&dockerfile.path)
    {
        let near = dockerfile.path.parent().unwrap_or(Path::new(""));
        lock_files.below(root, near, Some(&dockerfile.text))
    } else {
        Vec::new()
    };
    let dockerfile = dockerfile.and_then(|dockerfile| dockerfile.in_checkout());
    Checkout { dockerfile: dockerfile.as_ref(), lock_files }.ask(result);
}

/// Reads lock files of the checkout.
struct LockFiles {
    /// Bytes that may still be read.
    room: u64,
    log: Log,
}

impl LockFiles {
    /// Those below `start`, the ones of the directory `near` first and then by the parts that their paths share with it; of
    /// equally near ones those that the Dockerfile names. Those of one list are as near as each other. Without a Dockerfile none
    /// is left out for the directory that it lies in.
    fn below(&mut self, start: PathBuf, near: &Path, dockerfile: Option<&str>) -> Vec<Vec<Text>> {
        let Some(near) = checkout::place(near) else { return Vec::new() };
        let found = walk(start, self.log).into_iter().filter_map(|path| {
            let file = checkout::place(&path)?;
            let is_named = dockerfile.is_some_and(|dockerfile| is_named(dockerfile, &file));
            let counts = dockerfile.is_none() || is_named || !is_beside(&near, &file);
            counts.then(|| ((distance(&near, &file), !is_named), file, path))
        });
        let mut found: Vec<_> = found.collect();
        found.sort();
        let lists = found.chunk_by(|(a, ..), (b, ..)| a == b);
        lists.map(|list| list.iter().filter_map(|(_, file, path)| self.read(file, path)).collect()).collect()
    }

    /// Those of the working directory that an SBOM says it read packages from.
    fn said(&mut self, result: &ScanResult) -> Vec<Vec<Text>> {
        let paths = result.findings.iter().flat_map(|judged| &judged.finding.paths);
        let paths = paths.map(|path| path.trim_start_matches('/')).filter(|path| is_lock_file(path));
        let paths: BTreeSet<&Path> = paths.map(Path::new).collect();
        let read = |path: &Path| Some(vec![self.read(&checkout::place(path)?, path)?]);
        paths.into_iter().filter_map(read).collect()
    }

    fn read(&mut self, file: &str, path: &Path) -> Option<Text> {
        let mut text = String::new();
        let mut open = open_regular(path, Links::Refuse).ok()?.take(self.room + 1);
        let bytes = open.read_to_string(&mut text).ok()? as u64;
        let Some(left) = self.room.checked_sub(bytes) else {
            self.log.note(format_args!(
                "{file}: not looked for what it asks for: over the limit `lock files`, {MOST_BYTES} bytes"
            ));
            return None;
        };
        self.room = left;
        Some(Text::new(file.to_owned(), text))
    }
}

/// Whether a Dockerfile has a word for a file or its directory, as `COPY api/go.mod .` has; a part of the path is enough, because
/// what it is copied from may be any directory above.
fn is_named(dockerfile: &str, file: &str) -> bool {
    let is_part = |c: char| c.is_whitespace() || "\"',[]".contains(c);
    let words = dockerfile.split(is_part).map(|word| word.trim_start_matches("./").trim_end_matches('/'));
    let directory = file.rsplit_once('/').map_or("", |(directory, _)| directory);
    let ends = |path: &str, word: &str| {
        path.strip_suffix(word).is_some_and(|before| before.is_empty() || before.ends_with('/'))
    };
    let mut words = words.filter(|word| !word.is_empty());
    words.any(|word| ends(directory, word) || word.contains('/') && ends(file, word))
}

/// Directories to go up from a directory, and then down, to a file.
fn distance(from: &str, to: &str) -> (usize, usize) {
    let (up, down) = way(from, to);
    (up, down.len())
}

/// Whether the way down to a file leads through a directory [`BESIDE`] what is built.
fn is_beside(from: &str, to: &str) -> bool {
    way(from, to).1.iter().any(|directory| BESIDE.contains(directory))
}

/// From a directory to a file: how many directories up, and which ones then down.
fn way<'a>(from: &str, to: &'a str) -> (usize, Vec<&'a str>) {
    let directory = to.rsplit_once('/').map_or("", |(directory, _)| directory);
    fn parts(path: &str) -> impl Iterator<Item = &str> {
        path.split('/').filter(|part| !part.is_empty())
    }
    let shared = parts(from).zip(parts(directory)).take_while(|(a, b)| a == b).count();
    (parts(from).count() - shared, parts(directory).skip(shared).collect())
}

/// Every lock file below a directory, nearest first. Links are not followed.
fn walk(start: PathBuf, log: Log) -> Vec<PathBuf> {
    let mut room = MOST_ENTRIES;
    let mut found = Vec::new();
    let mut waiting = VecDeque::from([(start, 0)]);
    while let Some((directory, depth)) = waiting.pop_front() {
        let Ok(entries) = fs::read_dir(&directory) else { continue };
        for entry in entries.filter_map(Result::ok) {
            if room == 0 {
                log.note(format_args!(
                    "the checkout has more than {MOST_ENTRIES} files, the limit `checkout entries`: findings may lack the line that \
                     asks for their package"
                ));
                return found;
            }
            room -= 1;
            let (name, Ok(kind)) = (entry.file_name(), entry.file_type()) else { continue };
            let Some(name) = name.to_str() else { continue };
            if kind.is_dir() {
                if depth < MOST_DEPTH && !name.starts_with('.') && !NOT_ASKED_FOR.contains(&name) {
                    waiting.push_back((entry.path(), depth + 1));
                }
            } else if kind.is_file() && is_lock_file(name) {
                found.push(entry.path());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_lock_file_is_first() {
        let mut files = ["go.mod", "a/b/c/go.mod", "a/go.mod", "a/b/go.mod", "z/go.mod"];
        files.sort_by_key(|file| distance("a/b", file));
        assert_eq!(files, ["a/b/go.mod", "a/b/c/go.mod", "a/go.mod", "go.mod", "z/go.mod"]);
    }

    #[test]
    fn the_dockerfile_names_what_it_copies() {
        let dockerfile = "FROM node\nCOPY [\"api/package-lock.json\", \"./\"]\nCOPY ./web/ /web\nWORKDIR /app\nRUN npm ci\n";
        for (file, named) in [
            ("api/package-lock.json", true),
            ("services/api/package-lock.json", true),
            ("web/package-lock.json", true),
            ("app/package-lock.json", false),
            ("xweb/package-lock.json", false),
            ("package-lock.json", false),
        ] {
            assert_eq!(is_named(dockerfile, file), named, "{file}");
        }
    }

    #[test]
    fn what_lies_beside_is_for_what_lies_there_too() {
        for (near, file, beside) in [
            ("", "docs/requirements.txt", true),
            ("service", "service/tests/fixtures/old/package-lock.json", true),
            ("docs", "docs/requirements.txt", false),
            ("docs/site", "docs/requirements.txt", false),
            ("docs", "docs/examples/requirements.txt", true),
            ("", "latest/go.mod", false),
        ] {
            assert_eq!(is_beside(near, file), beside, "{file} from {near}");
        }
    }

    #[test]
    fn what_is_installed_is_not_asked_for() {
        let root = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "").unwrap();
            path
        };
        let wanted = [file("go.mod"), file("a/package-lock.json")];
        file("node_modules/a/package-lock.json");
        file(".git/go.mod");
        file("a/main.go");
        assert_eq!(walk(root.path().to_owned(), Log { level: crate::log::Level::Quiet }), wanted);
    }
}
