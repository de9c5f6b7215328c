//! Signed statements: DSSE envelopes, alone or inside a Sigstore bundle.
//!
//! Formats: DSSE 1 (<https://github.com/secure-systems-lab/dsse>: envelope.md, protocol.md), Sigstore bundle 0.1 to 0.3.

use std::borrow::Cow;

use base64::{
    DecodeError, Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use serde::Deserialize;
use stella::signer::Signer;

use super::{
    STATEMENT,
    list::{Listed, bounded},
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw<'a> {
    #[serde(borrow, default)]
    payload_type: Cow<'a, str>,
    #[serde(borrow)]
    payload: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "bounded")]
    signatures: Vec<Signature<'a>>,
}

/// What names the key is a hint that nobody signed: every key is tried.
#[derive(Deserialize)]
struct Signature<'a> {
    #[serde(borrow, default)]
    sig: Cow<'a, str>,
}

impl Listed for Signature<'_> {
    const LIMIT: &'static str = "signatures";
    /// Each is tried with each key, over the whole payload.
    const MOST: usize = 16;
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle<'a> {
    #[serde(borrow)]
    dsse_envelope: Option<Raw<'a>>,
}

/// An envelope around an in-toto statement.
pub(super) struct Envelope {
    /// What is signed: the pre-authentication encoding, whose end is the payload.
    message: Vec<u8>,
    /// Where in it the payload begins.
    start: usize,
    /// Those that are Base64 at all.
    signatures: Vec<Vec<u8>>,
}

impl Envelope {
    /// Reads the bytes of an envelope, or of a `bundle` around one; `None` for what holds no statement.
    pub fn read(bytes: &[u8], is_bundle: bool) -> Result<Option<Self>, String> {
        let json = |error: serde_json::Error| format!("not a statement: {error}");
        let raw = if is_bundle {
            // One of a signature alone has no envelope.
            serde_json::from_slice::<Bundle<'_>>(bytes).map_err(json)?.dsse_envelope
        } else {
            Some(serde_json::from_slice::<Raw<'_>>(bytes).map_err(json)?)
        };
        let Some(raw) = raw.filter(|raw| raw.payload_type == STATEMENT) else { return Ok(None) };
        let payload = decode(&raw.payload).map_err(|error| format!("its payload: {error}"))?;
        let head = format!("DSSEv1 {} {STATEMENT} {} ", STATEMENT.len(), payload.len());
        let start = head.len();
        let mut message = payload;
        message.splice(0..0, head.into_bytes());
        let signatures = raw.signatures.iter().filter_map(|signature| decode(&signature.sig).ok()).collect();
        Ok(Some(Self { message, start, signatures }))
    }

    /// The statement: the very bytes that [`Self::signer`] speaks of.
    pub fn payload(&self) -> &[u8] {
        &self.message[self.start..]
    }

    /// The first of `signers` whose signature is among those of the envelope.
    pub fn signer<'a>(&self, signers: &'a [Signer]) -> Option<&'a Signer> {
        let signed = |signer: &&Signer| {
            self.signatures.iter().any(|signature| signer.signed(&self.message, signature))
        };
        signers.iter().find(signed)
    }
}

/// Both alphabets are allowed. Leaves room for what is put before a payload.
fn decode(text: &str) -> Result<Vec<u8>, DecodeError> {
    let engine = if text.contains(['-', '_']) { &URL_SAFE } else { &STANDARD };
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 128);
    engine.decode_vec(text, &mut bytes)?;
    Ok(bytes)
}
