//! What a row of samples says.

use serde::Serialize;

/// Percentiles by nearest rank: each is a value that was measured.
#[derive(Debug, PartialEq, Serialize)]
pub struct Summary {
    /// How many samples.
    pub samples: usize,
    /// Half of the samples are at most this.
    pub p50_ms: f64,
    /// 95 of 100 samples are at most this.
    pub p95_ms: f64,
    /// The smallest.
    pub min_ms: f64,
    /// The largest.
    pub max_ms: f64,
}

impl Summary {
    /// The summary of `samples_ms`; `None` of none.
    pub fn of(samples_ms: &[f64]) -> Option<Self> {
        let mut sorted = samples_ms.to_vec();
        sorted.sort_by(f64::total_cmp);
        let rank =
            |percent: usize| sorted.get((sorted.len() * percent).div_ceil(100).saturating_sub(1)).copied();
        Some(Self {
            samples: sorted.len(),
            p50_ms: rank(50)?,
            p95_ms: rank(95)?,
            min_ms: rank(0)?,
            max_ms: rank(100)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_rank() {
        let samples: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        let want = Summary { samples: 100, p50_ms: 50.0, p95_ms: 95.0, min_ms: 1.0, max_ms: 100.0 };
        assert_eq!(Summary::of(&samples), Some(want));
        let one = Summary { samples: 1, p50_ms: 3.0, p95_ms: 3.0, min_ms: 3.0, max_ms: 3.0 };
        assert_eq!(Summary::of(&[3.0]), Some(one));
        assert_eq!(Summary::of(&[]), None);
    }
}
