//! The kept runs of some weeks.

use std::{fs, path::Path};

use jiff::{Timestamp, civil::Date};

use super::Window;
use crate::{
    Failure,
    result::Results,
    store::{self, STATS},
};

/// Runs in the order in which they took place, and what is not among them.
pub struct History {
    /// The runs.
    pub runs: Vec<Run>,
    /// Runs that could not be read, each with why.
    pub unreadable: Vec<String>,
    /// Names of runs with slow-downs planted to try the gates.
    pub planted: Vec<String>,
}

/// One run.
pub struct Run {
    /// Name of its directory.
    pub name: String,
    /// When it began.
    pub at: Timestamp,
    /// What it found.
    pub results: Results,
    /// The file itself.
    pub bytes: Vec<u8>,
}

impl Run {
    /// Where its figures lie beside the page, and from the page.
    pub fn link(&self) -> String {
        format!("runs/{}/{STATS}", self.name)
    }
}

/// The day of a run, and which of that day it was, from its directory's name; `latest`, `baseline` and whatever else lies
/// there is no run.
fn place(name: &str) -> Option<(Date, u32)> {
    let (day, number) = name.split_once('.').unwrap_or((name, "1"));
    let number = number.bytes().all(|byte| byte.is_ascii_digit()).then(|| number.parse().ok())??;
    // Dates can be written in several ways, and only one of them is a directory of ours.
    let date: Date = day.parse().ok()?;
    (date.to_string() == day).then_some((date, number))
}

impl History {
    /// Reads the runs of `window` that are kept in `root`.
    pub fn read(root: &Path, window: &Window) -> Result<Self, Failure> {
        let mut found = Vec::new();
        for entry in fs::read_dir(root).map_err(|error| format!("{}: {error}", root.display()))? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            found.extend(place(&name).map(|place| (place, name)));
        }
        found.sort();
        let mut history = Self { runs: Vec::new(), unreadable: Vec::new(), planted: Vec::new() };
        for (_, name) in found {
            match Run::read(root, &name) {
                Ok(run) if !(window.from..window.to).contains(&run.at) => {}
                Ok(run) if !run.results.planted.is_empty() => history.planted.push(name),
                Ok(run) => history.runs.push(run),
                Err(why) => history.unreadable.push(format!("{name}: {why}")),
            }
        }
        history.runs.sort_by_key(|run| run.at);
        Ok(history)
    }
}

impl Run {
    /// Why not is said without the directory: the page is read elsewhere.
    fn read(root: &Path, name: &str) -> Result<Self, String> {
        let path = root.join(name).join(STATS);
        let prefix = format!("{}: ", path.display());
        let brief = |why: String| format!("{STATS}: {}", why.strip_prefix(&prefix).unwrap_or(&why));
        let results: Results = store::read(&path).map_err(|error| brief(error.to_string()))?;
        let at = results.started.parse().map_err(|error: jiff::Error| brief(format!("started: {error}")))?;
        let bytes = fs::read(&path).map_err(|error| brief(error.to_string()))?;
        Ok(Self { name: name.to_owned(), at, results, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_days_are_runs() {
        let (second, tenth) = (place("2026-11-25.2").unwrap(), place("2026-11-25.10").unwrap());
        assert!(place("2026-11-25").unwrap() < second && second < tenth);
        for name in
            ["latest", "baseline", ".run-x", "2026-11-25.", "2026-11-25.x", "2026-11-25.+2", "20261125", ""]
        {
            assert_eq!(place(name), None, "{name}");
        }
    }
}
