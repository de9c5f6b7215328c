//! A finding: an advisory that hits a package of the inventory. The waist of the engine: what is left of it
//! discovers, what is right of it judges or prints.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    digest::Digest,
    package::{Ecosystem, Source},
};

/// How bad; ordered from `unknown` (lowest) to `critical`.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The source gives none.
    #[default]
    Unknown,
    /// No impact, or one the source calls negligible or unimportant.
    Negligible,
    /// CVSS 0.1 to 3.9.
    Low,
    /// CVSS 4.0 to 6.9.
    Medium,
    /// CVSS 7.0 to 8.9.
    High,
    /// CVSS 9.0 to 10.0.
    Critical,
}

impl Severity {
    /// All, worst first.
    pub const ALL: [Self; 6] =
        [Self::Critical, Self::High, Self::Medium, Self::Low, Self::Negligible, Self::Unknown];

    /// The lower-case word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
            Self::Negligible => "negligible",
            Self::Unknown => "unknown",
        }
    }
}

/// What the source says of a fix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// A fixed version exists.
    Fixed,
    /// Affected, and no fixed version is known.
    Affected,
}

/// An advisory that hits a package of the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// The advisory's best-known name: a CVE where it has one, else its own id.
    pub id: String,
    /// All its other names, sorted.
    pub aliases: Vec<String>,
    /// How bad.
    pub severity: Severity,
    /// One line, from the advisory; may be empty.
    #[serde(default)]
    pub summary: String,
    /// What is hit.
    pub package: FindingPackage,
    /// The lowest version above the installed one that is not affected; one of `package.source`, where there is one.
    pub fixed_in: Option<String>,
    /// What the source says of a fix.
    pub status: Status,
    /// The layer that brought the package.
    pub layer: FindingLayer,
    /// The files the package was read from, sorted.
    pub paths: Vec<String>,
}

/// The package that is hit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct FindingPackage {
    /// Name as installed.
    pub name: String,
    /// Version as installed.
    pub version: String,
    /// Where it comes from.
    pub ecosystem: Ecosystem,
    /// Package URL; purl-spec.
    pub purl: String,
    /// What it was built from, whose versions advisories name; absent where that has the package's own name and version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
}

impl FindingPackage {
    /// The name that advisories are written against.
    pub fn source_name(&self) -> &str {
        self.source.as_ref().map_or(&self.name, |source| &source.name)
    }

    /// What it was built from, where that has versions of its own: which version of the package comes of one of the source is
    /// not known then. Debian's `bsdutils 1:2.38.1-5+b1` is of `util-linux 2.38.1-5`.
    pub fn built_from(&self) -> Option<&Source> {
        self.source.as_ref().filter(|source| source.version != self.version)
    }
}

/// Characters of an instruction that a finding keeps. A Dockerfile of a megabyte may have one instruction, and thousands of
/// findings.
pub const MAX_INSTRUCTION: usize = 1_000;

/// The layer that brought the package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct FindingLayer {
    /// Position, 0 is the lowest.
    pub index: usize,
    /// The layer's name.
    pub diff_id: Digest,
    /// The beginning of the instruction behind it, in the builder's words; empty where the image does not say. Each finding has
    /// it, so it is cut to [`MAX_INSTRUCTION`] characters; the image's layers have it whole.
    pub instruction: String,
    /// Whether the layer belongs to the base image; `null` where it is not known.
    pub base: Option<bool>,
}
