//! One run: phases measured in turns, by a worker each of this run's programs and the baseline's, and judged.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use crate::{
    Failure, judge,
    phase::{Phase, Sample},
    plant::{self, Plant},
    result::{Figures, Floor, PhaseStats, SCHEMA, Samples, Series, State, Step},
    say,
    statistics::{
        Summary, comparison,
        histogram::{self, Histogram},
    },
    store::Programs,
    targets::Targets,
    worker::{self, Ready, Worker},
};

/// How long nothing may be said on stderr.
const SILENCE: Duration = Duration::from_secs(5);

/// What to measure, and what to hold it to.
pub struct Plan<'a> {
    /// The phases.
    pub phases: Vec<Phase>,
    /// Samples of each phase; `None` for each phase's own number.
    pub samples: Option<usize>,
    /// What they are held to.
    pub targets: &'a Targets,
    /// Slow-downs planted on purpose.
    pub plants: &'a [Plant],
    /// Real feeds, where some are given.
    pub feeds: Option<&'a Path>,
}

/// What a run came to.
pub struct Taken {
    /// A row for each phase, or each variant of one.
    pub phases: Vec<PhaseStats>,
    /// Their samples.
    pub samples: Samples,
    /// What the baseline's programs took in turns with them.
    pub former: Samples,
    /// Why those took no more.
    pub former_broke: Option<Failure>,
}

/// One row on its way.
struct Row {
    /// What it is.
    of: worker::Row,
    wanted: usize,
    samples: Vec<Sample>,
    facts: BTreeMap<String, f64>,
    broke: Option<Failure>,
    /// What the baseline's programs took; `None` where they do not know it.
    former: Option<comparison::Series>,
    turns: usize,
    /// Whether a turn gives many samples.
    windows: bool,
}

impl Row {
    fn new(of: worker::Row, samples: Option<usize>, known: &[String]) -> Self {
        let wanted = samples.unwrap_or_else(|| of.phase.samples());
        let none = || comparison::Series { samples_ms: Vec::new(), floor_ms: Vec::new() };
        let former = known.contains(&of.id()).then(none);
        Self {
            of,
            wanted,
            samples: Vec::new(),
            facts: BTreeMap::new(),
            broke: None,
            former,
            turns: 0,
            windows: false,
        }
    }

    /// Which part of its samples it has.
    #[expect(clippy::cast_precision_loss, reason = "counts of samples are far below 2^52")]
    fn progress(&self) -> f64 {
        if self.broke.is_some() { 1.0 } else { self.samples.len() as f64 / self.wanted as f64 }
    }

    /// One turn: this run's programs and the baseline's.
    fn take(&mut self, own: &mut Worker, former: Option<&mut Worker>) -> Result<(), Failure> {
        let order = Order::of(self.turns, self.windows);
        self.turns += 1;
        match order {
            Order::Alone => {
                self.take_own(own);
                Ok(())
            }
            Order::FormerSecond => {
                self.take_own(own);
                self.take_former(former)
            }
            Order::FormerFirst => {
                let taken = self.take_former(former);
                self.take_own(own);
                taken
            }
        }
    }

    fn take_own(&mut self, own: &mut Worker) {
        match own.take(&self.of.id()) {
            Ok(taken) => {
                self.windows |= taken.samples.len() > 1;
                self.samples.extend(taken.samples);
                self.facts = taken.facts;
            }
            Err(error) => self.broke = Some(error),
        }
    }

    fn take_former(&mut self, former: Option<&mut Worker>) -> Result<(), Failure> {
        let id = self.of.id();
        if let (Some(former), Some(series), None) = (former, &mut self.former, &self.broke) {
            let taken = former.take(&id).map_err(|error| format!("{id}: {error}"))?;
            series.samples_ms.extend(taken.samples.iter().map(|sample| sample.wall_ms));
            series.floor_ms.extend(taken.samples.iter().map(|sample| sample.floor_ms));
        }
        Ok(())
    }
}

/// When the baseline's programs have their part of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Alone,
    FormerFirst,
    FormerSecond,
}

impl Order {
    /// Whoever was second goes first the next time: who comes second finds the caches warm. Of a load's windows, which take
    /// long and are many samples each, the baseline's programs have one of four.
    fn of(turn: usize, windows: bool) -> Self {
        let each = if windows { 4 } else { 1 };
        match (turn % each, turn / each % 2) {
            (0, 0) => Self::FormerSecond,
            (0, _) => Self::FormerFirst,
            _ => Self::Alone,
        }
    }
}

/// Measures `programs`, in turns with what `former` gives for the phases that are ready.
pub fn run(
    plan: &Plan<'_>,
    programs: &Programs,
    cache: &Path,
    former: impl FnOnce(&[Phase]) -> Result<Option<(Worker, Ready)>, Failure>,
) -> Result<Taken, Failure> {
    let (mut own, ready) = Worker::start(programs, &plan.phases, cache, plan.feeds)?;
    let mut phases: Vec<Phase> = ready.ready.iter().map(|row| row.phase).collect();
    phases.dedup();
    let (former, known, mut broke) = match former(&phases) {
        Ok(Some((worker, ready))) => (Some(worker), ready.ready.iter().map(worker::Row::id).collect(), None),
        Ok(None) => (None, Vec::new(), None),
        Err(error) => (None, Vec::new(), Some(error)),
    };
    let mut rows: Vec<Row> = ready.ready.into_iter().map(|row| Row::new(row, plan.samples, &known)).collect();
    if let Err(error) = measure(&mut rows, &mut own, former) {
        broke = Some(error);
    }
    let empty = || Samples { schema: SCHEMA, ..Samples::default() };
    let mut taken = Taken {
        phases: ready
            .not_measured
            .into_iter()
            .map(|(phase, state)| row(phase, None, plan.targets, state))
            .collect(),
        samples: empty(),
        former: empty(),
        former_broke: broke,
    };
    for row in rows {
        finish(row, plan, &mut taken);
    }
    taken.phases.sort_by_key(|row| (row.phase, row.variant.clone()));
    Ok(taken)
}

/// Whoever is furthest behind goes next, so that all phases meet the same machine from the first minute to the last. Gives why
/// `former` took no more; the rows go on alone.
fn measure(rows: &mut [Row], own: &mut Worker, mut former: Option<Worker>) -> Result<(), Failure> {
    let (mut said, mut broke) = (Instant::now(), Ok(()));
    while let Some(row) = rows
        .iter_mut()
        .filter(|row| row.progress() < 1.0)
        .min_by(|a, b| a.progress().total_cmp(&b.progress()))
    {
        if let Err(error) = row.take(own, former.as_mut()) {
            (former, broke) = (None, Err(error));
        }
        if said.elapsed() > SILENCE {
            said = Instant::now();
            say(&format!("{}: {} of {} samples", row.of.id(), row.samples.len(), row.wanted));
        }
    }
    broke
}

fn row(phase: Phase, variant: Option<&str>, targets: &Targets, state: State) -> PhaseStats {
    let target = targets.of(phase, variant);
    let judgement = judge::Judgement::of(judge::targets(&state, target, targets.factor));
    PhaseStats { phase, variant: variant.map(str::to_owned), target, state, comparison: None, judgement }
}

fn finish(row: Row, plan: &Plan<'_>, taken: &mut Taken) {
    let (phase, variant) = (row.of.phase, row.of.subject.variant.as_deref());
    let target = plan.targets.of(phase, variant).map(|target| target.target_p95_ms);
    let wall_ms: Vec<f64> =
        row.samples.iter().map(|sample| plant::delayed(plan.plants, phase, target, sample.wall_ms)).collect();
    let floor_ms: Vec<f64> = row.samples.iter().map(|sample| sample.floor_ms).collect();
    let state = match (&row.broke, Summary::of(&wall_ms), Summary::of(&floor_ms)) {
        (Some(error), ..) => State::Failed { why: error.to_string() },
        (None, Some(wall), Some(floor)) => State::Measured(Box::new(figures(&row, &wall_ms, wall, &floor))),
        (None, ..) => State::Failed { why: "took no sample".to_owned() },
    };
    let id = row.of.id();
    taken.phases.push(self::row(phase, variant, plan.targets, state));
    let series = |times| Series { diff_ids: row.of.subject.diff_ids.clone(), times };
    if let Some(former) = row.former {
        taken.former.phases.insert(id.clone(), series(former));
    }
    taken.samples.phases.insert(id, series(comparison::Series { samples_ms: wall_ms, floor_ms }));
}

fn figures(row: &Row, wall_ms: &[f64], wall: Summary, floor: &Summary) -> Figures {
    let floor = Floor {
        what: row.of.subject.floor.to_string(),
        p50_ms: floor.p50_ms,
        p95_ms: floor.p95_ms,
        ratio_p50: wall.p50_ms / floor.p50_ms,
        ratio_p95: wall.p95_ms / floor.p95_ms,
    };
    let cpu_ms: Vec<f64> = row.samples.iter().filter_map(|sample| sample.cpu_ms).collect();
    Figures {
        source: row.of.subject.source.clone(),
        diff_ids: row.of.subject.diff_ids.clone(),
        warm_up: row.of.phase.warm_up(),
        summary: wall,
        histogram: histogram(wall_ms, row.of.phase.edges_ms()),
        floor,
        steps: steps(&row.samples),
        cpu_p50_ms: Summary::of(&cpu_ms).map(|cpu| cpu.p50_ms),
        peak_bytes: row.samples.iter().filter_map(|sample| sample.peak_bytes).max(),
        facts: row.facts.clone(),
    }
}

/// The workbook's edges where a phase has some, else those that every run shares.
fn histogram(wall_ms: &[f64], edges_ms: Option<&[f64]>) -> Histogram {
    match edges_ms {
        Some(edges_ms) => Histogram::of(wall_ms, edges_ms),
        None => Histogram::of(wall_ms, &histogram::edges_ms(wall_ms)),
    }
}

/// The steps in the order in which the first sample has them.
fn steps(samples: &[Sample]) -> Vec<Step> {
    let Some(first) = samples.first() else { return Vec::new() };
    let steps = first.steps.iter().filter_map(|(name, _)| {
        let taken: Vec<f64> = samples
            .iter()
            .filter_map(|sample| sample.steps.iter().find(|(other, _)| other == name).map(|(_, ms)| *ms))
            .collect();
        let summary = Summary::of(&taken)?;
        Some(Step { name: name.to_string(), p50_ms: summary.p50_ms, p95_ms: summary.p95_ms })
    });
    steps.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_always_second() {
        let orders = |windows| (0..8).map(|turn| Order::of(turn, windows)).collect::<Vec<_>>();
        assert_eq!(orders(false), [Order::FormerSecond, Order::FormerFirst].repeat(4));
        let mut windows = [Order::Alone; 8];
        (windows[0], windows[4]) = (Order::FormerSecond, Order::FormerFirst);
        assert_eq!(orders(true), windows);
    }
}
