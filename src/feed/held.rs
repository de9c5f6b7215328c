//! What an import holds until every path is read: of each record the newest word.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, hash_map::Entry},
    hash::{Hash, Hasher},
    mem,
    sync::atomic::{AtomicU64, Ordering},
};

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    name::{self, Name},
    sink::Package,
};
use crate::{
    advisory::{Affected, Compiler, Fact},
    feed::Merged,
};

/// What one record says of its scope. The derived order decides which of two is kept: the newer; at one time the content,
/// so that the order of the files never does.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Revision {
    /// `None` sorts first: what has no date is the oldest.
    #[serde(with = "time")]
    pub time: Option<Timestamp>,
    #[serde(with = "name")]
    pub database: Name,
    pub summary: String,
    /// The lists of other names: an advisory for each.
    pub names: Vec<Vec<String>>,
    pub packages: Packages,
    /// Ecosystems of which a part was not understood.
    pub not_understood: BTreeSet<String>,
}

/// Packages sorted by ecosystem and name, each once, as postcard: a database has millions, and as texts and lists they would
/// take six times the memory.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Packages(Box<[u8]>);

impl Packages {
    /// `None` where there are more than the form can hold.
    pub(super) fn new(packages: &[Package]) -> Option<Self> {
        Some(Self(postcard::to_stdvec(packages).ok()?.into_boxed_slice()))
    }

    fn get(&self) -> Vec<Package> {
        // What was written above: a part's bytes are held against their digest before this.
        postcard::from_bytes(&self.0).unwrap_or_default()
    }
}

/// About what a text takes in memory, with the allocator's own.
fn text_bytes(text: &str) -> usize {
    text.len() + size_of::<String>() + 8
}

impl Revision {
    /// About what it takes in memory.
    fn size_bytes(&self, key: &Key) -> u64 {
        let texts = |list: &[String]| list.iter().map(|item| text_bytes(item)).sum::<usize>();
        let size = size_of::<(Key, Self)>() * 2
            + key.id.len()
            + key.scope.len()
            + text_bytes(&self.summary)
            + self.names.iter().map(|names| size_of::<Vec<String>>() + texts(names)).sum::<usize>()
            + self.packages.0.len()
            + self.not_understood.iter().map(|name| text_bytes(name)).sum::<usize>();
        size as u64
    }
}

/// A record's place: of two with one key the newer counts. Mirrors split a record by family into files of one id, so a
/// record replaces another only where it speaks of the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Key {
    #[serde(with = "name")]
    form: Name,
    scope: String,
    id: String,
}

impl Key {
    pub(super) fn new(form: &'static str, scope: &str, id: String) -> Self {
        Self { form, scope: scope.to_owned(), id }
    }
}

/// Forms and databases are few: to tell them apart is not worth hashing their names for every record.
impl Hash for Key {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.scope.hash(hasher);
        self.id.hash(hasher);
    }
}

/// An id in the words of one form or one database.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Named {
    #[serde(with = "name")]
    by: Name,
    id: String,
}

impl Hash for Named {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.id.hash(hasher);
    }
}

/// What was said, and when. The order is that of revisions.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Dated<T> {
    #[serde(with = "time")]
    time: Option<Timestamp>,
    said: T,
}

/// The newest revisions so far.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Held {
    #[serde(serialize_with = "sorted")]
    revisions: HashMap<Key, Revision>,
    /// Of all revisions.
    ecosystems: BTreeSet<String>,
    /// When each withdrawn id of a form was.
    #[serde(serialize_with = "sorted")]
    withdrawn: HashMap<Named, Dated<()>>,
    /// What each database says of a vulnerability itself.
    #[serde(serialize_with = "sorted")]
    facts: HashMap<Named, Dated<Fact>>,
    replaced: u64,
}

/// A map in the order of its keys, so that equal parts are equal bytes.
fn sorted<K: Serialize + Ord, V: Serialize, S: Serializer>(
    map: &HashMap<K, V>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut entries: Vec<(&K, &V)> = map.iter().collect();
    entries.sort_unstable_by_key(|(key, _)| *key);
    serializer.collect_map(entries)
}

/// A time in nanoseconds since 1970.
mod time {
    use super::{Deserialize, Deserializer, Serialize, Serializer, Timestamp};

    pub(super) fn serialize<S: Serializer>(
        time: &Option<Timestamp>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        time.map(Timestamp::as_nanosecond).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        let time = Option::<i128>::deserialize(deserializer)?;
        time.map(|time| Timestamp::from_nanosecond(time).map_err(serde::de::Error::custom)).transpose()
    }
}

/// As feeds are dated.
fn whole_seconds(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second()).unwrap_or(time).to_string()
}

impl Held {
    /// Takes the word that revisions speak of these.
    pub(super) fn speaks_of(&mut self, packages: &[Package]) {
        // Sorted: one after another, most are of one ecosystem.
        for packages in packages.chunk_by(|a, b| a.ecosystem == b.ecosystem) {
            if !self.ecosystems.contains(&packages[0].ecosystem) {
                self.ecosystems.insert(packages[0].ecosystem.clone());
            }
        }
    }

    /// Takes a revision, if it is the newest of its kind; `size_bytes` follows what is held.
    pub(super) fn add(&mut self, key: Key, revision: Revision, size_bytes: &AtomicU64) {
        let size = revision.size_bytes(&key);
        match self.revisions.entry(key) {
            Entry::Vacant(place) => {
                place.insert(revision);
                size_bytes.fetch_add(size, Ordering::Relaxed);
            }
            Entry::Occupied(mut place) => {
                self.replaced += 1;
                if *place.get() < revision {
                    let old = place.get().size_bytes(place.key());
                    size_bytes.fetch_add(size, Ordering::Relaxed);
                    size_bytes.fetch_sub(old, Ordering::Relaxed);
                    place.insert(revision);
                }
            }
        }
    }

    /// Takes the word that `id` was withdrawn.
    pub(super) fn withdraw(
        &mut self,
        form: &'static str,
        id: String,
        time: Option<Timestamp>,
        size_bytes: &AtomicU64,
    ) {
        let size = id.len() + 2 * size_of::<(Named, Dated<()>)>();
        size_bytes.fetch_add(size as u64, Ordering::Relaxed);
        let known = self.withdrawn.entry(Named { by: form, id }).or_insert(Dated { time, said: () });
        known.time = known.time.max(time);
    }

    /// Takes what `database` says of the vulnerability `id`, if it is its newest word; at one time the content decides.
    pub(super) fn fact(
        &mut self,
        id: String,
        database: &'static str,
        time: Option<Timestamp>,
        fact: Fact,
        size_bytes: &AtomicU64,
    ) {
        let size = id.len() + fact.vector.len() + 2 * size_of::<(Named, Dated<Fact>)>();
        let said = Dated { time, said: fact };
        match self.facts.entry(Named { by: database, id }) {
            Entry::Vacant(place) => {
                size_bytes.fetch_add(size as u64, Ordering::Relaxed);
                place.insert(said);
            }
            Entry::Occupied(mut place) => {
                self.replaced += 1;
                if *place.get() < said {
                    place.insert(said);
                }
            }
        }
    }

    /// Takes what another thread holds.
    pub(super) fn extend(&mut self, mut other: Self, size_bytes: &AtomicU64) {
        // Whoever says it, the newest word of each stays: so the smaller goes into the larger.
        if self.revisions.len() + self.facts.len() < other.revisions.len() + other.facts.len() {
            mem::swap(self, &mut other);
        }
        self.replaced += other.replaced;
        self.ecosystems.append(&mut other.ecosystems);
        self.revisions.reserve(other.revisions.len());
        self.facts.reserve(other.facts.len());
        for (key, revision) in other.revisions {
            size_bytes.fetch_sub(revision.size_bytes(&key), Ordering::Relaxed);
            self.add(key, revision, size_bytes);
        }
        for (Named { by, id }, Dated { time, .. }) in other.withdrawn {
            self.withdraw(by, id, time, size_bytes);
        }
        for (Named { by, id }, Dated { time, said }) in other.facts {
            self.fact(id, by, time, said, size_bytes);
        }
    }

    /// The ecosystems and databases that are spoken of.
    pub(super) fn feeds(&self) -> BTreeSet<&str> {
        let mut feeds: BTreeSet<&str> = self.ecosystems.iter().map(String::as_str).collect();
        feeds.extend(self.facts.keys().map(|named| named.by));
        feeds
    }

    /// Hands every revision that was not withdrawn since to `compiler`, and every fact.
    pub(super) fn compile(self, compiler: &mut Compiler) -> Merged {
        let mut merged = Merged { kept: 0, facts: 0, replaced: self.replaced, withdrawn: 0 };
        for (Key { form: by, id, .. }, revision) in self.revisions {
            // At one time the withdrawal is the later word.
            let named = Named { by, id };
            let withdrawn = self.withdrawn.get(&named).is_some_and(|said| said.time >= revision.time);
            let id = named.id;
            if withdrawn {
                merged.withdrawn += 1;
                continue;
            }
            let Revision { time, database, summary, names, packages, not_understood } = revision;
            let packages = packages.get();
            for ecosystem in not_understood {
                compiler.add_not_understood(&ecosystem);
            }
            let modified = time.map(whole_seconds).unwrap_or_default();
            merged.kept += u64::from(!packages.is_empty());
            let words: Vec<_> = names
                .into_iter()
                .map(|aliases| compiler.words(id.clone(), database, aliases, summary.clone()))
                .collect();
            for Package { ecosystem, name, severity, state, ranges, versions } in packages {
                let affected = Affected { severity, state, ranges, versions };
                compiler.speak(&words, &ecosystem, &name, &modified, affected);
            }
        }
        let mut newest: BTreeMap<Name, Timestamp> = BTreeMap::new();
        for (Named { by, id }, Dated { said, time }) in self.facts {
            merged.facts += 1;
            if let Some(time) = time {
                let known = newest.entry(by).or_insert(time);
                *known = time.max(*known);
            }
            compiler.add_fact(id, by, said);
        }
        for (database, time) in newest {
            compiler.database(database).as_of = whole_seconds(time);
        }
        merged
    }
}
