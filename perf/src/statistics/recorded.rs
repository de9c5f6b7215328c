//! The statistical gate on recorded runs of one program: what it calls is a false alarm, and ten percent on top is not.

use serde::Deserialize;

use super::comparison::{Comparison, Series, compare};

#[derive(Deserialize)]
struct Recorded {
    steady: Vec<Series>,
    busy: Vec<Series>,
}

fn recorded() -> Recorded {
    serde_json::from_str(include_str!("../../reference/runs.json")).unwrap()
}

/// Every ordered pair of two different runs.
fn pairs(runs: &[Series]) -> Vec<(&Series, &Series)> {
    let others = |skip| runs.iter().enumerate().filter(move |(index, _)| *index != skip).map(|(_, run)| run);
    runs.iter().enumerate().flat_map(|(index, run)| others(index).map(move |other| (run, other))).collect()
}

fn ten_percent_slower(run: &Series) -> Series {
    Series { samples_ms: run.samples_ms.iter().map(|sample| sample * 1.1).collect(), ..run.clone() }
}

fn is_regression(comparison: &Comparison) -> bool {
    matches!(comparison, Comparison::Regression(_))
}

fn is_change(comparison: &Comparison) -> bool {
    matches!(comparison, Comparison::Regression(_) | Comparison::Improvement(_))
}

#[test]
fn noise_alone_is_not_called() {
    let steady = recorded().steady;
    let pairs = pairs(&steady);
    assert_eq!(pairs.len(), 110);
    for (baseline, current) in pairs {
        let found = compare(baseline, current);
        assert!(!is_change(&found), "{found:?}");
    }
}

#[test]
fn ten_percent_on_an_equal_run_is_called() {
    let steady = recorded().steady;
    for run in &steady {
        let found = compare(run, &ten_percent_slower(run));
        assert!(is_regression(&found), "{found:?}");
    }
    // Against other runs: one baseline of the eleven was itself slower by half of that.
    let slower =
        pairs(&steady).into_iter().map(|(baseline, run)| compare(baseline, &ten_percent_slower(run)));
    let called = slower.filter(is_regression).count();
    assert_eq!(called, 100, "of 110");
}

#[test]
fn where_noise_hides_ten_percent_it_is_not_a_pass() {
    let busy = recorded().busy;
    let pairs = pairs(&busy);
    let called = pairs.iter().filter(|(baseline, run)| is_regression(&compare(baseline, run))).count();
    assert!(called <= 2, "{called} of {} false alarms", pairs.len());
    for run in &busy {
        let found = compare(run, &ten_percent_slower(run));
        assert!(is_regression(&found) || matches!(found, Comparison::Unclear(_)), "{found:?}");
    }
}
