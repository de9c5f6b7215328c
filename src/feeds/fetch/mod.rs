//! The one place that fetches advisories: each file from its mirrors in order, as a good guest of theirs.

mod download;
mod error;
mod form;
mod pages;
mod published;
mod request;

use std::{path::PathBuf, time::Duration};

use futures_util::future::join_all;
use jiff::Timestamp;
use reqwest::Url;
use tokio::time::Instant;

use super::{
    Bar, Tell,
    catalog::{File, Published},
    http::excerpt,
    store::{Place, State},
};

pub use error::Error;
use error::Fault;
pub use pages::{Keys, Pages};
use request::{Clock, Http};

/// Attempts in a row at one mirror that bring nothing.
const MOST_FRUITLESS: u32 = 4;

/// The first wait before another attempt; each next one is twice as long.
const BACKOFF: Duration = Duration::from_millis(250);

/// A mirror that wants to be left alone for longer gives way to the next, where there is one.
const MIRROR_PATIENCE: Duration = Duration::from_secs(10);

/// What one file may cost.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// All its mirrors and attempts together.
    pub deadline: Duration,
    /// How long a server may bring nothing.
    pub silence: Duration,
    /// Bytes as they are written.
    pub size_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        let (deadline, silence) = (Duration::from_secs(1800), Duration::from_secs(30));
        Self { deadline, silence, size_bytes: 4 << 30 }
    }
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fetched {
    /// So many bytes.
    New(u64),
    /// It is the newest.
    Unchanged,
}

/// Fetches files.
pub struct Fetcher<'a> {
    http: Http,
    limits: Limits,
    keys: Keys,
    tell: &'a dyn Tell,
    bar: &'a dyn Bar,
}

/// A file to fetch, and where from.
pub struct Task {
    pub file: File,
    pub place: Place,
    /// At least one; the first is asked what is published of the file.
    pub mirrors: Vec<Url>,
}

/// A file while it is fetched.
struct Job<'a> {
    fetcher: &'a Fetcher<'a>,
    file: &'a File,
    place: &'a Place,
    mirrors: &'a [Url],
    state: State,
    clock: Clock,
}

impl<'a> Fetcher<'a> {
    pub fn new(
        authorities: Vec<PathBuf>,
        limits: Limits,
        keys: Keys,
        tell: &'a dyn Tell,
        bar: &'a dyn Bar,
    ) -> Self {
        Self { http: Http::new(authorities), limits, keys, tell, bar }
    }

    /// Fetches all of them, in any order, each independent of the others; gives what became of them in theirs.
    pub async fn fetch_all(&self, tasks: &[Task]) -> Vec<Result<Fetched, Error>> {
        join_all(tasks.iter().map(|task| self.fetch(task))).await
    }

    async fn fetch(&self, task: &Task) -> Result<Fetched, Error> {
        let Task { file, place, mirrors } = task;
        let Limits { deadline, silence, .. } = self.limits;
        let state = State { part: file.part.clone(), ..place.state() };
        let clock = Clock::start(deadline, silence);
        let mut job = Job { fetcher: self, file, place, mirrors, state, clock };
        let fetched = job.ask_mirrors().await;
        if let Err(error) = &fetched {
            job.state.error = Some(excerpt(&error.to_string()));
            if job.state.pages.as_ref().is_some_and(|pages| pages.begun.is_some()) {
                self.tell.note(format_args!(
                    "{file}: the pages that came are kept: the next update goes on from there"
                ));
            }
        }
        let saved = job.save();
        self.bar.part();
        fetched.and_then(|fetched| saved.map(|()| fetched))
    }
}

impl Job<'_> {
    async fn ask_mirrors(&mut self) -> Result<Fetched, Error> {
        let mirrors = self.mirrors;
        for (index, mirror) in mirrors.iter().enumerate() {
            let is_last = index + 1 == mirrors.len();
            match self.ask_mirror(mirror, is_last).await {
                Err(error) if !is_last => {
                    self.fetcher.tell.note(format_args!("{}: {error}; asking the next", self.file));
                }
                done => return done,
            }
        }
        Err(Error::Client(format!("{}: no address", self.file)))
    }

    /// All attempts at one mirror.
    async fn ask_mirror(&mut self, mirror: &Url, is_last: bool) -> Result<Fetched, Error> {
        let mut fruitless = 0;
        loop {
            let Fault { error, passing } = match self.attempt(mirror).await {
                Ok(fetched) => return Ok(fetched),
                Err(fault) => fault,
            };
            let Some(passing) = passing else { return Err(error) };
            fruitless = if passing.progress { 0 } else { fruitless + 1 };
            let wait = BACKOFF.saturating_mul(1 << fruitless).max(passing.after.unwrap_or_default());
            // A wait that ends too late is not begun: its error is known already.
            let too_long = Instant::now() + wait >= self.clock.until || (!is_last && wait > MIRROR_PATIENCE);
            if fruitless >= MOST_FRUITLESS || too_long {
                return Err(error);
            }
            tokio::time::sleep(wait).await;
        }
    }

    async fn attempt(&mut self, mirror: &Url) -> Result<Fetched, Fault> {
        let fetched = match self.file.source.published {
            Published::Pages(interface) => self.pages(mirror, interface).await?,
            _ => self.file_of(mirror).await?,
        };
        self.state.error = None;
        Ok(fetched)
    }

    async fn file_of(&mut self, mirror: &Url) -> Result<Fetched, Fault> {
        let target = self.locate(mirror).await?;
        let published = target.checksum.map(|checksum| checksum.digest);
        let known = published.is_some() && published == self.state.published;
        if known && self.place.file(&self.state).is_some() {
            self.state.checked = Some(now());
            return Ok(Fetched::Unchanged);
        }
        let fetched = self.download(&target).await?;
        if fetched == Fetched::Unchanged {
            self.state.checked = Some(now());
        }
        Ok(fetched)
    }

    fn save(&self) -> Result<(), Error> {
        let io = |source| Error::Io { path: self.place.part(), source };
        self.place.write_state(&self.state).map_err(io)
    }
}

/// To the second, RFC 3339.
fn now() -> String {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now).to_string()
}
