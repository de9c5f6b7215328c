//! `stella feeds update`: fetch what changed, then compile all that was fetched.

use std::{collections::BTreeSet, path::Path, time::Duration};

use stella::{advisory::Snapshot, feed};

use super::{
    args::Update,
    cache, catalog,
    fetch::{Fetched, Fetcher, Limits, Task},
    import::{Import, target},
    mirror::Mirrors,
    status,
    store::{Imported, Place, State, Store},
};
use crate::{
    client::excerpt,
    exit::{Exit, Failure},
    log::Log,
    progress::Progress,
    settings::{Advisories, Environment, amount, now},
};

/// Runs `stella feeds update`.
pub fn run(args: &Update, environment: &Environment, log: Log) -> Result<Exit, Failure> {
    let mirrors = Mirrors::parse(&args.mirror)?;
    let limits = limits(args)?;
    let year = jiff::tz::Offset::UTC.to_datetime(now(environment)?).year();
    let asked = asked(&args.sources, year)?;
    let advisories = Advisories::new(args.place.advisories.as_deref(), environment);
    let target = if args.fetch_only { None } else { Some(target(&advisories)?) };
    let cache = cache(&args.place, environment).ok_or_else(|| {
        Failure::usage("no place for downloads: HOME is no absolute path").advise("give --cache-dir DIR")
    })?;
    let store = Store::open(&cache).map_err(Failure::unfinished)?;
    let mut failed = BTreeSet::new();
    if !args.offline {
        let files = asked.unwrap_or_else(|| usual(&store, year));
        failed = fetch(args, &files, &store, &mirrors, limits, log)?;
    }
    if let Some(target) = target {
        import(target, &store, &mut failed, log)?;
    }
    if failed.is_empty() {
        return Ok(Exit::Pass);
    }
    let names = failed.into_iter().collect::<Vec<_>>().join(", ");
    Err(Failure::unfinished(format!("not up to date: {names}")).advise(
        "what was had of them before is in use; see stella feeds status, and run it again, or give --mirror SOURCE=URL",
    ))
}

fn limits(args: &Update) -> Result<Limits, Failure> {
    let wrong =
        || Failure::usage(format!("--max-size {:?} is no size", args.max_size)).advise("write N, NMB or NGB");
    Ok(Limits {
        deadline: Duration::from_secs(args.deadline.min(MOST_SECONDS)),
        silence: Duration::from_secs(args.silence.min(MOST_SECONDS)),
        size_bytes: amount(&args.max_size).ok_or_else(wrong)?,
    })
}

/// More is as good as never, and no sum of times is beyond what a clock knows.
const MOST_SECONDS: u64 = 7 * 24 * 60 * 60;

/// What the words mean; `None` where there are none.
fn asked(words: &[String], year: i16) -> Result<Option<Vec<catalog::File>>, Failure> {
    let words: Vec<&str> = words.iter().map(|word| word.trim()).filter(|word| !word.is_empty()).collect();
    let mut files = Vec::new();
    for word in &words {
        let chosen = catalog::chosen(word, year).ok_or_else(|| {
            Failure::usage(format!("{word:?} is no source of advisories, and no part of one"))
                .advise(format!("one of: {}; a part is such as osv:npm", catalog::names()))
        })?;
        files.extend(chosen);
    }
    Ok((!words.is_empty()).then(|| once(files)))
}

/// What is on by default, and what was fetched before: it is in the database, and must not grow old there.
fn usual(store: &Store, year: i16) -> Vec<catalog::File> {
    let on = catalog::SOURCES.iter().filter(|source| source.default);
    let mut files: Vec<_> = on.flat_map(|source| source.files(year)).collect();
    files.extend(
        store.files().into_iter().filter(|(.., state)| state.digest.is_some()).map(|(file, ..)| file),
    );
    once(files)
}

/// Each file once, in the order of the first.
fn once(mut files: Vec<catalog::File>) -> Vec<catalog::File> {
    let mut seen = BTreeSet::new();
    files.retain(|file| seen.insert((file.source.name, file.name.clone())));
    files
}

/// Fetches files; gives the names of those that failed.
fn fetch(
    args: &Update,
    files: &[catalog::File],
    store: &Store,
    mirrors: &Mirrors,
    limits: Limits,
    log: Log,
) -> Result<BTreeSet<String>, Failure> {
    let task = |file: &catalog::File| {
        let task = |place| Task { file: file.clone(), place, mirrors: mirrors.of(file.source) };
        store.place(file).map(task)
    };
    let tasks: std::io::Result<Vec<Task>> = files.iter().map(task).collect();
    let tasks = tasks.map_err(Failure::unfinished)?;
    let bar = Progress::new(log).begin("fetching advisories");
    bar.expect(tasks.len(), None);
    let fetcher = Fetcher::new(args.ca.clone(), limits, log, &bar);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = runtime.map_err(Failure::unfinished)?.block_on(fetcher.fetch_all(&tasks));
    drop(bar);
    let (mut failed, mut unchanged) = (BTreeSet::new(), 0);
    for (file, done) in files.iter().zip(done) {
        match done {
            Ok(Fetched::New(size_bytes)) => log.note(format_args!("{file}: {size_bytes} bytes fetched")),
            Ok(Fetched::Unchanged) => unchanged += 1,
            Err(error) => {
                log.error(format_args!("{file}: {error}"));
                failed.insert(file.to_string());
            }
        }
    }
    if unchanged > 0 {
        log.note(format_args!("{unchanged} files are unchanged"));
    }
    Ok(failed)
}

/// Makes the database of everything that was fetched. A file that cannot be read gives way to the one that was imported before
/// it, and its name is added to those that failed.
fn import(target: &Path, store: &Store, failed: &mut BTreeSet<String>, log: Log) -> Result<(), Failure> {
    let mut files: Vec<(String, Place, State)> = Vec::new();
    let mut missing = BTreeSet::new();
    for (file, place, state) in store.files() {
        match place.file(&state) {
            Some(_) => files.push((file.to_string(), place, state)),
            None => drop(missing.insert(file.to_string())),
        }
    }
    if files.is_empty() {
        return Err(Failure::unfinished("nothing was fetched, so there is nothing to import")
            .advise("run `stella feeds update` with a network, or `stella feeds import FILE...`"));
    }
    let mut held = BTreeSet::new();
    if let Ok(before) = Snapshot::open(target) {
        if store.imported().is_some_and(|imported| imported == made_of(&before, &files)) {
            log.note("nothing changed: the database stays");
            return status::of_snapshot(&before).map(drop);
        }
        held = names(&before);
    }
    let mut import = Import::new(target, log);
    let mut is_whole = true;
    for (name, place, state) in &mut files {
        let Err(Unread { why, replaced }) = read(&mut import, place, state) else { continue };
        is_whole = false;
        log.error(format_args!(
            "{name}: {why}{}",
            if replaced { "; what was imported before stays" } else { "" }
        ));
        if !replaced {
            missing.insert(name.clone());
        }
        failed.insert(name.clone());
        state.error = Some(excerpt(&why.to_string()));
        place.write_state(state).map_err(Failure::unfinished)?;
    }
    let accept = |next: &Snapshot| {
        let lost: Vec<String> = held.difference(&names(next)).cloned().collect();
        // What is turned off on purpose may go; what could not be had must not go unseen.
        if missing.is_empty() || lost.is_empty() { Ok(()) } else { Err(would_lose(target, &lost, &missing)) }
    };
    let written = import.write(accept)?;
    files.iter().try_for_each(|(_, place, _)| place.imported()).map_err(Failure::unfinished)?;
    if is_whole {
        store.set_imported(&made_of(&written, &files)).map_err(Failure::unfinished)?;
    }
    status::of_snapshot(&written).map(drop)
}

/// A file that was not taken.
struct Unread {
    why: feed::Error,
    /// Whether the one that was imported before it was taken instead.
    replaced: bool,
}

fn read(import: &mut Import<'_>, place: &Place, state: &mut State) -> Result<(), Unread> {
    let Some(path) = place.file(state) else { return Ok(()) };
    let Err(why) = import.read(&path) else { return Ok(()) };
    let restored = place.restore(state).is_ok_and(|restored| restored);
    let old = if restored { place.file(state) } else { None };
    Err(Unread { why, replaced: old.is_some_and(|old| import.read(&old).is_ok()) })
}

/// What a database covers.
fn names(snapshot: &Snapshot) -> BTreeSet<String> {
    snapshot.feeds().into_iter().map(|feed| feed.name).collect()
}

fn would_lose(target: &Path, lost: &[String], missing: &BTreeSet<String>) -> Failure {
    let missing = missing.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    Failure::unfinished(format!(
        "{} stays as it is: without {missing}, which could not be had, it would lose {}",
        target.display(),
        lost.join(", ")
    ))
    .advise("run it again, give --mirror SOURCE=URL, or remove the file to begin without them")
}

/// What says that a database was made of these files by this program.
fn made_of(snapshot: &Snapshot, files: &[(String, Place, State)]) -> Imported {
    let files = files.iter().filter_map(|(name, _, state)| Some((name.clone(), state.digest?)));
    Imported {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        snapshot: snapshot.id(),
        files: files.collect(),
    }
}
