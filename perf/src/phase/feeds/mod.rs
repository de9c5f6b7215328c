//! FEED_MERGE: feeds as they are published to the compiled advisory file, the whole process.

mod documents;
mod packs;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    rc::Rc,
    time::Instant,
};

use documents::{Documents, parse};
use nix::sys::resource::{UsageWho, getrusage};

use super::{Ground, Measurement, NotMeasured, Sample, Subject};
use crate::{
    Failure,
    corpus::{self, Corpus, nvd},
};

/// What the seeded feeds are measured as, and the real ones.
pub const VARIANTS: [&str; 4] = ["cold", "unchanged", "real-cold", "real-unchanged"];

/// One measurement of the seeded feeds for each state that they can be in; as many of real ones where a directory is given.
pub fn open(ground: &Ground) -> Result<Vec<Box<dyn Measurement>>, NotMeasured> {
    let [cold, unchanged, real_cold, real_unchanged] = VARIANTS;
    let corpus = Corpus::read(&ground.corpus()?).ok_or_else(|| Failure::from("the corpus is not there"))?;
    let mut inputs = vec![(Rc::new(Input::seeded(&corpus)?), [cold, unchanged])];
    if let Some(directory) = &ground.feeds {
        let input = Input::real(directory, &corpus, &ground.cache)?;
        inputs.push((Rc::new(input), [real_cold, real_unchanged]));
    }
    let mut opened: Vec<Box<dyn Measurement>> = Vec::new();
    for (input, [cold, unchanged]) in inputs {
        opened.push(Box::new(Merge::open(ground, Rc::clone(&input), cold, State::Cold)?));
        opened.push(Box::new(Merge::open(ground, input, unchanged, State::Unchanged)?));
    }
    Ok(opened)
}

/// What is imported.
struct Input {
    /// What it is, in a few words; another input is another text.
    source: String,
    /// As the import is given them.
    paths: Vec<PathBuf>,
    /// The same, as the floor reads them.
    documents: Documents,
    /// Of all documents.
    size_bytes: u64,
    /// Of the files as they are.
    stored_bytes: u64,
    /// How many records a source must read.
    wanted: BTreeMap<String, u64>,
    /// Records that count, by ecosystem, as `feeds status` must have them; `None` where nobody counted them before.
    feeds: Option<BTreeMap<String, u64>>,
}

impl Input {
    /// The corpus.
    fn seeded(corpus: &Corpus) -> Result<Self, Failure> {
        let source = format!("{}: {} records, seeded", corpus::directory_name(), corpus.records());
        let input = Self::new(source, corpus.paths().collect(), corpus.sources(), Some(corpus.feeds()))?;
        let (found, want) = (input.size_bytes, corpus.size_bytes());
        if found != want {
            return Err(format!("the floor reads {found} bytes of the corpus's {want}").into());
        }
        Ok(input)
    }

    /// Every file of `directory`, its NVD-shaped records multiplied, and the corpus's regional feed.
    fn real(directory: &Path, corpus: &Corpus, cache: &Path) -> Result<Self, Failure> {
        let mut paths = packs::paths(directory)?;
        if paths.is_empty() {
            return Err(format!("--feeds {}: no feed in it", directory.display()).into());
        }
        let documents = Documents::open(paths.clone())?;
        let content = documents.digest(directory)?;
        let copies = packs::multiplied(&documents, content, nvd::COUNT, cache)?;
        let mut wanted = corpus.sources();
        wanted.retain(|source, _| source == "bdu" || source == "nvd" && !copies.is_empty());
        let what = if copies.is_empty() { "" } else { ", NVD multiplied from a seed" };
        paths.extend(copies);
        paths.extend(corpus.paths_of("bdu"));
        let source = format!("real feeds, {content}{what}; BDU of {}", corpus::directory_name());
        Self::new(source, paths, wanted, None)
    }

    fn new(
        source: String,
        paths: Vec<PathBuf>,
        wanted: BTreeMap<String, u64>,
        feeds: Option<BTreeMap<String, u64>>,
    ) -> Result<Self, Failure> {
        let documents = Documents::open(paths.clone())?;
        let (size_bytes, stored_bytes) = (documents.each(&parse)?, documents.stored_bytes()?);
        Ok(Self { source, paths, documents, size_bytes, stored_bytes, wanted, feeds })
    }
}

/// What an import finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No compiled file, and feeds that are not in the page cache.
    Cold,
    /// What the same import left.
    Unchanged,
}

/// `stella feeds import` of all feeds together.
struct Merge {
    stella: PathBuf,
    input: Rc<Input>,
    variant: &'static str,
    state: State,
    /// Where the compiled file is, and whatever an import keeps beside it.
    directory: PathBuf,
    /// Of the file that was found to hold all.
    size_bytes: u64,
    records: u64,
    /// What the last import read from disk.
    disk_bytes: u64,
}

impl Merge {
    /// Imports once, and looks into the file.
    fn open(ground: &Ground, input: Rc<Input>, variant: &'static str, state: State) -> Result<Self, Failure> {
        let directory = ground.directory(&format!("feeds-{variant}"))?;
        let stella = ground.stella.clone();
        let mut merge =
            Self { stella, input, variant, state, directory, size_bytes: 0, records: 0, disk_bytes: 0 };
        let said = merge.import()?.said;
        merge.size_bytes = fs::metadata(merge.advisories())?.len();
        let outcomes = outcomes(&said);
        merge.records = outcomes.values().map(|outcome| outcome.read).sum();
        let Input { wanted, feeds, .. } = &*merge.input;
        for (source, want) in wanted {
            let Outcome { read, kept } = outcomes.get(source).copied().unwrap_or_default();
            // Real feeds may have some of their own.
            if read < *want || (read > *want && feeds.is_some()) {
                return Err(format!("{source}: there are {want} records, {read} were read:\n{said}").into());
            }
            if kept < read / 2 {
                return Err(format!("{source}: of {read} records {kept} were kept:\n{said}").into());
            }
        }
        if let Some(want) = feeds {
            let found = status(&merge.stella, &merge.advisories())?;
            if let Some((feed, count)) = want.iter().find(|(feed, count)| found.get(*feed) != Some(*count)) {
                return Err(
                    format!("the corpus has {count} records of {feed}, imported are {found:?}").into()
                );
            }
        }
        Ok(merge)
    }

    fn advisories(&self) -> PathBuf {
        self.directory.join("advisories")
    }

    fn import(&mut self) -> Result<crate::process::Ended, Failure> {
        let before = disk_bytes()?;
        let ended = corpus::import(&self.stella, self.input.paths.iter().cloned(), &self.advisories())?;
        if !ended.status.success() {
            return Err(format!("the import ended with {}:\n{}", ended.status, ended.said).into());
        }
        self.disk_bytes = disk_bytes()?.saturating_sub(before);
        Ok(ended)
    }

    /// Makes the feeds as cold as the state says.
    fn chill(&self) -> Result<(), Failure> {
        if self.state == State::Cold { self.input.documents.chill() } else { Ok(()) }
    }
}

/// Bytes that all processes of this one's that have ended read from disk.
fn disk_bytes() -> Result<u64, Failure> {
    const BLOCK_BYTES: u64 = 512; // getrusage(2) counts in these, whatever the file system has
    Ok(u64::try_from(getrusage(UsageWho::RUSAGE_CHILDREN)?.block_reads())? * BLOCK_BYTES)
}

/// What an import says of one source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Outcome {
    read: u64,
    kept: u64,
}

/// By source, all paths together: the lines `note: PATH: SOURCE: N records read, N kept, N skipped`.
fn outcomes(said: &str) -> BTreeMap<String, Outcome> {
    let mut outcomes: BTreeMap<String, Outcome> = BTreeMap::new();
    let outcome = |line: &str| {
        let (read, rest) = line.split_once(" records read, ")?;
        let (before, read) = read.rsplit_once(": ")?;
        let (_, source) = before.rsplit_once(": ")?;
        let (kept, _) = rest.split_once(" kept, ")?;
        Some((source.to_owned(), Outcome { read: read.parse().ok()?, kept: kept.parse().ok()? }))
    };
    for (source, Outcome { read, kept }) in said.lines().filter_map(outcome) {
        let all = outcomes.entry(source).or_default();
        (all.read, all.kept) = (all.read + read, all.kept + kept);
    }
    outcomes
}

/// Records of each feed, as the program says.
fn status(stella: &Path, advisories: &Path) -> Result<BTreeMap<String, u64>, Failure> {
    let mut command = Command::new(stella);
    let output = command.args(["feeds", "status", "--advisories"]).arg(advisories).env_clear().output()?;
    if !output.status.success() {
        return Err(format!("feeds status ended with {}", output.status).into());
    }
    Ok(feeds(&String::from_utf8_lossy(&output.stdout)))
}

/// The lines `FEED COUNT records, ...`.
fn feeds(text: &str) -> BTreeMap<String, u64> {
    let feed = |line: &str| {
        let (feed, _) = line.split_once(" records,")?;
        let (name, count) = feed.rsplit_once(' ')?;
        Some((name.trim_end().to_owned(), count.parse().ok()?))
    };
    text.lines().filter_map(feed).collect()
}

impl Measurement for Merge {
    fn subject(&self) -> Subject {
        Subject {
            variant: Some(self.variant.into()),
            source: self.input.source.clone(),
            diff_ids: Vec::new(),
            floor: "every document inflated and parsed, nothing kept, two threads".into(),
        }
    }

    fn take(&mut self) -> Result<Vec<Sample>, Failure> {
        if self.state == State::Cold {
            fs::remove_dir_all(&self.directory)?;
            fs::create_dir(&self.directory)?;
        }
        self.chill()?;
        let ended = self.import()?;
        let size_bytes = fs::metadata(self.advisories())?.len();
        if size_bytes != self.size_bytes {
            return Err(format!("the import wrote {size_bytes} bytes, the first {}", self.size_bytes).into());
        }
        self.chill()?;
        let start = Instant::now();
        self.input.documents.each(&parse)?;
        let floor_ms = start.elapsed().as_secs_f64() * 1e3;
        Ok(vec![Sample {
            wall_ms: ended.wall_ms,
            floor_ms,
            steps: Vec::new(),
            cpu_ms: Some(ended.cpu_ms),
            peak_bytes: Some(ended.peak_bytes),
        }])
    }

    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    fn facts(&self) -> Vec<(&'static str, f64)> {
        vec![
            ("records", self.records as f64),
            ("bytes", self.input.size_bytes as f64),
            ("stored_bytes", self.input.stored_bytes as f64),
            ("disk_bytes", self.disk_bytes as f64),
            ("advisories_bytes", self.size_bytes as f64),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_says_what_each_feed_has() {
        let text = "snapshot sha256:00\nDebian:12      32810 records, newest 2025-12-28T23:23:11Z\n\
                    npm   7 records, newest 2025-12-28T22:30:59Z, 1 not understood in part\n";
        assert_eq!(feeds(text), BTreeMap::from([("Debian:12".to_owned(), 32_810), ("npm".to_owned(), 7)]));
    }

    #[test]
    fn an_import_says_what_became_of_each_source() {
        let said = "note: /a: b/all.zip: osv: 7 records read, 6 kept, 2 skipped\n\
                    note: /a: b/all.zip: osv: 1 skipped: withdrawn\n\
                    note: c.json.gz: nvd: 10 records read, 9 kept, 1 skipped\n\
                    note: d.json.gz: nvd: 20 records read, 20 kept, 0 skipped\n";
        let outcome = |read, kept| Outcome { read, kept };
        let want = [("osv".to_owned(), outcome(7, 6)), ("nvd".to_owned(), outcome(30, 29))];
        assert_eq!(outcomes(said), BTreeMap::from(want));
    }
}
