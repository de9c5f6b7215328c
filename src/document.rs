//! JSON documents of an image: indexes, manifests, configs, the `manifest.json` of `docker save`.
//!
//! Container engines read them with Go's `encoding/json`, which takes `Layers` for `layers` and lets the last of several
//! keys win. A document that two readers could understand differently is refused here, not understood in one of the ways:
//! the gate must see the image that will run.

use std::{collections::BTreeSet, fmt};

use serde::{
    Deserialize,
    de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// Reads a document. `keys` are those that are read of it, as they must be spelled.
///
/// Refused: an object with two keys that Go takes for one, and a key that Go takes for one of `keys` but is spelled
/// otherwise. In maps that builders fill freely ([`FREE`]) any keys may stand beside each other.
pub fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8], keys: &[&str]) -> Result<T, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    Check { keys, free: false }.deserialize(&mut json)?;
    json.end()?;
    serde_json::from_slice(bytes)
}

/// Objects whose keys are data: Go reads them as maps, which tell upper from lower case.
const FREE: [&str; 4] = ["annotations", "labels", "volumes", "exposedports"];

/// A key as Go compares it: letters without case, and the two characters beyond ASCII that fold to an ASCII letter.
fn fold(key: &str) -> impl Iterator<Item = char> {
    key.chars().map(|c| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    })
}

#[derive(Clone, Copy)]
struct Check<'a> {
    keys: &'a [&'a str],
    /// Whether this value is an object whose keys are data.
    free: bool,
}

impl<'de> DeserializeSeed<'de> for Check<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Check<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = BTreeSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if !self.free && self.keys.iter().any(|known| *known != key && fold(known).eq(fold(&key))) {
                return Err(A::Error::custom(format!(
                    "key {key:?} is one that container engines read although it is not spelled so; spell it as the \
                     image specification does"
                )));
            }
            let folded: String = fold(&key).collect();
            let free = FREE.contains(&folded.as_str());
            if !seen.insert(if self.free { key.clone() } else { folded }) {
                return Err(A::Error::custom(format!(
                    "key {key:?} stands twice in one object, as container engines read it: which one counts differs \
                     from reader to reader"
                )));
            }
            map.next_value_seed(Check { keys: self.keys, free })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        while sequence.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// Which of the two kinds of document an OCI descriptor led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Names manifests.
    Index,
    /// Names a config and layers.
    Manifest,
}

/// Keys that are read of an index or a manifest.
pub const OCI_KEYS: &[&str] = &[
    "annotations",
    "architecture",
    "artifactType",
    "config",
    "digest",
    "layers",
    "manifests",
    "mediaType",
    "os",
    "platform",
    "size",
    "urls",
    "variant",
];

/// Tells the two apart by what they hold; the media type is a claim of whoever named them.
///
/// A document that is both is read as one thing by one tool and as another by the next (CVE-2021-41190).
pub fn kind(bytes: &[u8]) -> Result<Kind, serde_json::Error> {
    #[derive(Deserialize)]
    struct Shape {
        manifests: Option<IgnoredAny>,
        layers: Option<IgnoredAny>,
        config: Option<IgnoredAny>,
    }
    let shape: Shape = parse(bytes, OCI_KEYS)?;
    match (shape.manifests.is_some(), shape.layers.is_some() || shape.config.is_some()) {
        (true, true) => {
            Err(serde_json::Error::custom("it is an index and a manifest at once; engines differ on which"))
        }
        (true, false) => Ok(Kind::Index),
        (false, _) => Ok(Kind::Manifest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        let read =
            |text: &str| parse::<IgnoredAny>(text.as_bytes(), OCI_KEYS).map(drop).map_err(|e| e.to_string());
        for fine in [
            r#"{"layers": [], "config": {"digest": "x"}, "unknown": 1, "Other": [1.5, null, true, "x"]}"#,
            r#"{"annotations": {"Layers": "a", "layers": "b", "K": "1", "k": "2"}}"#,
            r#"{"config": {"Labels": {"OS": "x", "os": "y"}}}"#,
        ] {
            assert_eq!(read(fine), Ok(()), "{fine}");
        }
        for (bad, word) in [
            (r#"{"layers": [], "Layers": []}"#, "Layers"),
            (r#"{"layers": [], "layers": []}"#, "twice"),
            (r#"{"layer\u017f": []}"#, "spelled"),
            (r#"{"con\u0066ig": {}, "config": {}}"#, "twice"),
            (r#"{"a": [{"x": {"Unknown": 1, "unKnown": 2}}]}"#, "twice"),
            (r#"{"a": {"labels": {"x": 1, "x": 2}}}"#, "twice"),
            (r#"{"layers": []} {"#, "trailing"),
            ("\u{feff}{}", "expected value"),
        ] {
            let error = read(bad).unwrap_err();
            assert!(error.contains(word), "{bad}: {error}");
        }
    }

    #[test]
    fn index_or_manifest_and_never_both() {
        assert_eq!(kind(br#"{"manifests": []}"#).unwrap(), Kind::Index);
        assert_eq!(kind(br#"{"config": {}, "layers": []}"#).unwrap(), Kind::Manifest);
        assert_eq!(kind(b"{}").unwrap(), Kind::Manifest);
        assert!(kind(br#"{"config": {}, "layers": [], "manifests": []}"#).is_err());
    }
}
