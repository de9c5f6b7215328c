//! Markdown, as GitHub and GitLab write it (<https://github.github.com/gfm/>): the summary of a job, or a comment on a merge
//! request.
//!
//! The verdict stands first, and why; then what was not looked at, what stands in layers that nobody had analysed before, a
//! table per layer, and what was looked at. Long tables are folded. GitHub drops a whole summary of more than 1 MiB
//! (actions/runner, `FileCommandManager.cs`), so each part has its share of a budget, and what is left out is counted.
//!
//! Nothing that comes from an image, a feed or a policy is Markdown. It stands in [code spans](code), in which no parser sees
//! a structure and no platform a link, a mention, an issue, a commit or an emoji. Of [prose], plain words stand outside.

pub(super) mod parts;

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    io,
};

use parts::{code, id, list, prose, table};

use super::{
    Judged, Proof, Report, Run, ScanResult, Written,
    alert::is_ignored,
    fix::{and_more, base_image, fix, is_of_base, target, words},
    place,
    text::{grouped, megabytes},
    words::{self as say, action, by_severity, count, looked},
};
use crate::{
    base::{Base, By},
    digest::Digest,
    finding::{FindingLayer, Status},
    policy::{Action, Outcome},
};

/// Longest report, in bytes: other tools write into the same summary.
const MAX_BYTES: usize = 900 * 1024;
/// Least room for the part of one platform, in bytes.
const MIN_PART_BYTES: usize = 16 * 1024;
/// Least room for the part of one layer, in bytes.
const MIN_LAYER_BYTES: usize = 4 * 1024;
/// What ends a table or a list, in bytes: the end of its fold, and how much was left out.
const END_BYTES: usize = 200;
/// Longest name, version, file or instruction, in characters.
const MAX_NAME: usize = 100;
/// Longest sentence, in characters.
const MAX_PROSE: usize = 600;
/// Most items of a list.
const MAX_ITEMS: usize = 50;
/// Most findings of new layers that are shown.
const MAX_BROUGHT: usize = 20;
/// Rows of a table before the rest is folded.
const MAX_SHOWN: usize = 15;

const LAYER_HEAD: &str = "\
| severity | id | package | installed | update to |
| --- | --- | --- | --- | --- |
";
const BROUGHT_HEAD: &str = "\
| severity | id | package | way out |
| --- | --- | --- | --- |
";

/// Writes the report. Of several platforms the one with the worst verdict stands first.
pub fn write(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    let mut page = String::new();
    if report.results.is_empty() {
        page.push_str("## ❌ UNFINISHED: no image was looked at\n\n");
        let why = report.stopped.as_ref().map(|stopped| format!("{}\n\n", prose(&stopped.why)));
        page.push_str(&why.unwrap_or_default());
    }
    let notes = list(&report.run.notes, MAX_BYTES / 16, "note", |note| format!("note: {}", prose(note)));
    let end = MAX_BYTES - END_BYTES - notes.len();
    let mut results: Vec<&ScanResult> = report.results.iter().collect();
    results.sort_by_key(|result| std::cmp::Reverse(result.verdict.outcome)); // stable: platforms keep their order
    let new = new_layers(&report.run);
    for (index, result) in results.iter().enumerate() {
        let left = results.len() - index;
        let room = end.saturating_sub(page.len());
        if room < MIN_PART_BYTES {
            let (platforms, worst) = (count(left, "more platform"), say::outcome(result.verdict.outcome));
            page.push_str(&format!(
                "**Left out, because this page is full: {platforms}, at worst {worst}.**\n\n"
            ));
            break;
        }
        let end = page.len() + (room / left).max(MIN_PART_BYTES);
        part(&mut page, result, new.as_ref(), end);
    }
    page.push_str(&notes);
    out.write_all(page.trim_end().as_bytes())?;
    out.write_all(b"\n")
}

/// The layers that nobody had analysed before this run; `None` where nothing is known of any.
fn new_layers(run: &Run) -> Option<BTreeSet<&Digest>> {
    let new = run.ledger.iter().filter(|entry| entry.proof == Proof::VerifiedNow);
    (!run.ledger.is_empty()).then(|| new.map(|entry| &entry.diff_id).collect())
}

/// One platform, up to where the page is `end` bytes long.
fn part(page: &mut String, result: &ScanResult, new: Option<&BTreeSet<&Digest>>, end: usize) {
    let room = end - page.len();
    let verdict = &result.verdict;
    let icon = match verdict.outcome {
        Outcome::Fail | Outcome::Unfinished => "❌",
        Outcome::Pass if looked(result) => "✅",
        Outcome::Warn | Outcome::Pass => "⚠️",
    };
    let image = &result.image;
    page.push_str(&format!("## {icon} {}\n\n", say::verdict(result)));
    page.push_str(&format!("{} for {}\n\n", code(&image.reference), code(&image.platform)));

    let (ignored, reasons): (Vec<_>, Vec<_>) =
        verdict.reasons.iter().partition(|reason| reason.action == Action::Ignore);
    page.push_str(&list(&reasons, room / 8, "rule", |reason| {
        let action = action(Some(reason.action));
        format!("**{action}** by rule {}: {}", code(&reason.rule), prose(&reason.message))
    }));
    warnings(page, result);
    not_looked_at(page, result, room / 8);
    if let Some(new) = new {
        brought(page, result, new, room / 8);
    }

    let mut tail = String::new();
    let waived = result.findings.iter().filter(|judged| is_ignored(judged)).count();
    if waived > 0 {
        tail.push_str(&format!("Left out, because the policy ignores it: {}.\n\n", count(waived, "finding")));
        tail.push_str(&list(&ignored, room / 16, "rule", |reason| {
            format!("rule {}: {}", code(&reason.rule), prose(&reason.message))
        }));
    }
    looked_at(&mut tail, result, room / 8);
    layers(page, result, end.saturating_sub(tail.len()));
    page.push_str(&tail);
}

/// What makes a verdict worth less than it says.
fn warnings(page: &mut String, result: &ScanResult) {
    if result.snapshot.demo {
        page.push_str(
            "**DEMO SNAPSHOT: a few old advisories to try Stella out; this is no check of the image.**\n\n",
        );
    } else if result.snapshot.feeds.is_empty() {
        page.push_str("**NO ADVISORIES: nothing was matched.**\n\n");
    }
    if let Some(os) = result.looked_at.os.as_ref().filter(|os| os.end_of_life == Some(true)) {
        let name = code(&format!("{} {}", os.id, os.version));
        page.push_str(&format!("**END OF LIFE: {name} gets no security fixes any more.**\n\n"));
    }
}

fn not_looked_at(page: &mut String, result: &ScanResult, room: usize) {
    let mut skipped: Vec<_> = result.looked_at.skipped.iter().collect();
    if skipped.is_empty() {
        return;
    }
    skipped.sort_by_cached_key(|skipped| result.verdict.allows(skipped)); // stable: what nobody allowed comes first
    page.push_str("### NOT LOOKED AT\n\n");
    page.push_str(&list(&skipped, room, "thing", |skipped| {
        let allowed = if result.verdict.allows(skipped) { " (allowed)" } else { "" };
        format!("{} {}: {}{allowed}", code(&skipped.name), code(&skipped.what), prose(&skipped.why))
    }));
}

/// The worst findings of layers that nobody had analysed before this run.
fn brought(page: &mut String, result: &ScanResult, new: &BTreeSet<&Digest>, room: usize) {
    let layers = &result.image.layers;
    let fresh = layers.iter().filter(|layer| new.contains(&layer.diff_id)).count();
    if fresh == 0 || fresh == layers.len() {
        page.push_str(if fresh == 0 {
            "No layer is new to Stella: each had been analysed before this run.\n\n"
        } else {
            "Every layer is new to Stella: none stands out among them.\n\n"
        });
        return;
    }
    let end = page.len() + room;
    let findings: Vec<&Judged> = result
        .findings
        .iter()
        .filter(|judged| !is_ignored(judged) && new.contains(&judged.finding.layer.diff_id))
        .collect();
    let of = format!(
        "{fresh} of {} {}",
        count(layers.len(), "layer"),
        if fresh == 1 { "is new" } else { "are new" }
    );
    page.push_str("### In layers that are new to Stella\n\n");
    if findings.is_empty() {
        page.push_str(&format!("{of}, without a finding.\n\n"));
        return;
    }
    let severities = by_severity(findings.iter().map(|judged| judged.finding.severity));
    page.push_str(&format!("{of}, with {} ({severities}).\n\n", count(findings.len(), "finding")));
    let shown = &findings[..findings.len().min(MAX_BROUGHT)];
    let written = table(page, BROUGHT_HEAD, shown, MAX_BROUGHT, end, |judged| {
        let package = &judged.finding.package;
        [
            severity(judged),
            id(&judged.finding.id),
            format!("{} {}", code(&package.name), code(&package.version)),
            prose(&fix(result, judged)),
        ]
    });
    if written < findings.len() {
        page.push_str(&format!("And {} more, in the tables below.\n\n", findings.len() - written));
    }
}

/// A table per layer, that with the worst finding first, up to where the page is `end` bytes long.
fn layers(page: &mut String, result: &ScanResult, end: usize) {
    let mut layers: Vec<(&FindingLayer, Vec<&Judged>)> = Vec::new();
    let mut positions: BTreeMap<(usize, &Digest), usize> = BTreeMap::new();
    for judged in result.findings.iter().filter(|judged| !is_ignored(judged)) {
        let layer = &judged.finding.layer;
        let position = *positions.entry((layer.index, &layer.diff_id)).or_insert_with(|| {
            layers.push((layer, Vec::new()));
            layers.len() - 1
        });
        layers[position].1.push(judged);
    }
    for (index, (layer, findings)) in layers.iter().enumerate() {
        let left = layers.len() - index;
        let room = end.saturating_sub(page.len() + END_BYTES);
        if room < MIN_LAYER_BYTES {
            let all = layers[index..].iter().map(|(_, findings)| findings.len()).sum();
            let (all, left) = (count(all, "finding"), count(left, "layer"));
            page.push_str(&format!("**Left out, because this page is full: {all} in {left}.**\n\n"));
            return;
        }
        let end = page.len() + (room / left).max(MIN_LAYER_BYTES);
        one_layer(page, result, layer, findings, end);
    }
}

fn one_layer(page: &mut String, result: &ScanResult, layer: &FindingLayer, findings: &[&Judged], end: usize) {
    let of = match (&result.image.base, layer.base) {
        (Some(Base { by: By::History, .. }), Some(true)) => ", base image (as the history reads)",
        (_, Some(true)) => ", base image",
        (_, Some(false)) => ", app",
        (_, None) => "",
    };
    let severities = by_severity(findings.iter().map(|judged| judged.finding.severity));
    page.push_str(&format!("### Layer {}{of}: {severities}\n\n", layer.index));
    let instruction = if layer.instruction.trim().is_empty() {
        "No instruction is recorded".to_owned()
    } else {
        code(&layer.instruction)
    };
    let written = findings.first().and_then(|judged| place::of_layer(result, judged));
    let place = written.map(|written| format!(" at {}", code(&format!("{}:{}", written.file, written.line))));
    page.push_str(&format!("{instruction}{}\n\n", place.unwrap_or_default()));
    let by_base = findings.iter().filter(|judged| is_of_base(judged)).count();
    if by_base > 0 {
        let (all, way_out) = (findings.len(), prose(&base_image(result, written)));
        page.push_str(&format!("**Fix for {by_base} of {all}**: {way_out}.\n\n"));
    }
    let written = table(page, LAYER_HEAD, findings, MAX_SHOWN, end, |judged| {
        let package = &judged.finding.package;
        [
            severity(judged),
            id(&judged.finding.id),
            code(&package.name),
            code(&package.version),
            update_to(judged),
        ]
    });
    if written < findings.len() {
        let left = count(findings.len() - written, "more finding");
        page.push_str(&format!("**Left out, because this page is full: {left} of this layer.**\n\n"));
    }
}

/// What was looked at, folded.
fn looked_at(page: &mut String, result: &ScanResult, room: usize) {
    let (looked_at, snapshot) = (&result.looked_at, &result.snapshot);
    let megabytes = megabytes(looked_at.bytes);
    let (layers, files) = (count(looked_at.layers, "layer"), grouped(looked_at.files));
    let mut items = vec![
        format!("image {}", code(&result.image.digest.to_string())),
        format!("{layers}, {files} files, {megabytes}"),
    ];
    if let Some(given) = &looked_at.inventory {
        items.push(format!("inventory {}: no layer was looked into", prose(given)));
    }
    items.push(match &looked_at.os {
        None => "system: none found".to_owned(),
        Some(os) => {
            let note = match os.end_of_life {
                Some(true) => ": **END OF LIFE**, no security fixes any more",
                Some(false) => "",
                None => " (end of life not known)",
            };
            format!("system {}{note}", code(&format!("{} {}", os.id, os.version)))
        }
    });
    if looked_at.packages.values().all(|count| *count == 0) {
        items.push("packages: **NONE FOUND**, nothing could be matched".to_owned());
    }
    items.extend(
        looked_at
            .packages
            .iter()
            .map(|(ecosystem, packages)| format!("{} of {}", count(*packages, "package"), code(ecosystem))),
    );
    if !looked_at.lock_files.is_empty() {
        items.push(count(looked_at.lock_files.len(), "lock file"));
    }
    items.extend(snapshot.feeds.iter().map(|feed| {
        format!(
            "advisories of {}: {} records, {}",
            code(&feed.name),
            grouped(feed.records),
            prose(&feed.age())
        )
    }));
    items.push(format!("snapshot of advisories {}", code(&snapshot.id.to_string())));
    items.extend(result.verdict.policies.iter().map(|policy| format!("policy {}", code(&policy.origin))));
    page.push_str("<details>\n<summary>What was looked at</summary>\n\n");
    page.push_str(&list(&items, room, "thing", Clone::clone));
    page.push_str("</details>\n\n");
}

/// Strong where it fails the gate.
fn severity(judged: &Judged) -> String {
    let (word, unsure) = (judged.finding.severity.as_str(), say::unsure(&judged.finding));
    if judged.decision.action == Some(Action::Fail) {
        format!("**{word}**{unsure}")
    } else {
        [word, unsure].concat()
    }
}

/// The version to update to, or the words to change, and where.
fn update_to(judged: &Judged) -> String {
    let Some(target) = target(judged) else {
        return match judged.finding.status {
            Status::Fixed => "not named",
            Status::Affected => "none known",
            Status::Undetermined => "not known yet",
            Status::Postponed => "put off",
            Status::NoDsa => "none, as minor",
            Status::Subscription => "by subscription",
            Status::Ignored => "will not be fixed",
            Status::EndOfLife => "end of life",
        }
        .to_owned();
    };
    let asked = judged.asked.as_ref().map(|asked| &asked.written);
    let line = |written: &Written| code(&format!("{}:{}", written.file, written.line)) + &and_more(judged);
    let place = asked.map(|written| format!(" in {}", line(written)));
    code(&words(judged).map_or(target, Cow::Owned)) + &place.unwrap_or_default()
}
