//! Bills of materials that statements make of an image: BuildKit's attestation manifests in an index, and manifests
//! whose `subject` is the image (OCI distribution 1.1, referrers), or whose tag is cosign's.
//!
//! Format of a statement: in-toto Attestation Framework 0.1 to 1.

mod envelope;
mod list;

use std::{borrow::Cow, io::Read as _};

use serde::Deserialize;
use serde_json::value::RawValue;
use stella::{
    digest::Digest,
    document::Document,
    image::{Descriptor, Image},
    inventory::Skipped,
    signer::Signer,
};

use super::{
    Error,
    store::{Store, blob_name},
};
use envelope::Envelope;
use list::{Listed, bounded};

/// `statement size`: bytes of all statements that are read for one image.
const MOST_STATEMENT_BYTES: u64 = 64 << 20;

/// `statements`: most manifests that are looked into for one image, and most statements in them.
const MOST_STATEMENTS: usize = 64;

/// Which manifest BuildKit made an attestation manifest for.
const OF: &str = "vnd.docker.reference.digest";

/// What a statement says, beside its blob: BuildKit's key, and those of cosign.
const PREDICATES: [&str; 3] =
    ["in-toto.io/predicate-type", "predicateType", "dev.sigstore.bundle.predicateType"];

const STATEMENT: &str = "application/vnd.in-toto+json";
const ENVELOPE: &str = "application/vnd.dsse.envelope.v1+json";
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle";

/// What the predicates of bills of materials begin with.
const SBOMS: [&str; 2] = ["https://spdx.dev/Document", "https://cyclonedx.org/"];

/// What was found for one image.
#[derive(Debug, Default)]
pub struct Attested {
    /// In the order in which they were found, each statement once.
    pub sboms: Vec<AttestedSbom>,
    /// What could be one and could not be read, sorted; `what` is the digest.
    pub skipped: Vec<Skipped>,
}

/// A bill of materials that a statement makes of an image: the statement's subject is the image's manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttestedSbom {
    /// Such as `https://spdx.dev/Document` or `https://cyclonedx.org/bom`.
    pub predicate_type: String,
    /// Of the blob: a statement, an envelope or a bundle.
    pub media_type: String,
    /// The configured key that signed it: [`Signer::fingerprint`].
    pub signer: Option<Digest>,
    /// Of the blob.
    pub digest: Digest,
    /// The bill itself, as JSON; at most 64 MiB.
    pub bytes: Vec<u8>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement<'a> {
    #[serde(borrow, default, deserialize_with = "bounded")]
    subject: Vec<Subject<'a>>,
    #[serde(borrow, default)]
    predicate_type: Cow<'a, str>,
    #[serde(borrow, default)]
    predicate: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Subject<'a> {
    #[serde(borrow, default)]
    digest: Digests<'a>,
}

#[derive(Default, Deserialize)]
struct Digests<'a> {
    #[serde(borrow, default)]
    sha256: Cow<'a, str>,
}

impl Listed for Subject<'_> {
    const LIMIT: &'static str = "subjects";
    const MOST: usize = 1024;
}

/// Reads what `attestations`, and in a registry what refers to the image, state of `image`, and which of `signers` signed it.
pub(super) fn sboms(
    store: &Store,
    attestations: &[Descriptor],
    image: &Image,
    signers: &[Signer],
) -> Result<Attested, Error> {
    let mut attested = Attested::default();
    // Without a manifest there is nothing that a statement could be about.
    let Some(subject) = image.manifest_digest else { return Ok(attested) };
    let mut manifests: Vec<Descriptor> =
        attestations.iter().filter(|descriptor| is_of(descriptor, subject)).cloned().collect();
    if let Store::Registry(repository) = store {
        manifests.extend(repository.referrers(subject)?);
    }
    let mut left = Left { statements: MOST_STATEMENTS, bytes: MOST_STATEMENT_BYTES };
    let wanted = Wanted { store, subject, signers };
    let mut seen = Vec::new();
    for manifest in manifests {
        if seen.contains(&manifest.digest) {
            continue;
        }
        seen.push(manifest.digest);
        if seen.len() > MOST_STATEMENTS {
            attested.skip(manifest.digest, &format!("over the limit `statements`, {MOST_STATEMENTS}"));
            break;
        }
        if let Err(why) = wanted.look_into(&manifest, &mut left, &mut attested) {
            attested.skip(manifest.digest, &why);
        }
    }
    attested.skipped.sort_unstable();
    Ok(attested)
}

/// BuildKit says which manifest it means; the statement has to say it too.
fn is_of(descriptor: &Descriptor, subject: Digest) -> bool {
    descriptor.annotations.get(OF).is_none_or(|of| *of == subject.to_string())
}

/// Statements in `store` of the manifest `subject`.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    store: &'a Store,
    subject: Digest,
    signers: &'a [Signer],
}

impl Wanted<'_> {
    fn look_into(
        self,
        manifest: &Descriptor,
        left: &mut Left,
        attested: &mut Attested,
    ) -> Result<(), String> {
        let store = self.store;
        if !store.holds_manifest(manifest.digest).map_err(|error| error.to_string())? {
            return Ok(());
        }
        let bytes = store.manifest(manifest.digest).map_err(|error| error.to_string())?;
        let layers = match Document::parse(&bytes, &manifest.media_type) {
            Ok(Document::Manifest { layers, .. }) => layers,
            Ok(Document::Index(_)) => return Ok(()),
            Err(error) => return Err(error.to_string()),
        };
        for layer in layers.iter().filter(|layer| may_be_sbom(layer)) {
            if attested.sboms.iter().any(|sbom| sbom.digest == layer.digest) {
                continue;
            }
            match left.take(layer).and_then(|()| self.statement(layer)) {
                Ok(sbom) => attested.sboms.extend(sbom),
                Err(why) => attested.skip(layer.digest, &why),
            }
            if left.statements == 0 {
                break;
            }
        }
        Ok(())
    }

    /// The bill of one statement; `None` if it is about something else, or of another image.
    fn statement(self, layer: &Descriptor) -> Result<Option<AttestedSbom>, String> {
        let bytes = blob(self.store, layer)?;
        if layer.media_type == STATEMENT {
            return self.bill(layer, &bytes, || None);
        }
        let envelope = Envelope::read(&bytes, layer.media_type != ENVELOPE)?;
        // Its payload is a copy, and one of them is enough.
        drop(bytes);
        let Some(envelope) = envelope else { return Ok(None) };
        let signer = || envelope.signer(self.signers).map(|signer| signer.fingerprint);
        self.bill(layer, envelope.payload(), signer)
    }

    /// Asks for the `signer` of what is wanted only: it costs more than reading.
    fn bill(
        self,
        layer: &Descriptor,
        statement: &[u8],
        signer: impl FnOnce() -> Option<Digest>,
    ) -> Result<Option<AttestedSbom>, String> {
        let json = |error: serde_json::Error| format!("not a statement: {error}");
        let parsed: Statement<'_> = serde_json::from_slice(statement).map_err(json)?;
        let hex = self.subject.hex();
        let is_subject = parsed.subject.iter().any(|subject| subject.digest.sha256 == hex);
        let Some(predicate) = parsed.predicate.filter(|_| is_subject && is_sbom(&parsed.predicate_type))
        else {
            return Ok(None);
        };
        let bytes = match predicate.get() {
            // cosign puts an SPDX document of tags and values into a string.
            text if text.starts_with('"') => serde_json::from_str::<String>(text).map_err(json)?.into_bytes(),
            text => text.as_bytes().to_vec(),
        };
        Ok(Some(AttestedSbom {
            predicate_type: parsed.predicate_type.into_owned(),
            media_type: layer.media_type.clone(),
            digest: layer.digest,
            signer: signer(),
            bytes,
        }))
    }
}

/// What may still be read.
struct Left {
    statements: usize,
    bytes: u64,
}

impl Left {
    fn take(&mut self, layer: &Descriptor) -> Result<(), String> {
        let over = |limit: &str, most: u64| format!("over the limit `{limit}`, {most}");
        self.statements =
            self.statements.checked_sub(1).ok_or_else(|| over("statements", MOST_STATEMENTS as u64))?;
        let left = self.bytes.checked_sub(layer.size_bytes);
        self.bytes = left.ok_or_else(|| over("statement size", MOST_STATEMENT_BYTES))?;
        Ok(())
    }
}

/// Whether a manifest of these layers holds statements and nothing else: each says so, and is text. An engine that asks no
/// layer for its media type unpacks whatever its bytes are, so that the word alone would hide an image.
pub(super) fn holds_statements(store: &Store, layers: &[Descriptor]) -> bool {
    let size_bytes = layers.iter().try_fold(0_u64, |sum, layer| sum.checked_add(layer.size_bytes));
    (1..=MOST_STATEMENTS).contains(&layers.len())
        && layers.iter().all(is_statement)
        && size_bytes.is_some_and(|size_bytes| size_bytes <= MOST_STATEMENT_BYTES)
        && layers.iter().all(|layer| blob(store, layer).is_ok_and(|bytes| is_text(&bytes)))
}

fn is_statement(layer: &Descriptor) -> bool {
    matches!(layer.media_type.as_str(), STATEMENT | ENVELOPE) || layer.media_type.starts_with(BUNDLE)
}

/// Whether these may be a JSON object, which no compressed file is; a tar could begin so too, but it has zeros.
fn is_text(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(b"{") && !bytes.contains(&0)
}

fn may_be_sbom(layer: &Descriptor) -> bool {
    let said = PREDICATES.iter().find_map(|key| layer.annotations.get(*key));
    is_statement(layer) && said.is_none_or(|said| is_sbom(said))
}

fn is_sbom(predicate_type: &str) -> bool {
    SBOMS.iter().any(|begins| predicate_type.starts_with(begins))
}

/// A statement's blob, verified, of no more bytes than its descriptor says.
fn blob(store: &Store, layer: &Descriptor) -> Result<Vec<u8>, String> {
    // Bounded by the callers: `MOST_STATEMENT_BYTES`.
    let mut bytes = Vec::with_capacity(usize::try_from(layer.size_bytes).unwrap_or_default());
    let mut reader = store.layer(&place(layer)).map_err(|error| error.to_string())?.take(layer.size_bytes);
    reader.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    match Digest::of(&bytes) {
        found if found == layer.digest => Ok(bytes),
        found => Err(format!("it was changed: its bytes are {found}")),
    }
}

fn place(layer: &Descriptor) -> super::Place {
    super::Place { name: blob_name(layer.digest), blob: Some(layer.digest), size_bytes: layer.size_bytes }
}

impl Attested {
    fn skip(&mut self, digest: Digest, why: &str) {
        let (name, what) = ("attestation".to_owned(), digest.to_string());
        self.skipped.push(Skipped { name, what, why: why.to_owned() });
    }
}
