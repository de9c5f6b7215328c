//! The gates: what the figures of a phase mean for the build.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    result::{Figures, State},
    targets::{Gate, Target},
};

/// What the gates say of one phase.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Judgement {
    /// The strictest of what the reasons say.
    pub outcome: Outcome,
    /// Why, strictest first; empty where all is well.
    pub reasons: Vec<Reason>,
}

/// How a gate went; ordered from mildest to strictest.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Measured, and within everything it is held to.
    Pass,
    /// Nothing was measured, so nothing can be said.
    #[default]
    NotJudged,
    /// Worth a look; the build goes on.
    Warn,
    /// The build breaks.
    Fail,
}

/// One thing that a gate has to say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reason {
    /// What it is about.
    pub about: About,
    /// What it makes of the gate.
    pub outcome: Outcome,
    /// One sentence for people.
    pub message: String,
}

/// What a reason is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// The promised 95th percentile.
    Target,
    /// The tighter one that we want.
    Goal,
    /// The stored baseline.
    Baseline,
    /// Why there are no figures.
    Measurement,
}

impl Judgement {
    /// The strictest of `reasons`; a phase that was measured and about which nothing is to be said passes.
    pub fn of(mut reasons: Vec<Reason>) -> Self {
        reasons.sort_by_key(|reason| std::cmp::Reverse(reason.outcome));
        Self { outcome: reasons.first().map_or(Outcome::Pass, |reason| reason.outcome), reasons }
    }
}

/// Holds the figures against the targets.
pub fn targets(state: &State, target: Option<Target>, factor: f64) -> Vec<Reason> {
    let say = |about, outcome, message: String| vec![Reason { about, outcome, message }];
    match (state, target) {
        (State::NotBuilt, _) => say(About::Measurement, Outcome::NotJudged, "not built yet".to_owned()),
        (State::NotPossible { why }, _) => {
            say(About::Measurement, Outcome::NotJudged, format!("not possible here: {why}"))
        }
        (State::Failed { why }, _) => say(About::Measurement, Outcome::Fail, format!("broke: {why}")),
        (State::Measured(_), None) => {
            say(About::Target, Outcome::Warn, "the targets' file says nothing of it".to_owned())
        }
        (State::Measured(figures), Some(target)) => held(figures, target, factor),
    }
}

fn held(figures: &Figures, target: Target, factor: f64) -> Vec<Reason> {
    let p95_ms = figures.summary.p95_ms;
    let mut reasons = Vec::new();
    if p95_ms > factor * target.target_p95_ms {
        let outcome = match target.gate {
            Gate::Hard => Outcome::Fail,
            Gate::Soft => Outcome::Warn,
        };
        let times = p95_ms / target.target_p95_ms;
        let message = format!(
            "P95 {p95_ms:.1} ms is {times:.1} times its target of {} ms, more than {factor}",
            target.target_p95_ms
        );
        reasons.push(Reason { about: About::Target, outcome, message });
    } else if p95_ms > target.target_p95_ms {
        let message = format!("P95 {p95_ms:.1} ms misses its target of {} ms", target.target_p95_ms);
        reasons.push(Reason { about: About::Target, outcome: Outcome::Warn, message });
    } else if let Some(goal) = target.goal_p95_ms.filter(|goal| p95_ms > *goal) {
        let message = format!("P95 {p95_ms:.1} ms keeps its target, and misses our goal of {goal} ms");
        reasons.push(Reason { about: About::Goal, outcome: Outcome::Warn, message });
    }
    if let (Some(goal), Some(peak_bytes)) = (target.goal_peak_mib, figures.peak_bytes)
        && peak_bytes > goal << 20
    {
        let message =
            format!("it held {} MiB of memory, and misses our goal of {goal} MiB", peak_bytes >> 20);
        reasons.push(Reason { about: About::Goal, outcome: Outcome::Warn, message });
    }
    reasons
}
