//! Where things lie in an executable: ELF (System V gABI, chapters 4 and 5), PE (Microsoft's "PE Format") and Mach-O
//! (Apple's `mach-o/loader.h` and `fat.h`), of either byte order and word size.
//!
//! Only what loading takes and two sections are looked at. The headers say where to read and are believed in nothing else:
//! a place outside the file reads as nothing.

use super::bytes_at;
use crate::package::{Error, File};

/// The most that one table of headers or names may take; real ones take some kilobytes.
const TABLE_BYTES: u64 = 4 << 20;
/// The most programs that one Mach-O file may hold; there are fewer kinds of processors.
const MAX_PROGRAMS: u32 = 16;

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
        // Java's classes begin with the same bytes, and go on with their version, which is 45 or more.
        [0xca, 0xfe, 0xba, 0xbe | 0xbf, 0, 0, 0, 1..=44, ..] => true,
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
            0x7f => Some(vec![elf(&head, file)?]),
            b'M' => pe(&head, file)?.map(|layout| vec![layout]),
            0xca => Some(fat(&head, file)?),
            _ => Some(vec![mach_o(0, file)?]),
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

fn elf(head: &[u8], file: &mut dyn File) -> Result<Layout, Error> {
    const FORM: &str = "ELF";
    let header = Numbers { bytes: head, big: head.get(5) == Some(&2), wide: head.get(4) == Some(&2) };
    let short = || damaged(FORM, "the header ends early");
    let field = |narrow: usize, wide: usize| if header.wide { wide } else { narrow };
    let segments_at = header.word(field(28, 32)).ok_or_else(short)?;
    let sections_at = header.word(field(32, 40)).ok_or_else(short)?;
    let counts = |at: usize| header.u16(field(42, 54) + at).ok_or_else(short);
    let (segment_size, mut segment_count) = (counts(0)?, counts(2)?);
    let (section_size, mut section_count, mut names_index) = (counts(4)?, counts(6)?, counts(8)?);

    let mut sections = Vec::new();
    if sections_at != 0 && section_size >= field(40, 64) as u64 {
        // Counts that do not fit the header stand in the first section.
        let first = table(file, FORM, "section headers", sections_at, section_size)?;
        let first = Numbers { bytes: &first, ..header };
        let extended =
            |usual: u64, mark: u64, number: Option<u64>| if usual == mark { number } else { Some(usual) };
        section_count = extended(section_count, 0, first.word(field(20, 32))).ok_or_else(short)?;
        names_index = extended(names_index, 0xffff, first.u32(field(24, 40))).ok_or_else(short)?;
        segment_count = extended(segment_count, 0xffff, first.u32(field(28, 44))).ok_or_else(short)?;
        let size = section_count.saturating_mul(section_size);
        sections = table(file, FORM, "section headers", sections_at, size)?;
    }
    let mut layout = Layout::default();
    let mut data = None;
    if segments_at != 0 && segment_size >= field(32, 56) as u64 {
        let segments =
            table(file, FORM, "program headers", segments_at, segment_count.saturating_mul(segment_size))?;
        for bytes in segments.chunks_exact(usize::try_from(segment_size).unwrap_or(usize::MAX)) {
            let segment = Numbers { bytes, ..header };
            let region =
                region(segment.word(field(8, 16)), segment.word(field(4, 8)), segment.word(field(16, 32)));
            let (Some(1), Some(flags), Some(region)) = (segment.u32(0), segment.u32(field(24, 4)), region)
            else {
                continue;
            };
            if flags & 3 == 2 {
                data = data.or(Some(region)); // writable, not executable
            }
            layout.segments.push(region);
        }
    }
    if sections.is_empty() {
        packed(head, segments_at.saturating_add(segment_count.saturating_mul(segment_size)))?;
        // Nothing names the sections; Go's linker puts the build information at the beginning of the data.
        layout.go = data;
        return Ok(layout);
    }
    let section = |index: u64| {
        let at = usize::try_from(index.checked_mul(section_size)?).ok()?;
        let bytes = sections.get(at..at.checked_add(field(40, 64))?)?;
        Some(Numbers { bytes, ..header })
    };
    let place = |section: &Numbers<'_>| {
        region(section.word(field(12, 16)), section.word(field(16, 24)), section.word(field(20, 32)))
    };
    let Some(names) = section(names_index).and_then(|names| place(&names)) else { return Ok(layout) };
    let names = table(file, FORM, "section names", names.offset, names.size)?;
    for section in (0..section_count).filter_map(section) {
        // A section without content (SHT_NOBITS), as in a file of debugging symbols, lies nowhere.
        let Some(name) = section.u32(0).filter(|_| section.u32(4) != Some(8)) else { continue };
        let name = usize::try_from(name).ok().and_then(|name| names.get(name..)).unwrap_or_default();
        if name.starts_with(b".go.buildinfo\0") {
            layout.go = place(&section);
        } else if name.starts_with(b".dep-v0\0") {
            layout.rust = place(&section);
        }
    }
    Ok(layout)
}

/// Refuses what UPX packed, whose packages cannot be seen: it leaves no section headers, and puts a header with its name
/// behind the program headers.
fn packed(head: &[u8], after: u64) -> Result<(), Error> {
    let header = usize::try_from(after).ok().and_then(|after| head.get(after..)).unwrap_or_default();
    match header.get(4..8) {
        Some(b"UPX!") => Err(damaged("ELF", "it is packed by UPX, and its packages are hidden")),
        _ => Ok(()),
    }
}

fn region(address: Option<u64>, offset: Option<u64>, size: Option<u64>) -> Option<Region> {
    Some(Region { address: address?, offset: offset?, size: size? })
}

/// A file that begins as programs for DOS do need not be one for Windows; `None` then.
fn pe(head: &[u8], file: &mut dyn File) -> Result<Option<Layout>, Error> {
    const FORM: &str = "PE";
    const WRITABLE_DATA: u64 = 0xc000_0040;
    const ALIGNMENT: u64 = 0x00f0_0000;
    let numbers = |bytes| Numbers { bytes, big: false, wide: false };
    let Some(start) = numbers(head).u32(0x3c) else { return Ok(None) };
    let coff = bytes_at(file, start, 24)?;
    let (Some(count), Some(optional_size)) = (numbers(&coff).u16(6), numbers(&coff).u16(20)) else {
        return Ok(None);
    };
    if !coff.starts_with(b"PE\0\0") {
        return Ok(None);
    }
    let optional = table(file, FORM, "optional header", start + 24, optional_size)?;
    let base = match numbers(&optional).u16(0) {
        Some(0x20b) => numbers(&optional).number(24, 8),
        _ => numbers(&optional).u32(28),
    };
    let base = base.unwrap_or(0);
    let sections = table(file, FORM, "section headers", start + 24 + optional_size, count * 40)?;
    let mut layout = Layout::default();
    for bytes in sections.chunks_exact(40) {
        let section = numbers(bytes);
        let (Some(address), Some(flags)) = (section.u32(12), section.u32(36)) else { continue };
        let Some(region) = region(base.checked_add(address), section.u32(20), section.u32(16)) else {
            continue;
        };
        if bytes.starts_with(b".dep-v0\0") {
            // What follows the content fills a page.
            let size = region.size.min(section.u32(8).unwrap_or(0));
            layout.rust = Some(Region { size, ..region });
        }
        if address != 0 && region.size != 0 && flags & !ALIGNMENT == WRITABLE_DATA {
            layout.go = layout.go.or(Some(region));
        }
        layout.segments.push(region);
    }
    Ok(Some(layout))
}

/// A file with a program for each of several processors.
fn fat(head: &[u8], file: &mut dyn File) -> Result<Vec<Layout>, Error> {
    let wide = head.get(3) == Some(&0xbf);
    let numbers = Numbers { bytes: head, big: true, wide };
    let count = numbers.u32(4).unwrap_or(0).min(u64::from(MAX_PROGRAMS));
    let mut layouts = Vec::new();
    for index in 0..usize::try_from(count).unwrap_or(0) {
        let offset = numbers.word(8 + index * if wide { 32 } else { 20 } + 8);
        let offset = offset.ok_or_else(|| damaged("Mach-O", "the list of programs ends early"))?;
        layouts.push(mach_o(offset, file)?);
    }
    Ok(layouts)
}

fn mach_o(start: u64, file: &mut dyn File) -> Result<Layout, Error> {
    const FORM: &str = "Mach-O";
    let head = table(file, FORM, "headers", start, 28)?;
    let (big, wide) = match head[..] {
        [0xfe, 0xed, 0xfa, kind @ (0xce | 0xcf), ..] => (true, kind == 0xcf),
        [kind @ (0xce | 0xcf), 0xfa, 0xed, 0xfe, ..] => (false, kind == 0xcf),
        _ => return Err(damaged(FORM, "no program where one must be")),
    };
    let header = Numbers { bytes: &head, big, wide };
    let (Some(count), Some(size)) = (header.u32(16), header.u32(20)) else { return Ok(Layout::default()) };
    let commands =
        table(file, FORM, "load commands", start.saturating_add(if wide { 32 } else { 28 }), size)?;
    let mut left = &commands[..];
    let mut layout = Layout::default();
    let mut data = None;
    let field = |narrow: usize, wide_at: usize| if wide { wide_at } else { narrow };
    for _ in 0..count {
        let command = Numbers { bytes: left, big, wide };
        let (Some(kind), Some(size)) = (command.u32(0), command.u32(4)) else { break };
        let Some(bytes) =
            usize::try_from(size).ok().filter(|size| *size >= 8).and_then(|size| left.get(..size))
        else {
            return Err(damaged(FORM, "a load command ends outside the others"));
        };
        left = &left[bytes.len()..];
        if kind != field(0x1, 0x19) as u64 {
            continue;
        }
        let segment = Numbers { bytes, ..command };
        let place = |address, offset: Option<u64>, size| region(address, offset?.checked_add(start), size);
        let whole = place(segment.word(24), segment.word(field(32, 40)), segment.word(field(36, 48)));
        let Some(whole) = whole.filter(|_| !bytes[8..].starts_with(b"__PAGEZERO\0")) else { continue };
        layout.segments.push(whole);
        let writable = segment.u32(field(40, 56)) == Some(3) && segment.u32(field(44, 60)) == Some(3);
        if writable && whole.size != 0 && whole.address != 0 {
            data = data.or(Some(whole));
        }
        let sections = bytes.get(field(56, 72)..).unwrap_or_default();
        for bytes in sections.chunks_exact(field(68, 80)) {
            let section = Numbers { bytes, ..command };
            let region = place(section.word(32), section.u32(field(40, 48)), section.word(field(36, 40)));
            if bytes.starts_with(b"__go_buildinfo\0") {
                layout.go = region;
            } else if bytes.starts_with(b".dep-v0\0") {
                layout.rust = region;
            }
        }
    }
    layout.go = layout.go.or(data);
    Ok(layout)
}
