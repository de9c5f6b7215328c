//! Where a feed's documents come from: a folder, an archive, or one file, each document as it is or compressed by gzip.

use std::{
    cell::Cell,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use memchr::memmem;

use super::{Cut, Error, queue::Queue, source_of};

/// A document of more is read in pieces of about so many bytes, where its source says how to cut it.
const PIECE_BYTES: u64 = 8 << 20;
/// Most bytes of one document that is not cut, and of one piece of another: the largest OSV records have about 1 MB, a file
/// of many records more.
const DOCUMENT_BYTES: u64 = 256 << 20;
/// Most bytes of all documents of one import.
const FEED_BYTES: u64 = 16 << 30;
/// Most bytes of a tar from one member to the next: long names are read whole.
const HEADER_BYTES: u64 = 1 << 20;
/// What a tar is made of.
const TAR_BLOCK_BYTES: u64 = 512;
/// The widest window of a zstd archive, as `zstd --long=27` writes it: 128 MiB.
const WINDOW_LOG: u32 = 27;
/// How far into a document its form is looked for.
const HEAD_BYTES: usize = 4 << 10;
/// Most folders inside folders.
const FOLDER_DEPTH: usize = 16;

/// One file of a feed, or a piece of a large one: its beginning up to the first record, some records, its end.
pub(super) struct Document {
    /// As messages name it.
    pub name: String,
    pub bytes: Vec<u8>,
    /// How many bytes of the file are left out between its beginning and the first record here.
    pub offset: u64,
}

impl Document {
    /// The beginning, enough to tell one form from another.
    pub(super) fn head(&self) -> &[u8] {
        let head = self.start();
        head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start()
    }

    fn start(&self) -> &[u8] {
        &self.bytes[..self.bytes.len().min(HEAD_BYTES)]
    }

    /// Whether `text` stands near the beginning. Of JSON, with its quotes: a quote inside a string has a backslash, so what
    /// a description says is never taken for a member.
    pub(super) fn mentions(&self, text: &str) -> bool {
        memmem::find(self.head(), text.as_bytes()).is_some()
    }

    /// Whether it says of itself that it is a JSON Schema.
    pub(super) fn is_schema(&self) -> bool {
        let member = &b"\"$schema\""[..];
        let after = memmem::find(self.head(), member).map(|at| &self.head()[at + member.len()..]);
        let value = after.and_then(|after| after.trim_ascii_start().strip_prefix(b":"));
        value.is_some_and(|value| {
            let is = |start: &[u8]| value.trim_ascii_start().starts_with(start);
            is(b"\"http://json-schema.org/") || is(b"\"https://json-schema.org/")
        })
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
    let left_bytes = FEED_BYTES;
    let mut feed = Feed { path: path.to_owned(), left_bytes, piece_bytes: PIECE_BYTES, queue, other, read };
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

/// A reader that ends with an error after `left_bytes`, and counts how many zeros it gave last.
struct Metered<'a, R> {
    inner: R,
    left_bytes: &'a Cell<u64>,
    zeros: &'a Cell<u64>,
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
        let zeros = buffer[..read].iter().rev().take_while(|byte| **byte == 0).count();
        self.zeros.set(zeros as u64 + if zeros == read { self.zeros.get() } else { 0 });
        Ok(read)
    }
}

struct Feed<'a> {
    path: PathBuf,
    left_bytes: u64,
    /// What is read of a document before it is cut, and about what each piece of it has.
    piece_bytes: u64,
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
        self.read_more(&name, reader, self.piece_bytes, &mut bytes)?;
        let mut document = Document { name, bytes, offset: 0 };
        if document.bytes.len() as u64 == self.piece_bytes {
            let cut = source_of(&document).and_then(|source| source.cut(&document));
            let first = cut.as_ref().and_then(|cut| memmem::find(document.start(), cut.record.as_bytes()));
            if let (Some(cut), Some(first)) = (cut, first) {
                return self.pieces(document, &cut, first, reader);
            }
            self.read_more(&document.name, reader, DOCUMENT_BYTES, &mut document.bytes)?;
        }
        self.queue.push(document);
        Ok(true)
    }

    /// Puts `document` into the queue piece by piece; its first record begins at `first`.
    fn pieces(
        &mut self,
        mut document: Document,
        cut: &Cut,
        first: usize,
        reader: &mut dyn Read,
    ) -> Result<bool, Error> {
        let head = document.bytes[..first].to_vec();
        let record = memmem::FinderRev::new(cut.record);
        loop {
            // The last record here is the next piece's first; one that is longer than a piece makes a longer piece.
            let last = record.rfind(&document.bytes[first + 1..]).map(|at| first + 1 + at);
            let Some(last) = last else {
                if self.read_more(&document.name, reader, self.piece_bytes, &mut document.bytes)? > 0 {
                    continue;
                }
                self.queue.push(document);
                return Ok(true);
            };
            let mut bytes = Vec::with_capacity(document.bytes.len() + first);
            bytes.extend_from_slice(&head);
            bytes.extend_from_slice(&document.bytes[last..]);
            if self.read_more(&document.name, reader, self.piece_bytes, &mut bytes)? == 0 {
                self.queue.push(document);
                return Ok(true);
            }
            document.bytes.truncate(last);
            while document.bytes.pop_if(|byte| byte.is_ascii_whitespace() || *byte == b',').is_some() {}
            document.bytes.extend_from_slice(cut.close.as_bytes());
            let (name, offset) = (document.name.clone(), document.offset + (last - first) as u64);
            self.queue.push(document);
            if !self.queue.wait_for_room() {
                return Ok(false);
            }
            document = Document { name, bytes, offset };
        }
    }

    /// Reads up to `most` bytes more of the document `name`, and says how many there were.
    fn read_more(
        &mut self,
        name: &str,
        reader: &mut dyn Read,
        most: u64,
        bytes: &mut Vec<u8>,
    ) -> Result<u64, Error> {
        // The sizes that archives state are not believed.
        let read = reader.take(most).read_to_end(bytes);
        let read = read.map_err(|source| Error::Io { path: self.path.join(name), source })? as u64;
        self.spend(read)?;
        if bytes.len() as u64 > DOCUMENT_BYTES {
            return Err(Error::Limit {
                what: name.to_owned(),
                limit: "feed document bytes",
                most: DOCUMENT_BYTES,
            });
        }
        Ok(read)
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
        paths.sort_unstable();
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
        let (left_bytes, zeros) = (Cell::new(0), Cell::new(0));
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
        let reader = Metered { inner, left_bytes: &left_bytes, zeros: &zeros };
        let mut archive = tar::Archive::new(reader);
        let mut entries = archive.entries().map_err(io)?;
        loop {
            left_bytes.set(HEADER_BYTES);
            zeros.set(0); // what fills up the member before has less than a block
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
                return Ok(());
            }
        }
        // The end is marked by two blocks of zeros (POSIX pax, "ustar Interchange Format"), and a tar that is cut between two
        // members has none. One will do: behind it there is no member, as other programs read it too.
        if zeros.get() < TAR_BLOCK_BYTES {
            let why = "its end is not marked: it is cut";
            return Err(io(io::Error::new(io::ErrorKind::UnexpectedEof, why)));
        }
        // A tar says itself where it ends, but its checksum stands behind that, and is looked at by whoever reads so far.
        left_bytes.set(u64::MAX);
        self.pass(&mut archive.into_inner())
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
    use crate::{
        advisory::Compiler,
        feed::{self, Import, Memory},
    };

    const RECORD: &[u8] =
        br#"{"id":"CVE-1","affected":[{"package":{"ecosystem":"npm","name":"a"},"versions":["1.0.0"]}]}"#;

    fn import(path: &Path) -> Result<(Vec<u8>, Vec<String>), Error> {
        let memory = Memory::default();
        let (mut compiler, mut import) = (Compiler::default(), Import::new(&memory));
        let part = feed::read(path, NonZeroUsize::new(2).unwrap(), &memory, &|_| ())?;
        let outcomes = part.outcomes.clone();
        import.add(path, part, None)?;
        assert_eq!((outcomes["osv"].read, outcomes["osv"].kept), (1, 1));
        import.compile(&mut compiler);
        let skipped = outcomes.into_values().flat_map(|outcome| outcome.named).flat_map(|(_, named)| named);
        let skipped = skipped.map(|skipped| skipped.what).collect();
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
        for (form, cut) in [("feed.tar.zst", "cut.tar.zst"), ("feed.tgz", "cut.tgz")] {
            let whole = fs::read(at(form)).unwrap();
            for size in [whole.len() / 2, whole.len() - 1] {
                fs::write(at(cut), &whole[..size]).unwrap();
                assert!(matches!(import(&at(cut)), Err(Error::Io { .. })), "{cut}, {size} bytes");
            }
        }
        // Between two members, where nothing else tells that it is cut; the directories come first.
        let whole = fs::read(at("feed.tar")).unwrap();
        assert!(whole[whole.len() - 1024..].iter().all(|byte| *byte == 0));
        for (size, is_whole) in [(1536, false), (1024, false), (513, false), (512, true), (0, true)] {
            fs::write(at("cut.tar"), &whole[..whole.len() - size]).unwrap();
            assert_eq!(import(&at("cut.tar")).is_ok(), is_whole, "{size} bytes less");
        }
        // Others write whole records of 10,240 bytes.
        fs::write(at("long.tar"), [&whole[..], &[0; 9216]].concat()).unwrap();
        assert_eq!(import(&at("long.tar")).unwrap().0, want);
        let mut tar =
            tar::Builder::new(zstd::Encoder::new(File::create(at("name.tar.zst")).unwrap(), 0).unwrap());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::GNULongName);
        header.set_size(HEADER_BYTES);
        tar.append_data(&mut header, "x", io::repeat(b'a').take(HEADER_BYTES)).unwrap();
        tar.into_inner().unwrap().finish().unwrap();
        let long = import(&at("name.tar.zst")).unwrap_err().to_string();
        assert!(long.contains("feed header bytes"), "{long}");
        assert!(matches!(import(&at("feed/README")), Err(Error::Form(_))));
        assert!(matches!(import(&at("none")), Err(Error::Io { .. })));
    }

    #[test]
    fn a_large_document_is_read_in_pieces_of_its_form() {
        let head = "\u{feff}<?xml version='1.0'?>\n<vulnerabilities>\n";
        let record = |index: usize| {
            format!("<vul><identifier>BDU:{index}</identifier><a>{}</a></vul>\n", "b".repeat(index * 7))
        };
        let records: String = (0..30).map(record).collect();
        let whole = format!("{head}{records}</vulnerabilities>\n");
        for piece_bytes in [80, 100, 333, 1000, whole.len() as u64, whole.len() as u64 + 1] {
            let queue = Queue::default();
            let (path, left_bytes) = (PathBuf::new(), FEED_BYTES);
            let mut feed =
                Feed { path, left_bytes, piece_bytes, queue: &queue, other: &mut |_| (), read: &|_| () };
            assert!(feed.take("export.xml".into(), &mut whole.as_bytes()).unwrap());
            assert_eq!(feed.left_bytes, FEED_BYTES - whole.len() as u64);
            queue.close();
            let (mut pieces, mut joined) = (0, head.to_owned());
            while queue.next(|piece| {
                pieces += 1;
                let text = str::from_utf8(&piece.bytes).unwrap();
                let records =
                    text.strip_prefix(head).unwrap().trim_end().strip_suffix("</vulnerabilities>").unwrap();
                assert!(records.starts_with("<vul>") && records.trim_end().ends_with("</vul>"), "{text}");
                let offset = usize::try_from(piece.offset).unwrap();
                assert!(whole[head.len() + offset..].starts_with(records), "{offset} {text}");
                joined.push_str(records.trim_end());
                joined.push('\n');
            }) {}
            assert_eq!(format!("{joined}</vulnerabilities>\n"), whole);
            assert_eq!(pieces > 1, piece_bytes < whole.len() as u64, "{piece_bytes}");
        }
    }
}
