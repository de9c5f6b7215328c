//! A finding: an advisory that hits a package of the inventory. The waist of the engine: what is left of it
//! discovers, what is right of it judges or prints.

use std::cmp::{Ordering, Reverse};

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
    /// It is not known yet whether the package is affected.
    Undetermined,
    /// The fix is put off to a later update.
    Postponed,
    /// Too minor for an update of its own; Debian's `no-dsa`.
    NoDsa,
    /// A fixed version exists for those who pay for extended support, and for nobody else.
    Subscription,
    /// There will be no fix.
    Ignored,
    /// There will be no fix, for the package is not supported any more.
    EndOfLife,
}

/// How sure it is that an advisory speaks of the package that it is said to hit.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// Only the name of a product is the package's: it may be another, or mended by who packed it.
    Low,
    /// A feed of the package's own distribution or ecosystem names it.
    #[default]
    High,
}

impl Confidence {
    fn is_high(&self) -> bool {
        *self == Self::High
    }
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
    /// Whose word that is, by the database's name in `claims` or `ratings`; absent where nobody has rated it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub severity_source: String,
    /// How sure it is that the package is meant; absent where it is `high`.
    #[serde(default, skip_serializing_if = "Confidence::is_high")]
    pub confidence: Confidence,
    /// One line, from the advisory; may be empty.
    #[serde(default)]
    pub summary: String,
    /// What is hit.
    pub package: FindingPackage,
    /// The lowest version above the installed one that is not affected; one of `package.source`, where there is one.
    pub fixed_in: Option<String>,
    /// What the source says of a fix.
    pub status: Status,
    /// What each source says of this package, those that decided first. Status and fix are of the ones that know the package
    /// best: its distribution, its ecosystem, then the databases of all vulnerabilities. So is the severity, unless a policy
    /// has an order of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<Claim>,
    /// How bad databases call the vulnerability itself, whichever package it is in; sorted by source.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ratings: Vec<Rating>,
    /// That it is known to be exploited; absent where nobody says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exploited: Option<Exploited>,
    /// How likely it is to be exploited; absent where nobody says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epss: Option<Epss>,
    /// The layer that brought the package.
    pub layer: FindingLayer,
    /// The files the package was read from, sorted.
    pub paths: Vec<String>,
}

impl Finding {
    /// The order of a list of findings: the worst first, then by id, package and layer.
    pub fn order(&self, other: &Self) -> Ordering {
        let key = |finding: &Self| (Reverse(finding.severity), finding.layer.index);
        let ((severity_a, layer_a), (severity_b, layer_b)) = (key(self), key(other));
        (severity_a, &self.id, &self.package, layer_a, &self.paths).cmp(&(
            severity_b,
            &other.id,
            &other.package,
            layer_b,
            &other.paths,
        ))
    }
}

/// What one source says of a vulnerability in a package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Claim {
    /// The database, such as `debian`, `alpine` or `github`.
    pub source: String,
    /// Its own id of it.
    pub id: String,
    /// Whether the installed version is affected.
    pub affected: bool,
    /// How bad.
    pub severity: Severity,
    /// What it says of a fix.
    pub status: Status,
    /// The lowest version above the installed one that it calls fixed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed_in: Option<String>,
    /// The CPE name of the product that it speaks of, where it knows products and no packages.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cpe: String,
}

impl Claim {
    /// Whether it is of those who know the package: its distribution, its ecosystem, or those who curate advisories of it; not
    /// of a database of all vulnerabilities.
    pub fn is_own(&self) -> bool {
        !["cve", "cisa-adp", "nvd"].contains(&self.source.as_str())
    }
}

/// How bad one database calls a vulnerability.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Rating {
    /// The database, such as `nvd`, or `cve` for the one that named it.
    pub source: String,
    /// How bad.
    pub severity: Severity,
    /// The CVSS vector behind it; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub vector: String,
    /// The id was rejected by this database: it stands for no vulnerability there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rejected: bool,
}

/// That a vulnerability is known to be exploited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Exploited {
    /// The database that says so, such as `cisa-kev`.
    pub source: String,
    /// The day on which it took the vulnerability up, `2024-05-01`.
    pub since: String,
    /// Also in campaigns of ransomware.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ransomware: bool,
}

/// EPSS, from 0 to 1, with the five decimals that FIRST publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Epss {
    /// The probability that it is exploited within 30 days.
    #[serde(with = "fraction")]
    #[schemars(with = "f64", range(min = 0, max = 1))]
    pub probability: u32,
    /// The part of all vulnerabilities that are not likelier.
    #[serde(with = "fraction")]
    #[schemars(with = "f64", range(min = 0, max = 1))]
    pub percentile: u32,
}

impl Epss {
    /// A fraction in hundred-thousandths; `None` if it is not between 0 and 1.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at most 100,000, and rounded"
    )]
    pub fn parts(fraction: f64) -> Option<u32> {
        (0.0..=1.0).contains(&fraction).then(|| (fraction * WHOLE).round() as u32)
    }
}

const WHOLE: f64 = 100_000.0;

/// Hundred-thousandths, written as a fraction.
mod fraction {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use super::{Epss, WHOLE};

    pub(super) fn serialize<S: Serializer>(parts: &u32, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(f64::from(*parts) / WHOLE)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
        let parts = Epss::parts(f64::deserialize(deserializer)?);
        parts.ok_or_else(|| D::Error::custom("want a number from 0 to 1"))
    }
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
