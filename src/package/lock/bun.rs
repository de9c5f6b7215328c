//! Bun's `bun.lock`, lock file versions 0 to 3; the type `BunLockFile` of Bun's reference, and `bun.lock.rs` in Bun's source.
//!
//! Members of workspaces are given, the root project is not, nor are directories and files of the project. What is from a
//! repository or an address has no version there. `bun.lockb`, which older releases write, is a dump of Bun's memory that
//! has no specification: it is an error, so that it is known as not read.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, IgnoredAny, SeqAccess, Visitor},
};

use super::{super::Ecosystem, Error, Package, Packages, entries::Entries, json, text};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    lockfile_version: u64,
    /// By path; the root's is empty.
    #[serde(default)]
    workspaces: Entries<Member>,
    #[serde(default)]
    packages: Entries<Resolution>,
}

#[derive(Deserialize)]
struct Member {
    name: Option<String>,
    #[serde(default)]
    version: String,
}

/// The first element of a package's list, `NAME@RESOLUTION`; the others depend on the kind of resolution.
struct Resolution(String);

impl<'de> Deserialize<'de> for Resolution {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(First)
    }
}

struct First;

impl<'de> Visitor<'de> for First {
    type Value = Resolution;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list that starts with NAME@RESOLUTION")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Resolution, A::Error> {
        let first = list.next_element()?.ok_or_else(|| A::Error::invalid_length(0, &self))?;
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Resolution(first))
    }
}

/// Reads all packages.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Package>, Error> {
    let wrong = |why| Error::Damaged { form: "bun.lock", why };
    let file: File = text::json(&json::without_comments(bytes))?;
    if file.lockfile_version > 3 {
        return Err(wrong(format!("lockfileVersion {} is not known", file.lockfile_version)));
    }
    let mut packages = Packages::default();
    for (path, member) in file.workspaces {
        if let (false, Some(name)) = (path.is_empty(), member.name) {
            packages.push(Package::new(Ecosystem::Npm, name, member.version))?;
        }
    }
    for (key, Resolution(resolution)) in file.packages {
        let at = resolution.char_indices().skip(1).find(|(_, character)| *character == '@');
        let (name, version) = at
            .map(|(at, _)| (&resolution[..at], &resolution[at + 1..]))
            .ok_or_else(|| wrong(format!("`{key}` is `{resolution}`, not NAME@RESOLUTION")))?;
        let own = ["workspace:", "file:", "link:", "root:", "./", "../", "/"];
        if !own.iter().any(|own| version.starts_with(own)) {
            let version = if version.contains([':', '/']) { "" } else { version };
            packages.push(Package::new(Ecosystem::Npm, name, version))?;
        }
    }
    Ok(packages.into_vec())
}

/// Says that the binary form is not read.
pub(super) fn read_binary(_bytes: &[u8]) -> Result<Vec<Package>, Error> {
    let why = "the binary form is not read; `bun install --save-text-lockfile` writes `bun.lock` beside it"
        .to_owned();
    Err(Error::Damaged { form: "bun.lockb", why })
}

#[cfg(test)]
pub(super) const SAMPLE: &str = r#"// JSON with comments
{
  "lockfileVersion": 1,
  "workspaces": {
    "": { "name": "root", "version": "1.0.0", },
    "packages/a": { "name": "@s/member", "version": "0.1.0" },
    "packages/b": { "name": "no-version" },
  },
  "packages": {
    "@s/a": ["@s/a@1.0.0", "", { "dependencies": { "b": "^1", }, }, "sha512-x=="],
    "@s/a/b": ["b@1.0.0-rc.1", "", {}, "sha512-x=="],
    "alias": ["@s/real@2.0.0", "", {}, "sha512-x=="],
    "from-git": ["from-git@github:x/from-git#0123abc", {}, "x-from-git-0123abc"],
    "at": ["at@git+ssh://git@github.com/x/at.git#0123abc", {}, "0123abc"],
    "@s/member": ["@s/member@workspace:packages/a"],
    "here": ["here@file:./here", {}],
    "linked": ["linked@link:linked"],
    "root": ["root@root:", {}],
  },
}"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_resolution() {
        let mut names: Vec<_> = read(SAMPLE.as_bytes())
            .unwrap()
            .into_iter()
            .map(|p| format!("{}@{}", p.name, p.version))
            .collect();
        names.sort_unstable();
        let want = [
            "@s/a@1.0.0",
            "@s/member@0.1.0",
            "@s/real@2.0.0",
            "at@",
            "b@1.0.0-rc.1",
            "from-git@",
            "no-version@",
        ];
        assert_eq!(names, want);
    }

    #[test]
    fn errors_name_the_place() {
        let why = |text: &str| read(text.as_bytes()).unwrap_err().to_string();
        assert!(why("{}").contains("lockfileVersion"));
        assert!(why("{\n// x\n\"lockfileVersion\": \"1\", }").contains("at line 3"));
        assert!(why(r#"{"lockfileVersion": 4}"#).contains("lockfileVersion 4 is not known"));
        assert!(why("{\"lockfileVersion\": 1,\n\"packages\": {\"a\": []}}").contains("at line 2"));
        assert!(why(r#"{"lockfileVersion": 1, "packages": {"a": ["a"]}}"#).contains("`a` is `a`"));
        assert!(why(&format!("{{\"lockfileVersion\": 1, \"x\": {}", "[".repeat(100_000))).contains("line 1"));
        assert!(read_binary(b"").unwrap_err().to_string().contains("is not read"));
    }
}
