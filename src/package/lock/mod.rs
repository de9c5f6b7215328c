//! Lock files and manifests: what a project asks for. In an image they are reported and not counted, since nothing says
//! that what they name was installed.
//!
//! They are told by their names alone, as their own tools tell them. A reader takes the whole file and gives every package
//! of the project, as a rule those for development included; adding one is a new file here and a line in [`FORMS`].

use super::{Error, Fact, Package};

mod bundler;
mod cargo;
mod conda;
mod go;
mod gradle;
mod julia;
mod nuget;
mod pipenv;
mod pom;
mod properties;
mod python;
mod requirements;
mod sbt;
mod text;
mod xml;

/// Tells from a path with the right ending whether the file is of a form.
type Named = fn(path: &str) -> bool;

/// Reads one lock file.
type Read = fn(bytes: &[u8]) -> Result<Vec<Package>, Error>;

/// Every form, by file name.
const FORMS: &[(&str, Read)] = &[
    ("Pipfile.lock", pipenv::read),
    ("poetry.lock", python::read),
    ("pdm.lock", python::read),
    ("pylock.toml", python::read),
    ("uv.lock", python::read_uv),
    ("pyproject.toml", python::read_project),
    ("environment.yml", conda::read),
    ("environment.yaml", conda::read),
    ("Cargo.lock", cargo::read),
    ("go.mod", go::read_mod),
    ("go.sum", go::read_sum),
    ("Gemfile.lock", bundler::read),
    ("gems.locked", bundler::read),
    ("pom.xml", pom::read),
    ("build.sbt.lock", sbt::read),
    ("packages.lock.json", nuget::read_lock),
    ("packages.config", nuget::read_config),
    ("Manifest.toml", julia::read),
    ("JuliaManifest.toml", julia::read),
];

/// Forms of which a part of the name tells: its ending, which nearly no other file of an image has, and then the rest.
const ENDINGS: &[(&str, Named, Read)] = &[
    (".txt", requirements::is_named, requirements::read),
    (".lockfile", gradle::is_named, gradle::read),
    (".props", nuget::is_props, nuget::read_props),
    (".toml", python::is_pylock, python::read),
    (".toml", julia::is_named, julia::read),
];

/// The reader for a file of this name.
fn form(path: &str) -> Option<Read> {
    let name = path.rsplit('/').next().unwrap_or_default();
    let whole = FORMS.iter().find(|(known, _)| *known == name).map(|(_, read)| *read);
    let by_ending = || ENDINGS.iter().find(|(ending, named, _)| name.ends_with(ending) && named(path));
    whole.or_else(|| by_ending().map(|(_, _, read)| *read))
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
