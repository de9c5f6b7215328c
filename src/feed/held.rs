//! What an import holds until every path is read: of each record the newest word.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, hash_map::Entry},
    hash::{Hash, Hasher},
    mem,
};

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    name::{self, Name},
    repositories::Repositories,
    sink::{Budget, Package},
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

/// The ecosystems of packages that are sorted: most revisions are of one.
fn ecosystems(packages: &[Package]) -> impl Iterator<Item = &str> {
    packages.chunk_by(|a, b| a.ecosystem == b.ecosystem).map(|packages| packages[0].ecosystem.as_str())
}

/// About what a withdrawal takes in memory. A map is between half and nearly full.
fn withdrawal_bytes(id: &str) -> u64 {
    (text_bytes(id) + 2 * size_of::<(Named, Dated<()>)>() - size_of::<String>()) as u64
}

/// About what a fact takes in memory, as a withdrawal does.
fn fact_bytes(id: &str, fact: &Fact) -> u64 {
    let since = fact.exploited.as_ref().map_or(0, |exploited| exploited.since.len());
    (text_bytes(id) + fact.vector.len() + since + 2 * size_of::<(Named, Dated<Fact>)>()) as u64
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
    /// How many of the revisions speak of each; none of those that are not understood.
    ecosystems: BTreeMap<String, u64>,
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
    /// Takes the word that one more revision, which is added next, speaks of these.
    pub(super) fn speaks_of(&mut self, packages: &[Package], not_understood: &BTreeSet<String>) {
        for ecosystem in ecosystems(packages) {
            match self.ecosystems.get_mut(ecosystem) {
                Some(count) => *count += 1,
                None => drop(self.ecosystems.insert(ecosystem.to_owned(), 1)),
            }
        }
        for ecosystem in not_understood {
            if !self.ecosystems.contains_key(ecosystem) {
                self.ecosystems.insert(ecosystem.clone(), 0);
            }
        }
    }

    /// Takes a revision, if it is the newest of its kind; `budget` follows what is held.
    pub(super) fn add(&mut self, key: Key, revision: Revision, budget: &Budget) {
        let size = revision.size_bytes(&key);
        let gone = match self.revisions.entry(key) {
            Entry::Vacant(place) => {
                place.insert(revision);
                budget.hold(size);
                return;
            }
            Entry::Occupied(mut place) => {
                self.replaced += 1;
                if *place.get() < revision {
                    let old = place.get().size_bytes(place.key());
                    budget.hold(size);
                    budget.release(old);
                    place.insert(revision)
                } else {
                    revision
                }
            }
        };
        for ecosystem in ecosystems(&gone.packages.get()) {
            if let Some(count) = self.ecosystems.get_mut(ecosystem) {
                *count = count.saturating_sub(1);
            }
        }
    }

    /// Takes the word that `id` was withdrawn.
    pub(super) fn withdraw(
        &mut self,
        form: &'static str,
        id: String,
        time: Option<Timestamp>,
        budget: &Budget,
    ) {
        let size = withdrawal_bytes(&id);
        let known = self.withdrawn.entry(Named { by: form, id }).or_insert_with(|| {
            budget.hold(size);
            Dated { time, said: () }
        });
        known.time = known.time.max(time);
    }

    /// Takes what `database` says of the vulnerability `id`, if it is its newest word; at one time the content decides.
    pub(super) fn fact(
        &mut self,
        id: String,
        database: &'static str,
        time: Option<Timestamp>,
        fact: Fact,
        budget: &Budget,
    ) {
        let size = fact_bytes(&id, &fact);
        let said = Dated { time, said: fact };
        match self.facts.entry(Named { by: database, id }) {
            Entry::Vacant(place) => {
                budget.hold(size);
                place.insert(said);
            }
            Entry::Occupied(mut place) => {
                self.replaced += 1;
                if *place.get() < said {
                    budget.hold(size);
                    budget.release(fact_bytes(&place.key().id, &place.get().said));
                    place.insert(said);
                }
            }
        }
    }

    /// Takes what another thread holds.
    pub(super) fn extend(&mut self, mut other: Self, budget: &Budget) {
        // Whoever says it, the newest word of each stays: so the smaller goes into the larger.
        if self.revisions.len() + self.facts.len() < other.revisions.len() + other.facts.len() {
            mem::swap(self, &mut other);
        }
        self.replaced += other.replaced;
        for (ecosystem, count) in other.ecosystems {
            *self.ecosystems.entry(ecosystem).or_default() += count;
        }
        self.revisions.reserve(other.revisions.len());
        self.facts.reserve(other.facts.len());
        for (key, revision) in other.revisions {
            budget.release(revision.size_bytes(&key));
            self.add(key, revision, budget);
        }
        for (Named { by, id }, Dated { time, .. }) in other.withdrawn {
            budget.release(withdrawal_bytes(&id));
            self.withdraw(by, id, time, budget);
        }
        for (Named { by, id }, Dated { time, said }) in other.facts {
            budget.release(fact_bytes(&id, &said));
            self.fact(id, by, time, said, budget);
        }
    }

    /// The ecosystems that are spoken of.
    pub(super) fn ecosystems(&self) -> usize {
        self.ecosystems.len()
    }

    /// The ecosystems and databases that are spoken of, and by how many records.
    pub(super) fn feeds(&self) -> BTreeMap<String, u64> {
        let mut feeds = self.ecosystems.clone();
        let mut by_database: BTreeMap<Name, u64> = BTreeMap::new();
        for Named { by, .. } in self.facts.keys() {
            *by_database.entry(by).or_default() += 1;
        }
        for (database, count) in by_database {
            *feeds.entry(database.to_owned()).or_default() += count;
        }
        feeds
    }

    /// Hands every revision that was not withdrawn since to `compiler`, and every fact.
    pub(super) fn compile(self, compiler: &mut Compiler) -> Merged {
        let mut merged = Merged { kept: 0, facts: 0, replaced: self.replaced, withdrawn: 0 };
        let mut repositories = Repositories::default();
        for (Key { form: by, scope, id }, revision) in self.revisions {
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
            ecosystems(&packages).for_each(|ecosystem| repositories.add(by, &scope, ecosystem));
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
        for (ecosystem, repository) in repositories.missing() {
            compiler.add_missing(ecosystem, repository);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Of what a map of facts takes, its table is counted exactly, and for each text what an allocator adds at least.
    #[test]
    fn the_size_of_facts_is_near_the_truth() {
        for count in [1_000_usize, 28_000, 29_000, 57_000] {
            let (mut held, budget) = (Held::default(), Budget::default());
            for index in 0..count {
                let vector = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H".to_owned();
                let fact = Fact { vector, ..Fact::default() };
                held.fact(format!("CVE-2024-{index:06}"), "nvd", None, fact, &budget);
            }
            let table = held.facts.capacity() * 8 / 7 * (size_of::<(Named, Dated<Fact>)>() + 1);
            let texts: usize =
                held.facts.iter().map(|(named, fact)| named.id.len() + fact.said.vector.len() + 16).sum();
            let (said, real) = (budget.memory.held(), (table + texts) as u64);
            assert!(
                said * 10 > real * 7 && said * 10 < real * 16,
                "{count} facts: {said} said, {real} taken"
            );
            // Another thread's: what is the same is not counted twice.
            let mut all = Held::default();
            all.extend(held, &budget);
            assert_eq!(budget.memory.held(), said);
        }
    }
}
