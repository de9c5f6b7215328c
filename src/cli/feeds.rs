//! `stella feeds`: the embedded advisory database.

use std::{
    fs::Metadata,
    io::Write,
    num::NonZero,
    path::{Path, PathBuf},
};

use stella::{
    advisory::{Compiler, Snapshot},
    feed::{self, Merged, Outcome},
};

use super::{
    args::Feeds,
    exit::{Exit, Failure},
    local::{nowhere, snapshot},
    log::Log,
    progress::Progress,
    settings::{Advisories, Environment},
};

/// Runs `stella feeds`.
pub fn run(command: &Feeds, environment: &Environment, log: Log) -> Result<Exit, Failure> {
    match command {
        Feeds::Import { paths, advisories } => {
            import(paths, &Advisories::new(advisories.as_deref(), environment), log)
        }
        Feeds::Status { advisories } => {
            status(&snapshot(&Advisories::new(advisories.as_deref(), environment))?)
        }
    }
}

fn import(paths: &[PathBuf], advisories: &Advisories, log: Log) -> Result<Exit, Failure> {
    let target = match advisories {
        Advisories::File(target) => target,
        Advisories::Nowhere => return Err(nowhere()),
        Advisories::Demo => {
            return Err(
                Failure::usage("the demo snapshot is part of the program").advise("give --advisories FILE")
            );
        }
    };
    let (mut compiler, mut import) = (Compiler::default(), feed::Import::default());
    let threads = std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
    let progress = Progress::new(log);
    for path in paths {
        let name = path.file_name().unwrap_or(path.as_os_str());
        let bar = progress.begin(&format!("importing {}", name.display()));
        let file = path.metadata().ok().filter(Metadata::is_file);
        bar.expect(0, file.map(|file| file.len()));
        let outcomes = import.read(path, threads, &|bytes| bar.bytes(bytes));
        drop(bar);
        for (source, outcome) in outcomes.map_err(Failure::unfinished)? {
            told(path, source, &outcome, log);
        }
    }
    let bar = progress.begin("compiling");
    let Merged { kept, facts, replaced, withdrawn } = import.compile(&mut compiler);
    drop(bar);
    if replaced > 0 {
        log.note(format_args!(
            "{replaced} records gave way to a newer one of the same id, or to the same again"
        ));
    }
    if withdrawn > 0 {
        log.note(format_args!("{withdrawn} records were withdrawn since"));
    }
    if kept + facts == 0 {
        return Err(Failure::unfinished("nothing was imported: no record was kept"));
    }
    if let Some(parent) = target.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        std::fs::create_dir_all(parent)
            .map_err(|error| Failure::unfinished(format!("{}: {error}", parent.display())))?;
    }
    let named = |error| Failure::unfinished(format!("{}: {error}", target.display()));
    let bar = progress.begin("writing");
    compiler.write(target).map_err(named)?;
    drop(bar);
    log.note(format_args!("{} written", target.display()));
    let written = Snapshot::open(target).map_err(named)?;
    status(&written)
}

/// Says what became of one source's records in one path.
fn told(path: &Path, source: &str, outcome: &Outcome, log: Log) {
    let Outcome { read, kept, skipped, reasons, named, not_understood } = outcome;
    let path = path.display();
    log.note(format_args!("{path}: {source}: {read} records read, {kept} kept, {skipped} skipped"));
    for (reason, count) in reasons {
        log.note(format_args!("{path}: {source}: {count} skipped: {reason}"));
    }
    for skipped in named {
        log.note(format_args!("skipped {}: {}", skipped.what, skipped.why));
    }
    if let Some(more) = skipped.checked_sub(named.len() as u64).filter(|more| *more > 0) {
        log.note(format_args!("and {more} more skipped"));
    }
    if *not_understood > 0 {
        log.warn(format_args!(
            "{path}: {source}: {not_understood} records are not understood in part: what they affect may be missed"
        ));
    }
}

fn status(snapshot: &Snapshot) -> Result<Exit, Failure> {
    let mut out = std::io::stdout().lock();
    let mut print = || -> std::io::Result<()> {
        writeln!(out, "snapshot {}{}", snapshot.id(), if snapshot.demo() { " (demo)" } else { "" })?;
        for feed in snapshot.feeds() {
            write!(out, "{:<24} {:>8} records, newest {}", feed.name, feed.records, feed.as_of)?;
            match feed.not_understood {
                0 => writeln!(out)?,
                count => writeln!(out, ", {count} not understood in part")?,
            }
        }
        Ok(())
    };
    print().map_err(|error| Failure::unfinished(format!("stdout: {error}")))?;
    Ok(Exit::Pass)
}
