//! Decoded fragments in memory, so that the gate of a known image parses nothing again.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use stella::{digest::Digest, layer::Fragment};

/// What one string or one list costs beside its bytes, about: pointer, length, capacity, allocator.
const ITEM_BYTES: usize = 40;

/// Least recently used fragments go when the bound is reached. Keyed by content, which holds layer, form and
/// analyzer: an entry can be wrong for nobody, and who may read it was decided before anyone asks here.
pub struct Fragments {
    limit_bytes: usize,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    by_content: HashMap<Digest, Entry>,
    by_use: BTreeMap<u64, Digest>,
    bytes: usize,
    uses: u64,
}

struct Entry {
    fragment: Arc<Fragment>,
    bytes: usize,
    used: u64,
}

impl Fragments {
    /// An empty cache of about `limit_bytes`.
    pub fn new(limit_bytes: usize) -> Self {
        Self { limit_bytes, held: Mutex::default() }
    }

    /// A fragment by the digest of what it says.
    pub fn get(&self, content: Digest) -> Option<Arc<Fragment>> {
        let mut guard = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let held = &mut *guard;
        held.uses += 1;
        let entry = held.by_content.get_mut(&content)?;
        held.by_use.remove(&entry.used);
        entry.used = held.uses;
        held.by_use.insert(entry.used, content);
        Some(Arc::clone(&entry.fragment))
    }

    /// Keeps a fragment. One that alone is over the bound is not kept.
    pub fn insert(&self, content: Digest, fragment: Arc<Fragment>) {
        let bytes = weight_bytes(&fragment);
        if bytes > self.limit_bytes {
            return;
        }
        let mut guard = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let held = &mut *guard;
        held.uses += 1;
        held.by_use.insert(held.uses, content);
        held.bytes += bytes;
        if let Some(old) = held.by_content.insert(content, Entry { fragment, bytes, used: held.uses }) {
            held.by_use.remove(&old.used);
            held.bytes -= old.bytes;
        }
        while held.bytes > self.limit_bytes {
            let Some((_, oldest)) = held.by_use.pop_first() else { break };
            if let Some(old) = held.by_content.remove(&oldest) {
                held.bytes -= old.bytes;
            }
        }
    }
}

/// About what a fragment costs in memory; its directory entries are nearly all of it.
fn weight_bytes(fragment: &Fragment) -> usize {
    let strings = |names: &[String]| names.iter().map(|name| name.len() + ITEM_BYTES).sum::<usize>();
    let links = |links: &BTreeMap<String, String>| {
        links.iter().map(|(name, target)| name.len() + target.len() + 2 * ITEM_BYTES).sum::<usize>()
    };
    let directories = fragment.directories.iter().map(|directory| {
        size_of_val(directory)
            + directory.path.len()
            + strings(&directory.files)
            + links(&directory.links)
            + links(&directory.hard_links)
            + strings(&directory.devices)
            + strings(&directory.whiteouts)
    });
    let facts = fragment.facts.iter().map(|fact| strings(&fact.paths) + fact_bytes(&fact.fact));
    let unread = fragment.unread.iter().map(|unread| strings(&unread.paths) + unread.why.len() + ITEM_BYTES);
    size_of_val(fragment) + directories.sum::<usize>() + facts.sum::<usize>() + unread.sum::<usize>()
}

fn fact_bytes(fact: &stella::package::Fact) -> usize {
    use stella::package::{Fact, Package};
    // Names and versions are short: a flat allowance for the strings of one package.
    let package_bytes = size_of::<Package>() + 4 * ITEM_BYTES;
    match fact {
        Fact::OsRelease(_) | Fact::Release { .. } => 4 * ITEM_BYTES,
        Fact::Dpkg { packages, removed, built_using, .. } => {
            let names = removed.iter().map(|name| name.len() + ITEM_BYTES);
            let sources = built_using.values().map(|sources| (1 + sources.len()) * package_bytes);
            packages.len() * package_bytes + names.sum::<usize>() + sources.sum::<usize>()
        }
        Fact::Apk { packages, .. }
        | Fact::Rpm { packages, .. }
        | Fact::Opkg { packages }
        | Fact::Installed { packages, .. } => packages.len() * package_bytes,
        Fact::Locked { packages, unpinned, .. } => {
            let names = unpinned.first.iter().map(|name| name.len() + ITEM_BYTES);
            packages.len() * package_bytes + names.sum::<usize>()
        }
        Fact::Python { .. } | Fact::Node { .. } | Fact::Alpm { .. } => package_bytes,
        // Never in a fragment.
        Fact::DpkgFiles { .. } | Fact::RpmJournal { .. } => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stella::layer::{ANALYZER, Directory, SCHEMA};

    fn fragment(name: &str) -> (Digest, Arc<Fragment>) {
        let directory = Directory { path: name.to_owned(), ..Directory::default() };
        let fragment = Fragment {
            schema: SCHEMA,
            analyzer: ANALYZER.to_owned(),
            diff_id: Digest::of(name.as_bytes()),
            files: 0,
            size_bytes: 0,
            directories: vec![directory],
            facts: Vec::new(),
            unread: Vec::new(),
        };
        (Digest::of(name.as_bytes()), Arc::new(fragment))
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let [(a, a_fragment), (b, b_fragment), (c, c_fragment)] = ["a", "b", "c"].map(fragment);
        let cache = Fragments::new(2 * weight_bytes(&a_fragment));
        cache.insert(a, Arc::clone(&a_fragment));
        cache.insert(b, b_fragment);
        assert!(cache.get(a).is_some());
        cache.insert(a, a_fragment); // again: counted once
        cache.insert(c, c_fragment);
        assert_eq!([a, b, c].map(|content| cache.get(content).is_some()), [true, false, true]);
    }
}
