//! Yarn's `yarn.lock`: the form of Yarn 1, which is its own, and that of Yarn 2 and later, which is YAML; Yarn's
//! documentation of `yarn.lock` and of its protocols.
//!
//! What comes from the project's own directories is left out: members of workspaces, links, and files. So are patches,
//! because the package that is patched has an entry of its own.

use serde::Deserialize;

use super::{
    super::{Ecosystem, utf8},
    Error, Package, Packages,
    entries::Entries,
    yaml,
};

/// Where packages come from that are not the project's own. Without a protocol: the registry, or a repository on GitHub.
const REMOTE: &[&str] = &[
    "",
    "bitbucket",
    "gist",
    "git",
    "git+http",
    "git+https",
    "git+ssh",
    "github",
    "gitlab",
    "http",
    "https",
    "npm",
    "ssh",
];

/// Reads all packages.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Package>, Error> {
    let text = utf8(bytes)?.trim_start_matches('\u{feff}');
    let is_yaml = text.lines().any(|line| line.starts_with("__metadata:"));
    if is_yaml { read_yaml(bytes) } else { read_classic(text) }
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    version: String,
    /// `NAME@PROTOCOL:REFERENCE`, the name being the package's own; absent from `__metadata` alone.
    resolution: Option<String>,
}

fn read_yaml(bytes: &[u8]) -> Result<Vec<Package>, Error> {
    let entries: Entries<Entry> = yaml::document(bytes)?;
    let mut packages = Packages::default();
    for (key, entry) in entries {
        if key == "__metadata" {
            continue;
        }
        let missing = |what| Error::Damaged { form: "yarn.lock", why: format!("`{key}` has no {what}") };
        let resolution = entry.resolution.ok_or_else(|| missing("resolution"))?;
        let (name, reference) = split(&resolution);
        if !REMOTE.contains(&protocol(reference)) {
            continue;
        }
        if entry.version.is_empty() {
            return Err(missing("version"));
        }
        packages.push(Package::new(Ecosystem::Npm, name, entry.version))?;
    }
    Ok(packages.into_vec())
}

/// Lines `DESCRIPTOR, DESCRIPTOR:` with lines `  FIELD VALUE` below, anything of which may be quoted.
fn read_classic(text: &str) -> Result<Vec<Package>, Error> {
    let mut packages = Packages::default();
    // The line of the entry that is read, and its package's name, if it is one.
    let mut entry: Option<(usize, Option<String>)> = None;
    let no_version = |line| Error::Line { line, why: "an entry without a version".to_owned() };
    for (index, line) in text.lines().enumerate() {
        let line_number = index + 1;
        let content = line.trim();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        let indent = line.len() - line.trim_start_matches(' ').len();
        if indent == 0 {
            if let Some((line, _)) = entry {
                return Err(no_version(line));
            }
            let wrong =
                || Error::Line { line: line_number, why: "neither a comment nor an entry".to_owned() };
            let descriptors = content.strip_suffix(':').ok_or_else(wrong)?;
            entry = Some((line_number, package_name(descriptors)));
        } else if let (2, Some(version)) = (indent, field(content, "version"))
            && let Some((_, name)) = entry.take()
        {
            packages.extend(name.map(|name| Package::new(Ecosystem::Npm, name, version)))?;
        }
    }
    match entry {
        Some((line, _)) => Err(no_version(line)),
        None => Ok(packages.into_vec()),
    }
}

/// The value of a line that starts with the field `name`.
fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (key, value) = line.split_once(' ')?;
    let value = value.trim().trim_matches('"');
    (key.trim_matches('"') == name && !value.is_empty()).then_some(value)
}

/// The package that descriptors name, unless it is the project's own. They all lead to one package.
pub(super) fn package_name(descriptors: &str) -> Option<String> {
    descriptors.split(", ").find_map(|descriptor| {
        let (name, range) = split(descriptor.trim().trim_matches('"'));
        let is_path = ["./", "../", "/", "~/"].iter().any(|start| range.starts_with(start));
        if is_path || name.is_empty() || !REMOTE.contains(&protocol(range)) {
            return None;
        }
        // An alias: `NAME@npm:REAL@RANGE`.
        let real = range.strip_prefix("npm:").map_or("", |alias| split(alias).0);
        let is_name = real.starts_with(|first: char| first.is_ascii_alphabetic() || first == '@');
        Some(if is_name { real } else { name }.to_owned())
    })
}

/// Name and reference: `@` parts them, and starts a scope.
pub(super) fn split(descriptor: &str) -> (&str, &str) {
    let at = descriptor.char_indices().skip(1).find(|(_, character)| *character == '@');
    at.map_or((descriptor, ""), |(at, _)| (&descriptor[..at], &descriptor[at + 1..]))
}

/// What is before the `:` of a reference; empty where there is none.
fn protocol(reference: &str) -> &str {
    let is_protocol =
        |text: &&str| text.bytes().all(|byte| byte.is_ascii_lowercase() || b"+-".contains(&byte));
    reference.split_once(':').map(|(protocol, _)| protocol).filter(is_protocol).unwrap_or_default()
}

#[cfg(test)]
pub(super) const SAMPLES: [&str; 2] = [
    r#"# yarn lockfile v1

"@s/a@^1.0.0", "@s/a@~1.0.1":
  version "1.0.2"
  resolved "https://registry.yarnpkg.com/@s/a/-/a-1.0.2.tgz#0123"
  dependencies:
    version "^9"

"alias@npm:@s/real@>= 3 < 4", "@s/real@3":
  version "3.0.0"
"alias-2@npm:real@1":
  version "1.0.0"
b@user/b, b@^2:
  "version" "2.0.0"
"c@git+ssh://git@github.com/x/c.git#v1":
  version "1.0.0"
"d@git@github.com:x/d.git":
  version "1.0.0"
"e@https://example.org/e.tgz":
  version "1.0.0"
"f@file:vendor/f.tgz", "f@link:../f":
  version "0.0.0"
g@../g:
  version "0.0.0"
h@~1, h@>=1, "h@":
  version "1.9.9"
"#,
    r#"__metadata:
  version: 8
  cacheKey: 10c0

"@s/a@npm:^1.0.0, @s/a@npm:~1.0.1":
  version: 1.0.2
  resolution: "@s/a@npm:1.0.2"
  dependencies:
    version: ^9
  checksum: 0123
  languageName: node
  linkType: hard

"alias@npm:@s/real@^3":
  version: 3.0
  resolution: "@s/real@npm:3.0"

"c@git@github.com:x/c.git#v1":
  version: 1.0.0
  resolution: "c@https://github.com/x/c.git#commit=0123"

"e@patch:e@^1#./e.patch::version=1.0.0":
  version: 1.0.0
  resolution: "e@patch:e@npm%3A1.0.0#./e.patch::version=1.0.0&hash=01&locator=root%40workspace%3A."

"f@file:./f::locator=root%40workspace%3A., g@link:./g, h@portal:../h":
  version: 0.0.0-use.local
  resolution: "f@portal:./f::locator=root%40workspace%3A."

? "x@npm:1, x@npm:2"
:
  version: 2.0.0
  resolution: "x@npm:2.0.0"

"root@workspace:.":
  version: 0.0.0-use.local
  resolution: "root@workspace:."
  languageName: unknown
  linkType: soft
"#,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        read(text.as_bytes()).unwrap().into_iter().map(|p| format!("{}@{}", p.name, p.version)).collect()
    }

    #[test]
    fn classic() {
        let want = [
            "@s/a@1.0.2",
            "@s/real@3.0.0",
            "real@1.0.0",
            "b@2.0.0",
            "c@1.0.0",
            "d@1.0.0",
            "e@1.0.0",
            "h@1.9.9",
        ];
        assert_eq!(names(SAMPLES[0]), want);
        assert_eq!(names(&SAMPLES[0].replace('\n', "\r\n")), want);
        assert_eq!(names("\u{feff}# yarn lockfile v1\n"), [""; 0]);
    }

    #[test]
    fn yaml() {
        assert_eq!(names(SAMPLES[1]), ["@s/a@1.0.2", "@s/real@3.0", "c@1.0.0", "x@2.0.0"]);
    }

    #[test]
    fn errors_name_the_place() {
        let why = |text: &str| read(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(why("a@1:\n  resolved \"x\"\nb@1:\n"), "line 1: an entry without a version");
        assert_eq!(why("a@1:\n  version \"1\"\n<<<<<<< HEAD\n"), "line 3: neither a comment nor an entry");
        assert!(why("__metadata:\n  version: 8\na:\n  version: [1]\n").starts_with("line 4: "));
        assert_eq!(why("__metadata:\n  version: 8\na:\n  version: 1\n"), "yarn.lock: `a` has no resolution");
    }
}
