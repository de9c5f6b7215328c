//! Feeds of advisories: each [`Source`] reads the form that somebody publishes, a file of this folder each.
//!
//! ```text
//! path -> walk (documents) -> queue -> Source (threads) -> Sink -> Part (what one path gave, may be kept)
//! Parts -> Import (of each record the newest word) -> Compiler
//! ```

mod bdu;
pub(crate) mod cpe;
mod csaf;
mod csv;
mod cve;
mod cvss;
mod debian;
pub mod demo;
mod epss;
mod friendsofphp;
mod github;
mod held;
mod import;
mod json;
mod jvn;
mod kev;
mod name;
mod notice;
mod nvd;
mod osv;
mod part;
mod queue;
mod repositories;
mod requirement;
mod rubysec;
mod rustsec;
mod secdb;
mod sink;
mod updateinfo;
mod walk;
mod xml;
mod yaml;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use serde::{Deserialize, Serialize};

pub use import::{Import, read};
pub use name::raters;
pub use part::Part;
use sink::Sink;
pub use sink::{MOST_HELD_BYTES, Memory, PATH_MEMORY};
use walk::Document;

/// A form in which advisories are published.
trait Source: Sync {
    /// Its name in messages and in the compiled file, such as `osv`.
    fn name(&self) -> &'static str;

    /// Whether `document` is of this form, by its name and the beginning of its bytes; nothing is parsed.
    fn knows(&self, document: &Document) -> bool;

    /// Hands every record of `document` to `sink`, and names there what is left; ends early once `sink` is over a limit.
    fn read(&self, document: &Document, sink: &mut Sink<'_>);

    /// Where `document` may be cut if it is large, by its name and beginning; `None` where it is to be read whole.
    fn cut(&self, _document: &Document) -> Option<Cut> {
        None
    }
}

/// How a document is made into several of its form, each with the same beginning, so that they are read in bounded memory
/// and on several threads.
struct Cut {
    /// What each record begins with and nothing else has. In a comment or a text that is not escaped it would be cut at,
    /// which costs the records on both sides, by name.
    record: &'static str,
    /// What comes after the last record of a whole document.
    close: &'static str,
}

/// All of them, in the order in which they are asked: OSV, the last, takes whatever else is JSON.
const SOURCES: &[&dyn Source] = &[
    &bdu::Bdu,
    &csaf::Csaf,
    &cve::CveList,
    &debian::Debian,
    &epss::Epss,
    &friendsofphp::FriendsOfPhp,
    &github::GitHub,
    &jvn::Jvn,
    &kev::Kev,
    &nvd::Nvd,
    &rubysec::Rubysec,
    &rustsec::Rustsec,
    &secdb::Secdb,
    &updateinfo::Updateinfo,
    &osv::Osv,
];

/// The source that knows `document`. None knows a JSON Schema, which some publish beside their files: it has the words of the
/// form that it describes.
fn source_of(document: &Document) -> Option<&'static dyn Source> {
    SOURCES.iter().copied().find(|source| !document.is_schema() && source.knows(document))
}

/// What an import took, and what it left.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Records seen.
    pub read: u64,
    /// Records of which at least one affected package was taken.
    pub kept: u64,
    /// How much was left out: every record of which nothing was taken, and parts of others.
    pub skipped: u64,
    /// How often for each reason; the first [`REASONS`] of them, in the order of their words.
    pub reasons: BTreeMap<String, u64>,
    /// Of what was left out for each of these reasons the first [`NAMED`], in the order of their names: thousands of one do
    /// not hide the only one of another.
    pub named: BTreeMap<String, BTreeSet<SkippedRecord>>,
    /// Records of which a range for a supported ecosystem was left out because nobody here understands it: what it
    /// affects may be missed.
    pub not_understood: u64,
}

/// Skipped records of one reason that are named one by one; the rest is counted.
pub const NAMED: usize = 5;

/// Reasons that are counted one by one. A feed's own words are in some, so a hostile one has as many as it likes.
pub const REASONS: usize = 40;

impl Outcome {
    fn skip(&mut self, what: String, reason: &str, detail: &str) {
        self.skipped += 1;
        match self.reasons.get_mut(reason) {
            Some(count) => *count += 1,
            None => drop(self.reasons.insert(reason.to_owned(), 1)),
        }
        let why = if detail.is_empty() { reason.to_owned() } else { format!("{reason}: {detail}") };
        let record = SkippedRecord { what, why };
        match self.named.get_mut(reason) {
            Some(named) => drop(named.insert(record)),
            None => drop(self.named.insert(reason.to_owned(), BTreeSet::from([record]))),
        }
        self.trim();
    }

    fn extend(&mut self, other: Self) {
        let Self { read, kept, skipped, reasons, named, not_understood } = other;
        self.read += read;
        self.kept += kept;
        self.skipped += skipped;
        for (reason, count) in reasons {
            *self.reasons.entry(reason).or_default() += count;
        }
        for (reason, named) in named {
            self.named.entry(reason).or_default().extend(named);
        }
        self.not_understood += not_understood;
        self.trim();
    }

    /// What is first of all is first of every part too, so neither threads nor their order change what stays.
    fn trim(&mut self) {
        while self.reasons.len() > REASONS {
            self.reasons.pop_last();
            self.named.pop_last(); // it has the same reasons
        }
        for named in self.named.values_mut() {
            while named.len() > NAMED {
                named.pop_last();
            }
        }
    }

    /// All that is named, in the order of the names.
    pub fn named(&self) -> BTreeSet<&SkippedRecord> {
        self.named.values().flatten().collect()
    }
}

/// What became of all paths of an import together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Merged {
    /// Records that were compiled, counted for each family of ecosystems.
    pub kept: u64,
    /// What databases say of vulnerabilities themselves, one for each database and id.
    pub facts: u64,
    /// Records that gave way to another of their id: a newer one, or the same again.
    pub replaced: u64,
    /// Records that a withdrawal removed.
    pub withdrawn: u64,
}

/// A record, or a part of one, that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
    #[error(
        "{0}: want a folder, a .zip, .tar, .tar.gz or .tar.zst, or a file of a feed (.json, .jsonl, .csv, .xml, .yml, .md; also .gz)"
    )]
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
    /// With it, all paths of an import together are over the limit `feed memory`.
    #[error("{what}: with it, all that is read is over the limit `feed memory` of {most_bytes} bytes")]
    Memory {
        /// The path.
        what: String,
        /// The limit's value.
        most_bytes: u64,
    },
    /// A document of it ends in the middle of something.
    #[error("{what}: malformed from here on: {why}")]
    Broken {
        /// File or member, and how far it could be read.
        what: String,
        /// What is wrong.
        why: String,
    },
    /// Not one record in it could be read.
    #[error("{path}: no record in it can be read: {first}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with the first.
        first: String,
    },
    /// Not one record in it.
    #[error("{0}: no advisory in it, in any form that is known")]
    Empty(PathBuf),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rare_reason_is_named_beside_thousands_of_another() {
        let of = |places: &[usize]| {
            let mut outcome = Outcome::default();
            for place in places {
                let reason = if *place == 4_321 { "malformed" } else { "no package that is known" };
                outcome.skip(format!("CVE-{place:04}"), reason, "");
            }
            outcome
        };
        let all: Vec<usize> = (0..5_000).collect();
        let whole = of(&all);
        let named: Vec<&str> = whole.named().into_iter().map(|skipped| skipped.what.as_str()).collect();
        assert_eq!(named, ["CVE-0000", "CVE-0001", "CVE-0002", "CVE-0003", "CVE-0004", "CVE-4321"]);
        // Whoever reads what, in whatever order.
        for middle in [1, 2_500, 4_322] {
            let (mut first, mut second) = (of(&all[..middle]), of(&all[middle..]));
            second.extend(first.clone());
            assert_eq!(second, whole);
            first.extend(of(&all[middle..]));
            assert_eq!(first, whole);
        }
    }
}
