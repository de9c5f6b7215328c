//! Large JSON documents, one part at a time: the whole is never held as values.

use std::{borrow::Cow, fmt, ops::Deref};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Error, value::RawValue};

/// A text that is borrowed from the document, except where it is written with escapes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(super) struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// Hands every element of the array that `bytes` is to `each`, until it says `false`; the error is of what comes after the
/// last one that was handed over, or that it was told to end.
pub(super) fn elements<'a>(bytes: &'a [u8], each: &mut dyn FnMut(&'a RawValue) -> bool) -> Result<(), Error> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    json.deserialize_seq(Elements { each }).and_then(|()| json.end())
}

/// Hands every element of the array `key` of the object that `bytes` is to `each`, as [`elements`] does. The other members
/// are read over.
pub(super) fn elements_of<'a>(
    bytes: &'a [u8],
    key: &str,
    each: &mut dyn FnMut(&'a RawValue) -> bool,
) -> Result<(), Error> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    json.deserialize_map(Member { key, each }).and_then(|()| json.end())
}

/// Hands every member of the object that `bytes` is to `each`, as [`elements`] does.
pub(super) fn members<'a>(
    bytes: &'a [u8],
    each: &mut dyn FnMut(String, &'a RawValue) -> bool,
) -> Result<(), Error> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    json.deserialize_map(Members { each }).and_then(|()| json.end())
}

/// Why a document ends before its end: nobody wants more of it.
const ENOUGH: &str = "over a limit";

struct Elements<'e, 'a> {
    each: &'e mut dyn FnMut(&'a RawValue) -> bool,
}

impl<'de> Visitor<'de> for Elements<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(item) = items.next_element::<&RawValue>()? {
            if !(self.each)(item) {
                return Err(A::Error::custom(ENOUGH));
            }
        }
        Ok(())
    }
}

impl<'de> serde::de::DeserializeSeed<'de> for Elements<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_seq(self)
    }
}

struct Member<'e, 'a> {
    key: &'e str,
    each: &'e mut dyn FnMut(&'a RawValue) -> bool,
}

impl<'de> Visitor<'de> for Member<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with {:?}", self.key)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { key: wanted, each } = self;
        let mut found = false;
        while let Some(key) = map.next_key::<String>()? {
            if key == wanted {
                found = true;
                map.next_value_seed(Elements { each: &mut *each })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        if found { Ok(()) } else { Err(A::Error::custom(format_args!("missing member {wanted:?}"))) }
    }
}

struct Members<'e, 'a> {
    each: &'e mut dyn FnMut(String, &'a RawValue) -> bool,
}

impl<'de> Visitor<'de> for Members<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((key, value)) = map.next_entry::<String, &RawValue>()? {
            if !(self.each)(key, value) {
                return Err(A::Error::custom(ENOUGH));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_one_by_one() {
        let mut seen = Vec::new();
        let text = br#"{"a":[0],"b":[1,{"c":2}],"d":3}"#;
        elements_of(text, "b", &mut |value| {
            seen.push(value.get());
            true
        })
        .unwrap();
        assert_eq!(seen, ["1", r#"{"c":2}"#]);
        let mut names = Vec::new();
        members(text, &mut |name, value| {
            names.push((name, value.get()));
            names.len() < 2
        })
        .unwrap_err();
        assert_eq!(names, [("a".into(), "[0]"), ("b".into(), r#"[1,{"c":2}]"#)]);
    }

    #[test]
    fn texts_are_borrowed_where_they_can_be() {
        let texts: Vec<Option<Text<'_>>> = serde_json::from_str(r#"["a","b\n",null]"#).unwrap();
        let [Some(Text(Cow::Borrowed("a"))), Some(Text(Cow::Owned(text))), None] = &texts[..] else {
            panic!("{texts:?}")
        };
        assert_eq!(text, "b\n");
    }

    #[test]
    fn what_is_wrong_is_said() {
        let said = |text: &str| elements_of(text.as_bytes(), "b", &mut |_| true).unwrap_err().to_string();
        assert!(said(r#"{"a":[]}"#).contains(r#"missing member "b""#));
        assert!(said("[]").contains(r#"an object with "b""#));
        assert!(said(r#"{"b":[1,"#).contains("EOF"));
        assert!(said(r#"{"b":[]} x"#).contains("trailing"));
        let mut count = 0;
        let cut = elements(b"[1,2,", &mut |_| {
            count += 1;
            true
        });
        assert!(cut.is_err() && count == 2, "what came before is handed over");
    }
}
