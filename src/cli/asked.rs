//! What the checkout asks for, beside what the image holds: only this machine has the checkout.
//!
//! Findings get a place by it and no verdict depends on it, so that what cannot be read here is passed over.

use std::{
    collections::VecDeque,
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
    settings::{BaseSettings, Links, checkout, open_regular},
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

/// Writes into a result where the checkout has what was found: the lines of each layer, and what asks for each package.
///
/// Only for an image that was built by the checkout's Dockerfile, and for a directory of the checkout itself: any other image
/// may hold the same packages.
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
    let directory = opened.taken_for.strip_prefix("dir:").map(Path::new);
    let dockerfile = settings.dockerfile.as_ref().filter(|_| !image.written.is_empty());
    let (start, near) = match (directory, dockerfile) {
        (Some(directory), _) => (directory.to_owned(), directory),
        (None, Some(dockerfile)) => match checkout::root(&dockerfile.path) {
            Some(root) => (root, dockerfile.path.parent().unwrap_or(Path::new(""))),
            None => return,
        },
        (None, None) => return,
    };
    let mut findings = result.findings.iter().filter(|judged| judged.finding.layer.base != Some(true));
    let lock_files = match findings.any(|judged| !judged.finding.package.ecosystem.is_system()) {
        true => lock_files(start, near, dockerfile.map_or("", |dockerfile| &dockerfile.text), log),
        false => Vec::new(),
    };
    let dockerfile = dockerfile.and_then(|dockerfile| dockerfile.in_checkout());
    Checkout { dockerfile: dockerfile.as_ref(), lock_files }.ask(result);
}

/// The lock files below `start`, those of the directory `near` first and then by the parts that their paths share with it; of
/// equally near ones those that the Dockerfile names. Those of one list are as near as each other.
fn lock_files(start: PathBuf, near: &Path, dockerfile: &str, log: Log) -> Vec<Vec<Text>> {
    let Some(near) = checkout::place(near) else { return Vec::new() };
    let nearness = |file: &str| (distance(&near, file), !is_named(dockerfile, file));
    let found = walk(start, log).into_iter().filter_map(|path| Some((checkout::place(&path)?, path)));
    let mut found: Vec<_> = found.map(|(file, path)| (nearness(&file), file, path)).collect();
    found.sort();
    let mut room = MOST_BYTES;
    let mut read = |file: &str, path: &Path| {
        let mut text = String::new();
        let bytes =
            open_regular(path, Links::Refuse).ok()?.take(room + 1).read_to_string(&mut text).ok()? as u64;
        let Some(left) = room.checked_sub(bytes) else {
            log.note(format_args!(
                "{file}: not looked for what it asks for: over the limit `lock files`, {MOST_BYTES} bytes"
            ));
            return None;
        };
        room = left;
        Some(Text::new(file.to_owned(), text))
    };
    let lists = found.chunk_by(|(a, ..), (b, ..)| a == b);
    lists.map(|list| list.iter().filter_map(|(_, file, path)| read(file, path)).collect()).collect()
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
    let parts = |path| str::split(path, '/').filter(|part: &&str| !part.is_empty());
    let shared = parts(from).zip(parts(to)).take_while(|(a, b)| a == b).count();
    (parts(from).count() - shared, parts(to).count().saturating_sub(1 + shared))
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
