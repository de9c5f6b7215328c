//! The command line, resolved once.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    str::FromStr,
};

use clap::{Parser, Subcommand};

use crate::{
    Failure, engine, image,
    judge::Outcome,
    machine::Machine,
    phase::{Ground, Phase, UnknownPhase},
    plant::Plant,
    report,
    result::{PhaseStats, Results, SCHEMA, Samples, State},
    run,
    store::{Kept, Store},
    targets::Targets,
    ticket,
};

/// Measures Stella against the least work that its task can cost.
#[derive(Parser)]
#[command(version, args_override_self = true)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// Measures phases, judges them, and keeps the results.
    ///
    /// Exit codes: 0 every gate passed (warnings allowed), 1 a gate closed, 2 the call is wrong, 3 could not measure: something
    /// broke, or a phase that was named is not built or not possible here.
    Run(Run),
    /// The least work for these layer blobs: inflate, hash both forms, walk the tar headers, on two threads.
    Floor {
        /// Decompress in pieces (zlib-rs) instead of whole members (libdeflate), for members too large for memory.
        #[arg(long)]
        streaming: bool,
        /// How often to measure.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
        repeat: u32,
        /// Layer blobs: plain, gzip or zstd, told from their bytes.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// An image of the Docker engine against `docker save` of it.
    Engine(engine::Arguments),
}

/// Measures phases, judges them, and keeps the results.
#[derive(clap::Args)]
pub struct Run {
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
    /// Store this run as the one that later ones are compared with, unless a gate closes.
    #[arg(long)]
    save_baseline: bool,
    /// Where the seeded images and feeds are kept between runs.
    #[arg(long, value_name = "DIR", default_value = "target/stella-perf")]
    cache: PathBuf,
    /// The program.
    #[arg(long, value_name = "FILE", default_value = "target/release/stella")]
    stella: PathBuf,
    /// The server's program.
    #[arg(long, value_name = "FILE", default_value = "target/release/stella-server")]
    server: PathBuf,
    /// Slow-downs planted to try the gates: `PHASE=4x` (times its target) or `PHASE=10%`.
    #[arg(long, value_name = "PHASE=HOW", value_delimiter = ',', env = "STELLA_PERF_PLANT")]
    plant: Vec<Plant>,
    /// Whether a soft gate opens an issue: `auto` where the CI's variables name a project of GitLab or GitHub and
    /// STELLA_PERF_TOKEN (on GitHub also GITHUB_TOKEN) is set. STELLA_PERF_CA_FILE names authorities of its own (PEM).
    /// An issue that cannot be opened is said, the exit code stays.
    #[arg(long, value_name = "MODE", default_value = "auto", env = "STELLA_PERF_TICKETS")]
    tickets: ticket::Mode,
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

/// tmpfs, so that no disk's noise is in the figures; the system's temporary directory where there is none.
fn work() -> Result<tempfile::TempDir, Failure> {
    let builder = || {
        let mut b = tempfile::Builder::new();
        b.prefix("stella-perf-");
        b
    };
    match builder().tempdir_in("/dev/shm") {
        Ok(directory) => Ok(directory),
        Err(_) => Ok(builder().tempdir()?),
    }
}

impl Run {
    /// Does it.
    pub fn run(&self) -> Result<ExitCode, Failure> {
        let phases = phases(&self.phase);
        let targets = Targets::read(&self.targets)?;
        let store = Store::open(&self.out)?;
        if let Some(baseline) = &self.baseline {
            Kept::read(baseline)?;
        }
        let now = now()?;
        let work = work()?;
        fs::create_dir_all(&self.cache)?;
        let ground = Ground {
            stella: absolute(&self.stella)?,
            server: absolute(&self.server)?,
            images: image::Set {
                delta_v1: "/tmp/stella-images/oci/py-v1".into(),
                delta_v2: "/tmp/stella-images/oci/py-v2".into(),
                delta_v1_archive: "/tmp/stella-images/tar/py-v1.tar".into(),
            },
            advisories: self.cache.join("advisories"),
            corpus: self.cache.join("corpus"),
            work: work.path().to_owned(),
        };
        let machine = Machine::look(&self.cache, work.path());
        let plan = run::Plan { phases, samples: self.samples, targets: &targets, plants: &self.plant };
        let (phases, series) = run::run(&plan, &ground);
        let results = Results {
            schema: SCHEMA,
            started: now.to_string(),
            machine,
            planted: self.plant.iter().map(ToString::to_string).collect(),
            phases,
        };
        let samples = Samples { schema: SCHEMA, phases: series };
        let mut files = report::files(&results, &samples)?;
        let filed = ticket::file(self.tickets, &results, targets.factor, &|name| std::env::var(name).ok());
        let tickets = ticket::markdown(&filed);
        if !tickets.is_empty() {
            files.push(("tickets.md", tickets.clone().into_bytes()));
        }
        let place = store.keep(&now.strftime("%Y-%m-%d").to_string(), &files)?;
        let worst = results.phases.iter().map(|row| row.judgement.outcome).max().unwrap_or_default();
        if self.save_baseline && worst < Outcome::Fail && self.plant.is_empty() {
            store.keep_as_baseline(&files)?;
        }
        let mut out = io::stdout().lock();
        out.write_all(report::markdown::text(&results).as_bytes())?;
        out.write_all(tickets.as_bytes())?;
        for ticket in &filed {
            writeln!(io::stderr(), "stella-perf: {ticket}")?;
        }
        writeln!(io::stderr(), "stella-perf: kept in {}", place.display())?;
        Ok(code(&results, &self.phase))
    }
}

/// 3: something broke, nothing at all was measured, or not a phase that was named; 1: a gate closed.
fn code(results: &Results, chosen: &[Chosen]) -> ExitCode {
    let rows = &results.phases;
    let named = |row: &PhaseStats| chosen.contains(&Chosen::One(row.phase));
    let broke = |row: &PhaseStats| matches!(row.state, State::Failed { .. });
    if rows.iter().any(|row| broke(row) || (named(row) && row.figures().is_none())) {
        return ExitCode::from(3);
    }
    if rows.iter().any(|row| row.judgement.outcome == Outcome::Fail) {
        return ExitCode::from(1);
    }
    if rows.iter().all(|row| row.figures().is_none()) {
        return ExitCode::from(3);
    }
    ExitCode::SUCCESS
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    path.canonicalize().map_err(|error| format!("{}: {error}: build it first", path.display()).into())
}

/// The moment of the run: `SOURCE_DATE_EPOCH`, or the clock.
fn now() -> Result<jiff::Timestamp, Failure> {
    match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => Ok(jiff::Timestamp::from_second(text.parse()?)?),
        Err(_) => Ok(jiff::Timestamp::now()),
    }
}
