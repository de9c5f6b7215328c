//! SARIF 2.1.0, in the subset that GitHub code scanning and GitLab both read.
//!
//! Both platforms refuse or skip what is too long, so every text is cut
//! to their limits; both show an alert again for every suppressed result, so waived findings are left out.

mod log;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use log::{
    ArtifactLocation, AutomationDetails, Configuration, Descriptor, Driver, Fingerprints, Invocation,
    Location, Log, Notification, PhysicalLocation, Region, Rule, RuleProperties, Run, SarifResult,
    Suppression, Text, Tool,
};
use serde_json::Value;

use super::{
    ImageRef, Report, ScanResult,
    alert::{Alert, alerts},
    gap::{Weight, gaps},
    json,
    text::cut,
};
use crate::finding::Severity;

/// Most results that the platforms keep.
const MAX_RESULTS: usize = 5_000;
/// Most bytes of text in rules and results. Platforms refuse a file of more than 10 MB in gzip: texts that do not compress
/// stay as long as they are, and what stands around them compresses well.
const MAX_BYTES: usize = 8_000_000;
/// Longest message or description, in characters.
const MAX_TEXT: usize = 1_024;
/// Longest rule id or name, in characters.
const MAX_NAME: usize = 255;
/// Most notes of a run that are notifications each.
const MAX_NOTES: usize = 100;
/// Most tags of a rule.
const MAX_TAGS: usize = 10;

/// What a report holds beside what it always holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Findings that the policy ignores too, marked as suppressed. GitHub opens an alert for each, so this is for others.
    pub ignored: bool,
}

/// Writes the report: one run, in which findings of several platforms at one place are one result.
pub fn write(report: &Report, options: Options, out: &mut dyn io::Write) -> io::Result<()> {
    let alerts = alerts(&report.results, options.ignored);

    // Rules in the order of their first result; a rule's severity is that of its worst result, which comes first.
    let mut rules: Vec<Rule> = Vec::new();
    let mut positions: BTreeMap<&str, usize> = BTreeMap::new();
    let mut results = Vec::new();
    let mut bytes = 0;
    for alert in alerts.iter().take(MAX_RESULTS) {
        let known = positions.get(alert.rule.as_str()).copied();
        let rule = known.is_none().then(|| rule(alert));
        let result = result(alert, known.unwrap_or(rules.len()));
        bytes += rule.as_ref().map_or(0, Rule::bytes) + result.bytes();
        if bytes > MAX_BYTES {
            break;
        }
        if let Some(rule) = rule {
            positions.insert(&alert.rule, rules.len());
            rules.push(rule);
        }
        results.push(result);
    }

    let first = report.results.first();
    let engine = first.map_or(env!("CARGO_PKG_VERSION"), |result| result.engine.as_str());
    let category = first.map_or("unfinished".to_owned(), |result| category(&result.image));
    let log = Log {
        schema: "https://json.schemastore.org/sarif-2.1.0.json",
        version: "2.1.0",
        runs: [Run {
            tool: Tool { driver: Driver { name: "Stella", semantic_version: engine.to_owned(), rules } },
            automation_details: AutomationDetails { id: format!("stella/{category}/") },
            invocations: [invocation(report, alerts.len(), results.len())],
            column_kind: "utf16CodeUnits",
            properties: serde_json::json!({ "images": report.results.iter().map(image).collect::<Vec<_>>() }),
            results,
        }],
    };
    json::pretty(&log, 2, out)
}

/// What keeps the alerts of one image from those of another: a directory may be called like the image that is built from it.
/// Without a result it is nobody's, because an upload without results closes all alerts of its category.
fn category(image: &ImageRef) -> String {
    let kind = if image.is_directory() { "directory/" } else { "" };
    format!("{kind}{}", percent_encoded(&cut(image.name(), MAX_NAME)))
}

fn rule(alert: &Alert<'_>) -> Rule {
    let severity = alert.group.severity();
    let finding = &alert.group.first().1.finding;
    let name = format!("{} in {}", finding.id, finding.package.name);
    let summary =
        if finding.summary.trim().is_empty() { "No description is known." } else { &finding.summary };
    let mut tags = vec!["security".to_owned(), severity.as_str().to_owned()];
    let names = std::iter::once(&finding.id).chain(&finding.aliases);
    tags.extend(names.filter_map(|name| cve(name)).collect::<BTreeSet<_>>());
    tags.truncate(MAX_TAGS);
    Rule {
        id: alert.rule.clone(),
        name: cut(&name, MAX_NAME),
        short_description: Text::new(&name),
        full_description: Text::new(summary),
        help: Text::new(&alert.group.fix()),
        default_configuration: Configuration { level: level(severity) },
        properties: RuleProperties {
            security_severity: security_severity(severity),
            precision: "high",
            tags,
        },
    }
}

fn result(alert: &Alert<'_>, rule_index: usize) -> SarifResult {
    SarifResult {
        rule_id: alert.rule.clone(),
        rule_index,
        level: level(alert.group.severity()),
        message: Text::new(&alert.message()),
        locations: [Location {
            physical_location: PhysicalLocation {
                artifact_location: ArtifactLocation { uri: percent_encoded(&alert.place.file) },
                region: Region {
                    start_line: alert.place.line,
                    start_column: 1,
                    end_line: alert.place.line,
                    end_column: 1,
                },
            },
        }],
        partial_fingerprints: Fingerprints {
            finding: alert.fingerprint(),
            line: alert.place.line_hash.map(str::to_owned),
        },
        suppressions: alert.group.is_ignored().then(|| suppression(alert)).into_iter().collect(),
    }
}

fn suppression(alert: &Alert<'_>) -> Suppression {
    let rules: BTreeSet<&str> =
        alert.group.iter().filter_map(|(_, judged)| judged.decision.rule.as_deref()).collect();
    let rules = rules.into_iter().collect::<Vec<_>>().join(", ");
    Suppression {
        kind: "external",
        status: "accepted",
        justification: cut(&format!("ignored by the policy's rule {rules}"), MAX_TEXT),
    }
}

/// `cve-yyyy-n`, the form of tag by which GitLab tells what a finding is.
fn cve(name: &str) -> Option<String> {
    let name = name.to_ascii_lowercase();
    let (year, number) = name.strip_prefix("cve-")?.split_once('-')?;
    let digits =
        |text: &str| !text.is_empty() && text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_digit());
    (year.len() == 4 && digits(year) && digits(number)).then_some(name)
}

fn invocation(report: &Report, found: usize, listed: usize) -> Invocation {
    let mut notifications = Vec::new();
    if found > listed {
        let text = format!("{found} results were found; the {listed} most severe are listed");
        notifications.push(notification("results-cut", "warning", &text));
    }
    let gaps = gaps(report);
    for gap in &gaps {
        let level = match gap.weight {
            Weight::Allowed => "note",
            Weight::Doubtful => "warning",
            Weight::Unlooked => "error",
        };
        notifications.push(notification(gap.name, level, &gap.text));
    }
    let notes = &report.run.notes;
    notifications.extend(notes.iter().take(MAX_NOTES).map(|note| notification("note", "note", note)));
    if notes.len() > MAX_NOTES {
        let text = format!("{} more notes", notes.len() - MAX_NOTES);
        notifications.push(notification("note", "note", &text));
    }
    Invocation {
        execution_successful: gaps.iter().all(|gap| gap.weight < Weight::Unlooked),
        tool_execution_notifications: notifications,
    }
}

fn notification(id: &str, level: &'static str, text: &str) -> Notification {
    Notification { descriptor: Descriptor { id: cut(id, MAX_NAME) }, level, message: Text::new(text) }
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
    let segments = path.split('/').filter(|segment| !segment.is_empty()).map(|segment| {
        if segment == "." || segment == ".." {
            return "%2E".repeat(segment.len());
        }
        segment.bytes().fold(String::with_capacity(segment.len()), |mut out, byte| {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'+' | b'@' => {
                    out.push(char::from(byte));
                }
                _ => out.push_str(&format!("%{byte:02X}")),
            }
            out
        })
    });
    let uri = segments.collect::<Vec<_>>().join("/");
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
