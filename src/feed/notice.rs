//! A notice of a national database of vulnerabilities: what it says of the CVEs that it names.
//!
//! Which products are affected it says by CPE or in words, which lead to no package of an ecosystem: nothing is matched by
//! it, and the lists are left.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{cve, cvss, sink::Sink, xml::Place};
use crate::{advisory::Fact, finding::Severity};

#[derive(Default)]
pub(super) struct Notice {
    /// The database's own id, such as `JVNDB-2023-000001` or `BDU:2024-00001`.
    pub(super) id: String,
    pub(super) cves: BTreeSet<String>,
    /// When it was last written.
    pub(super) time: Option<Timestamp>,
    /// Of each version of CVSS that it rates by.
    pub(super) ratings: Vec<Rating>,
    /// It lists products.
    pub(super) products: bool,
}

/// How bad by one version of CVSS.
#[derive(Default)]
pub(super) struct Rating {
    /// May be empty.
    pub(super) vector: String,
    /// In the database's word, where it has one for this version.
    pub(super) word: Option<Severity>,
}

impl Notice {
    /// Takes a name, if it is a CVE's.
    pub(super) fn name(&mut self, name: &str) {
        if cve::is_id(name) {
            self.cves.insert(name.to_owned());
        }
    }

    /// Hands over one fact of `database` about each CVE; about the notice's own id where it names none.
    pub(super) fn hand_over(mut self, database: &'static str, place: Place<'_>, sink: &mut Sink<'_>) {
        if self.id.is_empty() {
            return sink.skip(place(), "malformed", "no id");
        }
        for rating in &self.ratings {
            if !rating.vector.is_empty() && cvss::severity(&rating.vector).is_none() {
                sink.skip(self.id.clone(), "a CVSS vector that is not understood", &rating.vector);
            }
        }
        if self.products {
            sink.skip(self.id.clone(), "products by CPE or in words, not by package", "");
        }
        let fact = self.fact();
        if self.cves.is_empty() {
            self.cves.insert(self.id);
        }
        for id in self.cves {
            sink.fact(id, database, self.time, fact.clone());
        }
        sink.kept();
    }

    /// By the newest version of CVSS whose vector is understood, the worst where it has several; else in words.
    fn fact(&self) -> Fact {
        let rated = |rating: &Rating| {
            let severity = cvss::severity(&rating.vector)?;
            Some((cvss::version(&rating.vector), severity, rating.vector.clone()))
        };
        match self.ratings.iter().filter_map(rated).max() {
            Some((_, severity, vector)) => Fact { severity, vector, ..Fact::default() },
            None => {
                let word = self.ratings.iter().filter_map(|rating| rating.word).max();
                Fact { severity: word.unwrap_or_default(), ..Fact::default() }
            }
        }
    }
}
