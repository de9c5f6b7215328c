//! Lock files and manifests: what a project asks for. In an image they are reported and not counted, since nothing says
//! that what they name was installed.
//!
//! They are told by their names alone, as their own tools tell them. A reader takes the whole file and gives every package
//! of the project, those for development included; adding one is a new file here and a line in [`FORMS`].

use super::{Error, Fact, Package};

mod bun;
mod cocoapods;
mod composer;
mod conan;
mod deno;
mod entries;
mod json;
mod mix;
mod npm;
mod pnpm;
mod pub_dev;
mod renv;
mod swift;
mod yaml;
mod yarn;

/// Reads one lock file.
type Read = fn(bytes: &[u8]) -> Result<Vec<Package>, Error>;

/// Every form, by file name.
const FORMS: &[(&str, Read)] = &[
    ("Package.resolved", swift::read),
    ("Podfile.lock", cocoapods::read),
    ("bun.lock", bun::read),
    ("bun.lockb", bun::read_binary),
    ("composer.lock", composer::read),
    ("conan.lock", conan::read),
    ("deno.lock", deno::read),
    ("mix.lock", mix::read),
    ("npm-shrinkwrap.json", npm::read),
    ("package-lock.json", npm::read),
    ("pnpm-lock.yaml", pnpm::read),
    ("pubspec.lock", pub_dev::read),
    ("renv.lock", renv::read),
    ("yarn.lock", yarn::read),
];

/// The reader for a file of this name.
fn form(path: &str) -> Option<Read> {
    let name = path.rsplit('/').next().unwrap_or_default();
    FORMS.iter().find(|(known, _)| *known == name).map(|(_, read)| *read)
}

/// By name.
pub(super) fn recognise(path: &str, _head: &[u8]) -> bool {
    form(path).is_some()
}

/// Reads all packages.
pub(super) fn read(path: &str, bytes: &[u8]) -> Result<Option<Fact>, Error> {
    let Some(read) = form(path) else { return Ok(None) };
    let mut packages = read(bytes)?;
    packages.sort();
    packages.dedup();
    Ok(Some(Fact::Locked { packages }))
}
