//! JUnit.

use std::collections::{BTreeMap, BTreeSet};

use roxmltree::{Document, Node};
use stella::{
    finding::Severity,
    inventory::Skipped,
    report::{FeedRef, Report, Stopped, Written},
};

use crate::sample::{POLICY, finding, hostile, hostile_result, plain_result, report, result};

pub fn junit(report: &Report) -> String {
    let mut out = Vec::new();
    stella::report::junit::write(report, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// Name and outcome of every case: `pass`, or the name of its first element.
fn cases(xml: &str) -> Vec<(String, String)> {
    let document = Document::parse(xml).unwrap();
    let cases = document.descendants().filter(|node| node.has_tag_name("testcase"));
    cases
        .map(|case| {
            let kind = case.first_element_child().map_or("pass", |child| child.tag_name().name());
            (case.attribute("name").unwrap().to_owned(), kind.to_owned())
        })
        .collect()
}

/// What a suite says of all its cases.
fn properties<'a>(suite: Node<'a, '_>) -> BTreeMap<&'a str, &'a str> {
    let properties = suite.descendants().filter(|node| node.has_tag_name("property"));
    properties.map(|node| (node.attribute("name").unwrap(), node.attribute("value").unwrap())).collect()
}

#[test]
fn junit_says_what_the_gate_says() {
    let xml = junit(&report(vec![plain_result()]));
    let document = Document::parse(&xml).unwrap();
    let suite = document.root_element().first_element_child().unwrap();
    assert_eq!(document.root_element().tag_name().name(), "testsuites");
    for (name, value) in [
        ("name", "registry.example:5000/team/app linux/amd64"),
        ("tests", "7"),
        ("errors", "0"),
        ("failures", "3"),
        ("skipped", "1"),
        ("time", "0"),
        ("timestamp", "2026-06-15T12:00:00Z"),
        ("hostname", "localhost"),
    ] {
        assert_eq!(suite.attribute(name), Some(value), "{name}");
    }
    let properties = properties(suite);
    assert_eq!(properties["image"], "docker:registry.example:5000/team/app:ci");
    assert_eq!(properties["packages"], "119 deb, 4 pypi");
    assert_eq!(properties["findings-no-rule-matched"], "1");
    assert_eq!(properties["feed Debian:12"], "12345 advisories, newest 2026-06-14T00:00:00Z");
    let cases = cases(&xml);
    let cases: Vec<(&str, &str)> = cases.iter().map(|(name, kind)| (&**name, &**kind)).collect();
    assert_eq!(
        cases,
        [
            ("verdict", "failure"),
            ("rule severe (policy.yaml)", "failure"),
            ("rule rest (policy.yaml)", "system-out"),
            ("CVE-2024-0001 in openssl", "failure"),
            ("CVE-2024-0003 in zlib", "system-out"),
            ("CVE-2024-0002 in waived", "skipped"),
            ("rule waived (policy.yaml)", "system-out"),
        ]
    );
    for failure in suite.descendants().filter(|node| node.has_tag_name("failure")) {
        assert!(failure.text().unwrap().starts_with(failure.attribute("message").unwrap()));
    }
    let failure = suite.descendants().filter(|node| node.has_tag_name("failure")).nth(2).unwrap();
    assert_eq!(
        failure.attribute("message"),
        Some("CVE-2024-0001 in openssl 1.0-1 (critical): Build on a newer base image, with openssl 1.1-1.")
    );
    assert!(failure.text().unwrap().contains("\nadvisory: https://www.cve.org/CVERecord?id=CVE-2024-0001\n"));
}

#[test]
fn a_clean_run_has_a_passing_case_for_each_rule() {
    let xml = junit(&report(vec![result(POLICY, vec![])]));
    let names =
        ["verdict", "rule severe (policy.yaml)", "rule rest (policy.yaml)", "rule waived (policy.yaml)"];
    assert_eq!(cases(&xml), names.map(|name| (name.to_owned(), "pass".to_owned())));

    let expired = "version: 1
rules:
  - { name: old, when: { severity: high }, action: fail, until: 2026-06-14 }
  - { name: new, when: { severity: high }, action: fail, until: 2026-06-15 }
";
    let cases = cases(&junit(&report(vec![result(expired, vec![])])));
    assert_eq!(cases[1], ("rule old (policy.yaml)".to_owned(), "skipped".to_owned()));
    assert_eq!(cases[2], ("rule new (policy.yaml)".to_owned(), "pass".to_owned()));
}

#[test]
fn a_case_says_its_line_in_the_checkout() {
    let mut result = plain_result();
    result.image.layers[0].written = Some(Written {
        file: "build/Dockerfile".to_owned(),
        line: 3,
        last_line: 3,
        line_hash: "0:1".to_owned(),
    });
    let xml = junit(&report(vec![result]));
    let document = Document::parse(&xml).unwrap();
    let case = |name| document.descendants().find(|node| node.attribute("name") == Some(name)).unwrap();
    let openssl = case("CVE-2024-0001 in openssl");
    assert_eq!(openssl.attribute("file"), Some("build/Dockerfile"));
    assert_eq!(openssl.attribute("line"), Some("3"));
    let failure = openssl.first_element_child().unwrap();
    assert!(failure.text().unwrap().contains("\nline: build/Dockerfile:3\n"));
    assert!(failure.attribute("message").unwrap().contains("(build/Dockerfile:3)"));
    assert_eq!((case("verdict").attribute("file"), case("verdict").attribute("line")), (None, None));
}

/// Class and name of every case; each once.
fn all_names(xml: &str) -> BTreeSet<(String, String)> {
    let document = Document::parse(xml).unwrap();
    let cases = document.descendants().filter(|node| node.has_tag_name("testcase"));
    let attribute = |node: Node<'_, '_>, name| node.attribute(name).unwrap().to_owned();
    cases.map(|case| (attribute(case, "classname"), attribute(case, "name"))).collect()
}

#[test]
fn no_two_cases_of_a_file_have_one_name() {
    let twins = || vec![finding("CVE-1", Severity::High, "a", 1, None); 3];
    let mut results = vec![result(POLICY, twins()), result(POLICY, twins())];
    // What another case is renamed to.
    results[0].findings[2].finding.package.version.push_str(" #2");
    let xml = junit(&report(results));
    assert_eq!(all_names(&xml).len(), cases(&xml).len());
    assert!(xml.contains("<testsuite name=\"registry.example:5000/team/app linux/amd64 #2\""), "{xml}");
}

#[test]
fn a_large_file_is_cut_and_says_so() {
    let many = |count: usize| {
        (0..count).map(|i| finding(&format!("CVE-{i}"), Severity::High, "a", 1, None)).collect()
    };
    for counts in [&[30_000][..], &[30_000, 10, 30_000], &[4_990]] {
        let xml = junit(&report(counts.iter().map(|count| result(POLICY, many(*count))).collect()));
        let document = Document::parse(&xml).unwrap();
        let mut all = 0;
        let suites = document.root_element().children().filter(Node::is_element);
        for (suite, count) in suites.zip(counts) {
            let cases: BTreeMap<&str, _> =
                suite.children().filter_map(|case| Some((case.attribute("name")?, case))).collect();
            assert!(cases.contains_key("verdict"));
            all += cases.len();
            let Some(counting) = cases.get("cases left out") else {
                assert_eq!(cases.len(), 4 + count);
                continue;
            };
            // A verdict, three rules, and the case that counts.
            let left_out = 4 + count - (cases.len() - 1);
            let said = counting.first_element_child().unwrap().attribute("message").unwrap().replace(',', "");
            assert!(said.starts_with(&format!("{left_out} more cases left out")), "{said}");
            assert_eq!(properties(suite)["cases-left-out"], left_out.to_string());
        }
        // A platform alone has all the room.
        assert!(all <= 5_000 && (all == 5_000 || counts != [30_000]), "{all}");
        assert!(all >= 4_994, "{all}");
    }
}

#[test]
fn junit_survives_hostile_text() {
    let xml = junit(&report(vec![hostile_result(), hostile_result()]));
    let document = Document::parse(&xml).unwrap();
    assert!(!document.descendants().any(|node| node.has_tag_name("evil")));
    for case in document.descendants().filter(|node| node.has_tag_name("testcase")) {
        assert!(case.attribute("name").unwrap().chars().count() <= 210);
        let kind = case.first_element_child().map_or("pass", |outcome| outcome.tag_name().name());
        assert!(matches!(kind, "failure" | "error" | "system-out" | "pass"), "{kind:?}");
    }
    assert_eq!(all_names(&xml).len(), cases(&xml).len(), "names in a file differ");
    assert!(xml.chars().all(|c| c == '\n' || !c.is_control()));
}

#[test]
fn what_was_not_looked_at_is_one_thing_or_many() {
    let mut result = result(POLICY, vec![]);
    result.looked_at.skipped =
        vec![Skipped { name: "unpinned".into(), what: "2 packages".into(), why: "no version".into() }];
    let xml = junit(&report(vec![result]));
    assert!(xml.contains("message=\"not looked at: 2 packages: no version\""), "{xml}");
}

#[test]
fn platforms_without_a_place_are_counted_with_their_worst_verdict() {
    let clean = result(POLICY, vec![]);
    let failed = result(POLICY, vec![finding("CVE-1", Severity::High, "a", 1, None)]);
    let mut unfinished = clean.clone();
    unfinished.looked_at.skipped =
        vec![Skipped { name: "foreign-layer".into(), what: "sha256:1".into(), why: "foreign".into() }];
    unfinished.verdict.consider(&unfinished.looked_at.skipped, &[]);
    for (last, kind, word) in
        [(clean.clone(), "skipped", "PASS"), (unfinished, "error", "UNFINISHED"), (failed, "failure", "FAIL")]
    {
        let mut results = vec![clean.clone(); 2_999];
        results.push(last);
        let xml = junit(&report(results));
        let cases = cases(&xml);
        assert!((2_000..=5_000).contains(&cases.len()), "{}", cases.len());
        let (name, said) = cases.last().unwrap();
        assert_eq!((&**name, &**said), ("platforms left out", kind));
        let text = format!("2,500 more platforms left out: the worst verdict of them is {word}");
        assert!(xml.contains(&format!("message=\"{text}\"")));
        assert_eq!(cases.iter().filter(|(name, _)| name == "verdict").count(), 500);
    }
    assert!(!junit(&report(vec![clean; 500])).contains("platforms left out"));
}

#[test]
fn the_run_is_told_once() {
    let clean = result(POLICY, vec![]);
    let mut report = report(vec![clean.clone(), clean]);
    report.run.notes = vec!["the server was down".to_owned(); 21];
    let noted = |report: &Report| junit(report).matches("value=\"the server was down\"").count();
    assert_eq!(noted(&report), 20);
    assert!(junit(&report).contains("<property name=\"more-notes\" value=\"1\"/>"));
    report.results.clear();
    assert!(junit(&report).contains("message=\"no image was looked at\""));
    let (image, now) = ("r.example/app:1".to_owned(), "2026-06-15T12:00:00Z".to_owned());
    report.stopped = Some(Stopped { image, now, why: "no advisories at hand".to_owned() });
    let xml = junit(&report);
    assert_eq!(noted(&report), 20);
    for text in
        ["name=\"r.example/app\"", "timestamp=\"2026-06-15T12:00:00Z\"", "message=\"no advisories at hand\""]
    {
        assert!(xml.contains(text), "{xml}");
    }
}

/// GitLab takes files below 30 MB.
#[test]
fn the_worst_texts_make_no_file_too_large() {
    let mut result = result(POLICY, vec![finding("CVE-1", Severity::High, "a", 1, None); 6_000]);
    for judged in &mut result.findings {
        let text = "\"]]>😀".repeat(300);
        let finding = &mut judged.finding;
        (finding.id, finding.package.name, finding.summary) = (text.clone(), text.clone(), text.clone());
        finding.paths = vec![text; 3];
    }
    let gap = |text: &String| Skipped { name: text.clone(), what: text.clone(), why: text.clone() };
    result.looked_at.skipped = hostile().iter().map(gap).collect();
    let xml = junit(&report(vec![result.clone()]));
    assert!((19_000_000..20_000_000).contains(&xml.len()), "{}", xml.len());
    let of_one = cases(&xml);
    assert_eq!(of_one[0].1, "failure");
    assert_eq!(of_one.last().unwrap().0, "cases left out");

    result.findings.truncate(10);
    result.image.reference = "&".repeat(2_000);
    result.image.platform = "&".repeat(2_000);
    let feed =
        FeedRef { name: "\"".repeat(2_000), records: u64::MAX, as_of: "&".repeat(2_000), checked: None };
    result.snapshot.feeds = vec![feed; 30];
    let xml = junit(&report(vec![result; 600]));
    assert!((10_000_000..20_000_000).contains(&xml.len()), "{}", xml.len());
    let of_many = cases(&xml);
    assert!(of_many.len() <= 5_000, "{}", of_many.len());
    assert_eq!(*of_many.last().unwrap(), ("platforms left out".to_owned(), "failure".to_owned()));
}
