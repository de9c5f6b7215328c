//! What the database holds, and what was fetched for it.

use std::{collections::BTreeMap, fmt, path::Path};

use serde::Serialize;

use super::{
    catalog::named,
    store::{State, Store},
};
use crate::{
    advisory::{Feed, Snapshot},
    report::plain,
};

/// All that is known, as JSON for programs; for people, each part has its own lines.
#[derive(Debug, Default, Serialize)]
pub struct Status {
    /// `null` where there is none.
    pub database: Option<Database>,
    /// By name; those of which anything was fetched, or tried to.
    pub sources: BTreeMap<&'static str, Vec<Download>>,
}

/// A database.
#[derive(Debug, Serialize)]
pub struct Database {
    /// Of the snapshot.
    pub id: String,
    /// Whether it is the small one that comes with the program.
    pub demo: bool,
    /// By name.
    pub feeds: Vec<Feed>,
    /// Those who speak of vulnerabilities themselves, by name.
    pub databases: Vec<Feed>,
}

/// One file of a source.
#[derive(Debug, Serialize)]
pub struct Download {
    /// Such as `npm`; empty where the source is one file.
    pub part: String,
    /// Where it is from; empty where nothing was fetched.
    pub url: String,
    /// As it lies there.
    pub size_bytes: u64,
    /// When its bytes were fetched, RFC 3339.
    pub fetched: Option<String>,
    /// When somebody last said that they are the newest.
    pub checked: Option<String>,
    /// Why the last attempt failed, if it did.
    pub error: Option<String>,
}

impl From<State> for Download {
    fn from(state: State) -> Self {
        let State { part, url, size_bytes, fetched, checked, error, .. } = state;
        Self { part, url, size_bytes, fetched, checked, error }
    }
}

impl Status {
    /// Of a database and of the downloads below `cache`.
    pub fn new(snapshot: Option<&Snapshot>, cache: Option<&Path>) -> Self {
        let mut sources: BTreeMap<&'static str, Vec<Download>> = BTreeMap::new();
        for (file, _, state) in cache.iter().flat_map(|cache| Store::look(cache).files()) {
            sources.entry(file.source.name).or_default().push(state.into());
        }
        Self { database: snapshot.map(Database::new), sources }
    }
}

impl Database {
    /// What a database holds.
    pub fn new(snapshot: &Snapshot) -> Self {
        Self {
            id: snapshot.id().to_string(),
            demo: snapshot.demo(),
            feeds: snapshot.feeds(),
            databases: snapshot.databases().to_vec(),
        }
    }
}

/// For people, a line for each feed.
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "snapshot {}{}", self.id, if self.demo { " (demo)" } else { "" })?;
        for Feed { name, records, as_of, checked, not_understood } in self.feeds.iter().chain(&self.databases)
        {
            write!(f, "{:<24} {records:>8} records", plain(name))?;
            if !as_of.is_empty() {
                write!(f, ", newest {}", plain(as_of))?;
            }
            if let Some(day) = checked {
                write!(f, ", checked {day}")?;
            }
            match not_understood {
                0 => writeln!(f)?,
                count => writeln!(f, ", {count} not understood in part")?,
            }
        }
        Ok(())
    }
}

impl Status {
    /// For people:  a line for each source: its newest bytes, and how long ago the one was checked that was not for the longest time. Below it what
    /// failed.
    pub fn sources_text(&self) -> String {
        let mut text = String::new();
        for (source, files) in &self.sources {
            let size_bytes: u64 = files.iter().map(|file| file.size_bytes).sum();
            let never = || "never".to_owned();
            let fetched = files.iter().filter_map(|file| file.fetched.clone()).max().unwrap_or_else(never);
            // Without a value it is the least.
            let checked = files.iter().map(|file| file.checked.clone()).min().flatten().unwrap_or_else(never);
            let count = files.len();
            let files_word = if count == 1 { "file" } else { "files" };
            text += &format!(
                "{source:<24} {count:>3} {files_word}, {size_bytes} bytes, fetched {fetched}, checked {checked}\n"
            );
            for file in files {
                if let Some(error) = &file.error {
                    text += &format!("  {}: {}\n", named(source, &file.part), plain(error));
                }
            }
        }
        text
    }
}
