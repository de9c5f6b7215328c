//! GitLab's container-scanning report.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use stella::{
    digest::Digest,
    finding::Severity,
    inventory::Skipped,
    report::{
        Report, ScanResult, Stopped, Written,
        gitlab::{Version, write},
    },
};
use stella_test_support::JsonSchema;

use crate::sample::{POLICY, finding, hostile, hostile_result, plain_result, report, result};

pub fn gitlab(report: &Report) -> Value {
    serde_json::from_slice(&bytes(report, Version::V15_1)).unwrap()
}

fn bytes(report: &Report, version: Version) -> Vec<u8> {
    let mut out = Vec::new();
    write(report, version, &mut out).unwrap();
    out
}

/// What GitLab's schemas ask of the fields that are written, in all three versions the same.
fn schema() -> JsonSchema {
    let text = |limit: usize| json!({ "type": "string", "minLength": 1, "maxLength": limit });
    let url = json!({ "type": "string", "pattern": "^https?://.+", "maxLength": 2048 });
    let moment = json!({ "type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}$" });
    // Every field is asked for and no other allowed, so that each has its rule here.
    let object = |fields: &[(&str, Value)], optional: &[&str]| {
        let required: Vec<&str> =
            fields.iter().map(|(name, _)| *name).filter(|name| !optional.contains(name)).collect();
        let properties: serde_json::Map<_, _> =
            fields.iter().map(|(name, rule)| ((*name).to_owned(), rule.clone())).collect();
        json!({ "type": "object", "required": required, "properties": properties, "additionalProperties": false })
    };
    let tool = object(
        &[
            ("id", text(255)),
            ("name", text(255)),
            ("version", text(255)),
            ("vendor", object(&[("name", text(255))], &[])),
        ],
        &[],
    );
    let message =
        object(&[("level", json!({ "enum": ["info", "warn", "fatal"] })), ("value", text(5_000))], &[]);
    let scan = object(
        &[
            ("analyzer", tool.clone()),
            ("scanner", tool),
            ("type", json!({ "const": "container_scanning" })),
            ("start_time", moment.clone()),
            ("end_time", moment),
            ("status", json!({ "enum": ["success", "failure"] })),
            ("messages", json!({ "type": "array", "items": message })),
        ],
        &[],
    );
    let identifier = object(
        &[("type", text(255)), ("name", text(255)), ("value", text(255)), ("url", url.clone())],
        &["url"],
    );
    let package = object(&[("name", text(255))], &[]);
    let dependency = object(&[("package", package), ("version", json!({ "type": "string" }))], &[]);
    let line = json!({ "type": "integer", "minimum": 1 });
    let detail = json!({ "oneOf": [
        object(&[("type", json!({ "const": "text" })), ("name", text(255)), ("value", text(5_000))], &[]),
        object(
            &[
                ("type", json!({ "const": "file-location" })),
                ("name", text(255)),
                ("file_name", text(5_000)),
                ("line_start", line),
            ],
            &[],
        ),
    ] });
    let vulnerability = object(
        &[
            ("id", json!({ "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$" })),
            ("name", text(255)),
            ("description", text(1_048_576)),
            ("severity", json!({ "enum": ["Info", "Unknown", "Low", "Medium", "High", "Critical"] })),
            ("solution", text(7_000)),
            ("identifiers", json!({ "type": "array", "minItems": 1, "maxItems": 20, "items": identifier })),
            ("links", json!({ "type": "array", "items": object(&[("url", url)], &[]) })),
            (
                "location",
                object(
                    &[("dependency", dependency), ("operating_system", text(255)), ("image", text(2_048))],
                    &[],
                ),
            ),
            ("details", json!({ "type": "object", "additionalProperties": detail })),
        ],
        &[],
    );
    let report = object(
        &[
            ("version", json!({ "pattern": r"^[0-9]+\.[0-9]+\.[0-9]+$" })),
            ("scan", scan),
            ("vulnerabilities", json!({ "type": "array", "maxItems": 5_000, "items": vulnerability })),
        ],
        &[],
    );
    JsonSchema::new(report).unwrap()
}

fn vulnerabilities(value: &Value) -> &Vec<Value> {
    value["vulnerabilities"].as_array().unwrap()
}

fn messages(value: &Value) -> Vec<(&str, &str)> {
    let messages = value["scan"]["messages"].as_array().unwrap();
    messages.iter().map(|each| (each["level"].as_str().unwrap(), each["value"].as_str().unwrap())).collect()
}

#[test]
fn gitlab_has_what_its_vulnerability_report_shows() {
    let mut result = plain_result();
    result.findings[0].finding.aliases = vec!["DSA-1-1".to_owned(), "OTHER-1".to_owned()];
    result.findings[0].finding.summary = "a <b>flaw</b>".to_owned();
    result.image.layers[0].written = Some(Written {
        file: "service/Dockerfile".to_owned(),
        line: 3,
        last_line: 5,
        line_hash: "c129715d7a2bc9a3:1".to_owned(),
    });
    let mut arm = result.clone();
    arm.image.platform = "linux/arm64".to_owned();
    arm.findings[0].finding.package.version = "0.9-1".to_owned();
    let report = report(vec![result, arm]);
    let value = gitlab(&report);
    let tool =
        json!({ "id": "stella", "name": "Stella", "version": "0.1.0", "vendor": { "name": "Stella" } });
    assert_eq!(
        value["scan"],
        json!({
            "analyzer": tool, "scanner": tool, "type": "container_scanning", "status": "success",
            "start_time": "2026-06-15T12:00:00", "end_time": "2026-06-15T12:00:00",
            "messages": [{ "level": "info", "value": "2 findings left out: the policy ignores them" }],
        })
    );
    let names: Vec<_> = vulnerabilities(&value).iter().map(|each| each["name"].as_str().unwrap()).collect();
    // Worst first; two platforms with one finding have one vulnerability; the waived one is left out.
    assert_eq!(names, ["CVE-2024-0001 in openssl", "CVE-2024-0003 in zlib", "PYSEC-2024-4 in requests"]);
    let mut first = vulnerabilities(&value)[0].clone();
    first.as_object_mut().unwrap().remove("id");
    let image = format!("registry.example:5000/team/app@{}", Digest::of(b"manifest"));
    let cve = "https://www.cve.org/CVERecord?id=CVE-2024-0001";
    let dsa = "https://security-tracker.debian.org/tracker/DSA-1-1";
    assert_eq!(
        first,
        json!({
            "name": "CVE-2024-0001 in openssl",
            "description": "a \\<b\\>flaw\\</b\\>",
            "severity": "Critical",
            "solution": "Build on a newer base image (service/Dockerfile\\:3), with openssl 1.1-1.",
            "identifiers": [
                { "type": "cve", "name": "CVE-2024-0001", "value": "CVE-2024-0001", "url": cve },
                { "type": "dsa", "name": "DSA-1-1", "value": "DSA-1-1", "url": dsa },
                { "type": "stella", "name": "OTHER-1", "value": "OTHER-1" },
            ],
            "links": [{ "url": cve }, { "url": dsa }],
            "location": {
                "dependency": { "package": { "name": "openssl" }, "version": "0.9-1, 1.0-1" },
                "operating_system": "debian 12",
                "image": image,
            },
            "details": {
                "decision": { "type": "text", "name": "Policy", "value": "Fails the gate by rule severe." },
                "files": { "type": "text", "name": "Found in", "value": "var/lib/dpkg/status" },
                "image": {
                    "type": "text",
                    "name": "Image as named",
                    "value": "docker:registry.example:5000/team/app:ci (linux/amd64, linux/arm64)",
                },
                "instruction": { "type": "text", "name": "Layer made by", "value": "ADD rootfs.tar /" },
                "line": {
                    "type": "file-location", "name": "Comes in by", "file_name": "service/Dockerfile", "line_start": 3,
                },
            },
        })
    );
}

#[test]
fn gitlab_is_valid_by_its_schema() {
    let schema = schema();
    let versions = [(Version::V15_0, "15.0.7"), (Version::V15_1, "15.1.0"), (Version::V15_2, "15.2.0")];
    for results in [vec![], vec![plain_result()], vec![hostile_result(), plain_result()]] {
        let report = report(results);
        for (version, name) in versions {
            let bytes = bytes(&report, version);
            let value: Value = serde_json::from_slice(&bytes).unwrap();
            assert_eq!(schema.check(&value), Ok(()));
            assert_eq!(value["version"], name);
            let ids: BTreeSet<_> = vulnerabilities(&value).iter().map(|each| each["id"].as_str()).collect();
            assert_eq!(ids.len(), vulnerabilities(&value).len());
            let text = String::from_utf8(bytes).unwrap();
            assert!(!text.contains(|c: char| c.is_control() && c != '\n') && !text.contains("\n::"));
        }
    }
}

/// What GitLab knows a vulnerability by: its first identifier, and of its place the package and what of the image stands
/// before the last colon; a tag that looks like a version belongs to it.
fn known_by(value: &Value) -> BTreeSet<[String; 4]> {
    let one = |each: &Value| {
        let image = each["location"]["image"].as_str().unwrap().rsplit_once(':').unwrap();
        assert!(image.1.len() == 64, "a digest is no version");
        let identifier = &each["identifiers"][0];
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        [
            text(&each["id"]),
            text(&identifier["type"]) + &text(&identifier["value"]),
            text(&each["location"]["dependency"]["package"]["name"]),
            image.0.to_owned(),
        ]
    };
    vulnerabilities(value).iter().map(one).collect()
}

#[test]
fn gitlab_knows_a_vulnerability_again() {
    let before = plain_result();
    let mut after = before.clone();
    "registry.example:5000/team/app:2.1.0".clone_into(&mut after.image.reference);
    after.image.digest = Digest::of(b"another manifest");
    for (index, judged) in after.findings.iter_mut().enumerate() {
        judged.finding.layer.index = index;
        judged.finding.package.version.push_str(".1");
    }
    assert_eq!(known_by(&gitlab(&report(vec![before]))), known_by(&gitlab(&report(vec![after]))));
}

#[test]
fn gitlab_loses_no_vulnerability_to_a_shared_name() {
    let named = |id, package, aliases: &[&str]| {
        let mut finding = finding(id, Severity::High, package, 0, None);
        finding.aliases = aliases.iter().map(|alias| (*alias).to_owned()).collect();
        finding
    };
    let findings = vec![
        named("CVE-1-1", "curl", &["CVE-1-2", "DSA-1"]),
        named("CVE-1-2", "curl", &["DSA-1", "GHSA-2"]),
        named("CVE-1-1", "wget", &["DSA-1"]),
    ];
    let value = gitlab(&report(vec![result(POLICY, findings)]));
    let identifiers = |each: &Value| {
        let all = each["identifiers"].as_array().unwrap().iter();
        all.map(|each| each["value"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let all: Vec<_> = vulnerabilities(&value).iter().map(identifiers).collect();
    assert_eq!(all, [vec!["CVE-1-1"], vec!["CVE-1-2", "GHSA-2"], vec!["CVE-1-1", "DSA-1"]]);
    assert_eq!(vulnerabilities(&value)[0]["details"]["also"]["value"], "CVE-1-2, DSA-1");
}

#[test]
fn gitlab_says_what_was_not_looked_at() {
    let looked = |result: ScanResult| {
        let value = gitlab(&report(vec![result]));
        let messages =
            messages(&value).iter().map(|(level, text)| format!("{level}: {text}")).collect::<Vec<_>>();
        (value["scan"]["status"].as_str().unwrap().to_owned(), messages.join("\n"))
    };
    let clean = result(POLICY, vec![]);
    assert_eq!(looked(clean.clone()), ("success".to_owned(), String::new()));
    let mut skipped = clean.clone();
    skipped.looked_at.skipped =
        vec![Skipped { name: "foreign-layer".into(), what: "sha256:1".into(), why: "foreign".into() }];
    let text = "not looked at: sha256:1: foreign";
    assert_eq!(looked(skipped.clone()), ("failure".to_owned(), format!("warn: {text}")));
    skipped.verdict.allowed = vec!["foreign-layer".to_owned()];
    assert_eq!(looked(skipped), ("success".to_owned(), format!("info: {text}")));
    let mut demo = clean;
    demo.snapshot.demo = true;
    demo.looked_at.packages.clear();
    assert_eq!(looked(demo).1.lines().filter(|line| line.starts_with("warn: ")).count(), 2);
    let mut stopped = report(vec![]);
    let why = "no advisories at hand";
    let now = "2026-06-15T12:00:00Z";
    stopped.stopped = Some(Stopped { image: "app:1".into(), now: now.into(), why: why.into() });
    stopped.run.notes = vec!["the server was down".to_owned(); 101];
    let stopped = gitlab(&stopped);
    assert_eq!(stopped["scan"]["start_time"], "2026-06-15T12:00:00");
    let said = messages(&stopped);
    assert_eq!(
        (said[0], said[100], said[101]),
        (("fatal", why), ("info", "the server was down"), ("info", "1 more note"))
    );
    let none = gitlab(&report(vec![]));
    assert_eq!(
        (&none["scan"]["status"], messages(&none)),
        (&json!("failure"), vec![("fatal", "no image was looked at")])
    );
}

#[test]
fn gitlab_keeps_within_limits() {
    // In the order of the report.
    let id = |index| format!("CVE-2024-{index:05}");
    let mut findings: Vec<_> =
        (0..30_000).map(|index| finding(&id(index), Severity::Low, "a", 0, None)).collect();
    findings.push(finding("CVE-2023-1", Severity::Critical, "b", 0, None));
    let value = gitlab(&report(vec![result(POLICY, findings.clone())]));
    assert_eq!(vulnerabilities(&value).len(), 5_000);
    assert_eq!(vulnerabilities(&value)[0]["severity"], "Critical");
    assert_eq!(
        messages(&value),
        [("warn", "only 5000 of 30001 vulnerabilities are listed, the most severe")]
    );
    // Long texts: fewer fit.
    for (index, finding) in findings.iter_mut().enumerate().take(10_000) {
        finding.summary = hostile()[index % 6].clone() + &"#".repeat(5_000);
        finding.paths = vec![finding.summary.clone()];
    }
    let bytes = bytes(&report(vec![result(POLICY, findings)]), Version::V15_1);
    assert!((8_000_000..12_000_000).contains(&bytes.len()), "{}", bytes.len());
    let value: Value = serde_json::from_slice(&bytes).unwrap();
    let listed = vulnerabilities(&value).len();
    assert!((100..5_000).contains(&listed));
    assert!(messages(&value)[0].1.starts_with(&format!("only {listed} of 30001 ")));
}
