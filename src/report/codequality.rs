//! Code Quality (GitLab): what every tier shows in a merge request's widget, and the highest one in its diff.
//!
//! The form is `doc/ci/testing/code_quality.md`, section "Code Quality report format", of gitlab-org/gitlab: one array,
//! of each entry just the fields that GitLab reads. GitLab tells entries apart by their fingerprint and shows what the
//! target branch's report does not have. It stops at the first entry that breaks the form.
//!
//! - Waived findings are left out: GitLab has no word for them and would show them as open.
//! - The form cannot say "did not look". So each [gap](super::gap) is an entry, a blocker where the gate could not be
//!   decided: an empty array means that everything was looked at and nothing found.

use std::{borrow::Cow, cell::Cell, io, iter};

use serde::Serialize;

use super::{
    Report,
    alert::{Alert, alerts},
    gap::{Gap, Weight, gaps},
    json::{Counted, List, pretty},
    publisher::Publisher,
    text::{cut, inert},
    words::count,
};
use crate::{digest::Digest, finding::Severity};

/// Most findings. GitLab names no limit; it checks entry by entry against a schema, and it takes no more than as many
/// results of SARIF.
const MAX_ALERTS: usize = 5_000;
/// Bytes after which no more of them are written: GitLab gives up a merge request's comparison above 20 MB, and one may hold two reports.
const MAX_BYTES: usize = 10_000_000;
/// Longest description, in characters.
const MAX_TEXT: usize = 1_024;
/// Longest path, in characters.
const MAX_PATH: usize = 1_024;
/// Longest name of a check, in characters.
const MAX_NAME: usize = 255;

/// Writes the report.
pub fn write(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    let image = report.image_name();
    let (gaps, alerts) = (gaps(report), alerts(&report.results, false));
    let (written, listed) = (Cell::new(0), Cell::new(0));
    let entries = || {
        let first = alerts.iter().take(MAX_ALERTS).take_while(|_| written.get() < MAX_BYTES);
        let first = first.inspect(|_| listed.set(listed.get() + 1));
        let cut = || (listed.get() < alerts.len()).then(|| of_cut(alerts.len(), listed.get(), image));
        let cut = iter::once_with(cut).flatten();
        gaps.iter().map(|gap| of_gap(gap, image)).chain(first.map(of_alert)).chain(cut)
    };
    pretty(&List(entries), 1, &mut Counted { out, bytes: &written })
}

fn of_alert<'a>(alert: &'a Alert<'_>) -> Entry<'a> {
    let id = &alert.group.first().1.finding.id;
    let page = Publisher::of(id).map(|publisher| [" (advisory: ", &publisher.page(id), ")"].concat());
    let page = page.unwrap_or_default();
    Entry {
        description: (inert(alert.message(&alert.group.fix()), MAX_TEXT - page.len()) + &*page).into_owned(),
        check_name: inert(&*alert.rule, MAX_NAME),
        fingerprint: alert.fingerprint(),
        severity: severity(alert.group.severity()),
        location: Location::new(&alert.place.file, alert.place.line),
    }
}

fn of_gap(gap: &Gap<'_>, image: &str) -> Entry<'static> {
    let severity = match gap.weight {
        Weight::Unlooked => "blocker",
        Weight::Doubtful => "major",
        Weight::Allowed => "info",
    };
    Entry {
        description: inert(format!("Stella: {}", gap.text), MAX_TEXT).into_owned(),
        check_name: inert(format!("stella-gap-{}", gap.name), MAX_NAME),
        fingerprint: fingerprint(&["gap", severity, gap.name, &gap.text, image]),
        severity,
        location: Location::new(image, 1),
    }
}

fn of_cut(found: usize, listed: usize, image: &str) -> Entry<'static> {
    let description =
        format!("Stella: {} were found; only the {listed} most severe are listed", count(found, "problem"));
    Entry {
        description,
        check_name: "stella-cut".into(),
        fingerprint: fingerprint(&["cut", image]),
        severity: "major",
        location: Location::new(image, 1),
    }
}

fn fingerprint(parts: &[&str]) -> String {
    Digest::of(parts.join("\0").as_bytes()).hex()
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "blocker",
        Severity::High => "critical",
        Severity::Medium => "major",
        Severity::Low => "minor",
        Severity::Negligible | Severity::Unknown => "info",
    }
}

#[derive(Serialize)]
struct Entry<'a> {
    description: String,
    check_name: Cow<'a, str>,
    /// Hexadecimal digits; no two entries have the same.
    fingerprint: String,
    severity: &'static str,
    location: Location,
}

#[derive(Serialize)]
struct Location {
    path: String,
    lines: Lines,
}

#[derive(Serialize)]
struct Lines {
    begin: usize,
}

impl Location {
    /// GitLab makes the path a part of an address: it stays in the repository, whatever it says.
    fn new(path: &str, line: usize) -> Self {
        let cut = cut(path, MAX_PATH);
        let parts = cut.split('/').filter(|part| !part.is_empty());
        let parts: Vec<&str> =
            parts.map(|part| if matches!(part, "." | "..") { "_" } else { part }).collect();
        let path = if parts.is_empty() { "image".to_owned() } else { parts.join("/") };
        Self { path, lines: Lines { begin: line } }
    }
}
