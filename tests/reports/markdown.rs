//! Markdown.

use proptest::prelude::*;
use pulldown_cmark::{Event, Options, Parser, Tag};
use stella::{
    digest::Digest,
    finding::Severity,
    inventory::Skipped,
    policy::Action,
    report::{Asked, LedgerEntry, Os, Proof, Report, ScanResult, Written},
};

use crate::sample::{POLICY, finding, hostile, hostile_result, plain_result, report, result};

pub fn markdown(report: &Report) -> String {
    let mut out = Vec::new();
    stella::report::markdown::write(report, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.len() <= 900 * 1024, "GitHub would drop {} bytes", text.len());
    text
}

/// The structure of a text, with each run of text and code as one leaf, after a check that there is nothing in it but what
/// the report itself writes.
fn structure(text: &str) -> Vec<String> {
    let mut structure = Vec::new();
    let mut link = false;
    for event in Parser::new_ext(text, Options::all() - Options::ENABLE_SMART_PUNCTUATION) {
        let seen = match event {
            // What stands outside of code is so plain that no platform finds a link, a mention or an issue in it.
            Event::Text(text) => {
                let plain = |c: char| c.is_alphabetic() || c.is_ascii_digit() || " .,;:()'-".contains(c);
                let words = text.replace("❌", "").replace("✅", "").replace("⚠️", "");
                assert!(words.chars().all(plain), "{text:?}");
                "leaf".to_owned()
            }
            Event::Code(_) => "leaf".to_owned(),
            Event::Html(html) => {
                let known = ["<details>\n", "</details>\n", "<summary>What was looked at</summary>\n"];
                let more =
                    html.strip_prefix("<summary>").and_then(|rest| rest.strip_suffix(" more</summary>\n"));
                let is_more = more.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
                assert!(known.contains(&&*html) || is_more, "{html:?}");
                format!("html {}", if is_more { "more" } else { &html })
            }
            Event::Start(Tag::Link { dest_url, title, .. }) => {
                let hosts = ["https://www.cve.org/CVERecord?id=", "https://osv.dev/vulnerability/"];
                assert!(
                    hosts.iter().any(|host| dest_url.starts_with(host)) && title.is_empty(),
                    "{dest_url}"
                );
                link = true;
                continue;
            }
            Event::End(pulldown_cmark::TagEnd::Link) => {
                assert!(link);
                continue;
            }
            Event::Start(Tag::Strong) | Event::End(pulldown_cmark::TagEnd::Strong) => continue,
            Event::Start(
                tag @ (Tag::Paragraph
                | Tag::Heading { .. }
                | Tag::List(None)
                | Tag::Item
                | Tag::Table(_)
                | Tag::TableHead
                | Tag::TableRow
                | Tag::TableCell
                | Tag::HtmlBlock),
            ) => format!("{tag:?}"),
            Event::End(tag) => format!("end {tag:?}"),
            other => unreachable!("{other:?}"),
        };
        if seen != "leaf" || structure.last() != Some(&seen) {
            structure.push(seen);
        }
    }
    structure
}

/// Puts one text wherever an image, a feed, a policy or a variable may bring one.
fn filled(text: &str) -> Report {
    let mut finding = finding("CVE-2024-1", Severity::High, text, 1, Some(text));
    finding.id = format!("x{text}");
    finding.package.version = text.to_owned();
    finding.summary = text.to_owned();
    finding.layer.instruction = format!("x{text}");
    finding.paths = vec![text.to_owned()];
    let mut result = result(POLICY, vec![finding.clone(), finding.clone(), finding]);
    let written = Written { file: text.to_owned(), line: 1, last_line: 1, line_hash: text.to_owned() };
    result.image.layers[1].written = Some(written.clone());
    result.findings[1].asked = Some(Asked { written: written.clone(), pin: None });
    result.findings[2].asked = Some(Asked { written, pin: Some(format!("{text}{text}")) });
    result.image.reference = text.to_owned();
    result.image.platform = text.to_owned();
    result.now = text.to_owned();
    result.looked_at.os = Some(Os { id: text.to_owned(), version: text.to_owned(), end_of_life: Some(true) });
    result.looked_at.packages = [(text.to_owned(), 1)].into();
    result.looked_at.inventory = Some(text.to_owned());
    result.looked_at.skipped =
        vec![Skipped { name: text.to_owned(), what: text.to_owned(), why: text.to_owned() }];
    result.snapshot.feeds[0].name = text.to_owned();
    result.snapshot.feeds[0].as_of = format!("x{text}");
    result.verdict.policies[0].origin = text.to_owned();
    for reason in &mut result.verdict.reasons {
        reason.rule = text.to_owned();
        reason.message = text.to_owned();
    }
    let mut report = report(vec![result]);
    report.run.notes = vec![text.to_owned()];
    report.run.ledger = ledger(&[Proof::PairVerifiedEarlier, Proof::VerifiedNow]);
    report
}

/// Of the layers of the sample.
fn ledger(proofs: &[Proof]) -> Vec<LedgerEntry> {
    let entries = proofs.iter().zip(0..);
    entries.map(|(proof, index)| LedgerEntry { diff_id: Digest::of(&[index]), proof: *proof }).collect()
}

#[test]
fn markdown_as_people_see_it() {
    let mut result = plain_result();
    for (layer, line) in result.image.layers.iter_mut().zip([1, 4]) {
        let line_hash = "c129715d7a2bc9a3:1".to_owned();
        layer.written = Some(Written { file: "Dockerfile".to_owned(), line, last_line: line, line_hash });
    }
    let (manifest, snapshot) = (result.image.digest, result.snapshot.id);
    let mut report = report(vec![result]);
    report.run.ledger = ledger(&[Proof::PairVerifiedEarlier, Proof::VerifiedNow]);
    let want = "\
## ❌ FAIL: 3 findings (1 critical, 1 medium, 1 low), and 1 finding that the policy ignores; 123 packages looked at

`docker:registry.example:5000/team/app:ci` for `linux/amd64`

- **fail** by rule `severe`: 1 critical finding with a fix: `CVE-2024-0001` in openssl `1.0-1` (fixed in `1.1-1`)
- **warn** by rule `rest`: 1 medium finding without a fix: `CVE-2024-0003` in zlib `1.0-1`

### In layers that are new to Stella

1 of 2 layers is new, with 1 finding (1 low).

| severity | id | package | way out |
| --- | --- | --- | --- |
| low | [`PYSEC-2024-4`](https://osv.dev/vulnerability/PYSEC-2024-4) | `requests` `1.0-1` | Update requests to `2.0`, which `Dockerfile:4` brings. |

### Layer 0, base image: 1 critical, 1 medium

`ADD rootfs.tar /` at `Dockerfile:1`

**Fix for 1 of 2**: Build on a newer base image (`Dockerfile:1`).

| severity | id | package | installed | update to |
| --- | --- | --- | --- | --- |
| **critical** | [`CVE-2024-0001`](https://www.cve.org/CVERecord?id=CVE-2024-0001) | `openssl` | `1.0-1` | `1.1-1` |
| medium | [`CVE-2024-0003`](https://www.cve.org/CVERecord?id=CVE-2024-0003) | `zlib` | `1.0-1` | none known |

### Layer 1, app: 1 low

`COPY . /app` at `Dockerfile:4`

| severity | id | package | installed | update to |
| --- | --- | --- | --- | --- |
| low | [`PYSEC-2024-4`](https://osv.dev/vulnerability/PYSEC-2024-4) | `requests` | `1.0-1` | `2.0` |

Left out, because the policy ignores it: 1 finding.

- rule `waived`: 1 high finding without a fix ignored: `CVE-2024-0002` in waived `1.0-1`; reason: not reachable

<details>
<summary>What was looked at</summary>

- image `MANIFEST`
- 2 layers, 3,456 files, 120.3 MB
- system `debian 12`
- 119 packages of `deb`
- 4 packages of `pypi`
- advisories of `Debian:12`: 12,345 records, newest `2026-06-14T00:00:00Z`
- snapshot of advisories `SNAPSHOT`
- policy `policy.yaml`

</details>
";
    let want = want.replace("MANIFEST", &manifest.to_string()).replace("SNAPSHOT", &snapshot.to_string());
    assert_eq!(markdown(&report), want);
    structure(&want);
}

#[test]
fn markdown_says_what_stands_in_new_layers() {
    let text = |proofs: &[Proof]| {
        let mut report = report(vec![plain_result()]);
        report.run.ledger = ledger(proofs);
        markdown(&report)
    };
    let [now, earlier] = [Proof::VerifiedNow, Proof::PairVerifiedEarlier];
    assert!(text(&[earlier, earlier]).contains("\nNo layer is new to Stella: "));
    assert!(text(&[now, now]).contains("\nEvery layer is new to Stella: "));
    assert!(
        text(&[now, earlier]).contains("\n1 of 2 layers is new, with 2 findings (1 critical, 1 medium).\n")
    );
    // Without a ledger nothing is known of what is new.
    assert!(!text(&[]).contains("layer is new") && !text(&[]).contains("new to Stella"));
    let findings = (0..50).map(|n| finding(&format!("CVE-2024-{n}"), Severity::Low, "a", 1, None)).collect();
    let mut many = report(vec![result(POLICY, findings)]);
    many.run.ledger = ledger(&[earlier, now]);
    let many = markdown(&many);
    assert!(many.contains("\nAnd 30 more, in the tables below.\n"), "{many}");
    assert!(many.contains("\n<summary>35 more</summary>\n"), "{many}");
}

#[test]
fn markdown_tells_clean_from_not_looked_at() {
    let heading = |result: ScanResult| {
        let text = markdown(&report(vec![result]));
        structure(&text);
        text.lines().filter(|line| line.starts_with(['#', '*'])).collect::<Vec<_>>().join("\n")
    };
    let clean = result(POLICY, vec![]);
    assert_eq!(heading(clean.clone()), "## ✅ PASS: no advisory matches any of 123 packages");
    let mut skipped = clean.clone();
    skipped.looked_at.skipped =
        vec![Skipped { name: "foreign-layer".into(), what: "sha256:1".into(), why: "it is foreign".into() }];
    skipped.verdict.consider(&skipped.looked_at.skipped, &[]);
    let text = markdown(&report(vec![clean.clone(), skipped.clone()]));
    assert!(
        text.starts_with("## ❌ UNFINISHED, AND NOT EVERYTHING WAS LOOKED AT: "),
        "the worst is first: {text}"
    );
    assert!(text.contains("\n### NOT LOOKED AT\n\n- `foreign-layer` `sha256:1`: it is foreign\n"));
    skipped.verdict.outcome = clean.verdict.outcome;
    skipped.verdict.consider(&skipped.looked_at.skipped, &["foreign-layer".to_owned()]);
    assert!(heading(skipped).starts_with("## ⚠️ PASS, AND NOT EVERYTHING WAS LOOKED AT: "));
    let mut demo = clean.clone();
    demo.snapshot.demo = true;
    assert!(heading(demo).contains("## ⚠️ PASS: no advisory matches any of 123 packages\n**DEMO SNAPSHOT: "));
    let mut ended = clean.clone();
    ended.looked_at.os.as_mut().unwrap().end_of_life = Some(true);
    assert!(heading(ended).contains("\n**END OF LIFE: `debian 12` gets no security fixes any more.**"));
    let mut no_feeds = clean;
    no_feeds.snapshot.feeds.clear();
    assert!(
        heading(no_feeds).starts_with("## ⚠️ PASS: no advisories were at hand for 123 packages\n**NO ADVIS")
    );
    assert_eq!(markdown(&report(vec![])), "## ❌ UNFINISHED: no image was looked at\n");
}

#[test]
fn hostile_text_is_no_markdown() {
    let plain = structure(&markdown(&filled("x")));
    let mut texts = hostile().to_vec();
    texts.extend(
        [
            "|",
            "||a|b|",
            "\\|",
            "\\",
            "`",
            "``` a",
            "`a` **b**",
            "a\n\n# b",
            "\r---\r",
            "1. a",
            "- a",
            "+ a",
            "> a",
            "    a",
            "![a](https://evil.example/a.png)",
            "[a](javascript:alert(1))",
            "<https://evil.example>",
            "https://evil.example",
            "www.evil.example",
            "a@evil.example",
            "<script>alert(1)</script>",
            "<!--",
            "</details>",
            "<details><summary>",
            "@octocat",
            "#1",
            "GH-1",
            "owner/repo#1",
            ":tada:",
            "deadbeefdeadbeef",
            "$`a`$",
            "$$a$$",
            "~~a~~",
            "&lt;b&gt;",
            "&#96;",
            "[^1]: a",
            "[a]: https://evil.example",
            "/close",
            "!1",
            "%1",
            "~bug",
            "[[a]]",
            "::error::a",
            "{#a}",
            "a: b",
            ": b",
            "\u{a0}",
            "",
            " ",
            "…",
            "a\u{2028}b",
            "||a||",
            "_a_",
            "^a^",
        ]
        .map(str::to_owned),
    );
    for text in texts {
        let written = markdown(&filled(&text));
        assert_eq!(structure(&written), plain, "{text:?} in {written}");
        assert!(!written.contains("##[") && !written.contains("\n::"), "{written}");
        let acting = |c: char| c.is_control() && c != '\n' || "\u{202e}\u{2066}\u{feff}".contains(c);
        assert!(!written.contains(acting), "{written:?}");
    }
    structure(&markdown(&report(vec![hostile_result(), plain_result(), hostile_result()])));
}

proptest! {
    #[test]
    fn no_text_is_markdown(text in "[ -~]{0,12}|\\PC{0,6}|[\\x00-\\x7f]{0,12}|([`|\\\\*_<>\\[\\]()!#@:/a-c \n]|www\\.|https://){0,24}") {
        let written = markdown(&filled(&text));
        prop_assert_eq!(structure(&written), structure(&markdown(&filled("x"))), "{:?}", text);
    }
}

/// Rows of all tables but those of new layers, and what the text says it left out.
fn told(text: &str) -> (usize, usize) {
    let rows = text.lines().filter(|line| line.starts_with("| ") && line.contains("CVE")).count();
    let left_out =
        text.lines().filter_map(|line| line.strip_prefix("**Left out, because this page is full: "));
    let numbers =
        left_out.map(|line| line.split(' ').next().unwrap().replace(',', "").parse::<usize>().unwrap());
    (rows, numbers.sum())
}

#[test]
fn markdown_stays_within_its_limit_and_says_so() {
    let mut findings: Vec<_> = (0..30_000)
        .map(|n| finding(&format!("CVE-2024-{n}"), Severity::Low, "a", n % 2, Some("2")))
        .collect();
    findings.insert(0, finding("CVE-2023-1", Severity::Critical, "b", 1, None));
    let text = markdown(&report(vec![result(POLICY, findings)]));
    let (rows, left_out) = told(&text);
    assert_eq!(rows + left_out, 30_001);
    assert!(rows > 5_000 && text.len() > 800 * 1024, "{rows} rows in {} bytes", text.len());
    assert!(
        text.find("### Layer 1").unwrap() < text.find("### Layer 0").unwrap(),
        "the worst layer is first"
    );
    structure(&text);
}

#[test]
fn many_hostile_platforms_and_layers_stay_within_the_limit() {
    let mut worst = filled(&"`".repeat(700)).results.remove(0);
    worst.looked_at.inventory = None;
    let reason = worst.verdict.reasons[0].clone();
    worst.verdict.reasons = vec![reason; 200];
    worst.verdict.reasons.iter_mut().step_by(2).for_each(|reason| reason.action = Action::Ignore);
    worst.looked_at.skipped = vec![worst.looked_at.skipped[0].clone(); 200];
    worst.snapshot.feeds = vec![worst.snapshot.feeds[0].clone(); 200];
    let first = worst.findings[0].clone();
    worst.image.layers = vec![worst.image.layers[1].clone(); 200];
    worst.findings = (0..200)
        .map(|index| {
            let mut judged = first.clone();
            judged.finding.id = "CVE".to_owned();
            judged.finding.layer.index = index;
            judged
        })
        .collect();
    worst.image.layers[0].diff_id = Digest::of(&[0]);
    for platforms in [1, 3, 80] {
        let mut report = report(vec![worst.clone(); platforms]);
        report.run.notes = vec!["`".repeat(700); 200];
        report.run.ledger = ledger(&[Proof::PairVerifiedEarlier, Proof::VerifiedNow]);
        let text = markdown(&report);
        structure(&text);
        let shown = text.matches("\n## ❌ ").count() + 1;
        assert_eq!(text.contains("more platform"), shown < platforms, "{shown} of {platforms}");
        if platforms == 1 {
            let (rows, left_out) = told(&text);
            assert_eq!(rows + left_out, 200 + 20, "20 of them are those of new layers");
        }
    }
}
