//! Every report, from results that hold what hostile images and feeds may hold.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, fs, io::Read, path::Path};

use serde_json::Value;
use stella::{
    digest::Digest,
    finding::{Finding, FindingLayer, FindingPackage, Severity, Status},
    inventory::Skipped,
    package::Ecosystem,
    policy::{self, Class, Policy},
    report::{self, FeedRef, ImageRef, LayerRef, LookedAt, Os, Report, Run, SCHEMA, ScanResult, SnapshotRef},
};

/// What a terminal, XML, SARIF or a log might trip over.
fn hostile() -> [String; 6] {
    [
        "\u{1b}[2J\u{1b}]0;title\u{7}\u{9b}31m".to_owned(),
        "]]><evil a=\"'&\"/><![CDATA[".to_owned(),
        (0..32).map(char::from).collect::<String>() + "\u{7f}\u{85}\u{fffe}\u{ffff}",
        "long ".repeat(20_000),
        "😀 日本語 [click](https://evil.example) {0} %s %n".to_owned(),
        "\u{202e}gnp.exe\u{2066} שלום \u{feff}\r\n::error::injected".to_owned(),
    ]
}

fn finding(id: &str, severity: Severity, package: &str, layer: usize, fixed_in: Option<&str>) -> Finding {
    Finding {
        id: id.to_owned(),
        aliases: vec![],
        severity,
        summary: format!("a flaw in {package}"),
        package: FindingPackage {
            name: package.to_owned(),
            version: "1.0-1".to_owned(),
            ecosystem: Ecosystem::Deb,
            purl: format!("pkg:deb/debian/{package}@1.0-1"),
        },
        fixed_in: fixed_in.map(str::to_owned),
        status: if fixed_in.is_some() { Status::Fixed } else { Status::Affected },
        layer: FindingLayer {
            index: layer,
            diff_id: Digest::of(&[u8::try_from(layer).unwrap()]),
            instruction: ["ADD rootfs.tar /", "COPY . /app"][layer.min(1)].to_owned(),
            base: Some(layer == 0),
        },
        paths: vec!["var/lib/dpkg/status".to_owned()],
    }
}

fn result(policy: &str, findings: Vec<Finding>) -> ScanResult {
    let policies = [Policy::parse("policy.yaml", policy).unwrap()];
    let (findings, verdict) =
        policy::evaluate(&policies, findings, jiff::civil::date(2026, 6, 15), Class::Trusted);
    ScanResult {
        engine: "0.1.0".to_owned(),
        now: "2026-06-15T12:00:00Z".to_owned(),
        image: ImageRef {
            reference: "docker:registry.example:5000/team/app:ci".to_owned(),
            digest: Digest::of(b"manifest"),
            config_digest: Digest::of(b"config"),
            platform: "linux/amd64".to_owned(),
            base: None,
            layers: vec![LayerRef { diff_id: Digest::of(b"\0"), instruction: "ADD rootfs.tar /".to_owned(), written: None }],
        },
        snapshot: SnapshotRef {
            id: Digest::of(b"snapshot"),
            demo: false,
            feeds: vec![FeedRef {
                name: "Debian:12".to_owned(),
                records: 12_345,
                as_of: "2026-06-14T00:00:00Z".to_owned(),
            }],
        },
        looked_at: LookedAt {
            layers: 2,
            files: 3_456,
            bytes: 120_300_000,
            os: Some(Os { id: "debian".to_owned(), version: "12".to_owned(), end_of_life: Some(false) }),
            packages: BTreeMap::from([("deb".to_owned(), 119), ("pypi".to_owned(), 4)]),
            lock_files: Vec::new(),
            inventory: None,
            skipped: vec![],
        },
        findings,
        verdict,
    }
}

const POLICY: &str = "version: 1
rules:
  - { name: waived, when: { package: waived }, action: ignore, reason: not reachable }
  - { name: severe, when: { severity_at_least: high }, action: fail }
  - { name: rest, when: { severity: medium }, action: warn }
";

fn plain_result() -> ScanResult {
    result(
        POLICY,
        vec![
            finding("CVE-2024-0001", Severity::Critical, "openssl", 0, Some("1.1-1")),
            finding("CVE-2024-0002", Severity::High, "waived", 0, None),
            finding("CVE-2024-0003", Severity::Medium, "zlib", 0, None),
            finding("PYSEC-2024-4", Severity::Low, "requests", 1, Some("2.0")),
        ],
    )
}

fn hostile_result() -> ScanResult {
    let mut findings = Vec::new();
    for (index, text) in hostile().into_iter().enumerate() {
        for severity in [Severity::Critical, Severity::Medium, Severity::Unknown] {
            let mut finding = finding(&format!("CVE-2024-{index}"), severity, &text, 1, Some(&text));
            finding.id.push_str(&text);
            finding.summary.clone_from(&text);
            finding.package.version.clone_from(&text);
            finding.layer.instruction.clone_from(&text);
            finding.paths = vec![format!("../{text}"), text.clone()];
            findings.push(finding);
        }
    }
    let mut result = result(POLICY, findings);
    let [escape, cdata, control, long, emoji, bidi] = hostile();
    result.image.reference = format!("  {bidi}{control}");
    result.image.platform.clone_from(&escape);
    result.now.clone_from(&emoji);
    result.looked_at.os = Some(Os { id: long, version: escape.clone(), end_of_life: Some(true) });
    result.looked_at.packages.insert(bidi.clone(), 1);
    result.looked_at.skipped = vec![
        Skipped { name: escape, what: cdata.clone(), why: control },
        Skipped { name: String::new(), what: String::new(), why: String::new() },
    ];
    result.snapshot.feeds[0].name = cdata;
    result.snapshot.feeds[0].as_of = bidi;
    result
}

fn report(results: Vec<ScanResult>) -> Report {
    Report { schema: SCHEMA, results, run: Run::default() }
}

fn table(report: &Report, colour: bool, width: Option<usize>) -> String {
    let mut out = Vec::new();
    report::table::write(report, report::table::Options { colour, width }, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn sarif(report: &Report) -> Value {
    let mut out = Vec::new();
    report::sarif::write(report, &mut out).unwrap();
    serde_json::from_slice(&out).unwrap()
}

fn junit(report: &Report) -> String {
    let mut out = Vec::new();
    report::junit::write(report, &mut out).unwrap();
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

    assert!(junit(&report(vec![clean.clone()])).contains("tests=\"1\" errors=\"0\" failures=\"0\""));
    assert!(junit(&report(vec![skipped])).contains("tests=\"2\" errors=\"2\" failures=\"0\""));
    assert!(junit(&report(vec![allowed])).contains("tests=\"2\" errors=\"0\" failures=\"0\""));
    assert!(junit(&report(vec![])).contains("tests=\"1\" errors=\"1\" failures=\"0\""));

    let mut demo = clean;
    demo.snapshot.demo = true;
    assert!(table(&report(vec![demo.clone()]), false, Some(40)).contains("  DEMO SNAPSHOT: "));
    assert!(invocation(demo).to_string().contains("demo snapshot"));
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
        "openssl 1.0-1 has CVE-2024-0001 (critical). Update openssl to 1.1-1. Found in var/lib/dpkg/status. \
         Layer 0: ADD rootfs.tar /"
    );
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
    result.image.layers[0].written = Some(written);
    let log = sarif(&report(vec![result]));
    for result in log["runs"][0]["results"].as_array().unwrap() {
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "service/Dockerfile");
        assert_eq!((&place["region"]["startLine"], &place["region"]["endLine"]), (&3.into(), &3.into()));
        assert_eq!(result["partialFingerprints"]["primaryLocationLineHash"], "c129715d7a2bc9a3:1");
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
fn reports_are_valid_and_repeatable() {
    let report = report(vec![plain_result(), hostile_result()]);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let schema: Value =
        serde_json::from_slice(&fs::read(folder.join("schemas/report.schema.json")).unwrap()).unwrap();
    let mut json = Vec::new();
    report::json::write(&report, &mut json).unwrap();
    assert!(json.ends_with(b"}\n"));
    let value: Value = serde_json::from_slice(&json).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(&value).map(|error| format!("{error} at {}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    assert_eq!(serde_json::from_value::<Report>(value).unwrap(), report);
    assert_eq!(junit(&report), junit(&report));
    assert_eq!(sarif(&report), sarif(&report));
    assert_eq!(table(&report, true, Some(100)), table(&report, true, Some(100)));
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
    let validator = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    for results in [vec![], vec![plain_result()], vec![hostile_result(), plain_result()]] {
        let log = sarif(&report(results));
        let errors: Vec<String> = validator
            .iter_errors(&log)
            .map(|error| format!("{error} at {}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{errors:#?}");
    }
}
