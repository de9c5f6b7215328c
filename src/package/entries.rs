//! Maps and lists of JSON and YAML, with a limit on how long they may be, held while they are read.
//!
//! A key that comes twice is an error: each tool reads one of the two, and which one is not written anywhere.

use std::{collections::BTreeMap, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor},
};

use super::{
    Error,
    count::{Count, Packages},
};

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
        let (mut entries, mut count) = (BTreeMap::new(), Count::default());
        while let Some(key) = map.next_key::<String>()? {
            if entries.contains_key(&key) {
                return Err(twice(&key));
            }
            count.add(key.len()).map_err(A::Error::custom)?;
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
        let (mut elements, mut count) = (Vec::new(), Count::default());
        while let Some(element) = list.next_element()? {
            count.add(0).map_err(A::Error::custom)?;
            elements.push(element);
        }
        Ok(List(elements))
    }
}

/// What is written of packages and need not be kept once they are named.
pub(super) trait Names {
    /// Adds the packages.
    fn name(self, packages: &mut Packages) -> Result<(), Error>;
}

/// A list of which only the packages are kept, each as it is read.
#[derive(Debug)]
pub(super) struct Named<V>(pub Packages, PhantomData<V>);

impl<V> Default for Named<V> {
    fn default() -> Self {
        Self(Packages::default(), PhantomData)
    }
}

impl<'de, V: Deserialize<'de> + Names> Deserialize<'de> for Named<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Self::default())
    }
}

impl<'de, V: Deserialize<'de> + Names> Visitor<'de> for Named<V> {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Self, A::Error> {
        while let Some(element) = list.next_element::<V>()? {
            element.name(&mut self.0).map_err(A::Error::custom)?;
        }
        Ok(self)
    }
}

/// A map of which each entry is handed over as it is read, and nothing is kept.
pub(super) struct Each<F, V>(F, PhantomData<V>);

/// Makes an [`Each`].
pub(super) fn each<V, F: FnMut(String, V) -> Result<(), Error>>(take: F) -> Each<F, V> {
    Each(take, PhantomData)
}

impl<'de, V: Deserialize<'de>, F: FnMut(String, V) -> Result<(), Error>> DeserializeSeed<'de> for Each<F, V> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, V: Deserialize<'de>, F: FnMut(String, V) -> Result<(), Error>> Visitor<'de> for Each<F, V> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some((key, value)) = map.next_entry()? {
            (self.0)(key, value).map_err(A::Error::custom)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde::de::IgnoredAny;

    use super::{super::count::MOST_PACKAGES, *};

    #[test]
    fn limits_are_named() {
        let text = |count: usize| format!("[{}0]", "0,".repeat(count - 1));
        assert!(serde_json::from_str::<List<IgnoredAny>>(&text(MOST_PACKAGES)).is_ok());
        let error = serde_json::from_str::<List<IgnoredAny>>(&text(MOST_PACKAGES + 1)).unwrap_err();
        assert!(error.to_string().contains("over the limit `packages of a file`, 75000"));
        let map: String = (0..=MOST_PACKAGES).map(|key| format!(",\"{key}\":0")).collect();
        let error = serde_json::from_str::<Entries<u8>>(&format!("{{{}}}", &map[1..])).unwrap_err();
        assert!(error.to_string().contains("over the limit `packages of a file`"));
    }
}
