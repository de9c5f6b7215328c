//! Layers: a blob is streamed once, hashed, and said in a [`Fragment`].

mod builder;
mod finish;
mod fragment;
pub mod limits;
pub mod path;
mod pipe;
mod spool;
mod stream;
pub mod tar;
pub(crate) mod tree;

use std::{
    io::{self, Read, Seek},
    thread,
};

pub use builder::{Builder, Contents, Kind, Refused};
pub use fragment::{ANALYZER, DecodeError, Directory, FileFact, Fragment, SCHEMA, Unread};
pub use limits::Limits;

use crate::{digest::Digest, package};

/// What the image says of a layer, to be verified while it is read.
#[derive(Debug, Clone, Copy)]
pub struct Expected {
    /// Digest of the stored blob; `None` where the source has no content addressing.
    pub blob: Option<Digest>,
    /// Digest of the uncompressed tar; `None` to learn it.
    pub diff_id: Option<Digest>,
}

/// One layer, read and verified.
#[derive(Debug, Clone)]
pub struct Analysed {
    /// What it says; `fragment.diff_id` was computed from the bytes.
    pub fragment: Fragment,
    /// Digest of the bytes as stored.
    pub blob: Digest,
    /// Bytes as stored.
    pub blob_bytes: u64,
}

/// Why a layer was refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The stored bytes are not the ones that the manifest names.
    #[error("the blob of the layer was changed: the manifest names {expected}, the bytes are {found}")]
    Blob {
        /// What the manifest names.
        expected: Digest,
        /// What the bytes are.
        found: Digest,
    },
    /// The uncompressed bytes are not the ones that the config names.
    #[error(
        "the content of the layer was changed: the image's config names {expected}, the bytes are {found}"
    )]
    DiffId {
        /// What the config names.
        expected: Digest,
        /// What the bytes are.
        found: Digest,
    },
    /// A compression that is not read.
    #[error("{0} compression is not supported; rebuild the image with gzip or zstd layers")]
    Compression(&'static str),
    /// The compressed stream is damaged or cut.
    #[error("the {compression} stream cannot be read: {source}")]
    Stream {
        /// `gzip`, `zstd` or `tar`.
        compression: &'static str,
        /// What the decompressor says.
        source: io::Error,
    },
    /// The tar is damaged, hostile, or read in two ways by two engines.
    #[error(transparent)]
    Tar(tar::Error),
    /// One entry was refused.
    #[error("entry {path:?}: {why}")]
    Entry {
        /// The entry's name.
        path: String,
        /// Why.
        why: Refused,
    },
}

/// First bytes of a file that are enough to tell whether it matters.
pub const HEAD_BYTES: usize = 4096;

/// Reads one layer to its end: decompresses (plain, gzip, zstd, told from the bytes), hashes both forms, walks the tar,
/// analyses its files. Decompression has a thread of its own.
///
/// A digest that differs is the error even where the walk failed too: a forged layer is called forged.
pub fn analyse(blob: impl Read + Send, expected: Expected, limits: &Limits) -> Result<Analysed, Error> {
    let mut blob = stream::Blob::open(blob).map_err(|error| match error {
        stream::Error::Io(source) => Error::Stream { compression: "tar", source },
        stream::Error::Compression(name) => Error::Compression(name),
    })?;
    let compression = blob.name();
    let stream = |source| Error::Stream { compression, source };
    let (input, output) = pipe::pipe();
    let (walked, stored) = thread::scope(|scope| {
        let producer = scope.spawn(move || {
            input.fill_from(&mut blob);
            // Behind an error the rest is read all the same: its digest says whether the layer was forged.
            blob.finish()
        });
        let walked = walk(output, limits).map_err(|error| match error {
            Error::Tar(tar::Error::Io(source)) => stream(source),
            other => other,
        });
        let stored = producer.join().unwrap_or_else(|_| Err(io::Error::other("the decompressor failed")));
        (walked, stored)
    });
    let (builder, diff_id, size_bytes) = match walked {
        Ok(walked) => walked,
        Err(error) => {
            return Err(match (expected.blob, expected.diff_id, stored) {
                (Some(expected), _, Ok((found, _))) if found != expected => Error::Blob { expected, found },
                // An uncompressed blob is its own content.
                (None, Some(expected), Ok((found, _))) if compression == "tar" && found != expected => {
                    Error::DiffId { expected, found }
                }
                _ => error,
            });
        }
    };
    let (found, blob_bytes) = stored.map_err(stream)?;
    if let Some(expected) = expected.blob
        && expected != found
    {
        return Err(Error::Blob { expected, found });
    }
    if let Some(expected) = expected.diff_id
        && expected != diff_id
    {
        return Err(Error::DiffId { expected, found: diff_id });
    }
    Ok(Analysed { fragment: builder.finish(diff_id, size_bytes), blob: found, blob_bytes })
}

fn walk(blob: impl Read, limits: &Limits) -> Result<(Builder, Digest, u64), Error> {
    let mut archive = tar::Archive::new(stream::Hashed::new(blob), limits);
    let mut builder = Builder::new(limits);
    while let Some(entry) = archive.next_entry().map_err(Error::Tar)? {
        let refused = |why| Error::Entry { path: path::shown(&entry.path), why };
        let kind = match entry.kind {
            tar::Kind::Directory => Kind::Directory,
            tar::Kind::Link(target) => Kind::Link(target),
            tar::Kind::HardLink(target) => Kind::HardLink(target),
            tar::Kind::Device => Kind::Device,
            // It has no content of its own, and one that would remove an entry is caught as a lost parent.
            tar::Kind::Global => continue,
            tar::Kind::File => {
                let path = path::escape(&builder.real_path(&entry.path).map_err(refused)?);
                Kind::File(contents(&mut archive, &path, entry.size_bytes, limits).map_err(Error::Tar)?)
            }
        };
        builder.layer_entry(&entry.path, kind).map_err(refused)?;
    }
    let (diff_id, size_bytes) = archive.finish().map_err(Error::Tar)?.finish();
    Ok((builder, diff_id, size_bytes))
}

fn contents(
    archive: &mut tar::Archive<impl tar::Source>,
    path: &str,
    size_bytes: u64,
    limits: &Limits,
) -> Result<Contents, tar::Error> {
    let Some(analyser) = package::recognise(path, archive.peek_data(HEAD_BYTES)?) else {
        return Ok(Contents::Plain);
    };
    if let Err(exceeded) = limits.hold_file(&analyser, size_bytes) {
        return Ok(Contents::too_big(&analyser, &exceeded));
    }
    Ok(match analyser {
        package::Read::Whole(read) => Contents::said(read(path, &archive.read_data(size_bytes)?)),
        package::Read::Parts(read) => {
            let mut spool = spool::Spool::new(size_bytes);
            let mut kept = Ok(());
            archive.each_data(size_bytes, |bytes| {
                if kept.is_ok() {
                    kept = spool.write(bytes);
                }
            })?;
            match kept.and_then(|()| spool.rewind()) {
                Ok(()) => Contents::said(read(path, &mut spool)),
                Err(error) => {
                    let why = format!("it cannot be kept in a temporary file: {error}");
                    Contents::Unread { why, anywhere: true }
                }
            }
        }
    })
}
