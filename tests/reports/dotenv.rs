//! The report for the steps behind the gate.

use stella::{
    finding::Severity,
    report::{Report, dotenv::write},
};

use crate::sample::{POLICY, finding, hostile_result, report, result};

fn dotenv(report: &Report) -> String {
    let mut out = Vec::new();
    write(report, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn dotenv_has_the_verdict_and_the_counts() {
    let findings = vec![
        finding("CVE-1", Severity::High, "a", 1, Some("2")),
        finding("CVE-2", Severity::High, "b", 1, None),
        finding("CVE-3", Severity::Low, "c", 1, None),
    ];
    let mut report = report(vec![result(POLICY, findings)]);
    report.run.layers.misses = 2;
    report.run.timings_ms.total = 12.6;
    let text = dotenv(&report);
    for line in [
        "STELLA_FINDINGS=3",
        "STELLA_FINDINGS_HIGH=2",
        "STELLA_FINDINGS_CRITICAL=0",
        "STELLA_NEW_LAYERS=2",
        "STELLA_ELAPSED_MS=13",
        "STELLA_DEGRADED=false",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    report.results.clear();
    assert!(dotenv(&report).starts_with("STELLA_VERDICT=unfinished\nSTELLA_FINDINGS=0\n"));
}

/// GitLab takes 5 KB; a name or a value of another form would be refused, or be another variable.
#[test]
fn dotenv_holds_no_word_of_an_image() {
    let text = dotenv(&report(vec![hostile_result()]));
    assert!(text.len() < 5_000);
    for line in text.lines() {
        let (name, value) = line.split_once('=').unwrap();
        assert!(
            name.starts_with("STELLA_") && name.bytes().all(|c| c.is_ascii_uppercase() || c == b'_'),
            "{line}"
        );
        assert!(value.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()), "{line}");
    }
}
