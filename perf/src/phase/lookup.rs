//! FEED_LOOKUP: the compiled advisory file, opened and looked up in; in process, as a gate and a server do it.

use std::{cell::Cell, hint::black_box, io::Read as _, path::PathBuf, rc::Rc, time::Instant};

use stella::advisory::{Glance, Snapshot};

use super::{Ground, Measurement, NotMeasured, Sample, Subject};
use crate::{
    Failure,
    corpus::{self, Corpus},
};

/// What is measured.
pub const VARIANTS: [&str; 2] = ["open", "packages"];

/// How many packages of each ecosystem are looked up: 1,000, as a large image of one distribution and two languages has.
const ASKED: [(&str, usize); 3] = [("Debian:12", 400), ("PyPI", 300), ("npm", 300)];
/// Of so many advisories one hits the installed version: most were fixed long before it. An image of 1,000 packages has several
/// hundred findings.
const A_HIT_IN: usize = 10;
/// What a page of the file has, about: what the floor of opening reads.
const PAGE_BYTES: usize = 4096;

/// The file of everything that FEED_MERGE compiles.
struct Compiled {
    path: PathBuf,
    /// What the corpus is, in a few words.
    source: String,
    /// Ecosystem and name.
    asked: Vec<(&'static str, String)>,
    /// Every name that the ecosystems know, sorted: what the floor of a lookup searches.
    names: Vec<(&'static str, String)>,
    /// How many advisories the packages have.
    advisories: usize,
}

/// Both measurements.
pub fn open(ground: &Ground) -> Result<Vec<Box<dyn Measurement>>, NotMeasured> {
    let compiled = Rc::new(Compiled::of(ground)?);
    let [open, packages] = VARIANTS;
    Ok(vec![
        Box::new(Lookup { compiled: Rc::clone(&compiled), variant: open }),
        Box::new(Lookup { compiled, variant: packages }),
    ])
}

impl Compiled {
    fn of(ground: &Ground) -> Result<Self, Failure> {
        let corpus = Corpus::read(&ground.corpus()?).ok_or("the corpus is not there")?;
        let path = ground.directory("lookup")?.join("advisories");
        let ended = corpus::import(&ground.stella, corpus.paths(), &path)?;
        if !ended.status.success() {
            return Err(format!("the import ended with {}:\n{}", ended.status, ended.said).into());
        }
        let snapshot = Snapshot::open(&path)?;
        let (mut asked, mut names) = (Vec::new(), Vec::new());
        for (ecosystem, count) in ASKED {
            let known = snapshot.names(ecosystem)?;
            // From the whole list, in equal steps: common names and rare ones.
            let step = |index: usize| (ecosystem, known[index * known.len() / count].clone());
            if known.len() < count {
                return Err(
                    format!("the corpus knows {} packages of {ecosystem}, not {count}", known.len()).into()
                );
            }
            asked.extend((0..count).map(step));
            names.extend(known.iter().map(|name| (ecosystem, name.clone())));
        }
        names.sort();
        let source = format!("{}: {} records, seeded", corpus::directory_name(), corpus.records());
        let mut compiled = Self { path, source, asked, names, advisories: 0 };
        compiled.advisories = compiled.look_up(&snapshot)?;
        Ok(compiled)
    }

    /// Looks every package up; how many advisories they have. As in a gate, each is glanced at, and the words of those that
    /// hit are read.
    fn look_up(&self, snapshot: &Snapshot) -> Result<usize, Failure> {
        let count = Cell::new(0usize);
        let hits = |glance: &Glance<'_>| {
            black_box(glance);
            count.set(count.get() + 1);
            count.get().is_multiple_of(A_HIT_IN)
        };
        for (ecosystem, name) in &self.asked {
            black_box(snapshot.lookup_where(ecosystem, name, hits)?);
        }
        Ok(count.get())
    }
}

/// One of the variants.
struct Lookup {
    compiled: Rc<Compiled>,
    variant: &'static str,
}

impl Lookup {
    fn is_of_packages(&self) -> bool {
        self.variant == VARIANTS[1]
    }
}

impl Measurement for Lookup {
    fn subject(&self) -> Subject {
        let floor = if self.is_of_packages() {
            "the same names searched in a sorted list in memory"
        } else {
            "the file opened, and its first page read"
        };
        Subject {
            variant: Some(self.variant.into()),
            source: self.compiled.source.clone(),
            diff_ids: Vec::new(),
            floor: floor.into(),
        }
    }

    /// Each on a file that was opened anew: pages that nobody has touched are part of a gate's first lookups.
    fn take(&mut self) -> Result<Vec<Sample>, Failure> {
        let Compiled { path, asked, names, advisories, .. } = &*self.compiled;
        let start = Instant::now();
        let snapshot = black_box(Snapshot::open(path)?);
        let opened = start.elapsed();
        let (wall, floor) = if self.is_of_packages() {
            let start = Instant::now();
            let found = self.compiled.look_up(&snapshot)?;
            let wall = start.elapsed();
            if found != *advisories {
                return Err(format!("{found} advisories were found, at first {advisories}").into());
            }
            let start = Instant::now();
            let known = asked.iter().filter(|name| names.binary_search(name).is_ok()).count();
            let floor = start.elapsed();
            if known != asked.len() {
                return Err("the floor does not find every name".into());
            }
            (wall, floor)
        } else {
            let start = Instant::now();
            let mut page = [0; PAGE_BYTES];
            black_box(std::fs::File::open(path)?.read(&mut page)?);
            (opened, start.elapsed())
        };
        Ok(vec![Sample {
            wall_ms: wall.as_secs_f64() * 1e3,
            floor_ms: floor.as_secs_f64() * 1e3,
            ..Sample::default()
        }])
    }

    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    fn facts(&self) -> Vec<(&'static str, f64)> {
        let Compiled { asked, advisories, .. } = &*self.compiled;
        vec![("packages", asked.len() as f64), ("advisories", *advisories as f64)]
    }
}
