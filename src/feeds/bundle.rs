//! The database as one signed file, for places without a network.
//!
//! ```text
//! magic "stellabn" | version u32 | head length u32 | head, JSON | signature length u32 | signature | database, zstd
//! ```
//!
//! Numbers are little-endian. The signature is over all that stands before its length: the head has the digest of the
//! database, so who has checked the signature may unpack. Ed25519 (RFC 8032) or ECDSA P-256 with SHA-256.

use std::{
    fs::File,
    io::{self, BufReader, Read, Write as _},
    path::{Path, PathBuf},
};

use super::{Target, Tell, store::each_chunk};
use crate::{
    advisory::{self, Aside, Feed, Snapshot, is_far},
    digest::{Digest, Hasher},
    report::plain,
    signer::Signer,
};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair},
};
use rustls::pki_types::pem::{PemObject, SectionKind};
use serde::{Deserialize, Serialize};

const MAGIC: &[u8; 8] = b"stellabn";
const VERSION: u32 = 1;
/// `bundle head bytes`: a head has a line for each ecosystem.
const MOST_HEAD_BYTES: u32 = 1 << 20;
/// `bundle database bytes`, unpacked.
const MOST_DATABASE_BYTES: u64 = 4 << 30;
/// How hard a database is packed: it is done once, and read in many places.
const LEVEL: i32 = 19;

/// What a bundle says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    /// Digest of the compiled file.
    database: Digest,
    /// Its size.
    bytes: u64,
    /// The id of the snapshot in it.
    snapshot: Digest,
}

/// Why a bundle is not taken, or not made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Cut or foreign.
    #[error("is no bundle that `stella feeds export` wrote, or is cut")]
    Form,
    /// Of another release.
    #[error("is a bundle of version {0}; this release reads version {VERSION}")]
    Version(u32),
    /// Nobody who is named signed it.
    #[error("is signed by none of the keys that are named: {0}")]
    Signature(String),
    /// What it holds is not what was signed.
    #[error("holds a database that is not the one that was signed")]
    Content,
    /// Too large.
    #[error("holds a database of {bytes} bytes; the limit `bundle database bytes` is {MOST_DATABASE_BYTES}")]
    Size {
        /// As its head says.
        bytes: u64,
    },
    /// The database in it.
    #[error("holds a database that cannot be read: {0}")]
    Database(#[from] advisory::Error),
    /// The file system says no.
    #[error("cannot be read, or what is in it cannot be written: {0}")]
    Io(#[from] io::Error),
    /// Something that is there is newer.
    #[error("is older than {}, which it would replace: {why}", path.display())]
    Older {
        /// Where that is.
        path: PathBuf,
        /// By which feed.
        why: String,
    },
    /// A key that signs.
    #[error("the key {0}")]
    Key(&'static str),
}

/// A private key.
pub enum Key {
    /// RFC 8032.
    Ed25519(Ed25519KeyPair),
    /// With SHA-256.
    P256(EcdsaKeyPair, SystemRandom),
}

impl Key {
    /// Reads the one key of a PEM file's text: PKCS #8 (RFC 5958), not encrypted.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.contains("ENCRYPTED") {
            return Err(Error::Key("is encrypted; `openssl pkey -in KEY` writes it without a passphrase"));
        }
        let mut keys = Vec::new();
        for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(text.as_bytes()) {
            let (kind, key) = section.map_err(|_| Error::Key("is no PEM that can be read"))?;
            if kind == SectionKind::PrivateKey {
                keys.push(key);
            }
        }
        let [key] = keys.as_slice() else {
            return Err(Error::Key(
                "is wanted as one section `PRIVATE KEY` in PEM, as `openssl genpkey -algorithm ed25519` writes it",
            ));
        };
        if let Ok(key) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(key) {
            return Ok(Self::Ed25519(key));
        }
        let random = SystemRandom::new();
        match EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key, &random) {
            Ok(key) => Ok(Self::P256(key, random)),
            Err(_) => Err(Error::Key("is of another kind; keys that sign: Ed25519, ECDSA P-256")),
        }
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        match self {
            Self::Ed25519(key) => Ok(key.sign(message).as_ref().to_vec()),
            Self::P256(key, random) => match key.sign(random, message) {
                Ok(signature) => Ok(signature.as_ref().to_vec()),
                Err(_) => Err(Error::Key("could not sign")),
            },
        }
    }
}

/// Whether the file at `path` is a bundle, by its first bytes.
pub fn is_bundle(path: &Path) -> bool {
    let mut head = [0; MAGIC.len()];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut head));
    read.is_ok() && head == *MAGIC
}

/// Puts the database of the bundle at `path` in place, if one of `signers` signed it, and, unless `allow_older`, it is not older
/// than the one that is in use, nor than one that waits to be. It is never whole in memory.
pub fn take(
    path: &Path,
    signers: &[Signer],
    allow_older: bool,
    target: &Target,
    tell: &dyn Tell,
) -> Result<Snapshot, super::Error> {
    if signers.is_empty() {
        let text = format!("{} is a bundle, and no key says whose are taken", path.display());
        return Err(super::Error::usage(text).advise("give --signer FILE, the public key of who exported it"));
    }
    let failed = |error: Error| {
        let advice = match error {
            Error::Older { .. } => "to take it all the same: --allow-older",
            Error::Form | Error::Content => "fetch it again",
            _ => "",
        };
        super::Error::unfinished(format!("{} {error}", path.display())).advise(advice)
    };
    let _lock = target.lock()?;
    let next = target.next();
    let file = File::open(path).map_err(|error| super::Error::at(path, &error))?;
    let mut file = BufReader::new(file);
    let (head, signer) = signed_head(&mut file, signers).map_err(failed)?;
    let mut aside = Aside::of(&next).map_err(|error| super::Error::at(&next, &error))?;
    unpack(file, &head, &mut aside).map_err(failed)?;
    let open = |path: &Path| Snapshot::open(path).map_err(|error| failed(error.into()));
    let snapshot = open(aside.path())?;
    snapshot.verify().map_err(|error| failed(error.into()))?;
    if !allow_older {
        let today = TimeZone::UTC.to_datetime(Timestamp::now()).date();
        refuse_older(target, &snapshot, today).map_err(failed)?;
    }
    // As with an import: where what is open cannot be moved, there is no server.
    let snapshot = target.is_tried().then_some(snapshot);
    aside.put(&next).map_err(|error| super::Error::at(&next, &error))?;
    tell.note(format_args!("{} written, as {} signed it", next.display(), signer.file));
    snapshot.map_or_else(|| open(&next), Ok)
}

/// Writes the bundle of a database; gives its size.
pub fn pack(database: &Snapshot, key: &Key, bundle: &Path) -> Result<u64, Error> {
    database.verify()?;
    let bytes = database.bytes();
    let head = Head { database: Digest::of(bytes), bytes: bytes.len() as u64, snapshot: database.id() };
    let head = serde_json::to_vec(&head).map_err(|_| Error::Form)?;
    let mut beginning = MAGIC.to_vec();
    beginning.extend(VERSION.to_le_bytes());
    part(&mut beginning, &head)?;
    let signature = key.sign(&beginning)?;
    part(&mut beginning, &signature)?;
    let mut aside = Aside::of(bundle)?;
    aside.write_all(&beginning)?;
    let mut packer = zstd::Encoder::new(&mut aside, LEVEL)?;
    packer.write_all(bytes)?;
    packer.finish()?;
    let size_bytes = aside.path().metadata()?.len();
    aside.put(bundle)?;
    Ok(size_bytes)
}

fn part(bundle: &mut Vec<u8>, bytes: &[u8]) -> Result<(), Error> {
    bundle.extend(u32::try_from(bytes.len()).map_err(|_| Error::Form)?.to_le_bytes());
    bundle.extend(bytes);
    Ok(())
}

/// What a bundle says of itself, if one of `signers` signed it, and which of them did. What comes next in `bundle` is the database.
fn signed_head<'a>(bundle: &mut impl Read, signers: &'a [Signer]) -> Result<(Head, &'a Signer), Error> {
    let mut signed = Vec::new();
    if take_bytes(bundle, MAGIC.len(), &mut signed)? != MAGIC {
        return Err(Error::Form);
    }
    let version = number(bundle, &mut signed)?;
    if version != VERSION {
        return Err(Error::Version(version));
    }
    let head = taken(bundle, &mut signed)?;
    let signature = taken(bundle, &mut Vec::new())?;
    let named = || signers.iter().map(|signer| signer.file.as_str()).collect::<Vec<_>>().join(", ");
    let signer = signers.iter().find(|signer| signer.signed(&signed, &signature));
    let signer = signer.ok_or_else(|| Error::Signature(named()))?;
    let head: Head = serde_json::from_slice(&head).map_err(|_| Error::Form)?;
    if head.bytes > MOST_DATABASE_BYTES {
        return Err(Error::Size { bytes: head.bytes });
    }
    Ok((head, signer))
}

/// Writes the database of a bundle, if it is the one that its head is of.
fn unpack(packed: impl Read, head: &Head, to: &mut Aside) -> Result<(), Error> {
    let decoder = zstd::Decoder::new(packed)?;
    let mut hasher = Hasher::default();
    let mut written = Ok(());
    let read = each_chunk(decoder.take(head.bytes.saturating_add(1)), |chunk| {
        hasher.update(chunk);
        // What cannot be written is told from what cannot be read.
        to.write_all(chunk).map_err(|error| {
            let kind = error.kind();
            written = Err(error);
            kind.into()
        })
    });
    written?;
    if read.is_err() || hasher.finish() != head.database {
        return Err(Error::Content);
    }
    Ok(())
}

/// The next bytes, which are added to `all` too.
fn take_bytes<'a>(
    bundle: &mut impl Read,
    size_bytes: usize,
    all: &'a mut Vec<u8>,
) -> Result<&'a [u8], Error> {
    let from = all.len();
    bundle.take(size_bytes as u64).read_to_end(all)?;
    all.get(from..).filter(|bytes| bytes.len() == size_bytes).ok_or(Error::Form)
}

fn number(bundle: &mut impl Read, all: &mut Vec<u8>) -> Result<u32, Error> {
    let bytes = take_bytes(bundle, size_of::<u32>(), all)?;
    Ok(u32::from_le_bytes(bytes.try_into().map_err(|_| Error::Form)?))
}

fn taken(bundle: &mut impl Read, all: &mut Vec<u8>) -> Result<Vec<u8>, Error> {
    let size_bytes = number(bundle, all)?;
    if size_bytes > MOST_HEAD_BYTES {
        return Err(Error::Form);
    }
    let size_bytes = usize::try_from(size_bytes).map_err(|_| Error::Form)?;
    take_bytes(bundle, size_bytes, all).map(<[u8]>::to_vec)
}

/// Whether a database that is in use, or that waits to be, has a feed or a database of facts that is newer than in `new`, or that
/// `new` lacks.
fn refuse_older(target: &Target, new: &Snapshot, today: Date) -> Result<(), Error> {
    let all = |snapshot: &Snapshot| [snapshot.feeds(), snapshot.databases().to_vec()].concat();
    let known = all(new);
    for path in target.in_line() {
        // One that cannot be opened is not worth keeping.
        let Ok(old) = Snapshot::open(&path) else { continue };
        for old in all(&old) {
            let is_no_older = match known.iter().find(|feed| feed.name == old.name) {
                Some(new) => is_no_older(new, &old, today),
                None => Err(format!("it has no feed {}", plain(&old.name))),
            };
            is_no_older.map_err(|why| Error::Older { path: path.clone(), why })?;
        }
    }
    Ok(())
}

/// A day that will not come soon is none, in either: one record of the year 9999 would make every bundle older for ever.
fn is_no_older(new: &Feed, old: &Feed, today: Date) -> Result<(), String> {
    let name = plain(&new.name);
    if !old.is_newest_far(today) && !new.is_newest_far(today) && new.as_of < old.as_of {
        let (new, old) = (plain(&new.as_of), plain(&old.as_of));
        return Err(format!("{name} ends with {new}, and the one that is there with {old}"));
    }
    let checked = |feed: &Feed| feed.checked.filter(|day| !is_far(*day, today));
    if let Some(day) = checked(old).filter(|day| checked(new).is_none_or(|new| new < *day)) {
        let new = checked(new).map_or_else(|| "never".to_owned(), |day| day.to_string());
        return Err(format!("{name} was last checked {new}, and in the one that is there {day}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::{
        advisory::{Advisory, Compiler, State},
        finding::Severity,
    };

    /// A database of one feed, checked on a day.
    fn database(path: &Path, day: Date) -> Snapshot {
        let mut compiler = Compiler::default();
        let advisory = Advisory {
            id: "A".into(),
            source: "test".into(),
            aliases: Vec::new(),
            summary: String::new(),
            severity: Severity::High,
            state: State::Affected,
            ranges: Vec::new(),
            versions: vec!["1".into()],
        };
        compiler.add("npm", "a", "2026-05-01T00:00:00Z", advisory);
        compiler.set_checked("npm", day);
        compiler.write(path).unwrap();
        Snapshot::open(path).unwrap()
    }

    #[test]
    fn what_waits_to_be_used_is_not_replaced_by_what_is_older() {
        let directory = tempfile::tempdir().unwrap();
        let target = Target::tried(directory.path().join("advisories.db"));
        let (old, new) = (date(2026, 5, 2), date(2026, 5, 4));
        let between = database(&directory.path().join("between"), date(2026, 5, 3));
        let refused = || refuse_older(&target, &between, date(2026, 6, 15));
        database(target.live(), old);
        assert!(refused().is_ok());
        for waits in [target.candidate(), target.trying()] {
            database(&waits, new);
            let error = refused().unwrap_err().to_string();
            assert!(error.contains(&waits.display().to_string()) && error.contains("2026-05-04"), "{error}");
            std::fs::remove_file(waits).unwrap();
        }
        // Nobody has accepted it.
        database(&target.held(), new);
        assert!(refused().is_ok());
        // Where nothing is tried, such a file is none of this database's.
        database(&target.candidate(), new);
        assert!(refuse_older(&Target::at_once(target.live()), &between, date(2026, 6, 15)).is_ok());
    }

    #[test]
    fn a_day_that_will_not_come_soon_is_none() {
        let today = date(2026, 6, 15);
        let feed = |as_of: &str, checked| Feed { as_of: as_of.into(), checked, ..Feed::default() };
        let is_taken = |new: &Feed, old: &Feed| is_no_older(new, old, today).is_ok();
        let (may, june) = (feed("2026-05-01T00:00:00Z", None), feed("2026-06-01T00:00:00Z", None));
        let far = feed("9999-01-01T00:00:00Z", None);
        assert!(is_taken(&june, &may) && is_taken(&may, &may) && !is_taken(&may, &june));
        assert!(is_taken(&may, &far) && is_taken(&far, &may) && is_taken(&far, &far));
        let checked = |day| feed("2026-05-01T00:00:00Z", Some(day));
        let (old, new) = (checked(date(2026, 5, 2)), checked(date(2026, 5, 3)));
        assert!(is_taken(&new, &old) && !is_taken(&old, &new) && !is_taken(&may, &old));
        let far = checked(date(2999, 1, 1));
        assert!(is_taken(&new, &far) && is_taken(&far, &far) && !is_taken(&far, &old));
    }
}
