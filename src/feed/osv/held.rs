//! What an import holds until every path is read: of each record the newest word.

use std::{
    collections::{BTreeSet, HashMap, hash_map::Entry},
    sync::atomic::{AtomicU64, Ordering},
};

use jiff::Timestamp;

use crate::{
    advisory::{Advisory, Compiler, Range},
    feed::Merged,
    finding::Severity,
};

/// What one record says of the packages of one family, such as `Debian`. The derived order decides which of two is kept:
/// the newer; at one time the content, so that the order of the files never does.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Revision {
    /// `None` sorts first: what has no date is the oldest.
    pub time: Option<Timestamp>,
    pub summary: String,
    /// The lists of other names: an advisory for each.
    pub names: Vec<Vec<String>>,
    /// Sorted by ecosystem and name, each once.
    pub packages: Vec<Package>,
    /// Ecosystems of which a part was not understood.
    pub not_understood: BTreeSet<String>,
}

/// One package of a revision.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Package {
    pub ecosystem: String,
    pub name: String,
    pub severity: Severity,
    pub ranges: Vec<Range>,
    pub versions: Vec<String>,
}

impl Revision {
    /// About what it takes in memory.
    fn size_bytes(&self, id: &str) -> u64 {
        let text = |text: &str| text.len() + size_of::<String>() + 8; // and the allocator's own
        let texts = |list: &[String]| list.iter().map(|item| text(item)).sum::<usize>();
        let range = |range: &Range| size_of::<Range>() + range.bounds().map(text).sum::<usize>();
        let package = |package: &Package| {
            let Package { ecosystem, name, ranges, versions, .. } = package;
            let parts = text(ecosystem) + text(name) + texts(versions);
            size_of::<Package>() + parts + ranges.iter().map(range).sum::<usize>()
        };
        let size = size_of::<(Key, Self)>() * 2
            + id.len()
            + text(&self.summary)
            + self.names.iter().map(|names| size_of::<Vec<String>>() + texts(names)).sum::<usize>()
            + self.packages.iter().map(package).sum::<usize>()
            + self.not_understood.iter().map(|name| text(name)).sum::<usize>();
        size as u64
    }
}

/// Id and family. Mirrors split a record by family into files of one id, so a record replaces another only where it
/// speaks of the same.
type Key = (String, String);

/// The newest revisions so far.
#[derive(Default)]
pub(super) struct Held {
    revisions: HashMap<Key, Revision>,
    /// When each withdrawn id was.
    withdrawn: HashMap<String, Option<Timestamp>>,
    replaced: u64,
}

impl Held {
    /// Takes a revision, if it is the newest of its kind; `size_bytes` follows what is held.
    pub(super) fn add(&mut self, id: String, family: String, revision: Revision, size_bytes: &AtomicU64) {
        let size = revision.size_bytes(&id);
        match self.revisions.entry((id, family)) {
            Entry::Vacant(place) => {
                place.insert(revision);
                size_bytes.fetch_add(size, Ordering::Relaxed);
            }
            Entry::Occupied(mut place) => {
                self.replaced += 1;
                if *place.get() < revision {
                    let old = place.get().size_bytes(&place.key().0);
                    size_bytes.fetch_add(size, Ordering::Relaxed);
                    size_bytes.fetch_sub(old, Ordering::Relaxed);
                    place.insert(revision);
                }
            }
        }
    }

    /// Takes the word that `id` was withdrawn.
    pub(super) fn withdraw(&mut self, id: String, time: Option<Timestamp>, size_bytes: &AtomicU64) {
        size_bytes
            .fetch_add((id.len() + 2 * size_of::<(String, Option<Timestamp>)>()) as u64, Ordering::Relaxed);
        let known = self.withdrawn.entry(id).or_insert(time);
        *known = (*known).max(time);
    }

    /// Takes what another thread holds.
    pub(super) fn extend(&mut self, other: Self, size_bytes: &AtomicU64) {
        self.replaced += other.replaced;
        for ((id, family), revision) in other.revisions {
            size_bytes.fetch_sub(revision.size_bytes(&id), Ordering::Relaxed);
            self.add(id, family, revision, size_bytes);
        }
        for (id, time) in other.withdrawn {
            self.withdraw(id, time, size_bytes);
        }
    }

    /// Hands every revision that was not withdrawn since to `compiler`.
    pub(super) fn compile(self, compiler: &mut Compiler) -> Merged {
        let mut merged = Merged { kept: 0, replaced: self.replaced, withdrawn: 0 };
        for ((id, _), revision) in self.revisions {
            // At one time the withdrawal is the later word.
            if self.withdrawn.get(&id).is_some_and(|time| *time >= revision.time) {
                merged.withdrawn += 1;
                continue;
            }
            let Revision { time, summary, names, packages, not_understood } = revision;
            for ecosystem in not_understood {
                compiler.add_not_understood(&ecosystem);
            }
            let whole = time.and_then(|time| Timestamp::from_second(time.as_second()).ok());
            let modified = whole.map(|time| time.to_string()).unwrap_or_default();
            merged.kept += u64::from(!packages.is_empty());
            for Package { ecosystem, name, severity, ranges, versions } in packages {
                for aliases in &names {
                    let advisory = Advisory {
                        id: id.clone(),
                        aliases: aliases.clone(),
                        summary: summary.clone(),
                        severity,
                        ranges: ranges.clone(),
                        versions: versions.clone(),
                    };
                    compiler.add(&ecosystem, &name, &modified, advisory);
                }
            }
        }
        merged
    }
}
