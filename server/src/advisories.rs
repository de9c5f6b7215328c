//! The advisories that are open. A new file of the same name, put there by renaming, is opened when the next scan asks; each
//! scan keeps the one it began with.

use std::{
    fs::Metadata,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use stella::advisory::Snapshot;

use crate::metrics::Metrics;

/// How often a file is looked at, at most.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A compiled file, and what of it is open.
pub struct Advisories {
    path: PathBuf,
    metrics: Arc<Metrics>,
    open: Mutex<Open>,
}

struct Open {
    /// `None` where no file was there yet.
    file: Option<(Stamp, Arc<Snapshot>)>,
    looked: Instant,
    /// Why the file that is there now cannot be opened.
    failure: Option<String>,
}

impl Advisories {
    /// Opens a compiled file. One that is not there is opened once it is; so is one that cannot be read, such as another release's,
    /// and until then it is as good as none: an update can mend it, and a server that does not start cannot be updated.
    pub fn open(path: &Path, metrics: Arc<Metrics>) -> Self {
        let open = Open { file: None, looked: Instant::now(), failure: None };
        let advisories = Self { path: path.to_owned(), metrics, open: Mutex::new(open) };
        advisories.refresh();
        advisories
    }

    /// Where they are, or will be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The newest that can be opened.
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.looked.elapsed() >= LOOK_EVERY {
            self.look(&mut open);
        }
        open.file.as_ref().map(|(_, snapshot)| Arc::clone(snapshot))
    }

    /// Looks whether there is a new file, without waiting until somebody asks.
    pub fn refresh(&self) {
        self.look(&mut self.open.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn look(&self, open: &mut Open) {
        open.looked = Instant::now();
        let known = open.file.as_ref().map(|(stamp, _)| *stamp);
        match self.newer(known) {
            Ok(None) => open.failure = None,
            Ok(Some((stamp, snapshot))) => {
                tracing::info!(id = %snapshot.id(), path = %self.path.display(), "advisories are open");
                self.metrics.snapshot(&snapshot);
                (open.file, open.failure) = (Some((stamp, Arc::new(snapshot))), None);
            }
            Err(error) => {
                self.metrics.snapshot_errors.inc();
                if open.failure.as_ref() != Some(&error) {
                    let path = self.path.display();
                    let stays = if known.is_some() { "what is open stays" } else { "none are open" };
                    tracing::error!(%error, %path, "advisories cannot be opened: {stays}");
                    open.failure = Some(error);
                }
            }
        }
    }

    /// The stamp comes first: a file that is replaced meanwhile is looked at again.
    fn newer(&self, known: Option<Stamp>) -> Result<Option<(Stamp, Snapshot)>, String> {
        if known.is_none() && !self.path.exists() {
            return Ok(None);
        }
        let stamp = Stamp::of(&self.path)?;
        if Some(stamp) == known { Ok(None) } else { Ok(Some((stamp, open(&self.path)?))) }
    }
}

fn open(path: &Path) -> Result<Snapshot, String> {
    Snapshot::open(path).map_err(|error| error.to_string())
}

/// Tells one file of a name from the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    inode: (u64, u64),
    modified: Option<SystemTime>,
    size_bytes: u64,
}

impl Stamp {
    /// Of the file that has the name now.
    pub fn of(path: &Path) -> Result<Self, String> {
        std::fs::metadata(path).map(|file| Self::from(&file)).map_err(|error| error.to_string())
    }
}

impl From<&Metadata> for Stamp {
    fn from(file: &Metadata) -> Self {
        Self { inode: inode(file), modified: file.modified().ok(), size_bytes: file.len() }
    }
}

#[cfg(unix)]
fn inode(file: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    (file.dev(), file.ino())
}

#[cfg(not(unix))]
fn inode(_: &Metadata) -> (u64, u64) {
    (0, 0)
}
