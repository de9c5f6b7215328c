//! ELF; System V gABI, chapters 4 and 5.

use super::{Layout, Numbers, damaged, region, table};
use crate::package::{Error, File};

const FORM: &str = "ELF";
/// `UPX!`
const UPX: u64 = 0x2158_5055;

/// The places of an ELF file.
pub(super) fn read(head: &[u8], file: &mut dyn File) -> Result<Layout, Error> {
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
    let section = |index: u64| {
        let at = usize::try_from(index.checked_mul(section_size)?).ok()?;
        let bytes = sections.get(at..at.checked_add(field(40, 64))?)?;
        Some(Numbers { bytes, ..header })
    };
    let place = |section: &Numbers<'_>| {
        region(section.word(field(12, 16)), section.word(field(16, 24)), section.word(field(20, 32)))
    };
    let names = match section(names_index).and_then(|names| place(&names)) {
        Some(names) => table(file, FORM, "section names", names.offset, names.size)?,
        None => Vec::new(),
    };
    if names.is_empty() {
        packed(&header, segments_at.saturating_add(segment_count.saturating_mul(segment_size)))?;
        // Nothing tells the sections apart; Go's linker puts the build information at the beginning of the data.
        layout.go = data;
        return Ok(layout);
    }
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
fn packed(header: &Numbers<'_>, after: u64) -> Result<(), Error> {
    let packed = usize::try_from(after).ok().and_then(|after| header.bytes.get(after..)).unwrap_or_default();
    match (Numbers { bytes: packed, ..*header }).u32(4) {
        Some(UPX) => Err(damaged(FORM, "it is packed by UPX, and its packages are hidden")),
        _ => Ok(()),
    }
}

/// Executables made by hand.
#[cfg(test)]
pub(in super::super) mod made {
    /// Where the sections of [`elf`] begin in the file; they are loaded at [`ADDRESS`] and what follows it.
    pub(in super::super::super) const START: usize = 0x100;
    pub(in super::super::super) const ADDRESS: u64 = 0x40_0000;

    /// A number of one byte order.
    pub(in super::super::super) fn number(value: u64, size: usize, big: bool) -> Vec<u8> {
        let bytes = value.to_be_bytes();
        let bytes = &bytes[8 - size..];
        if big { bytes.to_vec() } else { bytes.iter().rev().copied().collect() }
    }

    /// An ELF file with these sections one after another, all in one writable segment.
    pub(in super::super::super) fn elf(big: bool, wide: bool, sections: &[(&str, &[u8])]) -> Vec<u8> {
        let word = if wide { 8 } else { 4 };
        let field = |narrow: usize, at: usize| if wide { at } else { narrow };
        let mut file = vec![0; START];
        let put = |file: &mut Vec<u8>, at: usize, value: u64, size: usize| {
            file[at..at + size].copy_from_slice(&number(value, size, big));
        };
        file[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', 1 + u8::from(wide), 1 + u8::from(big), 1]);
        put(&mut file, 16, 2, 2);
        let mut names = b"\0".to_vec();
        let mut headers = vec![0; field(40, 64)];
        let mut add = |file: &mut Vec<u8>, name: &str, bytes: &[u8]| {
            let mut header = vec![0; field(40, 64)];
            put(&mut header, 0, names.len() as u64, 4);
            put(&mut header, 4, 1, 4);
            put(&mut header, field(12, 16), ADDRESS + (file.len() - START) as u64, word);
            put(&mut header, field(16, 24), file.len() as u64, word);
            names.extend_from_slice(name.as_bytes());
            names.push(0);
            let bytes = if name == ".shstrtab" { &names } else { bytes };
            put(&mut header, field(20, 32), bytes.len() as u64, word);
            file.extend_from_slice(bytes);
            headers.extend_from_slice(&header);
        };
        for (name, bytes) in sections {
            add(&mut file, name, bytes);
        }
        let loaded = file.len() - START;
        add(&mut file, ".shstrtab", b"");
        let end = file.len();
        file.extend_from_slice(&headers);
        let segment = field(52, 64);
        put(&mut file, field(28, 32), segment as u64, word);
        put(&mut file, field(32, 40), end as u64, word);
        let counts = [field(32, 56), 1, field(40, 64), sections.len() + 2, sections.len() + 1];
        for (index, count) in counts.into_iter().enumerate() {
            put(&mut file, field(42, 54) + 2 * index, count as u64, 2);
        }
        put(&mut file, segment, 1, 4);
        put(&mut file, segment + field(24, 4), 6, 4);
        put(&mut file, segment + field(4, 8), START as u64, word);
        put(&mut file, segment + field(8, 16), ADDRESS, word);
        put(&mut file, segment + field(16, 32), loaded as u64, word);
        file
    }
}
