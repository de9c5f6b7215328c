//! `Packages.db`: rpm's own database, a table of slots and the blobs they point to; `lib/backend/ndb/rpmpkg.c` of rpm has the
//! form. Everything is little-endian.

use super::{Error, package};

const MAGIC: &[u8] = b"RpmP";
const SLOT: &[u8] = b"Slot";
const BLOB: &[u8] = b"BlbS";
/// Bytes of a page of slots.
const PAGE_BYTES: usize = 4096;
/// Bytes of a slot; the file's header takes the place of the first two. Blobs are placed in blocks of as many.
const SLOT_BYTES: usize = 16;

pub(super) fn recognise(head: &[u8]) -> bool {
    head.starts_with(MAGIC)
}

/// Gives every blob.
pub(super) fn blobs(
    file: &[u8],
    mut give: impl FnMut(&[u8]) -> Result<(), package::Error>,
) -> Result<(), package::Error> {
    if super::le32(file, 4) != Some(0) {
        return Err(Error::Ndb("another version than 0").into());
    }
    let pages = super::le32(file, 12).ok_or(Error::Ndb("no header"))? as usize;
    let slots = pages.checked_mul(PAGE_BYTES).and_then(|end| file.get(2 * SLOT_BYTES..end));
    for slot in slots.ok_or(Error::Ndb("fewer slots than it says"))?.chunks_exact(SLOT_BYTES) {
        let field = |at| super::le32(slot, at).unwrap_or_default();
        if !slot.starts_with(SLOT) {
            return Err(Error::Ndb("a slot without its mark").into());
        }
        // A free one.
        if field(8) == 0 {
            continue;
        }
        let blob = (field(8) as usize).checked_mul(SLOT_BYTES).and_then(|start| file.get(start..));
        let blob =
            blob.filter(|blob| blob.starts_with(BLOB)).ok_or(Error::Ndb("a slot that leads to no blob"))?;
        if super::le32(blob, 4) != Some(field(4)) {
            return Err(Error::Ndb("a slot that leads to another package's blob").into());
        }
        let size = super::le32(blob, 12).ok_or(Error::Ndb("a cut blob"))? as usize;
        give(blob[SLOT_BYTES..].get(..size).ok_or(Error::Ndb("a cut blob"))?)?;
    }
    Ok(())
}
