//! What client and server say to each other: `/v1` of the HTTP API.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    base::Base,
    digest::Digest,
    image::{History, Platform},
    inventory::Skipped,
    report::{ScanResult, Timings},
};

/// `POST /v1/scan`: one image of one platform.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScanRequest {
    /// Fragment schema that the client writes, [`crate::layer::SCHEMA`].
    pub schema: u32,
    /// Analyzer that the client runs, [`crate::layer::ANALYZER`].
    pub analyzer: String,
    /// The image as the caller named it.
    pub reference: String,
    /// What the image is.
    pub image: ImageClaim,
    /// What the client knows of the base image; what the history tells where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
    /// Blob digest and diff ID of each layer whose bytes this client read and hashed itself, now or earlier.
    #[serde(default)]
    pub pairs: Vec<Pair>,
    /// The caller's policies, most general first; empty for the default.
    #[serde(default)]
    pub policies: Vec<PolicyText>,
    /// What the client could not look at, and was not allowed to leave out.
    #[serde(default)]
    pub skipped: Vec<Skipped>,
    /// Names of what may be left out.
    #[serde(default)]
    pub allow_skipped: Vec<String>,
    /// The moment the verdict is for, seconds since the epoch; the server's clock where absent.
    #[serde(default)]
    pub now: Option<i64>,
}

/// What an image is, in the strongest form that its source has.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImageClaim {
    /// Raw bytes, base64: the reader takes the digests itself.
    Content {
        /// The manifest; absent where the source has none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        manifest: Option<String>,
        /// The config.
        config: String,
    },
    /// What a container engine says of an image that it does not export.
    Engine {
        /// The image ID.
        image_id: Digest,
        /// What it runs on.
        platform: Platform,
        /// Bottom to top.
        diff_ids: Vec<Digest>,
        /// Oldest first.
        history: Vec<History>,
    },
}

/// A stored blob and the layer it was found to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// Digest of the blob as stored.
    pub blob: Digest,
    /// Digest of the uncompressed tar.
    pub diff_id: Digest,
}

/// The text of a policy and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyText {
    /// A file's path, `--fail-on high`, `server`.
    pub origin: String,
    /// YAML.
    pub text: String,
}

/// The answer to `POST /v1/scan`, to each `PUT` of a fragment, and to `GET /v1/scan/{id}`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum ScanAnswer {
    /// Some layers are not known yet: send their fragments.
    Missing {
        /// Name of the scan.
        scan: String,
        /// Diff IDs to read, hash and send, bottom to top, each once: no fragment is known, or nobody has verified
        /// yet that the image's blob holds that layer.
        missing: Vec<Digest>,
    },
    /// All is known.
    Done {
        /// Name of the scan.
        scan: String,
        /// What was found.
        result: Box<ScanResult>,
        /// The server's share of the phases, milliseconds.
        timings_ms: Timings,
    },
}

/// `POST /v1/layers/missing`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MissingRequest {
    /// Fragment schema.
    pub schema: u32,
    /// Analyzer.
    pub analyzer: String,
    /// Layers asked about; at most [`crate::image::MAX_LAYERS`].
    pub diff_ids: Vec<Digest>,
}

/// The answer to `POST /v1/layers/missing`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MissingAnswer {
    /// Those that are not known, in the order asked.
    pub missing: Vec<Digest>,
}

/// An error, RFC 9457 problem details.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// `urn:stella:problem:NAME`: the kind of the error.
    #[serde(rename = "type")]
    pub kind: String,
    /// One line that is the same for every error of this kind.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What went wrong this time, and the way out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}
