//! `targets.yaml`: what each phase is held to.

use std::{collections::BTreeMap, fs, path::Path};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{phase::Phase, result};

/// The file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Targets {
    /// Always 1.
    pub version: u32,
    /// How many times its target a phase may take before its gate closes.
    pub factor: f64,
    /// By `PHASE` or `PHASE/VARIANT`; a variant without an entry takes its phase's.
    pub phases: BTreeMap<String, Target>,
}

/// What one phase is held to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// The 95th percentile that is promised, milliseconds.
    pub target_p95_ms: f64,
    /// The tighter one that we want, milliseconds: missing it is a warning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goal_p95_ms: Option<f64>,
    /// The most memory that we want a process of any sample to hold at once, MiB: more is a warning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goal_peak_mib: Option<u64>,
    /// What happens past `factor` times the target.
    pub gate: Gate,
}

/// What happens when a phase passes `factor` times its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Gate {
    /// The build breaks.
    Hard,
    /// A warning, and a ticket.
    Soft,
}

/// Why there are no targets.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {why}")]
pub struct Error {
    path: String,
    why: String,
}

impl Targets {
    /// Reads the file, and refuses what would never be looked at: a name that is no phase, a number that is no time.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let fail = |why: String| Error { path: path.display().to_string(), why };
        let text = fs::read_to_string(path).map_err(|error| fail(error.to_string()))?;
        let targets: Self = serde_saphyr::from_str(&text).map_err(|error| fail(error.to_string()))?;
        targets.check().map_err(fail)?;
        Ok(targets)
    }

    fn check(&self) -> Result<(), String> {
        if self.version != 1 {
            return Err(format!("version {}: there is only version 1", self.version));
        }
        if !(self.factor.is_finite() && self.factor >= 1.0) {
            return Err(format!("factor {}: must be at least 1", self.factor));
        }
        for (name, target) in &self.phases {
            let (phase, variant) =
                name.split_once('/').map_or((name.as_str(), None), |(phase, variant)| (phase, Some(variant)));
            let variants = phase.parse::<Phase>().map_err(|error| format!("phases: {error}"))?.variants();
            if variant.is_some_and(|variant| !variants.contains(&variant)) {
                return Err(format!("phases: {name}: {phase} has the variants {variants:?}"));
            }
            for (key, value) in
                [("target_p95_ms", Some(target.target_p95_ms)), ("goal_p95_ms", target.goal_p95_ms)]
            {
                if value.is_some_and(|value| !(value.is_finite() && value > 0.0)) {
                    return Err(format!("phases: {name}: {key}: must be above 0"));
                }
            }
            if target.goal_p95_ms.is_some_and(|goal| goal > target.target_p95_ms) {
                return Err(format!("phases: {name}: goal_p95_ms: looser than the target"));
            }
        }
        Ok(())
    }

    /// What a phase, or a variant of one, is held to.
    pub fn of(&self, phase: Phase, variant: Option<&str>) -> Option<Target> {
        self.phases.get(&result::id(phase, variant)).or_else(|| self.phases.get(phase.name())).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_never_be_looked_at_is_refused() {
        let check = |name: &str| {
            let text =
                format!("version: 1\nfactor: 3\nphases:\n  {name}: {{ target_p95_ms: 1, gate: hard }}\n");
            serde_saphyr::from_str::<Targets>(&text).unwrap().check()
        };
        for right in ["START", "DELTA_WAN", "DELTA_WAN/20ms", "API_P95/scan"] {
            assert_eq!(check(right), Ok(()));
        }
        for wrong in ["DELTA", "DELTA_WAN/20mss", "START/x"] {
            assert!(check(wrong).is_err(), "{wrong}");
        }
    }
}
