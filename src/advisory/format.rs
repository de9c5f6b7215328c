//! The compiled file, version 5. All numbers are little-endian.
//!
//! | part | what it holds |
//! | --- | --- |
//! | header | magic, format version, flags, digest of the content, file length, place of each section, checksum |
//! | contents | postcard: [`Contents`], each feed with the part of the index that is its own, sorted by name |
//! | entries | the index: one fixed-width [`Entry`] per feed and package, sorted by package name; then one per vulnerability of which something is said, sorted by id |
//! | names | the names that entries point at |
//! | texts | ids, aliases and summaries, each stored once however many packages they speak of |
//! | records | postcard: per package, its [`StoredAdvisory`] list; per vulnerability, what each source says; equal ones are stored once |
//!
//! Opening reads the header and the contents. Every other piece is checked when it is used: its place against the
//! file's length, its bytes against their checksum, so that damage is an error and never a missing advisory.

use std::{borrow::Cow, io};

use serde::{Deserialize, Serialize};

use super::{Feed, Range, State};
use crate::{digest::Digest, finding::Severity};

pub(super) const MAGIC: &[u8; 8] = b"stelladb";
pub(super) const VERSION: u32 = 5;
pub(super) const HEADER_BYTES: usize = 144;
pub(super) const ENTRY_BYTES: usize = 32;
pub(super) const FLAG_DEMO: u32 = 1;

/// Why a compiled advisory file could not be written or read. Whoever has its path names it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system says no.
    #[error("cannot be read: {0}; name a file that `feeds import` wrote")]
    Read(#[source] io::Error),
    /// The file system says no.
    #[error("cannot be written: {0}")]
    Write(#[source] io::Error),
    /// A directory, a device, a pipe.
    #[error("is {0}, and no regular file; name a file that `feeds import` wrote")]
    NotRegular(&'static str),
    /// Some other file.
    #[error("not an advisory file of Stella (wrong magic); run `feeds import` to make one")]
    Magic,
    /// Written by an older or newer release.
    #[error("advisory file has format {found}, this release reads {VERSION}; run `feeds import` again")]
    Version {
        /// The format found.
        found: u32,
    },
    /// Shorter or longer than its header says.
    #[error("advisory file is cut: {found} bytes of {want}; run `feeds import` again")]
    Truncated {
        /// Bytes that the header names.
        want: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// The bytes are not those that were written.
    #[error("advisory file is damaged at {what}; run `feeds import` again")]
    Corrupt {
        /// The part.
        what: Cow<'static, str>,
    },
    /// More than the format can hold.
    #[error("too many advisories: {what} do not fit the format")]
    TooLarge {
        /// The part.
        what: &'static str,
    },
}

pub(super) fn corrupt(what: impl Into<Cow<'static, str>>) -> Error {
    Error::Corrupt { what: what.into() }
}

/// A part of the file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Section {
    pub offset: u64,
    pub size_bytes: u64,
}

impl Section {
    /// The section's bytes, if the file has them.
    pub(super) fn of(self, file: &[u8]) -> Option<&[u8]> {
        slice(file, self.offset, self.size_bytes)
    }
}

/// `size_bytes` bytes of `bytes` from `offset`, if they are there.
pub(super) fn slice(bytes: &[u8], offset: u64, size_bytes: u64) -> Option<&[u8]> {
    let start = usize::try_from(offset).ok()?;
    bytes.get(start..start.checked_add(usize::try_from(size_bytes).ok()?)?)
}

/// The first bytes of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub flags: u32,
    /// Of flags, format version and all that follows the header: the snapshot's id.
    pub content: Digest,
    pub file_bytes: u64,
    /// Contents, entries, names, texts, records.
    pub sections: [Section; 5],
}

impl Header {
    pub(super) fn encode(&self, contents: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(self.flags.to_le_bytes());
        bytes.extend(self.content.bytes());
        bytes.extend(self.file_bytes.to_le_bytes());
        for section in self.sections {
            bytes.extend(section.offset.to_le_bytes());
            bytes.extend(section.size_bytes.to_le_bytes());
        }
        bytes.extend(checksum(&[&bytes, contents]).to_le_bytes());
        bytes
    }

    /// Reads and checks the header of `file`, and the contents with it.
    pub(super) fn decode(file: &[u8]) -> Result<Self, Error> {
        if !file.starts_with(MAGIC) {
            return Err(Error::Magic);
        }
        let mut rest = &file[MAGIC.len()..];
        let cut = || Error::Truncated { want: HEADER_BYTES as u64, found: file.len() as u64 };
        let version = take(&mut rest).map(u32::from_le_bytes).ok_or_else(cut)?;
        if version != VERSION {
            return Err(Error::Version { found: version });
        }
        let mut header = || {
            let flags = take(&mut rest).map(u32::from_le_bytes)?;
            let content = Digest::from(take(&mut rest)?);
            let mut number = || take(&mut rest).map(u64::from_le_bytes);
            let file_bytes = number()?;
            let mut sections = [Section::default(); 5];
            for section in &mut sections {
                *section = Section { offset: number()?, size_bytes: number()? };
            }
            Some((Self { flags, content, file_bytes, sections }, number()?))
        };
        let (header, sum) = header().ok_or_else(cut)?;
        if header.file_bytes != file.len() as u64 {
            return Err(Error::Truncated { want: header.file_bytes, found: file.len() as u64 });
        }
        let contents = header.sections[0].of(file).ok_or_else(|| corrupt("header"))?;
        if sum != checksum(&[&file[..HEADER_BYTES - size_of::<u64>()], contents]) {
            return Err(corrupt("header or list of feeds"));
        }
        Ok(header)
    }
}

/// One package of one feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub name_offset: u32,
    pub name_bytes: u32,
    pub record_offset: u64,
    pub record_bytes: u32,
    pub record_sum: u64,
}

impl Entry {
    pub(super) fn encode(&self, name: &[u8]) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        bytes[0..4].copy_from_slice(&self.name_offset.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.name_bytes.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.record_offset.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.record_bytes.to_le_bytes());
        bytes[20..28].copy_from_slice(&self.record_sum.to_le_bytes());
        let sum = short_checksum(&[&bytes[..28], name]);
        bytes[28..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// Reads an entry and the name it points at.
    pub(super) fn decode<'a>(bytes: &[u8], names: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let mut rest = bytes;
        let entry = Self {
            name_offset: take(&mut rest).map(u32::from_le_bytes)?,
            name_bytes: take(&mut rest).map(u32::from_le_bytes)?,
            record_offset: take(&mut rest).map(u64::from_le_bytes)?,
            record_bytes: take(&mut rest).map(u32::from_le_bytes)?,
            record_sum: take(&mut rest).map(u64::from_le_bytes)?,
        };
        let sum = take(&mut rest).map(u32::from_le_bytes)?;
        let name = slice(names, entry.name_offset.into(), entry.name_bytes.into())?;
        (sum == short_checksum(&[bytes.get(..28)?, name])).then_some((entry, name))
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}

/// What is in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Contents {
    /// Names of the databases that speak here, sorted.
    pub sources: Vec<String>,
    pub feeds: Vec<StoredFeed>,
    /// Those who speak of vulnerabilities themselves, sorted by name.
    pub databases: Vec<Feed>,
    /// The part of the index that is of vulnerabilities.
    pub first_fact: u64,
    pub facts: u64,
}

/// A feed as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredFeed {
    pub feed: Feed,
    pub first_entry: u64,
    pub entries: u64,
    /// Repositories of the release that nobody spoke of.
    pub missing: Vec<String>,
}

/// An advisory as stored in a record: its words are in `texts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredAdvisory {
    pub text: u32,
    /// Its place in [`Contents::sources`].
    pub source: u32,
    pub severity: Severity,
    pub state: State,
    pub ranges: Vec<Range>,
    pub versions: Vec<String>,
}

/// The words of an advisory; in `texts` after their length and their checksum.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Text {
    pub id: String,
    pub aliases: Vec<String>,
    pub summary: String,
}

impl Text {
    pub(super) fn read(texts: &[u8], offset: u32) -> Option<Self> {
        let mut rest = texts.get(usize::try_from(offset).ok()?..)?;
        let size_bytes = take(&mut rest).map(u32::from_le_bytes)?;
        let sum = take(&mut rest).map(u32::from_le_bytes)?;
        // A copy: what is checked must be what is decoded.
        let bytes = slice(rest, 0, size_bytes.into())?.to_vec();
        (sum == short_checksum(&[&bytes])).then(|| postcard::from_bytes(&bytes).ok())?
    }
}

/// Finds damage, not forgery: who can write the file can write the checksums. Takes eight bytes at a time; each step
/// maps different sums to different sums, so a change in one place is always seen.
pub(super) fn checksum(parts: &[&[u8]]) -> u64 {
    let step = |sum: u64, word: u64| (sum ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    parts.iter().fold(u64::MAX, |sum, part| {
        let mut words = part.chunks_exact(8);
        let mut word = [0; 8];
        let sum = words.by_ref().fold(sum, |sum, bytes| {
            word.copy_from_slice(bytes);
            step(sum, u64::from_le_bytes(word))
        });
        let mut last = [0; 8];
        last[..words.remainder().len()].copy_from_slice(words.remainder());
        // The length tells a part's end from zeros.
        step(step(sum, u64::from_le_bytes(last)), part.len() as u64)
    })
}

pub(super) fn short_checksum(parts: &[&[u8]]) -> u32 {
    let sum = checksum(parts);
    u32::try_from((sum ^ sum >> 32) & u64::from(u32::MAX)).unwrap_or_default()
}
