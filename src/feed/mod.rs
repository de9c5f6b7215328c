//! Parsers of advisory feeds: each takes what its source publishes and hands advisories to the compiler.

mod cvss;
pub mod demo;
pub mod osv;
mod source;

use std::path::PathBuf;

/// What an import took, and what it left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Records seen.
    pub read: u64,
    /// Records of which at least one affected package was taken.
    pub kept: u64,
    /// What was left out, sorted: every record of which nothing was taken, and parts of others.
    pub skipped: Vec<SkippedRecord>,
}

/// A record, or a part of one, that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SkippedRecord {
    /// Its id, or file and position where it has none.
    pub what: String,
    /// Why.
    pub why: String,
}

/// Why a feed could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system, or the archive's format, says no.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Not a form that is read.
    #[error("{0}: want a folder, a .zip, a .tar.zst, a .json or a .jsonl with OSV records")]
    Form(PathBuf),
    /// A member of an archive or folder is over a limit.
    #[error("{what}: over the limit `{limit}` of {most}")]
    Limit {
        /// File or member.
        what: String,
        /// The limit's name.
        limit: &'static str,
        /// Its value.
        most: u64,
    },
    /// Not one record in it.
    #[error("{0}: no OSV record in it")]
    Empty(PathBuf),
}
