//! From paths to a compiler: documents are read in order, and parsed on several threads by the source that knows them.

use std::{collections::BTreeMap, num::NonZeroUsize, path::Path, sync::atomic::Ordering, thread};

use jiff::civil::Date;

use super::{
    Error, Merged, Outcome, Part,
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
/// threads. A record that is malformed is skipped and named; an archive that is cut is an error, for nobody knows what is
/// missing. `progress` is told how many more bytes were read, as stored.
pub fn read(path: &Path, threads: NonZeroUsize, progress: &dyn Fn(u64)) -> Result<Part, Error> {
    read_within(path, threads, Limits::default(), progress)
}

fn read_within(
    path: &Path,
    threads: NonZeroUsize,
    limits: Limits,
    progress: &dyn Fn(u64),
) -> Result<Part, Error> {
    let queue = Queue::default();
    let budget = Budget { limits, ..Budget::default() };
    let (read, sinks, other) = thread::scope(|scope| {
        let work = || {
            let mut sink = Sink::new(&budget);
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
    over(&budget, path)?;
    read?;
    let mut part = Part::default();
    if other != Outcome::default() {
        part.outcomes.insert(NO_SOURCE, other);
    }
    for (outcomes, held) in sinks {
        for (source, outcome) in outcomes {
            part.outcomes.entry(source).or_default().extend(outcome);
        }
        part.held.extend(held, &budget.held_bytes);
    }
    if part.outcomes.values().all(|outcome| outcome.read == 0) {
        return Err(Error::Empty(path.to_owned()));
    }
    part.records = budget.records.into_inner();
    part.held_bytes = budget.held_bytes.into_inner();
    Ok(part)
}

fn over(budget: &Budget, path: &Path) -> Result<(), Error> {
    match budget.over() {
        Some((limit, most)) => Err(Error::Limit { what: path.display().to_string(), limit, most }),
        None => Ok(()),
    }
}

/// Parts that are one set of records: of one id the newest counts, whichever part has it.
#[derive(Default)]
pub struct Import {
    budget: Budget,
    held: Held,
    /// The oldest check of all that a feed is made of, by the name of its ecosystem or database; `None` where one was never
    /// checked.
    checked: BTreeMap<String, Option<Date>>,
}

impl Import {
    /// Takes what `path` gave, and the last day (UTC) on which that was the newest there was, where somebody knows it.
    pub fn add(&mut self, path: &Path, part: Part, checked: Option<Date>) -> Result<(), Error> {
        let Part { held, records, held_bytes, .. } = part;
        self.budget.records.fetch_add(records, Ordering::Relaxed);
        self.budget.held_bytes.fetch_add(held_bytes, Ordering::Relaxed);
        over(&self.budget, path)?;
        for feed in held.feeds() {
            let known = self.checked.entry(feed.to_owned()).or_insert(checked);
            *known = checked.and_then(|day| Some(day.min((*known)?)));
        }
        self.held.extend(held, &self.budget.held_bytes);
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
