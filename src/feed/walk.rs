//! Where a feed's documents come from: a folder, an archive, or one file, each document as it is or compressed by gzip.

use std::{
    cell::Cell,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use super::{Error, queue::Queue};

/// Most bytes of one document: the largest OSV records have about 1 MB, a file of many records more.
const DOCUMENT_BYTES: u64 = 256 << 20;
/// Most bytes of all documents of one import.
const FEED_BYTES: u64 = 16 << 30;
/// Most bytes of a tar from one member to the next: long names are read whole.
const HEADER_BYTES: u64 = 1 << 20;
/// The widest window of a zstd archive, as `zstd --long=27` writes it: 128 MiB.
const WINDOW_LOG: u32 = 27;
/// How far into a document its form is looked for.
const HEAD_BYTES: usize = 4 << 10;
/// Most folders inside folders.
const FOLDER_DEPTH: usize = 16;

/// One file of a feed.
pub(super) struct Document {
    /// As messages name it.
    pub name: String,
    pub bytes: Vec<u8>,
}

impl Document {
    /// The beginning, enough to tell one form from another.
    pub(super) fn head(&self) -> &[u8] {
        let head = &self.bytes[..self.bytes.len().min(HEAD_BYTES)];
        head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start()
    }

    /// Whether `text` stands near the beginning. Of JSON, with its quotes: a quote inside a string has a backslash, so what
    /// a description says is never taken for a member.
    pub(super) fn mentions(&self, text: &str) -> bool {
        memchr::memmem::find(self.head(), text.as_bytes()).is_some()
    }

    /// Whether the name ends so, a `.gz` apart, in any case.
    pub(super) fn is_named(&self, end: &str) -> bool {
        let name = self.name.to_lowercase();
        name.strip_suffix(".gz").unwrap_or(&name).ends_with(end)
    }
}

/// Puts each document of `path` into `queue`, in the order of the archive or of the names; `other` gets the names of
/// files that hold no JSON, `read` how many more bytes were read, as stored. Stops early when nobody takes from the queue
/// any more.
pub(super) fn walk(
    path: &Path,
    queue: &Queue,
    other: &mut dyn FnMut(String),
    read: &dyn Fn(u64),
) -> Result<(), Error> {
    let mut feed = Feed { path: path.to_owned(), left_bytes: FEED_BYTES, queue, other, read };
    let io = |source| Error::Io { path: path.to_owned(), source };
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    if fs::metadata(path).map_err(io)?.is_dir() {
        feed.folder(path, 0).map(|_| ())
    } else if name.ends_with(".zip") {
        feed.zip(File::open(path).map_err(io)?)
    } else if let Some(packed) = tar_packed(&name) {
        feed.tar(File::open(path).map_err(io)?, packed)
    } else if is_document(&name) {
        let mut file = Counted { inner: File::open(path).map_err(io)?, read };
        feed.take(path.display().to_string(), &mut file).map(|_| ())
    } else {
        Err(Error::Form(path.to_owned()))
    }
}

/// How a tar is packed.
enum Packed {
    Plain,
    Gzip,
    Zstd,
}

fn tar_packed(name: &str) -> Option<Packed> {
    if name.ends_with(".tar.zst") {
        Some(Packed::Zstd)
    } else if name.ends_with(".tar.gz") || name.ends_with(".tgz") {
        Some(Packed::Gzip)
    } else {
        name.ends_with(".tar").then_some(Packed::Plain)
    }
}

/// Whether a file may be of a feed, by its name in lower case: all else in a repository of advisories is its own.
fn is_document(name: &str) -> bool {
    let name = name.strip_suffix(".gz").unwrap_or(name);
    [".json", ".jsonl", ".csv", ".xml", ".rdf", ".yml", ".yaml", ".md"].iter().any(|end| name.ends_with(end))
}

/// A reader that tells how far it is.
struct Counted<'a, R> {
    inner: R,
    read: &'a dyn Fn(u64),
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        (self.read)(count as u64);
        Ok(count)
    }
}

/// A reader that ends with an error after `left_bytes`.
struct Metered<'a, R> {
    inner: R,
    left_bytes: &'a Cell<u64>,
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.left_bytes.get();
        if left == 0 {
            return Err(io::Error::other(format!("over the limit `feed header bytes` of {HEADER_BYTES}")));
        }
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.inner.read(&mut buffer[..most])?;
        self.left_bytes.set(left - read as u64);
        Ok(read)
    }
}

struct Feed<'a> {
    path: PathBuf,
    left_bytes: u64,
    queue: &'a Queue,
    other: &'a mut dyn FnMut(String),
    read: &'a dyn Fn(u64),
}

impl Feed<'_> {
    fn take(&mut self, name: String, reader: &mut dyn Read) -> Result<bool, Error> {
        if !self.queue.wait_for_room() {
            return Ok(false);
        }
        let mut bytes = Vec::new();
        let mut inflated;
        let reader: &mut dyn Read = if name.to_lowercase().ends_with(".gz") {
            inflated = flate2::bufread::MultiGzDecoder::new(io::BufReader::with_capacity(128 << 10, reader));
            &mut inflated
        } else {
            reader
        };
        // Read to one byte past the limit: the sizes that archives state are not believed.
        let read = reader.take(DOCUMENT_BYTES + 1).read_to_end(&mut bytes);
        let size_bytes = read.map_err(|source| Error::Io { path: self.path.join(&name), source })? as u64;
        if size_bytes > DOCUMENT_BYTES {
            return Err(Error::Limit { what: name, limit: "feed document bytes", most: DOCUMENT_BYTES });
        }
        self.spend(size_bytes)?;
        self.queue.push(Document { name, bytes });
        Ok(true)
    }

    /// Reads over what is no document.
    fn pass(&mut self, reader: &mut dyn Read) -> Result<(), Error> {
        let read = io::copy(&mut reader.take(self.left_bytes + 1), &mut io::sink());
        self.spend(read.map_err(|source| Error::Io { path: self.path.clone(), source })?)
    }

    fn spend(&mut self, size_bytes: u64) -> Result<(), Error> {
        let limit =
            || Error::Limit { what: self.path.display().to_string(), limit: "feed bytes", most: FEED_BYTES };
        self.left_bytes = self.left_bytes.checked_sub(size_bytes).ok_or_else(limit)?;
        Ok(())
    }

    fn folder(&mut self, folder: &Path, depth: usize) -> Result<bool, Error> {
        let io = |source| Error::Io { path: folder.to_owned(), source };
        if depth > FOLDER_DEPTH {
            let what = folder.display().to_string();
            return Err(Error::Limit { what, limit: "feed folder depth", most: FOLDER_DEPTH as u64 });
        }
        let entries = fs::read_dir(folder).map_err(io)?.collect::<io::Result<Vec<_>>>().map_err(io)?;
        let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            let io = |source| Error::Io { path: path.clone(), source };
            let kind = fs::symlink_metadata(&path).map_err(io)?.file_type();
            let name = path.strip_prefix(&self.path).unwrap_or(&path).display().to_string();
            let go_on = if kind.is_dir() {
                self.folder(&path, depth + 1)?
            } else if kind.is_file() && is_document(&name.to_lowercase()) {
                let mut file = Counted { inner: File::open(&path).map_err(io)?, read: self.read };
                self.take(name, &mut file)?
            } else {
                (self.other)(name);
                true
            };
            if !go_on {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn tar(&mut self, file: File, packed: Packed) -> Result<(), Error> {
        let path = self.path.clone();
        let io = |source| Error::Io { path: path.clone(), source };
        let left_bytes = Cell::new(0);
        let file = Counted { inner: file, read: self.read };
        let inner: Box<dyn Read> = match packed {
            Packed::Plain => Box::new(file),
            Packed::Gzip => {
                Box::new(flate2::bufread::MultiGzDecoder::new(io::BufReader::with_capacity(128 << 10, file)))
            }
            Packed::Zstd => {
                let mut decoder = zstd::Decoder::new(file).map_err(io)?;
                decoder.window_log_max(WINDOW_LOG).map_err(io)?;
                Box::new(decoder)
            }
        };
        let reader = Metered { inner, left_bytes: &left_bytes };
        let mut archive = tar::Archive::new(reader);
        let mut entries = archive.entries().map_err(io)?;
        loop {
            left_bytes.set(HEADER_BYTES);
            let Some(entry) = entries.next() else { break };
            let mut entry = entry.map_err(io)?;
            left_bytes.set(u64::MAX); // the limits of documents hold here
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let kind = entry.header().entry_type();
            if !kind.is_file() || !is_document(&name.to_lowercase()) {
                self.pass(&mut entry)?;
                if !kind.is_dir() {
                    (self.other)(name);
                }
            } else if !self.take(name, &mut entry)? {
                break;
            }
        }
        Ok(())
    }

    fn zip(&mut self, file: File) -> Result<(), Error> {
        let path = self.path.clone();
        let io = |source: zip::result::ZipError| Error::Io { path: path.clone(), source: source.into() };
        let mut archive = zip::ZipArchive::new(file).map_err(io)?;
        for index in 0..archive.len() {
            let mut member = archive.by_index(index).map_err(io)?;
            let name = String::from_utf8_lossy(member.name_raw()).into_owned();
            if member.is_dir() {
                continue;
            }
            let size_bytes = member.compressed_size();
            if !is_document(&name.to_lowercase()) {
                (self.other)(name);
            } else if !self.take(name, &mut member)? {
                break;
            }
            (self.read)(size_bytes);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write as _, num::NonZeroUsize};

    use super::*;
    use crate::{advisory::Compiler, feed::Import};

    const RECORD: &[u8] =
        br#"{"id":"CVE-1","affected":[{"package":{"ecosystem":"npm","name":"a"},"versions":["1.0.0"]}]}"#;

    fn import(path: &Path) -> Result<(Vec<u8>, Vec<String>), Error> {
        let (mut compiler, mut import) = (Compiler::default(), Import::default());
        let outcomes = import.read(path, NonZeroUsize::new(2).unwrap(), &|_| ())?;
        assert_eq!((outcomes["osv"].read, outcomes["osv"].kept), (1, 1));
        import.compile(&mut compiler);
        let skipped =
            outcomes.into_values().flat_map(|outcome| outcome.named).map(|skipped| skipped.what).collect();
        Ok((compiler.to_bytes().unwrap(), skipped))
    }

    #[test]
    fn every_form_gives_the_same_advisories() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("feed/sub")).unwrap();
        fs::write(at("feed/sub/CVE-1.json"), RECORD).unwrap();
        fs::write(at("feed/README"), "words").unwrap();
        let mut tar =
            tar::Builder::new(zstd::Encoder::new(File::create(at("feed.tar.zst")).unwrap(), 0).unwrap());
        tar.append_dir_all("feed", at("feed")).unwrap();
        tar.into_inner().unwrap().finish().unwrap();
        let mut zip = zip::ZipWriter::new(File::create(at("feed.zip")).unwrap());
        for (name, bytes) in [("CVE-1.json", RECORD), ("README", b"words")] {
            zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap();
        let (want, skipped) = import(&at("feed")).unwrap();
        assert_eq!(skipped, ["README"]);
        let gzip = || flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let mut tar = tar::Builder::new(gzip());
        tar.append_dir_all("feed", at("feed")).unwrap();
        fs::write(at("feed.tgz"), tar.into_inner().unwrap().finish().unwrap()).unwrap();
        let mut tar = tar::Builder::new(File::create(at("feed.tar")).unwrap());
        tar.append_dir_all("feed", at("feed")).unwrap();
        tar.finish().unwrap();
        let mut document = gzip();
        document.write_all(RECORD).unwrap();
        fs::write(at("CVE-1.json.gz"), document.finish().unwrap()).unwrap();
        for form in
            ["feed.tar.zst", "feed.tgz", "feed.tar", "feed.zip", "feed/sub/CVE-1.json", "CVE-1.json.gz"]
        {
            assert_eq!(import(&at(form)).unwrap().0, want, "{form}");
        }
        let whole = fs::read(at("feed.tar.zst")).unwrap();
        fs::write(at("cut.tar.zst"), &whole[..whole.len() / 2]).unwrap();
        let mut tar =
            tar::Builder::new(zstd::Encoder::new(File::create(at("name.tar.zst")).unwrap(), 0).unwrap());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::GNULongName);
        header.set_size(HEADER_BYTES);
        tar.append_data(&mut header, "x", io::repeat(b'a').take(HEADER_BYTES)).unwrap();
        tar.into_inner().unwrap().finish().unwrap();
        let long = import(&at("name.tar.zst")).unwrap_err().to_string();
        assert!(long.contains("feed header bytes"), "{long}");
        assert!(matches!(import(&at("cut.tar.zst")), Err(Error::Io { .. })));
        assert!(matches!(import(&at("feed/README")), Err(Error::Form(_))));
        assert!(matches!(import(&at("none")), Err(Error::Io { .. })));
    }
}
