//! `phases.md`: tables like the workbook's.

use std::fmt::Write as _;

use super::{
    column::{COLUMNS, verdict},
    duration::{chosen, measured},
    table::{Table, escaped},
};
use crate::{
    judge::Outcome,
    machine::Machine,
    phase::Phase,
    result::{Figures, PhaseStats, Results},
    statistics::comparison::{self, Comparison},
};

/// Phases whose steps have a table of their own, as in the workbook.
const STEPS_OF: [Phase; 2] = [Phase::DeltaSbom, Phase::QuotaWait];

/// The phases, the steps of the scenarios, the policy's histogram, the machine, the images.
pub fn text(results: &Results) -> String {
    let mut out = format!("# Stella-Perf, {}\n\n", escaped(&results.started));
    planted(&mut out, &results.planted);
    phases(&mut out, &results.phases);
    reasons(&mut out, &results.phases);
    against(&mut out, results);
    for (row, figures) in measured_rows(&results.phases) {
        if STEPS_OF.contains(&row.phase) && !figures.steps.is_empty() {
            steps(&mut out, row, figures);
        }
        if row.phase == Phase::PolicyEval {
            histogram(&mut out, row, figures);
        }
    }
    facts(&mut out, &results.phases);
    machine(&mut out, &results.machine);
    images(&mut out, &results.phases);
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn measured_rows(rows: &[PhaseStats]) -> impl Iterator<Item = (&PhaseStats, &Figures)> {
    rows.iter().filter_map(|row| Some((row, row.figures()?)))
}

// Writing to a string cannot fail: below, `let _ =` says so.

fn planted(out: &mut String, planted: &[String]) {
    if !planted.is_empty() {
        let all = planted.iter().map(|plant| escaped(plant)).collect::<Vec<_>>().join(", ");
        let _ = writeln!(out, "> **PLANTED SLOW-DOWNS: {all}. These figures are not the program's.**\n");
    }
}

fn phases(out: &mut String, rows: &[PhaseStats]) {
    let mut table = Table::new(COLUMNS.iter().map(|column| (column.heading, column.number)));
    for row in rows {
        table.row(COLUMNS.iter().map(|column| (column.cell)(row)));
    }
    table.write(out);
}

/// Whatever is not a plain pass says why.
fn reasons(out: &mut String, rows: &[PhaseStats]) {
    let before = out.len();
    for row in rows {
        for reason in &row.judgement.reasons {
            let loud = if reason.outcome == Outcome::Fail { "**" } else { "" };
            let word = verdict(reason.outcome);
            let _ = writeln!(out, "- {loud}{word}{loud} {}: {}", row.id(), escaped(&reason.message));
        }
    }
    if out.len() > before {
        out.push('\n');
    }
}

/// What `stella-perf compare` prints.
pub fn comparison(results: &Results) -> String {
    let mut out = String::new();
    planted(&mut out, &results.planted);
    against(&mut out, results);
    out
}

/// Each phase against the stored run, in full.
fn against(out: &mut String, results: &Results) {
    let Some(baseline) = &results.baseline else {
        let _ = writeln!(
            out,
            "No baseline is stored, so nothing was compared; --save-baseline stores a run as one.\n"
        );
        return;
    };
    let (started, commit) = (escaped(&baseline.started), escaped(&baseline.commit));
    let _ = writeln!(out, "## Against the baseline of {started}, commit {commit}\n");
    let mut table = Table::new([("phase", false), ("baseline", false), ("why", false)]);
    for (row, _) in measured_rows(&results.phases) {
        let word = match &row.comparison {
            None => "refused",
            Some(Comparison::NotJudged(_)) => "not judged",
            Some(Comparison::Unclear(_)) => "unclear",
            Some(Comparison::Regression(_)) => "**slower**",
            Some(Comparison::Improvement(_)) => "faster",
            Some(Comparison::Unchanged(_)) => "unchanged",
        };
        let why = row
            .comparison
            .as_ref()
            .map_or_else(|| "it measured something else".to_owned(), ToString::to_string);
        table.row([row.id(), word.to_owned(), escaped(&why)]);
    }
    table.write(out);
    let how = if baseline.in_turns {
        "Its programs were measured again, in turns with these"
    } else {
        "The samples stored with it are compared"
    };
    let _ = writeln!(out, "{how}. {}.\n", comparison::method());
}

fn steps(out: &mut String, row: &PhaseStats, figures: &Figures) {
    let _ = writeln!(out, "## Steps of {}\n", row.id());
    let mut table = Table::new([("step", false), ("P50", true), ("P95", true)]);
    for step in &figures.steps {
        table.row([escaped(&step.name), measured(step.p50_ms), measured(step.p95_ms)]);
    }
    table.row(["total".to_owned(), measured(figures.summary.p50_ms), measured(figures.summary.p95_ms)]);
    table.write(out);
}

/// Each bucket's own share, where the results have the sum up to it.
#[expect(clippy::cast_precision_loss, reason = "counts of samples are far below 2^52")]
fn histogram(out: &mut String, row: &PhaseStats, figures: &Figures) {
    let _ = writeln!(out, "## Histogram of {}\n", row.id());
    let mut table = Table::new([("duration", false), ("samples", true), ("share", true)]);
    let all = figures.histogram.samples;
    let mut row = |range: String, samples: usize| {
        let share = samples as f64 / all as f64;
        table.row([range, samples.to_string(), format!("{:.1} %", 100.0 * share)]);
    };
    let (mut from, mut before) = (0.0, 0);
    for bucket in &figures.histogram.buckets {
        row(format!("{} to {}", bound(from), chosen(bucket.le_ms)), bucket.samples.saturating_sub(before));
        (from, before) = (bucket.le_ms, bucket.samples);
    }
    row(format!("over {}", chosen(from)), all.saturating_sub(before));
    table.write(out);
}

fn bound(ms: f64) -> String {
    if ms == 0.0 { "0".to_owned() } else { chosen(ms) }
}

fn facts(out: &mut String, rows: &[PhaseStats]) {
    let mut table = Table::new([("phase", false), ("fact", false), ("value", true)]);
    let mut any = false;
    for (row, figures) in measured_rows(rows) {
        for (name, value) in &figures.facts {
            any = true;
            table.row([row.id(), format!("`{name}`"), format!("{}", (value * 1e3).round() / 1e3)]);
        }
    }
    if any {
        out.push_str("## Beside the durations\n\n");
        table.write(out);
    }
}

#[expect(clippy::cast_precision_loss, reason = "memory is far below 2^52 bytes")]
fn machine(out: &mut String, machine: &Machine) {
    out.push_str("## Machine\n\n");
    let mut table = Table::new([("what", false), ("this run", false)]);
    let memory = format!("{:.1} GiB", machine.memory_bytes as f64 / f64::from(1 << 30));
    for (what, value) in [
        ("processor", machine.cpu.as_str()),
        ("cores", &machine.cores.to_string()),
        ("memory", &memory),
        ("kernel", &machine.kernel),
        ("images on", &machine.disk),
        ("working files on", &machine.work),
        ("commit", &machine.commit),
    ] {
        table.row([what.to_owned(), escaped(value)]);
    }
    table.write(out);
}

/// Every latency names where its bytes come from.
fn images(out: &mut String, rows: &[PhaseStats]) {
    let mut table = Table::new([("phase", false), ("source", false), ("floor", false), ("layers", true)]);
    let mut images: Vec<(&[_], Vec<String>)> = Vec::new();
    for (row, figures) in measured_rows(rows) {
        let layers = figures.diff_ids.len().to_string();
        table.row([row.id(), escaped(&figures.source), escaped(&figures.floor.what), layers]);
        match images.iter_mut().find(|(diff_ids, _)| *diff_ids == figures.diff_ids) {
            Some((_, phases)) => phases.push(row.id()),
            None => images.push((&figures.diff_ids, vec![row.id()])),
        }
    }
    if images.is_empty() {
        return;
    }
    out.push_str("## Sources\n\n");
    table.write(out);
    for (diff_ids, phases) in images.iter().filter(|(diff_ids, _)| !diff_ids.is_empty()) {
        let _ = writeln!(out, "Diff IDs, bottom to top, of {}:\n", phases.join(", "));
        for (index, diff_id) in diff_ids.iter().enumerate() {
            let _ = writeln!(out, "{}. {diff_id}", index + 1);
        }
        out.push('\n');
    }
}
