//! Which repositories of Alpine's releases are spoken of: each has packages of its own, and OSV reads the first alone.

use std::collections::{BTreeMap, BTreeSet};

use super::secdb;

/// Those that images have packages of.
const ALL: [&str; 2] = ["main", "community"];

/// By release, as ecosystems are called.
#[derive(Debug, Default)]
pub(super) struct Repositories(BTreeMap<String, BTreeSet<String>>);

impl Repositories {
    /// Takes the word that a record of a form speaks of an ecosystem. What is no release of Alpine's is left.
    pub(super) fn add(&mut self, form: &str, scope: &str, ecosystem: &str) {
        if !ecosystem.starts_with("Alpine:") {
            return;
        }
        let repository = if form == secdb::NAME { secdb::repository(scope) } else { ALL[0] };
        if !self.0.get(ecosystem).is_some_and(|known| known.contains(repository)) {
            self.0.entry(ecosystem.to_owned()).or_default().insert(repository.to_owned());
        }
    }

    /// Each ecosystem, and a repository of it that nobody spoke of.
    pub(super) fn missing(&self) -> impl Iterator<Item = (&str, &'static str)> {
        self.0.iter().flat_map(|(ecosystem, known)| {
            let missing = ALL.into_iter().filter(|repository| !known.contains(*repository));
            missing.map(|repository| (ecosystem.as_str(), repository))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        advisory::{Compiler, Snapshot},
        feed::import::import_document,
    };

    #[test]
    fn who_speaks_of_which() {
        let missing = |records: &[(&str, &str)]| {
            let mut repositories = Repositories::default();
            for (form, scope) in records {
                repositories.add(form, scope, "Alpine:v3.99");
                repositories.add(form, scope, "Wolfi");
            }
            repositories.missing().map(|(of, repository)| format!("{of} {repository}")).collect::<Vec<_>>()
        };
        let [osv, main, community] =
            [("osv", "Alpine"), ("secdb", "Alpine:v3.99 main"), ("secdb", "Alpine:v3.99 community")];
        assert_eq!(missing(&[osv]), ["Alpine:v3.99 community"]);
        assert_eq!(missing(&[osv, main]), ["Alpine:v3.99 community"]);
        assert_eq!(missing(&[community]), ["Alpine:v3.99 main"]);
        assert_eq!(missing(&[community, osv]), [""; 0]);
        assert_eq!(missing(&[main, community, main]), [""; 0]);
    }

    #[test]
    fn the_compiled_file_knows_it() {
        let osv = r#"{"id":"CVE-1","modified":"2026-01-02T03:04:05Z","affected":[
            {"package":{"ecosystem":"Alpine:v3.99","name":"a"},"versions":["1-r0"]},
            {"package":{"ecosystem":"npm","name":"a"},"versions":["1"]}]}"#;
        let secdb = r#"{"apkurl":"","reponame":"community","urlprefix":"https://dl-cdn.alpinelinux.org/alpine",
            "distroversion":"v3.99","packages":[{"pkg":{"name":"b","secfixes":{"1-r0":["CVE-2"]}}}]}"#;
        for (document, want) in [(osv, "community"), (secdb, "main")] {
            let mut compiler = Compiler::default();
            import_document("a.json", document.as_bytes(), &mut compiler);
            let snapshot = Snapshot::from_bytes(compiler.to_bytes().unwrap()).unwrap();
            assert_eq!(
                (snapshot.missing("Alpine:v3.99"), snapshot.missing("npm")),
                (&[want.to_owned()][..], &[][..])
            );
        }
    }
}
