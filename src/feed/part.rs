//! What one path gave, kept as bytes, so that a path which has not changed is not read again.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{Error, Memory, Outcome, held::Held};
use crate::digest::{Digest, Hasher};

/// Changes with whatever a source reads or a part holds: a part of another one is not believed.
const READS: u32 = 4;

/// What one path gave.
#[derive(Default, Serialize, Deserialize)]
pub struct Part {
    /// What became of its records, by source.
    #[serde(with = "by_name")]
    pub outcomes: BTreeMap<&'static str, Outcome>,
    pub(super) held: Held,
    /// Records seen.
    pub(super) records: u64,
    /// About what the held records take in memory.
    pub(super) held_bytes: u64,
}

impl Part {
    /// The ecosystems and databases that it speaks of, and by how many records.
    pub fn feeds(&self) -> BTreeMap<String, u64> {
        self.held.feeds()
    }

    /// Gives back what it takes of the memory that it was read into: it is not used.
    pub fn let_go(self, memory: &Memory) {
        memory.release(self.held_bytes);
    }

    /// The part as bytes, in front of them the digest of all that follows.
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        let head = vec![0; size_of::<Digest>()];
        let mut bytes = postcard::to_extend(&(READS, self), head).ok()?;
        let sum = Digest::of(&bytes[size_of::<Digest>()..]);
        bytes[..size_of::<Digest>()].copy_from_slice(sum.bytes());
        Some(bytes)
    }

    /// Reads a part back; `None` where it is damaged, or of another release: then its path is read again.
    pub fn from_bytes(bytes: &[u8], memory: &Memory) -> Option<Self> {
        let (sum, body) = bytes.split_at_checked(size_of::<Digest>())?;
        if Digest::of(body).bytes() != sum {
            return None;
        }
        let (reads, rest) = postcard::take_from_bytes::<u32>(body).ok()?;
        if reads != READS {
            return None;
        }
        let part: Self = postcard::from_bytes(rest).ok()?;
        memory.hold(part.held_bytes);
        Some(part)
    }

    /// What a part of `path` is called by: a digest of the release that reads it, and of names and bytes of all that is
    /// there. A link is not followed inside a folder, as an import does not follow it either.
    pub fn key(path: &Path) -> Result<Digest, Error> {
        let mut hasher = Hasher::default();
        hasher.update(env!("CARGO_PKG_VERSION").as_bytes());
        hasher.update(&READS.to_le_bytes());
        let mut buffer = vec![0; 1 << 20];
        let mut add = |name: &str, path: &Path| -> io::Result<()> {
            let mut file = File::open(path)?;
            hasher.update(&(name.len() as u64).to_le_bytes());
            hasher.update(name.as_bytes());
            let mut size_bytes = 0u64;
            loop {
                let count = file.read(&mut buffer)?;
                if count == 0 {
                    // After the bytes, so that no name and no bytes of one file can stand for those of two.
                    hasher.update(&size_bytes.to_le_bytes());
                    return Ok(());
                }
                hasher.update(&buffer[..count]);
                size_bytes += count as u64;
            }
        };
        for (name, file) in files(path)? {
            add(&name, &file).map_err(|source| Error::Io { path: file, source })?;
        }
        Ok(hasher.finish())
    }
}

/// All files of `path` with the names that messages and sources see: of a folder what is below it, of a file its own name.
fn files(path: &Path) -> Result<Vec<(String, PathBuf)>, Error> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    if !fs::metadata(path).map_err(io)?.is_dir() {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        return Ok(vec![(name, path.to_owned())]);
    }
    let (mut files, mut folders) = (Vec::new(), vec![path.to_owned()]);
    while let Some(folder) = folders.pop() {
        let io = |source| Error::Io { path: folder.clone(), source };
        for entry in fs::read_dir(&folder).map_err(io)? {
            let entry = entry.map_err(io)?;
            let (kind, place) = (entry.file_type().map_err(io)?, entry.path());
            if kind.is_dir() {
                folders.push(place);
            } else if kind.is_file() {
                let name = place.strip_prefix(path).unwrap_or(&place).display().to_string();
                files.push((name, place));
            }
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// Maps by the name of a source.
mod by_name {
    use std::collections::BTreeMap;

    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer, de::Error as _};

    use super::Outcome;
    use crate::feed::name;

    pub(super) fn serialize<S: Serializer>(
        map: &BTreeMap<&'static str, Outcome>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        map.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<&'static str, Outcome>, D::Error> {
        let map = BTreeMap::<String, Outcome>::deserialize(deserializer)?;
        let known = |(text, outcome): (String, Outcome)| Ok((name::known(&text).ok_or(text)?, outcome));
        map.into_iter().map(known).collect::<Result<_, String>>().map_err(D::Error::custom)
    }
}
