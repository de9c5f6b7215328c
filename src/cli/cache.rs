//! The fragment cache of a machine without a server: one file per fragment and per verified pair, written by atomic
//! rename, bounded in size. Anything in it that cannot be read is a miss, never an error.
//!
//! What it holds is believed like this program's own work, so a directory that somebody else can write to is not used.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    time::SystemTime,
};

use stella::{
    api::Pair,
    digest::Digest,
    feeds::own_directory,
    layer::{Fragment, Limits, SCHEMA},
};

/// Bytes of files that are kept; those that were not used for the longest time go first.
const LIMIT_BYTES: u64 = 512 << 20;

/// What the smallest file costs on a disk.
const BLOCK_BYTES: u64 = 4096;

/// The cache in one directory.
#[derive(Debug)]
pub struct Cache {
    directory: PathBuf,
    analyzer: String,
}

impl Cache {
    /// The cache below `directory`, for this fragment form, these analysers and what their limits make of them alone; made
    /// where it is not there, for this user alone. The error is why it must not or cannot be used.
    pub fn open(directory: &Path, limits: &Limits) -> Result<Self, String> {
        let analyzer = limits.analyzer();
        let directory = directory.join(format!("fragments-{SCHEMA}-{analyzer}"));
        own_directory(&directory)
            .map_err(|why| format!("the cache {} is not used: {why}", directory.display()))?;
        Ok(Self { directory, analyzer })
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
        let path = self.fragment_path(diff_id);
        let bytes = fs::read(&path).ok()?;
        // So that the layers everybody builds on stay; where it cannot be noted, they are as old as they were written.
        let _ = File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        let fragment = Fragment::decode(&bytes, limits).ok()?;
        let ours =
            fragment.diff_id == diff_id && fragment.schema == SCHEMA && fragment.analyzer == self.analyzer;
        ours.then_some(fragment)
    }

    /// Whether this machine has read the blob and found the layer in it.
    pub fn knows(&self, pair: Pair) -> bool {
        pair.blob == pair.diff_id || self.pair_path(pair).exists()
    }

    /// Keeps a fragment and the pair that was verified with it.
    pub fn keep(&self, fragment: &Fragment, blob: Digest) -> std::io::Result<()> {
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

    /// Removes what was not used for the longest time until the rest fits.
    pub fn trim(&self) -> std::io::Result<()> {
        let mut files: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            files.push((metadata.modified()?, metadata.len().max(BLOCK_BYTES), entry.path()));
        }
        let mut total: u64 = files.iter().map(|(_, size, _)| size).sum();
        files.sort_unstable();
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
        let cache = Cache::open(directory.path(), &Limits::default()).unwrap();
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
        // Under other limits the layer may say something else.
        let other = Limits { database_bytes: 7, ..limits.clone() };
        assert_eq!(Cache::open(directory.path(), &other).unwrap().fragment(diff_id, &limits), None);
    }

    #[cfg(unix)]
    #[test]
    fn what_others_can_write_to_is_not_believed() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path(), &Limits::default()).unwrap();
        let mode = |mode| fs::set_permissions(&cache.directory, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(fs::metadata(&cache.directory).unwrap().permissions().mode() & 0o777, 0o700);
        for open in [0o720, 0o702, 0o777] {
            mode(open);
            assert!(
                Cache::open(directory.path(), &Limits::default()).unwrap_err().contains("others can write")
            );
        }
        mode(0o755);
        assert!(Cache::open(directory.path(), &Limits::default()).is_ok());
        let linked = tempfile::tempdir().unwrap();
        symlink(&cache.directory, linked.path().join(cache.directory.file_name().unwrap())).unwrap();
        assert!(Cache::open(linked.path(), &Limits::default()).unwrap_err().contains("link"));
    }
}
