//! What reading one file may cost, whatever the archives in it claim to be.

use super::super::Error;

/// Entries of all central directories of one file.
const ENTRIES: u64 = 2_000_000;
/// Archives inside one file.
const NESTED: u64 = 20_000;
/// Archives inside archives.
pub(super) const DEPTH: u64 = 8;
/// Bytes decompressed for one file. What is stored is read in place, and costs none.
const SIZE_BYTES: u64 = 512 << 20;
/// Names and contents of the metadata of one file; with what a nested archive may hold in memory, all that is held.
const METADATA_BYTES: u64 = 32 << 20;
/// One entry that holds metadata.
pub(super) const METADATA_ENTRY_BYTES: u64 = 1 << 20;

/// What was spent of each limit on one file.
#[derive(Default)]
pub(in crate::package) struct Spent {
    entries: u64,
    nested: u64,
    size_bytes: u64,
    metadata_bytes: u64,
}

impl Spent {
    /// An entry of a central directory, or a place where one might have been.
    pub(super) fn entry(&mut self) -> Result<(), Error> {
        spend("archive entries", &mut self.entries, 1, ENTRIES)
    }

    /// An archive inside an archive.
    pub(super) fn nested(&mut self) -> Result<(), Error> {
        spend("nested archives", &mut self.nested, 1, NESTED)
    }

    /// Bytes that were decompressed.
    pub(super) fn bytes(&mut self, bytes: usize) -> Result<(), Error> {
        spend("archive size", &mut self.size_bytes, bytes as u64, SIZE_BYTES)
    }

    /// Bytes of metadata that are kept for a while.
    pub(super) fn metadata(&mut self, bytes: usize) -> Result<(), Error> {
        spend("archive metadata", &mut self.metadata_bytes, bytes as u64, METADATA_BYTES)
    }
}

#[cfg(test)]
impl Spent {
    /// Nearly all of each limit that takes long to reach without optimisation.
    pub(super) fn nearly() -> Self {
        Self { entries: ENTRIES / 20 * 19, size_bytes: SIZE_BYTES / 20 * 19, ..Self::default() }
    }
}

fn spend(name: &'static str, spent: &mut u64, more: u64, limit: u64) -> Result<(), Error> {
    *spent = spent.saturating_add(more);
    if *spent > limit { Err(Error::Limit { name, limit }) } else { Ok(()) }
}
