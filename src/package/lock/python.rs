//! Locks of Python's project managers, all of them TOML: `poetry.lock`, `pdm.lock`, `uv.lock`, and `pylock.toml`
//! (PyPA specification "pylock.toml"). And `pyproject.toml`, which locks nothing and must be well-formed all the same.

use std::collections::HashSet;

use serde::{Deserialize, de::IgnoredAny};

use super::{
    super::{Ecosystem, file_name, normal_python_name},
    Error, Package, toml,
};

#[derive(Deserialize)]
struct Lock<P> {
    /// `packages` in `pylock.toml`.
    #[serde(default = "Vec::new", alias = "packages")]
    package: Vec<P>,
    manifest: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    /// Not there where a directory or a repository says it.
    version: Option<String>,
}

/// `pylock.NAME.toml`; `pylock.toml` itself is known by its whole name.
pub(super) fn is_pylock(path: &str) -> bool {
    let name = file_name(path);
    let middle = name.strip_prefix("pylock.").and_then(|rest| rest.strip_suffix(".toml"));
    middle.is_some_and(|middle| !middle.is_empty() && !middle.contains('.'))
}

/// Every package with a version, whatever group it is for.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Package>, Error> {
    let lock: Lock<Locked> = toml::read(bytes)?;
    Ok(lock.package.into_iter().filter_map(|locked| package(&locked.name, locked.version)).collect())
}

fn package(name: &str, version: Option<String>) -> Option<Package> {
    let version = version.filter(|version| !version.is_empty())?;
    Some(Package::new(Ecosystem::Pypi, normal_python_name(name), version))
}

/// A package of `uv.lock`.
#[derive(Deserialize)]
struct UvLocked {
    name: String,
    version: Option<String>,
    /// A package from elsewhere has one.
    source: Option<UvSource>,
}

/// Where uv takes a package from; where it lies, if it is one of the project's own.
#[derive(Deserialize)]
struct UvSource {
    editable: Option<String>,
    #[serde(rename = "virtual")]
    not_built: Option<String>,
}

/// Reads `uv.lock`, in which something must ask for the packages: members of the project, each at a place of its own, or
/// the requirements in `manifest`.
pub(super) fn read_uv(bytes: &[u8]) -> Result<Vec<Package>, Error> {
    let lock: Lock<UvLocked> = toml::read(bytes)?;
    let damaged = |why| Error::Damaged { form: "uv.lock", why };
    let mut places = HashSet::new();
    let mut asked = lock.package.is_empty() || lock.manifest.is_some();
    for UvLocked { source, .. } in &lock.package {
        let place = source.as_ref().map(|source| source.editable.as_ref().or(source.not_built.as_ref()));
        if let Some(Some(place)) = place
            && !places.insert(place)
        {
            return Err(damaged(format!("two packages lie at {place:?}")));
        }
        asked |= place.is_none_or(|place| place.is_some());
    }
    if !asked {
        return Err(damaged("no package is the project's own, and no manifest asks for any".to_owned()));
    }
    Ok(lock.package.into_iter().filter_map(|locked| package(&locked.name, locked.version)).collect())
}

/// No package: what `pyproject.toml` names are ranges.
pub(super) fn read_project(bytes: &[u8]) -> Result<Vec<Package>, Error> {
    toml::read::<IgnoredAny>(bytes).map(|_| Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(packages: Result<Vec<Package>, Error>) -> String {
        super::super::names(packages).join(" ")
    }

    #[test]
    fn poetry_pdm_and_pylock() {
        let poetry = b"[[package]]\nname = \"Zope.Event\"\nversion = \"5.0\"\noptional = true\n
            [package.source]\ntype = \"git\"\nurl = \"u\"\n[metadata]\nlock-version = \"1.1\"\n[metadata.files]\na = []\n";
        assert_eq!(names(read(poetry)), "zope-event@5.0");
        let pdm = b"[metadata]\ngroups = [\"default\"]\nlock_version = \"4.5.0\"\n
            [[package]]\nname = \"a\"\nversion = \"1\"\nextras = [\"x\"]\n[[package]]\nname = \"a\"\nversion = \"1\"\n";
        assert_eq!(names(read(pdm)), "a@1 a@1");
        let pylock = b"lock-version = \"1.0\"\ncreated-by = \"x\"\n
            [[packages]]\nname = \"a\"\nvcs = { type = \"git\" }\n[[packages]]\nname = \"b\"\nversion = \"2\"\n";
        assert_eq!(names(read(pylock)), "b@2");
        assert_eq!(names(read(b"")), "");
        for wrong in
            ["package = 1", "[package]\nname = 1", "[[package]]\nversion = \"1\"", "[[package]]\nname = 1"]
        {
            assert!(matches!(read(wrong.as_bytes()), Err(Error::Line { .. })), "{wrong}");
        }
    }

    #[test]
    fn uv() {
        let own = "[[package]]\nname = \"own\"\nsource = { editable = \"a\" }\n";
        let other = "[[package]]\nname = \"b\"\nversion = \"1\"\nsource = { git = \"https://x\" }\n";
        assert_eq!(names(read_uv([own, other].concat().as_bytes())), "b@1");
        let manifest = "[manifest]\nrequirements = [{ name = \"b\" }]\n";
        assert_eq!(names(read_uv([manifest, other].concat().as_bytes())), "b@1");
        assert!(read_uv(other.as_bytes()).is_err());
        assert!(read_uv([own, own].concat().as_bytes()).is_err());
        assert_eq!(names(read_uv(b"version = 1\n")), "");
        assert_eq!(names(read_uv(b"[[package]]\nname = \"a\"\nversion = \"1\"\n")), "a@1");
    }

    #[test]
    fn projects() {
        assert_eq!(read_project(b"[project]\ndependencies = [\"a==1\"]\n"), Ok(Vec::new()));
        assert!(matches!(read_project(b"a = 1\n["), Err(Error::Line { line: 2, .. })));
    }
}
