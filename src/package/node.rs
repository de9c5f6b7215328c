//! `package.json` of installed Node packages; npm's package.json documentation.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};

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
    name: Text,
    #[serde(default)]
    version: Text,
}

/// A text; `None` for anything else, which may be of any size and is not kept.
#[derive(Default)]
struct Text(Option<String>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self(None))
    }
}

impl<'de> Visitor<'de> for Text {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a text")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self, E> {
        Ok(Self(Some(text.trim().to_owned()).filter(|text| !text.is_empty())))
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
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
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(self)
    }
}

/// Reads name and version. A package of a workspace often has no version, and has its name all the same; a file without
/// a name marks a directory, not a package.
pub(super) fn read(_path: &str, bytes: &[u8]) -> Result<Option<Fact>, Error> {
    // A broken one matters only where a package is installed, which the merge knows.
    let parsed: PackageJson = json(bytes)?;
    let Some(name) = parsed.name.0 else { return Ok(None) };
    // A leading `v` or `=` is dropped by npm when it installs.
    let version = parsed.version.0.unwrap_or_default().trim_start_matches(['v', '=', ' ']).to_owned();
    Ok(Some(Fact::Node { package: Package::new(Ecosystem::Npm, name, version) }))
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
        for other in ["[[], {}]", r#"{"a": [1]}"#, "1", "-1", "1.5", "true", "null", "\" \""] {
            let text = format!(r#"{{"version":"1","name":{other}}}"#);
            assert_eq!(read("", text.as_bytes()), Ok(None), "{other}");
        }
        assert!(read("node_modules/a/package.json", b"{").is_err());
    }
}
