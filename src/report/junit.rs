//! JUnit XML, in the dialect that the test tabs of GitLab, Jenkins, Azure, CircleCI and Buildkite share.
//!
//! One suite per platform. Its first case is the verdict, so that the file says the same as the gate however many
//! findings there are; findings that fail are failures, waived ones are skipped, and what could not be looked at is an
//! error, or skipped where the caller allowed it. Findings that warn are passing cases with the warning in their output, because JUnit has no word for them;
//! findings that no rule matches are only counted. Messages stand in the attribute and in the element: readers differ.

use std::{collections::BTreeSet, fmt::Write as _, io};

use junit_report::{Duration, OffsetDateTime, ReportBuilder, TestCase, TestResult, TestSuite};

use super::{
    Judged, Report, ScanResult,
    text::{cut, image_name},
};
use crate::policy::{Action, Outcome};

/// Most cases of a report; GitLab refuses files with too many elements.
const MAX_CASES: usize = 5_000;
/// Longest name or message, in characters.
const MAX_LINE: usize = 1_024;

/// Writes the report.
pub fn write(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    let mut builder = ReportBuilder::new();
    let mut room = MAX_CASES;
    for result in &report.results {
        let suite = suite(result, room.max(1));
        room = room.saturating_sub(suite.testcases.len());
        builder.add_testsuite(suite);
    }
    if report.results.is_empty() {
        let mut suite = empty_suite("stella".to_owned(), "");
        let text = "no image was looked at";
        suite.testcases.push(case("stella".to_owned(), "verdict".to_owned(), error("empty", text, text)));
        builder.add_testsuite(suite);
    }
    builder.build().write_xml(&mut *out).map_err(|error| match error {
        junit_report::Error::Io(error) => error,
        junit_report::Error::Xml(error) => io::Error::other(error.to_string()),
    })?;
    out.write_all(b"\n")
}

fn suite(result: &ScanResult, room: usize) -> TestSuite {
    let name = cut(&format!("{} {}", image_name(&result.image.reference), result.image.platform), MAX_LINE);
    let mut suite = empty_suite(name.clone(), &result.now);
    suite.testcases.push(case(name.clone(), "verdict".to_owned(), verdict(result)));
    for skipped in &result.looked_at.skipped {
        let text = cut(&format!("{} was not looked at: {}", skipped.what, skipped.why), MAX_LINE);
        let title = cut(&format!("looked at {} ({})", skipped.what, skipped.name), MAX_LINE);
        let kind = cut(&skipped.name, 255);
        let outcome = if result.verdict.allows(skipped) {
            TestResult::SkippedWithCause { type_: kind, message: text.clone(), cause: Some(cdata(&text)) }
        } else {
            error(&kind, &text, &text)
        };
        suite.testcases.push(case(name.clone(), title, outcome));
    }
    let mut findings: Vec<&Judged> =
        result.findings.iter().filter(|judged| judged.decision.action.is_some()).collect();
    findings.sort_by_key(|judged| std::cmp::Reverse(judged.decision.action)); // stable: severity stays the second key
    for judged in findings {
        suite.testcases.push(finding(&name, judged));
    }
    let all = suite.testcases.len();
    suite.testcases.truncate(room);
    let mut names = BTreeSet::new();
    for case in &mut suite.testcases {
        unique(&mut names, &mut case.name);
    }
    suite.system_out = Some(looked_at(result, all - suite.testcases.len()));
    suite
}

/// Readers keep only the first of several cases with one name.
fn unique(names: &mut BTreeSet<String>, name: &mut String) {
    let stem = name.len();
    let mut count = 1;
    while !names.insert(name.clone()) {
        count += 1;
        name.truncate(stem);
        // Writing to a string cannot fail.
        let _ = write!(name, " #{count}");
    }
}

fn verdict(result: &ScanResult) -> TestResult {
    let reasons = result.verdict.reasons.iter();
    match result.verdict.outcome {
        Outcome::Pass | Outcome::Warn => TestResult::Success,
        Outcome::Unfinished => {
            let text = "not everything was looked at, so the gate can say neither yes nor no";
            error("verdict", text, text)
        }
        Outcome::Fail => {
            let failed: Vec<String> = reasons
                .filter(|reason| reason.action == Action::Fail)
                .map(|reason| cut(&format!("{}: {}", reason.rule, reason.message), MAX_LINE))
                .collect();
            let first = failed.first().map_or("the gate failed", String::as_str);
            TestResult::Failure {
                type_: "verdict".to_owned(),
                message: first.to_owned(),
                cause: Some(cdata(&failed.join("\n"))),
            }
        }
    }
}

fn finding(class: &str, judged: &Judged) -> TestCase {
    let (finding, decision) = (&judged.finding, &judged.decision);
    let package = &finding.package;
    let title = cut(&format!("{} in {} {}", finding.id, package.name, package.version), MAX_LINE);
    let rule = cut(decision.rule.as_deref().unwrap_or("none"), 255);
    let way_out = match &finding.fixed_in {
        Some(fixed_in) => format!("fixed in {fixed_in}"),
        None => "no fixed version is known".to_owned(),
    };
    let message = cut(&format!("{title} ({}): {way_out}", finding.severity.as_str()), MAX_LINE);
    let mut details = format!("{message}\nrule: {rule}\n");
    for (label, text) in [
        ("summary", &finding.summary),
        ("layer", &format!("{} {}", finding.layer.index, finding.layer.instruction)),
        ("paths", &finding.paths.join(", ")),
        ("purl", &package.purl),
    ] {
        if !text.is_empty() {
            let _ = writeln!(details, "{label}: {}", cut(text, MAX_LINE));
        }
    }
    let details = cdata(&details);
    let result = match decision.action {
        Some(Action::Fail) => TestResult::Failure { type_: rule, message, cause: Some(details) },
        Some(Action::Ignore) => TestResult::SkippedWithCause { type_: rule, message, cause: Some(details) },
        Some(Action::Warn) | None => {
            let mut case = case(class.to_owned(), title, TestResult::Success);
            case.system_out = Some(format!("warning: {details}"));
            return case;
        }
    };
    case(class.to_owned(), title, result)
}

/// What was looked at, as `key: value` lines.
fn looked_at(result: &ScanResult, left_out: usize) -> String {
    let looked_at = &result.looked_at;
    let unmatched = result.findings.iter().filter(|judged| judged.decision.action.is_none()).count();
    let mut lines = vec![
        ("image", result.image.reference.clone()),
        ("digest", result.image.digest.to_string()),
        ("snapshot", result.snapshot.id.to_string()),
        ("layers", looked_at.layers.to_string()),
        ("files", looked_at.files.to_string()),
        ("findings no rule matched", unmatched.to_string()),
    ];
    if result.snapshot.demo {
        lines.push(("demo snapshot", "yes: these advisories are for trying out, not for gating".to_owned()));
    }
    for feed in &result.snapshot.feeds {
        lines.push(("feed", format!("{} {} {}", feed.name, feed.records, feed.as_of)));
    }
    for (ecosystem, count) in &looked_at.packages {
        lines.push(("packages", format!("{ecosystem} {count}")));
    }
    if left_out > 0 {
        lines.push(("cases left out", left_out.to_string()));
    }
    let lines = lines.iter().map(|(key, value)| format!("{key}: {}\n", cut(value, MAX_LINE)));
    cdata(&lines.collect::<String>())
}

/// The crate writes a cause and an output as a CDATA section without looking for its end in the text.
fn cdata(text: &str) -> String {
    text.replace("]]>", "]]]]><![CDATA[>")
}

fn error(kind: &str, message: &str, details: &str) -> TestResult {
    TestResult::Error { type_: kind.to_owned(), message: message.to_owned(), cause: Some(cdata(details)) }
}

fn case(class: String, name: String, result: TestResult) -> TestCase {
    TestCase {
        name,
        time: Duration::ZERO,
        result,
        classname: Some(class),
        filepath: None,
        system_out: None,
        system_err: None,
    }
}

/// Built field by field, because the crate's constructor reads the clock.
fn empty_suite(name: String, now: &str) -> TestSuite {
    let seconds = now.parse::<jiff::Timestamp>().map_or(0, |now| now.as_second().max(0));
    TestSuite {
        package: "stella".to_owned(),
        timestamp: OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH),
        hostname: "localhost".to_owned(),
        name,
        testcases: Vec::new(),
        system_out: None,
        system_err: None,
    }
}
