//! The columns of every table of phases, once: for Markdown and for the trend's page.

use super::duration::{chosen, measured};
use crate::{
    judge::Outcome,
    result::{Figures, PhaseStats},
    statistics::{comparison::Comparison, summary::Interval},
    targets::{Gate, Target},
};

/// One column.
pub struct Column {
    /// Its heading.
    pub heading: &'static str,
    /// Whether it holds numbers, which stand to the right.
    pub number: bool,
    /// The cell of a row; not escaped.
    pub cell: fn(&PhaseStats) -> String,
}

/// Where there is nothing to show.
pub const NOTHING: &str = "-";

/// The columns, in their order.
pub const COLUMNS: &[Column] = &[
    Column { heading: "phase", number: false, cell: PhaseStats::id },
    Column { heading: "n", number: true, cell: |row| figure(row, |f| f.summary.samples.to_string()) },
    Column { heading: "mean", number: true, cell: |row| figure(row, |f| measured(f.summary.mean_ms)) },
    Column { heading: "P50", number: true, cell: |row| figure(row, |f| measured(f.summary.p50_ms)) },
    Column { heading: "P95", number: true, cell: |row| figure(row, |f| measured(f.summary.p95_ms)) },
    Column {
        heading: "95 % sure",
        number: true,
        cell: |row| figure(row, |f| interval(f.summary.p95_interval)),
    },
    Column { heading: "P99", number: true, cell: |row| figure(row, |f| measured(f.summary.p99_ms)) },
    Column { heading: "floor P50", number: true, cell: |row| figure(row, |f| measured(f.floor.p50_ms)) },
    Column {
        heading: "x floor",
        number: true,
        cell: |row| figure(row, |f| format!("{:.2}", f.floor.ratio_p50)),
    },
    Column { heading: "target", number: true, cell: |row| held(row, |t| Some(chosen(t.target_p95_ms))) },
    Column { heading: "goal", number: true, cell: |row| held(row, |t| t.goal_p95_ms.map(chosen)) },
    Column { heading: "gate", number: false, cell: |row| held(row, |t| Some(gate(t.gate).to_owned())) },
    Column { heading: "baseline", number: true, cell: |row| baseline(row.comparison.as_ref()) },
    Column { heading: "verdict", number: false, cell: |row| verdict(row.judgement.outcome).to_owned() },
];

fn figure(row: &PhaseStats, cell: impl Fn(&Figures) -> String) -> String {
    row.figures().map_or_else(|| NOTHING.to_owned(), cell)
}

fn held(row: &PhaseStats, cell: impl Fn(&Target) -> Option<String>) -> String {
    row.target.as_ref().and_then(cell).unwrap_or_else(|| NOTHING.to_owned())
}

/// Where P95 lies; an open end where the samples are too few to say.
fn interval(Interval { lower_ms, upper_ms }: Interval) -> String {
    let end = |ms: Option<f64>| ms.map_or_else(|| "?".to_owned(), measured);
    format!("{} to {}", end(lower_ms), end(upper_ms))
}

/// How much slower or faster than the baseline, where that is beyond noise.
fn baseline(comparison: Option<&Comparison>) -> String {
    match comparison {
        None => NOTHING.to_owned(),
        Some(Comparison::Unclear(_)) => "unclear".to_owned(),
        Some(Comparison::NotJudged(_)) => "not judged".to_owned(),
        Some(Comparison::Unchanged(_)) => "unchanged".to_owned(),
        Some(Comparison::Regression(evidence) | Comparison::Improvement(evidence)) => {
            format!("{:+.1} %", evidence.wall.share * 100.0)
        }
    }
}

fn gate(gate: Gate) -> &'static str {
    match gate {
        Gate::Hard => "hard",
        Gate::Soft => "soft",
    }
}

/// An outcome in a word or two.
pub fn verdict(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "pass",
        Outcome::NotJudged => "not judged",
        Outcome::Warn => "warn",
        Outcome::Fail => "FAIL",
    }
}
