//! POLICY_EVAL: a policy's text to rules, the rules on the findings of one image; in process.

use std::{hint::black_box, time::Instant};

use jiff::civil::{Date, date};
use serde::Deserialize as _;
use serde_json::Value;
use stella::{
    finding::{Finding, Severity},
    policy::{Action, Class, Policy, Verdict, evaluate},
    report::Judged,
};

use super::{Measurement, Sample, Subject};
use crate::{Failure, corpus::finding};

/// The policy: 28 rules.
const POLICY: &str = include_str!("policy.yaml");
/// How many rules it must have.
const RULES: usize = 28;
/// The day that `until` is compared with.
const TODAY: Date = date(2026, 6, 15);
/// What must come out, by the number of findings: anything else is another amount of work.
const EXPECTED: [(usize, Decisions); 2] = [
    (finding::COUNT, Decisions { fail: 138, warn: 500, ignore: 101, none: 287 }),
    (finding::MANY, Decisions { fail: 4468, warn: 14_608, ignore: 3054, none: 7870 }),
];

/// How many findings were decided how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Decisions {
    fail: usize,
    warn: usize,
    ignore: usize,
    /// No rule matched.
    none: usize,
}

impl Decisions {
    fn of(judged: &[Judged]) -> Self {
        let mut decisions = Self::default();
        for judged in judged {
            *match judged.decision.action {
                Some(Action::Fail) => &mut decisions.fail,
                Some(Action::Warn) => &mut decisions.warn,
                Some(Action::Ignore) => &mut decisions.ignore,
                None => &mut decisions.none,
            } += 1;
        }
        decisions
    }
}

/// So many findings, decided; what reports are written of.
pub fn judged(count: usize) -> Result<(Vec<Judged>, Verdict), Failure> {
    let policy = Policy::parse("policy.yaml", POLICY)?;
    if policy.rules.len() != RULES {
        return Err(format!("the policy has {} rules, not {RULES}", policy.rules.len()).into());
    }
    let (judged, verdict) = evaluate(&[policy], finding::findings(count), TODAY, Class::Trusted);
    let decisions = Decisions::of(&judged);
    let expected = EXPECTED.iter().find(|(findings, _)| *findings == count).map(|(_, decisions)| decisions);
    if expected != Some(&decisions) {
        return Err(format!("the policy must come to {expected:?}, it comes to {decisions:?}").into());
    }
    Ok((judged, verdict))
}

/// Parse and evaluate.
pub struct Eval {
    findings: Vec<Finding>,
    /// The policy as JSON, for the floor.
    json: String,
}

impl Eval {
    /// Evaluates once, and counts the decisions.
    pub fn open() -> Result<Self, Failure> {
        judged(finding::COUNT)?;
        let policy: Value = serde_saphyr::from_str(POLICY)?;
        Ok(Self { findings: finding::findings(finding::COUNT), json: policy.to_string() })
    }

    /// The policy read as untyped JSON, and each finding's severity held against each rule's.
    fn floor(&self) -> Result<usize, Failure> {
        let policy: Value = serde_json::from_str(&self.json)?;
        let rules = policy["rules"].as_array().ok_or("a policy without rules")?;
        // A rule without a least severity takes any.
        let least = |rule: &Value| {
            Severity::deserialize(&rule["when"]["severity_at_least"]).unwrap_or(Severity::Unknown)
        };
        let severities: Vec<Severity> = rules.iter().map(least).collect();
        let holds = |finding: &Finding| severities.iter().filter(|least| finding.severity >= **least).count();
        Ok(black_box(&self.findings).iter().map(holds).sum())
    }
}

impl Measurement for Eval {
    fn subject(&self) -> Subject {
        Subject {
            variant: None,
            source: format!("{RULES} rules, {} findings, seeded", self.findings.len()),
            diff_ids: Vec::new(),
            floor: "the policy as untyped JSON, each severity held against each rule's".into(),
        }
    }

    fn take(&mut self) -> Result<Vec<Sample>, Failure> {
        // The engine takes findings for good: the copy is the harness's, and so is letting go of what comes back.
        let findings = self.findings.clone();
        let start = Instant::now();
        let policy = Policy::parse("policy.yaml", black_box(POLICY))?;
        let parsed = start.elapsed();
        let policies = [policy];
        let judged = black_box(evaluate(&policies, findings, TODAY, Class::Trusted));
        let done = start.elapsed();
        drop(judged);
        let start = Instant::now();
        black_box(self.floor()?);
        let floor_ms = start.elapsed().as_secs_f64() * 1e3;
        Ok(vec![Sample {
            wall_ms: done.as_secs_f64() * 1e3,
            floor_ms,
            steps: vec![
                ("parse".into(), parsed.as_secs_f64() * 1e3),
                ("evaluate".into(), (done - parsed).as_secs_f64() * 1e3),
            ],
            cpu_ms: None,
            peak_bytes: None,
        }])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_policy_decides_in_every_way_and_has_rules_that_never_match() {
        let (judged, verdict) = judged(finding::COUNT).unwrap();
        assert_eq!(judged.len(), finding::COUNT);
        let fired: BTreeSet<&str> = verdict.reasons.iter().map(|reason| reason.rule.as_str()).collect();
        let rules = Policy::parse("policy.yaml", POLICY).unwrap().rules;
        let idle: Vec<&str> =
            rules.iter().map(|rule| rule.name.as_str()).filter(|name| !fired.contains(name)).collect();
        let want = [
            "tar-until-the-rebuild",
            "not-in-this-image",
            "documentation-tools",
            "compilers-must-not-be-there",
            "critical-left",
            "medium-in-tar",
        ];
        assert_eq!(idle, want);
    }

    #[test]
    fn the_floor_looks_at_every_pair() {
        let eval = Eval::open().unwrap();
        let policy: Value = serde_json::from_str(&eval.json).unwrap();
        let rules = policy["rules"].as_array().unwrap();
        let any = rules.iter().filter(|rule| rule["when"]["severity_at_least"].is_null()).count();
        let found = eval.floor().unwrap();
        assert!(found > any * finding::COUNT && found < RULES * finding::COUNT, "{found}");
    }
}
