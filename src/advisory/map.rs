//! The bytes of a snapshot: a memory map, or a vector. The only unsafe code of the engine.

use std::{fs::File, io, ops::Deref};

/// Bytes that live as long as the snapshot.
pub(super) enum Bytes {
    /// A file, read in place: only the pages that a lookup touches are ever read.
    Mapped(memmap2::Mmap),
    /// Bytes in memory.
    Owned(Vec<u8>),
}

impl Bytes {
    /// Maps the whole of `file`, read-only.
    ///
    /// Proof. A map is unsafe because its bytes could change under the reference, if somebody wrote into the file.
    /// 1. Nothing here writes into a compiled file: the compiler writes to a new file and renames it over the old
    ///    one. The old file keeps its bytes until the last map of it is gone.
    /// 2. A stranger who writes into it all the same changes plain bytes only: no reference into the map outlives
    ///    a lookup, each lookup checks every offset against the length of the map before it uses it, text is checked
    ///    as UTF-8 and copied, and a checksum of each record is taken from the very copy that is decoded. So such a
    ///    write gives an error or another answer, as it would with `read`.
    /// 3. Cutting the file short ends the process with SIGBUS: an abnormal end, which a gate reports as a failure.
    #[expect(unsafe_code, reason = "memory maps cannot be made otherwise; proof above")]
    pub(super) fn map(file: &File) -> io::Result<Self> {
        // SAFETY: see the proof above.
        unsafe { memmap2::Mmap::map(file) }.map(Self::Mapped)
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Owned(bytes) => bytes,
        }
    }
}
