//! From documents to claims.

use std::collections::{BTreeMap, BTreeSet};

use super::{record::Record, suse};
use crate::{
    advisory::{State, scheme},
    feed::{
        Source,
        sink::{Claim, Package, Sink},
        walk::Document,
    },
};

/// Records of the OSV schema.
pub(in crate::feed) struct Osv;

impl Source for Osv {
    fn name(&self) -> &'static str {
        "osv"
    }

    /// The schema wants nothing at the beginning but an id, and not even that first: whatever JSON no other source knows is
    /// read as a record, and named where it is none.
    fn knows(&self, document: &Document) -> bool {
        document.is_named(".json") || document.is_named(".jsonl")
    }

    fn read(&self, document: &Document, sink: &mut Sink<'_>) {
        let Document { name, bytes, .. } = document;
        if document.is_named(".jsonl") {
            for (index, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
                if sink.over() {
                    return;
                }
                if !line.trim_ascii().is_empty() {
                    take(&|| format!("{name}:{}", index + 1), line, sink);
                }
            }
        } else if bytes.trim_ascii_start().starts_with(b"[") {
            sink.each(name, bytes, take);
        } else {
            take(&|| name.clone(), bytes, sink);
        }
    }
}

fn take(place: &dyn Fn() -> String, text: &[u8], sink: &mut Sink<'_>) {
    let Some(record) = sink.json::<Record>(place, text) else { return };
    if record.id.is_empty() {
        return sink.skip(place(), "malformed", "the id is empty");
    }
    if record.withdrawn.is_some() {
        sink.skip(record.id.clone(), "withdrawn", "");
        let time = record.time();
        return sink.withdraw(record.id, time);
    }
    affected(record, sink);
}

/// Takes a record apart by family, such as `Debian`: mirrors split it into files by that.
fn affected(mut record: Record, sink: &mut Sink<'_>) {
    let mut parts: BTreeMap<String, Claim> = BTreeMap::new();
    let mut reasons: BTreeSet<(String, String)> = BTreeSet::new();
    let entries = std::mem::take(&mut record.affected).unwrap_or_default();
    if entries.is_empty() {
        reasons.insert(("names no package".into(), String::new()));
    }
    for entry in entries {
        let Some(package) = &entry.package else {
            reasons.insert(("only ranges of a repository".into(), String::new()));
            continue;
        };
        let (ecosystem, name) = (&package.ecosystem, &package.name);
        if let Some(kind) = entry.information() {
            reasons.insert(("information, no vulnerability".into(), kind.to_owned()));
            continue;
        }
        match suse::feed(ecosystem) {
            Ok(None) => {}
            Ok(Some(feed)) => {
                let part = parts.entry(family(&feed).to_owned()).or_default();
                match suse::packages(&entry, &feed, record.severity_of(&entry)) {
                    Ok(packages) => part.packages.extend(packages),
                    Err(what) => {
                        let detail = format!("{what}, for {name} in {ecosystem}");
                        reasons.insert(("not understood".into(), detail));
                        part.not_understood.insert(feed);
                    }
                }
                continue;
            }
            Err(()) => {
                let reason = "a product of SUSE that is no release of the system";
                reasons.insert((reason.into(), ecosystem.clone()));
                continue;
            }
        }
        let Some(scheme) = scheme(ecosystem) else {
            reasons.insert((format!("ecosystem {ecosystem} is not supported yet"), String::new()));
            continue;
        };
        let part = parts.entry(family(ecosystem).to_owned()).or_default();
        let (ranges, versions) = entry.versions(scheme, &mut |what| {
            reasons.insert(("not understood".into(), format!("{what}, for {name} in {ecosystem}")));
            part.not_understood.insert(ecosystem.clone());
        });
        if ranges.is_empty() && versions.is_empty() {
            reasons.insert(("no version ranges".into(), format!("for {name} in {ecosystem}")));
            continue;
        }
        part.packages.push(Package {
            ecosystem: ecosystem.clone(),
            name: name.clone(),
            severity: record.severity_of(&entry),
            state: State::Affected,
            ranges,
            versions,
        });
    }
    for (reason, detail) in reasons {
        sink.skip(record.id.clone(), &reason, &detail);
    }
    if parts.values().any(|part| !part.packages.is_empty()) {
        sink.kept();
    }
    if parts.values().any(|part| !part.not_understood.is_empty()) {
        sink.not_understood();
    }
    let (time, names, summary) = (record.time(), record.names(), record.summary_line());
    for (family, mut part) in parts {
        // SUSE says the same beside each source of an update.
        part.packages.sort_unstable();
        part.packages.dedup();
        let database = database(&record.id, &family);
        let (id, names, summary) = (record.id.clone(), names.clone(), summary.clone());
        sink.claim(&family, Claim { database, id, time, names, summary, ..part });
    }
}

/// What an ecosystem is a release of.
fn family(ecosystem: &str) -> &str {
    ecosystem.split(':').next().unwrap_or_default()
}

/// Whose word a record is: by its id, as the schema's list of databases names them; CVEs and what is not listed there, by
/// the family that they speak of.
fn database(id: &str, family: &str) -> &'static str {
    const BY_ID: &[(&str, &str)] = &[
        ("ALPINE-", "alpine"),
        ("BIT-", "bitnami"),
        ("DEBIAN-", "debian"),
        ("DLA-", "debian"),
        ("DSA-", "debian"),
        ("DTSA-", "debian"),
        ("GHSA-", "github"),
        ("GO-", "go"),
        ("HSEC-", "haskell"),
        ("JLSEC-", "julia"),
        ("LSN-", "ubuntu"),
        ("MAL-", "openssf"),
        ("PSF-", "psf"),
        ("PYSEC-", "pypa"),
        ("RSEC-", "r"),
        ("RUSTSEC-", "rustsec"),
        ("SUSE-", "suse"),
        ("UBUNTU-", "ubuntu"),
        ("USN-", "ubuntu"),
        ("openSUSE-", "suse"),
    ];
    const BY_FAMILY: &[(&str, &str)] = &[
        ("Alpine", "alpine"),
        ("Chainguard", "chainguard"),
        ("Debian", "debian"),
        ("SUSE", "suse"),
        ("Ubuntu", "ubuntu"),
        ("Wolfi", "wolfi"),
        ("openSUSE", "suse"),
    ];
    let named = BY_ID.iter().find(|(start, _)| id.starts_with(start));
    named
        .or_else(|| BY_FAMILY.iter().find(|(name, _)| *name == family))
        .map_or("osv", |(_, database)| database)
}

#[cfg(test)]
mod tests {
    use crate::{
        advisory::{Compiler, Snapshot},
        feed::{Outcome, SkippedRecord, import::import_document},
        finding::Severity,
    };

    fn read(name: &str, text: &str) -> (Outcome, Snapshot) {
        let mut compiler = Compiler::default();
        let outcome = import_document(name, text.as_bytes(), &mut compiler);
        (outcome, Snapshot::from_bytes(compiler.to_bytes().unwrap()).unwrap())
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
             {"package":{"ecosystem":"OSS-Fuzz","name":"x"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}]}]}"####,
        );
        assert_eq!((outcome.read, outcome.kept), (1, 1));
        let why = "ecosystem OSS-Fuzz is not supported yet".to_owned();
        assert_eq!(
            outcome.named().into_iter().collect::<Vec<_>>(),
            [&SkippedRecord { what: "PYSEC-1".into(), why }]
        );
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

    /// As canonical/ubuntu-security-notices has them.
    #[test]
    fn a_record_of_ubuntu() {
        let (outcome, snapshot) = read(
            "UBUNTU-CVE-2024-1.json",
            r#"{"schema_version":"1.7.0","id":"UBUNTU-CVE-2024-1","details":"Words.","upstream":["CVE-2024-1"],
            "related":["USN-1-1"],"severity":[{"type":"Ubuntu","score":"medium"}],"modified":"2025-07-18T17:02:45Z",
            "affected":[
             {"package":{"ecosystem":"Ubuntu:Pro:18.04:LTS","name":"a","purl":"pkg:deb/ubuntu/a?arch=source&distro=esm-infra/bionic"},
              "ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"1-2+esm1"}]}],"versions":["1-1","1-2"],
              "ecosystem_specific":{"availability":"Available with Ubuntu Pro: https://ubuntu.com/pro"}},
             {"package":{"ecosystem":"Ubuntu:24.10","name":"a"},
              "ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"}]}],"versions":["3-1"]}]}"#,
        );
        assert_eq!((outcome.kept, outcome.skipped), (1, 0));
        let found = snapshot.lookup("Ubuntu:24.10", "a").unwrap();
        assert_eq!((found[0].source.as_str(), found[0].severity), ("ubuntu", Severity::Medium));
        assert_eq!(found[0].aliases, ["CVE-2024-1"]);
        assert_eq!((found[0].ranges.len(), found[0].versions.len()), (1, 0));
        let feeds: Vec<_> = snapshot.feeds().into_iter().map(|feed| feed.name).collect();
        assert_eq!(feeds, ["Ubuntu:24.10", "Ubuntu:Pro:18.04:LTS"]);
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
        let skipped: Vec<_> = outcome.named().into_iter().map(|skipped| skipped.what.as_str()).collect();
        assert_eq!(skipped, ["A", "B", "C", "E", "many.jsonl:5"]);
        assert!(!snapshot.covers("npm"));
    }

    #[test]
    fn what_is_not_understood_costs_a_range_and_is_counted() {
        let (outcome, snapshot) = read(
            "a.json",
            r#"[{"id":"A","affected":[
              {"package":{"ecosystem":"npm","name":"a"},"ranges":[
               {"type":"SEMVER","events":[{"introduced":"0"},{"mended":"1.0.0"}]},
               {"type":"SEMVER","events":[{"introduced":"2.0.0","fixed":"2.5.0"}]}]},
              {"package":{"ecosystem":"PyPI","name":"b"},"ranges":[{"type":"MOOD","events":[]}]}]},
             {"id":7}, 0]"#,
        );
        assert_eq!((outcome.read, outcome.kept, outcome.skipped, outcome.not_understood), (3, 1, 5, 1));
        assert_eq!(snapshot.lookup("npm", "a").unwrap()[0].ranges.len(), 1);
        let counts: Vec<_> =
            snapshot.feeds().into_iter().map(|feed| (feed.name, feed.records, feed.not_understood)).collect();
        assert_eq!(counts, [("PyPI".into(), 0, 1), ("npm".into(), 1, 1)]);
        assert!(!snapshot.covers("PyPI"), "nothing is known of it");
    }

    #[test]
    fn what_rustsec_calls_information_is_no_vulnerability() {
        let record = |kind: &str| {
            let specific = format!(r#""database_specific":{{"informational":{kind}}}"#);
            format!(
                r#"{{"id":"RUSTSEC-1","affected":[{{"package":{{"ecosystem":"crates.io","name":"a"}},{specific},
                "ranges":[{{"type":"SEMVER","events":[{{"introduced":"0.0.0-0"}}]}}]}}]}}"#
            )
        };
        for (kind, kept) in [("\"unmaintained\"", 0), ("\"notice\"", 0), ("\"unsound\"", 1), ("null", 1)] {
            let (outcome, _) = read("a.json", &record(kind));
            assert_eq!((outcome.kept, outcome.skipped), (kept, 1 - kept), "{kind}");
        }
    }

    #[test]
    fn a_broken_array_keeps_what_came_before() {
        let (outcome, snapshot) = read(
            "a.json",
            r#"[{"id":"A","affected":[{"package":{"ecosystem":"npm","name":"a"},"versions":["1.0.0"]}]}, {"id""#,
        );
        assert_eq!((outcome.read, outcome.kept, outcome.skipped), (2, 1, 1));
        assert!(snapshot.covers("npm"));
    }
}
