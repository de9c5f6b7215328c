//! Files of advisories made into the database.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Display},
    fs::{File, Metadata},
    num::NonZero,
    path::{Path, PathBuf},
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use jiff::{Timestamp, ToSpan as _, civil::Date, tz::TimeZone};

use super::{
    Error, Target, Tell,
    bundle::is_bundle,
    loss::{lost, lost_all},
    parts::{Gave, Kept, Parts},
};
use crate::{
    advisory::{Compiler, Snapshot},
    feed::{self, MOST_HELD_BYTES, Memory, Merged, Outcome, PATH_MEMORY},
};

/// What became of an import.
#[derive(Debug)]
pub struct Imported {
    /// The database.
    pub snapshot: Snapshot,
    /// Paths that were not taken as they are, of which the database has what they gave last.
    pub failed: usize,
}

impl Imported {
    /// Whether everything was taken.
    pub fn is_whole(&self) -> Result<(), Error> {
        match self.failed {
            0 => Ok(()),
            1 => Err(Error::unfinished("1 path was not taken: the database has what it gave last")),
            failed => Err(Error::unfinished(format!(
                "{failed} paths were not taken: the database has what they gave last"
            ))),
        }
    }
}

/// A file or folder of advisories, as somebody publishes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Input {
    /// Where it is.
    pub path: PathBuf,
    /// The last day (UTC) on which it was the newest that there is, where somebody knows it.
    pub checked: Option<Date>,
    /// Whether it is of the downloads, so that an update brings it anew. What is not stays in the database until another import.
    pub is_fetched: bool,
    /// Whether it is of what changed lately, and so may have much less than it had.
    pub is_recent: bool,
}

impl Input {
    /// Those that somebody imports, all of them fetched on a day if that is said.
    pub fn of(paths: &[PathBuf], fetched: Option<Date>) -> Result<Vec<Self>, Error> {
        if let Some(path) = paths.iter().find(|path| is_bundle(path)) {
            return Err(Error::usage(format!("{} is a bundle, and has all of a database", path.display()))
                .advise("import it alone"));
        }
        // Not the time of the build, which may be long ago. It is tomorrow already in some places.
        let latest = TimeZone::UTC.to_datetime(Timestamp::now()).date().saturating_add(1.day());
        if let Some(day) = fetched.filter(|day| *day > latest) {
            return Err(Error::usage(format!("--fetched {day} is still to come"))
                .advise("give the day on which the files were fetched"));
        }
        let input = |path: &PathBuf| Self { path: path.clone(), checked: fetched, ..Self::default() };
        Ok(paths.iter().map(input).collect())
    }
}

/// What an import may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowed {
    /// A path may give much less than it gave last.
    pub shrink: bool,
    /// `feed memory`: about what all records may take together; those of one path half of it.
    pub memory_bytes: u64,
}

impl Default for Allowed {
    fn default() -> Self {
        Self { shrink: false, memory_bytes: MOST_HELD_BYTES }
    }
}

/// Makes the database of all that `inputs` hold. A path that cannot be read, or that lost much, gives way to what it gave last, if
/// it was of the database before; the others are taken.
pub fn import(
    inputs: &[Input],
    target: &Target,
    allowed: Allowed,
    tell: &dyn Tell,
) -> Result<Imported, Error> {
    let mut import = Import::new(target, allowed, tell)?;
    if let Some((place, snapshot)) = import.made_of(inputs) {
        tell.note(format_args!("{}: nothing has changed since it was written", place.display()));
        return Ok(Imported { snapshot, failed: 0 });
    }
    let mut failed = 0usize;
    for fallen in import.read(inputs)?.into_iter().flatten() {
        if !fallen.stays {
            return Err(Error::unfinished(fallen));
        }
        failed += 1;
        tell.error(format_args!("{fallen}"));
    }
    let before = Snapshot::open(target.live()).ok().filter(|_| !allowed.shrink && !target.is_tried());
    let accept = |next: &Snapshot| match before.and_then(|before| shrunk(&before, next)) {
        Some(lost) => Err(Error::unfinished(format!(
            "{} stays as it is: it would have {lost}",
            target.live().display()
        ))
        .advise("--allow-shrink takes it")),
        None => Ok(()),
    };
    Ok(Imported { snapshot: import.write(accept)?, failed })
}

/// What is lost of a feed that is there before and after: where paths have other names each time, none of them tells.
fn shrunk(before: &Snapshot, next: &Snapshot) -> Option<String> {
    let records = |snapshot: &Snapshot| -> BTreeMap<String, u64> {
        let all = [snapshot.feeds(), snapshot.databases().to_vec()].concat();
        all.into_iter().map(|feed| (feed.name, feed.records)).collect()
    };
    let (mut before, next) = (records(before), records(next));
    before.retain(|name, _| next.contains_key(name));
    lost(&before, &next)
}

/// Why a path is not taken as it is, and what of it is.
#[derive(Debug)]
pub struct Fallen {
    /// Names the path.
    pub why: String,
    /// It was read, and has much less than it gave last.
    pub is_less: bool,
    /// What it gave last is taken.
    pub stays: bool,
    /// The last day (UTC) on which what is taken was the newest that there is, where somebody knows it.
    pub checked: Option<Date>,
}

impl Display for Fallen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stays = match (self.stays, self.is_less) {
            (false, _) => "",
            (true, true) => "; what it gave before stays",
            (true, false) => "; what it gave when it last could be read stays",
        };
        write!(f, "{}{stays}", self.why)
    }
}

/// Most paths that are read at a time: a disk does not feed more, and each holds what it has read.
const MOST_LANES: usize = 4;

/// Paths that become one database.
pub struct Import<'a> {
    target: &'a Target,
    /// Nobody else makes the next one until this ends.
    _lock: File,
    allowed: Allowed,
    memory: Memory,
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
struct Taken {
    import: feed::Import,
    gave: Vec<Gave>,
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
        let records = part.outcomes.values().map(|outcome| outcome.kept).sum();
        let gave = Gave { records, feeds: part.feeds(), kept };
        self.import.add(path, part, gave.kept.checked)?;
        self.gave.push(gave);
        Ok(())
    }
}

impl<'a> Import<'a> {
    /// Nothing is read yet; `target` is the database that it will be.
    pub fn new(target: &'a Target, allowed: Allowed, tell: &'a dyn Tell) -> Result<Self, Error> {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let memory = Memory::of(allowed.memory_bytes);
        let import = feed::Import::new(&memory);
        let taken = Taken { import, gave: Vec::new(), records: BTreeMap::new() };
        // Before what lies beside the database is read.
        let lock = target.lock()?;
        let (parts, now) = (Parts::beside(target), BTreeMap::new());
        Ok(Self { target, _lock: lock, allowed, memory, parts, now, taken, threads, tell })
    }

    /// The database that is there, and where, if it is made of just these paths as they are now.
    pub fn made_of(&mut self, inputs: &[Input]) -> Option<(PathBuf, Snapshot)> {
        if !self.parts.are_of(inputs) {
            return None;
        }
        let now = inputs.iter().map(|input| self.kept(input).ok()).collect::<Option<Vec<Kept>>>()?;
        self.now.extend(inputs.iter().map(|input| input.path.clone()).zip(now.iter().cloned()));
        self.parts.made(self.target, &now)
    }

    /// What was imported into the database that is there: it stays. What is gone by now stays as it was, the others are read where
    /// they have changed.
    pub fn imported(&mut self) -> Vec<Input> {
        let all = self.parts.imported(self.target);
        self.now.extend(
            all.iter().filter(|kept| !kept.path.exists()).map(|kept| (kept.path.clone(), kept.clone())),
        );
        all.into_iter()
            .map(|Kept { path, checked, .. }| Input { path, checked, ..Input::default() })
            .collect()
    }

    /// Whether it is known what `database` was made of.
    pub fn made(&self, database: &Snapshot) -> bool {
        self.parts.are_in(database)
    }

    /// What a path is now.
    fn kept(&self, input: &Input) -> Result<Kept, feed::Error> {
        self.now.get(&input.path).cloned().map_or_else(|| Kept::of(input), Ok)
    }

    /// What the last database was made of: its ecosystems and databases, by what lies beside it.
    pub fn names(&self) -> BTreeSet<String> {
        self.parts.names()
    }

    /// Reads files and folders, several at a time, unless they were read before and have not changed, and says of each, in their
    /// order, if it is not taken as it is: then what it gave last is taken. Where it gave something last that cannot be had
    /// any more, or where all of them together are over a limit, there is no database to be made.
    pub fn read(&mut self, inputs: &[Input]) -> Result<Vec<Option<Fallen>>, Error> {
        let Self { target, allowed, memory, parts, now, taken, threads, tell, .. } = self;
        let size_bytes =
            |input: &Input| input.path.metadata().ok().filter(Metadata::is_file).map(|file| file.len());
        let may_shrink = allowed.shrink;
        let before = Before { parts, inputs, memory, may_shrink, is_tried: target.is_tried(), tell: *tell };
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
        let lanes = (*threads).min(inputs.len()).clamp(1, MOST_LANES);
        let threads = NonZero::new(*threads / lanes).unwrap_or(NonZero::<usize>::MIN);
        let next = AtomicUsize::new(0);
        let read = |input: &Input| -> Read {
            let kept = now.get(&input.path).cloned().map_or_else(|| Kept::of(input), Ok)?;
            let part = parts.part(&input.path, &kept, threads, memory, &|bytes| bar.bytes(bytes))?;
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
                    match before.take(taken, &inputs[results.len()], read) {
                        Ok(fallen) => results.push(fallen),
                        Err(error) => {
                            next.store(inputs.len(), Ordering::Relaxed); // no lane begins another
                            return Err(error);
                        }
                    }
                }
            }
            Ok(results)
        })
    }

    /// Writes the database, once `accept` has seen what it will be. What is there stays until then.
    pub fn write(self, accept: impl FnOnce(&Snapshot) -> Result<(), Error>) -> Result<Snapshot, Error> {
        let Self { target, parts, taken: Taken { import, gave, records }, tell, _lock, .. } = self;
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
        let failed = |error: &dyn std::fmt::Display| Error::at(&place, error);
        let bar = tell.begin("writing");
        let next = compiler.write_aside(&place).map_err(|error| failed(&error))?;
        drop(bar);
        let open = |path: &Path| Snapshot::open(path).map_err(|error| failed(&error));
        let written = open(next.path())?;
        accept(&written)?;
        // Before it is there: who finds it may ask what it was made of.
        if let Err(error) = parts.merged(target, written.id(), gave, records) {
            tell.note(format_args!("{}: {error}: the next import reads everything again", place.display()));
        }
        // A server may take the new one away at once, so it is opened before. Where a file that is open cannot be moved or
        // replaced, there is no server.
        let written = target.is_tried().then_some(written);
        next.put(&place).map_err(|error| failed(&error))?;
        tell.note(format_args!("{} written", place.display()));
        written.map_or_else(|| open(&place), Ok)
    }
}

/// What is known of the paths of an import when they are taken.
struct Before<'a> {
    parts: &'a Parts,
    inputs: &'a [Input],
    memory: &'a Memory,
    may_shrink: bool,
    /// Who tries the next one sees what it lost, and asks somebody: but a path that lost everything would keep all others waiting.
    is_tried: bool,
    tell: &'a dyn Tell,
}

impl Before<'_> {
    fn lost(&self, last: &BTreeMap<String, u64>, now: &BTreeMap<String, u64>) -> Option<String> {
        if self.is_tried { lost_all(last, now) } else { lost(last, now) }
    }

    /// Takes what a path gave, else what it gave last.
    fn take(&self, taken: &mut Taken, input: &Input, read: Read) -> Result<Option<Fallen>, Error> {
        let Input { path, is_recent, .. } = input;
        let last = self.parts.last(path, self.inputs);
        let compared = last.filter(|_| !self.may_shrink && !is_recent);
        let (why, is_less) = match read {
            Ok((kept, part)) => match compared.and_then(|last| self.lost(&last.feeds, &part.feeds())) {
                Some(lost) => {
                    part.let_go(self.memory);
                    (format!("{} {lost} (--allow-shrink takes it)", path.display()), true)
                }
                None => match taken.add(path, kept, part, self.tell) {
                    Ok(()) => return Ok(None),
                    Err(error) => (self.unread(error)?, false),
                },
            },
            Err(error) => (self.unread(error)?, false),
        };
        let gone = |why| Fallen { why, is_less, stays: false, checked: None };
        let Some(last) = last else { return Ok(Some(gone(why))) };
        match self.parts.load(&last.kept, self.memory) {
            Some(part) => match taken.add(path, last.kept.clone(), part, self.tell) {
                Ok(()) => Ok(Some(Fallen { why, is_less, stays: true, checked: last.kept.checked })),
                Err(error) => Err(Error::unfinished(self.unread(error)?)),
            },
            None if self.may_shrink || self.is_tried => Ok(Some(gone(why))),
            None => Err(Error::unfinished(format!(
                "{why}; what it gave before cannot be had any more, so the database stays as it is"
            ))
            .advise("--allow-shrink makes it without")),
        }
    }

    /// The error in words, unless it is of all paths together.
    fn unread(&self, error: feed::Error) -> Result<String, Error> {
        match error {
            feed::Error::Memory { .. } => Err(Error::unfinished(error).advise(if self.may_shrink {
                "take less at once"
            } else {
                "--max-memory SIZE lets it take more"
            })),
            feed::Error::Limit { limit: PATH_MEMORY, .. } => {
                Ok(format!("{error} (half of --max-memory, which may be more)"))
            }
            error => Ok(error.to_string()),
        }
    }
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
