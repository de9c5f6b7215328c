//! What a run leaves behind: each file is a pure function of the results.

pub mod column;
pub mod duration;
pub mod export;
mod junit;
pub mod markdown;
mod metrics;
pub mod push;
#[cfg(test)]
mod schema;
pub mod table;

use crate::{
    Failure,
    result::{Results, Samples},
    store,
};

/// Every file of a run's directory, by name.
pub fn files(results: &Results, samples: &Samples) -> Result<Vec<(&'static str, Vec<u8>)>, Failure> {
    let mut stats = serde_json::to_vec_pretty(results)?;
    stats.push(b'\n');
    Ok(vec![
        (store::STATS, stats),
        (store::SAMPLES, serde_json::to_vec(samples)?),
        ("metrics.prom", metrics::prometheus(results)?.into_bytes()),
        ("metrics.txt", metrics::openmetrics(results)?.into_bytes()),
        ("junit.xml", junit::bytes(results)?),
        ("phases.md", markdown::text(results).into_bytes()),
    ])
}
