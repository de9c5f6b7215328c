//! Applies policies to findings.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::civil::Date;

use super::{Action, Class, Decision, Outcome, Policy, Reason, Rule, Verdict, severity};
use crate::{
    finding::{Confidence, Finding, Severity},
    report::Judged,
};

/// How many findings a reason names before it only counts them.
const NAMED: usize = 3;

/// Decides every finding, and the gate.
///
/// In each policy the first matching rule decides; of the decisions of all policies the strictest holds, and of equally
/// strict ones that of the earlier policy. How bad a finding is, each policy reads by the order of the most general one up to
/// itself that has one: no policy can make it milder for one that is more general. The finding then shows what the policy
/// that decided went by. Without any policy the [standard one](Policy::standard) applies, so that
/// leaving policies out never opens the gate. `today` is the day (UTC) that `until` is compared with.
pub fn evaluate(
    policies: &[Policy],
    findings: Vec<Finding>,
    today: Date,
    class: Class,
) -> (Vec<Judged>, Verdict) {
    let standard;
    let policies = if policies.is_empty() {
        standard = [Policy::standard()];
        &standard
    } else {
        policies
    };
    let mut order: &[&str] = &[];
    let lookups: Vec<Lookup<'_>> = policies
        .iter()
        .map(|policy| {
            order = if order.is_empty() { &policy.severity_from } else { order };
            Lookup::new(policy, order, today)
        })
        .collect();
    let mut judged: Vec<Judged> = Vec::with_capacity(findings.len());
    let mut hits: Vec<Option<(usize, Hit)>> = Vec::with_capacity(findings.len());
    for mut finding in findings {
        let mut strictest: Option<(usize, Hit)> = None;
        for (policy, lookup) in lookups.iter().enumerate() {
            if let Some(hit) = lookup.decide(&finding)
                && strictest.as_ref().is_none_or(|(_, held)| hit.action > held.action)
            {
                strictest = Some((policy, hit));
            }
        }
        let by = strictest.as_ref().map_or(0, |(policy, _)| *policy);
        if let Some((severity, source)) = severity::by(&finding, lookups[by].order) {
            (finding.severity, finding.severity_source) = (severity, source.to_owned());
        }
        let decision = Decision { rule: None, action: None };
        judged.push(Judged { finding, decision, update_to: None, asked: None, found: Vec::new() });
        hits.push(strictest);
    }
    if !order.is_empty() {
        let mut both: Vec<_> = judged.into_iter().zip(hits).collect();
        both.sort_by(|(one, _), (other, _)| one.finding.order(&other.finding));
        (judged, hits) = both.into_iter().unzip();
    }
    let mut fired: BTreeMap<(usize, usize), Fired> = BTreeMap::new();
    for (index, hit) in hits.into_iter().enumerate() {
        let Some((policy, hit)) = hit else { continue };
        let fired = fired.entry((policy, hit.rule)).or_default();
        fired.findings.push(index);
        fired.expired.extend(hit.expired);
        let name = policies[policy].rules[hit.rule].name.clone();
        judged[index].decision = Decision { rule: Some(name), action: Some(hit.action) };
    }
    let mut reasons: Vec<Reason> = fired
        .into_iter()
        .map(|((policy, rule), fired)| {
            let rule = &policies[policy].rules[rule];
            let message = fired.message(&policies[policy], rule, &judged);
            let findings = fired.findings.len();
            Reason { rule: rule.name.clone(), policy, action: rule.action, findings, message }
        })
        .collect();
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.action)); // stable: policies and rules keep their order
    let outcome = Outcome::of(reasons.first().map(|reason| reason.action));
    let policies = policies.iter().map(|policy| policy.reference(today)).collect();
    (judged, Verdict { outcome, class, policies, allowed: Vec::new(), reasons, degraded: Vec::new() })
}

/// The rule of one policy that decides a finding.
struct Hit {
    rule: usize,
    action: Action,
    /// An earlier rule that would have decided, were its last day not over.
    expired: Option<usize>,
}

/// The rules of one policy, parted so that thousands of waivers by name cost one look-up.
struct Lookup<'a> {
    rules: &'a [Rule],
    /// Whose word of how bad a finding is counts.
    order: &'a [&'static str],
    today: Date,
    by_name: HashMap<&'a str, Vec<usize>>,
    others: Vec<usize>,
}

impl<'a> Lookup<'a> {
    fn new(policy: &'a Policy, order: &'a [&'static str], today: Date) -> Self {
        let mut lookup =
            Self { rules: &policy.rules, order, today, by_name: HashMap::new(), others: Vec::new() };
        for (index, rule) in policy.rules.iter().enumerate() {
            if rule.when.cves.is_empty() {
                lookup.others.push(index);
            }
            for name in &rule.when.cves {
                lookup.by_name.entry(name).or_default().push(index);
            }
        }
        lookup
    }

    fn decide(&self, finding: &Finding) -> Option<Hit> {
        let named: BTreeSet<usize> = if self.by_name.is_empty() {
            BTreeSet::new()
        } else {
            let names = std::iter::once(&finding.id).chain(&finding.aliases);
            let rules = names.filter_map(|name| self.by_name.get(name.to_ascii_uppercase().as_str()));
            rules.flatten().copied().collect()
        };
        let mut named = named.into_iter().peekable();
        let mut others = self.others.iter().copied().peekable();
        let mut expired = None;
        let severity = severity::by(finding, self.order).map_or(finding.severity, |(severity, _)| severity);
        loop {
            // Both lists are in the policy's order; the lower index goes first.
            let index = match (named.peek(), others.peek()) {
                (Some(a), Some(b)) if a < b => named.next(),
                (Some(_), None) => named.next(),
                _ => others.next(),
            }?;
            let rule = &self.rules[index];
            if !rule.when.holds(finding, severity) {
                continue;
            }
            if !rule.expired(self.today) {
                return Some(Hit { rule: index, action: rule.action, expired });
            }
            expired = expired.or(Some(index));
        }
    }
}

/// What one rule decided.
#[derive(Default)]
struct Fired {
    findings: Vec<usize>,
    expired: BTreeSet<usize>,
}

impl Fired {
    fn message(&self, policy: &Policy, rule: &Rule, judged: &[Judged]) -> String {
        let findings: Vec<&Finding> = self.findings.iter().map(|index| &judged[*index].finding).collect();
        let mut message = headline(&findings);
        if rule.action == Action::Ignore {
            message.push_str(" ignored");
        }
        // A package that two layers hold is two findings, and one thing to say.
        let mut told: Vec<String> = Vec::new();
        let mut named = 0;
        for finding in &findings {
            let package = &finding.package;
            let of = package.built_from().map(|source| format!("{} ", source.name)).unwrap_or_default();
            let fix = finding.fixed_in.as_ref().map(|version| format!(" (fixed in {of}{version})"));
            let fix = fix.unwrap_or_default();
            let unsure = if finding.confidence == Confidence::Low { ", of low confidence" } else { "" };
            let text = format!("{} in {} {}{fix}{unsure}", finding.id, package.name, package.version);
            let known = told.contains(&text);
            if !known && told.len() == NAMED {
                break;
            }
            named += 1;
            if !known {
                told.push(text);
            }
        }
        message.push_str(&format!(": {}", told.join(", ")));
        if findings.len() > named {
            message.push_str(&format!(" and {} more", findings.len() - named));
        }
        if let Some(reason) = &rule.reason {
            message.push_str("; reason: ");
            message.push_str(&reason.split_whitespace().collect::<Vec<_>>().join(" "));
        }
        for expired in self.expired.iter().map(|index| &policy.rules[*index]) {
            if let Some(until) = expired.until {
                message.push_str(&format!("; rule `{}` applied until {until} only", expired.name));
            }
        }
        message
    }
}

/// How many, how bad, and whether there is a way out: `2 critical and 1 high findings, 2 with a fix`.
fn headline(findings: &[&Finding]) -> String {
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let counts: Vec<String> = Severity::ALL
        .into_iter()
        .map(|severity| match severity {
            Severity::Unknown => (count(severity), "unrated"),
            rated => (count(rated), rated.as_str()),
        })
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    let counts = match counts.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => counts.join(""),
    };
    let noun = if findings.len() == 1 { "finding" } else { "findings" };
    let fixable = findings.iter().filter(|finding| finding.fixed_in.is_some()).count();
    match fixable {
        0 => format!("{counts} {noun} without a fix"),
        all if all == findings.len() => format!("{counts} {noun} with a fix"),
        some => format!("{counts} {noun}, {some} with a fix"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use jiff::civil::date;

    use super::*;
    use crate::{
        digest::Digest,
        finding::{Claim, Confidence, Epss, Exploited, FindingLayer, FindingPackage, Rating, Status},
        package::{Ecosystem, Source},
    };

    const TODAY: Date = date(2026, 6, 15);

    fn finding(id: &str, severity: Severity, package: &str, fixed_in: Option<&str>) -> Finding {
        let name = package.to_owned();
        Finding {
            id: id.to_owned(),
            aliases: vec![format!("alias-of-{id}")],
            severity,
            severity_source: String::new(),
            confidence: Confidence::High,
            summary: String::new(),
            package: FindingPackage {
                name,
                version: "1.0".into(),
                ecosystem: Ecosystem::Deb,
                purl: String::new(),
                source: None,
            },
            fixed_in: fixed_in.map(str::to_owned),
            status: if fixed_in.is_some() { Status::Fixed } else { Status::Affected },
            claims: Vec::new(),
            ratings: Vec::new(),
            exploited: None,
            epss: None,
            layer: FindingLayer {
                index: 0,
                diff_id: Digest::of(b""),
                instruction: String::new(),
                base: None,
            },
            paths: vec![],
        }
    }

    fn policy(origin: &str, rules: &str) -> Policy {
        Policy::parse(origin, &format!("version: 1\nrules:\n{rules}")).unwrap()
    }

    fn decide(policies: &[Policy], finding: Finding) -> (Option<String>, Option<Action>) {
        let (mut judged, _) = evaluate(policies, vec![finding], TODAY, Class::Trusted);
        let Decision { rule, action } = judged.remove(0).decision;
        (rule, action)
    }

    #[test]
    fn what_sources_say_of_a_fix_and_of_exploitation_can_be_asked() {
        let rules = "  - { name: known, when: { exploited: true }, action: fail }
  - { name: likely, when: { epss_at_least: 0.5 }, action: fail }
  - { name: guess, when: { confidence: low }, action: warn }
  - { name: minor, when: { status: [no_dsa, postponed] }, action: ignore, reason: minor }
  - { name: rest, when: { exploited: false }, action: warn }
";
        let policies = [policy("p", rules)];
        let decided = |change: &dyn Fn(&mut Finding)| {
            let mut finding = finding("CVE-1", Severity::Low, "a", None);
            change(&mut finding);
            decide(&policies, finding).0.unwrap()
        };
        let (source, since) = ("cisa-kev".to_owned(), "2024-01-01".to_owned());
        let exploited = Some(Exploited { source, since, ransomware: false });
        assert_eq!(decided(&|finding| finding.exploited = exploited.clone()), "known");
        let epss = |probability| Some(Epss { probability, percentile: 0 });
        assert_eq!(decided(&|finding| finding.epss = epss(50_000)), "likely");
        assert_eq!(decided(&|finding| finding.epss = epss(49_999)), "rest");
        assert_eq!(decided(&|finding| finding.status = Status::NoDsa), "minor");
        assert_eq!(decided(&|finding| finding.confidence = Confidence::Low), "guess");
        assert_eq!(decided(&|_| ()), "rest");
    }

    #[test]
    fn each_policy_reads_severities_by_its_own_order_or_a_more_general_one() {
        let rated = |source: &str, severity| Rating {
            source: source.into(),
            severity,
            vector: String::new(),
            rejected: false,
        };
        let claim = |source: &str, severity| Claim {
            source: source.into(),
            id: "CVE-1".into(),
            affected: true,
            severity,
            status: Status::Affected,
            fixed_in: None,
            cpe: String::new(),
        };
        let mut finding = Finding {
            severity_source: "debian-tracker".into(),
            claims: vec![claim("debian-tracker", Severity::Low), claim("cve", Severity::Medium)],
            ratings: vec![rated("cve", Severity::High), rated("nvd", Severity::Critical)],
            ..finding("CVE-1", Severity::Low, "a", None)
        };
        let rule = "- { name: severe, when: { severity_at_least: high }, action: fail }";
        let ordered = |order: &str| {
            Policy::parse("p", &format!("version: 1\nseverity_from: {order}\nrules:\n{rule}")).unwrap()
        };
        let plain = policy("p", rule);
        let shown = |policies: &[Policy], finding: &Finding| {
            let (judged, verdict) = evaluate(policies, vec![finding.clone()], TODAY, Class::Trusted);
            let Finding { severity, severity_source, .. } = &judged[0].finding;
            (severity.as_str(), severity_source.clone(), verdict.outcome)
        };
        let of = |severity, source: &str, outcome| (severity, source.to_owned(), outcome);
        for (order, want) in [
            ("nvd", of("critical", "nvd", Outcome::Fail)),
            ("[github, nvd, debian]", of("critical", "nvd", Outcome::Fail)),
            ("[debian, nvd]", of("low", "debian-tracker", Outcome::Pass)),
            ("[own, nvd]", of("low", "debian-tracker", Outcome::Pass)),
            ("cve", of("medium", "cve", Outcome::Pass)), // its word on the package
            ("github", of("low", "debian-tracker", Outcome::Pass)),
        ] {
            assert_eq!(shown(&[ordered(order)], &finding), want, "{order}");
        }
        // A more general policy keeps what it went by, and hands its order down.
        finding.severity = Severity::High;
        let want = of("high", "debian-tracker", Outcome::Fail);
        assert_eq!(shown(&[plain.clone(), ordered("debian")], &finding), want);
        let want = of("low", "debian-tracker", Outcome::Pass);
        assert_eq!(shown(&[ordered("debian"), ordered("nvd"), plain], &finding), want);
        // A rating of an id that its database rejected is none.
        finding.ratings[1].rejected = true;
        assert_eq!(shown(&[ordered("nvd")], &finding).1, "debian-tracker");

        let other = self::finding("CVE-0", Severity::Medium, "b", None);
        let order = |policy: Policy| {
            let findings = vec![finding.clone(), other.clone()];
            let (judged, _) = evaluate(&[policy], findings, TODAY, Class::Trusted);
            judged.into_iter().map(|judged| judged.finding.id).collect::<Vec<_>>()
        };
        assert_eq!(order(ordered("debian")), ["CVE-0", "CVE-1"], "the worst stay first");
    }

    #[test]
    fn the_standard_policy_fails_on_what_can_be_fixed() {
        let findings = vec![
            finding("CVE-1", Severity::Critical, "a", Some("1.1")),
            finding("CVE-2", Severity::High, "b", None),
            finding("CVE-3", Severity::Medium, "c", Some("1.1")),
        ];
        let (judged, verdict) = evaluate(&[], findings, TODAY, Class::Trusted);
        let actions: Vec<_> = judged.iter().map(|judged| judged.decision.action).collect();
        assert_eq!(actions, [Some(Action::Fail), Some(Action::Warn), None]);
        assert_eq!(verdict.outcome, Outcome::Fail);
        assert_eq!(verdict.policies, [Policy::standard().reference(TODAY)]);
        let messages: Vec<_> = verdict.reasons.iter().map(|reason| reason.message.as_str()).collect();
        assert_eq!(
            messages,
            [
                "1 critical finding with a fix: CVE-1 in a 1.0 (fixed in 1.1)",
                "1 high finding without a fix: CVE-2 in b 1.0"
            ]
        );
    }

    #[test]
    fn a_reason_names_the_source_whose_version_has_the_fix() {
        let mut finding = finding("CVE-1", Severity::High, "a", Some("2.1"));
        finding.package.source = Some(Source { name: "s".into(), version: "2.0".into() });
        let (_, verdict) = evaluate(&[], vec![finding], TODAY, Class::Trusted);
        let want = "1 high finding with a fix: CVE-1 in a 1.0 (fixed in s 2.1)";
        assert_eq!(verdict.reasons[0].message, want);
    }

    #[test]
    fn the_first_matching_rule_decides() {
        let policies = [policy(
            "p",
            "- { name: waive, when: { cve: alias-of-CVE-1 }, action: ignore, reason: unreachable }
- { name: libs, when: { package: 'lib*' }, action: warn }
- { name: named, when: { cve: [CVE-2, CVE-3] }, action: fail }",
        )];
        let decide = |id, package| decide(&policies, finding(id, Severity::Low, package, None)).0;
        assert_eq!(decide("CVE-1", "libx").as_deref(), Some("waive"));
        assert_eq!(decide("CVE-2", "libx").as_deref(), Some("libs"));
        assert_eq!(decide("CVE-2", "x").as_deref(), Some("named"));
        assert_eq!(decide("CVE-4", "x"), None);
    }

    #[test]
    fn a_second_policy_can_only_tighten() {
        let floor = policy("server", "- { name: floor, when: { severity_at_least: high }, action: warn }");
        let waiver = policy(
            "repository",
            "- { name: all, when: { severity_at_least: unknown }, action: ignore, reason: x }",
        );
        let strict = policy("repository", "- { name: strict, when: { severity: high }, action: fail }");
        let high = || finding("CVE-1", Severity::High, "a", None);
        let both = [floor.clone(), waiver];
        assert_eq!(decide(&both, high()), (Some("floor".into()), Some(Action::Warn)));
        assert_eq!(decide(&[floor.clone(), strict], high()), (Some("strict".into()), Some(Action::Fail)));
        let low = finding("CVE-2", Severity::Low, "a", None);
        assert_eq!(decide(&both, low), (Some("all".into()), Some(Action::Ignore)));
        let (_, verdict) = evaluate(&both, vec![high()], TODAY, Class::Trusted);
        assert_eq!((verdict.reasons[0].rule.as_str(), verdict.reasons[0].policy), ("floor", 0));
        let rules = |policy: usize| verdict.policies[policy].rules.iter().map(|rule| rule.name.as_str());
        assert_eq!(
            (rules(0).collect::<Vec<_>>(), rules(1).collect::<Vec<_>>()),
            (vec!["floor"], vec!["all"])
        );
    }

    #[test]
    fn a_rule_applies_through_its_last_day() {
        let rules = "- { name: waive, when: { package: a }, action: ignore, until: 2026-06-15, reason: soon }
- { name: rest, when: { severity_at_least: unknown }, action: fail }";
        let policies = [policy("p", rules)];
        let run = |today| {
            evaluate(&policies, vec![finding("CVE-1", Severity::Low, "a", None)], today, Class::Trusted).1
        };
        assert_eq!(run(TODAY).outcome, Outcome::Pass);
        assert_eq!(
            run(TODAY).reasons[0].message,
            "1 low finding without a fix ignored: CVE-1 in a 1.0; reason: soon"
        );
        let after = run(date(2026, 6, 16));
        assert_eq!(after.outcome, Outcome::Fail);
        let expired =
            |verdict: Verdict| verdict.policies[0].rules.iter().map(|rule| rule.expired).collect::<Vec<_>>();
        assert_eq!((expired(run(TODAY)), expired(after.clone())), (vec![false, false], vec![true, false]));
        assert!(
            after.reasons[0].message.ends_with("; rule `waive` applied until 2026-06-15 only"),
            "{after:?}"
        );
    }

    #[test]
    fn a_long_list_is_counted() {
        let findings = (0..5).map(|i| finding(&format!("CVE-{i}"), Severity::High, "a", Some("2"))).collect();
        let (_, verdict) = evaluate(&[Policy::fail_on(Severity::Low)], findings, TODAY, Class::Trusted);
        assert_eq!(verdict.reasons[0].findings, 5);
        let message = &verdict.reasons[0].message;
        assert!(
            message.starts_with("5 high findings with a fix: CVE-0 in a 1.0 (fixed in 2), "),
            "{message}"
        );
        assert!(message.ends_with(" and 2 more"), "{message}");
    }

    #[test]
    fn large_policies_stay_fast() {
        let findings: Vec<_> = (0..1_026)
            .map(|i| finding(&format!("CVE-{i}"), Severity::High, &format!("lib{i}"), None))
            .collect();
        let globs: String = (0..28)
            .map(|i| format!("- {{ name: r{i}, when: {{ package: '*-{i}-*' }}, action: warn }}\n"))
            .collect();
        let waivers: String = (0..9_000)
            .map(|i| format!("- {{ name: r{i}, when: {{ cve: CVE-{i} }}, action: ignore, reason: x }}\n"))
            .collect();
        for (rules, limit_ms) in [(globs, 5), (waivers, 50)] {
            let policies = [policy("p", &rules)];
            // The best of a few: other work on the machine only ever adds.
            let best = (0..5).map(|_| {
                let findings = findings.clone();
                let start = Instant::now();
                evaluate(&policies, findings, TODAY, Class::Trusted);
                start.elapsed()
            });
            let best = best.min().unwrap_or_default();
            assert!(best < Duration::from_millis(limit_ms), "{best:?}");
        }
    }
}
