//! A fragment: what one layer says, never depending on another.

use std::{collections::BTreeMap, io::Read};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Limits, limits};
use crate::{digest::Digest, package::Fact};

/// Version of the fragment's form. Another form is another key in every store.
pub const SCHEMA: u32 = 1;

/// Version of what the analysers look for. A fragment made by another one is not a hit.
pub const ANALYZER: &str = "stella-5";

/// What one layer says. Sorted throughout, so that equal layers give equal bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fragment {
    /// [`SCHEMA`] of the writer.
    pub schema: u32,
    /// [`ANALYZER`] of the writer.
    pub analyzer: String,
    /// The layer.
    pub diff_id: Digest,
    /// Regular files in the layer.
    pub files: u64,
    /// Size of the uncompressed tar.
    pub size_bytes: u64,
    /// Every entry of the layer, by directory, sorted by path.
    pub directories: Vec<Directory>,
    /// What was read, sorted by first path.
    pub facts: Vec<FileFact>,
    /// Files that look like a package database or package metadata and could not be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<Unread>,
}

/// The entries of one directory of a layer. Paths and names are [escaped](super::path).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Directory {
    /// From the image's root, without a leading slash; the root is the empty string.
    pub path: String,
    /// Whether the directory hides what lower layers hold there (`.wh..wh..opq`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub opaque: bool,
    /// Names of regular files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// Names of symbolic links, with their targets as written.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub links: BTreeMap<String, String>,
    /// Names of hard links whose target is no entry of this layer, with the target's path.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub hard_links: BTreeMap<String, String>,
    /// Names of devices and pipes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<String>,
    /// Names that are removed from lower layers (`.wh.NAME`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub whiteouts: Vec<String>,
}

/// What one file of the layer says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileFact {
    /// The file's names in the layer, sorted; more than one where it is hard-linked.
    pub paths: Vec<String>,
    /// The system package whose file it is, as a list in the same layer says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// What it says.
    #[serde(flatten)]
    pub fact: Fact,
}

/// A file that matters and could not be read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Unread {
    /// The file's names in the layer, sorted.
    pub paths: Vec<String>,
    /// Why not.
    pub why: String,
    /// Whether it matters wherever it lies, because of what its bytes are; otherwise only at certain places.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub anywhere: bool,
}

/// Why bytes are no fragment.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not zstd.
    #[error("not a zstd stream: {0}")]
    Zstd(#[from] std::io::Error),
    /// Not JSON, or not of the shape.
    #[error("not of a fragment's form: {0}")]
    Json(#[from] serde_json::Error),
    /// A limit.
    #[error(transparent)]
    Limit(#[from] limits::Exceeded),
}

impl Fragment {
    /// The fragment of a layer that could not be looked into: it keeps the place of the layer in a merge, and what was
    /// skipped is said elsewhere.
    pub fn unseen(diff_id: Digest) -> Self {
        Self {
            schema: SCHEMA,
            analyzer: ANALYZER.to_owned(),
            diff_id,
            files: 0,
            size_bytes: 0,
            directories: Vec::new(),
            facts: Vec::new(),
            unread: Vec::new(),
        }
    }

    /// The form on the wire and in stores: JSON, zstd.
    pub fn encode(&self) -> Result<Vec<u8>, DecodeError> {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1)?;
        serde_json::to_writer(&mut encoder, self)?;
        Ok(encoder.finish()?)
    }

    /// Reads [`encode`](Self::encode)'s form from a hostile sender, within `limits`. Whether its entries make a tree
    /// is for [`crate::inventory::merge`] to say.
    pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Self, DecodeError> {
        let mut json = Vec::new();
        let mut decoder = zstd::stream::read::Decoder::with_buffer(bytes)?;
        decoder.by_ref().take(limits.fragment_bytes + 1).read_to_end(&mut json)?;
        limits::hold("fragment size", json.len() as u64, limits.fragment_bytes)?;
        Ok(serde_json::from_slice(&json)?)
    }
}
