//! The manifest of a file system that chisel cut out of Ubuntu's packages, `manifest.wall`: JSON objects, one a line, in
//! zstd; chisel's documentation, "Chisel manifest" and "jsonwall". It does not say of which sources the packages are.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _},
};

use serde::{Deserialize, de::IgnoredAny};

use super::{Ecosystem, Error, Fact, Owned, Package, count::Packages, split};

/// `manifest.wall`: all of it, without compression. That of a large image has a megabyte.
const WALL_BYTES: u64 = 64 << 20;
/// The most that the decompressor looks back, as a power of two; chisel's looks back 8 MiB.
const WINDOW_LOG: u32 = 25;

/// By name, and as zstd.
pub(super) fn recognise(path: &str, head: &[u8]) -> bool {
    split(path).0 == "manifest.wall" && head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd])
}

#[derive(Deserialize)]
struct Line {
    jsonwall: Option<IgnoredAny>,
    kind: Option<String>,
    name: Option<String>,
    version: Option<String>,
    arch: Option<String>,
}

/// Reads the packages, which are those that dpkg would name; `None` for what begins otherwise.
pub(super) fn read(_path: &str, bytes: &[u8]) -> Result<Option<Fact>, Error> {
    let unreadable = |error: std::io::Error| Error::Database(format!("zstd: {error}"));
    let mut decoder = zstd::stream::read::Decoder::with_buffer(bytes).map_err(unreadable)?;
    decoder.window_log_max(WINDOW_LOG).map_err(unreadable)?;
    let mut lines = BufReader::new(decoder.take(WALL_BYTES + 1));
    let (mut packages, mut line, mut spent) = (Packages::default(), Vec::new(), 0);
    for number in 1.. {
        line.clear();
        let read = lines.read_until(b'\n', &mut line).map_err(unreadable)?;
        if read == 0 {
            break;
        }
        spent += read as u64;
        if spent > WALL_BYTES {
            return Err(Error::Limit { name: "manifest.wall", limit: WALL_BYTES });
        }
        let wrong = |why: String| Error::Line { line: number, why };
        let parsed: Line = serde_json::from_slice(&line).map_err(|error| wrong(error.to_string()))?;
        if number == 1 && parsed.jsonwall.is_none() {
            return Ok(None);
        }
        if parsed.kind.as_deref() == Some("package") {
            let (Some(name), Some(version)) = (parsed.name, parsed.version) else {
                return Err(wrong("a package has a name and a version".to_owned()));
            };
            let mut package = Package::new(Ecosystem::Deb, name, version);
            package.arch = parsed.arch;
            packages.push(package)?;
        }
    }
    let (owned, built_using) = (Owned::default(), BTreeMap::new());
    Ok(Some(Fact::Dpkg { packages: packages.into_sorted(), removed: Vec::new(), owned, built_using }))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub const WALL: &str = r#"{"jsonwall":"1.0","schema":"1.0","count":4}
{"kind":"content","slice":"libc6_libs","path":"/lib/libc.so.6"}
{"kind":"package","name":"libc6","version":"2.39-0ubuntu8","sha256":"00","arch":"amd64"}
{"kind":"path","path":"/lib/libc.so.6","mode":"0644","slices":["libc6_libs"]}
"#;

    pub fn packed(text: &str) -> Vec<u8> {
        zstd::encode_all(text.as_bytes(), 1).unwrap()
    }

    #[test]
    fn packages_of_a_wall() {
        let good = packed(WALL);
        assert!(recognise("var/lib/chisel/manifest.wall", &good) && !recognise("manifest.wall", b"{}"));
        let Ok(Some(Fact::Dpkg { packages, .. })) = read("", &good) else { panic!() };
        let [package] = &packages[..] else { panic!("{packages:?}") };
        assert_eq!((&*package.name, &*package.version), ("libc6", "2.39-0ubuntu8"));
        assert_eq!(package.arch.as_deref(), Some("amd64"));
    }

    #[test]
    fn what_is_broken_or_too_much() {
        assert_eq!(read("", &packed("{}\n")), Ok(None));
        for (text, line) in
            [("{\"jsonwall\":\"1\"}\n{", 2), ("{\"jsonwall\":\"1\"}\n{\"kind\":\"package\"}", 2)]
        {
            let error = read("", &packed(text)).unwrap_err();
            assert!(matches!(error, Error::Line { line: at, .. } if at == line), "{error}");
        }
        let good = packed(WALL);
        assert!(matches!(read("", &good[..good.len() - 3]), Err(Error::Database(_))));
        let bomb = zstd::encode_all(std::io::repeat(b' ').take(WALL_BYTES + 2), 1).unwrap();
        assert_eq!(read("", &bomb), Err(Error::Limit { name: "manifest.wall", limit: WALL_BYTES }));
    }
}
