//! The canary: what a new database would change, seen on the images of the newest scans before anybody is gated by it.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};
use stella::{
    advisory::{Feed, Snapshot},
    digest::Digest,
    finding::Finding,
    image::Image,
    inventory::Inventory,
    matching::{self, findings},
};

use crate::{
    config::Canary,
    moved::{Moved, Moves},
    scan::Scans,
};

/// What a trial saw. It lies beside the database as JSON, and holds the last word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// When, RFC 3339.
    pub tried: String,
    /// What became of the new database.
    pub outcome: Outcome,
    /// Why it is held back; empty where it is not.
    pub reasons: Vec<String>,
    /// What the trial could not see: it holds nothing back, and the word on it is worth less.
    pub warnings: Vec<String>,
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
    /// It was held back, and somebody removed it.
    Discarded,
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
    /// Not all of whose layers are known, and scans that this release cannot read.
    pub incomplete: u64,
    /// Whether the time was over before the last one.
    pub is_cut: bool,
    /// Of those matched, that fail the standard policy by the old one.
    pub failed: u64,
    /// That fail it by the old one alone: gates that would open.
    pub opened: u64,
    /// That fail it by the new one alone: gates that would close.
    pub closed: u64,
}

impl Report {
    /// Of a database that is tried now; taken, as long as nothing speaks against it.
    pub fn new(old: Option<Digest>, new: Option<Digest>, thresholds: &Canary) -> Self {
        Self {
            tried: now(),
            outcome: Outcome::Taken,
            reasons: Vec::new(),
            warnings: Vec::new(),
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
        let today = TimeZone::UTC.to_datetime(Timestamp::now()).date();
        self.lists("feed", &old.feeds(), &new.feeds(), today);
        // What NVD and its like say of ids, whichever package they are in.
        self.lists("database", old.databases(), new.databases(), today);
    }

    fn lists(&mut self, kind: &str, old: &[Feed], new: &[Feed], today: Date) {
        let known: BTreeMap<&str, &Feed> = new.iter().map(|feed| (feed.name.as_str(), feed)).collect();
        for old in old {
            let new = known.get(old.name.as_str());
            self.records(kind, &old.name, old.records, new.map(|new| new.records));
            if let Some(new) = new {
                self.age(kind, old, new, today);
            }
        }
    }

    /// Who goes back in time lacks what was published since, however many records there are. A feed that has no day, in either,
    /// says nothing of that.
    fn age(&mut self, kind: &str, old: &Feed, new: &Feed, today: Date) {
        let (Some(was), Some(is)) = (old.believed_until(today), new.believed_until(today)) else { return };
        let days = u64::try_from(was.duration_since(is).as_hours() / 24).unwrap_or_default();
        if days > self.thresholds.older_days {
            self.hold(format!("{kind} {} knows until {is}, and did until {was}", old.name));
        }
    }

    /// Matches the images of the newest scans with both.
    pub fn images(&mut self, old: &Snapshot, new: &Snapshot, scans: &Scans) {
        let until = Instant::now() + Duration::from_millis(self.thresholds.time_ms);
        let mut moves = Moves::default();
        let mut failed = None;
        let images = &mut self.images;
        let seen = scans.newest_images(self.thresholds.scans, until, |image, inventory| {
            match pair(image, inventory, old, new) {
                Ok((old, new)) => moves.image(old, new, images),
                Err(error) => failed = Some(error.to_string()),
            }
            failed.is_none()
        });
        match seen {
            Ok(seen) => (self.images.incomplete, self.images.is_cut) = (seen.incomplete, seen.is_cut),
            Err(_) => self.hold("the stored scans cannot be read; the log has the particulars".to_owned()),
        }
        if let Some(why) = failed {
            self.hold(format!("images cannot be matched: {why}"));
        }
        self.warn();
        self.judge(moves.finish());
    }

    /// Says where the images were not all, or none. That alone holds nothing back: anybody may leave scans that are never completed,
    /// and who could keep a server on its old advisories by that would do more harm than a trial of feeds and sources alone.
    fn warn(&mut self) {
        let Images { matched, incomplete, is_cut, .. } = self.images;
        if matched == 0 {
            let why = if incomplete > 0 {
                format!(", for of {incomplete} that are stored not all is known")
            } else if is_cut {
                ", for the time was over".to_owned()
            } else {
                ", for none is stored".to_owned()
            };
            self.warnings.push(format!("no image was matched{why}: only feeds and sources were compared"));
        } else if is_cut {
            self.warnings
                .push(format!("the time was over after {matched} images: the others were not matched"));
        }
    }

    /// Holds what moved against the thresholds. More is asked of what goes than of what comes: a gate that opens lets pass what
    /// nobody looks at again, and one that closes is looked at.
    fn judge(&mut self, moved: Moved) {
        let Canary { moved_percent, moved_findings, whole_findings, opened_percent, opened_images, .. } =
            self.thresholds;
        let Images { matched, failed, opened, .. } = self.images;
        let all = moved.all.old;
        let (added, removed) = (moved.added(), moved.removed());
        let Moved { stricter, milder, .. } = moved;
        if over(added + stricter, all, moved_percent, moved_findings) {
            self.hold(format!(
                "findings of {matched} images: {added} came and {stricter} fail that did not, where {all} were known"
            ));
        }
        if over(removed + milder, all, moved_percent, moved_findings) {
            self.hold(format!(
                "findings of {matched} images: {removed} went and {milder} fail no more, of {all}"
            ));
        }
        for (ecosystem, count) in &moved.ecosystems {
            if count.new == 0 && count.old >= whole_findings {
                self.hold(format!("no finding of {ecosystem} is left, of {}", count.old));
            }
        }
        if moved.failing.new == 0 && moved.failing.old >= whole_findings {
            self.hold(format!("none of {} findings that fail does so any more", moved.failing.old));
        }
        if over(opened, failed, opened_percent, opened_images) {
            self.hold(format!("{opened} of {failed} images that fail do so no more"));
        }
        self.findings = moved;
    }
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
    use std::ops::Range;

    use jiff::civil::date;

    use super::*;
    use crate::moved::Change;

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
    fn a_feed_may_go_back_by_two_days() {
        let today = date(2026, 6, 15);
        let feed = |checked, as_of: &str| Feed {
            name: "npm".into(),
            records: 9,
            checked,
            as_of: as_of.into(),
            not_understood: 0,
        };
        let reasons = |old: &Feed, new: &Feed| {
            let mut report = Report::new(None, None, &Canary::default());
            report.lists("feed", std::slice::from_ref(old), std::slice::from_ref(new), today);
            assert_eq!(report.outcome == Outcome::Held, !report.reasons.is_empty());
            report.reasons.join("; ")
        };
        let checked = |day| feed(Some(date(2026, 6, day)), "2026-05-01T00:00:00Z");
        assert_eq!(reasons(&checked(10), &checked(8)), "");
        assert_eq!(
            reasons(&checked(10), &checked(7)),
            "feed npm knows until 2026-06-07, and did until 2026-06-10"
        );
        assert_eq!(reasons(&checked(7), &checked(10)), "");
        // Without a check, by its newest record.
        let newest = |as_of| feed(None, as_of);
        let may = newest("2026-05-01T00:00:00Z");
        assert_eq!(reasons(&checked(10), &may), "feed npm knows until 2026-05-01, and did until 2026-06-10");
        assert_eq!(reasons(&may, &newest("2026-04-29T23:59:59Z")), "");
        assert_eq!(
            reasons(&may, &newest("2026-04-28T23:59:59Z")),
            "feed npm knows until 2026-04-28, and did until 2026-05-01"
        );
        // No day, and one that will not come soon.
        for none in [newest(""), newest("9999-01-01T00:00:00Z"), feed(Some(date(2999, 1, 1)), "")] {
            assert_eq!(reasons(&checked(10), &none) + &reasons(&none, &may), "");
        }
    }

    fn finding(id: &str, ecosystem: &str, severity: &str, fixed_in: Option<&str>) -> Finding {
        serde_json::from_value(serde_json::json!({
            "id": id, "aliases": [], "severity": severity, "fixed_in": fixed_in, "status": "affected", "paths": [],
            "package": { "name": "a", "version": "1", "ecosystem": ecosystem, "purl": "pkg:npm/a@1" },
            "layer": { "index": 0, "diff_id": Digest::of(b"a"), "instruction": "", "base": false } }))
        .unwrap()
    }

    fn npm(severity: &str, fixed_in: Option<&str>, ids: Range<u64>) -> Vec<Finding> {
        ids.map(|id| finding(&format!("CVE-{id}"), "npm", severity, fixed_in)).collect()
    }

    /// A trial of so many images that all have the same findings.
    fn tried(images: usize, old: &[Finding], new: &[Finding]) -> Report {
        let (mut report, mut moves) = (Report::new(None, None, &Canary::default()), Moves::default());
        for _ in 0..images {
            moves.image(old.to_vec(), new.to_vec(), &mut report.images);
        }
        report.judge(moves.finish());
        report
    }

    #[test]
    fn one_advisory_for_what_all_images_have_is_one_that_came() {
        let report = tried(25, &[], &npm("critical", Some("2"), 0..1));
        assert_eq!((report.outcome, report.images.closed), (Outcome::Taken, 25), "{:?}", report.reasons);
        let named = &report.findings.named[0];
        assert_eq!((report.findings.added(), named.change, named.images), (1, Change::Came, 25));
        // A flood is one in one image, too.
        assert_eq!(tried(1, &[], &npm("low", None, 0..20)).outcome, Outcome::Taken);
        let flood = tried(1, &[], &npm("low", None, 0..21));
        assert_eq!(
            flood.reasons,
            ["findings of 1 images: 21 came and 0 fail that did not, where 0 were known"]
        );
        assert_eq!(tried(1, &npm("low", None, 0..84), &npm("low", None, 0..105)).outcome, Outcome::Taken);
        assert_eq!(tried(1, &npm("low", None, 0..80), &npm("low", None, 0..101)).outcome, Outcome::Held);
    }

    #[test]
    fn what_goes_is_held_back_by_number_and_where_all_of_a_kind_goes() {
        let held =
            |old: Range<u64>, new: Range<u64>| tried(3, &npm("low", None, old), &npm("low", None, new));
        assert_eq!(held(0..100, 0..75).outcome, Outcome::Taken);
        assert_eq!(held(0..100, 0..74).reasons, ["findings of 3 images: 26 went and 0 fail no more, of 100"]);
        assert_eq!(held(0..2, 0..0).outcome, Outcome::Taken, "two may be withdrawn");
        assert_eq!(held(0..3, 0..0).reasons, ["no finding of npm is left, of 3"]);
        let mut both = npm("low", None, 0..90);
        both.extend((0..3).map(|id| finding(&format!("CVE-{id}"), "deb", "low", None)));
        assert_eq!(tried(1, &both, &both[..90]).reasons, ["no finding of deb is left, of 3"]);
        assert_eq!(tried(1, &both, &both[..91]).outcome, Outcome::Taken);
    }

    #[test]
    fn a_finding_that_fails_no_more_is_as_good_as_gone() {
        let old = npm("critical", Some("2"), 0..40);
        for new in [npm("unknown", None, 0..40), npm("critical", None, 0..40), npm("low", Some("2"), 0..40)] {
            let report = tried(1, &old, &new);
            assert_eq!((report.outcome, report.images.opened), (Outcome::Held, 1));
            assert_eq!((report.findings.milder, report.findings.removed()), (40, 0));
            assert_eq!(report.reasons[0], "findings of 1 images: 0 went and 40 fail no more, of 40");
            assert_eq!(report.reasons[1], "none of 40 findings that fail does so any more");
        }
        // The other way round they come.
        let report = tried(1, &npm("unknown", None, 0..40), &old);
        assert_eq!((report.findings.stricter, report.images.closed), (40, 1));
        assert_eq!(
            report.reasons,
            ["findings of 1 images: 0 came and 40 fail that did not, where 40 were known"]
        );
    }

    #[test]
    fn gates_that_open_are_held_back_and_gates_that_close_are_not() {
        let (fails, passes) = (npm("high", Some("2"), 0..1), npm("medium", Some("2"), 0..1));
        assert_eq!(tried(5, &fails, &passes).outcome, Outcome::Taken);
        assert_eq!(tried(6, &fails, &passes).reasons, ["6 of 6 images that fail do so no more"]);
        assert_eq!(tried(60, &passes, &fails).outcome, Outcome::Taken);
    }

    #[test]
    fn a_trial_without_images_says_so() {
        let warned = |images: Images| {
            let mut report = Report { images, ..Report::new(None, None, &Canary::default()) };
            report.warn();
            assert_eq!(report.outcome, Outcome::Taken);
            report.warnings.join("; ")
        };
        assert!(warned(Images::default()).contains("none is stored"));
        let of = |matched, is_cut| Images { matched, is_cut, incomplete: 7, ..Images::default() };
        assert!(warned(of(0, false)).contains("of 7 that are stored not all is known"));
        assert!(warned(of(3, true)).contains("after 3 images"));
        assert_eq!(warned(of(3, false)), "");
    }
}
