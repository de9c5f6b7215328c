//! Files of advisories made into the database.

use std::{
    fs::{self, Metadata},
    num::NonZero,
    path::{Path, PathBuf},
    thread,
};

use stella::{
    advisory::{Compiler, Snapshot},
    feed::{self, Merged, Outcome},
};

use crate::{exit::Failure, local::nowhere, log::Log, progress::Progress, settings::Advisories};

/// Files that become one database.
pub struct Import {
    import: feed::Import,
    threads: NonZero<usize>,
    log: Log,
}

impl Import {
    /// Nothing is read yet.
    pub fn new(log: Log) -> Self {
        let threads = thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
        Self { import: feed::Import::default(), threads, log }
    }

    /// Reads one file or folder, and says what became of it. Where that fails, nothing of it is taken.
    pub fn read(&mut self, path: &Path) -> Result<(), feed::Error> {
        let name = path.file_name().unwrap_or(path.as_os_str());
        let bar = Progress::new(self.log).begin(&format!("importing {}", name.display()));
        let file = path.metadata().ok().filter(Metadata::is_file);
        bar.expect(0, file.map(|file| file.len()));
        let outcomes = self.import.read(path, self.threads, &|bytes| bar.bytes(bytes));
        drop(bar);
        for (source, outcome) in outcomes? {
            told(path, source, &outcome, self.log);
        }
        Ok(())
    }

    /// Writes the database, once `accept` has seen what it will be. What is there stays until then.
    pub fn write(
        self,
        target: &Path,
        accept: impl FnOnce(&Snapshot) -> Result<(), Failure>,
    ) -> Result<Snapshot, Failure> {
        let Self { import, log, .. } = self;
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
        if let Some(parent) = target.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            fs::create_dir_all(parent)
                .map_err(|error| Failure::unfinished(format!("{}: {error}", parent.display())))?;
        }
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
        open(target)
    }
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
