//! Metrics as OpenMetrics text (github.com/prometheus/OpenMetrics, version 1.0), which GitLab's metrics report,
//! node_exporter's textfile collector and a Pushgateway read too: gauges only, base units, `# EOF` at the end.
//!
//! What was found comes first, and is there when it is zero: GitLab compares a merge request with its target branch series
//! by series, and calls one that was not there before new. Everything but `stella_run_…` depends on the image and the
//! advisories alone. An image is named without its tag, so that a series goes on from build to build.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    io::{self, Write},
};

use super::{Judged, Report, ScanResult, Timings, text::cut};
use crate::{
    finding::{Confidence, Severity},
    policy::{Action, Outcome},
};

/// Most platforms of which each has its series.
const MAX_PLATFORMS: usize = 50;
/// Most ecosystems of a platform; the packages of all others are one more.
const MAX_ECOSYSTEMS: usize = 50;
/// Longest value of a label, in characters, before it is escaped.
const MAX_LABEL: usize = 255;

type Count = fn(&ScanResult) -> u64;

/// What a platform has one number of.
const COUNTS: [(&str, &str, Count); 4] = [
    ("stella_advisories", "Advisories that were matched against.", |result| {
        result.snapshot.feeds.iter().fold(0, |sum, feed| sum.saturating_add(feed.records))
    }),
    ("stella_image_layers", "Layers of the image.", |result| result.looked_at.layers as u64),
    ("stella_image_files", "Regular files in the layers.", |result| result.looked_at.files),
    ("stella_image_bytes", "Bytes of the uncompressed layers.", |result| result.looked_at.bytes),
];

/// Writes the report.
pub fn write(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    let mut out = io::BufWriter::new(out);
    let platforms = platforms(report);
    let all = || platforms.iter().map(|(labels, result)| (labels.as_str(), *result));
    let image = label("image", report.image_name());

    let mut verdict =
        Family::begin(&mut out, "stella_verdict", "1 for what the gate came to, 0 for what it did not.")?;
    for (labels, outcome) in all().map(|(labels, result)| (labels, result.verdict.outcome)) {
        verdict.outcomes(labels, outcome)?;
    }
    if report.results.is_empty() {
        verdict.outcomes(&format!("{image},platform=\"none\""), Outcome::Unfinished)?;
    }
    let mut findings =
        Family::begin(&mut out, "stella_findings", "Findings by severity and by what the policy does.")?;
    for (labels, result) in all() {
        findings.findings(labels, result)?;
    }
    let help = "Findings of those that may speak of another package, as they were matched by CPE alone.";
    let mut unsure = Family::begin(&mut out, "stella_findings_low_confidence", help)?;
    for (labels, result) in all() {
        let is_low = |judged: &&Judged| judged.finding.confidence == Confidence::Low;
        unsure.series(labels, result.findings.iter().filter(is_low).count())?;
    }
    let mut skipped =
        Family::begin(&mut out, "stella_skipped", "Things that were not looked at, allowed or not.")?;
    for (labels, result) in all() {
        let skipped_things = &result.looked_at.skipped;
        let allowed = skipped_things.iter().filter(|each| result.verdict.allows(each)).count();
        skipped.series(&format!("{labels},allowed=\"yes\""), allowed)?;
        skipped.series(&format!("{labels},allowed=\"no\""), skipped_things.len() - allowed)?;
    }
    let mut packages =
        Family::begin(&mut out, "stella_packages", "Packages that were matched, by ecosystem.")?;
    for (labels, result) in all() {
        packages.packages(labels, &result.looked_at.packages)?;
    }
    for (name, help, value) in COUNTS {
        let mut family = Family::begin(&mut out, name, help)?;
        for (labels, result) in all() {
            family.series(labels, value(result))?;
        }
    }
    if platforms.len() < report.results.len() {
        let mut family =
            Family::begin(&mut out, "stella_left_out_platforms", "Platforms that have no series here.")?;
        family.series(&image, report.results.len() - platforms.len())?;
    }

    let run = &report.run;
    let mut layers =
        Family::begin(&mut out, "stella_run_layers", "Layers that were analysed before, and that were new.")?;
    layers.series(&format!("{image},known=\"yes\""), run.layers.hits)?;
    layers.series(&format!("{image},known=\"no\""), run.layers.misses)?;
    let mut read =
        Family::begin(&mut out, "stella_run_read_bytes", "Bytes read of the image, compressed as stored.")?;
    read.series(&image, run.bytes_read)?;
    let mut degraded =
        Family::begin(&mut out, "stella_run_degraded", "1 where something fell back to another way.")?;
    degraded.series(&image, u8::from(run.degraded))?;
    let help = "How long each phase took; total is all of it.";
    let mut phases = Family::begin(&mut out, "stella_run_phase_duration_seconds", help)?;
    for (phase, took_ms) in phases_of(&run.timings_ms) {
        // To the microsecond.
        phases.series(&format!("{image},phase=\"{phase}\""), (took_ms * 1e3).round() / 1e6)?;
    }
    out.write_all(b"# EOF\n")?;
    out.flush()
}

/// The results that have series, with the labels that name them. Labels are never the same, or a reader would refuse the
/// report.
fn platforms(report: &Report) -> Vec<(String, &ScanResult)> {
    let mut taken = BTreeSet::new();
    let results = report.results.iter().take(MAX_PLATFORMS);
    let labelled = results.map(|result| {
        let image = label("image", result.image.name());
        let named = |platform: &str| format!("{image},{}", label("platform", platform));
        let mut labels = named(&result.image.platform);
        let mut copy = 1;
        while !taken.insert(labels.clone()) {
            copy += 1;
            labels = named(&format!("{copy} {}", result.image.platform));
        }
        (labels, result)
    });
    labelled.collect()
}

fn phases_of(timings: &Timings) -> [(&'static str, f64); 7] {
    let Timings { missing, analyse, upload, matching, policy, report, total } = *timings;
    [
        ("missing", missing),
        ("analyse", analyse),
        ("upload", upload),
        ("match", matching),
        ("policy", policy),
        ("report", report),
        ("total", total),
    ]
}

/// A metric, whose series follow it.
struct Family<'a> {
    name: &'static str,
    out: &'a mut dyn io::Write,
}

impl<'a> Family<'a> {
    fn begin(out: &'a mut dyn io::Write, name: &'static str, help: &str) -> io::Result<Self> {
        writeln!(out, "# HELP {name} {help}\n# TYPE {name} gauge")?;
        if let Some(unit) = ["seconds", "bytes"].into_iter().find(|unit| name.ends_with(unit)) {
            writeln!(out, "# UNIT {name} {unit}")?;
        }
        Ok(Self { name, out })
    }

    fn series(&mut self, labels: &str, value: impl Display) -> io::Result<()> {
        writeln!(self.out, "{}{{{labels}}} {value}", self.name)
    }

    fn outcomes(&mut self, labels: &str, outcome: Outcome) -> io::Result<()> {
        const OUTCOMES: [(Outcome, &str); 4] = [
            (Outcome::Pass, "pass"),
            (Outcome::Warn, "warn"),
            (Outcome::Unfinished, "unfinished"),
            (Outcome::Fail, "fail"),
        ];
        for (each, name) in OUTCOMES {
            self.series(&format!("{labels},outcome=\"{name}\""), u8::from(each == outcome))?;
        }
        Ok(())
    }

    fn findings(&mut self, labels: &str, result: &ScanResult) -> io::Result<()> {
        const ACTIONS: [(Option<Action>, &str); 4] = [
            (Some(Action::Fail), "fail"),
            (Some(Action::Warn), "warn"),
            (Some(Action::Ignore), "ignore"),
            (None, "none"),
        ];
        let mut counts: BTreeMap<(Severity, Option<Action>), usize> = BTreeMap::new();
        for judged in &result.findings {
            *counts.entry((judged.finding.severity, judged.decision.action)).or_default() += 1;
        }
        for severity in Severity::ALL {
            for (action, name) in ACTIONS {
                let labels = format!("{labels},severity=\"{}\",action=\"{name}\"", severity.as_str());
                self.series(&labels, counts.get(&(severity, action)).copied().unwrap_or_default())?;
            }
        }
        Ok(())
    }

    fn packages(&mut self, labels: &str, packages: &BTreeMap<String, usize>) -> io::Result<()> {
        // Two names may be one label.
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for (index, (ecosystem, count)) in packages.iter().enumerate() {
            let ecosystem = if index < MAX_ECOSYSTEMS { ecosystem } else { "all others" };
            let sum = counts.entry(label("ecosystem", ecosystem)).or_default();
            *sum = sum.saturating_add(*count);
        }
        for (ecosystem, count) in counts {
            self.series(&format!("{labels},{ecosystem}"), count)?;
        }
        Ok(())
    }
}

/// A label, its value escaped. GitLab cuts a line at any `#` and then takes it apart as a shell would; a quote that is open
/// by then loses it the whole report.
fn label(name: &str, value: &str) -> String {
    let value = cut(value, MAX_LABEL).replace('#', "_").replace('\\', "\\\\").replace('"', "\\\"");
    format!("{name}=\"{value}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        assert_eq!(label("a", "team/app"), "a=\"team/app\"");
        assert_eq!(label("a", "\"#\\\n'x'} 1"), "a=\"\\\"_\\\\ 'x'} 1\"");
    }
}
