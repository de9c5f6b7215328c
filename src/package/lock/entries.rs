//! Maps and lists of JSON and YAML, with a limit on how long they may be.
//!
//! A key that comes twice is an error: each tool reads one of the two, and which one is not written anywhere.

use std::{collections::BTreeMap, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, SeqAccess, Visitor},
};

use super::super::Error;

/// `lock file entries`: most packages of one file. The lock file of a large monorepo has some 30,000.
const MAX_ENTRIES: usize = 200_000;

/// Whether there may be one more after `count`.
pub(super) fn one_more(count: usize) -> Result<(), Error> {
    if count < MAX_ENTRIES {
        return Ok(());
    }
    Err(Error::Limit { name: "lock file entries", limit: MAX_ENTRIES as u64 })
}

/// Entries by key.
#[derive(Debug)]
pub(super) struct Entries<V>(pub BTreeMap<String, V>);

impl<V> Default for Entries<V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<V> IntoIterator for Entries<V> {
    type Item = (String, V);
    type IntoIter = std::collections::btree_map::IntoIter<String, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Entries<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Entry(PhantomData))
    }
}

struct Entry<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for Entry<V> {
    type Value = Entries<V>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = BTreeMap::new();
        while let Some(key) = map.next_key::<String>()? {
            if entries.contains_key(&key) {
                return Err(twice(&key));
            }
            one_more(entries.len()).map_err(A::Error::custom)?;
            entries.insert(key, map.next_value()?);
        }
        Ok(Entries(entries))
    }
}

/// The error of a key that is there already.
pub(super) fn twice<E: serde::de::Error>(key: &str) -> E {
    E::custom(format!("the key `{key}` is there twice"))
}

/// A list.
#[derive(Debug)]
pub(super) struct List<V>(pub Vec<V>);

impl<V> Default for List<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<V> IntoIterator for List<V> {
    type Item = V;
    type IntoIter = std::vec::IntoIter<V>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for List<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Element(PhantomData))
    }
}

struct Element<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for Element<V> {
    type Value = List<V>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = list.next_element()? {
            one_more(elements.len()).map_err(A::Error::custom)?;
            elements.push(element);
        }
        Ok(List(elements))
    }
}

#[cfg(test)]
mod tests {
    use serde::de::IgnoredAny;

    use super::*;

    #[test]
    fn limits_are_named() {
        let text = |count: usize| format!("[{}0]", "0,".repeat(count - 1));
        assert!(serde_json::from_str::<List<IgnoredAny>>(&text(MAX_ENTRIES)).is_ok());
        let error = serde_json::from_str::<List<IgnoredAny>>(&text(MAX_ENTRIES + 1)).unwrap_err();
        assert!(error.to_string().contains("over the limit `lock file entries`, 200000"));
        let map: String = (0..=MAX_ENTRIES).map(|key| format!(",\"{key}\":0")).collect();
        let error = serde_json::from_str::<Entries<u8>>(&format!("{{{}}}", &map[1..])).unwrap_err();
        assert!(error.to_string().contains("over the limit `lock file entries`"));
    }
}
