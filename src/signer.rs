//! Whose word on an image is taken: public keys that the caller names.
//!
//! Formats: PEM (RFC 7468) around a SubjectPublicKeyInfo (RFC 5280, 4.1.2.7; RFC 5480, 8017 and 8410 for its keys).

use std::path::Path;

use crate::digest::Digest;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ED25519,
    RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};
use rustls::pki_types::{
    AlgorithmIdentifier, alg_id,
    pem::{PemObject, SectionKind},
};

/// Bits of an RSA modulus that are taken: fewer are too weak, more are not verified.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// One public key.
#[derive(Debug, Clone)]
pub struct Signer {
    /// The file as the caller named it.
    pub file: String,
    /// SHA-256 of the SubjectPublicKeyInfo: the key's name in results, wherever its file lies.
    pub fingerprint: Digest,
    /// The content of the SubjectPublicKeyInfo's bit string.
    key: Vec<u8>,
    /// What a signature by the key may be.
    algorithms: Algorithms,
}

/// Every one of them is as strong as the key.
type Algorithms = &'static [&'static dyn VerificationAlgorithm];

const P256: Algorithms = &[&ECDSA_P256_SHA256_ASN1];
/// cosign signs with SHA-256 whatever the curve, or with the hash of the curve's size: that depends on its version.
const P384: Algorithms = &[&ECDSA_P384_SHA384_ASN1, &ECDSA_P384_SHA256_ASN1];
const EDWARDS: Algorithms = &[&ED25519];
const RSA: Algorithms = &[&RSA_PKCS1_2048_8192_SHA256, &RSA_PSS_2048_8192_SHA256];

/// Why a file holds no key that is taken. Says nothing of the file's content: it may be a link to a secret.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// Sections that do not end, or no Base64 in them.
    #[error("is no PEM that can be read")]
    Pem,
    /// No section, or others.
    #[error(
        "holds no public key: a section `PUBLIC KEY` in PEM is wanted, as `cosign generate-key-pair` or `openssl pkey -pubout` writes it"
    )]
    None,
    /// Which one is meant would be a guess.
    #[error("holds {0} public keys: give each in a file of its own")]
    Several(usize),
    /// A secret that does not belong where images are gated.
    #[error("holds a private key: give the public one, and keep that one from the gate")]
    Private,
    /// Damaged.
    #[error("holds a public key that is damaged")]
    Damaged,
    /// Another kind of key.
    #[error("holds {0}; keys that are taken: ECDSA P-256 or P-384, Ed25519, RSA of 2048 to 8192 bits")]
    Kind(String),
}

impl Signer {
    /// Reads the one public key of a PEM file's text; `path` is how the file is named.
    pub fn parse(path: &Path, text: &str) -> Result<Self, Error> {
        // Some have a name of their own, such as cosign's.
        if text.contains("PRIVATE KEY-----") {
            return Err(Error::Private);
        }
        let mut keys = Vec::new();
        for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(text.as_bytes()) {
            if let (SectionKind::PublicKey, key) = section.map_err(|_| Error::Pem)? {
                keys.push(key);
            }
        }
        match keys.as_slice() {
            [spki] => {
                let (key, algorithms) = key(spki)?;
                let (file, fingerprint) = (path.display().to_string(), Digest::of(spki));
                Ok(Self { file, fingerprint, key: key.to_vec(), algorithms })
            }
            [] => Err(Error::None),
            several => Err(Error::Several(several.len())),
        }
    }

    /// Whether `signature` is this key's over `message`.
    pub fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let verifies =
            |algorithm| UnparsedPublicKey::new(algorithm, &self.key).verify(message, signature).is_ok();
        self.algorithms.iter().copied().any(verifies)
    }
}

/// The key inside a SubjectPublicKeyInfo, and what it verifies by.
fn key(mut spki: &[u8]) -> Result<(&[u8], Algorithms), Error> {
    let mut info = whole(&mut spki, SEQUENCE)?;
    let algorithm = element(&mut info, SEQUENCE)?;
    // How many bits of the last byte do not count: none, in keys.
    let [0, key @ ..] = whole(&mut info, BIT_STRING)? else { return Err(Error::Damaged) };
    let is = |id: AlgorithmIdentifier| id.as_ref() == algorithm;
    let (algorithms, is_whole) = if is(alg_id::ECDSA_P256) {
        (P256, is_point(key, 32))
    } else if is(alg_id::ECDSA_P384) {
        (P384, is_point(key, 48))
    } else if is(alg_id::ED25519) {
        (EDWARDS, key.len() == 32)
    } else if is(alg_id::RSA_ENCRYPTION) {
        let bits = modulus_bits(key)?;
        if !RSA_BITS.contains(&bits) {
            return Err(Error::Kind(format!("an RSA key of {bits} bits")));
        }
        (RSA, true)
    } else {
        return Err(Error::Kind("a public key of another kind".to_owned()));
    };
    if is_whole { Ok((key, algorithms)) } else { Err(Error::Damaged) }
}

/// Whether this may be an uncompressed point whose coordinates have so many bytes (SEC 1, 2.3.3).
fn is_point(key: &[u8], coordinate_bytes: usize) -> bool {
    key.first() == Some(&4) && key.len() == 1 + 2 * coordinate_bytes
}

/// Of an RSAPublicKey (RFC 8017, A.1.1).
fn modulus_bits(mut key: &[u8]) -> Result<usize, Error> {
    let mut numbers = whole(&mut key, SEQUENCE)?;
    let modulus = element(&mut numbers, INTEGER)?;
    whole(&mut numbers, INTEGER)?;
    // A positive number whose highest bit is set has a zero byte before it.
    let digits = modulus.strip_prefix(&[0]).unwrap_or(modulus);
    let first = digits.first().ok_or(Error::Damaged)?;
    Ok(digits.len() * 8 - first.leading_zeros() as usize)
}

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;

/// Takes one element of this tag off the front of `der`, and gives its content (X.690, 8.1; lengths below 64 KiB).
fn element<'a>(der: &mut &'a [u8], tag: u8) -> Result<&'a [u8], Error> {
    let (length, rest) = match **der {
        [found, length @ 0..=0x7f, ref rest @ ..] if found == tag => (usize::from(length), rest),
        [found, 0x81, length, ref rest @ ..] if found == tag => (usize::from(length), rest),
        [found, 0x82, high, low, ref rest @ ..] if found == tag => {
            (usize::from(u16::from_be_bytes([high, low])), rest)
        }
        _ => return Err(Error::Damaged),
    };
    let (content, rest) = rest.split_at_checked(length).ok_or(Error::Damaged)?;
    *der = rest;
    Ok(content)
}

/// As [`element`], where nothing may follow.
fn whole<'a>(der: &mut &'a [u8], tag: u8) -> Result<&'a [u8], Error> {
    let content = element(der, tag)?;
    if der.is_empty() { Ok(content) } else { Err(Error::Damaged) }
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    use super::*;

    /// By `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 | openssl pkey -pubout`, and kin.
    const EC: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE2wS/8WFg+gredle5Cy3b+0l2h2dfxswdME6QL5WyqhpqC4My9bVQBxLwK7o6IH\
        +uQxqqQY4izIb0f8/bZWbI6w==";
    const EC_521: &str = "MIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQAxVnxZAgfpRi8lJ0Ra8yfn7Ja3+gyQbbgQeA+QSkH6jh8kIQ2S3COHMMyQJ\
        tdwvVxSB5hAtz7BqmA/EOVOAgmoTwBq/az4s9Qz+eM1+JO8vUS3NpNtsB4zhNv6VUE7pHcYm1UISwqSjFaUkFHRtvQPwYV7JLV6avBqoOcNYtIis\
        5Hc4Q=";
    const RSA_1024: &str = "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDF3gFdIIBBbKkMt1YDgse3Ori7Qd930U+A9G7Xk4RhF3i5kyyHCdj\
        FCLYs9jq4BRxyGiSh7ve+kuKZyP/m+KEnYCtbO9/2Ka22TFwVAEqATLZxBCbPkrAYWjAE2JNFrOKU9XK58GJ2ZPUsswxD3QfEblC6NlqADNu4i7p\
        J2/AFewIDAQAB";

    fn pem(label: &str, base64: &str) -> String {
        format!("-----BEGIN {label}-----\n{base64}\n-----END {label}-----\n")
    }

    fn parse(text: &str) -> Result<Signer, Error> {
        Signer::parse(Path::new("k.pem"), text)
    }

    #[test]
    fn one_public_key_in_a_file() {
        let key = pem("PUBLIC KEY", EC);
        let signer = parse(&format!("# ours\n{}{key}", pem("EC PARAMETERS", "BggqhkjOPQMBBw=="))).unwrap();
        assert_eq!(signer.fingerprint, Digest::of(&STANDARD.decode(EC).unwrap()));
        assert!(!signer.signed(b"", b"") && !signer.signed(b"message", &[0x30; 72]));
        assert_eq!(parse(&key.repeat(2)).unwrap_err(), Error::Several(2));
        for label in ["PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED SIGSTORE PRIVATE KEY"] {
            assert_eq!(
                parse(&format!("{key}{}", pem(label, "AAAA"))).unwrap_err(),
                Error::Private,
                "{label}"
            );
        }
        for text in ["", "words", EC, &pem("CERTIFICATE", "AAAA"), &pem("RSA PUBLIC KEY", "AAAA")] {
            assert_eq!(parse(text).unwrap_err(), Error::None, "{text}");
        }
        for text in ["-----BEGIN PUBLIC KEY-----\n", "-----BEGIN x\n", &pem("PUBLIC KEY", "????")] {
            assert_eq!(parse(text).unwrap_err(), Error::Pem, "{text}");
        }
        for (key, kind) in [(EC_521, "another kind"), (RSA_1024, "1024 bits")] {
            let said = parse(&pem("PUBLIC KEY", key)).unwrap_err().to_string();
            assert!(said.contains(kind) && said.contains("P-384"), "{said}");
        }
    }

    #[test]
    fn damaged_keys_are_refused() {
        for key in [EC, RSA_1024] {
            let good = STANDARD.decode(key).unwrap();
            for length in 0..good.len() {
                let text = pem("PUBLIC KEY", &STANDARD.encode(&good[..length]));
                assert_eq!(parse(&text).unwrap_err(), Error::Damaged, "{length}");
            }
            let longer = pem("PUBLIC KEY", &STANDARD.encode([&good[..], &[0]].concat()));
            assert_eq!(parse(&longer).unwrap_err(), Error::Damaged);
        }
    }
}
