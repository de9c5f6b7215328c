//! pnpm's `pnpm-lock.yaml`, lock file versions 5, 6, 7 and 9; pnpm's specification of its lock file (`pnpm/spec`), and its
//! `dependency-path` package for the keys of `packages`.
//!
//! Until version 7, packages that the file marks as there for development alone are left out; later files do not say so
//! of a package. So are the project's own directories where they have no version, and the document that names pnpm itself.

use serde::{Deserialize, de::IgnoredAny};

use super::{super::Ecosystem, Error, Package, Packages, entries::Entries, yaml};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    lockfile_version: String,
    #[serde(default)]
    importers: Entries<Importer>,
    #[serde(default)]
    packages: Entries<Locked>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Importer {
    /// What pnpm itself needs; it stands in a document of its own, before the project's.
    config_dependencies: Option<IgnoredAny>,
    package_manager_dependencies: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Locked {
    /// Of a package that is not from the registry.
    name: Option<String>,
    /// Likewise.
    version: Option<String>,
    #[serde(default)]
    dev: bool,
}

/// Reads all packages.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Package>, Error> {
    let mut packages = Packages::default();
    let documents: Vec<Document> = yaml::documents(bytes)?;
    if documents.is_empty() {
        return Err(Error::Field("lockfileVersion"));
    }
    for document in documents {
        let wrong = |why| Error::Damaged { form: "pnpm-lock.yaml", why };
        let parse: fn(&str) -> Option<(&str, &str)> =
            match document.lockfile_version.split('.').next().unwrap_or_default() {
                "5" => name_and_version_5,
                "6" | "7" | "9" => name_and_version,
                other => return Err(wrong(format!("lockfileVersion {other} is not known"))),
            };
        let pnpm_itself = |importer: &Importer| {
            importer.config_dependencies.is_some() || importer.package_manager_dependencies.is_some()
        };
        if document.importers.0.values().any(pnpm_itself) {
            continue;
        }
        for (key, locked) in document.packages {
            if locked.dev {
                continue;
            }
            let (name, version) = match (locked.name, locked.version) {
                // From elsewhere, with a key of another form.
                (Some(name), version) => (name, version.unwrap_or_else(|| key.clone())),
                (None, version) => {
                    let (name, reference) =
                        parse(&key).ok_or_else(|| wrong(format!("the key `{key}` names no package")))?;
                    (name.to_owned(), version.unwrap_or_else(|| reference.to_owned()))
                }
            };
            if version.starts_with("file:") || version.starts_with("link:") {
                continue;
            }
            // Where it is from holds `:` or `/`, as no version does.
            let version = if version.contains([':', '/']) { "" } else { &version };
            packages.push(Package::new(Ecosystem::Npm, name, version))?;
        }
    }
    Ok(packages.into_vec())
}

/// Of a key of whatever version.
pub(super) fn of_any_version(key: &str) -> Option<(&str, &str)> {
    // What only looks like the older form has a peer's `/` in the name, and so an `@` that is no scope's.
    let older = name_and_version_5(key).filter(|(name, _)| !name.get(1..).unwrap_or_default().contains('@'));
    older.or_else(|| name_and_version(key))
}

/// Of `/NAME/VERSION`, with the registry before it if it is not the usual one, and after it `_` or `/` and what its peers are.
fn name_and_version_5(key: &str) -> Option<(&str, &str)> {
    let path = key.split_once('/')?.1;
    let name_end = if path.starts_with('@') { path.match_indices('/').nth(1)?.0 } else { path.find('/')? };
    let (name, version) = (path.get(..name_end)?, path.get(name_end + 1..)?);
    let version = version.split(['_', '/']).next()?;
    (!name.is_empty() && !version.is_empty()).then_some((name, version))
}

/// Of `NAME@VERSION`, with `(NAME@VERSION)` after it for each peer; until version 7 with `/` or `REGISTRY/` before it.
fn name_and_version(key: &str) -> Option<(&str, &str)> {
    let at = key.char_indices().skip(1).filter(|(_, c)| *c == '@').map(|(at, _)| at);
    // The scope of `/@scope/name@1` and `registry/@scope/name@1` has an `@` before it too.
    let at = at.into_iter().find(|at| !key.get(..*at).is_some_and(|before| before.ends_with('/')))?;
    let (name, version) = (key.get(..at)?, key.get(at + 1..)?);
    let name = match name.rsplit_once('/') {
        Some((before, last)) => {
            let scope = before.rfind('@').and_then(|scope| name.get(scope..));
            scope.unwrap_or(last)
        }
        None => name,
    };
    let version = if version.contains("://") { version } else { version.split('(').next()? };
    (!name.is_empty() && !version.is_empty()).then_some((name, version))
}

#[cfg(test)]
pub(super) const SAMPLES: [&str; 3] = [
    "lockfileVersion: 5.4
packages:
  /@s/a/1.0.0:
    dev: false
  /@s/b/1.0.0_react@17.0.2:
    resolution: {integrity: sha512-x}
  /c/1.0.0_@s+a@1.0.0:
    dev: false
  /d/1.0.0/react@17.0.2:
    dev: false
  /e/1.0.0:
    dev: true
  registry.example.org/@s/f/1.0.0:
    dev: false
  github.com/x/y/0123abc:
    name: g
    version: 2.0.0
",
    "lockfileVersion: '6.0'
importers:
  .:
    dependencies:
      a: {specifier: '1', version: 1.10}
packages:
  /@s/a@1.10:
    dev: false
  /b@1.0.0(@s/a@1.10)(c@2.0.0(d@3.0.0)):
    dev: false
  registry.example.org/@s/f@1.0.0:
    dev: false
  registry.example.org/f@1.0.0(a@1):
    dev: false
  '@github.com/x/y/0123abc':
    name: '@s/g'
    version: 2.0.0
  file:vendor/h:
    name: h
    version: 0.1.0
  file:vendor/no-version:
    resolution: {directory: vendor/no-version, type: directory}
    name: no-version
  /i@1.0.0:
    dev: true
",
    "---
lockfileVersion: '9.0'
importers:
  .:
    configDependencies: {}
    packageManagerDependencies:
      pnpm: {specifier: 11.0.0, version: 11.0.0}
packages:
  pnpm@11.0.0: {}
---
lockfileVersion: '9.0'
importers:
  .: {}
packages:
  '@s/a@1.0.0':
    resolution: {integrity: sha512-x}
  b@https://codeload.github.com/x/b/tar.gz/0123(4):
    version: 1.2.3
  c@git+https://git@example.org/c.git#0123abc: {}
  d@file:d:
    resolution: {directory: d, type: directory}
  e@file:e.tgz:
    version: 2.0.0
snapshots:
  '@s/a@1.0.0(react@17.0.0)': {}
",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        let mut names = super::super::names(read(text.as_bytes()));
        names.sort_unstable();
        names
    }

    #[test]
    fn each_version() {
        let want = ["@s/a@1.0.0", "@s/b@1.0.0", "@s/f@1.0.0", "c@1.0.0", "d@1.0.0", "g@2.0.0"];
        assert_eq!(names(SAMPLES[0]), want);
        let want = ["@s/a@1.10", "@s/f@1.0.0", "@s/g@2.0.0", "b@1.0.0", "f@1.0.0", "h@0.1.0"];
        assert_eq!(names(SAMPLES[1]), want);
        assert_eq!(names(SAMPLES[2]), ["@s/a@1.0.0", "b@1.2.3", "c@", "e@2.0.0"]);
    }

    #[test]
    fn errors_name_the_place() {
        let why = |text: &str| read(text.as_bytes()).unwrap_err().to_string();
        assert!(why("").contains("lockfileVersion"));
        assert!(why("packages: {}").contains("lockfileVersion"));
        assert!(why("lockfileVersion: '10.0'").contains("lockfileVersion 10 is not known"));
        assert!(why("lockfileVersion: '9.0'\npackages:\n  a@1: []\n").starts_with("line 3: "));
        let twice = why("lockfileVersion: '9.0'\npackages:\n  a@1: {}\n  a@1: {}\n");
        assert!(twice.starts_with("line 4: ") && twice.contains("a@1"), "{twice}");
        assert!(why("lockfileVersion: '9.0'\npackages:\n  a: {}\n").contains("the key `a` names no package"));
        assert!(why("lockfileVersion: '9.0'\nx: &a [1]\ny: *a\n").starts_with("line 2: "));
        assert!(
            why(&format!("lockfileVersion: '9.0'\npackages: {}", "[".repeat(100_000)))
                .starts_with("line 2: ")
        );
    }
}
