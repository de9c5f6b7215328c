//! Text, JSON and YAML of lock files, each bounded, with errors that name the line.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_saphyr::{MessageFormatter, UserMessageFormatter};

use super::{
    super::{hold_texts, lossy, utf8},
    Error,
};

/// `lock file parts`: lines of one file that is read line by line, which bound what is read from it.
pub(super) const MAX_PARTS: usize = 500_000;

/// `YAML size`, `TOML size`: bytes of one file. It is parsed whole, and an error may repeat its longest text, which takes
/// eight times as much. The largest lock files of these forms have 10 MB.
const MAX_PARSED_BYTES: usize = 16 << 20;

/// Holds the size of a file that is parsed whole.
pub(super) fn hold_parsed(name: &'static str, bytes: &[u8]) -> Result<(), Error> {
    match bytes.len() <= MAX_PARSED_BYTES {
        true => Ok(()),
        false => Err(Error::Limit { name, limit: MAX_PARSED_BYTES as u64 }),
    }
}

/// Text of lines, bounded, by its byte order mark as [`unmarked`] has it.
pub(super) fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, Error> {
    if bytes.iter().filter(|byte| **byte == b'\n').count() > MAX_PARTS {
        return Err(Error::Limit { name: "lock file parts", limit: MAX_PARTS as u64 });
    }
    unmarked(bytes)
}

/// Text by its byte order mark: UTF-16, or UTF-8 as without one. Editors on Windows write marks, and `pip freeze >` in
/// PowerShell writes UTF-16.
fn unmarked(bytes: &[u8]) -> Result<Cow<'_, str>, Error> {
    let (rest, unit): (_, fn([u8; 2]) -> u16) = match bytes {
        [0xff, 0xfe, rest @ ..] => (rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => (rest, u16::from_be_bytes),
        _ => return utf8(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)).map(Cow::Borrowed),
    };
    let (pairs, odd) = rest.as_chunks::<2>();
    let mut text = String::with_capacity(pairs.len());
    let mut at = 2;
    for character in char::decode_utf16(pairs.iter().map(|pair| unit(*pair))) {
        let character = character.map_err(|_| Error::Encoding(at))?;
        at += 2 * character.len_utf16();
        text.push(character);
    }
    if odd.is_empty() { Ok(Cow::Owned(text)) } else { Err(Error::Encoding(at)) }
}

/// Text as [`decode`] gives it, or in an encoding of which only the ASCII is read: in forms that may name one, people's
/// names are written in it, and never a package's.
pub(super) fn decode_ascii(bytes: &[u8]) -> Result<Cow<'_, str>, Error> {
    match decode(bytes) {
        Err(Error::Encoding(_)) if !matches!(bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]) => Ok(lossy(bytes)),
        decoded => decoded,
    }
}

/// The line, from 1, of a byte of `text`.
pub(super) fn line_at(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

/// Reads JSON; `serde_json` bounds its depth.
pub(super) fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    let text = unmarked(bytes)?;
    hold_texts(text.as_bytes())?;
    serde_json::from_str(&text).map(|Map(read)| read).map_err(|error| Error::Json(error.to_string()))
}

/// Reads YAML: one document, in which aliases repeat next to nothing.
pub(super) fn yaml<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    hold_parsed("YAML size", bytes)?;
    let text = unmarked(bytes)?;
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 32,
            max_documents: 1,
            max_aliases: 1_000,
            max_anchors: 1_000,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 20_000,
            max_replay_stack_depth: 4,
        },
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(&text, options).map(|Map(read)| read).map_err(|error| Error::Line {
        line: error.location().map_or(1, |at| usize::try_from(at.line()).unwrap_or(usize::MAX)),
        why: UserMessageFormatter.format_message(&error).into_owned(),
    })
}

/// A value that is written as a map; a type's own reader would take a list of its fields as well.
pub(super) struct Map<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Map<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Whole<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Whole<T> {
            type Value = Map<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Map)
            }
        }
        deserializer.deserialize_map(Whole(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{entries::Entries, toml},
        *,
    };

    #[test]
    fn byte_order_marks() {
        assert_eq!(decode(b"\xef\xbb\xbfa").unwrap(), "a");
        assert_eq!(decode(b"\xff\xfea\0=\xd8\0\xde").unwrap(), "a\u{1f600}");
        assert_eq!(decode(b"\xfe\xff\0a").unwrap(), "a");
        assert_eq!(decode(b"\xff\xfea\0b"), Err(Error::Encoding(4)));
        assert_eq!(decode(b"\xff\xfea\0\0\xdc"), Err(Error::Encoding(4)));
        assert_eq!(decode(b"a\xff"), Err(Error::Encoding(1)));
    }

    #[test]
    fn a_key_is_there_once_and_errors_name_the_line() {
        type Bytes = Entries<u8>;
        let keys = |map: Bytes| map.0.into_keys().collect::<String>();
        assert_eq!(keys(json::<Bytes>(br#"{"b": 1, "a": 2}"#).unwrap()), "ab");
        let why = json::<Bytes>(b"{\"b\": 1,\n \"b\": 2}").unwrap_err().to_string();
        assert!(why.contains("`b` is there twice at line 2"), "{why}");
        for (result, line) in [
            (toml::read::<Bytes>(b"a = 1\nb = 2\na = 3\n"), 3),
            (toml::read::<Bytes>(b"a = 1\nb = []\n"), 2),
            (toml::read::<Bytes>(b"a = 1\n["), 2),
            (yaml::<Bytes>(b"a: 1\nb: 1\na: 1\n"), 3),
            (yaml::<Bytes>(b"a: 1\nb: x\n"), 2),
        ] {
            let error = result.unwrap_err();
            assert!(matches!(error, Error::Line { line: at, .. } if at == line), "{error} {line}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let deep = |one: &str| one.repeat(100_000).into_bytes();
        for one in ["[", "{\"a\":"] {
            assert!(json::<serde_json::Value>(&deep(one)).is_err());
        }
        for one in ["[", "{a: ", "- ", "? "] {
            assert!(yaml::<serde_json::Value>(&deep(one)).is_err());
        }
        let laughs: String = (1..30).fold("a0: &a0 x\n".to_owned(), |text, level| {
            let below = level - 1;
            text + &format!("a{level}: &a{level} [*a{below}, *a{below}, *a{below}]\n")
        });
        assert!(yaml::<serde_json::Value>(laughs.as_bytes()).is_err());
    }
}
