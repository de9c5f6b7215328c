//! Layers: a blob is streamed once, hashed, and said in a [`Fragment`].

mod fragment;
pub mod limits;

pub use fragment::{ANALYZER, Directory, FileFact, Fragment, SCHEMA, Unread};
pub use limits::Limits;

use std::io::Read;

use crate::digest::Digest;

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
    /// The bytes are not the ones that the image names.
    #[error("layer {expected} was changed: {what} is {found}")]
    Digest {
        /// `its blob` or `its content`.
        what: &'static str,
        /// What the image names.
        expected: Digest,
        /// What the bytes are.
        found: Digest,
    },
}

/// Reads one layer to its end: decompresses (plain, gzip, zstd, told from the bytes), hashes both forms, walks the tar,
/// analyses its files.
pub fn analyse(_blob: impl Read, _expected: Expected, _limits: &Limits) -> Result<Analysed, Error> {
    unimplemented!()
}

impl Fragment {
    /// The form on the wire and in stores: JSON, zstd.
    pub fn encode(&self) -> Vec<u8> {
        unimplemented!()
    }

    /// Reads [`encode`](Self::encode)'s form from a hostile sender, within `limits`.
    pub fn decode(_bytes: &[u8], _limits: &Limits) -> Result<Self, DecodeError> {
        unimplemented!()
    }
}

/// Why the bytes are no fragment.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not zstd, not JSON, not of the shape, or over a limit; in words.
    #[error("not a fragment: {0}")]
    Form(String),
}
