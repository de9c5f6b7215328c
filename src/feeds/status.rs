//! What the database holds, and what was fetched for it.

use std::{collections::BTreeMap, fmt, path::Path};

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::Serialize;

use super::{
    Target,
    catalog::named,
    parts::{absolute, records_by_path},
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
    pub feeds: Vec<Aged>,
    /// Those who speak of vulnerabilities themselves, by name.
    pub databases: Vec<Aged>,
}

/// A feed, and how old it is.
#[derive(Debug, Serialize)]
pub struct Aged {
    /// The feed.
    #[serde(flatten)]
    pub feed: Feed,
    /// How many days ago it certainly knew everything; `null` where nobody knows.
    pub age_days: Option<i64>,
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
    /// How many seconds ago that was.
    pub age_seconds: Option<i64>,
    /// Records of it that are in the database; `null` where that is not known.
    pub records: Option<u64>,
    /// Why the last attempt failed, if it did.
    pub error: Option<String>,
}

impl Download {
    fn new(state: State, records: Option<u64>, now: Timestamp) -> Self {
        let State { part, url, size_bytes, fetched, checked, error, .. } = state;
        let age = |time: &String| Some(now.duration_since(time.parse().ok()?).as_secs());
        let age_seconds = checked.as_ref().and_then(age);
        Self { part, url, size_bytes, fetched, checked, age_seconds, records, error }
    }
}

impl Status {
    /// Of the database that is at `target`, and of the downloads below `cache`.
    pub fn new(
        snapshot: Option<&Snapshot>,
        target: Option<&Target>,
        cache: Option<&Path>,
        now: Timestamp,
    ) -> Self {
        let records = match (target, snapshot) {
            (Some(target), Some(snapshot)) => records_by_path(target, snapshot.id()),
            _ => BTreeMap::new(),
        };
        let mut sources: BTreeMap<&'static str, Vec<Download>> = BTreeMap::new();
        for (file, place, state) in cache.iter().flat_map(|cache| Store::look(cache).files()) {
            let records = place.file(&state).and_then(|path| records.get(&absolute(&path)).copied());
            sources.entry(file.source.name).or_default().push(Download::new(state, records, now));
        }
        Self { database: snapshot.map(|snapshot| Database::new(snapshot, now)), sources }
    }
}

impl Database {
    /// What a database holds.
    pub fn new(snapshot: &Snapshot, now: Timestamp) -> Self {
        let today: Date = TimeZone::UTC.to_datetime(now).date();
        let aged = |feed: Feed| Aged { age_days: feed.age_days(today), feed };
        Self {
            id: snapshot.id().to_string(),
            demo: snapshot.demo(),
            feeds: snapshot.feeds().into_iter().map(aged).collect(),
            databases: snapshot.databases().iter().cloned().map(aged).collect(),
        }
    }
}

/// For people, a line for each feed.
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "snapshot {}{}", self.id, if self.demo { " (demo)" } else { "" })?;
        for Aged { feed, age_days } in self.feeds.iter().chain(&self.databases) {
            let Feed { name, records, as_of, checked, not_understood } = feed;
            write!(f, "{:<24} {records:>8} records", plain(name))?;
            if !as_of.is_empty() {
                write!(f, ", newest {}", plain(as_of))?;
            }
            if let Some(day) = checked {
                write!(f, ", checked {day}")?;
            }
            match age_days {
                Some(1) => write!(f, ", 1 day old")?,
                Some(days) => write!(f, ", {days} days old")?,
                None => write!(f, ", nobody knows how old")?,
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
    /// For people, a line for each source: its newest bytes, how long ago the one of its files was checked that was not for the
    /// longest time, and what it gave. Below it what failed.
    pub fn sources_text(&self) -> String {
        let mut text = String::new();
        for (source, files) in &self.sources {
            let size_bytes: u64 = files.iter().map(|file| file.size_bytes).sum();
            let never = || "never".to_owned();
            let fetched = files.iter().filter_map(|file| file.fetched.clone()).max().unwrap_or_else(never);
            // Without a value it is the least.
            let oldest = files.iter().min_by_key(|file| &file.checked);
            let checked = oldest.and_then(|file| {
                Some(format!("{} ({} ago)", file.checked.as_ref()?, ago(file.age_seconds?)))
            });
            let checked = checked.unwrap_or_else(never);
            let count = files.len();
            let files_word = if count == 1 { "file" } else { "files" };
            text += &format!(
                "{source:<24} {count:>3} {files_word}, {size_bytes} bytes, fetched {fetched}, checked {checked}"
            );
            if files.iter().any(|file| file.records.is_some()) {
                let records: u64 = files.iter().filter_map(|file| file.records).sum();
                text += &format!(", {records} records");
            }
            text.push('\n');
            for file in files {
                if let Some(error) = &file.error {
                    text += &format!("  {}: {}\n", named(source, &file.part), plain(error));
                }
            }
        }
        text
    }
}

/// About so long, in its largest unit.
fn ago(seconds: i64) -> String {
    match seconds.max(0) {
        seconds if seconds < 60 * 60 => format!("{} min", seconds / 60),
        seconds if seconds < 48 * 60 * 60 => format!("{} h", seconds / (60 * 60)),
        seconds => format!("{} days", seconds / (24 * 60 * 60)),
    }
}
