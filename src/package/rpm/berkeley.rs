//! `Packages`: a hash table of Berkeley DB, versions 8 to 10; `dbinc/db_page.h` of Berkeley DB has the form. The file is in the
//! byte order of the machine that wrote it.
//!
//! The table is not looked up in, all its pages are gone through. A chain of pages is followed as long as it gives bytes, up to
//! the length that it announced.

use super::{Error, package};

const MAGIC: u32 = 0x0006_1561;
const PAGE_HEADER_BYTES: usize = 26;
/// Kinds of pages.
const UNSORTED: u8 = 2;
const OVERFLOW: u8 = 7;
const HASH_META: u8 = 8;
const HASH: u8 = 13;
/// Kinds of items.
const INLINE: u8 = 1;
const OFF_PAGE: u8 = 3;

pub(super) fn recognise(head: &[u8]) -> bool {
    order(head).is_some() && head.get(25) == Some(&HASH_META)
}

/// How numbers are written.
#[derive(Clone, Copy)]
enum Order {
    Big,
    Little,
}

fn order(file: &[u8]) -> Option<Order> {
    let magic = file.get(12..16)?;
    if magic == MAGIC.to_le_bytes() {
        Some(Order::Little)
    } else if magic == MAGIC.to_be_bytes() {
        Some(Order::Big)
    } else {
        None
    }
}

struct Database<'a> {
    file: &'a [u8],
    order: Order,
    page_bytes: usize,
}

/// Gives every blob.
pub(super) fn blobs(
    file: &[u8],
    mut give: impl FnMut(&[u8]) -> Result<(), package::Error>,
) -> Result<(), package::Error> {
    let order = order(file).ok_or(Error::Berkeley("no hash table"))?;
    let mut database = Database { file, order, page_bytes: 0 };
    let page_bytes = database.u32(file, 20)?;
    if !(512..=65_536).contains(&page_bytes) || !page_bytes.is_power_of_two() {
        return Err(Error::Berkeley("an impossible page size").into());
    }
    if file.get(24) != Some(&0) {
        return Err(Error::Berkeley("it is encrypted").into());
    }
    database.page_bytes = page_bytes as usize;
    let last = database.u32(file, 32)?;
    for number in 1..=last {
        let page = database.page(number)?;
        if matches!(page[25], UNSORTED | HASH) {
            database.items(page, &mut give)?;
        }
    }
    Ok(())
}

impl<'a> Database<'a> {
    fn u32(&self, bytes: &[u8], at: usize) -> Result<u32, Error> {
        let value = match self.order {
            Order::Little => super::le32(bytes, at),
            Order::Big => super::be32(bytes, at),
        };
        value.ok_or(Error::Berkeley("a cut page"))
    }

    fn u16(&self, bytes: &[u8], at: usize) -> Result<usize, Error> {
        let value = match self.order {
            Order::Little => super::le16(bytes, at),
            Order::Big => super::be16(bytes, at),
        };
        value.map(usize::from).ok_or(Error::Berkeley("a cut page"))
    }

    fn page(&self, number: u32) -> Result<&'a [u8], Error> {
        let start = (number as usize).checked_mul(self.page_bytes);
        start
            .and_then(|start| self.file.get(start..start.checked_add(self.page_bytes)?))
            .ok_or(Error::Berkeley("a page beyond the file's end"))
    }

    /// The values of a page: keys and values take turns.
    fn items(
        &self,
        page: &[u8],
        give: &mut impl FnMut(&[u8]) -> Result<(), package::Error>,
    ) -> Result<(), package::Error> {
        let items = self.u16(page, 20)?;
        let mut end = self.page_bytes;
        for index in 0..items {
            let start = self.u16(page, PAGE_HEADER_BYTES + 2 * index)?;
            let item = page.get(start..end).ok_or(Error::Berkeley("items that overlap"))?;
            end = start;
            if index % 2 == 0 {
                continue;
            }
            match item.first() {
                // Beside packages there is the number of the last one, four bytes.
                Some(&INLINE) if item.len() > 5 => give(&item[1..])?,
                Some(&INLINE) => {}
                Some(&OFF_PAGE) => give(&self.chain(self.u32(item, 4)?, self.u32(item, 8)?)?)?,
                _ => return Err(Error::Berkeley("an item of an unknown kind").into()),
            }
        }
        Ok(())
    }

    fn chain(&self, first: u32, size: u32) -> Result<Vec<u8>, Error> {
        let size = size as usize;
        if size > self.file.len() {
            return Err(Error::Berkeley("a value larger than the file"));
        }
        let (mut value, mut next) = (Vec::with_capacity(size), first);
        while value.len() < size {
            let page = self.page(next)?;
            let used = self.u16(page, 22)?;
            let part =
                page[PAGE_HEADER_BYTES..].get(..used).filter(|part| !part.is_empty() && page[25] == OVERFLOW);
            value.extend_from_slice(part.ok_or(Error::Berkeley("a chain of pages that breaks off"))?);
            next = self.u32(page, 16)?;
        }
        value.truncate(size);
        Ok(value)
    }
}
