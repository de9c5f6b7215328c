//! GitHub's advisories as its two interfaces answer, saved page by page: GraphQL (`securityVulnerabilities`, or
//! `securityAdvisories` with the vulnerabilities of each; schema of docs.github.com/graphql, 2024) and REST
//! (`GET /advisories`, version 2022-11-28). The same advisories in the form of OSV are read as that.
//!
//! A range is GitHub's text, such as `>= 1.0, < 1.2`: one or two comparisons, of which `=` stands alone. An end that is named
//! beside it, the first patched version, is the range's end, as GitHub itself writes the advisory as OSV. `> 1.0` is held as
//! `>= 1.0`, for a range here begins with what it holds: that is one version too many, never one too few, and is named.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    Source, cvss, json,
    sink::{Claim, Package, Sink, summary_line},
    walk::Document,
};
use crate::{
    advisory::{End, Range, State, scheme},
    finding::Severity,
    version::Scheme,
};

/// Answers of GitHub's interfaces.
pub(super) struct GitHub;

/// Members that only an answer of GraphQL begins with.
const GRAPHQL: [&str; 2] = ["\"securityVulnerabilities\"", "\"securityAdvisories\""];

impl Source for GitHub {
    fn name(&self) -> &'static str {
        "github"
    }

    fn knows(&self, document: &Document) -> bool {
        document.is_named(".json")
            && (GRAPHQL.iter().any(|member| document.mentions(member)) || document.mentions("\"ghsa_id\""))
    }

    fn read(&self, document: &Document, sink: &mut Sink<'_>) {
        let (name, bytes) = (&document.name, document.bytes.as_slice());
        let graphql = GRAPHQL.iter().any(|member| document.mentions(member));
        let mut index = 0u64;
        let mut each = |value: &RawValue| {
            index += 1;
            let text = value.get().as_bytes();
            if graphql {
                page(&format!("{name}, page {index}"), text, sink);
            } else {
                let advisory =
                    sink.json::<Advisory<Vec<Affected>>>(&|| format!("{name}, record {index}"), text);
                if let Some(mut advisory) = advisory {
                    let affected = advisory.vulnerabilities.take();
                    advisory.take("", affected.unwrap_or_default(), sink);
                }
            }
            !sink.over()
        };
        let read = if bytes.trim_ascii_start().starts_with(b"[") {
            json::elements(bytes, &mut each)
        } else {
            // One answer, or one after the other, as the program `gh` writes the pages of a query.
            let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<&RawValue>();
            loop {
                match values.next() {
                    Some(Ok(value)) if each(value) => {}
                    Some(Err(error)) => break Err(error),
                    _ => break Ok(()),
                }
            }
        };
        if let Err(error) = read
            && !sink.over()
        {
            sink.broken(name.clone(), &error.to_string());
        }
    }
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    data: Option<Data<'a>>,
    #[serde(borrow)]
    errors: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    #[serde(borrow)]
    security_vulnerabilities: Option<Nodes<&'a RawValue>>,
    #[serde(borrow)]
    security_advisories: Option<Nodes<&'a RawValue>>,
}

/// A part of a list, either way that it can be asked for.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Nodes<T> {
    nodes: Option<Vec<T>>,
    edges: Option<Vec<Edge<T>>>,
    page_info: Option<PageInfo>,
}

#[derive(Deserialize)]
struct Edge<T> {
    node: T,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageInfo {
    has_next_page: Option<bool>,
}

impl<T> Nodes<T> {
    fn into_list(self) -> Vec<T> {
        let edges = self.edges.unwrap_or_default().into_iter().map(|edge| edge.node);
        self.nodes.unwrap_or_default().into_iter().chain(edges).collect()
    }
}

#[derive(Deserialize)]
struct Vulnerability {
    advisory: Advisory<Nodes<Affected>>,
    #[serde(flatten)]
    affected: Affected,
}

/// An advisory. The two interfaces name its members each in their own way, and give its vulnerabilities as their lists `V`.
#[derive(Deserialize)]
struct Advisory<V> {
    #[serde(alias = "ghsaId")]
    ghsa_id: String,
    cve_id: Option<String>,
    summary: Option<String>,
    severity: Option<String>,
    identifiers: Option<Vec<Identifier>>,
    #[serde(alias = "withdrawnAt")]
    withdrawn_at: Option<String>,
    #[serde(alias = "updatedAt")]
    updated_at: Option<String>,
    cvss: Option<Cvss>,
    #[serde(alias = "cvssSeverities")]
    cvss_severities: Option<CvssSeverities>,
    vulnerabilities: Option<V>,
}

#[derive(Deserialize)]
struct Identifier {
    value: String,
}

#[derive(Deserialize)]
struct Cvss {
    #[serde(alias = "vectorString")]
    vector_string: Option<String>,
}

/// Both, where both were rated.
#[derive(Deserialize)]
struct CvssSeverities {
    #[serde(alias = "cvssV3")]
    cvss_v3: Option<Cvss>,
    #[serde(alias = "cvssV4")]
    cvss_v4: Option<Cvss>,
}

/// A package that an advisory speaks of.
#[derive(Deserialize)]
struct Affected {
    package: Option<PackageName>,
    #[serde(alias = "vulnerableVersionRange")]
    vulnerable_version_range: Option<String>,
    #[serde(alias = "firstPatchedVersion")]
    first_patched_version: Option<Patched>,
}

#[derive(Deserialize)]
struct PackageName {
    ecosystem: Option<String>,
    name: Option<String>,
}

/// A version, by itself in answers of REST.
#[derive(Deserialize)]
#[serde(untagged)]
enum Patched {
    Rest(String),
    GraphQl { identifier: String },
}

fn page(place: &str, text: &[u8], sink: &mut Sink<'_>) {
    let Page { data, errors } = match serde_json::from_slice(text) {
        Ok(page) => page,
        Err(error) => {
            sink.count();
            return sink.skip(place.to_owned(), "malformed", &error.to_string());
        }
    };
    if let Some(first) = errors.iter().flatten().next() {
        sink.skip(place.to_owned(), "the answer is of errors", &summary_line(first.get()));
    }
    let Some(Data { security_vulnerabilities, security_advisories }) = data else { return };
    let list = |nodes: Option<Nodes<_>>| nodes.map(Nodes::into_list).unwrap_or_default();
    for (index, node) in list(security_vulnerabilities).into_iter().enumerate() {
        let place = || format!("{place}, vulnerability {}", index + 1);
        if let Some(Vulnerability { advisory, affected }) = sink.json(&place, node.get().as_bytes()) {
            // An advisory is spread over as many of these as it has ranges, on whatever pages: each is a part by itself.
            let part = affected.key().map(Option::unwrap_or_default).join(" ");
            advisory.take(&part, vec![affected], sink);
        }
    }
    for (index, node) in list(security_advisories).into_iter().enumerate() {
        let place = || format!("{place}, advisory {}", index + 1);
        if let Some(mut advisory) = sink.json::<Advisory<Nodes<Affected>>>(&place, node.get().as_bytes()) {
            let affected = advisory.vulnerabilities.take();
            let more = affected.as_ref().and_then(|nodes| nodes.page_info.as_ref()?.has_next_page);
            if more == Some(true) {
                sink.skip(advisory.ghsa_id.clone(), "packages on pages that were not asked for", "");
            }
            advisory.take("", affected.map(Nodes::into_list).unwrap_or_default(), sink);
        }
    }
}

impl Affected {
    /// What tells it from other parts of its advisory: ecosystem, name and range.
    fn key(&self) -> [Option<&str>; 3] {
        let package = self.package.as_ref();
        let ecosystem = package.and_then(|package| package.ecosystem.as_deref());
        let name = package.and_then(|package| package.name.as_deref());
        [ecosystem, name, self.vulnerable_version_range.as_deref()]
    }
}

impl<V> Advisory<V> {
    fn names(&mut self) -> Vec<String> {
        let identifiers = self.identifiers.take().into_iter().flatten().map(|identifier| identifier.value);
        let mut names: Vec<String> = identifiers.chain(self.cve_id.take()).collect();
        names.sort_unstable();
        names.dedup();
        names.retain(|name| *name != self.ghsa_id);
        names
    }

    /// By its vector, as where it has the form of OSV; else in GitHub's word.
    fn severity(&self) -> Severity {
        let rated = |cvss: Option<&Cvss>| cvss::severity(cvss?.vector_string.as_deref()?);
        let both = self.cvss_severities.as_ref();
        let word = || cvss::word(self.severity.as_deref()?);
        rated(self.cvss.as_ref())
            .or_else(|| rated(both?.cvss_v3.as_ref()))
            .or_else(word)
            .or_else(|| rated(both?.cvss_v4.as_ref()))
            .unwrap_or_default()
    }

    /// Hands over what it says of the packages of `affected`, which are all of its `part`.
    fn take(mut self, part: &str, affected: Vec<Affected>, sink: &mut Sink<'_>) {
        let time = |text: &Option<String>| text.as_ref()?.parse::<Timestamp>().ok();
        let time = time(&self.updated_at).max(time(&self.withdrawn_at));
        if self.ghsa_id.is_empty() {
            return sink.skip("an advisory of GitHub".to_owned(), "malformed", "the id is empty");
        }
        if self.withdrawn_at.is_some() {
            sink.skip(self.ghsa_id.clone(), "withdrawn", "");
            return sink.withdraw(self.ghsa_id, time);
        }
        let (names, severity) = (vec![self.names()], self.severity());
        let summary = summary_line(self.summary.as_deref().unwrap_or_default());
        let mut claim =
            Claim { database: "github", id: self.ghsa_id, time, summary, names, ..Claim::default() };
        if affected.is_empty() {
            sink.skip(claim.id.clone(), "names no package", "");
        }
        for affected in affected {
            add(&mut claim, severity, &affected, sink);
        }
        if !claim.packages.is_empty() {
            sink.kept();
        }
        if !claim.not_understood.is_empty() {
            sink.not_understood();
        }
        sink.claim(part, claim);
    }
}

/// Adds what `affected` says of one package to `claim`.
fn add(claim: &mut Claim, severity: Severity, affected: &Affected, sink: &mut Sink<'_>) {
    let mut skip = |reason: &str, detail: &str| sink.skip(claim.id.clone(), reason, detail);
    let [Some(ecosystem), Some(name), range] = affected.key() else {
        return skip("names no package", "");
    };
    let ecosystem = osv_name(ecosystem);
    let Some(scheme) = scheme(&ecosystem) else {
        return skip(&format!("ecosystem {ecosystem} is not supported yet"), "");
    };
    let patched = affected.first_patched_version.as_ref().map(|patched| match patched {
        Patched::Rest(version) | Patched::GraphQl { identifier: version } => version.as_str(),
    });
    let range = range.unwrap_or_default();
    let detail = format!("{range:?}, for {name} in {ecosystem}");
    let Some(Versions { ranges, versions, widened }) = Versions::read(range, patched, scheme) else {
        skip("not understood", &detail);
        claim.not_understood.insert(ecosystem);
        return;
    };
    if widened {
        skip("the version that a range begins after is taken in", &detail);
    }
    let (name, state) = (name.to_owned(), State::Affected);
    claim.packages.push(Package { ecosystem, name, severity, state, ranges, versions });
}

/// OSV's name of an ecosystem that GraphQL writes in capitals and REST in small letters.
fn osv_name(ecosystem: &str) -> String {
    let name = match ecosystem.to_lowercase().as_str() {
        "actions" => "GitHub Actions",
        "composer" => "Packagist",
        "erlang" => "Hex",
        "go" => "Go",
        "maven" => "Maven",
        "npm" => "npm",
        "nuget" => "NuGet",
        "pip" => "PyPI",
        "pub" => "Pub",
        "rubygems" => "RubyGems",
        "rust" => "crates.io",
        "swift" => "SwiftURL",
        _ => ecosystem,
    };
    name.to_owned()
}

/// What a range's text means.
#[derive(Debug, Default, PartialEq, Eq)]
struct Versions {
    ranges: Vec<Range>,
    versions: Vec<String>,
    /// A version is in it that the text leaves out.
    widened: bool,
}

impl Versions {
    /// `None` of a text that is not understood.
    fn read(text: &str, patched: Option<&str>, scheme: Scheme) -> Option<Self> {
        let mut versions = Self::default();
        let mut introduced = None;
        let mut end: Option<End> = None;
        for comparison in text.split(',') {
            let comparison = comparison.trim();
            let (sign, version) = comparison.split_at(comparison.find(|c: char| !"<>=".contains(c))?);
            let version = version.trim();
            if version.is_empty() || version.contains(char::is_whitespace) {
                return None;
            }
            match sign {
                "=" if text.trim() == comparison => {
                    versions.versions.push(version.to_owned());
                    return Some(versions);
                }
                ">=" | ">" if introduced.is_none() => {
                    versions.widened = sign == ">" && version != "0";
                    introduced = Some(version);
                }
                "<" if end.is_none() => end = Some(End::Limit(version.to_owned())),
                "<=" if end.is_none() => end = Some(End::LastAffected(version.to_owned())),
                _ => return None,
            }
        }
        let end = end.unwrap_or(End::Open);
        // A patched version that lies before the end speaks of another line of releases.
        let patched = patched.filter(|patched| match &end {
            End::Limit(end) | End::Fixed(end) => scheme.compare(patched, end).is_ge(),
            End::LastAffected(last) => scheme.compare(patched, last).is_gt(),
            End::Open => introduced.is_none_or(|first| scheme.compare(patched, first).is_gt()),
        });
        let introduced = introduced.filter(|first| *first != "0").map(str::to_owned);
        let end = patched.map_or(end, |patched| End::Fixed(patched.to_owned()));
        versions.ranges.push(Range { introduced, end });
        Some(versions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        advisory::{Compiler, Snapshot},
        feed::{Outcome, import::import_document},
    };

    fn read(text: &str) -> (Outcome, Snapshot) {
        let mut compiler = Compiler::default();
        let outcome = import_document("page.json", text.as_bytes(), &mut compiler);
        (outcome, Snapshot::from_bytes(compiler.to_bytes().unwrap()).unwrap())
    }

    fn range(first: Option<&str>, end: End) -> Vec<Range> {
        vec![Range { introduced: first.map(str::to_owned), end }]
    }

    #[test]
    fn ranges() {
        let read = |text: &str, patched| Versions::read(text, patched, Scheme::Npm);
        let ranges = |text: &str, patched| read(text, patched).unwrap().ranges;
        let (limit, last, fixed) = (
            |v: &str| End::Limit(v.to_owned()),
            |v: &str| End::LastAffected(v.to_owned()),
            |v: &str| End::Fixed(v.to_owned()),
        );
        assert_eq!(ranges(">= 1.0.0, < 1.2.0", None), range(Some("1.0.0"), limit("1.2.0")));
        assert_eq!(ranges(">= 1.0.0, < 1.2.0", Some("1.2.0")), range(Some("1.0.0"), fixed("1.2.0")));
        assert_eq!(ranges("<= 1.0.8", None), range(None, last("1.0.8")));
        assert_eq!(ranges("<= 1.0.8", Some("1.0.9")), range(None, fixed("1.0.9")));
        assert_eq!(ranges("< 2.0.0", Some("1.9.9")), range(None, limit("2.0.0")), "another line's");
        assert_eq!(ranges("<= 2.0.0", Some("2.0.0")), range(None, last("2.0.0")), "a slip");
        assert_eq!(ranges(">= 0", None), range(None, End::Open));
        assert_eq!(ranges(">= 3.0.0", Some("3.1.0")), range(Some("3.0.0"), fixed("3.1.0")));
        let above = read("> 1.0.0, <= 1.5.0", None).unwrap();
        assert_eq!((above.ranges, above.widened), (range(Some("1.0.0"), last("1.5.0")), true));
        let single = read("= 1.2.3", Some("1.2.4")).unwrap();
        assert_eq!((single.ranges, single.versions), (vec![], vec!["1.2.3".to_owned()]));
        for text in ["", "1.0", ">=", "= 1, = 2", ">= 1, > 0", "~> 1.0", "< 1 || > 2", "< 1, < 2", "*"] {
            assert_eq!(read(text, None), None, "{text}");
        }
    }

    const NODE: &str = r#"{"advisory":{"ghsaId":"GHSA-aaaa-bbbb-cccc","summary":"Words","severity":"MODERATE",
        "identifiers":[{"type":"GHSA","value":"GHSA-aaaa-bbbb-cccc"},{"type":"CVE","value":"CVE-2024-1"}],
        "withdrawnAt":null,"updatedAt":"2024-02-03T04:05:06Z","cvss":{"score":0.0,"vectorString":null}},
        "package":{"ecosystem":"PIP","name":"Some_Name"},"severity":"MODERATE",
        "vulnerableVersionRange":">= 1.0, < 1.2","firstPatchedVersion":{"identifier":"1.2"}}"#;

    #[test]
    fn vulnerabilities_of_one_advisory_are_parts_of_it() {
        let other = NODE.replace(">= 1.0, < 1.2", "< 0.5").replace(r#"{"identifier":"1.2"}"#, "null");
        let action = NODE.replace("PIP", "ACTIONS");
        let page = |nodes: &str| format!(r#"{{"data":{{"securityVulnerabilities":{{"nodes":[{nodes}]}}}}}}"#);
        // Two pages, one after the other.
        let (outcome, snapshot) = read(&[page(NODE), page(&format!("{other},{action},7"))].join("\n"));
        assert_eq!((outcome.read, outcome.kept, outcome.skipped), (4, 2, 2), "{outcome:?}");
        let found = snapshot.lookup("PyPI", "some-name").unwrap();
        let ends: Vec<_> = found.iter().flat_map(|found| &found.ranges).map(|range| &range.end).collect();
        assert_eq!(ends, [&End::Limit("0.5".into()), &End::Fixed("1.2".into())]);
        assert_eq!((found[0].source.as_str(), found[0].severity), ("github", Severity::Medium));
        assert_eq!(found[0].aliases, ["CVE-2024-1"]);
        assert_eq!(snapshot.feeds()[0].as_of, "2024-02-03T04:05:06Z");
    }

    #[test]
    fn one_advisory_in_two_forms_is_one_entry() {
        let mut compiler = Compiler::default();
        let osv = r#"{"id":"GHSA-aaaa-bbbb-cccc","aliases":["CVE-2024-1"],"modified":"2024-01-01T00:00:00Z",
            "affected":[{"package":{"ecosystem":"PyPI","name":"some-name"},
            "ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"1.0"},{"fixed":"1.2"}]}]}]}"#;
        let page = format!(r#"{{"data":{{"securityVulnerabilities":{{"nodes":[{NODE}]}}}}}}"#);
        for text in [osv, &page] {
            assert_eq!(import_document("a.json", text.as_bytes(), &mut compiler).kept, 1);
        }
        let snapshot = Snapshot::from_bytes(compiler.to_bytes().unwrap()).unwrap();
        let found = snapshot.lookup("PyPI", "some-name").unwrap();
        assert_eq!((found.len(), found[0].summary.as_str()), (1, "Words"));
        assert_eq!(found[0].ranges, range(Some("1.0"), End::Fixed("1.2".into())));
    }

    #[test]
    fn advisories_with_their_vulnerabilities() {
        let (outcome, snapshot) = read(
            r#"[{"data":{"securityAdvisories":{"edges":[{"node":{"ghsaId":"GHSA-1","severity":"LOW",
            "cvss":{"vectorString":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"},
            "updatedAt":"2024-01-01T00:00:00Z","vulnerabilities":{"pageInfo":{"hasNextPage":true},"nodes":[
             {"package":{"ecosystem":"NPM","name":"a"},"vulnerableVersionRange":"= 1.2.3","firstPatchedVersion":null},
             {"package":{"ecosystem":"NPM","name":"b"},"vulnerableVersionRange":"about 2","firstPatchedVersion":null}]}}}]}},
            "errors":[{"message":"too much"}]}]"#,
        );
        assert_eq!((outcome.read, outcome.kept, outcome.not_understood), (1, 1, 1));
        let reasons: Vec<_> = outcome.reasons.keys().map(String::as_str).collect();
        assert_eq!(
            reasons,
            ["not understood", "packages on pages that were not asked for", "the answer is of errors"]
        );
        let found = snapshot.lookup("npm", "a").unwrap();
        assert_eq!((found[0].severity, &found[0].versions), (Severity::Critical, &vec!["1.2.3".to_owned()]));
    }

    #[test]
    fn answers_of_rest_and_withdrawals() {
        let record = |more: &str, time: &str| {
            format!(
                r#"{{"ghsa_id":"GHSA-1","cve_id":"CVE-2024-1","severity":"high","updated_at":"{time}"{more},
                "vulnerabilities":[{{"package":{{"ecosystem":"rust","name":"a"}},"vulnerable_version_range":"< 1.2.0",
                "first_patched_version":"1.2.0"}}]}}"#
            )
        };
        let old = record("", "2024-01-01T00:00:00Z");
        let (outcome, snapshot) = read(&format!("[{old}]"));
        assert_eq!((outcome.read, outcome.kept, outcome.skipped), (1, 1, 0));
        let found = snapshot.lookup("crates.io", "a").unwrap();
        assert_eq!(
            (found[0].severity, &found[0].ranges),
            (Severity::High, &range(None, End::Fixed("1.2.0".into())))
        );
        assert_eq!(found[0].aliases, ["CVE-2024-1"]);
        let gone = record(r#","withdrawn_at":"2024-01-02T00:00:00Z""#, "2024-01-02T00:00:00Z");
        let (outcome, snapshot) = read(&format!("[{gone},{old}, {{"));
        assert_eq!((outcome.read, outcome.kept, outcome.skipped), (3, 1, 2));
        assert!(!snapshot.covers("crates.io"));
    }
}
