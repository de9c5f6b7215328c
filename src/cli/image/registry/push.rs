//! Pushing by the OCI distribution specification 1.1: what an archive holds becomes an image of a repository, byte by byte.
//! Blobs come before the manifests that name them, and the tag last: nobody is shown half an image.

use std::{
    collections::BTreeSet,
    io::{self, Read},
    time::Duration,
};

use futures_util::stream;
use reqwest::{
    Body, Method, Response, StatusCode, Url,
    header::{self, HeaderValue},
};
use stella::{digest::Digest, document::Document, image::Descriptor};
use tokio::time::Instant;
use tokio_util::bytes::Bytes;

use super::{
    super::{
        Error as ImageError,
        store::{Store, blob_name},
    },
    Error, Repository,
    client::{Fault, backoff},
};
use crate::client::is_sealed;

/// Bytes of a blob that are sent at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// A blob's own time, beside the deadline of any call: what a slow line still manages.
const SLOWEST_BYTES_PER_SECOND: u64 = 64 << 10;

/// Times that one request is sent again because the registry wants other proof of who asks.
const MOST_CHALLENGES: usize = 2;

/// Levels of an index within an index.
const MOST_DEPTH: usize = 3;

impl Repository {
    /// Pushes what `root` names in `store`, under the name of this repository. `told` hears of each blob and manifest.
    pub fn push(&self, store: &Store, root: &Descriptor, told: &dyn Fn(u64)) -> Result<Digest, ImageError> {
        let mut sent = BTreeSet::new();
        let reference = self.client.name.tag.clone().unwrap_or_else(|| root.digest.to_string());
        self.push_manifest(store, root, &reference, &mut sent, told, MOST_DEPTH)?;
        Ok(root.digest)
    }

    fn push_manifest(
        &self,
        store: &Store,
        manifest: &Descriptor,
        reference: &str,
        sent: &mut BTreeSet<Digest>,
        told: &dyn Fn(u64),
        depth: usize,
    ) -> Result<(), ImageError> {
        let bytes = store.manifest(manifest.digest)?;
        let what = format!("manifest {}", manifest.digest);
        let wrong = |why: String| self.client.answer(&what, why);
        match Document::parse(&bytes, &manifest.media_type).map_err(|error| wrong(error.to_string()))? {
            Document::Index(_) if depth == 0 => {
                return Err(wrong("an index within too many others".to_owned()).into());
            }
            Document::Index(entries) => {
                for entry in &entries {
                    self.push_manifest(store, entry, &entry.digest.to_string(), sent, told, depth - 1)?;
                }
            }
            Document::Manifest { config, layers } => {
                // What lies elsewhere is not in the archive, and stays there.
                let here = layers.iter().filter(|layer| layer.urls.is_empty());
                for blob in here.chain([&config]) {
                    if sent.insert(blob.digest) {
                        self.push_blob(store, blob, told)?;
                    }
                }
            }
        }
        let path = format!("manifests/{reference}");
        let put = Put {
            method: Method::PUT,
            path: Path::Below(path),
            wanted: StatusCode::CREATED,
            what: &what,
            size_bytes: bytes.len() as u64,
        };
        let media_type =
            HeaderValue::from_str(&manifest.media_type).map_err(|error| wrong(error.to_string()))?;
        let body = || Ok(Body::from(bytes.clone()));
        self.runtime.block_on(self.send(&put, Some(&media_type), &body))?;
        Ok(())
    }

    fn push_blob(&self, store: &Store, blob: &Descriptor, told: &dyn Fn(u64)) -> Result<(), ImageError> {
        if self.holds_blob(blob.digest)? {
            told(blob.size_bytes);
            return Ok(());
        }
        let what = format!("blob {}", blob.digest);
        let begin = Put {
            method: Method::POST,
            path: Path::Below("blobs/uploads/".to_owned()),
            wanted: StatusCode::ACCEPTED,
            what: &what,
            size_bytes: 0,
        };
        let begun = self.runtime.block_on(self.send(&begin, None, &|| Ok(Body::from(""))))?;
        let mut url = self.upload_address(&begun, &what)?;
        url.query_pairs_mut().append_pair("digest", &blob.digest.to_string());
        let (_, size_bytes) = store.open(&blob_name(blob.digest))?;
        let put = Put {
            method: Method::PUT,
            path: Path::Whole(url),
            wanted: StatusCode::CREATED,
            what: &what,
            size_bytes,
        };
        let octets = HeaderValue::from_static("application/octet-stream");
        let body = || {
            let (reader, _) = store.open(&blob_name(blob.digest)).map_err(io::Error::other)?;
            Ok(streamed(reader))
        };
        self.runtime.block_on(self.send(&put, Some(&octets), &body))?;
        told(blob.size_bytes);
        Ok(())
    }

    /// Where the registry wants the blob: of a relative address, on the registry itself.
    fn upload_address(&self, begun: &Response, what: &str) -> Result<Url, Error> {
        let location = begun.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
        let url = location.and_then(|location| begun.url().join(location).ok());
        let url = url.ok_or_else(|| self.client.answer(what, "it says not where to send it".to_owned()))?;
        if !is_sealed(begun.url(), &url) {
            let (scheme, host) = (url.scheme(), url.host_str().unwrap_or_default());
            let why = format!("it is to be sent to {scheme}://{host}, where anybody can read and change it");
            return Err(self.client.answer(what, why));
        }
        Ok(url)
    }

    /// All attempts of one request with a body, which is made anew for each.
    async fn send(
        &self,
        put: &Put<'_>,
        media_type: Option<&HeaderValue>,
        body: &dyn Fn() -> io::Result<Body>,
    ) -> Result<Response, Error> {
        let client = &self.client;
        let own = Duration::from_secs(put.size_bytes / SLOWEST_BYTES_PER_SECOND);
        let deadline = client.access.deadline + own;
        let until = Instant::now() + deadline;
        for attempt in 1.. {
            let tried = tokio::time::timeout_at(until, self.attempt(put, media_type, body, attempt)).await;
            let (registry, what) = (client.name.registry.clone(), put.what.to_owned());
            let Ok(tried) = tried else { return Err(Error::Late { registry, what, deadline }) };
            let (error, after) = match tried {
                Ok(response) => return Ok(response),
                Err(Fault::Final(error)) => return Err(error),
                Err(Fault::Passing { error, after, .. }) => (error, after),
            };
            let wait = backoff(attempt).max(after.unwrap_or_default());
            if Instant::now() + wait >= until {
                return Err(error);
            }
            tokio::time::sleep(wait).await;
        }
        Err(client.answer(put.what, "a request that cannot be sent again".to_owned()))
    }

    async fn attempt(
        &self,
        put: &Put<'_>,
        media_type: Option<&HeaderValue>,
        body: &dyn Fn() -> io::Result<Body>,
        attempts: usize,
    ) -> Result<Response, Fault> {
        let client = &self.client;
        let url = match &put.path {
            Path::Below(path) => {
                let path = format!("{}/{path}", client.name.repository);
                client.base.join(&path).map_err(|error| client.answer(put.what, error.to_string()))?
            }
            Path::Whole(url) => url.clone(),
        };
        for challenged in 0..=MOST_CHALLENGES {
            let authorization = client.authorization();
            let body =
                body().map_err(|error| client.answer(put.what, format!("our own archive: {error}")))?;
            let mut request = client.http(&url)?.request(put.method.clone(), url.clone()).body(body);
            request = request.header(header::CONTENT_LENGTH, put.size_bytes);
            if let Some(media_type) = media_type {
                request = request.header(header::CONTENT_TYPE, media_type.clone());
            }
            // What proves who asks goes to the registry alone, never to its storage.
            if let Some(authorization) =
                authorization.as_ref().filter(|_| url.origin() == client.base.origin())
            {
                request = request.header(header::AUTHORIZATION, authorization.clone());
            }
            let response = request.send().await.map_err(|error| client.broken(put.what, error, attempts))?;
            match response.status() {
                status if status == put.wanted => return Ok(response),
                // Its storage has no say in who is asked to log in where.
                StatusCode::UNAUTHORIZED
                    if challenged < MOST_CHALLENGES && url.origin() == client.base.origin() =>
                {
                    let challenges = response.headers().clone();
                    if !client.authorize(&challenges, authorization.as_ref(), attempts).await? {
                        return Err(client.failure(put.what, response, attempts).await);
                    }
                }
                _ => return Err(client.failure(put.what, response, attempts).await),
            }
        }
        Err(Fault::Final(client.answer(put.what, "it asks again and again who asks".to_owned())))
    }
}

/// A request with a body.
struct Put<'a> {
    method: Method,
    path: Path,
    /// The status that says that it was done.
    wanted: StatusCode,
    /// How errors name it.
    what: &'a str,
    /// Of the body.
    size_bytes: u64,
}

enum Path {
    /// Below `/v2/NAME/`.
    Below(String),
    /// As the registry gave it.
    Whole(Url),
}

fn streamed(reader: Box<dyn Read + Send>) -> Body {
    let chunks = stream::try_unfold(reader, |mut reader| async move {
        let mut chunk = vec![0; CHUNK_BYTES];
        let count = reader.read(&mut chunk)?;
        chunk.truncate(count);
        io::Result::Ok((count > 0).then(|| (Bytes::from(chunk), reader)))
    });
    Body::wrap_stream(chunks)
}
