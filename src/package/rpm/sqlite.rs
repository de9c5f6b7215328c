//! `rpmdb.sqlite`: the blobs of the table `Packages`; "SQLite Database File Format".
//!
//! Only what that takes: the schema, a table's tree, records, overflow chains. Each page is looked at once at most, so no file
//! can make it loop.

use super::{Error, package};

const MAGIC: &[u8] = b"SQLite format 3\0";
/// Pages of trees deeper than this are of no database that anybody has.
const DEPTH_MAX: usize = 20;

pub(super) fn recognise(head: &[u8]) -> bool {
    head.starts_with(MAGIC)
}

/// Whether changes may be in a write-ahead log beside the file.
pub(super) fn has_journal(head: &[u8]) -> bool {
    recognise(head) && head.get(18) == Some(&2)
}

/// Gives every blob of the table `Packages`; `false` when the file has no such table.
pub(super) fn blobs(
    file: &[u8],
    mut give: impl FnMut(&[u8]) -> Result<(), package::Error>,
) -> Result<bool, package::Error> {
    let database = Database::new(file)?;
    let mut root = None;
    database.rows(1, |row| {
        // type, name, tbl_name, rootpage, sql
        let columns = record(row)?;
        let text = |index: usize| match columns.get(index) {
            Some(Value::Text(text)) => *text,
            _ => b"",
        };
        if text(0) == b"table" && text(1) == b"Packages" {
            root = match columns.get(3) {
                Some(Value::Integer(page)) => u32::try_from(*page).ok(),
                _ => return Err(Error::Sqlite("the table Packages has no root page").into()),
            };
        }
        Ok(())
    })?;
    let Some(root) = root else { return Ok(false) };
    // hnum, blob
    database.rows(root, |row| match record(row)?.get(1) {
        Some(Value::Blob(blob)) => give(blob),
        _ => Err(Error::Sqlite("a row of the table Packages without a blob").into()),
    })?;
    Ok(true)
}

struct Database<'a> {
    file: &'a [u8],
    page_bytes: usize,
    /// Without what is reserved at the end of each.
    usable_bytes: usize,
}

impl<'a> Database<'a> {
    fn new(file: &'a [u8]) -> Result<Self, Error> {
        let page_bytes = match super::be16(file, 16) {
            Some(1) => 65_536,
            Some(bytes) if bytes >= 512 && bytes.is_power_of_two() => usize::from(bytes),
            _ => return Err(Error::Sqlite("an impossible page size")),
        };
        let reserved = usize::from(*file.get(20).ok_or(Error::Sqlite("no header"))?);
        let usable_bytes = page_bytes
            .checked_sub(reserved)
            .filter(|bytes| *bytes >= 480)
            .ok_or(Error::Sqlite("no usable page"))?;
        Ok(Self { file, page_bytes, usable_bytes })
    }

    /// From 1.
    fn page(&self, number: u32) -> Result<&'a [u8], Error> {
        let start = (number as usize).checked_sub(1).and_then(|index| index.checked_mul(self.page_bytes));
        start
            .and_then(|start| self.file.get(start..start.checked_add(self.page_bytes)?))
            .map(|page| &page[..self.usable_bytes])
            .ok_or(Error::Sqlite("a page beyond the file's end"))
    }

    /// The payload of each row of a table, in the order of their keys.
    fn rows(
        &self,
        root: u32,
        mut row: impl FnMut(&[u8]) -> Result<(), package::Error>,
    ) -> Result<(), package::Error> {
        let pages = self.file.len() / self.page_bytes;
        let (mut seen, mut open) = (vec![false; pages + 1], vec![(root, 0)]);
        while let Some((number, depth)) = open.pop() {
            let page = self.page(number)?;
            if std::mem::replace(&mut seen[number as usize], true) || depth > DEPTH_MAX {
                return Err(Error::Sqlite("a tree that leads back into itself").into());
            }
            // The file's header comes before the first page's own.
            let start = if number == 1 { 100 } else { 0 };
            let kind = page.get(start).copied();
            let cells = usize::from(super::be16(page, start + 3).ok_or(Error::Sqlite("a cut page"))?);
            let (interior, first) = match kind {
                Some(0x05) => (true, start + 12),
                Some(0x0d) => (false, start + 8),
                _ => return Err(Error::Sqlite("a page of another kind within a table").into()),
            };
            let cell = |index: usize| {
                super::be16(page, first + 2 * index)
                    .and_then(|at| page.get(usize::from(at)..))
                    .ok_or(Error::Sqlite("a cell beyond its page"))
            };
            if interior {
                let right = super::be32(page, start + 8).ok_or(Error::Sqlite("a cut page"))?;
                open.push((right, depth + 1));
                for index in (0..cells).rev() {
                    let child = super::be32(cell(index)?, 0).ok_or(Error::Sqlite("a cut cell"))?;
                    open.push((child, depth + 1));
                }
            } else {
                for index in 0..cells {
                    row(&self.payload(cell(index)?)?)?;
                }
            }
        }
        Ok(())
    }

    /// The whole payload of a leaf's cell: what is in it, then the chain of overflow pages.
    fn payload(&self, cell: &'a [u8]) -> Result<Vec<u8>, Error> {
        let (size, rest) = varint(cell)?;
        let (_, rest) = varint(rest)?;
        let size = usize::try_from(size).ok().filter(|size| *size <= self.file.len());
        let size = size.ok_or(Error::Sqlite("a row larger than the file"))?;
        let usable = self.usable_bytes;
        let most = usable - 35;
        let local = if size <= most {
            size
        } else {
            let least = (usable - 12) * 32 / 255 - 23;
            let fitting = least + (size - least) % (usable - 4);
            if fitting <= most { fitting } else { least }
        };
        let cut = || Error::Sqlite("a row beyond its page");
        let mut payload = Vec::with_capacity(size);
        payload.extend_from_slice(rest.get(..local).ok_or_else(cut)?);
        let mut next = if local < size { super::be32(rest, local).ok_or_else(cut)? } else { 0 };
        // Each page gives something, so the chain ends with the row.
        while payload.len() < size {
            let page = self.page(next)?;
            next = super::be32(page, 0).ok_or_else(cut)?;
            let part = (size - payload.len()).min(usable - 4);
            payload.extend_from_slice(&page[4..4 + part]);
        }
        Ok(payload)
    }
}

enum Value<'a> {
    Integer(i64),
    Text(&'a [u8]),
    Blob(&'a [u8]),
    Other,
}

/// The columns of a record.
fn record(payload: &[u8]) -> Result<Vec<Value<'_>>, Error> {
    let cut = || Error::Sqlite("a record shorter than it says");
    let (size, rest) = varint(payload)?;
    let header = usize::try_from(size).ok().and_then(|size| payload.get(..size)).ok_or_else(cut)?;
    let mut types = header.get(payload.len() - rest.len()..).ok_or_else(cut)?;
    let (mut body, mut values) = (&payload[header.len()..], Vec::new());
    while !types.is_empty() {
        let (kind, rest) = varint(types)?;
        types = rest;
        let bytes = match kind {
            0 | 8 | 9 => 0,
            1..=4 => kind,
            5 => 6,
            6 | 7 => 8,
            12.. => (kind - 12) / 2,
            _ => return Err(Error::Sqlite("a column of an unknown type")),
        };
        let (value, rest) =
            usize::try_from(bytes).ok().and_then(|bytes| body.split_at_checked(bytes)).ok_or_else(cut)?;
        body = rest;
        values.push(match kind {
            1..=6 => Value::Integer(integer(value)),
            8 => Value::Integer(0),
            9 => Value::Integer(1),
            12.. if kind % 2 == 0 => Value::Blob(value),
            12.. => Value::Text(value),
            _ => Value::Other,
        });
    }
    Ok(values)
}

/// Big-endian, two's complement.
fn integer(bytes: &[u8]) -> i64 {
    let negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
    bytes.iter().fold(if negative { -1 } else { 0 }, |value, byte| (value << 8) | i64::from(*byte))
}

/// A number of one to nine bytes, and what follows it.
fn varint(bytes: &[u8]) -> Result<(u64, &[u8]), Error> {
    let mut value = 0;
    for (index, byte) in bytes.iter().enumerate().take(9) {
        if index == 8 {
            return Ok((value << 8 | u64::from(*byte), &bytes[9..]));
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Ok((value, &bytes[index + 1..]));
        }
    }
    Err(Error::Sqlite("a cut number"))
}
