//! Where a database is, and where the next one is put.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

use super::Error;

/// The file of a database. A server tries the next one before it takes it, so there that is put beside the file.
///
/// ```text
/// advisories.db             the one that is in use
/// advisories.db.candidate   the next one, whole, until it is tried
/// advisories.db.trying      one that is being tried
/// advisories.db.held        one that was tried and not taken
/// advisories.db.parts/      what each path gave
/// advisories.db.lock        held by who makes the next one
/// ```
#[derive(Debug, Clone)]
pub struct Target {
    live: PathBuf,
    is_tried: bool,
}

impl Target {
    /// The next one takes the file's place at once.
    pub fn at_once(live: impl Into<PathBuf>) -> Self {
        Self { live: live.into(), is_tried: false }
    }

    /// The next one is put beside the file, to be tried.
    pub fn tried(live: impl Into<PathBuf>) -> Self {
        Self { live: live.into(), is_tried: true }
    }

    /// Whether the next one is tried before it is in use.
    pub fn is_tried(&self) -> bool {
        self.is_tried
    }

    /// The one that is in use.
    pub fn live(&self) -> &Path {
        &self.live
    }

    /// The one that is to be tried.
    pub fn candidate(&self) -> PathBuf {
        self.beside(".candidate")
    }

    /// The one that is being tried.
    pub fn trying(&self) -> PathBuf {
        self.beside(".trying")
    }

    /// The one that was tried and not taken.
    pub fn held(&self) -> PathBuf {
        self.beside(".held")
    }

    /// Where the next one is put.
    pub fn next(&self) -> PathBuf {
        if self.is_tried { self.candidate() } else { self.live.clone() }
    }

    /// All that may be there, the newest first.
    pub(super) fn all(&self) -> Vec<PathBuf> {
        let live = self.live.clone();
        if self.is_tried { vec![self.candidate(), self.trying(), self.held(), live] } else { vec![live] }
    }

    /// The one that is in use, and those that will be unless they are held back, the newest first. One that is tried meanwhile moves
    /// towards the end, so who looks at them in this order misses none.
    pub fn in_line(&self) -> Vec<PathBuf> {
        let held = self.held();
        self.all().into_iter().filter(|path| *path != held).collect()
    }

    /// Keeps everybody else from making the next one until the result is dropped; makes the folder where it is not there.
    pub(super) fn lock(&self) -> Result<File, Error> {
        let path = self.beside(".lock");
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        if let Some(parent) = parent {
            fs::create_dir_all(parent).map_err(|error| Error::at(parent, &error))?;
        }
        // What may lie there under that name is not ours to empty.
        let create = || File::options().create(true).truncate(false).write(true).open(&path);
        // Who made it need not be who may write it.
        let lock = File::open(&path).or_else(|_| create()).map_err(|error| Error::at(&path, &error))?;
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => Err(Error::unfinished(format!(
                "{}: another import or update of this database is at work",
                path.display()
            ))),
            // Where files cannot be locked, each still writes aside and puts its own in place in one step.
            _ => Ok(lock),
        }
    }

    /// A file whose name begins with the database's.
    pub fn beside(&self, end: &str) -> PathBuf {
        let mut path = self.live.clone().into_os_string();
        path.push(end);
        path.into()
    }
}
