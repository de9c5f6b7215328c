//! What Stella says of an image in properties of its own, and what of other tools' properties it reads.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::collect::{Collector, Said};
use super::{Error, Sbom, list::Item};
use crate::{
    digest::Digest,
    inventory::{Installed, LockFile},
    package::{Ecosystem, OsRelease, Package, Source},
    report::{image_name, image_tag},
};

/// A named value: a property of CycloneDX; in SPDX, an annotation holds an array of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Property {
    /// Such as `stella:layer:index`.
    #[serde(default)]
    pub name: Cow<'static, str>,
    /// The value.
    #[serde(default)]
    pub value: String,
}

const WRITERS: [&str; 3] = ["stella:", "aquasecurity:trivy:", "syft:"];

impl Item for Property {
    fn is_wanted(&self) -> bool {
        WRITERS.iter().any(|writer| self.name.starts_with(writer)) && !self.name.starts_with("syft:cpe23")
    }
}

fn property(name: &'static str, value: impl Into<String>) -> Property {
    Property { name: Cow::Borrowed(name), value: value.into() }
}

/// Of the image: platform, digests, layers with their instructions; how much of it was looked at, and its lock files.
pub fn of_image(sbom: &Sbom) -> Vec<Property> {
    let image = &sbom.image;
    let mut properties = Vec::new();
    properties.push(property("stella:platform:os", &image.platform.os));
    properties.push(property("stella:platform:architecture", &image.platform.architecture));
    properties.push(property("stella:platform:variant", &image.platform.variant));
    let manifest = image.manifest_digest;
    properties.extend(manifest.map(|digest| property("stella:image:manifest-digest", digest.to_string())));
    properties.push(property("stella:image:config-digest", image.config_digest.to_string()));
    for layer in &image.layers {
        properties.push(property("stella:image:layer", layer.diff_id.to_string()));
        if !layer.instruction.is_empty() {
            properties.push(property("stella:image:instruction", &layer.instruction));
        }
    }
    properties.extend(image.base.as_ref().map(|base| property("stella:image:base", json(base))));
    let looked_at = &sbom.inventory;
    let counts = [("stella:image:files", looked_at.files), ("stella:image:bytes", looked_at.size_bytes)];
    let counts = counts.iter().filter(|(_, count)| *count > 0);
    properties.extend(counts.map(|(name, count)| property(name, count.to_string())));
    properties.extend(looked_at.lock_files.iter().map(|file| property("stella:image:lock-file", json(file))));
    properties
}

/// Of the document: each thing that was not looked at, as JSON.
pub fn of_skipped(sbom: &Sbom) -> Vec<Property> {
    sbom.inventory.skipped.iter().map(|skipped| property("stella:skipped", json(skipped))).collect()
}

/// What GitLab knows the list of an image's dependencies by; its CycloneDX property taxonomy,
/// <https://docs.gitlab.com/development/sec/cyclonedx_property_taxonomy/>. Nothing for a directory, which is no image.
pub fn for_gitlab(sbom: &Sbom) -> Vec<Property> {
    if sbom.image.is_directory() {
        return Vec::new();
    }
    let mut properties = vec![
        property("gitlab:meta:schema_version", "1"),
        property("gitlab:container_scanning:image:name", image_name(&sbom.reference)),
    ];
    properties
        .extend(image_tag(&sbom.reference).map(|tag| property("gitlab:container_scanning:image:tag", tag)));
    if let Some(os) = &sbom.inventory.os {
        properties.push(property("gitlab:container_scanning:operating_system:name", &os.id));
        properties.push(property("gitlab:container_scanning:operating_system:version", &os.version));
    }
    properties
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// Of the operating system.
pub fn of_os(os: &OsRelease) -> Vec<Property> {
    vec![
        property("stella:os:id", &os.id),
        property("stella:os:version", &os.version),
        property("stella:os:codename", &os.codename),
        property("stella:os:support-end", &os.support_end),
    ]
}

/// Of a package: what it is, its source and module, its layer, the files that it was read from, what is inside it.
pub fn of_package(installed: &Installed, sbom: &Sbom) -> Vec<Property> {
    let package = &installed.package;
    // As many as nearly every package has.
    let mut properties = Vec::with_capacity(12);
    properties.push(property("stella:package:ecosystem", package.ecosystem.as_str()));
    properties.push(property("stella:package:name", &package.name));
    properties.push(property("stella:package:version", &package.version));
    properties.extend(package.arch.as_ref().map(|arch| property("stella:package:arch", arch)));
    if let Some(source) = &package.source {
        properties.push(property("stella:source:name", &source.name));
        properties.push(property("stella:source:version", &source.version));
    }
    properties.extend(package.module.as_ref().map(|module| property("stella:package:module", module)));
    properties.push(property("stella:layer:index", installed.layer.to_string()));
    let layer = sbom.image.layers.get(installed.layer);
    properties.extend(layer.map(|layer| property("stella:layer:diff-id", layer.diff_id.to_string())));
    properties.extend(installed.paths.iter().map(|path| property("stella:path", path)));
    properties
        .extend(installed.identities.iter().map(|identity| property("stella:identity", json(identity))));
    properties
        .extend(installed.built_using.iter().map(|source| property("stella:built-using", json(source))));
    properties
}

/// Reads the properties of an image and of its document.
pub fn read_image(properties: &[Property], collector: &mut Collector) -> Result<(), Error> {
    for Property { name, value } in properties {
        let mut platform = |field: fn(&mut crate::image::Platform) -> &mut String| {
            let empty = || crate::image::Platform {
                os: String::new(),
                architecture: String::new(),
                variant: String::new(),
            };
            field(collector.platform.get_or_insert_with(empty)).clone_from(value);
        };
        match name.as_ref() {
            "stella:platform:os" => platform(|platform| &mut platform.os),
            "stella:platform:architecture" => platform(|platform| &mut platform.architecture),
            "stella:platform:variant" => platform(|platform| &mut platform.variant),
            "stella:image:manifest-digest" => collector.manifest_digest = value.parse().ok(),
            "stella:image:config-digest" | "aquasecurity:trivy:ImageID" => {
                collector.config_digest = value.parse().ok();
            }
            "stella:image:layer" | "aquasecurity:trivy:DiffID" => {
                if let Ok(diff_id) = value.parse() {
                    collector.push_layer(diff_id, String::new())?;
                }
            }
            "stella:image:instruction" => {
                if let Some(layer) = collector.layers.last_mut() {
                    layer.instruction.clone_from(value);
                }
            }
            "stella:image:base" => collector.base = serde_json::from_str(value).ok(),
            "stella:image:files" => collector.files = value.parse().unwrap_or_default(),
            "stella:image:bytes" => collector.size_bytes = value.parse().unwrap_or_default(),
            "stella:image:lock-file" => collector.lock_files.extend(serde_json::from_str::<LockFile>(value)),
            "stella:skipped" => match serde_json::from_str(value) {
                Ok(skipped) => collector.skipped.push(skipped),
                Err(error) => collector.skip("unreadable", value.clone(), error.to_string()),
            },
            _ => {}
        }
    }
    Ok(())
}

/// Reads the properties of an operating system.
pub fn read_os(properties: &[Property]) -> Option<OsRelease> {
    let said = |name: &str| {
        properties.iter().find(|property| property.name == name).map(|property| property.value.clone())
    };
    let id = said("stella:os:id").or_else(|| said("syft:distro:id"))?;
    Some(OsRelease {
        id,
        version: said("stella:os:version").or_else(|| said("syft:distro:versionID")).unwrap_or_default(),
        codename: said("stella:os:codename")
            .or_else(|| said("syft:distro:versionCodename"))
            .unwrap_or_default(),
        support_end: said("stella:os:support-end").unwrap_or_default(),
    })
}

/// Reads the properties of a package.
pub fn read_package(properties: Vec<Property>) -> Said {
    let mut said = Said::default();
    let (mut ecosystem, mut name, mut version, mut arch) = (None, None, String::new(), None);
    for property in properties {
        let value = property.value;
        match property.name.as_ref() {
            "stella:package:ecosystem" => {
                ecosystem = Ecosystem::ALL.into_iter().find(|known| known.as_str() == value);
            }
            "stella:package:name" => name = Some(value),
            "stella:package:version" => version = value,
            "stella:package:arch" => arch = Some(value),
            "stella:package:module"
            | "aquasecurity:trivy:Modularitylabel"
            | "syft:metadata:modularityLabel" => said.module = Some(value),
            "stella:source:name"
            | "aquasecurity:trivy:SrcName"
            | "syft:metadata:source"
            | "syft:metadata:originPackage" => said.source_name = value,
            "stella:source:version" | "aquasecurity:trivy:SrcVersion" | "syft:metadata:sourceVersion" => {
                said.source_version = value;
            }
            "aquasecurity:trivy:SrcRelease" => said.source_release = value,
            "aquasecurity:trivy:SrcEpoch" => said.source_epoch = value,
            "stella:layer:index" => said.layer_index = value.parse().ok(),
            "stella:layer:diff-id" | "aquasecurity:trivy:LayerDiffID" => said.layer = value.parse().ok(),
            "stella:path" => said.paths.push(value),
            "stella:identity" => said.identities.extend(serde_json::from_str::<Package>(&value)),
            "stella:built-using" => said.built_using.extend(serde_json::from_str::<Source>(&value)),
            "aquasecurity:trivy:FilePath" => said.paths.push(rooted(&value)),
            other => read_location(other, &value, &mut said),
        }
    }
    if let (Some(ecosystem), Some(name)) = (ecosystem, name) {
        let module = said.module.clone();
        let mut package = Package { arch, module, ..Package::new(ecosystem, name, version) };
        if !said.source_name.is_empty() {
            let (name, version) = (said.source_name.clone(), said.source_version.clone());
            package.set_source(Some(Source { name, version }));
        }
        said.package = Some(package);
    }
    said
}

/// Syft's `syft:location:N:path` and `…:layerID`; its first layer is where the package came in.
fn read_location(name: &str, value: &str, said: &mut Said) {
    let Some((_, what)) = name.strip_prefix("syft:location:").and_then(|rest| rest.split_once(':')) else {
        return;
    };
    match what {
        "path" => said.paths.push(rooted(value)),
        "layerID" if said.layer.is_none() => said.layer = value.parse::<Digest>().ok(),
        _ => {}
    }
}

/// A path from the image's root, without a leading slash.
pub fn rooted(path: &str) -> String {
    path.trim_start_matches('/').to_owned()
}
