//! Syft's own JSON, as its schema 16 has it: <https://github.com/anchore/syft/tree/main/schema/json>.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;

use super::{
    Error, Found,
    collect::{Collector, Component, Said},
    list::{Item, List},
    property::rooted,
};
use crate::{digest::Digest, image::Image, package::Purl};

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    artifacts: List<Artifact>,
    source: Option<Source>,
    distro: Option<Distro>,
    schema: Option<Schema>,
}

#[derive(Deserialize)]
struct Schema {
    #[serde(default)]
    version: String,
}

#[derive(Deserialize)]
struct Source {
    #[serde(default)]
    name: String,
    // An object for images; older versions call it `target`, and it is a text for directories.
    #[serde(default, alias = "target")]
    metadata: serde_json::Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SourceImage {
    #[serde(default)]
    user_input: String,
    #[serde(default, rename = "imageID")]
    image_id: String,
    #[serde(default)]
    layers: Vec<SourceLayer>,
    #[serde(default)]
    config: String,
}

#[derive(Deserialize)]
struct SourceLayer {
    digest: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Distro {
    #[serde(default)]
    id: String,
    #[serde(default, rename = "versionID")]
    version_id: String,
    #[serde(default)]
    version_codename: String,
}

#[derive(Deserialize)]
struct Artifact {
    #[serde(default)]
    name: String,
    #[serde(default)]
    version: String,
    #[serde(default)]
    purl: String,
    #[serde(default)]
    locations: List<Location>,
    #[serde(default)]
    metadata: Option<Metadata>,
}

impl Item for Artifact {}

/// Sources and modules as the package managers' databases name them.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    source: Text,
    source_version: Text,
    origin_package: Text,
    modularity_label: Text,
}

/// A text; in other ecosystems' metadata the same key may hold anything.
#[derive(Deserialize, Default)]
#[serde(untagged)]
enum Text {
    Is(String),
    #[default]
    #[serde(skip)]
    No,
    IsNot(serde::de::IgnoredAny),
}

impl Text {
    fn take(self) -> String {
        match self {
            Self::Is(text) => text,
            Self::No | Self::IsNot(_) => String::new(),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    #[serde(default)]
    path: String,
    #[serde(default, rename = "layerID")]
    layer_id: String,
    #[serde(default)]
    annotations: Option<Annotations>,
}

impl Item for Location {}

#[derive(Deserialize)]
struct Annotations {
    #[serde(default)]
    evidence: String,
}

impl Location {
    fn is_primary(&self) -> bool {
        self.annotations.as_ref().is_some_and(|annotations| annotations.evidence == "primary")
    }
}

pub fn read(bytes: &[u8]) -> Result<Found, Error> {
    let document: Document = serde_json::from_slice(bytes)?;
    let mut collector = Collector::default();
    if let Some(source) = document.source {
        collector.reference = source.name;
        if let Ok(image) = serde_json::from_value::<SourceImage>(source.metadata) {
            read_image(image, &mut collector)?;
        }
    }
    if let Some(distro) = document.distro {
        collector.os(&distro.id, &distro.version_id, &distro.version_codename);
    }
    for artifact in document.artifacts.0 {
        let mut locations = artifact.locations.0;
        // Others hold what speaks of the package, such as its checksums.
        if locations.iter().any(Location::is_primary) {
            locations.retain(Location::is_primary);
        }
        let metadata = artifact.metadata.unwrap_or_default();
        let (source, origin) = (metadata.source.take(), metadata.origin_package.take());
        let said = Said {
            source_name: if source.is_empty() { origin } else { source },
            source_version: metadata.source_version.take(),
            module: Some(metadata.modularity_label.take()),
            layer: locations.iter().find_map(|location| location.layer_id.parse().ok()),
            paths: locations.iter().map(|location| rooted(&location.path)).collect(),
            ..Said::default()
        };
        let Artifact { name, version, purl, .. } = artifact;
        // For kinds without a purl type of their own Syft writes none, or one without a name.
        let named = purl.parse::<Purl>().is_ok();
        let purl = if named { purl } else { String::new() };
        collector.add(Component { name, version, purl, said })?;
    }
    let version = document.schema.map(|schema| schema.version).unwrap_or_default();
    collector.finish(format!("Syft JSON {version}").trim_end().to_owned(), bytes)
}

fn read_image(image: SourceImage, collector: &mut Collector) -> Result<(), Error> {
    if !image.user_input.is_empty() {
        collector.reference = image.user_input;
    }
    collector.config_digest = image.image_id.parse().ok();
    // The image's own config, where it is there, knows the instructions too.
    let config = STANDARD.decode(image.config).ok().and_then(|config| Image::parse_config(&config).ok());
    if let Some(parsed) = config.filter(|parsed| Some(parsed.config_digest) == collector.config_digest) {
        collector.platform = Some(parsed.platform);
        collector.layers = parsed.layers;
        return Ok(());
    }
    for layer in image.layers {
        if let Ok(diff_id) = layer.digest.parse::<Digest>() {
            collector.push_layer(diff_id, String::new())?;
        }
    }
    Ok(())
}
