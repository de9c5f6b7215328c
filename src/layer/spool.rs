//! A file of a layer put aside, so that it can be read in parts: small ones in memory, others in a temporary file that
//! has no name.

use std::{
    fs::File,
    io::{self, Cursor, Read, Seek, SeekFrom, Write},
};

/// Up to this size memory holds the file; with the number of threads, the most that files cost.
const MEMORY_BYTES: u64 = 24 << 20;

/// What was put aside; written first, then read.
pub(super) enum Spool {
    Memory(Cursor<Vec<u8>>),
    Disk(File),
}

impl Spool {
    /// Room for a file of this size. Where no temporary file can be made, memory must hold it.
    pub(super) fn new(size_bytes: u64) -> Self {
        match (size_bytes > MEMORY_BYTES).then(tempfile::tempfile) {
            Some(Ok(file)) => Self::Disk(file),
            _ => Self::Memory(Cursor::new(Vec::with_capacity(usize::try_from(size_bytes).unwrap_or(0)))),
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Memory(memory) => memory.write_all(bytes),
            Self::Disk(file) => file.write_all(bytes),
        }
    }
}

impl Read for Spool {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Memory(memory) => memory.read(buffer),
            Self::Disk(file) => file.read(buffer),
        }
    }
}

impl Seek for Spool {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Self::Memory(memory) => memory.seek(to),
            Self::Disk(file) => file.seek(to),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_and_big_files_read_alike() {
        for size_bytes in [10, MEMORY_BYTES + 10] {
            let mut spool = Spool::new(size_bytes);
            assert_eq!(matches!(spool, Spool::Disk(_)), size_bytes > MEMORY_BYTES);
            spool.write(b"0123456789").unwrap();
            spool.seek(SeekFrom::Start(7)).unwrap();
            let mut text = String::new();
            spool.read_to_string(&mut text).unwrap();
            assert_eq!(text, "789");
        }
    }
}
