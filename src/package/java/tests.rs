use std::{
    io::{Cursor, Write},
    time::Instant,
};

use flate2::{Compression, write::DeflateEncoder};
use proptest::prelude::*;

use super::*;

/// A zip archive made by hand, so that it can lie.
#[derive(Default)]
struct Zip {
    bytes: Vec<u8>,
    directory: Vec<u8>,
    entries: u16,
}

impl Zip {
    fn stored(self, name: &str, contents: &[u8]) -> Self {
        self.entry(name, 0, 0, contents, contents.len())
    }

    fn deflated(self, name: &str, contents: &[u8]) -> Self {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(contents).unwrap();
        self.entry(name, 0, 8, &encoder.finish().unwrap(), contents.len())
    }

    fn entry(mut self, name: &str, flags: u16, method: u16, data: &[u8], size: usize) -> Self {
        let offset = self.bytes.len();
        // Nothing but lengths counts in the local header, and of those only two.
        self.bytes.extend(b"PK\x03\x04");
        self.bytes.extend([0xEE; 22]);
        self.bytes.extend([2, 0, 3, 0]);
        self.bytes.extend(b"xxyyy");
        self.bytes.extend(data);
        self.central(name, flags, method, (data.len(), size, offset))
    }

    fn central(mut self, name: &str, flags: u16, method: u16, sizes: (usize, usize, usize)) -> Self {
        let (compressed, size, offset) = sizes;
        let mut header = vec![0; 46];
        header[..4].copy_from_slice(b"PK\x01\x02");
        header[8..10].copy_from_slice(&flags.to_le_bytes());
        header[10..12].copy_from_slice(&method.to_le_bytes());
        for (at, value) in [(20, compressed), (24, size), (42, offset)] {
            header[at..at + 4].copy_from_slice(&u32::try_from(value).unwrap().to_le_bytes());
        }
        header[28..30].copy_from_slice(&u16::try_from(name.len()).unwrap().to_le_bytes());
        self.directory.extend(header);
        self.directory.extend(name.as_bytes());
        self.entries = self.entries.wrapping_add(1);
        self
    }

    fn end(self) -> Vec<u8> {
        self.end_with(b"")
    }

    fn end_with(self, comment: &[u8]) -> Vec<u8> {
        let Self { mut bytes, directory, entries } = self;
        let offset = u32::try_from(bytes.len()).unwrap();
        bytes.extend(&directory);
        bytes.extend(b"PK\x05\x06\0\0\0\0");
        bytes.extend([entries.to_le_bytes(), entries.to_le_bytes()].concat());
        bytes.extend(u32::try_from(directory.len()).unwrap().to_le_bytes());
        bytes.extend(offset.to_le_bytes());
        bytes.extend(u16::try_from(comment.len()).unwrap().to_le_bytes());
        bytes.extend(comment);
        bytes
    }

    fn pom(self, group: &str, artifact: &str, version: &str) -> Self {
        let text = format!("version={version}\ngroupId={group}\nartifactId={artifact}\n");
        self.deflated(&format!("META-INF/maven/{group}/{artifact}/pom.properties"), text.as_bytes())
    }

    fn class(self) -> Self {
        self.stored("a/B.class", b"")
    }

    fn manifest(self, text: &str) -> Self {
        self.deflated("META-INF/MANIFEST.MF", format!("Manifest-Version: 1.0\n{text}\n").as_bytes())
    }
}

/// `NAME@VERSION` of all packages, or the error.
fn packages(path: &str, bytes: &[u8]) -> Result<Vec<String>, Error> {
    assert!(recognise(path, &bytes[..bytes.len().min(4096)]), "{path}");
    Ok(match read(path, &mut Cursor::new(bytes))? {
        None => Vec::new(),
        Some(Fact::Installed { form: Form::Jar, packages }) => {
            packages.iter().map(|package| format!("{}@{}", package.name, package.version)).collect()
        }
        Some(other) => panic!("{other:?}"),
    })
}

fn good() -> Vec<u8> {
    Zip::default().pom("g", "a", "1").class().end()
}

/// The limit that a bomb ends in. Without optimisation most of it is spent before.
fn limit(bomb: &[u8]) -> &'static str {
    let start = Instant::now();
    let mut search = Search::default();
    if cfg!(debug_assertions) {
        search.spent = Spent::nearly();
    }
    match search.archive(&mut Cursor::new(bomb), 0..bomb.len() as u64, "a.jar", 0) {
        Err(Error::Limit { name, .. }) => {
            println!("{name}: {} bytes, {:?}", bomb.len(), start.elapsed());
            name
        }
        other => panic!("{other:?}"),
    }
}

/// A deflate stream of so many MiB of zeros.
fn zeros(mebibytes: usize) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&vec![0; 1 << 20]).unwrap();
    encoder.flush().unwrap();
    // Up to a flush it stands for itself; the last block is an empty one.
    [encoder.get_ref().repeat(mebibytes), vec![3, 0]].concat()
}

#[test]
fn recognised() {
    let script = [b"#!/bin/sh\nexec java -jar $0\n", &good()[..]].concat();
    for (path, head, want) in [
        ("app/a.JAR", &b"x"[..], true),
        ("app/a.jar", b"", false),
        ("app/a.rar", b"Rar!\x1a\x07\x00", false),
        ("app/a.rar", b"PK\x03\x04", true),
        // Told with whatever else may lie behind a script.
        ("app/service", &script, false),
        ("app/a.zip", b"PK\x03\x04", false),
        ("app/a", &Zip::default().manifest("").bytes, false),
    ] {
        assert_eq!(recognise(path, head), want, "{path} {head:?}");
    }
    let mut first = Zip::default().manifest("").bytes;
    first[30..50].copy_from_slice(b"META-INF/MANIFEST.MF");
    assert!(recognise("app/a", &first));
}

#[test]
fn what_is_no_archive() {
    for text in ["version https://git-lfs.github.com/spec/v1\n", "<html>"] {
        assert_eq!(packages("a.jar", text.as_bytes()).unwrap(), [""; 0]);
    }
    let good = good();
    for bytes in [&good[..good.len() - 1], &good[..40], b"\xCA\xFE\xD0\x0D\0\0", b"PK"] {
        assert!(matches!(packages("a.jar", bytes), Err(Error::Damaged { form: "zip", .. })), "{bytes:?}");
    }
    let broken =
        Zip::default().stored("lib/b-2.jar", &good[..40]).stored("lib/c.jar", b"").pom("g", "a", "1").end();
    assert_eq!(packages("a.jar", &broken).unwrap(), ["b@2", "g:a@1"]);
}

#[test]
fn read_as_java_reads() {
    let good = good();
    let encrypted = Zip::default().pom("g", "a", "1").entry("x", 1, 0, b"", 0).end();
    let method = Zip::default().pom("g", "a", "1").entry("x", 0, 12, b"", 0).end();
    for bytes in [&encrypted, &method] {
        assert!(matches!(packages("a.jar", bytes), Err(Error::Damaged { .. })));
    }
    // Trailing bytes, bytes in front, a comment that begins like an end record.
    let comment = Zip::default().pom("g", "a", "1").end_with(b"PK\x05\x06 and so on, which is no end record");
    for bytes in [[&good[..], b"trailing"].concat(), [b"leading", &good[..]].concat(), comment] {
        assert_eq!(packages("a.jar", &bytes).unwrap(), ["g:a@1"]);
    }
    // Of two entries with one name the last.
    let twice =
        Zip::default().pom("g", "a", "1").stored("META-INF/maven/g/a/pom.properties", b"version=2").end();
    assert_eq!(packages("a.jar", &twice).unwrap(), ["g:a@2"]);
}

#[test]
fn zip64() {
    let mut zip = Zip::default().pom("g", "a", "1");
    let header = zip.directory.len() - "META-INF/maven/g/a/pom.properties".len() - 46;
    let compressed = u64::from(u32::from_le_bytes(*zip.directory[header + 20..].first_chunk().unwrap()));
    for at in [20, 24, 42] {
        zip.directory[header + at..][..4].copy_from_slice(&[0xFF; 4]);
    }
    zip.directory[header + 30] = 28;
    zip.directory.extend([1, 0, 24, 0]);
    zip.directory.extend([99, compressed, 0].map(u64::to_le_bytes).concat());
    let (offset, size) = (zip.bytes.len() as u64, zip.directory.len() as u64);
    zip.bytes.append(&mut zip.directory);
    let record = zip.bytes.len() as u64;
    zip.bytes.extend(b"PK\x06\x06");
    zip.bytes.extend([0; 20]);
    zip.bytes.extend([1, 1, size, offset].map(u64::to_le_bytes).concat());
    zip.bytes.extend(b"PK\x06\x07\0\0\0\0");
    zip.bytes.extend(record.to_le_bytes());
    zip.bytes.extend([1, 0, 0, 0]);
    zip.bytes.extend(b"PK\x05\x06\0\0\0\0\xFF\xFF\xFF\xFF");
    zip.bytes.extend([0xFF; 8]);
    zip.bytes.extend([0; 2]);
    assert_eq!(packages("a.jar", &zip.bytes).unwrap(), ["g:a@1"]);
}

#[test]
fn nested_archives() {
    let inner = Zip::default().pom("g", "c", "3").end();
    let war = Zip::default()
        .deflated("WEB-INF/lib/c.jar", &inner)
        .stored("WEB-INF/lib/d-4.jar", &good())
        .class()
        .end();
    let ear = Zip::default().stored("web.war", &war).deflated("other-1.0.rar", &inner).end();
    assert_eq!(packages("a.ear", &ear).unwrap(), ["d@4", "g:a@1", "g:c@3", "web@"]);
}

#[test]
fn identities() {
    let zip = Zip::default;
    for (name, zip, want) in [
        // Shaded: others, and itself by its file name.
        (
            "app-1.0.jar",
            zip().class().pom("g", "a", "1").pom("h", "b", "2"),
            &["app@1.0", "g:a@1", "h:b@2"][..],
        ),
        ("b-1.0.jar", zip().class().pom("g", "a", "1").pom("h", "b", "2"), &["g:a@1", "h:b@2"]),
        ("app.jar", zip().class().pom("g", "a", "1"), &["g:a@1"]),
        ("app-2.0.jar", zip().class().pom("g", "a", "1"), &["app@2.0", "g:a@1"]),
        (
            "app.jar",
            zip().class().pom("g", "a", "1").manifest("Bundle-Version: 2.0.0"),
            &["app@2.0.0", "g:a@1"],
        ),
        ("app.jar", zip().class().pom("g", "a", "1").manifest("Bundle-Version: 1.0.0"), &["g:a@1"]),
        (
            "x-1.jar",
            zip().stored("META-INF/maven/g/a/pom.xml", b"<project><version>1</version></project>"),
            &["g:a@1"],
        ),
        ("x-1.jar", zip().stored("META-INF/maven/g/a/pom.xml", b""), &["g:a@1"]),
        // By manifest.
        (
            "a.hpi",
            zip().manifest("Group-Id: org.j\nShort-Name: git\nPlugin-Version: 4.0 (x)"),
            &["org.j:git@4.0"],
        ),
        ("a.jar", zip().manifest("Implementation-Title: g#a;1.0"), &["g:a@1.0"]),
        ("a-1.0.jar", zip().manifest("Implementation-Vendor-Id: g"), &["a@1.0"]),
        ("app.jar", zip().class().manifest("Implementation-Title: it\nImplementation-Version: 3"), &["it@3"]),
        ("a-1.0.jar", zip().manifest("Bundle-Version: 2.0.0"), &["a@2.0.0"]),
        ("rt.jar", zip().class().manifest("Specification-Title: Java Platform API Specification"), &[]),
        // By file name, and what is known of it.
        (
            "spring-core-5.3.9.jar",
            zip().stored("org/springframework/A.class", b""),
            &["org.springframework:spring-core@5.3.9"],
        ),
        ("spring-core-5.3.9.jar", zip().class(), &["spring-core@5.3.9"]),
        (
            "spring-boot-starter-web-2.6.1.jar",
            zip(),
            &["org.springframework.boot:spring-boot-starter-web@2.6.1"],
        ),
        (
            "spring-boot-demo-1.0.jar",
            zip().stored("org/springframework/boot/A.class", b"").stored("BOOT-INF/a", b""),
            &["spring-boot-demo@1.0"],
        ),
        (
            "catalina.jar",
            zip()
                .stored("org/apache/catalina/A.class", b"")
                .manifest("Implementation-Title: Apache Tomcat\nImplementation-Version: 9.0.65"),
            &["org.apache.tomcat:tomcat-catalina@9.0.65"],
        ),
        (
            "hibernate-core-5.6.1.Final.jar",
            zip().stored("org/hibernate/A.class", b""),
            &["org.hibernate:hibernate-core@5.6.1.Final"],
        ),
        ("a-1.0-sources.jar", zip().pom("g", "a", "1.0"), &[]),
        ("a-1.0-sources.jar", zip().pom("g", "a", "1.0").class(), &["g:a@1.0"]),
        ("app.jar", zip().class(), &["app@"]),
        ("app.jar", zip().stored("a.txt", b""), &[]),
    ] {
        assert_eq!(packages(&format!("opt/{name}"), &zip.end()).unwrap(), want, "{name}");
    }
}

#[test]
fn unpacked() {
    let path = "app/META-INF/maven/g/a/pom.properties";
    assert!(
        recognise_unpacked(path, b"") && !recognise_unpacked("target/maven-archiver/pom.properties", b"")
    );
    let package = Package::new(Ecosystem::Maven, "g:a", "1");
    let want = Fact::Installed { form: Form::Jar, packages: vec![package] };
    assert_eq!(read_unpacked(path, b"version=1"), Ok(Some(want)));
}

#[test]
fn bombs_end_in_a_named_limit() {
    let mut deep = good();
    for _ in 0..9 {
        deep = Zip::default().stored("a.jar", &deep).end();
    }
    assert_eq!(limit(&deep), "archive depth");
    // Entries that share one archive, whose entries do so too.
    let shared = |archive: &[u8], times| {
        let mut zip = Zip::default().stored("a.jar", archive);
        for _ in 1..times {
            zip = zip.central("a.jar", 0, 0, (archive.len(), 0, 0));
        }
        zip.end()
    };
    assert_eq!(limit(&shared(&shared(&Zip::default().end(), 300), 300)), "nested archives");
    let mut many = Zip::default();
    for _ in 0..if cfg!(debug_assertions) { 100_001 } else { 2_000_001 } {
        many = many.central("a", 0, 0, (0, 0, 0));
    }
    assert_eq!(limit(&many.end()), "archive entries");
    let mut names = Zip::default();
    for _ in 0..600 {
        names = names.central(&format!("{}.jar", "a".repeat(60_000)), 0, 0, (0, 0, 0));
    }
    assert_eq!(limit(&names.end()), "archive metadata");
    let zeros = zeros(10_240);
    for (name, want) in [
        ("META-INF/maven/g/a/pom.properties", "archive metadata entry"),
        ("META-INF/MANIFEST.MF", "archive metadata entry"),
        ("a.jar", "archive size"),
    ] {
        assert_eq!(limit(&Zip::default().entry(name, 0, 8, &zeros, 1).end()), want);
    }
    // Records that all look like the end.
    let mut ends = good();
    for _ in 0..3000 {
        ends.extend([&b"PK\x05\x06"[..], &[0; 8], &[0, 0, 1, 0], &[0; 4], &[9, 9]].concat());
    }
    assert_eq!(limit(&shared(&ends, 50)), "archive end records");
}

proptest! {
    #[test]
    fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 1..300)) {
        let _ = read("a.jar", &mut Cursor::new(bytes));
    }

    #[test]
    fn nothing_mutated_panics(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in 0..200_usize,
    ) {
        let nested = Zip::default().deflated("lib/b-1.jar", &good()).stored("lib/c-1.jar", &good());
        let mut bytes = nested.manifest("Implementation-Version: 1").pom("g", "a", "1").class().end();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(bytes.len() - cut.saturating_sub(100));
        let _ = read("a.jar", &mut Cursor::new(bytes));
    }
}
