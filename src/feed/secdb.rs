//! Security databases of distributions with apk ("secdb"): which version of a package was the first with the fix of a
//! vulnerability, and which vulnerabilities it never had.
//!
//! Alpine publishes one for each release and repository (secdb.alpinelinux.org, `v3.21/main.json`), made from the comments
//! `secfixes` in its build files; Wolfi and Chainguard one each, without a release
//! (packages.wolfi.dev/os/security.json, packages.cgr.dev/chainguard/security.json). The form has no schema and no
//! version; this is how Alpine's were on 2025-01-04.
//!
//! ```json
//! {"reponame": "main", "urlprefix": "https://dl-cdn.alpinelinux.org/alpine", "distroversion": "v3.21",
//!  "packages": [{"pkg": {"name": "xen", "secfixes": {
//!    "0": ["CVE-2015-8615"], "4.7.1-r3": ["CVE-2016-9932 XSA-200"]}}}]}
//! ```
//!
//! No severity, no summary, no date, and nothing of what is not fixed yet.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    Source, json,
    sink::{Claim, Package, Sink},
    walk::Document,
};
use crate::{
    advisory::{End, Range, State},
    finding::Severity,
};

pub(super) struct Secdb;

/// The form's name.
pub(super) const NAME: &str = "secdb";

/// `secdb fixes`: pairs of a package and a vulnerability in one document, which are held until all of it is read, because
/// a vulnerability has several packages. Alpine has below 10,000 in a release.
const MOST_FIXES: usize = 1_500_000;

/// The version that stands for "never affected".
const NEVER: &str = "0";

impl Source for Secdb {
    fn name(&self) -> &'static str {
        NAME
    }

    /// The form of a package's address is the first member, and no other form has it.
    fn knows(&self, document: &Document) -> bool {
        document.is_named(".json") && document.mentions("\"apkurl\"")
    }

    fn read(&self, document: &Document, sink: &mut Sink<'_>) {
        let Document { name, bytes, .. } = document;
        let head = Head::of(bytes);
        let Some((database, ecosystem)) = head.feed() else {
            sink.count();
            let what = format!("{} {}", head.url_prefix, head.release);
            return sink.skip(name.clone(), "a distribution that is not supported yet", what.trim());
        };
        let mut vulnerabilities = Vulnerabilities::default();
        let mut index = 0u64;
        let read = json::elements_of(bytes, "packages", &mut |entry| {
            index += 1;
            let place = || format!("{name}, package {index}");
            if let Some(Entry { pkg }) = sink.json(&place, entry.get().as_bytes()) {
                vulnerabilities.add(&pkg, &ecosystem, &place, sink);
            }
            !sink.over() && vulnerabilities.fixes <= MOST_FIXES
        });
        if sink.over() {
            return;
        }
        if vulnerabilities.fixes > MOST_FIXES {
            sink.skip(name.clone(), "over the limit `secdb fixes`", &format!("more than {MOST_FIXES}"));
        } else if let Err(error) = read {
            sink.broken(name.clone(), &error.to_string());
        }
        vulnerabilities.claim(database, &ecosystem, &head.repository, sink);
    }
}

/// What a document says of itself.
#[derive(Default)]
struct Head {
    /// Where the packages are: `https://dl-cdn.alpinelinux.org/alpine`.
    url_prefix: String,
    /// `v3.21` or `edge`; empty where there are no releases.
    release: String,
    /// `main`, `community`, `os`.
    repository: String,
}

impl Head {
    fn of(bytes: &[u8]) -> Self {
        let mut head = Self::default();
        // Whatever is malformed is met again when the packages are read, and named there.
        let _ = json::members(bytes, &mut |key, value| {
            let field = match key.as_str() {
                "urlprefix" => &mut head.url_prefix,
                "distroversion" => &mut head.release,
                "reponame" => &mut head.repository,
                _ => return true,
            };
            *field = serde_json::from_str(value.get()).unwrap_or_default();
            true
        });
        head
    }

    /// Whose word it is, and the ecosystem that it is of.
    fn feed(&self) -> Option<(&'static str, String)> {
        let (_, address) = self.url_prefix.split_once("://")?;
        match (address.split('/').next()?, self.release.as_str()) {
            ("packages.wolfi.dev", "") => Some(("wolfi", "Wolfi".to_owned())),
            ("packages.cgr.dev", "") => Some(("chainguard", "Chainguard".to_owned())),
            (_, "") => None,
            (host, release) => {
                host.ends_with(".alpinelinux.org").then(|| ("alpine", format!("Alpine:{release}")))
            }
        }
    }
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    pkg: Pkg<'a>,
}

#[derive(Deserialize)]
struct Pkg<'a> {
    name: String,
    /// Versions, and a list of ids for each. Taken apart one by one: a version that stands twice counts twice.
    #[serde(borrow)]
    secfixes: Option<&'a RawValue>,
}

/// What a document says of each vulnerability, by id.
#[derive(Default)]
struct Vulnerabilities {
    by_id: HashMap<String, Vulnerability>,
    /// Pairs of a package and a vulnerability.
    fixes: usize,
}

#[derive(Default)]
struct Vulnerability {
    names: BTreeSet<String>,
    /// The fixes of each package. None where it was never affected; where one stands beside that word, it was.
    packages: BTreeMap<String, Vec<Range>>,
}

impl Vulnerabilities {
    fn add(&mut self, package: &Pkg<'_>, ecosystem: &str, place: &dyn Fn() -> String, sink: &mut Sink<'_>) {
        let name = &package.name;
        let place = |version: &str| format!("{}: {name}{version} in {ecosystem}", place());
        let before = self.fixes;
        let fixes = package.secfixes.map_or("{}", RawValue::get);
        let read = json::members(fixes.as_bytes(), &mut |version, ids| {
            match serde_json::from_str::<Option<Vec<String>>>(ids.get()) {
                Ok(ids) => {
                    for text in with_issue(ids.unwrap_or_default()) {
                        if !self.fix(name, &version, &text) {
                            sink.skip(place(&format!(" {version}")), "names no vulnerability", &text);
                        }
                    }
                }
                Err(error) => {
                    sink.skip(place(&format!(" {version}")), "malformed", &error.to_string());
                }
            }
            true
        });
        if let Err(error) = read {
            sink.skip(place(""), "malformed", &error.to_string());
        } else if self.fixes == before {
            sink.skip(place(""), "names no fix", "");
        }
        if self.fixes > before {
            sink.kept();
        }
    }

    /// Takes what one text names: a vulnerability, sometimes with its names elsewhere (`CVE-2016-9932 XSA-200`), sometimes
    /// several. Whether it names any.
    fn fix(&mut self, package: &str, version: &str, text: &str) -> bool {
        let words = text.split(|letter: char| letter.is_whitespace() || ",;".contains(letter));
        let (mut own, mut names): (Vec<&str>, Vec<&str>) =
            words.filter(|word| is_id(word)).partition(|id| id.starts_with("CVE-"));
        if own.is_empty() && !names.is_empty() {
            own.push(names.remove(0));
        }
        for id in &own {
            self.fixes += 1;
            let vulnerability = self.by_id.entry((*id).to_owned()).or_default();
            vulnerability.names.extend(names.iter().map(|name| (*name).to_owned()));
            let ranges = vulnerability.packages.entry(package.to_owned()).or_default();
            if version != NEVER {
                // It says no more than that: from which version on it was affected is not known.
                ranges.push(Range { introduced: None, end: End::Fixed(version.to_owned()) });
            }
        }
        !own.is_empty()
    }

    fn claim(self, database: &'static str, ecosystem: &str, repository: &str, sink: &mut Sink<'_>) {
        let scope = scope(ecosystem, repository);
        for (id, Vulnerability { names, packages }) in self.by_id {
            let package = |(name, ranges): (String, Vec<Range>)| Package {
                ecosystem: ecosystem.to_owned(),
                name,
                severity: Severity::Unknown,
                state: if ranges.is_empty() { State::NotAffected } else { State::Affected },
                ranges,
                versions: Vec::new(),
            };
            let packages = packages.into_iter().map(package).collect();
            let names = vec![names.into_iter().collect()];
            sink.claim(&scope, Claim { database, id, names, packages, ..Claim::default() });
        }
    }
}

/// What one document speaks of as a whole.
fn scope(ecosystem: &str, repository: &str) -> String {
    format!("{ecosystem} {repository}")
}

/// The repository that a scope is of.
pub(super) fn repository(scope: &str) -> &str {
    scope.rsplit_once(' ').map_or("", |(_, repository)| repository)
}

/// The texts of one fix. Alpine writes the number of its own issue as if it were another vulnerability, even where the CVE that
/// came later is all that the fix has beside it: `["ALPINE-13661", "CVE-2022-28391"]`. These two are one, as the CVE's record
/// says, which refers to the issue; with more than one CVE nothing tells whose the issue is.
fn with_issue(mut texts: Vec<String>) -> Vec<String> {
    let is_issue = |text: &String| text.starts_with("ALPINE-");
    let cves: usize = texts.iter().map(|text| text.matches("CVE-").count()).sum();
    if texts.len() == 2 && cves == 1 && texts.iter().any(is_issue) {
        texts = vec![texts.join(" ")];
    }
    texts
}

/// Whether a word may be somebody's id of a vulnerability. The others are remarks, and placeholders for what had no number
/// yet: `CVE-2022-?????`.
fn is_id(word: &str) -> bool {
    let letters = word.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.:".contains(letter));
    let numbered = word.starts_with("GHSA-") || word.contains(|letter: char| letter.is_ascii_digit());
    letters && numbered && word.starts_with(|letter: char| letter.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use crate::{
        advisory::{Advisory, Compiler, End, Snapshot, State},
        feed::{Outcome, import::import_document},
    };

    fn document(prefix: &str, release: &str, packages: &str) -> String {
        format!(
            r#"{{"apkurl":"{{{{urlprefix}}}}/{{{{arch}}}}/{{{{pkg.name}}}}.apk","archs":["x86_64"],"reponame":"main",
            "urlprefix":"{prefix}",{release}"packages":[{packages}]}}"#
        )
    }

    fn alpine(packages: &str) -> String {
        document("https://dl-cdn.alpinelinux.org/alpine", r#""distroversion":"v3.21","#, packages)
    }

    fn read(text: &str) -> (Outcome, Snapshot) {
        let mut compiler = Compiler::default();
        let outcome = import_document("main.json", text.as_bytes(), &mut compiler);
        (outcome, Snapshot::from_bytes(compiler.to_bytes().unwrap()).unwrap())
    }

    /// Id, other names, state, ends of the ranges.
    fn told(snapshot: &Snapshot, ecosystem: &str, package: &str) -> Vec<String> {
        let end = |end: &End| match end {
            End::Fixed(fix) => fix.clone(),
            other => format!("{other:?}"),
        };
        let tell = |advisory: Advisory| {
            let ends: Vec<_> = advisory.ranges.iter().map(|range| end(&range.end)).collect();
            let state = if advisory.state == State::NotAffected { " never" } else { "" };
            format!("{} {} {}{state}", advisory.id, advisory.aliases.join("+"), ends.join("+"))
        };
        snapshot.lookup(ecosystem, package).unwrap().into_iter().map(tell).collect()
    }

    #[test]
    fn fixes_by_package() {
        let (outcome, snapshot) = read(&alpine(
            r#"{"pkg":{"name":"xen","secfixes":{
                 "0":["CVE-2015-8615","CVE-2018-1"],
                 "4.15.3-r3":["CVE-2022-42309 XSA-414","CVE-2019-17349 CVE-2019-17350 XSA-295","XSA-248"],
                 "4.15.4-r0":["CVE-2022-42309 XSA-414","CVE-2018-1"]}}},
               {"pkg":{"name":"perl","secfixes":{"1.0-r0":["CVE-2018-1", "GHSA-jmqq-xxxx-hhhh"]}}}"#,
        ));
        assert_eq!((outcome.read, outcome.kept, outcome.skipped), (2, 2, 0));
        assert_eq!(
            told(&snapshot, "Alpine:v3.21", "xen"),
            [
                "CVE-2015-8615   never",
                "CVE-2018-1  4.15.4-r0",
                "CVE-2019-17349 XSA-295 4.15.3-r3",
                "CVE-2019-17350 XSA-295 4.15.3-r3",
                "CVE-2022-42309 XSA-414 4.15.3-r3+4.15.4-r0",
                "XSA-248  4.15.3-r3",
            ]
        );
        assert_eq!(
            told(&snapshot, "Alpine:v3.21", "perl"),
            ["CVE-2018-1  1.0-r0", "GHSA-jmqq-xxxx-hhhh  1.0-r0"]
        );
        assert_eq!(snapshot.lookup("Alpine:v3.21", "perl").unwrap()[0].source, "alpine");
    }

    #[test]
    fn an_issue_of_alpines_is_the_only_cve_beside_it() {
        let (_, snapshot) = read(&alpine(
            r#"{"pkg":{"name":"a","secfixes":{"1-r0":["ALPINE-1","CVE-2022-1"],"2-r0":["CVE-2022-2","ALPINE-2"],
                 "3-r0":["ALPINE-3","CVE-2022-3","CVE-2022-4"],"4-r0":["ALPINE-4"],"5-r0":["ALPINE-5","ALPINE-6"],
                 "6-r0":["ALPINE-7","CVE-2022-5 XSA-1"],"7-r0":["ALPINE-8","CVE-2022-6 CVE-2022-7"]}}}"#,
        ));
        assert_eq!(
            told(&snapshot, "Alpine:v3.21", "a"),
            [
                "ALPINE-3  3-r0",
                "ALPINE-4  4-r0",
                "ALPINE-5  5-r0",
                "ALPINE-6  5-r0",
                "ALPINE-8  7-r0",
                "CVE-2022-1 ALPINE-1 1-r0",
                "CVE-2022-2 ALPINE-2 2-r0",
                "CVE-2022-3  3-r0",
                "CVE-2022-4  3-r0",
                "CVE-2022-5 ALPINE-7+XSA-1 6-r0",
                "CVE-2022-6  7-r0",
                "CVE-2022-7  7-r0",
            ]
        );
    }

    #[test]
    fn what_is_no_id_is_a_remark() {
        let (outcome, snapshot) = read(&alpine(
            r#"{"pkg":{"name":"a","secfixes":{"1-r0":["CVE-????-????? TS-2024-005","CVE-2017-2616 (+ regression fix)",
                 "CVE N/A ZBX-11023","CVE-2017-1; CVE-2017-2","ALPINE-13661","VSV00010","CVE-2022-?????",""]}}}"#,
        ));
        let ids: Vec<_> =
            snapshot.lookup("Alpine:v3.21", "a").unwrap().into_iter().map(|advisory| advisory.id).collect();
        assert_eq!(
            ids,
            [
                "ALPINE-13661",
                "CVE-2017-1",
                "CVE-2017-2",
                "CVE-2017-2616",
                "TS-2024-005",
                "VSV00010",
                "ZBX-11023"
            ]
        );
        assert_eq!(outcome.reasons.into_iter().collect::<Vec<_>>(), [("names no vulnerability".into(), 2)]);
    }

    #[test]
    fn a_malformed_part_costs_itself() {
        let (outcome, snapshot) = read(&alpine(
            r#"{"pkg":{"name":7}}, {"pkg":{"name":"a","secfixes":{"1-r0":["CVE-1"],"2-r0":"CVE-2","3-r0":[3],"4-r0":null}}},
               {"pkg":{"name":"b","secfixes":[]}}, {"pkg":{"name":"c","secfixes":null}}, {},
               {"pkg":{"name":"d","secfixes":{"1-r0":["CVE-1"],"1-r0":["CVE-2"]}}}"#,
        ));
        assert_eq!((outcome.read, outcome.kept), (6, 2));
        let named: Vec<_> = outcome.named().into_iter().map(|skipped| skipped.what.as_str()).collect();
        assert_eq!(
            named,
            [
                "main.json, package 1",
                "main.json, package 2: a 2-r0 in Alpine:v3.21",
                "main.json, package 2: a 3-r0 in Alpine:v3.21",
                "main.json, package 3: b in Alpine:v3.21",
                "main.json, package 4: c in Alpine:v3.21",
                "main.json, package 5",
            ]
        );
        assert_eq!(told(&snapshot, "Alpine:v3.21", "a"), ["CVE-1  1-r0"]);
        assert_eq!(
            told(&snapshot, "Alpine:v3.21", "d"),
            ["CVE-1  1-r0", "CVE-2  1-r0"],
            "both of one version"
        );
        let whole = alpine(r#"{"pkg":{"name":"a","secfixes":{"1-r0":["CVE-1"]}}},{"pkg":{"name":"b""#);
        let (outcome, snapshot) = read(whole.strip_suffix("]}").unwrap());
        assert_eq!((outcome.read, outcome.kept, outcome.skipped), (2, 1, 1));
        assert!(outcome.named().first().unwrap().why.starts_with("malformed from here on"));
        assert_eq!(told(&snapshot, "Alpine:v3.21", "a"), ["CVE-1  1-r0"]);
    }

    #[test]
    fn whose_it_is() {
        let package = r#"{"pkg":{"name":"a","secfixes":{"1-r0":["CVE-1"]}}}"#;
        for (prefix, release, want) in [
            ("https://dl-cdn.alpinelinux.org/alpine", "edge", Some(("Alpine:edge", "alpine"))),
            ("https://packages.wolfi.dev", "", Some(("Wolfi", "wolfi"))),
            ("https://packages.cgr.dev", "", Some(("Chainguard", "chainguard"))),
            ("https://dl-cdn.alpinelinux.org/alpine", "", None),
            ("https://mirror.postmarketos.org/postmarketos", "v23.12", None),
            ("alpine", "v3.21", None),
        ] {
            let member =
                if release.is_empty() { String::new() } else { format!(r#""distroversion":"{release}","#) };
            let (outcome, snapshot) = read(&document(prefix, &member, package));
            let feeds: Vec<_> = snapshot.feeds().into_iter().map(|feed| feed.name).collect();
            assert_eq!(feeds, Vec::from_iter(want.map(|(ecosystem, _)| ecosystem)), "{prefix} {release}");
            match want {
                Some((ecosystem, source)) => {
                    assert_eq!(snapshot.lookup(ecosystem, "a").unwrap()[0].source, source);
                }
                None => assert_eq!((outcome.read, outcome.kept, outcome.skipped), (1, 0, 1)),
            }
        }
    }
}
