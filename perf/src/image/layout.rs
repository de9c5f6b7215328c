//! Images as files: the OCI image layout, and the archive that `docker save` writes.

use std::{fs, io, path::Path};

use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

use super::{
    layer::CREATED,
    recipe::{Recipe, Step},
    sha256,
};

const TIME: &str = "2023-11-14T22:13:20Z";
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How layers are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// The default of every builder.
    Gzip,
    /// Faster to read, and smaller.
    Zstd,
}

impl Compression {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Gzip, Self::Zstd];

    fn media_type(self) -> &'static str {
        match self {
            Self::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
            Self::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
        }
    }
}

/// The configuration of an image of layers with these diff IDs (hexadecimal).
pub fn config(recipe: &Recipe, diff_ids: &[&str]) -> Vec<u8> {
    let history: Vec<Value> = recipe
        .steps
        .iter()
        .map(|step| match step {
            Step::Layer(content) => json!({ "created": TIME, "created_by": content.instruction() }),
            Step::Setting(text) => json!({ "created": TIME, "created_by": text, "empty_layer": true }),
        })
        .collect();
    let diff_ids: Vec<String> = diff_ids.iter().map(|id| format!("sha256:{id}")).collect();
    let config = json!({
        "created": TIME,
        "architecture": "amd64",
        "os": "linux",
        "config": { "Env": [PATH, recipe.environment], "Cmd": recipe.command, "WorkingDir": "/app" },
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
        "history": history,
    });
    config.to_string().into_bytes()
}

/// Writes an OCI image layout (image-spec 1.0) into `directory`, which must not exist.
pub fn write(directory: &Path, config: &[u8], layers: &[&[u8]], compression: Compression) -> io::Result<()> {
    let blobs = directory.join("blobs/sha256");
    fs::create_dir_all(&blobs)?;
    let blob = |media_type: &str, bytes: &[u8]| -> io::Result<Value> {
        let digest = sha256(bytes);
        fs::write(blobs.join(&digest), bytes)?;
        Ok(json!({ "mediaType": media_type, "digest": format!("sha256:{digest}"), "size": bytes.len() }))
    };
    let layers: Vec<Value> =
        layers.iter().map(|bytes| blob(compression.media_type(), bytes)).collect::<io::Result<_>>()?;
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": blob("application/vnd.oci.image.config.v1+json", config)?,
        "layers": layers,
    });
    let mut descriptor = blob(media_type, manifest.to_string().as_bytes())?;
    descriptor["annotations"] = json!({ "org.opencontainers.image.ref.name": "latest" });
    let index = json!({ "schemaVersion": 2, "manifests": [descriptor] });
    fs::write(directory.join("index.json"), index.to_string())?;
    fs::write(directory.join("oci-layout"), json!({ "imageLayoutVersion": "1.0.0" }).to_string())
}

/// Writes the archive that `docker save` of Docker 20 writes: `layers` are tars, bottom to top.
pub fn archive(path: &Path, tag: &str, config: &[u8], layers: &[&[u8]]) -> io::Result<()> {
    let mut tar = Builder::new(io::BufWriter::new(fs::File::create(path)?));
    let mut add = |name: &str, kind, bytes: &[u8]| {
        let mut header = Header::new_ustar();
        header.set_path(name)?;
        header.set_entry_type(kind);
        header.set_mode(if kind == EntryType::Directory { 0o755 } else { 0o644 });
        header.set_mtime(CREATED);
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        tar.append(&header, bytes)
    };
    let (mut names, mut parent) = (Vec::new(), String::new());
    for bytes in layers {
        // Docker's own way to name them is older than diff IDs; all that counts is that it depends on what lies below.
        let id = sha256(format!("{parent} {}", sha256(bytes)).as_bytes());
        let legacy = json!({ "id": id, "parent": parent, "created": TIME, "os": "linux" });
        add(&format!("{id}/"), EntryType::Directory, b"")?;
        add(&format!("{id}/VERSION"), EntryType::Regular, b"1.0")?;
        add(&format!("{id}/json"), EntryType::Regular, legacy.to_string().as_bytes())?;
        add(&format!("{id}/layer.tar"), EntryType::Regular, bytes)?;
        names.push(format!("{id}/layer.tar"));
        parent = id;
    }
    let name = format!("{}.json", sha256(config));
    add(&name, EntryType::Regular, config)?;
    let manifest = json!([{ "Config": name, "RepoTags": [tag], "Layers": names }]);
    add("manifest.json", EntryType::Regular, manifest.to_string().as_bytes())?;
    let (repository, version) = tag.split_once(':').unwrap_or((tag, "latest"));
    add(
        "repositories",
        EntryType::Regular,
        json!({ repository: { version: parent } }).to_string().as_bytes(),
    )?;
    io::Write::flush(&mut tar.into_inner()?)
}
