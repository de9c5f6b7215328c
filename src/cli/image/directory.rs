//! The files of a host directory, as if they were the one layer of an image.

use std::{
    fs::{self, File},
    io::{self, Read, Seek},
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use stella::{
    api::ImageClaim,
    digest::Digest,
    image::{Image, Layer, Platform},
    inventory::Skipped,
    layer::{Analysed, Builder, Contents, HEAD_BYTES, Kind, Limits, Refused, limits, path},
    package,
};

use super::{Error, Opened, OpenedImage, Scheme, Source, archive_scheme, sbom, store::Store};

/// Opens a host directory: reads it whole, because nothing but its bytes can name it. Links are not followed, other
/// file systems below it are part of it.
pub(super) fn open(root: &Path, taken_for: String, limits: &Limits) -> Result<Opened, Error> {
    if !root.is_dir() {
        return Err(no_directory(root, limits));
    }
    let mut walk = Walk { builder: Builder::new(limits), size_bytes: 0, skipped: Vec::new() };
    walk.directory(root, limits, &taken_for)?;
    let Walk { builder, size_bytes, mut skipped } = walk;
    let mut fragment = builder.finish(Digest::of(b""), size_bytes);
    let said = serde_json::to_vec(&fragment).map_err(|error| failed(root, &taken_for, error.into()))?;
    fragment.diff_id = Digest::of(&said);
    let platform = Platform { os: "linux".to_owned(), architecture: String::new(), variant: String::new() };
    let config = serde_json::json!({
        "os": platform.os, "architecture": "", "rootfs": { "type": "layers", "diff_ids": [fragment.diff_id] },
    })
    .to_string();
    let image = Image {
        manifest_digest: None,
        config_digest: Digest::of(config.as_bytes()),
        platform,
        layers: vec![Layer { diff_id: fragment.diff_id, blob: None, instruction: String::new() }],
        base: None,
        named_base: None,
        history: Vec::new(),
    };
    skipped.sort_unstable();
    let opened = OpenedImage {
        image,
        claim: ImageClaim::Content { manifest: None, config: STANDARD.encode(config) },
        content_addressed: false,
        skipped: Vec::new(),
        written: Vec::new(),
        base_argument: None,
        places: vec![None],
    };
    let layer = Analysed { blob: fragment.diff_id, blob_bytes: size_bytes, fragment };
    Ok(Opened {
        taken_for,
        doubt: None,
        name: None,
        images: vec![opened],
        skipped,
        source: Source::Directory(Box::new(layer)),
        attestations: Vec::new(),
    })
}

/// Why `root` cannot be walked: it is not there, or it is a file, and of a kind that may have been meant.
fn no_directory(root: &Path, limits: &Limits) -> Error {
    let path = root.to_owned();
    if !root.exists() {
        return Error::NoSuchPath { path };
    }
    let scheme = match Store::archive(root) {
        Ok(archive) => archive_scheme(&archive),
        Err(compressed @ Error::Compressed { .. }) => return compressed,
        Err(_) => sbom::open(root, String::new(), limits).is_ok().then_some(Scheme::Sbom),
    };
    Error::NotDirectory { path, scheme: scheme.map(Scheme::name) }
}

struct Walk {
    builder: Builder,
    size_bytes: u64,
    skipped: Vec<Skipped>,
}

impl Walk {
    fn directory(&mut self, root: &Path, limits: &Limits, place: &str) -> Result<(), Error> {
        let mut open: Vec<(PathBuf, Vec<u8>)> = vec![(root.to_owned(), Vec::new())];
        while let Some((directory, below)) = open.pop() {
            let mut names = match entries(&directory) {
                Ok(names) => names,
                Err(error) if below.is_empty() => return Err(failed(&directory, place, error)),
                Err(error) => {
                    self.skipped.push(Skipped {
                        name: "unreadable-directory".to_owned(),
                        what: path::escape(&below),
                        why: error.to_string(),
                    });
                    continue;
                }
            };
            names.sort_unstable();
            for name in names {
                let whole = directory.join(&name);
                let mut inner = below.clone();
                if !inner.is_empty() {
                    inner.push(b'/');
                }
                inner.extend_from_slice(name.as_encoded_bytes());
                let kind = match fs::symlink_metadata(&whole) {
                    Ok(metadata) if metadata.is_dir() => Kind::Directory,
                    Ok(metadata) if metadata.is_symlink() => {
                        let target = fs::read_link(&whole).map_err(|error| failed(&whole, place, error))?;
                        Kind::Link(target.as_os_str().as_encoded_bytes().to_vec())
                    }
                    Ok(metadata) if metadata.is_file() => {
                        self.size_bytes += metadata.len();
                        limits::hold("layer size", self.size_bytes, limits.layer_size_bytes)
                            .map_err(|exceeded| refused(&inner, place, exceeded.into()))?;
                        Kind::File(contents(&whole, &inner, metadata.len(), limits))
                    }
                    Ok(_) => Kind::Device,
                    // Gone since the directory was read.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(failed(&whole, place, error)),
                };
                let is_directory = kind == Kind::Directory;
                self.builder.entry(&inner, kind).map_err(|why| refused(&inner, place, why))?;
                if is_directory {
                    open.push((whole, inner));
                }
            }
        }
        Ok(())
    }
}

fn entries(directory: &Path) -> io::Result<Vec<std::ffi::OsString>> {
    fs::read_dir(directory)?.map(|entry| entry.map(|entry| entry.file_name())).collect()
}

/// What a file says; one that cannot be read matters only where the merge looks for it.
fn contents(whole: &Path, inner: &[u8], size_bytes: u64, limits: &Limits) -> Contents {
    let inner = path::escape(inner);
    let read = || -> io::Result<Contents> {
        let mut file = File::open(whole)?;
        let mut data = Vec::new();
        file.by_ref().take(HEAD_BYTES as u64).read_to_end(&mut data)?;
        let Some(analyser) = package::recognise(&inner, &data) else { return Ok(Contents::Plain) };
        if let Err(exceeded) = limits.hold_file(&analyser, size_bytes) {
            return Ok(Contents::too_big(&analyser, &exceeded));
        }
        match analyser {
            package::Read::Whole(read) => {
                file.take(limits.database_bytes).read_to_end(&mut data)?;
                Ok(Contents::said(read(&inner, &data)))
            }
            package::Read::Parts(read) => {
                file.rewind()?;
                Ok(Contents::said(read(&inner, &mut file)))
            }
        }
    };
    read().unwrap_or_else(|error| Contents::Unread { why: error.to_string(), anywhere: false })
}

fn refused(inner: &[u8], place: &str, why: Refused) -> Error {
    Error::Entry { place: place.to_owned(), path: path::escape(inner), why }
}

fn failed(path: &Path, place: &str, source: io::Error) -> Error {
    Error::Read { name: path.display().to_string(), place: place.to_owned(), source }
}
