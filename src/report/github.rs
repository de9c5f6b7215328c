//! Annotations of GitHub Actions: workflow commands, printed to the log
//! (<https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands>).
//!
//! The runner keeps ten annotations of a type per step and drops the others in silence (actions/runner,
//! `ExecutionContext.cs`). So there is one per place, not per finding: it lists what a line of the checkout, or else a
//! layer, brings, worst first. What is too much for ten is told in the tenth.
//!
//! | type | says |
//! | --- | --- |
//! | error | why the gate failed or is unfinished; findings that fail |
//! | warning | that the gate passed without a full look; findings that warn |
//! | notice | that the gate passed |

use std::{borrow::Cow, cmp::Reverse, collections::BTreeMap, io};

use super::{
    Judged, Report, ScanResult,
    fix::fix,
    place::places,
    text::cut,
    words::{self, action, by_severity, count, looked},
};
use crate::{
    digest::Digest,
    policy::{Action, Outcome},
};

/// Annotations of one type that the runner keeps of a step.
const MAX_ANNOTATIONS: usize = 10;
/// Longest message, in UTF-16 units: the runner cuts at 4,096.
const MAX_MESSAGE: usize = 4_000;
/// Longest line of a message, in characters.
const MAX_LINE: usize = 500;
/// Longest title, in characters.
const MAX_TITLE: usize = 200;

/// Writes the report: commands, one per line, and nothing else.
pub fn write(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    let (level, title, message) = verdict(report);
    for (kind, wanted) in [("error", Some(Action::Fail)), ("warning", Some(Action::Warn)), ("notice", None)] {
        let mut room = MAX_ANNOTATIONS;
        if kind == level {
            command(kind, None, title, &message, out)?;
            room -= 1;
        }
        let groups = wanted.map(|wanted| groups(&report.results, wanted)).unwrap_or_default();
        let shown = if groups.len() > room { room - 1 } else { groups.len() };
        for group in &groups[..shown] {
            group.write(kind, out)?;
        }
        rest(kind, &groups[shown..], out)?;
    }
    Ok(())
}

/// Type, title and message of the annotation that stands for the whole gate.
fn verdict(report: &Report) -> (&'static str, &'static str, String) {
    let results = &report.results;
    let (kind, title) = match results.iter().map(|result| result.verdict.outcome).max() {
        None => ("error", "the gate is unfinished"),
        Some(Outcome::Fail) => ("error", "the gate failed"),
        Some(Outcome::Unfinished) => ("error", "the gate is unfinished: not everything was looked at"),
        Some(_) if !results.iter().all(looked) => ("warning", "the gate passed without a full look"),
        Some(_) => ("notice", "the gate passed"),
    };
    let mut lines: Vec<String> = report.why_stopped().map(str::to_owned).into_iter().collect();
    for result in results {
        let platform = if results.len() > 1 { format!("{}: ", result.image.platform) } else { String::new() };
        lines.push(format!("{platform}{}", words::verdict(result)));
        if result.snapshot.demo {
            lines.push("DEMO SNAPSHOT: a few old advisories to try Stella out; this is no check".to_owned());
        }
        let reasons = result.verdict.reasons.iter().filter(|reason| reason.action != Action::Ignore);
        lines.extend(reasons.map(|reason| {
            format!("{} by rule {}: {}", action(Some(reason.action)), reason.rule, reason.message)
        }));
        lines.extend(result.looked_at.skipped.iter().map(|skipped| {
            let allowed = if result.verdict.allows(skipped) { " (allowed)" } else { "" };
            format!("not looked at{allowed}: {}: {}: {}", skipped.name, skipped.what, skipped.why)
        }));
    }
    lines.extend(report.run.notes.iter().map(|note| format!("note: {note}")));
    (kind, title, message(&lines, "line", Clone::clone))
}

/// What one annotation is about; ordered as they stand where they are equally bad.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Spot<'a> {
    /// A line of a file of the checkout.
    Line(Cow<'a, str>, usize),
    /// A layer that no file is known to have made.
    Layer(usize, &'a Digest),
}

/// The findings of one place, worst first, each once however many platforms have it; never empty.
struct Group<'a> {
    spot: Spot<'a>,
    findings: Vec<(&'a ScanResult, &'a Judged)>,
}

/// The groups of all findings with which the policy does the same, worst first.
fn groups(results: &[ScanResult], wanted: Action) -> Vec<Group<'_>> {
    let mut groups: BTreeMap<Spot<'_>, Vec<(&ScanResult, &Judged)>> = BTreeMap::new();
    for result in results {
        for judged in result.findings.iter().filter(|judged| judged.decision.action == Some(wanted)) {
            for place in places(result, judged) {
                let spot = if place.is_in_checkout() {
                    Spot::Line(place.file, place.line)
                } else {
                    Spot::Layer(judged.finding.layer.index, &judged.finding.layer.diff_id)
                };
                groups.entry(spot).or_default().push((result, judged));
            }
        }
    }
    let mut groups: Vec<Group<'_>> = groups
        .into_iter()
        .map(|(spot, mut findings)| {
            findings.sort_by_key(|&(_, judged)| {
                let finding = &judged.finding;
                (Reverse(finding.severity), &finding.id, &finding.package.name, &finding.package.version)
            });
            findings.dedup_by(|(_, a), (_, b)| {
                a.finding.id == b.finding.id && a.finding.package == b.finding.package
            });
            Group { spot, findings }
        })
        .collect();
    groups.sort_by_key(|group| group.findings.first().map(|(_, judged)| Reverse(judged.finding.severity)));
    groups
}

impl Group<'_> {
    fn severities(&self) -> String {
        by_severity(self.findings.iter().map(|(_, judged)| judged.finding.severity))
    }

    fn write(&self, kind: &str, out: &mut dyn io::Write) -> io::Result<()> {
        let title = format!("{} ({})", count(self.findings.len(), "finding"), self.severities());
        let text = message(&self.findings, "finding", |(result, judged)| {
            let (finding, package) = (&judged.finding, &judged.finding.package);
            let severity = words::severity(finding);
            format!(
                "{} ({severity}) in {} {}. {}",
                finding.id,
                package.name,
                package.version,
                fix(result, judged)
            )
        });
        match &self.spot {
            Spot::Line(file, line) => command(kind, Some((file, *line)), &title, &text, out),
            Spot::Layer(index, _) => {
                let made = self.findings.first().map_or("", |(_, judged)| &judged.finding.layer.instruction);
                command(kind, None, &format!("{title} in layer {index}: {made}"), &text, out)
            }
        }
    }
}

/// The one annotation for all groups that have none of their own.
fn rest(kind: &str, groups: &[Group<'_>], out: &mut dyn io::Write) -> io::Result<()> {
    if groups.is_empty() {
        return Ok(());
    }
    let findings = groups.iter().map(|group| group.findings.len()).sum();
    let title = format!("and {} in {}", count(findings, "more finding"), count(groups.len(), "more place"));
    let text = message(groups, "place", |group| match &group.spot {
        Spot::Line(file, line) => format!("{file}:{line}: {}", group.severities()),
        Spot::Layer(index, _) => format!("layer {index}: {}", group.severities()),
    });
    command(kind, None, &title, &text, out)
}

/// A line per item, as many as a message holds, and the number of the others.
fn message<T>(items: &[T], noun: &str, line: impl Fn(&T) -> String) -> String {
    let mut out = String::new();
    let mut units = 0;
    for (index, item) in items.iter().enumerate() {
        let line = cut(line(item), MAX_LINE);
        units += line.encode_utf16().count() + 1;
        if units > MAX_MESSAGE {
            out.push_str(&format!("and {}", count(items.len() - index, &format!("more {noun}"))));
            break;
        }
        out.push_str(&line);
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    out
}

/// One command. Its texts are unescaped by the runner (actions/runner, `ActionCommand.cs`).
fn command(
    kind: &str,
    place: Option<(&str, usize)>,
    title: &str,
    message: &str,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    write!(out, "::{kind} ")?;
    if let Some((file, line)) = place {
        write!(out, "file={},line={line},", property(&cut(file, MAX_LINE)))?;
    }
    writeln!(out, "title={}::{}", property(&cut(format!("Stella: {title}"), MAX_TITLE)), data(message))
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A colon would end the properties, a comma the property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
