//! The fragment cache of a machine without a server: one file per fragment and per verified pair, written by atomic
//! rename, bounded in size. Anything in it that cannot be read is a miss, never an error.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    time::SystemTime,
};

use stella::{
    api::Pair,
    digest::Digest,
    layer::{ANALYZER, Fragment, Limits, SCHEMA},
};

/// Bytes of fragments that are kept; the oldest go first.
const LIMIT_BYTES: u64 = 512 << 20;

/// The cache in one directory.
#[derive(Debug)]
pub struct Cache {
    directory: PathBuf,
}

impl Cache {
    /// The cache below `directory`, for this fragment form and these analysers alone.
    pub fn new(directory: &Path) -> Self {
        Self { directory: directory.join(format!("fragments-{SCHEMA}-{ANALYZER}")) }
    }

    fn fragment_path(&self, diff_id: Digest) -> PathBuf {
        self.directory.join(format!("{}.zst", diff_id.hex()))
    }

    fn pair_path(&self, pair: Pair) -> PathBuf {
        // Blob and diff ID as two names of 64 digits: one path component of 129 characters.
        self.directory.join(format!("{}-{}", pair.blob.hex(), pair.diff_id.hex()))
    }

    /// The fragment of a layer, if it is here and whole.
    pub fn fragment(&self, diff_id: Digest, limits: &Limits) -> Option<Fragment> {
        let bytes = fs::read(self.fragment_path(diff_id)).ok()?;
        let fragment = Fragment::decode(&bytes, limits).ok()?;
        let ours = fragment.diff_id == diff_id && fragment.schema == SCHEMA && fragment.analyzer == ANALYZER;
        ours.then_some(fragment)
    }

    /// Whether this machine has read the blob and found the layer in it.
    pub fn knows(&self, pair: Pair) -> bool {
        pair.blob == pair.diff_id || self.pair_path(pair).exists()
    }

    /// Keeps a fragment and the pair that was verified with it.
    pub fn keep(&self, fragment: &Fragment, blob: Digest) -> std::io::Result<()> {
        fs::create_dir_all(&self.directory)?;
        let encoded = fragment.encode().map_err(std::io::Error::other)?;
        self.put(&self.fragment_path(fragment.diff_id), &encoded)?;
        let pair = Pair { blob, diff_id: fragment.diff_id };
        if self.knows(pair) { Ok(()) } else { self.put(&self.pair_path(pair), b"") }
    }

    fn put(&self, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.directory)?;
        file.write_all(bytes)?;
        file.persist(path)?;
        Ok(())
    }

    /// Removes the oldest fragments until the rest fits.
    pub fn trim(&self) -> std::io::Result<()> {
        let mut files: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            files.push((metadata.modified()?, metadata.len(), entry.path()));
        }
        let mut total: u64 = files.iter().map(|(_, size, _)| size).sum();
        files.sort();
        for (_, size, path) in files {
            if total <= LIMIT_BYTES {
                break;
            }
            // Another process may have been here first.
            let _ = fs::remove_file(path);
            total = total.saturating_sub(size);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_and_forgives() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::new(directory.path());
        let (blob, diff_id, limits) = (Digest::of(b"blob"), Digest::of(b"layer"), Limits::default());
        let fragment = Fragment::unseen(diff_id);
        assert_eq!(cache.fragment(diff_id, &limits), None);
        cache.keep(&fragment, blob).unwrap();
        assert_eq!(cache.fragment(diff_id, &limits), Some(fragment));
        assert!(cache.knows(Pair { blob, diff_id }) && !cache.knows(Pair { blob: diff_id, diff_id: blob }));
        fs::write(cache.fragment_path(diff_id), b"cut").unwrap();
        assert_eq!(cache.fragment(diff_id, &limits), None);
        // A file under another layer's name is not that layer's fragment.
        cache.keep(&Fragment::unseen(diff_id), blob).unwrap();
        fs::copy(cache.fragment_path(diff_id), cache.fragment_path(blob)).unwrap();
        assert_eq!(cache.fragment(blob, &limits), None);
        cache.trim().unwrap();
    }
}
