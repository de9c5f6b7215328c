//! Metadata of Python distributions: `*.dist-info/METADATA` and `*.egg-info` (file, or directory with `PKG-INFO`);
//! the core metadata specification of the PyPA.

use super::{Ecosystem, Error, Fact, Package};

/// Every version of core metadata starts with its own version, or with the name.
pub(super) fn recognise(path: &str, head: &[u8]) -> bool {
    head.get(..17).is_some_and(|start| start.eq_ignore_ascii_case(b"Metadata-Version:"))
        || (is_installed_at(path) && !head.is_empty())
}

/// Whether metadata at `path` is that of an installed distribution, not of an unpacked source archive.
pub(super) fn is_installed_at(path: &str) -> bool {
    let mut parts = path.rsplit('/');
    let name = parts.next().unwrap_or_default();
    let parent = parts.next().unwrap_or_default();
    match name {
        "METADATA" => parent.ends_with(".dist-info"),
        "PKG-INFO" => parent.ends_with(".egg-info") || parent == "EGG-INFO",
        _ => name.ends_with(".egg-info"),
    }
}

/// Reads the header fields `Name` and `Version`.
pub(super) fn read(_path: &str, bytes: &[u8]) -> Result<Option<Fact>, Error> {
    let (mut name, mut version) = (None, None);
    // The header alone is needed; the description below it may be in any encoding.
    for line in bytes.split(|byte| *byte == b'\n') {
        let line = line.trim_ascii_end();
        if line.is_empty() {
            break;
        }
        let Ok(line) = std::str::from_utf8(line) else { continue };
        let Some((field, value)) = line.split_once(':') else { continue };
        let slot = match field.to_ascii_lowercase().as_str() {
            "name" => &mut name,
            "version" => &mut version,
            _ => continue,
        };
        slot.get_or_insert(value.trim().to_owned());
    }
    let filled = |value: Option<String>, field| value.filter(|v| !v.is_empty()).ok_or(Error::Field(field));
    let package = Package {
        ecosystem: Ecosystem::Pypi,
        name: normalise(&filled(name, "Name field")?),
        version: filled(version, "Version field")?,
        arch: None,
        source: None,
    };
    Ok(Some(Fact::Python { package }))
}

/// PEP 503: lower case, runs of `-`, `_` and `.` are one `-`.
fn normalise(name: &str) -> String {
    let mut normal = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '-' | '_' | '.' if normal.ends_with('-') => {}
            '-' | '_' | '.' => normal.push('-'),
            c => normal.extend(c.to_lowercase()),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_only() {
        let text =
            b"Metadata-Version: 2.1\r\nName: Zope.Interface__x\r\nVersion: 5.0\r\n\r\nName: other\n\xff";
        let Some(Fact::Python { package }) = read("", text).unwrap() else { panic!() };
        assert_eq!((package.name.as_str(), package.version.as_str()), ("zope-interface-x", "5.0"));
        assert_eq!(read("", b"Metadata-Version: 2.1\nName: a\n"), Err(Error::Field("Version field")));
    }

    #[test]
    fn places() {
        for (path, installed) in [
            ("usr/lib/python3/dist-packages/six-1.16.0.egg-info", true),
            ("site-packages/six-1.16.0.egg-info/PKG-INFO", true),
            ("site-packages/six-1.16.0.dist-info/METADATA", true),
            ("src/six-1.16.0/PKG-INFO", false),
            ("METADATA", false),
        ] {
            assert_eq!(is_installed_at(path), installed, "{path}");
        }
    }
}
