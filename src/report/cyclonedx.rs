//! CycloneDX 1.5 and 1.6 in JSON: the inventory of an image. <https://cyclonedx.org/docs/1.6/json/>
//!
//! The model is of just the fields that are written: the crates for the standard model all of it, each version apart.

use std::io;

use jiff::Timestamp;
use serde::Serialize;

use super::json;
use crate::{
    digest::Digest,
    inventory::Installed,
    package::{Ecosystem, OsRelease, purl},
    sbom::{Property, Sbom, of_image, of_os, of_package, of_skipped},
};

/// A version of the standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// 1.5, for readers that do not know 1.6 yet.
    V1_5,
    /// 1.6.
    V1_6,
}

impl Version {
    fn as_str(self) -> &'static str {
        match self {
            Self::V1_5 => "1.5",
            Self::V1_6 => "1.6",
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bom<'a> {
    #[serde(rename = "$schema")]
    schema: String,
    bom_format: &'static str,
    spec_version: &'static str,
    serial_number: String,
    version: u32,
    metadata: Metadata<'a>,
    components: Vec<Component<'a>>,
    dependencies: [Dependency<'a>; 1],
    compositions: [Composition; 1],
}

#[derive(Serialize)]
struct Metadata<'a> {
    timestamp: String,
    tools: Tools,
    component: Component<'a>,
    properties: Vec<Property>,
}

#[derive(Serialize)]
struct Tools {
    components: [Tool; 1],
}

#[derive(Serialize)]
struct Tool {
    #[serde(rename = "type")]
    kind: &'static str,
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct Component<'a> {
    #[serde(rename = "bom-ref")]
    reference: String,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    group: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "String::is_empty")]
    version: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    purl: String,
    properties: Vec<Property>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Dependency<'a> {
    #[serde(rename = "ref")]
    reference: &'static str,
    depends_on: Vec<&'a str>,
}

/// How complete the list of components is.
#[derive(Serialize)]
struct Composition {
    aggregate: &'static str,
    assemblies: [&'static str; 1],
}

const IMAGE: &str = "image";
const OS: &str = "operating-system";
/// Longest version that the standard takes, in characters. A property has all of it.
const MAX_VERSION: usize = 1_024;

/// Writes the SBOM as of `now`, indented by two spaces, with a newline at the end.
///
/// The serial number is made from the document's own content.
pub fn write(sbom: &Sbom, version: Version, now: Timestamp, out: &mut dyn io::Write) -> io::Result<()> {
    let os = sbom.inventory.os.as_ref();
    let components: Vec<Component> = os
        .map(operating_system)
        .into_iter()
        .chain(sbom.inventory.packages.iter().map(|installed| component(installed, sbom)))
        .collect();
    let references: Vec<String> = components.iter().map(|component| component.reference.clone()).collect();
    let is_complete = sbom.inventory.skipped.is_empty();
    let mut bom = Bom {
        schema: format!("http://cyclonedx.org/schema/bom-{}.schema.json", version.as_str()),
        bom_format: "CycloneDX",
        spec_version: version.as_str(),
        serial_number: String::new(),
        version: 1,
        metadata: Metadata {
            timestamp: now.to_string(),
            tools: Tools {
                components: [Tool {
                    kind: "application",
                    name: "stella",
                    version: env!("CARGO_PKG_VERSION"),
                }],
            },
            component: Component {
                reference: IMAGE.to_owned(),
                kind: "container",
                group: "",
                name: &sbom.reference,
                version: sbom.image.digest().to_string(),
                purl: String::new(),
                properties: of_image(sbom),
            },
            properties: of_skipped(sbom),
        },
        components,
        dependencies: [Dependency {
            reference: IMAGE,
            depends_on: references.iter().map(String::as_str).collect(),
        }],
        compositions: [Composition {
            aggregate: if is_complete { "complete" } else { "incomplete" },
            assemblies: [IMAGE],
        }],
    };
    bom.serial_number = format!("urn:uuid:{}", Digest::of(&serde_json::to_vec(&bom)?).uuid());
    json::pretty(&bom, out)
}

fn operating_system(os: &OsRelease) -> Component<'_> {
    Component {
        reference: OS.to_owned(),
        kind: OS,
        group: "",
        name: if os.id.is_empty() { "unknown" } else { &os.id },
        version: version(if os.version.is_empty() { &os.codename } else { &os.version }),
        purl: String::new(),
        properties: of_os(os),
    }
}

fn component<'a>(installed: &'a Installed, sbom: &Sbom) -> Component<'a> {
    let package = &installed.package;
    let (group, name) = match package.ecosystem {
        Ecosystem::Npm if package.name.starts_with('@') => package.name.split_once('/'),
        Ecosystem::Maven => package.name.rsplit_once(':'),
        _ => None,
    }
    .unwrap_or(("", &package.name));
    Component {
        reference: reference(installed),
        kind: "library",
        group,
        name,
        version: version(&package.version),
        purl: purl(package, sbom.inventory.os.as_ref()),
        properties: of_package(installed, sbom),
    }
}

fn version(text: &str) -> String {
    text.chars().take(MAX_VERSION).collect()
}

/// A name of its own for each package of each layer, the same in every SBOM of the image.
pub(super) fn reference(installed: &Installed) -> String {
    let said = serde_json::to_vec(&(&installed.package, installed.layer)).unwrap_or_default();
    format!("package-{}", &Digest::of(&said).hex()[..32])
}
