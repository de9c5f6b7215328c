//! The statistical gate: each phase against the stored run, sample by sample.

use stella::digest::Digest;

use crate::{
    judge::{About, Judgement, Outcome, Reason},
    machine::Machine,
    result::{PhaseStats, Samples},
    statistics::comparison::{self, Comparison},
    store::Kept,
};

/// Two runs that measured different layers: they say nothing of each other.
#[derive(Debug, thiserror::Error)]
#[error(
    "{phase}: not compared: the baseline measured other layers ({baseline} there, {current} here); store a new baseline \
     with --save-baseline"
)]
pub struct OtherLayers {
    phase: String,
    baseline: String,
    current: String,
}

/// Holds every measured row against `baseline`; what measured other layers is refused, and gets no comparison.
pub fn hold(
    rows: &mut [PhaseStats],
    samples: &Samples,
    machine: &Machine,
    baseline: &Kept,
) -> Vec<OtherLayers> {
    let mut refused = Vec::new();
    for row in rows.iter_mut().filter(|row| row.figures().is_some()) {
        let id = row.id();
        let (Some(now), before) = (samples.phases.get(&id), baseline.samples.phases.get(&id)) else {
            continue;
        };
        let comparison = match before {
            None => Comparison::NotJudged("the baseline has no samples of it".to_owned()),
            Some(before) if before.diff_ids != now.diff_ids => {
                let (baseline, current) = differing(&before.diff_ids, &now.diff_ids);
                refused.push(OtherLayers { phase: id, baseline, current });
                continue;
            }
            Some(_) if !machine.is_like(&baseline.results.machine) => Comparison::NotJudged(format!(
                "the baseline is of another machine: {} x {}",
                baseline.results.machine.cores, baseline.results.machine.cpu
            )),
            Some(before) => comparison::compare(&before.times, &now.times),
        };
        if let Comparison::Regression(evidence) = &comparison {
            let message = format!("slower than the baseline beyond noise: {evidence}");
            row.judgement.reasons.push(Reason { about: About::Baseline, outcome: Outcome::Fail, message });
            row.judgement = Judgement::of(std::mem::take(&mut row.judgement.reasons));
        }
        row.comparison = Some(comparison);
    }
    refused
}

/// The first layers that differ.
fn differing(before: &[Digest], now: &[Digest]) -> (String, String) {
    let at = before.iter().zip(now).take_while(|(before, now)| before == now).count();
    let named = |layers: &[Digest]| layers.get(at).map_or_else(|| "no layer".to_owned(), ToString::to_string);
    (named(before), named(now))
}
