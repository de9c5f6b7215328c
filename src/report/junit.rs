//! JUnit XML, in the dialect that the test tabs of GitLab, Jenkins, Azure, CircleCI and Buildkite share.
//!
//! One suite per platform. Its first case is the verdict, so that the file says the same as the gate however many
//! findings there are. The others are:
//!
//! | of | is | when |
//! | --- | --- | --- |
//! | what was not looked at | error | |
//! | | skipped | the caller allowed it |
//! | a rule of the policies | failure | it closed the gate |
//! | | passing, with the reason as its output | it warned or ignored |
//! | | skipped | its last day was over |
//! | | passing | it matched nothing, so that a clean run shows what was asked |
//! | a finding | failure | a rule failed it |
//! | | passing, with a warning as its output | a rule warned; JUnit has no word for that |
//! | | skipped | a rule ignored it |
//! | | only counted | no rule matched it |
//!
//! Messages stand in the attribute and in the element, because readers differ. A case says its file; for a line the crate
//! has no attribute, so that it stands in the text.

use std::{
    collections::HashMap,
    fmt::{Display, Write as _},
    io,
};

use junit_report::{Duration, OffsetDateTime, TestCase, TestResult, TestSuite};

use super::{Judged, Report, ScanResult, fix::fix, place::place, text::cut, words::count};
use crate::{
    inventory::Skipped,
    policy::{Action, Outcome, PolicyRef, Reason, RuleRef},
};

/// Most cases of a file; GitLab refuses files with too many elements.
const MAX_CASES: usize = 5_000;
/// Most bytes of a file's cases; GitLab takes files below 30 MB.
const MAX_BYTES: usize = 20_000_000;
/// Longest name, in characters: names are for reading.
const MAX_NAME: usize = 200;
/// Longest message or line of a text, in characters.
const MAX_LINE: usize = 1_024;
/// Most entries of a list inside a text; the rest is counted.
const MAX_LISTED: usize = 20;

/// Writes the report.
pub fn write(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    let mut file = junit_report::Report::new();
    let (mut names, mut room) = (Names::default(), Room { cases: MAX_CASES, bytes: MAX_BYTES });
    for (index, result) in report.results.iter().enumerate() {
        // What one platform does not need is the others'.
        let mut share = room.shared_by(report.results.len() - index);
        let given = share;
        file.add_testsuite(suite(result, &mut share, &mut names));
        room.cases = room.cases.saturating_sub(given.cases - share.cases);
        room.bytes = room.bytes.saturating_sub(given.bytes - share.bytes);
    }
    if report.results.is_empty() {
        let mut suite = empty_suite("stella".to_owned(), "");
        let text = "no image was looked at";
        suite.testcases.push(case("stella", "verdict", error("empty", text, text)));
        file.add_testsuite(suite);
    }
    file.write_xml(&mut *out).map_err(|error| match error {
        junit_report::Error::Io(error) => error,
        junit_report::Error::Xml(error) => io::Error::other(error.to_string()),
    })?;
    out.write_all(b"\n")
}

fn suite(result: &ScanResult, room: &mut Room, names: &mut Names) -> TestSuite {
    let class = cut(&format!("{} {}", result.image.name(), result.image.platform), MAX_NAME);
    let mut suite = empty_suite(class.clone(), &result.now);
    let subjects = subjects(result);
    for subject in &subjects {
        let mut case = subject.case(&class, result);
        // The verdict is never left out.
        if !room.takes(&case) && !matches!(subject, Subject::Verdict) {
            break;
        }
        names.tell_apart(&mut case);
        suite.testcases.push(case);
    }
    let left_out = subjects.len() - suite.testcases.len();
    if left_out > 0 {
        let text = format!("{} left out: this file holds the worst only", count(left_out, "more case"));
        let outcome = skipped("limit", &text, &text);
        let mut case = case(&class, "cases left out", outcome);
        names.tell_apart(&mut case);
        suite.testcases.push(case);
        room.cases = room.cases.saturating_sub(1);
    }
    suite.system_out = Some(looked_at(result, left_out));
    suite
}

/// What still fits into the file.
#[derive(Debug, Clone, Copy)]
struct Room {
    cases: usize,
    bytes: usize,
}

impl Room {
    /// The part of each of so many suites. With more platforms than cases each has its verdict all the same.
    fn shared_by(self, suites: usize) -> Self {
        Self { cases: (self.cases / suites).max(2), bytes: self.bytes / suites }
    }

    /// Takes the room of a case, if there is one; that of the case which counts the others is kept free.
    fn takes(&mut self, case: &TestCase) -> bool {
        let (cases, bytes) = (self.cases.saturating_sub(1), self.bytes.checked_sub(most_bytes(case)));
        match bytes {
            Some(bytes) if cases > 0 => {
                *self = Self { cases, bytes };
                true
            }
            _ => false,
        }
    }
}

/// The most bytes that a case takes as XML. In an attribute one byte becomes at most six (`&quot;`); texts are CDATA.
fn most_bytes(case: &TestCase) -> usize {
    const TAGS: usize = 256;
    let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let (attributes, text) = match &case.result {
        TestResult::Success | TestResult::Skipped => (0, 0),
        TestResult::SkippedWithCause { type_, message, cause }
        | TestResult::Error { type_, message, cause }
        | TestResult::Failure { type_, message, cause } => (type_.len() + message.len(), length(cause)),
    };
    let attributes = attributes + case.name.len() + length(&case.classname) + length(&case.filepath);
    TAGS + 6 * attributes + text + length(&case.system_out)
}

/// Readers keep only the first of several cases with one class and name.
#[derive(Default)]
struct Names(HashMap<(Option<String>, String), usize>);

impl Names {
    fn tell_apart(&mut self, case: &mut TestCase) {
        loop {
            let times = self.0.entry((case.classname.clone(), case.name.clone())).or_default();
            *times += 1;
            if *times == 1 {
                return;
            }
            // Writing to a string cannot fail.
            let _ = write!(case.name, " #{times}");
        }
    }
}

/// What a case is about.
enum Subject<'a> {
    Verdict,
    Skipped(&'a Skipped),
    Rule(&'a PolicyRef, &'a RuleRef, Option<&'a Reason>),
    Finding(&'a Judged),
}

/// All that has a case, what matters most first. Waivers may be thousands, so what they ignored and they themselves are last.
fn subjects(result: &ScanResult) -> Vec<Subject<'_>> {
    let verdict = &result.verdict;
    let fired: HashMap<(usize, &str), &Reason> =
        verdict.reasons.iter().map(|reason| ((reason.policy, reason.rule.as_str()), reason)).collect();
    let rules = verdict.policies.iter().enumerate().flat_map(|(index, policy)| {
        let fired = &fired;
        policy.rules.iter().map(move |rule| (policy, rule, fired.get(&(index, rule.name.as_str())).copied()))
    });
    let (waivers, rules): (Vec<_>, Vec<_>) = rules.partition(|(_, rule, _)| rule.action == Action::Ignore);
    let mut findings: Vec<&Judged> =
        result.findings.iter().filter(|judged| judged.decision.action.is_some()).collect();
    findings.sort_by_key(|judged| std::cmp::Reverse(judged.decision.action)); // stable: severity stays the second key
    let rule = |(policy, rule, fired)| Subject::Rule(policy, rule, fired);
    let mut all = vec![Subject::Verdict];
    all.extend(result.looked_at.skipped.iter().map(Subject::Skipped));
    all.extend(rules.into_iter().map(rule));
    all.extend(findings.into_iter().map(Subject::Finding));
    all.extend(waivers.into_iter().map(rule));
    all
}

impl Subject<'_> {
    fn case(&self, class: &str, result: &ScanResult) -> TestCase {
        match self {
            Self::Verdict => case(class, "verdict", verdict(result)),
            Self::Skipped(skipped) => not_looked_at(class, result, skipped),
            Self::Rule(policy, of, fired) => rule(class, policy, of, *fired),
            Self::Finding(judged) => finding(class, result, judged),
        }
    }
}

fn verdict(result: &ScanResult) -> TestResult {
    match result.verdict.outcome {
        Outcome::Pass | Outcome::Warn => TestResult::Success,
        Outcome::Unfinished => {
            let text = "not everything was looked at, so the gate can say neither yes nor no";
            error("verdict", text, text)
        }
        Outcome::Fail => {
            let failed = result.verdict.reasons.iter().filter(|reason| reason.action == Action::Fail);
            let lines = failed.map(|reason| format!("{}: {}", reason.rule, reason.message));
            let text = listed(lines, "\n", "rule");
            let message = text.lines().next().unwrap_or("the gate failed").to_owned();
            failure("verdict", &message, &text)
        }
    }
}

fn not_looked_at(class: &str, result: &ScanResult, gap: &Skipped) -> TestCase {
    let text = cut(&format!("{} was not looked at: {}", gap.what, gap.why), MAX_LINE);
    let outcome = if result.verdict.allows(gap) {
        skipped(&gap.name, &text, &text)
    } else {
        error(&gap.name, &text, &text)
    };
    case(class, &format!("looked at {} ({})", gap.what, gap.name), outcome)
}

fn rule(class: &str, policy: &PolicyRef, rule: &RuleRef, fired: Option<&Reason>) -> TestCase {
    let name = format!("rule {} ({})", rule.name, policy.origin);
    let text = fired.map(|reason| cut(&reason.message, MAX_LINE));
    match (text, rule.action) {
        (Some(text), Action::Fail) => case(class, &name, failure(&rule.name, &text, &text)),
        (Some(text), Action::Warn | Action::Ignore) => {
            TestCase { system_out: Some(output(&text)), ..case(class, &name, TestResult::Success) }
        }
        (None, _) if rule.expired => {
            let text = "its last day was over: it was as if absent";
            case(class, &name, skipped("expired", text, text))
        }
        (None, _) => case(class, &name, TestResult::Success),
    }
}

fn finding(class: &str, result: &ScanResult, judged: &Judged) -> TestCase {
    let (finding, decision) = (&judged.finding, &judged.decision);
    let package = &finding.package;
    // Without the version: a test that is renamed is a test that was mended, and another one that broke.
    let title = cut(&format!("{} in {}", finding.id, package.name), MAX_NAME);
    let severity = finding.severity.as_str();
    let message =
        cut(&format!("{title} {} ({severity}): {}", package.version, fix(result, judged)), MAX_LINE);
    let place = place(result, judged);
    let line = if place.is_in_checkout() { format!("{}:{}", place.file, place.line) } else { String::new() };
    let rule = decision.rule.as_deref().unwrap_or("none");
    let mut text = format!("{message}\n");
    for (label, value) in [
        ("rule", rule),
        ("line", &line),
        ("summary", &finding.summary),
        ("layer", &format!("{} {}", finding.layer.index, finding.layer.instruction)),
        ("files", &listed(finding.paths.iter(), ", ", "file")),
        ("purl", &package.purl),
    ] {
        if !value.is_empty() {
            let _ = writeln!(text, "{label}: {}", cut(value, MAX_LINE));
        }
    }
    let file = place.is_in_checkout().then(|| cut(&place.file, MAX_LINE));
    let (outcome, output) = match decision.action {
        Some(Action::Fail) => (failure(rule, &message, &text), None),
        Some(Action::Ignore) => (skipped(rule, &message, &text), None),
        Some(Action::Warn) | None => (TestResult::Success, Some(output(&format!("warning: {text}")))),
    };
    TestCase { filepath: file, system_out: output, ..case(class, &title, outcome) }
}

/// The first [`MAX_LISTED`] of a list, each on one line, and how many more there are.
fn listed(entries: impl Iterator<Item = impl Display>, between: &str, noun: &str) -> String {
    let mut entries = entries;
    let mut shown: Vec<String> =
        entries.by_ref().take(MAX_LISTED).map(|entry| cut(&entry.to_string(), MAX_LINE)).collect();
    let more = entries.count();
    if more > 0 {
        shown.push(format!("and {}", count(more, &format!("more {noun}"))));
    }
    shown.join(between)
}

/// What was looked at, as `key: value` lines.
fn looked_at(result: &ScanResult, left_out: usize) -> String {
    let looked_at = &result.looked_at;
    let unmatched = result.findings.iter().filter(|judged| judged.decision.action.is_none()).count();
    let feeds = result.snapshot.feeds.iter();
    let packages = looked_at.packages.iter();
    let mut lines = vec![
        ("image", result.image.reference.clone()),
        ("digest", result.image.digest.to_string()),
        ("snapshot", result.snapshot.id.to_string()),
        ("layers", looked_at.layers.to_string()),
        ("files", looked_at.files.to_string()),
        ("packages", listed(packages.map(|(ecosystem, count)| format!("{count} {ecosystem}")), ", ", "kind")),
        ("findings no rule matched", unmatched.to_string()),
    ];
    if result.snapshot.demo {
        lines.push(("demo snapshot", "yes: these advisories are for trying out, not for gating".to_owned()));
    }
    lines.extend(
        feeds
            .clone()
            .take(MAX_LISTED)
            .map(|feed| ("feed", format!("{} {} {}", feed.name, feed.records, feed.as_of))),
    );
    if let Some(more) = feeds.len().checked_sub(MAX_LISTED).filter(|more| *more > 0) {
        lines.push(("more feeds", more.to_string()));
    }
    if left_out > 0 {
        lines.push(("cases left out", left_out.to_string()));
    }
    let lines = lines.iter().map(|(key, value)| format!("{key}: {}\n", cut(value, MAX_LINE)));
    output(&lines.collect::<String>())
}

/// The crate writes a cause and an output as a CDATA section without looking for its end in the text.
fn cdata(text: &str) -> String {
    text.replace("]]>", "]]]]><![CDATA[>")
}

/// What a case or a suite puts out. In there `[[ATTACHMENT|path]]` makes GitLab and Jenkins show a file of the job.
fn output(text: &str) -> String {
    cdata(&text.replace("[[ATTACHMENT|", "[ [ATTACHMENT|"))
}

fn failure(kind: &str, message: &str, text: &str) -> TestResult {
    TestResult::Failure { type_: cut(kind, MAX_NAME), message: message.to_owned(), cause: Some(cdata(text)) }
}

fn error(kind: &str, message: &str, text: &str) -> TestResult {
    TestResult::Error { type_: cut(kind, MAX_NAME), message: message.to_owned(), cause: Some(cdata(text)) }
}

fn skipped(kind: &str, message: &str, text: &str) -> TestResult {
    let (type_, cause) = (cut(kind, MAX_NAME), Some(cdata(text)));
    TestResult::SkippedWithCause { type_, message: message.to_owned(), cause }
}

fn case(class: &str, name: &str, result: TestResult) -> TestCase {
    TestCase {
        name: cut(name, MAX_NAME),
        time: Duration::ZERO,
        result,
        classname: Some(class.to_owned()),
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
