//! Policies and rules as they are applied, and the two policies that need no file.

use jiff::civil::Date;
use wildmatch::WildMatch;

use super::{Action, Error, FeedAge, PolicyRef, RuleRef, file};
use crate::{
    digest::Digest,
    finding::{Confidence, Finding, Severity, Status},
    package::Ecosystem,
};

/// Rules, and where they come from.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// A file's path, `default`, `--fail-on high`.
    pub origin: String,
    /// Digest of the policy's text.
    pub digest: Digest,
    /// Whose word of how bad a finding is counts, the first who rates it; after these, and where there are none, those who
    /// know the package best.
    pub severity_from: Vec<&'static str>,
    /// Packages that no feed of their own speaks of are matched by the CPE names of their products.
    pub cpe: bool,
    /// How old advisories may be; `None` where the policy has no word on it.
    pub feeds: Option<FeedAge>,
    /// In order: the first that matches decides.
    pub rules: Vec<Rule>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Its name, which no other rule of the policy has.
    pub name: String,
    /// What it matches.
    pub when: When,
    /// What it does with a finding that it matches.
    pub action: Action,
    /// The last day (UTC) it applies; from the next day on it is as if absent.
    pub until: Option<Date>,
    /// Why it is there, in its author's words.
    pub reason: Option<String>,
}

/// What a rule matches: every condition that is given must hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct When {
    /// The finding's severity is one of these; empty for any.
    pub severities: Vec<Severity>,
    /// The package's name matches one of these globs (`*`, `?`); empty for any.
    pub packages: Vec<WildMatch>,
    /// The finding's id or one of its aliases is one of these, in upper case; empty for any.
    pub cves: Vec<String>,
    /// The package is of one of these ecosystems; empty for any.
    pub ecosystems: Vec<Ecosystem>,
    /// A fixed version is known, or not; `None` for either.
    pub fixable: Option<bool>,
    /// What the source says of a fix is one of these; empty for any.
    pub statuses: Vec<Status>,
    /// It is known to be exploited, or not; `None` for either.
    pub exploited: Option<bool>,
    /// How sure it is that the package is meant; `None` for either.
    pub confidence: Option<Confidence>,
    /// EPSS is this or more, in hundred-thousandths; `None` for any, and for none at all.
    pub epss_at_least: Option<u32>,
}

impl When {
    /// Whether the finding, which the policy takes for as bad as `severity`, fulfils every condition but the one on its names,
    /// which the caller looks up.
    pub(super) fn holds(&self, finding: &Finding, severity: Severity) -> bool {
        let package = &finding.package;
        (self.severities.is_empty() || self.severities.contains(&severity))
            && self.fixable.is_none_or(|fixable| fixable == finding.fixed_in.is_some())
            && (self.statuses.is_empty() || self.statuses.contains(&finding.status))
            && self.exploited.is_none_or(|exploited| exploited == finding.exploited.is_some())
            && self.confidence.is_none_or(|confidence| confidence == finding.confidence)
            && self
                .epss_at_least
                .is_none_or(|least| finding.epss.is_some_and(|epss| epss.probability >= least))
            && (self.ecosystems.is_empty() || self.ecosystems.contains(&package.ecosystem))
            && (self.packages.is_empty() || self.packages.iter().any(|glob| glob.matches(&package.name)))
    }
}

impl Rule {
    /// Whether its last day is over.
    pub fn expired(&self, today: Date) -> bool {
        self.until.is_some_and(|until| until < today)
    }
}

/// The default policy, in the form of a file.
pub const STANDARD: &str = include_str!("standard.yaml");

impl Policy {
    /// Reads a policy file of version 1. `origin` is what errors and reports call it.
    pub fn parse(origin: &str, text: &str) -> Result<Self, Error> {
        file::parse(origin, text)
    }

    /// The policy where nobody gives one: critical and high findings fail the gate when a fix exists, and warn
    /// otherwise, because a gate that cannot be opened is switched off. So do those that no source has rated.
    pub fn standard() -> Self {
        let severe = |fixable| When {
            severities: vec![Severity::Critical, Severity::High],
            fixable: Some(fixable),
            ..When::default()
        };
        Self {
            origin: "default".to_owned(),
            digest: Digest::of(STANDARD.as_bytes()),
            severity_from: Vec::new(),
            cpe: false,
            feeds: None,
            rules: vec![
                rule("severe-with-fix", severe(true), Action::Fail),
                rule("severe-without-fix", severe(false), Action::Warn),
                unrated(),
            ],
        }
    }

    /// The short form `--fail-on SEVERITY`: that severity or worse fails the gate, fix or not; unrated findings warn.
    pub fn fail_on(severity: Severity) -> Self {
        let name = format!("fail-on-{}", severity.as_str());
        let when = When { severities: at_least(severity), ..When::default() };
        Self {
            origin: format!("--fail-on {}", severity.as_str()),
            digest: Digest::of(fail_on_text(severity).as_bytes()),
            severity_from: Vec::new(),
            cpe: false,
            feeds: None,
            rules: vec![rule(&name, when, Action::Fail), unrated()],
        }
    }

    /// How a verdict of that day names the policy.
    pub fn reference(&self, today: Date) -> PolicyRef {
        let rules = self.rules.iter().map(|rule| RuleRef {
            name: rule.name.clone(),
            action: rule.action,
            expired: rule.expired(today),
        });
        PolicyRef { origin: self.origin.clone(), digest: self.digest, rules: rules.collect() }
    }
}

/// The file that says the same as `--fail-on SEVERITY`.
pub fn fail_on_text(severity: Severity) -> String {
    let word = severity.as_str();
    format!(
        "version: 1\nrules:\n  - name: fail-on-{word}\n    when: {{ severity_at_least: {word} }}\n    action: fail\n  \
         - name: unrated\n    when: {{ severity: unknown }}\n    action: warn\n"
    )
}

/// A severity and all that are worse, worst first.
pub(super) fn at_least(severity: Severity) -> Vec<Severity> {
    Severity::ALL.into_iter().filter(|other| *other >= severity).collect()
}

/// What no source has rated may be anything: it is said, and does not pass in silence.
fn unrated() -> Rule {
    let when = When { severities: vec![Severity::Unknown], ..When::default() };
    rule("unrated", when, Action::Warn)
}

fn rule(name: &str, when: When, action: Action) -> Rule {
    Rule { name: name.to_owned(), when, action, until: None, reason: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_without_a_file_equal_their_text() {
        assert_eq!(Policy::parse("default", STANDARD), Ok(Policy::standard()));
        for severity in Severity::ALL {
            let policy = Policy::fail_on(severity);
            assert_eq!(Policy::parse(&policy.origin, &fail_on_text(severity)), Ok(policy));
        }
    }
}
