//! Where the checkout asks for the version of a package that was found: in a lock file, or in the instruction of the
//! Dockerfile that installed it.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::OnceLock,
};

use super::{Asked, ScanResult, Written, line_hash::line_hashes};
use crate::{
    finding::{Finding, FindingPackage},
    package::{self, Ecosystem, Package, normal_python_name},
};

/// A text file of the checkout.
#[derive(Debug, Default)]
pub struct Text {
    file: String,
    text: String,
    hashes: OnceLock<Vec<String>>,
}

impl Text {
    /// A file by its path from the checkout's root, its parts divided by slashes, and what it holds.
    pub fn new(file: String, text: String) -> Self {
        Self { file, text, hashes: OnceLock::new() }
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
    /// Says of each finding where it is asked for. What the base image brought, this checkout does not ask for.
    ///
    /// A lock file that cannot be read asks for nothing here: it is no part of the image.
    pub fn ask(&self, result: &mut ScanResult) {
        let mut locked: HashMap<Package, Locked<'_>> = HashMap::new();
        for (near, lock_files) in self.lock_files.iter().enumerate() {
            for lock_file in lock_files {
                let packages = package::locked(&lock_file.file, lock_file.text.as_bytes());
                for Package { ecosystem, name, version, .. } in packages.unwrap_or_default() {
                    let found = Locked { lock_file, near, line: None };
                    match locked.entry(Package::new(ecosystem, name, version)) {
                        Entry::Vacant(entry) => drop(entry.insert(found)),
                        Entry::Occupied(mut entry) => entry.get_mut().beside(&found),
                    }
                }
            }
        }
        let layers = &result.image.layers;
        for judged in result.findings.iter_mut().filter(|judged| judged.finding.layer.base != Some(true)) {
            let Finding { package, layer, .. } = &judged.finding;
            let wanted = Package::new(package.ecosystem, &package.name, &package.version);
            let in_lock_file = locked.get_mut(&wanted).and_then(|locked| locked.asked(&wanted));
            let made = layers.get(layer.index).and_then(|layer| layer.written.as_ref());
            judged.asked = in_lock_file.or_else(|| pinned(self.dockerfile?, made?, package));
        }
    }
}

/// A package of a lock file.
struct Locked<'a> {
    lock_file: &'a Text,
    /// Which of the lists it is in.
    near: usize,
    /// Searched for once; none where another lock file may as well be meant.
    line: Option<Option<usize>>,
}

impl Locked<'_> {
    /// Another lock file asks for the same: of an equally near directory, it may be the one that is meant.
    fn beside(&mut self, other: &Locked<'_>) {
        if self.near == other.near && self.lock_file.directory() != other.lock_file.directory() {
            self.line = Some(None);
        }
    }

    fn asked(&mut self, package: &Package) -> Option<Asked> {
        let line = *self.line.get_or_insert_with(|| package::line_of(&self.lock_file.text, package));
        Some(Asked { written: self.lock_file.written(line?, line?)?, pin: None })
    }
}

/// The words that pin the package in the instruction that made its layer.
fn pinned(dockerfile: &Text, made: &Written, package: &FindingPackage) -> Option<Asked> {
    if made.file != dockerfile.file {
        return None;
    }
    let (sign, version) = pin(package)?;
    let behind = format!("{sign}{version}");
    let lines = dockerfile.text.lines().enumerate().skip(made.line - 1).take(made.last_line + 1 - made.line);
    lines.into_iter().find_map(|(index, line)| {
        let pin = line.match_indices(&behind).find_map(|(at, _)| {
            let is_word = |c: char| c.is_ascii_alphanumeric() || "._+-@/:~".contains(c);
            let end = at + behind.len();
            // A longer version is another one.
            if line[end..].starts_with(|c: char| c.is_ascii_alphanumeric() || "._+-~:*".contains(c)) {
                return None;
            }
            // Python's extras stand between name and version: `NAME[EXTRA,...]==VERSION`.
            let named = line[..at].strip_suffix(']').and_then(|extras| Some(&line[..extras.rfind('[')?]));
            let named = named.unwrap_or(&line[..at]);
            let start = named.rfind(|c| !is_word(c)).map_or(0, |before| before + 1);
            is_name(package, &named[start..]).then(|| line[start..end].to_owned())
        })?;
        Some(Asked { written: dockerfile.written(index + 1, index + 1)?, pin: Some(pin) })
    })
}

/// How the package manager's command line parts a name from a version, and the version as it is written there.
fn pin(package: &FindingPackage) -> Option<(&'static str, &str)> {
    let version = package.version.as_str();
    Some(match package.ecosystem {
        Ecosystem::Deb | Ecosystem::Apk | Ecosystem::Opkg | Ecosystem::Alpm | Ecosystem::Conda => {
            ("=", version)
        }
        // The epoch is not a part of what `dnf install NAME-VERSION-RELEASE` takes.
        Ecosystem::Rpm => ("-", version.split_once(':').map_or(version, |(_, version)| version)),
        Ecosystem::Pypi => ("==", version),
        Ecosystem::Npm | Ecosystem::Golang | Ecosystem::Cargo => ("@", version),
        Ecosystem::Gem | Ecosystem::Maven | Ecosystem::Composer => (":", version),
        _ => return None,
    })
}

fn is_name(package: &FindingPackage, written: &str) -> bool {
    match package.ecosystem {
        Ecosystem::Pypi => normal_python_name(written) == normal_python_name(&package.name),
        // `NAME:ARCHITECTURE`
        Ecosystem::Deb => written.split(':').next() == Some(&package.name),
        _ => written == package.name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, ecosystem: Ecosystem, name: &str, version: &str) -> Option<(usize, String)> {
        let text = Text::new("Dockerfile".to_owned(), text.to_owned());
        let package = FindingPackage {
            name: name.to_owned(),
            version: version.to_owned(),
            ecosystem,
            purl: String::new(),
        };
        let made = text.written(2, 4)?;
        let asked = pinned(&text, &made, &package)?;
        Some((asked.written.line, asked.pin?))
    }

    #[test]
    fn a_pin_is_found_in_the_instruction_alone() {
        for (pin, ecosystem, name, version) in [
            ("curl=7.88.1-10", Ecosystem::Deb, "curl", "7.88.1-10"),
            ("curl:amd64=7.88.1-10", Ecosystem::Deb, "curl", "7.88.1-10"),
            ("openssl-libs-3.0.7-1.el9", Ecosystem::Rpm, "openssl-libs", "1:3.0.7-1.el9"),
            ("Foo_Bar[x,y]==1.0", Ecosystem::Pypi, "foo-bar", "1.0"),
            ("@scope/a@1.0.0", Ecosystem::Npm, "@scope/a", "1.0.0"),
            ("e.com/a/v2@v2.1.0", Ecosystem::Golang, "e.com/a/v2", "v2.1.0"),
        ] {
            let line = |line: &str| format!("FROM a\nRUN x \\\n  {line} \\\n  y\nRUN z\n");
            assert_eq!(found(&line(pin), ecosystem, name, version), Some((3, pin.to_owned())), "{pin}");
            assert_eq!(
                found(&line(&format!("\"{pin}\"")), ecosystem, name, version),
                Some((3, pin.to_owned()))
            );
            for other in [format!("{pin}1"), format!("x{pin}"), format!("{pin}.1"), format!("{pin}*")] {
                assert_eq!(found(&line(&other), ecosystem, name, version), None, "{other}");
            }
            let elsewhere = format!("FROM a\nRUN x\nRUN y\nRUN z\nRUN {pin}\n");
            assert_eq!(found(&elsewhere, ecosystem, name, version), None);
        }
    }
}
