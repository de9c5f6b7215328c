//! The downloads: a folder for each source, and beside each file what is known of it.
//!
//! ```text
//! feeds/lock
//! feeds/osv/npm.zip             what was fetched last
//! feeds/osv/npm.zip.part        what is being fetched
//! feeds/osv/npm.zip.state       from where, when, its validators, the last error
//! ```

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use super::{
    catalog::{self, File},
    directory::own_directory,
    fetch::Pages,
};
use crate::digest::Digest;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// A file of ours of one JSON value, at most; one that is larger was written by somebody else.
const MOST_STATE_BYTES: u64 = 1 << 20;

/// What is known of a file.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// Of the source, such as `npm`.
    pub part: String,
    /// Where the file is from.
    pub url: String,
    /// Its entity tag, as the server wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// Its `Last-Modified`, as the server wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
    /// The checksum that is published of it, and that it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published: Option<Digest>,
    /// Of the file as it lies there; `None` where nothing was fetched yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    pub size_bytes: u64,
    /// Whether the server compressed it on its way: then its name ends with `.gz`.
    pub packed: bool,
    /// When it was fetched, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fetched: Option<String>,
    /// When somebody last said that it is the newest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checked: Option<String>,
    /// Why the last attempt failed, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What the beginning of a download that was cut is of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beginning: Option<Beginning>,
    /// How the pages stand that the file is made of, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pages: Option<Pages>,
}

/// A download that was cut, and can go on where the server still has the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beginning {
    pub url: String,
    /// Strong, so that it is byte for byte the same.
    pub etag: String,
}

impl State {
    /// Forgets what would let a server say that nothing changed, or be asked for what changed alone.
    pub fn forget(&mut self) {
        (self.etag, self.last_modified, self.published, self.pages) = (None, None, None, None);
    }
}

/// Where a download lies.
#[derive(Debug, Clone)]
pub struct Place(PathBuf);

impl Place {
    /// What is known of it; nothing, where that cannot be read.
    pub fn state(&self) -> State {
        read(&self.beside(".state")).unwrap_or_default()
    }

    pub fn write_state(&self, state: &State) -> io::Result<()> {
        write(&self.beside(".state"), state)
    }

    /// The file; `None` where there is none, or not the one that `state` is of.
    pub fn file(&self, state: &State) -> Option<PathBuf> {
        state.digest?;
        let path = self.path(state.packed);
        let size_bytes = fs::metadata(&path).ok().filter(fs::Metadata::is_file)?.len();
        (size_bytes == state.size_bytes).then_some(path)
    }

    /// Where the bytes of a download are gathered.
    pub fn part(&self) -> PathBuf {
        self.beside(".part")
    }

    /// Makes the part the file.
    pub fn keep(&self, packed: bool) -> io::Result<()> {
        fs::rename(self.part(), self.path(packed))?;
        // Under its other name it would be read beside it.
        remove(&self.path(!packed))
    }

    fn path(&self, packed: bool) -> PathBuf {
        if packed { self.beside(".gz") } else { self.0.clone() }
    }

    fn beside(&self, end: &str) -> PathBuf {
        let mut path = self.0.clone().into_os_string();
        path.push(end);
        path.into()
    }
}

/// All downloads.
#[derive(Debug)]
pub struct Store {
    directory: PathBuf,
    /// `None` for who only looks.
    _lock: Option<fs::File>,
}

impl Store {
    /// The downloads below `cache`, for this program alone until it ends; made where they are not there.
    pub fn open(cache: &Path) -> Result<Self, String> {
        let directory = cache.join("feeds");
        own_directory(&directory)
            .map_err(|why| format!("the downloads {} are not used: {why}", directory.display()))?;
        let path = directory.join("lock");
        let failed = |error: io::Error| format!("{}: {error}", path.display());
        let lock = fs::File::create(&path).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { directory, _lock: Some(lock) }),
            Err(fs::TryLockError::WouldBlock) => {
                Err(format!("{}: another update is at work", path.display()))
            }
            Err(fs::TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// The downloads below `cache`, to look at.
    pub fn look(cache: &Path) -> Self {
        Self { directory: cache.join("feeds"), _lock: None }
    }

    /// Where a file lies, or will.
    pub fn place(&self, file: &File) -> io::Result<Place> {
        let folder = self.directory.join(file.source.name);
        fs::create_dir_all(&folder)?;
        Ok(Place(folder.join(&file.name)))
    }

    /// Every file of which anything is known, source by source.
    pub fn files(&self) -> Vec<(File, Place, State)> {
        let mut files = Vec::new();
        for source in catalog::SOURCES {
            let folder = self.directory.join(source.name);
            let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
            let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
            let mut names: Vec<_> =
                names.filter_map(|name| name.strip_suffix(".state").map(str::to_owned)).collect();
            names.sort_unstable();
            for name in names {
                let place = Place(folder.join(&name));
                let state = place.state();
                files.push((source.file(state.part.clone(), name), place, state));
            }
        }
        files
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Hands over all that a reader gives.
pub fn each_chunk(
    mut reader: impl io::Read,
    mut take: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut buffer = vec![0; 128 << 10];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(()),
            count => take(&buffer[..count])?,
        }
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    let size_bytes = fs::metadata(path).ok()?.len();
    serde_json::from_slice(&fs::read(path).ok().filter(|_| size_bytes <= MOST_STATE_BYTES)?).ok()
}

/// Whole or not at all.
fn write(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(Path::new("")))?;
    file.write_all(&serde_json::to_vec_pretty(value)?)?;
    file.persist(path)?;
    Ok(())
}
