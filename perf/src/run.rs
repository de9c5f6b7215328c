//! One run: phases made ready, warmed up, measured in turns, judged.

use std::{
    collections::BTreeMap,
    io::Write as _,
    time::{Duration, Instant},
};

use crate::{
    Failure, judge,
    phase::{Measurement, NotMeasured, Phase, Sample, Subject, ground::Ground},
    plant::{self, Plant},
    result::{self, Figures, Floor, PhaseStats, Series, State, Step},
    statistics::{
        Summary,
        comparison::{self, BLOCK},
        histogram::{self, Histogram},
    },
    targets::Targets,
};

/// How long nothing may be said on stderr.
const SILENCE: Duration = Duration::from_secs(5);

/// What to measure, and what to hold it to.
pub struct Plan<'a> {
    /// The phases.
    pub phases: Vec<Phase>,
    /// Samples of each phase; `None` for each phase's own number.
    pub samples: Option<usize>,
    /// Which part of them is taken, in whole blocks of the comparison.
    pub share: Option<f64>,
    /// What they are held to.
    pub targets: &'a Targets,
    /// Slow-downs planted on purpose.
    pub plants: &'a [Plant],
}

impl Plan<'_> {
    /// How many samples of a phase are taken.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts of samples are far below 2^52"
    )]
    fn wanted(&self, phase: Phase) -> usize {
        let all = self.samples.unwrap_or_else(|| phase.samples());
        let Some(share) = self.share else { return all };
        // Two blocks at least: fewer say nothing.
        ((all as f64 * share).ceil() as usize).next_multiple_of(BLOCK).max(2 * BLOCK)
    }
}

/// One row on its way.
struct Row {
    phase: Phase,
    measurement: Box<dyn Measurement>,
    subject: Subject,
    wanted: usize,
    samples: Vec<Sample>,
    broke: Option<Failure>,
}

impl Row {
    /// Which part of its samples it has.
    #[expect(clippy::cast_precision_loss, reason = "counts of samples are far below 2^52")]
    fn progress(&self) -> f64 {
        if self.broke.is_some() { 1.0 } else { self.samples.len() as f64 / self.wanted as f64 }
    }

    fn take(&mut self) {
        match self.measurement.take() {
            // A window without a sample would be asked for without an end.
            Ok(samples) if samples.is_empty() => self.broke = Some("took no sample".into()),
            Ok(samples) => self.samples.extend(samples),
            Err(error) => self.broke = Some(error),
        }
    }
}

/// Parts of the whole after which a pause is made.
const PAUSES: [f64; 3] = [1.0 / 6.0, 1.0 / 2.0, 5.0 / 6.0];

/// Measures; `pause` is called three times on the way, evenly, while nothing else runs.
pub fn run(
    plan: &Plan<'_>,
    ground: &Ground,
    pause: &mut dyn FnMut(),
) -> (Vec<PhaseStats>, BTreeMap<String, Series>) {
    let (mut rows, mut stats, mut series) = (Vec::new(), Vec::new(), BTreeMap::new());
    for &phase in &plan.phases {
        say(&format!("{phase}: making ready"));
        match phase.open(ground) {
            Ok(measurements) => rows.extend(measurements.into_iter().map(|m| warm(phase, m, plan))),
            Err(not) => stats.push(not_measured(phase, plan.targets, not)),
        }
    }
    measure(&mut rows, pause);
    for row in rows {
        let id = result::id(row.phase, row.subject.variant);
        let (row, taken) = finish(row, plan);
        stats.push(row);
        series.insert(id, taken);
    }
    stats.sort_by_key(|row| (row.phase, row.variant.clone()));
    (stats, series)
}

fn warm(phase: Phase, mut measurement: Box<dyn Measurement>, plan: &Plan<'_>) -> Row {
    let broke = (0..phase.warm_up()).find_map(|_| measurement.take().err());
    let (subject, wanted) = (measurement.subject(), plan.wanted(phase));
    Row { phase, measurement, subject, wanted, samples: Vec::new(), broke }
}

/// Whoever is furthest behind goes next, so that all phases meet the same machine from the first minute to the last.
fn measure(rows: &mut [Row], pause: &mut dyn FnMut()) {
    let (mut said, mut pauses) = (Instant::now(), PAUSES.into_iter().peekable());
    while let Some(row) = rows
        .iter_mut()
        .filter(|row| row.progress() < 1.0)
        .min_by(|a, b| a.progress().total_cmp(&b.progress()))
    {
        while pauses.next_if(|part| *part <= row.progress()).is_some() {
            pause();
        }
        row.take();
        if said.elapsed() > SILENCE {
            said = Instant::now();
            say(&format!("{}: {} of {} samples", row.phase, row.samples.len(), row.wanted));
        }
    }
}

fn say(what: &str) {
    // Nobody is left to tell it to when stderr is closed.
    let _ = writeln!(std::io::stderr(), "stella-perf: {what}");
}

fn not_measured(phase: Phase, targets: &Targets, not: NotMeasured) -> PhaseStats {
    let state = match not {
        NotMeasured::NotBuilt => State::NotBuilt,
        NotMeasured::NotPossible(why) => State::NotPossible { why },
        NotMeasured::Failed(error) => State::Failed { why: error.to_string() },
    };
    row(phase, None, targets, state)
}

fn row(phase: Phase, variant: Option<&str>, targets: &Targets, state: State) -> PhaseStats {
    let target = targets.of(phase, variant);
    let judgement = judge::Judgement::of(judge::targets(&state, target, targets.factor));
    PhaseStats { phase, variant: variant.map(str::to_owned), target, state, comparison: None, judgement }
}

fn finish(row: Row, plan: &Plan<'_>) -> (PhaseStats, Series) {
    let target = plan.targets.of(row.phase, row.subject.variant).map(|target| target.target_p95_ms);
    let wall_ms: Vec<f64> = row
        .samples
        .iter()
        .map(|sample| plant::delayed(plan.plants, row.phase, target, sample.wall_ms))
        .collect();
    let floor_ms: Vec<f64> = row.samples.iter().map(|sample| sample.floor_ms).collect();
    let state = match (&row.broke, Summary::of(&wall_ms), Summary::of(&floor_ms)) {
        (Some(error), ..) => State::Failed { why: error.to_string() },
        (None, Some(wall), Some(floor)) => State::Measured(Box::new(figures(&row, &wall_ms, wall, &floor))),
        (None, ..) => State::Failed { why: "took no sample".to_owned() },
    };
    let series = Series {
        diff_ids: row.subject.diff_ids.clone(),
        times: comparison::Series { samples_ms: wall_ms, floor_ms },
    };
    (self::row(row.phase, row.subject.variant, plan.targets, state), series)
}

fn figures(row: &Row, wall_ms: &[f64], wall: Summary, floor: &Summary) -> Figures {
    let floor = Floor {
        what: row.subject.floor.to_owned(),
        p50_ms: floor.p50_ms,
        p95_ms: floor.p95_ms,
        ratio_p50: wall.p50_ms / floor.p50_ms,
        ratio_p95: wall.p95_ms / floor.p95_ms,
    };
    let cpu_ms: Vec<f64> = row.samples.iter().filter_map(|sample| sample.cpu_ms).collect();
    Figures {
        source: row.subject.source.clone(),
        diff_ids: row.subject.diff_ids.clone(),
        warm_up: row.phase.warm_up(),
        summary: wall,
        histogram: histogram(wall_ms, row.phase.edges_ms()),
        floor,
        steps: steps(&row.samples),
        cpu_p50_ms: Summary::of(&cpu_ms).map(|cpu| cpu.p50_ms),
        peak_bytes: row.samples.iter().filter_map(|sample| sample.peak_bytes).max(),
        facts: row.measurement.facts().into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
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
        Some(Step { name: (*name).to_owned(), p50_ms: summary.p50_ms, p95_ms: summary.p95_ms })
    });
    steps.collect()
}
