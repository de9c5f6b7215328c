//! Go's build information: the toolchain's version and the modules of the program; Go's package `debug/buildinfo`.

use std::io::Read as _;

use super::{Layout, layout::Region, seek, unreadable};
use crate::package::{Ecosystem, Error, File, Package};

/// What build information begins with, at an address that is a multiple of [`ALIGNMENT`].
const MAGIC: &[u8] = b"\xff Go buildinf:";
const ALIGNMENT: usize = 16;
const HEADER_BYTES: usize = 32;
/// The most that the list of modules may take; that of the largest programs takes 50 kB.
const TEXT_BYTES: u64 = 1 << 20;
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
    seek(file, offset)?;
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
    // A vendor's snapshot on the way to a release, such as `1.25-20250209-RC00`.
    if parts == 2 && rest.starts_with('-') {
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

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::{
        super::layout::elf::made::{ADDRESS, elf, number},
        *,
    };

    const MODULES: &str =
        "path\ta/cmd\nmod\ta\t(devel)\t\ndep\tb\tv1.0.0\n=>\tc\tv1.1.0\th1:x=\nbuild\t-compiler=gc\n";

    fn framed(text: &str) -> Vec<u8> {
        [&[1; 16], text.as_bytes(), &[2; 16]].concat()
    }

    /// Build information as Go writes it since 1.18.
    fn inline(version: &str, modules: &str) -> Vec<u8> {
        let mut info = [MAGIC, &[8, 2], &[0; 16]].concat();
        for text in [version.as_bytes(), &framed(modules)] {
            let length = u8::try_from(text.len() & 0x7f).unwrap() | 0x80;
            info.extend_from_slice(&[length, u8::try_from(text.len() >> 7).unwrap()]);
            info.extend_from_slice(text);
        }
        info
    }

    fn read(file: &[u8]) -> Result<Vec<(String, String)>, Error> {
        let mut file = Cursor::new(file);
        let layouts = Layout::read(&mut file)?.unwrap();
        let packages = packages(&layouts[0], &mut file)?;
        Ok(packages.into_iter().map(|package| (package.name, package.version)).collect())
    }

    fn named(packages: &[(&str, &str)]) -> Vec<(String, String)> {
        packages.iter().map(|(name, version)| ((*name).into(), (*version).into())).collect()
    }

    #[test]
    fn texts_that_follow() {
        let info = inline("go1.22.1 X:nocoverageredesign", MODULES);
        let want = named(&[("stdlib", "1.22.1"), ("a", "(devel)"), ("c", "v1.1.0")]);
        assert_eq!(read(&elf(true, false, &[(".go.buildinfo", &info)])).unwrap(), want);
        // At the first address that is a multiple of 16, of a section that begins before.
        let file =
            elf(false, true, &[(".data", b"12345678"), (".go.buildinfo", &[&[0; 8], &info[..]].concat())]);
        assert_eq!(read(&file).unwrap(), want);
        let file = elf(false, true, &[(".go.buildinfo", &[&[0; 8], &info[..]].concat())]);
        assert_eq!(read(&file).unwrap(), []);
        let cut = elf(false, true, &[(".go.buildinfo", &info[..60])]);
        assert_eq!(read(&cut).unwrap_err().to_string(), "Go build information: a text ends early");
    }

    #[test]
    fn texts_by_address() {
        for (big, size) in [(false, 4), (false, 8), (true, 4), (true, 8)] {
            let pointer = |value: u64| number(value, size, big);
            let modules = framed(MODULES);
            // The header, two strings, and their texts.
            let strings = ADDRESS + 32;
            let texts = strings + 4 * size as u64;
            let flags = [u8::try_from(size).unwrap(), u8::from(big)];
            let mut info = [MAGIC, &flags, &pointer(strings), &pointer(strings + 2 * size as u64)].concat();
            info.resize(32, 0);
            for number in [texts, 6, texts + 6, modules.len() as u64] {
                info.extend_from_slice(&pointer(number));
            }
            info.extend_from_slice(b"go1.13");
            info.extend_from_slice(&modules);
            let file = elf(big, size == 8, &[(".go.buildinfo", &info)]);
            let want = named(&[("stdlib", "1.13"), ("a", "(devel)"), ("c", "v1.1.0")]);
            assert_eq!(read(&file).unwrap(), want);
        }
    }

    #[test]
    fn releases() {
        for (toolchain, want) in [
            ("go1.22.1", "1.22.1"),
            ("go1.20", "1.20"),
            ("go1.21.9 (Red Hat 1.21.9-2.el9_4)", "1.21.9"),
            ("go1.18.7b7", "1.18.7"),
            ("go1.20.5-vendor", "1.20.5"),
            ("go1.25-20250209-RC00 cl/725183137 +457fd1d52d", "(devel)"),
            ("go1.22rc1", "1.22.0-rc.1"),
            ("go1.18beta2", "1.18.0-beta.2"),
            ("go1.25-devel_af1c4c1c2f Tue Jan 7", "(devel)"),
            ("devel go1.23-6b2c1a4d0f Tue Jan 7", "(devel)"),
            ("devel +b7a85e0003 linux/amd64", "(devel)"),
            ("go", "(devel)"),
            ("go1..2", "(devel)"),
        ] {
            assert_eq!(release(toolchain), want, "{toolchain}");
        }
    }

    #[test]
    fn modules() {
        let parsed = |text: &str| {
            let mut packages = Vec::new();
            parse(text, &mut packages).map(|()| packages).map_err(|error| error.to_string())
        };
        let golang = |name, version| Package::new(Ecosystem::Golang, name, version);
        // What a local directory replaces is there, in a version that nobody knows; Go before 1.18 left it empty.
        for local in ["=>\t./b\t(devel)\t", "=>\t../b\t"] {
            let text = format!("dep\tb\tv1.0.0\n{local}\ndep\tx/v2\tv2.0.0+incompatible\th1:x\n");
            assert_eq!(
                parsed(&text),
                Ok(vec![golang("b", "(devel)"), golang("x/v2", "v2.0.0+incompatible")])
            );
        }
        let error = |why: &str| Err(format!("Go build information: {why}"));
        assert_eq!(parsed("path\ta\nmod\ta"), error("line 2: a module without a version"));
        assert_eq!(parsed("=>\tc\tv1"), error("line 1: nothing to replace"));
        assert_eq!(parsed("dep\ta\tv1\n=>\tb\tv1\n=>\tc\tv1"), error("line 3: nothing to replace"));
    }
}
