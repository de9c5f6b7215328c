//! From paths to a compiler: documents are read in order, and parsed on several threads by the source that knows them.

use std::{collections::BTreeMap, num::NonZeroUsize, path::Path, thread};

use super::{
    Error, Merged, Outcome, SOURCES,
    held::Held,
    queue::Queue,
    sink::{Budget, Sink},
    walk::{self, Document},
};
use crate::advisory::Compiler;

/// Most threads that parse; one reader does not feed more.
const MOST_THREADS: usize = 4;

/// Where files are counted that no source knows.
const NO_SOURCE: &str = "files";

/// An import of several paths, which are one set of records: of one id the newest counts, whichever path has it.
#[derive(Default)]
pub struct Import {
    budget: Budget,
    held: Held,
}

impl Import {
    /// Reads every record of `path`: a folder, an archive (`.zip`, `.tar`, `.tar.gz`, `.tar.zst`) or a file, on `threads`
    /// threads. Gives what became of it by source. A record that is malformed is skipped and named; an archive that is cut
    /// is an error, for nobody knows what is missing. `progress` is told how many more bytes were read, as stored.
    pub fn read(
        &mut self,
        path: &Path,
        threads: NonZeroUsize,
        progress: &dyn Fn(u64),
    ) -> Result<BTreeMap<&'static str, Outcome>, Error> {
        let queue = Queue::default();
        let budget = &self.budget;
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
        if let Some((limit, most)) = self.budget.over() {
            return Err(Error::Limit { what: path.display().to_string(), limit, most });
        }
        read?;
        let mut outcomes: BTreeMap<&'static str, Outcome> = BTreeMap::new();
        if other != Outcome::default() {
            outcomes.insert(NO_SOURCE, other);
        }
        for (of_thread, held) in sinks {
            for (source, outcome) in of_thread {
                outcomes.entry(source).or_default().extend(outcome);
            }
            self.held.extend(held, &self.budget.held_bytes);
        }
        if outcomes.values().all(|outcome| outcome.read == 0) {
            return Err(Error::Empty(path.to_owned()));
        }
        Ok(outcomes)
    }

    /// Hands what counts to `compiler`.
    pub fn compile(self, compiler: &mut Compiler) -> Merged {
        self.held.compile(compiler)
    }
}

/// Why a file is left.
const NO_FORM: &str = "no form of advisories that is known";

/// Lets the source that knows `document` read it.
fn take(document: &Document, sink: &mut Sink<'_>) {
    match SOURCES.iter().find(|source| source.knows(document)) {
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
    take(&Document { name: name.to_owned(), bytes: bytes.to_vec() }, &mut sink);
    sink.held.compile(compiler);
    sink.outcomes.into_values().fold(Outcome::default(), |mut all, outcome| {
        all.extend(outcome);
        all
    })
}

#[cfg(test)]
mod tests;
