//! What can go wrong while something is fetched.

use std::{io, path::PathBuf, time::Duration};

use crate::digest::Digest;

/// Why something was not fetched. Every address is shown as it is asked: none holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection, or it broke before there was an answer.
    #[error("{url}: cannot be reached: {why}")]
    Unreachable { url: String, why: String },
    /// The connection broke in the middle.
    #[error("{url}: broke off after {at_bytes} bytes: {why}")]
    Cut { url: String, at_bytes: u64, why: String },
    /// Nothing came for too long.
    #[error("{url}: silent for {} s (--silence)", .silence.as_secs())]
    Silent { url: String, silence: Duration },
    /// The file's time is over.
    #[error("{url}: not done within the deadline of {} s (--deadline)", .deadline.as_secs())]
    Late { url: String, deadline: Duration },
    /// An answer that says no.
    #[error("{url}: answered {status}")]
    Status { url: String, status: reqwest::StatusCode },
    /// An answer that says no, and why.
    #[error("{url}: answered {status}: {why}")]
    Refused { url: String, status: reqwest::StatusCode, why: String },
    /// More than anybody wants.
    #[error("{url}: over the limit of {most_bytes} bytes (--max-size)")]
    TooLarge { url: String, most_bytes: u64 },
    /// Other bytes than the publisher's.
    #[error("{url}: has {found}, but {want} is published")]
    Checksum { url: String, found: Digest, want: Digest },
    /// A redirect off the road.
    #[error("{url}: redirects to {to}, where anybody can change what is read")]
    Redirect { url: String, to: String },
    /// No answer to what was asked.
    #[error("{url}: {why}")]
    Answer { url: String, why: String },
    /// Nothing can be asked at all, as an authority cannot be read.
    #[error("{0}")]
    Client(String),
    /// The disk.
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
}

/// An error, and whether another attempt may help.
#[derive(Debug)]
pub struct Fault {
    pub error: Error,
    /// `None` where it is final.
    pub passing: Option<Passing>,
}

/// What is known about another attempt.
#[derive(Debug, Clone, Copy, Default)]
pub struct Passing {
    /// How long the server wants to be left alone.
    pub after: Option<Duration>,
    /// Whether this one brought something that the next need not fetch.
    pub progress: bool,
}

impl Fault {
    pub fn passing(error: Error) -> Self {
        Self { error, passing: Some(Passing::default()) }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self { error, passing: None }
    }
}
