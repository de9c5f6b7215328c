//! rpm's database in its three forms: SQLite (`rpmdb.sqlite`), its own (`Packages.db`), Berkeley DB (`Packages`).
//!
//! Small readers of what a listing takes, with no library of C. All they read is hostile: each number is checked against the
//! file before it is believed, and what the file does not hold is an error.

mod berkeley;
mod header;
mod journal;
mod ndb;
mod sqlite;

pub(crate) use header::source_of;

use super::{self as package, Fact, Owned, Package, count::Packages, file_name};

/// SQLite's write-ahead log, empty in most images.
const JOURNAL: &str = "rpmdb.sqlite-wal";
/// `rpm write-ahead log`: bytes of a log, which is kept until its database is known. SQLite empties one of 4 MiB when it can.
const MOST_JOURNAL_BYTES: usize = 32 << 20;
/// What it adds to the name of the database.
const JOURNAL_SUFFIX: &str = "-wal";

/// What is wrong with a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Error {
    /// Of one package.
    #[error("a package's header: {0}")]
    Header(&'static str),
    /// Of the SQLite file.
    #[error("SQLite: {0}")]
    Sqlite(&'static str),
    /// Of rpm's own form.
    #[error("ndb: {0}")]
    Ndb(&'static str),
    /// Of the Berkeley DB file.
    #[error("Berkeley DB: {0}")]
    Berkeley(&'static str),
    /// Of any: what is stored is together no larger than the file.
    #[error("packages that share their bytes")]
    Shared,
}

impl From<Error> for package::Error {
    fn from(error: Error) -> Self {
        Self::Database(error.to_string())
    }
}

/// By content; SQLite and Berkeley DB files are many things, so those by their names too.
pub(super) fn recognise(path: &str, head: &[u8]) -> bool {
    let name = file_name(path);
    match name {
        "rpmdb.sqlite" => sqlite::recognise(head),
        "Packages" => berkeley::recognise(head),
        JOURNAL => !head.is_empty(),
        _ => ndb::recognise(head),
    }
}

/// Reads all packages. A database that a write-ahead log may belong to is kept until the layer's end, see [`settle`].
pub(super) fn read(path: &str, bytes: &[u8]) -> Result<Option<Fact>, super::Error> {
    if path.ends_with(JOURNAL) {
        if bytes.len() > MOST_JOURNAL_BYTES {
            return Err(package::Error::Limit {
                name: "rpm write-ahead log",
                limit: MOST_JOURNAL_BYTES as u64,
            });
        }
        return Ok(Some(Fact::RpmJournal { log: bytes.to_vec() }));
    }
    let found = packages(bytes)?;
    let database = sqlite::has_journal(bytes).then(|| bytes.to_vec());
    // Its first packages may be in the log.
    let found = found.or_else(|| database.is_some().then(Default::default));
    Ok(found.map(|(packages, owned)| Fact::Rpm { packages, owned, database }))
}

/// Puts the write-ahead logs of a layer into the databases beside them. A log whose database is in another layer, or that
/// cannot be read, is an error of the log's.
pub(crate) fn settle(files: &mut [(Vec<String>, Result<Fact, String>)]) {
    let is_log = |file: &(Vec<String>, Result<Fact, String>)| matches!(file.1, Ok(Fact::RpmJournal { .. }));
    for at in (0..files.len()).filter(|at| is_log(&files[*at])).collect::<Vec<_>>() {
        let names =
            files[at].0.iter().filter_map(|path| path.strip_suffix(JOURNAL_SUFFIX).map(str::to_owned));
        let names: Vec<String> = names.collect();
        let beside = |file: &&mut (Vec<String>, _)| file.0.iter().any(|path| names.contains(path));
        let database = files.iter_mut().find(beside).and_then(|file| match &mut file.1 {
            Ok(Fact::Rpm { database, .. }) => database.take(),
            _ => None,
        });
        let Ok(Fact::RpmJournal { log }) = &files[at].1 else { continue };
        let whole = database.ok_or("changes to a database that is not in the same layer".to_owned());
        let whole = whole.and_then(|database| journal::apply(database, log).map_err(|e| e.to_string()));
        let found = whole.and_then(|whole| packages(&whole).map_err(|error| error.to_string()));
        match found {
            Ok(found) => {
                let (packages, owned) = found.unwrap_or_default();
                if let Some(file) = files.iter_mut().find(beside) {
                    file.1 = Ok(Fact::Rpm { packages, owned, database: None });
                }
            }
            Err(why) => files[at].1 = Err(format!("{why}; `rpm --rebuilddb` writes them there")),
        }
    }
}

/// The packages of a database and their files; `None` when it is a database of something else.
fn packages(bytes: &[u8]) -> Result<Option<(Vec<Package>, Owned)>, package::Error> {
    let (mut packages, mut owned, mut left) = (Packages::default(), Owned::default(), bytes.len());
    let give = |blob: &[u8]| {
        left = left.checked_sub(blob.len()).ok_or(Error::Shared)?;
        packages.extend(header::package(blob, &mut owned)?)
    };
    if sqlite::recognise(bytes) {
        if !sqlite::blobs(bytes, give)? {
            return Ok(None);
        }
    } else if ndb::recognise(bytes) {
        ndb::blobs(bytes, give)?;
    } else {
        berkeley::blobs(bytes, give)?;
    }
    Ok(Some((packages.into_sorted(), owned)))
}

/// Name and stream of a module's label, `nodejs:18` of `nodejs:18:8090020240301110609:rhel8`.
pub(crate) fn module_stream(label: &str) -> Option<String> {
    let mut parts = label.split(':').filter(|part| !part.is_empty());
    Some(format!("{}:{}", parts.next()?, parts.next()?))
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
}

fn le16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A header with these tags: texts, and an epoch.
    pub(super) fn blob(epoch: Option<u32>, texts: &[(u32, &str)]) -> Vec<u8> {
        let (mut index, mut store, mut entries) = (Vec::new(), Vec::new(), 0_u32);
        let mut add = |tag: u32, kind: u32, value: &[u8]| {
            let offset = u32::try_from(store.len()).unwrap();
            for field in [tag, kind, offset, 1] {
                index.extend_from_slice(&field.to_be_bytes());
            }
            store.extend_from_slice(value);
            entries += 1;
        };
        if let Some(epoch) = epoch {
            add(1003, 4, &epoch.to_be_bytes());
        }
        for (tag, text) in texts {
            add(*tag, 6, &[text.as_bytes(), b"\0"].concat());
        }
        let size = u32::try_from(store.len()).unwrap();
        [&entries.to_be_bytes()[..], &size.to_be_bytes(), &index, &store].concat()
    }

    /// rpm's own form, with one page of slots.
    fn ndb(blobs: &[Vec<u8>]) -> Vec<u8> {
        let mut file = vec![0; 4096];
        file[..16].copy_from_slice(b"RpmP\0\0\0\0\x01\0\0\0\x01\0\0\0");
        for slot in file[32..].chunks_exact_mut(16) {
            slot[..4].copy_from_slice(b"Slot");
        }
        for (index, blob) in blobs.iter().enumerate() {
            let field = |value: usize| u32::try_from(value).unwrap().to_le_bytes();
            let slot = 32 + 16 * index;
            let place = file.len() / 16;
            file[slot + 4..slot + 8].copy_from_slice(&field(index + 1));
            file[slot + 8..slot + 12].copy_from_slice(&field(place));
            file.extend_from_slice(b"BlbS");
            for value in [index + 1, 1, blob.len()] {
                file.extend_from_slice(&field(value));
            }
            file.extend_from_slice(blob);
            file.resize(file.len().next_multiple_of(16), 0);
        }
        file
    }

    #[test]
    fn epoch_source_module_and_keys() {
        let openssl = blob(
            Some(1),
            &[
                (1000, "openssl-libs"),
                (1001, "3.0.7"),
                (1002, "24.el9"),
                (1022, "x86_64"),
                (1044, "openssl-3.0.7-24.el9.src.rpm"),
                (5096, "(none)"),
            ],
        );
        let node = [
            (1000, "nodejs"),
            (1001, "12.16.1"),
            (1002, "2.module+el8.1.0"),
            (5096, "nodejs:12:8030020200410173826:30b713e6"),
        ];
        let key = blob(None, &[(1000, "gpg-pubkey"), (1001, "1"), (1002, "2"), (1044, "(none)")]);
        let (packages, _) = packages(&ndb(&[openssl, key, blob(None, &node)])).unwrap().unwrap();
        let [node, package] = &packages[..] else { panic!("{packages:?}") };
        assert_eq!(node.module.as_deref(), Some("nodejs:12:8030020200410173826:30b713e6"));
        assert_eq!(package.module, None);
        assert_eq!((package.name.as_str(), package.version.as_str()), ("openssl-libs", "1:3.0.7-24.el9"));
        assert_eq!(package.source(), ("openssl", "1:3.0.7-24.el9"));
        assert_eq!(package.arch.as_deref(), Some("x86_64"));
    }

    #[test]
    fn what_is_no_package_is_an_error() {
        for (broken, why) in [
            (blob(None, &[(1000, "a"), (1001, "1")]), "no release"),
            (
                blob(None, &[(1000, "a"), (1001, "1"), (1002, "1"), (5096, "a b")]),
                "a name, version or module with blanks",
            ),
            (blob(None, &[(1000, "a b"), (1001, "1"), (1002, "1")]), "a name, version or module with blanks"),
            (
                blob(None, &[(1000, "a"), (1001, "1"), (1002, "1"), (1044, "a.src.rpm")]),
                "a source rpm of another form",
            ),
            (blob(None, &[(1000, "a")])[..20].to_vec(), "shorter than it says"),
        ] {
            assert_eq!(packages(&ndb(&[broken])), Err(Error::Header(why).into()));
        }
    }

    #[test]
    fn any_bytes_end_in_a_list_or_an_error() {
        let good = ndb(&[blob(None, &[(1000, "a"), (1001, "1"), (1002, "1")])]);
        proptest!(|(at in 0..good.len(), value: u8, size in 0..good.len(), noise in prop::collection::vec(any::<u8>(), 0..2048))| {
            let mut bent = good.clone();
            bent[at] = value;
            bent.truncate(size.max(at));
            let _ = packages(&bent);
            for (magic, place) in [(&b"SQLite format 3\0\x02\0\x01\x01\0"[..], 0), (&b"\x61\x15\x06\0\x09\0\0\0\0\x02\0\0\0\x08"[..], 12)] {
                let mut file = vec![0; place];
                file.extend_from_slice(magic);
                file.extend_from_slice(&noise);
                let _ = packages(&file);
            }
        });
    }
}
