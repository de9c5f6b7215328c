//! Decompression on a thread of its own, so that one layer keeps two processors busy: one inflates and hashes what is
//! stored, the other hashes and walks what came out.

use std::{
    io::{self, Read},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
};

/// Bytes handed over at a time.
const CHUNK_BYTES: usize = 128 << 10;

/// Chunks on their way; with their size, the memory that a pipe costs.
const CHUNKS: usize = 8;

type Chunk = io::Result<Vec<u8>>;

/// The reading end.
pub(super) struct Output {
    chunks: Receiver<Chunk>,
    spent: SyncSender<Vec<u8>>,
    current: Vec<u8>,
    position: usize,
}

/// The writing end.
pub(super) struct Input {
    chunks: SyncSender<Chunk>,
    spent: Receiver<Vec<u8>>,
}

/// A pipe of bounded size.
pub(super) fn pipe() -> (Input, Output) {
    let (chunks_in, chunks_out) = sync_channel(CHUNKS);
    let (spent_in, spent_out) = sync_channel(CHUNKS + 2);
    let input = Input { chunks: chunks_in, spent: spent_out };
    (input, Output { chunks: chunks_out, spent: spent_in, current: Vec::new(), position: 0 })
}

impl Input {
    /// Reads `source` to its end, to its first error, or until nobody reads any more.
    pub(super) fn fill_from(self, source: &mut impl Read) {
        loop {
            let mut chunk = self.spent.try_recv().unwrap_or_default();
            chunk.resize(CHUNK_BYTES, 0);
            let mut filled = 0;
            let mut failed = None;
            while filled < CHUNK_BYTES {
                match source.read(&mut chunk[filled..]) {
                    Ok(0) => break,
                    Ok(read) => filled += read,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                }
            }
            chunk.truncate(filled);
            let ended = filled < CHUNK_BYTES;
            if filled > 0 && self.chunks.send(Ok(chunk)).is_err() {
                return;
            }
            if let Some(error) = failed {
                // Nobody there to tell is no error of ours.
                let _ = self.chunks.send(Err(error));
                return;
            }
            if ended {
                return;
            }
        }
    }
}

impl Read for Output {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position == self.current.len() {
            let spent = std::mem::take(&mut self.current);
            self.position = 0;
            if spent.capacity() > 0 {
                let _ = self.spent.try_send(spent);
            }
            match self.chunks.recv() {
                Ok(chunk) => self.current = chunk?,
                Err(_) => return Ok(0),
            }
        }
        let left = &self.current[self.position..];
        let count = left.len().min(buffer.len());
        buffer[..count].copy_from_slice(&left[..count]);
        self.position += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_errors_arrive_in_order() {
        let data: Vec<u8> = (0..1_000_000_u32).flat_map(u32::to_le_bytes).collect();
        struct Cut<'a>(&'a [u8]);
        impl Read for Cut<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                if self.0.is_empty() { Err(io::Error::other("cut")) } else { self.0.read(buffer) }
            }
        }
        let (input, mut output) = pipe();
        std::thread::scope(|scope| {
            scope.spawn(|| input.fill_from(&mut Cut(&data)));
            let mut got = Vec::new();
            assert_eq!(output.read_to_end(&mut got).unwrap_err().to_string(), "cut");
            assert!(got == data);
        });
        // A reader that goes away ends the writer.
        let (input, output) = pipe();
        drop(output);
        input.fill_from(&mut io::repeat(0));
    }
}
