//! Advisories of FriendsOfPHP: YAML, `VENDOR/PACKAGE/ID.yaml`, the id a CVE or a date; read as the README of
//! github.com/FriendsOfPHP/security-advisories, where they are published, describes the form.
//!
//! Each branch of a package has the constraints of its affected versions, which hold together: `['>=2.0.0', '<2.0.17']`.
//! Composer itself takes pre-releases of a fix for fixed; here they are affected, as in everybody else's records.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    Source,
    requirement::Stretch,
    sink::{Claim, Package, Sink, day, summary_line},
    walk::Document,
    yaml,
};
use crate::{advisory::State, finding::Severity, version::Scheme};

/// Advisories of FriendsOfPHP.
pub(super) struct FriendsOfPhp;

#[derive(Deserialize)]
struct Record {
    title: Option<String>,
    cve: Option<String>,
    /// `composer://VENDOR/PACKAGE`, the only scheme that there is.
    reference: String,
    branches: BTreeMap<String, Branch>,
}

#[derive(Deserialize)]
struct Branch {
    /// When it was mended, such as `2012-08-27 19:17:44`.
    time: Option<String>,
    versions: Vec<String>,
}

impl Source for FriendsOfPhp {
    fn name(&self) -> &'static str {
        "friendsofphp"
    }

    fn knows(&self, document: &Document) -> bool {
        yaml::has_key(document, "branches:")
    }

    fn read(&self, document: &Document, sink: &mut Sink<'_>) {
        let Some(record) = yaml::record::<Record>(document, sink) else { return };
        let place = document.name.clone();
        let Some(package) = record.reference.strip_prefix("composer://").filter(|name| name.contains('/'))
        else {
            return sink.skip(place, "not a package of Composer", &record.reference);
        };
        let ecosystem = "Packagist".to_owned();
        let mut claim = Claim {
            database: "friendsofphp",
            id: format!("{package}/{}", yaml::stem(document)),
            time: record.branches.values().filter_map(|branch| day(branch.time.as_ref()?.get(..10)?)).max(),
            summary: summary_line(&record.title.unwrap_or_default()),
            names: vec![record.cve.into_iter().collect()],
            ..Claim::default()
        };
        let mut ranges = Vec::new();
        for (name, branch) in record.branches {
            match Stretch::of(Scheme::Composer, &branch.versions.join(",")) {
                Ok(stretch) => ranges.extend(stretch.range(Scheme::Composer)),
                Err(what) => {
                    sink.skip(place.clone(), "not understood", &format!("{what}, of branch {name}"));
                    claim.not_understood.insert(ecosystem.clone());
                }
            }
        }
        if !claim.not_understood.is_empty() {
            sink.not_understood();
        }
        if !ranges.is_empty() {
            sink.kept();
            let (name, severity, versions) = (package.to_owned(), Severity::Unknown, Vec::new());
            claim.packages.push(Package {
                ecosystem,
                name,
                severity,
                state: State::Affected,
                ranges,
                versions,
            });
        } else if claim.not_understood.is_empty() {
            return sink.skip(place, "affects no version", "");
        }
        sink.claim(package, claim);
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        advisory::{Compiler, End, Range, Snapshot},
        feed::{Outcome, import::import_document},
    };

    fn read(name: &str, text: &str) -> (Outcome, Snapshot) {
        let mut compiler = Compiler::default();
        let outcome = import_document(name, text.as_bytes(), &mut compiler);
        (outcome, Snapshot::from_bytes(compiler.to_bytes().unwrap()).unwrap())
    }

    #[test]
    fn each_branch_is_a_range() {
        let (outcome, snapshot) = read(
            "advisories/acme/http/CVE-2024-1.yaml",
            "title:     \"CVE-2024-1: a header too many\"\nlink:      https://acme.example/1\ncve:       CVE-2024-1\n\
             branches:\n    1.x:\n        time:     2024-03-01 10:11:12\n        versions: ['<1.4.2']\n    \
             \"2.0\":\n        time:     2024-03-02 08:00:00\n        versions: ['>=2.0.0', '<2.0.17']\n    \
             master:\n        time:     ~\n        versions: ['>2.1', '<=2.1.3']\n\
             reference: composer://acme/Http\ncomposer-repository: false\n",
        );
        assert_eq!((outcome.read, outcome.kept, outcome.skipped), (1, 1, 0), "{:?}", outcome.named());
        let found = &snapshot.lookup("Packagist", "acme/http").unwrap()[0];
        assert_eq!((found.id.as_str(), found.source.as_str()), ("acme/Http/CVE-2024-1", "friendsofphp"));
        assert_eq!(found.aliases, ["CVE-2024-1"]);
        let range = |from: Option<&str>, end| Range { introduced: from.map(str::to_owned), end };
        assert_eq!(
            found.ranges,
            [
                range(None, End::Fixed("1.4.2".into())),
                range(Some("2.0.0"), End::Fixed("2.0.17".into())),
                range(Some("2.1.0.1.a"), End::LastAffected("2.1.3".into())),
            ]
        );
        assert_eq!(snapshot.feeds()[0].as_of, "2024-03-02T00:00:00Z");
    }

    #[test]
    fn what_is_left_has_its_reason() {
        let name = "acme/http/2012-08-28.yaml";
        let (outcome, snapshot) = read(
            name,
            "title: a\ncve: ~\nbranches:\n  1.0: {time: ~, versions: ['>=1.0','<1.2']}\n  \
             dev: {versions: ['dev-main']}\nreference: composer://acme/http\n",
        );
        assert_eq!((outcome.kept, outcome.skipped, outcome.not_understood), (1, 1, 1));
        assert!(
            outcome.named().first().unwrap().why.contains("\"dev-main\", of branch dev"),
            "{:?}",
            outcome.named()
        );
        assert_eq!(snapshot.lookup("Packagist", "acme/http").unwrap()[0].id, "acme/http/2012-08-28");
        let (outcome, _) = read(name, "branches: {a: {versions: ['<1']}}\nreference: pear://a/b\n");
        assert_eq!(outcome.named().first().unwrap().why, "not a package of Composer: pear://a/b");
        let (outcome, _) = read(name, "branches: {a: {versions: ['>2', '<1']}}\nreference: composer://a/b\n");
        assert_eq!(outcome.named().first().unwrap().why, "affects no version");
        let (outcome, _) = read(name, "branches: []\n");
        assert!(outcome.named().first().unwrap().why.starts_with("malformed"));
    }
}
