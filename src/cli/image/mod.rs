//! Image sources: what the caller names is opened once, and afterwards only the layers that somebody wants are read.
//!
//! Everything here blocks; the Docker engine's client runs on a thread of its own.

mod archive;
mod directory;
mod engine;
#[cfg(all(test, unix))]
mod engine_tests;
mod error;
mod export;
mod index;
mod members;
mod platform;
mod read;
mod reference;
mod sbom;
mod store;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use stella::{
    api::ImageClaim,
    digest::Digest,
    image::{Image, Platform},
    inventory::{Inventory, Skipped},
    layer::{Analysed, Limits},
};

pub use engine::EngineAddress;
pub use error::Error;
pub use reference::{Reference, Scheme};

use store::Store;

/// What opening depends on, beside the reference.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The platforms to open; all where empty.
    pub platforms: Vec<Platform>,
    /// How to reach the Docker engine.
    pub engine: EngineAddress,
    /// Bounds on a directory, which is read when it is opened.
    pub limits: Limits,
}

/// What the reference led to.
#[derive(Debug)]
pub struct Opened {
    /// The source in full, such as `oci:build/image`: what a bare word was taken for.
    pub taken_for: String,
    /// Why a bare word may have been meant as something else.
    pub doubt: Option<String>,
    /// One per platform, sorted by platform; never empty.
    pub images: Vec<OpenedImage>,
    /// What was found beside them and is no image that could be looked at, sorted.
    pub skipped: Vec<Skipped>,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Store(Store),
    Directory(Box<Analysed>),
    Engine(engine::Connection),
    /// No layers at all.
    Sbom(Box<Inventory>),
}

/// One image of one platform.
#[derive(Debug)]
pub struct OpenedImage {
    /// Platform and layers.
    pub image: Image,
    /// What the server is told.
    pub claim: ImageClaim,
    /// Whether the manifest names each layer's blob, so that a pair verified earlier stands for reading it.
    pub content_addressed: bool,
    /// Layers that cannot be read, sorted; `what` is their diff ID.
    pub skipped: Vec<Skipped>,
    /// Where each layer lies, in the order of `image.layers`; `None` for those skipped.
    places: Vec<Option<Place>>,
}

/// Where a layer's bytes lie in a [`Store`].
#[derive(Debug, Clone)]
struct Place {
    name: String,
    blob: Option<Digest>,
}

/// Told what happens while layers are read; called from any thread.
pub trait Progress: Sync {
    /// So many more bytes were read, as stored.
    fn read(&self, _bytes: u64) {}
    /// A layer was read to its end and verified; other layers may still fail.
    fn analysed(&self, _layer: &Analysed) {}
}

impl Progress for () {}

/// Opens what `reference` names. Reads manifests and configs only, never a layer.
pub fn open(reference: &Reference, options: &Options) -> Result<Opened, Error> {
    let rest = reference.rest.as_str();
    let (scheme, doubt) = match reference.scheme {
        Some(scheme) => (scheme, None),
        None => sniff(rest, &options.engine)?,
    };
    let opened = open_as(scheme, reference, options)?;
    Ok(Opened { doubt, ..opened })
}

fn open_as(scheme: Scheme, reference: &Reference, options: &Options) -> Result<Opened, Error> {
    let rest = reference.rest.as_str();
    // A bare path is a path to its end; only behind a scheme may a tag follow it.
    let path_and_tag = || match reference.scheme {
        Some(_) => reference::path_and_tag(rest),
        None => Ok((PathBuf::from(rest), None)),
    };
    let taken_for = format!("{}:{rest}", scheme.name());
    let platforms = options.platforms.as_slice();
    match scheme {
        Scheme::Docker => engine::open(rest, options, taken_for),
        Scheme::Oci => {
            let (path, tag) = path_and_tag()?;
            let store = Store::Directory(path);
            Opened::from_layout(store, tag.as_deref(), platforms, taken_for)
        }
        Scheme::OciArchive | Scheme::DockerArchive => {
            let (path, tag) = path_and_tag()?;
            let store = Store::archive(&path)?;
            // Where both forms are in one tar, engines differ in which one they read: it is not the caller's choice.
            if scheme == Scheme::OciArchive && !store.has("manifest.json") {
                return Opened::from_layout(store, tag.as_deref(), platforms, taken_for);
            }
            let (images, skipped) = archive::open(&store, tag.as_deref(), platforms)?;
            Ok(Opened { taken_for, doubt: None, images, skipped, source: Source::Store(store) })
        }
        Scheme::Dir => directory::open(Path::new(rest), taken_for, &options.limits),
        Scheme::Registry => Err(Error::NotYet {
            what: format!("reading {taken_for} from a registry"),
            way_out: "pull it and gate docker:REF, or copy it to an OCI layout and gate oci:DIR",
        }),
        Scheme::Sbom => sbom::open(Path::new(rest), taken_for, &options.limits),
    }
}

/// What a bare word means: an existing path, else an image of the Docker engine; and what is doubtful about it.
fn sniff(word: &str, engine: &EngineAddress) -> Result<(Scheme, Option<String>), Error> {
    let path = Path::new(word);
    if !path.exists() {
        return match reference::is_image_reference(word) {
            true => Ok((Scheme::Docker, None)),
            false => Err(Error::Reference { text: word.to_owned() }),
        };
    }
    let scheme = if path.is_dir() {
        if path.join("oci-layout").exists() { Scheme::Oci } else { Scheme::Dir }
    } else {
        let store = Store::archive(path)?;
        // Docker 25 and later saves both forms in one tar; only one of them knows its tags in full.
        match (store.has("manifest.json"), store.has("index.json") || store.has("oci-layout")) {
            (true, _) => Scheme::DockerArchive,
            (false, true) => Scheme::OciArchive,
            (false, false) => return Err(Error::NoArchive { path: path.to_owned() }),
        }
    };
    // `/a`, `./a` and `../a` are no image references, and so plainly paths.
    if !reference::is_image_reference(word) {
        return Ok((scheme, None));
    }
    let name = scheme.name();
    match engine::has(word, engine) {
        Ok(true) => Err(Error::Ambiguous { text: word.to_owned(), scheme: name }),
        Ok(false) => Ok((scheme, None)),
        Err(error) => {
            let why = match error {
                Error::EngineUnreachable { address, why } => format!("{address}: {why}"),
                other => other.to_string(),
            };
            let doubt = format!(
                "{word} could be meant as an image too, and no engine could be asked ({why}); write {name}:{word} or docker:{word}"
            );
            Ok((scheme, Some(doubt)))
        }
    }
}

impl Opened {
    fn from_layout(
        store: Store,
        tag: Option<&str>,
        platforms: &[Platform],
        taken_for: String,
    ) -> Result<Self, Error> {
        let index::Found { images, skipped, .. } = index::open(&store, tag, platforms)?;
        Ok(Self { taken_for, doubt: None, images, skipped, source: Source::Store(store) })
    }

    /// Reads, verifies and analyses the layers of `image` that are `wanted` (diff IDs), on `threads` threads.
    ///
    /// In image order, each layer once, without those that [`OpenedImage::skipped`] names. No other layer is read.
    pub fn analyse(
        &self,
        image: &OpenedImage,
        wanted: &[Digest],
        limits: &Limits,
        threads: usize,
        progress: &dyn Progress,
    ) -> Result<Vec<Analysed>, Error> {
        match &self.source {
            Source::Store(store) => read::analyse(store, image, wanted, limits, threads, progress),
            Source::Directory(layer) => Ok(wanted
                .iter()
                .filter(|id| **id == layer.fragment.diff_id)
                .map(|_| (**layer).clone())
                .collect()),
            Source::Engine(connection) => connection.analyse(&image.image, wanted, limits, progress),
            Source::Sbom(_) => Ok(Vec::new()),
        }
    }

    /// The inventory, where the source gives that instead of layers.
    pub fn inventory(&self) -> Option<&Inventory> {
        match &self.source {
            Source::Sbom(inventory) => Some(inventory),
            Source::Store(_) | Source::Directory(_) | Source::Engine(_) => None,
        }
    }
}

impl OpenedImage {
    /// An image whose manifest names its blobs.
    fn from_layout(store: &Store, image: Image, manifest: &[u8], config: &[u8]) -> Self {
        let place = |blob: Digest| Place { name: store::blob_name(blob), blob: Some(blob) };
        let mut skipped = Vec::new();
        let mut places = Vec::new();
        for layer in &image.layers {
            let Some(descriptor) = &layer.blob else {
                places.push(None);
                continue;
            };
            let place = place(descriptor.digest);
            let why = descriptor.unreadable();
            // A foreign layer may have been copied all the same; then it is a layer like any other.
            if let Some(why) = why.filter(|why| *why != "foreign layer" || !store.has(&place.name)) {
                let name = match why {
                    "foreign layer" => "foreign-layer",
                    "encrypted layer" => "encrypted-layer",
                    _ => "unknown-layer",
                };
                skipped.push(Skipped {
                    name: name.to_owned(),
                    what: layer.diff_id.to_string(),
                    why: format!("{why} ({})", descriptor.media_type),
                });
                places.push(None);
            } else {
                places.push(Some(place));
            }
        }
        skipped.sort();
        skipped.dedup();
        let claim = ImageClaim::Content {
            manifest: Some(STANDARD.encode(manifest)),
            config: STANDARD.encode(config),
        };
        Self { image, claim, content_addressed: true, skipped, places }
    }
}
