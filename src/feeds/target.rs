//! Where a database is, and where the next one is put.

use std::path::{Path, PathBuf};

/// The file of a database. A server tries the next one before it takes it, so there that is put beside the file.
///
/// ```text
/// advisories.db             the one that is in use
/// advisories.db.candidate   the next one, whole, until it is tried
/// advisories.db.trying      one that is being tried
/// advisories.db.held        one that was tried and not taken
/// advisories.db.parts/      what each path gave
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

    /// A file whose name begins with the database's.
    pub fn beside(&self, end: &str) -> PathBuf {
        let mut path = self.live.clone().into_os_string();
        path.push(end);
        path.into()
    }
}
