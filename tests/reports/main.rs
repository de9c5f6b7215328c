//! Every report, from results that hold what hostile images and feeds may hold.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod codequality;
mod dotenv;
mod fixes;
mod github;
mod gitlab;
mod junit;
mod markdown;
mod metrics;
mod sample;
mod sarif;
mod table;

use std::{fs, path::Path};

use serde_json::Value;
use stella::{
    finding::Confidence,
    inventory::Skipped,
    report::{Report, ScanResult},
};
use stella_test_support::JsonSchema;

use crate::{
    junit::junit,
    sample::{POLICY, hostile_result, plain_result, report, result},
    sarif::sarif,
    table::table,
};

#[test]
fn clean_and_not_looked_at_never_look_alike() {
    let clean = result(POLICY, vec![]);
    let verdict = |result: &ScanResult| {
        let text = table(&report(vec![result.clone()]), false, None);
        text.lines().find(|line| line.starts_with("verdict")).unwrap().to_owned()
    };
    let mut no_packages = clean.clone();
    no_packages.looked_at.packages.clear();
    let mut no_feeds = clean.clone();
    no_feeds.snapshot.feeds.clear();
    let mut skipped = clean.clone();
    skipped.looked_at.skipped =
        vec![Skipped { name: "foreign-layer".into(), what: "sha256:1".into(), why: "foreign".into() }];
    skipped.verdict.consider(&skipped.looked_at.skipped, &[]);
    let mut allowed = skipped.clone();
    allowed.verdict.outcome = clean.verdict.outcome;
    allowed.verdict.consider(&skipped.looked_at.skipped, &["foreign-layer".to_owned()]);
    let mut unpublished = clean.clone();
    unpublished.looked_at.skipped =
        vec![Skipped { name: "advisories:conda".into(), what: "4 packages".into(), why: "none".into() }];
    unpublished.verdict.consider(&unpublished.looked_at.skipped, &[]);
    let said = "verdict: PASS, but for packages that nobody publishes advisories of: ";
    assert!(verdict(&unpublished).starts_with(said));
    assert_eq!(verdict(&clean), "verdict: PASS: no advisory matches any of 123 packages");
    assert_eq!(verdict(&no_packages), "verdict: PASS: no packages were found, so nothing could be matched");
    assert_eq!(verdict(&no_feeds), "verdict: PASS: no advisories were at hand for 123 packages");
    assert!(verdict(&skipped).starts_with("verdict: UNFINISHED, AND NOT EVERYTHING WAS LOOKED AT: "));
    assert!(verdict(&allowed).starts_with("verdict: PASS, AND NOT EVERYTHING WAS LOOKED AT: "));

    let invocation = |result: ScanResult| sarif(&report(vec![result]))["runs"][0]["invocations"][0].clone();
    assert_eq!(invocation(clean.clone())["executionSuccessful"], true);
    assert_eq!(invocation(skipped.clone())["executionSuccessful"], false);
    assert_eq!(invocation(allowed.clone())["executionSuccessful"], true);
    assert_eq!(sarif(&report(vec![]))["runs"][0]["invocations"][0]["executionSuccessful"], false);

    assert!(junit(&report(vec![clean.clone()])).contains("tests=\"4\" errors=\"0\" failures=\"0\""));
    assert!(junit(&report(vec![skipped])).contains("tests=\"5\" errors=\"2\" failures=\"0\""));
    assert!(junit(&report(vec![allowed])).contains("tests=\"5\" errors=\"0\" failures=\"0\""));
    assert!(junit(&report(vec![])).contains("tests=\"1\" errors=\"1\" failures=\"0\""));

    let mut demo = clean;
    demo.snapshot.demo = true;
    assert!(table(&report(vec![demo.clone()]), false, Some(40)).contains("  DEMO SNAPSHOT: "));
    assert!(invocation(demo).to_string().contains("demo snapshot"));
}

#[test]
fn reports_are_valid_and_repeatable() {
    let report = report(vec![plain_result(), hostile_result()]);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let schema: Value =
        serde_json::from_slice(&fs::read(folder.join("schemas/report.schema.json")).unwrap()).unwrap();
    let mut json = Vec::new();
    stella::report::json::write(&report, &mut json).unwrap();
    assert!(json.ends_with(b"}\n"));
    let value: Value = serde_json::from_slice(&json).unwrap();
    let validator = JsonSchema::new(schema).unwrap();
    assert_eq!(validator.check(&value), Ok(()));
    assert_eq!(serde_json::from_value::<Report>(value).unwrap(), report);
    assert_eq!(junit(&report), junit(&report));
    assert_eq!(sarif(&report), sarif(&report));
    assert_eq!(table(&report, true, Some(100)), table(&report, true, Some(100)));
}

#[test]
fn whose_word_a_severity_is_and_that_it_is_a_guess_stand_beside_it() {
    let mut result = plain_result();
    for judged in &mut result.findings {
        judged.finding.severity_source = "debian".to_owned();
        judged.finding.confidence = Confidence::Low;
    }
    let report = report(vec![result]);
    let sarif = serde_json::to_string(&sarif(&report)).unwrap();
    let codequality = serde_json::to_string(&codequality::codequality(&report)).unwrap();
    let gitlab = serde_json::to_string(&gitlab::gitlab(&report)).unwrap();
    let mut github = Vec::new();
    stella::report::github::write(&report, &mut github).unwrap();
    let mut junit = Vec::new();
    stella::report::junit::write(&report, &mut junit).unwrap();
    for text in
        [sarif, codequality, gitlab, String::from_utf8(github).unwrap(), String::from_utf8(junit).unwrap()]
    {
        assert!(text.contains("critical by debian, low confidence"), "{text}");
    }
}
