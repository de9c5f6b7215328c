//! One request: who is asked, how many at a time, and where answers may lead.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use reqwest::{
    Response, StatusCode, Url,
    header::{self, HeaderMap},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use super::{Error, Fault, error::Passing};
use crate::feeds::http::{USER_AGENT, builder, chain, is_redirect, is_sealed, retry_after, suited};

/// Part of a file's time that one attempt to connect may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Connections to one host at a time.
const CONNECTIONS: usize = 2;

/// Redirects of one request.
const MOST_REDIRECTS: usize = 5;

/// What lies beside a file, such as a list of checksums, has so many bytes at most.
const MOST_TEXT_BYTES: usize = 4 << 20;

/// The time that is left for a file.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    pub until: Instant,
    pub deadline: Duration,
    pub silence: Duration,
}

impl Clock {
    /// A file's time, from now on.
    pub fn start(deadline: Duration, silence: Duration) -> Self {
        Self { until: Instant::now() + deadline, deadline, silence }
    }

    /// Waits for what a server does, as long as it may be silent.
    async fn limit<T>(&self, url: &Url, work: impl Future<Output = T>) -> Result<T, Fault> {
        let left = self.until.saturating_duration_since(Instant::now());
        match tokio::time::timeout(self.silence.min(left), work).await {
            Ok(done) => Ok(done),
            Err(_) if left <= self.silence => {
                Err(Error::Late { url: url.to_string(), deadline: self.deadline }.into())
            }
            Err(_) => Err(Fault::passing(Error::Silent { url: url.to_string(), silence: self.silence })),
        }
    }
}

/// Everybody who is asked.
pub struct Http {
    authorities: Vec<PathBuf>,
    /// One for each kind of address, as `suited` tells them apart.
    clients: Mutex<HashMap<(bool, bool), reqwest::Client>>,
    hosts: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// An answer, while its connection is in use.
pub struct Answer {
    pub response: Response,
    pub url: Url,
    _connection: OwnedSemaphorePermit,
}

impl Http {
    pub fn new(authorities: Vec<PathBuf>) -> Self {
        Self { authorities, clients: Mutex::default(), hosts: Mutex::default() }
    }

    /// Asks once, and follows nothing: with a body by `POST`. Time that is spent waiting for others of ours does not count.
    pub async fn ask(
        &self,
        url: &Url,
        headers: &HeaderMap,
        body: Option<Vec<u8>>,
        clock: &mut Clock,
    ) -> Result<Answer, Fault> {
        let waited = Instant::now();
        let connection = self.connection(url).await?;
        clock.until += waited.elapsed();
        let client = self.client(url)?;
        let request = match body {
            Some(body) => client.post(url.clone()).body(body),
            None => client.get(url.clone()),
        };
        let sent = clock.limit(url, request.headers(headers.clone()).send()).await?;
        let response = sent.map_err(|error| {
            let why = chain(&error.without_url());
            Fault::passing(Error::Unreachable { url: url.to_string(), why })
        })?;
        Ok(Answer { response, url: url.clone(), _connection: connection })
    }

    /// Asks for `url`, and where the answer leads.
    pub async fn get(&self, url: &Url, headers: &HeaderMap, clock: &mut Clock) -> Result<Answer, Fault> {
        let mut url = url.clone();
        for _ in 0..=MOST_REDIRECTS {
            let answer = self.ask(&url, headers, None, clock).await?;
            if !is_redirect(answer.response.status()) {
                return Ok(answer);
            }
            let location = answer.response.headers().get(header::LOCATION);
            let location = location.and_then(|location| location.to_str().ok());
            let Some(next) = location.and_then(|location| url.join(location).ok()) else {
                let why = "its redirect leads to no address".to_owned();
                return Err(Error::Answer { url: url.to_string(), why }.into());
            };
            if !is_sealed(&url, &next) {
                return Err(Error::Redirect { url: url.to_string(), to: next.to_string() }.into());
            }
            url = next;
        }
        let why = format!("more than {MOST_REDIRECTS} redirects");
        Err(Error::Answer { url: url.to_string(), why }.into())
    }

    /// A short text that is published beside files.
    pub async fn text(&self, url: &Url, clock: &mut Clock) -> Result<String, Fault> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, header::HeaderValue::from_static("identity"));
        let mut answer = self.get(url, &headers, clock).await?;
        if answer.response.status() != StatusCode::OK {
            return Err(answer.refused());
        }
        let mut text = Vec::new();
        while let Some(chunk) = answer.chunk(text.len() as u64, clock).await? {
            if chunk.len() > MOST_TEXT_BYTES - text.len() {
                let why = format!("over the limit of {MOST_TEXT_BYTES} bytes");
                return Err(Error::Answer { url: url.to_string(), why }.into());
            }
            text.extend_from_slice(&chunk);
        }
        let no_text = |_| Error::Answer { url: url.to_string(), why: "is no text".to_owned() }.into();
        String::from_utf8(text).map_err(no_text)
    }

    async fn connection(&self, url: &Url) -> Result<OwnedSemaphorePermit, Fault> {
        let host = url.origin().ascii_serialization();
        let host = {
            let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(hosts.entry(host).or_insert_with(|| Arc::new(Semaphore::new(CONNECTIONS))))
        };
        // Nobody closes it.
        host.acquire_owned().await.map_err(|error| Error::Client(error.to_string()).into())
    }

    fn client(&self, url: &Url) -> Result<reqwest::Client, Fault> {
        let kind = (url.scheme() == "http", crate::feeds::http::is_loopback(url));
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&kind) {
            return Ok(client.clone());
        }
        let builder = builder(USER_AGENT, CONNECT_TIMEOUT).pool_max_idle_per_host(CONNECTIONS);
        let client = suited(url, &self.authorities, builder)
            .and_then(|builder| builder.build().map_err(|error| chain(&error)))
            .map_err(Error::Client)?;
        clients.insert(kind, client.clone());
        Ok(client)
    }
}

impl Answer {
    /// The next bytes; `at_bytes` were there before.
    pub async fn chunk(
        &mut self,
        at_bytes: u64,
        clock: &Clock,
    ) -> Result<Option<tokio_util::bytes::Bytes>, Fault> {
        let chunk = clock.limit(&self.url, self.response.chunk()).await?;
        chunk.map_err(|error| {
            let why = chain(&error.without_url());
            Fault::passing(Error::Cut { url: self.url.to_string(), at_bytes, why })
        })
    }

    /// What an answer that is not the one asked for means.
    pub fn refused(&self) -> Fault {
        let status = self.response.status();
        let error = Error::Status { url: self.url.to_string(), status };
        let passing = matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504);
        let after = retry_after(self.response.headers());
        Fault { error, passing: passing.then_some(Passing { after, progress: false }) }
    }
}
