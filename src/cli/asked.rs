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
        true => lock_files(start, near, log),
        false => Vec::new(),
    };
    let dockerfile = dockerfile.and_then(|dockerfile| dockerfile.in_checkout());
    Checkout { dockerfile: dockerfile.as_ref(), lock_files }.ask(result);
}

/// The lock files below `start`, those of the directory `near` first and then by the parts that their paths share with it.
fn lock_files(start: PathBuf, near: &Path, log: Log) -> Vec<Text> {
    let Some(near) = checkout::place(near) else { return Vec::new() };
    let mut found: Vec<(String, PathBuf)> =
        walk(start, log).into_iter().filter_map(|path| Some((checkout::place(&path)?, path))).collect();
    found.sort_by_cached_key(|(file, _)| (distance(&near, file), file.clone()));
    let mut room = MOST_BYTES;
    let mut texts = Vec::new();
    for (file, path) in found {
        let Ok(opened) = open_regular(&path, Links::Refuse) else { continue };
        let mut text = String::new();
        match opened.take(room + 1).read_to_string(&mut text) {
            Ok(bytes) if bytes as u64 <= room => {
                room -= bytes as u64;
                texts.push(Text::new(file, text));
            }
            Ok(_) => log.note(format_args!(
                "{file}: not looked for what it asks for: over the limit `lock files`, {MOST_BYTES} bytes"
            )),
            Err(_) => {}
        }
    }
    texts
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
