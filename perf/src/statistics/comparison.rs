//! The statistical gate: is a run slower than the stored one beyond noise, however little?
//!
//! What is known of the noise shapes the test:
//! - Contention only ever adds time, so the fastest of a few consecutive samples comes nearest to what the code costs.
//!   Taking them block by block also leaves values that depend little on each other, which a rank test wants.
//! - A busier machine slows the floor as well, but not by the same share: some phases follow it fully, some hardly. How
//!   much of the floor's change belongs to a phase lies between nothing and all of it, so a change counts where it holds
//!   in both: in the wall time as it is, and in its ratio to the floor taken beside it.
//! - Two runs of the same program differ by some percent that no floor explains. So the question is not whether there
//!   is a difference, but whether it is more than [`MARGIN`].
//!
//! A slow-down by one factor moves every quantile; one that only the slowest samples show is not seen here.
//!
//! It needs runs that met the same machine. Other work there for a whole run can slow a phase by more than the floor
//! (`perf/reference/README.md` has figures); a regression is then worth a second run before it is believed.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rank::{self, MannWhitney};

/// Consecutive samples of which the fastest counts.
pub const BLOCK: usize = 5;
/// Fewest blocks of a run: four against four can just reach [`ALPHA`].
pub const FEWEST_BLOCKS: usize = 4;
/// A change within this share is never called.
pub const MARGIN: f64 = 0.04;
/// Chance to call a change of just [`MARGIN`], if blocks are independent.
pub const ALPHA: f64 = 0.02;
/// Nothing is called unchanged before a slow-down of this share is ruled out.
pub const RULED_OUT: f64 = 0.10;
/// Chance to rule it out wrongly.
pub const RULED_OUT_ALPHA: f64 = 0.05;

/// The test in words, for reports.
pub fn method() -> String {
    format!(
        "Mann-Whitney U, one-sided, p < {ALPHA} for a change of more than {margin} %, on logarithms of the fastest of \
         each {BLOCK} consecutive samples; it must hold for the wall time and for its ratio to the floor measured beside \
         it. Unchanged: a slow-down of {ruled_out} % is ruled out in the same way with p < {RULED_OUT_ALPHA}",
        margin = MARGIN * 100.0,
        ruled_out = RULED_OUT * 100.0,
    )
}

/// The samples of one run, in the order in which they were taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Series {
    /// Wall time of each sample.
    pub samples_ms: Vec<f64>,
    /// The floor taken right beside each sample; empty where a phase has none. Without it nothing tells a busier
    /// machine from slower code.
    pub floor_ms: Vec<f64>,
}

/// How a run compares with a stored one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "verdict", content = "why", rename_all = "snake_case")]
pub enum Comparison {
    /// Slower beyond noise.
    Regression(Evidence),
    /// Faster beyond noise.
    Improvement(Evidence),
    /// Neither, and a slow-down of [`RULED_OUT`] would have been seen.
    Unchanged(Evidence),
    /// Neither, and noise could hide a slow-down of [`RULED_OUT`]. It is not a pass.
    Unclear(Evidence),
    /// Nothing was compared, and why. It is not a pass.
    NotJudged(String),
}

/// What a verdict rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// Of the wall time.
    pub wall: Change,
    /// Of the ratio to the floor, where both runs have one.
    pub to_floor: Option<Change>,
}

impl Evidence {
    /// `wall time +10.2 % (p 1.0e-4), to the floor +9.8 % (p 3.1e-4)`, with the chance that decided.
    fn said(&self, p: fn(&Change) -> f64) -> String {
        let of = |change: &Change| format!("{:+.1} % (p {:.1e})", change.share * 100.0, p(change));
        let to_floor = self.to_floor.as_ref().map(|to_floor| format!(", to the floor {}", of(to_floor)));
        format!("wall time {}{}", of(&self.wall), to_floor.unwrap_or_default())
    }
}

impl fmt::Display for Comparison {
    /// Why: the changes, with the chance that decided, or what was missing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&match self {
            Self::Regression(evidence) => evidence.said(|change| change.p_slower),
            Self::Improvement(evidence) => evidence.said(|change| change.p_faster),
            Self::Unchanged(evidence) | Self::Unclear(evidence) => evidence.said(|change| change.p_ruled_out),
            Self::NotJudged(why) => why.clone(),
        })
    }
}

/// One quantity of two runs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// Its change (Hodges-Lehmann): 0.1 is a tenth more than the baseline.
    pub share: f64,
    /// Chance of such samples if it grew by [`MARGIN`] only.
    pub p_slower: f64,
    /// Chance of such samples if it shrank by [`MARGIN`] only.
    pub p_faster: f64,
    /// Chance of such samples if it grew by [`RULED_OUT`].
    pub p_ruled_out: f64,
}

/// Compares a run with the stored one; [`method`] says how.
pub fn compare(baseline: &Series, current: &Series) -> Comparison {
    evidence(baseline, current).map_or_else(Comparison::NotJudged, judge)
}

fn evidence(baseline: &Series, current: &Series) -> Result<Evidence, String> {
    if baseline.floor_ms.is_empty() != current.floor_ms.is_empty() {
        return Err("only one of the two runs has a floor".to_owned());
    }
    let (before, now) = (Blocks::of("the baseline", baseline)?, Blocks::of("the run", current)?);
    let to_floor = before.to_floor.zip(now.to_floor).map(|(before, now)| Change::of(&before, &now));
    let none = || "no samples".to_owned();
    Ok(Evidence {
        wall: Change::of(&before.wall, &now.wall).ok_or_else(none)?,
        to_floor: to_floor.map(|change| change.ok_or_else(none)).transpose()?,
    })
}

fn judge(evidence: Evidence) -> Comparison {
    let holds =
        |what: fn(&Change) -> bool| what(&evidence.wall) && evidence.to_floor.as_ref().is_none_or(what);
    if holds(|change| change.p_slower < ALPHA) {
        Comparison::Regression(evidence)
    } else if holds(|change| change.p_faster < ALPHA) {
        Comparison::Improvement(evidence)
    } else if holds(|change| change.p_ruled_out < RULED_OUT_ALPHA) {
        Comparison::Unchanged(evidence)
    } else {
        Comparison::Unclear(evidence)
    }
}

/// Logarithms of the fastest of each block; what does not fill the last block is left out.
struct Blocks {
    wall: Vec<f64>,
    to_floor: Option<Vec<f64>>,
}

impl Blocks {
    fn of(whose: &str, Series { samples_ms, floor_ms }: &Series) -> Result<Self, String> {
        let (samples, fewest) = (samples_ms.len(), BLOCK * FEWEST_BLOCKS);
        if samples < fewest {
            return Err(format!("{whose} has {samples} samples, a judgement needs {fewest}"));
        }
        if !floor_ms.is_empty() && floor_ms.len() != samples {
            return Err(format!("{whose} has {samples} samples and {} of the floor", floor_ms.len()));
        }
        if !samples_ms.iter().chain(floor_ms).all(|value| value.is_finite() && *value > 0.0) {
            return Err(format!("{whose} has a sample that is no time above zero"));
        }
        let fastest = |values: &[f64]| -> Vec<f64> {
            values
                .chunks_exact(BLOCK)
                .map(|block| block.iter().copied().fold(f64::INFINITY, f64::min).ln())
                .collect()
        };
        let (wall, floor) = (fastest(samples_ms), fastest(floor_ms));
        let to_floor =
            (!floor.is_empty()).then(|| wall.iter().zip(&floor).map(|(wall, floor)| wall - floor).collect());
        Ok(Self { wall, to_floor })
    }
}

impl Change {
    /// From logarithms; `None` where there are none.
    fn of(baseline: &[f64], current: &[f64]) -> Option<Self> {
        let changed =
            |share: f64| -> Vec<f64> { baseline.iter().map(|value| value + share.ln_1p()).collect() };
        Some(Self {
            share: rank::shift(baseline, current)?.exp_m1(),
            p_slower: MannWhitney::of(&changed(MARGIN), current)?.p_greater,
            p_faster: MannWhitney::of(current, &changed(-MARGIN))?.p_greater,
            p_ruled_out: MannWhitney::of(current, &changed(RULED_OUT))?.p_greater,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten percent of spread in a fixed order, and a floor that follows the half of it.
    fn series(size: usize, factor: f64) -> Series {
        let spread = |index: usize| (index * 37 % 101) as f64 / 1000.0;
        Series {
            samples_ms: (0..size).map(|index| 30.0 * factor * (1.0 + spread(index))).collect(),
            floor_ms: (0..size).map(|index| 20.0 * (1.0 + spread(index) / 2.0)).collect(),
        }
    }

    fn verdict(baseline: &Series, current: &Series) -> &'static str {
        match compare(baseline, current) {
            Comparison::Regression(_) => "regression",
            Comparison::Improvement(_) => "improvement",
            Comparison::Unchanged(_) => "unchanged",
            Comparison::Unclear(_) => "unclear",
            Comparison::NotJudged(_) => "not judged",
        }
    }

    #[test]
    fn ten_percent_is_seen_in_both_directions_and_nothing_is_unchanged() {
        for size in [20, 100] {
            let baseline = series(size, 1.0);
            assert_eq!(verdict(&baseline, &series(size, 1.1)), "regression", "{size}");
            assert_eq!(verdict(&baseline, &series(size, 0.9)), "improvement", "{size}");
            assert_eq!(verdict(&baseline, &baseline), "unchanged", "{size}");
        }
    }

    #[test]
    fn the_same_change_of_the_floor_excuses_it() {
        let (baseline, mut slower) = (series(100, 1.0), series(100, 1.2));
        slower.floor_ms.iter_mut().for_each(|floor| *floor *= 1.2);
        assert_eq!(verdict(&baseline, &slower), "unclear");
        slower.samples_ms.iter_mut().chain(&mut slower.floor_ms).for_each(|one| *one /= 1.2);
        assert_eq!(verdict(&baseline, &slower), "unchanged");
    }

    #[test]
    fn what_cannot_be_judged_says_why() {
        let whole = series(20, 1.0);
        let without = Series { floor_ms: Vec::new(), ..whole.clone() };
        let uneven = Series { floor_ms: vec![20.0; 19], ..whole.clone() };
        let stopped = Series { samples_ms: vec![0.0; 20], ..whole.clone() };
        for (current, want) in [
            (&series(19, 2.0), "the run has 19 samples, a judgement needs 20"),
            (&without, "only one of the two runs has a floor"),
            (&uneven, "the run has 20 samples and 19 of the floor"),
            (&stopped, "the run has a sample that is no time above zero"),
        ] {
            assert_eq!(compare(&whole, current), Comparison::NotJudged(want.to_owned()));
        }
        let slower = Series { floor_ms: Vec::new(), ..series(20, 1.1) };
        assert_eq!(verdict(&without, &slower), "regression");
    }

    #[test]
    fn the_method_is_said_in_full() {
        let said = method();
        for part in ["p < 0.02", "more than 4 %", "each 5 consecutive", "10 % is ruled out", "p < 0.05"] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
}
