//! The command line, resolved once.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

use crate::{
    Failure, corpus, engine, image,
    judge::Outcome,
    machine::Machine,
    phase::{Ground, Phase},
    plant::Plant,
    report,
    result::{Baseline, Results, SCHEMA, Samples, State},
    run,
    store::{Kept, Store},
    targets::Targets,
    trend,
};

/// Measures Stella against the least work that its task can cost.
#[derive(Parser)]
#[command(version)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// Measures phases, judges them, and keeps the results.
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
    /// Stella beside Syft and Trivy: the same images, in turns.
    Peers(crate::peers::Arguments),
    /// An image of the Docker engine against `docker save` of it.
    Engine(engine::Arguments),
    /// The last weeks' 95th percentile of each phase, as a plot and a page.
    Trend(trend::Arguments),
    /// Every file of a kept run, made again from its results.
    Export(report::export::Export),
}

/// Measures phases, judges them, and keeps the results.
#[derive(clap::Args)]
pub struct Run {
    /// Phases by name, or `all`, or `quick` (what a merge request has the time for).
    #[arg(long, value_name = "PHASE,...", value_delimiter = ',', default_value = "all")]
    phase: Vec<String>,
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
    #[command(flatten)]
    ground: GroundArguments,
    /// Slow-downs planted to try the gates: `PHASE=4x` (times its target) or `PHASE=10%`.
    #[arg(long, value_name = "PHASE=HOW", value_delimiter = ',', env = "STELLA_PERF_PLANT")]
    plant: Vec<Plant>,
    /// Send the metrics to this Prometheus Pushgateway.
    #[arg(long, value_name = "URL")]
    push: Option<String>,
}

fn positive(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| *n > 0).ok_or_else(|| "want a whole number above 0".to_owned())
}

/// The phases that were named, each once, in the order of every table.
fn phases(names: &[String]) -> Result<Vec<Phase>, Failure> {
    let mut chosen = Vec::new();
    for name in names {
        match name.as_str() {
            "all" => chosen.extend(Phase::all()),
            "quick" => chosen.extend(Phase::quick()),
            name => chosen.push(name.parse()?),
        }
    }
    chosen.sort();
    chosen.dedup();
    Ok(chosen)
}

/// tmpfs, so that no disk's noise is in the figures; the system's temporary directory where there is none.
pub fn work() -> Result<tempfile::TempDir, Failure> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("stella-perf-");
    Ok(builder.tempdir_in("/dev/shm").or_else(|_| builder.tempdir())?)
}

impl Run {
    /// Does it.
    pub fn run(&self) -> Result<ExitCode, Failure> {
        let phases = phases(&self.phase)?;
        let targets = Targets::read(&self.targets)?;
        let store = Store::open(&self.out)?;
        // Before anything is measured: a baseline that cannot be read would be missed only at the end.
        let baseline = match &self.baseline {
            Some(directory) => Some(Kept::read(directory)?),
            None if store.baseline().exists() => Some(Kept::read(&store.baseline())?),
            None => None,
        };
        let now = now()?;
        let work = work()?;
        let ground = self.ground.open(work.path())?;
        let machine = Machine::look(&self.ground.cache, work.path());
        let plan = run::Plan { phases, samples: self.samples, targets: &targets, plants: &self.plant };
        let (phases, series) = run::run(&plan, &ground);
        let mut results = Results {
            schema: SCHEMA,
            started: now.to_string(),
            machine,
            planted: self.plant.iter().map(ToString::to_string).collect(),
            baseline: None,
            phases,
        };
        let samples = Samples { schema: SCHEMA, phases: series };
        let mut refused = Vec::new();
        if let Some(kept) = &baseline {
            let Machine { commit, .. } = &kept.results.machine;
            results.baseline = Some(Baseline { started: kept.results.started.clone(), commit: commit.clone() });
            refused = baseline::hold(&mut results.phases, &samples, &results.machine, kept);
        }
        let files = report::files(&results, &samples)?;
        let place = store.keep(&now.strftime("%Y-%m-%d").to_string(), &files)?;
        let worst = results.phases.iter().map(|row| row.judgement.outcome).max().unwrap_or_default();
        if self.save_baseline && worst < Outcome::Fail && self.plant.is_empty() {
            store.keep_as_baseline(&files)?;
        }
        let mut out = io::stdout().lock();
        out.write_all(report::markdown::text(&results).as_bytes())?;
        writeln!(io::stderr(), "stella-perf: kept in {}", place.display())?;
        if let Some(url) = &self.push {
            report::push::send(url, &results)?;
        }
        Ok(code(&results))
    }
}

/// What is measured, and where what it is measured on is kept.
#[derive(clap::Args)]
pub struct GroundArguments {
    /// Where the seeded images and feeds are kept between runs.
    #[arg(long, value_name = "DIR", default_value = "target/stella-perf")]
    cache: PathBuf,
    /// The program.
    #[arg(long, value_name = "FILE", default_value = "target/release/stella")]
    stella: PathBuf,
    /// The server's program.
    #[arg(long, value_name = "FILE", default_value = "target/release/stella-server")]
    server: PathBuf,
}

impl GroundArguments {
    /// Images, corpus and advisories; written where they are not there.
    pub fn open(&self, work: &Path) -> Result<Ground, Failure> {
        let [stella, server] = [&self.stella, &self.server].map(|path| {
            path.canonicalize().map_err(|error| format!("{}: {error}: build it first", path.display()))
        });
        let (stella, server) = (stella?, server?);
        fs::create_dir_all(&self.cache).map_err(|error| format!("{}: {error}", self.cache.display()))?;
        // Gates run in directories of their own, where a relative path would lead elsewhere.
        let cache = self.cache.canonicalize()?;
        let (corpus, advisories) = (cache.join("corpus"), cache.join("advisories"));
        let images = image::write(&cache.join("images"))?;
        corpus::write(&corpus)?;
        corpus::compile(&corpus, &stella, &advisories)?;
        Ok(Ground { stella, server, images, advisories, corpus, work: work.to_owned() })
    }
}

/// 1: a gate closed; 3: something broke, or nothing at all was measured.
fn code(results: &Results) -> ExitCode {
    let rows = &results.phases;
    if rows.iter().any(|row| matches!(row.state, State::Failed { .. })) {
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

/// The moment of the run: `SOURCE_DATE_EPOCH`, or the clock.
pub fn now() -> Result<jiff::Timestamp, Failure> {
    match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => Ok(jiff::Timestamp::from_second(text.parse()?)?),
        Err(_) => Ok(jiff::Timestamp::now()),
    }
}
