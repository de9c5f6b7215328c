//! OSV records, schema 1.x (ossf.github.io/osv-schema), as osv.dev, GitHub, PyPA and others publish them.
//!
//! A document is one record, an array of records (`.json`), or one record per line (`.jsonl`). What is not taken is
//! named in the [`Outcome`]: withdrawn records, ecosystems that are not supported yet, ranges of git commits alone.

use std::{collections::BTreeMap, num::NonZeroUsize, path::Path, sync::mpsc, thread};

use serde::Deserialize;
use serde_json::Value;

use super::{
    Error, Outcome, SkippedRecord, cvss,
    source::{self, Document},
};
use crate::{
    advisory::{Advisory, Compiler, End, Range, scheme},
    finding::Severity,
    version::Scheme,
};

/// Longest summary, in characters; a report has one line for it.
const SUMMARY_CHARACTERS: usize = 160;
/// Documents that wait between the reader and the parsers.
const WAITING_DOCUMENTS: usize = 64;

/// Reads every record of `path`, a folder, `.zip`, `.tar.zst`, `.json` or `.jsonl`, on `threads` threads. A record that
/// is malformed is skipped and named; an archive that is cut is an error, for nobody knows what is missing.
pub fn import(path: &Path, threads: NonZeroUsize, compiler: &mut Compiler) -> Result<Outcome, Error> {
    let (send, receive) = mpsc::sync_channel::<Document>(WAITING_DOCUMENTS);
    let receive = std::sync::Mutex::new(receive);
    let mut batch = Batch::default();
    let mut other = Vec::new();
    thread::scope(|scope| {
        let work = || {
            let mut batch = Batch::default();
            loop {
                let next = receive.lock().map_or(None, |receive| receive.recv().ok());
                let Some(document) = next else { return batch };
                batch.read(&document);
            }
        };
        let workers: Vec<_> = (0..threads.get()).map(|_| scope.spawn(work)).collect();
        let read =
            source::walk(path, &mut |document| send.send(document).is_ok(), &mut |name| other.push(name));
        drop(send);
        for worker in workers {
            match worker.join() {
                Ok(part) => batch.extend(part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        read
    })?;
    let other = other.into_iter().map(|what| SkippedRecord { what, why: "not a .json file".into() });
    batch.outcome.skipped.extend(other);
    if batch.outcome.read == 0 {
        return Err(Error::Empty(path.to_owned()));
    }
    Ok(batch.finish(compiler))
}

/// Reads one document that is at hand, named `name` in messages.
pub(super) fn import_document(name: &str, bytes: &[u8], compiler: &mut Compiler) -> Outcome {
    let mut batch = Batch::default();
    batch.read(&Document { name: name.to_owned(), bytes: bytes.to_vec() });
    batch.finish(compiler)
}

/// What one thread has read.
#[derive(Default)]
struct Batch {
    outcome: Outcome,
    taken: Vec<Taken>,
}

/// One advisory for one package.
struct Taken {
    ecosystem: String,
    package: String,
    modified: String,
    advisory: Advisory,
}

impl Batch {
    fn extend(&mut self, other: Self) {
        self.outcome.read += other.outcome.read;
        self.outcome.kept += other.outcome.kept;
        self.outcome.skipped.extend(other.outcome.skipped);
        self.taken.extend(other.taken);
    }

    fn finish(mut self, compiler: &mut Compiler) -> Outcome {
        for taken in self.taken {
            compiler.add(&taken.ecosystem, &taken.package, &taken.modified, taken.advisory);
        }
        self.outcome.skipped.sort();
        self.outcome
    }

    fn read(&mut self, document: &Document) {
        let Document { name, bytes } = document;
        if name.to_lowercase().ends_with(".jsonl") {
            for (index, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
                if !line.trim_ascii().is_empty() {
                    self.record(&|| format!("{name}:{}", index + 1), serde_json::from_slice(line));
                }
            }
        } else if bytes.trim_ascii_start().starts_with(b"[") {
            match serde_json::from_slice::<Vec<Value>>(bytes) {
                Ok(records) => {
                    for (index, record) in records.into_iter().enumerate() {
                        self.record(
                            &|| format!("{name}, record {}", index + 1),
                            serde_json::from_value(record),
                        );
                    }
                }
                Err(error) => self.record(&|| name.clone(), Err(error)),
            }
        } else {
            self.record(&|| name.clone(), serde_json::from_slice(bytes));
        }
    }

    fn record(&mut self, place: &dyn Fn() -> String, record: Result<Record, serde_json::Error>) {
        self.outcome.read += 1;
        let record = match record {
            Ok(record) if !record.id.is_empty() => record,
            Ok(_) => return self.skip(place(), "malformed: the id is empty"),
            Err(error) => return self.skip(place(), format!("malformed: {error}")),
        };
        if record.withdrawn.is_some() {
            return self.skip(record.id, "withdrawn");
        }
        let before = self.taken.len();
        self.affected(record);
        self.outcome.kept += u64::from(self.taken.len() > before);
    }

    fn skip(&mut self, what: String, why: impl Into<String>) {
        self.outcome.skipped.push(SkippedRecord { what, why: why.into() });
    }

    /// Takes a record apart: one advisory per package, however many entries speak of it.
    fn affected(&mut self, mut record: Record) {
        let mut packages: BTreeMap<(String, String), Advisory> = BTreeMap::new();
        let mut reasons: Vec<String> = Vec::new();
        let entries = std::mem::take(&mut record.affected).unwrap_or_default();
        if entries.is_empty() {
            reasons.push("names no package".into());
        }
        for entry in entries {
            let Some(package) = &entry.package else {
                reasons.push("only ranges of a repository".into());
                continue;
            };
            let Some(scheme) = scheme(&package.ecosystem) else {
                reasons.push(format!("ecosystem {} is not supported yet", package.ecosystem));
                continue;
            };
            let (ranges, versions) = entry.versions(scheme);
            if ranges.is_empty() && versions.is_empty() {
                reasons.push(format!("no version ranges for {} in {}", package.name, package.ecosystem));
                continue;
            }
            let severity = record.severity_of(&entry);
            let key = (package.ecosystem.clone(), package.name.clone());
            let advisory = packages.entry(key).or_insert_with(|| record.advisory());
            advisory.severity = advisory.severity.max(severity);
            advisory.ranges.extend(ranges);
            advisory.versions.extend(versions);
        }
        reasons.sort();
        reasons.dedup();
        for why in reasons {
            self.skip(record.id.clone(), why);
        }
        let modified = record.modified();
        for ((ecosystem, package), advisory) in packages {
            for aliases in record.names() {
                let (ecosystem, package, modified) = (ecosystem.clone(), package.clone(), modified.clone());
                let advisory = Advisory { aliases, ..advisory.clone() };
                self.taken.push(Taken { ecosystem, package, modified, advisory });
            }
        }
    }
}

/// A record, the fields that are used here. Free-form parts stay values: each source fills them its own way.
#[derive(Deserialize)]
struct Record {
    id: String,
    modified: Option<String>,
    withdrawn: Option<String>,
    aliases: Option<Vec<String>>,
    upstream: Option<Vec<String>>,
    related: Option<Vec<String>>,
    summary: Option<String>,
    details: Option<String>,
    severity: Option<Vec<Score>>,
    affected: Option<Vec<Affected>>,
    database_specific: Option<Value>,
}

#[derive(Deserialize)]
struct Score {
    #[serde(rename = "type")]
    kind: String,
    score: String,
}

#[derive(Deserialize)]
struct Affected {
    package: Option<PackageName>,
    severity: Option<Vec<Score>>,
    ranges: Option<Vec<RangeJson>>,
    versions: Option<Vec<String>>,
    ecosystem_specific: Option<Value>,
    database_specific: Option<Value>,
}

#[derive(Deserialize)]
struct PackageName {
    ecosystem: String,
    name: String,
}

#[derive(Deserialize)]
struct RangeJson {
    #[serde(rename = "type")]
    kind: String,
    events: Vec<Event>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Event {
    Introduced(String),
    Fixed(String),
    LastAffected(String),
    Limit(String),
}

impl Event {
    fn version(&self) -> &str {
        match self {
            Self::Introduced(version)
            | Self::Fixed(version)
            | Self::LastAffected(version)
            | Self::Limit(version) => version,
        }
    }
}

impl Record {
    fn advisory(&self) -> Advisory {
        let (id, summary) = (self.id.clone(), self.summary_line());
        Advisory {
            id,
            aliases: Vec::new(),
            summary,
            severity: Severity::Unknown,
            ranges: Vec::new(),
            versions: Vec::new(),
        }
    }

    /// The summary, or the first paragraph of the details, as one short line.
    fn summary_line(&self) -> String {
        let details = self.details.as_deref().unwrap_or_default();
        let paragraph =
            || details.split("\n\n").find(|text| !text.trim().is_empty() && !text.starts_with('#'));
        let text = self.summary.as_deref().filter(|text| !text.trim().is_empty()).or_else(paragraph);
        let line = text.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
        match line.char_indices().nth(SUMMARY_CHARACTERS) {
            Some((end, _)) => format!("{}…", line[..end].trim_end()),
            None => line,
        }
    }

    /// `modified` in whole seconds, UTC; empty if it is no date.
    fn modified(&self) -> String {
        let parse = |text: &String| text.parse::<jiff::Timestamp>().ok();
        let seconds = self.modified.as_ref().and_then(parse).map(|time| time.as_second());
        let whole = seconds.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
        whole.map(|time| time.to_string()).unwrap_or_default()
    }

    /// The other names of the vulnerability. A bulletin that stands for several (`upstream`) gives a list for each, so
    /// that they stay several findings.
    fn names(&self) -> Vec<Vec<String>> {
        let is_cve = |name: &&String| name.starts_with("CVE-");
        let aliases = self.aliases.clone().unwrap_or_default();
        // Debian's bulletins used to name their vulnerabilities under `related`, where others put mere neighbours.
        let bulletin = self.id.starts_with("DSA-") || self.id.starts_with("DLA-");
        let upstream = self.upstream.as_ref().or(self.related.as_ref().filter(|_| bulletin));
        let upstream = upstream.map(Vec::as_slice).unwrap_or_default();
        let mut cves: Vec<String> = upstream.iter().filter(is_cve).cloned().collect();
        cves.sort();
        cves.dedup();
        if is_cve(&&self.id) || aliases.iter().any(|alias| is_cve(&alias)) {
            return vec![aliases];
        }
        match (upstream, cves.is_empty()) {
            ([only], true) => vec![[aliases, vec![only.clone()]].concat()],
            (_, true) => vec![aliases],
            (_, false) => cves.into_iter().map(|cve| [aliases.clone(), vec![cve]].concat()).collect(),
        }
    }

    /// How bad for the package of `entry`: what a distribution calls unimportant is negligible whatever its score; then
    /// CVSS, then the database's word, then the distribution's urgency.
    fn severity_of(&self, entry: &Affected) -> Severity {
        let urgency = text_of(&entry.ecosystem_specific, "urgency").map(str::to_lowercase);
        let urgency = urgency.and_then(|urgency| severity_word(&urgency));
        if urgency == Some(Severity::Negligible) {
            return Severity::Negligible;
        }
        let scores = [&entry.severity, &self.severity].map(|scores| scores.as_deref().unwrap_or_default());
        let cvss = |kind| {
            let of_kind = |scores: &[Score]| {
                let scores = scores.iter().filter(|score| score.kind == kind);
                scores.filter_map(|score| cvss::severity(&score.score)).max()
            };
            of_kind(scores[0]).or_else(|| of_kind(scores[1]))
        };
        let word = [&entry.database_specific, &entry.ecosystem_specific, &self.database_specific]
            .into_iter()
            .find_map(|specific| severity_word(&text_of(specific, "severity")?.to_lowercase()));
        cvss("CVSS_V3").or(word).or_else(|| cvss("CVSS_V2")).or(urgency).unwrap_or_default()
    }
}

fn text_of<'a>(specific: &'a Option<Value>, key: &str) -> Option<&'a str> {
    specific.as_ref()?.get(key)?.as_str()
}

fn severity_word(word: &str) -> Option<Severity> {
    Some(match word {
        "critical" => Severity::Critical,
        "high" | "important" => Severity::High,
        "medium" | "moderate" => Severity::Medium,
        "low" => Severity::Low,
        "negligible" | "unimportant" | "none" => Severity::Negligible,
        _ => return None,
    })
}

impl Affected {
    /// Ranges, and the versions that lie outside them: sources list every version beside the ranges.
    fn versions(&self, scheme: Scheme) -> (Vec<Range>, Vec<String>) {
        let ranges = self.ranges.as_deref().unwrap_or_default().iter();
        let ranges = ranges.filter(|range| range.kind == "ECOSYSTEM" || range.kind == "SEMVER");
        let mut ranges: Vec<Range> = ranges.flat_map(|range| flatten(scheme, &range.events)).collect();
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

/// Turns events into ranges, as the schema's evaluation algorithm reads them: sorted by version, each opens or closes.
fn flatten(scheme: Scheme, events: &[Event]) -> Vec<Range> {
    let from_start = |version: &str| version == "0";
    let mut sorted: Vec<&Event> = events.iter().collect();
    // Stable: at one version the order of the document decides.
    sorted.sort_by(|a, b| {
        let (a, b) = (a.version(), b.version());
        from_start(b).cmp(&from_start(a)).then_with(|| scheme.compare(a, b))
    });
    let mut ranges = Vec::new();
    // Events without a beginning speak of everything before.
    let has_start = events.iter().any(|event| matches!(event, Event::Introduced(_)));
    let mut open = (!has_start && !events.is_empty()).then_some(None);
    for event in sorted {
        let end = match event {
            Event::Introduced(version) => {
                open.get_or_insert_with(|| (!from_start(version)).then(|| version.clone()));
                continue;
            }
            Event::Fixed(version) => End::Fixed(version.clone()),
            Event::LastAffected(version) => End::LastAffected(version.clone()),
            Event::Limit(version) if version == "*" => continue,
            Event::Limit(version) => End::Limit(version.clone()),
        };
        if let Some(introduced) = open.take() {
            ranges.push(Range { introduced, end });
        }
    }
    if let Some(introduced) = open {
        ranges.push(Range { introduced, end: End::Open });
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advisory::Snapshot;

    fn read(name: &str, text: &str) -> (Outcome, Snapshot) {
        let mut compiler = Compiler::default();
        let outcome = import_document(name, text.as_bytes(), &mut compiler);
        (outcome, Snapshot::from_bytes(compiler.to_bytes().unwrap()).unwrap())
    }

    fn ranges(scheme: Scheme, events: &str) -> String {
        let events: Vec<Event> = serde_json::from_str(events).unwrap();
        let show = |range: Range| {
            let from = range.introduced.unwrap_or_default();
            match range.end {
                End::Fixed(end) => format!("[{from},{end})"),
                End::LastAffected(end) => format!("[{from},{end}]"),
                End::Limit(end) => format!("[{from},{end}|"),
                End::Open => format!("[{from},"),
            }
        };
        flatten(scheme, &events).into_iter().map(show).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn events_become_ranges() {
        let npm = |events| ranges(Scheme::Npm, events);
        assert_eq!(npm(r#"[{"introduced":"0"},{"fixed":"2.0.0"}]"#), "[,2.0.0)");
        let shuffled = r#"[{"fixed":"10.1.0"},{"introduced":"10.0.0"},{"fixed":"9.3.0"},{"introduced":"0"}]"#;
        assert_eq!(npm(shuffled), "[,9.3.0) [10.0.0,10.1.0)");
        assert_eq!(npm(r#"[{"introduced":"1.0.0"},{"last_affected":"1.5.0"}]"#), "[1.0.0,1.5.0]");
        assert_eq!(npm(r#"[{"introduced":"1.0.0"}]"#), "[1.0.0,");
        assert_eq!(npm(r#"[{"introduced":"0"},{"fixed":"1.2.0"},{"fixed":"2.1.0"}]"#), "[,1.2.0)");
        assert_eq!(npm(r#"[{"introduced":"1.0.0"},{"limit":"2.0.0"}]"#), "[1.0.0,2.0.0|");
        assert_eq!(npm(r#"[{"fixed":"2.0.0"}]"#), "[,2.0.0)");
        assert_eq!(ranges(Scheme::Deb, r#"[{"introduced":"0"},{"fixed":"0"}]"#), "[,0)");
        assert_eq!(ranges(Scheme::Deb, r#"[{"introduced":"0"},{"fixed":"1.0~rc1-1"}]"#), "[,1.0~rc1-1)");
    }

    #[test]
    fn a_record_is_taken_apart_by_package() {
        let (outcome, snapshot) = read(
            "a.json",
            r####"{"id":"PYSEC-1","modified":"2024-02-03T04:05:06.789Z","aliases":["CVE-2024-1"],
            "details":"### Impact\n\nFirst   line\nof words.\n\nMore.",
            "severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
            "affected":[{"package":{"ecosystem":"PyPI","name":"Foo_Bar"},"ranges":[
              {"type":"GIT","events":[{"introduced":"0"},{"fixed":"abc"}]},
              {"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"2.0"}]}],"versions":["1.0","2.5"]},
             {"package":{"ecosystem":"PyPI","name":"foo-bar"},"ranges":[
              {"type":"ECOSYSTEM","events":[{"introduced":"3"}]}]},
             {"package":{"ecosystem":"Go","name":"x"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}]}]}"####,
        );
        assert_eq!((outcome.read, outcome.kept), (1, 1));
        let why = "ecosystem Go is not supported yet".to_owned();
        assert_eq!(outcome.skipped, [SkippedRecord { what: "PYSEC-1".into(), why }]);
        let found = snapshot.lookup("PyPI", "foo.bar").unwrap();
        let versions: Vec<_> = found.iter().flat_map(|advisory| &advisory.versions).collect();
        assert_eq!(versions, ["2.5"], "what the range holds is not listed again");
        assert_eq!(found.iter().map(|advisory| advisory.ranges.len()).sum::<usize>(), 2);
        assert_eq!(
            (found[0].severity, found[0].summary.as_str()),
            (Severity::Critical, "First line of words.")
        );
        assert_eq!(snapshot.feeds()[0].as_of, "2024-02-03T04:05:06Z");
    }

    #[test]
    fn nothing_is_left_out_in_silence() {
        let (outcome, snapshot) = read(
            "many.jsonl",
            r#"{"id":"A","withdrawn":"2024-01-01T00:00:00Z","affected":[]}

            {"id":"B","affected":[{"ranges":[{"type":"GIT","events":[{"introduced":"0"}]}]}]}
            {"id":"C","affected":[{"package":{"ecosystem":"npm","name":"c"}}]}
            {"id":"D"
            {"id":"E"}"#,
        );
        assert_eq!((outcome.read, outcome.kept), (5, 0));
        let skipped: Vec<_> = outcome.skipped.iter().map(|skipped| skipped.what.as_str()).collect();
        assert_eq!(skipped, ["A", "B", "C", "E", "many.jsonl:5"]);
        assert!(!snapshot.covers("npm"));
    }

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
    }

    #[test]
    fn a_bulletin_stands_for_each_of_its_vulnerabilities() {
        let record: Record =
            serde_json::from_str(r#"{"id":"DSA-1","upstream":["CVE-2","CVE-1"],"aliases":["X"]}"#).unwrap();
        assert_eq!(record.names(), [["X", "CVE-1"], ["X", "CVE-2"]]);
        let old: Record = serde_json::from_str(r#"{"id":"DSA-1","related":["CVE-1"]}"#).unwrap();
        assert_eq!(old.names(), [["CVE-1"]]);
        let neighbour: Record = serde_json::from_str(r#"{"id":"GHSA-1","related":["CVE-1"]}"#).unwrap();
        assert_eq!(neighbour.names(), [Vec::<String>::new()]);
    }
}
