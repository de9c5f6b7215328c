//! The inventory: all fragments of an image merged, bottom to top.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::package::{OsRelease, Package};

/// The packages of the running image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inventory {
    /// What `/etc/os-release` says, links followed.
    pub os: Option<OsRelease>,
    /// Sorted by package, then layer.
    pub packages: Vec<Installed>,
    /// Regular files in all layers, whether they survive or not.
    pub files: u64,
    /// Bytes of all layers, uncompressed.
    pub size_bytes: u64,
    /// What of the running image could not be read.
    pub skipped: Vec<Skipped>,
}

/// One package of the running image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Installed {
    /// The package.
    pub package: Package,
    /// Position of the layer that brought it: the start of its last unbroken presence.
    pub layer: usize,
    /// The files it was read from, sorted, from the image's root without a leading slash.
    pub paths: Vec<String>,
}

/// Something that was not looked at. Exit code 3 unless allowed by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Skipped {
    /// The name to allow it by, such as `foreign-layer` or `advisories:Debian:12`.
    pub name: String,
    /// What it is: a layer's diff ID, a path, a platform.
    pub what: String,
    /// Why it was not looked at.
    pub why: String,
}

/// Why fragments do not make an image.
#[derive(Debug, thiserror::Error)]
pub enum Error {}

/// Merges fragments, bottom to top, as overlayfs stacks layers.
pub fn merge(_fragments: &[&crate::layer::Fragment]) -> Result<Inventory, Error> {
    unimplemented!()
}
