//! `run` and `compare`: phases measured, held against targets and baseline, kept, and told.

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    str::FromStr,
};

use crate::{
    Failure,
    baseline::{self, Stored},
    judge::Outcome,
    machine::Machine,
    phase::{
        Phase, UnknownPhase,
        ground::{self, work},
    },
    plant::Plant,
    report,
    result::{Baseline, PhaseStats, Results, SCHEMA, Samples, State},
    run, say,
    statistics::comparison::Comparison,
    store::{Kept, Programs, Store},
    targets::Targets,
    ticket,
    worker::{Ready, Worker},
};

/// Measures phases, judges them, and keeps the results.
#[derive(clap::Args)]
pub struct Arguments {
    /// Phases by name, or `all`, or `quick` (what a merge request has the time for).
    #[arg(long, value_name = "PHASE,...", value_delimiter = ',', default_value = "all")]
    phase: Vec<Chosen>,
    /// Samples of each phase instead of its own number.
    #[arg(long, value_name = "N", value_parser = positive)]
    samples: Option<usize>,
    /// Where the results are kept, one directory per run.
    #[arg(long, value_name = "DIR", default_value = "bench-artifacts")]
    out: PathBuf,
    /// What the phases are held to.
    #[arg(long, value_name = "FILE", default_value = "perf/targets.yaml")]
    targets: PathBuf,
    /// A run to compare with, instead of the one stored as OUT/baseline.
    #[arg(long, value_name = "DIR")]
    baseline: Option<PathBuf>,
    /// Store this run, with its programs, as the one that later ones are compared with, unless a gate closes. It is compared
    /// with none itself.
    #[arg(long, conflicts_with = "baseline")]
    save_baseline: bool,
    #[command(flatten)]
    ground: ground::Arguments,
    /// Slow-downs planted to try the gates: `PHASE=4x` (times its target) or `PHASE=10%`.
    #[arg(long, value_name = "PHASE=HOW", value_delimiter = ',', env = "STELLA_PERF_PLANT")]
    plant: Vec<Plant>,
    /// Send the metrics to this Prometheus Pushgateway.
    #[arg(long, value_name = "URL", value_parser = address)]
    push: Option<String>,
    /// Whether a soft gate opens an issue: `auto` where the CI's variables name a project of GitLab or GitHub and
    /// STELLA_PERF_TOKEN (on GitHub also GITHUB_TOKEN) is set. STELLA_PERF_CA_FILE names authorities of its own (PEM).
    /// An issue that cannot be opened is said, the exit code stays.
    #[arg(long, value_name = "MODE", default_value = "auto", env = "STELLA_PERF_TICKETS")]
    tickets: ticket::Mode,
}

fn address(text: &str) -> Result<String, String> {
    let scheme = ["http://", "https://"].into_iter().any(|scheme| text.starts_with(scheme));
    scheme.then(|| text.to_owned()).ok_or_else(|| "want http:// or https://".to_owned())
}

fn positive(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| *n > 0).ok_or_else(|| "want a whole number above 0".to_owned())
}

/// A word that chooses phases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chosen {
    All,
    Quick,
    One(Phase),
}

impl FromStr for Chosen {
    type Err = UnknownPhase;

    fn from_str(text: &str) -> Result<Self, UnknownPhase> {
        match text {
            "all" => Ok(Self::All),
            "quick" => Ok(Self::Quick),
            name => name.parse().map(Self::One),
        }
    }
}

/// The phases that were chosen, each once, in the order of every table.
fn phases(chosen: &[Chosen]) -> Vec<Phase> {
    let mut phases = Vec::new();
    for word in chosen {
        match word {
            Chosen::All => phases.extend(Phase::all()),
            Chosen::Quick => phases.extend(Phase::quick()),
            Chosen::One(phase) => phases.push(*phase),
        }
    }
    phases.sort();
    phases.dedup();
    phases
}

impl Arguments {
    /// Does it.
    pub fn run(&self) -> Result<ExitCode, Failure> {
        let chosen = phases(&self.phase);
        if let Some(plant) = self.plant.iter().find(|plant| !chosen.contains(&plant.phase)) {
            say(&format!("--plant {plant}: that phase is not measured"));
            return Ok(ExitCode::from(2));
        }
        let targets = Targets::read(&self.targets)?;
        let store = Store::open(&self.out)?;
        let baseline = self.baseline(&store)?;
        let started = now()?;
        let work = work()?;
        let ground = self.ground.open(work.path())?;
        let (stella, server) = (ground.stella, ground.server);
        let programs = Programs { stella, server, perf: std::env::current_exe()? };
        let measured = programs.digests()?;
        let machine = Machine::look(&self.ground.cache, work.path());
        drop(work);
        let feeds = ground.feeds.as_deref();
        let (samples, plants) = (self.samples, &self.plant);
        let plan = run::Plan { phases: chosen, samples, targets: &targets, plants, feeds };
        let taken = run::run(&plan, &programs, &ground.cache, |ready| {
            former(ready, baseline.as_ref(), &ground.cache, feeds)
        })?;
        let mut results = Results {
            schema: SCHEMA,
            started: started.to_string(),
            machine,
            planted: self.plant.iter().map(ToString::to_string).collect(),
            baseline: None,
            phases: taken.phases,
        };
        let samples = taken.samples;
        let refused = match (&baseline, taken.former_broke) {
            (None, _) => Vec::new(),
            (Some((directory, _)), Some(why)) => vec![format!(
                "not compared: the baseline's programs in {} could not be measured: {why}; store a new baseline with \
                 --save-baseline",
                directory.display()
            )],
            (Some((directory, kept)), None) => {
                let again = Programs::of(directory).perf.exists().then_some(&taken.former);
                hold(&mut results, &samples, &Stored { kept, again })
            }
        };

        let mut files = report::files(&results, &samples)?;
        let filed = ticket::file(self.tickets, &results, targets.factor, &|name| std::env::var(name).ok());
        let tickets = ticket::markdown(&filed);
        if !tickets.is_empty() {
            files.push(("tickets.md", tickets.clone().into_bytes()));
        }
        let place = store.keep(&started.strftime("%Y-%m-%d").to_string(), &files)?;
        let mut code = code(&results, &self.phase);
        if self.save_baseline {
            if programs.digests()? != measured {
                say("not stored as the baseline: the programs are others than when the run began");
                code = code.max(3);
            } else if code == 0 && self.plant.is_empty() {
                store.keep_as_baseline(&files, &programs)?;
            } else {
                say("not stored as the baseline: a gate closed, something broke, or a slow-down was planted");
            }
        }
        let mut out = io::stdout().lock();
        out.write_all(report::markdown::text(&results).as_bytes())?;
        out.write_all(tickets.as_bytes())?;
        filed.iter().for_each(|ticket| say(&ticket.to_string()));
        say(&format!("kept in {}", place.display()));
        if let Some(url) = &self.push
            && let Err(error) = report::push::send(url, &results)
        {
            say(&error.to_string());
            code = if code == 0 { 3 } else { code };
        }
        Ok(with_refused(code, &refused))
    }

    /// Read before anything is measured: one that cannot be read would be missed only at the end. None where a new one is to be
    /// stored.
    fn baseline(&self, store: &Store) -> Result<Option<(PathBuf, Kept)>, Failure> {
        let stored = store.baseline();
        let directory = self.baseline.clone().or_else(|| stored.exists().then_some(stored));
        let Some(directory) = directory.filter(|_| !self.save_baseline) else { return Ok(None) };
        let kept = Kept::read(&directory).map_err(|error| {
            format!("the baseline cannot be read: {error}; store a new one with --save-baseline")
        })?;
        Ok(Some((directory, kept)))
    }
}

/// The baseline's programs at the phases that are ready and that they know; none where the baseline has no programs.
fn former(
    ready: &[Phase],
    baseline: Option<&(PathBuf, Kept)>,
    cache: &Path,
    feeds: Option<&Path>,
) -> Result<Option<(Worker, Ready)>, Failure> {
    let Some((directory, kept)) = baseline else { return Ok(None) };
    let (programs, phases) = (Programs::of(directory), known(ready, kept));
    if phases.is_empty() || !programs.perf.exists() {
        return Ok(None);
    }
    say("the baseline's programs:");
    let (worker, former) = Worker::start(&programs, &phases, cache, feeds)?;
    // Here, and in the stored run, they were measured.
    if let Some((phase, state)) = former.not_measured.first() {
        return Err(format!("{phase}: {}", state.why_not().unwrap_or_default()).into());
    }
    Ok(Some((worker, former)))
}

/// The phases that the stored run measured: its programs know no newer ones.
fn known(phases: &[Phase], kept: &Kept) -> Vec<Phase> {
    let stored = |phase: &&Phase| {
        kept.results.phases.iter().any(|row| row.phase == **phase && row.figures().is_some())
    };
    phases.iter().filter(stored).copied().collect()
}

/// Holds the results against a kept run, which they then name.
///
/// Gives which rows were not compared, and why.
fn hold(results: &mut Results, samples: &Samples, stored: &Stored<'_>) -> Vec<String> {
    let kept = &stored.kept.results;
    let (started, commit) = (kept.started.clone(), kept.machine.commit.clone());
    results.baseline = Some(Baseline { started, commit, in_turns: stored.again.is_some() });
    let refused = baseline::hold(&mut results.phases, samples, &results.machine, stored);
    refused.iter().map(ToString::to_string).collect()
}

/// 3: something broke, nothing at all was measured, or not a phase that was named; 1: a gate closed.
fn code(results: &Results, chosen: &[Chosen]) -> u8 {
    let rows = &results.phases;
    let named = |row: &PhaseStats| chosen.contains(&Chosen::One(row.phase));
    let broke = |row: &PhaseStats| matches!(row.state, State::Failed { .. });
    if rows.iter().any(|row| broke(row) || (named(row) && row.figures().is_none())) {
        3
    } else if rows.iter().any(|row| row.judgement.outcome == Outcome::Fail) {
        1
    } else if rows.iter().all(|row| row.figures().is_none()) {
        3
    } else {
        0
    }
}

/// A comparison that was refused is none: the run cannot pass by it, and a gate that closed stays closed.
fn with_refused(code: u8, refused: &[String]) -> ExitCode {
    refused.iter().for_each(|why| say(why));
    ExitCode::from(if code == 0 && !refused.is_empty() { 3 } else { code })
}

/// Compares two kept runs.
#[derive(clap::Args)]
pub struct Compare {
    /// The earlier run's directory.
    baseline: PathBuf,
    /// The later run's directory.
    run: PathBuf,
}

impl Compare {
    /// Does it.
    pub fn run(&self) -> Result<ExitCode, Failure> {
        let (kept, Kept { mut results, samples }) = (Kept::read(&self.baseline)?, Kept::read(&self.run)?);
        // What that run said of its own targets and baseline is not asked here.
        for row in &mut results.phases {
            (row.comparison, row.judgement) = (None, crate::judge::Judgement::of(Vec::new()));
        }
        let refused = hold(&mut results, &samples, &Stored { kept: &kept, again: None });
        io::stdout().lock().write_all(report::markdown::comparison(&results).as_bytes())?;
        let slower = results.phases.iter().any(|row| row.judgement.outcome == Outcome::Fail);
        let judged = |row: &PhaseStats| {
            row.comparison.as_ref().is_some_and(|comparison| !matches!(comparison, Comparison::NotJudged(_)))
        };
        let code = if results.phases.iter().any(judged) { u8::from(slower) } else { 3 };
        Ok(with_refused(code, &refused))
    }
}

/// The moment of the run: `SOURCE_DATE_EPOCH`, or the clock.
pub fn now() -> Result<jiff::Timestamp, Failure> {
    match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(text) if !text.is_empty() => text
            .parse()
            .ok()
            .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
            .ok_or_else(|| format!("SOURCE_DATE_EPOCH={text:?}: want seconds since 1970").into()),
        _ => Ok(jiff::Timestamp::now()),
    }
}
