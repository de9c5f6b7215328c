//! The form of a policy file: YAML, version 1.

use std::{collections::HashMap, fmt};

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{
    Deserialize,
    de::{self, IntoDeserializer, value::StrDeserializer},
};
use serde_saphyr::{Error as YamlError, Location, MessageFormatter, Spanned, UserMessageFormatter};
use wildmatch::WildMatch;

use super::{
    Action, Error, FeedAge, Policy, Problem, Rule, When, age,
    condition::{OneOrMany, given, without_null_defaults},
    rule::at_least,
    severity::Rater,
};
use crate::{
    digest::Digest,
    finding::{Confidence, Epss, Severity, Status},
    package::Ecosystem,
};

/// `policy size`: most bytes of a policy file.
pub const MAX_POLICY_BYTES: usize = 1 << 20;
/// `policy rules`: most rules of a policy file.
pub const MAX_RULES: usize = 10_000;
/// The conditions of a `when`, for messages.
pub(super) const CONDITIONS: &str = "severity, severity_at_least, package, cve, ecosystem, fixable, status, exploited, confidence, epss_at_least";

/// Most days that advisories may be old.
const MAX_DAYS: u32 = 36_500;
/// Longest name of a rule, in characters.
const MAX_NAME: usize = 100;
/// Longest glob or CVE, in characters.
const MAX_PATTERN: usize = 256;
/// Longest reason, in characters.
const MAX_REASON: usize = 1_000;

/// A policy as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = without_null_defaults)]
pub struct PolicyFile {
    /// Version of this form.
    #[schemars(with = "u64", extend("const" = 1))]
    version: Spanned<u64>,
    /// Whose word of how bad a finding is counts: the first of these who rates it, then those who know the package best. A
    /// more general policy's order holds for the policies after it, too.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "OneOrMany<Rater>")]
    severity_from: Option<Spanned<OneOrMany<Rater>>>,
    /// Whether packages that no feed of their own speaks of are matched by the CPE names of their products, which is a guess: it
    /// only ever adds findings, of `confidence: low`.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "bool")]
    cpe: Option<bool>,
    /// How old the advisories may be. Where no policy says anything, a verdict on some that are older than five days warns.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "FeedsFile")]
    feeds: Option<FeedsFile>,
    /// In order: the first rule that matches a finding decides it.
    #[schemars(with = "Vec<RuleFile>", length(min = 1, max = MAX_RULES))]
    rules: Spanned<Vec<RuleFile>>,
}

/// How old the advisories may be: of each feed that the image is held against the last day on which it was known to be the
/// newest, else that of its newest record.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename = "Feeds")]
#[schemars(transform = without_null_defaults, extend("minProperties" = 1))]
struct FeedsFile {
    /// Whole days; older is too old. 5 where it is not given.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "u32", range(max = MAX_DAYS))]
    max_age_days: Option<Spanned<u64>>,
    /// What a feed that is too old does; `warn` where it is not given. With `ignore` the verdict names it all the same.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Action")]
    when_older: Option<Spanned<String>>,
}

/// One rule.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename = "Rule")]
#[schemars(transform = without_null_defaults)]
#[schemars(extend(
    "if" = { "properties": { "action": { "const": "ignore" } } },
    "then" = { "required": ["reason"] }
))]
struct RuleFile {
    /// What reports call the rule; each rule has its own.
    #[schemars(with = "String", length(min = 1, max = MAX_NAME))]
    name: Spanned<String>,
    /// What it matches: every condition that is given must hold.
    #[schemars(with = "WhenFile")]
    when: Spanned<WhenFile>,
    /// What it does with a finding that it matches.
    #[schemars(with = "Action")]
    action: Spanned<String>,
    /// The last day (UTC) it applies, YYYY-MM-DD; from the next day on it is as if absent.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "String", regex(pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"))]
    until: Option<Spanned<String>>,
    /// Why it is there; needed where the action is `ignore`.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "String", length(min = 1, max = MAX_REASON))]
    reason: Option<Spanned<String>>,
}

/// The conditions of a rule.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename = "When")]
#[schemars(transform = without_null_defaults)]
#[schemars(extend("minProperties" = 1, "not" = { "required": ["severity", "severity_at_least"] }))]
struct WhenFile {
    /// The finding's severity is one of these.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "OneOrMany<Severity>")]
    severity: Option<Spanned<OneOrMany<Severity>>>,
    /// The finding's severity is this or worse.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Severity")]
    severity_at_least: Option<Spanned<String>>,
    /// The package's name matches one of these globs: `*` is any text, `?` any character.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "OneOrMany<String>")]
    package: Option<Spanned<OneOrMany<String>>>,
    /// The finding's id or one of its aliases is one of these, in any case.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "OneOrMany<String>")]
    cve: Option<Spanned<OneOrMany<String>>>,
    /// The package is of one of these ecosystems.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "OneOrMany<Ecosystem>")]
    ecosystem: Option<Spanned<OneOrMany<Ecosystem>>>,
    /// Whether a fixed version is known.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "bool")]
    fixable: Option<bool>,
    /// What the source says of a fix is one of these.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "OneOrMany<Status>")]
    status: Option<Spanned<OneOrMany<Status>>>,
    /// Whether it is known to be exploited.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "bool")]
    exploited: Option<bool>,
    /// How sure it is that the package is meant: what is matched by CPE alone is `low`.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Confidence")]
    confidence: Option<Spanned<String>>,
    /// The probability that it is exploited within 30 days (EPSS) is this or more, 0 to 1; what nobody has rated does not match.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "f64", range(min = 0, max = 1))]
    epss_at_least: Option<Spanned<f64>>,
}

/// Where in which policy.
struct Place<'a>(&'a str);

impl Place<'_> {
    fn error(&self, at: Location, problem: Problem) -> Error {
        Error { origin: self.0.to_owned(), line: at.line().max(1), column: at.column().max(1), problem }
    }
}

/// Reads a policy file. The origin is what errors and reports call it.
pub(super) fn parse(origin: &str, text: &str) -> Result<Policy, Error> {
    let place = Place(origin);
    if text.len() > MAX_POLICY_BYTES {
        let problem = Problem::Size { found: text.len(), limit: MAX_POLICY_BYTES };
        return Err(place.error(Location::UNKNOWN, problem));
    }
    let file: PolicyFile = serde_saphyr::from_str_with_options(text, options()).map_err(|error| {
        // A later form may have other keys: its version is the better news.
        let version = serde_saphyr::from_str_with_options::<VersionOnly>(text, options());
        match version {
            Ok(VersionOnly { version }) if version.value != 1 => {
                place.error(version.referenced, Problem::Version(version.value))
            }
            _ => yaml_error(&place, &error),
        }
    })?;
    if file.version.value != 1 {
        return Err(place.error(file.version.referenced, Problem::Version(file.version.value)));
    }
    let severity_from = file.severity_from.map(|list| place.raters(list)).transpose()?.unwrap_or_default();
    let feeds = file.feeds.map(|feeds| place.feeds(feeds)).transpose()?;
    let at = file.rules.referenced;
    let rules = file.rules.value;
    if rules.is_empty() {
        return Err(place.error(at, Problem::NoRules));
    }
    if rules.len() > MAX_RULES {
        return Err(place.error(at, Problem::Rules { found: rules.len(), limit: MAX_RULES }));
    }
    let mut names: HashMap<String, u64> = HashMap::new();
    for RuleFile { name, .. } in &rules {
        if let Some(first_line) = names.insert(name.value.clone(), name.referenced.line()) {
            let problem = Problem::DuplicateName { name: name.value.clone(), first_line };
            return Err(place.error(name.referenced, problem));
        }
    }
    let rules = rules.into_iter().map(|rule| place.rule(rule)).collect::<Result<_, _>>()?;
    Ok(Policy {
        origin: origin.to_owned(),
        digest: Digest::of(text.as_bytes()),
        severity_from,
        cpe: file.cpe == Some(true),
        feeds,
        rules,
    })
}

#[derive(Deserialize)]
struct VersionOnly {
    version: Spanned<u64>,
}

/// Bounds on what a hostile file may cost: aliases may repeat a list, not multiply it.
fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 16,
            max_documents: 1,
            max_aliases: 1_000,
            max_anchors: 1_000,
            max_total_scalar_bytes: 2 * MAX_POLICY_BYTES,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 20_000,
            max_replay_stack_depth: 4,
        },
        merge_keys: serde_saphyr::options::MergeKeyPolicy::Error,
        strict_booleans: true,
        with_snippet: false,
    }
}

fn yaml_error(place: &Place<'_>, error: &YamlError) -> Error {
    let at = error.location().unwrap_or(Location::UNKNOWN);
    place.error(at, yaml_problem(error))
}

fn yaml_problem(error: &YamlError) -> Problem {
    Problem::Form(match error {
        YamlError::WithSnippet { error, .. } | YamlError::AliasError { error, .. } => {
            return yaml_problem(error);
        }
        YamlError::SerdeUnknownField { field, expected, .. } => {
            return Problem::UnknownKey { key: field.clone(), accepted: expected.clone() };
        }
        YamlError::SerdeMissingField { field, .. } => format!("the key `{field}` is missing"),
        YamlError::SerdeInvalidType { unexpected, expected, .. }
        | YamlError::SerdeInvalidValue { unexpected, expected, .. } => {
            format!("found {unexpected}, expected {expected}")
        }
        YamlError::DuplicateMappingKey { key: Some(key), .. } => format!("the key `{key}` is there twice"),
        YamlError::Eof { .. } => "the file ends here, and holds no policy".to_owned(),
        YamlError::InvalidBooleanStrict { .. } => "expected true or false".to_owned(),
        other => UserMessageFormatter.format_message(other).into_owned(),
    })
}

impl Place<'_> {
    fn raters(&self, list: Spanned<OneOrMany<Rater>>) -> Result<Vec<&'static str>, Error> {
        let accepted = Rater::names();
        let mut named: Vec<&'static str> = Vec::new();
        self.list("severity_from", list, |text, at| {
            let Some(name) = accepted.iter().find(|name| **name == text) else {
                let (what, found) = ("source of severity", text.chars().take(100).collect());
                let problem = Problem::UnknownWord { what, found, accepted: accepted.clone() };
                return Err(self.error(at, problem));
            };
            Ok((*name, at))
        })?
        .into_iter()
        .try_for_each(|(name, at)| {
            if named.contains(&name) {
                return Err(self.error(at, Problem::NamedTwice(name.to_owned())));
            }
            named.push(name);
            Ok(())
        })?;
        Ok(named)
    }

    fn feeds(&self, feeds: FeedsFile) -> Result<FeedAge, Error> {
        let FeedAge { max_days, when_older } = FeedAge::default();
        let days = |days: Spanned<u64>| {
            let fits = u32::try_from(days.value).ok().filter(|days| *days <= MAX_DAYS);
            fits.ok_or_else(|| self.error(days.referenced, Problem::Days(MAX_DAYS)))
        };
        let action = |word: Spanned<String>| self.word("when_older", &word.value, word.referenced);
        Ok(FeedAge {
            max_days: feeds.max_age_days.map(days).transpose()?.unwrap_or(max_days),
            when_older: feeds.when_older.map(action).transpose()?.unwrap_or(when_older),
        })
    }

    fn rule(&self, rule: RuleFile) -> Result<Rule, Error> {
        self.text("name", MAX_NAME, &rule.name.value, rule.name.referenced)?;
        if age::is_reserved(&rule.name.value) {
            return Err(self.error(rule.name.referenced, Problem::ReservedName(rule.name.value)));
        }
        let action: Action = self.word("action", &rule.action.value, rule.action.referenced)?;
        let until = rule.until.map(|until| self.day(&until)).transpose()?;
        if let Some(reason) = &rule.reason {
            self.text("reason", MAX_REASON, &reason.value, reason.referenced)?;
        } else if action == Action::Ignore {
            let problem = Problem::IgnoreWithoutReason(rule.name.value);
            return Err(self.error(rule.action.referenced, problem));
        }
        let at = rule.when.referenced;
        let when = self.when(rule.when)?;
        if when == When::default() {
            return Err(self.error(at, Problem::EmptyWhen(rule.name.value)));
        }
        Ok(Rule {
            name: rule.name.value,
            when,
            action,
            until,
            reason: rule.reason.map(|reason| reason.value),
        })
    }

    fn when(&self, when: Spanned<WhenFile>) -> Result<When, Error> {
        let at = when.referenced;
        let when = when.value;
        let severities = match (when.severity, when.severity_at_least) {
            (Some(_), Some(_)) => return Err(self.error(at, Problem::TwoSeverities)),
            (Some(list), None) => self.list("severity", list, |text, at| self.word("severity", text, at))?,
            (None, Some(least)) => at_least(self.word("severity", &least.value, least.referenced)?),
            (None, None) => Vec::new(),
        };
        let packages = when.package.map(|list| {
            self.list("package", list, |text, at| {
                self.text("package", MAX_PATTERN, text, at)?;
                Ok(WildMatch::new(text))
            })
        });
        let cves = when.cve.map(|list| {
            self.list("cve", list, |text, at| {
                self.text("cve", MAX_PATTERN, text, at)?;
                if text.contains(['*', '?']) {
                    return Err(self.error(at, Problem::Wildcard(text.to_owned())));
                }
                Ok(text.to_ascii_uppercase())
            })
        });
        let ecosystems = when
            .ecosystem
            .map(|list| self.list("ecosystem", list, |text, at| self.word("ecosystem", text, at)));
        let statuses =
            when.status.map(|list| self.list("status", list, |text, at| self.word("status", text, at)));
        let confidence = when.confidence.map(|word| self.word("confidence", &word.value, word.referenced));
        let epss = when.epss_at_least.map(|least| {
            let problem = || self.error(least.referenced, Problem::Fraction("epss_at_least"));
            Epss::parts(least.value).ok_or_else(problem)
        });
        Ok(When {
            severities,
            packages: packages.transpose()?.unwrap_or_default(),
            cves: cves.transpose()?.unwrap_or_default(),
            ecosystems: ecosystems.transpose()?.unwrap_or_default(),
            fixable: when.fixable,
            statuses: statuses.transpose()?.unwrap_or_default(),
            exploited: when.exploited,
            confidence: confidence.transpose()?,
            epss_at_least: epss.transpose()?,
        })
    }

    fn list<T, U>(
        &self,
        field: &'static str,
        list: Spanned<OneOrMany<T>>,
        read: impl Fn(&str, Location) -> Result<U, Error>,
    ) -> Result<Vec<U>, Error> {
        let whole = list.referenced;
        if list.value.texts.is_empty() {
            return Err(self.error(whole, Problem::EmptyList(field)));
        }
        list.value.texts.iter().map(|(text, at)| read(text, at.unwrap_or(whole))).collect()
    }

    fn text(&self, field: &'static str, limit: usize, text: &str, at: Location) -> Result<(), Error> {
        let fine = !text.trim().is_empty()
            && text.chars().count() <= limit
            && !text.chars().any(|c| c.is_control() && !(field == "reason" && c == '\n'));
        if fine { Ok(()) } else { Err(self.error(at, Problem::Text { field, limit })) }
    }

    fn day(&self, until: &Spanned<String>) -> Result<Date, Error> {
        let text = until.value.as_str();
        // Written out, because a lenient reader takes 20261231 and times of day as well.
        let form = text.len() == 10
            && text
                .bytes()
                .enumerate()
                .all(|(i, b)| if i == 4 || i == 7 { b == b'-' } else { b.is_ascii_digit() });
        let day = if form { text.parse().ok() } else { None };
        day.ok_or_else(|| self.error(until.referenced, Problem::Date(text.chars().take(40).collect())))
    }

    /// One word of the closed list that an enum's serde names are.
    fn word<T: for<'de> Deserialize<'de>>(
        &self,
        what: &'static str,
        text: &str,
        at: Location,
    ) -> Result<T, Error> {
        let deserializer: StrDeserializer<'_, NoVariant> = text.into_deserializer();
        T::deserialize(deserializer).map_err(|NoVariant(accepted)| {
            let found = text.chars().take(100).collect();
            self.error(at, Problem::UnknownWord { what, found, accepted: accepted.to_vec() })
        })
    }
}

/// The names that an enum takes, out of serde's error.
#[derive(Debug)]
struct NoVariant(&'static [&'static str]);

impl fmt::Display for NoVariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no such word")
    }
}

impl std::error::Error for NoVariant {}

impl de::Error for NoVariant {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(&[])
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self(expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: &str = "version: 1\nrules:\n  - name: a\n    action: fail\n    when: ";

    fn problem(text: &str) -> (u64, u64, Problem) {
        let error = Policy::parse("p.yaml", text).expect_err(text);
        assert_eq!(error.origin, "p.yaml");
        (error.line, error.column, error.problem)
    }

    fn message(text: &str) -> String {
        Policy::parse("p.yaml", text).expect_err(text).to_string()
    }

    #[test]
    fn every_condition_is_read() {
        let text = "version: 1
cpe: true
rules:
  - name: all
    when:
      severity: [critical, high]
      package: [\"lib*\", openssl]
      cve: [CVE-2024-1, ghsa-xxxx]
      ecosystem: deb
      fixable: true
      status: [no_dsa, fixed]
      exploited: false
      confidence: low
      epss_at_least: 0.1
    action: ignore
    until: 2026-12-31
    reason: not reachable
  - name: rest
    when: { severity_at_least: medium }
    action: warn
";
        let policy = Policy::parse("p.yaml", text).unwrap();
        let (all, rest) = (&policy.rules[0], &policy.rules[1]);
        assert_eq!(all.when.severities, [Severity::Critical, Severity::High]);
        assert_eq!(all.when.packages.len(), 2);
        assert_eq!(all.when.cves, ["CVE-2024-1", "GHSA-XXXX"]);
        assert_eq!(all.when.ecosystems, [Ecosystem::Deb]);
        assert_eq!(all.when.fixable, Some(true));
        assert_eq!(all.when.statuses, [Status::NoDsa, Status::Fixed]);
        assert_eq!((policy.cpe, all.when.confidence), (true, Some(Confidence::Low)));
        assert_eq!((all.when.exploited, all.when.epss_at_least), (Some(false), Some(10_000)));
        assert_eq!(all.until, Some(jiff::civil::date(2026, 12, 31)));
        assert_eq!(all.reason.as_deref(), Some("not reachable"));
        assert_eq!(rest.when.severities, [Severity::Critical, Severity::High, Severity::Medium]);
    }

    #[test]
    fn whose_severities_count_is_a_list_of_known_names() {
        let of =
            |names: &str| format!("version: 1\nseverity_from: {names}\n{}", &RULE["version: 1\n".len()..]);
        let read = |names| Policy::parse("p.yaml", &(of(names) + "{ fixable: true }"));
        assert_eq!(read("[own, github, nvd]").unwrap().severity_from, ["own", "github", "nvd"]);
        assert_eq!(read("nvd").unwrap().severity_from, ["nvd"]);
        let message = |names| read(names).expect_err(names).to_string();
        let unknown = message("[nvd, debain]");
        let want = "p.yaml:2:22: unknown source of severity `debain` (did you mean `debian`?); it is one of own, alpine,";
        assert!(unknown.starts_with(want) && !unknown.contains("epss"), "{unknown}");
        assert_eq!(
            message("[nvd, own, nvd]"),
            "p.yaml:2:27: `nvd` is named twice: only its first place counts, so name it once"
        );
        assert_eq!(message("[]"), "p.yaml:2:16: `severity_from` is empty: name at least one");
        assert!(message("").starts_with("p.yaml:2:"));
    }

    #[test]
    fn errors_point_at_the_offending_text() {
        assert_eq!(
            message(&format!("{RULE}{{ severity: [high, critcal] }}")),
            "p.yaml:5:30: unknown severity `critcal` (did you mean `critical`?); \
             it is one of unknown, negligible, low, medium, high, critical"
        );
        assert_eq!(
            message(&format!("{RULE}{{ sevrity: high }}")),
            "p.yaml:5:13: unknown key `sevrity` (did you mean `severity`?); \
             it takes severity, severity_at_least, package, cve, ecosystem, fixable, status, exploited, confidence, epss_at_least"
        );
        let (line, column, _) = problem(&format!("{RULE}{{ severity: hgh }}"));
        assert_eq!((line, column), (5, 23));
        assert!(
            message("version: 1\nruls: []\n")
                .starts_with("p.yaml:2:1: unknown key `ruls` (did you mean `rules`?)")
        );
        assert_eq!(problem("version: 2\nchecks: []\n"), (1, 10, Problem::Version(2)));
        assert_eq!(problem(&format!("{RULE}{{}}")), (5, 11, Problem::EmptyWhen("a".into())));
        assert_eq!(problem(&format!("{RULE}{{ package: [] }}")), (5, 22, Problem::EmptyList("package")));
        assert_eq!(
            problem(&format!("{RULE}{{ cve: CVE-2024-* }}")),
            (5, 18, Problem::Wildcard("CVE-2024-*".into()))
        );
        assert_eq!(
            problem(&format!("{RULE}{{ severity: low, severity_at_least: low }}")),
            (5, 11, Problem::TwoSeverities)
        );
        for day in ["2026-02-30", "20261231", "2026-12-31T10:00", "tomorrow"] {
            let text = format!("{RULE}{{ fixable: true }}\n    until: {day}\n");
            assert_eq!(problem(&text), (6, 12, Problem::Date(day.into())));
        }
        let twice = format!(
            "{RULE}{{ fixable: true }}\n  - name: a\n    action: warn\n    when: {{ fixable: false }}\n"
        );
        assert_eq!(problem(&twice), (6, 11, Problem::DuplicateName { name: "a".into(), first_line: 3 }));
        let ignore = format!("{RULE}{{ fixable: true }}").replace("fail", "ignore");
        assert_eq!(problem(&ignore), (4, 13, Problem::IgnoreWithoutReason("a".into())));
        assert_eq!(problem("version: 1\nrules: []\n"), (2, 8, Problem::NoRules));
    }

    #[test]
    fn what_is_no_policy_is_refused() {
        for (text, want) in [
            ("", "p.yaml:1:1: the file ends here, and holds no policy"),
            ("version: 1\n", "the key `rules` is missing"),
            ("rules: []\n", "the key `version` is missing"),
            ("version: one\nrules: []\n", "p.yaml:1:10: "),
            ("version: 1\nrules: {}\n", "p.yaml:2:8: "),
            ("version: 1\nrules: [\n", "p.yaml:"),
            ("version: 1\nversion: 1\nrules: []\n", "p.yaml:2:1: the key `version` is there twice"),
            (&format!("{RULE}{{ severity: }}"), "p.yaml:5:"),
            (&format!("{RULE}{{ severity: 7 }}"), "a text or a list of texts"),
            (&format!("{RULE}{{ fixable: maybe }}"), "p.yaml:5:22: expected true or false"),
            (
                &format!("{RULE}{{ epss_at_least: 1.5 }}"),
                "p.yaml:5:28: `epss_at_least` must be a number from 0 to 1",
            ),
            (&format!("{RULE}{{ epss_at_least: .nan }}"), "`epss_at_least` must be a number from 0 to 1"),
            (
                &(RULE.replace("rules", "feeds: {max_age_days: 40000}\nrules") + "{ fixable: true }"),
                "`max_age_days` must be",
            ),
            (&(RULE.replace("rules", "feeds: {max_age_days: -1}\nrules") + "{ fixable: true }"), "p.yaml:2:"),
            (
                &(RULE.replace("rules", "feeds: {when_older: wrn}\nrules") + "{ fixable: true }"),
                "unknown when_older `wrn`",
            ),
            (
                &(RULE.replace("name: a", "name: Advisories  older than 5 days") + "{ fixable: true }"),
                "p.yaml:3:11: rule name `Advisories  older than 5 days` is what reports call",
            ),
            (&format!("{RULE}{{ status: maybe }}"), "unknown status `maybe`"),
            (&format!("{RULE}{{ confidence: maybe }}"), "unknown confidence `maybe`; it is one of low, high"),
            (&format!("{RULE}{{ fixable: true }}\n---\nversion: 1\n"), "p.yaml:6:1: "),
            (&format!("{RULE}{{ fixable: true }}\n    until:\n"), "p.yaml:6:"),
            (&format!("{RULE}{{ package: \"a\\eb\" }}"), "`package` must be 1 to 256 printable characters"),
        ] {
            let message = message(text);
            assert!(message.contains(want), "{text:?}\n gives {message}\n want  {want}");
        }
    }

    #[test]
    fn large_and_multiplying_files_are_refused() {
        let size = "#".repeat(MAX_POLICY_BYTES + 1);
        assert!(matches!(problem(&size), (1, 1, Problem::Size { .. })));
        let mut rules = "version: 1\nrules:\n".to_owned();
        for index in 0..=MAX_RULES {
            rules += &format!("- {{name: r{index}, when: {{fixable: true}}, action: warn}}\n");
        }
        assert_eq!(problem(&rules), (3, 3, Problem::Rules { found: MAX_RULES + 1, limit: MAX_RULES }));
        let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for (name, from) in
            ["b", "c", "d", "e", "f", "g", "h"].iter().zip(["a", "b", "c", "d", "e", "f", "g"])
        {
            bomb += &format!("{name}: &{name} [{}]\n", vec![format!("*{from}"); 9].join(", "));
        }
        bomb += "version: 1\nrules: []\n";
        assert!(Policy::parse("p.yaml", &bomb).is_err());
        let nested = format!("version: 1\nrules: {}", "[".repeat(100_000));
        assert!(Policy::parse("p.yaml", &nested).is_err());
        let aliased = format!(
            "{RULE}{{ package: &p [{}] }}\n{}",
            vec!["x"; 1_000].join(", "),
            (0..900)
                .map(|i| format!("  - {{ name: r{i}, action: warn, when: {{ package: *p }} }}\n"))
                .collect::<String>()
        );
        let error = message(&aliased);
        assert!(error.contains("p.yaml:") && error.contains("too large"), "{error}");
    }
}
