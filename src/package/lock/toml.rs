//! TOML of lock files, bounded: a parsed table takes over a kilobyte, however short its text is.

use serde::de::DeserializeOwned;

use super::{
    Error,
    text::{Map, decode, hold_parsed, line_at},
};

/// `TOML parts`: what a file may hold, counted by [`parts`]. The costliest text for this many takes some 200 MB, and the
/// largest locks of real projects have half of it.
const MAX_PARTS: usize = 1_000_000;

/// Reads a document; `toml` bounds its depth.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    hold_parsed("TOML size", bytes)?;
    let text = decode(bytes)?;
    if parts(&text) > MAX_PARTS {
        return Err(Error::Limit { name: "TOML parts", limit: MAX_PARTS as u64 });
    }
    toml::from_str(&text).map(|Map(read)| read).map_err(|error| Error::Line {
        line: line_at(&text, error.span().map_or(0, |span| span.start)),
        why: error.message().to_owned(),
    })
}

/// Counts lines and what is neither a string nor a word; what may begin a table counts eight times, as it costs. Of a line
/// that begins or ends a string of many lines all is counted, for without parsing it nothing tells which part is the string.
fn parts(text: &str) -> usize {
    let weight = |byte: u8| match byte {
        b'[' | b'{' | b'.' => 8,
        byte if byte.is_ascii_alphanumeric() => 0,
        _ => 1,
    };
    let of_line = |line: &str| -> usize {
        if line.contains("\"\"\"") || line.contains("'''") {
            return line.bytes().map(weight).sum();
        }
        let (mut sum, mut quote, mut escaped) = (0, None, false);
        for byte in line.bytes() {
            match quote {
                Some(_) if escaped => escaped = false,
                Some(b'"') if byte == b'\\' => escaped = true,
                Some(open) if open == byte => quote = None,
                Some(_) => {}
                None if byte == b'"' || byte == b'\'' => {
                    quote = Some(byte);
                    sum += 1;
                }
                None => sum += weight(byte),
            }
        }
        sum
    };
    text.split('\n').map(|line| 1 + of_line(line)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_bounded() {
        for one in ["[", "a = [", "a = {", "a."] {
            let text = one.repeat(100_000);
            assert!(read::<toml::Value>(text.as_bytes()).is_err());
            assert!(toml::from_str::<toml::Value>(&text).is_err());
        }
    }

    #[test]
    fn strings_cost_little_and_hide_nothing() {
        assert_eq!(parts("a=\"[[[\\\"{{{\"#"), parts("a=''#"));
        for text in ["a = ''' ' {{{{", "'''\n''', {{{{", "'\\', {{{{", "\"\\\\\", {{{{", "# '\n{{{{"] {
            assert!(parts(text) > 4 * 8, "{text}");
        }
        let many = format!("a = [{}]", "{},".repeat(MAX_PARTS / 8));
        assert!(matches!(read::<toml::Value>(many.as_bytes()), Err(Error::Limit { name: "TOML parts", .. })));
    }
}
