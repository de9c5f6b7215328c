//! JSON with comments and trailing commas.

/// What is JSON once its comments and the commas before a closing bracket are blank; the rest stays where it is, so that
/// errors name the right place.
pub(super) fn without_comments(bytes: &[u8]) -> Vec<u8> {
    let mut json = bytes.to_vec();
    let mut comma = None;
    let mut at = 0;
    while let Some(&byte) = json.get(at) {
        let rest = json.get(at..).unwrap_or_default();
        let blank = match byte {
            b'"' => {
                comma = None;
                at += string(rest);
                continue;
            }
            b'/' if rest.starts_with(b"//") => {
                rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len())
            }
            b'/' if rest.starts_with(b"/*") => {
                let end = rest.windows(2).skip(2).position(|end| end == b"*/");
                end.map_or(rest.len(), |inside| inside + 4)
            }
            b',' => {
                comma = Some(at);
                0
            }
            b']' | b'}' => {
                if let Some(comma) = comma.take().and_then(|comma| json.get_mut(comma)) {
                    *comma = b' ';
                }
                0
            }
            byte if byte.is_ascii_whitespace() => 0,
            _ => {
                comma = None;
                0
            }
        };
        let end = at + blank;
        json.get_mut(at..end)
            .unwrap_or_default()
            .iter_mut()
            .filter(|byte| **byte != b'\n')
            .for_each(|byte| *byte = b' ');
        at = end.max(at + 1);
    }
    json
}

/// Length of the string at the start of `bytes`, with its quotes.
fn string(bytes: &[u8]) -> usize {
    let mut escaped = true; // so that the first quote is not taken as the last
    for (index, byte) in bytes.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return index + 1,
            _ => {}
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::{super::text, *};

    #[test]
    fn comments_and_trailing_commas() {
        let text = br#"/* a, */ { // b "
 "c": ["//", "/* \" */,]", /*, */ 1 , /* x */ ], }"#;
        let value: serde_json::Value = text::json(&without_comments(text)).unwrap();
        assert_eq!(value, serde_json::json!({ "c": ["//", "/* \" */,]", 1] }));
        for cut in 0..text.len() {
            let bytes = without_comments(&text[..cut]);
            assert_eq!(bytes.len(), cut);
        }
        assert!(text::json::<serde_json::Value>(&without_comments(b"[1,,]")).is_err());
    }
}
