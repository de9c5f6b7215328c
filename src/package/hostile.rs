//! No analyser panics, whatever it is given: arbitrary bytes, and good files with some bytes changed.

use std::io::Cursor;

use proptest::{prelude::*, sample::Index};

use super::{ANALYSERS, Error, Read, asar, chisel, egg, recognise};

/// A path and a good file of each form.
fn samples() -> Vec<(&'static str, Vec<u8>)> {
    let texts = [
        (
            "var/lib/dpkg/status",
            "Package: a\nStatus: install ok installed\nSource: b (1)\nVersion: 1\nBuilt-Using: c (= 1),\n d (= 2)\n",
        ),
        (
            "usr/lib/opkg/status",
            "Package: a\nStatus: install user installed\nVersion: 1\nInstalled-Time: 1\n",
        ),
        ("lib/apk/db/installed", "C:Q1x=\nP:musl\nV:1.2.4-r2\nA:x86_64\no:musl\n\n"),
        ("var/lib/pacman/local/a-1-1/desc", "%NAME%\na\n\n%VERSION%\n1-1\n\n%BASE%\nb\n\n%ARCH%\nany\n\n"),
        ("lib/a.dist-info/METADATA", "Metadata-Version: 2.1\nName: a\nVersion: 1\n\ntext\n"),
        ("node_modules/a/package.json", "{\"name\": \"a\", \"version\": \"1\"}"),
        (
            "specifications/a-1.gemspec",
            "# stub: a 1 ruby lib\nGem::Specification.new do |s|\n  s.name = %q<a>\n  s.version = \"1\".freeze\nend\n",
        ),
        (
            "vendor/composer/installed.json",
            "{\"packages\": [{\"name\": \"a/b\", \"version\": \"v1\", \"version_normalized\": \"1\"}]}",
        ),
        (
            "app/a.deps.json",
            "{\"runtimeTarget\": {\"name\": \"n\"}, \"targets\": {\"n\": {\"A/1\": {\"runtime\": {\"a\": {}}}}}, \"libraries\": {\"A/1\": {\"type\": \"package\"}}}",
        ),
        (
            "conda-meta/a-1-0.json",
            "{\"build\": \"0\", \"build_number\": 0, \"name\": \"a\", \"version\": \"1\"}",
        ),
        ("library/a/DESCRIPTION", "Package: a\nVersion: 1\nBuilt: R 4.3.1; ; 2023; unix\n"),
        ("lib/a-1/ebin/a.app", "%% x\n{application,'a',[{vsn,\"1\"},{env,[{k,\"\\\"\"}]}]}.\n"),
        (
            "opt/bitnami/a/.spdx-a.spdx",
            "{\"spdxVersion\": \"2\", \"packages\": [{\"externalRefs\": [{\"referenceType\": \"purl\", \"referenceLocator\": \"pkg:bitnami/a%20b@1-2?arch=x#y\"}]}]}",
        ),
        ("etc/os-release", "ID=debian\nVERSION_ID='12'\nNAME=\"a\\\"b\"\n"),
        ("etc/redhat-release", "CentOS Linux release 7.6.1810 (Core)\n"),
        ("etc/SuSE-release", "SUSE Linux Enterprise Server 11 (x86_64)\nVERSION = 11\nPATCHLEVEL = 4\n"),
        ("etc/system-release-cpe", "cpe:/o:centos:linux:6:GA\n"),
    ];
    let egg = egg::tests::archive(&[("EGG-INFO/PKG-INFO", b"Metadata-Version: 1.1\nName: a\nVersion: 1\n")]);
    let texts = texts.into_iter().map(|(path, text)| (path, text.as_bytes().to_vec()));
    let zip = egg::tests::archive(&[("a/a-1.dist-info/METADATA", b"Name: a\nVersion: 1\n")]);
    let asar = asar::tests::archive(asar::tests::TREE, asar::tests::CONTENTS);
    let wall = chisel::tests::packed(chisel::tests::WALL);
    let archives = [("site-packages/a.egg", egg), ("usr/bin/a.pyz", zip), ("opt/a.asar", asar)];
    texts.chain(archives).chain([("var/lib/chisel/manifest.wall", wall)]).collect()
}

fn read(read: Read, path: &str, bytes: &[u8]) -> Result<(), Error> {
    match read {
        Read::Whole(read) => read(path, bytes).map(|_| ()),
        Read::Parts(read) => read(path, &mut Cursor::new(bytes)).map(|_| ()),
    }
}

/// Asks everybody, whether the file is theirs or not.
fn ask_all(path: &str, bytes: &[u8]) {
    for (recognises, how) in ANALYSERS {
        recognises(path, &bytes[..bytes.len().min(4096)]);
        let _ = read(*how, path, bytes);
    }
}

#[test]
fn good_files_are_read() {
    for (path, bytes) in samples() {
        let how = recognise(path, &bytes).expect(path);
        assert_eq!(read(how, path, &bytes), Ok(()), "{path}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes(at: Index, bytes: Vec<u8>) {
        let samples = samples();
        ask_all(at.get(&samples).0, &bytes);
    }

    #[test]
    fn changed_files(at: Index, changes in proptest::collection::vec((any::<Index>(), any::<u8>(), 0..4_usize), 1..6)) {
        let samples = samples();
        let (path, mut bytes) = at.get(&samples).clone();
        for (index, byte, kind) in changes {
            let position = index.index(bytes.len().max(1));
            match kind {
                _ if bytes.is_empty() => {}
                0 => bytes[position] = byte,
                1 => bytes.insert(position, byte),
                2 => drop(bytes.remove(position)),
                _ => bytes.truncate(position),
            }
        }
        ask_all(path, &bytes);
    }
}
