//! apk's `installed` database, version 2: one-letter fields, a blank line between packages; apk-package(5).

use super::{
    Ecosystem, Error, Fact, Owned, Package, Source,
    count::{Packages, hold_text},
    holds, utf8,
};

/// By its place, or: the first line is a checksum or a name, and some line is a name or a version.
pub(super) fn recognise(path: &str, head: &[u8]) -> bool {
    path.ends_with("apk/db/installed")
        || (head.starts_with(b"C:Q") && holds(head, b"\nP:"))
        || (head.starts_with(b"P:") && holds(head, b"\nV:"))
}

/// Reads all packages.
pub(super) fn read(_path: &str, bytes: &[u8]) -> Result<Option<Fact>, Error> {
    let mut packages = Packages::default();
    let mut stanza = Stanza::default();
    let mut owned = Owned::default();
    let mut directory = "";
    for (index, line) in utf8(bytes)?.lines().chain([""]).enumerate() {
        let wrong = |why: &str| Error::Line { line: index + 1, why: why.to_owned() };
        let slot = match line.as_bytes() {
            [] => {
                packages.extend(std::mem::take(&mut stanza).package().map_err(wrong)?)?;
                continue;
            }
            [b'P', b':', ..] => &mut stanza.name,
            [b'V', b':', ..] => &mut stanza.version,
            [b'A', b':', _, ..] => &mut stanza.arch,
            [b'o', b':', _, ..] => &mut stanza.origin,
            [b'F', b':', ..] => {
                directory = &line[2..];
                continue;
            }
            [b'R', b':', ..] => {
                if let Some(name) = stanza.name {
                    owned.add_in(directory, &line[2..], name);
                }
                continue;
            }
            [_, b':', ..] => continue,
            _ => return Err(wrong("not a field")),
        };
        // A second one, or blanks, could make one reader see another package than the next.
        let value = &line[2..];
        if value.is_empty() || value.contains(char::is_whitespace) || slot.replace(value).is_some() {
            return Err(wrong("a field that is empty, holds blanks or comes twice"));
        }
        hold_text(value.len())?;
    }
    Ok(Some(Fact::Apk { packages: packages.into_sorted(), owned }))
}

#[derive(Default)]
struct Stanza<'a> {
    name: Option<&'a str>,
    version: Option<&'a str>,
    arch: Option<&'a str>,
    origin: Option<&'a str>,
}

impl Stanza<'_> {
    fn package(self) -> Result<Option<Package>, &'static str> {
        match (self.name, self.version) {
            (None, None) => Ok(None),
            (Some(name), Some(version)) => Ok(Some(package(name, version, self.arch, self.origin))),
            _ => Err("a package without name or version"),
        }
    }
}

fn package(name: &str, version: &str, arch: Option<&str>, origin: Option<&str>) -> Package {
    Package {
        arch: arch.map(str::to_owned),
        source: origin
            .filter(|origin| *origin != name)
            .map(|origin| Source { name: origin.to_owned(), version: version.to_owned() }),
        ..Package::new(Ecosystem::Apk, name, version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_origin_and_the_last_package_without_a_blank_line() {
        let text = "C:Q1x=\nP:musl\nV:1.2.4-r2\nA:x86_64\no:musl\nF:lib\nR:libc.so\n\nC:Q1y=\nP:libssl3\nV:3.1.3-r0\no:openssl\n";
        assert!(recognise("", text.as_bytes()));
        let Some(Fact::Apk { packages, owned }) = read("", text.as_bytes()).unwrap() else { panic!() };
        assert_eq!(owned.owner("lib/libc.so"), Some("musl"));
        let got: Vec<_> = packages.iter().map(|p| (p.name.as_str(), p.source())).collect();
        assert_eq!(got, [("libssl3", ("openssl", "3.1.3-r0")), ("musl", ("musl", "1.2.4-r2"))]);
        for broken in ["P:musl\n\n", "P: musl\nV:1\n", "P:musl\nV:1\nP:zlib\n", "P:musl\nV:1\nrubbish\n"] {
            assert!(read("", broken.as_bytes()).is_err(), "{broken:?}");
        }
    }
}
