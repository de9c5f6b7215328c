//! Image sources: what the caller names is opened once, and afterwards only the layers that somebody wants are read.
//!
//! Everything here blocks; the clients of the Docker engine and of registries run on threads of their own.

mod archive;
mod attested;
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
pub mod registry;
mod sbom;
mod store;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use stella::{
    api::ImageClaim,
    digest::Digest,
    image::{Descriptor, Image, Platform},
    inventory::{Inventory, Skipped},
    layer::{Analysed, Limits},
    report::{BaseArgument, Written},
    signer::Signer,
};

pub use attested::{Attested, AttestedSbom};
pub use engine::EngineAddress;
pub use error::Error;
pub use reference::{Reference, Scheme, is_image_reference, path_and_tag};

use index::Found;
use registry::{Access, Name, Repository};
use store::Store;

/// What opening depends on, beside the reference.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The platforms to open; all where empty.
    pub platforms: Vec<Platform>,
    /// How to reach the Docker engine.
    pub engine: EngineAddress,
    /// How to reach registries.
    pub registry: Access,
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
    /// What the source says that the image is called, with its tag, where the caller gave a file or an ID.
    pub name: Option<String>,
    /// One per platform, sorted by platform; never empty.
    pub images: Vec<OpenedImage>,
    /// What was found beside them and is no image that could be looked at, sorted.
    pub skipped: Vec<Skipped>,
    source: Source,
    /// Manifests that may hold statements about the images.
    attestations: Vec<Descriptor>,
}

#[derive(Debug)]
enum Source {
    Store(Store),
    Directory(Box<Analysed>),
    Engine(engine::Connection),
    /// No layers at all.
    Sbom {
        /// What it calls the image, or the directory.
        subject: String,
        inventory: Box<Inventory>,
        /// The bytes that it was read from.
        document: Vec<u8>,
    },
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
    /// Where each layer's instruction is written; empty where no Dockerfile is known to have made the image.
    pub written: Vec<Option<Written>>,
    /// The argument whose default the base image's version is, where a Dockerfile names it.
    pub base_argument: Option<BaseArgument>,
    /// Where each layer lies, in the order of `image.layers`; `None` for those skipped.
    places: Vec<Option<Place>>,
}

/// Where a layer's bytes lie in a [`Store`].
#[derive(Debug, Clone)]
struct Place {
    name: String,
    blob: Option<Digest>,
    /// As the manifest says; 0 where none does.
    size_bytes: u64,
}

/// Told what happens while layers are read; called from any thread.
pub trait Progress: Sync {
    /// So many layers are about to be read, of so many bytes as stored; `None` where that is not known.
    fn begin(&self, _layers: usize, _bytes: Option<u64>) {}
    /// So many more bytes were read, as stored.
    fn read(&self, _bytes: u64) {}
    /// A layer was read to its end and verified; other layers may still fail.
    fn analysed(&self, _layer: &Analysed) {}
}

impl Progress for () {}

/// Opens what `reference` names. Reads manifests and configs only, never a layer.
pub fn open(reference: &Reference, options: &Options) -> Result<Opened, Error> {
    if let Some(scheme) = reference.scheme {
        return open_as(scheme, reference, options);
    }
    let word = reference.rest.as_str();
    let (scheme, doubt) = sniff(word, &options.engine)?;
    match open_as(scheme, reference, options) {
        Ok(opened) => Ok(Opened { doubt, ..opened }),
        // No engine has it: a registry may.
        Err(engine @ (Error::NoImage { .. } | Error::EngineUnreachable { .. }))
            if scheme == Scheme::Docker =>
        {
            pull(word, engine, options)
        }
        Err(error) => Err(error),
    }
}

/// Takes a bare word for the image of a registry, after no engine had it.
fn pull(word: &str, engine: Error, options: &Options) -> Result<Opened, Error> {
    let Ok(name) = word.parse::<Name>() else { return Err(engine) };
    let full = name.to_string();
    let doubt = match &engine {
        Error::NoImage { .. } => None,
        other => Some(format!(
            "{word} could be meant as an image of a Docker engine, and none could be asked ({other}); write docker:{word} or registry:{word}"
        )),
    };
    match open_registry(name, options) {
        Ok(opened) => Ok(Opened { doubt, ..opened }),
        Err(registry) => {
            let (engine, registry) = (Box::new(engine), Box::new(registry));
            Err(Error::Nowhere { name: full, engine, registry })
        }
    }
}

/// Pushes the image of an OCI archive under a name, byte by byte; gives the digest that it has there.
pub fn push(
    archive: &Path,
    name: &str,
    access: &Access,
    progress: crate::progress::Progress,
) -> Result<Digest, Error> {
    let store = Store::archive(archive)?;
    let root = index::root(&store)?;
    let name: Name = name.parse()?;
    let bar = progress.begin(&format!("pushing {name}"));
    let repository = Repository::new(name, access.clone())?;
    repository.push(&store, &root, &|bytes| bar.bytes(bytes))
}

fn open_registry(name: Name, options: &Options) -> Result<Opened, Error> {
    let taken_for = format!("{}:{name}", Scheme::Registry.name());
    let repository = Repository::new(name, options.registry.clone())?;
    let store = Store::Registry(Box::new(repository));
    let found = index::open(&store, None, &options.platforms)?;
    Ok(Opened::new(store, found, taken_for))
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
            let found = index::open(&store, tag.as_deref(), platforms)?;
            Ok(Opened::new(store, found, taken_for))
        }
        Scheme::OciArchive | Scheme::DockerArchive => {
            let (path, tag) = path_and_tag()?;
            let store = Store::archive(&path)?;
            // Where both forms are in one tar, engines differ in which one they read: it is not the caller's choice.
            let found = if scheme == Scheme::OciArchive && !store.has("manifest.json") {
                index::open(&store, tag.as_deref(), platforms)?
            } else {
                archive::open(&store, tag.as_deref(), platforms)?
            };
            Ok(Opened::new(store, found, taken_for))
        }
        Scheme::Dir => directory::open(Path::new(rest), taken_for, &options.limits),
        Scheme::Registry => open_registry(rest.parse()?, options),
        Scheme::Sbom => sbom::open(Path::new(rest), taken_for, &options.limits),
    }
}

/// What a bare word means at first sight: an existing path, else an image of the Docker engine; and what is doubtful
/// about it.
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
        let no_archive = || Error::NoArchive { path: path.to_owned() };
        archive_scheme(&Store::archive(path)?).ok_or_else(no_archive)?
    };
    // `/a`, `./a` and `../a` are no image references, and so plainly paths.
    if !reference::is_image_reference(word) {
        return Ok((scheme, None));
    }
    let name = scheme.name();
    // `registry.example/app` and `app:1` are hardly paths. A checkout that has such a one would stand in for the image.
    let host = word.split_once('/').is_some_and(|(host, _)| host == "localhost" || host.contains(['.', ':']));
    if host || word.contains([':', '@']) {
        return Err(Error::Ambiguous { text: word.to_owned(), scheme: name });
    }
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

/// What a tar is an archive of.
fn archive_scheme(store: &Store) -> Option<Scheme> {
    // Docker 25 and later saves both forms in one tar; only one of them knows its tags in full.
    match (store.has("manifest.json"), store.has("index.json") || store.has("oci-layout")) {
        (true, _) => Some(Scheme::DockerArchive),
        (false, true) => Some(Scheme::OciArchive),
        (false, false) => None,
    }
}

/// A name as engines show it: some tools write Docker's own registry into it, others leave it out.
fn familiar(name: &str) -> &str {
    let hub = name.strip_prefix("docker.io/").map(|rest| rest.strip_prefix("library/").unwrap_or(rest));
    hub.unwrap_or(name)
}

impl Opened {
    fn new(store: Store, found: Found, taken_for: String) -> Self {
        let Found { images, skipped, attestations, name, .. } = found;
        let name =
            name.filter(|name| reference::is_image_reference(name)).map(|name| familiar(&name).to_owned());
        Self { taken_for, doubt: None, name, images, skipped, source: Source::Store(store), attestations }
    }

    /// Bills of materials that statements in or beside the source make of `image`, by its manifest's digest.
    ///
    /// A claim of whoever built or pushed it, unless one of `signers` signed it.
    pub fn attested_sboms(&self, image: &OpenedImage, signers: &[Signer]) -> Result<Attested, Error> {
        match &self.source {
            Source::Store(store) => attested::sboms(store, &self.attestations, &image.image, signers),
            Source::Directory(_) | Source::Engine(_) | Source::Sbom { .. } => Ok(Attested::default()),
        }
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
            Source::Sbom { .. } => Ok(Vec::new()),
        }
    }

    /// An image of the registry that this one is of, by its digest; `None` where `name` is of another place. What an image
    /// says of itself leads to no other registry.
    pub fn beside(&self, name: &str, digest: Digest) -> Option<Reference> {
        let here: Name = self.taken_for.strip_prefix("registry:")?.parse().ok()?;
        let there: Name = name.parse().ok()?;
        let full = Name { tag: None, digest: Some(digest), ..there };
        let is_here = full.registry == here.registry;
        is_here.then(|| Reference { scheme: Some(Scheme::Registry), rest: full.to_string() })
    }

    /// The inventory, where the source gives that instead of layers.
    pub fn inventory(&self) -> Option<&Inventory> {
        match &self.source {
            Source::Sbom { inventory, .. } => Some(inventory),
            Source::Store(_) | Source::Directory(_) | Source::Engine(_) => None,
        }
    }

    /// What an SBOM calls the image, or the directory, that it is of.
    pub fn subject(&self) -> Option<&str> {
        match &self.source {
            Source::Sbom { subject, .. } => Some(subject),
            Source::Store(_) | Source::Directory(_) | Source::Engine(_) => None,
        }
    }

    /// The SBOM that the inventory was read from.
    pub fn document(&self) -> Option<&[u8]> {
        match &self.source {
            Source::Sbom { document, .. } => Some(document),
            Source::Store(_) | Source::Directory(_) | Source::Engine(_) => None,
        }
    }
}

impl OpenedImage {
    /// An image whose manifest names its blobs.
    fn from_layout(store: &Store, image: Image, manifest: &[u8], config: &[u8]) -> Result<Self, Error> {
        let place = |blob: &Descriptor| Place {
            name: store::blob_name(blob.digest),
            blob: Some(blob.digest),
            size_bytes: blob.size_bytes,
        };
        let mut skipped = Vec::new();
        let mut places = Vec::new();
        for layer in &image.layers {
            let Some(descriptor) = &layer.blob else {
                places.push(None);
                continue;
            };
            let why = descriptor.unreadable();
            // A foreign layer may have been copied all the same; then it is a layer like any other.
            let copied = why == Some("foreign layer") && store.holds_blob(descriptor.digest)?;
            if let Some(why) = why.filter(|_| !copied) {
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
                places.push(Some(place(descriptor)));
            }
        }
        skipped.sort_unstable();
        skipped.dedup();
        let claim = ImageClaim::Content {
            manifest: Some(STANDARD.encode(manifest)),
            config: STANDARD.encode(config),
        };
        Ok(Self {
            image,
            claim,
            content_addressed: true,
            skipped,
            places,
            written: Vec::new(),
            base_argument: None,
        })
    }
}
