//! PE, the executables of Windows; Microsoft's "PE Format".

use super::{Layout, Numbers, bytes_at, damaged, region, table};
use crate::package::{Error, File};

const FORM: &str = "PE";
/// A section's flags: initialised data, to be read and written.
const WRITABLE_DATA: u64 = 0xc000_0040;
/// Those of the flags that tell an alignment.
const ALIGNMENT: u64 = 0x00f0_0000;

/// A file that begins as programs for DOS do need not be one for Windows; `None` then.
pub(super) fn read(head: &[u8], file: &mut dyn File) -> Result<Option<Layout>, Error> {
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
        if bytes.starts_with(b"UPX0\0") {
            return Err(damaged(FORM, "it is packed by UPX, and its packages are hidden"));
        }
        let section = numbers(bytes);
        let (Some(address), Some(flags)) = (section.u32(12), section.u32(36)) else { continue };
        let Some(region) = region(base.checked_add(address), section.u32(20), section.u32(16)) else {
            continue;
        };
        if bytes.starts_with(b".dep-v0\0") {
            layout.rust = Some(region);
        }
        if address != 0 && region.size != 0 && flags & !ALIGNMENT == WRITABLE_DATA {
            layout.go = layout.go.or(Some(region));
        }
        layout.segments.push(region);
    }
    Ok(Some(layout))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::{super::Region, *};

    #[test]
    fn sections() {
        let mut file = vec![0; 0x40];
        file[..2].copy_from_slice(b"MZ");
        file[0x3c] = 0x40;
        file.extend_from_slice(b"PE\0\0\x64\x86\x03\0");
        file.resize(0x40 + 20, 0);
        file.extend_from_slice(&[32, 0, 0, 0, 0x0b, 2]);
        file.resize(0x40 + 24 + 24, 0);
        file.extend_from_slice(&0x1_4000_0000_u64.to_le_bytes());
        for (name, address, offset, flags) in [
            (b".text\0\0\0", 0x1000_u32, 0x200_u32, 0x6000_0020_u32),
            (b".dep-v0\0", 0x2000, 0x400, 0x4000_0040),
            (b".data\0\0\0", 0x3000, 0x600, 0xc030_0040),
        ] {
            file.extend_from_slice(name);
            for number in [0x180, address, 0x200, offset, 0, 0, 0, flags] {
                file.extend_from_slice(&number.to_le_bytes());
            }
        }
        let read = |bytes: &[u8]| read(bytes, &mut Cursor::new(bytes));
        let place =
            |address: u64, offset| Some(Region { address: 0x1_4000_0000 + address, offset, size: 0x200 });
        let layout = read(&file).unwrap().unwrap();
        assert_eq!((layout.go, layout.rust), (place(0x3000, 0x600), place(0x2000, 0x400)));
        let error = read(&file[..file.len() - 1]).unwrap_err();
        assert_eq!(error.to_string(), "PE: the section headers end outside the file");
        let mut packed = file.clone();
        let at = packed.windows(5).position(|bytes| bytes == b".text").unwrap();
        packed[at..at + 5].copy_from_slice(b"UPX0\0");
        assert_eq!(
            read(&packed).unwrap_err().to_string(),
            "PE: it is packed by UPX, and its packages are hidden"
        );
        file[0x41] = b'X';
        assert_eq!(read(&file), Ok(None));
    }
}
