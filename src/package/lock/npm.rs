//! npm's `package-lock.json` and `npm-shrinkwrap.json`, lock file versions 1 to 3; npm's package-lock.json documentation.
//!
//! The root project is left out, members of its workspaces and other linked directories are not. `.package-lock.json` in
//! `node_modules` is not read here: it repeats the `package.json` files that lie beside it, which are what counts.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor},
};

use serde_json::value::RawValue;

use super::{
    super::Ecosystem,
    Error, Package, Packages,
    entries::{Entries, twice},
    text,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    /// Absent before npm 5, whose shrinkwrap files are else as version 1.
    lockfile_version: Option<u64>,
    /// By path; since version 2.
    packages: Option<Entries<Installed>>,
    /// By name; in version 2 the same once more, for old npm.
    #[serde(default)]
    dependencies: Nested,
}

/// A directory that npm fills, or links to another.
#[derive(Deserialize)]
struct Installed {
    /// Where it is not what the path says: of an alias, or of a package outside of `node_modules`.
    name: Option<String>,
    #[serde(default)]
    version: String,
    #[serde(default)]
    link: bool,
    /// Of a link: the path it leads to. npm takes what is not a text as absent.
    resolved: Option<Box<RawValue>>,
}

/// Reads all packages.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Package>, Error> {
    let file: File = text::json(bytes)?;
    if let Some(version) = file.lockfile_version.filter(|version| *version > 3) {
        let why = format!("lockfileVersion {version} is not known");
        return Err(Error::Damaged { form: "package-lock.json", why });
    }
    match file.packages {
        Some(directories) => by_path(directories),
        None => Ok(file.dependencies.0.into_vec()),
    }
}

fn by_path(Entries(mut directories): Entries<Installed>) -> Result<Vec<Package>, Error> {
    directories.remove("");
    let mut packages = Packages::default();
    // Names by which links call the directories that they lead to.
    let mut linked: BTreeMap<String, String> = BTreeMap::new();
    directories.retain(|path, installed| {
        if let (true, Some(name)) = (installed.link, in_node_modules(path))
            && let Some(Ok(target)) = installed.resolved.take().map(|text| serde_json::from_str(text.get()))
        {
            linked.entry(target).or_insert_with(|| name.to_owned());
        }
        !installed.link
    });
    for (path, installed) in directories {
        let name = installed.name.filter(|name| !name.is_empty());
        let by_link = linked.remove(&path);
        let by_path =
            || in_node_modules(&path).or_else(|| path.rsplit('/').next()).unwrap_or(&path).to_owned();
        let name = name.or(by_link).unwrap_or_else(by_path);
        packages.push(Package::new(Ecosystem::Npm, name, installed.version))?;
    }
    // What lies where npm did not look.
    packages.extend(linked.into_values().map(|name| Package::new(Ecosystem::Npm, name, "")))?;
    Ok(packages.into_vec())
}

/// The name that a path in `node_modules` says.
fn in_node_modules(path: &str) -> Option<&str> {
    let (before, name) = path.rsplit_once("node_modules/")?;
    (before.is_empty() || before.ends_with('/')).then_some(name)
}

/// The packages of dependencies in dependencies. They are gathered while they are read, so that a tree of them is never
/// held.
#[derive(Default)]
struct Nested(Packages);

impl<'de> Deserialize<'de> for Nested {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut packages = Packages::default();
        Dependencies(&mut packages).deserialize(deserializer)?;
        Ok(Self(packages))
    }
}

/// By name.
struct Dependencies<'a>(&'a mut Packages);

impl<'de> DeserializeSeed<'de> for Dependencies<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Dependencies<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a map of dependencies")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut names = BTreeSet::new();
        while let Some(name) = map.next_key::<String>()? {
            map.next_value_seed(Dependency { name: &name, packages: self.0 })?;
            if let Some(name) = names.replace(name) {
                return Err(twice(&name));
            }
        }
        Ok(())
    }
}

struct Dependency<'a> {
    name: &'a str,
    packages: &'a mut Packages,
}

impl<'de> DeserializeSeed<'de> for Dependency<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Dependency<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a dependency")
    }

    /// `version` is a version, `npm:NAME@VERSION`, or where the package is from if that is not the registry.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut version: Option<String> = None;
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "version" if version.is_some() => return Err(twice(&key)),
                "version" => version = Some(map.next_value()?),
                "dependencies" => map.next_value_seed(Dependencies(self.packages))?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        let version = version.unwrap_or_default();
        let alias = version.strip_prefix("npm:").and_then(|alias| alias.rsplit_once('@'));
        // Where it is from holds `:` or `/`, as no version does.
        let (name, version) = match alias {
            Some((real, version)) if !real.is_empty() => (real, version),
            _ if version.contains([':', '/']) => (self.name, ""),
            _ => (self.name, version.as_str()),
        };
        self.packages.push(Package::new(Ecosystem::Npm, name, version)).map_err(A::Error::custom)
    }
}

#[cfg(test)]
pub(super) const SAMPLE: &str = r#"{ "name": "root", "version": "1.0.0", "lockfileVersion": 3, "packages": {
    "": { "name": "root", "version": "1.0.0", "workspaces": ["packages/*"] },
    "node_modules/@s/a": { "version": "1.0.0", "resolved": true, "dev": true },
    "node_modules/@s/a/node_modules/b": { "version": "2.0.0-rc.1", "inBundle": true },
    "node_modules/alias": { "name": "@s/real", "version": "3.0.0" },
    "node_modules/from-git": { "version": "4.0.0", "resolved": "git+ssh://git@github.com/x/from-git.git#0123abc" },
    "node_modules/member": { "resolved": "packages/one", "link": true },
    "packages/one": { "dependencies": { "b": "*" } },
    "node_modules/two": { "resolved": "packages/two", "link": true },
    "packages/two": { "name": "@s/two", "version": "0.2.0" },
    "packages/two/node_modules/b": { "version": "1.0.0" },
    "packages/my_node_modules/three": { "version": "0.3.0" },
    "node_modules/outside": { "resolved": "../outside", "link": true } } }"#;

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        let mut names = super::super::names(read(text.as_bytes()));
        names.sort_unstable();
        names
    }

    #[test]
    fn by_path() {
        let want = [
            "@s/a@1.0.0",
            "@s/real@3.0.0",
            "@s/two@0.2.0",
            "b@1.0.0",
            "b@2.0.0-rc.1",
            "from-git@4.0.0",
            "member@",
            "outside@",
            "three@0.3.0",
        ];
        assert_eq!(names(SAMPLE), want);
        // Version 2 says all twice.
        let both = r#"{"lockfileVersion": 2, "packages": {"node_modules/a": {"version": "1"}}, "dependencies": {"b": {}}}"#;
        assert_eq!(names(both), ["a@1"]);
    }

    #[test]
    fn by_name() {
        let text = r#"{ "lockfileVersion": 1, "dependencies": {
            "a": { "version": "1.0.0", "dev": true, "dependencies": { "b": { "version": "2.0.0", "bundled": true } } },
            "alias": { "version": "npm:@s/real@3.0.0" },
            "from-git": { "version": "git+ssh://git@github.com/x/y.git#0123abc", "from": "y@git+ssh://x" },
            "here": { "version": "file:../here" } } }"#;
        assert_eq!(names(text), ["@s/real@3.0.0", "a@1.0.0", "b@2.0.0", "from-git@", "here@"]);
        assert_eq!(names(r#"{"name": "shrinkwrap of npm 2"}"#), [""; 0]);
    }

    #[test]
    fn errors_name_the_place() {
        let why = |text: &str| read(text.as_bytes()).unwrap_err().to_string();
        assert!(why("{\n\"packages\": {\n\"a\": {\"version\": 1}}}").contains("at line 3"));
        assert!(why(r#"{"packages": {"a": {}, "a": {}}}"#).contains("the key `a` is there twice"));
        assert!(why("{\"dependencies\": {\n\"a\": {},\n\"a\": {}}}").contains("twice at line 3"));
        assert!(why(r#"{"dependencies": {"a": {"version": 1}}}"#).contains("expected a string"));
        assert!(why(r#"{"lockfileVersion": 4}"#).contains("lockfileVersion 4 is not known"));
        let deep = format!("{}1{}", r#"{"dependencies":{"a":"#.repeat(10_000), "}}".repeat(10_000));
        assert!(why(&deep).contains("recursion limit"));
    }
}
