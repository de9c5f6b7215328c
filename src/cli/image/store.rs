//! Where the documents and blobs of an image lie: a directory, a tar or a registry. Nothing is unpacked.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::Arc,
};

use stella::{
    digest::Digest,
    layer::tar::{self, Source},
};

use super::{
    Error, Place,
    members::{Kind, Member, Members},
    registry::Repository,
};

/// `document size`: bytes of one index, manifest or config.
pub(super) const MOST_DOCUMENT_BYTES: u64 = 4 << 20;

/// Links from member to member before it must be a ring.
const MOST_LINKS: usize = 8;

/// A place that holds files by name.
#[derive(Debug)]
pub(super) enum Store {
    /// A directory.
    Directory(PathBuf),
    /// An uncompressed tar, its members found once.
    Archive {
        /// Of the file.
        path: PathBuf,
        /// Shared by all readers, which read at their own offsets.
        file: Arc<File>,
        /// By path.
        members: BTreeMap<String, Member>,
    },
    /// A repository of a registry: documents and blobs by digest, and no other name.
    Registry(Box<Repository>),
}

impl Store {
    /// Finds the members of the tar at `path`.
    pub fn archive(path: &Path) -> Result<Self, Error> {
        let place = path.display().to_string();
        let failed = |source| Error::Read { name: "the file".to_owned(), place: place.clone(), source };
        let mut file = regular(path, "the file", &place)?;
        let mut magic = [0; 6];
        let count = file.read(&mut magic).map_err(failed)?;
        file.rewind().map_err(failed)?;
        if let Some(how) = compression(&magic[..count]) {
            return Err(Error::Compressed { path: path.to_owned(), how });
        }
        let size_bytes = file.metadata().map_err(failed)?.len();
        let mut walk = Members::new(Seeking { file, size_bytes }, place);
        let mut members = BTreeMap::new();
        loop {
            match walk.next() {
                Ok(Some(member)) => _ = members.insert(member.path.clone(), member),
                Ok(None) => break,
                // Not even one header: some other kind of file.
                Err(Error::Archive {
                    source: tar::Error::Checksum { .. } | tar::Error::Field { .. } | tar::Error::Io(_),
                    ..
                }) if members.is_empty() => {
                    return Err(Error::NoArchive { path: path.to_owned() });
                }
                Err(error) => return Err(error),
            }
        }
        let file = Arc::new(regular(path, "the file", &path.display().to_string())?);
        Ok(Self::Archive { path: path.to_owned(), file, members })
    }

    /// How messages name it.
    pub fn place(&self) -> String {
        match self {
            Self::Directory(path) | Self::Archive { path, .. } => path.display().to_string(),
            Self::Registry(repository) => repository.place(),
        }
    }

    /// Whether a file of this name is there.
    pub fn has(&self, name: &str) -> bool {
        match self {
            Self::Directory(root) => root.join(name).exists(),
            Self::Archive { members, .. } => members.contains_key(name),
            Self::Registry(_) => false,
        }
    }

    /// Whether the manifest or index of this digest is there.
    pub fn holds_manifest(&self, digest: Digest) -> Result<bool, Error> {
        match self {
            Self::Registry(repository) => Ok(repository.holds_manifest(digest)?),
            _ => Ok(self.has(&blob_name(digest))),
        }
    }

    /// Whether the blob of this digest is there.
    pub fn holds_blob(&self, digest: Digest) -> Result<bool, Error> {
        match self {
            Self::Registry(repository) => Ok(repository.holds_blob(digest)?),
            _ => Ok(self.has(&blob_name(digest))),
        }
    }

    /// Opens a file by its name. The reader does no buffering of its own.
    pub fn open(&self, name: &str) -> Result<(Box<dyn Read + Send>, u64), Error> {
        let place = self.place();
        match self {
            Self::Directory(root) => {
                let file = regular(&root.join(name), name, &place)?;
                let size =
                    file.metadata().map_err(|source| Error::Read { name: name.to_owned(), place, source });
                let size_bytes = size?.len();
                Ok((Box::new(file), size_bytes))
            }
            Self::Archive { file, members, .. } => {
                let member = resolve(members, name, &place)?;
                let end = member.offset + member.size_bytes;
                let section = Section { file: Arc::clone(file), position: member.offset, end };
                Ok((Box::new(section), member.size_bytes))
            }
            Self::Registry(_) => Err(Error::Missing { name: name.to_owned(), place }),
        }
    }

    /// How many bytes a layer has as stored.
    pub fn size_bytes(&self, layer: &Place) -> Result<u64, Error> {
        match self {
            Self::Registry(_) => Ok(layer.size_bytes),
            _ => self.open(&layer.name).map(|(_, size_bytes)| size_bytes),
        }
    }

    /// Opens a layer.
    pub fn layer(&self, layer: &Place) -> Result<Box<dyn Read + Send + '_>, Error> {
        match (self, layer.blob) {
            (Self::Registry(repository), Some(blob)) => Ok(Box::new(repository.blob(blob, layer.size_bytes))),
            _ => Ok(self.open(&layer.name)?.0),
        }
    }

    /// Reads an index, manifest or config whole, within its limit.
    pub fn document(&self, name: &str) -> Result<Vec<u8>, Error> {
        let (reader, size_bytes) = self.open(name)?;
        if size_bytes > MOST_DOCUMENT_BYTES {
            let (name, place) = (name.to_owned(), self.place());
            let (limit, most, found) = ("document size", MOST_DOCUMENT_BYTES, size_bytes);
            return Err(Error::Limit { name, place, limit, most, found });
        }
        let mut bytes = Vec::new();
        let read = reader.take(MOST_DOCUMENT_BYTES).read_to_end(&mut bytes);
        read.map_err(|source| Error::Read { name: name.to_owned(), place: self.place(), source })?;
        Ok(bytes)
    }

    /// Reads a manifest or an index by its digest and verifies it.
    pub fn manifest(&self, digest: Digest) -> Result<Vec<u8>, Error> {
        match self {
            Self::Registry(repository) => Ok(repository.manifest(digest)?),
            _ => self.verified(digest),
        }
    }

    /// Reads a config, or another document that is stored as a blob, by its digest and verifies it.
    pub fn verified(&self, digest: Digest) -> Result<Vec<u8>, Error> {
        if let Self::Registry(repository) = self {
            return Ok(repository.document(digest)?);
        }
        let name = blob_name(digest);
        let bytes = self.document(&name)?;
        let found = Digest::of(&bytes);
        if found == digest {
            return Ok(bytes);
        }
        Err(Error::Digest { name, place: self.place(), expected: digest, found })
    }
}

/// Where an OCI layout keeps a blob. Made from a parsed digest, so it cannot lead anywhere else.
pub(super) fn blob_name(digest: Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// The digest in a name that [`blob_name`] could have made.
pub(super) fn blob_digest(name: &str) -> Option<Digest> {
    format!("sha256:{}", name.strip_prefix("blobs/sha256/")?).parse().ok()
}

/// Opens a regular file and nothing else: a pipe would hang the build.
fn regular(path: &Path, name: &str, place: &str) -> Result<File, Error> {
    let (name, place) = (name.to_owned(), place.to_owned());
    match path.metadata() {
        Ok(data) if !data.is_file() => Err(Error::NotRegular { name, place }),
        Ok(_) => File::open(path).map_err(|source| Error::Read { name, place, source }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Error::Missing { name, place }),
        Err(source) => Err(Error::Read { name, place, source }),
    }
}

fn compression(magic: &[u8]) -> Option<&'static str> {
    match magic {
        [0x1f, 0x8b, ..] => Some("gzip"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("zstd"),
        [b'B', b'Z', b'h', ..] => Some("bzip2"),
        [0xfd, b'7', b'z', b'X', b'Z', 0] => Some("xz"),
        _ => None,
    }
}

/// Follows links inside the archive to a regular file.
fn resolve<'a>(members: &'a BTreeMap<String, Member>, name: &str, place: &str) -> Result<&'a Member, Error> {
    let missing = |name: &str| Error::Missing { name: name.to_owned(), place: place.to_owned() };
    let mut member = members.get(name).ok_or_else(|| missing(name))?;
    let mut hard = false;
    for _ in 0..MOST_LINKS {
        let target = match &member.kind {
            Kind::File => return Ok(member),
            Kind::Directory | Kind::Device => break,
            Kind::HardLink(target) => target.clone(),
            // Once unpacked it would lead on from the hard link's own directory.
            Kind::SymbolicLink(_) if hard => break,
            Kind::SymbolicLink(target) => {
                link_target(&member.path, target).ok_or_else(|| missing(&format!("{name} -> {target}")))?
            }
        };
        hard = matches!(member.kind, Kind::HardLink(_));
        member = members.get(&target).ok_or_else(|| missing(&format!("{name} -> {target}")))?;
    }
    Err(Error::NotRegular { name: name.to_owned(), place: place.to_owned() })
}

/// Where a symbolic link leads inside its archive; `None` if it leads outside, or back up from below a name that may
/// itself be a link.
pub(super) fn link_target(path: &str, target: &str) -> Option<String> {
    if target.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    let mut down = false;
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." if down => return None,
            ".." => _ = parts.pop()?,
            part => {
                parts.push(part);
                down = true;
            }
        }
    }
    Some(parts.join("/"))
}

struct Seeking {
    file: File,
    size_bytes: u64,
}

impl Read for Seeking {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer)
    }
}

impl Source for Seeking {
    fn pass(&mut self, count: u64) -> io::Result<u64> {
        let position = self.file.stream_position()?;
        let count = count.min(self.size_bytes.saturating_sub(position));
        self.file.seek(SeekFrom::Start(position + count))?;
        Ok(count)
    }
}

/// The bytes of one member.
struct Section {
    file: Arc<File>,
    position: u64,
    end: u64,
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.end - self.position).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let count = read_at(&self.file, &mut buffer[..most], self.position)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.position += count as u64;
        Ok(count)
    }
}

#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(builder: &mut ::tar::Builder<File>, kind: ::tar::EntryType, path: &str, target: &str) {
        let mut header = ::tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        builder.append_link(&mut header, path, target).unwrap();
    }

    #[test]
    fn archive_members() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.tar");
        let mut builder = ::tar::Builder::new(File::create(&path).unwrap());
        let mut header = ::tar::Header::new_gnu();
        header.set_size(5);
        builder.append_data(&mut header, "a/layer.tar", &b"bytes"[..]).unwrap();
        use ::tar::EntryType::{Link, Symlink};
        for (kind, path, target) in [
            (Symlink, "b/layer.tar", "../a/layer.tar"),
            (Symlink, "ring", "ring"),
            (Symlink, "out", "../../etc/passwd"),
            (Symlink, "around", "b/../a/layer.tar"),
            (Link, "hard", "a/layer.tar"),
            (Link, "c/moved", "b/layer.tar"),
        ] {
            link(&mut builder, kind, path, target);
        }
        builder.finish().unwrap();
        let store = Store::archive(&path).unwrap();
        for name in ["a/layer.tar", "b/layer.tar", "hard"] {
            assert_eq!(store.document(name).unwrap(), b"bytes", "{name}");
        }
        for name in ["ring", "c/moved"] {
            assert!(matches!(store.document(name), Err(Error::NotRegular { .. })), "{name}");
        }
        for name in ["out", "around", "none"] {
            assert!(matches!(store.document(name), Err(Error::Missing { .. })), "{name}");
        }
    }

    #[test]
    fn files_that_are_no_archives() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        std::fs::write(&path, [0x1f, 0x8b, 8, 0]).unwrap();
        assert!(matches!(Store::archive(&path), Err(Error::Compressed { how: "gzip", .. })));
        std::fs::write(&path, "words ".repeat(200)).unwrap();
        assert!(matches!(Store::archive(&path), Err(Error::NoArchive { .. })));
        assert!(matches!(Store::archive(directory.path()), Err(Error::NotRegular { .. })));
    }

    #[test]
    fn documents_are_bounded_and_verified() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::Directory(directory.path().to_owned());
        let digest = Digest::of(b"right");
        std::fs::create_dir_all(directory.path().join("blobs/sha256")).unwrap();
        assert!(matches!(store.verified(digest), Err(Error::Missing { .. })));
        let path = directory.path().join(blob_name(digest));
        std::fs::write(&path, "wrong").unwrap();
        let found = Digest::of(b"wrong");
        assert!(matches!(store.verified(digest), Err(Error::Digest { found: f, .. }) if f == found));
        File::create(&path).unwrap().set_len(MOST_DOCUMENT_BYTES + 1).unwrap();
        assert!(matches!(store.verified(digest), Err(Error::Limit { .. })));
        assert_eq!(blob_digest(&blob_name(digest)), Some(digest));
    }
}
