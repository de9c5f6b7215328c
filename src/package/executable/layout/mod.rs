//! Where things lie in an executable: ELF, PE or Mach-O, of either byte order and word size.
//!
//! Only what loading takes and two sections are looked at. The headers say where to read and are believed in nothing else:
//! a place outside the file reads as nothing.

pub(super) mod elf;
mod mach_o;
mod pe;

use super::bytes_at;
use crate::package::{Error, File};

/// The most that one table of headers or names may take; real ones take some kilobytes.
const TABLE_BYTES: u64 = 4 << 20;

/// A stretch of an executable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Region {
    /// Where it is loaded.
    pub(super) address: u64,
    /// Where it lies in the file.
    pub(super) offset: u64,
    /// How much of it is in the file.
    pub(super) size: u64,
}

/// The places of one program that matter.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Layout {
    /// Where Go's build information is, if there is any: its section, or the data that may begin with it.
    pub(super) go: Option<Region>,
    /// The section of cargo-auditable.
    pub(super) rust: Option<Region>,
    /// What is loaded, for what is told by its address.
    segments: Vec<Region>,
}

/// Numbers of one byte order and word size in a piece of a file.
#[derive(Clone, Copy)]
struct Numbers<'a> {
    bytes: &'a [u8],
    big: bool,
    wide: bool,
}

impl Numbers<'_> {
    fn number(&self, at: usize, size: usize) -> Option<u64> {
        let bytes = self.bytes.get(at..at.checked_add(size)?)?;
        let join = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        Some(if self.big { bytes.iter().fold(0, join) } else { bytes.iter().rev().fold(0, join) })
    }

    fn u16(&self, at: usize) -> Option<u64> {
        self.number(at, 2)
    }

    fn u32(&self, at: usize) -> Option<u64> {
        self.number(at, 4)
    }

    /// A number as wide as an address.
    fn word(&self, at: usize) -> Option<u64> {
        self.number(at, if self.wide { 8 } else { 4 })
    }
}

/// Whether a file may be an executable that is loaded: no object file, no core.
pub(super) fn recognise(head: &[u8]) -> bool {
    match head {
        [0x7f, b'E', b'L', b'F', _, order, ..] => {
            let kind = Numbers { bytes: head, big: *order == 2, wide: false }.u16(16);
            matches!(kind, Some(2 | 3))
        }
        [b'M', b'Z', ..] => true,
        [0xfe, 0xed, 0xfa, 0xce | 0xcf, ..] | [0xce | 0xcf, 0xfa, 0xed, 0xfe, ..] => true,
        // For each of several processors, of which there are not many kinds. Java's classes begin with the same bytes, and
        // go on with their version, which is 45 or more.
        [0xca, 0xfe, 0xba, 0xbe | 0xbf, 0, 0, 0, 1..=16, ..] => true,
        _ => false,
    }
}

impl Layout {
    /// The programs of a file, more than one in a Mach-O file for several processors; `None` if it is none.
    pub(super) fn read(file: &mut dyn File) -> Result<Option<Vec<Self>>, Error> {
        let head = bytes_at(file, 0, 4096)?;
        if !recognise(&head) {
            return Ok(None);
        }
        Ok(match head[0] {
            0x7f => Some(vec![elf::read(&head, file)?]),
            b'M' => pe::read(&head, file)?.map(|layout| vec![layout]),
            0xca => Some(mach_o::read_all(&head, file)?),
            _ => Some(vec![mach_o::read(0, file)?]),
        })
    }

    /// Up to `size` bytes of what is loaded at `address`; fewer where the segment or the file ends.
    pub(super) fn bytes_at(&self, file: &mut dyn File, address: u64, size: usize) -> Result<Vec<u8>, Error> {
        let place = self.segments.iter().find_map(|segment| {
            let inside = address.checked_sub(segment.address).filter(|inside| *inside < segment.size)?;
            Some((segment.offset.checked_add(inside)?, segment.size - inside))
        });
        let Some((offset, left)) = place else { return Ok(Vec::new()) };
        bytes_at(file, offset, usize::try_from(left).map_or(size, |left| left.min(size)))
    }
}

fn damaged(form: &'static str, why: &str) -> Error {
    Error::Damaged { form, why: why.to_owned() }
}

/// `size` bytes at `offset`, all of them.
fn table(
    file: &mut dyn File,
    form: &'static str,
    what: &str,
    offset: u64,
    size: u64,
) -> Result<Vec<u8>, Error> {
    let size = usize::try_from(size)
        .ok()
        .filter(|size| *size as u64 <= TABLE_BYTES)
        .ok_or(Error::Limit { name: "executable headers", limit: TABLE_BYTES })?;
    let bytes = bytes_at(file, offset, size)?;
    if bytes.len() < size {
        Err(damaged(form, &format!("the {what} end outside the file")))
    } else {
        Ok(bytes)
    }
}

fn region(address: Option<u64>, offset: Option<u64>, size: Option<u64>) -> Option<Region> {
    Some(Region { address: address?, offset: offset?, size: size? })
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::{
        elf::made::{ADDRESS, START, elf},
        *,
    };

    fn read(bytes: &[u8]) -> Result<Option<Vec<Layout>>, Error> {
        Layout::read(&mut Cursor::new(bytes))
    }

    #[test]
    fn sections_of_either_order_and_size() {
        for (big, wide) in [(false, false), (false, true), (true, false), (true, true)] {
            let file =
                elf(big, wide, &[(".text", b"code"), (".go.buildinfo", b"info"), (".dep-v0", b"crates")]);
            let layouts = read(&file).unwrap().unwrap();
            let [layout] = &layouts[..] else { panic!() };
            let place =
                |at: u64, size| Some(Region { address: ADDRESS + at, offset: START as u64 + at, size });
            assert_eq!((layout.go, layout.rust), (place(4, 4), place(8, 6)));
            let bytes = |at, size| layout.bytes_at(&mut Cursor::new(&file), ADDRESS + at, size).unwrap();
            assert_eq!(bytes(4, 4), b"info");
            assert_eq!(bytes(8, 100), b"crates");
            assert_eq!(bytes(14, 1), b"");
        }
    }

    #[test]
    fn what_is_told_apart() {
        assert!(recognise(&elf(false, true, &[])));
        let kind = |kind| [b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".as_slice(), &[kind, 0]].concat();
        assert!(!recognise(&kind(1)) && recognise(&kind(3)) && !recognise(&kind(4)));
        assert!(recognise(b"\xca\xfe\xba\xbe\0\0\0\x02") && !recognise(b"\xca\xfe\xba\xbe\0\0\0\x41"));
        assert_eq!(read(b"MZ, said the letter"), Ok(None));
    }

    #[test]
    fn what_the_headers_say_and_the_file_does_not_hold() {
        let good = elf(false, true, &[(".go.buildinfo", b"info")]);
        let error = |bytes: &[u8]| read(bytes).unwrap_err().to_string();
        assert_eq!(error(&good[..40]), "ELF: the header ends early");
        assert_eq!(error(&good[..good.len() - 1]), "ELF: the section headers end outside the file");
        let mut bent = good.clone();
        // The number of sections stands in the first of them.
        bent[60..62].fill(0);
        let first = usize::try_from(u64::from_le_bytes(good[40..48].try_into().unwrap())).unwrap();
        bent[first + 32..first + 40].fill(0xff);
        assert_eq!(error(&bent), "over the limit `executable headers`, 4194304");
        let mut packed = good;
        packed[40..48].fill(0);
        packed[64 + 56 + 4..][..4].copy_from_slice(b"UPX!");
        assert_eq!(error(&packed), "ELF: it is packed by UPX, and its packages are hidden");
    }

    #[test]
    fn any_bytes_end_in_a_layout_or_an_error() {
        let magics: [&[u8]; 6] = [
            b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0",
            b"\x7fELF\x01\x02\x01\0\0\0\0\0\0\0\0\0\0\x03",
            b"MZ",
            b"\xcf\xfa\xed\xfe",
            b"\xfe\xed\xfa\xce",
            b"\xca\xfe\xba\xbe\0\0\0\x02\0\0\0\0\0\0\0\0\0\0\0\x20",
        ];
        proptest!(|(which in 0..magics.len(), noise in prop::collection::vec(any::<u8>(), 0..2048))| {
            let _ = read(&[magics[which], &noise].concat());
        });
        let good = elf(false, true, &[(".go.buildinfo", b"info"), (".dep-v0", b"crates")]);
        proptest!(|(at in 16..good.len(), value: u8, size in 18..good.len())| {
            let mut bent = good.clone();
            bent[at] = value;
            bent.truncate(size.max(at));
            for layout in read(&bent).unwrap_or_default().unwrap_or_default() {
                let _ = layout.bytes_at(&mut Cursor::new(&bent), ADDRESS, 1 << 20);
            }
        });
    }
}
