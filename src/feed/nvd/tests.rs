//! A page in the form of the API, with few values.

use std::num::NonZeroUsize;

use crate::{
    advisory::{Advisory, Compiler, End, Exploited, Fact, Range, Snapshot},
    feed::{self, Import, Outcome, import::import_document},
    finding::Severity,
};

const ID: &str = "CVE-2024-0001";
const HIGH: &str = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H";

fn page(records: &[String]) -> String {
    format!(
        r#"{{"resultsPerPage" : 1, "startIndex" : 0, "totalResults" : 1, "format" : "NVD_CVE", "version" : "2.0",
        "timestamp" : "2026-01-01T03:00:19.6486366", "vulnerabilities" : [ {} ]}}"#,
        records.join(" , ")
    )
}

fn record(fields: &str) -> String {
    format!(
        r#"{{"cve":{{"id":"{ID}","published":"2024-01-01T00:00:00.000",{fields}"references":[{{"url":"x"}}]}}}}"#
    )
}

fn read(records: &[String]) -> (Outcome, Snapshot) {
    let mut compiler = Compiler::default();
    let outcome = import_document("nvdcve-2.0-2024.json", page(records).as_bytes(), &mut compiler);
    (outcome, Snapshot::from_bytes(compiler.to_bytes().unwrap()).unwrap())
}

fn facts(fields: &str) -> Vec<(String, Fact)> {
    read(&[record(fields)]).1.facts(ID).unwrap()
}

/// What is claimed of `package` by a record of these configurations, and the reasons of what is left.
fn claimed(configurations: &str, package: &str) -> (Vec<Advisory>, Vec<String>) {
    let (outcome, snapshot) = read(&[record(&format!(r#""configurations":[{configurations}],"#))]);
    assert_eq!((outcome.read, outcome.kept), (1, 1), "{outcome:?}");
    (snapshot.lookup("cpe", package).unwrap(), outcome.reasons.into_keys().collect())
}

fn node(criteria: &str) -> String {
    format!(r#"{{"operator":"OR","negate":false,"cpeMatch":[{criteria}]}}"#)
}

fn criterion(name: &str, fields: &str) -> String {
    format!(r#"{{"vulnerable":true,"criteria":"cpe:2.3:{name}","matchCriteriaId":"0-1"{fields}}}"#)
}

#[test]
fn each_metric_is_the_word_of_its_source() {
    let metric = |source: &str, kind: &str, vector: &str, severity: &str| {
        format!(
            r#"{{"source":"{source}","type":"{kind}","cvssData":{{"version":"3.1","vectorString":"{vector}",
            "baseScore":7.5,"baseSeverity":"{severity}"}},"exploitabilityScore":3.9,"impactScore":3.6}}"#
        )
    };
    let facts = facts(&format!(
        r#""lastModified":"2024-10-17T15:39:19.382","vulnStatus":"Analyzed","cisaExploitAdd":"2024-05-01","metrics":{{
        "cvssMetricV40":[{},{}],"cvssMetricV31":[{},{},{}],
        "cvssMetricV2":[{{"source":"nvd@nist.gov","type":"Primary","cvssData":{{"vectorString":"AV:N"}},"baseSeverity":"LOW"}}]}},"#,
        metric("cna@example.org", "Secondary", "CVSS:4.0/AV:N", "CRITICAL"),
        metric("nvd@nist.gov", "Primary", "CVSS:4.0/AV:P", "LOW"),
        metric("nvd@nist.gov", "Secondary", "CVSS:3.1/AV:N", "CRITICAL"),
        metric("nvd@nist.gov", "Primary", HIGH, "HIGH"),
        metric("134c704f-9b21-4f2e-91b3-4a467353bcc0", "Secondary", "CVSS:3.1/AV:L", "MEDIUM"),
    ));
    let said = |severity, vector: &str| Fact { severity, vector: vector.into(), ..Fact::default() };
    let exploited = Some(Exploited { since: "2024-05-01".into(), ransomware: false });
    let want = [
        ("cisa-adp", said(Severity::Medium, "CVSS:3.1/AV:L")),
        ("cisa-kev", Fact { exploited, ..Fact::default() }),
        ("cve", said(Severity::Critical, "CVSS:4.0/AV:N")),
        ("nvd", said(Severity::High, HIGH)),
    ];
    assert_eq!(facts, want.map(|(database, fact)| (database.to_owned(), fact)));
}

#[test]
fn the_severity_of_version_2_stands_beside_its_vector() {
    let facts = facts(
        r#""metrics":{"cvssMetricV2":[{"source":"nvd@nist.gov","type":"Primary","cvssData":
        {"version":"2.0","vectorString":"AV:N/AC:L/Au:N/C:C/I:C/A:C","baseScore":10.0},"baseSeverity":"HIGH"}]},"#,
    );
    let vector = "AV:N/AC:L/Au:N/C:C/I:C/A:C".into();
    assert_eq!(facts, [("nvd".to_owned(), Fact { severity: Severity::High, vector, ..Fact::default() })]);
}

#[test]
fn the_newest_record_of_an_id_counts() {
    let claims =
        format!(r#""configurations":[{{"nodes":[{}]}}],"#, node(&criterion("a:v:p:1:*:*:*:*:*:*:*", "")));
    let old = record(&format!(r#""lastModified":"2024-01-01T00:00:00.000",{claims}"#));
    let rejected =
        record(&format!(r#""lastModified":"2024-02-01T00:00:00.000","vulnStatus":"Rejected",{claims}"#));
    let bare = record(r#""lastModified":"2024-03-01T00:00:00.000","vulnStatus":"Modified","#);
    let newest = record(&format!(r#""lastModified":"2024-04-01T00:00:00.000",{claims}"#));
    let of = |records: &[&String]| {
        let (_, snapshot) = read(&records.iter().map(|record| (*record).clone()).collect::<Vec<_>>());
        (snapshot.facts(ID).unwrap()[0].1.rejected, snapshot.lookup("cpe", "v:p").unwrap().len())
    };
    assert_eq!(of(&[&old]), (false, 1));
    assert_eq!(of(&[&rejected, &old]), (true, 0));
    assert_eq!(of(&[&rejected, &bare, &old]), (false, 0));
    assert_eq!(of(&[&newest, &rejected, &bare, &old]), (false, 1));
}

#[test]
fn criteria_become_ranges_and_versions() {
    let criteria = [
        criterion(
            r"a:v:c\\+\\+:*:*:*:*:*:node.js:*:*",
            r#","versionStartIncluding":"1.0","versionEndExcluding":"2.0""#,
        ),
        criterion(
            r"a:v:c\\+\\+:*:*:*:*:*:node.js:*:*",
            r#","versionStartExcluding":"3.0","versionEndIncluding":"3.5""#,
        ),
        criterion(
            r"a:v:c\\+\\+:*:-:*:*:*:node.js:*:*",
            r#","versionStartIncluding":"6.0","versionEndExcluding":"6.5""#,
        ),
        criterion(r"a:v:c\\+\\+:4.0\\+a:rc1:*:*:*:node.js:*:*", ""),
        criterion(r"a:v:c\\+\\+:5.0:-:*:*:*:node.js:*:*", ""),
        criterion("a:v:all:*:*:*:*:*:*:*:*", ""),
    ];
    let configuration = format!(r#"{{"nodes":[{}]}}"#, node(&criteria.join(",")));
    let (found, left) = claimed(&configuration, "v:c++:node.js");
    let range = |introduced: &str, end| Range { introduced: Some(introduced.into()), end };
    let ranges = [
        range("1.0", End::Fixed("2.0".into())),
        range("3.0", End::LastAffected("3.5".into())),
        range("6.0", End::Fixed("6.5".into())),
    ];
    assert_eq!((found[0].ranges.as_slice(), found[0].source.as_str()), (&ranges[..], "nvd"));
    assert_eq!(found[0].versions, ["4.0+a-rc1", "5.0"]);
    let (all, _) = claimed(&configuration, "v:all");
    assert_eq!((all[0].ranges.as_slice(), left), (&[Range { introduced: None, end: End::Open }][..], vec![]));
}

#[test]
fn what_is_no_claim_is_left_with_its_reason() {
    let left = |criteria: &str| claimed(&format!(r#"{{"nodes":[{}]}}"#, node(criteria)), "v:p").1;
    assert_eq!(left(&criterion("o:v:p:1:*:*:*:*:*:*:*", "")), ["an operating system or hardware"]);
    assert_eq!(left(&criterion("h:v:p:-:*:*:*:*:*:*:*", "")), ["an operating system or hardware"]);
    assert_eq!(left(&criterion("a:v:p:-:*:*:*:*:*:*:*", "")), ["no versions that are understood"]);
    assert_eq!(left(&criterion("a:v:p:1.*:*:*:*:*:*:*:*", "")), ["no versions that are understood"]);
    assert_eq!(left(&criterion("a:v:p:*:sp1:*:*:*:*:*:*", "")), ["no versions that are understood"]);
    let both = r#","versionEndIncluding":"1","versionEndExcluding":"2""#;
    assert_eq!(left(&criterion("a:v:p:*:*:*:*:*:*:*:*", both)), ["no versions that are understood"]);
    let range = r#","versionEndIncluding":"1""#;
    assert_eq!(left(&criterion("a:v:p:1:*:*:*:*:*:*:*", range)), ["no versions that are understood"]);
    assert_eq!(left(&criterion("a:v:*:1:*:*:*:*:*:*:*", "")), ["no CPE name of one product"]);
    assert_eq!(left(&criterion("a:v:p", "")), ["no CPE name of one product"]);
    assert_eq!(left(r#"{"vulnerable":false,"criteria":"cpe:2.3:a:v:p:1:*:*:*:*:*:*:*"}"#), [""; 0]);
}

#[test]
fn what_must_hold_together() {
    let product = node(&criterion("a:v:p:1:*:*:*:*:*:*:*", ""));
    let on =
        |name: &str| node(&format!(r#"{{"vulnerable":false,"criteria":"cpe:2.3:{name}:-:*:*:*:*:*:*:*"}}"#));
    let count = |configuration: &str| claimed(configuration, "v:p").0.len();
    let and = |other: &str| count(&format!(r#"{{"operator":"AND","nodes":[{product},{other}]}}"#));
    assert_eq!(and(&on("o:microsoft:windows")), 0);
    assert_eq!(and(&on("h:cisco:nexus")), 0);
    assert_eq!(and(&on("o:linux:linux_kernel")), 1);
    assert_eq!(and(&on("a:apache:tomcat")), 1);
    assert_eq!(and(&node(&criterion("h:v:q:-:*:*:*:*:*:*:*", ""))), 1, "no platform, but vulnerable too");
    assert_eq!(
        count(&format!(r#"{{"nodes":[{product},{}]}}"#, on("h:cisco:nexus"))),
        1,
        "any of them is enough"
    );
    let together = on("h:cisco:nexus")
        .replace(r#""cpeMatch":["#, &format!(r#""cpeMatch":[{},"#, criterion("a:v:p:1:*:*:*:*:*:*:*", "")));
    assert_eq!(count(&format!(r#"{{"nodes":[{together}]}}"#)), 1);
    assert_eq!(count(&format!(r#"{{"nodes":[{}]}}"#, together.replace("OR", "AND"))), 0);
    let negated = format!(r#"{{"nodes":[{}]}}"#, product.replace("false", "true"));
    assert_eq!(claimed(&negated, "v:p").1, ["a negated configuration"]);
}

#[test]
fn a_malformed_record_costs_itself() {
    let good = record("");
    let of = |records: &[String]| {
        let outcome = read(records).0;
        let named: Vec<String> = outcome.named().into_iter().map(|skipped| skipped.what.clone()).collect();
        (outcome.read, outcome.kept, named.join("; "))
    };
    let bad =
        [record(r#""metrics":7,"#), good.clone(), record(r#""configurations":[{"nodes":{}}],"#), "7".into()];
    let place = |index: u32| format!("nvdcve-2.0-2024.json, record {index}");
    assert_eq!(of(&bad), (4, 1, [place(1), place(3), place(4)].join("; ")));
    assert_eq!(of(&[good.replace(ID, "CVE-2024-x")]), (1, 0, place(1)));
    assert_eq!(
        of(&[good.clone(), good.clone(), "{".into()]),
        (3, 2, "nvdcve-2.0-2024.json, after record 2".into())
    );
    let (outcome, _) = read(&[good.replace("2024-01-01T", r"\u00e4\n"), record(r#""lastModified":"soon","#)]);
    assert_eq!((outcome.kept, outcome.skipped), (2, 0));
}

#[test]
fn a_large_file_is_read_in_parts() {
    let long = format!(r#""descriptions":[{{"lang":"en","value":"{}"}}],"#, r#"a] \\\" "#.repeat(150_000));
    let product =
        format!(r#""configurations":[{{"nodes":[{}]}}],"#, node(&criterion("a:v:p:1:*:*:*:*:*:*:*", "")));
    let of = |index: usize| record(&format!("{long}{product}")).replace(ID, &format!("CVE-2024-{index:04}"));
    let mut records: Vec<String> = (1..20).map(of).collect();
    records[12] = record(&format!(r#""metrics":[],{long}"#));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nvdcve-2.0-2024.json");
    std::fs::write(&path, page(&records)).unwrap();
    let memory = feed::Memory::default();
    let part = feed::read(&path, NonZeroUsize::new(2).unwrap(), &memory, &|_| ()).unwrap();
    let outcome = &part.outcomes["nvd"];
    assert_eq!((outcome.read, outcome.kept, outcome.skipped), (19, 18, 1), "{outcome:?}");
    let named = &outcome.named().first().unwrap().what;
    assert!(named.contains("nvdcve-2.0-2024.json, record 7 after 7"), "{named}");
    let (mut import, mut compiler) = (Import::new(&memory), Compiler::default());
    import.add(&path, part, None).unwrap();
    import.compile(&mut compiler);
    let (_, whole) = read(&records);
    assert_eq!(Snapshot::from_bytes(compiler.to_bytes().unwrap()).unwrap().id(), whole.id());
}
