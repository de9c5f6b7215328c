//! The embedded store: one redb file in the data directory. Transactions are copy-on-write, so the file is whole
//! after a crash at any moment.

use std::{
    ops::RangeInclusive,
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
};

use redb::{
    Durability, ReadTransaction, ReadableDatabase, ReadableTable, ReadableTableMetadata, Table,
    TableDefinition, TableError, WriteTransaction,
};
use stella::{api::Pair, digest::Digest, policy::Class};

use super::{
    Error, Owner, Scan, Sent, Space, Store, Stored, Upload,
    database::{Database, Fault, Options},
};
use crate::metrics::StoreErrors;

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
    scans_kept: u64,
    lazy_commits: AtomicU32,
}

impl Embedded {
    /// Opens the file in `data_dir`, making both where they are not there yet.
    pub fn open(
        data_dir: &Path,
        cache_bytes: usize,
        scans_kept: u64,
        errors: StoreErrors,
    ) -> Result<Self, Error> {
        let database = Database::open(data_dir, FILE, Options { cache_bytes, prepare, errors })?;
        Ok(Self { database, scans_kept, lazy_commits: AtomicU32::new(1) })
    }

    fn read<T>(&self, work: impl Fn(&ReadTransaction) -> Result<T, redb::Error>) -> Result<T, Error> {
        self.database.call(|database| Ok(work(&database.begin_read()?)?))
    }

    /// Durable when it returns; a crash needs no repair that reads the whole file.
    fn write<T>(&self, work: impl Fn(&WriteTransaction) -> Result<T, redb::Error>) -> Result<T, Error> {
        self.database.call(|database| write(database, false, &work))
    }

    /// Visible when it returns, durable with the next durable commit.
    fn write_lazily(&self, work: impl Fn(&WriteTransaction) -> Result<(), redb::Error>) -> Result<(), Error> {
        let lazy = !self.lazy_commits.fetch_add(1, Ordering::Relaxed).is_multiple_of(LAZY_COMMITS);
        self.database.call(|database| write(database, lazy, &work))
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
        self.database.call(|database| {
            database.begin_read()?.open_table(META)?.get("version")?;
            // After an error of the disk nothing can be written any more; a reader would not notice.
            Ok(database.begin_write()?.abort()?)
        })?;
        self.database.check_room()
    }

    fn layers(&self, space: &Space, diff_ids: &[Digest]) -> Result<Vec<Option<Digest>>, Error> {
        self.read(|read| {
            let table = read.open_table(LAYERS)?;
            let undisputed = |diff_id: &Digest| {
                let value = table.get(layer_key(space, *diff_id).as_slice())?;
                Ok(value.and_then(|value| digest(value.value())))
            };
            diff_ids.iter().map(undisputed).collect()
        })
    }

    fn pairs(&self, owner: &Owner, pairs: &[Pair]) -> Result<Vec<bool>, Error> {
        self.read(|read| {
            let table = read.open_table(PAIRS)?;
            let known = |pair: &Pair| {
                let value = table.get(pair_key(owner, pair.blob).as_slice())?;
                Ok(value.is_some_and(|value| digest(value.value()) == Some(pair.diff_id)))
            };
            pairs.iter().map(known).collect()
        })
    }

    fn fragment(&self, space: &Space, diff_id: Digest, content: Digest) -> Result<Option<Vec<u8>>, Error> {
        let key = join(&layer_key(space, diff_id), content.bytes());
        self.read(|read| {
            let value = read.open_table(FRAGMENTS)?.get(key.as_slice())?;
            Ok(value.map(|value| value.value().to_vec()))
        })
    }

    fn put_fragment(&self, upload: &Upload<'_>) -> Result<Stored, Error> {
        self.write(|write| Self::write_fragment(write, upload))
    }

    fn add_pairs(&self, owner: &Owner, pairs: &[Pair]) -> Result<(), Error> {
        self.write_lazily(|write| {
            let mut table = write.open_table(PAIRS)?;
            pairs.iter().try_for_each(|pair| write_pair(&mut table, owner, *pair))
        })
    }

    fn open_scan(&self, name: &str, request: &[u8]) -> Result<(), Error> {
        self.write_lazily(|write| {
            write.open_table(SCANS)?.insert(name.as_bytes(), request)?;
            self.prune(write)
        })
    }

    fn scan(&self, name: &str) -> Result<Option<Scan>, Error> {
        self.read(|read| Self::read_scan(read, name))
    }

    fn newest_scans(&self, most: usize) -> Result<Vec<String>, Error> {
        self.read(|read| {
            let table = read.open_table(SCANS)?;
            let name = |entry: Result<_, redb::StorageError>| {
                let (name, _): (redb::AccessGuard<'_, &[u8]>, redb::AccessGuard<'_, &[u8]>) = entry?;
                Ok(String::from_utf8_lossy(name.value()).into_owned())
            };
            table.iter()?.rev().take(most).map(name).collect()
        })
    }

    fn close_scan(&self, name: &str, answer: &[u8]) -> Result<(), Error> {
        self.write_lazily(|write| {
            write.open_table(ANSWERS)?.insert(name.as_bytes(), answer)?;
            self.prune(write)
        })
    }
}

/// Makes the tables of a new file; refuses a file with others. A file that has them is not written to, so that one on a
/// full disk can still be read.
fn prepare(database: &redb::Database) -> Result<(), Fault> {
    let version = || -> Result<Option<u64>, redb::Error> {
        match database.begin_read()?.open_table(META) {
            Ok(meta) => Ok(meta.get("version")?.map(|value| value.value())),
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    };
    match version()? {
        Some(VERSION) => Ok(()),
        Some(found) => Err(Fault::Version { found, known: VERSION }),
        None => write(database, false, |write| {
            write.open_table(META)?.insert("version", VERSION)?;
            for table in [FRAGMENTS, LAYERS, PAIRS, SCANS, SENT, ANSWERS] {
                write.open_table(table)?;
            }
            Ok(())
        }),
    }
}

fn write<T>(
    database: &redb::Database,
    lazy: bool,
    work: impl Fn(&WriteTransaction) -> Result<T, redb::Error>,
) -> Result<T, Fault> {
    let mut write = database.begin_write()?;
    write.set_quick_repair(!lazy);
    if lazy {
        write.set_durability(Durability::None)?;
    }
    let done = work(&write)?;
    write.commit()?;
    Ok(done)
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
        Embedded::open(dir, 1 << 20, contract::SCANS_KEPT, StoreErrors::default())
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
        let later = |write: &WriteTransaction| {
            write.open_table(META)?.insert("version", VERSION + 1).map(|_| ()).map_err(Into::into)
        };
        store.write(later).unwrap();
        drop(store);
        let error = open(dir.path()).err().unwrap();
        assert!(matches!(error, Error::Newer { found: 2, known: 1, .. }), "{error}");
    }

    #[test]
    fn a_panic_in_one_call_is_an_error_of_that_call_alone() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path()).unwrap();
        contract::write(&store);
        for _ in 0..2 {
            let error = store.write(|write| -> Result<(), redb::Error> {
                let _table = write.open_table(LAYERS)?;
                panic!("entered unreachable code")
            });
            assert!(error.unwrap_err().to_string().contains("unreachable code"));
            contract::read(&store);
        }
    }

    #[test]
    fn a_file_that_is_damaged_is_named_with_the_way_out() {
        let dir = tempfile::tempdir().unwrap();
        contract::write(&open(dir.path()).unwrap());
        let path = dir.path().join(FILE);
        let good = std::fs::read(&path).unwrap();
        let mut garbage = good.clone();
        let noise = (0..240 << 10).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as u8);
        garbage[4096..].iter_mut().zip(noise).for_each(|(byte, noise)| *byte = noise);
        let mut magic = good.clone();
        magic[..4].copy_from_slice(b"PK\x03\x04");
        for (what, bytes) in [
            ("garbage", garbage),
            ("magic", magic),
            ("half", good[..good.len() / 2].to_vec()),
            ("short", good[..100].to_vec()),
        ] {
            std::fs::write(&path, bytes).unwrap();
            let error = open(dir.path()).err().unwrap();
            assert!(matches!(error, Error::Damaged { .. }), "{what}: {error}");
            let text = error.to_string();
            assert!(text.contains(FILE) && text.contains("move it away"), "{what}: {text}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_it_makes_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("data");
        let _store = open(&dir).unwrap();
        for (path, mode) in [(dir.clone(), 0o700), (dir.join(FILE), 0o600)] {
            assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, mode);
        }
    }
}
