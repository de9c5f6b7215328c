//! Who asks: a build that its CI platform vouches for, the holder of a token, or anybody. They are tried in that order, and never
//! in silence from one to the next.
//!
//! | platform | vouches by a token of OpenID Connect |
//! | --- | --- |
//! | GitHub Actions | that it gives a job with the permission `id-token: write` (`ACTIONS_ID_TOKEN_REQUEST_URL`; "OpenID Connect reference") |
//! | GitLab, or any other | that the job was given for this server, in `STELLA_ID_TOKEN` ("OpenID Connect authentication using ID tokens") |

use std::fmt;

use reqwest::{
    StatusCode, Url,
    header::{self, HeaderValue},
};
use serde::Deserialize;
use stella::api::{TokenAnswer, TokenRequest};
use tokio::time::Instant;

use super::{Client, Error, chain, is_loopback, trusting};

/// Bytes of a platform's answer.
const MOST_BYTES: usize = 1 << 16;

/// What somebody is called of whom nothing is known.
const ANONYMOUS: &str = "anonymous";

/// One thing that proves who asks.
#[derive(Clone, PartialEq, Eq)]
pub enum Proof {
    /// A token of the server's.
    Token(String),
    /// A platform's word, which the server exchanges for a token.
    Word(String),
    /// Where a platform gives its word, and what it is asked with.
    Asked {
        /// The address, with a query.
        url: String,
        /// The job's own token.
        token: String,
    },
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without what is secret.
        f.write_str(self.kind())
    }
}

impl Proof {
    /// What it is called where people read.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Token(_) => "token",
            Self::Word(_) | Self::Asked { .. } => "oidc",
        }
    }
}

#[derive(Deserialize)]
struct WordJson {
    value: String,
}

impl Client {
    /// What is sent along with each call; found at the first one.
    pub(super) async fn authorization(&self) -> Result<Option<&HeaderValue>, Error> {
        let found = self.authorization.get_or_try_init(|| self.identify()).await?;
        Ok(found.as_ref().map(|(_, value)| value))
    }

    /// Who the server was told is asking: `oidc`, `token` or `anonymous`.
    pub fn identity(&self) -> &'static str {
        let found = self.authorization.get().and_then(Option::as_ref);
        found.map_or(ANONYMOUS, |(kind, _)| *kind)
    }

    /// What of the proofs the server did not take, and what it was asked with instead. The log has it from the moment on at which
    /// it was known, whatever comes after.
    pub fn untaken(&self) -> Option<&str> {
        self.untaken.get().map(String::as_str)
    }

    async fn identify(&self) -> Result<Option<(&'static str, HeaderValue)>, Error> {
        let wrong = |why: &str| Error::Identity { address: self.address.clone(), why: why.to_owned() };
        if !self.proofs.is_empty() && self.base.scheme() != "https" && !is_loopback(&self.base) {
            return Err(wrong(
                "what proves who asks is not sent where anybody can read it: want https, or ask without with --identity anonymous",
            ));
        }
        let mut proofs = self.proofs.iter().peekable();
        while let Some(proof) = proofs.next() {
            let token = match proof {
                Proof::Token(token) => Some(token.clone()),
                Proof::Word(word) => self.exchange(word).await?,
                Proof::Asked { url, token } => self.exchange(&self.word(url, token).await?).await?,
            };
            let Some(token) = token else {
                const NO_WORD: &str =
                    "the server takes no word of a CI platform for who asks (it knows no /v1/token)";
                let next = proofs.peek().map_or(ANONYMOUS, |next| next.kind());
                if self.must_prove && next == ANONYMOUS {
                    return Err(wrong(&format!("{NO_WORD}: ask with --identity token, or anonymous")));
                }
                let why = format!("{NO_WORD}: it is asked as {next}");
                self.log.warn(&why);
                // The first one says it all.
                let _ = self.untaken.set(why);
                continue;
            };
            let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
                .map_err(|_| wrong("the token holds what cannot be sent"))?;
            value.set_sensitive(true);
            self.told(proof.kind());
            return Ok(Some((proof.kind(), value)));
        }
        self.told(ANONYMOUS);
        Ok(None)
    }

    /// As whom the server is asked, where no warning said it.
    fn told(&self, kind: &str) {
        if self.untaken.get().is_none() {
            self.log.note(format_args!("{} is asked as {kind}", self.address));
        }
    }

    /// The server's token for a platform's word; `None` where it takes no platform's.
    async fn exchange(&self, word: &str) -> Result<Option<String>, Error> {
        let request = TokenRequest { token: word.to_owned() };
        match self.post_as(None, &["v1", "token"], "proving who asks", &request).await {
            Ok(TokenAnswer { token }) => Ok(Some(token)),
            Err(Error::Refused { status: 404 | 405, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Asks the platform for its word, for this server alone.
    async fn word(&self, url: &str, token: &str) -> Result<String, Error> {
        let wrong = |why: String| Error::Identity { address: self.address.clone(), why };
        let mut url = Url::parse(url)
            .map_err(|error| wrong(format!("ACTIONS_ID_TOKEN_REQUEST_URL is no address: {error}")))?;
        if url.scheme() != "https" && !is_loopback(&url) {
            return Err(wrong("ACTIONS_ID_TOKEN_REQUEST_URL is no https address".to_owned()));
        }
        url.query_pairs_mut().append_pair("audience", &self.address);
        let host = url.host_str().unwrap_or_default().to_owned();
        let failed = |why: String| wrong(format!("{host} does not vouch for this job: {why}"));
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        let http = match url.scheme() {
            "http" => http.no_proxy().tls_certs_only([]),
            _ => trusting(&self.authorities, http).map_err(failed)?,
        };
        let http = http.build().map_err(|error| failed(chain(&error)))?;
        let mut authorization = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| failed("ACTIONS_ID_TOKEN_REQUEST_TOKEN holds what cannot be sent".to_owned()))?;
        authorization.set_sensitive(true);
        let until = Instant::now() + self.deadline;
        for attempt in 1.. {
            let asked =
                self.ask_platform(http.get(url.clone()).header(header::AUTHORIZATION, authorization.clone()));
            let why = match tokio::time::timeout_at(until, asked).await {
                Ok(Ok(body)) => {
                    return word_in(&body)
                        .ok_or_else(|| failed("its answer is no JSON with a value".to_owned()));
                }
                Ok(Err(Refusal::Final(why))) => return Err(failed(why)),
                Ok(Err(Refusal::Passing(why))) => why,
                Err(_) => format!("no answer within {} ms", self.deadline.as_millis()),
            };
            let wait = self.backoff(attempt);
            if Instant::now() + wait >= until {
                return Err(Error::Unreachable { address: host, attempts: attempt, why });
            }
            tokio::time::sleep(wait).await;
        }
        Err(failed("it was not asked".to_owned()))
    }

    async fn ask_platform(&self, request: reqwest::RequestBuilder) -> Result<Vec<u8>, Refusal> {
        let broken = |error: reqwest::Error| Refusal::Passing(chain(&error.without_url()));
        let mut response = request.send().await.map_err(broken)?;
        let status = response.status();
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(Refusal::Passing(format!("status {}", status.as_u16())));
        }
        if !status.is_success() {
            return Err(Refusal::Final(format!("status {}", status.as_u16())));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(broken)? {
            body.extend_from_slice(&chunk);
            if body.len() > MOST_BYTES {
                return Err(Refusal::Final(format!("its answer has more than {MOST_BYTES} bytes")));
            }
        }
        Ok(body)
    }
}

/// Why a platform did not vouch: for good, or perhaps only now.
enum Refusal {
    Final(String),
    Passing(String),
}

fn word_in(body: &[u8]) -> Option<String> {
    serde_json::from_slice(body).ok().map(|WordJson { value }| value)
}
