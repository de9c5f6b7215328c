//! What one row of samples says.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::binomial;

/// How surely an [`Interval`] holds the quantile of what was sampled.
pub const CONFIDENCE: f64 = 0.95;

/// Mean, spread and percentiles of samples in milliseconds.
///
/// Percentiles are by nearest rank: each is a value that was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// How many samples.
    pub samples: usize,
    /// Arithmetic mean.
    pub mean_ms: f64,
    /// Standard deviation of the sample (divided by one less than its size); `None` of one sample.
    pub standard_deviation_ms: Option<f64>,
    /// Half of the samples are at most this.
    pub p50_ms: f64,
    /// Where the median of all such samples lies.
    pub p50_interval: Interval,
    /// 95 of 100 samples are at most this.
    pub p95_ms: f64,
    /// Where the 95th percentile of all such samples lies.
    pub p95_interval: Interval,
    /// 99 of 100 samples are at most this.
    pub p99_ms: f64,
    /// The smallest.
    pub min_ms: f64,
    /// The largest.
    pub max_ms: f64,
}

/// An interval that holds a quantile with [`CONFIDENCE`], whatever the distribution: both ends are samples, their ranks
/// are those of the binomial distribution, and each end errs in at most half of the cases left.
///
/// It takes the samples for independent; drift within a run makes it too narrow.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Interval {
    /// `None` where no sample is surely low enough: P50 of fewer than 6.
    pub lower_ms: Option<f64>,
    /// `None` where no sample is surely high enough: P50 of fewer than 6, P95 of fewer than 72.
    pub upper_ms: Option<f64>,
}

impl Summary {
    /// The summary of `samples_ms`, in any order; `None` of none, or where one is not a finite number.
    pub fn of(samples_ms: &[f64]) -> Option<Self> {
        let mut sorted = samples_ms.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (&min_ms, &max_ms) = (sorted.first()?, sorted.last()?);
        if !(min_ms.is_finite() && max_ms.is_finite()) {
            return None;
        }
        // Summed in sorted order, so that the order of the samples does not matter to the last bit.
        let size = sorted.len() as f64;
        let mean_ms = sorted.iter().sum::<f64>() / size;
        let squares: f64 = sorted.iter().map(|sample| (sample - mean_ms).powi(2)).sum();
        let rank = |percent: usize| sorted[(sorted.len() * percent).div_ceil(100) - 1];
        Some(Self {
            samples: sorted.len(),
            mean_ms,
            standard_deviation_ms: (sorted.len() > 1).then(|| (squares / (size - 1.0)).sqrt()),
            p50_ms: rank(50),
            p50_interval: Interval::of(&sorted, 0.5),
            p95_ms: rank(95),
            p95_interval: Interval::of(&sorted, 0.95),
            p99_ms: rank(99),
            min_ms,
            max_ms,
        })
    }
}

impl Interval {
    fn of(sorted_ms: &[f64], quantile: f64) -> Self {
        let [lower, upper] = ranks(sorted_ms.len(), quantile);
        let sample = |rank: usize| sorted_ms[rank - 1];
        Self { lower_ms: lower.map(sample), upper_ms: upper.map(sample) }
    }
}

/// Ranks, from 1, of the samples that enclose a quantile with [`CONFIDENCE`].
///
/// How many of `size` samples lie below the quantile is binomial. The sample of rank `r` lies above the quantile where
/// fewer than `r` lie below, and below it where at least `r` do.
pub(super) fn ranks(size: usize, quantile: f64) -> [Option<usize>; 2] {
    let half = (1.0 - CONFIDENCE) / 2.0;
    let (mut lower, mut upper) = (None, None);
    // `rank` samples stand for the sum up to `rank - 1` below.
    for (fewer, rank) in binomial::cumulative(size, quantile).take(size).zip(1..) {
        if fewer <= half {
            lower = Some(rank);
        }
        if upper.is_none() && 1.0 - fewer <= half {
            upper = Some(rank);
        }
    }
    [lower, upper]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_rank() {
        let samples: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        let of_hundred = Summary::of(&samples).unwrap();
        assert_eq!((of_hundred.p50_ms, of_hundred.p95_ms, of_hundred.p99_ms), (50.0, 95.0, 99.0));
        assert_eq!((of_hundred.min_ms, of_hundred.max_ms, of_hundred.mean_ms), (1.0, 100.0, 50.5));
        assert_eq!(of_hundred.p50_interval, Interval { lower_ms: Some(40.0), upper_ms: Some(61.0) });
        assert_eq!(of_hundred.p95_interval, Interval { lower_ms: Some(90.0), upper_ms: Some(100.0) });
    }

    #[test]
    fn what_few_samples_cannot_say_is_absent() {
        let one = Summary::of(&[3.0]).unwrap();
        assert_eq!((one.p50_ms, one.p99_ms, one.standard_deviation_ms), (3.0, 3.0, None));
        assert_eq!(one.p50_interval, Interval { lower_ms: None, upper_ms: None });
        assert_eq!(ranks(5, 0.5), [None, None]);
        assert_eq!(ranks(6, 0.5), [Some(1), Some(6)]);
        assert_eq!(ranks(71, 0.95)[1], None);
        assert_eq!(ranks(72, 0.95)[1], Some(72));
        for none in [&[][..], &[1.0, f64::NAN], &[f64::INFINITY]] {
            assert_eq!(Summary::of(none), None);
        }
    }
}
