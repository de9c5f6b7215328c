//! What a row of samples says.

use crate::result::Bucket;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Percentiles by nearest rank: each is a value that was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// How many samples.
    pub samples: usize,
    /// mean
    pub mean_ms: f64,
    /// Half of the samples are at most this.
    pub p50_ms: f64,
    /// 95 of 100 samples are at most this.
    pub p95_ms: f64,
    /// 99
    pub p99_ms: f64,
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
            mean_ms: sorted.iter().sum::<f64>() / sorted.len() as f64,
            p50_ms: rank(50)?,
            p95_ms: rank(95)?,
            p99_ms: rank(99)?,
            min_ms: rank(0)?,
            max_ms: rank(100)?,
        })
    }
}

/// placeholder
pub fn histogram(samples: &[f64], edges: &[f64]) -> Vec<Bucket> {
    edges
        .iter()
        .map(|&le| Bucket { le_ms: Some(le), count: samples.iter().filter(|&&s| s <= le).count() as u64 })
        .chain([Bucket { le_ms: None, count: samples.len() as u64 }])
        .collect()
}
