//! The policy: rules that turn findings into a verdict.
//!
//! In one policy the first rule that matches a finding decides it. Of several policies the strictest decision holds,
//! so that a server's policy is a floor that a repository's can only tighten; a policy without a matching rule has no
//! say.

mod age;
mod condition;
mod error;
mod evaluate;
mod file;
mod rule;
mod severity;

pub use age::{FeedAge, OldFeed};
pub use error::{Error, Problem};
pub use evaluate::evaluate;
pub use file::{MAX_POLICY_BYTES, MAX_RULES, PolicyFile};
pub use rule::{Policy, Rule, STANDARD, When, fail_on_text};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::inventory::Skipped;

/// What a rule does with a finding it matches; ordered from mildest to strictest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Waived: counted, listed where asked for, never in the way.
    Ignore,
    /// Reported, and the gate stays open.
    Warn,
    /// The gate closes.
    Fail,
}

/// The rule that decided a finding, and what it decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Decision {
    /// Name of the rule; `null` where no rule matched.
    pub rule: Option<String>,
    /// What is done; a finding that no rule matches is reported with `warn`'s mildness but does not count: `null`.
    pub action: Option<Action>,
}

/// How the gate went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// No rule with `warn` or `fail` matched.
    Pass,
    /// A rule with `warn` matched, none with `fail`.
    Warn,
    /// No rule with `fail` matched, and something was not looked at that nobody allowed to be left out: neither yes nor
    /// no can be said.
    Unfinished,
    /// A rule with `fail` matched.
    Fail,
}

/// The outcome, the rules that fired and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// How the gate went.
    pub outcome: Outcome,
    /// The lowest trust class of the layer facts it rests on.
    pub class: Class,
    /// Every policy that was applied.
    pub policies: Vec<PolicyRef>,
    /// Names of what the caller allowed to be left out, sorted.
    pub allowed: Vec<String>,
    /// One entry per rule that fired, strictest first.
    pub reasons: Vec<Reason>,
    /// Feeds that it rests on and that are too old, by name: the verdict is worth less than it looks, whatever it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub degraded: Vec<OldFeed>,
}

impl Outcome {
    /// What the strictest of the decisions makes of the gate, before what was not looked at is considered.
    pub fn of(strictest: Option<Action>) -> Self {
        match strictest {
            Some(Action::Fail) => Self::Fail,
            Some(Action::Warn) => Self::Warn,
            Some(Action::Ignore) | None => Self::Pass,
        }
    }
}

impl Verdict {
    /// Whether this may be left out: by its name, or `NAME:WHAT` for this one alone.
    pub fn allows(&self, skipped: &Skipped) -> bool {
        let names = |name: &str| self.allowed.binary_search_by(|allowed| allowed.as_str().cmp(name)).is_ok();
        names(&skipped.name) || names(&format!("{}:{}", skipped.name, skipped.what))
    }

    /// Takes into account what was not looked at, of which the caller allows some by name.
    pub fn consider(&mut self, skipped: &[Skipped], allowed: &[String]) {
        self.allowed = allowed.to_vec();
        let unpublished = skipped.iter().filter(|skipped| is_unpublished(skipped));
        self.allowed.extend(unpublished.map(|skipped| skipped.name.clone()));
        self.allowed.sort_unstable();
        self.allowed.dedup();
        if self.outcome != Outcome::Fail && !skipped.iter().all(|skipped| self.allows(skipped)) {
            self.outcome = Outcome::Unfinished;
        }
    }
}

/// Whether something may be left out without being allowed by the caller: nobody publishes advisories for these in a form that
/// is read, and no feed could make the look complete. That they were not looked up is said all the same.
pub fn is_unpublished(skipped: &Skipped) -> bool {
    ["advisories:cocoapods", "advisories:conda", "advisories:generic"].contains(&skipped.name.as_str())
}

/// Trust class of a layer's facts, highest first in DESIGN's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// A protected branch, a trusted token, or this very machine.
    Trusted,
}

/// A policy that was applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyRef {
    /// Where it comes from: a file's path, `default`, `--fail-on high`.
    pub origin: String,
    /// Digest of its text.
    pub digest: crate::digest::Digest,
    /// All its rules, in its order: `reasons` says which of them fired.
    #[serde(default)]
    pub rules: Vec<RuleRef>,
}

/// A rule of a policy that was applied, whether it fired or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RuleRef {
    /// Its name, which no other rule of the policy has.
    pub name: String,
    /// What it does with a finding that it matches.
    pub action: Action,
    /// Whether its last day was over, so that it was as if absent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub expired: bool,
}

/// Why a rule fired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reason {
    /// Name of the rule.
    pub rule: String,
    /// Position among `policies` of the one that has the rule.
    #[serde(default)]
    pub policy: usize,
    /// What it does.
    pub action: Action,
    /// How many findings it decided.
    pub findings: usize,
    /// One sentence for people.
    pub message: String,
}
