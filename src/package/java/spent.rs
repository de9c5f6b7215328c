//! What reading one file may cost, whatever the archives in it claim to be.

use super::super::Error;

/// Entries of all central directories of one file.
const ENTRIES: u64 = 2_000_000;
/// Records that look like the end of an archive; one for each archive, where nobody means harm.
const ENDS: u64 = 100_000;
/// Archives inside one file.
const NESTED: u64 = 10_000;
/// Archives inside archives.
pub(super) const DEPTH: u64 = 8;
/// Bytes decompressed for one file. Archives that are stored are read in place, and cost none.
const SIZE_BYTES: u64 = 512 << 20;
/// Names of members that matter, and packages: with the nested archives that are open, all that memory holds.
const METADATA_BYTES: u64 = 32 << 20;
/// One entry that holds metadata.
pub(in crate::package) const METADATA_ENTRY_BYTES: u64 = 1 << 20;

/// What was spent of each limit on one file.
#[derive(Default)]
pub(in crate::package) struct Spent {
    entries: u64,
    ends: u64,
    nested: u64,
    size_bytes: u64,
    metadata_bytes: u64,
}

impl Spent {
    /// An entry of a central directory.
    pub(super) fn entry(&mut self) -> Result<(), Error> {
        spend("archive entries", &mut self.entries, 1, ENTRIES)
    }

    /// What looks like an end record.
    pub(super) fn end(&mut self) -> Result<(), Error> {
        spend("archive end records", &mut self.ends, 1, ENDS)
    }

    /// An archive inside an archive.
    pub(super) fn nested(&mut self) -> Result<(), Error> {
        spend("nested archives", &mut self.nested, 1, NESTED)
    }

    /// Bytes that were decompressed.
    pub(super) fn bytes(&mut self, bytes: usize) -> Result<(), Error> {
        spend("archive size", &mut self.size_bytes, bytes as u64, SIZE_BYTES)
    }

    /// Bytes that are kept.
    pub(in crate::package) fn kept(&mut self, bytes: usize) -> Result<(), Error> {
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
