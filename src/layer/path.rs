//! Paths of a layer's entries: cleaned as a container engine cleans them, and written losslessly as text.

/// Why a path was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Starts with a slash.
    #[error("absolute path")]
    Absolute,
    /// Leads out of the image through `..`.
    #[error("path leads out of the image")]
    Escape,
    /// Holds a NUL byte.
    #[error("path holds a NUL byte")]
    Nul,
    /// Longer than the limit.
    #[error("path has {0} bytes; the limit `path length` is {1}")]
    Length(usize, usize),
    /// A component that no file system takes.
    #[error("name has {0} bytes; the limit `name length` is {NAME_BYTES}")]
    Name(usize),
}

/// `name length`: bytes of one component, NAME_MAX of Linux.
pub const NAME_BYTES: usize = 255;

/// Cleans the raw name of an entry lexically (`.`, `..`, doubled and trailing slashes), as Go's `filepath.Clean` does
/// for container engines. The root is empty.
pub fn clean(raw: &[u8], limit: usize) -> Result<Vec<u8>, Error> {
    // Some builders write an entry for the root itself as `/`.
    if raw.starts_with(b"/") && raw.iter().any(|byte| *byte != b'/') {
        return Err(Error::Absolute);
    }
    if raw.contains(&0) {
        return Err(Error::Nul);
    }
    if raw.len() > limit {
        return Err(Error::Length(raw.len(), limit));
    }
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in components(raw) {
        match part {
            b"." => {}
            b".." => {
                parts.pop().ok_or(Error::Escape)?;
            }
            name if name.len() > NAME_BYTES => return Err(Error::Name(name.len())),
            name => parts.push(name),
        }
    }
    Ok(parts.join(&b'/'))
}

/// The components of a path, empty ones left out.
pub fn components(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|&byte| byte == b'/').filter(|part| !part.is_empty())
}

/// Parts a clean path in its directory and its last name; `None` for the root.
pub fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => Some((&path[..slash], &path[slash + 1..])),
        None if path.is_empty() => None,
        None => Some((b"", path)),
    }
}

/// Writes bytes as text without loss: a backslash as `\\`, each byte that is no UTF-8 as `\xNN`.
pub fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        if chunk.valid().contains('\\') {
            text.push_str(&chunk.valid().replace('\\', r"\\"));
        } else {
            text.push_str(chunk.valid());
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// [`escape`]s bytes where they are, if there is nothing to escape.
pub(crate) fn into_escaped(bytes: Vec<u8>) -> String {
    match String::from_utf8(bytes) {
        Ok(text) if !text.contains('\\') => text,
        Ok(text) => escape(text.as_bytes()),
        Err(error) => escape(error.as_bytes()),
    }
}

/// [`escape`]d for a message, where a path of kilobytes would hide what is said of it.
pub fn shown(bytes: &[u8]) -> String {
    let mut text = escape(bytes);
    if let Some((end, _)) = text.char_indices().nth(200) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Reads what [`escape`] wrote; `None` for anything that it does not write.
pub fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let escaped = &rest.as_bytes()[at + 1..];
        match escaped {
            [b'\\', ..] => {
                bytes.push(b'\\');
                rest = &rest[at + 2..];
            }
            [b'x', high @ (b'8'..=b'9' | b'a'..=b'f'), low @ (b'0'..=b'9' | b'a'..=b'f'), ..] => {
                let digit = |byte: u8| if byte <= b'9' { byte - b'0' } else { byte - b'a' + 10 };
                bytes.push(digit(*high) << 4 | digit(*low));
                rest = &rest[at + 4..];
            }
            _ => return None,
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleans_as_engines_do() {
        for (raw, clean_path) in [
            ("./etc//passwd", "etc/passwd"),
            ("a/../b/", "b"),
            (".", ""),
            ("/", ""),
            ("", ""),
            ("./", ""),
            ("a/./b/..", "a"),
        ] {
            assert_eq!(clean(raw.as_bytes(), 4096).unwrap(), clean_path.as_bytes(), "{raw}");
        }
        assert_eq!(clean(b"/etc", 4096), Err(Error::Absolute));
        assert_eq!(clean(b"a/../../b", 4096), Err(Error::Escape));
        assert_eq!(clean(b"aaaaa", 4), Err(Error::Length(5, 4)));
    }

    proptest::proptest! {
        #[test]
        fn text_is_lossless(bytes: Vec<u8>) {
            assert_eq!(into_escaped(bytes.clone()), escape(&bytes));
            assert_eq!(unescape(&escape(&bytes)), Some(bytes));
        }

        #[test]
        fn one_text_per_path(text in r"[a\\x89f]{0,8}") {
            if let Some(bytes) = unescape(&text) {
                assert_eq!(escape(&bytes), text);
            }
        }
    }
}
