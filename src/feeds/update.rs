//! Fetch what changed, then compile all that was fetched.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::{
    Error, Target, Tell, catalog,
    fetch::{Fetched, Fetcher, Keys, Limits, Task},
    http::excerpt,
    import::{Allowed, Fallen, Import, Input},
    mirror::Mirrors,
    store::{Place, State, Store},
};
use crate::advisory::Snapshot;

/// What is to be fetched, and how.
#[derive(Debug, Clone, Default)]
pub struct Update {
    /// `SOURCE` or `SOURCE:PART`; none for those that are on by default, and what was fetched before.
    pub sources: Vec<String>,
    /// `SOURCE=URL`; each is asked instead of the source's publisher, in this order.
    pub mirrors: Vec<String>,
    /// PEM files of authorities that are trusted beside the system's.
    pub authorities: Vec<PathBuf>,
    /// What a file may cost.
    pub limits: Limits,
    /// What interfaces want to be shown.
    pub keys: Keys,
    /// What making the database may.
    pub allowed: Allowed,
    /// Nothing is fetched: what was fetched before is compiled.
    pub is_offline: bool,
    /// The present year, of which sources have a file each.
    pub year: i16,
}

/// What became of an update.
#[derive(Debug)]
pub struct Updated {
    /// The database, where one was asked for.
    pub snapshot: Option<Snapshot>,
    /// Names of what is not up to date.
    pub failed: BTreeSet<String>,
}

impl Updated {
    /// Whether everything is up to date.
    pub fn is_whole(&self) -> Result<(), Error> {
        if self.failed.is_empty() {
            return Ok(());
        }
        let names = self.failed.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        Err(Error::unfinished(format!("not up to date: {names}")))
    }
}

impl Update {
    /// Fetches into the folder `feeds` of `cache`, and makes `target` of all that is there.
    pub fn run(&self, target: Option<&Target>, cache: &Path, tell: &dyn Tell) -> Result<Updated, Error> {
        let mirrors = Mirrors::parse(&self.mirrors)?;
        let asked = asked(&self.sources, self.year)?;
        let store = Store::open(cache).map_err(Error::unfinished)?;
        let mut failed = BTreeSet::new();
        if !self.is_offline {
            let before = target.and_then(|target| Snapshot::open(target.live()).ok());
            let files = asked.unwrap_or_else(|| usual(&store, before.as_ref(), self.year));
            failed = fetch(self, &files, &store, &mirrors, tell)?;
        }
        let snapshot =
            target.map(|target| import(target, &store, self.allowed, &mut failed, tell)).transpose()?;
        Ok(Updated { snapshot, failed })
    }
}

/// What the words mean; `None` where there are none.
fn asked(words: &[String], year: i16) -> Result<Option<Vec<catalog::File>>, Error> {
    let words: Vec<&str> = words.iter().map(|word| word.trim()).filter(|word| !word.is_empty()).collect();
    let mut files = Vec::new();
    for word in &words {
        let chosen = catalog::chosen(word, year).ok_or_else(|| {
            Error::usage(format!("{word:?} is no source of advisories, and no part of one"))
                .advise(catalog::others(word, year))
        })?;
        files.extend(chosen);
    }
    Ok((!words.is_empty()).then(|| once(files)))
}

/// What is on by default, and what was fetched before: it is in the database, and must not grow old there. So with releases that the
/// database knows of by now.
fn usual(store: &Store, database: Option<&Snapshot>, year: i16) -> Vec<catalog::File> {
    let on = catalog::SOURCES.iter().filter(|source| source.default);
    let mut files: Vec<_> = on.flat_map(|source| source.files(year)).collect();
    files.extend(
        store.files().into_iter().filter(|(.., state)| state.digest.is_some()).map(|(file, ..)| file),
    );
    let feeds = database.map(Snapshot::feeds).unwrap_or_default();
    files.extend(feeds.iter().flat_map(|feed| catalog::newer(&feed.name)));
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
    asked: &Update,
    files: &[catalog::File],
    store: &Store,
    mirrors: &Mirrors,
    tell: &dyn Tell,
) -> Result<BTreeSet<String>, Error> {
    let task = |file: &catalog::File| {
        let task = |place| Task { file: file.clone(), place, mirrors: mirrors.of(file.source) };
        store.place(file).map(task)
    };
    let tasks: std::io::Result<Vec<Task>> = files.iter().map(task).collect();
    let tasks = tasks.map_err(Error::unfinished)?;
    let bar = tell.begin("fetching advisories");
    bar.expect(tasks.len(), None);
    let fetcher = Fetcher::new(asked.authorities.clone(), asked.limits, asked.keys.clone(), tell, &*bar);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = runtime.map_err(Error::unfinished)?.block_on(fetcher.fetch_all(&tasks));
    drop(bar);
    let (mut failed, mut unchanged) = (BTreeSet::new(), 0);
    for (file, done) in files.iter().zip(done) {
        match done {
            Ok(Fetched::New(size_bytes)) => tell.note(format_args!("{file}: {size_bytes} bytes fetched")),
            Ok(Fetched::Unchanged) => unchanged += 1,
            Err(error) => {
                tell.error(format_args!("{file}: {error}"));
                failed.insert(file.to_string());
            }
        }
    }
    if unchanged > 0 {
        tell.note(format_args!("{unchanged} files are unchanged"));
    }
    Ok(failed)
}

/// Makes the database of everything that was fetched. A file that is not taken gives way to what was taken of it before, and its
/// name is added to those that failed.
fn import(
    target: &Target,
    store: &Store,
    allowed: Allowed,
    failed: &mut BTreeSet<String>,
    tell: &dyn Tell,
) -> Result<Snapshot, Error> {
    let mut files: Vec<(catalog::File, Place, State)> = Vec::new();
    let mut inputs = Vec::new();
    let mut absent = Vec::new();
    for (file, place, state) in store.files() {
        match place.file(&state) {
            Some(path) => {
                let checked = state.checked.as_deref().and_then(day);
                inputs.push(Input { path, checked, is_fetched: true, is_recent: is_recent(&file) });
                files.push((file, place, state));
            }
            None => absent.push(file),
        }
    }
    // A feed of which a part is not there was on no day all that there was.
    for (input, (file, ..)) in inputs.iter_mut().zip(&files) {
        if absent.iter().any(|absent| speak_of_one(absent, file)) {
            input.checked = None;
        }
    }
    let mut import = Import::new(target, allowed, tell)?;
    let imported = import.imported();
    if !imported.is_empty() && !files.is_empty() {
        let count = imported.len();
        let word = if count == 1 { "1 path that was" } else { &format!("{count} paths that were") };
        tell.note(format_args!("with {word} imported; an import puts others in their place"));
    }
    inputs.extend(imported);
    let mut missing: BTreeSet<String> = absent.iter().map(catalog::File::to_string).collect();
    if files.is_empty() {
        return Err(Error::unfinished("nothing was fetched, so there is nothing to import")
            .advise("run `feeds update` with a network, or `feeds import FILE...`"));
    }
    if let Some((path, made)) = import.made_of(&inputs) {
        if path == target.live() {
            tell.note(format_args!("nothing changed: the database stays"));
        } else {
            tell.note(format_args!("{}: nothing has changed since it was written", path.display()));
        }
        return Ok(made);
    }
    let (held, is_known) = match Snapshot::open(target.live()) {
        Ok(before) => (names(&before), import.made(&before)),
        // Another release's cannot be opened; what it was made of is known all the same.
        Err(_) if target.live().exists() => (import.names(), true),
        Err(_) => (BTreeSet::new(), true),
    };
    // Who tries the next one asks somebody.
    let may_lose = is_known || allowed.shrink || target.is_tried();
    let mut read = import.read(&inputs)?;
    for fallen in read.split_off(files.len()).into_iter().flatten() {
        tell.error(format_args!("imported before: {fallen}"));
        failed.insert("what was imported".to_owned());
    }
    for ((file, place, state), fallen) in files.iter_mut().zip(read) {
        let Some(fallen) = fallen else { continue };
        tell.error(format_args!("{file}: {fallen}"));
        let Fallen { why, is_less, stays, checked } = fallen;
        if !stays {
            missing.insert(file.to_string());
        }
        // Of what the database has of it nobody said just now that it is the newest.
        state.checked = checked.map(|day| format!("{day}T00:00:00Z"));
        // Why there is no newer one says more.
        if failed.insert(file.to_string()) {
            state.error = Some(excerpt(&why));
        }
        if !is_less {
            // It may have been broken on its way: it is fetched again.
            state.forget();
        }
        place.write_state(state).map_err(Error::unfinished)?;
    }
    let accept = |next: &Snapshot| {
        let lost: Vec<String> = held.difference(&names(next)).cloned().collect();
        // What is turned off on purpose may go; what could not be had, or is from elsewhere, must not go unseen.
        match () {
            () if lost.is_empty() => Ok(()),
            () if !missing.is_empty() => Err(would_lose(target, &lost, &missing)),
            () if may_lose => Ok(()),
            () => Err(Error::unfinished(format!(
                "{} stays as it is: it would lose {}, which was not fetched here",
                target.live().display(),
                lost.join(", ")
            ))
            .advise(
                "name a source that has it, give --allow-shrink, or make another database: --advisories FILE",
            )),
        }
    };
    import.write(accept)
}

/// Whether it is of what changed in the last days alone.
fn is_recent(file: &catalog::File) -> bool {
    file.source.name == "nvd" && file.part == "modified"
}

/// Whether two files speak of the same feeds, as far as their names tell: those of years, and those of one release.
fn speak_of_one(one: &catalog::File, other: &catalog::File) -> bool {
    let is_of_years = |file: &catalog::File| {
        is_recent(file) || (file.part.len() == 4 && file.part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    one.source.name == other.source.name
        && (one.part.split('/').next() == other.part.split('/').next()
            || (is_of_years(one) && is_of_years(other)))
}

/// The day of a moment, in UTC.
fn day(time: &str) -> Option<Date> {
    Some(TimeZone::UTC.to_datetime(time.parse::<Timestamp>().ok()?).date())
}

/// What a database covers.
fn names(snapshot: &Snapshot) -> BTreeSet<String> {
    let databases = snapshot.databases().iter().map(|database| database.name.clone());
    snapshot.feeds().into_iter().map(|feed| feed.name).chain(databases).collect()
}

fn would_lose(target: &Target, lost: &[String], missing: &BTreeSet<String>) -> Error {
    let missing = missing.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    Error::unfinished(format!(
        "{} stays as it is: without {missing}, which could not be had, it would lose {}",
        target.live().display(),
        lost.join(", ")
    ))
    .advise("run it again, give --mirror SOURCE=URL, or remove the file to begin without them")
}
