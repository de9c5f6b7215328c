//! The floor: the least work that reading and verifying layers can cost on this machine.
//!
//! Each blob is inflated (gzip: libdeflate, whole member; zstd: the reference library), both forms are hashed with the
//! processor's SHA instructions where it has them, and the tar headers are walked. Blobs are handed out largest first to
//! two threads. Reading the files is part of it; they should be in the page cache (measure more than once).

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use serde::Serialize;
use sha2::{Digest as _, Sha256};

const THREADS: usize = 2;
const PIECE_BYTES: usize = 128 << 10;
const BLOCK_BYTES: usize = 512;

/// How gzip is inflated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// libdeflate, a whole member at once.
    Whole,
    /// zlib-rs in pieces, where a member does not fit the memory limit.
    Streaming,
}

/// One measurement.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The best of `repeats`: a floor is a minimum.
    pub wall_ms: f64,
    /// Bytes of all blobs as stored.
    pub bytes_in: u64,
    /// Bytes of all blobs uncompressed.
    pub bytes_out: u64,
    /// Tar entries, extension headers not counted.
    pub entries: u64,
    /// How gzip was inflated.
    pub mode: Mode,
    /// Each measurement, in order.
    pub repeats: Vec<f64>,
}

/// Why a blob cannot be measured.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {why}")]
pub struct Error {
    path: String,
    why: String,
}

/// What one blob came to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Sum {
    bytes_in: u64,
    bytes_out: u64,
    entries: u64,
}

/// Measures `files` as often as `repeat` says.
pub fn measure(files: &[PathBuf], mode: Mode, repeat: u32) -> Result<Report, Error> {
    let mut sized = files
        .iter()
        .map(|path| fs::metadata(path).map(|data| (data.len(), path)).map_err(|error| wrap(path, &error)))
        .collect::<Result<Vec<_>, _>>()?;
    sized.sort_by_key(|(size, _)| std::cmp::Reverse(*size));
    let mut repeats = Vec::new();
    let mut sum = Sum::default();
    for _ in 0..repeat {
        let start = Instant::now();
        sum = once(&sized, mode)?;
        repeats.push(start.elapsed().as_secs_f64() * 1e3);
    }
    let wall_ms = repeats.iter().copied().fold(f64::INFINITY, f64::min);
    Ok(Report {
        wall_ms,
        bytes_in: sum.bytes_in,
        bytes_out: sum.bytes_out,
        entries: sum.entries,
        mode,
        repeats,
    })
}

fn wrap(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error { path: path.display().to_string(), why: error.to_string() }
}

fn once(files: &[(u64, &PathBuf)], mode: Mode) -> Result<Sum, Error> {
    let next = AtomicUsize::new(0);
    let sums = Mutex::new(Vec::with_capacity(files.len()));
    let work = || {
        while let Some((_, path)) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            let sum = blob(path, mode).map_err(|error| wrap(path, &error));
            sums.lock().unwrap_or_else(PoisonError::into_inner).push(sum);
        }
    };
    thread::scope(|scope| {
        for _ in 1..THREADS.min(files.len()) {
            scope.spawn(work);
        }
        work();
    });
    sums.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().try_fold(
        Sum::default(),
        |all, one| {
            one.map(|one| Sum {
                bytes_in: all.bytes_in + one.bytes_in,
                bytes_out: all.bytes_out + one.bytes_out,
                entries: all.entries + one.entries,
            })
        },
    )
}

fn blob(path: &Path, mode: Mode) -> io::Result<Sum> {
    let mut content = Content::default();
    let mut stored = Stored { file: fs::File::open(path)?, hash: Sha256::new(), size: 0 };
    let mut magic = [0; 4];
    let found = io::Read::read(&mut fs::File::open(path)?, &mut magic)?;
    match magic.get(..found) {
        Some([0x1f, 0x8b, ..]) if mode == Mode::Whole => {
            let mut bytes = Vec::with_capacity(usize::try_from(fs::metadata(path)?.len()).unwrap_or(0));
            stored.read_to_end(&mut bytes)?;
            match inflate(&bytes) {
                Some(out) => content.take(&out),
                None => drain(flate2::read::MultiGzDecoder::new(&bytes[..]), &mut content)?,
            }
        }
        Some([0x1f, 0x8b, ..]) => drain(flate2::read::MultiGzDecoder::new(&mut stored), &mut content)?,
        Some([0x28, 0xb5, 0x2f, 0xfd]) => drain(zstd::Decoder::new(&mut stored)?, &mut content)?,
        _ => drain(&mut stored, &mut content)?,
    }
    // What a decoder left unread still belongs to the blob's digest.
    io::copy(&mut stored, &mut io::sink())?;
    std::hint::black_box((stored.hash.finalize(), content.hash.finalize()));
    Ok(Sum { bytes_in: stored.size, bytes_out: content.size, entries: content.walk.entries })
}

/// The one member of a gzip file, inflated; `None` where there are more, which libdeflate's binding cannot walk.
pub fn inflate(bytes: &[u8]) -> Option<Vec<u8>> {
    let size = u32::from_le_bytes(*bytes.last_chunk()?);
    let mut out = vec![0; usize::try_from(size).ok()?];
    let written = libdeflater::Decompressor::new().gzip_decompress(bytes, &mut out).ok()?;
    (written == out.len()).then_some(out)
}

fn drain(mut reader: impl Read, content: &mut Content) -> io::Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match reader.read(&mut piece)? {
            0 => return Ok(()),
            size => content.take(&piece[..size]),
        }
    }
}

/// The blob as stored, hashed while it is read.
struct Stored {
    file: fs::File,
    hash: Sha256,
    size: u64,
}

impl Read for Stored {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = self.file.read(buffer)?;
        self.hash.update(&buffer[..size]);
        self.size += size as u64;
        Ok(size)
    }
}

/// The uncompressed layer: hashed and walked as it comes.
#[derive(Default)]
struct Content {
    hash: Sha256,
    size: u64,
    walk: Walk,
}

impl Content {
    fn take(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
        self.walk.take(bytes);
    }
}

/// Steps from tar header to tar header.
#[derive(Default)]
struct Walk {
    header: Vec<u8>,
    skip: u64,
    entries: u64,
}

impl Walk {
    fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
            self.skip -= skipped as u64;
            bytes = &bytes[skipped..];
            let wanted = (BLOCK_BYTES - self.header.len()).min(bytes.len());
            self.header.extend_from_slice(&bytes[..wanted]);
            bytes = &bytes[wanted..];
            if self.header.len() == BLOCK_BYTES {
                self.step();
                self.header.clear();
            }
        }
    }

    fn step(&mut self) {
        let header = tar::Header::from_byte_slice(&self.header);
        // An entry may have an empty name: the `tar` crate's extension headers do.
        if header.as_bytes().iter().all(|byte| *byte == 0) {
            return;
        }
        self.skip = header.entry_size().unwrap_or(0).next_multiple_of(BLOCK_BYTES as u64);
        let extension = matches!(header.as_bytes()[156], b'x' | b'g' | b'L' | b'K');
        self.entries += u64::from(!extension);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn layer() -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, size) in [("a", 0_usize), ("dir/b", 513), ("c", 200_000)] {
            let mut header = tar::Header::new_gnu();
            header.set_size(size as u64);
            tar.append_data(&mut header, name, &vec![7; size][..]).unwrap();
        }
        tar.into_inner().unwrap()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn every_form_of_a_layer_comes_to_the_same() {
        let (plain, directory) = (layer(), tempfile::tempdir().unwrap());
        let members = [gzip(&plain[..1000]), gzip(&plain[1000..])].concat();
        let zstd = zstd::encode_all(&plain[..], 1).unwrap();
        for (name, bytes) in
            [("plain", plain.clone()), ("gzip", gzip(&plain)), ("members", members), ("zstd", zstd)]
        {
            let path = directory.path().join(name);
            fs::write(&path, &bytes).unwrap();
            for mode in [Mode::Whole, Mode::Streaming] {
                let report = measure(&[path.clone(), path.clone()], mode, 2).unwrap();
                let sum = (report.bytes_in, report.bytes_out, report.entries, report.repeats.len());
                assert_eq!(sum, (2 * bytes.len() as u64, 2 * plain.len() as u64, 6, 2), "{name} {mode:?}");
            }
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = measure(&["/no/such/layer".into()], Mode::Whole, 1).unwrap_err();
        assert!(error.to_string().starts_with("/no/such/layer: "), "{error}");
    }
}
