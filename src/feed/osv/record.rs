//! A record's shape, and what its free-form parts say.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::events::{self, EventJson};
use crate::{
    advisory::{End, Range},
    feed::{cvss, rustsec, sink::summary_line},
    finding::Severity,
    version::Scheme,
};

/// A record, the fields that are used here. Free-form parts stay values: each source fills them its own way.
#[derive(Deserialize)]
pub(super) struct Record {
    pub(super) id: String,
    modified: Option<String>,
    published: Option<String>,
    pub(super) withdrawn: Option<String>,
    aliases: Option<Vec<String>>,
    upstream: Option<Vec<String>>,
    related: Option<Vec<String>>,
    summary: Option<String>,
    details: Option<String>,
    severity: Option<Vec<Score>>,
    pub(super) affected: Option<Vec<Affected>>,
    database_specific: Option<Value>,
}

#[derive(Deserialize)]
struct Score {
    #[serde(rename = "type")]
    kind: String,
    score: String,
}

#[derive(Deserialize)]
pub(super) struct Affected {
    pub(super) package: Option<PackageName>,
    severity: Option<Vec<Score>>,
    ranges: Option<Vec<RangeJson>>,
    versions: Option<Vec<String>>,
    ecosystem_specific: Option<Value>,
    database_specific: Option<Value>,
}

#[derive(Deserialize)]
pub(super) struct PackageName {
    pub(super) ecosystem: String,
    pub(super) name: String,
}

#[derive(Deserialize)]
struct RangeJson {
    #[serde(rename = "type")]
    kind: String,
    events: Vec<EventJson>,
}

impl Record {
    /// The summary, or the first paragraph of the details, as one short line.
    pub(super) fn summary_line(&self) -> String {
        let details = self.details.as_deref().unwrap_or_default();
        let paragraph =
            || details.split("\n\n").find(|text| !text.trim().is_empty() && !text.starts_with('#'));
        let text = self.summary.as_deref().filter(|text| !text.trim().is_empty()).or_else(paragraph);
        summary_line(text.unwrap_or_default())
    }

    /// When the record was last written: `modified`, or `published` where that is no date; a withdrawal is a word too.
    pub(super) fn time(&self) -> Option<Timestamp> {
        let parse = |text: &Option<String>| text.as_ref().and_then(|text| text.parse::<Timestamp>().ok());
        let written = parse(&self.modified).or_else(|| parse(&self.published));
        written.max(parse(&self.withdrawn))
    }

    /// The other names of the vulnerability. A bulletin that stands for several (`upstream`) gives a list for each, so
    /// that they stay several findings.
    pub(super) fn names(&self) -> Vec<Vec<String>> {
        let is_cve = |name: &&String| name.starts_with("CVE-");
        let mut aliases = self.aliases.clone().unwrap_or_default();
        // Bulletins used to name their vulnerabilities under `related`, where others put mere neighbours.
        let bulletins = ["DSA-", "DLA-", "USN-", "LSN-", "SUSE-", "openSUSE-"];
        let bulletin = bulletins.iter().any(|start| self.id.starts_with(start));
        let listed = |list: &Option<Vec<String>>| list.clone().filter(|list| !list.is_empty());
        let upstream = listed(&self.upstream).or_else(|| listed(&self.related).filter(|_| bulletin));
        let upstream = upstream.unwrap_or_default();
        let mut cves: Vec<String> = upstream.iter().filter_map(|name| cve_of(name)).collect();
        cves.sort_unstable();
        cves.dedup();
        // Older records of Ubuntu have theirs among the neighbours, and in the id.
        if cves.is_empty()
            && let Some(cve) = cve_of(&self.id).filter(|cve| *cve != self.id)
        {
            aliases.push(cve);
        }
        if is_cve(&&self.id) || aliases.iter().any(|alias| is_cve(&alias)) {
            return vec![aliases];
        }
        match (upstream.as_slice(), cves.is_empty()) {
            ([only], true) => vec![[aliases, vec![only.clone()]].concat()],
            (_, true) => vec![aliases],
            (_, false) => cves.into_iter().map(|cve| [aliases.clone(), vec![cve]].concat()).collect(),
        }
    }

    /// How bad for the package of `entry`: what a distribution calls unimportant is negligible whatever its score, and
    /// Ubuntu's priority is of its own package where a score is of the vulnerability; then CVSS, then the database's word,
    /// then the distribution's urgency.
    pub(super) fn severity_of(&self, entry: &Affected) -> Severity {
        let urgency = text_of(&entry.ecosystem_specific, "urgency").and_then(cvss::word);
        if urgency == Some(Severity::Negligible) {
            return Severity::Negligible;
        }
        let scores = [&entry.severity, &self.severity].map(|scores| scores.as_deref().unwrap_or_default());
        let priority = scores.into_iter().flatten().find(|score| score.kind == "Ubuntu");
        let priority = priority.map(|score| score.score.as_str());
        // Older records have it beside the package.
        let priority = priority.or_else(|| text_of(&entry.ecosystem_specific, "ubuntu_priority"));
        if let Some(severity) = priority.and_then(cvss::word) {
            return severity;
        }
        let cvss = |kind| {
            let of_kind = |scores: &[Score]| {
                let scores = scores.iter().filter(|score| score.kind == kind);
                scores.filter_map(|score| cvss::severity(&score.score)).max()
            };
            of_kind(scores[0]).or_else(|| of_kind(scores[1]))
        };
        let word = [&entry.database_specific, &entry.ecosystem_specific, &self.database_specific]
            .into_iter()
            .find_map(|specific| cvss::word(text_of(specific, "severity")?));
        let other = || cvss("CVSS_V4").or_else(|| cvss("CVSS_V2"));
        cvss("CVSS_V3").or(word).or_else(other).or(urgency).unwrap_or_default()
    }
}

/// The CVE that a name is of: Ubuntu has its records of them as `UBUNTU-CVE-2024-1`, and others do likewise.
fn cve_of(name: &str) -> Option<String> {
    let start = name.find("CVE-")?;
    (start == 0 || name[..start].ends_with('-')).then(|| name[start..].to_owned())
}

fn text_of<'a>(specific: &'a Option<Value>, key: &str) -> Option<&'a str> {
    specific.as_ref()?.get(key)?.as_str()
}

impl Affected {
    /// What RustSec calls information and no vulnerability, such as `unmaintained`.
    pub(super) fn information(&self) -> Option<&str> {
        text_of(&self.database_specific, "informational").filter(|kind| rustsec::is_no_vulnerability(kind))
    }

    /// What was built of all sources of the record: lists of names and versions, where SUSE filled them.
    pub(super) fn binaries(&self) -> Option<&Vec<Value>> {
        self.ecosystem_specific.as_ref()?.get("binaries")?.as_array()
    }

    /// Ranges, and the versions that lie outside them: sources list every version beside the ranges. What of the ranges is
    /// not understood goes to `unknown`.
    pub(super) fn versions(
        &self,
        scheme: Scheme,
        unknown: &mut impl FnMut(String),
    ) -> (Vec<Range>, Vec<String>) {
        let mut ranges: Vec<Range> = Vec::new();
        for range in self.ranges.as_deref().unwrap_or_default() {
            match range.kind.as_str() {
                "ECOSYSTEM" | "SEMVER" => match events::ranges(scheme, &range.events) {
                    Ok(known) => ranges.extend(known),
                    Err(what) => unknown(what),
                },
                "GIT" => {} // commits of a repository; no package has them for its version
                other => unknown(format!("a range of unknown type {other:?}")),
            }
        }
        // GitHub gives an upper end that nobody fixed beside the range.
        if let [Range { end: end @ End::Open, .. }] = ranges.as_mut_slice()
            && let Some(known) = text_of(&self.database_specific, "last_known_affected_version_range")
        {
            let version = |text: &str| text.trim().to_owned();
            if let Some(last) = known.strip_prefix("<=") {
                *end = End::LastAffected(version(last));
            } else if let Some(limit) = known.strip_prefix('<') {
                *end = End::Limit(version(limit));
            }
        }
        let certain = ranges.iter().flat_map(Range::bounds).all(|bound| scheme.check(bound).is_ok());
        let outside = |version: &&String| {
            !certain
                || scheme.check(version).is_err()
                || !ranges.iter().any(|range| range.contains(scheme, version))
        };
        let versions = self.versions.as_deref().unwrap_or_default().iter().filter(outside).cloned().collect();
        (ranges, versions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn severities_by_source() {
        let severity = |entry: &str, record: &str| {
            let record: Record = serde_json::from_str(&format!(r#"{{"id":"A"{record}}}"#)).unwrap();
            record.severity_of(&serde_json::from_str(&format!("{{{entry}}}")).unwrap())
        };
        let score =
            r#","severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"}]"#;
        assert_eq!(severity("", score), Severity::High);
        assert_eq!(
            severity(r#""ecosystem_specific":{"urgency":"unimportant"}"#, score),
            Severity::Negligible
        );
        assert_eq!(severity(r#""ecosystem_specific":{"urgency":"not yet assigned"}"#, ""), Severity::Unknown);
        assert_eq!(severity(r#""ecosystem_specific":{"urgency":"medium"}"#, ""), Severity::Medium);
        assert_eq!(severity("", r#","database_specific":{"severity":"MODERATE"}"#), Severity::Medium);
        assert_eq!(severity("", ""), Severity::Unknown);
        let both = score.replace(']', r#",{"type":"Ubuntu","score":"low"}]"#);
        assert_eq!(severity("", &both), Severity::Low);
        assert_eq!(severity("", &both.replace("low", "untriaged")), Severity::High);
        assert_eq!(
            severity(r#""ecosystem_specific":{"ubuntu_priority":"negligible"}"#, score),
            Severity::Negligible
        );
    }

    #[test]
    fn a_bulletin_stands_for_each_of_its_vulnerabilities() {
        let record: Record =
            serde_json::from_str(r#"{"id":"DSA-1","upstream":["CVE-2","CVE-1"],"aliases":["X"]}"#).unwrap();
        assert_eq!(record.names(), [["X", "CVE-1"], ["X", "CVE-2"]]);
        let old: Record = serde_json::from_str(r#"{"id":"DSA-1","related":["CVE-1"]}"#).unwrap();
        assert_eq!(old.names(), [["CVE-1"]]);
        let ubuntu = |fields: &str| {
            let record: Record = serde_json::from_str(&format!("{{{fields}}}")).unwrap();
            record.names()
        };
        let upstream = r#""id":"USN-1-1","upstream":["UBUNTU-CVE-2","UBUNTU-CVE-1"],"related":["CVE-9"]"#;
        assert_eq!(ubuntu(upstream), [["CVE-1"], ["CVE-2"]]);
        let related = r#""id":"USN-1-1","upstream":[],"related":["CVE-1","UBUNTU-CVE-1"]"#;
        assert_eq!(ubuntu(related), [["CVE-1"]]);
        assert_eq!(ubuntu(r#""id":"UBUNTU-CVE-1","upstream":["CVE-1"],"related":["USN-1-1"]"#), [["CVE-1"]]);
        assert_eq!(ubuntu(r#""id":"UBUNTU-CVE-1","related":["CVE-1"]"#), [["CVE-1"]]);
        let neighbour: Record = serde_json::from_str(r#"{"id":"GHSA-1","related":["CVE-1"]}"#).unwrap();
        assert_eq!(neighbour.names(), [Vec::<String>::new()]);
    }
}
