//! The statistics against numpy's and scipy's, recorded by `perf/reference/statistics.py`.

use serde::Deserialize;

use super::{
    Summary,
    rank::{self, MannWhitney},
    summary,
};

/// Sums are taken in another order than numpy's, the normal tail comes from another library, and JSON is read to the
/// last bit but one. Percentiles, ranks and U are compared without any tolerance.
const RELATIVE: f64 = 1e-12;
/// A tail that underflows has no relative precision left.
const SMALLEST_P: f64 = 1e-290;

#[derive(Deserialize)]
struct Reference {
    /// Size, then lower and upper rank of P50, then of P95.
    confidence_ranks: Vec<[Option<usize>; 5]>,
    sets: Vec<Set>,
}

#[derive(Deserialize)]
struct Set {
    distribution: String,
    baseline: Vec<f64>,
    current: Vec<f64>,
    summary: Want,
    comparison: WantOfTwo,
}

#[derive(Deserialize)]
struct Want {
    mean: f64,
    standard_deviation: Option<f64>,
    percentiles: [f64; 3],
}

#[derive(Deserialize)]
struct WantOfTwo {
    u: f64,
    p_greater: f64,
    shift: f64,
}

fn reference() -> Reference {
    serde_json::from_str(include_str!("../../reference/statistics.json")).unwrap()
}

fn near(found: f64, want: f64, scale: f64) -> bool {
    (found - want).abs() <= RELATIVE * scale
}

#[test]
fn a_summary_is_numpys() {
    for Set { distribution, baseline, summary: want, .. } in reference().sets {
        let found = Summary::of(&baseline).unwrap();
        let say = format!("{distribution} of {}: {found:?}", baseline.len());
        assert_eq!([found.p50_ms, found.p95_ms, found.p99_ms], want.percentiles, "{say}");
        assert!(near(found.mean_ms, want.mean, want.mean.abs()), "{say} {}", want.mean);
        match (found.standard_deviation_ms, want.standard_deviation) {
            (None, None) => {}
            (Some(found), Some(want)) => assert!(near(found, want, want), "{say} {want}"),
            other => panic!("{say} {other:?}"),
        }
    }
}

#[test]
fn confidence_ranks_are_scipys() {
    for [size, lower_p50, upper_p50, lower_p95, upper_p95] in reference().confidence_ranks {
        let size = size.unwrap();
        assert_eq!(summary::ranks(size, 0.5), [lower_p50, upper_p50], "P50 of {size}");
        assert_eq!(summary::ranks(size, 0.95), [lower_p95, upper_p95], "P95 of {size}");
    }
}

#[test]
fn two_samples_compare_as_in_scipy() {
    for Set { distribution, baseline, current, comparison: want, .. } in reference().sets {
        let say = format!("{distribution} of {} and {}", baseline.len(), current.len());
        let found = MannWhitney::of(&baseline, &current).unwrap();
        assert_eq!(found.u, want.u, "{say}");
        let p = found.p_greater;
        assert!(near(p, want.p_greater, want.p_greater.max(SMALLEST_P)), "{say}: {p} {}", want.p_greater);
        let shift = rank::shift(&baseline, &current).unwrap();
        assert!(near(shift, want.shift, want.shift.abs()), "{say}: {shift} {}", want.shift);
    }
}
