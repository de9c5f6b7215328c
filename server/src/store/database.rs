//! One redb file, opened again in place after an error that redb does not outlive: after one failed write, such as on a
//! full disk, it answers every call with an error until it is closed.

use std::{
    fs::{DirBuilder, OpenOptions},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use redb::backends::FileBackend;

use super::Error;
use crate::{log, metrics::StoreErrors};

/// What must find room for the store to be ready: about a large fragment.
const ROOM_BYTES: usize = 1 << 20;

/// Why a call failed.
pub(super) enum Fault {
    /// redb's word.
    Redb(redb::Error),
    /// A panic: redb is not written for files that something else wrote into.
    Panic(String),
    /// The tables are of another version.
    Version {
        /// Version in the file.
        found: u64,
        /// Version that this server writes.
        known: u64,
    },
}

impl<E: Into<redb::Error>> From<E> for Fault {
    fn from(error: E) -> Self {
        Self::Redb(error.into())
    }
}

impl Fault {
    /// Whether every later call would fail too.
    fn lasts(&self) -> bool {
        use redb::Error::{Backend, DatabaseClosed, Io, LockPoisoned, PreviousIo};
        match self {
            Self::Redb(error) => {
                matches!(error, Io(_) | Backend(_) | PreviousIo | DatabaseClosed | LockPoisoned(_))
            }
            Self::Panic(_) => true,
            Self::Version { .. } => false,
        }
    }

    /// Whether another call broke the database.
    fn is_of_another(&self) -> bool {
        matches!(self, Self::Redb(redb::Error::PreviousIo | redb::Error::LockPoisoned(_)))
    }
}

/// How a file is opened, each time.
pub(super) struct Options {
    /// Bytes of its pages held in memory.
    pub cache_bytes: usize,
    /// Makes the tables of a new file; refuses a file with others.
    pub prepare: fn(&redb::Database) -> Result<(), Fault>,
    /// Counts what fails.
    pub errors: StoreErrors,
}

/// One redb file. One process at a time holds it.
pub(super) struct Database {
    directory: PathBuf,
    path: PathBuf,
    options: Options,
    /// None where it could not be opened again.
    open: RwLock<Option<redb::Database>>,
    /// Whether it must be opened again. Set under the lock for reading, cleared under the one for writing.
    failed: AtomicBool,
}

impl Database {
    /// Opens the file in `directory`, making both where they are not there yet: for their owner alone.
    pub fn open(directory: &Path, file: &str, options: Options) -> Result<Self, Error> {
        make_directory(directory).map_err(|error| Error::Backend {
            what: format!("data directory {}", directory.display()),
            why: error.to_string(),
        })?;
        let path = directory.join(file);
        let directory = directory.to_owned();
        let new = Self { directory, path, options, open: RwLock::new(None), failed: AtomicBool::new(true) };
        new.reopen().map_err(|fault| new.error(fault))?;
        Ok(new)
    }

    /// Does `work`. Where an earlier call broke the database it is opened again first, and where a call at the same time
    /// did, `work` is done once more: it was rolled back.
    pub fn call<T>(&self, work: impl Fn(&redb::Database) -> Result<T, Fault>) -> Result<T, Error> {
        let mut done = self.attempt(&work);
        if done.as_ref().is_err_and(Fault::is_of_another) {
            done = self.attempt(&work);
        }
        if done.as_ref().is_err_and(Fault::is_of_another) {
            // Calls beside this one fail one after the other: where the disk is full, that is why.
            self.check_room()?;
        }
        done.map_err(|fault| self.error(fault))
    }

    /// Whether there is room to write.
    pub fn check_room(&self) -> Result<(), Error> {
        let write = || {
            // It has no name: nothing is left of it whatever happens.
            tempfile::tempfile_in(&self.directory)?.write_all(&vec![0; ROOM_BYTES])
        };
        write().map_err(|error: io::Error| self.error(error.into()))
    }

    fn attempt<T>(&self, work: impl Fn(&redb::Database) -> Result<T, Fault>) -> Result<T, Fault> {
        self.reopen()?;
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        let database = open.as_ref().ok_or(redb::Error::PreviousIo)?;
        let done = caught(|| work(database));
        if done.as_ref().is_err_and(Fault::lasts) {
            self.failed.store(true, Ordering::Release);
        }
        done
    }

    /// Opens the file, where that is to be done. Under the lock no call holds a transaction.
    fn reopen(&self) -> Result<(), Fault> {
        if !self.failed.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        if !self.failed.load(Ordering::Acquire) {
            return Ok(());
        }
        caught(|| {
            // First: it holds the lock of the file.
            drop(open.take());
            let file = options().open(&self.path).map_err(redb::Error::Io)?;
            let mut builder = redb::Database::builder();
            builder.set_cache_size(self.options.cache_bytes);
            let database = builder.create_with_backend(FileBackend::new(file)?)?;
            (self.options.prepare)(&database)?;
            *open = Some(database);
            Ok(())
        })?;
        self.failed.store(false, Ordering::Release);
        tracing::info!(path = %self.path.display(), "the store is open");
        Ok(())
    }

    /// The error of a fault, counted.
    fn error(&self, fault: Fault) -> Error {
        let path = self.path.clone();
        let error = match fault {
            Fault::Version { found, known } => Error::Newer { path, found, known },
            Fault::Panic(why) => Error::Damaged { path, why },
            Fault::Redb(redb::Error::DatabaseAlreadyOpen) => Error::Locked { path },
            Fault::Redb(redb::Error::Io(error)) => match error.kind() {
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                    Error::Full { directory: self.directory.clone() }
                }
                ErrorKind::InvalidData | ErrorKind::UnexpectedEof => {
                    Error::Damaged { path, why: error.to_string() }
                }
                _ => Error::Backend { what: format!("store {}", path.display()), why: error.to_string() },
            },
            Fault::Redb(error @ (redb::Error::Corrupted(_) | redb::Error::UpgradeRequired(_))) => {
                Error::Damaged { path, why: error.to_string() }
            }
            Fault::Redb(error) => {
                Error::Backend { what: format!("store {}", path.display()), why: error.to_string() }
            }
        };
        self.options.errors.count(&error);
        error
    }
}

/// A panic inside redb is an error of this call alone.
fn caught<T>(work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    log::caught(work).unwrap_or_else(|panic| Err(Fault::Panic(panic)))
}

/// Reads and writes; makes the file where it is not there.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn make_directory(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}
