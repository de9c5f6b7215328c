//! The documents of feeds, inflated and handed over on two threads: what the floor parses, and what records are taken from.
//!
//! | form | how |
//! | --- | --- |
//! | `.zip` | every member by itself, libdeflate, whole |
//! | `.tar`, `.tar.gz`, `.tar.zst` | one thread, member after member |
//! | `.gz` | libdeflate, whole |
//! | folder | every file in it |

use std::{
    fs::{self, File},
    hint,
    io::{self, BufReader, Cursor, Read},
    ops::Range,
    path::{Path, PathBuf},
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use quick_xml::{Reader, events::Event};
use rustix::fs::{Advice, fadvise};
use serde::de::IgnoredAny;
use stella::digest::Digest;
use zip::{CompressionMethod, ZipArchive};

use crate::{Failure, floor::inflate};

/// How many threads take documents.
const THREADS: usize = 2;
/// As `zstd --long=27` writes it.
const WINDOW_LOG: u32 = 27;

/// Files whose members are known beforehand, so that they are read and nothing else.
pub struct Documents {
    paths: Vec<PathBuf>,
    /// Largest first, to be dealt out.
    parts: Vec<Part>,
}

/// What one thread takes at once.
struct Part {
    /// Which of the files.
    file: usize,
    /// Where in it.
    place: Range<usize>,
    name: String,
    form: Form,
}

#[derive(Clone, Copy)]
enum Form {
    Stored,
    Deflated { size_bytes: usize },
    Tar,
}

/// Takes a document, by its name without `.gz`.
pub trait Visit: Fn(&str, &[u8]) -> Result<(), Failure> + Sync {}
impl<F: Fn(&str, &[u8]) -> Result<(), Failure> + Sync> Visit for F {}

/// Bytes of a file, read by the thread that is first to need them.
type Bytes = OnceLock<io::Result<Vec<u8>>>;

impl Documents {
    /// Looks for the documents of `paths`: files, archives and folders.
    pub fn open(paths: impl IntoIterator<Item = PathBuf>) -> Result<Self, Failure> {
        let mut documents = Self { paths: Vec::new(), parts: Vec::new() };
        for path in paths {
            documents.add(path)?;
        }
        documents.parts.sort_by_key(|part| std::cmp::Reverse(part.place.len()));
        Ok(documents)
    }

    fn add(&mut self, path: PathBuf) -> Result<(), Failure> {
        let data = fs::metadata(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let name = path.display().to_string();
        if data.is_dir() {
            for entry in sorted(&path)? {
                if entry.is_dir() || is_document(&entry.display().to_string()) {
                    self.add(entry)?;
                }
            }
        } else if name.to_lowercase().ends_with(".zip") {
            self.add_members(path)?;
        } else {
            let form = if is_tar(&name) { Form::Tar } else { Form::Stored };
            let place = 0..usize::try_from(data.len())?;
            self.parts.push(Part { file: self.paths.len(), place, name, form });
            self.paths.push(path);
        }
        Ok(())
    }

    fn add_members(&mut self, path: PathBuf) -> Result<(), Failure> {
        let mut zip = ZipArchive::new(BufReader::new(File::open(&path)?))?;
        for index in 0..zip.len() {
            let member = zip.by_index_raw(index)?;
            let name = String::from_utf8_lossy(member.name_raw()).into_owned();
            if member.is_dir() || !is_document(&name) {
                continue;
            }
            let form = match member.compression() {
                CompressionMethod::Deflated => Form::Deflated { size_bytes: usize::try_from(member.size())? },
                CompressionMethod::Stored => Form::Stored,
                other => return Err(format!("{}: a member is packed as {other}", path.display()).into()),
            };
            let start = usize::try_from(member.data_start().ok_or("a member without a place")?)?;
            let place = start..start + usize::try_from(member.compressed_size())?;
            self.parts.push(Part { file: self.paths.len(), place, name, form });
        }
        self.paths.push(path);
        Ok(())
    }

    /// Bytes of the files as they are stored.
    pub fn stored_bytes(&self) -> Result<u64, Failure> {
        self.paths.iter().map(|path| Ok::<_, Failure>(fs::metadata(path)?.len())).sum()
    }

    /// Digest of every file's name below `directory`, and of its content.
    pub fn digest(&self, directory: &Path) -> Result<Digest, Failure> {
        let mut names = String::new();
        for path in &self.paths {
            let name = path.strip_prefix(directory).unwrap_or(path).display();
            names.push_str(&format!("{name}\0{}\n", Digest::of(&fs::read(path)?)));
        }
        Ok(Digest::of(names.as_bytes()))
    }

    /// Asks the kernel to drop the files from its page cache. Nobody's rights are needed for it; what lies in memory anyway,
    /// as on tmpfs, stays.
    pub fn chill(&self) -> Result<(), Failure> {
        for path in &self.paths {
            fadvise(File::open(path)?, 0, None, Advice::DontNeed)?;
        }
        Ok(())
    }

    /// Hands every document to `visit`, on two threads and in no order; gives the bytes of them all.
    pub fn each(&self, visit: &impl Visit) -> Result<u64, Failure> {
        let files: Vec<Bytes> = self.paths.iter().map(|_| Bytes::new()).collect();
        let next = AtomicUsize::new(0);
        let work = || {
            let (mut inflater, mut text) = (libdeflater::Decompressor::new(), Vec::new());
            let mut read_bytes = 0;
            while let Some(part) = self.parts.get(next.fetch_add(1, Ordering::Relaxed)) {
                let path = &self.paths[part.file];
                let named = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
                let bytes = files[part.file].get_or_init(|| fs::read(path));
                let bytes = bytes.as_ref().map_err(|error| named(error))?;
                let stored = bytes.get(part.place.clone()).ok_or_else(|| named(&"it was cut"))?;
                read_bytes += match part.form {
                    Form::Stored => document(&part.name, stored, visit),
                    Form::Deflated { size_bytes } => {
                        text.resize(size_bytes, 0);
                        let size_bytes = inflater.deflate_decompress(stored, &mut text)?;
                        document(&part.name, &text[..size_bytes], visit)
                    }
                    Form::Tar => tar(&part.name, stored, visit),
                }
                .map_err(|error| named(&error))?;
            }
            Ok::<u64, Failure>(read_bytes)
        };
        thread::scope(|scope| {
            let others: Vec<_> = (1..THREADS).map(|_| scope.spawn(work)).collect();
            let mut read_bytes = work()?;
            for other in others {
                read_bytes += other.join().map_err(|_| "a thread that reads documents panicked")??;
            }
            Ok(read_bytes)
        })
    }
}

fn document(name: &str, bytes: &[u8], visit: &impl Visit) -> Result<u64, Failure> {
    let Some(inner) = name.strip_suffix(".gz") else {
        visit(name, bytes)?;
        return Ok(bytes.len() as u64);
    };
    let text = unpacked(bytes)?;
    visit(inner, &text)?;
    Ok(text.len() as u64)
}

fn unpacked(gzip: &[u8]) -> io::Result<Vec<u8>> {
    inflate(gzip).map_or_else(
        || {
            let mut text = Vec::new();
            flate2::read::MultiGzDecoder::new(gzip).read_to_end(&mut text).map(|_| text)
        },
        Ok,
    )
}

fn tar(name: &str, bytes: &[u8], visit: &impl Visit) -> Result<u64, Failure> {
    let reader: Box<dyn Read + '_> = if name.to_lowercase().ends_with(".zst") {
        let mut decoder = zstd::Decoder::new(bytes)?;
        decoder.window_log_max(WINDOW_LOG)?;
        Box::new(decoder)
    } else if name.to_lowercase().ends_with("gz") {
        Box::new(Cursor::new(unpacked(bytes)?))
    } else {
        Box::new(bytes)
    };
    let mut archive = tar::Archive::new(BufReader::with_capacity(128 << 10, reader));
    let (mut text, mut read_bytes) = (Vec::new(), 0);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if entry.header().entry_type().is_file() && is_document(&name) {
            text.clear();
            entry.read_to_end(&mut text)?;
            read_bytes += document(&name, &text, visit)?;
        }
    }
    Ok(read_bytes)
}

/// Parses a document and keeps nothing: JSON is skipped through, XML is read event by event, all else line by line.
pub fn parse(name: &str, bytes: &[u8]) -> Result<(), Failure> {
    let json = |text: &[u8]| {
        serde_json::from_slice::<IgnoredAny>(text).map(|_| ()).map_err(|error| format!("{name}: {error}"))
    };
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let lines = || bytes.split(|byte| *byte == b'\n');
    match Path::new(&name.to_lowercase()).extension().and_then(|end| end.to_str()) {
        Some("json") => json(bytes)?,
        Some("jsonl") => lines().filter(|line| !line.trim_ascii().is_empty()).try_for_each(json)?,
        Some("xml" | "rdf") => {
            let mut reader = Reader::from_reader(bytes);
            while reader.read_event().map_err(|error| format!("{name}: {error}"))? != Event::Eof {}
        }
        _ => drop(hint::black_box(lines().count())),
    }
    Ok(())
}

/// Whether a file may be of a feed, by its name: what else is in a repository of advisories, no import reads.
pub fn is_document(name: &str) -> bool {
    let name = name.to_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    [".json", ".jsonl", ".csv", ".xml", ".rdf", ".yml", ".yaml"].iter().any(|end| name.ends_with(end))
}

/// Whether a file is an archive of documents.
pub fn is_archive(name: &str) -> bool {
    is_tar(name) || name.to_lowercase().ends_with(".zip")
}

fn is_tar(name: &str) -> bool {
    [".tar", ".tar.gz", ".tgz", ".tar.zst"].iter().any(|end| name.to_lowercase().ends_with(end))
}

/// What is in a folder, by name.
pub fn sorted(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let named = |error: io::Error| format!("{}: {error}", folder.display());
    let entries = fs::read_dir(folder).map_err(named)?.collect::<io::Result<Vec<_>>>().map_err(named)?;
    let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use std::{io::Write as _, sync::Mutex};

    use zip::{ZipWriter, write::SimpleFileOptions};

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, bytes) in members {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            tar.append_data(&mut header, name, *bytes).unwrap();
        }
        tar.into_inner().unwrap()
    }

    #[test]
    fn documents_of_every_form_are_handed_over_once() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let members: [(&str, &[u8]); 3] =
            [("a.json", b"[1]"), ("b.csv.gz", &gzip(b"x,y\n")), ("README", b"words")];
        let mut zip = ZipWriter::new(File::create(at("0.zip")).unwrap());
        for (name, bytes) in members {
            zip.start_file(name, SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap();
        let plain = tar(&members);
        fs::write(at("1.tar"), &plain).unwrap();
        fs::write(at("2.tgz"), gzip(&plain)).unwrap();
        fs::write(at("3.tar.zst"), zstd::encode_all(&plain[..], 1).unwrap()).unwrap();
        fs::create_dir_all(at("4/in")).unwrap();
        for (name, bytes) in members {
            fs::write(at("4/in").join(name), bytes).unwrap();
        }
        let documents = Documents::open(sorted(directory.path()).unwrap()).unwrap();
        documents.chill().unwrap();
        let seen = Mutex::new(Vec::new());
        let visit = |name: &str, bytes: &[u8]| {
            let name = name.rsplit('/').next().unwrap().to_owned();
            seen.lock().unwrap().push((name, bytes.to_vec()));
            Ok(())
        };
        assert_eq!(documents.each(&visit).unwrap(), 5 * 7);
        let mut seen = seen.into_inner().unwrap();
        seen.sort();
        let (a, b) = (("a.json".to_owned(), b"[1]".to_vec()), ("b.csv".to_owned(), b"x,y\n".to_vec()));
        assert_eq!(seen, [vec![a; 5], vec![b; 5]].concat());
    }

    #[test]
    fn what_is_broken_is_no_floor() {
        for (name, right, wrong) in [
            ("a.json", "{\"a\":[1]}", "{"),
            ("a.jsonl", "{}\n\n[]\n", "{}\n{\n"),
            ("A.XML", "<?xml version=\"1.0\"?><a><b c=\"d\"/></a>", "<a></b>"),
        ] {
            parse(name, right.as_bytes()).unwrap();
            let error = parse(name, wrong.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with(name), "{error}");
        }
        parse("a.csv", b"x\ny").unwrap();
    }
}
