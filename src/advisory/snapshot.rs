//! Reading the compiled file.

use std::{fmt, fs::OpenOptions, path::Path};

use super::{
    Advisory, Fact, Feed, Range, State,
    format::{
        self, Contents, ENTRY_BYTES, Entry, Error, FLAG_DEMO, HEADER_BYTES, Header, StoredAdvisory,
        StoredFeed, Text, corrupt,
    },
    lookup_name,
    map::Bytes,
};
use crate::digest::{Digest, Hasher};

/// What the list of vulnerabilities is called in messages.
const VULNERABILITIES: &str = "vulnerabilities";

/// The advisories of one moment, looked up in place.
pub struct Snapshot {
    bytes: Bytes,
    header: Header,
    contents: Contents,
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("id", &self.id())
            .field("feeds", &self.contents.feeds)
            .finish_non_exhaustive()
    }
}

impl Snapshot {
    /// Opens a compiled file. Only its header and the list of feeds are read: the cost does not grow with the file.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let mut options = OpenOptions::new();
        options.read(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.custom_flags(libc::O_NONBLOCK); // a pipe's other end may never come
        }
        let file = options.open(path).map_err(Error::Read)?;
        // Of what was opened, not of what the path names by now.
        let metadata = file.metadata().map_err(Error::Read)?;
        if !metadata.is_file() {
            return Err(Error::NotRegular(if metadata.is_dir() {
                "a directory"
            } else {
                "a device or a pipe"
            }));
        }
        // An empty file cannot be mapped, and is no snapshot.
        if metadata.len() == 0 {
            return Err(Error::Magic);
        }
        Self::new(Bytes::map(&file).map_err(Error::Read)?)
    }

    /// Reads a compiled file from memory.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, Error> {
        Self::new(Bytes::Owned(bytes))
    }

    fn new(bytes: Bytes) -> Result<Self, Error> {
        let header = Header::decode(&bytes)?;
        let contents = header.sections[0].of(&bytes).and_then(|bytes| postcard::from_bytes(bytes).ok());
        let contents = contents.ok_or_else(|| corrupt("list of feeds"))?;
        Ok(Self { bytes, header, contents })
    }

    /// The digest of the content, taken when the file was compiled: equal ids, equal answers.
    pub fn id(&self) -> Digest {
        self.header.content
    }

    /// The compiled file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether this is the small snapshot of the demo.
    pub fn demo(&self) -> bool {
        self.header.flags & FLAG_DEMO != 0
    }

    /// The feeds, sorted by name.
    pub fn feeds(&self) -> Vec<Feed> {
        self.contents.feeds.iter().map(|stored| stored.feed.clone()).collect()
    }

    /// Those who speak of vulnerabilities themselves, such as `nvd` or `cisa-kev`, sorted by name.
    pub fn databases(&self) -> &[Feed] {
        &self.contents.databases
    }

    /// Whether the snapshot knows anything of `ecosystem`; where it does not, finding nothing means nothing.
    pub fn covers(&self, ecosystem: &str) -> bool {
        self.feed(ecosystem).is_some_and(|feed| feed.entries > 0)
    }

    /// Repositories of the release that `ecosystem` is of which it knows nothing.
    pub fn missing(&self, ecosystem: &str) -> &[String] {
        self.feed(ecosystem).map_or(&[], |feed| &feed.missing)
    }

    fn feed(&self, ecosystem: &str) -> Option<&StoredFeed> {
        let feeds = &self.contents.feeds;
        let index = feeds.binary_search_by(|stored| stored.feed.name.as_str().cmp(ecosystem)).ok()?;
        feeds.get(index)
    }

    fn section(&self, index: usize) -> Result<&[u8], Error> {
        self.header.sections[index].of(&self.bytes).ok_or_else(|| corrupt("header"))
    }

    /// All advisories for `package` in `ecosystem`, whatever version they speak of; none if the ecosystem is not covered.
    pub fn lookup(&self, ecosystem: &str, package: &str) -> Result<Vec<Advisory>, Error> {
        self.lookup_where(ecosystem, package, |_| true)
    }

    /// The advisories for `package` that `wanted` says yes to.
    pub fn lookup_where(
        &self,
        ecosystem: &str,
        package: &str,
        wanted: impl Fn(&Glance<'_>) -> bool,
    ) -> Result<Vec<Advisory>, Error> {
        let mut known = self.known(ecosystem, package)?;
        let stored = std::mem::take(&mut known.stored);
        let wanted = stored.into_iter().filter(|stored| wanted(&known.glance_of(stored)));
        wanted.map(|stored| known.worded(stored)).collect()
    }

    /// What is known of `package` in `ecosystem`, whatever version; nothing if the ecosystem is not covered.
    pub fn known<'a>(&'a self, ecosystem: &'a str, package: &'a str) -> Result<Known<'a>, Error> {
        let stored = match self.feed(ecosystem) {
            Some(feed) => {
                let name = lookup_name(ecosystem, package);
                match self.find(feed.first_entry, feed.entries, &name, &feed.feed.name)? {
                    Some(entry) => {
                        self.bytes_of(&entry).and_then(|record| postcard::from_bytes(&record).ok())
                    }
                    None => Some(Vec::new()),
                }
            }
            None => Some(Vec::new()),
        };
        let known = Known { snapshot: self, ecosystem, package, stored: Vec::new() };
        let stored = stored.ok_or_else(|| known.damaged())?;
        Ok(Known { stored, ..known })
    }

    /// What each source says of the vulnerability `id` itself, by the source's name, sorted.
    pub fn facts(&self, id: &str) -> Result<Vec<(String, Fact)>, Error> {
        let Contents { first_fact, facts, .. } = self.contents;
        let Some(entry) = self.find(first_fact, facts, id, VULNERABILITIES)? else { return Ok(Vec::new()) };
        let damaged = || corrupt(format!("what is said of {id}"));
        let facts: Vec<(String, Fact)> =
            postcard::from_bytes(&self.bytes_of(&entry).ok_or_else(damaged)?).map_err(|_| damaged())?;
        Ok(facts)
    }

    /// How many vulnerabilities something is said of.
    pub fn vulnerabilities(&self) -> u64 {
        self.contents.facts
    }

    /// The entry of `name` among `count` from `first` on, which are sorted.
    fn find(&self, first: u64, count: u64, name: &str, list: &str) -> Result<Option<Entry>, Error> {
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = low + (high - low) / 2;
            let (entry, found) = self.entry(first, middle, list)?;
            match found.cmp(name.as_bytes()) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Ok(Some(entry)),
            }
        }
        Ok(None)
    }

    /// Names of all packages that advisories of `ecosystem` speak of, sorted.
    pub fn names(&self, ecosystem: &str) -> Result<Vec<String>, Error> {
        let Some(feed) = self.feed(ecosystem) else { return Ok(Vec::new()) };
        let name = |index| {
            Ok(String::from_utf8_lossy(self.entry(feed.first_entry, index, &feed.feed.name)?.1).into_owned())
        };
        (0..feed.entries).map(name).collect()
    }

    /// The entry at `index` of the `list` that begins at `first`, and its name.
    fn entry(&self, first: u64, index: u64, list: &str) -> Result<(Entry, &[u8]), Error> {
        let offset = first.checked_add(index).and_then(|index| index.checked_mul(ENTRY_BYTES as u64));
        let (entries, names) = (self.section(1)?, self.section(2)?);
        let entry = offset.and_then(|offset| format::slice(entries, offset, ENTRY_BYTES as u64));
        entry
            .and_then(|entry| Entry::decode(entry, names))
            .ok_or_else(|| corrupt(format!("the index of {list}")))
    }

    /// The record of an entry, if its bytes are those that were written. A copy: what is checked must be what is decoded.
    fn bytes_of(&self, entry: &Entry) -> Option<Vec<u8>> {
        let records = self.section(4).ok()?;
        let record = format::slice(records, entry.record_offset, entry.record_bytes.into())?.to_vec();
        (format::checksum(&[&record]) == entry.record_sum).then_some(record)
    }

    /// Reads the whole file and compares it with its id; lookups check what they touch without this.
    pub fn verify(&self) -> Result<(), Error> {
        let mut hasher = Hasher::default();
        hasher.update(&format::VERSION.to_le_bytes());
        hasher.update(&self.header.flags.to_le_bytes());
        hasher.update(self.bytes.get(HEADER_BYTES..).unwrap_or_default());
        if hasher.finish() == self.id() { Ok(()) } else { Err(corrupt("its content")) }
    }
}

/// The advisories for one package. Their words are read one by one: most were fixed long before the installed version, and
/// theirs never are.
pub struct Known<'a> {
    snapshot: &'a Snapshot,
    ecosystem: &'a str,
    package: &'a str,
    stored: Vec<StoredAdvisory>,
}

/// What is seen of an advisory without reading its words.
#[derive(Debug, Clone, Copy)]
pub struct Glance<'a> {
    /// The database whose word it is.
    pub source: &'a str,
    /// Where it stands with it.
    pub state: State,
    /// Which versions are affected.
    pub ranges: &'a [Range],
    /// Versions affected one by one, beside the ranges.
    pub versions: &'a [String],
}

impl Known<'_> {
    /// How many.
    pub fn len(&self) -> usize {
        self.stored.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.stored.is_empty()
    }

    /// A glance at the advisory at `index`.
    pub fn glance(&self, index: usize) -> Option<Glance<'_>> {
        self.stored.get(index).map(|stored| self.glance_of(stored))
    }

    fn glance_of<'a>(&'a self, stored: &'a StoredAdvisory) -> Glance<'a> {
        let StoredAdvisory { state, ranges, versions, source, .. } = stored;
        Glance { source: self.source(*source), state: *state, ranges, versions }
    }

    fn source(&self, place: u32) -> &str {
        let place = usize::try_from(place).ok();
        place.and_then(|place| self.snapshot.contents.sources.get(place)).map_or("", String::as_str)
    }

    /// The advisory at `index`, which is below [`Known::len`].
    pub fn advisory(&self, index: usize) -> Result<Advisory, Error> {
        self.worded(self.stored.get(index).ok_or_else(|| self.damaged())?.clone())
    }

    /// The advisory with its words.
    fn worded(&self, stored: StoredAdvisory) -> Result<Advisory, Error> {
        let text = Text::read(self.snapshot.section(3)?, stored.text).ok_or_else(|| self.damaged())?;
        let Text { id, aliases, summary } = text;
        let StoredAdvisory { severity, state, ranges, versions, source, .. } = stored;
        let source = self.source(source).to_owned();
        Ok(Advisory { id, source, aliases, summary, severity, state, ranges, versions })
    }

    fn damaged(&self) -> Error {
        corrupt(format!("the advisories of {} in {}", self.package, self.ecosystem))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        advisory::{Compiler, End},
        finding::Severity,
    };

    fn advisory(id: &str) -> Advisory {
        Advisory {
            id: id.into(),
            source: "test".into(),
            state: State::Affected,
            aliases: vec![format!("{id}-alias")],
            summary: "words".into(),
            severity: Severity::High,
            ranges: vec![Range { introduced: None, end: End::Fixed("2".into()) }],
            versions: vec!["1".into()],
        }
    }

    fn fact(id: &str) -> Fact {
        Fact { vector: format!("CVSS:{id}"), ..Fact::default() }
    }

    fn compile(order: &[usize]) -> Vec<u8> {
        let all = [
            ("Debian:12", "zlib", "B"),
            ("Debian:12", "zlib", "A"),
            ("Debian:12", "curl", "A"),
            ("PyPI", "A.b", "C"),
        ];
        let mut compiler = Compiler::default();
        for &index in order {
            let (ecosystem, package, id) = all[index];
            compiler.add(ecosystem, package, &format!("2024-01-0{}T00:00:00Z", index + 1), advisory(id));
            compiler.add_fact(id.into(), "nvd", fact(id));
        }
        compiler.add_fact("A".into(), "cisa", Fact { rejected: true, ..Fact::default() });
        compiler.set_checked("Debian:12", jiff::civil::date(2024, 2, 1));
        compiler.set_checked("npm", jiff::civil::date(2024, 2, 1));
        compiler.to_bytes().unwrap()
    }

    #[test]
    fn finds_what_was_added_in_any_order() {
        let bytes = compile(&[0, 1, 2, 3]);
        assert_eq!(bytes, compile(&[3, 1, 0, 2, 1]));
        let snapshot = Snapshot::from_bytes(bytes).unwrap();
        assert_eq!(snapshot.lookup("Debian:12", "zlib").unwrap(), [advisory("A"), advisory("B")]);
        assert_eq!(snapshot.lookup("PyPI", "a_B").unwrap(), [advisory("C")]);
        assert_eq!(snapshot.lookup("Debian:12", "zlib1g").unwrap(), []);
        assert_eq!(snapshot.facts("B").unwrap(), [("nvd".into(), fact("B"))]);
        assert_eq!(
            snapshot.facts("A").unwrap().iter().map(|(source, _)| source.as_str()).collect::<Vec<_>>(),
            ["cisa", "nvd"]
        );
        assert_eq!((snapshot.facts("zlib").unwrap(), snapshot.vulnerabilities()), (vec![], 3));
        assert_eq!(snapshot.names("Debian:12").unwrap(), ["curl", "zlib"]);
        assert!(snapshot.covers("PyPI") && !snapshot.covers("Debian:13") && !snapshot.demo());
        let (name, as_of) = ("Debian:12".into(), "2024-01-03T00:00:00Z".into());
        let checked = "2024-02-01".parse().ok();
        let debian = Feed { name, records: 2, as_of, checked, not_understood: 0 };
        assert_eq!(snapshot.feeds()[0], debian);
        let cisa = Feed { name: "cisa".into(), records: 1, ..Feed::default() };
        assert_eq!((snapshot.databases()[0].clone(), snapshot.databases()[1].records), (cisa, 3));
        snapshot.verify().unwrap();
    }

    #[test]
    fn writes_whole_files_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("advisories.db");
        let mut compiler = Compiler::default();
        compiler.set_demo(true);
        compiler.add("npm", "a", "", advisory("A"));
        let id = compiler.write(&path).unwrap();
        let snapshot = Snapshot::open(&path).unwrap();
        assert!(snapshot.demo() && snapshot.id() == id);
        assert_eq!(snapshot.lookup("npm", "a").unwrap(), [advisory("A")]);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left aside");
        // What a killed run left has no lock; what another run writes has.
        let stale = folder.path().join(".stella-advisories-killed.part");
        let busy = std::fs::File::create(folder.path().join(".stella-advisories-busy.part")).unwrap();
        std::fs::write(&stale, "half").unwrap();
        busy.lock().unwrap();
        let long_ago = std::time::SystemTime::UNIX_EPOCH;
        std::fs::File::options().write(true).open(&stale).unwrap().set_modified(long_ago).unwrap();
        busy.set_modified(long_ago).unwrap();
        Compiler::default().write(&path).unwrap();
        assert!(!stale.exists() && folder.path().join(".stella-advisories-busy.part").exists());
        assert!(Snapshot::open(&path).unwrap().feeds().is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn only_regular_files_are_opened() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for (path, what) in [(folder.path(), "a directory"), (&pipe, "a device or a pipe")] {
            assert!(matches!(Snapshot::open(path), Err(Error::NotRegular(found)) if found == what));
        }
        let absent = Snapshot::open(&folder.path().join("none")).unwrap_err().to_string();
        assert!(
            absent.starts_with("cannot be read: No such file") && absent.contains("feeds import"),
            "{absent}"
        );
    }

    #[test]
    fn damage_is_an_error_or_harmless() {
        let good = compile(&[0, 1, 2, 3]);
        let ask = |bytes: Vec<u8>| {
            let snapshot = Snapshot::from_bytes(bytes)?;
            let asked = [("Debian:12", "zlib"), ("Debian:12", "curl"), ("PyPI", "a-b")];
            let advisories = asked.map(|(e, p)| snapshot.lookup(e, p).map(|found| format!("{found:?}")));
            let facts = ["A", "C"].map(|id| snapshot.facts(id).map(|facts| format!("{facts:?}")));
            Ok::<_, Error>(advisories.into_iter().chain(facts).collect::<Vec<_>>())
        };
        let want: Vec<_> = ask(good.clone()).unwrap().into_iter().map(Result::unwrap).collect();
        for index in 0..good.len() {
            let mut bad = good.clone();
            bad[index] ^= 0x41;
            for (answer, want) in ask(bad).into_iter().flatten().zip(&want) {
                assert!(answer.is_err() || answer.unwrap() == *want, "byte {index} changes an answer");
            }
            assert!(ask(good[..index].to_vec()).is_err(), "cut at {index}");
        }
    }

    #[test]
    fn names_what_it_is_not() {
        assert!(matches!(Snapshot::from_bytes(b"PK\x03\x04".to_vec()), Err(Error::Magic)));
        let mut other = compile(&[0]);
        other[8] = 9;
        assert!(matches!(Snapshot::from_bytes(other), Err(Error::Version { found: 9 })));
        let cut = compile(&[0]);
        assert!(matches!(
            Snapshot::from_bytes(cut[..200].to_vec()),
            Err(Error::Truncated { found: 200, .. })
        ));
    }
}
