//! CycloneDX in JSON, 1.2 to 1.7: <https://cyclonedx.org/docs/1.6/json/>.

use serde::Deserialize;

use super::{
    Error, Found, Property,
    collect::{Collector, Component},
    list::{Item, List},
    property::{read_image, read_os, read_package},
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bom {
    bom_format: String,
    spec_version: String,
    // Of no use here, but a document in which it is no text is none.
    #[serde(rename = "serialNumber")]
    _serial_number: Option<String>,
    metadata: Option<Metadata>,
    #[serde(default)]
    components: List<Part>,
}

#[derive(Deserialize)]
struct Metadata {
    component: Option<Part>,
    #[serde(default)]
    properties: List<Property>,
}

#[derive(Deserialize)]
struct Part {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    group: Option<String>,
    #[serde(default)]
    name: String,
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    purl: Option<String>,
    #[serde(default)]
    properties: List<Property>,
    #[serde(default)]
    components: List<Part>,
}

impl Item for Part {
    fn is_wanted(&self) -> bool {
        !self.name.is_empty() || self.purl.is_some() || !self.components.0.is_empty()
    }
}

pub fn read(bytes: &[u8]) -> Result<Found, Error> {
    let bom: Bom = serde_json::from_slice(bytes)?;
    let minor = bom.spec_version.strip_prefix("1.").and_then(|minor| minor.parse::<u8>().ok());
    if bom.bom_format != "CycloneDX" || !minor.is_some_and(|minor| (2..=7).contains(&minor)) {
        return Err(Error::Version { form: "CycloneDX", version: bom.spec_version });
    }
    let mut collector = Collector::default();
    if let Some(metadata) = bom.metadata {
        if let Some(mut subject) = metadata.component {
            collector.reference.clone_from(&subject.name);
            read_image(&subject.properties.0, &mut collector)?;
            let parts = std::mem::take(&mut subject.components);
            // An image is no package in itself, but what is described may be a library or a program.
            if subject.kind != "container" && subject.purl.is_some() {
                take(subject, &mut collector)?;
            }
            take_all(parts, &mut collector)?;
        }
        read_image(&metadata.properties.0, &mut collector)?;
    }
    take_all(bom.components, &mut collector)?;
    collector.finish(format!("CycloneDX {}", bom.spec_version), bytes)
}

/// After so many components the memory of those that were taken is given back.
const GIVEN_BACK: usize = 1 << 14;

/// Their depth is bounded by serde_json, at 128.
fn take_all(parts: List<Part>, collector: &mut Collector) -> Result<(), Error> {
    let mut parts = parts.0;
    parts.reverse();
    while let Some(mut part) = parts.pop() {
        // Of hundreds of thousands: what is read and what is made of it must not be there twice.
        if parts.len().is_multiple_of(GIVEN_BACK) {
            parts.shrink_to_fit();
        }
        let inner = std::mem::take(&mut part.components);
        take(part, collector)?;
        take_all(inner, collector)?;
    }
    Ok(())
}

fn take(part: Part, collector: &mut Collector) -> Result<(), Error> {
    let version = part.version.unwrap_or_default();
    let purl = part.purl.unwrap_or_default();
    match part.kind.as_str() {
        "operating-system" => {
            match read_os(&part.properties.0) {
                Some(os) if collector.os.is_none() => collector.os = Some(os),
                _ => collector.os(&part.name, &version, ""),
            }
            return Ok(());
        }
        _ if !purl.is_empty() => {}
        // No software, or no package: Trivy's applications without a version are the files that it found packages in.
        "file" | "data" | "device" | "machine-learning-model" | "cryptographic-asset" => return Ok(()),
        "application" | "container" | "platform" if version.is_empty() => return Ok(()),
        _ => {}
    }
    let name = match part.group {
        Some(group) if !group.is_empty() => format!("{group}/{}", part.name),
        _ => part.name,
    };
    collector.add_leniently(Component { name, version, purl, said: read_package(part.properties.0) })
}
