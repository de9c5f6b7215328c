//! Records in the form of the list, with few values.

use super::*;
use crate::{
    advisory::{Advisory, Compiler, End, Snapshot},
    feed::{Outcome, import::import_document},
    finding::Severity,
};

const ID: &str = "CVE-2024-0001";

fn read(name: &str, text: &str) -> (Outcome, Snapshot) {
    let mut compiler = Compiler::default();
    let outcome = import_document(name, text.as_bytes(), &mut compiler);
    (outcome, Snapshot::from_bytes(compiler.to_bytes().unwrap()).unwrap())
}

fn record(metadata: &str, cna: &str, adp: &str) -> String {
    format!(
        r#"{{"dataType":"CVE_RECORD","dataVersion":"5.1","cveMetadata":{{"cveId":"{ID}",{metadata}"assignerOrgId":"x"}},
        "containers":{{"cna":{{{cna}"providerMetadata":{{"orgId":"x","shortName":"y"}}}},"adp":[{adp}]}}}}"#
    )
}

const PUBLISHED: &str = r#""state":"PUBLISHED","dateUpdated":"2024-08-02T09:36:33.629Z","#;

/// What is said of one product, in the ecosystem: ranges and versions, or the reasons of what is left.
fn said(product: &str, ecosystem: &str) -> String {
    let (outcome, snapshot) =
        read("a.json", &record(PUBLISHED, &format!(r#""affected":[{{{product}}}],"#), ""));
    assert_eq!((outcome.read, outcome.kept), (1, 1), "{outcome:?}");
    let range = |range: &crate::advisory::Range| {
        let from = range.introduced.as_deref().unwrap_or_default();
        match &range.end {
            End::Fixed(end) => format!("[{from},{end})"),
            End::LastAffected(end) => format!("[{from},{end}]"),
            End::Limit(end) => format!("[{from},{end}|"),
            End::Open => format!("[{from},"),
        }
    };
    let found: Vec<Advisory> = snapshot.lookup(ecosystem, "g:p").unwrap();
    let claims = found.iter().flat_map(|found| found.ranges.iter().map(range).chain(found.versions.clone()));
    let left = outcome.named().into_iter().map(|skipped| skipped.why.clone());
    claims.chain(left).collect::<Vec<_>>().join(" ")
}

fn maven(status: &str, versions: &str) -> String {
    let product = format!(
        r#""vendor":"v","product":"p","collectionURL":"https://repo.maven.apache.org/maven2/","packageName":"g:p",
        {status}"versions":[{versions}]"#
    );
    said(&product, "Maven")
}

const UNAFFECTED: &str = r#""defaultStatus":"unaffected","#;

#[test]
fn what_the_cna_says_and_what_cisa_adds() {
    let cna = r#""title":"A title","metrics":[
        {"format":"CVSS","scenarios":[{"lang":"en","value":"GENERAL"}],"cvssV3_1":{"vectorString":"CVSS:3.1/AV:N","baseSeverity":"HIGH"}},
        {"cvssV3_1":{"vectorString":"CVSS:3.1/AV:P","baseSeverity":"LOW"}},
        {"cvssV4_0":{"vectorString":"CVSS:4.0/AV:N","baseSeverity":"CRITICAL"}},
        {"other":{"type":"Red Hat severity rating","content":{"value":"Moderate"}}}],"#;
    let adp = format!(
        r#"{{"title":"CVE Program Container","providerMetadata":{{"orgId":"af854a3a"}},"references":[]}},
        {{"title":"CISA ADP Vulnrichment","providerMetadata":{{"orgId":"{CISA_ADP}","dateUpdated":"2024-09-01T00:00:00Z"}},
        "metrics":[{{"other":{{"type":"ssvc","content":{{"id":"x"}}}}}},
        {{"other":{{"type":"kev","content":{{"dateAdded":"2024-05-01","reference":"x"}}}}}},
        {{"cvssV3_0":{{"vectorString":"CVSS:3.0/AV:L","baseSeverity":"MEDIUM"}}}}]}}"#
    );
    let (outcome, snapshot) = read("CVE-2024-0001.json", &record(PUBLISHED, cna, &adp));
    assert_eq!((outcome.read, outcome.kept, outcome.skipped), (1, 1, 0), "{outcome:?}");
    let exploited = Some(Exploited { since: "2024-05-01".into(), ransomware: false });
    let of = |severity, vector: &str| Fact { severity, vector: vector.into(), ..Fact::default() };
    let want = [
        ("cisa-adp".to_owned(), Fact { exploited, ..of(Severity::Medium, "CVSS:3.0/AV:L") }),
        ("cve".to_owned(), of(Severity::High, "CVSS:3.1/AV:N")),
    ];
    assert_eq!(snapshot.facts(ID).unwrap(), want);
}

#[test]
fn a_rejected_record_claims_nothing_any_more() {
    let affected = r#""affected":[{"collectionURL":"https://registry.npmjs.org","packageName":"p",
        "versions":[{"version":"1.0.0","status":"affected"}]}],"#;
    let rejected = r#""state":"REJECTED","dateUpdated":"2024-09-02T09:36:33","#;
    let [old, new] = [PUBLISHED, rejected].map(|metadata| record(metadata, affected, ""));
    for text in [format!("[{old},{new}]"), format!(" [{new},{old}]")] {
        let (outcome, snapshot) = read("delta.json", &text);
        assert_eq!((outcome.read, outcome.kept, outcome.skipped), (2, 2, 0), "{outcome:?}");
        assert!(snapshot.lookup("npm", "p").unwrap().is_empty());
        assert!(snapshot.facts(ID).unwrap()[0].1.rejected);
    }
    assert_eq!(read("a.json", &old).1.lookup("npm", "p").unwrap()[0].source, "cve");
}

#[test]
fn a_list_of_changes_is_no_record() {
    let log = r#"{"fetchTime":"2024-01-01T00:00:00Z","numberOfChanges":1,"new":[{"cveId":"CVE-2024-0001"}],"updated":[]}"#;
    let (outcome, _) = read("cves/delta.json", log);
    assert_eq!((outcome.read, outcome.skipped), (0, 1), "{outcome:?}");
    let sorted = r#"{"containers": {"adp": [], "cna": {}}, "cveMetadata": {"cveId": "CVE-2024-0001", "state": "NEW"}}"#;
    let (outcome, _) = read("a.json", sorted);
    assert_eq!((outcome.read, outcome.kept, outcome.skipped), (1, 0, 1), "{outcome:?}");
    let (outcome, _) = read("a.json", r#"[{"dataType":"CVE_RECORD"},{"cveMetadata""#);
    assert_eq!((outcome.read, outcome.kept, outcome.skipped), (2, 0, 2), "{outcome:?}");
}

#[test]
fn versions_with_one_meaning_are_taken() {
    let below = r#"{"version":"0","lessThan":"2.0","versionType":"maven","status":"affected"}"#;
    assert_eq!(maven(UNAFFECTED, below), "[,2.0)");
    assert_eq!(maven("", below), "[,2.0|", "what follows is unknown, so no fix is named");
    let last = r#"{"version":"1.0","lessThanOrEqual":"2.0","versionType":"semver","status":"affected"},
        {"version":"3.0","status":"affected"},{"version":"2.1","status":"unaffected"},
        {"version":"0","lessThan":"abc","versionType":"git","status":"affected"}"#;
    assert_eq!(maven(UNAFFECTED, last), "[1.0,2.0] 3.0");
    assert_eq!(maven("", &below.replace("2.0", "*")), "[,");
}

#[test]
fn a_status_may_change_on_the_way() {
    let change = |end: &str, changes: &str| {
        let text = r#"{"version":"2.0","END,"versionType":"semver","status":"affected","changes":[CHANGES]}"#;
        maven(UNAFFECTED, &text.replace("END", end).replace("CHANGES", changes))
    };
    let fixed = r#"{"at":"2.5.2","status":"unaffected"}"#;
    let again = r#"{"at":"2.6.0","status":"affected"},{"at":"2.6.3","status":"unaffected"}"#;
    assert_eq!(change(r#"lessThan":"3.0""#, fixed), "[2.0,2.5.2)");
    assert_eq!(change(r#"lessThan":"*""#, &format!("{fixed},{again}")), "[2.0,2.5.2) [2.6.0,2.6.3)");
    assert_eq!(
        change(r#"lessThanOrEqual":"2.6.1""#, &format!("{fixed},{again}")),
        "[2.0,2.5.2) [2.6.0,2.6.1]"
    );
    assert_eq!(change(r#"lessThan":"2.5.2""#, fixed), "[2.0,2.5.2)");
    assert_eq!(change(r#"lessThan":"3.0""#, r#"{"at":"2.5","status":"unknown"}"#), "[2.0,2.5|");
    assert!(change(r#"lessThan":"*""#, &format!("{again},{fixed}")).contains("out of order"));
}

#[test]
fn what_has_no_certain_meaning_is_left() {
    for (versions, why) in [
        (
            r#"{"version":"0","lessThan":"2.0","versionType":"custom","status":"affected"}"#,
            r#"versions of type "custom""#,
        ),
        (r#"{"version":"0","lessThan":"2.0","status":"affected"}"#, "a range of versions of no type"),
        (r#"{"version":"< 2.0","status":"affected"}"#, r#"the version "< 2.0""#),
        (
            r#"{"version":"1.0","lessThan":"2.*","versionType":"maven","status":"affected"}"#,
            r#"the version "2.*""#,
        ),
        (r#"{"version":"0","versionType":"maven","status":"affected"}"#, "the version 0 alone"),
        (r#"{"version":7,"status":"affected"}"#, "versions: "),
        (
            r#"{"version":"0","lessThan":"2.0","versionType":"maven","status":"unaffected"},{"version":"1.0","status":"affected"}"#,
            "versions that are affected, and are not",
        ),
        (
            r#"{"version":"1.0","lessThan":"2.0","versionType":"maven","status":"affected"},{"version":"1.5","status":"unaffected"}"#,
            "versions that are affected, and are not",
        ),
    ] {
        let said = maven(UNAFFECTED, versions);
        assert!(said.starts_with("not understood: ") && said.contains(why), "{said}");
    }
    assert!(maven(r#""defaultStatus":"affected","#, "").contains(r#"all versions are "affected" but these"#));
    assert_eq!(maven(UNAFFECTED, ""), "no affected versions: for g:p in Maven");
    let url = |url: &str, name: &str| {
        said(
            &format!(r#""collectionURL":"{url}",{name}"versions":[{{"version":"1.0","status":"affected"}}]"#),
            "Maven",
        )
    };
    let name = r#""packageName":"g:p","#;
    assert_eq!(url("https://repo1.maven.org/maven2", name), "1.0");
    assert_eq!(url("https://wordpress.org/plugins", name), "a product of another collection: wordpress.org");
    let module = r#""packageName":"github.com/a/b/c","#;
    assert_eq!(url("https://pkg.go.dev", module), "a Go package of no known module: github.com/a/b/c");
    assert_eq!(url("https://repo1.maven.org/maven2", ""), "a collection without a package's name: Maven");
    assert_eq!(url("nowhere", name), "a product of no collection");
    let windows = r#""packageName":"g:p","platforms":["Windows 11","macOS"],"#;
    assert_eq!(url("https://repo1.maven.org", windows), "on other systems than Linux: g:p");
    assert_eq!(url("https://repo1.maven.org", &windows.replace("macOS", "Linux")), "1.0");
}

#[test]
fn a_go_package_is_of_the_module_that_its_path_tells() {
    for (package, module) in [
        ("crypto/tls", "stdlib"),
        ("net", "stdlib"),
        ("cmd/go", "toolchain"),
        ("golang.org/x/net/http2", "golang.org/x/net"),
        ("golang.org/x/image", "golang.org/x/image"),
        ("golang.org/x/tools/gopls", ""),
        ("golang.org/x/", ""),
        ("google.golang.org/protobuf/encoding/protojson", ""),
        ("github.com/go-resty/resty/v2", ""),
        ("", ""),
    ] {
        let affected = format!(
            r#"{{"collectionURL":"https://pkg.go.dev","packageName":"{package}","defaultStatus":"unaffected",
            "versions":[{{"version":"1.21.0-0","lessThan":"1.21.1","versionType":"semver","status":"affected"}}]}}"#
        );
        let affected: Affected<'_> = serde_json::from_str(&affected).unwrap();
        let found = affected.package(Severity::Unknown).map(|package| {
            assert_eq!(package.ranges[0].introduced.as_deref(), Some("1.21.0-0"));
            format!("{} {}", package.ecosystem, package.name)
        });
        let want = if module.is_empty() { String::new() } else { format!("Go {module}") };
        assert_eq!(found.unwrap_or_default(), want, "{package}");
    }
}

#[test]
fn ids_and_times() {
    for id in ["CVE-1999-0001", "CVE-2024-1234567"] {
        assert!(is_id(id), "{id}");
    }
    for id in
        ["", "CVE-2024-1", "cve-2024-0001", "CVE-24-00001", "CVE-2024-0001 ", "CVE-2024-0001-1", "GHSA-1"]
    {
        assert!(!is_id(id), "{id}");
    }
    let utc = "2024-08-02T09:36:33.629Z".parse().ok();
    assert_eq!((time("2024-08-02T09:36:33.629"), time("2024-08-02T11:36:33.629+02:00")), (utc, utc));
    assert_eq!(time("2024-08-02"), None);
}
