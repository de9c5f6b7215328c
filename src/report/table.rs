//! The table: a report for people, on a terminal or in a build's log.
//!
//! Findings stand under the layer that brought them; then what was looked at and what was not; the verdict and its
//! reasons come last, where a reader of a log looks first.

use std::{collections::BTreeMap, io};

use super::{
    Judged, Report, ScanResult,
    text::{cut, grouped, plain},
    words::{self, action, count, looked},
};
use crate::{
    base::{Base, By},
    finding::{FindingLayer, Severity},
    policy::{Action, Outcome},
};

/// How a table looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Colours, as ANSI escape sequences.
    pub colour: bool,
    /// Columns of the terminal; `None` leaves lines as long as they come.
    pub width: Option<usize>,
}

const HEADS: [&str; 6] = ["SEVERITY", "ID", "PACKAGE", "VERSION", "FIXED IN", "RULE"];
/// Longest cell, in characters, however wide the terminal.
const MAX_CELL: usize = 120;
/// Narrowest that a column is made to fit a terminal, in characters.
const MIN_CELL: usize = 8;
/// Longest line of prose where no width is given, in characters.
const MAX_LINE: usize = 1_000;

/// Writes the report.
pub fn write(report: &Report, options: Options, out: &mut dyn io::Write) -> io::Result<()> {
    let mut table = Table { options, text: String::new() };
    for (index, result) in report.results.iter().enumerate() {
        if index > 0 {
            table.line("");
        }
        table.result(result);
    }
    if report.results.is_empty() {
        table.painted("1;31", "no image was looked at");
    }
    for note in &report.run.notes {
        table.painted("33", &format!("note: {note}"));
    }
    out.write_all(table.text.as_bytes())
}

struct Table {
    options: Options,
    text: String,
}

impl Table {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// Untrusted text on one line: made plain, cut to the width, coloured.
    fn painted(&mut self, colour: &str, line: &str) {
        self.prose(colour, line, self.options.width.unwrap_or(MAX_LINE).max(2 * MIN_CELL));
    }

    /// Reasons and warnings are never cut to the width: their end may be what matters.
    fn whole(&mut self, colour: &str, line: &str) {
        self.prose(colour, line, MAX_LINE);
    }

    fn prose(&mut self, colour: &str, line: &str, limit: usize) {
        let indent = if line.starts_with("  ") { "  " } else { "" };
        let text = format!("{indent}{}", cut(&line[indent.len()..], limit - indent.len()));
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

    fn result(&mut self, result: &ScanResult) {
        self.painted("1", &format!("{} ({})", result.image.reference, result.image.platform));
        self.painted("2", &result.image.digest.to_string());
        self.findings(result);
        self.looked_at(result);
        self.verdict(result);
    }

    fn findings(&mut self, result: &ScanResult) {
        let mut layers: BTreeMap<&FindingLayer, Vec<&Judged>> = BTreeMap::new();
        let mut ignored = 0;
        for judged in &result.findings {
            if judged.decision.action == Some(Action::Ignore) {
                ignored += 1;
            } else {
                layers.entry(&judged.finding.layer).or_default().push(judged);
            }
        }
        let rows: Vec<[String; 6]> = layers.values().flatten().map(|judged| cells(judged)).collect();
        let widths = self.widths(&rows);
        let mut rows = rows.iter();
        for (layer, findings) in &layers {
            self.line("");
            let instruction =
                if layer.instruction.is_empty() { "(no instruction recorded)" } else { &layer.instruction };
            let id: String = layer.diff_id.hex().chars().take(12).collect();
            let base = match (&result.image.base, layer.base) {
                (Some(Base { by: By::History, .. }), Some(true)) => " (base image, as the history reads)",
                (_, Some(true)) => " (base image)",
                _ => "",
            };
            self.painted("1", &format!("layer {} {id}{base}  {instruction}", layer.index));
            let heads = row(&HEADS.map(str::to_owned), &widths);
            let heads = self.paint("2", &heads);
            self.line(&heads);
            for (judged, cells) in findings.iter().zip(rows.by_ref()) {
                let line = row(cells, &widths);
                // The first column is painted after it was padded, so colours do not count as width.
                let (severity, rest) = line.split_at(2 + widths[0]);
                let line = format!("{}{rest}", self.paint(colour(judged.finding.severity), severity));
                self.line(&line);
            }
        }
        if ignored > 0 {
            self.line("");
            self.painted("2", &format!("{} left out: the policy ignores them", count(ignored, "finding")));
        }
    }

    /// Widths of the columns: as wide as their cells, the widest made narrower until a line fits.
    fn widths(&self, rows: &[[String; 6]]) -> [usize; 6] {
        let mut widths = HEADS.map(str::len);
        for row in rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        if let Some(limit) = self.options.width {
            // Severity and id stay whole: they are what people search for.
            let gaps = 2 * HEADS.len();
            while widths.iter().sum::<usize>() + gaps > limit {
                match widths[2..].iter_mut().max() {
                    Some(widest) if *widest > MIN_CELL => *widest -= 1,
                    _ => break,
                }
            }
        }
        widths
    }

    fn looked_at(&mut self, result: &ScanResult) {
        let looked_at = &result.looked_at;
        self.line("");
        self.painted("1", "looked at");
        let megabytes =
            format!("{}.{}", grouped(looked_at.bytes / 1_000_000), looked_at.bytes % 1_000_000 / 100_000);
        let layers = count(looked_at.layers, "layer");
        let files = grouped(looked_at.files);
        self.painted("", &format!("  image       {layers}, {files} files, {megabytes} MB"));
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
                let name = cut([os.id.as_str(), os.version.as_str()].join(" ").trim_end(), MAX_CELL);
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
        for feed in &snapshot.feeds {
            let as_of = if feed.as_of.is_empty() { "of unknown date" } else { &feed.as_of };
            let records = grouped(feed.records);
            self.painted("", &format!("  advisories  {}: {records} records, newest {as_of}", feed.name));
        }
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
            for skipped in &looked_at.skipped {
                let (tone, allowed) =
                    if result.verdict.allows(skipped) { ("33", " (allowed)") } else { ("31", "") };
                self.whole(tone, &format!("  {}: {}: {}{allowed}", skipped.name, skipped.what, skipped.why));
            }
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
        for reason in &verdict.reasons {
            let tone = match reason.action {
                Action::Fail => "31",
                Action::Warn => "33",
                Action::Ignore => "2",
            };
            self.whole(
                tone,
                &format!("  {} by rule {}: {}", action(Some(reason.action)), reason.rule, reason.message),
            );
        }
        let policies: Vec<&str> = verdict.policies.iter().map(|policy| policy.origin.as_str()).collect();
        self.whole("2", &format!("  policy: {}", policies.join(", ")));
    }
}

fn cells(judged: &Judged) -> [String; 6] {
    let (finding, decision) = (&judged.finding, &judged.decision);
    let rule = match &decision.rule {
        Some(rule) => format!("{}: {rule}", action(decision.action)),
        None => "-".to_owned(),
    };
    let fixed_in = finding.fixed_in.as_deref().unwrap_or("-");
    [finding.severity.as_str(), &finding.id, &finding.package.name, &finding.package.version, fixed_in, &rule]
        .map(|cell| cut(cell, MAX_CELL))
}

/// One line, indented; the last cell is not padded.
fn row(cells: &[String; 6], widths: &[usize; 6]) -> String {
    let mut line = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        line.push_str("  ");
        // Plain already: cutting again only shortens.
        let cell = if cell.chars().count() > *width { cut(cell, *width) } else { plain(cell).into_owned() };
        line.push_str(&format!("{cell:width$}"));
    }
    line.truncate(line.trim_end().len());
    line
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
