//! What the database holds, and what was fetched for it.

use std::{collections::BTreeMap, io::Write};

use serde::Serialize;
use stella::{advisory::Snapshot, report::plain};

use super::{
    args::{Form, Status},
    cache,
    catalog::named,
    store::{State, Store},
};
use crate::{
    exit::{Exit, Failure},
    local::snapshot,
    settings::{Advisories, Environment},
};

/// `stella feeds status -o json`.
#[derive(Serialize)]
struct Said {
    /// `null` where there is none.
    database: Option<Database>,
    /// By name; those of which anything was fetched, or tried to.
    sources: BTreeMap<&'static str, Vec<Download>>,
}

#[derive(Serialize)]
struct Database {
    id: String,
    demo: bool,
    feeds: Vec<Feed>,
}

#[derive(Serialize)]
struct Feed {
    name: String,
    records: u64,
    as_of: String,
    not_understood: u64,
}

/// One file of a source.
#[derive(Serialize)]
struct Download {
    /// Such as `npm`; empty where the source is one file.
    part: String,
    /// Where it is from; empty where nothing was fetched.
    url: String,
    size_bytes: u64,
    /// When its bytes were fetched, RFC 3339.
    fetched: Option<String>,
    /// When somebody last said that they are the newest.
    checked: Option<String>,
    /// Why the last attempt failed, if it did.
    error: Option<String>,
}

impl From<State> for Download {
    fn from(state: State) -> Self {
        let State { part, url, size_bytes, fetched, checked, error, .. } = state;
        Self { part, url, size_bytes, fetched, checked, error }
    }
}

/// Runs `stella feeds status`. Without a database it says what was fetched all the same, and fails.
pub fn run(args: &Status, environment: &Environment) -> Result<Exit, Failure> {
    let mut sources: BTreeMap<&'static str, Vec<Download>> = BTreeMap::new();
    let cache = cache(&args.place, environment);
    for (file, _, state) in cache.iter().flat_map(|cache| Store::look(cache).files()) {
        sources.entry(file.source.name).or_default().push(state.into());
    }
    let snapshot = snapshot(&Advisories::new(args.place.advisories.as_deref(), environment));
    match args.output {
        Form::Json => {
            let database = snapshot.as_ref().ok().map(database);
            let mut text =
                serde_json::to_string_pretty(&Said { database, sources }).map_err(Failure::unfinished)?;
            text.push('\n');
            print(&text)?;
        }
        Form::Table => {
            if let Ok(snapshot) = &snapshot {
                of_snapshot(snapshot)?;
            }
            print(&of_sources(&sources))?;
        }
    }
    snapshot.map(|_| Exit::Pass)
}

/// Prints what a database holds.
pub fn of_snapshot(snapshot: &Snapshot) -> Result<Exit, Failure> {
    let Database { id, demo, feeds } = database(snapshot);
    let mut text = format!("snapshot {id}{}\n", if demo { " (demo)" } else { "" });
    for Feed { name, records, as_of, not_understood } in feeds {
        text += &format!("{name:<24} {records:>8} records, newest {as_of}");
        text += &match not_understood {
            0 => "\n".to_owned(),
            count => format!(", {count} not understood in part\n"),
        };
    }
    print(&text)?;
    Ok(Exit::Pass)
}

fn database(snapshot: &Snapshot) -> Database {
    let feed = |feed: stella::advisory::Feed| Feed {
        name: feed.name,
        records: feed.records,
        as_of: feed.as_of,
        not_understood: feed.not_understood,
    };
    Database {
        id: snapshot.id().to_string(),
        demo: snapshot.demo(),
        feeds: snapshot.feeds().into_iter().map(feed).collect(),
    }
}

/// A line for each source: its newest bytes, and how long ago the one was checked that was not for the longest time. Below it what
/// failed.
fn of_sources(sources: &BTreeMap<&'static str, Vec<Download>>) -> String {
    let mut text = String::new();
    for (source, files) in sources {
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

fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).map_err(|error| Failure::unfinished(format!("stdout: {error}")))
}
