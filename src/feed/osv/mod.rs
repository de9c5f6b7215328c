//! OSV records, schema 1.x (ossf.github.io/osv-schema), as osv.dev, GitHub, PyPA and others publish them.
//!
//! A document is one record, an array of records (`.json`), or one record per line (`.jsonl`). What is not taken is
//! named in the [`Outcome`]: withdrawn records, ecosystems that are not supported yet, ranges of git commits alone.

mod document;
mod events;
mod held;
mod record;

use std::{
    num::NonZeroUsize,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use self::{document::Batch, held::Held};
use super::{
    Error, Merged, Outcome,
    queue::Queue,
    source::{self, Document},
};
use crate::advisory::Compiler;

/// Most threads that parse; one reader does not feed more.
const MOST_THREADS: usize = 4;

/// What an import may take.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// `feed records`: of all paths, whatever is in them. All of osv.dev is below a million.
    records: u64,
    /// `feed memory`: about the bytes that all kept records take until they are compiled.
    held_bytes: u64,
    /// `feed record bytes`: of one record's text; longer ones are skipped. Parsed, a hostile one takes a hundred times
    /// as much.
    record_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { records: 4_000_000, held_bytes: 384 << 20, record_bytes: 2 << 20 }
    }
}

/// An import of several paths, which are one set of records: of one id the newest counts, whichever path has it.
#[derive(Default)]
pub struct Import {
    limits: Limits,
    held: Held,
    /// Records seen.
    records: AtomicU64,
    /// About what the held records take in memory.
    held_bytes: AtomicU64,
}

impl Import {
    /// Reads every record of `path`, a folder, `.zip`, `.tar.zst`, `.json` or `.jsonl`, on `threads` threads. A record that
    /// is malformed is skipped and named; an archive that is cut is an error, for nobody knows what is missing. `progress` is
    /// told how many more bytes were read, as stored.
    pub fn read(
        &mut self,
        path: &Path,
        threads: NonZeroUsize,
        progress: &dyn Fn(u64),
    ) -> Result<Outcome, Error> {
        let queue = Queue::default();
        let shared = &*self;
        let (read, batches, mut other) = thread::scope(|scope| {
            let work = || {
                let mut batch = Batch::default();
                while queue.next(|document| {
                    if shared.over().is_none() {
                        batch.read(document, shared);
                    } else {
                        queue.abandon();
                    }
                }) {}
                batch
            };
            let workers: Vec<_> = (0..threads.get().min(MOST_THREADS)).map(|_| scope.spawn(work)).collect();
            let mut other = Outcome::default();
            let mut skip = |name| other.skip(name, "not a .json file");
            let read = source::walk(path, &queue, &mut skip, progress);
            queue.close();
            let batches = workers.into_iter().map(|worker| match worker.join() {
                Ok(batch) => batch,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            (read, batches.collect::<Vec<_>>(), other)
        });
        if let Some((limit, most)) = self.over() {
            return Err(Error::Limit { what: path.display().to_string(), limit, most });
        }
        read?;
        for batch in batches {
            other.extend(batch.outcome);
            self.held.extend(batch.held, &self.held_bytes);
        }
        if other.read == 0 {
            return Err(Error::Empty(path.to_owned()));
        }
        Ok(other)
    }

    /// Hands what counts to `compiler`.
    pub fn compile(self, compiler: &mut Compiler) -> Merged {
        self.held.compile(compiler)
    }

    /// The limit that is passed, and its value.
    fn over(&self) -> Option<(&'static str, u64)> {
        let Limits { records, held_bytes, .. } = self.limits;
        let over =
            |count: &AtomicU64, limit, most| (count.load(Ordering::Relaxed) > most).then_some((limit, most));
        over(&self.records, "feed records", records)
            .or_else(|| over(&self.held_bytes, "feed memory", held_bytes))
    }
}

/// Reads one document that is at hand, named `name` in messages.
pub(super) fn import_document(name: &str, bytes: &[u8], compiler: &mut Compiler) -> Outcome {
    let import = Import::default();
    let mut batch = Batch::default();
    batch.read(&Document { name: name.to_owned(), bytes: bytes.to_vec() }, &import);
    batch.held.compile(compiler);
    batch.outcome
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::advisory::{End, Snapshot};

    /// Imports each text as a file of its own, in that order.
    fn import(texts: &[&str]) -> (Merged, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let mut import = Import::default();
        for text in texts {
            let path = folder.path().join("a.json");
            fs::write(&path, text).unwrap();
            import.read(&path, NonZeroUsize::MIN, &|_| ()).unwrap();
        }
        let mut compiler = Compiler::default();
        (import.compile(&mut compiler), compiler.to_bytes().unwrap())
    }

    fn record(fields: &str, ecosystem: &str, fixed: &str) -> String {
        format!(
            r#"{{"id":"A",{fields}"affected":[{{"package":{{"ecosystem":"{ecosystem}","name":"a"}},
            "ranges":[{{"type":"ECOSYSTEM","events":[{{"introduced":"0"}},{{"fixed":"{fixed}"}}]}}]}}]}}"#
        )
    }

    /// What is known of `a` in npm after importing in this order and the other.
    fn fixes(texts: &[&str]) -> (Vec<String>, Merged) {
        let (merged, bytes) = import(texts);
        let reversed: Vec<&str> = texts.iter().rev().copied().collect();
        assert_eq!(import(&reversed), (merged, bytes.clone()), "the order of files changes the import");
        let found = Snapshot::from_bytes(bytes).unwrap().lookup("npm", "a").unwrap();
        let fix = |end: &End| match end {
            End::Fixed(fix) => fix.clone(),
            other => format!("{other:?}"),
        };
        let ends = found.iter().flat_map(|advisory| &advisory.ranges).map(|range| fix(&range.end));
        (ends.collect(), merged)
    }

    #[test]
    fn the_newest_word_of_an_id_counts() {
        let npm = |fields: &str, fixed| record(fields, "npm", fixed);
        let old = npm(r#""modified":"2024-01-01T00:00:00Z","#, "1.0.0");
        let new = npm(r#""modified":"2024-01-01T00:00:00.5Z","#, "2.0.0");
        let published = npm(r#""published":"2023-01-01T00:00:00Z","#, "3.0.0");
        let (undated, same) = (npm("", "4.0.0"), npm(r#""modified":"2024-01-01T00:00:00Z","#, "0.1.0"));
        assert_eq!(fixes(&[&old, &new]).0, ["2.0.0"]);
        assert_eq!(fixes(&[&published, &old]).0, ["1.0.0"]);
        assert_eq!(fixes(&[&undated, &published]).0, ["3.0.0"]);
        assert_eq!(fixes(&[&same, &old]).0, ["1.0.0"], "at one time the content decides");
        let (all, merged) = fixes(&[&old, &undated, &new, &published, &new]);
        assert_eq!((all, merged), (vec!["2.0.0".into()], Merged { kept: 1, replaced: 4, withdrawn: 0 }));
    }

    #[test]
    fn a_withdrawn_record_is_gone() {
        let npm = |fields: &str| record(fields, "npm", "1.0.0");
        let january = npm(r#""modified":"2024-01-01T00:00:00Z","#);
        let june = npm(r#""modified":"2024-06-01T00:00:00Z","#);
        let withdrawn = r#"{"id":"A","modified":"2024-03-01T00:00:00Z","withdrawn":"2024-03-01T00:00:00Z"}"#;
        let undated = r#"{"id":"A","withdrawn":"2024-01-01T00:00:00Z"}"#;
        assert_eq!(fixes(&[&january, withdrawn]), (vec![], Merged { withdrawn: 1, ..Merged::default() }));
        assert_eq!(fixes(&[&january, undated]).0, Vec::<String>::new(), "at one time it is the later word");
        assert_eq!(fixes(&[&june, withdrawn]).0, ["1.0.0"], "it was brought back");
    }

    #[test]
    fn a_record_that_mirrors_split_by_family_stays_whole() {
        let january = r#""modified":"2024-01-01T00:00:00Z","#;
        let parts = [("npm", "1.0.0"), ("PyPI", "1.0"), ("Debian:11", "1-1"), ("Debian:12", "1-2")]
            .map(|(ecosystem, fixed)| record(january, ecosystem, fixed));
        let june = record(r#""modified":"2024-06-01T00:00:00Z","#, "Debian:12", "1-3");
        let (merged, bytes) = import(&[&parts[0], &parts[1], &parts[2], &june]);
        assert_eq!(merged, Merged { kept: 3, replaced: 1, withdrawn: 0 });
        let feeds = Snapshot::from_bytes(bytes).unwrap().feeds();
        let names: Vec<_> = feeds.iter().map(|feed| feed.name.as_str()).collect();
        assert_eq!(names, ["Debian:12", "PyPI", "npm"], "the newer one speaks of Debian as a whole");
    }

    #[test]
    fn limits() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        let one = record("", "npm", "1.0.0");
        fs::write(&path, format!("[{one},{one},0,0,0]")).unwrap();
        let read = |limits| Import { limits, ..Import::default() }.read(&path, NonZeroUsize::MIN, &|_| ());
        let limits = Limits::default();
        assert_eq!(read(limits).unwrap().read, 5);
        let over = |limits| match read(limits) {
            Err(Error::Limit { limit, .. }) => limit,
            other => panic!("{other:?}"),
        };
        assert_eq!(over(Limits { records: 4, ..limits }), "feed records");
        assert_eq!(over(Limits { held_bytes: 100, ..limits }), "feed memory");
        let short = read(Limits { record_bytes: 100, ..limits }).unwrap();
        assert_eq!((short.read, short.kept, short.skipped), (5, 0, 5));
    }
}
