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
use super::{Ecosystem, Error, Fact, File, Form, Package};

/// The most that a text file beside a program may take.
const TEXT_BYTES: usize = 64 << 10;

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
    if packages.is_empty() {
        return Ok(program::find(path, file)?.map(program));
    }
    packages.sort();
    packages.dedup();
    Ok(Some(Fact::Installed { form: Form::Executable, packages }))
}

fn program((name, version): (&'static str, String)) -> Fact {
    Fact::Installed { form: Form::Program, packages: vec![Package::new(Ecosystem::Generic, name, version)] }
}

/// Up to `size` bytes at `offset`; fewer where the file ends before.
fn bytes_at(file: &mut dyn File, offset: u64, size: usize) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::with_capacity(size.min(64 << 10));
    file.seek(SeekFrom::Start(offset)).map_err(unreadable)?;
    file.take(size as u64).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

/// The temporary file that holds the executable fails.
fn unreadable(error: std::io::Error) -> Error {
    Error::Damaged { form: "executable", why: error.to_string() }
}
