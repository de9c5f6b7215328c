//! The embedded store: one redb file in the data directory. Transactions are copy-on-write, so the file is whole
//! after a crash at any moment.

use std::{
    ops::RangeInclusive,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use redb::{
    Database, DatabaseError, Durability, ReadTransaction, ReadableDatabase, ReadableTable,
    ReadableTableMetadata, Table, TableDefinition, WriteTransaction,
};
use stella::{api::Pair, digest::Digest, policy::Class};

use super::{Error, Owner, Scan, Sent, Space, Store, Stored, Upload};

/// Name of the file in the data directory.
const FILE: &str = "stella.redb";

/// Version of the tables and of their keys.
const VERSION: u64 = 1;

/// One in so many commits that may be lost is durable all the same: pages freed since the last durable commit
/// cannot be used again before the next.
const LAZY_COMMITS: u32 = 64;

type Bytes<'a> = TableDefinition<'a, &'static [u8], &'static [u8]>;

/// `version` -> [`VERSION`].
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
/// space, diff ID, content -> fragment as sent.
const FRAGMENTS: Bytes<'_> = TableDefinition::new("fragments");
/// space, diff ID -> the first content, and the second where there is one: then the layer is disputed.
const LAYERS: Bytes<'_> = TableDefinition::new("layers");
/// owner, blob -> the first diff ID, and the second where there is one: then the blob is disputed.
const PAIRS: Bytes<'_> = TableDefinition::new("pairs");
/// scan -> request.
const SCANS: Bytes<'_> = TableDefinition::new("scans");
/// scan, diff ID, blob or zeros -> content.
const SENT: Bytes<'_> = TableDefinition::new("sent");
/// scan -> answer.
const ANSWERS: Bytes<'_> = TableDefinition::new("answers");

const DIGEST_BYTES: usize = 32;
const NO_BLOB: [u8; DIGEST_BYTES] = [0; DIGEST_BYTES];

/// One redb file. One process at a time holds it.
pub struct Embedded {
    database: Database,
    path: PathBuf,
    scans_kept: u64,
    lazy_commits: AtomicU32,
}

impl Embedded {
    /// Opens the file in `data_dir`, making both where they are not there yet.
    pub fn open(data_dir: &Path, cache_bytes: usize, scans_kept: u64) -> Result<Self, Error> {
        std::fs::create_dir_all(data_dir).map_err(|error| Error::Backend {
            what: format!("data directory {}", data_dir.display()),
            why: error.to_string(),
        })?;
        let path = data_dir.join(FILE);
        let database =
            Database::builder().set_cache_size(cache_bytes).create(&path).map_err(|error| match error {
                DatabaseError::DatabaseAlreadyOpen => Error::Locked { path: path.clone() },
                error => Error::Backend { what: format!("store {}", path.display()), why: error.to_string() },
            })?;
        let store = Self { database, path, scans_kept, lazy_commits: AtomicU32::new(1) };
        store.check_version()?;
        Ok(store)
    }

    /// Makes the tables of a new file; refuses a file with others.
    fn check_version(&self) -> Result<(), Error> {
        let write = self.begin_write()?;
        {
            let mut meta = write.open_table(META).map_err(|error| self.error(error))?;
            let found = meta.get("version").map_err(|error| self.error(error))?.map(|value| value.value());
            match found {
                None => drop(meta.insert("version", VERSION).map_err(|error| self.error(error))?),
                Some(VERSION) => {}
                Some(found) => {
                    return Err(Error::Newer { path: self.path.clone(), found, known: VERSION });
                }
            }
            for table in [FRAGMENTS, LAYERS, PAIRS, SCANS, SENT, ANSWERS] {
                write.open_table(table).map_err(|error| self.error(error))?;
            }
        }
        write.commit().map_err(|error| self.error(error))
    }

    fn error(&self, error: impl Into<redb::Error>) -> Error {
        Error::Backend { what: format!("store {}", self.path.display()), why: error.into().to_string() }
    }

    fn begin_read(&self) -> Result<ReadTransaction, Error> {
        self.database.begin_read().map_err(|error| self.error(error))
    }

    /// Durable when committed; a crash needs no repair that reads the whole file.
    fn begin_write(&self) -> Result<WriteTransaction, Error> {
        let mut write = self.database.begin_write().map_err(|error| self.error(error))?;
        write.set_quick_repair(true);
        Ok(write)
    }

    /// Visible when committed, durable with the next durable commit.
    fn begin_lazy_write(&self) -> Result<WriteTransaction, Error> {
        let mut write = self.begin_write()?;
        if !self.lazy_commits.fetch_add(1, Ordering::Relaxed).is_multiple_of(LAZY_COMMITS) {
            write.set_quick_repair(false);
            write.set_durability(Durability::None).map_err(|error| self.error(error))?;
        }
        Ok(write)
    }

    /// Drops the oldest entries of the tables about scans.
    fn prune(&self, write: &WriteTransaction) -> Result<(), redb::Error> {
        let mut sent = write.open_table(SENT)?;
        for table in [SCANS, ANSWERS] {
            let mut table = write.open_table(table)?;
            while table.len()? > self.scans_kept {
                let Some((name, _)) = table.pop_first()? else { break };
                let range = sent_range(name.value());
                sent.retain_in::<&[u8], _>(range.start().as_slice()..=range.end().as_slice(), |_, _| false)?;
            }
        }
        Ok(())
    }

    fn write_fragment(write: &WriteTransaction, upload: &Upload<'_>) -> Result<Stored, redb::Error> {
        let layer = layer_key(upload.space, upload.diff_id);
        let content = upload.content.bytes();
        write.open_table(FRAGMENTS)?.insert(join(&layer, content).as_slice(), upload.bytes)?;
        let stored = claim(&mut write.open_table(LAYERS)?, &layer, content)?;
        if let Some(blob) = upload.blob {
            let pair = Pair { blob, diff_id: upload.diff_id };
            write_pair(&mut write.open_table(PAIRS)?, &upload.space.owner, pair)?;
        }
        let mut sent = upload.scan.as_bytes().to_vec();
        sent.extend_from_slice(upload.diff_id.bytes());
        sent.extend_from_slice(upload.blob.map_or(NO_BLOB, |blob| *blob.bytes()).as_slice());
        write.open_table(SENT)?.insert(sent.as_slice(), content.as_slice())?;
        Ok(stored)
    }

    fn read_scan(read: &ReadTransaction, name: &str) -> Result<Option<Scan>, redb::Error> {
        let request = read.open_table(SCANS)?.get(name.as_bytes())?.map(|value| value.value().to_vec());
        let answer = read.open_table(ANSWERS)?.get(name.as_bytes())?.map(|value| value.value().to_vec());
        if request.is_none() && answer.is_none() {
            return Ok(None);
        }
        let range = sent_range(name.as_bytes());
        let mut sent = Vec::new();
        for entry in
            read.open_table(SENT)?.range::<&[u8]>(range.start().as_slice()..=range.end().as_slice())?
        {
            let (key, value) = entry?;
            let Some((diff_id, blob)) =
                key.value().get(name.len()..).and_then(|rest| rest.split_at_checked(DIGEST_BYTES))
            else {
                continue;
            };
            let blob = digest(blob).filter(|blob| *blob != Digest::from(NO_BLOB));
            if let (Some(diff_id), Some(content)) = (digest(diff_id), digest(value.value())) {
                sent.push(Sent { diff_id, blob, content });
            }
        }
        Ok(Some(Scan { request: request.unwrap_or_default(), sent, answer }))
    }
}

impl Store for Embedded {
    fn ping(&self) -> Result<(), Error> {
        let read = self.begin_read()?;
        let meta = read.open_table(META).map_err(|error| self.error(error))?;
        meta.get("version").map_err(|error| self.error(error))?;
        // After an error of the disk nothing can be written any more; a reader would not notice.
        self.begin_write()?.abort().map_err(|error| self.error(error))
    }

    fn layers(&self, space: &Space, diff_ids: &[Digest]) -> Result<Vec<Option<Digest>>, Error> {
        let read = self.begin_read()?;
        let table = read.open_table(LAYERS).map_err(|error| self.error(error))?;
        let undisputed = |diff_id: &Digest| {
            let value =
                table.get(layer_key(space, *diff_id).as_slice()).map_err(|error| self.error(error))?;
            Ok(value.and_then(|value| digest(value.value())))
        };
        diff_ids.iter().map(undisputed).collect()
    }

    fn pairs(&self, owner: &Owner, pairs: &[Pair]) -> Result<Vec<bool>, Error> {
        let read = self.begin_read()?;
        let table = read.open_table(PAIRS).map_err(|error| self.error(error))?;
        let known = |pair: &Pair| {
            let value =
                table.get(pair_key(owner, pair.blob).as_slice()).map_err(|error| self.error(error))?;
            Ok(value.is_some_and(|value| digest(value.value()) == Some(pair.diff_id)))
        };
        pairs.iter().map(known).collect()
    }

    fn fragment(&self, space: &Space, diff_id: Digest, content: Digest) -> Result<Option<Vec<u8>>, Error> {
        let read = self.begin_read()?;
        let table = read.open_table(FRAGMENTS).map_err(|error| self.error(error))?;
        let key = join(&layer_key(space, diff_id), content.bytes());
        let value = table.get(key.as_slice()).map_err(|error| self.error(error))?;
        Ok(value.map(|value| value.value().to_vec()))
    }

    fn put_fragment(&self, upload: &Upload<'_>) -> Result<Stored, Error> {
        let write = self.begin_write()?;
        let stored = Self::write_fragment(&write, upload).map_err(|error| self.error(error))?;
        write.commit().map_err(|error| self.error(error))?;
        Ok(stored)
    }

    fn add_pairs(&self, owner: &Owner, pairs: &[Pair]) -> Result<(), Error> {
        let write = self.begin_lazy_write()?;
        let all = || {
            let mut table = write.open_table(PAIRS)?;
            pairs.iter().try_for_each(|pair| write_pair(&mut table, owner, *pair))
        };
        all().map_err(|error: redb::Error| self.error(error))?;
        write.commit().map_err(|error| self.error(error))
    }

    fn open_scan(&self, name: &str, request: &[u8]) -> Result<(), Error> {
        let write = self.begin_lazy_write()?;
        let all = || {
            write.open_table(SCANS)?.insert(name.as_bytes(), request)?;
            self.prune(&write)
        };
        all().map_err(|error: redb::Error| self.error(error))?;
        write.commit().map_err(|error| self.error(error))
    }

    fn scan(&self, name: &str) -> Result<Option<Scan>, Error> {
        Self::read_scan(&self.begin_read()?, name).map_err(|error| self.error(error))
    }

    fn close_scan(&self, name: &str, answer: &[u8]) -> Result<(), Error> {
        let write = self.begin_lazy_write()?;
        let all = || {
            write.open_table(ANSWERS)?.insert(name.as_bytes(), answer)?;
            self.prune(&write)
        };
        all().map_err(|error: redb::Error| self.error(error))?;
        write.commit().map_err(|error| self.error(error))
    }
}

/// Adds a value to the one or two that are known under a key; a third changes nothing more.
fn claim(
    table: &mut Table<'_, &'static [u8], &'static [u8]>,
    key: &[u8],
    value: &[u8; DIGEST_BYTES],
) -> Result<Stored, redb::Error> {
    let known = table.get(key)?.map(|known| known.value().to_vec());
    let (stored, claims) = match known {
        None => (Stored::New, value.to_vec()),
        Some(known) if known == value => return Ok(Stored::Same),
        Some(known) if known.len() > DIGEST_BYTES => return Ok(Stored::Disputed),
        Some(known) => (Stored::Disputed, join(&known, value)),
    };
    table.insert(key, claims.as_slice())?;
    Ok(stored)
}

fn write_pair(
    table: &mut Table<'_, &'static [u8], &'static [u8]>,
    owner: &Owner,
    pair: Pair,
) -> Result<(), redb::Error> {
    claim(table, &pair_key(owner, pair.blob), pair.diff_id.bytes()).map(drop)
}

/// The one digest of a value; two digests, a dispute, are none.
fn digest(bytes: &[u8]) -> Option<Digest> {
    <[u8; DIGEST_BYTES]>::try_from(bytes).ok().map(Digest::from)
}

fn join(head: &[u8], tail: &[u8]) -> Vec<u8> {
    [head, tail].concat()
}

/// Each text with its length before it, so that no two owners share a key whatever their names hold.
fn text(key: &mut Vec<u8>, text: &str) {
    key.extend_from_slice(&(text.len() as u64).to_be_bytes());
    key.extend_from_slice(text.as_bytes());
}

fn owner_key(owner: &Owner) -> Vec<u8> {
    let mut key = Vec::with_capacity(128);
    text(&mut key, &owner.tenant);
    text(
        &mut key,
        match owner.class {
            Class::Trusted => "trusted",
        },
    );
    text(&mut key, &owner.scope);
    key
}

fn layer_key(space: &Space, diff_id: Digest) -> Vec<u8> {
    let mut key = owner_key(&space.owner);
    key.extend_from_slice(&space.schema.to_be_bytes());
    text(&mut key, &space.analyzer);
    key.extend_from_slice(diff_id.bytes());
    key
}

fn pair_key(owner: &Owner, blob: Digest) -> Vec<u8> {
    join(&owner_key(owner), blob.bytes())
}

/// Every key of [`SENT`] of one scan; names of scans are all of one length.
fn sent_range(name: &[u8]) -> RangeInclusive<Vec<u8>> {
    join(name, &[0; 2 * DIGEST_BYTES])..=join(name, &[u8::MAX; 2 * DIGEST_BYTES])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::contract;

    fn open(dir: &Path) -> Result<Embedded, Error> {
        Embedded::open(dir, 1 << 20, contract::SCANS_KEPT)
    }

    #[test]
    fn holds_the_contract() {
        let dir = tempfile::tempdir().unwrap();
        contract::holds(&open(dir.path()).unwrap());
    }

    #[test]
    fn what_was_acknowledged_is_in_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path()).unwrap();
        contract::write(&store);
        // The bytes on disk while the store is still open are all that a killed process leaves.
        let copy = tempfile::tempdir().unwrap();
        std::fs::copy(dir.path().join(FILE), copy.path().join(FILE)).unwrap();
        contract::read(&open(copy.path()).unwrap());
    }

    #[test]
    fn a_second_server_is_told_why_it_cannot_start() {
        let dir = tempfile::tempdir().unwrap();
        let _first = open(dir.path()).unwrap();
        let error = open(dir.path()).err().unwrap();
        assert!(matches!(error, Error::Locked { .. }), "{error}");
    }

    #[test]
    fn a_file_of_a_later_version_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path()).unwrap();
        let write = store.begin_write().unwrap();
        write.open_table(META).unwrap().insert("version", VERSION + 1).unwrap();
        write.commit().unwrap();
        drop(store);
        let error = open(dir.path()).err().unwrap();
        assert!(matches!(error, Error::Newer { found: 2, known: 1, .. }), "{error}");
    }
}
