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
//! Messages stand in the attribute and in the element, because readers differ. What was looked at stands in the properties of
//! the suite.

mod xml;

use std::{borrow::Cow, collections::HashMap, io};

use xml::{Case, Cause, Names, Outcome, Suite};

use super::{
    Judged, Report, ScanResult,
    fix::fix,
    gap::not_looked_at,
    place::place,
    publisher::Publisher,
    text::cut,
    words::{self, count, outcome},
};
use crate::{
    inventory::Skipped,
    policy::{self, Action, PolicyRef, Reason, RuleRef},
};

/// Most cases of a file; GitLab refuses files with too many elements.
const MAX_CASES: usize = 5_000;
/// Most bytes of a file; GitLab takes files below 30 MB.
const MAX_BYTES: usize = 20_000_000;
/// Most platforms; each has room for some cases then.
const MAX_SUITES: usize = 500;
/// More than a case takes that counts what was left out, with a suite around it.
const COUNTING_BYTES: usize = 8_000;
/// Longest name, in characters: names are for reading.
const MAX_NAME: usize = 200;
/// Longest message or line of a text, in characters.
const MAX_LINE: usize = 1_024;
/// Room that the text of nearly every finding has.
const TEXT_BYTES: usize = 768;
/// Most entries of a list inside a text; the rest is counted.
const MAX_LISTED: usize = 20;

/// Writes the report.
pub fn write(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    xml::begin(out)?;
    // Of several platforms some may be left out, which takes a case.
    let counting = usize::from(report.results.len() > 1);
    let mut room = Room { cases: MAX_CASES - counting, bytes: MAX_BYTES - COUNTING_BYTES };
    let mut names = Names::default();
    let mut notes = report.run.notes.as_slice();
    let mut left = report.results.as_slice();
    for suites in (1..=left.len().min(MAX_SUITES)).rev() {
        let [result, rest @ ..] = left else { break };
        // What one platform does not need is the others'.
        let suite = suite(result, std::mem::take(&mut notes), room.shared_by(suites), &mut names)?;
        let Some(bytes) = room.bytes.checked_sub(suite.bytes()) else { break };
        suite.write(out)?;
        room = Room { cases: room.cases.saturating_sub(suite.tests()), bytes };
        left = rest;
    }
    if let Some(case) = of_rest(left, report.why_stopped()) {
        let name = if left.is_empty() { report.image_name() } else { "stella" };
        let mut suite = Suite::new(names.tell_apart(cut(name, MAX_NAME).into_owned()), report.now());
        say_notes(&mut suite, notes)?;
        suite.add(case, usize::MAX)?;
        suite.write(out)?;
    }
    xml::end(out)
}

/// What stands for platforms that have no suite: why there is none at all; else their number, and the worst that was said of
/// them.
fn of_rest(left: &[ScanResult], why_stopped: Option<&str>) -> Option<Case> {
    if let Some(why) = why_stopped {
        return Some(case("verdict", Outcome::Error(cause("stopped", cut(why, MAX_LINE)))));
    }
    let worst = left.iter().map(|result| result.verdict.outcome).max()?;
    let platforms = count(left.len(), "more platform");
    let cause =
        cause("limit", format!("{platforms} left out: the worst verdict of them is {}", outcome(worst)));
    let outcome = match worst {
        policy::Outcome::Fail => Outcome::Failed(cause),
        policy::Outcome::Unfinished => Outcome::Error(cause),
        policy::Outcome::Warn | policy::Outcome::Pass => Outcome::Skipped(cause),
    };
    Some(case("platforms left out", outcome))
}

/// One platform; the notes of the run stand with the first.
fn suite(result: &ScanResult, notes: &[String], room: Room, names: &mut Names) -> io::Result<Suite> {
    let name = cut([result.image.name(), " ", &result.image.platform].concat(), MAX_NAME);
    let mut suite = Suite::new(names.tell_apart(name.into_owned()), &result.now);
    looked_at(&mut suite, result)?;
    say_notes(&mut suite, notes)?;
    let subjects = subjects(result);
    for subject in &subjects {
        // The verdict is never left out. One place is kept for the case that counts what is.
        let most = if suite.tests() == 0 { usize::MAX } else { room.bytes.saturating_sub(COUNTING_BYTES) };
        if suite.tests() + 1 >= room.cases || !suite.add(subject.case(result), most)? {
            break;
        }
    }
    let left_out = subjects.len() - suite.tests();
    if left_out > 0 {
        let text = format!("{} left out: this file holds the worst only", count(left_out, "more case"));
        suite.add(case("cases left out", Outcome::Skipped(cause("limit", text))), usize::MAX)?;
        suite.say("cases-left-out", &left_out.to_string())?;
    }
    Ok(suite)
}

/// What still fits into the file.
#[derive(Debug, Clone, Copy)]
struct Room {
    cases: usize,
    bytes: usize,
}

impl Room {
    /// The part of each of so many suites.
    fn shared_by(self, suites: usize) -> Self {
        Self { cases: self.cases / suites, bytes: self.bytes / suites }
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
    fn case(&self, result: &ScanResult) -> Case {
        match self {
            Self::Verdict => case("verdict", verdict(result)),
            Self::Skipped(gap) => skipped(result, gap),
            Self::Rule(policy, of, fired) => rule(policy, of, *fired),
            Self::Finding(judged) => finding(result, judged),
        }
    }
}

fn verdict(result: &ScanResult) -> Outcome {
    match result.verdict.outcome {
        policy::Outcome::Pass | policy::Outcome::Warn => Outcome::Passed(None),
        policy::Outcome::Unfinished => {
            let text = "not everything was looked at, so the gate can say neither yes nor no";
            Outcome::Error(cause("verdict", text))
        }
        policy::Outcome::Fail => {
            let failed = result.verdict.reasons.iter().filter(|reason| reason.action == Action::Fail);
            let lines = failed.map(|reason| format!("{}: {}", reason.rule, reason.message));
            let text = listed(lines, "\n", "rule");
            Outcome::Failed(cause("verdict", if text.is_empty() { "the gate failed".into() } else { text }))
        }
    }
}

fn skipped(result: &ScanResult, gap: &Skipped) -> Case {
    let cause = cause(&gap.name, cut(not_looked_at(gap), MAX_LINE));
    let is_allowed = result.verdict.allows(gap);
    let outcome = if is_allowed { Outcome::Skipped(cause) } else { Outcome::Error(cause) };
    case(&format!("looked at {} ({})", gap.what, gap.name), outcome)
}

fn rule(policy: &PolicyRef, rule: &RuleRef, fired: Option<&Reason>) -> Case {
    let text = fired.map(|reason| cut(&reason.message, MAX_LINE));
    let outcome = match (text, rule.action) {
        (Some(text), Action::Fail) => Outcome::Failed(cause(&rule.name, text)),
        (Some(text), Action::Warn | Action::Ignore) => Outcome::Passed(Some(text.into_owned())),
        (None, _) if rule.expired => {
            Outcome::Skipped(cause("expired", "its last day was over: it was as if absent"))
        }
        (None, _) => Outcome::Passed(None),
    };
    case(&format!("rule {} ({})", rule.name, policy.origin), outcome)
}

fn finding(result: &ScanResult, judged: &Judged) -> Case {
    let (finding, decision) = (&judged.finding, &judged.decision);
    let package = &finding.package;
    // Without the version: a test that is renamed is a test that was mended, and another one that broke.
    let title = cut([&finding.id, " in ", &package.name].concat(), MAX_NAME);
    let severity = words::severity(finding);
    let message = [&title, " ", &package.version, " (", &severity, "): ", &fix(result, judged)].concat();
    let place = Some(place(result, judged)).filter(|place| place.is_in_checkout());
    let line = place.as_ref().map(|place| format!("{}:{}", place.file, place.line));
    let page = Publisher::of(&finding.id).map(|publisher| publisher.page(&finding.id));
    let rule = decision.rule.as_deref().unwrap_or("none");
    let is_warning = matches!(decision.action, Some(Action::Warn) | None);
    let mut text = String::with_capacity(TEXT_BYTES);
    text.extend([if is_warning { "warning: " } else { "" }, &cut(message, MAX_LINE), "\n"]);
    let layer = [&finding.layer.index.to_string(), " ", &finding.layer.instruction].concat();
    for (label, value) in [
        ("rule", rule),
        ("line", line.as_deref().unwrap_or_default()),
        ("summary", &finding.summary),
        ("advisory", page.as_deref().unwrap_or_default()),
        ("layer", &layer),
        ("files", &listed(finding.paths.iter(), ", ", "file")),
        ("purl", &package.purl),
    ] {
        if !value.is_empty() {
            text.extend([label, ": ", &cut(value, MAX_LINE), "\n"]);
        }
    }
    let outcome = match decision.action {
        Some(Action::Fail) => Outcome::Failed(cause(rule, text)),
        Some(Action::Ignore) => Outcome::Skipped(cause(rule, text)),
        Some(Action::Warn) | None => Outcome::Passed(Some(text)),
    };
    let place = place.map(|place| (cut(place.file, MAX_LINE).into_owned(), place.line));
    Case { name: title.into_owned(), place, outcome }
}

/// The first [`MAX_LISTED`] of a list, each on one line, and how many more there are.
fn listed(entries: impl Iterator<Item = impl AsRef<str>>, between: &str, noun: &str) -> String {
    let mut entries = entries;
    let mut shown: Vec<String> =
        entries.by_ref().take(MAX_LISTED).map(|entry| cut(entry.as_ref(), MAX_LINE).into_owned()).collect();
    let more = entries.count();
    if more > 0 {
        shown.push(format!("and {}", count(more, &format!("more {noun}"))));
    }
    shown.join(between)
}

/// Says what was looked at.
fn looked_at(suite: &mut Suite, result: &ScanResult) -> io::Result<()> {
    let looked_at = &result.looked_at;
    let unmatched = result.findings.iter().filter(|judged| judged.decision.action.is_none()).count();
    let packages = looked_at.packages.iter().map(|(ecosystem, count)| format!("{count} {ecosystem}"));
    for (name, value) in [
        ("image", &result.image.reference),
        ("digest", &result.image.digest.to_string()),
        ("platform", &result.image.platform),
        ("snapshot", &result.snapshot.id.to_string()),
        ("layers", &looked_at.layers.to_string()),
        ("files", &looked_at.files.to_string()),
        ("packages", &listed(packages, ", ", "kind")),
        ("findings-no-rule-matched", &unmatched.to_string()),
    ] {
        suite.say(name, &cut(value, MAX_LINE))?;
    }
    if result.snapshot.demo {
        suite.say("demo-snapshot", "yes: these advisories are for trying out, not for gating")?;
    }
    let feeds = &result.snapshot.feeds;
    for feed in feeds.iter().take(MAX_LISTED) {
        let value = format!("{} advisories, {}", feed.records, feed.age());
        suite.say(&cut(format!("feed {}", feed.name), MAX_NAME), &cut(value, MAX_NAME))?;
    }
    match feeds.len().saturating_sub(MAX_LISTED) {
        0 => Ok(()),
        more => suite.say("more-feeds", &more.to_string()),
    }
}

/// Says what a reader should know of the run.
fn say_notes(suite: &mut Suite, notes: &[String]) -> io::Result<()> {
    for (index, note) in notes.iter().take(MAX_LISTED).enumerate() {
        suite.say(&format!("note-{}", index + 1), &cut(note, MAX_LINE))?;
    }
    match notes.len().saturating_sub(MAX_LISTED) {
        0 => Ok(()),
        more => suite.say("more-notes", &more.to_string()),
    }
}

fn cause<'a>(kind: &str, text: impl Into<Cow<'a, str>>) -> Cause {
    let text = text.into();
    let text = if text.is_empty() { "-".to_owned() } else { text.into_owned() };
    Cause { kind: cut(kind, MAX_NAME).into_owned(), text }
}

fn case(name: &str, outcome: Outcome) -> Case {
    Case { name: cut(name, MAX_NAME).into_owned(), place: None, outcome }
}
