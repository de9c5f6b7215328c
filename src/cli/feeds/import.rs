//! Files of advisories made into the database.

use std::{
    collections::BTreeMap,
    fs::{self, Metadata},
    num::NonZero,
    path::{Path, PathBuf},
    thread,
};

use stella::{
    advisory::{Compiler, Snapshot},
    feed::{self, Merged, Outcome},
};

use super::parts::{Kept, Parts};
use crate::{exit::Failure, local::nowhere, log::Log, progress::Progress, settings::Advisories};

/// Paths that become one database.
pub struct Import<'a> {
    target: &'a Path,
    import: feed::Import,
    parts: Parts,
    /// Of the paths that were read.
    kept: Vec<Kept>,
    /// What each path is now, so that it is looked at once.
    now: BTreeMap<PathBuf, Kept>,
    threads: NonZero<usize>,
    log: Log,
}

impl<'a> Import<'a> {
    /// Nothing is read yet; `target` is the database that it will be.
    pub fn new(target: &'a Path, log: Log) -> Self {
        let threads = thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
        let (parts, now) = (Parts::beside(target), BTreeMap::new());
        Self { target, import: feed::Import::default(), parts, kept: Vec::new(), now, threads, log }
    }

    /// The database that is there, if it is made of just these paths as they are now.
    pub fn made_of(&mut self, paths: &[PathBuf]) -> Option<Snapshot> {
        let now: Vec<Kept> = paths.iter().map(|path| self.now(path).ok()).collect::<Option<_>>()?;
        self.parts.made(self.target, &now)
    }

    fn now(&mut self, path: &Path) -> Result<Kept, feed::Error> {
        if let Some(kept) = self.now.get(path) {
            return Ok(kept.clone());
        }
        let kept = Kept::of(path)?;
        self.now.insert(path.to_owned(), kept.clone());
        Ok(kept)
    }

    /// Reads one file or folder, unless it was read before and has not changed, and says what became of it. Where that fails,
    /// nothing of it is taken.
    pub fn read(&mut self, path: &Path) -> Result<(), feed::Error> {
        let name = path.file_name().unwrap_or(path.as_os_str());
        let bar = Progress::new(self.log).begin(&format!("importing {}", name.display()));
        let file = path.metadata().ok().filter(Metadata::is_file);
        bar.expect(0, file.map(|file| file.len()));
        let kept = self.now(path)?;
        let part = self.parts.part(path, &kept, self.threads, &|bytes| bar.bytes(bytes));
        drop(bar);
        self.add(path, kept, part?)
    }

    /// Takes what `path` gave when it last could be read; whether it ever could.
    pub fn read_last(&mut self, path: &Path) -> Result<bool, feed::Error> {
        let Some((kept, part)) = self.parts.last(path) else { return Ok(false) };
        self.add(path, kept, part).map(|()| true)
    }

    fn add(&mut self, path: &Path, kept: Kept, part: feed::Part) -> Result<(), feed::Error> {
        for (source, outcome) in &part.outcomes {
            told(path, source, outcome, self.log);
        }
        self.import.add(path, part)?;
        self.kept.push(kept);
        Ok(())
    }

    /// Writes the database, once `accept` has seen what it will be. What is there stays until then.
    pub fn write(self, accept: impl FnOnce(&Snapshot) -> Result<(), Failure>) -> Result<Snapshot, Failure> {
        let Self { target, import, parts, kept: read, log, .. } = self;
        let bar = Progress::new(log).begin("compiling");
        let mut compiler = Compiler::default();
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
        let failed =
            |error: &dyn std::fmt::Display| Failure::unfinished(format!("{}: {error}", target.display()));
        let bar = Progress::new(log).begin("writing");
        let mut next = target.to_owned().into_os_string();
        next.push(".next");
        let next = PathBuf::from(next);
        compiler.write(&next).map_err(|error| failed(&error))?;
        drop(bar);
        // Nobody has a file open that is moved, or replaced: where that matters, it would fail.
        let open = |path: &Path| Snapshot::open(path).map_err(|error| failed(&error));
        let placed = open(&next)
            .and_then(|next| accept(&next))
            .and_then(|()| fs::rename(&next, target).map_err(|error| failed(&error)));
        if let Err(failure) = placed {
            let _ = fs::remove_file(&next);
            return Err(failure);
        }
        log.note(format_args!("{} written", target.display()));
        let written = open(target)?;
        if let Err(error) = parts.merged(written.id(), read) {
            log.note(format_args!("{}: {error}: the next import reads everything again", target.display()));
        }
        Ok(written)
    }
}

/// Makes the folder that `target` is in.
pub fn make_room(target: &Path) -> Result<(), Failure> {
    let Some(parent) = target.parent().filter(|parent| !parent.as_os_str().is_empty()) else { return Ok(()) };
    fs::create_dir_all(parent).map_err(|error| Failure::unfinished(format!("{}: {error}", parent.display())))
}

/// The file to write, where there is one.
pub fn target(advisories: &Advisories) -> Result<&Path, Failure> {
    match advisories {
        Advisories::File(target) => Ok(target),
        Advisories::Nowhere => Err(nowhere()),
        Advisories::Demo => {
            Err(Failure::usage("the demo snapshot is part of the program").advise("give --advisories FILE"))
        }
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
