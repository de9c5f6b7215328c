//! Annotations of GitHub Actions.

use std::collections::BTreeMap;

use stella::{
    digest::Digest,
    finding::Severity,
    inventory::Skipped,
    report::{Asked, Report, ScanResult, Written},
};

use crate::sample::{POLICY, finding, hostile, hostile_result, plain_result, report, result};

pub fn github(report: &Report) -> String {
    let mut out = Vec::new();
    stella::report::github::write(report, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// An annotation as the runner takes it.
#[derive(Debug, PartialEq)]
struct Annotation {
    kind: String,
    properties: BTreeMap<String, String>,
    message: String,
}

/// Reads a log as the runner does (actions/runner, `ActionCommand.cs`), and checks its limits.
fn annotations(text: &str) -> Vec<Annotation> {
    let unescaped = |text: &str| text.replace("%0D", "\r").replace("%0A", "\n");
    let mut counts = BTreeMap::new();
    let mut read = Vec::new();
    for line in text.split_terminator('\n') {
        assert!(!line.contains(char::is_control), "{line:?}");
        let (head, message) = line.strip_prefix("::").unwrap().split_once("::").unwrap();
        let (kind, properties) = head.split_once(' ').unwrap();
        let properties = properties.split(',').map(|property| {
            let (name, value) = property.split_once('=').unwrap();
            let value = unescaped(value).replace("%3A", ":").replace("%2C", ",").replace("%25", "%");
            (name.to_owned(), value)
        });
        let properties: BTreeMap<_, _> = properties.collect();
        assert!(properties.keys().all(|name| ["file", "line", "title"].contains(&name.as_str())), "{line}");
        assert!(properties["title"].starts_with("Stella: ") && properties["title"].chars().count() <= 200);
        let message = unescaped(message).replace("%25", "%");
        assert!(message.encode_utf16().count() <= 4_096, "{message}");
        assert!(message.lines().all(|line| !line.starts_with("::") && !line.contains("##[")), "{message}");
        *counts.entry(kind.to_owned()).or_insert(0) += 1;
        read.push(Annotation { kind: kind.to_owned(), properties, message });
    }
    assert!(
        counts
            .iter()
            .all(|(kind, count)| ["error", "warning", "notice"].contains(&kind.as_str()) && *count <= 10)
    );
    read
}

fn written(file: &str, line: usize) -> Written {
    Written { file: file.to_owned(), line, last_line: line + 1, line_hash: "c129715d7a2bc9a3:1".to_owned() }
}

#[test]
fn annotations_as_people_see_them() {
    let mut result = plain_result();
    for (layer, line) in result.image.layers.iter_mut().zip([1, 4]) {
        layer.written = Some(written("service/Dockerfile", line));
    }
    let want = "\
::error title=Stella%3A the gate failed::FAIL: 3 findings (1 critical, 1 medium, 1 low), and 1 finding that the policy ignores; 123 packages looked at\
%0Afail by rule severe: 1 critical finding with a fix: CVE-2024-0001 in openssl 1.0-1 (fixed in 1.1-1)\
%0Awarn by rule rest: 1 medium finding without a fix: CVE-2024-0003 in zlib 1.0-1
::error file=service/Dockerfile,line=1,title=Stella%3A 1 finding (1 critical)::CVE-2024-0001 (critical) in openssl 1.0-1. \
Build on a newer base image (service/Dockerfile:1), with openssl 1.1-1.
::warning file=service/Dockerfile,line=1,title=Stella%3A 1 finding (1 medium)::CVE-2024-0003 (medium) in zlib 1.0-1. \
No fixed version of zlib is known.
";
    assert_eq!(github(&report(vec![result])), want);
}

#[test]
fn findings_of_a_line_are_one_annotation_over_all_platforms() {
    let mut one = result(
        POLICY,
        vec![
            finding("CVE-2024-1", Severity::Critical, "a", 1, None),
            finding("CVE-2024-2", Severity::High, "a", 1, None),
            finding("CVE-2024-2", Severity::High, "b", 1, None),
            finding("CVE-2024-3", Severity::High, "c", 1, None),
            finding("CVE-2024-4", Severity::High, "d", 0, None),
        ],
    );
    one.image.layers[1].written = Some(written("100%25, a:b", 3));
    one.findings[3].asked = Some(Asked { written: written("poetry.lock", 7), pin: None });
    let mut other = one.clone();
    other.image.platform = "linux/arm64".to_owned();
    let read = annotations(&github(&report(vec![one, other])));
    let places: Vec<_> =
        read.iter().map(|read| (read.properties.get("file").map(String::as_str), &*read.kind)).collect();
    assert_eq!(
        places,
        [(None, "error"), (Some("100%25, a:b"), "error"), (Some("poetry.lock"), "error"), (None, "error")]
    );
    assert_eq!(read[1].properties["title"], "Stella: 3 findings (1 critical, 2 high)");
    let ids: Vec<_> = read[1].message.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(ids, ["CVE-2024-1", "CVE-2024-2", "CVE-2024-2"]);
    assert_eq!(read[3].properties["title"], "Stella: 1 finding (1 high) in layer 0: ADD rootfs.tar /");
    assert!(
        read[0].message.starts_with("linux/amd64: FAIL: ")
            && read[0].message.contains("\nlinux/arm64: FAIL: ")
    );
}

#[test]
fn an_open_gate_says_so_once() {
    let kinds = |result: ScanResult| {
        let read = annotations(&github(&report(vec![result])));
        read.into_iter()
            .map(|read| format!("{}: {}", read.kind, read.properties["title"]))
            .collect::<Vec<_>>()
    };
    let clean = result(POLICY, vec![finding("CVE-2024-1", Severity::Low, "a", 0, None)]);
    assert_eq!(kinds(clean.clone()), ["notice: Stella: the gate passed"]);
    let mut demo = clean.clone();
    demo.snapshot.demo = true;
    assert_eq!(kinds(demo), ["warning: Stella: the gate passed without a full look"]);
    let mut skipped = clean.clone();
    skipped.looked_at.skipped =
        vec![Skipped { name: "foreign-layer".into(), what: "sha256:1".into(), why: "foreign".into() }];
    skipped.verdict.consider(&skipped.looked_at.skipped, &[]);
    assert!(
        github(&report(vec![skipped.clone()]))
            .contains("%0Anot looked at: foreign-layer: sha256:1: foreign\n")
    );
    assert_eq!(
        kinds(skipped.clone()),
        ["error: Stella: the gate is unfinished: not everything was looked at"]
    );
    skipped.verdict.outcome = clean.verdict.outcome;
    skipped.verdict.consider(&skipped.looked_at.skipped, &["foreign-layer".to_owned()]);
    assert_eq!(kinds(skipped), ["warning: Stella: the gate passed without a full look"]);
    assert_eq!(
        github(&report(vec![])),
        "::error title=Stella%3A the gate is unfinished::no image was looked at\n"
    );
    let warned = result(POLICY, vec![finding("CVE-2024-1", Severity::Medium, "a", 0, None)]);
    let title = "Stella: 1 finding (1 medium) in layer 0: ADD rootfs.tar /";
    assert_eq!(kinds(warned), [format!("warning: {title}"), "notice: Stella: the gate passed".to_owned()]);
}

#[test]
fn ten_annotations_of_a_type_tell_all() {
    for (lines, last) in
        [(9, "Stella: 1 finding (1 high)"), (10, "Stella: and 4 more findings in 2 more places")]
    {
        let findings = (0..lines).flat_map(|line| {
            let count = if line >= 8 && lines > 9 { 2 } else { 1 };
            (0..count).map(move |n| (line, finding(&format!("CVE-2024-{n}"), Severity::High, "a", 0, None)))
        });
        let (places, findings): (Vec<_>, Vec<_>) = findings.unzip();
        let mut result = result(POLICY, findings);
        for (judged, line) in result.findings.iter_mut().zip(places) {
            judged.asked = Some(Asked { written: written("poetry.lock", line), pin: None });
        }
        let read = annotations(&github(&report(vec![result])));
        assert_eq!(read.len(), 10, "with the verdict");
        assert_eq!(read[9].properties["title"], last);
    }
}

#[test]
fn long_annotations_are_cut_and_say_so() {
    for text in hostile().into_iter().chain(["😀".repeat(500), "%0A".repeat(500)]) {
        let findings = (0..300).map(|index| {
            let mut finding = finding(&format!("CVE-2024-{index}"), Severity::High, &text, index % 30, None);
            finding.layer.diff_id = Digest::of(&[u8::try_from(index % 30).unwrap()]);
            finding
        });
        let mut result = result(POLICY, findings.collect());
        result.image.platform.clone_from(&text);
        result.image.layers[1].written = Some(written(&text, 2));
        result.looked_at.skipped =
            vec![Skipped { name: text.clone(), what: text.clone(), why: text.clone() }; 100];
        let mut report = report(vec![result.clone(), result]);
        report.run.notes = vec![text; 100];
        let read = annotations(&github(&report));
        assert_eq!(read.iter().filter(|read| read.kind == "error").count(), 10);
        assert!(read[0].message.contains("\nand ") && read[0].message.ends_with(" more lines"), "{read:?}");
    }
}

#[test]
fn hostile_text_commands_no_runner() {
    let read = annotations(&github(&report(vec![hostile_result(), hostile_result()])));
    assert_eq!(read[0].properties["title"], "Stella: the gate failed");
}
