//! What client and server say to each other: `/v1` of the HTTP API.

use std::io::{self, Read as _};

use base64::{DecodeError, Engine as _, prelude::BASE64_STANDARD};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use crate::{
    base::Base,
    digest::Digest,
    image::{History, Platform},
    inventory::{Inventory, Skipped},
    report::{ScanResult, Timings},
};

/// `POST /v1/scan`: one image of one platform, or an SBOM of one; exactly one of `image` and `sbom` is there.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScanRequest {
    /// Fragment schema that the client writes, [`crate::layer::SCHEMA`]; of no meaning with an SBOM.
    #[serde(default)]
    pub schema: u32,
    /// Analyzer that the client runs, [`crate::layer::Limits::analyzer`]; of no meaning with an SBOM.
    #[serde(default)]
    pub analyzer: String,
    /// The image as the caller named it.
    pub reference: String,
    /// What the image is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageClaim>,
    /// What somebody says that the image holds; the image is then what the SBOM says of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sbom: Option<PackedSbom>,
    /// What the client knows of the image's base; what the history tells where absent. An SBOM tells it itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
    /// Blob digest and diff ID of each layer whose bytes this client read and hashed itself, now or earlier.
    #[serde(default)]
    pub pairs: Vec<Pair>,
    /// The caller's policies, most general first; empty for the default.
    #[serde(default)]
    pub policies: Vec<PolicyText>,
    /// What the client could not look at, and was not allowed to leave out.
    #[serde(default)]
    pub skipped: Vec<Skipped>,
    /// Names of what may be left out.
    #[serde(default)]
    pub allow_skipped: Vec<String>,
    /// The moment the verdict is for, seconds since the epoch; the server's clock where absent.
    #[serde(default)]
    pub now: Option<i64>,
    /// Whether the answer is to say what the image holds.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inventory: bool,
}

/// What an image is, in the strongest form that its source has.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImageClaim {
    /// Raw bytes, base64: the reader takes the digests itself.
    Content {
        /// The manifest; absent where the source has none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        manifest: Option<String>,
        /// The config.
        config: String,
    },
    /// What a container engine says of an image that it does not export.
    Engine {
        /// The image ID.
        image_id: Digest,
        /// What it runs on.
        platform: Platform,
        /// Bottom to top.
        diff_ids: Vec<Digest>,
        /// Oldest first.
        history: Vec<History>,
    },
}

/// An SBOM in one of the forms of [`crate::sbom::read`]: base64 of its bytes, as they are or as zstd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct PackedSbom(String);

impl<'de> Deserialize<'de> for PackedSbom {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The document itself stands to reason, and a bare `expected a string` would not say what is.
        let text = String::deserialize(deserializer);
        text.map(Self)
            .map_err(|error| D::Error::custom(format!("`sbom` is the base64 of a document: {error}")))
    }
}

/// How zstd begins (RFC 8878, 3.1.1), and no SBOM does.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// How far back a compressed SBOM may refer, in powers of two of a byte: all levels but the `--ultra` ones keep to it.
const SBOM_WINDOW_LOG: u32 = 23;

/// Why a [`PackedSbom`] cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The text.
    #[error("it is not base64: {0}")]
    Base64(#[from] DecodeError),
    /// What the text holds.
    #[error("it cannot be decompressed: {0}")]
    Zstd(#[from] io::Error),
    /// More bytes than were wanted.
    #[error("it has more than {0} bytes")]
    Size(usize),
}

impl PackedSbom {
    /// Packs a document's bytes.
    pub fn pack(document: &[u8]) -> io::Result<Self> {
        Ok(Self(BASE64_STANDARD.encode(zstd::encode_all(document, 1)?)))
    }

    /// The document's bytes, at most so many.
    pub fn unpack(&self, most_bytes: usize) -> Result<Vec<u8>, UnpackError> {
        let mut document = BASE64_STANDARD.decode(&self.0)?;
        if document.starts_with(&ZSTD_MAGIC) {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(document.as_slice())?;
            decoder.window_log_max(SBOM_WINDOW_LOG)?;
            let mut bytes = Vec::new();
            decoder.take((most_bytes as u64).saturating_add(1)).read_to_end(&mut bytes)?;
            document = bytes;
        }
        if document.len() > most_bytes { Err(UnpackError::Size(most_bytes)) } else { Ok(document) }
    }
}

/// A stored blob and the layer it was found to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// Digest of the blob as stored.
    pub blob: Digest,
    /// Digest of the uncompressed tar.
    pub diff_id: Digest,
}

/// The text of a policy and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyText {
    /// A file's path, `--fail-on high`, `server`.
    pub origin: String,
    /// YAML.
    pub text: String,
}

/// The answer to `POST /v1/scan`, to each `PUT` of a fragment, and to `GET /v1/scan/{id}`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum ScanAnswer {
    /// Some layers are not known yet: send their fragments.
    Missing {
        /// Name of the scan.
        scan: String,
        /// Diff IDs to read, hash and send, bottom to top, each once: no fragment is known, or nobody has verified
        /// yet that the image's blob holds that layer.
        missing: Vec<Digest>,
    },
    /// All is known.
    Done {
        /// Name of the scan.
        scan: String,
        /// What was found.
        result: Box<ScanResult>,
        /// What the image holds, where that was asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        inventory: Option<Box<Inventory>>,
        /// The server's share of the phases, milliseconds.
        timings_ms: Timings,
    },
}

/// Read in one pass. Serde's own way with a tag keeps all of an answer aside first, and has code of its own for every type in it.
impl<'de> Deserialize<'de> for ScanAnswer {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum State {
            Missing,
            Done,
        }
        #[derive(Deserialize)]
        struct Fields {
            state: State,
            scan: String,
            missing: Option<Vec<Digest>>,
            result: Option<Box<ScanResult>>,
            inventory: Option<Box<Inventory>>,
            timings_ms: Option<Timings>,
        }
        fn there<T, E: serde::de::Error>(field: Option<T>, name: &'static str) -> Result<T, E> {
            field.ok_or_else(|| E::missing_field(name))
        }
        let Fields { state, scan, missing, result, inventory, timings_ms } = Fields::deserialize(from)?;
        Ok(match state {
            State::Missing => Self::Missing { scan, missing: there(missing, "missing")? },
            State::Done => Self::Done {
                scan,
                result: there(result, "result")?,
                inventory,
                timings_ms: there(timings_ms, "timings_ms")?,
            },
        })
    }
}

/// `POST /v1/token`: a CI platform's word for who asks, a token of OpenID Connect whose audience is this server.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// The platform's token, as it gave it.
    pub token: String,
}

/// The answer to `POST /v1/token`.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
pub struct TokenAnswer {
    /// What proves in further calls who asks: `Authorization: Bearer TOKEN`. It is asked for once, and has to last for a gate.
    pub token: String,
}

/// `POST /v1/layers/missing`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MissingRequest {
    /// Fragment schema.
    pub schema: u32,
    /// Analyzer.
    pub analyzer: String,
    /// Layers asked about; at most [`crate::image::MAX_LAYERS`].
    pub diff_ids: Vec<Digest>,
}

/// The answer to `POST /v1/layers/missing`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MissingAnswer {
    /// Those that are not known, in the order asked.
    pub missing: Vec<Digest>,
}

/// An error, RFC 9457 problem details.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// `urn:stella:problem:NAME`: the kind of the error.
    #[serde(rename = "type")]
    pub kind: String,
    /// One line that is the same for every error of this kind.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What went wrong this time, and the way out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_what_its_state_has() {
        let read = serde_json::from_str::<ScanAnswer>;
        let missing = read(r#"{"missing":[],"new":{"a":1},"scan":"a","state":"missing"}"#).unwrap();
        assert!(
            matches!(&missing, ScanAnswer::Missing { scan, missing } if scan == "a" && missing.is_empty())
        );
        assert_eq!(
            serde_json::to_string(&missing).unwrap(),
            r#"{"state":"missing","scan":"a","missing":[]}"#
        );
        for (text, why) in [
            (r#"{"state":"missing","scan":"a"}"#, "missing field `missing`"),
            (r#"{"state":"done","scan":"a"}"#, "missing field `result`"),
            (r#"{"state":"gone","scan":"a"}"#, "unknown variant `gone`"),
            (r#"{"scan":"a","missing":[]}"#, "missing field `state`"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_packed_sbom_is_bounded() {
        let document = b"SPDXVersion: SPDX-2.3\n".repeat(1000);
        let packed = PackedSbom::pack(&document).unwrap();
        assert!(packed.0.len() < document.len() / 10);
        assert_eq!(packed.unpack(document.len()).unwrap(), document);
        assert!(matches!(packed.unpack(document.len() - 1), Err(UnpackError::Size(_))));
        let plain = PackedSbom(BASE64_STANDARD.encode(&document));
        assert_eq!(plain.unpack(document.len()).unwrap(), document);
        assert!(matches!(plain.unpack(document.len() - 1), Err(UnpackError::Size(_))));
        assert!(matches!(PackedSbom("{}".to_owned()).unpack(9), Err(UnpackError::Base64(_))));
        let cut = PackedSbom(BASE64_STANDARD.encode([ZSTD_MAGIC.as_slice(), b"x"].concat()));
        assert!(matches!(cut.unpack(9), Err(UnpackError::Zstd(_))));
    }
}
