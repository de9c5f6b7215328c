//! `package.json` of installed Node packages; npm's package.json documentation.

use serde::Deserialize;

use super::{Ecosystem, Error, Fact, Package, holds, json};

/// By name.
pub(super) fn is_named(path: &str, head: &[u8]) -> bool {
    (path == "package.json" || path.ends_with("/package.json")) && !head.is_empty()
}

/// As a JSON object that speaks of a name or a version: pnpm hard-links every file to one in its store, which has another
/// name and comes first in the tar.
pub(super) fn recognise(_path: &str, head: &[u8]) -> bool {
    let object = || head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start().starts_with(b"{");
    object() && (holds(head, b"\"name\"") || holds(head, b"\"version\""))
}

#[derive(Deserialize)]
struct PackageJson {
    #[serde(default)]
    name: serde_json::Value,
    #[serde(default)]
    version: serde_json::Value,
}

/// Reads name and version. A package of a workspace often has no version, and has its name all the same; a file without
/// a name marks a directory, not a package.
pub(super) fn read(_path: &str, bytes: &[u8]) -> Result<Option<Fact>, Error> {
    // A broken one matters only where a package is installed, which the merge knows.
    let parsed: PackageJson = json(bytes)?;
    let text = |value: serde_json::Value| match value {
        serde_json::Value::String(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
        _ => None,
    };
    let Some(name) = text(parsed.name) else { return Ok(None) };
    // A leading `v` or `=` is dropped by npm when it installs.
    let version = text(parsed.version).unwrap_or_default().trim_start_matches(['v', '=', ' ']).to_owned();
    Ok(Some(Fact::Node {
        package: Package { ecosystem: Ecosystem::Npm, name, version, arch: None, source: None },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn told_by_content_too() {
        assert!(recognise("store/v3/files/00/abc", b"\n{\"name\": \"a\""));
        assert!(is_named("app/package.json", b"x"));
        assert!(!recognise("app/data.json", b"{\"colour\": 1}"));
        assert!(!recognise("app/main.js", b"const a = {\"name\": 1}"));
    }

    #[test]
    fn reads_name_and_version_only() {
        let fact = read("", br#"{"name":"@s/a","version":"v1.2.3","bin":7}"#).unwrap();
        let Some(Fact::Node { package }) = fact else { panic!() };
        assert_eq!((package.name.as_str(), package.version.as_str()), ("@s/a", "1.2.3"));
        assert_eq!(read("", br#"{"type":"module"}"#), Ok(None));
        let fact = read("", br#"{"name":"a","private":true}"#).unwrap();
        assert!(matches!(fact, Some(Fact::Node { package }) if package.version.is_empty()));
        assert!(read("node_modules/a/package.json", b"{").is_err());
    }
}
