//! `bench-artifacts/`: one directory per run, a copy of the last as `latest/`, and the run that later ones are compared
//! with as `baseline/`.
//!
//! ```text
//! bench-artifacts/
//!   2026-11-25/       phase-stats.json samples.json metrics.prom metrics.txt junit.xml phases.md
//!   2026-11-25.2/     the second run of that day
//!   latest/           what CI platforms publish: always the same path
//!   baseline/         kept until somebody stores another; its programs in programs/
//! ```

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;
use stella::digest::Digest;

use crate::result::{Results, SCHEMA, Samples};

/// Name of the summary in a run's directory.
pub const STATS: &str = "phase-stats.json";
/// Name of the samples in a run's directory.
pub const SAMPLES: &str = "samples.json";

/// The directory of all runs.
pub struct Store {
    root: PathBuf,
}

/// Why a run cannot be read or kept.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {why}")]
pub struct Error {
    path: String,
    why: String,
}

fn wrap(path: &Path) -> impl Fn(io::Error) -> Error {
    move |error| Error { path: path.display().to_string(), why: error.to_string() }
}

/// A run that was kept.
pub struct Kept {
    /// Its figures.
    pub results: Results,
    /// Its samples.
    pub samples: Samples,
}

impl Kept {
    /// Reads a run's directory.
    pub fn read(directory: &Path) -> Result<Self, Error> {
        let results: Results = read(&directory.join(STATS))?;
        let samples: Samples = read(&directory.join(SAMPLES))?;
        Ok(Self { results, samples })
    }
}

/// The three programs of a run.
#[derive(Debug, Clone)]
pub struct Programs {
    /// What is measured.
    pub stella: PathBuf,
    /// The server.
    pub server: PathBuf,
    /// What measures.
    pub perf: PathBuf,
}

impl Programs {
    /// Where a stored run keeps them, below its directory.
    const FOLDER: &str = "programs";

    /// Digest of each, to see whether somebody built others meanwhile.
    pub fn digests(&self) -> io::Result<[Digest; 3]> {
        let of = |path: &PathBuf| fs::read(path).map(|bytes| Digest::of(&bytes));
        Ok([of(&self.stella)?, of(&self.server)?, of(&self.perf)?])
    }

    /// Those of the stored run in `directory`.
    pub fn of(directory: &Path) -> Self {
        let program = |name| directory.join(Self::FOLDER).join(name);
        Self { stella: program("stella"), server: program("stella-server"), perf: program("stella-perf") }
    }

    fn copy_to(&self, directory: &Path) -> io::Result<()> {
        fs::create_dir(directory)?;
        for (path, name) in
            [(&self.stella, "stella"), (&self.server, "stella-server"), (&self.perf, "stella-perf")]
        {
            fs::copy(path, directory.join(name))?;
        }
        Ok(())
    }
}

/// Reads one file of a run and refuses one of another form.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let fail = |why: String| Error { path: path.display().to_string(), why };
    let value: serde_json::Value = serde_json::from_slice(&fs::read(path).map_err(wrap(path))?)
        .map_err(|error| fail(error.to_string()))?;
    if value["schema"] != SCHEMA {
        return Err(fail(format!("schema {}: this program reads {SCHEMA}", value["schema"])));
    }
    serde_json::from_value(value).map_err(|error| fail(error.to_string()))
}

impl Store {
    /// The store in `root`, which is made where it is not there.
    pub fn open(root: &Path) -> Result<Self, Error> {
        fs::create_dir_all(root).map_err(wrap(root))?;
        // Said now, not after a quarter of an hour of measuring.
        tempfile::tempdir_in(root).map_err(wrap(root))?;
        Ok(Self { root: root.to_owned() })
    }

    /// Where the run that later ones are compared with is kept.
    pub fn baseline(&self) -> PathBuf {
        self.root.join("baseline")
    }

    /// Keeps a run of the day `date` (`YYYY-MM-DD`): all its files or none. Gives its directory.
    pub fn keep(&self, date: &str, files: &[(&str, Vec<u8>)]) -> Result<PathBuf, Error> {
        let made = self.make(files)?;
        let mut number = 1;
        let place = loop {
            let name = if number == 1 { date.to_owned() } else { format!("{date}.{number}") };
            let place = self.root.join(name);
            match fs::rename(made.path(), &place) {
                Ok(()) => break place,
                // Another run's, which may have come this moment.
                Err(_) if place.exists() => number += 1,
                Err(error) => return Err(wrap(&place)(error)),
            }
        };
        replace(&self.make(files)?, &self.root.join("latest"))?;
        Ok(place)
    }

    /// Makes a run the one that later ones are compared with, and keeps the programs that were measured.
    pub fn keep_as_baseline(&self, files: &[(&str, Vec<u8>)], programs: &Programs) -> Result<(), Error> {
        let made = self.make(files)?;
        programs.copy_to(&made.path().join(Programs::FOLDER)).map_err(wrap(made.path()))?;
        replace(&made, &self.baseline())
    }

    /// A new directory with these files, for everybody.
    fn make(&self, files: &[(&str, Vec<u8>)]) -> Result<tempfile::TempDir, Error> {
        let made =
            tempfile::Builder::new().prefix(".run-").tempdir_in(&self.root).map_err(wrap(&self.root))?;
        for (name, bytes) in files {
            let path = made.path().join(name);
            fs::write(&path, bytes).map_err(wrap(&path))?;
        }
        readable(made.path()).map_err(wrap(made.path()))?;
        Ok(made)
    }
}

/// Puts a directory in the place of another, which is moved aside first: at no moment is there half of either.
fn replace(made: &tempfile::TempDir, place: &Path) -> Result<(), Error> {
    let aside = made.path().with_extension("old");
    match fs::rename(place, &aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(wrap(place)(error)),
        _ => {}
    }
    fs::rename(made.path(), place).map_err(wrap(place))?;
    if aside.exists() {
        fs::remove_dir_all(&aside).map_err(wrap(&aside))?;
    }
    Ok(())
}

/// A temporary directory is for its owner alone; a run is for everybody.
fn readable(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_of_a_day_does_not_hide_the_first() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let first = store.keep("2026-11-25", &[("a", b"1".to_vec())]).unwrap();
        let second = store.keep("2026-11-25", &[("a", b"2".to_vec())]).unwrap();
        let read = |path: &Path| fs::read_to_string(path.join("a")).unwrap();
        assert_eq!((read(&first), read(&second)), ("1".to_owned(), "2".to_owned()));
        assert_eq!(read(&root.path().join("latest")), "2");
        assert!(second.ends_with("2026-11-25.2"));
        let names = fs::read_dir(root.path()).unwrap().count();
        assert_eq!(names, 3, "nothing half-made stays");
    }
}
