//! The table.

use std::time::{Duration, Instant};

use stella::{
    base::{Base, By},
    digest::Digest,
    finding::Severity,
    inventory::Skipped,
    report::{Asked, Os, Report, ScanResult, Written, table::Options},
};
use unicode_width::UnicodeWidthStr;

use crate::sample::{POLICY, finding, hostile_result, plain_result, report, result};

pub fn table(report: &Report, colour: bool, width: Option<usize>) -> String {
    with(report, Options { colour, width, ignored: false, most: None })
}

fn with(report: &Report, options: Options) -> String {
    let mut out = Vec::new();
    stella::report::table::write(report, options, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// The plain result, built from a Dockerfile of the checkout.
fn built_result() -> ScanResult {
    let written = |file: &str, line| Written {
        file: file.to_owned(),
        line,
        last_line: line,
        line_hash: "0:1".to_owned(),
    };
    let mut result = plain_result();
    result.image.base = Some(Base { layers: 1, by: By::Dockerfile, name: Some("debian:12".to_owned()) });
    result.image.layers[0].written = Some(written("Dockerfile", 1));
    result.image.layers[1].written = Some(written("Dockerfile", 12));
    result.findings[3].asked = Some(Asked { written: written("app/requirements.txt", 31), pin: None });
    result
}

#[test]
fn the_table_tells_supported_from_not_known() {
    let system = |version: &str, end_of_life| {
        let mut result = plain_result();
        result.looked_at.os = Some(Os { id: "arch".to_owned(), version: version.to_owned(), end_of_life });
        let text = table(&report(vec![result]), true, Some(40));
        text.lines().find(|line| line.contains("  system")).unwrap().to_owned()
    };
    assert_eq!(system("1", Some(false)), "  system      arch 1");
    assert_eq!(system("", None), "  system      arch (end of life not known)");
    let ended = "END OF LIFE, no security fixes any more";
    assert_eq!(system("1", Some(true)), format!("\u{1b}[1;31m  system      arch 1: {ended}\u{1b}[0m"));
    assert!(system(&"1".repeat(5_000), Some(true)).contains(ended), "a long name hides nothing");
}

#[test]
fn the_table_as_people_see_it() {
    let want = "\
docker:registry.example:5000/team/app:ci (linux/amd64)
DIGEST

layer 0 6e340b9cffb3  Dockerfile:1, base image  ADD rootfs.tar /
  SEVERITY  ID             PACKAGE   VERSION  UPDATE TO  CHANGE IN                RULE
  critical  CVE-2024-0001  openssl   1.0-1    1.1-1      -                        fail: severe
  medium    CVE-2024-0003  zlib      1.0-1    -          -                        warn: rest
  fix for 1 of 2: Build on a newer pull of the base image debian:12 (Dockerfile:1)

layer 1 4bf5122f3445  Dockerfile:12  COPY . /app
  SEVERITY  ID             PACKAGE   VERSION  UPDATE TO  CHANGE IN                RULE
  low       PYSEC-2024-4   requests  1.0-1    2.0        app/requirements.txt:31  -

1 finding left out, ignored by the policy: --show-ignored lists them

looked at
  image       2 layers, 3,456 files, 120.3 MB
  system      debian 12
  packages    119 deb, 4 pypi
  advisories  Debian:12: 12,345 records, newest 2026-06-14T00:00:00Z
  snapshot    SNAPSHOT

verdict: FAIL: 3 findings (1 critical, 1 medium, 1 low), and 1 finding that the policy ignores; 123 packages looked at
  fail by rule severe: 1 critical finding with a fix: CVE-2024-0001 in openssl 1.0-1 (fixed in 1.1-1)
  warn by rule rest: 1 medium finding without a fix: CVE-2024-0003 in zlib 1.0-1
  ignored by rule waived: 1 high finding without a fix ignored: CVE-2024-0002 in waived 1.0-1; reason: not reachable
  policy: policy.yaml
gate FAILED: 1 finding by rule severe
";
    let want = want.replace("DIGEST", &Digest::of(b"manifest").to_string());
    let want = want.replace("SNAPSHOT", &Digest::of(b"snapshot").to_string());
    let report = report(vec![built_result()]);
    assert_eq!(table(&report, false, None), want);
    let coloured = table(&report, true, None);
    assert!(coloured.contains("\u{1b}[1;31m"));
    let stripped =
        coloured.split('\u{1b}').map(|part| part.split_once('m').filter(|_| part.starts_with('[')));
    let first = coloured.split('\u{1b}').next().unwrap_or_default().to_owned();
    let stripped: String = stripped.flatten().map(|(_, rest)| rest).collect();
    assert_eq!(first + &stripped, want, "colours change nothing but colours");
}

/// The rows, and what stands over them.
fn rows(text: &str) -> Vec<&str> {
    text.lines()
        .filter(|line| {
            ["layer", "  SEVERITY", "  critical", "  medium", "  low"]
                .iter()
                .any(|start| line.starts_with(start))
        })
        .collect()
}

#[test]
fn the_table_fits_the_terminal() {
    let mut result = built_result();
    result.findings[0].finding.package.name = "a-very-long-package-name".repeat(5);
    result.findings[0].finding.layer.instruction = "RUN ".repeat(100);
    result.findings[2].finding.package.name = "日本語の長い名前".repeat(3);
    result.findings[2].finding.package.version = "e\u{301}".repeat(30);
    result.findings[3].finding.package.name = "😀".repeat(30);
    let report = report(vec![result]);
    for width in [20, 21, 33, 40, 60, 79, 80, 100, 120, 200] {
        let text = table(&report, false, Some(width));
        let rows = rows(&text);
        assert_eq!(rows.len(), 7);
        assert!(rows.iter().all(|line| line.width() <= width), "{width}:\n{text}");
        let id = if width < 28 { "CVE-20" } else { "CVE-2024-0001" };
        assert!(rows[2].starts_with(&format!("  critical  {id}")), "{width}:\n{text}");
        if width >= 80 {
            let starts: Vec<usize> = rows
                .iter()
                .filter(|line| line.starts_with("  "))
                .map(|line| {
                    line[..line.find("1.1-1").or(line.find("UPDATE")).or(line.find("2.0")).unwrap_or(0)]
                        .width()
                })
                .collect();
            assert_eq!(starts[0], starts[1], "{text}");
            assert_eq!(starts[3], starts[4], "{text}");
            assert_eq!(starts[0], starts[3], "one grid for all layers");
        }
    }
    // A terminal that does not know its width is no narrow one.
    assert_eq!(table(&report, false, Some(0)), table(&report, false, None));
}

#[test]
fn a_narrow_terminal_shows_fewer_columns() {
    let report = report(vec![built_result()]);
    let heads = |width| {
        let text = table(&report, false, Some(width));
        rows(&text)[1]
            .split("  ")
            .map(str::trim)
            .filter(|head| !head.is_empty())
            .collect::<Vec<_>>()
            .join(",")
    };
    assert_eq!(heads(100), "SEVERITY,ID,PACKAGE,VERSION,UPDATE TO,CHANGE IN,RULE");
    assert_eq!(heads(72), "SEVERITY,ID,PACKAGE,UPDATE TO,CHANGE IN,RULE");
    assert_eq!(heads(62), "SEVERITY,ID,PACKAGE,UPDATE TO,CHANGE IN");
    assert_eq!(heads(50), "SEVERITY,ID,PACKAGE,UPDATE TO");
    assert_eq!(heads(36), "SEVERITY,ID,PACKAGE");
    assert_eq!(heads(20), "SEVERITY,ID");
    // A path is cut at its beginning: the line stays.
    assert!(table(&report, false, Some(79)).contains("  …uirements.txt:31  "));
}

#[test]
fn ignored_findings_are_listed_on_demand() {
    let report = report(vec![plain_result()]);
    let text = with(&report, Options { ignored: true, ..Options::default() });
    let row = "  high      CVE-2024-0002  waived    1.0-1    -          ignored: waived";
    assert!(text.lines().any(|line| line == row), "{text}");
    assert!(!text.contains("--show-ignored"));
    assert_eq!(text.lines().count(), table(&report, false, None).lines().count() - 1);
}

#[test]
fn the_last_line_says_why_the_gate_is_closed() {
    let last = |results: Vec<ScanResult>| {
        table(&report(results), false, None).lines().next_back().unwrap().to_owned()
    };
    let policy = "version: 1
rules:
  - { name: a, when: { package: a }, action: fail }
  - { name: b, when: { package: b }, action: fail }
  - { name: c, when: { package: c }, action: fail }
  - { name: d, when: { package: d }, action: fail }
";
    let failed = |packages: &[&str]| {
        let findings = packages.iter().map(|package| finding("CVE-1", Severity::Low, package, 1, None));
        result(policy, findings.collect())
    };
    assert_eq!(last(vec![failed(&["a"])]), "gate FAILED: 1 finding by rule a");
    assert_eq!(
        last(vec![failed(&["a", "b"]), failed(&["b", "c", "d"])]),
        "gate FAILED: 2 findings by rule b, 1 finding by rule a, 1 finding by rule c and 1 more rule"
    );
    let mut unfinished = result(POLICY, vec![]);
    unfinished.looked_at.skipped =
        vec![Skipped { name: "foreign-layer".into(), what: "sha256:1".into(), why: "foreign".into() }; 2];
    unfinished.verdict.consider(&unfinished.looked_at.skipped, &[]);
    assert_eq!(last(vec![unfinished]), "gate UNFINISHED: not looked at in full: foreign-layer");
    assert_eq!(last(vec![]), "gate UNFINISHED: no image was looked at");
    assert_eq!(last(vec![result(POLICY, vec![])]), "  policy: policy.yaml");
}

#[test]
fn lines_of_one_kind_are_bounded_and_counted() {
    let mut result = result(POLICY, vec![finding("CVE-1", Severity::Critical, "a", 1, Some("2"))]);
    result.verdict.reasons = vec![result.verdict.reasons[0].clone(); 200_000];
    result.snapshot.feeds = vec![result.snapshot.feeds[0].clone(); 101];
    result.looked_at.skipped =
        vec![Skipped { name: "foreign-layer".into(), what: "sha256:1".into(), why: "foreign".into() }; 102];
    let mut report = report(vec![result]);
    report.run.notes = vec!["a note".to_owned(); 100];
    let text = table(&report, false, None);
    let lines = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
    for start in ["  fail by rule", "  advisories ", "  foreign-layer", "note: "] {
        assert_eq!(lines(start), 100, "{start}");
    }
    for more in ["199,900 more reasons", "1 more feed", "2 more things"] {
        assert_eq!(lines(&format!("  {more} left out: -o json=FILE has them all")), 1, "{more}");
    }
    assert!(text.len() < 50_000, "{}", text.len());
}

#[test]
fn large_results_stay_fast_and_whole() {
    let findings =
        (0..30_000).map(|i| finding(&format!("CVE-{i}"), Severity::High, "日本", i % 2, Some("2"))).collect();
    let report = report(vec![result(POLICY, findings)]);
    let start = Instant::now();
    let text = table(&report, true, Some(80));
    // Many times what an optimised build needs.
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert_eq!(
        text.lines().filter(|line| line.contains("CVE-") && line.contains("日本 ")).count(),
        30_000 + 1
    );
}

#[test]
fn hostile_text_moves_no_cursor() {
    for width in [None, Some(0), Some(20), Some(80)] {
        let text = table(&report(vec![hostile_result()]), false, width);
        let acting =
            text.chars().find(|c| c.is_control() && *c != '\n' || "\u{202e}\u{2066}\u{feff}".contains(*c));
        assert_eq!(acting, None, "at width {width:?}");
        assert!(!text.lines().any(|line| line.starts_with("::")), "a log would take the line as a command");
        assert!(text.len() < 100_000, "{}", text.len());
    }
}
