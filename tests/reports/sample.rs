//! Results to write reports of: one as it comes, and one that holds what hostile images and feeds may hold.

use std::collections::BTreeMap;

use stella::{
    digest::Digest,
    finding::{Confidence, Finding, FindingLayer, FindingPackage, Severity, Status},
    inventory::Skipped,
    package::Ecosystem,
    policy::{self, Class, Policy},
    report::{FeedRef, ImageRef, LayerRef, LookedAt, Os, Report, Run, SCHEMA, ScanResult, SnapshotRef},
};

/// What a terminal, XML, SARIF or a log might trip over.
pub fn hostile() -> [String; 6] {
    [
        "\u{1b}[2J\u{1b}]0;title\u{7}\u{9b}31m".to_owned(),
        "]]><evil a=\"'&\"/><![CDATA[".to_owned(),
        (0..32).map(char::from).collect::<String>() + "\u{7f}\u{85}\u{fffe}\u{ffff}",
        "long ".repeat(20_000),
        "😀 日本語 [click](https://evil.example) {0} %s %n".to_owned(),
        "\u{202e}gnp.exe\u{2066} שלום \u{feff}\r\n::error::injected".to_owned(),
    ]
}

pub fn finding(id: &str, severity: Severity, package: &str, layer: usize, fixed_in: Option<&str>) -> Finding {
    Finding {
        id: id.to_owned(),
        aliases: vec![],
        severity,
        severity_source: String::new(),
        confidence: Confidence::High,
        summary: format!("a flaw in {package}"),
        package: FindingPackage {
            name: package.to_owned(),
            version: "1.0-1".to_owned(),
            ecosystem: Ecosystem::Deb,
            purl: format!("pkg:deb/debian/{package}@1.0-1"),
            source: None,
        },
        fixed_in: fixed_in.map(str::to_owned),
        status: if fixed_in.is_some() { Status::Fixed } else { Status::Affected },
        claims: Vec::new(),
        ratings: Vec::new(),
        exploited: None,
        epss: None,
        layer: FindingLayer {
            index: layer,
            diff_id: Digest::of(&[u8::try_from(layer).unwrap()]),
            instruction: ["ADD rootfs.tar /", "COPY . /app"][layer.min(1)].to_owned(),
            base: Some(layer == 0),
        },
        paths: vec!["var/lib/dpkg/status".to_owned()],
    }
}

pub fn result(policy: &str, findings: Vec<Finding>) -> ScanResult {
    let policies = [Policy::parse("policy.yaml", policy).unwrap()];
    let (findings, verdict) =
        policy::evaluate(&policies, findings, jiff::civil::date(2026, 6, 15), Class::Trusted);
    ScanResult {
        engine: "0.1.0".to_owned(),
        now: "2026-06-15T12:00:00Z".to_owned(),
        image: ImageRef {
            reference: "docker:registry.example:5000/team/app:ci".to_owned(),
            called: String::new(),
            digest: Digest::of(b"manifest"),
            config_digest: Digest::of(b"config"),
            platform: "linux/amd64".to_owned(),
            base: None,
            base_argument: None,
            layers: ["ADD rootfs.tar /", "COPY . /app"]
                .iter()
                .zip(0..)
                .map(|(instruction, index)| LayerRef {
                    diff_id: Digest::of(&[index]),
                    instruction: (*instruction).to_owned(),
                    written: None,
                })
                .collect(),
        },
        snapshot: SnapshotRef {
            id: Digest::of(b"snapshot"),
            demo: false,
            feeds: vec![FeedRef {
                name: "Debian:12".to_owned(),
                records: 12_345,
                as_of: "2026-06-14T00:00:00Z".to_owned(),
                checked: None,
            }],
            databases: Vec::new(),
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

pub const POLICY: &str = "version: 1
rules:
  - { name: waived, when: { package: waived }, action: ignore, reason: not reachable }
  - { name: severe, when: { severity_at_least: high }, action: fail }
  - { name: rest, when: { severity: medium }, action: warn }
";

pub fn plain_result() -> ScanResult {
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

pub fn hostile_result() -> ScanResult {
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

pub fn report(results: Vec<ScanResult>) -> Report {
    Report { schema: SCHEMA, results, stopped: None, run: Run::default() }
}
