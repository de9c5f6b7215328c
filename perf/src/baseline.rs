//! The statistical gate: each phase against the stored run, sample by sample.

use stella::digest::Digest;

use crate::{
    judge::{About, Judgement, Outcome, Reason},
    machine::Machine,
    phase::Phase,
    result::{PhaseStats, Samples, Series},
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

/// Holds every measured row against `baseline`, its samples taken in one round or in several. A row that measured other
/// layers gets no comparison, and is named.
pub fn hold(
    rows: &mut [PhaseStats],
    rounds: &[Samples],
    machine: &Machine,
    baseline: &Kept,
) -> Vec<OtherLayers> {
    let mut refused = Vec::new();
    for row in rows.iter_mut().filter(|row| row.figures().is_some()) {
        match compare(&row.id(), rounds, machine, baseline) {
            Ok(comparison) => {
                let id = row.id();
                row.rounds = rounds.iter().filter(|round| round.phases.contains_key(&id)).count();
                judge(row, comparison);
            }
            Err(other) => refused.push(other),
        }
    }
    refused
}

fn compare(
    id: &str,
    rounds: &[Samples],
    machine: &Machine,
    baseline: &Kept,
) -> Result<Comparison, OtherLayers> {
    let taken: Vec<&Series> = rounds.iter().filter_map(|round| round.phases.get(id)).collect();
    let before = baseline.samples.phases.get(id);
    let (Some(before), Some(now)) = (before, taken.first()) else {
        return Ok(Comparison::NotJudged("the baseline has no samples of it".to_owned()));
    };
    if before.diff_ids != now.diff_ids {
        let (baseline, current) = differing(&before.diff_ids, &now.diff_ids);
        return Err(OtherLayers { phase: id.to_owned(), baseline, current });
    }
    let theirs = &baseline.results.machine;
    if !machine.is_like(theirs) {
        let why = format!("the baseline is of another machine: {} x {}", theirs.cores, theirs.cpu);
        return Ok(Comparison::NotJudged(why));
    }
    let times: Vec<comparison::Series> = taken.iter().map(|series| series.times.clone()).collect();
    Ok(comparison::compare_rounds(&before.times, &times))
}

fn judge(row: &mut PhaseStats, comparison: Comparison) {
    let mut reasons = std::mem::take(&mut row.judgement.reasons);
    reasons.retain(|reason| reason.about != About::Baseline);
    if let Comparison::Regression(evidence) = &comparison {
        let message = format!("slower than the baseline beyond noise: {evidence}");
        reasons.push(Reason { about: About::Baseline, outcome: Outcome::Fail, message });
    }
    row.judgement = Judgement::of(reasons);
    row.comparison = Some(comparison);
}

/// The phases that another round could say more of: those that seem slower, and those that noise hides.
pub fn open(rows: &[PhaseStats]) -> Vec<Phase> {
    let open = |row: &&PhaseStats| {
        matches!(row.comparison, Some(Comparison::Regression(_) | Comparison::Unclear(_)))
    };
    let mut phases: Vec<Phase> = rows.iter().filter(open).map(|row| row.phase).collect();
    phases.dedup();
    phases
}

/// The first layers that differ.
fn differing(before: &[Digest], now: &[Digest]) -> (String, String) {
    let at = before.iter().zip(now).take_while(|(before, now)| before == now).count();
    let named = |layers: &[Digest]| layers.get(at).map_or_else(|| "no layer".to_owned(), ToString::to_string);
    (named(before), named(now))
}
