//! apk's `installed` database, version 2: one-letter fields, a blank line between packages; apk-package(5).

use super::{Ecosystem, Error, Fact, Package, Source, utf8};

/// The first line is a checksum or a name, and some line is a name.
pub(super) fn recognise(path: &str, head: &[u8]) -> bool {
    if head.is_empty() {
        return path.ends_with("apk/db/installed"); // an empty database is one with no packages
    }
    (head.starts_with(b"C:Q") && head.windows(3).any(|window| window == b"\nP:"))
        || (head.starts_with(b"P:") && head.windows(3).any(|window| window == b"\nV:"))
}

/// Reads all packages.
pub(super) fn read(_path: &str, bytes: &[u8]) -> Result<Option<Fact>, Error> {
    let mut packages = Vec::new();
    let (mut name, mut version, mut arch, mut origin) = (None, None, None, None);
    let lines = utf8(bytes)?.lines().chain([""]);
    for (index, line) in lines.enumerate() {
        if line.is_empty() {
            let (name, version) = (name.take(), version.take());
            let (arch, origin) = (arch.take(), origin.take());
            match (name, version) {
                (None, None) => {}
                (Some(name), Some(version)) => packages.push(package(name, version, arch, origin)),
                _ => {
                    let why = "a package without name or version".to_owned();
                    return Err(Error::Line { line: index + 1, why });
                }
            }
            continue;
        }
        let value = line.get(2..).unwrap_or_default();
        match line.as_bytes() {
            [b'P', b':', ..] => name = Some(value),
            [b'V', b':', ..] => version = Some(value),
            [b'A', b':', ..] => arch = Some(value),
            [b'o', b':', ..] => origin = Some(value),
            _ => {}
        }
    }
    packages.sort();
    packages.dedup();
    Ok(Some(Fact::Apk { packages }))
}

fn package(name: &str, version: &str, arch: Option<&str>, origin: Option<&str>) -> Package {
    Package {
        ecosystem: Ecosystem::Apk,
        name: name.to_owned(),
        version: version.to_owned(),
        arch: arch.map(str::to_owned),
        source: origin
            .filter(|origin| *origin != name)
            .map(|origin| Source { name: origin.to_owned(), version: version.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_origin_and_the_last_package_without_a_blank_line() {
        let text = "C:Q1x=\nP:musl\nV:1.2.4-r2\nA:x86_64\no:musl\nF:lib\nR:libc.so\n\nC:Q1y=\nP:libssl3\nV:3.1.3-r0\no:openssl\n";
        assert!(recognise("", text.as_bytes()));
        let Some(Fact::Apk { packages }) = read("", text.as_bytes()).unwrap() else { panic!() };
        let got: Vec<_> = packages.iter().map(|p| (p.name.as_str(), p.source())).collect();
        assert_eq!(got, [("libssl3", ("openssl", "3.1.3-r0")), ("musl", ("musl", "1.2.4-r2"))]);
        assert!(read("", b"P:musl\n\n").is_err());
    }
}
