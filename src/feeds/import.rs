//! Files of advisories made into the database.

use std::{
    collections::BTreeMap,
    fs::{self, Metadata},
    num::NonZero,
    path::{Path, PathBuf},
    thread,
};

use super::{
    Error, Target, Tell,
    parts::{Kept, Parts},
};
use crate::{
    advisory::{Compiler, Snapshot, replace},
    feed::{self, Merged, Outcome},
};

/// What became of an import.
#[derive(Debug)]
pub struct Imported {
    /// The database.
    pub snapshot: Snapshot,
    /// Paths that could not be read, of which the database has what they gave last.
    pub failed: usize,
}

impl Imported {
    /// Whether everything could be read.
    pub fn is_whole(&self) -> Result<(), Error> {
        match self.failed {
            0 => Ok(()),
            1 => Err(Error::unfinished("1 path could not be read: the database has what it gave last")),
            failed => Err(Error::unfinished(format!(
                "{failed} paths could not be read: the database has what they gave last"
            ))),
        }
    }
}

/// Makes the database of all that `paths` hold. A path that cannot be read gives way to what it gave last, if it was of the database
/// before; the others are taken.
pub fn import(paths: &[PathBuf], target: &Target, tell: &dyn Tell) -> Result<Imported, Error> {
    let mut import = Import::new(target, tell);
    if let Some((place, snapshot)) = import.made_of(paths) {
        tell.note(format_args!("{}: nothing has changed since it was written", place.display()));
        return Ok(Imported { snapshot, failed: 0 });
    }
    let mut failed = 0usize;
    for path in paths {
        let Err(error) = import.read(path) else { continue };
        if !import.read_last(path).is_ok_and(|read| read) {
            return Err(Error::unfinished(error));
        }
        failed += 1;
        tell.error(format_args!("{error}; what it gave when it last could be read stays"));
    }
    Ok(Imported { snapshot: import.write(|_| Ok(()))?, failed })
}

/// Paths that become one database.
pub struct Import<'a> {
    target: &'a Target,
    import: feed::Import,
    parts: Parts,
    /// Of the paths that were read.
    kept: Vec<Kept>,
    /// What each path is now, so that it is looked at once.
    now: BTreeMap<PathBuf, Kept>,
    threads: NonZero<usize>,
    tell: &'a dyn Tell,
}

impl<'a> Import<'a> {
    /// Nothing is read yet; `target` is the database that it will be.
    pub fn new(target: &'a Target, tell: &'a dyn Tell) -> Self {
        let threads = thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
        let (parts, now) = (Parts::beside(target), BTreeMap::new());
        Self { target, import: feed::Import::default(), parts, kept: Vec::new(), now, threads, tell }
    }

    /// The database that is there, and where, if it is made of just these paths as they are now.
    pub fn made_of(&mut self, paths: &[PathBuf]) -> Option<(PathBuf, Snapshot)> {
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
        let bar = self.tell.begin(&format!("importing {}", name.display()));
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
            told(path, source, outcome, self.tell);
        }
        self.import.add(path, part)?;
        self.kept.push(kept);
        Ok(())
    }

    /// Writes the database, once `accept` has seen what it will be. What is there stays until then.
    pub fn write(self, accept: impl FnOnce(&Snapshot) -> Result<(), Error>) -> Result<Snapshot, Error> {
        let Self { target, import, parts, kept: read, tell, .. } = self;
        let bar = tell.begin("compiling");
        let mut compiler = Compiler::default();
        let Merged { kept, facts, replaced, withdrawn } = import.compile(&mut compiler);
        drop(bar);
        if replaced > 0 {
            tell.note(format_args!(
                "{replaced} records gave way to a newer one of the same id, or to the same again"
            ));
        }
        if withdrawn > 0 {
            tell.note(format_args!("{withdrawn} records were withdrawn since"));
        }
        if kept + facts == 0 {
            return Err(Error::unfinished("nothing was imported: no record was kept"));
        }
        let place = target.next();
        make_room(&place)?;
        let failed = |error: &dyn std::fmt::Display| Error::at(&place, error);
        let bar = tell.begin("writing");
        let next = target.beside(".next");
        compiler.write(&next).map_err(|error| failed(&error))?;
        drop(bar);
        // Nobody has a file open that is moved, or replaced: where that matters, it would fail.
        let open = |path: &Path| Snapshot::open(path).map_err(|error| failed(&error));
        let placed = open(&next)
            .and_then(|next| accept(&next))
            .and_then(|()| replace(&place, &next).map_err(|error| failed(&error)));
        if let Err(error) = placed {
            let _ = fs::remove_file(&next);
            return Err(error);
        }
        tell.note(format_args!("{} written", place.display()));
        let written = open(&place)?;
        if let Err(error) = parts.merged(written.id(), read) {
            tell.note(format_args!("{}: {error}: the next import reads everything again", place.display()));
        }
        Ok(written)
    }
}

/// Makes the folder that `target` is in.
pub fn make_room(target: &Path) -> Result<(), Error> {
    let Some(parent) = target.parent().filter(|parent| !parent.as_os_str().is_empty()) else { return Ok(()) };
    fs::create_dir_all(parent).map_err(|error| Error::at(parent, &error))
}

/// Says what became of one source's records in one path.
fn told(path: &Path, source: &str, outcome: &Outcome, tell: &dyn Tell) {
    let Outcome { read, kept, skipped, reasons, not_understood, .. } = outcome;
    let named = outcome.named();
    let path = path.display();
    tell.note(format_args!("{path}: {source}: {read} records read, {kept} kept, {skipped} skipped"));
    for (reason, count) in reasons {
        tell.note(format_args!("{path}: {source}: {count} skipped: {reason}"));
    }
    for skipped in &named {
        tell.note(format_args!("skipped {}: {}", skipped.what, skipped.why));
    }
    if let Some(more) = skipped.checked_sub(named.len() as u64).filter(|more| *more > 0) {
        tell.note(format_args!("and {more} more skipped"));
    }
    if *not_understood > 0 {
        tell.warn(format_args!(
            "{path}: {source}: {not_understood} records are not understood in part: what they affect may be missed"
        ));
    }
}
