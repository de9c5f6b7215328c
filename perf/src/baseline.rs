//! The statistical gate: each phase against the stored run, sample by sample.

use stella::digest::Digest;

use crate::{
    judge::{About, Judgement, Outcome, Reason},
    machine::Machine,
    result::{PhaseStats, Samples},
    statistics::comparison::{self, Comparison},
    store::Kept,
};

/// Two runs that measured different layers, or another corpus: they say nothing of each other.
#[derive(Debug, thiserror::Error)]
#[error(
    "{phase}: not compared: the baseline measured something else ({baseline} there, {current} here); store a new baseline \
     with --save-baseline"
)]
pub struct OtherInput {
    phase: String,
    baseline: String,
    current: String,
}

/// A stored run, as far as it is compared with.
pub struct Stored<'a> {
    /// As it was kept.
    pub kept: &'a Kept,
    /// What its programs came to now, in turns with the run that is compared; `None` where it has none.
    pub again: Option<&'a Samples>,
}

/// Holds every measured row against the baseline. A row that measured something else gets no comparison, and is named.
pub fn hold(
    rows: &mut [PhaseStats],
    samples: &Samples,
    machine: &Machine,
    baseline: &Stored<'_>,
) -> Vec<OtherInput> {
    let mut refused = Vec::new();
    for row in rows {
        let Some(source) = row.figures().map(|figures| figures.source.clone()) else { continue };
        match compare(&row.id(), &source, samples, machine, baseline) {
            Ok(comparison) => judge(row, comparison),
            Err(other) => refused.push(other),
        }
    }
    refused
}

fn compare(
    id: &str,
    source: &str,
    samples: &Samples,
    machine: &Machine,
    baseline: &Stored<'_>,
) -> Result<Comparison, OtherInput> {
    let (Some(stored), Some(now)) = (baseline.kept.samples.phases.get(id), samples.phases.get(id)) else {
        return Ok(Comparison::NotJudged("the baseline has no samples of it".to_owned()));
    };
    if stored.diff_ids != now.diff_ids {
        let (baseline, current) = differing(&stored.diff_ids, &now.diff_ids);
        return Err(OtherInput { phase: id.to_owned(), baseline, current });
    }
    let before = baseline.kept.results.phases.iter().find(|row| row.id() == id).and_then(PhaseStats::figures);
    if let Some(before) = before.filter(|before| before.source != source) {
        let (baseline, current) = (before.source.clone(), source.to_owned());
        return Err(OtherInput { phase: id.to_owned(), baseline, current });
    }
    if let Some(again) = baseline.again {
        let none = || Comparison::NotJudged("the baseline's programs took no samples of it".to_owned());
        let again = again.phases.get(id);
        return Ok(again.map_or_else(none, |again| comparison::compare(&again.times, &now.times)));
    }
    let theirs = &baseline.kept.results.machine;
    if !machine.is_like(theirs) {
        let why = format!("the baseline is of another machine: {} x {}", theirs.cores, theirs.cpu);
        return Ok(Comparison::NotJudged(why));
    }
    Ok(comparison::compare(&stored.times, &now.times))
}

fn judge(row: &mut PhaseStats, comparison: Comparison) {
    let mut reasons = std::mem::take(&mut row.judgement.reasons);
    reasons.retain(|reason| reason.about != About::Baseline);
    if matches!(comparison, Comparison::Regression(_)) {
        let message = format!("slower than the baseline beyond noise: {comparison}");
        reasons.push(Reason { about: About::Baseline, outcome: Outcome::Fail, message });
    }
    row.judgement = Judgement::of(reasons);
    row.comparison = Some(comparison);
}

/// The first layers that differ.
fn differing(before: &[Digest], now: &[Digest]) -> (String, String) {
    let at = before.iter().zip(now).take_while(|(before, now)| before == now).count();
    let named = |layers: &[Digest]| layers.get(at).map_or_else(|| "no layer".to_owned(), ToString::to_string);
    (named(before), named(now))
}
