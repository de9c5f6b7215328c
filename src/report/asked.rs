//! Where the checkout asks for the version of a package that was found: in a lock file, or in the instruction of the
//! Dockerfile that installed it.

use std::{
    collections::{HashMap, HashSet},
    sync::OnceLock,
};

use super::{Asked, ScanResult, Written, fix::is_toolchain, line_hash::line_hashes, pin::Pins};
use crate::{
    dockerfile::{AtHand, Dockerfile, Lines},
    finding::Finding,
    package::{self, Package, is_lock_file},
};

/// A text file of the checkout.
#[derive(Debug, Default)]
pub struct Text {
    file: String,
    text: String,
    at_hand: AtHand,
    hashes: OnceLock<Vec<String>>,
    entries: OnceLock<package::Lines>,
}

impl Text {
    /// A file by its path from the checkout's root, its parts divided by slashes, and what it holds.
    pub fn new(file: String, text: String) -> Self {
        Self { file, text, ..Self::default() }
    }

    /// For which instructions of the Dockerfile it is at hand; without, for all.
    #[must_use]
    pub fn at_hand(self, at_hand: AtHand) -> Self {
        Self { at_hand, ..self }
    }

    fn directory(&self) -> &str {
        self.file.rsplit_once('/').map_or("", |(directory, _)| directory)
    }

    /// Some of its lines, from 1; `None` where it has no such line.
    pub fn written(&self, line: usize, last_line: usize) -> Option<Written> {
        let hashes = self.hashes.get_or_init(|| line_hashes(&self.text));
        let line_hash = hashes.get(line.checked_sub(1)?)?.clone();
        Some(Written { file: self.file.clone(), line, last_line, line_hash })
    }

    /// The first two words of a line, from 1: `go 1.21.0` and `toolchain go1.21.3` of a `go.mod` write a version in two forms.
    fn directive(&self, line: usize) -> Option<String> {
        let mut words = self.text.lines().nth(line.checked_sub(1)?)?.split_whitespace();
        Some(format!("{} {}", words.next()?, words.next()?))
    }

    /// The entry of a package in a lock file.
    fn entry(&self, package: &Package) -> Option<Written> {
        let line = self.entries.get_or_init(|| package::Lines::of(&self.file, &self.text)).line(package)?;
        self.written(line, line)
    }
}

/// What of a checkout asks for packages.
#[derive(Debug, Default)]
pub struct Checkout<'a> {
    /// The Dockerfile that the image was built from.
    pub dockerfile: Option<&'a Text>,
    /// Lock files, the nearest to the image's Dockerfile first; those of one list are equally near. Where two ask for one
    /// package the nearer one is named, of one directory the first, and none where two directories are equally near.
    pub lock_files: Vec<Vec<Text>>,
}

impl Checkout<'_> {
    /// Says of each finding where it is asked for: in the words of the instruction that made its layer; else in a lock file.
    /// What the base image brought, this checkout does not ask for; nor does a lock file ask for what an instruction brought
    /// before it was copied, unless the instruction itself names it.
    ///
    /// Of what was read from lock files of the checkout itself, it says each one's line.
    ///
    /// A lock file that cannot be read asks for nothing here: it is no part of the image.
    pub fn ask(&self, result: &mut ScanResult) {
        let mut locked: HashMap<Package, Vec<Locked<'_>>> = HashMap::new();
        for (near, lock_files) in self.lock_files.iter().enumerate() {
            for lock_file in lock_files {
                let packages = package::locked(&lock_file.file, lock_file.text.as_bytes());
                for Package { ecosystem, name, version, .. } in packages.unwrap_or_default() {
                    let package = Package::new(ecosystem, name, version);
                    locked.entry(package).or_default().push(Locked { lock_file, near });
                }
            }
        }
        let platform = result.image.platform.parse().ok();
        let dockerfile = self.dockerfile.zip(platform).and_then(|(text, platform)| {
            let dockerfile = Dockerfile::parse(&text.text).ok()?;
            Some((text, dockerfile, platform))
        });
        let layers = &result.image.layers;
        // A command is read once for each layer, and searched once for each package of it: it may be long, and have many findings.
        let mut pins: HashMap<usize, Option<Pins<'_>>> = HashMap::new();
        let mut pinned: HashMap<(usize, Package), Option<(usize, String)>> = HashMap::new();
        for judged in result.findings.iter_mut().filter(|judged| judged.finding.layer.base != Some(true)) {
            let Finding { package, layer, paths, .. } = &judged.finding;
            let made = layers.get(layer.index).and_then(|layer| layer.written.as_ref());
            let pins = pins.entry(layer.index).or_insert_with(|| {
                let made = made?;
                let (_, dockerfile, platform) =
                    dockerfile.as_ref().filter(|(text, ..)| text.file == made.file)?;
                Some(Pins::of(dockerfile, platform, made))
            });
            let wanted = Package::new(package.ecosystem, &package.name, &package.version);
            let pinned = pinned.entry((layer.index, wanted.clone()));
            let pinned = pinned.or_insert_with(|| pins.as_ref()?.pinned(package));
            let pinned = pinned.as_ref().zip(self.dockerfile).and_then(|((line, pin), text)| {
                Some(Asked { written: text.written(*line, *line)?, pin: Some(pin.clone()) })
            });
            let is_at_hand = |lock_file: &Text| {
                made.is_none_or(|made| {
                    lock_file.at_hand.is_for(Lines { start: made.line, end: made.last_line })
                }) || pins.as_ref().is_some_and(|pins| pins.names_file(&lock_file.file))
            };
            let asking = locked.get(&wanted).into_iter().flatten().copied();
            let asking: Vec<_> = asking.filter(|locked| is_at_hand(locked.lock_file)).collect();
            let read = read_from(&asking, paths);
            judged.found = read.iter().filter_map(|lock_file| lock_file.entry(&wanted)).collect();
            judged.asked = pinned.or_else(|| {
                let written = match read.as_slice() {
                    [] => nearest(&asking)?.entry(&wanted)?,
                    _ => judged.found.first()?.clone(),
                };
                // Several files may not have the same words.
                let words = || asking.iter().find(|asking| asking.lock_file.file == written.file);
                let pin = Some(()).filter(|()| is_toolchain(package) && judged.found.len() < 2);
                let pin = pin.and_then(|()| words()?.lock_file.directive(written.line));
                Some(Asked { written, pin })
            });
        }
    }
}

/// A lock file that asks for a package.
#[derive(Clone, Copy)]
struct Locked<'a> {
    lock_file: &'a Text,
    /// Which of the lists it is in.
    near: usize,
}

/// Of the lock files that ask for a package: those that it was read from, as `paths` has them.
fn read_from<'a>(asking: &[Locked<'a>], paths: &[String]) -> Vec<&'a Text> {
    let paths = paths.iter().map(|path| path.trim_start_matches('/')).filter(|path| is_lock_file(path));
    let paths: HashSet<&str> = paths.collect();
    let is_read = |file: &str| {
        let parts = file.match_indices('/').map(|(at, _)| &file[at + 1..]);
        parts.chain([file]).any(|path| paths.contains(path))
    };
    let lock_files = asking.iter().map(|locked| locked.lock_file);
    if paths.is_empty() { Vec::new() } else { lock_files.filter(|text| is_read(&text.file)).collect() }
}

/// Of the lock files that ask for a package: the nearest, unless one of another directory is as near, and may as well be meant.
fn nearest<'a>(asking: &[Locked<'a>]) -> Option<&'a Text> {
    let (first, others) = asking.split_first()?;
    let directory = first.lock_file.directory();
    let is_clear =
        others.iter().all(|other| other.near != first.near || other.lock_file.directory() == directory);
    is_clear.then_some(first.lock_file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_line() {
        let text = "module a\n\ngo 1.21.0 // why\n\ttoolchain  go1.21.3\n";
        let text = Text::new("go.mod".to_owned(), text.to_owned());
        let words = |line| text.directive(line);
        assert_eq!(words(3).as_deref(), Some("go 1.21.0"));
        assert_eq!(words(4).as_deref(), Some("toolchain go1.21.3"));
        assert_eq!((words(0), words(2), words(9)), (None, None, None));
    }

    #[test]
    fn the_lock_file_that_is_meant() {
        let files = ["a/go.mod", "a/go.sum", "b/go.mod", "c/d/go.mod"]
            .map(|file| Text::new(file.to_owned(), String::new()));
        let asking = |asking: &[(usize, usize)]| -> Vec<_> {
            let locked = |(file, near): &(usize, usize)| Locked { lock_file: &files[*file], near: *near };
            asking.iter().map(locked).collect()
        };
        let (first, same, other, farther) = ((0, 0), (1, 0), (2, 0), (3, 1));
        let nearest = |locked: &[(usize, usize)]| nearest(&asking(locked)).map(|text| text.file.as_str());
        assert_eq!(nearest(&[first, same, farther]), Some("a/go.mod"));
        assert_eq!(nearest(&[first, other]), None);
        assert_eq!(nearest(&[farther]), Some("c/d/go.mod"));
        assert_eq!(nearest(&[]), None);
        let read = |locked: &[(usize, usize)], paths: &[&str]| -> Vec<_> {
            let paths: Vec<_> = paths.iter().map(|path| (*path).to_owned()).collect();
            read_from(&asking(locked), &paths).into_iter().map(|text| text.file.as_str()).collect()
        };
        let none: [&str; 0] = [];
        assert_eq!(read(&[first, same], &["usr/bin/a"]), none);
        assert_eq!(read(&[first, other], &["b/go.mod"]), ["b/go.mod"]);
        assert_eq!(read(&[first, other, farther], &["/d/go.mod"]), ["c/d/go.mod"]);
        assert_eq!(
            read(&[first, other, farther], &["a/go.mod", "a/x", "b/go.mod"]),
            ["a/go.mod", "b/go.mod"]
        );
        assert_eq!(read(&[first, other], &["x/b/go.mod"]), none);
        assert_eq!(read(&[], &["go.mod"]), none);
    }
}
