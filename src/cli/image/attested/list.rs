//! Lists of JSON documents that end before they fill memory.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, SeqAccess, Visitor},
};

/// What there may be a bounded list of.
pub(super) trait Listed {
    /// Name of the limit.
    const LIMIT: &'static str;
    /// Most in one list.
    const MOST: usize;
}

/// For serde's `deserialize_with`.
pub(super) fn bounded<'de, D: Deserializer<'de>, T: Deserialize<'de> + Listed>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    deserializer.deserialize_seq(Bounded(PhantomData))
}

struct Bounded<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de> + Listed> Visitor<'de> for Bounded<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of {}", T::LIMIT)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
        let mut found = Vec::new();
        while let Some(one) = list.next_element()? {
            if found.len() == T::MOST {
                return Err(A::Error::custom(format_args!("over the limit `{}`, {}", T::LIMIT, T::MOST)));
            }
            found.push(one);
        }
        Ok(found)
    }
}
