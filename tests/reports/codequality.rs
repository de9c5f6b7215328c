//! Code Quality.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use stella::{
    finding::Severity,
    inventory::Skipped,
    report::{Asked, Report, ScanResult, Written},
};

use crate::sample::{POLICY, finding, hostile_result, plain_result, report, result};

pub fn codequality(report: &Report) -> Vec<Value> {
    let mut out = Vec::new();
    stella::report::codequality::write(report, &mut out).unwrap();
    // A byte order mark is refused.
    assert_eq!(out[0], b'[');
    assert!(out.len() < 12_000_000, "{}", out.len());
    let entries: Vec<Value> = serde_json::from_slice(&out).unwrap();
    let mut fingerprints = BTreeSet::new();
    for entry in &entries {
        let text = |value: &Value, limit: usize| {
            let text = value.as_str().unwrap();
            assert!(!text.is_empty() && text.chars().count() <= limit, "{text}");
            assert!(!text.contains(|c: char| c.is_control() || "<>`".contains(c)), "{text}");
            assert!(!text.contains("](") && !text.contains("]:"), "{text}");
        };
        text(&entry["description"], 1_024);
        text(&entry["check_name"], 255);
        assert!(
            ["info", "minor", "major", "critical", "blocker"].contains(&entry["severity"].as_str().unwrap())
        );
        assert!(fingerprints.insert(entry["fingerprint"].as_str().unwrap()), "{entry}");
        let path = entry["location"]["path"].as_str().unwrap();
        assert!(path.split('/').all(|part| !["", ".", ".."].contains(&part)), "{path}");
        assert!(path.chars().count() <= 1_024 && !path.contains(char::is_control));
        assert!(entry["location"]["lines"]["begin"].as_u64().unwrap() > 0);
    }
    entries
}

fn at(file: &str, line: usize) -> Option<Written> {
    Some(Written { file: file.to_owned(), line, last_line: line, line_hash: "c129715d7a2bc9a3:1".to_owned() })
}

#[test]
fn codequality_has_what_a_merge_request_shows() {
    let mut result = plain_result();
    result.image.layers[1].written = at("service/Dockerfile", 3);
    let entries = codequality(&report(vec![result.clone(), result]));
    let what = |entry: &Value| {
        let location = &entry["location"];
        format!(
            "{} {} {}:{}",
            entry["severity"].as_str().unwrap(),
            entry["check_name"].as_str().unwrap(),
            location["path"].as_str().unwrap(),
            location["lines"]["begin"]
        )
    };
    // Worst first, the waived one left out; two platforms with one finding have one entry.
    assert_eq!(
        entries.iter().map(what).collect::<Vec<_>>(),
        [
            "blocker CVE-2024-0001-openssl registry.example:5000/team/app/var/lib/dpkg/status:1",
            "major CVE-2024-0003-zlib registry.example:5000/team/app/var/lib/dpkg/status:1",
            "minor PYSEC-2024-4-requests service/Dockerfile:3",
        ]
    );
    assert_eq!(
        entries[2]["description"],
        "requests 1.0-1 has PYSEC-2024-4 (low). Update requests to 2.0, which service/Dockerfile:3 brings. \
         Found in var/lib/dpkg/status. Layer 1: COPY . /app (advisory: https://osv.dev/vulnerability/PYSEC-2024-4)"
    );
    let said = entries[0]["description"].as_str().unwrap();
    assert!(
        said.starts_with("openssl 1.0-1 has CVE-2024-0001 (critical). Fails the gate by rule severe. "),
        "{said}"
    );
    codequality(&report(vec![hostile_result(), plain_result()]));
}

#[test]
fn codequality_has_an_entry_for_each_lock_file() {
    let lock_files = |count: usize| {
        let mut result = result(POLICY, vec![finding("CVE-2024-1", Severity::High, "curl", 1, Some("2.0"))]);
        let found: Vec<_> =
            (0..count).filter_map(|index| at(&format!("{index}/go.mod"), index + 3)).collect();
        result.findings[0].asked = found.first().cloned().map(|written| Asked { written, pin: None });
        result.findings[0].found = found;
        let entries = codequality(&report(vec![result.clone(), result]));
        let place = |entry: &Value| {
            let location = &entry["location"];
            format!("{}:{}", location["path"].as_str().unwrap(), location["lines"]["begin"])
        };
        (
            entries.iter().map(place).collect::<Vec<_>>(),
            entries[0]["description"].as_str().unwrap().to_owned(),
        )
    };
    let (places, said) = lock_files(1);
    assert_eq!(places, ["0/go.mod:3"]);
    assert!(said.contains("Update curl to 2.0 in 0/go.mod:3."), "{said}");
    let (places, said) = lock_files(2);
    assert_eq!(places, ["0/go.mod:3", "1/go.mod:4"]);
    assert!(said.contains("Update curl to 2.0 in 0/go.mod:3, 1/go.mod:4."), "{said}");
    let (places, said) = lock_files(7);
    assert_eq!(places.len(), 7);
    assert!(said.contains("4/go.mod:7 and 2 more lines."), "{said}");
}

#[test]
fn codequality_knows_a_finding_again() {
    let build = |reference: &str, lines: [usize; 2]| {
        let of = |layer| finding("CVE-2024-1", Severity::High, "curl", layer, None);
        let mut result = result(POLICY, vec![of(0), of(1)]);
        reference.clone_into(&mut result.image.reference);
        for (layer, line) in result.image.layers.iter_mut().zip(lines) {
            layer.written = at("Dockerfile", line);
        }
        let entries = codequality(&report(vec![result]));
        let one = |entry: &Value| (entry["location"]["lines"]["begin"].clone(), entry["fingerprint"].clone());
        entries.iter().map(one).collect::<Vec<_>>()
    };
    let before = build("app:1.0.0", [1, 4]);
    let after = build("app:1.1.0", [11, 14]);
    assert_eq!(before.iter().map(|each| &each.0).collect::<Vec<_>>(), [&json!(1), &json!(4)]);
    assert_eq!(after.iter().map(|each| &each.0).collect::<Vec<_>>(), [&json!(11), &json!(14)]);
    assert_eq!(
        before.iter().map(|each| &each.1).collect::<Vec<_>>(),
        after.iter().map(|each| &each.1).collect::<Vec<_>>()
    );
}

#[test]
fn codequality_knows_a_finding_again_where_its_file_is_none_of_the_checkout() {
    let entries = |name: &str, paths: &[&str]| {
        let of = |path: &&str| {
            let mut finding = finding("CVE-2024-1", Severity::High, "log4j-core", 1, None);
            finding.paths = vec![(*path).to_owned()];
            finding
        };
        let mut result = result(POLICY, paths.iter().map(of).collect());
        name.clone_into(&mut result.image.reference);
        codequality(&report(vec![result]))
    };
    let told = |entries: &[Value]| {
        let one = |entry: &Value| (entry["fingerprint"].clone(), entry["location"]["path"].clone());
        entries.iter().map(one).collect::<Vec<_>>()
    };
    let before = entries("docker:app:41", &["opt/app-41.jar", "opt/tool-1.0-beta-2.jar"]);
    let after = entries("docker:app:42", &["opt/app-42.jar", "opt/tool-1.0.jar"]);
    assert_eq!(told(&before), told(&after));
    // Where it stands does not name it.
    let moved = entries("docker:app:42", &["srv/app.jar", "srv/tool.jar"]);
    let fingerprints = |entries: &[Value]| told(entries).into_iter().map(|one| one.0).collect::<Vec<_>>();
    assert_eq!(fingerprints(&moved), fingerprints(&before));
    // Nor which of its files the next build has no more.
    let fewer = entries("docker:app:42", &["opt/tool-1.0.jar"]);
    assert_eq!(fingerprints(&fewer), fingerprints(&before)[..1]);
    assert_ne!(fingerprints(&entries("docker:api:1", &["opt/app-41.jar"])), fingerprints(&fewer));
    // Files that only a version tells apart are one entry, which names both.
    let both = entries("docker:app:42", &["opt/app-41.jar", "opt/app-42.jar"]);
    assert_eq!(both.len(), 1);
    let said = both[0]["description"].as_str().unwrap();
    assert!(said.contains("Found in opt/app-41.jar, opt/app-42.jar."), "{said}");
}

#[test]
fn codequality_counts_files_of_the_checkout_apart_from_others() {
    // In the image `Dockerfile` the file that has no place is shown where the checkout has one.
    let mut findings: Vec<_> =
        (0..4).map(|layer| finding("CVE-2024-1", Severity::High, "curl", layer % 2, None)).collect();
    findings[0].paths = Vec::new();
    findings[2].paths = vec!["a".to_owned()];
    let mut result = result(POLICY, findings);
    result.image.reference = "docker:Dockerfile:1".to_owned();
    result.image.layers[1].written = at("Dockerfile", 1);
    assert_eq!(codequality(&report(vec![result.clone()])).len(), 3);
    result.image.layers[0].written = at("Dockerfile", 3);
    assert_eq!(codequality(&report(vec![result])).len(), 2);
}

#[test]
fn codequality_never_looks_clean_where_nobody_looked() {
    let entries = |result: ScanResult| {
        let entries = codequality(&report(vec![result])).into_iter();
        entries.map(|entry| (entry["severity"].clone(), entry["description"].clone())).collect::<Vec<_>>()
    };
    let clean = result(POLICY, vec![]);
    assert!(entries(clean.clone()).is_empty());
    let mut skipped = clean.clone();
    let skip =
        |what: &str| Skipped { name: "foreign-layer".into(), what: what.into(), why: "foreign".into() };
    skipped.looked_at.skipped = vec![skip("sha256:1")];
    let text = json!("Stella: not looked at: sha256:1: foreign");
    assert_eq!(entries(skipped.clone()), [(json!("blocker"), text.clone())]);
    skipped.verdict.allowed = vec!["foreign-layer".to_owned()];
    assert_eq!(entries(skipped.clone()), [(json!("info"), text)]);
    skipped.looked_at.skipped = (0..150).map(|index| skip(&index.to_string())).collect();
    assert_eq!(entries(skipped).last().unwrap().1, "Stella: not looked at: 50 more things");
    let mut empty = clean;
    empty.looked_at.packages.clear();
    assert_eq!(entries(empty)[0].0, "major");
    assert_eq!(codequality(&report(vec![]))[0]["severity"], "blocker");
}

#[test]
fn codequality_keeps_within_limits() {
    let mut findings: Vec<_> =
        (0..30_000).map(|index| finding(&format!("CVE-2024-{index}"), Severity::Low, "a", 0, None)).collect();
    findings.push(finding("CVE-2023-1", Severity::Critical, "b", 0, None));
    let entries = codequality(&report(vec![result(POLICY, findings)]));
    assert_eq!(entries.len(), 5_001);
    let text = "Stella: 30,001 problems were found; only the 5000 most severe are listed";
    assert_eq!(entries[5_000]["description"], text);
    assert_eq!(entries[0]["check_name"], "CVE-2023-1-b");
}
