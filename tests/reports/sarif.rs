//! SARIF.

use std::{fs, io::Read, path::Path};

use serde_json::Value;
use stella::{
    finding::Severity,
    inventory::Skipped,
    report::{Asked, Report, Written},
};
use stella_test_support::JsonSchema;

use crate::sample::{POLICY, finding, hostile_result, plain_result, report, result};

pub fn sarif(report: &Report) -> Value {
    let mut out = Vec::new();
    stella::report::sarif::write(report, stella::report::sarif::Options::default(), &mut out).unwrap();
    serde_json::from_slice(&out).unwrap()
}

#[test]
fn sarif_has_what_code_scanning_reads() {
    let log = sarif(&report(vec![plain_result(), plain_result()]));
    let run = &log["runs"][0];
    assert_eq!(run["automationDetails"]["id"], "stella/registry.example%3A5000/team/app/");
    let results = run["results"].as_array().unwrap();
    let ids: Vec<&str> = results.iter().map(|result| result["ruleId"].as_str().unwrap()).collect();
    // The waived finding is left out; two platforms with one finding have one result.
    assert_eq!(ids, ["CVE-2024-0001-openssl", "CVE-2024-0003-zlib", "PYSEC-2024-4-requests"]);
    let levels: Vec<_> = results.iter().map(|result| result["level"].as_str().unwrap()).collect();
    assert_eq!(levels, ["error", "warning", "note"]);
    let rule = &run["tool"]["driver"]["rules"][0];
    assert_eq!(rule["properties"]["security-severity"], "9.5");
    assert_eq!(rule["properties"]["tags"], serde_json::json!(["security", "critical", "cve-2024-0001"]));
    let place = &results[0]["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "registry.example%3A5000/team/app/var/lib/dpkg/status");
    assert_eq!(
        place["region"],
        serde_json::json!({ "startLine": 1, "startColumn": 1, "endLine": 1, "endColumn": 1 })
    );
    assert_eq!(
        results[0]["message"]["text"],
        "openssl 1.0-1 has CVE-2024-0001 (critical). Fails the gate by rule severe. Build on a newer base image, with openssl 1.1-1. \
         Found in var/lib/dpkg/status. Layer 0: ADD rootfs.tar /"
    );
    let said = |index: usize| results[index]["message"]["text"].as_str().unwrap();
    assert!(
        said(1).starts_with("zlib 1.0-1 has CVE-2024-0003 (medium). Warns by rule rest. No fixed"),
        "{}",
        said(1)
    );
    assert!(said(2).starts_with("requests 1.0-1 has PYSEC-2024-4 (low). Update requests"), "{}", said(2));
    let page = "https://www.cve.org/CVERecord?id=CVE-2024-0001";
    assert_eq!(rule["helpUri"], page);
    assert_eq!(rule["help"]["text"], "Build on a newer base image, with openssl 1.1-1.");
    assert_eq!(
        rule["help"]["markdown"],
        format!("Build on a newer base image, with openssl `1.1-1`.\n\nAdvisory: [`CVE-2024-0001`]({page})")
    );
}

#[test]
fn sarif_has_the_notes_of_the_run() {
    let mut report = report(vec![plain_result()]);
    report.run.notes = (0..102).map(|index| format!("note {index}")).collect();
    let log = sarif(&report);
    let said = log["runs"][0]["invocations"][0]["toolExecutionNotifications"].as_array().unwrap();
    let notes: Vec<&Value> = said.iter().filter(|said| said["descriptor"]["id"] == "note").collect();
    assert_eq!(notes.len(), 101);
    assert!(notes.iter().all(|note| note["level"] == "note"));
    assert_eq!(notes[0]["message"]["text"], "note 0");
    assert_eq!(notes[100]["message"]["text"], "2 more notes");
}

#[test]
fn sarif_is_placed_where_the_layer_is_written() {
    let mut result = plain_result();
    let written = Written {
        file: "service/Dockerfile".to_owned(),
        line: 3,
        last_line: 5,
        line_hash: "c129715d7a2bc9a3:1".to_owned(),
    };
    for layer in &mut result.image.layers {
        layer.written = Some(written.clone());
    }
    let log = sarif(&report(vec![result]));
    for result in log["runs"][0]["results"].as_array().unwrap() {
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "service/Dockerfile");
        assert_eq!((&place["region"]["startLine"], &place["region"]["endLine"]), (&3.into(), &3.into()));
        assert_eq!(result["partialFingerprints"]["primaryLocationLineHash"], "c129715d7a2bc9a3:1");
    }
}

#[test]
fn sarif_says_what_the_checkout_says() {
    let pin = |version: &str| format!("urllib3[secure]=={version}");
    let mut result = result(POLICY, vec![finding("OWN-1", Severity::High, "urllib3", 1, Some("1.24"))]);
    "1.23".clone_into(&mut result.findings[0].finding.package.version);
    result.findings[0].asked = Some(Asked {
        written: Written {
            file: "Dockerfile".to_owned(),
            line: 3,
            last_line: 3,
            line_hash: "0:1".to_owned(),
        },
        pin: Some(pin("1.23")),
    });
    let log = sarif(&report(vec![result]));
    let text = log["runs"][0]["results"][0]["message"]["text"].as_str().unwrap();
    let fix = format!("Change {} to {} in Dockerfile:3.", pin("1.23"), pin("1.24"));
    assert!(text.contains(&fix), "{text}");
    let rule = &log["runs"][0]["tool"]["driver"]["rules"][0];
    assert_eq!(rule["help"]["text"], fix);
    assert_eq!(rule.get("helpUri"), None, "nobody is known to publish it");
}

/// GitLab weighs a file as it is, GitHub in gzip.
#[test]
fn no_texts_make_sarif_too_large() {
    for text in ["word ", "\"", "](##"] {
        let long = text.repeat(1_200);
        let mut result = result(POLICY, vec![finding("CVE-1", Severity::High, "a", 1, None); 3_000]);
        for (index, judged) in result.findings.iter_mut().enumerate() {
            judged.finding.id = format!("CVE-2024-{index}");
            judged.finding.summary.clone_from(&long);
            judged.finding.paths = vec![format!("{index}/{long}")];
            judged.finding.layer.instruction.clone_from(&long);
        }
        let gap = |index| Skipped { name: format!("{index}"), what: long.clone(), why: long.clone() };
        result.looked_at.skipped = (0..200).map(gap).collect();
        result.image.reference.clone_from(&long);
        let mut others = result.clone();
        others.findings.clear();
        let mut results = vec![others; 149];
        results.push(result);
        let mut out = Vec::new();
        let options = stella::report::sarif::Options::default();
        stella::report::sarif::write(&report(results), options, &mut out).unwrap();
        assert!((9_000_000..10_000_000).contains(&out.len()), "{}: {text:?}", out.len());
        let log: Value = serde_json::from_slice(&out).unwrap();
        let run = &log["runs"][0];
        let listed = run["results"].as_array().unwrap().len();
        let said = run["invocations"][0]["toolExecutionNotifications"].to_string();
        assert!(said.contains(&format!("3000 results were found; the {listed} most severe are listed")));
        assert_eq!(run["tool"]["driver"]["rules"].as_array().unwrap().len(), listed);
        assert_eq!(run["properties"]["images"].as_array().unwrap().len(), 100);
        assert_eq!(run["properties"]["moreImages"], 50);
    }
}

#[test]
fn sarif_cuts_a_path_before_it_is_encoded() {
    let mut result = plain_result();
    for judged in &mut result.findings {
        judged.finding.paths = vec!["é/".repeat(50_000)];
    }
    let log = sarif(&report(vec![result]));
    for result in log["runs"][0]["results"].as_array().unwrap() {
        let uri = &result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
        let uri = uri.as_str().unwrap();
        assert!(uri.ends_with("/%C3%A9/%E2%80%A6") || uri.ends_with("/%C3%A9%E2%80%A6"), "{uri}");
        assert!(uri.len() < 7 * 1_024, "{}", uri.len());
    }
}

#[test]
fn sarif_keeps_the_limits_of_the_platforms() {
    let mut findings: Vec<_> =
        (0..5_001).map(|index| finding(&format!("CVE-2024-{index}"), Severity::Low, "a", 0, None)).collect();
    findings.push(finding("CVE-2023-1", Severity::Critical, "b", 0, None));
    let log = sarif(&report(vec![result(POLICY, findings), hostile_result()]));
    let run = &log["runs"][0];
    assert_eq!(run["results"].as_array().unwrap().len(), 5_000);
    assert_eq!(run["results"][0]["level"], "error");
    let notifications = run["invocations"][0]["toolExecutionNotifications"].to_string();
    assert!(notifications.contains("the 5000 most severe are listed"), "{notifications}");
    for rule in run["tool"]["driver"]["rules"].as_array().unwrap() {
        assert!(rule["id"].as_str().unwrap().chars().count() <= 255);
        assert!(rule["properties"]["tags"].as_array().unwrap().len() <= 10);
        for text in ["shortDescription", "fullDescription", "help"] {
            text_is_fine(&rule[text]["text"]);
        }
    }
    for result in run["results"].as_array().unwrap() {
        text_is_fine(&result["message"]["text"]);
        let uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].as_str().unwrap();
        assert!(!uri.starts_with('/') && !uri.contains("..") && !uri.contains(':'), "{uri}");
        let rule =
            &run["tool"]["driver"]["rules"][usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
        assert_eq!(rule["id"], result["ruleId"]);
    }
}

fn text_is_fine(text: &Value) {
    let text = text.as_str().unwrap();
    assert!(!text.is_empty() && text.chars().count() <= 1_024, "{text}");
    assert!(!text.contains("](") && !text.chars().any(char::is_control), "{text}");
}

#[test]
fn sarif_is_valid_by_the_standards_schema() {
    let shared = std::env::var_os("STELLA_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        |shared| Path::new(&shared).to_owned(),
    );
    let suite = shared.join("suites/schemas.tar.zst");
    let Ok(file) = fs::File::open(&suite) else {
        println!("skipped: {} is not there", suite.display());
        return;
    };
    let mut archive = tar::Archive::new(zstd::Decoder::new(file).unwrap());
    let mut schema = String::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.path().unwrap().ends_with("sarif/sarif-2.1.0.json") {
            entry.read_to_string(&mut schema).unwrap();
        }
    }
    let validator = JsonSchema::new(serde_json::from_str(&schema).unwrap()).unwrap();
    for results in [vec![], vec![plain_result()], vec![hostile_result(), plain_result()]] {
        assert_eq!(validator.check(&sarif(&report(results))), Ok(()));
    }
}
