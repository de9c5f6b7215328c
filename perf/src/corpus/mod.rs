//! The corpus: seeded advisories, as many and as large as real ones, in archives as OSV, NVD and BDU publish them.
//!
//! ```text
//! corpus/
//!   corpus.json                      what is in it; names the recipe
//!   Debian/all.zip                   OSV: a record per member
//!   PyPI/all.zip
//!   npm/all.zip
//!   NVD/nvdcve-2.0-2023.json.gz      NVD: a document per year, to 2025
//!   BDU/vulxml.zip                   BDU: one document
//! ```
//!
//! No record is a real one: the words are invented, the CVE numbers are none that an authority gives out, the links lead
//! nowhere. Only the names of common packages are real, because images hold them. Every record depends on its number
//! alone, so that all machines write the same ones; counts, sizes and shapes follow OSV's exports of 2024 and 2025, records
//! of the form of NVD's of 2023 and 2024, and what is known of BDU's export.

mod archive;
mod debian;
pub mod finding;
mod flaw;
mod github;
mod language;
pub mod nvd;
mod package;
mod prose;
pub mod record;
mod regional;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use serde::{Deserialize, Serialize};
use stella::digest::Digest;

use self::archive::Archive;
use crate::{Failure, process};

/// Digest of everything that the recipe writes; whoever changes the recipe learns the new one from [`write`].
const CONTENT: &str = "sha256:1861a52a3319c6c99948a1f4ee8f7d499119b72fc3a9bfce6c9dd45d480e0433";

/// Name of the file that says what is there.
const MANIFEST: &str = "corpus.json";

/// How many records of each kind.
#[derive(Debug, Clone, Copy)]
struct Recipe {
    debian: usize,
    bulletins: usize,
    pysec: usize,
    pypi: usize,
    npm: usize,
    nvd: usize,
    regional: usize,
}

/// As many as the exports that it follows; of NVD the years 2023 to 2025.
const RECIPE: Recipe = Recipe {
    debian: 32_400,
    bulletins: 410,
    pysec: 2660,
    pypi: 2660,
    npm: 3790,
    nvd: nvd::COUNT,
    regional: 50_000,
};

/// What a corpus holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Corpus {
    /// Digest of the archives' content.
    content: String,
    archives: Vec<Archive>,
    #[serde(skip)]
    directory: PathBuf,
}

impl Corpus {
    /// The corpus in `directory`; `None` where there is none of this recipe.
    pub fn read(directory: &Path) -> Option<Self> {
        Self::read_of(directory, CONTENT)
    }

    fn read_of(directory: &Path, content: &str) -> Option<Self> {
        let manifest = fs::read(directory.join(MANIFEST)).ok()?;
        let corpus: Self = serde_json::from_slice(&manifest).ok()?;
        (corpus.content == content).then(|| Self { directory: directory.to_owned(), ..corpus })
    }

    /// The archives' files.
    pub fn paths(&self) -> impl Iterator<Item = PathBuf> {
        self.archives.iter().map(|archive| self.directory.join(&archive.path))
    }

    /// The files that `source` reads.
    pub fn paths_of(&self, source: &str) -> impl Iterator<Item = PathBuf> {
        let archives = self.archives.iter().filter(move |archive| archive.source == source);
        archives.map(|archive| self.directory.join(&archive.path))
    }

    /// Records, withdrawn ones too.
    pub fn records(&self) -> u64 {
        self.archives.iter().map(|archive| archive.records).sum()
    }

    /// Bytes of all records, not compressed.
    pub fn size_bytes(&self) -> u64 {
        self.archives.iter().map(|archive| archive.size_bytes).sum()
    }

    /// Records that each source must read.
    pub fn sources(&self) -> BTreeMap<String, u64> {
        let mut sources = BTreeMap::new();
        for Archive { source, records, .. } in &self.archives {
            *sources.entry(source.clone()).or_default() += records;
        }
        sources
    }

    /// What an import of it must have: the records that count, by ecosystem.
    pub fn feeds(&self) -> BTreeMap<String, u64> {
        self.archives.iter().flat_map(|archive| archive.feeds.clone()).collect()
    }

    /// Writes the recipe's records below `directory`, which exists.
    fn make(recipe: Recipe, directory: &Path) -> Result<Self, Failure> {
        let Recipe { debian, bulletins, pysec, pypi, npm, nvd, regional } = recipe;
        let archives = thread::scope(|scope| {
            let regional = scope.spawn(move || regional::write(directory, regional));
            let packages = || {
                let records = (0..debian).map(debian::vulnerability);
                let records = records.chain((0..bulletins).map(|index| debian::bulletin(index, debian)));
                let debian = Archive::write(directory, "Debian", records)?;
                let records = (0..pysec).map(language::pysec).chain((0..pypi).map(language::pypi));
                let python = Archive::write(directory, "PyPI", records)?;
                let node = Archive::write(directory, "npm", (0..npm).map(language::npm))?;
                Ok::<_, Failure>([debian, python, node])
            };
            let mut archives = Vec::from(packages()?);
            archives.extend(nvd::write(directory, nvd)?);
            archives.push(regional.join().map_err(|_| "writing the corpus panicked")??);
            Ok::<_, Failure>(archives)
        })?;
        let contents: Vec<&str> = archives.iter().map(|archive| archive.content.as_str()).collect();
        let content = Digest::of(contents.join("\n").as_bytes()).to_string();
        let corpus = Self { content, archives, directory: directory.to_owned() };
        fs::write(directory.join(MANIFEST), serde_json::to_vec_pretty(&corpus)?)?;
        Ok(corpus)
    }
}

/// Where a cache keeps it: beside those of other recipes, which other builds of this program may be at.
pub fn directory_name() -> String {
    format!("corpus-{}", &CONTENT["sha256:".len()..][..12])
}

/// Writes the corpus to `directory`, unless it is there. A directory that was half written is never taken for a whole one:
/// it is made under another name.
pub fn write(directory: &Path) -> Result<(), Failure> {
    write_of(directory, RECIPE, CONTENT)
}

fn write_of(directory: &Path, recipe: Recipe, content: &str) -> Result<(), Failure> {
    if Corpus::read_of(directory, content).is_some() {
        return Ok(());
    }
    let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let made = tempfile::Builder::new().prefix(".corpus-").tempdir_in(parent)?;
    let corpus = Corpus::make(recipe, made.path())?;
    if corpus.content != content {
        return Err(format!("the corpus has changed: corpus::CONTENT must say {}", corpus.content).into());
    }
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    match fs::rename(made.path(), directory) {
        // Another run was faster.
        Err(_) if Corpus::read_of(directory, content).is_some() => Ok(()),
        result => Ok(result?),
    }
}

/// Compiles the corpus in `directory`, what it says of packages, to the file `advisories` with the program `stella`.
pub fn compile(directory: &Path, stella: &Path, advisories: &Path) -> Result<(), Failure> {
    let corpus = Corpus::read(directory).ok_or("no corpus to compile")?;
    let ended = import(stella, corpus.paths_of("osv"), advisories)?;
    if !ended.status.success() {
        return Err(format!("the corpus was not imported: {}\n{}", ended.status, ended.said).into());
    }
    Ok(())
}

/// `stella feeds import`.
pub fn import(
    stella: &Path,
    archives: impl Iterator<Item = PathBuf>,
    advisories: &Path,
) -> Result<process::Ended, Failure> {
    let mut command = Command::new(stella);
    command.args(["feeds", "import"]).args(archives).arg("--advisories").arg(advisories).env_clear();
    process::run(&mut command)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Recipe =
        Recipe { debian: 300, bulletins: 20, pysec: 60, pypi: 60, npm: 60, nvd: 90, regional: 30 };
    const SMALL_CONTENT: &str = "sha256:de3b063053533859edff9e5c49ce398a22c691323871407833360da23c4425ba";

    #[test]
    fn the_records_are_those_of_every_machine() {
        let directory = tempfile::tempdir().unwrap();
        let corpus = Corpus::make(SMALL, directory.path()).unwrap();
        assert_eq!(corpus.records(), 620);
        assert_eq!(corpus.content, SMALL_CONTENT);
        // One record of each writer at the end of the full recipe.
        let records = [
            debian::vulnerability(RECIPE.debian - 1),
            debian::bulletin(RECIPE.bulletins - 1, RECIPE.debian),
            language::pysec(RECIPE.pysec - 1),
            language::pypi(RECIPE.pypi - 1),
            language::npm(RECIPE.npm - 1),
        ];
        let mut texts: Vec<Vec<u8>> =
            records.iter().map(|record| serde_json::to_vec(record).unwrap()).collect();
        texts.push(serde_json::to_vec(&nvd::vulnerability(2025, nvd::COUNT / 3 - 1)).unwrap());
        texts.push(regional::vulnerability(RECIPE.regional - 1).into_bytes());
        let digests: Vec<String> = texts.iter().map(|text| Digest::of(text).hex()[..16].to_owned()).collect();
        assert_eq!(
            digests,
            [
                "ac62c3de19398c8f",
                "9bfd5e7406c1e850",
                "041bba0ba2a1c549",
                "0411bd5ff4473f0d",
                "4e50c79b62173dfe",
                "80708bc5cc90ae38",
                "f5e22d05cacbc3b8",
            ]
        );
    }

    #[test]
    fn no_two_records_share_an_id() {
        let mut seen = std::collections::HashSet::new();
        let languages = (0..RECIPE.pysec).map(language::pysec).chain((0..RECIPE.pypi).map(language::pypi));
        for record in languages.chain((0..RECIPE.npm).map(language::npm)) {
            assert!(seen.insert(record.id.clone()), "{} twice", record.id);
        }
    }

    #[test]
    fn a_corpus_is_there_whole_or_not_at_all() {
        let parent = tempfile::tempdir().unwrap();
        let place = parent.path().join("corpus");
        fs::create_dir_all(place.join("Debian")).unwrap();
        fs::write(place.join("Debian/all.zip"), "half").unwrap();
        assert!(write_of(&place, SMALL, "another").is_err());
        assert!(Corpus::read_of(&place, SMALL_CONTENT).is_none(), "what is half written is none");
        write_of(&place, SMALL, SMALL_CONTENT).unwrap();
        assert!(Corpus::read_of(&place, SMALL_CONTENT).is_some());
        assert!(Corpus::read(&place).is_none(), "another recipe's corpus is none");
        fs::write(place.join("kept"), "").unwrap();
        write_of(&place, SMALL, SMALL_CONTENT).unwrap();
        assert!(place.join("kept").exists(), "what is there is not written again");
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1, "nothing half-made stays");
    }
}
