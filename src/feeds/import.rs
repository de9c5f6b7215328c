//! Files of advisories made into the database.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    fs::{self, Metadata},
    num::NonZero,
    path::{Path, PathBuf},
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use jiff::civil::Date;

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

/// A file or folder of advisories, as somebody publishes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Where it is.
    pub path: PathBuf,
    /// The last day (UTC) on which it was the newest that there is, where somebody knows it.
    pub checked: Option<Date>,
}

/// Makes the database of all that `inputs` hold. A path that cannot be read gives way to what it gave last, if it was of the database
/// before; the others are taken.
pub fn import(inputs: &[Input], target: &Target, tell: &dyn Tell) -> Result<Imported, Error> {
    let mut import = Import::new(target, tell);
    if let Some((place, snapshot)) = import.made_of(inputs) {
        tell.note(format_args!("{}: nothing has changed since it was written", place.display()));
        return Ok(Imported { snapshot, failed: 0 });
    }
    let mut failed = 0usize;
    for (Input { path, .. }, read) in inputs.iter().zip(import.read(inputs)) {
        let Err(error) = read else { continue };
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
    parts: Parts,
    /// What each path is now, so that it is looked at once.
    now: BTreeMap<PathBuf, Kept>,
    taken: Taken,
    threads: usize,
    tell: &'a dyn Tell,
}

/// What became of one path.
type Read = Result<(Kept, feed::Part), feed::Error>;

/// What was taken of the paths that were read.
#[derive(Default)]
struct Taken {
    import: feed::Import,
    kept: Vec<Kept>,
    /// Records that each source gave.
    records: BTreeMap<String, u64>,
}

impl Taken {
    fn add(&mut self, path: &Path, kept: Kept, part: feed::Part, tell: &dyn Tell) -> Result<(), feed::Error> {
        for (source, outcome) in &part.outcomes {
            told(path, source, outcome, tell);
            if outcome.kept > 0 {
                *self.records.entry((*source).to_owned()).or_default() += outcome.kept;
            }
        }
        self.import.add(path, part, kept.checked)?;
        self.kept.push(kept);
        Ok(())
    }
}

impl<'a> Import<'a> {
    /// Nothing is read yet; `target` is the database that it will be.
    pub fn new(target: &'a Target, tell: &'a dyn Tell) -> Self {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let (parts, now) = (Parts::beside(target), BTreeMap::new());
        Self { target, parts, now, taken: Taken::default(), threads, tell }
    }

    /// The database that is there, and where, if it is made of just these paths as they are now.
    pub fn made_of(&mut self, inputs: &[Input]) -> Option<(PathBuf, Snapshot)> {
        if !self.parts.are_of(inputs) {
            return None;
        }
        let now = inputs.iter().map(|input| Kept::of(input).ok()).collect::<Option<Vec<Kept>>>()?;
        self.now.extend(inputs.iter().map(|input| input.path.clone()).zip(now.iter().cloned()));
        self.parts.made(self.target, &now)
    }

    /// The day on which what `path` is now was last known to be the newest, by what the last database was made of.
    pub fn checked(&self, path: &Path) -> Option<Date> {
        self.parts.checked(path)
    }

    /// Reads files and folders, several at a time, unless they were read before and have not changed, and says what became of
    /// each, in their order. Where that fails, nothing of it is taken.
    pub fn read(&mut self, inputs: &[Input]) -> Vec<Result<(), feed::Error>> {
        let Self { parts, now, taken, threads, tell, .. } = self;
        let size_bytes =
            |input: &Input| input.path.metadata().ok().filter(Metadata::is_file).map(|file| file.len());
        let what = match inputs {
            [Input { path, .. }] => path.file_name().unwrap_or(path.as_os_str()).display().to_string(),
            inputs => format!("{} files", inputs.len()),
        };
        let bar = tell.begin(&format!("importing {what}"));
        bar.expect(0, inputs.iter().map(size_bytes).sum());
        // Reading, keeping and taking all have a part that no two threads can share, so several paths are on their way at a
        // time; the largest first, so that none is left for the end.
        let mut order: Vec<usize> = (0..inputs.len()).collect();
        order.sort_by_key(|index| Reverse(size_bytes(&inputs[*index])));
        let lanes = (*threads).min(inputs.len()).max(1);
        let threads = NonZero::new(*threads / lanes).unwrap_or(NonZero::<usize>::MIN);
        let next = AtomicUsize::new(0);
        let read = |input: &Input| -> Read {
            let kept = now.get(&input.path).cloned().map_or_else(|| Kept::of(input), Ok)?;
            let part = parts.part(&input.path, &kept, threads, &|bytes| bar.bytes(bytes))?;
            Ok((kept, part))
        };
        let lane = |done: mpsc::Sender<(usize, Read)>| {
            while let Some(&index) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                let _ = done.send((index, read(&inputs[index]))); // who waits for it lives as long as this
            }
        };
        thread::scope(|scope| {
            let (done, all_done) = mpsc::channel();
            for _ in 0..lanes {
                let (lane, done) = (&lane, done.clone());
                scope.spawn(move || lane(done));
            }
            drop(done);
            let (mut waiting, mut results) = (BTreeMap::new(), Vec::with_capacity(inputs.len()));
            for (index, read) in all_done {
                waiting.insert(index, read);
                while let Some(read) = waiting.remove(&results.len()) {
                    let path = &inputs[results.len()].path;
                    results.push(read.and_then(|(kept, part)| taken.add(path, kept, part, *tell)));
                }
            }
            results
        })
    }

    /// Takes what `path` gave when it last could be read; whether it ever could.
    pub fn read_last(&mut self, path: &Path) -> Result<bool, feed::Error> {
        let Some((kept, part)) = self.parts.last(path) else { return Ok(false) };
        self.taken.add(path, kept, part, self.tell).map(|()| true)
    }

    /// Writes the database, once `accept` has seen what it will be. What is there stays until then.
    pub fn write(self, accept: impl FnOnce(&Snapshot) -> Result<(), Error>) -> Result<Snapshot, Error> {
        let Self { target, parts, taken: Taken { import, kept: read, records }, tell, .. } = self;
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
        let open = |path: &Path| Snapshot::open(path).map_err(|error| failed(&error));
        let placed = open(&next).and_then(|written| {
            accept(&written)?;
            // Before it is there: who finds it may ask what it was made of.
            if let Err(error) = parts.merged(target, written.id(), read, records) {
                tell.note(format_args!(
                    "{}: {error}: the next import reads everything again",
                    place.display()
                ));
            }
            // A server may take the new one away at once, so it is opened before. Where a file that is open cannot be moved or
            // replaced, there is no server.
            let written = target.is_tried().then_some(written);
            replace(&place, &next).map_err(|error| failed(&error))?;
            Ok(written)
        });
        let written = placed.inspect_err(|_| drop(fs::remove_file(&next)))?;
        tell.note(format_args!("{} written", place.display()));
        written.map_or_else(|| open(&place), Ok)
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
