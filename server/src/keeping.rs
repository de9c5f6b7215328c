//! Answers on their way to the store. They are sent before they are written, so whoever asks for one at once finds it
//! here.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use axum::body::Bytes;

/// Answers that wait to be written; past this the next are not kept.
const MOST: usize = 64;

/// JSON of answers, by the name of their scan.
#[derive(Default)]
pub struct Keeping(Mutex<BTreeMap<String, Bytes>>);

impl Keeping {
    /// Shows an answer until what [`Keeping::until_written`] gives is dropped; `false` where there are too many.
    pub fn begin(&self, name: &str, json: &Bytes) -> bool {
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = answers.len() < MOST;
        if room {
            answers.insert(name.to_owned(), json.clone());
        }
        room
    }

    /// To be held while an answer is written; dropped, the answer is in the store, or will never be.
    pub fn until_written<'a>(&'a self, name: &'a str) -> impl Drop + 'a {
        Writing { keeping: self, name }
    }

    /// An answer that is on its way. To be asked before the store: between the two it is in both.
    pub fn get(&self, name: &str) -> Option<Bytes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}

/// The end comes whatever happens to who writes.
struct Writing<'a> {
    keeping: &'a Keeping,
    name: &'a str,
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.keeping.0.lock().unwrap_or_else(PoisonError::into_inner).remove(self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_until_they_are_written() {
        let (keeping, json) = (Keeping::default(), Bytes::from_static(b"{}"));
        assert!((0..MOST).all(|name| keeping.begin(&name.to_string(), &json)));
        assert!(!keeping.begin("late", &json) && keeping.get("late").is_none());
        assert_eq!(keeping.get("7"), Some(json.clone()));
        drop(keeping.until_written("7"));
        assert!(keeping.get("7").is_none() && keeping.begin("late", &json));
    }
}
