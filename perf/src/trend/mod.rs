//! `stella-perf trend`: weeks of kept runs as one plot and a page for GitLab Pages.
//!
//! ```text
//! bench-artifacts/ -> history -> panels -> trend.svg -> index.html
//! ```

mod history;
mod page;
mod panel;
mod plot;
mod scale;

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use jiff::{
    Timestamp, ToSpan as _,
    civil::{Date, Time},
    tz::Offset,
};

use crate::Failure;
use history::History;

/// Draws the 95th percentile of each phase over the last weeks.
#[derive(clap::Args)]
pub struct Arguments {
    /// Where runs are kept, one directory per run.
    #[arg(long, value_name = "DIR", default_value = "bench-artifacts")]
    from: PathBuf,
    /// Where the page goes, with the plot and the figures of each run.
    #[arg(long, value_name = "DIR", default_value = "public")]
    out: PathBuf,
    /// How many weeks back.
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u16).range(1..=520))]
    weeks: u16,
    /// The last day that is shown, instead of today.
    #[arg(long, value_name = "YYYY-MM-DD")]
    now: Option<Date>,
}

/// The time that is shown.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// Its first moment.
    pub from: Timestamp,
    /// The moment after it.
    pub to: Timestamp,
    /// Its last day.
    pub last: Date,
    /// Its length.
    pub weeks: u16,
}

impl Window {
    /// The `weeks` that end with the day `last`.
    fn ending(last: Date, weeks: u16) -> Result<Self, jiff::Error> {
        let to = last.tomorrow()?;
        let from = to.checked_sub(i64::from(weeks).weeks())?;
        let midnight = |date: Date| Offset::UTC.to_timestamp(date.to_datetime(Time::midnight()));
        Ok(Self { from: midnight(from)?, to: midnight(to)?, last, weeks })
    }
}

impl Arguments {
    /// Does it; `now` is used where the last day is not given.
    pub fn run(&self, now: Timestamp) -> Result<(), Failure> {
        let last = self.now.unwrap_or_else(|| Offset::UTC.to_datetime(now).date());
        let window = Window::ending(last, self.weeks)?;
        let history = History::read(&self.from, &window)?;
        for left_out in &history.unreadable {
            writeln!(io::stderr(), "stella-perf: left out {left_out}")?;
        }
        let plot = plot::svg(&window, &panel::panels(&history)).into_string();
        write(&self.out.join("trend.svg"), plot.as_bytes())?;
        write(&self.out.join("index.html"), page::html(&window, &history, &plot).into_string().as_bytes())?;
        for run in &history.runs {
            write(&self.out.join(run.link()), &run.bytes)?;
        }
        let runs = history.runs.len();
        writeln!(io::stderr(), "stella-perf: {runs} runs in {}", self.out.join("index.html").display())?;
        Ok(())
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let wrap = |error: io::Error| format!("{}: {error}", path.display());
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(wrap)?;
    }
    Ok(fs::write(path, bytes).map_err(wrap)?)
}
