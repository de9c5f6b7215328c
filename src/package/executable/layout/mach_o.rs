//! Mach-O, the executables of macOS; Apple's `mach-o/loader.h` and `mach-o/fat.h`.

use super::{Layout, Numbers, damaged, region, table};
use crate::package::{Error, File};

const FORM: &str = "Mach-O";

/// A file with a program for each of several processors.
pub(super) fn read_all(head: &[u8], file: &mut dyn File) -> Result<Vec<Layout>, Error> {
    let wide = head.get(3) == Some(&0xbf);
    let numbers = Numbers { bytes: head, big: true, wide };
    let count = numbers.u32(4).unwrap_or(0);
    let mut layouts = Vec::new();
    for index in 0..usize::try_from(count).unwrap_or(0) {
        let offset = numbers.word(8 + index * if wide { 32 } else { 20 } + 8);
        let offset = offset.ok_or_else(|| damaged(FORM, "the list of programs ends early"))?;
        layouts.push(read(offset, file)?);
    }
    Ok(layouts)
}

/// The places of the program that begins at `start`.
pub(super) fn read(start: u64, file: &mut dyn File) -> Result<Layout, Error> {
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

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::{
        super::{Region, elf::made::number},
        *,
    };

    /// A program with one segment of data and these sections in it.
    fn program(big: bool, wide: bool, sections: &[&str]) -> Vec<u8> {
        let word = if wide { 8 } else { 4 };
        let narrow = |value| number(value, 4, big);
        let name = |text: &str| [text.as_bytes(), &vec![0; 16 - text.len()]].concat();
        let mut segment = [name("__DATA"), number(0x1000, word, big), number(0x300, word, big)].concat();
        segment.extend([number(0x200, word, big), number(0x300, word, big), narrow(3), narrow(3)].concat());
        segment.extend([narrow(sections.len() as u64), narrow(0)].concat());
        for (index, section) in sections.iter().enumerate() {
            let at = 0x100 * index as u64;
            segment.extend([name(section), name("__DATA"), number(0x1000 + at, word, big)].concat());
            segment.extend([number(0x80, word, big), narrow(0x200 + at)].concat());
            segment.extend(vec![0; if wide { 28 } else { 24 }]);
        }
        let size = segment.len() as u64 + 8;
        let mut file = narrow(if wide { 0xfeed_facf } else { 0xfeed_face });
        for value in [0, 0, 2, 1, size, 0] {
            file.extend(narrow(value));
        }
        file.resize(if wide { 32 } else { 28 }, 0);
        file.extend([narrow(if wide { 0x19 } else { 1 }), narrow(size), segment].concat());
        file
    }

    #[test]
    fn sections_of_either_order_and_size() {
        for (big, wide) in [(false, false), (false, true), (true, false), (true, true)] {
            let place = |at: u64, size| Some(Region { address: 0x1000 + at, offset: 0x200 + at, size });
            let read = |sections: &[&str]| read(0, &mut Cursor::new(program(big, wide, sections))).unwrap();
            let layout = read(&["__data", "__go_buildinfo", ".dep-v0"]);
            assert_eq!((layout.go, layout.rust), (place(0x100, 0x80), place(0x200, 0x80)));
            // Without the section, where the data begins.
            assert_eq!(read(&["__data"]).go, place(0, 0x300));
        }
    }

    #[test]
    fn several_processors() {
        let mut file = b"\xca\xfe\xba\xbe\0\0\0\x02".to_vec();
        for offset in [0x100_u64, 0x300] {
            file.extend([vec![0; 8], number(offset, 4, true), vec![0; 8]].concat());
        }
        for (offset, wide) in [(0x100, true), (0x300, false)] {
            file.resize(offset, 0);
            file.extend(program(false, wide, &["__go_buildinfo"]));
        }
        let layouts = read_all(&file, &mut Cursor::new(&file)).unwrap();
        let offsets: Vec<_> = layouts.iter().map(|layout| layout.go.unwrap().offset).collect();
        assert_eq!(offsets, [0x300, 0x500]);
        let error = read_all(&file, &mut Cursor::new(&file[..0x310])).unwrap_err();
        assert_eq!(error.to_string(), "Mach-O: the headers end outside the file");
    }
}
