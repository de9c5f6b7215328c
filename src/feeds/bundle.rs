//! The database as one signed file, for places without a network.
//!
//! ```text
//! magic "stellabn" | version u32 | head length u32 | head, JSON | signature length u32 | signature | database, zstd
//! ```
//!
//! Numbers are little-endian. The signature is over all that stands before its length: the head has the digest of the
//! database, so who has checked the signature may unpack. Ed25519 (RFC 8032) or ECDSA P-256 with SHA-256.

use std::{
    fs::{self, File},
    io::Read as _,
    path::Path,
};

use super::{Target, Tell};
use crate::{
    advisory::{self, Snapshot, write_whole},
    digest::Digest,
    signer::Signer,
};
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
    /// Something that is there is newer.
    #[error("is older than the database that it would replace: {0}")]
    Older(String),
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
/// than the one that is in use.
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
            Error::Older(_) => "to take it all the same: --allow-older",
            Error::Form | Error::Content => "fetch it again",
            _ => "",
        };
        super::Error::unfinished(format!("{} {error}", path.display())).advise(advice)
    };
    let bytes = fs::read(path).map_err(|error| super::Error::at(path, &error))?;
    let (database, signer) = unpack(&bytes, signers).map_err(failed)?;
    let snapshot = Snapshot::from_bytes(database.clone()).map_err(|error| failed(error.into()))?;
    snapshot.verify().map_err(|error| failed(error.into()))?;
    if !allow_older {
        refuse_older(target.live(), &snapshot).map_err(failed)?;
    }
    let next = target.next();
    super::import::make_room(&next)?;
    write_whole(&next, &[&database]).map_err(|error| super::Error::at(&next, &error))?;
    tell.note(format_args!("{} written, as {} signed it", next.display(), signer.file));
    Ok(snapshot)
}

/// The bundle of a compiled file's bytes.
pub fn pack(database: Vec<u8>, key: &Key) -> Result<Vec<u8>, Error> {
    let (digest, bytes) = (Digest::of(&database), database.len() as u64);
    let packed = zstd::bulk::compress(&database, LEVEL).map_err(|_| Error::Content)?;
    let snapshot = Snapshot::from_bytes(database)?;
    snapshot.verify()?;
    let head = Head { database: digest, bytes, snapshot: snapshot.id() };
    let head = serde_json::to_vec(&head).map_err(|_| Error::Form)?;
    let mut bundle = MAGIC.to_vec();
    bundle.extend(VERSION.to_le_bytes());
    part(&mut bundle, &head)?;
    let signature = key.sign(&bundle)?;
    part(&mut bundle, &signature)?;
    bundle.extend(packed);
    Ok(bundle)
}

fn part(bundle: &mut Vec<u8>, bytes: &[u8]) -> Result<(), Error> {
    bundle.extend(u32::try_from(bytes.len()).map_err(|_| Error::Form)?.to_le_bytes());
    bundle.extend(bytes);
    Ok(())
}

/// The compiled file in a bundle that one of `signers` signed, and which of them did. Nothing of it is unpacked before.
fn unpack<'a>(bundle: &[u8], signers: &'a [Signer]) -> Result<(Vec<u8>, &'a Signer), Error> {
    let rest = bundle.strip_prefix(MAGIC).ok_or(Error::Form)?;
    let (version, rest) = number(rest)?;
    if version != VERSION {
        return Err(Error::Version(version));
    }
    let (head, rest) = taken(rest)?;
    let signed = &bundle[..bundle.len() - rest.len()];
    let (signature, packed) = taken(rest)?;
    let named = || signers.iter().map(|signer| signer.file.as_str()).collect::<Vec<_>>().join(", ");
    let signer = signers.iter().find(|signer| signer.signed(signed, signature));
    let signer = signer.ok_or_else(|| Error::Signature(named()))?;
    let head: Head = serde_json::from_slice(head).map_err(|_| Error::Form)?;
    if head.bytes > MOST_DATABASE_BYTES {
        return Err(Error::Size { bytes: head.bytes });
    }
    let mut database = Vec::new();
    let decoder = zstd::Decoder::new(packed).map_err(|_| Error::Content)?;
    decoder.take(head.bytes.saturating_add(1)).read_to_end(&mut database).map_err(|_| Error::Content)?;
    if Digest::of(&database) != head.database {
        return Err(Error::Content);
    }
    Ok((database, signer))
}

fn number(bytes: &[u8]) -> Result<(u32, &[u8]), Error> {
    let (number, rest) = bytes.split_first_chunk().ok_or(Error::Form)?;
    Ok((u32::from_le_bytes(*number), rest))
}

fn taken(bytes: &[u8]) -> Result<(&[u8], &[u8]), Error> {
    let (size_bytes, rest) = number(bytes)?;
    if size_bytes > MOST_HEAD_BYTES {
        return Err(Error::Form);
    }
    rest.split_at_checked(usize::try_from(size_bytes).map_err(|_| Error::Form)?).ok_or(Error::Form)
}

/// Whether the database at `path`, if one is there, has a feed or a database of facts that is newer than in `new`, or that
/// `new` lacks.
fn refuse_older(path: &Path, new: &Snapshot) -> Result<(), Error> {
    // One that cannot be opened is not worth keeping.
    let Ok(old) = Snapshot::open(path) else { return Ok(()) };
    let all = |snapshot: &Snapshot| [snapshot.feeds(), snapshot.databases().to_vec()].concat();
    let known = all(new);
    for old in all(&old) {
        let Some(new) = known.iter().find(|feed| feed.name == old.name) else {
            return Err(Error::Older(format!("it has no feed {}", old.name)));
        };
        if new.as_of < old.as_of {
            let (name, new, old) = (&new.name, &new.as_of, &old.as_of);
            return Err(Error::Older(format!(
                "{name} ends with {new}, and the one that is there with {old}"
            )));
        }
        if let Some(day) = old.checked.filter(|day| new.checked.is_none_or(|new| new < *day)) {
            let (name, new) =
                (&new.name, new.checked.map_or_else(|| "never".to_owned(), |day| day.to_string()));
            return Err(Error::Older(format!(
                "{name} was last checked {new}, and in the one that is there {day}"
            )));
        }
    }
    Ok(())
}
