//! The connection to a tracker: one request at a time, bounded in time and size, the token never shown.

use std::{
    fs,
    net::IpAddr,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::Value;
use ureq::{
    http::{Response, Uri},
    tls::{PemItem, RootCerts, TlsConfig, parse_pem},
};

/// For one request, from the name's look-up to the last byte of the answer.
const REQUEST_LIMIT: Duration = Duration::from_secs(10);
/// For all requests of a run.
const RUN_LIMIT: Duration = Duration::from_secs(60);
/// Of one answer: a page of a hundred issues.
const ANSWER_LIMIT_BYTES: u64 = 8 << 20;

/// Why there is no ticket. No variant holds what the server said: it may hold the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nowhere to open it, or nothing to open it with.
    #[error("{0}")]
    Setting(&'static str),
    /// 401.
    #[error("401: the tracker does not know the token; it may have expired, or the variable is cut short")]
    Unknown,
    /// 403.
    #[error(
        "403: the token may not do this; it needs the scope `api` and the role Reporter (GitLab), or `issues: write` (GitHub)"
    )]
    Forbidden,
    /// 404, which both trackers also say of a private project.
    #[error("404: no such project, its issues are switched off, or the token does not see it")]
    NotFound,
    /// 429, or 403 with a time to wait.
    #[error("too many requests{}", .0.map(|wait| format!(": the tracker asks to wait {} s", wait.as_secs())).unwrap_or_default())]
    Limited(Option<Duration>),
    /// 5xx.
    #[error("{0}: the tracker broke, and again when asked again")]
    Server(u16),
    /// 3xx.
    #[error("{0}: the tracker sends on to another address; not followed, the token stays where it belongs")]
    Redirect(u16),
    /// Any other status.
    #[error("{0}: not what the tracker's documentation says")]
    Status(u16),
    /// Nothing in time.
    #[error("no whole answer within {} s", REQUEST_LIMIT.as_secs())]
    Silent,
    /// All requests together took too long.
    #[error("gave up: the tracker had {} s for the whole run", RUN_LIMIT.as_secs())]
    Late,
    /// No JSON, or another shape of it.
    #[error("the answer is not what the tracker's API says; is this its address?")]
    Answer,
    /// Longer than any right answer.
    #[error("the answer is longer than {ANSWER_LIMIT_BYTES} bytes")]
    Long,
    /// More pages of issues than anybody looks through.
    #[error(
        "more than {0} pages of open issues with the label: close some; nothing was opened, it might be there"
    )]
    Pages(u32),
    /// No connection.
    #[error("no connection: {0}")]
    Connection(String),
}

/// A tracker's address and the headers of every request, the token's among them.
pub struct Client {
    agent: ureq::Agent,
    base: String,
    headers: Vec<(&'static str, String)>,
    until: Instant,
}

impl Client {
    /// `base` is what every path comes after; `headers` hold the token; `authorities` is a PEM file of those that are
    /// trusted, Mozilla's where there is none.
    pub fn new(
        base: &str,
        headers: Vec<(&'static str, String)>,
        authorities: Option<&Path>,
    ) -> Result<Self, Error> {
        let uri: Uri =
            base.parse().map_err(|_| Error::Setting("the address of the tracker's API is no URL"))?;
        let plain = check(&uri)?;
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("stella-perf/", env!("CARGO_PKG_VERSION")));
        let config = match authorities {
            Some(file) => {
                config.tls_config(TlsConfig::builder().root_certs(self::authorities(file)?).build())
            }
            None => config,
        };
        // A proxy would read the token of a plain request; those are for this machine alone.
        let config = if plain { config.proxy(None) } else { config };
        Ok(Self {
            agent: config.build().into(),
            base: base.trim_end_matches('/').to_owned(),
            headers,
            until: Instant::now() + RUN_LIMIT,
        })
    }

    /// Gets `path`.
    pub fn get(&self, path: &str) -> Result<Value, Error> {
        let mut request = self.agent.get(format!("{}/{path}", self.base));
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        read(request.config().timeout_global(Some(self.left()?)).build().call())
    }

    /// Posts `body` to `path`.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value, Error> {
        let mut request = self.agent.post(format!("{}/{path}", self.base));
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let request = request.header("Content-Type", "application/json");
        read(request.config().timeout_global(Some(self.left()?)).build().send(body.to_string()))
    }

    fn left(&self) -> Result<Duration, Error> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(Error::Late) } else { Ok(left.min(REQUEST_LIMIT)) }
    }
}

fn authorities(file: &Path) -> Result<RootCerts, Error> {
    let wrong = || Error::Setting("STELLA_PERF_CA_FILE is no PEM file with certificates");
    let certificates = parse_pem(&fs::read(file).map_err(|_| wrong())?)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(Ok(certificate)),
            Ok(_) => None,
            Err(_) => Some(Err(wrong())),
        })
        .collect::<Result<Vec<_>, _>>()?;
    if certificates.is_empty() { Err(wrong()) } else { Ok(RootCerts::new_with_certs(&certificates)) }
}

/// Whether the address is plain HTTP, which a token may take to this machine alone.
fn check(uri: &Uri) -> Result<bool, Error> {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    if authority.is_empty() || authority.contains('@') || uri.query().is_some() {
        return Err(Error::Setting(
            "the address of the tracker's API must be https://HOST/PATH, nothing more",
        ));
    }
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    match uri.scheme_str() {
        Some("https") => Ok(false),
        Some("http") if loopback => Ok(true),
        Some("http") => Err(Error::Setting(
            "the address of the tracker's API is plain http: the token would be read on the way",
        )),
        _ => Err(Error::Setting("the address of the tracker's API is neither https nor http")),
    }
}

fn read(answer: Result<Response<ureq::Body>, ureq::Error>) -> Result<Value, Error> {
    let mut answer = answer.map_err(transport)?;
    let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
    // Seconds; a date is not waited for.
    let wait = header("Retry-After").and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
    let spent = wait.is_some() || header("X-RateLimit-Remaining") == Some("0");
    match answer.status().as_u16() {
        200 | 201 => {}
        401 => return Err(Error::Unknown),
        429 => return Err(Error::Limited(wait)),
        403 if spent => return Err(Error::Limited(wait)),
        403 => return Err(Error::Forbidden),
        404 | 410 => return Err(Error::NotFound),
        status @ 300..=399 => return Err(Error::Redirect(status)),
        status @ 500..=599 => return Err(Error::Server(status)),
        status => return Err(Error::Status(status)),
    }
    let bytes = answer.body_mut().with_config().limit(ANSWER_LIMIT_BYTES).read_to_vec().map_err(transport)?;
    serde_json::from_slice(&bytes).map_err(|_| Error::Answer)
}

fn transport(error: ureq::Error) -> Error {
    match error {
        ureq::Error::Timeout(_) => Error::Silent,
        ureq::Error::BodyExceedsLimit(_) => Error::Long,
        ureq::Error::Protocol(_) => Error::Answer,
        // Its own words, never the server's.
        error => Error::Connection(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_over_https_or_stays_on_this_machine() {
        let plain = |text: &str| check(&text.parse().unwrap());
        assert_eq!(plain("https://gitlab.example/api/v4"), Ok(false));
        for loopback in ["http://127.0.0.1:80/api/v4", "http://localhost:80", "http://[::1]:80/"] {
            assert_eq!(plain(loopback), Ok(true), "{loopback}");
        }
        for wrong in [
            "http://gitlab.example/api/v4",
            "http://127.0.0.1.example/",
            "http://localhost@gitlab.example/",
            "https://user@gitlab.example/",
            "https://gitlab.example/?to=",
            "ftp://127.0.0.1/",
            "/api/v4",
        ] {
            assert!(plain(wrong).is_err(), "{wrong}");
        }
    }
}
