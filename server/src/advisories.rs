//! The advisories that are open. A new file of the same name, such as `stella feeds import` puts there by renaming, is
//! opened when the next scan asks; each scan keeps the one it began with.

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
    snapshot: Arc<Snapshot>,
    stamp: Stamp,
    looked: Instant,
    /// Why the file that is there now cannot be opened.
    failure: Option<String>,
}

impl Advisories {
    /// Opens a compiled file.
    pub fn open(path: &Path, metrics: Arc<Metrics>) -> Result<Self, String> {
        let stamp = Stamp::of(path)?;
        let snapshot = Arc::new(open(path)?);
        metrics.snapshot(&snapshot);
        let open = Open { snapshot, stamp, looked: Instant::now(), failure: None };
        Ok(Self { path: path.to_owned(), metrics, open: Mutex::new(open) })
    }

    /// The newest that can be opened.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.looked.elapsed() >= LOOK_EVERY {
            open.looked = Instant::now();
            self.look(&mut open);
        }
        Arc::clone(&open.snapshot)
    }

    fn look(&self, open: &mut Open) {
        match self.newer(open.stamp) {
            Ok(None) => open.failure = None,
            Ok(Some((stamp, snapshot))) => {
                tracing::info!(id = %snapshot.id(), path = %self.path.display(), "new advisories");
                self.metrics.snapshot(&snapshot);
                (open.stamp, open.snapshot, open.failure) = (stamp, Arc::new(snapshot), None);
            }
            Err(error) => {
                self.metrics.snapshot_errors.inc();
                if open.failure.as_ref() != Some(&error) {
                    let (path, id) = (self.path.display(), open.snapshot.id());
                    tracing::error!(%error, %path, %id, "advisories cannot be opened: the old ones stay");
                    open.failure = Some(error);
                }
            }
        }
    }

    /// The stamp comes first: a file that is replaced meanwhile is looked at again.
    fn newer(&self, known: Stamp) -> Result<Option<(Stamp, Snapshot)>, String> {
        let stamp = Stamp::of(&self.path)?;
        if stamp == known { Ok(None) } else { Ok(Some((stamp, open(&self.path)?))) }
    }
}

fn open(path: &Path) -> Result<Snapshot, String> {
    Snapshot::open(path).map_err(|error| error.to_string())
}

/// Tells one file of a name from the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: (u64, u64),
    modified: Option<SystemTime>,
    size_bytes: u64,
}

impl Stamp {
    fn of(path: &Path) -> Result<Self, String> {
        let file = std::fs::metadata(path).map_err(|error| error.to_string())?;
        Ok(Self { inode: inode(&file), modified: file.modified().ok(), size_bytes: file.len() })
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
