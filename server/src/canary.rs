//! The canary: what a new database would change, seen on the images of the newest scans before anybody is gated by it.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use stella::{
    advisory::{Feed, Snapshot},
    digest::Digest,
    finding::{Finding, Severity},
    image::Image,
    inventory::Inventory,
    matching::{self, findings},
};

use crate::{config::Canary, scan::Scans};

/// Findings that a report names, those of the most images first.
const MOST_NAMED: usize = 200;

/// What a trial saw. It lies beside the database as JSON, and holds the last word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// When, RFC 3339.
    pub tried: String,
    /// What became of the new database.
    pub outcome: Outcome,
    /// Why it is held back; empty where it is not.
    pub reasons: Vec<String>,
    /// Id of the database that was in use; `null` where there was none.
    pub old: Option<Digest>,
    /// Id of the new one; `null` where it cannot be read.
    pub new: Option<Digest>,
    /// Feeds, and sources where it is known what they gave, whose records are more or less than before.
    pub records: Vec<Records>,
    /// What it was tried on.
    pub images: Images,
    /// What came and went.
    pub findings: Moved,
    /// What it was held against.
    pub thresholds: Canary,
}

/// What became of a new database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It is in use.
    Taken,
    /// It waits for somebody to accept it.
    Held,
    /// It was held back, and somebody accepted it.
    Accepted,
}

/// Records of one feed or source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Records {
    /// `feed Debian:12`, `database nvd`, `source osv`.
    pub name: String,
    /// Before.
    pub old: u64,
    /// Now; `null` where it is gone.
    pub new: Option<u64>,
}

/// Images of stored scans.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Images {
    /// Matched with both.
    pub matched: u64,
    /// Not all of whose layers are known.
    pub incomplete: u64,
    /// Whether the time was over before the last one.
    pub is_cut: bool,
}

/// Findings that are in one of two databases alone; those of several images count several times.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// All that the old one gives.
    pub old: u64,
    /// All that the new one gives.
    pub new: u64,
    /// What came, by severity.
    pub added: BTreeMap<Severity, u64>,
    /// What went, by severity.
    pub removed: BTreeMap<Severity, u64>,
    /// Some of both by name, those of the most images first.
    pub named: Vec<Named>,
}

/// A finding that came or went.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Named {
    /// Whether it came; else it went.
    pub is_added: bool,
    /// Such as a CVE.
    pub id: String,
    /// The package's name.
    pub package: String,
    /// Its version.
    pub version: String,
    /// How bad.
    pub severity: Severity,
    /// In how many images.
    pub images: u64,
}

impl Report {
    /// Of a database that is tried now; taken, as long as nothing speaks against it.
    pub fn new(old: Option<Digest>, new: Option<Digest>, thresholds: &Canary) -> Self {
        Self {
            tried: now(),
            outcome: Outcome::Taken,
            reasons: Vec::new(),
            old,
            new,
            records: Vec::new(),
            images: Images::default(),
            findings: Moved::default(),
            thresholds: thresholds.clone(),
        }
    }

    /// Holds the new one back.
    pub fn hold(&mut self, reason: String) {
        self.outcome = Outcome::Held;
        self.reasons.push(reason);
    }

    /// What is known of one name in both.
    pub fn records(&mut self, kind: &str, name: &str, old: u64, new: Option<u64>) {
        let name = format!("{kind} {name}");
        let Canary { lost_percent, lost_records, .. } = self.thresholds;
        let lost = old.saturating_sub(new.unwrap_or_default());
        match new {
            None if old > 0 => self.hold(format!("{name} is gone, and had {old} records")),
            Some(_) if over(lost, old, lost_percent, lost_records) => {
                self.hold(format!("{name} lost {lost} of {old} records"));
            }
            _ => {}
        }
        if new != Some(old) {
            self.records.push(Records { name, old, new });
        }
    }

    /// Feeds of both databases.
    pub fn feeds(&mut self, old: &Snapshot, new: &Snapshot) {
        self.lists("feed", &old.feeds(), &new.feeds());
        // What NVD and its like say of ids, whichever package they are in.
        self.lists("database", old.databases(), new.databases());
    }

    fn lists(&mut self, kind: &str, old: &[Feed], new: &[Feed]) {
        let known: BTreeMap<&str, u64> = new.iter().map(|feed| (feed.name.as_str(), feed.records)).collect();
        for Feed { name, records, .. } in old {
            self.records(kind, name, *records, known.get(name.as_str()).copied());
        }
    }

    /// Matches the images of the newest scans with both.
    pub fn images(&mut self, old: &Snapshot, new: &Snapshot, scans: &Scans) {
        let until = Instant::now() + Duration::from_millis(self.thresholds.time_ms);
        let mut moved: BTreeMap<Named, u64> = BTreeMap::new();
        let mut failed = None;
        let seen = scans.newest_images(self.thresholds.scans, |image, inventory| {
            if Instant::now() >= until {
                self.images.is_cut = true;
                return false;
            }
            let Some(inventory) = inventory else {
                self.images.incomplete += 1;
                return true;
            };
            match pair(image, inventory, old, new) {
                Ok((old, new)) => {
                    self.images.matched += 1;
                    self.findings.compare(&old, &new, &mut moved);
                    true
                }
                Err(error) => {
                    failed = Some(error.to_string());
                    false
                }
            }
        });
        if let Some(why) = failed {
            self.hold(format!("images cannot be matched: {why}"));
        }
        if seen.is_err() {
            self.hold("the stored scans cannot be read; the log has the particulars".to_owned());
        }
        let mut named: Vec<Named> =
            moved.into_iter().map(|(named, images)| Named { images, ..named }).collect();
        named.sort_by(|a, b| b.images.cmp(&a.images).then_with(|| a.cmp(b)));
        named.truncate(MOST_NAMED);
        self.findings.named = named;
        let (added, removed) = (self.findings.added(), self.findings.removed());
        let Canary { moved_percent, moved_findings, .. } = self.thresholds;
        let all = self.findings.old;
        if over(added + removed, all, moved_percent, moved_findings) {
            let images = self.images.matched;
            self.hold(format!(
                "findings of {images} images moved: {added} came and {removed} went, of {all}"
            ));
        }
    }
}

impl Moved {
    /// How many came.
    pub fn added(&self) -> u64 {
        self.added.values().sum()
    }

    /// How many went.
    pub fn removed(&self) -> u64 {
        self.removed.values().sum()
    }

    /// Counts one image's.
    fn compare(&mut self, old: &[Finding], new: &[Finding], moved: &mut BTreeMap<Named, u64>) {
        let (before, after) = (keys(old), keys(new));
        self.old += before.len() as u64;
        self.new += after.len() as u64;
        for (is_added, findings, other, counts) in
            [(true, &after, &before, &mut self.added), (false, &before, &after, &mut self.removed)]
        {
            for (key @ (id, package, version), severity) in findings {
                if other.contains_key(key) {
                    continue;
                }
                *counts.entry(*severity).or_default() += 1;
                let [id, package, version] = [id, package, version].map(|&text| text.to_owned());
                let named = Named { is_added, id, package, version, severity: *severity, images: 0 };
                *moved.entry(named).or_default() += 1;
            }
        }
    }
}

type Key<'a> = (&'a str, &'a str, &'a str);

fn key(finding: &Finding) -> Key<'_> {
    (&finding.id, &finding.package.name, &finding.package.version)
}

fn keys(findings: &[Finding]) -> BTreeMap<Key<'_>, Severity> {
    findings.iter().map(|finding| (key(finding), finding.severity)).collect()
}

fn pair(
    image: &Image,
    inventory: &Inventory,
    old: &Snapshot,
    new: &Snapshot,
) -> Result<(Vec<Finding>, Vec<Finding>), matching::Error> {
    // Not by CPE: that is off unless a policy asks for it, and of low confidence.
    let found = |snapshot| findings(inventory, image, snapshot, false).map(|matched| matched.findings);
    Ok((found(old)?, found(new)?))
}

/// More than so many, and more than so many percent.
fn over(change: u64, of: u64, percent: u64, count: u64) -> bool {
    change > count && u128::from(change) * 100 > u128::from(of) * u128::from(percent)
}

/// To the second, RFC 3339.
pub fn now() -> String {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now).to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn held(old: u64, new: Option<u64>) -> bool {
        let mut report = Report::new(None, None, &Canary::default());
        report.records("feed", "npm", old, new);
        report.outcome == Outcome::Held
    }

    #[test]
    fn a_feed_may_lose_a_little() {
        assert!(!held(1000, Some(800)) && held(1000, Some(799)));
        // Few records are soon a fifth.
        assert!(!held(50, Some(0)) && held(51, Some(0)));
        assert!(held(1, None) && !held(0, None) && !held(1, Some(1000)));
    }

    #[test]
    fn findings_move_by_what_is_found_not_by_what_is_said_of_it() {
        let finding = |id: &str, severity: &str| -> Finding {
            serde_json::from_value(serde_json::json!({
                "id": id, "aliases": [], "severity": severity, "fixed_in": null, "status": "affected", "paths": [],
                "package": { "name": "a", "version": "1", "ecosystem": "npm", "purl": "pkg:npm/a@1" },
                "layer": { "index": 0, "diff_id": Digest::of(b"a"), "instruction": "", "base": false } }))
            .unwrap()
        };
        let (old, new) =
            ([finding("A", "low"), finding("B", "low")], [finding("A", "high"), finding("C", "high")]);
        let (mut moved, mut named) = (Moved::default(), BTreeMap::new());
        moved.compare(&old, &new, &mut named);
        moved.compare(&old, &old, &mut named);
        assert_eq!((moved.old, moved.new), (4, 4));
        assert_eq!(moved.added, BTreeMap::from([(Severity::High, 1)]));
        assert_eq!(moved.removed, BTreeMap::from([(Severity::Low, 1)]));
        let ids: BTreeSet<_> = named.keys().map(|named| named.id.as_str()).collect();
        assert_eq!(ids, BTreeSet::from(["B", "C"]));
    }
}
