//! An OSV record (ossf.github.io/osv-schema), the fields that publishers fill.

use serde::Serialize;

use crate::random::Random;

/// One record.
#[derive(Debug, Default, Serialize)]
pub struct Record {
    pub schema_version: &'static str,
    pub id: String,
    pub modified: String,
    pub published: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub upstream: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub severity: Vec<Score>,
    pub affected: Vec<Affected>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<Reference>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub credits: Vec<Credit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database_specific: Option<Reviewed>,
}

/// A CVSS vector.
#[derive(Debug, Serialize)]
pub struct Score {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub score: String,
}

/// One package of a record.
#[derive(Debug, Serialize)]
pub struct Affected {
    pub package: Package,
    pub ranges: Vec<Range>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ecosystem_specific: Option<Urgency>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database_specific: Option<Source>,
}

/// A package's name.
#[derive(Debug, Serialize)]
pub struct Package {
    pub ecosystem: String,
    pub name: String,
    pub purl: String,
}

/// Versions between events.
#[derive(Debug, Serialize)]
pub struct Range {
    #[serde(rename = "type")]
    pub kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repo: Option<String>,
    pub events: Vec<Event>,
}

/// What happens at a version.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    Introduced(String),
    Fixed(String),
    LastAffected(String),
}

/// Debian's word.
#[derive(Debug, Serialize)]
pub struct Urgency {
    pub urgency: &'static str,
}

/// Where an entry comes from.
#[derive(Debug, Serialize)]
pub struct Source {
    pub source: String,
}

/// A link.
#[derive(Debug, Serialize)]
pub struct Reference {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub url: String,
}

/// Who found it.
#[derive(Debug, Serialize)]
pub struct Credit {
    pub name: String,
    pub contact: Vec<String>,
    #[serde(rename = "type")]
    pub kind: &'static str,
}

/// What a reviewed advisory adds.
#[derive(Debug, Serialize)]
pub struct Reviewed {
    pub cwe_ids: Vec<String>,
    pub github_reviewed: bool,
    pub github_reviewed_at: String,
    pub nvd_published_at: Option<String>,
    pub severity: &'static str,
}

/// A moment of `year`, RFC 3339, UTC.
pub fn moment(random: &mut Random, year: usize) -> String {
    let (month, day) = (1 + random.below(12), 1 + random.below(28));
    let (hour, minute, second) = (random.below(24), random.below(60), random.below(60));
    format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The year in which every record was last changed.
pub const CHANGED: usize = 2025;

/// A year of publication: late ones more often.
pub fn year(random: &mut Random) -> usize {
    2024 - random.skewed(15)
}

/// A vector of CVSS 3, mostly of the newer version.
pub fn cvss3(random: &mut Random) -> Score {
    let version = if random.chance(730) { "3.1" } else { "3.0" };
    let mut pick = |values: &[&'static str]| *random.pick(values);
    let (vector, complexity) = (pick(&["N", "N", "N", "L"]), pick(&["L", "L", "L", "H"]));
    let (privileges, interaction) = (pick(&["N", "N", "L"]), pick(&["N", "N", "R"]));
    let scope = pick(&["U", "U", "U", "U", "C"]);
    let [confidentiality, integrity] = [(); 2].map(|()| pick(&["N", "N", "L", "H"]));
    // Something is lost, or it is no flaw.
    let availability = if (confidentiality, integrity) == ("N", "N") { "H" } else { pick(&["N", "L", "H"]) };
    Score {
        kind: "CVSS_V3",
        score: format!(
            "CVSS:{version}/AV:{vector}/AC:{complexity}/PR:{privileges}/UI:{interaction}/S:{scope}/C:{confidentiality}/\
             I:{integrity}/A:{availability}"
        ),
    }
}

/// A CVE number that no authority gives out: the last part has more digits than theirs.
pub fn cve(year: usize, number: usize) -> String {
    format!("CVE-{year}-{}", 9_000_000 + number)
}

/// A name in the form of GitHub's.
pub fn ghsa(name: &str) -> String {
    let mut random = Random::of(name);
    let mut part = || random.text(b"23456789cfghjmpqrvwx", 4);
    format!("GHSA-{}-{}-{}", part(), part(), part())
}
