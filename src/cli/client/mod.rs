//! The server's client: each call retries what may pass, ends within one deadline, and says whom it asked.

mod error;
mod identity;
#[cfg(test)]
mod tests;

use std::{
    hash::{BuildHasher, Hasher},
    io::{self, Read as _},
    path::PathBuf,
    sync::{
        OnceLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use reqwest::{
    Method, StatusCode, Url,
    header::{self, HeaderValue},
};
use serde::{Serialize, de::DeserializeOwned};
use stella::{
    api::{MissingAnswer, MissingRequest, Problem, ScanAnswer, ScanRequest},
    digest::Digest,
    layer::SCHEMA,
};
use tokio::{sync::OnceCell, time::Instant};

pub use error::Error;
pub use identity::Proof;
pub use stella::feeds::http::{
    USER_AGENT, builder, chain, excerpt, is_loopback, is_redirect, is_sealed, retry_after, shown, suited,
    trusting,
};

use super::log::Log;

/// `answer size`: bytes of one answer.
const ANSWER_BYTES: usize = 64 << 20;

/// `answer window`: how far back a compressed answer may refer, in powers of two of a byte; what level 1 writes needs no more.
const ANSWER_WINDOW_LOG: u32 = 23;

/// Part of the deadline that one attempt to connect may take: a lost packet must not cost all of it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a server that refuses connections is tried: it may be starting again, and is not worth a gate's patience.
const CONNECT_PATIENCE: Duration = Duration::from_secs(3);

/// The first wait before another attempt; each next one is twice as long.
const BACKOFF: Duration = Duration::from_millis(100);

/// The longest wait that we choose ourselves.
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// The kind of problem that waiting does not cure, though its status says so.
const NO_ADVISORIES: &str = "urn:stella:problem:no-advisories";

/// Which server to talk to, and how.
#[derive(Debug, Clone, Default)]
pub struct Server {
    /// Its address.
    pub url: String,
    /// For each call, retries included.
    pub deadline: Duration,
    /// How long it may let callers wait that it tells so, over all calls; no deadline counts that.
    pub max_wait: Duration,
    /// PEM files of authorities that it may be certified by, beside the system's.
    pub authorities: Vec<PathBuf>,
    /// What proves who asks, in the order in which it is tried.
    pub proofs: Vec<Proof>,
    /// Whether it is never asked as nobody in particular.
    pub must_prove: bool,
}

/// A server, and what it cost to talk to it.
pub struct Client {
    http: reqwest::Client,
    base: Url,
    address: String,
    deadline: Duration,
    /// Milliseconds that may still be waited because the server announced it.
    patience_ms: AtomicU64,
    proofs: Vec<Proof>,
    must_prove: bool,
    authorities: Vec<PathBuf>,
    /// Which proof the server took, and what is sent of it.
    authorization: OnceCell<Option<(&'static str, HeaderValue)>>,
    untaken: OnceLock<String>,
    log: Log,
    jitter: AtomicU64,
    round_trips: AtomicUsize,
    retries: AtomicUsize,
}

impl Client {
    /// A client of a server. Nothing is sent yet.
    pub fn new(server: &Server, user_agent: &str, log: Log) -> Result<Self, Error> {
        let Server { url: base, deadline, max_wait, authorities, proofs, must_prove } = server;
        let deadline = *deadline;
        let fail = |why: String| Error::Address { address: shown(base), why };
        let url = Url::parse(base).map_err(|error| fail(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(fail(format!("scheme {:?}", url.scheme())));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(fail("credentials do not belong into an address".to_owned()));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(fail("a query or a fragment does not belong into it".to_owned()));
        }
        let mut http =
            suited(&url, authorities, builder(user_agent, CONNECT_TIMEOUT.min(deadline))).map_err(fail)?;
        if !is_loopback(&url) {
            // A result of many findings is half a megabyte of JSON: far away that is several round trips of a connection
            // that begins slowly. Nearby, to compress costs more than it saves.
            let zstd = (header::ACCEPT_ENCODING, HeaderValue::from_static("zstd"));
            http = http.default_headers([zstd].into_iter().collect());
        }
        let http = http.build().map_err(|error| fail(chain(&error)))?;
        let address = url.as_str().trim_end_matches('/').to_owned();
        Ok(Self {
            http,
            base: url,
            address,
            deadline,
            patience_ms: AtomicU64::new(u64::try_from(max_wait.as_millis()).unwrap_or(u64::MAX)),
            proofs: proofs.clone(),
            must_prove: *must_prove,
            authorities: authorities.clone(),
            authorization: OnceCell::new(),
            untaken: OnceLock::new(),
            log,
            jitter: AtomicU64::new(std::hash::RandomState::new().build_hasher().finish()),
            round_trips: AtomicUsize::new(0),
            retries: AtomicUsize::new(0),
        })
    }

    /// `POST /v1/scan`.
    pub async fn scan(&self, request: &ScanRequest) -> Result<ScanAnswer, Error> {
        self.post(&["v1", "scan"], "asking for a scan", request).await
    }

    /// `PUT /v1/scan/{scan}/layers/{diff_id}`: `encoded` is [`stella::layer::Fragment::encode`]'s form, `blob` the
    /// digest of the blob that was read, where the image names one.
    pub async fn put_fragment(
        &self,
        scan: &str,
        analyzer: &str,
        diff_id: Digest,
        blob: Option<Digest>,
        encoded: Vec<u8>,
    ) -> Result<ScanAnswer, Error> {
        let mut url = self.url(&["v1", "scan", scan, "layers", &diff_id.to_string()])?;
        url.query_pairs_mut().append_pair("schema", &SCHEMA.to_string()).append_pair("analyzer", analyzer);
        if let Some(blob) = blob {
            url.query_pairs_mut().append_pair("blob", &blob.to_string());
        }
        let authorization = self.authorization().await?;
        let request = self
            .request(Method::PUT, url, authorization)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::CONTENT_ENCODING, "zstd")
            .body(encoded);
        self.call(&format!("sending layer {diff_id}"), request).await
    }

    /// `POST /v1/layers/missing`.
    pub async fn missing(&self, request: &MissingRequest) -> Result<MissingAnswer, Error> {
        self.post(&["v1", "layers", "missing"], "asking which layers are missing", request).await
    }

    /// Requests that were sent, retries among them.
    pub fn round_trips(&self) -> usize {
        self.round_trips.load(Ordering::Relaxed)
    }

    /// Attempts after the first of a call.
    pub fn retries(&self) -> usize {
        self.retries.load(Ordering::Relaxed)
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        phase: &str,
        body: &impl Serialize,
    ) -> Result<T, Error> {
        let authorization = self.authorization().await?;
        self.post_as(authorization, path, phase, body).await
    }

    async fn post_as<T: DeserializeOwned>(
        &self,
        authorization: Option<&HeaderValue>,
        path: &[&str],
        phase: &str,
        body: &impl Serialize,
    ) -> Result<T, Error> {
        let body =
            serde_json::to_vec(body).map_err(|error| self.protocol(format!("our own request: {error}")))?;
        let request = self.request(Method::POST, self.url(path)?, authorization);
        let request = request.header(header::CONTENT_TYPE, "application/json").body(body);
        self.call(phase, request).await
    }

    fn request(
        &self,
        method: Method,
        url: Url,
        authorization: Option<&HeaderValue>,
    ) -> reqwest::RequestBuilder {
        let request = self.http.request(method, url);
        match authorization {
            Some(value) => request.header(header::AUTHORIZATION, value.clone()),
            None => request,
        }
    }

    /// Segments may hold the server's words: each is escaped.
    fn url(&self, path: &[&str]) -> Result<Url, Error> {
        let mut url = self.base.clone();
        let segments = url.path_segments_mut().map(|mut segments| {
            segments.pop_if_empty().extend(path);
        });
        match segments {
            Ok(()) => Ok(url),
            Err(()) => Err(Error::Address { address: self.address.clone(), why: "no path".to_owned() }),
        }
    }

    /// All attempts of one call.
    async fn call<T: DeserializeOwned>(
        &self,
        phase: &str,
        request: reqwest::RequestBuilder,
    ) -> Result<T, Error> {
        let mut until = Instant::now() + self.deadline;
        let mut unconnected: Option<Instant> = None;
        // A body in memory is shared between attempts, not copied.
        let request = request.build().map_err(|error| self.protocol(chain(&error)))?;
        for attempt in 1.. {
            let Some(again) = request.try_clone() else { break };
            if attempt > 1 {
                self.retries.fetch_add(1, Ordering::Relaxed);
            }
            self.round_trips.fetch_add(1, Ordering::Relaxed);
            let began = Instant::now();
            let tried = tokio::time::timeout_at(until, self.attempt(again, attempt)).await;
            let Ok(tried) = tried else { return Err(self.late(phase)) };
            let Retry { error, after, announced, connected } = match tried {
                Ok(body) => return self.parse(&body),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Retry(retry)) => retry,
            };
            if let Some(after) = after.filter(|_| announced) {
                // The server lets others go first, and says for how long: that is no fault of it, up to the caller's patience. Beyond
                // that it is as if it could not be reached.
                if !self.spend(after) {
                    return Err(error);
                }
                until += after;
            }
            let wait = self.backoff(attempt).max(after.unwrap_or_default());
            unconnected = if connected { None } else { Some(unconnected.unwrap_or(began)) };
            let until = unconnected.map_or(until, |since| until.min(since + CONNECT_PATIENCE));
            // A wait that ends too late is not begun: its error is known already.
            if Instant::now() + wait >= until {
                return Err(error);
            }
            tokio::time::sleep(wait).await;
        }
        Err(self.protocol("a request that cannot be sent again".to_owned()))
    }

    /// Whether so long a wait is within the caller's patience, which has the less left.
    fn spend(&self, wait: Duration) -> bool {
        let wait = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let left = |patience: u64| patience.checked_sub(wait);
        self.patience_ms.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left).is_ok()
    }

    async fn attempt(&self, request: reqwest::Request, attempts: usize) -> Result<Vec<u8>, Failure> {
        let broken = |error: reqwest::Error| {
            let connected = !error.is_connect();
            let why = chain(&error.without_url());
            let error = Error::Unreachable { address: self.address.clone(), attempts, why };
            Failure::Retry(Retry { error, after: None, announced: false, connected })
        };
        let mut response = self.http.execute(request).await.map_err(broken)?;
        let status = response.status();
        let after = retry_after(response.headers());
        let packed = response.headers().get(header::CONTENT_ENCODING).is_some_and(|found| found == "zstd");
        let too_large =
            || Failure::Final(self.protocol(format!("over the limit `answer size`, {ANSWER_BYTES} bytes")));
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(broken)? {
            if chunk.len() > ANSWER_BYTES - body.len() {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        if packed {
            body = unpack(&body).map_err(|error| Failure::Final(self.protocol(format!("zstd: {error}"))))?;
            if body.len() > ANSWER_BYTES {
                return Err(too_large());
            }
        }
        if status == StatusCode::OK { Ok(body) } else { Err(self.failure(status, &body, attempts, after)) }
    }

    /// What an answer other than 200 means.
    fn failure(&self, status: StatusCode, body: &[u8], attempts: usize, after: Option<Duration>) -> Failure {
        let address = self.address.clone();
        let problem: Option<Problem> = serde_json::from_slice(body).ok();
        let hopeless = problem.as_ref().is_some_and(|problem| problem.kind == NO_ADVISORIES);
        let (title, detail) = match problem {
            Some(problem) => (excerpt(&problem.title), excerpt(&problem.detail.unwrap_or_default())),
            None if status.is_success() || status.is_redirection() => {
                return Failure::Final(self.protocol(format!("status {status}")));
            }
            None => {
                let title = status.canonical_reason().unwrap_or("unknown status").to_owned();
                let begins = excerpt(&String::from_utf8_lossy(body));
                let begins = if begins.is_empty() { "no words".to_owned() } else { begins };
                // A proxy's page, or another service's.
                (title, format!("{begins}; that is no answer of Stella's: is --server right?"))
            }
        };
        let failing = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
        let status = status.as_u16();
        if !failing {
            return Failure::Final(Error::Refused { address, status, title, detail });
        }
        let error = Error::Failing { address, status, attempts, title, detail };
        if !hopeless && matches!(status, 429 | 500 | 502 | 503 | 504) {
            Failure::Retry(Retry { error, after, announced: status == 429, connected: true })
        } else {
            Failure::Final(error)
        }
    }

    fn parse<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, Error> {
        serde_json::from_slice(body).map_err(|error| {
            let begins = excerpt(&String::from_utf8_lossy(body));
            self.protocol(format!("{error}; it begins with {begins:?}"))
        })
    }

    /// Half of the wait is fixed, half is drawn, so that clients that failed together do not come back together.
    fn backoff(&self, attempt: usize) -> Duration {
        let doublings = u32::try_from(attempt - 1).unwrap_or(u32::MAX).min(16);
        let full = BACKOFF.saturating_mul(1 << doublings).min(BACKOFF_MAX);
        // SplitMix64 (Steele, Lea, Flood 2014): one atomic addition, so that calls side by side need no lock.
        let mut drawn = self.jitter.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        drawn = (drawn ^ (drawn >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        drawn = (drawn ^ (drawn >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let part = f64::from(u16::try_from((drawn ^ (drawn >> 31)) >> 48).unwrap_or_default()) / 65536.0;
        full / 2 + (full / 2).mul_f64(part)
    }

    fn late(&self, phase: &str) -> Error {
        Error::Deadline { address: self.address.clone(), phase: phase.to_owned(), deadline: self.deadline }
    }

    /// An answer that cannot be one to what was asked.
    pub fn protocol(&self, why: String) -> Error {
        Error::Protocol { address: self.address.clone(), why }
    }
}

/// At most a byte more than [`ANSWER_BYTES`], so that more is seen.
fn unpack(packed: &[u8]) -> io::Result<Vec<u8>> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(packed)?;
    decoder.window_log_max(ANSWER_WINDOW_LOG)?;
    let mut body = Vec::new();
    decoder.take(ANSWER_BYTES as u64 + 1).read_to_end(&mut body)?;
    Ok(body)
}

enum Failure {
    Final(Error),
    Retry(Retry),
}

/// An error that may pass.
struct Retry {
    error: Error,
    /// How long the server wants to be left alone.
    after: Option<Duration>,
    /// Whether that is what it lets this caller wait, and no outage.
    announced: bool,
    /// Whether there was a connection.
    connected: bool,
}
