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

/// The raw manifest and config of the first image of `layout`.
pub fn documents(layout: &Path) -> Result<(Vec<u8>, Vec<u8>), Failure> {
    let read = |path: &Path| fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
    let index: Value = serde_json::from_slice(&read(&layout.join("index.json"))?)?;
    let manifest = read(&blob(layout, &index["manifests"][0])?)?;
    let config = &serde_json::from_slice::<Value>(&manifest)?["config"];
    let config = read(&blob(layout, config)?)?;
    Ok((manifest, config))
}

fn blob(layout: &Path, descriptor: &Value) -> Result<PathBuf, Failure> {
    let digest = descriptor["digest"].as_str().ok_or("a descriptor without a digest")?;
    Ok(layout.join("blobs").join(digest.replace(':', "/")))
}

/// The layers of the first image of `layout`, bottom to top.
pub fn layers(layout: &Path) -> Result<Vec<Layer>, Failure> {
    let (manifest, config) = documents(layout)?;
    let [manifest, config]: [Value; 2] =
        [serde_json::from_slice(&manifest)?, serde_json::from_slice(&config)?];
    let layers = manifest["layers"].as_array().ok_or("a manifest without layers")?;
    let diff_ids: Vec<Digest> = serde_json::from_value(config["rootfs"]["diff_ids"].clone())?;
    if layers.len() != diff_ids.len() {
        return Err(
            format!("{}: {} layers, {} diff IDs", layout.display(), layers.len(), diff_ids.len()).into()
        );
    }
    layers
        .iter()
        .zip(diff_ids)
        .map(|(layer, diff_id)| Ok(Layer { blob: blob(layout, layer)?, diff_id }))
        .collect()
}
