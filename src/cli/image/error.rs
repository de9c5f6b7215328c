//! Why an image could not be opened or read. Each message names the thing, the place, and the way out.

use std::{io, path::PathBuf};

use stella::{digest::Digest, image, layer};

use super::registry;

/// What went wrong with an image source.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file or directory is not there.
    #[error(
        "there is no file or directory {path:?}; check the path, or name another source such as docker:REF"
    )]
    NoSuchPath {
        /// As the caller wrote it.
        path: PathBuf,
    },
    /// A file where a directory was named.
    #[error("{path:?} is a file and no directory{}", match scheme {
        Some(scheme) => format!("; it looks like {scheme}:{}", path.display()),
        None => ", and looks like neither an image archive nor an SBOM".to_owned(),
    })]
    NotDirectory {
        /// As the caller wrote it.
        path: PathBuf,
        /// What it looks like.
        scheme: Option<&'static str>,
    },
    /// A bare word that is neither a path nor an image reference.
    #[error(
        "{text:?} is neither an existing path nor an image reference; write docker:REF, registry:REF, oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:TAG] or dir:PATH"
    )]
    Reference {
        /// As the caller wrote it.
        text: String,
    },
    /// A bare word that is a path and an image: whoever can add a file could otherwise choose what is gated.
    #[error(
        "{text:?} is a path here and may be an image too; write {scheme}:{text}, docker:{text} or registry:{text}"
    )]
    Ambiguous {
        /// As the caller wrote it.
        text: String,
        /// What the path would be taken for.
        scheme: &'static str,
    },
    /// Reading failed.
    #[error("cannot read {name} in {place}: {source}")]
    Read {
        /// The file or member.
        name: String,
        /// The layout, archive or engine.
        place: String,
        /// The system's words.
        source: io::Error,
    },
    /// A device, pipe or directory where a file belongs.
    #[error("{name} in {place} is not a regular file; make the image again")]
    NotRegular {
        /// The file or member.
        name: String,
        /// The layout or archive.
        place: String,
    },
    /// All layers together are over a limit.
    #[error("the layers together are {0}")]
    Weight(#[from] stella::layer::limits::Exceeded),
    /// Named, but not there.
    #[error(
        "{place} has no {name}, which the image needs; copy the whole image, or name the platforms that are there with --platform"
    )]
    Missing {
        /// The file or member.
        name: String,
        /// The layout or archive.
        place: String,
    },
    /// Over one of the named limits.
    #[error("{name} in {place} has {found}; the limit `{limit}` is {most}")]
    Limit {
        /// What is too large.
        name: String,
        /// The layout, archive or engine.
        place: String,
        /// The limit's name.
        limit: &'static str,
        /// Its value.
        most: u64,
        /// What was found.
        found: u64,
    },
    /// The bytes of a document are not the ones that were named.
    #[error(
        "{name} in {place} was changed: expected {expected}, its bytes are {found}; make or copy the image again"
    )]
    Digest {
        /// The file or member.
        name: String,
        /// The layout, archive or engine.
        place: String,
        /// The digest that names it.
        expected: Digest,
        /// The digest of its bytes.
        found: Digest,
    },
    /// A document is not what it should be.
    #[error("{name} in {place} is not valid: {why}; build or copy the image again")]
    Document {
        /// The file or member.
        name: String,
        /// The layout, archive or engine.
        place: String,
        /// What is wrong.
        why: String,
    },
    /// Manifest and config do not make an image.
    #[error("image {name} in {place}: {source}")]
    Image {
        /// The manifest or config.
        name: String,
        /// The layout, archive or engine.
        place: String,
        /// What is wrong.
        source: image::Error,
    },
    /// The tag is not there, or several are and none was named.
    #[error(
        "{place} {}; name one by its tag (PATH:TAG), its digest (in a registry NAME@DIGEST) or its platform (--platform); there are {}",
        unnamed(wanted), there.join(", ")
    )]
    Tag {
        /// The layout or archive.
        place: String,
        /// What the caller asked for.
        wanted: Option<String>,
        /// What there is.
        there: Vec<String>,
    },
    /// The platform is not there.
    #[error("{place} has no image for platform {wanted}; it has {}", there.join(", "))]
    Platform {
        /// The layout or archive.
        place: String,
        /// What the caller asked for.
        wanted: String,
        /// What there is.
        there: Vec<String>,
    },
    /// Nothing that could run.
    #[error("{place} holds no container image: its index lists {}", found.first().map_or("no manifest".to_owned(), |f| format!("only {f}")))]
    Nothing {
        /// The layout or archive.
        place: String,
        /// What it holds instead.
        found: Vec<String>,
    },
    /// A compressed archive; its members cannot be reached one by one.
    #[error("archive {path:?} is compressed with {how}; decompress it first: {how} -d {path:?}")]
    Compressed {
        /// The archive.
        path: PathBuf,
        /// The program that decompresses it.
        how: &'static str,
    },
    /// A file that is no image archive.
    #[error(
        "{path:?} is no image archive: it holds neither manifest.json (docker save) nor index.json (OCI layout)"
    )]
    NoArchive {
        /// The file.
        path: PathBuf,
    },
    /// A tar that ends too early, or that engines refuse or read in several ways.
    #[error("archive {place}: {source}; make or copy it again")]
    Archive {
        /// The archive or engine.
        place: String,
        /// What is wrong, and where.
        source: layer::tar::Error,
    },
    /// A member that engines that unpack an archive and those that look members up by name do not read alike.
    #[error("{path:?} in archive {place} {why}; make the archive again")]
    Member {
        /// The archive or engine.
        place: String,
        /// The member.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// The engine's address cannot be used.
    #[error("Docker engine address {address:?}: {why}")]
    EngineAddress {
        /// As in `DOCKER_HOST`.
        address: String,
        /// What is wrong, and the way out.
        why: String,
    },
    /// The engine does not answer.
    #[error(
        "the Docker engine at {address} cannot be reached: {why}; start it, or set DOCKER_HOST, or save the image and gate docker-archive:FILE"
    )]
    EngineUnreachable {
        /// As in `DOCKER_HOST`.
        address: String,
        /// The client's words.
        why: String,
    },
    /// The engine answers with an error.
    #[error("the Docker engine at {address} failed: {why}")]
    EngineFailed {
        /// As in `DOCKER_HOST`.
        address: String,
        /// The engine's words.
        why: String,
    },
    /// The engine does not have the image.
    #[error(
        "no image {reference:?} in the Docker engine at {address}; build or pull it first, or name another source such as registry:REF or oci:DIR"
    )]
    NoImage {
        /// The image reference.
        reference: String,
        /// As in `DOCKER_HOST`.
        address: String,
    },
    /// What the engine says of an image makes no sense.
    #[error(
        "the Docker engine at {address} describes image {reference:?} in a way that makes no sense: {why}"
    )]
    EngineClaim {
        /// As in `DOCKER_HOST`.
        address: String,
        /// The image reference.
        reference: String,
        /// What is wrong.
        why: String,
    },
    /// The engine exports other layers than it names.
    #[error(
        "the Docker engine at {address} named layer {expected} (position {position}) and exported {}; its store is damaged or the answer was forged: pull or build the image again",
        found.map_or_else(|| "no such layer".to_owned(), |digest| digest.to_string())
    )]
    EngineLayer {
        /// As in `DOCKER_HOST`.
        address: String,
        /// Position in the image, from 0 at the bottom.
        position: usize,
        /// What `inspect` named.
        expected: Digest,
        /// What the export holds there.
        found: Option<Digest>,
    },
    /// A layer was refused.
    #[error("layer {diff_id} ({name} in {place}): {source}")]
    Layer {
        /// The layer.
        diff_id: Digest,
        /// The file or member.
        name: String,
        /// The layout, archive or engine.
        place: String,
        /// Why.
        source: Box<layer::Error>,
    },
    /// An entry of a host directory was refused.
    #[error("{path:?} in {place}: {why}")]
    Entry {
        /// The directory.
        place: String,
        /// The entry.
        path: String,
        /// Why.
        why: layer::Refused,
    },
    /// The registry gave no image.
    #[error(transparent)]
    Registry(Box<registry::Error>),
    /// A bare word that neither an engine nor a registry has.
    #[error("{engine}; taken for registry:{name}: {registry}")]
    Nowhere {
        /// The name in full.
        name: String,
        /// Why the engine gave none.
        engine: Box<Error>,
        /// Why the registry gave none.
        registry: Box<Error>,
    },
    /// A file that is no SBOM, or one of another form.
    #[error("SBOM {path:?}: {source}")]
    Sbom {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: stella::sbom::Error,
    },
}

impl From<registry::Error> for Error {
    fn from(error: registry::Error) -> Self {
        Self::Registry(Box::new(error))
    }
}

impl Error {
    /// What sets the limit that was passed, if that is what went wrong and it can be set.
    pub fn way_out(&self) -> Option<String> {
        let refused = |why: &layer::Refused| match why {
            layer::Refused::Limit(exceeded) => Some(exceeded.name),
            _ => None,
        };
        let name = match self {
            Self::Limit { limit, .. } => Some(*limit),
            Self::Entry { why, .. } => refused(why),
            Self::Layer { source, .. } => match source.as_ref() {
                layer::Error::Tar(layer::tar::Error::Limit(exceeded)) => Some(exceeded.name),
                layer::Error::Entry { why, .. } => refused(why),
                _ => None,
            },
            _ => None,
        };
        name.and_then(layer::Limits::way_out)
    }
}

fn unnamed(wanted: &Option<String>) -> String {
    match wanted {
        Some(tag) => format!("has no single image {tag:?}"),
        None => "holds several images".to_owned(),
    }
}
