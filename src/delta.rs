//! The delta: which layers of an image somebody has analysed already.

use std::collections::BTreeSet;

use crate::digest::Digest;

/// The layers of an image, parted in those known and those to analyse.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Delta {
    /// Positions in the image whose fragment is known.
    pub hits: Vec<usize>,
    /// Diff IDs to analyse, bottom to top, each once however often the image repeats it.
    pub missing: Vec<Digest>,
}

impl Delta {
    /// Parts `diff_ids` (bottom to top) by what is `missing`.
    pub fn new(diff_ids: &[Digest], missing: impl IntoIterator<Item = Digest>) -> Self {
        let missing: BTreeSet<Digest> = missing.into_iter().collect();
        let mut seen = BTreeSet::new();
        let mut delta = Self::default();
        for (index, diff_id) in diff_ids.iter().enumerate() {
            if !missing.contains(diff_id) {
                delta.hits.push(index);
            } else if seen.insert(*diff_id) {
                delta.missing.push(*diff_id);
            }
        }
        delta
    }

    /// How many positions of the image are not known.
    pub fn misses(&self, layers: usize) -> usize {
        layers - self.hits.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_layer_is_analysed_once() {
        let [a, b] = [Digest::of(b"a"), Digest::of(b"b")];
        let delta = Delta::new(&[a, b, a], [a]);
        assert_eq!(delta, Delta { hits: vec![1], missing: vec![a] });
        assert_eq!(delta.misses(3), 2);
    }
}
