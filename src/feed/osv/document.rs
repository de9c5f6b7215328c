//! From documents to revisions.

use std::{collections::BTreeMap, collections::BTreeSet, fmt, sync::atomic::Ordering};

use serde::{
    Deserializer,
    de::{Error as _, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{
    Import,
    held::{Held, Package, Revision},
    record::Record,
};
use crate::{
    advisory::scheme,
    feed::{Outcome, source::Document},
    finding::Severity,
};

/// What one thread has read.
#[derive(Default)]
pub(super) struct Batch {
    pub outcome: Outcome,
    pub held: Held,
}

/// What one record says of one family, while it is read.
#[derive(Default)]
struct Part {
    packages: BTreeMap<(String, String), Package>,
    not_understood: BTreeSet<String>,
}

impl Batch {
    /// Reads every record of `document`, until `import` is over a limit.
    pub(super) fn read(&mut self, document: &Document, import: &Import) {
        let Document { name, bytes } = document;
        if name.to_lowercase().ends_with(".jsonl") {
            for (index, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
                if import.over().is_some() {
                    return;
                }
                if !line.trim_ascii().is_empty() {
                    self.record(&|| format!("{name}:{}", index + 1), line, import);
                }
            }
        } else if bytes.trim_ascii_start().starts_with(b"[") {
            let mut json = serde_json::Deserializer::from_slice(bytes);
            let records = Records { batch: self, import, name };
            let read = json.deserialize_seq(records).and_then(|()| json.end());
            if let Err(error) = read
                && import.over().is_none()
            {
                self.outcome.read += 1;
                self.outcome.skip(name.clone(), format!("malformed from here on: {error}"));
            }
        } else {
            self.record(&|| name.clone(), bytes, import);
        }
    }

    fn record(&mut self, place: &dyn Fn() -> String, text: &[u8], import: &Import) {
        self.outcome.read += 1;
        import.records.fetch_add(1, Ordering::Relaxed);
        let most = import.limits.record_bytes;
        if text.len() > most {
            return self.outcome.skip(place(), format!("over the limit `feed record bytes` of {most}"));
        }
        let record = match serde_json::from_slice::<Record>(text) {
            Ok(record) if !record.id.is_empty() => record,
            Ok(_) => return self.outcome.skip(place(), "malformed: the id is empty"),
            Err(error) => return self.outcome.skip(place(), format!("malformed: {error}")),
        };
        if record.withdrawn.is_some() {
            self.outcome.skip(record.id.clone(), "withdrawn");
            let time = record.time();
            return self.held.withdraw(record.id, time, &import.held_bytes);
        }
        self.affected(record, import);
    }

    /// Takes a record apart: by family, and there one entry per package, however many entries speak of it.
    fn affected(&mut self, mut record: Record, import: &Import) {
        let mut parts: BTreeMap<String, Part> = BTreeMap::new();
        let mut reasons: BTreeSet<String> = BTreeSet::new();
        let entries = std::mem::take(&mut record.affected).unwrap_or_default();
        if entries.is_empty() {
            reasons.insert("names no package".into());
        }
        for entry in entries {
            let Some(package) = &entry.package else {
                reasons.insert("only ranges of a repository".into());
                continue;
            };
            let (ecosystem, name) = (&package.ecosystem, &package.name);
            let Some(scheme) = scheme(ecosystem) else {
                reasons.insert(format!("ecosystem {ecosystem} is not supported yet"));
                continue;
            };
            let family = ecosystem.split(':').next().unwrap_or_default();
            let part = parts.entry(family.to_owned()).or_default();
            let (ranges, versions) = entry.versions(scheme, &mut |what| {
                reasons.insert(format!("not understood for {name} in {ecosystem}: {what}"));
                part.not_understood.insert(ecosystem.clone());
            });
            if ranges.is_empty() && versions.is_empty() {
                reasons.insert(format!("no version ranges for {name} in {ecosystem}"));
                continue;
            }
            let key = (ecosystem.clone(), name.clone());
            let package = part.packages.entry(key).or_insert_with_key(|(ecosystem, name)| Package {
                ecosystem: ecosystem.clone(),
                name: name.clone(),
                severity: Severity::Unknown,
                ranges: Vec::new(),
                versions: Vec::new(),
            });
            package.severity = package.severity.max(record.severity_of(&entry));
            package.ranges.extend(ranges);
            package.versions.extend(versions);
        }
        for why in reasons {
            self.outcome.skip(record.id.clone(), why);
        }
        self.outcome.kept += u64::from(parts.values().any(|part| !part.packages.is_empty()));
        self.outcome.not_understood += u64::from(parts.values().any(|part| !part.not_understood.is_empty()));
        let (time, names, summary) = (record.time(), record.names(), record.summary_line());
        for (family, Part { mut packages, not_understood }) in parts {
            for package in packages.values_mut() {
                package.ranges.shrink_to_fit(); // they are held until the last path is read
                package.versions.shrink_to_fit();
            }
            let revision = Revision {
                time,
                summary: summary.clone(),
                names: names.clone(),
                packages: packages.into_values().collect(),
                not_understood,
            };
            self.held.add(record.id.clone(), family, revision, &import.held_bytes);
        }
    }
}

/// The records of an array, one at a time: the array is never held as values.
struct Records<'a> {
    batch: &'a mut Batch,
    import: &'a Import,
    name: &'a str,
}

impl<'de> Visitor<'de> for Records<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut records: A) -> Result<(), A::Error> {
        let Self { batch, import, name } = self;
        let mut index = 0u64;
        while let Some(record) = records.next_element::<&RawValue>()? {
            index += 1;
            if import.over().is_some() {
                return Err(A::Error::custom("over a limit"));
            }
            batch.record(&|| format!("{name}, record {index}"), record.get().as_bytes(), import);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        advisory::{Compiler, Snapshot},
        feed::{SkippedRecord, osv::import_document},
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
            outcome.named.into_iter().collect::<Vec<_>>(),
            [SkippedRecord { what: "PYSEC-1".into(), why }]
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
        let skipped: Vec<_> = outcome.named.iter().map(|skipped| skipped.what.as_str()).collect();
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
    fn a_broken_array_keeps_what_came_before() {
        let (outcome, snapshot) = read(
            "a.json",
            r#"[{"id":"A","affected":[{"package":{"ecosystem":"npm","name":"a"},"versions":["1.0.0"]}]}, {"id""#,
        );
        assert_eq!((outcome.read, outcome.kept, outcome.skipped), (2, 1, 1));
        assert!(snapshot.covers("npm"));
    }
}
