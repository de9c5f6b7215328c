//! SQLite's write-ahead log: pages that were committed and are not in the database file yet; "WAL-mode File Format".

use super::{Error, be32};

/// Bytes of the log's header, and of each frame's.
const HEADER_BYTES: usize = 32;
const FRAME_BYTES: usize = 24;
/// The last bit says in which order of bytes the checksums are taken.
const MAGIC: u32 = 0x377f_0682;

/// Puts the committed pages of `log` into `database`, as SQLite sees the two together. What follows the last commit, or
/// belongs to an older run of the log, was never there.
pub(super) fn apply(mut database: Vec<u8>, log: &[u8]) -> Result<Vec<u8>, Error> {
    let wrong = Error::Sqlite;
    let magic = be32(log, 0).ok_or(wrong("a write-ahead log without a header"))?;
    if magic & !1 != MAGIC || be32(log, 4) != Some(3_007_000) {
        return Err(wrong("a write-ahead log of another form"));
    }
    let page_bytes = be32(log, 8).unwrap_or_default() as usize;
    if !(512..=65_536).contains(&page_bytes) || !page_bytes.is_power_of_two() {
        return Err(wrong("an impossible page size in the write-ahead log"));
    }
    let mut sum = Checksum { little: magic & 1 == 0, at: (0, 0) };
    sum.add(&log[..24]);
    if !sum.is(log, 24) {
        // A header that was cut while it was written: SQLite takes the log as empty.
        return Ok(database);
    }
    let salt = &log[16..24];
    // What a log adds to a database is in the log.
    let most = database.len().saturating_add(log.len());
    let mut pending = Vec::new();
    for frame in log[HEADER_BYTES..].chunks_exact(FRAME_BYTES + page_bytes) {
        let (header, page) = frame.split_at(FRAME_BYTES);
        sum.add(&header[..8]);
        sum.add(page);
        if &header[8..16] != salt || !sum.is(header, 16) {
            break;
        }
        let number = be32(header, 0).unwrap_or_default() as usize;
        pending.push((number, page));
        let pages = be32(header, 4).unwrap_or_default() as usize;
        if pages == 0 {
            continue;
        }
        let size = pages.checked_mul(page_bytes).filter(|size| *size <= most);
        database.resize(size.ok_or(wrong("a write-ahead log that makes it too large"))?, 0);
        for (number, page) in pending.drain(..) {
            let start = number.checked_sub(1).and_then(|index| index.checked_mul(page_bytes));
            // A page that a later commit cut off again.
            let Some(place) = start.and_then(|start| database.get_mut(start..start.checked_add(page_bytes)?))
            else {
                continue;
            };
            place.copy_from_slice(page);
        }
    }
    Ok(database)
}

/// The log's running checksum, over words of four bytes.
struct Checksum {
    little: bool,
    at: (u32, u32),
}

impl Checksum {
    fn add(&mut self, bytes: &[u8]) {
        let word = |bytes: &[u8]| {
            let word = bytes.first_chunk().copied().unwrap_or_default();
            if self.little { u32::from_le_bytes(word) } else { u32::from_be_bytes(word) }
        };
        let (mut first, mut second) = self.at;
        for pair in bytes.chunks_exact(8) {
            first = first.wrapping_add(word(pair)).wrapping_add(second);
            second = second.wrapping_add(word(&pair[4..])).wrapping_add(first);
        }
        self.at = (first, second);
    }

    fn is(&self, bytes: &[u8], at: usize) -> bool {
        (be32(bytes, at), be32(bytes, at + 4)) == (Some(self.at.0), Some(self.at.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log with one commit of one page.
    fn log(number: u32, pages: u32, page: &[u8]) -> Vec<u8> {
        let mut log = Vec::new();
        for field in [MAGIC | 1, 3_007_000, 512, 0, 7, 9] {
            log.extend_from_slice(&field.to_be_bytes());
        }
        let mut sum = Checksum { little: false, at: (0, 0) };
        let put = |log: &mut Vec<u8>, sum: &Checksum| {
            log.extend_from_slice(&sum.at.0.to_be_bytes());
            log.extend_from_slice(&sum.at.1.to_be_bytes());
        };
        sum.add(&log[..24]);
        put(&mut log, &sum);
        let start = log.len();
        for field in [number, pages, 7, 9] {
            log.extend_from_slice(&field.to_be_bytes());
        }
        sum.add(&log[start..start + 8]);
        sum.add(page);
        put(&mut log, &sum);
        log.extend_from_slice(page);
        log
    }

    #[test]
    fn committed_pages_only() {
        let (old, new) = (vec![1; 512], vec![2; 512]);
        let both = [old.clone(), new.clone()].concat();
        assert_eq!(apply(old.clone(), &log(2, 2, &new)), Ok(both));
        assert_eq!(apply(old.clone(), &log(1, 1, &new)), Ok(new.clone()));
        assert_eq!(apply(old.clone(), &log(1, 0, &new)), Ok(old.clone()), "never committed");
        let mut torn = log(1, 1, &new);
        *torn.last_mut().unwrap() = 3;
        assert_eq!(apply(old.clone(), &torn), Ok(old.clone()), "cut while it was written");
        assert!(apply(old.clone(), &log(1, u32::MAX, &new)).is_err());
        assert!(apply(old, b"rubbish").is_err());
    }
}
