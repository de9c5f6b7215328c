//! What the checkout asks for, beside what the image holds: only this machine has the checkout.
//!
//! Findings get a place by it and no verdict depends on it, so that what cannot be read here is passed over.

mod rank;

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use stella::{
    dockerfile::{self, AtHand, Source},
    package::is_lock_file,
    report::{Checkout, Judged, ScanResult, Text, Written, image_name},
};

use self::rank::{Copied, ranks};
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

/// Bytes of a file that its first line's hash is of: a hundred letters, and whatever blanks.
const FIRST_LINE_BYTES: u64 = 8 << 10;

/// Sources of a Dockerfile that are looked for.
const MOST_SOURCES: usize = 1_000;

/// Writes into a result where the checkout has what was found: the lines of each layer, and what asks for each package.
///
/// Any image may hold the packages that a lock file of the checkout names, so that lock files are looked at only for
/// - an image that a Dockerfile of the checkout agrees with, and then those that it copies;
/// - an image that the caller gives `--dockerfile` for, whether it agrees or not: what jib, ko or Bazel built agrees with none;
/// - a directory (`dir:`), whose lock files are what was looked at;
/// - an SBOM that says of a package that it was read from a lock file, and then that lock file alone, of the directory that the
///   SBOM is called after.
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
    let directory = opened.taken_for.strip_prefix("dir:");
    result.image.base_argument.clone_from(&image.base_argument);
    let subject = opened.subject();
    let is_of_image = |file: &&Dockerfile| subject.is_none() && (file.of_caller || !image.written.is_empty());
    let dockerfile = settings.dockerfile.as_ref().filter(is_of_image);
    let mut findings = result.findings.iter().filter(|judged| judged.finding.layer.base != Some(true));
    let mut lock_files = LockFiles { room: MOST_BYTES, log };
    let lock_files = if findings.all(|judged| judged.finding.package.ecosystem.is_system()) {
        Vec::new()
    } else if let Some(directory) = directory {
        lock_files.below(directory.into(), Path::new(directory), &[], Copied::Beside)
    } else if let Some(subject) = subject {
        lock_files.said(&starts(image_name(subject)), result)
    } else if let Some(dockerfile) = dockerfile
        && let Some(root) = checkout::root(&dockerfile.path)
    {
        let near = dockerfile.path.parent().unwrap_or(Path::new(""));
        let sources = lock_files.sources(dockerfile, settings.target.as_deref());
        // It may be built in another way than the Dockerfile says.
        let last = if image.written.is_empty() { Copied::Not } else { Copied::WithAll };
        lock_files.below(root, near, &sources, last)
    } else {
        Vec::new()
    };
    let dockerfile = dockerfile.and_then(|dockerfile| dockerfile.in_checkout());
    Checkout { dockerfile: dockerfile.as_ref(), lock_files }.ask(result);
    if let Some(directory) = directory {
        find(Path::new(directory), result);
    }
}

/// Says of what was read in a directory of the checkout, and not from a lock file, from which file.
fn find(directory: &Path, result: &mut ScanResult) {
    let mut lines: HashMap<&str, Option<Written>> = HashMap::new();
    for Judged { finding, found, .. } in result.findings.iter_mut().filter(|judged| judged.found.is_empty()) {
        let Some(path) = finding.paths.first() else { continue };
        let line = lines.entry(path).or_insert_with(|| first_line(&directory.join(path)));
        found.extend(line.clone());
    }
}

/// The first line of any file of the checkout, read as whoever uploads SARIF reads it: what is no text is put in its place.
fn first_line(path: &Path) -> Option<Written> {
    let file = checkout::place(path)?;
    let mut bytes = Vec::new();
    open_regular(path, Links::Refuse).ok()?.take(FIRST_LINE_BYTES).read_to_end(&mut bytes).ok()?;
    Text::new(file, String::from_utf8_lossy(&bytes).into_owned()).written(1, 1)
}

/// Where the paths of an SBOM may begin: in the directory of the checkout that it is called after, else in the working directory.
///
/// The whole checkout is called after its own directory, in which there may be another of that name: either may be meant.
fn starts(name: &str) -> Vec<PathBuf> {
    let here = PathBuf::from(".");
    let Some(root) = checkout::root(&here) else { return Vec::new() };
    let named = root.join(name);
    let is_there = !name.is_empty() && named.is_dir() && checkout::place(&named).is_some();
    let is_here = !is_there || root.file_name().is_some_and(|own| own == name);
    is_there.then_some(named).into_iter().chain(is_here.then_some(here)).collect()
}

/// Reads lock files of the checkout.
struct LockFiles {
    /// Bytes that may still be read.
    room: u64,
    log: Log,
}

impl LockFiles {
    /// Those below `start` that are copied as surely as `last`, the likeliest first. Those of one list are as likely as each other.
    fn below(&mut self, start: PathBuf, near: &Path, sources: &[Source], last: Copied) -> Vec<Vec<Text>> {
        let Some(near) = checkout::place(near) else { return Vec::new() };
        let found = walk(start, self.log).into_iter();
        let found: Vec<_> = found.filter_map(|path| Some((checkout::place(&path)?, path))).collect();
        let ranks = ranks(&near, found.iter().map(|(file, _)| file.as_str()), sources);
        let mut found: Vec<_> =
            ranks.into_iter().zip(found).filter(|((rank, _), _)| rank.copied <= last).collect();
        found.sort_by(|((a, _), file), ((b, _), other)| (a, file).cmp(&(b, other)));
        let lists = found.chunk_by(|((a, _), _), ((b, _), _)| a == b);
        let mut read = |((_, at_hand), (file, path)): &((_, AtHand), (String, PathBuf))| {
            Some(self.read(file, path)?.at_hand(at_hand.clone()))
        };
        lists.map(|list| list.iter().filter_map(&mut read).collect()).collect()
    }

    /// What a Dockerfile copies for its stage `target`; of one that cannot be read, nothing is known.
    fn sources(&self, dockerfile: &Dockerfile, target: Option<&str>) -> Vec<Source> {
        let read = dockerfile::Dockerfile::parse(&dockerfile.text);
        let mut sources = read.map(|read| read.sources(target)).unwrap_or_default();
        if sources.len() > MOST_SOURCES {
            self.log.note(format_args!(
                "Dockerfile {} copies {} paths; the limit `copied paths` is {MOST_SOURCES}: findings may lack the line that asks \
                 for their package",
                dockerfile.origin,
                sources.len()
            ));
            sources.truncate(MOST_SOURCES);
        }
        sources
    }

    /// Those that an SBOM says it read packages from, where its paths begin at one of `starts`. Of two that may be meant, none.
    fn said(&mut self, starts: &[PathBuf], result: &ScanResult) -> Vec<Vec<Text>> {
        let paths = result.findings.iter().flat_map(|judged| &judged.finding.paths);
        let paths = paths.map(|path| path.trim_start_matches('/')).filter(|path| is_lock_file(path));
        let paths: BTreeSet<&Path> = paths.map(Path::new).collect();
        let read = |path: &Path| {
            let there = starts.iter().map(|start| start.join(path));
            let mut there = there.filter_map(|path| Some((checkout::place(&path)?, path)));
            let (file, path) = there.next()?;
            there.next().is_none().then(|| self.read(&file, &path))?.map(|text| vec![text])
        };
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
