//! `stella feeds`: the embedded advisory database.

use std::{io::Write, num::NonZero, path::PathBuf};

use stella::{
    advisory::{Compiler, Snapshot},
    feed::osv,
};

use super::{
    args::Feeds,
    exit::{Exit, Failure},
    local::snapshot,
    log::Log,
    settings::Advisories,
};

/// Records skipped that are named one by one; the rest is counted.
const NAMED: usize = 20;

/// Runs `stella feeds`.
pub fn run(command: &Feeds, log: Log) -> Result<Exit, Failure> {
    match command {
        Feeds::Import { paths, advisories } => import(paths, advisories.as_deref(), log),
        Feeds::Status { advisories } => status(&snapshot(&Advisories::new(advisories.as_deref())?)?),
    }
}

fn import(paths: &[PathBuf], advisories: Option<&str>, log: Log) -> Result<Exit, Failure> {
    let Advisories::File(target) = Advisories::new(advisories)? else {
        return Err(
            Failure::usage("the demo snapshot is part of the program").advise("give --advisories FILE")
        );
    };
    let mut compiler = Compiler::default();
    let threads = std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
    let mut kept = 0;
    for path in paths {
        let outcome = osv::import(path, threads, &mut compiler).map_err(Failure::unfinished)?;
        kept += outcome.kept;
        log.note(format_args!(
            "{}: {} records read, {} kept, {} skipped",
            path.display(),
            outcome.read,
            outcome.kept,
            outcome.skipped.len()
        ));
        for skipped in outcome.skipped.iter().take(NAMED) {
            log.note(format_args!("skipped {}: {}", skipped.what, skipped.why));
        }
        if let Some(more) = outcome.skipped.len().checked_sub(NAMED).filter(|more| *more > 0) {
            log.note(format_args!("and {more} more skipped"));
        }
    }
    if kept == 0 {
        return Err(Failure::unfinished("nothing was imported: no record was kept"));
    }
    if let Some(parent) = target.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        std::fs::create_dir_all(parent)
            .map_err(|error| Failure::unfinished(format!("{}: {error}", parent.display())))?;
    }
    compiler.write(&target).map_err(|error| Failure::unfinished(format!("{}: {error}", target.display())))?;
    log.note(format_args!("{} written", target.display()));
    let written = Snapshot::open(&target).map_err(Failure::unfinished)?;
    status(&written)
}

fn status(snapshot: &Snapshot) -> Result<Exit, Failure> {
    let mut out = std::io::stdout().lock();
    let mut print = || -> std::io::Result<()> {
        writeln!(out, "snapshot {}{}", snapshot.id(), if snapshot.demo() { " (demo)" } else { "" })?;
        for feed in snapshot.feeds() {
            writeln!(out, "{:<24} {:>8} records, newest {}", feed.name, feed.records, feed.as_of)?;
        }
        Ok(())
    };
    print().map_err(|error| Failure::unfinished(format!("stdout: {error}")))?;
    Ok(Exit::Pass)
}
