//! From paths to a compiler: documents are read in order, and parsed on several threads by the source that knows them.

use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    path::Path,
    sync::{PoisonError, atomic::Ordering},
    thread,
};

use jiff::civil::Date;

use super::{
    Error, Memory, Merged, Outcome, Part, SkippedRecord,
    held::Held,
    name::NO_SOURCE,
    queue::Queue,
    sink::{Budget, Limits, Sink},
    source_of,
    walk::{self, Document},
};
use crate::advisory::Compiler;

/// Most threads that parse; one reader does not feed more.
const MOST_THREADS: usize = 4;

/// Reads every record of `path`: a folder, an archive (`.zip`, `.tar`, `.tar.gz`, `.tar.zst`) or a file, on `threads`
/// threads. A record that is malformed is skipped and named; an archive or a document that is cut is an error, for nobody knows
/// what is missing, and so is a file of which no record can be read, as a page of a proxy's. What it holds is of `memory`. `progress` is told how many more bytes were read, as stored.
pub fn read(
    path: &Path,
    threads: NonZeroUsize,
    memory: &Memory,
    progress: &dyn Fn(u64),
) -> Result<Part, Error> {
    let limits = Limits { held_bytes: memory.of_one_path(), ..Limits::default() };
    let budget = Budget { limits, memory: memory.clone(), ..Budget::default() };
    let part = read_within(path, threads, &budget, progress);
    if part.is_err() {
        memory.release(budget.held_bytes.into_inner());
    }
    part
}

fn read_within(
    path: &Path,
    threads: NonZeroUsize,
    budget: &Budget,
    progress: &dyn Fn(u64),
) -> Result<Part, Error> {
    let queue = Queue::new(budget.memory.clone());
    let (read, sinks, other) = thread::scope(|scope| {
        let work = || {
            let mut sink = Sink::new(budget);
            while queue.next(|document| {
                if sink.over() {
                    queue.abandon();
                } else {
                    take(document, &mut sink);
                }
            }) {}
            (sink.outcomes, sink.held)
        };
        let workers: Vec<_> = (0..threads.get().min(MOST_THREADS)).map(|_| scope.spawn(work)).collect();
        let mut other = Outcome::default();
        let mut skip = |name| other.skip(name, NO_FORM, "");
        let read = walk::walk(path, &queue, &mut skip, progress);
        queue.close();
        let sinks = workers.into_iter().map(|worker| match worker.join() {
            Ok(sink) => sink,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        (read, sinks.collect::<Vec<_>>(), other)
    });
    budget.over(path)?;
    read?;
    let broken = budget.broken.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some((what, why)) = broken {
        return Err(Error::Broken { what, why });
    }
    let mut part = Part::default();
    if other != Outcome::default() {
        part.outcomes.insert(NO_SOURCE, other);
    }
    for (outcomes, held) in sinks {
        for (source, outcome) in outcomes {
            part.outcomes.entry(source).or_default().extend(outcome);
        }
        part.held.extend(held, budget);
    }
    if part.outcomes.values().all(|outcome| outcome.read == 0) {
        return Err(Error::Empty(path.to_owned()));
    }
    let mut records = part.outcomes.values().filter(|outcome| outcome.read > 0);
    if records
        .clone()
        .all(|outcome| outcome.kept == 0 && outcome.reasons.keys().all(|reason| reason == MALFORMED))
        && let Some(SkippedRecord { what, why }) =
            records.find_map(|outcome| outcome.named.get(MALFORMED)?.first())
    {
        return Err(Error::Malformed { path: path.to_owned(), first: format!("{what}: {why}") });
    }
    few_ecosystems(part.held.ecosystems(), budget, path)?;
    part.records = budget.records.load(Ordering::Relaxed);
    part.held_bytes = budget.held_bytes.load(Ordering::Relaxed);
    Ok(part)
}

fn few_ecosystems(count: usize, budget: &Budget, path: &Path) -> Result<(), Error> {
    let most = budget.limits.ecosystems;
    if count <= most {
        return Ok(());
    }
    Err(Error::Limit { what: path.display().to_string(), limit: "feed ecosystems", most: most as u64 })
}

/// Parts that are one set of records: of one id the newest counts, whichever part has it.
pub struct Import {
    budget: Budget,
    held: Held,
    /// The oldest check of all that a feed is made of, by the name of its ecosystem or database; `None` where one was never
    /// checked.
    checked: BTreeMap<String, Option<Date>>,
}

impl Import {
    /// Of parts that are read into `memory`.
    pub fn new(memory: &Memory) -> Self {
        // What is added was counted when it was read.
        let limits = Limits { held_bytes: u64::MAX, ..Limits::default() };
        let budget = Budget { limits, memory: memory.clone(), ..Budget::default() };
        Self { budget, held: Held::default(), checked: BTreeMap::new() }
    }

    /// Takes what `path` gave, and the last day (UTC) on which that was the newest there was, where somebody knows it. Where it
    /// would be over a limit, nothing of it is taken.
    pub fn add(&mut self, path: &Path, part: Part, checked: Option<Date>) -> Result<(), Error> {
        let Part { held, records, held_bytes, .. } = part;
        self.budget.records.fetch_add(records, Ordering::Relaxed);
        self.budget.held_bytes.fetch_add(held_bytes, Ordering::Relaxed);
        let feeds = held.feeds();
        let all = feeds.keys().filter(|feed| !self.checked.contains_key(*feed)).count() + self.checked.len();
        if let Err(error) = self.budget.over(path).and_then(|()| few_ecosystems(all, &self.budget, path)) {
            self.budget.records.fetch_sub(records, Ordering::Relaxed);
            self.budget.release(held_bytes);
            return Err(error);
        }
        for feed in feeds.into_keys() {
            let known = self.checked.entry(feed).or_insert(checked);
            *known = checked.and_then(|day| Some(day.min((*known)?)));
        }
        self.held.extend(held, &self.budget);
        Ok(())
    }

    /// Hands what counts to `compiler`.
    pub fn compile(self, compiler: &mut Compiler) -> Merged {
        let merged = self.held.compile(compiler);
        for (feed, day) in self.checked {
            if let Some(day) = day {
                compiler.set_checked(&feed, day);
            }
        }
        merged
    }
}

/// Why a record is left that is not what it should be.
const MALFORMED: &str = "malformed";

/// Why a file is left.
const NO_FORM: &str = "no form of advisories that is known";

/// Lets the source that knows `document` read it.
fn take(document: &Document, sink: &mut Sink<'_>) {
    match source_of(document) {
        Some(source) => {
            sink.set_form(source.name());
            source.read(document, sink);
        }
        None => {
            sink.set_form(NO_SOURCE);
            sink.skip(document.name.clone(), NO_FORM, "");
        }
    }
}

/// Reads one document that is at hand, named `name` in messages; gives what became of it, all sources together.
pub(super) fn import_document(name: &str, bytes: &[u8], compiler: &mut Compiler) -> Outcome {
    let budget = Budget::default();
    let mut sink = Sink::new(&budget);
    take(&Document { name: name.to_owned(), bytes: bytes.to_vec(), offset: 0 }, &mut sink);
    sink.held.compile(compiler);
    sink.outcomes.into_values().fold(Outcome::default(), |mut all, outcome| {
        all.extend(outcome);
        all
    })
}

#[cfg(test)]
mod tests;
