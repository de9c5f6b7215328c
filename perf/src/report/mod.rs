//! What a run leaves behind: each file is a pure function of the results.

pub mod markdown;

use crate::{
    Failure,
    result::{Results, Samples},
    store,
};

/// Every file of a run's directory, by name.
pub fn files(results: &Results, samples: &Samples) -> Result<Vec<(&'static str, Vec<u8>)>, Failure> {
    let json = |value: &serde_json::Value| -> Result<Vec<u8>, Failure> {
        let mut bytes = serde_json::to_vec_pretty(value)?;
        bytes.push(b'\n');
        Ok(bytes)
    };
    Ok(vec![
        (store::STATS, json(&serde_json::to_value(results)?)?),
        (store::SAMPLES, serde_json::to_vec(samples)?),
        ("phases.md", markdown::text(results).into_bytes()),
    ])
}
