//! FEED_MERGE: OSV archives to the compiled advisory file, the whole process.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufReader},
    ops::Range,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Instant,
};

use serde::de::IgnoredAny;
use zip::{CompressionMethod, ZipArchive};

use super::{Ground, Measurement, Sample, Subject};
use crate::{
    Failure,
    corpus::{self, Corpus},
};

/// How many threads the floor takes.
const THREADS: usize = 2;

/// `stella feeds import` of the whole corpus into a file that is not there.
pub struct Merge {
    stella: PathBuf,
    corpus: Corpus,
    advisories: PathBuf,
    /// Of the file that was found to hold the corpus.
    size_bytes: u64,
    floor: Archives,
}

impl Merge {
    /// Imports once, and looks into the file.
    pub fn open(ground: &Ground) -> Result<Self, Failure> {
        let corpus = Corpus::read(&ground.corpus()?).ok_or("the corpus is not there")?;
        let mut merge = Self {
            stella: ground.stella.clone(),
            floor: Archives::open(corpus.paths())?,
            corpus,
            advisories: ground.directory("feeds")?.join("advisories"),
            size_bytes: 0,
        };
        let floor_bytes = merge.floor.read()?;
        if floor_bytes != merge.corpus.size_bytes() {
            let want = merge.corpus.size_bytes();
            return Err(format!("the floor reads {floor_bytes} bytes of the corpus's {want}").into());
        }
        merge.import()?;
        merge.size_bytes = fs::metadata(&merge.advisories)?.len();
        let (found, want) = (status(&merge.stella, &merge.advisories)?, merge.corpus.feeds());
        if found != want {
            return Err(format!("the corpus has {want:?}, imported are {found:?}").into());
        }
        Ok(merge)
    }

    fn import(&self) -> Result<crate::process::Ended, Failure> {
        match fs::remove_file(&self.advisories) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let ended = corpus::import(&self.stella, self.corpus.paths(), &self.advisories)?;
        if !ended.status.success() {
            return Err(format!("the import ended with {}:\n{}", ended.status, ended.said).into());
        }
        Ok(ended)
    }
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
        let ecosystems: Vec<&str> = self.corpus.ecosystems().collect();
        Subject {
            variant: None,
            source: format!(
                "{}: {} records, seeded; {}",
                corpus::directory_name(),
                self.corpus.records(),
                ecosystems.join(", ")
            ),
            diff_ids: Vec::new(),
            floor: "every record inflated and skipped through as JSON, two threads".into(),
        }
    }

    fn take(&mut self) -> Result<Vec<Sample>, Failure> {
        let ended = self.import()?;
        let size_bytes = fs::metadata(&self.advisories)?.len();
        if size_bytes != self.size_bytes {
            return Err(format!("the import wrote {size_bytes} bytes, the first {}", self.size_bytes).into());
        }
        let start = Instant::now();
        self.floor.read()?;
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
            ("records", self.corpus.records() as f64),
            ("bytes", self.corpus.size_bytes() as f64),
            ("advisories_bytes", self.size_bytes as f64),
        ]
    }
}

/// The floor: archives whose members are known beforehand, so that it reads them and nothing else.
struct Archives {
    paths: Vec<PathBuf>,
    /// Largest first, to be dealt out.
    members: Vec<Member>,
}

struct Member {
    archive: usize,
    /// The deflate stream's place in the archive.
    stored: Range<usize>,
    size_bytes: usize,
}

impl Archives {
    fn open(paths: impl Iterator<Item = PathBuf>) -> Result<Self, Failure> {
        let paths: Vec<PathBuf> = paths.collect();
        let mut members = Vec::new();
        for (archive, path) in paths.iter().enumerate() {
            let mut zip = ZipArchive::new(BufReader::new(File::open(path)?))?;
            for index in 0..zip.len() {
                let member = zip.by_index_raw(index)?;
                if member.compression() != CompressionMethod::Deflated {
                    return Err(format!("{}: a member is not deflated", path.display()).into());
                }
                let start = usize::try_from(member.data_start().ok_or("a member without a place")?)?;
                let stored = start..start + usize::try_from(member.compressed_size())?;
                members.push(Member { archive, stored, size_bytes: usize::try_from(member.size())? });
            }
        }
        members.sort_by_key(|member| std::cmp::Reverse(member.size_bytes));
        Ok(Self { paths, members })
    }

    /// Reads everything; gives the bytes inflated.
    fn read(&self) -> Result<u64, Failure> {
        let archives = self.paths.iter().map(fs::read).collect::<Result<Vec<_>, _>>()?;
        let next = AtomicUsize::new(0);
        let work = || {
            let (mut inflater, mut text) = (libdeflater::Decompressor::new(), Vec::new());
            let mut read_bytes = 0;
            while let Some(member) = self.members.get(next.fetch_add(1, Ordering::Relaxed)) {
                let stored =
                    archives[member.archive].get(member.stored.clone()).ok_or("an archive was cut")?;
                text.resize(member.size_bytes, 0);
                let size_bytes = inflater.deflate_decompress(stored, &mut text)?;
                serde_json::from_slice::<IgnoredAny>(&text[..size_bytes])?;
                read_bytes += size_bytes as u64;
            }
            Ok::<u64, Failure>(read_bytes)
        };
        thread::scope(|scope| {
            let others: Vec<_> = (1..THREADS).map(|_| scope.spawn(work)).collect();
            let mut read_bytes = work()?;
            for other in others {
                read_bytes += other.join().map_err(|_| "a thread of the floor panicked")??;
            }
            Ok(read_bytes)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use zip::{ZipWriter, write::SimpleFileOptions};

    use super::*;

    #[test]
    fn the_program_says_what_each_feed_has() {
        let text = "snapshot sha256:00\nDebian:12      32810 records, newest 2025-12-28T23:23:11Z\n\
                    npm   7 records, newest 2025-12-28T22:30:59Z, 1 not understood in part\n";
        assert_eq!(feeds(text), BTreeMap::from([("Debian:12".to_owned(), 32_810), ("npm".to_owned(), 7)]));
    }

    #[test]
    fn the_floor_reads_every_byte_and_all_json() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, texts: &[&str]| {
            let path = directory.path().join(name);
            let mut zip = ZipWriter::new(File::create(&path).unwrap());
            for (index, text) in texts.iter().enumerate() {
                zip.start_file(format!("{index}.json"), SimpleFileOptions::default()).unwrap();
                zip.write_all(text.as_bytes()).unwrap();
            }
            zip.finish().unwrap();
            path
        };
        let read = |paths: Vec<PathBuf>| Archives::open(paths.into_iter()).unwrap().read();
        let good = write("a.zip", &[r#"{"id":"a"}"#, "[1, 2]", "{}"]);
        assert_eq!(read(vec![good.clone(), write("b.zip", &["[]"])]).unwrap(), 20);
        assert!(read(vec![good, write("c.zip", &["{"])]).is_err(), "a broken record is no floor");
    }
}
