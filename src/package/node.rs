//! `package.json` of installed Node packages; npm's package.json documentation.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::{Ecosystem, Error, Fact, Package, Unpinned, holds, json};

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
#[serde(rename_all = "camelCase")]
struct PackageJson {
    #[serde(default)]
    name: Value,
    #[serde(default)]
    version: Value,
    #[serde(default)]
    dependencies: Value,
    #[serde(default)]
    dev_dependencies: Value,
    #[serde(default)]
    optional_dependencies: Value,
    #[serde(default)]
    private: Value,
}

/// What may be of any kind and size, and of which little is kept.
#[derive(Default)]
enum Value {
    Text(String),
    /// As a list of dependencies: whether there is one from outside of the project.
    Map {
        asks: bool,
    },
    True,
    #[default]
    Other,
}

/// Ranges that lead to other directories of the project.
const OWN: [&str; 4] = ["workspace:", "file:", "link:", "portal:"];

impl Value {
    fn text(self) -> Option<String> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    fn asks(&self) -> bool {
        matches!(self, Self::Map { asks: true })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self::Other)
    }
}

impl<'de> Visitor<'de> for Value {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self, E> {
        let text = text.trim();
        Ok(if text.is_empty() { Self::Other } else { Self::Text(text.to_owned()) })
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, is_true: bool) -> Result<Self, E> {
        Ok(if is_true { Self::True } else { Self::Other })
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut asks = false;
        // The depth is bounded by the parser.
        while let Some((_, range)) = map.next_entry::<IgnoredAny, Self>()? {
            asks |= !matches!(range, Self::Text(range) if OWN.iter().any(|own| range.starts_with(own)));
        }
        Ok(Self::Map { asks })
    }
}

/// Reads name and version. A package of a workspace often has no version, and has its name all the same; a file without
/// a name marks a directory, not a package.
pub(super) fn read(path: &str, bytes: &[u8]) -> Result<Option<Fact>, Error> {
    // A broken one matters only where a package is installed, which the merge knows.
    let parsed: PackageJson = json(bytes)?;
    let mut dependencies =
        [&parsed.dependencies, &parsed.dev_dependencies, &parsed.optional_dependencies].into_iter();
    // What installed packages need is installed with them.
    let is_partial = !path.contains("node_modules/") && dependencies.any(Value::asks);
    let Some(name) = parsed.name.text() else {
        return Ok(is_partial.then(|| Fact::Locked {
            packages: Vec::new(),
            is_partial,
            unpinned: Unpinned::default(),
        }));
    };
    // A leading `v` or `=` is dropped by npm when it installs.
    let version = parsed.version.text().unwrap_or_default();
    let version = version.trim_start_matches(['v', '=', ' ']);
    let is_private = matches!(parsed.private, Value::True);
    Ok(Some(Fact::Node { package: Package::new(Ecosystem::Npm, name, version), is_partial, is_private }))
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
        let Some(Fact::Node { package, .. }) = fact else { panic!() };
        assert_eq!((package.name.as_str(), package.version.as_str()), ("@s/a", "1.2.3"));
        assert_eq!(read("", br#"{"type":"module"}"#), Ok(None));
        let fact = read("", br#"{"name":"a","private":true}"#).unwrap();
        assert!(matches!(fact, Some(Fact::Node { package, .. }) if package.version.is_empty()));
        for other in ["[[], {}]", r#"{"a": [1]}"#, "1", "-1", "1.5", "true", "null", "\" \""] {
            let text = format!(r#"{{"version":"1","name":{other}}}"#);
            assert_eq!(read("", text.as_bytes()), Ok(None), "{other}");
        }
        assert!(read("node_modules/a/package.json", b"{").is_err());
    }

    #[test]
    fn what_asks_for_others() {
        let asks = |path: &str, text: &str| match read(path, text.as_bytes()).unwrap() {
            Some(Fact::Node { is_partial, .. } | Fact::Locked { is_partial, .. }) => is_partial,
            _ => false,
        };
        for text in [
            r#"{"name": "a", "dependencies": {"b": "^1"}}"#,
            r#"{"devDependencies": {"own": "workspace:*", "b": "1"}}"#,
            r#"{"optionalDependencies": {"b": {}}}"#,
        ] {
            assert!(asks("package.json", text) && !asks("node_modules/a/package.json", text), "{text}");
        }
        for text in [
            r#"{"name": "a", "dependencies": {}}"#,
            r#"{"name": "a", "dependencies": {"own": "file:../own"}, "peerDependencies": {"b": "1"}}"#,
            r#"{"name": "a", "dependencies": [1]}"#,
        ] {
            assert!(!asks("package.json", text), "{text}");
        }
    }
}
