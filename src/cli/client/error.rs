//! Why a call to the server gave no answer.

use std::time::Duration;

/// Why a call to the server gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be used.
    #[error("server address {address:?}: {why}; want http://HOST[:PORT] or https://HOST[:PORT]")]
    Address {
        /// As it was given.
        address: String,
        /// What is wrong with it.
        why: String,
    },
    /// No connection, or one that broke, each time.
    #[error(
        "server {address} cannot be reached ({attempts} attempts): {why}; is it running, and is --server right?"
    )]
    Unreachable {
        /// Whom we asked.
        address: String,
        /// How often.
        attempts: usize,
        /// The last attempt's error.
        why: String,
    },
    /// It did not answer in time.
    #[error(
        "server {address} did not answer within {} ms, while {phase}; is it overloaded, or the deadline too short?",
        deadline.as_millis()
    )]
    Deadline {
        /// Whom we asked.
        address: String,
        /// What was being done.
        phase: String,
        /// The deadline of the call.
        deadline: Duration,
    },
    /// It answered that it cannot, each time.
    #[error("server {address} fails with {status} ({attempts} attempts): {title}: {detail}")]
    Failing {
        /// Whom we asked.
        address: String,
        /// The HTTP status.
        status: u16,
        /// How often.
        attempts: usize,
        /// The problem's title, or the status in words.
        title: String,
        /// The problem's detail, with the way out, or the beginning of the answer.
        detail: String,
    },
    /// It answered that it will not.
    #[error("server {address} refuses with {status}: {title}: {detail}")]
    Refused {
        /// Whom we asked.
        address: String,
        /// The HTTP status.
        status: u16,
        /// The problem's title, or the status in words.
        title: String,
        /// The problem's detail, with the way out, or the beginning of the answer.
        detail: String,
    },
    /// What proves who asks cannot be had, or not be sent.
    #[error("server {address} is not told who asks: {why}")]
    Identity {
        /// Whom we asked.
        address: String,
        /// What is wrong.
        why: String,
    },
    /// What it answered makes no sense.
    #[error(
        "server {address} gives an answer that is not Stella's: {why}; is --server right, and of this release?"
    )]
    Protocol {
        /// Whom we asked.
        address: String,
        /// What is wrong with the answer.
        why: String,
    },
}

impl Error {
    /// Whether the server does not know the scan, or not any more: it has to be asked for again.
    pub fn is_unknown_scan(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }

    /// Whether the server is at fault, so that a gate may go on without it; else the call is.
    pub fn is_outage(&self) -> bool {
        !matches!(self, Self::Address { .. } | Self::Refused { .. } | Self::Identity { .. })
    }
}
