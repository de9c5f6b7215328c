//! JUnit.

use stella::report::Report;

use crate::sample::{hostile_result, plain_result, report};

pub fn junit(report: &Report) -> String {
    let mut out = Vec::new();
    stella::report::junit::write(report, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn junit_says_what_the_gate_says() {
    let xml = junit(&report(vec![plain_result()]));
    let document = roxmltree::Document::parse(&xml).unwrap();
    let suite = document.root_element().first_element_child().unwrap();
    assert_eq!(document.root_element().tag_name().name(), "testsuites");
    assert_eq!(suite.attribute("timestamp"), Some("2026-06-15T12:00:00Z"));
    let cases: Vec<(&str, &str)> = suite
        .children()
        .filter(|node| node.has_tag_name("testcase"))
        .map(|case| {
            let kind = case.first_element_child().map_or("pass", |child| child.tag_name().name());
            (case.attribute("name").unwrap(), kind)
        })
        .collect();
    assert_eq!(
        cases,
        [
            ("verdict", "failure"),
            ("CVE-2024-0001 in openssl 1.0-1", "failure"),
            ("CVE-2024-0003 in zlib 1.0-1", "system-out"),
            ("CVE-2024-0002 in waived 1.0-1", "skipped"),
        ]
    );
    let failure = suite.descendants().filter(|node| node.has_tag_name("failure")).nth(1).unwrap();
    assert_eq!(failure.attribute("type"), Some("severe"));
    assert!(failure.text().unwrap().starts_with(failure.attribute("message").unwrap()));
}

#[test]
fn junit_survives_hostile_text() {
    let xml = junit(&report(vec![hostile_result(), hostile_result()]));
    let document = roxmltree::Document::parse(&xml).unwrap();
    assert!(!document.descendants().any(|node| node.has_tag_name("evil")));
    for case in document.descendants().filter(|node| node.has_tag_name("testcase")) {
        assert!(case.attribute("name").unwrap().chars().count() <= 1_030);
        let outcome = case.first_element_child();
        let kind = outcome.map(|outcome| outcome.tag_name().name());
        assert!(matches!(kind, Some("failure" | "error" | "system-out")), "{kind:?}");
    }
    let mut names: Vec<_> = document
        .descendants()
        .filter(|node| node.has_tag_name("testsuite"))
        .map(|suite| suite.children().filter_map(|case| case.attribute("name")).collect::<Vec<_>>())
        .next()
        .unwrap();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all, "names in a suite differ");
    assert!(xml.chars().all(|c| c == '\n' || !c.is_control()));
}
