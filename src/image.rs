//! An image as its manifest and config describe it: platform, layers, and the instruction behind each layer.
//!
//! Formats: OCI image-spec 1.1 (`manifest.md`, `config.md`) and Docker's image manifest V2, schema 2.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    base::{self, Base, Named},
    digest::Digest,
    document::{self, Document},
};

/// One image of one platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Digest of the manifest; `None` where the source has none (Docker engine, `docker save` of the old layout).
    pub manifest_digest: Option<Digest>,
    /// Digest of the config, which is the image ID in Docker's words.
    pub config_digest: Digest,
    /// What the image runs on.
    pub platform: Platform,
    /// Bottom to top.
    pub layers: Vec<Layer>,
    /// Which of them are the base image's; `None` where that is not known.
    pub base: Option<Base>,
    /// What the image itself says of its base image.
    pub named_base: Option<Named>,
    /// Its history, oldest first; empty where the source has none.
    pub history: Vec<History>,
}

/// One layer as the image names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Digest of the uncompressed tar: the layer's name everywhere.
    pub diff_id: Digest,
    /// The stored blob; `None` where the source has no content addressing.
    pub blob: Option<Descriptor>,
    /// `created_by` of the history entry that made the layer; empty where the history does not say.
    pub instruction: String,
}

/// Operating system and architecture, shown as `os/architecture[/variant]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Platform {
    /// Such as `linux`.
    pub os: String,
    /// Such as `amd64`.
    pub architecture: String,
    /// Such as `v8`; empty for most.
    #[serde(default)]
    pub variant: String,
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.os)?;
        // A directory is of no architecture.
        [&self.architecture, &self.variant]
            .into_iter()
            .filter(|part| !part.is_empty())
            .try_for_each(|part| write!(f, "/{part}"))
    }
}

/// Not of the form `os/architecture[/variant]`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("platform {0:?}: want os/architecture[/variant], such as linux/amd64 or linux/arm/v7")]
pub struct PlatformForm(String);

impl FromStr for Platform {
    type Err = PlatformForm;

    fn from_str(text: &str) -> Result<Self, PlatformForm> {
        let parts: Vec<&str> = text.split('/').collect();
        let (os, architecture, variant) = match parts.as_slice() {
            [os, architecture] => (*os, *architecture, ""),
            [os, architecture, variant] if !variant.is_empty() => (*os, *architecture, *variant),
            _ => return Err(PlatformForm(text.to_owned())),
        };
        if os.is_empty() || architecture.is_empty() {
            return Err(PlatformForm(text.to_owned()));
        }
        Ok(Self { os: os.into(), architecture: architecture.into(), variant: variant.into() })
    }
}

/// A reference to a blob: OCI content descriptor, the fields that are used here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// Media type; Docker's or OCI's.
    #[serde(default)]
    pub media_type: String,
    /// Digest of the blob's bytes.
    pub digest: Digest,
    /// Size of the blob in bytes.
    #[serde(rename = "size")]
    pub size_bytes: u64,
    /// Where a foreign layer lives instead of the registry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// Annotations; of a manifest in an index, its reference name or its kind.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub annotations: std::collections::BTreeMap<String, String>,
    /// Platform of a manifest in an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
}

impl Descriptor {
    /// Why a layer of this media type cannot be read, if it cannot.
    pub fn unreadable(&self) -> Option<&'static str> {
        let media_type = self.media_type.as_str();
        if media_type.ends_with("+encrypted") {
            Some("encrypted layer")
        } else if media_type.contains(".foreign.") || media_type.contains(".nondistributable.") {
            Some("foreign layer")
        } else if !LAYER_MEDIA_TYPES.contains(&media_type) {
            Some("layer of an unknown media type")
        } else {
            None
        }
    }
}

/// Media types of layers that are tars; the compression is told from the bytes, as container engines do.
const LAYER_MEDIA_TYPES: &[&str] = &[
    "", // an old `docker save` names none
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
];

/// Why a manifest or a config is not one of an image.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not JSON, or not of the shape.
    #[error("its {what} is not valid: {why}; build the image again")]
    Json {
        /// `manifest` or `config`.
        what: &'static str,
        /// What is wrong, and where.
        why: String,
    },
    /// The manifest names another config than the one given.
    #[error("config does not match its manifest: the manifest names {named}, the bytes are {found}")]
    Config {
        /// Digest in the manifest.
        named: Digest,
        /// Digest of the bytes.
        found: Digest,
    },
    /// Manifest and config disagree on the number of layers.
    #[error("the manifest has {manifest} layers, its config has {config} diff IDs")]
    LayerCount {
        /// Layers of the manifest.
        manifest: usize,
        /// Diff IDs of the config.
        config: usize,
    },
    /// More layers than any engine takes.
    #[error("the image has {0} layers; the limit `image layers` is {MAX_LAYERS}")]
    TooManyLayers(usize),
    /// The config is not of a container image: an artifact, a chart, an attestation.
    #[error("not a container image: its config has media type {0:?}")]
    NotAnImage(String),
    /// An artifact by its media type, an image by its config.
    #[error(
        "its config has media type {0:?}, yet lists a root file system, which an engine may run; build the image again"
    )]
    Disguised(String),
    /// Engines go by the index, or by the config where the index says nothing.
    #[error(
        "its index says that it is for {named}, its config says {found}; build the image and its index again"
    )]
    Platform {
        /// In the index.
        named: String,
        /// In the config.
        found: String,
    },
}

/// Most layers of an image; overlayfs takes 500, Docker 127.
pub const MAX_LAYERS: usize = 512;

/// Keys that are read of a config.
const CONFIG_KEYS: &[&str] =
    &["os", "architecture", "variant", "rootfs", "diff_ids", "history", "created_by", "empty_layer"];

/// The part of an image config that is read here.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct ConfigJson {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    variant: String,
    rootfs: RootFs,
    #[serde(default)]
    history: Option<Vec<History>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct RootFs {
    diff_ids: Vec<Digest>,
}

/// One entry of an image's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct History {
    /// The instruction, in the builder's words.
    #[serde(default)]
    pub created_by: String,
    /// An instruction that made no layer.
    #[serde(default)]
    pub empty_layer: bool,
}

impl Image {
    /// Whether this is a directory of a host, given as an image: it runs on nothing.
    pub fn is_directory(&self) -> bool {
        self.platform.architecture.is_empty()
    }

    /// Reads the raw bytes of a manifest and of its config; both digests are taken here, never believed.
    pub fn parse(manifest: &[u8], config: &[u8]) -> Result<Self, Error> {
        let what = "manifest";
        let (named, layers) = match Document::parse(manifest, "") {
            Ok(Document::Manifest { config, layers }) => (config, layers),
            Ok(Document::Index(_)) => return Err(Error::Json { what, why: "it is an index".to_owned() }),
            Err(error) => return Err(Error::Json { what, why: error.to_string() }),
        };
        let found = Digest::of(config);
        if named.digest != found {
            return Err(Error::Config { named: named.digest, found });
        }
        if !is_config_media_type(&named.media_type) {
            return Err(Error::NotAnImage(named.media_type));
        }
        let mut image = Self::parse_config(config)?;
        image.manifest_digest = Some(Digest::of(manifest));
        image.name_base(Named::read(manifest));
        if layers.len() != image.layers.len() {
            return Err(Error::LayerCount { manifest: layers.len(), config: image.layers.len() });
        }
        for (layer, blob) in image.layers.iter_mut().zip(layers) {
            layer.blob = Some(blob);
        }
        Ok(image)
    }

    /// Reads a config alone, where a source has no manifest.
    pub fn parse_config(config: &[u8]) -> Result<Self, Error> {
        let parsed = document::parse::<ConfigJson>(config, CONFIG_KEYS)
            .map_err(|error| Error::Json { what: "config", why: error.to_string() })?;
        let platform = Platform { os: parsed.os, architecture: parsed.architecture, variant: parsed.variant };
        let history = parsed.history.unwrap_or_default();
        let mut image = Self::new(Digest::of(config), platform, parsed.rootfs.diff_ids, &history)?;
        image.take_labels(Named::read(config));
        Ok(image)
    }

    /// Puts an image together from what an engine asserts; history entries are oldest first.
    pub fn new(
        config_digest: Digest,
        platform: Platform,
        diff_ids: Vec<Digest>,
        history: &[History],
    ) -> Result<Self, Error> {
        if diff_ids.len() > MAX_LAYERS {
            return Err(Error::TooManyLayers(diff_ids.len()));
        }
        let made: Vec<&str> =
            history.iter().filter(|h| !h.empty_layer).map(|h| h.created_by.as_str()).collect();
        // A history that does not count the layers cannot say which made which.
        let told = made.len() == diff_ids.len();
        let layers = diff_ids.into_iter().enumerate().map(|(index, diff_id)| Layer {
            diff_id,
            blob: None,
            instruction: if told { made[index].to_owned() } else { String::new() },
        });
        Ok(Self {
            manifest_digest: None,
            config_digest,
            platform,
            layers: layers.collect(),
            base: if told { base::by_history(history) } else { None },
            named_base: None,
            history: history.to_vec(),
        })
    }

    /// [`Self::name_base`], of labels: they count where they are the image's own.
    pub fn take_labels(&mut self, named: Option<Named>) {
        self.name_base(named.filter(|_| !base::inherits_labels(&self.history)));
    }

    /// Takes note of what the image says of its base image.
    pub fn name_base(&mut self, named: Option<Named>) {
        let Some(named) = named else { return };
        if let Some(base) = &mut self.base {
            base.name = Some(named.name.clone());
        }
        self.named_base = Some(named);
    }

    /// The digest people know the image by: the manifest's, or the image ID where there is no manifest.
    pub fn digest(&self) -> Digest {
        self.manifest_digest.unwrap_or(self.config_digest)
    }
}

/// Whether a manifest with a config of this media type is of a container image.
pub fn is_config_media_type(media_type: &str) -> bool {
    CONFIG_MEDIA_TYPES.contains(&media_type)
}

/// Whether an engine that does not ask for the config's media type could run what this config describes.
pub fn has_file_system(config: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Shape {
        rootfs: Option<serde::de::IgnoredAny>,
    }
    match document::parse::<Shape>(config, CONFIG_KEYS) {
        Ok(shape) => shape.rootfs.is_some(),
        // Not JSON at all is no config for anybody; JSON of two readings may be one.
        Err(error) => error.is_data(),
    }
}

const CONFIG_MEDIA_TYPES: &[&str] = &[
    "", // an old `docker save` names none
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
];
