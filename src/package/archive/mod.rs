//! Zip archives: those of Java, and of others that are packed alike. Read as `java.util.zip.ZipFile` reads them.
//!
//! The end record is searched from the end of the file; the central directory lies right before it; where that is not
//! where the record says, something was put in front of the archive and all offsets shift by as much. Sizes, methods
//! and names are the central directory's. Of a local header only the lengths count, which say where the data begins.
//! A checksum is not looked at. One encrypted entry, or one of a method that Java does not know, spoils the archive. What
//! only some of Java's releases refuse, such as names that are not UTF-8 and extra fields that are too long, is read.
//!
//! The format: PKWARE's APPNOTE, 4.3. The directory is read as a stream, so that memory does not depend on its length.

use std::{
    io::{BufRead, BufReader, Read, SeekFrom},
    ops::Range,
};

use flate2::read::DeflateDecoder;

use super::{Error, File};

mod spent;

pub(super) use spent::{DEPTH, METADATA_ENTRY_BYTES, Spent};

/// The form that errors name.
pub(super) const FORM: &str = "zip";
const END_BYTES: usize = 22;
/// How far back the end record is searched: the longest comment, and what is left of Java's last block of 128 bytes,
/// each of which begins 106 before the one after it.
const TAIL_BYTES: u64 = 128 + 106 * 618;
const DIRECTORY_HEADER_BYTES: usize = 46;
const LOCAL_HEADER_BYTES: usize = 30;
/// In place of a number that the zip64 records hold.
const ELSEWHERE: u64 = 0xFFFF_FFFF;

/// An archive in a range of a file.
pub(super) struct Archive<'f> {
    file: &'f mut dyn File,
    /// Where it ends.
    end: u64,
    /// From where offsets of entries count.
    base: u64,
    directory: Range<u64>,
}

/// Where an entry's data is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    deflated: bool,
    /// Of the local header.
    offset: u64,
    /// As it lies in the archive.
    size_bytes: u64,
}

impl Entry {
    /// Whether its bytes lie in the archive as they are.
    pub(super) fn is_stored(self) -> bool {
        !self.deflated
    }
}

impl<'f> Archive<'f> {
    /// The archive in `within`; `None` where there is no end record.
    pub(super) fn open(
        file: &'f mut dyn File,
        within: Range<u64>,
        spent: &mut Spent,
    ) -> Result<Option<Self>, Error> {
        let Some(end) = End::find(file, &within, spent)? else { return Ok(None) };
        let size = "the central directory is larger than what lies before its end";
        let directory = end.at.checked_sub(end.directory_bytes).ok_or_else(|| damaged(size))?;
        let offset = "the central directory lies before its own offset";
        let base = match end.at {
            0 => 0, // nothing but an end record
            _ => directory.checked_sub(end.directory_offset).ok_or_else(|| damaged(offset))?,
        };
        let absolute = |at: u64| within.start + at;
        let directory = absolute(directory)..absolute(end.at);
        Ok(Some(Self { file, end: within.end, base: absolute(base), directory }))
    }

    /// Visits every entry of the central directory in its order. Of two with one name, Java takes the last.
    pub(super) fn entries(
        &mut self,
        spent: &mut Spent,
        mut visit: impl FnMut(&mut Spent, &[u8], Entry) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut left = self.directory.end - self.directory.start;
        self.file.seek(SeekFrom::Start(self.directory.start)).map_err(damaged)?;
        let mut directory = BufReader::with_capacity(1 << 16, (&mut *self.file).take(left));
        let mut variable = Vec::new();
        while left >= DIRECTORY_HEADER_BYTES as u64 {
            spent.entry()?;
            let mut header = [0; DIRECTORY_HEADER_BYTES];
            directory.read_exact(&mut header).map_err(damaged)?;
            if !header.starts_with(b"PK\x01\x02") {
                return Err(damaged("an entry of the central directory has another signature"));
            }
            if le16(&header, 8) & 1 != 0 {
                return Err(damaged("an entry is encrypted"));
            }
            let method = le16(&header, 10);
            if method != 0 && method != 8 {
                return Err(damaged(format!("an entry is compressed by method {method}")));
            }
            let [name, extra, comment] = [28, 30, 32].map(|at| usize::from(le16(&header, at)));
            left = left
                .checked_sub((DIRECTORY_HEADER_BYTES + name + extra + comment) as u64)
                .ok_or_else(|| damaged("an entry reaches past the central directory"))?;
            variable.resize(name + extra, 0);
            directory.read_exact(&mut variable).map_err(damaged)?;
            skip(&mut directory, comment)?;
            let (name, extra) = variable.split_at(name);
            let [compressed, size, offset] = [20, 24, 42].map(|at| le32(&header, at));
            let (size_bytes, offset) = zip64(extra, size, compressed, offset);
            visit(spent, name, Entry { deflated: method == 8, offset, size_bytes })?;
        }
        if left == 0 { Ok(()) } else { Err(damaged("bytes are left over in the central directory")) }
    }

    /// Where the file holds an entry's data, compressed or not.
    pub(super) fn locate(&mut self, entry: Entry) -> Result<Range<u64>, Error> {
        let overflow = || damaged("an entry's offset is no place in the archive");
        let at = self.base.checked_add(entry.offset).ok_or_else(overflow)?;
        let mut header = [0; LOCAL_HEADER_BYTES];
        if !read_at(self.file, at, self.end, &mut header)? || !header.starts_with(b"PK\x03\x04") {
            return Err(damaged("no entry where the central directory says"));
        }
        let lengths = u64::from(le16(&header, 26)) + u64::from(le16(&header, 28));
        let start = at + LOCAL_HEADER_BYTES as u64 + lengths;
        let end = start.saturating_add(entry.size_bytes).min(self.end);
        if start > end { Err(overflow()) } else { Ok(start..end) }
    }

    /// The file, to read a located range of it.
    pub(super) fn file(&mut self) -> &mut dyn File {
        self.file
    }

    /// Reads an entry's contents, decompressed.
    pub(super) fn contents(&mut self, entry: Entry) -> Result<Box<dyn Read + '_>, Error> {
        let data = self.locate(entry)?;
        self.file.seek(SeekFrom::Start(data.start)).map_err(damaged)?;
        let raw = (&mut *self.file).take(data.end - data.start);
        // Java lends the decompressor one more byte.
        Ok(if entry.deflated { Box::new(DeflateDecoder::new(raw.chain(&[0][..]))) } else { Box::new(raw) })
    }

    /// Reads an entry that holds metadata, up to where `enough` has been read. `None` where that is not within
    /// [`METADATA_ENTRY_BYTES`].
    pub(super) fn metadata(
        &mut self,
        entry: Entry,
        spent: &mut Spent,
        enough: impl Fn(&[u8]) -> bool,
    ) -> Result<Option<Vec<u8>>, Error> {
        let mut contents = self.contents(entry)?.take(METADATA_ENTRY_BYTES);
        let mut bytes = Vec::new();
        let whole = loop {
            let before = bytes.len();
            contents.by_ref().take(1 << 14).read_to_end(&mut bytes).map_err(damaged)?;
            // It is parsed too, which costs more than to decompress it.
            spent.bytes((bytes.len() - before) * 4)?;
            if bytes.len() == before || enough(&bytes[before.saturating_sub(2)..]) {
                break true;
            }
            if bytes.len() as u64 == METADATA_ENTRY_BYTES {
                break false;
            }
        };
        Ok(whole.then_some(bytes))
    }
}

/// The end record, with the numbers of zip64's where that is there. Positions are those in the archive's range.
struct End {
    /// Where the central directory ends.
    at: u64,
    directory_bytes: u64,
    directory_offset: u64,
}

impl End {
    fn find(file: &mut dyn File, within: &Range<u64>, spent: &mut Spent) -> Result<Option<Self>, Error> {
        let length = within.end.saturating_sub(within.start);
        let tail = length.min(TAIL_BYTES);
        let mut buffer = vec![0; usize::try_from(tail).unwrap_or(0)];
        read_at(file, within.end - tail, within.end, &mut buffer)?;
        let mut searched = buffer.len().saturating_sub(END_BYTES - 1);
        while let Some(found) = buffer[..searched].iter().rposition(|byte| *byte == b'P') {
            searched = found;
            if !buffer[found..].starts_with(b"PK\x05\x06") {
                continue;
            }
            spent.end()?;
            let record = &buffer[found..];
            let at = length - tail + found as u64;
            let end = Self { at, directory_bytes: le32(record, 12), directory_offset: le32(record, 16) };
            let comment = usize::from(le16(record, 20));
            if END_BYTES + comment == record.len() || end.is_plausible(file, within)? {
                return Ok(Some(end.zip64(file, within, le16(record, 10))?));
            }
        }
        Ok(None)
    }

    /// Whether directory and entries begin where the record says: that is enough where something follows the archive.
    fn is_plausible(&self, file: &mut dyn File, within: &Range<u64>) -> Result<bool, Error> {
        let Some(directory) = self.at.checked_sub(self.directory_bytes) else { return Ok(false) };
        let Some(entries) = directory.checked_sub(self.directory_offset) else { return Ok(false) };
        for (at, signature) in [(directory, b"PK\x01\x02"), (entries, b"PK\x03\x04")] {
            let mut bytes = [0; 4];
            if !read_at(file, within.start + at, within.end, &mut bytes)? || bytes != *signature {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Zip64's end record in its place, where there is one that does not contradict this.
    fn zip64(self, file: &mut dyn File, within: &Range<u64>, total: u16) -> Result<Self, Error> {
        let mut locator = [0; 20];
        let Some(at) = self.at.checked_sub(locator.len() as u64) else { return Ok(self) };
        if !read_at(file, within.start + at, within.end, &mut locator)? || !locator.starts_with(b"PK\x06\x07")
        {
            return Ok(self);
        }
        let at = le64(&locator, 8);
        let mut record = [0; 56];
        let absolute = within.start.saturating_add(at);
        if !read_at(file, absolute, within.end, &mut record)? || !record.starts_with(b"PK\x06\x06") {
            return Ok(self);
        }
        let [entries, directory_bytes, directory_offset] = [32, 40, 48].map(|at| le64(&record, at));
        let agree = |own: u64, other: u64, elsewhere: u64| own == other || own == elsewhere;
        if agree(self.directory_bytes, directory_bytes, ELSEWHERE)
            && agree(self.directory_offset, directory_offset, ELSEWHERE)
            && agree(u64::from(total), entries, 0xFFFF)
        {
            return Ok(Self { at, directory_bytes, directory_offset });
        }
        Ok(self)
    }
}

/// Compressed size and offset, from the extra field of zip64 where the header says so.
fn zip64(mut extra: &[u8], size: u64, mut compressed: u64, mut offset: u64) -> (u64, u64) {
    while let Some((header, rest)) = extra.split_first_chunk::<4>() {
        let Some((mut field, rest)) = rest.split_at_checked(usize::from(le16(header, 2))) else { break };
        extra = rest;
        if le16(header, 0) != 1 {
            continue;
        }
        let mut next = |number: &mut u64| {
            if *number == ELSEWHERE
                && let Some((bytes, rest)) = field.split_first_chunk()
            {
                (*number, field) = (u64::from_le_bytes(*bytes), rest);
            }
        };
        next(&mut { size });
        next(&mut compressed);
        next(&mut offset);
        break;
    }
    (compressed, offset)
}

/// What breaks an archive.
pub(super) fn damaged(why: impl ToString) -> Error {
    Error::Damaged { form: FORM, why: why.to_string() }
}

/// Fills `buffer` from `at`; `false` where that reaches past `end`.
fn read_at(file: &mut dyn File, at: u64, end: u64, buffer: &mut [u8]) -> Result<bool, Error> {
    if at.checked_add(buffer.len() as u64).is_none_or(|last| last > end) {
        return Ok(false);
    }
    file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(buffer)).map_err(damaged)?;
    Ok(true)
}

fn skip(reader: &mut impl BufRead, mut bytes: usize) -> Result<(), Error> {
    while bytes > 0 {
        let there = reader.fill_buf().map_err(damaged)?.len().min(bytes);
        if there == 0 {
            return Err(damaged("it ends within the central directory"));
        }
        reader.consume(there);
        bytes -= there;
    }
    Ok(())
}

/// A number in a record that is there; 0 where it is not.
fn le16(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u16::from_le_bytes(*bytes))
}

fn le32(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u64::from(u32::from_le_bytes(*bytes)))
}

fn le64(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u64::from_le_bytes(*bytes))
}
