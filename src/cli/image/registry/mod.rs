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
}

impl Default for Access {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(60),
            docker_config: None,
            docker_auth_config: None,
            certificates: Vec::new(),
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
        files.sort();
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
        let path = format!("manifests/{}", name.reference());
        let (bytes, headers) = self.runtime.block_on(self.fetch(path, MANIFESTS, &what))?;
        let text =
            |header: &str| headers.get(header).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media_type = text("content-type").split(';').next().unwrap_or_default().trim();
        if media_type.starts_with(SCHEMA_1) {
            return Err(Error::Schema1 { registry: name.registry.clone(), what });
        }
        let found = Digest::of(&bytes);
        // A tag is worth what the registry says; what it says must be one thing at least.
        let said = text("docker-content-digest").parse::<Digest>().ok();
        for expected in name.digest.into_iter().chain(said) {
            self.hold(&what, expected, found)?;
        }
        let size_bytes = bytes.len() as u64;
        self.keep(found, Ok(bytes));
        Ok(Descriptor {
            media_type: media_type.to_owned(),
            digest: found,
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
        match self.runtime.block_on(self.client.call(&ask, async |_| Ok(()))) {
            Ok(()) => Ok(true),
            Err(error) if error.is_absent() => Ok(false),
            Err(error) => Err(error),
        }
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

    /// Manifests that say that they refer to `digest`: what the referrers API answers first, or the tag that stands in
    /// for it.
    pub fn referrers(&self, digest: Digest) -> Result<Vec<Descriptor>, Error> {
        let what = format!("what refers to {digest}");
        for path in [format!("referrers/{digest}"), format!("manifests/sha256-{}", digest.hex())] {
            match self.runtime.block_on(self.fetch(path, INDEX, &what)) {
                Ok((bytes, _)) => {
                    return match Document::parse(&bytes, INDEX) {
                        Ok(Document::Index(manifests)) => Ok(manifests),
                        Ok(Document::Manifest { .. }) => Ok(Vec::new()),
                        Err(error) => Err(self.client.answer(&what, error.to_string())),
                    };
                }
                // Registries without the API say so in many ways.
                Err(Error::NotFound { .. } | Error::Answer { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Vec::new())
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
        match found {
            Ok(bytes) => {
                self.keep(digest, Ok(bytes));
                Ok(true)
            }
            Err(error) if error.is_absent() => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn keep(&self, digest: Digest, document: Result<Vec<u8>, Error>) {
        self.documents.lock().unwrap_or_else(PoisonError::into_inner).insert(digest, document);
    }

    fn kept(&self, digest: Digest) -> Option<Result<Vec<u8>, Error>> {
        self.documents.lock().unwrap_or_else(PoisonError::into_inner).remove(&digest)
    }
}
