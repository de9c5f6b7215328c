//! What holds of the statistics of any samples.

use proptest::{collection::vec, prelude::*};

use super::{
    Summary,
    comparison::{Comparison, Series, compare},
    histogram::{Histogram, edges_ms},
    rank::{self, MannWhitney},
};

fn samples() -> impl Strategy<Value = Vec<f64>> {
    vec(0.001..1e6_f64, 1..200)
}

/// Few different values, so that ties are many.
fn tied() -> impl Strategy<Value = Vec<f64>> {
    vec((1..8_u8).prop_map(f64::from), 1..60)
}

proptest! {
    #[test]
    fn percentiles_rise_and_were_measured(samples in samples()) {
        let summary = Summary::of(&samples).unwrap();
        let row = [summary.min_ms, summary.p50_ms, summary.p95_ms, summary.p99_ms, summary.max_ms];
        prop_assert!(row.is_sorted());
        prop_assert!(row.iter().all(|value| samples.contains(value)));
        for (value, interval) in [(summary.p50_ms, summary.p50_interval), (summary.p95_ms, summary.p95_interval)] {
            prop_assert!(interval.lower_ms.is_none_or(|lower| lower <= value));
            prop_assert!(interval.upper_ms.is_none_or(|upper| upper >= value));
        }
    }

    #[test]
    fn order_does_not_matter(samples in samples(), other in tied()) {
        let mut turned = samples.clone();
        turned.reverse();
        turned.rotate_left(samples.len() / 3);
        prop_assert_eq!(Summary::of(&samples), Summary::of(&turned));
        let edges = edges_ms(&samples);
        prop_assert_eq!(Histogram::of(&samples, &edges), Histogram::of(&turned, &edges));
        prop_assert_eq!(MannWhitney::of(&samples, &other), MannWhitney::of(&turned, &other));
        prop_assert_eq!(rank::shift(&samples, &other), rank::shift(&turned, &other));
    }

    /// A power of two changes no digit, so scaling is exact.
    #[test]
    fn a_summary_scales(samples in samples()) {
        let scaled: Vec<f64> = samples.iter().map(|sample| sample * 4.0).collect();
        let (small, large) = (Summary::of(&samples).unwrap(), Summary::of(&scaled).unwrap());
        prop_assert_eq!(small.mean_ms * 4.0, large.mean_ms);
        prop_assert_eq!(small.standard_deviation_ms.map(|deviation| deviation * 4.0), large.standard_deviation_ms);
        prop_assert_eq!([small.p50_ms, small.p95_ms, small.p99_ms].map(|value| value * 4.0), [
            large.p50_ms, large.p95_ms, large.p99_ms
        ]);
    }

    #[test]
    fn buckets_rise_to_all_samples(samples in samples()) {
        let histogram = Histogram::of(&samples, &edges_ms(&samples));
        prop_assert!(histogram.buckets.is_sorted_by(|a, b| a.le_ms < b.le_ms && a.samples <= b.samples));
        prop_assert_eq!(histogram.buckets.last().unwrap().samples, samples.len());
        for bucket in histogram.buckets {
            prop_assert_eq!(bucket.samples, samples.iter().filter(|sample| **sample <= bucket.le_ms).count());
        }
    }

    /// Each pair is won by one side or shared, and a shift seen from the other side is the same shift back.
    #[test]
    fn two_samples_mirror(one in tied(), other in tied()) {
        let (there, back) = (MannWhitney::of(&one, &other).unwrap(), MannWhitney::of(&other, &one).unwrap());
        prop_assert_eq!(there.u + back.u, (one.len() * other.len()) as f64);
        prop_assert_eq!(rank::shift(&one, &other).unwrap(), -rank::shift(&other, &one).unwrap());
    }

    /// Whatever the samples: a run is never worse than itself, and one that took twice the time never passes. Fewer samples are not judged.
    #[test]
    fn a_run_beside_itself(pairs in vec((1.0..100.0_f64, 1.0..50.0_f64), 20..120)) {
        let (samples_ms, floor_ms): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
        let run = Series { samples_ms, floor_ms };
        let slower = Series { samples_ms: run.samples_ms.iter().map(|sample| sample * 2.0).collect(), ..run.clone() };
        let itself = compare(&run, &run);
        prop_assert!(matches!(itself, Comparison::Unchanged(_) | Comparison::Unclear(_)), "{:?}", itself);
        let other = compare(&run, &slower);
        prop_assert!(matches!(other, Comparison::Regression(_) | Comparison::Unclear(_)), "{:?}", other);
    }
}
