//! Executables that carry what they were made of: Go's build information, cargo-auditable's list, and programs that say
//! their own version.
//!
//! Executables are large and most say nothing, so only their headers are read, and of their contents what the headers lead
//! to. A program is searched for its version only if its name is one in the table.

mod go;
mod layout;
mod program;
mod rust;
mod text;

use std::io::{Read as _, SeekFrom};

use self::layout::Layout;
use super::{Ecosystem, Error, Fact, File, Form, Package, zipped};

/// The most that a text file beside a program may take.
const TEXT_BYTES: usize = 64 << 10;

/// The most packages that one executable may be made of; the largest are made of two thousand.
const MAX_PACKAGES: usize = 20_000;

/// By content, or as one of the text files that stand beside programs.
pub(super) fn recognise(path: &str, head: &[u8]) -> bool {
    layout::recognise(head) || text::recognise(path, head)
}

/// Reads the packages inside, or what the program itself is.
pub(super) fn read(path: &str, file: &mut dyn File) -> Result<Option<Fact>, Error> {
    let Some(layouts) = Layout::read(file)? else {
        let bytes = bytes_at(file, 0, TEXT_BYTES)?;
        let found = if text::recognise(path, &bytes) { text::find(path, super::utf8(&bytes)?) } else { None };
        return Ok(found.map(program));
    };
    let mut packages = Vec::new();
    for layout in &layouts {
        packages.extend(go::packages(layout, file)?);
        packages.extend(rust::packages(layout, file)?);
    }
    packages.extend(zipped::behind(path, file)?);
    if packages.len() > MAX_PACKAGES {
        return Err(Error::Limit { name: "packages of an executable", limit: MAX_PACKAGES as u64 });
    }
    if packages.is_empty() {
        return Ok(program::find(path, file)?.map(program));
    }
    packages.sort_unstable();
    packages.dedup();
    Ok(Some(Fact::Installed { form: Form::Executable, packages }))
}

fn program((name, version): (&'static str, String)) -> Fact {
    Fact::Installed { form: Form::Program, packages: vec![Package::new(Ecosystem::Generic, name, version)] }
}

/// Puts the file at `offset`, of any size: beyond the end, reading gives nothing.
fn seek(file: &mut dyn File, offset: u64) -> Result<(), Error> {
    file.seek(SeekFrom::Start(offset.min(i64::MAX.unsigned_abs()))).map_err(unreadable)?;
    Ok(())
}

/// Up to `size` bytes at `offset`; fewer where the file ends before.
fn bytes_at(file: &mut dyn File, offset: u64, size: usize) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::with_capacity(size.min(64 << 10));
    seek(file, offset)?;
    file.take(size as u64).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

/// The temporary file that holds the executable fails.
fn unreadable(error: std::io::Error) -> Error {
    Error::Damaged { form: "executable", why: error.to_string() }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::{layout::elf::made::elf, *};

    #[test]
    fn what_an_executable_is() {
        let read = |path: &str, bytes: &[u8]| read(path, &mut Cursor::new(bytes));
        let node = elf(false, true, &[(".rodata", b"\0node.js/v20.11.1\0")]);
        let package = Package::new(Ecosystem::Generic, "node", "20.11.1");
        assert_eq!(
            read("usr/local/bin/node", &node),
            Ok(Some(Fact::Installed { form: Form::Program, packages: vec![package] }))
        );
        assert_eq!(read("usr/local/bin/other", &node), Ok(None));
        // What it is made of says more than its name.
        let info =
            b"\xff Go buildinf:\x08\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x08go1.22.1\0node.js/v20.11.1\0";
        let package = Package::new(Ecosystem::Golang, "stdlib", "1.22.1");
        assert_eq!(
            read("usr/local/bin/node", &elf(true, false, &[(".go.buildinfo", info)])),
            Ok(Some(Fact::Installed { form: Form::Executable, packages: vec![package] }))
        );
        assert_eq!(read("usr/local/go/VERSION", b"go1.22.1 \xff").unwrap_err(), Error::Encoding(9));
    }

    #[test]
    fn more_packages_than_any_program_has() {
        let modules = "dep\ta\tv1.0.0\n".repeat(MAX_PACKAGES);
        let length = modules.len() + 32;
        let part = |shift: usize| u8::try_from(length >> shift & 0x7f).unwrap();
        let mut info = b"\xff Go buildinf:\x08\x02".to_vec();
        info.resize(32, 0);
        info.extend_from_slice(b"\x04go1.");
        info.extend_from_slice(&[part(0) | 0x80, part(7) | 0x80, part(14)]);
        info.extend([&[1; 16], modules.as_bytes(), &[2; 16]].concat());
        let read = read("a", &mut Cursor::new(elf(false, true, &[(".go.buildinfo", &info)])));
        assert_eq!(read, Err(Error::Limit { name: "packages of an executable", limit: MAX_PACKAGES as u64 }));
    }
}
