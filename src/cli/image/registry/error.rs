//! Why a registry gave no image. No message holds a secret.

use std::time::Duration;

/// Why a registry gave no image.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not the name of an image.
    #[error(
        "{text:?} is no image of a registry: {why}; write registry:[HOST[:PORT]/]NAME[:TAG][@sha256:DIGEST]"
    )]
    Reference {
        /// As the caller wrote it.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// No connection, or one that broke, each time.
    #[error(
        "registry {registry} cannot be reached for {what} ({attempts} attempts): {why}; is its name right, and is a proxy (HTTPS_PROXY, NO_PROXY) or a certificate (SSL_CERT_FILE) needed?"
    )]
    Unreachable {
        /// Host and port.
        registry: String,
        /// What was asked for.
        what: String,
        /// How often.
        attempts: usize,
        /// The last attempt's error.
        why: String,
    },
    /// It did not answer in time.
    #[error(
        "registry {registry} did not answer within {} ms for {what}; is it overloaded, or --deadline too short?",
        deadline.as_millis()
    )]
    Late {
        /// Host and port.
        registry: String,
        /// What was asked for.
        what: String,
        /// The deadline of the call.
        deadline: Duration,
    },
    /// It answered that it cannot, each time.
    #[error(
        "registry {registry} fails with {status} for {what} ({attempts} attempts): {words}{}; {}",
        after.map(|after| format!(", come back after {} s", after.as_secs())).unwrap_or_default(),
        if *status == 429 { "log in with `docker login`, which raises most limits, or ask less often" } else { "try again later" }
    )]
    Failing {
        /// Host and port.
        registry: String,
        /// What was asked for.
        what: String,
        /// The HTTP status.
        status: u16,
        /// How often.
        attempts: usize,
        /// How long it wants to be left alone.
        after: Option<Duration>,
        /// The beginning of its answer.
        words: String,
    },
    /// 401 or 403: not for these credentials, or for none.
    #[error(
        "registry {registry} refuses {what} with {status}: {words}; asked {tried}; is the name right? Log in with: docker login {login}"
    )]
    Refused {
        /// Host and port.
        registry: String,
        /// What was asked for.
        what: String,
        /// The HTTP status.
        status: u16,
        /// The beginning of its answer.
        words: String,
        /// Which credentials, by where they come from.
        tried: String,
        /// The registry's name for `docker login`.
        login: String,
    },
    /// 404.
    #[error(
        "registry {registry} has no {what} ({words}); asked {tried}; check name and tag, or push the image first"
    )]
    NotFound {
        /// Host and port.
        registry: String,
        /// What was asked for.
        what: String,
        /// The beginning of its answer.
        words: String,
        /// Which credentials, by where they come from.
        tried: String,
    },
    /// The way to log in cannot be gone without giving credentials away.
    #[error(
        "registry {registry} wants a token from {realm:?}, which is not asked: {why}; tell whoever runs the registry"
    )]
    Realm {
        /// Host and port.
        registry: String,
        /// Where tokens are given.
        realm: String,
        /// What is wrong with it.
        why: String,
    },
    /// What it answered is not what the distribution specification says.
    #[error(
        "registry {registry} gives an answer for {what} that no registry gives: {why}; is {registry} a registry?"
    )]
    Answer {
        /// Host and port.
        registry: String,
        /// What was asked for.
        what: String,
        /// What is wrong with the answer.
        why: String,
    },
    /// A manifest of before 2016, which names layers in a way of its own.
    #[error(
        "{what} in registry {registry} is a manifest of schema 1, which is not read any more; push the image again with a tool of today"
    )]
    Schema1 {
        /// Host and port.
        registry: String,
        /// What was asked for.
        what: String,
    },
    /// Not the bytes that were named.
    #[error(
        "{what} in registry {registry} was changed: expected {expected}, its bytes are {found}; push the image again"
    )]
    Changed {
        /// Host and port.
        registry: String,
        /// What was asked for.
        what: String,
        /// The digest that names it.
        expected: String,
        /// The digest of its bytes.
        found: String,
    },
    /// Over one of the named limits.
    #[error("{what} in registry {registry} is larger than the limit `{limit}`, {most} bytes")]
    Limit {
        /// Host and port.
        registry: String,
        /// What was asked for.
        what: String,
        /// The limit's name.
        limit: &'static str,
        /// Its value.
        most: u64,
    },
    /// No thread or no client for the network.
    #[error("no connection to registry {registry} can be made on this machine: {why}")]
    Client {
        /// Host and port.
        registry: String,
        /// The system's words.
        why: String,
    },
}

impl Error {
    /// Whether it is not there, rather than not to be had.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }
}
