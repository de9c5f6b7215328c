//! Parsers of advisory feeds: each takes what its source publishes and hands advisories to the compiler.

mod cvss;
pub mod demo;
pub mod osv;
mod queue;
mod source;

use std::{collections::BTreeSet, path::PathBuf};

/// What an import took, and what it left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Records seen.
    pub read: u64,
    /// Records of which at least one affected package was taken.
    pub kept: u64,
    /// How much was left out: every record of which nothing was taken, and parts of others.
    pub skipped: u64,
    /// The first [`NAMED`] of what was left out, in the order of their names.
    pub named: BTreeSet<SkippedRecord>,
    /// Records of which a range for a supported ecosystem was left out because nobody here understands it: what it
    /// affects may be missed.
    pub not_understood: u64,
}

/// Skipped records that are named one by one; the rest is counted.
pub const NAMED: usize = 20;

impl Outcome {
    fn skip(&mut self, what: String, why: impl Into<String>) {
        self.skipped += 1;
        self.named.insert(SkippedRecord { what, why: why.into() });
        if self.named.len() > NAMED {
            self.named.pop_last();
        }
    }

    fn extend(&mut self, other: Self) {
        let Self { read, kept, skipped, named, not_understood } = other;
        self.read += read;
        self.kept += kept;
        self.skipped += skipped;
        self.named.extend(named);
        while self.named.len() > NAMED {
            self.named.pop_last();
        }
        self.not_understood += not_understood;
    }
}

/// What became of all paths of an import together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Merged {
    /// Records that were compiled, counted for each family of ecosystems.
    pub kept: u64,
    /// Records that gave way to another of their id: a newer one, or the same again.
    pub replaced: u64,
    /// Records that a withdrawal removed.
    pub withdrawn: u64,
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
