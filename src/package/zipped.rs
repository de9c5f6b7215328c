//! Packages that run out of a zip archive: Python's zip applications (PEP 441), those of pex and shiv among them, the
//! archives of Yarn's cache, and archives that lie behind a script or an executable, Java's included.
//!
//! What is not unpacked is told by the same names as what is: metadata at the places of installed packages.

use std::io::SeekFrom;

use super::{
    Error, Fact, File, Form, Package, Place,
    archive::{Archive, METADATA_ENTRY_BYTES, Spent},
    count::Packages,
    java, node, python, split,
};

/// How much of a file is seen before it is read: a shorter one is seen whole.
const HEAD_BYTES: usize = 4096;
/// The record that ends an archive, without a comment.
const END_BYTES: usize = 22;
const END: &[u8] = b"PK\x05\x06";
/// What remembering a member costs.
const MEMBER_BYTES: usize = 32;

/// By what begins it: an archive that is named as a program of Python's, or that begins with Node's modules as Yarn's do;
/// or a script that is long enough to have an archive behind it.
pub(super) fn recognise(path: &str, head: &[u8]) -> bool {
    if head.starts_with(b"PK\x03\x04") {
        let extension = split(path).0.rsplit_once('.').map_or("", |(_, extension)| extension);
        let is = |known: &[&str]| known.iter().any(|known| extension.eq_ignore_ascii_case(known));
        let first = head.get(30..).unwrap_or_default();
        return is(&["pyz", "pyzw", "pex", "shiv"]) || is(&["zip"]) && first.starts_with(b"node_modules/");
    }
    head.starts_with(b"#!") && (head.len() >= HEAD_BYTES || super::holds(head, END))
}

/// Reads all packages.
pub(super) fn read(path: &str, file: &mut dyn File) -> Result<Option<Fact>, Error> {
    let (form, packages) = packages(path, file)?;
    Ok((!packages.is_empty()).then(|| Fact::installed(form, packages)))
}

/// The packages of the archive that ends an executable, if one does. A signature may follow it in those of Windows.
pub(super) fn behind(path: &str, file: &mut dyn File) -> Result<Packages, Error> {
    let mut start = [0; 2];
    let mut end = [0; END_BYTES];
    let is_there = file
        .seek(SeekFrom::Start(0))
        .and_then(|_| file.read_exact(&mut start))
        .and_then(|()| file.seek(SeekFrom::End(0)))
        .and_then(|size| file.seek(SeekFrom::Start(size.saturating_sub(END_BYTES as u64))))
        .and_then(|_| file.read_exact(&mut end));
    match is_there {
        Ok(()) if start == *b"MZ" || end.starts_with(END) => Ok(packages(path, file)?.1),
        // Too short for one.
        _ => Ok(Packages::default()),
    }
}

fn packages(path: &str, file: &mut dyn File) -> Result<(Form, Packages), Error> {
    let unreadable = |error: std::io::Error| Error::Damaged { form: "zip", why: error.to_string() };
    let end = file.seek(SeekFrom::End(0)).map_err(unreadable)?;
    let mut spent = Spent::default();
    let mut packages = Packages::default();
    let mut is_java = false;
    if let Some(mut archive) = Archive::open(file, 0..end, &mut spent)? {
        let mut members = Vec::new();
        archive.entries(&mut spent, |spent, path, entry| {
            is_java |= java::is_of_java(path);
            if let Some(place) = tells(path) {
                spent.kept(MEMBER_BYTES)?;
                members.push((place, entry));
            }
            Ok(())
        })?;
        for (place, entry) in members {
            let bytes = archive.metadata(entry, &mut spent, |_| false)?;
            let over = Error::Limit { name: "archive metadata entry", limit: METADATA_ENTRY_BYTES };
            packages.extend(package(place, &bytes.ok_or(over)?, "zip")?)?;
        }
    }
    if !is_java {
        return Ok((Form::Archive, packages));
    }
    if let Some(Fact::Installed { packages: more, .. }) = java::read(path, file)? {
        packages.extend(more)?;
    }
    Ok((Form::Jar, packages))
}

/// The place of a member that tells of a package.
fn tells(path: &[u8]) -> Option<Place> {
    let at = path.iter().rposition(|byte| *byte == b'/')?;
    let (directory, name) = (&path[..at], std::str::from_utf8(&path[at + 1..]).ok()?);
    matches!(name, "METADATA" | "PKG-INFO" | "package.json").then_some(())?;
    let place = directory.split(|byte| *byte == b'/').fold(Place::Plain, |place, name| place.enter(name));
    (place.must_tell() && place.metadata().contains(&name)).then_some(place)
}

/// The package that metadata at such a place is of. Broken, it hides one.
pub(super) fn package(place: Place, bytes: &[u8], form: &'static str) -> Result<Option<Package>, Error> {
    let fact = match place {
        Place::Python => python::read("", bytes),
        _ => node::read("node_modules/", bytes),
    };
    match fact {
        Ok(Some(Fact::Python { package } | Fact::Node { package, .. })) => Ok(Some(package)),
        Ok(_) => Ok(None),
        Err(error) => Err(Error::Damaged { form, why: format!("metadata of a package in it: {error}") }),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::{super::egg::tests::archive, *};

    const SIX: &[u8] = b"Metadata-Version: 2.1\nName: six\nVersion: 1.16.0\n";
    const LODASH: &[u8] = br#"{"name": "lodash", "version": "4.17.4", "dependencies": {"x": "1"}}"#;

    fn told(path: &str, bytes: &[u8]) -> Result<Vec<String>, Error> {
        Ok(match read(path, &mut Cursor::new(bytes))? {
            Some(Fact::Installed { packages, .. }) => {
                packages.into_iter().map(|package| package.name + "@" + &package.version).collect()
            }
            _ => Vec::new(),
        })
    }

    #[test]
    fn what_may_be_one() {
        let yarn = archive(&[("node_modules/lodash/package.json", LODASH)]);
        let other = archive(&[("a.txt", b"")]);
        for (path, head, want) in [
            (".yarn/cache/lodash-npm-4.17.4-0.zip", &yarn[..], true),
            ("a.zip", &other, false),
            ("usr/bin/black.PYZ", &other, true),
            ("a.pex", b"text", false),
            ("usr/bin/a", b"#!/bin/sh\n", false),
            ("usr/bin/a", &[b"#!/usr/bin/env python3\n", &other[..]].concat(), true),
            ("usr/bin/a", &[b"#!/bin/sh\n".as_slice(), &[b' '; HEAD_BYTES]].concat()[..HEAD_BYTES], true),
        ] {
            assert_eq!(recognise(path, head), want, "{path}");
        }
    }

    #[test]
    fn members_at_the_places_of_installed_packages() {
        let zip = archive(&[
            ("site-packages/six-1.16.0.dist-info/METADATA", SIX),
            (".deps/y-1-py3-none-any.whl/Y-1.dist-info/METADATA", b"Name: Y\nVersion: 1\n"),
            ("site-packages/other/METADATA", b"not metadata"),
            ("__main__.py", b"x"),
            ("node_modules/lodash/package.json", LODASH),
            ("node_modules/lodash/test/package.json", b"{"),
        ]);
        let want = ["six@1.16.0", "y@1", "lodash@4.17.4"];
        let script = [b"#!/usr/bin/env python3\n", &zip[..]].concat();
        for bytes in [&zip, &script] {
            assert_eq!(told("a", bytes).unwrap(), want);
        }
        assert_eq!(told("a", b"#!/bin/sh\nexit\n").unwrap(), [""; 0]);
        assert_eq!(told("a", &archive(&[("__main__.py", b"x")])).unwrap(), [""; 0]);
    }

    #[test]
    fn a_java_archive_behind_any_script() {
        let pom = ("META-INF/maven/g/a/pom.properties", b"groupId=g\nartifactId=a\nversion=1\n".as_slice());
        let jar = archive(&[("META-INF/MANIFEST.MF", b"Manifest-Version: 1.0\n"), pom]);
        let script = [b"#!/bin/sh\nrun\n\xff\0", &jar[..]].concat();
        assert_eq!(told("usr/bin/a", &script).unwrap(), ["g:a@1"]);
        let behind = |start: &[u8]| behind("a.exe", &mut Cursor::new([start, &jar[..]].concat())).unwrap();
        assert!(!behind(b"MZ").is_empty());
        assert!(!behind(b"\x7fELF").is_empty());
        assert!(super::behind("a", &mut Cursor::new(b"\x7fELF")).unwrap().is_empty());
    }

    #[test]
    fn what_is_broken_or_too_much_is_an_error() {
        let name = "a/x-1.dist-info/METADATA";
        assert!(matches!(told("a", &archive(&[(name, b"Name: a\n")])), Err(Error::Damaged { .. })));
        let bomb = vec![b'a'; 2 << 20];
        assert!(matches!(told("a", &archive(&[(name, &bomb)])), Err(Error::Limit { .. })));
        let good = archive(&[(name, SIX)]);
        for cut in 0..good.len() {
            let _ = told("a", &good[..cut]);
        }
    }
}
