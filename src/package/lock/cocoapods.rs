//! CocoaPods' `Podfile.lock`; `Pod::Lockfile` of CocoaPods' core. Subspecs are packages of their own, `POD/SUBSPEC`.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, IgnoredAny, MapAccess, Visitor},
};

use super::{
    super::{Ecosystem, Error, Package},
    entries::List,
    yaml,
};

#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
struct File {
    /// Absent where there are none.
    #[serde(default)]
    pods: List<Pod>,
}

/// `NAME (VERSION)`, as the only key of a map where the pod has dependencies.
struct Pod {
    name: String,
    version: String,
}

impl<'de> Deserialize<'de> for Pod {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NameAndVersion)
    }
}

struct NameAndVersion;

impl<'de> Visitor<'de> for NameAndVersion {
    type Value = Pod;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("NAME (VERSION)")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Pod, E> {
        let parts = text.strip_suffix(')').and_then(|text| text.split_once(" ("));
        let (name, version) = parts.ok_or_else(|| E::custom(format!("`{text}` is not NAME (VERSION)")))?;
        Ok(Pod { name: name.to_owned(), version: version.to_owned() })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pod, A::Error> {
        let key = map.next_key::<String>()?.ok_or_else(|| A::Error::invalid_length(0, &self))?;
        let pod = self.visit_str(&key)?;
        map.next_value::<IgnoredAny>()?;
        match map.next_key::<IgnoredAny>()? {
            Some(_) => Err(A::Error::custom(format!("more than one key beside `{key}`"))),
            None => Ok(pod),
        }
    }
}

/// Reads all pods.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Package>, Error> {
    let file: File = yaml::document(bytes)?;
    Ok(file.pods.into_iter().map(|pod| Package::new(Ecosystem::Cocoapods, pod.name, pod.version)).collect())
}

#[cfg(test)]
pub(super) const SAMPLE: &str = r#"PODS:
  - A (4.2.0):
    - A/Core (= 4.2.0)
  - A/Core (4.2.0)
  - "B+C (1.0.0-beta.1)"
  - "D+E (2.0)":
    - A

DEPENDENCIES:
  - A (~> 4.2)

EXTERNAL SOURCES:
  D+E:
    :path: "../d"

PODFILE CHECKSUM: 0123

COCOAPODS: 1.11.2
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_and_subspecs() {
        let packages = read(SAMPLE.as_bytes()).unwrap();
        let names: Vec<_> = packages.iter().map(|p| (p.name.as_str(), p.version.as_str())).collect();
        assert_eq!(names, [("A", "4.2.0"), ("A/Core", "4.2.0"), ("B+C", "1.0.0-beta.1"), ("D+E", "2.0")]);
        assert_eq!(read(b"PODFILE CHECKSUM: 0123\nCOCOAPODS: 1.11.2\n"), Ok(Vec::new()));
    }

    #[test]
    fn errors_name_the_place() {
        let why = |text: &str| read(text.as_bytes()).unwrap_err().to_string();
        for text in
            ["PODS:\n  - A\n", "PODS:\n  - []\n", "PODS:\n  - A (1): []\n    B (1): []\n", "PODS:\n  - {}\n"]
        {
            assert!(why(text).starts_with("line "), "{text}: {}", why(text));
        }
        assert!(why("PODS:\n  - A (1)\n  - B\n").contains("line 3: `B` is not NAME (VERSION)"));
    }
}
