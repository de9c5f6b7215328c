//! `stella feeds`: the embedded advisory database, and what is fetched for it.
//!
//! ```text
//! catalog (what is published where) -> fetch (what changed) -> store (files in the cache) -> import -> the database
//! ```

mod args;
mod catalog;
mod fetch;
mod import;
mod mirror;
mod status;
mod store;
mod update;

use std::path::PathBuf;

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
        Feeds::Import { paths, advisories } => {
            imported(paths, &Advisories::new(advisories.as_deref(), environment), log)
        }
        Feeds::Status(args) => status::run(args, environment),
    }
}

fn imported(paths: &[PathBuf], advisories: &Advisories, log: Log) -> Result<Exit, Failure> {
    let target = import::target(advisories)?;
    let mut import = Import::new(log);
    for path in paths {
        import.read(path).map_err(Failure::unfinished)?;
    }
    status::of_snapshot(&import.write(target, |_| Ok(()))?)
}

/// Where downloads are kept; `None` where nobody says so and there is no home.
fn cache(place: &args::Place, environment: &Environment) -> Option<PathBuf> {
    place.cache_dir.clone().or_else(|| cache_directory(environment))
}
