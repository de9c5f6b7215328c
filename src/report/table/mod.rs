//! The table: a report for people, on a terminal or in a build's log.
//!
//! Findings stand under the layer that brought them, the worst first, each with its fix beside it; then what was looked at
//! and what was not. The verdict and its reasons come last, where a reader of a log looks first, and the last line says in
//! short why the gate is closed.

mod grid;

use std::{borrow::Cow, collections::BTreeMap, io};

use grid::{COLUMNS, GAP, MAX_CELL, MIN_WIDTH, Row, columns, row};

use super::{
    Judged, Report, ScanResult,
    alert::is_ignored,
    columns::{fit, width},
    fix::{base_image, is_of_base},
    place::of_layer,
    text::{cut, grouped, megabytes, plain},
    words::{self, action, count, looked},
};
use crate::{
    base::{Base, By},
    digest::Digest,
    finding::Severity,
    policy::{Action, Outcome},
};

/// How a table looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Colours, as ANSI escape sequences.
    pub colour: bool,
    /// Columns of the terminal; `None`, and 0 of a terminal that does not know, leave lines as long as they come.
    pub width: Option<usize>,
    /// Whether findings that the policy ignores are listed too.
    pub ignored: bool,
    /// Most findings that are listed, the worst of each platform while there is room; `None` for all.
    pub most: Option<usize>,
}

/// Longest line of prose where no width is given, in characters.
const MAX_LINE: usize = 1_000;
/// Most reasons, feeds, notes and things that were not looked at, of each; the report may have been made by anybody.
const MAX_LINES: usize = 100;
/// Most names that the last line has.
const MAX_NAMED: usize = 3;

/// Writes the report.
pub fn write(report: &Report, options: Options, out: &mut dyn io::Write) -> io::Result<()> {
    let width = options.width.filter(|width| *width > 0).map(|width| width.max(MIN_WIDTH));
    let room = options.most.unwrap_or(usize::MAX);
    let mut table = Table { options: Options { width, ..options }, room, text: String::new() };
    for (index, result) in report.results.iter().enumerate() {
        if index > 0 {
            table.line("");
        }
        table.result(result);
    }
    table.each(&report.run.notes, "note", |table, note| table.painted("33", &format!("note: {note}")));
    if let Some(why) = why_closed(report) {
        table.whole("1;31", &why);
    }
    out.write_all(table.text.as_bytes())
}

struct Table {
    options: Options,
    /// Findings that may still be listed.
    room: usize,
    text: String,
}

impl Table {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// Untrusted text on one line: made plain, cut to the width, coloured.
    fn painted(&mut self, colour: &str, line: &str) {
        self.prose(colour, line, self.options.width.unwrap_or(MAX_LINE));
    }

    /// Reasons and warnings are never cut to the width: their end may be what matters.
    fn whole(&mut self, colour: &str, line: &str) {
        self.prose(colour, line, MAX_LINE);
    }

    fn prose(&mut self, colour: &str, line: &str, columns: usize) {
        let indent = if line.starts_with("  ") { "  " } else { "" };
        let text = cut(&line[indent.len()..], MAX_LINE);
        let text = format!("{indent}{}", fit(&text, columns - indent.len()));
        let text = self.paint(colour, &text);
        self.line(&text);
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.options.colour && !colour.is_empty() {
            format!("\u{1b}[{colour}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    /// A line for each of the first [`MAX_LINES`], and how many more there are.
    fn each<T>(&mut self, all: &[T], noun: &str, line: impl Fn(&mut Self, &T)) {
        for one in all.iter().take(MAX_LINES) {
            line(self, one);
        }
        if let more @ 1.. = all.len().saturating_sub(MAX_LINES) {
            let more = count(more, &format!("more {noun}"));
            self.whole("1;33", &format!("  {more} left out: -o json=FILE has them all"));
        }
    }

    fn result(&mut self, result: &ScanResult) {
        self.painted("1", &format!("{} ({})", result.image.reference, result.image.platform));
        self.painted("2", &result.image.digest.to_string());
        self.findings(result);
        self.looked_at(result);
        self.verdict(result);
    }

    fn findings(&mut self, result: &ScanResult) {
        let shown = result.findings.iter().filter(|judged| self.options.ignored || !is_ignored(judged));
        let mut listed: Vec<&Judged> = shown.collect();
        let shown = listed.len();
        listed.truncate(self.room);
        self.room -= listed.len();
        let rows: Vec<Row<'_>> = listed.iter().map(|judged| row(judged)).collect();
        let columns = columns(&rows, self.options.width);
        // In a layer they stay in the order of the report, the worst first.
        let mut layers: BTreeMap<(usize, &Digest), Vec<usize>> = BTreeMap::new();
        for (index, judged) in listed.iter().enumerate() {
            let layer = &judged.finding.layer;
            layers.entry((layer.index, &layer.diff_id)).or_default().push(index);
        }
        for indices in layers.values() {
            self.line("");
            self.layer(result, listed[indices[0]]);
            let heads = COLUMNS.each_ref().map(|column| column.head.into());
            let heads = self.cells(&heads, &columns, "");
            let heads = self.paint("2", &heads);
            self.line(&heads);
            for row in indices.iter().map(|index| &rows[*index]) {
                let line = if row.ignored {
                    let line = self.cells(&row.cells, &columns, "");
                    self.paint("2", &line)
                } else {
                    self.cells(&row.cells, &columns, colour(row.severity))
                };
                self.line(&line);
            }
            self.way_out(result, indices.iter().map(|index| listed[*index]));
        }
        let (cut, ignored) = (shown - listed.len(), result.findings.len() - shown);
        if cut > 0 {
            self.line("");
            let all = count(cut, if listed.is_empty() { "finding" } else { "less severe finding" });
            self.whole("1;33", &format!("{all} left out: -o table=FILE and -o json=FILE have them all"));
        }
        if ignored > 0 {
            self.line("");
            let all = count(ignored, "finding");
            self.painted("2", &format!("{all} left out, ignored by the policy: --show-ignored lists them"));
        }
    }

    /// The head of the layer that brought a finding: where it was made, and by what.
    fn layer(&mut self, result: &ScanResult, judged: &Judged) {
        let layer = &judged.finding.layer;
        let id: String = layer.diff_id.hex().chars().take(12).collect();
        let line = of_layer(result, judged).map(|written| format!("{}:{}", written.file, written.line));
        let base = match (&result.image.base, layer.base) {
            (Some(Base { by: By::History, .. }), Some(true)) => Some("base image, as the history reads"),
            (_, Some(true)) => Some("base image"),
            _ => None,
        };
        let origin: Vec<&str> = line.as_deref().into_iter().chain(base).collect();
        let gap = if origin.is_empty() { "" } else { "  " };
        let instruction =
            if layer.instruction.is_empty() { "(no instruction recorded)" } else { &layer.instruction };
        // Each part is made plain by itself: in a line that is not, the gaps would become one space.
        let instruction = cut(instruction, MAX_LINE);
        let head = format!("layer {} {id}{gap}{}  {instruction}", layer.index, plain(&origin.join(", ")));
        self.painted("1", &head);
    }

    /// What the base image brought has one way out, said once.
    fn way_out<'a>(&mut self, result: &ScanResult, findings: impl Iterator<Item = &'a Judged> + Clone) {
        let by_base = |judged: &&Judged| is_of_base(judged);
        let Some(first) = findings.clone().find(by_base) else { return };
        let (fixed, all) = (findings.clone().filter(by_base).count(), findings.count());
        let way_out = base_image(result, of_layer(result, first));
        self.whole("32", &format!("  fix for {fixed} of {all}: {way_out}"));
    }

    /// One line of cells, indented, the first in a colour; the last is not padded.
    fn cells(
        &self,
        cells: &[Cow<'_, str>; COLUMNS.len()],
        columns: &[(usize, usize)],
        colour: &str,
    ) -> String {
        let mut line = String::with_capacity(columns.iter().map(|(_, wide)| GAP + wide).sum());
        let mut gap = GAP;
        for (position, (column, wide)) in columns.iter().enumerate() {
            let cell = (COLUMNS[*column].cut)(&cells[*column], *wide);
            line.extend(std::iter::repeat_n(' ', gap));
            line.push_str(&if position == 0 { self.paint(colour, &cell).into() } else { cell.clone() });
            gap = GAP + wide.saturating_sub(width(&cell));
        }
        line
    }

    fn looked_at(&mut self, result: &ScanResult) {
        let looked_at = &result.looked_at;
        self.line("");
        self.painted("1", "looked at");
        let megabytes = megabytes(looked_at.bytes);
        let layers = count(looked_at.layers, "layer");
        let files = grouped(looked_at.files);
        self.painted("", &format!("  image       {layers}, {files} files, {megabytes}"));
        if let Some(given) = &looked_at.inventory {
            self.whole("", &format!("  inventory   {given}; no layer was looked into"));
        }
        match &looked_at.os {
            None => self.painted("", "  system      none found"),
            Some(os) => {
                let (tone, note) = match os.end_of_life {
                    Some(true) => ("1;31", ": END OF LIFE, no security fixes any more"),
                    Some(false) => ("", ""),
                    None => ("", " (end of life not known)"),
                };
                // A rolling system has no version. However long a name is, it does not push the note away.
                let name = [os.id.as_str(), os.version.as_str()].join(" ");
                let name = cut(name.trim_end(), MAX_CELL);
                self.whole(tone, &format!("  system      {name}{note}"));
            }
        }
        let packages: Vec<String> =
            looked_at.packages.iter().map(|(ecosystem, count)| format!("{count} {ecosystem}")).collect();
        if looked_at.packages.values().all(|count| *count == 0) {
            self.painted("1;33", "  packages    NONE FOUND: nothing could be matched");
        } else {
            self.painted("", &format!("  packages    {}", packages.join(", ")));
        }
        let snapshot = &result.snapshot;
        if snapshot.feeds.is_empty() {
            self.whole("1;31", "  advisories  NONE: nothing was matched");
        }
        self.each(&snapshot.feeds, "feed", |table, feed| {
            let records = grouped(feed.records);
            table.painted("", &format!("  advisories  {}: {records} records, {}", feed.name, feed.age()));
        });
        self.painted("2", &format!("  snapshot    {}", snapshot.id));
        if snapshot.demo {
            self.whole(
                "1;33",
                "  DEMO SNAPSHOT: a few old advisories to try Stella out; this is no check of the image",
            );
        }
        if !looked_at.skipped.is_empty() {
            self.line("");
            self.painted("1;31", "NOT LOOKED AT");
            self.each(&looked_at.skipped, "thing", |table, skipped| {
                let (tone, allowed) =
                    if result.verdict.allows(skipped) { ("33", " (allowed)") } else { ("31", "") };
                table.whole(tone, &format!("  {}: {}: {}{allowed}", skipped.name, skipped.what, skipped.why));
            });
        }
    }

    fn verdict(&mut self, result: &ScanResult) {
        self.line("");
        let verdict = &result.verdict;
        let tone = match verdict.outcome {
            Outcome::Fail | Outcome::Unfinished => "1;31",
            Outcome::Pass if looked(result) => "1;32",
            Outcome::Warn | Outcome::Pass => "1;33",
        };
        self.whole(tone, &format!("verdict: {}", words::verdict(result)));
        self.each(&verdict.reasons, "reason", |table, reason| {
            let tone = match reason.action {
                Action::Fail => "31",
                Action::Warn => "33",
                Action::Ignore => "2",
            };
            let line =
                format!("  {} by rule {}: {}", action(Some(reason.action)), reason.rule, reason.message);
            table.whole(tone, &line);
        });
        let policies: Vec<&str> = verdict.policies.iter().map(|policy| policy.origin.as_str()).collect();
        self.whole("2", &format!("  policy: {}", policies.join(", ")));
    }
}

/// Why the gate is closed, in one line; `None` where it is open.
fn why_closed(report: &Report) -> Option<String> {
    let outcome = report.results.iter().map(|result| result.verdict.outcome).max();
    match outcome {
        Some(Outcome::Pass | Outcome::Warn) => None,
        Some(Outcome::Fail) => {
            let reasons = report.results.iter().flat_map(|result| &result.verdict.reasons);
            let mut rules: BTreeMap<&str, usize> = BTreeMap::new();
            for reason in reasons.filter(|reason| reason.action == Action::Fail) {
                *rules.entry(&reason.rule).or_default() += reason.findings;
            }
            let mut rules: Vec<(&str, usize)> = rules.into_iter().collect();
            rules.sort_by_key(|(_, findings)| std::cmp::Reverse(*findings)); // stable: names stay in order
            let names = rules
                .iter()
                .map(|(rule, findings)| format!("{} by rule {rule}", count(*findings, "finding")));
            Some(match rules.is_empty() {
                true => "gate FAILED: the report does not say by which rule".to_owned(),
                false => format!("gate FAILED: {}", some(names, "rule")),
            })
        }
        Some(Outcome::Unfinished) => {
            let skipped = report.results.iter().flat_map(|result| {
                result.looked_at.skipped.iter().filter(|skipped| !result.verdict.allows(skipped))
            });
            let mut names: Vec<&str> = skipped.map(|skipped| skipped.name.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            Some(format!("gate UNFINISHED: not looked at in full: {}", some(names.into_iter(), "name")))
        }
        None => report.why_stopped().map(|why| format!("gate UNFINISHED: {why}")),
    }
}

/// The first [`MAX_NAMED`], and how many more there are.
fn some(mut names: impl Iterator<Item = impl AsRef<str>>, noun: &str) -> String {
    let named: Vec<_> = names.by_ref().take(MAX_NAMED).map(|name| name.as_ref().to_owned()).collect();
    match names.count() {
        0 => named.join(", "),
        more => format!("{} and {}", named.join(", "), count(more, &format!("more {noun}"))),
    }
}

fn colour(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "1;31",
        Severity::High => "31",
        Severity::Medium => "33",
        Severity::Low => "36",
        Severity::Negligible | Severity::Unknown => "2",
    }
}
