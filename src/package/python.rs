//! Metadata of Python distributions: `*.dist-info/METADATA` and `*.egg-info` (file, or directory with `PKG-INFO`);
//! the core metadata specification of the PyPA.

use super::{Ecosystem, Error, Fact, Package, count::hold_text, file_name, is_python_metadata};

/// By content, which starts with the version of the form; or by name, since nobody who reads it minds the order of its
/// fields.
pub(super) fn recognise(path: &str, head: &[u8]) -> bool {
    head.get(..17).is_some_and(|start| start.eq_ignore_ascii_case(b"Metadata-Version:"))
        || (!head.is_empty() && is_named(path))
}

fn is_named(path: &str) -> bool {
    let name = file_name(path);
    matches!(name, "METADATA" | "PKG-INFO") || is_python_metadata(name.as_bytes())
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
        slot.get_or_insert(value.trim());
    }
    let filled = |value: Option<&str>, field| {
        let value = value.filter(|value| !value.is_empty()).ok_or(Error::Field(field))?;
        hold_text(value.len()).map(|()| value.to_owned())
    };
    let name = normal_name(&filled(name, "Name field")?);
    let package = Package::new(Ecosystem::Pypi, name, filled(version, "Version field")?);
    Ok(Some(Fact::Python { package }))
}

/// The name that all spellings of a distribution's name share (PEP 503): lower case, runs of `-`, `_` and `.` are one
/// `-`. What metadata and advisories name is the same only in this form.
pub(crate) fn normal_name(name: &str) -> String {
    let mut normal = String::with_capacity(name.len());
    for character in name.trim().chars() {
        match character {
            '-' | '_' | '.' if normal.ends_with('-') => {}
            '-' | '_' | '.' => normal.push('-'),
            other => normal.extend(other.to_lowercase()),
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
    fn names() {
        for spelling in ["foo-bar-baz", "Foo._-Bar.baz", " FOO_bar--baz\n"] {
            assert_eq!(normal_name(spelling), "foo-bar-baz");
        }
    }

    #[test]
    fn told_by_content_or_name() {
        let text = b"Name: six\nVersion: 1\nMetadata-Version: 2.1\n";
        for path in ["opt/x/METADATA", "six.egg-info/PKG-INFO", "lib/six-1.16.0.EGG-INFO"] {
            assert!(recognise(path, text), "{path}");
        }
        assert!(!recognise("opt/zlib.pc", text));
        assert!(!recognise("opt/x/METADATA", b""));
        assert!(recognise("opt/x", b"metadata-version: 2.1\n"));
    }
}
