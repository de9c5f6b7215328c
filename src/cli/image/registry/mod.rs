//! Images of a registry, by the OCI distribution specification 1.1: only pulling, and only what is wanted.
//!
//! The program's own HTTP client does it. The crate `oci-client` (0.18) reads manifests without a bound, sends passwords
//! to whatever address a registry names, knows no identity tokens, and neither waits nor tries again.

mod blob;
mod challenge;
mod client;
mod credentials;
mod error;
mod name;
mod push;
#[cfg(test)]
mod tests;
mod token;

use std::{
    cell::Cell,
    collections::BTreeMap,
    fmt,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt as _, stream};
use reqwest::{Method, Response, header::HeaderMap};
use stella::{
    digest::Digest,
    document::Document,
    image::{self, Descriptor},
};
use tokio::runtime::Runtime;

pub(super) use blob::Blob;
pub use error::Error;
pub(super) use name::Name;

use super::store::MOST_DOCUMENT_BYTES;
use client::{Ask, Client, Fault};

/// Manifests and indexes that are asked for.
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Begins the media types of manifests that registries made before 2016.
const SCHEMA_1: &str = "application/vnd.docker.distribution.manifest.v1+";

/// Entries of an index that are fetched side by side, before they are looked at one by one.
const MOST_FETCHED: usize = 16;

/// Once so many bytes are fetched like that, the rest is fetched when it is looked at.
const MOST_KEPT_BYTES: usize = 16 << 20;

/// How registries are reached.
#[derive(Clone)]
pub struct Access {
    /// For each call, retries included; of a blob, for each part that is asked for.
    pub deadline: Duration,
    /// The directory of Docker's `config.json`.
    pub docker_config: Option<PathBuf>,
    /// `DOCKER_AUTH_CONFIG`: what `config.json` would hold.
    pub docker_auth_config: Option<String>,
    /// Directories with one directory for each registry, whose `*.crt` it may be certified by.
    pub certificates: Vec<PathBuf>,
    /// PEM files of authorities that any of them may be certified by.
    pub authorities: Vec<PathBuf>,
}

impl Default for Access {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(60),
            docker_config: None,
            docker_auth_config: None,
            certificates: Vec::new(),
            authorities: Vec::new(),
        }
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the variable, which holds secrets.
        let Self { deadline, docker_config, certificates, .. } = self;
        f.debug_tuple("Access").field(deadline).field(docker_config).field(certificates).finish()
    }
}

impl Access {
    /// Files of certificates for one registry, sorted. What is not there is no error.
    fn authorities(&self, registry: &str) -> Vec<PathBuf> {
        let directories = self.certificates.iter().map(|directory| directory.join(registry));
        let entries = directories.filter_map(|directory| directory.read_dir().ok()).flatten();
        let files = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
        let mut files: Vec<_> =
            files.filter(|path| path.extension().is_some_and(|end| end == "crt")).collect();
        files.sort_unstable();
        files.extend_from_slice(&self.authorities);
        files
    }
}

/// One image of a registry, or an index of several.
///
/// It has a thread of its own for the network; its methods block, and are not for callers inside an event loop.
#[derive(Debug)]
pub(super) struct Repository {
    runtime: Runtime,
    client: Client,
    /// Fetched before they were asked for, verified; each is given once.
    documents: Mutex<BTreeMap<Digest, Result<Vec<u8>, Error>>>,
}

impl Repository {
    /// Gets ready to talk to the registry of `name`. Only one on this machine is asked anything yet.
    pub fn new(name: Name, access: Access) -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("registry")
            .enable_all()
            .build()
            .map_err(|error| Error::Client { registry: name.registry.clone(), why: error.to_string() })?;
        let client = runtime.block_on(Client::new(name, access))?;
        Ok(Self { runtime, client, documents: Mutex::default() })
    }

    /// How messages name it.
    pub fn place(&self) -> String {
        self.client.name.to_string()
    }

    /// What the name stands for: a manifest or an index, whose bytes are kept for [`Self::manifest`].
    pub fn resolve(&self) -> Result<Descriptor, Error> {
        let name = &self.client.name;
        let what = name.to_string();
        let found = self.named(&name.reference(), &what)?;
        if let Some(expected) = name.digest {
            self.hold(&what, expected, found.digest)?;
        }
        Ok(found)
    }

    /// The manifest or index under a tag or a digest, kept for [`Self::manifest`].
    fn named(&self, reference: &str, what: &str) -> Result<Descriptor, Error> {
        let fetch = self.fetch(format!("manifests/{reference}"), MANIFESTS, what);
        let (bytes, headers) = self.runtime.block_on(fetch)?;
        let text =
            |header: &str| headers.get(header).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media_type = text("content-type").split(';').next().unwrap_or_default().trim();
        if media_type.starts_with(SCHEMA_1) {
            let (registry, what) = (self.client.name.registry.clone(), what.to_owned());
            return Err(Error::Schema1 { registry, what });
        }
        let digest = Digest::of(&bytes);
        // A tag is worth what the registry says; what it says must be one thing at least.
        if let Ok(said) = text("docker-content-digest").parse() {
            self.hold(what, said, digest)?;
        }
        let size_bytes = bytes.len() as u64;
        self.keep(digest, Ok(bytes));
        Ok(Descriptor {
            media_type: media_type.to_owned(),
            digest,
            size_bytes,
            urls: Vec::new(),
            annotations: BTreeMap::new(),
            platform: None,
        })
    }

    /// A manifest or an index by its digest, verified.
    pub fn manifest(&self, digest: Digest) -> Result<Vec<u8>, Error> {
        self.kept(digest).unwrap_or_else(|| self.runtime.block_on(self.fetch_manifest(digest)))
    }

    /// A small blob, such as a config, verified.
    pub fn document(&self, digest: Digest) -> Result<Vec<u8>, Error> {
        self.kept(digest).unwrap_or_else(|| self.runtime.block_on(self.fetch_config(digest)))
    }

    /// Whether there is a manifest of this digest; it is kept for [`Self::manifest`].
    pub fn holds_manifest(&self, digest: Digest) -> Result<bool, Error> {
        self.present(digest, self.manifest(digest))
    }

    /// Whether there is a blob of this digest.
    pub fn holds_blob(&self, digest: Digest) -> Result<bool, Error> {
        if let Some(kept) = self.kept(digest) {
            return self.present(digest, kept);
        }
        let what = format!("blob {digest}");
        let (path, method) = (format!("blobs/{digest}"), Method::HEAD);
        let ask = Ask { method, path, accept: None, from: 0, what: &what };
        let asked = self.runtime.block_on(self.client.call(&ask, async |_| Ok(())));
        absent_as_none(asked).map(|found| found.is_some())
    }

    /// The bytes of a blob, fetched while they are read; whoever reads verifies them.
    pub fn blob(&self, digest: Digest, size_bytes: u64) -> Blob<'_> {
        Blob::new(self, digest, size_bytes)
    }

    /// Fetches manifests and the configs of images side by side, so that to look at each costs no way of its own. What
    /// goes wrong is told when it is asked for.
    pub fn expect<'a>(&self, entries: impl Iterator<Item = &'a Descriptor>) {
        let kept = Cell::new(0);
        let fetch = async |digest: Digest| {
            if kept.get() > MOST_KEPT_BYTES {
                return;
            }
            let manifest = self.fetch_manifest(digest).await;
            let config = match manifest.as_deref().map(|bytes| Document::parse(bytes, "")) {
                Ok(Ok(Document::Manifest { config, .. }))
                    if image::is_config_media_type(&config.media_type) =>
                {
                    Some((config.digest, self.fetch_config(config.digest).await))
                }
                _ => None,
            };
            for (digest, document) in [Some((digest, manifest)), config].into_iter().flatten() {
                kept.set(kept.get() + document.as_ref().map_or(0, Vec::len));
                self.keep(digest, document);
            }
        };
        let fetches =
            stream::iter(entries.map(|entry| entry.digest)).for_each_concurrent(MOST_FETCHED, fetch);
        self.runtime.block_on(fetches);
    }

    /// Manifests about `digest`: the first answer of the referrers API, or the tag that stands in for it; and the tag
    /// under which cosign attests.
    pub fn referrers(&self, digest: Digest) -> Result<Vec<Descriptor>, Error> {
        let what = format!("what refers to {digest}");
        let tag = format!("sha256-{}", digest.hex());
        let api = self.runtime.block_on(self.fetch(format!("referrers/{digest}"), INDEX, &what));
        let index = match api {
            Ok((bytes, _)) => Some(bytes),
            // Registries without the API say so in many ways.
            Err(Error::NotFound { .. } | Error::Answer { .. } | Error::Refused { .. }) => {
                let named = absent_as_none(self.named(&tag, &what))?;
                named.map(|index| self.manifest(index.digest)).transpose()?
            }
            Err(error) => return Err(error),
        };
        let mut manifests = match index.map(|bytes| Document::parse(&bytes, "")) {
            Some(Ok(Document::Index(manifests))) => manifests,
            Some(Ok(Document::Manifest { .. })) | None => Vec::new(),
            Some(Err(error)) => return Err(self.client.answer(&what, error.to_string())),
        };
        manifests.extend(absent_as_none(self.named(&format!("{tag}.att"), &what))?);
        Ok(manifests)
    }

    async fn fetch_manifest(&self, digest: Digest) -> Result<Vec<u8>, Error> {
        let what = format!("manifest {digest}");
        let (bytes, _) = self.fetch(format!("manifests/{digest}"), MANIFESTS, &what).await?;
        self.hold(&what, digest, Digest::of(&bytes))?;
        Ok(bytes)
    }

    async fn fetch_config(&self, digest: Digest) -> Result<Vec<u8>, Error> {
        let what = format!("config {digest}");
        let (bytes, _) = self.fetch(format!("blobs/{digest}"), "*/*", &what).await?;
        self.hold(&what, digest, Digest::of(&bytes))?;
        Ok(bytes)
    }

    /// A document whole, within its limit.
    async fn fetch(
        &self,
        path: String,
        accept: &'static str,
        what: &str,
    ) -> Result<(Vec<u8>, HeaderMap), Error> {
        let ask = Ask { method: Method::GET, path, accept: Some(accept), from: 0, what };
        let read = async |mut response: Response| {
            let over = || {
                let (registry, what) = (self.client.name.registry.clone(), what.to_owned());
                Fault::Final(Error::Limit {
                    registry,
                    what,
                    limit: "document size",
                    most: MOST_DOCUMENT_BYTES,
                })
            };
            if response.content_length().is_some_and(|length| length > MOST_DOCUMENT_BYTES) {
                return Err(over());
            }
            let mut bytes = Vec::new();
            while let Some(chunk) =
                response.chunk().await.map_err(|error| self.client.broken(what, error, 1))?
            {
                if (bytes.len() + chunk.len()) as u64 > MOST_DOCUMENT_BYTES {
                    return Err(over());
                }
                bytes.extend_from_slice(&chunk);
            }
            Ok((bytes, response.headers().clone()))
        };
        self.client.call(&ask, read).await
    }

    fn hold(&self, what: &str, expected: Digest, found: Digest) -> Result<(), Error> {
        if expected == found {
            return Ok(());
        }
        let (expected, found) = (expected.to_string(), found.to_string());
        Err(Error::Changed {
            registry: self.client.name.registry.clone(),
            what: what.to_owned(),
            expected,
            found,
        })
    }

    fn present(&self, digest: Digest, found: Result<Vec<u8>, Error>) -> Result<bool, Error> {
        let found = absent_as_none(found)?.map(|bytes| self.keep(digest, Ok(bytes)));
        Ok(found.is_some())
    }

    fn keep(&self, digest: Digest, document: Result<Vec<u8>, Error>) {
        self.documents.lock().unwrap_or_else(PoisonError::into_inner).insert(digest, document);
    }

    fn kept(&self, digest: Digest) -> Option<Result<Vec<u8>, Error>> {
        self.documents.lock().unwrap_or_else(PoisonError::into_inner).remove(&digest)
    }
}

fn absent_as_none<T>(found: Result<T, Error>) -> Result<Option<T>, Error> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(error),
    }
}
