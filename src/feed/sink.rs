//! What the reader of a source hands over: claims, facts, and the reason of whatever it leaves.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Error, Outcome,
    held::{Held, Key, Packages, Revision},
    json,
};
use crate::{
    advisory::{Fact, Range, State},
    finding::Severity,
};

/// What one path may take of the memory.
pub const PATH_MEMORY: &str = "feed path memory";

/// What an import may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// `feed records`: of all paths, whatever is in them. All of osv.dev is below a million.
    pub records: u64,
    /// `feed path memory`: about the bytes that the kept records of one path take, so that no path alone uses up what all
    /// of them together may.
    pub held_bytes: u64,
    /// `feed ecosystems`: each is a feed, and a report has a line for each. All of osv.dev has hundreds.
    pub ecosystems: usize,
    /// `feed record bytes`: of one record's text; longer ones are skipped. Parsed, a hostile one takes a hundred times
    /// as much.
    pub record_bytes: usize,
    /// `feed record advisories`: what one record becomes, one for each package and each of the vulnerabilities that it
    /// stands for. The largest kernel update of a distribution has tens of thousands; two megabytes could name millions.
    pub record_advisories: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            records: 4_000_000,
            held_bytes: MOST_HELD_BYTES / 2,
            ecosystems: 8_192,
            record_bytes: 2 << 20,
            record_advisories: 250_000,
        }
    }
}

/// `feed memory` where nobody gives another.
pub const MOST_HELD_BYTES: u64 = 2 << 30;

/// `feed memory`: about the bytes that all paths of an import together take until they are compiled, those that are read and not
/// yet parsed included. Clones are one.
#[derive(Debug, Clone)]
pub struct Memory(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    most_bytes: u64,
    held_bytes: AtomicU64,
    /// Whether it ever was passed: who stopped for it has not read everything, whatever was given back since.
    was_over: AtomicBool,
}

impl Default for Memory {
    fn default() -> Self {
        Self::of(MOST_HELD_BYTES)
    }
}

impl Memory {
    /// At most so many bytes.
    pub fn of(most_bytes: u64) -> Self {
        Self(Arc::new(Shared { most_bytes, held_bytes: AtomicU64::new(0), was_over: AtomicBool::new(false) }))
    }

    /// What one path may take of it.
    pub(super) fn of_one_path(&self) -> u64 {
        self.0.most_bytes / 2
    }

    /// The limit, if it was passed.
    pub(super) fn over(&self) -> Option<u64> {
        self.0.was_over.load(Ordering::Relaxed).then_some(self.0.most_bytes)
    }

    /// Does some work that takes so many bytes as long as it lasts.
    pub fn during<T>(&self, size_bytes: usize, work: impl FnOnce() -> T) -> T {
        self.hold(size_bytes as u64);
        let done = work();
        self.release(size_bytes as u64);
        done
    }

    /// What is held now.
    #[cfg(test)]
    pub(super) fn held(&self) -> u64 {
        self.0.held_bytes.load(Ordering::Relaxed)
    }

    pub(super) fn hold(&self, size_bytes: u64) {
        let held_bytes = self.0.held_bytes.fetch_add(size_bytes, Ordering::Relaxed);
        if held_bytes.saturating_add(size_bytes) > self.0.most_bytes {
            self.0.was_over.store(true, Ordering::Relaxed);
        }
    }

    pub(super) fn release(&self, size_bytes: u64) {
        self.0.held_bytes.fetch_sub(size_bytes, Ordering::Relaxed);
    }
}

/// What the threads of an import share: the limits, and how near they are.
#[derive(Default)]
pub(super) struct Budget {
    pub limits: Limits,
    /// Records seen.
    pub records: AtomicU64,
    /// About what the held records take in memory.
    pub held_bytes: AtomicU64,
    /// Whether they ever took more than the limit.
    pub was_over: AtomicBool,
    /// What all paths take.
    pub memory: Memory,
    /// A document that cannot be read to its end, and why.
    pub broken: Mutex<Option<(String, String)>>,
}

impl Budget {
    /// The error of a limit that is passed, if `what` passed one.
    pub(super) fn over(&self, what: &Path) -> Result<(), Error> {
        let what = || what.display().to_string();
        let Limits { records, held_bytes, .. } = self.limits;
        if let Some(most_bytes) = self.memory.over() {
            return Err(Error::Memory { what: what(), most_bytes });
        }
        let (limit, most) = if self.records.load(Ordering::Relaxed) > records {
            ("feed records", records)
        } else if self.was_over.load(Ordering::Relaxed) {
            (PATH_MEMORY, held_bytes)
        } else {
            return Ok(());
        };
        Err(Error::Limit { what: what(), limit, most })
    }

    pub(super) fn hold(&self, size_bytes: u64) {
        let held_bytes = self.held_bytes.fetch_add(size_bytes, Ordering::Relaxed);
        if held_bytes.saturating_add(size_bytes) > self.limits.held_bytes {
            self.was_over.store(true, Ordering::Relaxed);
        }
        self.memory.hold(size_bytes);
    }

    pub(super) fn release(&self, size_bytes: u64) {
        self.held_bytes.fetch_sub(size_bytes, Ordering::Relaxed);
        self.memory.release(size_bytes);
    }
}

/// What one record of a source claims.
#[derive(Debug, Default)]
pub(super) struct Claim {
    /// The database whose word it is, such as `debian` or `github`: a form carries those of many.
    pub database: &'static str,
    /// The record's own id.
    pub id: String,
    /// When it was last written; what has no date is the oldest.
    pub time: Option<Timestamp>,
    /// One line; [`summary_line`] makes one of a text.
    pub summary: String,
    /// The lists of other names. A bulletin that stands for several vulnerabilities gives a list for each, so that they
    /// stay several findings; most give one list, if only an empty one.
    pub names: Vec<Vec<String>>,
    /// In any order; entries that speak of one package are joined.
    pub packages: Vec<Package>,
    /// Ecosystems of which a part was not understood: what it affects may be missed.
    pub not_understood: BTreeSet<String>,
}

/// What a claim says of one package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Package {
    /// As [`crate::advisory::scheme`] takes it, such as `Debian:12`.
    pub ecosystem: String,
    pub name: String,
    pub severity: Severity,
    pub state: State,
    pub ranges: Vec<Range>,
    pub versions: Vec<String>,
}

/// Takes what one thread reads of one document after another.
pub(super) struct Sink<'a> {
    budget: &'a Budget,
    /// The form that is being read: the name of its [`super::Source`].
    form: &'static str,
    pub(super) outcomes: BTreeMap<&'static str, Outcome>,
    pub(super) held: Held,
}

impl<'a> Sink<'a> {
    pub(super) fn new(budget: &'a Budget) -> Self {
        Self { budget, form: "", outcomes: BTreeMap::new(), held: Held::default() }
    }

    /// What comes from now on is of this form.
    pub(super) fn set_form(&mut self, form: &'static str) {
        self.form = form;
    }

    fn outcome(&mut self) -> &mut Outcome {
        self.outcomes.entry(self.form).or_default()
    }

    /// Whether the import is over a limit: nothing more needs to be read.
    pub(super) fn over(&self) -> bool {
        self.budget.over(Path::new("")).is_err()
    }

    /// `feed record bytes`, for the forms whose records are not read by [`Self::json`].
    pub(super) fn most_record_bytes(&self) -> u64 {
        self.budget.limits.record_bytes as u64
    }

    /// Counts one more record, whatever becomes of it.
    pub(super) fn count(&mut self) {
        self.outcome().read += 1;
        self.budget.records.fetch_add(1, Ordering::Relaxed);
    }

    /// `feed record bytes`.
    pub(super) fn record_bytes(&self) -> usize {
        self.budget.limits.record_bytes
    }

    /// Counts one more record; whether it is of a size that is read. One that is too long is left and named by `place`.
    pub(super) fn count_sized(&mut self, place: &dyn Fn() -> String, size_bytes: usize) -> bool {
        self.count();
        let most = self.record_bytes();
        if size_bytes > most {
            self.skip(place(), "over the limit `feed record bytes`", &format!("more than {most} bytes"));
        }
        size_bytes <= most
    }

    /// Counts and reads one record of JSON; what is too long or malformed is left and named by `place`.
    pub(super) fn json<'de, T: Deserialize<'de>>(
        &mut self,
        place: &dyn Fn() -> String,
        text: &'de [u8],
    ) -> Option<T> {
        if !self.count_sized(place, text.len()) {
            return None;
        }
        match serde_json::from_slice(text) {
            Ok(record) => Some(record),
            Err(error) => {
                self.skip(place(), "malformed", &error.to_string());
                None
            }
        }
    }

    /// Hands each record of the array that `bytes` is to `take`, with its place, until a limit is passed; what comes after
    /// something malformed is named as one record.
    pub(super) fn each(
        &mut self,
        name: &str,
        bytes: &[u8],
        take: impl Fn(&dyn Fn() -> String, &[u8], &mut Self),
    ) {
        let mut index = 0u64;
        let read = json::elements(bytes, &mut |record| {
            index += 1;
            take(&|| format!("{name}, record {index}"), record.get().as_bytes(), self);
            !self.over()
        });
        if let Err(error) = read
            && !self.over()
        {
            self.broken(name.to_owned(), &error.to_string());
        }
    }

    /// Names where a document cannot be read any further: what comes after it nobody knows, so the whole file is not taken.
    pub(super) fn broken(&mut self, what: String, why: &str) {
        self.count();
        let mut broken = self.budget.broken.lock().unwrap_or_else(PoisonError::into_inner);
        let one = (what.clone(), why.to_owned());
        // The first by name, whichever thread comes first.
        if broken.as_ref().is_none_or(|known| one < *known) {
            *broken = Some(one);
        }
        drop(broken);
        self.skip(what, "malformed from here on", why);
    }

    /// Names what is left, a record or a part of one. Reasons are counted, so they are few and speak of no single record;
    /// `detail` may, and may be empty.
    pub(super) fn skip(&mut self, what: String, reason: &str, detail: &str) {
        self.outcome().skip(what, reason, detail);
    }

    /// Takes what a record claims. A later one of the same id and `scope` replaces it: `scope` is the part of the id's
    /// world that one record speaks of as a whole, such as the family `Debian` or a file of a release.
    pub(super) fn claim(&mut self, scope: &str, claim: Claim) {
        let Claim { database, id, time, summary, names, packages, not_understood } = claim;
        let packages = joined(packages);
        let most = self.budget.limits.record_advisories;
        if names.len().saturating_mul(packages.len()) > most {
            let detail = format!("{} names of {} packages, more than {most}", names.len(), packages.len());
            return self.skip(id, "over the limit `feed record advisories`", &detail);
        }
        let Some(encoded) = Packages::new(&packages) else {
            return self.skip(id, "malformed", "its packages cannot be written down");
        };
        self.held.speaks_of(&packages, &not_understood);
        let packages = encoded;
        let revision = Revision { time, database, summary, names, packages, not_understood };
        self.held.add(Key::new(self.form, scope, id), revision, self.budget);
    }

    /// Takes the word that the record `id` of this form was withdrawn.
    pub(super) fn withdraw(&mut self, id: String, time: Option<Timestamp>) {
        self.held.withdraw(self.form, id, time, self.budget);
    }

    /// Takes what `database` says of the vulnerability `id` itself, whichever package has it; the newest counts.
    pub(super) fn fact(&mut self, id: String, database: &'static str, time: Option<Timestamp>, fact: Fact) {
        self.held.fact(id, database, time, fact, self.budget);
    }

    /// Counts a record of which something was taken.
    pub(super) fn kept(&mut self) {
        self.outcome().kept += 1;
    }

    /// Counts a record of which a part was not understood: what it affects may be missed.
    pub(super) fn not_understood(&mut self) {
        self.outcome().not_understood += 1;
    }
}

/// One entry for each package, sorted, however many speak of it: the worst severity, all ranges and versions. Where one of
/// them says more than "affected", the most telling state stands.
fn joined(packages: Vec<Package>) -> Vec<Package> {
    let mut by_name: BTreeMap<(String, String), Package> = BTreeMap::new();
    for package in packages {
        let key = (package.ecosystem.clone(), package.name.clone());
        match by_name.entry(key) {
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(package);
            }
            std::collections::btree_map::Entry::Occupied(mut place) => {
                let known = place.get_mut();
                known.severity = known.severity.max(package.severity);
                known.state = known.state.max(package.state);
                known.ranges.extend(package.ranges);
                known.versions.extend(package.versions);
            }
        }
    }
    by_name.into_values().collect()
}

/// The beginning of a day, such as `2024-02-03`, in UTC.
pub(super) fn day(date: &str) -> Option<Timestamp> {
    format!("{date}T00:00:00Z").parse().ok()
}

/// Longest summary, in characters; a report has one line for it.
const SUMMARY_CHARACTERS: usize = 160;

/// `text` as one short line.
pub(super) fn summary_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SUMMARY_CHARACTERS) {
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
        None => line,
    }
}
