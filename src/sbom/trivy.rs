//! Trivy's own JSON report, schema 2, with its packages (`--list-all-pkgs`):
//! <https://trivy.dev/latest/docs/configuration/reporting/#json>.

use serde::Deserialize;

use super::{
    Error, Found,
    collect::{Collector, Component, Said},
    list::{Item, List},
    property::rooted,
};
use crate::{
    digest::Digest,
    image::{History, Image, Platform},
};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Report {
    schema_version: u64,
    #[serde(default)]
    artifact_name: String,
    metadata: Option<Metadata>,
    #[serde(default)]
    results: List<ScanResult>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata {
    #[serde(rename = "OS")]
    os: Option<Os>,
    #[serde(default, rename = "ImageID")]
    image_id: String,
    #[serde(default, rename = "DiffIDs")]
    diff_ids: List<String>,
    image_config: Option<ImageConfig>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Os {
    #[serde(default)]
    family: String,
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct ImageConfig {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
    #[serde(default)]
    variant: String,
    #[serde(default)]
    history: List<History>,
}

impl Item for History {}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ScanResult {
    #[serde(default)]
    target: String,
    #[serde(default)]
    class: String,
    #[serde(default)]
    packages: Option<List<Package>>,
}

impl Item for ScanResult {}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Package {
    #[serde(default)]
    name: String,
    #[serde(default)]
    version: String,
    #[serde(default)]
    identifier: Identifier,
    #[serde(default)]
    src_name: String,
    #[serde(default)]
    src_version: String,
    #[serde(default)]
    src_release: String,
    #[serde(default)]
    src_epoch: u64,
    // One word to Trivy.
    #[serde(default, rename = "Modularitylabel")]
    modularity_label: String,
    #[serde(default)]
    file_path: String,
    #[serde(default)]
    layer: Layer,
}

impl Item for Package {}

#[derive(Deserialize, Default)]
struct Identifier {
    #[serde(default, rename = "PURL")]
    purl: String,
}

#[derive(Deserialize, Default)]
struct Layer {
    #[serde(default, rename = "DiffID")]
    diff_id: String,
}

pub fn read(bytes: &[u8]) -> Result<Found, Error> {
    let report: Report = serde_json::from_slice(bytes)?;
    if report.schema_version != 2 {
        let version = report.schema_version.to_string();
        return Err(Error::Version { form: "Trivy JSON", version });
    }
    let mut collector = Collector::of(report.artifact_name);
    if let Some(metadata) = report.metadata {
        read_image(metadata, &mut collector)?;
    }
    for result in report.results.0 {
        let packages = result.packages;
        if packages.is_none() && matches!(result.class.as_str(), "os-pkgs" | "lang-pkgs") {
            let why = "the report does not list its packages; write it with --list-all-pkgs".to_owned();
            collector.skip("no-packages", result.target, why);
        }
        for package in packages.unwrap_or_default().0 {
            let epoch = package.src_epoch;
            let said = Said {
                source_name: package.src_name,
                source_version: package.src_version,
                source_release: package.src_release,
                source_epoch: if epoch == 0 { String::new() } else { epoch.to_string() },
                module: Some(package.modularity_label),
                layer: package.layer.diff_id.parse().ok(),
                paths: [package.file_path]
                    .iter()
                    .filter(|path| !path.is_empty())
                    .map(|path| rooted(path))
                    .collect(),
                ..Said::default()
            };
            let (name, version) = (package.name, package.version);
            collector.add(Component { name, version, purl: package.identifier.purl, said })?;
        }
    }
    collector.finish("Trivy JSON 2".to_owned(), bytes)
}

fn read_image(metadata: Metadata, collector: &mut Collector) -> Result<(), Error> {
    if let Some(os) = metadata.os {
        collector.os(&os.family, &os.name, "");
    }
    collector.config_digest = metadata.image_id.parse().ok();
    let diff_ids: Vec<Digest> =
        metadata.diff_ids.0.iter().filter_map(|diff_id| diff_id.parse().ok()).collect();
    let (platform, history) = match metadata.image_config {
        Some(config) if !config.os.is_empty() => {
            let ImageConfig { os, architecture, variant, history } = config;
            (Some(Platform { os, architecture, variant }), history.0)
        }
        _ => (None, Vec::new()),
    };
    collector.platform.clone_from(&platform);
    let nowhere = || Platform { os: String::new(), architecture: String::new(), variant: String::new() };
    let image = Image::new(Digest::of(b""), platform.unwrap_or_else(nowhere), diff_ids, &history);
    collector.layers = image.map_err(|_| Error::Layers)?.layers;
    Ok(())
}
