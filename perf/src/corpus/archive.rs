//! What one file of the corpus holds, and the zip of an ecosystem, as OSV publishes it: a member per record.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use stella::digest::{self, Digest};
use zip::{DateTime, ZipWriter, write::SimpleFileOptions};

use super::record::Record;
use crate::Failure;

/// What one archive holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Archive {
    /// The file, from the corpus's directory.
    pub path: PathBuf,
    /// Which source of Stella reads it.
    pub source: String,
    /// Records, withdrawn ones too.
    pub records: u64,
    /// Bytes of all content, not compressed.
    pub size_bytes: u64,
    /// Records of each ecosystem that still count; empty where they speak of vulnerabilities, not of packages.
    pub feeds: BTreeMap<String, u64>,
    /// Digest of names and content, not compressed: compressors may differ by processor.
    pub content: String,
}

impl Archive {
    /// Writes `directory/ECOSYSTEM/all.zip`.
    pub fn write(
        directory: &Path,
        ecosystem: &str,
        records: impl Iterator<Item = Record>,
    ) -> Result<Self, Failure> {
        let path = Path::new(ecosystem).join("all.zip");
        let mut zip = ZipWriter::new(create(&directory.join(&path))?);
        let mut archive = Self { path, source: "osv".to_owned(), ..Self::default() };
        let mut content = digest::Hasher::default();
        let mut text = Vec::new();
        for record in records {
            text.clear();
            serde_json::to_writer(&mut text, &record)?;
            let name = format!("{}.json", record.id);
            zip.start_file(name.as_str(), member())?;
            zip.write_all(&text)?;
            content.update(name.as_bytes());
            content.update(&text);
            archive.count(&record, &text);
        }
        zip.finish()?.into_inner()?.sync_all()?;
        archive.content = content.finish().to_string();
        Ok(archive)
    }

    fn count(&mut self, record: &Record, text: &[u8]) {
        self.records += 1;
        self.size_bytes += text.len() as u64;
        if record.withdrawn.is_some() {
            return;
        }
        let mut feeds: Vec<&str> =
            record.affected.iter().map(|entry| entry.package.ecosystem.as_str()).collect();
        feeds.dedup();
        for feed in feeds {
            *self.feeds.entry(feed.to_owned()).or_default() += 1;
        }
    }
}

/// How a member is written: with no moment of its own.
pub fn member() -> SimpleFileOptions {
    SimpleFileOptions::default().last_modified_time(DateTime::default())
}

/// A new file, in a directory that is made where it is not there.
pub fn create(path: &Path) -> io::Result<BufWriter<File>> {
    fs::create_dir_all(path.parent().unwrap_or(path))?;
    Ok(BufWriter::new(File::create_new(path)?))
}

/// What goes through, digested and counted.
pub struct Content<W> {
    inner: W,
    digest: digest::Hasher,
    size_bytes: u64,
}

impl<W: Write> Content<W> {
    pub fn new(inner: W) -> Self {
        Self { inner, digest: digest::Hasher::default(), size_bytes: 0 }
    }

    /// Where it went, the digest, and the bytes.
    pub fn finish(self) -> (W, Digest, u64) {
        (self.inner, self.digest.finish(), self.size_bytes)
    }
}

impl<W: Write> Write for Content<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let size = self.inner.write(bytes)?;
        self.digest.update(&bytes[..size]);
        self.size_bytes += size as u64;
        Ok(size)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
