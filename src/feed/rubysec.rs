//! Advisories of ruby-advisory-db, which bundler-audit reads: YAML, `gems/NAME/ID.yml` and `rubies/ENGINE/ID.yml`; read as its
//! README describes the form in August 2026. Published at github.com/rubysec/ruby-advisory-db.
//!
//! A record lists the versions that are *not* affected: `patched_versions` and `unaffected_versions`. All others are.

use serde::Deserialize;

use super::{
    Source, cvss,
    requirement::{Stretch, outside},
    sink::{Claim, Package, Sink, day, summary_line},
    walk::Document,
    yaml,
};
use crate::{advisory::State, version::Scheme};

/// Advisories of ruby-advisory-db.
pub(super) struct Rubysec;

/// A record, the fields that are used here. Ids have no prefix: `2013-0269`, `x457-cw4h-hq5f`.
#[derive(Deserialize)]
struct Record {
    gem: Option<String>,
    /// Whose interpreter, where there is no gem.
    engine: Option<String>,
    cve: Option<String>,
    ghsa: Option<String>,
    osvdb: Option<String>,
    title: Option<String>,
    date: Option<String>,
    /// Base scores, without their vectors.
    cvss_v2: Option<f64>,
    cvss_v3: Option<f64>,
    cvss_v4: Option<f64>,
    patched_versions: Option<Vec<String>>,
    unaffected_versions: Option<Vec<String>>,
}

impl Source for Rubysec {
    fn name(&self) -> &'static str {
        "rubysec"
    }

    fn knows(&self, document: &Document) -> bool {
        yaml::has_key(document, "gem:") || yaml::has_key(document, "engine:")
    }

    fn read(&self, document: &Document, sink: &mut Sink<'_>) {
        let Some(record) = yaml::record::<Record>(document, sink) else { return };
        let name = document.name.clone();
        let Some(gem) = record.gem else {
            let engine = record.engine.unwrap_or_default();
            return sink.skip(name, "of an interpreter, which no package is", &engine);
        };
        let aliases = [("CVE", record.cve), ("GHSA", record.ghsa), ("OSVDB", record.osvdb)];
        let aliases = aliases.into_iter().filter_map(|(kind, id)| Some(format!("{kind}-{}", id?)));
        let aliases: Vec<String> = aliases.collect();
        // Its own id is the name of its file, one of the others; bundler-audit does it so.
        let id = yaml::stem(document).to_owned();
        let scheme = Scheme::Rubygems;
        let lists = [record.patched_versions, record.unaffected_versions];
        let requirements = lists.iter().flatten().flatten().map(|text| Stretch::of(scheme, text));
        let mut claim = Claim {
            database: "rubysec",
            id,
            time: record.date.as_deref().and_then(day),
            summary: summary_line(&record.title.unwrap_or_default()),
            names: vec![aliases],
            ..Claim::default()
        };
        match requirements.collect::<Result<Vec<_>, _>>() {
            Ok(stretches) => {
                let score = record.cvss_v3.or(record.cvss_v4).or(record.cvss_v2);
                let ranges = outside(scheme, stretches);
                if ranges.is_empty() {
                    return sink.skip(name, "affects no version", "");
                }
                claim.packages.push(Package {
                    ecosystem: "RubyGems".into(),
                    name: gem.clone(),
                    severity: score.map(cvss::rating).unwrap_or_default(),
                    state: State::Affected,
                    ranges,
                    versions: Vec::new(),
                });
                sink.kept();
            }
            Err(what) => {
                sink.skip(name, "not understood", &what);
                sink.not_understood();
                claim.not_understood.insert("RubyGems".into());
            }
        }
        // One id stands in the folders of several gems.
        sink.claim(&gem, claim);
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        advisory::{Compiler, End, Snapshot},
        feed::{Outcome, import::import_document},
        finding::Severity,
    };

    fn read(text: &str) -> (Outcome, Snapshot) {
        let mut compiler = Compiler::default();
        let outcome = import_document("gems/rack/CVE-2024-1.yml", text.as_bytes(), &mut compiler);
        (outcome, Snapshot::from_bytes(compiler.to_bytes().unwrap()).unwrap())
    }

    #[test]
    fn what_is_not_listed_is_affected() {
        let (outcome, snapshot) = read(
            "---\ngem: rack\ncve: 2024-1\nghsa: aaaa-bbbb-cccc\nosvdb: 101137\nurl: https://a.example\n\
             title: \"CVE-2024-1 rack: a\n  b\"\ndate: 2024-02-03\ndescription: |\n  Words: of it.\n\
             cvss_v3: 7.5\ncvss_v2: 2\npatched_versions:\n  - \"~> 2.1.4, >= 2.1.4.2\"\n  - \">= 3.0.4.2\"\n\
             unaffected_versions:\n  - \"< 1.2\"\nrelated:\n  cve:\n    - 2023-9\n",
        );
        assert_eq!((outcome.read, outcome.kept, outcome.skipped), (1, 1, 0), "{:?}", outcome.named());
        let found = &snapshot.lookup("RubyGems", "rack").unwrap()[0];
        assert_eq!((found.id.as_str(), found.source.as_str()), ("CVE-2024-1", "rubysec"));
        assert_eq!(found.aliases, ["CVE-2024-1", "GHSA-aaaa-bbbb-cccc", "OSVDB-101137"]);
        assert_eq!((found.severity, found.summary.as_str()), (Severity::High, "CVE-2024-1 rack: a b"));
        let ranges: Vec<_> =
            found.ranges.iter().map(|range| (range.introduced.as_deref(), range.end.clone())).collect();
        let fixed = |version: &str| End::Fixed(version.into());
        assert_eq!(ranges, [(Some("1.2"), fixed("2.1.4.2")), (Some("2.2.a"), fixed("3.0.4.2"))]);
        assert_eq!(snapshot.feeds()[0].as_of, "2024-02-03T00:00:00Z");
    }

    #[test]
    fn what_is_left_has_its_reason() {
        let why = |text: &str| {
            let (outcome, snapshot) = read(text);
            assert_eq!((outcome.read, outcome.kept), (1, 0));
            (outcome.named().first().unwrap().why.clone(), snapshot.feeds().len())
        };
        let interpreter = "engine: jruby\ncve: 2022-1\npatched_versions:\n  - \">= 9.3.8.0\"\n";
        assert_eq!(why(interpreter), ("of an interpreter, which no package is: jruby".into(), 0));
        let odd = "gem: a\ncve: 1-1\npatched_versions: [\"> one\"]\n";
        assert_eq!(why(odd), ("not understood: the requirement \"> one\"".into(), 1));
        assert_eq!(
            why("gem: a\ncve: 1-1\npatched_versions: [\">= 0\"]\nunaffected_versions: [\"< 0\"]\n").0,
            "affects no version"
        );
        let (broken, _) = why("gem: a\ncve: 1-1\npatched_versions: {\n");
        assert!(broken.starts_with("malformed: line "), "{broken}");
        assert!(why("gem: &a [*a, *a]\n").0.starts_with("malformed"));
    }

    #[test]
    fn without_a_list_every_version_is_affected() {
        let (outcome, snapshot) = read("gem: a\nosvdb: 7\npatched_versions:\n");
        assert_eq!(outcome.kept, 1);
        assert_eq!(snapshot.lookup("RubyGems", "a").unwrap()[0].ranges[0].end, End::Open);
    }
}
