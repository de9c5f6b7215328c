//! A blob while it is fetched. Where the connection breaks, the rest is asked for.

use std::{
    io::{self, Read},
    time::Duration,
};

use reqwest::{Method, Response, StatusCode, header};
use stella::digest::Digest;
use tokio_util::bytes::{Buf as _, Bytes};

use super::{
    Error, Repository,
    client::{Ask, backoff},
};

/// How long a registry may be silent in the middle of a blob, if the deadline is not shorter.
const SILENCE: Duration = Duration::from_secs(30);

/// `blob connections`: most connections that one blob is fetched by.
const MOST_CONNECTIONS: usize = 32;

/// Connections in a row that bring nothing.
const MOST_FRUITLESS: usize = 5;

/// The bytes of a blob, in order and each once, whatever number of connections they come by.
#[derive(Debug)]
pub(in crate::image) struct Blob<'a> {
    repository: &'a Repository,
    digest: Digest,
    /// As the manifest says; the registry must agree.
    size_bytes: u64,
    /// How many were received.
    position: u64,
    response: Option<Response>,
    /// Bytes of the answer that were received by another connection.
    again: u64,
    /// The registry does not give parts, or not the right ones.
    whole: bool,
    chunk: Bytes,
    connections: usize,
    fruitless: usize,
    /// An error was told; nothing is asked for again.
    failed: bool,
}

impl<'a> Blob<'a> {
    pub fn new(repository: &'a Repository, digest: Digest, size_bytes: u64) -> Self {
        Self {
            repository,
            digest,
            size_bytes,
            position: 0,
            response: None,
            again: 0,
            whole: false,
            chunk: Bytes::new(),
            connections: 0,
            fruitless: 0,
            failed: false,
        }
    }

    async fn next(&mut self) -> Result<Bytes, Error> {
        loop {
            let mut response = match self.response.take() {
                Some(response) => response,
                None => self.connect().await?,
            };
            let silence = SILENCE.min(self.repository.client.access.deadline);
            let why = match tokio::time::timeout(silence, response.chunk()).await {
                Ok(Ok(Some(mut chunk))) => {
                    self.response = Some(response);
                    let again = usize::try_from(self.again).unwrap_or(usize::MAX).min(chunk.len());
                    chunk.advance(again);
                    self.again -= again as u64;
                    if chunk.is_empty() {
                        continue;
                    }
                    self.position += chunk.len() as u64;
                    self.fruitless = 0;
                    if self.position > self.size_bytes {
                        return Err(self.wrong_size("more bytes"));
                    }
                    return Ok(chunk);
                }
                Ok(Ok(None)) => "the connection ended".to_owned(),
                Ok(Err(error)) => crate::client::chain(&error.without_url()),
                Err(_) => format!("it was silent for {} ms", silence.as_millis()),
            };
            self.fruitless += 1;
            if self.connections >= MOST_CONNECTIONS || self.fruitless >= MOST_FRUITLESS {
                let (registry, what) = (self.repository.client.name.registry.clone(), self.what());
                let why = format!("after {} of {} bytes: {why}", self.position, self.size_bytes);
                return Err(Error::Unreachable { registry, what, attempts: self.connections, why });
            }
            tokio::time::sleep(backoff(self.fruitless)).await;
        }
    }

    /// A connection that goes on where the last one ended.
    async fn connect(&mut self) -> Result<Response, Error> {
        loop {
            self.connections += 1;
            let what = self.what();
            let from = if self.whole { 0 } else { self.position };
            let path = format!("blobs/{}", self.digest);
            let ask = Ask { method: Method::GET, path, accept: None, from, what: &what };
            let response = self.repository.client.call(&ask, async |response| Ok(response)).await?;
            if response.status() != StatusCode::PARTIAL_CONTENT {
                // From the beginning, asked or not: what is known already is passed over. The digest is taken over what
                // was given to the reader, so it would show if these were other bytes.
                self.again = self.position;
                if response.content_length().is_some_and(|length| length != self.size_bytes) {
                    return Err(self.wrong_size("another number"));
                }
                return Ok(response);
            }
            if is_rest(&response, from, self.size_bytes) {
                self.again = 0;
                return Ok(response);
            }
            self.whole = true;
        }
    }

    fn what(&self) -> String {
        format!("blob {}", self.digest)
    }

    fn wrong_size(&self, found: &str) -> Error {
        let why = format!("the manifest says {} bytes, it gives {found}", self.size_bytes);
        self.repository.client.answer(&self.what(), why)
    }
}

impl Read for Blob<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() || (self.chunk.is_empty() && self.position == self.size_bytes) {
            return Ok(0);
        }
        if self.failed {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if self.chunk.is_empty() {
            let repository = self.repository;
            self.chunk = repository.runtime.block_on(self.next()).map_err(|error| {
                self.failed = true;
                io::Error::other(error)
            })?;
        }
        let count = self.chunk.len().min(buffer.len());
        self.chunk.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

/// Whether a partial answer is of the bytes from `from` of `size_bytes`: `Content-Range: bytes FROM-LAST/SIZE`
/// (RFC 9110, 14.4).
fn is_rest(response: &Response, from: u64, size_bytes: u64) -> bool {
    let range = response.headers().get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
    let fits = |range: &str| {
        let (bounds, size) = range.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = bounds.split_once('-')?;
        let last: u64 = last.parse().ok()?;
        let whole = size == "*" || size.parse() == Ok(size_bytes);
        Some(whole && first.parse() == Ok(from) && last >= from && last < size_bytes)
    };
    range.and_then(fits).unwrap_or(false)
}
