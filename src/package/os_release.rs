//! `os-release`; os-release(5).

use super::{Error, Fact, OsRelease, utf8};

/// Lines of `KEY=value` with an `ID` among them: a link may give the file any name.
pub(super) fn recognise(path: &str, head: &[u8]) -> bool {
    if path.rsplit('/').next() == Some("os-release") {
        return !head.is_empty();
    }
    let key = |byte: &u8| byte.is_ascii_uppercase() || *byte == b'_' || byte.is_ascii_digit();
    let assignment = |line: &[u8]| {
        line.iter()
            .position(|byte| *byte == b'=')
            .is_some_and(|equals| equals > 0 && line[..equals].iter().all(key))
    };
    let mut lines = head.split(|byte| *byte == b'\n').take(64);
    let id = head.starts_with(b"ID=") || head.windows(4).any(|window| window == b"\nID=");
    // The last line of a cut head may be cut itself.
    id && lines
        .all(|line| line.is_empty() || line.starts_with(b"#") || assignment(line) || head.len() >= 4096)
}

/// Reads `ID`, `VERSION_ID` and `VERSION_CODENAME`.
pub(super) fn read(path: &str, bytes: &[u8]) -> Result<Option<Fact>, Error> {
    let mut release = OsRelease { id: String::new(), version: String::new(), codename: String::new() };
    for line in utf8(bytes)?.lines() {
        let Some((key, value)) = line.trim().split_once('=') else { continue };
        let slot = match key {
            "ID" => &mut release.id,
            "VERSION_ID" => &mut release.version,
            "VERSION_CODENAME" => &mut release.codename,
            _ => continue,
        };
        *slot = unquote(value.trim());
    }
    // The specification wants lower case, and feeds are found by this name: `Alpine` is no system beside `alpine`.
    release.id.make_ascii_lowercase();
    match release.id.is_empty() {
        false => Ok(Some(Fact::OsRelease(release))),
        true if path.rsplit('/').next() == Some("os-release") => Err(Error::Field("ID")),
        true => Ok(None),
    }
}

/// A value as a shell would read it.
fn unquote(value: &str) -> String {
    let inner = [('"', '"'), ('\'', '\'')]
        .iter()
        .find_map(|(open, close)| value.strip_prefix(*open)?.strip_suffix(*close))
        .unwrap_or(value);
    let mut text = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(c) = characters.next() {
        text.extend(if c == '\\' { characters.next() } else { Some(c) });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_any_name() {
        let text = b"NAME=\"Debian GNU/Linux\"\nID=Debian\nVERSION_ID='12'\nVERSION_CODENAME=bookworm\n";
        assert!(recognise("usr/lib/elsewhere", text));
        assert!(!recognise("bin/script", b"#!/bin/sh\nID=x\necho hello\n"));
        let release =
            OsRelease { id: "debian".to_owned(), version: "12".to_owned(), codename: "bookworm".to_owned() };
        assert_eq!(read("etc/os-release", text), Ok(Some(Fact::OsRelease(release))));
        assert_eq!(read("etc/os-release", b"NAME=x\n"), Err(Error::Field("ID")));
    }
}
