//! `Pipfile.lock` of Pipenv; its documentation, "Pipfile & Pipfile.lock".

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, IgnoredAny, MapAccess, Visitor},
};

use super::{Error, Package, Packages, entries::Entries, requirements, text};

/// The packages of `default`, `develop` and the project's own categories: every key but `_meta`.
struct Categories(Packages);

#[derive(Deserialize)]
struct Locked {
    /// Such as `==1.0`; not there where a path or a repository says it.
    version: Option<String>,
}

impl<'de> Deserialize<'de> for Categories {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Categories;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a map of categories")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut packages = Packages::default();
                while let Some(category) = map.next_key::<String>()? {
                    if category == "_meta" {
                        map.next_value::<IgnoredAny>()?;
                    } else {
                        let all = map.next_value::<Entries<Locked>>()?.into_iter();
                        let pinned = all.filter_map(|(name, locked)| Some(name + &locked.version?));
                        let pins = pinned.filter_map(|requirement| requirements::pin(&requirement));
                        packages.extend(pins).map_err(A::Error::custom)?;
                    }
                }
                Ok(Categories(packages))
            }
        }
        deserializer.deserialize_map(Each)
    }
}

/// Every package with a version.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Package>, Error> {
    let Categories(packages) = text::json(bytes)?;
    Ok(packages.into_vec())
}

#[cfg(test)]
mod tests {
    use super::{super::super::Ecosystem, *};

    #[test]
    fn categories() {
        let lock = br#"{"_meta": {"sources": [1]}, "default": {"A_b": {"version": "==1.0", "markers": "x"},
            "c": {"editable": true, "path": "."}}, "develop": {"d": {"version": "===2"}}, "docs": {"e": {"version": "*"}}}"#;
        let want =
            [("a-b", "1.0"), ("d", "2")].map(|(name, version)| Package::new(Ecosystem::Pypi, name, version));
        assert_eq!(read(lock).unwrap(), want);
        for wrong in [
            "",
            "[]",
            r#"{"default": []}"#,
            r#"{"default": {"a": "==1"}}"#,
            r#"{"default": {"a": {"version": 1}}}"#,
            r#"{"default": {"a": {}, "a": {}}}"#,
        ] {
            assert!(matches!(read(wrong.as_bytes()), Err(Error::Json(_))), "{wrong}");
        }
    }
}
