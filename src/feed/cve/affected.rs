//! What a CNA says of packages: `affected`, in the part that has one meaning only ("CVE Record Format Product and Version
//! Encodings", the schema's `docs/versions.md`).
//!
//! Taken is a package of a collection that is an ecosystem here, with versions of the ecosystem's own type or `semver`, if each
//! of them has a certain place in the ecosystem's order. Left, and counted as not understood, is any other wording: the type
//! `custom`, signs such as `< 1.2`, "all but these", entries that contradict each other. The databases of the ecosystems have
//! the same vulnerabilities in a stricter form.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    advisory::{End, Range, State, scheme},
    feed::{json::Text, sink::Package},
    finding::Severity,
    version::Scheme,
};

/// A product. Most name no collection: their versions, which may be many, are not parsed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Affected<'a> {
    #[serde(borrow, rename = "collectionURL")]
    collection: Option<Text<'a>>,
    #[serde(borrow)]
    package_name: Option<Text<'a>>,
    #[serde(borrow)]
    default_status: Option<Text<'a>>,
    #[serde(borrow)]
    platforms: Option<&'a RawValue>,
    #[serde(borrow)]
    versions: Option<&'a RawValue>,
}

/// A version, or a range of them, that has one status, or changes it on the way.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    #[serde(borrow)]
    version: Text<'a>,
    #[serde(borrow)]
    status: Text<'a>,
    #[serde(borrow)]
    version_type: Option<Text<'a>>,
    #[serde(borrow)]
    less_than: Option<Text<'a>>,
    #[serde(borrow)]
    less_than_or_equal: Option<Text<'a>>,
    #[serde(borrow)]
    changes: Option<Vec<Change<'a>>>,
}

#[derive(Deserialize)]
struct Change<'a> {
    #[serde(borrow)]
    at: Text<'a>,
    #[serde(borrow)]
    status: Text<'a>,
}

/// The collections that are ecosystems: the host of their URL, the ecosystem, the types of version that are its own.
const COLLECTIONS: &[(&str, &str, &[&str])] = &[
    ("registry.npmjs.org", "npm", &["npm"]),
    ("npmjs.com", "npm", &["npm"]),
    ("pypi.org", "PyPI", &["python", "pypi", "pep440"]),
    ("pypi.python.org", "PyPI", &["python", "pypi", "pep440"]),
    ("repo.maven.apache.org", "Maven", &["maven"]),
    ("repo1.maven.org", "Maven", &["maven"]),
    ("mvnrepository.com", "Maven", &["maven"]),
    ("crates.io", "crates.io", &["cargo"]),
    ("rubygems.org", "RubyGems", &["rubygems", "gem"]),
    ("packagist.org", "Packagist", &["composer"]),
    ("nuget.org", "NuGet", &["nuget"]),
    ("hex.pm", "Hex", &["hex"]),
    ("pub.dev", "Pub", &["pub"]),
    ("pkg.go.dev", "Go", &[]),
];

/// Why a product is left.
pub(super) struct Left {
    pub reason: &'static str,
    pub detail: String,
    /// Where it is a package that may be installed, but its versions are not understood: its ecosystem.
    pub ecosystem: Option<&'static str>,
}

impl Affected<'_> {
    /// The package that it is, or why it is left.
    pub(super) fn package(&self, severity: Severity) -> Result<Package, Left> {
        let left = |reason, detail: &str| Left { reason, detail: detail.to_owned(), ecosystem: None };
        let host = self.collection.as_deref().and_then(host);
        let host = host.ok_or_else(|| left("a product of no collection", ""))?;
        let name = self.package_name.as_deref().unwrap_or_default().trim();
        let name = if host == "pkg.go.dev" {
            go_module(name).ok_or_else(|| left("a Go package of no known module", name))?
        } else {
            name
        };
        let known = COLLECTIONS.iter().find(|(of, _, _)| *of == host);
        let known = known.and_then(|(_, of, types)| Some((*of, *types, scheme(of)?)));
        let (ecosystem, types, scheme) =
            known.ok_or_else(|| left("a product of another collection", host))?;
        if name.is_empty() || ecosystem == "Maven" && name.split(':').count() != 2 {
            return Err(left("a collection without a package's name", ecosystem));
        }
        if self.is_elsewhere() {
            return Err(left("on other systems than Linux", name));
        }
        let (ranges, versions) = self.ranges(scheme, types).map_err(|what| Left {
            ecosystem: Some(ecosystem),
            ..left("not understood", &format!("{what}, for {name} in {ecosystem}"))
        })?;
        if ranges.is_empty() && versions.is_empty() {
            return Err(left("no affected versions", &format!("for {name} in {ecosystem}")));
        }
        let (ecosystem, name) = (ecosystem.to_owned(), name.to_owned());
        Ok(Package { ecosystem, name, severity, state: State::Affected, ranges, versions })
    }

    /// Whether platforms are named, and no image of Linux is one.
    fn is_elsewhere(&self) -> bool {
        const SYSTEMS: [&str; 6] = ["windows", "macos", "darwin", "ios", "ipados", "android"];
        let platforms = self.platforms.and_then(|text| serde_json::from_str::<Vec<String>>(text.get()).ok());
        platforms.is_some_and(|platforms| {
            let is =
                |platform: &String| SYSTEMS.iter().any(|system| platform.to_lowercase().starts_with(system));
            !platforms.is_empty() && platforms.iter().all(is)
        })
    }

    /// The affected versions; an error is what has no certain meaning.
    fn ranges(&self, scheme: Scheme, types: &[&str]) -> Result<(Vec<Range>, Vec<String>), String> {
        let entries: Vec<Entry<'_>> = match self.versions {
            Some(text) => serde_json::from_str(text.get()).map_err(|error| format!("versions: {error}"))?,
            None => Vec::new(),
        };
        // Versions that are not listed: below, "affected" would turn every list around.
        let rest = match self.default_status.as_deref() {
            None | Some("unknown") => Rest::Unknown,
            Some("unaffected") => Rest::Unaffected,
            Some(other) => return Err(format!("all versions are {other:?} but these")),
        };
        let (mut ranges, mut versions, mut unaffected) = (Vec::new(), Vec::new(), Vec::new());
        // The type `git` is of commits: no package has them for its version.
        let is_release = |entry: &&Entry<'_>| entry.version_type.as_deref() != Some("git");
        for entry in entries.iter().filter(is_release) {
            let known = |kind: &&str| *kind == "semver" || types.contains(kind);
            let kind = entry.version_type.as_deref();
            if let Some(kind) = kind.filter(|kind| !known(kind)) {
                return Err(format!("versions of type {kind:?}"));
            }
            let Some(parts) = entry.parts(scheme, rest)? else {
                let version = certain(scheme, &entry.version)?.to_owned();
                match &*entry.status {
                    "affected" => versions.push(version),
                    "unaffected" => unaffected.push(only(version)),
                    _ => {}
                }
                continue;
            };
            if kind.is_none() {
                return Err("a range of versions of no type".into());
            }
            for (status, range) in parts {
                match status {
                    "affected" => ranges.push(range),
                    "unaffected" => unaffected.push(range),
                    _ => {}
                }
            }
        }
        let single = versions.iter().cloned().map(only);
        let all: Vec<Range> = ranges.iter().cloned().chain(single).collect();
        // Entries are meant to be disjoint; where they are not, the first would count.
        if all.iter().any(|range| unaffected.iter().any(|other| overlap(scheme, range, other))) {
            return Err("versions that are affected, and are not".into());
        }
        Ok((ranges, versions))
    }
}

/// One version, as a range.
fn only(version: String) -> Range {
    Range { introduced: Some(version.clone()), end: End::LastAffected(version) }
}

/// Whether one of two ranges begins inside the other.
fn overlap(scheme: Scheme, a: &Range, b: &Range) -> bool {
    let begins_in =
        |a: &Range, b: &Range| a.introduced.as_ref().is_some_and(|first| b.contains(scheme, first));
    a.introduced.is_none() && b.introduced.is_none() || begins_in(a, b) || begins_in(b, a)
}

/// What is said of versions that are not listed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    Unknown,
    Unaffected,
}

impl Rest {
    /// The end of affected versions at the first that is not listed.
    fn end(self, version: String) -> End {
        match self {
            Self::Unknown => End::Limit(version),
            Self::Unaffected => End::Fixed(version),
        }
    }
}

impl Entry<'_> {
    /// The parts of a range, each of one status; `None` if it is a single version.
    fn parts(&self, scheme: Scheme, rest: Rest) -> Result<Option<Vec<(&str, Range)>>, String> {
        let last = match (self.less_than.as_deref(), self.less_than_or_equal.as_deref()) {
            (Some("*"), None) | (None, Some("*")) => End::Open,
            (Some(end), None) => rest.end(certain(scheme, end)?.to_owned()),
            (None, Some(end)) => End::LastAffected(certain(scheme, end)?.to_owned()),
            (None, None) if self.changes.is_none() => {
                // By convention 0 is the beginning: as the one affected version it is a range whose end was forgotten.
                let forgotten = &*self.version == "0" && &*self.status == "affected";
                return if forgotten { Err("the version 0 alone".into()) } else { Ok(None) };
            }
            _ => return Err("a range of no or two ends".into()),
        };
        let introduced = match &*self.version {
            "0" => None,
            version => Some(certain(scheme, version)?.to_owned()),
        };
        let mut parts = vec![(&*self.status, Range { introduced, end: last })];
        for change in self.changes.iter().flatten() {
            let at = certain(scheme, &change.at)?;
            let Some((status, part)) = parts.last_mut() else { continue };
            let after = |first: &String| scheme.compare(at, first).is_gt();
            if !part.introduced.as_ref().is_none_or(after) {
                return Err(format!("a change at {at:?} out of order"));
            }
            // Outside the range it changes nothing; GitHub's tools name the fix there.
            let inside = match &part.end {
                End::Open => true,
                End::Fixed(end) | End::Limit(end) => scheme.compare(at, end).is_lt(),
                End::LastAffected(end) => scheme.compare(at, end).is_le(),
            };
            if !inside || *status == &*change.status {
                continue;
            }
            let known = &*change.status == "unaffected";
            let end = if known { End::Fixed(at.to_owned()) } else { End::Limit(at.to_owned()) };
            let end = std::mem::replace(&mut part.end, end);
            parts.push((&*change.status, Range { introduced: Some(at.to_owned()), end }));
        }
        Ok(Some(parts))
    }
}

/// A version whose place in the order is certain.
fn certain(scheme: Scheme, version: &str) -> Result<&str, String> {
    let short = || version.chars().take(60).collect::<String>();
    if scheme.check(version).is_ok() { Ok(version) } else { Err(format!("the version {:?}", short())) }
}

/// What the paths of Go's own packages begin with. Others without a host are somebody's short way to name a repository.
const STANDARD: [&str; 50] = [
    "archive",
    "bufio",
    "builtin",
    "bytes",
    "cmp",
    "compress",
    "container",
    "context",
    "crypto",
    "database",
    "debug",
    "embed",
    "encoding",
    "errors",
    "expvar",
    "flag",
    "fmt",
    "go",
    "hash",
    "html",
    "image",
    "index",
    "internal",
    "io",
    "iter",
    "log",
    "maps",
    "math",
    "mime",
    "net",
    "os",
    "path",
    "plugin",
    "reflect",
    "regexp",
    "runtime",
    "slices",
    "sort",
    "strconv",
    "strings",
    "structs",
    "sync",
    "syscall",
    "testing",
    "text",
    "time",
    "unicode",
    "unique",
    "unsafe",
    "weak",
];

/// The module that a Go package is in, as builds and Go's own database name it. A path tells that only of Go itself, whose
/// packages have no host, and of `golang.org/x`, where the next word is the module; some there have modules inside.
fn go_module(package: &str) -> Option<&str> {
    if let Some(path) = package.strip_prefix("golang.org/x/") {
        const WITH_MODULES_INSIDE: [&str; 3] = ["exp", "telemetry", "tools"];
        if path.starts_with("crypto/x509roots") {
            return None; // another one inside
        }
        let module = path.split('/').next().filter(|module| !module.is_empty())?;
        let whole = &package[..package.len() - path.len() + module.len()];
        return (!WITH_MODULES_INSIDE.contains(&module)).then_some(whole);
    }
    match package.split('/').next()? {
        "" => None,
        "cmd" => Some("toolchain"),
        first => STANDARD.contains(&first).then_some("stdlib"),
    }
}

/// The host of a URL, in lower case as they are written, without `www` and `api`.
fn host(url: &str) -> Option<&str> {
    let (_, rest) = url.trim().split_once("://")?;
    let host = rest.split(['/', '?', '#']).next()?;
    let host = host.strip_prefix("www.").or_else(|| host.strip_prefix("api.")).unwrap_or(host);
    (!host.is_empty()).then_some(host)
}
