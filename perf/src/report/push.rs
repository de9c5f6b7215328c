//! `--push`: a run's metrics to a Prometheus Pushgateway.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use stella::report::plain;

use super::metrics;
use crate::{Failure, machine::Machine, result::Results};

/// The longest that a gateway may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Characters of a gateway's answer that an error shows.
const SHOWN: usize = 300;

/// Replaces what the gateway at `url` has of this kind of machine by `results`.
pub fn send(url: &str, results: &Results) -> Result<(), Failure> {
    let fail = |why: String| format!("push to {}: {why}", shown(url));
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(TIMEOUT))
        .http_status_as_error(false)
        .build()
        .into();
    let mut answer = agent
        .put(address(url, &results.machine))
        .header("content-type", "text/plain; version=0.0.4; charset=utf-8")
        .send(metrics::prometheus(results)?)
        .map_err(|error| fail(error.to_string()))?;
    if !answer.status().is_success() {
        let said = answer.body_mut().read_to_string().unwrap_or_default();
        let said: String = plain(&said).chars().take(SHOWN).collect();
        return Err(fail(format!("{} {said}", answer.status())).into());
    }
    Ok(())
}

/// The instance is the kind of machine: figures of two kinds must not replace each other, and a runner that lives for one
/// job must not leave a group of its own behind. A processor's name has blanks and slashes, hence base64.
fn address(url: &str, machine: &Machine) -> String {
    let instance = format!("{} x {}", machine.cores, machine.cpu);
    let instance = BASE64_URL_SAFE_NO_PAD.encode(instance);
    format!("{}/metrics/job/stella-perf/instance@base64/{instance}", url.trim_end_matches('/'))
}

/// The address without a password in it.
fn shown(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
        _ => url.to_owned(),
    }
}
