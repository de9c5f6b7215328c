//! Bounds on what one scan may ask, beside the bytes of its body. Its layers have theirs in the engine.

use stella::{
    api::{ImageClaim, ScanRequest},
    image::MAX_LAYERS,
    policy::{MAX_POLICY_BYTES, MAX_RULES, Policy},
};

use crate::problem::{self, Problem};

/// `policies`: each is applied to each finding.
const MAX_POLICIES: usize = 16;
/// `skipped` and `allowed skips`: what the caller could not look at, and the names it may pass without.
const MAX_SKIPPED: usize = 4096;
/// `history entries` of an image.
const MAX_HISTORY: usize = 4096;
/// `text length`: bytes of a reference, of a policy's origin, of each text of a skip. A path may be one.
const MAX_TEXT_BYTES: usize = 8192;

/// Refuses a request that is over one of them.
pub fn hold(request: &ScanRequest) -> Result<(), Problem> {
    let history = match &request.image {
        Some(ImageClaim::Engine { history, .. }) => history.len(),
        // Inside a document, whose bytes are bounded.
        Some(ImageClaim::Content { .. }) | None => 0,
    };
    let origins = request.policies.iter().map(|policy| policy.origin.len());
    let skips = request.skipped.iter().flat_map(|s| [s.name.len(), s.what.len(), s.why.len()]);
    let allowed = request.allow_skipped.iter().map(String::len);
    let base = request.base.iter().filter_map(|base| base.name.as_ref()).map(String::len);
    let one_each = [request.reference.len()].into_iter().chain(base);
    let text = origins.chain(skips).chain(allowed).chain(one_each).max().unwrap_or_default();
    let policy = request.policies.iter().map(|policy| policy.text.len()).max().unwrap_or_default();
    for (name, found, limit) in [
        ("policies", request.policies.len(), MAX_POLICIES),
        ("policy size", policy, MAX_POLICY_BYTES),
        ("skipped", request.skipped.len(), MAX_SKIPPED),
        ("allowed skips", request.allow_skipped.len(), MAX_SKIPPED),
        ("pairs", request.pairs.len(), MAX_LAYERS),
        ("history entries", history, MAX_HISTORY),
        ("text length", text, MAX_TEXT_BYTES),
    ] {
        one(name, found, limit)?;
    }
    Ok(())
}

/// `policy rules`, of all policies together: so many are tried on each finding.
pub fn rules(policies: &[Policy]) -> Result<(), Problem> {
    one("policy rules", policies.iter().map(|policy| policy.rules.len()).sum(), MAX_RULES)
}

fn one(name: &str, found: usize, limit: usize) -> Result<(), Problem> {
    if found <= limit {
        return Ok(());
    }
    let detail = format!("the request has {found}; the limit `{name}` is {limit}");
    Err(Problem::new(problem::UNPROCESSABLE, detail))
}
