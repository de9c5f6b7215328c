//! Requests to one repository: each retries what may pass, logs in where it must, and ends within one deadline.

use std::{
    sync::{Mutex, OnceLock, PoisonError},
    time::Duration,
};

use reqwest::{
    Method, Response, StatusCode, Url,
    header::{self, HeaderValue},
};
use tokio::time::Instant;

use super::{
    Access, Error, Name,
    credentials::{self, Credentials},
};
use crate::client::{
    USER_AGENT, builder, chain, excerpt, is_loopback, is_redirect, is_sealed, retry_after, trusting,
};

/// Part of the deadline that one attempt to connect may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a registry that cannot be connected to is tried.
const CONNECT_PATIENCE: Duration = Duration::from_secs(3);

/// How long a registry on this machine may take to show whether it speaks TLS.
const PROBE_WAIT: Duration = Duration::from_secs(2);

/// The first wait before another attempt; each next one is twice as long.
const BACKOFF: Duration = Duration::from_millis(100);

/// The longest wait that we choose ourselves.
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// Redirects of one request: a registry's own, and its storage's.
const MOST_REDIRECTS: usize = 5;

/// Times that one request is sent again because the registry wants other proof of who asks.
const MOST_CHALLENGES: usize = 2;

/// Bytes of an error's answer that are read.
const MOST_WORDS_BYTES: usize = 64 << 10;

/// What is asked for. `Authorization` is added for the registry itself, and for nobody else.
#[derive(Debug, Clone)]
pub(super) struct Ask<'a> {
    pub method: Method,
    /// Below `/v2/NAME/`.
    pub path: String,
    pub accept: Option<&'static str>,
    /// The first byte that is wanted.
    pub from: u64,
    /// How errors name it.
    pub what: &'a str,
}

/// Why an attempt failed: for good, or perhaps only now.
#[derive(Debug)]
pub(super) enum Fault {
    Final(Error),
    Passing {
        error: Error,
        /// How long the registry wants to be left alone.
        after: Option<Duration>,
        connected: bool,
    },
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

/// A registry's repository, and what was found out about talking to it.
#[derive(Debug)]
pub(super) struct Client {
    pub name: Name,
    pub access: Access,
    /// Ends with `/v2/`.
    pub base: Url,
    /// For `http://`, which is on this machine only: no proxy, no certificates to be read.
    plain: reqwest::Client,
    /// Made when it is needed: to read the system's certificates takes longer than a whole gate.
    secure: OnceLock<reqwest::Client>,
    authorization: Mutex<Option<HeaderValue>>,
    /// Held by the one request that logs in.
    pub authorizing: tokio::sync::Mutex<()>,
    credentials: tokio::sync::OnceCell<Credentials>,
}

impl Client {
    /// A client for the repository of `name`: `https`, and on this machine `http` unless TLS is spoken there.
    pub async fn new(name: Name, access: Access) -> Result<Self, Error> {
        let wrong = |why: String| Error::Client { registry: name.registry.clone(), why };
        let base =
            Url::parse(&format!("https://{}/v2/", name.api())).map_err(|error| wrong(error.to_string()))?;
        let plain = builder(USER_AGENT, CONNECT_TIMEOUT)
            .no_proxy()
            .tls_certs_only([])
            .build()
            .map_err(|error| wrong(chain(&error)))?;
        let mut client = Self {
            name,
            access,
            base,
            plain,
            secure: OnceLock::new(),
            authorization: Mutex::new(None),
            authorizing: tokio::sync::Mutex::new(()),
            credentials: tokio::sync::OnceCell::new(),
        };
        if is_loopback(&client.base) {
            let mut http = client.base.clone();
            // Cannot fail: both schemes are of the same kind.
            let _ = http.set_scheme("http");
            if client.speaks_http(&http).await {
                client.base = http;
            }
        }
        Ok(client)
    }

    /// A server of TLS answers plain HTTP with 400 or with bytes that are no HTTP.
    async fn speaks_http(&self, url: &Url) -> bool {
        let probe = self.plain.get(url.clone()).timeout(PROBE_WAIT).send();
        match probe.await {
            Ok(answer) => answer.status() != StatusCode::BAD_REQUEST,
            Err(error) => error.is_connect() || error.is_timeout(),
        }
    }

    /// The client for this address.
    pub fn http(&self, url: &Url) -> Result<&reqwest::Client, Error> {
        if url.scheme() == "http" {
            return Ok(&self.plain);
        }
        if let Some(client) = self.secure.get() {
            return Ok(client);
        }
        let wrong = |why: String| Error::Client { registry: self.name.registry.clone(), why };
        let authorities = self.access.authorities(&self.name.registry);
        let mut http = trusting(&authorities, builder(USER_AGENT, CONNECT_TIMEOUT)).map_err(wrong)?;
        if is_loopback(&self.base) {
            // A proxy's loopback is another machine's.
            http = http.no_proxy();
        }
        let client = http.build().map_err(|error| wrong(chain(&error)))?;
        Ok(self.secure.get_or_init(|| client))
    }

    /// All attempts of one request within the deadline; `finish` takes what the registry gives, and may find it broken.
    pub async fn call<T>(
        &self,
        ask: &Ask<'_>,
        finish: impl AsyncFn(Response) -> Result<T, Fault>,
    ) -> Result<T, Error> {
        let until = Instant::now() + self.access.deadline;
        let mut unconnected: Option<Instant> = None;
        for attempt in 1.. {
            let began = Instant::now();
            let tried = async { finish(self.attempt(ask, attempt).await?).await };
            let Ok(tried) = tokio::time::timeout_at(until, tried).await else { return Err(self.late(ask)) };
            let (error, after, connected) = match tried {
                Ok(given) => return Ok(given),
                Err(Fault::Final(error)) => return Err(error),
                Err(Fault::Passing { error, after, connected }) => (error, after, connected),
            };
            let wait = backoff(attempt).max(after.unwrap_or_default());
            unconnected = if connected { None } else { Some(unconnected.unwrap_or(began)) };
            let until = unconnected.map_or(until, |since| until.min(since + CONNECT_PATIENCE));
            // A wait that ends too late is not begun: its error is known already.
            if Instant::now() + wait >= until {
                return Err(error);
            }
            tokio::time::sleep(wait).await;
        }
        Err(self.late(ask))
    }

    /// One attempt, with as many requests as it takes to be let in. Gives an answer of 200 or 206.
    async fn attempt(&self, ask: &Ask<'_>, attempts: usize) -> Result<Response, Fault> {
        let mut challenged = 0;
        loop {
            let authorization = self.authorization();
            let response = self.send(ask, authorization.as_ref(), attempts).await?;
            match response.status() {
                StatusCode::OK => return Ok(response),
                StatusCode::PARTIAL_CONTENT if ask.from > 0 => return Ok(response),
                StatusCode::UNAUTHORIZED if challenged < MOST_CHALLENGES => {
                    challenged += 1;
                    let challenges = response.headers().clone();
                    if !self.authorize(&challenges, authorization.as_ref(), attempts).await? {
                        return Err(self.failure(ask.what, response, attempts).await);
                    }
                }
                _ => return Err(self.failure(ask.what, response, attempts).await),
            }
        }
    }

    /// One request and where it leads to. What proves who asks goes to the registry alone, never along a redirect to
    /// another host.
    async fn send(
        &self,
        ask: &Ask<'_>,
        authorization: Option<&HeaderValue>,
        attempts: usize,
    ) -> Result<Response, Fault> {
        let path = format!("{}/{}", self.name.repository, ask.path);
        let mut url = self.base.join(&path).map_err(|error| self.answer(ask.what, error.to_string()))?;
        for _ in 0..=MOST_REDIRECTS {
            let mut request = self.http(&url)?.request(ask.method.clone(), url.clone());
            if let Some(accept) = ask.accept {
                request = request.header(header::ACCEPT, accept);
            }
            if ask.from > 0 {
                request = request.header(header::RANGE, format!("bytes={}-", ask.from));
            }
            if let Some(authorization) = authorization.filter(|_| url.origin() == self.base.origin()) {
                request = request.header(header::AUTHORIZATION, authorization.clone());
            }
            let response = request.send().await.map_err(|error| self.broken(ask.what, error, attempts))?;
            let Some(location) =
                response.headers().get(header::LOCATION).filter(|_| is_redirect(response.status()))
            else {
                return Ok(response);
            };
            let next = location.to_str().ok().and_then(|location| url.join(location).ok());
            let next =
                next.ok_or_else(|| self.answer(ask.what, "its redirect leads to no address".to_owned()))?;
            if !is_sealed(&url, &next) {
                let host = next.host_str().unwrap_or_default();
                let why = format!(
                    "it redirects to {}://{host}, where anybody can change what is read",
                    next.scheme()
                );
                return Err(self.answer(ask.what, why).into());
            }
            url = next;
        }
        Err(self.answer(ask.what, format!("more than {MOST_REDIRECTS} redirects")).into())
    }

    /// What an answer other than the one asked for means.
    pub async fn failure(&self, what: &str, response: Response, attempts: usize) -> Fault {
        let status = response.status();
        let after = retry_after(response.headers());
        let words = words(response).await;
        let (registry, what) = (self.name.registry.clone(), what.to_owned());
        match status.as_u16() {
            code @ (429 | 500 | 502 | 503 | 504) => {
                let error = Error::Failing { registry, what, status: code, attempts, after, words };
                Fault::Passing { error, after, connected: true }
            }
            401 | 403 => {
                let (status, tried, login) = (status.as_u16(), self.tried(), self.name.registry.clone());
                Fault::Final(Error::Refused { registry, what, status, words, tried, login })
            }
            404 => Fault::Final(Error::NotFound { registry, what, words, tried: self.tried() }),
            code => Fault::Final(Error::Answer { registry, what, why: format!("status {code}: {words}") }),
        }
    }

    /// A connection that could not be made, or that broke.
    pub fn broken(&self, what: &str, error: reqwest::Error, attempts: usize) -> Fault {
        let connected = !error.is_connect();
        let (registry, what) = (self.name.registry.clone(), what.to_owned());
        let why = chain(&error.without_url());
        Fault::Passing { error: Error::Unreachable { registry, what, attempts, why }, after: None, connected }
    }

    /// An answer that is none of a registry.
    pub fn answer(&self, what: &str, why: String) -> Error {
        Error::Answer { registry: self.name.registry.clone(), what: what.to_owned(), why }
    }

    fn late(&self, ask: &Ask<'_>) -> Error {
        let (registry, what) = (self.name.registry.clone(), ask.what.to_owned());
        Error::Late { registry, what, deadline: self.access.deadline }
    }

    /// What is sent with each request to the registry.
    pub fn authorization(&self) -> Option<HeaderValue> {
        self.authorization.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets what is sent with each request; no log shows it.
    pub fn set_authorization(&self, mut value: HeaderValue) {
        value.set_sensitive(true);
        *self.authorization.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
    }

    /// Who asks; found when the registry wants to know, and once.
    pub async fn credentials(&self) -> &Credentials {
        let find = || credentials::find(&self.access, &self.name);
        self.credentials.get_or_init(find).await
    }

    /// Which credentials were used, by where they come from.
    pub fn tried(&self) -> String {
        match self.credentials.get() {
            Some(credentials) => credentials.tried.clone(),
            None => "without credentials, which it did not want".to_owned(),
        }
    }
}

/// Doubled each time. No chance in it: one program asks one registry, and its layers are asked for one by one.
pub(super) fn backoff(attempt: usize) -> Duration {
    let doublings = u32::try_from(attempt.saturating_sub(1)).unwrap_or(u32::MAX).min(16);
    BACKOFF.saturating_mul(1 << doublings).min(BACKOFF_MAX)
}

/// What a registry says of an error: its first message, or the beginning of its answer.
pub(super) async fn words(mut response: Response) -> String {
    #[derive(serde::Deserialize)]
    struct Words {
        #[serde(default)]
        errors: Vec<Word>,
        #[serde(default)]
        details: String,
    }
    #[derive(serde::Deserialize)]
    struct Word {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    let status = response.status().canonical_reason().unwrap_or("unknown status").to_owned();
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk[..chunk.len().min(MOST_WORDS_BYTES - body.len())]);
        if body.len() == MOST_WORDS_BYTES {
            break;
        }
    }
    let said = match serde_json::from_slice::<Words>(&body) {
        Ok(Words { errors, .. }) if !errors.is_empty() => {
            let said = |word: &Word| format!("{} {}", word.code, word.message).trim().to_owned();
            errors.iter().map(said).collect::<Vec<_>>().join("; ")
        }
        Ok(Words { details, .. }) if !details.is_empty() => details,
        _ => String::from_utf8_lossy(&body).into_owned(),
    };
    match excerpt(&said) {
        said if said.is_empty() => status,
        said => said,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_are_the_same_each_time() {
        let waits: Vec<u128> = (1..=9).map(|attempt| backoff(attempt).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
        assert_eq!(backoff(usize::MAX), BACKOFF_MAX);
    }
}
