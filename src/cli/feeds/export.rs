//! `stella feeds export`.

use std::{fmt::Display, fs, path::Path};

use stella::{
    advisory::Snapshot,
    feeds::{Key, pack},
};

use super::{args::Export, target};
use crate::{
    exit::{Exit, Failure},
    log::Log,
    progress::Progress,
    settings::{Advisories, Environment},
};

/// Runs `stella feeds export`.
pub fn run(args: &Export, environment: &Environment, log: Log) -> Result<Exit, Failure> {
    let advisories = Advisories::new(args.advisories.as_deref(), environment);
    let database = target(&advisories)?;
    let failed = |path: &Path, why: &dyn Display| Failure::unfinished(format!("{}: {why}", path.display()));
    let text = fs::read_to_string(&args.key).map_err(|error| failed(&args.key, &error))?;
    let key = Key::parse(&text)
        .map_err(|error| Failure::usage(format!("--key {}: {error}", args.key.display())))?;
    let snapshot = Snapshot::open(database).map_err(|error| {
        failed(database, &error).advise("run `stella feeds import PATH...` first, or give --advisories FILE")
    })?;
    let same = |one: &Path, other: &Path| {
        fs::canonicalize(one).ok().is_some_and(|one| fs::canonicalize(other).ok() == Some(one))
    };
    if same(&args.bundle, database) {
        return Err(Failure::usage(format!("{} is the database itself", args.bundle.display()))
            .advise("name another file for the bundle"));
    }
    let bar = Progress::new(log).begin("packing");
    let size_bytes = pack(&snapshot, &key, &args.bundle).map_err(|error| failed(&args.bundle, &error))?;
    drop(bar);
    log.note(format_args!("{} written, {size_bytes} bytes", args.bundle.display()));
    Ok(Exit::Pass)
}
