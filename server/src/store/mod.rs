//! The store: what all nodes of a server know in common. One trait, one file per backend, one contract test.

mod database;
mod embedded;

use std::path::PathBuf;

use stella::{api::Pair, digest::Digest, policy::Class};

pub use embedded::Embedded;

/// Whose claims they are: claims of one owner are never seen by another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The tenant.
    pub tenant: String,
    /// Trust class of the writer.
    pub class: Class,
    /// Narrows the class, such as to one repository; empty for the whole tenant.
    pub scope: String,
}

/// Fragments that can stand for each other: same owner, same form, same analyzer with the same options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Space {
    /// Whose claims they are.
    pub owner: Owner,
    /// Fragment schema.
    pub schema: u32,
    /// Analyzer with its options.
    pub analyzer: String,
}

/// One fragment sent for one layer of one scan.
#[derive(Debug, Clone, Copy)]
pub struct Upload<'a> {
    /// The scan it was sent for.
    pub scan: &'a str,
    /// Where it belongs.
    pub space: &'a Space,
    /// The layer.
    pub diff_id: Digest,
    /// The blob that the sender read, where the layer has one.
    pub blob: Option<Digest>,
    /// Digest of what the fragment says, however it was compressed.
    pub content: Digest,
    /// The fragment as it was sent.
    pub bytes: &'a [u8],
}

/// A scan as it was opened, and what was sent for it since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// The request's JSON.
    pub request: Vec<u8>,
    /// What was sent for it, sorted by layer.
    pub sent: Vec<Sent>,
    /// The last answer's JSON, once all was known.
    pub answer: Option<Vec<u8>>,
}

/// A fragment that was sent for a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sent {
    /// The layer.
    pub diff_id: Digest,
    /// The blob that was read.
    pub blob: Option<Digest>,
    /// Digest of what the fragment says.
    pub content: Digest,
}

/// What an upload made of its layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// Nobody had sent this layer before.
    New,
    /// The same was known already.
    Same,
    /// Another fragment is known for this layer: it is missing again for everybody but the senders' own scans.
    Disputed,
}

/// Why a store cannot do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process has the file open.
    #[error("{} is in use by another process: stop that server, or give this one its own --data-dir", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// A later version of the server wrote the file.
    #[error("{} has store version {found}, this server knows {known}: use a newer stella-server", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Version in the file.
        found: u64,
        /// Version that this server writes.
        known: u64,
    },
    /// The disk is full. What was acknowledged is not lost.
    #[error("the disk of {} is full: make room there, the server goes on by itself", directory.display())]
    Full {
        /// The directory.
        directory: PathBuf,
    },
    /// The file is not what was written.
    #[error(
        "{} is damaged or no store ({why}): move it away, it holds only facts that clients send again",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The backend's words.
        why: String,
    },
    /// The disk, the network or the backend's own word.
    #[error("{what}: {why}")]
    Backend {
        /// What was being done, with the file or address.
        what: String,
        /// The backend's words.
        why: String,
    },
}

/// What all nodes of a server know in common.
///
/// Contract, held by one test against every backend:
///
/// - Every method is atomic: it happens whole or not at all, and what it wrote is seen by every later call.
/// - [`put_fragment`](Self::put_fragment) is durable when it returns, and so is the scan it was sent for: a process
///   killed a moment later loses nothing of them. Other writes may be lost with the process; all of them can be
///   made again, and a scan that was opened and sent nothing is one that its caller opens again.
/// - A layer for which one owner sent two different fragments is *disputed*: [`layers`](Self::layers) does not
///   name it any more. Both stay readable by content, so that a scan can stand on what was sent for itself.
/// - A blob for which one owner named two diff IDs is disputed in the same way.
/// - Owners and spaces are apart: nothing written in one is seen in another.
///
/// Methods block; they are called on threads that may.
pub trait Store: Send + Sync + 'static {
    /// Answers, and could write.
    fn ping(&self) -> Result<(), Error>;

    /// For each layer the content digest of its one undisputed fragment.
    fn layers(&self, space: &Space, diff_ids: &[Digest]) -> Result<Vec<Option<Digest>>, Error>;

    /// For each pair whether it is known and undisputed.
    fn pairs(&self, owner: &Owner, pairs: &[Pair]) -> Result<Vec<bool>, Error>;

    /// A fragment by its content digest, disputed or not.
    fn fragment(&self, space: &Space, diff_id: Digest, content: Digest) -> Result<Option<Vec<u8>>, Error>;

    /// Keeps a fragment, its pair, and that it was sent for its scan.
    fn put_fragment(&self, upload: &Upload<'_>) -> Result<Stored, Error>;

    /// Keeps pairs that a caller verified.
    fn add_pairs(&self, owner: &Owner, pairs: &[Pair]) -> Result<(), Error>;

    /// Keeps a scan's request under a new name. Names sort by age; the oldest scans beyond the backend's bound go.
    fn open_scan(&self, name: &str, request: &[u8]) -> Result<(), Error>;

    /// A scan by name.
    fn scan(&self, name: &str) -> Result<Option<Scan>, Error>;

    /// Names of scans that were opened, the newest first, so many at most.
    fn newest_scans(&self, most: usize) -> Result<Vec<String>, Error>;

    /// Keeps a scan's answer; the scan may be one that was never opened, because nothing was missing.
    fn close_scan(&self, name: &str, answer: &[u8]) -> Result<(), Error>;
}

#[cfg(test)]
pub(crate) mod contract;
