//! Words that more than one report for people uses.

use std::borrow::Cow;

use super::{Judged, ScanResult, alert::is_ignored, text::grouped};
use crate::{
    finding::{Confidence, Finding, Severity},
    policy::{Action, Outcome, is_unpublished},
};

/// The outcome in one word, capital as it is shouted in logs.
pub(super) fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Fail => "FAIL",
        Outcome::Unfinished => "UNFINISHED",
        Outcome::Warn => "WARN",
        Outcome::Pass => "PASS",
    }
}

/// The outcome and what was found, on one line that tells "clean" from "did not look".
pub(super) fn verdict(result: &ScanResult) -> String {
    let skipped = &result.looked_at.skipped;
    let gap = match skipped.as_slice() {
        [] => "",
        gaps if gaps.iter().all(is_unpublished) => ", but for packages that nobody publishes advisories of",
        _ => ", AND NOT EVERYTHING WAS LOOKED AT",
    };
    format!("{}{gap}: {}", outcome(result.verdict.outcome), tally(result))
}

/// Whether finding nothing means something: packages and advisories were there, and nothing was left out that could have been
/// looked at.
pub(super) fn looked(result: &ScanResult) -> bool {
    let is_published = |ecosystem: &str| {
        let name = format!("advisories:{ecosystem}");
        !result.looked_at.skipped.iter().any(|skipped| skipped.name == name)
    };
    result.looked_at.packages.iter().any(|(ecosystem, count)| *count > 0 && is_published(ecosystem))
        && !result.snapshot.feeds.is_empty()
        && !result.snapshot.demo
        && result.looked_at.skipped.iter().all(is_unpublished)
}

/// Findings that count: what the policy ignores does not.
pub(super) fn counted(results: &[ScanResult]) -> impl Iterator<Item = &Judged> {
    results.iter().flat_map(|result| &result.findings).filter(|judged| !is_ignored(judged))
}

/// All packages; a report that was kept may say any numbers.
fn packages(result: &ScanResult) -> usize {
    result.looked_at.packages.values().fold(0, |all: usize, some| all.saturating_add(*some))
}

/// What was found, in one phrase that tells "clean" from "could not tell".
fn tally(result: &ScanResult) -> String {
    let packages = packages(result);
    let (ignored, left): (Vec<_>, Vec<_>) = result.findings.iter().partition(|judged| is_ignored(judged));
    let waived = match ignored.len() {
        0 => String::new(),
        ignored => format!(", and {} that the policy ignores", count(ignored, "finding")),
    };
    if !left.is_empty() {
        let (all, packages) = (count(left.len(), "finding"), count(packages, "package"));
        let severities = by_severity(left.iter().map(|judged| judged.finding.severity));
        return format!("{all} ({severities}){waived}; {packages} looked at");
    }
    if !ignored.is_empty() {
        return format!("nothing in {}{waived}", count(packages, "package"));
    }
    if packages == 0 {
        return "no packages were found, so nothing could be matched".to_owned();
    }
    if result.snapshot.feeds.is_empty() {
        return format!("no advisories were at hand for {}", count(packages, "package"));
    }
    format!("no advisory matches any of {}", count(packages, "package"))
}

/// How many of each severity, worst first, such as `1 critical, 2 low`.
pub(super) fn by_severity(severities: impl Iterator<Item = Severity>) -> String {
    let mut counts = [0_usize; Severity::ALL.len()];
    for severity in severities {
        counts[severity as usize] += 1;
    }
    let some = Severity::ALL.into_iter().filter(|severity| counts[*severity as usize] > 0);
    some.map(|severity| format!("{} {}", counts[severity as usize], severity.as_str()))
        .collect::<Vec<_>>()
        .join(", ")
}

/// How bad, and whose word that is: `high by debian`; and where it is only a guess, that.
pub(super) fn severity(finding: &Finding) -> Cow<'static, str> {
    let word = finding.severity.as_str();
    match (finding.severity_source.as_str(), unsure(finding)) {
        ("", "") => word.into(),
        ("", unsure) => [word, unsure].concat().into(),
        (source, unsure) => [word, " by ", source, unsure].concat().into(),
    }
}

/// What stands behind the severity of a finding that may speak of another package.
pub(super) fn unsure(finding: &Finding) -> &'static str {
    if finding.confidence == Confidence::Low { ", low confidence" } else { "" }
}

/// What the policy does with a finding, in one word; `-` where no rule matched.
pub(super) fn action(action: Option<Action>) -> &'static str {
    match action {
        Some(Action::Fail) => "fail",
        Some(Action::Warn) => "warn",
        Some(Action::Ignore) => "ignored",
        None => "-",
    }
}

/// A number and its noun, with an `s` where there is more than one.
pub(super) fn count(number: usize, noun: &str) -> String {
    let digits = grouped(u64::try_from(number).unwrap_or(u64::MAX));
    if number == 1 { format!("{digits} {noun}") } else { format!("{digits} {noun}s") }
}
