//! `stella feeds`: the embedded advisory database.

mod bundle;
mod parts;

use std::{
    fs::Metadata,
    io::Write,
    num::NonZero,
    path::{Path, PathBuf},
};

use stella::{
    advisory::{Compiler, Snapshot, write_whole},
    feed::{Import, Merged, Outcome},
};

use self::parts::{Kept, Parts};

use super::{
    args::Feeds,
    exit::{Exit, Failure},
    local::{nowhere, snapshot},
    log::Log,
    progress::Progress,
    settings::{self, Advisories, Environment},
};

/// Runs `stella feeds`.
pub fn run(command: &Feeds, environment: &Environment, log: Log) -> Result<Exit, Failure> {
    match command {
        Feeds::Import { paths, signer, allow_older, advisories } => {
            let advisories = Advisories::new(advisories.as_deref(), environment);
            let target = file(&advisories)?;
            match paths.as_slice() {
                [path] if is_bundle(path) => import_bundle(path, signer, *allow_older, target, log),
                paths => import(paths, target, log),
            }
        }
        Feeds::Export { bundle, key, advisories } => {
            let advisories = Advisories::new(advisories.as_deref(), environment);
            export(file(&advisories)?, bundle, key, log)
        }
        Feeds::Status { advisories } => {
            status(&snapshot(&Advisories::new(advisories.as_deref(), environment))?)
        }
    }
}

/// The database's file.
fn file(advisories: &Advisories) -> Result<&Path, Failure> {
    match advisories {
        Advisories::File(target) => Ok(target),
        Advisories::Nowhere => Err(nowhere()),
        Advisories::Demo => {
            Err(Failure::usage("the demo snapshot is part of the program").advise("give --advisories FILE"))
        }
    }
}

/// Makes the folder that `target` is in.
fn make_room(target: &Path) -> Result<(), Failure> {
    let Some(parent) = target.parent().filter(|parent| !parent.as_os_str().is_empty()) else { return Ok(()) };
    std::fs::create_dir_all(parent)
        .map_err(|error| Failure::unfinished(format!("{}: {error}", parent.display())))
}

fn export(database: &Path, path: &Path, key: &Path, log: Log) -> Result<Exit, Failure> {
    let failed =
        |path: &Path, why: &dyn std::fmt::Display| Failure::unfinished(format!("{} {why}", path.display()));
    let text = std::fs::read_to_string(key).map_err(|error| failed(key, &error))?;
    let key = bundle::Key::parse(&text)
        .map_err(|error| Failure::usage(format!("--key {}: {error}", key.display())))?;
    let bytes = std::fs::read(database).map_err(|error| {
        failed(database, &error).advise("run `stella feeds import PATH...` first, or give --advisories FILE")
    })?;
    let progress = Progress::new(log);
    let bar = progress.begin("packing");
    let packed = bundle::pack(bytes, &key).map_err(|error| failed(database, &error))?;
    drop(bar);
    write_whole(path, &[&packed]).map_err(|error| failed(path, &error))?;
    log.note(format_args!("{} written, {} bytes", path.display(), packed.len()));
    Ok(Exit::Pass)
}

fn is_bundle(path: &Path) -> bool {
    let mut head = [0; 8];
    let read = std::fs::File::open(path).and_then(|mut file| std::io::Read::read_exact(&mut file, &mut head));
    read.is_ok() && bundle::is_bundle(&head)
}

fn import_bundle(
    path: &Path,
    signers: &[PathBuf],
    allow_older: bool,
    target: &Path,
    log: Log,
) -> Result<Exit, Failure> {
    if signers.is_empty() {
        return Err(Failure::usage(format!(
            "{} is a bundle, and no key says whose are taken",
            path.display()
        ))
        .advise("give --signer FILE, the public key of who exported it"));
    }
    let signers = signers
        .iter()
        .map(|path| settings::signer("--signer (STELLA_FEEDS_SIGNER)", path))
        .collect::<Result<Vec<_>, _>>()?;
    let failed = |error: bundle::Error| {
        let advice = match error {
            bundle::Error::Older(_) => "to take it all the same: --allow-older",
            bundle::Error::Form | bundle::Error::Content => "fetch it again",
            _ => "",
        };
        Failure::unfinished(format!("{} {error}", path.display())).advise(advice)
    };
    let bytes =
        std::fs::read(path).map_err(|error| Failure::unfinished(format!("{}: {error}", path.display())))?;
    let (database, signer) = bundle::unpack(&bytes, &signers).map_err(failed)?;
    let snapshot = Snapshot::from_bytes(database.clone()).map_err(|error| failed(error.into()))?;
    snapshot.verify().map_err(|error| failed(error.into()))?;
    if !allow_older {
        bundle::refuse_older(target, &snapshot).map_err(failed)?;
    }
    make_room(target)?;
    write_whole(target, &[&database])
        .map_err(|error| Failure::unfinished(format!("{}: {error}", target.display())))?;
    log.note(format_args!("{} written, as {} signed it", target.display(), signer.file));
    status(&snapshot)
}

fn import(paths: &[PathBuf], target: &Path, log: Log) -> Result<Exit, Failure> {
    let threads = std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
    let progress = Progress::new(log);
    let (mut compiler, mut import) = (Compiler::default(), Import::default());
    let store = Parts::beside(target);
    let named = |error| Failure::unfinished(format!("{}: {error}", target.display()));
    let now = paths.iter().map(|path| Kept::of(path)).collect::<Vec<_>>();
    let known = now.iter().filter_map(|kept| kept.as_ref().ok().cloned()).collect::<Vec<_>>();
    if known.len() == paths.len() && store.made(target, &known) {
        log.note(format_args!("{}: nothing has changed since it was written", target.display()));
        return status(&Snapshot::open(target).map_err(named)?);
    }
    let (mut kept, mut failed) = (Vec::new(), 0usize);
    for (path, now) in paths.iter().zip(now) {
        let name = path.file_name().unwrap_or(path.as_os_str());
        let bar = progress.begin(&format!("importing {}", name.display()));
        let file = path.metadata().ok().filter(Metadata::is_file);
        bar.expect(0, file.map(|file| file.len()));
        let read = now.and_then(|now| Ok((store.part(path, &now, threads, &|bytes| bar.bytes(bytes))?, now)));
        drop(bar);
        let (part, now) = match read {
            Ok(read) => read,
            Err(error) => {
                let Some((last, part)) = store.last(path) else { return Err(Failure::unfinished(error)) };
                failed += 1;
                log.warn(format_args!("{error}; what it gave when it last could be read stays"));
                (part, last)
            }
        };
        for (source, outcome) in &part.outcomes {
            told(path, source, outcome, log);
        }
        import.add(path, part).map_err(Failure::unfinished)?;
        kept.push(now);
    }
    let parts = kept;
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
    make_room(target)?;
    let bar = progress.begin("writing");
    let id = compiler.write(target).map_err(named)?;
    drop(bar);
    if let Err(error) = store.merged(id, parts) {
        log.note(format_args!("{}: {error}: the next import reads everything again", target.display()));
    }
    log.note(format_args!("{} written", target.display()));
    let written = Snapshot::open(target).map_err(named)?;
    status(&written)?;
    match failed {
        0 => Ok(Exit::Pass),
        1 => Err(Failure::unfinished("1 path could not be read: the database has what it gave last")),
        failed => Err(Failure::unfinished(format!(
            "{failed} paths could not be read: the database has what they gave last"
        ))),
    }
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
