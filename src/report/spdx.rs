//! SPDX 2.3 in JSON: the inventory of an image. <https://spdx.github.io/spdx-spec/v2.3/>
//!
//! What SPDX has no field for (layers, files, what was not looked at) stands in annotations: an array of the properties
//! that CycloneDX has, as JSON.

use std::{borrow::Cow, io};

use jiff::Timestamp;
use serde::Serialize;

use super::{
    cyclonedx::reference,
    json::{List, Named},
};
use crate::{
    inventory::Installed,
    package::{OsRelease, purl},
    sbom::{Property, Sbom, of_image, of_os, of_package, of_skipped},
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a, P, N> {
    spdx_version: &'static str,
    data_license: &'static str,
    #[serde(rename = "SPDXID")]
    id: &'static str,
    name: &'a str,
    creation_info: CreationInfo<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    annotations: Vec<Annotation<'a>>,
    packages: P,
    relationships: Vec<Relationship<'a>>,
    /// Last, because it is made of all that stands before it.
    document_namespace: N,
}

#[derive(Serialize)]
struct CreationInfo<'a> {
    created: &'a str,
    creators: [&'static str; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Package<'a> {
    #[serde(rename = "SPDXID")]
    id: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    version_info: Cow<'a, str>,
    primary_package_purpose: &'static str,
    download_location: &'static str,
    files_analyzed: bool,
    license_concluded: &'static str,
    license_declared: &'static str,
    copyright_text: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    source_info: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    external_refs: Vec<Reference>,
    annotations: Vec<Annotation<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Reference {
    reference_category: &'static str,
    reference_type: &'static str,
    reference_locator: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Annotation<'a> {
    annotator: &'static str,
    annotation_date: &'a str,
    annotation_type: &'static str,
    comment: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Relationship<'a> {
    spdx_element_id: &'static str,
    relationship_type: &'static str,
    related_spdx_element: &'a str,
}

const DOCUMENT: &str = "SPDXRef-DOCUMENT";
const IMAGE: &str = "SPDXRef-Image";
const OS: &str = "SPDXRef-OperatingSystem";
const TOOL: &str = concat!("Tool: stella-", env!("CARGO_PKG_VERSION"));
const UNKNOWN: &str = "NOASSERTION";

/// Writes the SBOM as of `now`, each package on a line of its own.
///
/// The namespace is made from the document's own content.
pub fn write(sbom: &Sbom, now: Timestamp, out: &mut dyn io::Write) -> io::Result<()> {
    let out = Named::new(out);
    let now = now.to_string();
    let os = sbom.inventory.os.as_ref();
    let installed = &sbom.inventory.packages;
    let ids: Vec<String> = installed.iter().map(|each| ["SPDXRef-", &reference(each)].concat()).collect();
    let packages = || {
        let image = std::iter::once_with(|| image(sbom, &now));
        let os = os.map(|os| operating_system(os, &now));
        image.chain(os).chain(installed.iter().zip(&ids).map(|(each, id)| package(each, id, sbom, &now)))
    };
    let contained = os.map(|_| OS).into_iter().chain(ids.iter().map(String::as_str));
    let described = Relationship {
        spdx_element_id: DOCUMENT,
        relationship_type: "DESCRIBES",
        related_spdx_element: IMAGE,
    };
    let contains =
        |id| Relationship { spdx_element_id: IMAGE, relationship_type: "CONTAINS", related_spdx_element: id };
    let document = Document {
        spdx_version: "SPDX-2.3",
        data_license: "CC0-1.0",
        id: DOCUMENT,
        name: name(&sbom.reference),
        creation_info: CreationInfo { created: &now, creators: [TOOL] },
        annotations: annotations(of_skipped(sbom), &now),
        packages: List(packages),
        relationships: [described].into_iter().chain(contained.map(contains)).collect(),
        document_namespace: &out,
    };
    out.pretty(&document, 1)
}

/// Writes the SBOM as the predicate of an in-toto statement, whose subjects are for whoever attaches it to say.
///
/// The form: in-toto's attestation framework, "Statement", version 0.1, which is what BuildKit reads of its generators.
pub fn write_statement(sbom: &Sbom, now: Timestamp, out: &mut dyn io::Write) -> io::Result<()> {
    out.write_all(br#"{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://spdx.dev/Document","subject":[],"predicate":"#)?;
    write(sbom, now, out)?;
    out.write_all(b"}\n")
}

fn image<'a>(sbom: &'a Sbom, now: &'a str) -> Package<'a> {
    let version = sbom.image.digest().to_string();
    element(IMAGE, &sbom.reference, version.into(), "CONTAINER", annotations(of_image(sbom), now))
}

fn operating_system<'a>(os: &'a OsRelease, now: &'a str) -> Package<'a> {
    let version = if os.version.is_empty() { &os.codename } else { &os.version };
    element(OS, &os.id, version.into(), "OPERATING-SYSTEM", annotations(of_os(os), now))
}

fn package<'a>(installed: &'a Installed, id: &'a str, sbom: &'a Sbom, now: &'a str) -> Package<'a> {
    let package = &installed.package;
    let said = annotations(of_package(installed, sbom), now);
    let source = package.source.as_ref();
    Package {
        source_info: source
            .map(|source| ["built package from: ", &source.name, " ", &source.version].concat())
            .unwrap_or_default(),
        external_refs: vec![Reference {
            reference_category: "PACKAGE-MANAGER",
            reference_type: "purl",
            reference_locator: purl(package, sbom.inventory.os.as_ref()),
        }],
        ..element(id, &package.name, (&package.version).into(), "LIBRARY", said)
    }
}

fn element<'a>(
    id: &'a str,
    called: &'a str,
    version_info: Cow<'a, str>,
    primary_package_purpose: &'static str,
    annotations: Vec<Annotation<'a>>,
) -> Package<'a> {
    Package {
        id,
        name: name(called),
        version_info,
        primary_package_purpose,
        download_location: UNKNOWN,
        files_analyzed: false,
        license_concluded: UNKNOWN,
        license_declared: UNKNOWN,
        copyright_text: UNKNOWN,
        source_info: String::new(),
        external_refs: Vec::new(),
        annotations,
    }
}

/// Everything has a name in SPDX.
fn name(text: &str) -> &str {
    if text.is_empty() { "unknown" } else { text }
}

fn annotations(properties: Vec<Property>, now: &str) -> Vec<Annotation<'_>> {
    if properties.is_empty() {
        return Vec::new();
    }
    let comment = serde_json::to_string(&properties).unwrap_or_default();
    vec![Annotation { annotator: TOOL, annotation_date: now, annotation_type: "OTHER", comment }]
}
