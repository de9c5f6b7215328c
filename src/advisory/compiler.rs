//! From advisories to the compiled file.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    io::Write as _,
    path::Path,
    sync::Arc,
    thread,
};

use jiff::civil::Date;
use serde::Serialize;

use super::{
    Advisory, Fact, Feed, Range, State, alias,
    format::{
        self, Contents, Entry, Error, FLAG_DEMO, HEADER_BYTES, Header, Section, StoredAdvisory, StoredFeed,
        Text, VERSION,
    },
    lookup_name,
    whole::{Aside, write_whole},
};
use crate::{
    digest::{Digest, Hasher},
    finding::Severity,
};

/// Takes advisories in any order and writes one file, whose bytes depend on the set of advisories alone.
#[derive(Debug, Default)]
pub struct Compiler {
    demo: bool,
    feeds: BTreeMap<String, FeedInput>,
    /// Names of the databases that speak in advisories.
    sources: BTreeSet<Arc<str>>,
    facts: Vec<FactInput>,
    /// Those whose facts they are, by name.
    databases: BTreeMap<&'static str, Feed>,
    /// Of records that have an id of GitHub's.
    github: Vec<Arc<Text>>,
}

#[derive(Debug, Default)]
struct FeedInput {
    /// Its records are counted at the end.
    feed: Feed,
    advisories: Vec<Held>,
    /// Repositories of the release that nobody spoke of.
    missing: Vec<String>,
}

/// An advisory for a package. It shares its words with those for others of the record, and the package with those of other
/// vulnerabilities: an update of a kernel is some hundred of them by as many packages. The derived order is the package's, then
/// the advisory's.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Held {
    package: Arc<str>,
    text: Arc<Text>,
    source: Arc<str>,
    affected: Arc<Affected>,
}

/// What one source says of one vulnerability itself, in the order of the file.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct FactInput {
    id: String,
    source: &'static str,
    fact: Fact,
}

/// What all advisories of one record have in common.
#[derive(Debug, Clone)]
pub(crate) struct Words {
    text: Arc<Text>,
    source: Arc<str>,
}

/// What an advisory says of its package; the fields are those of [`Advisory`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Affected {
    pub severity: Severity,
    pub state: State,
    pub ranges: Vec<Range>,
    pub versions: Vec<String>,
}

impl Affected {
    fn sort(&mut self) {
        self.ranges.sort_unstable();
        self.ranges.dedup();
        self.versions.sort_unstable();
        self.versions.dedup();
    }
}

impl Held {
    /// Takes what `other` says, if that is the same database's word on the same vulnerability: in how many forms, files and
    /// parts it was read makes no difference.
    fn takes(&mut self, other: &Self) -> bool {
        let (known, new) = (&*self.text, &*other.text);
        let same = (&self.package, &known.id, &known.aliases, &self.source, self.affected.state)
            == (&other.package, &new.id, &new.aliases, &other.source, other.affected.state);
        if same {
            if self.text.summary.is_empty() {
                self.text = Arc::clone(&other.text);
            }
            if self.affected != other.affected {
                let (known, new) = (Arc::make_mut(&mut self.affected), &other.affected);
                known.severity = known.severity.max(new.severity);
                known.ranges.extend_from_slice(&new.ranges);
                known.versions.extend_from_slice(&new.versions);
                known.sort();
            }
        }
        same
    }
}

impl Compiler {
    /// Marks the snapshot as the small one of the demo, or not; reports then say so.
    pub fn set_demo(&mut self, demo: bool) {
        self.demo = demo;
    }

    /// Takes one advisory for `package` of a feed's `ecosystem`, such as `Debian:12` or `PyPI`. `modified` is RFC 3339
    /// in UTC, or empty; the newest becomes the feed's `as_of`.
    pub fn add(&mut self, ecosystem: &str, package: &str, modified: &str, advisory: Advisory) {
        let Advisory { id, source, aliases, summary, severity, state, ranges, versions } = advisory;
        let words = self.words(id, &source, aliases, summary);
        let affected = Affected { severity, state, ranges, versions };
        self.speak(&[words], ecosystem, package, modified, affected);
    }

    /// What the advisories of a record that follow have in common.
    pub(crate) fn words(
        &mut self,
        id: String,
        source: &str,
        mut aliases: Vec<String>,
        summary: String,
    ) -> Words {
        aliases.sort_unstable();
        aliases.dedup();
        let source = self.sources.get(source).cloned().unwrap_or_else(|| {
            let source = Arc::<str>::from(source);
            self.sources.insert(Arc::clone(&source));
            source
        });
        let text = Arc::new(Text { id, aliases, summary });
        if alias::is_of_github(&text) {
            self.github.push(Arc::clone(&text));
        }
        Words { text, source }
    }

    /// Takes one advisory in each of these words, as [`Compiler::add`] does.
    pub(crate) fn speak(
        &mut self,
        words: &[Words],
        ecosystem: &str,
        package: &str,
        modified: &str,
        mut affected: Affected,
    ) {
        affected.sort();
        let package = Arc::<str>::from(lookup_name(ecosystem, package));
        let affected = Arc::new(affected);
        let input = self.input(ecosystem);
        if input.feed.as_of.as_str() < modified {
            input.feed.as_of = modified.to_owned();
        }
        input.advisories.extend(words.iter().cloned().map(|Words { text, source }| Held {
            package: Arc::clone(&package),
            text,
            source,
            affected: Arc::clone(&affected),
        }));
    }

    fn input(&mut self, ecosystem: &str) -> &mut FeedInput {
        if !self.feeds.contains_key(ecosystem) {
            self.feeds.insert(ecosystem.to_owned(), FeedInput::default());
        }
        self.feeds.entry(ecosystem.to_owned()).or_default()
    }

    /// Takes what `source` says of the vulnerability `id` itself; one word of each source.
    pub fn add_fact(&mut self, id: String, source: &'static str, fact: Fact) {
        self.database(source);
        self.facts.push(FactInput { id, source, fact });
    }

    /// The database of facts of that name; its records are counted at the end.
    pub(crate) fn database(&mut self, name: &'static str) -> &mut Feed {
        self.databases.entry(name).or_insert_with(|| Feed { name: name.to_owned(), ..Feed::default() })
    }

    /// Takes the word that what is known of an ecosystem, or of a database, was the newest on this day.
    pub fn set_checked(&mut self, name: &str, day: Date) {
        let feed = self.feeds.get_mut(name).map(|input| &mut input.feed);
        if let Some(feed) = feed.or_else(|| self.databases.get_mut(name)) {
            feed.checked = Some(day);
        }
    }

    /// Takes the word that nobody spoke of a repository of the release that `ecosystem` is.
    pub(crate) fn add_missing(&mut self, ecosystem: &str, repository: &str) {
        self.input(ecosystem).missing.push(repository.to_owned());
    }

    /// Takes the word that a record for `ecosystem` was not understood in part, so that the count stands in the file.
    pub fn add_not_understood(&mut self, ecosystem: &str) {
        self.input(ecosystem).feed.not_understood += 1;
    }

    /// The compiled file's bytes.
    pub fn to_bytes(self) -> Result<Vec<u8>, Error> {
        Ok(self.compile()?.pieces().concat())
    }

    fn compile(mut self) -> Result<File, Error> {
        let place = |(place, source)| Ok((source, fit(place, "sources")?));
        let places = self.sources.into_iter().enumerate().map(place).collect::<Result<_, Error>>()?;
        let mut parts = Parts { sources: places, ..Parts::default() };
        let mut feeds = Vec::with_capacity(self.feeds.len());
        let with_cves = alias::with_cves(self.github.iter());
        self.github = Vec::new();
        let named = self.feeds.values_mut().flat_map(|input| &mut input.advisories);
        for advisory in named.filter(|advisory| alias::is_of_github(&advisory.text)) {
            if let Some(text) = with_cves.get(&advisory.text) {
                advisory.text = Arc::clone(text);
            }
        }
        // Half of the time is spent on putting things in order, and facts and advisories are about as many.
        thread::scope(|scope| {
            scope.spawn(|| self.facts.sort_unstable());
            self.feeds.values_mut().for_each(|input| input.advisories.sort_unstable());
        });
        for (name, FeedInput { feed, mut advisories, missing }) in self.feeds {
            let first_entry = parts.count();
            advisories.dedup_by(|next, known| known.takes(next));
            let ids: HashSet<&str> = advisories.iter().map(|advisory| &*advisory.text.id).collect();
            let records = ids.len() as u64;
            // What is encoded is let go: both forms of all advisories would take twice the memory.
            let mut advisories = advisories.into_iter().peekable();
            while let Some(first) = advisories.next() {
                let package = first.package.clone();
                let mut stored = vec![parts.stored(first)?];
                while let Some(next) = advisories.next_if(|next| next.package == package) {
                    stored.push(parts.stored(next)?);
                }
                parts.entry(&package, encode(&stored)?)?;
            }
            let entries = parts.count() - first_entry;
            feeds.push(StoredFeed { feed: Feed { name, records, ..feed }, first_entry, entries, missing });
        }
        let first_fact = parts.count();
        for facts in self.facts.chunk_by(|a, b| a.id == b.id) {
            let said: BTreeMap<&str, &Fact> = facts.iter().map(|said| (said.source, &said.fact)).collect();
            parts.entry(&facts[0].id, encode(&said)?)?;
            for source in said.keys() {
                if let Some(database) = self.databases.get_mut(source) {
                    database.records += 1;
                }
            }
        }
        let facts = parts.count() - first_fact;
        let sources = parts.sources.keys().map(|source| source.to_string()).collect();
        let databases = self.databases.into_values().collect();
        let contents = Contents { sources, feeds, databases, first_fact, facts };
        Ok(File::new(if self.demo { FLAG_DEMO } else { 0 }, encode(&contents)?, parts))
    }

    /// Writes the compiled file: aside first, then put in place in one step, so that a reader sees the old file or the
    /// new one, and a crash leaves the old one. Gives the snapshot's id.
    pub fn write(self, path: &Path) -> Result<Digest, Error> {
        let file = self.compile()?;
        write_whole(path, &file.pieces()).map_err(Error::Write)?;
        Ok(file.content)
    }

    /// Writes the compiled file beside `path` alone, for who looks at it before it is put in place.
    pub fn write_aside(self, path: &Path) -> Result<Aside, Error> {
        let file = self.compile()?;
        let mut aside = Aside::of(path).map_err(Error::Write)?;
        for piece in file.pieces() {
            aside.write_all(piece).map_err(Error::Write)?;
        }
        Ok(aside)
    }
}

/// The sections while they grow.
#[derive(Default)]
struct Parts {
    /// The place of each in the list.
    sources: BTreeMap<Arc<str>, u32>,
    entries: Vec<u8>,
    names: Vec<u8>,
    texts: Vec<u8>,
    records: Vec<u8>,
    text_offsets: HashMap<Arc<Text>, u32>,
    /// Where a record of this checksum and length begins.
    record_offsets: HashMap<(u64, u32), u64>,
}

impl Parts {
    fn sections<'a>(&'a self, feeds: &'a [u8]) -> [&'a [u8]; 5] {
        [feeds, &self.entries, &self.names, &self.texts, &self.records]
    }

    /// Entries so far.
    fn count(&self) -> u64 {
        (self.entries.len() / format::ENTRY_BYTES) as u64
    }

    fn stored(&mut self, advisory: Held) -> Result<StoredAdvisory, Error> {
        let Held { text, source, affected, .. } = advisory;
        let Affected { severity, state, ranges, versions } = Arc::unwrap_or_clone(affected);
        let source = self.sources.get(&source).copied().unwrap_or_default();
        Ok(StoredAdvisory { text: self.text(text)?, source, severity, state, ranges, versions })
    }

    /// Adds what is known under a name, which is above all before it in its list.
    fn entry(&mut self, name: &str, record: Vec<u8>) -> Result<(), Error> {
        let record_bytes = fit(record.len(), "advisories of one package")?;
        let record_sum = format::checksum(&[&record]);
        let entry = Entry {
            name_offset: fit(self.names.len(), "package names")?,
            name_bytes: fit(name.len(), "package names")?,
            record_bytes,
            record_sum,
            record_offset: self.record(record, record_sum, record_bytes),
        };
        self.names.extend(name.as_bytes());
        self.entries.extend(entry.encode(name.as_bytes()));
        Ok(())
    }

    /// Where `record` is: equal ones are stored once.
    fn record(&mut self, record: Vec<u8>, sum: u64, size_bytes: u32) -> u64 {
        let known = self.record_offsets.get(&(sum, size_bytes)).copied();
        let same = |offset: &u64| format::slice(&self.records, *offset, size_bytes.into()) == Some(&record);
        known.filter(same).unwrap_or_else(|| {
            let offset = self.records.len() as u64;
            self.records.extend(record);
            self.record_offsets.insert((sum, size_bytes), offset);
            offset
        })
    }

    fn text(&mut self, text: Arc<Text>) -> Result<u32, Error> {
        if let Some(&offset) = self.text_offsets.get(&text) {
            return Ok(offset);
        }
        let bytes = encode(&*text)?;
        let offset = fit(self.texts.len(), "texts")?;
        self.texts.extend(fit(bytes.len(), "texts")?.to_le_bytes());
        self.texts.extend(format::short_checksum(&[&bytes]).to_le_bytes());
        self.texts.extend(&bytes);
        self.text_offsets.insert(text, offset);
        Ok(offset)
    }
}

fn fit(number: usize, what: &'static str) -> Result<u32, Error> {
    u32::try_from(number).map_err(|_| Error::TooLarge { what })
}

fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    postcard::to_stdvec(value).map_err(|_| Error::TooLarge { what: "records" })
}

/// The whole file, in pieces.
struct File {
    content: Digest,
    header: Vec<u8>,
    feeds: Vec<u8>,
    parts: Parts,
}

impl File {
    fn new(flags: u32, feeds: Vec<u8>, mut parts: Parts) -> Self {
        (parts.text_offsets, parts.record_offsets) = Default::default();
        let mut offset = HEADER_BYTES as u64;
        let mut hasher = Hasher::default();
        hasher.update(&VERSION.to_le_bytes());
        hasher.update(&flags.to_le_bytes());
        let sections = parts.sections(&feeds).map(|content| {
            let section = Section { offset, size_bytes: content.len() as u64 };
            offset += section.size_bytes;
            hasher.update(content);
            section
        });
        let content = hasher.finish();
        let header = Header { flags, content, file_bytes: offset, sections }.encode(&feeds);
        Self { content, header, feeds, parts }
    }

    fn pieces(&self) -> [&[u8]; 6] {
        let [feeds, entries, names, texts, records] = self.parts.sections(&self.feeds);
        [&self.header, feeds, entries, names, texts, records]
    }
}
