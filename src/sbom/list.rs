//! Arrays of which only what is of use is kept.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize,
    de::{Deserializer, SeqAccess, Visitor},
};

/// An element of an array.
pub trait Item {
    /// Whether it says something of use here.
    fn is_wanted(&self) -> bool {
        true
    }
}

/// A JSON array, or `null`, which Go writes for an empty one.
#[derive(Debug)]
pub struct List<T>(pub Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Item + Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        source.deserialize_any(Items(PhantomData))
    }
}

struct Items<T>(PhantomData<T>);

impl<'de, T: Item + Deserialize<'de>> Visitor<'de> for Items<T> {
    type Value = List<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_unit<E>(self) -> Result<List<T>, E> {
        Ok(List::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut source: A) -> Result<List<T>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = source.next_element::<T>()? {
            if item.is_wanted() {
                items.push(item);
            }
        }
        Ok(List(items))
    }
}
