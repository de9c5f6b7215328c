//! The table.

use stella::{
    digest::Digest,
    report::{Os, Report},
};

use crate::sample::{hostile_result, plain_result, report};

pub fn table(report: &Report, colour: bool, width: Option<usize>) -> String {
    let mut out = Vec::new();
    stella::report::table::write(report, stella::report::table::Options { colour, width }, &mut out).unwrap();
    String::from_utf8(out).unwrap()
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

layer 0 6e340b9cffb3 (base image)  ADD rootfs.tar /
  SEVERITY  ID             PACKAGE   VERSION  FIXED IN  RULE
  critical  CVE-2024-0001  openssl   1.0-1    1.1-1     fail: severe
  medium    CVE-2024-0003  zlib      1.0-1    -         warn: rest

layer 1 4bf5122f3445  COPY . /app
  SEVERITY  ID             PACKAGE   VERSION  FIXED IN  RULE
  low       PYSEC-2024-4   requests  1.0-1    2.0       -

1 finding left out: the policy ignores them

looked at
  image       2 layers, 3,456 files, 120.3 MB
  system      debian 12
  packages    119 deb, 4 pypi
  advisories  Debian:12: 12,345 records, newest 2026-06-14T00:00:00Z
  snapshot    SNAPSHOT

verdict: FAIL: 4 findings in 123 packages (1 critical, 1 high, 1 medium, 1 low)
  fail by rule severe: 1 critical finding with a fix: CVE-2024-0001 in openssl 1.0-1 (fixed in 1.1-1)
  warn by rule rest: 1 medium finding without a fix: CVE-2024-0003 in zlib 1.0-1
  ignored by rule waived: 1 high finding without a fix ignored: CVE-2024-0002 in waived 1.0-1; reason: not reachable
  policy: policy.yaml
";
    let want = want.replace("DIGEST", &Digest::of(b"manifest").to_string());
    let want = want.replace("SNAPSHOT", &Digest::of(b"snapshot").to_string());
    let report = report(vec![plain_result()]);
    assert_eq!(table(&report, false, None), want);
    let coloured = table(&report, true, None);
    assert!(coloured.contains("\u{1b}[1;31m"));
    let stripped =
        coloured.split('\u{1b}').map(|part| part.split_once('m').filter(|_| part.starts_with('[')));
    let first = coloured.split('\u{1b}').next().unwrap_or_default().to_owned();
    let stripped: String = stripped.flatten().map(|(_, rest)| rest).collect();
    assert_eq!(first + &stripped, want, "colours change nothing but colours");
}

#[test]
fn the_table_fits_the_terminal() {
    let mut result = plain_result();
    result.findings[0].finding.package.name = "a-very-long-package-name".repeat(5);
    result.findings[0].finding.layer.instruction = "RUN ".repeat(100);
    let text = table(&report(vec![result]), false, Some(80));
    let rows = text.lines().filter(|line| line.starts_with("layer") || line.starts_with("  critical"));
    let widths: Vec<usize> = rows.map(|line| line.chars().count()).collect();
    assert_eq!(widths.len(), 4);
    assert!(widths.iter().all(|width| *width <= 80), "{text}");
    assert!(text.contains("CVE-2024-0001  a-very-long"), "{text}");
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
