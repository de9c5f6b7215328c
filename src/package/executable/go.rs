//! Go's build information: the toolchain's version and the modules of the program; Go's package `debug/buildinfo`.

use std::io::{Read as _, SeekFrom};

use super::{Layout, layout::Region, unreadable};
use crate::package::{Ecosystem, Error, File, Package};

/// What build information begins with, at an address that is a multiple of [`ALIGNMENT`].
const MAGIC: &[u8] = b"\xff Go buildinf:";
const ALIGNMENT: usize = 16;
const HEADER_BYTES: usize = 32;
/// The most that the list of modules may take; that of the largest programs takes 50 kB.
const TEXT_BYTES: u64 = 4 << 20;
/// The version of what was built from no release, as Go writes it.
const UNRELEASED: &str = "(devel)";

/// The packages of a Go program; none if it is not one.
///
/// - `stdlib` in the version of the toolchain.
/// - The main module. Its version is `(devel)` unless it was built from a released one: what is given with `-ldflags` or
///   read from the repository's state is a guess at a version.
/// - The dependencies. A module that another replaces is not there; the other is. One that a local directory replaces is
///   there by its own name, changed in ways that nobody knows, so its version is `(devel)` too.
pub(super) fn packages(layout: &Layout, file: &mut dyn File) -> Result<Vec<Package>, Error> {
    let Some(region) = layout.go else { return Ok(Vec::new()) };
    let Some(address) = find(file, region)? else { return Ok(Vec::new()) };
    let Some((toolchain, modules)) = texts(layout, file, address)? else { return Ok(Vec::new()) };
    let toolchain = text(toolchain)?;
    let mut packages = vec![Package::new(Ecosystem::Golang, "stdlib", release(&toolchain))];
    // Sixteen bytes of framing on each side, by which a running program finds it.
    if modules.len() >= 33 && modules[modules.len() - 17] == b'\n' {
        parse(&text(modules[16..modules.len() - 16].to_vec())?, &mut packages)?;
    }
    Ok(packages)
}

fn damaged(why: impl Into<String>) -> Error {
    Error::Damaged { form: "Go build information", why: why.into() }
}

fn text(bytes: Vec<u8>) -> Result<String, Error> {
    String::from_utf8(bytes).map_err(|_| damaged("not UTF-8"))
}

/// The address of the build information in `region`.
fn find(file: &mut dyn File, region: Region) -> Result<Option<u64>, Error> {
    const CHUNK_BYTES: usize = 64 << 10;
    // To the first aligned address; from there every chunk begins with one.
    let skip = region.address.wrapping_neg() % ALIGNMENT as u64;
    let (Some(mut address), Some(offset)) =
        (region.address.checked_add(skip), region.offset.checked_add(skip))
    else {
        return Ok(None);
    };
    file.seek(SeekFrom::Start(offset)).map_err(unreadable)?;
    let mut left = region.size.saturating_sub(skip);
    let mut chunk = Vec::new();
    while left > 0 {
        chunk.clear();
        let read = file.take(left.min(CHUNK_BYTES as u64)).read_to_end(&mut chunk).map_err(unreadable)?;
        for (index, block) in chunk.chunks(ALIGNMENT).enumerate() {
            if block.starts_with(MAGIC) {
                return Ok(address.checked_add((index * ALIGNMENT) as u64));
            }
        }
        if read < CHUNK_BYTES {
            break;
        }
        left -= read as u64;
        let Some(next) = address.checked_add(read as u64) else { break };
        address = next;
    }
    Ok(None)
}

/// What the toolchain calls itself, and the list of modules in its frame.
type Texts = (Vec<u8>, Vec<u8>);

fn texts(layout: &Layout, file: &mut dyn File, address: u64) -> Result<Option<Texts>, Error> {
    let header = layout.bytes_at(file, address, HEADER_BYTES)?;
    let &[pointer_size, flags] =
        header.get(14..16).and_then(<[u8]>::first_chunk).ok_or_else(|| damaged("it ends early"))?;
    // Since Go 1.18 the texts follow; before, the header has the addresses of strings, which have those of texts.
    if flags & 2 != 0 {
        let at = address.checked_add(HEADER_BYTES as u64).ok_or_else(|| damaged("it ends early"))?;
        let (version, at) = following(layout, file, at)?;
        let (modules, _) = following(layout, file, at)?;
        return Ok(Some((version, modules)));
    }
    let size = usize::from(pointer_size);
    if !matches!(size, 4 | 8) || header.len() < HEADER_BYTES {
        return Err(damaged("pointers of a size that no processor has"));
    }
    let pointer = |bytes: &[u8]| {
        let join = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        let bytes = &bytes[..size];
        if flags & 1 != 0 { bytes.iter().fold(0, join) } else { bytes.iter().rev().fold(0, join) }
    };
    let mut string = |at: u64| -> Result<Vec<u8>, Error> {
        let header = layout.bytes_at(file, at, 2 * size)?;
        if header.len() < 2 * size {
            return Ok(Vec::new());
        }
        exact(layout, file, pointer(&header), pointer(&header[size..]))
    };
    let version = string(pointer(&header[16..]))?;
    // A linker for plugins or of another make writes the header and leaves the addresses empty.
    if version.is_empty() {
        return Ok(None);
    }
    Ok(Some((version, string(pointer(&header[16 + size..]))?)))
}

/// A text after its length, and the address after it.
fn following(layout: &Layout, file: &mut dyn File, at: u64) -> Result<(Vec<u8>, u64), Error> {
    let bytes = layout.bytes_at(file, at, 10)?;
    let mut length = 0_u64;
    for (index, byte) in bytes.iter().enumerate() {
        length |=
            u64::from(byte & 0x7f).checked_shl(7 * u32::try_from(index).unwrap_or(u32::MAX)).unwrap_or(0);
        if byte & 0x80 == 0 {
            let start = at.checked_add(index as u64 + 1).ok_or_else(|| damaged("it ends early"))?;
            let text = exact(layout, file, start, length)?;
            return Ok((text, start.saturating_add(length)));
        }
    }
    Err(damaged("a length ends early"))
}

fn exact(layout: &Layout, file: &mut dyn File, at: u64, length: u64) -> Result<Vec<u8>, Error> {
    let size = usize::try_from(length)
        .ok()
        .filter(|_| length <= TEXT_BYTES)
        .ok_or(Error::Limit { name: "Go build information", limit: TEXT_BYTES })?;
    let bytes = layout.bytes_at(file, at, size)?;
    if bytes.len() < size { Err(damaged("a text ends early")) } else { Ok(bytes) }
}

/// The release in what a toolchain calls itself, as Semantic Versioning writes it: `go1.22.1 X:nocoverageredesign` is
/// `1.22.1`, `go1.22rc1` is `1.22.0-rc.1` (as Go's advisories write it), `go1.19.6b4` and `go1.20.5-vendor` are builds of
/// those releases. What was built from no release is `(devel)`.
fn release(toolchain: &str) -> String {
    let word = toolchain.split_ascii_whitespace().next().unwrap_or_default();
    let Some(word) = word.strip_prefix("go").filter(|word| !word.contains("-devel")) else {
        return UNRELEASED.into();
    };
    let end = word.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(word.len());
    let (number, rest) = word.split_at(end);
    let parts = number.split('.').count();
    if !number.split('.').all(|part| !part.is_empty()) || !(2..=3).contains(&parts) {
        return UNRELEASED.into();
    }
    for stage in ["rc", "beta"] {
        if let Some(count) = rest.strip_prefix(stage) {
            let end = count.find(|c: char| !c.is_ascii_digit()).unwrap_or(count.len());
            let patch = if parts == 2 { ".0" } else { "" };
            return format!("{number}{patch}-{stage}.{}", &count[..end]);
        }
    }
    number.into()
}

/// Reads the modules: lines of fields that tabs divide, each begun by a word.
fn parse(text: &str, packages: &mut Vec<Package>) -> Result<(), Error> {
    let mut replaceable = false;
    for (index, line) in text.lines().enumerate() {
        let mut fields = line.split('\t');
        let word = fields.next().unwrap_or_default();
        if !matches!(word, "mod" | "dep" | "=>") {
            continue; // path, build
        }
        let wrong = |why: &str| damaged(format!("line {}: {why}", index + 1));
        let path =
            fields.next().filter(|path| !path.is_empty()).ok_or_else(|| wrong("a module without a path"))?;
        let version = fields.next().ok_or_else(|| wrong("a module without a version"))?;
        let version = if version.is_empty() { UNRELEASED } else { version };
        if word == "=>" {
            let replaced =
                packages.last_mut().filter(|_| replaceable).ok_or_else(|| wrong("nothing to replace"))?;
            if version == UNRELEASED {
                UNRELEASED.clone_into(&mut replaced.version);
            } else {
                *replaced = Package::new(Ecosystem::Golang, path, version);
            }
        } else {
            packages.push(Package::new(Ecosystem::Golang, path, version));
        }
        replaceable = word != "=>";
    }
    Ok(())
}
