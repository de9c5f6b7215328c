//! Slow-downs planted on purpose, to see that the gates close: `STELLA_PERF_PLANT=DELTA_SBOM=4x,START=10%`.
//!
//! `4x` adds four times the phase's target to each of its samples, `10%` makes each a tenth longer. The harness's own clock
//! runs ahead, nothing waits; the run says so, and is never a baseline.

use std::str::FromStr;

use crate::phase::Phase;

/// One planted slow-down.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plant {
    /// Whose samples.
    pub phase: Phase,
    slow_down: SlowDown,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum SlowDown {
    Targets(f64),
    Percent(f64),
}

impl FromStr for Plant {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fail = || format!("{text:?}: want PHASE=4x (times its target) or PHASE=10%");
        let (phase, much) = text.split_once('=').ok_or_else(fail)?;
        let number = |text: &str| -> Result<f64, String> {
            text.parse().ok().filter(|n: &f64| n.is_finite() && *n > 0.0).ok_or_else(fail)
        };
        let slow_down = match (much.strip_suffix('x'), much.strip_suffix('%')) {
            (Some(times), _) => SlowDown::Targets(number(times)?),
            (_, Some(percent)) => SlowDown::Percent(number(percent)?),
            _ => return Err(fail()),
        };
        Ok(Self { phase: phase.parse().map_err(|error| format!("{text:?}: {error}"))?, slow_down })
    }
}

impl std::fmt::Display for Plant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.slow_down {
            SlowDown::Targets(times) => write!(f, "{}={times}x", self.phase),
            SlowDown::Percent(percent) => write!(f, "{}={percent}%", self.phase),
        }
    }
}

/// What the clock shows after `wall_ms` of `phase`, held to `target_ms`.
pub fn delayed(plants: &[Plant], phase: Phase, target_ms: Option<f64>, wall_ms: f64) -> f64 {
    plants.iter().filter(|plant| plant.phase == phase).fold(wall_ms, |wall_ms, plant| match plant.slow_down {
        SlowDown::Targets(times) => wall_ms + times * target_ms.unwrap_or(0.0),
        SlowDown::Percent(percent) => wall_ms * (1.0 + percent / 100.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_runs_ahead_for_its_phase_alone() {
        let plants = ["DELTA_SBOM=4x", "START=10%"].map(|text| text.parse().unwrap());
        assert!((delayed(&plants, Phase::DeltaSbom, Some(1000.0), 30.0) - 4030.0).abs() < 1e-9);
        assert!((delayed(&plants, Phase::Start, Some(50.0), 30.0) - 33.0).abs() < 1e-9);
        assert!((delayed(&plants, Phase::KnownGate, Some(50.0), 30.0) - 30.0).abs() < 1e-9);
        for wrong in ["DELTA_SBOM", "DELTA_SBOM=4", "DELTA_SBOM=-4x", "DELTA=4x", "DELTA_SBOM=infx"] {
            assert!(wrong.parse::<Plant>().is_err(), "{wrong}");
        }
    }
}
