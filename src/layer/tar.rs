//! The walk over a tar, entry by entry, as Go's `archive/tar` reads it, because container engines do: over a layer and
//! over the archive of a whole image alike.
//!
//! What an engine refuses is refused, and so is what two engines read in two ways. Formats: POSIX ustar and pax,
//! GNU, STAR, V7.

use std::io::{self, Read};

use super::{Limits, limits};

const BLOCK: usize = 512;

/// One entry; its data, if any, is read through [`Archive`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// As written, extended headers applied.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Bytes of data that follow; 0 for all but files.
    pub size_bytes: u64,
}

/// The kinds of entry that engines know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link and its target.
    Link(Vec<u8>),
    /// A hard link and the entry that it names.
    HardLink(Vec<u8>),
    /// A device or a pipe.
    Device,
    /// A global extended header, which engines treat as an entry that removes its own name.
    Global,
}

/// Why a tar was refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The source failed or ended early.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The header's checksum is wrong: no tar, or a damaged one.
    #[error("no tar header at byte {at}: its checksum is wrong")]
    Checksum {
        /// Offset in the uncompressed tar.
        at: u64,
    },
    /// A field of a header cannot be read.
    #[error("tar header at byte {at}: its {field} cannot be read")]
    Field {
        /// Offset in the uncompressed tar.
        at: u64,
        /// Name of the field.
        field: &'static str,
    },
    /// One block of zeros, then something else.
    #[error("a single block of zeros at byte {at}, then more entries")]
    LoneZeroBlock {
        /// Offset in the uncompressed tar.
        at: u64,
    },
    /// A kind that engines do not unpack.
    #[error("{path:?} is of tar type {kind:?}, which container engines refuse")]
    Type {
        /// The entry.
        path: String,
        /// The type flag.
        kind: char,
    },
    /// Sparse files.
    #[error("{0:?} is a sparse file; container engines do not agree on how to read it")]
    Sparse(String),
    /// Extended attributes that steer overlayfs.
    #[error("{path:?} sets the extended attribute {name:?}, which changes what overlayfs shows")]
    OverlayAttribute {
        /// The entry.
        path: String,
        /// The attribute.
        name: String,
    },
    /// A device that overlayfs takes for a whiteout.
    #[error("{0:?} is a device with number 0:0, which overlayfs takes for a whiteout")]
    WhiteoutDevice(String),
    /// A pax header followed by a global one.
    #[error("a pax header at byte {at} that belongs to no entry; readers do not agree on what it applies to")]
    LostPax {
        /// Offset in the uncompressed tar.
        at: u64,
    },
    /// A limit.
    #[error(transparent)]
    Limit(#[from] limits::Exceeded),
}

/// Where the bytes of a tar come from.
pub trait Source: Read {
    /// Passes over up to `count` bytes that nobody looks at: how many it passed, 0 if they must be read.
    fn pass(&mut self, _count: u64) -> io::Result<u64> {
        Ok(0)
    }
}

/// The walk. Between two calls of [`next_entry`](Self::next_entry) it reads as the current entry's data.
pub struct Archive<R> {
    source: R,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// Offset of `start` in the tar.
    at: u64,
    /// Data of the current entry not read yet, and the padding behind it.
    data: u64,
    padding: u64,
    limits: Limits,
}

/// What extended headers say of the next entry.
#[derive(Default)]
struct Extended {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size_bytes: Option<u64>,
    gnu_path: Option<Vec<u8>>,
    gnu_link: Option<Vec<u8>>,
    sparse: bool,
    overlay_attribute: Option<String>,
    pax_at: Option<u64>,
}

impl<R: Source> Archive<R> {
    /// Begins at the first byte of `source`.
    pub fn new(source: R, limits: &Limits) -> Self {
        Self {
            source,
            buffer: vec![0; 128 << 10].into_boxed_slice(),
            start: 0,
            end: 0,
            at: 0,
            data: 0,
            padding: 0,
            limits: limits.clone(),
        }
    }

    /// The next entry; `None` at the end. Data of the last one that was not read is passed over.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, Error> {
        let mut extended = Extended::default();
        loop {
            self.pass(self.data)?;
            self.pass_padding()?;
            self.data = 0;
            let at = self.at;
            let Some(block) = self.header()? else { return Ok(None) };
            let header = Header { block: &block, at };
            let size = header.number("size", 124, 12)?;
            let flag = block[156];
            match flag {
                b'x' => {
                    let size = self.extended_size(size)?;
                    let records = self.read_data(size)?;
                    extended = Extended {
                        gnu_path: extended.gnu_path.take(),
                        gnu_link: extended.gnu_link.take(),
                        pax_at: Some(at),
                        ..pax(&records, at)?
                    };
                }
                b'g' => {
                    let size = self.extended_size(size)?;
                    let records = self.read_data(size)?;
                    pax(&records, at)?;
                    if let Some(at) = extended.pax_at {
                        return Err(Error::LostPax { at });
                    }
                    return Ok(Some(Entry { path: header.path(), kind: Kind::Global, size_bytes: 0 }));
                }
                b'L' | b'K' => {
                    let size = self.extended_size(size)?;
                    let value = until_nul(&self.read_data(size)?).to_vec();
                    *(if flag == b'L' { &mut extended.gnu_path } else { &mut extended.gnu_link }) =
                        Some(value);
                }
                _ => {
                    header.refuse_old_prefix()?;
                    return self.entry(&header, size, extended).map(Some);
                }
            }
        }
    }

    /// Where the walk is in the tar: behind [`next_entry`](Self::next_entry), at the first byte of the entry's data.
    pub fn offset(&self) -> u64 {
        self.at
    }

    fn entry(&mut self, header: &Header<'_>, size: u64, extended: Extended) -> Result<Entry, Error> {
        let path = extended.gnu_path.or(extended.path).unwrap_or_else(|| header.path());
        let name = || super::path::escape(&path);
        let link = || {
            let own = || until_nul(&header.block[157..257]).to_vec();
            extended.gnu_link.clone().or(extended.link.clone()).unwrap_or_else(own)
        };
        if extended.sparse {
            return Err(Error::Sparse(name()));
        }
        if let Some(attribute) = extended.overlay_attribute {
            return Err(Error::OverlayAttribute { path: name(), name: attribute });
        }
        let kind = match header.block[156] {
            0 if path.ends_with(b"/") => Kind::Directory,
            0 | b'0' => Kind::File,
            b'1' => Kind::HardLink(link()),
            b'2' => Kind::Link(link()),
            b'3' | b'4' | b'6' => {
                let device =
                    (header.number("device number", 329, 8)?, header.number("device number", 337, 8)?);
                if header.block[156] == b'3' && device == (0, 0) {
                    return Err(Error::WhiteoutDevice(name()));
                }
                Kind::Device
            }
            b'5' => Kind::Directory,
            b'S' => return Err(Error::Sparse(name())),
            other => return Err(Error::Type { path: name(), kind: char::from(other) }),
        };
        // Only files have data, whatever the size field of a directory or a link says.
        let size_bytes = if kind == Kind::File { extended.size_bytes.unwrap_or(size) } else { 0 };
        self.data = size_bytes;
        self.padding = (BLOCK as u64 - size_bytes % BLOCK as u64) % BLOCK as u64;
        limits::hold("layer size", self.at.saturating_add(size_bytes), self.limits.layer_size_bytes)?;
        Ok(Entry { path, kind, size_bytes })
    }

    fn extended_size(&mut self, size: u64) -> Result<u64, Error> {
        limits::hold("extended header size", size, self.limits.extended_header_bytes)?;
        self.data = size;
        self.padding = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
        Ok(size)
    }

    /// Reads the next `size` bytes of the current entry's data, which the caller has bounded.
    pub(crate) fn read_data(&mut self, size: u64) -> Result<Vec<u8>, Error> {
        let mut data = Vec::new();
        self.each_data(size, |bytes| data.extend_from_slice(bytes))?;
        Ok(data)
    }

    /// Hands over the next `size` bytes of the current entry's data, piece by piece.
    pub(crate) fn each_data(&mut self, size: u64, mut take: impl FnMut(&[u8])) -> Result<(), Error> {
        let size = size.min(self.data);
        let mut left = size;
        while left > 0 {
            let chunk = self.filled(1)?;
            let count = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.len());
            take(&chunk[..count]);
            self.consume(count);
            left -= count as u64;
        }
        self.data -= size;
        Ok(())
    }

    /// The first bytes of the current entry's data, at most `most`, without taking them.
    pub(crate) fn peek_data(&mut self, most: usize) -> Result<&[u8], Error> {
        let most = usize::try_from(self.data).unwrap_or(usize::MAX).min(most);
        let filled = self.filled(most)?;
        Ok(&filled[..most])
    }

    /// Reads what stands behind the end of the archive and gives the source back.
    pub(crate) fn finish(mut self) -> Result<R, Error> {
        loop {
            // What is buffered goes first: a full buffer has no room to read into, and reads as the end.
            self.at += (self.end - self.start) as u64;
            (self.start, self.end) = (0, 0);
            limits::hold("layer size", self.at, self.limits.layer_size_bytes)?;
            if !self.fill()? {
                return Ok(self.source);
            }
        }
    }

    fn header(&mut self) -> Result<Option<[u8; BLOCK]>, Error> {
        let at = self.at;
        let Some(block) = self.block()? else { return Ok(None) };
        if block == [0; BLOCK] {
            return match self.block()? {
                None => Ok(None),
                Some(second) if second == [0; BLOCK] => Ok(None),
                Some(_) => Err(Error::LoneZeroBlock { at }),
            };
        }
        let header = Header { block: &block, at };
        let stored = header.number("checksum", 148, 8)?;
        let sum = |byte: fn(u8) -> i64| -> i64 {
            block.iter().enumerate().map(|(i, b)| if (148..156).contains(&i) { 32 } else { byte(*b) }).sum()
        };
        // The second way, signed, is what some old writers did.
        let sums = [sum(i64::from), sum(|b| i64::from(b.cast_signed()))];
        if i64::try_from(stored).is_ok_and(|stored| sums.contains(&stored)) {
            Ok(Some(block))
        } else {
            Err(Error::Checksum { at })
        }
    }

    /// One block; `None` exactly at the end of the source.
    fn block(&mut self) -> Result<Option<[u8; BLOCK]>, Error> {
        if self.start == self.end && !self.fill()? {
            return Ok(None);
        }
        let mut block = [0; BLOCK];
        block.copy_from_slice(&self.filled(BLOCK)?[..BLOCK]);
        self.consume(BLOCK);
        Ok(Some(block))
    }

    fn pass(&mut self, mut count: u64) -> Result<(), Error> {
        while count > 0 {
            if self.start == self.end {
                let passed = self.source.pass(count)?;
                self.at += passed;
                count -= passed;
                if count == 0 {
                    break;
                }
            }
            let have = self.filled(1)?.len();
            let take = usize::try_from(count).unwrap_or(usize::MAX).min(have);
            self.consume(take);
            count -= take as u64;
        }
        Ok(())
    }

    /// Passes over the padding behind an entry's data; the last one of a tar may lack it.
    fn pass_padding(&mut self) -> Result<(), Error> {
        let mut left = std::mem::take(&mut self.padding);
        while left > 0 && (self.start < self.end || self.fill()?) {
            let take = usize::try_from(left).unwrap_or(usize::MAX).min(self.end - self.start);
            self.consume(take);
            left -= take as u64;
        }
        Ok(())
    }

    fn consume(&mut self, count: usize) {
        self.start += count;
        self.at += count as u64;
    }

    /// At least `least` bytes, fewer than the buffer holds, or an error that the source ended.
    fn filled(&mut self, least: usize) -> Result<&[u8], Error> {
        if self.buffer.len() - self.start < least {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        while self.end - self.start < least {
            if !self.fill()? {
                return Err(
                    io::Error::new(io::ErrorKind::UnexpectedEof, "the tar ends inside an entry").into()
                );
            }
        }
        Ok(&self.buffer[self.start..self.end])
    }

    /// Reads more; `false` at the end of the source.
    fn fill(&mut self) -> Result<bool, Error> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        loop {
            match self.source.read(&mut self.buffer[self.end..]) {
                Ok(read) => {
                    self.end += read;
                    return Ok(read > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl<R: Source> Read for Archive<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.data).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let buffered = self.end - self.start;
        let count = if buffered > 0 {
            let count = most.min(buffered);
            buffer[..count].copy_from_slice(&self.buffer[self.start..self.start + count]);
            self.start += count;
            count
        } else {
            self.source.read(&mut buffer[..most])?
        };
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += count as u64;
        self.data -= count as u64;
        Ok(count)
    }
}

struct Header<'a> {
    block: &'a [u8; BLOCK],
    at: u64,
}

impl Header<'_> {
    /// A numeric field: octal, or base 256 with the highest bit set.
    fn number(&self, field: &'static str, from: usize, length: usize) -> Result<u64, Error> {
        let error = Error::Field { at: self.at, field };
        let bytes = &self.block[from..from + length];
        if bytes[0] & 0x80 != 0 {
            // Negative values start with the bits 11; nothing here may be negative.
            if bytes[0] & 0x40 != 0 || bytes[..length.saturating_sub(8)].iter().skip(1).any(|b| *b != 0) {
                return Err(error);
            }
            let first = if length <= 8 { bytes[0] & 0x3f } else { 0 };
            if length > 8 && bytes[0] != 0x80 {
                return Err(error);
            }
            let tail = &bytes[length.saturating_sub(8).max(usize::from(length <= 8))..];
            return Ok(tail.iter().fold(u64::from(first), |value, byte| value << 8 | u64::from(*byte)));
        }
        let trimmed = bytes.trim_ascii();
        let text = until_nul(trim(trimmed));
        if text.is_empty() {
            return Ok(0);
        }
        let text = std::str::from_utf8(text).map_err(|_| Error::Field { at: self.at, field })?;
        u64::from_str_radix(text, 8).ok().filter(|_| !text.starts_with('+')).ok_or(error)
    }

    /// Go once wrote GNU headers with a prefix where the format has times, and reads them so where they are no times;
    /// other readers do not.
    fn refuse_old_prefix(&self) -> Result<(), Error> {
        if &self.block[257..265] == b"ustar  \0" && self.block[345] != 0 {
            self.number("access time", 345, 12)?;
            self.number("change time", 357, 12)?;
        }
        Ok(())
    }

    /// The entry's name with the prefix of its format.
    fn path(&self) -> Vec<u8> {
        let name = until_nul(&self.block[..100]);
        let prefix = match (&self.block[257..263], &self.block[508..]) {
            (b"ustar\0", b"tar\0") => until_nul(&self.block[345..476]),
            (b"ustar\0", _) => until_nul(&self.block[345..500]),
            _ => b"",
        };
        if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
    }
}

fn trim(bytes: &[u8]) -> &[u8] {
    let blank = |byte: &u8| *byte == b' ' || *byte == 0;
    let from = bytes.iter().position(|b| !blank(b)).unwrap_or(bytes.len());
    let to = bytes.iter().rposition(|b| !blank(b)).map_or(from, |last| last + 1);
    &bytes[from..to]
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len())]
}

/// Reads pax records, `LENGTH KEY=VALUE\n`.
fn pax(mut records: &[u8], at: u64) -> Result<Extended, Error> {
    let mut extended = Extended::default();
    while !records.is_empty() {
        let malformed = || Error::Field { at, field: "pax record" };
        let space = records.iter().position(|byte| *byte == b' ').ok_or_else(malformed)?;
        let length: usize =
            std::str::from_utf8(&records[..space]).ok().and_then(|l| l.parse().ok()).ok_or_else(malformed)?;
        if length <= space + 1 || length > records.len() || records[length - 1] != b'\n' {
            return Err(malformed());
        }
        let record = &records[space + 1..length - 1];
        records = &records[length..];
        let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(malformed)?;
        let (key, value) = (&record[..equals], &record[equals + 1..]);
        let kept = if value.is_empty() { None } else { Some(value.to_vec()) };
        match key {
            b"" => return Err(malformed()),
            b"path" | b"linkpath" if value.contains(&0) => return Err(malformed()),
            b"path" => extended.path = kept,
            b"linkpath" => extended.link = kept,
            b"size" => {
                let size = |text: &[u8]| std::str::from_utf8(text).ok()?.parse::<u64>().ok();
                extended.size_bytes = match kept {
                    None => None,
                    Some(text) => Some(size(&text).ok_or_else(malformed)?),
                };
            }
            _ if key.starts_with(b"GNU.sparse.") => extended.sparse = true,
            _ if overlay(key) => extended.overlay_attribute = Some(super::path::escape(key)),
            _ if key.contains(&0) => return Err(malformed()),
            _ => {}
        }
    }
    Ok(extended)
}

fn overlay(key: &[u8]) -> bool {
    [b"SCHILY.xattr.", b"LIBARCHIVE.xattr".as_slice()].iter().any(|prefix| key.starts_with(prefix))
        && [b"trusted.overlay.".as_slice(), b"user.overlay."]
            .iter()
            .any(|part| key.windows(part.len()).any(|window| window == *part))
}
