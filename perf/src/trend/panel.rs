//! What each phase's panel shows: lines of figures that can be compared with each other.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use stella::digest::Digest;

use super::history::{History, Run};
use crate::{
    judge::Outcome,
    machine::Machine,
    phase::Phase,
    result::{self, Figures, PhaseStats},
    targets::Target,
};

/// Past this long without a run a line says nothing about the time between.
const PAUSE: SignedDuration = SignedDuration::from_hours(15 * 24);

/// One phase, or a variant of one.
pub struct Panel {
    /// `PHASE` or `PHASE/VARIANT`.
    pub id: String,
    /// What the phase covers.
    pub covers: &'static str,
    /// What the last run held it to.
    pub target: Option<Target>,
    /// Points that a line joins; between two of these figures are not comparable, or missing.
    pub lines: Vec<Vec<Point>>,
    /// Where other layers or another machine begin.
    pub changes: Vec<Mark>,
    /// Runs that looked at the phase and have no figures of it.
    pub gaps: Vec<Mark>,
}

/// The figures of one run.
pub struct Point {
    /// When.
    pub at: Timestamp,
    /// Half of the samples are at most this.
    pub p50_ms: f64,
    /// 95 of 100 samples are at most this.
    pub p95_ms: f64,
    /// What the gates said.
    pub outcome: Outcome,
}

/// Something to be said of a moment.
pub struct Mark {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: String,
}

/// What figures must have in common to be joined.
#[derive(Clone, Copy)]
struct Subject<'a> {
    machine: &'a Machine,
    diff_ids: &'a [Digest],
}

impl Subject<'_> {
    /// How `self` differs from what came before; `None` if figures of the two can be compared.
    fn change(&self, before: &Self) -> Option<&'static str> {
        match (self.machine.is_like(before.machine), self.diff_ids == before.diff_ids) {
            (true, true) => None,
            (false, true) => Some("another machine"),
            (true, false) => Some("other layers"),
            (false, false) => Some("another machine and other layers"),
        }
    }
}

/// What each run that looked at a phase says of it.
type Rows<'a> = Vec<(&'a Run, &'a PhaseStats)>;

/// Every phase that a run looked at, in the order of every table.
pub fn panels(history: &History) -> Vec<Panel> {
    let mut rows: BTreeMap<(Phase, Option<&str>), Rows<'_>> = BTreeMap::new();
    for run in &history.runs {
        for row in &run.results.phases {
            rows.entry((row.phase, row.variant.as_deref())).or_default().push((run, row));
        }
    }
    // A phase that could not be opened names no variants: what it says is said of each.
    let variants: Vec<_> = rows.keys().filter_map(|(phase, variant)| Some((*phase, (*variant)?))).collect();
    for (phase, variant) in &variants {
        let of_each = rows.get(&(*phase, None)).cloned().unwrap_or_default();
        let own = rows.entry((*phase, Some(variant))).or_default();
        own.extend(of_each.into_iter().filter(|(_, row)| row.figures().is_none()));
        own.sort_by_key(|(run, _)| run.at);
    }
    rows.retain(|(phase, variant), rows| {
        variant.is_some()
            || variants.iter().all(|(other, _)| other != phase)
            || rows.iter().any(|(_, row)| row.figures().is_some())
    });
    rows.into_iter().filter_map(|((phase, variant), rows)| panel(result::id(phase, variant), &rows)).collect()
}

fn panel(id: String, rows: &Rows<'_>) -> Option<Panel> {
    let (_, last) = rows.last()?;
    let mut panel = Panel {
        id,
        covers: last.phase.covers(),
        target: last.target,
        lines: Vec::new(),
        changes: Vec::new(),
        gaps: Vec::new(),
    };
    let mut before: Option<Subject<'_>> = None;
    let mut joined = false;
    for (run, row) in rows {
        let Some(figures) = row.figures() else {
            panel.gaps.push(Mark { at: run.at, what: row.why_not().unwrap_or_default() });
            joined = false;
            continue;
        };
        let subject = Subject { machine: &run.results.machine, diff_ids: &figures.diff_ids };
        if let Some(what) = before.and_then(|before| subject.change(&before)) {
            panel.changes.push(Mark { at: run.at, what: what.to_owned() });
            joined = false;
        }
        before = Some(subject);
        panel.add(point(run, row, figures), joined);
        joined = true;
    }
    Some(panel)
}

fn point(run: &Run, row: &PhaseStats, figures: &Figures) -> Point {
    Point {
        at: run.at,
        p50_ms: figures.summary.p50_ms,
        p95_ms: figures.summary.p95_ms,
        outcome: row.judgement.outcome,
    }
}

impl Panel {
    fn add(&mut self, point: Point, joined: bool) {
        match self.lines.last_mut() {
            Some(line)
                if joined && line.last().is_some_and(|last| point.at.duration_since(last.at) < PAUSE) =>
            {
                line.push(point);
            }
            _ => self.lines.push(vec![point]),
        }
    }

    /// Every point, from the oldest to the newest.
    pub fn points(&self) -> impl Iterator<Item = &Point> {
        self.lines.iter().flatten()
    }
}
