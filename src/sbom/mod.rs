//! Software bills of materials: the inventory of an image as a document, out and in.
//!
//! Written by [`crate::report::cyclonedx`] and [`crate::report::spdx`]; read by [`read`] in the forms that tools write.
//! What Stella wrote it reads back without a loss. Of other tools' documents it reads packages, their sources, layers and
//! files, and the operating system; a component that stands for software and cannot be told is a [`Skipped`], never
//! dropped.

mod collect;
mod cyclonedx;
mod difference;
mod list;
mod property;
mod spdx;
mod spdx_tag_value;
mod syft;
mod trivy;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

pub use difference::{Attested, Difference, differences};
pub use property::{Property, of_image, of_os, of_package, of_skipped};

use crate::{
    image::{Image, MAX_LAYERS},
    inventory::Inventory,
    package::PurlError,
};

/// An image and what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sbom {
    /// The image as its caller named it.
    pub reference: String,
    /// The image; of other tools' documents only what they tell.
    pub image: Image,
    /// What it holds, and what was not looked at.
    pub inventory: Inventory,
}

/// What [`read`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Form and version, such as `CycloneDX 1.6`.
    pub form: String,
    /// What it says.
    pub sbom: Sbom,
}

/// Why bytes are no SBOM that is read here.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Of no form that is known.
    #[error(
        "it is {0}; what is read is CycloneDX 1.2 to 1.7 (JSON), SPDX 2 (JSON, tag-value), Syft's JSON and Trivy's JSON"
    )]
    Form(&'static str),
    /// A version of a known form that is not read.
    #[error("it is {form} {version:?}, which is not read")]
    Version {
        /// Such as `CycloneDX`.
        form: &'static str,
        /// As the document says.
        version: String,
    },
    /// JSON of another shape; serde's words, with line and column.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// A line of a tag-value file.
    #[error("line {line}: {why}")]
    Line {
        /// From 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// What must be a package URL is none.
    #[error("package {name:?} has the purl {purl:?}: {why}")]
    Purl {
        /// The package as the document names it.
        name: String,
        /// The purl.
        purl: String,
        /// What is wrong.
        why: PurlError,
    },
    /// More objects, packages, files or relationships than a document needs.
    #[error("over the limit `sbom objects`, {MOST_OBJECTS}")]
    Objects,
    /// More layers than any image has.
    #[error("it names more than {MAX_LAYERS} layers")]
    Layers,
}

/// `sbom objects`: braces in a JSON document, or elements of a tag-value file; what is read of one takes some 300 bytes.
pub const MOST_OBJECTS: usize = 1_000_000;

/// Keys by which the forms are told.
#[derive(Deserialize)]
struct Shape<'a> {
    #[serde(rename = "bomFormat")]
    bom_format: Option<IgnoredAny>,
    #[serde(rename = "spdxVersion")]
    spdx_version: Option<IgnoredAny>,
    #[serde(rename = "@context")]
    context: Option<IgnoredAny>,
    artifacts: Option<IgnoredAny>,
    #[serde(rename = "SchemaVersion")]
    schema_version: Option<IgnoredAny>,
    #[serde(rename = "predicateType")]
    predicate_type: Option<IgnoredAny>,
    #[serde(borrow)]
    predicate: Option<&'a RawValue>,
}

/// Reads an SBOM, whichever of the known forms it has. One inside an in-toto statement is read too.
///
/// Memory is bounded by [`MOST_OBJECTS`] and a small multiple of `bytes`, whose length the caller bounds.
pub fn read(bytes: &[u8]) -> Result<Found, Error> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let start = text.trim_ascii_start();
    if start.starts_with(b"<") {
        return Err(Error::Form("XML"));
    }
    if !start.starts_with(b"{") {
        return match std::str::from_utf8(text) {
            Ok(text) if spdx_tag_value::recognise(text) => spdx_tag_value::read(text),
            _ => Err(Error::Form("of no known form")),
        };
    }
    if text.iter().filter(|byte| **byte == b'{').count() > MOST_OBJECTS {
        return Err(Error::Objects);
    }
    let shape: Shape = serde_json::from_slice(text)?;
    match shape {
        Shape { bom_format: Some(_), .. } => cyclonedx::read(text),
        Shape { spdx_version: Some(_), .. } => spdx::read(text),
        Shape { context: Some(_), .. } => Err(Error::Form("JSON-LD, as SPDX 3")),
        Shape { artifacts: Some(_), .. } => syft::read(text),
        Shape { schema_version: Some(_), .. } => trivy::read(text),
        // A predicate holds no other statement.
        Shape { predicate_type: Some(_), predicate: Some(predicate), .. } => {
            match serde_json::from_str(predicate.get())? {
                Shape { predicate_type: Some(_), .. } => Err(Error::Form("a statement in a statement")),
                _ => read(predicate.get().as_bytes()),
            }
        }
        _ => Err(Error::Form("JSON of no known form")),
    }
}
