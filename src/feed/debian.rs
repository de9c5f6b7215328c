//! Debian's security tracker: where each release stands with each vulnerability of each source package.
//!
//! Published as one document (security-tracker.debian.org/tracker/data/json), which the tracker's `tracker_service.py`
//! makes; the form has no schema and no version.
//!
//! ```json
//! {"openssl": {"CVE-2023-5678": {"description": "...", "debianbug": 1055473, "scope": "remote", "releases": {
//!    "bookworm": {"status": "resolved", "repositories": {"bookworm": "3.0.13-1~deb12u1"},
//!                 "fixed_version": "3.0.13-1~deb12u1", "urgency": "not yet assigned"},
//!    "bullseye": {"status": "open", "repositories": {"bullseye": "1.1.1w-0+deb11u1"}, "urgency": "low",
//!                 "nodsa": "Minor issue", "nodsa_reason": "postponed"}}}}}
//! ```
//!
//! `repositories` are the versions that a release has now: nothing here depends on them. There is no date.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{
    Source, json,
    sink::{Claim, Package, Sink, summary_line},
    walk::Document,
};
use crate::{
    advisory::{End, Range, State},
    finding::Severity,
    package::OsRelease,
};

pub(super) struct Debian;

/// The release that is never made: no image names it, for its files say what testing's do.
const NEVER_RELEASED: &str = "sid";

impl Source for Debian {
    fn name(&self) -> &'static str {
        "debian-tracker"
    }

    fn knows(&self, document: &Document) -> bool {
        document.is_named(".json")
            && document.mentions("\"releases\"")
            && document.mentions("\"repositories\"")
    }

    fn read(&self, document: &Document, sink: &mut Sink<'_>) {
        let Document { name, bytes, .. } = document;
        let mut never_released = 0u64;
        let read = json::members(bytes, &mut |package, issues| {
            let read = json::members(issues.get().as_bytes(), &mut |id, issue| {
                let place = || format!("{name}, {id} of {package}");
                if let Some(issue) = sink.json::<Issue>(&place, issue.get().as_bytes()) {
                    never_released += u64::from(issue.releases.contains_key(NEVER_RELEASED));
                    take(&package, &id, issue, sink);
                }
                !sink.over()
            });
            if let Err(error) = read
                && !sink.over()
            {
                sink.count();
                sink.skip(format!("{name}, {package}"), "malformed", &error.to_string());
            }
            !sink.over()
        });
        if let Err(error) = read
            && !sink.over()
        {
            sink.broken(name.clone(), &error.to_string());
        }
        if never_released > 0 {
            // Nearly every record has it, so it is told once.
            let records = format!("in {never_released} of the records");
            sink.skip(format!("{name}, {NEVER_RELEASED}"), "a release that no image is of", &records);
        }
    }
}

/// One vulnerability of one package.
#[derive(Deserialize)]
struct Issue {
    description: Option<String>,
    /// By codename.
    releases: BTreeMap<String, Release>,
}

#[derive(Deserialize)]
struct Release {
    /// `open`, `resolved`, `undetermined`.
    status: String,
    /// Where it is resolved; `0` means that no version was ever affected.
    fixed_version: Option<String>,
    /// `not yet assigned`, `unimportant`, `low`, `medium`, `high`, `end-of-life`; with `**` where it was taken over from
    /// NVD.
    urgency: Option<String>,
    /// That there is no advisory of its own for it, in words.
    nodsa: Option<String>,
    /// More of that: empty, `ignored`, `postponed`.
    nodsa_reason: Option<String>,
}

/// A vulnerability has several packages, and each is a record of its own: its scope is the package.
fn take(package: &str, id: &str, issue: Issue, sink: &mut Sink<'_>) {
    let Issue { description, releases } = issue;
    let mut packages = Vec::new();
    let mut not_understood = BTreeSet::new();
    for (codename, release) in releases.iter().filter(|(codename, _)| *codename != NEVER_RELEASED) {
        // As images of a release are named whose number is not known here.
        let number = OsRelease::version_of("debian", codename).unwrap_or(codename);
        let ecosystem = format!("Debian:{number}");
        match release.standing() {
            Ok((state, ranges)) => packages.push(Package {
                ecosystem,
                name: package.to_owned(),
                severity: release.severity(),
                state,
                ranges,
                versions: Vec::new(),
            }),
            Err(why) => {
                sink.skip(format!("{id} of {package}"), "not understood", &format!("{why}, for {ecosystem}"));
                not_understood.insert(ecosystem);
            }
        }
    }
    if !not_understood.is_empty() {
        sink.not_understood();
    }
    if !packages.is_empty() {
        sink.kept();
    }
    let claim = Claim {
        database: "debian-tracker",
        id: id.to_owned(),
        summary: summary_line(description.as_deref().unwrap_or_default()),
        names: vec![Vec::new()],
        packages,
        not_understood,
        ..Claim::default()
    };
    sink.claim(package, claim);
}

impl Release {
    fn urgency(&self) -> &str {
        self.urgency.as_deref().unwrap_or_default().trim_end_matches('*')
    }

    fn severity(&self) -> Severity {
        match self.urgency() {
            "high" => Severity::High,
            "medium" => Severity::Medium,
            "low" => Severity::Low,
            "unimportant" => Severity::Negligible,
            _ => Severity::Unknown,
        }
    }

    /// Where Debian stands with it, and which versions are affected.
    fn standing(&self) -> Result<(State, Vec<Range>), String> {
        let affected = |end| vec![Range { introduced: None, end }];
        match (self.status.as_str(), self.fixed_version.as_deref()) {
            ("resolved", Some("0")) => Ok((State::NotAffected, Vec::new())),
            ("resolved", Some(fix)) if !fix.is_empty() => {
                Ok((State::Affected, affected(End::Fixed(fix.to_owned()))))
            }
            ("resolved", _) => Err("resolved without a version".to_owned()),
            ("open", _) => Ok((self.open(), affected(End::Open))),
            ("undetermined", _) => Ok((State::Undetermined, affected(End::Open))),
            (other, _) => Err(format!("an unknown status {other:?}")),
        }
    }

    /// What will become of it where it is open.
    fn open(&self) -> State {
        match (self.urgency(), &self.nodsa, self.nodsa_reason.as_deref()) {
            ("end-of-life", ..) => State::EndOfLife,
            (_, _, Some("ignored")) => State::Ignored,
            (_, _, Some("postponed")) => State::Postponed,
            (_, None, None) => State::Affected,
            _ => State::NoDsa,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        advisory::{Advisory, Compiler, End, Snapshot, State},
        feed::{Outcome, import::import_document},
        finding::Severity,
    };

    fn read(text: &str) -> (Outcome, Snapshot) {
        let mut compiler = Compiler::default();
        let outcome = import_document("tracker.json", text.as_bytes(), &mut compiler);
        (outcome, Snapshot::from_bytes(compiler.to_bytes().unwrap()).unwrap())
    }

    /// The only advisory for a package.
    fn only(snapshot: &Snapshot, ecosystem: &str, package: &str) -> Advisory {
        let mut found = snapshot.lookup(ecosystem, package).unwrap();
        assert_eq!(found.len(), 1, "{ecosystem} {package}");
        found.remove(0)
    }

    #[test]
    fn where_releases_stand() {
        let (outcome, snapshot) = read(
            r#"{"a":{"CVE-2024-1":{"description":"First  line\nof words.","debianbug":1000001,"scope":"remote","releases":{
                "bookworm":{"status":"resolved","repositories":{"bookworm":"1.2-3","bookworm-security":"1.2-3"},
                  "fixed_version":"1.2-3","urgency":"low"},
                "bullseye":{"status":"open","repositories":{"bullseye":"1.1-1"},"urgency":"medium**",
                  "nodsa":"Minor issue","nodsa_reason":""},
                "buster":{"status":"open","repositories":{"buster":"1.0-1"},"urgency":"end-of-life","nodsa":"EOL",
                  "nodsa_reason":"ignored"},
                "forky":{"status":"undetermined","repositories":{"forky":"1.3-1"},"urgency":"not yet assigned"},
                "sid":{"status":"resolved","repositories":{"sid":"1.3-1"},"fixed_version":"1.3-1","urgency":"low"},
                "trixie":{"status":"resolved","repositories":{"trixie":"1.3-1"},"fixed_version":"0","urgency":"unimportant"},
                "unheard":{"status":"open","repositories":{"unheard":"1.3-1"},"urgency":"high"}}}},
              "b":{"CVE-2024-1":{"releases":{
                "bookworm":{"status":"open","repositories":{"bookworm":"2-1"},"urgency":"unimportant",
                  "nodsa":"Too intrusive","nodsa_reason":"ignored"},
                "bullseye":{"status":"open","repositories":{},"nodsa":"Next point release","nodsa_reason":"postponed"}}}},
              "c":{"TEMP-0000000-0CA7E3":{"releases":{"bookworm":{"status":"open","repositories":{"bookworm":"1"}}}}}}"#,
        );
        assert_eq!((outcome.read, outcome.kept, outcome.skipped, outcome.not_understood), (3, 3, 1, 0));
        let sid = *outcome.named().first().unwrap();
        assert_eq!(
            (sid.what.as_str(), sid.why.as_str()),
            ("tracker.json, sid", "a release that no image is of: in 1 of the records")
        );
        let fixed = |version: &str| Some(End::Fixed(version.into()));
        for (ecosystem, package, state, severity, end) in [
            ("Debian:12", "a", State::Affected, Severity::Low, fixed("1.2-3")),
            ("Debian:11", "a", State::NoDsa, Severity::Medium, Some(End::Open)),
            ("Debian:10", "a", State::EndOfLife, Severity::Unknown, Some(End::Open)),
            ("Debian:14", "a", State::Undetermined, Severity::Unknown, Some(End::Open)),
            ("Debian:13", "a", State::NotAffected, Severity::Negligible, None),
            ("Debian:unheard", "a", State::Affected, Severity::High, Some(End::Open)),
            ("Debian:12", "b", State::Ignored, Severity::Negligible, Some(End::Open)),
            ("Debian:11", "b", State::Postponed, Severity::Unknown, Some(End::Open)),
            ("Debian:12", "c", State::Affected, Severity::Unknown, Some(End::Open)),
        ] {
            let Advisory { state: found, severity: rated, ranges, source, .. } =
                only(&snapshot, ecosystem, package);
            assert_eq!(
                (found, rated, source.as_str()),
                (state, severity, "debian-tracker"),
                "{ecosystem} {package}"
            );
            assert_eq!(ranges.first().map(|range| range.end.clone()), end, "{ecosystem} {package}");
            assert!(ranges.iter().all(|range| range.introduced.is_none()));
        }
        let first = only(&snapshot, "Debian:12", "a");
        assert_eq!((first.id.as_str(), first.summary.as_str()), ("CVE-2024-1", "First line of words."));
        assert_eq!(only(&snapshot, "Debian:12", "c").id, "TEMP-0000000-0CA7E3");
    }

    #[test]
    fn what_is_wrong_costs_itself() {
        let (outcome, snapshot) = read(
            r#"{"a":{"CVE-1":{"releases":{"bookworm":{"status":"mended","repositories":{}},
                "bullseye":{"status":"resolved"},"trixie":{"status":"open"}}},
               "CVE-2":{"releases":[]},"CVE-3":7,"CVE-4":{},"CVE-5":{"releases":{"bookworm":{"status":null}}},
               "CVE-6":{"releases":{"bookworm":{"status":"open"}}}},
              "b":[], "c":{"CVE-7":{"releases":{"bookworm":{"status":"open"}}}}, "d""#,
        );
        assert_eq!((outcome.read, outcome.kept, outcome.skipped, outcome.not_understood), (9, 3, 8, 1));
        let named: Vec<_> = outcome.named().into_iter().map(|skipped| skipped.what.as_str()).collect();
        assert_eq!(
            named,
            [
                "CVE-1 of a",
                "CVE-1 of a",
                "tracker.json",
                "tracker.json, CVE-2 of a",
                "tracker.json, CVE-3 of a",
                "tracker.json, CVE-4 of a",
                "tracker.json, CVE-5 of a",
                "tracker.json, b",
            ]
        );
        assert_eq!(only(&snapshot, "Debian:13", "a").id, "CVE-1");
        assert_eq!(only(&snapshot, "Debian:12", "a").id, "CVE-6");
        assert_eq!(only(&snapshot, "Debian:12", "c").id, "CVE-7");
        let not_understood: Vec<_> =
            snapshot.feeds().into_iter().map(|feed| (feed.name, feed.not_understood)).collect();
        assert_eq!(
            not_understood,
            [("Debian:11".into(), 1), ("Debian:12".into(), 1), ("Debian:13".into(), 0)]
        );
    }
}
