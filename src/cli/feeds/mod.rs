//! `stella feeds`: the embedded advisory database, and what is fetched for it.

mod args;
mod export;
mod status;
mod update;

use std::{
    fmt::Arguments,
    io::Write,
    path::{Path, PathBuf},
};

pub use args::Feeds;
use stella::{
    advisory::Snapshot,
    feeds::{self, Bar, Database, Target, Tell},
};

use super::{
    exit::{Exit, Failure},
    local::nowhere,
    log::Log,
    progress::{self, Progress},
    settings::{self, Advisories, Environment, cache_directory},
};

/// Runs `stella feeds`.
pub fn run(command: &Feeds, environment: &Environment, log: Log) -> Result<Exit, Failure> {
    match command {
        Feeds::Update(args) => update::run(args, environment, log),
        Feeds::Import(args) => import(args, environment, log),
        Feeds::Export(args) => export::run(args, environment, log),
        Feeds::Status(args) => status::run(args, environment),
    }
}

/// Runs `stella feeds import`.
fn import(args: &args::Import, environment: &Environment, log: Log) -> Result<Exit, Failure> {
    let advisories = Advisories::new(args.advisories.as_deref(), environment);
    let target = Target::at_once(target(&advisories)?);
    if let [path] = args.paths.as_slice()
        && feeds::is_bundle(path)
    {
        let signer = |path: &PathBuf| settings::signer("--signer (STELLA_FEEDS_SIGNER)", path);
        let signers = args.signer.iter().map(signer).collect::<Result<Vec<_>, _>>()?;
        print(&feeds::take(path, &signers, args.allow_older, &target, &log)?, environment)?;
        return Ok(Exit::Pass);
    }
    let inputs = feeds::Input::of(&args.paths, args.fetched)?;
    let allowed = allowed(args.allow_shrink, &args.max_memory)?;
    let imported = feeds::import(&inputs, &target, allowed, &log)?;
    print(&imported.snapshot, environment)?;
    imported.is_whole()?;
    Ok(Exit::Pass)
}

fn allowed(shrink: bool, max_memory: &str) -> Result<feeds::Allowed, Failure> {
    Ok(feeds::Allowed { shrink, memory_bytes: size("--max-memory", max_memory)? })
}

fn size(flag: &str, text: &str) -> Result<u64, Failure> {
    let wrong = || Failure::usage(format!("{flag} {text:?} is no size")).advise("write N, NMB or NGB");
    feeds::amount(text).ok_or_else(wrong)
}

/// Where downloads are kept; `None` where nobody says so and there is no home.
fn cache(place: &args::Place, environment: &Environment) -> Option<PathBuf> {
    place.cache_dir.clone().or_else(|| cache_directory(environment))
}

/// The file of the database, where there is one.
fn target(advisories: &Advisories) -> Result<&Path, Failure> {
    match advisories {
        Advisories::File(target) => Ok(target),
        Advisories::Nowhere => Err(nowhere()),
        Advisories::Demo => {
            Err(Failure::usage("the demo snapshot is part of the program").advise("give --advisories FILE"))
        }
    }
}

/// Prints what a database holds.
fn print(snapshot: &Snapshot, environment: &Environment) -> Result<(), Failure> {
    print_text(&Database::new(snapshot, settings::now(environment)?).to_string())
}

fn print_text(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).map_err(|error| Failure::unfinished(format!("stdout: {error}")))
}

impl From<feeds::Error> for Failure {
    fn from(error: feeds::Error) -> Self {
        let feeds::Error { is_usage, message, advice } = error;
        let failure = if is_usage { Self::usage(message) } else { Self::unfinished(message) };
        failure.advise(advice)
    }
}

impl Tell for Log {
    fn note(&self, text: Arguments<'_>) {
        Self::note(*self, text);
    }

    fn warn(&self, text: Arguments<'_>) {
        Self::warn(*self, text);
    }

    fn error(&self, text: Arguments<'_>) {
        Self::error(*self, text);
    }

    fn begin(&self, work: &str) -> Box<dyn Bar> {
        Box::new(Progress::new(*self).begin(work))
    }
}

impl Bar for progress::Bar {
    fn expect(&self, parts: usize, bytes: Option<u64>) {
        Self::expect(self, parts, bytes);
    }

    fn bytes(&self, bytes: u64) {
        Self::bytes(self, bytes);
    }

    fn part(&self) {
        Self::part(self);
    }
}
