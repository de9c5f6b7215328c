//! rpm's database in its three forms: SQLite (`rpmdb.sqlite`), its own (`Packages.db`), Berkeley DB (`Packages`).
//!
//! Small readers of what a listing takes, with no library of C. All they read is hostile: each number is checked against the
//! file before it is believed, and what the file does not hold is an error.

mod berkeley;
mod header;
mod ndb;
mod sqlite;

use std::borrow::Cow;

use super::{Fact, Package};

/// SQLite's write-ahead log, empty in most images.
const JOURNAL: &str = "rpmdb.sqlite-wal";

/// What is wrong with a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Error {
    /// Of one package.
    #[error("a package's header: {0}")]
    Header(&'static str),
    /// Of the SQLite file.
    #[error("SQLite: {0}")]
    Sqlite(&'static str),
    /// Of rpm's own form.
    #[error("ndb: {0}")]
    Ndb(&'static str),
    /// Of the Berkeley DB file.
    #[error("Berkeley DB: {0}")]
    Berkeley(&'static str),
}

/// By content; SQLite and Berkeley DB files are many things, so those by their names too.
pub(super) fn recognise(path: &str, head: &[u8]) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    match name {
        "rpmdb.sqlite" => sqlite::recognise(head),
        "Packages" => berkeley::recognise(head),
        JOURNAL => !head.is_empty(),
        _ => ndb::recognise(head),
    }
}

/// Reads all packages.
pub(super) fn read(path: &str, bytes: &[u8]) -> Result<Option<Fact>, super::Error> {
    if path.ends_with(JOURNAL) {
        let why = "a journal of changes that may not be in the database; `rpm --rebuilddb` writes them there";
        return Err(super::Error::Database(why.to_owned()));
    }
    let packages = packages(bytes).map_err(|error| super::Error::Database(error.to_string()))?;
    Ok(packages.map(|packages| Fact::Rpm { packages }))
}

fn packages(bytes: &[u8]) -> Result<Option<Vec<Package>>, Error> {
    let blobs: Vec<Cow<'_, [u8]>> = if sqlite::recognise(bytes) {
        let Some(blobs) = sqlite::blobs(bytes)? else { return Ok(None) };
        blobs.into_iter().map(Cow::Owned).collect()
    } else if ndb::recognise(bytes) {
        ndb::blobs(bytes)?.into_iter().map(Cow::Borrowed).collect()
    } else {
        berkeley::blobs(bytes)?.into_iter().map(Cow::Owned).collect()
    };
    let mut packages = Vec::with_capacity(blobs.len());
    for blob in blobs {
        packages.extend(header::package(&blob)?);
    }
    packages.sort();
    packages.dedup();
    Ok(Some(packages))
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
}

fn le16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_le_bytes(*bytes))
}
