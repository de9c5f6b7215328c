//! From advisories to the compiled file.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs, io,
    io::Write as _,
    path::Path,
};

use serde::Serialize;

use super::{
    Advisory,
    format::{
        self, Entry, Error, FLAG_DEMO, HEADER_BYTES, Header, Section, StoredAdvisory, StoredFeed, Text,
        VERSION,
    },
    lookup_name,
};
use crate::digest::{Digest, Hasher};

/// Takes advisories in any order and writes one file, whose bytes depend on the set of advisories alone.
#[derive(Debug, Default)]
pub struct Compiler {
    demo: bool,
    feeds: BTreeMap<String, FeedInput>,
}

#[derive(Debug, Default)]
struct FeedInput {
    as_of: String,
    packages: BTreeMap<String, Vec<Advisory>>,
}

impl Compiler {
    /// Marks the snapshot as the small one of the demo, or not; reports then say so.
    pub fn set_demo(&mut self, demo: bool) {
        self.demo = demo;
    }

    /// Takes one advisory for `package` of a feed's `ecosystem`, such as `Debian:12` or `PyPI`. `modified` is RFC 3339
    /// in UTC, or empty; the newest becomes the feed's `as_of`.
    pub fn add(&mut self, ecosystem: &str, package: &str, modified: &str, mut advisory: Advisory) {
        advisory.aliases.sort();
        advisory.aliases.dedup();
        advisory.ranges.sort();
        advisory.ranges.dedup();
        advisory.versions.sort();
        advisory.versions.dedup();
        let feed = self.feeds.entry(ecosystem.to_owned()).or_default();
        if feed.as_of.as_str() < modified {
            feed.as_of = modified.to_owned();
        }
        feed.packages.entry(lookup_name(ecosystem, package)).or_default().push(advisory);
    }

    /// The compiled file's bytes.
    pub fn to_bytes(mut self) -> Result<Vec<u8>, Error> {
        let mut parts = Parts::default();
        let mut feeds = Vec::with_capacity(self.feeds.len());
        for (name, feed) in &mut self.feeds {
            let first_entry = (parts.entries.len() / format::ENTRY_BYTES) as u64;
            let mut ids = BTreeSet::new();
            for (package, advisories) in &mut feed.packages {
                advisories.sort();
                advisories.dedup();
                parts.push(package, advisories)?;
                ids.extend(advisories.iter().map(|advisory| advisory.id.as_str()));
            }
            feeds.push(StoredFeed {
                name: name.clone(),
                records: ids.len() as u64,
                as_of: feed.as_of.clone(),
                first_entry,
                entries: feed.packages.len() as u64,
            });
        }
        assemble(if self.demo { FLAG_DEMO } else { 0 }, &encode(&feeds)?, &parts)
    }

    /// Writes the compiled file: aside first, then put in place in one step, so that a reader sees the old file or the
    /// new one, and a crash leaves the old one. Gives the snapshot's id.
    pub fn write(self, path: &Path) -> Result<Digest, Error> {
        let bytes = self.to_bytes()?;
        let id = Header::decode(&bytes)?.content;
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let aside = path.with_file_name(name);
        let written = write_durably(&aside, &bytes).and_then(|()| fs::rename(&aside, path));
        let written = written.and_then(|()| match path.parent() {
            // The new name must survive a power cut as the bytes do.
            Some(parent) if !parent.as_os_str().is_empty() => fs::File::open(parent)?.sync_all(),
            _ => fs::File::open(".")?.sync_all(),
        });
        written.map_err(|source| {
            let _ = fs::remove_file(&aside);
            Error::Io { path: path.to_owned(), source }
        })?;
        Ok(id)
    }
}

fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// The sections while they grow.
#[derive(Default)]
struct Parts {
    entries: Vec<u8>,
    names: Vec<u8>,
    texts: Vec<u8>,
    records: Vec<u8>,
    text_offsets: HashMap<Vec<u8>, u32>,
    record_offsets: HashMap<Vec<u8>, u64>,
}

impl Parts {
    fn push(&mut self, package: &str, advisories: &[Advisory]) -> Result<(), Error> {
        let stored = advisories.iter().map(|advisory| {
            let Advisory { id, aliases, summary, severity, ranges, versions } = advisory.clone();
            let text = self.text(&Text { id, aliases, summary })?;
            Ok(StoredAdvisory { text, severity, ranges, versions })
        });
        let record = encode(&stored.collect::<Result<Vec<_>, Error>>()?)?;
        let entry = Entry {
            name_offset: fit(self.names.len(), "package names")?,
            name_bytes: fit(package.len(), "package names")?,
            record_bytes: fit(record.len(), "advisories of one package")?,
            record_sum: format::checksum(&[&record]),
            record_offset: match self.record_offsets.get(&record) {
                Some(&offset) => offset,
                None => {
                    let offset = self.records.len() as u64;
                    self.records.extend(&record);
                    self.record_offsets.insert(record, offset);
                    offset
                }
            },
        };
        self.names.extend(package.as_bytes());
        self.entries.extend(entry.encode(package.as_bytes()));
        Ok(())
    }

    fn text(&mut self, text: &Text) -> Result<u32, Error> {
        let bytes = encode(text)?;
        if let Some(&offset) = self.text_offsets.get(&bytes) {
            return Ok(offset);
        }
        let offset = fit(self.texts.len(), "texts")?;
        self.texts.extend(fit(bytes.len(), "texts")?.to_le_bytes());
        self.texts.extend(format::short_checksum(&[&bytes]).to_le_bytes());
        self.texts.extend(&bytes);
        self.text_offsets.insert(bytes, offset);
        Ok(offset)
    }
}

fn fit(number: usize, what: &'static str) -> Result<u32, Error> {
    u32::try_from(number).map_err(|_| Error::TooLarge { what })
}

fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    postcard::to_stdvec(value).map_err(|_| Error::TooLarge { what: "records" })
}

fn assemble(flags: u32, feeds: &[u8], parts: &Parts) -> Result<Vec<u8>, Error> {
    let contents = [feeds, &parts.entries, &parts.names, &parts.texts, &parts.records];
    let mut offset = HEADER_BYTES as u64;
    let mut hasher = Hasher::default();
    hasher.update(&VERSION.to_le_bytes());
    hasher.update(&flags.to_le_bytes());
    let sections = contents.map(|content| {
        let section = Section { offset, size_bytes: content.len() as u64 };
        offset += section.size_bytes;
        hasher.update(content);
        section
    });
    let header = Header { flags, content: hasher.finish(), file_bytes: offset, sections };
    let mut file = header.encode(feeds);
    contents.iter().for_each(|content| file.extend_from_slice(content));
    Ok(file)
}
