//! The bytes of a layer: decompressed as they come, hashed on both sides of the decompressor.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

use crate::digest::{Digest, Hasher};

/// Bytes asked of the source at a time.
const CHUNK_BYTES: usize = 128 << 10;

/// A reader that hashes and counts what passes.
pub(crate) struct Hashed<R> {
    inner: R,
    hasher: Hasher,
    count: u64,
}

impl<R: Read> Hashed<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, hasher: Hasher::default(), count: 0 }
    }

    pub(crate) fn finish(self) -> (Digest, u64) {
        (self.hasher.finish(), self.count)
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        self.count += read as u64;
        Ok(read)
    }
}

/// All bytes count, so none is passed over.
impl<R: Read> super::tar::Source for Hashed<R> {}

/// How a blob is compressed, told from its first bytes as container engines do; the media type is a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    Plain,
    Gzip,
    Zstd,
    /// Known, and read by no current builder: its name.
    Refused(&'static str),
}

impl Compression {
    fn of(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, 0x08, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [b'B', b'Z', b'h', ..] => Self::Refused("bzip2"),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Refused("xz"),
            _ => Self::Plain,
        }
    }
}

/// A blob as a stream of tar bytes.
pub(crate) enum Blob<R: Read> {
    Plain(BufReader<Hashed<R>>),
    Gzip(Box<MultiGzDecoder<BufReader<Hashed<R>>>>),
    Zstd(zstd::stream::read::Decoder<'static, BufReader<Hashed<R>>>),
}

/// Why a blob could not be opened or finished.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("{0} compression is not supported")]
    Compression(&'static str),
}

impl<R: Read> Blob<R> {
    pub(crate) fn open(source: R) -> Result<Self, Error> {
        let mut reader = BufReader::with_capacity(CHUNK_BYTES, Hashed::new(source));
        // One fill gives the magic bytes, unless the source trickles; a trickle is patched together first.
        let head = fill(&mut reader)?;
        match Compression::of(head) {
            Compression::Plain => Ok(Self::Plain(reader)),
            Compression::Gzip => Ok(Self::Gzip(Box::new(MultiGzDecoder::new(reader)))),
            Compression::Zstd => Ok(Self::Zstd(zstd::stream::read::Decoder::with_buffer(reader)?)),
            Compression::Refused(name) => Err(Error::Compression(name)),
        }
    }

    /// What the blob is compressed with, for error texts.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Plain(_) => "tar",
            Self::Gzip(_) => "gzip",
            Self::Zstd(_) => "zstd",
        }
    }

    /// Digest and size of the blob as stored. What the decompressor left unread is read here: it is part of the blob.
    pub(crate) fn finish(self) -> io::Result<(Digest, u64)> {
        let mut reader = match self {
            Self::Plain(reader) => reader,
            Self::Gzip(decoder) => decoder.into_inner(),
            Self::Zstd(decoder) => decoder.finish(),
        };
        io::copy(&mut reader, &mut io::sink())?;
        Ok(reader.into_inner().finish())
    }
}

fn fill<R: Read>(reader: &mut BufReader<R>) -> io::Result<&[u8]> {
    loop {
        match reader.fill_buf() {
            Ok(_) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(reader.buffer())
}

impl<R: Read> Read for Blob<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(reader) => reader.read(buffer),
            Self::Gzip(decoder) => decoder.read(buffer),
            Self::Zstd(decoder) => decoder.read(buffer),
        }
    }
}
