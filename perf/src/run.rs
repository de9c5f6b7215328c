//! One run: phases made ready, warmed up, measured in turns, judged.

use std::{
    io::Write as _,
    time::{Duration, Instant},
};

use crate::{
    Failure,
    former::Former,
    judge,
    phase::{Measurement, NotMeasured, Phase, Sample, Subject, ground::Ground},
    plant::{self, Plant},
    result::{self, Figures, Floor, PhaseStats, SCHEMA, Samples, Series, State, Step},
    statistics::{
        Summary, comparison,
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
    /// What they are held to.
    pub targets: &'a Targets,
    /// Slow-downs planted on purpose.
    pub plants: &'a [Plant],
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
    phase: Phase,
    measurement: Box<dyn Measurement>,
    subject: Subject,
    wanted: usize,
    samples: Vec<Sample>,
    broke: Option<Failure>,
    /// What the baseline's programs took.
    former: comparison::Series,
    turns: usize,
}

impl Row {
    /// Made ready, and warm.
    fn new(phase: Phase, mut measurement: Box<dyn Measurement>, samples: Option<usize>) -> Self {
        let broke = (0..phase.warm_up()).find_map(|_| measurement.take().err());
        let (subject, wanted) = (measurement.subject(), samples.unwrap_or_else(|| phase.samples()));
        let former = comparison::Series { samples_ms: Vec::new(), floor_ms: Vec::new() };
        Self { phase, measurement, subject, wanted, samples: Vec::new(), broke, former, turns: 0 }
    }

    fn id(&self) -> String {
        result::id(self.phase, self.subject.variant)
    }

    /// Which part of its samples it has.
    fn progress(&self) -> f64 {
        if self.broke.is_some() { 1.0 } else { part(self.samples.len(), self.wanted) }
    }

    /// One turn: this run's programs and the baseline's, whoever was second goes first.
    fn take(&mut self, former: &mut Option<Former>) -> Result<(), Failure> {
        self.turns += 1;
        if self.turns % 2 == 1 {
            self.take_own();
            self.take_former(former)
        } else {
            let taken = self.take_former(former);
            self.take_own();
            taken
        }
    }

    fn take_own(&mut self) {
        match self.measurement.take() {
            // A window without a sample would be asked for without an end.
            Ok(samples) if samples.is_empty() => self.broke = Some("took no sample".into()),
            Ok(samples) => self.samples.extend(samples),
            Err(error) => self.broke = Some(error),
        }
    }

    /// They take fewer of what has thousands, evenly over the run.
    fn take_former(&mut self, former: &mut Option<Former>) -> Result<(), Failure> {
        let wanted = (self.wanted / 4).max(ENOUGH).min(self.wanted);
        let due = self.broke.is_none() && part(self.former.samples_ms.len(), wanted) <= self.progress();
        let id = self.id();
        if let Some(former) = former.as_mut().filter(|former| due && former.has(&id)) {
            let more = former.take(&id)?;
            self.former.samples_ms.extend(more.samples_ms);
            self.former.floor_ms.extend(more.floor_ms);
        }
        Ok(())
    }
}

/// So many samples of the baseline's programs are enough for the comparison.
const ENOUGH: usize = 100;

#[expect(clippy::cast_precision_loss, reason = "counts of samples are far below 2^52")]
fn part(samples: usize, wanted: usize) -> f64 {
    samples as f64 / wanted as f64
}

/// Measures, in turns with what `former` gives for the phases that are ready.
pub fn run(
    plan: &Plan<'_>,
    ground: &Ground,
    former: impl FnOnce(&[Phase]) -> Result<Option<Former>, Failure>,
) -> Taken {
    let (mut rows, mut phases) = (Vec::new(), Vec::new());
    for &phase in &plan.phases {
        say(&format!("{phase}: making ready"));
        match phase.open(ground) {
            Ok(measurements) => {
                rows.extend(measurements.into_iter().map(|m| Row::new(phase, m, plan.samples)))
            }
            Err(not) => phases.push(not_measured(phase, plan.targets, not)),
        }
    }
    let mut ready: Vec<Phase> = rows.iter().map(|row| row.phase).collect();
    ready.dedup();
    let former_broke = former(&ready).and_then(|former| measure(&mut rows, former)).err();
    let empty = || Samples { schema: SCHEMA, ..Samples::default() };
    let mut taken = Taken { phases, samples: empty(), former: empty(), former_broke };
    for row in rows {
        finish(row, plan, &mut taken);
    }
    taken.phases.sort_by_key(|row| (row.phase, row.variant.clone()));
    taken
}

/// Whoever is furthest behind goes next, so that all phases meet the same machine from the first minute to the last. Gives why
/// `former` took no more; the rows go on alone.
fn measure(rows: &mut [Row], mut former: Option<Former>) -> Result<(), Failure> {
    let (mut said, mut broke) = (Instant::now(), Ok(()));
    while let Some(row) = rows
        .iter_mut()
        .filter(|row| row.progress() < 1.0)
        .min_by(|a, b| a.progress().total_cmp(&b.progress()))
    {
        if let Err(error) = row.take(&mut former) {
            (former, broke) = (None, Err(error));
        }
        if said.elapsed() > SILENCE {
            said = Instant::now();
            say(&format!("{}: {} of {} samples", row.phase, row.samples.len(), row.wanted));
        }
    }
    broke
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

fn finish(row: Row, plan: &Plan<'_>, taken: &mut Taken) {
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
    let id = row.id();
    taken.phases.push(self::row(row.phase, row.subject.variant, plan.targets, state));
    let series = |times| Series { diff_ids: row.subject.diff_ids.clone(), times };
    if !row.former.samples_ms.is_empty() {
        taken.former.phases.insert(id.clone(), series(row.former));
    }
    taken.samples.phases.insert(id, series(comparison::Series { samples_ms: wall_ms, floor_ms }));
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
