//! The JSON documents of an image, read as one thing only.
//!
//! Container engines are written in Go, whose decoder finds a field under any spelling that folds to its name
//! (`Layers`, `rootFS`, a long s) and takes the last of several. Whatever such a decoder could read as another document
//! than the one that is gated is refused here, in one place for program and server.

use std::collections::BTreeSet;

use serde::{
    Deserialize,
    de::{
        DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess,
        Visitor,
    },
};

use crate::image::Descriptor;

/// Keys that are read of an index or a manifest.
const MANIFEST: &[&str] = &[
    "schemaVersion",
    "mediaType",
    "manifests",
    "config",
    "layers",
    "fsLayers",
    "digest",
    "size",
    "urls",
    "annotations",
    "platform",
    "os",
    "architecture",
    "variant",
];

/// The key whose value is a map in Go too: there, spellings are keys of their own.
const MAP: &str = "annotations";

/// Why bytes are no document that all readers agree on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not JSON, not of the shape, or of two readings; serde's words, with line and column.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// Index and manifest at once (CVE-2021-41190), or neither.
    #[error("it has {0}")]
    Shape(&'static str),
    /// A version that engines read in another way.
    #[error("it has `fsLayers` or a schemaVersion other than 2, which no current tool writes")]
    Version,
    /// A media type that says another kind of document.
    #[error("its media type is {media_type:?}, but it is {found}")]
    MediaType {
        /// Of the document or of the descriptor that leads to it.
        media_type: String,
        /// What the keys make it.
        found: &'static str,
    },
}

/// What a descriptor may lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// An index, or Docker's manifest list: its entries.
    Index(Vec<Descriptor>),
    /// A manifest of an image or of an artifact.
    Manifest {
        /// The image config, or whatever an artifact has there.
        config: Descriptor,
        /// Bottom to top.
        layers: Vec<Descriptor>,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DocumentJson {
    schema_version: Option<u64>,
    media_type: Option<String>,
    manifests: Option<Vec<Descriptor>>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    fs_layers: Option<IgnoredAny>,
}

impl Document {
    /// Reads an index or a manifest; `media_type` is what led here, empty where nothing did.
    ///
    /// Some engines go by the descriptor's media type, some by the document's, some by its keys: all must agree.
    pub fn parse(bytes: &[u8], media_type: &str) -> Result<Self, Error> {
        let parsed: DocumentJson = parse(bytes, MANIFEST)?;
        if parsed.schema_version.is_some_and(|version| version != 2) || parsed.fs_layers.is_some() {
            return Err(Error::Version);
        }
        let document = match (parsed.manifests, parsed.config, parsed.layers) {
            (Some(manifests), None, None) => Self::Index(manifests),
            (None, Some(config), layers) => Self::Manifest { config, layers: layers.unwrap_or_default() },
            (Some(_), ..) => {
                return Err(Error::Shape(
                    "`manifests` beside `config` or `layers`, an index and an image at once",
                ));
            }
            (None, None, _) => return Err(Error::Shape("neither `manifests` nor `config`")),
        };
        let (other, found) = match document {
            Self::Index(_) => (MANIFEST_MEDIA_TYPES, "an index"),
            Self::Manifest { .. } => (INDEX_MEDIA_TYPES, "a manifest"),
        };
        for media_type in [parsed.media_type.as_deref().unwrap_or_default(), media_type] {
            if other.contains(&media_type) {
                return Err(Error::MediaType { media_type: media_type.to_owned(), found });
            }
        }
        Ok(document)
    }
}

const INDEX_MEDIA_TYPES: &[&str] =
    &["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"];

const MANIFEST_MEDIA_TYPES: &[&str] =
    &["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"];

/// Reads a document of which `known` keys are used, at whatever depth.
///
/// Refuses a known key that is there twice, and one in another spelling: Go reads it, this program would not. What lies
/// below other keys is passed over.
pub fn parse<T: DeserializeOwned>(bytes: &[u8], known: &[&str]) -> Result<T, serde_json::Error> {
    let mut source = serde_json::Deserializer::from_slice(bytes);
    Walk { known, map: false }.deserialize(&mut source)?;
    serde_json::from_slice(bytes)
}

/// Looks at every key of a value. Its depth is bounded by serde_json, at 128.
#[derive(Clone, Copy)]
struct Walk<'a> {
    known: &'a [&'a str],
    /// Whether the value, if it is an object, is a map in Go too.
    map: bool,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<(), D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
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

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<(), A::Error> {
        while values.next_element_seed(Walk { map: false, ..self })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let mut keys = BTreeSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            if let Some(known) = self.known.iter().find(|known| !self.map && is_other_spelling(&key, known)) {
                let why = format_args!("container engines read the key {key:?} as {known:?}");
                return Err(A::Error::custom(why));
            }
            // What nobody reads may be anything.
            if !self.map && !self.known.contains(&key.as_str()) {
                entries.next_value::<IgnoredAny>()?;
                continue;
            }
            let map = !self.map && key == MAP;
            if !keys.insert(key.clone()) {
                let why =
                    format_args!("the key {key:?} is there twice, and which one counts differs by reader");
                return Err(A::Error::custom(why));
            }
            entries.next_value_seed(Walk { map, ..self })?;
        }
        Ok(())
    }
}

fn is_other_spelling(key: &str, known: &str) -> bool {
    key != known && fold(key).eq(fold(known))
}

/// Go's folding as far as it reaches ASCII, which all names of fields are: two letters outside fold into it.
fn fold(key: &str) -> impl Iterator<Item = char> {
    key.chars().map(|letter| match letter {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        letter => letter.to_ascii_lowercase(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    /// The error's words; empty where there is none. `D` stands for a descriptor.
    fn said(text: &str, media_type: &str) -> String {
        let descriptor = format!(r#"{{"digest":"{DIGEST}","size":0}}"#);
        Document::parse(text.replace('D', &descriptor).as_bytes(), media_type)
            .map_or_else(|error| error.to_string(), |_| String::new())
    }

    #[test]
    fn what_engines_read_in_another_way_is_refused() {
        for (text, why) in [
            (r#"{"config":D,"layers":[]}"#, ""),
            (r#"{"manifests":[D],"config":null}"#, ""),
            (
                r#"{"config":D,"annotations":{"Layers":"","layers":""},"subject":{"annotations":{"a":"","A":""}}}"#,
                "",
            ),
            (r#"{"config":D,"layers":[],"Layers":[D]}"#, r#"the key "Layers" as "layers""#),
            (r#"{"config":D,"Layers":[D]}"#, r#"the key "Layers" as "layers""#),
            (r#"{"config":D,"layer\u017f":[D]}"#, "the key \"layerſ\" as \"layers\""),
            (r#"{"config":D,"layers":[],"\u006cayers":[D]}"#, r#"the key "layers" is there twice"#),
            (r#"{"config":D,"x":[{"k":1,"\u212a":2,"Layers":[]}]}"#, ""),
            (r#"{"config":D,"annotations":{"a":"","a":""}}"#, r#"the key "a" is there twice"#),
            (r#"{"config":D,"annotations":{"a":"","A":""}}"#, ""),
            (
                r#"{"config":D,"annotations":{},"Annotations":{}}"#,
                r#"the key "Annotations" as "annotations""#,
            ),
            (r#"{"config":D,"layers":[],"manifests":[]}"#, "an index and an image at once"),
            (r#"{"layers":[],"manifests":[]}"#, "an index and an image at once"),
            (r#"{"hello":"world"}"#, "neither `manifests` nor `config`"),
            (r#"{"schemaVersion":1,"config":D}"#, "a schemaVersion other than 2"),
            (r#"{"schemaVersion":2,"config":D,"fsLayers":[]}"#, "`fsLayers`"),
            (r#"{"config":D}{"config":D}"#, "trailing characters"),
            ("\u{feff}{\"config\":D}", "expected value"),
            (r#"{"config":{"digest":"sha256:00","size":0}}"#, "sha256:00"),
            (r#"{"config":{"size":-1}}"#, "-1"),
        ] {
            let found = said(text, "");
            assert!(if why.is_empty() { found.is_empty() } else { found.contains(why) }, "{text}: {found}");
        }
        let deep = format!(r#"{{"config":D,"layers":{}{}}}"#, "[".repeat(500), "]".repeat(500));
        assert!(said(&deep, "").contains("recursion limit"));
    }

    #[test]
    fn media_types_agree_with_the_keys() {
        let [index, manifest] = [INDEX_MEDIA_TYPES[0], MANIFEST_MEDIA_TYPES[1]];
        for (named, led, good) in [
            (manifest, manifest, true),
            ("", MANIFEST_MEDIA_TYPES[0], true),
            ("x/y", "", true),
            (index, "", false),
            ("", index, false),
            (manifest, INDEX_MEDIA_TYPES[1], false),
        ] {
            let found = said(&format!(r#"{{"mediaType":"{named}","config":D}}"#), led);
            assert_eq!(found.is_empty(), good, "{named} {led}: {found}");
        }
        assert!(
            said(&format!(r#"{{"mediaType":"{manifest}","manifests":[]}}"#), "").contains("it is an index")
        );
    }
}
