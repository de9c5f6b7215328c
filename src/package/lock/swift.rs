//! Swift's `Package.resolved`, versions 1 to 3; `PinsStore` and `ResolvedPackagesStore` of the Swift Package Manager.
//!
//! A package is named as its repository's address, without scheme, user and `.git`; one from a registry by its identity.
//! One that is pinned to a branch has the branch's name for a version, one that is pinned to a commit has none.
//! Directories of the project are left out.

use serde::Deserialize;

use super::{
    super::{Ecosystem, Error, Package},
    entries::List,
    text,
};

#[derive(Deserialize)]
struct File {
    version: u64,
    /// Since version 2.
    pins: Option<List<Pin>>,
    /// In version 1.
    object: Option<Pins>,
}

#[derive(Deserialize)]
struct Pins {
    pins: List<PinOne>,
}

/// A pin of version 1.
#[derive(Deserialize)]
struct PinOne {
    #[serde(rename = "repositoryURL")]
    address: String,
    state: State,
}

#[derive(Deserialize)]
struct Pin {
    #[serde(default)]
    identity: String,
    #[serde(default)]
    kind: String,
    location: String,
    state: State,
}

#[derive(Deserialize)]
struct State {
    version: Option<String>,
    branch: Option<String>,
}

/// Reads all pins.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Package>, Error> {
    let file: File = text::json(bytes)?;
    let package = |name: String, state: State| {
        Package::new(Ecosystem::Swift, name, state.version.or(state.branch).unwrap_or_default())
    };
    match (file.version, file.object, file.pins) {
        (1, Some(Pins { pins }), _) => {
            Ok(pins.into_iter().map(|pin| package(name(&pin.address), pin.state)).collect())
        }
        (2 | 3, _, Some(pins)) => Ok(pins
            .into_iter()
            .filter(|pin| pin.kind != "localSourceControl" && pin.kind != "fileSystem")
            .map(|pin| {
                let name = if pin.location.is_empty() { pin.identity } else { name(&pin.location) };
                package(name, pin.state)
            })
            .collect()),
        (1..=3, ..) => Err(Error::Field("pins")),
        (version, ..) => {
            Err(Error::Damaged { form: "Package.resolved", why: format!("version {version} is not known") })
        }
    }
}

/// Of `https://HOST/PATH.git`, `ssh://git@HOST/PATH` or `git@HOST:PATH`: `HOST/PATH`.
pub(super) fn name(address: &str) -> String {
    let (scheme, rest) = address.split_once("://").unwrap_or(("", address));
    let host_end = rest.find('/').unwrap_or(rest.len());
    // A user is before the host, and may hold anything but `/`.
    let rest = rest[..host_end].rfind('@').map_or(rest, |at| &rest[at + 1..]);
    let rest = rest.trim_end_matches('/');
    let rest = rest.strip_suffix(".git").unwrap_or(rest);
    if scheme.is_empty() { rest.replacen(':', "/", 1) } else { rest.to_owned() }
}

#[cfg(test)]
pub(super) const SAMPLES: [&str; 2] = [
    r#"{ "object": { "pins": [
        { "package": "A", "repositoryURL": "https://github.com/x/A.git",
          "state": { "branch": null, "revision": "0123", "version": "1.0.0" } },
        { "package": "B", "repositoryURL": "git@github.com:x/B.git",
          "state": { "branch": "main", "revision": "0123", "version": null } } ] }, "version": 1 }"#,
    r#"{ "originHash": "0123", "pins": [
        { "identity": "a", "kind": "remoteSourceControl", "location": "ssh://git@example.org:22/x/a/",
          "state": { "revision": "0123", "version": "1.0.0" } },
        { "identity": "mona.List", "kind": "registry", "location": "", "state": { "version": "2.0.0" } },
        { "identity": "here", "kind": "localSourceControl", "location": "/src/here", "state": { "revision": "0123" } },
        { "identity": "c", "kind": "remoteSourceControl", "location": "https://github.com/x/c",
          "state": { "revision": "0123" } } ], "version": 3 }"#,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        super::super::names(read(text.as_bytes()))
    }

    #[test]
    fn each_version() {
        assert_eq!(names(SAMPLES[0]), ["github.com/x/A@1.0.0", "github.com/x/B@main"]);
        assert_eq!(names(SAMPLES[1]), ["example.org:22/x/a@1.0.0", "mona.List@2.0.0", "github.com/x/c@"]);
    }

    #[test]
    fn addresses() {
        assert_eq!(name("https://user:word@example.org/a@b/c.git"), "example.org/a@b/c");
        assert_eq!(name("http://example.org"), "example.org");
        assert_eq!(name(""), "");
    }

    #[test]
    fn errors_name_the_place() {
        let why = |text: &str| read(text.as_bytes()).unwrap_err().to_string();
        assert!(why("{}").contains("version"));
        assert_eq!(why(r#"{"version": 1, "pins": []}"#), "no pins");
        assert_eq!(why(r#"{"version": 4, "pins": []}"#), "Package.resolved: version 4 is not known");
        assert!(why("{\"version\": 2, \"pins\": [\n{\"location\": 1}]}").contains("at line 2"));
    }
}
