//! Conan's `conan.lock`: the graph of Conan 1 (versions 0.1 to 0.4) and the lists of Conan 2 (version 0.5); Conan's
//! documentation of lock files.
//!
//! What is needed to build and is no part of what is built is left out: nodes of the build context, `build_requires`,
//! `python_requires` and `config_requires`.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, IgnoredAny, SeqAccess, Visitor},
};

use super::{
    super::{Ecosystem, Error, Package},
    entries::{Entries, List},
    text,
};

#[derive(Deserialize)]
struct File {
    /// Conan 1.
    graph_lock: Option<Graph>,
    /// Conan 2.
    requires: Option<List<Reference>>,
}

#[derive(Deserialize)]
struct Graph {
    nodes: Entries<Node>,
}

#[derive(Deserialize)]
struct Node {
    /// Absent from the project's own node.
    #[serde(rename = "ref")]
    reference: Option<Reference>,
    /// The same, with the package's identity after it; before version 0.4.
    pref: Option<Reference>,
    #[serde(default)]
    context: String,
}

/// `NAME/VERSION@USER/CHANNEL#REVISION%TIME`, of which only the first two must be there; Conan 2 writes a list of this and
/// of packages where those are locked too.
struct Reference {
    name: String,
    version: String,
}

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NameAndVersion)
    }
}

struct NameAndVersion;

impl<'de> Visitor<'de> for NameAndVersion {
    type Value = Reference;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("NAME/VERSION")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Reference, E> {
        let end = text.find(['@', '#', '%', ':']).unwrap_or(text.len());
        match text[..end].split_once('/') {
            Some((name, version)) if !name.is_empty() && !version.is_empty() => {
                Ok(Reference { name: name.to_owned(), version: version.to_owned() })
            }
            _ => Err(E::custom(format!("`{text}` is not NAME/VERSION"))),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Reference, A::Error> {
        let text: String = list.next_element()?.ok_or_else(|| A::Error::invalid_length(0, &self))?;
        while list.next_element::<IgnoredAny>()?.is_some() {}
        self.visit_str(&text)
    }
}

/// Reads all packages that are part of what is built.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Package>, Error> {
    let file: File = text::json(bytes)?;
    let references: Vec<_> = match (file.graph_lock, file.requires) {
        (Some(graph), _) => graph
            .nodes
            .into_iter()
            .filter(|(_, node)| node.context != "build")
            .filter_map(|(_, node)| node.reference.or(node.pref))
            .collect(),
        (None, Some(requires)) => requires.0,
        (None, None) => return Err(Error::Field("graph_lock or requires")),
    };
    let package = |reference: Reference| Package::new(Ecosystem::Conan, reference.name, reference.version);
    Ok(references.into_iter().map(package).collect())
}

#[cfg(test)]
pub(super) const SAMPLES: [&str; 2] = [
    r#"{ "version": "0.4", "graph_lock": { "revisions_enabled": true, "nodes": {
        "0": { "path": "conanfile.txt", "context": "host" },
        "1": { "ref": "a/1.0.0@user/channel#0123", "context": "host" },
        "2": { "pref": "b/2.0:0123#4567" },
        "3": { "ref": "cmake/3.20", "context": "build" } } } }"#,
    r#"{ "version": "0.5", "requires": [ "a/1.0.0#0123%1675278904.07", ["b/cci.2020@u/c#0123", { "0123": "4567" }] ],
        "build_requires": [ "cmake/3.20" ], "python_requires": [ "tool/1.0" ] }"#,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        read(text.as_bytes()).unwrap().into_iter().map(|p| format!("{}@{}", p.name, p.version)).collect()
    }

    #[test]
    fn both_forms() {
        assert_eq!(names(SAMPLES[0]), ["a@1.0.0", "b@2.0"]);
        assert_eq!(names(SAMPLES[1]), ["a@1.0.0", "b@cci.2020"]);
    }

    #[test]
    fn errors_name_the_place() {
        let why = |text: &str| read(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(why(r#"{"version": "0.5"}"#), "no graph_lock or requires");
        assert!(why("{\"requires\": [\n\"a\"]}").contains("`a` is not NAME/VERSION at line 2"));
        assert!(why("{\"requires\": [\n1]}").contains("at line 2"));
        assert!(
            why(r#"{"graph_lock": {"nodes": {"1": {}, "1": {}}}}"#).contains("the key `1` is there twice")
        );
    }
}
