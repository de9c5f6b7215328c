//! One ecosystem's zip, as OSV publishes it: a member per record.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufWriter, Write as _},
    path::Path,
};

use serde::{Deserialize, Serialize};
use stella::digest;
use zip::{DateTime, ZipWriter, write::SimpleFileOptions};

use super::record::Record;
use crate::Failure;

/// What one archive holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Archive {
    /// The ecosystem, and the directory that the archive is in.
    pub ecosystem: String,
    /// Records, withdrawn ones too.
    pub records: u64,
    /// Bytes of them all, not compressed.
    pub size_bytes: u64,
    /// Records of each feed that still count.
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
        let place = directory.join(ecosystem);
        fs::create_dir(&place)?;
        let mut zip = ZipWriter::new(BufWriter::new(File::create_new(place.join("all.zip"))?));
        let options = SimpleFileOptions::default().last_modified_time(DateTime::default());
        let mut archive = Self { ecosystem: ecosystem.to_owned(), ..Self::default() };
        let mut content = digest::Hasher::default();
        let mut text = Vec::new();
        for record in records {
            text.clear();
            serde_json::to_writer(&mut text, &record)?;
            let name = format!("{}.json", record.id);
            zip.start_file(name.as_str(), options)?;
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
