//! NVD's records in the form of its API 2.0 (schema `nvd/cve/2.0`), a document per year, as its feeds are divided.
//!
//! Sizes and shapes follow 35,918 records of that form of 2023 and 2024. Of the vulnerabilities that [`super::debian`] has,
//! those of 2023 and 2024 are among them; vendors and products are invented.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};
use serde::Serialize;
use serde_json::value::RawValue;
use stella::digest::Digest;

use super::{
    archive::{Archive, Content, create},
    package, prose,
    record::cve,
};
use crate::{Failure, random::Random};

/// As many as the years 2023 to 2025 have.
pub const COUNT: usize = 110_000;
/// The years, which have about as many each.
pub const YEARS: [usize; 3] = [2023, 2024, 2025];

const VENDORS: usize = 4000;

/// Vectors that many flaws have, with their scores.
const VECTORS: [(&str, &str); 15] = [
    ("AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "9.8"),
    ("AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", "6.1"),
    ("AV:N/AC:L/PR:L/UI:R/S:C/C:L/I:L/A:N", "5.4"),
    ("AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H", "7.8"),
    ("AV:N/AC:L/PR:N/UI:R/S:U/C:H/I:H/A:H", "8.8"),
    ("AV:N/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H", "8.8"),
    ("AV:L/AC:L/PR:L/UI:N/S:U/C:N/I:N/A:H", "5.5"),
    ("AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N", "7.5"),
    ("AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H", "7.5"),
    ("AV:N/AC:L/PR:H/UI:R/S:C/C:L/I:L/A:N", "4.8"),
    ("AV:L/AC:L/PR:N/UI:R/S:U/C:H/I:H/A:H", "7.8"),
    ("AV:N/AC:L/PR:L/UI:N/S:U/C:L/I:N/A:N", "4.3"),
    ("AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:N/A:N", "5.3"),
    ("AV:N/AC:L/PR:H/UI:N/S:U/C:H/I:H/A:H", "7.2"),
    ("AV:L/AC:H/PR:L/UI:N/S:U/C:L/I:N/A:N", "2.5"),
];

/// The data of a rating by CVSS 2.0, as every record that has one gives it.
const SECOND: &str = r#"{"version":"2.0","vectorString":"AV:N/AC:L/Au:S/C:P/I:P/A:P","baseScore":6.5,"accessVector":"NETWORK","accessComplexity":"LOW","authentication":"SINGLE","confidentialityImpact":"PARTIAL","integrityImpact":"PARTIAL","availabilityImpact":"PARTIAL"}"#;

/// The same by CVSS 4.0.
const FOURTH: &str = r#"{"version":"4.0","vectorString":"CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N","baseScore":9.3,"baseSeverity":"CRITICAL","attackVector":"NETWORK","attackComplexity":"LOW","attackRequirements":"NONE","privilegesRequired":"NONE","userInteraction":"NONE","vulnConfidentialityImpact":"HIGH","vulnIntegrityImpact":"HIGH","vulnAvailabilityImpact":"HIGH","subConfidentialityImpact":"NONE","subIntegrityImpact":"NONE","subAvailabilityImpact":"NONE","Safety":"NOT_DEFINED","Automatable":"NOT_DEFINED","Recovery":"NOT_DEFINED","valueDensity":"NOT_DEFINED","vulnerabilityResponseEffort":"NOT_DEFINED","providerUrgency":"NOT_DEFINED"}"#;

/// One element of `vulnerabilities`.
#[derive(Debug, Serialize)]
pub struct Item {
    cve: Record,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    id: String,
    source_identifier: String,
    published: String,
    last_modified: String,
    vuln_status: &'static str,
    cve_tags: [&'static str; 0],
    descriptions: Vec<Text>,
    metrics: Metrics,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    weaknesses: Vec<Weakness>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    configurations: Vec<Configuration>,
    references: Vec<Reference>,
    /// The day on which CISA took it into its catalogue of those that are exploited.
    #[serde(skip_serializing_if = "Option::is_none")]
    cisa_exploit_add: Option<String>,
}

#[derive(Debug, Serialize)]
struct Text {
    lang: &'static str,
    value: String,
}

impl Text {
    fn english(value: String) -> Self {
        Self { lang: "en", value }
    }
}

#[derive(Debug, Default, Serialize)]
struct Metrics {
    #[serde(rename = "cvssMetricV40", skip_serializing_if = "Vec::is_empty")]
    fourth: Vec<Metric<&'static RawValue>>,
    #[serde(rename = "cvssMetricV31", skip_serializing_if = "Vec::is_empty")]
    third: Vec<Metric<Third>>,
    #[serde(rename = "cvssMetricV30", skip_serializing_if = "Vec::is_empty")]
    first_third: Vec<Metric<Third>>,
    #[serde(rename = "cvssMetricV2", skip_serializing_if = "Vec::is_empty")]
    second: Vec<Metric<&'static RawValue>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Metric<T> {
    source: String,
    #[serde(rename = "type")]
    kind: &'static str,
    cvss_data: T,
}

impl<T> Metric<T> {
    fn of(source: &str, kind: &'static str, cvss_data: T) -> Self {
        Self { source: source.to_owned(), kind, cvss_data }
    }
}

/// A rating by CVSS 3.0 or 3.1.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Third {
    version: &'static str,
    vector_string: String,
    base_score: &'static RawValue,
    base_severity: &'static str,
    attack_vector: &'static str,
    attack_complexity: &'static str,
    privileges_required: &'static str,
    user_interaction: &'static str,
    scope: &'static str,
    confidentiality_impact: &'static str,
    integrity_impact: &'static str,
    availability_impact: &'static str,
}

#[derive(Debug, Serialize)]
struct Weakness {
    source: String,
    #[serde(rename = "type")]
    kind: &'static str,
    description: Vec<Text>,
}

#[derive(Debug, Serialize)]
struct Configuration {
    nodes: Vec<Node>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Node {
    operator: &'static str,
    negate: bool,
    cpe_match: Vec<CpeMatch>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CpeMatch {
    vulnerable: bool,
    criteria: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_start_including: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_end_excluding: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_end_including: Option<String>,
}

#[derive(Debug, Serialize)]
struct Reference {
    url: String,
    source: String,
}

/// The record of vulnerability `number` of `year`.
pub fn vulnerability(year: usize, number: usize) -> Item {
    let mut random = Random::of(&format!("NVD {year} {number}"));
    let random = &mut random;
    let id = cve(year, number);
    let (published, last_modified) = (moment(random, year), moment(random, 2025));
    let source = source(random);
    if random.chance(20) {
        return rejected(id, source, published, last_modified);
    }
    let size = random.spread(&[41, 115, 166, 250, 400, 540, 1300, 3998]);
    let mut descriptions = vec![Text::english(prose::details(random, size))];
    if random.chance(70) {
        descriptions.push(Text { lang: "de", value: prose::details(random, size) });
    }
    let metrics = metrics(random, &source);
    let weakness = random.chance(720).then(|| Weakness {
        source: source.clone(),
        kind: "Secondary",
        description: vec![Text::english(format!("CWE-{}", 20 + random.below(1300)))],
    });
    let configuration = random.chance(490).then(|| configuration(random));
    let count = random.spread(&[1, 1, 1, 1, 2, 4, 9, 60]);
    let references = (0..count).map(|_| reference(random, &source)).collect();
    Item {
        cve: Record {
            id,
            source_identifier: source,
            published,
            last_modified,
            vuln_status: random.pick::<&str>(&["Analyzed", "Modified", "Awaiting Analysis"]),
            cve_tags: [],
            descriptions,
            metrics,
            weaknesses: weakness.into_iter().collect(),
            configurations: configuration.into_iter().collect(),
            references,
            cisa_exploit_add: random.chance(4).then(|| format!("{year}-12-{:02}", 1 + random.below(28))),
        },
    }
}

/// A number that was given out and taken back.
fn rejected(id: String, source_identifier: String, published: String, last_modified: String) -> Item {
    let value = "Rejected reason: this number was never used.".to_owned();
    Item {
        cve: Record {
            id,
            source_identifier,
            published,
            last_modified,
            vuln_status: "Rejected",
            cve_tags: [],
            descriptions: vec![Text::english(value)],
            metrics: Metrics::default(),
            weaknesses: Vec::new(),
            configurations: Vec::new(),
            references: Vec::new(),
            cisa_exploit_add: None,
        },
    }
}

/// Who gave the number out: a name, or an identifier.
fn source(random: &mut Random) -> String {
    if random.chance(300) {
        format!("security@{}.example.com", prose::name(random))
    } else {
        let parts = [8, 4, 4, 4, 12].map(|size| random.hex(size));
        parts.join("-")
    }
}

/// A moment of `year` as NVD writes it: UTC, without saying so.
fn moment(random: &mut Random, year: usize) -> String {
    let moment = super::record::moment(random, year);
    format!("{}.{:03}", moment.trim_end_matches('Z'), random.below(1000))
}

fn metrics(random: &mut Random, source: &str) -> Metrics {
    let mut metrics = Metrics::default();
    // NVD's own word, or that of whoever gave the number out.
    let (source, kind) = if random.chance(450) { ("nvd@nist.gov", "Primary") } else { (source, "Secondary") };
    if random.chance(820) {
        metrics.third.extend(third(random, "3.1").map(|data| Metric::of(source, kind, data)));
    }
    // Who gives several gives the old ones too.
    if random.chance(70) {
        metrics.second.extend(serde_json::from_str(SECOND).ok().map(|data| Metric::of(source, kind, data)));
        metrics.first_third.extend(third(random, "3.0").map(|data| Metric::of(source, kind, data)));
    }
    if random.chance(43) {
        metrics.fourth.extend(serde_json::from_str(FOURTH).ok().map(|data| Metric::of(source, kind, data)));
    }
    metrics
}

fn third(random: &mut Random, version: &'static str) -> Option<Third> {
    let (vector, score) = *random.pick(&VECTORS);
    let letter = |name: &str| {
        vector.split('/').find_map(|part| part.strip_prefix(name)?.strip_prefix(':')).unwrap_or_default()
    };
    let impact = |name| match letter(name) {
        "H" => "HIGH",
        "L" => "LOW",
        _ => "NONE",
    };
    let base_severity = match score.as_bytes() {
        [b'9', ..] => "CRITICAL",
        [b'7' | b'8', ..] => "HIGH",
        [b'4'..=b'6', ..] => "MEDIUM",
        _ => "LOW",
    };
    Some(Third {
        version,
        vector_string: format!("CVSS:{version}/{vector}"),
        base_score: serde_json::from_str(score).ok()?,
        base_severity,
        attack_vector: if letter("AV") == "N" { "NETWORK" } else { "LOCAL" },
        attack_complexity: impact("AC"),
        privileges_required: impact("PR"),
        user_interaction: if letter("UI") == "R" { "REQUIRED" } else { "NONE" },
        scope: if letter("S") == "C" { "CHANGED" } else { "UNCHANGED" },
        confidentiality_impact: impact("C"),
        integrity_impact: impact("I"),
        availability_impact: impact("A"),
    })
}

/// Products of one vendor.
fn configuration(random: &mut Random) -> Configuration {
    let vendor = package::invented("vendor", random.skewed(VENDORS)).replace('-', "_");
    let count = random.spread(&[1, 1, 1, 1, 2, 8, 25, 120]);
    let part = random.pick::<&str>(&["a", "a", "a", "o", "o", "h"]);
    let mut product = format!("{vendor}_{}", prose::name(random));
    let cpe_match = (0..count)
        .map(|_| {
            // A list names many versions of a product before it names the next.
            if random.chance(200) {
                product = format!("{}_{}", prose::name(random), prose::name(random));
            }
            cpe_match(random, part, &vendor, &product)
        })
        .collect();
    Configuration { nodes: vec![Node { operator: "OR", negate: false, cpe_match }] }
}

fn cpe_match(random: &mut Random, part: &str, vendor: &str, product: &str) -> CpeMatch {
    let exact = random.chance(360);
    let version = prose::version(random);
    let criteria = |version: &str| format!("cpe:2.3:{part}:{vendor}:{product}:{version}:*:*:*:*:*:*:*");
    let range = |criteria| CpeMatch {
        vulnerable: true,
        criteria,
        version_start_including: None,
        version_end_excluding: None,
        version_end_including: None,
    };
    if exact {
        return range(criteria(&version));
    }
    let mut range = range(criteria("*"));
    range.version_start_including = random.chance(820).then(|| "0.1.0".to_owned());
    if random.chance(760) {
        range.version_end_excluding = Some(version);
    } else {
        range.version_end_including = Some(version);
    }
    range
}

fn reference(random: &mut Random, source: &str) -> Reference {
    let name = prose::name(random);
    Reference { url: prose::url(random, name), source: source.to_owned() }
}

/// Writes `count` records into a file for each year below `directory`.
pub fn write(directory: &Path, count: usize) -> Result<Vec<Archive>, Failure> {
    let files = YEARS.into_iter().enumerate().map(|(index, year)| {
        let count = (count + index) / YEARS.len();
        let records = (0..count).map(|number| Ok(serde_json::to_vec(&vulnerability(year, number))?));
        let path = Path::new("NVD").join(file_name(year));
        let (content, size_bytes) = write_year(&directory.join(&path), count, records)?;
        Ok(Archive {
            path,
            source: "nvd".to_owned(),
            records: count as u64,
            size_bytes,
            content: content.to_string(),
            ..Archive::default()
        })
    });
    files.collect()
}

/// The name of a year's file.
pub fn file_name(year: usize) -> PathBuf {
    format!("nvdcve-2.0-{year}.json.gz").into()
}

/// Writes one document of `count` records, each an element of `vulnerabilities` as text. Gives the digest of the document, and
/// its bytes, not compressed.
pub fn write_year(
    path: &Path,
    count: usize,
    records: impl Iterator<Item = Result<Vec<u8>, Failure>>,
) -> Result<(Digest, u64), Failure> {
    let mut out = Content::new(GzEncoder::new(create(path)?, Compression::default()));
    write!(
        out,
        r#"{{"resultsPerPage":{count},"startIndex":0,"totalResults":{count},"format":"NVD_CVE","version":"2.0","timestamp":"2025-12-31T00:00:00.000","vulnerabilities":["#
    )?;
    for (index, record) in records.enumerate() {
        if index > 0 {
            out.write_all(b",")?;
        }
        out.write_all(&record?)?;
    }
    out.write_all(b"]}")?;
    let (gzip, content, size_bytes) = out.finish();
    gzip.finish()?.into_inner()?.sync_all()?;
    Ok((content, size_bytes))
}
