//! What each path of the last import gave, kept beside the database, so that a path which has not changed is not read
//! again, and one that cannot be read today gives what it gave last.
//!
//! ```text
//! advisories.db
//! advisories.db.parts/
//!   merged.json     the paths of the database that is there, each with its part and what it gave, and the database's id
//!   HEX.part        one for each path
//! ```

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{Target, import::Input};
use crate::{
    advisory::{Snapshot, write_whole},
    digest::Digest,
    feed::{self, Memory, Part},
};

/// The folder of parts.
pub struct Parts {
    folder: PathBuf,
    merged: Merged,
}

/// What the database that is there was made of.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Merged {
    snapshot: Option<Digest>,
    parts: Vec<Gave>,
    /// Records that each source gave, by the id of the database; of all databases that are there.
    #[serde(default)]
    records: BTreeMap<String, BTreeMap<String, u64>>,
}

/// Records that each source gave to a database that is there; `None` where that is not known.
pub fn records_by_source(target: &Target, snapshot: Digest) -> Option<BTreeMap<String, u64>> {
    Parts::beside(target).merged.records.remove(&snapshot.to_string())
}

/// How many records each path gave to a database that is there; empty where that is not known.
pub fn records_by_path(target: &Target, snapshot: Digest) -> BTreeMap<PathBuf, u64> {
    let Merged { snapshot: made, parts, .. } = Parts::beside(target).merged;
    let parts = if made == Some(snapshot) { parts } else { Vec::new() };
    parts.into_iter().map(|gave| (gave.kept.path, gave.records)).collect()
}

/// What one path gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gave {
    pub kept: Kept,
    /// How many of its records were taken.
    pub records: u64,
    /// How many of its records speak of each ecosystem, or are of each database.
    pub feeds: BTreeMap<String, u64>,
}

/// One path's part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// As absolute as it can be told.
    pub path: PathBuf,
    key: Digest,
    /// The last day (UTC) on which it was the newest that there is, where somebody knows it.
    pub checked: Option<Date>,
    /// Whether it is of the downloads; else somebody imported it.
    #[serde(default = "yes")]
    is_fetched: bool,
}

/// What earlier releases left did not say.
fn yes() -> bool {
    true
}

impl Kept {
    /// What is there now.
    pub fn of(input: &Input) -> Result<Self, feed::Error> {
        let Input { path, checked, is_fetched, .. } = input;
        let key = Part::key(path)?;
        Ok(Self { path: absolute(path), key, checked: *checked, is_fetched: *is_fetched })
    }
}

pub fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

impl Parts {
    /// Those beside a database.
    pub fn beside(target: &Target) -> Self {
        let folder = target.beside(".parts");
        // What cannot be read is made again.
        let merged = fs::read(folder.join(MERGED)).ok().and_then(|text| serde_json::from_slice(&text).ok());
        Self { folder, merged: merged.unwrap_or_default() }
    }

    /// Whether the last database was made of what lies at just these paths, as far as can be told without reading it.
    pub fn are_of(&self, inputs: &[Input]) -> bool {
        let same = |(Gave { kept, .. }, input): (&Gave, &Input)| {
            kept.path == absolute(&input.path) && kept.checked == input.checked
        };
        let parts = &self.merged.parts;
        self.merged.snapshot.is_some() && parts.len() == inputs.len() && parts.iter().zip(inputs).all(same)
    }

    /// Whether `database` was made of these.
    pub fn are_in(&self, database: &Snapshot) -> bool {
        self.merged.snapshot == Some(database.id())
    }

    /// What the last database was made of: its ecosystems and databases.
    pub fn names(&self) -> BTreeSet<String> {
        self.merged.parts.iter().flat_map(|gave| gave.feeds.keys().cloned()).collect()
    }

    /// What somebody imported into the database that is there. Nothing where the database is another, such as that of a bundle.
    pub fn imported(&self, target: &Target) -> Vec<Kept> {
        let is_there = |path: &PathBuf| match Snapshot::open(path) {
            Ok(there) => Some(there.id()) == self.merged.snapshot,
            // Of another release.
            Err(_) => path.exists(),
        };
        let is_there = target.all().iter().any(is_there);
        let kept = self.merged.parts.iter().map(|gave| &gave.kept).filter(|_| is_there);
        kept.filter(|kept| !kept.is_fetched).cloned().collect()
    }

    /// The database that is there, and where, if it is made of just these.
    pub fn made(&self, target: &Target, parts: &[Kept]) -> Option<(PathBuf, Snapshot)> {
        let made =
            self.merged.snapshot.filter(|_| self.merged.parts.iter().map(|gave| &gave.kept).eq(parts))?;
        let open = |path: PathBuf| Some((Snapshot::open(&path).ok()?, path));
        let mut there = target.all().into_iter().filter_map(open);
        there.find(|(snapshot, _)| snapshot.id() == made).map(|(snapshot, path)| (path, snapshot))
    }

    /// What the path gave: kept, or read now on `threads` threads and kept. What cannot be kept costs the next import time,
    /// and is no fault of this one.
    pub fn part(
        &self,
        path: &Path,
        kept: &Kept,
        threads: NonZeroUsize,
        memory: &Memory,
        progress: &dyn Fn(u64),
    ) -> Result<Part, feed::Error> {
        if let Some(part) = self.load(kept, memory) {
            return Ok(part);
        }
        let part = feed::read(path, threads, memory, progress)?;
        if let Some(bytes) = part.to_bytes() {
            let write = || write_whole(&self.place(kept), &[&bytes]);
            let _ = memory.during(bytes.len(), || fs::create_dir_all(&self.folder).and_then(|()| write()));
        }
        Ok(part)
    }

    /// What the path gave to the last database. A download may be compressed today and not be so tomorrow: what is one of
    /// `inputs` is itself alone.
    pub fn last(&self, path: &Path, inputs: &[Input]) -> Option<&Gave> {
        let of = |path: &Path| self.merged.parts.iter().find(|gave| gave.kept.path == absolute(path));
        of(path).or_else(|| {
            let mut other = path.to_owned();
            if path.extension().is_some_and(|end| end == "gz") {
                other.set_extension("");
            } else {
                other.as_mut_os_string().push(".gz");
            }
            of(&other).filter(|_| inputs.iter().all(|input| input.path != other))
        })
    }

    /// A part that was kept; `None` where it is gone, damaged, or of another release.
    pub fn load(&self, kept: &Kept, memory: &Memory) -> Option<Part> {
        let bytes = fs::read(self.place(kept)).ok()?;
        memory.during(bytes.len(), || Part::from_bytes(&bytes, memory))
    }

    fn place(&self, kept: &Kept) -> PathBuf {
        self.folder.join(format!("{}.part", kept.key.hex()))
    }

    /// Says that the database is made of these now, and lets all other parts go.
    pub fn merged(
        &self,
        target: &Target,
        snapshot: Digest,
        parts: Vec<Gave>,
        records: BTreeMap<String, u64>,
    ) -> std::io::Result<()> {
        let there = target.all().into_iter().filter_map(|path| Snapshot::open(&path).ok());
        let there: Vec<String> = there.map(|snapshot| snapshot.id().to_string()).collect();
        let mut all = self.merged.records.clone();
        all.retain(|id, _| there.contains(id));
        all.insert(snapshot.to_string(), records);
        let wanted: Vec<PathBuf> = parts.iter().map(|gave| self.place(&gave.kept)).collect();
        let merged = serde_json::to_vec(&Merged { snapshot: Some(snapshot), parts, records: all })?;
        fs::create_dir_all(&self.folder)?;
        write_whole(&self.folder.join(MERGED), &[&merged])?;
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|end| end == "part") && !wanted.contains(&path) {
                // It may be gone by now.
                let _ = fs::remove_file(path);
            }
        }
        Ok(())
    }
}

/// The name of the list.
const MERGED: &str = "merged.json";
