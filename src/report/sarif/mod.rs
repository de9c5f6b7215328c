//! SARIF 2.1.0, in the subset that GitHub code scanning and GitLab both read.
//!
//! Both platforms refuse or skip what is too long, so every text is cut
//! to their limits; both show an alert again for every suppressed result, so waived findings are left out.

mod log;

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    collections::HashMap,
    io,
};

use log::{
    ArtifactLocation, AutomationDetails, Configuration, Descriptor, Driver, Fingerprints, Help, Invocation,
    Location, Log, Notification, PhysicalLocation, Region, Rule, RuleProperties, Run, SarifResult,
    Suppression, Text, Tool,
};
use serde_json::{Value, value::RawValue};

use super::{
    Report, ScanResult,
    alert::{Alert, alerts},
    gap::{Weight, gaps},
    json::{Counted, Later, List, line, pretty},
    markdown::parts::{id, prose},
    publisher::Publisher,
    text::cut,
    words::count,
};
use crate::finding::Severity;

/// Most results that the platforms keep.
const MAX_RESULTS: usize = 5_000;
/// Most bytes of a file: GitLab takes 10 MB, GitHub as much in gzip.
const MAX_BYTES: usize = 10_000_000;
/// More than a result takes with its rule, and what a buffer holds back.
const MARGIN_BYTES: usize = 100_000;
/// What stands between two rules.
const INDENTATION_BYTES: usize = 16;
/// Longest message or description, in characters.
const MAX_TEXT: usize = 1_024;
/// Longest path, in characters, before it is encoded.
const MAX_PATH: usize = 1_024;
/// Longest rule id or name, in characters.
const MAX_NAME: usize = 255;
/// Most notes of a run that are notifications each.
const MAX_NOTES: usize = 100;
/// Most tags of a rule.
const MAX_TAGS: usize = 10;
/// Most images that are named; the others are counted.
const MAX_IMAGES: usize = 100;

/// What a report holds beside what it always holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Findings that the policy ignores too, marked as suppressed. GitHub opens an alert for each, so this is for others.
    pub ignored: bool,
}

/// Writes the report: one run, in which findings of several platforms at one place are one result.
pub fn write(report: &Report, options: Options, out: &mut dyn io::Write) -> io::Result<()> {
    let alerts = alerts(&report.results, options.ignored);
    // What is written behind the results has its room.
    let room = MAX_BYTES - MARGIN_BYTES;
    let room = room.saturating_sub(line(&invocation(report, alerts.len(), 0)).get().len());
    let (written, listed) = (Cell::new(0), Cell::new(0));
    let rules = RefCell::new(Rules::default());
    let results = || {
        let first = alerts.iter().take(MAX_RESULTS);
        let first = first.take_while(|_| written.get() + rules.borrow().bytes < room);
        first.inspect(|_| listed.set(listed.get() + 1)).map(|alert| {
            let fix = alert.group.fix();
            let message = Text::new(alert.message(&fix));
            result(alert, rules.borrow_mut().index(alert, &fix), message)
        })
    };
    let first = report.results.first();
    let engine = first.map_or(env!("CARGO_PKG_VERSION"), |result| result.engine.as_str());
    let category = category(report);
    let driver =
        || Driver { name: "Stella", semantic_version: cut(engine, MAX_NAME), rules: rules.take().list };
    let log = Log {
        schema: "https://json.schemastore.org/sarif-2.1.0.json",
        version: "2.1.0",
        runs: [Run {
            automation_details: AutomationDetails { id: format!("stella/{category}/") },
            column_kind: "utf16CodeUnits",
            properties: images(&report.results),
            results: List(results),
            tool: Later(|| Tool { driver: driver() }),
            invocations: [Later(|| invocation(report, alerts.len(), listed.get()))],
        }],
    };
    pretty(&log, 2, &mut Counted { out, bytes: &written })
}

/// The rules of the results that were written, in the order of their first one, which is the worst: a rule's severity is that of
/// it.
#[derive(Default)]
struct Rules<'a> {
    list: Vec<Box<RawValue>>,
    indexes: HashMap<&'a str, usize>,
    /// What they will take.
    bytes: usize,
}

impl<'a> Rules<'a> {
    /// Where the rule of a result is in the list. A new one says what to do about the result.
    fn index(&mut self, alert: &'a Alert<'_>, fix: &str) -> usize {
        let next = self.list.len();
        let index = *self.indexes.entry(&alert.rule).or_insert(next);
        if index == next {
            let rule = rule(alert, fix);
            self.bytes += INDENTATION_BYTES + rule.get().len();
            self.list.push(rule);
        }
        index
    }
}

/// What keeps the alerts of one image from those of another: a directory may be called like the image that is built from it.
/// Without a result it is another one, because an upload without results closes all alerts of its category.
fn category(report: &Report) -> String {
    let kind = match report.results.first() {
        None => "unfinished/",
        Some(result) if result.image.is_directory() => "directory/",
        Some(_) => "",
    };
    format!("{kind}{}", percent_encoded(&cut(report.image_name(), MAX_NAME)))
}

fn rule(alert: &Alert<'_>, fix: &str) -> Box<RawValue> {
    let severity = alert.group.severity();
    let finding = &alert.group.first().1.finding;
    let name = [&finding.id, " in ", &finding.package.name].concat();
    let summary =
        if finding.summary.trim().is_empty() { "No description is known." } else { &finding.summary };
    let mut tags = vec![Cow::Borrowed("security"), severity.as_str().into()];
    let names = std::iter::once(&finding.id).chain(&finding.aliases);
    let mut names: Vec<String> = names.filter_map(|name| cve(name)).collect();
    names.sort_unstable();
    names.dedup();
    tags.extend(names.into_iter().map(Cow::Owned));
    tags.truncate(MAX_TAGS);
    line(&Rule {
        id: &alert.rule,
        short_description: Text::new(&name),
        name: cut(&name, MAX_NAME),
        full_description: Text::new(summary),
        help_uri: Publisher::of(&finding.id).map(|publisher| publisher.page(&finding.id)),
        help: Help {
            markdown: [&prose(fix), "\n\nAdvisory: ", &id(&finding.id)].concat(),
            text: Text::new(fix).text,
        },
        default_configuration: Configuration { level: level(severity) },
        properties: RuleProperties {
            security_severity: security_severity(severity),
            precision: if alert.group.is_sure() { "high" } else { "low" },
            tags,
        },
    })
}

fn result<'a>(alert: &'a Alert<'_>, rule_index: usize, message: Text<'a>) -> SarifResult<'a> {
    let file = &*alert.place.file;
    let uri =
        if file.len() > MAX_PATH { percent_encoded(&cut(file, MAX_PATH)) } else { percent_encoded(file) };
    SarifResult {
        rule_id: &alert.rule,
        rule_index,
        level: level(alert.group.severity()),
        message,
        locations: [Location {
            physical_location: PhysicalLocation {
                artifact_location: ArtifactLocation { uri },
                region: Region {
                    start_line: alert.place.line,
                    start_column: 1,
                    end_line: alert.place.line,
                    end_column: 1,
                },
            },
        }],
        partial_fingerprints: Fingerprints { finding: alert.fingerprint(), line: alert.place.line_hash },
        suppressions: alert.group.is_ignored().then(|| suppression(alert)).into_iter().collect(),
    }
}

fn suppression(alert: &Alert<'_>) -> Suppression<'static> {
    let decision = alert.group.decision().unwrap_or_default();
    Suppression { kind: "external", status: "accepted", justification: cut(decision, MAX_TEXT) }
}

/// `cve-yyyy-n`, the form of tag by which GitLab tells what a finding is.
fn cve(name: &str) -> Option<String> {
    // Most other names need no copy to be told.
    if !name.starts_with(['c', 'C']) {
        return None;
    }
    let name = name.to_ascii_lowercase();
    let (year, number) = name.strip_prefix("cve-")?.split_once('-')?;
    let digits =
        |text: &str| !text.is_empty() && text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_digit());
    (year.len() == 4 && digits(year) && digits(number)).then_some(name)
}

fn invocation(report: &Report, found: usize, listed: usize) -> Invocation<'_> {
    let mut notifications = Vec::new();
    if found > listed {
        let text = format!("{found} results were found; the {listed} most severe are listed");
        notifications.push(notification("results-cut", "warning", text));
    }
    let gaps = gaps(report);
    let execution_successful = gaps.iter().all(|gap| gap.weight < Weight::Unlooked);
    for gap in gaps {
        let level = match gap.weight {
            Weight::Allowed => "note",
            Weight::Doubtful => "warning",
            Weight::Unlooked => "error",
        };
        notifications.push(notification(gap.name, level, gap.text));
    }
    let notes = &report.run.notes;
    notifications.extend(notes.iter().take(MAX_NOTES).map(|note| notification("note", "note", note)));
    if notes.len() > MAX_NOTES {
        let text = count(notes.len() - MAX_NOTES, "more note");
        notifications.push(notification("note", "note", text));
    }
    Invocation { execution_successful, tool_execution_notifications: notifications }
}

fn notification<'a>(id: &'a str, level: &'static str, text: impl Into<Cow<'a, str>>) -> Notification<'a> {
    Notification { descriptor: Descriptor { id: cut(id, MAX_NAME) }, level, message: Text::new(text) }
}

fn images(results: &[ScanResult]) -> Value {
    let named = results.iter().take(MAX_IMAGES).map(image).collect::<Vec<_>>();
    match results.len().saturating_sub(MAX_IMAGES) {
        0 => serde_json::json!({ "images": named }),
        more => serde_json::json!({ "images": named, "moreImages": more }),
    }
}

fn image(result: &ScanResult) -> Value {
    let image = &result.image;
    serde_json::json!({
        "reference": cut(&image.reference, MAX_TEXT),
        "digest": image.digest,
        "platform": cut(&image.platform, MAX_NAME),
        "snapshot": result.snapshot.id,
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Negligible | Severity::Unknown => "note",
    }
}

/// GitHub reads a number in a string; above 9.0 is critical, from 7.0 high, from 4.0 medium.
fn security_severity(severity: Severity) -> Option<&'static str> {
    match severity {
        Severity::Critical => Some("9.5"),
        Severity::High => Some("8.0"),
        Severity::Medium => Some("5.5"),
        Severity::Low => Some("2.0"),
        Severity::Negligible | Severity::Unknown => None,
    }
}

/// A relative path as a URI reference (RFC 3986): everything but unreserved characters and slashes is encoded, so that a
/// path can neither be a scheme nor climb, and no dot segments are left.
fn percent_encoded(path: &str) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    let mut uri = String::with_capacity(path.len() + path.len() / 8);
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        if !uri.is_empty() {
            uri.push('/');
        }
        let is_dots = matches!(segment, "." | "..");
        for byte in segment.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' | b'+' | b'@' => {
                    uri.push(char::from(byte));
                }
                b'.' if !is_dots => uri.push('.'),
                _ => uri.extend(['%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]),
            }
        }
    }
    if uri.is_empty() { "image".to_owned() } else { uri }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_relative_and_encoded() {
        for (path, uri) in [
            ("team/app/var/lib/dpkg/status", "team/app/var/lib/dpkg/status"),
            ("/a//b c/é", "a/b%20c/%C3%A9"),
            ("../../etc/passwd", "%2E%2E/%2E%2E/etc/passwd"),
            ("https://evil/x", "https%3A/evil/x"),
            ("", "image"),
        ] {
            assert_eq!(percent_encoded(path), uri);
        }
    }

    #[test]
    fn only_real_cve_names_become_tags() {
        assert_eq!(cve("CVE-2024-0001"), Some("cve-2024-0001".into()));
        for name in ["GHSA-a-b", "CVE-24-1", "CVE-2024-", "CVE-2024-1x"] {
            assert_eq!(cve(name), None, "{name}");
        }
    }
}
