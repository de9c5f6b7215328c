//! Advisories: one vulnerability for one package of one ecosystem, and the compiled file they are looked up in.

mod database;
mod map;

use serde::{Deserialize, Serialize};

use crate::finding::Severity;

pub use database::{Compiler, Error, Feed, Snapshot};

/// One advisory for one package, as a feed's parser hands it to the [`Compiler`] and a [`Snapshot`] gives it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advisory {
    /// The source's own id, such as `DSA-5417-1` or `PYSEC-2018-28`.
    pub id: String,
    /// Other names of the same vulnerability, sorted.
    pub aliases: Vec<String>,
    /// One line.
    pub summary: String,
    /// How bad, in the source's word.
    pub severity: Severity,
    /// Which versions are affected. Any of these hits.
    pub ranges: Vec<Range>,
    /// Versions affected one by one, beside the ranges.
    pub versions: Vec<String>,
}

/// A half-open range of affected versions, OSV's `events` made flat.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Range {
    /// First affected version; `None` means from the beginning.
    pub introduced: Option<String>,
    /// Where it ends.
    pub end: End,
}

/// The end of a [`Range`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum End {
    /// The first version that is not affected any more.
    Fixed(String),
    /// The last version that is affected; no fix is named.
    LastAffected(String),
    /// Still affected.
    Open,
}
