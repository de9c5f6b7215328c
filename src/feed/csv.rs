//! Comma-separated values: RFC 4180, with line ends of any kind.

use std::borrow::Cow;

/// Hands every row of `bytes` to `each`, with the number of its first line, until it says `false`; the error is of a quote
/// that is never closed. What is no UTF-8 is replaced; empty lines are no rows.
pub(super) fn rows<'a>(
    bytes: &'a [u8],
    each: &mut dyn FnMut(usize, &[Cow<'a, str>]) -> bool,
) -> Result<(), String> {
    let (mut rest, mut line) = (bytes, 1);
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let first = line;
        loop {
            let (field, after) = match rest.strip_prefix(b"\"") {
                Some(text) => quoted(text).ok_or_else(|| format!("line {first}: a quote is not closed"))?,
                None => {
                    let end = memchr::memchr2(b',', b'\n', rest).unwrap_or(rest.len());
                    (Cow::Borrowed(&rest[..end]), &rest[end..])
                }
            };
            line += memchr::memchr_iter(b'\n', &field).count();
            // Spaces around a field, and the carriage return of a line end, are none of it.
            let text = match field {
                Cow::Borrowed(text) => String::from_utf8_lossy(text.trim_ascii()),
                Cow::Owned(text) => Cow::Owned(String::from_utf8_lossy(text.trim_ascii()).into_owned()),
            };
            fields.push(text);
            rest = after;
            match rest.split_first() {
                Some((b',', after)) => rest = after,
                Some((_, after)) => {
                    rest = after;
                    line += 1;
                    break;
                }
                None => break,
            }
        }
        let empty = fields.iter().all(|field| field.is_empty());
        if !empty && !each(first, &fields) {
            return Ok(());
        }
        fields.clear();
    }
    Ok(())
}

/// The field after an opening quote, and what follows it from the next comma or line end; `None` if nothing closes it.
fn quoted(text: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
    let mut doubled = false;
    let mut at = 0;
    loop {
        at += memchr::memchr(b'"', &text[at..])?;
        if text.get(at + 1) != Some(&b'"') {
            break;
        }
        doubled = true;
        at += 2;
    }
    let after = &text[at + 1..];
    let after = &after[memchr::memchr2(b',', b'\n', after).unwrap_or(after.len())..];
    let field = match std::str::from_utf8(&text[..at]) {
        Ok(field) if doubled => Cow::Owned(field.replace("\"\"", "\"").into_bytes()),
        _ => Cow::Borrowed(&text[..at]),
    };
    Some((field, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(usize, Vec<String>)> {
        let mut read = Vec::new();
        rows(text.as_bytes(), &mut |line, fields| {
            read.push((line, fields.iter().map(|field| field.to_string()).collect()));
            true
        })
        .unwrap();
        read
    }

    #[test]
    fn fields_and_lines() {
        let text = "a,b\r\n\r\n\"x, \"\"y\"\"\nz\",,\" 1 \"\n,\"\"\nlast,";
        let want = [(1, vec!["a", "b"]), (3, vec!["x, \"y\"\nz", "", "1"]), (6, vec!["last", ""])];
        let want: Vec<_> =
            want.map(|(line, fields)| (line, fields.into_iter().map(str::to_owned).collect())).into();
        assert_eq!(read(text), want);
        assert_eq!(read(""), []);
        assert_eq!(rows(b"a\n\"b", &mut |_, _| true), Err("line 2: a quote is not closed".into()));
    }
}
