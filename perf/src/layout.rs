//! An OCI layout's first image: its layers, by blob and by diff ID.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use stella::digest::Digest;

use crate::Failure;

/// One layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// The blob as stored.
    pub blob: PathBuf,
    /// Digest of the uncompressed tar.
    pub diff_id: Digest,
}

/// The layers of the first image of `layout`, bottom to top.
pub fn layers(layout: &Path) -> Result<Vec<Layer>, Failure> {
    let blob = |descriptor: &Value| -> Result<PathBuf, Failure> {
        let digest = descriptor["digest"].as_str().ok_or("a descriptor without a digest")?;
        Ok(layout.join("blobs").join(digest.replace(':', "/")))
    };
    let read = |path: &Path| -> Result<Value, Failure> {
        let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(serde_json::from_slice(&bytes)?)
    };
    let manifest = read(&blob(&read(&layout.join("index.json"))?["manifests"][0])?)?;
    let config = read(&blob(&manifest["config"])?)?;
    let layers = manifest["layers"].as_array().ok_or("a manifest without layers")?;
    let diff_ids: Vec<Digest> = serde_json::from_value(config["rootfs"]["diff_ids"].clone())?;
    if layers.len() != diff_ids.len() {
        return Err(
            format!("{}: {} layers, {} diff IDs", layout.display(), layers.len(), diff_ids.len()).into()
        );
    }
    layers.iter().zip(diff_ids).map(|(layer, diff_id)| Ok(Layer { blob: blob(layer)?, diff_id })).collect()
}
