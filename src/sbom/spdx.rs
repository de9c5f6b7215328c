//! SPDX 2 in JSON: <https://spdx.github.io/spdx-spec/v2.3/>. [`Document`] is also what a tag-value file is read into.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;

use super::{
    Error, Found, Property,
    collect::{Collector, Component, Said},
    list::{Item, List},
    property::{read_image, read_os, read_package, rooted},
};

/// The parts of a document that are read.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    pub spdx_version: String,
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub packages: List<Package>,
    #[serde(default)]
    pub files: List<File>,
    #[serde(default)]
    pub relationships: List<Relationship>,
    #[serde(default)]
    pub document_describes: List<String>,
    #[serde(default)]
    pub annotations: List<Annotation>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Package {
    #[serde(rename = "SPDXID")]
    pub id: String,
    pub name: String,
    #[serde(default)]
    pub version_info: String,
    #[serde(default)]
    pub primary_package_purpose: String,
    #[serde(default)]
    pub source_info: String,
    #[serde(default)]
    pub external_refs: List<Reference>,
    #[serde(default)]
    pub annotations: List<Annotation>,
    #[serde(default)]
    pub attribution_texts: List<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct File {
    #[serde(rename = "SPDXID")]
    pub id: String,
    #[serde(default)]
    pub file_name: String,
    #[serde(default)]
    pub comment: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Relationship {
    #[serde(default)]
    pub spdx_element_id: String,
    #[serde(default)]
    pub related_spdx_element: String,
    #[serde(default)]
    pub relationship_type: String,
    #[serde(default)]
    pub comment: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reference {
    #[serde(default)]
    pub reference_type: String,
    #[serde(default)]
    pub reference_locator: String,
}

#[derive(Debug, Default, Deserialize)]
pub struct Annotation {
    #[serde(default)]
    pub comment: String,
}

impl Item for Package {}

impl Item for File {}

impl Item for String {}

impl Item for Reference {
    fn is_wanted(&self) -> bool {
        self.reference_type == "purl"
    }
}

impl Item for Relationship {
    fn is_wanted(&self) -> bool {
        self.is_description() || self.is_evidence()
    }
}

impl Item for Annotation {
    fn is_wanted(&self) -> bool {
        self.comment.starts_with('[') || TRIVY.iter().any(|name| self.comment.starts_with(name))
    }
}

/// Names of Trivy's annotations and attribution texts that are read.
const TRIVY: [&str; 5] = ["DiffID: ", "LayerDiffID: ", "ImageID: ", "FilePath: ", "Modularitylabel: "];

impl Relationship {
    /// Some writers leave the last letter out.
    fn is_description(&self) -> bool {
        self.relationship_type.starts_with("DESCRIBE") && !self.relationship_type.ends_with("_BY")
    }

    /// Syft's, between a package and the file that it was found in.
    fn is_evidence(&self) -> bool {
        self.relationship_type == "OTHER" && self.comment.starts_with("evident-by")
    }
}

pub fn read(bytes: &[u8]) -> Result<Found, Error> {
    collect(serde_json::from_slice(bytes)?, "", bytes)
}

/// What a document says; `encoding` is named beside the version.
pub fn collect(document: Document, encoding: &str, bytes: &[u8]) -> Result<Found, Error> {
    let Some(version) =
        document.spdx_version.strip_prefix("SPDX-").filter(|version| version.starts_with("2."))
    else {
        return Err(Error::Version { form: "SPDX", version: document.spdx_version });
    };
    let form = format!("SPDX {version}{encoding}");
    let described: HashSet<String> = document
        .relationships
        .0
        .iter()
        .filter(|relationship| relationship.is_description())
        .map(|relationship| relationship.related_spdx_element.clone())
        .chain(document.document_describes.0)
        .collect();
    let files: HashMap<&str, &File> = document.files.0.iter().map(|file| (file.id.as_str(), file)).collect();
    let mut evidence: HashMap<&str, Vec<&File>> = HashMap::new();
    for relationship in document.relationships.0.iter().filter(|relationship| relationship.is_evidence()) {
        let file = files.get(relationship.related_spdx_element.as_str()).copied();
        evidence.entry(&relationship.spdx_element_id).or_default().extend(file);
    }
    let mut collector = Collector::of(document.name);
    read_image(&properties(document.annotations, List::default()), &mut collector)?;
    for package in document.packages.0 {
        let said = properties(package.annotations, package.attribution_texts);
        let is_described = described.contains(&package.id);
        let mut purls = package.external_refs.0.into_iter().map(|reference| reference.reference_locator);
        let purl = purls.next();
        let purpose = package.primary_package_purpose.as_str();
        if purpose == "OPERATING-SYSTEM" || package.id.starts_with("SPDXRef-OperatingSystem-") {
            match read_os(&said) {
                Some(os) if collector.os.is_none() => collector.os = Some(os),
                _ => collector.os(&package.name, &package.version_info, ""),
            }
            continue;
        }
        if is_described || purpose == "CONTAINER" {
            read_image(&said, &mut collector)?;
        }
        let is_frame = purl.is_none() && (is_described || is_structure(&package.id, purpose));
        if is_frame || (is_described && purpose == "CONTAINER") {
            continue;
        }
        let mut said = read_package(said);
        for file in evidence.get(package.id.as_str()).into_iter().flatten() {
            said.paths.push(rooted(&file.file_name));
            said.layer = said.layer.or_else(|| file.comment.strip_prefix("layerID: ")?.trim().parse().ok());
        }
        if let Some(source) = package.source_info.strip_prefix("built package from: ")
            && said.source_name.is_empty()
        {
            let (name, version) = source.trim().split_once(' ').unwrap_or((source.trim(), ""));
            said.source_name = name.to_owned();
            said.source_version = version.to_owned();
        }
        let (name, version, purl) = (package.name, package.version_info, purl.unwrap_or_default());
        // More than one is more than one package.
        for other in purls.filter(|other| *other != purl) {
            let said = Said { paths: said.paths.clone(), layer: said.layer, ..Said::default() };
            collector.add(Component { name: name.clone(), version: version.clone(), purl: other, said })?;
        }
        collector.add(Component { name, version, purl, said })?;
    }
    collector.finish(form, bytes)
}

/// Packages that stand for no software: what was looked into, files, and the lock files of Trivy.
fn is_structure(id: &str, purpose: &str) -> bool {
    let kinds = ["Application", "ContainerImage", "Filesystem", "Repository", "File"];
    let kind = id.strip_prefix("SPDXRef-").and_then(|rest| rest.split_once('-')).map(|(kind, _)| kind);
    kind.is_some_and(|kind| kinds.contains(&kind))
        || matches!(purpose, "CONTAINER" | "FILE" | "SOURCE" | "ARCHIVE" | "DEVICE" | "FIRMWARE")
}

/// Annotations and attribution texts as properties: Stella's are arrays in JSON, Trivy's are `NAME: VALUE`.
fn properties(annotations: List<Annotation>, texts: List<String>) -> Vec<Property> {
    let mut properties = Vec::new();
    for text in annotations.0.into_iter().map(|annotation| annotation.comment).chain(texts.0) {
        if text.starts_with('[') {
            // Another tool's text may begin so too.
            if let Ok(said) = serde_json::from_str::<List<Property>>(&text) {
                properties.extend(said.0);
            }
        } else if let Some((name, value)) = text.split_once(": ") {
            properties.push(Property {
                name: format!("aquasecurity:trivy:{name}").into(),
                value: value.to_owned(),
            });
        }
    }
    properties
}
