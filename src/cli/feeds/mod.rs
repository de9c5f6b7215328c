//! `stella feeds`: the embedded advisory database, and what is fetched for it.
//!
//! ```text
//! catalog (what is published where) -> fetch (what changed) -> store (files in the cache) -> import (what changed) -> the database
//! ```

mod args;
mod bundle;
mod carry;
mod catalog;
mod fetch;
mod import;
mod mirror;
mod parts;
mod status;
mod store;
mod update;

use std::path::{Path, PathBuf};

pub use args::Feeds;
use import::Import;

use super::{
    exit::{Exit, Failure},
    log::Log,
    settings::{Advisories, Environment, cache_directory},
};

/// Runs `stella feeds`.
pub fn run(command: &Feeds, environment: &Environment, log: Log) -> Result<Exit, Failure> {
    match command {
        Feeds::Update(args) => update::run(args, environment, log),
        Feeds::Import(args) => {
            let advisories = Advisories::new(args.advisories.as_deref(), environment);
            let target = import::target(&advisories)?;
            match args.paths.as_slice() {
                [path] if carry::is_bundle(path) => carry::take(path, args, target, log),
                paths => imported(paths, target, log),
            }
        }
        Feeds::Export(args) => carry::export(args, environment, log),
        Feeds::Status(args) => status::run(args, environment),
    }
}

/// A path that cannot be read gives way to what it gave last, if it was of the database before; the others are taken.
fn imported(paths: &[PathBuf], target: &Path, log: Log) -> Result<Exit, Failure> {
    let mut import = Import::new(target, log);
    if let Some(made) = import.made_of(paths) {
        log.note(format_args!("{}: nothing has changed since it was written", target.display()));
        return status::of_snapshot(&made);
    }
    let mut failed = 0usize;
    for path in paths {
        let Err(error) = import.read(path) else { continue };
        if !import.read_last(path).is_ok_and(|read| read) {
            return Err(Failure::unfinished(error));
        }
        failed += 1;
        log.error(format_args!("{error}; what it gave when it last could be read stays"));
    }
    status::of_snapshot(&import.write(|_| Ok(()))?)?;
    match failed {
        0 => Ok(Exit::Pass),
        1 => Err(Failure::unfinished("1 path could not be read: the database has what it gave last")),
        failed => Err(Failure::unfinished(format!(
            "{failed} paths could not be read: the database has what they gave last"
        ))),
    }
}

/// Where downloads are kept; `None` where nobody says so and there is no home.
fn cache(place: &args::Place, environment: &Environment) -> Option<PathBuf> {
    place.cache_dir.clone().or_else(|| cache_directory(environment))
}
