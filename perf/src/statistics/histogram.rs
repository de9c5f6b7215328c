//! Samples counted in buckets, as Prometheus counts them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Cumulative buckets of milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Histogram {
    /// By rising edge. Above the last edge only [`samples`](Self::samples) counts: the bucket that Prometheus calls `+Inf`.
    pub buckets: Vec<Bucket>,
    /// How many samples.
    pub samples: usize,
    /// Their sum.
    pub sum_ms: f64,
}

/// The samples up to one edge.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Bucket {
    /// The edge; a sample on it is inside, Prometheus' `le`.
    pub le_ms: f64,
    /// How many samples are at most the edge, those of all buckets below with them.
    pub samples: usize,
}

impl Histogram {
    /// Counts `samples_ms`, in any order, at `edges_ms`, which are put in order.
    pub fn of(samples_ms: &[f64], edges_ms: &[f64]) -> Self {
        let mut sorted = samples_ms.to_vec();
        sorted.sort_by(f64::total_cmp);
        let mut edges = edges_ms.to_vec();
        edges.sort_by(f64::total_cmp);
        edges.dedup();
        let bucket = |le_ms| Bucket { le_ms, samples: sorted.partition_point(|sample| *sample <= le_ms) };
        Self {
            buckets: edges.into_iter().map(bucket).collect(),
            samples: sorted.len(),
            sum_ms: sorted.iter().sum(),
        }
    }
}

/// Powers of ten, as exponents, whose edges are always there: 0.1 ms up to 100,000 ms.
const ALWAYS: std::ops::Range<i32> = -1..5;
/// And those beyond which there are none: a nanosecond to 31 years.
const AT_MOST: std::ops::Range<i32> = -6..12;

/// Edges of the series 1, 2, 5 from 0.1 ms to 100,000 ms, by whole powers of ten further where samples lie outside.
///
/// They are the same from run to run while the samples stay inside, so that runs can be laid over each other.
pub fn edges_ms(samples_ms: &[f64]) -> Vec<f64> {
    let edge_ms = |step: i32, exponent: i32| {
        let (step, power) = (f64::from(step), 10_f64.powi(exponent.abs()));
        if exponent < 0 { step / power } else { step * power }
    };
    let lowest = samples_ms.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = samples_ms.iter().copied().fold(0.0, f64::max);
    let wanted = |exponent: &i32| match *exponent {
        low if low < ALWAYS.start => lowest < edge_ms(1, low + 1),
        high if high >= ALWAYS.end => highest > edge_ms(1, high),
        _ => true,
    };
    let powers: Vec<i32> = AT_MOST.filter(wanted).collect();
    let last = powers.last().map(|exponent| edge_ms(1, exponent + 1));
    powers.iter().flat_map(|exponent| [1, 2, 5].map(|step| edge_ms(step, *exponent))).chain(last).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_on_an_edge_is_inside() {
        let policy = Histogram::of(&[3.0, 10.0, 10.5, 40.0, 50.1, 900.0], &[10.0, 20.0, 40.0, 50.0]);
        let buckets: Vec<_> = policy.buckets.iter().map(|bucket| (bucket.le_ms, bucket.samples)).collect();
        assert_eq!(buckets, [(10.0, 2), (20.0, 3), (40.0, 4), (50.0, 4)]);
        assert_eq!((policy.samples, policy.sum_ms), (6, 1013.6));
        assert_eq!(Histogram::of(&[], &[1.0]).buckets, [Bucket { le_ms: 1.0, samples: 0 }]);
    }

    #[test]
    fn edges_reach_around_the_samples() {
        let usual = edges_ms(&[0.1, 60_000.0]);
        assert_eq!(usual, edges_ms(&[]));
        assert_eq!(usual[..5], [0.1, 0.2, 0.5, 1.0, 2.0]);
        assert_eq!(usual[16..], [20_000.0, 50_000.0, 100_000.0]);
        assert_eq!(edges_ms(&[0.02])[..4], [0.01, 0.02, 0.05, 0.1]);
        assert_eq!(edges_ms(&[100_000.5]).last(), Some(&1_000_000.0));
        assert_eq!(edges_ms(&[100_000.0]), usual);
    }
}
